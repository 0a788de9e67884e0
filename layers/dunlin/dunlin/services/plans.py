"""What the lender and the core say of a plan, and what they are told of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from dunlin.domain.agreements import Plan, PlanDue, PlanStatus, Task
from dunlin.domain.borrower import Borrower, Notice
from dunlin.domain.hours import local_date
from dunlin.domain.message import Figure
from dunlin.domain.money import parse_money, total
from dunlin.domain.parties import occasion_of
from dunlin.domain.planned import AGREED, agreed, cure_until, ended_by_core, open_dues, plan_facts, stops_of, taken_up
from dunlin.domain.planned import proposed as proposal
from dunlin.domain.plans import Offer, PlanPolicy, Upkeep
from dunlin.domain.policy import HoldRule
from dunlin.domain.promising import owed_by
from dunlin.domain.schedules import Payment
from dunlin.domain.stops import admitted, placed
from dunlin.domain.tasks import closed
from dunlin.domain.words import HoldKind, PartyRole, StopSource
from dunlin.errors import InvalidInput, NotFound
from dunlin.services.notices import Words
from dunlin.services.tasks import with_notice, without_stops

if TYPE_CHECKING:
    from dunlin.domain.facts import PlanDecided, PlanEnded, PlanInForce

_REFUSED, _APPROVED = "plan_refused", "approved"


def plan_decided(borrower: Borrower, event: PlanDecided, rules: Mapping[HoldKind, HoldRule], words: Words) -> Borrower:
    """The borrower about whose plan the lender decided, and who is told so; decided before, nothing changes.

    A refusal lifts the stop that the choice placed. Approved, the plan binds from then on.

    Raises:
        NotFound: no such task (yet). InvalidInput: no plan was chosen there, a reason nobody approved words for, or an
            approval after the first payment's day.
    """
    task = next((task for task in borrower.tasks if task.task_id == event.task_id), None)
    if task is None:
        raise NotFound("plan.task_id")
    if task.chosen is None:
        raise InvalidInput("plan.task_id", "is about no plan that was chosen")
    if event.reason and not words.has_phrase(event.reason):
        raise InvalidInput("plan.reason", "is a code nobody approved words for")
    if task.closed_at is not None:
        return borrower
    after = closed(borrower, task, event.by, event.reason or _APPROVED, event.occurred_at)
    plan = _proposed(borrower, task, task.chosen)
    if not event.approved:
        after = ended_by_core(after, plan, PlanStatus.WITHDRAWN, event.occurred_at)
        after = without_stops(after, task, event.occurred_at, rules)
    loans = _loans(borrower, task.party_id, event)
    if not loans:
        return after  # what the plan was about is gone, and nothing of it can be said
    if event.approved:
        if plan.instalments[0].due_on < local_date(event.occurred_at, borrower.zone):
            raise InvalidInput("plan.decision", "comes after the day of the plan's first payment")
        plan = plan if plan.loan_ids else replace(plan, loan_ids=loans)
        after = agreed(after, plan, event.by, event.occurred_at, StopSource.STAFF, rules)
    message = AGREED if event.approved else _REFUSED
    facts = plan_facts(plan.instalments) if event.approved else (Figure("reason", event.reason),)
    to = occasion_of(borrower, task.party_id)
    notice_id = f"{message}-{task.task_id}"
    return with_notice(after, Notice(notice_id, message, event.occurred_at, to, loans[:1], facts))


def _proposed(borrower: Borrower, task: Task, offer: Offer) -> Plan:
    """The plan that was chosen; made of the task, where that is all that earlier versions wrote."""
    known = next((plan for plan in borrower.plans if plan.task_id == task.task_id), None)
    return known or proposal(offer, task.party_id, (), task.task_id, task.opened_at, Upkeep())


def _loans(borrower: Borrower, party_id: str, event: PlanDecided) -> tuple[str, ...]:
    party = next((party for party in borrower.parties if party.party_id == party_id), None)
    loans = owed_by(borrower, party, local_date(event.occurred_at, borrower.zone)) if party is not None else ()
    return tuple(loan.loan_id for loan in loans)


def plan_in_force(
    borrower: Borrower, event: PlanInForce, rules: Mapping[HoldKind, HoldRule], policy: PlanPolicy | None
) -> Borrower:
    """The borrower whose plan the core carries: one that was agreed here, or one that it tells of with its instalments.

    Raises:
        NotFound: no such plan (yet), and the event does not carry it. InvalidInput: one the lender has not decided
            about, or instalments that are none.
    """
    plan = next((plan for plan in borrower.plans if plan.plan_id == event.plan_id), None)
    currencies = {loan.currency for loan in borrower.loans if loan.loan_id in event.loan_ids}
    if plan is None and (len(currencies) != 1 or set(event.loan_ids) - {loan.loan_id for loan in borrower.loans}):
        raise NotFound("plan.plan_id")
    currency = plan.debt.currency if plan is not None else next(iter(currencies))
    try:
        dues = tuple(PlanDue(due_on, parse_money(amount, currency)) for due_on, amount in event.instalments)
    except ValueError:
        raise InvalidInput("plan.instalments", "must be amounts in the loan's currency") from None
    if not all(due.amount.is_positive for due in dues) or any(b.due_on <= a.due_on for a, b in pairwise(dues)):
        raise InvalidInput("plan.instalments", "must be positive amounts, each due after the one before")
    if plan is None:
        if not dues:
            raise NotFound("plan.plan_id")
        primary = (party.party_id for party in borrower.parties if party.role is PartyRole.PRIMARY)
        party_id = event.party_id or next(primary, "")
        upkeep = policy.upkeep if policy is not None else Upkeep()
        debt = total((due.amount for due in dues), currency)
        plan = Plan(event.plan_id, party_id, event.loan_ids, dues, debt, event.occurred_at, upkeep, agreed_by="core")
    elif plan.status is PlanStatus.PROPOSED:
        raise InvalidInput("plan.plan_id", "is about a plan that was not decided: plan.decided says so")
    after = taken_up(borrower, plan, event.occurred_at, dues, in_snapshots=event.in_snapshots)
    if after is borrower:
        return borrower
    kept = next(each for each in after.plans if each.plan_id == plan.plan_id)
    row = rules[HoldKind.PLAN]
    for hold in stops_of(kept, row, event.occurred_at, StopSource.CORE, borrower.zone):
        after = placed(after, admitted(hold, row), rules)
    return after


def plan_ended(borrower: Borrower, event: PlanEnded) -> Borrower:
    """The borrower whose plan the core ended.

    Raises:
        NotFound: no such plan (yet).
    """
    plan = next((plan for plan in borrower.plans if plan.plan_id == event.plan_id), None)
    if plan is None:
        raise NotFound("plan.plan_id")
    return ended_by_core(borrower, plan, event.outcome, event.occurred_at)


# ── What others are told ─────────────────────────────────────────────────────────────────────────────────────────────


def requested(borrower: Borrower, task: Task, offer: Offer) -> dict[str, object]:
    """What the lender has to decide about: the plan that was chosen, in full."""
    return {
        "task_id": task.task_id,
        "borrower_id": borrower.borrower_id,
        "party_id": task.party_id,
        "jurisdiction": borrower.jurisdiction,
        **_offer(offer),
        "answer_by": task.answer_by.isoformat(),
    }


def news(borrower: Borrower, plan: Plan, what: str) -> tuple[str, dict[str, object]]:
    """The type and the detail of what happened to a plan: agreed, in full, so that the core can carry it; and what has
    come of it since."""
    name = what.partition(".")[0]
    detail: dict[str, object] = {
        "plan_id": plan.plan_id,
        "borrower_id": borrower.borrower_id,
        "party_id": plan.party_id,
        "jurisdiction": borrower.jurisdiction,
        "loan_ids": list(plan.loan_ids),
        "offer_id": plan.offer.offer_id if plan.offer is not None else "",
    }
    if name == "agreed":
        detail["agreed_by"] = plan.agreed_by
        detail["agreed_at"] = plan.agreed_at.isoformat() if plan.agreed_at is not None else None
        detail["take_up_by"] = plan.take_up_by.isoformat() if plan.take_up_by is not None else None
        detail |= _offer(plan.offer) if plan.offer is not None else {}
        return "plan.agreed", detail
    if name == "missed" and plan.missed is not None and plan.missed_at is not None:
        left = next((due for number, due in open_dues(borrower, plan) if number == plan.missed), None)
        detail["number"] = plan.missed
        detail["due_on"] = plan.instalments[plan.missed - 1].due_on.isoformat()
        detail["outstanding"] = str(left.amount) if left is not None else None
        detail["cure_until"] = cure_until(plan, plan.missed_at, borrower.zone).isoformat()
    return f"plan.{name}", detail


def _offer(offer: Offer) -> dict[str, object]:
    return {
        "offer_id": offer.offer_id,
        "kind": str(offer.kind),
        "approval": str(offer.approval),
        "debt": str(offer.debt),
        "total": str(offer.total),
        "offered_on": offer.offered_on.isoformat(),
        "instalments": list(_instalments(offer.instalments)),
    }


def _instalments(payments: Iterable[Payment]) -> Iterable[dict[str, str]]:
    for payment in payments:
        yield {
            "due_on": payment.due_on.isoformat(),
            "amount": str(payment.amount),
            "principal": str(payment.principal),
            "interest": str(payment.interest),
            "fee": str(payment.fee),
        }
