"""Schedules sum exactly for every currency, repay something every time, and agree with numpy-financial."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy_financial as npf
from dunlin.domain.money import MINOR_UNITS, Money, total
from dunlin.domain.schedules import (
    DayCount,
    Frequency,
    Method,
    Rounding,
    Schedule,
    Terms,
    annual_percentage_rate,
    due_dates,
    equal_instalment,
    rounded,
    schedule,
    shifted,
    year_fraction,
)
from hypothesis import assume, given
from hypothesis import strategies as st

days = st.dates(date(2020, 1, 1), date(2040, 12, 31))
percents = st.decimals(0, 60, places=2)
currencies = st.sampled_from(sorted(MINOR_UNITS))
counts = st.integers(1, 60)


@st.composite
def amounts(draw: st.DrawFn, most: int = 10**9) -> Money:
    currency = draw(currencies)
    return Money(Decimal(draw(st.integers(1, most))).scaleb(-MINOR_UNITS[currency]), currency)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    return Terms(
        method=draw(st.sampled_from(Method)),
        every=draw(st.sampled_from(Frequency)),
        annual_percent=draw(percents),
        day_count=draw(st.sampled_from(DayCount)),
        rounding=draw(st.sampled_from(Rounding)),
        fee=Decimal(draw(st.integers(0, 50))),
    )


def made(principal: Money, of: Terms, start_on: date, wait: int, count: int) -> Schedule:
    due_on = due_dates(start_on + timedelta(days=wait), count, of.every)
    plan = schedule(principal, of, start_on=start_on, due_on=due_on)
    assume(plan is not None)
    assert plan is not None
    return plan


@given(amounts(), terms(), days, st.integers(0, 90), counts)
def test_the_parts_sum_to_the_whole_and_nothing_is_zero(
    principal: Money, of: Terms, start_on: date, wait: int, count: int
) -> None:
    plan = made(principal, of, start_on, wait, count)
    quantum = Decimal(1).scaleb(-MINOR_UNITS[principal.currency])
    assert total((payment.principal for payment in plan.payments), principal.currency) == principal
    interest = sum(payment.interest.amount for payment in plan.payments)
    fees = sum(payment.fee.amount for payment in plan.payments)
    assert plan.total_to_pay.amount == principal.amount + interest + fees
    assert plan.extra_cost.amount == interest + fees == plan.total_to_pay.amount - principal.amount
    for payment in plan.payments:
        assert payment.principal.amount > 0
        assert payment.interest.amount >= 0
        assert payment.amount.amount == payment.principal.amount + payment.interest.amount + payment.fee.amount
        for money in (payment.principal, payment.interest, payment.fee):
            assert money.amount % quantum == 0
    assert all(earlier.due_on < later.due_on for earlier, later in pairwise(plan.payments))
    assert plan.payments[0].due_on == start_on + timedelta(days=wait)


@given(amounts(), terms(), days, st.integers(0, 90), st.integers(2, 60))
def test_only_the_last_carries_the_rounding_difference(
    principal: Money, of: Terms, start_on: date, wait: int, count: int
) -> None:
    plan = made(principal, of, start_on, wait, count)
    *others, last = plan.payments
    if of.method is Method.EQUAL_INSTALMENTS:
        assert len({payment.amount for payment in others}) == 1
    else:
        assert len({payment.principal for payment in others}) == 1
        assert abs(last.principal.amount - others[0].principal.amount) <= Decimal(count) / 2


@given(amounts(), terms(), days, st.integers(0, 90), st.integers(1, 59))
def test_more_instalments_are_never_larger(principal: Money, of: Terms, start_on: date, wait: int, count: int) -> None:
    fewer = made(principal, of, start_on, wait, count)
    more = made(principal, of, start_on, wait, count + 1)
    if count > 1:
        assert more.payments[0].amount <= fewer.payments[0].amount
        assert more.payments[0].principal <= fewer.payments[0].principal


@given(amounts(), terms(), days, counts)
def test_what_bears_no_interest_and_no_fee_costs_nothing(
    principal: Money, of: Terms, start_on: date, count: int
) -> None:
    free = Terms(method=of.method, every=of.every, day_count=of.day_count, rounding=of.rounding)
    plan = made(principal, free, start_on, 14, count)
    assert plan.total_to_pay == principal
    assert plan.extra_cost.amount == 0
    assert annual_percentage_rate(plan) == 0


@given(amounts(), days, st.integers(0, 60), st.integers(1, 60), counts, percents)
def test_a_longer_holiday_never_costs_less(
    principal: Money, start_on: date, wait: int, longer: int, count: int, percent: Decimal
) -> None:
    of = Terms(method=Method.EQUAL_PRINCIPAL, annual_percent=percent, day_count=DayCount.ACT_365, every=Frequency.WEEK)
    soon = made(principal, of, start_on, wait, count)
    late = made(principal, of, start_on, wait + longer, count)
    assert soon.extra_cost <= late.extra_cost


@given(days, st.integers(0, 120), st.sampled_from(Frequency))
def test_due_dates_keep_the_day_of_the_month_or_the_weekday(first: date, count: int, every: Frequency) -> None:
    for number, day in enumerate(due_dates(first, count, every)):
        if every is Frequency.MONTH:
            assert (day.year * 12 + day.month) - (first.year * 12 + first.month) == number
            assert day.day == first.day or (day.day < first.day and (day + timedelta(days=1)).day == 1)
        else:
            assert day.weekday() == first.weekday()
            assert (day - first).days == number * (7 if every is Frequency.WEEK else 14)
        assert shifted(day, 0, every) == day


@given(days, days, days, st.sampled_from([DayCount.ACT_360, DayCount.ACT_365, DayCount.ACT_ACT]))
def test_actual_days_add_up(one: date, two: date, three: date, day_count: DayCount) -> None:
    first, middle, last = sorted((one, two, three))
    parts = year_fraction(first, middle, day_count) + year_fraction(middle, last, day_count)
    assert abs(parts - year_fraction(first, last, day_count)) < Decimal(10) ** -25


@given(days, st.integers(1, 30), st.sampled_from(list(DayCount)[1:]))
def test_a_year_is_a_year_give_or_take_the_convention(first: date, years: int, day_count: DayCount) -> None:
    last = shifted(first, 12 * years, Frequency.MONTH)
    fraction = year_fraction(first, last, day_count)
    assert abs(fraction - years) <= Decimal(years) * Decimal("0.0167") + Decimal(1) / 360


# ── numpy-financial ──────────────────────────────────────────────────────────────────────────────────────────────────

rates = st.decimals("0.0001", "0.05", places=4)
principals = st.decimals(1, 10_000_000, places=2)
CENT = Decimal("0.01")


@given(principals, rates, st.integers(1, 120))
def test_the_annuity_is_numpy_financials(principal: Decimal, rate: Decimal, count: int) -> None:
    ours = equal_instalment(principal, [rate] * count)
    theirs = Decimal(float(-npf.pmt(float(rate), count, float(principal))))
    assert abs(ours - theirs) < CENT


@given(principals, st.integers(1, 120))
def test_without_interest_it_is_the_share(principal: Decimal, count: int) -> None:
    ours = equal_instalment(principal, [Decimal(0)] * count)
    assert abs(ours - Decimal(float(-npf.pmt(0.0, count, float(principal))))) < CENT


@given(principals, rates, st.integers(1, 120), st.data())
def test_interest_and_principal_before_rounding_are_numpy_financials(
    principal: Decimal, rate: Decimal, count: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, count))
    level = equal_instalment(principal, [rate] * count)
    # What is still owed before an instalment is what the same instalment repays over the periods that are left.
    owed = level / equal_instalment(Decimal(1), [rate] * (count - number + 1))
    interest = Decimal(float(-npf.ipmt(float(rate), number, count, float(principal))))
    repaid = Decimal(float(-npf.ppmt(float(rate), number, count, float(principal))))
    assert abs(owed * rate - interest) < CENT
    assert abs(level - owed * rate - repaid) < CENT


@given(st.decimals(100, 10_000_000, places=2), st.decimals("0.12", 36, places=2), st.integers(1, 60), days)
def test_the_rounded_schedule_stays_by_numpy_financials(
    principal: Decimal, percent: Decimal, count: int, start_on: date
) -> None:
    """A month's figures drift by what was rounded before them, and by no more: half a cent for each instalment and each
    interest, with its own interest since."""
    due_on = due_dates(shifted(start_on, 1, Frequency.MONTH), count, Frequency.MONTH)
    found = schedule(Money(principal, "USD"), Terms(annual_percent=percent), start_on=start_on, due_on=due_on)
    assume(found is not None)
    assert found is not None
    rate = float(percent) / 1200
    for number, payment in enumerate(found.payments, 1):
        drift = (number - 1) * (1 + rate) ** (number - 1) * 0.01
        interest = float(-npf.ipmt(rate, number, count, float(principal)))
        assert abs(float(payment.interest.amount) - interest) <= 0.005 + rate * drift + 1e-6
    if count > 1:
        level = Decimal(float(-npf.pmt(rate, count, float(principal))))
        assert abs(found.payments[0].amount.amount - level) <= CENT / 2 + Decimal("1e-6")
        assert found.payments[0].amount == rounded(level, "USD", Rounding.HALF_EVEN) or abs(
            (level / CENT) % 1 - Decimal("0.5")
        ) < Decimal("1e-4")


@given(st.decimals(100, 1_000_000, places=2), st.decimals(1, 36, places=2), st.integers(2, 48), days)
def test_the_comparison_rate_discounts_to_the_principal(
    principal: Decimal, percent: Decimal, count: int, start_on: date
) -> None:
    plan = made(Money(principal, "USD"), Terms(annual_percent=percent), start_on, 30, count)
    rate = annual_percentage_rate(plan)
    assert rate is not None

    def worth(a_year: float) -> float:
        due = ((payment.due_on - plan.start_on).days / 365 for payment in plan.payments)
        paid = (float(payment.amount.amount) for payment in plan.payments)
        return float(sum(amount / (1 + a_year) ** years for amount, years in zip(paid, due, strict=True)))

    assert worth(float(rate) / 100 + 0.0006) <= float(principal) <= worth(float(rate) / 100 - 0.0006)
