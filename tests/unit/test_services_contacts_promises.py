"""Contacts made elsewhere under every promise of our own: stops, opt-outs, pauses, ears, parties, caps and races."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.words import MessageState, PauseScope, Purpose, Reason
from dunlin.errors import InvalidInput
from dunlin.services.contacts import Denied, Reserved
from dunlin.services.pauses import Pauses
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import DAY, MINUTE, NOW, PHONE, TODAY, House, loan_document, party_document

SOON = TODAY + 7 * DAY
EMAIL = "jo@marram.example"
DEVICE = "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/marram/5e3e9847-3183-3f18-a7e8-671c3a57d4b3"
OTHER_PHONE = "+12125550177"
CHANNELS = ("call", "letter", "visit", "agent", "agency", "email", "sms", "push")
CO_BORROWER = party_document(party_id="p-2", role="co_borrower", name="Al Roe", phone=OTHER_PHONE)


def known(*loans: dict[str, Any], parties: list[dict[str, Any]] | None = None) -> House:
    house = House()
    own = [party_document(email=EMAIL, push_endpoint=DEVICE), CO_BORROWER]
    house.know("b-1", *(loans or (loan_document(due_on=SOON),)), parties=parties or own)
    return house


def ask(house: House, request_id: str = "r-1", channel: str = "call", **changes: Any) -> Reserved | Denied:
    asked: dict[str, Any] = {"purpose": Purpose.COLLECTION, "loan_ids": ("l-1",)} | changes
    borrower_id = asked.pop("borrower_id", "b-1")
    return house.contacts.reserve(borrower_id, request_id, channel, asked.pop("purpose"), **asked)


def reason(answer: Reserved | Denied) -> tuple[Reason, str] | None:
    return (answer.reason, answer.rule) if isinstance(answer, Denied) else None


class TestStops:
    @pytest.mark.parametrize("channel", CHANNELS)
    def test_on_the_borrower(self, channel: str) -> None:
        house = known()
        house.tell("hold.placed", hold={"hold_id": "h", "kind": "cease_request", "source": "borrower"})
        assert reason(ask(house, channel=channel)) == (Reason.HOLD, "hold.cease_request")

    def test_on_one_loan(self) -> None:
        house = known(loan_document("l-1", due_on=SOON), loan_document("l-2", due_on=SOON + DAY))
        house.tell("hold.placed", hold={"hold_id": "h", "kind": "dispute", "source": "staff", "loan_id": "l-2"})
        assert reason(ask(house, loan_ids=("l-2",))) == (Reason.HOLD, "hold.dispute")
        assert reason(ask(house, loan_ids=("l-1", "l-2"))) == (Reason.HOLD, "hold.dispute")
        assert reason(ask(house, loan_ids=())) == (Reason.HOLD, "hold.dispute")
        assert reason(ask(house)) is None

    def test_on_one_party(self) -> None:
        house = known()
        hold = {"hold_id": "h", "kind": "vulnerable", "source": "staff", "party_id": "p-2"}
        house.tell("hold.placed", hold=hold)
        assert reason(ask(house, party_id="p-2")) == (Reason.HOLD, "hold.vulnerable")
        assert reason(ask(house)) is None

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_on_one_number(self, channel: str) -> None:
        house = known()
        house.tell("hold.placed", hold={"hold_id": "h", "kind": "wrong_number", "source": "carrier", "phone": PHONE})
        rings = channel in ("call", "agent", "agency", "sms")
        assert (reason(ask(house, channel=channel)) == (Reason.HOLD, "hold.wrong_number")) == rings


class TestOptOuts:
    def test_by_text_binds_texts_and_not_calls(self) -> None:
        house = known()
        house.text("STOP")
        assert reason(ask(house, channel="sms")) == (Reason.OPTED_OUT, "opt_out")
        assert reason(ask(house, channel="email")) is None

    def test_of_one_purpose(self) -> None:
        house = known()
        preference = {"scope": "purpose", "opted_out": True, "email": EMAIL, "purpose": "collection"}
        house.tell("preferences.changed", preference=preference)
        assert reason(ask(house, channel="email")) == (Reason.OPTED_OUT, "opt_out")
        assert reason(ask(house, channel="email", purpose=Purpose.SERVICING)) is None

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_of_everything_binds_whoever_would_make_it(self, channel: str) -> None:
        house = known()
        house.text("STOP ALL")
        answer = reason(ask(house, channel=channel))
        assert answer is not None
        assert answer[0] is Reason.OPTED_OUT
        assert reason(ask(house, channel="call", party_id="p-2")) is None

    def test_inside_the_reservation(self) -> None:
        for text in ("STOP", "STOP ALL"):
            house = known()
            house.store.before_commit.append(lambda house=house, text=text: house.text(text))
            answer = reason(ask(house, channel="sms"))
            assert answer is not None
            assert answer[0] is Reason.OPTED_OUT
        house = known()
        house.store.before_commit.append(lambda: house.text("STOP ALL"))
        assert reason(ask(house)) == (Reason.OPTED_OUT, "opt_out.everything")


class TestOurs:
    def test_the_stop_button(self) -> None:
        house = known()
        pauses = Pauses(house.controls, house.content.lender, frozenset(), house.clock)
        pauses.pause(PauseScope.LINE, "us-10dlc", by="s-1", why="rate")
        assert reason(ask(house, "r-0", channel="letter")) is None
        house = known()
        pauses = Pauses(house.controls, house.content.lender, frozenset(), house.clock)
        for scope, name in ((PauseScope.BRAND, "marram"), (PauseScope.EVERYTHING, "")):
            pauses.pause(scope, name, by="s-1", why="a wrong figure was seen")
            assert reason(ask(house)) == (Reason.PAUSED, f"pause.{scope}")
            assert pauses.resume(scope, name, by="s-1")
        pauses.pause(PauseScope.BRAND, "binhe", by="s-1", why="another country's")
        assert reason(ask(house)) is None

    def test_deaf(self) -> None:
        house = known()
        house.sweep_up()
        house.hears = False
        house.clock.advance(16 * MINUTE)
        assert reason(ask(house)) == (Reason.DEAF, "deaf_after_minutes")


class TestParties:
    def test_who_is_named_is_who_is_counted(self) -> None:
        house = known()
        assert reason(ask(house, party_id="p-2")) is None
        (contact,) = house.borrower().contacts
        assert (contact.party_id, contact.point) == ("p-2", house.borrower().parties[1].points[0].point)
        assert reason(ask(house, "r-2")) is None, "the primary borrower felt nothing"
        assert reason(ask(house, "r-3", party_id="p-2")) == (Reason.CAP, "us-own-daily")

    def test_who_may_not_hear_it_and_who_is_nobody(self) -> None:
        house = known(parties=[party_document(), CO_BORROWER | {"may_hear": ["servicing"]}])
        for party_id in ("p-2", "p-9"):
            assert reason(ask(house, party_id=party_id)) == (Reason.NOT_A_PARTY, "party.may_hear")

    def test_who_is_not_on_the_loan(self) -> None:
        house = known(parties=[party_document(), CO_BORROWER | {"loan_ids": ["l-9"]}])
        assert reason(ask(house, party_id="p-2")) == (Reason.NOT_A_PARTY, "party.loan_ids")

    def test_one_telephone_of_two_borrowers_rings_once(self) -> None:
        house = House()
        house.know("b-1", loan_document("l-1", due_on=SOON))
        house.know("b-2", loan_document("l-2", due_on=SOON), parties=[party_document(party_id="p-2", name="Al Roe")])
        assert reason(ask(house)) is None
        assert reason(ask(house, borrower_id="b-2", loan_ids=("l-2",))) == (Reason.CAP, "us-own-daily")
        house.minute()
        assert house.orders == []
        assert house.contacts.report("b-1", "outside/r-1", made=False)
        assert reason(ask(house, borrower_id="b-2", loan_ids=("l-2",))) is None


class TestReports:
    def test_made_cannot_be_taken_back(self) -> None:
        house = known()
        ask(house)
        assert house.contacts.report("b-1", "outside/r-1", made=True)
        assert house.contacts.report("b-1", "outside/r-1", made=True)
        with pytest.raises(InvalidInput, match="made"):
            house.contacts.report("b-1", "outside/r-1", made=False)
        assert reason(ask(house, "r-2")) == (Reason.CAP, "us-own-daily")

    def test_never_reported_counts_as_made(self) -> None:
        house = known()
        ask(house)
        house.clock.advance(timedelta(hours=3))
        assert reason(ask(house, "r-2")) == (Reason.CAP, "us-own-daily")

    def test_not_made_may_be_asked_for_again_and_reported_again(self) -> None:
        house = known()
        for made in (False, False, True):
            assert isinstance(ask(house), Reserved)
            assert house.contacts.report("b-1", "outside/r-1", made=made)
            house.clock.advance(MINUTE)
        assert len(house.borrower().contacts) == 1

    def test_a_request_id_is_one_contact_s(self) -> None:
        house = known()
        ask(house)
        with pytest.raises(InvalidInput, match="request_id"):
            ask(house, channel="letter")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["call", "letter", "email", "ours"]), st.integers(0, 3)), max_size=8),
    st.integers(0, 3),
)
def test_one_a_day_whoever_comes_first_and_whoever_comes_between(racers: list[tuple[str, int]], between: int) -> None:
    """Ours and theirs ask at one moment, some of them inside the reservation of another: one contact a day is felt."""
    house = known(parties=[party_document(email=EMAIL)])
    message = house.rendered()

    def race(what: str, number: int) -> None:
        if what == "ours":
            house.send.send("b-1", message.key)
        else:
            ask(house, f"r-{what}-{number}", channel=what, purpose=Purpose.SERVICING)

    for what, number in racers[:between]:
        house.store.before_commit.append(lambda what=what, number=number: race(what, number + 10))
    for what, number in [*racers[between:], ("call", 99)]:
        race(what, number)
    felt = [contact for contact in house.borrower().contacts if contact.reserved_at >= NOW]
    assert len(felt) == 1
    sent = house.message(message).state in (MessageState.SENT, MessageState.RESERVED)
    assert sent == (felt[0].ref == message.ref)
    assert len(house.orders) == sent
