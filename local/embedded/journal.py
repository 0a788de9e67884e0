"""Everything that happened in an embedded AWS, in order: what two runs of one seed have to agree on, to the byte."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local.embedded.aws import CallInfo, EmbeddedAws, Fault

__all__ = ["Journal"]


class Journal:
    """A `before_call` that writes down every call, with all its parameters, and asks `then` what to do with it.

    Lines are JSON and hold personal data: compare them, or their digest, and keep them to yourself.
    """

    def __init__(self, then: Callable[[CallInfo], Fault | None] | None = None) -> None:
        self._then = then
        self.lines: list[str] = []

    def before_call(self, call: CallInfo) -> Fault | None:
        self.add("call", call.function, call.service, call.operation, call.number, call.parameters)
        return self._then(call) if self._then is not None else None

    def add(self, kind: str, *values: object) -> None:
        """One more line. Keys stay in the order they came in: it is part of the history."""
        self.lines.append(json.dumps([kind, *map(_ordered, values)], default=_plain, ensure_ascii=False))

    def finish(self, aws: EmbeddedAws, tables: Iterable[str], queues: Iterable[str] = ()) -> None:
        """Add the invocations, and what is left in tables and queues, read in the order in which it is kept."""
        for one in aws.history:
            self.add("invocation", one.at, one.function, one.source, one.outcome)
        for table in tables:
            for item in aws.items(table):
                self.add("item", table, item)
        for queue in queues:
            for body in aws.queue_bodies(queue):
                self.add("queue", queue, body)

    @property
    def digest(self) -> str:
        """SHA-256 over all lines."""
        return hashlib.sha256("\n".join(self.lines).encode("utf-8", "surrogatepass")).hexdigest()


def _ordered(value: Any) -> Any:
    """The same with DynamoDB's own sets in order: they have none, in the protocol as in a table."""
    if isinstance(value, Mapping):
        if len(value) == 1 and (kind := next(iter(value))) in ("SS", "NS", "BS"):
            return {kind: sorted(value[kind])}
        if set(value) >= {"Keys", "ConsistentRead"}:  # of a BatchGetItem: PynamoDB keeps them in a set
            value = {**value, "Keys": sorted(value["Keys"], key=str)}
        return {key: _ordered(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_ordered(inner) for inner in value]
    return sorted(value) if isinstance(value, (set, frozenset)) else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"a call carries a {type(value).__name__}")
