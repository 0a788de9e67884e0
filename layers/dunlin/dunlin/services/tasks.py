"""What a person did about a task: taken on, or answered, which lifts what it stopped and tells the borrower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from dunlin.domain.agreements import Task, TaskKind
from dunlin.domain.borrower import Borrower, Lift, Notice
from dunlin.domain.facts import PlanDecided, TaskMoved
from dunlin.domain.hours import local_date
from dunlin.domain.message import Figure
from dunlin.domain.parties import occasion_of
from dunlin.domain.planning import plan_facts
from dunlin.domain.policy import HoldRule
from dunlin.domain.promising import owed_by
from dunlin.domain.stops import lifted
from dunlin.domain.tasks import acknowledged, closed
from dunlin.domain.words import HoldKind, StopSource
from dunlin.errors import InvalidInput, NotFound
from dunlin.services.notices import Words

_RESOLVED, _ANSWERED = "dispute_resolved", "complaint_answered"
#: The outcome of a task that was answered in the thread.
BY_ANSWER = "answered"
_AGREED, _REFUSED, _APPROVED = "plan_agreed", "plan_refused", "approved"


def task_moved(borrower: Borrower, event: TaskMoved, rules: Mapping[HoldKind, HoldRule], words: Words) -> Borrower:
    """The borrower one of whose tasks was taken on or answered; answered before, nothing changes.

    An answer lifts the stops that the task placed, where the table lets staff lift them. The end of a dispute with an
    outcome, and that of a complaint, is told to whoever wrote.

    Raises:
        NotFound: no such task (yet). InvalidInput: an outcome nobody approved words for.
    """
    task = next((task for task in borrower.tasks if task.task_id == event.task_id), None)
    if task is None:
        raise NotFound("task.task_id")
    if event.outcome and not words.has_phrase(event.outcome):
        raise InvalidInput("task.outcome", "is a code nobody approved words for")
    if not event.closed:
        return acknowledged(borrower, task, event.occurred_at)
    if task.closed_at is not None:
        return borrower
    after = closed(borrower, task, event.by, event.outcome, event.occurred_at)
    notice = _told(borrower, task, event)
    return _with_notice(_without_stops(after, task, event.occurred_at, rules), notice)


def plan_decided(borrower: Borrower, event: PlanDecided, rules: Mapping[HoldKind, HoldRule], words: Words) -> Borrower:
    """The borrower about whose plan the lender decided, and who is told so; decided before, nothing changes.

    A refusal lifts the stop that the choice placed. After an approval it stands to its end: by then the core has placed
    its own, for as long as the plan is kept to.

    Raises:
        NotFound: no such task (yet). InvalidInput: no plan was chosen there, or a reason nobody approved words for.
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
    if not event.approved:
        after = _without_stops(after, task, event.occurred_at, rules)
    message = _AGREED if event.approved else _REFUSED
    facts = plan_facts(task.chosen) if event.approved else (Figure("reason", event.reason),)
    party = next((party for party in borrower.parties if party.party_id == task.party_id), None)
    loans = owed_by(borrower, party, local_date(event.occurred_at, borrower.zone)) if party is not None else ()
    if not loans:
        return after  # what the plan was about is gone, and nothing of it can be said
    to = occasion_of(borrower, task.party_id)
    notice_id = f"{message}-{task.task_id}"
    return _with_notice(after, Notice(notice_id, message, event.occurred_at, to, (loans[0].loan_id,), facts))


def closed_by_answer(
    borrower: Borrower, task: Task, by: str, at: datetime, rules: Mapping[HoldKind, HoldRule]
) -> Borrower:
    """The borrower whose task a person's own answer closes: the answer is what is said of it."""
    return _without_stops(closed(borrower, task, by, BY_ANSWER, at), task, at, rules)


def _without_stops(borrower: Borrower, task: Task, at: datetime, rules: Mapping[HoldKind, HoldRule]) -> Borrower:
    """The borrower without the stops that the task placed, where the table lets staff lift them."""
    after = borrower
    for hold in borrower.holds:
        ours = hold.hold_id in task.hold_ids and hold.placed_at <= at
        if ours and StopSource.STAFF in rules[hold.kind].lifted_by:
            after = lifted(after, Lift(hold.hold_id, at, StopSource.STAFF), rules)
    return after


def _with_notice(borrower: Borrower, notice: Notice | None) -> Borrower:
    return replace(borrower, notices=(*borrower.notices, notice)) if notice is not None else borrower


def _told(borrower: Borrower, task: Task, event: TaskMoved) -> Notice | None:
    reference = Figure("reference", task.reference)
    to = occasion_of(borrower, task.party_id)
    if task.kind is TaskKind.DISPUTE and event.outcome:
        facts = (reference, Figure("outcome", event.outcome))
        return Notice(f"{_RESOLVED}-{task.task_id}", _RESOLVED, event.occurred_at, to, facts=facts)
    if task.kind is TaskKind.COMPLAINT:
        return Notice(f"{_ANSWERED}-{task.task_id}", _ANSWERED, event.occurred_at, to, facts=(reference,))
    return None
