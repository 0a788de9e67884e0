"""Letters that were given up: what they are, what happens if they go back, and going back without losing one.

A fact, a report or an answer goes back to the queue it came from: first it is there, then it is gone here. Whoever is
interrupted in between leaves it twice, and twice is harmless, because each is applied once. A wake, a tick and a stream
record are hints: what they were about stands in the tables, so such a letter is not sent again. It is removed when the
tables show that nothing waits for it, and otherwise left, because then it still says something.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, assert_never

from dunlin.domain.borrower import Borrower
from dunlin.domain.message import Message
from dunlin.domain.shards import ATTENTION_SHARDS, WAKE_SHARDS
from dunlin.domain.words import MessageState
from dunlin.services.ports import Clock, Store

#: A wake or a message that is this long over its moment waits; less is the schedule's own rhythm.
WAITS = timedelta(minutes=15)
#: A run looks at this many letters of a queue; what is beyond it is for the next run.
MOST_LETTERS = 1_000
#: Of what stands in the tables; where there is more, a hint is left rather than judged on a part of it.
_MOST_STANDING = 1_000
_FAR = timedelta(days=3660)


class LetterKind(StrEnum):
    """What was given up."""

    CORE_EVENT = "core event"
    WAKE = "wake"
    REPORT = "report"
    INBOUND = "inbound"
    OPT_OUT = "opt-out to be listed"
    STREAM_FAILURE = "stream failure"
    SCHEDULE_FAILURE = "schedule failure"
    REFUSED = "refused input"


class Fate(StrEnum):
    """What became of a letter."""

    RETURNED = "returned"  # to the queue it came from
    REMOVED = "removed"  # a hint, and nothing waits for it
    LEFT = "left"
    MOVING = "moving"  # with all of its queue, by a task of SQS's own


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. Ids only: what was in it stays in the queue.

    `sent_at`: when it first reached a queue of ours. `error`: why it was given up, where AWS says so. `receipt` is the
    adapter's, for as long as it holds the letter.
    """

    queue: str
    letter_id: str
    kind: LetterKind
    sent_at: datetime
    receive_count: int
    ids: tuple[tuple[str, str], ...] = ()
    sequence: int = 0
    error: str = ""
    receipt: object = field(default=None, repr=False, compare=False)

    def id_of(self, name: str) -> str:
        return dict(self.ids).get(name, "")


@dataclass(frozen=True, slots=True)
class Pile:
    """A dead-letter queue and how many letters are in it (approximately, as SQS counts)."""

    queue: str
    kind: LetterKind
    count: int


class DeadLetters(Protocol):
    """The dead-letter queues. Everything may raise TransientError."""

    def piles(self) -> Sequence[Pile]: ...

    def hold(self, queue: str, most: int) -> Sequence[Letter]:
        """Take letters in hand: for a few minutes nobody else gets them. Each is still in the queue."""
        ...

    def let_go(self, letters: Sequence[Letter]) -> None:
        """Put letters down again, as they were."""
        ...

    def give_back(self, letter: Letter) -> None:
        """Send a copy to the queue it came from."""
        ...

    def remove(self, letter: Letter) -> None: ...

    def give_all_back(self, queue: str) -> bool:
        """Let SQS move all of a queue's letters by itself; False where it does not, and nothing was moved."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A letter, and what happens to it when it is redriven."""

    letter: Letter
    prospect: str


@dataclass(frozen=True, slots=True)
class Done:
    """A letter, and what became of it."""

    letter: Letter
    fate: Fate
    why: str


class Redrive:
    """Shows dead letters, and redrives them."""

    def __init__(self, letters: DeadLetters, store: Store, clock: Clock) -> None:
        self._letters = letters
        self._store = store
        self._clock = clock

    def show(self, queues: Collection[str] = (), ids: Collection[str] = ()) -> list[Shown]:
        """The letters of `queues` (all where none is named), or of these those with `ids`. Nothing changes."""
        shown = []
        for pile in self._piles(queues):
            with self._held(pile.queue) as held:
                shown += [Shown(each, self._prospect(each)) for each in held if not ids or each.letter_id in ids]
        return shown

    def go(self, queues: Collection[str] = (), ids: Collection[str] = ()) -> Iterator[Done]:
        """Redrive them, one after the other, telling of each as it is done.

        It may end anywhere: a letter is removed only after its copy was taken, and one in hand falls back by itself.
        """
        for pile in self._piles(queues):
            goes_back = _goes_back(pile.kind)
            with self._held(pile.queue) as held:
                known = list(held)
            if not known:
                continue
            if goes_back and not ids and self._letters.give_all_back(pile.queue):
                yield from (Done(each, Fate.MOVING, "SQS moves the whole queue") for each in known)
                continue
            with self._held(pile.queue) as held:
                for letter in list(held):
                    if ids and letter.letter_id not in ids:
                        continue
                    done = self._redriven(letter)
                    if done.fate is not Fate.LEFT:
                        held.remove(letter)
                    yield done

    def _redriven(self, letter: Letter) -> Done:
        if _goes_back(letter.kind):
            self._letters.give_back(letter)
            self._letters.remove(letter)
            return Done(letter, Fate.RETURNED, self._prospect(letter))
        waits = self._waits(letter)
        if waits:
            return Done(letter, Fate.LEFT, waits)
        self._letters.remove(letter)
        return Done(letter, Fate.REMOVED, "nothing waits for it")

    def _piles(self, queues: Collection[str]) -> list[Pile]:
        return [
            pile
            for pile in self._letters.piles()
            if (pile.queue in queues if queues else pile.kind is not LetterKind.REFUSED)
        ]

    @contextmanager
    def _held(self, queue: str) -> Iterator[list[Letter]]:
        """The letters of a queue, in hand; those left in the list are put down again."""
        held: list[Letter] = []
        try:
            while len(held) < MOST_LETTERS:
                more = self._letters.hold(queue, MOST_LETTERS - len(held))
                if not more:
                    break
                held += more
            yield held
        finally:
            self._letters.let_go(held)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _prospect(self, letter: Letter) -> str:
        match letter.kind:
            case LetterKind.CORE_EVENT:
                return self._fact(letter)
            case LetterKind.REPORT:
                return self._report(letter)
            case LetterKind.INBOUND:
                return "goes back: answered once; an opt-out binds from when it was received"
            case LetterKind.OPT_OUT:
                return "goes back: what the number opted out of by then decides"
            case LetterKind.REFUSED:
                return "stays: a person corrects it at the source"
            case LetterKind.WAKE | LetterKind.STREAM_FAILURE | LetterKind.SCHEDULE_FAILURE:
                waits = self._waits(letter)
                return f"stays: {waits}" if waits else "a hint, and nothing waits for it: removed"
            case _:
                assert_never(letter.kind)

    def _fact(self, letter: Letter) -> str:
        kind, borrower_id = letter.id_of("type"), letter.id_of("borrower_id")
        if kind == "feed.checkpoint":
            return "goes back: a checkpoint, older than what is known changes nothing"
        if not borrower_id:
            return "goes back: unreadable, and will be refused and kept"
        borrower = self._store.borrower(borrower_id)
        if borrower is None:
            if kind == "borrower.updated":
                return "goes back: makes the borrower known"
            return "goes back, and fails again until borrower.updated makes the borrower known"
        if letter.sequence and letter.sequence <= _known_sequence(borrower, letter):
            return "goes back: older than what is known, so it is recorded and changes no figure"
        return "goes back: applied once"

    def _report(self, letter: Letter) -> str:
        ref = letter.id_of("ref")
        if not ref:
            return "goes back: a probe or unreadable; it moves no message"
        borrower_id, _, key = ref.partition("/")
        message = self._store.message(borrower_id, key)
        if message is None:
            return "goes back, and fails again as long as its message is not known"
        if message.is_terminal and message.state is not MessageState.UNKNOWN:
            return f"goes back: the message is {message.state} already, it changes nothing"
        return "goes back: settles the message"

    # ── hints ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _waits(self, letter: Letter) -> str:
        """What still waits for a hint; empty when nothing does."""
        now = self._clock()
        match letter.kind:
            case LetterKind.WAKE:
                shard = letter.id_of("shard")
                return self._asleep((shard,) if shard in WAKE_SHARDS else WAKE_SHARDS, now)
            case LetterKind.SCHEDULE_FAILURE:
                return self._asleep(WAKE_SHARDS, now) or self._standing(now - WAITS)
            case _:
                return self._unmoved(letter, now)

    def _asleep(self, shards: Sequence[str], now: datetime) -> str:
        waiting = sum(bool(self._store.awake(shard, now - WAITS, 1)) for shard in shards)
        return f"borrowers on {waiting} of {len(shards)} shards are not evaluated" if waiting else ""

    def _standing(self, before: datetime) -> str:
        waiting = any(self._store.standing(shard, before, 1) for shard in ATTENTION_SHARDS)
        return "messages wait for the sweep" if waiting else ""

    def _unmoved(self, letter: Letter, now: datetime) -> str:
        """Whether a message still stands where the record found it. The record named its place in the stream only, so
        every message in that state since then is one that it may have been about."""
        function = letter.id_of("function")
        states = {"render_message": {MessageState.DUE}, "send_message": {MessageState.RENDERED}}.get(
            function, {MessageState.DUE, MessageState.RENDERED}
        )
        waiting = 0
        for shard in ATTENTION_SHARDS:
            standing = self._store.standing(shard, now + _FAR, _MOST_STANDING)
            messages = (self._store.message(borrower_id, key) for borrower_id, key in standing)
            waiting += sum(_stands(message, states, letter.sent_at) for message in messages if message is not None)
            if len(standing) == _MOST_STANDING:
                return "more messages are under way than are looked at; look again later"
        return f"{waiting} messages stand since then" if waiting else ""


def _stands(message: Message, states: Collection[MessageState], given_up_at: datetime) -> bool:
    return message.state in states and bool(message.moves) and message.moves[-1].at <= given_up_at


def _goes_back(kind: LetterKind) -> bool:
    return kind in (LetterKind.CORE_EVENT, LetterKind.REPORT, LetterKind.INBOUND, LetterKind.OPT_OUT)


def _known_sequence(borrower: Borrower, letter: Letter) -> int:
    loan_id = letter.id_of("loan_id")
    if not loan_id:
        return borrower.profile_sequence
    return next((loan.sequence for loan in borrower.loans if loan.loan_id == loan_id), 0)
