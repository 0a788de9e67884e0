"""The shapes events come in: SQS bodies, stream records, API requests. Bad input is refused here, by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools.metrics import MetricUnit

from dunlin.entry.observability import guarded, logger, metrics
from dunlin.errors import BatchFailed, InvalidInput
from dunlin.services.ports import Refusal, RefusedInput

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch import BasePartialBatchProcessor
    from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


T = TypeVar("T")

#: They are written to the log, so nothing but an id may pass for one.
_BORROWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}")
_KEY = re.compile(r"[\x21-\x22\x24-\x7e]{1,100}#[\x21-\x7e]{1,700}")


def json_object(raw: str, most_bytes: int) -> Mapping[str, object]:
    """A body as a JSON object.

    Raises:
        InvalidInput: too large, not JSON, or not an object.
    """
    if len(raw.encode("utf-8", "surrogatepass")) > most_bytes:
        raise InvalidInput("body", f"must be at most {most_bytes} bytes")
    try:
        document = json.loads(raw, parse_constant=_refused_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("body", "must be JSON") from None
    if not isinstance(document, dict):
        raise InvalidInput("body", "must be a JSON object")
    return document


def first_received_at(record: SQSRecord) -> datetime:
    """When a record was first handed out, by its queue's clock: one clock for whatever process it comes to."""
    return datetime.fromtimestamp(int(record.attributes.approximate_first_receive_timestamp) / 1000, UTC)


def _refused_constant(name: str) -> object:
    raise ValueError(name)


def refusing(source: str, refused: RefusedInput, raw: str, receive: Callable[[], None]) -> None:
    """Run `receive`; what can never be accepted is kept beside the wrong field's name, and the batch goes on.

    Anything else (a conflict, storage that does not answer, a borrower we do not know yet) is raised: the record is
    retried, and ends in the dead-letter queue if it never goes through.
    """
    try:
        receive()
    except InvalidInput as error:
        refused.keep(Refusal(source, error.field, error.problem, raw))
        logger.warning("input refused", extra={"source": source, "field": error.field, "problem": error.problem})
        metrics.add_metric(name="InputRefused", unit=MetricUnit.Count, value=1)


def each_of(said: Iterable[T], hear: Callable[[T], None]) -> None:
    """Hear everything that one record says. What is refused keeps nothing else of it from being heard.

    Raises:
        InvalidInput: the first that was refused, after the others.
    """
    refused: InvalidInput | None = None
    for each in said:
        try:
            hear(each)
        except InvalidInput as error:
            refused = refused or error
    if refused is not None:
        raise refused


def each_record(
    event: Mapping[str, Any], receive: Callable[..., None], processor: BasePartialBatchProcessor, context: Any
) -> Any:
    """Hand each record to `receive`; those that fail are named in the answer and tried again.

    Raises:
        BatchFailed: all of them failed and `processor` says that the batch fails then.
    """
    from aws_lambda_powertools.utilities.batch import process_partial_response
    from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError

    try:
        return process_partial_response(dict(event), guarded(receive), processor, context)
    except BatchProcessingError as error:
        # Its own message repeats every child's.
        told = sorted({f"{type(each).__name__}: {each}" for _, each, _ in error.child_exceptions})
        failure = BatchFailed("; ".join(told[:10]))
    raise failure


def received_at(record: SQSRecord) -> datetime:
    """When the record reached the queue: unlike now, the same for every delivery of it.

    Raises:
        InvalidInput: the record does not say.
    """
    try:
        return datetime.fromtimestamp(int(record.attributes.sent_timestamp or "") / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput("attributes.SentTimestamp", "must be milliseconds since 1970") from None


def message_keys(record: DynamoDBRecord) -> tuple[str, str]:
    """The (borrower, key) of a stream record of the messages table.

    Raises:
        InvalidInput: it is not such a record.
    """
    keys = record.dynamodb.keys if record.dynamodb is not None else None
    borrower_id, key = (keys or {}).get("borrower_id"), (keys or {}).get("key")
    if not isinstance(borrower_id, str) or not isinstance(key, str):
        raise InvalidInput("dynamodb.Keys", "must name a message")
    if not _BORROWER.fullmatch(borrower_id) or not _KEY.fullmatch(key):
        raise InvalidInput("dynamodb.Keys", "must be ids")
    return borrower_id, key
