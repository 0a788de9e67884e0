"""`dunlin plan`: which messages would go out, and what another version of the content would say instead."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from dunlin.content import load_content
from dunlin.errors import ContentError
from rich import box
from rich.console import Console
from rich.table import Table

from local.commands.asking import CONTENT
from local.plan.portfolio import PortfolioError, read_portfolio
from local.plan.report import document, page, summary, tables
from local.plan.result import make
from local.portfolio.replay import ReplayDataError

_WIDTH = 160
#: So many rows of a table are for reading; all of them are in the JSON and on the page.
_MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options. `against`: a folder of content, or a revision of the repository that the content is in."""

    file: Path
    days: int
    start: date | None
    jurisdiction: str
    against: str | None
    json_file: Path | None
    html_file: Path | None


class NoSuchVersion(Exception):
    """What is to be compared with is neither a folder nor a revision."""


def run(directory: Path | None, asked: Asked, done: Callable[[float], None]) -> int:
    """Print the plan. The exit code: 1 for a rule broken, 2 for what cannot be planned."""
    root = directory or CONTENT
    try:
        content = load_content(root)
        portfolio = read_portfolio(asked.file, content, asked.start, asked.jurisdiction)
        with _version(asked.against, root) as against:
            tally = make(portfolio, root, against, asked.days, done)
        found = document(tally, portfolio, content, root, asked.days, compared=asked.against is not None)
        if asked.html_file is not None:
            asked.html_file.write_text(page(found), encoding="utf-8")
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        if asked.json_file == Path("-"):
            sys.stdout.write(text)
        elif asked.json_file is not None:
            asked.json_file.write_text(text, encoding="utf-8")
    except (ContentError, NoSuchVersion, PortfolioError, ReplayDataError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 2
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 2
    console = Console(stderr=asked.json_file == Path("-"), highlight=False)
    if not console.is_terminal:
        console = Console(stderr=asked.json_file == Path("-"), highlight=False, width=_WIDTH)
    console.print(summary(found), soft_wrap=True, markup=False)
    for title, columns, rows in tables(found):
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for name in columns:
            table.add_column(name, overflow="fold")
        for row in rows[:_MOST_ROWS]:
            table.add_row(*row)
        console.print(table, markup=False)
        if len(rows) > _MOST_ROWS:
            console.print(f"and {len(rows) - _MOST_ROWS} more; --json has them all")
    return 1 if found["broken"] else 0


@contextmanager
def _version(against: str | None, root: Path) -> Iterator[Path | None]:
    """The folder of the other content; a revision's is unpacked for as long as it is needed."""
    if against is None or Path(against).is_dir():
        yield None if against is None else Path(against)
        return
    with TemporaryDirectory() as folder:
        prefix = _git(root, "rev-parse", "--show-prefix").decode().strip()
        # A name that looks like an option is none.
        revision = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{against}^{{commit}}")
        archive = _git(
            root, "-C", "./" + "../" * prefix.count("/"), "archive", revision.decode().strip(), prefix or "."
        )
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        yield Path(folder) / prefix


def _git(root: Path, *command: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *command], capture_output=True, check=True)
    except (subprocess.CalledProcessError, FileNotFoundError):
        raise NoSuchVersion(
            "--against: is neither a folder nor a revision of the repository that the content is in"
        ) from None
    return done.stdout
