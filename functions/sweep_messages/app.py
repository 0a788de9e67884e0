"""Every minute: move on whatever stood too long, and prove that we still hear."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import logger, metrics, tracer


def failed(ref: str, error: Exception) -> None:
    logger.error("attention failed", extra={"ref": ref, "error": type(error).__name__})
    metrics.add_metric(name="AttentionFailed", unit=MetricUnit.Count, value=1)


@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    swept = runtime().sweep.run(failed)
    metrics.add_metric(name="MessagesAttended", unit=MetricUnit.Count, value=swept.attended)
    logger.info("swept", extra={"attended": swept.attended, "failed": list(swept.failed)})
    return {"attended": swept.attended, "failed": len(swept.failed)}
