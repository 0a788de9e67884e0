"""Vonage's Messages API: JSON under `Authorization: Bearer` and a token that names the body's digest.

The token is a JWT with HS256 and nothing else: `alg` of its header is not asked what to use. `payload_hash` is the
SHA-256 of the body, `iat` is the instant.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from dunlin.adapters.fields import SHORT_CODE, a_phone, a_text, an_identifier, an_instant, an_object, tag_ref, words_of
from dunlin.adapters.providers import Call, Provider, is_fresh, only_header, same
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "vonage_messages"

MAX_TOKEN: Final = 4096
_FAILED = MessageState.FAILED
#: error.title of a text that did not arrive: reason, and whether the number can never be reached.
FAILURES: Final[Mapping[str, tuple[Reason, bool]]] = {
    "1120": (Reason.CARRIER_BLOCKED, False),  # illegal sender
    "1160": (Reason.NUMBER_NOT_VERIFIED, False),
    "1170": (Reason.INVALID_NUMBER, True),
    "1180": (Reason.UNREACHABLE, False),
    "1190": (Reason.INVALID_NUMBER, True),
    "1200": (Reason.CARRIER_UNREACHABLE, False),
    "1210": (Reason.SPAM, False),
    "1220": (Reason.UNREACHABLE, False),
    "1230": (Reason.CARRIER_UNREACHABLE, False),
    "1240": (Reason.INVALID_NUMBER, True),
    "1250": (Reason.CARRIER_UNREACHABLE, False),
    "1260": (Reason.UNREACHABLE, False),
    "1270": (Reason.BLOCKED, False),
    "1280": (Reason.CARRIER_BLOCKED, False),
    "1290": (Reason.BLOCKED, False),
}


def verify(call: Call) -> str:
    authorization = only_header(call.request.headers, "authorization")
    if authorization is None or len(authorization) > MAX_TOKEN or not authorization.startswith("Bearer "):
        return "headers"
    claims = _claims(authorization.removeprefix("Bearer "), call.secrets.signing_secret)
    if claims is None:
        return "signature"
    digest, issued, expires = claims.get("payload_hash"), claims.get("iat"), claims.get("exp")
    if not isinstance(digest, str) or not same(digest.lower(), hashlib.sha256(call.request.raw).hexdigest()):
        return "digest"
    issued_at, expires_at = _seconds(issued), _seconds(expires)
    if issued_at is None or not is_fresh(int(issued_at), call.now):
        return "stale"
    if expires is not None and (expires_at is None or expires_at < call.now.timestamp()):
        return "stale"
    return ""


def elements(call: Call) -> Sequence[object]:
    try:
        body: object = json.loads(call.request.raw)
    except (ValueError, RecursionError):
        body = None
    return [an_object(body, "body")]


def report(payload: Mapping[str, object]) -> DeliveryReport:
    state: MessageState | None
    unusable = False
    match a_text(payload, "status", 32, "payload."):
        case "delivered" | "read":
            state, reason = MessageState.DELIVERED, Reason.DELIVERED
        case "rejected" | "undeliverable":
            error = payload.get("error") or {}
            code = str(an_object(error, "payload.error").get("title", ""))
            state = _FAILED
            reason, unusable = FAILURES.get(code, (Reason.CARRIER_UNREACHABLE, False))
        case _:  # submitted, and what is newer: more will follow
            state, reason = None, Reason.ACCEPTED
    return DeliveryReport(
        ref=tag_ref(payload, "client_ref"),
        state=state,
        reason=reason,
        at=an_instant(payload, "timestamp", "payload."),
        provider_message_id=an_identifier(payload, "message_uuid", "payload."),
        price=_price(payload),
        point_unusable=unusable,
    )


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    if payload.get("channel", "sms") != "sms":
        raise InvalidInput("payload.channel", "is not sms")
    to_address = a_text(payload, "to", 32, "payload.")
    return InboundText(
        inbound_id=an_identifier(payload, "message_uuid", "payload."),
        provider=NAME,
        from_address=a_phone(a_text(payload, "from", 32, "payload."), "payload.from"),
        to_address=to_address if SHORT_CODE.fullmatch(to_address) else a_phone(to_address, "payload.to"),
        text=words_of({"text": "", **payload}, "text", "payload."),
        received_at=received_at,
    )


def _claims(token: str, secret: str) -> Mapping[str, object] | None:
    """The claims of a JWT that this secret signed with HS256; None for everything else."""
    signed, dot, signature = token.rpartition(".")
    head, middle, claims = signed.partition(".")
    if not dot or not middle or not secret:
        return None
    expected = hmac.new(secret.encode(), signed.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    ours = base64.urlsafe_b64encode(expected).decode().rstrip("=")
    if not same(signature, ours):
        return None
    header, body = _part(head), _part(claims)
    return body if header is not None and header.get("alg") == "HS256" else None


def _part(text: str) -> Mapping[str, object] | None:
    try:
        part: object = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return part if isinstance(part, dict) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 10**11:
        return None
    return value


def _price(payload: Mapping[str, object]) -> str:
    usage = payload.get("usage")
    if usage is None:
        return ""
    said = an_object(usage, "payload.usage")
    if said.get("price") is None:
        return ""
    try:
        price = Decimal(a_text(said, "price", 16, "payload.usage."))
    except InvalidOperation:
        raise InvalidInput("payload.usage.price", "is not a price") from None
    if not price.is_finite() or not 0 <= price <= 1000:
        raise InvalidInput("payload.usage.price", "is not a price")
    currency = a_text(said, "currency", 3, "payload.usage.")
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise InvalidInput("payload.usage.currency", "is not a currency")
    return f"{price:f} {currency}" if price else ""


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="signature_secret",
    settings=(),
    methods=frozenset({"POST"}),
    answer=(200, "application/json", "{}"),
    report_time="timestamp",
    verify=verify,
    elements=elements,
    report=report,
    inbound=inbound,
)
