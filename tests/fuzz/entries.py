"""Every way into the system, as somebody outside could use it: what fits, what nearly fits, and what does not.

An input is an event as AWS would hand it to a function. What only AWS writes (a record's id, a request's context) is as
AWS writes it; everything that a caller, a provider or the core decides is drawn.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from random import Random
from typing import Any, Final
from urllib.parse import quote

from dunlin.adapters.providers import WebhookSecrets
from dunlin.domain.shards import WAKE_SHARDS
from dunlin.entry.core_events import json_schema

from local.simulator.finance import FinanceKeys
from tests.functional.conftest import KEY, PROVIDERS, events_of, queue_event, read_event, stream_event
from tests.functional.test_redaction import PLANTS, SENTENCE
from tests.fuzz.generate import ODD, broken, encoded, from_schema, mutated, written
from tests.webhook_requests import GOOD, MAKERS

__all__ = ["ENTRIES", "Input", "inputs"]

PLANTED: Final = (*PLANTS, SENTENCE)
_BORROWERS: Final = ("b-known", "b-render", "b-send", "b-sent", "b-case", "b-plan", "b-replies", "b-erased", "b-nobody")
_KNOWN: Final[Mapping[str, Sequence[str]]] = {
    "borrower_id": _BORROWERS,
    "party_id": ("p-1", "p-2"),
    "loan_id": ("l-1", "l-2"),
    "jurisdiction": ("US-NY", "US-MA", "CN", "GB", "US-CA"),
    "time_zone": ("America/New_York", "Asia/Shanghai", "Europe/London"),
    "phone": ("+12065550187", "+8613491237654", "+12125550144"),
    "email": ("wilhelmina.plantagenet@mail.example",),
    "name": ("Wilhelmina Plantagenet", "欧阳晓萍"),
    "locale": ("en-US", "zh-CN"),
    "amount": ("7391.57", "64208.35"),
}


@dataclass(frozen=True)
class Input:
    """One call of one function. `entry` says by which way."""

    entry: str
    function: str
    event: Any


@cache
def _schema() -> dict[str, Any]:
    return json_schema()


@cache
def _bodies(function: str) -> list[Any]:
    """What the files in `events/` carry, parsed."""
    found: list[Any] = []
    for case in events_of(function):
        event = read_event(function, case)
        texts = [record.get("body", "") for record in event.get("Records", [])] or [event.get("body") or ""]
        for text in texts:
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
    return found


def _text(document: Any, random: Random) -> str:
    """JSON: a third as it is, a third with something wrong in it, and some that is none."""
    if random.random() < 0.65:
        document = mutated(document, random, PLANTED)
    text = written(document)
    return broken(text, random, PLANTED) if random.random() < 0.12 else text


def _core_event(random: Random) -> Any:
    if random.random() < 0.5:
        return from_schema(_schema(), random, _KNOWN)
    event = copy.deepcopy(random.choice(_bodies("ingest_events")))
    return event.get("detail", event) if isinstance(event, dict) else event


def core_events(random: Random) -> Input:
    events = [_core_event(random) for _ in range(random.choice((1, 1, 2)))]
    wrapped = [{"detail": event} if random.random() < 0.7 else event for event in events]
    return Input("the bus", "ingest_events", queue_event(*(_text(event, random) for event in wrapped)))


def _http(
    function: str,
    path: str,
    body: str,
    random: Random,
    *,
    method: str = "POST",
    parameters: Mapping[str, str] | None = None,
    headers: Sequence[tuple[str, str]] = (),
    query: Sequence[tuple[str, str]] = (),
    in_base64: bool = False,
) -> dict[str, Any]:
    event = copy.deepcopy(read_event(function, events_of(function)[0]))
    lines = [("Content-Type", random.choice(_MEDIA_TYPES)), *headers]
    if random.random() < 0.1:
        lines.append(
            (random.choice(("Accept", "X-Forwarded-For", "Cookie", "Content-Encoding")), random.choice(PLANTED))
        )
    event |= {
        "path": path,
        "httpMethod": method,
        "headers": dict(lines),
        "multiValueHeaders": {name: [value for key, value in lines if key == name] for name, _ in lines},
        "pathParameters": dict(parameters) if parameters else None,
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query} or None,
        "body": body,
        "isBase64Encoded": in_base64,
    }
    event.get("requestContext", {}).update({"path": f"/v1{path}", "httpMethod": method})
    return event


_MEDIA_TYPES: Final = (
    *("application/json", "application/json", "application/json; charset=utf-8", "application/json; charset=utf-16"),
    *("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/xml", "", "/"),
)


def api(random: Random) -> Input:
    if random.random() < 0.4:
        events = [_core_event(random) for _ in range(random.choice((1, 2, 3)))]
        path, method, document = "/events", "POST", {"events": events}
    else:
        case = random.choice(events_of("serve_api"))
        event = read_event("serve_api", case)
        path, method = event["path"], event["httpMethod"]
        try:
            document = json.loads(event["body"] or "{}")
        except ValueError:
            document = {}
    if random.random() < 0.05:
        method = random.choice(("GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"))
    if random.random() < 0.05:
        path = f"/{quote(random.choice((*ODD, *PLANTED)), errors='replace')}"
    body, in_base64 = _text(document, random), False
    if random.random() < 0.15:
        body, in_base64 = encoded(body, random)
    return Input("the API", "serve_api", _http("serve_api", path, body, random, method=method, in_base64=in_base64))


def _secrets(provider: str) -> WebhookSecrets:
    if provider == "finance_sms":
        keys = FinanceKeys()
        return WebhookSecrets(keys.webhook_token, keys.webhook_secret)
    given = PROVIDERS[provider]
    signing = next(
        (
            given[name]
            for name in ("auth_token", "signature_secret", "webhook_secret", "signing_token")
            if name in given
        ),
        "",
    )
    return WebhookSecrets(
        given["webhook_token"], signing, given.get("public_url", ""), given.get("signature_method", "")
    )


def webhooks(random: Random, now: datetime) -> Input:
    provider, kind = random.choice(list(MAKERS)), random.choice(("reports", "inbound"))
    secrets = _secrets(provider)
    body: Any = copy.deepcopy(GOOD[provider][kind])
    if random.random() < 0.8:
        body = mutated(body, random, PLANTED)
    at = now + timedelta(seconds=random.choice((0, 0, 0, -200, 200, 400, -100_000)))
    flat = provider in ("twilio", "vonage_sms", "wechat")
    if flat and not isinstance(body, dict):
        body = {}
    if flat:  # forms: everything is text
        body = {str(name).encode("utf-8", "replace").decode(): _flat(value) for name, value in body.items()}
        made = MAKERS[provider](kind, body, secrets, at)
    else:
        text = written(body)
        text = broken(text, random, PLANTED) if random.random() < 0.1 else text
        made = MAKERS[provider](kind, text.encode("utf-8", "surrogatepass"), secrets, at)
    token = secrets.path_token if random.random() < 0.95 else random.choice((*ODD, *PLANTED))
    headers = list(made.headers)
    if headers and random.random() < 0.1:
        spoilt = random.randrange(len(headers))
        headers[spoilt] = (headers[spoilt][0], random.choice((*ODD, *PLANTED, headers[spoilt][1][:-1])))
    try:
        raw, in_base64 = made.raw.decode(), False
    except UnicodeDecodeError:
        raw, in_base64 = encoded(made.raw.decode("utf-8", "replace"), random)
    if not in_base64 and random.random() < 0.1:
        raw, in_base64 = encoded(raw, random)
    parameters = {"provider": provider, "token": token, "kind": kind}
    event = _http(
        "receive_webhook",
        f"/providers/{provider}/{quote(token, errors='replace')}/{kind}",
        raw,
        random,
        method=made.method if random.random() < 0.97 else random.choice(("GET", "PUT", "HEAD")),
        parameters=parameters,
        headers=headers,
        query=made.query,
        in_base64=in_base64,
    )
    return Input("webhooks", "receive_webhook", event)


def _flat(value: Any) -> str:
    return str(value)[:50_000].encode("utf-8", "replace").decode()


def _from_providers(kind: str, function: str, random: Random) -> Any:
    """A body of the queue behind the webhooks, or of the topic that AWS writes to."""
    if random.random() < 0.5:
        return copy.deepcopy(random.choice(_bodies(function)))
    provider = random.choice(list(GOOD))
    given = GOOD[provider][kind]
    payload = given[0] if isinstance(given, list) else given
    return {"provider": provider, "kind": "report" if kind == "reports" else "inbound", "payload": dict(payload)}


def reports(random: Random) -> Input:
    body = _text(_from_providers("reports", "receive_report", random), random)
    return Input("reports", "receive_report", queue_event(body))


def texts(random: Random) -> Input:
    document = _from_providers("inbound", "receive_inbound", random)
    if isinstance(document, dict) and "messageBody" in document and random.random() < 0.5:
        words = (*ODD, *PLANTED, "STOP", "plan", "why? 7391.57", "停", "pay 50 on 2026-06-31", "yes 1", "my lawyer")
        document["messageBody"] = " ".join(random.choice(words) for _ in range(random.choice((1, 3, 40))))
        document["inboundMessageId"] = f"n-{random.randrange(10**6)}"
    return Input("texts", "receive_inbound", queue_event(_text(document, random)))


def unsubscribing(random: Random) -> Input:
    good = read_event("receive_unsubscribe", "forged")["pathParameters"]["token"]
    token = random.choice((good, good[:-1], good[::-1], f"{good}A", *ODD, *PLANTED, "A" * 3_000))
    body = random.choice(("List-Unsubscribe=One-Click", "", random.choice(PLANTED), "x" * 100_000))
    event = _http(
        "receive_unsubscribe",
        f"/unsubscribe/{quote(token, errors='replace')}",
        body,
        random,
        method=random.choice(("POST", "POST", "GET")),
        parameters={"token": token} if random.random() < 0.95 else None,
    )
    return Input("unsubscribing", "receive_unsubscribe", event)


def queues(random: Random) -> Input:
    if random.random() < 0.5:
        document: Any = {"shard": random.choice(WAKE_SHARDS) if random.random() < 0.1 else random.choice(ODD)}
        return Input("our queues", "evaluate_stages", queue_event(_text(document, random)))
    return Input("our queues", "pace_lines", queue_event(_text({"line": random.choice(("us-10dlc", *ODD))}, random)))


def cases(random: Random) -> Input:
    function = random.choice(("assess_case", "park_case"))
    event = {"borrower_id": random.choice(_BORROWERS), "episode": 1, "generation": 1}
    if function == "park_case":
        event |= {"version": random.choice((0, 1, 4)), "token": "t" * random.choice((1, 50, 900))}
    changed = mutated(event, random, PLANTED) if random.random() < 0.9 else event
    # As Step Functions passes it on: what is no JSON cannot come this way.
    try:
        event = json.loads(written(changed), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        event = {}
    return Input("the state machine", function, event if isinstance(event, dict) else {})


def streams(random: Random) -> Input:
    event = stream_event(random.choice(_BORROWERS))
    keys = event["Records"][0]["dynamodb"]["Keys"]
    for name, good in (("borrower_id", _BORROWERS), ("key", (KEY,))):
        keys[name] = {"S": random.choice((*good, *ODD, *PLANTED))}
    return Input("the stream", random.choice(("render_message", "send_message")), event)


#: How often each is drawn, of a hundred: the open doors and those that much is parsed behind, more often.
ENTRIES: Final[Mapping[str, int]] = {
    "core_events": 24,
    "api": 22,
    "webhooks": 20,
    "reports": 10,
    "texts": 9,
    "unsubscribing": 3,
    "queues": 4,
    "cases": 5,
    "streams": 3,
}


def inputs(seed: int, many: int, now: datetime) -> list[Callable[[], Input]]:
    """So many inputs, each drawn from its own number: any of them can be made again by itself."""
    names, weights = list(ENTRIES), list(ENTRIES.values())

    def made(number: int) -> Input:
        random = Random(f"{seed}/{number}")
        match random.choices(names, weights)[0]:
            case "core_events":
                return core_events(random)
            case "api":
                return api(random)
            case "webhooks":
                return webhooks(random, now)
            case "reports":
                return reports(random)
            case "texts":
                return texts(random)
            case "unsubscribing":
                return unsubscribing(random)
            case "queues":
                return queues(random)
            case "cases":
                return cases(random)
            case _:
                return streams(random)

    return [partial(made, number) for number in range(many)]
