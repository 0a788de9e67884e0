"""What a run of `dunlin bench` is held to: ratios, each with the margin that it had when it was set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LIMITS", "Limit", "broken"]


@dataclass(frozen=True)
class Limit:
    """A figure, by its way through the results, may be at most so much. `goal` is where it should be."""

    path: tuple[str, ...]
    most: float
    goal: float | None = None

    @property
    def name(self) -> str:
        return " / ".join(self.path)


LIMITS = (
    Limit(("costs", "against", "floor, promises kept"), 5.0),
    Limit(("costs", "against", "execution a loan, woken daily"), 0.40),
    Limit(("costs", "operations_a_message", "ours"), 65.0),
    Limit(("costs", "standing_operations_a_minute"), 70.0),
    Limit(("idle", "operations_an_idle_borrower"), 0.0),
    Limit(("idle", "growth"), 0.05),
    Limit(("processor", "own_to_sdk"), 0.65, goal=0.5),
    Limit(("sizes", "layer_megabytes"), 80.0),
    Limit(("starts", "*", "ratio"), 4.5, goal=1.25),
    Limit(("starts", "ReceiveWebhookFunction", "ratio"), 1.6, goal=1.25),
)


def broken(results: Mapping[str, Any]) -> list[str]:
    """The limits that the results exceed, each in a line. What was not measured breaks nothing."""
    return [
        f"{name}: {value} is more than {limit.most}"
        for limit in LIMITS
        for name, value in _values(results, limit.path)
        if value > limit.most
    ]


def _values(results: Any, path: tuple[str, ...], so_far: str = "") -> Iterator[tuple[str, float]]:
    if not path:
        yield so_far, float(results)
        return
    head, *rest = path
    if not isinstance(results, Mapping):
        return
    for name in results if head == "*" else [head]:
        if name in results:
            yield from _values(results[name], tuple(rest), f"{so_far} / {name}" if so_far else name)
