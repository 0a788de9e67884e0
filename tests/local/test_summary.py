"""The figures of a run: each is counted from what was left, and what is broken is seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dunlin.domain.borrower import Case, Letter, StageMark
from dunlin.domain.ledger import entry_hash
from dunlin.domain.message import Message
from dunlin.domain.words import CaseStatus, MessageState

from local.auditor import KINDS, AuditReport
from local.simulator.faults import Faults
from local.simulator.payloads import Order
from local.simulator.record import HandOverReceived
from local.simulator.simulator import INVALID, LANDLINE, Delivered, Simulator
from local.summary import (
    Run,
    broken,
    by_local_hour,
    escalations,
    is_stuck,
    ledger,
    letters,
    notices,
    per_day,
    provider_faults,
    stage_of,
    summarise,
    timed_decisions,
)
from tests.builders import NOW, TODAY, a_borrower, a_loan, a_message, shipped_content

END = NOW + timedelta(days=1)
NEW_YORK = {"b-1": ZoneInfo("America/New_York")}


def a_hand_over(**changes: Any) -> HandOverReceived:
    given = HandOverReceived(
        at=NOW.isoformat(),
        provider="aws_sms",
        from_address="+12065550100",
        to_address="+12125550123",
        body="Marram: due today.",
        subject="",
        ref="b-1/2026-06-01#today#0#sms#0",
        context=(),
        reserved_at=NOW.isoformat(),
        ttl_seconds=3600,
        attempt=1,
        accepted=True,
        answer="OK",
        provider_message_id="m-1",
        delivered_at=NOW.isoformat(),
        final_report="TEXT_DELIVERED",
        final_report_at=NOW.isoformat(),
    )
    return replace(given, **changes)


def a_run(**changes: Any) -> Run:
    run = Run(
        start=NOW,
        end=END,
        borrowers=(),
        cases=(),
        messages=(),
        hand_overs=(),
        texts=(),
        facts=(),
        calls={"dynamodb.GetItem": 3, "sqs.SendMessage": 5},
        invocations={"SendMessageFunction": 1},
        errors={},
        refused_inputs=0,
        dead_letters=0,
        interpreter_failures=0,
        executions={"b-1-1-1": "SUCCEEDED"},
    )
    return replace(run, **changes)


def an_audit(**counters: int) -> AuditReport:
    opt_outs = {"received": 0, "honoured": 0, "max_seconds": 0.0}
    return AuditReport(dict.fromkeys(KINDS, 0) | counters, (), opt_outs, {}, {})


def reserved(message: Message, previous: str = "") -> Message:
    message = replace(
        message, state=MessageState.SENT, reserved_at=NOW, previous_hash=previous, body_digest="d", rendered_version=2
    )
    return replace(message, entry_hash=entry_hash(previous, message))


class TestStuck:
    @pytest.mark.parametrize(
        ("state", "late", "expected"),
        [
            (MessageState.REQUESTED, timedelta(minutes=16), True),
            (MessageState.SENT, timedelta(minutes=16), True),
            (MessageState.SENT, timedelta(minutes=14), False),
            (MessageState.SENT, timedelta(days=-3), False),
            (MessageState.DELIVERED, timedelta(days=3), False),
        ],
    )
    def test_a_message_is_stuck_when_nobody_came(self, state: MessageState, late: timedelta, expected: bool) -> None:
        assert is_stuck(a_message(state=state, attend_at=END - late), END) is expected

    def test_a_message_that_nobody_will_ever_look_at_is_stuck(self) -> None:
        assert is_stuck(a_message(attend_at=None), END)
        assert not is_stuck(a_message(state=MessageState.SUPPRESSED, attend_at=None), END)


def asked(event_id: str, message: str = "payment_received", fed_at: datetime = NOW) -> dict[str, Any]:
    event = {"event_id": event_id, "type": "notice.requested", "borrower_id": "b-1", "notice": {"message": message}}
    return {"fed_at": fed_at.isoformat(), "event": event}


def a_notice(event_id: str, **changes: Any) -> Message:
    stage = f"payment_received~{event_id}"
    return a_message(key=f"2026-06-01#{stage}#0#sms#0", stage=stage, **changes)


class TestNotices:
    """Every notice that was fed has an end; what has none is seen."""

    def test_each_by_what_came_of_it(self) -> None:
        messages = (
            a_notice("e-1", state=MessageState.DELIVERED, reserved_at=NOW),
            a_notice("e-2", state=MessageState.SUPPRESSED),
            a_notice("e-3", state=MessageState.REQUESTED),
        )
        facts = [asked(f"e-{number}") for number in (1, 1, 2, 3, 4)] + [asked("e-5", fed_at=END)]
        run = a_run(messages=messages, borrowers=(a_borrower(),), facts=facts)
        assert notices(run) == {"asked": 5, "told": 1, "not_told": 1, "under_way": 2, "silent": 1}
        assert "notices asked for and forgotten: 1" in broken(summarise(run, an_audit()))

    @pytest.mark.parametrize(("wakes_in", "silent"), [(timedelta(hours=1), 0), (timedelta(hours=-1), 1), (None, 1)])
    def test_one_that_waits_is_heard_of_again_only_if_somebody_looks(
        self, wakes_in: timedelta | None, silent: int
    ) -> None:
        mark = StageMark(TODAY, "payment_received~e-1", 0, "waiting", NOW, 0)
        wake_at = END + wakes_in if wakes_in is not None else None
        run = a_run(borrowers=(a_borrower(marks=(mark,), wake_at=wake_at),), facts=[asked("e-1")])
        assert notices(run)["silent"] == silent

    def test_a_letter_is_asked_for_waits_or_is_missed(self) -> None:
        facts = [asked(f"e-{number}", "application_declined") for number in (1, 2, 3)] + [asked("e-4")]
        waiting = Letter("e-2", "adverse_action", "application_declined", NOW)
        run = a_run(borrowers=(a_borrower(letters=(waiting,)),), facts=facts, letters=frozenset({"e-1"}))
        assert letters(run) == {"due": 3, "asked": 1, "silent": 1}
        assert "letters asked for and forgotten: 1" in broken(summarise(run, an_audit()))

    def test_it_is_counted_by_what_it_says(self) -> None:
        run = a_run(messages=(a_notice("e-1"), a_notice("e-2")))
        assert summarise(run, an_audit())["messages"]["by_stage"] == {"payment_received": 2}
        assert stage_of("b-1/2026-06-01#payment_received~e-1#0#sms#0@p-2") == "payment_received"


class TestLedger:
    def test_a_whole_chain_holds(self) -> None:
        first = reserved(a_message())
        second = reserved(a_message(key="2026-06-01#grace#0#sms#0"), first.entry_hash)
        run = a_run(borrowers=(a_borrower(chain_head=second.entry_hash),), messages=(first, second, a_message(key="x")))
        assert ledger(run) == {"entries": 2, "broken": 0}

    @pytest.mark.parametrize("harm", ["digest", "missing", "head", "stranger"])
    def test_what_was_changed_afterwards_is_seen(self, harm: str) -> None:
        first = reserved(a_message())
        second = reserved(a_message(key="2026-06-01#grace#0#sms#0"), first.entry_hash)
        borrower = a_borrower(chain_head=second.entry_hash)
        messages: tuple[Message, ...] = (first, second)
        match harm:
            case "digest":
                messages = (replace(first, body_digest="another"), second)
            case "missing":
                messages = (first,)
            case "head":
                borrower = replace(borrower, chain_head=first.entry_hash)
            case _:
                messages = (first, second, reserved(a_message(borrower_id="b-2")))
        assert ledger(a_run(borrowers=(borrower,), messages=messages))["broken"] == 1


class TestCounts:
    def test_a_message_that_was_accepted_twice_is_a_duplicate_whatever_the_audit_says(self) -> None:
        twice = (a_hand_over(), a_hand_over(attempt=2))
        assert summarise(a_run(hand_overs=twice), an_audit())["duplicates"] == 1
        retried = (a_hand_over(accepted=False, answer="THROTTLED"), a_hand_over(attempt=2))
        assert summarise(a_run(hand_overs=retried), an_audit())["duplicates"] == 0
        assert summarise(a_run(), an_audit(duplicates=2))["duplicates"] == 2

    def test_parts_are_those_that_were_accepted(self) -> None:
        given = (
            a_hand_over(body="x" * 161),
            a_hand_over(ref="b-1/2", body="还款" * 40, provider="finance_sms"),
            a_hand_over(ref="b-1/3", provider="aws_ses", body="x" * 500),
            a_hand_over(ref="b-1/4", accepted=False),
        )
        assert summarise(a_run(hand_overs=given), an_audit())["sms_parts"] == 4

    def test_hours_and_days_are_the_borrowers(self) -> None:
        late = datetime(2026, 6, 2, 3, 30, tzinfo=UTC)  # half past eleven the evening before in New York
        given = [a_hand_over(at=late.isoformat()), a_hand_over(ref="b-1/reply#help#sms#i-1")]
        assert by_local_hour(given, NEW_YORK) == {"11": 1, "23": 1}
        assert per_day(given, NEW_YORK) == [{"on": "2026-06-01", "stages": {"help": 1, "today": 1}}]

    def test_a_hand_over_that_names_nobody_is_still_counted(self) -> None:
        given = [a_hand_over(ref="nonsense"), a_hand_over(ref="b-9/odd")]
        assert by_local_hour(given, NEW_YORK) == {"15": 2}
        assert stage_of("nonsense") == stage_of("b-9/odd") == "unknown"

    def test_cases_are_counted_by_their_endings_and_on_their_own(self) -> None:
        case = Case(2, 1, CaseStatus.OPEN, TODAY, NOW)
        run = a_run(
            borrowers=(a_borrower(episodes=2, case=case), a_borrower(borrower_id="b-2", episodes=1)),
            cases=({"borrower_id": "b-1", "episode": 1, "outcome": "cured"},),
        )
        figures = escalations(run)
        assert figures == {"started": 3, "cured": 1, "referred": 0, "opted_out": 0, "closed": 0, "agreed": 0, "open": 1}

    def test_faults_are_in_plain_words(self) -> None:
        given = [
            a_hand_over(answer="hold", final_report=None),
            a_hand_over(answer="THROTTLED", accepted=False, final_report=None),
            a_hand_over(answer="OK", provider="aws_sns", final_report=None),
            a_hand_over(answer="OK"),
        ]
        assert provider_faults(given) == {"lost_reports": 1, "throttled": 1, "timed_out": 1}

    def test_every_kind_of_violation_is_there(self) -> None:
        assert set(summarise(a_run(), an_audit())["violations"]) == set(KINDS)


class TestBroken:
    def test_a_good_run_has_nothing_to_say(self) -> None:
        assert broken(summarise(a_run(), an_audit())) == []

    @pytest.mark.parametrize(
        ("run", "audit", "word"),
        [
            (a_run(), an_audit(cap=1), "cap"),
            (a_run(), an_audit(content=1), "content"),
            (a_run(hand_overs=(a_hand_over(), a_hand_over())), an_audit(), "duplicates"),
            (a_run(messages=(a_message(attend_at=None),)), an_audit(), "stuck"),
            (a_run(dead_letters=1), an_audit(), "dead letters"),
            (a_run(interpreter_failures=1), an_audit(), "interpreter failures"),
            (a_run(borrowers=(a_borrower(chain_head="of nothing"),)), an_audit(), "ledger"),
        ],
    )
    def test_each_thing_that_must_not_be_is_said(self, run: Run, audit: AuditReport, word: str) -> None:
        (said,) = broken(summarise(run, audit))
        assert said.startswith(word)


class TestDecisions:
    def test_they_are_timed_over_everybody_who_has_rules(self) -> None:
        borrowers = [a_borrower(a_loan()), a_borrower(jurisdiction="XX")]
        assert timed_decisions(borrowers, shipped_content(), NOW, seconds=0.01) > 0
        assert timed_decisions(borrowers[1:], shipped_content(), NOW, seconds=0.01) == 0


@pytest.mark.parametrize("why", [INVALID, LANDLINE])
@pytest.mark.parametrize("provider", ["aws_sms", "finance_sms"])
def test_a_number_that_takes_no_texts_never_has_one(why: str, provider: str) -> None:
    felt: list[Delivered] = []
    number = "+12125550123"
    simulator = Simulator(lambda: NOW, 1, Faults.none(), on_delivered=felt.append, unreachable={number: why})
    for to_address in (number, "+12125550124"):
        order = Order(provider, "+12065550100", to_address, "Due today.", "", f"b-1/{to_address}", (), "", 3600)
        assert simulator.take(order).answer == "OK"
    reports = simulator.due(NOW + timedelta(days=4))
    assert [delivered.to_address for delivered in felt] == ["+12125550124"]
    assert any(report.kind == "report" for report in reports)
    never = next(given for given in simulator.record.hand_overs if given.to_address == number)
    gone = {
        "aws_sms": {INVALID: "TEXT_INVALID", LANDLINE: "TEXT_UNREACHABLE"},
        "finance_sms": {INVALID: "MK:0001", LANDLINE: "UNDELIV"},
    }
    assert (never.delivered_at, never.final_report) == (None, gone[provider][why])
