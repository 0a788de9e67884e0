"""Several processes pace one line: killed at any write, in each other's way, and with clocks that disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from dunlin.domain.words import MessageState
from dunlin.services.pace import Pace
from dunlin.services.settle import Settle
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import raised
from tests.unit.test_services_pace_seconds import LINE, SECOND, Backlog, Died

#: What a process of the pacer writes with, in whatever order.
_WRITES = ("commit", "put_line", "put_released", "ask")


class Through:
    """A port whose writes are told to `hook`, before and after."""

    def __init__(self, port: Any, hook: Callable[[], None]) -> None:
        self._port = port
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in _WRITES:
            return found

        def written(*arguments: Any) -> Any:
            self._hook()
            answer = found(*arguments)
            self._hook()
            return answer

        return written


@dataclass
class Process:
    """A process of the pacer: its clock is `skew` seconds off, and at its `steps`-th step `then` happens to it."""

    world: Backlog
    skew: float = 0.0
    steps: int | None = None
    then: Callable[[], None] | None = None
    done: int = field(default=0, init=False)

    def _step(self) -> None:
        if self.steps is not None and self.done == self.steps and self.then is not None:
            then, self.then = self.then, None
            then()
        self.done += 1

    @property
    def pace(self) -> Pace:
        house = self.world.house
        store: Any = Through(house.store, self._step)
        clock = lambda: house.clock() + self.skew * SECOND  # noqa: E731
        controls: Any = Through(house.controls, self._step)
        slots: Any = Through(self.world.slots, self._step)
        return Pace(store, controls, house.content, Settle(store, clock), clock, slots)


def killed() -> None:
    raise Died


@dataclass(frozen=True)
class Mishap:
    """In this second the process that comes has this skew, and at this step it dies or another one comes between."""

    skew: float
    step: int
    dies: bool
    rival_skew: float


def play(world: Backlog, seconds: int, mishaps: dict[int, Mishap], twice: frozenset[int]) -> None:
    """Every second by a process of its own; every sixtieth one plans as well. The queue's clock is the world's."""
    asked: Counter[int] = Counter()

    def slots_of(second: int) -> None:
        for _, delay in world.slots.asked:
            asked[second + delay] += 1
        world.slots.asked.clear()

    def run(process: Process, second: int, *, plans: bool) -> None:
        try:
            if plans:
                process.pace.lines(raised)
            else:
                process.pace.second(LINE, raised, world.house.clock())
        except Died:
            pass
        finally:
            slots_of(second)

    for second in range(seconds):
        for plans in (True, False) if second % 60 == 0 else (False,):
            for _ in range(1 if plans else asked.pop(second, 0) * (2 if second in twice else 1)):
                mishap = mishaps.get(second)
                process = Process(world)
                if mishap is not None:
                    rival = Process(world, mishap.rival_skew)
                    between = lambda rival=rival, plans=plans, second=second: run(rival, second, plans=plans)  # noqa: E731
                    process = Process(world, mishap.skew, mishap.step, killed if mishap.dies else between)
                run(process, second, plans=plans)
                world.hand_over()
        world.house.clock.advance(SECOND)


def fell_behind(handed: Sequence[tuple[datetime, int, str, bool]], rate: float) -> timedelta:
    """How far a carrier that passes part after part on at the rate fell behind."""
    free, behind = handed[0][0], timedelta(0)
    for at, parts, _, _ in handed:
        free = max(free, at) + timedelta(seconds=parts / rate)
        behind = max(behind, free - at)
    return behind


MISHAPS = st.dictionaries(
    st.integers(0, 130),
    st.builds(
        Mishap,
        skew=st.sampled_from((-4.0, -2.0, -0.5, 0.0, 0.5, 2.0, 4.0)),
        step=st.integers(0, 9),
        dies=st.booleans(),
        rival_skew=st.sampled_from((-4.0, -0.9, 0.0, 0.9, 4.0)),
    ),
    max_size=60,
)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from((1.0, 3.0, 7.0)),
    st.lists(st.integers(1, 4), min_size=1, max_size=6),
    MISHAPS,
    st.frozensets(st.integers(0, 130), max_size=20),
)
def test_the_rate_is_kept_and_nothing_goes_twice(
    rate: float, lengths: list[int], mishaps: dict[int, Mishap], twice: frozenset[int]
) -> None:
    world = Backlog(rate)
    for number in range(int(rate * 200)):
        world.wait(lengths[number % len(lengths)], priority=number % 3)
    play(world, 130, mishaps, twice)
    longest = max(lengths)
    assert world.handed, "nothing went at all"
    assert world.busiest() <= rate + longest - 1
    assert fell_behind(world.handed, rate) <= timedelta(seconds=1 + (longest - 1) / rate, microseconds=100)
    assert max(Counter(borrower for _, _, borrower, _ in world.handed).values()) == 1
    for message in world.house.store.messages.values():
        assert [move.state for move in message.moves].count(MessageState.DUE) <= 1
        assert message.state in (MessageState.REQUESTED, MessageState.SENT)


@pytest.mark.parametrize("step", range(8))
@pytest.mark.parametrize("dies", [True, False])
def test_a_death_or_a_rival_at_any_step_costs_that_second_and_no_other(step: int, dies: bool) -> None:
    world = Backlog(3.0)
    for _ in range(400):
        world.wait()
    play(world, 60, {30: Mishap(0.0, step, dies, 0.0)}, frozenset())
    assert len(world.handed) >= 3 * 60 - 3
    assert world.busiest() == 3


@pytest.mark.parametrize("skew", [-30.0, -3.0, 3.0, 30.0])
def test_a_process_whose_clock_is_wrong_gives_its_seconds_away(skew: float) -> None:
    world = Backlog(1.0)
    for _ in range(200):
        world.wait()
    play(world, 60, {second: Mishap(skew, -1, True, 0.0) for second in range(10, 20)}, frozenset())
    assert len(world.handed) == 50
    assert world.busiest() == 1
