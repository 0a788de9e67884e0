"""How operators' commands speak: a table, a complaint, and exit codes that a script can use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

import typer
from botocore.exceptions import BotoCoreError
from dunlin.errors import ConfigurationError, InvalidInput, StateConflict, TransientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_STDOUT = Path("-")


@contextmanager
def complaining() -> Iterator[None]:
    """What cannot be done is said in a line, with exit code 2."""
    try:
        yield
    except (ConfigurationError, InvalidInput) as error:
        refuse(str(error))
    except (TransientError, StateConflict) as error:
        refuse(f"not now: {error}")
    except BotoCoreError as error:
        refuse(f"AWS: {type(error).__name__}")


def refuse(problem: str) -> NoReturn:
    Console(stderr=True).print(f"[red]{escape(problem)}[/]", soft_wrap=True)
    raise typer.Exit(2)


def output(json_file: Path | None = None) -> Console:
    """Where tables go: not among the JSON. Wide enough that no id is cut where nobody sees the end of a line."""
    console = Console(stderr=json_file == _STDOUT)
    return console if console.is_terminal else Console(stderr=json_file == _STDOUT, width=200)


def write(text: str, json_file: Path | None) -> None:
    if json_file == _STDOUT:
        sys.stdout.write(text)
    elif json_file is not None:
        try:
            json_file.write_text(text, encoding="utf-8")
        except OSError as error:
            refuse(f"{json_file}: {error.strerror}")


def table(*columns: str) -> Table:
    from rich import box

    made = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def duration(text: str) -> timedelta:
    """`90s`, `15m`, `2h`, `3d`.

    Raises:
        InvalidInput: something else.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not (number.isascii() and number.isdigit()) or len(number) > 6:
        raise InvalidInput("duration", "must be a number and s, m, h or d, such as 15m")
    return timedelta(**{_UNITS[unit]: int(number)})


def age(since: datetime | None, now: datetime) -> str:
    """`3d 4h`, `12m`: how long ago."""
    if since is None:
        return ""
    minutes = max(0, int((now - since).total_seconds() // 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes % 60}m" if hours else f"{minutes}m"
