"""A plan agreed by text: in force at once, followed to its end, and what the core says of it; the real services."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dunlin.domain.agreements import Plan, PlanStatus, TaskKind
from dunlin.domain.intents import Intent
from dunlin.domain.message import Message
from dunlin.domain.money import total
from dunlin.domain.words import CaseOutcome, CaseStatus, HoldKind, MessageState, Purpose, Reason
from dunlin.errors import InvalidInput, NotFound

from tests.builders import (
    DAY,
    NOW,
    PHONE,
    TODAY,
    House,
    loan_document,
    party_document,
    usd,
)
from tests.unit.test_dialogues import announced, late_house, said, says, stops
from tests.unit.test_dialogues import tasks as all_tasks
from tests.unit.test_plans_by_text import HEARS, answer_to, offered, planned

COLLECTS = (Purpose.COLLECTION,)
HOUR = timedelta(hours=1)


def in_plan(house: House | None = None, *, taken_up: bool = True) -> House:
    """Somebody whose plan was agreed within the policy's limits, and whom the core has been told of."""
    house = house or planned()
    house.clock.advance(timedelta(minutes=5))
    house.text("1", inbound_id="in-2")
    house.minute()
    if taken_up:
        house.tell("plan.in_force", plan={"plan_id": "in-2"})
    return house


def tasks(house: House) -> list[TaskKind]:
    """What a person has to do; that these houses choose before the offers went is no matter here."""
    return [kind for kind in all_tasks(house) if kind is not TaskKind.NOT_ANSWERED]


def the_plan(house: House) -> Plan:
    (plan,) = house.borrower().plans
    return plan


def news(house: House) -> list[str]:
    return [kind for kind, _, _ in announced(house) if kind.startswith("plan.")]


def paid(house: House, amount: Decimal, payment_id: str, **changes: Any) -> None:
    """Money that the core applies to arrears which it keeps as they were."""
    house.tell(
        "payment.applied",
        payment={"payment_id": payment_id, "amount": str(amount)},
        loan=house.loan_now(**changes),
    )


def asked_for(house: House) -> list[Message]:
    """What asked for money and reached somebody."""
    asking = (Purpose.COLLECTION, Purpose.SERVICING)
    return [m for m in house.messages() if m.purpose in asking and m.state is MessageState.DELIVERED]


def until(house: House, day: date) -> None:
    house.run_days((day - house.now.date()).days)


class TestAgreed:
    def test_within_the_limits_it_binds_at_once_and_the_core_is_told_in_full(self) -> None:
        house = planned()
        offer = offered(house)[0]
        house = in_plan(house, taken_up=False)
        plan = the_plan(house)
        assert (plan.status, plan.offer, plan.agreed_by) == (PlanStatus.AGREED, offer, "plan.standard.automatic")
        assert tasks(house) == []
        assert answer_to(house, "in-2") == "plan_agreed"
        (event,) = (detail for kind, _, detail in announced(house) if kind == "plan.agreed")
        assert (event["plan_id"], event["loan_ids"], event["debt"]) == ("in-2", ["l-1"], "120.50 USD")
        amounts = [usd(each["amount"].split()[0]) for each in event["instalments"]]
        assert str(total(amounts, "USD")) == event["total"] == "120.50 USD"

    def test_the_confirmation_says_the_offer_s_figures(self) -> None:
        house = in_plan()
        house.clock.advance(timedelta(minutes=1))
        house.minute()
        (reply,) = said(house, "plan_agreed")
        plan = the_plan(house)
        assert {each.name: each.value for each in reply.figures} == {
            "tail": "4821",
            "instalments": str(len(plan.instalments)),
            "first_amount": str(plan.instalments[0].amount),
            "first_due_on": plan.instalments[0].due_on.isoformat(),
            "total": "120.50 USD",
        }

    def test_the_case_ends_and_nobody_asks_for_the_arrears(self) -> None:
        house = planned()
        house.run_days(1)
        assert house.borrower().case is not None
        before = len(asked_for(house))
        house.text("1", inbound_id="in-2")
        house.tell("plan.in_force", plan={"plan_id": "in-2"}, occurred_at=house.now)
        house.run_days(2)
        case = house.borrower().case
        assert case is not None
        assert (case.status, case.outcome, case.outcome_reason) == (
            CaseStatus.ENDED,
            CaseOutcome.AGREED,
            Reason.PLAN_AGREED,
        )
        assert len(asked_for(house)) == before

    def test_what_is_on_its_way_about_the_arrears_is_stopped(self) -> None:
        house = late_house()
        house.checkpoint()
        message = house.rendered()
        says(house, Intent.PLAN)
        house.text("1", inbound_id="in-2")
        house.send.send("b-1", message.key)
        assert house.message(message).state is MessageState.SUPPRESSED

    def test_another_loan_s_arrears_are_collected_all_the_same(self) -> None:
        house = in_plan()
        later = loan_document("l-2", TODAY - 5 * DAY, days_past_due=5, account_tail="7777")
        house.know("b-1", later, parties=[party_document(may_hear=HEARS)], sequence=2)
        house.run_days(3)
        assert {m.loan_ids for m in asked_for(house) if m.purpose in COLLECTS} == {("l-2",)}

    def test_a_balance_is_what_the_plan_asks_for_next(self) -> None:
        house = in_plan()
        house.checkpoint()
        says(house, Intent.BALANCE, text_id="in-3")
        house.minute()
        (reply,) = (m for m in house.messages() if m.in_reply_to == "in-3")
        due = the_plan(house).instalments[0]
        assert reply.template == "plan_in_force"
        assert {"amount": str(due.amount), "due_on": due.due_on.isoformat()}.items() <= {
            each.name: each.value for each in reply.figures
        }.items()

    @pytest.mark.parametrize("intent", [Intent.PLAN, Intent.PROMISE])
    def test_who_wants_something_else_beside_a_plan_talks_to_a_person(self, intent: Intent) -> None:
        house = in_plan()
        says(house, intent, text_id="in-3", on=TODAY + 3 * DAY)
        assert (answer_to(house, "in-3"), len(tasks(house))) == ("help", 1)
        assert not house.borrower().promises
        assert the_plan(house).status is PlanStatus.IN_FORCE

    @pytest.mark.parametrize("role", ["co_borrower", "guarantor"])
    def test_where_somebody_else_is_on_the_loan_the_lender_decides(self, role: str) -> None:
        house = House()
        other = party_document(party_id="p-2", role=role, phone="+12125550177", loan_ids=["l-1"])
        loan = loan_document(due_on=TODAY - 6 * DAY, days_past_due=6)
        house.know("b-1", loan, parties=[party_document(may_hear=HEARS), other])
        house.text("can I get a payment plan please", inbound_id="in-1")
        house.text("1", inbound_id="in-2")
        assert (the_plan(house).status, answer_to(house, "in-2")) == (PlanStatus.PROPOSED, "plan_chosen")

    def test_a_person_who_is_on_it_already_decides(self) -> None:
        house = planned()
        house.text("no", inbound_id="in-2")
        says(house, Intent.PLAN, text_id="in-3")
        house.text("1", inbound_id="in-4")
        assert the_plan(house).status is PlanStatus.PROPOSED

    def test_plans_are_counted_over_a_year(self) -> None:
        house = in_plan()
        for _ in range(2):
            plan = the_plan(house) if len(house.borrower().plans) == 1 else house.borrower().plans[-1]
            house.tell("plan.ended", plan={"plan_id": plan.plan_id, "outcome": "broken"})
            house.clock.advance(HOUR)
            says(house, Intent.PLAN, text_id=f"in-{plan.plan_id}")
            if house.borrower().dialogues:
                house.text("1", inbound_id=f"{plan.plan_id}-next")
                house.minute()
        assert len(house.borrower().plans) == 2  # a third one in twelve months is a person's
        assert tasks(house) == [TaskKind.PLAN]


class TestTakenUp:
    def test_a_core_that_does_not_carry_it_in_time_brings_a_person_once(self) -> None:
        house = in_plan(taken_up=False)
        house.run_days(3)
        assert tasks(house) == [TaskKind.PLAN]
        called = [
            d
            for kind, _, d in announced(house)
            if kind == "person.needed" and d["because"] == "opened" and d["kind"] == "plan"
        ]
        assert len(called) == 1
        assert the_plan(house).status is PlanStatus.AGREED

    def test_a_stop_of_the_core_says_that_it_does(self) -> None:
        house = in_plan(taken_up=False)
        house.clock.advance(HOUR)
        house.tell("hold.placed", hold={"hold_id": "h-1", "kind": "plan", "source": "core"})
        assert the_plan(house).status is PlanStatus.IN_FORCE
        house.run_days(3)
        assert tasks(house) == []

    def test_its_word_prevails_in_whatever_order_it_comes(self) -> None:
        house = in_plan()
        house.clock.advance(HOUR)
        later, earlier = house.now, house.now - timedelta(minutes=30)
        house.tell("plan.ended", plan={"plan_id": "in-2", "outcome": "withdrawn"}, occurred_at=later)
        house.tell("plan.in_force", plan={"plan_id": "in-2"}, occurred_at=earlier)
        assert the_plan(house).status is PlanStatus.WITHDRAWN
        assert HoldKind.PLAN not in stops(house)

    def test_it_may_say_other_instalments(self) -> None:
        house = in_plan()
        dues = [{"due_on": str(TODAY + n * 10 * DAY), "amount": amount} for n, amount in ((1, "60.25"), (2, "60.25"))]
        house.tell("plan.in_force", plan={"plan_id": "in-2", "instalments": dues})
        assert [str(due.amount) for due in the_plan(house).instalments] == ["60.25 USD", "60.25 USD"]

    def test_a_plan_that_a_person_agreed_is_followed_like_any_other(self) -> None:
        house = late_house()
        dues = [{"due_on": str(TODAY + 8 * DAY), "amount": "120.50"}]
        house.tell("plan.in_force", plan={"plan_id": "call-7", "loan_ids": ["l-1"], "instalments": dues})
        assert stops(house) == {HoldKind.PLAN}
        until(house, TODAY + 7 * DAY)
        assert len(said(house, "plan_in_force")) == 1

    @pytest.mark.parametrize(
        ("plan", "error"),
        [
            ({"plan_id": "in-9"}, NotFound),
            (
                {"plan_id": "in-9", "loan_ids": ["l-9"], "instalments": [{"due_on": "2026-07-01", "amount": "1"}]},
                NotFound,
            ),
            ({"plan_id": "in-2", "instalments": [{"due_on": "2026-07-01", "amount": "0"}]}, InvalidInput),
            ({"plan_id": "in-2", "instalments": [{"due_on": "2026-07-01", "amount": "1.001"}]}, InvalidInput),
            ({"plan_id": "in-2", "instalments": [{"due_on": "2026-07-01", "amount": "1"}] * 2}, InvalidInput),
        ],
    )
    def test_what_is_no_plan_is_refused(self, plan: dict[str, Any], error: type[Exception]) -> None:
        house = in_plan()
        with pytest.raises(error):
            house.tell("plan.in_force", plan=plan)

    def test_what_the_lender_has_not_decided_is_not_in_force(self) -> None:
        house = planned()
        house.text("2", inbound_id="in-2")
        with pytest.raises(InvalidInput):
            house.tell("plan.in_force", plan={"plan_id": "in-2"})
        house.tell("task.closed", task={"task_id": "in-2", "by": "staff-7"})
        assert the_plan(house).status is PlanStatus.WITHDRAWN

    def test_lifting_its_stop_ends_it(self) -> None:
        house = in_plan()
        house.tell("hold.lifted", hold={"hold_id": "plan-in-2"})
        assert the_plan(house).status is PlanStatus.WITHDRAWN

    def test_approved_by_the_lender_it_binds_and_is_told_to_the_core(self) -> None:
        house = planned()
        house.text("2", inbound_id="in-2")
        house.minute()
        house.clock.advance(HOUR)
        house.tell("plan.decided", plan={"task_id": "in-2", "by": "staff-7", "decision": "approved"})
        plan = the_plan(house)
        assert (plan.status, plan.agreed_by, plan.loan_ids) == (PlanStatus.AGREED, "staff-7", ("l-1",))
        house.minute()
        assert news(house) == ["plan.requested", "plan.agreed"]

    def test_approved_after_its_first_day_it_is_refused(self) -> None:
        house = planned()
        house.text("2", inbound_id="in-2")
        house.clock.advance(60 * DAY)
        with pytest.raises(InvalidInput):
            house.tell("plan.decided", plan={"task_id": "in-2", "by": "staff-7", "decision": "approved"})


class TestKept:
    def test_each_instalment_is_reminded_of_once_and_kept_it_is_over(self) -> None:
        house = in_plan()
        plan = the_plan(house)
        left = Decimal("120.50")
        for number, due in enumerate(plan.instalments):
            until(house, due.due_on)
            left -= due.amount.amount
            arrears = {"number": 1, "due_on": str(TODAY - 6 * DAY), "outstanding": str(left)}
            rest = {"number": 2, "due_on": str(TODAY + 400 * DAY), "outstanding": "120.50"}
            changes: dict[str, Any] = {"instalments": [arrears, rest] if left else [rest]}
            paid(house, due.amount.amount, f"p-{number}", **changes, days_past_due=6 if left else 0)
        house.run_days(4)
        reminders = said(house, "plan_in_force")
        assert [(m.figures[0].value, m.figures[1].value) for m in reminders] == [
            (str(due.amount), due.due_on.isoformat()) for due in plan.instalments
        ]
        assert (the_plan(house).status, news(house)) == (PlanStatus.KEPT, ["plan.agreed", "plan.kept"])
        assert all(hold.until is not None and hold.until <= house.now for hold in house.borrower().holds)
        assert {m.template for m in asked_for(house) if m.reserved_at and m.reserved_at > NOW + HOUR} == {
            "plan_in_force"
        }

    def test_what_falls_due_beside_it_is_reminded_of_and_not_collected_while_it_is_kept_to(self) -> None:
        house = in_plan()
        plan = the_plan(house)
        beside = plan.instalments[0].due_on + 5 * DAY
        arrears = {"number": 1, "due_on": str(TODAY - 6 * DAY), "outstanding": "120.50"}
        regular = {"number": 2, "due_on": str(beside), "outstanding": "77.00"}
        house.tell("loan.snapshot", loan=house.loan_now(instalments=[arrears, regular]))
        until(house, plan.instalments[0].due_on)
        paid(house, plan.instalments[0].amount.amount, "p-1")
        until(house, beside + 12 * DAY)
        reminders = [m for m in asked_for(house) if m.due_on == beside]
        assert {m.template for m in reminders} == {"reminder", "due_today"}
        assert {m.figures[0].value for m in said(house, "due_today")} <= {"77.00 USD", "4821", "Jo Doe"}
        assert [m for m in asked_for(house) if m.purpose in COLLECTS] == []
        paid(house, Decimal("60.25"), "p-2", instalments=[regular], days_past_due=7)
        kept_at = house.now
        house.run_days(6)
        assert the_plan(house).status is PlanStatus.KEPT
        tiers = [m for m in asked_for(house) if m.stage.startswith("tier")]
        assert tiers
        assert all(m.reserved_at is not None and m.reserved_at >= kept_at + 3 * DAY for m in tiers)

    def test_a_payment_that_is_told_twice_counts_once(self) -> None:
        house = in_plan()
        due = the_plan(house).instalments[0]
        for event_id in ("e-a", "e-b"):
            house.tell(
                "payment.applied",
                payment={"payment_id": "p-1", "amount": str(due.amount.amount)},
                loan=house.loan_now(),
                event_id=event_id,
            )
        assert len(the_plan(house).credits) == 1

    def test_one_that_is_taken_back_does_not_count_and_a_plan_that_was_kept_by_it_goes_on(self) -> None:
        house = in_plan()
        paid(house, Decimal("120.50"), "p-1")
        house.run_until(house.now + HOUR)
        assert the_plan(house).status is PlanStatus.KEPT
        house.tell("payment.returned", payment={"payment_id": "p-1", "amount": "120.50"}, loan=house.loan_now())
        house.run_until(house.now + HOUR)
        assert the_plan(house).status is PlanStatus.IN_FORCE
        assert stops(house) == {HoldKind.PLAN}
        assert news(house)[-1] == "plan.reopened"

    def test_paid_off_it_is_kept_and_sold_it_is_nobody_s(self) -> None:
        house = in_plan()
        house.pay()
        house.run_until(house.now + HOUR)
        assert the_plan(house).status is PlanStatus.KEPT
        other = in_plan()
        other.tell("loan.sold", loan=other.loan_now(status="sold"))
        other.run_until(other.now + HOUR)
        assert the_plan(other).status is PlanStatus.WITHDRAWN

    def test_where_the_core_s_snapshots_carry_it_theirs_are_the_figures(self) -> None:
        house = in_plan()
        plan = the_plan(house)
        house.clock.advance(timedelta(minutes=1))
        house.tell("plan.in_force", plan={"plan_id": "in-2", "in_snapshots": True})
        carried = [
            {"number": 10 + n, "due_on": str(due.due_on), "outstanding": str(due.amount.amount)}
            for n, due in enumerate(plan.instalments)
        ]
        first = carried[0] | {"outstanding": "7.77"}
        house.tell(
            "loan.restructured", loan=house.loan_now(instalments=[first, *carried[1:]], overdue=None, days_past_due=0)
        )
        until(house, plan.instalments[0].due_on - DAY)
        (reminder,) = said(house, "plan_in_force")
        assert reminder.figures[0].value == "7.77 USD"
        assert [m for m in house.messages() if m.template == "reminder" and m.state is MessageState.DELIVERED] == []
        until(house, plan.instalments[0].due_on)
        house.tell(
            "payment.applied",
            payment={"payment_id": "p-1", "amount": "7.77"},
            loan=house.loan_now(instalments=carried[1:], overdue=None, days_past_due=0),
        )
        house.run_days(5)
        assert said(house, "plan_missed") == []

    def test_a_payment_between_the_reminder_and_its_sending_takes_it_back(self) -> None:
        house = in_plan()
        due = the_plan(house).instalments[0]
        until(house, due.due_on - 4 * DAY)
        house.clock.advance(DAY)
        house.snapshots()
        house.checkpoint()
        house.wake()
        house.clock.advance(timedelta(minutes=1))
        message = house.rendered()
        assert message.template == "plan_in_force"
        paid(house, Decimal("1.00"), "p-1")
        house.send.send("b-1", message.key)
        assert (house.message(message).state, house.message(message).reason) == (MessageState.SUPPRESSED, Reason.PAID)

    def test_who_opted_out_hears_nothing_of_it_there(self) -> None:
        house = in_plan()
        house.text("STOP", inbound_id="in-3")
        sent = len([order for order in house.orders if order.address == PHONE])
        house.run_days(90)
        after = [order for order in house.orders[sent:] if order.address == PHONE]
        assert all("STOP" not in order.body or "no more" in order.body for order in after)
        assert len(after) <= 1  # the confirmation


class TestMissed:
    def missed(self) -> House:
        house = in_plan()
        until(house, the_plan(house).instalments[0].due_on + 4 * DAY)
        return house

    def test_it_is_said_once_after_the_grace_with_what_is_left_and_by_when(self) -> None:
        house = in_plan()
        due = the_plan(house).instalments[0]
        paid(house, Decimal("20.00"), "p-1")
        until(house, due.due_on + 2 * DAY)
        assert said(house, "plan_missed") == []
        house.run_days(5)
        (message,) = said(house, "plan_missed")
        assert message.reserved_at is not None
        figures = {each.name: each.value for each in message.figures}
        assert figures["amount"] == str(due.amount - usd("20.00"))
        assert figures["due_on"] == due.due_on.isoformat()
        assert figures["respond_by"] == str(message.reserved_at.date() + 7 * DAY)
        assert news(house) == ["plan.agreed", "plan.missed"]

    def test_paid_in_time_it_is_cured_and_the_plan_goes_on(self) -> None:
        house = self.missed()
        paid(house, the_plan(house).instalments[0].amount.amount, "p-1")
        house.run_days(12)
        plan = the_plan(house)
        assert (plan.status, plan.missed) == (PlanStatus.IN_FORCE, None)
        assert news(house) == ["plan.agreed", "plan.missed", "plan.cured"]
        assert [m for m in asked_for(house) if m.stage.startswith("tier")] == []

    def test_not_paid_it_is_broken_and_the_escalation_begins_anew(self) -> None:
        house = self.missed()
        house.run_days(14)
        plan = the_plan(house)
        assert (plan.status, news(house)) == (PlanStatus.BROKEN, ["plan.agreed", "plan.missed", "plan.broken"])
        assert HoldKind.PLAN not in stops(house)
        assert len(said(house, "plan_missed")) == 1
        tiers = [m for m in asked_for(house) if m.stage.startswith("tier")]
        assert tiers
        assert all(
            m.reserved_at is not None and plan.ended_at is not None and m.reserved_at > plan.ended_at for m in tiers
        )

    def test_nothing_is_missed_on_old_figures_or_while_money_is_on_its_way(self) -> None:
        house = in_plan()
        due = the_plan(house).instalments[0]
        until(house, due.due_on)
        pending = [{"payment_id": "p-1", "amount": "60.25", "received_at": house.now.isoformat()}]
        house.tell(
            "payment.pending",
            payment={"payment_id": "p-1", "amount": "60.25"},
            loan=house.loan_now(pending=pending),
        )
        house.run_days(15)
        assert said(house, "plan_missed") == []
        stale = in_plan()
        until(stale, due.due_on)
        stale.run_until(stale.now + 15 * DAY, checkpoints=False)
        assert said(stale, "plan_missed") == []
        assert the_plan(stale).status is PlanStatus.IN_FORCE

    def test_while_a_person_looks_at_something_nothing_is_missed(self) -> None:
        house = in_plan()
        says(house, Intent.HARDSHIP, text_id="in-3")
        house.run_days(40)
        assert (said(house, "plan_missed"), the_plan(house).missed) == ([], None)
        house.tell("task.closed", task={"task_id": "in-3", "by": "staff-7"})
        house.run_days(2)
        assert len(said(house, "plan_missed")) == 1

    def test_a_payment_in_the_same_moment_as_the_miss_leaves_nothing_to_say(self) -> None:
        house = in_plan()
        due = the_plan(house).instalments[0]
        until(house, due.due_on + 2 * DAY)
        house.snapshots()
        while the_plan(house).missed is None:
            house.checkpoint()
            house.wake()
            house.clock.advance(HOUR)
        paid(house, due.amount.amount, "p-1")
        house.run_days(3)
        assert said(house, "plan_missed") == []
        assert the_plan(house).missed is None

    def test_a_policy_may_want_a_person_when_it_breaks(self) -> None:
        house = self.missed()
        borrower = house.borrower()
        plan = the_plan(house)
        wanted = replace(plan, upkeep=replace(plan.upkeep, person_when_broken=True))
        house.store.borrowers["b-1"] = replace(borrower, plans=(wanted,))
        house.run_days(9)
        assert tasks(house) == [TaskKind.PLAN]
