"""What does not move is found, each in its own words; what moves is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from dunlin.domain.hours import local_date
from dunlin.domain.message import Move
from dunlin.domain.words import MessageState, PauseScope, Reason
from dunlin.services.ports import FeedClaim, FeedState, Hearing, LineState, Released
from dunlin.services.redrive import Letter, LetterKind
from dunlin.services.stuck import Finding, Stuck
from dunlin.testing import FakeDeadLetters

from tests.builders import MINUTE, NOW, PHONE, TODAY, House, a_message, loan_document, overdue_document

HOUR = timedelta(hours=1)


@pytest.fixture
def letters() -> FakeDeadLetters:
    return FakeDeadLetters()


@pytest.fixture
def well(house: House) -> House:
    """A house in which everything moves."""
    house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7)))
    house.checkpoint()
    for ear in ("reports", "inbound"):
        house.controls.put_hearing(Hearing(ear, 0, "p", NOW, NOW))
    house.run_until(NOW)
    return house


def found(house: House, letters: FakeDeadLetters, kind: str | None = None) -> list[Finding]:
    stuck = Stuck(house.store, house.controls, house.executions, letters, house.content.lender, house.clock)
    looked = stuck.look()
    assert PHONE not in repr(looked)
    assert looked.is_stuck == any(not finding.deliberate for finding in looked.findings)
    return [finding for finding in looked.findings if kind in (None, finding.kind)]


def test_nothing(well: House, letters: FakeDeadLetters) -> None:
    assert found(well, letters) == []


class TestMessages:
    @pytest.mark.parametrize("state", [state for state in MessageState if not a_message(state=state).is_terminal])
    def test_its_moment_is_over(self, well: House, letters: FakeDeadLetters, state: MessageState) -> None:
        message = a_message(state=state, attend_at=NOW - timedelta(minutes=15), moves=(Move(state, NOW, Reason.PAID),))
        well.store.messages["b-1", message.key] = message
        assert found(well, letters) == []
        well.store.messages["b-1", message.key] = replace(message, attend_at=NOW - timedelta(minutes=16))
        (finding,) = found(well, letters)
        assert (finding.kind, finding.what, finding.ids) == ("message", f"{state} (stage_due)", (message.ref,))
        assert finding.since == NOW - timedelta(minutes=16)

    @pytest.mark.parametrize("state", [MessageState.DUE, MessageState.RENDERED, MessageState.RESERVED])
    def test_put_off_for_ever(self, well: House, letters: FakeDeadLetters, state: MessageState) -> None:
        message = a_message(
            state=state, attend_at=NOW + timedelta(minutes=14), moves=(Move(state, NOW - HOUR, Reason.PAID),)
        )
        well.store.messages["b-1", message.key] = message
        (finding,) = found(well, letters)
        assert finding.since == NOW - HOUR

    def test_waiting_for_a_report_is_no_standing(self, well: House, letters: FakeDeadLetters) -> None:
        message = a_message(
            state=MessageState.SENT, attend_at=NOW + HOUR, moves=(Move(MessageState.SENT, NOW - HOUR, Reason.PAID),)
        )
        well.store.messages["b-1", message.key] = message
        assert found(well, letters) == []

    def test_many_are_one_line(self, well: House, letters: FakeDeadLetters) -> None:
        for number in range(9):
            message = a_message(borrower_id=f"b-{number}", attend_at=NOW - HOUR - number * MINUTE)
            well.store.messages[message.borrower_id, message.key] = message
        (finding,) = found(well, letters)
        assert (finding.count, len(finding.ids), finding.ids[0][:3]) == (9, 5, "b-8")
        assert finding.since == NOW - HOUR - 8 * MINUTE


class TestBorrowers:
    def test_nobody_evaluates(self, well: House, letters: FakeDeadLetters) -> None:
        borrower = well.store.borrowers["b-1"]
        well.store.borrowers["b-1"] = replace(borrower, wake_at=NOW - timedelta(minutes=16))
        (finding,) = found(well, letters)
        assert (finding.kind, finding.ids) == ("borrower", ("b-1",))

    def overdue(self, house: House) -> None:
        loan = loan_document("l-2", due_on=TODAY - timedelta(days=9), overdue=overdue_document("120.50"))
        house.know("b-2", loan)
        house.run_until(NOW + HOUR)
        for ear in ("reports", "inbound"):
            house.controls.put_hearing(replace(house.controls.hearing(ear), sent_at=house.now, heard_at=house.now))
        case = house.store.borrowers["b-2"].case
        assert case is not None
        assert case.execution_started

    def test_a_case_whose_execution_is_gone(self, well: House, letters: FakeDeadLetters) -> None:
        self.overdue(well)
        assert found(well, letters, "case") == []
        well.executions.lose()
        well.clock.advance(timedelta(minutes=16))
        (finding,) = found(well, letters, "case")
        assert (finding.what, finding.ids) == ("not running", ("b-2#1",))

    def test_a_case_that_was_not_started(self, well: House, letters: FakeDeadLetters) -> None:
        self.overdue(well)
        borrower = well.store.borrowers["b-2"]
        assert borrower.case is not None
        case = replace(borrower.case, execution_started=False, opened_at=well.now - HOUR)
        well.store.borrowers["b-2"] = replace(borrower, case=case)
        assert [finding.what for finding in found(well, letters, "case")] == ["not started"]

    def test_a_case_that_nobody_rings(self, well: House, letters: FakeDeadLetters) -> None:
        self.overdue(well)
        borrower = well.store.borrowers["b-2"]
        assert borrower.case is not None
        assert borrower.case.token is not None
        case = replace(borrower.case, ring_at=well.now - timedelta(minutes=16))
        well.store.borrowers["b-2"] = replace(borrower, case=case)
        assert [finding.what for finding in found(well, letters, "case")] == ["not rung"]


class TestControls:
    @pytest.mark.parametrize(
        ("sent_at", "heard_at", "what"),
        [
            (NOW - HOUR, None, "reports: probe not heard"),
            (NOW - HOUR, NOW - 2 * HOUR, "reports: probe not heard"),
            (NOW - HOUR, NOW - HOUR, "reports: no probe since"),
            (None, None, "reports: never proved"),
        ],
    )
    def test_ears(
        self,
        well: House,
        letters: FakeDeadLetters,
        sent_at: datetime | None,
        heard_at: datetime | None,
        what: str,
    ) -> None:
        well.controls.hearings["reports"] = Hearing("reports", 1, "p", sent_at, heard_at)
        (finding,) = found(well, letters)
        assert (finding.kind, finding.what) == ("ear", what)

    @pytest.mark.parametrize(
        ("feed", "whats"),
        [
            (FeedState(complete_to=NOW, gap_since=NOW), ["facts are missing"]),
            (
                FeedState(complete_to=NOW - HOUR, claims=(FeedClaim(NOW, NOW - HOUR),)),
                ["checkpoints do not count yet"],
            ),
            (FeedState(claims=(FeedClaim(NOW, NOW - MINUTE),)), []),
        ],
    )
    def test_the_feed(self, well: House, letters: FakeDeadLetters, feed: FeedState, whats: list[str]) -> None:
        well.controls.core = feed
        assert [finding.what for finding in found(well, letters, "feed")] == whats

    def test_the_core_is_silent(self, well: House, letters: FakeDeadLetters) -> None:
        heartbeat = timedelta(minutes=well.content.lender.core_heartbeat_max_minutes)
        well.controls.core = FeedState(complete_to=NOW - heartbeat)
        assert found(well, letters) == []
        well.controls.core = FeedState(complete_to=NOW - heartbeat - MINUTE)
        assert [finding.what for finding in found(well, letters)] == ["no checkpoint since"]

    def test_a_stopped_line(self, well: House, letters: FakeDeadLetters) -> None:
        line = well.content.lender.lines[0].line_id
        well.controls.lines[line] = LineState(line, stopped_until=NOW + HOUR, stop_reason=Reason.SPEND_LIMIT)
        (finding,) = found(well, letters)
        assert "spend_limit" in finding.what
        assert f"{NOW + HOUR:%H:%M}Z" in finding.what
        well.clock.now = NOW + HOUR
        assert found(well, letters, "line") == []

    def test_a_line_that_comes_back_and_its_day(self, well: House, letters: FakeDeadLetters) -> None:
        line = replace(well.content.lender.lines[0], parts_per_day=10)
        lender = replace(well.content.lender, lines=(line,))
        day = local_date(NOW, line.day_zone)
        state = LineState(line.line_id, stop_reason=Reason.FAILURES, step=1, day=day, day_parts=10)
        well.controls.lines[line.line_id] = state
        well.content = replace(well.content, lender=lender)
        coming, parts = found(well, letters, "line")
        assert coming.what == "comes back after failures: a few texts"
        assert parts.what == "10 of 10 parts of the provider's day"
        assert parts.advice == f"the rest waits for the next day in {line.day_zone}"
        assert coming.deliberate
        assert parts.deliberate
        well.controls.lines[line.line_id] = replace(state, step=0, day_parts=1)
        (parts,) = found(well, letters, "line")
        assert parts.advice == "nothing to do"

    def test_a_ceiling(self, well: House, letters: FakeDeadLetters) -> None:
        lender = well.content.lender
        day = NOW.astimezone(UTC).date()
        ceiling = lender.ceiling_of("reminder")
        well.controls.counted[day] = Released(day, 1, {"reminder": ceiling - 1})
        assert found(well, letters) == []
        well.controls.counted[day] = Released(day, 1, {"reminder": ceiling})
        (finding,) = found(well, letters)
        assert (finding.kind, finding.ids, finding.count) == ("ceiling", ("reminder",), ceiling)

    def test_a_pause_is_told_and_is_no_fault(self, well: House, letters: FakeDeadLetters) -> None:
        from dunlin.domain.pauses import Pause
        from dunlin.services.ports import PauseBoard

        pause = Pause(PauseScope.EVERYTHING, "", "staff-7", "wrong figures", NOW - HOUR)
        over = replace(pause, scope=PauseScope.LINE, name="us-10dlc", until=NOW)
        well.controls.board = PauseBoard(1, (pause, over))
        (finding,) = found(well, letters)
        assert finding.deliberate
        assert finding.advice == "dunlin resume everything"
        assert all(words in finding.what for words in ("staff-7", "wrong figures", "until lifted"))


class TestDeadLetters:
    def test_count_and_oldest(self, well: House, letters: FakeDeadLetters) -> None:
        for number in range(3):
            at = NOW - number * HOUR
            letters.add(Letter("CoreEventsDeadLetterQueue", f"m-{number}", LetterKind.CORE_EVENT, at, 5))
        (finding,) = found(well, letters)
        assert (finding.count, finding.since) == (3, NOW - 2 * HOUR)
        assert finding.advice == "dunlin redrive --queue CoreEventsDeadLetterQueue"
        assert letters.hidden == set()

    def test_refused_input_is_not_redriven(self, well: House, letters: FakeDeadLetters) -> None:
        letters.add(Letter("RefusedInputQueue", "m", LetterKind.REFUSED, NOW, 1))
        (finding,) = found(well, letters)
        assert "redrive" not in finding.advice
