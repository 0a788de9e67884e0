"""A decision on paper: marks, cases, messages; and what leaves the hot item."""

from __future__ import annotations

from datetime import timedelta

from dunlin.domain.actions import EndCase, OpenCase, Request, Skip, Wait
from dunlin.domain.apply import apply, marked, pruned, with_contact, without_contact, woken
from dunlin.domain.borrower import Case, StageMark
from dunlin.domain.words import CaseOutcome, CaseStatus, MessageState, Reason

from tests.builders import (
    NOW,
    TODAY,
    a_borrower,
    a_contact,
    a_hold,
    a_line,
    a_loan,
    a_message,
    a_party,
    a_policy,
    a_stage,
)

DAY = timedelta(days=1)
STAGE = a_stage("today", 0, template="due_today")
POLICY = a_policy(expected_parts={("due_today", "en-US"): 2})
UNTIL = NOW + timedelta(hours=9)


def test_a_request() -> None:
    borrower = a_borrower(a_loan())
    party = borrower.parties[0]
    action = Request(STAGE, TODAY, 0, 1, party, party.points[0], a_line(), borrower.loans, UNTIL)
    applied = apply(borrower, [action], POLICY, NOW)
    (message,) = applied.messages
    assert (message.key, message.state, message.reason) == (
        "2026-06-01#today#0#sms#1",
        MessageState.REQUESTED,
        Reason.STAGE_DUE,
    )
    assert (message.expected_parts, message.attend_at, message.not_after) == (2, UNTIL, UNTIL)
    (mark,) = applied.borrower.marks
    assert (mark.status, mark.attempt, mark.channel, mark.message_key) == ("requested", 1, "sms", message.key)
    assert applied.changed


def test_a_skip_is_a_message_that_ended() -> None:
    applied = apply(a_borrower(), [Skip(STAGE, TODAY, 0, 0, ("l-1",), Reason.CAP, "rule")], POLICY, NOW)
    (message,) = applied.messages
    assert (message.state, message.reason, message.rule, message.settled_at) == (
        MessageState.SUPPRESSED,
        Reason.CAP,
        "rule",
        NOW,
    )
    assert applied.borrower.marks[0].status == "over"


def test_a_wait_is_remembered_once() -> None:
    wait = Wait(STAGE, TODAY, 0, 0, UNTIL, Reason.CAP, "rule")
    once = apply(a_borrower(a_loan()), [wait], POLICY, NOW)
    assert once.changed
    again = apply(once.borrower, [wait], POLICY, NOW + DAY)
    assert not again.changed
    assert again.borrower == once.borrower
    other = apply(once.borrower, [Wait(STAGE, TODAY, 0, 0, UNTIL, Reason.HOLD, "rule")], POLICY, NOW)
    assert other.changed


def test_a_case_opens_and_ends() -> None:
    opened = apply(a_borrower(episodes=4), [OpenCase(TODAY)], POLICY, NOW).borrower
    assert opened.case == Case(5, 1, CaseStatus.OPEN, TODAY, NOW)
    cured = apply(opened, [EndCase(CaseOutcome.CURED, Reason.PAID)], POLICY, NOW + DAY).borrower
    assert cured.case is not None
    assert (cured.case.status, cured.case.outcome, cured.case.ended_at) == (
        CaseStatus.ENDED,
        CaseOutcome.CURED,
        NOW + DAY,
    )
    assert cured.with_person_to is None
    referred = apply(opened, [EndCase(CaseOutcome.REFERRED, Reason.STAGE_DUE)], POLICY, NOW).borrower
    assert referred.with_person_to == TODAY
    assert apply(a_borrower(), [EndCase(CaseOutcome.CURED, Reason.PAID)], POLICY, NOW).borrower.case is None


def test_nothing_changes_nothing() -> None:
    borrower = a_borrower(a_loan())
    applied = apply(borrower, [], POLICY, NOW)
    assert (applied.borrower, applied.messages, applied.changed) == (borrower, (), False)


def test_what_leaves_the_hot_item() -> None:
    old, kept = TODAY - 200 * DAY, TODAY - 150 * DAY
    borrower = a_borrower(
        a_loan(due_on=kept),
        contacts=(a_contact(NOW - 41 * DAY), a_contact(NOW - 39 * DAY, ref="c-2")),
        holds=(a_hold(until=NOW), a_hold(hold_id="h-2"), a_hold(hold_id="h-3", until=NOW + DAY)),
        marks=(
            StageMark(old, "first", 0, "told", NOW),
            StageMark(kept, "first", 0, "told", NOW),
            StageMark(TODAY, "first", 0, "told", NOW),
            StageMark(old, "first", 3, "told", NOW),
        ),
        case=Case(3, 1, CaseStatus.OPEN, old, NOW),
    )
    after = pruned(borrower, NOW)
    assert [contact.ref for contact in after.contacts] == ["c-2"]
    assert [hold.hold_id for hold in after.holds] == ["h-2", "h-3"]
    assert [(mark.due_on, mark.episode) for mark in after.marks] == [(kept, 0), (TODAY, 0), (old, 3)]


def test_woken_no_later() -> None:
    assert woken(a_borrower(), NOW).wake_at == NOW
    assert woken(a_borrower(wake_at=NOW), NOW + DAY).wake_at == NOW
    assert woken(a_borrower(wake_at=NOW + DAY), NOW).wake_at == NOW
    assert woken(a_borrower(wake_at=NOW), None).wake_at == NOW


def test_contacts_come_and_go() -> None:
    borrower = with_contact(a_borrower(), a_contact())
    assert borrower.contacts == (a_contact(),)
    assert without_contact(borrower, "other") == borrower
    assert without_contact(borrower, "c-1").contacts == ()


def test_only_the_message_s_own_stage_learns() -> None:
    message = a_message()
    own = StageMark(TODAY, "today", 0, "requested", NOW, message_key=message.key)
    newer = StageMark(TODAY, "today", 0, "requested", NOW, message_key="2026-06-01#today#0#sms#1")
    other = StageMark(TODAY, "before", 0, "told", NOW, message_key=message.key)
    borrower = a_borrower(marks=(own, other), parties=(a_party(),))
    after = marked(borrower, message, NOW, status="unsent", reason=Reason.BOUNCED, lose_channel=True)
    assert [(mark.status, mark.lost_channels) for mark in after.marks] == [("unsent", ("sms",)), ("told", ())]
    again = marked(after, message, NOW, status="unsent", lose_channel=True)
    assert again.marks[0].lost_channels == ("sms",)
    kept = a_borrower(marks=(newer,))
    assert marked(kept, message, NOW, status="unsent") == kept
    assert marked(kept, a_message(mark_ids=()), NOW, status="unsent") is kept
