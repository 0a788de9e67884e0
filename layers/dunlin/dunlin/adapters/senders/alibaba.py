"""SMS through Alibaba Cloud on the mainland: SendSms, signed with ACS3-HMAC-SHA256.

It takes the code of a filed text and what stands in its gaps, no words, and no time-to-live: a text can be felt
outside its window. So it may carry an answer or a servicing reminder and never anything about an overdue amount, for
which its ordinary routes are not meant either. `OutId` is our reference and comes back in the report.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Final
from urllib.parse import quote

from dunlin.adapters.senders.filed import ALIBABA_GAP, filed_text
from dunlin.adapters.senders.finance_sms import national_number, settle_answer
from dunlin.adapters.senders.http import HttpSender
from dunlin.adapters.senders.sns import PURPOSES
from dunlin.domain.words import Reason
from dunlin.services.ports import HandOver, HandOverResult, Refused

__all__ = ["BASE_URL", "AlibabaKey", "AlibabaSender", "authorization"]

BASE_URL: Final = "https://dysmsapi.aliyuncs.com"
ALGORITHM: Final = "ACS3-HMAC-SHA256"
MAX_REF: Final = 255
_NO_BODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class AlibabaKey:
    """Who we are to Alibaba Cloud. The secret is in no repr."""

    key_id: str
    secret: str = field(repr=False)


class AlibabaSender(HttpSender[AlibabaKey]):
    """`Sender` over SendSms."""

    provider = "alibaba"

    def hand_over(self, order: HandOver) -> HandOverResult:
        if order.purpose not in PURPOSES or len(order.ref) > MAX_REF:
            return Refused(Reason.NO_ROUTE)
        national = national_number(order)
        if isinstance(national, Refused):
            return national
        filed = filed_text(order.line.templates, order.body, ALIBABA_GAP)
        if filed is None:
            return Refused(Reason.INVALID_MESSAGE)
        code, values = filed
        query = {
            "PhoneNumbers": national,
            "SignName": order.line.signature.strip("【】"),
            "TemplateCode": code,
            "TemplateParam": json.dumps(dict(values), ensure_ascii=False, separators=(",", ":")),
            "OutId": order.ref,
        }
        headers = {
            "host": self._http.host,
            "x-acs-action": "SendSms",
            "x-acs-version": "2017-05-25",
            "x-acs-date": self._clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": secrets.token_hex(16),
            "x-acs-content-sha256": _NO_BODY,
        }
        signed = {**headers, "Authorization": authorization(self._key, query, headers)}
        answer = self._http.post("/?" + _query(query), b"", signed)
        return settle_answer(*answer, "Code", "BizId") if isinstance(answer, tuple) else answer


def authorization(key: AlibabaKey, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The header that signs a POST without a body. Header names are in small letters."""
    names = sorted(headers)
    canonical = "\n".join(
        (
            "POST",
            "/",
            _query(query),
            *(f"{name}:{headers[name]}" for name in names),
            "",
            ";".join(names),
            headers["x-acs-content-sha256"],
        )
    )
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Credential={key.key_id},SignedHeaders={';'.join(names)},Signature={signature}"


def _query(query: Mapping[str, str]) -> str:
    return "&".join(
        f"{quote(name, safe='~')}={quote(value.encode('utf-8', 'replace'), safe='~')}"
        for name, value in sorted(query.items())
    )
