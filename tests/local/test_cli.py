"""The command: what it refuses and how it says so, where JSON goes, and what a replay decides."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from local import cli
from local.commands import run as running
from local.portfolio.replay import COLUMNS, ReplayAccount, ReplayTerms, read_accounts
from local.replay import Decider, Tally, decide_all, decided_figures
from tests.builders import shipped_content
from tests.local.test_demo import released_content

TERMS = ReplayTerms()


def row(**cells: object) -> dict[str, object]:
    """A client who owes 30,000 each month, pays 2,000 in time, and differs in `cells`."""
    usual: dict[str, object] = {**dict.fromkeys(COLUMNS, 0), "id": 7, "limit_bal": 50_000}
    usual |= {f"bill_amt{n}": 30_000 for n in range(1, 7)} | {f"pay_amt{n}": 2_000 for n in range(1, 7)}
    return usual | cells


#: In time, a month late and cured, late from the start, never seen again, owing nothing.
CLIENTS = (
    row(id=1),
    row(id=2, pay_4=1),
    row(id=3, pay_6=2, pay_5=3, pay_4=4, pay_3=5, pay_2=6, pay_0=7, default_payment_next_month=1),
    row(id=4, pay_0=1, pay_2=1, pay_3=1, default_payment_next_month=1),
    row(id=5, **{f"bill_amt{n}": 0 for n in range(1, 7)}, **{f"pay_amt{n}": 0 for n in range(1, 7)}),
)


def written(folder: Path, *rows: dict[str, object]) -> Path:
    path = folder / "accounts.csv"
    lines = [",".join(COLUMNS), *(",".join(str(cells[column]) for column in COLUMNS) for cells in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def dunlin(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The complaint of a command that could not do what was asked: words, no traceback."""
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    return re.sub(r"\s+", " ", result.stderr)


@pytest.fixture
def accounts(tmp_path: Path) -> list[ReplayAccount]:
    return list(read_accounts(written(tmp_path, *CLIENTS)))


class TestRefusals:
    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        assert f"{tmp_path}/none.csv: No such file" in refused(dunlin("replay", tmp_path / "none.csv"))

    def test_a_folder(self, tmp_path: Path) -> None:
        assert "Is a directory" in refused(dunlin("replay", tmp_path))

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "row 1, column id: the column is missing"),
            ("id,limit_bal\n1,2\n", "row 1, column pay_6: the column is missing"),
            (",".join(COLUMNS) + "\n", "there is no account in it"),
            (",".join(COLUMNS) + "\n1,secret\n", "row 2, column limit_bal: must be a whole number"),
            (",".join(COLUMNS) + "\n1,2\n", "row 2, column bill_amt6: the cell is missing"),
        ],
    )
    def test_a_file_that_says_something_else(self, tmp_path: Path, text: str, complaint: str) -> None:
        path = tmp_path / "accounts.csv"
        path.write_text(text, encoding="utf-8")
        said = refused(dunlin("replay", path))
        assert complaint in said
        assert "accounts.csv" in said
        assert "secret" not in said

    def test_a_cell_far_down(self, tmp_path: Path) -> None:
        path = written(tmp_path, row(id=1), row(id=2), row(id=3, pay_0=12))
        assert "row 4, column pay_0: must be from -2 to 9" in refused(dunlin("replay", path))

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        path = tmp_path / "accounts.csv"
        path.write_bytes(b"id,limit_bal\n\xff\xfe\n")
        assert "is not UTF-8 text" in refused(dunlin("replay", path))

    def test_a_cell_without_an_end(self, tmp_path: Path) -> None:
        path = tmp_path / "accounts.csv"
        path.write_text(",".join(COLUMNS) + '\n"' + "9" * 200_000, encoding="utf-8")
        assert "is not CSV" in refused(dunlin("replay", path))

    def test_more_accounts_than_there_are_invented_numbers(self, tmp_path: Path) -> None:
        said = refused(dunlin("replay", written(tmp_path, *CLIENTS), "--accounts", 1901))
        assert "US-NY has 1,900 invented numbers" in said

    def test_a_place_where_nothing_can_be_written_is_found_out_first(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        said = refused(dunlin("demo", "--json", tmp_path / "file" / "out.json"))
        assert "file" in said
        assert "Deciding" not in said

    @pytest.mark.parametrize(
        "arguments",
        [("--borrowers", 0), ("--days", 0), ("--provider-faults", "some"), ("--seed", "x"), ("--evidence", __file__)],
    )
    def test_options_out_of_range(self, arguments: tuple[object, ...]) -> None:
        refused(dunlin("demo", *arguments))


class TestDecisions:
    def test_the_json_is_all_there_is_on_standard_output(self, tmp_path: Path) -> None:
        result = dunlin("replay", written(tmp_path, *CLIENTS), "--json", "-")
        assert result.exit_code == 0
        figures = json.loads(result.stdout)
        assert figures["accounts"] == len(CLIENTS)
        assert figures["pipeline_accounts"] == figures["duplicates"] == 0
        assert figures["decisions"] > 50
        assert figures["messages"] == figures["decided"]["messages"]
        assert sum(figures["messages"]["by_stage"].values()) == figures["messages"]["requested"]
        assert "Decisions" in result.stderr

    def test_every_case_ends_or_is_open(self, accounts: list[ReplayAccount]) -> None:
        cases = decided_figures(decide_all(accounts, TERMS))["escalations"]
        assert cases["started"] == sum(count for name, count in cases.items() if name != "started") > 2
        assert cases["cured"] > 0
        assert cases["referred"] > 0

    def test_who_owes_nothing_hears_nothing(self, tmp_path: Path) -> None:
        (nothing,) = read_accounts(written(tmp_path, CLIENTS[4]))
        assert decided_figures(decide_all([nothing], TERMS))["messages"]["total"] == 0

    def test_who_pays_in_time_is_only_reminded(self, tmp_path: Path) -> None:
        (punctual,) = read_accounts(written(tmp_path, CLIENTS[0]))
        stages = decided_figures(decide_all([punctual], TERMS))["messages"]["by_stage"]
        assert "reminder_5" in stages
        assert not {"grace", "tier_1", "tier_2", "tier_3"} & set(stages)

    def test_asking_more_often_changes_nothing(self, accounts: list[ReplayAccount]) -> None:
        """`decide` knows when it has to be asked again: other moments bring no message and take none away."""
        figures = []
        for offsets in ((), tuple(range(-10, 60))):
            decider, tally = Decider(TERMS, shipped_content(), offsets), Tally()
            for account in accounts:
                decider.account(account, tally)
            figures.append((tally.messages, tally.reasons, tally.skips, tally.cases, tally.cases_opened))
        assert figures[0] == figures[1]

    def test_processes_count_the_same(self, tmp_path: Path) -> None:
        many = list(read_accounts(written(tmp_path, *(row(id=n, pay_3=n % 3, pay_2=n % 4) for n in range(1, 241)))))
        alone, together = (decide_all(many, TERMS, processes=count) for count in (1, 2))
        assert replace(alone, seconds=0.0, processes=0) == replace(together, seconds=0.0, processes=0)

    def test_another_jurisdiction_has_other_rules(self, tmp_path: Path) -> None:
        result = dunlin("replay", written(tmp_path, *CLIENTS), "--jurisdiction", "CN", "--json", "-")
        assert json.loads(result.stdout)["jurisdiction"] == "CN"


@pytest.mark.slow
def test_what_is_decided_is_what_is_sent(tmp_path: Path) -> None:
    """The decisions alone and the whole system come to the same messages and the same endings."""
    path, out, page = written(tmp_path, *CLIENTS), tmp_path / "out.json", tmp_path / "page.html"
    evidence = tmp_path / "evidence"
    with released_content():
        result = dunlin(
            "replay", path, "--accounts", len(CLIENTS), "--json", out, "--report", page, "--evidence", evidence
        )
    assert result.exit_code == 0, result.output
    figures: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    assert figures["accounts"] == figures["pipeline_accounts"] == len(CLIENTS)
    decided = figures["decided"]
    assert figures["messages"]["by_stage"] == decided["messages"]["by_stage"]
    assert figures["escalations"] == decided["escalations"]
    assert figures["checked"]["texts"] == decided["messages"]["requested"] > 20
    assert set(figures["violations"].values()) == {0}
    assert "Account 1" in page.read_text(encoding="utf-8")
    assert (evidence / "provider.jsonl").stat().st_size > 0


def test_content_is_another_command_with_options_of_its_own() -> None:
    result = dunlin("content", "--help")
    assert result.exit_code == 0
    assert "dunlin content" in result.output


def test_a_run_in_which_something_is_found_keeps_its_evidence_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "broken", lambda _summary: ["cap: 1 violations"])
    monkeypatch.setattr("local.commands.run.mkdtemp", lambda **_: str(tmp_path / "kept"))
    result = dunlin("demo", "--borrowers", 1, "--days", 1, "--json", "-")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["borrowers"] == 1
    assert "cap: 1 violations" in result.stderr
    assert (tmp_path / "kept" / "core.jsonl").is_file()
