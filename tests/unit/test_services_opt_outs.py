"""Promise 1: an opt-out is absolute. Each test records one at the worst moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.intents import Intent
from dunlin.domain.replies import OPT_OUT_CONFIRMATION
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import StateConflict, VersionConflict
from dunlin.services.contacts import Denied
from dunlin.services.ports import NotAccepted, Refused

from tests.builders import DAY, MINUTE, NOW, PHONE, TODAY, House, loan_document, party_document

SOON = TODAY + timedelta(days=7)
EMAIL = "jo@marram.example"


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


def dunning(house: House) -> list[str]:
    return [order.ref for order in house.orders if order.purpose is not Purpose.REPLY]


class TestBetweenTheSteps:
    def test_before_the_request(self, known: House) -> None:
        known.text("STOP")
        known.minute()
        assert dunning(known) == []
        (skipped,) = [m for m in known.messages() if m.purpose is Purpose.SERVICING]
        assert (skipped.state, skipped.reason) == (MessageState.SUPPRESSED, Reason.OPTED_OUT)

    def test_between_request_and_release(self, known: House) -> None:
        message = known.request()
        known.text("stop")
        known.minute()
        assert known.message(message).reason is Reason.OPTED_OUT
        assert dunning(known) == []

    def test_between_request_and_render(self, known: House) -> None:
        message = known.due()
        known.text("stop")
        known.render_due()
        assert known.message(message).state is MessageState.SUPPRESSED
        assert known.message(message).reason is Reason.OPTED_OUT

    def test_between_render_and_reserve(self, known: House) -> None:
        message = known.rendered()
        known.text("stop")
        known.send_rendered()
        assert known.message(message).reason is Reason.OPTED_OUT
        assert dunning(known) == []

    def test_inside_the_reservation(self, known: House) -> None:
        """Read, decided, and then the STOP comes, before the transaction is written."""
        message = known.rendered()
        known.store.before_commit.append(lambda: known.text("stop"))
        known.send.send("b-1", message.key)
        assert known.message(message).reason is Reason.OPTED_OUT
        assert dunning(known) == []
        known.check_ledger()

    def test_the_number_s_item_decides_even_if_the_borrower_was_not_told(self, known: House) -> None:
        """The process died after the suppression was written: no borrower knows, the reservation fails all the same."""
        message = known.rendered()
        known.opt_outs.record(message.point, Channel.SMS, opted_out=True, at=known.now, by="in-1")
        assert not known.borrower().parties[0].points[0].blocked
        known.send.send("b-1", message.key)
        assert known.message(message).rule == "suppression"
        assert dunning(known) == []
        assert known.borrower().parties[0].points[0].blocked == frozenset({"*"})

    def test_between_two_tries_of_a_hand_over(self, known: House) -> None:
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        assert message.may_retry
        known.text("stop")
        known.a_minute_later()
        assert known.message(message).state is MessageState.FAILED
        assert known.message(message).reason is Reason.FACTS_CHANGED
        assert len(dunning(known)) == 1  # the one that was throttled: nothing was accepted

    def test_nothing_more_comes_for_as_long_as_it_lasts(self, known: House) -> None:
        known.text("stop")
        known.run_days(60)
        assert dunning(known) == []
        known.check_ends()


class TestWhomItCovers:
    def test_every_borrower_who_has_the_number(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=SOON))
        house.know("b-2", loan_document("l-2", due_on=SOON), parties=[party_document(party_id="p-2", name="Al Roe")])
        one, other = house.rendered("b-1"), house.rendered("b-2")
        received = house.text("STOP")
        assert received.borrowers == 2
        house.send_rendered()
        assert {house.message(one).reason, house.message(other).reason} == {Reason.OPTED_OUT}
        house.minute()
        assert [order.ref for order in house.orders] == ["b-1/reply#opt_out_confirmation#sms#in-1"]  # one number, one

    def test_a_number_that_a_borrower_gets_later(self, house: House) -> None:
        house.text("STOP")  # a stranger
        house.know("b-1", loan_document(due_on=SOON))
        house.minute()
        assert house.orders == []

    def test_not_the_other_channel(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(email=EMAIL)])
        house.text("STOP")
        house.minute()
        assert [order.address for order in house.orders if order.purpose is not Purpose.REPLY] == [EMAIL]

    def test_the_providers_own_list_is_an_opt_out_too(self, known: House) -> None:
        known.answer(Refused(Reason.PROVIDER_OPTED_OUT))
        message = known.sent()
        assert (message.state, message.reason) == (MessageState.FAILED, Reason.PROVIDER_OPTED_OUT)
        assert known.store.suppression(message.point).forbids(Channel.SMS, Purpose.COLLECTION)
        known.run_days(3)
        assert len(known.orders) == 1
        assert known.borrower().contacts == ()  # nothing was accepted, so nothing was felt

    def test_a_contact_made_elsewhere_on_the_same_channel(self, known: House) -> None:
        known.text("STOP")
        answer = known.contacts.reserve("b-1", "r-1", "sms", Purpose.COLLECTION, ("l-1",))
        assert isinstance(answer, Denied)

    def test_a_stop_kept_by_address_survives_a_new_profile(self, known: House) -> None:
        known.text("STOP")
        known.know("b-1", sequence=2, parties=[party_document(name="Jo Roe")])
        assert known.borrower().parties[0].points[0].blocked == frozenset({"*"})


class TestTheConfirmation:
    def confirmations(self, house: House) -> list[str]:
        return [order.ref for order in house.orders if OPT_OUT_CONFIRMATION in order.ref]

    def test_it_comes_once_and_at_any_hour(self, known: House) -> None:
        known.clock.now = NOW + timedelta(hours=13)  # midnight
        known.text("STOP")
        known.minute()
        assert len(self.confirmations(known)) == 1
        assert "opted out" in known.orders[0].body
        known.run_days(1)
        assert len(self.confirmations(known)) == 1

    def test_the_same_text_twice_is_one(self, known: House) -> None:
        assert known.text("STOP").changed
        assert not known.text("STOP").changed
        known.minute()
        assert len(self.confirmations(known)) == 1

    def test_a_second_stop_is_confirmed_by_silence(self, known: House) -> None:
        known.text("STOP")
        known.minute()
        known.clock.advance(timedelta(minutes=2))
        known.text("STOP NOW PLEASE", inbound_id="in-2")
        known.text("stop", inbound_id="in-3")
        known.minute()
        assert len(self.confirmations(known)) == 1

    def test_never_after_five_minutes(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(timedelta(minutes=5))
        known.minute()
        assert self.confirmations(known) == []
        known.check_ends()

    @pytest.mark.parametrize("step", ["paced", "rendered"])
    def test_never_after_five_minutes_wherever_it_stood(self, known: House, step: str) -> None:
        known.text("STOP")
        known.clock.advance(timedelta(minutes=4, seconds=59))
        known.pace_lines()
        if step == "rendered":
            known.render_due()
        known.clock.advance(timedelta(seconds=1))
        known.minute()
        assert self.confirmations(known) == []
        known.check_ends()

    def test_a_text_that_was_read_late_is_recorded_and_not_confirmed(self, known: House) -> None:
        known.text("STOP", received_at=known.now - timedelta(minutes=6))
        known.minute()
        assert self.confirmations(known) == []
        (confirmation,) = [m for m in known.messages() if m.stage == OPT_OUT_CONFIRMATION]
        assert (confirmation.state, confirmation.reason) == (MessageState.EXPIRED, Reason.WINDOW_CLOSED)
        assert known.store.suppression(confirmation.point).forbids(Channel.SMS, Purpose.COLLECTION)

    def test_never_after_five_minutes_on_a_second_try(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(timedelta(minutes=4, seconds=30))
        known.answer(NotAccepted(Reason.THROTTLED))
        known.minute()
        assert len(self.confirmations(known)) == 1
        known.clock.advance(MINUTE)
        known.minute()
        assert len(self.confirmations(known)) == 1

    def test_it_survives_a_crash_behind_the_suppression(self, known: House) -> None:
        """The queue delivers the text again."""
        known.store.after_commit.append(self._busy(known))
        with pytest.raises(StateConflict):
            known.text("STOP")
        known.store.before_commit.clear()
        known.clock.advance(timedelta(seconds=30))
        known.text("STOP", received_at=NOW)
        known.minute()
        assert len(self.confirmations(known)) == 1

    @staticmethod
    def _busy(house: House) -> object:
        def conflict() -> None:
            raise VersionConflict("b-1")

        return lambda: house.store.before_commit.extend([conflict] * 4)


class TestBackIn:
    def test_start_after_stop(self, known: House) -> None:
        known.text("STOP")
        known.minute()
        known.clock.advance(timedelta(hours=1))
        received = known.text("START", inbound_id="in-2")
        assert (received.intent, received.changed) == (Intent.OPT_IN, True)
        known.minute()
        assert "again" in known.orders[-1].body.lower() or known.orders[-1].purpose is Purpose.REPLY
        known.run_days(5)
        assert dunning(known) == ["b-1/2026-06-08#reminder_3#0#sms#0"]  # what was suppressed is not made up for

    def test_a_start_that_was_sent_before_the_stop_changes_nothing(self, known: House) -> None:
        known.text("STOP")
        known.text("START", inbound_id="in-0", received_at=NOW - MINUTE)
        assert known.borrower().parties[0].points[0].blocked == frozenset({"*"})

    def test_start_from_somebody_who_never_left(self, known: House) -> None:
        assert not known.text("START").changed

    def test_no_confirmation_of_an_opt_out_that_was_taken_back(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(timedelta(seconds=20))
        known.text("START", inbound_id="in-2")
        known.minute()
        assert not any("You have opted out" in order.body for order in known.orders)


class TestOtherTexts:
    def test_help_is_answered_even_at_night(self, known: House) -> None:
        known.clock.now = NOW + timedelta(hours=12)
        assert known.text("HELP").intent is Intent.HELP
        known.minute()
        (order,) = known.orders
        assert "800-555-0142" in order.body
        assert order.purpose is Purpose.REPLY

    def test_help_after_stop_is_not(self, known: House) -> None:
        known.text("STOP")
        known.minute()
        known.text("HELP", inbound_id="in-2")
        known.minute()
        assert len(known.orders) == 1
        known.clock.advance(DAY)
        known.minute()
        assert {m.state for m in known.messages() if m.stage == "help"} == {MessageState.SUPPRESSED}

    def test_the_same_question_twice_is_answered_once(self, known: House) -> None:
        known.text("HELP")
        known.text("HELP")
        known.minute()
        assert len([order for order in known.orders if order.purpose is Purpose.REPLY]) == 1

    def test_anything_else_is_kept_for_a_person(self, known: House) -> None:
        received = known.text("Happy new year!")
        assert (received.intent, received.changed) == (Intent.OTHER, True)
        assert known.store.point_records[known.keys.point(Channel.SMS, PHONE), "IN#in-1"]["text"]
        assert known.text("Happy new year!").changed is False

    def test_a_stranger_is_not_answered(self, house: House) -> None:
        assert house.text("HELP", from_address="+12125550199").borrowers == 0
        house.minute()
        assert house.orders == []

    def test_where_no_pack_is_reviewed_nobody_answers_and_the_opt_out_holds(self, known: House) -> None:
        known.store.borrowers["b-1"] = replace(known.borrower(), jurisdiction="XX")
        known.text("STOP")
        known.minute()
        assert known.orders == []
        assert known.borrower().parties[0].points[0].blocked
