"""Co-borrowers and guarantors, who speaks for them, and a person who is on several loans."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.adapters.dynamo.store import _borrowers, _messages
from dunlin.content.schema import StageModel
from dunlin.domain.caps import LONGEST_WINDOW
from dunlin.domain.message import Message
from dunlin.domain.parties import (
    MOST_AT_A_POINT,
    addressee,
    felt_by,
    felt_too,
    loans_told,
    with_felt_elsewhere,
)
from dunlin.domain.permit import holding, zones_of
from dunlin.domain.words import CaseOutcome, MessageState, PartyRole, Purpose, Reason
from dunlin.errors import InvalidInput
from dunlin.services.contacts import Denied, Reserved
from dunlin.services.ports import Refused
from pydantic import ValidationError

from tests.builders import (
    DAY,
    NOW,
    PHONE,
    TODAY,
    House,
    a_borrower,
    a_contact,
    a_hold,
    a_loan,
    a_party,
    a_point,
    a_policy,
    loan_document,
    party_document,
)

SOON = TODAY + timedelta(days=2)
LATE = TODAY - timedelta(days=5)
OTHER_PHONE = "+12125550124"
THIRD_PHONE = "+12125550125"


def co_borrower(**changes: Any) -> dict[str, Any]:
    given = {"party_id": "p-2", "role": "co_borrower", "name": "Al Roe", "phone": OTHER_PHONE}
    return party_document(**(given | changes))


def guarantor(**changes: Any) -> dict[str, Any]:
    return co_borrower(**({"party_id": "p-3", "role": "guarantor", "name": "Gu Ant", "phone": THIRD_PHONE} | changes))


@pytest.fixture
def house() -> House:
    return House()


def told(house: House, party_id: str) -> list[Message]:
    return [m for m in house.messages() if m.party_id == party_id and m.state is MessageState.DELIVERED]


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────────

JO = a_party()
AL = a_party(party_id="p-2", role=PartyRole.CO_BORROWER, loan_ids=("l-1",), points=(a_point(point="point-2"),))


def counsel(**changes: Any) -> Any:
    return a_party(party_id="p-9", role=PartyRole.REPRESENTATIVE, **changes)


class TestAddressee:
    @pytest.mark.parametrize(
        ("represents", "for_jo", "for_al"),
        [("", "p-9", "p-2"), ("p-1", "p-9", "p-2"), ("p-2", "p-1", "p-9"), ("p-7", "p-1", "p-2")],
    )
    def test_a_representative_replaces_whom_the_data_says(self, represents: str, for_jo: str, for_al: str) -> None:
        borrower = a_borrower(parties=(counsel(represents=represents), AL, JO))
        for principal, expected in ((None, for_jo), (AL, for_al)):
            party = addressee(borrower, Purpose.COLLECTION, principal)
            assert party is not None
            assert party.party_id == expected

    def test_one_who_may_not_hear_it_silences_whom_they_represent_and_nobody_else(self) -> None:
        deaf = counsel(represents="p-2", may_hear=frozenset({Purpose.MANDATORY}))
        borrower = a_borrower(parties=(JO, AL, deaf))
        assert addressee(borrower, Purpose.COLLECTION, AL) is None
        assert addressee(borrower, Purpose.COLLECTION) == JO

    def test_a_representative_hears_of_the_loans_their_principal_is_on(self) -> None:
        speaker = counsel(represents="p-2")
        loans = (a_loan("l-1"), a_loan("l-2"))
        borrower = a_borrower(*loans, parties=(JO, AL, speaker))
        assert loans_told(borrower, speaker, AL, loans) == loans[:1]
        assert loans_told(borrower, JO, None, loans) == loans

    def test_a_hold_on_a_party_is_one_on_who_speaks_for_them(self) -> None:
        for represents, held in (("", "p-1"), ("p-2", "p-2")):
            speaker = counsel(represents=represents)
            borrower = a_borrower(a_loan(), parties=(JO, AL, speaker), holds=(a_hold(party_id=held),))
            assert holding(borrower, Purpose.COLLECTION, a_policy(), NOW, party=speaker) is not None
            other = AL if held == "p-1" else JO
            assert holding(borrower, Purpose.COLLECTION, a_policy(), NOW, party=other) is None

    def test_zones_are_those_of_the_person(self) -> None:
        borrower, point = a_borrower(), a_point(zones=("America/Chicago",))
        assert zones_of(borrower, point, JO) == ("America/New_York", "America/Chicago")
        assert zones_of(borrower, point, replace(JO, zone="Asia/Tokyo")) == ("Asia/Tokyo", "America/Chicago")


class TestFeltBy:
    def test_a_contact_counts_for_whoever_felt_it(self) -> None:
        to_al = a_contact(ref="al", party_id="p-2", point="point-2")
        to_jo = a_contact(ref="jo", party_id="p-1", point="point-sms")
        at_jos_phone = a_contact(ref="al-at-jo", party_id="p-2", point="point-sms")
        unknown = a_contact(ref="dialler")
        who_left = a_contact(ref="left", party_id="p-8")
        elsewhere = a_contact(ref="b-2/x", point="point-2")
        contacts = (to_al, to_jo, at_jos_phone, unknown, who_left, elsewhere)
        borrower = a_borrower(parties=(JO, AL), contacts=contacts)
        assert [c.ref for c in felt_by(borrower, JO)] == ["jo", "al-at-jo", "dialler", "left"]
        assert [c.ref for c in felt_by(borrower, AL)] == ["al", "al-at-jo", "dialler", "left", "b-2/x"]

    def test_what_was_felt_elsewhere_is_learnt_once(self) -> None:
        own = a_contact(ref="b-1/k", party_id="p-1", point="point-sms")
        call = a_contact(ref="outside/r")
        there = (
            replace(own, party_id="", point="", loan_ids=()),
            a_contact(ref="b-1/outside/r", loan_ids=()),
            a_contact(ref="b-2/k"),
        )
        borrower = a_borrower(contacts=(own, call))
        after = with_felt_elsewhere(borrower, "point-sms", there)
        assert after.contacts[2:] == (a_contact(ref="b-2/k", point="point-sms", loan_ids=()),)
        assert with_felt_elsewhere(after, "point-sms", there) is after

    def test_a_point_s_memory_is_short_and_says_nothing_of_loans(self) -> None:
        old = a_contact(NOW - LONGEST_WINDOW - DAY, ref="old")
        many = tuple(a_contact(ref=f"b-2/{number}") for number in range(MOST_AT_A_POINT + 5))
        new = a_contact(ref="b-1/k", party_id="p-1", point="point-sms", loan_ids=("l-1",))
        after = felt_too((old, *many), new, NOW)
        assert len(after) == MOST_AT_A_POINT
        assert after[-1] == a_contact(ref="b-1/k", loan_ids=())
        assert felt_too(after, new, NOW) == after


# ── A life ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class TestFurtherParties:
    def test_each_hears_of_their_own_loans_in_their_own_language(self, house: House) -> None:
        parties = [party_document(), co_borrower(loan_ids=["l-1"], locale="en-US"), guarantor(loan_ids=["l-2"])]
        loans = [loan_document(due_on=SOON), loan_document("l-2", SOON, outstanding="33.00", account_tail="1111")]
        house.know("b-1", *loans, parties=parties)
        house.run_days(60)
        bodies: dict[str, list[str]] = {OTHER_PHONE: [], THIRD_PHONE: [], PHONE: []}
        for order in house.orders:
            bodies[order.address].append(order.body)
        assert len(bodies[OTHER_PHONE]) == 3
        assert len(bodies[THIRD_PHONE]) == 1
        assert all("$120.50" in body and "1111" not in body and "153.50" not in body for body in bodies[OTHER_PHONE])
        assert all("$33.00" in body and "4821" not in body and "120.50" not in body for body in bodies[THIRD_PHONE])
        house.check_ends()
        house.check_ledger()

    def test_who_cannot_be_reached_ends_with_their_own_reason_and_holds_up_nobody(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(), co_borrower()])
        house.text("STOP", from_address=OTHER_PHONE)
        house.run_days(60)
        ended = {m.stage: m.reason for m in house.messages() if m.principal_id}
        assert ended == dict.fromkeys(("tier_1", "tier_2", "tier_3"), Reason.OPTED_OUT)
        assert [m.said for m in told(house, "p-1")][-4:] == ["tier_1", "tier_2", "tier_3", "referral"]
        case = house.borrower().case
        assert case is not None
        assert case.outcome is CaseOutcome.REFERRED

    def test_nothing_is_made_up_for(self, house: House) -> None:
        """Out of reach for weeks, a co-borrower hears the tier of the day, not the ones before."""
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(), co_borrower(may_hear=["mandatory"])])
        house.run_days(30)
        house.know("b-1", parties=[party_document(), co_borrower()], sequence=2)
        house.run_days(30)
        assert [m.stage for m in told(house, "p-2")] == ["tier_3"]
        silent = [m.reason for m in house.messages() if m.principal_id and m.state is MessageState.SUPPRESSED]
        assert silent == [Reason.NOT_A_PARTY, Reason.NOT_A_PARTY]

    def test_a_party_whose_loan_is_not_that_late_hears_what_fits(self, house: House) -> None:
        loans = [loan_document(due_on=SOON), loan_document("l-2", SOON + timedelta(days=25), account_tail="1111")]
        house.know("b-1", *loans, parties=[party_document(), co_borrower(loan_ids=["l-2"])])
        house.run_days(39)
        assert [m.stage for m in told(house, "p-1") if m.episode][-1] == "tier_3"
        heard = told(house, "p-2")
        assert [m.stage for m in heard] == ["tier_1"]
        assert heard[0].loan_ids == ("l-2",)

    def test_one_party_s_hardship_silences_all_and_is_named_to_none(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(), co_borrower()])
        hold = {"hold_id": "h-1", "kind": "hardship", "source": "agent"}
        house.tell("hold.placed", hold=hold)
        house.run_days(40)
        assert not told(house, "p-2")
        assert all("hardship" not in order.body.lower() for order in house.orders)

    def test_a_party_who_leaves_between_is_not_told(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=LATE), parties=[party_document(), co_borrower()])
        for _ in range(3):
            house.wake()
            house.run_cases()
            house.pace_lines()
            house.render_due()
            rendered = [m for m in house.in_state(MessageState.RENDERED) if m.principal_id]
            if rendered:
                break
            house.send_rendered()
        (message,) = rendered
        house.know("b-1", sequence=2, parties=[party_document(), co_borrower(loan_ids=["l-9"])])
        house.send_rendered()
        assert house.message(message).reason is Reason.NOT_A_PARTY

    def test_the_case_takes_with_it_what_was_waiting(self, house: House) -> None:
        """Paid while the co-borrower's night lasted: that message never comes."""
        parties = [party_document(), co_borrower(time_zone="Asia/Tokyo", phone="+819012345678")]
        house.know("b-1", loan_document(due_on=LATE), parties=parties)
        house.run_until(house.now + timedelta(hours=2))
        assert [m.status for m in house.borrower().marks if m.principal_id] == ["waiting"]
        house.pay()
        house.run_until(house.now + 2 * DAY)
        (ended,) = [m for m in house.messages() if m.principal_id]
        assert (ended.state, ended.reason) == (MessageState.SUPPRESSED, Reason.PAID)
        assert not told(house, "p-2")


# ── Contacts made elsewhere ──────────────────────────────────────────────────────────────────────────────────────────


class TestContactsElsewhere:
    def reserve(self, house: House, borrower_id: str = "b-1", request_id: str = "r-1", **asked: Any) -> Any:
        given = {"channel": "call", "purpose": Purpose.COLLECTION, "loan_ids": ()} | asked
        return house.contacts.reserve(borrower_id, request_id, **given)

    def test_a_call_rings_where_the_texts_arrive(self, house: House) -> None:
        for name in ("b-1", "b-2"):
            house.know(name, loan_document(f"{name}-l", LATE), parties=[party_document(party_id=f"{name}-p")])
        first = self.reserve(house)
        assert isinstance(first, Reserved)
        answer = self.reserve(house, "b-2", "r-2")
        assert isinstance(answer, Denied)
        assert answer.reason is Reason.CAP
        assert house.contacts.report("b-1", first.ref, made=False)
        assert isinstance(self.reserve(house, "b-2", "r-2"), Reserved)
        assert not any("b-1/" in contact.ref for contact in house.borrower("b-2").contacts)

    def test_a_letter_rings_nowhere(self, house: House) -> None:
        for name in ("b-1", "b-2"):
            house.know(name, loan_document(f"{name}-l", LATE), parties=[party_document(party_id=f"{name}-p")])
        assert isinstance(self.reserve(house, channel="letter"), Reserved)
        assert isinstance(self.reserve(house, "b-2", "r-2", channel="letter"), Reserved)

    def test_a_named_party_is_that_party(self, house: House) -> None:
        loans = [loan_document(due_on=LATE), loan_document("l-2", LATE)]
        house.know("b-1", *loans, parties=[party_document(), co_borrower(loan_ids=["l-1"])])
        answer = self.reserve(house, party_id="p-2")
        assert isinstance(answer, Reserved)
        (contact,) = house.borrower().contacts
        assert (contact.party_id, contact.loan_ids) == ("p-2", ("l-1",))
        assert isinstance(self.reserve(house, request_id="r-2", party_id="p-1"), Reserved)
        for asked in ({"party_id": "p-2", "loan_ids": ("l-2",)}, {"party_id": "p-7"}):
            denied = self.reserve(house, request_id="r-3", **asked)
            assert isinstance(denied, Denied)
            assert denied.reason is Reason.NOT_A_PARTY

    def test_nobody_named_counts_for_everybody(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=LATE), parties=[party_document(), co_borrower()])
        assert isinstance(self.reserve(house), Reserved)
        denied = self.reserve(house, request_id="r-2", party_id="p-2")
        assert isinstance(denied, Denied)
        assert denied.reason is Reason.CAP


def test_a_refusal_is_forgotten_by_whoever_has_the_number(house: House) -> None:
    for name in ("b-1", "b-2"):
        house.know(name, loan_document(f"{name}-l"), parties=[party_document(party_id=f"{name}-p")])
    house.wake()
    house.pace_lines()
    house.render_due()
    house.answer(Refused(Reason.REFUSED_BY_PROVIDER))
    first, second = house.in_state(MessageState.RENDERED)
    house.send.send(first.borrower_id, first.key)
    house.send.send(second.borrower_id, second.key)
    assert house.message(first).state is MessageState.FAILED
    assert house.message(second).state is MessageState.SENT
    assert [o.address for o in house.orders] == [PHONE, PHONE]


# ── At the door, and in what is stored ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "parties",
    [
        [party_document(loan_ids=["l-1"])],
        [party_document(time_zone="Asia/Tokyo")],
        [party_document(represents="p-2"), co_borrower()],
        [party_document(), co_borrower(role="representative", loan_ids=["l-1"])],
        [party_document(), co_borrower(role="representative", represents="p-7")],
        [party_document(), co_borrower(role="representative", represents="p-2")],
        [party_document(), co_borrower(represents="p-1")],
        [party_document(), co_borrower(time_zone="Mars/Olympus")],
    ],
)
def test_parties_that_make_no_sense(house: House, parties: list[dict[str, Any]]) -> None:
    with pytest.raises(InvalidInput):
        house.know("b-1", parties=parties)


def test_what_the_core_says_of_a_party_is_kept(house: House) -> None:
    speaker = co_borrower(party_id="p-4", role="representative", represents="p-2")
    house.know(
        "b-1", parties=[party_document(), co_borrower(loan_ids=["l-2", "l-1", "l-2"], time_zone="Asia/Tokyo"), speaker]
    )
    _, al, voice = house.borrower().parties
    assert (al.loan_ids, al.zone, voice.represents) == (("l-2", "l-1"), "Asia/Tokyo", "p-2")


def test_documents_from_before_parse(house: House) -> None:
    house.know("b-1", loan_document())
    house.sent()
    borrower = _borrowers().dump_python(house.borrower(), mode="json")
    for party in borrower["parties"]:
        del party["loan_ids"], party["represents"], party["zone"]
    for contact in borrower["contacts"]:
        del contact["party_id"], contact["point"]
    for mark in borrower["marks"]:
        del mark["principal_id"]
    before = _borrowers().validate_python(borrower)
    assert before.parties == house.borrower().parties
    assert [mark.mark_id for mark in before.marks] == [mark.mark_id for mark in house.borrower().marks]
    assert felt_by(before, before.parties[0]) == list(before.contacts)
    message = _messages().dump_python(house.messages()[0], mode="json")
    del message["principal_id"]
    assert _messages().validate_python(message) == house.messages()[0]


@pytest.mark.parametrize("to", [[], ["co_borrower"], ["primary", "representative"], ["primary", "primary"]])
def test_a_stage_is_for_the_primary_borrower_and_others_beside(to: list[str]) -> None:
    stage = {
        "id": "tier_1",
        "kind": "tier",
        "offset_days": 4,
        "purpose": Purpose.COLLECTION,
        "template": "tier_1",
        "channels": ("sms",),
        "priority": 6,
        "tone": "friendly",
    }
    assert StageModel.model_validate(stage).to == (PartyRole.PRIMARY,)
    with pytest.raises(ValidationError):
        StageModel.model_validate(stage | {"to": tuple(to)})
