"""`dunlin chaos`: storm after storm, and what is left of the promises."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dunlin.content import load_content
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from local.chaos import RoundResult, Totals, draw_forecast, run_round, totals_of
from local.commands.tables import counts, figure
from local.report.words import PROMISES
from local.world import CONTENT

__all__ = [
    "Chaos",
    "NotReleased",
    "chaos_summary",
    "heading",
    "repeat_command",
    "run_chaos",
    "show_round",
    "show_totals",
]


class NotReleased(Exception):
    """The content is not live, so nothing would be sent and nothing proved."""


@dataclass(frozen=True, slots=True)
class Chaos:
    """How long: `rounds` of them, or as many as begin within `minutes`, or `only` the one.

    `borrowers` and `days` are the most that a round may have; they are part of what is drawn, so a round is repeated
    with the same. `evidence` is the folder under which a round that failed leaves what it left.
    """

    seed: int
    minutes: float = 1.0
    rounds: int | None = None
    only: int | None = None
    borrowers: int = 14
    days: int = 26
    evidence: Path | None = None

    def numbers(self) -> Iterator[int]:
        """The rounds to run, as long as there is time; the first one is always run."""
        if self.only is not None:
            yield self.only
            return
        began, number = time.monotonic(), 0
        while number < self.rounds if self.rounds is not None else time.monotonic() - began < self.minutes * 60:
            yield number
            number += 1
        if not number and self.rounds is None:
            yield 0


def run_chaos(chaos: Chaos, done: Callable[[RoundResult], None]) -> list[RoundResult]:
    """Run the rounds, each told to `done` when it is over.

    Raises:
        NotReleased: nothing could be sent. OSError: the evidence cannot be written. ContentError: see `load_content`.
    """
    content = load_content(CONTENT)
    if not content.live:
        raise NotReleased(content.not_live_because)
    results = []
    for number in chaos.numbers():
        forecast = draw_forecast(chaos.seed, number, most_borrowers=chaos.borrowers, most_days=chaos.days)
        folder = chaos.evidence / f"round-{number}" if chaos.evidence is not None else None
        results.append(run_round(chaos.seed, forecast, folder))
        done(results[-1])
    return results


def repeat_command(chaos: Chaos, result: RoundResult) -> str:
    """What to type to have just this round again."""
    sizes = [
        f" --{name} {value}"
        for name, value, usual in (("borrowers", chaos.borrowers, 14), ("days", chaos.days, 26))
        if value != usual
    ]
    return f"dunlin chaos --seed {chaos.seed} --only-round {result.number}{''.join(sizes)}"


def chaos_summary(chaos: Chaos, results: Sequence[RoundResult]) -> dict[str, Any]:
    """Everything as JSON data. Only `wall_seconds` and `evidence` differ from run to run."""
    totals = totals_of(results)
    return {
        "seed": chaos.seed,
        "totals": asdict(totals),
        "violations": dict(totals.counters),
        "rounds": [_round(chaos, result) for result in results],
    }


def _round(chaos: Chaos, result: RoundResult) -> Mapping[str, Any]:
    row = asdict(result)
    row["start"], row["end"] = result.start.isoformat(), result.end.isoformat()
    row["evidence"] = str(result.evidence) if result.evidence is not None else None
    row["repeat"] = repeat_command(chaos, result)
    return json.loads(json.dumps(row))  # type: ignore[no-any-return]


# ── On a terminal ────────────────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = (
    ("round", 5), ("from", 10), ("people", 6), ("days", 4), ("providers", 9), ("messages", 8), ("decisions", 9),
    ("AWS calls", 9), ("faults", 6), ("found", 5), ("digest", 16), ("seconds", 7),
)  # fmt: skip


def heading() -> Text:
    return Text("  ".join(name.rjust(width) for name, width in _COLUMNS), style="bold")


def show_round(console: Console, chaos: Chaos, result: RoundResult) -> None:
    """One line; for a round that failed, what was found, how to have it again, and where its evidence is."""
    values = (
        str(result.number), f"{result.start:%Y-%m-%d}", str(result.borrowers), str(result.days), result.profile,
        figure(result.messages), figure(result.decisions), figure(result.calls), figure(sum(result.injected.values())),
        str(len(result.violations)), result.digest, f"{result.wall_seconds:.1f}",
    )  # fmt: skip
    line = "  ".join(value.rjust(width) for value, (_, width) in zip(values, _COLUMNS, strict=True))
    console.print(Text(line, style="red" if result.violations else ""), soft_wrap=True)
    for violation in result.violations:
        console.print(Text(f"       {violation}", style="red"), soft_wrap=True)
    if result.violations:
        console.print(f"       again: [bold]{escape(repeat_command(chaos, result))}[/]", soft_wrap=True)
        console.print(f"       evidence: {escape(str(result.evidence))}", soft_wrap=True)


def show_totals(console: Console, totals: Totals) -> None:
    """What was done, what was done to it, and what the auditor says."""
    console.print()
    console.print(
        counts(
            "All rounds",
            [
                ("Rounds", totals.rounds),
                ("Virtual days", totals.days),
                ("Decisions made", totals.decisions),
                ("AWS calls", totals.calls),
                ("Messages", totals.messages),
                ("Messages sent", totals.accepted),
                ("Faults injected", totals.faults),
            ],
        )
    )
    faults = [(name.replace("_", " "), count) for name, count in totals.injected.items()]
    console.print(counts("Faults injected", sorted(faults, key=lambda fault: (-fault[1], fault[0]))))
    table = Table(title="The auditor", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("promise")
    table.add_column("found", justify="right")
    known = {promise.kind: promise.title for promise in PROMISES}
    for kind, count in totals.counters.items():
        style = "bold red" if count else "green"
        table.add_row(known.get(kind, kind.replace("_", " ")), Text(figure(count), style=style))
    console.print(table)
    if totals.failed:
        console.print(Text(f"{totals.failed} of {totals.rounds} rounds broke a promise.", style="bold red"))
    else:
        console.print(Text(f"Every promise was kept in {totals.rounds} rounds.", style="bold green"))
