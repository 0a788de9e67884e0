"""Pauses and ceilings: what every `Controls` promises of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.pauses import Pause
from dunlin.domain.words import PauseScope
from dunlin.errors import StateConflict
from dunlin.services.ports import Controls, PauseAct, PauseBoard, Released

from tests.builders import DAY, NOW, TODAY

PAUSE = Pause(PauseScope.TEMPLATE, "tier_1", "s-104", "wrong fee", NOW, NOW + DAY)
ACT = PauseAct("paused", PauseScope.TEMPLATE, "tier_1", "s-104", "wrong fee", NOW)


def test_the_board_is_written_on_what_was_read(controls: Controls) -> None:
    assert controls.pauses() == PauseBoard()
    board = PauseBoard(0, (PAUSE,), (ACT,))
    controls.put_pauses(board)
    assert controls.pauses() == replace(board, revision=1)
    with pytest.raises(StateConflict):
        controls.put_pauses(board)
    controls.put_pauses(PauseBoard(1))
    assert controls.pauses() == PauseBoard(2)


def test_released_messages_are_counted_by_day_on_what_was_read(controls: Controls) -> None:
    assert controls.released(TODAY) == Released(TODAY)
    controls.put_released(Released(TODAY, 0, {"reminder": 3}))
    with pytest.raises(StateConflict):
        controls.put_released(Released(TODAY, 0, {"reminder": 4}))
    controls.put_released(Released(TODAY, 1, {"reminder": 4, "tier_1": 1}))
    assert controls.released(TODAY) == Released(TODAY, 2, {"reminder": 4, "tier_1": 1})
    assert controls.released(TODAY + timedelta(days=1)) == Released(TODAY + timedelta(days=1))


def test_a_survey_sees_both(controls: Controls) -> None:
    controls.put_pauses(PauseBoard(0, (PAUSE,)))
    controls.put_released(Released(TODAY, 0, {"reminder": 3}))
    survey = controls.survey([], TODAY)
    assert survey.pauses == (PAUSE,)
    assert survey.released == {"reminder": 3}
    assert controls.survey([], TODAY + timedelta(days=1)).released == {}
