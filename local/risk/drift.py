"""How far what comes in has moved from what a model was trained on: PSI of each feature, and of the scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dunlin.domain.risk import FEATURES, RiskModel, features_of, score_of
from dunlin.errors import InvalidInput

from local.risk.accounts import Account
from local.risk.metrics import PSI_LITTLE, PSI_MUCH, psi, shares_in


def drift(accounts: Iterable[Account], model: RiskModel) -> dict[str, Any]:
    """PSI by feature, the largest first, of the scores, and the word for the largest: little, some or much.

    Raises:
        InvalidInput: there is no account, or the model does not say what it was trained on.
    """
    rows = [features_of(account.history) for account in accounts]
    if not rows:
        raise InvalidInput("file", "there is no account in it")
    inputs, scores = model.about.get("inputs"), model.about.get("scores")
    try:
        found = {
            name: _psi(inputs[name], [row[place] for row in rows])  # type: ignore[index]
            for place, name in enumerate(FEATURES)
        }
        of_scores = _psi(scores, [score_of(model, row) for row in rows])
    except (KeyError, TypeError, ValueError):
        raise InvalidInput("model", "does not say which inputs it was trained on") from None
    largest = max([*found.values(), of_scores])
    return {
        "accounts": len(rows),
        "drift": "little" if largest < PSI_LITTLE else "some" if largest < PSI_MUCH else "much",
        "scores_psi": of_scores,
        "psi": dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))),
    }


def _psi(then: Any, values: list[float]) -> float:
    return round(psi(then["shares"], shares_in(then["edges"], values)), 6)
