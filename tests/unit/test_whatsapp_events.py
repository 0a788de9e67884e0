"""What comes of WhatsApp: one topic with statuses and messages, each wrapped as AWS wraps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dunlin.adapters.reports import parse_reports, parse_texts
from dunlin.domain.words import Channel, MessageState, Reason
from dunlin.errors import InvalidInput

AT = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
REF = "b-1/2026-12-08#reminder_3#0#whatsapp#0"
NUMBER = "447700900011"


def entry(**value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "+44 7700 900143", "phone_number_id": "321010217760100"}
    change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, **value}}
    return {
        "context": {"MetaWabaIds": [], "MetaPhoneNumberIds": []},
        "whatsAppWebhookEntry": json.dumps({"id": "365731266123456", "changes": [change]}),
        "aws_account_id": "123456789012",
        "message_timestamp": AT.isoformat(),
        "messageId": "6d69f07a-c317-4278-9d5c-6a84078419ec",
    }


def status(said: str, **changes: Any) -> dict[str, Any]:
    known = {
        "id": "wamid.HBgLMTQ",
        "status": said,
        "timestamp": str(int(AT.timestamp())),
        "recipient_id": NUMBER,
        "biz_opaque_callback_data": REF,
    }
    return {name: value for name, value in (known | changes).items() if value is not None}


def message(**changes: Any) -> dict[str, Any]:
    known = {"from": NUMBER, "id": "wamid.IN1", "timestamp": str(int(AT.timestamp())), "type": "text"}
    return {"text": {"body": "STOP"}} | known | changes


@pytest.mark.parametrize(
    ("said", "state", "reason"),
    [
        ("sent", None, Reason.ACCEPTED),
        ("delivered", MessageState.DELIVERED, Reason.DELIVERED),
        ("read", MessageState.DELIVERED, Reason.DELIVERED),
        ("failed", MessageState.FAILED, Reason.REFUSED_BY_PROVIDER),
        ("something_new", None, Reason.ACCEPTED),
    ],
)
def test_a_status_settles_what_it_says(said: str, state: MessageState | None, reason: Reason) -> None:
    (report,) = parse_reports(entry(statuses=[status(said)]), AT)
    assert (report.ref, report.state, report.reason, report.at) == (REF, state, reason, AT)
    assert not report.point_unusable


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (131026, Reason.UNREACHABLE),
        (131047, Reason.INVALID_MESSAGE),
        (132001, Reason.INVALID_MESSAGE),
        (131049, Reason.BLOCKED),
        (130429, Reason.THROTTLED),
        (131048, Reason.SPAM),
        (131031, Reason.REFUSED_BY_PROVIDER),
        ("131026", Reason.REFUSED_BY_PROVIDER),
    ],
)
def test_why_it_failed_is_meta_s_code(code: object, reason: Reason) -> None:
    (report,) = parse_reports(entry(statuses=[status("failed", errors=[{"code": code, "title": "x"}])]))
    assert (report.state, report.reason) == (MessageState.FAILED, reason)


def test_what_others_sent_from_the_number_is_left_out() -> None:
    both = entry(statuses=[status("delivered", biz_opaque_callback_data=None), status("read")])
    assert [report.ref for report in parse_reports(both, AT)] == [REF]


def test_each_queue_reads_its_own_of_what_both_get() -> None:
    both = entry(statuses=[status("sent")], messages=[message()])
    assert len(parse_reports(both, AT)) == 1
    assert len(parse_texts(both, AT)) == 1
    assert parse_reports(entry(messages=[message()]), AT) == ()
    assert parse_texts(entry(statuses=[status("sent")]), AT) == ()
    other = entry()
    other["whatsAppWebhookEntry"] = json.dumps({"id": "1", "changes": [{"field": "account_update", "value": {}}]})
    assert (parse_reports(other, AT), parse_texts(other, AT)) == ((), ())


def test_a_person_s_message_is_a_text_that_may_be_answered_for_a_day() -> None:
    (text,) = parse_texts(entry(messages=[message()]), AT + timedelta(minutes=1))
    assert (text.text, text.from_address, text.to_address) == ("STOP", f"+{NUMBER}", "+447700900143")
    assert (text.channel, text.provider) == (Channel.WHATSAPP, "aws_whatsapp")
    assert text.answer_by == AT + timedelta(hours=24)
    assert text.received_at == AT + timedelta(minutes=1)


def test_meta_s_ids_hold_the_number_so_they_are_not_kept() -> None:
    (text,) = parse_texts(entry(messages=[message()]), AT)
    (again,) = parse_texts(entry(messages=[message()]), AT + timedelta(minutes=1))
    (other,) = parse_texts(entry(messages=[message(id="wamid.IN2")]), AT)
    assert text.inbound_id == again.inbound_id != other.inbound_id
    assert "wamid" not in text.inbound_id
    (report,) = parse_reports(entry(statuses=[status("read")]), AT)
    assert "HBgLMTQ" not in report.provider_message_id


def test_a_clock_that_is_ahead_opens_the_window_for_no_longer() -> None:
    (text,) = parse_texts(entry(messages=[message()]), AT - timedelta(hours=1))
    assert text.answer_by == AT + timedelta(hours=23)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "button", "button": {"payload": "p", "text": "Stop"}}, "Stop"),
        ({"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"title": "Pay"}}}, "Pay"),
        ({"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"title": "2"}}}, "2"),
        ({"type": "interactive", "interactive": {"type": "nfm_reply"}}, ""),
        ({"type": "image", "image": {"id": "1"}}, ""),
        ({"type": "unsupported"}, ""),
        ({"text": {"body": "long " * 700}}, "long " * 700),
    ],
)
def test_whatever_a_person_writes_has_words_or_none(changes: Mapping[str, Any], words: str) -> None:
    assert [text.text for text in parse_texts(entry(messages=[message(**changes)]), AT)] == [words]


@pytest.mark.parametrize("kind", ["reaction", "system"])
def test_a_thumb_and_a_notice_of_whatsapp_are_no_texts(kind: str) -> None:
    assert parse_texts(entry(messages=[message(type=kind)]), AT) == ()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"whatsAppWebhookEntry": {}}, "whatsAppWebhookEntry"),
        ({"whatsAppWebhookEntry": "{"}, "whatsAppWebhookEntry"),
        ({"whatsAppWebhookEntry": "[]"}, "whatsAppWebhookEntry"),
        ({"whatsAppWebhookEntry": '{"changes": 7}'}, "changes"),
        ({"whatsAppWebhookEntry": '{"changes": [{"field": "messages"}]}'}, "changes.value"),
        (entry(statuses=[status("read", timestamp="soon")]), "statuses.timestamp"),
        (
            entry(statuses=[status("read", timestamp=str(int((AT + timedelta(days=1)).timestamp())))]),
            "statuses.timestamp",
        ),
        (entry(statuses=[status("read", biz_opaque_callback_data="x")]), "statuses.biz_opaque_callback_data"),
        (entry(statuses=[status("read")] * 65), "statuses"),
    ],
)
def test_what_is_no_such_event_is_refused_by_name(body: Mapping[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_reports(body, AT)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from": "nobody"}, "messages.from"),
        ({"id": ""}, "messages.id"),
        ({"text": {"body": "x" * 4097}}, "messages.text.body"),
        ({"text": None}, "messages.text"),
        ({"timestamp": None}, "messages.timestamp"),
    ],
)
def test_a_message_without_what_it_has_to_have_is_refused_by_name(changes: Mapping[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_texts(entry(messages=[message(**changes)]), AT)
    assert refused.value.field == field
