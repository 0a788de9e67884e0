"""`dunlin stuck`: what does not move in a deployed stack, a line each with what to do about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from dunlin.services.stuck import MOST_READ, Looked, Stuck
from rich.console import Console
from rich.text import Text

from local.commands.console import age, complaining, duration, output, table, write
from local.commands.deployment import (
    CONTENT,
    ContentOption,
    RegionOption,
    ResourceOption,
    StackOption,
    find_deployment,
)


def stuck(
    stack: StackOption = "",
    older_than: Annotated[str, typer.Option(metavar="TIME", help="How long is too long: 90s, 15m, 2h, 3d.")] = "15m",
    most: Annotated[
        int, typer.Option(min=1, help="Messages and borrowers read of each shard, most overdue first.")
    ] = MOST_READ,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", dir_okay=False, help="As JSON; - is standard output.")
    ] = None,
    resource: ResourceOption = None,
    region: RegionOption = None,
    content: ContentOption = CONTENT,
) -> None:
    """Say what does not move in a deployed stack, and what to do about it. Reads only; exit code 1: something is stuck.

    Pauses in force are told too; they alone are no reason for exit code 1.
    """
    with complaining():
        limit = duration(older_than)
        found = find_deployment(stack, resource or (), region, content)
        service = Stuck(found.store, found.controls, found.escalations, found.letters, found.content.lender, found.now)
        looked = service.look(limit, most)
    write(_document(looked), json_file)
    _show(output(json_file), looked)
    raise typer.Exit(1 if looked.is_stuck else 0)


def _show(console: Console, looked: Looked) -> None:
    if looked.findings:
        shown = table("what", "", "how many", "for", "which", "what to do")
        for finding in looked.findings:
            ids = ", ".join(finding.ids) + (", …" if finding.count > len(finding.ids) > 1 else "")
            style = "" if finding.deliberate else "bold"
            shown.add_row(
                Text(finding.kind, style=style),
                Text(finding.what),
                str(finding.count),
                age(finding.since, looked.at),
                Text(ids),
                Text(finding.advice),
            )
        console.print(shown)
    for partial in looked.partial:
        console.print(Text(f"There are more {partial} than were read (--most)."), soft_wrap=True)
    if not looked.is_stuck:
        console.print(Text("Nothing is stuck.", style="green"))


def _document(looked: Looked) -> str:
    findings = [
        {
            "kind": finding.kind,
            "what": finding.what,
            "count": finding.count,
            "since": finding.since.isoformat() if finding.since is not None else None,
            "ids": list(finding.ids),
            "advice": finding.advice,
            "deliberate": finding.deliberate,
        }
        for finding in looked.findings
    ]
    document = {
        "at": looked.at.isoformat(),
        "stuck": looked.is_stuck,
        "findings": findings,
        "partial": list(looked.partial),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
