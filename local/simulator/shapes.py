"""botocore's service models as the contract: what comes in, what goes out and what is refused have their shapes.

botocore itself checks types, required members and minima; the pattern, the maximum and the enumeration of a shape are
in the model as well, and the real service refuses what breaks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

__all__ = ["Problem", "check_output", "error_shape", "input_problems", "service"]

Problem = tuple[str, str]
"""The member that is wrong, and what is wrong with it."""


@cache
def service(name: str) -> ServiceModel:
    """The model of a service, as boto3 has it."""
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def input_problems(service_name: str, operation: str, parameters: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a request, first member first; nothing, if it has its shape."""
    shape = service(service_name).operation_model(operation).input_shape
    if shape is None:
        return []
    return list(_problems(shape, parameters))


def check_output(service_name: str, operation: str, answer: Mapping[str, Any]) -> None:
    """Assert that an answer of ours has its shape."""
    shape = service(service_name).operation_model(operation).output_shape
    _assert_shape(shape, answer)


def error_shape(service_name: str, operation: str, code: str, members: Mapping[str, Any]) -> int:
    """Assert that an error of ours is one of the operation's and has its shape; its HTTP status."""
    model = service(service_name)
    shape = next((each for each in model.operation_model(operation).error_shapes if each.name == code), None)
    if shape is None:
        raise AssertionError(f"{operation} has no error {code}")
    _assert_shape(shape, members)
    declared = shape.metadata.get("error", {}).get("httpStatusCode")
    return declared or (500 if shape.metadata.get("fault") else 400)


def _assert_shape(shape: Shape | None, value: Mapping[str, Any]) -> None:
    problems = list(_problems(shape, value)) if shape is not None else []
    if problems:
        raise AssertionError(f"not the model's shape: {problems[0][0]} {problems[0][1]}")


def _problems(shape: Shape, value: Mapping[str, Any]) -> Iterator[Problem]:
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        # botocore's words repeat the value; only the member's name is taken from them.
        yield from _typed(shape, value, "")
        yield "", "is not the model's shape"
        return
    yield from _constrained(shape, value, "")


def _typed(shape: Shape, value: object, path: str) -> Iterator[Problem]:
    """Which members of the top level botocore objects to."""
    if not isinstance(shape, StructureShape) or not isinstance(value, Mapping):
        return
    for name in shape.required_members:
        if name not in value:
            yield path + name, "is missing"
    for name, inner in value.items():
        member = shape.members.get(name)
        if member is None:
            yield path + str(name), "is not known"
        elif ParamValidator().validate(inner, member).has_errors():
            yield path + str(name), "is not of its type"


def _constrained(shape: Shape, value: object, path: str) -> Iterator[Problem]:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _constrained(shape.members[name], inner, f"{path}.{name}".lstrip("."))
        return
    limits = shape.metadata
    size = value if isinstance(value, (int, float)) else len(value) if isinstance(value, (str, list, Mapping)) else None
    if size is not None and not isinstance(value, bool):
        if "max" in limits and size > limits["max"]:
            yield path, "is too long"
        if "min" in limits and size < limits["min"]:
            yield path, "is too short"
    if isinstance(value, str):
        if limits.get("enum") and value not in limits["enum"]:
            yield path, "is not one of its values"
        if limits.get("pattern") and not re.fullmatch(limits["pattern"], value):
            yield path, "does not have its pattern"
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for inner in value:
            yield from _constrained(shape.member, inner, path)
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _constrained(shape.key, key, path)
            yield from _constrained(shape.value, inner, path)
    elif isinstance(value, datetime) and value.tzinfo is None:
        yield path, "has no zone"
