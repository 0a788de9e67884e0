"""Chance that repeats: every draw is a hash of the seed and of what it is about, never of an order of calls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


def draw(seed: int, *what: object) -> float:
    """A number in [0, 1) for this seed and this matter; the same for the same arguments, for ever."""
    text = "\x1f".join((str(seed), *map(str, what)))
    digest = blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def whole(seed: int, low: int, high: int, *what: object) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(draw(seed, *what) * (high - low + 1))


def choose(seed: int, options: Sequence[T], *what: object) -> T:
    """One of `options` (not empty), all equally likely."""
    return options[int(draw(seed, *what) * len(options))]


def minutes(seed: int, low: int, high: int, *what: object) -> timedelta:
    """A span from `low` to `high` minutes."""
    return timedelta(minutes=whole(seed, low, high, *what))
