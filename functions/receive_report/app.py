"""Delivery reports, off the queue behind the providers' topic and webhooks."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.adapters.reports import parse_reports, read_body
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.records import each_of, each_record, refusing
from dunlin.services.ports import DeliveryReport
from dunlin.services.sweep import heard

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def hear(report: DeliveryReport) -> None:
    settled = runtime().reports.receive(report)
    logger.info("report", extra={"ref": report.ref, "state": report.state, "settled": settled})


def receive(record: SQSRecord) -> None:
    def settle() -> None:
        body = read_body(record.body)
        if "probe" in body:
            return heard(runtime().controls, "reports", str(body["probe"]), runtime().clock())
        return each_of(parse_reports(body, runtime().clock()), hear)

    metrics.add_metric(name="Reports", unit=MetricUnit.Count, value=1)
    refusing("reports", runtime().refused_input, record.body, settle)


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return each_record(event, receive, processor, context)
