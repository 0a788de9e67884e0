"""`dunlin content`: check, read and release the packs, strategies, profile and texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from dunlin.adapters.renderer import Renderer
from dunlin.content import check, json_schemas, load_content, sign
from dunlin.content.lint import renderings
from dunlin.content.resolve import covers
from dunlin.content.schema import PackModel
from dunlin.domain.policy import Line
from dunlin.errors import ContentError
from rich.console import Console
from rich.markup import escape

from local.world import CONTENT

app = typer.Typer(help="Check, read and release what the system may say.", no_args_is_help=True)
_out = Console()
_err = Console(stderr=True)

ContentDir = Annotated[Path, typer.Option("--dir", help="The content to work on.", exists=True, file_okay=False)]


def _refuse(error: ContentError) -> typer.Exit:
    _err.print(f"[red]{escape(str(error))}[/red]")
    return typer.Exit(1)


@app.command("check")
def check_command(directory: ContentDir = CONTENT) -> None:
    """Find mistakes: file, line, field and what is wrong. Exits with 1 if there are any."""
    try:
        problems = check(directory)
        content = load_content(directory)
    except ContentError as error:
        raise _refuse(error) from None
    for problem in problems:
        _out.print(escape(str(problem)), soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    state = "live in embedded" if content.live else f"not live: {content.not_live_because}"
    _out.print(f"No mistakes. Version {content.version}, release {content.number}, {state}.")


@app.command("show")
def show_command(directory: ContentDir = CONTENT) -> None:
    """Every text in every language, with sample figures, and its parts."""
    try:
        content = load_content(directory)
    except ContentError as error:
        raise _refuse(error) from None
    renderer = Renderer(content)
    for (name, locale, channel), template in sorted(content.templates.items()):
        line = next(
            (line for line in content.lender.lines if line.channel is channel and _speaks(content.packs, line, locale)),
            None,
        )
        if line is None:
            continue
        for label, text in renderings(renderer, content, template, line):
            if isinstance(text, str):
                _out.print(f"[red]{name} {locale} {channel} {escape(label)}: {escape(text)}[/red]")
                continue
            parts = f" · {text.parts} part{'s' if text.parts != 1 else ''}" if text.parts else ""
            _out.print(f"[bold]{name}[/bold] · {locale} · {channel} · {escape(label)}{parts}")
            if text.subject:
                _out.print(f"  [dim]{escape(text.subject)}[/dim]")
            _out.print(escape(text.body), soft_wrap=True)
            _out.print()


def _speaks(packs: Mapping[str, PackModel], line: Line, locale: str) -> bool:
    return any(locale in pack.locales for code, pack in packs.items() if covers(line.jurisdiction, code))


@app.command("sign")
def sign_command(
    author: Annotated[str, typer.Option(help="Who wrote it.")],
    reviewer: Annotated[str, typer.Option(help="Who read it.")],
    approver: Annotated[str, typer.Option(help="Who answers for it; not the author.")],
    directory: ContentDir = CONTENT,
) -> None:
    """Put all the names to the content as it stands, for the embedded environment; `dunlin release` goes by steps."""
    try:
        release = sign(directory, author, reviewer, approver, date.today())  # noqa: DTZ011  (the signer's own calendar)
    except ContentError as error:
        raise _refuse(error) from None
    where = ", ".join(sorted(release.live))
    _out.print(f"Release {release.number} is live in {where}: version {release.version}.", soft_wrap=True)


@app.command("calendars")
def calendars_command(directory: ContentDir = CONTENT) -> None:
    """Write the public holidays anew, for the places whose rules ask for them. What changed has to be signed again."""
    from local.calendars import write_calendars

    changed = write_calendars(directory)
    for path in changed:
        _out.print(escape(str(path)), soft_wrap=True)
    _out.print("Nothing changed." if not changed else "Read them, then sign the content.")


@app.command("schema")
def schema_command() -> None:
    """The JSON Schemas of the content's files, one object by kind."""
    typer.echo(json.dumps(json_schemas(), indent=2, ensure_ascii=False))
