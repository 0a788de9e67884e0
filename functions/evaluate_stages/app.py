"""A shard's wake: evaluate everyone on it whose moment has come."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.domain.shards import WAKE_SHARDS
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.records import each_record, json_object
from dunlin.errors import InvalidInput

processor = SqsFifoPartialProcessor()
#: As many as fit well into the function's time; the next minute's wake takes the rest.
LIMIT = 500


def receive(record: SQSRecord) -> None:
    metrics.add_metric(name="ShardWakes", unit=MetricUnit.Count, value=1)
    shard = json_object(record.body, 1_000).get("shard")
    if shard not in WAKE_SHARDS:
        raise InvalidInput("shard", "is not one of the wake shards")
    done = runtime().evaluate.shard(str(shard), LIMIT, failed)
    if done.called:
        metrics.add_metric(name="PersonNeeded", unit=MetricUnit.Count, value=done.called)
    logger.info("shard evaluated", extra={"shard": shard, "evaluated": done.evaluated, "failed": list(done.failed)})


def failed(borrower_id: str, error: Exception) -> None:
    logger.error("evaluation failed", extra={"borrower_id": borrower_id, "error": type(error).__name__})
    metrics.add_metric(name="EvaluationFailed", unit=MetricUnit.Count, value=1)


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return each_record(event, receive, processor, context)
