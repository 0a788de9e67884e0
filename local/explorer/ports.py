"""The world outside the services: storage, controls, a provider, the state machine, and a witness of what was seen.

A world is plain data. It is copied before each call that could change it, and interned, so that two orders which lead
to the same world lead to one and the same number.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from dunlin.domain.words import MessageState, Reason
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted, Refused, Unsettled
from dunlin.testing import FakeClock, FakeEars, FakeWakeQueue, MemoryControls, MemoryStore

#: What a provider can do with a message, and whether it has it then.
ACCEPTED = "accepted"
ANSWER_LOST = "accepted, and the answer is lost"
NEVER_CAME = "not accepted, and nobody knows"
THROTTLED = "throttled"
REFUSED = "refused"


@dataclass
class Provider:
    """A provider that may do any of `can` with a message; `odd` is how often it does anything but accept."""

    can: tuple[str, ...] = (ACCEPTED,)
    odd: int = 0
    #: What was done with each message, in order.
    done: dict[str, tuple[str, ...]] = field(default_factory=dict)
    choice: str = ""

    def hand_over(self, order: HandOver) -> HandOverResult:
        choice, self.choice = self.choice or ACCEPTED, ""
        self.done[order.ref] = (*self.done.get(order.ref, ()), choice)
        if choice != ACCEPTED:
            self.odd -= 1
        match choice:
            case "accepted":
                return Accepted(f"provider-{len(self.done)}-{len(self.done[order.ref])}")
            case "throttled":
                return NotAccepted(Reason.THROTTLED)
            case "refused":
                return Refused(Reason.INVALID_NUMBER)
            case _:
                return Unsettled(Reason.TIMED_OUT)

    def has(self, ref: str) -> int:
        """How many times it has this message."""
        return sum(done in (ACCEPTED, ANSWER_LOST) for done in self.done.get(ref, ()))


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of the state machine.

    `phase`: assess | park (to be invoked) | parked (invoked, waits for `token`) | failed (the invocation died; the
    token may still be rung) | ended | dead.
    """

    borrower_id: str
    episode: int
    generation: int
    phase: str = "assess"
    token: str = ""
    version: int = 0

    @property
    def name(self) -> tuple[str, int, int]:
        return (self.borrower_id, self.episode, self.generation)


@dataclass
class Machine:
    """`escalation.asl.yaml`: assess, park until the doorbell rings, assess. `blind`: how often an execution that was
    only just started is not seen yet."""

    executions: dict[tuple[str, int, int], Execution] = field(default_factory=dict)
    tokens: int = 0
    blind: int = 0
    choice: str = ""

    # what the services see
    def start(self, borrower_id: str, episode: int, generation: int) -> None:
        self.executions.setdefault((borrower_id, episode, generation), Execution(borrower_id, episode, generation))

    def ring(self, token: str) -> None:
        for name, execution in self.executions.items():
            if execution.token == token and execution.phase in ("parked", "failed"):
                self.executions[name] = Execution(*name)

    def is_running(self, borrower_id: str, episode: int, generation: int) -> bool:
        choice, self.choice = self.choice, ""
        if choice:
            self.blind -= 1
            return False
        execution = self.executions.get((borrower_id, episode, generation))
        return execution is not None and execution.phase not in ("ended", "dead")

    # what the state machine itself does
    def assessed(self, name: tuple[str, int, int], following: str, version: int) -> None:
        """The answer of an assessment arrives."""
        execution = self.executions[name]
        if execution.phase == "assess":
            phase = "park" if following == "park" else "ended"
            self.executions[name] = Execution(*name, phase, "", version)

    def enter_park(self, name: tuple[str, int, int]) -> Execution:
        """The park step begins: from now on its token can be rung."""
        # The park step numbers its attempts.
        self.tokens += 1
        version = self.executions[name].version
        self.executions[name] = Execution(*name, "parked", f"token-{self.tokens}", version)
        return self.executions[name]

    def execution(self, name: tuple[str, int, int]) -> Execution | None:
        return self.executions.get(name)

    def invocation_died(self, name: tuple[str, int, int]) -> None:
        """The function behind a step died: the step is made again, with a new token. Until then the old one rings."""
        execution = self.executions[name]
        if execution.phase == "parked":
            self.executions[name] = Execution(*name, "failed", execution.token, execution.version)

    def kill(self, name: tuple[str, int, int]) -> None:
        if name in self.executions:
            self.executions[name] = Execution(*name, "dead")


@dataclass
class Witness:
    """What was seen, for the laws: not part of what the services know."""

    #: What a provider's reports said, once they were taken in.
    reported: dict[str, MessageState] = field(default_factory=dict)
    #: Contacts that others were allowed to make.
    outside: frozenset[str] = frozenset()
    #: Messages whose permission to be tried again was taken although something forbade them by then.
    doomed: frozenset[str] = frozenset()
    #: Messages whose cap was released.
    released: frozenset[str] = frozenset()
    #: Events whose processing came to its end.
    applied: tuple[str, ...] = ()
    crashed: bool = False

    def saw_report(self, ref: str, state: MessageState) -> None:
        self.reported[ref] = state

    def saw_outside(self, ref: str) -> None:
        self.outside |= {ref}

    def saw(self, event: str) -> None:
        if event not in self.applied:
            self.applied = tuple(sorted((*self.applied, event)))


@dataclass
class World:
    """Everything there is. The attributes' names are the ports' names."""

    store: MemoryStore
    controls: MemoryControls
    clock: FakeClock
    provider: Provider = field(default_factory=Provider)
    machine: Machine = field(default_factory=Machine)
    ears: FakeEars = field(default_factory=FakeEars)
    wakes: FakeWakeQueue = field(default_factory=FakeWakeQueue)
    witness: Witness = field(default_factory=Witness)

    def copy(self, *ports: str) -> World:
        """A world whose `ports` are its own; the others are shared, and not to be changed."""
        twin = World(**vars(self))
        for name in ports:
            setattr(twin, name, _copied_port(getattr(self, name)))
        return twin

    def alternatives(self, port: str, method: str) -> tuple[str, ...]:
        """What may come of a call besides the usual; the usual is the first."""
        if port == "provider" and method == "hand_over":
            return self.provider.can if self.provider.odd > 0 else (ACCEPTED,)
        if port == "machine" and method == "is_running" and self.machine.blind > 0:
            return ("", "not seen yet")
        return ("",)


class Interner:
    """One number for equal things."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._known: dict[int, tuple[object, int]] = {}  # by identity, and the thing itself so that it stays alive

    def number(self, value: Hashable) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def key(self, value: object) -> Hashable:
        """`value` as something that is equal when it is."""
        match value:
            case None | str() | int() | float() | bool():
                return value
            case Mapping():
                return tuple(sorted(((str(name), self.key(each)) for name, each in value.items()), key=_first))
            case list() | tuple():
                return tuple(self.key(each) for each in value)
            case set() | frozenset():
                return tuple(sorted(map(str, value)))
            case BaseException():
                return (type(value).__name__, str(value))
        known = self._known.get(id(value))
        if known is None:
            if is_dataclass(value) and not isinstance(value, type) and not _hashable(value):
                content = tuple(self.key(getattr(value, part.name)) for part in fields(value))
                number = self.number((type(value).__name__, content))
            else:
                number = self.number((type(value).__name__, value))
            known = self._known[id(value)] = (value, number)
        return (type(value).__name__, known[1])

    def port(self, port: object) -> int:
        """The number of what a port holds. It is asked for once: afterwards nobody changes the port."""
        known = self._known.get(id(port))
        if known is None:
            number = self.number(tuple(self.key(value) for value in vars(port).values()))
            known = self._known[id(port)] = (port, number)
        return known[1]


def _first(pair: tuple[str, Hashable]) -> str:
    return pair[0]


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _copied_port(port: Any) -> Any:
    twin = object.__new__(type(port))
    twin.__dict__.update({name: _copied(value) for name, value in vars(port).items()})
    return twin


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copied(each) if type(each) in (dict, list, set) else each for name, each in value.items()}
    if type(value) in (list, set):
        return value.copy()
    return value
