"""Schedules by example: figures worked out by hand, the day counts of their sources, and what is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from dunlin.domain.money import Money, parse_money
from dunlin.domain.schedules import (
    DayCount,
    Frequency,
    Method,
    Rounding,
    Schedule,
    Terms,
    add_months,
    annual_percentage_rate,
    due_dates,
    period_rates,
    rounded,
    schedule,
    year_fraction,
)
from dunlin.errors import InvalidInput

START = date(2026, 11, 29)
MONTHLY = due_dates(date(2026, 12, 29), 12, Frequency.MONTH)


def usd(text: str) -> Money:
    return parse_money(text, "USD")


def made(principal: Money, terms: Terms, count: int = 12) -> Schedule:
    plan = schedule(principal, terms, start_on=START, due_on=MONTHLY[:count])
    assert plan is not None
    return plan


def test_equal_instalments_are_what_the_annuity_formula_says() -> None:
    # 1000 × 0.01 / (1 − 1.01^−12) = 88.8488
    plan = made(usd("1000.00"), Terms(annual_percent=Decimal(12)))
    assert [str(payment.amount.amount) for payment in plan.payments] == ["88.85"] * 11 + ["88.84"]
    assert [str(payment.interest.amount) for payment in plan.payments][:3] == ["10.00", "9.21", "8.42"]
    assert (plan.total_to_pay, plan.extra_cost) == (usd("1066.19"), usd("66.19"))


def test_equal_principal_falls_by_the_interest_of_what_was_repaid() -> None:
    plan = made(usd("1200.00"), Terms(method=Method.EQUAL_PRINCIPAL, annual_percent=Decimal(12)))
    assert {payment.principal for payment in plan.payments} == {usd("100.00")}
    assert [payment.interest for payment in plan.payments] == [usd(f"{12 - number}.00") for number in range(12)]
    assert plan.extra_cost == usd("78.00")


def test_the_whole_rounding_difference_is_in_the_last_instalment() -> None:
    plan = made(usd("100.00"), Terms(), 3)
    assert [payment.amount for payment in plan.payments] == [usd("33.33"), usd("33.33"), usd("33.34")]
    assert plan.extra_cost == usd("0.00")


@pytest.mark.parametrize(("rounding", "first"), [(Rounding.HALF_EVEN, "0.12"), (Rounding.HALF_UP, "0.13")])
def test_half_a_unit_goes_where_it_is_declared(rounding: Rounding, first: str) -> None:
    assert made(usd("0.25"), Terms(rounding=rounding), 2).payments[0].amount == usd(first)


def test_a_currency_without_minor_units_is_divided_in_whole_units() -> None:
    plan = made(parse_money("100000", "KRW"), Terms(), 3)
    assert [str(payment.amount) for payment in plan.payments] == ["33333 KRW", "33333 KRW", "33334 KRW"]


def test_a_fee_is_asked_with_every_instalment_and_is_no_principal() -> None:
    plan = made(usd("100.00"), Terms(fee=Decimal("1.50")), 2)
    assert [payment.amount for payment in plan.payments] == [usd("51.50"), usd("51.50")]
    assert plan.extra_cost == usd("3.00")


def test_a_part_is_paid_first_without_interest() -> None:
    rest = made(usd("600.00"), Terms(annual_percent=Decimal(12)), 2)
    plan = rest.after(usd("400.00"), START)
    assert plan.principal == usd("1000.00")
    assert plan.payments[0].amount == usd("400.00")
    assert plan.extra_cost == rest.extra_cost


@pytest.mark.parametrize(
    ("part", "on", "field"),
    [
        (usd("0.00"), START, "part"),
        (usd("10.00"), date(2026, 11, 28), "part"),
        (usd("10.00"), MONTHLY[0], "part"),
        (Money(Decimal(10), "EUR"), START, "part"),
        (Money(Decimal("0.001"), "USD"), START, "part"),
    ],
)
def test_a_part_that_is_none_is_refused(part: Money, on: date, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        made(usd("600.00"), Terms(), 2).after(part, on)
    assert refused.value.field == field


def test_what_cannot_be_divided_is_no_schedule() -> None:
    assert schedule(usd("0.02"), Terms(), start_on=START, due_on=MONTHLY[:3]) is None
    # Eleven times two cents are more than twenty: nothing, or less, would be left for the last.
    assert schedule(usd("0.20"), Terms(), start_on=START, due_on=MONTHLY) is None
    # A year's interest at 100 % is more than such an instalment: it would repay nothing.
    late = due_dates(date(2027, 11, 29), 60, Frequency.WEEK)
    assert schedule(usd("1000.00"), Terms(annual_percent=Decimal(100)), start_on=START, due_on=late) is None


@pytest.mark.parametrize(
    ("principal", "terms", "due_on", "field"),
    [
        (Money(Decimal(0), "USD"), Terms(), MONTHLY, "principal"),
        (Money(Decimal(-5), "USD"), Terms(), MONTHLY, "principal"),
        (Money(Decimal("NaN"), "USD"), Terms(), MONTHLY, "principal"),
        (Money(Decimal("0.005"), "USD"), Terms(), MONTHLY, "principal"),
        (Money(Decimal("10.50"), "KRW"), Terms(), MONTHLY, "principal"),
        (Money(Decimal(10), "XXX"), Terms(), MONTHLY, "principal"),
        (Money(Decimal(10**12), "USD"), Terms(), MONTHLY, "principal"),
        (usd("10.00"), Terms(annual_percent=Decimal(-1)), MONTHLY, "annual_percent"),
        (usd("10.00"), Terms(annual_percent=Decimal("Infinity")), MONTHLY, "annual_percent"),
        (usd("10.00"), Terms(fee=Decimal(-1)), MONTHLY, "fee"),
        (usd("10.00"), Terms(fee=Decimal("0.001")), MONTHLY, "fee"),
        (usd("10.00"), Terms(fee=Decimal("NaN")), MONTHLY, "fee"),
        (usd("10.00"), Terms(), (), "due_on"),
        (usd("10.00"), Terms(), (date(2026, 11, 28),), "due_on"),
        (usd("10.00"), Terms(), (MONTHLY[1], MONTHLY[0]), "due_on"),
        (usd("10.00"), Terms(), (MONTHLY[0], MONTHLY[0]), "due_on"),
    ],
)
def test_what_is_not_what_it_must_be_is_refused_by_field(
    principal: Money, terms: Terms, due_on: tuple[date, ...], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        schedule(principal, terms, start_on=START, due_on=due_on)
    assert refused.value.field == field


# ── Days ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("first", "every", "days"),
    [
        ("2027-01-31", Frequency.MONTH, ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]),
        ("2028-01-31", Frequency.MONTH, ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
        ("2027-11-15", Frequency.MONTH, ["2027-11-15", "2027-12-15", "2028-01-15", "2028-02-15"]),
        ("2028-02-29", Frequency.MONTH, ["2028-02-29", "2028-03-29", "2028-04-29", "2028-05-29"]),
        ("2026-12-25", Frequency.WEEK, ["2026-12-25", "2027-01-01", "2027-01-08", "2027-01-15"]),
        ("2026-12-25", Frequency.FORTNIGHT, ["2026-12-25", "2027-01-08", "2027-01-22", "2027-02-05"]),
    ],
)
def test_due_dates(first: str, every: Frequency, days: list[str]) -> None:
    assert [day.isoformat() for day in due_dates(date.fromisoformat(first), 4, every)] == days


def test_months_go_back_over_a_year() -> None:
    assert add_months(date(2027, 3, 31), -13) == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("start", "end", "day_count", "expected"),
    [
        # The examples of ISDA, EMU and Market Conventions (1998), section 4.
        ("2003-11-01", "2004-05-01", DayCount.ACT_ACT, Decimal(61) / 365 + Decimal(121) / 366),
        ("1999-02-01", "1999-07-01", DayCount.ACT_ACT, Decimal(150) / 365),
        ("1999-07-01", "2000-07-01", DayCount.ACT_ACT, Decimal(184) / 365 + Decimal(182) / 366),
        ("2002-08-15", "2003-07-15", DayCount.ACT_ACT, Decimal(334) / 365),
        ("1999-07-30", "2000-01-30", DayCount.ACT_ACT, Decimal(155) / 365 + Decimal(29) / 366),
        ("2000-01-01", "2003-01-01", DayCount.ACT_ACT, Decimal(3)),
        ("2027-01-01", "2028-01-01", DayCount.ACT_365, Decimal(1)),
        ("2028-01-01", "2029-01-01", DayCount.ACT_365, Decimal(366) / 365),
        ("2027-01-01", "2027-12-27", DayCount.ACT_360, Decimal(1)),
        ("2027-01-15", "2027-02-15", DayCount.THIRTY_360, Decimal(30) / 360),
        ("2027-01-31", "2027-03-31", DayCount.THIRTY_360, Decimal(60) / 360),
        ("2027-01-30", "2027-01-31", DayCount.THIRTY_360, Decimal(0)),
        ("2027-01-29", "2027-01-31", DayCount.THIRTY_360, Decimal(2) / 360),
        ("2027-02-28", "2027-03-31", DayCount.THIRTY_360, Decimal(33) / 360),
        ("2026-12-31", "2028-12-31", DayCount.THIRTY_360, Decimal(2)),
        ("2027-05-05", "2027-05-05", DayCount.ACT_ACT, Decimal(0)),
    ],
)
def test_a_year_is_counted_as_the_convention_says(start: str, end: str, day_count: DayCount, expected: Decimal) -> None:
    found = year_fraction(date.fromisoformat(start), date.fromisoformat(end), day_count)
    assert abs(found - expected) < Decimal(10) ** -26


def test_no_fraction_of_time_that_goes_backwards_or_needs_a_period() -> None:
    with pytest.raises(ValueError, match="before the start"):
        year_fraction(START, date(2026, 11, 28), DayCount.ACT_365)
    with pytest.raises(ValueError, match="period_rates"):
        year_fraction(START, START, DayCount.PER_PERIOD)


@pytest.mark.parametrize(
    ("start", "first", "every", "years"),
    [
        ("2027-01-10", "2027-02-10", Frequency.MONTH, Decimal(1) / 12),
        ("2027-01-10", "2027-03-25", Frequency.MONTH, Decimal(2) / 12 + Decimal(15) / 365),
        ("2027-01-10", "2027-01-24", Frequency.MONTH, Decimal(14) / 365),
        ("2027-01-31", "2027-02-28", Frequency.MONTH, Decimal(1) / 12),
        ("2027-01-31", "2027-04-30", Frequency.MONTH, Decimal(3) / 12),
        ("2027-01-10", "2027-01-27", Frequency.WEEK, Decimal(2) / 52 + Decimal(3) / 365),
        ("2027-01-10", "2027-02-07", Frequency.FORTNIGHT, Decimal(2) / 26),
        ("2027-01-10", "2027-01-10", Frequency.MONTH, Decimal(0)),
    ],
)
def test_periods_are_counted_back_from_the_first_due_date(
    start: str, first: str, every: Frequency, years: Decimal
) -> None:
    """12 CFR 1026 Appendix J (b)(5): unit periods backwards, odd days at the beginning."""
    due_on = due_dates(date.fromisoformat(first), 3, every)
    rates = period_rates(date.fromisoformat(start), due_on, Terms(every=every, annual_percent=Decimal(100)))
    a_period = Decimal(1) / {Frequency.MONTH: 12, Frequency.FORTNIGHT: 26, Frequency.WEEK: 52}[every]
    assert abs(rates[0] - years) < Decimal(10) ** -26
    assert [abs(rate - a_period) < Decimal(10) ** -26 for rate in rates[1:]] == [True, True]


def test_by_days_a_longer_month_bears_more() -> None:
    due_on = (date(2027, 2, 1), date(2027, 3, 1), date(2027, 4, 1))
    rates = period_rates(date(2027, 1, 1), due_on, Terms(annual_percent=Decimal("36.5"), day_count=DayCount.ACT_365))
    assert rates == (Decimal("0.031"), Decimal("0.028"), Decimal("0.031"))


# ── What it costs a year ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_year_at_twelve_percent_a_month_compounds_to_more() -> None:
    """1.01^12 − 1 = 12.68 %; months differ by days, so the last digit may too."""
    rate = annual_percentage_rate(made(usd("100000.00"), Terms(annual_percent=Decimal(12))))
    assert rate is not None
    assert abs(rate - Decimal("12.7")) <= Decimal("0.1")


def test_one_payment_after_a_year_costs_what_is_added() -> None:
    plan = schedule(usd("100.00"), Terms(fee=Decimal(15)), start_on=START, due_on=(date(2027, 11, 29),))
    assert plan is not None
    assert annual_percentage_rate(plan) == Decimal("15.0")


def test_what_costs_nothing_has_no_rate_and_what_no_rate_says_has_none() -> None:
    assert annual_percentage_rate(made(usd("100.00"), Terms())) == Decimal("0.0")
    at_once = schedule(usd("100.00"), Terms(fee=Decimal(15)), start_on=START, due_on=(START,))
    assert at_once is not None
    assert annual_percentage_rate(at_once) is None


def test_rounding_is_to_the_currency() -> None:
    assert rounded(Decimal("2.5"), "KRW", Rounding.HALF_EVEN) == Money(Decimal(2), "KRW")
    assert rounded(Decimal("2.5"), "KRW", Rounding.HALF_UP) == Money(Decimal(3), "KRW")
