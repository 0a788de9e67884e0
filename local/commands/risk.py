"""`dunlin train`, `score`, `drift` and `fairness`: the risk that the next instalment is missed."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from dunlin.domain.risk import RiskModel, contributions_of, features_of, score_of
from dunlin.errors import InvalidInput

from local.risk.accounts import Account, AccountError, Accounts
from local.risk.drift import drift
from local.risk.fairness import NothingToCompare, fairness
from local.risk.model_file import SHIPPED, read_model, written
from local.risk.training import TrainingError, train

#: So many behaviours are named in an explanation.
MOST_REASONS = 4
#: What would be printed as nothing is none.
LEAST_REASON = 0.005


def run_train(file: Path, out: Path, currency: str, library_scores: Path | None) -> int:
    """Train, write the model, say how good it is. The exit code: 2 for what cannot be trained."""

    def work() -> int:
        trained = train(file, currency)
        out.write_text(written(trained.document), encoding="utf-8")
        if library_scores is not None:
            with library_scores.open("w", encoding="utf-8", newline="") as sink:
                rows = csv.writer(sink, lineterminator="\n")
                rows.writerow(("id", "score"))
                rows.writerows(trained.scores)
        figures = trained.document["metrics"]["together"]
        sys.stdout.write(
            f"{figures['accounts']} accounts, {figures['missed']:.1%} missed. Of accounts not seen in training: "
            f"AUC {figures['auc']:.4f}, calibration error {figures['calibration_error']:.4f}.\n"
        )
        return 0

    return _said(work)


def run_score(file: Path, model: Path | None, sink: TextIO, *, explain: bool) -> int:
    """CSV `id,score`, an account a row in the file's order; with `explain` also which behaviours raised it.

    Nothing is written for a file with a mistake anywhere in it: half a list looks like a whole one.
    """

    def work() -> int:
        its_model = read_model(model or SHIPPED)
        scored = [_scored(its_model, account, explain=explain) for account in Accounts(file)]
        rows = csv.writer(sink, lineterminator="\n")
        rows.writerow(("id", "score", "raised_by") if explain else ("id", "score"))
        rows.writerows(scored)
        return 0

    return _said(work)


def _scored(model: RiskModel, account: Account, *, explain: bool) -> tuple[str | float, ...]:
    row = features_of(account.history)
    score = score_of(model, row)
    return (account.account_id, score, raised_by(model, row)) if explain else (account.account_id, score)


def raised_by(model: RiskModel, row: tuple[float, ...]) -> str:
    """The behaviours that raised a score most, the strongest first, each with what it added to the log odds."""
    _, parts = contributions_of(model, row)
    strongest = sorted((-added, name) for name, added in parts.items() if added >= LEAST_REASON)
    return "; ".join(f"{name} {-less:+.2f}" for less, name in strongest[:MOST_REASONS])


def run_drift(file: Path, model: Path | None) -> int:
    """PSI of the file's accounts. The exit code: 1 for much drift."""

    def work() -> int:
        found = drift(Accounts(file), read_model(model or SHIPPED))
        _print(found)
        return int(found["drift"] == "much")

    return _said(work)


def run_fairness(file: Path, model: Path | None, help_from: float) -> int:
    """The report by attributes."""

    def work() -> int:
        _print(fairness(file, read_model(model or SHIPPED), help_from))
        return 0

    return _said(work)


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def _said(work: Callable[[], int]) -> int:
    """The work's exit code, or 2 and what is wrong."""
    try:
        return work()
    except (AccountError, InvalidInput, NothingToCompare, TrainingError) as mistake:
        sys.stderr.write(f"{mistake}\n")
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
    return 2
