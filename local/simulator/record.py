"""The record: every hand-over that reached a provider and every text a person sent. Evidence, so append-only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

__all__ = ["HandOverReceived", "InboundSent", "ListChanged", "Record"]

_CHANNELS = {"aws_ses": "email", "aws_push": "push", "aws_whatsapp": "whatsapp", "wechat": "wechat"}


@dataclass(frozen=True, slots=True)
class HandOverReceived:
    """One request to send, as the provider saw it. Instants are ISO 8601 in UTC.

    `accepted` is the truth about the message, `answer` is what the application was told: OK, the error's code and
    reason, or how there was no answer (`held`, `reset`). `delivered_at` and the final report are what was scheduled
    at acceptance: None where the text never reaches a handset, or where the provider stays silent. `attempt` counts
    the requests for one reference.
    """

    at: str
    provider: str
    from_address: str
    to_address: str
    body: str
    subject: str
    ref: str
    context: tuple[tuple[str, str], ...]
    reserved_at: str
    ttl_seconds: int | None
    attempt: int
    accepted: bool
    answer: str
    provider_message_id: str
    delivered_at: str | None
    final_report: str | None
    final_report_at: str | None


@dataclass(frozen=True, slots=True)
class InboundSent:
    """One text from a person.

    `at` is when it was sent, `handed_on_at` when the provider first hands it on, `copies` how many times it does.
    """

    at: str
    inbound_id: str
    provider: str
    from_address: str
    to_address: str
    text: str
    handed_on_at: str
    copies: int


@dataclass(frozen=True, slots=True)
class ListChanged:
    """A number that came onto a provider's own opt-out list, or left it. `by`: us, or whoever has the number."""

    at: str
    number: str
    change: str  # put | deleted
    by: str  # us | person


class Record:
    """In memory in the order of arrival; on file in an order that depends on no thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hand_overs: list[HandOverReceived] = []
        self._inbound: list[InboundSent] = []
        self._listed: list[ListChanged] = []

    def add_hand_over(self, entry: HandOverReceived) -> None:
        with self._lock:
            self._hand_overs.append(entry)

    def add_inbound(self, entry: InboundSent) -> None:
        with self._lock:
            self._inbound.append(entry)

    def add_list_change(self, entry: ListChanged) -> None:
        with self._lock:
            self._listed.append(entry)

    @property
    def listed(self) -> tuple[ListChanged, ...]:
        with self._lock:
            return tuple(self._listed)

    @property
    def hand_overs(self) -> tuple[HandOverReceived, ...]:
        with self._lock:
            return tuple(self._hand_overs)

    @property
    def inbound(self) -> tuple[InboundSent, ...]:
        with self._lock:
            return tuple(self._inbound)

    def rows(self) -> list[dict[str, object]]:
        """What is on file, by time, then hand-overs before texts, then reference and attempt, or id.

        Hand-overs: `record` = hand_over, at, provider, channel, from, to, subject, body, ref, context, reserved_at,
        ttl_seconds, attempt, accepted, answer, provider_message_id, delivered_at, final, final_at.
        Texts: `record` = inbound, at, inbound_id, provider, from, to, text, handed_on_at, copies.
        """
        rows = [_hand_over_row(entry) for entry in sorted(self.hand_overs, key=_hand_over_order)]
        rows += [_inbound_row(entry) for entry in sorted(self.inbound, key=lambda entry: entry.inbound_id)]
        return sorted(rows, key=lambda row: str(row["at"]))  # stable: the order above decides inside one instant

    def write(self, path: Path) -> None:
        """All rows as JSON lines."""
        _write(path, self.rows())

    def write_hand_overs(self, path: Path) -> None:
        """The hand-overs alone, as JSON lines."""
        _write(path, [row for row in self.rows() if row["record"] == "hand_over"])

    def write_listed(self, path: Path) -> None:
        """What happened to the provider's own opt-out list, in its order, as JSON lines."""
        _write(path, [asdict(entry) for entry in self.listed])


def _write(path: Path, rows: list[dict[str, object]]) -> None:
    lines = (json.dumps(row, ensure_ascii=True, sort_keys=True) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def _hand_over_order(entry: HandOverReceived) -> tuple[str, str, str, str, int]:
    return (entry.provider, entry.ref, entry.to_address, entry.body, entry.attempt)


def _hand_over_row(entry: HandOverReceived) -> dict[str, object]:
    row: dict[str, object] = {"record": "hand_over", "channel": _CHANNELS.get(entry.provider, "sms"), **asdict(entry)}
    row["context"] = dict(entry.context)
    row["from"] = row.pop("from_address")
    row["to"] = row.pop("to_address")
    row["final"] = row.pop("final_report")
    row["final_at"] = row.pop("final_report_at")
    return row


def _inbound_row(entry: InboundSent) -> dict[str, object]:
    row: dict[str, object] = {"record": "inbound", **asdict(entry)}
    row["from"] = row.pop("from_address")
    row["to"] = row.pop("to_address")
    return row
