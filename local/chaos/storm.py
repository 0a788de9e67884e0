"""What fails, when, and how: drawn for each call by the function, the operation and its number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from local.chaos.forecast import Forecast
from local.embedded.aws import CallInfo, EmbeddedAws, Fault
from local.embedded.errors import ProcessKilledError
from local.simulator.faults import Draw

__all__ = ["KINDS", "Storm"]

#: What can be done to a call, with how often in a hundred; what takes effect first may have been the only chance.
KINDS: Final[Mapping[str, int]] = {
    "fails_before": 20,
    "fails_after": 20,
    "throttled": 15,
    "conflict": 10,
    "timeout_before": 5,
    "timeout_after": 12,
    "repeated": 10,
    "killed_before": 9,
    "killed_after": 9,
}
_WRITES: Final = frozenset({"TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem"})
_THROTTLED: Final = {"dynamodb": "ProvisionedThroughputExceededException", "sesv2": "TooManyRequestsException"}
_ENDPOINT: Final = "https://embedded.example"


class Storm:
    """Stands between the functions and AWS. `hook` is the world's `before_call`; `board` puts the rest in place.

    `injected` counts what really happened, by kind; outages count calls that met one.
    """

    def __init__(self, forecast: Forecast, now: Callable[[], datetime]) -> None:
        self.injected: Counter[str] = Counter()
        self._forecast = forecast
        self._draw = Draw(forecast.seed)
        self._now = now

    # ── Calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def hook(self, call: CallInfo) -> Fault | None:
        """What happens to this call."""
        now, forecast = self._now(), self._forecast
        if now >= forecast.calm_from:
            return None
        words = ("call", call.function, call.service, call.operation, call.number)
        for outage in forecast.outages:
            if outage.hits(now, call.service, call.function):
                self.injected["outage"] += 1
                return Fault(EndpointConnectionError(endpoint_url=_ENDPOINT))
        if not self._draw.happens(forecast.call_faults * self._gusts(now), *words):
            return None
        kind = self._kind(words)
        if kind == "conflict" and not (call.service == "dynamodb" and call.operation in _WRITES):
            kind = "throttled"
        self.injected[kind] += 1
        return self._fault(kind, call)

    def _gusts(self, now: datetime) -> float:
        """Some hours are quiet, some are the worst."""
        return self._draw.uniform("gust", int(now.timestamp() // (6 * 3600)))

    def _kind(self, words: tuple[object, ...]) -> str:
        point = self._draw.between(0, sum(KINDS.values()), *words, "kind")
        for kind, share in KINDS.items():
            if point < share:
                return kind
            point -= share
        return "fails_before"

    def _fault(self, kind: str, call: CallInfo) -> Fault:
        match kind:
            case "throttled":
                return Fault(_client_error(call, _THROTTLED.get(call.service, "ThrottlingException"), 400))
            case "conflict":
                return Fault(_conflict(call))
            case "timeout_before" | "timeout_after":
                return Fault(ReadTimeoutError(endpoint_url=_ENDPOINT), after_effect=kind.endswith("after"))
            case "killed_before" | "killed_after":
                return Fault(ProcessKilledError(), after_effect=kind.endswith("after"))
            case "repeated":
                # The answer is lost, and the SDK asks again by itself; a client that must not gets the time-out.
                return Fault(ReadTimeoutError(endpoint_url=_ENDPOINT), after_effect=True, repeated=True)
            case _:
                error = _client_error(call, "InternalServerError", 500)
                return Fault(error, after_effect=kind.endswith("after"))

    # ── Processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def board(self, aws: EmbeddedAws, before_invocation: Callable[[str], None]) -> None:
        """Let listeners sleep in this AWS; `before_invocation` is told the logical id of each function that runs."""
        invoke = aws._functions.invoke

        def announced(logical_id: str, event: Mapping[str, Any]) -> Any:
            before_invocation(logical_id)
            return invoke(logical_id, event)

        aws._functions.invoke = announced  # type: ignore[method-assign]
        sleeping = {function for function, _ in self._forecast.deaf}
        aws._queues = [
            _Sleeper(queue, self) if queue.mapping.function in sleeping else queue  # type: ignore[misc]
            for queue in aws._queues
        ]
        for pollers in aws._streams.values():
            pollers[:] = [
                _Sleeper(poller, self) if poller.mapping.function in sleeping else poller  # type: ignore[misc]
                for poller in pollers
            ]

    def asleep_until(self, function: str) -> datetime | None:
        now = self._now()
        ends = [span.end for name, span in self._forecast.deaf if name == function and span.holds(now)]
        return max(ends, default=None)


class _Sleeper:
    """A queue's or stream's poller that does not poll for a while: nothing is lost, and nothing is heard."""

    def __init__(self, poller: Any, storm: Storm) -> None:
        self._poller = poller
        self._storm = storm
        self.mapping = poller.mapping

    def poll(self, *shard: int) -> bool:
        if self._storm.asleep_until(self.mapping.function) is None:
            return bool(self._poller.poll(*shard))
        if self._poller.next_due() is not None:
            self._storm.injected["deaf"] += 1
        return False

    def next_due(self) -> datetime | None:
        due: datetime | None = self._poller.next_due()
        until = self._storm.asleep_until(self.mapping.function)
        return due if due is None or until is None else max(due, until)

    def offer(self, change: Any) -> None:
        self._poller.offer(change)


def _client_error(call: CallInfo, code: str, status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "storm"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "storm"},
    }
    return ClientError(answer, call.operation)


def _conflict(call: CallInfo) -> ClientError:
    """Somebody else writes to the same items just now."""
    if call.operation != "TransactWriteItems":
        return _client_error(call, "TransactionConflictException", 400)
    reasons = [{"Code": "None"} for _ in call.parameters.get("TransactItems", ())]
    reasons[0] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    answer: Any = {
        "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "storm"},
        "CancellationReasons": reasons,
    }
    return ClientError(answer, call.operation)
