"""Every call of a service to the world goes through one gate: counted, and broken on demand.

A port's methods are found by name, so a method that is added to a protocol tomorrow is counted, and broken, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dunlin.domain.words import Reason
from dunlin.errors import StateConflict, TransientError, VersionConflict
from dunlin.services.ports import NotAccepted, Unsettled

#: Calls that change nothing: for them it is all one whether they fail before or after.
READS = frozenset(
    {
        "awake",
        "backlog",
        "borrower",
        "borrowers_of",
        "conversation",
        "feed",
        "felt",
        "hearing",
        "is_running",
        "line",
        "message",
        "pauses",
        "queued",
        "released",
        "standing",
        "suppression",
        "survey",
    }
)
SENDER = "sender"


class Killed(BaseException):
    """The process is gone: nothing it still meant to do happens, not even what it would do on the way out."""


class Fault(StrEnum):
    """What can happen to one call."""

    FAILS_BEFORE = "fails before"
    FAILS_AFTER = "takes effect and then fails"
    CONFLICTS = "conflicts"
    CONFLICTS_AFTER = "takes effect and then conflicts"  # a client that retries a write whose answer was lost
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "takes effect and is killed"


@dataclass(frozen=True, slots=True)
class Call:
    """One call that was really made: by which function, on which port, from which line, the how-manieth of all."""

    number: int
    function: str
    port: str
    method: str
    site: str

    @property
    def name(self) -> str:
        return f"{self.function}: {self.port}.{self.method} at {self.site}"

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults that make a difference to this call."""
        if self.method in READS:
            return (Fault.FAILS_BEFORE, Fault.KILLED_BEFORE)
        common = (Fault.FAILS_BEFORE, Fault.FAILS_AFTER, Fault.KILLED_BEFORE, Fault.KILLED_AFTER)
        conditional = self.method == "commit" or self.method.startswith("put_")
        return (*common, Fault.CONFLICTS, Fault.CONFLICTS_AFTER) if conditional else common


Effect = Callable[[str, str, str, tuple[Any, ...]], None]


@dataclass
class Gate:
    """Counts calls, breaks the ones it was told to, and tells `effect` of every one that took effect.

    `down` names ports that cannot be reached at all. `race(function, port, method)` may return something to do just
    before that call: where another process comes first.
    """

    effect: Effect
    calls: list[Call] = field(default_factory=list)
    faults: dict[int, Fault] = field(default_factory=dict)
    struck: list[tuple[Call, Fault]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    races: list[tuple[str, str, str, Callable[[], None]]] = field(default_factory=list)
    keep_calls: bool = True
    made: int = 0
    _functions: list[str] = field(default_factory=list)
    _dead: list[bool] = field(default_factory=list)

    @property
    def function(self) -> str:
        return self._functions[-1] if self._functions else ""

    @contextmanager
    def within(self, function: str) -> Iterator[None]:
        """Calls made inside are `function`'s. A race can start another invocation inside one."""
        self._functions.append(function)
        self._dead.append(False)
        try:
            yield
        finally:
            self._functions.pop()
            self._dead.pop()

    def call(
        self, port: str, method: str, do: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not self._functions:
            return do(*args, **kwargs)  # the world itself looks
        if self._dead[-1]:
            raise Killed
        self._race(port, method)
        number = self.made
        self.made += 1
        fault = self.faults.get(number)
        if self.keep_calls or fault is not None:
            call = Call(number, self.function, port, method, _site())
            if self.keep_calls:
                self.calls.append(call)
            if fault is not None:
                self.struck.append((call, fault))
        if port in self.down:
            fault = Fault.FAILS_BEFORE
        match fault:
            case Fault.KILLED_BEFORE:
                self._dead[-1] = True
                raise Killed
            case Fault.CONFLICTS:
                raise _conflict(method)
            case Fault.FAILS_BEFORE if port == SENDER:
                return NotAccepted(Reason.NOT_CONNECTED)
            case Fault.FAILS_BEFORE:
                raise TransientError(f"{port}.{method} cannot be reached")
            case _:
                result = do(*args, **kwargs)
        if method not in READS:
            self.effect(self.function, port, method, args)
        match fault:
            case Fault.KILLED_AFTER:
                self._dead[-1] = True
                raise Killed
            case Fault.CONFLICTS_AFTER:
                raise _conflict(method)
            case Fault.FAILS_AFTER if port == SENDER:
                return Unsettled(Reason.TIMED_OUT)
            case Fault.FAILS_AFTER:
                raise TransientError(f"{port}.{method}: no answer")
            case _:
                return result

    def _race(self, port: str, method: str) -> None:
        for index, (function, on, at, do) in enumerate(self.races):
            if (function, on, at) == (self.function, port, method):
                del self.races[index]
                do()
                return


def _conflict(method: str) -> Exception:
    return VersionConflict("another writer") if method == "commit" else StateConflict("another writer")


def _site() -> str:
    """Where in the services the call stands."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    name = frame.f_code.co_filename.rpartition("/")[2].removesuffix(".py")
    return f"{name}:{frame.f_lineno}"


class Guarded:
    """A port behind the gate."""

    def __init__(self, gate: Gate, port: str, inner: object) -> None:
        self._gate = gate
        self._port = port
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def through(*args: Any, **kwargs: Any) -> Any:
            return self._gate.call(self._port, name, found, args, kwargs)

        return through
