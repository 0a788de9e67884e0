"""What all rounds came to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.chaos.rounds import RoundResult

__all__ = ["Totals", "totals_of"]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the rounds; `violations` is how many rounds failed, `days` are virtual."""

    rounds: int
    failed: int
    decisions: int
    faults: int
    calls: int
    messages: int
    accepted: int
    days: int
    injected: Mapping[str, int]
    counters: Mapping[str, int]


def totals_of(results: Sequence[RoundResult]) -> Totals:
    injected: Counter[str] = Counter()
    counters: Counter[str] = Counter()
    for result in results:
        injected.update(result.injected)
        counters.update(result.counters)
    return Totals(
        rounds=len(results),
        failed=sum(bool(result.violations) for result in results),
        decisions=sum(result.decisions for result in results),
        faults=sum(injected.values()),
        calls=sum(result.calls for result in results),
        messages=sum(result.messages for result in results),
        accepted=sum(result.accepted for result in results),
        days=sum((result.end - result.start).days for result in results),
        injected=dict(sorted(injected.items())),
        counters=dict(counters),
    )
