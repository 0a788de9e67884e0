"""Borrowers who agree plans by text, and the simulated lender that carries them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from local.core import Core
from local.core.plans import agreed_in, is_carried
from local.plan_stories import Planner, PlanStory, message_of
from tests.local.test_core import START, account, core_of, loan_terms, of_type, run

ENGLISH = (
    "Marram: We can offer these plans: 1) 3 payments, the first $66.34 on Feb 14, $221.14 in all. "
    "2) 3 payments, the first $73.71 on Mar 9, $221.14 in all. "
    "3) 4 payments, the first $55.28 on Feb 21, $221.14 in all. "
    "Reply with the number that suits you, or NO. A person: 800-555-0142. Reply STOP to opt out."
)
CHINESE = (
    "【滨禾消费金融】陈伟您好，您可以从以下还款计划中选一个： 1）共4期，首期¥1,762.51，2月15日到期，合计¥3,544.71 "
    "2）共3期，首期¥1,187.16，3月10日到期，合计¥3,561.48 "
    "请回复合适的编号；都不合适请回复“不”。也可致电400-000-0142。退订回T"
)
NEXT = "Marram: the next payment in your plan for account ending 1291 is $55.28, due Feb 21. Reply STOP to opt out."
MISSED = "Marram: the plan payment of $55.28, due Feb 21, has not reached us yet. To keep your plan, pay by Mar 3."


class TestPlanner:
    @pytest.mark.parametrize(
        ("story", "body", "number"),
        [
            (PlanStory.KEPT, ENGLISH, "3"),
            (PlanStory.LENDER, ENGLISH, "2"),
            (PlanStory.KEPT, CHINESE, "1"),
            (PlanStory.LENDER, CHINESE, "2"),
            (PlanStory.KEPT, NEXT, None),
        ],
    )
    def test_they_choose_once_of_what_is_offered(self, story: PlanStory, body: str, number: str | None) -> None:
        planner = Planner(story)
        assert planner.chooses(body) == number
        assert number is None or planner.chooses(body) is None

    def test_they_pay_what_the_texts_ask_for_when_it_is_due(self) -> None:
        today, due = date(2026, 2, 18), (Decimal("55.28"), date(2026, 2, 21))
        assert Planner(PlanStory.KEPT).pays("plan_in_force", NEXT, today) == due
        assert Planner(PlanStory.BROKEN).pays("plan_in_force", NEXT, today) is None
        cured = Planner(PlanStory.CURED)
        assert cured.pays("plan_in_force", NEXT, today) is None
        assert cured.pays("plan_missed", MISSED, date(2026, 2, 24)) == (Decimal("55.28"), date(2026, 2, 26))
        assert cured.pays("plan_in_force", NEXT, today) == due

    @pytest.mark.parametrize(
        ("ref", "message"),
        [
            ("b-1/reply#plan_choices#sms#t-1", "plan_choices"),
            ("b-1/2026-02-18#plan_in_force~plan_in_force-t-1.1_3#0#sms#0", "plan_in_force"),
            ("b-1/2026-02-05#grace#0#sms#0", ""),
        ],
    )
    def test_what_a_text_is(self, ref: str, message: str) -> None:
        assert message_of(ref) == message


def agreed(core: Core, borrower_id: str, debt: Decimal) -> dict[str, Any]:
    first, second = debt // 2, debt - debt // 2
    dues = ((date(2026, 3, 1), first), (date(2026, 3, 20), second))
    return {
        "plan_id": "t-1",
        "borrower_id": borrower_id,
        "loan_ids": ["l-1"],
        "debt": f"{debt} USD",
        "instalments": [{"due_on": str(day), "amount": f"{amount} USD"} for day, amount in dues],
    }


class TestCarried:
    def carried(self, *, in_books: bool) -> tuple[Core, list[Any], dict[str, Any]]:
        """A core a day after a plan for what was overdue on the twelfth was agreed."""
        for seed in range(50):
            core = core_of(account("b-1", loan_terms(count=4)), seed=seed)
            run(core, START + timedelta(days=10))
            detail = agreed(core, "b-1", core.overdue("l-1").total)
            if is_carried(agreed_in(detail), seed) is in_books:
                core.carry(detail)
                core.carry(detail)  # announcements come at least once
                return core, run(core, START + timedelta(days=11)), detail
        raise AssertionError("no such seed")

    def test_in_the_books_the_arrears_become_the_plan_s_instalments(self) -> None:
        core, events, detail = self.carried(in_books=True)
        (said,) = of_type(events, "plan.in_force")
        assert said["plan"] == {"plan_id": "t-1", "in_snapshots": True}
        standing = core.standing("l-1")
        assert core.overdue("l-1").total == 0
        first, second = standing.instalments[:2]
        assert [str(first.due_on), str(second.due_on)] == ["2026-03-01", "2026-03-20"]
        assert f"{first.outstanding + second.outstanding} USD" == detail["debt"]
        assert standing.instalments[2].due_on > date(2026, 3, 20)
        assert of_type(events, "loan.restructured")

    def test_else_the_arrears_rest_and_grow_again_when_the_plan_is_over(self) -> None:
        core, events, _ = self.carried(in_books=False)
        (said,) = of_type(events, "plan.in_force")
        assert said["plan"] == {"plan_id": "t-1", "in_snapshots": False}
        before = core.overdue("l-1").total
        run(core, START + timedelta(days=25))
        assert core.overdue("l-1").total == before
        core.plan_over({"plan_id": "t-1"})
        run(core, START + timedelta(days=35))
        assert core.overdue("l-1").total > before

    def test_the_lender_decides_about_what_it_has_to_see_once(self) -> None:
        core = core_of(account("b-1"))
        run(core, START + timedelta(days=8))
        for _ in range(2):
            core.decide_on({"task_id": "t-1", "borrower_id": "b-1"})
        (said,) = of_type(run(core, START + timedelta(days=10)), "plan.decided")
        decision = said["plan"]["decision"]
        assert decision in ("approved", "refused")
        assert ("reason" in said["plan"]) == (decision == "refused")
        assert datetime.fromisoformat(said["occurred_at"]) > START.astimezone(UTC)
