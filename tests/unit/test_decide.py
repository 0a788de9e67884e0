"""What to say now, what not and why, and when to look again: one row a situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from dunlin.domain.actions import Action, EndCase, OpenCase, Request, Skip, Wait
from dunlin.domain.apply import apply
from dunlin.domain.borrower import Borrower, Case, Instalment, StageMark
from dunlin.domain.decide import Decision, decide
from dunlin.domain.policy import Conditions
from dunlin.domain.words import CaseOutcome, CaseStatus, Channel, LoanStatus, MessageState, Purpose, Reason

from tests.builders import (
    EMAIL_POINT,
    NOW,
    TODAY,
    a_borrower,
    a_contact,
    a_hold,
    a_loan,
    a_party,
    a_pending,
    a_point,
    a_policy,
    a_stage,
    a_strategy,
    an_overdue,
    usd,
)

DAY = timedelta(days=1)
NINE = datetime(2026, 6, 1, 13, 0, tzinfo=UTC)
POLICY = a_policy(conditions=Conditions(feed_complete_to=NOW + 100 * DAY))
BLOCKED = a_party(points=(a_point(blocked=frozenset({"*"})),))
BOTH = a_party(points=(a_point(), EMAIL_POINT))


def judged(borrower: Borrower, **changes: Any) -> Decision:
    policy = replace(POLICY, **changes.pop("policy", {}))
    return decide(borrower, changes.pop("strategy", a_strategy()), policy, changes.pop("now", NOW))


def due_in(days: int, loan_id: str = "l-1", **changes: Any) -> Any:
    return a_loan(loan_id, TODAY + days * DAY, **changes)


def said(actions: tuple[Action, ...]) -> list[tuple[object, ...]]:
    """Actions in short: what, which stage, why."""
    short: list[tuple[object, ...]] = []
    for action in actions:
        match action:
            case Request():
                short.append(("request", action.stage.stage_id, str(action.point.channel), action.attempt))
            case Wait() | Skip():
                short.append((type(action).__name__.lower(), action.stage.stage_id, action.reason))
            case OpenCase():
                short.append(("open", action.due_on))
            case EndCase():
                short.append(("end", action.outcome, action.reason))
    return short


def mark(stage: str, status: str, *, days: int = 0, due: int = 0, **changes: Any) -> StageMark:
    episode = changes.pop("episode", 0)
    return StageMark(TODAY + due * DAY, stage, episode, status, NOW - days * DAY, **changes)


def case(due: int, **changes: Any) -> Case:
    return replace(Case(1, 1, CaseStatus.OPEN, TODAY + due * DAY, NOW - DAY, execution_started=True), **changes)


class TestReminders:
    @pytest.mark.parametrize(
        ("days", "expected", "wake_at"),
        [
            (9, [], NINE + 7 * DAY),
            (3, [], NINE + DAY),
            (2, [("request", "before", "sms", 0)], NINE + 2 * DAY),
            (1, [("request", "before", "sms", 0)], NINE + DAY),
            (0, [("skip", "before", Reason.OVERTAKEN), ("request", "today", "sms", 0)], NINE + 4 * DAY),
            (-1, [("skip", "before", Reason.OVERTAKEN), ("request", "today", "sms", 0)], NINE + 3 * DAY),
            (-2, [("skip", "before", Reason.OVERTAKEN), ("skip", "today", Reason.OVERTAKEN)], NINE + 2 * DAY),
            (-4, [("open", TODAY - 4 * DAY)], NOW),
        ],
    )
    def test_on_each_day(self, days: int, expected: list[object], wake_at: datetime) -> None:
        decision = judged(a_borrower(due_in(days)))
        assert said(decision.actions) == expected
        assert decision.wake_at == wake_at
        assert decision.case_actions == ()

    def test_nothing_owed(self) -> None:
        for borrower in (
            a_borrower(),
            a_borrower(a_loan(instalments=())),
            a_borrower(due_in(0, status=LoanStatus.SOLD)),
        ):
            assert judged(borrower) == Decision((), (), None, None)

    def test_loans_that_fall_due_together_are_one_message(self) -> None:
        decision = judged(a_borrower(due_in(0, "l-1"), due_in(0, "l-2"), due_in(1, "l-3")))
        requests = [action for action in decision.actions if isinstance(action, Request)]
        assert [[loan.loan_id for loan in request.loans] for request in requests] == [["l-1", "l-2"]]

    @pytest.mark.parametrize("status", ["told", "requested", "over"])
    def test_once(self, status: str) -> None:
        assert said(judged(a_borrower(due_in(1), marks=(mark("before", status, due=1),))).actions) == []

    def test_one_conversation_at_a_time(self) -> None:
        borrower = a_borrower(due_in(1), marks=(mark("today", "requested", due=40),))
        assert said(judged(borrower).actions) == []

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"attempt": 0, "reason": Reason.UNREACHABLE}, [("request", "before", "sms", 1)]),
            ({"attempt": 2, "reason": Reason.UNREACHABLE}, []),
            ({"attempt": 2, "reason": Reason.THROTTLED}, [("wait", "before", Reason.THROTTLED)]),
            ({"attempt": 2, "reason": Reason.THROTTLED, "days": 1}, [("request", "before", "sms", 3)]),
            ({"attempt": 0, "lost_channels": ("sms",), "reason": Reason.UNREACHABLE}, []),
        ],
    )
    def test_after_one_that_did_not_reach(self, changes: dict[str, Any], expected: list[object]) -> None:
        marks = (mark("before", "unsent", due=1, **changes),)
        assert said(judged(a_borrower(due_in(1), marks=marks)).actions) == expected

    def test_the_other_channel_after_a_lost_one(self) -> None:
        marks = (mark("before", "unsent", due=1, lost_channels=("sms",), reason=Reason.UNREACHABLE),)
        borrower = a_borrower(due_in(1), parties=(BOTH,), marks=marks)
        assert said(judged(borrower).actions) == [("request", "before", "email", 1)]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"parties": (BLOCKED,)}, ("skip", "before", Reason.OPTED_OUT)),
            ({"parties": (a_party(points=(BLOCKED.points[0], EMAIL_POINT)),)}, ("request", "before", "email", 0)),
            ({"parties": (a_party(points=()),)}, ("skip", "before", Reason.NO_CONTACT_POINT)),
            ({"parties": (a_party(may_hear=frozenset()),)}, ("skip", "before", Reason.NOT_A_PARTY)),
            ({"parties": (a_party(locale="zh-CN"),)}, ("skip", "before", Reason.NO_TEMPLATE)),
            ({"contacts": (a_contact(),)}, ("wait", "before", Reason.CAP)),
            (
                {"parties": (a_party(points=(a_point(usable=False), BLOCKED.points[0])),)},
                ("skip", "before", Reason.OPTED_OUT),
            ),
        ],
    )
    def test_what_stands_in_the_way(self, changes: dict[str, Any], expected: tuple[object, ...]) -> None:
        assert said(judged(a_borrower(due_in(1), **changes)).actions) == [expected]

    def test_money_on_its_way(self) -> None:
        decision = judged(a_borrower(due_in(1, pending=(a_pending("1.00"),))))
        assert said(decision.actions) == [("wait", "before", Reason.PAYMENT_PENDING)]
        assert decision.wake_at == NOW + timedelta(hours=6)

    def test_a_wait_ends_with_its_days(self) -> None:
        decision = judged(a_borrower(due_in(2), contacts=(a_contact(),)))
        assert said(decision.actions) == [("wait", "before", Reason.CAP)]
        assert decision.wake_at == NINE + DAY
        hold = judged(a_borrower(due_in(-1), holds=(a_hold(),)), strategy=collecting())
        assert said(hold.actions)[-1] == ("wait", "today", Reason.HOLD)
        assert hold.wake_at == datetime(2026, 6, 2, 4, 0, tzinfo=UTC)

    def test_one_that_waited_too_long_keeps_its_reason(self) -> None:
        borrower = a_borrower(due_in(0), marks=(mark("before", "waiting", reason=Reason.CAP),))
        assert said(judged(borrower).actions)[0] == ("skip", "before", Reason.CAP)

    @pytest.mark.parametrize(
        ("loans", "reason"),
        [
            ((a_loan(due_on=TODAY + 30 * DAY),), Reason.PAID),
            ((due_in(1, status=LoanStatus.CLOSED),), Reason.LOAN_NOT_OPEN),
        ],
    )
    def test_one_that_waited_until_the_money_came(self, loans: tuple[Any, ...], reason: Reason) -> None:
        borrower = a_borrower(*loans, marks=(mark("before", "waiting", due=1, reason=Reason.CAP),))
        assert said(judged(borrower).actions) == [("skip", "before", reason)]

    @pytest.mark.parametrize("status", ["waiting", "requested", "told", "unsent", "over"])
    def test_a_mark_of_a_stage_that_is_gone(self, status: str) -> None:
        """What was waiting under another strategy ends; whatever else it was, it has its end or is on its way to it."""
        borrower = a_borrower(due_in(30), marks=(mark("forgotten", status, due=1),))
        ends = [("skip", "forgotten", Reason.OVERTAKEN)]
        assert said(judged(borrower).actions) == (ends if status == "waiting" else [])
        if status == "waiting":
            applied = apply(borrower, judged(borrower).actions, a_policy(), NOW)
            assert [m.status for m in applied.borrower.marks] == ["over"]
            assert [(m.state, m.reason, m.rule) for m in applied.messages] == [
                (MessageState.SUPPRESSED, Reason.OVERTAKEN, "strategy.stages")
            ]
            assert judged(applied.borrower).actions == ()

    @pytest.mark.parametrize(
        ("its", "settled"),
        [(None, True), (case(-4, status=CaseStatus.ENDED), True), (case(-4, episode=2), True), (case(-4), False)],
    )
    def test_a_tier_that_waits_in_no_open_case(self, its: Case | None, settled: bool) -> None:
        """A case that ended where nobody had rules could not end what was waiting in it."""
        waiting = mark("first", "waiting", due=-4, episode=1, reason=Reason.CAP)
        said_now = said(judged(a_borrower(due_in(30), case=its, marks=(waiting,))).actions)
        assert said_now == ([("skip", "first", Reason.CAP)] if settled else [])

    def test_the_core_does_not_count_it_as_late(self) -> None:
        decision = judged(a_borrower(due_in(-2, days_past_due=0)))
        assert decision.actions == ()
        assert decision.wake_at == NINE + DAY

    def test_hours_that_do_not_bind_and_closed_days_open_at_midnight(self) -> None:
        strategy = a_strategy(stages=(a_stage("before", -2, purpose=Purpose.MANDATORY), *a_strategy().stages[1:]))
        assert judged(a_borrower(due_in(9)), strategy=strategy).wake_at == datetime(2026, 6, 8, 4, 0, tzinfo=UTC)


def collecting() -> Any:
    """The strategy whose reminder on the day is collection already."""
    stages = list(a_strategy().stages)
    stages[1] = replace(stages[1], purpose=Purpose.COLLECTION)
    return a_strategy(stages=tuple(stages))


class TestCases:
    def judge(self, due: int = -4, **changes: Any) -> Decision:
        now = changes.pop("now", NOW)
        loans = changes.pop("loans", (due_in(due),))
        changes.setdefault("case", case(due))
        return judged(a_borrower(*loans, **changes), now=now)

    def test_the_first_tier(self) -> None:
        decision = self.judge()
        assert said(decision.case_actions) == [("request", "first", "sms", 0)]
        assert decision.ring_at == decision.wake_at == NOW + DAY

    def test_on_its_way(self) -> None:
        decision = self.judge(marks=(mark("first", "requested", due=-4, episode=1),))
        assert (decision.case_actions, decision.ring_at) == ((), NOW + DAY)

    def test_the_next_has_its_day(self) -> None:
        decision = self.judge(marks=(mark("first", "told", due=-4, episode=1),))
        assert (decision.case_actions, decision.ring_at) == ((), NINE + 11 * DAY)

    def test_the_next_has_its_gap(self) -> None:
        decision = self.judge(-40, marks=(mark("first", "told", due=-40, episode=1, days=2),))
        assert (decision.case_actions, decision.ring_at) == ((), NINE + 5 * DAY)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"loans": (a_loan(instalments=()),)}, (CaseOutcome.CURED, Reason.PAID)),
            ({"loans": (due_in(3),)}, (CaseOutcome.CURED, Reason.PAID)),
            ({"loans": (due_in(-4, status=LoanStatus.SOLD),)}, (CaseOutcome.CLOSED, Reason.LOAN_NOT_OPEN)),
            ({"loans": (due_in(-4, status=LoanStatus.CLOSED),)}, (CaseOutcome.CURED, Reason.PAID)),
            ({"case": case(-4, rounds=300)}, (CaseOutcome.REFERRED, Reason.NOT_RELEASED)),
            ({"case": case(-4, opened_at=NOW - 301 * DAY)}, (CaseOutcome.REFERRED, Reason.NOT_RELEASED)),
            ({"parties": (BLOCKED,)}, (CaseOutcome.OPTED_OUT, Reason.OPTED_OUT)),
            ({"parties": (a_party(points=()),)}, (CaseOutcome.REFERRED, Reason.NO_CONTACT_POINT)),
            (
                {"marks": (mark("first", "unsent", due=-4, episode=1, attempt=2, reason=Reason.UNREACHABLE),)},
                (CaseOutcome.REFERRED, Reason.UNREACHABLE),
            ),
            (
                {"marks": (mark("first", "unsent", due=-4, episode=1, attempt=2, reason=Reason.PROVIDER_OPTED_OUT),)},
                (CaseOutcome.OPTED_OUT, Reason.PROVIDER_OPTED_OUT),
            ),
        ],
    )
    def test_how_it_ends(self, changes: dict[str, Any], expected: tuple[CaseOutcome, Reason]) -> None:
        decision = self.judge(**changes)
        assert said(decision.case_actions)[-1] == ("end", *expected)
        assert decision.ring_at is None

    def test_what_was_waiting_ends_with_it(self) -> None:
        marks = (mark("first", "waiting", due=-4, episode=1, reason=Reason.CAP),)
        decision = self.judge(loans=(a_loan(instalments=()),), marks=marks)
        assert said(decision.case_actions) == [
            ("skip", "first", Reason.PAID),
            ("end", CaseOutcome.CURED, Reason.PAID),
        ]

    def test_a_person_at_the_end(self) -> None:
        marks = tuple(mark(name, "told", due=-40, episode=1, days=20) for name in ("first", "second"))
        assert said(self.judge(-40, marks=marks).case_actions) == [("end", CaseOutcome.REFERRED, Reason.STAGE_DUE)]
        held = self.judge(-40, marks=marks, holds=(a_hold(),))
        assert (held.case_actions, held.ring_at) == ((), NOW + 7 * DAY)

    def test_a_strategy_that_ends_with_a_tier(self) -> None:
        strategy = a_strategy(stages=a_strategy().stages[:3])
        marks = (mark("first", "told", due=-40, episode=1, days=20),)
        decision = judged(a_borrower(due_in(-40), case=case(-40), marks=marks), strategy=strategy)
        assert said(decision.case_actions) == [("end", CaseOutcome.REFERRED, Reason.STAGE_DUE)]

    def test_it_waits_a_week_at_most(self) -> None:
        decision = self.judge(holds=(a_hold(),))
        assert said(decision.case_actions) == [("wait", "first", Reason.HOLD)]
        assert decision.ring_at == NOW + 7 * DAY

    def test_what_is_not_late_is_reminded_of_beside_it(self) -> None:
        decision = self.judge(loans=(due_in(-4), due_in(1, "l-2"), due_in(-1, "l-3")))
        assert said(decision.actions) == [("request", "before", "sms", 0)]
        (request,) = [action for action in decision.case_actions if isinstance(action, Request)]
        assert [loan.loan_id for loan in request.loans] == ["l-1", "l-3"]

    def test_what_a_person_has_is_left_to_the_person(self) -> None:
        assert judged(a_borrower(due_in(-4), with_person_to=TODAY)) == Decision((), (), None, None)
        later = a_borrower(due_in(-4), with_person_to=TODAY - 5 * DAY)
        assert said(judged(later).actions) == [("open", TODAY - 4 * DAY)]


def test_a_strategy_has_a_tier() -> None:
    with pytest.raises(ValueError, match="tier"):
        a_strategy(stages=(a_stage("before", -2),))


def test_the_core_s_days_prevail() -> None:
    borrower = a_borrower(due_in(-2, days_past_due=4, overdue=an_overdue()))
    assert said(judged(borrower).actions) == [("open", TODAY - 2 * DAY)]


def test_only_the_oldest_instalment_counts() -> None:
    loan = a_loan(instalments=(Instalment(1, TODAY + DAY, usd("1.00")), Instalment(2, date(2026, 7, 2), usd("2.00"))))
    (request,) = judged(a_borrower(loan)).actions
    assert isinstance(request, Request)
    assert request.due_on == TODAY + DAY
    assert request.point.channel is Channel.SMS
