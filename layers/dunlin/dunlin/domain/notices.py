"""What is said because something happened: a payment arrived, a contract is ready, a promise was broken.

The core asks for each by the name of its message, once; it waits like a reminder does for its moment, and ends with
its reason when its time is over. What only tells needs none of our figures. What asks for money is said only while the
core's latest figures still bear it out: a payment that came after it happened takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import assert_never

from dunlin.domain.actions import Action, Request, Skip, Wait
from dunlin.domain.borrower import Borrower, Loan, Notice, StageMark
from dunlin.domain.hours import local_date
from dunlin.domain.message import WINDOW_MARGIN, Figure
from dunlin.domain.occasion import mark_id, notice_of, notice_stage
from dunlin.domain.offer import OURS, OURS_REST, Way, resting, way_to
from dunlin.domain.parties import addressee, loans_told, principal_of
from dunlin.domain.permit import LOOK_AGAIN, Later, Never, holding
from dunlin.domain.planned import out_of_date, planned_loans
from dunlin.domain.policy import NoticeRule, Policy, Stage, Strategy
from dunlin.domain.statement import days_past_due
from dunlin.domain.thread import tell_answer
from dunlin.domain.words import Channel, LoanStatus, Purpose, Reason

#: A report may still come for so long after a message was handed over, and send it another way.
NOTICES_KEPT = timedelta(days=5)
_LONGEST_WAIT = timedelta(days=30)  # `within_hours` of a message goes no further
#: The words with which a borrower is told that a person takes over.
REFERRAL = "referral"

_ASKING = frozenset({Purpose.SERVICING, Purpose.COLLECTION})
_PRIORITIES = {
    Purpose.MANDATORY: 1,
    Purpose.SERVICE: 3,
    Purpose.REPLY: 3,
    Purpose.SERVICING: 4,
    Purpose.COLLECTION: 6,
    Purpose.MARKETING: 9,
}


def asks_for_money(rule: NoticeRule) -> bool:
    """Whether it is wrong to say once the money has come."""
    return rule.purpose in _ASKING or rule.statement


def stage_for(notice: Notice, rule: NoticeRule) -> Stage:
    """The notice as a stage of its own, so that marks, attempts and keys work as they do for every other."""
    return Stage(
        stage_id=notice_stage(notice.message, notice.notice_id),
        kind="notice",
        offset_days=0,
        lasts_days=0,
        gap_days=0,
        purpose=rule.purpose,
        template=notice.message,
        channels=rule.channels,
        priority=0 if rule.urgent else _PRIORITIES[rule.purpose],
    )


def told_loans(borrower: Borrower, notice: Notice) -> tuple[Loan, ...]:
    """The loans it is about."""
    return tuple(loan for loan in borrower.loans if loan.loan_id in notice.loan_ids)


def judged_on(borrower: Borrower, notice: Notice, rule: NoticeRule) -> tuple[Loan, ...]:
    """The loans whose figures have to be right for it: none for what only tells, since the core said its figures."""
    return told_loans(borrower, notice) if asks_for_money(rule) else ()


def facts_for(borrower: Borrower, notice: Notice, rule: NoticeRule) -> tuple[Figure, ...]:
    """The core's facts, and the account's tail where the notice names a loan and the words need it."""
    loans = told_loans(borrower, notice)
    if "tail" not in rule.variables or not loans or any(fact.name == "tail" for fact in notice.facts):
        return notice.facts
    return (*notice.facts, Figure("tail", loans[0].account_tail))


def notices_kept(borrower: Borrower, now: datetime) -> tuple[Notice, ...]:
    """Those that can still be said, or of which we can still hear."""
    ended = {
        notice_of(mark.stage): mark.at
        for mark in borrower.marks
        if mark.status in ("told", "over") and not mark.episode
    }
    return tuple(
        notice
        for notice in borrower.notices
        if max(ended.get(notice.notice_id, notice.occurred_at + _LONGEST_WAIT), notice.occurred_at) + NOTICES_KEPT > now
    )


def out_of_time(borrower: Borrower, now: datetime) -> tuple[Skip, ...]:
    """The end of what no message could still say, by whatever rule: for places where no rules are known."""
    final = {notice_of(mark.stage) for mark in borrower.marks if mark.status != "waiting"}
    rule = NoticeRule("", Purpose.SERVICE, (Channel.SMS,), _LONGEST_WAIT)
    return tuple(
        _never(stage_for(notice, rule), notice, happened_on(notice), 0, Reason.CONTENT_NOT_LIVE, "pack")
        for notice in borrower.notices
        if notice.notice_id not in final and notice.occurred_at + _LONGEST_WAIT <= now
    )


def happened_on(notice: Notice) -> date:
    """The day in its occasion's key: in UTC, because a borrower who moves does not make it another occasion."""
    return notice.occurred_at.astimezone(UTC).date()


def overtaken(borrower: Borrower, notice: Notice, rule: NoticeRule, now: datetime) -> tuple[Reason, str] | None:
    """Why it is not true any more, or not ours to say; None while it stands."""
    if not asks_for_money(rule):
        return None
    wrong = out_of_date(borrower, notice)
    if wrong is not None:
        return wrong
    today = local_date(now, borrower.zone)
    for loan in told_loans(borrower, notice):
        if loan.status is not LoanStatus.OPEN:
            return Reason.LOAN_NOT_OPEN, "loan.status"
        if not loan.instalments:
            return Reason.PAID, "loan.instalments"
        if loan.paid_at is not None and loan.paid_at >= notice.occurred_at:
            return Reason.PAID, "loan.paid_at"
        late = days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) >= 1
        if (rule.purpose is Purpose.COLLECTION or rule.statement) and not late:
            return Reason.FACTS_CHANGED, "loan.days_past_due"
        of_plan = loan.loan_id in planned_loans(borrower)
        if rule.purpose in _ASKING and not of_plan and notice.message != REFERRAL and borrower.is_with_a_person(loan):
            return Reason.OVERTAKEN, "with_person_to"
    return None


def tell_notices(
    borrower: Borrower,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    marks: Mapping[str, StageMark],
    actions: list[Action],
    moments: list[datetime],
) -> None:
    """Add to `actions` what is to be said, waited for or given up, and to `moments` when to look again.

    What asks for money is one conversation with the reminders: it waits while one of them is on its way. What only
    tells waits for nobody.
    """
    busy = any(mark.status == "requested" for mark in marks.values()) or any(isinstance(a, Request) for a in actions)
    for notice in borrower.notices:
        rule = policy.notices.get(notice.message)
        known = rule or NoticeRule(notice.message, Purpose.SERVICE, (Channel.SMS,), timedelta(days=1))
        stage = stage_for(notice, known)
        due_on = happened_on(notice)
        mark = marks.get(mark_id(due_on, stage.stage_id, 0, notice.party_id))
        if mark is not None and mark.status in ("told", "requested", "over"):
            continue
        attempt = 0 if mark is None else mark.attempt + (mark.status == "unsent")
        action: Request | Wait | Skip | None
        if rule is None:
            action = _never(stage, notice, due_on, attempt, Reason.NO_TEMPLATE, "messages")
        elif notice.answer is not None:
            action = tell_answer(
                borrower, notice, notice.answer, rule, stage, due_on, attempt, mark, strategy, policy, now
            )
        else:
            action = _tell(borrower, notice, rule, stage, due_on, attempt, mark, strategy, policy, now, busy=busy)
        match action:
            case None:
                if busy and asks_for_money(known) and (mark is None or mark.status == "waiting"):
                    moments.append(now + LOOK_AGAIN)  # should nobody tell us that the other one was settled
                continue
            case Request():
                busy = busy or asks_for_money(known)
            case Wait():
                moments.append(min(action.until, notice.occurred_at + known.within))
            case Skip():
                pass
            case _:
                assert_never(action)
        actions.append(action)


def _tell(
    borrower: Borrower,
    notice: Notice,
    rule: NoticeRule,
    stage: Stage,
    due_on: date,
    attempt: int,
    mark: StageMark | None,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    *,
    busy: bool,
) -> Request | Wait | Skip | None:
    """The notice on the first channel that is permitted now; else what it waits for, or why it ends."""
    wrong = overtaken(borrower, notice, rule, now)
    if wrong is not None:
        return _never(stage, notice, due_on, attempt, *wrong)
    ends = notice.occurred_at + rule.within
    if ends - now < WINDOW_MARGIN:
        if mark is not None and mark.status == "unsent":
            return None  # its last attempt already ended with a reason
        bound = mark.reason if mark is not None and mark.reason is not None else Reason.WINDOW_CLOSED
        return _never(stage, notice, due_on, attempt, bound, "message.within_hours")
    lost = () if mark is None else mark.lost_channels
    if mark is not None and attempt >= strategy.max_attempts + len(lost):
        if mark.reason not in OURS:
            return None
        if now < mark.at + OURS_REST:
            return _later(stage, notice, due_on, attempt, Later(mark.at + OURS_REST, mark.reason, "max_attempts"))
    rest = resting(mark, now)
    if rest is not None:
        return _later(stage, notice, due_on, attempt, rest)
    principal = principal_of(borrower, notice.party_id)
    loans = told_loans(borrower, notice)
    if notice.party_id and principal is None:
        return _never(stage, notice, due_on, attempt, Reason.NOT_A_PARTY, "parties")
    party = addressee(borrower, rule.purpose, principal)
    if party is None:
        return _never(stage, notice, due_on, attempt, Reason.NOT_A_PARTY, "party.may_hear")
    if len(loans_told(borrower, party, principal, loans)) < len(loans):
        return _never(stage, notice, due_on, attempt, Reason.NOT_A_PARTY, "party.loan_ids")
    if asks_for_money(rule):
        if any(loan.pending for loan in loans):
            waits = Later(now + LOOK_AGAIN * 6, Reason.PAYMENT_PENDING, "loan.pending")
            return _later(stage, notice, due_on, attempt, waits)
        if busy:
            return None  # what is on its way wakes us when it is settled
    else:
        held = holding(borrower, rule.purpose, policy, now, loans=loans, party=party, despite=rule.despite)
        if held is not None:
            return _later(stage, notice, due_on, attempt, held)
    way = way_to(
        borrower,
        party,
        judged_on(borrower, notice, rule),
        stage,
        strategy,
        policy,
        now,
        template=stage.template,
        lost=lost,
        despite=rule.despite,
        consent=rule.consent,
        urgent=rule.urgent,
    )
    match way:
        case Way():
            until = min(way.until, ends)
            to = notice.party_id
            return Request(stage, due_on, 0, attempt, party, way.point, way.line, loans, until, to)
        case Later():
            return _later(stage, notice, due_on, attempt, way)
        case None if mark is not None and mark.status == "unsent":
            return None
        case None:
            return _never(stage, notice, due_on, attempt, Reason.NO_CONTACT_POINT, "party.points")
        case Never():
            return _never(stage, notice, due_on, attempt, way.reason, way.rule)
        case _:
            assert_never(way)


def _later(stage: Stage, notice: Notice, due_on: date, attempt: int, binds: Later) -> Wait:
    return Wait(stage, due_on, 0, attempt, binds.at, binds.reason, binds.rule, notice.party_id)


def _never(stage: Stage, notice: Notice, due_on: date, attempt: int, reason: Reason, rule: str) -> Skip:
    return Skip(stage, due_on, 0, attempt, notice.loan_ids, reason, rule, notice.party_id)
