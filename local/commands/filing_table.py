"""What has to be filed, as a table for people and spreadsheets; and the provider's numbers, taken back from one."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TextIO

from dunlin.content.filing import Filings, Wording
from dunlin.content.schema import FiledTextModel

#: What a row needs to give a number to a text. The others of the table are there to be read, and are checked if given.
NEEDED = ("line", "message", "locale", "id", "on")
_READ = ("wording", "text", "digest", "parts", "most_parts", "changed", "required")
COLUMNS = ("line", "message", "locale", *_READ, "id", "on")
#: So many digits of a digest tell one wording from another.
DIGITS = 16
#: As the file of filings takes it.
_NUMBER = re.compile(r"[!-~]{1,100}")
#: What a spreadsheet makes of a long number.
_SHORTENED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)


def to_file(filings: Filings, line: str | None = None) -> list[dict[str, Any]]:
    """The wordings that are not on file: those that a reviewed pack asks for, and those of drafts, which can wait."""
    return [
        {
            "line": wording.line,
            "message": wording.message,
            "locale": wording.locale,
            "wording": wording.place,
            "text": wording.text,
            "digest": wording.digest[:DIGITS],
            "parts": wording.parts,
            "most_parts": wording.most_parts,
            "changed": wording.changed,
            "required": wording.required,
        }
        for wording in filings.wordings
        if wording.filed is None and line in (None, wording.line)
    ]


def registrations_to_file(filings: Filings, line: str | None = None) -> list[dict[str, Any]]:
    """The numbers of their own that lines lack: they go into the lender's profile."""
    return [
        {"line": each.line, "name": each.name, "rule": each.rule_id, "required": each.required}
        for each in filings.registrations
        if not each.number and line in (None, each.line)
    ]


_YES = {True: "yes", False: "no"}


def write_csv(rows: Sequence[Mapping[str, Any]], file: TextIO) -> None:
    """With columns for the provider's number and the day, to be filled in and read back."""
    writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _YES[said] if isinstance(said, bool) else said for name, said in row.items()})


@dataclass(frozen=True, slots=True)
class WrongCell:
    """What is wrong with one cell. Its value is not told: it may be anything that somebody pasted."""

    line: int
    column: str
    problem: str


class NoTable(Exception):
    """The file is no table of filings at all."""


def read_numbers(
    path: Path, filings: Filings, today: date
) -> tuple[tuple[FiledTextModel, ...], tuple[WrongCell, ...], int]:
    """The provider's numbers in a table, what is wrong with it, and how many rows have no number yet.

    Raises:
        NoTable: it cannot be read as a table with the columns that are needed. OSError: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            lacking = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            if lacking:
                raise NoTable(f"1: {lacking[0]}: there is no such column; needed are {', '.join(NEEDED)}")
            if len(set(reader.fieldnames or ())) != len(reader.fieldnames or ()):
                raise NoTable("1: .: a column is there twice")
            rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError:
        raise NoTable("1: .: is not UTF-8 text") from None
    except csv.Error as error:
        raise NoTable(f"1: .: is not CSV: {error}") from None
    return _Numbers(filings, today).read(rows)


class _Numbers:
    def __init__(self, filings: Filings, today: date) -> None:
        self._today = today
        self._lines = {wording.line for wording in filings.wordings}
        self._messages = {(wording.line, wording.message) for wording in filings.wordings}
        self._wordings: dict[tuple[str, str, str], list[Wording]] = {}
        for wording in filings.wordings:
            self._wordings.setdefault(wording.key, []).append(wording)

    def read(
        self, rows: Sequence[tuple[int, Mapping[str | None, Any]]]
    ) -> tuple[tuple[FiledTextModel, ...], tuple[WrongCell, ...], int]:
        found: dict[tuple[str, str, str, str], tuple[int, FiledTextModel]] = {}
        wrong: list[WrongCell] = []
        open_rows = 0
        for number, cells in rows:
            if None in cells or any(said is None for said in cells.values()):
                wrong.append(WrongCell(number, ".", "has more or fewer cells than the first row"))
                continue
            row = {str(name): str(said).strip() for name, said in cells.items()}
            if not row["id"] and not row["on"]:
                open_rows += 1
                continue
            mistakes = list(self._mistakes(row))
            wrong += [WrongCell(number, column, problem) for column, problem in mistakes]
            if mistakes:
                continue
            for wording in self._chosen(row):
                key = (*wording.key, wording.digest)
                filed = FiledTextModel(
                    **dict(zip(("line", "message", "locale", "digest"), key, strict=True)),
                    id=row["id"],
                    on=date.fromisoformat(row["on"]),
                )
                if key in found:
                    wrong.append(WrongCell(number, "message", f"this wording has a number in line {found[key][0]} too"))
                found[key] = (number, filed)
        return tuple(filed for _, filed in found.values()), tuple(wrong), open_rows

    def _mistakes(self, row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        key = (row["line"], row["message"], row["locale"])
        if row["line"] not in self._lines:
            names = ", ".join(sorted(self._lines)) or "none"
            yield "line", f"is no line whose texts are filed; there are {names}"
        elif key[:2] not in self._messages:
            yield "message", "is no message that goes by this line"
        elif key not in self._wordings:
            yield "locale", "is no language in which this message goes by this line"
        else:
            yield from self._wrong_wording(row)
        yield from _wrong_number(row["id"])
        yield from self._wrong_day(row["on"])

    def _wrong_wording(self, row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        count = len(self._wordings[row["line"], row["message"], row["locale"]])
        place = row.get("wording", "")
        if place and not (place.isascii() and place.isdigit() and 1 <= int(place[:6]) <= count):
            yield "wording", f"must be 1 to {count}, or nothing for all of them"
        elif not self._chosen(row):
            yield "digest", "the text was changed since this table was written; file it as it is now"

    def _wrong_day(self, text: str) -> Iterator[tuple[str, str]]:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            yield "on", "must be a day, such as 2026-11-14"
            return
        if day > self._today + timedelta(days=1):  # the day may have begun where it was filed
            yield "on", "is in the future"

    def _chosen(self, row: Mapping[str, str]) -> list[Wording]:
        """The wordings that a row is about: the one it names by digest and place, or all of the text."""
        found = self._wordings[row["line"], row["message"], row["locale"]]
        if row.get("digest"):
            return [wording for wording in found if wording.digest[:DIGITS] == row["digest"][:DIGITS]]
        return [wording for wording in found if row.get("wording", "") in ("", str(wording.place))]


def _wrong_number(text: str) -> Iterator[tuple[str, str]]:
    if _SHORTENED.fullmatch(text):
        yield "id", "was shortened by a spreadsheet; format the column as text"
        return
    if not _NUMBER.fullmatch(text):
        yield "id", "must be the provider's number: up to 100 characters, no spaces"
