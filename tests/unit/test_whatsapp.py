"""WhatsApp from end to end: a reminder as its filed template, an answer in its own words, and an opt-out of its own."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dunlin.adapters.senders.filed import WHATSAPP_GAP, filed_text
from dunlin.content.lint import check
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import InvalidInput
from dunlin.services.inbound import Received

from tests.builders import CONTENT_DIR as CONTENT
from tests.builders import DAY, MINUTE, NOW, TODAY, House, loan_document, party_document

SOON = TODAY + timedelta(days=3)
MOBILE = "+447700900011"
ON_WHATSAPP = "+447700900012"
PLACE: dict[str, Any] = {"jurisdiction": "GB", "zone": "Europe/London"}


def party(**changes: Any) -> dict[str, Any]:
    verified = NOW.isoformat()
    known = {
        "locale": "en-GB",
        "phone": MOBILE,
        "phone_verified_at": verified,
        "whatsapp": ON_WHATSAPP,
        "whatsapp_verified_at": verified,
    }
    return party_document(**(known | changes))


def loan() -> dict[str, Any]:
    return loan_document(due_on=SOON, outstanding="120.50") | {"currency": "GBP"}


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan(), parties=[party()], **PLACE)
    return house


def written(house: House, text: str, **changes: Any) -> Received:
    given: dict[str, Any] = {
        "provider": "aws_whatsapp",
        "to_address": "+447700900143",
        "channel": Channel.WHATSAPP,
        "answer_by": house.now + DAY,
    }
    return house.text(text, ON_WHATSAPP, **(given | changes))


def addresses(house: House) -> list[str]:
    return [order.address for order in house.orders]


def test_a_reminder_says_the_reviewed_words_of_the_text_message_and_they_are_on_file(known: House) -> None:
    known.minute()
    (order,) = known.orders
    assert (order.address, order.line.channel, order.purpose) == (ON_WHATSAPP, Channel.WHATSAPP, Purpose.SERVICING)
    assert "\n" not in order.body
    filed = filed_text(order.line.templates, order.body, WHATSAPP_GAP)
    assert filed is not None
    assert filed[0] == "reminder_7/en_GB"
    assert [value for _, value in filed[1]][:2] == ["Jo", "£120.50"]
    known.check_ledger()


def test_whoever_is_not_there_is_texted_as_before(house: House) -> None:
    house.know("b-1", loan(), parties=[party(whatsapp=None, whatsapp_verified_at=None)], **PLACE)
    house.minute()
    assert addresses(house) == [MOBILE]


def test_a_number_that_nobody_made_sure_of_gets_no_detail_of_a_debt(house: House) -> None:
    house.know("b-1", loan(), parties=[party(whatsapp_verified_at=None)], **PLACE)
    house.minute()
    assert addresses(house) == [MOBILE]


def test_what_is_overdue_is_not_said_there(house: House) -> None:
    late = loan_document(due_on=TODAY - timedelta(days=3)) | {"currency": "GBP"}
    house.know("b-1", late, parties=[party(phone=None, phone_verified_at=None)], **PLACE)
    house.run_days(20)
    assert house.orders == []


def test_a_stop_there_binds_there_and_is_confirmed_there(known: House) -> None:
    assert written(known, "STOP").changed
    known.minute()
    confirmation = next(order for order in known.orders if order.purpose is Purpose.REPLY)
    assert (confirmation.address, confirmation.line.channel) == (ON_WHATSAPP, Channel.WHATSAPP)
    points = {point.channel: point.blocked for point in known.borrower().parties[0].points}
    assert points[Channel.WHATSAPP] == {"*"}
    assert points[Channel.SMS] == frozenset()
    known.run_days(2)
    reminders = [order.address for order in known.orders if order.purpose is not Purpose.REPLY]
    assert ON_WHATSAPP not in reminders
    # AWS's list is of numbers that take texts.
    assert known.opt_outs_queue.asked == []
    known.check_ledger()


def test_a_stop_by_text_leaves_whatsapp(known: House) -> None:
    known.text("STOP", MOBILE)
    known.minute()
    assert [order.address for order in known.orders if order.purpose is Purpose.SERVICING] == [ON_WHATSAPP]


def test_everything_covers_both(known: House) -> None:
    known.tell("preferences.changed", preference={"scope": "everything", "opted_out": True})
    known.run_days(2)
    assert known.orders == []


def test_the_core_may_opt_the_number_out(known: House) -> None:
    known.tell("preferences.changed", preference={"scope": "number", "opted_out": True, "whatsapp": ON_WHATSAPP})
    known.minute()
    assert ON_WHATSAPP not in addresses(known)


def test_an_answer_waits_no_longer_than_meta_takes_free_words(known: House) -> None:
    written(known, "how do I pay?", answer_by=known.now + 2 * MINUTE)
    (reply,) = [message for message in known.messages() if message.purpose is Purpose.REPLY]
    assert reply.not_after == known.now + 2 * MINUTE
    known.clock.advance(3 * MINUTE)
    known.minute()
    assert [order for order in known.orders if order.purpose is Purpose.REPLY] == []
    assert known.message(reply).state is not MessageState.SENT


def test_a_message_that_came_after_its_window_is_answered_by_nobody(known: House) -> None:
    written(known, "how do I pay?", answer_by=known.now - MINUTE)
    (reply,) = [message for message in known.messages() if message.purpose is Purpose.REPLY]
    assert (reply.state, reply.reason) == (MessageState.EXPIRED, Reason.WINDOW_CLOSED)


def test_who_has_whatsapp_is_asked_about_there_and_who_has_not_at_the_telephone(known: House) -> None:
    written(known, "STOP")
    denied = known.contacts.reserve("b-1", "r-1", "whatsapp", Purpose.SERVICING, ())
    assert denied.reason is Reason.OPTED_OUT  # type: ignore[union-attr]
    known.know("b-2", loan(), parties=[party(party_id="p-2", whatsapp=None, whatsapp_verified_at=None)], **PLACE)
    known.text("STOP", MOBILE, inbound_id="in-2")
    denied = known.contacts.reserve("b-2", "r-2", "whatsapp", Purpose.SERVICING, ())
    assert denied.reason is Reason.OPTED_OUT  # type: ignore[union-attr]


def test_who_is_verified_is_somebody_s_number(house: House) -> None:
    with pytest.raises(InvalidInput, match="whatsapp_verified_at"):
        house.know("b-1", parties=[party(whatsapp=None)], **PLACE)
    with pytest.raises(InvalidInput, match="whatsapp_verified_at"):
        house.know("b-1", parties=[party(whatsapp_verified_at=(NOW + DAY).isoformat())], **PLACE)
    with pytest.raises(InvalidInput, match="whatsapp"):
        house.know("b-1", parties=[party(whatsapp="07700 900012")], **PLACE)


def test_every_way_in_which_a_reminder_can_read_is_on_file(tmp_path: Path) -> None:
    root = tmp_path / "content"
    shutil.copytree(CONTENT, root)
    profile = root / "lenders" / "sample.yaml"
    text = profile.read_text(encoding="utf-8")
    first = text.index("      - code: reminder_1/en_GB")
    second = text.index("      - code: reminder_2/en_GB")
    profile.write_text(text[:first] + text[second:], encoding="utf-8")
    (problem,) = [each for each in check(root) if each.field == "gb-whatsapp.templates"]
    assert "reminder also reads: Marram: Hi {{1}}, {{2}} for {{3}} accounts ({{4}}:" in problem.text
