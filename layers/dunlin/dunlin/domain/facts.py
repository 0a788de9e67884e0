"""What the core tells, parsed and checked: the only way facts enter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dunlin.domain.borrower import Hold, Loan
from dunlin.domain.money import Money
from dunlin.domain.words import Channel, PartyRole, Purpose, StopSource


@dataclass(frozen=True, slots=True)
class PartyFacts:
    """A party as the core knows it: addresses still in clear, no HMAC yet. The rest is as in `borrower.Party`."""

    party_id: str
    role: PartyRole
    name: str
    locale: str
    addresses: tuple[tuple[Channel, str], ...]
    may_hear: frozenset[Purpose]
    consents: frozenset[Purpose]
    loan_ids: tuple[str, ...] = ()
    represents: str = ""
    zone: str = ""


@dataclass(frozen=True, slots=True)
class BorrowerUpdated:
    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    sequence: int
    jurisdiction: str
    zone: str
    parties: tuple[PartyFacts, ...]


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    payment_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class PriorContact:
    """A contact made before the cut-over: it counts, so that the first day is not a burst."""

    at: datetime
    channel: str
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class LoanChanged:
    """A loan's snapshot after something happened. `imported`: past stages count as told (cut-over).

    `names_product`: whether the core said what kind of loan it is. Where it did not, a known loan stays what it was.
    """

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    loan: Loan
    payment: PaymentFacts | None = None
    imported: bool = False
    contacts: tuple[PriorContact, ...] = ()
    names_product: bool = True


@dataclass(frozen=True, slots=True)
class HoldPlaced:
    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    hold: Hold
    #: The contact point it is about, in clear; its HMAC is `hold.point` once it is applied.
    address: tuple[Channel, str] | None = None


@dataclass(frozen=True, slots=True)
class HoldLifted:
    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    hold_id: str
    by: StopSource = StopSource.CORE


@dataclass(frozen=True, slots=True)
class PreferenceFacts:
    """Somebody opts out, or in again: of one purpose at one number, of one number, of everything.

    `address` None: everything that reaches the party (empty: the primary borrower), on every channel. `purpose` None:
    every purpose.
    """

    opted_out: bool
    party_id: str = ""
    address: tuple[Channel, str] | None = None
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class PreferencesChanged:
    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    preference: PreferenceFacts


@dataclass(frozen=True, slots=True)
class FeedCheckpoint:
    event_id: str
    type: str
    occurred_at: datetime
    complete_to: datetime


CoreEvent = BorrowerUpdated | LoanChanged | HoldPlaced | HoldLifted | PreferencesChanged | FeedCheckpoint
