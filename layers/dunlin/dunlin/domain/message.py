"""A message: one occasion, one key, one life."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dunlin.domain.consent import Basis
from dunlin.domain.money import Money
from dunlin.domain.occasion import notice_of
from dunlin.domain.words import IN_FLIGHT, STOPPABLE, TERMINAL, Channel, MessageState, Purpose, Reason

#: From the reservation to the call: long enough for a cold start and a retry, short enough to mean "now".
HAND_OVER_WITHIN = timedelta(minutes=2)
SHORTEST_DELIVERY = timedelta(minutes=10)
#: A window with less left than this is as good as closed.
WINDOW_MARGIN = HAND_OVER_WITHIN + SHORTEST_DELIVERY


@dataclass(frozen=True, slots=True)
class MayState:
    """What a person's own words may state: these amounts, and numbers that name something (a reference, a tail)."""

    amounts: tuple[Money, ...] = ()
    names: tuple[str, ...] = ()


NOTHING_STATED = MayState()


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a message's life, kept for whoever asks why."""

    state: MessageState
    at: datetime
    reason: Reason
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure the text must carry: its name, its machine form (`1234.50 USD`, `2026-05-06`)."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Message:
    """The contact ledger's entry. `revision` is the one that was read; the store writes `revision + 1`.

    `key` is the occasion's key under the borrower. `point` is the HMAC of the address, which is not repeated here.
    `party_id` is who is told; `principal_id` the further party whose occasion it is (empty: the primary borrower's).
    `strategy_id` is the contact strategy whose stage it says (empty: none's, or an earlier version wrote it).
    `not_after` is the end of the window it may be felt in; `attend_at` is when the sweep looks at it if nobody else
    did. `occupies_until` is the latest moment at which it can still be felt.
    """

    borrower_id: str
    key: str
    revision: int
    state: MessageState
    stage: str
    purpose: Purpose
    channel: Channel
    party_id: str
    point: str
    line: str
    locale: str
    template: str
    loan_ids: tuple[str, ...]
    due_on: date | None
    episode: int
    mark_ids: tuple[str, ...]
    priority: int
    requested_at: datetime
    not_before: datetime
    not_after: datetime
    expected_parts: int
    decided_version: int
    content_version: str
    reason: Reason
    rule: str
    moves: tuple[Move, ...]
    attend_at: datetime | None = None
    in_reply_to: str = ""
    # rendered
    body: str = ""
    subject: str = ""
    parts: int = 0
    figures: tuple[Figure, ...] = ()
    rendered_version: int | None = None
    # reserved
    reserved_at: datetime | None = None
    hand_over_by: datetime | None = None
    occupies_until: datetime | None = None
    ttl_seconds: int = 0
    may_retry: bool = False
    #: When its line let it be handed over once more, after a hand-over that was certainly not accepted.
    again_at: datetime | None = None
    body_digest: str = ""
    previous_hash: str = ""
    entry_hash: str = ""
    # handed over
    provider_message_id: str = ""
    sent_at: datetime | None = None
    settled_at: datetime | None = None
    price: str = ""
    principal_id: str = ""
    strategy_id: str = ""
    #: The staff id of whoever wrote its words; empty where the words are a text of ours.
    author: str = ""
    #: The consents it rests on, as they were when it was reserved: the rules that asked, and the records.
    basis: tuple[Basis, ...] = ()
    #: The number under which the provider had these words on file; where nothing is filed text by text, there is none.
    filing: str = ""

    @property
    def ref(self) -> str:
        """How a message is named outside: `borrower_id/key`. It carries no personal data."""
        return f"{self.borrower_id}/{self.key}"

    @property
    def notice_id(self) -> str:
        """The notice it says; empty for a stage of the strategy and for a reply."""
        return notice_of(self.stage)

    @property
    def said(self) -> str:
        """What it says, whomever and whenever: the stage, the reply or the message's name."""
        return self.stage.partition("~")[0]

    @property
    def is_let_go_again(self) -> bool:
        return self.state is MessageState.RESERVED and self.may_retry and self.again_at is not None

    @property
    def waits_for_line(self) -> bool:
        """Whether its line decides when it goes: before it was released, and before a second hand-over."""
        if self.state is MessageState.RESERVED:
            return self.may_retry and self.again_at is None
        return self.state is MessageState.REQUESTED

    @property
    def may_go_from(self) -> datetime:
        """The first moment at which its line may take it."""
        return max(self.not_before, self.attend_at) if self.may_retry and self.attend_at else self.not_before

    @property
    def may_go_until(self) -> datetime:
        """The end of what its line may take it for; not included. Released later, its reservation would stop it."""
        if self.may_retry and self.hand_over_by:
            return min(self.not_after, self.hand_over_by)
        return self.not_after if self.purpose is Purpose.REPLY else self.not_after - WINDOW_MARGIN

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def is_stoppable(self) -> bool:
        return self.state in STOPPABLE

    @property
    def is_in_flight(self) -> bool:
        return self.state in IN_FLIGHT


def split_ref(ref: str) -> tuple[str, str]:
    """`borrower_id/key` back into its two halves.

    Raises:
        ValueError: it is not a message reference.
    """
    borrower_id, slash, key = ref.partition("/")
    if not (borrower_id and slash and key):
        raise ValueError("not a message reference")
    return borrower_id, key
