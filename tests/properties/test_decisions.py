"""`decide` on borrowers nobody would invent: total, pure, patient, and never the same stage twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from dunlin.domain.actions import EndCase, OpenCase, Request, Skip, Wait
from dunlin.domain.apply import apply, marked, pruned
from dunlin.domain.borrower import Borrower, StageMark
from dunlin.domain.decide import Decision, decide
from dunlin.domain.permit import Allowed, permit
from dunlin.domain.policy import Conditions
from dunlin.domain.words import CaseStatus, LoanStatus, PartyRole, Purpose, Reason
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    EMAIL_POINT,
    NOW,
    TODAY,
    a_borrower,
    a_loan,
    a_party,
    a_point,
    a_policy,
    a_strategy,
    an_overdue,
)
from tests.properties.strategies import borrowers, moments

POLICY = a_policy(conditions=Conditions(feed_complete_to=NOW + timedelta(days=365)))
STRATEGY = a_strategy()


def judged(borrower: Borrower, now: datetime) -> Decision:
    return decide(borrower, STRATEGY, POLICY, now)


@given(borrowers(), moments)
def test_the_same_question_has_the_same_answer(borrower: Borrower, now: datetime) -> None:
    before = repr(borrower)
    assert judged(borrower, now) == judged(borrower, now)
    assert repr(borrower) == before


@given(borrowers(), moments)
def test_every_moment_to_look_again_is_ahead(borrower: Borrower, now: datetime) -> None:
    """A wake that is over would come every minute for nothing; opening a case asks to be looked at at once."""
    decision = judged(borrower, now)
    opens = any(isinstance(action, OpenCase) for action in decision.actions)
    if decision.wake_at is not None:
        assert decision.wake_at >= now if opens else decision.wake_at > now
    if any(isinstance(action, Wait) for action in (*decision.actions, *decision.case_actions)):
        assert decision.wake_at is not None


@given(borrowers(), moments)
def test_nobody_who_owes_is_forgotten(borrower: Borrower, now: datetime) -> None:
    """None means that only a new fact can change anything: not while a loan is unpaid and nothing is under way."""
    decision = judged(borrower, now)
    owed = [loan for loan in borrower.loans if loan.status is LoanStatus.OPEN and loan.instalments]
    requested = any(isinstance(action, Request) for action in decision.actions)
    if decision.wake_at is None and owed:
        assert requested


@given(borrowers(), moments)
def test_what_is_asked_for_is_permitted(borrower: Borrower, now: datetime) -> None:
    decision = judged(borrower, now)
    requests = [action for action in decision.actions if isinstance(action, Request)]
    assert len(requests) <= 1
    for request in requests:
        answer = permit(
            borrower, request.party, request.point, request.loans, request.stage.purpose, STRATEGY, POLICY, now
        )
        assert isinstance(answer, Allowed)
        assert answer.until == request.until > now
        assert request.party.role in (PartyRole.PRIMARY, PartyRole.REPRESENTATIVE)
        assert request.point in request.party.points
        assert not any(loan.pending for loan in request.loans)
        assert len({loan.instalments[0].due_on for loan in request.loans}) == 1
    for action in decision.actions:
        if isinstance(action, Skip | Wait | EndCase):
            assert action.reason


@settings(max_examples=60)
@given(borrowers(), st.lists(st.integers(1, 5 * 24 * 60), min_size=5, max_size=25), st.randoms(use_true_random=False))
def test_no_stage_is_asked_for_twice(borrower: Borrower, steps: list[int], luck: object) -> None:
    """Over a random history of looks, where what was asked for is told: each occasion has one key, each stage one."""
    now = NOW
    keys: list[str] = []
    told: list[str] = []
    for step in steps:
        now += timedelta(minutes=step)
        decision = judged(borrower, now)
        for actions in (decision.actions, decision.case_actions):
            applied = apply(borrower, actions, POLICY, now)
            borrower = applied.borrower
            for message in applied.messages:
                keys.append(message.key)
                if message.reason is Reason.STAGE_DUE:
                    told.extend(message.mark_ids)
            borrower = replace(
                borrower,
                version=borrower.version + 1,
                marks=tuple(replace(m, status="told") if m.status == "requested" else m for m in borrower.marks),
            )
        borrower = pruned(borrower, now)
    assert len(set(keys)) == len(keys)
    assert len(set(told)) == len(told)


@given(borrowers(), moments)
def test_no_case_opens_beside_an_open_one(borrower: Borrower, now: datetime) -> None:
    opened = apply(borrower, judged(borrower, now).actions, POLICY, now).borrower
    again = judged(opened, now)
    if opened.case is not None and opened.case.status is CaseStatus.OPEN:
        assert not any(isinstance(action, OpenCase) for action in again.actions)
        ends = [action for action in again.case_actions if isinstance(action, EndCase)]
        assert len(ends) <= 1
        assert (again.ring_at is None) == bool(ends)


@given(borrowers(), moments)
def test_an_opted_out_person_is_asked_nothing(borrower: Borrower, now: datetime) -> None:
    blocked = replace(
        borrower,
        parties=tuple(
            replace(party, points=tuple(replace(point, blocked=frozenset({"*"})) for point in party.points))
            for party in borrower.parties
        ),
    )
    decision = judged(blocked, now)
    assert not any(isinstance(action, Request) for action in (*decision.actions, *decision.case_actions))


@settings(max_examples=100)
@given(st.integers(-20, 8), st.booleans(), st.lists(st.integers(1, 10 * 60), min_size=5, max_size=40))
def test_an_opt_out_is_not_answered_on_another_channel_before_the_gap(
    due_in: int, both: bool, steps: list[int]
) -> None:
    """Whatever is asked for is stopped by an opt-out of the number it was for; the next try of the same occasion is
    elsewhere, and not within the gap."""
    points = (a_point(), EMAIL_POINT) if both else (a_point(), a_point(point="point-2"), EMAIL_POINT)
    overdue = an_overdue() if due_in < 0 else None
    loan = a_loan(due_on=TODAY + timedelta(days=due_in), overdue=overdue)
    borrower = a_borrower(loan, parties=(a_party(points=points),))
    now = NOW
    refused_at: dict[str, datetime] = {}
    refused: set[str] = set()
    for step in steps:
        now += timedelta(minutes=step)
        decision = judged(borrower, now)
        for actions in (decision.actions, decision.case_actions):
            applied = apply(borrower, actions, POLICY, now)
            borrower = applied.borrower
            for message in applied.messages:
                if message.reason is not Reason.STAGE_DUE:
                    continue
                assert message.point not in refused
                for its in message.mark_ids:
                    if its in refused_at:
                        assert now - refused_at[its] >= timedelta(days=max(1, STRATEGY.min_gap_days))
                    refused_at[its] = now
                refused.add(message.point)
                borrower = marked(borrower, message, now, status="unsent", reason=Reason.OPTED_OUT)
            borrower = opted_out(replace(borrower, version=borrower.version + 1), refused)


def opted_out(borrower: Borrower, refused: set[str]) -> Borrower:
    """The borrower whose refused numbers take nothing any more."""
    parties = tuple(
        replace(
            party,
            points=tuple(
                replace(point, blocked=frozenset({"*"})) if point.point in refused else point for point in party.points
            ),
        )
        for party in borrower.parties
    )
    return replace(borrower, parties=parties)


def test_marks_name_their_stage() -> None:
    mark = StageMark(NOW.date(), "today", 0, "told", NOW)
    assert mark.mark_id == "2026-06-01#today#0"
    assert Purpose.SERVICING in STRATEGY.hours.purposes
