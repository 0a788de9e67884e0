"""The commands that work against a deployed stack, as one application: loaded when one of them is asked for."""

from __future__ import annotations

import typer

from local.commands.pause import pause, pauses, resume
from local.commands.people import erase, export, verify
from local.commands.redrive import redrive
from local.commands.stuck import stuck

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)
for _command in (stuck, redrive, pause, resume, pauses, export, erase, verify):
    app.command()(_command)
