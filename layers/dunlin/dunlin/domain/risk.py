"""The risk that the next instalment is missed: worked out in plain Python from how an account was repaid.

    score_of(model, features_of(history)) -> probability from 0 to 1

What a score is for: to offer help before the due date, and to come later or not at all to whoever is likely to pay by
themselves. It never makes words harsher or contacts more; nothing in this module knows of a message.

Features are a closed list (`FEATURES`), each worked out from delays, statements and payments of six cycles, and from
nothing else. The limit is only what they are divided by: by itself it is what a lender once thought of a person. Sex,
education, marriage, age, and where or how somebody lives have no way in: `History` has no place for them, and a model
that names a feature which is not on the list is refused. Some features are amounts, in the currency of the accounts
that a model was trained on; the model's file says which that is.

The model is gradient-boosted trees over the log odds. A tree's split goes left where the feature is at most its
threshold. Delays are constrained while training: more of one never lowers the score.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dunlin.errors import InvalidInput

__all__ = [
    "CYCLES",
    "FEATURES",
    "NEVER_LOWERS",
    "History",
    "RiskModel",
    "Tree",
    "contributions_of",
    "features_of",
    "log_odds_of",
    "model_of",
    "score_of",
]

#: Billing cycles that a history holds, the latest first.
CYCLES = 6
#: A payment of more than twice the statement says no more than one of twice.
MOST_OF_BILL = 2.0
#: Larger models would be neither quick nor readable.
MOST_TREES, MOST_NODES = 1000, 255

#: The features in the order of a row. `_1` is the latest cycle, `_6` the oldest.
FEATURES = (
    *(f"months_behind_{n}" for n in range(1, 7)),
    *(f"status_{n}" for n in range(1, 4)),
    "most_months_behind",
    "cycles_behind",
    "months_behind_in_all",
    "cycles_revolving",
    "cycles_paid_in_full",
    *(f"used_of_limit_{n}" for n in range(1, 7)),
    "used_of_limit_mean",
    "used_of_limit_rise",
    *(f"paid_of_bill_{n}" for n in range(1, 6)),
    *(f"paid_of_limit_{n}" for n in range(1, 7)),
    "paid_of_limit_mean",
    "cycles_without_payment",
    *(f"paid_{n}" for n in range(1, 7)),
    "paid_mean",
)
#: More of these never lowers the score (monotone constraints of the training).
NEVER_LOWERS = frozenset(
    {*(f"months_behind_{n}" for n in range(1, 7)), "most_months_behind", "cycles_behind", "months_behind_in_all"}
)


@dataclass(frozen=True, slots=True)
class History:
    """Six billing cycles of an account, the latest first.

    `limit`: what may be owed at most. `statuses` at the end of each cycle: n >= 1 is n months behind, 0 the minimum
    paid, -1 paid in full, -2 no use. `billed`: the statement's balance (a credit is negative); `paid`: what was paid
    in that cycle. One currency throughout.
    """

    limit: float
    statuses: Sequence[float]
    billed: Sequence[float]
    paid: Sequence[float]


def features_of(history: History) -> tuple[float, ...]:
    """The row of `FEATURES`. A limit below 1 counts as 1, so that nothing is divided by nothing."""
    limit = history.limit if history.limit > 1.0 else 1.0
    statuses, billed, paid = history.statuses, history.billed, history.paid
    behind = [status if status > 0 else 0.0 for status in statuses]
    return (
        *behind,
        *statuses[:3],
        max(behind),
        sum([1.0 for months in behind if months > 0]),
        sum(behind),
        float(statuses.count(0)),
        float(statuses.count(-1)),
        *[amount / limit for amount in billed],
        sum(billed) / CYCLES / limit,
        (billed[0] - billed[5]) / limit,
        # What is paid in a cycle goes towards the statement before it; nothing owed is as good as paid.
        *[
            min(amount / owed, MOST_OF_BILL) if owed > 0 else MOST_OF_BILL
            for amount, owed in zip(paid[:5], billed[1:], strict=True)
        ],
        *[amount / limit for amount in paid],
        sum(paid) / CYCLES / limit,
        sum([1.0 for amount in paid if amount <= 0]),
        *paid,
        sum(paid) / CYCLES,
    )


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes in columns; the root is node 0. `feature` is -1 for a leaf. `value` of a node is its leaf's log odds, or
    the mean of the leaves below it, weighed by the accounts that ended there in training."""

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RiskModel:
    """The trees, what they start from (log odds), and what is known of their making (metrics, hashes, bounds)."""

    base: float
    trees: tuple[Tree, ...]
    about: Mapping[str, Any]
    _walks: tuple[Any, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_walks", tuple(_walk(tree, 0) for tree in self.trees))


def _walk(tree: Tree, node: int) -> Any:
    """The tree as a walk goes: a leaf's log odds, or (feature, threshold, left, right); quicker than columns."""
    if tree.feature[node] < 0:
        return tree.value[node]
    below = _walk(tree, tree.left[node]), _walk(tree, tree.right[node])
    return (tree.feature[node], tree.threshold[node], *below)


def log_odds_of(model: RiskModel, row: Sequence[float]) -> float:
    """The sum over the trees, in their order: the very additions that scikit-learn makes."""
    total = model.base
    for node in model._walks:
        while type(node) is tuple:
            column, threshold, left, right = node
            node = left if row[column] <= threshold else right  # noqa: PLW2901
        total += node
    return total


def score_of(model: RiskModel, row: Sequence[float]) -> float:
    """The probability that the next instalment is missed."""
    log_odds = log_odds_of(model, row)
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def contributions_of(model: RiskModel, row: Sequence[float]) -> tuple[float, dict[str, float]]:
    """Where the log odds come from: those of everybody, and what each feature added to them for this account.

    Along each tree's path the difference that a split makes belongs to its feature (Saabas' decomposition), so that
    everybody's part and the features' add up to the log odds exactly, but for rounding. Which of two behaviours that
    always come together gets the credit depends on the trees: read the largest, not the decimals.
    """
    everybody = model.base
    found: dict[str, float] = {}
    for tree in model.trees:
        node = 0
        everybody += tree.value[0]
        while (column := tree.feature[node]) >= 0:
            following = tree.left[node] if row[column] <= tree.threshold[node] else tree.right[node]
            name = FEATURES[column]
            found[name] = found.get(name, 0.0) + tree.value[following] - tree.value[node]
            node = following
    return everybody, found


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def model_of(document: object) -> RiskModel:
    """A model from its JSON.

    Raises:
        InvalidInput: it is none, it is damaged, or it names a feature that is not on the list.
    """
    if not isinstance(document, dict):
        raise InvalidInput("model", "must be a JSON object")
    names = document.get("features")
    if not isinstance(names, list) or not names:
        raise InvalidInput("features", "must be a list of names")
    for name in names:
        if name not in FEATURES:
            raise InvalidInput("features", f"{str(name)[:40]!r} is no feature of repayment behaviour")
    places = [FEATURES.index(name) for name in names]
    base = _figure(document.get("base"), "base")
    trees = document.get("trees")
    if not isinstance(trees, list) or not 0 < len(trees) <= MOST_TREES:
        raise InvalidInput("trees", f"must be a list of 1 to {MOST_TREES}")
    about = {name: value for name, value in document.items() if name not in ("base", "trees", "features")}
    return RiskModel(base, tuple(_tree(tree, f"trees.{n}", places) for n, tree in enumerate(trees)), about)


def _tree(document: object, where: str, places: Sequence[int]) -> Tree:
    if not isinstance(document, dict):
        raise InvalidInput(where, "must be an object")
    columns = []
    for name in ("feature", "threshold", "left", "right", "value"):
        column = document.get(name)
        if not isinstance(column, list):
            raise InvalidInput(f"{where}.{name}", "must be a list")
        columns.append([_figure(value, f"{where}.{name}") for value in column])
    feature, threshold, left, right, value = columns
    count = len(feature)
    if not 0 < count <= MOST_NODES or any(len(column) != count for column in columns):
        raise InvalidInput(where, f"must have 1 to {MOST_NODES} nodes in columns of one length")
    children: list[float] = []
    for node in range(count):
        if feature[node] < 0:
            continue
        if feature[node] >= len(places) or feature[node] % 1:
            raise InvalidInput(f"{where}.feature", "must be -1 or the place of a feature")
        # Children come after their parent: every walk ends.
        if not all(node < child < count and not child % 1 for child in (left[node], right[node])):
            raise InvalidInput(where, "a node's children must come after it")
        children += [left[node], right[node]]
    if len(children) != len(set(children)):
        raise InvalidInput(where, "a node must be the child of one other")
    return Tree(
        tuple(places[int(each)] if each >= 0 else -1 for each in feature),
        tuple(threshold),
        tuple(int(each) for each in left),
        tuple(int(each) for each in right),
        tuple(value),
    )


def _figure(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidInput(where, "must be finite numbers")
    return float(value)
