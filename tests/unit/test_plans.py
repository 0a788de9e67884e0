"""Offers by example, each reason why there are none, and which promises are taken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from dunlin.content import load_content
from dunlin.domain.money import Money, parse_money
from dunlin.domain.plans import (
    Approval,
    Debt,
    NoOffers,
    Offer,
    OrderBy,
    PlanKind,
    PlanPolicy,
    RateKind,
    RateRule,
    Shape,
    WhyNot,
    offers,
)
from dunlin.domain.promises import PromisePolicy, PromiseVerdict, weigh_promise
from dunlin.domain.schedules import Frequency
from dunlin.domain.words import Product
from dunlin.errors import InvalidInput
from pydantic import TypeAdapter

from tests.unit.test_content import ROOT

TODAY = date(2026, 11, 29)
CARD = frozenset({Product.CARD})


def usd(text: str) -> Money:
    return parse_money(text, "USD")


@pytest.fixture(scope="module")
def policy() -> PlanPolicy:
    """The sample lender's."""
    found = load_content(ROOT, lazily=True).plan_policy("US-MA", CARD, TODAY)
    assert found is not None
    return found


def a_debt(amount: str = "1250.00", **other: object) -> Debt:
    return replace(Debt(usd(amount), days_overdue=20, products=CARD), **other)  # type: ignore[arg-type]


def offered(debt: Debt, policy: PlanPolicy, **wishes: object) -> tuple[Offer, ...]:
    found = offers(debt, policy, TODAY, **wishes)  # type: ignore[arg-type]
    assert not isinstance(found, NoOffers)
    return found


def test_the_samples_offers(policy: PlanPolicy) -> None:
    found = offered(a_debt(), policy)
    assert [(offer.number, offer.kind, len(offer.instalments)) for offer in found] == [
        (1, PlanKind.PART_PAYMENT, 3),
        (2, PlanKind.PAYMENT_HOLIDAY, 3),
        (3, PlanKind.SMALLER_INSTALMENTS, 4),
    ]
    assert [(payment.due_on.isoformat(), str(payment.amount.amount)) for payment in found[0].instalments] == [
        ("2026-12-06", "625.00"),
        ("2027-01-06", "312.50"),
        ("2027-02-06", "312.50"),
    ]
    assert {offer.total for offer in found} == {usd("1250.00")}
    assert [offer.approval for offer in found] == [Approval.AUTOMATIC, Approval.LENDER, Approval.AUTOMATIC]
    assert {offer.stands_until for offer in found} == {date(2026, 12, 4)}


def test_an_id_never_changes(policy: PlanPolicy) -> None:
    """It is stored and sent: another version of the code has to compute the same one."""
    assert [offer.offer_id for offer in offered(a_debt(), policy)] == ["49ef7441f210965b", "77ec9f909104be98", "420a5e1aefa79e90"]


def test_an_offer_survives_being_stored(policy: PlanPolicy) -> None:
    adapter = TypeAdapter(tuple[Offer, ...])
    found = offered(a_debt(), policy)
    assert adapter.validate_json(adapter.dump_json(found)) == found
    assert json.loads(adapter.dump_json(found))[0]["instalments"][0]["due_on"] == "2026-12-06"


def test_who_can_pay_less_at_a_time_is_offered_more_instalments(policy: PlanPolicy) -> None:
    found = offered(a_debt(), policy, affordable=usd("160.00"))
    assert [(offer.kind, len(offer.instalments)) for offer in found] == [
        (PlanKind.SMALLER_INSTALMENTS, 8),
        (PlanKind.LONGER_TERM, 12),
    ]
    assert str(found[1].largest) == "104.17 USD"
    refused = offers(a_debt(), policy, TODAY, affordable=usd("50.00"))
    assert refused == NoOffers(WhyNot.NOT_AS_WISHED, "plan.standard.kinds")


def test_who_is_paid_later_pays_later_within_the_cap(policy: PlanPolicy) -> None:
    payday = TODAY + timedelta(days=25)
    assert {offer.first_due_on for offer in offered(a_debt(), policy, not_before=payday)} == {
        payday,
        TODAY + timedelta(days=30),
    }
    for far in (TODAY + timedelta(days=61), date.max):
        refused = offers(a_debt(), policy, TODAY, not_before=far)
        assert refused == NoOffers(WhyNot.NOT_AS_WISHED, "plan.standard.kinds")


def test_what_is_affordable_is_in_the_debts_currency(policy: PlanPolicy) -> None:
    with pytest.raises(InvalidInput, match="affordable"):
        offers(a_debt(), policy, TODAY, affordable=Money(Decimal(5), "EUR"))


@pytest.mark.parametrize(
    ("debt", "why", "rule"),
    [
        (a_debt(has_plan=True), WhyNot.PLAN_STANDS, "eligible"),
        (a_debt(plans_last_year=2), WhyNot.TOO_MANY_PLANS, "eligible.most_plans_a_year"),
        (a_debt(products=frozenset({Product.CARD, Product.MORTGAGE})), WhyNot.OTHER_PRODUCT, "products"),
        (a_debt(products=frozenset()), WhyNot.OTHER_PRODUCT, "products"),
        (a_debt(days_overdue=0), WhyNot.TOO_EARLY, "eligible.days_overdue_from"),
        (a_debt(days_overdue=121), WhyNot.TOO_LATE, "eligible.days_overdue_to"),
        (Debt(Money(Decimal(900), "EUR"), days_overdue=20, products=CARD), WhyNot.OTHER_CURRENCY, "amounts"),
        (a_debt("74.99"), WhyNot.TOO_SMALL, "amounts.USD.least_debt"),
        (a_debt("0.00"), WhyNot.TOO_SMALL, "amounts.USD.least_debt"),
        (a_debt("10000.01"), WhyNot.TOO_LARGE, "amounts.USD.most_debt"),
    ],
)
def test_each_reason_why_there_are_none(policy: PlanPolicy, debt: Debt, why: WhyNot, rule: str) -> None:
    assert offers(debt, policy, TODAY) == NoOffers(why, f"plan.standard.{rule}")


@pytest.mark.parametrize(
    "debt", [a_debt("75.00"), a_debt("10000.00"), a_debt(days_overdue=1), a_debt(days_overdue=120)]
)
def test_the_edges_are_within(policy: PlanPolicy, debt: Debt) -> None:
    assert offered(debt, policy)


def test_nothing_fits_where_every_variant_breaks_a_limit(policy: PlanPolicy) -> None:
    only_long = replace(policy, shapes=(Shape(PlanKind.LONGER_TERM, (12,), Frequency.MONTH),))
    assert offers(a_debt("250.00"), only_long, TODAY) == NoOffers(WhyNot.NOTHING_WITHIN_LIMITS, "plan.standard.caps")
    refused = offers(a_debt("250.00"), only_long, TODAY, affordable=usd("1000.00"))
    assert refused == NoOffers(WhyNot.NOTHING_WITHIN_LIMITS, "plan.standard.caps")


def test_the_floor_is_for_every_instalment_and_to_the_cent(policy: PlanPolicy) -> None:
    two = replace(policy, shapes=(Shape(PlanKind.LONGER_TERM, (6,), Frequency.MONTH),))
    assert offered(a_debt("150.00"), two)
    assert isinstance(offers(a_debt("149.99"), two, TODAY), NoOffers)


def test_a_share_that_rounds_to_nothing_or_to_everything_is_no_offer(policy: PlanPolicy) -> None:
    won = replace(policy.amounts["KRW"], least_debt=Decimal(1), least_instalment=Decimal(1))
    shape = Shape(
        PlanKind.PART_PAYMENT, (1,), Frequency.MONTH, now_percents=(Decimal(1), Decimal(99)), now_within_days=7
    )
    small = replace(policy, amounts={"KRW": won}, shapes=(shape,))
    for units in (1, 10):
        debt = Debt(Money(Decimal(units), "KRW"), 20, CARD)
        assert isinstance(offers(debt, small, TODAY), NoOffers)
    assert not isinstance(offers(Debt(Money(Decimal(100), "KRW"), 20, CARD), small, TODAY), NoOffers)


def test_the_contracts_rate_has_to_be_known_to_be_used(policy: PlanPolicy) -> None:
    same = replace(policy, rate=RateRule(RateKind.SAME), most_extra_percent=Decimal(20))
    assert offers(a_debt(), same, TODAY) == NoOffers(WhyNot.RATE_UNKNOWN, "plan.standard.rate")
    found = offered(a_debt(annual_percent=Decimal(18)), same)
    assert all(offer.extra_cost.is_positive for offer in found)
    costs = [offer.extra_cost.amount for offer in found]
    assert costs == sorted(costs), "the cheapest first"
    given = replace(same, rate=RateRule(RateKind.GIVEN, Decimal(18)))
    assert offered(a_debt(), given) == found
    rate = found[-1].annual_percentage_rate
    assert rate is not None
    assert Decimal(15) < rate < Decimal(22)


def test_what_would_cost_too_much_is_not_offered(policy: PlanPolicy) -> None:
    dear = replace(policy, rate=RateRule(RateKind.GIVEN, Decimal(18)), most_extra_percent=Decimal(3))
    assert all(offer.extra_cost.amount <= Decimal("37.50") for offer in offered(a_debt(), dear))
    limits = replace(dear.amounts["USD"], most_extra_cost=Decimal("0.01"))
    assert isinstance(offers(a_debt(), replace(dear, amounts={"USD": limits}), TODAY), NoOffers)


def test_the_order_is_the_policys(policy: PlanPolicy) -> None:
    found = offered(a_debt(), replace(policy, order=(OrderBy.LARGEST_INSTALMENT,), most_per_kind=3))
    assert [str(offer.largest.amount) for offer in found] == ["104.17", "156.25", "208.35"]
    soonest = offered(a_debt(), replace(policy, order=(OrderBy.LAST_DUE,), most_offers=1))
    assert [offer.last_due_on for offer in soonest] == [date(2027, 1, 24)]


# ── Promises ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PROMISES = PromisePolicy("own", longest_days=14, most_open=1, most_broken=2, within_days=180, least_percent=Decimal(20))


@pytest.mark.parametrize(
    ("days", "amount", "open_promises", "broken_days_ago", "verdict"),
    [
        (0, "100.00", 0, [], PromiseVerdict.TAKEN),
        (14, "20.00", 0, [], PromiseVerdict.TAKEN),
        (14, "500.00", 0, [], PromiseVerdict.TAKEN),
        (-1, "100.00", 0, [], PromiseVerdict.IN_THE_PAST),
        (15, "100.00", 0, [], PromiseVerdict.TOO_FAR),
        (3, "19.99", 0, [], PromiseVerdict.TOO_LITTLE),
        (3, "0.00", 0, [], PromiseVerdict.TOO_LITTLE),
        (3, "100.00", 1, [], PromiseVerdict.TOO_MANY_OPEN),
        (3, "100.00", 0, [0, 179], PromiseVerdict.TOO_MANY_BROKEN),
        (3, "100.00", 0, [179, 180], PromiseVerdict.TAKEN),
        (3, "100.00", 0, [1], PromiseVerdict.TAKEN),
    ],
)
def test_a_promise_is_taken_within_the_limits(
    days: int, amount: str, open_promises: int, broken_days_ago: list[int], verdict: PromiseVerdict
) -> None:
    assert (
        weigh_promise(
            PROMISES,
            TODAY,
            on=TODAY + timedelta(days=days),
            amount=usd(amount),
            due=usd("100.00"),
            open_promises=open_promises,
            broken_on=[TODAY - timedelta(days=ago) for ago in broken_days_ago],
        )
        is verdict
    )


def test_nothing_promised_is_too_little_even_where_no_share_is_asked() -> None:
    free = replace(PROMISES, least_percent=Decimal(0))
    found = weigh_promise(free, TODAY, on=TODAY, amount=usd("0.00"), due=usd("100.00"))
    assert found is PromiseVerdict.TOO_LITTLE


def test_a_promise_in_another_currency_is_none() -> None:
    with pytest.raises(ValueError, match="cannot be mixed"):
        weigh_promise(PROMISES, TODAY, on=TODAY, amount=Money(Decimal(1), "EUR"), due=usd("100.00"))
