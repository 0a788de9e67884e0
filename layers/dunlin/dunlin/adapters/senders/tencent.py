"""SMS through Tencent Cloud: SendSms, signed with TC3-HMAC-SHA256.

It takes the number of a filed text and what stands in its gaps, in their order, and no time-to-live: so it may carry
an answer or a servicing reminder and never anything about an overdue amount. The session's context is our reference;
the answer repeats it, the report does not, so the report is matched by SerialNo (see `providers.tencent`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dunlin.adapters.senders.filed import TENCENT_GAP, filed_text
from dunlin.adapters.senders.finance_sms import national_number
from dunlin.adapters.senders.http import HttpSender, read_object
from dunlin.adapters.senders.sns import PURPOSES
from dunlin.domain.words import Reason
from dunlin.services.ports import Accepted, Clock, HandOver, HandOverResult, NotAccepted, Refused, Unsettled

if TYPE_CHECKING:
    import urllib3

__all__ = ["BASE_URL", "CODES", "TencentKey", "TencentSender", "authorization"]

BASE_URL: Final = "https://sms.tencentcloudapi.com"
CONTENT_TYPE: Final = "application/json; charset=utf-8"
MAX_REF: Final = 512

_DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)
_SIGNATURE = Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)  # the filed signature is the line's
_SPEND = Refused(Reason.SPEND_LIMIT, stops_line=True)
_CONTENT = Refused(Reason.INVALID_MESSAGE)
_NUMBER = Refused(Reason.INVALID_NUMBER, point_unusable=True)
_THROTTLED = NotAccepted(Reason.THROTTLED)
_UNSETTLED = Unsettled(Reason.PROVIDER_ERROR)

#: Of a whole code or of its first part, before the dot; the whole code goes first.
CODES: dict[str, Refused | NotAccepted | Unsettled] = {
    # too many
    "RequestLimitExceeded": _THROTTLED,
    "LimitExceeded": _THROTTLED,
    # money
    "FailedOperation.InsufficientBalanceInSmsPackage": _SPEND,
    "LimitExceeded.AppDailyLimit": _SPEND,
    "LimitExceeded.AppMainlandChinaDailyLimit": _SPEND,
    "LimitExceeded.DailyLimit": _SPEND,
    # the number
    "FailedOperation.PhoneNumberInBlacklist": Refused(Reason.PROVIDER_OPTED_OUT),
    "InvalidParameterValue.IncorrectPhoneNumber": _NUMBER,
    "InvalidParameterValue.ProhibitedUseUrlInTemplateParameter": _CONTENT,
    # the words
    "FailedOperation.ContainSensitiveWord": _CONTENT,
    "FailedOperation.FailResolvePacket": _CONTENT,
    "FailedOperation.MarketingSendTimeConstraint": Refused(Reason.WINDOW_CLOSED),
    "FailedOperation.TemplateIncorrectOrUnapproved": _CONTENT,
    "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": _CONTENT,
    "FailedOperation.TemplateUnapprovedOrNotExist": _CONTENT,
    "InvalidParameterValue.ContentLengthLimit": Refused(Reason.TOO_LONG),
    "InvalidParameterValue.TemplateParameterFormatError": _CONTENT,
    "InvalidParameterValue.TemplateParameterLengthLimit": Refused(Reason.TOO_LONG),
    # the line
    "FailedOperation.MissingSignature": _SIGNATURE,
    "FailedOperation.SignatureIncorrectOrUnapproved": _SIGNATURE,
    "FailedOperation.JsonParseFail": _SIGNATURE,
    "InvalidParameterValue.InvalidSmsSdkAppId": _DENIED,
    "InvalidParameterValue.SdkAppIdNotExist": _DENIED,
    # the account
    "AuthFailure": _DENIED,
    "UnauthorizedOperation": _DENIED,
    "UnsupportedOperation": Refused(Reason.COUNTRY_BLOCKED),
    "FailedOperation": Refused(Reason.REFUSED_BY_PROVIDER),
    "InvalidParameter": Refused(Reason.REFUSED_BY_PROVIDER),
    "InvalidParameterValue": Refused(Reason.REFUSED_BY_PROVIDER),
    "MissingParameter": Refused(Reason.REFUSED_BY_PROVIDER),
    # theirs
    "InternalError": _UNSETTLED,
}


@dataclass(frozen=True, slots=True)
class TencentKey:
    """Who we are to Tencent Cloud. The secret is in no repr."""

    secret_id: str
    secret_key: str = field(repr=False)
    sdk_app_id: str = ""


class TencentSender(HttpSender[TencentKey]):
    """`Sender` over SendSms, in one region."""

    provider = "tencent"

    def __init__(
        self,
        base_url: str,
        key: TencentKey,
        clock: Clock,
        *,
        region: str,
        read_timeout: float,
        connect_timeout: float,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        super().__init__(base_url, key, clock, read_timeout=read_timeout, connect_timeout=connect_timeout, pool=pool)
        self._region = region

    def hand_over(self, order: HandOver) -> HandOverResult:
        if order.purpose not in PURPOSES or len(order.ref) > MAX_REF:
            return Refused(Reason.NO_ROUTE)
        national = national_number(order)
        if isinstance(national, Refused):
            return national
        filed = filed_text(order.line.templates, order.body, TENCENT_GAP)
        if filed is None:
            return _CONTENT
        code, values = filed
        document = {
            "PhoneNumberSet": [order.address],
            "SmsSdkAppId": self._key.sdk_app_id,
            "SignName": order.line.signature.strip("【】"),
            "TemplateId": code,
            "TemplateParamSet": [value for _, value in sorted(values, key=lambda each: int(each[0]))],
            "SessionContext": order.ref,
        }
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        now = self._clock()
        headers = {
            "Authorization": authorization(self._key, self._http.host, body, now),
            "Content-Type": CONTENT_TYPE,
            "Host": self._http.host,
            "X-TC-Action": "SendSms",
            "X-TC-Version": "2021-01-11",
            "X-TC-Region": self._region,
            "X-TC-Timestamp": str(int(now.timestamp())),
        }
        answer = self._http.post("/", body, headers)
        return settle_answer(*answer) if isinstance(answer, tuple) else answer


def authorization(key: TencentKey, host: str, body: bytes, now: datetime) -> str:
    """The header that signs a POST of this body at this instant."""
    day = now.astimezone(UTC).strftime("%Y-%m-%d")
    signed = "content-type;host"
    canonical = "\n".join(
        (
            "POST",
            "/",
            "",
            f"content-type:{CONTENT_TYPE}",
            f"host:{host}",
            "",
            signed,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{day}/sms/tc3_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{int(now.timestamp())}\n{scope}\n{digest}"
    secret = f"TC3{key.secret_key}".encode()
    for part in (day, "sms", "tc3_request"):
        secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(secret, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={key.secret_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


def settle_answer(status: int, raw: bytes) -> HandOverResult:
    """What the answer proves. A 5xx, a 408 or an answer that cannot be read proves nothing."""
    if status >= 500 or status == 408:
        return _UNSETTLED
    if status == 429:
        return _THROTTLED
    response = read_object(raw).get("Response")
    if not isinstance(response, Mapping):
        return Refused(Reason.REFUSED_BY_PROVIDER) if 400 <= status < 500 else _UNSETTLED
    error = response.get("Error")
    if isinstance(error, Mapping):
        return _coded(error.get("Code"))
    sent = response.get("SendStatusSet")
    if not isinstance(sent, list) or len(sent) != 1 or not isinstance(sent[0], Mapping):
        return _UNSETTLED
    if sent[0].get("Code") != "Ok":
        return _coded(sent[0].get("Code"))
    serial = sent[0].get("SerialNo")
    return Accepted(serial) if isinstance(serial, str) and 0 < len(serial) <= 128 else _UNSETTLED


def _coded(code: object) -> Refused | NotAccepted | Unsettled:
    if not isinstance(code, str):
        return _UNSETTLED
    found: Mapping[str, Refused | NotAccepted | Unsettled] = CODES
    return found.get(code) or found.get(code.partition(".")[0]) or _UNSETTLED
