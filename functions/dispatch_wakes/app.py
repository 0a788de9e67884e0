"""Every minute: wake the shards on which somebody is due."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, metrics


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    woken = runtime().dispatch.dispatch()
    metrics.add_metric(name="ShardsWoken", unit=MetricUnit.Count, value=woken)
    return {"woken": woken}
