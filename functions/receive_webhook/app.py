"""A provider calls back: verified on the raw bytes, put on our own queue, and only then answered."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.adapters.webhooks import WebhookRequest, headers_of_event, query_of_event, raw_body_of_event, receive
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.errors import InvalidInput


def _answer(status: int, body: str, media_type: str = "application/json") -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": media_type}, "body": body}


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    metrics.add_metric(name="WebhookCalls", unit=MetricUnit.Count, value=1)
    path = event.get("pathParameters") or {}
    try:
        raw = raw_body_of_event(event)
    except InvalidInput as error:
        logger.warning("input refused", extra={"source": "webhook", "field": error.field, "problem": error.problem})
        metrics.add_metric(name="InputRefused", unit=MetricUnit.Count, value=1)
        return _answer(400, '{"code":1,"msg":"body"}')
    request = WebhookRequest(
        str(path.get("provider", "")),
        str(path.get("token", "")),
        str(path.get("kind", "")),
        headers_of_event(event),
        raw,
        str(event.get("httpMethod", "")),
        query_of_event(event),
    )
    answer = receive(request, runtime().webhook_secrets(request.provider), runtime().clock())
    for body in answer.accepted:
        runtime().outbox.put(answer.kind, dict(body))
    for refusal in answer.refusals:
        runtime().refused_input.keep(refusal)
        metrics.add_metric(name="InputRefused", unit=MetricUnit.Count, value=1)
    logger.info("webhook", extra={"status": answer.status, "accepted": len(answer.accepted), "problem": answer.problem})
    return _answer(answer.status, answer.body, answer.media_type)
