"""How long records are kept, as packs and policies say it: every layer counts, and what crosses is refused by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from dunlin.content.errors import ContentErrors
from dunlin.content.loader import load_content, load_rules
from dunlin.content.retained import retention_rules
from dunlin.content.schema import ALL_CAPACITIES, Capacity
from dunlin.domain.retention import RetentionRules

from tests.builders import TODAY, shipped_content
from tests.unit.test_content import edit, line_of, partly

OWN = 'source: {reference: "Lender\'s own policy", confidence: own}'
LAW = 'source: {reference: "A law", confidence: P}'


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return partly(tmp_path)


def setting(name: str, value: str, source: str = OWN) -> str:
    return f"settings:\n  {name}:\n    value: {value}\n    {source}"


def drop(root: Path, name: str, key: str) -> None:
    """Take a setting of three lines out of a file."""
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    at = lines.index(f"  {key}:")
    (root / name).write_text("\n".join(lines[:at] + lines[at + 3 :]) + "\n", encoding="utf-8")


def bound(root: Path, jurisdiction: str, today: date = TODAY, capacity: Capacity = "creditor") -> RetentionRules | None:
    rules = load_rules(root)
    return retention_rules(rules.packs, rules.policies, jurisdiction, today, capacity, version="v", live=True)


@pytest.mark.parametrize(
    ("jurisdiction", "keep", "rule", "forget", "texts"),
    [
        ("CN", 5, "CN.keep_records_years", 5, None),
        ("US-NY", 3, "US.keep_records_years", 5, None),
        ("US-MA", 3, "US.keep_records_years", 5, None),
        ("GB", 6, "GB.keep_records_years", 6, 1095),
        ("AU", 7, "AU.keep_records_years", 7, None),
    ],
)
def test_what_is_shipped(jurisdiction: str, keep: int, rule: str, forget: int, texts: int | None) -> None:
    found = shipped_content().retention(jurisdiction, TODAY)
    assert found is not None
    assert (found.keep_records.length, found.keep_records.rule_id) == (keep, rule)
    assert found.forget_after is not None
    assert (found.forget_after.length, found.forget_after.source.confidence) == (forget, "own")
    assert (found.keep_texts.length if found.keep_texts is not None else None) == texts
    assert found.live
    assert found.content_version == shipped_content().version


def test_where_nobody_answers_for_it() -> None:
    content = shipped_content()
    assert content.retention("TW", TODAY) is None, "nobody reviewed it"
    assert content.retention("US", TODAY) is None, "nobody lives in a base"
    draft = content.retention("KR", TODAY)
    assert draft is not None
    assert not draft.live
    late = content.retention("GB", date(2028, 1, 1))
    assert late is not None
    assert not late.live, "its signature is over"
    unreleased = replace(content, live=False, _retention={}).retention("GB", TODAY)
    assert unreleased is not None
    assert not unreleased.live


def test_of_every_layer_the_longest_keeping_and_the_shortest_forgetting(part: Path) -> None:
    edit(part, "packs/us-ma.yaml", "\nhours:", f"\n{setting('keep_records_years', '2', LAW)}\n\nhours:")
    found = bound(part, "US-MA")
    assert found is not None
    assert (found.keep_records.length, found.keep_records.rule_id) == (3, "US.keep_records_years")
    edit(part, "policies/us.yaml", "settings:", setting("keep_records_years", "{2020-01-01: 3, 2027-01-01: 4}"))
    now, then = bound(part, "US-MA"), bound(part, "US-MA", date(2027, 1, 1))
    assert now is not None
    assert then is not None
    assert (now.keep_records.length, then.keep_records.length) == (3, 4)
    assert then.keep_records.rule_id == "own.US.keep_records_years"
    edit(part, "packs/us.yaml", "settings:", setting("forget_after_years", "4", LAW))
    drop(part, "policies/us.yaml", "forget_after_years")
    law = bound(part, "US-MA")
    assert law is not None
    assert law.forget_after is not None
    assert law.forget_after.rule_id == "US.forget_after_years"


def test_without_a_forgetting_nothing_goes_by_rule(part: Path) -> None:
    drop(part, "policies/cn.yaml", "forget_after_years")
    found = bound(part, "CN")
    assert found is not None
    assert found.forget_after is None
    assert bound(part, "CN", date(2024, 1, 1)) is None, "no law said so then"


CROSSED = [
    ("cn", "forget_after_years", "4", "4 is sooner than the 5 of pack CN keep_records_years"),
    (
        "us",
        "forget_after_years",
        "{2020-01-01: 9, 2030-01-01: 2}",
        "2 is sooner than the 3 of pack US keep_records_years",
    ),
    ("cn", "keep_texts_days", "90", "words are records in pack CN keep_records_years, and no pack says that"),
]


@pytest.mark.parametrize(("code", "name", "value", "problem"), CROSSED)
def test_what_crosses_is_refused_by_name(part: Path, code: str, name: str, value: str, problem: str) -> None:
    file = f"policies/{code}.yaml"
    if name == "forget_after_years":
        drop(part, file, name)
    edit(part, file, "settings:", setting(name, value))
    for load in (load_content, load_rules):
        with pytest.raises(ContentErrors) as found:
            load(part)
        (error,) = found.value.errors
        assert (error.where, error.field) == (line_of(part, file, f"{name}:"), f"settings.{name}")
        assert error.problem.startswith(problem)


def test_a_keeping_that_grows_and_a_forgetting_that_grows_with_it_do_not_cross(part: Path) -> None:
    drop(part, "policies/us.yaml", "forget_after_years")
    edit(part, "policies/us.yaml", "settings:", setting("forget_after_years", "{2020-01-01: 3, 2030-01-01: 8}"))
    edit(part, "packs/us.yaml", "    value: 3\n", "    value: {1978-01-01: 3, 2030-01-01: 8}\n")
    found = bound(part, "US-NY", date(2031, 1, 1))
    assert found is not None
    assert found.forget_after is not None
    assert found.forget_after.length == found.keep_records.length == 8


def test_words_may_go_where_the_pack_says_so(part: Path) -> None:
    edit(part, "packs/cn.yaml", "settings:", setting("keep_texts_days", "60", LAW))
    edit(part, "policies/cn.yaml", "settings:", setting("keep_texts_days", "90"))
    found = bound(part, "CN")
    assert found is not None
    assert found.keep_texts is not None
    assert (found.keep_texts.length, found.keep_texts.rule_id) == (90, "own.CN.keep_texts_days")


def test_a_policy_that_keeps_words_for_less_than_the_law_is_refused(part: Path) -> None:
    edit(part, "packs/cn.yaml", "settings:", setting("keep_texts_days", "60", LAW))
    edit(part, "policies/cn.yaml", "settings:", setting("keep_texts_days", "30"))
    with pytest.raises(ContentErrors, match="30 is looser than the 60 of pack CN"):
        load_rules(part)


def test_a_rule_binds_whom_it_names(part: Path) -> None:
    collectors = f"capacity: [collector]\n    {LAW}"
    edit(part, "packs/us-ny.yaml", "signed:", f"{setting('keep_records_years', '5', collectors)}\nsigned:")
    assert {name: bound(part, "US-NY", capacity=name).keep_records.length for name in ALL_CAPACITIES} == {  # type: ignore[union-attr]
        "creditor": 3,
        "servicer": 3,
        "collector": 5,
    }
