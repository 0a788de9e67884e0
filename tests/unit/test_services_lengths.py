"""What a text weighs before it goes: by its words, and not by what its template says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.message import Message
from dunlin.domain.pauses import Pause
from dunlin.domain.words import MessageState, PauseScope, Reason
from dunlin.services.lengths import TextLengths
from dunlin.services.line_health import speaks_of_line
from dunlin.services.line_plan import SECOND, Room, parts_today
from dunlin.services.pace import Pace
from dunlin.testing import FakeSlots

from tests.builders import NOW, TODAY, House, loan_document, raised

LINE = "us-10dlc"


def asked_for(house: House, loans: int) -> Message:
    due_on = TODAY + timedelta(days=7)
    house.know(
        "b-1", *(loan_document(f"l-{number}", due_on, account_tail=f"{4000 + number}") for number in range(loans))
    )
    return house.request()


@pytest.mark.parametrize(("loans", "parts"), [(1, 1), (3, 2)])
def test_by_the_words_it_would_go_in(house: House, loans: int, parts: int) -> None:
    message = asked_for(house, loans)
    assert message.expected_parts == 1
    assert TextLengths(house.store, house.compose).parts(message, NOW) == parts
    rendered = house.rendered()
    assert rendered.parts == parts


def test_what_will_not_be_sent_weighs_nothing_and_is_let_go_to_be_told_why(house: House) -> None:
    message = asked_for(house, 1)
    house.pay(loan_id="l-0")
    lengths = TextLengths(house.store, house.compose)
    assert lengths.parts(message, NOW) == 0
    slots = FakeSlots()
    house.pace = Pace(house.store, house.controls, house.content, house.settle, house.clock, slots, lengths)
    house.pace_lines()
    paced = house.pace.second(LINE, raised, NOW)
    assert paced is not None
    assert paced.released == 1
    state = house.controls.line(LINE)
    assert (state.released, state.free_at) == (0, None)
    house.render_due()
    assert house.message(message).state is MessageState.SUPPRESSED


def test_a_pause_does_not_empty_a_backlog_at_once(house: House) -> None:
    message = asked_for(house, 1)
    board = house.controls.pauses()
    house.controls.put_pauses(type(board)(board.revision, (Pause(PauseScope.EVERYTHING, "", "a-1", "drill", NOW),)))
    assert TextLengths(house.store, house.compose).parts(message, NOW) == 1


def test_nobody_is_nothing(house: House) -> None:
    message = asked_for(house, 1)
    house.store.borrowers.clear()
    assert TextLengths(house.store, house.compose).parts(message, NOW) == 0


def room(rate: float, tokens: float, *taken: int) -> Room:
    (line,) = (line for line in House(NOW).content.lender.lines if line.line_id == LINE)
    made = Room(replace(line, parts_per_second=rate), tokens, 0, SECOND)
    for parts in taken:
        made.take(parts)
    return made


@pytest.mark.parametrize(
    ("rate", "tokens", "taken", "parts", "fits"),
    [
        (1, 1, (), 4, True),  # it cannot be torn apart
        (3, 3, (2,), 2, True),  # the rest of one text is owed
        (3, 2, (1,), 2, False),  # handed over the other way round there would be no part left for the short one
        (3, 3, (1,), 4, False),
        (3, 3, (1, 1), 1, True),
        (100, 100, (98,), 2, True),
        (100, 100, (99,), 2, False),  # nothing is owed where it costs next to nothing to wait
        (100, 100, (99,), 1, True),
    ],
)
def test_what_a_second_takes(rate: int, tokens: int, taken: tuple[int, ...], parts: int, fits: bool) -> None:
    assert room(rate, tokens, *taken).fits(parts) is fits


def test_of_a_days_parts_some_are_for_the_most_urgent() -> None:
    (line,) = (line for line in House(NOW).content.lender.lines if line.line_id == LINE)
    limited = replace(line, parts_per_day=2_000)
    assert (parts_today(limited, 0), parts_today(limited, 1)) == (2_000, 1_960)
    assert parts_today(line, 5) is None


def test_a_failure_of_the_recipient_says_nothing_of_the_line() -> None:
    assert speaks_of_line(Reason.CARRIER_BLOCKED, point_unusable=False)
    assert not speaks_of_line(Reason.UNREACHABLE, point_unusable=False)
    assert not speaks_of_line(Reason.BOUNCED, point_unusable=True)
