"""A reminder by push: for whoever has the app; nobody knows what became of it, and the rest goes on without it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.recipients import parse_recipients
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import ConfigurationError, InvalidInput
from dunlin.services.ports import Refused

from tests.builders import DAY, MINUTE, NOW, PHONE, TODAY, House, loan_document, party_document

SOON = TODAY + timedelta(days=7)
DEVICE = "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/marram/5e3e9847-3183-3f18-a7e8-671c3a57d4b3"
OTHER = DEVICE.replace("5e3e9847", "0e3e9847")


def party(**changes: Any) -> dict[str, Any]:
    return party_document(**({"push_endpoint": DEVICE} | changes))


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON), parties=[party()])
    return house


def addresses(house: House) -> list[str]:
    return [order.address for order in house.orders]


def test_whoever_has_the_app_is_pushed_first_and_texted_nothing(known: House) -> None:
    known.minute()
    (order,) = known.orders
    assert (order.address, order.line.channel) == (DEVICE, Channel.PUSH)
    assert (order.subject, order.body.strip()) == ("A message about your account", "Open the Marram app to read it.")
    assert not any(character.isdigit() for character in order.subject + order.body)
    known.check_ledger()


def test_whoever_has_none_is_texted_as_before(house: House) -> None:
    house.know("b-1", loan_document(due_on=SOON))
    house.minute()
    assert addresses(house) == [PHONE]


def test_nobody_reports_on_it_and_it_ends_as_unknown_without_being_said_again() -> None:
    house = House(NOW, delivers=False)
    house.know("b-1", loan_document(due_on=SOON), parties=[party()])
    house.minute()
    house.run_days(5)
    (pushed,) = [message for message in house.messages() if message.channel is Channel.PUSH]
    assert (pushed.state, pushed.reason) == (MessageState.UNKNOWN, Reason.NO_REPORT)
    assert [order.ref for order in house.orders if "reminder_7" in order.ref] == [pushed.ref]


def test_it_counts_as_a_contact_like_any_other(known: House) -> None:
    known.minute()
    (contact,) = known.borrower().contacts
    assert contact.channel == "push"


def test_a_device_that_the_app_is_gone_from_is_not_used_again_and_a_text_goes_the_same_day(known: House) -> None:
    known.answer(Refused(Reason.ENDPOINT_DISABLED, point_unusable=True))
    known.minute()
    (failed,) = [message for message in known.messages() if message.channel is Channel.PUSH]
    assert (failed.state, failed.reason) == (MessageState.FAILED, Reason.ENDPOINT_DISABLED)
    device = next(point for point in known.borrower().parties[0].points if point.channel is Channel.PUSH)
    assert not device.usable
    known.clock.advance(60 * MINUTE)
    known.minute()
    assert addresses(known) == [DEVICE, PHONE]
    known.check_ledger()


def test_a_new_device_is_used(known: House) -> None:
    known.answer(Refused(Reason.ENDPOINT_DISABLED, point_unusable=True))
    known.minute()
    known.know("b-1", parties=[party(push_endpoint=OTHER)], sequence=2)
    assert [point.address for point in known.borrower().parties[0].points if point.usable] == [PHONE, OTHER]


def test_an_opt_out_of_pushes_is_not_answered_by_a_text_at_once(known: House) -> None:
    message = known.rendered()
    assert message.channel is Channel.PUSH
    known.tell("preferences.changed", preference={"scope": "number", "opted_out": True, "push_endpoint": DEVICE})
    known.send_rendered()
    assert known.message(message).reason is Reason.OPTED_OUT
    known.clock.advance(60 * MINUTE)
    known.minute()
    assert known.orders == []
    known.clock.advance(DAY)
    known.minute()
    assert addresses(known) == [PHONE]


def test_a_stop_by_text_leaves_the_device_and_asks_the_provider_s_list_for_the_number_only(known: House) -> None:
    known.text("STOP")
    known.minute()
    reminders = [order for order in known.orders if order.purpose is not Purpose.REPLY]
    assert [order.address for order in reminders] == [DEVICE]
    assert {point for point, _ in known.opt_outs_queue.asked} == {known.keys.point(Channel.SMS, PHONE)}


def test_everything_covers_the_device_too(known: House) -> None:
    known.tell("preferences.changed", preference={"scope": "everything", "opted_out": True})
    known.minute()
    assert known.orders == []
    known.know("b-1", parties=[party(push_endpoint=OTHER)], sequence=2)
    known.run_days(2)
    assert known.orders == []


def test_what_is_overdue_is_never_pushed(house: House) -> None:
    house.know("b-1", loan_document(due_on=TODAY - timedelta(days=3)), parties=[party(phone=None, email=None)])
    house.run_days(20)
    assert house.orders == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "arn:aws:sns:us-east-1:123456789012:a-topic",
        "arn:aws:sns:us-east-1:123456789012:app/GCM/marram",
        DEVICE[:-1],
        f"{DEVICE} ",
        DEVICE.replace("sns", "sqs"),
        "device",
    ],
)
def test_what_is_no_endpoint_is_refused_at_the_door(house: House, endpoint: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        house.know("b-1", parties=[party(push_endpoint=endpoint)])
    assert endpoint not in str(refused.value)


def test_who_is_verified_is_somebody_s_device(house: House) -> None:
    with pytest.raises(InvalidInput, match="push_verified_at"):
        house.know("b-1", parties=[party_document(push_verified_at=NOW.isoformat())])
    with pytest.raises(InvalidInput, match="push_verified_at"):
        house.know("b-1", parties=[party(push_verified_at=(NOW + DAY).isoformat())])
    house.know("b-1", parties=[party(push_verified_at=NOW.isoformat())])
    assert [point.verified_at for point in house.borrower().parties[0].points] == [None, NOW]


class TestRecipients:
    def test_a_device_or_all_of_an_app(self) -> None:
        one = parse_recipients({"recipients": [DEVICE]})
        assert one.include(DEVICE)
        assert not one.include(OTHER)
        app = parse_recipients({"recipients": [f"{DEVICE.rpartition('/')[0]}/*"]})
        assert app.include(DEVICE)
        assert app.include(OTHER)
        assert not app.include(DEVICE.replace("/marram/", "/other/"))
        assert not app.include(DEVICE.replace("/GCM/", "/APNS/"))

    @pytest.mark.parametrize("entry", ["arn:aws:sns:us-east-1:123456789012:endpoint/*", "arn:*", f"{DEVICE}/*"])
    def test_nothing_wider(self, entry: str) -> None:
        with pytest.raises(ConfigurationError, match=r"recipients\.0"):
            parse_recipients({"recipients": [entry]})
