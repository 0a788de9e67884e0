"""Files in plans/: what the shipped ones say, which is followed; each mistake in its file, on its line, by field."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from dunlin.content import Content, ContentErrors, json_schemas, load_content, load_rules
from dunlin.domain.money import Money
from dunlin.domain.plans import Debt, NoOffers, PlanPolicy, RateKind, RateRule, offers
from dunlin.domain.promises import PromisePolicy
from dunlin.domain.schedules import Rounding
from dunlin.domain.words import Product

from tests.unit.test_content import ROOT, SENDABLE, TODAY, edit, line_of, partly

CHINA, MEDICAL, MORTGAGE, STANDARD = (f"plans/{name}.yaml" for name in ("china", "medical", "mortgage", "standard"))
CARD, INSTALMENT = frozenset({Product.CARD}), frozenset({Product.INSTALMENT})
PATIENT, HOME = frozenset({Product.MEDICAL}), frozenset({Product.MORTGAGE})


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return partly(tmp_path)


@pytest.fixture(scope="module")
def content() -> Content:
    return load_content(ROOT)


@pytest.mark.parametrize("jurisdiction", SENDABLE)
@pytest.mark.parametrize("product", list(Product))
def test_every_product_has_a_policy_wherever_we_write(content: Content, jurisdiction: str, product: Product) -> None:
    assert content.promise_policy(jurisdiction, frozenset({product}), TODAY) is not None
    plans = content.plan_policy(jurisdiction, frozenset({product}), TODAY)
    assert (plans is None) == (product is Product.MORTGAGE)


@pytest.mark.parametrize(("jurisdiction", "currency"), [("US-MA", "USD"), ("GB", "GBP"), ("AU", "AUD"), ("CN", "CNY")])
def test_the_smallest_and_the_largest_debt_of_the_policy_get_an_offer(
    content: Content, jurisdiction: str, currency: str
) -> None:
    for products in (CARD, PATIENT):
        policy = content.plan_policy(jurisdiction, products, TODAY)
        assert policy is not None
        limits = policy.amounts[currency]
        for amount in (limits.least_debt, limits.most_debt):
            debt = Debt(Money(amount.quantize(Decimal("0.01")), currency), 30, products)
            assert not isinstance(offers(debt, policy, TODAY), NoOffers), (policy.policy_id, amount)


def test_what_a_file_says_is_what_the_policy_is(content: Content) -> None:
    policy = content.plan_policy("CN", CARD, TODAY)
    assert policy is not None
    assert (policy.policy_id, policy.rate) == ("china", RateRule(RateKind.GIVEN, Decimal(6)))
    assert (policy.terms.rounding, policy.most_extra_percent) == (Rounding.HALF_UP, Decimal("6.5"))
    assert (policy.first_due_days, policy.stands_days, policy.most_days_without) == (14, 5, 60)
    assert policy.automatic is not None
    assert (policy.automatic.most_instalments, policy.automatic.most_months) == (12, 13)
    assert policy.amounts["CNY"].most_extra_cost == 2000


def test_several_products_have_one_plan_policy_or_none(content: Content) -> None:
    assert content.plan_policy("US-NY", CARD | INSTALMENT, TODAY) == content.plan_policy("US-NY", CARD, TODAY)
    assert content.plan_policy("US-NY", CARD | PATIENT, TODAY) is None, "two policies: a person helps"
    assert content.plan_policy("US-NY", frozenset(), TODAY) is None
    assert content.plan_policy("FR", CARD, TODAY) is None


def test_several_products_have_the_strictest_promise_policy(content: Content) -> None:
    found = content.promise_policy("US-NY", PATIENT | HOME, TODAY)
    assert found == PromisePolicy("medical+mortgage", 14, 1, 1, 365, Decimal(50))
    assert content.promise_policy("US-NY", CARD | INSTALMENT, TODAY) == content.promise_policy("US-NY", CARD, TODAY)
    assert content.promise_policy("FR", CARD, TODAY) is None
    assert content.promise_policy("US-NY", frozenset(), TODAY) is None


def test_a_place_may_have_its_own(part: Path) -> None:
    text = (part / STANDARD).read_text(encoding="utf-8")
    own = text.replace("id: standard", "id: massachusetts").replace("[US, GB, AU, KR, IN, ID, PH]", "[US-MA]")
    (part / "plans/massachusetts.yaml").write_text(own.replace("products: [card, inst", "products: [inst"))
    content = load_content(part)

    def followed(jurisdiction: str, products: frozenset[Product]) -> str:
        policy = content.plan_policy(jurisdiction, products, TODAY)
        return policy.policy_id if isinstance(policy, PlanPolicy) else "none"

    assert followed("US-MA", INSTALMENT) == "massachusetts"
    assert followed("US-MA", CARD) == "standard"
    assert followed("US-MA", CARD | INSTALMENT) == "none"
    assert followed("US-NY", INSTALMENT) == "standard"


def test_a_file_is_followed_while_it_is_in_force(part: Path) -> None:
    text = (part / STANDARD).read_text(encoding="utf-8")
    edit(part, STANDARD, "id: standard\n", "id: standard\neffective_until: 2026-12-31\n")
    later = text.replace("id: standard\n", "id: later\neffective_on: 2027-01-01\n")
    (part / "plans/later.yaml").write_text(later, encoding="utf-8")
    content = load_content(part)
    for day, expected in ((date(2026, 12, 31), "standard"), (date(2027, 1, 1), "later")):
        policy = content.plan_policy("GB", CARD, day)
        assert policy is not None
        assert policy.policy_id == expected


def test_they_are_read_when_somebody_asks() -> None:
    """Most functions never do."""
    lazy = load_content(ROOT, lazily=True)
    assert lazy.plan_policy("US-MA", CARD, TODAY) == load_content(ROOT).plan_policy("US-MA", CARD, TODAY)
    assert "plans" not in str(load_rules(ROOT))


def test_the_shape_is_published() -> None:
    schema = json_schemas()["plans"]
    assert schema["properties"].keys() >= {"id", "jurisdictions", "products", "promises", "plans"}
    assert "day_count" in json.dumps(schema)


# ── Mistakes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

WHOLE = "must be a whole number or a decimal in quotes"
#: What is changed, in which file, the text of the line that is named, the field, and what is said.
MISTAKES = [
    (STANDARD, "id: standard\n", "id: other\n", "id: other", "id", "belongs in a file named other"),
    (STANDARD, "[US, GB, AU", "[US, FR, AU", "jurisdictions:", "jurisdictions", "there is no pack FR: add one"),
    (STANDARD, "[US, GB, AU, KR, IN, ID, PH]", "[]", "jurisdictions:", "jurisdictions", "at least one"),
    (STANDARD, "[card, inst", "[loan, inst", "products:", "products[0]", "'card'"),
    (STANDARD, "products: [card", "products: [medical, card", "products:", "products", "plans/medical.yaml too: leave"),
    (STANDARD, "confidence: own", "confidence: sure", "source:", "source.confidence", "'own'"),
    (
        STANDARD,
        "id: standard\n",
        "id: standard\neffective_on: 2027-01-01\neffective_until: 2026-12-31\n",
        "effective_until",
        "effective_until",
        "is before effective_on",
    ),
    (STANDARD, "promises:", "promised:", "promised:", "promised", "Extra inputs"),
    (MORTGAGE, "longest_days: 14, ", "", "promises:", "promises.longest_days", "required"),
    (STANDARD, "longest_days: 14", "longest_days: 93", "longest_days", "promises.longest_days", "less than or equal"),
    (STANDARD, "least_percent: 20", "least_percent: 120", "least_percent", "promises.least_percent", "less than or"),
    (STANDARD, "least_percent: 20", "least_percent: 12.5", "least_percent", "promises.least_percent", WHOLE),
    (STANDARD, "least_percent: 20", "least_percent: a lot", "least_percent", "promises.least_percent", WHOLE),
    (STANDARD, "least_percent: 20", "least_percent: true", "least_percent", "promises.least_percent", WHOLE),
    (STANDARD, "least_percent: 20", 'least_percent: "NaN"', "least_percent", "promises.least_percent", "finite"),
    (
        STANDARD,
        "days_overdue_to: 120",
        "days_overdue_to: 0",
        "eligible:",
        "plans.eligible.days_overdue_to",
        "is before days_overdue_from",
    ),
    (
        STANDARD,
        "longer_term: {instalments: [6, 12]",
        "longer_term: {instalments: [6, 24]",
        "longer_term:",
        "plans.kinds.longer_term.instalments[1]",
        "makes 24 payments; caps.instalments allows 12",
    ),
    (
        STANDARD,
        "instalments: [2, 3]",
        "instalments: [2, 12]",
        "part_payment:",
        "plans.kinds.part_payment.instalments[1]",
        "makes 13 payments",
    ),
    (STANDARD, "[2, 3]", "[2, 2]", "part_payment:", "plans.kinds.part_payment.instalments", "one is there twice"),
    (STANDARD, "[2, 3]", "[]", "part_payment:", "plans.kinds.part_payment.instalments", "at least one"),
    (STANDARD, "[2, 3]", "[0]", "part_payment:", "plans.kinds.part_payment.instalments[0]", "greater than or"),
    (STANDARD, "[50, 30]", "[100]", "part_payment:", "plans.kinds.part_payment.now_percent[0]", "less than 100"),
    (STANDARD, "every: fortnight", "every: day", "smaller_", "plans.kinds.smaller_instalments.every", "'week'"),
    (
        STANDARD,
        "months: 13, days",
        "months: 3, days",
        "longer_term:",
        "plans.kinds.longer_term.instalments[0]",
        "lasts",
    ),
    (
        STANDARD,
        "holiday_days: [30, 45]",
        "holiday_days: [30, 75]",
        "payment_holiday:",
        "plans.kinds.payment_holiday.holiday_days[1]",
        "caps.days_without_payment allows 60",
    ),
    (
        STANDARD,
        "holiday_days: [30, 45]",
        "holiday_days: [14]",
        "payment_holiday:",
        "plans.kinds.payment_holiday.holiday_days[0]",
        "is no holiday",
    ),
    (
        STANDARD,
        "stands_days: 5",
        "stands_days: 8",
        "part_payment:",
        "plans.kinds.part_payment.now_within_days",
        "an offer stands for 8",
    ),
    (STANDARD, "    longer_term:", "    longer:", "longer:", "plans.kinds.longer", "Extra inputs"),
    (
        STANDARD,
        "rate: {kind: interest_free}",
        "rate: {kind: given}",
        "rate:",
        "plans.rate.annual_percent",
        "belongs to `kind: given`",
    ),
    (CHINA, "kind: given", "kind: same", "rate:", "plans.rate.annual_percent", "belongs to `kind: given`"),
    (CHINA, "kind: given", "kind: gifted", "rate:", "plans.rate.kind", "'given'"),
    (CHINA, "annual_percent: 6", "annual_percent: -1", "rate:", "plans.rate.annual_percent", "greater than or"),
    (CHINA, 'extra_percent: "6.5"', "extra_percent: 0", "caps:", "plans.caps.extra_percent", "how much at most?"),
    (CHINA, 'extra_percent: "6.5"', "extra_percent: 6.5", "caps:", "plans.caps.extra_percent", WHOLE),
    (STANDARD, "extra_percent: 0", "extra_percent: 5", "caps:", "plans.caps.extra_percent", "costs nothing more"),
    (CHINA, "day_count: per_period", "day_count: act/364", "day_count", "plans.day_count", "'act/365'"),
    (CHINA, "method: equal_instalments", "method: equal", "method", "plans.method", "'equal_principal'"),
    (CHINA, "  rounding: half_up\n", "", "plans:", "plans.rounding", "required"),
    (CHINA, "rounding: half_up", "rounding: down", "rounding", "plans.rounding", "'half_up'"),
    (STANDARD, "    USD:", "    CAD:", "CAD:", "plans.amounts.CAD", "is not one of the reviewed currencies"),
    (STANDARD, "least_debt: 75", 'least_debt: "75.005"', "USD:", "plans.amounts.USD.least_debt", "finer than 0.01"),
    (STANDARD, "least_debt: 75", "least_debt: 0", "USD:", "plans.amounts.USD.least_debt", "must be above 0"),
    (STANDARD, "least_debt: 75", "least_debt: 74", "USD:", "plans.amounts.USD.least_debt", "below 75.00: raise it"),
    (STANDARD, "most_debt: 10000", "most_debt: 74", "USD:", "plans.amounts.USD.most_debt", "is below least_debt"),
    (
        STANDARD,
        "least_instalment: 25",
        "least_instalment: 10001",
        "USD:",
        "plans.amounts.USD.least_instalment",
        "is above most_debt",
    ),
    (
        STANDARD,
        "automatic_up_to: 2500",
        "automatic_up_to: 25000",
        "USD:",
        "plans.amounts.USD.automatic_up_to",
        "is above most_debt",
    ),
    (STANDARD, "most: 3, per_kind: 1", "most: 4, per_kind: 1", "offers:", "plans.offers.most", "less than or equal"),
    (STANDARD, "most: 3, per_kind: 1", "most: 1, per_kind: 2", "offers:", "plans.offers.per_kind", "than the 1 that"),
    (STANDARD, "[extra_cost, inst", "[cost, inst", "offers:", "plans.offers.order[0]", "'extra_cost'"),
    (STANDARD, "[extra_cost, inst", "[instalments, inst", "offers:", "plans.offers.order", "one is there twice"),
    (
        CHINA,
        "automatic: {kinds: [part_payment,",
        "automatic: {kinds: [smaller_instalments,",
        "automatic: ",
        "plans.automatic.kinds",
        "smaller_instalments is not among `kinds`",
    ),
    (
        CHINA,
        "instalments: 12, months: 13",
        "instalments: 36, months: 13",
        "automatic: ",
        "plans.automatic.instalments",
        "is more than caps.instalments, 24",
    ),
    (
        CHINA,
        "instalments: 12, months: 13",
        "instalments: 12, months: 36",
        "automatic: ",
        "plans.automatic.months",
        "is more than caps.months, 25",
    ),
    (CHINA, ", automatic_up_to: 10000", "", "automatic: ", "plans.automatic", "needs automatic_up_to in at least one"),
    (CHINA, "  automatic: {", "  # automatic: {", "CNY:", "plans.amounts.CNY.automatic_up_to", "needs `automatic`"),
]


@pytest.mark.parametrize(("name", "old", "new", "marker", "field", "problem"), MISTAKES)
def test_a_mistake_is_named_with_file_line_and_field(
    part: Path, name: str, old: str, new: str, marker: str, field: str, problem: str
) -> None:
    edit(part, name, old, new)
    with pytest.raises(ContentErrors) as found:
        load_content(part)
    said = [(error.where, error.field) for error in found.value.errors if problem in error.problem]
    assert (line_of(part, name, marker), field) in said, str(found.value)


def test_plans_without_kinds_are_none(part: Path) -> None:
    text = (part / CHINA).read_text(encoding="utf-8")
    begin, end = text.index("  kinds:\n"), text.index("  rate:")
    (part / CHINA).write_text(text[:begin] + "  kinds: {}\n" + text[end:], encoding="utf-8")
    with pytest.raises(ContentErrors, match=r"plans\.kinds: must have at least one of part_payment"):
        load_content(part)
