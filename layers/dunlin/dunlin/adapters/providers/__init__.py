"""Providers that speak HTTP: one module each, found in one table, loaded only when its provider speaks.

A module's `PROVIDER` says how its provider proves itself (`verify`), what one request carries (`elements`), how an
element is read (`report`, `inbound`) and what the provider expects to hear (`answer`). `verify` is total:
any bytes give a verdict. `elements`, `report` and `inbound` give a result or raise `InvalidInput`, which names a field
and never its value.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import Final, cast

from dunlin.services.ports import DeliveryReport, InboundText

__all__ = [
    "KINDS",
    "PROVIDERS",
    "Call",
    "Provider",
    "WebhookRequest",
    "WebhookSecrets",
    "is_fresh",
    "only_header",
    "provider_of",
    "same",
    "unsigned",
]

#: By the name in a line's `provider`, in the path and in a queue's body.
PROVIDERS: Final[Mapping[str, str]] = {
    "alibaba": "dunlin.adapters.providers.alibaba",
    "finance_sms": "dunlin.adapters.providers.finance_sms",
    "sinch": "dunlin.adapters.providers.sinch",
    "tencent": "dunlin.adapters.providers.tencent",
    "twilio": "dunlin.adapters.providers.twilio",
    "vonage_messages": "dunlin.adapters.providers.vonage_messages",
    "vonage_sms": "dunlin.adapters.providers.vonage_sms",
    "wechat": "dunlin.adapters.providers.wechat",
}
#: The path's kind and the kind of the queue's bodies.
KINDS: Final[Mapping[str, str]] = {"reports": "report", "inbound": "inbound"}
#: A signed instant may be this far from our clock.
MAX_AGE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """What a provider and we share, and where it reaches us. `signing_secret` is empty where a provider signs nothing.

    `public_url` is the API's address as the provider was told it, up to `/providers`; a request's own Host says
    nothing. In no repr.
    """

    path_token: str = field(repr=False)
    signing_secret: str = field(default="", repr=False)
    public_url: str = ""
    signature_method: str = ""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request as it came: the path's parts, every header line in its order, the bytes, every pair of the query."""

    provider: str
    token: str = field(repr=False)
    kind: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    raw: bytes = field(repr=False)
    method: str = "POST"
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A request, what it is checked with, and the instant it came."""

    request: WebhookRequest
    secrets: WebhookSecrets
    now: datetime


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider's webhook.

    `signing_field`: the field of its secret that it signs with, empty where it signs nothing; `settings`: further
    fields that its webhook needs. `answer`: status, media type and body of the answer to everything
    that was the provider's. `report_time`: the field that says when a report happened.

    `verify`: a fixed word for what is wrong, empty if the request is the provider's; the token was checked before.
    `elements`: what the request carries, each for a queue's body of its own.

    Of one that is told a single address for everything, `sorts` says which kind (of the path) a request's elements are.
    `echo`: what a GET is answered with, by a provider that asks so whether the address is ours; None: it does not fit.
    `covers_body`: whether what it signs includes what it says. Where it does not, its token has to be long and it is
    believed no more than one that signs nothing.
    """

    name: str
    signing_field: str
    settings: tuple[str, ...]
    methods: frozenset[str]
    answer: tuple[int, str, str]
    report_time: str
    verify: Callable[[Call], str]
    elements: Callable[[Call], Sequence[object]]
    report: Callable[[Mapping[str, object]], DeliveryReport]
    inbound: Callable[[Mapping[str, object], datetime], InboundText]
    sorts: Callable[[Sequence[object]], str] | None = None
    echo: Callable[[Call], str | None] | None = None
    covers_body: bool = True


def provider_of(name: object) -> Provider | None:
    """The provider of this name, or None. Importing it costs only whoever meets it."""
    path = PROVIDERS.get(name) if isinstance(name, str) else None
    return cast("Provider", import_module(path).PROVIDER) if path is not None else None


def only_header(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """The value of a header that is there exactly once. Two lines of one name are two readings of one request."""
    values = [value for key, value in headers if key.lower() == name]
    return values[0] if len(values) == 1 else None


def same(given: str, ours: str) -> bool:
    """Constant-time comparison; an empty secret of ours is the same as nothing."""
    return bool(ours) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), ours.encode())


def is_fresh(unix_seconds: int, now: datetime) -> bool:
    """Whether a signed instant is close enough to ours."""
    return abs(unix_seconds - now.timestamp()) <= MAX_AGE.total_seconds()


def unsigned(_: Call) -> str:
    """The verdict about a provider that signs nothing: the token was all that could be checked."""
    return ""
