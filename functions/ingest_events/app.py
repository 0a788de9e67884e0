"""Facts from the core, off the bus: applied once for ever, refused by field, retried when it is not their time yet."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.core_events import MOST_BYTES
from dunlin.entry.facts import apply_fact
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.records import each_record, json_object, refusing

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def receive(record: SQSRecord) -> None:
    """One event as EventBridge wrapped it: its `detail` is ours, or the body itself when it was sent bare."""

    def apply() -> None:
        body = json_object(record.body, MOST_BYTES)
        event, result = apply_fact(runtime().ingest, body.get("detail", body), nobody_waits=True)
        logger.info("core event", extra={"type": event.type, "event_id": event.event_id, "result": str(result)})

    metrics.add_metric(name="CoreEvents", unit=MetricUnit.Count, value=1)
    refusing("core", runtime().refused_input, record.body, apply)


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return each_record(event, receive, processor, context)
