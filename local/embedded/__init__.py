"""An AWS in one process, wired by the SAM template, on a virtual clock. Start at `EmbeddedAws`."""

from local.embedded.api import ApiResponse
from local.embedded.aws import CallInfo, Counters, Email, EmbeddedAws, Fault, Invocation, SnsText
from local.embedded.clock import VirtualClock
from local.embedded.errors import (
    BarrierTimeoutError,
    EmbeddedAwsError,
    FunctionError,
    LivelockError,
    ProcessKilledError,
    TemplateError,
)
from local.embedded.journal import Journal

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
    "Journal",
    "LivelockError",
    "ProcessKilledError",
    "SnsText",
    "TemplateError",
    "VirtualClock",
]
