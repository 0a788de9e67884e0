"""Every minute, and in each of its seconds that has work: release messages at the pace of their line."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.records import each_record, first_received_at, json_object
from dunlin.errors import InvalidInput
from dunlin.services.pace import Paced

processor = BatchProcessor(event_type=EventType.SQS)


def failed(what: str, error: Exception) -> None:
    logger.error("pacing failed", extra={"ref": what, "error": type(error).__name__})
    metrics.add_metric(name="PacingFailed", unit=MetricUnit.Count, value=1)


def told(line: Paced) -> None:
    extra = {"line": line.line, "released": line.released, "waiting": line.waiting, "late": line.late}
    logger.info("line paced", extra=extra)


def second(record: SQSRecord) -> None:
    line = json_object(record.body, 1_000).get("line")
    if not isinstance(line, str):
        raise InvalidInput("line", "is not the id of a line")
    paced = runtime().pace.second(line, failed, at=first_received_at(record))
    if paced is not None:
        told(paced)
    metrics.add_metric(name="MessagesLate", unit=MetricUnit.Count, value=paced.late if paced is not None else 0)


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    if "Records" in event:
        return each_record(event, second, processor, context)
    paced = runtime().pace.lines(failed)
    for line in paced:
        if not line.stopped:
            told(line)
    metrics.add_metric(name="LinesStopped", unit=MetricUnit.Count, value=sum(line.stopped for line in paced))
    metrics.add_metric(name="MessagesLate", unit=MetricUnit.Count, value=sum(line.late for line in paced))
    return {"released": sum(line.released for line in paced)}
