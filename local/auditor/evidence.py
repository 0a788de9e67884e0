"""The evidence: what was recorded outside the application, read strictly.

A line that cannot be read is an error and never skipped: a judge who overlooks a page would find nothing wrong on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

#: What a borrower can have meant by a text.
MEANINGS = (
    "opt_out",
    "opt_in",
    "help",
    "promise",
    "says_paid",
    "balance",
    "hardship",
    "dispute",
    "complaint",
    "wrong_number",
    "question",
    "really_you",
    "plan",
    "choice",
    "unclear",
    "rating",
    "other",
    "crisis",
    "cease",
    "deceased",
    "bankruptcy",
    "attorney",
    "identity_theft",
)
#: Those that opt the number out.
OPTS_OUT = frozenset({"opt_out", "cease"})


class EvidenceError(Exception):
    """The evidence is missing or unreadable: no judgement can rest on it."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """One message as the provider received it. `delivered_at` is when the handset had it; `form`, of a
    WhatsApp message: template or text."""

    line: int
    at: datetime
    provider: str
    channel: str
    sender: str
    to: str = field(repr=False)
    subject: str = field(repr=False)
    body: str = field(repr=False)
    ref: str
    reserved_at: datetime
    ttl_seconds: int
    accepted: bool
    answer: str
    delivered_at: datetime | None
    final: str
    form: str = ""

    @property
    def borrower_id(self) -> str:
        return self.ref.partition("/")[0]

    @property
    def key(self) -> str:
        return self.ref.partition("/")[2]

    @property
    def text(self) -> str:
        return f"{self.subject}\n{self.body}" if self.subject else self.body


@dataclass(frozen=True, slots=True)
class CoreEvent:
    """One event of the core: when the core knew it, when the application was handed it."""

    recorded_at: datetime
    fed_at: datetime
    event: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Inbound:
    """One text of a borrower, with what the borrower meant by it. `taken_in_at`: when it was written down, where that
    is known because something held it up."""

    at: datetime
    inbound_id: str
    sender: str = field(repr=False)
    text: str = field(repr=False)
    meaning: str
    promised_on: date | None = None
    promised_amount: Decimal | None = field(default=None, repr=False)
    taken_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Announced:
    """Something the application told others on its bus; ids and moments only."""

    at: datetime
    kind: str
    detail: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListChange:
    """A number that came onto the provider's own opt-out list, or left it: by us, or by whoever has it."""

    at: datetime
    number: str = field(repr=False)
    is_there: bool
    by_person: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """From when until when something that the application rests on did not answer it."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log file. `document` is there if the line is a JSON object."""

    source: str
    number: int
    text: str = field(repr=False)
    document: Mapping[str, Any] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. `packs` is the raw data of the policy packs by file name."""

    hand_overs: tuple[HandOver, ...]
    events: tuple[CoreEvent, ...]
    inbound: tuple[Inbound, ...]
    announced: tuple[Announced, ...]
    logs: tuple[LogLine, ...]
    log_files: int
    packs: Mapping[str, Any]
    listed: tuple[ListChange, ...] | None = None
    outages: tuple[Outage, ...] = ()


def read_evidence(folder: Path) -> Evidence:
    """Read a folder of evidence.

    Raises:
        EvidenceError: a file is missing, or a line is not what the format says. The value is not in the message.
    """
    logs_folder = folder / "logs"
    if not logs_folder.is_dir():
        raise EvidenceError("logs: the folder is missing")
    log_files = sorted(logs_folder.glob("*.log"))
    return Evidence(
        hand_overs=tuple(_hand_over(row) for row in _rows(folder, "provider.jsonl")),
        events=tuple(_core_event(row) for row in _rows(folder, "core.jsonl")),
        inbound=tuple(_inbound(row) for row in _rows(folder, "inbound.jsonl")),
        announced=tuple(_announced(row) for row in _rows(folder, "announced.jsonl")),
        logs=tuple(line for path in log_files for line in _log_lines(path)),
        log_files=len(log_files),
        packs=_packs(folder / "packs"),
        outages=tuple(_outages(folder)),
        # Only where the provider keeps such a list.
        listed=_listed(folder) if (folder / "listed.jsonl").is_file() else None,
    )


def _listed(folder: Path) -> tuple[ListChange, ...]:
    return tuple(
        ListChange(row.instant("at"), row.text("number"), row.text("change") == "put", row.text("by") == "person")
        for row in _rows(folder, "listed.jsonl")
    )


@dataclass(frozen=True, slots=True)
class _Row:
    where: str
    number: int
    values: Mapping[str, Any]

    def get(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise EvidenceError(f"{self.where}: {name} is missing") from None

    def text(self, name: str, *, default: str | None = None) -> str:
        value = self.get(name) if default is None else self.values.get(name, default)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise EvidenceError(f"{self.where}: {name} is not text")
        return value

    def instant(self, name: str) -> datetime:
        return instant(self.get(name), f"{self.where}: {name}")

    def instant_or_none(self, name: str) -> datetime | None:
        return None if self.values.get(name) in (None, "") else self.instant(name)


def instant(value: object, what: str) -> datetime:
    """An ISO 8601 instant with its offset.

    Raises:
        EvidenceError: anything else; a time without a zone proves nothing.
    """
    if not isinstance(value, str):
        raise EvidenceError(f"{what} is not an instant")
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        raise EvidenceError(f"{what} is not an instant") from None
    if parsed.tzinfo is None:
        raise EvidenceError(f"{what} has no offset")
    return parsed


def _rows(folder: Path, name: str) -> Iterator[_Row]:
    path = folder / name
    if not path.is_file():
        raise EvidenceError(f"{name}: the file is missing")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{name}:{number}"
            try:
                values = json.loads(line)
            except ValueError:
                raise EvidenceError(f"{where}: not JSON") from None
            if not isinstance(values, dict):
                raise EvidenceError(f"{where}: not an object")
            yield _Row(where, number, values)


def _hand_over(row: _Row) -> HandOver:
    at = row.instant("at")
    ttl = row.get("ttl_seconds")
    accepted = row.get("accepted")
    if not isinstance(accepted, bool):
        raise EvidenceError(f"{row.where}: accepted is not true or false")
    return HandOver(
        line=row.number,
        at=at,
        provider=row.text("provider"),
        channel=row.text("channel"),
        sender=row.text("from"),
        to=row.text("to"),
        subject=row.text("subject", default=""),
        body=row.text("body"),
        ref=row.text("ref"),
        reserved_at=row.instant_or_none("reserved_at") or at,
        ttl_seconds=int(ttl) if ttl is not None else 0,
        accepted=accepted,
        answer=str(row.values.get("answer") or ""),
        delivered_at=row.instant_or_none("delivered_at"),
        final=str(row.values.get("final") or ""),
        form=str((row.values.get("context") or {}).get("type") or ""),
    )


def _core_event(row: _Row) -> CoreEvent:
    event = row.get("event")
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise EvidenceError(f"{row.where}: event is not an event")
    return CoreEvent(recorded_at=row.instant("recorded_at"), fed_at=row.instant("fed_at"), event=event)


def named(inbound_id: str) -> str:
    """A provider's id as it is kept: a bare number is written in another way, since numbers are masked in logs."""
    return f"n{int(inbound_id):x}" if inbound_id.isascii() and inbound_id.isdigit() else inbound_id


def _inbound(row: _Row) -> Inbound:
    meaning = row.text("meaning")
    if meaning not in MEANINGS:
        raise EvidenceError(f"{row.where}: meaning is not one of {', '.join(MEANINGS)}")
    return Inbound(
        at=row.instant("at"),
        inbound_id=named(row.text("inbound_id")),
        sender=row.text("from"),
        text=row.text("text"),
        meaning=meaning,
        promised_on=_day(row, "promised_on"),
        promised_amount=_amount(row, "promised_amount"),
        taken_in_at=row.instant_or_none("taken_in_at"),
    )


def _day(row: _Row, name: str) -> date | None:
    value = row.values.get(name)
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise EvidenceError(f"{row.where}: {name} is not a day") from None


def _amount(row: _Row, name: str) -> Decimal | None:
    value = row.values.get(name)
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise EvidenceError(f"{row.where}: {name} is not an amount") from None


def _announced(row: _Row) -> Announced:
    detail = row.get("detail")
    if not isinstance(detail, dict):
        raise EvidenceError(f"{row.where}: detail is not an object")
    return Announced(row.instant("at"), row.text("type"), detail)


def _outages(folder: Path) -> Iterator[Outage]:
    """Of a run in which something was broken on purpose; of any other there is no such file."""
    if (folder / "outages.jsonl").is_file():
        for row in _rows(folder, "outages.jsonl"):
            yield Outage(row.instant("begins"), row.instant("ends"))


def _log_lines(path: Path) -> Iterator[LogLine]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, raw in enumerate(file, start=1):
            text = raw.rstrip("\n")
            if not text.strip():
                continue
            document = None
            if text.lstrip().startswith("{"):
                try:
                    document = json.loads(text)
                except ValueError:
                    document = None  # a plain line, or one that was cut off: scanned as text
            yield LogLine(f"logs/{path.name}", number, text, document if isinstance(document, dict) else None)


def _packs(folder: Path) -> Mapping[str, Any]:
    packs: dict[str, Any] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            packs[path.name] = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError:
            raise EvidenceError(f"packs/{path.name}: not YAML") from None
    return packs
