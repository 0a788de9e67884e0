"""Twilio Programmable Messaging.

`X-Twilio-Signature` is base64(HMAC-SHA1(auth token, URL + every parameter's name and value, sorted)); for a JSON body
the URL ends in `bodySHA256=` and that digest, and no parameters follow. The URL is the configured one: what a Host
header says is the caller's. Nothing in it tells the time, so a request can be repeated: a report settles once and a
text has an id, so the second changes nothing. Names and values are joined without a mark between them, so only known
names count, and a name whose end was moved is unknown.

Twilio answers STOP itself and says so (`OptOutType`): our list follows it, and no second confirmation is written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlencode

from dunlin.adapters.fields import (
    SHORT_CODE,
    a_phone,
    a_text,
    an_identifier,
    an_instant,
    an_object,
    tag_ref,
    words_of,
)
from dunlin.adapters.providers import Call, Provider, WebhookSecrets, only_header, same
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "twilio"

MAX_PARAMETERS: Final = 100
_REPORTED = ("MessageSid", "MessageStatus", "ErrorCode")
_WRITTEN = ("MessageSid", "From", "To", "Body", "OptOutType")
#: Twilio puts the digest behind what it was given.
_QUERY = ("ref", "bodySHA256")

_FAILED = MessageState.FAILED
#: ErrorCode of a text that was not delivered: reason, and whether the number can never be reached.
FAILURES: Final[Mapping[str, tuple[Reason, bool]]] = {
    "21610": (Reason.PROVIDER_OPTED_OUT, False),
    "30002": (Reason.REFUSED_BY_PROVIDER, False),  # account suspended
    "30003": (Reason.UNREACHABLE, False),
    "30004": (Reason.BLOCKED, False),
    "30005": (Reason.INVALID_NUMBER, True),  # unknown destination
    "30006": (Reason.INVALID_NUMBER, True),  # a landline
    "30007": (Reason.SPAM, False),  # filtered
    "30010": (Reason.PRICE_OVER_THRESHOLD, False),
    "30019": (Reason.TOO_LONG, False),
    "30022": (Reason.THROTTLED, False),
    "30023": (Reason.THROTTLED, False),
    "30024": (Reason.CARRIER_BLOCKED, False),  # the sender is not provisioned
    "30032": (Reason.CARRIER_BLOCKED, False),  # a toll-free number that is not verified
    "30034": (Reason.CARRIER_BLOCKED, False),  # an unregistered 10DLC number
    "30036": (Reason.TTL_EXPIRED, False),
    "30410": (Reason.CARRIER_UNREACHABLE, False),
}


def sign(secret: str, url: str, parameters: Sequence[tuple[str, str]]) -> str:
    """What `X-Twilio-Signature` has to be."""
    text = url + "".join(name + value for name, value in sorted(set(parameters)))
    digest = hmac.new(secret.encode(), text.encode("utf-8", "surrogatepass"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def address(secrets: WebhookSecrets, kind: str, ref: str = "") -> str:
    """Where Twilio reaches us; `ref` is the tag of the message that it will report on."""
    url = f"{secrets.public_url.rstrip('/')}/providers/{NAME}/{secrets.path_token}/{kind}"
    return f"{url}?ref={ref}" if ref else url


def verify(call: Call) -> str:
    signature = only_header(call.request.headers, "x-twilio-signature")
    if signature is None:
        return "headers"
    query = dict(call.request.query)
    # The gateway keeps no order: the two names we know have one.
    order = [name for name in _QUERY if name in query]
    if not len(order) == len(query) == len(call.request.query):
        return "query"
    url = address(call.secrets, call.request.kind)
    if query:
        url += "?" + urlencode([(name, query[name]) for name in order], errors="replace")
    if "bodySHA256" in query:
        if not same(query["bodySHA256"].lower(), hashlib.sha256(call.request.raw).hexdigest()):
            return "digest"
        parameters: Sequence[tuple[str, str]] | None = ()
    else:
        parameters = _parameters(call.request.raw)
    if parameters is None:
        return "form"
    return "" if same(signature, sign(call.secrets.signing_secret, url, parameters)) else "signature"


def elements(call: Call) -> Sequence[object]:
    query = dict(call.request.query)
    if "bodySHA256" in query:
        try:
            body: object = json.loads(call.request.raw)
        except (ValueError, RecursionError):
            body = None
        said: Mapping[str, object] = an_object(body, "body")
    else:
        said = dict(_parameters(call.request.raw) or ())
    known = _REPORTED if call.request.kind == "reports" else _WRITTEN
    payload = {name: said[name] for name in known if said.get(name) not in (None, "")}
    if call.request.kind == "inbound":
        payload.setdefault("Body", "")
        return [payload]
    return [{**payload, "ref": query.get("ref"), "received_at": call.now.isoformat()}]


def report(payload: Mapping[str, object]) -> DeliveryReport:
    status = a_text(payload, "MessageStatus", 32, "payload.")
    code = payload.get("ErrorCode", "")
    if isinstance(code, int) and not isinstance(code, bool):
        code = str(code)
    if not isinstance(code, str) or len(code) > 8:
        raise InvalidInput("payload.ErrorCode", "is not a short code")
    state: MessageState | None = None
    reason, unusable = Reason.ACCEPTED, False
    match status:
        case "delivered" | "read":
            state, reason = MessageState.DELIVERED, Reason.DELIVERED
        case "undelivered" | "failed":
            state = _FAILED
            reason, unusable = FAILURES.get(code, (Reason.CARRIER_UNREACHABLE, False))
        case "canceled":
            state, reason = _FAILED, Reason.REFUSED_BY_PROVIDER
        case _:  # accepted, scheduled, queued, sending, sent, and what is newer: more will follow
            pass
    return DeliveryReport(
        ref=tag_ref(payload, "ref"),
        state=state,
        reason=reason,
        at=an_instant(payload, "received_at", "payload."),
        provider_message_id=an_identifier(payload, "MessageSid", "payload."),
        point_unusable=unusable,
    )


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    kind = payload.get("OptOutType", "")
    if not isinstance(kind, str) or len(kind) > 16:
        raise InvalidInput("payload.OptOutType", "is not a short word")
    to_address = a_text(payload, "To", 32, "payload.")
    return InboundText(
        inbound_id=an_identifier(payload, "MessageSid", "payload."),
        provider=NAME,
        from_address=a_phone(a_text(payload, "From", 32, "payload."), "payload.From"),
        to_address=to_address if SHORT_CODE.fullmatch(to_address) else a_phone(to_address, "payload.To"),
        text=words_of(payload, "Body", "payload."),
        received_at=received_at,
        provider_opted_out=kind == "STOP",
    )


def _parameters(raw: bytes) -> list[tuple[str, str]] | None:
    """The pairs of a form; None if it is none, or says one name twice."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        return None
    return pairs if len(dict(pairs)) == len(pairs) else None


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="auth_token",
    settings=("public_url",),
    methods=frozenset({"POST"}),
    # TwiML that says nothing; anything else would be sent to the person as an answer.
    answer=(200, "text/xml", "<Response/>"),
    report_time="received_at",
    verify=verify,
    elements=elements,
    report=report,
    inbound=inbound,
)
