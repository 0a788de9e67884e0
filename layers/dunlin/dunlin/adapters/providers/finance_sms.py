"""The form in which a finance-qualified mainland provider is spoken with: signed in both directions.

`X-Timestamp` (Unix seconds, at most five minutes from our clock) and `X-Signature` = hex HMAC-SHA256 over
`timestamp + "." + body`, each exactly once. The body is a JSON array in Alibaba Cloud's form.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from dunlin.adapters.providers import Call, is_fresh, only_header, same
from dunlin.adapters.providers.mainland import element_provider

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


PROVIDER: Final = element_provider("finance_sms", signing_field="webhook_secret", verify=verify)
