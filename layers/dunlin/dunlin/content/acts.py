"""What the acts about a version amount to: a release is the sum of who did what, and is never written down itself.

    drafted → reviewed → approved → filed → released
                 by another   by a third   (not for the embedded environment)

`_changes` is the one place that knows in which order acts come and who may do them: what is read from a file goes
through it act by act, and so does what somebody wants to add.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from dunlin.content.schema import ActModel
from dunlin.domain.environments import EMBEDDED

__all__ = ["NOTHING", "Book", "Named", "OutOfOrder", "Reader", "Release", "digest_of", "person"]


class OutOfOrder(Exception):
    """An act that may not follow those before it. `field` is what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def digest_of(act: Mapping[str, Any]) -> str:
    """SHA-256 over an act as it stands in its file, without its own digest: `previous` ties it to the one before."""
    said = {name: value for name, value in act.items() if name != "digest"}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def person(name: str) -> str:
    """The same for every way to write a name: no case, no space, nothing that is not seen."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in folded if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf"))


@dataclass(frozen=True, slots=True)
class Named:
    """Who did something, when, and in which act."""

    by: str
    at: str
    act: int


@dataclass(frozen=True, slots=True)
class Release:
    """One version: the names that stand under it now, and where it is live. `number`: the how manyth to be drafted."""

    number: int
    version: str
    drafted: Named
    #: Everybody who ever drafted it, as `person` writes them: none of them reviews or approves it.
    authors: frozenset[str]
    reviewed: Named | None = None
    approved: Named | None = None
    filed: Named | None = None
    filed_for: frozenset[str] = frozenset()
    #: What the lines had filed, as the last such act says it.
    filing: ActModel | None = None
    live: Mapping[str, Named] = field(default_factory=dict)
    #: Where it was live, and by which act it ended there.
    ended: Mapping[str, Named] = field(default_factory=dict)
    withdrawn: Named | None = None

    @property
    def state(self) -> str:
        if self.withdrawn is not None:
            return "withdrawn"
        if self.live:
            return "live"
        if self.ended:
            return "retired"
        if self.filed is not None and self.filed_for - {EMBEDDED}:
            return "filed"
        if self.approved is not None:
            return "approved"
        return "reviewed" if self.reviewed is not None else "drafted"


@dataclass(frozen=True, slots=True)
class Book:
    """All acts, and what they amount to."""

    acts: tuple[ActModel, ...] = ()
    releases: Mapping[str, Release] = field(default_factory=dict)

    @property
    def head(self) -> str | None:
        """The digest that the next act has to name."""
        return self.acts[-1].digest if self.acts else None

    def live_in(self, environment: str) -> Release | None:
        return next((release for release in self.releases.values() if environment in release.live), None)

    def before(self, version: str, environment: str) -> dict[str, int]:
        """The versions that messages may have been made under before this one was made live: each with its number.

        Of a version that is live nowhere it is every version that ever was.
        """
        own = self.releases.get(version)
        known: dict[str, int] = {}
        for act in self.acts:
            if act.act != "released":
                continue
            if own is None or environment not in own.live or environment in act.environments:
                known[act.version] = self.releases[act.version].number
            if own is not None and environment in own.live and act.number == own.live[environment].act:
                break
        return known

    def after(self, act: ActModel) -> Book:
        """The book with one act more.

        Raises:
            OutOfOrder: it may not follow those before it.
        """
        changed = _changes(self.releases, len(self.acts), self.head, act)
        return Book((*self.acts, act), {**self.releases, **changed})


class Reader:
    """A book as it is read, act by act: the same as `Book.after` again and again, without a copy for each."""

    def __init__(self) -> None:
        self._acts: list[ActModel] = []
        self._releases: dict[str, Release] = {}

    def take(self, act: ActModel) -> None:
        """Raises as `Book.after`."""
        head = self._acts[-1].digest if self._acts else None
        self._releases.update(_changes(self._releases, len(self._acts), head, act))
        self._acts.append(act)

    def book(self) -> Book:
        return Book(tuple(self._acts), self._releases)


#: No acts: nothing was ever drafted.
NOTHING = Book()


def _changes(releases: Mapping[str, Release], count: int, head: str | None, act: ActModel) -> dict[str, Release]:
    """What an act changes after `count` others, of which `head` is the last one's digest."""
    if act.number != count + 1:
        raise OutOfOrder("number", f"is not {count + 1}: an act was removed, or put between others")
    if act.previous != head:
        raise OutOfOrder("previous", "is not the digest of the act before: one was changed, removed or put between")
    if not person(act.by):
        raise OutOfOrder("by", "has no name")
    done = Named(act.by, act.at, act.number)
    known = releases.get(act.version)
    if act.act == "drafted":
        new = Release(len(releases) + 1, act.version, done, frozenset({person(act.by)}))
        return {act.version: new if known is None else _drafted_anew(known, new)}
    if known is None:
        raise OutOfOrder("act", f"{act.version} is not drafted")
    if known.withdrawn is not None:
        raise OutOfOrder("act", f"{act.version} was withdrawn; it has to be drafted anew")
    changed = {act.version: _moved(known, act, done)}
    if act.act == "released":
        for other in releases.values():
            lost = other.live.keys() & set(act.environments)
            if lost:
                changed[other.version] = _ended(other, lost, done)
    return changed


def _moved(known: Release, act: ActModel, done: Named) -> Release:
    match act.act:
        case "reviewed":
            return _reviewed(known, done)
        case "approved":
            return _approved(known, done)
        case "filed":
            return _filed(known, act, done)
        case "released":
            return _released(known, act, done)
        case "withdrawn":
            return _withdrawn(known, act, done)
        case "drafted":
            raise AssertionError("a draft begins, and follows nothing")
        case _:
            assert_never(act.act)


def _drafted_anew(known: Release, new: Release) -> Release:
    """All names begin again, but nobody stops being an author."""
    if known.live:
        raise OutOfOrder("act", f"{known.version} is live in {', '.join(sorted(known.live))}")
    return replace(new, number=known.number, authors=known.authors | new.authors)


def _reviewed(known: Release, done: Named) -> Release:
    if known.reviewed is not None:
        raise OutOfOrder("act", f"{known.version} is reviewed already (act {known.reviewed.act})")
    if person(done.by) in known.authors:
        raise OutOfOrder("by", "nobody reviews their own release")
    return replace(known, reviewed=done)


def _approved(known: Release, done: Named) -> Release:
    if known.reviewed is None:
        raise OutOfOrder("act", f"{known.version} is not reviewed")
    if known.approved is not None:
        raise OutOfOrder("act", f"{known.version} is approved already (act {known.approved.act})")
    if person(done.by) in known.authors:
        raise OutOfOrder("by", "nobody approves their own release")
    if person(done.by) == person(known.reviewed.by):
        raise OutOfOrder("by", "whoever reviewed it does not approve it too")
    return replace(known, approved=done)


def _filed(known: Release, act: ActModel, done: Named) -> Release:
    if known.approved is None:
        raise OutOfOrder("act", f"{act.version} is not approved")
    return replace(known, filed=done, filed_for=known.filed_for | set(act.environments), filing=act)


def _withdrawn(known: Release, act: ActModel, done: Named) -> Release:
    for name in act.environments:
        if name not in known.live:
            raise OutOfOrder("environments", f"{act.version} is not live in {name}")
    if act.environments:
        return _ended(known, set(act.environments), done)
    return replace(_ended(known, set(known.live), done), withdrawn=done)


def _released(known: Release, act: ActModel, done: Named) -> Release:
    if known.approved is None:
        raise OutOfOrder("act", f"{act.version} is not approved")
    for name in act.environments:
        if name in known.live:
            raise OutOfOrder("environments", f"{act.version} is live in {name} already (act {known.live[name].act})")
        if name != EMBEDDED and name not in known.filed_for:
            raise OutOfOrder("environments", f"{act.version} is not filed for {name}")
    ended = {name: end for name, end in known.ended.items() if name not in act.environments}
    return replace(known, live={**known.live, **dict.fromkeys(act.environments, done)}, ended=ended)


def _ended(known: Release, where: set[str], done: Named) -> Release:
    live = {name: since for name, since in known.live.items() if name not in where}
    return replace(known, live=live, ended={**known.ended, **dict.fromkeys(sorted(where), done)})
