"""A plan agreed by text: the debt it is about, the offers that are told, and how a text states them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from dunlin.domain.borrower import Borrower, Loan, Party
from dunlin.domain.hours import local_date
from dunlin.domain.message import Figure
from dunlin.domain.money import Money, parse_money, total
from dunlin.domain.parties import loans_told
from dunlin.domain.permit import is_stale
from dunlin.domain.planned import live_plans, planned_loans, plans_since
from dunlin.domain.plans import MOST_OFFERS, Debt, NoOffers, Offer, PlanPolicy, offers
from dunlin.domain.policy import Policy
from dunlin.domain.statement import days_past_due
from dunlin.domain.words import LoanStatus

#: The replies: which plans there are to choose from, and that the one that was chosen is with the lender.
OFFERED, TAKEN = "plan_choices", "plan_chosen"
_YEAR = timedelta(days=365)


def overdue_debt(borrower: Borrower, party: Party, policy: Policy, now: datetime) -> Debt | None:
    """All that is overdue of what they may be told about, in the core's figures, and what is known of their plans.

    None where nothing is, or where it is not certain: in two currencies, figures too old, money on its way.
    """
    today = local_date(now, borrower.zone)
    late = overdue_loans(borrower, party, today)
    if not late or len({loan.currency for loan in late}) > 1:
        return None
    if any(loan.pending or is_stale(borrower, loan, policy, now) for loan in late):
        return None
    return Debt(
        amount=total((_overdue(loan, today) for loan in late), late[0].currency),
        days_overdue=_days(borrower, late[0], today),
        products=frozenset(loan.product for loan in late),
        plans_last_year=plans_since(borrower, now - _YEAR),
        has_plan=bool(live_plans(borrower)),
    )


def overdue_loans(borrower: Borrower, party: Party, today: date) -> tuple[Loan, ...]:
    """The loans a plan of theirs would be about: all that are late and in none yet, the latest first."""
    planned = planned_loans(borrower)
    opened = tuple(
        loan
        for loan in borrower.loans
        if loan.status is LoanStatus.OPEN and loan.instalments and loan.loan_id not in planned
    )
    late = (loan for loan in loans_told(borrower, party, None, opened) if _days(borrower, loan, today) >= 1)
    return tuple(sorted(late, key=lambda loan: (-_days(borrower, loan, today), loan.loan_id)))


def _days(borrower: Borrower, loan: Loan, today: date) -> int:
    return days_past_due(loan, today, local_date(loan.as_of, borrower.zone))


def _overdue(loan: Loan, today: date) -> Money:
    if loan.overdue is not None and loan.overdue.total.is_positive:
        return loan.overdue.total
    due = [each.outstanding for each in loan.instalments if each.due_on < today]
    return total(due, loan.currency) if due else loan.instalments[0].outstanding


def offers_for(
    debt: Debt, policy: PlanPolicy, today: date, amount: Decimal | None, on: date | None
) -> tuple[Offer, ...] | NoOffers:
    """The offers as somebody wishes them who wrote an amount (the most they pay at a time) or a day (the first they
    can). What cannot be meant like that is no wish."""
    affordable: Money | None = None
    if amount is not None:
        try:
            wished = parse_money(amount, debt.amount.currency)
            affordable = wished if wished.is_positive else None
        except ValueError:
            affordable = None
    return offers(debt, policy, today, affordable=affordable, not_before=on if on is not None and on > today else None)


# ── How a text states them ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ToldOffer:
    """What a text says of an offer: the payments need not be equal, so it names the first, their number and the sum."""

    number: int
    instalments: int
    first_amount: Money
    first_due_on: date
    total: Money


def offer_facts(offered: Sequence[Offer]) -> tuple[Figure, ...]:
    """The offers in machine form: `3|90.00 USD|2026-06-15|270.00 USD`, one after the other, parted by semicolons."""
    return (
        Figure(
            "offers",
            ";".join(
                f"{len(offer.instalments)}|{offer.instalments[0].amount}|{offer.first_due_on.isoformat()}|{offer.total}"
                for offer in offered
            ),
        ),
    )


def offers_told(value: str) -> tuple[ToldOffer, ...]:
    """The offers of that form, numbered in their order.

    Raises:
        ValueError: it is not of that form, or more than can be chosen from.
    """
    said = value.split(";")
    if len(said) > MOST_OFFERS:
        raise ValueError("more offers than can be chosen from")
    return tuple(_told(number, each) for number, each in enumerate(said, 1))


def _told(number: int, said: str) -> ToldOffer:
    instalments, first, first_due_on, whole = said.split("|")
    return ToldOffer(number, int(instalments), _money(first), date.fromisoformat(first_due_on), _money(whole))


def _money(said: str) -> Money:
    amount, _, currency = said.partition(" ")
    return parse_money(amount, currency)
