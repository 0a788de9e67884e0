"""What a text says a borrower owes: the core's figures for the loans of one message, picked and summed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from dunlin.domain.borrower import Loan
from dunlin.domain.money import Money, total


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One loan in a statement. `amount` is what is due on `due_on`, or all that is overdue since `due_on`."""

    loan_id: str
    account_tail: str
    amount: Money
    due_on: date


@dataclass(frozen=True, slots=True)
class Statement:
    """The figures of one message. `days_past_due` is 0 before and on the due date; `fees` is part of `total`."""

    lines: tuple[StatementLine, ...]
    total: Money
    fees: Money | None
    due_on: date
    days_past_due: int


def days_past_due(loan: Loan, today: date, core_today: date) -> int:
    """Calendar days since the oldest unpaid due date, negative before it.

    The core's own figure, given on `core_today`, prevails; since then the calendar has only moved on.
    """
    due_on = loan.instalments[0].due_on
    if loan.days_past_due is None or (loan.days_past_due == 0 and due_on >= core_today):
        return (today - due_on).days
    return loan.days_past_due + (today - core_today).days


def amount_due(loan: Loan, *, overdue: bool) -> Money:
    """What a text about this loan names: all that is overdue, or the oldest unpaid instalment.

    Where the core itemises no overdue amount although the due date has passed, its unpaid instalment is the figure.
    """
    if overdue and loan.overdue is not None and loan.overdue.total.is_positive:
        return loan.overdue.total
    return loan.instalments[0].outstanding


def statement_of(loans: tuple[Loan, ...], *, overdue: bool, days: int, itemise_fees: bool = True) -> Statement:
    """The statement over `loans` (not empty, one currency, each with an unpaid instalment).

    Without `itemise_fees` it does not say what part of the total is fees; the total is all of it either way.

    Raises:
        ValueError: more than one currency; such loans are told apart by the caller.
    """
    lines = tuple(
        StatementLine(loan.loan_id, loan.account_tail, amount_due(loan, overdue=overdue), loan.instalments[0].due_on)
        for loan in loans
    )
    currency = loans[0].currency
    fees = None
    if overdue and itemise_fees:
        charged = [loan.overdue.fees for loan in loans if loan.overdue is not None and loan.overdue.fees.is_positive]
        fees = total(charged, currency) if charged else None
    return Statement(
        lines=lines,
        total=total((line.amount for line in lines), currency),
        fees=fees,
        due_on=min(line.due_on for line in lines),
        days_past_due=max(days, 0),
    )
