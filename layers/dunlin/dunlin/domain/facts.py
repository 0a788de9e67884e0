"""What the core tells, parsed and checked: the only way facts enter."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from dunlin.domain.agreements import PlanStatus
from dunlin.domain.borrower import Hold, Loan
from dunlin.domain.consent import Consent
from dunlin.domain.keeping import Erasure, LegalHold
from dunlin.domain.message import Figure
from dunlin.domain.money import Money
from dunlin.domain.reach import PointState
from dunlin.domain.wishes import Wish
from dunlin.domain.words import Channel, PartyRole, Purpose, StopSource


@dataclass(frozen=True, slots=True)
class PartyFacts:
    """A party as the core knows it: addresses still in clear, no HMAC yet. The rest is as in `borrower.Party`.

    `verified_at`: channels whose address somebody made sure is this party's, and when. `proofs`: what they can prove
    who they are by, in clear, as `domain.page.folded` writes it; hashed before it is kept.
    """

    party_id: str
    role: PartyRole
    name: str
    locale: str
    addresses: tuple[tuple[Channel, str], ...]
    may_hear: frozenset[Purpose]
    consents: tuple[Consent, ...]
    loan_ids: tuple[str, ...] = ()
    represents: str = ""
    zone: str = ""
    verified_at: tuple[tuple[Channel, datetime], ...] = ()
    proofs: tuple[tuple[str, str], ...] = field(default=(), repr=False)


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
class ConsentChanged:
    """A consent was given, or withdrawn, at `occurred_at`. `party_id` empty: the primary borrower's.

    `consent` carries purpose, channel, source and wording; its time is the event's.
    """

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    party_id: str
    given: bool
    consent: Consent


@dataclass(frozen=True, slots=True)
class PreferencesChosen:
    """A person's wishes, as they were said at `occurred_at`. `party_id` empty: the primary borrower's."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    party_id: str
    wish: Wish


@dataclass(frozen=True, slots=True)
class ContactPointChanged:
    """Something was found out about a number or an address. `borrower_id` empty: about whoever has it."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    party_id: str
    state: PointState
    address: tuple[Channel, str]
    source: str


@dataclass(frozen=True, slots=True)
class SuppressionImported:
    """A line of somebody's suppression list: an opt-out at a point, whoever has it, known or not.

    `everything`: whoever has the point wants nothing at all, at none of their points, now or later.
    """

    event_id: str
    type: str
    occurred_at: datetime
    address: tuple[Channel, str]
    everything: bool
    purpose: Purpose | None
    source: str


@dataclass(frozen=True, slots=True)
class NoticeRequested:
    """Something happened that the borrower is to be told, in the words of `message`. `facts` are in machine form."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    message: str
    party_id: str
    loan_id: str
    facts: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class TaskMoved:
    """A person took a task on, or answered it (`closed`). `by` is a staff id; `outcome` the code of approved words."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    task_id: str
    by: str
    closed: bool
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class AnswerRequested:
    """A person answers a text (`text_id`; `is_task`: it was named as the task it opened), as `author` (a staff id).

    Either in `words` of their own, in `locale` (empty: the language they are written to in), or with `message`, a text
    of ours that a person may choose. `answer_id` is theirs: asked for twice, it is said once. `party_id` empty: whoever
    wrote it.
    """

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    answer_id: str
    author: str
    text_id: str
    is_task: bool
    party_id: str = ""
    words: str = field(default="", repr=False)
    message: str = ""
    locale: str = ""
    closes_task: bool = False


@dataclass(frozen=True, slots=True)
class PlanDecided:
    """The lender agreed the plan that was chosen, or refused it for a `reason`: the code of approved words."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    task_id: str
    by: str
    approved: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PlanInForce:
    """The core carries a plan. `in_snapshots`: its snapshots say from now on what is left of it. `instalments` (day,
    amount) where they are others than were agreed, or nobody here knows of the plan; then `loan_ids` are its loans."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    plan_id: str
    in_snapshots: bool
    party_id: str
    loan_ids: tuple[str, ...]
    instalments: tuple[tuple[date, str], ...]


@dataclass(frozen=True, slots=True)
class PlanEnded:
    """A plan is over, by the core's word."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    plan_id: str
    outcome: PlanStatus


@dataclass(frozen=True, slots=True)
class LegalHoldPlaced:
    """Nothing of this borrower may be deleted or made anonymous: not by rule, not on request, not by itself."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    hold: LegalHold


@dataclass(frozen=True, slots=True)
class LegalHoldLifted:
    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    hold_id: str
    by: StopSource


@dataclass(frozen=True, slots=True)
class ErasureRequested:
    """Somebody asks to be forgotten, all of the borrower's parties with them."""

    event_id: str
    type: str
    occurred_at: datetime
    borrower_id: str
    erasure: Erasure


#: Facts about records, not about what may be said.
AboutRecords = LegalHoldPlaced | LegalHoldLifted | ErasureRequested


@dataclass(frozen=True, slots=True)
class FeedCheckpoint:
    event_id: str
    type: str
    occurred_at: datetime
    complete_to: datetime


#: What is known of one borrower, read and written as a whole.
BorrowerFact = (
    BorrowerUpdated
    | LoanChanged
    | HoldPlaced
    | HoldLifted
    | ConsentChanged
    | PreferencesChosen
    | NoticeRequested
    | TaskMoved
    | PlanDecided
    | AnswerRequested
    | PlanInForce
    | PlanEnded
    | AboutRecords
)
CoreEvent = BorrowerFact | PreferencesChanged | ContactPointChanged | SuppressionImported | FeedCheckpoint
