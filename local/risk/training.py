"""Trains the risk model with scikit-learn, and writes it as JSON that `dunlin.domain.risk` evaluates without it.

Histogram gradient boosting with delays constrained to be monotone. The metrics are those of accounts that their model
has not seen: five folds, each scored by a model of the other four; what is shipped is trained on all. The
settings below were chosen by the same folds among a dozen, and are not tuned further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dunlin.domain.risk import FEATURES, NEVER_LOWERS, RiskModel, features_of, model_of

from local.risk.accounts import TARGET, Accounts
from local.risk.metrics import bins_of, calibration, figures

FOLDS = 5
SEED = 7
SETTINGS: dict[str, Any] = {
    "max_iter": 120,
    "max_leaf_nodes": 8,
    "learning_rate": 0.06,
    "min_samples_leaf": 60,
    "l2_regularization": 10.0,
    "max_features": 0.3,
}
#: Fewer than this of either ending teach nothing.
LEAST_OF_EITHER = 50
#: Bytes of the file that `dunlin train` writes change with this.
FORMAT = 1


class TrainingError(ValueError):
    """What cannot be trained, and why."""


@dataclass(frozen=True)
class Trained:
    """The model's document, and scikit-learn's own scores of the accounts that it was trained on, by id."""

    document: dict[str, Any]
    scores: list[tuple[str, float]]

    @property
    def model(self) -> RiskModel:
        return model_of(self.document)


def train(path: Path, currency: str = "TWD") -> Trained:
    """A model of the file's accounts. The same file makes the same model.

    Raises:
        TrainingError: scikit-learn is not there, or there are too few accounts of either ending.
        AccountError: the file cannot be read as accounts. OSError: it cannot be read.
    """
    try:
        import numpy as np
        import sklearn
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.model_selection import StratifiedKFold
    except ImportError:
        raise TrainingError(
            "training needs scikit-learn, which is not installed: "
            "pip install --require-hashes --no-deps -r requirements/train.txt (or: pip install '.[train]')"
        ) from None
    accounts = Accounts(path, target=True)
    ids, rows, missed = [], [], []
    for account in accounts:
        ids.append(account.account_id)
        rows.append(features_of(account.history))
        missed.append(account.missed is True)
    if not LEAST_OF_EITHER <= sum(missed) <= len(missed) - LEAST_OF_EITHER:
        raise TrainingError(f"it needs at least {LEAST_OF_EITHER} accounts that missed and as many that did not")

    def fitted(places: Any) -> Any:
        classifier = HistGradientBoostingClassifier(
            **SETTINGS,
            early_stopping=False,
            random_state=SEED,
            monotonic_cst=[1 if name in NEVER_LOWERS else 0 for name in FEATURES],
        )
        return classifier.fit(table[places], endings[places])

    table, endings = np.array(rows), np.array(missed, dtype=float)
    unseen = np.zeros(len(rows))
    by_fold = []
    for learnt, held_out in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(table, endings):
        unseen[held_out] = fitted(learnt).predict_proba(table[held_out])[:, 1]
        by_fold.append(figures(unseen[held_out].tolist(), [missed[n] for n in held_out]))
    classifier = fitted(np.arange(len(rows)))
    scores = classifier.predict_proba(table)[:, 1].tolist()
    document = {
        "format": FORMAT,
        "kind": "risk of missing the next instalment",
        "trained_on": {
            "sha256": accounts.digest(),
            "accounts": len(rows),
            "missed": sum(missed),
            "target": TARGET,
            "currency": currency,
        },
        "library": f"scikit-learn {sklearn.__version__}",
        "settings": {**SETTINGS, "seed": SEED, "never_lowers": sorted(NEVER_LOWERS)},
        "metrics": {
            "of": f"accounts not seen in training: {FOLDS} folds, stratified, shuffled with seed {SEED}",
            "calibration_error_is": "ECE, ten bins of equally many accounts by score",
            "together": figures(unseen.tolist(), missed),
            "by_fold": by_fold,
        },
        "calibration": _rounded(calibration(unseen.tolist(), missed)),
        "inputs": {name: bins_of(column) for name, column in zip(FEATURES, zip(*rows, strict=True), strict=True)},
        "scores": bins_of(scores),
        "features": list(FEATURES),
        "base": float(classifier._baseline_prediction.ravel()[0]),
        "trees": [_tree(predictors[0].nodes) for predictors in classifier._predictors],
    }
    return Trained(document, list(zip(ids, scores, strict=True)))


def _rounded(bins: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: round(value, 6) for name, value in each.items()} for each in bins]


def _tree(nodes: Any) -> dict[str, list[float]]:
    """A tree in columns. What an inner node is worth is the mean of its leaves, weighed by their accounts."""
    values = [float(node["value"]) for node in nodes]
    for place in range(len(nodes) - 1, -1, -1):  # children come after their parents
        node = nodes[place]
        if not node["is_leaf"]:
            left, right = int(node["left"]), int(node["right"])
            weights = int(nodes[left]["count"]), int(nodes[right]["count"])
            values[place] = (values[left] * weights[0] + values[right] * weights[1]) / sum(weights)
    return {
        "feature": [-1 if node["is_leaf"] else int(node["feature_idx"]) for node in nodes],
        "threshold": [0.0 if node["is_leaf"] else float(node["num_threshold"]) for node in nodes],
        "left": [0 if node["is_leaf"] else int(node["left"]) for node in nodes],
        "right": [0 if node["is_leaf"] else int(node["right"]) for node in nodes],
        "value": values,
    }
