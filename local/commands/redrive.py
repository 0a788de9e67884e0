"""`dunlin redrive`: dead letters, shown first; then back to where they came from, or removed where nothing waits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from dunlin.adapters.dead_letters import QUEUES
from dunlin.services.redrive import Fate, LetterKind, Redrive, Shown
from rich.console import Console
from rich.text import Text

from local.commands.console import age, complaining, output, refuse, table
from local.commands.deployment import (
    CONTENT,
    Deployment,
    RegionOption,
    ResourceOption,
    StackOption,
    find_deployment,
)

_NAMES = [queue.logical_id for queue in QUEUES if queue.kind is not LetterKind.REFUSED]


def redrive(
    stack: StackOption = "",
    queue: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help=f"Only these queues: {', '.join(_NAMES)}.")
    ] = None,
    letter: Annotated[list[str] | None, typer.Option("--id", metavar="ID", help="Only these letters.")] = None,
    go: Annotated[bool, typer.Option("--go", help="Redrive them, after they were shown and you said yes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    resource: ResourceOption = None,
    region: RegionOption = None,
) -> None:
    """Show the dead letters of a deployed stack; with --go, redrive them. Exit code 1: letters are left.

    It may be interrupted at any moment and run again: a letter is deleted only after its copy was taken, and what is
    delivered twice is applied once.
    """
    unknown = sorted(set(queue or ()) - set(_NAMES))
    if unknown:
        refuse(f"{unknown[0]}: is not one of {', '.join(_NAMES)}")
    console = output()
    with complaining():
        found = find_deployment(stack, resource or (), region, CONTENT)
        service = Redrive(found.letters, found.store, found.now)
        shown = service.show(queue or (), letter or ())
        _show(console, shown, found)
        missing = sorted(set(letter or ()) - {each.letter.letter_id for each in shown})
        if missing:
            refuse(f"{missing[0]}: no such letter, or somebody else has it in hand")
        if not shown:
            raise typer.Exit(0)
        if not go:
            console.print("Nothing was changed. Redrive them with --go.")
            raise typer.Exit(1)
        if not (yes or _agreed(len(shown))):
            console.print("Nothing was changed.")
            raise typer.Exit(1)
        left = 0
        for done in service.go(queue or (), letter or ()):
            left += done.fate is Fate.LEFT
            line = f"{done.letter.letter_id}  {done.letter.kind}  {done.fate}: {done.why}"
            console.print(Text(line, style="yellow" if done.fate is Fate.LEFT else "green"), soft_wrap=True)
    raise typer.Exit(1 if left else 0)


def _agreed(count: int) -> bool:
    if not sys.stdin.isatty():
        refuse("there is nobody to say yes: give --yes")
    return str(typer.prompt(f'Redrive {count}? Say "yes"', default="no")) == "yes"


def _show(console: Console, shown: Sequence[Shown], found: Deployment) -> None:
    if not shown:
        console.print(Text("There are no dead letters.", style="green"))
        return
    lines = table("letter", "queue", "what", "age", "tries", "about", "error", "redriven, it")
    for each in shown:
        letter = each.letter
        lines.add_row(
            letter.letter_id,
            letter.queue,
            str(letter.kind),
            age(letter.sent_at, found.now()),
            str(letter.receive_count),
            Text(" ".join(f"{name}={value}" for name, value in letter.ids)),
            letter.error,
            Text(each.prospect),
        )
    console.print(lines)
