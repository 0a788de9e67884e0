"""`dunlin release`: who approved what, what is filed, what is live; and what moves the present files along.

Exit codes: 0 done, 1 refused, 2 something was asked for that does not exist.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from dunlin.content import Content, load_content, signing
from dunlin.content.acts import Book, Named, Release
from dunlin.content.errors import raise_all
from dunlin.content.filing import Filings, filings_of, read_filings, write_filings
from dunlin.content.release import read_book, standing
from dunlin.content.resolve import lineage
from dunlin.domain.environments import EMBEDDED, ENVIRONMENTS, REAL
from dunlin.errors import ContentError
from dunlin.services.ports import Clock
from rich.text import Text

from local.commands.asking import CONTENT
from local.commands.console import output, table
from local.commands.filing_table import NoTable, read_numbers, registrations_to_file, to_file, write_csv

app = typer.Typer(
    help="Who approved what, what is filed, what is live; and moving the present files along.",
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

#: A pack whose signature ends sooner than this is named.
SOON_DAYS = 60


def system_clock() -> datetime:
    return datetime.now(UTC)


#: Where the commands take the time of an act from.
clock: Clock = system_clock


class Environment(StrEnum):
    """Where a release can be live."""

    EMBEDDED = EMBEDDED
    DEV = REAL[0]
    STAGING = REAL[1]
    PROD = REAL[2]


DirOption = Annotated[
    Path, typer.Option("--dir", help="The content to work on.", exists=True, file_okay=False, show_default=False)
]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Whose act it is.")]
NoteOption = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for whoever reads it later.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
WhereOption = Annotated[
    list[Environment], typer.Option("--environment", "-e", help="Where; may be repeated.", show_default=False)
]
SomewhereOption = Annotated[
    list[Environment] | None,
    typer.Option("--environment", "-e", help="Where; may be repeated.", show_default=False),
]


@contextmanager
def _refusing() -> Iterator[None]:
    """What may not be is said, all of it, with exit code 1."""
    try:
        yield
    except ContentError as error:
        _refuse(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _refuse(f"{error.filename}: {error.strerror}")


def _refuse(problem: str) -> NoReturn:
    sys.stderr.write(f"{problem}\n")
    raise typer.Exit(1)


# ── Acts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command("draft")
def draft_command(
    by: ByOption, note: NoteOption = "", directory: DirOption = CONTENT, as_json: JsonOption = False
) -> None:
    """Propose the files as they are, once nothing is wrong with them."""
    with _refusing():
        _say(signing.draft(directory, by, _moment(), note), as_json)


@app.command("review")
def review_command(
    by: ByOption, note: NoteOption = "", directory: DirOption = CONTENT, as_json: JsonOption = False
) -> None:
    """Say that you read the draft; whoever wrote it cannot."""
    with _refusing():
        _say(signing.review(directory, by, _moment(), note), as_json)


@app.command("approve")
def approve_command(
    by: ByOption, note: NoteOption = "", directory: DirOption = CONTENT, as_json: JsonOption = False
) -> None:
    """Answer for it; whoever wrote or reviewed it cannot. Now it can be live in the embedded environment."""
    with _refusing():
        _say(signing.approve(directory, by, _moment(), note), as_json)


@app.command("file")
def file_command(
    by: ByOption,
    environment: SomewhereOption = None,
    note: NoteOption = "",
    directory: DirOption = CONTENT,
    as_json: JsonOption = False,
) -> None:
    """Say that everything is filed, which is looked up. [for every environment but the embedded one]"""
    with _refusing():
        where = [str(each) for each in environment or REAL]
        moved = signing.file_with_providers(directory, by, _moment(), where, note, today=_today())
        _say(moved, as_json)


@app.command("live")
def live_command(
    by: ByOption,
    environment: WhereOption,
    note: NoteOption = "",
    directory: DirOption = CONTENT,
    as_json: JsonOption = False,
) -> None:
    """Let these environments send under it; what was live there is retired. An earlier release is taken back to by
    restoring its files."""
    with _refusing():
        where = [str(each) for each in environment]
        _say(signing.make_live(directory, by, _moment(), where, note, today=_today()), as_json)


@app.command("withdraw")
def withdraw_command(
    by: ByOption,
    environment: SomewhereOption = None,
    version: Annotated[str, typer.Option(metavar="HASH", help="Another than that of the present files.")] = "",
    note: NoteOption = "",
    directory: DirOption = CONTENT,
    as_json: JsonOption = False,
) -> None:
    """Send under it no longer: in some environments, or, without any, nowhere, and its names are void."""
    with _refusing():
        where = [str(each) for each in environment or ()]
        _say(signing.withdraw(directory, by, _moment(), where, note, version=version), as_json)


def _moment() -> datetime:
    return clock().astimezone(UTC).replace(microsecond=0)


def _today() -> date:
    return clock().astimezone(UTC).date()


_NEXT = {
    "drafted": "Next, somebody else: dunlin release review.",
    "reviewed": "Next, a third person: dunlin release approve.",
    "approved": "Next: dunlin release live --environment embedded, or, for a real one, dunlin release file.",
    "filed": "Next: dunlin release live --environment …",
}


def _say(release: Release, as_json: bool) -> None:
    if as_json:
        _print_json(_as_data(release))
        return
    where = f" in {', '.join(sorted(release.live))}" if release.live else ""
    print(f"Release {release.number} is {release.state}{where}: version {release.version}.")
    if release.state in _NEXT:
        print(_NEXT[release.state])


def _print_json(data: Any) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


# ── What there is ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything about the releases of one content on one day."""

    content: Content
    book: Book
    filings: Filings
    today: date

    @property
    def release(self) -> Release | None:
        return self.book.releases.get(self.content.version)


def look(directory: Path, today: date) -> Overview:
    """Read the content, its acts and its filings.

    Raises:
        ContentErrors: (a ContentError) something cannot be read, or the acts do not follow each other.
    """
    content = load_content(directory)
    errors: list[ContentError] = []
    book = read_book(directory, errors)
    raise_all(errors)
    return Overview(content, book, filings_of(content, read_filings(directory), today), today)


@app.callback(invoke_without_command=True)
def overview(
    context: typer.Context,
    to_file_: Annotated[bool, typer.Option("--to-file", help="Only what has to be filed, as a table for it.")] = False,
    filed: Annotated[
        Path | None,
        typer.Option(
            "--filed", metavar="FILE.csv", exists=True, dir_okay=False, help="Take the provider's numbers back."
        ),
    ] = None,
    line: Annotated[str | None, typer.Option("--line", metavar="ID", help="Of one line only, with --to-file.")] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, with --to-file. [default there]")] = False,
    directory: DirOption = CONTENT,
) -> None:
    """Who approved what, what is filed, what is live, which packs end soon.

    --to-file prints each text that is not on file, as it can really read, its variables named: columns line, message,
    locale, wording, text and more, with `id` and `on` to be filled in. --filed reads them back (line, message, locale,
    id, on; `wording` where one number is for one wording only). One wrong row, and nothing is taken.
    """
    if context.invoked_subcommand is not None:
        return
    if (to_file_ and filed is not None) or (not to_file_ and (line is not None or as_csv)) or (as_json and as_csv):
        raise typer.BadParameter("--line and --csv go with --to-file, and --filed, --json and --csv with none of them")
    with _refusing():
        seen = look(directory, _today())
        if filed is not None:
            _take_numbers(directory, filed, seen, as_json)
        elif to_file_:
            _show_to_file(seen.filings, line, as_json)
        elif as_json:
            _print_json(as_data(seen))
        else:
            _show(seen)


def _show_to_file(filings: Filings, line: str | None, as_json: bool) -> None:
    names = sorted({each.line for each in filings.registrations} | {each.line for each in filings.wordings})
    if line is not None and line not in names:
        _refuse(f"line: is none that something is filed for; there are {', '.join(names) or 'none'}")
    if as_json:
        _print_json({"registrations": registrations_to_file(filings, line), "texts": to_file(filings, line)})
    else:
        write_csv(to_file(filings, line), sys.stdout)


def _take_numbers(directory: Path, file: Path, seen: Overview, as_json: bool) -> None:
    try:
        numbers, wrong, open_rows = read_numbers(file, seen.filings, seen.today)
    except NoTable as problem:
        _refuse(f"{file}:{problem}")
    if wrong:
        _refuse("\n".join(f"{file}:{cell.line}: {cell.column}: {cell.problem}" for cell in wrong))
    write_filings(directory, (*read_filings(directory), *numbers))
    left = filings_of(seen.content, read_filings(directory), seen.today)
    if as_json:
        _print_json({"taken": len(numbers), "without_a_number": open_rows, "to_file": len(left.missing_texts)})
        return
    print(f"Taken: {len(numbers)}; rows without a number: {open_rows}; still to be filed: {len(left.missing_texts)}.")


# ── As data ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def as_data(seen: Overview) -> dict[str, Any]:
    """The overview as JSON data."""
    release, version = seen.release, seen.content.version
    return {
        "version": version,
        "release": release.number if release is not None else None,
        "state": release.state if release is not None else "changed" if seen.book.acts else "never released",
        "head": seen.book.head,
        "not_live": {name: why for name in ENVIRONMENTS if (why := standing(seen.book, version, name)[2])},
        "live": {name: _live_as_data(seen.book, name) for name in ENVIRONMENTS},
        "releases": [_as_data(each) for each in _by_number(seen.book)],
        "to_file": {
            "registrations": registrations_to_file(seen.filings),
            "texts": [
                {"line": row.line, "message": row.message, "locale": row.locale, "wordings": row.count,
                 "changed": row.changed, "required": row.required}
                for row in _unfiled(seen.filings)
            ],
        },
        "packs": packs(seen),
    }  # fmt: skip


def _by_number(book: Book) -> list[Release]:
    return sorted(book.releases.values(), key=lambda release: release.number)


def _live_as_data(book: Book, environment: str) -> dict[str, Any] | None:
    release = book.live_in(environment)
    if release is None:
        return None
    return {"release": release.number, "version": release.version, **_named(release.live[environment])}


def _named(done: Named) -> dict[str, Any]:
    return {"by": done.by, "at": done.at, "act": done.act}


def _as_data(release: Release) -> dict[str, Any]:
    steps = {name: getattr(release, name) for name in ("drafted", "reviewed", "approved", "filed", "withdrawn")}
    return {
        "number": release.number,
        "version": release.version,
        "state": release.state,
        **{name: _named(done) if done is not None else None for name, done in steps.items()},
        "filed_for": sorted(release.filed_for),
        "live": {name: _named(done) for name, done in sorted(release.live.items())},
        "retired": {name: _named(done) for name, done in sorted(release.ended.items())},
    }


@dataclass(frozen=True, slots=True)
class Unfiled:
    """One text of one line in one language, of which wordings are not on file."""

    line: str
    message: str
    locale: str
    count: int
    changed: bool
    required: bool


def _unfiled(filings: Filings) -> list[Unfiled]:
    rows: dict[tuple[str, str, str], Unfiled] = {}
    for each in filings.wordings:
        if each.filed is None:
            before = rows.get(each.key)
            changed = each.changed or (before is not None and before.changed)
            count = 1 + (before.count if before is not None else 0)
            rows[each.key] = Unfiled(*each.key, count, changed, each.required)
    return [rows[key] for key in sorted(rows)]


def packs(seen: Overview) -> list[dict[str, Any]]:
    """Each place that somebody may live in: who signed its pack, until when, and what that means today."""
    found = []
    for code, pack in sorted(seen.content.packs.items()):
        if not pack.sendable:
            continue
        family = tuple(lineage(seen.content.packs, code))
        days = [layer.signed.until for layer in family if layer.signed is not None]
        until = min(days) if days and pack.signed is not None else None
        found.append(
            {
                "jurisdiction": code,
                "state": _pack_state(any(layer.status == "draft" for layer in family), until, seen.today),
                "by": pack.signed.by if pack.signed is not None else None,
                "until": until.isoformat() if until is not None else None,
            }
        )
    return found


def _pack_state(is_draft: bool, until: date | None, today: date) -> str:
    if is_draft:
        return "draft"
    if until is None:
        return "unsigned"
    left = (until - today).days
    if left < 0:
        return "expired"
    return "expires soon" if left <= SOON_DAYS else "signed"


# ── For people ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(seen: Overview) -> None:
    console = output()
    data = as_data(seen)
    number = f"release {data['release']}, " if data["release"] else ""
    console.print(Text(f"These files: version {data['version']}, {number}{data['state']}."), soft_wrap=True)
    for name, why in data["not_live"].items():
        console.print(Text(f"  {name}: plans and does not send: {why}"), soft_wrap=True)
    if seen.book.acts:
        console.print(Text(f"Last act: {len(seen.book.acts)}, digest {seen.book.head}"), soft_wrap=True)
    shown = table("release", "version", "state", "drafted", "reviewed", "approved", "filed", "live")
    for release in _by_number(seen.book):
        mark = " *" if release.version == seen.content.version else ""
        steps = (release.drafted, release.reviewed, release.approved, release.filed)
        live = ", ".join(f"{name} ({_who(done)})" for name, done in sorted(release.live.items()))
        cells = (f"{release.number}{mark}", release.version, release.state, *map(_who, steps), live)
        shown.add_row(*map(Text, cells))
    console.print(shown)
    _show_unfiled(seen.filings)
    for pack in data["packs"]:
        if pack["state"] != "signed":
            until = f" {pack['until']}" if pack["until"] else ""
            consequence = "" if pack["state"] == "expires soon" else ": plans and does not send"
            console.print(Text(f"Pack {pack['jurisdiction']}: {pack['state']}{until}{consequence}"), soft_wrap=True)


def _who(done: Named | None) -> str:
    return f"{done.by} {done.at[:16].replace('T', ' ')}" if done is not None else ""


def _show_unfiled(filings: Filings) -> None:
    console = output()
    for registration in registrations_to_file(filings):
        rest = "" if registration["required"] else " (a draft's: nothing is sent there)"
        words = f"Not registered: {registration['name']} of line {registration['line']}, {registration['rule']}{rest}"
        console.print(Text(words), soft_wrap=True)
    rows = _unfiled(filings)
    if not rows:
        console.print("Everything is filed.")
        return
    shown = table("line", "message", "not filed: locale (wordings)", "")
    for line, message in dict.fromkeys((row.line, row.message) for row in rows):
        mine = [row for row in rows if (row.line, row.message) == (line, message)]
        remarks = ["changed after it was filed"] if any(row.changed for row in mine) else []
        remarks += ["a draft's, which can wait"] if not any(row.required for row in mine) else []
        locales = ", ".join(f"{row.locale} ({row.count})" for row in mine)
        shown.add_row(*map(Text, (line, message, locales, "; ".join(remarks))))
    console.print(shown)
