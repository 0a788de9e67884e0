"""What every `Controls` promises, held against each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.words import Reason
from dunlin.errors import StateConflict
from dunlin.services.ports import EARS, Controls, Hearing, LineState, Survey

from tests.builders import NOW


def test_nothing_is_known(controls: Controls) -> None:
    assert controls.line("line") == LineState("line")
    assert controls.hearing("reports") == Hearing("reports")
    assert controls.survey(["a", "b"]) == Survey(
        None, tuple(Hearing(ear) for ear in EARS), (LineState("a"), LineState("b"))
    )


def test_a_line_is_written_on_what_was_read(controls: Controls) -> None:
    state = LineState("line", 0, 4.25, NOW, NOW + timedelta(seconds=50), NOW, Reason.SPEND_LIMIT)
    controls.put_line(state)
    assert controls.line("line") == replace(state, revision=1)
    with pytest.raises(StateConflict):
        controls.put_line(state)
    controls.put_line(replace(state, revision=1, tokens=0.0))
    assert controls.line("line") == replace(state, revision=2, tokens=0.0)
    with pytest.raises(StateConflict):
        controls.put_line(replace(state, revision=1))
    with pytest.raises(StateConflict):
        controls.put_line(LineState("other", revision=1))
    assert controls.line("other") == LineState("other")


def test_an_ear_is_written_on_what_was_read(controls: Controls) -> None:
    hearing = Hearing("reports", 0, "probe-1", NOW, None)
    controls.put_hearing(hearing)
    assert controls.hearing("reports") == replace(hearing, revision=1)
    with pytest.raises(StateConflict):
        controls.put_hearing(hearing)
    controls.put_hearing(replace(hearing, revision=1, heard_at=NOW))
    assert controls.hearing("reports").heard_at == NOW
    assert controls.hearing("inbound") == Hearing("inbound")


def test_the_checkpoint_only_moves_forward(controls: Controls) -> None:
    for minutes, expected in ((0, 0), (5, 5), (3, 5), (5, 5), (6, 6)):
        controls.advance_feed(NOW + timedelta(minutes=minutes))
        assert controls.survey([]).feed_complete_to == NOW + timedelta(minutes=expected)


def test_a_survey_sees_everything_in_one_read(controls: Controls) -> None:
    controls.put_line(LineState("b", stopped_until=NOW))
    controls.put_hearing(Hearing("inbound", sent_at=NOW))
    controls.advance_feed(NOW)
    survey = controls.survey(["a", "b"])
    assert survey.feed_complete_to == NOW
    assert [hearing.sent_at for hearing in survey.hearings] == [None, NOW]
    assert [line.stopped_until for line in survey.lines] == [None, NOW]
