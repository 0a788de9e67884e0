"""The core's feed: what was recorded, when it reaches Dunlin, and with which faults.

A fact is *recorded* at the core first and *fed* a little later; the history keeps both, so that an auditor can tell
what Dunlin could have known at any moment.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local.core.draws import draw

MAX_LAG = timedelta(minutes=5)
CHECKPOINT_AFTER = MAX_LAG + timedelta(minutes=5)  # by then everything recorded before the mark has been fed

Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class CoreEvent:
    """One event on its way to Dunlin. `detail` is the object of docs/core-events.md, ready for JSON."""

    event_id: str
    type: str
    borrower_id: str | None
    recorded_at: datetime
    fed_at: datetime
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FeedFaults:
    """Shares of events that are fed twice, hours late, or about a day late, overtaken by the next events."""

    repeated: float = 0.03
    late: float = 0.01
    out_of_order: float = 0.03
    late_by: timedelta = timedelta(hours=6)


class Feed:
    """Events between the core's books and Dunlin, in virtual time.

    Without faults the events of one borrower keep their order. A profile (`borrower.updated`) is never late.
    """

    def __init__(
        self,
        seed: int,
        feed_lag: Callable[[str], timedelta] | None = None,
        faults: FeedFaults | None = None,
    ) -> None:
        self.history: list[dict[str, object]] = []
        self.fed: Counter[str] = Counter()
        self._seed = seed
        self._lag = feed_lag or (lambda event_id: MAX_LAG * draw(seed, "lag", event_id))
        self._faults = faults
        self._outbox: list[tuple[datetime, int, CoreEvent]] = []
        self._fed_up_to: dict[str, datetime] = {}
        self._recorded = 0
        self._queued = 0

    def record(self, event_type: str, at: datetime, borrower_id: str, occurred_at: str, body: Document) -> CoreEvent:
        """Record a fact at `at`; it will be fed after the lag."""
        self._recorded += 1
        event_id = f"e-{self._recorded:06d}"
        detail: Document = {
            "event_id": event_id,
            "type": event_type,
            "occurred_at": occurred_at,
            "borrower_id": borrower_id,
            **body,
        }
        fed_at = at + self._lag(event_id)
        fault = self._fault_of(event_id) if event_type != "borrower.updated" else ""
        if fault == "late" and self._faults is not None:
            fed_at += self._faults.late_by
        elif fault == "out_of_order":
            fed_at += timedelta(hours=20 + 10 * draw(self._seed, "overtaken", event_id))
        else:
            fed_at = max(fed_at, self._fed_up_to.get(borrower_id, fed_at))
            self._fed_up_to[borrower_id] = fed_at
        event = CoreEvent(event_id, event_type, borrower_id, at, fed_at, detail)
        self._queue(event, fed_at)
        if fault == "repeated":
            again = fed_at + timedelta(minutes=1 + 600 * draw(self._seed, "again", event_id))
            self._queue(event, again)
        return event

    def checkpoint(self, mark: datetime, at: datetime) -> None:
        """Say at `at` how far the feed is complete: to `mark`, or to just before the oldest fact still on its way."""
        waiting = [event.recorded_at for fed_at, _, event in self._outbox if fed_at > at and event.recorded_at <= mark]
        complete_to = min([mark, *(moment - timedelta(microseconds=1) for moment in waiting)])
        self._recorded += 1
        event_id = f"e-{self._recorded:06d}"
        detail: Document = {
            "event_id": event_id,
            "type": "feed.checkpoint",
            "occurred_at": at.isoformat(),
            "complete_to": complete_to.isoformat(),
        }
        self._queue(CoreEvent(event_id, "feed.checkpoint", None, at, at, detail), at)

    def next_at(self) -> datetime | None:
        """When the next event is to be fed."""
        return self._outbox[0][0] if self._outbox else None

    def take(self, now: datetime) -> list[CoreEvent]:
        """The events to hand over now, in the order of their times; they go into the history with `now`."""
        taken = []
        while self._outbox and self._outbox[0][0] <= now:
            event = heapq.heappop(self._outbox)[2]
            taken.append(event)
            self.fed[event.type] += 1
            self.history.append(
                {"recorded_at": event.recorded_at.isoformat(), "fed_at": now.isoformat(), "event": event.detail}
            )
        return taken

    def write(self, path: Path) -> None:
        """The history as JSON lines, in the order in which it was fed."""
        with path.open("w", encoding="utf-8") as file:
            for entry in self.history:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def _queue(self, event: CoreEvent, fed_at: datetime) -> None:
        self._queued += 1
        heapq.heappush(self._outbox, (fed_at, self._queued, event))

    def _fault_of(self, event_id: str) -> str:
        if self._faults is None:
            return ""
        chance = draw(self._seed, "fault", event_id)
        for name, share in (
            ("repeated", self._faults.repeated),
            ("late", self._faults.late),
            ("out_of_order", self._faults.out_of_order),
        ):
            if chance < share:
                return name
            chance -= share
        return ""


def as_utc(moment: datetime) -> datetime:
    """The instant in UTC.

    Raises:
        ValueError: naive.
    """
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no instant: give it a time zone")
    return moment.astimezone(UTC)
