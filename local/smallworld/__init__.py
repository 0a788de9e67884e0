"""A small world in memory: the real services, a tiny engine for what AWS does between them, and a checker of promises.

`World` is the engine, `people` who lives in it, `SmallCore` what they owe, `SmallProvider` what becomes of a text,
`Gate` what goes wrong, `Checker` what must never happen. Same seed and same steps, same history.
"""

from __future__ import annotations

from local.smallworld.checker import Checker, PromiseBroken
from local.smallworld.core import SmallCore, SmallLoan
from local.smallworld.engine import Broken, World
from local.smallworld.gate import Call, Fault, Gate, Killed
from local.smallworld.provider import Answer, Fate, SmallProvider

__all__ = [
    "Answer",
    "Broken",
    "Call",
    "Checker",
    "Fate",
    "Fault",
    "Gate",
    "Killed",
    "PromiseBroken",
    "SmallCore",
    "SmallLoan",
    "SmallProvider",
    "World",
]
