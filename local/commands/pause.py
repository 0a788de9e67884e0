"""The stop button: `dunlin pause`, `dunlin resume`, `dunlin pauses`."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer
from dunlin.domain.words import PauseScope
from dunlin.errors import InvalidInput
from dunlin.services.pauses import Pauses
from rich.text import Text

from local.commands.console import age, complaining, duration, output, refuse, table
from local.commands.deployment import (
    CONTENT,
    ContentOption,
    RegionOption,
    ResourceOption,
    StackOption,
    find_deployment,
)

ScopeArgument = Annotated[PauseScope, typer.Argument(help="How much.")]
NameArgument = Annotated[
    str, typer.Argument(metavar="[NAME]", help="Of the brand, line or template; none for everything.")
]
ByOption = Annotated[str, typer.Option("--by", metavar="ID", help="Who says so: a staff id. [default: you, here]")]


def pause(
    scope: ScopeArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever finds it later.")],
    name: NameArgument = "",
    by: ByOption = "",
    until: Annotated[str, typer.Option(metavar="ISO", help="Until then; with a zone, or UTC.")] = "",
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="For so long: 30m, 2h, 1d.")] = "",
    stack: StackOption = "",
    resource: ResourceOption = None,
    region: RegionOption = None,
    content: ContentOption = CONTENT,
) -> None:
    """Stop everything, a brand, a line or a template, from the next reservation on; until lifted, or until a time."""
    with complaining():
        pauses = _pauses(stack, resource, region, content)
        _check(pauses, scope, name)
        if until and for_:
            raise InvalidInput("until", "cannot be given together with --for")
        ends = _instant(until) if until else None
        if for_:
            from local.commands import deployment

            ends = deployment.clock() + duration(for_)
        made = pauses.pause(scope, name, by=by or getpass.getuser(), why=reason, until=ends)
    end = f"until {made.until.isoformat()}" if made.until is not None else "until it is lifted"
    output().print(Text(f"Paused: {_words(scope, name)}, {end}. It is in force at the next reservation."))


def resume(
    scope: ScopeArgument,
    name: NameArgument = "",
    by: ByOption = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever asks later.")] = "",
    stack: StackOption = "",
    resource: ResourceOption = None,
    region: RegionOption = None,
    content: ContentOption = CONTENT,
) -> None:
    """Lift a stop. Exit code 1: it was not in force."""
    with complaining():
        pauses = _pauses(stack, resource, region, content)
        _check(pauses, scope, name)
        was = pauses.resume(scope, name, by=by or getpass.getuser(), why=reason)
    if not was:
        output().print(Text(f"{_words(scope, name)} was not paused."))
        raise typer.Exit(1)
    output().print(Text(f"Resumed: {_words(scope, name)}."))
    still = [each for each in pauses.in_force() if each.scope is PauseScope.EVERYTHING]
    if still:
        output().print(Text("Everything is still paused.", style="yellow"))


def pauses(
    stack: StackOption = "",
    resource: ResourceOption = None,
    region: RegionOption = None,
    content: ContentOption = CONTENT,
) -> None:
    """The stops in force: what, who, why, since when, until when."""
    from local.commands import deployment

    with complaining():
        in_force = _pauses(stack, resource, region, content).in_force()
    if not in_force:
        output().print(Text("Nothing is paused."))
        return
    shown = table("what", "name", "by", "why", "for", "until")
    for each in in_force:
        until = each.until.isoformat() if each.until is not None else "lifted"
        words = (str(each.scope), each.name, each.by, each.why, age(each.since, deployment.clock()), until)
        shown.add_row(*(Text(word) for word in words))
    output().print(shown)


def _pauses(stack: str, resource: list[str] | None, region: str | None, content: object) -> Pauses:
    from pathlib import Path

    assert isinstance(content, Path)
    found = find_deployment(stack, resource or (), region, content)
    templates = frozenset(template for template, _, _ in found.content.templates)
    return Pauses(found.controls, found.content.lender, templates, found.now)


def _check(pauses: Pauses, scope: PauseScope, name: str) -> None:
    """Refuse a name that is not known, with those that are."""
    known = pauses.names(scope)
    if name not in known:
        if scope is PauseScope.EVERYTHING:
            refuse("everything has no name")
        refuse(f"{scope} {name or '(no name)'}: is not one of {', '.join(known)}")


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("until", "must be a moment, such as 2026-06-01T18:00+02:00") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _words(scope: PauseScope, name: str) -> str:
    return f"{scope} {name}".rstrip()
