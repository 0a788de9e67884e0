"""A message is RENDERED: reserve it in one transaction, then hand it over once. Or its line let it go again."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.records import each_record, message_keys

processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


def receive(record: DynamoDBRecord) -> None:
    metrics.add_metric(name="SendRecords", unit=MetricUnit.Count, value=1)
    borrower_id, key = message_keys(record)
    send = runtime().send
    again = record.dynamodb is not None and "again_at" in (record.dynamodb.new_image or {})
    state = send.retry(borrower_id, key) if again else send.send(borrower_id, key)
    logger.info("send", extra={"borrower_id": borrower_id, "key": key, "state": state})


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return each_record(event, receive, processor, context)
