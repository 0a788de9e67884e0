"""The ports in memory: small, strict and deterministic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice

from dunlin.domain.borrower import Borrower
from dunlin.domain.message import Message
from dunlin.domain.page import Door
from dunlin.domain.shards import attention_shard_of, shard_of
from dunlin.domain.words import Channel
from dunlin.errors import AlreadyRecorded, StateConflict, Suppressed, VersionConflict
from dunlin.services.ports import (
    EARS,
    Accepted,
    Backlog,
    Change,
    FeedState,
    Felt,
    HandOver,
    HandOverResult,
    Hearing,
    LineState,
    Listed,
    Listing,
    PauseBoard,
    QueuedMessage,
    Refusal,
    Released,
    Removal,
    Shelf,
    StoredItem,
    Suppression,
    Survey,
)
from dunlin.services.redrive import Letter, LetterKind, Pile


@dataclass
class FakeClock:
    """A clock that stands still until it is moved."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


@dataclass
class MemoryStore:
    """`Store` in memory: all of a change, or none of it."""

    borrowers: dict[str, Borrower] = field(default_factory=dict)
    messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    records: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    suppressions: dict[str, Suppression] = field(default_factory=dict)
    point_records: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    links: dict[str, set[str]] = field(default_factory=dict)
    felts: dict[str, Felt] = field(default_factory=dict)

    def borrower(self, borrower_id: str) -> Borrower | None:
        return self.borrowers.get(borrower_id)

    def record(self, borrower_id: str, item: str) -> Mapping[str, object] | None:
        found = self.records.get((borrower_id, item))
        return dict(found) if found is not None else None

    def message(self, borrower_id: str, key: str) -> Message | None:
        return self.messages.get((borrower_id, key))

    def conversation(self, borrower_id: str) -> Sequence[Message]:
        own = [message for (owner, _), message in self.messages.items() if owner == borrower_id]
        return sorted(own, key=lambda message: (message.requested_at, message.key))

    def awake(self, shard: str, now: datetime, limit: int) -> Sequence[str]:
        due = [
            (borrower.wake_at, borrower.borrower_id)
            for borrower in self.borrowers.values()
            if borrower.wake_at is not None and borrower.wake_at <= now and shard_of(borrower.borrower_id) == shard
        ]
        return [borrower_id for _, borrower_id in sorted(due)[:limit]]

    def queued(self, line: str, limit: int, now: datetime | None = None) -> Sequence[QueuedMessage]:
        waiting = sorted(
            (message.priority, message.not_after, message.key, message.borrower_id)
            for message in self.messages.values()
            if message.waits_for_line and message.line == line
        )
        found = (
            QueuedMessage(m.borrower_id, m.key, m.may_go_from, m.may_go_until, m.expected_parts, m.priority)
            for m in (self.messages[borrower_id, key] for _, _, key, borrower_id in waiting)
        )
        return list(islice((each for each in found if now is None or each.may_go(now)), limit))

    def standing(self, shard: str, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        due = sorted(
            (message.attend_at, message.borrower_id, message.key)
            for message in self.messages.values()
            if not message.is_terminal
            and message.attend_at is not None
            and message.attend_at <= now
            and attention_shard_of(message.borrower_id) == shard
        )
        return [(borrower_id, key) for _, borrower_id, key in due[:limit]]

    def suppression(self, point: str) -> Suppression:
        return self.suppressions.get(point, Suppression(point))

    def felt(self, point: str) -> Felt:
        return self.felts.get(point, Felt(point))

    def link_point(self, point: str, borrower_id: str) -> None:
        self.links.setdefault(point, set()).add(borrower_id)

    def borrowers_of(self, point: str) -> Sequence[str]:
        return sorted(self.links.get(point, ()))

    def commit(self, change: Change) -> None:
        self._check(change)
        if change.borrower is not None:
            before = change.borrower
            self.borrowers[before.borrower_id] = replace(
                before, revision=before.revision + 1, version=before.version if change.quiet else before.version + 1
            )
        for message in (*change.new_messages, *change.moved_messages):
            self.messages[message.borrower_id, message.key] = replace(message, revision=message.revision + 1)
        for record in change.records:
            self.records[record.borrower_id, record.item] = dict(record.document)
        for kept in change.point_records:
            self.point_records[kept.point, kept.item] = dict(kept.document)
        for felt in change.felt:
            self.felts[felt.point] = replace(felt, revision=felt.revision + 1, released_at=None)
        if change.suppression is not None:
            state = change.suppression
            self.suppressions[state.point] = replace(state, revision=state.revision + 1)

    def _check(self, change: Change) -> None:
        if change.unless_blocked is not None:
            point, channel, purpose = change.unless_blocked
            if self.suppression(point).forbids(channel, purpose):
                raise Suppressed("suppression")
        if change.borrower is not None:
            stored = self.borrowers.get(change.borrower.borrower_id)
            if (stored.revision if stored is not None else 0) != change.borrower.revision:
                raise VersionConflict(change.borrower.borrower_id)
        for message in change.new_messages:
            if (message.borrower_id, message.key) in self.messages:
                raise AlreadyRecorded(message.ref)
        for message in change.moved_messages:
            current = self.messages.get((message.borrower_id, message.key))
            if current is None or current.revision != message.revision:
                raise StateConflict(message.ref)
        for record in change.records:
            if (record.borrower_id, record.item) in self.records:
                raise AlreadyRecorded(record.item)
        for kept in change.point_records:
            if (kept.point, kept.item) in self.point_records:
                raise AlreadyRecorded(kept.item)
        for felt in (*change.felt_as_read, *change.felt):
            if self.felt(felt.point).revision != felt.revision:
                raise StateConflict("felt")
        if change.suppression is not None:
            stored_state = self.suppression(change.suppression.point)
            if stored_state.revision != change.suppression.revision:
                raise StateConflict("suppression")


@dataclass
class MemoryListings:
    """`Listings` in memory."""

    known: dict[str, Listing] = field(default_factory=dict)

    def listing(self, point: str) -> Listing | None:
        return self.known.get(point)

    def put(self, listing: Listing) -> None:
        before = self.known.get(listing.point)
        if (before.revision if before is not None else 0) != listing.revision:
            raise StateConflict("listing")
        self.known[listing.point] = replace(listing, revision=listing.revision + 1)

    def listings(self) -> Sequence[Listing]:
        return [self.known[point] for point in sorted(self.known)]


@dataclass
class FakeNumberList:
    """A provider's opt-out list. `keeps`: numbers that it does not take off for now; `refuses`: that it never takes."""

    clock: Callable[[], datetime]
    name: str = "dunlin-test"
    listed: dict[str, Listed] = field(default_factory=dict)
    keeps: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)

    def put(self, number: str) -> bool:
        if number in self.refuses:
            return False
        self.listed.setdefault(number, Listed(number, self.clock(), by_person=False))
        return True

    def remove(self, number: str) -> bool:
        if number in self.keeps:
            return False
        self.listed.pop(number, None)
        return True

    def numbers(self) -> Iterator[Listed]:
        yield from list(self.listed.values())


@dataclass
class FakeOptOutQueue:
    """What was asked to be followed: (point, after)."""

    asked: list[tuple[str, timedelta]] = field(default_factory=list)

    def follow(self, point: str, after: timedelta) -> None:
        self.asked.append((point, after))


@dataclass
class MemoryHoldings:
    """`Holdings` over a store in memory. `expiring`: (point, item) that would go by itself."""

    store: MemoryStore
    expiring: set[tuple[str, str]] = field(default_factory=set)

    def messages(self, borrower_id: str, after: str, limit: int) -> Sequence[Message]:
        own = sorted(key for owner, key in self.store.messages if owner == borrower_id and key > after)
        return [self.store.messages[borrower_id, key] for key in own[:limit]]

    def items(self, shelf: Shelf, owner: str, after: str, limit: int) -> Sequence[StoredItem]:
        found = (item for item in self._shelf(shelf, owner) if item.item > after)
        return sorted(found, key=lambda item: item.item)[:limit]

    def _shelf(self, shelf: Shelf, owner: str) -> Iterator[StoredItem]:
        match shelf:
            case Shelf.MESSAGES:
                for (borrower_id, key), message in self.store.messages.items():
                    if borrower_id == owner:
                        document = json.dumps(asdict(message), default=str, sort_keys=True)
                        yield StoredItem(shelf, owner, key, document, message.revision, message.is_terminal)
            case Shelf.RECORDS:
                for (borrower_id, item), record in self.store.records.items():
                    if borrower_id == owner and not item.startswith("TOMBSTONE#"):
                        yield StoredItem(shelf, owner, item, json.dumps(record, default=str, sort_keys=True))
            case Shelf.POINT:
                for (point, item), record in self.store.point_records.items():
                    if point == owner:
                        expires = (point, item) in self.expiring
                        yield StoredItem(shelf, owner, item, json.dumps(record, default=str), expires=expires)
                yield from (
                    StoredItem(shelf, owner, f"BORROWER#{borrower_id}", "")
                    for borrower_id in self.store.links.get(owner, ())
                )
                if owner in self.store.felts:
                    yield StoredItem(shelf, owner, "FELT", "", expires=True)

    def commit(self, removal: Removal) -> None:
        self._check(removal)
        for item in removal.removed:
            self._remove(item)
        for item in removal.rewritten:
            self.store.point_records[item.owner, item.item] = json.loads(item.document)
            self.expiring.discard((item.owner, item.item))
        written = Change(
            borrower=removal.borrower, quiet=True, moved_messages=removal.messages, records=removal.records
        )
        MemoryStore.commit(self.store, written)  # all of it at once, whoever stands in for the store's own

    def _check(self, removal: Removal) -> None:
        for borrower in (*removal.unchanged, removal.borrower):
            current = self.store.borrowers.get(borrower.borrower_id)
            if current is None or current.revision != borrower.revision:
                raise VersionConflict(borrower.borrower_id)
        for item in removal.removed:
            if item.shelf is Shelf.MESSAGES:
                message = self.store.messages.get((item.owner, item.item))
                if message is None or message.revision != item.revision:
                    raise StateConflict(item.item)
        for item in removal.rewritten:
            if (item.owner, item.item) not in self.store.point_records:
                raise StateConflict(item.item)
        for moved in removal.messages:
            known = self.store.messages.get((moved.borrower_id, moved.key))
            if known is None or known.revision != moved.revision:
                raise StateConflict(moved.ref)
        for record in removal.records:
            if (record.borrower_id, record.item) in self.store.records:
                raise AlreadyRecorded(record.item)

    def _remove(self, item: StoredItem) -> None:
        match item.shelf:
            case Shelf.MESSAGES:
                del self.store.messages[item.owner, item.item]
            case Shelf.RECORDS:
                self.store.records.pop((item.owner, item.item), None)
            case Shelf.POINT:
                self.store.point_records.pop((item.owner, item.item), None)
                if item.item == "FELT":
                    self.store.felts.pop(item.owner, None)
                self.store.links.get(item.owner, set()).discard(item.item.removeprefix("BORROWER#"))


@dataclass
class MemoryControls:
    """`Controls` in memory."""

    lines: dict[str, LineState] = field(default_factory=dict)
    hearings: dict[str, Hearing] = field(default_factory=dict)
    core: FeedState = field(default_factory=FeedState)
    board: PauseBoard = field(default_factory=PauseBoard)
    counted: dict[date, Released] = field(default_factory=dict)

    def survey(self, lines: Sequence[str], today: date) -> Survey:
        return Survey(
            self.core.counts_to,
            tuple(self.hearing(ear) for ear in EARS),
            tuple(self.line(line) for line in lines),
            self.board.pauses,
            self.released(today).counts,
            self.core.announced_to,
        )

    def pauses(self) -> PauseBoard:
        return self.board

    def put_pauses(self, board: PauseBoard) -> None:
        if self.board.revision != board.revision:
            raise StateConflict("pauses")
        self.board = replace(board, revision=board.revision + 1)

    def released(self, day: date) -> Released:
        return self.counted.get(day, Released(day))

    def put_released(self, released: Released) -> None:
        if self.released(released.day).revision != released.revision:
            raise StateConflict(f"released#{released.day}")
        self.counted[released.day] = replace(released, revision=released.revision + 1)

    def line(self, line: str) -> LineState:
        return self.lines.get(line, LineState(line))

    def put_line(self, state: LineState) -> None:
        if self.line(state.line).revision != state.revision:
            raise StateConflict(f"line#{state.line}")
        self.lines[state.line] = replace(state, revision=state.revision + 1)

    def feed(self) -> FeedState:
        return self.core

    def put_feed(self, state: FeedState) -> None:
        if self.core.revision != state.revision:
            raise StateConflict("feed#core")
        self.core = replace(state, revision=state.revision + 1)

    def hearing(self, ear: str) -> Hearing:
        return self.hearings.get(ear, Hearing(ear))

    def put_hearing(self, hearing: Hearing) -> None:
        if self.hearing(hearing.ear).revision != hearing.revision:
            raise StateConflict(f"ear#{hearing.ear}")
        self.hearings[hearing.ear] = replace(hearing, revision=hearing.revision + 1)


@dataclass
class FakeSender:
    """Accepts everything, unless told what to answer; keeps every order."""

    answers: list[HandOverResult] = field(default_factory=list)
    orders: list[HandOver] = field(default_factory=list)

    def hand_over(self, order: HandOver) -> HandOverResult:
        self.orders.append(order)
        return self.answers.pop(0) if self.answers else Accepted(f"provider-{len(self.orders)}")


@dataclass
class FakeWakeQueue:
    wakes: list[tuple[str, datetime]] = field(default_factory=list)

    def wake(self, shard: str, now: datetime) -> None:
        self.wakes.append((shard, now))


@dataclass
class FakeSlots:
    asked: list[tuple[str, int]] = field(default_factory=list)

    def ask(self, line: str, seconds: Sequence[int]) -> None:
        self.asked.extend((line, second) for second in seconds)


@dataclass
class FakeAnnouncements:
    """What was announced: kind, id and detail."""

    said: list[tuple[str, str, Mapping[str, object]]] = field(default_factory=list)

    def announce(self, kind: str, event_id: str, detail: Mapping[str, object]) -> None:
        self.said.append((kind, event_id, detail))


@dataclass
class FakeEscalations:
    """Executions as a set of names; a doorbell as a list of rung tokens."""

    running: set[tuple[str, int, int]] = field(default_factory=set)
    rung: list[str] = field(default_factory=list)

    def start(self, borrower_id: str, episode: int, generation: int) -> None:
        self.running.add((borrower_id, episode, generation))

    def ring(self, token: str) -> None:
        self.rung.append(token)

    def is_running(self, borrower_id: str, episode: int, generation: int) -> bool:
        return (borrower_id, episode, generation) in self.running


@dataclass
class FakeEars:
    probes: list[tuple[str, str]] = field(default_factory=list)

    def send_probe(self, ear: str, probe: str) -> None:
        self.probes.append((ear, probe))


@dataclass
class FakeIntake:
    """A queue of facts that stands as it is set."""

    now: Backlog = field(default_factory=lambda: Backlog(0, 0, 0))

    def backlog(self) -> Backlog:
        return self.now


@dataclass
class FakeDeadLetters:
    """Dead-letter queues as lists: a letter in hand is hidden until it is put down, and going back copies it.

    `moves`: queues that can be moved whole. `before_call` is told each operation, and may raise in its place.
    """

    letters: dict[str, list[Letter]] = field(default_factory=dict)
    kinds: dict[str, LetterKind] = field(default_factory=dict)
    returned: list[Letter] = field(default_factory=list)
    moves: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    before_call: Callable[[str], None] = lambda _: None

    def add(self, letter: Letter) -> None:
        self.letters.setdefault(letter.queue, []).append(letter)
        self.kinds[letter.queue] = letter.kind

    def piles(self) -> Sequence[Pile]:
        self.before_call("piles")
        return [Pile(queue, self.kinds[queue], len(letters)) for queue, letters in sorted(self.letters.items())]

    def hold(self, queue: str, most: int) -> Sequence[Letter]:
        self.before_call("hold")
        found = [letter for letter in self.letters[queue] if letter.letter_id not in self.hidden][: min(most, 10)]
        self.hidden |= {letter.letter_id for letter in found}
        return found

    def let_go(self, letters: Sequence[Letter]) -> None:
        self.before_call("let_go")
        self.hidden -= {letter.letter_id for letter in letters}

    def give_back(self, letter: Letter) -> None:
        self.before_call("give_back")
        self.returned.append(letter)

    def remove(self, letter: Letter) -> None:
        self.before_call("remove")
        self.letters[letter.queue] = [each for each in self.letters[letter.queue] if each is not letter]
        self.hidden.discard(letter.letter_id)

    def give_all_back(self, queue: str) -> bool:
        self.before_call("give_all_back")
        if queue not in self.moves:
            return False
        self.returned += self.letters[queue]
        self.letters[queue] = []
        return True


@dataclass
class FakeRefusedInput:
    kept: list[Refusal] = field(default_factory=list)

    def keep(self, refusal: Refusal) -> None:
        self.kept.append(refusal)


class FakePointKeys:
    """A keyless digest: good enough where nothing has to be secret."""

    def point(self, channel: Channel, address: str) -> str:
        return hashlib.sha256(f"{channel}:{address}".encode()).hexdigest()[:32]

    def proof(self, kind: str, borrower_id: str, party_id: str, value: str) -> str:
        return hashlib.sha256(f"{kind}|{borrower_id}|{party_id}|{value}".encode()).hexdigest()


@dataclass
class MemoryDoors:
    """`services.doors.DoorStore` in a process."""

    doors: dict[tuple[str, str], Door] = field(default_factory=dict)
    links: dict[str, tuple[str, str]] = field(default_factory=dict)

    def door(self, borrower_id: str, party_id: str) -> Door:
        return self.doors.get((borrower_id, party_id), Door(borrower_id, party_id))

    def put_door(self, door: Door, ends_at: datetime) -> None:  # noqa: ARG002 - nothing ends here
        if self.door(door.borrower_id, door.party_id).revision != door.revision:
            raise StateConflict("door")
        self.doors[door.borrower_id, door.party_id] = replace(door, revision=door.revision + 1)

    def whose(self, digest: str) -> tuple[str, str] | None:
        return self.links.get(digest)

    def put_link(self, digest: str, borrower_id: str, party_id: str, ends_at: datetime) -> None:  # noqa: ARG002
        self.links[digest] = (borrower_id, party_id)
