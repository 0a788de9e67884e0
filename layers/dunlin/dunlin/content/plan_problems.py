"""What is wrong with files in `plans/` that no single field can know: a variant that is never offered, a cap that
nothing can keep, a loan that two files speak for. Each problem says what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations

from dunlin.content.plans import AgreementsModel, CurrencyModel, HolidayModel, OffersModel, PartModel, SpreadModel
from dunlin.content.schema import PackModel
from dunlin.domain.money import MINOR_UNITS
from dunlin.domain.plans import PlanKind, RateKind
from dunlin.domain.schedules import Frequency

#: Which of the files, where in it, and what is wrong.
Found = tuple[int, tuple[str | int, ...], str]
_In = tuple[tuple[str | int, ...], str]

#: The fewest days that so often lie between two instalments.
_AT_LEAST = {Frequency.MONTH: 28, Frequency.FORTNIGHT: 14, Frequency.WEEK: 7}
_LONGEST_MONTH = 31


def plan_problems(files: Sequence[AgreementsModel], packs: Mapping[str, PackModel]) -> Iterator[Found]:
    """Every mistake."""
    yield from _spoken_for_twice(files)
    for number, file in enumerate(files):
        if file.effective_until < file.effective_on:
            yield number, ("effective_until",), "is before effective_on: the file would never be followed"
        for code in sorted(file.jurisdictions):
            if code not in packs:
                yield number, ("jurisdictions",), f"there is no pack {code}: add one to packs/, or leave it out"
        if file.plans is not None:
            for path, problem in _of_plans(file.plans):
                yield number, ("plans", *path), problem


def _spoken_for_twice(files: Sequence[AgreementsModel]) -> Iterator[Found]:
    for (_, earlier), (number, later) in combinations(enumerate(files), 2):
        if earlier.effective_until < later.effective_on or later.effective_until < earlier.effective_on:
            continue
        for code in sorted(earlier.jurisdictions & later.jurisdictions):
            for product in sorted(earlier.products & later.products):
                problem = f"{product} in {code} is in plans/{earlier.id}.yaml too: leave it out of one of the two"
                yield number, ("products",), problem


def _of_plans(plans: OffersModel) -> Iterator[_In]:
    if plans.eligible.days_overdue_to < plans.eligible.days_overdue_from:
        yield ("eligible", "days_overdue_to"), "is before days_overdue_from: nobody would be offered anything"
    kinds = dict(plans.kinds.said())
    if not kinds:
        yield ("kinds",), f"must have at least one of {', '.join(PlanKind)}; without plans leave `plans` out"
    for kind, shape in kinds.items():
        yield from ((("kinds", kind, *path), problem) for path, problem in _of_kind(plans, shape))
    yield from _of_rate(plans)
    for currency, limits in plans.amounts.items():
        yield from ((("amounts", currency, *path), problem) for path, problem in _of_currency(currency, limits))
        smallest = min((_smallest_debt(shape, limits) for shape in kinds.values()), default=limits.least_debt)
        if limits.least_debt < smallest:
            problem = f"nothing can be offered below {smallest:.2f}: raise it, or lower least_instalment"
            yield ("amounts", currency, "least_debt"), problem
    if plans.offers.per_kind > plans.offers.most:
        yield ("offers", "per_kind"), f"is more than the {plans.offers.most} that are offered in all"
    yield from _of_automatic(plans, frozenset(kinds))


def _of_kind(plans: OffersModel, shape: SpreadModel) -> Iterator[_In]:
    """What is never offered, because it can keep no cap, is a mistake: its author believes that it is."""
    caps, stands = plans.caps, plans.offers.stands_days
    firsts: list[tuple[tuple[str | int, ...], int]]
    match shape:
        case HolidayModel():
            firsts = [(("holiday_days", place), days) for place, days in enumerate(shape.holiday_days)]
            for path, days in firsts:
                if days <= plans.offers.first_due_days:
                    yield path, f"is no holiday: offers.first_due_days are {plans.offers.first_due_days} already"
        case PartModel():
            firsts = [(("now_within_days",), shape.now_within_days)]
        case _:
            firsts = [(("instalments",), plans.offers.first_due_days)]
    for path, days in firsts:
        if days < stands:
            yield path, f"due after {days} days, but an offer stands for {stands}: lower offers.stands_days, or wait"
        if days > caps.days_without_payment:
            yield path, f"due after {days} days; caps.days_without_payment allows {caps.days_without_payment}"
    before = 1 if isinstance(shape, PartModel) else 0  # the share that is paid first
    for place, count in enumerate(shape.instalments):
        if count + before > caps.instalments:
            problem = f"makes {count + before} payments; caps.instalments allows {caps.instalments}"
            yield ("instalments", place), problem
        lasts = min((days for _, days in firsts), default=0) + (count + before - 1) * _AT_LEAST[shape.every]
        if lasts > caps.months * _LONGEST_MONTH:
            yield ("instalments", place), f"lasts {lasts} days or more; caps.months allows {caps.months} months"


def _smallest_debt(shape: SpreadModel, limits: CurrencyModel) -> Decimal:
    """For which one of its variants has no instalment below the floor."""
    spread = limits.least_instalment * min(shape.instalments)
    if not isinstance(shape, PartModel):
        return spread
    shares = [percent / 100 for percent in shape.now_percent]
    return min(max(limits.least_instalment / share, spread / (1 - share)) for share in shares)


def _of_rate(plans: OffersModel) -> Iterator[_In]:
    given = plans.rate.kind is RateKind.GIVEN
    if given != (plans.rate.annual_percent is not None):
        yield ("rate", "annual_percent"), "belongs to `kind: given`, and only to it: which percentage is asked?"
    costs = plans.rate.kind is not RateKind.INTEREST_FREE or any(limits.fee for limits in plans.amounts.values())
    if costs and not plans.caps.extra_percent:
        yield ("caps", "extra_percent"), "must be above 0 where a plan bears interest or fees: how much at most?"
    if not costs and plans.caps.extra_percent:
        yield ("caps", "extra_percent"), "must be 0: a plan without interest and fees costs nothing more"


def _of_currency(currency: str, limits: CurrencyModel) -> Iterator[_In]:
    quantum = Decimal(1).scaleb(-MINOR_UNITS[currency])
    for name in CurrencyModel.model_fields:
        amount: Decimal | None = getattr(limits, name)
        if amount is not None and amount % quantum:
            yield (name,), f"must not be finer than {quantum} {currency}"
    for name in ("least_debt", "least_instalment"):
        if not getattr(limits, name):
            yield (name,), "must be above 0"
    if limits.most_debt < limits.least_debt:
        yield ("most_debt",), "is below least_debt: nobody would be offered anything"
    if limits.least_instalment > limits.most_debt:
        yield ("least_instalment",), "is above most_debt: no instalment could be as large"
    if limits.automatic_up_to is not None and limits.automatic_up_to > limits.most_debt:
        yield ("automatic_up_to",), "is above most_debt: lower it, or raise the other"


def _of_automatic(plans: OffersModel, kinds: frozenset[PlanKind]) -> Iterator[_In]:
    automatic = plans.automatic
    limited = [currency for currency, limits in plans.amounts.items() if limits.automatic_up_to is not None]
    if automatic is None:
        for currency in limited:
            path = ("amounts", currency, "automatic_up_to")
            yield path, "needs `automatic`, the other limits within which nobody has to approve; or leave it out"
        return
    if not limited:
        yield ("automatic",), "needs automatic_up_to in at least one of `amounts`, or nothing is approved by it"
    for kind in sorted(automatic.kinds - kinds):
        yield ("automatic", "kinds"), f"{kind} is not among `kinds`: it is never offered"
    if automatic.instalments > plans.caps.instalments:
        yield ("automatic", "instalments"), f"is more than caps.instalments, {plans.caps.instalments}"
    if automatic.months > plans.caps.months:
        yield ("automatic", "months"), f"is more than caps.months, {plans.caps.months}"
