"""The core's events as they arrive: checked field by field, refused with the field's name and never its value."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import phonenumbers
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from dunlin.domain.borrower import Hold, Instalment, Loan, Overdue, PendingPayment
from dunlin.domain.facts import (
    BorrowerUpdated,
    CoreEvent,
    FeedCheckpoint,
    HoldLifted,
    HoldPlaced,
    LoanChanged,
    PartyFacts,
    PaymentFacts,
    PriorContact,
)
from dunlin.domain.money import Money, parse_money
from dunlin.domain.words import Channel, HoldKind, LoanStatus, PartyRole, Purpose
from dunlin.errors import InvalidInput

#: A core that sends more than this in one event is telling us something else than a borrower's facts.
MOST_BYTES = 200_000

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-]{0,63}$")]
EventId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_\-.:]{0,127}$")]
Amount = Annotated[str, StringConstraints(pattern=r"^-?\d{1,12}(\.\d{1,4})?$")]
Jurisdiction = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
Tail = Annotated[str, StringConstraints(pattern=r"^\d{2,4}$")]
ZoneName = Annotated[str, StringConstraints(max_length=64)]
_EMAIL = re.compile(r"^[^@\s]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9\-.]{0,250}[A-Za-z0-9])?$")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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

    @field_validator("instalments")
    @classmethod
    def _oldest_first(cls, instalments: list[_Instalment]) -> list[_Instalment]:
        if any(a.due_on > b.due_on for a, b in pairwise(instalments)):
            raise ValueError("must be oldest first")
        return instalments


class _Payment(_Strict):
    payment_id: Id
    amount: Amount


class _Party(_Strict):
    party_id: Id
    role: PartyRole
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
    locale: Literal["zh-CN", "en-US"]
    phone: Annotated[str, StringConstraints(max_length=32)] | None = None
    email: Annotated[str, StringConstraints(max_length=320)] | None = None
    may_hear: Annotated[list[Purpose], Field(max_length=10)]
    consents: Annotated[list[Purpose], Field(max_length=10)] = []

    @field_validator("phone")
    @classmethod
    def _e164(cls, phone: str | None) -> str | None:
        if phone is None:
            return None
        try:
            number = phonenumbers.parse(phone, None)
        except phonenumbers.NumberParseException:
            raise ValueError("must be an E.164 number") from None
        if not phonenumbers.is_possible_number(number):
            raise ValueError("must be a possible number")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    @field_validator("email")
    @classmethod
    def _address(cls, email: str | None) -> str | None:
        if email is not None and not _EMAIL.match(email):
            raise ValueError("must be an e-mail address")
        return email


class _Borrower(_Strict):
    sequence: Annotated[int, Field(ge=1, le=2**53)]
    jurisdiction: Jurisdiction
    time_zone: ZoneName
    parties: Annotated[list[_Party], Field(min_length=1, max_length=20)]

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("must be an IANA time zone") from None
        return name

    @model_validator(mode="after")
    def _one_primary(self) -> _Borrower:
        if sum(party.role is PartyRole.PRIMARY for party in self.parties) != 1:
            raise ValueError("exactly one party must be primary")
        if len({party.party_id for party in self.parties}) != len(self.parties):
            raise ValueError("party_id must be unique")
        return self


class _Hold(_Strict):
    hold_id: Id
    kind: HoldKind
    source: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    until: AwareDatetime | None = None


class _LiftedHold(_Strict):
    hold_id: Id


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


class _Imported(_Event):
    type: Literal["portfolio.imported"]
    borrower_id: Id
    loan: _Loan
    contacts: Annotated[list[_Contact], Field(max_length=500)] = []


class _Checkpoint(_Event):
    type: Literal["feed.checkpoint"]
    complete_to: AwareDatetime


_AnyEvent = Annotated[
    _BorrowerEvent | _LoanEvent | _PaymentEvent | _HoldPlaced | _HoldLifted | _Imported | _Checkpoint,
    Discriminator("type"),
]


@lru_cache(maxsize=1)
def _events() -> TypeAdapter[Any]:
    return TypeAdapter(_AnyEvent)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of every event, as published."""
    return _events().json_schema()


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
            return HoldPlaced(*common, model.borrower_id, Hold(h.hold_id, h.kind, model.occurred_at, h.source, h.until))
        case _HoldLifted():
            return HoldLifted(*common, model.borrower_id, model.hold.hold_id)
        case _Imported():
            contacts = tuple(PriorContact(c.at, c.channel, c.purpose) for c in model.contacts)
            return LoanChanged(*common, model.borrower_id, _loan(model.loan), imported=True, contacts=contacts)
        case _PaymentEvent():
            amount = _money("payment.amount", model.payment.amount, model.loan.currency, positive=True)
            payment = PaymentFacts(model.payment.payment_id, amount)
            return LoanChanged(*common, model.borrower_id, _loan(model.loan), payment)
        case _:
            return LoanChanged(*common, model.borrower_id, _loan(model.loan))


def _party(party: _Party) -> PartyFacts:
    addresses: list[tuple[Channel, str]] = []
    if party.phone is not None:
        addresses.append((Channel.SMS, party.phone))
    if party.email is not None:
        addresses.append((Channel.EMAIL, party.email))
    return PartyFacts(
        party.party_id,
        party.role,
        party.name,
        party.locale,
        tuple(addresses),
        frozenset(party.may_hear),
        frozenset(party.consents),
    )


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
    )
