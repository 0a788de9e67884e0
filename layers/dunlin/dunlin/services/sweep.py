"""The sweep: state is the queue. Every message that stood too long is moved on, and our ears are proved.

Streams are hints. Whatever a stream lost, a process left behind or a provider never reported on stands in the
attention index until somebody looks: here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dunlin.domain.message import Message, Move
from dunlin.domain.shards import ATTENTION_SHARDS
from dunlin.domain.words import STOPPABLE, MessageState, Reason
from dunlin.errors import Conflict, StateConflict
from dunlin.services.ports import EARS, Change, Clock, Controls, Ears, Store
from dunlin.services.render import Render
from dunlin.services.send import Send, closes_at
from dunlin.services.settle import Settle

#: One run looks at this many per shard; the next run takes the rest.
_LIMIT = 200
#: A message whose attention fails is left alone for a while, so that the others are reached.
_FAILED_WAITS = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one run did: messages looked at, the ones whose attention failed, and how long ago we were certain to hear.

    `unheard_for` is None before the first probe was sent.
    """

    attended: int
    failed: tuple[str, ...]
    unheard_for: timedelta | None = None


class Sweep:
    """The service behind `sweep_messages`."""

    def __init__(
        self,
        store: Store,
        controls: Controls,
        render: Render,
        send: Send,
        settle: Settle,
        ears: Ears,
        clock: Clock,
    ) -> None:
        self._store = store
        self._controls = controls
        self._render = render
        self._send = send
        self._settle = settle
        self._ears = ears
        self._clock = clock

    def run(self, on_failure: Callable[[str, Exception], None]) -> Swept:
        """Attend to every message whose moment has come, then probe the ears."""
        try:
            swept = self._attend_all(on_failure)
        finally:
            unheard_for = self.probe()
        return replace(swept, unheard_for=unheard_for)

    def _attend_all(self, on_failure: Callable[[str, Exception], None]) -> Swept:
        attended = 0
        failed: list[str] = []
        for shard in ATTENTION_SHARDS:
            for borrower_id, key in self._store.standing(shard, self._clock(), _LIMIT):
                try:
                    self.attend(borrower_id, key)
                    attended += 1
                except Conflict:
                    continue  # somebody else is at it
                except Exception as error:  # the batch's edge: one bad message never blocks the others
                    failed.append(f"{borrower_id}/{key}")
                    on_failure(f"{borrower_id}/{key}", error)
                    self._put_off(borrower_id, key)
        return Swept(attended, tuple(failed))

    def attend(self, borrower_id: str, key: str) -> None:
        """Move one message on, if its moment has come."""
        message = self._store.message(borrower_id, key)
        now = self._clock()
        if message is None or message.is_terminal or message.attend_at is None or message.attend_at > now:
            return
        match message.state:
            case MessageState.REQUESTED:
                self._expire(message, Reason.NOT_RELEASED)
            case MessageState.DUE:
                if now >= message.not_after:
                    self._expire(message, Reason.WINDOW_CLOSED)
                else:
                    self._render.render(borrower_id, key)
            case MessageState.RENDERED:
                if now >= message.not_after:
                    self._expire(message, Reason.WINDOW_CLOSED)
                else:
                    self._send.send(borrower_id, key)
            case MessageState.RESERVED if message.may_retry:
                # Only what its line let go, and the stream lost; and what its line never let go, to give it up.
                self._send.retry(borrower_id, key)
            case MessageState.RESERVED:
                self._lost(message, now)
            case MessageState.SENT | MessageState.UNSETTLED:
                self._settle.settle(
                    borrower_id,
                    key,
                    MessageState.UNKNOWN,
                    Reason.NO_REPORT,
                    "report_within",
                    lose_channel=True,
                    expected=frozenset({message.state}),
                )
            case _:
                return

    def _expire(self, message: Message, reason: Reason) -> None:
        self._settle.settle(
            message.borrower_id, message.key, MessageState.EXPIRED, reason, "not_after", expected=STOPPABLE
        )

    def _lost(self, message: Message, now: datetime) -> None:
        """Reserved, and then nothing: the process may have died before the call or after it. Nobody knows, so it is
        unsettled, and never sent again."""
        unsettled = replace(
            message,
            state=MessageState.UNSETTLED,
            reason=Reason.PROCESS_LOST,
            rule="hand_over_by",
            attend_at=closes_at(message),
            moves=(*message.moves, Move(MessageState.UNSETTLED, now, Reason.PROCESS_LOST, "hand_over_by")),
        )
        self._store.commit(Change(moved_messages=(unsettled,)))

    def _put_off(self, borrower_id: str, key: str) -> None:
        try:
            message = self._store.message(borrower_id, key)
            if message is not None and not message.is_terminal:
                later = replace(message, attend_at=self._clock() + _FAILED_WAITS)
                self._store.commit(Change(moved_messages=(later,)))
        except Exception:  # even what cannot be read or written must not keep the others waiting
            return

    # ── ears ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def probe(self) -> timedelta | None:
        """Send a probe down each ear whose last one was heard. One that is not heard says since when we are deaf.

        The age of what the ear that hears worst has certainly heard, before these probes; None before the first.
        An ear that never heard one counts from its first probe.
        """
        oldest: timedelta | None = None
        for ear in EARS:
            hearing = self._controls.hearing(ear)
            known_to = hearing.heard_to or hearing.sent_at
            if known_to is not None:
                age = max(self._clock() - known_to, timedelta(0))
                oldest = age if oldest is None else max(oldest, age)
            unheard = hearing.sent_at is not None and (hearing.heard_at is None or hearing.heard_at < hearing.sent_at)
            now = self._clock()
            probe = hearing.probe if unheard else f"{ear}-{now.isoformat()}"
            if not unheard:
                try:
                    self._controls.put_hearing(replace(hearing, probe=probe, sent_at=now))
                except StateConflict:
                    continue
            self._ears.send_probe(ear, probe)
        return oldest


def heard(controls: Controls, ear: str, probe: str, now: datetime) -> None:
    """A probe came through `ear`."""
    hearing = controls.hearing(ear)
    if hearing.probe != probe:
        return
    try:
        controls.put_hearing(replace(hearing, heard_at=now, heard_to=hearing.sent_at))
    except StateConflict:
        return  # a newer probe is on its way
