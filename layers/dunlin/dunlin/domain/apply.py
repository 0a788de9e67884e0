"""A decision carried out on paper: the borrower afterwards and the messages it puts. Pure; the services write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeGuard, assert_never

from dunlin.domain.actions import Action, EndCase, OpenCase, PlanMoves, PromiseDay, PromiseEnds, Request, Skip, Wait
from dunlin.domain.aftercare import care_kept
from dunlin.domain.borrower import Borrower, Case, Contact, Letter, Notice, StageMark
from dunlin.domain.caps import LONGEST_WINDOW
from dunlin.domain.decide import MARKS_KEPT
from dunlin.domain.hours import local_date
from dunlin.domain.message import Message, Move
from dunlin.domain.notices import REFERRAL, notices_kept, out_of_time
from dunlin.domain.occasion import mark_id, notice_of, occasion_key
from dunlin.domain.parties import told_as
from dunlin.domain.planned import beside_plans, moved, plans_kept
from dunlin.domain.policy import Policy
from dunlin.domain.promising import at_its_end, on_its_day, promises_kept
from dunlin.domain.retention import contacted
from dunlin.domain.statement import days_past_due
from dunlin.domain.tasks import tasks_kept
from dunlin.domain.thread import locale_of, with_unsaid
from dunlin.domain.words import CaseOutcome, CaseStatus, LoanStatus, MessageState, Purpose, Reason


@dataclass(frozen=True, slots=True)
class Applied:
    """What a transaction has to write. `changed` is False when nothing a decision depends on moved."""

    borrower: Borrower
    messages: tuple[Message, ...]
    changed: bool


def apply(borrower: Borrower, actions: Sequence[Action], policy: Policy, now: datetime) -> Applied:
    """Carry out `actions` on `borrower`: marks, case and messages."""
    marks = {mark.mark_id: mark for mark in borrower.marks}
    messages: list[Message] = []
    case, episodes = borrower.case, borrower.episodes
    ends: list[EndCase] = []
    promised: list[PromiseDay | PromiseEnds | PlanMoves] = []
    changed = False
    for action in actions:
        match action:
            case Request():
                message = _requested(borrower, action, policy, now)
                messages.append(message)
                _mark(marks, action, now, status="requested", message=message)
                changed = True
            case Skip():
                message = _skipped(borrower, action, policy.content_version, now)
                messages.append(message)
                _mark(marks, action, now, status="over", message=message, reason=action.reason)
                changed = True
            case Wait():
                mark = marks.get(mark_id(action.due_on, action.stage.stage_id, action.episode, action.principal_id))
                if mark is None or mark.status != "waiting" or mark.reason is not action.reason:
                    _mark(marks, action, now, status="waiting", reason=action.reason)
                    changed = True
            case OpenCase():
                episodes += 1
                case = Case(episodes, 1, CaseStatus.OPEN, action.due_on, now, strategy_id=action.strategy_id)
                changed = True
            case EndCase():
                ends.append(action)
                changed = True
            case PromiseDay() | PromiseEnds() | PlanMoves():
                promised.append(action)
                changed = True
            case _:
                assert_never(action)
    after = replace(
        borrower,
        marks=tuple(marks.values()),
        case=case,
        episodes=episodes,
        letters=(*borrower.letters, *(_instead(action, now) for action in actions if _needs_a_letter(action))),
    )
    after = with_unsaid(after, (action for action in actions if isinstance(action, Skip)), now)
    for moment in promised:
        match moment:
            case PromiseDay():
                after = on_its_day(after, moment, now)
            case PromiseEnds():
                after = at_its_end(after, moment, now)
            case PlanMoves():
                after = moved(after, moment, policy, now)
            case _:
                assert_never(moment)
    for end in ends:
        after = with_word_of_the_person(ended(after, end, now), end, policy, now)
    return Applied(pruned(after, now) if changed else after, tuple(messages), changed)


def given_up(borrower: Borrower, content_version: str, now: datetime) -> Applied:
    """Where nobody reviewed the rules nothing is said; what was to be said ends all the same."""
    marks = {mark.mark_id: mark for mark in borrower.marks}
    messages = []
    skips = out_of_time(borrower, now)
    for action in skips:
        message = _skipped(borrower, action, content_version, now)
        messages.append(message)
        _mark(marks, action, now, status="over", message=message, reason=action.reason)
    if not messages:
        return Applied(borrower, (), changed=False)
    after = with_unsaid(replace(borrower, marks=tuple(marks.values())), skips, now)
    return Applied(pruned(after, now), tuple(messages), changed=True)


def ended(borrower: Borrower, end: EndCase, now: datetime) -> Borrower:
    """The borrower whose case is over, and who is with a person from today if that is how it ended."""
    after = borrower
    if borrower.case is not None:
        after = replace(
            borrower,
            case=replace(
                borrower.case,
                status=CaseStatus.ENDED,
                outcome=end.outcome,
                outcome_reason=end.reason,
                outcome_rule=end.rule,
                ended_at=now,
                token=None,
                ring_at=None,
            ),
        )
    if end.outcome in (CaseOutcome.REFERRED, CaseOutcome.OPTED_OUT):
        after = replace(after, with_person_to=local_date(now, borrower.zone))
    return after


def with_word_of_the_person(borrower: Borrower, end: EndCase, policy: Policy, now: datetime) -> Borrower:
    """The borrower who is to be told that a person takes over, where the tiers ended in that."""
    today = local_date(now, borrower.zone)
    loans = tuple(
        loan.loan_id
        for loan in beside_plans(borrower, today).loans
        if loan.status is LoanStatus.OPEN
        and loan.instalments
        and days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) >= 1
    )
    announced = end.outcome is CaseOutcome.REFERRED and end.reason is Reason.STAGE_DUE and REFERRAL in policy.notices
    if borrower.case is None or not announced or not loans:
        return borrower
    notice = Notice(f"case-{borrower.case.episode}", REFERRAL, now, loan_ids=loans)
    return woken(replace(borrower, notices=(*borrower.notices, notice)), now)


def _needs_a_letter(action: Action) -> TypeGuard[Skip]:
    """A notice that a law requires and that no text or e-mail could carry."""
    return isinstance(action, Skip) and action.stage.purpose is Purpose.MANDATORY


def _instead(action: Skip, now: datetime) -> Letter:
    said, _, notice_id = action.stage.stage_id.partition("~")
    letter_id = f"{action.due_on}.{said}.{notice_id or action.episode}"
    return Letter(letter_id, said, said, now, notice_id, action.principal_id, action.loan_ids)


def pruned(borrower: Borrower, now: datetime) -> Borrower:
    """Without contacts no rule counts any more, holds that are over, and marks of due dates long past."""
    unpaid = {instalment.due_on for loan in borrower.loans for instalment in loan.instalments}
    oldest = (now - MARKS_KEPT).date()
    # An open case needs the memory of its tiers for as long as it is open.
    is_open = borrower.case is not None and borrower.case.status is CaseStatus.OPEN
    episode = borrower.case.episode if borrower.case is not None and is_open else None
    kept = notices_kept(borrower, now)
    waiting = {notice.notice_id for notice in kept}
    return replace(
        borrower,
        contacts=tuple(contact for contact in borrower.contacts if contact.felt_until > now - LONGEST_WINDOW),
        holds=tuple(hold for hold in borrower.holds if hold.until is None or hold.until > now),
        notices=kept,
        promises=promises_kept(borrower, now),
        plans=plans_kept(borrower, now),
        dialogues=tuple(dialogue for dialogue in borrower.dialogues if dialogue.ends_at > now),
        tasks=tasks_kept(borrower, now),
        care=care_kept(borrower, now),
        marks=tuple(
            mark
            for mark in borrower.marks
            if (
                notice_of(mark.stage) in waiting
                if notice_of(mark.stage)
                else mark.episode == episode or mark.due_on in unpaid or mark.due_on > oldest
            )
        ),
    )


def woken(borrower: Borrower, at: datetime | None) -> Borrower:
    """The borrower, to be looked at no later than `at`."""
    if at is None or (borrower.wake_at is not None and borrower.wake_at <= at):
        return borrower
    return replace(borrower, wake_at=at)


def with_contact(borrower: Borrower, contact: Contact) -> Borrower:
    keeping = contacted(borrower.keeping, contact.reserved_at)
    return replace(borrower, contacts=(*borrower.contacts, contact), keeping=keeping)


def without_contact(borrower: Borrower, ref: str) -> Borrower:
    """Release a cap: only on proof that nothing was accepted."""
    return replace(borrower, contacts=tuple(contact for contact in borrower.contacts if contact.ref != ref))


def marked(
    borrower: Borrower,
    message: Message,
    now: datetime,
    *,
    status: str,
    reason: Reason | None = None,
    lose_channel: bool = False,
) -> Borrower:
    """The borrower with what has become of `message` written on the stages it was about."""
    if not message.mark_ids:
        return borrower

    def after(mark: StageMark) -> StageMark:
        if mark.mark_id not in message.mark_ids or mark.message_key != message.key:
            return mark
        lost = mark.lost_channels
        if lose_channel and message.channel not in lost:
            lost = (*lost, str(message.channel))
        return replace(mark, status=status, at=now, reason=reason, lost_channels=lost)

    return replace(borrower, marks=tuple(after(mark) for mark in borrower.marks))


def _mark(
    marks: dict[str, StageMark],
    action: Request | Skip | Wait,
    now: datetime,
    *,
    status: str,
    message: Message | None = None,
    reason: Reason | None = None,
) -> None:
    key = mark_id(action.due_on, action.stage.stage_id, action.episode, action.principal_id)
    before = marks.get(key)
    marks[key] = StageMark(
        due_on=action.due_on,
        stage=action.stage.stage_id,
        episode=action.episode,
        status=status,
        at=now,
        attempt=action.attempt,
        channel=str(message.channel) if message is not None else (before.channel if before else ""),
        message_key=message.key if message is not None else (before.message_key if before else ""),
        reason=reason,
        lost_channels=before.lost_channels if before is not None else (),
        principal_id=action.principal_id,
    )


def _requested(borrower: Borrower, action: Request, policy: Policy, now: datetime) -> Message:
    channel, stage, answer = action.point.channel, action.stage, action.answer
    locale = policy.language_for(action.party.locale, action.party.preferences.language)
    if answer is not None:
        locale = locale_of(answer, action.party, policy)
    template = stage.template_for(told_as(borrower, action.party, action.principal_id))
    reason, rule = Reason.STAGE_DUE, f"strategy.{stage.stage_id}"
    if stage.kind == "notice":
        reason, rule = Reason.NOTICE_DUE, f"message.{stage.template}"
    return Message(
        borrower_id=borrower.borrower_id,
        key=occasion_key(action.due_on, stage.stage_id, action.episode, channel, action.attempt, action.principal_id),
        revision=0,
        state=MessageState.REQUESTED,
        stage=stage.stage_id,
        purpose=stage.purpose,
        channel=channel,
        party_id=action.party.party_id,
        point=action.point.point,
        line=action.line.line_id,
        locale=locale,
        template=template,
        loan_ids=tuple(loan.loan_id for loan in action.loans),
        due_on=action.due_on,
        episode=action.episode,
        mark_ids=(mark_id(action.due_on, stage.stage_id, action.episode, action.principal_id),),
        priority=stage.priority,
        requested_at=now,
        not_before=now,
        not_after=action.until,
        expected_parts=policy.expected_parts.get((template, locale), 1),
        decided_version=borrower.version,
        content_version=policy.content_version,
        reason=reason,
        rule=rule,
        moves=(Move(MessageState.REQUESTED, now, reason, rule),),
        attend_at=action.until,
        principal_id=action.principal_id,
        strategy_id=stage.strategy_id,
        in_reply_to=answer.text_id if answer is not None else "",
        author=answer.author if answer is not None else "",
    )


def _skipped(borrower: Borrower, action: Skip, content_version: str, now: datetime) -> Message:
    stage = action.stage
    channel = stage.channels[0]
    return Message(
        borrower_id=borrower.borrower_id,
        key=occasion_key(action.due_on, stage.stage_id, action.episode, channel, action.attempt, action.principal_id),
        revision=0,
        state=MessageState.SUPPRESSED,
        stage=stage.stage_id,
        purpose=stage.purpose,
        channel=channel,
        party_id="",
        point="",
        line="",
        locale="",
        template=stage.template,
        loan_ids=action.loan_ids,
        due_on=action.due_on,
        episode=action.episode,
        mark_ids=(mark_id(action.due_on, stage.stage_id, action.episode, action.principal_id),),
        priority=stage.priority,
        requested_at=now,
        not_before=now,
        not_after=now,
        expected_parts=0,
        decided_version=borrower.version,
        content_version=content_version,
        reason=action.reason,
        rule=action.rule,
        moves=(Move(MessageState.SUPPRESSED, now, action.reason, action.rule),),
        settled_at=now,
        principal_id=action.principal_id,
        strategy_id=stage.strategy_id,
    )
