"""Mistakes in contact strategies: each is found, in its file, on its line, at its field."""

from __future__ import annotations

from pathlib import Path

import pytest
from dunlin.content import check, load_content
from dunlin.content.errors import ContentErrors
from dunlin.content.lint import Problem
from dunlin.content.loader import load_rules
from dunlin.domain.words import Product

from tests.unit.test_content import edit, line_of, partly

CARD, STANDARD, MEDICAL = (f"strategies/{name}.yaml" for name in ("card", "standard", "medical"))
EDUCATION = "strategies/education.yaml"
HELD_OUT = "{share: 0.05, stages: [reminder_5]}"


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return partly(tmp_path)


@pytest.fixture(scope="module")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> frozenset[Problem]:
    return frozenset(check(partly(tmp_path_factory.mktemp("part"))))


#: What is changed, in which file, and where the mistake is then said to be: file, text of its line, field, problem.
MISTAKES = [
    (CARD, "products: [card]", "products: []", CARD, "products: []", "products", "at least one"),
    (CARD, "products: [card]", "products: [payday]", CARD, "payday", "products[0]", "'card'"),
    (CARD, "products: [card]\n", "", CARD, "id: card", "products", "required"),
    (CARD, "precedence: 20\n", "", CARD, "id: card", "precedence", "required"),
    (
        CARD,
        "products: [card]",
        "products: [card, medical]",
        MEDICAL,
        "products: [medical]",
        "products",
        "medical in AU is in strategies/card.yaml too",
    ),
    (
        CARD,
        "precedence: 20",
        "precedence: 10",
        STANDARD,
        "precedence: 10",
        "precedence",
        "10 is that of strategies/card.yaml too, and in AU one of the two has to lead",
    ),
    (
        STANDARD,
        "precedence: 10",
        "precedence: 25",
        STANDARD,
        "precedence: 25",
        "precedence",
        "leads strategies/card.yaml in AU, where tier_1 comes later: the gentler one leads",
    ),
    (
        CARD,
        "offset_days: 45, gap_days: 14",
        "offset_days: 44, gap_days: 14",
        CARD,
        "precedence: 20",
        "precedence",
        "leads strategies/standard.yaml in AU, where referral comes later",
    ),
    (CARD, "id: own-card-hours", "id: own-contact-hours", STANDARD, "id: own-contact", "hours.id", "another rule's id"),
    (CARD, "id: own-card-hours", "id: us-reg-f-hours", CARD, "id: us-reg-f-hours", "hours.id", "another rule's id"),
    (
        CARD,
        "id: grace, kind",
        "id: early_help, kind",
        EDUCATION,
        "id: early_help",
        "stages[0].id",
        "early_help is a reminder of collection in strategies/card.yaml",
    ),
    (
        "policies/gb.yaml",
        "must_say: [total, days",
        "must_say: [total, fees, days",
        MEDICAL,
        "late_fees: left_out",
        "late_fees",
        "gb-own-truthful-figures wants fees in the text in GB: they must be stated",
    ),
    (
        "packs/cn.yaml",
        "must_say: [total, days",
        "must_say: [total, fees, days",
        MEDICAL,
        "late_fees: left_out",
        "late_fees",
        "cn-truthful-figures wants fees in the text in CN",
    ),
    (MEDICAL, "late_fees: left_out", "late_fees: hidden", MEDICAL, "hidden", "late_fees", "'left_out'"),
    (
        CARD,
        "priority: 6, tone: factual",
        "priority: 6, tone: plain",
        CARD,
        "id: tier_3",
        "stages[6].tone",
        "tier_3 is to be plain, and tier_3 is factual",
    ),
    (
        STANDARD,
        "priority: 6, tone: plain",
        "priority: 6, tone: friendly",
        STANDARD,
        "id: tier_2",
        "stages[6].tone",
        "tier_2 is to be friendly, and tier_2 is plain",
    ),
    (CARD, ", tone: friendly", "", CARD, "id: reminder_5", "stages[0]", "each stage that says something has one"),
    (CARD, ", tone: friendly", ", tone: harsh", CARD, "harsh", "stages[0].tone", "'friendly'"),
    (CARD, "gap_days: 14, p", "gap_days: 14, tone: plain, p", CARD, "id: referral", "stages[7]", "tone: each stage"),
    (CARD, HELD_OUT, "{share: 0.3, stages: [reminder_5]}", CARD, "0.3", "holdout.share", "less than or equal to 0.2"),
    (CARD, HELD_OUT, "{share: 0, stages: [reminder_5]}", CARD, "share: 0,", "holdout.share", "greater than 0"),
    (CARD, HELD_OUT, "{share: 0.1, stages: []}", CARD, "stages: []", "holdout.stages", "at least one"),
    (CARD, HELD_OUT, "{share: 0.1, stages: [tier_1]}", CARD, "id: card", ".", "holdout: tier_1 is a tier"),
    (CARD, HELD_OUT, "{share: 0.1, stages: [referral]}", CARD, "id: card", ".", "holdout: referral is a referral"),
    (CARD, HELD_OUT, "{share: 0.1, stages: [due_today]}", CARD, "id: card", ".", "due_today is said on the due date"),
    (CARD, HELD_OUT, "{share: 0.1, stages: [reminder_9]}", CARD, "id: card", ".", "there is no stage reminder_9"),
    (
        MEDICAL,
        "min_gap_days: 2",
        "min_gap_days: 3",
        MEDICAL,
        "id: medical",
        ".",
        "min_gap_days: due_today comes too soon after reminder_3",
    ),
    (MEDICAL, "min_gap_days: 2", "min_gap_days: -1", MEDICAL, "min_gap", "min_gap_days", "greater than or equal to 0"),
]


@pytest.mark.parametrize(("name", "old", "new", "where", "marker", "field", "problem"), MISTAKES)
def test_the_loader_finds(
    part: Path, name: str, old: str, new: str, where: str, marker: str, field: str, problem: str
) -> None:
    edit(part, name, old, new)
    with pytest.raises(ContentErrors) as found:
        load_content(part)
    said = [(error.where, error.field) for error in found.value.errors if problem in error.problem]
    assert (line_of(part, where, marker), field) in said, str(found.value)


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_the_rules_alone_find_what_needs_no_words(part: Path, number: int) -> None:
    """`dunlin rules` reads no texts, so it knows nothing of their tone; `dunlin allowed` reads no strategies either."""
    name, old, new, _, _, _, problem = MISTAKES[number]
    edit(part, name, old, new)
    assert load_rules(part).strategies == ()
    if "is to be" in problem:
        assert load_rules(part, strategies=True).strategies
        return
    with pytest.raises(ContentErrors, match="strategies/"):
        load_rules(part, strategies=True)


@pytest.mark.parametrize("late_fees", ["stated", "left_out"])
def test_a_law_that_wants_fees_is_met_by_a_strategy_that_states_them(part: Path, late_fees: str) -> None:
    edit(part, "policies/gb.yaml", "must_say: [total, days", "must_say: [total, fees, days")
    edit(part, MEDICAL, "late_fees: left_out", f"late_fees: {late_fees}")
    if late_fees == "stated":
        assert load_content(part).strategies
        return
    # Where the strategy does not serve the place, the place's rule is nothing to it.
    edit(part, MEDICAL, "[CN, US, GB, AU, KR, IN, ID, PH]", "[CN, US, AU, KR, IN, ID, PH]")
    assert load_content(part).strategies


def test_a_closer_strategy_may_take_the_place_of_one(part: Path) -> None:
    """A state's own strategy for cards stands in the place of the country's, and may have its precedence."""
    text = (part / CARD).read_text(encoding="utf-8")
    for old, new in (
        ("id: card\n", "id: card-ny\n"),
        ("[CN, US, GB, AU, KR, IN, ID, PH]", "[US-NY]"),
        ("own-card", "ny"),
    ):
        text = text.replace(old, new)
    (part / "strategies/card-ny.yaml").write_text(text, encoding="utf-8")
    content = load_content(part)
    for jurisdiction, expected in (("US-NY", "card-ny"), ("US-MA", "card"), ("CN", "card")):
        found = content.strategy(jurisdiction, frozenset({Product.CARD}))
        assert found is not None
        assert found.strategy_id == expected
    edit(part, "strategies/card-ny.yaml", "precedence: 20", "precedence: 30")
    with pytest.raises(ContentErrors, match=r"30 is that of strategies/card-ny\.yaml too, and in US-NY"):
        load_content(part)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (
            EDUCATION,
            "[CN, US, GB, AU, KR, IN, ID, PH]",
            "[CN, US, AU, KR, IN, ID, PH]",
            "packs/gb.yaml:1: jurisdiction: no strategy in strategies/ serves education loans there",
        ),
        (
            CARD,
            "template: tier_3, channels",
            "template: tier_9, channels",
            "strategies/card.yaml:1: stages[6].template: templates/tier_9/zh-CN.txt does not exist",
        ),
        (
            MEDICAL,
            "channels: [email, sms]",
            "channels: [push]",
            "strategies/medical.yaml:1: stages[0].channels: nobody knows whether a push arrives",
        ),
        (
            CARD,
            "template: tier_1, channels: [sms, email]",
            "template: tier_1, channels: [sms, push]",
            "channels: nobody knows whether a push arrives: it says no tier, and nothing alone",
        ),
        (
            CARD,
            "template: tier_1, channels: [sms, email]",
            "template: tier_1, channels: [sms, wechat]",
            "channels: only who follows the service account gets its messages: it says no tier, and nothing alone",
        ),
        (
            CARD,
            "template: reminder, channels: [wechat, sms, email]",
            "template: reminder, channels: [wechat, push]",
            "channels: only who follows the service account gets its messages: it says no tier, and nothing alone",
        ),
        (
            CARD,
            "gap_days: 14",
            "gap_days: 13",
            "reply_within_days: the stage after tier_3 may come sooner than that, in strategies/card.yaml",
        ),
        (
            MEDICAL,
            "  - {id: tier_2",
            "  # - {id: tier_2",
            "says_next: what follows tier_1 is last_reminder, in strategies/medical.yaml",
        ),
    ],
)
def test_the_lint_finds(part: Path, left_out: frozenset[Problem], name: str, old: str, new: str, said: str) -> None:
    edit(part, name, old, new)
    found = [str(problem) for problem in check(part) if problem not in left_out]
    assert any(said in problem for problem in found), found
    assert len(set(found)) == len(found)
