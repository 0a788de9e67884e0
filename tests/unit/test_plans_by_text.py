"""A plan asked for by text: what is offered, what is chosen, and who is told of it, over the real services."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dunlin.domain.agreements import Awaited, PromiseStatus, TaskKind
from dunlin.domain.answers import asked_of
from dunlin.domain.intents import Asked, Intent, Understood
from dunlin.domain.keeping import Erasure
from dunlin.domain.money import total
from dunlin.domain.planning import offer_facts, offers_told
from dunlin.domain.plans import Approval, Debt, Offer, offers
from dunlin.domain.retention import without_person
from dunlin.domain.words import HoldKind, MessageState, Product
from dunlin.errors import InvalidInput, NotFound
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import DAY, NOW, TODAY, House, loan_document, party_document, shipped_content, usd
from tests.unit.test_dialogues import announced, dunned, late_house, replies, said, says, stops, tasks

HEARS = ["service", "servicing", "collection", "mandatory", "reply"]


def asked(house: House) -> Asked:
    borrower = house.borrower()
    (point,) = {each.point for each in borrower.dialogues} or {""}
    return asked_of(borrower, "p-1", point, house.now)


def offered(house: House) -> tuple[Offer, ...]:
    (dialogue,) = house.borrower().dialogues
    assert dialogue.awaits is Awaited.OFFER
    return dialogue.offers


def planned(text: str = "can I get a payment plan please", **loan: Any) -> House:
    """Somebody late who asked for a plan in their own words."""
    house = late_house(**loan)
    house.checkpoint()
    house.text(text, inbound_id="in-1")
    return house


def answer_to(house: House, text_id: str) -> str:
    (reply,) = (m.template for m in house.messages() if m.in_reply_to == text_id)
    return reply


class TestOffered:
    def test_the_plans_of_the_policy_are_told_with_their_first_payment_their_number_and_the_total(self) -> None:
        house = planned()
        found = offered(house)
        assert 1 <= len(found) <= 3
        assert {offer.debt for offer in found} == {usd("120.50")}
        assert asked(house) == Asked(offers=len(found))
        assert tasks(house) == []
        assert replies(house) == ["plan_choices"]
        house.minute()
        house.clock.advance(timedelta(minutes=1))
        house.minute()
        (reply,) = said(house, "plan_choices")
        assert reply.figures == offer_facts(found)
        (body,) = (order.body for order in house.orders if "We can offer" in order.body)
        for offer in found:
            assert f"{offer.number}) {len(offer.instalments)} payment" in body
            assert str(offer.instalments[0].amount.amount) in body

    def test_all_that_is_overdue_of_every_loan_is_the_debt(self) -> None:
        house = House()
        late = [
            loan_document(f"l-{number}", TODAY - days * DAY, days_past_due=days) for number, days in ((1, 40), (2, 6))
        ]
        later = loan_document("l-3", TODAY + 9 * DAY)
        house.know("b-1", *late, later, parties=[party_document(may_hear=HEARS)])
        house.text("I need a payment plan")
        assert {offer.debt for offer in offered(house)} == {usd("241.00")}

    def test_the_core_s_overdue_total_is_the_figure_and_instalments_that_are_due_add_up_without_one(self) -> None:
        due = [{"number": n, "due_on": str(TODAY - d * DAY), "outstanding": "60.00"} for n, d in ((1, 36), (2, 6))]
        rest = {"number": 3, "due_on": str(TODAY + 25 * DAY), "outstanding": "60.00"}
        house = planned(instalments=[*due, rest])
        assert {offer.debt for offer in offered(house)} == {usd("120.00")}

    @pytest.mark.parametrize("amount", [Decimal("40"), Decimal("0.001"), Decimal(0)])
    def test_what_they_can_pay_at_a_time_narrows_and_what_is_no_amount_does_not(self, amount: Decimal) -> None:
        house = late_house()
        says(house, Intent.PLAN, amount=amount)
        if amount >= 1:
            assert all(offer.largest <= usd("40.00") for offer in offered(house))
        else:
            assert len(offered(house)) > 0

    def test_nothing_is_due_before_the_day_they_can_pay(self) -> None:
        house = late_house()
        says(house, Intent.PLAN, on=TODAY + 20 * DAY)
        assert all(offer.first_due_on >= TODAY + 20 * DAY for offer in offered(house))

    def test_where_the_policy_has_none_a_person_helps(self) -> None:
        refused: list[tuple[House, Decimal | None]] = [
            (late_house(outstanding="20.00"), None),
            (late_house(product="mortgage"), None),
            (late_house(), Decimal(1)),
        ]
        for house, amount in refused:
            says(house, Intent.PLAN, amount=amount)
            assert (tasks(house), replies(house)) == ([TaskKind.PLAN], ["help"])
            assert house.borrower().dialogues == ()

    def test_who_owes_nothing_that_is_late_is_helped_by_a_person(self) -> None:
        house = House()
        house.know("b-1", loan_document(due_on=TODAY + 9 * DAY), parties=[party_document(may_hear=HEARS)])
        says(house, Intent.PLAN)
        assert tasks(house) == [TaskKind.PLAN]

    def test_figures_that_are_old_offer_nothing(self) -> None:
        house = late_house()
        house.clock.advance(5 * DAY)
        says(house, Intent.PLAN)
        assert tasks(house) == [TaskKind.PLAN]

    def test_under_a_stop_that_a_person_answers_a_person_answers_this_too(self) -> None:
        house = late_house()
        says(house, Intent.HARDSHIP)
        says(house, Intent.PLAN, text_id="in-2")
        assert tasks(house) == [TaskKind.HARDSHIP, TaskKind.PLAN]
        assert "plan_choices" not in replies(house)

    def test_from_a_number_that_two_borrowers_have_nothing_is_offered(self) -> None:
        house = late_house()
        house.know("b-2", loan_document("l-9", TODAY - 6 * DAY), parties=[party_document(may_hear=HEARS)])
        says(house, Intent.PLAN)
        assert tasks(house) == tasks(house, "b-2") == [TaskKind.SHARED_NUMBER]
        assert {*replies(house), *replies(house, "b-2")} == {"help"}

    def test_who_may_not_hear_of_the_debt_hears_no_figures(self) -> None:
        house = House()
        loan = loan_document(due_on=TODAY - 6 * DAY, days_past_due=6)
        house.know("b-1", loan, parties=[party_document(may_hear=["reply", "mandatory"])])
        says(house, Intent.PLAN)
        assert (tasks(house), replies(house)) == ([TaskKind.PLAN], ["help"])

    def test_offers_for_a_debt_that_has_changed_are_not_told(self) -> None:
        house = planned()
        house.clock.advance(timedelta(seconds=1))
        house.pay(
            amount="30.00",
            instalments=[{"number": 1, "due_on": str(TODAY - 6 * DAY), "outstanding": "90.50"}],
            days_past_due=6,
        )
        house.minute()
        (reply,) = (m for m in house.messages() if m.template == "plan_choices")
        assert reply.state is MessageState.SUPPRESSED


class TestChosen:
    @pytest.mark.parametrize(("text", "number"), [("2", 2), ("the second one", 2)])
    def test_the_choice_goes_to_the_lender_in_full_and_nobody_collects_meanwhile(self, text: str, number: int) -> None:
        house = planned()
        offer = offered(house)[number - 1]
        house.clock.advance(timedelta(minutes=5))
        house.text(text, inbound_id="in-2")
        (task,) = house.borrower().tasks
        assert (task.kind, task.chosen, task.hold_ids) == (TaskKind.PLAN, offer, ("plan-in-2",))
        assert stops(house) == {HoldKind.PLAN}
        assert house.borrower().dialogues == ()
        house.minute()
        assert answer_to(house, "in-2") == "plan_chosen"
        (event,) = (detail for kind, _, detail in announced(house) if kind == "plan.requested")
        assert (event["offer_id"], event["approval"]) == (offer.offer_id, str(offer.approval))
        assert [each["amount"] for each in event["instalments"]] == [str(each.amount) for each in offer.instalments]
        assert [(kind, d["because"]) for kind, _, d in announced(house) if kind == "person.needed"] == [
            ("person.needed", "opened")
        ]
        house.run_days(5)
        assert [m for m in dunned(house, NOW + timedelta(minutes=6)) if m.purpose == "collection"] == []
        assert len([kind for kind, _, _ in announced(house) if kind == "plan.requested"]) == 1

    def test_the_reply_names_the_number_and_by_when_a_person_answers(self) -> None:
        house = planned()
        house.text("2", inbound_id="in-2")
        (task,) = house.borrower().tasks
        house.minute()
        (reply,) = (m for m in house.messages() if m.template == "plan_chosen")
        assert {each.value for each in reply.figures} == {"2", task.answer_by.date().isoformat()}

    def test_a_reply_whose_task_was_answered_meanwhile_is_not_said(self) -> None:
        house = planned()
        house.text("2", inbound_id="in-2")
        house.tell("task.closed", task={"task_id": "in-2", "by": "staff-7"})
        assert stops(house) == set()
        house.minute()
        (reply,) = (m for m in house.messages() if m.template == "plan_chosen")
        assert reply.state is MessageState.SUPPRESSED

    def test_yes_takes_the_only_one(self) -> None:
        house = planned()
        borrower = house.borrower()
        (dialogue,) = borrower.dialogues
        one = replace(dialogue, offers=dialogue.offers[:1])
        only = replace(borrower, dialogues=(one,))
        assert asked_of(only, "p-1", dialogue.point, house.now) == Asked(offers=1)
        assert asked_of(only, "p-2", dialogue.point, house.now) == Asked()
        assert asked_of(only, "p-1", dialogue.point, dialogue.ends_at) == Asked()

    def test_when_nobody_decides_the_stop_ends_and_dunning_goes_on(self) -> None:
        house = planned()
        house.text("2", inbound_id="in-2")
        house.run_days(9)
        assert HoldKind.PLAN not in stops(house)
        house.run_days(5)
        assert dunned(house, NOW + 8 * DAY)

    def test_none_of_them_brings_a_person_and_ends_the_dialogue(self) -> None:
        house = planned()
        house.text("no", inbound_id="in-2")
        assert (tasks(house), answer_to(house, "in-2")) == ([TaskKind.PLAN], "help")
        (task,) = house.borrower().tasks
        assert task.chosen is None
        assert (house.borrower().dialogues, stops(house)) == ((), set())

    def test_a_number_that_was_not_offered_is_asked_for_again(self) -> None:
        house = planned()
        standing_until = house.borrower().dialogues[0].ends_at
        house.clock.advance(timedelta(hours=1))
        says(house, Intent.CHOICE, text_id="in-2", choice=9)
        assert answer_to(house, "in-2") == "not_understood"
        assert house.borrower().dialogues[0].ends_at == standing_until
        house.text("2", inbound_id="in-3")
        assert answer_to(house, "in-3") == "plan_chosen"

    def test_for_another_debt_there_are_other_offers(self) -> None:
        house = planned()
        house.clock.advance(timedelta(hours=1))
        house.pay(
            amount="30.00",
            instalments=[{"number": 1, "due_on": str(TODAY - 6 * DAY), "outstanding": "90.50"}],
            days_past_due=6,
        )
        house.text("1", inbound_id="in-2")
        assert answer_to(house, "in-2") == "plan_choices"
        assert {offer.debt for offer in offered(house)} == {usd("90.50")}
        assert tasks(house) == []

    def test_a_plan_takes_the_place_of_a_promise(self) -> None:
        house = late_house()
        says(house, Intent.PROMISE, on=TODAY + 4 * DAY)
        house.text("can I get a payment plan please", inbound_id="in-2")
        house.text("1", inbound_id="in-3")
        assert [promise.status for promise in house.borrower().promises] == [PromiseStatus.WITHDRAWN]
        assert HoldKind.PLAN in stops(house)

    @pytest.mark.parametrize("intent", [Intent.HARDSHIP, Intent.DISPUTE, Intent.CRISIS, Intent.OPT_OUT])
    def test_whatever_stops_wins_over_the_dialogue(self, intent: Intent) -> None:
        house = planned()
        says(house, intent, text_id="in-2")
        assert house.borrower().dialogues == ()
        assert HoldKind.PLAN not in stops(house)

    def test_a_plan_that_was_chosen_is_not_chosen_again(self) -> None:
        house = planned()
        house.text("2", inbound_id="in-2")
        first = house.borrower().tasks
        says(house, Intent.PLAN, text_id="in-3")
        assert house.borrower().tasks == first
        assert answer_to(house, "in-3") == "help"

    def test_a_task_that_is_open_already_carries_the_choice(self) -> None:
        house = planned()
        house.text("no", inbound_id="in-2")
        house.minute()
        says(house, Intent.PLAN, text_id="in-3")
        house.text("1", inbound_id="in-4")
        (task,) = house.borrower().tasks
        assert (task.task_id, task.chosen is not None, task.hold_ids) == ("in-2", True, ("plan-in-4",))
        house.minute()
        assert [kind for kind, _, _ in announced(house)] == ["person.needed", "plan.requested"]

    def test_repeated_texts_change_nothing(self) -> None:
        house = planned()
        house.text("can I get a payment plan please", inbound_id="in-1")
        house.text("2", inbound_id="in-2")
        before, messages = house.borrower(), house.messages()
        house.text("2", inbound_id="in-2")
        house.text("can I get a payment plan please", inbound_id="in-1")
        assert (house.borrower(), house.messages()) == (before, messages)

    def test_a_choice_that_crosses_newer_offers_is_not_one_of_those(self) -> None:
        house = planned()
        house.clock.advance(timedelta(hours=1))
        says(house, Intent.PLAN, text_id="in-3")
        house.meant["in-2"] = Understood(Intent.CHOICE, 1.0, "en", choice=1)
        house.text("in-2", inbound_id="in-2", received_at=house.now - timedelta(minutes=1))
        assert answer_to(house, "in-2") == "not_understood"
        assert stops(house) == set()

    def test_two_choices_that_arrive_together_take_one(self) -> None:
        house = planned()
        first, second = offered(house)[:2]
        done: list[int] = []

        def other() -> None:
            if not done:
                done.append(1)
                house.text("2", inbound_id="in-3")

        house.store.before_commit.extend([lambda: None, other])
        house.text("1", inbound_id="in-2")
        (plan,) = house.borrower().plans
        assert plan.offer in (first, second)
        assert len([hold for hold in house.borrower().holds if hold.kind is HoldKind.PLAN]) == 1
        assert replies(house).count("plan_chosen") + replies(house).count("plan_agreed") == 1


class TestDecided:
    def house(self) -> House:
        house = planned()
        house.text("2", inbound_id="in-2")
        house.minute()
        house.clock.advance(timedelta(hours=1))
        return house

    def decide(self, house: House, decision: str, **more: Any) -> None:
        house.tell("plan.decided", plan={"task_id": "in-2", "by": "staff-7", "decision": decision} | more)

    def test_approved_it_is_told_with_its_figures_once_and_the_stop_stands(self) -> None:
        house = self.house()
        (task,) = house.borrower().tasks
        for _ in range(2):
            self.decide(house, "approved")
        house.run_until(house.now + DAY)
        assert task.chosen is not None
        (notice,) = said(house, "plan_agreed")
        assert {each.name: each.value for each in notice.figures} == {
            "tail": "4821",
            "instalments": str(len(task.chosen.instalments)),
            "first_amount": str(task.chosen.instalments[0].amount),
            "first_due_on": task.chosen.first_due_on.isoformat(),
            "total": str(task.chosen.total),
        }
        assert stops(house) == {HoldKind.PLAN}
        assert house.borrower().tasks[0].outcome == "approved"

    def test_refused_it_is_told_with_the_reason_and_the_stop_is_lifted(self) -> None:
        house = self.house()
        self.decide(house, "refused", reason="reason.policy")
        assert stops(house) == set()
        self.decide(house, "approved")  # the first decision counts
        house.run_until(house.now + DAY)
        assert len(said(house, "plan_refused")) == 1
        assert said(house, "plan_agreed") == []

    def test_when_nothing_is_owed_any_more_nothing_is_said(self) -> None:
        house = self.house()
        house.pay()
        self.decide(house, "approved")
        house.run_until(house.now + DAY)
        assert said(house, "plan_agreed") == []

    @pytest.mark.parametrize(
        ("decision", "more"),
        [
            ("approved", {"reason": "reason.policy"}),
            ("refused", {}),
            ("refused", {"reason": "reason.no_such"}),
            ("maybe", {}),
        ],
    )
    def test_a_decision_that_is_none_is_refused(self, decision: str, more: dict[str, str]) -> None:
        house = self.house()
        with pytest.raises(InvalidInput):
            self.decide(house, decision, **more)

    def test_only_a_plan_that_was_chosen_is_decided(self) -> None:
        house = planned()
        house.text("no", inbound_id="in-2")
        with pytest.raises(InvalidInput):
            self.decide(house, "approved")
        with pytest.raises(NotFound):
            house.tell("plan.decided", plan={"task_id": "in-9", "by": "staff-7", "decision": "approved"})
        with pytest.raises(NotFound):
            house.tell("plan.decided", "b-9", plan={"task_id": "in-2", "by": "staff-7", "decision": "approved"})


def test_what_was_offered_and_chosen_is_forgotten_with_the_person() -> None:
    house = planned()
    house.text("2", inbound_id="in-2")
    says(house, Intent.OTHER, text_id="in-3")
    after = without_person(house.borrower(), Erasure("r-1", house.now, "borrower"), house.now)
    assert (after.dialogues, after.tasks) == ((), ())


@given(
    cents=st.integers(7_500, 1_000_000), days=st.integers(1, 120), today=st.dates(date(2026, 1, 1), date(2027, 12, 31))
)
def test_what_a_text_says_of_an_offer_is_the_offer(cents: int, days: int, today: date) -> None:
    policy = shipped_content().plan_policy("US-NY", frozenset({Product.CARD}), TODAY)
    assert policy is not None
    debt = usd(f"{Decimal(cents) / 100:.2f}")
    found = offers(Debt(debt, days, frozenset({Product.CARD})), policy, today)
    assert isinstance(found, tuple)
    (fact,) = offer_facts(found)
    for told, offer in zip(offers_told(fact.value), found, strict=True):
        assert (told.number, told.instalments) == (offer.number, len(offer.instalments))
        assert told.total == total((each.amount for each in offer.instalments), "USD")
        assert (told.first_amount, told.first_due_on) == (offer.instalments[0].amount, offer.first_due_on)
        assert offer.approval in Approval


@pytest.mark.parametrize(
    "value",
    ["", "3|1.00 USD|2026-06-15", "x|1.00 USD|2026-06-15|2.00 USD", ";".join(["3|1.00 USD|2026-06-15|3.00 USD"] * 4)],
)
def test_what_is_not_of_the_form_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        offers_told(value)
