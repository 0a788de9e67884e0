"""Whatever the policy and the debt: offers keep every floor and cap, sum exactly, and are the same each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from dunlin.domain.money import MINOR_UNITS, Money, total
from dunlin.domain.plans import (
    AmountLimits,
    Approval,
    Automatic,
    Debt,
    NoOffers,
    Offer,
    OrderBy,
    PlanKind,
    PlanPolicy,
    RateKind,
    RateRule,
    Shape,
    Standing,
    WhyNot,
    offers,
    standing,
)
from dunlin.domain.schedules import DayCount, Frequency, Method, Rounding, Terms, add_months
from dunlin.domain.words import Product
from hypothesis import assume, given
from hypothesis import strategies as st

days = st.dates(date(2024, 1, 1), date(2036, 12, 31))
CARD = frozenset({Product.CARD})


def units(currency: str, least: int, most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(least, most).map(lambda minor: Decimal(minor).scaleb(-MINOR_UNITS[currency]))


@st.composite
def shapes(draw: st.DrawFn, kind: PlanKind) -> Shape:
    numbers = st.lists(st.integers(1, 18), min_size=1, max_size=3, unique=True).map(tuple)
    return Shape(
        kind=kind,
        instalments=draw(numbers),
        every=draw(st.sampled_from(Frequency)),
        holiday_days=tuple(draw(st.lists(st.integers(7, 60), min_size=1, max_size=2, unique=True))),
        now_percents=tuple(draw(st.lists(st.decimals(1, 99, places=0), min_size=1, max_size=2, unique=True))),
        now_within_days=draw(st.integers(3, 20)),
    )


@st.composite
def policies(draw: st.DrawFn, currency: str) -> PlanPolicy:
    kinds = draw(st.lists(st.sampled_from(PlanKind), min_size=1, max_size=4, unique=True))
    rate = draw(st.sampled_from(RateKind))
    return PlanPolicy(
        policy_id="any",
        products=CARD,
        shapes=tuple(draw(shapes(kind)) for kind in kinds),
        amounts={
            currency: AmountLimits(
                least_debt=draw(units(currency, 1, 1000)),
                most_debt=draw(units(currency, 10_000, 10**9)),
                least_instalment=draw(units(currency, 1, 1_000)),
                most_extra_cost=draw(st.none() | units(currency, 1_000, 10**6)),
                automatic_up_to=draw(st.none() | units(currency, 1, 10**9)),
                fee=draw(st.just(Decimal(0)) | units(currency, 0, 30)),
            )
        },
        rate=RateRule(rate, draw(st.decimals(0, 30, places=1)) if rate is RateKind.GIVEN else Decimal(0)),
        terms=Terms(
            method=draw(st.sampled_from(Method)),
            day_count=draw(st.sampled_from(DayCount)),
            rounding=draw(st.sampled_from(Rounding)),
        ),
        days_overdue_from=0,
        days_overdue_to=100,
        most_plans_a_year=1,
        first_due_days=draw(st.integers(3, 30)),
        most_instalments=draw(st.integers(4, 40)),
        most_months=draw(st.integers(4, 40)),
        most_days_without=draw(st.integers(20, 90)),
        most_extra_percent=draw(st.decimals(1, 60, places=1)),
        stands_days=draw(st.integers(1, 7)),
        most_offers=draw(st.integers(1, 3)),
        most_per_kind=draw(st.integers(1, 3)),
        order=tuple(draw(st.permutations(list(OrderBy)))[: draw(st.integers(1, 4))]),
        automatic=draw(
            st.none()
            | st.builds(
                Automatic,
                kinds=st.frozensets(st.sampled_from(PlanKind), min_size=1),
                most_instalments=st.integers(1, 40),
                most_months=st.integers(1, 40),
            )
        ),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[Debt, PlanPolicy, date]:
    currency = draw(st.sampled_from(sorted(MINOR_UNITS)))
    policy = draw(policies(currency))
    debt = Debt(
        amount=Money(draw(units(currency, 10_000, 10_000_000)), currency),
        days_overdue=draw(st.integers(0, 100)),
        products=CARD,
        annual_percent=draw(st.decimals(0, 40, places=1)),
    )
    return debt, policy, draw(days)


def offered(debt: Debt, policy: PlanPolicy, today: date) -> tuple[Offer, ...]:
    found = offers(debt, policy, today)
    assume(not isinstance(found, NoOffers))
    assert not isinstance(found, NoOffers)
    return found


@given(cases())
def test_figures_sum_exactly_and_cost_is_what_is_paid_beyond_the_debt(case: tuple[Debt, PlanPolicy, date]) -> None:
    debt, _, today = case
    for offer in offered(*case):
        currency = debt.amount.currency
        assert offer.debt == debt.amount
        assert total((payment.principal for payment in offer.instalments), currency) == debt.amount
        assert offer.total == total((payment.amount for payment in offer.instalments), currency)
        assert offer.extra_cost == offer.total - debt.amount
        assert offer.extra_cost.amount >= 0
        assert offer.offered_on == today


@given(cases())
def test_no_floor_and_no_cap_is_broken(case: tuple[Debt, PlanPolicy, date]) -> None:
    debt, policy, today = case
    limits = policy.amounts[debt.amount.currency]
    for offer in offered(*case):
        amounts = [payment.amount.amount for payment in offer.instalments]
        assert min(amounts) >= limits.least_instalment > 0
        assert len(amounts) <= policy.most_instalments
        assert offer.largest.amount == max(amounts)
        assert offer.extra_cost.amount <= debt.amount.amount * policy.most_extra_percent / 100
        assert limits.most_extra_cost is None or offer.extra_cost.amount <= limits.most_extra_cost
        assert offer.last_due_on <= add_months(today, policy.most_months)
        assert (offer.first_due_on - today).days <= policy.most_days_without


@given(cases())
def test_nothing_is_due_before_the_offer_is_over(case: tuple[Debt, PlanPolicy, date]) -> None:
    """So what is taken on its last day is not late at once."""
    _, policy, today = case
    for offer in offered(*case):
        assert today < offer.stands_until == today + timedelta(days=policy.stands_days) <= offer.first_due_on
        assert all(earlier.due_on < later.due_on for earlier, later in pairwise(offer.instalments))


@given(cases())
def test_offers_are_few_numbered_distinct_and_in_the_declared_order(case: tuple[Debt, PlanPolicy, date]) -> None:
    _, policy, _ = case
    found = offered(*case)
    assert [offer.number for offer in found] == list(range(1, len(found) + 1))
    assert 1 <= len(found) <= policy.most_offers <= 3
    assert len({offer.offer_id for offer in found}) == len(found)
    payments = {tuple((each.due_on, each.amount) for each in offer.instalments) for offer in found}
    assert len(payments) == len(found)
    for kind in PlanKind:
        assert sum(offer.kind is kind for offer in found) <= policy.most_per_kind
    figures: dict[OrderBy, Callable[[Offer], Decimal | int | date]] = {
        OrderBy.EXTRA_COST: lambda offer: offer.extra_cost.amount,
        OrderBy.INSTALMENTS: lambda offer: len(offer.instalments),
        OrderBy.LARGEST_INSTALMENT: lambda offer: offer.largest.amount,
        OrderBy.LAST_DUE: lambda offer: offer.last_due_on,
    }
    ranks = [tuple(figures[by](offer) for by in policy.order) for offer in found]
    assert ranks == sorted(ranks)


@given(cases())
def test_the_same_question_has_the_same_answer(case: tuple[Debt, PlanPolicy, date]) -> None:
    debt, policy, today = case
    again = replace(policy, shapes=tuple(reversed(policy.shapes)))
    assert offers(debt, policy, today) == offers(debt, policy, today)
    turned = offers(debt, again, today)
    assert turned == offers(debt, policy, today), "the order in which a file names its kinds decides nothing"


@given(cases())
def test_an_id_is_the_terms_and_nothing_else(case: tuple[Debt, PlanPolicy, date]) -> None:
    debt, policy, today = case
    found = offered(*case)
    longer = replace(policy, most_offers=3, most_per_kind=3, order=(OrderBy.LAST_DUE,), automatic=None)
    others = offered(debt, longer, today)
    known = {offer.offer_id: offer for offer in others}
    for offer in found:
        same = known.get(offer.offer_id)
        if same is not None:
            assert (same.kind, same.debt, same.instalments) == (offer.kind, offer.debt, offer.instalments)
    one_more = replace(debt, amount=debt.amount + Money(Decimal(1), debt.amount.currency))
    more = offers(one_more, policy, today)
    if not isinstance(more, NoOffers):
        assert not {offer.offer_id for offer in more} & {offer.offer_id for offer in found}


@given(cases())
def test_only_what_is_within_every_limit_needs_nobody(case: tuple[Debt, PlanPolicy, date]) -> None:
    debt, policy, today = case
    up_to, automatic = policy.amounts[debt.amount.currency].automatic_up_to, policy.automatic
    for offer in offered(*case):
        within = (
            automatic is not None
            and up_to is not None
            and debt.amount.amount <= up_to
            and offer.kind in automatic.kinds
            and len(offer.instalments) <= automatic.most_instalments
            and offer.last_due_on <= add_months(today, automatic.most_months)
        )
        assert offer.approval is (Approval.AUTOMATIC if within else Approval.LENDER)


@given(cases(), st.data())
def test_what_somebody_can_pay_and_from_when_only_narrows(
    case: tuple[Debt, PlanPolicy, date], data: st.DataObject
) -> None:
    debt, policy, today = case
    found = offered(*case)
    most = Money(data.draw(units(debt.amount.currency, 1, 10**7)), debt.amount.currency)
    within = offers(debt, policy, today, affordable=most)
    if isinstance(within, NoOffers):
        assert within.why is WhyNot.NOT_AS_WISHED
        assert all(offer.largest.amount > most.amount for offer in found)
    else:
        assert all(offer.largest <= most for offer in within)
    day = today + timedelta(days=data.draw(st.integers(-30, 120)))
    later = offers(debt, policy, today, not_before=day)
    if isinstance(later, NoOffers):
        assert later.why is WhyNot.NOT_AS_WISHED
    else:
        assert all(offer.first_due_on >= day for offer in later)
        assert day > today or later == found


@given(cases(), st.integers(-5, 40))
def test_an_offer_stands_as_long_as_it_says_and_for_the_debt_it_was_made_for(
    case: tuple[Debt, PlanPolicy, date], later: int
) -> None:
    debt, policy, today = case
    offer = offered(*case)[0]
    day = today + timedelta(days=later)
    stands = 0 <= later <= policy.stands_days
    assert standing(offer, debt.amount, day) is (Standing.STANDS if stands else Standing.OVER)
    other = debt.amount - Money(Decimal(1), debt.amount.currency)
    assert standing(offer, other, day) is Standing.DEBT_CHANGED


@given(cases())
def test_of_one_kind_more_instalments_are_smaller_or_equal(case: tuple[Debt, PlanPolicy, date]) -> None:
    debt, policy, today = case
    open_wide = replace(
        policy,
        shapes=(Shape(PlanKind.LONGER_TERM, tuple(range(2, 13)), Frequency.MONTH),),
        order=(OrderBy.INSTALMENTS,),
        most_offers=11,
        most_per_kind=11,
    )
    found = offered(debt, open_wide, today)
    for fewer, more in pairwise(found):
        assert more.instalments[0].amount <= fewer.instalments[0].amount
