"""`dunlin suppressions`: somebody else's suppression list as events that the core-event door takes.

Every row is held against the door itself, so that what is written here is not refused there. A row that is wrong is
named by line and column, and never repeated: it has a number in it. The events are the same for the same file, so a
file that is imported twice changes nothing the second time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, cast

from dunlin.entry.core_events import parse_core_event
from dunlin.errors import InvalidInput

COLUMNS = ("phone", "email", "scope", "purpose", "at", "source")
_NEEDED = frozenset({"scope", "at", "source"})
_FUTURE_ALLOWED = timedelta(minutes=5)
#: Where the door names a field, the column it came from.
_COLUMN_OF = {"occurred_at": "at"}
_MOST_A_CALL = 10
_ATTEMPTS = 5


class Bus(Protocol):
    """The part of EventBridge's client that takes events."""

    def put_events(self, *, Entries: Sequence[Mapping[str, str]]) -> Mapping[str, Any]: ...  # noqa: N803


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not taken: where, and what is wrong with it."""

    line: int
    column: str
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.column}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Read:
    """A list, read: its rows as events, and the rows that were refused."""

    events: tuple[dict[str, Any], ...]
    refused: tuple[Refused, ...]


def read_list(path: Path, now: datetime) -> Read:
    """The events of a list, and what of it is refused.

    Raises:
        InvalidInput: it is no such list. OSError: it cannot be read.
    """
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("file", "must be UTF-8") from None
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    name = _name_of(raw)
    events: list[dict[str, Any]] = []
    refused: list[Refused] = []
    try:
        header = [cell.strip() for cell in next(rows, [])]
        _check_header(header)
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            try:
                events.append(_event(header, cells, f"sup-{name}-{rows.line_num}", now))
            except InvalidInput as mistake:
                refused.append(Refused(rows.line_num, mistake.field, mistake.problem))
    except csv.Error:
        raise InvalidInput("file", f"is not CSV at line {rows.line_num}") from None
    return Read(tuple(events), tuple(refused))


def run(path: Path, out: Path | None, bus: str, source: str, client: Bus | None = None) -> int:
    """Read the list, say what is refused, and write or put the rest. Exit code 1: a row was refused."""
    try:
        found = read_list(path, datetime.now(UTC))
    except (InvalidInput, OSError) as error:
        sys.stderr.write(f"{error if isinstance(error, InvalidInput) else 'file: cannot be read'}\n")
        return 2
    for refused in found.refused:
        sys.stderr.write(f"{refused}\n")
    if out is not None:
        _write(out, found.events)
    if bus:
        put(client or _client(), bus, source, found.events)
    took = "put on the bus" if bus else "written" if out is not None else "good"
    sys.stderr.write(f"{len(found.events)} rows {took}, {len(found.refused)} refused\n")
    return 1 if found.refused else 0


def put(client: Bus, bus: str, source: str, events: Sequence[Mapping[str, Any]]) -> None:
    """Put the events on a bus, those again that it did not take.

    Raises:
        InvalidInput: it does not take them. What it took is no harm: the same events again change nothing.
    """
    entries = [
        {"EventBusName": bus, "Source": source, "DetailType": event["type"], "Detail": json.dumps(event)}
        for event in events
    ]
    for begin in range(0, len(entries), _MOST_A_CALL):
        waiting = entries[begin : begin + _MOST_A_CALL]
        for _ in range(_ATTEMPTS):
            answers = client.put_events(Entries=waiting)["Entries"]
            waiting = [entry for entry, said in zip(waiting, answers, strict=True) if said.get("ErrorCode")]
            if not waiting:
                break
        else:
            raise InvalidInput("put-to", f"the bus did not take {len(waiting)} events; run it again")


def _check_header(header: Sequence[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            raise InvalidInput("header", f"column {header.index(name) + 1} is not one of {', '.join(COLUMNS)}")
    missing = sorted(_NEEDED - set(header)) or ([] if {"phone", "email"} & set(header) else ["phone or email"])
    if missing:
        raise InvalidInput("header", f"has no {', '.join(missing)}")
    if len(set(header)) != len(header):
        raise InvalidInput("header", "names a column twice")


def _event(header: Sequence[str], cells: Sequence[str], event_id: str, now: datetime) -> dict[str, Any]:
    if len(cells) != len(header):
        raise InvalidInput("row", f"has {len(cells)} columns, the header {len(header)}")
    said = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
    for name in sorted(_NEEDED):
        if name not in said:
            raise InvalidInput(name, "must be set")
    event = {
        "event_id": event_id,
        "type": "suppression.imported",
        "occurred_at": said.pop("at"),
        "suppression": said,
    }
    try:
        fact = parse_core_event(event)
    except InvalidInput as mistake:
        field = mistake.field.removeprefix("suppression.")
        raise InvalidInput(_COLUMN_OF.get(field, "row" if field == "suppression" else field), mistake.problem) from None
    if fact.occurred_at > now + _FUTURE_ALLOWED:
        raise InvalidInput("at", "is in the future")
    return event


def _name_of(raw: bytes) -> str:
    """The same name for the same file. It is in logs, so it must not be a way to try numbers out: a file with one row
    has hardly more secrets than that number, hence a digest that is slow on purpose."""
    digest = hashlib.sha256(raw).digest()
    return hashlib.scrypt(digest, salt=b"dunlin suppressions", n=2**14, r=8, p=1, dklen=12).hex()


def _write(out: Path, events: Iterable[Mapping[str, Any]]) -> None:
    lines = (json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    if str(out) == "-":
        sys.stdout.writelines(lines)
    else:
        out.write_text("".join(lines), encoding="utf-8")


def _client() -> Bus:
    import boto3

    return cast("Bus", boto3.client("events"))
