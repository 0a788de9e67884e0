"""What a person did about a task: taken on, or answered, which lifts what it stopped and tells the borrower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from dunlin.domain.agreements import PlanStatus, Task, TaskKind
from dunlin.domain.borrower import Borrower, Lift, Notice
from dunlin.domain.message import Figure
from dunlin.domain.parties import occasion_of
from dunlin.domain.planned import ended_by_core
from dunlin.domain.policy import HoldRule
from dunlin.domain.stops import lifted
from dunlin.domain.tasks import acknowledged, closed
from dunlin.domain.words import HoldKind, StopSource
from dunlin.errors import InvalidInput, NotFound
from dunlin.services.notices import Words

if TYPE_CHECKING:
    from dunlin.domain.facts import TaskMoved

_RESOLVED, _ANSWERED = "dispute_resolved", "complaint_answered"
#: The outcome of a task that was answered in the thread.
BY_ANSWER = "answered"


def task_moved(borrower: Borrower, event: TaskMoved, rules: Mapping[HoldKind, HoldRule], words: Words) -> Borrower:
    """The borrower one of whose tasks was taken on or answered; answered before, nothing changes.

    A plan that was to be decided with it is off. The answer lifts the stops that the task placed, where the table lets
    staff lift them. The end of a dispute with an outcome, and that of a complaint, is told to whoever wrote.

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
    after = _closed(borrower, task, event.by, event.outcome, event.occurred_at)
    notice = _told(borrower, task, event)
    return with_notice(without_stops(after, task, event.occurred_at, rules), notice)


def closed_by_answer(
    borrower: Borrower, task: Task, by: str, at: datetime, rules: Mapping[HoldKind, HoldRule]
) -> Borrower:
    """The borrower whose task a person's own answer closes: the answer is what is said of it."""
    return without_stops(_closed(borrower, task, by, BY_ANSWER, at), task, at, rules)


def _closed(borrower: Borrower, task: Task, by: str, outcome: str, at: datetime) -> Borrower:
    """The borrower whose task is over; a plan that nobody decided about goes with it."""
    after = closed(borrower, task, by, outcome, at)
    for plan in borrower.plans:
        if plan.task_id == task.task_id and plan.status is PlanStatus.PROPOSED:
            after = ended_by_core(after, plan, PlanStatus.WITHDRAWN, at)
    return after


def without_stops(borrower: Borrower, task: Task, at: datetime, rules: Mapping[HoldKind, HoldRule]) -> Borrower:
    """The borrower without the stops that the task placed, where the table lets staff lift them."""
    after = borrower
    for hold in borrower.holds:
        ours = hold.hold_id in task.hold_ids and hold.placed_at <= at
        if ours and StopSource.STAFF in rules[hold.kind].lifted_by:
            after = lifted(after, Lift(hold.hold_id, at, StopSource.STAFF), rules)
    return after


def with_notice(borrower: Borrower, notice: Notice | None) -> Borrower:
    """The borrower who is to be told this."""
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
