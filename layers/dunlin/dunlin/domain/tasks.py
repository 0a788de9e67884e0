"""What a person has to do about a borrower, by when, and who has been told of it. Pure."""

from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import datetime, timedelta

from dunlin.domain.agreements import AnswerPolicy, Task, TaskKind
from dunlin.domain.borrower import Borrower
from dunlin.domain.plans import Offer

#: How long an answered task is remembered.
TASKS_KEPT = timedelta(days=30)

OPENED, UNACKNOWLEDGED, UNANSWERED = "opened", "unacknowledged", "unanswered"
#: That a plan was chosen, which is told by an event of its own.
CHOSEN = "chosen"


def reference_of(text_id: str) -> str:
    """What a borrower is told to name when they ask about what they wrote."""
    return f"R{zlib.crc32(text_id.encode()):08X}"


def open_task(borrower: Borrower, kind: TaskKind, party_id: str) -> Task | None:
    """The task of this kind about this party that nobody has answered: there is never more than one."""
    return next(
        (task for task in borrower.tasks if task.closed_at is None and (task.kind, task.party_id) == (kind, party_id)),
        None,
    )


def with_task(
    borrower: Borrower,
    kind: TaskKind,
    party_id: str,
    text_id: str,
    policy: AnswerPolicy,
    now: datetime,
    hold_ids: tuple[str, ...] = (),
    chosen: Offer | None = None,
) -> Borrower:
    """The borrower about whom a person is to be told. A second text about the same joins the task that is open; the
    first plan that was chosen stands."""
    known = open_task(borrower, kind, party_id)
    if known is not None:
        added = tuple(hold_id for hold_id in hold_ids if hold_id not in known.hold_ids)
        joined = replace(known, hold_ids=(*known.hold_ids, *added), chosen=known.chosen or chosen)
        return _replaced(borrower, known, joined) if joined != known else borrower
    clock = policy.clock(kind)
    task = Task(
        task_id=text_id,
        kind=kind,
        party_id=party_id,
        opened_at=now,
        acknowledge_by=now + timedelta(hours=clock.acknowledge_hours),
        answer_by=now + timedelta(hours=clock.answer_hours),
        reference=reference_of(text_id),
        hold_ids=hold_ids,
        chosen=chosen,
    )
    return replace(borrower, tasks=(*borrower.tasks, task))


def acknowledged(borrower: Borrower, task: Task, now: datetime) -> Borrower:
    """Somebody has it. The first one counts."""
    if task.acknowledged_at is not None:
        return borrower
    return _replaced(borrower, task, replace(task, acknowledged_at=now))


def closed(borrower: Borrower, task: Task, by: str, outcome: str, now: datetime) -> Borrower:
    """Somebody answered it, as `by` (a staff id), with `outcome`. The first answer counts."""
    if task.closed_at is not None:
        return borrower
    done = replace(task, acknowledged_at=task.acknowledged_at or now, closed_at=now, closed_by=by, outcome=outcome)
    return _replaced(borrower, task, done)


def to_announce(borrower: Borrower, now: datetime) -> tuple[tuple[Task, str], ...]:
    """What has to be told of whom: a task that was opened, and each of its clocks that ran out."""
    due = []
    for task in borrower.tasks:
        moments = [(OPENED, task.opened_at)]
        if task.chosen is not None:
            moments.append((CHOSEN, task.opened_at))
        if task.closed_at is None:
            if task.acknowledged_at is None and task.acknowledge_by > task.opened_at:
                moments.append((UNACKNOWLEDGED, task.acknowledge_by))
            if task.answer_by > task.opened_at:
                moments.append((UNANSWERED, task.answer_by))
        due += [(task, what) for what, at in moments if at <= now and what not in task.told]
    return tuple(due)


def announced(borrower: Borrower, told: tuple[tuple[Task, str], ...]) -> Borrower:
    """The borrower of whose tasks this was told."""
    said = {(task.task_id, what) for task, what in told}

    def after(task: Task) -> Task:
        fresh = tuple(what for task_id, what in sorted(said) if task_id == task.task_id and what not in task.told)
        return replace(task, told=(*task.told, *fresh)) if fresh else task

    return replace(borrower, tasks=tuple(after(task) for task in borrower.tasks))


def next_clock(borrower: Borrower, now: datetime) -> datetime | None:
    """When the next clock runs out (None: none runs)."""
    return min(
        (
            at
            for task in borrower.tasks
            if task.closed_at is None
            for at in (*(() if task.acknowledged_at is not None else (task.acknowledge_by,)), task.answer_by)
            if at > now
        ),
        default=None,
    )


def tasks_kept(borrower: Borrower, now: datetime) -> tuple[Task, ...]:
    """Those that are open or were answered lately."""
    return tuple(task for task in borrower.tasks if task.closed_at is None or task.closed_at > now - TASKS_KEPT)


def _replaced(borrower: Borrower, task: Task, by: Task) -> Borrower:
    return replace(borrower, tasks=tuple(by if each is task else each for each in borrower.tasks))
