"""Repayment schedules to the last minor unit: dates, interest, and what is due on each day.

Everything is `Decimal` at fifty digits and is rounded once for each figure that somebody pays, never in between. The
whole rounding difference stands in the last instalment, so the parts sum to the amount exactly. This is arithmetic on
an amount that the core has computed; it computes no debt.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from enum import StrEnum
from itertools import pairwise
from typing import assert_never

from dunlin.domain.money import MINOR_UNITS, Money, total
from dunlin.errors import InvalidInput

__all__ = [
    "DayCount",
    "Frequency",
    "Method",
    "Payment",
    "Rounding",
    "Schedule",
    "Terms",
    "add_months",
    "annual_percentage_rate",
    "due_dates",
    "equal_instalment",
    "period_rates",
    "rounded",
    "schedule",
    "shifted",
    "year_fraction",
]

_EXACT = Context(prec=50)


class Frequency(StrEnum):
    """How often an instalment is due. A month is a calendar month; a year has 12, 26 or 52 of them."""

    MONTH = "month"
    FORTNIGHT = "fortnight"
    WEEK = "week"


class Method(StrEnum):
    """What is equal: the whole instalment (annuity, 等额本息) or the principal in it (等额本金)."""

    EQUAL_INSTALMENTS = "equal_instalments"
    EQUAL_PRINCIPAL = "equal_principal"


class DayCount(StrEnum):
    """How much of a year lies between two days.

    `per_period`: a whole period is 1/12, 1/26 or 1/52 of a year, counted backwards from the first due date, and the odd
    days before it are ACT/365 (as 12 CFR 1026 Appendix J counts unit periods). The others are the conventions of the
    2006 ISDA Definitions, section 4.16: (f) 30/360, (d) ACT/365 (Fixed), (e) ACT/360, (b) ACT/ACT.
    """

    PER_PERIOD = "per_period"
    THIRTY_360 = "30/360"
    ACT_365 = "act/365"
    ACT_360 = "act/360"
    ACT_ACT = "act/act"


class Rounding(StrEnum):
    """What becomes of exactly half a minor unit."""

    HALF_EVEN = "half_even"
    HALF_UP = "half_up"


_MODES = {Rounding.HALF_EVEN: ROUND_HALF_EVEN, Rounding.HALF_UP: ROUND_HALF_UP}
_PERIODS_A_YEAR = {Frequency.MONTH: 12, Frequency.FORTNIGHT: 26, Frequency.WEEK: 52}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a schedule is made by. `annual_percent` is nominal (`6` is six percent a year); `fee` is asked with every
    instalment, in major units of the currency."""

    method: Method = Method.EQUAL_INSTALMENTS
    every: Frequency = Frequency.MONTH
    annual_percent: Decimal = Decimal(0)
    day_count: DayCount = DayCount.PER_PERIOD
    rounding: Rounding = Rounding.HALF_EVEN
    fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Payment:
    """What is due on a day. `principal` repays the amount that the schedule is about, so it is never zero."""

    due_on: date
    principal: Money
    interest: Money
    fee: Money

    @property
    def amount(self) -> Money:
        """What the person pays."""
        return self.principal + self.interest + self.fee


@dataclass(frozen=True, slots=True)
class Schedule:
    """Payments in order of their days; their principal parts sum to `principal` exactly."""

    principal: Money
    start_on: date
    payments: tuple[Payment, ...]

    @property
    def total_to_pay(self) -> Money:
        return total((payment.amount for payment in self.payments), self.principal.currency)

    @property
    def extra_cost(self) -> Money:
        """What it costs beyond paying the whole amount now: interest and fees."""
        return self.total_to_pay - self.principal

    def after(self, part: Money, on: date) -> Schedule:
        """The same with a part paid first, on `on`, without interest or fee: this schedule is that of the rest.

        Raises:
            InvalidInput: the part is not positive or too fine, or is not paid between the start and the first payment.
        """
        _check_amount("part", part)
        if part.currency != self.principal.currency:
            raise InvalidInput("part", "must be in the currency of the rest")
        if not self.start_on <= on < self.payments[0].due_on:
            raise InvalidInput("part", "must be paid from the first day on, and before the rest")
        nothing = total((), part.currency)
        first = Payment(on, part, nothing, nothing)
        return Schedule(self.principal + part, self.start_on, (first, *self.payments))


# ── Days ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_months(day: date, months: int) -> date:
    """The same day of another month, or the last one of a shorter month: a month after 31 January is 28 February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def shifted(day: date, periods: int, every: Frequency) -> date:
    """So many periods later, or earlier where `periods` is negative."""
    match every:
        case Frequency.MONTH:
            return add_months(day, periods)
        case Frequency.FORTNIGHT:
            return day + timedelta(weeks=2 * periods)
        case Frequency.WEEK:
            return day + timedelta(weeks=periods)
        case _:
            assert_never(every)


def due_dates(first_on: date, count: int, every: Frequency) -> tuple[date, ...]:
    """`count` days from the first on. Each is counted from the first, so 31 January comes back as 31 March."""
    return tuple(shifted(first_on, number, every) for number in range(count))


def year_fraction(start_on: date, end_on: date, day_count: DayCount) -> Decimal:
    """The part of a year between two days, `end_on` excluded, to fifty digits.

    Raises:
        ValueError: the end lies before the start, or `day_count` is `per_period`, which needs a period.
    """
    if end_on < start_on:
        raise ValueError("the end lies before the start")
    with localcontext(_EXACT):
        match day_count:
            case DayCount.THIRTY_360:
                return Decimal(_thirty_day_months(start_on, end_on)) / 360
            case DayCount.ACT_365:
                return Decimal((end_on - start_on).days) / 365
            case DayCount.ACT_360:
                return Decimal((end_on - start_on).days) / 360
            case DayCount.ACT_ACT:
                return sum((_of_its_year(start_on, end_on, year) for year in _years(start_on, end_on)), Decimal(0))
            case DayCount.PER_PERIOD:
                raise ValueError("whole periods are counted by period_rates")
            case _:
                assert_never(day_count)


def _thirty_day_months(start_on: date, end_on: date) -> int:
    first = min(start_on.day, 30)
    last = 30 if end_on.day == 31 and first == 30 else end_on.day
    return 360 * (end_on.year - start_on.year) + 30 * (end_on.month - start_on.month) + last - first


def _years(start_on: date, end_on: date) -> range:
    return range(start_on.year, end_on.year + 1)


def _of_its_year(start_on: date, end_on: date, year: int) -> Decimal:
    days = (min(end_on, date(year + 1, 1, 1)) - max(start_on, date(year, 1, 1))).days
    return Decimal(days) / (366 if calendar.isleap(year) else 365)


# ── Interest ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def period_rates(start_on: date, due_on: Sequence[date], terms: Terms) -> tuple[Decimal, ...]:
    """The rate of each period that ends on a due date, as a fraction. A longer first period, such as after a payment
    holiday, bears simple interest: nothing is compounded while nothing is due."""
    if not terms.annual_percent:
        return (Decimal(0),) * len(due_on)
    with localcontext(_EXACT):
        annual = terms.annual_percent / 100
        if terms.day_count is not DayCount.PER_PERIOD:
            return tuple(annual * year_fraction(*days, terms.day_count) for days in pairwise((start_on, *due_on)))
        a_year = _PERIODS_A_YEAR[terms.every]
        whole = 0
        while (
            shifted(due_on[0], -(whole + 1), terms.every) >= start_on
            or shifted(start_on, whole + 1, terms.every) == due_on[0]  # from 31 January to 28 February is a month
        ):
            whole += 1
        odd_days = max(0, (shifted(due_on[0], -whole, terms.every) - start_on).days)
        first = annual * (Decimal(whole) / a_year + Decimal(odd_days) / 365)
        return (first, *(annual / a_year,) * (len(due_on) - 1))


def equal_instalment(principal: Decimal, rates: Sequence[Decimal]) -> Decimal:
    """The instalment that repays `principal` over periods of these rates, before rounding: the principal over the sum
    of the discount factors. With one rate it is the annuity formula, with none the principal over their number."""
    with localcontext(_EXACT):
        growth = Decimal(1)
        factors = Decimal(0)
        for rate in rates:
            growth *= 1 + rate
            factors += 1 / growth
        return principal / factors


def rounded(amount: Decimal, currency: str, rounding: Rounding) -> Money:
    """To the currency's minor unit."""
    with localcontext(_EXACT):
        quantum = Decimal(1).scaleb(-MINOR_UNITS[currency])
        return Money(amount.quantize(quantum, rounding=_MODES[rounding]), currency)


def schedule(principal: Money, terms: Terms, *, start_on: date, due_on: Sequence[date]) -> Schedule | None:
    """`principal`, repaid on these days, with interest from `start_on`.

    None: not on so many days. One instalment would repay nothing, since the amount is too small for them all or the
    interest too high.

    Raises:
        InvalidInput: the amount, the rate, the fee or the days are not what they must be.
    """
    _check(principal, terms, start_on, due_on)
    currency = principal.currency
    rates = period_rates(start_on, due_on, terms)
    with localcontext(_EXACT):
        fee = rounded(terms.fee, currency, terms.rounding)
        level = rounded(equal_instalment(principal.amount, rates), currency, terms.rounding)
        share = rounded(principal.amount / len(due_on), currency, terms.rounding)
        left = principal
        payments: list[Payment] = []
        for number, (day, rate) in enumerate(zip(due_on, rates, strict=True), 1):
            interest = rounded(left.amount * rate, currency, terms.rounding)
            if number == len(due_on):
                part = left
            elif terms.method is Method.EQUAL_INSTALMENTS:
                part = level - interest
            else:
                part = share
            if not part.is_positive:
                return None
            payments.append(Payment(day, part, interest, fee))
            left = left - part
    return Schedule(principal, start_on, tuple(payments))


def _check(principal: Money, terms: Terms, start_on: date, due_on: Sequence[date]) -> None:
    _check_amount("principal", principal)
    if not terms.annual_percent.is_finite() or terms.annual_percent < 0:
        raise InvalidInput("annual_percent", "must be finite and not negative")
    if not terms.fee.is_finite() or terms.fee < 0:
        raise InvalidInput("fee", "must be finite and not negative")
    if rounded(terms.fee, principal.currency, terms.rounding).amount != terms.fee:
        raise InvalidInput("fee", "must not be finer than the currency's minor unit")
    if not due_on or due_on[0] < start_on or any(later <= day for day, later in pairwise(due_on)):
        raise InvalidInput("due_on", "must be at least one day, from the start on, each after the one before")


def _check_amount(field: str, amount: Money) -> None:
    if amount.currency not in MINOR_UNITS:
        raise InvalidInput(field, "is in a currency that nobody reviewed")
    if not amount.amount.is_finite() or not 0 < amount.amount < 10**12:
        raise InvalidInput(field, "must be positive and below 10^12")
    if rounded(amount.amount, amount.currency, Rounding.HALF_EVEN).amount != amount.amount:
        raise InvalidInput(field, "must not be finer than the currency's minor unit")


# ── What it costs a year ─────────────────────────────────────────────────────────────────────────────────────────────

_MOST_A_YEAR = Decimal(10_000)  # a million percent: beyond it a rate tells nobody anything


def annual_percentage_rate(plan: Schedule) -> Decimal | None:
    """The effective rate a year, in percent to one decimal, at which the payments are worth the principal on the first
    day, time in days of a year of 365. After the APR of Directive 2008/48/EC, Annex I, which the FCA has in CONC App
    1.2; it is a figure to compare offers by, not a disclosure that a law asks for.

    None: no rate says it, because what is due on the first day leaves nothing to lend, or it is beyond a million
    percent.
    """
    if not plan.extra_cost.is_positive:
        return Decimal("0.0")
    with localcontext(_EXACT):
        paid = [((payment.due_on - plan.start_on).days, payment.amount.amount) for payment in plan.payments]
        # The value grows with the discount factor of a day, and is above the principal where nothing is discounted.
        low, high = (1 + _MOST_A_YEAR) ** (Decimal(-1) / 365), Decimal(1)
        if _worth(paid, low) > plan.principal.amount:
            return None
        for _ in range(90):
            middle = (low + high) / 2
            low, high = (low, middle) if _worth(paid, middle) > plan.principal.amount else (middle, high)
        percent = (high**-365 - 1) * 100
        return percent.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)


def _worth(paid: Sequence[tuple[int, Decimal]], a_day: Decimal) -> Decimal:
    return sum((amount * a_day**days for days, amount in paid), Decimal(0))
