"""A summary as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.replay import Decided, decided_figures
from local.report.words import OUTCOMES, PROMISES, STATES, plain, reason_words, stage_order, stage_words

_CALLS_SHOWN = 10


def show_summary(console: Console, summary: Mapping[str, Any], broken: Sequence[str]) -> None:
    """Messages, promises, escalations, opt-outs, calls, timings; last of all whether it was a good run."""
    messages = summary["messages"]
    stages = sorted(messages["by_stage"].items(), key=lambda item: stage_order(item[0]))
    console.print(
        Columns(
            [
                counts("Messages by state", ((STATES.get(k, k), n) for k, n in messages["by_state"].items())),
                counts("by stage", ((stage_words(k), n) for k, n in stages)),
                counts("by reason", ((reason_words(k), n) for k, n in messages["by_reason"].items())),
            ]
        )
    )
    console.print(scoreboard(summary))
    calls = list(summary["aws_calls"]["by_operation"].items())
    rest = sum(n for _, n in calls[_CALLS_SHOWN:])
    shown = [*calls[:_CALLS_SHOWN], *([("others", rest)] if rest else [])]
    console.print(
        Columns(
            [
                counts("Escalations", outcomes(summary["escalations"])),
                counts("Opt-outs", opt_outs(summary["opt_outs"])),
                counts("AWS calls", shown),
                counts("The run", timings(summary)),
            ]
        )
    )
    verdict(console, broken)


def show_decided(console: Console, decided: Decided) -> None:
    """What was decided about all accounts of a replay."""
    figures = decided_figures(decided)
    stages = sorted(figures["messages"]["by_stage"].items(), key=lambda item: stage_order(item[0]))
    tally = decided.tally
    console.print(
        Columns(
            [
                counts(
                    "Decisions",
                    [
                        ("Accounts", tally.accounts),
                        ("Decisions", tally.decisions),
                        ("Decisions a second", round(decided.per_second)),
                        ("Seconds", round(decided.seconds, 1)),
                        ("Processes", decided.processes),
                    ],
                ),
                counts("Messages by stage", ((stage_words(k), n) for k, n in stages)),
                counts("Had to wait", ((plain(k), n) for k, n in figures["waits"]["by_reason"].items())),
                counts("Not sent", ((reason_words(k), n) for k, n in figures["skips"]["by_reason"].items())),
                counts("Cases", outcomes(figures["escalations"])),
            ]
        )
    )


def verdict(console: Console, broken: Sequence[str]) -> None:
    if not broken:
        console.print(Text("Every promise was kept.", style="bold green"))
        return
    console.print(Text("Not every promise was kept:", style="bold red"))
    for line in broken:
        console.print(Text(f"  {line}", style="red"))


def counts(title: str, rows: Iterable[tuple[str, Any]]) -> Table:
    """Words on the left, figures on the right."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for words, value in rows:
        table.add_row(words, figure(value))
    return table


def scoreboard(summary: Mapping[str, Any]) -> Table:
    """Each promise, what was found against it, and how much was looked at."""
    table = Table(title="Promises", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("promise")
    table.add_column("found", justify="right")
    table.add_column("of what")
    table.add_column("looked at", justify="right")
    checked = summary["checked"]
    known = {promise.kind: promise for promise in PROMISES}
    for kind in [*known, *(other for other in summary["violations"] if other not in known)]:
        found = summary["violations"].get(kind, 0)
        style = "bold red" if found else "green"
        promise = known.get(kind)
        if promise is None:
            table.add_row(plain(kind), Text(figure(found), style=style), "findings", "")
        else:
            looked_at = f"{figure(checked.get(promise.checked, 0))} {promise.unit}"
            table.add_row(promise.title, Text(figure(found), style=style), promise.said, looked_at)
    ledger, notices, letters = summary["ledger"], summary["notices"], summary["letters"]
    others = [
        ("Nothing is lost", summary["stuck"], "messages that nobody attends to", f"{summary['messages']['total']:,}"),
        ("The ledger holds", ledger["broken"], "broken chains", f"{ledger['entries']:,} entries"),
        ("Nothing is silent", summary["dead_letters"], "inputs and events given up", ""),
        ("Every notice ends", notices["silent"], "notices nobody heard of again", f"{notices['asked']:,} notices"),
        ("Every letter is asked for", letters["silent"], "letters nobody asked for", f"{letters['due']:,} letters"),
    ]
    for title, found, said, looked_at in others:
        table.add_row(title, Text(figure(found), style="bold red" if found else "green"), said, looked_at)
    return table


def outcomes(escalations: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    yield "Began", escalations["started"]
    for key, words in OUTCOMES.items():
        if key in escalations:
            yield words, escalations[key]


def opt_outs(figures: Mapping[str, float]) -> Iterable[tuple[str, Any]]:
    yield "Received", int(figures["received"])
    yield "Honoured", int(figures["honoured"])
    yield "Slowest, seconds", round(figures["max_seconds"], 1)


def timings(summary: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    for key, words in (("borrowers", "Borrowers"), ("pipeline_accounts", "Accounts"), ("days", "Days")):
        if key in summary:
            yield words, summary[key]
    yield "Seed", str(summary["seed"])
    yield "Text parts", summary["sms_parts"]
    yield "AWS calls", summary["aws_calls"]["total"]
    yield "Refused inputs", summary["refused_inputs"]
    yield "Seconds", summary["wall_seconds"]
    yield "Decisions a second", round(summary["decisions_per_second"])


def figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
