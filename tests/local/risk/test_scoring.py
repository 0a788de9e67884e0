"""Scores of the model shipped: monotone in delays, explained to the last digit, blind to who somebody is, and quick."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dunlin.domain.risk import (
    FEATURES,
    NEVER_LOWERS,
    History,
    contributions_of,
    features_of,
    log_odds_of,
    model_of,
    score_of,
)
from dunlin.errors import InvalidInput
from hypothesis import given
from hypothesis import strategies as st

from local.commands import risk
from local.risk.accounts import ATTRIBUTES, Accounts
from local.risk.drift import drift
from local.risk.metrics import auc, calibration_error, psi
from local.risk.model_file import SHIPPED, read_model
from tests.builders import ROOT
from tests.local.risk.accounts import REAL, invented, written

MODEL = read_model()
AMOUNTS = st.lists(st.integers(0, 500_000).map(float), min_size=6, max_size=6)
HISTORIES = st.builds(
    History,
    st.integers(0, 1_000_000).map(float),
    st.lists(st.integers(-2, 9).map(float), min_size=6, max_size=6),
    st.lists(st.integers(-5_000, 500_000).map(float), min_size=6, max_size=6),
    AMOUNTS,
)


@given(HISTORIES)
def test_a_score_is_a_probability_and_its_parts_add_up(history: History) -> None:
    row = features_of(history)
    assert len(row) == len(FEATURES)
    assert 0 < score_of(MODEL, row) < 1
    everybody, parts = contributions_of(MODEL, row)
    assert math.isclose(everybody + math.fsum(parts.values()), log_odds_of(MODEL, row), abs_tol=1e-9)


@given(HISTORIES, st.data())
def test_more_delay_never_lowers_a_score(history: History, data: st.DataObject) -> None:
    row = list(features_of(history))
    before = score_of(MODEL, row)
    row[FEATURES.index(data.draw(st.sampled_from(sorted(NEVER_LOWERS))))] += data.draw(st.integers(1, 5))
    assert score_of(MODEL, row) >= before


def scored(path: Path, *, explain: bool = False) -> str:
    sink = io.StringIO()
    assert risk.run_score(path, None, sink, explain=explain) == 0
    return sink.getvalue()


def test_who_somebody_is_changes_no_score(tmp_path: Path) -> None:
    """Columns about people, by their names, renamed or as figures derived from them: none of them is read."""
    rows = invented(200)
    plain = scored(written(tmp_path / "plain.csv", rows))
    for n, row in enumerate(rows):
        row |= {name: str(n * 7 % 5) for name in ATTRIBUTES}
        row |= {"gender": str(n % 2), "x2": str(n % 2), "risk_index": str(n % 2 * 1e6), "age_band": str(n % 7)}
        row |= {"pay_7": "9", "months_behind_1": "9", "income": str(n), "limit_bal_by_sex": str(n % 2)}
    columns = [name for name in rows[0] if name != "x2"]  # the source's own number for sex: it would be there twice
    with_people = written(tmp_path / "people.csv", rows, columns)
    assert scored(with_people) == plain
    assert {"sex", "gender", "risk_index"} <= set(Accounts(with_people).unread)


def test_a_model_names_only_repayment_behaviour() -> None:
    for word in (*ATTRIBUTES, "gender", "income", "locale", "postcode", "name", "device"):
        assert not any(word in feature.split("_") for feature in FEATURES)
    document = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for name in (*ATTRIBUTES, "gender", "limit", "risk_index"):
        with pytest.raises(InvalidInput, match="no feature of repayment behaviour"):
            model_of(document | {"features": [*FEATURES[:-1], name]})


def nodes(feature: list[int], others: list[int]) -> dict[str, list[int]]:
    return {"feature": feature, "threshold": others, "left": others, "right": others, "value": others}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"base": math.nan}, "base"),
        ({"base": "0"}, "base"),
        ({"trees": []}, "trees"),
        ({"features": []}, "features"),
        ({"features": None}, "features"),
        ({"trees": [{"feature": [0], "threshold": [0], "left": [0], "right": [0], "value": [0]}]}, "trees.0"),
        (
            {"trees": [nodes([99, -1, -1], [1, 1, 2])]},
            "0",
        ),
        ({"trees": [nodes([0, -1], [1, 1])]}, "child of"),
        ({"trees": [7]}, "trees.0"),
    ],
)
def test_a_damaged_model_is_refused(change: dict[str, object], problem: str) -> None:
    document = json.loads(SHIPPED.read_text(encoding="utf-8"))
    with pytest.raises(InvalidInput, match=problem):
        model_of(document | change)


def test_a_mistake_in_a_file_leaves_no_half_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = invented(5)
    rows[4]["pay_amt3"] = "-1"
    sink = io.StringIO()
    assert risk.run_score(written(tmp_path / "broken.csv", rows), None, sink, explain=False) == 2
    assert sink.getvalue() == ""
    assert capsys.readouterr().err == "row 6, column pay_amt3: must be from 0 to 1000000000000\n"


def test_an_explanation_names_the_behaviour_that_raised_the_score(tmp_path: Path) -> None:
    row = invented(1)[0] | {f"pay_{n}": "3" for n in (0, 2, 3, 4, 5, 6)}
    lines = list(csv.DictReader(io.StringIO(scored(written(tmp_path / "one.csv", [row]), explain=True))))
    assert float(lines[0]["score"]) > 0.5
    assert "months_behind" in lines[0]["raised_by"].split(";")[0]


def test_drift_is_much_where_nobody_pays_any_more(tmp_path: Path) -> None:
    rows = invented(500)
    accounts = list(Accounts(written(tmp_path / "a.csv", rows)))
    other = [replace(each, history=replace(each.history, paid=[0.0] * 6)) for each in accounts]
    found = drift(other, MODEL)
    assert found["drift"] == "much"
    assert found["psi"]["cycles_without_payment"] > 0.25
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0
    assert psi([0.5, 0.5], [0.9, 0.1]) == pytest.approx(0.4 * math.log(1.8) - 0.4 * math.log(0.2))


def test_the_metrics_of_cases_worked_out_by_hand() -> None:
    assert auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75
    assert auc([0.5, 0.5], [True, False]) == 0.5
    assert auc([0.5], [True]) is None
    assert calibration_error([0.2] * 10, [True] * 2 + [False] * 8, equal_width=True) == pytest.approx(0)
    assert calibration_error([0.9] * 4, [True, False, True, False], equal_width=True) == pytest.approx(0.4)


def test_the_shipped_model_says_what_it_was_made_of() -> None:
    metrics = MODEL.about["metrics"]["together"]
    assert metrics["auc"] >= 0.775
    assert metrics["calibration_error"] <= 0.02
    assert all(fold["auc"] >= 0.775 and fold["calibration_error"] <= 0.02 for fold in MODEL.about["metrics"]["by_fold"])
    assert len(MODEL.about["trained_on"]["sha256"]) == 64


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name}, which is not part of the project")
def test_the_real_accounts_drift_little() -> None:
    assert drift(list(Accounts(REAL)), MODEL)["drift"] == "little"


#: Processor seconds of the quickest of ten rounds: beside it other tests run, and a tracer would be timed with it.
SCORES = """
import sys, time
from dunlin.domain.risk import History, features_of, score_of
from local.risk.model_file import read_model
model = read_model()
people = [History(float(20_000 + n), [float(n % 4 - 1)] * 6, [float(n * 7)] * 6, [float(n)] * 6) for n in range(1_000)]
rounds = []
for _ in range(10):
    began = time.process_time()
    for history in people:
        score_of(model, features_of(history))
    rounds.append(time.process_time() - began)
print(len(people) / min(rounds))
"""


def test_scores_are_quick() -> None:
    """Ten thousand a second: a quarter of what one core does when nothing else runs."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    path = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "dunlin")))
    done = subprocess.run(
        [sys.executable, "-c", SCORES], env=plain | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) >= 10_000
