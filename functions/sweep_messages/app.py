"""Every minute: move on whatever stood too long, prove that we still hear, and that the core's facts are applied."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from dunlin.entry.bootstrap import runtime
from dunlin.entry.observability import door, logger, metrics


def failed(ref: str, error: Exception) -> None:
    logger.error("attention failed", extra={"ref": ref, "error": type(error).__name__})
    metrics.add_metric(name="AttentionFailed", unit=MetricUnit.Count, value=1)


def watch() -> None:
    feed = runtime().feed.watch(runtime().intake)
    metrics.add_metric(name="FeedGap", unit=MetricUnit.Count, value=int(feed.state.gap_since is not None))
    if feed.state.complete_to is not None:
        age = max((runtime().clock() - feed.state.complete_to).total_seconds(), 0)
        metrics.add_metric(name="FeedAge", unit=MetricUnit.Seconds, value=age)
    if feed.state.gap_since is not None:
        logger.warning("feed gap", extra={"gap_since": feed.state.gap_since.isoformat(), "dead": feed.backlog.dead})


@door
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    try:
        # First, so that the sweep sends nothing on figures that are known to have a gap.
        watch()
    finally:
        swept = runtime().sweep.run(failed)
    metrics.add_metric(name="MessagesAttended", unit=MetricUnit.Count, value=swept.attended)
    if swept.unheard_for is not None:
        metrics.add_metric(name="EarAge", unit=MetricUnit.Seconds, value=swept.unheard_for.total_seconds())
    logger.info("swept", extra={"attended": swept.attended, "failed": list(swept.failed)})
    return {"attended": swept.attended, "failed": len(swept.failed)}
