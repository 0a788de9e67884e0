"""`dunlin plan`: a changed content shows exactly the changes that were made, and a portfolio loses nobody."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dunlin.content import load_content

from local.commands import contact_plan
from local.commands.asking import CONTENT
from local.plan.lines import left_over
from local.plan.portfolio import PortfolioError, read_portfolio
from local.plan.result import make

START = date(2026, 3, 2)
HEADER = "borrower_id,loan_id,jurisdiction,locale,product,due_on,amount,currency,channels"


@pytest.fixture
def portfolio(tmp_path: Path) -> Path:
    """Cards and instalment loans that fall due in twelve days, and cards that are late."""
    due = START + timedelta(days=12)
    rows = [f"c{n},card{n},US-NY,en-US,card,{due},{100 + n}.00,USD,sms email" for n in range(30)]
    rows += [f"s{n},loan{n},GB,en-GB,instalment,{due},{90 + n}.00,GBP,sms" for n in range(20)]
    rows += [f"l{n},late{n},US-NY,en-US,card,{START - timedelta(days=7)},70.00,USD,sms" for n in range(10)]
    path = tmp_path / "portfolio.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    folder = tmp_path / "content"
    shutil.copytree(CONTENT, folder)
    return folder


def planned(
    portfolio: Path, content: Path = CONTENT, against: Path | None = None
) -> tuple[Any, dict[tuple[str, str, str], int]]:
    read = read_portfolio(portfolio, load_content(content), START, "US-NY")
    tally = make(read, content, against, 30, processes=1)
    totals: dict[tuple[str, str, str], int] = {}
    for (kind, strategy, stage, *_), count in tally.differs.items():
        totals[kind, strategy, stage] = totals.get((kind, strategy, stage), 0) + count
    return tally, totals


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, text.count(old)
    path.write_text(text.replace(old, new), encoding="utf-8")


def count(tally: Any, strategy: str, stage: str) -> int:
    return sum(number for key, number in tally.said.items() if key[1:3] == (strategy, stage))


def test_the_same_content_differs_in_nothing(portfolio: Path) -> None:
    tally, totals = planned(portfolio, against=CONTENT)
    assert tally.borrowers == 60
    assert tally.said
    assert totals == {}


def test_an_offset_that_moves_moves_that_stage_alone(portfolio: Path, changed: Path) -> None:
    edit(
        changed / "strategies" / "card.yaml",
        "{id: reminder_5, kind: reminder, offset_days: -5",
        "{id: reminder_5, kind: reminder, offset_days: -6",
    )
    tally, totals = planned(portfolio, changed, CONTENT)
    assert totals == {("moved", "card", "reminder_5"): count(tally, "card", "reminder_5")}
    (reason,) = {(key[6], key[7]) for key in tally.differs}
    assert reason == ("-1 days", "stage reminder_5 of strategy card: offset_days -5 became -6")


def test_a_stage_more_is_added_and_what_it_moves_says_so(portfolio: Path, changed: Path) -> None:
    edit(
        changed / "strategies" / "card.yaml",
        "  - {id: reminder_1,",
        "  - {id: reminder_2, kind: reminder, offset_days: -2, lasts_days: 1, purpose: servicing, template: reminder, "
        "channels: [sms], priority: 5, tone: friendly}\n  - {id: reminder_1,",
    )
    tally, totals = planned(portfolio, changed, CONTENT)
    assert {key: number for key, number in totals.items() if key[0] == "added"} == {("added", "card", "reminder_2"): 30}
    # One message more can make a cap bind: what is moved by that says so, and nothing is lost.
    others = {(key[0], key[7]) for key in tally.differs if key[2] != "reminder_2"}
    assert others <= {("moved", "follows from other messages that changed")}
    _, reverse = planned(portfolio, CONTENT, changed)
    assert reverse["dropped", "card", "reminder_2"] == 30


def test_a_wording_that_changes_rewords_who_reads_it(portfolio: Path, changed: Path) -> None:
    source = changed / "templates" / "grace" / "en-GB.txt"
    edit(source, "a quick note:", "a short note:")
    tally, totals = planned(portfolio, changed, CONTENT)
    touched = {kind for kind, *_ in totals}
    assert touched == {"reworded"}
    assert {stage for _, _, stage in totals} == {"grace"}
    assert {key[5] for key in tally.differs} == {"en-GB"}


def test_a_window_that_moves_moves_its_strategy(portfolio: Path, changed: Path) -> None:
    edit(changed / "strategies" / "card.yaml", '"09:00-20:00"', '"10:00-20:00"')
    tally, totals = planned(portfolio, changed, CONTENT)
    ours = {key: number for key, number in tally.said.items() if key[1] == "card"}
    assert {kind for kind, *_ in totals} == {"moved"}
    assert {strategy for _, strategy, _ in totals} == {"card"}
    assert sum(totals.values()) == sum(ours.values())
    reasons = {(key[6], key[7]) for key in tally.differs}
    assert ("09:00 became 10:00", "strategy card: hours 09:00-20:00 became 10:00-20:00") in reasons
    assert {because for _, because in reasons} == {"strategy card: hours 09:00-20:00 became 10:00-20:00"}


def test_two_processes_plan_what_one_does(portfolio: Path) -> None:
    read = read_portfolio(portfolio, load_content(CONTENT), START, "US-NY")
    assert make(read, CONTENT, None, 30, processes=2) == make(read, CONTENT, None, 30, processes=1)


def test_the_command_says_what_is_broken(portfolio: Path, changed: Path, tmp_path: Path) -> None:
    """Content that somebody changed after it was signed may not go out: the plan is there, and it does not pass."""
    sound, unsigned, html = tmp_path / "sound.json", tmp_path / "unsigned.json", tmp_path / "plan.html"

    def asked(json_file: Path) -> contact_plan.Asked:
        return contact_plan.Asked(portfolio, 30, START, "US-NY", None, json_file, html)

    assert contact_plan.run(None, asked(sound), lambda _share: None) == 0
    edit(changed / "strategies" / "card.yaml", "precedence: 20", "precedence: 21")
    assert contact_plan.run(changed, asked(unsigned), lambda _share: None) == 1
    assert json.loads(sound.read_text(encoding="utf-8"))["broken"] == []
    assert any("not released" in line for line in json.loads(unsigned.read_text(encoding="utf-8"))["broken"])
    assert "<table>" in html.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("x,1,US-NY,en-US,card,2026-13-01,5.00,USD,sms", "row 3, column due_on: must be a day"),
        ("x,1,US-NY,en-US,card,2026-03-09,five,USD,sms", "row 3, column amount: must be an amount"),
        ("x,1,US-NY,en-US,card,2026-03-09,-5.00,USD,sms", "row 3, column amount: must be above 0"),
        ("x,1,US-NY,en-US,boat,2026-03-09,5.00,USD,sms", "row 3, column product: must be one of"),
        ("x,1,US-NY,en-US,card,2026-03-09,5.00,USD,pigeon", "row 3, column channels: must be of"),
        ("x,1,!!,en-US,card,2026-03-09,5.00,USD,sms", "row 3, column jurisdiction: must be the code"),
        (",1,US-NY,en-US,card,2026-03-09,5.00,USD,sms", "row 3, column borrower_id: must not be empty"),
        ("x,1,US-NY,en-US,card", "row 3, column -: has more or fewer cells"),
        ("a,1,US-NY,en-US,card,2026-03-09,5.00,USD,sms", "row 3, column due_on: this instalment has been there"),
        ("a,2,GB,en-US,card,2026-03-09,5.00,USD,sms", "row 3, column jurisdiction: differs from row 2"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: str, problem: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(f"{HEADER}\na,1,US-NY,en-US,card,2026-03-09,5.00,USD,sms\n{row}\n", encoding="utf-8")
    with pytest.raises(PortfolioError) as caught:
        read_portfolio(path, load_content(CONTENT), START, "US-NY")
    assert str(caught.value).startswith(problem)


def test_a_place_without_rules_loses_nobody(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.csv"
    path.write_text(f"{HEADER}\na,1,FR,fr-FR,card,2026-03-09,5.00,EUR,sms\n", encoding="utf-8")
    tally, _ = planned(path)
    assert (tally.borrowers, tally.without_rules, tally.said) == (1, 1, {})


def test_what_a_line_cannot_carry_in_its_window() -> None:
    nine = datetime(2026, 3, 2, 9, tzinfo=UTC)
    ten, eleven = nine + timedelta(hours=1), nine + timedelta(hours=2)
    assert left_over({(nine, ten): 3600}, 1.0) == {}
    assert left_over({(nine, ten): 3700}, 1.0) == {ten: 100}
    # The later window waits for the urgent one, and both fit into two hours.
    assert left_over({(nine, eleven): 3600, (nine, ten): 3600}, 1.0) == {}
    assert left_over({(nine, eleven): 3600, (ten, eleven): 3601}, 1.0) == {eleven: 1}
