"""Release messages at the pace of their line: by priority, then deadline, never faster than the provider carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil

from dunlin.domain.message import Message, Move
from dunlin.domain.policy import Line
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import Conflict, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.ports import Change, Clock, Content, Controls, LineState, QueuedMessage, Store
from dunlin.services.settle import Settle

#: Longer than a run, shorter than the schedule's interval: two pacers of one line never overlap.
LEASE = timedelta(seconds=50)
#: What a line may save up while it was idle.
BURST = timedelta(seconds=60)
#: A released message that nobody moved on is looked at by the sweep after this.
STANDS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Paced:
    """What one run did for one line. `late` is how many could not be released before their window closes."""

    line: str
    released: int
    waiting: int
    late: int


class Pace:
    """The service behind `pace_lines`."""

    def __init__(self, store: Store, controls: Controls, content: Content, settle: Settle, clock: Clock) -> None:
        self._store = store
        self._controls = controls
        self._content = content
        self._settle = settle
        self._clock = clock

    def lines(self, on_failure: Callable[[str, Exception], None]) -> list[Paced]:
        """Pace every line of the lender's profile; one that another run holds is left to it.

        A line or a message that fails is told to `on_failure` and never blocks another.
        """
        paced = []
        for line in self._content.lender.lines:
            try:
                done = self._line(line, on_failure)
            except Conflict:
                continue  # another run has it
            except Exception as error:  # the batch's edge: the other lines go on
                on_failure(line.line_id, error)
                continue
            if done is not None:
                paced.append(done)
        return paced

    def _line(self, line: Line, on_failure: Callable[[str, Exception], None]) -> Paced | None:
        now = self._clock()
        state = self._controls.line(line.line_id)
        if state.leased_until is not None and state.leased_until > now:
            return None
        if state.stopped_until is not None and state.stopped_until > now:
            return None
        tokens = _filled(state, line, now)
        waiting = self._store.queued(line.line_id, limit=max(0, ceil(tokens)) + 50)
        if not waiting:
            return None
        try:
            self._controls.put_line(replace(state, leased_until=now + LEASE, tokens=tokens, filled_at=now))
        except StateConflict:
            return None
        chosen, late = _chosen(waiting, tokens, line, now)
        messages: list[Message] = []
        for queued in chosen:
            try:
                message = self._store.message(queued.borrower_id, queued.key)
            except Exception as error:  # one message that cannot be read stays where it is
                on_failure(f"{queued.borrower_id}/{queued.key}", error)
                continue
            if message is not None and message.state is MessageState.REQUESTED:
                messages.append(message)
        released = 0
        granted = self._counted(messages, now) if messages else messages
        for message in messages:
            if message not in granted:
                self._settle.settle(
                    message.borrower_id,
                    message.key,
                    MessageState.SUPPRESSED,
                    Reason.CEILING,
                    message.template,
                    expected=frozenset({MessageState.REQUESTED}),
                )
        for message in granted:
            try:
                moved = self._release(message, now)
            except Exception as error:  # one message that cannot be written stays where it is
                on_failure(message.ref, error)
                continue
            if moved:
                tokens -= message.expected_parts
                released += 1
        self._hand_back(line.line_id, tokens, now)
        return Paced(line.line_id, released, len(waiting) - released, late)

    def _counted(self, messages: Sequence[Message], now: datetime) -> list[Message]:
        """The messages that today's ceilings have room for, counted before their release: a process that dies in
        between has counted too many, never too few."""
        lender = self._content.lender
        for _ in range(ATTEMPTS):
            today = self._controls.released(now.astimezone(UTC).date())
            counts = {**today.counts}
            granted: list[Message] = []
            for message in messages:
                if counts.get(message.template, 0) < lender.ceiling_of(message.template):
                    counts[message.template] = counts.get(message.template, 0) + 1
                    granted.append(message)
            if not granted:
                return granted
            try:
                self._controls.put_released(replace(today, counts=counts))
            except StateConflict:
                continue
            return granted
        raise StateConflict("released")

    def _hand_back(self, line: str, tokens: float, now: datetime) -> None:
        """End the lease and write down what was used, whatever else was written to the line meanwhile (a stop)."""
        for _ in range(ATTEMPTS):
            leased = self._controls.line(line)
            try:
                self._controls.put_line(replace(leased, leased_until=None, tokens=tokens, filled_at=now))
            except StateConflict:
                continue
            return
        raise StateConflict(f"line#{line}")

    def _release(self, message: Message, now: datetime) -> bool:
        due = replace(
            message,
            state=MessageState.DUE,
            attend_at=min(now + STANDS, message.not_after),
            moves=(*message.moves, Move(MessageState.DUE, now, Reason.STAGE_DUE, "line.pace")),
        )
        try:
            self._store.commit(Change(moved_messages=(due,)))
        except Conflict:
            return False
        return True


def _chosen(
    waiting: Sequence[QueuedMessage], tokens: float, line: Line, now: datetime
) -> tuple[list[QueuedMessage], int]:
    """What may go now, most urgent first, and how many of the rest the line cannot carry before their time is over."""
    chosen: list[QueuedMessage] = []
    late = 0
    ahead = 0.0
    for queued in waiting:
        ahead += queued.expected_parts
        if now + timedelta(seconds=max(0.0, ahead - tokens) / line.parts_per_second) >= queued.not_after:
            late += 1
        # A text longer than all that a line can save up waits for a full bucket, and leaves it in debt.
        if tokens < min(queued.expected_parts, _most(line)) or queued.not_before > now or queued.not_after <= now:
            continue
        tokens -= queued.expected_parts
        ahead -= queued.expected_parts
        chosen.append(queued)
    return chosen, late


def _filled(state: LineState, line: Line, now: datetime) -> float:
    """Parts that may go now: what was left, and what the line has carried away since."""
    most = _most(line)
    if state.filled_at is None:
        return most
    return min(most, state.tokens + line.parts_per_second * max(0.0, (now - state.filled_at).total_seconds()))


def _most(line: Line) -> float:
    return max(1.0, line.parts_per_second * BURST.total_seconds())
