"""The finance provider's webhook: who may speak, and what goes into our queues.

`POST …/webhooks/finance_sms/{token}/{kind}`, kind = reports or inbound. Everything is checked on the raw bytes:

1. the path's token (an unguessable part of the address we gave the provider), compared in constant time: else 404, as
   if there were nothing here;
2. the size;
3. `X-Timestamp` (Unix seconds, at most five minutes away from our clock) and `X-Signature` = hex HMAC-SHA256 over
   `timestamp + "." + body`, each exactly once: else 401. Two headers of one name are two readings of one request.

The body is a JSON array. Each element is read by `reports`, so that what enters a queue can be read there; one that
cannot is refused by itself and the rest goes on. The answer to anything that was signed is 200: a provider that
repeats what can never be accepted helps nobody. A request may be repeated inside the five minutes; reports and texts
carry ids, so the second one changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from dunlin.adapters.reports import FINANCE_PROVIDER, parse_inbound, parse_report
from dunlin.errors import InvalidInput
from dunlin.services.ports import Refusal

__all__ = [
    "KINDS",
    "WebhookAnswer",
    "WebhookRequest",
    "WebhookSecrets",
    "headers_of_event",
    "raw_body_of_event",
    "receive",
    "sign",
]

MAX_REQUEST_BYTES: Final = 256 * 1024
MAX_ELEMENTS: Final = 1000
MAX_AGE: Final = timedelta(minutes=5)
#: The path's kind and the kind of the queue's bodies.
KINDS: Mapping[str, str] = {"reports": "report", "inbound": "inbound"}

#: So much of a request that is no array is kept; a queue's message has an end.
MAX_KEPT: Final = 128 * 1024

_UNSTORABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")
_TIMESTAMP = re.compile(r"[0-9]{10,11}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
RECEIVED: Final = '{"code":0,"msg":"received"}'


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """What the provider and we share. In no repr."""

    path_token: str = field(repr=False)
    signing_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request as it came: the path's parts, every header line in its order, the bytes."""

    provider: str
    token: str = field(repr=False)
    kind: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What to answer, what to queue, what to keep as refused.

    `accepted` are bodies for the queue of `kind`, reports or inbound; only when all are in it may `status` and `body`
    be answered.
    `problem` is a fixed word for log and metric, empty if the request was the provider's.
    """

    status: int
    body: str
    kind: str = ""
    accepted: tuple[Mapping[str, object], ...] = ()
    refusals: tuple[Refusal, ...] = ()
    problem: str = ""


def receive(request: WebhookRequest, secrets: WebhookSecrets, now: datetime) -> WebhookAnswer:
    """Check a request and take it apart. Never raises for what was sent."""
    token_is_ours = _same(request.token, secrets.path_token)
    if request.provider != FINANCE_PROVIDER or request.kind not in KINDS or not token_is_ours:
        return _turned_away(404, "path")
    if len(request.raw) > MAX_REQUEST_BYTES:
        return _turned_away(413, "size")
    timestamp = _only_header(request.headers, "x-timestamp")
    signature = _only_header(request.headers, "x-signature")
    if timestamp is None or signature is None:
        return _turned_away(401, "headers")
    if not _TIMESTAMP.fullmatch(timestamp) or not _SIGNATURE.fullmatch(signature):
        return _turned_away(401, "headers")
    if not _same(signature, sign(secrets.signing_secret, timestamp, request.raw)):
        return _turned_away(401, "signature")
    if abs(int(timestamp) - now.timestamp()) > MAX_AGE.total_seconds():
        return _turned_away(401, "stale")
    return _take_apart(request, now)


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Hex HMAC-SHA256 over `timestamp + "." + body`.

    Raises:
        ValueError: the secret is empty: everybody could make that signature.
    """
    if not secret:
        raise ValueError("an empty secret signs nothing")
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def headers_of_event(event: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Every header line of a REST API proxy event (`headers` keeps only the last of several lines)."""
    multi = event.get("multiValueHeaders")
    if isinstance(multi, Mapping):
        return tuple(
            (str(name), str(value))
            for name, values in multi.items()
            for value in (values if isinstance(values, list) else [values])
        )
    single = event.get("headers")
    return tuple((str(name), str(value)) for name, value in single.items()) if isinstance(single, Mapping) else ()


def raw_body_of_event(event: Mapping[str, object]) -> bytes:
    """The request's bytes from a proxy event.

    Raises:
        InvalidInput: the body is not a text, or not the base64 it is said to be.
    """
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise InvalidInput("body", "is not a text")
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("body", "is not base64") from None


def _take_apart(request: WebhookRequest, now: datetime) -> WebhookAnswer:
    kind = KINDS[request.kind]  # a body's kind; the queue has the path's
    source = f"{FINANCE_PROVIDER}/{request.kind}"
    try:
        elements: object = json.loads(request.raw)
    except (ValueError, RecursionError):
        elements = None
    if not isinstance(elements, list):
        whole = Refusal(source, "body", "is not a JSON array", request.raw.decode("utf-8", "replace")[:MAX_KEPT])
        return WebhookAnswer(200, RECEIVED, request.kind, refusals=(whole,))
    if len(elements) > MAX_ELEMENTS:
        return _turned_away(413, "size")
    accepted: list[Mapping[str, object]] = []
    refusals: list[Refusal] = []
    for index, element in enumerate(elements):
        try:
            body: dict[str, object] = {"provider": FINANCE_PROVIDER, "kind": kind, "payload": _storable(element)}
            if kind == "report":
                parse_report(body, now)
            else:
                parse_inbound(body, now)
        except InvalidInput as error:
            refusals.append(Refusal(source, f"[{index}].{error.field}", error.problem, _dump(element)))
        else:
            accepted.append(body)
    return WebhookAnswer(200, RECEIVED, request.kind, tuple(accepted), tuple(refusals))


def _storable(value: object) -> object:
    """The element without what a queue refuses to hold: half a character, and the two that are none.

    One of them in one text would otherwise keep the whole array out, every time the provider sends it.

    Raises:
        InvalidInput: nested too deeply.
    """
    try:
        return _cleaned(value)
    except RecursionError:
        raise InvalidInput("payload", "is nested too deeply") from None


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_cleaned(inner) for inner in value]
    if isinstance(value, dict):
        return {_UNSTORABLE.sub("\ufffd", name): _cleaned(inner) for name, inner in value.items()}
    return value


def _dump(element: object) -> str:
    try:
        return json.dumps(element, ensure_ascii=True)
    except (ValueError, RecursionError):
        return ""


def _turned_away(status: int, problem: str) -> WebhookAnswer:
    return WebhookAnswer(status, '{"code":1,"msg":"refused"}', problem=problem)


def _only_header(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in headers if key.lower() == name]
    return values[0] if len(values) == 1 else None


def _same(given: str, ours: str) -> bool:
    """Constant-time comparison; an empty secret of ours is the same as nothing."""
    return bool(ours) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), ours.encode())
