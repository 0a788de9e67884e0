"""`dunlin explore`: all orders of the small worlds, with all guards or without one."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.explorer.guards import GUARDS
from local.explorer.search import Explored, Explorer
from local.explorer.worlds import WORLDS


class UnknownName(ValueError):
    """There is no world, or no guard, of this name."""


def explore(world: str | None, without: str | None, crashes: int | None, console: Console) -> list[Explored]:
    """Explore one world or all of them, and print what comes of it. Without a guard: the world that shows it.

    Raises:
        UnknownName: there is no such world or guard.
    """
    if world is not None and world not in WORLDS:
        raise UnknownName(f"there is no world {world}: {', '.join(WORLDS)}")
    if without is not None and without not in GUARDS:
        raise UnknownName(f"there is no guard {without}: {', '.join(GUARDS)}")
    guard = GUARDS[without] if without is not None else None
    shown = guard.world if guard is not None else None
    chosen = world or shown
    names = [chosen] if chosen is not None else list(WORLDS)
    if guard is not None:
        console.print(f"Without {guard.name}: {guard.protects}", soft_wrap=True)
    explored = []
    for name in names:
        done = Explorer(WORLDS[name], guard.classes if guard is not None else None, crashes=crashes).explore()
        explored.append(done)
    _show(explored, console)
    return explored


def _show(explored: list[Explored], console: Console) -> None:
    table = Table(title="All orders of a small world", title_justify="left")
    table.add_column("World")
    for column in ("States", "Transitions", "Depth", "Worlds", "Ends", "Seconds"):
        table.add_column(column, justify="right")
    table.add_column("Found")
    for done in explored:
        found = "nothing" if done.found is None else f"[red]{escape(done.found.law)}[/]"
        counted = (done.states, done.transitions, done.depth, done.worlds, done.ends)
        table.add_row(done.scenario, *(f"{count:,}" for count in counted), f"{done.seconds:.1f}", found)
    if len(explored) > 1:
        whole = (sum(done.states for done in explored), sum(done.transitions for done in explored))
        seconds = sum(done.seconds for done in explored)
        deepest = max(done.depth for done in explored)
        table.add_row("together", *(f"{count:,}" for count in (*whole, deepest)), "", "", f"{seconds:.1f}", "")
    console.print(table)
    for done in explored:
        if done.found is not None:
            console.print(f"\n[bold]{escape(done.scenario)}[/]: {escape(done.found.law)}", soft_wrap=True)
            for number, step in enumerate(done.found.steps, 1):
                console.print(f"{number:4}  {escape(step)}", soft_wrap=True, highlight=False)


def document(explored: list[Explored]) -> dict[str, Any]:
    """The same as figures."""
    return {
        "worlds": [asdict(done) | {"about": WORLDS[done.scenario].about} for done in explored],
        "states": sum(done.states for done in explored),
        "transitions": sum(done.transitions for done in explored),
        "found": sum(done.found is not None for done in explored),
    }


def write(explored: list[Explored], file: Path | None) -> None:
    """Write the figures; `-` is standard output.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(document(explored), indent=2, ensure_ascii=False) + "\n"
    if file == Path("-"):
        sys.stdout.write(text)
    elif file is not None:
        file.write_text(text, encoding="utf-8")
