"""The simulated core: exact figures, rising sequences, the event format, and the same run for the same seed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.core import Account, Core, CoreEvent, FeedFaults, LoanLedger, LoanTerms, PartyTerms, ScheduledInstalment
from local.core.ledger import monthly, split

START = datetime(2026, 2, 2, tzinfo=UTC)
END = START + timedelta(days=90)


def loan_terms(loan_id: str = "l-1", *, first: date = date(2026, 2, 6), count: int = 3) -> LoanTerms:
    return LoanTerms(
        loan_id=loan_id,
        account_tail="4821",
        currency="USD",
        instalments=tuple(
            ScheduledInstalment(n + 1, day, Decimal("100.00"), Decimal("2.50"))
            for n, day in enumerate(monthly(first, count))
        ),
        late_fee=Decimal("15.00"),
        late_fee_after_days=5,
        late_interest_daily=Decimal("0.0005"),
    )


def account(borrower_id: str = "b-1", *loans: LoanTerms) -> Account:
    party = PartyTerms("p-1", "primary", "Ada Alder", "en-US", "+12125550100", None, ("servicing",), ())
    return Account(borrower_id, "US-NY", "America/New_York", (party,), loans or (loan_terms(),))


def core_of(*accounts: Account, faults: FeedFaults | None = None, seed: int = 7) -> Core:
    return Core(accounts or (account(),), seed=seed, start=START, feed_faults=faults)


def run(core: Core, until: datetime = END) -> list[CoreEvent]:
    events = []
    while (at := core.next_due()) is not None and at <= until:
        events += core.due(at)
    return events


def of_type(events: Iterable[CoreEvent], event_type: str) -> list[dict[str, Any]]:
    return [dict(event.detail) for event in events if event.type == event_type]


def local_noon(day: int, month: int = 2) -> datetime:
    return datetime(2026, month, day, 17, tzinfo=UTC)


class TestFeed:
    def test_starts_with_the_borrower_then_the_loan_then_a_checkpoint(self) -> None:
        events = run(core_of(), START + timedelta(hours=1))
        assert [event.type for event in events] == ["borrower.updated", "loan.snapshot", "feed.checkpoint"]
        assert events[0].detail["borrower"] == {
            "sequence": 1,
            "jurisdiction": "US-NY",
            "time_zone": "America/New_York",
            "parties": [
                {
                    "party_id": "p-1",
                    "role": "primary",
                    "name": "Ada Alder",
                    "locale": "en-US",
                    "phone": "+12125550100",
                    "may_hear": ["servicing"],
                    "consents": [],
                }
            ],
        }

    def test_instalments_reach_forty_five_days_ahead(self) -> None:
        snapshot = of_type(run(core_of(), START + timedelta(hours=1)), "loan.snapshot")[0]["loan"]
        assert [item["due_on"] for item in snapshot["instalments"]] == ["2026-02-06", "2026-03-06"]
        assert snapshot["instalments"][0]["outstanding"] == "102.50"

    def test_checkpoints_come_every_four_hours(self) -> None:
        marks = [
            datetime.fromisoformat(event["complete_to"])
            for event in of_type(run(core_of(), START + timedelta(days=5)), "feed.checkpoint")
        ]
        assert marks[0] == START
        assert {later - earlier for earlier, later in pairwise(marks)} == {timedelta(hours=4)}

    def test_lag_is_at_most_five_minutes_and_keeps_a_borrowers_order(self) -> None:
        events = [event for event in run(core_of()) if event.borrower_id is not None]
        assert all(timedelta(0) <= event.fed_at - event.recorded_at <= timedelta(minutes=5) for event in events)
        assert events == sorted(events, key=lambda event: event.event_id)

    @pytest.mark.parametrize("faults", [None, FeedFaults(0.2, 0.1, 0.2)])
    def test_a_checkpoint_never_claims_more_than_was_fed(self, faults: FeedFaults | None) -> None:
        events = run(core_of(account(), account("b-2", loan_terms("l-2")), faults=faults))
        fed: set[str] = set()
        recorded = {event.event_id: event.recorded_at for event in events if event.borrower_id}
        for event in events:
            fed.add(event.event_id)
            if event.type == "feed.checkpoint":
                complete_to = datetime.fromisoformat(str(event.detail["complete_to"]))
                assert {e for e, at in recorded.items() if at <= complete_to} <= fed

    def test_faults_repeat_delay_and_reorder(self) -> None:
        events = [event for event in run(core_of(faults=FeedFaults(0.2, 0.1, 0.2))) if event.borrower_id]
        ids = [event.event_id for event in events]
        assert len(set(ids)) < len(ids)
        assert ids != sorted(ids)
        assert any(event.fed_at - event.recorded_at > timedelta(hours=5) for event in events)

    def test_same_seed_same_run(self) -> None:
        assert run(core_of()) == run(core_of())
        assert [event.fed_at for event in run(core_of(seed=8))] != [event.fed_at for event in run(core_of())]

    def test_history_says_when_each_event_was_recorded_and_fed(self, tmp_path: Path) -> None:
        core = core_of()
        events = core.due(START + timedelta(hours=1))
        assert [entry["event"] for entry in core.history] == [event.detail for event in events]
        assert {entry["fed_at"] for entry in core.history} == {"2026-02-02T01:00:00+00:00"}
        core.write(tmp_path / "core.jsonl")
        lines = (tmp_path / "core.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == core.history


class TestOverdue:
    def test_an_instalment_falls_due_the_next_local_morning_and_is_told_daily(self) -> None:
        events = run(core_of(), START + timedelta(days=8))
        due = of_type(events, "loan.due")
        assert len(due) == 1
        assert due[0]["occurred_at"].startswith("2026-02-07T0")
        assert due[0]["loan"]["overdue"] == {
            "principal": "100.00",
            "interest": "2.55",
            "fees": "0.00",
            "total": "102.55",
        }
        assert due[0]["loan"]["days_past_due"] == 1
        days = [e["loan"]["days_past_due"] for e in of_type(events, "loan.snapshot") if e["loan"]["days_past_due"]]
        assert days == [2, 3]

    def test_the_fee_is_charged_once_after_its_days(self) -> None:
        core = core_of()
        run(core, START + timedelta(days=25))
        assert core.overdue("l-1").fees == Decimal("15.00")
        assert core.overdue("l-1", local_noon(11)).fees == Decimal("0.00")
        assert core.overdue("l-1", local_noon(12)).fees == Decimal("15.00")
        assert core.days_past_due("l-1", local_noon(12)) == 6

    def test_the_due_date_itself_is_not_late(self) -> None:
        core = core_of()
        run(core, local_noon(6))
        assert core.overdue("l-1").total == 0
        assert core.days_past_due("l-1") == 0


class TestPayments:
    def test_a_part_lowers_the_amount_and_the_rest_cures(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "part", local_noon(20))
        core.schedule_payment("l-1", "due", local_noon(22))
        events = run(core, local_noon(23))
        part, rest = (event["loan"] for event in of_type(events, "payment.applied"))
        assert 0 < Decimal(part["overdue"]["total"]) < Decimal("118.20")
        assert part["days_past_due"] == 14
        assert rest["overdue"]["total"] == "0.00"
        assert rest["days_past_due"] == 0
        assert core.days_past_due("l-1") == 0

    def test_pending_then_applied(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(10), "pending")
        events = run(core, local_noon(15))
        pending = of_type(events, "payment.pending")[0]
        payment_id = pending["payment"]["payment_id"]
        assert [item["payment_id"] for item in pending["loan"]["pending"]] == [payment_id]
        applied = of_type(events, "payment.applied")[0]
        assert applied["payment"] == pending["payment"]
        assert applied["loan"]["pending"] == []
        assert applied["loan"]["overdue"]["total"] == "0.00"  # nothing is charged for the days it was on its way

    def test_pending_then_returned_changes_no_debt(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(5), "pending_returned", later=timedelta(hours=5))
        events = run(core, local_noon(6))
        assert of_type(events, "payment.returned")[0]["loan"]["pending"] == []
        assert core.ledger("l-1").paid == 0

    @pytest.mark.parametrize("kind", ["returned", "reversed"])
    def test_a_bounce_after_the_cure_brings_the_arrears_back(self, kind: Any) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(10), kind, later=timedelta(days=4))
        events = run(core, local_noon(16))
        assert of_type(events, "payment.applied")[0]["loan"]["days_past_due"] == 0
        bounced = of_type(events, f"payment.{kind}")[0]["loan"]
        assert bounced["days_past_due"] == 8
        assert Decimal(bounced["overdue"]["total"]) > Decimal("102.50")
        assert core.days_past_due("l-1") == 10

    def test_paying_everything_closes_the_loan_and_then_it_is_silent(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "all", local_noon(3))
        events = run(core)
        closed = of_type(events, "loan.closed")[0]["loan"]
        assert closed["status"] == "closed"
        assert closed["instalments"] == []
        assert [event.type for event in events if event.borrower_id][-2:] == ["loan.closed", "notice.requested"]

    def test_words_count_what_is_on_its_way_and_what_is_near(self) -> None:
        core = core_of()
        core.schedule_payment("l-1", "due", local_noon(3), "pending", later=timedelta(days=2))
        core.schedule_payment("l-1", "due", local_noon(4))
        core.schedule_payment("l-1", "due", local_noon(8))  # the next is a month away
        assert len(of_type(run(core, local_noon(9)), "payment.applied")) == 1

    def test_the_past_is_closed(self) -> None:
        core = core_of()
        run(core, local_noon(9))
        with pytest.raises(ValueError, match="earlier moment"):
            core.schedule_payment("l-1", "due", local_noon(8))


class TestOtherFacts:
    def test_hold_and_lift(self) -> None:
        core = core_of()
        hold_id = core.schedule_hold("b-1", "dispute", local_noon(5), lift_at=local_noon(9))
        events = run(core, local_noon(10))
        assert of_type(events, "hold.placed")[0]["hold"] == {"hold_id": hold_id, "kind": "dispute", "source": "core"}
        assert of_type(events, "hold.lifted")[0]["hold"] == {"hold_id": hold_id, "by": "core"}

    def test_a_sold_loan_is_silent_afterwards(self) -> None:
        core = core_of()
        core.schedule_end("l-1", "sold", local_noon(20))
        core.schedule_payment("l-1", "due", local_noon(21))
        events = [event for event in run(core) if event.borrower_id]
        assert events[-1].type == "loan.sold"
        assert core.days_past_due("l-1") == 0

    def test_restructuring_ends_the_arrears_and_keeps_the_debt(self) -> None:
        core = core_of()
        core.schedule_restructure("l-1", local_noon(20), date(2026, 3, 20), 6)
        loan = of_type(run(core, local_noon(21)), "loan.restructured")[0]["loan"]
        assert loan["days_past_due"] == 0
        assert loan["overdue"]["total"] == "0.00"
        assert core.outstanding("l-1") == Decimal("307.50")
        assert len(core.standing("l-1").instalments) == 6

    def test_waiver(self) -> None:
        core = core_of()
        core.schedule_waiver("l-1", local_noon(20))
        loan = of_type(run(core, local_noon(21)), "loan.waived")[0]["loan"]
        assert loan["overdue"]["total"] == "102.50"


amounts = st.integers(1, 60_000).map(lambda cents: Decimal(cents).scaleb(-2))
steps = st.one_of(
    st.tuples(st.just("pay"), amounts),
    st.tuples(st.just("undo"), st.integers(0, 20)),
    st.tuples(st.just("days"), st.integers(1, 40)),
    st.tuples(st.just("waive"), st.none()),
    st.tuples(st.just("restructure"), st.integers(1, 9)),
    st.tuples(st.just("agree"), st.integers(1, 6)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=25))
def test_the_books_always_balance(history: list[tuple[str, Any]]) -> None:
    ledger = LoanLedger(loan_terms(count=4))
    today = date(2026, 2, 5)
    payments: list[str] = []
    for n, (what, figure) in enumerate(history):
        match what:
            case "pay":
                payments.append(f"p-{n}")
                ledger.apply(payments[-1], figure)
            case "undo" if figure < len(payments):
                ledger.undo(payments.pop(figure))
            case "days":
                for _ in range(figure):
                    today += timedelta(days=1)
                    ledger.charge_day(today)
            case "waive":
                ledger.waive_charges()
            case "restructure" if ledger.outstanding > 0:
                ledger.restructure(today + timedelta(days=30), figure)
            case "agree" if (debt := ledger.standing().arrears(today).total) > 0:
                dues = list(zip(monthly(today + timedelta(days=9), figure), split(debt, figure), strict=True))
                ledger.agree([due for due in dues if due[1]], debt, today)
                assert ledger.standing().arrears(today).total == 0
            case _:
                pass
        assert ledger.paid + ledger.waived + ledger.outstanding == ledger.billed + ledger.credit
        standing = ledger.standing()
        overdue = standing.arrears(today)
        assert overdue.total == overdue.principal + overdue.interest + overdue.fees
        assert all(item.principal >= 0 and item.interest >= 0 for item in standing.instalments)
        assert min(standing.fees, standing.late_interest, ledger.credit) >= 0
        assert (overdue.total > 0) == (standing.days_past_due(today) > 0)
        assert (ledger.status == "closed") == (ledger.outstanding == 0)


def test_a_payment_is_applied_once_and_exact() -> None:
    ledger = LoanLedger(loan_terms())
    ledger.apply("p-1", Decimal("10.00"))
    for payment_id, amount in (("p-1", "10.00"), ("p-2", "0"), ("p-3", "0.001")):
        with pytest.raises(ValueError, match=payment_id):
            ledger.apply(payment_id, Decimal(amount))
    with pytest.raises(ValueError, match="does not stand"):
        ledger.undo("p-9")


def test_splitting_and_months() -> None:
    assert split(Decimal("100.00"), 3) == [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]
    assert monthly(date(2026, 1, 31), 3) == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)]
