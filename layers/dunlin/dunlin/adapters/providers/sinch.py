"""Sinch's SMS API: JSON by `type`, signed over body, nonce and instant. It repeats on 429 and 5xx only.

`x-sinch-webhook-signature` is base64(HMAC-SHA256(secret, body + "." + nonce + "." + timestamp)); the other two are in
`x-sinch-webhook-signature-nonce` and `-timestamp`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from dunlin.adapters.fields import (
    MISSING,
    SHORT_CODE,
    a_phone,
    a_ref,
    a_text,
    an_identifier,
    an_instant,
    an_object,
    words_of,
)
from dunlin.adapters.providers import Call, Provider, is_fresh, only_header, same
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "sinch"

_NONCE = re.compile(r"[\x21-\x7e]{1,128}")
_TIMESTAMP = re.compile(r"[0-9]{10,11}")

#: code of a text that did not arrive: reason, and whether the number can never be reached.
FAILURES: Final[Mapping[int, tuple[Reason, bool]]] = {
    402: (Reason.CARRIER_UNREACHABLE, False),  # unroutable
    403: (Reason.CARRIER_UNREACHABLE, False),
    404: (Reason.UNREACHABLE, False),
    405: (Reason.INVALID_MESSAGE, False),
    406: (Reason.TTL_EXPIRED, False),
    407: (Reason.REFUSED_BY_PROVIDER, False),  # cancelled
    408: (Reason.REFUSED_BY_PROVIDER, False),
    410: (Reason.CARRIER_BLOCKED, False),  # no originator
    411: (Reason.TOO_LONG, False),
    412: (Reason.COUNTRY_BLOCKED, False),
    413: (Reason.BLOCKED, False),
    415: (Reason.SPAM, False),
    418: (Reason.BLOCKED, False),
}


def sign(secret: str, body: bytes, nonce: str, timestamp: str) -> str:
    """What `x-sinch-webhook-signature` has to be."""
    signed = b".".join((body, nonce.encode(), timestamp.encode()))
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def verify(call: Call) -> str:
    signature, nonce, timestamp = (
        only_header(call.request.headers, f"x-sinch-webhook-signature{end}") for end in ("", "-nonce", "-timestamp")
    )
    if signature is None or nonce is None or timestamp is None:
        return "headers"
    if not _NONCE.fullmatch(nonce) or "." in nonce or not _TIMESTAMP.fullmatch(timestamp):
        return "headers"
    if not same(signature, sign(call.secrets.signing_secret, call.request.raw, nonce, timestamp)):
        return "signature"
    return "" if is_fresh(int(timestamp), call.now) else "stale"


def elements(call: Call) -> Sequence[object]:
    try:
        body: object = json.loads(call.request.raw)
    except (ValueError, RecursionError):
        body = None
    said = an_object(body, "body")
    if call.request.kind == "reports" and said.get("type") == "delivery_report_sms":
        # A summary of a batch tells no instant.
        return [{**said, "at": call.now.isoformat()}]
    return [said]


def report(payload: Mapping[str, object]) -> DeliveryReport:
    match payload.get("type"):
        case "recipient_delivery_report_sms":
            source, path = payload, "payload."
        case "delivery_report_sms":
            # A batch of ours has one recipient, so its summary has one status.
            statuses = payload.get("statuses", MISSING)
            if not isinstance(statuses, list) or len(statuses) != 1:
                raise InvalidInput("payload.statuses", "is not a list of one status")
            source, path = an_object(statuses[0], "payload.statuses[0]"), "payload.statuses[0]."
        case _:
            raise InvalidInput("payload.type", "is not a report")
    code = source.get("code", MISSING)
    if isinstance(code, bool) or not isinstance(code, int):
        raise InvalidInput(path + "code", "is not a number")
    state, reason, unusable = _outcome(a_text(source, "status", 32, path), code)
    return DeliveryReport(
        ref=a_ref(payload.get("client_reference", MISSING), "payload.client_reference"),
        state=state,
        reason=reason,
        at=an_instant(payload, "at", "payload."),
        provider_message_id=an_identifier(payload, "batch_id", "payload."),
        point_unusable=unusable,
    )


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    if payload.get("type") != "mo_text":
        raise InvalidInput("payload.type", "is not a text")
    to_address = a_text(payload, "to", 32, "payload.")
    return InboundText(
        inbound_id=an_identifier(payload, "id", "payload."),
        provider=NAME,
        from_address=a_phone(a_text(payload, "from", 32, "payload."), "payload.from"),
        to_address=to_address if SHORT_CODE.fullmatch(to_address) else a_phone(to_address, "payload.to"),
        text=words_of(payload, "body", "payload."),
        received_at=received_at,
    )


def _outcome(status: str, code: int) -> tuple[MessageState | None, Reason, bool]:
    match status:
        case "Delivered":
            return MessageState.DELIVERED, Reason.DELIVERED, False
        case "Failed" | "Rejected" | "Aborted":
            reason, unusable = FAILURES.get(code, (Reason.CARRIER_UNREACHABLE, False))
            return MessageState.FAILED, reason, unusable
        case "Expired":
            return MessageState.FAILED, Reason.TTL_EXPIRED, False
        case "Cancelled" | "Deleted":
            return MessageState.FAILED, Reason.REFUSED_BY_PROVIDER, False
        case "Unknown":
            return MessageState.UNKNOWN, Reason.NO_REPORT, False
        case _:  # Queued, Dispatched, and what is newer: more will follow
            return None, Reason.ACCEPTED, False


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="webhook_secret",
    settings=(),
    methods=frozenset({"POST"}),
    answer=(200, "application/json", "{}"),
    report_time="at",
    verify=verify,
    elements=elements,
    report=report,
    inbound=inbound,
)
