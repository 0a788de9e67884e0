"""Leave the execution's doorbell with the case, if it is still the one that was assessed; else ring it at once."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.cases import case_of, token_of, version_of
from dunlin.entry.observability import door, logger, metrics


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    metrics.add_metric(name="CasesParked", unit=MetricUnit.Count, value=1)
    case = case_of(event)
    parked = runtime().escalate.park(*case, version_of(event), token_of(event))
    logger.info("case parked", extra={"borrower_id": case[0], "episode": case[1], "parked": parked})
    return {"parked": parked}
