"""A promise to pay: whether it can be taken, what its day and its end bring, and which payments keep it. Pure.

While it is open the stop `promise` is in force. The stop outlives the promise by a day, so that its end is said before
anything else is.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import assert_never

from dunlin.domain.actions import Action, PromiseDay, PromiseEnds
from dunlin.domain.agreements import AnswerPolicy, Credit, Promise, PromiseStatus
from dunlin.domain.borrower import Borrower, Hold, Loan, Notice, Party
from dunlin.domain.hours import at_local, local_date
from dunlin.domain.message import Figure
from dunlin.domain.money import Money, parse_money, total
from dunlin.domain.parties import loans_told, occasion_of
from dunlin.domain.permit import LOOK_AGAIN
from dunlin.domain.promises import PromisePolicy, PromiseVerdict, weigh_promise
from dunlin.domain.statement import amount_due, days_past_due
from dunlin.domain.words import HoldKind, LoanStatus, StopSource

CONFIRMED, DAY, KEPT, BROKEN = "promise_confirmed", "promise_day", "promise_kept", "promise_broken"

#: The stop outlives the promise by this.
STOP_OUTLIVES = timedelta(days=1)
#: No limit on promises looks further back.
PROMISES_KEPT = timedelta(days=366)
_MOST_CREDITS = 20
_DAY = timedelta(days=1)


class NotTaken(StrEnum):
    """Why a promise is not recorded."""

    NO_DAY = "no_day"
    PAST = "past"
    TOO_FAR = "too_far"
    TOO_MANY = "too_many"
    NOTHING_DUE = "nothing_due"
    AMOUNT = "amount"


def owed_by(borrower: Borrower, party: Party, today: date) -> tuple[Loan, ...]:
    """The loans a promise of theirs can be about, the one it names first: all that are due, or the next one."""
    loans = tuple(loan for loan in borrower.loans if loan.status is LoanStatus.OPEN and loan.instalments)
    told = sorted(loans_told(borrower, party, None, loans), key=lambda loan: (loan.instalments[0].due_on, loan.loan_id))
    due = tuple(loan for loan in told if loan.instalments[0].due_on <= today)
    return due or tuple(told[:1])


def promised(
    borrower: Borrower,
    party: Party,
    text_id: str,
    amount: Decimal | None,
    on: date | None,
    made_at: datetime,
    policy: PromisePolicy,
    answers: AnswerPolicy,
) -> Promise | NotTaken:
    """The promise that this text makes, or why it is none. Without an amount it is what the first loan owes."""
    today = local_date(made_at, borrower.zone)
    loans = owed_by(borrower, party, today)
    if not loans:
        return NotTaken.NOTHING_DUE
    if on is None:
        return NotTaken.NO_DAY
    if on < today:
        return NotTaken.PAST
    first = loans[0]
    late = days_past_due(first, today, local_date(first.as_of, borrower.zone)) >= 1
    due = amount_due(first, overdue=late)
    promised_amount = due
    if amount is not None:
        try:
            promised_amount = parse_money(amount, first.currency)
        except ValueError:
            return NotTaken.AMOUNT
    if not promised_amount.is_positive:
        return NotTaken.AMOUNT
    since = made_at - timedelta(days=answers.promises_in_days)
    if sum(promise.made_at > since for promise in borrower.promises) >= answers.promises:
        return NotTaken.TOO_MANY
    broken = [each.ended_at for each in borrower.promises if each.status is PromiseStatus.BROKEN]
    # One that is still open gives way to the new one, so there is never more than one.
    verdict = weigh_promise(
        policy,
        today,
        on=on,
        amount=promised_amount,
        due=due,
        broken_on=[local_date(at, borrower.zone) for at in broken if at is not None],
    )
    match verdict:
        case PromiseVerdict.TAKEN:
            pass
        case PromiseVerdict.IN_THE_PAST:
            return NotTaken.PAST
        case PromiseVerdict.TOO_FAR:
            return NotTaken.TOO_FAR
        case PromiseVerdict.TOO_LITTLE:
            return NotTaken.AMOUNT
        case PromiseVerdict.TOO_MANY_OPEN | PromiseVerdict.TOO_MANY_BROKEN:
            return NotTaken.TOO_MANY
        case _:
            assert_never(verdict)
    until = at_local(on + _DAY, 0, borrower.zone) + timedelta(days=answers.promise_grace_days)
    return Promise(
        promise_id=text_id,
        party_id=party.party_id,
        loan_ids=tuple(loan.loan_id for loan in loans),
        amount=promised_amount,
        on=on,
        covers_to=max(on, first.instalments[0].due_on),
        made_at=made_at,
        until=until,
    )


def stop_of(promise: Promise) -> Hold:
    """The stop that is in force for a promise."""
    until = promise.until + STOP_OUTLIVES
    return Hold(f"promise-{promise.promise_id}", HoldKind.PROMISE, promise.made_at, str(StopSource.BORROWER), until)


def with_promise(borrower: Borrower, promise: Promise) -> Borrower:
    """The borrower who promised this; one that was still open gives way to it, and so does its stop."""
    return replace(
        borrower, promises=(*withdrawn(borrower, promise.made_at).promises, promise), holds=_without_stops(borrower)
    )


def withdrawn(borrower: Borrower, at: datetime) -> Borrower:
    """The borrower whose open promises are off: something else has to be settled first."""
    return replace(
        borrower,
        promises=tuple(
            replace(promise, status=PromiseStatus.WITHDRAWN, ended_at=at)
            if promise.status is PromiseStatus.OPEN
            else promise
            for promise in borrower.promises
        ),
    )


def _without_stops(borrower: Borrower) -> tuple[Hold, ...]:
    theirs = {f"promise-{promise.promise_id}" for promise in borrower.promises}
    return tuple(hold for hold in borrower.holds if hold.hold_id not in theirs)


# ── Payments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def credited(borrower: Borrower, loan_id: str, credit: Credit) -> Borrower:
    """The borrower whose promises know of this payment, or that it was taken back; told twice, it counts once.

    A promise that was broken is kept after all by money that came in time and was told late.
    """

    def after(promise: Promise) -> Promise:
        if loan_id not in promise.loan_ids or promise.status is PromiseStatus.WITHDRAWN:
            return promise
        if not promise.made_at <= credit.paid_at and not credit.returned:
            return promise
        return replace(promise, credits=counted(promise.credits, credit)[-_MOST_CREDITS:])

    if not borrower.promises:
        return borrower
    return replace(borrower, promises=tuple(after(promise) for promise in borrower.promises))


def counted(credits_known: tuple[Credit, ...], credit: Credit) -> tuple[Credit, ...]:
    """The payments with one more, or with one that was taken back; told twice, it is there once."""
    known = next((each for each in credits_known if each.payment_id == credit.payment_id), None)
    if known is None:
        return (*credits_known, credit)
    if known.returned or not credit.returned:
        return credits_known
    return (*(each for each in credits_known if each is not known), replace(known, returned=True))


def paid_towards(promise: Promise) -> Money:
    """What came for it by the end of its grace, and was not taken back."""
    came = (each.amount for each in promise.credits if not each.returned and each.paid_at < promise.until)
    return total((each for each in came if each.currency == promise.amount.currency), promise.amount.currency)


def is_paid(promise: Promise) -> bool:
    return promise.amount <= paid_towards(promise)


def _nothing_is_due(borrower: Borrower, promise: Promise) -> bool:
    """Whether nothing that fell due until then is unpaid, on any of the loans it is about."""
    return not any(
        loan.loan_id in promise.loan_ids
        and loan.status is LoanStatus.OPEN
        and loan.instalments
        and loan.instalments[0].due_on <= promise.covers_to
        for loan in borrower.loans
    )


# ── Moments ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def look_at_promises(borrower: Borrower, now: datetime, actions: list[Action], moments: list[datetime]) -> None:
    """Add what the promises' moments bring, and when the next one is."""
    before = len(actions)
    for promise in borrower.promises:
        if promise.status is PromiseStatus.BROKEN and is_paid(promise):
            actions.append(PromiseEnds(promise.promise_id, PromiseStatus.KEPT))
            continue
        if promise.status is not PromiseStatus.OPEN:
            continue
        if is_paid(promise) or _nothing_is_due(borrower, promise):
            actions.append(PromiseEnds(promise.promise_id, PromiseStatus.KEPT))
            continue
        pending = any(loan.pending for loan in borrower.loans if loan.loan_id in promise.loan_ids)
        if now >= promise.until:
            if pending:
                moments.append(now + LOOK_AGAIN * 6)  # money on its way: it may still be kept
            else:
                actions.append(PromiseEnds(promise.promise_id, PromiseStatus.BROKEN))
            continue
        begins = at_local(promise.on, 0, borrower.zone)
        passes = at_local(promise.on + _DAY, 0, borrower.zone)
        made_on = local_date(promise.made_at, borrower.zone)
        if not promise.day_told and begins <= now < passes and made_on < promise.on and not pending:
            actions.append(PromiseDay(promise.promise_id))
        moments.append(begins if now < begins else promise.until)
    if len(actions) > before:
        moments.append(now)  # what they bring is to be said


def on_its_day(borrower: Borrower, action: PromiseDay, now: datetime) -> Borrower:
    """The borrower who is to be reminded on the day."""
    promise = _named(borrower, action.promise_id)
    return _told(_put(borrower, replace(promise, day_told=True)), promise, DAY, now)


def at_its_end(borrower: Borrower, action: PromiseEnds, now: datetime) -> Borrower:
    """The borrower whose promise is kept or broken, and who is told so. Kept, its stop is over."""
    promise = _named(borrower, action.promise_id)
    after = _put(borrower, replace(promise, status=action.status, ended_at=now))
    if action.status is PromiseStatus.KEPT:
        stop = stop_of(promise).hold_id
        after = replace(after, holds=tuple(hold for hold in after.holds if hold.hold_id != stop))
        # That a payment of so much has come is said only if it has.
        return _told(after, promise, KEPT, now) if is_paid(promise) else after
    return _told(after, promise, BROKEN, now)


def promise_facts(borrower: Borrower, promise: Promise) -> tuple[Figure, ...]:
    """The figures of its confirmation."""
    return (*_tail(borrower, promise), *_figures(promise, CONFIRMED))


def _tail(borrower: Borrower, promise: Promise) -> tuple[Figure, ...]:
    tails = (loan.account_tail for loan in borrower.loans if loan.loan_id == promise.loan_ids[0])
    return tuple(Figure("tail", tail) for tail in tails)


def _figures(promise: Promise, message: str) -> tuple[Figure, ...]:
    amount = Figure("amount", str(promise.amount))
    return (amount,) if message == KEPT else (amount, Figure("agreed_on", promise.on.isoformat()))


def _told(borrower: Borrower, promise: Promise, message: str, now: datetime) -> Borrower:
    to = occasion_of(borrower, promise.party_id)
    notice_id = f"{message}-{promise.promise_id}"
    if any(notice.notice_id == notice_id for notice in borrower.notices):
        return borrower
    notice = Notice(notice_id, message, now, to, promise.loan_ids[:1], _figures(promise, message))
    return replace(borrower, notices=(*borrower.notices, notice))


def _named(borrower: Borrower, promise_id: str) -> Promise:
    return next(promise for promise in borrower.promises if promise.promise_id == promise_id)


def _put(borrower: Borrower, promise: Promise) -> Borrower:
    return replace(
        borrower,
        promises=tuple(promise if each.promise_id == promise.promise_id else each for each in borrower.promises),
    )


def promises_kept(borrower: Borrower, now: datetime) -> tuple[Promise, ...]:
    """Those that are open or can still count against a limit."""
    return tuple(
        promise
        for promise in borrower.promises
        if promise.status is PromiseStatus.OPEN or promise.made_at > now - PROMISES_KEPT
    )
