"""DynamoDB streams to Lambda: batches, retries in virtual time, bisection, the on-failure destination."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from local.embedded.dynamodb import SHARDS, Change
from local.embedded.errors import FunctionError
from local.embedded.patterns import matches

#: Lambda's own back-off is not documented; a second, doubled up to a minute, keeps retries apart in virtual time.
_FIRST_BACKOFF: Final = timedelta(seconds=1)
_LONGEST_BACKOFF: Final = timedelta(seconds=60)
#: "Until the record expires": streams keep a day.
_UNLIMITED: Final = 10_000
_STREAM_RETENTION: Final = timedelta(hours=24)


@dataclass(frozen=True)
class StreamMapping:
    """One DynamoDB event of one function. `maximum_retries` of -1 means until the record is a day old."""

    function: str
    table_name: str
    stream_arn: str
    batch_size: int
    partial_failures: bool
    bisect: bool
    maximum_retries: int
    maximum_age: timedelta | None
    filters: tuple[dict[str, Any], ...]
    on_failure_arn: str | None

    @property
    def retries(self) -> int:
        return _UNLIMITED if self.maximum_retries < 0 else self.maximum_retries


@dataclass(frozen=True)
class _Batch:
    changes: tuple[Change, ...]
    attempts: int
    not_before: datetime


class StreamPoller:
    """Lambda's pollers for one mapping, one for each shard. Within a shard order holds; shards do not wait."""

    def __init__(
        self,
        mapping: StreamMapping,
        *,
        now: Callable[[], datetime],
        invoke: Callable[[str, dict[str, Any]], Any],
        on_batch_failure: Callable[[str], None],
        on_give_up: Callable[[StreamMapping, dict[str, Any]], None],
    ) -> None:
        self.mapping = mapping
        self._now = now
        self._invoke = invoke
        self._on_batch_failure = on_batch_failure
        self._on_give_up = on_give_up
        self._fresh: list[deque[Change]] = [deque() for _ in range(SHARDS)]
        self._retrying: list[deque[_Batch]] = [deque() for _ in range(SHARDS)]

    def offer(self, change: Change) -> None:
        """Take a record that the mapping's filter lets through."""
        patterns = self.mapping.filters
        if not patterns or any(matches(pattern, change.record) for pattern in patterns):
            self._fresh[change.shard].append(change)

    def poll(self, shard: int) -> bool:
        """Run one batch of this shard that is due now. False when there is none, or it has to wait."""
        batch = self._next(shard)
        if batch is None:
            return False
        records = [{**change.record, "eventSourceARN": self.mapping.stream_arn} for change in batch.changes]
        try:
            answer = self._invoke(self.mapping.function, {"Records": records})
        except FunctionError:  # the handler's failure; one of ours stops the run
            self._failed(shard, batch)
            return True
        if self.mapping.partial_failures:
            position = _checkpoint(answer, batch)
            if position is not None:
                self._partially_failed(shard, batch, position)
        return True

    def next_due(self) -> datetime | None:
        moments = [
            self._retrying[shard][0].not_before if self._retrying[shard] else self._now()
            for shard in range(SHARDS)
            if self._retrying[shard] or self._fresh[shard]
        ]
        return min(moments, default=None)

    def _next(self, shard: int) -> _Batch | None:
        if self._retrying[shard]:
            if self._retrying[shard][0].not_before > self._now():
                return None
            return self._retrying[shard].popleft()
        fresh = self._fresh[shard]
        if not fresh:
            return None
        taken = tuple(fresh.popleft() for _ in range(min(self.mapping.batch_size, len(fresh))))
        return _Batch(taken, attempts=0, not_before=self._now())

    def _partially_failed(self, shard: int, batch: _Batch, position: int) -> None:
        if position == 0:
            self._failed(shard, batch)
            return
        # Everything before the checkpoint is done, and what is left starts where it failed.
        rest = replace(batch, changes=batch.changes[position:])
        if self.mapping.bisect:
            # AWS bisects at the checkpoint, and a split does not count as a retry.
            self._on_batch_failure(self.mapping.function)
            self._retrying[shard].appendleft(replace(rest, not_before=self._now() + _FIRST_BACKOFF))
            return
        self._failed(shard, rest)

    def _failed(self, shard: int, batch: _Batch) -> None:
        self._on_batch_failure(self.mapping.function)
        if self.mapping.bisect and len(batch.changes) > 1:
            # Splitting does not count as a retry, so that the poison is alone by the time its retries run out.
            middle = len(batch.changes) // 2
            halves = (batch.changes[:middle], batch.changes[middle:])
            self._retrying[shard].extendleft(
                replace(batch, changes=half, not_before=self._now()) for half in reversed(halves)
            )
            return
        attempts = batch.attempts + 1
        if attempts > self.mapping.retries or self._too_old(batch):
            self._give_up(shard, batch, attempts)
            return
        wait = min(_FIRST_BACKOFF * 2 ** min(attempts - 1, 10), _LONGEST_BACKOFF)
        self._retrying[shard].appendleft(replace(batch, attempts=attempts, not_before=self._now() + wait))

    def _too_old(self, batch: _Batch) -> bool:
        limit = min(self.mapping.maximum_age or _STREAM_RETENTION, _STREAM_RETENTION)
        created = batch.changes[0].record["dynamodb"]["ApproximateCreationDateTime"]
        return self._now().timestamp() - float(created) > limit.total_seconds()

    def _give_up(self, shard: int, batch: _Batch, attempts: int) -> None:
        first, last = batch.changes[0], batch.changes[-1]
        self._on_give_up(
            self.mapping,
            {
                "requestContext": {
                    "requestId": first.record["eventID"],
                    "functionArn": self.mapping.function,
                    "condition": "RetryAttemptsExhausted",
                    "approximateInvokeCount": attempts,
                },
                "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
                "version": "1.0",
                "timestamp": self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "DDBStreamBatchInfo": {
                    "shardId": f"shardId-{shard:020d}-embedded",
                    "startSequenceNumber": first.sequence,
                    "endSequenceNumber": last.sequence,
                    "approximateArrivalOfFirstRecord": _arrival(first),
                    "approximateArrivalOfLastRecord": _arrival(last),
                    "batchSize": len(batch.changes),
                    "streamArn": self.mapping.stream_arn,
                },
            },
        )


def _arrival(change: Change) -> str:
    created = datetime.fromtimestamp(float(change.record["dynamodb"]["ApproximateCreationDateTime"]), tz=UTC)
    return created.isoformat(timespec="seconds").replace("+00:00", "Z")


def _checkpoint(answer: Any, batch: _Batch) -> int | None:
    """Where the batch failed: the lowest of the sequence numbers returned; None when it did not.

    As in AWS, an answer that names no record of the batch is a complete failure.
    """
    failures = answer.get("batchItemFailures") if isinstance(answer, dict) else None
    if not failures:
        return None
    named = {failure.get("itemIdentifier") for failure in failures}
    positions = [index for index, change in enumerate(batch.changes) if change.sequence in named]
    return positions[0] if len(positions) == len(named) else 0
