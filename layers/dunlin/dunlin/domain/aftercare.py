"""After a matter is over: whom to ask how it went, whom to ask whether all is well, and what they answer. Pure.

What is over is read from what the borrower already carries (closed tasks, kept promises, a cured case), so nothing else
has to remember to say so. Whether it may be said is the notice's matter, like that of everything we say unasked; here
it is only decided whether it is decent: not in the middle of a case, not on the heels of a reminder, not twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dunlin.domain.actions import Action, Request
from dunlin.domain.agreements import PromiseStatus, TaskKind
from dunlin.domain.borrower import Borrower, Notice, Party
from dunlin.domain.care import SURVEY, Care, CareRule, Over
from dunlin.domain.holdout import is_held_out
from dunlin.domain.occasion import notice_of
from dunlin.domain.parties import addressee, occasion_of, principal_of
from dunlin.domain.policy import Policy, Strategy
from dunlin.domain.words import CaseOutcome, CaseStatus, Purpose

#: How long what was asked is remembered: no rule counts further back.
CARE_KEPT = timedelta(days=366)
LOOK_AGAIN = timedelta(days=1)
_OF_TASKS = {
    TaskKind.COMPLAINT: Over.COMPLAINT,
    TaskKind.DISPUTE: Over.DISPUTE,
    TaskKind.IDENTITY_THEFT: Over.DISPUTE,
    TaskKind.HARDSHIP: Over.HARDSHIP,
    TaskKind.PLAN: Over.PLAN,
    TaskKind.PAID: Over.SERVICE,
    TaskKind.QUESTION: Over.QUESTION,
    TaskKind.NOT_UNDERSTOOD: Over.QUESTION,
    TaskKind.SERVICE: Over.SERVICE,
}
_MONEY = frozenset({Purpose.SERVICING, Purpose.COLLECTION})


@dataclass(frozen=True, slots=True)
class Matter:
    """What is over, whose it was, and since when."""

    over: Over
    about: str
    party_id: str
    at: datetime


def matters_over(borrower: Borrower) -> Iterator[Matter]:
    """What is over, as far as the borrower still carries it."""
    for task in borrower.tasks:
        if task.closed_at is not None and task.kind in _OF_TASKS:
            yield Matter(_OF_TASKS[task.kind], task.task_id, task.party_id, task.closed_at)
    for promise in borrower.promises:
        if promise.status is PromiseStatus.KEPT and promise.ended_at is not None:
            yield Matter(Over.PROMISE_KEPT, promise.promise_id, promise.party_id, promise.ended_at)
    case = borrower.case
    if case is not None and case.outcome is CaseOutcome.CURED and case.ended_at is not None:
        wrote = [task.party_id for task in borrower.tasks if task.opened_at >= case.opened_at]
        wrote += [promise.party_id for promise in borrower.promises if promise.made_at >= case.opened_at]
        if wrote:
            yield Matter(Over.CASE_CURED, f"case-{case.episode}", wrote[-1], case.ended_at)


def with_care(
    borrower: Borrower, strategy: Strategy, policy: Policy, now: datetime, beside: Sequence[Action] = ()
) -> tuple[Borrower, tuple[datetime, ...]]:
    """The borrower who is to be asked what follows now, and when to look again. `beside`: what else is done now."""
    moments: list[datetime] = []
    asks_for_money = any(isinstance(action, Request) and action.stage.purpose in _MONEY for action in beside)
    matters = sorted(matters_over(borrower), key=lambda matter: (matter.at, matter.about))
    for rule in policy.answers.care:
        for matter in matters if rule.message in policy.notices else ():
            due_at = matter.at + timedelta(hours=rule.wait_hours)
            ends_at = due_at + timedelta(days=rule.within_days)
            if matter.over not in rule.after or now >= ends_at or _was_asked(borrower, rule, matter, now):
                continue
            if now < due_at:
                moments.append(due_at)
            elif asks_for_money or not _is_decent(borrower, rule, matter, now):
                moments.append(min(now + LOOK_AGAIN, ends_at))
            else:
                borrower = _asked(borrower, rule, matter, strategy, policy, now)
    return borrower, tuple(moments)


def _was_asked(borrower: Borrower, rule: CareRule, matter: Matter, now: datetime) -> bool:
    """Whether this was asked of this matter, or of this person lately, whatever the matter was."""
    since = now - timedelta(days=rule.once_in_days)
    return any(
        care.message == rule.message
        and (care.about == matter.about or (care.party_id == matter.party_id and care.asked_at > since))
        for care in borrower.care
    )


def _is_decent(borrower: Borrower, rule: CareRule, matter: Matter, now: datetime) -> bool:
    """Whether this is a moment for it: nothing of theirs is open, and nobody has just asked them for money."""
    case = borrower.case
    if rule.not_in_case and case is not None and case.status is CaseStatus.OPEN:
        return False
    if any(task.closed_at is None for task in borrower.tasks):
        return False
    if any(mark.status == "requested" and not notice_of(mark.stage) for mark in borrower.marks):
        return False  # a reminder is on its way
    if any(promise.status is PromiseStatus.OPEN for promise in borrower.promises):
        return False
    if any(hold.kind in rule.not_under and (hold.until is None or hold.until > now) for hold in borrower.holds):
        return False
    quiet_from = now - timedelta(days=rule.quiet_days)
    return not any(
        contact.purpose in _MONEY and contact.felt_until > quiet_from and contact.party_id in ("", matter.party_id)
        for contact in borrower.contacts
    )


def _asked(
    borrower: Borrower, rule: CareRule, matter: Matter, strategy: Strategy, policy: Policy, now: datetime
) -> Borrower:
    care_id = f"{rule.message}-{matter.about}"
    arm = ""
    if strategy.holdout is not None:
        held_out = is_held_out(strategy.strategy_id, borrower.borrower_id, strategy.holdout.share)
        arm = "held_out" if held_out else "treated"
    care = Care(
        care_id,
        rule.message,
        matter.party_id,
        matter.over,
        matter.about,
        now,
        strategy.strategy_id,
        arm,
        policy.answers.rating_hours,
    )
    notice = Notice(care_id, rule.message, now, occasion_of(borrower, matter.party_id))
    return replace(borrower, notices=(*borrower.notices, notice), care=(*borrower.care, care))


def open_survey(borrower: Borrower, party: Party, now: datetime) -> Care | None:
    """The question how it went that this person was sent, and may still answer."""
    for care in reversed(borrower.care):
        told_at = _told_at(borrower, care)
        if care.message != SURVEY or care.answered_at is not None or told_at is None:
            continue
        to = addressee(borrower, Purpose.SERVICE, principal_of(borrower, occasion_of(borrower, care.party_id)))
        if to == party and told_at <= now < told_at + timedelta(hours=care.answer_hours):
            return care
    return None


def asked_at(borrower: Borrower, care: Care) -> datetime:
    """When they were sent it; when it was asked for, where it was not."""
    return _told_at(borrower, care) or care.asked_at


def _told_at(borrower: Borrower, care: Care) -> datetime | None:
    marks = (mark for mark in borrower.marks if notice_of(mark.stage) == care.care_id and mark.status == "told")
    return max((mark.at for mark in marks), default=None)


def with_rating(borrower: Borrower, care: Care, rating: int | None, text_id: str, at: datetime) -> Borrower:
    """The borrower who answered how it went. The first answer stands."""
    keys = [mark.message_key for mark in borrower.marks if notice_of(mark.stage) == care.care_id]
    after = replace(care, answered_at=at, rating=rating, text_id=text_id, message_key=keys[-1] if keys else "")
    return replace(borrower, care=tuple(after if each is care else each for each in borrower.care))


def to_tell(borrower: Borrower) -> tuple[Care, ...]:
    """Answers that nobody was told of yet."""
    return tuple(care for care in borrower.care if care.answered_at is not None and not care.told)


def made_known(borrower: Borrower, cares: tuple[Care, ...]) -> Borrower:
    return replace(borrower, care=tuple(replace(each, told=True) if each in cares else each for each in borrower.care))


def care_kept(borrower: Borrower, now: datetime) -> tuple[Care, ...]:
    """What rules still count."""
    return tuple(care for care in borrower.care if care.asked_at > now - CARE_KEPT)
