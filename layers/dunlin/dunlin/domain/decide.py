"""What should be said to a borrower now, what should not and why, and when to look again.

    decide(borrower, strategy, policy, now) -> Decision

Frozen data in and out: no clock, no I/O, no randomness. The same function runs in Lambda, in planning, in simulation
and under the property tests, so what a plan shows is what production does.

Each loan is judged by its oldest unpaid instalment. Loans that fall due on one day make one message. Before and
shortly after the due date the *reminder* stages apply, each on its days only: one that was missed is overtaken, never
made up for in a burst. From the first tier's day on, all overdue loans of the borrower belong to one *case*; its tiers
come in order, each once, with a gap between them, however late the system wakes up.

A stage is the primary borrower's. Co-borrowers and guarantors whom it addresses too have occasions of their own beside
it: about the loans they are on, where they may be reached, and without a say in when the next tier comes.

What the core asks to be said (`notices`) is said beside all this, once each. What is in a plan (`planned`) is left to
the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import assert_never

from dunlin.domain.actions import Action, EndCase, OpenCase, Request, Skip, Wait
from dunlin.domain.borrower import Borrower, Case, Loan, Party, StageMark
from dunlin.domain.hours import at_local, local_date
from dunlin.domain.notices import tell_notices
from dunlin.domain.occasion import mark_id, notice_of
from dunlin.domain.offer import OURS, OURS_REST, Way, resting, way_to
from dunlin.domain.parties import addressee, further_parties, loans_told, principal_of, told_as
from dunlin.domain.permit import LOOK_AGAIN, Later, Never, escalation_stop
from dunlin.domain.planned import beside_plans, look_at_plans, planned_loans
from dunlin.domain.policy import Policy, Stage, Strategy
from dunlin.domain.promising import look_at_promises
from dunlin.domain.statement import amount_due, days_past_due
from dunlin.domain.words import CaseOutcome, CaseStatus, Channel, LoanStatus, Purpose, Reason, UnderStop

#: A case that waits for somebody to review the rules of a place waits no longer than any case.
WITHOUT_RULES_AT_MOST = timedelta(days=300)
#: How long a mark is kept after its due date no longer matters.
MARKS_KEPT = timedelta(days=120)
#: Whose end says that the person wants nothing of it on that channel.
_OPTED_OUT = frozenset({Reason.OPTED_OUT, Reason.PROVIDER_OPTED_OUT})


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
    whole, borrower = borrower, beside_plans(borrower, today)
    owed = [
        _Due(loan, days_past_due(loan, today, local_date(loan.as_of, borrower.zone)))
        for loan in borrower.loans
        if loan.status is LoanStatus.OPEN and loan.instalments
    ]
    case = borrower.case if borrower.case is not None and borrower.case.status is CaseStatus.OPEN else None
    actions: list[Action] = []
    moments: list[datetime] = []
    if borrower.promises:
        look_at_promises(whole, now, actions, moments)
    if borrower.plans:
        look_at_plans(whole, policy, now, actions, moments)
    if not owed and case is None and not borrower.marks and not borrower.notices:
        has_agreed = borrower.promises or borrower.plans
        return Decision(tuple(actions), (), min(moments, default=None), None) if has_agreed else _NOTHING

    marks = {mark.mark_id: mark for mark in borrower.marks}
    tiers_from = strategy.tiers_from
    if borrower.with_person_to is not None:
        owed = [due for due in owed if not borrower.is_with_a_person(due.loan)]
    late = [due for due in owed if due.days >= 1]

    if case is None:
        fresh = [due.loan.instalments[0].due_on for due in late if due.days >= tiers_from]
        if fresh:
            actions.append(OpenCase(min(fresh), strategy.strategy_id))
            moments.append(now)
    reminded = [due for due in owed if due.days < tiers_from and (case is None or due.days < 1)]
    if marks:
        actions.extend(_settled_meanwhile(borrower, strategy, reminded, marks))
    others = further_parties(borrower)
    if reminded:
        busy = any(mark.status == "requested" and not mark.principal_id for mark in borrower.marks)
        _remind(borrower, strategy, policy, now, today, reminded, marks, actions, moments, busy=busy)
        for principal in others:
            theirs = _on(principal, reminded)
            if theirs:
                busy = _is_busy(marks, actions)
                _remind(
                    borrower, strategy, policy, now, today, theirs, marks, actions, moments, busy=busy, to=principal
                )

    if borrower.notices:
        tell_notices(whole, strategy, policy, now, marks, actions, moments)

    case_actions: list[Action] = []
    ring_at: datetime | None = None
    if case is not None:
        ring_at = _escalate(borrower, case, strategy, policy, now, today, late, marks, case_actions)
        if ring_at is not None:
            moments.append(ring_at)
            for principal in others:
                _tell_too(borrower, principal, case, strategy, policy, now, today, late, marks, actions, moments)
    return Decision(tuple(actions), tuple(case_actions), min(moments, default=None), ring_at)


# ── Reminders ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _settled_meanwhile(
    borrower: Borrower, strategy: Strategy, reminded: Sequence[_Due], marks: dict[str, StageMark]
) -> Iterable[Skip]:
    """Reminders that were waiting for their moment when the money came, or when a case took the loan over; and whatever
    waits for a stage that the strategy followed now does not have, or in a case that is over."""
    for mark in marks.values():
        if mark.status != "waiting" or notice_of(mark.stage) or _is_in_case(borrower, mark):
            continue
        if mark.episode or mark.stage not in strategy.by_id:
            rule = "case" if mark.episode else "strategy.stages"
            yield _settled(strategy, mark, mark.reason or Reason.OVERTAKEN, rule)
            continue
        principal = principal_of(borrower, mark.principal_id)
        loans: Iterable[Loan] = borrower.loans
        if mark.principal_id:
            if principal is None or principal.role not in strategy.by_id[mark.stage].to:
                yield _left(strategy, mark)
                continue
            loans = [loan for loan in borrower.loans if principal.is_on(loan.loan_id)]
        if any(
            due.loan.instalments[0].due_on == mark.due_on and (principal is None or principal.is_on(due.loan.loan_id))
            for due in reminded
        ):
            continue
        opened = [loan for loan in loans if loan.status is LoanStatus.OPEN]
        if any(loan.instalments and loan.instalments[0].due_on == mark.due_on for loan in opened):
            reason = mark.reason or Reason.OVERTAKEN
        elif any(loan.loan_id in planned_loans(borrower) for loan in opened):
            reason = Reason.PLAN_AGREED
        else:
            reason = Reason.PAID if opened else Reason.LOAN_NOT_OPEN
        yield _settled(strategy, mark, reason, "loan.instalments")


def _is_in_case(borrower: Borrower, mark: StageMark) -> bool:
    """Whether it is a tier of the case that is open: what is waiting there ends with the case at the latest."""
    case = borrower.case
    return case is not None and case.status is CaseStatus.OPEN and mark.episode == case.episode


def _settled(strategy: Strategy, mark: StageMark, reason: Reason, rule: str) -> Skip:
    """The end of something that was waiting for its moment."""
    stage = strategy.by_id.get(mark.stage) or _stage_elsewhere(mark)
    return Skip(stage, mark.due_on, mark.episode, mark.attempt, (), reason, rule, mark.principal_id)


def _stage_elsewhere(mark: StageMark) -> Stage:
    """A stage that the strategy followed now does not have: another one led when it began to wait. Nothing of it is
    said any more; it only has to end as what it was."""
    is_tier = mark.episode > 0
    return Stage(
        stage_id=mark.stage,
        kind="tier" if is_tier else "reminder",
        offset_days=0,
        lasts_days=0,
        gap_days=0,
        purpose=Purpose.COLLECTION if is_tier or mark.at.date() > mark.due_on else Purpose.SERVICING,
        template="",
        channels=(Channel.SMS,),
        priority=9,
    )


def _left(strategy: Strategy, mark: StageMark) -> Skip:
    """The end of what was waiting for somebody who is no further party to the loans any more."""
    return _settled(strategy, mark, Reason.NOT_A_PARTY, "parties")


def _on(principal: Party, owed: Sequence[_Due]) -> list[_Due]:
    """What is owed on the loans that this party is on."""
    return [due for due in owed if principal.is_on(due.loan.loan_id)]


def _is_busy(marks: dict[str, StageMark], actions: Iterable[Action]) -> bool:
    """Whether a message of this borrower's is on its way: a further party's waits, so that caps count the others'."""
    return any(mark.status == "requested" for mark in marks.values()) or any(
        isinstance(action, Request) for action in actions
    )


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
    to: Party | None = None,
) -> None:
    """The reminders to the primary borrower, or to a further party about the loans they are on."""
    principal_id = to.party_id if to is not None else ""
    stages = strategy.reminders
    if to is not None:
        stages = tuple(stage for stage in stages if to.role in stage.to)
        if not stages:
            return
    by_due_date: dict[date, list[_Due]] = {}
    for due in reminded:
        by_due_date.setdefault(due.loan.instalments[0].due_on, []).append(due)
    for due_on, group in sorted(by_due_date.items()):
        days = max(due.days for due in group)
        loans = tuple(due.loan for due in group)
        if days <= 0 and due_on < today:
            # The core does not count this day as late: whatever we said about the due date would be wrong.
            moments.append(_opens(borrower, strategy, stages[0], today + timedelta(days=1)))
            continue
        for stage in stages:
            if days < stage.offset_days:
                moments.append(_opens(borrower, strategy, stage, today + timedelta(days=stage.offset_days - days)))
                break
            mark = marks.get(mark_id(due_on, stage.stage_id, 0, principal_id))
            if mark is not None and mark.status in ("told", "requested", "over"):
                continue
            attempt = 0 if mark is None else mark.attempt + (mark.status == "unsent")
            if days >= stage.offset_days + stage.lasts_days:
                if mark is None or mark.status == "waiting":
                    reason, rule = _why_not(mark)
                    actions.append(Skip(stage, due_on, 0, attempt, _ids(loans), reason, rule, principal_id))
                continue
            held_out = strategy.held_out(stage.stage_id, borrower.borrower_id)
            if held_out is not None:
                actions.append(Skip(stage, due_on, 0, attempt, _ids(loans), Reason.HOLDOUT, held_out, principal_id))
                continue
            if busy:
                continue
            action = _offer(
                borrower, strategy, policy, now, stage, due_on, 0, attempt, mark, loans, overdue=days > 0, to=to
            )
            if action is None:
                continue
            actions.append(action)
            if isinstance(action, Wait):
                passes = at_local(today + timedelta(days=stage.offset_days + stage.lasts_days - days), 0, borrower.zone)
                moments.append(min(action.until, passes))
            elif isinstance(action, Request):
                busy = True  # one conversation at a time: the others wait until this one is settled
        else:
            if to is not None:
                continue
            # No reminder is left to come: the next thing to say is the first tier.
            tier = next(stage for stage in strategy.stages if stage.kind == "tier")
            moments.append(_opens(borrower, strategy, tier, today + timedelta(days=tier.offset_days - days)))


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
    to: Party | None = None,
) -> Request | Wait | Skip | None:
    """What becomes of the stage now, an opt-out respected in spirit too: whoever has just said no on one channel is not
    told the same on another before the gap that lies between any two messages, a day at least."""
    action = _offer_now(
        borrower, strategy, policy, now, stage, due_on, episode, attempt, mark, loans, overdue=overdue, to=to
    )
    if mark is None or mark.reason not in _OPTED_OUT or not isinstance(action, (Request, Wait)):
        return action
    rests_until = mark.at + timedelta(days=max(1, strategy.min_gap_days))
    if now >= rests_until:
        return action
    until = max(rests_until, action.until) if isinstance(action, Wait) else rests_until
    principal_id = action.principal_id
    return Wait(stage, due_on, episode, attempt, until, mark.reason, "opt_out.rest", principal_id)


def _offer_now(
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
    to: Party | None = None,
) -> Request | Wait | Skip | None:
    """The stage's message on the first channel that is permitted now; else what it waits for, or why it ends.

    `to` is the further party whose occasion it is (None: the primary borrower's).
    """
    principal_id = to.party_id if to is not None else ""
    lost = () if mark is None else mark.lost_channels
    if mark is not None and attempt >= strategy.max_attempts + len(lost):
        if mark.reason not in OURS:
            return None  # its last attempt already ended with a reason
        if now < mark.at + OURS_REST:
            # What keeps failing on our side says nothing about the borrower: rest, then try again.
            return Wait(stage, due_on, episode, attempt, mark.at + OURS_REST, mark.reason, "max_attempts", principal_id)
    rest = resting(mark, now)
    if rest is not None:
        return Wait(stage, due_on, episode, attempt, rest.at, rest.reason, rest.rule, principal_id)
    currency = loans[0].currency
    loans = tuple(loan for loan in loans if loan.currency == currency)
    party = addressee(borrower, stage.purpose, to)
    told = loans_told(borrower, party, to, loans) if party is not None else ()
    if any(_covered_by_pending(loan, overdue=overdue) for loan in told or loans):
        at, reason = now + LOOK_AGAIN * 6, Reason.PAYMENT_PENDING
        return Wait(stage, due_on, episode, attempt, at, reason, "loan.pending", principal_id)
    if party is None or not told:
        rule = "party.may_hear" if party is None else "party.loan_ids"
        return Skip(stage, due_on, episode, attempt, _ids(loans), Reason.NOT_A_PARTY, rule, principal_id)
    loans = told
    template = stage.template_for(told_as(borrower, party, principal_id))
    way = way_to(borrower, party, loans, stage, strategy, policy, now, template=template, lost=lost)
    match way:
        case Way():
            point, line = way.point, way.line
            return Request(stage, due_on, episode, attempt, party, point, line, loans, way.until, principal_id)
        case Later():
            return Wait(stage, due_on, episode, attempt, way.at, way.reason, way.rule, principal_id)
        case None if mark is not None and mark.status == "unsent":
            return None
        case None:
            reason, rule = Reason.NO_CONTACT_POINT, "party.points"
        case Never():
            reason, rule = way.reason, way.rule
        case _:
            assert_never(way)
    return Skip(stage, due_on, episode, attempt, _ids(loans), reason, rule, principal_id)


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
        over = _nothing_late(borrower)
        actions.extend(_ended(case, strategy, marks, over.outcome, over.reason))
        return None
    if case.rounds >= strategy.max_rounds or now - case.opened_at > timedelta(days=strategy.max_case_days):
        actions.extend(_ended(case, strategy, marks, CaseOutcome.REFERRED, Reason.NOT_RELEASED))
        return None
    loans = tuple(due.loan for due in sorted(late, key=lambda due: (-due.days, due.loan.loan_id)))
    days = max(due.days for due in late)
    stop = escalation_stop(borrower, loans, policy, now)
    if stop is not None and stop[0] is UnderStop.ENDS:
        actions.extend(_ended(case, strategy, marks, CaseOutcome.REFERRED, Reason.HOLD, rule=stop[1].rule))
        return None
    tiers = [stage for stage in strategy.stages if stage.kind != "reminder"]
    told = [
        place
        for place, stage in enumerate(tiers)
        if (mark := marks.get(mark_id(case.due_on, stage.stage_id, case.episode))) is not None and mark.status == "told"
    ]
    # A tier that failed after a later one was told is not gone back to: the ladder has one direction.
    last = max(told, default=-1)
    previous = marks[mark_id(case.due_on, tiers[last].stage_id, case.episode)] if told else None
    for stage in tiers[last + 1 :]:
        mark = marks.get(mark_id(case.due_on, stage.stage_id, case.episode))
        if mark is not None and mark.status == "requested":
            return now + timedelta(days=1)  # its outcome rings; this is for an outcome that was lost
        starts = _opens(borrower, strategy, stage, today + timedelta(days=stage.offset_days - days))
        if previous is not None:
            gap_over = local_date(previous.at, borrower.zone) + timedelta(days=stage.gap_days)
            starts = max(starts, _opens(borrower, strategy, stage, gap_over))
        if starts > now:
            return starts
        if stop is not None:
            # No tier advances, whatever else is true of it by now, and not even a person is called.
            if stage.kind == "tier":
                attempt = 0 if mark is None else mark.attempt + (mark.status == "unsent")
                held = stop[1]
                actions.append(Wait(stage, case.due_on, case.episode, attempt, held.at, held.reason, held.rule))
            return min(stop[1].at, now + timedelta(days=7))
        if stage.kind == "referral":
            actions.extend(_ended(case, strategy, marks, CaseOutcome.REFERRED, Reason.STAGE_DUE))
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
                # A cap, a window or a hold ends when it says; a condition of ours may take long, and looks add up.
                exact = action.reason in (Reason.CAP, Reason.QUIET_HOURS, Reason.HOLD)
                again_at = action.until if exact else max(action.until, now + LOOK_AGAIN * 6)
                return min(again_at, now + timedelta(days=7))
            case Skip():
                actions.append(action)
                opted_out = action.reason is Reason.OPTED_OUT
                outcome = CaseOutcome.OPTED_OUT if opted_out else CaseOutcome.REFERRED
                actions.extend(_ended(case, strategy, marks, outcome, action.reason, but=stage.stage_id))
                return None
            case None:
                # Every permitted attempt ended unsent: the tiers must not go on as if it had been said.
                reason = mark.reason if mark is not None and mark.reason is not None else Reason.NO_CONTACT_POINT
                opted_out = reason is Reason.OPTED_OUT or reason is Reason.PROVIDER_OPTED_OUT
                outcome = CaseOutcome.OPTED_OUT if opted_out else CaseOutcome.REFERRED
                actions.extend(_ended(case, strategy, marks, outcome, reason))
                return None
            case _:
                assert_never(action)
    if stop is not None:
        return min(stop[1].at, now + timedelta(days=7))
    actions.extend(_ended(case, strategy, marks, CaseOutcome.REFERRED, Reason.STAGE_DUE))
    return None


def _nothing_late(borrower: Borrower) -> EndCase:
    """How a case ends in which nothing is asked for any more: a plan was agreed about it; it was cured; it left us."""
    gone = (LoanStatus.SOLD, LoanStatus.PLACED, LoanStatus.CHARGED_OFF)
    planned = planned_loans(borrower)
    if any(loan.loan_id in planned and loan.status is LoanStatus.OPEN for loan in borrower.loans):
        return EndCase(CaseOutcome.AGREED, Reason.PLAN_AGREED)
    others = [loan for loan in borrower.loans if loan.status is not LoanStatus.CLOSED]
    if others and all(loan.status in gone for loan in others):
        return EndCase(CaseOutcome.CLOSED, Reason.LOAN_NOT_OPEN)
    return EndCase(CaseOutcome.CURED, Reason.PAID)


def over_without_rules(borrower: Borrower, case: Case, now: datetime) -> EndCase | None:
    """Whether an open case is over where nobody reviewed the rules, so that nothing else may be decided there."""
    today = local_date(now, borrower.zone)
    borrower = beside_plans(borrower, today)
    if not any(
        days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) >= 1
        for loan in borrower.loans
        if loan.status is LoanStatus.OPEN and loan.instalments and not borrower.is_with_a_person(loan)
    ):
        return _nothing_late(borrower)
    if now - case.opened_at > WITHOUT_RULES_AT_MOST:
        return EndCase(CaseOutcome.REFERRED, Reason.CONTENT_NOT_LIVE, "pack")
    return None


def _ended(
    case: Case,
    strategy: Strategy,
    marks: dict[str, StageMark],
    outcome: CaseOutcome,
    reason: Reason,
    *,
    but: str = "",
    rule: str = "",
) -> Iterable[Action]:
    """The end of a case, and first of every tier that was still waiting in it (`but` is ended by its own action)."""
    for mark in marks.values():
        if mark.episode != case.episode or mark.status != "waiting":
            continue
        if mark.principal_id or mark.stage != but:
            yield _settled(strategy, mark, reason, rule or "case")
    yield EndCase(outcome, reason, rule)


# ── Further parties ──────────────────────────────────────────────────────────────────────────────────────────────────


def _tell_too(
    borrower: Borrower,
    principal: Party,
    case: Case,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    today: date,
    late: Sequence[_Due],
    marks: dict[str, StageMark],
    actions: list[Action],
    moments: list[datetime],
) -> None:
    """The tier that a co-borrower or guarantor hears: no later one than the primary borrower was told, about their own
    loans only, and only one that these loans are late enough for. What was still waiting of an earlier one is
    overtaken, so there is never more than one to say.
    """
    tiers = [stage for stage in strategy.stages if stage.kind == "tier"]
    ids = [mark_id(case.due_on, stage.stage_id, case.episode) for stage in tiers]
    last = max((n for n, its in enumerate(ids) if (m := marks.get(its)) is not None and m.status == "told"), default=-1)
    theirs = _on(principal, late)
    loans = tuple(due.loan for due in sorted(theirs, key=lambda due: (-due.days, due.loan.loan_id)))
    days = max((due.days for due in theirs), default=0)
    own = [marks.get(mark_id(case.due_on, stage.stage_id, case.episode, principal.party_id)) for stage in tiers]
    fits = [n for n, stage in enumerate(tiers[: last + 1]) if principal.role in stage.to and stage.offset_days <= days]
    current = fits[-1] if fits else -1
    for place, mark in enumerate(own):
        if mark is None or mark.status != "waiting" or place == current or (loans and place > current):
            continue
        reason = (mark.reason or Reason.OVERTAKEN) if loans else Reason.PAID
        actions.append(_settled(strategy, mark, reason, "stage.to" if loans else "loan.instalments"))
    if not loans:
        return
    for stage in tiers[: last + 1]:
        if principal.role in stage.to and stage.offset_days > days:
            # Theirs is not as late as the others' yet.
            moments.append(_opens(borrower, strategy, stage, today + timedelta(days=stage.offset_days - days)))
            break
    mark = own[current] if current >= 0 else None
    heard = [other for other in own if other is not None and other.status in ("told", "requested")]
    if (
        current < 0
        or (mark is not None and mark.status in ("told", "requested", "over"))
        or any(other is not None and other.status != "waiting" for other in own[current + 1 :])
        or _is_busy(marks, actions)
    ):
        return
    stage = tiers[current]
    if heard:
        gap_over = max(local_date(other.at, borrower.zone) for other in heard) + timedelta(days=stage.gap_days)
        starts = _opens(borrower, strategy, stage, gap_over)
        if starts > now:
            moments.append(starts)
            return
    stop = escalation_stop(borrower, loans, policy, now)
    if stop is not None:
        moments.append(min(max(stop[1].at, now + LOOK_AGAIN), now + timedelta(days=7)))
        return
    attempt = 0 if mark is None else mark.attempt + (mark.status == "unsent")
    action = _offer(
        borrower,
        strategy,
        policy,
        now,
        stage,
        case.due_on,
        case.episode,
        attempt,
        mark,
        loans,
        overdue=True,
        to=principal,
    )
    if action is not None:
        actions.append(action)
    if isinstance(action, Wait):
        moments.append(min(action.until, now + timedelta(days=7)))
