"""Every minute: release messages at the pace of their line."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics


def failed(what: str, error: Exception) -> None:
    logger.error("pacing failed", extra={"ref": what, "error": type(error).__name__})
    metrics.add_metric(name="PacingFailed", unit=MetricUnit.Count, value=1)


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    paced = runtime().pace.lines(failed)
    for line in paced:
        extra = {"line": line.line, "released": line.released, "waiting": line.waiting, "late": line.late}
        logger.info("line paced", extra=extra)
    metrics.add_metric(name="MessagesLate", unit=MetricUnit.Count, value=sum(line.late for line in paced))
    return {"released": sum(line.released for line in paced)}
