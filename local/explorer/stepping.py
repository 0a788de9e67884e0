"""A service run one port call at a time, without threads.

An actor is a call of a real service. Where it stands is told by the answers it got so far: to make one more step it
is run again from its beginning, gets the old answers again, and stops at the first port call that has none. Clock
readings are answers too, but not a point at which others come between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.explorer.ports import World


class Paused(BaseException):
    """The actor asks for something nobody has answered yet. No `except Exception` may keep it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a port: an atomic step."""

    port: str
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def on(self, world: World) -> Any:
        return getattr(getattr(world, self.port), self.method)(*self.args, **self.kwargs)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave: a value, or an error."""

    value: Any = None
    error: Exception | None = None


#: An answer, or a reading of the clock.
Entry = Answer | datetime


@dataclass(eq=False, slots=True)
class Node:
    """Where an actor stands: what it was told, and what it asks next (None: it came to its end)."""

    number: int
    actor: int
    told: tuple[Entry, ...]
    asks: Call | None
    error: Exception | None = None
    #: By answer (and the clock, where the clock was read after it).
    following: dict[Any, Node] = field(default_factory=dict)


class Stage:
    """Where the services' ports lead: to a world directly, or to the script of an actor that is run again."""

    def __init__(self) -> None:
        self.world: World | None = None
        self._told: tuple[Entry, ...] = ()
        self._fresh: list[Entry] = []
        self._place = 0
        self._now: datetime | None = None
        self._asks: Call | None = None

    def port(self, name: str) -> Any:
        return _Port(self, name)

    def clock(self) -> datetime:
        if self.world is not None:
            return self.world.clock()
        if self._place < len(self._told):
            entry = self._told[self._place]
            self._place += 1
            assert isinstance(entry, datetime), "the actor is not a function of its answers"
            return entry
        assert self._now is not None
        self._fresh.append(self._now)
        return self._now

    def call(self, call: Call) -> Any:
        if self.world is not None:
            return call.on(self.world)
        if self._asks is None and self._place < len(self._told):
            entry = self._told[self._place]
            self._place += 1
            assert isinstance(entry, Answer), "the actor is not a function of its answers"
            if entry.error is not None:
                raise entry.error.with_traceback(None)
            return list(entry.value) if isinstance(entry.value, list) else entry.value
        # A `finally` on the way out may ask again: the first question is the one that counts.
        if self._asks is None:
            self._asks = call
        raise Paused

    def run(
        self, actor: Callable[[], object], told: tuple[Entry, ...], now: datetime
    ) -> tuple[tuple[Entry, ...], Call | None, Exception | None]:
        """Run `actor` from its beginning with what it was told: (told with clock readings, what it asks, its error)."""
        self.world, self._told, self._fresh, self._place, self._now = None, told, [], 0, now
        self._asks, error = None, None
        try:
            actor()
        except Paused:
            pass
        except Exception as raised:  # the edge: whatever a service raises is part of what is explored
            error = raised
        return (*told, *self._fresh), self._asks, error


class _Port:
    """A port as the services see it: any method, recorded."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self._name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("__"):
            raise AttributeError(method)

        def asked(*args: Any, **kwargs: Any) -> Any:
            return self._stage.call(Call(self._name, method, args, kwargs))

        return asked
