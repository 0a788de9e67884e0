"""The core's events: what is a fact, and which field is named when it is none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from dunlin.domain.borrower import Overdue
from dunlin.domain.consent import Consent
from dunlin.domain.facts import (
    BorrowerUpdated,
    ErasureRequested,
    FeedCheckpoint,
    HoldLifted,
    HoldPlaced,
    LegalHoldLifted,
    LegalHoldPlaced,
    LoanChanged,
)
from dunlin.domain.words import Channel, HoldKind, LoanStatus, PartyRole
from dunlin.entry.core_events import json_schema, parse_core_event
from dunlin.errors import InvalidInput

from tests.builders import PHONE, loan_document, overdue_document, party_document, usd

AT = "2026-06-01T23:00:00+08:00"
BASE = {"event_id": "e-1", "occurred_at": AT, "borrower_id": "b-1"}


def loan_event(**changes: Any) -> dict[str, Any]:
    return BASE | {"type": "loan.snapshot", "loan": loan_document(**changes)}


def profile_event(*parties: dict[str, Any], **changes: Any) -> dict[str, Any]:
    profile = {"sequence": 1, "jurisdiction": "US-NY", "time_zone": "America/New_York", "parties": list(parties)}
    return BASE | {"type": "borrower.updated", "borrower": profile | changes}


def test_a_profile() -> None:
    email = "Jo@Marram.example"
    other = party_document(party_id="p-2", role="guarantor", phone=None, email=email, consents=["marketing"])
    fact = parse_core_event(profile_event(party_document(phone="+1 (212) 555-0123", name="  Jo  "), other))
    assert isinstance(fact, BorrowerUpdated)
    assert (fact.zone, fact.jurisdiction, fact.sequence) == ("America/New_York", "US-NY", 1)
    one, two = fact.parties
    assert (one.role, one.name, one.addresses) == (PartyRole.PRIMARY, "Jo", ((Channel.SMS, PHONE),))
    assert (two.addresses, two.consents) == (((Channel.EMAIL, email),), (Consent("marketing"),))
    assert fact.occurred_at == datetime(2026, 6, 1, 15, 0, tzinfo=UTC)


def test_a_loan() -> None:
    fact = parse_core_event(
        loan_event(
            outstanding="120.5",
            overdue=overdue_document("33.00", fees="3.00"),
            days_past_due=4,
            pending=[{"payment_id": "p-1", "amount": "1.00", "received_at": AT}],
        )
    )
    assert isinstance(fact, LoanChanged)
    loan = fact.loan
    assert (loan.status, loan.days_past_due, loan.instalments[0].due_on) == (LoanStatus.OPEN, 4, date(2026, 6, 1))
    assert str(loan.instalments[0].outstanding) == "120.50 USD"
    assert loan.overdue == Overdue(usd("30.00"), usd("0.00"), usd("3.00"), usd("33.00"))
    assert loan.pending[0].amount == usd("1.00")
    assert (fact.payment, fact.imported, fact.contacts) == (None, False, ())


@pytest.mark.parametrize(
    "kind", ["approved", "disbursed", "due", "restructured", "waived", "sold", "placed", "charged_off", "closed"]
)
def test_every_kind_of_snapshot(kind: str) -> None:
    assert parse_core_event(loan_event() | {"type": f"loan.{kind}"}).type == f"loan.{kind}"


@pytest.mark.parametrize("kind", ["pending", "applied", "returned", "reversed", "reallocated", "backdated"])
def test_every_kind_of_payment(kind: str) -> None:
    payment = {"payment_id": "p-1", "amount": "10.00"}
    fact = parse_core_event(loan_event() | {"type": f"payment.{kind}", "payment": payment})
    assert isinstance(fact, LoanChanged)
    assert fact.payment is not None
    assert (fact.payment.payment_id, fact.payment.amount) == ("p-1", usd("10.00"))


def test_holds_imports_and_checkpoints() -> None:
    hold = {"hold_id": "h-1", "kind": "dispute", "source": "agent", "until": AT}
    placed = parse_core_event(BASE | {"type": "hold.placed", "hold": hold})
    assert isinstance(placed, HoldPlaced)
    assert (placed.hold.kind, placed.hold.until) == (HoldKind.DISPUTE, placed.hold.placed_at)
    lifted = parse_core_event(BASE | {"type": "hold.lifted", "hold": {"hold_id": "h-1"}})
    assert isinstance(lifted, HoldLifted)
    contact = {"at": AT, "channel": "call", "purpose": "collection"}
    imported = parse_core_event(loan_event() | {"type": "portfolio.imported", "contacts": [contact]})
    assert isinstance(imported, LoanChanged)
    assert imported.imported
    assert imported.contacts[0].channel == "call"
    checkpoint = {"event_id": "e", "type": "feed.checkpoint", "occurred_at": AT, "complete_to": AT}
    assert isinstance(parse_core_event(checkpoint), FeedCheckpoint)


def test_legal_holds_and_requests_to_be_forgotten() -> None:
    hold = {"hold_id": "lh-1", "matter": "M-2026/17", "by": "court", "until": AT}
    placed = parse_core_event(BASE | {"type": "legal_hold.placed", "legal_hold": hold})
    assert isinstance(placed, LegalHoldPlaced)
    assert (placed.hold.source, placed.hold.until) == ("court", placed.hold.placed_at)
    lifted = parse_core_event(BASE | {"type": "legal_hold.lifted", "legal_hold": {"hold_id": "lh-1", "by": "court"}})
    assert isinstance(lifted, LegalHoldLifted)
    asked = parse_core_event(BASE | {"type": "erasure.requested", "erasure": {"request_id": "r-1", "by": "borrower"}})
    assert isinstance(asked, ErasureRequested)
    assert (asked.erasure.request_id, asked.erasure.granted_at) == ("r-1", None)


@pytest.mark.parametrize("matter", ["", "Jo Doe", "+12125550123", "12125550123", "M" * 65, "jo@doe.example"])
def test_a_matter_is_a_reference_and_nothing_personal(matter: str) -> None:
    hold = {"hold_id": "lh-1", "matter": matter, "by": "court"}
    with pytest.raises(InvalidInput) as refused:
        parse_core_event(BASE | {"type": "legal_hold.placed", "legal_hold": hold})
    assert refused.value.field == "legal_hold.matter"
    assert not matter or matter not in str(refused.value)


LATER = [
    {"number": 1, "due_on": "2026-07-01", "outstanding": "1"},
    {"number": 2, "due_on": "2026-06-01", "outstanding": "1"},
]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "event"),
        ([], "event"),
        ("text", "event"),
        ({}, "type"),
        ({"type": 7}, "type"),
        (BASE | {"type": "loan.eaten"}, "type"),
        (loan_event() | {"borrower_id": "+12125550123"}, "borrower_id"),
        (loan_event() | {"borrower_id": "x" * 65}, "borrower_id"),
        (loan_event() | {"event_id": ""}, "event_id"),
        (loan_event() | {"occurred_at": "2026-06-01T15:00:00"}, "occurred_at"),
        (loan_event() | {"more": 1}, "(unknown field)"),
        (loan_event() | {"+1.212": 1}, "event"),
        (loan_event(account_tail="48211"), "loan.account_tail"),
        (loan_event(currency="XAU"), "loan.currency"),
        (loan_event(status="gone"), "loan.status"),
        (loan_event(sequence=0), "loan.sequence"),
        (loan_event(outstanding="0.00"), "loan.instalments.0.outstanding"),
        (loan_event(outstanding="-1.00"), "loan.instalments.0.outstanding"),
        (loan_event(outstanding="1.005"), "loan.instalments.0.outstanding"),
        (loan_event(outstanding="1e3"), "loan.instalments.0.outstanding"),
        (loan_event(outstanding="9999999999999"), "loan.instalments.0.outstanding"),
        (loan_event(due_on="2026-02-30"), "loan.instalments.0.due_on"),
        (loan_event(instalments=LATER), "loan.instalments"),
        (loan_event(overdue=overdue_document("5.00") | {"total": "6.00"}), "loan.overdue.total"),
        (loan_event(overdue=overdue_document("5.00") | {"fees": "-1.00"}), "loan.overdue.fees"),
        (loan_event(days_past_due=-1), "loan.days_past_due"),
        (loan_event(pending=[{"payment_id": "p", "amount": "0", "received_at": AT}]), "loan.pending.0.amount"),
        (profile_event(), "borrower.parties"),
        (profile_event(party_document(role="guarantor")), "borrower"),
        (profile_event(party_document(), party_document(role="guarantor")), "borrower"),
        (profile_event(party_document(phone="12")), "borrower.parties.0.phone"),
        (profile_event(party_document(phone="+1212555")), "borrower.parties.0.phone"),
        (profile_event(party_document(email="no at")), "borrower.parties.0.email"),
        (profile_event(party_document(name=" ")), "borrower.parties.0.name"),
        (profile_event(party_document(locale="French")), "borrower.parties.0.locale"),
        (profile_event(party_document(locale="fr_FR")), "borrower.parties.0.locale"),
        (profile_event(party_document(), time_zone="Mars/Olympus"), "borrower.time_zone"),
        (profile_event(party_document(), time_zone="../etc"), "borrower.time_zone"),
        (profile_event(party_document(), jurisdiction="ny"), "borrower.jurisdiction"),
    ],
)
def test_refused_by_the_name_of_the_field(document: object, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_core_event(document)
    assert refused.value.field == field
    assert refused.value.problem


@pytest.mark.parametrize(
    ("facts", "what"), [({"Ann Wu": "x"}, "Ann"), ({"amount": "Ann Wu!"}, "Ann"), ({"ann": 1}, "ann")]
)
def test_neither_a_fact_nor_its_name_is_repeated(facts: dict[str, object], what: str) -> None:
    notice = {"message": "receipt", "facts": facts}
    with pytest.raises(InvalidInput, match=r"^notice\.facts: ") as refused:
        parse_core_event(BASE | {"type": "notice.requested", "notice": notice})
    assert what not in str(refused.value)


def test_the_schema_is_published() -> None:
    assert "portfolio.imported" in str(json_schema())
