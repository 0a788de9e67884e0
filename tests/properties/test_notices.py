"""What the core asks to be said, over lives nobody would invent: once, in time, while it is true, and with an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from dunlin.domain.actions import Request, Skip, Wait
from dunlin.domain.apply import apply, marked
from dunlin.domain.borrower import Borrower, Notice
from dunlin.domain.decide import decide
from dunlin.domain.message import Message
from dunlin.domain.notices import asks_for_money, told_loans
from dunlin.domain.occasion import notice_of
from dunlin.domain.policy import Conditions, NoticeRule
from dunlin.domain.words import Channel, HoldKind, Purpose, Reason
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW, TODAY, a_borrower, a_line, a_loan, a_party, a_pending, a_policy, a_strategy, an_overdue
from tests.properties.strategies import borrowers, moments

BOTH = (Channel.SMS, Channel.EMAIL)
RULES = {
    rule.message: rule
    for rule in (
        NoticeRule("receipt", Purpose.SERVICE, BOTH, timedelta(hours=24)),
        NoticeRule("alarm", Purpose.SERVICE, (Channel.SMS,), timedelta(hours=2), urgent=True),
        NoticeRule("due_soon", Purpose.SERVICING, BOTH, timedelta(hours=48)),
        NoticeRule("broken", Purpose.COLLECTION, BOTH, timedelta(days=5), despite=frozenset({HoldKind.PROMISE})),
        NoticeRule("required", Purpose.MANDATORY, BOTH, timedelta(days=30), statement=True),
        NoticeRule("offer", Purpose.MARKETING, BOTH, timedelta(days=7)),
    )
}
WORDS = ("reminder", "due_today", "grace", "tier_1", "tier_2", "tier_3", *RULES)
POLICY = a_policy(
    conditions=Conditions(feed_complete_to=NOW + timedelta(days=365)),
    lines=(
        a_line(purposes=frozenset(Purpose)),
        a_line(line_id="mail", channel=Channel.EMAIL, purposes=frozenset(Purpose)),
    ),
    locales=frozenset((name, "en-US") for name in WORDS),
    notices=RULES,
)
STRATEGY = a_strategy()


@st.composite
def told_things(draw: st.DrawFn) -> Borrower:
    """A borrower whom the core has asked for up to five things to be told."""
    borrower = draw(borrowers())
    loans = tuple(
        replace(loan, paid_at=draw(st.none() | moments)) if draw(st.booleans()) else loan for loan in borrower.loans
    )
    asked = []
    for number in range(draw(st.integers(1, 5))):
        # What the door would refuse never gets here: what asks for money names a loan.
        names = sorted(name for name, rule in RULES.items() if loans or not asks_for_money(rule))
        message = draw(st.sampled_from(names))
        loan_ids = (draw(st.sampled_from(loans)).loan_id,) if loans else ()
        if not asks_for_money(RULES[message]) and draw(st.booleans()):
            loan_ids = ()
        party = draw(st.sampled_from(["", "", "p-2", "p-gone"]))
        asked.append(Notice(f"n-{number}", message, draw(moments), party, loan_ids))
    return replace(borrower, loans=loans, notices=tuple(asked))


@st.composite
def reachable(draw: st.DrawFn) -> Borrower:
    """Somebody in arrears whom nothing keeps from being told, but what the notices are about."""
    loan = a_loan(
        due_on=TODAY - timedelta(days=draw(st.integers(1, 3))),
        overdue=an_overdue("10.00"),
        paid_at=draw(st.none() | st.integers(-300, 300).map(lambda minutes: NOW + timedelta(minutes=minutes))),
        pending=draw(st.sampled_from([(), (), (a_pending("1.00"),)])),
    )
    asked = tuple(
        Notice(
            f"n-{number}",
            draw(st.sampled_from(sorted(RULES))),
            NOW + timedelta(minutes=draw(st.integers(-300, 300))),
            loan_ids=("l-1",),
        )
        for number in range(draw(st.integers(1, 4)))
    )
    party = a_party(may_hear=frozenset(Purpose))
    return a_borrower(loan, parties=(party,), notices=asked)


def settled(borrower: Borrower, messages: tuple[Message, ...], luck: Random) -> Borrower:
    """Providers take some of them and refuse others."""
    for message in messages:
        if message.party_id and luck.random() < 0.5:
            borrower = marked(borrower, message, message.requested_at, status="told")
        elif message.party_id:
            lose = luck.random() < 0.5
            reason = luck.choice([Reason.UNREACHABLE, Reason.CAP, Reason.THROTTLED])
            borrower = marked(
                borrower, message, message.requested_at, status="unsent", reason=reason, lose_channel=lose
            )
    return borrower


@settings(max_examples=150)
@given(told_things(), st.lists(st.integers(1, 3 * 24 * 60), min_size=3, max_size=20), st.randoms(use_true_random=False))
def test_each_ends_and_none_is_said_twice(borrower: Borrower, steps: list[int], luck: Random) -> None:
    now = max([NOW, *(notice.occurred_at for notice in borrower.notices)])
    asked = {notice.notice_id for notice in borrower.notices}
    ended: dict[str, set[str]] = {}
    keys: set[str] = set()
    told: list[str] = []
    for minutes in [*steps, 31 * 24 * 60, 10]:
        now += timedelta(minutes=minutes)
        decision = decide(borrower, STRATEGY, POLICY, now)
        applied = apply(borrower, decision.actions, POLICY, now)
        for message in applied.messages:
            assert message.key not in keys
            keys.add(message.key)
        borrower = settled(applied.borrower, applied.messages, luck)
        for mark in borrower.marks:
            if notice_of(mark.stage):
                ended.setdefault(notice_of(mark.stage), set()).add(mark.status)
                assert mark.status != "requested"
        told += [notice_of(m.stage) for m in applied.messages if m.notice_id and _is_told(borrower, m)]
    assert len(told) == len(set(told))
    for notice_id in asked:
        assert ended[notice_id] & {"told", "over", "unsent"}
    assert not [mark for mark in borrower.marks if notice_of(mark.stage) and mark.status == "waiting"]


def _is_told(borrower: Borrower, message: Message) -> bool:
    return any(mark.message_key == message.key and mark.status == "told" for mark in borrower.marks)


soon = st.integers(0, 600).map(lambda minutes: NOW + timedelta(minutes=minutes))


@settings(max_examples=300)
@given(st.one_of(told_things(), reachable()), st.one_of(moments, soon))
def test_what_is_asked_for_is_in_time_and_true(borrower: Borrower, now: datetime) -> None:
    by_id = {notice.notice_id: notice for notice in borrower.notices}
    for action in decide(borrower, STRATEGY, POLICY, now).actions:
        if not isinstance(action, Request) or not notice_of(action.stage.stage_id):
            continue
        notice = by_id[notice_of(action.stage.stage_id)]
        rule = RULES[notice.message]
        assert now < action.until <= notice.occurred_at + rule.within
        assert rule.purpose in action.party.may_hear
        assert not action.point.blocked & {"*", str(rule.purpose)}
        assert action.point.usable
        assert action.point in action.party.points
        if asks_for_money(rule):
            for loan in told_loans(borrower, notice):
                assert loan.instalments
                assert not loan.pending
                assert loan.paid_at is None or loan.paid_at < notice.occurred_at


@settings(max_examples=300)
@given(st.one_of(told_things(), reachable()), st.one_of(moments, soon))
def test_nobody_sleeps_on_what_is_still_to_be_said(borrower: Borrower, now: datetime) -> None:
    """Whatever is neither asked for nor ended is looked at again, no later than its time is over."""
    decision = decide(borrower, STRATEGY, POLICY, now)
    acted = {notice_of(action.stage.stage_id) for action in decision.actions if isinstance(action, Request | Skip)}
    waits = [notice for notice in borrower.notices if notice.notice_id not in acted]
    if waits:
        assert decision.wake_at is not None
        for notice in waits:
            assert decision.wake_at <= max(notice.occurred_at + RULES[notice.message].within, now + timedelta(hours=1))
    for action in decision.actions:
        if isinstance(action, Wait):
            assert action.until > now


@settings(max_examples=150)
@given(told_things(), moments)
def test_what_only_tells_changes_nothing_else(borrower: Borrower, now: datetime) -> None:
    """Receipts and alarms neither hold up a reminder nor hurry it."""
    telling = tuple(notice for notice in borrower.notices if not asks_for_money(RULES[notice.message]))
    with_them = decide(replace(borrower, notices=telling), STRATEGY, POLICY, now)
    without = decide(replace(borrower, notices=()), STRATEGY, POLICY, now)
    others = [action for action in with_them.actions if not _is_about_a_notice(action)]
    assert others == list(without.actions)
    assert with_them.case_actions == without.case_actions


def _is_about_a_notice(action: object) -> bool:
    return isinstance(action, Request | Wait | Skip) and bool(notice_of(action.stage.stage_id))
