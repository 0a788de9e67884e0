"""SMS through a mainland China provider that is qualified for financial texts.

The large clouds' ordinary routes forbid loan texts there, so this is the shape such a provider has: a filed signature
(签名) and filed templates, national numbers, JSON over HTTPS, a signature over the body. `POST {base_url}/v1/messages`:

    {"out_id": ref, "reserved_at": instant, "phone": "13800138000", "sender": access number, "signature": "…",
     "content": "…", "ttl_seconds": 3600, "filings": {…}}

with `X-Key-Id`, `X-Timestamp` (Unix seconds) and `X-Signature` = hex HMAC-SHA256 over `timestamp + "." + body`. The
answer is `{"code": "OK", "biz_id": "…"}` or `{"code": "isv.…"}`: `isv` is the caller's doing and proof that nothing
was accepted, `isp` is the provider's and proves nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC

from dunlin.adapters.providers.finance_sms import sign
from dunlin.adapters.senders.http import HttpSender, read_object
from dunlin.domain.words import Reason
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted, Refused, Unsettled

__all__ = ["CODES", "FinanceSmsKey", "FinanceSmsSender"]

MAINLAND = re.compile(r"\+86(1[3-9][0-9]{9})")

_DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)
_CONTENT = Refused(Reason.INVALID_MESSAGE)
_SPEND = Refused(Reason.SPEND_LIMIT, stops_line=True)
_SIGNATURE = Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)  # the filed signature is the line's

CODES: dict[str, Refused | NotAccepted | Unsettled] = {
    # too many
    "isv.BUSINESS_LIMIT_CONTROL": NotAccepted(Reason.THROTTLED),
    "Throttling": NotAccepted(Reason.THROTTLED),
    "Throttling.User": NotAccepted(Reason.THROTTLED),
    # money
    "isv.AMOUNT_NOT_ENOUGH": _SPEND,
    "isv.DAY_LIMIT_CONTROL": _SPEND,
    "isv.MONTH_LIMIT_CONTROL": _SPEND,
    "isv.OUT_OF_SERVICE": _SPEND,
    # the number
    "isv.MOBILE_NUMBER_ILLEGAL": Refused(Reason.INVALID_NUMBER, point_unusable=True),
    "isv.MOBILE_IN_BLACKLIST": Refused(Reason.PROVIDER_OPTED_OUT),
    "isv.DOMESTIC_NUMBER_NOT_SUPPORTED": Refused(Reason.COUNTRY_BLOCKED),
    # the words
    "isv.BLACK_KEY_CONTROL": _CONTENT,
    "isv.BLACK_KEY_CONTROL_LIMIT": _CONTENT,
    "isv.SMS_CONTENT_ILLEGAL": _CONTENT,
    "isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE": _CONTENT,
    "isv.SMS_TEMPLATE_ILLEGAL": _CONTENT,
    "isv.TEMPLATE_MISSING_PARAMETERS": _CONTENT,
    "isv.TEMPLATE_PARAMS_ILLEGAL": _CONTENT,
    "isv.INVALID_PARAMETERS": _CONTENT,
    "isv.PARAM_LENGTH_LIMIT": Refused(Reason.TOO_LONG),
    # the line
    "isv.SIGN_STATE_ILLEGAL": _SIGNATURE,
    "isv.SIGNATURE_BLACKLIST": _SIGNATURE,
    "isv.SMS_SIGNATURE_ILLEGAL": _SIGNATURE,
    "isv.EXTEND_CODE_ERROR": _SIGNATURE,
    # the account
    "isp.RAM_PERMISSION_DENY": _DENIED,
    "isv.ACCOUNT_ABNORMAL": _DENIED,
    "isv.ACCOUNT_NOT_EXISTS": _DENIED,
    "isv.DENY_IP_RANGE": _DENIED,
    "isv.PRODUCT_UN_SUBSCRIPT": _DENIED,
    "Forbidden.RAM": _DENIED,
    "InvalidAccessKeyId": _DENIED,
    "InvalidAccessKeyId.Inactive": _DENIED,
    "InvalidAccessKeyId.NotFound": _DENIED,
    "SignatureDoesNotMatch": _DENIED,
    "InvalidTimeStamp.Expired": _DENIED,
    # theirs
    "isp.GATEWAY_ERROR": Unsettled(Reason.PROVIDER_ERROR),
    "isp.SYSTEM_ERROR": Unsettled(Reason.PROVIDER_ERROR),
}


@dataclass(frozen=True, slots=True)
class FinanceSmsKey:
    """Who we are to the provider. The secret is in no repr."""

    key_id: str
    secret: str = field(repr=False)


class FinanceSmsSender(HttpSender[FinanceSmsKey]):
    """`Sender` over the provider's JSON API. One request a hand-over: no retries, no redirects."""

    provider = "finance_sms"

    def hand_over(self, order: HandOver) -> HandOverResult:
        national = national_number(order)
        if isinstance(national, Refused):
            return national
        body = json.dumps(
            {
                "out_id": order.ref,
                "reserved_at": order.reserved_at.astimezone(UTC).isoformat(),
                "phone": national,
                "sender": order.line.origination,
                "signature": order.line.signature,
                "content": order.body,
                "ttl_seconds": order.ttl_seconds,
                "filings": dict(order.line.registrations),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode("utf-8", "replace")
        timestamp = str(int(self._clock().timestamp()))
        answer = self._http.post(
            "/v1/messages",
            body,
            {
                "Content-Type": "application/json; charset=utf-8",
                "X-Key-Id": self._key.key_id,
                "X-Timestamp": timestamp,
                "X-Signature": sign(self._key.secret, timestamp, body),
            },
        )
        return settle_answer(*answer) if isinstance(answer, tuple) else answer


def national_number(order: HandOver) -> str | Refused:
    """The mainland number without its country, or why nothing goes there now."""
    national = MAINLAND.fullmatch(order.address)
    if national is None:
        if not order.address.startswith("+86"):
            return Refused(Reason.COUNTRY_BLOCKED)
        return Refused(Reason.INVALID_NUMBER, point_unusable=True)
    return national[1] if order.ttl_seconds >= 1 else Refused(Reason.WINDOW_CLOSED)


def settle_answer(status: int, raw: bytes, code_name: str = "code", id_name: str = "biz_id") -> HandOverResult:
    """What the provider's answer proves. A 5xx, a 408 or an answer that cannot be read proves nothing.

    Alibaba Cloud answers with the same codes under names of its own.
    """
    if status >= 500 or status == 408:
        return Unsettled(Reason.PROVIDER_ERROR)
    if status == 429:
        return NotAccepted(Reason.THROTTLED)
    answer = read_object(raw)
    code = answer.get(code_name)
    if 200 <= status < 300 and code == "OK":
        biz_id = answer.get(id_name)
        return Accepted(biz_id) if isinstance(biz_id, str) and 0 < len(biz_id) <= 128 else _unread()
    if isinstance(code, str) and code in CODES:
        return CODES[code]
    if isinstance(code, str) and code.startswith("isv."):
        return Refused(Reason.REFUSED_BY_PROVIDER)
    if status in (401, 403):
        return _DENIED
    if 400 <= status < 500:
        return Refused(Reason.REFUSED_BY_PROVIDER)
    return _unread()


def _unread() -> Unsettled:
    return Unsettled(Reason.PROVIDER_ERROR)
