"""Providers' webhooks: who may speak, and what goes into our queues.

`POST …/providers/{provider}/{token}/{kind}`, kind = reports or inbound; Vonage's SMS API may also GET, and WeChat asks
with one whether the address is ours. Everything is
checked on the raw bytes:

1. the path's token (an unguessable part of the address we gave the provider), compared in constant time: else 404, as
   if there were nothing here;
2. the size;
3. what the provider proves itself with, see its module in `providers`: else 401. A signature is compared in constant
   time, an instant may be five minutes away from our clock, and a header counts only if it is there once.

Each element of a request is read by `reports`, so that what enters a queue can be read there; one that cannot is
refused by itself and the rest goes on. The answer to anything that was the provider's is the one it expects: a
provider that repeats what can never be accepted helps nobody. A request may be repeated; reports and texts carry ids,
so the second one changes nothing. Only a failure of ours is a 5xx, which every provider repeats.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dunlin.adapters.providers import KINDS, Call, Provider, WebhookRequest, WebhookSecrets, provider_of, same
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.errors import InvalidInput
from dunlin.services.ports import Refusal

__all__ = [
    "KINDS",
    "WebhookAnswer",
    "WebhookRequest",
    "WebhookSecrets",
    "headers_of_event",
    "query_of_event",
    "raw_body_of_event",
    "receive",
]

MAX_REQUEST_BYTES: Final = 256 * 1024
MAX_ELEMENTS: Final = 1000
#: So much of a request that is no array is kept; a queue's message has an end.
MAX_KEPT: Final = 128 * 1024

_UNSTORABLE = re.compile("[\ud800-\udfff\ufffe\uffff]")


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
    media_type: str = "application/json"


def receive(request: WebhookRequest, secrets: WebhookSecrets | None, now: datetime) -> WebhookAnswer:
    """Check a request and take it apart. Never raises for what was sent. `secrets`: None where there are none."""
    provider = provider_of(request.provider)
    token_is_ours = same(request.token, secrets.path_token if secrets is not None else "")
    if provider is None or secrets is None or request.kind not in KINDS or not token_is_ours:
        return _turned_away(404, "path")
    if request.method not in provider.methods:
        return _turned_away(405, "method")
    if len(request.raw) > MAX_REQUEST_BYTES:
        return _turned_away(413, "size")
    call = Call(request, secrets, now)
    problem = provider.verify(call)
    if problem:
        return _turned_away(401, problem)
    if provider.echo is not None and request.method == "GET":
        echoed = provider.echo(call)
        return _turned_away(400, "echo") if echoed is None else WebhookAnswer(200, echoed, media_type="text/plain")
    return _take_apart(provider, call)


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


def query_of_event(event: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Every pair of the query, decoded; the gateway keeps the order of a name's values and no other."""
    multi = event.get("multiValueQueryStringParameters")
    if not isinstance(multi, Mapping):
        return ()
    return tuple(
        (str(name), str(value))
        for name, values in multi.items()
        for value in (values if isinstance(values, list) else [values])
    )


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


def _take_apart(provider: Provider, call: Call) -> WebhookAnswer:
    request, now = call.request, call.now
    source = f"{provider.name}/{request.kind}"
    status, media_type, said = provider.answer
    try:
        elements = provider.elements(call)
    except InvalidInput as error:
        whole = Refusal(source, error.field, error.problem, request.raw.decode("utf-8", "replace")[:MAX_KEPT])
        return WebhookAnswer(status, said, request.kind, refusals=(whole,), media_type=media_type)
    if len(elements) > MAX_ELEMENTS:
        return _turned_away(413, "size")
    queue = provider.sorts(elements) if provider.sorts is not None else request.kind
    kind = KINDS[queue]  # a body's kind; the queue has the path's
    accepted: list[Mapping[str, object]] = []
    refusals: list[Refusal] = []
    for index, element in enumerate(elements):
        try:
            body: dict[str, object] = {"provider": provider.name, "kind": kind, "payload": _storable(element)}
            if kind == "report":
                parse_report(body, now)
            else:
                parse_inbound(body, now)
        except InvalidInput as error:
            refusals.append(Refusal(source, f"[{index}].{error.field}", error.problem, _dump(element)))
        else:
            accepted.append(body)
    return WebhookAnswer(status, said, queue, tuple(accepted), tuple(refusals), media_type=media_type)


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
