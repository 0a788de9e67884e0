"""What the simulated core asks to be said: at its own moment, in figures of its books, and such that it is accepted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dunlin.entry.facts import apply_fact
from dunlin.services.ingest import Ingest
from dunlin.testing import FakeClock, FakePointKeys, MemoryControls, MemoryStore

from local.behaviour import Behaviour, enact
from local.core import Account, Core, CoreEvent, FeedFaults
from local.core.notices import APPLICATION_STEPS, Matter
from local.portfolio.generate import generate
from tests.builders import shipped_content
from tests.local.test_core import START, account, core_of, loan_terms, local_noon, run

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _nothing_else_happens(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "matters" not in request.fixturenames:
        monkeypatch.setattr("local.core.notices.matters_of", lambda *_: ())


def asked(events: Iterable[CoreEvent]) -> list[tuple[str, dict[str, str]]]:
    """The messages that were asked for, with their facts."""
    return [(notice["message"], notice["facts"]) for notice in notices(events)]


def notices(events: Iterable[CoreEvent]) -> list[dict[str, Any]]:
    return [dict(event.detail)["notice"] for event in events if event.type == "notice.requested"]  # type: ignore[misc]


class TestPayments:
    def test_before_the_day(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(4))
        facts = {"amount": "102.50 USD", "event_on": "2026-02-04", "due_on": "2026-02-06"}
        assert asked(run(core, local_noon(5))) == [("payment_early_received", facts)]

    @pytest.mark.parametrize("day", [6, 9])
    def test_on_the_day_and_after_it_nothing_more_is_due(self, day: int) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(day))
        ((message, facts),) = asked(run(core, local_noon(day + 1)))
        assert message == "payment_received"
        assert facts["event_on"] == f"2026-02-{day:02d}"
        assert Decimal(facts["amount"].removesuffix(" USD")) >= Decimal("102.50")

    def test_a_part_of_the_arrears_says_what_is_left_of_them(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", Decimal("40.00"), local_noon(20))
        events = run(core, local_noon(20) + HOUR)
        ((message, facts),) = asked(events)
        assert message == "payment_part_received"
        assert facts["amount"] == "40.00 USD"
        assert facts["remaining"] == f"{core.overdue('l-1').total} USD"
        told: Any = next(event.detail for event in events if event.type == "payment.applied")
        assert facts["remaining"] == f"{told['loan']['overdue']['total']} USD"

    @pytest.mark.parametrize("day", [4, 6])
    def test_a_part_of_the_coming_instalment_says_what_is_left_of_it(self, day: int) -> None:
        core = core_of()
        core.schedule_payment("l-1", Decimal("2.50"), local_noon(day))
        facts = {"amount": "2.50 USD", "event_on": f"2026-02-{day:02d}", "remaining": "100.00 USD"}
        assert asked(run(core, local_noon(day) + HOUR)) == [("payment_part_received", facts)]

    def test_the_last_one_closes_the_loan_and_nothing_else_is_said(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "all", local_noon(4))
        events = run(core, local_noon(5))
        assert asked(events) == [("loan_closed", {"event_on": "2026-02-04"})]
        assert [event.type for event in events if event.borrower_id][-2:] == ["loan.closed", "notice.requested"]

    def test_one_that_counts_from_earlier_says_so(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(9), "backdated", later=3 * DAY)
        assert [facts["event_on"] for _, facts in asked(run(core, local_noon(10)))] == ["2026-02-06"]

    @pytest.mark.parametrize("kind", ["returned", "pending_returned"])
    def test_a_debit_that_came_back(self, kind: Any) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(4), kind, later=2 * DAY)
        message, facts = asked(run(core, local_noon(7)))[-1]
        assert (message, facts) == ("debit_failed", {"amount": "102.50 USD", "debit_on": "2026-02-04"})

    def test_what_the_lender_took_back_was_no_debit(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(4), "reversed")
        assert [message for message, _ in asked(run(core, local_noon(7)))] == ["payment_early_received"]

    def test_it_comes_after_the_payment_it_is_about(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(4))
        types = [event.type for event in run(core, local_noon(5)) if event.borrower_id]
        assert types[-2:] == ["payment.applied", "notice.requested"]
        entries: list[Any] = [entry for entry in core.history if entry["event"]["type"] == "notice.requested"]  # type: ignore[index]
        assert entries[0]["event"]["notice"]["loan_id"] == "l-1"
        assert datetime.fromisoformat(entries[0]["event"]["occurred_at"]) == local_noon(4)


class TestTheCalendar:
    def test_a_statement_in_office_hours_with_the_instalment(self) -> None:
        events = run(core_of(account("b-1", loan_terms(first=date(2026, 3, 6)))), START + 40 * DAY)
        assert asked(events)[0] == ("statement_ready", {"amount": "102.50 USD", "due_on": "2026-03-06"})
        (event, *_) = [event for event in events if event.type == "notice.requested"]
        assert 15 <= event.recorded_at.hour < 16  # ten in the morning in New York

    def test_none_for_somebody_in_arrears(self) -> None:
        assert asked(run(core_of(), START + 20 * DAY)) == []

    def test_a_new_term(self) -> None:
        core = core_of()
        core.schedule_restructure("l-1", local_noon(20), date(2026, 3, 20), 6)
        facts = {"instalments": "6", "amount": "51.25 USD", "effective_on": "2026-03-20"}
        assert ("term_changed", facts) in asked(run(core, local_noon(21)))


class TestHolds:
    def test_a_dispute_is_heard_and_answered_under_one_reference(self) -> None:
        core = core_of()
        core.schedule_hold("b-1", "dispute", local_noon(4), lift_at=local_noon(5))
        (first, heard), (second, answered) = asked(run(core, local_noon(6)))
        assert (first, second) == ("dispute_received", "dispute_resolved")
        assert heard == {"reference": "C-0001", "expected_by": "2026-02-14"}
        assert answered["reference"] == "C-0001"
        assert answered["outcome"].startswith("outcome.")

    def test_hardship_is_heard(self) -> None:
        core = core_of()
        core.schedule_hold("b-1", "hardship", local_noon(4))
        assert asked(run(core, local_noon(5))) == [("hardship_received", {"expected_by": "2026-02-14"})]

    def test_of_what_nobody_asked_for_nothing_is_said(self) -> None:
        core = core_of()
        core.schedule_hold("b-1", "bankruptcy", local_noon(4), lift_at=local_noon(5))
        assert asked(run(core, local_noon(6))) == []

    def test_a_promise_that_is_broken(self) -> None:
        core = core_of()
        core.schedule_hold("b-1", "promise", local_noon(10), until=local_noon(13))
        said = asked(run(core, local_noon(20)))
        assert [message for message, _ in said] == ["promise_confirmed", "promise_day", "promise_broken"]
        assert {facts["agreed_on"] for _, facts in said} == {"2026-02-13"}
        assert len({facts["amount"] for _, facts in said}) == 1

    def test_a_promise_that_is_kept(self) -> None:
        core = core_of()
        core.schedule_hold("b-1", "promise", local_noon(10), until=local_noon(13))
        core.schedule_payment("l-1", "due", local_noon(12))
        said = asked(run(core, local_noon(20)))
        assert [message for message, _ in said] == ["promise_confirmed", "promise_kept"]

    def test_on_the_day_of_a_promise_money_on_its_way_is_not_asked_for(self) -> None:
        core = core_of()
        core.schedule_hold("b-1", "promise", local_noon(10), until=local_noon(13))
        core.schedule_payment("l-1", "due", local_noon(12), "pending", later=3 * DAY)
        assert [message for message, _ in asked(run(core, local_noon(20)))] == ["promise_confirmed", "payment_received"]

    def test_of_a_loan_that_has_left_nothing_is_said(self) -> None:
        core = core_of()
        core.schedule_end("l-1", "sold", local_noon(5))
        core.schedule_hold("b-1", "dispute", local_noon(6), lift_at=local_noon(7))
        core.schedule_hold("b-1", "promise", local_noon(6))
        assert asked(run(core)) == []


def brought(monkeypatch: pytest.MonkeyPatch, *matters: Matter) -> None:
    monkeypatch.setattr("local.core.notices.matters_of", lambda *_: matters)


NOON = time(12)


class TestMatters:
    def test_an_application_becomes_a_loan_with_a_standing_order(
        self, matters: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        brought(monkeypatch, Matter("application", 1, NOON))
        monkeypatch.setattr("local.core.notices._DECLINED", ("",))
        core = core_of(account("b-1", loan_terms(first=date(2026, 3, 6))))
        core.schedule_payment("l-1", "all", local_noon(12))
        events = run(core, START + 200 * DAY)
        said = asked(events)
        steps = [message for message, _ in said][:6]
        assert steps == [
            "application_received",
            "application_progress",
            "application_approved",
            "contract_ready",
            "contract_signed",
            "disbursed",
        ]
        facts = dict(said)
        loan: Any = next(event.detail for event in events if event.type == "loan.disbursed")
        assert loan["loan"]["instalments"] == []  # further ahead than a snapshot looks
        first = core.ledger(loan["loan"]["loan_id"]).terms.instalments[0]
        assert facts["disbursed"]["first_amount"] == f"{first.principal + first.interest} USD"
        assert facts["disbursed"]["first_due_on"] == str(first.due_on)
        assert facts["disbursed"]["amount"] == facts["application_approved"]["amount"]
        assert core.outstanding(loan["loan"]["loan_id"]) < Decimal(facts["disbursed"]["amount"].removesuffix(" USD"))
        assert core.days_past_due(loan["loan"]["loan_id"]) == 0

    def test_somebody_in_arrears_is_declined_and_that_is_the_end(
        self, matters: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        brought(monkeypatch, Matter("application", 6, NOON))
        monkeypatch.setattr("local.core.notices._DECLINED", ("",))
        said = asked(run(core_of(), START + 20 * DAY))
        assert [message for message, _ in said] == [
            "application_received",
            "application_progress",
            "application_declined",
        ]
        assert said[-1][1]["reason"] == "reason.payment_history"
        assert len(APPLICATION_STEPS) == 6

    def test_a_limit_rises_for_nobody_in_arrears(self, matters: None, monkeypatch: pytest.MonkeyPatch) -> None:
        brought(monkeypatch, Matter("limit_raised", 10, NOON), Matter("rate_changed", 10, NOON))
        assert [message for message, _ in asked(run(core_of(), START + 12 * DAY))] == ["rate_changed"]

    def test_an_offer_is_asked_for_whoever_wants_it(self, matters: None, monkeypatch: pytest.MonkeyPatch) -> None:
        brought(monkeypatch, Matter("offer", 2, NOON))
        (notice,) = notices(run(core_of(), START + 4 * DAY))
        assert notice["message"] == "offer"
        assert "loan_id" not in notice


@pytest.fixture
def matters() -> None:
    """What the weeks bring is left in."""


@pytest.mark.parametrize("faults", [None, FeedFaults(repeated=0.2, late=0.0, out_of_order=0.0)])
def test_everything_it_asks_for_is_accepted(matters: None, faults: FeedFaults | None) -> None:
    """Every fact of a portfolio's months passes the application's door, notices among them in their kinds."""
    portfolio = generate(60, 60, seed=4)
    core = Core(portfolio.accounts, seed=4, start=portfolio.start, feed_faults=faults)
    enact(Behaviour(portfolio, core).at_start(), core)
    for place, kind in enumerate(("promise", "hardship", "dispute", "complaint") * 4):
        at = portfolio.start + (place + 6) * DAY
        core.schedule_hold(f"b-{place + 20:04d}", kind, at, lift_at=at + 5 * DAY)
    core.schedule_payment("l-0007-1", "part", portfolio.start + 12 * DAY, "returned")
    clock = FakeClock(portfolio.start)
    ingest = Ingest(
        store=MemoryStore(),
        controls=MemoryControls(),
        content=shipped_content(),
        keys=FakePointKeys(),
        clock=clock,
    )
    seen: Counter[str] = Counter()
    while (moment := core.next_due()) is not None and moment <= portfolio.end:
        for event in core.due(moment):
            clock.now = event.fed_at
            apply_fact(ingest, dict(event.detail))
            if event.type == "notice.requested":
                seen[notices([event])[0]["message"]] += 1
    assert set(seen) >= {
        "application_approved",
        "application_declined",
        "application_progress",
        "application_received",
        "complaint_answered",
        "complaint_received",
        "contract_ready",
        "contract_signed",
        "debit_failed",
        "disbursed",
        "dispute_received",
        "dispute_resolved",
        "hardship_received",
        "limit_raised",
        "loan_closed",
        "offer",
        "payment_early_received",
        "payment_part_received",
        "payment_received",
        "promise_broken",
        "promise_confirmed",
        "promise_day",
        "rate_changed",
        "statement_ready",
        "term_changed",
        "unusual_transaction",
    }


def test_the_feeds_faults_strike_notices_too(matters: None) -> None:
    portfolio = generate(40, 60, seed=4)
    core = Core(portfolio.accounts, seed=4, start=portfolio.start, feed_faults=FeedFaults(0.2, 0.1, 0.2))
    enact(Behaviour(portfolio, core).at_start(), core)
    events = [event for event in run(core, portfolio.end) if event.type == "notice.requested"]
    assert max(Counter(event.event_id for event in events).values()) == 2
    assert any(event.fed_at - event.recorded_at > timedelta(hours=5) for event in events)


def test_it_is_the_same_for_the_same_seed() -> None:
    def told(who: Account) -> list[dict[str, object]]:
        core = core_of(who, seed=3)
        core.schedule_payment("l-1", "due", local_noon(4))
        run(core)
        return core.history

    assert told(account()) == told(replace(account()))
