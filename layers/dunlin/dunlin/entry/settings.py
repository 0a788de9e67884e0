"""A function's settings: read once at cold start, and wrong there or never."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dunlin.errors import ConfigurationError

_ENVIRONMENTS = ("dev", "staging", "prod")


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of a function. A function has only the variables it uses; asking for another one fails."""

    function: str
    region: str
    environment: str

    @classmethod
    def from_environment(cls) -> Settings:
        environment = required("DUNLIN_ENVIRONMENT")
        if environment not in _ENVIRONMENTS:
            raise ConfigurationError(f"DUNLIN_ENVIRONMENT: must be one of {', '.join(_ENVIRONMENTS)}")
        return cls(os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"), required("AWS_REGION"), environment)


def required(name: str) -> str:
    """The variable's value.

    Raises:
        ConfigurationError: it is not set. There is no default for what must be set.
    """
    value = os.environ.get(name, "")
    if not value:
        raise ConfigurationError(f"{name}: must be set")
    return value


def optional(name: str) -> str:
    """The variable's value, empty where this function has no such thing."""
    return os.environ.get(name, "")
