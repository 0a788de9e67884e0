"""Accounts to train on or to score: a CSV file with six billing cycles a row.

The columns are those of I-Cheng Yeh, *Default of Credit Card Clients* (UCI Machine Learning Repository, 2009, CC BY
4.0), in any case and order: `limit_bal`, `pay_0 pay_2 … pay_6` (or `pay_1 …`), `bill_amt1 … 6`, `pay_amt1 … 6`, and for
training `default_payment_next_month`. Dots and spaces count as underscores. A file whose header is `X1 … X23, Y`, with
or without the names in a second row, is read too. An `id` may be left out (the rows are numbered from 1); further
columns are not read, whatever they hold: `Accounts.unread` names them.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from dunlin.domain.risk import CYCLES, History

LIMIT = "limit_bal"
STATUSES = ("pay_0", "pay_2", "pay_3", "pay_4", "pay_5", "pay_6")
BILLED = tuple(f"bill_amt{n}" for n in range(1, CYCLES + 1))
PAID = tuple(f"pay_amt{n}" for n in range(1, CYCLES + 1))
COLUMNS = (LIMIT, *STATUSES, *BILLED, *PAID)
TARGET = "default_payment_next_month"
#: Of the source, about people and not about repayment: read only by the fairness report, never as features.
ATTRIBUTES = ("sex", "education", "marriage", "age")
_NUMBERED = {
    "x1": LIMIT,
    **{f"x{n}": name for n, name in enumerate(ATTRIBUTES, 2)},
    **{f"x{n}": name for n, name in enumerate((*STATUSES, *BILLED, *PAID), 6)},
    "y": TARGET,
}
_OTHERWISE = {"pay_1": "pay_0", "default": TARGET, "default_payment": TARGET}
_LEAST_STATUS, _MOST_STATUS = -2.0, 99.0
_MOST_AMOUNT = 1e12


class AccountError(ValueError):
    """A file that cannot be read as accounts. The message names row (the header is row 1) and column, no value."""

    def __init__(self, row: int, column: str, problem: str) -> None:
        super().__init__(f"row {row}, column {column}: {problem}")
        self.row = row
        self.column = column


@dataclass(frozen=True, slots=True)
class Account:
    """One row. `missed`: whether the next instalment was, where the file says so. `row` in the file, header 1."""

    account_id: str
    history: History
    missed: bool | None
    row: int


class Accounts:
    """A file of accounts, read a row at a time.

    Raises:
        AccountError: a column is missing or twice there; while iterating, a cell is missing or says nothing.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path, *, target: bool = False) -> None:
        self._path = path
        self._places: dict[str, int] = {}
        self._wants_target = target
        with self._open() as file:
            try:
                header = next(csv.reader(file), [])
            except (csv.Error, UnicodeDecodeError):
                raise AccountError(1, "-", "is no CSV in UTF-8") from None
        names = [_named(cell) for cell in header]
        for column in (*COLUMNS, *((TARGET,) if target else ())):
            if column not in names:
                raise AccountError(1, column, "the column is missing")
        for column in (*COLUMNS, TARGET, *ATTRIBUTES, "id"):
            if names.count(column) > 1:
                raise AccountError(1, column, "the column is there twice")
            if column in names:
                self._places[column] = names.index(column)
        # The numbered header names no id: its first cell is empty or says so in the row below.
        if "id" not in self._places and names[0] == "":
            self._places["id"] = 0
        self.unread = tuple(name for name in names if name not in {*COLUMNS, TARGET, "id", ""})

    @property
    def has_target(self) -> bool:
        return TARGET in self._places

    @property
    def attributes(self) -> tuple[str, ...]:
        """Which columns about people the file has."""
        return tuple(name for name in ATTRIBUTES if name in self._places)

    def __iter__(self) -> Iterator[Account]:
        return (account for account, _ in self._rows(()))

    def beside_attributes(self) -> Iterator[tuple[Account, Mapping[str, str]]]:
        """Each account with its columns about people, as they are written: for the fairness report alone."""
        return self._rows(self.attributes)

    def digest(self) -> str:
        """SHA-256 of the file's bytes."""
        return hashlib.sha256(self._path.read_bytes()).hexdigest()

    def _rows(self, besides: Sequence[str]) -> Iterator[tuple[Account, Mapping[str, str]]]:
        places = [self._places[column] for column in COLUMNS]
        target, id_place = self._places.get(TARGET), self._places.get("id")
        with self._open() as file:
            rows = csv.reader(file)
            try:
                next(rows, None)
                count = 0
                for cells in rows:
                    if not any(cell.strip() for cell in cells):
                        continue
                    row = rows.line_num
                    if row == 2 and _named(_cell(cells, places[0], row, LIMIT)) == LIMIT:
                        continue  # the names, below a numbered header
                    count += 1
                    try:
                        figures = [float(cells[place]) for place in places]
                    except (ValueError, IndexError):
                        raise _mistake(cells, places, row) from None
                    history = History(figures[0], figures[1:7], figures[7:13], figures[13:19])
                    _check(history, row)
                    account_id = _cell(cells, id_place, row, "id").strip() if id_place is not None else str(count)
                    if not account_id:
                        raise AccountError(row, "id", "must not be empty")
                    missed = _missed(cells, target, row) if target is not None else None
                    if missed is None and self._wants_target:
                        raise AccountError(row, TARGET, "must be 0 or 1")
                    people = {name: _cell(cells, self._places[name], row, name).strip() for name in besides}
                    yield Account(account_id, history, missed, row), people
            except csv.Error:
                raise AccountError(rows.line_num, "-", "is no CSV") from None
            except UnicodeDecodeError:
                raise AccountError(rows.line_num + 1, "-", "is no UTF-8 text") from None

    def _open(self) -> TextIO:
        return self._path.open(encoding="utf-8-sig", newline="")


def _named(cell: str) -> str:
    """The column that a header's cell means, by its own name or by the number that the source gives it."""
    name = re.sub(r"[\s.]+", "_", cell.strip().lower())
    return _NUMBERED.get(name) or _OTHERWISE.get(name) or name


def _cell(cells: Sequence[str], place: int, row: int, column: str) -> str:
    if place >= len(cells):
        raise AccountError(row, column, "the cell is missing")
    return cells[place]


def _missed(cells: Sequence[str], place: int, row: int) -> bool | None:
    text = _cell(cells, place, row, TARGET).strip()
    if not text:
        return None
    if text not in ("0", "1", "0.0", "1.0"):
        raise AccountError(row, TARGET, "must be 0 or 1")
    return text[0] == "1"


def _mistake(cells: Sequence[str], places: Sequence[int], row: int) -> AccountError:
    """Which cell it was that is no number."""
    for column, place in zip(COLUMNS, places, strict=True):
        if place >= len(cells):
            return AccountError(row, column, "the cell is missing")
        try:
            float(cells[place])
        except ValueError:
            return AccountError(row, column, "must be a number")
    raise AssertionError("every cell is a number")


def _check(history: History, row: int) -> None:
    # One comparison a kind for the ordinary row; NaN fails them all.
    if not (
        min(history.statuses) >= _LEAST_STATUS
        and max(history.statuses) <= _MOST_STATUS
        and min(history.paid) >= 0
        and 0 <= history.limit <= _MOST_AMOUNT
        and math.isfinite(sum(history.statuses) + sum(history.paid) + sum(history.billed))
        and max(*history.paid, *history.billed, -min(history.billed)) <= _MOST_AMOUNT
    ):
        raise _out_of_range(history, row)


def _out_of_range(history: History, row: int) -> AccountError:
    bounds = (
        ((LIMIT,), (history.limit,), 0.0, _MOST_AMOUNT),
        (STATUSES, history.statuses, _LEAST_STATUS, _MOST_STATUS),
        (BILLED, history.billed, -_MOST_AMOUNT, _MOST_AMOUNT),
        (PAID, history.paid, 0.0, _MOST_AMOUNT),
    )
    for columns, figures, low, high in bounds:
        for column, figure in zip(columns, figures, strict=True):
            if not low <= figure <= high:
                return AccountError(row, column, f"must be from {low:.0f} to {high:.0f}")
    raise AssertionError("every figure is in its range")
