"""An AWS in one process, wired by the SAM template, on a virtual clock. Start at `EmbeddedAws`."""

from local.embedded.api import ApiResponse
from local.embedded.aws import CallInfo, Counters, Email, EmbeddedAws, Fault, Invocation, SnsText
from local.embedded.clock import VirtualClock
from local.embedded.errors import (
    BarrierTimeoutError,
    EmbeddedAwsError,
    FunctionError,
    LivelockError,
    TemplateError,
)

__all__ = [
    "ApiResponse",
    "BarrierTimeoutError",
    "CallInfo",
    "Counters",
    "Email",
    "EmbeddedAws",
    "EmbeddedAwsError",
    "Fault",
    "FunctionError",
    "Invocation",
    "LivelockError",
    "SnsText",
    "TemplateError",
    "VirtualClock",
]
