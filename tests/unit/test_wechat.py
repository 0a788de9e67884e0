"""What WeChat tells a service account: proved by a signature that does not cover it, and believed accordingly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.adapters.providers import WebhookRequest, wechat
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.adapters.webhooks import WebhookAnswer, receive
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput

from tests.webhook_requests import NOW, OPENID, SECRETS, TOKEN, WECHAT_LEAVES, WECHAT_REPORT, WECHAT_TEXT, request

OURS = SECRETS["wechat"]


def heard(body: Any, kind: str = "inbound", at: Any = NOW) -> WebhookAnswer:
    return receive(request("wechat", kind, body), OURS, at)


def asked(**changes: Any) -> WebhookRequest:
    """WeChat's question whether the address is ours."""
    signed = dict(request("wechat").query)
    query = {**signed, "echostr": "5836204617895471542", **changes}
    pairs = tuple((name, value) for name, value in query.items() if value is not None)
    return WebhookRequest("wechat", TOKEN, "inbound", (), b"", "GET", pairs)


# ── Proof ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("token", "timestamp", "nonce", "signature"),
    [
        # Made with wechatpy 1.8.18, which brings ciphers along that nothing here needs.
        ("signing-token-of-ours", "1773165600", "1320562132", "fd18fa1b778af5f10fc3b2a405117d2e861adba6"),
        ("Zz9", "1773165600", "AB12", "517e9240b6f9d944e4225fb25adb54fa35d12144"),
    ],
)
def test_a_library_makes_the_same_signature(token: str, timestamp: str, nonce: str, signature: str) -> None:
    assert wechat.sign(token, timestamp, nonce) == signature


def test_the_address_is_ours_and_nothing_else_is_said_back() -> None:
    answer = receive(asked(), OURS, NOW)
    assert (answer.status, answer.body, answer.media_type) == (200, "5836204617895471542", "text/plain")
    assert (answer.accepted, answer.problem) == ((), "")
    for odd in ("<script>", "", "a" * 129, None):
        assert receive(asked(echostr=odd), OURS, NOW).status == 400


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"signature": "0" * 40}, "signature"),
        ({"nonce": "1320562133"}, "signature"),
        ({"signature": None}, "parameters"),
        ({"timestamp": "soon"}, "parameters"),
    ],
)
def test_whoever_does_not_know_the_token_is_nobody(changes: Mapping[str, Any], problem: str) -> None:
    good = request("wechat", "inbound")
    for each in (asked(**changes), replace(good, query=asked(**changes).query)):
        answer = receive(each, OURS, NOW)
        assert (answer.status, answer.problem, answer.accepted) == (401, problem, ())


def test_a_parameter_that_is_there_twice_counts_as_not_there() -> None:
    good = request("wechat", "inbound")
    assert receive(replace(good, query=(*good.query, good.query[0])), OURS, NOW).status == 401


def test_five_minutes_and_no_longer() -> None:
    sent = request("wechat", "inbound")
    for minutes, status in ((-5, 200), (5, 200)):
        assert receive(sent, OURS, NOW + timedelta(minutes=minutes)).status == status
    for seconds in (-301, 301):
        assert receive(sent, OURS, NOW + timedelta(seconds=seconds)).problem == "stale"
    assert receive(sent, replace(OURS, signing_secret=""), NOW).status == 401


# ── XML ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_cdata_says_what_it_holds() -> None:
    raw = (
        f"<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[{OPENID}]]></FromUserName>"
        f"<CreateTime>{int(NOW.timestamp())}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        "<Content><![CDATA[1 < 2 & 退订]]></Content><MsgId>7</MsgId></xml>"
    ).encode()
    [body] = heard(raw).accepted
    assert parse_inbound(body, NOW).text == "1 < 2 & 退订"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'<!DOCTYPE xml [<!ENTITY a "b">]><xml><MsgType>text</MsgType></xml>', "body"),
        (b'<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml/>', "body"),
        (b"<xml><MsgType>&outside;</MsgType></xml>", "body"),
        (b"<xml><MsgType>text</MsgType><MsgType>event</MsgType></xml>", "body"),
        (b'<xml><MsgType kind="x">text</MsgType></xml>', "body"),
        (b"<other><MsgType>text</MsgType></other>", "body"),
        (b"<xml>" + b"<a>" * 12 + b"</a>" * 12 + b"</xml>", "body"),
        (b"<xml>" + b"".join(b"<a%d/>" % n for n in range(60)) + b"</xml>", "body"),
        (b"<xml><MsgType>text</MsgType>", "body"),
        (b"\xff\xfe<xml/>", "body"),
        (b"<xml><Content>" + b"x" * 20_000 + b"</Content></xml>", "body"),
        (b"<xml><ToUserName>gh_1</ToUserName><Encrypt>c2VjcmV0</Encrypt></xml>", "Encrypt"),
        (b"<xml/>", "MsgType"),
    ],
)
def test_what_is_no_plain_message_is_kept_with_the_field_and_answered(raw: bytes, field: str) -> None:
    answer = heard(raw)
    assert (answer.status, answer.body, answer.accepted) == (200, "success", ())
    [refusal] = answer.refusals
    assert refusal.field == field


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["reports", "inbound"])
def test_one_address_hears_both(kind: str) -> None:
    assert heard(WECHAT_REPORT, kind).kind == "reports"
    assert heard(WECHAT_TEXT, kind).kind == "inbound"
    assert heard(WECHAT_LEAVES, kind).kind == "inbound"


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("success", MessageState.DELIVERED, Reason.DELIVERED),
        ("failed:user block", MessageState.FAILED, Reason.PROVIDER_OPTED_OUT),
        ("failed: system failed", MessageState.FAILED, Reason.CARRIER_UNREACHABLE),
        ("failed:something newer", MessageState.FAILED, Reason.CARRIER_UNREACHABLE),
    ],
)
def test_how_a_message_ended(status: str, state: MessageState, reason: Reason) -> None:
    [body] = heard({**WECHAT_REPORT, "Status": status}).accepted
    report = parse_report(body, NOW)
    assert (report.state, report.reason, report.is_signed, report.address) == (state, reason, False, OPENID)


@pytest.mark.parametrize("event", ["subscribe", "CLICK", "VIEW", "SCAN", "LOCATION", "a_newer_one"])
def test_what_is_for_nobody_is_answered_and_dropped(event: str) -> None:
    """Who follows the account again has not said that they want to be written to."""
    answer = heard({**WECHAT_LEAVES, "Event": event})
    assert (answer.status, answer.body, answer.accepted, answer.refusals) == (200, "success", (), ())


def test_a_picture_is_a_text_without_words() -> None:
    picture = {name: value for name, value in WECHAT_TEXT.items() if name != "Content"}
    [body] = heard({**picture, "MsgType": "image", "PicUrl": "http://x"}).accepted
    assert parse_inbound(body, NOW).text == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**WECHAT_REPORT, "Status": "perhaps"}, "[0].payload.Status"),
        ({**WECHAT_REPORT, "MsgID": "x"}, "[0].payload.MsgID"),
        ({**WECHAT_REPORT, "FromUserName": "+8613800138000"}, "[0].payload.FromUserName"),
        ({**WECHAT_REPORT, "CreateTime": "1973"}, "[0].payload.CreateTime"),
        ({**WECHAT_TEXT, "MsgId": ""}, "MsgId"),
        ({**WECHAT_TEXT, "CreateTime": str(int(NOW.timestamp()) + 7200)}, "[0].payload.CreateTime"),
        ({**WECHAT_LEAVES, "ToUserName": "滨禾"}, "[0].payload.ToUserName"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_field(body: Mapping[str, str], field: str) -> None:
    answer = heard(body)
    assert answer.accepted == ()
    assert [refusal.field for refusal in answer.refusals] == [field]


def test_a_queue_s_body_is_of_its_kind() -> None:
    [left] = heard(WECHAT_LEAVES).accepted
    with pytest.raises(InvalidInput, match="kind"):
        parse_report(left, NOW)
    with pytest.raises(InvalidInput, match="Event"):
        parse_inbound({"provider": "wechat", "kind": "inbound", "payload": WECHAT_REPORT}, NOW)
    with pytest.raises(InvalidInput, match="Event"):
        parse_report({"provider": "wechat", "kind": "report", "payload": WECHAT_LEAVES}, NOW)
