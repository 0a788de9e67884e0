"""What follows from a text, over the real services: stops first, then promises, then a person who is told."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dunlin.domain.agreements import PromiseStatus, TaskKind
from dunlin.domain.intents import Intent, Topic, Understood
from dunlin.domain.keeping import Erasure
from dunlin.domain.message import Message
from dunlin.domain.retention import without_person
from dunlin.domain.tasks import to_announce
from dunlin.domain.words import HoldKind, MessageState, Purpose
from dunlin.errors import InvalidInput, NotFound, TransientError

from tests.builders import DAY, NOW, PHONE, TODAY, House, loan_document, party_document

FRIDAY = date(2026, 6, 5)
DUNNING = (Purpose.SERVICING, Purpose.COLLECTION)


def late_house(**changes: Any) -> House:
    house = House()
    hears = ["service", "servicing", "collection", "mandatory", "reply"]
    loan = loan_document(due_on=TODAY - 6 * DAY, days_past_due=6, **changes)
    house.know("b-1", loan, parties=[party_document(may_hear=hears)])
    return house


def says(house: House, intent: Intent, topic: Topic = Topic.NONE, *, text_id: str = "in-1", **meant: Any) -> None:
    house.meant[text_id] = Understood(intent, 1.0, "en", topic, **meant)
    house.text(text_id, inbound_id=text_id)


def replies(house: House, borrower_id: str = "b-1") -> list[str]:
    return [m.template for m in house.messages(borrower_id) if m.purpose is Purpose.REPLY]


def dunned(house: House, since: Any = NOW) -> list[Message]:
    return [
        message
        for message in house.messages()
        if message.purpose in DUNNING
        and message.reserved_at is not None
        and message.reserved_at >= since
        and not message.template.startswith("promise_")
    ]


def said(house: House, template: str) -> list[Message]:
    return [m for m in house.messages() if m.template == template and m.state is MessageState.DELIVERED]


def stops(house: House) -> set[HoldKind]:
    return {hold.kind for hold in house.borrower().holds}


def tasks(house: House, borrower_id: str = "b-1") -> list[TaskKind]:
    return [task.kind for task in house.borrower(borrower_id).tasks]


MATTERS = [
    (Intent.HARDSHIP, Topic.NONE, HoldKind.HARDSHIP, TaskKind.HARDSHIP, "hardship_received"),
    (Intent.HARDSHIP, Topic.BANKRUPTCY, HoldKind.BANKRUPTCY, TaskKind.BANKRUPTCY, ""),
    (Intent.HARDSHIP, Topic.ATTORNEY, HoldKind.ATTORNEY, TaskKind.ATTORNEY, ""),
    (Intent.DISPUTE, Topic.NONE, HoldKind.DISPUTE, TaskKind.DISPUTE, "dispute_received"),
    (Intent.DISPUTE, Topic.IDENTITY_THEFT, HoldKind.IDENTITY_THEFT, TaskKind.IDENTITY_THEFT, "dispute_received"),
    (Intent.COMPLAINT, Topic.NONE, HoldKind.COMPLAINT, TaskKind.COMPLAINT, "complaint_received"),
    (Intent.CRISIS, Topic.NONE, HoldKind.CRISIS, TaskKind.CRISIS, "crisis_help"),
    (Intent.DECEASED, Topic.NONE, HoldKind.DECEASED, TaskKind.DECEASED, ""),
    (Intent.PAID, Topic.NONE, HoldKind.PAID_CLAIMED, TaskKind.PAID, "help"),
    (Intent.OPT_OUT, Topic.EVERYTHING, HoldKind.CEASE_REQUEST, TaskKind.CEASE_REQUEST, "opt_out_confirmation"),
]
each_matter = pytest.mark.parametrize(("intent", "topic", "stop", "task", "reply"), MATTERS)


class TestStops:
    @each_matter
    def test_dunning_stops_at_once_a_person_is_told_and_the_reply_goes(
        self, intent: Intent, topic: Topic, stop: HoldKind, task: TaskKind, reply: str
    ) -> None:
        house = late_house()
        message = house.rendered()
        says(house, intent, topic)
        house.send.send("b-1", message.key)
        assert stop in stops(house)
        assert tasks(house) == [task]
        assert house.message(message).state is MessageState.SUPPRESSED
        house.minute()
        assert replies(house) == ([reply] if reply else [])
        house.clock.advance(timedelta(minutes=1))
        house.minute()
        assert [m.state for m in house.messages() if m.purpose is Purpose.REPLY and m.template != "help"] == [
            MessageState.DELIVERED
        ] * (reply not in ("", "help"))
        assert ("person.needed", str(task)) in [(kind, detail.get("kind")) for kind, _, detail in announced(house)]
        house.run_days(5)
        assert dunned(house) == []

    @each_matter
    def test_a_repeated_text_changes_nothing(
        self, intent: Intent, topic: Topic, stop: HoldKind, task: TaskKind, reply: str
    ) -> None:
        house = late_house()
        says(house, intent, topic)
        before, messages = house.borrower(), house.messages()
        says(house, intent, topic)
        assert (house.borrower(), house.messages()) == (before, messages)
        assert stop in stops(house)
        assert (tasks(house), replies(house)) == ([task], [reply] if reply else [])

    def test_a_claim_of_payment_stops_for_a_week_and_then_resumes_and_is_believed_once(self) -> None:
        house = late_house()
        says(house, Intent.PAID)
        house.run_days(6)
        assert dunned(house) == []
        house.run_days(4)
        assert dunned(house)
        says(house, Intent.PAID, text_id="in-2")
        assert HoldKind.PAID_CLAIMED not in stops(house)
        assert tasks(house) == [TaskKind.PAID]

    def test_a_claim_that_is_true_ends_with_the_payment(self) -> None:
        house = late_house()
        says(house, Intent.PAID)
        house.clock.advance(timedelta(hours=1))
        house.pay()
        assert stops(house) == set()

    def test_whoever_comes_back_takes_the_request_to_cease_back(self) -> None:
        house = late_house()
        says(house, Intent.OPT_OUT, Topic.EVERYTHING)
        house.clock.advance(timedelta(hours=1))
        house.text("START", inbound_id="in-2")
        assert stops(house) == set()


def announced(house: House) -> list[tuple[str, str, dict[str, Any]]]:
    return [(kind, event_id, dict(detail)) for kind, event_id, detail in house.announced.said]


class TestWrongNumber:
    def test_the_number_is_lost_and_nothing_is_said(self) -> None:
        house = late_house()
        message = house.rendered()
        says(house, Intent.WRONG_NUMBER)
        house.send.send("b-1", message.key)
        assert house.message(message).state is MessageState.SUPPRESSED
        (point,) = (point for party in house.borrower().parties for point in party.points if point.address == PHONE)
        assert not point.usable
        house.run_days(3)
        assert replies(house) == []
        assert [order for order in house.orders if order.address == PHONE] == []
        assert tasks(house) == [TaskKind.WRONG_NUMBER]


class TestShared:
    @pytest.mark.parametrize("intent", [Intent.HARDSHIP, Intent.DISPUTE, Intent.PROMISE, Intent.BALANCE, Intent.PAID])
    def test_what_is_safe_is_done_for_all_and_nothing_is_said_about_a_debt(self, intent: Intent) -> None:
        house = late_house()
        house.know("b-2", loan_document("l-2", due_on=TODAY - 6 * DAY, days_past_due=6))
        says(house, intent, on=FRIDAY)
        assert [*replies(house), *replies(house, "b-2")] == ["help"]
        for borrower_id in ("b-1", "b-2"):
            assert not house.borrower(borrower_id).promises
            stopped = intent in (Intent.HARDSHIP, Intent.DISPUTE)
            assert bool(house.borrower(borrower_id).holds) == stopped
            assert bool(tasks(house, borrower_id)) == (intent is not Intent.BALANCE)


class TestBalance:
    def test_it_is_stated_from_fresh_figures(self) -> None:
        house = late_house()
        house.checkpoint()
        says(house, Intent.BALANCE)
        house.minute()
        (reply,) = (m for m in house.messages() if m.template == "balance")
        assert reply.state is MessageState.SENT
        assert "120.50 USD" in [figure.value for figure in reply.figures]

    def test_figures_too_old_are_not_stated(self) -> None:
        house = late_house()
        house.clock.advance(timedelta(days=5))
        says(house, Intent.BALANCE)
        assert replies(house) == ["help"]

    def test_what_became_uncertain_meanwhile_is_not_said(self) -> None:
        house = late_house()
        house.checkpoint()
        says(house, Intent.BALANCE)
        house.tell(
            "payment.pending",
            payment={"payment_id": "p-1", "amount": "20.00"},
            loan=house.loan_now(
                pending=[{"payment_id": "p-1", "amount": "20.00", "received_at": house.now.isoformat()}]
            ),
        )
        house.minute()
        assert [m.state for m in house.messages() if m.template == "balance"] == [MessageState.SUPPRESSED]
        assert tasks(house) == [TaskKind.NOT_ANSWERED]


class TestPromise:
    def house(self, **meant: Any) -> House:
        house = late_house()
        house.checkpoint()
        says(house, Intent.PROMISE, **({"on": FRIDAY} | meant))
        return house

    def test_it_is_confirmed_with_its_figures_and_dunning_pauses_until_after_its_day(self) -> None:
        house = self.house()
        house.minute()
        (reply,) = (m for m in house.messages() if m.template == "promise_confirmed")
        assert {figure.value for figure in reply.figures} >= {"120.50 USD", "2026-06-05"}
        house.run_days(6)
        assert dunned(house) == []
        assert len(said(house, "promise_day")) == 1

    def test_the_amount_is_the_one_that_was_written(self) -> None:
        (promise,) = self.house(amount=Decimal("50")).borrower().promises
        assert str(promise.amount) == "50.00 USD"

    def test_kept_by_payments_that_add_up(self) -> None:
        house = self.house(amount=Decimal("50"))
        house.clock.advance(DAY)
        for payment_id, rest in (("p-1", "90.50"), ("p-2", "60.50")):
            house.clock.advance(timedelta(hours=1))
            house.pay(
                payment_id,
                amount="30.00",
                instalments=[{"number": 1, "due_on": str(TODAY - 6 * DAY), "outstanding": rest}],
                days_past_due=7,
            )
            house.pay(
                payment_id,
                amount="30.00",
                instalments=[{"number": 1, "due_on": str(TODAY - 6 * DAY), "outstanding": rest}],
                days_past_due=7,
            )
            expected = PromiseStatus.OPEN if payment_id == "p-1" else PromiseStatus.KEPT
            house.wake()
            assert house.borrower().promises[0].status is expected
        assert HoldKind.PROMISE not in stops(house)
        house.run_until(house.now + DAY)
        assert len(said(house, "promise_kept")) == 1
        assert said(house, "promise_broken") == []

    def test_broken_is_said_before_anything_else_and_then_dunning_goes_on(self) -> None:
        house = self.house()
        house.run_days(14)
        (promise,) = house.borrower().promises
        assert promise.status is PromiseStatus.BROKEN
        (broken,) = said(house, "promise_broken")
        assert broken.reserved_at is not None
        after = dunned(house)
        assert after
        assert all(m.reserved_at is not None and m.reserved_at > broken.reserved_at for m in after)

    def test_money_on_its_way_when_the_grace_is_over_is_waited_for(self) -> None:
        house = self.house()
        house.run_days(5)
        pending = [{"payment_id": "p-1", "amount": "120.50", "received_at": house.now.isoformat()}]
        house.tell(
            "payment.pending",
            payment={"payment_id": "p-1", "amount": "120.50"},
            loan=house.loan_now(pending=pending),
        )
        house.run_until(house.now + 3 * DAY)
        assert house.borrower().promises[0].status is PromiseStatus.OPEN

    def test_a_day_is_asked_for_and_a_bare_date_answers(self) -> None:
        house = self.house(on=None)
        assert house.borrower().promises == ()
        assert len(house.borrower().dialogues) == 1
        says(house, Intent.OTHER, text_id="in-2", on=FRIDAY)
        assert [promise.on for promise in house.borrower().promises] == [FRIDAY]
        assert house.borrower().dialogues == ()

    def test_a_question_of_ours_does_not_stand_for_ever(self) -> None:
        house = self.house(on=None)
        house.clock.advance(timedelta(hours=49))
        says(house, Intent.OTHER, text_id="in-2", on=FRIDAY)
        assert house.borrower().promises == ()

    @pytest.mark.parametrize("meant", [{"on": TODAY + 60 * DAY}, {"on": FRIDAY, "amount": Decimal("1.234")}])
    def test_what_cannot_be_taken_goes_to_a_person_who_helps(self, meant: dict[str, Any]) -> None:
        house = self.house(**meant)
        assert (tasks(house), replies(house)) == ([TaskKind.PROMISE], ["help"])
        assert stops(house) == set()

    def test_after_so_many_a_person_helps(self) -> None:
        house = late_house()
        for number in range(5):
            says(house, Intent.PROMISE, text_id=f"in-{number}", on=FRIDAY)
            house.clock.advance(timedelta(minutes=1))
        assert [p.status for p in house.borrower().promises] == [PromiseStatus.WITHDRAWN] * 3 + [PromiseStatus.OPEN]
        assert tasks(house) == [TaskKind.PROMISE]
        assert len([hold for hold in house.borrower().holds if hold.kind is HoldKind.PROMISE]) == 1

    def test_an_opt_out_goes_before_a_promise(self) -> None:
        house = self.house(on=None)
        house.text("STOP", inbound_id="in-2")
        says(house, Intent.PROMISE, text_id="in-3", on=FRIDAY)
        house.run_days(8)
        assert [order for order in house.orders if order.address == PHONE and "opt" not in order.ref] == []
        assert house.borrower().dialogues == ()

    def test_hardship_takes_the_place_of_a_promise(self) -> None:
        house = self.house()
        says(house, Intent.HARDSHIP, text_id="in-2")
        house.run_days(12)
        assert house.borrower().promises[0].status is PromiseStatus.WITHDRAWN
        assert said(house, "promise_broken") == []
        assert dunned(house) == []


class TestNotUnderstood:
    def test_the_second_time_a_person_takes_over(self) -> None:
        house = late_house()
        says(house, Intent.OTHER)
        assert (tasks(house), replies(house)) == ([], ["not_understood"])
        house.clock.advance(timedelta(minutes=1))
        says(house, Intent.OTHER, text_id="in-2")
        assert (tasks(house), replies(house)[1:]) == ([TaskKind.NOT_UNDERSTOOD], ["help"])

    def test_a_text_that_is_understood_between_them_begins_anew(self) -> None:
        house = late_house()
        says(house, Intent.OTHER)
        says(house, Intent.HELP, text_id="in-2")
        says(house, Intent.OTHER, text_id="in-3")
        assert tasks(house) == []


class TestEveryIntent:
    @pytest.mark.parametrize("topic", Topic)
    @pytest.mark.parametrize("intent", Intent)
    def test_ends_in_a_reply_a_task_or_a_recorded_nothing(self, intent: Intent, topic: Topic) -> None:
        house = late_house()
        says(house, intent, topic)
        record = house.store.records["b-1", "TEXT#in-1"]
        assert record["reply"] or tasks(house) or record["did"]
        assert record["intent"] == str(intent)


class TestCrash:
    @each_matter
    def test_a_delivery_that_died_between_its_writes_is_finished_by_the_next(
        self, intent: Intent, topic: Topic, stop: HoldKind, task: TaskKind, reply: str
    ) -> None:
        for survived in range(6):
            house = late_house()
            left = [survived]

            def dies(left: list[int] = left) -> None:
                if left[0] == 0:
                    left[0] = -1
                    raise TransientError("storage")
                left[0] -= 1

            house.store.before_commit.extend([dies] * (survived + 1))
            try:
                says(house, intent, topic)
            except TransientError:
                says(house, intent, topic)
            assert stop in stops(house)
            assert (tasks(house), replies(house)) == ([task], [reply] if reply else [])

    def test_two_texts_that_arrive_together_do_not_cross(self) -> None:
        house = late_house()
        house.meant["in-2"] = Understood(Intent.HARDSHIP, 1.0, "en")
        done: list[int] = []

        def other() -> None:
            if not done:
                done.append(1)
                house.text("in-2", inbound_id="in-2")

        house.meant["in-1"] = Understood(Intent.PROMISE, 1.0, "en", on=FRIDAY)
        # The second comes in while the first is about to be written for the borrower.
        house.store.before_commit.extend([lambda: None, other])
        house.text("in-1", inbound_id="in-1")
        assert {HoldKind.HARDSHIP, HoldKind.PROMISE} <= stops(house)
        assert tasks(house) == [TaskKind.HARDSHIP]
        assert sorted(replies(house)) == ["hardship_received", "promise_confirmed"]


class TestTasks:
    def test_clocks_that_run_out_are_told(self) -> None:
        house = late_house()
        says(house, Intent.DISPUTE)
        house.run_days(32)
        because = [detail["because"] for kind, _, detail in announced(house) if kind == "person.needed"]
        assert because == ["opened", "unacknowledged", "unanswered"]
        assert stops(house) == {HoldKind.DISPUTE}

    def test_an_answer_lifts_what_the_task_stopped_and_is_told(self) -> None:
        house = late_house()
        says(house, Intent.DISPUTE)
        house.run_days(1)
        house.tell("task.acknowledged", task={"task_id": "in-1", "by": "staff-7"})
        house.tell("task.closed", task={"task_id": "in-1", "by": "staff-7", "outcome": "outcome.not_changed"})
        assert stops(house) == set()
        (task,) = house.borrower().tasks
        assert (task.closed_by, task.outcome, task.acknowledged_at) == ("staff-7", "outcome.not_changed", house.now)
        house.run_days(9)
        assert len(said(house, "dispute_resolved")) == 1
        assert dunned(house)
        assert [d["because"] for kind, _, d in announced(house) if kind == "person.needed"] == ["opened"]

    def test_a_complaint_that_was_answered_is_told_once(self) -> None:
        house = late_house()
        says(house, Intent.COMPLAINT)
        house.run_days(1)
        for _ in range(2):
            house.tell("task.closed", task={"task_id": "in-1", "by": "staff-7"})
        house.run_days(2)
        assert len(said(house, "complaint_answered")) == 1

    def test_staff_does_not_lift_what_only_compliance_may(self) -> None:
        house = late_house()
        says(house, Intent.DECEASED)
        house.clock.advance(DAY)
        house.tell("task.closed", task={"task_id": "in-1", "by": "staff-7"})
        assert stops(house) == {HoldKind.DECEASED}

    def test_unknown_tasks_and_outcomes_are_refused(self) -> None:
        house = late_house()
        with pytest.raises(NotFound):
            house.tell("task.closed", task={"task_id": "in-9", "by": "staff-7"})
        says(house, Intent.DISPUTE)
        with pytest.raises(InvalidInput):
            house.tell("task.closed", task={"task_id": "in-1", "by": "staff-7", "outcome": "outcome.no_such"})


class TestForgetting:
    def test_a_request_that_is_granted_takes_what_was_agreed_and_asked_with_it(self) -> None:
        house = late_house()
        says(house, Intent.PROMISE, on=FRIDAY)
        says(house, Intent.OTHER, text_id="in-2")
        says(house, Intent.DISPUTE, text_id="in-3")
        assert house.borrower().promises
        assert house.borrower().tasks
        asked = Erasure("r-1", house.now, "borrower")
        after = without_person(house.borrower(), asked, house.now)
        assert (after.promises, after.dialogues, after.tasks) == ((), (), ())


class TestCalledFor:
    def test_a_bus_that_is_not_there_loses_no_call(self, monkeypatch: pytest.MonkeyPatch) -> None:
        house = late_house()
        says(house, Intent.CRISIS)

        def gone(*_: object) -> None:
            raise TransientError("bus")

        with monkeypatch.context() as patch:
            patch.setattr(house.announced, "announce", gone)
            with pytest.raises(TransientError):
                house.evaluate.borrower("b-1")
        ((task, what),) = to_announce(house.borrower(), house.now)
        assert (task.kind, what) == (TaskKind.CRISIS, "opened")
        house.wake()
        assert [event_id for _, event_id, _ in announced(house)] == ["b-1/in-1/opened"]
        assert to_announce(house.borrower(), house.now) == ()


class TestNotAnswered:
    """What we had to say did not go out: nobody is left waiting for nobody."""

    @pytest.mark.parametrize("late", [timedelta(minutes=10), timedelta(hours=2)])
    def test_a_reply_whose_time_is_over_becomes_a_task(self, late: timedelta) -> None:
        """It came too late to be answered, or nothing moved until it was."""
        house = late_house()
        if late > timedelta(hours=1):
            house.meant["in-1"] = Understood(Intent.BALANCE, 1.0, "en")
            house.text("in-1", inbound_id="in-1", received_at=NOW - late)
        else:
            says(house, Intent.BALANCE)
            assert tasks(house) == []
            house.clock.advance(timedelta(minutes=61))
        house.minute()
        (reply,) = (m for m in house.messages() if m.purpose is Purpose.REPLY)
        assert (reply.state, tasks(house)) == (MessageState.EXPIRED, [TaskKind.NOT_ANSWERED])
        house.minute()
        assert ("person.needed", "not_answered") in [(kind, detail.get("kind")) for kind, _, detail in announced(house)]

    def test_whoever_wants_no_more_texts_waits_for_none(self) -> None:
        house = late_house()
        says(house, Intent.BALANCE)
        house.text("STOP", inbound_id="in-2")
        house.minute()
        assert tasks(house) == []
        assert [m.state for m in house.messages() if m.template == "balance"] == [MessageState.SUPPRESSED]

    def test_an_opt_out_needs_nobody_if_it_is_not_confirmed(self) -> None:
        house = late_house()
        says(house, Intent.OPT_OUT)
        house.clock.advance(timedelta(hours=1))
        house.minute()
        assert tasks(house) == []

    @pytest.mark.parametrize("intent", [Intent.HARDSHIP, Intent.QUESTION])
    def test_a_person_who_was_called_is_not_called_twice(self, intent: Intent) -> None:
        house = late_house()
        says(house, intent)
        (before,) = tasks(house)
        house.clock.advance(timedelta(minutes=61))
        house.minute()
        assert tasks(house) == [before]

    def test_a_second_text_about_an_open_matter_joins_it(self) -> None:
        house = late_house()
        says(house, Intent.HARDSHIP)
        house.clock.advance(timedelta(hours=3))
        house.minute()
        says(house, Intent.HARDSHIP, text_id="in-2")
        house.clock.advance(timedelta(minutes=61))
        house.minute()
        assert tasks(house) == [TaskKind.HARDSHIP]
