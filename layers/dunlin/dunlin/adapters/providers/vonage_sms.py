"""Vonage's SMS API: GET or POST, a form or JSON, signed over its parameters.

`sig` is a digest over `&name=value` of all other parameters in the order of their names, with `&` and `=` in values
written as `_`: an HMAC, or (`md5hash`) the MD5 of that and the secret. Which one is configured, never chosen by the
request. Signing is off at Vonage until it is switched on, and here it is always required, with its `timestamp`.

A value's `_`, `&` and `=` sign alike; the reference is a tag, in which the last two cannot be.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

from dunlin.adapters.fields import (
    SHORT_CODE,
    a_phone,
    a_text,
    an_identifier,
    named,
    plausible,
    tag_ref,
    words_of,
)
from dunlin.adapters.providers import Call, Provider, WebhookRequest, is_fresh, same
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "vonage_sms"

DIGESTS: Final = ("md5hash", "md5", "sha1", "sha256", "sha512")
MAX_PARAMETERS: Final = 100
_UNIX = re.compile(r"[0-9]{10,11}")
_SCTS = re.compile(r"[0-9]{10}")
_PRICE = re.compile(r"[0-9]{1,4}(\.[0-9]{1,10})?")

_FAILED = MessageState.FAILED
#: err-code of a text that did not arrive: reason, and whether the number can never be reached.
FAILURES: Final[Mapping[str, tuple[Reason, bool]]] = {
    "2": (Reason.UNREACHABLE, False),  # absent, for now
    "3": (Reason.INVALID_NUMBER, True),  # absent, for ever
    "4": (Reason.BLOCKED, False),
    "5": (Reason.CARRIER_UNREACHABLE, False),
    "6": (Reason.SPAM, False),
    "7": (Reason.UNREACHABLE, False),
    "8": (Reason.CARRIER_UNREACHABLE, False),
    "9": (Reason.INVALID_NUMBER, True),
    "10": (Reason.INVALID_MESSAGE, False),
    "11": (Reason.CARRIER_UNREACHABLE, False),
    "12": (Reason.UNREACHABLE, False),
    "13": (Reason.BLOCKED, False),
    "14": (Reason.CARRIER_BLOCKED, False),
    "15": (Reason.BLOCKED, False),
    "16": (Reason.CARRIER_BLOCKED, False),
    "39": (Reason.CARRIER_BLOCKED, False),
    "41": (Reason.CARRIER_BLOCKED, False),
    "50": (Reason.CARRIER_BLOCKED, False),
    "51": (Reason.CARRIER_BLOCKED, False),
    "52": (Reason.INVALID_MESSAGE, False),
    "53": (Reason.CARRIER_BLOCKED, False),
    "54": (Reason.CARRIER_BLOCKED, False),
}


def sign(secret: str, method: str, parameters: Mapping[str, str]) -> str:
    """What `sig` has to be over the other parameters."""
    text = "".join(
        f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in sorted(parameters.items())
    ).encode("utf-8", "surrogatepass")
    if method == "md5hash":
        return hashlib.md5(text + secret.encode(), usedforsecurity=False).hexdigest()
    return hmac.new(secret.encode(), text, method).hexdigest()


def verify(call: Call) -> str:
    if call.secrets.signature_method not in DIGESTS:
        return "method"
    parameters = _parameters(call.request)
    if parameters is None:
        return "form"
    signature = parameters.pop("sig", "")
    timestamp = parameters.get("timestamp", "")
    if not _UNIX.fullmatch(timestamp) or not signature:
        return "parameters"
    if not same(signature.lower(), sign(call.secrets.signing_secret, call.secrets.signature_method, parameters)):
        return "signature"
    return "" if is_fresh(int(timestamp), call.now) else "stale"


def elements(call: Call) -> Sequence[object]:
    parameters = dict(_parameters(call.request) or {})
    parameters.pop("sig", None)
    return [parameters]


def report(payload: Mapping[str, object]) -> DeliveryReport:
    status = a_text(payload, "status", 32, "payload.")
    code = payload.get("err-code", "")
    if not isinstance(code, str) or len(code) > 8:
        raise InvalidInput("payload.err-code", "is not a short code")
    state: MessageState | None
    unusable = False
    match status:
        case "delivered":
            state, reason = MessageState.DELIVERED, Reason.DELIVERED
        case "failed" | "rejected":
            state = _FAILED
            reason, unusable = FAILURES.get(code, (Reason.CARRIER_UNREACHABLE, False))
        case "expired":
            state, reason = _FAILED, Reason.TTL_EXPIRED
        case "unknown":
            state, reason = MessageState.UNKNOWN, Reason.NO_REPORT
        case _:  # accepted, buffered, and what is newer: more will follow
            state, reason = None, Reason.ACCEPTED
    return DeliveryReport(
        ref=tag_ref(payload, "client-ref"),
        state=state,
        reason=reason,
        at=_scts(payload),
        provider_message_id=an_identifier(payload, "messageId", "payload."),
        price=_price(payload),
        point_unusable=unusable,
    )


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    to_address = a_text(payload, "to", 32, "payload.")
    return InboundText(
        inbound_id=named(an_identifier(payload, "messageId", "payload.")),
        provider=NAME,
        from_address=a_phone(a_text(payload, "msisdn", 32, "payload."), "payload.msisdn"),
        to_address=to_address if SHORT_CODE.fullmatch(to_address) else a_phone(to_address, "payload.to"),
        text=words_of({"text": "", **payload}, "text", "payload."),
        received_at=received_at,
    )


def _scts(payload: Mapping[str, object]) -> datetime:
    """YYMMDDHHMM, in UTC."""
    text = a_text(payload, "scts", 16, "payload.")
    if not _SCTS.fullmatch(text):
        raise InvalidInput("payload.scts", "is not YYMMDDHHMM")
    try:
        at = datetime.strptime(f"20{text}+0000", "%Y%m%d%H%M%z").astimezone(UTC)
    except ValueError:
        raise InvalidInput("payload.scts", "is not an instant") from None
    return plausible(at, "payload.scts")


def _price(payload: Mapping[str, object]) -> str:
    """Vonage bills in euros."""
    text = payload.get("price", "")
    if text == "":
        return ""
    if not isinstance(text, str) or not _PRICE.fullmatch(text):
        raise InvalidInput("payload.price", "is not a price")
    return f"{Decimal(text):f} EUR" if Decimal(text) else ""


def _parameters(request: WebhookRequest) -> dict[str, str] | None:
    """Names and values, from the query of a GET or the body of a POST; None if they are none or a name is twice."""
    if request.method == "GET":
        pairs: Sequence[tuple[str, object]] = () if request.raw else request.query
    elif request.query:
        return None
    elif request.raw.lstrip()[:1] == b"{":
        try:
            body: object = json.loads(request.raw, object_pairs_hook=list)
        except (ValueError, RecursionError):
            return None
        pairs = body if isinstance(body, list) else ()
    else:
        try:
            pairs = parse_qsl(
                request.raw.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=MAX_PARAMETERS,
            )
        except ValueError:
            return None
    found: dict[str, str] = {}
    for name, said in pairs:
        value = str(said) if isinstance(said, int) and not isinstance(said, bool) and abs(said) < 10**30 else said
        if not isinstance(value, str) or name in found or len(found) >= MAX_PARAMETERS:
            return None
        found[name] = value
    return found or None


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="signature_secret",
    settings=("signature_method",),
    methods=frozenset({"GET", "POST"}),
    answer=(200, "text/plain", ""),
    report_time="scts",
    verify=verify,
    elements=elements,
    report=report,
    inbound=inbound,
)
