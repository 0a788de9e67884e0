"""Files of outcomes: what is counted, and that nothing is left out without a word."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.experiment.outcomes import MOST_NAMED, OutcomeError, Outcomes, read_outcomes


def read(directory: Path, text: str) -> Outcomes:
    path = directory / "outcomes.csv"
    path.write_text(text, encoding="utf-8")
    return read_outcomes(path)


def test_a_row_a_borrower(tmp_path: Path) -> None:
    text = "ID, Arm ,cured_7,opted_out,cost\na,control,1,0,0.10\nb,message,0,1,0.20\n\nc,message,1,0,0.30\n"
    data = read(tmp_path, text)
    control, message = data.arms
    assert data.outcomes == ("cured_7", "opted_out")
    assert (control.sizes["cured_7"], control.successes["cured_7"]) == (1, 1)
    assert (message.sizes["cured_7"], message.successes["cured_7"], message.successes["opted_out"]) == (2, 1, 1)
    assert message.costs is not None
    assert (message.costs.total, message.costs.squares) == (Decimal("0.50"), Decimal("0.1300"))
    assert message.costs.with_success == {"cured_7": Decimal("0.30"), "opted_out": Decimal("0.20")}


def test_counted(tmp_path: Path) -> None:
    data = read(tmp_path, "arm,n,successes\ncontrol,34500,21356\nmessage,34500,22184\n")
    assert [(arm.name, arm.sizes, arm.successes, arm.costs) for arm in data.arms] == [
        ("control", {"outcome": 34500}, {"outcome": 21356}, None),
        ("message", {"outcome": 34500}, {"outcome": 22184}, None),
    ]
    named = read(tmp_path, "outcome,arm,n,successes\nCured_7,a,5,0\nopted_out,a,4,4\ncured_7,b,2,1\nopted_out,b,2,1\n")
    assert named.outcomes == ("cured_7", "opted_out")
    assert named.arms[0].sizes == {"cured_7": 5, "opted_out": 4}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "row 1, arm: the column is missing"),
        ("outcome\n1\n", "row 1, arm: the column is missing"),
        ("arm,outcome,outcome\na,1,1\n", "row 1, outcome: the column is there twice"),
        ("arm,outcome,\na,1,1\n", "row 1, column 3: has no name"),
        ("arm,id\na,1\n", "row 1: no column is an outcome"),
        ("arm,outcome\n", "row 2: there is no borrower"),
        ("arm,outcome\na,1\na,yes\n", "row 3, outcome: must be 0 or 1"),
        ("arm,outcome\na,1\na,\n", "row 3, outcome: must be 0 or 1"),
        ("arm,outcome\n,1\n", "row 2, arm: must be a name"),
        ("arm,outcome\na,1\n,\n", "row 3, arm: must be a name"),
        ("arm,outcome\na\n", "row 2: has 1 fields, the header 2"),
        ("arm,outcome\na,1,1\n", "row 2: has 3 fields, the header 2"),
        ("arm,outcome,id\na,1,x\nb,1,x\n", "row 3, id: is there twice"),
        ("arm,outcome,id\na,1,\n", "row 2, id: must not be empty"),
        ("arm,outcome,cost\na,1,-1\n", "row 2, cost: must be a number"),
        ("arm,outcome,cost\na,1,NaN\n", "row 2, cost: must be a number"),
        ("arm,outcome,cost\na,1,1_0\n", "row 2, cost: must be a number"),
        ("arm,outcome,cost\na,1,1e400\n", "row 2, cost: must be a number"),
        ('arm,outcome\n"a,1\n', "is no CSV"),
        ("arm,successes\na,1\n", "row 1, n: the column is missing"),
        ("arm,n,successes,cost\na,1,1,1\n", "row 1, cost: no column of a counted file"),
        ("arm,n,successes\n", "row 2: there is no arm"),
        ("arm,n,successes\na,0,0\n", "row 2, n: must be a whole number from 1"),
        ("arm,n,successes\na,1.5,1\n", "row 2, n: must be a whole number"),
        ("arm,n,successes\na,5,6\n", "row 2, successes: must be a whole number from 0 to n"),
        ("arm,n,successes\na,5,-1\n", "row 2, successes: must be a whole number"),
        ("arm,n,successes\na,5,1\na,5,1\n", "row 3, arm: is there twice"),
        ("arm,n,successes,outcome\na,5,1,x\nb,5,1,y\n", "outcome y: the arm a has no row"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OutcomeError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert str(caught.value).endswith("nothing was analysed")


def test_something_else_than_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_bytes(b"arm,outcome\na,1\n\xff,1\n")
    with pytest.raises(OutcomeError, match="UTF-8"):
        read_outcomes(path)


def test_no_value_is_repeated(tmp_path: Path) -> None:
    with pytest.raises(OutcomeError) as caught:
        read(tmp_path, "arm,outcome,id\na,+15550100123,+15550100123\na,1,\n")
    assert "5550100" not in str(caught.value)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.sampled_from(["0", "1", "2", ""])), min_size=1))
def test_every_row_is_counted_or_named(rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    text = "arm,outcome\n" + "".join(f"{arm},{outcome}\n" for arm, outcome in rows)
    broken = {
        number for number, (arm, outcome) in enumerate(rows, 2) if arm not in ("a", "b") or outcome not in ("0", "1")
    }
    directory = tmp_path_factory.mktemp("rows")
    if broken:
        with pytest.raises(OutcomeError) as caught:
            read(directory, text)
        assert {int(mistake.partition(",")[0].removeprefix("row ")) for mistake in caught.value.mistakes} == broken
        assert len(str(caught.value).splitlines()) <= MOST_NAMED + 2
    else:
        data = read(directory, text)
        assert sum(arm.sizes["outcome"] for arm in data.arms) == len(rows)
        assert sum(arm.successes["outcome"] for arm in data.arms) == sum(outcome == "1" for _, outcome in rows)
