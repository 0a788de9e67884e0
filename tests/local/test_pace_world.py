"""A line with far more to send than it carries, measured where it counts: at the provider."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dunlin.content.loader import load_content
from dunlin.content.model import Content

from local.core.feed import CoreEvent
from local.simulator.faults import Faults
from local.world import World
from tests.builders import NOW, TODAY, loan_document, party_document

LINE = "us-10dlc"


@dataclass
class OneMorning:
    """A core that tells everything at once, and checkpoints from then on."""

    borrowers: int
    told_at: datetime | None = None
    events: list[CoreEvent] = field(default_factory=list)

    def next_due(self) -> datetime | None:
        return NOW if self.told_at is None else self.told_at + timedelta(minutes=5)

    def due(self, now: datetime) -> list[CoreEvent]:
        if self.told_at is not None and now < self.told_at + timedelta(minutes=5):
            return []
        first, self.told_at, self.events = self.told_at is None, now, []
        for number in range(self.borrowers if first else 0):
            borrower = f"b-{number:04d}"
            profile = {
                "sequence": 1,
                "jurisdiction": "US-NY",
                "time_zone": "America/New_York",
                "parties": [party_document(phone=f"+1212555{number:04d}")],
            }
            loan = loan_document(due_on=TODAY + timedelta(days=7), as_of=NOW, loan_id=f"l-{number}")
            self._tell("borrower.updated", borrower, now, borrower=profile)
            self._tell("loan.snapshot", borrower, now, loan=loan)
        self._tell("feed.checkpoint", None, now, complete_to=now.isoformat())
        return self.events

    def _tell(self, type_: str, borrower_id: str | None, now: datetime, **carried: Any) -> None:
        name = f"{type_}-{borrower_id}-{now:%H%M%S}"
        detail = {"event_id": name, "type": type_, "occurred_at": now.isoformat(), **carried}
        if borrower_id is not None:
            detail["borrower_id"] = borrower_id
        self.events.append(CoreEvent(name, type_, borrower_id, now, now, detail))


def carried(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    rate: float,
    borrowers: int,
    lasts: timedelta,
    faults: Faults | None = None,
    **limits: Any,
) -> Counter[datetime]:
    """The parts that reached the provider, by the instant at which they did."""

    def live(root: Path, *, lazily: bool = False, environment: str = "") -> Content:
        content = replace(load_content(root), live=True, not_live_because="")
        lines = tuple(
            replace(line, parts_per_second=rate, **limits) if line.line_id == LINE else line
            for line in content.lender.lines
        )
        return replace(content, lender=replace(content.lender, lines=lines))

    monkeypatch.setattr("dunlin.content.loader.load_content", live)
    world = World(
        OneMorning(borrowers),
        NOW,
        NOW + lasts,
        3,
        faults or Faults(),
        folder / "logs",
        lambda _: (),
        lambda _: "+12065550100",
        recipients=[f"+1212555{number:04d}" for number in range(borrowers)],
    )
    with world:
        world.run()
        parts = {f"{m['borrower_id']}/{m['key']}": int(m["expected_parts"]) for m in world.aws.items("MessagesTable")}
    at_provider: Counter[datetime] = Counter()
    for hand_over in world.simulator.record.hand_overs:
        if hand_over.provider == "aws_sms":
            at_provider[datetime.fromisoformat(hand_over.at)] += parts[hand_over.ref]
    return at_provider


@pytest.mark.parametrize(("rate", "borrowers", "seconds"), [(1, 150, 60), (3, 150, 20), (100, 300, 2)])
def test_the_provider_gets_the_rate_and_all_of_it(
    rate: int, borrowers: int, seconds: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lasts = timedelta(minutes=1, seconds=seconds)
    at_provider = carried(monkeypatch, tmp_path, rate=rate, borrowers=borrowers, lasts=lasts)
    begin = min(at_provider)
    span = timedelta(seconds=seconds)
    busy = {at: parts for at, parts in at_provider.items() if at < begin + span}
    for moment in at_provider:
        within = sum(n for at, n in at_provider.items() if moment <= at < moment + timedelta(seconds=1))
        assert within <= rate + 1  # the second part of a text that began within the rate
    assert 0.95 * rate * seconds <= sum(busy.values()) <= rate * seconds + 1


def test_no_more_in_a_day_than_the_provider_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at_provider = carried(monkeypatch, tmp_path, rate=3, borrowers=60, lasts=timedelta(minutes=5), parts_per_day=20)
    assert 19 <= sum(at_provider.values()) <= 20


def test_what_is_handed_over_again_is_within_the_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A provider that throttles a third: the sweep's minute comes in between, and brings nothing beside the seconds."""
    lasts = timedelta(minutes=2, seconds=30)
    at_provider = carried(monkeypatch, tmp_path, rate=1, borrowers=150, lasts=lasts, faults=Faults(throttled=0.33))
    for moment in at_provider:
        assert sum(n for at, n in at_provider.items() if moment <= at < moment + timedelta(seconds=1)) <= 1
    assert sum(at_provider.values()) >= 0.95 * 90
