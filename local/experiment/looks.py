"""Looking at an experiment before its end without finding what is not there.

Boundaries on |Z| for looks at shares of the planned sample, by the error spending function that Lan and DeMets
(*Discrete sequential boundaries for clinical trials*, Biometrika 70, 1983) gave for boundaries of O'Brien and Fleming's
type: by the share t each side has spent 2 − 2Φ(z(α/4) / √t), so that both sides together have spent α at the end. The
chance to cross is integrated from look to look (Armitage, McPherson and Rowe, J. R. Stat. Soc. A 132, 1969) over the
score S = Z√t, which grows by independent normal increments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

_NORMAL = NormalDist()
#: Points of Simpson's rule at each look: boundaries to about 1e-8.
_POINTS = 401
#: Further out than so many standard deviations nothing is integrated.
_FURTHEST = 10.0
_HALVINGS = 80
MOST_LOOKS = 20


@dataclass(frozen=True, slots=True)
class Look:
    """One look: the share of the planned sample, the boundary on |Z| and its two-sided p-value, α spent up to it."""

    number: int
    share: float
    boundary: float
    nominal_p: float
    spent: float


def upper_tail(z: float) -> float:
    """P(Z > z), exact far out too."""
    return math.erfc(z / math.sqrt(2)) / 2


def spent_by(share: float, alpha: float) -> float:
    """What of α both sides together have spent by this share (0 to 1, not 0) of the sample."""
    return 4 * upper_tail(_NORMAL.inv_cdf(1 - alpha / 4) / math.sqrt(share))


def boundaries(looks: int, alpha: float) -> tuple[Look, ...]:
    """The looks at equal steps, the last at the whole sample. One look is the ordinary two-sided test.

    `looks` is from 1 to `MOST_LOOKS`, `alpha` above 0 and below 1: who asks has checked.
    """
    if looks == 1:
        return (Look(1, 1.0, _NORMAL.inv_cdf(1 - alpha / 2), alpha, alpha),)
    found: list[Look] = []
    paths = _START
    for number in range(1, looks + 1):
        share = number / looks
        spent = spent_by(share, alpha)
        wanted = (spent - (found[-1].spent if found else 0.0)) / 2
        boundary = _where(partial(paths.above, share=share), wanted)
        found.append(Look(number, share, boundary, 2 * upper_tail(boundary), spent))
        if number < looks:
            paths = paths.within(boundary, share)
    return tuple(found)


def crossing(bounds: Sequence[float], drift: float = 0.0) -> float:
    """The chance that Z exceeds its upper boundary at one of equally spaced looks, before it fell below a lower one.

    `drift` is what Z has as its mean at the end. Without drift it is half of the two-sided error.
    """
    return _crossing(_course(bounds), drift)


def inflation(looks: Sequence[Look], alpha: float, power: float) -> float:
    """By what the sample of a test without looks is multiplied, so that looks leave its power."""
    if len(looks) == 1:
        return 1.0
    course = _course([look.boundary for look in looks])
    single = _NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)
    drift = _where(lambda drift: -_crossing(course, drift), -power)
    return (drift / single) ** 2


@dataclass(frozen=True, slots=True)
class _Paths:
    """The density of the score at a share of the sample, among paths that crossed nothing so far.

    `weights` are the density times the weights of Simpson's rule over the `scores`.
    """

    share: float
    scores: tuple[float, ...]
    weights: tuple[float, ...]

    def above(self, boundary: float, share: float, drift: float = 0.0) -> float:
        """The chance to come to this share and to be above the boundary there.

        With a drift θ every path counts exp(θs − θ²t/2) times as much (the likelihood ratio of its score).
        """
        step = share - self.share
        root, limit = math.sqrt(step), boundary * math.sqrt(share) - drift * step
        return math.fsum(
            weight
            * (math.exp(drift * score - drift * drift * self.share / 2) if drift else 1.0)
            * upper_tail((limit - score) / root)
            for score, weight in zip(self.scores, self.weights, strict=True)
        )

    def within(self, boundary: float, share: float) -> _Paths:
        """Those of the paths that lie within the boundary, on either side, at this share."""
        root = math.sqrt(share - self.share)
        reach = min(boundary, _FURTHEST) * math.sqrt(share)
        width = 2 * reach / (_POINTS - 1)
        scores = tuple(-reach + width * place for place in range(_POINTS))
        before = [(score, weight) for score, weight in zip(self.scores, self.weights, strict=True) if weight > 0]
        scale = width / 3 / (root * math.sqrt(2 * math.pi))
        weights = tuple(
            _simpson(place)
            * scale
            * math.fsum(weight * math.exp(-(((score - past) / root) ** 2) / 2) for past, weight in before)
            for place, score in enumerate(scores)
        )
        return _Paths(share, scores, weights)


#: Before the first borrower: every path at nought.
_START = _Paths(0.0, (0.0,), (1.0,))
#: For each look its share, its boundary and the paths that come to it.
_Course = list[tuple[float, float, _Paths]]


def _course(bounds: Sequence[float]) -> _Course:
    course: _Course = []
    paths = _START
    for number, bound in enumerate(bounds, 1):
        share = number / len(bounds)
        course.append((share, bound, paths))
        if number < len(bounds):
            paths = paths.within(bound, share)
    return course


def _crossing(course: _Course, drift: float) -> float:
    return math.fsum(paths.above(bound, share, drift) for share, bound, paths in course)


def _simpson(place: int) -> int:
    return 1 if place in (0, _POINTS - 1) else 4 if place % 2 else 2


def _where(falling: Callable[[float], float], wanted: float) -> float:
    """Where a function that falls from 0 on has the wanted value."""
    low, high = 0.0, 40.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if falling(middle) > wanted else (low, middle)
    return (low + high) / 2
