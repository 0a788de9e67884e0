"""The stop button and the ceilings: in force at the next reservation, and gone when they are lifted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.pauses import Pause
from dunlin.domain.words import MessageState, PauseScope, Reason
from dunlin.errors import InvalidInput, StateConflict
from dunlin.services.line_health import stopped
from dunlin.services.pauses import Pauses
from dunlin.services.ports import EARS, LineState, NotAccepted, PauseBoard
from dunlin.services.sweep import heard

from tests.builders import MINUTE, NOW, House, loan_document, party_document

HOUR = timedelta(hours=1)


def pauses_of(house: House) -> Pauses:
    templates = frozenset(template for template, _, _ in house.content.templates)
    return Pauses(house.controls, house.content.lender, templates, house.clock)


def reminded(house: House) -> House:
    """A borrower whose first reminder is due now."""
    house.know("b-1", loan_document())
    house.checkpoint()
    return house


ALL = [
    (PauseScope.EVERYTHING, ""),
    (PauseScope.BRAND, "marram"),
    (PauseScope.LINE, "us-10dlc"),
    (PauseScope.TEMPLATE, "due_today"),
]


@pytest.mark.parametrize(("scope", "name"), ALL)
@pytest.mark.parametrize("at", ["requested", "due", "rendered"])
def test_a_pause_holds_at_the_next_reservation(house: House, scope: PauseScope, name: str, at: str) -> None:
    reminded(house)
    message = {"requested": house.request, "due": house.due, "rendered": house.rendered}[at]()
    assert message.line == "us-10dlc"
    pauses_of(house).pause(scope, name, by="s-1", why="a wrong figure was seen")
    house.minute()
    after = house.message(message)
    assert (after.state, after.reason) == (MessageState.SUPPRESSED, Reason.PAUSED)
    assert house.sender.orders == []
    for _ in range(8):
        house.clock.advance(HOUR)
        house.minute()
    # Nothing went; and where another line carries the purpose, only a pause of the line lets it.
    assert all(order.line.line_id != "us-10dlc" for order in house.sender.orders)
    if scope is not PauseScope.LINE:
        assert house.sender.orders == []


@pytest.mark.parametrize(("scope", "name"), ALL)
def test_lifted_it_is_said_after_all(house: House, scope: PauseScope, name: str) -> None:
    reminded(house)
    pauses = pauses_of(house)
    pauses.pause(scope, name, by="s-1", why="a look at the text")
    house.minute()
    assert house.sender.orders == []
    assert pauses.resume(scope, name, by="s-2", why="it is right")
    assert not pauses.resume(scope, name, by="s-2")
    house.clock.advance(HOUR + MINUTE)
    house.minute()
    house.minute()
    assert len(house.sender.orders) == 1
    assert [(act.act, act.by) for act in pauses.board().acts] == [("paused", "s-1"), ("resumed", "s-2")]


@pytest.mark.parametrize(
    ("scope", "name"),
    [(PauseScope.BRAND, "binhe"), (PauseScope.LINE, "us-email"), (PauseScope.TEMPLATE, "tier_1")],
)
def test_a_pause_of_something_else_stops_nothing(house: House, scope: PauseScope, name: str) -> None:
    reminded(house)
    pauses_of(house).pause(scope, name, by="s-1", why="another matter")
    assert house.sent().state is MessageState.SENT


def test_a_pause_ends_by_itself_to_the_instant(house: House) -> None:
    reminded(house)
    pauses = pauses_of(house)
    pauses.pause(PauseScope.EVERYTHING, by="s-1", why="maintenance", until=NOW + HOUR)
    house.minute()
    house.clock.now = NOW + HOUR - timedelta(microseconds=1)
    assert len(pauses.in_force()) == 1
    house.minute()
    assert house.sender.orders == []
    house.clock.now = NOW + HOUR
    assert pauses.in_force() == ()
    house.minute()
    house.minute()
    assert len(house.sender.orders) == 1


def test_everything_is_everything_the_answer_to_a_stop_too(house: House) -> None:
    reminded(house)
    pauses_of(house).pause(PauseScope.EVERYTHING, by="s-1", why="a loop")
    received = house.text("STOP")
    assert received.changed  # the opt-out itself is in force all the same
    house.minute()
    assert house.sender.orders == []
    (confirmation,) = [m for m in house.store.messages.values() if m.stage == "opt_out_confirmation"]
    assert (confirmation.state, confirmation.reason) == (MessageState.SUPPRESSED, Reason.PAUSED)


def test_a_hand_over_that_was_to_be_tried_again_is_not(house: House) -> None:
    reminded(house)
    house.sender.answers = [NotAccepted(Reason.THROTTLED)]
    message = house.sent()
    assert (message.state, message.may_retry) == (MessageState.RESERVED, True)
    pauses_of(house).pause(PauseScope.EVERYTHING, by="s-1", why="stop")
    house.a_minute_later()
    after = house.message(message)
    assert (after.state, after.reason) == (MessageState.FAILED, Reason.PAUSED)
    assert len(house.sender.orders) == 1
    assert house.borrower().contacts == ()


@pytest.mark.parametrize(
    ("scope", "name", "by", "why", "field"),
    [
        (PauseScope.BRAND, "nobody", "s-1", "x", "name"),
        (PauseScope.LINE, "", "s-1", "x", "name"),
        (PauseScope.EVERYTHING, "us-10dlc", "s-1", "x", "name"),
        (PauseScope.TEMPLATE, "reminder", " ", "x", "by"),
        (PauseScope.TEMPLATE, "reminder", "s-1", "", "why"),
        (PauseScope.TEMPLATE, "reminder", "s-1", "x" * 201, "why"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    house: House, scope: PauseScope, name: str, by: str, why: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        pauses_of(house).pause(scope, name, by=by, why=why)
    assert refused.value.field == field
    assert house.controls.pauses() == PauseBoard()


def test_an_end_that_is_over_is_refused(house: House) -> None:
    with pytest.raises(InvalidInput) as refused:
        pauses_of(house).pause(PauseScope.EVERYTHING, by="s-1", why="x", until=NOW)
    assert refused.value.field == "until"


def test_pressed_again_the_newer_word_counts(house: House) -> None:
    pauses = pauses_of(house)
    pauses.pause(PauseScope.EVERYTHING, by="s-1", why="an hour", until=NOW + HOUR)
    pauses.pause(PauseScope.EVERYTHING, by="s-2", why="until we know more")
    assert pauses.in_force() == (Pause(PauseScope.EVERYTHING, "", "s-2", "until we know more", NOW),)


def test_two_people_press_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = pauses_of(house)
    put, others = house.controls.put_pauses, [1]

    def interrupted(board: PauseBoard) -> None:
        if others:
            others.pop()
            pauses_of(house).pause(PauseScope.LINE, "us-10dlc", by="s-2", why="first")
        put(board)

    monkeypatch.setattr(house.controls, "put_pauses", interrupted)
    pauses.pause(PauseScope.TEMPLATE, "tier_1", by="s-1", why="second")
    assert {(pause.scope, pause.name) for pause in pauses.in_force()} == {
        (PauseScope.LINE, "us-10dlc"),
        (PauseScope.TEMPLATE, "tier_1"),
    }


def test_a_pause_is_never_lost_in_silence(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(board: PauseBoard) -> None:
        raise StateConflict("pauses")

    monkeypatch.setattr(house.controls, "put_pauses", never)
    with pytest.raises(StateConflict):
        pauses_of(house).pause(PauseScope.EVERYTHING, by="s-1", why="x")


# ── Ceilings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def with_ceiling(house: House, **ceilings: int) -> House:
    lender = replace(house.content.lender, ceilings=tuple(ceilings.items()))
    return House(NOW, replace(house.content, lender=lender))


def many(house: House, count: int) -> None:
    """Borrowers with a telephone each, for whom the same reminder is due now."""
    for number in range(count):
        party = party_document(party_id=f"p-{number}", phone=f"+121255501{number:02d}")
        house.know(f"b-{number}", loan_document(loan_id=f"l-{number}"), parties=[party])


def test_no_more_of_a_template_than_its_ceiling_in_a_day(house: House) -> None:
    house = with_ceiling(house, due_today=3)
    many(house, 8)
    house.checkpoint()
    for _ in range(30):
        house.minute()
        house.clock.advance(MINUTE)
    assert len(house.sender.orders) == 3
    stopped = {m.reason for m in house.store.messages.values() if m.state is MessageState.SUPPRESSED}
    assert stopped == {Reason.CEILING, Reason.OVERTAKEN}
    marks = [mark for borrower in house.store.borrowers.values() for mark in borrower.marks]
    assert {mark.reason for mark in marks if mark.status == "waiting"} == {Reason.CEILING}


def test_the_next_day_is_a_new_one(house: House) -> None:
    house = with_ceiling(house, due_today=1)
    many(house, 3)
    house.run_until(NOW + timedelta(hours=3))
    assert len(house.sender.orders) == 1
    assert house.controls.survey([], NOW.date()).released == {"due_today": 1}
    assert house.controls.survey([], NOW.date() + timedelta(days=1)).released == {}


def _killed() -> None:
    raise AssertionError("killed")


def test_the_count_is_never_below_what_was_sent(house: House) -> None:
    house = with_ceiling(house, due_today=2)
    many(house, 2)
    house.checkpoint()
    house.wake()
    house.store.before_commit.append(_killed)
    with pytest.raises(AssertionError):  # the process dies after the count, before the release
        house.pace_lines()
    house.clock.advance(MINUTE)
    for _ in range(5):
        house.minute()
        house.clock.advance(MINUTE)
    assert house.controls.released(NOW.date()).counts["due_today"] >= len(house.sender.orders)
    assert len(house.sender.orders) == 0  # both were counted; neither went in the first run


# ── Deaf, and a core that fell silent ────────────────────────────────────────────────────────────────────────────────


def test_a_sweep_that_is_dead_is_deafness_too() -> None:
    house = reminded(House(hears=False))
    house.minute()  # never probed: nothing is known
    assert house.sender.orders == []
    house.hears = True
    house.sweep_up()  # heard, and then the sweep dies
    house.hears = False
    house.clock.advance(15 * MINUTE + timedelta(seconds=1))
    house.checkpoint()
    house.wake()
    house.run_cases()
    marks = [mark.reason for mark in house.borrower().marks if mark.status == "waiting"]
    assert marks == [Reason.DEAF]
    assert house.sender.orders == []


def test_a_probe_that_is_heard_late_proves_only_what_came_before_it() -> None:
    house = reminded(House(hears=False))
    house.sweep.probe()
    old = list(house.ears.probes)
    house.clock.advance(60 * MINUTE)
    house.checkpoint()
    for ear, probe in old:
        heard(house.controls, ear, probe, house.now)
    house.ears.probes.clear()
    house.sweep.probe()  # the next one is on its way: what people sent in this hour may still be behind it
    house.minute()
    assert house.sender.orders == []
    for ear, probe in house.ears.probes or [(ear, house.controls.hearing(ear).probe) for ear in EARS]:
        heard(house.controls, ear, probe, house.now)
    house.clock.advance(16 * MINUTE)
    house.hears = True
    house.checkpoint()
    house.minute()
    house.minute()
    assert len(house.sender.orders) == 1


def test_a_core_that_fell_silent_stops_what_is_said_about_money(house: House) -> None:
    reminded(house)
    quiet = timedelta(minutes=house.content.lender.core_heartbeat_max_minutes)
    message = house.rendered()
    house.clock.advance(quiet + timedelta(seconds=1))
    house.send_rendered()
    after = house.message(message)
    assert (after.state, after.reason, after.rule) == (
        MessageState.SUPPRESSED,
        Reason.STALE_BALANCE,
        "core_heartbeat_max_minutes",
    )
    house.checkpoint()
    house.clock.advance(HOUR)
    house.checkpoint()
    house.minute()
    house.minute()
    assert len(house.sender.orders) == 1


def test_to_the_instant_the_core_is_not_silent_yet(house: House) -> None:
    reminded(house)
    message = house.rendered()
    house.clock.advance(timedelta(minutes=house.content.lender.core_heartbeat_max_minutes))
    house.send_rendered()
    assert house.message(message).state is MessageState.SENT


def test_resume_ends_a_line_s_own_rest_with_a_few_texts_at_first(house: House) -> None:
    line = "us-10dlc"
    now = house.clock()
    house.controls.put_line(stopped(house.controls.line(line), now + 400 * MINUTE, Reason.SPEND_LIMIT))
    pauses = pauses_of(house)
    assert pauses.resume(PauseScope.LINE, line, by="s-1")
    state = house.controls.line(line)
    assert (state.stopped_until, state.step) == (None, 1)
    assert not pauses.resume(PauseScope.LINE, line, by="s-1")


def test_resume_of_a_line_that_others_keep_writing_to(house: House) -> None:
    line = "us-10dlc"
    house.controls.put_line(stopped(house.controls.line(line), house.clock() + MINUTE, Reason.FAILURES))
    put, tries = house.controls.put_line, []

    def busy(state: LineState) -> None:
        tries.append(state)
        if len(tries) < 2:
            raise StateConflict("line")
        put(state)

    house.controls.put_line = busy  # type: ignore[method-assign]
    assert pauses_of(house).resume(PauseScope.LINE, line, by="s-1")
    tries.clear()
    house.controls.lines[line] = replace(house.controls.line(line), stopped_until=house.clock() + MINUTE)

    def never(_: LineState) -> None:
        raise StateConflict("line")

    house.controls.put_line = never  # type: ignore[method-assign, assignment]
    with pytest.raises(StateConflict):
        pauses_of(house).resume(PauseScope.LINE, line, by="s-1")
