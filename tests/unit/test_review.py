"""Is a message that was asked for still right? One row a reason to stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.borrower import Case
from dunlin.domain.message import Message
from dunlin.domain.replies import OPT_OUT_CONFIRMATION
from dunlin.domain.review import Ready, Stop, review
from dunlin.domain.words import CaseStatus, LoanStatus, PartyRole, Purpose, Reason

from tests.builders import (
    EMAIL_POINT,
    NOW,
    TODAY,
    a_borrower,
    a_contact,
    a_hold,
    a_loan,
    a_message,
    a_party,
    a_pending,
    a_point,
    a_policy,
    a_strategy,
    an_overdue,
    usd,
)

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LATE = a_loan(due_on=TODAY - 4 * DAY, overdue=an_overdue("130.50", "10.00"))
TIER = a_message(
    stage="first", purpose=Purpose.COLLECTION, template="tier_1", episode=1, due_on=TODAY - 4 * DAY, key="tier"
)
CASE = Case(1, 1, CaseStatus.OPEN, TODAY - 4 * DAY, NOW)
REPLY = a_message(stage="help", purpose=Purpose.REPLY, loan_ids=(), due_on=None, key="reply#help#sms#in-1")
LAWYER = a_party(party_id="p-2", role=PartyRole.REPRESENTATIVE)


def asked(
    message: Message | None = None, *loans: Any, now: Any = NOW, policy: Any = None, **changes: Any
) -> Ready | Stop:
    borrower = a_borrower(*(loans or (a_loan(),)), **changes)
    return review(borrower, message or a_message(), a_strategy(), policy or a_policy(), now)


def test_it_may_go() -> None:
    ready = asked()
    assert isinstance(ready, Ready)
    assert ready.until == NOW + 8 * HOUR
    assert ready.statement is not None
    assert (ready.statement.total, ready.statement.days_past_due) == (usd("120.50"), 0)


def test_a_tier_may_go_with_all_that_is_overdue() -> None:
    ready = asked(TIER, LATE, case=CASE)
    assert isinstance(ready, Ready)
    assert ready.statement is not None
    assert (ready.statement.total, ready.statement.fees, ready.statement.days_past_due) == (
        usd("130.50"),
        usd("10.00"),
        4,
    )


@pytest.mark.parametrize(
    ("answer", "reason", "rule"),
    [
        (lambda: asked(now=NOW + 8 * HOUR), Reason.WINDOW_CLOSED, "not_after"),
        (lambda: asked(now=NOW + 8 * HOUR - timedelta(minutes=11)), Reason.WINDOW_CLOSED, "not_after"),
        (lambda: asked(parties=(a_party(party_id="p-9"),)), Reason.NOT_A_PARTY, "parties"),
        (lambda: asked(parties=(a_party(), LAWYER)), Reason.NOT_A_PARTY, "party.may_hear"),
        (lambda: asked(parties=(a_party(points=(EMAIL_POINT,)),)), Reason.NO_CONTACT_POINT, "party.points"),
        (lambda: asked(None, a_loan(status=LoanStatus.PLACED)), Reason.LOAN_NOT_OPEN, "loan.status"),
        (lambda: asked(None, a_loan("l-2")), Reason.LOAN_NOT_OPEN, "loan_ids"),
        (lambda: asked(a_message(loan_ids=("l-1", "l-2"))), Reason.LOAN_NOT_OPEN, "loan_ids"),
        (lambda: asked(a_message(loan_ids=())), Reason.LOAN_NOT_OPEN, "loan_ids"),
        (lambda: asked(None, a_loan(instalments=())), Reason.PAID, "loan.instalments"),
        (lambda: asked(None, a_loan(due_on=TODAY + 30 * DAY)), Reason.PAID, "loan.instalments"),
        (lambda: asked(None, a_loan(pending=(a_pending(),))), Reason.PAYMENT_PENDING, "loan.pending"),
        (lambda: asked(a_message(stage="before")), Reason.OVERTAKEN, "stage.lasts_days"),
        (lambda: asked(a_message(stage="gone")), Reason.OVERTAKEN, "stage.lasts_days"),
        (lambda: asked(None, a_loan(), a_loan("l-2")), Reason.FACTS_CHANGED, "loan_ids"),
        (lambda: asked(contacts=(a_contact(),)), Reason.CAP, "cap"),
        (
            lambda: asked(parties=(a_party(points=(a_point(usable=False),)),)),
            Reason.NO_CONTACT_POINT,
            "contact_point.usable",
        ),
        (
            lambda: asked(a_message(due_on=TODAY - DAY), a_loan(due_on=TODAY - DAY, days_past_due=0)),
            Reason.FACTS_CHANGED,
            "loan.days_past_due",
        ),
        (lambda: asked(TIER, LATE), Reason.FACTS_CHANGED, "case"),
        (lambda: asked(TIER, LATE, case=replace(CASE, episode=2)), Reason.FACTS_CHANGED, "case"),
        (lambda: asked(TIER, LATE, case=replace(CASE, status=CaseStatus.ENDED)), Reason.FACTS_CHANGED, "case"),
        (lambda: asked(TIER, a_loan(due_on=TODAY), case=CASE), Reason.PAID, "loan.overdue"),
        (lambda: asked(TIER, LATE, a_loan("l-2", TODAY - DAY), case=CASE), Reason.FACTS_CHANGED, "loan_ids"),
        (lambda: asked(TIER, LATE, case=CASE, holds=(a_hold(),)), Reason.HOLD, "hold.dispute"),
        (
            lambda: asked(REPLY, parties=(a_party(points=(a_point(blocked=frozenset({"*"})),)),)),
            Reason.OPTED_OUT,
            "opt_out",
        ),
    ],
)
def test_it_stops(answer: Any, reason: Reason, rule: str) -> None:
    assert answer() == Stop(reason, rule)


@pytest.mark.parametrize(
    "other",
    [
        a_loan("l-2", TODAY + DAY),
        a_loan("l-2", TODAY - DAY, status=LoanStatus.SOLD),
        a_loan("l-2", TODAY - DAY, instalments=()),
        a_loan("l-2", TODAY - DAY, currency="EUR"),
    ],
)
def test_a_loan_that_is_no_part_of_it(other: Any) -> None:
    assert isinstance(asked(TIER, LATE, other, case=CASE), Ready)


def test_arrears_that_a_person_has_are_no_part_of_it() -> None:
    old = a_loan("l-2", TODAY - 90 * DAY)
    assert isinstance(asked(TIER, LATE, old, case=CASE, with_person_to=TODAY - 60 * DAY), Ready)


def test_a_reply_needs_no_hours_and_no_loans() -> None:
    ready = asked(REPLY, now=NOW, contacts=(a_contact(),))
    assert isinstance(ready, Ready)
    assert ready.statement is None


def test_the_confirmation_goes_though_the_number_opted_out() -> None:
    blocked = a_party(points=(a_point(blocked=frozenset({"*"})),))
    ready = asked(replace(REPLY, stage=OPT_OUT_CONFIRMATION), parties=(blocked,))
    assert isinstance(ready, Ready)
    assert ready.until <= REPLY.not_after + timedelta(minutes=1)
