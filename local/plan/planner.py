"""Lets the days of a plan pass for one borrower after another, with the very decision that production makes.

Nothing is known of the days to come, so nobody pays and nobody answers: the plan is what would go out at most. What is
requested counts as told at once. Wording that is not released counts as if it were, and is listed as what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dunlin.content import Content
from dunlin.domain.actions import Action, EndCase, Skip, Wait
from dunlin.domain.apply import apply
from dunlin.domain.borrower import Borrower
from dunlin.domain.decide import decide
from dunlin.domain.facts import LoanChanged
from dunlin.domain.hours import local_date
from dunlin.domain.message import Message
from dunlin.domain.policy import Conditions, Policy, Strategy
from dunlin.domain.words import CaseStatus, LoanStatus, MessageState
from dunlin.services.ingest import imported

from local.replay import MOST_ROUNDS, MOST_WAKES, told

#: Due date, stage, episode, and whose occasion it is: what one message is about, however and whenever it is said.
Occasion = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class Planned:
    """One message that would go out. `clock` is the borrower's, `HH:MM`; `from_at` and `until_at` bound its line."""

    strategy_id: str
    stage: str
    jurisdiction: str
    locale: str
    channel: str
    line: str
    template: str
    purpose: str
    parts: int
    on: date
    clock: str
    from_at: datetime
    until_at: datetime


@dataclass(slots=True)
class Course:
    """What becomes of one borrower: messages by occasion, why others wait or end, and whether rules were missing."""

    messages: dict[Occasion, Planned] = field(default_factory=dict)
    waits: dict[Occasion, tuple[str, str]] = field(default_factory=dict)
    ends: dict[Occasion, tuple[str, str]] = field(default_factory=dict)
    referred: int = 0
    decisions: int = 0
    without_rules: bool = False
    twice: int = 0


class Planner:
    """Plans under one content, `days` from `start` (aware UTC)."""

    def __init__(self, content: Content, start: datetime, days: int) -> None:
        self._content = content
        self._start = start
        self._end = start + timedelta(days=days)
        self._policies: dict[tuple[str, date], Policy | None] = {}

    def course(self, borrower: Borrower) -> Course:
        """What would be said to this borrower."""
        course = Course()
        products = frozenset(loan.product for loan in borrower.loans if loan.status is LoanStatus.OPEN)
        strategy = self._content.strategy(borrower.jurisdiction, products)
        if strategy is None or self._policy(borrower, self._start) is None:
            course.without_rules = True
            return course
        borrower = _taken_over(borrower, strategy, self._start)
        wake_at: datetime | None = self._start
        for _ in range(MOST_WAKES):
            if wake_at is None or wake_at >= self._end:
                break
            policy = self._policy(borrower, wake_at)
            if policy is None:
                course.without_rules = True
                break
            borrower, wake_at = _decided(course, borrower, strategy, policy, wake_at)
        return course

    def _policy(self, borrower: Borrower, now: datetime) -> Policy | None:
        key = (borrower.jurisdiction, local_date(now, borrower.zone))
        if key not in self._policies:
            found = self._content.policy(*key, Conditions(feed_complete_to=self._end))
            self._policies[key] = None if found is None else replace(found, live=True)
        return self._policies[key]


def _taken_over(borrower: Borrower, strategy: Strategy, now: datetime) -> Borrower:
    """The borrower as a portfolio is taken over: past stages of arrears count as said, so day 45 starts no burst."""
    for loan in borrower.loans:
        if loan.days_past_due:
            event = LoanChanged(
                event_id=f"{loan.loan_id}-plan",
                type="portfolio.imported",
                occurred_at=now,
                borrower_id=borrower.borrower_id,
                loan=loan,
                imported=True,
            )
            borrower = imported(borrower, event, strategy, now)
    return borrower


def _decided(
    course: Course, borrower: Borrower, strategy: Strategy, policy: Policy, now: datetime
) -> tuple[Borrower, datetime | None]:
    """One wake, as in production: what is due first, the case's own step after it, each on a fresh read."""
    soon = now + timedelta(minutes=1)
    for _ in range(MOST_ROUNDS):
        decision = decide(borrower, strategy, policy, now)
        course.decisions += 1
        after = _carried_out(course, borrower, decision.actions, policy, now)
        if after is None:
            after = _carried_out(course, borrower, decision.case_actions, policy, now)
        if after is None:
            return borrower, None if decision.wake_at is None else max(decision.wake_at, soon)
        borrower = after
    return borrower, soon


def _carried_out(
    course: Course, borrower: Borrower, actions: Sequence[Action], policy: Policy, now: datetime
) -> Borrower | None:
    """The borrower afterwards; None when nothing changed."""
    if not actions:
        return None
    for action in actions:
        if isinstance(action, (Wait, Skip)):
            occasion = (action.due_on.isoformat(), action.stage.stage_id, action.episode, action.principal_id)
            into = course.waits if isinstance(action, Wait) else course.ends
            into[occasion] = (str(action.reason), action.rule)
    applied = apply(borrower, actions, policy, now)
    if not applied.changed:
        return None
    course.referred += sum(isinstance(action, EndCase) for action in actions)
    after = applied.borrower
    for message in applied.messages:
        if message.state is MessageState.REQUESTED:
            _note(course, borrower, message, now)
            after = told(after, message, now)
    case = after.case
    if case is not None and case.status is CaseStatus.OPEN:
        case = replace(case, rounds=case.rounds + 1, assessed_at=now)
    return replace(after, case=case, version=after.version + 1, revision=after.revision + 1)


def _note(course: Course, borrower: Borrower, message: Message, now: datetime) -> None:
    due_on = "" if message.due_on is None else message.due_on.isoformat()
    occasion = (due_on, message.said, message.episode, message.principal_id)
    course.twice += occasion in course.messages
    at = max(now, message.not_before)
    course.messages[occasion] = Planned(
        strategy_id=message.strategy_id,
        stage=message.said,
        jurisdiction=borrower.jurisdiction,
        locale=message.locale,
        channel=str(message.channel),
        line=message.line,
        template=message.template,
        purpose=str(message.purpose),
        parts=message.expected_parts,
        on=local_date(at, borrower.zone),
        clock=f"{at.astimezone(ZoneInfo(borrower.zone)):%H:%M}",
        from_at=at,
        until_at=message.may_go_until,
    )
