"""Reports and texts from people: every shape read, everything else refused by field and never by value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dunlin.adapters.reports import encode_tag, parse_inbound, parse_report, read_body
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText
from hypothesis import given, settings
from hypothesis import strategies as st

REF = "b-0001/2026-03-10#tier_1#1#sms#0"
NOW = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)
SECRET = "+14255550156"


def text_event(event: str = "TEXT_DELIVERED", final: bool = True, **changes: Any) -> dict[str, Any]:
    return {
        "eventType": event,
        "eventVersion": "1.0",
        "eventTimestamp": 1773165600123,
        "isFinal": final,
        "originationPhoneNumber": "+12065550152",
        "destinationPhoneNumber": SECRET,
        "messageId": "m-1",
        "context": {"dunlin-message": REF, "dunlin-reserved-at": NOW.isoformat()},
        "totalMessageParts": 2,
        "totalMessagePrice": 0.01162,
        "totalCarrierFee": 0.003,
        **changes,
    }


def finance(kind: str, **changes: Any) -> dict[str, Any]:
    report = {
        "out_id": REF,
        "biz_id": "biz-1",
        "phone_number": "13800138000",
        "success": True,
        "err_code": "DELIVERED",
        "report_time": "2026-03-11 02:00:00",
        "sms_size": "1",
    }
    inbound = {
        "phone_number": "13800138000",
        "content": "退订",
        "send_time": "2026-03-11 01:59:59",
        "dest_code": "10690001",
        "sequence_id": 1234567890,
    }
    payload = {**(report if kind == "report" else inbound), **changes}
    return {"provider": "finance_sms", "kind": kind, "payload": payload}


def email_event(event: str, **changes: Any) -> dict[str, Any]:
    mail = {
        "timestamp": "2026-03-10T17:59:58.000Z",
        "messageId": "m-1",
        "tags": {"dunlin-message": [encode_tag(REF)], "ses:from-domain": ["example.com"]},
    }
    return {"eventType": event, "mail": mail, **changes}


def two_way(**changes: Any) -> dict[str, Any]:
    return {
        "originationNumber": SECRET,
        "destinationNumber": "+12065550152",
        "messageKeyword": "KEYWORD_1",
        "messageBody": "STOP",
        "inboundMessageId": "in-1",
        "previousPublishedMessageId": "m-1",
        **changes,
    }


# ── Texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────

DELIVERED, FAILED, UNKNOWN = MessageState.DELIVERED, MessageState.FAILED, MessageState.UNKNOWN


def test_a_delivered_text() -> None:
    assert parse_report(text_event(), NOW) == DeliveryReport(
        ref=REF,
        state=DELIVERED,
        reason=Reason.DELIVERED,
        at=NOW + timedelta(milliseconds=123),
        provider_message_id="m-1",
        parts=2,
        price="0.01462 USD",
    )


@pytest.mark.parametrize(
    ("event", "state", "reason", "unusable"),
    [
        ("TEXT_SUCCESSFUL", DELIVERED, Reason.DELIVERED, False),
        ("TEXT_DELIVERED", DELIVERED, Reason.DELIVERED, False),
        ("TEXT_INVALID", FAILED, Reason.INVALID_NUMBER, True),
        ("TEXT_INVALID_MESSAGE", FAILED, Reason.INVALID_MESSAGE, False),
        ("TEXT_UNREACHABLE", FAILED, Reason.UNREACHABLE, False),
        ("TEXT_CARRIER_UNREACHABLE", FAILED, Reason.CARRIER_UNREACHABLE, False),
        ("TEXT_BLOCKED", FAILED, Reason.BLOCKED, False),
        ("TEXT_CARRIER_BLOCKED", FAILED, Reason.CARRIER_BLOCKED, False),
        ("TEXT_SPAM", FAILED, Reason.SPAM, False),
        ("TEXT_TTL_EXPIRED", FAILED, Reason.TTL_EXPIRED, False),
        ("TEXT_PROTECT_BLOCKED", FAILED, Reason.COUNTRY_BLOCKED, False),
        ("TEXT_UNKNOWN", UNKNOWN, Reason.NO_REPORT, False),
        ("TEXT_QUEUED", UNKNOWN, Reason.NO_REPORT, False),
        ("TEXT_PENDING", UNKNOWN, Reason.NO_REPORT, False),
        ("TEXT_NEWER_THAN_THE_TABLE", UNKNOWN, Reason.NO_REPORT, False),
    ],
)
def test_the_last_word_about_a_text(event: str, state: MessageState, reason: Reason, unusable: bool) -> None:
    report = parse_report(text_event(event), NOW)
    assert (report.state, report.reason, report.point_unusable) == (state, reason, unusable)


@pytest.mark.parametrize(
    ("event", "state", "reason"),
    [
        ("TEXT_QUEUED", None, Reason.ACCEPTED),
        ("TEXT_PENDING", None, Reason.ACCEPTED),
        ("TEXT_SUCCESSFUL", None, Reason.ACCEPTED),
        ("TEXT_UNKNOWN", None, Reason.ACCEPTED),
        ("TEXT_NEWER_THAN_THE_TABLE", None, Reason.ACCEPTED),
        ("TEXT_UNREACHABLE", None, Reason.UNREACHABLE),
        ("TEXT_INVALID", None, Reason.INVALID_NUMBER),
        ("TEXT_DELIVERED", DELIVERED, Reason.DELIVERED),
    ],
)
def test_a_report_from_on_the_way_settles_nothing(event: str, state: MessageState | None, reason: Reason) -> None:
    report = parse_report(text_event(event, final=False), NOW)
    assert (report.state, report.reason, report.point_unusable) == (state, reason, False)


MISSING = object()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"eventType": MISSING}, "eventType"),
        ({"eventType": 7}, "eventType"),
        ({"eventType": "VOICE_ANSWERED"}, "eventType"),
        ({"eventType": "TEXT_" + "X" * 100}, "eventType"),
        ({"isFinal": MISSING}, "isFinal"),
        ({"isFinal": "true"}, "isFinal"),
        ({"eventTimestamp": MISSING}, "eventTimestamp"),
        ({"eventTimestamp": True}, "eventTimestamp"),
        ({"eventTimestamp": "1773165600123"}, "eventTimestamp"),
        ({"eventTimestamp": -1}, "eventTimestamp"),
        ({"eventTimestamp": 10**30}, "eventTimestamp"),
        ({"eventTimestamp": float("nan")}, "eventTimestamp"),
        ({"eventTimestamp": 1773165600123 + 3_700_000}, "eventTimestamp"),
        ({"context": MISSING}, "context"),
        ({"context": [REF]}, "context"),
        ({"context": {}}, "context.dunlin-message"),
        ({"context": {"dunlin-message": "no-slash"}}, "context.dunlin-message"),
        ({"context": {"dunlin-message": "b/ k"}}, "context.dunlin-message"),
        ({"context": {"dunlin-message": "b/" + "k" * 900}}, "context.dunlin-message"),
        ({"messageId": ""}, "messageId"),
        ({"messageId": "m\n1"}, "messageId"),
        ({"messageId": "m" * 300}, "messageId"),
        ({"totalMessageParts": "many"}, "totalMessageParts"),
        ({"totalMessageParts": 1000}, "totalMessageParts"),
        ({"totalMessagePrice": "0.1"}, "totalMessagePrice"),
        ({"totalMessagePrice": -1}, "totalMessagePrice"),
        ({"totalCarrierFee": float("inf")}, "totalCarrierFee"),
        ({"filler": "x" * 17_000}, "body"),
        ({"filler": {1, 2}}, "body"),
    ],
)
def test_what_is_no_report_of_a_text_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    body = {name: value for name, value in text_event(**changes).items() if value is not MISSING}
    with pytest.raises(InvalidInput) as refused:
        parse_report(body, NOW)
    assert refused.value.field == field
    assert SECRET not in str(refused.value)


def test_numbers_may_have_been_read_as_decimals() -> None:
    body = json.loads(json.dumps(text_event()), parse_float=Decimal)
    assert parse_report(body, NOW).price == "0.01462 USD"


def test_a_report_may_be_a_little_ahead_and_any_time_behind() -> None:
    event = text_event(eventTimestamp=1773165600123 + 3_500_000)
    assert parse_report(event, NOW).at > NOW
    assert parse_report(text_event(), NOW + timedelta(days=400)).state is DELIVERED


# ── E-mails ──────────────────────────────────────────────────────────────────────────────────────────────────────────

AT = {"timestamp": "2026-03-10T17:59:59.500Z"}


@pytest.mark.parametrize(
    ("event", "details", "state", "reason", "unusable"),
    [
        ("Send", {}, None, Reason.ACCEPTED, False),
        ("DeliveryDelay", {"deliveryDelay": AT}, None, Reason.ACCEPTED, False),
        ("Delivery", {"delivery": AT}, DELIVERED, Reason.DELIVERED, False),
        ("Bounce", {"bounce": {**AT, "bounceType": "Permanent"}}, FAILED, Reason.BOUNCED, True),
        ("Bounce", {"bounce": {**AT, "bounceType": "Transient"}}, FAILED, Reason.BOUNCED, False),
        ("Bounce", {"bounce": {**AT, "bounceType": "Undetermined"}}, FAILED, Reason.BOUNCED, False),
        ("Complaint", {"complaint": AT}, DELIVERED, Reason.SPAM, True),
        ("Reject", {"reject": {"reason": "Bad content"}}, FAILED, Reason.INVALID_MESSAGE, False),
        ("Rendering Failure", {}, FAILED, Reason.INVALID_MESSAGE, False),
    ],
)
def test_an_email_event(
    event: str, details: dict[str, Any], state: MessageState | None, reason: Reason, unusable: bool
) -> None:
    report = parse_report(email_event(event, **details), NOW)
    assert (report.ref, report.state, report.reason, report.point_unusable) == (REF, state, reason, unusable)
    assert report.at.utcoffset() == timedelta(0)
    assert report.provider_message_id == "m-1"
    assert report.complained == (event == "Complaint")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (email_event("Delivery"), "delivery"),
        (email_event("Delivery", delivery={"timestamp": "yesterday"}), "delivery.timestamp"),
        (email_event("Delivery", delivery={"timestamp": "2026-03-10T17:00:00"}), "delivery.timestamp"),
        (email_event("Delivery", delivery={"timestamp": "2026-03-11T17:00:00Z"}), "timestamp"),
        (email_event("Delivery", delivery={"timestamp": "0001-01-01T00:00:00+14:00"}), "delivery.timestamp"),
        (email_event("Bounce", bounce=AT), "bounce.bounceType"),
        (email_event("Newer"), "eventType"),
        (email_event("Send", mail={"messageId": "m"}), "mail.tags"),
        (email_event("Send", mail={"messageId": "m", "tags": {}}), "mail.tags.dunlin-message"),
        (email_event("Send", mail={"tags": {"dunlin-message": ["%%"]}}), "mail.tags.dunlin-message"),
        (email_event("Send", mail={"tags": {"dunlin-message": [encode_tag("x")]}}), "mail.tags.dunlin-message"),
    ],
)
def test_what_is_no_email_event_is_refused_by_field(body: Mapping[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_report(body, NOW)
    assert refused.value.field == field


# ── The finance provider ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_finance_report_is_read_in_china_s_time() -> None:
    assert parse_report(finance("report"), NOW) == DeliveryReport(
        ref=REF, state=DELIVERED, reason=Reason.DELIVERED, at=NOW, provider_message_id="biz-1", parts=1
    )


@pytest.mark.parametrize(
    ("code", "state", "reason", "unusable"),
    [
        ("EXPIRED", FAILED, Reason.TTL_EXPIRED, False),
        ("UNDELIV", FAILED, Reason.UNREACHABLE, False),
        ("MK:0001", FAILED, Reason.INVALID_NUMBER, True),
        ("BLACK", FAILED, Reason.CARRIER_BLOCKED, False),
        ("UNKNOWN", UNKNOWN, Reason.NO_REPORT, False),
        ("MI:0099", FAILED, Reason.CARRIER_UNREACHABLE, False),
    ],
)
def test_a_finance_failure(code: str, state: MessageState, reason: Reason, unusable: bool) -> None:
    report = parse_report(finance("report", success=False, err_code=code), NOW)
    assert (report.state, report.reason, report.point_unusable) == (state, reason, unusable)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"out_id": None}, "payload.out_id"),
        ({"out_id": "x"}, "payload.out_id"),
        ({"biz_id": 7}, "payload.biz_id"),
        ({"success": "true"}, "payload.success"),
        ({"err_code": 7}, "payload.err_code"),
        ({"phone_number": "12065550152"}, "payload.phone_number"),
        ({"report_time": "2026-03-11T02:00:00"}, "payload.report_time"),
        ({"report_time": "2026-02-30 02:00:00"}, "payload.report_time"),
        ({"report_time": "0001-01-01 02:00:00"}, "payload.report_time"),
        ({"report_time": "2026-03-11 03:00:01"}, "payload.report_time"),
        ({"sms_size": "0x1"}, "payload.sms_size"),
    ],
)
def test_what_is_no_finance_report_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_report(finance("report", **changes), NOW)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"provider": "other"}, "provider"), ({"kind": "inbound"}, "kind"), ({"payload": []}, "payload")],
)
def test_the_envelope_is_checked(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_report({**finance("report"), **changes}, NOW)
    assert refused.value.field == field


# ── Inbound ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_two_way_text() -> None:
    assert parse_inbound(two_way(), NOW) == InboundText("in-1", "aws_sms", SECRET, "+12065550152", "STOP", NOW)


def test_a_short_code_and_a_number_without_its_plus() -> None:
    text = parse_inbound(two_way(destinationNumber="12345", originationNumber="14255550156"), NOW)
    assert (text.to_address, text.from_address) == ("12345", SECRET)


def test_a_finance_text() -> None:
    assert parse_inbound(finance("inbound"), NOW) == InboundText(
        "n499602d2", "finance_sms", "+8613800138000", "10690001", "退订", NOW
    )


def test_a_number_for_an_id_is_written_so_that_no_log_takes_it_for_a_phone() -> None:
    """Different numbers have different names, and the provider's can be read back from it."""
    names = {parse_inbound(finance("inbound", sequence_id=n), NOW).inbound_id for n in (0, 1, 10**29, "8613800138000")}
    assert len(names) == 4
    assert {int(name.removeprefix("n"), 16) for name in names} == {0, 1, 10**29, 8613800138000}
    assert parse_inbound(finance("inbound", sequence_id="A-17"), NOW).inbound_id == "A-17"


@pytest.mark.parametrize("phone", ["13800138000", "8613800138000", "+8613800138000", "008613800138000"])
def test_mainland_numbers_have_one_form(phone: str) -> None:
    assert parse_inbound(finance("inbound", phone_number=phone), NOW).from_address == "+8613800138000"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (two_way(originationNumber=None), "originationNumber"),
        (two_way(originationNumber="Bank"), "originationNumber"),
        (two_way(originationNumber="+1"), "originationNumber"),
        (two_way(originationNumber="+9990001112"), "originationNumber"),
        (two_way(originationNumber="+1425555"), "originationNumber"),
        (two_way(destinationNumber=["+1"]), "destinationNumber"),
        (two_way(messageBody=None), "messageBody"),
        (two_way(messageBody="x" * 1601), "messageBody"),
        (two_way(inboundMessageId=""), "inboundMessageId"),
        (two_way(inboundMessageId=7), "inboundMessageId"),
        (two_way(messageKeyword=7), "messageKeyword"),
        (finance("inbound", content=7), "payload.content"),
        (finance("inbound", sequence_id=True), "payload.sequence_id"),
        (finance("inbound", sequence_id=-1), "payload.sequence_id"),
        (finance("inbound", dest_code="x"), "payload.dest_code"),
        (finance("inbound", send_time="2026-03-11 03:00:01"), "payload.send_time"),
        (finance("report"), "kind"),
        ({}, "inboundMessageId"),
    ],
)
def test_what_is_no_text_is_refused_by_field(body: Mapping[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_inbound(body, NOW)
    assert refused.value.field == field
    assert SECRET not in str(refused.value)


def test_the_longest_text_an_empty_one_and_half_a_character() -> None:
    assert len(parse_inbound(two_way(messageBody="停" * 1600), NOW).text) == 1600
    assert parse_inbound(two_way(messageBody=""), NOW).text == ""
    assert parse_inbound(two_way(messageBody="STOP \ud83d"), NOW).text == "STOP \ufffd"


# ── Bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("raw", ["", "{", "[]", "7", '"x"', "null", "[" * 5000, "1" * 5000, b"\xff\xfe", "x" * 20_000])
def test_what_is_no_body_is_refused(raw: str | bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_body(raw)
    assert refused.value.field == "body"


def test_a_body_is_an_object() -> None:
    assert read_body('{"a": 1}') == {"a": 1}


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
BODIES = [text_event(), email_event("Delivery", delivery=AT), finance("report"), finance("inbound"), two_way()]


@settings(database=None, deadline=None)
@given(st.data())
def test_nothing_but_a_refusal_comes_out_of_a_broken_body(data: st.DataObject) -> None:
    body: dict[str, Any] = json.loads(json.dumps(data.draw(st.sampled_from(BODIES))))
    target = body
    name = data.draw(st.sampled_from(sorted(target)))
    while isinstance(target[name], dict) and data.draw(st.booleans()):
        target = target[name]
        name = data.draw(st.sampled_from(sorted(target)))
    target[name] = data.draw(ANYTHING)
    for parse in (parse_report, parse_inbound):
        assert SECRET not in refusal(parse, body)


def refusal(parse: Callable[..., object], body: Mapping[str, Any]) -> str:
    """The refusal's words, if it is refused; any other error fails the test."""
    try:
        parse(body, NOW)
    except InvalidInput as error:
        return str(error)
    return ""
