"""Training, where scikit-learn is there (requirements/train.txt): the same scores as its own, from behaviour alone."""

from __future__ import annotations

import builtins
import csv
import json
from pathlib import Path
from typing import Any

import pytest
from dunlin.domain.risk import features_of, model_of, score_of

from local.commands import risk
from local.risk.accounts import ATTRIBUTES, Accounts
from local.risk.fairness import fairness
from local.risk.model_file import SHIPPED, read_model, written
from local.risk.training import TrainingError, train
from tests.local.risk import accounts as sample
from tests.local.risk.accounts import REAL, invented


def test_without_the_library_the_way_to_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] in ("sklearn", "numpy"):
            raise ImportError(name)
        return really(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(TrainingError, match=r"requirements/train\.txt"):
        train(sample.written(tmp_path / "a.csv", invented(10)))


def test_the_scores_are_those_of_the_library(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    path = sample.written(tmp_path / "a.csv", invented(3000))
    out, library = tmp_path / "m.json", tmp_path / "scores.csv"
    assert risk.run_train(path, out, "TWD", library) == 0
    model = read_model(out)
    theirs = [float(row["score"]) for row in csv.DictReader(library.read_text(encoding="utf-8").splitlines())]
    ours = [score_of(model, features_of(account.history)) for account in Accounts(path)]
    assert max(abs(own - its) for own, its in zip(ours, theirs, strict=True)) < 1e-12


def test_who_somebody_is_changes_nothing_in_a_model(tmp_path: Path) -> None:
    """Attributes that give the ending away, under their names and others: the model is the same, byte for byte."""
    pytest.importorskip("sklearn")
    rows = invented(1500)
    plain = train(sample.written(tmp_path / "plain.csv", rows)).document
    for row in rows:
        leak = row["default_payment_next_month"]
        row.update(dict.fromkeys((*ATTRIBUTES, "gender", "postcode_index", "age_times_limit"), leak))
    told = train(sample.written(tmp_path / "told.csv", rows)).document
    assert {**told, "trained_on": 0} == {**plain, "trained_on": 0}
    report = fairness(tmp_path / "told.csv", model_of(plain))
    assert set(report["attributes"]) == set(ATTRIBUTES)


def test_too_few_accounts_teach_nothing(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(TrainingError, match="at least 50"):
        train(sample.written(tmp_path / "few.csv", invented(60)))


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name}, which is not part of the project")
def test_the_shipped_model_is_made_from_the_real_accounts() -> None:
    pytest.importorskip("sklearn")
    made = json.loads(written(train(REAL).document))
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert made["trained_on"] == shipped["trained_on"]
    assert made["metrics"] == shipped["metrics"]
    if made["library"] == shipped["library"]:
        assert made == shipped
