"""The finance provider's own rules: its signatures, its answers, its clock (UTC+8 without a zone)."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

__all__ = ["CHINA", "FinanceKeys", "read_request", "signature", "signed_webhook"]

CHINA = timezone(timedelta(hours=8))
MAX_SKEW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class FinanceKeys:
    """What the provider and its customer share: the API's key, and the webhook's address token and secret."""

    key_id: str = "simulated-key"
    secret: str = field(default="simulated-secret", repr=False)
    webhook_token: str = field(default="simulated-path-token", repr=False)
    webhook_secret: str = field(default="simulated-webhook-secret", repr=False)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def read_request(
    keys: FinanceKeys, headers: Mapping[str, str], raw: bytes, now: datetime
) -> tuple[Mapping[str, object], str]:
    """The request's fields and the error code, empty if it is good. `headers` by lower-case name."""
    timestamp = headers.get("x-timestamp", "")
    try:
        fields: object = json.loads(raw)
    except ValueError:
        fields = None
    known = fields if isinstance(fields, dict) else {}
    if headers.get("x-key-id") != keys.key_id:
        return known, "InvalidAccessKeyId"
    expected = signature(keys.secret, timestamp, raw)
    if not hmac.compare_digest(expected.encode(), headers.get("x-signature", "").encode()):
        return known, "SignatureDoesNotMatch"
    if not timestamp.isdecimal() or abs(int(timestamp) - now.timestamp()) > MAX_SKEW_SECONDS:
        return known, "InvalidTimeStamp.Expired"
    return known, _first_fault(known)


def _first_fault(fields: Mapping[str, object]) -> str:
    for name in ("out_id", "reserved_at", "phone", "sender", "signature", "content"):
        if not isinstance(fields.get(name), str):
            return "isv.INVALID_PARAMETERS"
    phone, content, ttl = str(fields["phone"]), str(fields["content"]), fields.get("ttl_seconds")
    if not (len(phone) == 11 and phone.isdecimal() and phone.startswith("1") and phone[1] in "3456789"):
        return "isv.MOBILE_NUMBER_ILLEGAL"
    if not fields["signature"]:
        return "isv.SMS_SIGNATURE_ILLEGAL"
    if not content or isinstance(ttl, bool) or not isinstance(ttl, int) or ttl < 1 or not fields["out_id"]:
        return "isv.INVALID_PARAMETERS"
    if len(content) > 500:
        return "isv.PARAM_LENGTH_LIMIT"
    return ""


def signed_webhook(
    keys: FinanceKeys, elements: Sequence[Mapping[str, object]], now: datetime
) -> tuple[dict[str, str], bytes]:
    """Headers and raw bytes of a webhook call that carries these elements."""
    raw = json.dumps(list(elements), ensure_ascii=False).encode()
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "X-Timestamp": timestamp,
        "X-Signature": signature(keys.webhook_secret, timestamp, raw),
    }
    return headers, raw
