"""What the services need of the world. Adapters implement these; `dunlin.testing` ships in-memory ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from dunlin.domain.message import NOTHING_STATED, MayState
from dunlin.domain.pauses import Pause
from dunlin.domain.words import Channel, HoldKind, MessageState, PauseScope, Product, Purpose, Reason

# Only what is stored, or has a default, is needed to run: who receives a webhook starts without borrowers and policies.
if TYPE_CHECKING:
    from dunlin.domain.borrower import Borrower, Contact, LastWord
    from dunlin.domain.intents import Asked, Understood
    from dunlin.domain.message import Figure, Message
    from dunlin.domain.plans import PlanPolicy
    from dunlin.domain.policy import Conditions, HoldRule, Lender, Line, NoticeRule, Policy, Strategy
    from dunlin.domain.preferences import Word
    from dunlin.domain.promises import PromisePolicy
    from dunlin.domain.reach import Finding
    from dunlin.domain.retention import RetentionRules
    from dunlin.domain.statement import Statement


class Clock(Protocol):
    """Aware UTC now. Time has one source."""

    def __call__(self) -> datetime: ...


# ── Storage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Record:
    """An append-only item in a borrower's partition, written once for ever: a payment, a fact, an ended case."""

    borrower_id: str
    item: str
    document: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Suppression:
    """What a contact point has opted out of: `channel#purpose` or `channel#*`, as its `words` have it.

    `heard_at` is when the latest word about it was received, whether or not it changed anything; `changed_by` is the
    word that made it what it is. Written on condition that it still stands as it was read (`revision`). `findings` are
    what was found out about the point, and `of_all` is the last word of whoever has it about everything there is.
    """

    point: str
    blocked: frozenset[str] = frozenset()
    heard_at: datetime | None = None
    changed_by: str = ""
    words: tuple[Word, ...] = ()
    revision: int = 0
    findings: tuple[Finding, ...] = ()
    of_all: LastWord | None = None

    def forbids(self, channel: Channel, purpose: Purpose) -> bool:
        return f"{channel}#{purpose}" in self.blocked or f"{channel}#*" in self.blocked


@dataclass(frozen=True, slots=True)
class PointRecord:
    """An append-only item under a contact point: an inbound text, by the provider's id.

    `is_kept`: a borrower has the number, so it is kept as long as their records are; a stranger's expires by itself.
    """

    point: str
    item: str
    document: Mapping[str, object]
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Felt:
    """The contacts made at a contact point lately, about whoever's loans: a person with one telephone and two loans
    has one telephone.

    Written whole, on condition that it stands as it was read (`revision`; 0: nothing is there). It is an item of its
    own beside the suppression, so that an opt-out neither waits for a reservation nor can be undone by one.
    `released_at` is when a contact that was not made was last taken out: what is left empty is kept from then on.
    """

    point: str
    contacts: tuple[Contact, ...] = ()
    revision: int = 0
    released_at: datetime | None = None

    def without(self, ref: str, now: datetime) -> Felt:
        """The same point without the contact `ref`, which was not made; itself, if it knows of none."""
        left = tuple(contact for contact in self.contacts if contact.ref != ref)
        return self if len(left) == len(self.contacts) else Felt(self.point, left, self.revision, now)


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction. All of it happens, or none.

    `borrower` is written with `revision + 1` on condition that the stored revision is still `revision` (0: must not
    exist), and with `version + 1` unless `quiet`, which is for writes that no decision depends on (a wake, a parked
    token). Messages likewise by `revision`. `records` and `point_records` must not exist. `unless_blocked` refuses
    the whole when the point's suppression item covers (channel, purpose). `felt` are written with `revision + 1`,
    `felt_as_read` must be as they were read; both by `revision`, and no point is in both.
    """

    borrower: Borrower | None = None
    quiet: bool = False
    new_messages: tuple[Message, ...] = ()
    moved_messages: tuple[Message, ...] = ()
    records: tuple[Record, ...] = ()
    point_records: tuple[PointRecord, ...] = ()
    suppression: Suppression | None = None
    unless_blocked: tuple[str, Channel, Purpose] | None = None
    felt: tuple[Felt, ...] = ()
    felt_as_read: tuple[Felt, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits for its line, as the pacer sees it: REQUESTED, or to be handed over again."""

    borrower_id: str
    key: str
    not_before: datetime
    not_after: datetime
    expected_parts: int
    priority: int

    def may_go(self, now: datetime) -> bool:
        """Whether `now` is within the time that its line may take it for."""
        return self.not_before <= now < self.not_after


class Store(Protocol):
    """Borrowers, messages, suppressions. Reads of single items are strongly consistent.

    Raises (all methods): TransientError. `commit`: VersionConflict, StateConflict, AlreadyRecorded, Suppressed.
    """

    def borrower(self, borrower_id: str) -> Borrower | None: ...

    def record(self, borrower_id: str, item: str) -> Mapping[str, object] | None:
        """An append-only item of the borrower's; instants in it as they were written: aware, or as ISO 8601 text."""
        ...

    def message(self, borrower_id: str, key: str) -> Message | None: ...

    def conversation(self, borrower_id: str) -> Sequence[Message]: ...

    def commit(self, change: Change) -> None: ...

    def awake(self, shard: str, now: datetime, limit: int) -> Sequence[str]:
        """Borrowers of a shard whose `wake_at` has come, earliest first (eventually consistent)."""
        ...

    def queued(self, line: str, limit: int, now: datetime | None = None) -> Sequence[QueuedMessage]:
        """What waits for its line, by priority, then deadline (eventually consistent); with `now`, what may go then.

        What may not go hides nobody behind it: `limit` counts what is answered, not what is looked at.
        """
        ...

    def standing(self, shard: str, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """(borrower, key) of non-terminal messages whose `attend_at` has come (eventually consistent)."""
        ...

    def suppression(self, point: str) -> Suppression: ...

    def felt(self, point: str) -> Felt: ...

    def link_point(self, point: str, borrower_id: str) -> None:
        """Remember that this borrower has this contact point."""
        ...

    def borrowers_of(self, point: str) -> Sequence[str]: ...


# ── What is forgotten ────────────────────────────────────────────────────────────────────────────────────────────────


class Shelf(StrEnum):
    """Where an item of a borrower's lies."""

    MESSAGES = "messages"
    RECORDS = "records"  # payments, facts, ended cases; neither the hot item nor a tombstone
    POINT = "point"  # under a contact point: texts, words, links; never what it has opted out of


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item as it is stored, byte for byte. `owner` is the borrower, or the point; `expires`: it would by itself."""

    shelf: Shelf
    owner: str
    item: str
    document: str = dataclasses.field(repr=False)
    revision: int = 0
    is_settled: bool = True
    expires: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """One transaction that takes something away. All of it happens, or none.

    `borrower` is written with `revision + 1` and its version as it was, on condition that the stored revision is still
    `revision`: whatever a fact or a legal hold changes meanwhile stops it. `removed` messages must have the revision
    that was read; `rewritten` items must exist, and are written without an end. `unchanged` borrowers must be as read.
    """

    borrower: Borrower
    removed: tuple[StoredItem, ...] = ()
    rewritten: tuple[StoredItem, ...] = ()
    messages: tuple[Message, ...] = ()
    records: tuple[Record, ...] = ()
    unchanged: tuple[Borrower, ...] = ()


class Holdings(Protocol):
    """Everything that is held about a borrower, page by page, and the only way to take any of it away.

    Raises (all methods): TransientError. `commit`: VersionConflict, StateConflict, AlreadyRecorded.
    """

    def messages(self, borrower_id: str, after: str, limit: int) -> Sequence[Message]:
        """In the order of their keys, those behind `after`."""
        ...

    def items(self, shelf: Shelf, owner: str, after: str, limit: int) -> Sequence[StoredItem]:
        """In the order of their names, those behind `after`."""
        ...

    def commit(self, removal: Removal) -> None: ...


# ── The provider's own opt-out list ──────────────────────────────────────────────────────────────────────────────────


class ListingState(StrEnum):
    """What is known of a number's place on the provider's list."""

    WANTED = "wanted"  # about to be put there by us: it may be there, or not yet
    OURS = "ours"  # we put it there, because of what we were told
    THEIRS = "theirs"  # somebody put it there, and we learnt of it from there
    GONE = "gone"  # it was there


@dataclass(frozen=True, slots=True)
class Listing:
    """A number, by its point, on the provider's list. `at`: since when, as the provider says where it is theirs.

    `spared`: the purposes that had been opted out of before a listing of theirs covered everything.
    """

    point: str
    state: ListingState
    at: datetime
    revision: int = 0
    spared: tuple[str, ...] = ()


class Listings(Protocol):
    """What is known of a provider's list. `put` is conditional on `revision` and raises StateConflict; everything may
    raise TransientError."""

    def listing(self, point: str) -> Listing | None: ...

    def put(self, listing: Listing) -> None: ...

    def listings(self) -> Sequence[Listing]:
        """All of them, also those that are gone (eventually consistent)."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """A number on the provider's list. `by_person`: whoever has it opted out at the provider."""

    number: str = dataclasses.field(repr=False)
    at: datetime
    by_person: bool


class NumberList(Protocol):
    """A provider's own list of numbers that it sends nothing to. It knows no purposes. Raises TransientError."""

    @property
    def name(self) -> str: ...

    def put(self, number: str) -> bool:
        """Twice is once. False: the provider does not take this number."""
        ...

    def remove(self, number: str) -> bool:
        """A number that is not there is a success. False: the provider keeps it for now."""
        ...

    def numbers(self) -> Iterator[Listed]: ...


class OptOutQueue(Protocol):
    """Points whose place on the provider's list has to be brought into line with what they opted out of."""

    def follow(self, point: str, after: timedelta) -> None:
        """At least once, not before `after`. Raises TransientError."""
        ...


# ── Controls: shared state that stays out of the reservation ─────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class LineState:
    """A line's bucket, lease and stop.

    `tokens` are the parts that could go at `filled_at`; below zero after a text that was longer than they were.
    Nothing is released before `free_at`. `leased_until` belongs to the run that plans the minute. `day_parts` were
    released on `day`, the provider's date. Since `window_from` so many texts were `released` and `failed`, and
    `released_before` and `failed_before` in the window before it; `step` is how far the line has come back after a
    stop (0: all the way), `rests` how often in a row it stopped for failures.
    """

    line: str
    revision: int = 0
    tokens: float = 0.0
    filled_at: datetime | None = None
    leased_until: datetime | None = None
    stopped_until: datetime | None = None
    stop_reason: Reason | None = None
    free_at: datetime | None = None
    day: date | None = None
    day_parts: int = 0
    window_from: datetime | None = None
    released: int = 0
    released_before: int = 0
    failed: int = 0
    step: int = 0
    rests: int = 0
    failed_before: int = 0


@dataclass(frozen=True, slots=True)
class Hearing:
    """The probe of one of our ears (inbound, reports): when the last one was sent, and heard.

    `heard_to` is when the last probe that was heard had been sent: what came before it is certainly known.
    """

    ear: str
    revision: int = 0
    probe: str = ""
    sent_at: datetime | None = None
    heard_at: datetime | None = None
    heard_to: datetime | None = None


#: What we listen with. A probe is sent down each; one that is not heard in time means that we are deaf.
EARS = ("reports", "inbound")


@dataclass(frozen=True, slots=True)
class FeedClaim:
    """A checkpoint as the core said it: everything up to `complete_to` was sent. We took it in at `heard_at`."""

    complete_to: datetime
    heard_at: datetime


@dataclass(frozen=True, slots=True)
class FeedState:
    """How far the core's feed is complete: what the core claims, and what of it was seen to be applied.

    A checkpoint can overtake a fact that is still being retried, so a claim counts only once everything that was sent
    before it has left the queue (see `dunlin.services.feed`). `gap_since`: facts were given up, or nobody takes them
    in; until they are applied `complete_to` does not count either. The last three are what the watch remembers:
    since when facts have waited, since when nothing has stood still, when the queue was last seen empty.
    """

    revision: int = 0
    complete_to: datetime | None = None
    claims: tuple[FeedClaim, ...] = ()
    gap_since: datetime | None = None
    waiting_since: datetime | None = None
    flowing_since: datetime | None = None
    emptied_at: datetime | None = None
    watched_at: datetime | None = None

    @property
    def counts_to(self) -> datetime | None:
        """Up to when the feed is known to be complete; None while nothing is known."""
        return self.complete_to if self.gap_since is None else None

    @property
    def announced_to(self) -> datetime | None:
        """The latest checkpoint, proven or not: that the core speaks."""
        said = [claim.complete_to for claim in self.claims]
        return max([*said, self.complete_to]) if self.complete_to is not None else max(said, default=None)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The core's facts that are not applied: waiting to be read, being read or retried, and given up."""

    waiting: int
    in_flight: int
    dead: int


@dataclass(frozen=True, slots=True)
class PauseAct:
    """Somebody pressed or lifted a stop."""

    act: str  # paused | resumed
    scope: PauseScope
    name: str
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PauseBoard:
    """Every pause that was not lifted (some may be over), and who did what lately, newest last."""

    revision: int = 0
    pauses: tuple[Pause, ...] = ()
    acts: tuple[PauseAct, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """How many messages of each template were released on one UTC day. Counted before the release, so never too low."""

    day: date
    revision: int = 0
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a decision needs of the controls, in one read. `feed_complete_to` is what counts, see `FeedState`."""

    feed_complete_to: datetime | None
    hearings: tuple[Hearing, ...]
    lines: tuple[LineState, ...]
    pauses: tuple[Pause, ...] = ()
    released: Mapping[str, int] = dataclasses.field(default_factory=dict)
    feed_announced_to: datetime | None = None


class Controls(Protocol):
    """Line state, the feed's checkpoint and the ears.

    Writes are conditional on `revision` and raise StateConflict; everything may raise TransientError.
    """

    def survey(self, lines: Sequence[str], today: date) -> Survey:
        """Everything a decision needs of the controls. `today` is the UTC day whose released messages count."""
        ...

    def pauses(self) -> PauseBoard: ...

    def put_pauses(self, board: PauseBoard) -> None: ...

    def released(self, day: date) -> Released: ...

    def put_released(self, released: Released) -> None: ...

    def line(self, line: str) -> LineState: ...

    def put_line(self, state: LineState) -> None: ...

    def feed(self) -> FeedState: ...

    def put_feed(self, state: FeedState) -> None: ...

    def hearing(self, ear: str) -> Hearing: ...

    def put_hearing(self, hearing: Hearing) -> None: ...


# ── Content ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Content(Protocol):
    """One release of packs, strategies, templates and the lender's profile."""

    @property
    def version(self) -> str: ...

    @property
    def lender(self) -> Lender: ...

    def policy(self, jurisdiction: str, today: date, conditions: Conditions) -> Policy | None:
        """The policy of a jurisdiction, or None where nobody reviewed a pack: there nothing is sent."""
        ...

    def strategy(self, jurisdiction: str, products: frozenset[Product], strategy_id: str = "") -> Strategy | None:
        """The strategy that leads where somebody has loans of these products; `strategy_id` as long as it serves the
        place. None where one of the products has no strategy: whoever has such a loan is not written to."""
        ...

    def plan_policy(self, jurisdiction: str, products: frozenset[Product], today: date) -> PlanPolicy | None:
        """Which plans are offered there to somebody with loans of these products; None: a person helps."""
        ...

    def promise_policy(self, jurisdiction: str, products: frozenset[Product], today: date) -> PromisePolicy | None:
        """Which promises about loans of these products are taken there; None: a person helps."""
        ...

    def hold_rules(self, jurisdiction: str, today: date) -> Mapping[HoldKind, HoldRule]:
        """The table of stops there; the bare table where nobody reviewed a pack."""
        ...

    @property
    def notices(self) -> Mapping[str, NoticeRule]:
        """What is said because something happened, by the name of its message."""
        ...

    def has_phrase(self, code: str) -> bool:
        """Whether there are approved words for this code of the core's."""
        ...

    def retention(self, jurisdiction: str, today: date) -> RetentionRules | None:
        """How long what is known of somebody there is kept; None where nobody reviewed a pack."""
        ...

    def knows(self, version: str) -> bool:
        """Whether this is that version or a later one; if not, this content is older than whoever asks."""
        ...

    def zones_of(self, e164: str) -> tuple[str, ...]:
        """The IANA zones that a phone number itself indicates; empty where it indicates none."""
        ...


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What a text is made of. `statement` is None for texts that state nothing due; `facts` are the core's, in machine
    form (`1234.50 USD`, `2026-05-06`, `12.5`), under the names the message declares."""

    template: str
    locale: str
    channel: Channel
    party_name: str
    line: Line
    today: date
    statement: Statement | None = None
    facts: tuple[Figure, ...] = ()
    #: A person's own words, which are never a template, and what they may state.
    words: str = dataclasses.field(default="", repr=False)
    may_state: MayState = NOTHING_STATED


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text, read back: `figures` are the ones found in it. Only a text message has parts. Too long: it must not be
    sent. `filing` is the number under which the provider has these words on file."""

    subject: str
    body: str
    parts: int
    encoding: str
    figures: tuple[Figure, ...]
    is_too_long: bool = False
    filing: str = ""


class FreeWords(Protocol):
    """Reads what a person wrote before it is taken for an answer."""

    def plain(self, words: str, locale: str) -> str:
        """The words as they are kept and said: one space at a time, with the marks of a telephone."""
        ...

    def problem(self, request: RenderRequest) -> str:
        """What is wrong with the words; empty: they may go over this line as they are. It repeats none of them."""
        ...


class Renderer(Protocol):
    """Raises FiguresMismatch when a text does not carry exactly the figures it was given, ContentError without a
    template."""

    def render(self, request: RenderRequest) -> Rendered: ...


# ── Providers ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HandOver:
    """One message on its way to a provider. `ttl_seconds` ends inside the window it may be felt in; `point` is the key
    under which the address opts out; `filing` the number under which the provider has these words on file."""

    ref: str
    reserved_at: datetime
    line: Line
    purpose: Purpose
    address: str
    subject: str
    body: str
    ttl_seconds: int
    locale: str
    point: str
    filing: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it."""

    provider_message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider did not accept it and will not. `stops_line`: nor anything else from this line for now."""

    reason: Reason
    stops_line: bool = False
    point_unusable: bool = False


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """Proof that nothing was accepted (throttled, or no connection): the only answer that may be tried again."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Nobody knows: time-out, reset or 5xx after the request was written. Never sent again."""

    reason: Reason


HandOverResult = Accepted | Refused | NotAccepted | Unsettled


class Sender(Protocol):
    """A provider's sending side. Never raises for what a provider answers: every answer is a result."""

    def hand_over(self, order: HandOver) -> HandOverResult: ...


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A provider's report about one message. `state` None: still under way, nothing settled.

    `is_signed`: the provider proved that it speaks; otherwise it can only say what became of what was handed over.
    `ref` is empty where a provider does not repeat it: the message is found by `address` and the provider's id.
    `complained`: whoever got it said that they want nothing of us there any more. `channel`: what `address` is of.
    """

    ref: str
    state: MessageState | None
    reason: Reason
    at: datetime
    provider_message_id: str
    parts: int = 0
    price: str = ""
    point_unusable: bool = False
    is_signed: bool = True
    address: str = dataclasses.field(default="", repr=False)
    complained: bool = False
    channel: Channel = Channel.SMS


@dataclass(frozen=True, slots=True)
class InboundText:
    """A text from a person. `inbound_id` is the provider's: the same text twice has the same id.

    `is_signed`: the provider proved that it speaks; otherwise the text may opt out and do nothing else.
    `provider_opted_out`: the provider's own list took it for STOP, and answered it. `channel` is where it came from and
    where it is answered; `answer_by`: no later, where the channel takes free words only for a while.
    """

    inbound_id: str
    provider: str
    from_address: str
    to_address: str
    text: str
    received_at: datetime
    is_signed: bool = True
    provider_opted_out: bool = False
    channel: Channel = Channel.SMS
    answer_by: datetime | None = None


class Understand(Protocol):
    """Reads a text. `locale` None: a stranger's, read in every language's words. `today` is the writer's own date,
    `asked` what we asked them last."""

    def __call__(self, text: str, *, locale: str | None, today: date, asked: Asked) -> Understood: ...


# ── The rest of the world ────────────────────────────────────────────────────────────────────────────────────────────


class WakeQueue(Protocol):
    def wake(self, shard: str, now: datetime) -> None:
        """One wake of a shard; the same shard in the same minute is one wake."""
        ...


class Lengths(Protocol):
    """What a message weighs on its line, by the words it would be sent in now."""

    def parts(self, message: Message, now: datetime) -> int:
        """Parts of its text; 0 if it would not be sent at all.

        Raises:
            DunlinError: it cannot be judged or worded now.
        """
        ...


class Slots(Protocol):
    def ask(self, line: str, seconds: Sequence[int]) -> None:
        """Have the line looked at again in so many whole seconds from now (0 to 900), once for each.

        A slot may come late, twice or never.

        Raises:
            TransientError: not all of them were taken.
        """
        ...


class Escalations(Protocol):
    """The executions. Names carry borrower, episode and generation; input is ids only."""

    def start(self, borrower_id: str, episode: int, generation: int) -> None:
        """Starting one that exists is a success."""
        ...

    def ring(self, token: str) -> None:
        """Ring a parked execution's doorbell. A dead token is harmless."""
        ...

    def is_running(self, borrower_id: str, episode: int, generation: int) -> bool: ...


class Announcements(Protocol):
    """What others have to do or want to know, on a bus of its own. At least once: `event_id` says what is the same."""

    def announce(self, kind: str, event_id: str, detail: Mapping[str, object]) -> None:
        """Raises TransientError: it may or may not have been announced."""
        ...


class Intake(Protocol):
    """The queue that the core's facts come through."""

    def backlog(self) -> Backlog:
        """How much of it is not applied. Raises TransientError."""
        ...


class Ears(Protocol):
    """The queues we listen on; a probe sent down one of them proves that we still hear."""

    def send_probe(self, ear: str, probe: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """Input that can never be accepted, kept whole (encrypted) beside the field that was wrong."""

    source: str
    field: str
    problem: str
    raw: str = dataclasses.field(repr=False)


class RefusedInput(Protocol):
    def keep(self, refusal: Refusal) -> None: ...


class PointKeys(Protocol):
    """HMAC of a contact point, and of what a person proves who they are by. The key is a secret; the same address
    always gives the same point."""

    def point(self, channel: Channel, address: str) -> str: ...

    def proof(self, kind: str, borrower_id: str, party_id: str, value: str) -> str:
        """What is kept of a proof of this kind: another one for each person, whatever they have in common."""
        ...
