"""Real accounts: a file is read strictly, and six cycles become what a core would have told."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from dunlin.entry.core_events import parse_core_event

from local.portfolio.replay import (
    COLUMNS,
    Cycle,
    ReplayAccount,
    ReplayCore,
    ReplayDataError,
    ReplaySnapshot,
    ReplayTerms,
    occasions,
    read_accounts,
)

TERMS = ReplayTerms()
ROOT = Path(__file__).resolve().parents[2]


def sample_file() -> Path | None:
    """The accounts' file: where the variable says, or in a data folder near the checkout."""
    named = os.environ.get("DUNLIN_SAMPLE_ACCOUNTS")
    if named:
        return Path(named)
    return next(iter(sorted(ROOT.parent.glob("*/data/credit-card-clients.csv"))), None)


SAMPLE = sample_file()
needs_sample = pytest.mark.skipif(
    SAMPLE is None or not SAMPLE.is_file(),
    reason="no sample of real accounts: set DUNLIN_SAMPLE_ACCOUNTS to the credit-card clients' CSV",
)


def row(**cells: object) -> dict[str, object]:
    """A client who owes 30,000 each month, pays 2,000 in time, and differs in `cells`."""
    usual: dict[str, object] = {**dict.fromkeys(COLUMNS, 0), "id": 7, "limit_bal": 50_000}
    usual |= {f"bill_amt{n}": 30_000 for n in range(1, 7)} | {f"pay_amt{n}": 2_000 for n in range(1, 7)}
    return usual | cells


def written(tmp_path: Path, *rows: dict[str, object], columns: tuple[str, ...] = COLUMNS) -> Path:
    path = tmp_path / "accounts.csv"
    lines = [",".join(columns), *(",".join(str(cells[column]) for column in columns) for cells in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def told(tmp_path: Path, **cells: object) -> list[ReplaySnapshot]:
    (account,) = read_accounts(written(tmp_path, row(**cells)))
    return account.snapshots(TERMS)


def behind_at(snapshots: list[ReplaySnapshot], day: date) -> int:
    """Unpaid due dates that have passed at the end of a day."""
    end = datetime(day.year, day.month, day.day, 23, 59, tzinfo=TERMS.zone)
    last = [snapshot.loan for snapshot in snapshots if snapshot.at <= end][-1]
    return sum(item.due_on < day for item in last.instalments)


class TestReading:
    def test_cycles_run_from_april_to_september(self, tmp_path: Path) -> None:
        cells = {"bill_amt6": 4, "bill_amt1": 9, "pay_amt6": 40, "pay_amt1": 90, "pay_6": -2, "pay_0": 2}
        (account,) = read_accounts(written(tmp_path, row(**cells)))
        assert account.cycles[0] == Cycle(balance=4, paid=40, status=-2)
        assert account.cycles[-1] == Cycle(balance=9, paid=90, status=2)
        assert account.loan_id == "card-00007"

    def test_columns_are_found_by_name_and_others_ignored(self, tmp_path: Path) -> None:
        columns = ("branch", *reversed(COLUMNS))
        (account,) = read_accounts(written(tmp_path, row(branch="x"), columns=columns))
        assert account.limit == 50_000

    def test_limit(self, tmp_path: Path) -> None:
        path = written(tmp_path, row(id=1), row(id=2), row(id=3))
        assert [account.account_id for account in read_accounts(path, 2)] == [1, 2]

    def test_a_negative_balance_is_a_credit(self, tmp_path: Path) -> None:
        (account,) = read_accounts(written(tmp_path, row(bill_amt3=-500)))
        assert account.cycles[3].minimum == 0

    @pytest.mark.parametrize(
        ("column", "value", "problem"),
        [
            ("pay_amt3", "n/a", "must be a whole number"),
            ("bill_amt2", "12.5", "must be a whole number"),
            ("bill_amt2", "", "must be a whole number"),
            ("pay_amt1", "-1", "must be from 0 to"),
            ("pay_0", "10", "must be from -2 to 9"),
            ("default_payment_next_month", "2", "must be from 0 to 1"),
            ("id", "0", "must be from 1 to"),
        ],
    )
    def test_a_bad_cell_is_named_by_row_and_column(self, tmp_path: Path, column: str, value: str, problem: str) -> None:
        path = written(tmp_path, row(id=1), row(id=2, **({} if column == "id" else {column: value})))
        if column == "id":
            path = written(tmp_path, row(id=1), row(id=value))
        with pytest.raises(ReplayDataError, match=f"row 3, column {column}: {problem}") as refused:
            list(read_accounts(path))
        assert (refused.value.row, refused.value.column) == (3, column)

    def test_a_missing_column_and_a_short_row(self, tmp_path: Path) -> None:
        path = written(tmp_path, row(), columns=tuple(name for name in COLUMNS if name != "pay_4"))
        with pytest.raises(ReplayDataError, match="row 1, column pay_4: the column is missing"):
            list(read_accounts(path))
        path = written(tmp_path, row())
        path.write_text(path.read_text(encoding="utf-8").rstrip().rpartition(",")[0], encoding="utf-8")
        with pytest.raises(ReplayDataError, match="row 2, column default_payment_next_month: the cell is missing"):
            list(read_accounts(path))

    def test_an_empty_file(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.csv"
        path.touch()
        with pytest.raises(ReplayDataError, match="row 1, column id: the column is missing"):
            list(read_accounts(path))

    def test_an_id_twice(self, tmp_path: Path) -> None:
        with pytest.raises(ReplayDataError, match="row 3, column id: this id has been there before"):
            list(read_accounts(written(tmp_path, row(), row())))


@pytest.mark.parametrize(
    ("balance", "minimum"), [(-10, 0), (0, 0), (400, 400), (5_000, 1_000), (30_000, 1_500), (30_001, 1_501)]
)
def test_the_assumed_minimum(balance: int, minimum: int) -> None:
    assert Cycle(balance, 0, 0).minimum == minimum


class TestTelling:
    def test_a_punctual_client(self, tmp_path: Path) -> None:
        snapshots = told(tmp_path)
        assert [snapshot.event_type for snapshot in snapshots] == ["loan.snapshot", "payment.applied"] * 6
        statement, paid = snapshots[:2]
        assert statement.at.astimezone(TERMS.zone).isoformat() == "2026-05-01T06:00:00-04:00"
        (instalment,) = statement.loan.instalments
        assert (instalment.due_on, str(instalment.outstanding)) == (date(2026, 5, 20), "1500.00 TWD")
        assert paid.payment is not None
        assert str(paid.payment[1]) == "2000.00 TWD"
        assert paid.at.astimezone(TERMS.zone).date() <= date(2026, 5, 20)
        assert paid.loan.instalments == ()

    def test_one_month_behind_then_cured(self, tmp_path: Path) -> None:
        snapshots = told(tmp_path, pay_5=1, pay_amt5=0)
        assert behind_at(snapshots, date(2026, 5, 31)) == 1
        due = next(snapshot for snapshot in snapshots if snapshot.event_type == "loan.due")
        assert due.at.astimezone(TERMS.zone).date() == date(2026, 5, 21)
        assert due.loan.days_past_due == 1
        assert due.loan.overdue is not None
        assert str(due.loan.overdue.total) == "1500.00 TWD"
        assert behind_at(snapshots, date(2026, 6, 30)) == 0

    def test_months_behind_rise_by_one_a_month(self, tmp_path: Path) -> None:
        cells = {"pay_5": 2, "pay_4": 2, "pay_3": 3} | {f"pay_amt{n}": 0 for n in (3, 4, 5)}
        snapshots = told(tmp_path, **cells)
        assert [behind_at(snapshots, date(2026, month, 30)) for month in (5, 6, 7, 8)] == [1, 2, 3, 0]

    def test_behind_already_in_april(self, tmp_path: Path) -> None:
        first = told(tmp_path, pay_6=2)[0]
        assert first.event_type == "portfolio.imported"
        assert [item.due_on for item in first.loan.instalments] == [date(2026, m, 20) for m in (3, 4, 5)]
        assert first.loan.days_past_due == 42
        assert first.loan.overdue is not None
        assert str(first.loan.overdue.principal) == "3000.00 TWD"

    def test_a_payment_while_behind_comes_after_the_due_date_and_lowers_the_amount(self, tmp_path: Path) -> None:
        snapshots = told(tmp_path, pay_5=1, pay_amt5=500)
        payment = next(snapshot for snapshot in snapshots if snapshot.payment is not None)
        assert payment.at.astimezone(TERMS.zone).date() > date(2026, 5, 21)
        assert payment.loan.overdue is not None
        assert str(payment.loan.overdue.total) == "1000.00 TWD"

    def test_status_prevails_where_nothing_was_paid(self, tmp_path: Path) -> None:
        snapshots = told(tmp_path, pay_amt5=0)
        assert [snapshot.event_type for snapshot in snapshots[:2]] == ["loan.snapshot", "loan.snapshot"]
        assert snapshots[1].loan.instalments == ()

    def test_october(self, tmp_path: Path) -> None:
        assert behind_at(told(tmp_path), date(2026, 10, 31)) == 0
        assert behind_at(told(tmp_path, default_payment_next_month=1), date(2026, 10, 31)) == 1

    def test_an_unused_card_is_silent(self, tmp_path: Path) -> None:
        cells = {f"bill_amt{n}": 0 for n in range(1, 7)} | {f"pay_amt{n}": 0 for n in range(1, 7)}
        assert all(not snapshot.loan.instalments for snapshot in told(tmp_path, **cells))

    def test_same_seed_same_days(self, tmp_path: Path) -> None:
        (account,) = read_accounts(written(tmp_path, row()))
        assert account.snapshots(TERMS) == account.snapshots(ReplayTerms())
        assert account.snapshots(TERMS) != account.snapshots(ReplayTerms(seed=2))

    def test_parameters_move_place_and_time(self, tmp_path: Path) -> None:
        terms = ReplayTerms("CN", years=20)
        (account,) = read_accounts(written(tmp_path, row()))
        snapshot = account.snapshots(terms)[0]
        assert snapshot.at == datetime(2025, 4, 30, 22, tzinfo=UTC)
        borrower = account.borrower(terms, snapshot.loan)
        assert (borrower.jurisdiction, borrower.zone) == ("CN", "Asia/Shanghai")
        assert borrower.loans[0].currency == "TWD"
        assert borrower.parties[0].points[0].address.startswith("+861349")

    def test_occasions_are_changes_and_the_days_of_stages(self, tmp_path: Path) -> None:
        snapshots = told(tmp_path, pay_5=1, pay_amt5=0)
        moments = list(occasions(snapshots, (-3, 0, 3, 30), TERMS))
        assert [at for at, _ in moments] == sorted(at for at, _ in moments)
        days = {at.astimezone(TERMS.zone).date() for at, _ in moments if at.astimezone(TERMS.zone).hour == 10}
        assert {date(2026, 5, 17), date(2026, 5, 20), date(2026, 5, 23)} <= days


def all_documents(core: ReplayCore) -> Iterator[dict[str, Any]]:
    while (at := core.next_due()) is not None:
        for event in core.due(at):
            yield dict(event.detail)


class TestReplayCore:
    def test_feeds_what_the_accounts_tell(self, tmp_path: Path) -> None:
        accounts = list(read_accounts(written(tmp_path, row(id=1, pay_6=1), row(id=2, pay_5=1))))
        core = ReplayCore(accounts, terms=TERMS)
        documents = list(all_documents(core))
        assert [document["type"] for document in documents[:2]] == ["borrower.updated", "borrower.updated"]
        assert core.next_due() is None
        for account in accounts:
            snapshots = account.snapshots(TERMS)
            loans = [d["loan"] for d in documents if "loan" in d and d["borrower_id"] == account.borrower_id]
            assert [loan["sequence"] for loan in loans] == list(range(1, len(snapshots) + 1))
            assert [loan["days_past_due"] for loan in loans] == [snapshot.loan.days_past_due for snapshot in snapshots]
        imported = next(document for document in documents if document["type"] == "portfolio.imported")
        assert imported["contacts"] == []
        payment = next(document for document in documents if document["type"] == "payment.applied")
        assert payment["payment"]["amount"] == "2000.00"
        assert [entry["event"] for entry in core.history] == documents
        for document in documents:
            parse_core_event(json.loads(json.dumps(document)))
        core.write(tmp_path / "history.jsonl")
        assert len((tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()) == len(documents)

    def test_answers_about_any_moment(self, tmp_path: Path) -> None:
        (account,) = read_accounts(written(tmp_path, row(pay_5=1, pay_amt5=0)))
        core = ReplayCore([account], terms=TERMS)
        at = datetime(2026, 5, 25, 12, tzinfo=TERMS.zone)
        assert core.overdue(account.loan_id, at).total == Decimal("1500.00")
        assert core.outstanding(account.loan_id, at) == Decimal("1500.00")
        assert core.days_past_due(account.loan_id, at) == 5
        assert core.loan(account.loan_id) is None

    def test_more_accounts_than_invented_numbers_are_refused(self) -> None:
        accounts = [ReplayAccount(n, n - 1, 0, (Cycle(0, 0, 0),) * 6, missed_october=False) for n in range(1, 1902)]
        with pytest.raises(ValueError, match="1900 invented numbers"):
            ReplayCore(accounts, terms=TERMS)


@needs_sample
class TestSample:
    @pytest.mark.slow
    def test_every_account_is_told_soundly(self) -> None:
        assert SAMPLE is not None
        count = 0
        for account in read_accounts(SAMPLE):
            count += 1
            balances = {
                month.statement_at: cycle.balance for month, cycle in zip(TERMS.months, account.cycles, strict=True)
            }
            previous: datetime | None = None
            paid: dict[str, Decimal] = {}
            for n, snapshot in enumerate(account.snapshots(TERMS), start=1):
                loan = snapshot.loan
                assert loan.sequence == n
                assert previous is None or previous < snapshot.at
                previous = snapshot.at
                assert loan.overdue is not None
                assert loan.overdue.total.amount == loan.overdue.principal.amount
                assert loan.overdue.total.is_positive == bool(loan.days_past_due)
                assert all(item.outstanding.is_positive for item in loan.instalments)
                if snapshot.at in balances:
                    asked = sum(item.outstanding.amount for item in loan.instalments)
                    assert asked <= max(balances[snapshot.at], 0)
                if snapshot.payment is not None:
                    paid[snapshot.payment[0]] = snapshot.payment[1].amount
            real = [Decimal(cycle.paid) for cycle in account.cycles[1:] if cycle.paid]
            october = f"{account.loan_id}-6"
            assert [amount for payment_id, amount in paid.items() if payment_id != october] == real
        assert count > 1_000

    def test_cured_is_a_status_of_zero_or_less(self) -> None:
        assert SAMPLE is not None
        cured: dict[bool, int] = defaultdict(int)
        for account in read_accounts(SAMPLE, 3_000):
            snapshots = account.snapshots(TERMS)
            for month, cycle in zip(TERMS.months, account.cycles[1:], strict=False):
                if cycle.status <= 0:
                    assert behind_at(snapshots, month.dates[-1]) == 0
                    cured[True] += 1
                elif behind_at(snapshots, month.dates[-1]):
                    cured[False] += 1
        assert cured[True] > cured[False] > 0

    def test_snapshots_are_quick_to_build(self) -> None:
        assert SAMPLE is not None
        accounts = list(read_accounts(SAMPLE, 1_000))
        best = 1.0
        for _ in range(3):
            started = perf_counter()
            count = sum(len(account.snapshots(TERMS)) for account in accounts)
            best = min(best, (perf_counter() - started) / count)
        assert best < 300e-6  # aim 100 µs; the limit leaves room for a busy machine
