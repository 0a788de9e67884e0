"""The button of a mail program, or the page behind the link: a POST opts out, a look at the page does not."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.domain.words import Channel
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics
from dunlin.entry.pages import asking_page, done_page


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    clicked = event.get("httpMethod") == "POST"
    metrics.add_metric(name="Unsubscribes", unit=MetricUnit.Count, value=int(clicked))
    if not clicked:
        return asking_page()
    path = event.get("pathParameters") or {}
    meant = runtime().unsubscribe_links.read(str(path.get("token", "")))
    changed = False
    if meant is not None:
        point, purpose = meant
        changed = runtime().opt_outs.by_link(point, Channel.EMAIL, purpose, runtime().clock())
    logger.info("unsubscribe", extra={"known": meant is not None, "changed": changed})
    return done_page()
