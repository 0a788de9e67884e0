"""No sequence of acts makes a version live without all the names it takes, whatever is tried and in whatever order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dunlin.content.acts import NOTHING, Book, OutOfOrder, digest_of, person
from dunlin.content.release import as_written, next_act, read_book, standing, write_book
from dunlin.domain.environments import EMBEDDED, ENVIRONMENTS
from dunlin.errors import ContentError
from hypothesis import given, settings
from hypothesis import strategies as st

VERSIONS = ("a" * 16, "b" * 16, "c" * 16)
PEOPLE = ("ana", "Ana ", "ben", "BEN", "cal", "dee")
NEED_A_PLACE = ("filed", "released")

Said = dict[str, Any]


@st.composite
def acts(draw: st.DrawFn) -> Said:
    name = draw(st.sampled_from(("drafted", "reviewed", "approved", "filed", "released", "released", "withdrawn")))
    fewest = 1 if name in NEED_A_PLACE else 0
    most = 0 if name in ("drafted", "reviewed", "approved") else len(ENVIRONMENTS)
    return {
        "act": name,
        "version": draw(st.sampled_from(VERSIONS)),
        "by": draw(st.sampled_from(PEOPLE)),
        "at": "2026-11-21",
        "environments": draw(st.lists(st.sampled_from(ENVIRONMENTS), unique=True, min_size=fewest, max_size=most)),
    }


@st.composite
def careful_acts(draw: st.DrawFn) -> list[Said]:
    """Whole passages in the right order with anything between: random acts alone hardly ever get as far as live."""
    written: list[Said] = []
    for _ in range(draw(st.integers(1, 4))):
        version = draw(st.sampled_from(VERSIONS))
        people = draw(st.lists(st.sampled_from(PEOPLE), min_size=3, max_size=3))
        where = draw(st.lists(st.sampled_from(ENVIRONMENTS), unique=True, min_size=1))
        steps: list[Said] = [
            {"act": name, "version": version, "by": by, "at": "2026-11-21"}
            for name, by in zip(("drafted", "reviewed", "approved"), people, strict=True)
        ]
        steps.append({"act": "filed", "version": version, "by": "dee", "at": "2026-11-21", "environments": where})
        steps.append({"act": "released", "version": version, "by": "dee", "at": "2026-11-21", "environments": where})
        left_out = draw(st.sets(st.integers(0, 4), max_size=1))
        passage = [step for number, step in enumerate(steps) if number not in left_out]
        if draw(st.booleans()):
            gone = {"act": "withdrawn", "version": version, "by": "dee", "at": "2026-11-21"}
            passage.insert(draw(st.integers(1, len(passage))), gone)
        written += [*passage, *draw(st.lists(acts(), max_size=2))]
    return written


def taken(said: Sequence[Said]) -> Book:
    """The acts that may be, one after the other; the others were refused and changed nothing."""
    book = NOTHING
    for one in said:
        try:
            book = book.after(next_act(book, **one))
        except OutOfOrder:
            continue
    return book


def judged(said: Sequence[Said], version: str, environment: str) -> tuple[bool, str]:
    """Whether the raw acts give a version the right to send here, found without the code that is judged; else why not.

    From the end: the last release here is this version's, nothing withdrew it since, and before it there stand, each
    after the other and with no draft or withdrawal between, a draft, a review and an approval by three people.
    """
    releases = [n for n, a in enumerate(said) if a["act"] == "released" and environment in a["environments"]]
    if not releases or said[releases[-1]]["version"] != version:
        return False, "another is live here"
    mine = [(n, a) for n, a in enumerate(said) if a["version"] == version]
    for n, act in mine:
        gone = act["act"] == "withdrawn" and (not act["environments"] or environment in act["environments"])
        if gone and n > releases[-1]:
            return False, "withdrawn"
    begin = max(n for n, a in mine if a["act"] == "drafted" and n < releases[-1])
    names: dict[str, str] = {}
    filed: set[str] = set()
    for n, act in mine:
        if not begin <= n < releases[-1]:
            continue
        if act["act"] == "withdrawn" and not act["environments"]:
            return False, "void"
        if act["act"] == "filed":
            filed |= set(act["environments"])
        elif act["act"] in ("drafted", "reviewed", "approved"):
            names[act["act"]] = person(act["by"])
    if set(names) != {"drafted", "reviewed", "approved"} or len(set(names.values())) != 3:
        return False, "names"
    authors = {person(a["by"]) for n, a in mine if a["act"] == "drafted" and n < releases[-1]}
    if authors & {names["reviewed"], names["approved"]}:
        return False, "its author"
    return environment == EMBEDDED or environment in filed, "not filed"


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.lists(acts(), max_size=25), careful_acts()))
def test_nothing_is_live_without_all_its_names(said: list[Said]) -> None:
    book = taken(said)
    raw = [as_written(act) for act in book.acts]
    for act in raw:
        act.setdefault("environments", [])
    for environment in ENVIRONMENTS:
        live = [version for version in VERSIONS if standing(book, version, environment)[1]]
        assert len(live) <= 1
        for version in VERSIONS:
            rightly, why = judged(raw, version, environment) if raw else (False, "")
            assert (version in live) == rightly, (environment, version, why)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(acts(), max_size=12), careful_acts()))
def test_whoever_can_write_digests_can_still_not_do_without_the_names(
    tmp_path_factory: pytest.TempPathFactory, said: list[Said]
) -> None:
    """A file of any acts with right digests is either refused, or nothing in it is live that should not be."""
    root = tmp_path_factory.getbasetemp()
    written: list[Said] = []
    for number, one in enumerate(said, 1):
        act = {**{k: v for k, v in one.items() if v}, "number": number}
        act["previous"] = written[-1]["digest"] if written else None
        written.append({**act, "digest": digest_of(act)})
    (root / "release.json").write_text(json.dumps({"acts": written}))
    errors: list[ContentError] = []
    book = read_book(root, errors)
    if errors:
        assert book == NOTHING
        return
    assert len(book.acts) == len(said)
    raw = [{"environments": [], **act} for act in written]
    for environment in ENVIRONMENTS:
        for version in VERSIONS:
            if standing(book, version, environment)[1]:
                assert judged(raw, version, environment)[0]


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.lists(acts(), max_size=15), careful_acts()))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, said: list[Said]) -> None:
    root, book = tmp_path_factory.getbasetemp(), taken(said)
    write_book(root, book)
    errors: list[ContentError] = []
    assert read_book(root, errors) == book
    assert errors == []


@settings(max_examples=200, deadline=None)
@given(careful_acts(), st.data())
def test_no_byte_of_the_chain_can_be_changed_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, said: list[Said], data: st.DataObject
) -> None:
    root, book = tmp_path_factory.getbasetemp(), taken(said)
    write_book(root, book)
    path: Path = root / "release.json"
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(32, 126))
    path.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
    errors: list[ContentError] = []
    found = read_book(root, errors)
    same = json.loads(whole) == _loaded(path)
    assert same or errors
    assert found == (book if same else NOTHING)


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None
