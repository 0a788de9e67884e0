"""Random borrowers, loans and contacts: plausible in their shape, not in their luck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dunlin.domain.borrower import Borrower, Contact, Hold, Instalment, Loan
from dunlin.domain.words import HoldKind, LoanStatus, PartyRole, Purpose
from hypothesis import strategies as st

from tests.builders import (
    EMAIL_POINT,
    NOW,
    TODAY,
    a_borrower,
    a_party,
    a_pending,
    a_point,
    an_overdue,
    usd,
)

ZONES = (
    "America/New_York",
    "America/Los_Angeles",
    "America/Havana",
    "Asia/Shanghai",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/London",
    "Pacific/Kiritimati",
    "Pacific/Honolulu",
    "UTC",
)
zones = st.sampled_from(ZONES)
_START = datetime(2020, 1, 1, tzinfo=UTC)
instants = st.integers(0, 10 * 365 * 24 * 60 * 60).map(lambda seconds: _START + timedelta(seconds=seconds))
moments = st.integers(0, 90 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes))
days = st.integers(-60, 60).map(lambda number: TODAY + timedelta(days=number))


@st.composite
def loans(draw: st.DrawFn, loan_id: str) -> Loan:
    due = sorted(draw(st.lists(days, max_size=3, unique=True)))
    return Loan(
        loan_id=loan_id,
        account_tail="4821",
        currency="USD",
        status=draw(st.sampled_from(LoanStatus)),
        as_of=NOW - timedelta(hours=draw(st.integers(0, 60))),
        sequence=1,
        instalments=tuple(Instalment(number, due_on, usd("10.00")) for number, due_on in enumerate(due)),
        overdue=draw(st.sampled_from([None, an_overdue("10.00"), an_overdue("25.00", "5.00")])),
        days_past_due=draw(st.none() | st.integers(0, 100)),
        pending=draw(st.sampled_from([(), (), (a_pending("1.00"),)])),
    )


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    at = NOW - timedelta(minutes=draw(st.integers(0, 10 * 24 * 60)))
    return Contact(
        ref=f"c-{at.timestamp()}",
        reserved_at=at,
        felt_until=at + timedelta(minutes=draw(st.integers(0, 62))),
        channel=draw(st.sampled_from(["sms", "email", "call", "letter"])),
        purpose=draw(st.sampled_from([Purpose.SERVICING, Purpose.COLLECTION])),
        loan_ids=("l-0",),
    )


@st.composite
def holds(draw: st.DrawFn) -> Hold:
    until = draw(st.none() | moments)
    return Hold(f"h-{draw(st.integers(0, 3))}", draw(st.sampled_from(HoldKind)), NOW, "core", until)


@st.composite
def borrowers(draw: st.DrawFn) -> Borrower:
    count = draw(st.integers(0, 3))
    point = a_point(
        zones=draw(st.sampled_from([(), ("America/Los_Angeles",)])),
        blocked=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"*"}), frozenset({"collection"})])),
        usable=draw(st.sampled_from([True, True, False])),
    )
    points = draw(st.sampled_from([(), (point,), (point, EMAIL_POINT)]))
    parties = draw(
        st.sampled_from(
            [
                (a_party(points=points),),
                (a_party(points=points, may_hear=frozenset({Purpose.SERVICING})),),
                (a_party(points=points), a_party(party_id="p-2", role=PartyRole.REPRESENTATIVE, points=points)),
                (a_party(points=points, role=PartyRole.GUARANTOR),),
            ]
        )
    )
    return a_borrower(
        *(draw(loans(f"l-{number}")) for number in range(count)),
        zone=draw(zones),
        parties=parties,
        holds=tuple(draw(st.lists(holds(), max_size=2))),
        contacts=tuple(draw(st.lists(contacts(), max_size=4))),
    )
