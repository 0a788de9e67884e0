"""`template.yaml` as data, with SAM's globals already merged: what the conventions are checked against."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
ARCHITECTURE = ROOT / "docs" / "architecture.md"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their long ones."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(suffix)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def load(path: Path) -> dict[str, Any]:
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    assert isinstance(document, dict)
    return document


@dataclass(frozen=True)
class Statement:
    """One statement of a role's policy, with the condition under which it exists taken away."""

    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[Any, ...]


@dataclass(frozen=True)
class Function:
    logical_id: str
    properties: Mapping[str, Any]
    statements: tuple[Statement, ...]

    @property
    def name(self) -> str:
        """`ingest_events` for IngestEventsFunction."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.logical_id.removesuffix("Function")).lower()

    @property
    def environment(self) -> Mapping[str, Any]:
        variables: Mapping[str, Any] = self.properties["Environment"]["Variables"]
        return variables

    @property
    def events(self) -> Mapping[str, Any]:
        events: Mapping[str, Any] = self.properties.get("Events", {})
        return events

    def may(self, action: str, target: str) -> bool:
        """Whether a statement allows the action on what the logical id names."""
        return any(
            statement.effect == "Allow"
            and action in statement.actions
            and any(target in names(resource) for resource in statement.resources)
            for statement in self.statements
        )


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def names(value: Any) -> set[str]:
    """Every logical id that a value refers to."""
    if isinstance(value, list):
        return set().union(*(names(item) for item in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for key, inner in value.items():
        if key == "Ref":
            found.add(inner)
        elif key == "Fn::GetAtt":
            found.add(inner[0])
        elif key == "Fn::Sub":
            text = inner[0] if isinstance(inner, list) else inner
            found.update(match.split(".")[0] for match in re.findall(r"\$\{([^!}]+)\}", text))
        else:
            found |= names(inner)
    return found


def statements(document: Mapping[str, Any]) -> Iterator[Statement]:
    for raw in document["Statement"]:
        statement = raw["Fn::If"][1] if "Fn::If" in raw else raw
        yield Statement(
            sid=statement.get("Sid", ""),
            effect=statement["Effect"],
            actions=tuple(as_list(statement["Action"])),
            resources=tuple(as_list(statement.get("Resource", []))),
        )


class Stack:
    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.resources: dict[str, dict[str, Any]] = document["Resources"]
        self.parameters: dict[str, dict[str, Any]] = document["Parameters"]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: resource for name, resource in self.resources.items() if resource["Type"] == kind}

    def properties(self, logical_id: str) -> dict[str, Any]:
        properties: dict[str, Any] = self.resources[logical_id]["Properties"]
        return properties

    def role_statements(self, logical_id: str) -> tuple[Statement, ...]:
        """A role's inline policies and the stack's own managed ones."""
        role = self.properties(logical_id)
        documents = [policy["PolicyDocument"] for policy in role["Policies"]]
        for managed in role.get("ManagedPolicyArns", []):
            documents.append(self.properties(managed["Ref"])["PolicyDocument"])
        return tuple(statement for document in documents for statement in statements(document))

    @property
    def functions(self) -> tuple[Function, ...]:
        shared = self.document["Globals"]["Function"]
        found = []
        for logical_id, resource in self.of("AWS::Serverless::Function").items():
            own = resource["Properties"]
            merged = {**shared, **own}
            merged["Layers"] = [*shared.get("Layers", []), *own.get("Layers", [])]
            merged["LoggingConfig"] = {**shared["LoggingConfig"], **own.get("LoggingConfig", {})}
            merged["Environment"] = {
                "Variables": {
                    **shared["Environment"]["Variables"],
                    **own.get("Environment", {}).get("Variables", {}),
                }
            }
            role = own["Role"]["Fn::GetAtt"][0]
            found.append(Function(logical_id, merged, self.role_statements(role)))
        return tuple(found)


@cache
def stack() -> Stack:
    return Stack(load(TEMPLATE))


def table_rows(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of the architecture page, without its head."""
    page = ARCHITECTURE.read_text(encoding="utf-8")
    section = page.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return rows[2:]
