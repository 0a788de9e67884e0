"""A line with far more to send than it carries, in three time zones at once, and what its provider saw of it.

The deployed handlers run on the embedded AWS, and the simulated provider keeps its line to its rate. Only what waits
at the beginning is not the pipeline's own: borrowers and REQUESTED messages are made by the services in memory and
written to the tables, since telling thousands of borrowers apart is another matter than pacing them.

Everything is judged from the provider's record. How long a text is is what the provider counts, never what we do.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from dunlin.adapters.dynamo.models import bind
from dunlin.adapters.dynamo.store import DynamoStore
from dunlin.content.loader import load_content
from dunlin.content.model import Content
from dunlin.domain.message import WINDOW_MARGIN
from dunlin.domain.policy import Failures
from dunlin.domain.words import MessageState, Reason
from dunlin.services.ports import Change

from local.core.feed import CoreEvent
from local.simulator.faults import Faults
from local.simulator.record import HandOverReceived
from local.simulator.texts import encoding_and_parts
from local.world import REGION, World
from tests.builders import CONTENT_DIR, NOW, House, loan_document, party_document

LINE = "us-10dlc"
NUMBER = "+12065550100"
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
#: When the backlog is there: 16:00 on the East coast, 15:00 in Chicago, 13:00 in Los Angeles.
BEGIN = NOW + timedelta(hours=5)
TODAY = BEGIN.date()


@dataclass(frozen=True)
class Place:
    """Where people live: jurisdiction, clock, the first digits of their numbers, and the hour there at `BEGIN`."""

    jurisdiction: str
    zone: str
    area: str
    hour: int


PLACES = (
    Place("US-NY", "America/New_York", "+1212555", 16),
    Place("US-MA", "America/Chicago", "+1312555", 15),
    Place("US-NYC", "America/Los_Angeles", "+1213555", 13),
)
#: A borrower to whom nothing has to be said, and who may write to us.
SOMEBODY = "+12125559999"
HEARS = ["service", "servicing", "collection", "mandatory", "reply", "marketing"]
#: What is said, how urgent it is, and how many in twenty are told it.
CLASSES: Mapping[str, tuple[int, int]] = {
    "new_device": (0, 1),
    "due_today": (2, 2),
    "reminder_7": (5, 13),
    "product_suggestion": (9, 4),
}
#: The facts of those that are no stage of the strategy.
NOTICES: Mapping[str, Mapping[str, str]] = {
    "new_device": {"event_on": str(TODAY)},
    "fraud_warning": {},
    "product_suggestion": {"rate": "9.9"},
}


class Heartbeat:
    """A core that says that it has told everything, and at the beginning who `SOMEBODY` is."""

    def __init__(self) -> None:
        self._told_at: datetime | None = None

    def next_due(self) -> datetime | None:
        return BEGIN if self._told_at is None else self._told_at + 5 * MINUTE

    def due(self, now: datetime) -> list[CoreEvent]:
        if now < (self.next_due() or now):
            return []
        events = []
        if self._told_at is None:
            profile = {
                "sequence": 1,
                "jurisdiction": "US-NY",
                "time_zone": "America/New_York",
                "parties": [party_document(phone=SOMEBODY)],
            }
            loan = loan_document("l-somebody", TODAY + timedelta(days=40), as_of=BEGIN)
            events.append(self._event("borrower.updated", now, borrower_id="b-somebody", borrower=profile))
            events.append(self._event("loan.snapshot", now, borrower_id="b-somebody", loan=loan))
        self._told_at = now
        return [*events, self._event("feed.checkpoint", now, complete_to=now.isoformat())]

    @staticmethod
    def _event(type_: str, now: datetime, **carried: Any) -> CoreEvent:
        name = f"{type_}-{now.timestamp():.0f}"
        detail = {"event_id": name, "type": type_, "occurred_at": now.isoformat(), **carried}
        return CoreEvent(name, type_, carried.get("borrower_id"), now, now, detail)


def content_of(root: Path, ends: Sequence[int], line: Mapping[str, Any]) -> Content:
    """The shipped content with the line's limits, and hours that end so many minutes after `BEGIN` plus what a
    reservation wants to have left."""
    content = replace(load_content(root), live=True, not_live_because="")
    lines = tuple(replace(each, **line) if each.line_id == LINE else each for each in content.lender.lines)
    lender = replace(content.lender, lines=lines, ceiling=1_000_000, ceilings=())
    (standard,) = (each for each in content.strategies if each.strategy.strategy_id == "standard")
    margin = int(WINDOW_MARGIN / MINUTE)
    theirs = []
    for place, end in zip(PLACES, ends, strict=True):
        hours = replace(standard.strategy.hours, week=((540, place.hour * 60 + end + margin),) * 7)
        strategy = replace(standard.strategy, hours=hours)
        theirs.append(replace(standard, jurisdictions=frozenset({place.jurisdiction}), strategy=strategy))
    return replace(content, lender=lender, strategies=(*theirs, *content.strategies), _policies={}, _strategies={})


def somebody(number: int, kind: str, phone: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A person and their loans: Spanish texts and texts about several loans are longer."""
    spanish, several = number % 3 == 0, number % 4 == 0
    person = party_document(
        name="Maximiliano Fernández" if spanish else "Jo Doe",
        locale="es-US" if spanish else "en-US",
        phone=phone,
        may_hear=HEARS,
        consents=["marketing"],
        phone_verified_at=NOW.isoformat(),
    )
    due_on = TODAY + timedelta(days={"due_today": 0, "reminder_7": 7}.get(kind, 40))
    loans = [
        loan_document(f"l-{number}-{n}", due_on, as_of=BEGIN, account_tail=f"{4000 + n}")
        for n in range(3 if several and kind in ("due_today", "reminder_7") else 1)
    ]
    return person, loans


def backlog(content: Content, least_parts: int, closes: Sequence[int] = ()) -> House:
    """So much waits at `BEGIN` that its texts have at least `least_parts`, counted in the words they would go in.

    With `closes` all of them are notices of two classes whose time is up so many seconds after `BEGIN`, place by place:
    hours end at whole minutes, and a fast line has carried thousands by then.
    """
    house = House(BEGIN, content)
    house.checkpoint()
    kinds = [kind for kind, (_, share) in CLASSES.items() for _ in range(share)]
    parts = 0
    number = 0
    while parts < least_parts:
        kind, place = kinds[(7 * number) % len(kinds)], PLACES[number % len(PLACES)]
        told: dict[str, Any] = {}
        if closes:
            kind = "fraud_warning" if number % 5 == 0 else "product_suggestion"
            ends = BEGIN + timedelta(seconds=closes[number % len(PLACES)]) + WINDOW_MARGIN
            told = {"occurred_at": ends - content.notices[kind].within}
        borrower, phone = f"b-{number:05d}", f"{place.area}{number % 10_000:04d}"
        person, loans = somebody(number, kind, phone)
        house.know(borrower, *loans, parties=[person], jurisdiction=place.jurisdiction, zone=place.zone)
        if kind in NOTICES:
            notice = {"message": kind, "facts": NOTICES[kind]}
            if kind == "product_suggestion":
                notice["loan_id"] = loans[0]["loan_id"]
            house.tell("notice.requested", borrower, notice=notice, **told)
        house.evaluate.borrower(borrower)
        (message,) = house.in_state(MessageState.REQUESTED, borrower)
        judged = house.compose.judge(house.borrower(borrower), message, BEGIN)
        parts += judged.message.parts  # type: ignore[union-attr]
        number += 1
    return house


@dataclass
class Paced:
    """What was to be sent, what the provider saw, and what became of every message."""

    rate: float
    ends: tuple[datetime, ...]
    waiting: Mapping[str, Any]
    record: tuple[HandOverReceived, ...]
    documents: Mapping[str, Mapping[str, Any]]
    calls: Counter[str]
    calls_by_function: Mapping[tuple[str, str], int]
    invocations: Counter[str]
    metrics: Counter[str] = field(default_factory=Counter)

    @cached_property
    def handed(self) -> list[tuple[datetime, int, str, bool]]:
        """When, parts by the provider's count, whose, and whether it was taken; only of this line."""
        return [
            (datetime.fromisoformat(each.at), encoding_and_parts(each.body)[1], each.ref, each.accepted)
            for each in self.record
            if each.from_address == NUMBER and each.provider == "aws_sms"
        ]

    @property
    def taken(self) -> list[tuple[datetime, int, str]]:
        return [(at, parts, ref) for at, parts, ref, accepted in self.handed if accepted]

    @property
    def throttled(self) -> int:
        return sum(not accepted for _, _, _, accepted in self.handed)

    def busiest(self, lasts: timedelta = SECOND) -> int:
        """The most parts in any stretch that long, wherever it begins: a busiest one begins with a text."""
        handed = sorted((at, parts) for at, parts, _, _ in self.handed)
        most = within = first = 0
        for last, (at, parts) in enumerate(handed):
            within += parts
            while handed[first][0] <= at - lasts:
                within -= handed[first][1]
                first += 1
            most = max(most, within)
            assert last >= first
        return most

    def carried_late(self) -> timedelta:
        """How far a carrier that passes on part after part, each in its share of a second, ever fell behind."""
        free, behind = BEGIN, timedelta(0)
        for at, parts, _, _ in sorted(self.handed):
            free = max(free, at) + timedelta(seconds=parts / self.rate)
            behind = max(behind, free - at)
        return behind

    def longest(self) -> int:
        return max(parts for _, parts, _, _ in self.handed)

    def used(self) -> float:
        """The share of the rate that was used from the first text on until the last window was as good as closed."""
        begin = min(at for at, _, _, _ in self.handed)
        return sum(parts for _, parts, _ in self.taken) / (self.rate * (max(self.ends) - begin).total_seconds())

    def waits(self) -> dict[int, timedelta]:
        """The longest wait of each class, of those that went."""
        longest: dict[int, timedelta] = {}
        for at, _, ref in self.taken:
            if ref not in self.waiting:
                continue
            priority = self.waiting[ref].priority
            longest[priority] = max(longest.get(priority, timedelta(0)), at - self.waiting[ref].requested_at)
        return longest

    def overtaken(self) -> list[tuple[str, int]]:
        """Who could have gone, and instead of whom somebody of a lower class went: class by class, all pairs.

        All waited from the beginning. So whoever is of a higher class goes before the first of any lower one, unless
        the window of the higher one was closed by then.
        """
        went = {ref: at for at, _, ref in sorted(self.taken, reverse=True)}
        firsts: dict[int, datetime] = {}
        for ref, at in went.items():
            priority = self.waiting[ref].priority
            firsts[priority] = min(at, firsts.get(priority, at))
        return [
            (ref, priority)
            for ref, message in self.waiting.items()
            for priority, first in firsts.items()
            if priority > message.priority
            and first < message.not_after - WINDOW_MARGIN
            and (ref not in went or first < went[ref])
        ]

    def passed_over(self) -> timedelta:
        """Of one class whoever's window closes sooner goes first. How long any of them let one pass that closes later,
        for being too long for what a second had left."""
        most = timedelta(0)
        by_class: dict[int, list[tuple[datetime, datetime]]] = {}
        for at, _, ref in self.taken:
            by_class.setdefault(self.waiting[ref].priority, []).append((at, self.waiting[ref].not_after))
        for each in by_class.values():
            last = max(at for at, _ in each)
            later = {closes: min((at for at, other in each if other > closes), default=last) for _, closes in each}
            most = max([most, *(at - later[closes] for at, closes in each)])
        return most

    def outside(self) -> list[str]:
        """Texts that were handed over, or could still be delivered, when their recipient's window was closed."""
        wrong = []
        for each in self.record:
            if each.ref in self.waiting and each.provider == "aws_sms":
                at, message = datetime.fromisoformat(each.at), self.waiting[each.ref]
                ttl = timedelta(seconds=each.ttl_seconds if each.ttl_seconds is not None else 259_200)
                if at < message.not_before or at + ttl > message.not_after:
                    wrong.append(each.ref)
        return wrong

    def ended(self) -> dict[str, tuple[str, str, timedelta]]:
        """Of those that never went: reason, rule, and how long before its last chance that was recorded."""
        went = {ref for _, _, ref in self.taken}
        found = {}
        for ref, message in self.waiting.items():
            if ref not in went:
                document = self.documents[ref]
                early = message.not_after - WINDOW_MARGIN - datetime.fromisoformat(document["settled_at"])
                found[ref] = (document["reason"], document["rule"], early)
        return found

    def figures(self) -> dict[str, Any]:
        sent = len(self.taken)
        ended = sorted(early for reason, _, early in self.ended().values() if reason == "line_full")
        return {
            "rate": self.rate,
            "waiting": len(self.waiting),
            "sent": sent,
            "parts": sum(parts for _, parts, _ in self.taken),
            "used": round(self.used(), 4),
            "busiest_second": self.busiest(),
            "ended_early": len(ended),
            "ended_early_minutes": [round(each / MINUTE, 1) for each in (ended[:1] + ended[len(ended) // 2 :][:1])],
            "longest_wait_seconds": {each: round(wait.total_seconds()) for each, wait in sorted(self.waits().items())},
            "calls_per_text": round(sum(self.calls.values()) / max(1, sent), 2),
            "pacer_calls_per_message": round(
                sum(n for (name, _), n in self.calls_by_function.items() if name == "PaceLinesFunction")
                / max(1, sent + len(self.ended())),
                2,
            ),
            "pacer_invocations": self.invocations["PaceLinesFunction"],
            "throttled": self.throttled,
        }


def written(world: World, house: House) -> None:
    """What waits, in the tables."""
    names = {name: world.aws.template.physical_name(f"{name.title()}Table") for name in ("borrowers", "messages")}
    bind(
        region=REGION,
        **names,
        suppressions=world.aws.template.physical_name("SuppressionsTable"),
        controls=world.aws.template.physical_name("ControlsTable"),
    )
    store = DynamoStore(REGION)
    for borrower in house.store.borrowers.values():
        messages = [replace(m, revision=0) for m in house.store.conversation(borrower.borrower_id)]
        store.commit(Change(borrower=replace(borrower, revision=0), new_messages=tuple(messages)))


def paced(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    *,
    rate: float,
    ends: Sequence[int] = (60, 60, 60),
    closes: Sequence[int] = (),
    times: float = 5.0,
    lasts: timedelta | None = None,
    faults: Faults | None = None,
    line: Mapping[str, Any] | None = None,
    before_call: Callable[[Any], Any] | None = None,
    provider_rate: float | None = None,
    prepare: Callable[[World], None] | None = None,
    least_parts: int | None = None,
) -> Paced:
    """Let it happen: `times` as much as fits until the last of `ends` (minutes after `BEGIN`)."""
    limits = {"parts_per_second": rate, **(line or {})}
    content = content_of(CONTENT_DIR, ends, limits)
    open_for = max(closes) if closes else 60 * max(ends)
    house = backlog(content, least_parts or int(times * rate * open_for), closes)
    monkeypatch.setattr("dunlin.content.loader.load_content", lambda root, **_: content_of(Path(root), ends, limits))
    closing = tuple(BEGIN + timedelta(seconds=end) for end in (closes or [60 * end for end in ends]))
    world = World(
        Heartbeat(),
        BEGIN,
        BEGIN + (lasts or timedelta(seconds=open_for) + WINDOW_MARGIN + 3 * MINUTE),
        3,
        faults or Faults(),
        folder / "logs",
        lambda _: (),
        lambda _: NUMBER,
        before_call=before_call,
        rates={NUMBER: provider_rate if provider_rate is not None else rate},
        recipients=[f"{place.area}*" for place in PLACES],
    )
    with world:
        written(world, house)
        if prepare is not None:
            prepare(world)
        world.run()
        documents = {f"{d['borrower_id']}/{d['key']}": d for d in world.documents("MessagesTable")}
        counters = world.aws.counters
        return Paced(
            rate,
            closing,
            {message.ref: message for message in house.in_state(MessageState.REQUESTED)},
            world.simulator.record.hand_overs,
            documents,
            counters.calls,
            counters.calls_by_function,
            counters.invocations,
            Counter(metrics_of(folder / "logs")),
        )


def metrics_of(logs: Path) -> Iterator[str]:
    """The names of the metrics that were published above zero."""
    for file in sorted(logs.glob("*.log")):
        for text in file.read_text(encoding="utf-8").splitlines():
            if text.startswith("{") and '"_aws"' in text:
                told = json.loads(text)
                for directive in told["_aws"]["CloudWatchMetrics"]:
                    for metric in directive["Metrics"]:
                        value = told[metric["Name"]]
                        if sum(value if isinstance(value, list) else [value]) > 0:
                            yield metric["Name"]


def check(world: Paced, *, early: bool = True) -> None:
    """What holds of every world in which more waits than fits. `early`: all that cannot go is recorded beforehand."""
    rate, longest = world.rate, world.longest()
    # A text's own parts cannot be torn apart; nothing else begins while they pass.
    whole = max(1, int(rate))
    assert world.busiest() <= (whole if (longest - 1) <= 0.03 * rate else whole + longest - 1)
    assert world.carried_late() <= timedelta(seconds=max(1.0, 1 / rate) + (longest - 1) / rate + 1e-3)
    assert world.busiest(10 * SECOND) <= 10 * rate + longest - 1
    assert world.throttled == 0
    assert world.used() >= 0.95
    assert world.overtaken() == []
    assert world.passed_over() <= 2 * SECOND
    assert world.outside() == []
    ended = world.ended()
    assert len({ref for _, _, ref in world.taken}) == len(world.taken)
    assert len(world.taken) + len(ended) == len(world.waiting)
    assert Counter(world.documents[ref]["state"] for ref in ended) == {"EXPIRED": len(ended)}
    assert {(reason, rule) for reason, rule, _ in ended.values()} == {
        (str(Reason.LINE_FULL), f"line.{LINE}.parts_per_second")
    }
    if early:
        assert min(before for _, _, before in ended.values()) >= timedelta(0)
        first = max(before for _, _, before in ended.values())
        assert first > timedelta(0)


__all__ = [
    "BEGIN",
    "LINE",
    "MINUTE",
    "NUMBER",
    "PLACES",
    "SECOND",
    "SOMEBODY",
    "UTC",
    "Failures",
    "Paced",
    "check",
    "paced",
]


def main() -> None:
    """`python -m tests.local.pace_worlds RATE MINUTES,MINUTES,MINUTES [TIMES]`, or seconds as `6s,8s,10s`: what a line
    did with so many times what fits until then, place by place."""
    rate, until, *rest = sys.argv[1:]
    seconds = [int(each.rstrip("s")) for each in until.split(",")]
    times = float(rest[0]) if rest else 5.0
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        if until.endswith("s"):
            world = paced(patch, Path(folder), rate=float(rate), times=times, closes=seconds)
        else:
            world = paced(patch, Path(folder), rate=float(rate), times=times, ends=seconds)
    sys.stdout.write(json.dumps(world.figures(), indent=1) + "\n")


if __name__ == "__main__":
    main()
