"""The form in which a finance-qualified mainland provider is spoken with: signed in both directions.

`X-Timestamp` (Unix seconds, at most five minutes from our clock) and `X-Signature` = hex HMAC-SHA256 over
`timestamp + "." + body`, each exactly once. The body is a JSON array in Alibaba Cloud's form.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from dunlin.adapters.providers import Call, Provider, is_fresh, only_header, same
from dunlin.adapters.providers.mainland import array_of, element_inbound, element_report
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "finance_sms"

_TIMESTAMP = re.compile(r"[0-9]{10,11}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over `timestamp + "." + body`.

    Raises:
        ValueError: the secret is empty: everybody could make that signature.
    """
    if not secret:
        raise ValueError("an empty secret signs nothing")
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def verify(call: Call) -> str:
    timestamp = only_header(call.request.headers, "x-timestamp")
    signature = only_header(call.request.headers, "x-signature")
    if timestamp is None or signature is None:
        return "headers"
    if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
        return "headers"
    if not same(signature, sign(call.secrets.signing_secret, timestamp, call.request.raw)):
        return "signature"
    return "" if is_fresh(int(timestamp), call.now) else "stale"


def elements(call: Call) -> Sequence[object]:
    return array_of(call.request.raw)


def report(payload: Mapping[str, object]) -> DeliveryReport:
    return element_report(payload, is_signed=True)


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    return element_inbound(payload, received_at, provider=NAME, is_signed=True)


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="webhook_secret",
    settings=(),
    methods=frozenset({"POST"}),
    answer=(200, "application/json", '{"code":0,"msg":"received"}'),
    report_time="report_time",
    verify=verify,
    elements=elements,
    report=report,
    inbound=inbound,
)
