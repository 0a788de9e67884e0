"""A shard's wake: evaluate everyone on it whose moment has come."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.domain.shards import WAKE_SHARDS
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import logger, metrics, tracer
from dunlin.entry.records import json_object
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
    logger.info("shard evaluated", extra={"shard": shard, "evaluated": done.evaluated, "failed": list(done.failed)})


def failed(borrower_id: str, error: Exception) -> None:
    logger.error("evaluation failed", extra={"borrower_id": borrower_id, "error": type(error).__name__})
    metrics.add_metric(name="EvaluationFailed", unit=MetricUnit.Count, value=1)


@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(event, receive, processor, context)
