"""The pacer: never faster than the line, most urgent first, one at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from dunlin.domain.message import WINDOW_MARGIN
from dunlin.domain.words import MessageState, Purpose, Reason
from dunlin.errors import StateConflict
from dunlin.services.ports import LineState
from dunlin.testing import MemoryStore

from tests.builders import DAY, MINUTE, NOW, TODAY, House, a_message, loan_document

LINE = "us-10dlc"
RATE = 0.8  # parts a second


def waiting(house: House, count: int, **changes: object) -> None:
    """`count` messages of one part, each more urgent than the one after it."""
    for number in range(count):
        key = f"2026-06-08#reminder_7#0#sms#{number}"
        message = a_message(
            borrower_id=f"b-{number:04d}",
            key=key,
            line=LINE,
            revision=1,
            not_after=NOW + timedelta(hours=5, seconds=number),
        )
        house.store.messages[message.borrower_id, key] = replace(message, **changes)  # type: ignore[arg-type]


def due(house: House) -> int:
    return len(house.in_state(MessageState.DUE))


def test_a_burst_and_then_the_rate(house: House) -> None:
    waiting(house, 300)
    released = []
    for _ in range(5):
        (paced,) = house.pace_lines()
        released.append(paced.released)
        house.clock.advance(MINUTE)
    assert released == [48, 48, 48, 48, 48]
    assert due(house) == 240


def test_never_more_than_the_rate_however_often_it_runs(house: House) -> None:
    waiting(house, 300)
    house.pace_lines()
    for _ in range(60):
        house.clock.advance(timedelta(seconds=1))
        house.pace_lines()
    assert due(house) <= 48 + 60 * RATE


def test_an_idle_line_saves_up_no_more_than_a_minute(house: House) -> None:
    house.controls.lines[LINE] = LineState(LINE, 1, 0.0, NOW - DAY)
    waiting(house, 300)
    assert house.pace_lines()[0].released == 48


def test_the_most_urgent_first(house: House) -> None:
    waiting(house, 60)
    waiting_key = ("b-0059", "2026-06-08#reminder_7#0#sms#59")
    house.store.messages[waiting_key] = replace(house.store.messages[waiting_key], priority=0)
    house.pace_lines()
    states = {m.borrower_id: m.state for m in house.store.messages.values()}
    assert states["b-0059"] is states["b-0000"] is MessageState.DUE
    assert states["b-0058"] is MessageState.REQUESTED


def test_parts_count_and_none_goes_before_a_more_urgent_one(house: House) -> None:
    waiting(house, 3, expected_parts=30)
    key = ("b-0002", "2026-06-08#reminder_7#0#sms#2")
    house.store.messages[key] = replace(house.store.messages[key], expected_parts=2)
    (paced,) = house.pace_lines()
    assert (paced.released, paced.waiting) == (2, 1)
    assert house.controls.line(LINE).tokens == 48 - 60


def test_what_cannot_fit_is_known_early(house: House) -> None:
    waiting(house, 98, not_after=NOW + WINDOW_MARGIN + timedelta(seconds=30))
    (paced,) = house.pace_lines()
    assert paced.released == 48
    assert paced.late > 0


def test_not_before_and_not_after(house: House) -> None:
    waiting(house, 1, not_before=NOW + MINUTE)
    assert house.pace_lines()[0].released == 0
    # Released now, its reservation would stop it: too little of its window is left.
    waiting(house, 1, not_after=NOW + WINDOW_MARGIN)
    (paced,) = house.pace_lines()
    assert (paced.released, paced.late) == (0, 1)
    (message,) = (m for m in house.store.messages.values() if m.not_after == NOW + WINDOW_MARGIN)
    assert (message.state, message.reason) == (MessageState.EXPIRED, Reason.LINE_FULL)


def test_an_answer_has_no_hours(house: House) -> None:
    waiting(house, 1, purpose=Purpose.REPLY, not_after=NOW + MINUTE)
    assert house.pace_lines()[0].released == 1


def test_another_run_holds_the_line(house: House) -> None:
    waiting(house, 1)
    house.controls.lines[LINE] = LineState(LINE, 1, leased_until=NOW + timedelta(seconds=1))
    assert house.pace_lines() == []
    house.clock.advance(timedelta(seconds=1))
    assert house.pace_lines()[0].released == 1


def test_two_runs_at_once(house: House) -> None:
    waiting(house, 1)
    put = house.controls.put_line

    def other_first(state: LineState) -> None:
        house.controls.put_line = put  # type: ignore[method-assign]
        put(LineState(LINE, leased_until=NOW + timedelta(seconds=50)))
        put(state)

    house.controls.put_line = other_first  # type: ignore[method-assign]
    assert house.pace_lines() == []
    assert due(house) == 0


def test_a_stopped_line_releases_nothing(house: House) -> None:
    waiting(house, 1)
    house.controls.lines[LINE] = LineState(LINE, 1, stopped_until=NOW + MINUTE, stop_reason=Reason.SPEND_LIMIT)
    (paced,) = house.pace_lines()
    assert (paced.released, paced.stopped) == (0, True)
    house.clock.advance(MINUTE)
    assert house.pace_lines()[0].released == 1


def test_nothing_to_do_costs_no_write(house: House) -> None:
    assert house.pace_lines() == []
    assert house.controls.lines == {}


def test_the_index_can_be_behind(house: House) -> None:
    """It still shows what was released, and what is gone."""
    waiting(house, 2)
    queued = house.store.queued(LINE, 10)
    one = ("b-0000", "2026-06-08#reminder_7#0#sms#0")
    house.store.messages[one] = replace(house.store.messages[one], state=MessageState.DUE)
    del house.store.messages["b-0001", "2026-06-08#reminder_7#0#sms#1"]
    house.store.queued = lambda line, limit, now=None: queued  # type: ignore[method-assign]
    assert house.pace_lines()[0].released == 0


def test_a_message_that_moved_meanwhile(house: House) -> None:
    waiting(house, 1)

    def conflicts() -> None:
        raise StateConflict("m")

    house.store.before_commit.append(conflicts)
    assert house.pace_lines()[0].released == 0


def test_a_line_that_is_stopped_while_it_is_paced(house: House) -> None:
    """The stop was first: the claim is refused, and nothing goes."""
    waiting(house, 1)
    put = house.controls.put_line

    def stopped_first(state: LineState) -> None:
        house.controls.put_line = put  # type: ignore[method-assign]
        put(replace(house.controls.line(LINE), stopped_until=NOW + DAY, stop_reason=Reason.SPEND_LIMIT))
        put(state)

    house.controls.put_line = stopped_first  # type: ignore[method-assign]
    assert house.pace_lines() == []
    assert house.controls.line(LINE).stop_reason is Reason.SPEND_LIMIT
    assert due(house) == 0


def test_two_borrowers_with_one_deadline(house: House) -> None:
    house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7)))
    house.know("b-2", loan_document(due_on=TODAY + timedelta(days=7)))
    house.wake()
    assert len(MemoryStore.queued(house.store, LINE, 10)) == 2


def test_a_text_longer_than_the_bucket_waits_for_a_full_one_and_is_paid_for(house: House) -> None:
    """A slow line and a long text: late rather than never, and no faster on the whole."""
    lender = house.content.lender
    slow = tuple(replace(line, parts_per_second=1 / 60) if line.line_id == LINE else line for line in lender.lines)
    house = House(NOW, replace(house.content, lender=replace(lender, lines=slow)))
    waiting(house, 4, expected_parts=3)
    released = []
    for _ in range(8):
        released.append(sum(paced.released for paced in house.pace_lines()))
        house.clock.advance(MINUTE)
    assert released == [1, 0, 0, 1, 0, 0, 1, 0]
