"""WeChat's side of a service account: tokens that end, filed templates, and events that are signed as WeChat signs.

Nothing of the application's is used: what is composed here from a template and its gaps is what a follower reads.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

from local.simulator.payloads import Order, Payload

__all__ = ["WechatAccount", "composed", "order_of", "reported", "said", "unfollowed"]

_GAP = re.compile(r"\{\{([a-z_0-9]+)\.DATA\}\}")
_OPENID = re.compile(r"[A-Za-z0-9_-]{28}")
_LASTS = 7200


@dataclass(frozen=True, slots=True)
class WechatAccount:
    """A service account: who may speak for it, what it has on file, and where it was told to report."""

    app_id: str = "wx0000000000000142"
    secret: str = field(default="simulated-secret-of-the-account", repr=False)
    signing_token: str = field(default="simulated-token-of-the-account", repr=False)
    webhook_token: str = field(default="simulated-path-token-of-the-service-account", repr=False)
    name: str = "gh_0123456789ab"
    templates: Mapping[str, str] = field(default_factory=dict)

    def token_at(self, now: datetime) -> tuple[str, int]:
        """The token that is good now and for how many seconds yet: a new one every two hours."""
        number, gone = divmod(int(now.timestamp()), _LASTS)
        return hmac.new(self.secret.encode(), str(number).encode(), hashlib.sha256).hexdigest(), _LASTS - gone

    def takes(self, token: str, now: datetime) -> bool:
        """The one before is good for five minutes more."""
        return token in (self.token_at(now)[0], self.token_at(now - timedelta(minutes=5))[0])

    def webhook_request(self, payload: Payload, now: datetime) -> tuple[Mapping[str, str], bytes]:
        """The query and the XML of one event."""
        timestamp, nonce = str(int(now.timestamp())), str(int(now.timestamp()) % 999_983)
        joined = "".join(sorted((self.signing_token, timestamp, nonce))).encode()
        signature = hashlib.sha1(joined, usedforsecurity=False).hexdigest()
        fields = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in payload.items())
        return {"signature": signature, "timestamp": timestamp, "nonce": nonce}, f"<xml>{fields}</xml>".encode()

    def event_id(self, payload: Payload) -> str:
        """What an event without a number of its own is called: by what it says, under the address it came to."""
        words = "\n".join(str(payload[name]) for name in ("FromUserName", "CreateTime", "Event"))
        return hmac.new(self.webhook_token.encode(), words.encode(), hashlib.sha256).hexdigest()[:40]


def composed(account: WechatAccount, request: Mapping[str, object]) -> tuple[str, int]:
    """What the follower reads, and WeChat's error if there is something wrong with the request (0: nothing is)."""
    template = account.templates.get(str(request.get("template_id")))
    data = request.get("data")
    if not _OPENID.fullmatch(str(request.get("touser"))):
        return "", 40003
    if template is None:
        return "", 40037
    if not isinstance(data, dict) or set(_GAP.findall(template)) != data.keys():
        return "", 47003
    values = {name: gap.get("value") for name, gap in data.items() if isinstance(gap, dict)}
    if any(not isinstance(value, str) or not _fits(name, value) for name, value in values.items()):
        return "", 47003
    return _GAP.sub(lambda gap: str(values[gap[1]]), template), 0


def _fits(name: str, value: str) -> bool:
    """What a gap of each kind takes."""
    kind = name.rstrip("0123456789")
    if kind == "amount":
        return re.fullmatch(r"[^\d\s]?\d{1,10}(\.\d+)?元?", value) is not None
    return 0 < len(value) <= {"thing": 20, "const": 20, "phone_number": 17, "character_string": 32}.get(kind, 40)


def order_of(account: WechatAccount, raw: bytes) -> tuple[Order, int]:
    """The request as every provider records it, and WeChat's error. WeChat is told no instant but its own."""
    try:
        request = json.loads(raw)
    except (ValueError, RecursionError):
        request = None
    fields = request if isinstance(request, dict) else {}
    body, error = composed(account, fields)
    order = Order(
        provider="wechat",
        from_address=account.app_id,
        to_address=str(fields.get("touser") or ""),
        body=body,
        subject="",
        ref=str(fields.get("client_msg_id") or ""),
        context=(("template_id", str(fields.get("template_id") or "")),),
        reserved_at="",
        ttl_seconds=None,
    )
    return order, error if request is not None else 47001


def reported(account: WechatAccount, order: Order, message_id: str, status: str, at: datetime) -> Payload:
    """How a template message ended."""
    return {
        **_from(account, order.to_address, at),
        "MsgType": "event",
        "Event": "TEMPLATESENDJOBFINISH",
        "MsgID": message_id,
        "Status": status,
    }


def said(account: WechatAccount, openid: str, text: str, message_id: str, at: datetime) -> Payload:
    """What a follower writes."""
    return {**_from(account, openid, at), "MsgType": "text", "Content": text, "MsgId": message_id}


def unfollowed(account: WechatAccount, openid: str, at: datetime) -> Payload:
    """取关: somebody stops following."""
    return {**_from(account, openid, at), "MsgType": "event", "Event": "unsubscribe", "EventKey": ""}


def _from(account: WechatAccount, openid: str, at: datetime) -> dict[str, object]:
    return {"ToUserName": account.name, "FromUserName": openid, "CreateTime": str(int(at.timestamp()))}
