"""`dunlin bench`: measure, show, and say what is worse than it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dunlin.content import load_content
from rich.console import Console
from rich.table import Table

from local.bench.idle import idle
from local.bench.limits import broken
from local.bench.operations import Counted, costs, count
from local.bench.portfolio import Setting
from local.bench.processor import processor
from local.bench.start import sizes, starts
from local.world import CONTENT

__all__ = ["measure", "show"]

_IDLE = Setting(10, 4)


def measure(setting: Setting, *, built: bool) -> tuple[dict[str, Any], list[str]]:
    """The results, and what of them is worse than it may be. `built`: start-up and sizes too, which need a build.

    Raises:
        NotBuiltError: there is no build.
        RuntimeError: a handler failed.
    """
    if built:
        weighed = {"sizes": sizes()}
    counted = count(setting)
    results: dict[str, Any] = {
        "setting": {"borrowers": setting.borrowers, "days": setting.days, "seed": setting.seed},
        "costs": costs(counted),
        "processor": processor(counted) | {"decisions_a_second": _decisions(counted)},
        "idle": idle(_IDLE),
    }
    if built:
        results |= weighed | {"starts": starts()}
    return results, broken(results)


def _decisions(counted: Counted) -> float:
    from local.summary import timed_decisions

    return timed_decisions(counted.borrowers, load_content(CONTENT), counted.ended_at)


def show(console: Console, results: Mapping[str, Any], found: list[str]) -> None:
    """Tables to read."""
    costs_found = results["costs"]
    console.print(f"{costs_found['sent']} messages in {costs_found['loan_days']:,} loan-days\n")
    table = Table("dollars, list price", "a million messages", "a million loans a day", title="Without the carrier")
    for name, value in costs_found["dollars_a_million_messages"].items():
        table.add_row(name, f"{value:,.2f}", f"{costs_found['dollars_a_million_loans_a_day'][name]:,.2f}")
    console.print(table)
    _pairs(console, "Ours, a million messages", costs_found["ours_by_what"])
    _pairs(console, "Operations a message", costs_found["operations_a_message"])
    _pairs(
        console,
        "Standing",
        {
            "operations a minute": costs_found["standing_operations_a_minute"],
            "dollars a day": costs_found["standing_dollars_a_day"],
            "operations, 20 idle borrowers and 2,000": " and ".join(map(str, results["idle"]["operations"])),
        },
    )
    _pairs(console, "Processor", {name: value for name, value in results["processor"].items() if "_by_" not in name})
    if "starts" in results:
        _pairs(console, "The build", results["sizes"])
        table = Table("function", "ms", "bare, ms", "ratio", "modules", title="Start-up, processor time")
        for name, start in results["starts"].items():
            row = (start["milliseconds"], start["bare_milliseconds"], start["ratio"], start["modules"])
            table.add_row(name, *map(str, row))
        console.print(table)
    for line in found:
        console.print(f"[red]worse than it may be:[/red] {line}")


def _pairs(console: Console, title: str, values: Mapping[str, Any]) -> None:
    table = Table("", "", title=title, show_header=False)
    for name, value in values.items():
        if not isinstance(value, dict):
            table.add_row(name.replace("_", " "), str(value))
    console.print(table)
