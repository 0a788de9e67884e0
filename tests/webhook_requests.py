"""Requests as each provider makes them, signed as it signs them: what the tests of webhooks send and attack."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from dunlin.adapters.fields import encode_tag
from dunlin.adapters.providers import WebhookRequest, WebhookSecrets, finance_sms, sinch, twilio, vonage_sms, wechat

NOW = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)
REF = "b-0001/2026-03-10#tier_1#1#sms#0"
TAG = encode_tag(REF)
TOKEN = "path-token-of-forty-characters-0123456789"
BASE = "https://messages.lender.example/v1"
PHONE = "+12125550123"
MAINLAND = "+8613800138000"
OPENID = "oFollower_of-the-account-001"

FINANCE_REPORT = {
    "out_id": REF,
    "biz_id": "biz-1",
    "phone_number": "13800138000",
    "success": True,
    "err_code": "DELIVERED",
    "report_time": "2026-03-11 02:00:00",
    "sms_size": "1",
}
FINANCE_TEXT = {
    "phone_number": "13800138000",
    "content": "退订",
    "send_time": "2026-03-11 01:59:59",
    "dest_code": "10690001",
    "sequence_id": 1234567890,
}
TENCENT_REPORT = {
    "user_receive_time": "2026-03-11 02:00:00",
    "nationcode": "86",
    "mobile": "13800138000",
    "report_status": "SUCCESS",
    "errmsg": "DELIVRD",
    "description": "用户短信送达成功",
    "sid": "biz-1",
}
TENCENT_TEXT = {
    "extend": "01",
    "mobile": "13800138000",
    "nationcode": "86",
    "sign": "滨禾",
    "text": "T",
    "time": 1773165590,
}
TWILIO_REPORT = {
    "MessageSid": "SM" + "0a" * 16,
    "MessageStatus": "delivered",
    "AccountSid": "AC" + "0b" * 16,
    "To": PHONE,
    "From": "+12065550100",
}
TWILIO_TEXT = {
    "MessageSid": "SM" + "0c" * 16,
    "From": PHONE,
    "To": "+12065550100",
    "Body": "please stop texting me",
    "OptOutType": "STOP",
}
VONAGE_REPORT = {
    "msisdn": "12125550123",
    "to": "12065550100",
    "network-code": "310090",
    "messageId": "0A0000000123ABCD1",
    "price": "0.03330000",
    "status": "delivered",
    "scts": "2603101759",
    "err-code": "0",
    "client-ref": TAG,
    "timestamp": str(int(NOW.timestamp())),
}
VONAGE_TEXT = {
    "type": "text",
    "msisdn": "12125550123",
    "to": "12065550100",
    "messageId": "0B00000057CC7BC7",
    "text": "STOP",
    "keyword": "STOP",
    "nonce": "aaaaaaaa-bbbb",
    "timestamp": str(int(NOW.timestamp())),
}
MESSAGES_REPORT = {
    "message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    "to": "12125550123",
    "from": "12065550100",
    "timestamp": "2026-03-10T17:59:59Z",
    "status": "delivered",
    "channel": "sms",
    "client_ref": TAG,
    "usage": {"currency": "EUR", "price": "0.0333"},
}
MESSAGES_TEXT = {
    "message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ac",
    "to": "12065550100",
    "from": "12125550123",
    "timestamp": "2026-03-10T17:59:59Z",
    "channel": "sms",
    "message_type": "text",
    "text": "STOP",
}
SINCH_REPORT = {
    "type": "recipient_delivery_report_sms",
    "batch_id": "01FC66621XXXXX119Z8PMV1QPA",
    "recipient": "12125550123",
    "code": 0,
    "status": "Delivered",
    "at": "2026-03-10T17:59:59.653Z",
    "client_reference": REF,
}
SINCH_TEXT = {
    "type": "mo_text",
    "id": "01XXXXX21XXXXX119Z8P1XXXXX",
    "from": "12125550123",
    "to": "12345",
    "body": "STOP",
    "received_at": "2026-03-10T17:59:59.653Z",
}
WECHAT_REPORT = {
    "ToUserName": "gh_0123456789ab",
    "FromUserName": OPENID,
    "CreateTime": str(int(NOW.timestamp()) - 1),
    "MsgType": "event",
    "Event": "TEMPLATESENDJOBFINISH",
    "MsgID": "200163836",
    "Status": "success",
}
WECHAT_TEXT = {
    "ToUserName": "gh_0123456789ab",
    "FromUserName": OPENID,
    "CreateTime": str(int(NOW.timestamp()) - 1),
    "MsgType": "text",
    "Content": "退订",
    "MsgId": "1234567890123456",
}
WECHAT_LEAVES = {
    "ToUserName": "gh_0123456789ab",
    "FromUserName": OPENID,
    "CreateTime": str(int(NOW.timestamp()) - 1),
    "MsgType": "event",
    "Event": "unsubscribe",
    "EventKey": "",
}
GOOD: Mapping[str, Mapping[str, Any]] = {
    "finance_sms": {"reports": [FINANCE_REPORT], "inbound": [FINANCE_TEXT]},
    "alibaba": {"reports": [FINANCE_REPORT], "inbound": [FINANCE_TEXT]},
    "tencent": {"reports": [TENCENT_REPORT], "inbound": TENCENT_TEXT},
    "twilio": {"reports": TWILIO_REPORT, "inbound": TWILIO_TEXT},
    "vonage_sms": {"reports": VONAGE_REPORT, "inbound": VONAGE_TEXT},
    "vonage_messages": {"reports": MESSAGES_REPORT, "inbound": MESSAGES_TEXT},
    "sinch": {"reports": SINCH_REPORT, "inbound": SINCH_TEXT},
    "wechat": {"reports": WECHAT_REPORT, "inbound": WECHAT_TEXT},
}
SECRETS: Mapping[str, WebhookSecrets] = {
    "finance_sms": WebhookSecrets(TOKEN, "secret-f"),
    "alibaba": WebhookSecrets(TOKEN),
    "tencent": WebhookSecrets(TOKEN),
    "twilio": WebhookSecrets(TOKEN, "secret-t", BASE),
    "vonage_sms": WebhookSecrets(TOKEN, "secret-v", signature_method="sha256"),
    "vonage_messages": WebhookSecrets(TOKEN, "secret-m"),
    "sinch": WebhookSecrets(TOKEN, "secret-s"),
    "wechat": WebhookSecrets(TOKEN, "secret-w"),
}
SIGNED = ("finance_sms", "twilio", "vonage_sms", "vonage_messages", "sinch")
#: Signed by nothing, or by something that does not cover what is said.
UNSIGNED = ("alibaba", "tencent", "wechat")


@dataclass(frozen=True)
class Made:
    """What a provider sends besides its path."""

    raw: bytes
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    method: str = "POST"


def jwt(claims: Mapping[str, object], secret: str, header: Mapping[str, object] | None = None) -> str:
    """A token with HS256, whatever its header says."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "typ": "JWT"} if header is None else header, claims)
    ]
    digest = hmac.new(secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join((*parts, base64.urlsafe_b64encode(digest).decode().rstrip("=")))


def _plain(kind: str, body: Any, secrets: WebhookSecrets, at: datetime) -> Made:
    return Made(_json(body))


def _finance(kind: str, body: Any, secrets: WebhookSecrets, at: datetime) -> Made:
    raw, timestamp = _json(body), str(int(at.timestamp()))
    signature = finance_sms.sign(secrets.signing_secret, timestamp, raw)
    return Made(raw, (("X-Timestamp", timestamp), ("X-Signature", signature)))


def _twilio(kind: str, body: Any, secrets: WebhookSecrets, at: datetime) -> Made:
    url = twilio.address(secrets, kind, TAG if kind == "reports" else "")
    signature = twilio.sign(secrets.signing_secret, url, list(body.items()))
    query = (("ref", TAG),) if kind == "reports" else ()
    return Made(urlencode(body).encode(), (("X-Twilio-Signature", signature),), query)


def _vonage(kind: str, body: Any, secrets: WebhookSecrets, at: datetime) -> Made:
    parameters = {**body, "timestamp": str(int(at.timestamp()))}
    sig = vonage_sms.sign(secrets.signing_secret, secrets.signature_method, parameters)
    return Made(_json({**parameters, "sig": sig}))


def _messages(kind: str, body: Any, secrets: WebhookSecrets, at: datetime) -> Made:
    raw = _json(body)
    claims = {"iat": int(at.timestamp()), "payload_hash": hashlib.sha256(raw).hexdigest()}
    return Made(raw, (("Authorization", f"Bearer {jwt(claims, secrets.signing_secret)}"),))


def _sinch(kind: str, body: Any, secrets: WebhookSecrets, at: datetime) -> Made:
    raw, timestamp, nonce = _json(body), str(int(at.timestamp())), "01FJA8B4A7BM43YGWSG9GBV067"
    name = "X-Sinch-Webhook-Signature"
    signature = sinch.sign(secrets.signing_secret, raw, nonce, timestamp)
    return Made(raw, ((name, signature), (f"{name}-Nonce", nonce), (f"{name}-Timestamp", timestamp)))


def _wechat(kind: str, body: Any, secrets: WebhookSecrets, at: datetime) -> Made:
    timestamp, nonce = str(int(at.timestamp())), "1320562132"
    signature = wechat.sign(secrets.signing_secret, timestamp, nonce)
    return Made(xml(body), query=(("signature", signature), ("timestamp", timestamp), ("nonce", nonce)))


MAKERS: Mapping[str, Callable[[str, Any, WebhookSecrets, datetime], Made]] = {
    "finance_sms": _finance,
    "alibaba": _plain,
    "tencent": _plain,
    "twilio": _twilio,
    "vonage_sms": _vonage,
    "vonage_messages": _messages,
    "sinch": _sinch,
    "wechat": _wechat,
}


def request(
    provider: str,
    kind: str = "reports",
    body: Any = None,
    at: datetime = NOW,
    secrets: WebhookSecrets | None = None,
) -> WebhookRequest:
    """What the provider would send about this, or about something ordinary."""
    made = MAKERS[provider](kind, GOOD[provider][kind] if body is None else body, secrets or SECRETS[provider], at)
    headers = (("Content-Type", "application/json"), *made.headers)
    return WebhookRequest(provider, TOKEN, kind, headers, made.raw, made.method, made.query)


def _json(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()


def xml(body: Any) -> bytes:
    """A message as WeChat writes it, but for the CDATA, which says the same."""
    if isinstance(body, bytes):
        return body
    fields = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in body.items())
    return f"<xml>{fields}</xml>".encode()
