"""A person answers in the thread: to whoever wrote, at the contact point that the text came from, and nowhere else.

An answer is a notice of its own: it waits for its hours, is judged when it is asked for, rendered and reserved, and
ends with a reason. Words of a person's own can go into a debt, so they go only where details of one may: to the party
who wrote, at a point that is verified as the place wants it. The amounts in them are the core's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime

from dunlin.domain.actions import Request, Skip, Wait
from dunlin.domain.agreements import PromiseStatus
from dunlin.domain.borrower import Answer, Borrower, ContactPoint, Loan, Notice, Party, StageMark, Unsaid
from dunlin.domain.hours import local_date
from dunlin.domain.message import WINDOW_MARGIN, MayState
from dunlin.domain.money import Money, total
from dunlin.domain.offer import OURS, OURS_REST
from dunlin.domain.parties import addressee, loans_told, principal_of
from dunlin.domain.permit import Allowed, Later, Never, Permit, is_stale, line_for, permit, unverified_at
from dunlin.domain.policy import NoticeRule, Policy, Stage, Strategy
from dunlin.domain.statement import amount_due, days_past_due
from dunlin.domain.words import Channel, LoanStatus, Purpose, Reason

#: The frame of a person's own words.
IN_WORDS = "answer"
#: Whoever asks for answers hears of the latest of those that were not said.
MOST_UNSAID = 50

FILED_ONLY = "line.filed_texts_only"


def may_state(borrower: Borrower, party: Party, policy: Policy, now: datetime) -> MayState:
    """The core's figures of the loans that `party` may be told about: what is unpaid and overdue, its parts, its total,
    and what was promised or chosen. None of a loan whose figures are old, or to which money is on its way.
    """
    today = local_date(now, borrower.zone)
    principal = principal_of(borrower, party.party_id)
    loans = loans_told(borrower, party, principal, tuple(loan for loan in borrower.loans if loan.instalments))
    certain = tuple(
        loan
        for loan in loans
        if loan.status is LoanStatus.OPEN and not loan.pending and not is_stale(borrower, loan, policy, now)
    )
    amounts = [amount for loan in certain for amount in _figures(loan)]
    amounts += _totals(borrower, certain, today)
    amounts += [each.amount for each in borrower.promises if _stands(each.status) and each.party_id == party.party_id]
    for task in borrower.tasks:
        if task.chosen is not None and task.party_id == party.party_id:
            amounts.append(task.chosen.total)
            amounts += [payment.amount for payment in task.chosen.instalments]
    names = [task.reference for task in borrower.tasks if task.party_id == party.party_id]
    names += [loan.account_tail for loan in loans]
    return MayState(tuple(dict.fromkeys(amounts)), tuple(dict.fromkeys(names)))


def _figures(loan: Loan) -> list[Money]:
    amounts = [instalment.outstanding for instalment in loan.instalments]
    if loan.overdue is not None:
        parts = loan.overdue
        amounts += [each for each in (parts.principal, parts.interest, parts.fees, parts.total) if each.is_positive]
    return amounts


def _totals(borrower: Borrower, loans: tuple[Loan, ...], today: date) -> list[Money]:
    """What is due of each loan, and of all of them: the figures that a reminder states."""
    late = [loan for loan in loans if days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) >= 1]
    due = [amount_due(loan, overdue=True) for loan in late]
    if len({each.currency for each in due}) == 1:
        due.append(total(due, due[0].currency))
    return due


def _stands(status: PromiseStatus) -> bool:
    return status in (PromiseStatus.OPEN, PromiseStatus.KEPT)


def answer_permit(
    borrower: Borrower,
    notice: Notice,
    answer: Answer,
    rule: NoticeRule,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
) -> tuple[Party, ContactPoint, Permit] | Never:
    """Whether the answer may be said now to whoever wrote, there where they wrote from."""
    party = next((party for party in borrower.parties if party.party_id == answer.party_id), None)
    if party is None:
        return Never(Reason.NOT_A_PARTY, "parties")
    if addressee(borrower, rule.purpose, principal_of(borrower, notice.party_id)) != party:
        return Never(Reason.NOT_A_PARTY, "party.may_hear")
    point = next((p for p in party.points if p.channel is Channel.SMS and p.point == answer.point), None)
    if point is None:
        return Never(Reason.NO_CONTACT_POINT, "party.points")
    unsure = unverified_for_words(answer, party, point, policy, now)
    if unsure is not None:
        return unsure
    allowed = permit(
        borrower, party, point, (), rule.purpose, strategy, policy, now, template=notice.message, despite=rule.despite
    )
    line = line_for(policy, point.channel, rule.purpose)
    if answer.words and line is not None and line.line_id in policy.filed_only:
        return Never(Reason.NO_ROUTE, FILED_ONLY)
    if isinstance(allowed, Allowed) and (notice.message, locale_of(answer, party, policy)) not in policy.locales:
        return Never(Reason.NO_TEMPLATE, notice.message)
    return party, point, allowed


def unverified_for_words(
    answer: Answer, party: Party, point: ContactPoint, policy: Policy, now: datetime
) -> Never | None:
    """Words of a person's own can go into a debt: they go where a reminder may."""
    for purpose in (Purpose.SERVICING, Purpose.COLLECTION) if answer.words else ():
        rule = unverified_at(policy.pack, party, point, purpose, point.channel, now)
        if rule is not None:
            return Never(Reason.NOT_VERIFIED, rule)
    return None


def locale_of(answer: Answer, party: Party, policy: Policy) -> str:
    """The language of the words, or, of a text of ours, the one that the party is written to in."""
    return answer.locale or policy.language_for(party.locale, party.preferences.language)


def tell_answer(
    borrower: Borrower,
    notice: Notice,
    answer: Answer,
    rule: NoticeRule,
    stage: Stage,
    due_on: date,
    attempt: int,
    mark: StageMark | None,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
) -> Request | Wait | Skip:
    """The answer now, or what it waits for; or why it ends: whoever asked for it is told."""

    def never(reason: Reason, because: str) -> Skip:
        return Skip(stage, due_on, 0, attempt, (), reason, because, notice.party_id)

    ends = notice.occurred_at + rule.within
    if mark is not None and mark.status == "unsent" and mark.reason is not None and mark.reason not in OURS:
        return never(mark.reason, "answer")
    if ends - now < WINDOW_MARGIN:
        bound = mark.reason if mark is not None and mark.reason is not None else Reason.WINDOW_CLOSED
        return never(bound, "message.within_hours")
    if mark is not None and mark.status == "unsent" and mark.reason is not None and attempt >= strategy.max_attempts:
        rests_until = mark.at + OURS_REST
        if now < rests_until:
            return Wait(stage, due_on, 0, attempt, rests_until, mark.reason, "max_attempts", notice.party_id)
    found = answer_permit(borrower, notice, answer, rule, strategy, policy, now)
    if isinstance(found, Never):
        return never(found.reason, found.rule)
    party, point, allowed = found
    if isinstance(allowed, Never):
        return never(allowed.reason, allowed.rule)
    if isinstance(allowed, Later):
        return Wait(stage, due_on, 0, attempt, allowed.at, allowed.reason, allowed.rule, notice.party_id)
    line = line_for(policy, point.channel, rule.purpose)
    if line is None:
        return never(Reason.NO_ROUTE, "lines")
    until = min(allowed.until, ends)
    return Request(stage, due_on, 0, attempt, party, point, line, (), until, notice.party_id, answer)


def with_unsaid(borrower: Borrower, skips: Iterable[Skip], now: datetime) -> Borrower:
    """The borrower of whose answers these were not said."""
    answers = {notice.notice_id: notice.answer for notice in borrower.notices if notice.answer is not None}
    fresh = []
    for skip in skips:
        answer = answers.get(skip.stage.stage_id.partition("~")[2])
        if answer is not None:
            fresh.append(Unsaid(answer.answer_id, answer.author, str(skip.reason), skip.rule, now))
    return replace(borrower, unsaid=(*borrower.unsaid, *fresh)[-MOST_UNSAID:]) if fresh else borrower
