"""The record: every hand-over that reached a provider and every text a person sent. Evidence, so append-only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock

__all__ = ["HandOverReceived", "InboundSent", "Record"]


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


class Record:
    """In memory in the order of arrival; on file in an order that depends on no thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hand_overs: list[HandOverReceived] = []
        self._inbound: list[InboundSent] = []

    def add_hand_over(self, entry: HandOverReceived) -> None:
        with self._lock:
            self._hand_overs.append(entry)

    def add_inbound(self, entry: InboundSent) -> None:
        with self._lock:
            self._inbound.append(entry)

    @property
    def hand_overs(self) -> tuple[HandOverReceived, ...]:
        with self._lock:
            return tuple(self._hand_overs)

    @property
    def inbound(self) -> tuple[InboundSent, ...]:
        with self._lock:
            return tuple(self._inbound)

    def lines(self) -> list[str]:
        """JSON lines `{"record": "hand_over" | "inbound", …}` by time, kind, then reference and attempt or id."""
        keyed = [
            (
                (entry.at, 0, entry.provider, entry.ref, entry.to_address, entry.body, entry.attempt),
                _line("hand_over", entry),
            )
            for entry in self.hand_overs
        ] + [
            ((entry.at, 1, entry.provider, entry.inbound_id, "", "", 0), _line("inbound", entry))
            for entry in self.inbound
        ]
        return [line for _, line in sorted(keyed)]

    def write(self, path: Path) -> None:
        path.write_text("".join(line + "\n" for line in self.lines()), encoding="utf-8")


def _line(kind: str, entry: HandOverReceived | InboundSent) -> str:
    document: dict[str, object] = {"record": kind, **asdict(entry)}
    if isinstance(entry, HandOverReceived):
        document["context"] = dict(entry.context)
    return json.dumps(document, ensure_ascii=True, sort_keys=True)
