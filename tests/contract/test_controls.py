"""What every `Controls` promises, held against each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from dunlin.domain.words import Reason
from dunlin.errors import StateConflict
from dunlin.services.ports import EARS, Controls, FeedClaim, FeedState, Hearing, LineState, Survey

from tests.builders import MINUTE, NOW, TODAY


def test_nothing_is_known(controls: Controls) -> None:
    assert controls.line("line") == LineState("line")
    assert controls.hearing("reports") == Hearing("reports")
    assert controls.survey(["a", "b"], TODAY) == Survey(
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


def test_the_feed_is_written_on_what_was_read(controls: Controls) -> None:
    assert controls.feed() == FeedState()
    state = FeedState(
        0,
        NOW,
        (FeedClaim(NOW + MINUTE, NOW), FeedClaim(NOW + 2 * MINUTE, NOW + MINUTE)),
        NOW - MINUTE,
        NOW - 2 * MINUTE,
        NOW - 3 * MINUTE,
        NOW - 4 * MINUTE,
        NOW - 5 * MINUTE,
    )
    controls.put_feed(state)
    assert controls.feed() == replace(state, revision=1)
    with pytest.raises(StateConflict):
        controls.put_feed(state)
    controls.put_feed(replace(state, revision=1, claims=(), gap_since=None))
    assert controls.feed() == replace(state, revision=2, claims=(), gap_since=None)


@pytest.mark.parametrize("gap_since", [None, NOW])
def test_a_checkpoint_does_not_count_in_a_gap(controls: Controls, gap_since: datetime | None) -> None:
    claim = FeedClaim(NOW + MINUTE, NOW)
    controls.put_feed(FeedState(complete_to=NOW, claims=(claim,), gap_since=gap_since))
    survey = controls.survey([], TODAY)
    assert survey.feed_complete_to == (NOW if gap_since is None else None)
    assert survey.feed_announced_to == NOW + MINUTE


def test_a_survey_sees_everything_in_one_read(controls: Controls) -> None:
    controls.put_line(LineState("b", stopped_until=NOW))
    controls.put_hearing(Hearing("inbound", sent_at=NOW))
    controls.put_feed(FeedState(complete_to=NOW))
    survey = controls.survey(["a", "b"], TODAY)
    assert survey.feed_complete_to == NOW
    assert [hearing.sent_at for hearing in survey.hearings] == [None, NOW]
    assert [line.stopped_until for line in survey.lines] == [None, NOW]
