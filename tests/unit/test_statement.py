"""The core's figures, picked and summed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from dunlin.domain.borrower import Instalment
from dunlin.domain.statement import amount_due, days_past_due, statement_of

from tests.builders import TODAY, a_loan, an_overdue, usd


@pytest.mark.parametrize(
    ("due", "told", "since", "days"),
    [
        (7, None, 0, -7),
        (0, None, 0, 0),
        (-3, None, 2, 3),
        (-3, 5, 0, 5),
        (-3, 5, 2, 7),
        (7, 0, 0, -7),
        (-3, 0, 0, 0),  # the core does not count it as late
        (-3, 0, 1, 1),
    ],
)
def test_days(due: int, told: int | None, since: int, days: int) -> None:
    """`told` by the core `since` days ago prevails; since then the calendar has only moved on."""
    loan = a_loan(due_on=TODAY + timedelta(days=due), days_past_due=told)
    assert days_past_due(loan, TODAY, TODAY - timedelta(days=since)) == days


def test_what_is_due() -> None:
    loan = a_loan(instalments=(Instalment(1, TODAY, usd("10.00")), Instalment(2, date(2026, 7, 1), usd("20.00"))))
    assert amount_due(loan, overdue=False) == usd("10.00")
    assert amount_due(loan, overdue=True) == usd("10.00")
    late = a_loan(overdue=an_overdue("33.00"))
    assert amount_due(late, overdue=True) == usd("33.00")
    assert amount_due(late, overdue=False) == usd("120.50")
    assert amount_due(a_loan(overdue=an_overdue("0.00")), overdue=True) == usd("120.50")


def test_a_statement() -> None:
    one = a_loan("l-1", TODAY - timedelta(days=3), overdue=an_overdue("33.00", "3.00"))
    other = a_loan("l-2", TODAY - timedelta(days=1), overdue=an_overdue("7.00", "1.50"))
    statement = statement_of((one, other), overdue=True, days=3)
    assert [line.amount for line in statement.lines] == [usd("33.00"), usd("7.00")]
    assert (statement.total, statement.fees) == (usd("40.00"), usd("4.50"))
    assert (statement.due_on, statement.days_past_due) == (TODAY - timedelta(days=3), 3)
    before = statement_of((a_loan(),), overdue=False, days=-7)
    assert (before.fees, before.days_past_due) == (None, 0)
    assert statement_of((a_loan(overdue=an_overdue("5.00")),), overdue=True, days=1).fees is None
