"""Is a message that was asked for still right? Asked when it is rendered and again when it is reserved.

The question is answered from one read of the borrower, and the answer carries the figures of that very read, so the
text, the check and the reservation's condition cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dunlin.domain.borrower import ALL_PURPOSES, Answer, Borrower, ContactPoint, Loan, Notice, Party
from dunlin.domain.consent import Basis, standing
from dunlin.domain.hours import local_date
from dunlin.domain.message import NOTHING_STATED, WINDOW_MARGIN, Figure, MayState, Message
from dunlin.domain.notices import asks_for_money, facts_for, judged_on, overtaken, told_loans
from dunlin.domain.parties import addressee, loans_told, principal_of
from dunlin.domain.permit import Allowed, Later, Never, holding, pausing, permit
from dunlin.domain.planned import beside_plans, planned_loans
from dunlin.domain.policy import NoticeRule, Policy, Strategy
from dunlin.domain.replies import (
    BALANCE,
    OPT_OUT_CONFIRMATION,
    STATES_FACTS,
    TOLD_DETAIL,
    balance_of,
    facts_of,
    may_hear_detail,
)
from dunlin.domain.statement import Statement, days_past_due, statement_of
from dunlin.domain.thread import answer_permit, may_state
from dunlin.domain.words import CaseStatus, LoanStatus, Purpose, Reason

#: The one text that may follow an opt-out.


@dataclass(frozen=True, slots=True)
class Ready:
    """It may go: to this party at this point, with these figures, felt no later than `until`."""

    party: Party
    point: ContactPoint
    statement: Statement | None
    until: datetime
    facts: tuple[Figure, ...] = ()
    basis: tuple[Basis, ...] = ()
    #: Words of a person's own, and what they may state.
    words: str = ""
    may_state: MayState = NOTHING_STATED


@dataclass(frozen=True, slots=True)
class Stop:
    """It may not, and why."""

    reason: Reason
    rule: str


def review(borrower: Borrower, message: Message, strategy: Strategy, policy: Policy, now: datetime) -> Ready | Stop:
    """Whether `message` may still be said, judged on this read of `borrower` at `now`."""
    if now >= message.not_after:
        return Stop(Reason.WINDOW_CLOSED, "not_after")
    line = next((line for line in policy.lines if line.line_id == message.line), None)
    paused = pausing(policy.conditions.pauses, line, message.template, now) if line is not None else None
    if paused is not None:
        return Stop(paused.reason, paused.rule)
    found = _recipient(borrower, message, strategy)
    if isinstance(found, Stop):
        return found
    party, point = found
    principal = principal_of(borrower, message.principal_id)
    if message.purpose is Purpose.REPLY:
        return _review_reply(borrower, message, party, point, strategy, policy, now)
    if message.notice_id:
        return _review_notice(borrower, message, party, point, strategy, policy, now)

    today = local_date(now, borrower.zone)
    borrower = beside_plans(borrower, today)
    loans: list[Loan] = []
    days = -10_000
    for loan in borrower.loans:
        if loan.loan_id not in message.loan_ids:
            continue
        if loan.status is not LoanStatus.OPEN:
            return Stop(Reason.LOAN_NOT_OPEN, "loan.status")
        if loan.loan_id in planned_loans(borrower) and (
            message.episode or not loan.instalments or loan.instalments[0].due_on != message.due_on
        ):
            return Stop(Reason.PLAN_AGREED, "plan")
        if not loan.instalments:
            return Stop(Reason.PAID, "loan.instalments")
        if loan.pending:
            return Stop(Reason.PAYMENT_PENDING, "loan.pending")
        loan_days = days_past_due(loan, today, local_date(loan.as_of, borrower.zone))
        if message.episode == 0 and loan.instalments[0].due_on != message.due_on:
            return Stop(Reason.PAID, "loan.instalments")
        if message.episode == 0 and loan_days <= 0 and loan.instalments[0].due_on < today:
            return Stop(Reason.FACTS_CHANGED, "loan.days_past_due")
        if message.episode and loan_days < 1:
            return Stop(Reason.PAID, "loan.overdue")
        days = max(days, loan_days)
        loans.append(loan)
    if len(loans) != len(message.loan_ids) or not loans:
        return Stop(Reason.LOAN_NOT_OPEN, "loan_ids")
    if len(loans_told(borrower, party, principal, tuple(loans))) != len(loans):
        return Stop(Reason.NOT_A_PARTY, "party.loan_ids")
    if message.episode:
        case = borrower.case
        if case is None or case.status is not CaseStatus.OPEN or case.episode != message.episode:
            return Stop(Reason.FACTS_CHANGED, "case")
    elif not _still_current(message, strategy, days):
        return Stop(Reason.OVERTAKEN, "stage.lasts_days")
    elif (held_out := strategy.held_out(message.stage, borrower.borrower_id)) is not None:
        return Stop(Reason.HOLDOUT, held_out)  # asked for under another strategy, or before there was a share
    if _joined(borrower, message, loans, today, loans_told(borrower, party, principal, borrower.loans)):
        return Stop(Reason.FACTS_CHANGED, "loan_ids")
    # Its release was counted towards the ceiling: that it is full now is no reason against this message.
    answer = permit(borrower, party, point, tuple(loans), message.purpose, strategy, policy, now)
    match answer:
        case Allowed():
            until = min(answer.until, message.not_after)
            if until - now < WINDOW_MARGIN:
                return Stop(Reason.WINDOW_CLOSED, "not_after")
            statement = statement_of(tuple(loans), overdue=days > 0, days=days, itemise_fees=strategy.states_late_fees)
            return Ready(party, point, statement, until, basis=answer.basis)
        case Later() | Never():
            return Stop(answer.reason, answer.rule)


def _recipient(borrower: Borrower, message: Message, strategy: Strategy) -> tuple[Party, ContactPoint] | Stop:
    for party in borrower.parties:
        if party.party_id != message.party_id:
            continue
        for point in party.points:
            if point.channel is message.channel and point.point == message.point:
                if message.purpose is Purpose.REPLY:
                    return party, point
                principal = principal_of(borrower, message.principal_id)
                if message.principal_id and not message.notice_id:
                    stage = strategy.by_id.get(message.stage)
                    if principal is None or stage is None or principal.role not in stage.to:
                        return Stop(Reason.NOT_A_PARTY, "stage.to")
                if message.principal_id and principal is None:
                    return Stop(Reason.NOT_A_PARTY, "parties")
                if addressee(borrower, message.purpose, principal) != party:
                    return Stop(Reason.NOT_A_PARTY, "party.may_hear")
                return party, point
        return Stop(Reason.NO_CONTACT_POINT, "party.points")
    return Stop(Reason.NOT_A_PARTY, "parties")


def _review_reply(
    borrower: Borrower,
    message: Message,
    party: Party,
    point: ContactPoint,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
) -> Ready | Stop:
    """An answer to the person's own text: no cap, no hours; an opt-out stops it, its own confirmation excepted."""
    if message.stage == OPT_OUT_CONFIRMATION:
        if ALL_PURPOSES not in point.blocked:
            return Stop(Reason.FACTS_CHANGED, "opt_out")  # taken back since: it would no longer be true
        # Handed over in time, it may be felt a moment later, never an hour.
        return Ready(party, point, None, message.not_after + timedelta(minutes=1))
    answer = permit(borrower, party, point, (), Purpose.REPLY, strategy, policy, now)
    if not isinstance(answer, Allowed):
        return Stop(answer.reason, answer.rule)
    facts: tuple[Figure, ...] = ()
    statement: Statement | None = None
    if message.template in TOLD_DETAIL and not may_hear_detail(borrower, party, point, policy, now):
        return Stop(Reason.NOT_VERIFIED, "reply.detail")
    if message.template == BALANCE:
        statement = balance_of(borrower, party, policy, strategy, now)
        if statement is None:
            return Stop(Reason.FACTS_CHANGED, "balance")
    elif message.template in STATES_FACTS:
        found = facts_of(borrower, message, policy, now)
        if found is None:
            return Stop(Reason.FACTS_CHANGED, message.template)
        facts = found
    return Ready(party, point, statement, now + timedelta(hours=1), facts)


def _review_notice(
    borrower: Borrower,
    message: Message,
    party: Party,
    point: ContactPoint,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
) -> Ready | Stop:
    """Something said because it happened: is it still true, and still allowed?"""
    notice = next((notice for notice in borrower.notices if notice.notice_id == message.notice_id), None)
    rule = policy.notices.get(notice.message) if notice is not None else None
    if notice is None or rule is None:
        return Stop(Reason.FACTS_CHANGED, "notice")
    wrong = overtaken(borrower, notice, rule, now)
    if wrong is not None:
        return Stop(*wrong)
    if notice.answer is not None:
        return _review_answer(borrower, notice, notice.answer, message, rule, strategy, policy, now)
    loans = told_loans(borrower, notice)
    principal = principal_of(borrower, message.principal_id)
    if len(loans_told(borrower, party, principal, loans)) < len(loans):
        return Stop(Reason.NOT_A_PARTY, "party.loan_ids")
    consent = standing(party.consents, rule.consent, point.channel) if rule.consent else None
    if rule.consent and consent is None:
        return Stop(Reason.NO_CONSENT, f"message.consent.{rule.consent}")
    if asks_for_money(rule) and any(loan.pending for loan in loans):
        return Stop(Reason.PAYMENT_PENDING, "loan.pending")
    held = holding(borrower, rule.purpose, policy, now, loans=loans, party=party, points=(point,), despite=rule.despite)
    if held is not None:
        return Stop(held.reason, held.rule)
    judged = judged_on(borrower, notice, rule)
    answer = permit(
        borrower, party, point, judged, message.purpose, strategy, policy, now, despite=rule.despite, urgent=rule.urgent
    )
    if not isinstance(answer, Allowed):
        return Stop(answer.reason, answer.rule)
    until = min(answer.until, message.not_after)
    if until - now < WINDOW_MARGIN:
        return Stop(Reason.WINDOW_CLOSED, "not_after")
    today = local_date(now, borrower.zone)
    days = max((days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) for loan in judged), default=0)
    itemise = strategy.states_late_fees
    stated = rule.statement and judged
    statement = statement_of(judged, overdue=days > 0, days=days, itemise_fees=itemise) if stated else None
    own = (Basis(f"message.consent.{rule.consent}", consent),) if consent is not None else ()
    return Ready(party, point, statement, until, facts_for(borrower, notice, rule), (*answer.basis, *own))


def _review_answer(
    borrower: Borrower,
    notice: Notice,
    answer: Answer,
    message: Message,
    rule: NoticeRule,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
) -> Ready | Stop:
    """What a person answers: still to whoever wrote, there where they wrote from, and still allowed?"""
    found = answer_permit(borrower, notice, answer, rule, strategy, policy, now)
    if isinstance(found, Never):
        return Stop(found.reason, found.rule)
    party, point, allowed = found
    if not isinstance(allowed, Allowed):
        return Stop(allowed.reason, allowed.rule)
    if (party.party_id, point.point) != (message.party_id, message.point):
        return Stop(Reason.FACTS_CHANGED, "answer.point")
    until = min(allowed.until, message.not_after)
    if until - now < WINDOW_MARGIN:
        return Stop(Reason.WINDOW_CLOSED, "not_after")
    states = may_state(borrower, party, policy, now) if answer.words else NOTHING_STATED
    return Ready(party, point, None, until, notice.facts, allowed.basis, answer.words, states)


def _still_current(message: Message, strategy: Strategy, days: int) -> bool:
    stage = strategy.by_id.get(message.stage)
    return stage is not None and stage.offset_days <= days < stage.offset_days + stage.lasts_days


def _joined(
    borrower: Borrower, message: Message, loans: list[Loan], today: date, may_hear_of: tuple[Loan, ...]
) -> bool:
    """Whether a loan has joined since the message was asked for: its total would no longer be the total."""
    told = {loan.loan_id for loan in loans}
    for loan in may_hear_of:
        if loan.loan_id in told or loan.status is not LoanStatus.OPEN or not loan.instalments:
            continue
        if loan.currency != loans[0].currency or borrower.is_with_a_person(loan):
            continue
        if message.episode:
            if days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) >= 1:
                return True
        elif loan.instalments[0].due_on == message.due_on:
            return True
    return False
