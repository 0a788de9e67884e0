"""What could be known of a borrower at an instant: the core's history, folded up to there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from local.auditor.evidence import CoreEvent, EvidenceError, instant
from local.auditor.notices import Asked, asked_of
from local.auditor.plans import ORDINARY

ZERO = Decimal(0)


#: What the core calls an address of each kind.
ADDRESSES = ("phone", "email", "push_endpoint", "wechat_openid", "whatsapp")


@dataclass(frozen=True, slots=True)
class Party:
    """A party to the borrower's loans. `loan_ids` empty: all of them; `represents` empty: the primary borrower."""

    party_id: str
    role: str
    name: str = field(repr=False)
    phone: str = field(repr=False)
    email: str = field(repr=False)
    may_hear: frozenset[str]
    loan_ids: frozenset[str] = frozenset()
    represents: str = ""
    zone: str = ""
    consents: frozenset[str] = frozenset()
    device: str = field(default="", repr=False)
    openid: str = field(default="", repr=False)
    whatsapp: str = field(default="", repr=False)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every number, e-mail address, device and account at which this person can be reached."""
        return tuple(filter(None, (self.phone, self.email, self.device, self.openid, self.whatsapp)))

    def is_on(self, loan_id: str) -> bool:
        return not self.loan_ids or loan_id in self.loan_ids


@dataclass(frozen=True, slots=True)
class Instalment:
    """An unpaid instalment."""

    due_on: date
    outstanding: Decimal


@dataclass(frozen=True, slots=True)
class Loan:
    """The core's figures for one loan. `pending` is what has been paid and not yet applied."""

    loan_id: str
    tail: str
    currency: str
    status: str
    as_of: datetime
    sequence: int
    instalments: tuple[Instalment, ...]
    overdue: Mapping[str, Decimal]
    days_past_due: int
    pending: Decimal
    product: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A stop placed by the core: on the whole borrower, or on the loan, the person or the address it names."""

    hold_id: str
    kind: str
    until: datetime | None
    placed_at: datetime | None = None
    loan_id: str = ""
    party_id: str = ""
    address: str = field(default="", repr=False)
    source: str = "core"
    lifted_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ImportedContact:
    """A contact made before the cut-over, as the core reported it."""

    at: datetime
    channel: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Known:
    """One borrower, as far as the history goes."""

    jurisdiction: str = ""
    zone: str = ""
    profile_sequence: int = -1
    parties: tuple[Party, ...] = ()
    loans: Mapping[str, Loan] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    lifted: frozenset[str] = frozenset()
    imported: tuple[ImportedContact, ...] = ()
    #: What the core asked to be said, by its event; and when money last came for each loan, as the core dates it.
    notices: Mapping[str, Asked] = field(default_factory=dict)
    paid_at: Mapping[str, datetime] = field(default_factory=dict)


#: Money has come, or is on its way.
PAYMENTS = frozenset({"payment.applied", "payment.pending", "payment.backdated"})
#: Events after which an episode may begin again for a due date that had been cured.
REOPENS = frozenset(
    {"payment.returned", "payment.reversed", "payment.reallocated", "payment.backdated", "loan.restructured"}
)


class History:
    """The core's events by borrower, on two clocks: when the core knew (`recorded`), when it told (`fed`)."""

    def __init__(self, events: Iterable[CoreEvent]) -> None:
        by_borrower: dict[str, list[CoreEvent]] = {}
        checkpoints: list[tuple[datetime, datetime]] = []
        self.events = 0
        for item in events:
            self.events += 1
            if item.event["type"] == "feed.checkpoint":
                checkpoints.append((item.fed_at, instant(item.event.get("complete_to"), "feed.checkpoint complete_to")))
            else:
                by_borrower.setdefault(str(item.event.get("borrower_id", "")), []).append(item)
        self._fed = {name: _Timeline([(e.fed_at, e) for e in items]) for name, items in by_borrower.items()}
        self._recorded = {name: _Timeline([(e.recorded_at, e) for e in items]) for name, items in by_borrower.items()}
        checkpoints.sort()
        self._checkpoint_times = [fed_at for fed_at, _ in checkpoints]
        self._complete_to: list[datetime] = []
        for _, complete_to in checkpoints:
            self._complete_to.append(max(complete_to, self._complete_to[-1]) if self._complete_to else complete_to)

    @property
    def borrowers(self) -> tuple[str, ...]:
        return tuple(self._fed)

    def fed_by(self, borrower_id: str, at: datetime, *, inclusive: bool = True) -> Known:
        """What the application had been handed at `at`."""
        timeline = self._fed.get(borrower_id)
        return Known() if timeline is None else timeline.known(at, inclusive=inclusive)

    def recorded_by(self, borrower_id: str, at: datetime) -> Known:
        """What the core itself knew at `at`."""
        recorded, fed = self._recorded.get(borrower_id), self._fed.get(borrower_id)
        if recorded is None or fed is None:
            return Known()
        # Nothing is fed before it is recorded: as many events on both clocks are the same events.
        same = recorded.count(at, inclusive=True) == fed.count(at, inclusive=True)
        return (fed if same else recorded).known(at, inclusive=True)

    def mixes(self, borrower_id: str, after: datetime, until: datetime) -> tuple[frozenset[str], ...]:
        """The products of the loans that were open, as far as the application had been told: at `until`, at `after`
        and in between, and before that for as long as something was overdue without a break. The latest comes last."""
        timeline = self._fed.get(borrower_id)
        return () if timeline is None else timeline.mixes(after, until)

    def complete_to(self, at: datetime) -> datetime | None:
        """How far the feed was complete, as told at `at`."""
        index = bisect_right(self._checkpoint_times, at)
        return self._complete_to[index - 1] if index else None

    def reopened_between(self, borrower_id: str, after: datetime, until: datetime) -> bool:
        """Whether a payment was undone, or the loan rewritten, in (after, until]."""
        timeline = self._fed.get(borrower_id)
        return timeline is not None and any(
            after < fed_at <= until and event.event["type"] in REOPENS for fed_at, event in timeline.items
        )

    def events_until(self, borrower_id: str, at: datetime) -> Iterator[Mapping[str, Any]]:
        """The borrower's events that had been handed over at `at`, in that order."""
        timeline = self._fed.get(borrower_id)
        if timeline is not None:
            for fed_at, event in timeline.items:
                if fed_at > at:
                    return
                yield event.event

    def all_events(self, borrower_id: str) -> Iterable[Mapping[str, Any]]:
        timeline = self._fed.get(borrower_id)
        return () if timeline is None else (event.event for _, event in timeline.items)


class _Timeline:
    def __init__(self, items: list[tuple[datetime, CoreEvent]]) -> None:
        self.items = sorted(items, key=lambda item: item[0])
        self._times = [at for at, _ in self.items]
        self._states: list[Known] = [Known()]

    def count(self, at: datetime, *, inclusive: bool) -> int:
        return bisect_right(self._times, at) if inclusive else bisect_left(self._times, at)

    def mixes(self, after: datetime, until: datetime) -> tuple[frozenset[str], ...]:
        self.known(until, inclusive=True)
        last = self.count(until, inclusive=True)
        first = last
        while first > 0 and all(_is_late(self._states[n], self._times[first - 1]) for n in (first - 1, first)):
            first -= 1
        first = min(first, self.count(after, inclusive=True))
        return tuple(dict.fromkeys(products_of(state) for state in self._states[first : last + 1] if state.loans))

    def known(self, at: datetime, *, inclusive: bool) -> Known:
        count = self.count(at, inclusive=inclusive)
        while len(self._states) <= count:
            self._states.append(_after(self._states[-1], self.items[len(self._states) - 1][1].event))
        return self._states[count]


def _after(known: Known, event: Mapping[str, Any]) -> Known:
    profile = event.get("borrower")
    if isinstance(profile, dict) and int(profile.get("sequence", 0)) > known.profile_sequence:
        known = replace(
            known,
            jurisdiction=str(profile.get("jurisdiction", "")),
            zone=str(profile.get("time_zone", "")),
            profile_sequence=int(profile.get("sequence", 0)),
            parties=tuple(party_of(party) for party in profile.get("parties", ())),
        )
    snapshot = event.get("loan")
    if isinstance(snapshot, dict):
        loan = loan_of(snapshot)
        before = known.loans.get(loan.loan_id)
        if not loan.product:
            loan = replace(loan, product=before.product if before is not None else ORDINARY)
        if before is None or loan.sequence > before.sequence:
            known = replace(known, loans={**known.loans, loan.loan_id: loan})
    if event["type"] in PAYMENTS and isinstance(snapshot, dict):
        paid_at, loan_id = instant(event.get("occurred_at"), "occurred_at"), str(snapshot.get("loan_id", ""))
        latest = max(paid_at, known.paid_at.get(loan_id, paid_at))
        known = replace(known, paid_at={**known.paid_at, loan_id: latest})
    if event["type"] == "notice.requested":
        asked = asked_of(event, instant(event.get("occurred_at"), "occurred_at"))
        if asked is not None and asked.event_id not in known.notices:
            known = replace(known, notices={**known.notices, asked.event_id: asked})
    if event["type"] == "payment.applied":
        day = local_day(instant(event.get("occurred_at"), "occurred_at"), known.zone)
        due = {
            loan.loan_id
            for loan in known.loans.values()
            if loan.status == "open" and any(unpaid.due_on <= day for unpaid in loan.instalments)
        }
        for placed in known.holds.values():
            if not due & ({placed.loan_id} if placed.loan_id else due):
                known = _lifted(known, placed, "payment")
    hold = event.get("hold")
    if isinstance(hold, dict):
        hold_id = str(hold.get("hold_id", ""))
        if event["type"] == "hold.lifted":
            known = replace(known, lifted=known.lifted | {hold_id})
            if hold_id in known.holds:
                known = _lifted(known, known.holds[hold_id], str(hold.get("by") or "core"))
        elif hold_id not in known.lifted:
            until = hold.get("until")
            placed = Hold(
                hold_id,
                str(hold.get("kind", "")),
                None if until is None else instant(until, "hold until"),
                instant(event.get("occurred_at"), "occurred_at"),
                str(hold.get("loan_id") or ""),
                str(hold.get("party_id") or ""),
                next((str(hold[name]) for name in ADDRESSES if hold.get(name)), ""),
                str(hold.get("source") or "core"),
            )
            known = replace(known, holds={**known.holds, hold_id: placed})
    contacts = event.get("contacts")
    if isinstance(contacts, list):
        imported = tuple(
            ImportedContact(instant(c.get("at"), "contact at"), str(c.get("channel", "")), str(c.get("purpose", "")))
            for c in contacts
        )
        known = replace(known, imported=known.imported + imported)
    return known


def _lifted(known: Known, hold: Hold, by: str) -> Known:
    """Whether this ends the hold is for whoever knows who may; here it is remembered."""
    return replace(known, holds={**known.holds, hold.hold_id: replace(hold, lifted_by=hold.lifted_by | {by})})


def _is_late(known: Known, at: datetime) -> bool:
    """Whether something of an open loan was due before that day."""
    return any(
        loan.status == "open" and any(item.due_on < at.date() for item in loan.instalments)
        for loan in known.loans.values()
    )


def products_of(known: Known) -> frozenset[str]:
    """What kinds of loan are open."""
    return frozenset(loan.product for loan in known.loans.values() if loan.status == "open") or frozenset({ORDINARY})


def local_day(at: datetime, zone: str) -> date:
    """The date where the borrower lives."""
    return at.astimezone(ZoneInfo(zone or "UTC")).date()


def party_of(party: Mapping[str, Any]) -> Party:
    return Party(
        party_id=str(party.get("party_id", "")),
        role=str(party.get("role", "")),
        name=str(party.get("name") or ""),
        phone=str(party.get("phone") or ""),
        email=str(party.get("email") or ""),
        may_hear=frozenset(str(purpose) for purpose in party.get("may_hear", ())),
        loan_ids=frozenset(str(loan_id) for loan_id in party.get("loan_ids") or ()),
        represents=str(party.get("represents") or ""),
        zone=str(party.get("time_zone") or ""),
        consents=frozenset(str(consent) for consent in party.get("consents") or ()),
        device=str(party.get("push_endpoint") or ""),
        openid=str(party.get("wechat_openid") or ""),
        whatsapp=str(party.get("whatsapp") or ""),
    )


def loan_of(snapshot: Mapping[str, Any]) -> Loan:
    overdue = snapshot.get("overdue")
    return Loan(
        loan_id=str(snapshot.get("loan_id", "")),
        tail=str(snapshot.get("account_tail", "")),
        currency=str(snapshot.get("currency", "")),
        status=str(snapshot.get("status", "open")),
        as_of=instant(snapshot.get("as_of"), "loan as_of"),
        sequence=int(snapshot.get("sequence", 0)),
        instalments=tuple(
            sorted(
                (
                    Instalment(date.fromisoformat(str(item["due_on"])), decimal_of(item["outstanding"]))
                    for item in snapshot.get("instalments", ())
                ),
                key=lambda item: item.due_on,
            )
        ),
        overdue={name: decimal_of(value) for name, value in overdue.items()} if isinstance(overdue, dict) else {},
        days_past_due=int(snapshot.get("days_past_due") or 0),
        pending=sum((decimal_of(item["amount"]) for item in snapshot.get("pending") or ()), ZERO),
        product=str(snapshot.get("product") or ""),
    )


def decimal_of(value: object) -> Decimal:
    """A decimal string of the core.

    Raises:
        EvidenceError: it is not one.
    """
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise EvidenceError("an amount of the core is not a decimal") from None
