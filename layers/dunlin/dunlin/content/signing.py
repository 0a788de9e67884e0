"""Putting names to exactly these bytes: act by act, as people do it, or all at once for the embedded environment.

Every function here adds to `release.json` or leaves it as it was. Whether an act may come is for `acts` to say; what an
act claims about the files (nothing is wrong with them, everything is filed) is looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

from dunlin.content.acts import Book, OutOfOrder, Release, person
from dunlin.content.errors import raise_all
from dunlin.content.filing import FILINGS_FILE, Filings, filings_of, read_filings
from dunlin.content.lint import check
from dunlin.content.loader import content_version, load_content
from dunlin.content.release import RELEASE_FILE, next_act, read_book, write_book
from dunlin.content.schema import ActName, FiledLineModel
from dunlin.domain.environments import EMBEDDED, REAL
from dunlin.errors import ContentError

__all__ = ["approve", "draft", "file_with_providers", "make_live", "missing", "review", "sign", "withdraw"]


def draft(root: Path, by: str, at: date, note: str = "") -> Release:
    """These bytes are proposed by `by`.

    Raises:
        ContentErrors: (a ContentError) the files are wrong, or `check` finds problems in them.
        ContentError: they are drafted already, or `by` is no name.
    """
    book, version = _read(root)
    known = book.releases.get(version)
    if known is not None and known.withdrawn is None:
        what = "make it live again" if known.state == "retired" else "move it along, or withdraw it first"
        raise ContentError(RELEASE_FILE, "act", f"{version} is {known.state} already (act {known.drafted.act}): {what}")
    after = _add(book, version, "drafted", by, at, note=note)
    raise_all([ContentError(problem.where, problem.field, problem.text) for problem in check(root)])
    return _write(root, after, version)


def review(root: Path, by: str, at: date, note: str = "") -> Release:
    """`by` read them, and is not their author. Raises as `approve`."""
    book, version = _read(root)
    return _write(root, _add(book, version, "reviewed", by, at, note=note), version)


def approve(root: Path, by: str, at: date, note: str = "") -> Release:
    """`by` answers for them, and neither wrote nor reviewed them.

    Raises:
        ContentError: it is not this act's turn, or `by` may not do it. ContentErrors: the acts cannot be read.
    """
    book, version = _read(root)
    return _write(root, _add(book, version, "approved", by, at, note=note), version)


def file_with_providers(
    root: Path, by: str, at: date, environments: Sequence[str] = REAL, note: str = "", *, today: date | None = None
) -> Release:
    """`by` says that everything is on file which providers and carriers ask for.

    Raises:
        ContentErrors: (a ContentError) something is not; each line, text and language by name.
        ContentError: it is not this act's turn.
    """
    book, version = _read(root)
    _add(book, version, "filed", by, at, note=note, environments=environments)
    lines = _everything_filed(root, today or at)
    after = _add(book, version, "filed", by, at, note=note, environments=environments, lines=lines)
    return _write(root, after, version)


def make_live(
    root: Path, by: str, at: date, environments: Sequence[str], note: str = "", *, today: date | None = None
) -> Release:
    """From now on these bytes are sent under in these environments; what was live there is retired.

    Raises:
        ContentErrors: (a ContentError) something is not filed (any more).
        ContentError: it is not this act's turn.
    """
    book, version = _read(root)
    after = _add(book, version, "released", by, at, note=note, environments=environments)
    if set(environments) & set(REAL):
        _same_filings(after.releases[version], _everything_filed(root, today or at))
    return _write(root, after, version)


def withdraw(
    root: Path, by: str, at: date, environments: Sequence[str] = (), note: str = "", *, version: str = ""
) -> Release:
    """A version is sent under no longer: in these environments, or, without any, anywhere, and its names are void.

    Raises:
        ContentError: it is not drafted, or not live there.
    """
    book, present = _read(root)
    which = version or present
    return _write(root, _add(book, which, "withdrawn", by, at, note=note, environments=environments), which)


def sign(
    root: Path,
    author: str,
    reviewer: str,
    approver: str,
    on: date,
    filed: tuple[tuple[str, str], ...] = (),
    environments: Sequence[str] = (EMBEDDED,),
) -> Release:
    """Put all the names to the files under `root` as they are, and make them live; what was live until now is retired.

    `filed` are numbers under which something is filed, given by hand. Signing what is live already changes nothing.
    For another environment than the embedded one everything has to be filed first.

    Raises:
        ContentErrors: (a ContentError) the files are wrong, `check` finds problems in them, or something is not filed.
        ContentError: author, reviewer and approver are not who they must be.
    """
    for role, by in (("author", author), ("reviewer", reviewer), ("approver", approver)):
        if not person(by):
            raise ContentError(RELEASE_FILE, role, "has no name")
    book, version = _read(root)
    known = book.releases.get(version)
    is_live = known is not None and bool(known.live)
    wanted = [name for name in environments if known is None or name not in known.live]
    if known is None or not is_live:
        book = _add(book, version, "drafted", author, on, "author")
        book = _add(book, version, "reviewed", reviewer, on, "reviewer")
        book = _add(book, version, "approved", approver, on, "approver")
    elif wanted:
        _same_people(known, author, reviewer, approver)
    raise_all([ContentError(problem.where, problem.field, problem.text) for problem in check(root)])
    if known is not None and not wanted:
        return known
    real = [name for name in wanted if name != EMBEDDED]
    lines = _everything_filed(root, on) if real else ()
    if filed or real:
        where = real or [EMBEDDED]
        book = _add(book, version, "filed", approver, on, environments=where, lines=lines, registrations=dict(filed))
    book = _add(book, version, "released", approver, on, environments=wanted)
    return _write(root, book, version)


def missing(filings: Filings, lender_id: str) -> list[ContentError]:
    """What is not filed: each number by its line, each text by line, message and language."""
    found = [
        ContentError(
            f"lenders/{lender_id}.yaml", f"lines.{each.line}.registrations.{each.name}", f"{each.rule_id} wants it"
        )
        for each in filings.missing_registrations
    ]
    texts: dict[tuple[str, str, str], list[bool]] = {}
    for wording in filings.missing_texts:
        texts.setdefault(wording.key, []).append(wording.changed)
    for key, changed in sorted(texts.items()):
        count = f"{len(changed)} wordings have" if len(changed) > 1 else "one wording has"
        again = "; it was changed after it was filed" if any(changed) else ""
        found.append(ContentError(FILINGS_FILE, ".".join(key), f"{count} to be filed{again}"))
    return found


# ── Helpers ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(root: Path) -> tuple[Book, str]:
    errors: list[ContentError] = []
    book = read_book(root, errors)
    raise_all(errors)
    return book, content_version(root)


def _add(
    book: Book,
    version: str,
    act: ActName,
    by: str,
    at: date,
    role: str = "by",
    *,
    note: str = "",
    environments: Iterable[str] = (),
    lines: tuple[FiledLineModel, ...] = (),
    registrations: dict[str, str] | None = None,
) -> Book:
    if not person(by):
        raise ContentError(RELEASE_FILE, role, "has no name")
    if isinstance(at, datetime) and at.tzinfo is None:
        raise ValueError("at: a moment needs its zone")
    where = list(dict.fromkeys(environments))
    try:
        return book.after(
            next_act(
                book,
                act=act,
                version=version,
                by=by,
                at=at.isoformat(),
                note=note,
                environments=where,
                lines=lines,
                registrations=registrations,
            )
        )
    except OutOfOrder as mistake:
        field = role if mistake.field == "by" else mistake.field
        raise ContentError(RELEASE_FILE, field, mistake.problem) from None


def _write(root: Path, book: Book, version: str) -> Release:
    write_book(root, book)
    return book.releases[version]


def _everything_filed(root: Path, at: date) -> tuple[FiledLineModel, ...]:
    content = load_content(root)
    today = at.date() if isinstance(at, datetime) else at
    filings = filings_of(content, read_filings(root), today)
    raise_all(missing(filings, content.lender.lender_id))
    return filings.lines()


def _same_filings(release: Release, lines: tuple[FiledLineModel, ...]) -> None:
    assert release.filing is not None
    if release.filing.lines != lines:
        problem = f"is not what act {release.filing.number} says was filed; record the filing again"
        raise ContentError(FILINGS_FILE, "filings", problem)


def _same_people(known: Release, *names: str) -> None:
    assert known.reviewed is not None
    assert known.approved is not None
    done = (known.drafted, known.reviewed, known.approved)
    for role, by, before in zip(("author", "reviewer", "approver"), names, done, strict=True):
        if person(by) != person(before.by):
            raise ContentError(RELEASE_FILE, role, f"is somebody else in act {before.act}, and these bytes are live")
