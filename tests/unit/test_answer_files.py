"""Files in answers/ and the clocks of packs: what holds where; each mistake in its file, on its line, by field."""

from __future__ import annotations

from pathlib import Path

import pytest
from dunlin.content import Content, ContentErrors, load_content
from dunlin.domain.agreements import Clock, TaskKind
from dunlin.domain.care import FOLLOW_UP, SURVEY, Over
from dunlin.domain.policy import Policy

from tests.unit.test_content import ROOT, SENDABLE, TODAY, edit, line_of, partly

BASE, AUSTRALIA = "answers/base.yaml", "answers/au.yaml"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return partly(tmp_path)


@pytest.fixture(scope="module")
def content() -> Content:
    return load_content(ROOT)


def policy(content: Content, place: str) -> Policy:
    found = content.policy(place, TODAY)
    assert found is not None
    return found


@pytest.mark.parametrize("place", SENDABLE)
def test_every_place_has_clocks_and_questions_afterwards(content: Content, place: str) -> None:
    answers = policy(content, place).answers
    assert answers.clock(TaskKind.CRISIS) == Clock(0, 0)
    assert answers.clock(TaskKind.COMPLAINT).answer_hours <= 14 * 24
    assert {rule.message for rule in answers.care} == {SURVEY, FOLLOW_UP}
    assert all(rule.once_in_days >= 90 and rule.not_in_case for rule in answers.care)


def test_a_place_has_its_own_word_and_the_rest_of_the_base(content: Content) -> None:
    britain, australia = policy(content, "GB").answers, policy(content, "AU").answers
    assert britain.clock(TaskKind.COMPLAINT) == Clock(72, 336)
    assert australia.clock(TaskKind.COMPLAINT) == Clock(24, 336)
    assert australia.clock(TaskKind.PAID) == britain.clock(TaskKind.PAID)
    assert australia.care == britain.care
    assert Over.COMPLAINT in britain.care[0].after


def test_what_the_lender_does_not_say_follows_the_law(part: Path) -> None:
    edit(part, BASE, "  complaint: {acknowledge_hours: 72, answer_hours: 336}\n", "")
    edit(
        part,
        BASE,
        "usual: {acknowledge_hours: 24, answer_hours: 168}",
        "usual: {acknowledge_hours: 24, answer_hours: 2000}",
    )
    changed = load_content(part)
    assert policy(changed, "GB").answers.clock(TaskKind.COMPLAINT) == Clock(24, 1344)
    assert policy(changed, "CN").answers.clock(TaskKind.COMPLAINT) == Clock(24, 360)
    assert policy(changed, "US-NY").answers.clock(TaskKind.COMPLAINT) == Clock(24, 2000)


@pytest.mark.parametrize(
    ("name", "old", "new", "field", "says"),
    [
        (BASE, "complaint: {acknowledge_hours: 72, answer_hours: 336}",
         "complaint: {acknowledge_hours: 72, answer_hours: 400}",
         "clocks.complaint.answer_hours", "400 is longer than cn-complaint-fifteen-days allows: 360"),
        (AUSTRALIA, "hardship: {acknowledge_hours: 24, answer_hours: 120}",
         "hardship: {acknowledge_hours: 24, answer_hours: 600}",
         "clocks.hardship.answer_hours", "600 is longer than au-ncc-72-hardship allows: 504"),
        (AUSTRALIA, "jurisdictions: [AU]", "jurisdictions: [NZ]", "jurisdictions", "there is no pack NZ"),
        (BASE, "message: follow_up", "message: tier_1", "care[1].message", "is no message that is said unasked"),
        (BASE, "paid: {acknowledge_hours: 24, answer_hours: 72}", "paid: {acknowledge_hours: 96, answer_hours: 72}",
         "clocks.paid", "is later than answer_hours"),
        (BASE, "  person_at: 2", "  person_at: 5", "ratings.person_at", "less than or equal to 4"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_file_line_and_field(
    part: Path, name: str, old: str, new: str, field: str, says: str
) -> None:
    edit(part, name, old, new)
    with pytest.raises(ContentErrors) as refused:
        load_content(part)
    found = [(error.where, error.field) for error in refused.value.errors if says in error.problem]
    assert found == [(line_of(part, name, new), field)]


def test_where_each_text_is_filed_no_words_of_anybodys_own_go(content: Content) -> None:
    assert "cn-finance" in policy(content, "CN").filed_only
    assert "in-sms" in policy(content, "IN").filed_only
    assert policy(content, "GB").filed_only == {"gb-whatsapp"}  # a person's words go by text there
    assert not policy(content, "US-NY").filed_only
