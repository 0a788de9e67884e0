"""SQS to Lambda, in virtual time, on moto's own queues.

| what | moto 5.2 | AWS | here |
|---|---|---|---|
| FIFO deduplication | only against messages still in the queue | five minutes, deleted or not | five minutes |
| a visibility of zero | invisible until time moves | visible at once | visible at once |
| sequence numbers | random | rising | rising |
| sending | counts all messages of the queue, three times, to read one attribute | – | reads the attribute |
| polling by Lambda | asks Lambda on every send | a poller | `QueuePoller` |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moto.core.utils import unix_time_millis
from moto.sqs.models import Message, Queue, SQSBackend

from local.embedded.errors import FunctionError
from local.embedded.patching import Patches
from local.embedded.patterns import matches

_DEDUPLICATION_MS: Final = 300_000


@dataclass(frozen=True)
class QueueMapping:
    """One SQS event of one function."""

    function: str
    queue_name: str
    batch_size: int
    partial_failures: bool
    filters: tuple[dict[str, Any], ...]


def install(patches: Patches) -> None:
    """Replace moto's FIFO deduplication, visibility and hand-over to Lambda."""
    seen: dict[str, dict[str, tuple[float, Message]]] = {}
    sequence = [18_849_496_460_467_696_128]

    def add_message(self: Queue, message: Message) -> None:
        now = unix_time_millis()
        if self.fifo_queue and message.deduplication_id:
            recent = seen.setdefault(self.queue_arn, {})
            for key in [key for key, (sent, _) in recent.items() if now - sent >= _DEDUPLICATION_MS]:
                del recent[key]
            if message.deduplication_id in recent:
                # The sender is told of the message that is already there.
                first = recent[message.deduplication_id][1]
                message.id, message.sequence_number = first.id, first.sequence_number
                return
            recent[message.deduplication_id] = (now, message)
        if self.fifo_queue:
            sequence[0] += 256
            message.sequence_number = str(sequence[0])
        self._messages.append(message)

    def visible(self: Message) -> bool:
        return bool(unix_time_millis() >= self.visible_at)

    original_attributes = Queue.attributes
    original_send = SQSBackend.send_message
    sending = [False]

    def attributes(self: Queue) -> dict[str, Any]:
        if sending[0]:
            return {"ContentBasedDeduplication": str(self.content_based_deduplication).lower()}
        found: dict[str, Any] = original_attributes.fget(self)
        return found

    def send_message(self: SQSBackend, *args: Any, **kwargs: Any) -> Message:
        sending[0] = True
        try:
            return original_send(self, *args, **kwargs)
        finally:
            sending[0] = False

    patches.set(Queue, "attributes", property(attributes))
    patches.set(SQSBackend, "send_message", send_message)
    patches.set(Queue, "add_message", add_message)
    patches.set(Message, "visible", property(visible))


class QueuePoller:
    """Lambda's poller for one mapping: one batch at a time, deleted on success, left to its time-out on failure."""

    def __init__(
        self,
        mapping: QueueMapping,
        queue: Queue,
        *,
        region: str,
        invoke: Callable[[str, dict[str, Any]], Any],
        on_batch_failure: Callable[[str], None],
        on_dead_letter: Callable[[str], None],
    ) -> None:
        self.mapping = mapping
        self._queue = queue
        self._region = region
        self._invoke = invoke
        self._on_batch_failure = on_batch_failure
        self._on_dead_letter = on_dead_letter

    def poll(self) -> bool:
        """Run one batch that is due now. False when there is none.

        A failure of the handler is not raised: the batch becomes visible again later, as in AWS.
        """
        batch = self._receive()
        if not batch:
            return False
        event = {"Records": [self._record(message) for message in batch]}
        try:
            answer = self._invoke(self.mapping.function, event)
        except FunctionError:  # the handler's failure; one of ours stops the run
            self._on_batch_failure(self.mapping.function)
            return True
        failed = self._failed(answer, batch)
        if failed:
            self._on_batch_failure(self.mapping.function)
        for message in batch:
            if message.id not in failed:
                self._delete(message)
        return True

    def next_due(self) -> datetime | None:
        """When the earliest message can be delivered; now or earlier means at the next drain."""
        blocked = self._blocked_groups()
        moments = [
            max(message.visible_at, message.delayed_until)
            for message in self._queue._messages
            if message.group_id not in blocked or not message.visible
        ]
        if not moments:
            return None
        earliest = max(min(moments), 0.0)
        return datetime.fromtimestamp(earliest / 1000, tz=UTC)

    def _blocked_groups(self) -> set[str | None]:
        if not self._queue.fifo_queue:
            return set()
        return {message.group_id for message in self._queue._messages if not message.visible}

    def _receive(self) -> list[Message]:
        if not self._queue._messages:
            return []
        blocked = self._blocked_groups()
        batch: list[Message] = []
        for message in list(self._available()):
            if len(batch) == self.mapping.batch_size:
                break
            if self._queue.fifo_queue and message.group_id in blocked:
                continue
            if self._exhausted(message):
                self._queue._messages.remove(message)
                dead_letters = self._queue.dead_letter_queue
                assert dead_letters is not None
                message.visible_at = 0.0
                # Not add_message: a moved message keeps its deduplication id and must not be taken for a repeat.
                dead_letters._messages.append(message)
                self._on_dead_letter(self._queue.name)
                continue
            if not self._wanted(message):
                self._delete(message)
                continue
            message.mark_received(visibility_timeout=self._queue.visibility_timeout)
            self._queue.pending_messages.add(message)
            batch.append(message)
        return batch

    def _available(self) -> Iterator[Message]:
        return (message for message in self._queue._messages if message.visible and not message.delayed)

    def _exhausted(self, message: Message) -> bool:
        policy: dict[str, Any] | None = getattr(self._queue, "redrive_policy", None)
        return bool(
            policy
            and self._queue.dead_letter_queue is not None
            and message.approximate_receive_count >= policy["maxReceiveCount"]
        )

    def _wanted(self, message: Message) -> bool:
        if not self.mapping.filters:
            return True
        try:
            body: Any = json.loads(message.body)
        except ValueError:
            body = message.body
        return any(matches(pattern, {"body": body}) for pattern in self.mapping.filters)

    def _delete(self, message: Message) -> None:
        self._queue._messages.remove(message)
        self._queue.pending_messages.discard(message)
        self._queue.deleted_messages.update(filter(None, message.all_receipt_handles))

    def _failed(self, answer: Any, batch: list[Message]) -> set[str]:
        everything = {message.id for message in batch}
        if not self.mapping.partial_failures or not isinstance(answer, dict):
            return set()
        failures = answer.get("batchItemFailures")
        if not failures:
            return set()
        named = {failure.get("itemIdentifier") for failure in failures}
        # As AWS does: an identifier that is not in the batch makes all of it a failure.
        return named if named <= everything else everything

    def _record(self, message: Message) -> dict[str, Any]:
        attributes = {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        }
        if self._queue.fifo_queue:
            attributes["SequenceNumber"] = str(message.sequence_number)
            attributes["MessageGroupId"] = str(message.group_id)
            attributes["MessageDeduplicationId"] = str(message.deduplication_id)
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": attributes,
            "messageAttributes": {
                name: _message_attribute(value) for name, value in sorted(message.message_attributes.items())
            },
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue.queue_arn,
            "awsRegion": self._region,
        }


def _message_attribute(value: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value.get("DataType")}
    if value.get("StringValue") is not None:
        shown["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        binary = value["BinaryValue"]
        shown["binaryValue"] = binary.decode() if isinstance(binary, bytes) else binary
    return shown
