"""Plans and promises as data: the shape of a file in `plans/`, what is wrong with it, and what it is made into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictInt, WithJsonSchema

from dunlin.content.resolve import covers
from dunlin.content.schema import Identifier, Jurisdiction, SourceModel, Strict
from dunlin.domain.money import MINOR_UNITS
from dunlin.domain.plans import (
    MOST_OFFERS,
    AmountLimits,
    Automatic,
    OrderBy,
    PlanKind,
    PlanPolicy,
    RateKind,
    RateRule,
    Shape,
    Upkeep,
)
from dunlin.domain.promises import PromisePolicy
from dunlin.domain.schedules import DayCount, Frequency, Method, Rounding, Terms
from dunlin.domain.words import Product

T = TypeVar("T")


def _exact(value: object) -> object:
    """A number that nothing has rounded yet: YAML's own decimals are floats, so they are written in quotes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if not isinstance(value, str):
        raise ValueError('must be a whole number or a decimal in quotes, such as "25.50"')
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError('must be a whole number or a decimal in quotes, such as "25.50"') from None
    if not number.is_finite():
        raise ValueError("must be finite")
    return number


def _some_once(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise ValueError("must name at least one")
    if len(set(values)) != len(values):
        raise ValueError("one is there twice")
    return values


def _some(values: frozenset[T]) -> frozenset[T]:
    if not values:
        raise ValueError("must name at least one")
    return values


def _reviewed(currency: str) -> str:
    if currency not in MINOR_UNITS:
        raise ValueError(f"is not one of the reviewed currencies: {', '.join(sorted(MINOR_UNITS))}")
    return currency


_EXACT_NUMBER = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^\d+(\.\d+)?$"}]}
Percent = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, le=100), WithJsonSchema(_EXACT_NUMBER)]
Amount = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, lt=10**12), WithJsonSchema(_EXACT_NUMBER)]
Counts = Annotated[tuple[Annotated[StrictInt, Field(ge=1, le=120)], ...], AfterValidator(_some_once)]
Currency = Annotated[str, AfterValidator(_reviewed)]
DaysAhead = Annotated[StrictInt, Field(ge=0, le=366)]


class PromisesModel(Strict):
    """Which promises are taken without a person."""

    longest_days: Annotated[StrictInt, Field(ge=1, le=92)]
    most_open: Annotated[StrictInt, Field(ge=1, le=10)]
    #: From so many on in the last `within_days` a person helps.
    most_broken: Annotated[StrictInt, Field(ge=1, le=10)]
    within_days: Annotated[StrictInt, Field(ge=1, le=730)]
    least_percent: Percent


class EligibleModel(Strict):
    days_overdue_from: Annotated[StrictInt, Field(ge=-60, le=3650)]
    days_overdue_to: Annotated[StrictInt, Field(ge=-60, le=3650)]
    #: In twelve months, the new one among them.
    most_plans_a_year: Annotated[StrictInt, Field(ge=1, le=12)]


class SpreadModel(Strict):
    """The debt in so many equal instalments; each number is a variant that is tried."""

    instalments: Counts
    every: Frequency


class HolidayModel(SpreadModel):
    """The same after days without any payment."""

    holiday_days: Annotated[tuple[DaysAhead, ...], AfterValidator(_some_once)]


class PartModel(SpreadModel):
    """A share of the debt first, the rest in so many instalments; the first a period after the share."""

    now_percent: Annotated[tuple[Annotated[Percent, Field(gt=0, lt=100)], ...], AfterValidator(_some_once)]
    now_within_days: DaysAhead


class KindsModel(Strict):
    part_payment: PartModel | None = None
    smaller_instalments: SpreadModel | None = None
    longer_term: SpreadModel | None = None
    payment_holiday: HolidayModel | None = None

    def said(self) -> Iterator[tuple[PlanKind, SpreadModel]]:
        for kind in PlanKind:
            model: SpreadModel | None = getattr(self, kind)
            if model is not None:
                yield kind, model


class RateModel(Strict):
    kind: RateKind
    annual_percent: Percent | None = None


class CapsModel(Strict):
    instalments: Annotated[StrictInt, Field(ge=1, le=121)]
    months: Annotated[StrictInt, Field(ge=1, le=120)]
    days_without_payment: DaysAhead
    #: Of the debt; what a plan costs beyond paying now.
    extra_percent: Percent


class CurrencyModel(Strict):
    least_debt: Amount
    most_debt: Amount
    least_instalment: Amount
    most_extra_cost: Amount | None = None
    automatic_up_to: Amount | None = None
    #: With each instalment.
    fee: Amount = Decimal(0)


class NumberedModel(Strict):
    most: Annotated[StrictInt, Field(ge=1, le=MOST_OFFERS)] = MOST_OFFERS
    per_kind: Annotated[StrictInt, Field(ge=1, le=MOST_OFFERS)] = MOST_OFFERS
    order: Annotated[tuple[OrderBy, ...], AfterValidator(_some_once)] = (OrderBy.EXTRA_COST, OrderBy.INSTALMENTS)
    first_due_days: DaysAhead
    stands_days: Annotated[StrictInt, Field(ge=1, le=30)]


class AutomaticModel(Strict):
    kinds: Annotated[frozenset[PlanKind], AfterValidator(_some)]
    instalments: Annotated[StrictInt, Field(ge=1, le=121)]
    months: Annotated[StrictInt, Field(ge=1, le=120)]
    #: Also where somebody else is on the loans, who is bound by what one of them agrees.
    with_others: StrictBool = False


class UpkeepModel(Strict):
    """How a plan is followed once it is agreed: days before an instalment's day, after it, and after it was missed."""

    remind_days: Annotated[tuple[Annotated[StrictInt, Field(ge=1, le=30)], ...], AfterValidator(_some_once)]
    grace_days: Annotated[StrictInt, Field(ge=0, le=30)]
    #: The word that it was missed is said within three days; some must be left to pay.
    cure_days: Annotated[StrictInt, Field(ge=4, le=60)]
    #: Within so many hours the core says that it carries the plan, or a person looks.
    take_up_hours: Annotated[StrictInt, Field(ge=1, le=240)]
    person_when_broken: StrictBool = False


class OffersModel(Strict):
    """What is offered to whom, and at which cost."""

    eligible: EligibleModel
    kinds: KindsModel
    rate: RateModel
    method: Method = Method.EQUAL_INSTALMENTS
    day_count: DayCount = DayCount.PER_PERIOD
    rounding: Rounding
    caps: CapsModel
    amounts: Annotated[dict[Currency, CurrencyModel], Field(min_length=1)]
    offers: NumberedModel
    #: Without it every plan needs the lender.
    automatic: AutomaticModel | None = None
    upkeep: UpkeepModel


class AgreementsModel(Strict):
    """A file of `plans/`: which promises are taken, and which plans offered, for loans of some products in some places.

    Without `plans` none are offered there: a person helps.
    """

    id: Identifier
    jurisdictions: Annotated[frozenset[Jurisdiction], AfterValidator(_some)]
    products: Annotated[frozenset[Product], AfterValidator(_some)]
    source: SourceModel
    effective_on: date = date.min
    #: The last day it is followed.
    effective_until: date = date.max
    promises: PromisesModel
    plans: OffersModel | None = None


# ── What it is made into ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Agreements:
    """What may be agreed by text about loans of these products there, while the file is in force."""

    jurisdictions: frozenset[str]
    products: frozenset[Product]
    effective_on: date
    effective_until: date
    promises: PromisePolicy
    plans: PlanPolicy | None

    def closeness(self, jurisdiction: str, today: date) -> int:
        """How closely it names the place: `US-NY` more so than `US`. 0: not at all, or not in force."""
        if not self.effective_on <= today <= self.effective_until:
            return 0
        return max((len(code) for code in self.jurisdictions if covers(code, jurisdiction)), default=0)


def agreements_of(model: AgreementsModel) -> Agreements:
    said = model.promises
    return Agreements(
        jurisdictions=model.jurisdictions,
        products=model.products,
        effective_on=model.effective_on,
        effective_until=model.effective_until,
        promises=PromisePolicy(
            policy_id=model.id,
            longest_days=said.longest_days,
            most_open=said.most_open,
            most_broken=said.most_broken,
            within_days=said.within_days,
            least_percent=said.least_percent,
        ),
        plans=_plan_policy(model, model.plans) if model.plans is not None else None,
    )


def _plan_policy(model: AgreementsModel, said: OffersModel) -> PlanPolicy:
    automatic = said.automatic
    return PlanPolicy(
        policy_id=model.id,
        products=model.products,
        shapes=tuple(_shape(kind, shape) for kind, shape in said.kinds.said()),
        amounts={
            currency: AmountLimits(
                least_debt=limits.least_debt,
                most_debt=limits.most_debt,
                least_instalment=limits.least_instalment,
                most_extra_cost=limits.most_extra_cost,
                automatic_up_to=limits.automatic_up_to,
                fee=limits.fee,
            )
            for currency, limits in said.amounts.items()
        },
        rate=RateRule(said.rate.kind, said.rate.annual_percent or Decimal(0)),
        terms=Terms(method=said.method, day_count=said.day_count, rounding=said.rounding),
        days_overdue_from=said.eligible.days_overdue_from,
        days_overdue_to=said.eligible.days_overdue_to,
        most_plans_a_year=said.eligible.most_plans_a_year,
        first_due_days=said.offers.first_due_days,
        most_instalments=said.caps.instalments,
        most_months=said.caps.months,
        most_days_without=said.caps.days_without_payment,
        most_extra_percent=said.caps.extra_percent,
        stands_days=said.offers.stands_days,
        most_offers=said.offers.most,
        most_per_kind=said.offers.per_kind,
        order=said.offers.order,
        automatic=(
            Automatic(automatic.kinds, automatic.instalments, automatic.months, automatic.with_others)
            if automatic is not None
            else None
        ),
        upkeep=Upkeep(
            remind_days=said.upkeep.remind_days,
            grace_days=said.upkeep.grace_days,
            cure_days=said.upkeep.cure_days,
            take_up_hours=said.upkeep.take_up_hours,
            person_when_broken=said.upkeep.person_when_broken,
        ),
    )


def _shape(kind: PlanKind, model: SpreadModel) -> Shape:
    return Shape(
        kind=kind,
        instalments=model.instalments,
        every=model.every,
        holiday_days=model.holiday_days if isinstance(model, HolidayModel) else (),
        now_percents=model.now_percent if isinstance(model, PartModel) else (),
        now_within_days=model.now_within_days if isinstance(model, PartModel) else 0,
    )


def plan_policy(
    known: Iterable[Agreements], jurisdiction: str, products: frozenset[Product], today: date
) -> PlanPolicy | None:
    """The one policy that is followed for all of these products there; None: there is none, or there are several."""
    found = _serving(known, jurisdiction, products, today)
    return found[0].plans if found and all(each is found[0] for each in found) else None


def promise_policy(
    known: Iterable[Agreements], jurisdiction: str, products: frozenset[Product], today: date
) -> PromisePolicy | None:
    """Of several the strictest in everything; None: one of the products has none."""
    policies = list(dict.fromkeys(each.promises for each in _serving(known, jurisdiction, products, today)))
    if len(policies) <= 1:
        return policies[0] if policies else None
    return PromisePolicy(
        policy_id="+".join(sorted(policy.policy_id for policy in policies)),
        longest_days=min(policy.longest_days for policy in policies),
        most_open=min(policy.most_open for policy in policies),
        most_broken=min(policy.most_broken for policy in policies),
        within_days=max(policy.within_days for policy in policies),
        least_percent=max(policy.least_percent for policy in policies),
    )


def _serving(
    known: Iterable[Agreements], jurisdiction: str, products: frozenset[Product], today: date
) -> list[Agreements]:
    """The file for each product: the one that names the place most closely. Empty where a product has none."""
    everywhere = tuple(known)
    found: list[Agreements] = []
    for product in sorted(products):
        there = [each for each in everywhere if product in each.products and each.closeness(jurisdiction, today)]
        if not there:
            return []
        found.append(max(there, key=lambda each: each.closeness(jurisdiction, today)))
    return found
