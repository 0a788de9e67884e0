"""A function's settings: read once at cold start, and wrong there or never."""

from __future__ import annotations

import os
from dataclasses import dataclass

from dunlin.domain.environments import EMBEDDED, ENVIRONMENTS, REAL
from dunlin.domain.words import SendingMode
from dunlin.errors import ConfigurationError

#: Set by Lambda itself, and by nothing that only looks like it.
_IN_LAMBDA = "AWS_LAMBDA_RUNTIME_API"


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment of a function. A function has only the variables it uses; asking for another one fails."""

    function: str
    region: str
    environment: str
    sending_mode: SendingMode | None

    @classmethod
    def from_environment(cls) -> Settings:
        environment = required("DUNLIN_ENVIRONMENT")
        # Content that is released for the embedded environment only must not send from a deployed function.
        allowed = REAL if _IN_LAMBDA in os.environ else ENVIRONMENTS
        if environment not in allowed:
            only = f"; {EMBEDDED} is for one process on a laptop" if environment == EMBEDDED else ""
            raise ConfigurationError(f"DUNLIN_ENVIRONMENT: must be one of {', '.join(allowed)}{only}")
        function, region = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "local"), required("AWS_REGION")
        return cls(function, region, environment, _sending_mode(os.environ.get("SENDING_MODE")))


def required(name: str) -> str:
    """The variable's value.

    Raises:
        ConfigurationError: it is not set. There is no default for what must be set.
    """
    value = os.environ.get(name, "")
    if not value:
        raise ConfigurationError(f"{name}: must be set")
    return value


def _sending_mode(value: str | None) -> SendingMode | None:
    """None for a function that sends nothing; what it is set to must be a mode, however it came to be wrong."""
    if value is None:
        return None
    try:
        return SendingMode(value)
    except ValueError:
        raise ConfigurationError(f"SENDING_MODE: must be one of {', '.join(SendingMode)}") from None


def optional(name: str) -> str:
    """The variable's value, empty where this function has no such thing."""
    return os.environ.get(name, "")
