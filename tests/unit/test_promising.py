"""Promises are kept or broken by the payments, in whatever order the payments and the days are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from dunlin.domain.actions import Action, PromiseDay, PromiseEnds
from dunlin.domain.agreements import USUAL_ANSWERS, Credit, Promise, PromiseStatus
from dunlin.domain.borrower import Borrower
from dunlin.domain.parties import occasion_of
from dunlin.domain.promises import PromisePolicy
from dunlin.domain.promising import (
    NotTaken,
    at_its_end,
    credited,
    is_paid,
    look_at_promises,
    paid_towards,
    promised,
    with_promise,
)
from dunlin.domain.words import PartyRole
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import DAY, NOW, TODAY, a_borrower, a_loan, a_party, usd

ON = TODAY + 4 * DAY
POLICY = PromisePolicy("test", 14, 1, 2, 180, Decimal(20))


def made(amount: str | None = "50.00", on: date | None = ON) -> Borrower:
    borrower = a_borrower(a_loan(due_on=TODAY - 6 * DAY))
    (party,) = borrower.parties
    promise = promised(borrower, party, "in-1", usd(amount).amount if amount else None, on, NOW, POLICY, USUAL_ANSWERS)
    assert isinstance(promise, Promise)
    return with_promise(borrower, promise)


def the(borrower: Borrower) -> Promise:
    (promise,) = borrower.promises
    return promise


def looked_at(borrower: Borrower, now: datetime) -> tuple[Borrower, list[Action], list[datetime]]:
    actions: list[Action] = []
    moments: list[datetime] = []
    look_at_promises(borrower, now, actions, moments)
    for action in actions:
        if isinstance(action, PromiseEnds):
            borrower = at_its_end(borrower, action, now)
    return borrower, actions, moments


PAID = Credit("p-1", usd("30.00"), NOW + DAY)
PAID_TOO = Credit("p-2", usd("25.00"), NOW + 2 * DAY)
RETURNED = Credit("p-2", usd("25.00"), NOW + 3 * DAY, returned=True)


@pytest.mark.parametrize("order", list(permutations((PAID, PAID_TOO, PAID, PAID_TOO))))
def test_whatever_the_order_a_payment_counts_once(order: tuple[Credit, ...]) -> None:
    borrower = made()
    for credit in order:
        borrower = credited(borrower, "l-1", credit)
    assert paid_towards(the(borrower)) == usd("55.00")
    assert is_paid(the(borrower))


@pytest.mark.parametrize("order", list(permutations((PAID, PAID_TOO, RETURNED))))
def test_what_was_taken_back_does_not_count_whichever_is_told_first(order: tuple[Credit, ...]) -> None:
    borrower = made()
    for credit in order:
        borrower = credited(borrower, "l-1", credit)
    assert paid_towards(the(borrower)) == usd("30.00")


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 4000), st.booleans()), max_size=8), st.randoms())
def test_kept_and_broken_do_not_depend_on_the_order(payments: list[tuple[int, int, bool]], chance: object) -> None:
    """Told before the end or after it, in any order: the same payments make the same promise."""
    told = [
        Credit(f"p-{number}", usd(f"{cents / 100:.2f}"), NOW + timedelta(hours=hours), returned)
        for number, (hours, cents, returned) in enumerate(payments)
    ]
    shuffled = list(told)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    told_first = made()
    for credit in told:
        told_first = credited(told_first, "l-1", credit)
    end = the(told_first).until
    first, _, _ = looked_at(told_first, end)
    last, _, _ = looked_at(made(), end)
    for credit in shuffled:
        last = credited(last, "l-1", credit)
    last, _, _ = looked_at(last, end + DAY)
    assert the(first).status is the(last).status
    in_time = [each for each in told if not each.returned and each.paid_at < end]
    kept = sum(each.amount.amount for each in in_time) >= 50
    assert the(first).status is (PromiseStatus.KEPT if kept else PromiseStatus.BROKEN)


def test_money_from_before_the_promise_or_for_another_loan_does_not_count() -> None:
    borrower = credited(made(), "l-1", Credit("p-0", usd("50.00"), NOW - DAY))
    borrower = credited(borrower, "l-2", Credit("p-1", usd("50.00"), NOW + DAY))
    assert the(borrower).credits == ()


def test_nothing_being_due_keeps_it_without_a_word_about_an_amount() -> None:
    borrower = made()
    cleared = a_borrower(a_loan(instalments=()), promises=borrower.promises, holds=borrower.holds)
    after, _, _ = looked_at(cleared, NOW + DAY)
    assert (the(after).status, after.notices) == (PromiseStatus.KEPT, ())


def test_its_moments_are_its_day_and_the_end_of_its_grace() -> None:
    borrower = made()
    _, actions, (day,) = looked_at(borrower, NOW)
    assert actions == []
    _, actions, _ = looked_at(borrower, day)
    assert actions == [PromiseDay("in-1")]
    _, actions, _ = looked_at(borrower, the(borrower).until)
    assert actions == [PromiseEnds("in-1", PromiseStatus.BROKEN)]


def test_a_promise_of_what_is_not_due_yet_is_open_until_it_is_paid() -> None:
    borrower = a_borrower(a_loan(due_on=TODAY + 10 * DAY))
    (party,) = borrower.parties
    promise = promised(borrower, party, "in-1", None, ON, NOW, POLICY, USUAL_ANSWERS)
    assert isinstance(promise, Promise)
    assert promise.covers_to == TODAY + 10 * DAY
    _, actions, _ = looked_at(with_promise(borrower, promise), NOW)
    assert actions == []


@pytest.mark.parametrize(
    ("amount", "on", "expected"),
    [
        (None, None, NotTaken.NO_DAY),
        (None, TODAY - DAY, NotTaken.PAST),
        (None, TODAY + 15 * DAY, NotTaken.TOO_FAR),
        ("0.00", ON, NotTaken.AMOUNT),
        ("20.00", ON, NotTaken.AMOUNT),
    ],
)
def test_what_is_not_taken(amount: str | None, on: date | None, expected: NotTaken) -> None:
    borrower = a_borrower(a_loan(due_on=TODAY))
    (party,) = borrower.parties
    wanted = usd(amount).amount if amount else None
    assert promised(borrower, party, "in-1", wanted, on, NOW, POLICY, USUAL_ANSWERS) is expected


def test_whoever_owes_nothing_promises_nothing() -> None:
    borrower = a_borrower(a_loan(instalments=()))
    (party,) = borrower.parties
    assert promised(borrower, party, "in-1", None, ON, NOW, POLICY, USUAL_ANSWERS) is NotTaken.NOTHING_DUE


def test_after_so_many_that_were_broken_a_person_helps() -> None:
    broken = replace(the(made()), status=PromiseStatus.BROKEN, ended_at=NOW - DAY)
    borrower = a_borrower(a_loan(), promises=(broken, replace(broken, promise_id="in-0")))
    (party,) = borrower.parties
    assert promised(borrower, party, "in-2", None, ON, NOW, POLICY, USUAL_ANSWERS) is NotTaken.TOO_MANY


def test_what_somebody_did_is_told_to_whoever_is_told_of_it() -> None:
    roles = {
        "p-1": (PartyRole.PRIMARY, ""),
        "p-2": (PartyRole.GUARANTOR, ""),
        "p-3": (PartyRole.REPRESENTATIVE, ""),
        "p-4": (PartyRole.REPRESENTATIVE, "p-1"),
        "p-5": (PartyRole.REPRESENTATIVE, "p-2"),
    }
    parties = tuple(a_party(party_id=name, role=role, represents=whom) for name, (role, whom) in roles.items())
    borrower = a_borrower(a_loan(), parties=parties)
    told = {name: occasion_of(borrower, name) for name in (*roles, "p-9")}
    assert told == {"p-1": "", "p-2": "p-2", "p-3": "", "p-4": "", "p-5": "p-2", "p-9": "p-9"}
