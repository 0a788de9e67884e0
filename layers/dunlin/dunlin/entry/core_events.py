"""The core's events as they arrive: checked field by field, refused with the field's name and never its value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from dunlin.domain.agreements import PlanStatus
from dunlin.domain.borrower import Hold, Instalment, Loan, Overdue, PendingPayment
from dunlin.domain.consent import Consent
from dunlin.domain.facts import (
    AnswerRequested,
    BorrowerUpdated,
    ConsentChanged,
    ContactPointChanged,
    CoreEvent,
    ErasureRequested,
    FeedCheckpoint,
    HoldLifted,
    HoldPlaced,
    LegalHoldLifted,
    LegalHoldPlaced,
    LoanChanged,
    NoticeRequested,
    PartyFacts,
    PaymentFacts,
    PlanDecided,
    PlanEnded,
    PlanInForce,
    PreferenceFacts,
    PreferencesChanged,
    PreferencesChosen,
    PriorContact,
    SuppressionImported,
    TaskMoved,
)
from dunlin.domain.keeping import Erasure, LegalHold
from dunlin.domain.message import Figure
from dunlin.domain.money import Money, parse_money
from dunlin.domain.page import Proof, folded
from dunlin.domain.reach import OF_ONE, PointState
from dunlin.domain.wishes import Quiet, Wish
from dunlin.domain.words import Channel, HoldKind, LoanStatus, PartyRole, Product, Purpose, StopSource
from dunlin.errors import InvalidInput

#: A core that sends more than this in one event is telling us something else than a borrower's facts.
MOST_BYTES = 200_000

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$")]
EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-.:]{0,127}$")]
Amount = Annotated[str, StringConstraints(pattern=r"^-?\d{1,12}(\.\d{1,4})?$")]
Jurisdiction = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Tail = Annotated[str, StringConstraints(pattern=r"^\d{2,4}$")]
ZoneName = Annotated[str, StringConstraints(max_length=64)]
FactName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
#: No fact is prose: the core's own words are never sent.
Fact = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,._\-]{0,199}$")]
#: Any language; who has none of ours is written to in the one that their place declares first.
LocaleName = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}$")]
#: A purpose, or a consent of a name of its own that a pack or a message asks for.
ConsentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_\-]{0,63}$")]
#: Where somebody said it: web, app, call, paper, text, branch, import, …
Origin = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_\-]{0,31}$")]
#: Names the words that were shown, never the words.
Wording = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-.:/]{0,63}$")]
ConsentChannel = Literal[
    "sms", "email", "push", "wechat", "whatsapp", "call", "agent", "agency", "letter", "visit", "voicemail"
]
_EMAIL = re.compile(r"^[^@\s]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9\-.]{0,250}[A-Za-z0-9])?$")


def _e164(phone: str) -> str:
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        raise ValueError("must be an E.164 number") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("must be a possible number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_email(email: str) -> str:
    if not _EMAIL.match(email):
        raise ValueError("must be an e-mail address")
    return email


Phone = Annotated[str, StringConstraints(max_length=32), AfterValidator(_e164)]
Email = Annotated[str, StringConstraints(max_length=320), AfterValidator(_is_email)]
#: What SNS calls a device that an app is on: it is made where the device's token is registered.
Endpoint = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws(-[a-z]+)*:sns:[a-z]{2}(-[a-z]+)+-\d:\d{12}:endpoint/[A-Z_]+/[A-Za-z0-9_.\-]{1,256}/[0-9a-f\-]{36}$"
    ),
]


#: Whoever follows the service account, as WeChat names them to that account and to nobody else.
OpenId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{28}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Addressed(_Strict):
    """What may name one number, one e-mail address, one device, one number on WhatsApp or one follower."""

    phone: Phone | None = None
    email: Email | None = None
    push_endpoint: Endpoint | None = None
    wechat_openid: OpenId | None = None
    whatsapp: Phone | None = None

    @property
    def addresses(self) -> tuple[tuple[Channel, str], ...]:
        given = (
            (Channel.SMS, self.phone),
            (Channel.EMAIL, self.email),
            (Channel.PUSH, self.push_endpoint),
            (Channel.WECHAT, self.wechat_openid),
            (Channel.WHATSAPP, self.whatsapp),
        )
        return tuple((channel, address) for channel, address in given if address is not None)

    @property
    def address(self) -> tuple[Channel, str] | None:
        """The one that is given."""
        return next(iter(self.addresses), None)


class _Instalment(_Strict):
    number: Annotated[int, Field(ge=1, le=1200)]
    due_on: date
    outstanding: Amount


class _Overdue(_Strict):
    principal: Amount
    interest: Amount
    fees: Amount
    total: Amount


class _Pending(_Strict):
    payment_id: Id
    amount: Amount
    received_at: AwareDatetime


class _Loan(_Strict):
    loan_id: Id
    account_tail: Tail
    currency: Literal["CNY", "USD", "TWD", "AUD", "GBP", "EUR", "INR", "PHP", "IDR", "KRW"]
    status: LoanStatus
    as_of: AwareDatetime
    sequence: Annotated[int, Field(ge=1, le=2**53)]
    instalments: Annotated[list[_Instalment], Field(max_length=400)]
    overdue: _Overdue | None = None
    days_past_due: Annotated[int, Field(ge=0, le=36500)] | None = None
    pending: Annotated[list[_Pending], Field(max_length=50)] = []
    #: Where it is not said: what the loan was before, and `instalment` of a new one.
    product: Product | None = None
    #: The contract's yearly rate in per cent, and the day it ends: what a question about the terms is answered with.
    rate: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,4})?$")] | None = None
    ends_on: date | None = None

    @field_validator("instalments")
    @classmethod
    def _oldest_first(cls, instalments: list[_Instalment]) -> list[_Instalment]:
        if any(a.due_on > b.due_on for a, b in pairwise(instalments)):
            raise ValueError("must be oldest first")
        return instalments


class _Payment(_Strict):
    payment_id: Id
    amount: Amount


class _Consented(_Strict):
    """A consent as a snapshot lists it: just the purpose, or what is known of it."""

    purpose: ConsentName
    channel: ConsentChannel | None = None
    given_at: AwareDatetime | None = None
    source: Origin | None = None
    wording: Wording | None = None


def _consented(said: object) -> object:
    if not isinstance(said, str):
        return said
    if said not in frozenset(Purpose):
        raise ValueError("must be a purpose, or an object that says what was consented to")
    return {"purpose": said}


class _Party(Addressed):
    party_id: Id
    role: PartyRole
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
    locale: LocaleName
    may_hear: Annotated[list[Purpose], Field(max_length=10)]
    consents: Annotated[list[Annotated[_Consented, BeforeValidator(_consented)]], Field(max_length=60)] = []
    phone_verified_at: AwareDatetime | None = None
    email_verified_at: AwareDatetime | None = None
    push_verified_at: AwareDatetime | None = None
    wechat_verified_at: AwareDatetime | None = None
    whatsapp_verified_at: AwareDatetime | None = None
    loan_ids: Annotated[list[Id], Field(max_length=50)] = []
    represents: Id | None = None
    time_zone: ZoneName | None = None
    #: What a person can prove who they are by on their page: hashed at once, and never kept.
    birth_on: date | None = None
    id_tail: Annotated[str, StringConstraints(pattern=r"^[0-9Xx]{4}$")] | None = None
    postcode: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 \-]{1,11}$")] | None = None

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return None if name is None else _known_zone(name)

    @model_validator(mode="after")
    def _verify_what_there_is(self) -> _Party:
        if self.phone_verified_at is not None and self.phone is None:
            raise ValueError("phone_verified_at: there is no phone")
        if self.email_verified_at is not None and self.email is None:
            raise ValueError("email_verified_at: there is no email")
        if self.push_verified_at is not None and self.push_endpoint is None:
            raise ValueError("push_verified_at: there is no push_endpoint")
        if self.wechat_verified_at is not None and self.wechat_openid is None:
            raise ValueError("wechat_verified_at: there is no wechat_openid")
        if self.whatsapp_verified_at is not None and self.whatsapp is None:
            raise ValueError("whatsapp_verified_at: there is no whatsapp")
        return self


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("must be an IANA time zone") from None
    return name


class _Borrower(_Strict):
    sequence: Annotated[int, Field(ge=1, le=2**53)]
    jurisdiction: Jurisdiction
    time_zone: ZoneName
    parties: Annotated[list[_Party], Field(min_length=1, max_length=20)]

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        return _known_zone(name)

    @model_validator(mode="after")
    def _one_primary(self) -> _Borrower:
        if sum(party.role is PartyRole.PRIMARY for party in self.parties) != 1:
            raise ValueError("exactly one party must be primary")
        if len({party.party_id for party in self.parties}) != len(self.parties):
            raise ValueError("party_id must be unique")
        return self

    @model_validator(mode="after")
    def _fit_their_roles(self) -> _Borrower:
        roles = {party.party_id: party.role for party in self.parties}
        for party in self.parties:
            stands_in = party.role is PartyRole.REPRESENTATIVE
            if party.represents is not None and (
                not stands_in or roles.get(party.represents, PartyRole.REPRESENTATIVE) is PartyRole.REPRESENTATIVE
            ):
                raise ValueError("represents is a representative's, and names a party who is none")
            if party.loan_ids and (stands_in or party.role is PartyRole.PRIMARY):
                raise ValueError("loan_ids are a co-borrower's or guarantor's: the primary borrower is on every loan")
            if party.time_zone is not None and party.role is PartyRole.PRIMARY:
                raise ValueError("the primary borrower's time_zone is the borrower's")
        return self


#: What cores have been calling them.
_SOURCES = {"agent": StopSource.STAFF, "counsel": StopSource.REPRESENTATIVE}


def _source(said: object) -> object:
    return _SOURCES.get(said, said) if isinstance(said, str) else said


Source = Annotated[StopSource, BeforeValidator(_source)]


class _Hold(Addressed):
    hold_id: Id
    kind: HoldKind
    source: Source
    until: AwareDatetime | None = None
    loan_id: Id | None = None
    party_id: Id | None = None

    @model_validator(mode="after")
    def _name_one_thing(self) -> _Hold:
        if sum(part is not None for part in (self.loan_id, self.party_id, *self.addresses)) > 1:
            raise ValueError(
                "at most one of loan_id, party_id, phone, email, push_endpoint, whatsapp and wechat_openid"
            )
        return self


class _LiftedHold(_Strict):
    hold_id: Id
    by: Source = StopSource.CORE


class Preference(Addressed):
    """What somebody wants to hear, as it is told by the core and by `POST /opt-outs`."""

    scope: Literal["purpose", "number", "everything"]
    opted_out: bool
    party_id: Id | None = None
    purpose: Purpose | None = None

    @model_validator(mode="after")
    def _fit_its_scope(self) -> Preference:
        if len(self.addresses) != (0 if self.scope == "everything" else 1):
            raise ValueError(
                "phone, email, push_endpoint, whatsapp or wechat_openid: one, and none where everything is meant"
            )
        if (self.purpose is not None) != (self.scope == "purpose"):
            raise ValueError("purpose: where one is meant, and only there")
        if self.party_id is not None and self.scope != "everything":
            raise ValueError("party_id: where everything is meant, and only there")
        return self

    @property
    def facts(self) -> PreferenceFacts:
        return PreferenceFacts(self.opted_out, self.party_id or "", self.address, self.purpose)


class _LegalHold(_Strict):
    hold_id: Id
    #: A file number, a docket: a reference, never a name or a number somebody can be called at.
    matter: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_\-./:]{0,63}$")]
    by: Source
    until: AwareDatetime | None = None


class _LiftedLegalHold(_Strict):
    hold_id: Id
    by: Source


class _Erasure(_Strict):
    request_id: Id
    by: Source


class _Consent(_Strict):
    purpose: ConsentName
    given: bool
    source: Origin
    party_id: Id | None = None
    channel: ConsentChannel | None = None
    wording: Wording | None = None

    @model_validator(mode="after")
    def _show_words(self) -> _Consent:
        if self.given and self.wording is None:
            raise ValueError("wording: a consent is given to words that were shown")
        return self


_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class _QuietHours(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)
    begins: Annotated[str, StringConstraints(pattern=_CLOCK), Field(alias="from")]
    ends: Annotated[str, StringConstraints(pattern=_CLOCK), Field(alias="to")]
    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(max_length=7)] = []

    @model_validator(mode="after")
    def _begin_and_end(self) -> _QuietHours:
        if self.begins == self.ends:
            raise ValueError("from and to must differ")
        return self

    @property
    def fact(self) -> Quiet:
        days = sorted({_WEEKDAYS.index(day) for day in self.days})
        return Quiet(_minutes(self.begins), _minutes(self.ends), tuple(days))


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


class Choice(_Strict):
    """What a person wishes for, as it is told by the core and by `POST /preferences`. Empty: nothing any more."""

    party_id: Id | None = None
    quiet_hours: Annotated[list[_QuietHours], Field(max_length=14)] | None = None
    channels: Annotated[list[Channel], Field(max_length=len(Channel))] | None = None
    language: LocaleName | Literal[""] | None = None

    @model_validator(mode="after")
    def _wish_for_something(self) -> Choice:
        if self.quiet_hours is None and self.channels is None and self.language is None:
            raise ValueError("at least one of quiet_hours, channels and language")
        return self

    @property
    def wish(self) -> Wish:
        quiet = None if self.quiet_hours is None else tuple(sorted({each.fact for each in self.quiet_hours}))
        channels = None if self.channels is None else tuple(dict.fromkeys(self.channels))
        return Wish(channels, quiet, self.language)


class _ContactPoint(Addressed):
    state: PointState
    source: Origin
    party_id: Id | None = None

    @model_validator(mode="after")
    def _name_one(self) -> _ContactPoint:
        if len(self.addresses) != 1:
            raise ValueError("phone, email, push_endpoint, whatsapp or wechat_openid: one of them")
        if self.party_id is not None and self.state not in OF_ONE:
            raise ValueError("party_id: only where it is about one person")
        return self


class _Suppression(Addressed):
    scope: Literal["everything", "number", "purpose"]
    source: Origin
    purpose: Purpose | None = None

    @model_validator(mode="after")
    def _fit_its_scope(self) -> _Suppression:
        if len(self.addresses) != 1:
            raise ValueError("phone, email, push_endpoint, whatsapp or wechat_openid: one of them")
        if (self.purpose is not None) != (self.scope == "purpose"):
            raise ValueError("purpose: where one is meant, and only there")
        return self


class _Contact(_Strict):
    at: AwareDatetime
    channel: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}$")]
    purpose: Purpose


class _Event(_Strict):
    event_id: EventId
    occurred_at: AwareDatetime


class _BorrowerEvent(_Event):
    type: Literal["borrower.updated"]
    borrower_id: Id
    borrower: _Borrower


class _LoanEvent(_Event):
    type: Literal[
        "loan.snapshot",
        "loan.approved",
        "loan.disbursed",
        "loan.due",
        "loan.restructured",
        "loan.waived",
        "loan.sold",
        "loan.placed",
        "loan.charged_off",
        "loan.closed",
    ]
    borrower_id: Id
    loan: _Loan


class _PaymentEvent(_Event):
    type: Literal[
        "payment.pending",
        "payment.applied",
        "payment.returned",
        "payment.reversed",
        "payment.reallocated",
        "payment.backdated",
    ]
    borrower_id: Id
    payment: _Payment
    loan: _Loan


class _HoldPlaced(_Event):
    type: Literal["hold.placed"]
    borrower_id: Id
    hold: _Hold


class _HoldLifted(_Event):
    type: Literal["hold.lifted"]
    borrower_id: Id
    hold: _LiftedHold


class _PreferencesChanged(_Event):
    type: Literal["preferences.changed"]
    borrower_id: Id
    preference: Preference


class _LegalHoldPlaced(_Event):
    type: Literal["legal_hold.placed"]
    borrower_id: Id
    legal_hold: _LegalHold


class _LegalHoldLifted(_Event):
    type: Literal["legal_hold.lifted"]
    borrower_id: Id
    legal_hold: _LiftedLegalHold


class _ErasureRequested(_Event):
    type: Literal["erasure.requested"]
    borrower_id: Id
    erasure: _Erasure


class _ConsentChanged(_Event):
    type: Literal["consent.changed"]
    borrower_id: Id
    consent: _Consent


class _PreferencesChosen(_Event):
    type: Literal["preferences.chosen"]
    borrower_id: Id
    choice: Choice


class _ContactPointChanged(_Event):
    type: Literal["contact_point.changed"]
    borrower_id: Id | None = None
    contact_point: _ContactPoint


class _SuppressionImported(_Event):
    type: Literal["suppression.imported"]
    suppression: _Suppression


class _Imported(_Event):
    type: Literal["portfolio.imported"]
    borrower_id: Id
    loan: _Loan
    contacts: Annotated[list[_Contact], Field(max_length=500)] = []


class _Notice(_Strict):
    """What the borrower is to be told. `facts` are in machine form: `1234.50 USD`, `2026-05-06`, `12.5`, a code."""

    message: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    party_id: Id | None = None
    loan_id: Id | None = None
    facts: Annotated[dict[FactName, Fact], Field(max_length=20)] = {}


class _NoticeRequested(_Event):
    type: Literal["notice.requested"]
    borrower_id: Id
    notice: _Notice


class _Task(_Strict):
    """What a person did about a task. `outcome`: the code of approved words for how it ended."""

    task_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    by: Id
    outcome: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}(\.[a-z_]{1,40})?$")] | None = None


class _TaskMoved(_Event):
    type: Literal["task.acknowledged", "task.closed"]
    borrower_id: Id
    task: _Task


class _Plan(_Strict):
    """What was decided about the plan that `plan.requested` announced. `reason`: the code of approved words."""

    task_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    by: Id
    decision: Literal["approved", "refused"]
    reason: Annotated[str, StringConstraints(pattern=r"^reason\.[a-z_]{1,40}$")] | None = None

    @model_validator(mode="after")
    def _refused_for_a_reason(self) -> _Plan:
        if (self.decision == "refused") != (self.reason is not None):
            raise ValueError("a plan is refused for a reason, and approved without one")
        return self


class _PlanDecided(_Event):
    type: Literal["plan.decided"]
    borrower_id: Id
    plan: _Plan


class _Answer(_Strict):
    """What a person answers: in words of their own, or with a text that a person may choose."""

    answer_id: Id
    author: Id
    task_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    text_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    party_id: Id | None = None
    words: Annotated[str, StringConstraints(min_length=1, max_length=4000)] | None = None
    message: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    locale: LocaleName | None = None
    closes_task: StrictBool = False

    @model_validator(mode="after")
    def _answer_one_thing(self) -> _Answer:
        if (self.task_id is None) == (self.text_id is None):
            raise ValueError("task_id or text_id: one of them")
        if (self.words is None) == (self.message is None):
            raise ValueError("words or message: one of them")
        return self


class _AnswerRequested(_Event):
    type: Literal["answer.requested"]
    borrower_id: Id
    answer: _Answer


class _PlanInstalment(_Strict):
    due_on: date
    amount: Amount


class _Carried(_Strict):
    """A plan that the core carries; see `PlanInForce`."""

    plan_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    in_snapshots: bool = False
    party_id: Id | None = None
    loan_ids: Annotated[tuple[Id, ...], Field(max_length=50)] = ()
    instalments: Annotated[tuple[_PlanInstalment, ...], Field(max_length=121)] = ()


class _PlanInForce(_Event):
    type: Literal["plan.in_force"]
    borrower_id: Id
    plan: _Carried


class _Over(_Strict):
    plan_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    outcome: Literal["kept", "broken", "withdrawn"]


class _PlanEnded(_Event):
    type: Literal["plan.ended"]
    borrower_id: Id
    plan: _Over


class _Checkpoint(_Event):
    type: Literal["feed.checkpoint"]
    complete_to: AwareDatetime


_AnyEvent = Annotated[
    _BorrowerEvent
    | _LoanEvent
    | _PaymentEvent
    | _HoldPlaced
    | _HoldLifted
    | _PreferencesChanged
    | _NoticeRequested
    | _TaskMoved
    | _PlanDecided
    | _AnswerRequested
    | _PlanInForce
    | _PlanEnded
    | _LegalHoldPlaced
    | _LegalHoldLifted
    | _ErasureRequested
    | _ConsentChanged
    | _PreferencesChosen
    | _ContactPointChanged
    | _SuppressionImported
    | _Imported
    | _Checkpoint,
    Discriminator("type"),
]


@lru_cache(maxsize=1)
def _events() -> TypeAdapter[Any]:
    return TypeAdapter(_AnyEvent)


def json_schema(ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """The JSON Schema of every event, as published. `ref_template` says how one shape names another."""
    return _events().json_schema(ref_template=ref_template)


def parse_core_event(document: object) -> CoreEvent:
    """An event as it came off the bus or the wire, as facts.

    Raises:
        InvalidInput: naming the first field that is wrong, and never what was in it.
    """
    try:
        model = _events().validate_python(document)
    except ValidationError as error:
        raise invalid(error) from None
    return _facts(model)


def invalid(error: ValidationError) -> InvalidInput:
    """A validation error as ours: the first field's path and the problem, without the value."""
    first = error.errors(include_input=False, include_context=False, include_url=False)[0]
    # A tagged union puts the tag (one of ours) into the path; the path of an unknown key is a key we were sent.
    known = [str(part) for part in first["loc"] if not (isinstance(part, str) and "." in part)]
    if first["type"] == "extra_forbidden" and known:
        known[-1] = "(unknown field)"
    if "facts" in known:  # what is below has names that we were sent
        known = known[: known.index("facts") + 1]
    problem = {"union_tag_invalid": "is not a known event type", "union_tag_not_found": "must be set"}.get(
        first["type"], _plain(str(first["msg"]))
    )
    path = ".".join(known) or ("type" if first["type"].startswith("union_tag") else "event")
    return InvalidInput(path, problem)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def _facts(model: Any) -> CoreEvent:
    common = (model.event_id, model.type, model.occurred_at)
    match model:
        case _Checkpoint():
            return FeedCheckpoint(*common, model.complete_to)
        case _BorrowerEvent():
            b = model.borrower
            return BorrowerUpdated(
                *common, model.borrower_id, b.sequence, b.jurisdiction, b.time_zone, tuple(map(_party, b.parties))
            )
        case _HoldPlaced():
            h = model.hold
            hold = Hold(h.hold_id, h.kind, model.occurred_at, h.source, h.until, h.loan_id or "", h.party_id or "")
            return HoldPlaced(*common, model.borrower_id, hold, h.address)
        case _HoldLifted():
            return HoldLifted(*common, model.borrower_id, model.hold.hold_id, model.hold.by)
        case _PreferencesChanged():
            return PreferencesChanged(*common, model.borrower_id, model.preference.facts)
        case _NoticeRequested():
            n = model.notice
            facts = tuple(Figure(name, n.facts[name]) for name in sorted(n.facts))
            return NoticeRequested(*common, model.borrower_id, n.message, n.party_id or "", n.loan_id or "", facts)
        case _TaskMoved():
            closed = model.type == "task.closed"
            return TaskMoved(
                *common, model.borrower_id, model.task.task_id, model.task.by, closed, model.task.outcome or ""
            )
        case _PlanDecided():
            plan = model.plan
            approved = plan.decision == "approved"
            return PlanDecided(*common, model.borrower_id, plan.task_id, plan.by, approved, plan.reason or "")
        case _AnswerRequested():
            a = model.answer
            return AnswerRequested(
                *common,
                model.borrower_id,
                a.answer_id,
                a.author,
                a.task_id or a.text_id or "",
                a.task_id is not None,
                a.party_id or "",
                a.words or "",
                a.message or "",
                a.locale or "",
                a.closes_task,
            )
        case _PlanInForce():
            carried = model.plan
            dues = tuple((each.due_on, each.amount) for each in carried.instalments)
            return PlanInForce(
                *common,
                model.borrower_id,
                carried.plan_id,
                carried.in_snapshots,
                carried.party_id or "",
                carried.loan_ids,
                dues,
            )
        case _PlanEnded():
            return PlanEnded(*common, model.borrower_id, model.plan.plan_id, PlanStatus(model.plan.outcome))
        case _LegalHoldPlaced():
            law = model.legal_hold
            legal = LegalHold(law.hold_id, law.matter, model.occurred_at, law.by, law.until)
            return LegalHoldPlaced(*common, model.borrower_id, legal)
        case _LegalHoldLifted():
            return LegalHoldLifted(*common, model.borrower_id, model.legal_hold.hold_id, model.legal_hold.by)
        case _ErasureRequested():
            asked = Erasure(model.erasure.request_id, model.occurred_at, model.erasure.by)
            return ErasureRequested(*common, model.borrower_id, asked)
        case _ConsentChanged():
            c = model.consent
            consent = Consent(c.purpose, c.channel or "", None, c.source, c.wording or "")
            return ConsentChanged(*common, model.borrower_id, c.party_id or "", c.given, consent)
        case _PreferencesChosen():
            return PreferencesChosen(*common, model.borrower_id, model.choice.party_id or "", model.choice.wish)
        case _ContactPointChanged():
            p = model.contact_point
            if p.state in OF_ONE and model.borrower_id is None:
                raise InvalidInput("borrower_id", "must be set where it is about one person")
            assert p.address is not None
            return ContactPointChanged(*common, model.borrower_id or "", p.party_id or "", p.state, p.address, p.source)
        case _SuppressionImported():
            s = model.suppression
            assert s.address is not None
            return SuppressionImported(*common, s.address, s.scope == "everything", s.purpose, s.source)
        case _Imported():
            contacts = tuple(PriorContact(c.at, c.channel, c.purpose) for c in model.contacts)
            return LoanChanged(
                *common,
                model.borrower_id,
                _loan(model.loan),
                imported=True,
                contacts=contacts,
                names_product=_names_product(model),
            )
        case _PaymentEvent():
            amount = _money("payment.amount", model.payment.amount, model.loan.currency, positive=True)
            payment = PaymentFacts(model.payment.payment_id, amount)
            return LoanChanged(
                *common, model.borrower_id, _loan(model.loan), payment, names_product=_names_product(model)
            )
        case _:
            return LoanChanged(*common, model.borrower_id, _loan(model.loan), names_product=_names_product(model))


def _names_product(model: _LoanEvent | _PaymentEvent | _Imported) -> bool:
    return model.loan.product is not None


def _party(party: _Party) -> PartyFacts:
    return PartyFacts(
        party.party_id,
        party.role,
        party.name,
        party.locale,
        party.addresses,
        frozenset(party.may_hear),
        tuple(map(_consent, party.consents)),
        tuple(dict.fromkeys(party.loan_ids)),
        party.represents or "",
        party.time_zone or "",
        tuple(_verified(party)),
        tuple(_proofs(party)),
    )


def _proofs(party: _Party) -> Iterator[tuple[str, str]]:
    given = {
        Proof.BIRTH_ON: party.birth_on.isoformat() if party.birth_on is not None else None,
        Proof.ID_TAIL: party.id_tail,
        Proof.POSTCODE: party.postcode,
    }
    for kind, value in given.items():
        clear = folded(kind, value) if value is not None else None
        if clear is not None:
            yield str(kind), clear


def _consent(said: _Consented) -> Consent:
    return Consent(said.purpose, said.channel or "", said.given_at, said.source or "", said.wording or "")


def _verified(party: _Party) -> Iterator[tuple[Channel, datetime]]:
    if party.phone_verified_at is not None:
        yield Channel.SMS, party.phone_verified_at
    if party.email_verified_at is not None:
        yield Channel.EMAIL, party.email_verified_at
    if party.push_verified_at is not None:
        yield Channel.PUSH, party.push_verified_at
    if party.wechat_verified_at is not None:
        yield Channel.WECHAT, party.wechat_verified_at
    if party.whatsapp_verified_at is not None:
        yield Channel.WHATSAPP, party.whatsapp_verified_at


def _money(field: str, text: str, currency: str, *, positive: bool = False) -> Money:
    try:
        money = parse_money(text, currency)
    except ValueError as problem:
        raise InvalidInput(field, str(problem)) from None
    if money.amount < 0 or (positive and money.amount == 0):
        raise InvalidInput(field, "must be above zero" if positive else "must not be negative")
    return money


def _loan(loan: _Loan) -> Loan:
    currency = loan.currency
    instalments = tuple(
        Instalment(
            i.number,
            i.due_on,
            _money(f"loan.instalments.{index}.outstanding", i.outstanding, currency, positive=True),
        )
        for index, i in enumerate(loan.instalments)
    )
    overdue = None
    if loan.overdue is not None:
        parts = {
            name: _money(f"loan.overdue.{name}", getattr(loan.overdue, name), currency)
            for name in ("principal", "interest", "fees", "total")
        }
        if parts["principal"].amount + parts["interest"].amount + parts["fees"].amount != parts["total"].amount:
            raise InvalidInput("loan.overdue.total", "must be principal + interest + fees")
        overdue = Overdue(**parts)
    pending = tuple(
        PendingPayment(
            p.payment_id,
            _money(f"loan.pending.{index}.amount", p.amount, currency, positive=True),
            p.received_at,
        )
        for index, p in enumerate(loan.pending)
    )
    return Loan(
        loan.loan_id,
        loan.account_tail,
        currency,
        loan.status,
        loan.as_of,
        loan.sequence,
        instalments,
        overdue,
        loan.days_past_due,
        pending,
        loan.product or Product.INSTALMENT,
        rate=loan.rate or "",
        ends_on=loan.ends_on,
    )
