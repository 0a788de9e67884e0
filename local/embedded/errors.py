"""What can go wrong in the embedded AWS itself.

ProcessKilledError           not an Exception: a function's process ends
EmbeddedAwsError
├── TemplateError           the template asks for something that cannot be resolved or is not wired
├── FunctionError           a handler raised; `error_type` and `function` say which
├── BarrierTimeoutError     a state machine execution neither called, parked nor ended in real time
└── LivelockError           one drain ran more handlers than its bound
"""

from __future__ import annotations


class ProcessKilledError(BaseException):
    """A function's process ends here and now: out of time, out of memory, or its machine is gone.

    Raise it out of `before_call` by way of a `Fault`. No `except Exception` of the handler sees it, what its `finally`
    blocks still try has no effect, and the next invocation is a cold start.
    """


class EmbeddedAwsError(Exception):
    """Root of the errors of this package."""


class TemplateError(EmbeddedAwsError):
    """The template cannot be read, or names what is not wired here. Fail loudly: silence would be a dead trigger."""


class FunctionError(EmbeddedAwsError):
    """A handler raised. The message holds the type only: an exception's text may carry personal data."""

    def __init__(self, function: str, error_type: str) -> None:
        super().__init__(f"{function} failed with {error_type}")
        self.function = function
        self.error_type = error_type


class BarrierTimeoutError(EmbeddedAwsError):
    """An execution's thread did not come to rest in the real time allowed."""


class LivelockError(EmbeddedAwsError):
    """A drain did not become quiet: handlers keep causing each other without time passing."""
