"""The finance provider's webhook: only the provider speaks, and one bad element spoils nothing else."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dunlin.adapters.providers.finance_sms import sign
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.adapters.webhooks import (
    MAX_ELEMENTS,
    MAX_REQUEST_BYTES,
    WebhookRequest,
    WebhookSecrets,
    headers_of_event,
    raw_body_of_event,
    receive,
)
from dunlin.errors import InvalidInput

NOW = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)
SECRETS = WebhookSecrets(path_token="token-of-the-path", signing_secret="signing-secret")
REPORT = {
    "out_id": "b-0001/2026-03-10#tier_1#1#sms#0",
    "biz_id": "biz-1",
    "phone_number": "13800138000",
    "success": True,
    "err_code": "DELIVERED",
    "report_time": "2026-03-11 02:00:00",
    "sms_size": "1",
}
INBOUND = {
    "phone_number": "13800138000",
    "content": "退订",
    "send_time": "2026-03-11 01:59:59",
    "dest_code": "10690001",
    "sequence_id": 1234567890,
}


def request(elements: Any = None, kind: str = "reports", at: datetime = NOW, secret: str = "") -> WebhookRequest:
    if isinstance(elements, bytes):
        raw = elements
    else:
        raw = json.dumps([REPORT] if elements is None else elements, ensure_ascii=False).encode()
    timestamp = str(int(at.timestamp()))
    signature = sign(secret or SECRETS.signing_secret, timestamp, raw)
    headers = (("Content-Type", "application/json"), ("X-Timestamp", timestamp), ("X-Signature", signature))
    return WebhookRequest("finance_sms", SECRETS.path_token, kind, headers, raw)


def test_reports_become_bodies_of_the_reports_queue() -> None:
    answer = receive(request([REPORT, {**REPORT, "success": False}]), SECRETS, NOW)
    assert (answer.status, json.loads(answer.body), answer.kind) == (200, {"code": 0, "msg": "received"}, "reports")
    assert [dict(body) for body in answer.accepted] == [
        {"provider": "finance_sms", "kind": "report", "payload": REPORT},
        {"provider": "finance_sms", "kind": "report", "payload": {**REPORT, "success": False}},
    ]
    assert answer.refusals == ()
    assert all(parse_report(body, NOW).ref == REPORT["out_id"] for body in answer.accepted)


def test_texts_become_bodies_of_the_inbound_queue() -> None:
    answer = receive(request([INBOUND], kind="inbound"), SECRETS, NOW)
    assert answer.kind == "inbound"
    assert [parse_inbound(body, NOW).text for body in answer.accepted] == ["退订"]


def test_half_a_character_keeps_nothing_out_of_the_queue() -> None:
    raw = json.dumps([{**INBOUND, "content": "STOP \ud83d\uffff", "x\ud83d": ["\udc00"]}]).encode()
    [body] = receive(request(raw, kind="inbound"), SECRETS, NOW).accepted
    json.dumps(body, ensure_ascii=False).encode()
    assert parse_inbound(body, NOW).text == "STOP \ufffd\ufffd"


def test_depth_spoils_only_its_own_element() -> None:
    deep = b"[" * 900 + b"]" * 900
    answer = receive(request(b"[" + deep + b"," + json.dumps(REPORT).encode() + b"]"), SECRETS, NOW)
    assert (len(answer.accepted), len(answer.refusals)) == (1, 1)


def test_a_bad_element_is_refused_by_itself() -> None:
    bad = {**REPORT, "report_time": "soon"}
    answer = receive(request([REPORT, bad, 7, None, REPORT]), SECRETS, NOW)
    assert answer.status == 200
    assert len(answer.accepted) == 2
    assert [(refusal.source, refusal.field) for refusal in answer.refusals] == [
        ("finance_sms/reports", "[1].payload.report_time"),
        ("finance_sms/reports", "[2].payload"),
        ("finance_sms/reports", "[3].payload"),
    ]
    assert json.loads(answer.refusals[0].raw) == bad
    assert "13800138000" not in repr(answer.refusals)


@pytest.mark.parametrize("raw", [b"", b"{}", b"not json", b"[" * 50_000, b"\xff", b"7"])
def test_what_is_signed_but_no_array_is_kept_whole_and_not_asked_for_again(raw: bytes) -> None:
    answer = receive(request(raw), SECRETS, NOW)
    assert (answer.status, answer.accepted) == (200, ())
    assert [(refusal.field, refusal.problem) for refusal in answer.refusals] == [("body", "is not a JSON array")]


def test_an_empty_array_is_nothing() -> None:
    answer = receive(request([]), SECRETS, NOW)
    assert (answer.status, answer.accepted, answer.refusals) == (200, (), ())


# ── Attacks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def with_header(original: WebhookRequest, name: str, *values: str) -> WebhookRequest:
    kept = tuple((key, value) for key, value in original.headers if key.lower() != name.lower())
    return replace(original, headers=kept + tuple((name, value) for value in values))


def header(original: WebhookRequest, name: str) -> str:
    return dict(original.headers)[name]


GOOD = request()
ATTACKS = {
    "another token": (replace(GOOD, token="token-of-the-patH"), 404),
    "no token": (replace(GOOD, token=""), 404),
    "a token of half a character": (replace(GOOD, token="\ud800"), 404),
    "another provider": (replace(GOOD, provider="aws_sms"), 404),
    "another kind": (replace(GOOD, kind="report"), 404),
    "a tampered body": (replace(GOOD, raw=GOOD.raw.replace(b"true", b"false")), 401),
    "a byte more": (replace(GOOD, raw=GOOD.raw + b" "), 401),
    "another secret": (request(secret="guess"), 401),
    "no signature": (with_header(GOOD, "X-Signature"), 401),
    "an empty signature": (with_header(GOOD, "X-Signature", ""), 401),
    "a signature in capitals": (with_header(GOOD, "X-Signature", header(GOOD, "X-Signature").upper()), 401),
    "a signature that is no ASCII": (with_header(GOOD, "X-Signature", "é" * 64), 401),
    "no timestamp": (with_header(GOOD, "X-Timestamp"), 401),
    "another timestamp": (with_header(GOOD, "X-Timestamp", str(int(NOW.timestamp()) + 1)), 401),
    "a timestamp in other digits": (with_header(GOOD, "X-Timestamp", "١٧٧٣١٦٥٦٠٠"), 401),
    "a timestamp that is no number": (with_header(GOOD, "X-Timestamp", "now"), 401),
    "two signatures": (with_header(GOOD, "X-Signature", header(GOOD, "X-Signature"), "0" * 64), 401),
    "the same signature twice": (with_header(GOOD, "X-Signature", *[header(GOOD, "X-Signature")] * 2), 401),
    "two spellings of the timestamp": (replace(GOOD, headers=(*GOOD.headers, ("x-timestamp", "1"))), 401),
    "signatures joined by a comma": (
        with_header(GOOD, "X-Signature", f"{'0' * 64},{header(GOOD, 'X-Signature')}"),
        401,
    ),
    "a stale request": (request(at=NOW - timedelta(seconds=301)), 401),
    "a request of the future": (request(at=NOW + timedelta(seconds=301)), 401),
    "too large": (request(b"[" + b" " * MAX_REQUEST_BYTES + b"]"), 413),
    "too many": (request([0] * (MAX_ELEMENTS + 1)), 413),
}


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attacks_are_turned_away_and_leave_nothing_behind(name: str) -> None:
    attack, status = ATTACKS[name]
    answer = receive(attack, SECRETS, NOW)
    assert answer.status == status
    assert answer.problem
    assert (answer.accepted, answer.refusals) == ((), ())


def test_five_minutes_are_not_stale() -> None:
    for minutes in (-5, 5):
        assert receive(request(at=NOW + timedelta(minutes=minutes)), SECRETS, NOW).status == 200


def test_header_names_have_no_case() -> None:
    lower = replace(GOOD, headers=tuple((name.lower(), value) for name, value in GOOD.headers))
    assert receive(lower, SECRETS, NOW).status == 200


def test_empty_secrets_let_nobody_in() -> None:
    assert receive(replace(GOOD, token=""), WebhookSecrets("", "s"), NOW).status == 404
    with pytest.raises(ValueError, match="empty secret"):
        receive(GOOD, WebhookSecrets(SECRETS.path_token, ""), NOW)


def test_secrets_and_bodies_are_in_no_repr() -> None:
    shown = repr(SECRETS) + repr(GOOD)
    assert SECRETS.path_token not in shown
    assert SECRETS.signing_secret not in shown
    assert "13800138000" not in shown


# ── API Gateway's event ──────────────────────────────────────────────────────────────────────────────────────────────


def test_every_header_line_of_an_event_counts() -> None:
    event = {"headers": {"X-Signature": "b"}, "multiValueHeaders": {"X-Signature": ["a", "b"], "Accept": ["*/*"]}}
    assert headers_of_event(event) == (("X-Signature", "a"), ("X-Signature", "b"), ("Accept", "*/*"))
    assert headers_of_event({"headers": {"A": "1"}}) == (("A", "1"),)
    assert headers_of_event({"headers": None, "multiValueHeaders": None}) == ()


def test_the_bytes_of_an_event() -> None:
    raw = "[退订]".encode()
    assert raw_body_of_event({"body": raw.decode()}) == raw
    assert raw_body_of_event({"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}) == raw
    assert raw_body_of_event({"body": None}) == b""


@pytest.mark.parametrize(
    "event", [{"body": "%%%", "isBase64Encoded": True}, {"body": 7}, {"body": "é", "isBase64Encoded": True}]
)
def test_what_has_no_bytes_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        raw_body_of_event(event)
