"""A person answers in the thread, over the real services: in their own words, or not at all, and never unheard of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.agreements import TaskKind
from dunlin.domain.intents import Intent
from dunlin.domain.keeping import Erasure
from dunlin.domain.ledger import entry_hash
from dunlin.domain.message import Message
from dunlin.domain.retention import without_person
from dunlin.domain.words import MessageState, Purpose, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ingest import Ingested

from tests.builders import DAY, NOW, PHONE, TODAY, House, chinese_party, loan_document, party_document
from tests.unit.test_dialogues import late_house, says, stops

WORDS = "We looked into it: the fee was our mistake and it has been taken off."
HEARS = ["service", "servicing", "collection", "mandatory", "reply"]


def complained(**changes: Any) -> House:
    house = late_house(**changes)
    says(house, Intent.COMPLAINT)
    house.minute()
    house.clock.advance(timedelta(hours=1))
    return house


def answers(house: House, words: str = WORDS, **changes: Any) -> Ingested:
    answer = {"answer_id": "a-1", "author": "staff-7", "task_id": "in-1", "words": words} | changes
    return house.tell("answer.requested", answer={name: value for name, value in answer.items() if value is not None})


def refusal(house: House, words: str = WORDS, **changes: Any) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as refused:
        answers(house, words, **changes)
    return refused.value.field, refused.value.problem


def said(house: House, template: str = "answer") -> list[Message]:
    return [message for message in house.messages() if message.template == template]


def announced(house: House, kind: str = "answer.refused") -> list[dict[str, object]]:
    return [dict(detail) for each, _, detail in house.announced.said if each == kind]


class TestSaid:
    def test_goes_to_whoever_wrote_there_where_they_wrote_from_with_its_author(self) -> None:
        house = complained()
        assert answers(house) is Ingested.APPLIED
        house.minute()
        [message] = said(house)
        assert message.state is MessageState.SENT
        assert (message.author, message.in_reply_to, message.purpose) == ("staff-7", "in-1", Purpose.SERVICE)
        assert message.point == house.keys.point(message.channel, PHONE)
        assert WORDS in house.orders[-1].body
        assert house.orders[-1].address == PHONE
        assert WORDS not in str(message.figures)
        house.check_ledger()

    def test_the_author_is_part_of_the_proof(self) -> None:
        house = complained()
        answers(house)
        house.minute()
        [message] = said(house)
        from dataclasses import replace

        assert entry_hash(message.previous_hash, replace(message, author="staff-8")) != message.entry_hash

    def test_asked_for_twice_it_is_said_once_and_an_id_names_one_answer(self) -> None:
        house = complained()
        answers(house)
        assert answers(house) is Ingested.REPEATED
        house.run_days(8)
        assert answers(house) is Ingested.REPEATED
        house.run_days(1)
        assert len(said(house)) == 1
        assert refusal(house, "Something else.") == ("answer.answer_id", "names another answer already")

    def test_closes_the_task_and_lifts_what_it_stopped_and_says_nothing_beside_it(self) -> None:
        house = complained()
        assert stops(house)
        answers(house, closes_task=True)
        house.minute()
        [task] = house.borrower().tasks
        assert (task.kind, task.closed_by, task.outcome) == (TaskKind.COMPLAINT, "staff-7", "answered")
        assert not stops(house)
        assert not said(house, "complaint_answered")
        assert refusal(house, "Once more.", answer_id="a-2", closes_task=True)[0] == "answer.closes_task"

    def test_a_text_without_a_task_is_answered_too(self) -> None:
        house = late_house()
        says(house, Intent.HELP)
        house.minute()
        answers(house, task_id=None, text_id="in-1")
        house.minute()
        assert [message.state for message in said(house)] == [MessageState.SENT]

    def test_waits_for_the_hours(self) -> None:
        house = complained()
        house.clock.now = NOW + timedelta(hours=14)  # the night
        assert answers(house) is Ingested.APPLIED
        house.minute()
        assert not [message for message in said(house) if message.reserved_at is not None]
        house.run_until(house.now + timedelta(hours=14))
        [message] = [message for message in said(house) if message.reserved_at is not None]
        assert message.state is MessageState.DELIVERED

    def test_a_template_in_the_words_is_said_as_it_stands(self) -> None:
        house = complained()
        words = "Hello {{ name }} {% if total %}and{% endif %} {{ opt_out }}"
        answers(house, words)
        house.minute()
        assert words in house.orders[-1].body

    def test_the_words_go_when_somebody_asks_to_be_forgotten(self) -> None:
        house = complained()
        answers(house)
        borrower = house.borrower()
        assert WORDS in repr([notice.answer.words for notice in borrower.notices if notice.answer])
        bare = without_person(borrower, Erasure("r-1", house.now, "core"), house.now)
        assert not any(notice.answer.words for notice in bare.notices if notice.answer)

    def test_the_words_are_in_no_record(self) -> None:
        house = complained()
        answers(house)
        assert WORDS not in repr(house.store.records)
        assert WORDS not in repr(house.borrower())
        assert house.store.records["b-1", "ANSWER#a-1"]["author"] == "staff-7"


class TestNotSaid:
    def test_after_an_opt_out_it_is_refused(self) -> None:
        house = complained()
        house.text("STOP", inbound_id="in-2")
        field, problem = refusal(house)
        assert field == "answer"
        assert "opted out" in problem

    def test_an_opt_out_that_comes_in_between_stops_it_and_whoever_asked_is_told(self) -> None:
        house = complained()
        answers(house)
        house.text("STOP", inbound_id="in-2")
        house.minute()
        house.minute()
        assert [(m.state, m.reason) for m in said(house)][-1] == (MessageState.SUPPRESSED, Reason.OPTED_OUT)
        assert not [message for message in said(house) if message.reserved_at is not None]
        assert [(each["answer_id"], each["reason"]) for each in announced(house)] == [("a-1", "opted_out")]

    def test_what_was_never_delivered_is_told(self) -> None:
        house = complained()
        answers(house)
        house.minute()
        [message] = said(house)
        house.report(message, MessageState.FAILED)
        house.run_until(house.now + DAY)
        assert [each["reason"] for each in announced(house)] == ["unreachable"]
        assert len([message for message in said(house) if message.reserved_at is not None]) == 1

    def test_a_figure_that_changed_in_between_stops_it(self) -> None:
        house = complained(overdue=None)
        answers(house, "You still owe $120.50, as you said.")
        house.tell(
            "loan.snapshot",
            loan=house.loan_now(instalments=[{"number": 1, "due_on": str(TODAY - 6 * DAY), "outstanding": "99.00"}]),
        )
        house.run_until(house.now + 2 * DAY)
        assert not [message for message in said(house) if message.reserved_at is not None]
        assert [each["reason"] for each in announced(house)] == ["figures_mismatch"]

    def test_a_number_that_two_have_is_answered_by_a_person(self) -> None:
        house = complained()
        house.know("b-2", loan_document("l-2"), parties=[party_document(may_hear=HEARS)])
        assert refusal(house) == ("answer", "the number is another borrower's too: let a person call")

    def test_a_number_that_is_theirs_no_more(self) -> None:
        house = complained()
        house.know("b-1", parties=[party_document(may_hear=HEARS, phone="+12125550188")], sequence=2)
        assert refusal(house)[1] == "the number that the text came from is theirs no more"

    def test_whoever_may_not_hear_it_is_not_told(self) -> None:
        house = complained()
        house.know("b-1", parties=[party_document(may_hear=["collection"])], sequence=2)
        assert "may not hear" in refusal(house)[1]

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"task_id": "in-9"}, "answer.task_id"),
            ({"task_id": None, "text_id": "in-9"}, "answer.text_id"),
            ({"party_id": "p-9"}, "answer.party_id"),
            ({"locale": "zh-CN"}, "answer.locale"),
            ({"words": None, "message": "tier_1"}, "answer.message"),
            ({"words": None, "message": "answer"}, "answer.message"),
            ({"words": None, "message": "help"}, "answer.message"),
            ({"words": None}, "answer"),
            ({"message": "answer_call"}, "answer"),
            ({"text_id": "in-1"}, "answer"),
            ({"author": "Wilhelmina Plantagenet"}, "answer.author"),
        ],
    )
    def test_what_can_be_known_at_the_door_is_refused_by_field(self, changes: dict[str, Any], field: str) -> None:
        assert refusal(complained(), **changes)[0] == field

    def test_a_refusal_is_told_over_the_bus_and_puts_nothing_in_doubt(self) -> None:
        from dunlin.entry.facts import apply_fact

        house = complained()
        document = {
            "event_id": "e-x",
            "type": "answer.requested",
            "occurred_at": house.now.isoformat(),
            "borrower_id": "b-1",
            "answer": {
                "answer_id": "a-1",
                "author": "staff-7",
                "task_id": "in-1",
                "words": "Pay or we take you to court",
            },
        }
        with pytest.raises(InvalidInput):
            apply_fact(house.ingest, document, nobody_waits=True)
        house.minute()
        [told] = announced(house)
        assert (told["answer_id"], told["author"], told["reason"]) == ("a-1", "staff-7", "refused")
        assert str(told["rule"]).startswith("answer.words: says something that no text may say")
        assert "take you to" not in str(told)
        assert house.borrower().doubted_at is None


class TestFiledRoutes:
    def house(self) -> House:
        house = House()
        loan = loan_document(due_on=TODAY - 6 * DAY, days_past_due=6, currency="CNY")
        house.know("b-1", loan, jurisdiction="CN", zone="Asia/Shanghai", parties=[chinese_party(may_hear=HEARS)])
        phone = house.borrower().parties[0].points[0].address
        house.text("我要投诉", from_address=phone)
        house.minute()
        return house

    def test_take_no_words_and_say_the_way_out(self) -> None:
        field, problem = refusal(self.house(), "您反映的费用我们查过了。")
        assert field == "answer.words"
        assert "answer.message" in problem

    def test_take_a_text_on_file(self) -> None:
        house = self.house()
        answers(house, None, message="answer_ready")  # type: ignore[arg-type]
        house.run_until(house.now + DAY)
        [message] = said(house, "answer_ready")
        assert message.state is MessageState.DELIVERED
        assert house.borrower().tasks[0].reference in house.orders[-1].body


class TestQuestions:
    def house(self, **loan: Any) -> House:
        house = House()
        document = loan_document(due_on=TODAY + 20 * DAY, **loan)
        house.know("b-1", document, parties=[party_document(may_hear=HEARS)])
        return house

    def test_the_terms_are_explained_where_the_core_gave_them(self) -> None:
        house = self.house(rate="12.5", ends_on="2029-06-30")
        house.text("what is my interest rate", inbound_id="in-1")
        house.minute()
        [message] = said(house, "terms_explained")
        assert message.state is MessageState.SENT
        assert "12.5%" in message.body
        assert not house.borrower().tasks

    def test_a_person_explains_them_where_it_did_not(self) -> None:
        house = self.house(rate="12.5")
        house.text("what is my interest rate", inbound_id="in-1")
        house.minute()
        assert [message.template for message in house.messages() if message.in_reply_to] == ["help"]
        assert [task.kind for task in house.borrower().tasks] == [TaskKind.QUESTION]

    def test_who_asks_for_advice_on_money_is_told_who_gives_it(self) -> None:
        house = self.house()
        house.text("where can I get free debt advice", inbound_id="in-1")
        house.minute()
        [message] = said(house, "money_guidance")
        assert message.state is MessageState.SENT
        assert not house.borrower().tasks
