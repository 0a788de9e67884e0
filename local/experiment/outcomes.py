"""What came of each arm's borrowers: a CSV file, a row a borrower, or counted.

A row a borrower: `arm`, an optional `id`, an optional `cost`, and every further column is an outcome of 0 or 1,
whatever its name. Counted: `arm`, `n`, `successes`, and an optional `outcome` that names what was counted. A file with
a mistake anywhere is not analysed: which rows are broken may depend on the arm, and leaving them out would shift the
result.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TextIO

ARM, ID, COST, SIZE, SUCCESSES, OUTCOME = "arm", "id", "cost", "n", "successes", "outcome"
#: So many mistakes are named one by one; the others are counted.
MOST_NAMED = 20
_LONGEST_NAME = 64
_MOST_ARMS = 50
_MOST_COUNTED = 10**9
_MOST_COST = Decimal(10**9)
_NO_CSV = "is no CSV in UTF-8"


class OutcomeError(ValueError):
    """A file that cannot be read as outcomes. Each line names row (the header is row 1) and field, no value."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        named = list(mistakes[:MOST_NAMED])
        if len(mistakes) > MOST_NAMED:
            named.append(f"and {len(mistakes) - MOST_NAMED} more")
        super().__init__("\n".join([*named, "nothing was analysed"]))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Costs:
    """Sums over an arm's borrowers. `with_success`: of the costs of those with each outcome."""

    total: Decimal
    squares: Decimal
    with_success: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm: of how many borrowers each outcome is known, and how many had it. `costs` where the file has them."""

    name: str
    sizes: Mapping[str, int]
    successes: Mapping[str, int]
    costs: Costs | None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A file's arms and outcomes, in its order."""

    arms: tuple[Arm, ...]
    outcomes: tuple[str, ...]


def read_outcomes(path: Path) -> Outcomes:
    """The whole file.

    Raises:
        OutcomeError: mistakes in it, all of them. OSError: it cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        return _read(file)


def _read(file: TextIO) -> Outcomes:
    rows = csv.reader(file, strict=True)
    table: _Table | None = None
    mistakes: list[str] = []
    try:
        names = [cell.strip().lower() for cell in next(rows, [])]
        mistakes = _wrong_header(names)
        if mistakes:
            raise OutcomeError(mistakes)
        table = _Counted(names) if SUCCESSES in names else _Listed(names)
        for cells in rows:
            if not "".join(cells).strip() and len(cells) <= 1:
                continue  # an empty line; one of commas is a row
            where = f"row {rows.line_num}"
            if len(cells) != len(names):
                mistakes.append(f"{where}: has {len(cells)} fields, the header {len(names)}")
                continue
            row = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
            mistakes.extend(f"{where}, {problem}" for problem in table.take(row))
    except csv.Error:
        mistakes.append(f"row {rows.line_num}: {_NO_CSV}")
    except UnicodeDecodeError:
        mistakes.append(f"row {rows.line_num + 1} or after: {_NO_CSV}")
    if table is not None and not mistakes:
        mistakes.extend(table.missing())
    if table is None or mistakes:
        raise OutcomeError(mistakes)
    return Outcomes(tuple(table.arms()), tuple(table.outcomes))


def _wrong_header(names: Sequence[str]) -> list[str]:
    mistakes = [f"row 1, {name}: the column is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    mistakes += [f"row 1, column {place}: has no name" for place, name in enumerate(names, 1) if not name]
    needed = (ARM, SIZE, SUCCESSES) if SUCCESSES in names else (ARM,)
    mistakes += [f"row 1, {name}: the column is missing" for name in needed if name not in names]
    mistakes += [
        f"row 1, column {place}: its name is longer than {_LONGEST_NAME} or cannot be printed"
        for place, name in enumerate(names, 1)
        if not _is_name(name) and name
    ]
    if SUCCESSES in names:
        known = (ARM, SIZE, SUCCESSES, OUTCOME)
        mistakes += [f"row 1, {name}: no column of a counted file" for name in names if name and name not in known]
    elif not mistakes and not set(names) - {ARM, ID, COST}:
        mistakes.append("row 1: no column is an outcome")
    return mistakes


def _is_name(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_NAME and text.isprintable()


class _Table:
    """What is common to both kinds of file."""

    outcomes: list[str]

    def __init__(self) -> None:
        self.outcomes = []
        self._names: set[str] = set()

    def take(self, row: Mapping[str, str]) -> list[str]:
        """Count a row, or say what is wrong with which of its fields."""
        raise NotImplementedError

    def missing(self) -> list[str]:
        """What the whole file lacks."""
        raise NotImplementedError

    def arms(self) -> list[Arm]:
        raise NotImplementedError

    def _wrong_arm(self, name: str) -> list[str]:
        if not _is_name(name):
            return [f"{ARM}: must be a name of at most {_LONGEST_NAME} characters"]
        self._names.add(name)
        return [f"{ARM}: is one of more than {_MOST_ARMS}"] if len(self._names) > _MOST_ARMS else []


@dataclass(slots=True)
class _Tally:
    size: int = 0
    successes: dict[str, int] = field(default_factory=dict)
    total: Decimal = Decimal(0)
    squares: Decimal = Decimal(0)
    with_success: dict[str, Decimal] = field(default_factory=dict)


class _Listed(_Table):
    """A row a borrower."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.outcomes = [name for name in names if name not in (ARM, ID, COST)]
        self._has_cost, self._has_id = COST in names, ID in names
        self._tallies: dict[str, _Tally] = {}
        self._ids: set[str] = set()

    def take(self, row: Mapping[str, str]) -> list[str]:
        problems = self._wrong_arm(row[ARM])
        if self._has_id:
            if not row[ID]:
                problems.append(f"{ID}: must not be empty")
            elif row[ID] in self._ids:
                problems.append(f"{ID}: is there twice")
            self._ids.add(row[ID])
        problems += [f"{name}: must be 0 or 1" for name in self.outcomes if row[name] not in ("0", "1")]
        cost = _cost(row[COST]) if self._has_cost else Decimal(0)
        if cost is None:
            problems.append(f"{COST}: must be a number from 0 to {_MOST_COST}")
        if problems or cost is None:
            return problems
        tally = self._tallies.setdefault(row[ARM], _Tally())
        tally.size += 1
        tally.total += cost
        tally.squares += cost * cost
        for name in self.outcomes:
            if row[name] == "1":
                tally.successes[name] = tally.successes.get(name, 0) + 1
                tally.with_success[name] = tally.with_success.get(name, Decimal(0)) + cost
        return []

    def missing(self) -> list[str]:
        return [] if self._tallies else ["row 2: there is no borrower"]

    def arms(self) -> list[Arm]:
        return [
            Arm(
                name,
                dict.fromkeys(self.outcomes, tally.size),
                {outcome: tally.successes.get(outcome, 0) for outcome in self.outcomes},
                Costs(
                    tally.total,
                    tally.squares,
                    {outcome: tally.with_success.get(outcome, Decimal(0)) for outcome in self.outcomes},
                )
                if self._has_cost
                else None,
            )
            for name, tally in self._tallies.items()
        ]


class _Counted(_Table):
    """A row an arm and outcome."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self._has_outcome = OUTCOME in names
        self._counts: dict[str, dict[str, tuple[int, int]]] = {}

    def take(self, row: Mapping[str, str]) -> list[str]:
        problems = self._wrong_arm(row[ARM])
        outcome = row[OUTCOME].lower() if self._has_outcome else OUTCOME
        if not _is_name(outcome):
            problems.append(f"{OUTCOME}: must be a name of at most {_LONGEST_NAME} characters")
        size, successes = _count(row[SIZE]), _count(row[SUCCESSES])
        if not size:
            problems.append(f"{SIZE}: must be a whole number from 1 to {_MOST_COUNTED}")
        if successes is None or (size and successes > size):
            problems.append(f"{SUCCESSES}: must be a whole number from 0 to {SIZE}")
        counts = self._counts.setdefault(row[ARM], {})
        if outcome in counts:
            problems.append(f"{ARM}: is there twice" + (f" for its {OUTCOME}" if self._has_outcome else ""))
        if size and successes is not None and not problems:
            counts[outcome] = (size, successes)
            if outcome not in self.outcomes:
                self.outcomes.append(outcome)
        return problems

    def missing(self) -> list[str]:
        if not self._counts:
            return ["row 2: there is no arm"]
        return [
            f"{OUTCOME} {outcome}: the arm {name} has no row"
            for name, counts in self._counts.items()
            for outcome in self.outcomes
            if outcome not in counts
        ]

    def arms(self) -> list[Arm]:
        return [
            Arm(
                name,
                {outcome: counts[outcome][0] for outcome in self.outcomes},
                {outcome: counts[outcome][1] for outcome in self.outcomes},
                None,
            )
            for name, counts in self._counts.items()
        ]


def _cost(text: str) -> Decimal | None:
    try:
        cost = Decimal("-" if "_" in text else text)
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and 0 <= cost <= _MOST_COST else None


def _count(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        return None
    count = int(text)
    return count if count <= _MOST_COUNTED else None
