"""`dunlin allowed` against a reader of the same packs that shares nothing with it: minute by minute, from the YAML.

It works on whole minutes since 1970, asks of each minute whether every rule lets it pass, and never computes a window.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from dunlin.content import load_rules
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from local.commands.asking import Book, answer

CONTENT = Path(__file__).resolve().parents[2] / "layers" / "content"
PLACES = ("CN", "US", "US-MA", "US-NYC", "US-NY", "GB", "AU", "KR", "IN", "ID", "PH")
#: What the command line says, and what a pack says.
PURPOSES = {
    "service": "service",
    "reminder": "servicing",
    "collection": "collection",
    "mandatory_notice": "mandatory",
    "promotion": "marketing",
    "reply": "reply",
}
CHANNELS = {
    "voice": "call",
    **{name: name for name in ("sms", "email", "push", "whatsapp", "letter", "voicemail", "visit")},
}
ZONES = (
    "Asia/Shanghai",
    "America/New_York",
    "America/Los_Angeles",
    "America/Phoenix",
    "Pacific/Honolulu",
    "Europe/London",
    "Australia/Sydney",
    "Australia/Perth",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Asia/Seoul",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Jakarta",
    "Asia/Jayapura",
    "Asia/Manila",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_DAY = date(1970, 1, 1)
A_DAY = 1440


@cache
def book() -> Book:
    return Book(load_rules(CONTENT))


# ── The other reader ─────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def read(kind: str, name: str) -> dict[str, Any]:
    path = CONTENT / kind / f"{name}.yaml"
    found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    assert isinstance(found, dict)
    return found


@cache
def rules_of(section: str, place: str, capacity: str, own: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    code: str | None = place
    while code:
        pack = read("packs", code.lower())
        sources = [pack, read("policies", code.lower())] if own else [pack]
        found += [rule for source in sources for rule in source.get(section, ())]
        code = pack.get("extends")
    return [rule for rule in found if capacity in rule.get("capacity", ("creditor", "servicer", "collector"))]


@cache
def offset(zone: str, quarter: int) -> int:
    """Minutes that the clock is ahead of UTC in a quarter of an hour."""
    moment = (EPOCH + timedelta(minutes=15 * quarter)).astimezone(ZoneInfo(zone)).utcoffset()
    assert moment is not None
    return int(moment.total_seconds()) // 60


def local(zone: str, minute: int) -> tuple[int, int]:
    """The day since 1970 on the local clock, and the minute of it."""
    return divmod(minute + offset(zone, minute // 15), A_DAY)


def is_in_force(rule: dict[str, Any], day: int) -> bool:
    today = FIRST_DAY + timedelta(days=day)
    return bool(rule.get("effective_on", date.min) <= today <= rule.get("effective_until", date.max))


def value(rule: dict[str, Any], name: str, day: int) -> Any:
    """What holds on a day, of one value or of several by date; None: nothing yet."""
    said = rule[name]
    if not isinstance(said, dict) or not all(isinstance(key, date) for key in said):
        return said
    today = FIRST_DAY + timedelta(days=day)
    begun = [key for key in said if key <= today]
    return said[max(begun)] if begun else None


@cache
def hours_on(
    section: str, place: str, capacity: str, own: bool, number: int, day: int, law_day: int
) -> tuple[int, int] | None:
    """The hours of a rule on a local day, as the law stands on `law_day`: (0, a day) where it says nothing."""
    rule = rules_of(section, place, capacity, own)[number]
    week = value(rule, "allowed", law_day)
    if week is None or not is_in_force(rule, law_day):
        return (0, A_DAY)
    today = FIRST_DAY + timedelta(days=day)
    text = week.get("daily") or week[("mon", "tue", "wed", "thu", "fri", "sat", "sun")[today.weekday()]]
    if "holidays" in rule and today in read("calendars", rule["holidays"])["days"]:
        text = rule.get("on_holidays", "none")
    if text == "none":
        return None
    opens, closes = ((int(clock[:2]) * 60 + int(clock[3:])) for clock in text.split("-"))
    return opens, closes


def about(rule: dict[str, Any], purpose: str, channel: str) -> bool:
    channels = rule.get("channels", ["any"])
    return purpose in rule["purposes"] and ("any" in channels or channel in channels)


@dataclass(frozen=True)
class Asked:
    place: str
    purpose: str
    channel: str
    at: int
    zones: tuple[str, ...]
    days_overdue: int = 0
    capacity: str = "collector"
    own: bool = False
    consents: frozenset[str] | None = None
    contacts: tuple[tuple[int, str, str], ...] = field(default=())

    @property
    def given(self) -> frozenset[str]:
        """In the packs' words; None: all that a purpose asks for."""
        if self.consents is None:
            return frozenset(PURPOSES.values())
        return frozenset(PURPOSES.get(name, name) for name in self.consents)

    def question(self, hours_east: float = 0) -> dict[str, Any]:
        def written(minute: int) -> str:
            return (EPOCH + timedelta(minutes=minute)).astimezone(timezone(timedelta(hours=hours_east))).isoformat()

        asked = {
            "jurisdiction": self.place,
            "purpose": self.purpose,
            "channel": self.channel,
            "at": written(self.at),
            "zones": self.zones,
            "days_overdue": self.days_overdue,
            "capacity": self.capacity,
            "own": self.own,
            "contacts": [{"at": written(at), "channel": channel, "purpose": why} for at, channel, why in self.contacts],
            "consents": True if self.consents is None else sorted(self.consents),
        }
        found = json.loads(json.dumps(asked))
        assert isinstance(found, dict)
        return found


def reader(asked: Asked) -> Callable[[int], bool]:
    """Whether a minute is allowed, with what does not change from minute to minute prepared."""
    purpose, channel = PURPOSES[asked.purpose], CHANNELS[asked.channel]

    def rules(section: str) -> list[dict[str, Any]]:
        return rules_of(section, asked.place, asked.capacity, asked.own)

    hours: list[int] = []
    for number, rule in enumerate(rules("hours")):
        unless = rule.get("unless", {})
        waived = asked.days_overdue > unless.get("days_overdue_over", 10**9) or unless.get("consent") in asked.given
        every_hour = channel == "letter" and "letter" not in rule.get("channels", ())
        if about(rule, purpose, channel) and not waived and not every_hour:
            hours.append(number)
    caps = [
        (rule, sorted(at for at, by, why in asked.contacts if about(rule, PURPOSES[why], CHANNELS[by])))
        for rule in rules("caps")
        if about(rule, purpose, channel)
    ]
    consents = [rule for rule in rules("consents") if about(rule, purpose, channel) and purpose not in asked.given]
    bans = [
        rule
        for rule in rules("bans")
        if about(rule, purpose, channel) and asked.days_overdue >= rule.get("from_days_overdue", -(10**9))
    ]

    def is_full(rule: dict[str, Any], contacts: list[int], minute: int, days: set[int]) -> bool:
        counts = [value(rule, "count", day) for day in days if is_in_force(rule, day)]
        most = min((count for count in counts if count is not None), default=None)
        if most is None:
            return False
        if rule["basis"] == "rolling":
            return sum(at > minute - int(rule["days"]) * A_DAY for at in contacts) >= int(most)
        return any(
            sum(local(zone, at)[0] == local(zone, minute)[0] for at in contacts) >= int(most) for zone in asked.zones
        )

    def allows(minute: int) -> bool:
        clocks = [local(zone, minute) for zone in asked.zones]
        days = {day for day, _ in clocks}
        for number in hours:
            for law_day in days:
                for day, clock in clocks:
                    found = hours_on("hours", asked.place, asked.capacity, asked.own, number, day, law_day)
                    if found is None or not found[0] <= clock < found[1]:
                        return False
        if any(is_in_force(rule, day) for rule in (*consents, *bans) for day in days):
            return False
        return not any(is_full(rule, contacts, minute, days) for rule, contacts in caps)

    return allows


# ── What is asked ────────────────────────────────────────────────────────────────────────────────────────────────────

#: Where hours and days begin and end, and a minute beside it; or any minute at all.
clocks = st.one_of(
    st.tuples(st.sampled_from((0, 360, 450, 480, 540, 600, 1140, 1200, 1260, 1320)), st.integers(-1, 1)).map(sum),
    st.integers(0, A_DAY - 1),
)
#: A law begins, the clocks change, holidays; or any day.
days = st.one_of(
    st.sampled_from(
        [
            date(2026, 1, 29),
            date(2026, 3, 7),
            date(2026, 8, 31),
            date(2026, 10, 3),
            date(2026, 10, 31),
            date(2026, 12, 24),
            date(2027, 1, 25),
            date(2027, 4, 3),
            date(2026, 3, 20),
            date(2024, 10, 16),
            date(2022, 8, 11),
        ]
    ),
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
)


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    zones = tuple(draw(st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True)))
    day = draw(days)
    at = minute_of(day, draw(clocks), zones[0]) + A_DAY * draw(st.integers(0, 1))
    purpose = draw(st.one_of(st.just("collection"), st.sampled_from(sorted(PURPOSES))))
    channel = draw(st.sampled_from(("sms", "email", "voice", "push", "whatsapp", "letter")))
    near = st.integers(0, 9) | st.integers(0, 34)
    contacts = draw(
        st.lists(
            st.tuples(
                st.builds(lambda back, clock: minute_of(day, clock, zones[0]) - A_DAY * back, near, clocks),
                st.one_of(st.just(channel), st.sampled_from(sorted(CHANNELS))),
                st.one_of(st.just(purpose), st.sampled_from(sorted(PURPOSES))),
            ),
            max_size=14,
        )
    )
    return Asked(
        place=draw(st.sampled_from(PLACES)),
        purpose=purpose,
        channel=channel,
        at=at,
        zones=zones,
        days_overdue=draw(st.sampled_from((0, 0, 0, 1, 15, 16, 90))),
        capacity=draw(st.sampled_from(("collector", "collector", "creditor", "servicer"))),
        own=draw(st.booleans()),
        consents=draw(
            st.none()
            | st.frozensets(
                st.sampled_from(("collection", "promotion", "reminder", "any_hour", "night_marketing")), max_size=4
            )
        ),
        contacts=tuple(contacts),
    )


def minute_of(day: date, clock: int, zone: str) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    return int((midnight - EPOCH).total_seconds()) // 60 + clock


def next_minute(said: dict[str, Any]) -> int | None:
    if said["next_allowed_at"] is None:
        return None
    passed = datetime.fromisoformat(said["next_allowed_at"]) - EPOCH
    assert passed % timedelta(minutes=1) == timedelta(0)
    return passed // timedelta(minutes=1)


# ── What has to hold ─────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=300, deadline=None)
@given(questions())
def test_the_answer_is_the_packs_and_the_next_moment_is_the_first(asked: Asked) -> None:
    said, allows = answer(book(), asked.question()), reader(asked)
    assert said["allowed"] is allows(asked.at)
    following = next_minute(said)
    if following is None:
        assert not any(map(allows, minutes_of_doubt(asked.at)))
        return
    assert following >= asked.at
    assert said["allowed"] is (following == asked.at)
    assert allows(following)
    assert not any(map(allows, range(asked.at, following)))
    again = answer(book(), {**asked.question(), "at": said["next_allowed_at"]})
    assert (again["allowed"], next_minute(again)) == (True, following)


def minutes_of_doubt(at: int) -> Iterator[int]:
    yield from range(at, at + 2 * A_DAY)
    yield from range(at, at + 40 * A_DAY, 30)


@settings(max_examples=150, deadline=None)
@given(questions(), st.sampled_from(ZONES), st.data())
def test_who_knows_more_of_a_person_is_never_allowed_more(asked: Asked, zone: str, data: st.DataObject) -> None:
    before, given = answer(book(), asked.question()), asked.consents or frozenset()
    contact = data.draw(
        st.tuples(
            st.integers(asked.at - 9 * A_DAY, asked.at), st.sampled_from(sorted(CHANNELS)), st.just(asked.purpose)
        )
    )
    asked_again = [
        {**asked.question(), "zones": [*dict.fromkeys((*asked.zones, zone))]},
        {**asked.question(), "contacts": [*asked.question()["contacts"], *with_contact(contact)]},
        *({**asked.question(), "consents": sorted(given - {name})} for name in given),
        {**asked.question(), "consents": False},
        {**asked.question(), "own": True},
    ]
    for question in asked_again:
        said = answer(book(), question)
        assert before["allowed"] or not said["allowed"]
        first, second = next_minute(before), next_minute(said)
        assert second is None or (first is not None and second >= first)


def with_contact(contact: tuple[int, str, str]) -> list[dict[str, Any]]:
    found = Asked("CN", "collection", "sms", 0, ("UTC",), contacts=(contact,)).question()["contacts"]
    assert isinstance(found, list)
    return found


@settings(max_examples=100, deadline=None)
@given(questions(), st.sampled_from((-11.0, -3.5, 5.75, 14.0)))
def test_a_moment_is_the_same_however_it_is_written(asked: Asked, hours_east: float) -> None:
    assert answer(book(), asked.question()) == answer(book(), asked.question(hours_east))


@settings(max_examples=100, deadline=None)
@given(questions(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_told_does_not_matter(asked: Asked, random: Any) -> None:
    assume(len(asked.zones) + len(asked.contacts) > 2)
    question = asked.question()
    shuffled = {
        **question,
        "zones": question["zones"][::-1],
        "contacts": random.sample(question["contacts"], len(question["contacts"])),
    }
    one, other = answer(book(), question), answer(book(), shuffled)
    assert (one["allowed"], sorted(one["rule_ids"]), next_minute(one)) == (
        other["allowed"],
        sorted(other["rule_ids"]),
        next_minute(other),
    )
