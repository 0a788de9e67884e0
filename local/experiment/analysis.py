"""What an experiment has shown: every arm beside the control arm, outcome by outcome.

* Difference of shares with the interval of Newcombe (*Interval estimation for the difference between independent
  proportions*, Statistics in Medicine 17, 1998, method 10), from statsmodels: it holds for rare outcomes too, where
  Wald's does not.
* The pooled two-sided z-test of two proportions (the one the sample size is planned for); Fisher's exact test where a
  cell of the table is expected to have fewer than five.
* Holm's adjustment over the arms of one outcome (Scandinavian Journal of Statistics 6, 1979), from statsmodels.
* Cost of a success by Fieller's theorem (J. R. Stat. Soc. B 16, 1954): a ratio of two means of the same borrowers.
* A guard rail is one-sided and not adjusted: to stop once too often costs less than to go on harming people.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any

from local.experiment.looks import upper_tail
from local.experiment.outcomes import Arm, Outcomes
from local.experiment.planning import OptionError, checked_alpha

GUARD_RAILS = ("opted_out", "complained")
_LEAST_EXPECTED = 5


class LibraryMissing(RuntimeError):
    """statsmodels is not installed; the message says how to get it."""


class Procedure(StrEnum):
    """How a p-value was found."""

    Z = "z"
    FISHER = "fisher"


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CostOfSuccess:
    """Cost of an arm for each success in it, in the file's currency. No interval: the data would bear any cost."""

    arm: str
    cost: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm beside the control arm. `difference` is the arm's share less the control's.

    `adjusted_p` is Holm's over the outcome's arms; `z` the pooled statistic, to hold against a plan's boundary.
    """

    arm: str
    share: float
    difference: float
    interval: Interval
    z: float
    p: float
    adjusted_p: float
    test: Procedure


@dataclass(frozen=True, slots=True)
class OutcomeResult:
    outcome: str
    control_share: float
    comparisons: tuple[Comparison, ...]
    costs: tuple[CostOfSuccess, ...]


@dataclass(frozen=True, slots=True)
class Stopped:
    """An arm in which something that people are to be spared is significantly more frequent. `p` is one-sided."""

    arm: str
    outcome: str
    difference: float
    p: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """All of it. `sizes`: borrowers of each arm by outcome. `guarded`: the guard rails that the file has."""

    control: str
    alpha: float
    sizes: dict[str, dict[str, int]]
    results: tuple[OutcomeResult, ...]
    guarded: tuple[str, ...]
    stopped: tuple[Stopped, ...]


def analysed(
    data: Outcomes, control: str = "control", alpha: float = 0.05, guard_rails: Collection[str] | None = None
) -> Analysis:
    """Every arm against `control`, with intervals of 1 − alpha.

    `guard_rails` are outcomes that the file has to have; None: those of `GUARD_RAILS` that it has.

    Raises:
        OptionError: there is no such arm, no other arm, or no such outcome; names the option.
        LibraryMissing: statsmodels is not installed.
    """
    checked_alpha(alpha)
    base = next((arm for arm in data.arms if arm.name == control), None)
    others = [arm for arm in data.arms if arm.name != control]
    if base is None:
        raise OptionError("--control", f"the file has no such arm; it has {', '.join(arm.name for arm in others)}")
    if not others:
        raise OptionError("--control", "the file has no other arm to compare it with")
    guarded = tuple(guard_rails) if guard_rails is not None else tuple(n for n in GUARD_RAILS if n in data.outcomes)
    for name in guarded:
        if name not in data.outcomes:
            raise OptionError("--guard", f"the file has no such outcome; it has {', '.join(data.outcomes)}")
    library = _library()
    results = tuple(
        _result(library, base, others, outcome, alpha, costs=outcome not in guarded) for outcome in data.outcomes
    )
    stopped = tuple(
        Stopped(arm.name, outcome, _share(arm, outcome) - _share(base, outcome), p)
        for outcome in guarded
        for arm in others
        if (p := _p_of_more(library, arm, base, outcome)) < alpha
    )
    sizes = {arm.name: dict(arm.sizes) for arm in (base, *others)}
    return Analysis(control, alpha, sizes, results, guarded, stopped)


@dataclass(frozen=True, slots=True)
class _Library:
    """The functions of statsmodels and scipy that are used."""

    interval: Any
    adjusted: Any
    fisher: Any


def _library() -> _Library:
    try:
        from scipy.stats import fisher_exact
        from statsmodels.stats.multitest import multipletests
        from statsmodels.stats.proportion import confint_proportions_2indep
    except ImportError:
        raise LibraryMissing(
            "the analysis needs statsmodels, which is not installed: "
            "pip install --require-hashes --no-deps -r requirements/train.txt (or: pip install '.[train]')"
        ) from None
    return _Library(confint_proportions_2indep, multipletests, fisher_exact)


def _result(
    library: _Library, base: Arm, others: Sequence[Arm], outcome: str, alpha: float, *, costs: bool
) -> OutcomeResult:
    tested = [_tested(library, arm, base, outcome) for arm in others]
    adjusted = library.adjusted([p for _, p, _ in tested], alpha=alpha, method="holm")[1]
    comparisons = tuple(
        Comparison(
            arm.name,
            _share(arm, outcome),
            _share(arm, outcome) - _share(base, outcome),
            _interval(library, arm, base, outcome, alpha),
            z,
            p,
            float(its_adjusted),
            test,
        )
        for arm, (z, p, test), its_adjusted in zip(others, tested, adjusted, strict=True)
    )
    found = [cost_of_success(arm, outcome, alpha) for arm in (base, *others)] if costs else []
    return OutcomeResult(outcome, _share(base, outcome), comparisons, tuple(cost for cost in found if cost))


def _share(arm: Arm, outcome: str) -> float:
    return arm.successes[outcome] / arm.sizes[outcome]


def _interval(library: _Library, arm: Arm, base: Arm, outcome: str, alpha: float) -> Interval:
    low, high = library.interval(
        arm.successes[outcome],
        arm.sizes[outcome],
        base.successes[outcome],
        base.sizes[outcome],
        method="newcomb",
        compare="diff",
        alpha=alpha,
    )
    return Interval(max(-1.0, float(low)), min(1.0, float(high)))  # rounding can put them just outside


def _pooled(arm: Arm, base: Arm, outcome: str) -> tuple[float, bool]:
    """The statistic, and whether a cell is expected to have too few for it. Nobody or everybody: no difference."""
    size, other = arm.sizes[outcome], base.sizes[outcome]
    had = arm.successes[outcome] + base.successes[outcome]
    pooled = had / (size + other)
    error = math.sqrt(pooled * (1 - pooled) * (1 / size + 1 / other))
    z = (_share(arm, outcome) - _share(base, outcome)) / error if error else 0.0
    return z, min(size, other) * min(pooled, 1 - pooled) < _LEAST_EXPECTED


def _tested(library: _Library, arm: Arm, base: Arm, outcome: str) -> tuple[float, float, Procedure]:
    z, few = _pooled(arm, base, outcome)
    if few:
        return z, min(1.0, float(library.fisher(_table(arm, base, outcome)).pvalue)), Procedure.FISHER
    return z, 2 * upper_tail(abs(z)), Procedure.Z


def _p_of_more(library: _Library, arm: Arm, base: Arm, outcome: str) -> float:
    z, few = _pooled(arm, base, outcome)
    if few:
        return float(library.fisher(_table(arm, base, outcome), alternative="greater").pvalue)
    return upper_tail(z)


def _table(arm: Arm, base: Arm, outcome: str) -> list[list[int]]:
    return [[its.successes[outcome], its.sizes[outcome] - its.successes[outcome]] for its in (arm, base)]


def cost_of_success(arm: Arm, outcome: str, alpha: float) -> CostOfSuccess | None:
    """None without costs or without a success. Fieller's interval, cut off at nothing: no cost is negative."""
    had, size = arm.successes[outcome], arm.sizes[outcome]
    if arm.costs is None or not had:
        return None
    ratio = float(arm.costs.total / had)
    if size == 1:
        return CostOfSuccess(arm.name, ratio, None)
    # Variances of the two means and their covariance, from exact sums.
    freedom = size * (size - 1)
    cost_variance = float((arm.costs.squares - arm.costs.total * arm.costs.total / size) / freedom)
    share_variance = (had - had * had / size) / freedom
    covariance = float((arm.costs.with_success[outcome] - arm.costs.total * had / size) / freedom)
    cost, share = float(arm.costs.total) / size, had / size
    squared = NormalDist().inv_cdf(1 - alpha / 2) ** 2
    # The ratios r at which (cost − r share)² does not exceed z² times its variance.
    a = share * share - squared * share_variance
    if a <= 0:
        return CostOfSuccess(arm.name, ratio, None)
    b = cost * share - squared * covariance
    c = cost * cost - squared * cost_variance
    root = math.sqrt(max(0.0, b * b - a * c))
    return CostOfSuccess(arm.name, ratio, Interval(max(0.0, (b - root) / a), (b + root) / a))
