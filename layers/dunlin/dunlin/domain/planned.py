"""A plan once it was chosen: agreed, carried by the core, kept to, missed, broken. Pure.

While a plan is live its loans' arrears are asked for by nobody: what is due is its next instalment. What is left of an
instalment is the core's figure where its snapshots carry the plan, else what the payments since have left of it, the
oldest instalment first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import assert_never

from dunlin.domain.actions import Action, PlanMoves, PlanStep
from dunlin.domain.agreements import AnswerPolicy, Credit, Plan, PlanDue, PlanStatus, TaskKind
from dunlin.domain.borrower import Borrower, Hold, Loan, Notice
from dunlin.domain.hours import at_local, local_date
from dunlin.domain.message import Figure
from dunlin.domain.money import Money, total
from dunlin.domain.parties import occasion_of
from dunlin.domain.permit import LOOK_AGAIN, holding, is_stale
from dunlin.domain.plans import Offer, Upkeep
from dunlin.domain.policy import HoldRule, Policy
from dunlin.domain.promising import counted
from dunlin.domain.stops import admitted, placed
from dunlin.domain.tasks import with_task
from dunlin.domain.words import HoldKind, LoanStatus, Purpose, Reason, StopSource

AGREED, NEXT, MISSED = "plan_agreed", "plan_in_force", "plan_missed"

LIVE = frozenset({PlanStatus.AGREED, PlanStatus.IN_FORCE})
#: What a policy counts as a plan of the last year.
_COUNTED = LIVE | {PlanStatus.KEPT, PlanStatus.BROKEN}
#: No limit on plans looks further back.
PLANS_KEPT = timedelta(days=366)
#: The stops outlive a plan's last possible day by this, so that its end is known before anything is said.
_OUTLIVES = timedelta(days=1)
#: Whoever kept a plan to its end is not asked for anything else at once.
REST_AFTER = timedelta(days=3)
_MOST_CREDITS = 200
_DAY = timedelta(days=1)
_GONE = frozenset({LoanStatus.SOLD, LoanStatus.PLACED, LoanStatus.CHARGED_OFF})
#: What a plan itself stops by; under any other stop nobody judges whether it was kept to.
_ITS_OWN = frozenset({HoldKind.PLAN, HoldKind.PROMISE})


# ── Which plans there are ────────────────────────────────────────────────────────────────────────────────────────────


def live_plans(borrower: Borrower) -> tuple[Plan, ...]:
    """The plans that bind now."""
    return tuple(plan for plan in borrower.plans if plan.status in LIVE)


def planned_loans(borrower: Borrower) -> frozenset[str]:
    """The loans whose arrears are in a plan that binds now."""
    return frozenset(loan_id for plan in live_plans(borrower) for loan_id in plan.loan_ids)


def beside_plans(borrower: Borrower, today: date) -> Borrower:
    """The borrower as the strategy sees them: of a loan in a plan only what falls due beside the plan and is not late.

    Arrears, and what is due on a day of the plan, are the plan's to speak of.
    """
    if not live_plans(borrower):
        return borrower
    days = {
        loan_id: {due.due_on for due in plan.instalments} for plan in live_plans(borrower) for loan_id in plan.loan_ids
    }

    def seen(loan: Loan) -> Loan:
        if loan.loan_id not in days:
            return loan
        left = tuple(
            each for each in loan.instalments if each.due_on >= today and each.due_on not in days[loan.loan_id]
        )
        return replace(loan, instalments=left, overdue=None, days_past_due=None)

    return replace(borrower, loans=tuple(seen(loan) for loan in borrower.loans))


def plans_since(borrower: Borrower, since: datetime) -> int:
    """How many plans were agreed after `since`, the ones that bind among them."""
    return sum(
        plan.status in LIVE or (plan.status in _COUNTED and plan.agreed_at is not None and plan.agreed_at > since)
        for plan in borrower.plans
    )


def plans_kept(borrower: Borrower, now: datetime) -> tuple[Plan, ...]:
    """Those that bind, and those that a limit can still count."""
    return tuple(
        plan for plan in borrower.plans if plan.status in LIVE or (plan.agreed_at or plan.chosen_at) > now - PLANS_KEPT
    )


# ── From the choice to the agreement ─────────────────────────────────────────────────────────────────────────────────


def proposed(
    offer: Offer, party_id: str, loan_ids: tuple[str, ...], plan_id: str, at: datetime, upkeep: Upkeep
) -> Plan:
    """The plan that somebody chose."""
    return Plan(
        plan_id=plan_id,
        party_id=party_id,
        loan_ids=loan_ids,
        instalments=tuple(PlanDue(payment.due_on, payment.amount) for payment in offer.instalments),
        debt=offer.debt,
        chosen_at=at,
        upkeep=upkeep,
        offer=offer,
    )


def lasts(plan: Plan, row: HoldRule, at: datetime, zone: str) -> bool:
    """Whether the table lets a stop last as long as the plan can."""
    return row.longest_for is None or _over_at(plan, zone) - at <= row.longest_for


def agreed(
    borrower: Borrower, plan: Plan, by: str, at: datetime, source: StopSource, stops: Mapping[HoldKind, HoldRule]
) -> Borrower:
    """The borrower for whom this plan binds, and of whose arrears nobody asks for its loans. `by`: a rule of the
    policy, or a staff id."""
    binding = replace(
        plan,
        status=PlanStatus.AGREED,
        agreed_at=at,
        agreed_by=by,
        take_up_by=at + timedelta(hours=plan.upkeep.take_up_hours),
        news=(*plan.news, "agreed"),
    )
    after = with_plan(borrower, binding)
    row = stops[HoldKind.PLAN]
    for hold in stops_of(binding, row, at, source, borrower.zone):
        after = placed(after, admitted(hold, row), stops)
    return after


def stops_of(plan: Plan, row: HoldRule, at: datetime, source: StopSource, zone: str) -> tuple[Hold, ...]:
    """The stops of a plan, one for each of its loans, or one for all where the table does not tell loans apart."""
    until = _over_at(plan, zone)
    if row.longest_for is not None:
        until = min(until, at + row.longest_for)
    loan_ids = plan.loan_ids if "loan" in row.narrows else ("",)
    return tuple(
        Hold(hold_id, HoldKind.PLAN, at, str(source), until, loan_id)
        for hold_id, loan_id in zip(_hold_ids(plan), loan_ids, strict=False)
    )


def _hold_ids(plan: Plan) -> Iterator[str]:
    first = f"{HoldKind.PLAN}-{plan.plan_id}"
    yield first
    yield from (f"{first}-{number}" for number in range(2, len(plan.loan_ids) + 1))


def _over_at(plan: Plan, zone: str) -> datetime:
    last = plan.instalments[-1].due_on + timedelta(days=1 + plan.upkeep.grace_days + 1 + plan.upkeep.cure_days)
    return at_local(last, 0, zone) + _OUTLIVES


def with_plan(borrower: Borrower, plan: Plan) -> Borrower:
    """The borrower with this plan in the place of what was known of it."""
    others = tuple(each for each in borrower.plans if each.plan_id != plan.plan_id)
    return replace(borrower, plans=(*others, plan))


def _without_stops(borrower: Borrower, plan: Plan) -> Borrower:
    ours = frozenset(_hold_ids(plan))
    return replace(borrower, holds=tuple(hold for hold in borrower.holds if hold.hold_id not in ours))


# ── What the core says of it ─────────────────────────────────────────────────────────────────────────────────────────


def taken_up(
    borrower: Borrower, plan: Plan, at: datetime, instalments: tuple[PlanDue, ...], *, in_snapshots: bool
) -> Borrower:
    """The borrower whose plan the core carries: its word prevails, over what was broken or kept too. `instalments`
    where it says them anew."""
    if plan.core_at is not None and at < plan.core_at:
        return borrower
    in_force = replace(
        plan,
        status=PlanStatus.IN_FORCE,
        core_at=at,
        agreed_at=plan.agreed_at or at,
        in_snapshots=in_snapshots,
        instalments=instalments or plan.instalments,
        ended_at=None,
    )
    if plan.status not in LIVE:
        in_force = replace(in_force, missed=None, missed_at=None)
    return with_plan(borrower, in_force)


def ended_by_core(borrower: Borrower, plan: Plan, status: PlanStatus, at: datetime) -> Borrower:
    """The borrower whose plan the core ended."""
    if plan.core_at is not None and at < plan.core_at:
        return borrower
    over = replace(plan, status=status, core_at=at, ended_at=at, missed=None, missed_at=None)
    return _without_stops(with_plan(borrower, over), plan)


def held_by_core(borrower: Borrower, hold: Hold) -> Borrower:
    """The borrower whose core placed a stop for a plan: so it carries the one that was agreed."""
    for plan in borrower.plans:
        ours = not hold.loan_id or hold.loan_id in plan.loan_ids
        if (
            plan.status is PlanStatus.AGREED
            and ours
            and plan.agreed_at is not None
            and plan.agreed_at <= hold.placed_at
        ):
            borrower = taken_up(borrower, plan, hold.placed_at, (), in_snapshots=plan.in_snapshots)
    return borrower


def let_go(borrower: Borrower, hold_id: str, at: datetime) -> Borrower:
    """The borrower of whom somebody lifted a stop: if it was a plan's, that plan is over."""
    for plan in live_plans(borrower):
        if hold_id in _hold_ids(plan) and plan.agreed_at is not None and plan.agreed_at <= at:
            borrower = ended_by_core(borrower, plan, PlanStatus.WITHDRAWN, at)
    return borrower


# ── Payments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def credited(borrower: Borrower, loan_id: str, credit: Credit) -> Borrower:
    """The borrower whose plans know of this payment, or that it was taken back; told twice, it counts once."""

    def after(plan: Plan) -> Plan:
        if loan_id not in plan.loan_ids or plan.status is PlanStatus.WITHDRAWN:
            return plan
        if credit.paid_at < plan.chosen_at and not credit.returned:
            return plan
        return replace(plan, credits=_fewer(counted(plan.credits, credit)))

    if not borrower.plans:
        return borrower
    return replace(borrower, plans=tuple(after(plan) for plan in borrower.plans))


def _fewer(counted: tuple[Credit, ...]) -> tuple[Credit, ...]:
    """Not more than an item holds; what is left out of the list is counted with the next one of it."""
    while len(counted) > _MOST_CREDITS:
        first, second, *rest = counted
        if first.returned or second.returned:
            counted = (second if first.returned else first, *rest)
        else:
            counted = (replace(second, amount=first.amount + second.amount), *rest)
    return counted


def paid_towards(plan: Plan) -> Money:
    """What has come for it and was not taken back."""
    currency = plan.debt.currency
    return total(
        (each.amount for each in plan.credits if not each.returned and each.amount.currency == currency), currency
    )


def open_dues(borrower: Borrower, plan: Plan) -> tuple[tuple[int, PlanDue], ...]:
    """What of the plan is not paid, the oldest first: the instalment's number, its day, and what is left of it. Nothing
    once its loans are paid off, or have left us."""
    loans = _open_loans(borrower, plan)
    if not loans:
        return ()
    left, rest = paid_towards(plan), []
    for due in plan.instalments:
        used = min(left, due.amount, key=lambda money: money.amount)
        left = left - used
        rest.append(replace(due, amount=due.amount - used))
    if plan.in_snapshots and plan.core_at is not None and all(loan.as_of >= plan.core_at for loan in loans):
        rest = list(_in_snapshots(borrower, loans, rest))
    return tuple((number, due) for number, due in enumerate(rest, 1) if due.amount.is_positive)


def _open_loans(borrower: Borrower, plan: Plan) -> tuple[Loan, ...]:
    return tuple(
        loan
        for loan in borrower.loans
        if loan.loan_id in plan.loan_ids and loan.status is LoanStatus.OPEN and loan.instalments
    )


def _in_snapshots(borrower: Borrower, loans: tuple[Loan, ...], rest: Iterable[PlanDue]) -> Iterator[PlanDue]:
    """The instalments as the core has them; beyond what it looks ahead, as the payments leave them."""
    listed: dict[date, list[Money]] = {}
    for loan in loans:
        for each in loan.instalments:
            listed.setdefault(each.due_on, []).append(each.outstanding)
    known_to = max(*listed, *(local_date(loan.as_of, borrower.zone) for loan in loans))
    for due in rest:
        currency = due.amount.currency
        if due.due_on in listed:
            yield replace(due, amount=total(listed[due.due_on], currency))
        elif due.due_on <= known_to:
            yield replace(due, amount=total((), currency))
        else:
            yield due


# ── Moments ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def look_at_plans(
    borrower: Borrower, policy: Policy, now: datetime, actions: list[Action], moments: list[datetime]
) -> None:
    """Add what the plans' moments bring, and when the next one is."""
    before = len(actions)
    for plan in borrower.plans:
        if plan.status in LIVE:
            _look_at(borrower, plan, policy, now, actions, moments)
        elif (
            plan.status is PlanStatus.KEPT and any(each.returned for each in plan.credits) and open_dues(borrower, plan)
        ):
            actions.append(PlanMoves(plan.plan_id, PlanStep.REOPENED))
    if len(actions) > before:
        moments.append(now)  # what they bring is to be said, and told


def _look_at(
    borrower: Borrower, plan: Plan, policy: Policy, now: datetime, actions: list[Action], moments: list[datetime]
) -> None:
    dues = open_dues(borrower, plan)
    if not dues:
        statuses = {loan.status for loan in borrower.loans if loan.loan_id in plan.loan_ids}
        is_gone = not statuses or bool(statuses & _GONE)
        actions.append(PlanMoves(plan.plan_id, PlanStep.WITHDRAWN if is_gone else PlanStep.KEPT))
        return
    if plan.status is PlanStatus.AGREED and not plan.called and plan.take_up_by is not None:
        if now >= plan.take_up_by:
            actions.append(PlanMoves(plan.plan_id, PlanStep.NOT_TAKEN_UP))
        else:
            moments.append(plan.take_up_by)
    number, due = dues[0]
    if plan.missed is not None and plan.missed_at is not None:
        if number > plan.missed:
            actions.append(PlanMoves(plan.plan_id, PlanStep.CURED, plan.missed))
            return
        until = at_local(cure_until(plan, plan.missed_at, borrower.zone) + _DAY, 0, borrower.zone)
        if now < until:
            moments.append(until)
        elif _is_certain(borrower, plan, policy, now):
            actions.append(PlanMoves(plan.plan_id, PlanStep.BROKEN, number))
        else:
            moments.append(now + LOOK_AGAIN * 6)
        return
    missed_from = at_local(due.due_on + timedelta(days=1 + plan.upkeep.grace_days), 0, borrower.zone)
    if now >= missed_from:
        if _is_certain(borrower, plan, policy, now):
            actions.append(PlanMoves(plan.plan_id, PlanStep.MISSED, number))
        else:
            moments.append(now + LOOK_AGAIN * 6)
        return
    moments.append(missed_from)
    _remind(borrower, plan, number, due, now, actions, moments)


def _remind(
    borrower: Borrower,
    plan: Plan,
    number: int,
    due: PlanDue,
    now: datetime,
    actions: list[Action],
    moments: list[datetime],
) -> None:
    """The reminder whose days have begun; one that the next has overtaken is not made up for."""
    today = local_date(now, borrower.zone)
    begun = [days for days in plan.upkeep.remind_days if due.due_on - timedelta(days=days) <= today]
    coming = [days for days in plan.upkeep.remind_days if days not in begun]
    if coming:
        moments.append(at_local(due.due_on - timedelta(days=max(coming)), 0, borrower.zone))
    agreed_on = local_date(plan.agreed_at or plan.chosen_at, borrower.zone)
    if not begun or today > due.due_on:
        return
    if today <= agreed_on:  # they have just been told
        moments.append(at_local(agreed_on + _DAY, 0, borrower.zone))
    elif _key(number, min(begun)) not in plan.reminded:
        actions.append(PlanMoves(plan.plan_id, PlanStep.REMINDED, number, min(begun)))


def _is_certain(borrower: Borrower, plan: Plan, policy: Policy, now: datetime) -> bool:
    """Whether it can be said that money has not come: figures as fresh as any text needs them, none on its way, and
    nobody looking at something that has to be settled first."""
    loans = _open_loans(borrower, plan)
    if any(loan.pending or is_stale(borrower, loan, policy, now) for loan in loans):
        return False
    return holding(borrower, Purpose.COLLECTION, policy, now, loans=loans, despite=_ITS_OWN) is None


def cure_until(plan: Plan, missed_at: datetime, zone: str) -> date:
    """The last day on which what was missed can still be paid."""
    return local_date(missed_at, zone) + timedelta(days=plan.upkeep.cure_days)


def _key(number: int, days: int) -> str:
    return f"{number}_{days}"


def moved(borrower: Borrower, action: PlanMoves, policy: Policy, now: datetime) -> Borrower:
    """The borrower to whose plan this has happened, who is told what is to be said of it."""
    plan = next(plan for plan in borrower.plans if plan.plan_id == action.plan_id)
    match action.step:
        case PlanStep.REMINDED:
            key = _key(action.number, action.days)
            return _said(borrower, replace(plan, reminded=(*plan.reminded, key)), NEXT, key, now)
        case PlanStep.MISSED:
            misses = plan.misses + 1
            news = (*plan.news, f"missed.{misses}")
            missed = replace(plan, missed=action.number, missed_at=now, misses=misses, news=news)
            return _said(borrower, missed, MISSED, str(misses), now)
        case PlanStep.CURED:
            cured = replace(plan, missed=None, missed_at=None, news=(*plan.news, f"cured.{plan.misses}"))
            return with_plan(borrower, cured)
        case PlanStep.NOT_TAKEN_UP:
            return _called(with_plan(borrower, replace(plan, called=True)), plan, action.step, policy.answers, now)
        case PlanStep.KEPT | PlanStep.BROKEN | PlanStep.WITHDRAWN:
            over = replace(plan, status=PlanStatus(action.step), ended_at=now, news=(*plan.news, str(action.step)))
            after = with_plan(borrower, over)
            if action.step is PlanStep.KEPT:
                # They have just kept to it: what else is late can wait for a moment.
                ours = frozenset(_hold_ids(plan))
                ends = now + REST_AFTER
                return replace(
                    after,
                    holds=tuple(replace(h, until=ends) if h.hold_id in ours else h for h in after.holds),
                )
            after = _without_stops(after, plan)
            if action.step is PlanStep.BROKEN and plan.upkeep.person_when_broken:
                return _called(after, plan, action.step, policy.answers, now)
            return after
        case PlanStep.REOPENED:
            again = replace(plan, status=PlanStatus.IN_FORCE, ended_at=None, missed=None, missed_at=None)
            again = replace(again, news=(*again.news, str(action.step)))
            after = with_plan(borrower, again)
            row = next((rule for rule in policy.pack.holds if rule.kind is HoldKind.PLAN), None)
            holds = stops_of(again, row, now, StopSource.CORE, borrower.zone) if row is not None else ()
            return replace(after, holds=(*after.holds, *holds))
        case _:
            assert_never(action.step)


def _called(borrower: Borrower, plan: Plan, step: PlanStep, answers: AnswerPolicy, now: datetime) -> Borrower:
    return with_task(borrower, TaskKind.PLAN, plan.party_id, f"{plan.plan_id}-{step}", answers, now)


# ── What is said of it ───────────────────────────────────────────────────────────────────────────────────────────────


def _said(borrower: Borrower, plan: Plan, message: str, which: str, now: datetime) -> Borrower:
    """The borrower who is to be told of the next instalment, or of one that was missed."""
    after = with_plan(borrower, plan)
    notice_id = f"{message}-{plan.plan_id}.{which}"
    dues = open_dues(after, plan)
    about = _named(after, plan)
    if not dues or about is None or any(notice.notice_id == notice_id for notice in after.notices):
        return after
    facts = _figures(plan, dues[0][1], message, after.zone)
    to = occasion_of(after, plan.party_id)
    notice = Notice(notice_id, message, now, to, (about.loan_id,), facts)
    return replace(after, notices=(*after.notices, notice))


def _named(borrower: Borrower, plan: Plan) -> Loan | None:
    """The loan that words about the plan name: the first of it that is not paid off."""
    loans = {loan.loan_id: loan for loan in _open_loans(borrower, plan)}
    return next((loans[loan_id] for loan_id in plan.loan_ids if loan_id in loans), None)


def _figures(plan: Plan, due: PlanDue, message: str, zone: str) -> tuple[Figure, ...]:
    facts = (Figure("amount", str(due.amount)), Figure("due_on", due.due_on.isoformat()))
    if message == MISSED and plan.missed_at is not None:
        return (*facts, Figure("respond_by", cure_until(plan, plan.missed_at, zone).isoformat()))
    return facts


def out_of_date(borrower: Borrower, notice: Notice) -> tuple[Reason, str] | None:
    """Why a word of ours about a plan is not true any more; None while it is, and for what is no such word."""
    said, _, rest = notice.notice_id.partition("-")
    plan_id, _, _ = rest.rpartition(".")
    plan = next((plan for plan in borrower.plans if plan.plan_id == plan_id), None)
    if said != notice.message or notice.message not in (NEXT, MISSED) or plan is None:
        return None
    if plan.status not in LIVE or (notice.message == MISSED and plan.missed is None):
        return Reason.FACTS_CHANGED, "plan.status"
    dues = open_dues(borrower, plan)
    if not dues or _figures(plan, dues[0][1], notice.message, borrower.zone) != notice.facts:
        return Reason.PAID, "plan.instalments"
    return None


def next_due(borrower: Borrower, party_id: str, policy: Policy, now: datetime) -> tuple[Figure, ...] | None:
    """What somebody with a plan owes next, as an answer says it; None where there is none, or nothing certain."""
    plan = next((plan for plan in live_plans(borrower) if plan.party_id == party_id), None)
    if plan is None:
        return None
    dues, about = open_dues(borrower, plan), _named(borrower, plan)
    if not dues or about is None:
        return None
    if any(loan.pending or is_stale(borrower, loan, policy, now) for loan in _open_loans(borrower, plan)):
        return None
    return (Figure("tail", about.account_tail), *_figures(plan, dues[0][1], NEXT, borrower.zone))


def agreed_facts(borrower: Borrower, plan_id: str) -> tuple[Figure, ...] | None:
    """What the confirmation of a plan says; None once it does not bind any more."""
    plan = next((plan for plan in live_plans(borrower) if plan.plan_id == plan_id), None)
    about = _named(borrower, plan) if plan is not None else None
    if plan is None or about is None:
        return None
    return (Figure("tail", about.account_tail), *plan_facts(plan.instalments))


def plan_facts(instalments: tuple[PlanDue, ...]) -> tuple[Figure, ...]:
    """What is said of a plan that was agreed; the payments need not be equal, so not "so many of this amount"."""
    whole = total((due.amount for due in instalments), instalments[0].amount.currency)
    return (
        Figure("instalments", str(len(instalments))),
        Figure("first_amount", str(instalments[0].amount)),
        Figure("first_due_on", instalments[0].due_on.isoformat()),
        Figure("total", str(whole)),
    )


# ── What others are told of it ───────────────────────────────────────────────────────────────────────────────────────


def untold(borrower: Borrower) -> tuple[tuple[Plan, str], ...]:
    """What happened to plans that nobody else has been told of yet."""
    return tuple((plan, what) for plan in borrower.plans for what in plan.news)


def told(borrower: Borrower) -> Borrower:
    """The borrower of whose plans everything was told."""
    return replace(borrower, plans=tuple(replace(plan, news=()) if plan.news else plan for plan in borrower.plans))
