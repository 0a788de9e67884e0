"""The seconds of a line, whatever becomes of them: late, doubled, lost, or planned by a process that dies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from dunlin.domain.message import HAND_OVER_WITHIN, WINDOW_MARGIN
from dunlin.domain.policy import Line
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import TransientError
from dunlin.services.pace import Pace
from dunlin.services.ports import LineState
from dunlin.services.send import AGAIN_AFTER
from dunlin.testing import FakeSlots
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW, House, a_message, raised

LINE = "us-10dlc"
SECOND = timedelta(seconds=1)
END = timedelta(hours=9)


class Died(BaseException):
    """A process that is killed."""


@dataclass(frozen=True)
class Waits:
    """One message: when it comes, how urgent it is, and how long it may wait."""

    at: int
    parts: int
    priority: int
    opens: int
    closes: int


@dataclass(frozen=True)
class Mishaps:
    """By second: how late a slot comes, how often, and at which step the run that plans a minute dies."""

    late: dict[int, int]
    times: dict[int, int]
    deaths: dict[int, int]


class Backlog:
    """A line with a backlog and a clock that goes in tenths of a second."""

    def __init__(self, rate: float, *, per_day: int | None = None, zone: str = "UTC") -> None:
        house = House(NOW)
        lender = house.content.lender
        (line,) = (line for line in lender.lines if line.line_id == LINE)
        self.line: Line = replace(line, parts_per_second=rate, parts_per_day=per_day, day_zone=zone)
        self.house = House(NOW, replace(house.content, lender=replace(lender, lines=(self.line,), ceiling=1_000_000)))
        self.slots = FakeSlots()
        self.house.pace = Pace(
            self.house.store,
            self.house.controls,
            self.house.content,
            self.house.settle,
            self.house.clock,
            self.slots,
        )
        self.number = 0
        self.throttled: frozenset[int] = frozenset()
        #: What reached the provider: when, parts, whose, and whether it took it.
        self.handed: list[tuple[datetime, int, str, bool]] = []

    def hand_over(self) -> None:
        """The streams in no time, and a provider that throttles the hand-overs whose numbers are `throttled`."""
        now = self.house.clock()
        for at, message in list(self.house.store.messages.items()):
            if message.state is MessageState.DUE or message.is_let_go_again:
                takes = len(self.handed) not in self.throttled
                self.handed.append((now, message.expected_parts, message.borrower_id, takes))
                self.house.store.messages[at] = replace(
                    message,
                    revision=message.revision + 1,
                    state=MessageState.SENT if takes else MessageState.RESERVED,
                    may_retry=not takes,
                    again_at=None,
                    hand_over_by=message.hand_over_by or now + HAND_OVER_WITHIN,
                    attend_at=now + AGAIN_AFTER,
                )

    def wait(self, parts: int = 1, priority: int = 5, opens: datetime = NOW, closes: datetime = NOW + END) -> str:
        self.number += 1
        borrower = f"b-{self.number:05d}"
        message = a_message(
            borrower_id=borrower,
            key=f"2026-06-08#reminder_7#0#sms#{self.number}",
            line=LINE,
            revision=1,
            not_before=opens,
            not_after=closes + WINDOW_MARGIN,
            priority=priority,
            expected_parts=parts,
        )
        self.house.store.messages[borrower, message.key] = message
        return borrower

    def run(self, seconds: int, waits: Sequence[Waits] = (), mishaps: Mishaps | None = None) -> None:
        mishaps = mishaps or Mishaps({}, {}, {})
        begin = self.house.clock()
        planned: dict[int, int] = {}
        for tenth in range(seconds * 10):
            second, exact = divmod(tenth, 10)
            if exact == 0:
                for each in waits:
                    if each.at == second:
                        self.wait(each.parts, each.priority, begin + each.opens * SECOND, begin + each.closes * SECOND)
            if tenth % 600 == 0:
                with suppress(Died):
                    self._plan(mishaps.deaths.get(second))
                for _, delay in self.slots.asked:
                    at = second + delay
                    for _ in range(mishaps.times.get(at, 1)):
                        late = at * 10 + mishaps.late.get(at, 0)
                        planned[late] = planned.get(late, 0) + 1
                self.slots.asked.clear()
            for _ in range(planned.pop(tenth, 0)):
                self.house.pace.second(LINE, raised)
            self.hand_over()
            self.house.clock.advance(SECOND / 10)

    def _plan(self, step: int | None) -> None:
        if step is None:
            self.house.pace_lines()
            return
        put, ask, steps = self.house.controls.put_line, self.slots.ask, [step]

        def dying(call: object) -> object:
            def called(*arguments: object) -> None:
                if steps[0] == 0:
                    raise Died
                steps[0] -= 1
                call(*arguments)  # type: ignore[operator]

            return called

        self.house.controls.put_line = dying(put)  # type: ignore[method-assign, assignment]
        self.slots.ask = dying(ask)  # type: ignore[method-assign, assignment]
        try:
            self.house.pace_lines()
        finally:
            self.house.controls.put_line = put  # type: ignore[method-assign]
            self.slots.ask = ask  # type: ignore[method-assign]

    def released(self) -> list[tuple[datetime, int, str]]:
        return sorted(
            (move.at, message.expected_parts, message.borrower_id)
            for message in self.house.store.messages.values()
            for move in message.moves
            if move.state is MessageState.DUE
        )

    def busiest(self) -> int:
        """The most parts of any half-open second, counted where they are handed over."""
        begins = {at for at, _, _, _ in self.handed}
        within = (sum(parts for at, parts, _, _ in self.handed if begin <= at < begin + SECOND) for begin in begins)
        return max(within, default=0)


MESSAGES = st.builds(
    Waits,
    at=st.integers(0, 110),
    parts=st.integers(1, 3),
    priority=st.sampled_from((0, 1, 5, 9)),
    opens=st.integers(0, 150),
    closes=st.integers(151, 400),
)
MISHAPS = st.builds(
    Mishaps,
    late=st.dictionaries(st.integers(0, 180), st.integers(1, 100), max_size=30),
    times=st.dictionaries(st.integers(0, 180), st.sampled_from((0, 2, 3)), max_size=30),
    deaths=st.dictionaries(st.sampled_from((0, 60, 120)), st.integers(0, 1), max_size=2),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from((0.5, 0.8, 1.0, 2.5, 3.0, 7.0)), st.lists(MESSAGES, max_size=60), MISHAPS)
def test_no_second_carries_more_and_nothing_leaves_its_window(
    rate: float, waits: list[Waits], mishaps: Mishaps
) -> None:
    world = Backlog(rate)
    world.run(180, waits, mishaps)
    longest = max((each.parts for each in waits), default=1)
    assert world.busiest() <= max(1, -(-rate // 1)) + longest - 1
    for at, _, borrower in world.released():
        (message,) = (m for m in world.house.store.messages.values() if m.borrower_id == borrower)
        assert message.not_before <= at < message.not_after - WINDOW_MARGIN
        assert [move.state for move in message.moves].count(MessageState.DUE) == 1


@settings(max_examples=40, deadline=None)
@given(st.sampled_from((0.8, 1.0, 3.0, 10.0)), st.lists(st.integers(1, 4), min_size=5, max_size=5))
def test_of_a_backlog_the_whole_rate_is_used(rate: float, lengths: list[int]) -> None:
    world = Backlog(rate)
    while sum(m.expected_parts for m in world.house.store.messages.values()) < rate * 120 * 1.5:
        world.wait(lengths[world.number % 5])
    world.run(120)
    carried = sum(parts for _, parts, _ in world.released())
    assert 0.95 * rate * 120 <= carried <= rate * 120 + max(1, rate) + 4


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from((0.5, 1.0, 3.0, 7.0)),
    st.lists(MESSAGES, min_size=1, max_size=60),
    st.frozensets(st.integers(0, 90), max_size=60),
    MISHAPS,
)
def test_a_second_hand_over_takes_its_parts_from_the_line(
    rate: float, waits: list[Waits], throttled: frozenset[int], mishaps: Mishaps
) -> None:
    world = Backlog(rate)
    world.throttled = throttled
    world.run(180, waits, mishaps)
    longest = max(each.parts for each in waits)
    assert world.busiest() <= max(1, -(-rate // 1)) + longest - 1
    tries: dict[str, list[tuple[datetime, bool]]] = {}
    for at, _, borrower, takes in world.handed:
        tries.setdefault(borrower, []).append((at, takes))
    for each in tries.values():
        assert [takes for _, takes in each[:-1]] == [False] * (len(each) - 1)
        for (earlier, _), (later, _) in pairwise(each):
            assert later - earlier >= AGAIN_AFTER
            assert later - each[0][0] < HAND_OVER_WITHIN


def test_of_a_provider_that_throttles_the_whole_rate_is_used_and_nobody_is_forgotten() -> None:
    world = Backlog(1.0)
    world.throttled = frozenset(range(0, 100, 5))
    for _ in range(200):
        world.wait()
    world.run(180)
    assert world.busiest() == 1
    assert len(world.handed) >= 0.95 * 180
    by_then = world.house.clock() - timedelta(seconds=60)
    waiting = {m.borrower_id for m in world.house.store.messages.values() if m.may_retry}
    assert not waiting & {borrower for at, _, borrower, takes in world.handed if not takes and at < by_then}


@settings(max_examples=40, deadline=None)
@given(st.lists(MESSAGES.map(lambda each: replace(each, opens=0)), min_size=40, max_size=90))
def test_nobody_overtakes_who_waited_already(waits: list[Waits]) -> None:
    """Every second takes the most urgent of those that wait when it comes, also who came after the minute's plan."""
    world = Backlog(1.0)
    world.run(120, waits)
    came = {f"b-{number:05d}": each for number, each in enumerate(sorted(waits, key=lambda each: each.at), start=1)}
    released = {borrower: int((at - NOW).total_seconds()) for at, _, borrower in world.released()}
    for borrower, at in released.items():
        for other, each in came.items():
            if each.at < at and released.get(other, 10**6) > at:
                assert each.priority >= came[borrower].priority


def test_a_planner_that_dies_costs_nothing_once_it_has_asked_and_its_minute_before() -> None:
    world = Backlog(1.0)
    for _ in range(400):
        world.wait()
    world.run(180, mishaps=Mishaps({}, {}, {60: 1}))
    assert len(world.released()) == 180
    world.run(180, mishaps=Mishaps({}, {}, {60: 0}))
    # Before it has asked, a minute is lost, and no more.
    assert len(world.released()) == 180 + 120


def test_a_slot_that_is_late_does_not_go_with_the_next() -> None:
    world = Backlog(1.0)
    for _ in range(60):
        world.wait()
    world.run(30, mishaps=Mishaps({7: 9, 12: 30}, {15: 0, 20: 3}, {}))
    assert world.busiest() == 1
    assert len(world.released()) >= 26


def test_the_day_of_the_provider() -> None:
    """Three parts a day in Shanghai, where it is 23:59:30; the rest waits for tomorrow, thirty seconds away."""
    world = Backlog(1.0, per_day=3, zone="Asia/Shanghai")
    world.house.clock.advance(timedelta(minutes=59, seconds=30))
    for _ in range(8):
        world.wait()
    world.run(180)
    released = [at for at, _, _ in world.released()]
    assert len(released) == 6
    assert sum(at < NOW + timedelta(hours=1) for at in released) == 3


def test_what_the_day_cannot_carry_is_known_early_and_says_which_limit() -> None:
    world = Backlog(1.0, per_day=10)
    for _ in range(30):
        world.wait()
    world.run(60)
    ended = [m for m in world.house.store.messages.values() if m.state is MessageState.EXPIRED]
    assert ended
    assert {(m.reason, m.rule) for m in ended} == {(Reason.LINE_FULL, f"line.{LINE}.parts_per_day")}
    # Whoever might still have found room was not ended.
    assert len(ended) <= 20
    assert len(world.released()) == 10


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(60, 240))
def test_nothing_is_ended_that_could_have_gone(count: int, closes: int) -> None:
    world = Backlog(1.0)
    for _ in range(count):
        world.wait(closes=NOW + closes * SECOND)
    world.run(closes)
    ended = sum(m.reason is Reason.LINE_FULL for m in world.house.store.messages.values())
    assert ended <= max(0, count - closes)
    assert len(world.released()) == min(count, closes)


def test_an_urgent_reply_goes_in_the_next_second_of_a_full_minute() -> None:
    world = Backlog(1.0)
    for _ in range(100):
        world.wait(priority=5)
    world.run(30, [Waits(10, 1, 0, 0, 300)])
    (at,) = (at for at, _, borrower in world.released() if borrower == "b-00101")
    assert at == NOW + 10 * SECOND


def test_a_line_that_is_stopped_within_a_minute() -> None:
    world = Backlog(1.0)
    for _ in range(100):
        world.wait()
    world.run(10)
    state = world.house.controls.line(LINE)
    world.house.controls.put_line(
        replace(state, stopped_until=NOW + timedelta(hours=1), stop_reason=Reason.SPEND_LIMIT)
    )
    assert world.house.pace.second(LINE, raised) is None


def test_without_a_backlog_one_second_is_asked_for_and_before_it_nothing_is_written() -> None:
    world = Backlog(1.0)
    world.house.pace_lines()
    assert world.house.controls.lines == {}
    world.wait()
    world.house.pace_lines()
    assert world.slots.asked == [(LINE, 0)]
    world.house.pace.second(LINE, raised, world.house.clock())
    assert len(world.released()) == 1


@pytest.mark.parametrize("line", ["nobody's", LINE])
def test_a_second_with_nothing_to_do(line: str) -> None:
    world = Backlog(1.0)
    assert world.house.pace.second(line, raised) is None


def test_a_second_that_fails_is_told_and_not_raised() -> None:
    world = Backlog(1.0)
    told: list[str] = []

    def broken(line: str) -> LineState:
        raise TransientError(line)

    world.house.controls.line = broken  # type: ignore[method-assign]
    assert world.house.pace.second(LINE, lambda ref, _: told.append(ref)) is None
    assert told == [LINE]
