"""What makes us fall silent about a borrower we know: a fact that was refused, and a move to where nothing is reviewed.
And two sweeps that meet at one message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.words import MessageState, Reason
from dunlin.entry.facts import apply_fact
from dunlin.errors import InvalidInput, VersionConflict
from dunlin.services.evaluate import ATTEMPTS, NO_PACK_WAITS
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted

from tests.builders import MINUTE, NEW_YORK, NOW, TODAY, House, loan_document, party_document


@pytest.fixture
def owing(house: House) -> House:
    house.know("b-1", loan_document(due_on=TODAY))
    house.checkpoint()
    house.sweep_up()
    return house


def conflicts() -> None:
    raise VersionConflict("b-1")


class TestDoubt:
    def test_nobody_we_know(self, house: House) -> None:
        house.ingest.doubt("b-9")
        assert house.store.borrowers == {}

    def test_it_is_written_down_and_looked_at_at_once(self, owing: House) -> None:
        owing.wake()
        version = owing.borrower().version
        owing.clock.advance(MINUTE)
        owing.ingest.doubt("b-1")
        borrower = owing.borrower()
        assert (borrower.doubted_at, borrower.version) == (owing.now, version + 1)
        assert borrower.wake_at is not None
        assert borrower.wake_at <= owing.now

    def test_another_writer_was_first(self, owing: House) -> None:
        owing.store.before_commit = [conflicts] * (ATTEMPTS - 1)
        owing.ingest.doubt("b-1")
        assert owing.borrower().doubted_at == NOW

    def test_others_were_first_each_time(self, owing: House) -> None:
        owing.store.before_commit = [conflicts] * ATTEMPTS
        with pytest.raises(VersionConflict):
            owing.ingest.doubt("b-1")
        assert owing.borrower().doubted_at is None

    def test_a_refused_fact_stops_what_is_on_its_way(self, owing: House) -> None:
        message = owing.rendered()
        document: dict[str, Any] = {
            "event_id": "e-bad",
            "type": "loan.snapshot",
            "occurred_at": owing.now.isoformat(),
            "borrower_id": "b-1",
            "loan": loan_document(sequence=2) | {"currency": "XXX"},
        }
        with pytest.raises(InvalidInput, match=r"loan\.currency"):
            apply_fact(owing.ingest, document)
        owing.send.send("b-1", message.key)
        stopped = owing.message(message)
        assert (stopped.state, stopped.reason) == (MessageState.SUPPRESSED, Reason.STALE_BALANCE)
        assert owing.orders == []

    @pytest.mark.parametrize(("later", "is_said"), [(timedelta(0), False), (MINUTE, True)])
    def test_only_a_newer_snapshot_ends_it(self, owing: House, later: timedelta, is_said: bool) -> None:
        owing.ingest.doubt("b-1")
        owing.clock.advance(later)
        owing.tell("loan.snapshot", loan=owing.loan_now())
        owing.clock.advance(MINUTE)
        owing.checkpoint()  # the feed's word does not count for a borrower in doubt
        owing.minute()
        assert bool(owing.orders) is is_said

    @pytest.mark.parametrize("type_", [{"a": 1}, ["loan.snapshot"], 7, None])
    def test_a_type_that_is_no_text_is_refused_and_leaves_a_doubt(self, owing: House, type_: object) -> None:
        with pytest.raises(InvalidInput):
            apply_fact(owing.ingest, {"type": type_, "borrower_id": "b-1"})
        assert owing.borrower().doubted_at is not None

    def test_what_names_nobody_leaves_no_doubt(self, owing: House) -> None:
        for borrower_id in (None, 7, "b 1", "b-1/../b-2"):
            with pytest.raises(InvalidInput):
                apply_fact(owing.ingest, {"type": "loan.snapshot", "borrower_id": borrower_id})
        assert owing.borrower().doubted_at is None


class TestMovedAway:
    """`US-TX` has no pack: nobody reviewed what may be said there."""

    def moves(self, house: House, jurisdiction: str, sequence: int) -> None:
        house.tell(
            "borrower.updated",
            borrower={
                "sequence": sequence,
                "jurisdiction": jurisdiction,
                "time_zone": NEW_YORK,
                "parties": [party_document()],
            },
        )

    def test_what_is_on_its_way_stops(self, owing: House) -> None:
        message = owing.rendered()
        self.moves(owing, "US-TX", 2)
        assert owing.borrower().jurisdiction == "US-TX"
        owing.send.send("b-1", message.key)
        stopped = owing.message(message)
        assert (stopped.state, stopped.reason) == (MessageState.SUPPRESSED, Reason.CONTENT_NOT_LIVE)
        assert owing.orders == []

    def test_nothing_new_is_asked_for_and_nobody_is_forgotten(self, owing: House) -> None:
        self.moves(owing, "US-TX", 2)
        owing.wake()
        assert owing.messages() == []
        assert owing.borrower().wake_at == owing.now + NO_PACK_WAITS

    def test_an_escalation_waits_and_does_not_end(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=TODAY - timedelta(days=3)))
        house.checkpoint()
        house.minute()
        self.moves(house, "US-TX", 2)
        house.run_until(house.now + timedelta(days=3))
        case = house.borrower().case
        assert case is None or case.ended_at is None
        assert [m for m in house.messages() if m.reserved_at is not None and m.reserved_at > NOW] == []
        assert house.borrower().wake_at is not None

    def test_back_again_it_goes_on(self, owing: House) -> None:
        self.moves(owing, "US-TX", 2)
        owing.wake()
        owing.clock.advance(MINUTE)
        self.moves(owing, "US-NY", 3)
        owing.minute()
        assert len(owing.orders) == 1

    def test_somebody_new_from_there_is_refused(self, house: House) -> None:
        with pytest.raises(InvalidInput, match="jurisdiction"):
            self.moves(house, "US-TX", 1)
        assert house.store.borrowers == {}


class TestTwoSweepsAtOneMessage:
    """A throttled message may be tried again: once, by whoever takes the permission."""

    @pytest.fixture
    def throttled(self, owing: House) -> House:
        owing.answer(NotAccepted(Reason.THROTTLED))
        message = owing.sent()
        assert message.may_retry
        owing.clock.advance(MINUTE)
        owing.pace_lines()
        owing.clock.advance(MINUTE)
        return owing

    def test_the_second_comes_between_the_read_and_the_taking(self, throttled: House) -> None:
        (message,) = throttled.in_state(MessageState.RESERVED)
        throttled.store.before_commit = [lambda: throttled.sweep.attend("b-1", message.key)]
        throttled.sweep.attend("b-1", message.key)
        assert len(throttled.orders) == 2  # the first one, which was throttled, and one more
        assert throttled.message(message).state is MessageState.SENT

    def test_the_second_comes_while_the_first_is_calling(
        self, throttled: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (message,) = throttled.in_state(MessageState.RESERVED)
        calls: list[HandOver] = []

        def hand_over(order: HandOver) -> HandOverResult:
            calls.append(order)
            assert len(calls) == 1
            throttled.sweep.attend("b-1", message.key)
            return Accepted("provider-1")

        monkeypatch.setattr(throttled.sender, "hand_over", hand_over)
        throttled.sweep.attend("b-1", message.key)
        assert len(calls) == 1
        assert throttled.message(message).state is MessageState.SENT

    def test_the_first_dies_and_the_second_comes_after_it(
        self, throttled: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether the provider has it is not known: it is closed as unsettled, never handed over a third time."""
        (message,) = throttled.in_state(MessageState.RESERVED)

        def hand_over(order: HandOver) -> HandOverResult:
            raise KeyboardInterrupt

        with monkeypatch.context() as dying:
            dying.setattr(throttled.sender, "hand_over", hand_over)
            with pytest.raises(KeyboardInterrupt):
                throttled.sweep.attend("b-1", message.key)
        throttled.clock.advance(timedelta(minutes=10))
        throttled.sweep.attend("b-1", message.key)
        after = throttled.message(message)
        assert (after.state, after.reason) == (MessageState.UNSETTLED, Reason.PROCESS_LOST)
        assert len(throttled.orders) == 1
