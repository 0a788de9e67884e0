"""A line whose texts fail rests by itself, and comes back a few texts at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.policy import Failures, Line
from dunlin.domain.words import Reason
from dunlin.errors import StateConflict
from dunlin.services.line_health import LONGEST_REST, count_failure, judged, slowed, stopped, texts_left
from dunlin.services.ports import LineState
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, House

LINE = "us-10dlc"
LIMITS = Failures()
STEP = LIMITS.window


@pytest.fixture(scope="module")
def line() -> Line:
    return next(line for line in House(NOW).content.lender.lines if line.line_id == LINE)


def given_texts(line: Line, released: int, failed: int, **fields: object) -> LineState:
    state = LineState(LINE, window_from=NOW, released=released, failed=failed)
    return judged(replace(state, **fields), line, NOW + timedelta(minutes=1))  # type: ignore[arg-type]


def is_stopped(state: LineState) -> bool:
    return state.stop_reason is Reason.FAILURES


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_it_stops_for_many_failures_that_are_a_large_share(released: int, before: int, failed: int) -> None:
    line = next(line for line in House(NOW).content.lender.lines if line.line_id == LINE)
    state = given_texts(line, released, failed, released_before=before)
    assert is_stopped(state) == (failed >= 20 and failed * 2 >= released + before)


@pytest.mark.parametrize(("share", "stops"), [(0.4, False), (0.6, True), (1.0, True)])
def test_a_line_that_fails_steadily_is_judged_by_its_share_across_windows(
    line: Line, share: float, stops: bool
) -> None:
    """Thirty a minute, for three windows: what failed in the window before counts as what was released in it does."""
    state = LineState(LINE, window_from=NOW)
    now = NOW
    for minute in range(1, 31):
        now = NOW + timedelta(minutes=minute)
        failed = int(share * 30)
        state = judged(replace(state, released=state.released + 30, failed=state.failed + failed), line, now)
        if is_stopped(state):
            break
    assert is_stopped(state) is stops
    assert not stops or now <= NOW + 2 * timedelta(minutes=1)


def test_a_good_line_that_turns_bad_stops_within_a_window(line: Line) -> None:
    state = LineState(LINE, window_from=NOW, released=300, released_before=300)
    for minute in range(1, 21):
        state = judged(
            replace(state, released=state.released + 30, failed=state.failed + 30),
            line,
            NOW + timedelta(minutes=minute),
        )
        if is_stopped(state):
            assert minute <= 20
            return
    pytest.fail("it never stopped")


def test_it_comes_back_as_a_trickle_then_a_tenth_then_whole(line: Line) -> None:
    state = given_texts(line, 30, 25)
    assert state.stopped_until == NOW + timedelta(minutes=16)
    now = state.stopped_until
    state = judged(replace(state, failed=7), line, now)  # what was released before the stop says nothing new
    assert (state.failed, texts_left(line, state)) == (0, 5)
    state = judged(replace(state, released=5), line, now + STEP)
    assert texts_left(line, state) is None
    assert slowed(line, state).parts_per_second == pytest.approx(line.parts_per_second / 10)
    state = judged(replace(state, released=40, failed=1), line, now + 2 * STEP)
    assert slowed(line, state) == line
    assert state.rests == 0


def test_a_trickle_that_sent_nothing_proves_nothing(line: Line) -> None:
    state = judged(stopped(LineState(LINE), NOW, Reason.FAILURES), line, NOW)
    assert texts_left(line, judged(state, line, NOW + STEP)) == 5


def test_a_few_failures_of_a_trickle_stop_it_again_for_twice_as_long(line: Line) -> None:
    state = given_texts(line, 5, 3, step=1, rests=1)
    assert is_stopped(state)
    assert state.stopped_until == NOW + timedelta(minutes=31)
    assert not is_stopped(given_texts(line, 5, 2, step=1, rests=1))
    assert given_texts(line, 5, 5, step=1, rests=60).stopped_until == NOW + timedelta(minutes=1) + LONGEST_REST


def test_a_stopped_line_is_left_as_it_is(line: Line) -> None:
    state = stopped(LineState(LINE, failed=900), NOW + STEP, Reason.SPEND_LIMIT)
    assert judged(state, line, NOW) == state


def test_the_pacer_writes_the_stop_down_once(house: House) -> None:
    house.controls.lines[LINE] = LineState(LINE, 1, window_from=NOW, released=30, failed=30)
    assert [paced.stopped for paced in house.pace_lines()] == [True]
    state = house.controls.line(LINE)
    assert (state.stop_reason, state.revision) == (Reason.FAILURES, 2)
    house.pace_lines()
    assert house.pace.second(LINE, lambda *_: None) is None
    assert house.controls.line(LINE).revision == 2


def test_a_count_that_loses_every_race_is_given_up(house: House) -> None:
    count_failure(house.controls, LINE)
    assert house.controls.line(LINE).failed == 1

    def taken(state: LineState) -> None:
        raise StateConflict(state.line)

    house.controls.put_line = taken  # type: ignore[method-assign]
    count_failure(house.controls, LINE)
    assert house.controls.line(LINE).failed == 1
