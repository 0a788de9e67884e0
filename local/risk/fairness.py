"""Whom the score treats how, by attributes that the model never sees: a report for people, made offline.

For every group: how many accounts, the mean score, the share that missed, the AUC and the calibration gap (mean score
less the share that missed) within it, and the share that would be offered help at a threshold. For each attribute: how
far its groups' shares of help lie apart, and how well the score alone tells one group from the others (AUC; 0.5 not at
all), which is what a proxy for the attribute would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from dunlin.domain.risk import RiskModel, features_of, score_of

from local.risk.accounts import Accounts
from local.risk.metrics import auc

#: Help is offered from this score on, unless another threshold is asked about.
HELP_FROM = 0.3
#: Smaller groups are counted and not judged.
LEAST_OF_GROUP = 100
AGE_BANDS = (30, 40, 50, 60)


class NothingToCompare(ValueError):
    """The file has no column about people."""


def fairness(path: Path, model: RiskModel, threshold: float = HELP_FROM) -> dict[str, Any]:
    """The report on the accounts of a file that has the attributes.

    Raises:
        NothingToCompare: it has none. AccountError: it cannot be read as accounts. OSError: it cannot be read.
    """
    accounts = Accounts(path)
    if not accounts.attributes:
        raise NothingToCompare("the file has none of the columns sex, education, marriage, age: nothing to compare")
    scores: list[float] = []
    missed: list[bool | None] = []
    groups: dict[str, list[str]] = {name: [] for name in accounts.attributes}
    for account, people in accounts.beside_attributes():
        scores.append(score_of(model, features_of(account.history)))
        missed.append(account.missed)
        for name, value in people.items():
            groups[name].append(_group(name, value))
    return {
        "accounts": len(scores),
        "help_from": threshold,
        "attributes": {name: _attribute(members, scores, missed, threshold) for name, members in groups.items()},
    }


def _group(name: str, value: str) -> str:
    if name != "age":
        return value or "not given"
    try:
        years = float(value)
    except ValueError:
        return "not given"
    low = max((band for band in AGE_BANDS if years >= band), default=0)
    high = next((band for band in AGE_BANDS if years < band), None)
    return f"under {AGE_BANDS[0]}" if not low else f"{low} and over" if high is None else f"{low} to {high - 1}"


def _attribute(
    members: Sequence[str], scores: Sequence[float], missed: Sequence[bool | None], threshold: float
) -> dict[str, Any]:
    found = {}
    for group in sorted(set(members)):
        own = [n for n, member in enumerate(members) if member == group]
        figures: dict[str, Any] = {"accounts": len(own)}
        if len(own) >= LEAST_OF_GROUP:
            theirs = [scores[n] for n in own]
            figures |= {
                "mean_score": round(fmean(theirs), 4),
                "offered_help": round(fmean(score >= threshold for score in theirs), 4),
                "told_apart_auc": _rounded(auc(scores, [member == group for member in members])),
            }
            known = [(scores[n], ending) for n in own if (ending := missed[n]) is not None]
            if len(known) == len(own):
                endings = [ending for _, ending in known]
                figures |= {
                    "missed": round(fmean(endings), 4),
                    "calibration_gap": round(fmean(theirs) - fmean(endings), 4),
                    "auc": _rounded(auc(theirs, endings)),
                }
        found[group] = figures
    helped = [figures["offered_help"] for figures in found.values() if "offered_help" in figures]
    return {"groups": found, "offered_help_apart": round(max(helped) - min(helped), 4) if helped else None}


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 4)
