"""Release messages at the pace of their line: by priority, then deadline, never faster than the provider carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from dunlin.domain.message import Move
from dunlin.domain.policy import Line
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import Conflict, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.ports import Change, Clock, Content, Controls, LineState, QueuedMessage, Store

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

    def __init__(self, store: Store, controls: Controls, content: Content, clock: Clock) -> None:
        self._store = store
        self._controls = controls
        self._content = content
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
        waiting = self._store.queued(line.line_id, limit=ceil(tokens) + 50)
        if not waiting:
            return None
        try:
            self._controls.put_line(replace(state, leased_until=now + LEASE, tokens=tokens, filled_at=now))
        except StateConflict:
            return None
        released = 0
        late = 0
        ahead = 0.0
        for queued in waiting:
            ahead += queued.expected_parts
            if now + timedelta(seconds=max(0.0, ahead - tokens) / line.parts_per_second) >= queued.not_after:
                late += 1
            if tokens < queued.expected_parts or queued.not_before > now or queued.not_after <= now:
                continue
            try:
                moved = self._release(queued, now)
            except Exception as error:  # one message that cannot be read stays where it is
                on_failure(f"{queued.borrower_id}/{queued.key}", error)
                continue
            if moved:
                tokens -= queued.expected_parts
                ahead -= queued.expected_parts
                released += 1
        self._hand_back(line.line_id, tokens, now)
        return Paced(line.line_id, released, len(waiting) - released, late)

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

    def _release(self, queued: QueuedMessage, now: datetime) -> bool:
        message = self._store.message(queued.borrower_id, queued.key)
        if message is None or message.state is not MessageState.REQUESTED:
            return False
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


def _filled(state: LineState, line: Line, now: datetime) -> float:
    """Parts that may go now: what was left, and what the line has carried away since."""
    most = max(1.0, line.parts_per_second * BURST.total_seconds())
    if state.filled_at is None:
        return most
    return min(most, state.tokens + line.parts_per_second * max(0.0, (now - state.filled_at).total_seconds()))
