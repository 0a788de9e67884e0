"""Opt-outs of numbers go to the provider's own list, and every quarter of an hour that list is read."""

from __future__ import annotations

import re
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.records import each_record, json_object
from dunlin.errors import InvalidInput

processor = BatchProcessor(event_type=EventType.SQS)

#: A contact point's key, as `HmacPointKeys` makes it. Anything else is not repeated, not even in a log.
POINT = re.compile(r"[0-9a-f]{64}")


def follow(record: SQSRecord) -> None:
    metrics.add_metric(name="OptOutsFollowed", unit=MetricUnit.Count, value=1)
    point = json_object(record.body, 1_000).get("point")
    if not isinstance(point, str) or not POINT.fullmatch(point):
        raise InvalidInput("point", "is not the key of a contact point")
    followed = runtime().opt_out_list.follow(point)
    logger.info("opt-out followed", extra={"point": point, "did": followed})


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    if "Records" in event:
        return each_record(event, follow, processor, context)
    read = runtime().opt_out_list.read()
    extra = {"numbers": read.numbers, "opted_out": read.opted_out, "opted_in": read.opted_in, "kept": read.kept}
    logger.info("opt-out list read", extra=extra)
    metrics.add_metric(name="OptOutsKept", unit=MetricUnit.Count, value=read.kept)
    return extra
