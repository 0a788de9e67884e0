"""Alarms: each has its row in the runbook, and watches what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.stack import ROOT, names, stack

ALARMS = stack().of("AWS::CloudWatch::Alarm")
SOURCES = (ROOT / "functions", ROOT / "layers" / "dunlin" / "dunlin")


def emitted_by(path: Path) -> Iterator[str]:
    """The metrics that a module names: as a constant, or as a value of a dictionary it keeps."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kept = {
        target.id: [value.value for value in node.value.values if isinstance(value, ast.Constant)]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_metric"):
            continue
        (name,) = (keyword.value for keyword in node.keywords if keyword.arg == "name")
        match name:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Subscript(value=ast.Name(id=table)):
                yield from map(str, kept[table])


EMITTED = {name for folder in SOURCES for path in folder.rglob("*.py") for name in emitted_by(path)}


def watched(alarm: str) -> Iterator[dict[str, Any]]:
    properties = stack().properties(alarm)
    if "MetricName" in properties:
        yield properties
    for metric in properties.get("Metrics", []):
        if "MetricStat" in metric:
            yield metric["MetricStat"]["Metric"]


def documented() -> set[str]:
    """The alarms of the runbook's table, `…ErrorsAlarm` and `…ThrottlesAlarm` written out."""
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    section = page.split("\n## Alarms\n", 1)[1].split("\n## ", 1)[0]
    found: set[str] = set()
    for line in section.splitlines():
        if not line.startswith("| `"):
            continue
        first = line.split("|")[1]
        for name in re.findall(r"`([^`]+)`", first):
            if not name.startswith("…"):
                found.add(name)
                continue
            listed = re.findall(r"\b[a-z]+_[a-z_]+\b", first) or [function.name for function in stack().functions]
            found |= {"".join(part.title() for part in each.split("_")) + name[1:] for each in listed}
    return found


def test_every_alarm_has_a_row_in_the_runbook_and_every_row_an_alarm() -> None:
    assert documented() == set(ALARMS)


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_watches_what_is_emitted_or_a_resource_of_the_stack(alarm: str) -> None:
    metrics = list(watched(alarm))
    assert metrics
    for metric in metrics:
        dimensions = metric.get("Dimensions", [])
        if metric["Namespace"] == "Dunlin":
            assert metric["MetricName"] in EMITTED
            assert dimensions == [{"Name": "service", "Value": "dunlin"}], "what Powertools sends has this and no other"
        elif metric["MetricName"] in {"SMSMonthToDateSpentUSD", "TextMessageMonthlySpend"}:
            assert not dimensions, "they are the account's"
        else:
            assert names(dimensions) <= set(stack().resources)
            assert names(dimensions)


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarm_tells_somebody(alarm: str) -> None:
    properties = stack().properties(alarm)
    assert names(properties["AlarmActions"]) == names(properties["OKActions"]) == {"AlarmTopic"}
    silent = alarm == "SweepSilentAlarm"
    assert properties["TreatMissingData"] == ("breaching" if silent else "notBreaching")
