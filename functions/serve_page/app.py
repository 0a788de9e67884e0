"""The borrower's own page, behind a link and a question. A look at it changes nothing."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.observability import door, metrics
from dunlin.entry.page import serve


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    answer = serve(event)
    metrics.add_metric(name="PageRequests", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="PageRefusals", unit=MetricUnit.Count, value=int(answer["statusCode"] >= 400))
    return answer
