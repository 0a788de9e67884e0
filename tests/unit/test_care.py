"""How it went, asked once a matter is over: by rules, answered by a mark, and a person where it went badly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.agreements import TaskKind
from dunlin.domain.intents import Asked, Intent
from dunlin.domain.message import Message
from dunlin.domain.words import HoldKind, MessageState, Purpose

from tests.builders import DAY, TODAY, House, loan_document, party_document
from tests.unit.test_dialogues import says, tasks

HEARS = ["service", "servicing", "collection", "mandatory", "reply"]
HOUR = timedelta(hours=1)


def quiet_house() -> House:
    """Nothing is due for a long time, so nobody is written to about money."""
    house = House()
    house.know("b-1", loan_document(due_on=TODAY + 40 * DAY), parties=[party_document(may_hear=HEARS)])
    return house


def resolved(house: House | None = None, intent: Intent = Intent.COMPLAINT, text_id: str = "in-1") -> House:
    house = house or quiet_house()
    says(house, intent, text_id=text_id)
    house.minute()
    house.clock.advance(HOUR)
    house.tell("task.closed", task={"task_id": text_id, "by": "staff-7"})
    return house


def surveys(house: House, message: str = "feedback_request") -> list[Message]:
    return [m for m in house.messages() if m.template == message and m.reserved_at is not None]


def surveyed() -> House:
    house = resolved()
    house.run_until(house.now + 2 * DAY)
    assert len(surveys(house)) == 1
    return house


def feedback(house: House) -> list[dict[str, Any]]:
    return [dict(detail) for kind, _, detail in house.announced.said if kind == "feedback.received"]


class TestAsked:
    def test_a_day_after_the_matter_is_over_and_not_before(self) -> None:
        house = resolved()
        house.run_until(house.now + timedelta(hours=25))
        assert surveys(house) == []
        house.run_until(house.now + 23 * HOUR)
        [message] = surveys(house)
        assert message.state is MessageState.DELIVERED
        assert message.purpose is Purpose.SERVICE

    def test_once_in_a_season_whatever_the_matter_was(self) -> None:
        house = surveyed()
        resolved(house, Intent.QUESTION, "in-2")
        house.run_days(10)
        assert len(surveys(house)) == 1

    def test_never_after_an_opt_out(self) -> None:
        house = resolved()
        house.text("STOP", inbound_id="in-9")
        house.run_days(8)
        assert surveys(house) == []

    def test_not_while_a_case_is_open(self) -> None:
        house = House()
        loan = loan_document(due_on=TODAY - 6 * DAY, days_past_due=6)
        house.know("b-1", loan, parties=[party_document(may_hear=HEARS)])
        house.run_until(house.now + HOUR)
        resolved(house)
        house.run_days(4)
        assert house.borrower().case is not None
        assert surveys(house) == []

    def test_not_while_something_else_of_theirs_is_open(self) -> None:
        house = resolved()
        says(house, Intent.QUESTION, text_id="in-2")
        house.run_until(house.now + 3 * DAY)
        assert surveys(house) == []

    def test_not_to_somebody_in_distress(self) -> None:
        house = resolved()
        house.tell("hold.placed", hold={"hold_id": "h-1", "kind": "vulnerable", "source": "staff"})
        house.run_until(house.now + 3 * DAY)
        assert HoldKind.VULNERABLE in {hold.kind for hold in house.borrower().holds}
        assert surveys(house) == []

    def test_not_long_after(self) -> None:
        house = resolved()
        house.tell("hold.placed", hold={"hold_id": "h-1", "kind": "vulnerable", "source": "staff"})
        house.run_until(house.now + 10 * DAY)
        house.tell("hold.lifted", hold={"hold_id": "h-1", "by": "staff"})
        house.run_until(house.now + 3 * DAY)
        assert surveys(house) == []

    def test_whether_all_is_well_weeks_after_a_hardship_and_once(self) -> None:
        house = resolved(intent=Intent.HARDSHIP)
        house.run_days(20)
        assert surveys(house, "follow_up") == []
        house.run_days(12)
        assert len(surveys(house, "follow_up")) == 1
        house.check_ledger()


class TestAnswered:
    @pytest.mark.parametrize(("text", "rating"), [("5", 5), ("four out of 5", 4), ("great, thank you", None)])
    def test_well_it_is_recorded_and_told_and_nobody_writes_back(self, text: str, rating: int | None) -> None:
        house = surveyed()
        before = len(house.messages())
        house.text(text, inbound_id="in-5")
        house.minute()
        house.minute()
        [told] = feedback(house)
        assert (told["rating"], told["over"], told["about"], told["text_id"]) == (rating, "complaint", "in-1", "in-5")
        assert told["strategy"] == "standard"
        assert told["template"] == "feedback_request"
        assert told["message"] == surveys(house)[0].ref
        assert house.store.records["b-1", "FEEDBACK#feedback_request-in-1"]["rating"] == rating
        assert len(house.messages()) == before
        assert text not in str(told) or text == "5"

    def test_badly_it_brings_a_person(self) -> None:
        house = surveyed()
        house.text("1", inbound_id="in-5")
        house.minute()
        assert TaskKind.FEEDBACK in tasks(house)
        assert [m.template for m in house.messages() if m.in_reply_to == "in-5"] == ["help"]
        assert [each["rating"] for each in feedback(house)] == [1]

    def test_the_first_answer_stands(self) -> None:
        house = surveyed()
        house.text("4", inbound_id="in-5")
        house.text("2", inbound_id="in-6")
        house.run_until(house.now + HOUR)
        assert [each["rating"] for each in feedback(house)] == [4]

    def test_a_complaint_is_one_and_its_mark_counts_too(self) -> None:
        house = surveyed()
        house.text("I want to complain, 1", inbound_id="in-5")
        house.run_until(house.now + HOUR)
        assert [each["rating"] for each in feedback(house)] == [1]
        assert tasks(house).count(TaskKind.COMPLAINT) == 2

    def test_stop_is_stop(self) -> None:
        house = surveyed()
        house.text("STOP", inbound_id="in-5")
        house.run_until(house.now + HOUR)
        assert feedback(house) == []
        assert any(m.template == "opt_out_confirmation" for m in house.messages())

    def test_no_answer_ends_silently_and_a_late_digit_is_nothing(self) -> None:
        house = surveyed()
        house.run_days(4)
        before = house.borrower().care
        house.text("5", inbound_id="in-5")
        assert feedback(house) == []
        assert house.borrower().care == before

    def test_before_it_was_sent_a_digit_is_nothing(self) -> None:
        house = resolved()
        house.text("5", inbound_id="in-5")
        assert feedback(house) == []

    def test_told_again_should_nobody_learn_that_it_was(self) -> None:
        house = surveyed()
        house.text("3", inbound_id="in-5")
        house.minute()
        borrower = house.borrower()
        again = replace(borrower, care=tuple(replace(care, told=False) for care in borrower.care), wake_at=house.now)
        from dunlin.services.ports import Change

        house.store.commit(Change(borrower=again))
        house.minute()
        assert len(feedback(house)) == 2
        assert len({event_id for kind, event_id, _ in house.announced.said if kind == "feedback.received"}) == 1


def test_what_was_asked_last_is_what_a_digit_answers() -> None:
    from dunlin.domain.answers import asked_of

    house = surveyed()
    point = house.borrower().parties[0].points[0].point
    assert asked_of(house.borrower(), "p-1", point, house.now) == Asked(rating=True)
    assert asked_of(house.borrower(), "p-2", point, house.now) == Asked()
