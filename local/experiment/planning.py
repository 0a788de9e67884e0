"""How many borrowers an experiment needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from local.experiment.looks import MOST_LOOKS, Look, boundaries, inflation

#: More borrowers an arm than anybody has.
MOST_BORROWERS = 10**10
LEAST_ALPHA, MOST_POWER = 1e-4, 0.9999


class OptionError(ValueError):
    """An option that cannot be; the message names it."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option


@dataclass(frozen=True, slots=True)
class Plan:
    """Two arms of equal size that are compared by a two-sided z-test of two proportions.

    `single` is the size of each without looks; `arm` with them, `inflation` times as much, rounded up.
    """

    base: float
    effect: float
    power: float
    alpha: float
    single: float
    inflation: float
    arm: int
    looks: tuple[Look, ...]

    def seen_at(self, look: Look) -> int:
        """How many of each arm have to be known at a look."""
        return math.ceil(self.arm * look.share)


def planned(base: float, effect: float, power: float = 0.8, alpha: float = 0.05, looks: int = 1) -> Plan:
    """The plan to find `effect` (a difference of shares, either sign) from `base` with this power.

    Raises:
        OptionError: an option is out of its range; names it.
    """
    checked_alpha(alpha)
    if not 0 < base < 1:
        raise OptionError("--base", "must be a share above 0 and below 1: 0.619 for 61.9 %")
    if not effect or not 0 < base + effect < 1:
        raise OptionError("--effect", "must not be 0, and with --base must make a share above 0 and below 1")
    if not alpha < power <= MOST_POWER:
        raise OptionError("--power", f"must be above --alpha and at most {MOST_POWER}")
    if not 1 <= looks <= MOST_LOOKS:
        raise OptionError("--looks", f"must be from 1 to {MOST_LOOKS}")
    single = arm_size(base, base + effect, power, alpha)
    if single > MOST_BORROWERS:
        raise OptionError("--effect", f"is too small to be seen: more than {MOST_BORROWERS:,} borrowers an arm")
    its_looks = boundaries(looks, alpha)
    factor = inflation(its_looks, alpha, power)
    return Plan(base, effect, power, alpha, single, factor, math.ceil(single * factor), its_looks)


def checked_alpha(alpha: float) -> float:
    """The same alpha.

    Raises:
        OptionError: it is no level of significance.
    """
    if not LEAST_ALPHA <= alpha <= 0.5:
        raise OptionError("--alpha", f"must be from {LEAST_ALPHA} to 0.5")
    return alpha


def arm_size(one: float, other: float, power: float, alpha: float) -> float:
    """Borrowers an arm, not rounded: the formula behind R's `power.prop.test` and Fleiss, Levin and Paik (2003), 4.14.

    The variance is pooled under no difference and is each arm's own under the difference; no continuity correction. The
    chance to find a difference of the wrong sign is not counted as power.
    """
    normal = NormalDist()
    mean = (one + other) / 2
    under_none = normal.inv_cdf(1 - alpha / 2) * math.sqrt(2 * mean * (1 - mean))
    under_effect = normal.inv_cdf(power) * math.sqrt(one * (1 - one) + other * (1 - other))
    gap = abs(other - one)
    return ((under_none + under_effect) / gap) ** 2 if gap > 1e-9 else math.inf
