"""How good scores are, in plain Python: what the training reports, and what anybody can work out again.

AUC: the chance that somebody who missed has a higher score than somebody who paid (Mann-Whitney, ties count half).
Calibration error: ECE of ten bins of equally many accounts by score, the mean over the bins of |mean score - share that
missed|, weighed by accounts. ECE of ten bins of equal width beside it. Brier: the mean squared error.
PSI: the population stability index over the bins of the training, sum of (now - then) * ln(now / then) of the shares;
below 0.1 is little, above 0.25 is another population (Siddiqi, *Credit Risk Scorecards*, 2006).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise
from statistics import fmean

BINS = 10
#: A bin that is empty counts as this share: the logarithm of nothing is no figure.
LEAST_SHARE = 1e-4
PSI_LITTLE, PSI_MUCH = 0.1, 0.25


def auc(scores: Sequence[float], missed: Sequence[bool]) -> float | None:
    """None where everybody or nobody missed."""
    count, bad = len(scores), sum(missed)
    if not 0 < bad < count:
        return None
    ranked = sorted(zip(scores, missed, strict=True))
    rank_sum, place = 0.0, 0
    for _, tied in groupby(ranked, key=lambda pair: pair[0]):
        members = [was_missed for _, was_missed in tied]
        rank_sum += (place + (len(members) + 1) / 2) * sum(members)
        place += len(members)
    return (rank_sum - bad * (bad + 1) / 2) / (bad * (count - bad))


def calibration(scores: Sequence[float], missed: Sequence[bool]) -> list[dict[str, float]]:
    """Ten bins of equally many accounts, by score: how many, the mean score, the share that missed."""
    ranked = sorted(zip(scores, missed, strict=True))
    edges = [round(len(ranked) * n / BINS) for n in range(BINS + 1)]
    bins = [ranked[low:high] for low, high in pairwise(edges) if high > low]
    return [_bin(members) for members in bins]


def _bin(members: Sequence[tuple[float, bool]]) -> dict[str, float]:
    return {
        "accounts": len(members),
        "mean_score": fmean(score for score, _ in members),
        "missed": fmean(was_missed for _, was_missed in members),
    }


def calibration_error(scores: Sequence[float], missed: Sequence[bool], *, equal_width: bool = False) -> float:
    """ECE; of ten bins of equally many accounts, or of equal width."""
    if equal_width:
        by_width: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
        for score, was_missed in zip(scores, missed, strict=True):
            by_width[min(int(score * BINS), BINS - 1)].append((score, was_missed))
        bins = [_bin(members) for members in by_width if members]
    else:
        bins = calibration(scores, missed)
    return sum(each["accounts"] * abs(each["mean_score"] - each["missed"]) for each in bins) / len(scores)


def brier(scores: Sequence[float], missed: Sequence[bool]) -> float:
    return fmean((score - was_missed) ** 2 for score, was_missed in zip(scores, missed, strict=True))


def figures(scores: Sequence[float], missed: Sequence[bool]) -> dict[str, float | None]:
    """Everything above, rounded to six digits."""
    area = auc(scores, missed)
    return {
        "accounts": len(scores),
        "missed": round(fmean(missed), 6),
        "auc": None if area is None else round(area, 6),
        "calibration_error": round(calibration_error(scores, missed), 6),
        "calibration_error_equal_width": round(calibration_error(scores, missed, equal_width=True), 6),
        "brier": round(brier(scores, missed), 6),
    }


def bins_of(values: Iterable[float]) -> dict[str, list[float]]:
    """Up to ten bins of about equally many values: the upper edge of each but the last, and the share in each."""
    ranked = sorted(values)
    cuts = sorted({ranked[min(len(ranked) * n // BINS, len(ranked) - 1)] for n in range(1, BINS)})
    edges = [cut for cut in cuts if cut < ranked[-1]]
    return {"edges": edges, "shares": shares_in(edges, ranked)}


def shares_in(edges: Sequence[float], values: Sequence[float]) -> list[float]:
    """Which share of the values lies in each bin; a value on an edge lies below it."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect_left(edges, value)] += 1
    return [count / len(values) for count in counts]


def psi(then: Sequence[float], now: Sequence[float]) -> float:
    """The population stability index of two lists of shares over the same bins."""
    total = 0.0
    for was, is_now in zip(then, now, strict=True):
        before, after = max(was, LEAST_SHARE), max(is_now, LEAST_SHARE)
        total += (after - before) * math.log(after / before)
    return total
