"""Release messages at the pace of their line: by priority, then deadline, never faster than the provider carries.

Every minute a run releases what may go in its own second and asks for as many of the minute's other seconds as there is
work for. A second (a slot) decides only when it comes what goes, so it may be late, doubled or lost: the line's
state says what the line has carried, and what a second releases is written there before anything is released.
"""

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
from dunlin.services.line_health import judged, slowed, texts_left
from dunlin.services.line_plan import MINUTE, SECOND, Room, day_of, filled, hopeless, seconds_wanted
from dunlin.services.ports import Change, Clock, Content, Controls, LineState, QueuedMessage, Slots, Store
from dunlin.services.settle import Settle

#: Longer than a run, shorter than the schedule's interval: two pacers of one line never plan the same minute.
LEASE = timedelta(seconds=50)
#: A released message that nobody moved on is looked at by the sweep after this.
STANDS = timedelta(minutes=10)
#: The same for one that was let go again, whose time to be handed over is short.
AGAIN_STANDS = timedelta(minutes=1)
#: Read beyond what a second or a minute can carry: the index may still show what is gone already.
_MARGIN = 50
#: So much of a backlog is looked at for what cannot fit its window, and so many are ended by one run.
_DEEP = 10_000
_MOST_ENDED = 1_000


@dataclass(frozen=True, slots=True)
class Paced:
    """What one run did for one line. `late` is how many were ended, because the line cannot carry them in time.
    `stopped`: it rests, and nothing was looked at."""

    line: str
    released: int
    waiting: int
    late: int
    stopped: bool = False


class Pace:
    """The service behind `pace_lines`. Without `slots` a minute is one slot, and its parts go together."""

    def __init__(
        self,
        store: Store,
        controls: Controls,
        content: Content,
        settle: Settle,
        clock: Clock,
        slots: Slots | None = None,
    ) -> None:
        self._store = store
        self._controls = controls
        self._content = content
        self._settle = settle
        self._clock = clock
        self._slots = slots

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

    def second(self, line_id: str, on_failure: Callable[[str, Exception], None]) -> Paced | None:
        """Release what the line carries now. None: nothing may go, or there is no such line (any more).

        What fails is told to `on_failure`: a second is worth nothing later, and the next minute plans again.
        """
        line = next((line for line in self._content.lender.lines if line.line_id == line_id), None)
        if line is None:
            return None
        try:
            return self._second(line, on_failure)
        except Conflict:
            return None  # another run has it
        except Exception as error:  # the batch's edge
            on_failure(line_id, error)
            return None

    def _second(self, line: Line, on_failure: Callable[[str, Exception], None]) -> Paced | None:
        now = self._clock()
        before = self._controls.line(line.line_id)
        state = judged(before, line, now)
        if _stopped(state, now):
            self._stop(before, state)
            return None
        line = slowed(line, state)
        tokens = filled(state, line, now, self._slot)
        if not _free(state, now) or Room(line, tokens, 0).is_full:
            return None
        waiting = self._store.queued(line.line_id, ceil(tokens) + _MARGIN)
        if not waiting:
            return None
        released, _, _ = self._release(line, state, waiting, now, on_failure)
        return Paced(line.line_id, released, len(waiting) - released, 0)

    def _line(self, line: Line, on_failure: Callable[[str, Exception], None]) -> Paced | None:
        now = self._clock()
        before = self._controls.line(line.line_id)
        state = judged(before, line, now)
        if _stopped(state, now):
            self._stop(before, state)
            return Paced(line.line_id, 0, 0, 0, stopped=True)
        if state.leased_until is not None and state.leased_until > now:
            return None
        whole, line = line, slowed(line, state)
        limit = ceil(max(1.0, line.parts_per_second * MINUTE.total_seconds())) + _MARGIN
        waiting = self._store.queued(line.line_id, limit)
        if not waiting:
            return None
        # Asked for before the line is claimed: whoever dies in between leaves seconds that find work, not a lost
        # minute. Asked for twice, they find the line taken.
        wanted = self._seconds(line, state, waiting, now) if self._slots is not None else []
        if self._slots is not None and wanted:
            self._slots.ask(line.line_id, wanted)
        leased = replace(state, leased_until=now + LEASE) if wanted else state
        released, claimed, gone = self._release(line, leased, waiting, now, on_failure, planned=bool(wanted))
        late = 0
        if len(gone) < len(waiting):
            deep = waiting if len(waiting) < limit else self._store.queued(line.line_id, _DEEP)
            rest = [queued for queued in deep if (queued.borrower_id, queued.key) not in gone]
            # A line that comes back will be as fast as it was: nobody is given up for its being slow now.
            late = self._end_hopeless(whole, claimed, rest, now, on_failure)
        return Paced(line.line_id, released, len(waiting) - released - late, late)

    def _stop(self, before: LineState, state: LineState) -> None:
        """Write down that the line rests from now on, if it did not rest before."""
        if state != before:
            self._controls.put_line(state)

    @property
    def _slot(self) -> timedelta:
        return MINUTE if self._slots is None else SECOND

    def _seconds(self, line: Line, state: LineState, waiting: Sequence[QueuedMessage], now: datetime) -> list[int]:
        """The seconds after this one in which the line will have work."""
        _, day_parts = day_of(state, line, now)
        room = Room(line, filled(state, line, now, SECOND), day_parts)
        rest = []
        for queued in waiting:
            if _free(state, now) and not room.is_full and room.has(queued, now):
                room.take(queued.expected_parts)
            elif line.parts_per_day is None or day_parts < line.parts_per_day:
                rest.append(queued)
        return seconds_wanted(rest, room.tokens, line, now)

    def _release(
        self,
        line: Line,
        state: LineState,
        waiting: Sequence[QueuedMessage],
        now: datetime,
        on_failure: Callable[[str, Exception], None],
        *,
        planned: bool = False,
    ) -> tuple[int, LineState, set[tuple[str, str]]]:
        """Claim what goes, then let it go: a process that dies in between has used up a second, and no more.

        How many went, the line's state as claimed, and what was chosen.

        Raises:
            StateConflict: another run was first.
        """
        tokens = filled(state, line, now, self._slot)
        day, day_parts = day_of(state, line, now)
        messages: list[Message] = []
        if _free(state, now):
            messages = self._chosen(waiting, Room(line, tokens, day_parts), now, on_failure)[: texts_left(line, state)]
        parts = sum(message.expected_parts for message in messages)
        claimed = replace(
            state,
            tokens=tokens - parts,
            filled_at=now,
            day=day,
            day_parts=day_parts + parts,
            released=state.released + len(messages),
            free_at=now + SECOND if messages and self._slots is not None else state.free_at,
        )
        if messages or planned:
            self._controls.put_line(claimed)
        fresh = [message for message in messages if not message.may_retry]
        granted = self._counted(fresh, now) if fresh else fresh
        released = 0
        for message in messages:
            try:
                if message.may_retry:
                    released += self._again(message, now)
                elif message in granted:
                    released += self._due(message, now)
                else:
                    self._settle.settle(
                        message.borrower_id,
                        message.key,
                        MessageState.SUPPRESSED,
                        Reason.CEILING,
                        message.template,
                        expected=frozenset({MessageState.REQUESTED}),
                    )
            except Exception as error:  # one message that cannot be written stays where it is
                on_failure(message.ref, error)
        return released, claimed, {(message.borrower_id, message.key) for message in messages}

    def _chosen(
        self,
        waiting: Sequence[QueuedMessage],
        room: Room,
        now: datetime,
        on_failure: Callable[[str, Exception], None],
    ) -> list[Message]:
        """What may go now, most urgent first."""
        messages: list[Message] = []
        for queued in waiting:
            if room.is_full:
                break
            if not room.has(queued, now):
                continue
            try:
                message = self._store.message(queued.borrower_id, queued.key)
            except Exception as error:  # one message that cannot be read stays where it is
                on_failure(f"{queued.borrower_id}/{queued.key}", error)
                continue
            if message is not None and message.waits_for_line:
                room.take(message.expected_parts)
                messages.append(message)
        return messages

    def _end_hopeless(
        self,
        line: Line,
        state: LineState,
        waiting: Sequence[QueuedMessage],
        now: datetime,
        on_failure: Callable[[str, Exception], None],
    ) -> int:
        """End now what the line cannot carry before its window closes: whoever waits for it can turn elsewhere."""
        ended = 0
        for queued, limit in hopeless(waiting, line, state.tokens, state.day_parts, now):
            if ended == _MOST_ENDED:
                break
            try:
                ended += self._settle.settle(
                    queued.borrower_id,
                    queued.key,
                    MessageState.EXPIRED,
                    Reason.LINE_FULL,
                    f"line.{line.line_id}.{limit}",
                    expected=frozenset({MessageState.REQUESTED}),
                )
            except Exception as error:  # one message that cannot be ended now is the sweep's at last
                on_failure(f"{queued.borrower_id}/{queued.key}", error)
        return ended

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

    def _again(self, message: Message, now: datetime) -> bool:
        """What a provider certainly did not accept goes once more: its parts are taken a second time, for it was the
        line's time that it took."""
        again = replace(message, again_at=now, attend_at=now + AGAIN_STANDS)
        try:
            self._store.commit(Change(moved_messages=(again,)))
        except Conflict:
            return False
        return True

    def _due(self, message: Message, now: datetime) -> bool:
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


def _stopped(state: LineState, now: datetime) -> bool:
    return state.stopped_until is not None and state.stopped_until > now


def _free(state: LineState, now: datetime) -> bool:
    return state.free_at is None or state.free_at <= now
