"""Release messages at the pace of their line: by priority, then deadline, never faster than the provider carries.

Every minute a run asks for as many of the coming minute's seconds as there is work for. A second (a slot) decides only
when it comes what goes, so it may be late, doubled or lost: the line's state says what the line has carried, and what a
second releases is written there before anything is released. Seconds are told by the queue that brings them, one clock
for whatever process they come to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import ceil

from dunlin.domain.message import Message, Move
from dunlin.domain.policy import Line
from dunlin.domain.words import Channel, MessageState, Reason
from dunlin.errors import Conflict, DunlinError, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.line_health import judged, slowed, texts_left
from dunlin.services.line_plan import MINUTE, SECOND, Room, day_of, filled, hopeless, seconds_wanted
from dunlin.services.ports import Change, Clock, Content, Controls, Lengths, LineState, QueuedMessage, Slots, Store
from dunlin.services.settle import Settle

#: Longer than a run, shorter than the schedule's interval: two pacers of one line never plan the same minute.
LEASE = timedelta(seconds=50)
#: A released message that nobody moved on is looked at by the sweep after this.
STANDS = timedelta(minutes=10)
#: The same for one that was let go again, whose time to be handed over is short.
AGAIN_STANDS = timedelta(minutes=1)
#: Read beyond what a second or a minute can carry: the index may still show what is gone already.
_MARGIN = 50
#: A line that has carried nothing for so long has no second coming that was asked for a minute ago.
IDLE = timedelta(seconds=5)
#: A second is worth nothing where our own clock and the queue's differ by more: it came late, or our clock is wrong.
_LATEST = SECOND
#: So much of a backlog is looked at for what cannot fit its window, and so many are ended by one run.
_DEEP = 10_000
_MOST_ENDED = 1_000
#: So many texts that are too long for what a slot has left are looked past for a shorter one.
_PASSED_OVER = 10
#: How often a run that lost the line to another writer looks again whether it is free.
_TRIES = 3


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
    """The service behind `pace_lines`. Without `slots` a minute is one slot, and its parts go together.

    Without `lengths` a text takes the parts that its template says an ordinary one has.
    """

    def __init__(
        self,
        store: Store,
        controls: Controls,
        content: Content,
        settle: Settle,
        clock: Clock,
        slots: Slots | None = None,
        lengths: Lengths | None = None,
    ) -> None:
        self._store = store
        self._controls = controls
        self._content = content
        self._settle = settle
        self._clock = clock
        self._slots = slots
        self._lengths = lengths

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

    def second(
        self, line_id: str, on_failure: Callable[[str, Exception], None], at: datetime | None = None
    ) -> Paced | None:
        """Release what the line carries now. None: nothing may go, or there is no such line (any more).

        `at` is when the second came, by the clock of whoever brought it. What fails is told to `on_failure`: a second
        is worth nothing later, and the next minute plans again.
        """
        line = next((line for line in self._content.lender.lines if line.line_id == line_id), None)
        own = self._clock()
        if line is None or (at is not None and abs(own - at) > _LATEST):
            return None
        for _ in range(_TRIES):
            try:
                return self._second(line, on_failure, own if at is None else at)
            except Conflict:
                continue  # another run wrote the line: whether it has taken this second is read again
            except Exception as error:  # the batch's edge
                on_failure(line_id, error)
                return None
        return None

    def _second(self, line: Line, on_failure: Callable[[str, Exception], None], now: datetime) -> Paced | None:
        before = self._controls.line(line.line_id)
        state = judged(before, line, now)
        if _stopped(state, now):
            self._stop(before, state)
            return None
        line = slowed(line, state)
        tokens = filled(state, line, now, self._slot)
        if not _free(state, now) or Room(line, tokens, 0, self._slot).is_full:
            return None
        waiting = self._store.queued(line.line_id, ceil(tokens) + _MARGIN, now)
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
        deep = waiting if len(waiting) < limit else self._store.queued(line.line_id, _DEEP)
        # Not `waiting`: what may not go would hide what may.
        soon = [queued for queued in deep if queued.not_before < now + MINUTE and now < queued.not_after][:limit]
        if not soon and len(deep) == _DEEP:
            soon = list(self._store.queued(line.line_id, limit, now))
        released, gone = 0, set[tuple[str, str]]()
        if self._slots is None:
            released, claimed, gone = self._release(line, state, soon, now, on_failure)
        else:
            # Asked for before the line is claimed: whoever dies in between leaves seconds that find work, not a lost
            # minute. Asked for twice, they find the line taken.
            wanted = self._seconds(line, state, soon, now)
            claimed = state
            if wanted:
                self._slots.ask(line.line_id, wanted)
                claimed = self._leased(line, before, now)
        late = 0
        if len(gone) < len(waiting):
            rest = [queued for queued in deep if (queued.borrower_id, queued.key) not in gone]
            # A line that comes back will be as fast as it was: nobody is given up for its being slow now.
            late = self._end_hopeless(whole, claimed, rest, now, on_failure)
        return Paced(line.line_id, released, len(waiting) - released - late, late)

    def _leased(self, line: Line, state: LineState, now: datetime) -> LineState:
        """The line with the minute planned by this run; a second may write it at the same time.

        Raises:
            StateConflict: another run has planned the minute.
        """
        for _ in range(_TRIES):
            judged_now = judged(state, line, now)
            leased = replace(judged_now, leased_until=now + LEASE)
            try:
                self._controls.put_line(leased)
            except StateConflict:
                state = self._controls.line(line.line_id)
                if state.leased_until is not None and state.leased_until > now:
                    raise
                continue
            return leased
        raise StateConflict(line.line_id)

    def _stop(self, before: LineState, state: LineState) -> None:
        """Write down that the line rests from now on, if it did not rest before."""
        if state != before:
            self._controls.put_line(state)

    @property
    def _slot(self) -> timedelta:
        return MINUTE if self._slots is None else SECOND

    def _seconds(self, line: Line, state: LineState, soon: Sequence[QueuedMessage], now: datetime) -> list[int]:
        """The coming seconds in which the line will have work; this one too, unless the minute before has asked."""
        _, day_parts = day_of(state, line, now)
        tokens = filled(state, line, now, SECOND)
        room = Room(line, tokens, day_parts, SECOND)
        first = 0 if state.free_at is None or state.free_at + IDLE <= now else 1
        can_today = [queued for queued in soon if room.today_has(queued.priority, 1)]
        return seconds_wanted(can_today, tokens, line, now, first)

    def _release(
        self,
        line: Line,
        state: LineState,
        waiting: Sequence[QueuedMessage],
        now: datetime,
        on_failure: Callable[[str, Exception], None],
    ) -> tuple[int, LineState, set[tuple[str, str]]]:
        """Claim what goes, then let it go: a process that dies in between has used up a second, and no more.

        How many went, the line's state as claimed, and what was chosen.

        Raises:
            StateConflict: another run was first.
        """
        tokens = filled(state, line, now, self._slot)
        day, day_parts = day_of(state, line, now)
        room = Room(line, tokens, day_parts, self._slot)
        messages: list[Message] = []
        if _free(state, now):
            messages = self._chosen(waiting, room, texts_left(line, state), now, on_failure)
        sent = sum(message.expected_parts > 0 for message in messages)
        claimed = replace(
            state,
            tokens=room.tokens,
            filled_at=now,
            day=day,
            day_parts=room.day_parts,
            released=state.released + sent,
            free_at=now + SECOND if sent and self._slots is not None else state.free_at,
        )
        if messages:
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
        texts: int | None,
        now: datetime,
        on_failure: Callable[[str, Exception], None],
    ) -> list[Message]:
        """What may go now, most urgent first, each with the parts it takes; at most `texts` that take any.

        Beside a text that is too long for what is left a shorter one of its own class may go, later of deadline: the
        long one is the first of the next slot. Nobody of a lower class overtakes.
        """
        messages: list[Message] = []
        too_long: list[QueuedMessage] = []
        for queued in waiting:
            if room.is_full or texts == 0 or len(too_long) == _PASSED_OVER:
                break
            if too_long and queued.priority != too_long[0].priority:
                break
            if not queued.may_go(now) or not room.today_has(queued.priority, 1):
                continue
            try:
                message = self._store.message(queued.borrower_id, queued.key)
                if message is None or not message.waits_for_line:
                    continue
                parts = self._parts(message, now)
            except Exception as error:  # one message that cannot be read stays where it is
                on_failure(f"{queued.borrower_id}/{queued.key}", error)
                continue
            if not room.today_has(queued.priority, parts):
                continue
            if parts and not room.fits(parts):
                too_long.append(queued)
                continue
            room.take(parts)
            texts = texts if texts is None or not parts else texts - 1
            messages.append(replace(message, expected_parts=parts))
        return messages

    def _parts(self, message: Message, now: datetime) -> int:
        """Parts that it takes of its line; 0 for one that will not be sent, and is let go to be told why."""
        if self._lengths is None or message.channel is not Channel.SMS:
            return message.expected_parts
        if message.may_retry:
            return max(1, message.parts)
        try:
            return self._lengths.parts(message, now)
        except DunlinError:  # rendering meets it again, and tells of it
            return message.expected_parts

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
        _, day_parts = day_of(state, line, now)
        for queued, limit in hopeless(waiting, line, filled(state, line, now, self._slot), day_parts, now):
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
