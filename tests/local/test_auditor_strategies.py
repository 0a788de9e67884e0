"""The auditor picks the borrower's strategy itself, and finds every text that this strategy does not have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.auditor import AuditReport, audit
from local.auditor.plans import leading, plans_in
from tests.local.test_auditor import NY_PHONE, Run, at, kinds, late_notice, loan, party, reminder

CONTENT = Path(__file__).parents[2] / "layers" / "content"
#: Of the shares that the shipped card strategy leaves out, by its hash: one that is, one that is not.
LEFT_OUT, SENT = "b-00036", "b-00001"
DUE = "2026-03-10"


class Portfolio(Run):
    """One borrower in New York, the shipped strategies, and whatever is told and sent."""

    def __init__(self, borrower_id: str = SENT) -> None:
        super().__init__()
        self.borrower_id = borrower_id
        self._sequences: dict[str, int] = {}
        for path in (CONTENT / "strategies").glob("*.yaml"):
            self.packs[f"strategies-{path.name}"] = path.read_text(encoding="utf-8")
        self.borrower(borrower_id, "US-NY", "America/New_York", party("Maria Delacroix", NY_PHONE, email="m@x.example"))
        for day in range(-10, 100):
            self.checkpoint(at("2026-03-01 11:00") + timedelta(days=day))

    def told(self, moment: str, product: str | None, loan_id: str = "l-1", *, due: str = DUE, **changes: Any) -> None:
        sequence = self._sequences[loan_id] = self._sequences.get(loan_id, 0) + 1
        tail = {"l-1": "4821", "l-2": "7777"}[loan_id]
        snapshot = loan(sequence, at(moment), instalments=[(due, "310.50")], loan_id=loan_id, tail=tail, **changes)
        if product is not None:
            snapshot["product"] = product
        self.fact(self.borrower_id, "loan.snapshot", at(moment), loan=snapshot)

    def late(self, moment: str, product: str | None, days: int, **changes: Any) -> None:
        self.told(moment, product, total="318.00", fees="7.50", days_past_due=days, **changes)

    def says(self, stage: str, moment: str, body: str, *, episode: int = 0, **other: Any) -> None:
        channel = other.get("channel", "sms")
        self.sent(f"{self.borrower_id}/{DUE}#{stage}#{episode}#{channel}#0", NY_PHONE, body, at(moment), **other)


Judge = Callable[[Run], AuditReport]
REMINDED = reminder("$310.50")


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    return lambda run: audit(run.write(tmp_path))


def findings(report: AuditReport) -> list[str]:
    return [f"{finding.kind}: {finding.why}" for finding in report.findings]


# ── Which one ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("products", "name"),
    [
        (["card"], "card"),
        (["card", "instalment"], "card"),
        (["mortgage", "card"], "mortgage"),
        (["mortgage", "medical", "education"], "medical"),
        (["yacht"], None),
        (["card", "yacht"], None),
    ],
)
def test_the_one_that_leads(products: list[str], name: str | None) -> None:
    import yaml

    packs = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in (CONTENT / "strategies").glob("*.yaml")}
    found = leading(plans_in(packs), "US-NY", products)
    assert (found.name if found is not None else None) == name


@pytest.mark.parametrize(
    ("product", "stage", "moment", "fine"),
    [
        ("card", "reminder_5", "2026-03-05 15:00", True),
        ("card", "reminder_5", "2026-03-07 15:00", True),
        ("card", "reminder_5", "2026-03-08 15:00", False),
        ("card", "reminder_7", "2026-03-03 15:00", False),
        ("instalment", "reminder_7", "2026-03-03 15:00", True),
        (None, "reminder_7", "2026-03-03 15:00", True),
        (None, "reminder_5", "2026-03-05 15:00", False),
        ("mortgage", "reminder_14", "2026-02-24 15:00", True),
        ("mortgage", "reminder_14", "2026-03-01 15:00", False),
        ("medical", "early_help", "2026-03-03 16:00", True),
        ("education", "early_help", "2026-03-03 16:00", True),
        ("education", "early_help", "2026-03-04 16:00", False),
        ("card", "early_help", "2026-03-04 15:00", False),
        ("yacht", "anything", "2026-03-04 15:00", True),
    ],
)
def test_a_reminder(judged: Judge, product: str | None, stage: str, moment: str, fine: bool) -> None:
    run = Portfolio()
    run.told("2026-02-20 12:00", product)
    run.says(stage, moment, REMINDED)
    report = judged(run)
    assert kinds(report) == ({} if fine else {"strategy": 1}), findings(report)
    assert report.checked["strategy_checks"] == (product != "yacht")


@pytest.mark.parametrize(
    ("product", "days", "fine"),
    [
        ("instalment", 4, True),
        ("card", 4, False),
        ("card", 5, True),
        ("education", 7, False),
        ("mortgage", 9, False),
        ("mortgage", 10, True),
        ("medical", 13, False),
        ("medical", 14, True),
    ],
)
def test_a_tier(judged: Judge, product: str, days: int, fine: bool) -> None:
    run = Portfolio()
    run.told("2026-02-20 12:00", product)
    day = datetime(2026, 3, 10, 16, 0, tzinfo=UTC) + timedelta(days=days)
    run.late((day - timedelta(hours=5)).strftime("%Y-%m-%d %H:%M"), product, days)
    run.says("tier_1", day.strftime("%Y-%m-%d %H:%M"), late_notice("$318.00", days), episode=1)
    report = judged(run)
    assert kinds(report) == ({} if fine else {"strategy": 1}), findings(report)


def test_the_way_it_goes(judged: Judge) -> None:
    run = Portfolio()
    run.told("2026-02-20 12:00", "card")
    run.packs["strategies-card.yaml"] = run.packs["strategies-card.yaml"].replace("sms, email]", "email]")
    run.says("reminder_5", "2026-03-05 15:00", REMINDED)
    assert findings(judged(run)) == ["strategy: reminder_5 of card does not go by sms"]


@pytest.mark.parametrize(("borrower_id", "fine"), [(SENT, True), (LEFT_OUT, False)])
def test_who_is_left_out(judged: Judge, borrower_id: str, fine: bool) -> None:
    run = Portfolio(borrower_id)
    run.told("2026-02-20 12:00", "card")
    run.says("reminder_5", "2026-03-05 15:00", REMINDED)
    run.says("reminder_1", "2026-03-09 15:00", REMINDED)
    report = judged(run)
    assert kinds(report) == ({} if fine else {"strategy": 1}), findings(report)


@pytest.mark.parametrize(("product", "fine"), [("card", True), ("medical", False)])
def test_fees_that_are_left_out(judged: Judge, product: str, fine: bool) -> None:
    run = Portfolio()
    run.told("2026-02-20 12:00", product)
    run.late("2026-03-25 10:00", product, 15)
    run.says("tier_1", "2026-03-25 16:00", late_notice("$318.00 (fees $7.50)", 15), episode=1)
    report = judged(run)
    assert kinds(report) == ({} if fine else {"strategy": 1}), findings(report)


# ── Its hours and its gap ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("product", "moment", "fine"),
    [
        ("card", "2026-03-09 13:30", True),  # 09:30 in New York
        ("card", "2026-03-09 12:30", False),
        ("medical", "2026-03-09 13:30", False),
        ("medical", "2026-03-09 14:30", True),
        ("medical", "2026-03-09 21:30", False),  # to be delivered by 18:30
        ("mortgage", "2026-03-09 21:30", True),
    ],
)
def test_the_hours_of_the_one_that_is_followed(judged: Judge, product: str, moment: str, fine: bool) -> None:
    run = Portfolio()
    run.told("2026-02-20 12:00", product, due="2026-03-10" if product == "card" else "2026-03-12")
    stage = "reminder_1" if product == "card" else "reminder_3"
    body = REMINDED if product == "card" else reminder("$310.50", "March 12")
    due = DUE if product == "card" else "2026-03-12"
    run.sent(f"{run.borrower_id}/{due}#{stage}#0#sms#0", NY_PHONE, body, at(moment))
    assert kinds(judged(run)) == ({} if fine else {"quiet_hours": 1})


@pytest.mark.parametrize(("product", "fine"), [("card", True), ("medical", False)])
def test_the_gap_between_two(judged: Judge, product: str, fine: bool) -> None:
    """Two loans of one kind, due on two days: a text about each, a day apart."""
    run = Portfolio()
    run.told("2026-02-20 12:00", product)
    run.told("2026-02-20 12:00", product, "l-2", due="2026-03-11")
    stage = "due_today"
    run.says(stage, "2026-03-10 16:00", REMINDED)
    body = reminder("$310.50", "March 11", "7777")
    run.sent(f"{run.borrower_id}/2026-03-11#{stage}#0#sms#0", NY_PHONE, body, at("2026-03-11 16:30"))
    report = judged(run)
    assert kinds(report) == ({} if fine else {"cap": 1}), findings(report)
    if not fine:
        assert "strategy.medical.min_gap" in report.findings[0].why


# ── Loans that come and go ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sold_at", "fine"),
    [(None, False), ("2026-03-07 12:00", True), ("2026-03-04 10:00", True)],
    ids=["still there", "sold since: it may have been asked for before", "sold long before"],
)
def test_the_one_of_the_loans_there_are(judged: Judge, sold_at: str | None, fine: bool) -> None:
    """`reminder_5` is the card's; a mortgage beside it leads, and has none."""
    run = Portfolio()
    run.told("2026-02-20 12:00", "card")
    run.told("2026-02-20 12:00", "mortgage", "l-2", due="2026-04-20")
    if sold_at is not None:
        run.told(sold_at, "mortgage", "l-2", due="2026-04-20", status="sold")
    run.says("reminder_5", "2026-03-07 15:00", REMINDED)
    report = judged(run)
    assert kinds(report) == ({} if fine else {"strategy": 1}), findings(report)


def test_what_led_a_day_ago_does_not_excuse_for_ever(judged: Judge) -> None:
    run = Portfolio()
    run.told("2026-02-20 12:00", "card")
    run.told("2026-03-03 10:00", "mortgage", "l-2", due="2026-04-20")
    run.says("reminder_5", "2026-03-05 15:00", REMINDED)
    assert kinds(judged(run)) == {"strategy": 1}


def test_a_case_is_carried_through(judged: Judge) -> None:
    """Late since before the mortgage came: the card's second tier on day 15 may be right, a tier of nobody's not."""
    run = Portfolio()
    run.told("2026-02-20 12:00", "card")
    run.late("2026-03-15 10:00", "card", 5)
    run.told("2026-03-18 10:00", "mortgage", "l-2", due="2026-04-20")
    run.late("2026-03-25 10:00", None, 15)
    run.says("tier_1", "2026-03-15 16:00", late_notice("$318.00", 5), episode=1)
    run.says("tier_2", "2026-03-25 16:00", late_notice("$318.00", 15), episode=1)
    assert findings(judged(run)) == []
    run.says("tier_3", "2026-03-26 16:00", late_notice("$318.00", 16), episode=1)
    assert kinds(judged(run)) == {"strategy": 1}


def test_a_cure_ends_it(judged: Judge) -> None:
    """Paid, and late again a month later: by then the mortgage leads, and its first tier comes on day 10."""
    run = Portfolio()
    run.told("2026-02-20 12:00", "card")
    run.late("2026-03-15 10:00", "card", 5)
    run.told("2026-03-18 10:00", "mortgage", "l-2", due="2026-05-20")
    run.told("2026-03-20 10:00", "card", due="2026-04-10")
    run.told("2026-04-17 10:00", "card", due="2026-04-10", total="318.00", fees="7.50", days_past_due=7)
    body = late_notice("$318.00", 7, "April 10")
    run.sent(f"{run.borrower_id}/2026-04-10#tier_1#2#sms#0", NY_PHONE, body, at("2026-04-17 16:00"))
    assert findings(judged(run)) == ["strategy: tier_1 of mortgage comes later"]


def test_a_loan_stays_what_it_was(judged: Judge) -> None:
    run = Portfolio()
    run.told("2026-02-20 12:00", "card")
    run.told("2026-03-01 12:00", None)
    run.says("reminder_5", "2026-03-05 15:00", REMINDED)
    assert findings(judged(run)) == []
