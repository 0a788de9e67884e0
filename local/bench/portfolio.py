"""The portfolio that is measured: drawn borrowers only, who pay as real accounts do, and a world for them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from local.behaviour import Behaviour, enact, read_by
from local.commands.run import CHINESE_LINE, line_of
from local.core.core import Core
from local.demo import reply_of
from local.portfolio.generate import Portfolio, generate
from local.simulator.faults import Faults
from local.simulator.simulator import Delivered
from local.world import Reply, World

__all__ = ["REGION", "Setting", "opened"]

REGION = "us-east-1"


@dataclass(frozen=True)
class Setting:
    """How large a run is. The same setting is the same run."""

    borrowers: int
    days: int
    seed: int = 1

    def portfolio(self) -> Portfolio:
        """Nobody, if so it is set."""
        found = generate(max(self.borrowers, 1), self.days, self.seed, cohorts=())
        return found if self.borrowers else replace(found, accounts=(), cohorts={})


def opened(setting: Setting, logs: Path) -> AbstractContextManager[World]:
    """A world of this setting, in which nothing goes wrong at the providers: what is measured is the plain way."""
    portfolio = setting.portfolio()
    core = Core(portfolio.accounts, seed=setting.seed, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)

    def reached(delivered: Delivered) -> list[Reply]:
        return [reply_of(text) for text in enact(read_by(behaviour, delivered), core)]

    world = World(
        core,
        portfolio.start,
        portfolio.end,
        setting.seed,
        Faults.none(),
        logs,
        reached,
        line_of,
        unreachable=portfolio.numbers,
        finance_numbers=(CHINESE_LINE,),
        on_announced=lambda announced: core.hear(announced.kind, announced.detail),
    )
    first = [reply_of(text) for text in enact(behaviour.at_start(), core)]
    world.at(portfolio.start, _texts(world, first))
    return world


def _texts(world: World, texts: list[Reply]) -> Callable[[], None]:
    def write() -> None:
        for text in texts:
            world.text(*text)

    return write
