"""What should be said to a borrower now, what should not and why, and when to look again.

    decide(borrower, strategy, policy, now) -> Decision

Frozen data in and out: no clock, no I/O, no randomness. The same function runs in Lambda, in planning, in simulation
and under the property tests, so what a plan shows is what production does.

Each loan is judged by its oldest unpaid instalment. Loans that fall due on one day make one message. Before and
shortly after the due date the *reminder* stages apply, each on its days only: one that was missed is overtaken, never
made up for in a burst. From the first tier's day on, all overdue loans of the borrower belong to one *case*; its tiers
come in order, each once, with a gap between them, however late the system wakes up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import assert_never

from dunlin.domain.borrower import Borrower, Case, ContactPoint, Loan, Party, StageMark
from dunlin.domain.hours import at_local, local_date
from dunlin.domain.occasion import mark_id
from dunlin.domain.permit import LOOK_AGAIN, Allowed, Later, Never, Permit, addressee, holding, line_for, permit
from dunlin.domain.policy import Line, Policy, Stage, Strategy
from dunlin.domain.statement import amount_due, days_past_due
from dunlin.domain.words import CaseOutcome, CaseStatus, LoanStatus, Reason

#: How long a mark is kept after its due date no longer matters.
MARKS_KEPT = timedelta(days=120)


@dataclass(frozen=True, slots=True)
class Request:
    """Say it: one message about `loans`, for the stage's occasion, inside the window that ends at `until`."""

    stage: Stage
    due_on: date
    episode: int
    attempt: int
    party: Party
    point: ContactPoint
    line: Line
    loans: tuple[Loan, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: remember what binds, so that the reason is known should the moment pass."""

    stage: Stage
    due_on: date
    episode: int
    attempt: int
    until: datetime
    reason: Reason
    rule: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Never: the intended message ends here, with its reason."""

    stage: Stage
    due_on: date
    episode: int
    attempt: int
    loan_ids: tuple[str, ...]
    reason: Reason
    rule: str


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A delinquency episode begins; `due_on` is its oldest unpaid due date."""

    due_on: date


@dataclass(frozen=True, slots=True)
class EndCase:
    """The episode is over: cured, or a person takes it from here."""

    outcome: CaseOutcome
    reason: Reason


Action = Request | Wait | Skip | OpenCase | EndCase


@dataclass(frozen=True, slots=True)
class Decision:
    """`actions` are the evaluation's; `case_actions` are carried out by the escalation's execution.

    `wake_at` is the next moment at which anything could have to be said (None: only a new fact can change that);
    `ring_at` is when a parked execution has to look again at the latest.
    """

    actions: tuple[Action, ...]
    case_actions: tuple[Action, ...]
    wake_at: datetime | None
    ring_at: datetime | None


_NOTHING = Decision((), (), None, None)


@dataclass(frozen=True, slots=True)
class _Due:
    """An open loan with something unpaid and where it stands today."""

    loan: Loan
    days: int


def decide(borrower: Borrower, strategy: Strategy, policy: Policy, now: datetime) -> Decision:
    """What to say now, what not and why, and when to look again."""
    today = local_date(now, borrower.zone)
    owed = [
        _Due(loan, days_past_due(loan, today, local_date(loan.as_of, borrower.zone)))
        for loan in borrower.loans
        if loan.status is LoanStatus.OPEN and loan.instalments
    ]
    case = borrower.case if borrower.case is not None and borrower.case.status is CaseStatus.OPEN else None
    if not owed and case is None and not borrower.marks:
        return _NOTHING

    marks = {mark.mark_id: mark for mark in borrower.marks}
    tiers_from = _first_tier(strategy).offset_days
    late = [due for due in owed if due.days >= 1]
    actions: list[Action] = []
    moments: list[datetime] = []

    actions.extend(_settled_meanwhile(strategy, owed, marks))
    if case is None:
        fresh = [
            due.loan.instalments[0].due_on
            for due in late
            if due.days >= tiers_from and not _with_a_person(borrower, due.loan.instalments[0].due_on)
        ]
        if fresh:
            actions.append(OpenCase(min(fresh)))
            moments.append(now)
    reminded = [due for due in owed if due.days < tiers_from and (case is None or due.days < 1)]
    if reminded:
        busy = any(mark.status == "requested" for mark in borrower.marks)
        _remind(borrower, strategy, policy, now, today, reminded, marks, actions, moments, busy=busy)

    case_actions: list[Action] = []
    ring_at: datetime | None = None
    if case is not None:
        ring_at = _escalate(borrower, case, strategy, policy, now, today, late, marks, case_actions)
        if ring_at is not None:
            moments.append(ring_at)
    return Decision(tuple(actions), tuple(case_actions), min(moments, default=None), ring_at)


def _with_a_person(borrower: Borrower, due_on: date) -> bool:
    """Whether these arrears were in a case that a person took over: no second case begins for them.

    A cured case whose payment came back is another matter: that is a new episode.
    """
    ended = borrower.case
    return (
        ended is not None
        and ended.outcome in (CaseOutcome.REFERRED, CaseOutcome.OPTED_OUT)
        and ended.ended_at is not None
        and due_on <= local_date(ended.ended_at, borrower.zone)
    )


def _first_tier(strategy: Strategy) -> Stage:
    for stage in strategy.stages:
        if stage.kind == "tier":
            return stage
    raise ValueError("a strategy has at least one tier")


# ── Reminders ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _settled_meanwhile(strategy: Strategy, owed: Sequence[_Due], marks: dict[str, StageMark]) -> Iterable[Skip]:
    """Stages that were waiting for their moment when the money came: they end as paid."""
    still_due = {due.loan.instalments[0].due_on for due in owed}
    stages = {stage.stage_id: stage for stage in strategy.stages}
    for mark in marks.values():
        if mark.episode == 0 and mark.status == "waiting" and mark.due_on not in still_due and mark.stage in stages:
            yield Skip(stages[mark.stage], mark.due_on, 0, mark.attempt, (), Reason.PAID, "instalments")


def _remind(
    borrower: Borrower,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    today: date,
    reminded: Sequence[_Due],
    marks: dict[str, StageMark],
    actions: list[Action],
    moments: list[datetime],
    *,
    busy: bool,
) -> None:
    stages = [stage for stage in strategy.stages if stage.kind == "reminder"]
    by_due_date: dict[date, list[_Due]] = {}
    for due in reminded:
        by_due_date.setdefault(due.loan.instalments[0].due_on, []).append(due)
    for due_on, group in sorted(by_due_date.items()):
        days = max(due.days for due in group)
        loans = tuple(due.loan for due in group)
        for stage in stages:
            if days < stage.offset_days:
                moments.append(_opens(borrower, strategy, stage, today + timedelta(days=stage.offset_days - days)))
                break
            mark = marks.get(mark_id(due_on, stage.stage_id, 0))
            if mark is not None and mark.status in ("told", "requested", "over"):
                continue
            attempt = 0 if mark is None else mark.attempt + (mark.status == "unsent")
            if days >= stage.offset_days + stage.lasts_days:
                if mark is None or mark.status == "waiting":
                    reason, rule = _why_not(mark)
                    actions.append(Skip(stage, due_on, 0, attempt, _ids(loans), reason, rule))
                continue
            if busy:
                continue
            action = _offer(borrower, strategy, policy, now, stage, due_on, 0, attempt, mark, loans, overdue=days > 0)
            if action is None:
                continue
            actions.append(action)
            if isinstance(action, Wait):
                passes = at_local(today + timedelta(days=stage.offset_days + stage.lasts_days - days), 0, borrower.zone)
                moments.append(min(action.until, passes))
            elif isinstance(action, Request):
                busy = True  # one conversation at a time: the others wait until this one is settled


def _why_not(mark: StageMark | None) -> tuple[Reason, str]:
    if mark is None or mark.reason is None:
        return Reason.OVERTAKEN, "stage.lasts_days"
    return mark.reason, "stage.lasts_days"


def _ids(loans: Sequence[Loan]) -> tuple[str, ...]:
    return tuple(loan.loan_id for loan in loans)


def _opens(borrower: Borrower, strategy: Strategy, stage: Stage, day: date) -> datetime:
    """When the lender's own hours open on `day` where the borrower lives (midnight where they do not bind)."""
    hours = strategy.hours.week[day.weekday()] if stage.purpose in strategy.hours.purposes else None
    return at_local(day, hours[0] if hours is not None else 0, borrower.zone)


def _offer(
    borrower: Borrower,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    stage: Stage,
    due_on: date,
    episode: int,
    attempt: int,
    mark: StageMark | None,
    loans: tuple[Loan, ...],
    *,
    overdue: bool,
) -> Request | Wait | Skip | None:
    """The stage's message on the first channel that is permitted now; else what it waits for, or why it ends."""
    lost = () if mark is None else mark.lost_channels
    if attempt >= strategy.max_attempts + len(lost):
        return None  # its last attempt already ended with a reason
    currency = loans[0].currency
    loans = tuple(loan for loan in loans if loan.currency == currency)
    if any(_covered_by_pending(loan, overdue=overdue) for loan in loans):
        return Wait(stage, due_on, episode, attempt, now + LOOK_AGAIN * 6, Reason.PAYMENT_PENDING, "loan.pending")
    party = addressee(borrower, stage.purpose)
    if party is None:
        return Skip(stage, due_on, episode, attempt, _ids(loans), Reason.NOT_A_PARTY, "party.may_hear")
    later: Later | None = None
    never: Never | None = None
    for channel in stage.channels:
        if channel in lost:
            continue
        for point in party.points:
            if point.channel is not channel:
                continue
            answer: Permit = permit(borrower, party, point, loans, stage.purpose, strategy, policy, now)
            if isinstance(answer, Allowed):
                if (stage.template, party.locale) not in policy.locales:
                    answer = Never(Reason.NO_TEMPLATE, stage.template)
                else:
                    line = line_for(policy, channel, stage.purpose)
                    if line is not None:
                        return Request(stage, due_on, episode, attempt, party, point, line, loans, answer.until)
            match answer:
                case Allowed():
                    continue
                case Later():
                    later = answer if later is None or answer.at < later.at else later
                case Never():
                    # An opt-out explains more than a missing address does.
                    never = answer if never is None or answer.reason is Reason.OPTED_OUT else never
                case _:
                    assert_never(answer)
    if later is not None:
        return Wait(stage, due_on, episode, attempt, later.at, later.reason, later.rule)
    if mark is not None and mark.status == "unsent" and never is None:
        return None
    reason, rule = (never.reason, never.rule) if never is not None else (Reason.NO_CONTACT_POINT, "party.points")
    return Skip(stage, due_on, episode, attempt, _ids(loans), reason, rule)


def _covered_by_pending(loan: Loan, *, overdue: bool) -> bool:
    """Money on its way silences the loan: whatever we said about its amount could be wrong on arrival."""
    return bool(loan.pending) and amount_due(loan, overdue=overdue).is_positive


# ── Escalation ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _escalate(
    borrower: Borrower,
    case: Case,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    today: date,
    late: Sequence[_Due],
    marks: dict[str, StageMark],
    actions: list[Action],
) -> datetime | None:
    """The case's next step; returns when to look again at the latest (None: it ended)."""
    if not late:
        left = bool(borrower.loans) and all(
            loan.status in (LoanStatus.SOLD, LoanStatus.PLACED, LoanStatus.CHARGED_OFF) for loan in borrower.loans
        )
        outcome = CaseOutcome.CLOSED if left else CaseOutcome.CURED
        actions.append(EndCase(outcome, Reason.LOAN_NOT_OPEN if left else Reason.PAID))
        return None
    if case.rounds >= strategy.max_rounds or now - case.opened_at > timedelta(days=strategy.max_case_days):
        actions.append(EndCase(CaseOutcome.REFERRED, Reason.NOT_RELEASED))
        return None
    loans = tuple(due.loan for due in sorted(late, key=lambda due: (-due.days, due.loan.loan_id)))
    days = max(due.days for due in late)
    previous: StageMark | None = None
    for stage in strategy.stages:
        if stage.kind == "reminder":
            continue
        mark = marks.get(mark_id(case.due_on, stage.stage_id, case.episode))
        if mark is not None and mark.status == "told":
            previous = mark
            continue
        if mark is not None and mark.status == "requested":
            return now + timedelta(days=1)  # its outcome rings; this is for an outcome that was lost
        starts = _opens(borrower, strategy, stage, today + timedelta(days=stage.offset_days - days))
        if previous is not None:
            gap_over = local_date(previous.at, borrower.zone) + timedelta(days=stage.gap_days)
            starts = max(starts, _opens(borrower, strategy, stage, gap_over))
        if starts > now:
            return starts
        if stage.kind == "referral":
            held = holding(borrower, stage.purpose, policy, now)
            if held is not None:
                return min(held.at, now + timedelta(days=7))
            actions.append(EndCase(CaseOutcome.REFERRED, Reason.STAGE_DUE))
            return None
        attempt = 0 if mark is None else mark.attempt + (mark.status == "unsent")
        action = _offer(
            borrower, strategy, policy, now, stage, case.due_on, case.episode, attempt, mark, loans, overdue=True
        )
        match action:
            case Request():
                actions.append(action)
                return now + timedelta(days=1)
            case Wait():
                actions.append(action)
                # A condition of ours may take long to end: every look is a round, and rounds are counted.
                return min(max(action.until, now + LOOK_AGAIN * 6), now + timedelta(days=7))
            case Skip():
                actions.append(action)
                opted_out = action.reason is Reason.OPTED_OUT
                actions.append(EndCase(CaseOutcome.OPTED_OUT if opted_out else CaseOutcome.REFERRED, action.reason))
                return None
            case None:
                # Every permitted attempt ended unsent: the tiers must not go on as if it had been said.
                reason = mark.reason if mark is not None and mark.reason is not None else Reason.NO_CONTACT_POINT
                opted_out = reason is Reason.OPTED_OUT or reason is Reason.PROVIDER_OPTED_OUT
                actions.append(EndCase(CaseOutcome.OPTED_OUT if opted_out else CaseOutcome.REFERRED, reason))
                return None
            case _:
                assert_never(action)
    actions.append(EndCase(CaseOutcome.REFERRED, Reason.STAGE_DUE))
    return None
