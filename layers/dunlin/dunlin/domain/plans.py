"""Repayment plans: what the lender allows, as data, and the offers that follow from it for one debt.

The debt is the core's. A plan here is an offer: which payments on which days we would take for it. It is in force when
the core says so, or at once within the limits that the policy sets for that (`Approval.AUTOMATIC`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from dunlin.domain.money import Money
from dunlin.domain.schedules import (
    Frequency,
    Payment,
    Schedule,
    Terms,
    add_months,
    annual_percentage_rate,
    due_dates,
    rounded,
    schedule,
    shifted,
)
from dunlin.domain.words import Product
from dunlin.errors import InvalidInput

__all__ = [
    "AmountLimits",
    "Approval",
    "Automatic",
    "Debt",
    "NoOffers",
    "Offer",
    "OrderBy",
    "PlanKind",
    "PlanPolicy",
    "RateKind",
    "RateRule",
    "Shape",
    "Standing",
    "Upkeep",
    "WhyNot",
    "offers",
    "standing",
]

#: A text offers three numbers to choose from, and no more.
MOST_OFFERS = 3


class PlanKind(StrEnum):
    """What about the debt becomes easier."""

    PART_PAYMENT = "part_payment"
    SMALLER_INSTALMENTS = "smaller_instalments"
    LONGER_TERM = "longer_term"
    PAYMENT_HOLIDAY = "payment_holiday"


class RateKind(StrEnum):
    """Which interest a plan bears."""

    INTEREST_FREE = "interest_free"
    SAME = "same"  # the contract's, which only the core knows
    GIVEN = "given"


class Approval(StrEnum):
    """What makes an offer that was chosen a plan in force."""

    AUTOMATIC = "automatic"
    LENDER = "lender"


class OrderBy(StrEnum):
    """What offers are put in order by, the smaller first."""

    EXTRA_COST = "extra_cost"
    INSTALMENTS = "instalments"
    LARGEST_INSTALMENT = "largest_instalment"
    LAST_DUE = "last_due"


class WhyNot(StrEnum):
    """Why nothing is offered. None of them closes the door: a person can still help."""

    PLAN_STANDS = "plan_stands"
    TOO_MANY_PLANS = "too_many_plans"
    OTHER_PRODUCT = "other_product"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    OTHER_CURRENCY = "other_currency"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    RATE_UNKNOWN = "rate_unknown"
    NOT_AS_WISHED = "not_as_wished"  # there are offers, but none for what the person can pay, or from that day on
    NOTHING_WITHIN_LIMITS = "nothing_within_limits"


@dataclass(frozen=True, slots=True)
class RateRule:
    """`annual_percent` (nominal) only where the rate is given."""

    kind: RateKind
    annual_percent: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of plan, and the variants of it that are tried: every number of `instalments` with every holiday (days
    without any payment) or share to pay now (percent of the debt, due after `now_within_days`)."""

    kind: PlanKind
    instalments: tuple[int, ...]
    every: Frequency
    holiday_days: tuple[int, ...] = ()
    now_percents: tuple[Decimal, ...] = ()
    now_within_days: int = 0


@dataclass(frozen=True, slots=True)
class AmountLimits:
    """Limits in major units of one currency; `most_extra_cost` None: only the percentage limits it;
    `automatic_up_to` None: every plan in this currency needs the lender. `fee` is asked with each instalment."""

    least_debt: Decimal
    most_debt: Decimal
    least_instalment: Decimal
    most_extra_cost: Decimal | None = None
    automatic_up_to: Decimal | None = None
    fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Automatic:
    """Within these limits nobody has to approve; the amount's limit is the currency's.

    `with_others`: also where somebody else is on the loans (a co-borrower, a guarantor), who is then bound by what one
    of them agrees.
    """

    kinds: frozenset[PlanKind]
    most_instalments: int
    most_months: int
    with_others: bool = False


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How a plan is followed once it is agreed. A plan keeps those of the day on which it was chosen.

    `remind_days` before an instalment's day; `grace_days` after it before it counts as missed; `cure_days` after that
    was found before the plan is broken. The core says within `take_up_hours` that it carries the plan, or a person
    looks. `person_when_broken`: a person looks then too.
    """

    remind_days: tuple[int, ...] = (3,)
    grace_days: int = 2
    cure_days: int = 7
    take_up_hours: int = 24
    person_when_broken: bool = False


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """Who is offered a plan, of which kinds, at which cost, within which limits.

    `terms` are those of every plan; its rate and fee are set by `rate` and the currency's limits. `first_due_days`:
    when the first instalment is due after an offer that asks for nothing sooner. `most_days_without` payment,
    `most_months` from today to the last payment. `most_extra_percent` of the debt, `most_per_kind` of a kind.
    `most_plans_a_year`: in twelve months, the one that is offered among them. An offer stands for `stands_days`, and
    nothing of it is due before they are over.
    """

    policy_id: str
    products: frozenset[Product]
    shapes: tuple[Shape, ...]
    amounts: Mapping[str, AmountLimits]
    rate: RateRule
    terms: Terms
    days_overdue_from: int
    days_overdue_to: int
    most_plans_a_year: int
    first_due_days: int
    most_instalments: int
    most_months: int
    most_days_without: int
    most_extra_percent: Decimal
    stands_days: int
    most_offers: int = MOST_OFFERS
    most_per_kind: int = MOST_OFFERS
    order: tuple[OrderBy, ...] = (OrderBy.EXTRA_COST, OrderBy.INSTALMENTS)
    automatic: Automatic | None = None
    upkeep: Upkeep = Upkeep()


@dataclass(frozen=True, slots=True)
class Debt:
    """What the core says is owed now, and what is known of plans. `annual_percent` is the contract's nominal rate;
    None: the core did not tell it. `plans_last_year`: agreed in the last twelve months, one in force among them."""

    amount: Money
    days_overdue: int
    products: frozenset[Product]
    plans_last_year: int = 0
    has_plan: bool = False
    annual_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class NoOffers:
    """`rule` is what of the policy decides it: `plan.standard.days_overdue`."""

    why: WhyNot
    rule: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One numbered offer. `offer_id` is a hash of its terms: the same for the same payments for the same debt, whoever
    computes it and under whatever number it is told."""

    number: int
    kind: PlanKind
    debt: Money
    offered_on: date
    stands_until: date
    instalments: tuple[Payment, ...]
    approval: Approval
    offer_id: str

    @property
    def total(self) -> Money:
        return self.schedule.total_to_pay

    @property
    def extra_cost(self) -> Money:
        """Interest and fees: what it costs beyond paying the debt now."""
        return self.schedule.extra_cost

    @property
    def first_due_on(self) -> date:
        return self.instalments[0].due_on

    @property
    def last_due_on(self) -> date:
        return self.instalments[-1].due_on

    @property
    def largest(self) -> Money:
        """The largest single instalment."""
        return max((payment.amount for payment in self.instalments), key=lambda money: money.amount)

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.debt, self.offered_on, self.instalments)

    @property
    def annual_percentage_rate(self) -> Decimal | None:
        """In percent, to compare by; see `dunlin.domain.schedules.annual_percentage_rate`."""
        return annual_percentage_rate(self.schedule)


class Standing(StrEnum):
    """Whether an offer can still be taken."""

    STANDS = "stands"
    OVER = "over"
    DEBT_CHANGED = "debt_changed"


def standing(offer: Offer, debt: Money, today: date) -> Standing:
    """Whether it can be taken today, when the core says that `debt` is owed: another amount is another offer."""
    if debt != offer.debt:
        return Standing.DEBT_CHANGED
    return Standing.STANDS if offer.offered_on <= today <= offer.stands_until else Standing.OVER


def offers(
    debt: Debt, policy: PlanPolicy, today: date, *, affordable: Money | None = None, not_before: date | None = None
) -> tuple[Offer, ...] | NoOffers:
    """The offers for this debt, numbered from 1 in the policy's order, at most as many as it says and never none.

    `today` is the borrower's own date. `affordable`: no single payment is larger. `not_before`: nothing is due earlier.

    Raises:
        InvalidInput: the debt is finer than its currency's minor unit, its rate is negative, or `affordable` is in
            another currency.
    """
    if affordable is not None and affordable.currency != debt.amount.currency:
        raise InvalidInput("affordable", "must be in the debt's currency")
    refused = _refused(debt, policy)
    if refused is not None:
        return refused
    limits = policy.amounts[debt.amount.currency]
    within = list(_within(policy, limits, debt, today, not_before or today))
    found = [offer for offer in within if affordable is None or offer.largest <= affordable]
    if found:
        return tuple(_numbered(found, policy))
    wished = affordable is not None or not_before is not None
    if wished and (within or any(_within(policy, limits, debt, today, today))):
        return NoOffers(WhyNot.NOT_AS_WISHED, f"plan.{policy.policy_id}.kinds")
    return NoOffers(WhyNot.NOTHING_WITHIN_LIMITS, f"plan.{policy.policy_id}.caps")


def _refused(debt: Debt, policy: PlanPolicy) -> NoOffers | None:
    def because(why: WhyNot, what: str) -> NoOffers:
        return NoOffers(why, f"plan.{policy.policy_id}.{what}")

    if debt.has_plan:
        return because(WhyNot.PLAN_STANDS, "eligible")
    if debt.plans_last_year >= policy.most_plans_a_year:
        return because(WhyNot.TOO_MANY_PLANS, "eligible.most_plans_a_year")
    if not debt.products or debt.products - policy.products:
        return because(WhyNot.OTHER_PRODUCT, "products")
    if debt.days_overdue < policy.days_overdue_from:
        return because(WhyNot.TOO_EARLY, "eligible.days_overdue_from")
    if debt.days_overdue > policy.days_overdue_to:
        return because(WhyNot.TOO_LATE, "eligible.days_overdue_to")
    limits = policy.amounts.get(debt.amount.currency)
    if limits is None:
        return because(WhyNot.OTHER_CURRENCY, "amounts")
    if debt.amount.amount < limits.least_debt:
        return because(WhyNot.TOO_SMALL, f"amounts.{debt.amount.currency}.least_debt")
    if debt.amount.amount > limits.most_debt:
        return because(WhyNot.TOO_LARGE, f"amounts.{debt.amount.currency}.most_debt")
    if policy.rate.kind is RateKind.SAME and debt.annual_percent is None:
        return because(WhyNot.RATE_UNKNOWN, "rate")
    return None


# ── The variants of a policy's kinds ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Variant:
    """When what is due: a part of it first (its day, and the percentage), the rest on `due_on`."""

    kind: PlanKind
    due_on: tuple[date, ...]
    every: Frequency
    part: tuple[date, Decimal] | None = None


def _variants(policy: PlanPolicy, today: date, not_before: date) -> Iterator[_Variant]:
    for shape in policy.shapes:
        for count in shape.instalments:
            match shape.kind:
                case PlanKind.LONGER_TERM | PlanKind.SMALLER_INSTALMENTS:
                    first = max(today + timedelta(days=policy.first_due_days), not_before)
                    yield _Variant(shape.kind, due_dates(first, count, shape.every), shape.every)
                case PlanKind.PAYMENT_HOLIDAY:
                    for days in shape.holiday_days:
                        first = max(today + timedelta(days=days), not_before)
                        yield _Variant(shape.kind, due_dates(first, count, shape.every), shape.every)
                case PlanKind.PART_PAYMENT:
                    on = max(today + timedelta(days=shape.now_within_days), not_before)
                    rest = tuple(shifted(on, number, shape.every) for number in range(1, count + 1))
                    for percent in shape.now_percents:
                        yield _Variant(shape.kind, rest, shape.every, (on, percent))
                case _:
                    assert_never(shape.kind)


def _within(policy: PlanPolicy, limits: AmountLimits, debt: Debt, today: date, not_before: date) -> Iterator[Offer]:
    if (not_before - today).days > policy.most_days_without:
        return
    for variant in _variants(policy, today, not_before):
        plan = _schedule(variant, policy, limits, debt, today)
        if plan is not None and _keeps(plan, policy, limits, today):
            yield _offer(variant.kind, plan, policy, limits, today)


def _schedule(variant: _Variant, policy: PlanPolicy, limits: AmountLimits, debt: Debt, today: date) -> Schedule | None:
    """None: the amount cannot be divided like this."""
    terms = replace(policy.terms, every=variant.every, annual_percent=_annual_percent(policy, debt), fee=limits.fee)
    rest, now = debt.amount, None
    if variant.part is not None:
        share = variant.part[1] / 100
        now = rounded(debt.amount.amount * share, debt.amount.currency, terms.rounding)
        rest = debt.amount - now
        if not (now.is_positive and rest.is_positive):
            return None
    plan = schedule(rest, terms, start_on=today, due_on=variant.due_on)
    if plan is None or variant.part is None or now is None:
        return plan
    return plan.after(now, variant.part[0])


def _annual_percent(policy: PlanPolicy, debt: Debt) -> Decimal:
    match policy.rate.kind:
        case RateKind.INTEREST_FREE:
            return Decimal(0)
        case RateKind.GIVEN:
            return policy.rate.annual_percent
        case RateKind.SAME:
            return debt.annual_percent or Decimal(0)
        case _:
            assert_never(policy.rate.kind)


def _keeps(plan: Schedule, policy: PlanPolicy, limits: AmountLimits, today: date) -> bool:
    """Whether no floor and no cap is broken."""
    cost = plan.extra_cost.amount
    return (
        len(plan.payments) <= policy.most_instalments
        and plan.payments[-1].due_on <= add_months(today, policy.most_months)
        and today + timedelta(days=policy.stands_days) <= plan.payments[0].due_on
        and (plan.payments[0].due_on - today).days <= policy.most_days_without
        and min(payment.amount.amount for payment in plan.payments) >= limits.least_instalment
        and cost * 100 <= policy.most_extra_percent * plan.principal.amount
        and (limits.most_extra_cost is None or cost <= limits.most_extra_cost)
    )


def _offer(kind: PlanKind, plan: Schedule, policy: PlanPolicy, limits: AmountLimits, today: date) -> Offer:
    automatic = (
        policy.automatic is not None
        and kind in policy.automatic.kinds
        and limits.automatic_up_to is not None
        and plan.principal.amount <= limits.automatic_up_to
        and len(plan.payments) <= policy.automatic.most_instalments
        and plan.payments[-1].due_on <= add_months(today, policy.automatic.most_months)
    )
    return Offer(
        number=0,  # numbered when it is known which of them are told
        kind=kind,
        debt=plan.principal,
        offered_on=today,
        stands_until=today + timedelta(days=policy.stands_days),
        instalments=plan.payments,
        approval=Approval.AUTOMATIC if automatic else Approval.LENDER,
        offer_id=_offer_id(kind, plan),
    )


def _offer_id(kind: PlanKind, plan: Schedule) -> str:
    terms = {
        "kind": kind,
        "debt": str(plan.principal),
        "instalments": [
            [payment.due_on.isoformat(), str(payment.principal), str(payment.interest), str(payment.fee)]
            for payment in plan.payments
        ],
    }
    return hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:16]


def _numbered(found: Iterable[Offer], policy: PlanPolicy) -> Iterator[Offer]:
    """In the policy's order; the same payments once, whatever they are called."""
    kinds = list(PlanKind)

    def rank(offer: Offer) -> tuple[object, ...]:
        asked = (_rank(offer, by) for by in policy.order)
        return (*asked, kinds.index(offer.kind), offer.first_due_on, offer.last_due_on, offer.offer_id)

    told: set[tuple[tuple[date, Decimal], ...]] = set()
    of_kind = dict.fromkeys(kinds, 0)
    for offer in sorted(found, key=rank):
        payments = tuple((payment.due_on, payment.amount.amount) for payment in offer.instalments)
        if len(told) < policy.most_offers and payments not in told and of_kind[offer.kind] < policy.most_per_kind:
            told.add(payments)
            of_kind[offer.kind] += 1
            yield replace(offer, number=len(told))


def _rank(offer: Offer, by: OrderBy) -> Decimal | int:
    match by:
        case OrderBy.EXTRA_COST:
            return offer.extra_cost.amount
        case OrderBy.INSTALMENTS:
            return len(offer.instalments)
        case OrderBy.LARGEST_INSTALMENT:
            return offer.largest.amount
        case OrderBy.LAST_DUE:
            return offer.last_due_on.toordinal()
        case _:
            assert_never(by)
