"""Texts from people: an opt-out binds before anything else is done."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.adapters.reports import parse_texts, read_body
from dunlin.domain.intents import Intent
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.records import each_of, each_record, received_at, refusing
from dunlin.services.ports import InboundText
from dunlin.services.sweep import heard

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
FIXED = {
    Intent.OPT_OUT: "opt-out recorded",
    Intent.OPT_IN: "opt-in recorded",
}


def hear(text: InboundText) -> None:
    received = runtime().inbound.receive(text)
    extra = {
        "inbound_id": text.inbound_id,
        "meaning": received.intent,
        "topic": received.topic,
        "changed": received.changed,
        "recorded_at": received.recorded_at.isoformat(),
    }
    logger.info(FIXED.get(received.intent, "text received"), extra=extra)
    metrics.add_metric(name=f"Inbound_{received.intent}", unit=MetricUnit.Count, value=1)
    if received.intent is Intent.OPT_OUT:
        # A text that is delivered again counts again, from its first moment: never less than the person waited.
        latency = max((received.recorded_at - text.received_at).total_seconds() * 1000, 0)
        metrics.add_metric(name="OptOutLatency", unit=MetricUnit.Milliseconds, value=latency)


def receive(record: SQSRecord) -> None:
    def answer() -> None:
        body = read_body(record.body)
        if "probe" in body:
            return heard(runtime().controls, "inbound", str(body["probe"]), runtime().clock())
        # When it reached our queue: the same for every delivery of it, however late it is processed.
        return each_of(parse_texts(body, received_at(record)), hear)

    metrics.add_metric(name="Inbound", unit=MetricUnit.Count, value=1)
    refusing("inbound", runtime().refused_input, record.body, answer)


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return each_record(event, receive, processor, context)
