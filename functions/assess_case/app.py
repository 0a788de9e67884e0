"""One round of an escalation: is the case over, is a tier due, when to look again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.cases import case_of
from dunlin.entry.observability import door, logger, metrics


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    metrics.add_metric(name="CasesAssessed", unit=MetricUnit.Count, value=1)
    case = case_of(event)
    assessed = runtime().escalate.assess(*case)
    logger.info("case assessed", extra={"borrower_id": case[0], "episode": case[1], **asdict(assessed)})
    return asdict(assessed)
