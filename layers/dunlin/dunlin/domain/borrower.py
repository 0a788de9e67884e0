"""What a decision may know of a borrower: one read, one version.

The whole of a `Borrower` is the *hot item* of the borrower's partition. Everything that can change the words of a
message, or the right to send it, lives here, so that one strongly consistent read is the truth and one condition on
`version` protects it. All instants are aware UTC (`_at`), dates are the borrower's local dates (`_on`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from dunlin.domain.agreements import Dialogue, Plan, Promise, Task
from dunlin.domain.care import Care
from dunlin.domain.consent import Consent
from dunlin.domain.keeping import NOTHING_YET, Keeping
from dunlin.domain.message import Figure
from dunlin.domain.money import Money
from dunlin.domain.occasion import mark_id
from dunlin.domain.wishes import NO_WISHES, Preferences
from dunlin.domain.words import (
    CaseOutcome,
    CaseStatus,
    Channel,
    HoldKind,
    LoanStatus,
    PartyRole,
    Product,
    Purpose,
    Reason,
)

ALL_PURPOSES = "*"


@dataclass(frozen=True, slots=True)
class ContactPoint:
    """One number or address of one party.

    `point` is the HMAC under which suppressions are kept; `zones` are the IANA zones the number itself indicates
    (area code); `blocked` mirrors the suppression item (purposes, or `*`), which stays authoritative at reservation.
    `verified_at`: somebody made sure that it is this party's; `checked_at`: it was looked up that it was not given to
    somebody else; `lost_at`: it was found to reach nobody, or somebody else (`lost_because`). `usable` is what follows
    from these (see `dunlin.domain.reach`); earlier versions stored nothing but that.
    """

    channel: Channel
    address: str
    point: str
    zones: tuple[str, ...] = ()
    blocked: frozenset[str] = frozenset()
    usable: bool = True
    verified_at: datetime | None = None
    checked_at: datetime | None = None
    lost_at: datetime | None = None
    lost_because: str = ""


@dataclass(frozen=True, slots=True)
class LastWord:
    """The last time a person opted out of everything, or in again: it covers the numbers they get later."""

    opted_out: bool
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Party:
    """A person who is a party to the borrower's loans, and what that person may hear.

    `loan_ids`: the loans this person is on (empty: all of the borrower's). `represents`: the party in whose place a
    representative is told (empty: the primary borrower). `zone`: where this person lives, if not where the borrower
    does. `proofs`: what this person can prove who they are by, each kind with its keyed hash (`domain.page`), in their
    order; never the value.
    """

    party_id: str
    role: PartyRole
    name: str
    locale: str
    points: tuple[ContactPoint, ...]
    may_hear: frozenset[Purpose]
    consents: tuple[Consent, ...] = ()
    loan_ids: tuple[str, ...] = ()
    represents: str = ""
    zone: str = ""
    last_word: LastWord | None = None
    preferences: Preferences = NO_WISHES
    proofs: tuple[tuple[str, str], ...] = ()

    def is_on(self, loan_id: str) -> bool:
        return not self.loan_ids or loan_id in self.loan_ids


@dataclass(frozen=True, slots=True)
class Instalment:
    """An instalment that is not paid in full: `outstanding` is the core's figure."""

    number: int
    due_on: date
    outstanding: Money


@dataclass(frozen=True, slots=True)
class Overdue:
    """The core's itemised overdue amount; `total` is the core's too and is checked against the parts at the door."""

    principal: Money
    interest: Money
    fees: Money
    total: Money


@dataclass(frozen=True, slots=True)
class PendingPayment:
    """Money on its way that the core has not applied yet."""

    payment_id: str
    amount: Money
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Loan:
    """The dunning facts of one loan, as of the core's `as_of` and per-loan `sequence`.

    `instalments` are the unpaid ones, oldest first, as far ahead as the core looks. `days_past_due` is the core's
    own count on `as_of`; where it is given it prevails over ours.
    """

    loan_id: str
    account_tail: str
    currency: str
    status: LoanStatus
    as_of: datetime
    sequence: int
    instalments: tuple[Instalment, ...]
    overdue: Overdue | None = None
    days_past_due: int | None = None
    pending: tuple[PendingPayment, ...] = ()
    product: Product = Product.INSTALMENT
    #: The contract's yearly rate in per cent and its last day, as the core gave them; empty where it did not.
    rate: str = ""
    ends_on: date | None = None
    #: When money last came for this loan: what was to be said about its absence until then is out of date.
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A dated stop: why, since when, until when (None: until lifted) and who said so.

    It is about the whole borrower unless it names less: one loan, one party, one contact point (by HMAC).
    """

    hold_id: str
    kind: HoldKind
    placed_at: datetime
    source: str
    until: datetime | None = None
    loan_id: str = ""
    party_id: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class Lift:
    """Somebody lifted a hold. Kept, because the placement may come later than the lift."""

    hold_id: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact that occupies a cap from `reserved_at` to the latest moment at which it can still be felt.

    `party_id` is who was told (empty: not known who of the borrower's parties, so it counts for each of them), `point`
    the contact point it was felt at (empty: not known). A contact with a point and no party was made about somebody
    else's loans: it counts for whoever has that point, and for nobody else.
    """

    ref: str
    reserved_at: datetime
    felt_until: datetime
    channel: str  # ours, or a dialler's, an agency's, a letter
    purpose: Purpose
    loan_ids: tuple[str, ...]
    party_id: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class StageMark:
    """What has become of one stage of one due date (in one episode): the memory that makes a stage happen once.

    `principal_id`: the further party whose occasion it is (a co-borrower, a guarantor); empty for the primary borrower.

    `status`: waiting (permitted later; `reason` says what binds), requested (a message is on its way), told (a
    provider accepted it), unsent (ended without reaching a provider; may be tried again), over (will not be tried
    again). `attempt` is the `n` of the last occasion; `lost_channels` failed and are not tried again for this stage.
    """

    due_on: date
    stage: str
    episode: int
    status: str
    at: datetime
    attempt: int = 0
    channel: str = ""
    message_key: str = ""
    reason: Reason | None = None
    lost_channels: tuple[str, ...] = ()
    principal_id: str = ""

    @property
    def mark_id(self) -> str:
        return mark_id(self.due_on, self.stage, self.episode, self.principal_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says to whoever wrote `text_id`, at the contact point (by HMAC) that it came from.

    `author` is a staff id. `words` are their own, in `locale`; both are empty where they chose a text of ours.
    """

    answer_id: str
    text_id: str
    party_id: str
    point: str
    author: str
    locale: str = ""
    words: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unsaid:
    """An answer that was not said, and why: waits until whoever asked for it was told."""

    answer_id: str
    author: str
    reason: str
    rule: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the core asks to be said, in the words of `message`: kept until its end is certain.

    `notice_id` is the event's. `party_id`: the further party it is for (empty: the primary borrower). `facts` are the
    core's, in machine form, under the names the message declares. `answer`: it is what a person answers.
    """

    notice_id: str
    message: str
    occurred_at: datetime
    party_id: str = ""
    loan_ids: tuple[str, ...] = ()
    facts: tuple[Figure, ...] = ()
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter that has to be written by whoever writes letters; waits until it was asked for on the bus.

    `about` is the message it goes with or stands in for, `notice_id` what the core asked for.
    """

    letter_id: str
    kind: str
    about: str
    asked_at: datetime
    notice_id: str = ""
    party_id: str = ""
    loan_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One delinquency episode of one borrower, all of the borrower's overdue loans in it.

    `token` is the parked execution's doorbell, valid for `parked_version`; `ring_at` is when to ring it at the latest.
    `strategy_id`: the strategy it was opened under and is carried through by (empty: opened before there were several).
    """

    episode: int
    generation: int
    status: CaseStatus
    due_on: date
    opened_at: datetime
    rounds: int = 0
    assessed_at: datetime | None = None
    execution_started: bool = False
    token: str | None = None
    parked_version: int | None = None
    ring_at: datetime | None = None
    outcome: CaseOutcome | None = None
    outcome_reason: Reason | None = None
    ended_at: datetime | None = None
    outcome_rule: str = ""
    strategy_id: str = ""


@dataclass(frozen=True, slots=True)
class Borrower:
    """The hot item.

    `version` counts the facts a decision depends on; `revision` counts writes and is what every write is conditional
    on. Moving a wake or parking a token changes the revision and leaves the version.
    """

    borrower_id: str
    version: int
    revision: int
    jurisdiction: str
    zone: str
    parties: tuple[Party, ...]
    loans: tuple[Loan, ...] = ()
    holds: tuple[Hold, ...] = ()
    contacts: tuple[Contact, ...] = ()
    marks: tuple[StageMark, ...] = ()
    case: Case | None = None
    episodes: int = 0
    wake_at: datetime | None = None
    chain_head: str = ""
    profile_sequence: int = 0
    #: Arrears due on or before this date are with a person: no second case begins for them.
    with_person_to: date | None = None
    #: A fact about this borrower was refused then: figures older than that are not to be trusted.
    doubted_at: datetime | None = None
    #: Holds lifted lately (id, when): a placement that comes late does not bring one back.
    lifted: tuple[tuple[str, datetime], ...] = ()
    #: The same with who lifted them; `lifted` is what earlier versions wrote.
    lifts: tuple[Lift, ...] = ()
    #: What the core asked to be said lately, and the letters that have not been asked for yet.
    notices: tuple[Notice, ...] = ()
    letters: tuple[Letter, ...] = ()
    #: How long all of this is kept, and what asks that it stays or goes (`domain.retention`).
    keeping: Keeping = NOTHING_YET
    #: What was promised and agreed, what they were asked by text, and what a person has to do.
    promises: tuple[Promise, ...] = ()
    plans: tuple[Plan, ...] = ()
    dialogues: tuple[Dialogue, ...] = ()
    tasks: tuple[Task, ...] = ()
    #: Answers of people that were not said, and what follows a matter that is over (`domain.care`).
    unsaid: tuple[Unsaid, ...] = ()
    care: tuple[Care, ...] = ()

    def is_with_a_person(self, loan: Loan) -> bool:
        """Whether this loan's arrears were in a case that a person took over: we say nothing more about them.

        A cured case whose payment came back is another matter: that is a new episode.
        """
        return self.with_person_to is not None and loan.instalments[0].due_on <= self.with_person_to
