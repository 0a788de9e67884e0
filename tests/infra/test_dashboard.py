"""The dashboard: every line of it is drawn from something that is emitted."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra.stack import stack
from tests.infra.test_alarms import EMITTED

RESOURCE = re.compile(r"\$\{(\w+)(?:\.\w+)?\}")
(DASHBOARD,) = stack().of("AWS::CloudWatch::Dashboard")
BODY: str = stack().properties(DASHBOARD)["DashboardBody"]["Fn::Sub"]
WIDGETS: list[dict[str, Any]] = json.loads(BODY)["widgets"]
#: Of which kind a resource has to be for AWS to send a metric under its name.
KINDS = {
    "AWS/SQS": ("QueueName", "AWS::SQS::Queue"),
    "AWS/Lambda": ("FunctionName", "AWS::Serverless::Function"),
    "AWS/DynamoDB": ("TableName", "AWS::DynamoDB::Table"),
    "AWS/States": ("StateMachineArn", "AWS::Serverless::StateMachine"),
}
METRICS = [tuple(metric) for widget in WIDGETS for metric in widget["properties"]["metrics"]]


@pytest.mark.parametrize("metric", METRICS, ids=" ".join)
def test_a_line_is_of_something_that_is_emitted(metric: tuple[str, str, str, str]) -> None:
    namespace, name, dimension, value = metric
    if namespace == "Dunlin":
        assert name in EMITTED
        assert (dimension, value) == ("service", "dunlin")
        return
    wanted, kind = KINDS[namespace]
    (resource,) = RESOURCE.findall(value)
    assert dimension == wanted
    assert stack().resources[resource]["Type"] == kind


def test_every_function_and_every_queue_is_on_it() -> None:
    drawn = {resource for metric in METRICS for resource in RESOURCE.findall(metric[3])}
    assert drawn >= {function.logical_id for function in stack().functions}
    assert drawn >= set(stack().of("AWS::SQS::Queue"))


def test_widgets_do_not_lie_on_each_other() -> None:
    places = [(widget["x"], widget["y"], widget["width"], widget["height"]) for widget in WIDGETS]
    cells = [(x + i, y + j) for x, y, width, height in places for i in range(width) for j in range(height)]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
