"""`dunlin allowed`: whether the rules of a place let somebody be contacted, answered as JSON.

One question on the command line, or one a line. What a question leaves out is taken the strict way: the capacity is a
collector, every zone of the place must allow. Only the consent to a purpose is taken as given, since nobody is asked
about a person; a consent to be contacted at any hour is not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from dunlin.content import Rules, load_rules
from dunlin.content.places import days_of_change, find_place
from dunlin.content.schema import ALL_CAPACITIES, Capacity
from dunlin.domain.allowed import THE_LOAN, Change, Question, consider
from dunlin.domain.borrower import Contact
from dunlin.domain.hours import zone as zone_of
from dunlin.domain.policy import Pack
from dunlin.domain.words import Purpose
from dunlin.errors import ContentError, InvalidInput

from local.commands.lines import answers, write_answers

CONTENT = Path(__file__).resolve().parents[2] / "layers" / "content"
PURPOSES: Mapping[str, Purpose] = {
    "service": Purpose.SERVICE,
    "reminder": Purpose.SERVICING,
    "collection": Purpose.COLLECTION,
    "mandatory_notice": Purpose.MANDATORY,
    "promotion": Purpose.MARKETING,
    "reply": Purpose.REPLY,
}
CHANNELS: Mapping[str, str] = {
    **dict.fromkeys(("voice", "call"), "call"),
    **{
        name: name
        for name in ("sms", "email", "push", "wechat", "whatsapp", "letter", "voicemail", "visit", "agent", "agency")
    },
}
#: Nobody reviewed the law there, so nobody there is contacted.
UNREVIEWED = "unreviewed"
_FIELDS = frozenset(
    {
        "jurisdiction",
        "region",
        "purpose",
        "channel",
        "at",
        "zones",
        "zone",
        "days_overdue",
        "capacity",
        "contacts",
        "consents",
        "own",
    }
)
_YEARS = range(1990, 2101)
T = TypeVar("T")


@dataclass
class Book:
    """Rules to be asked many times: what holds in a place, from its first day to its last change, is made once."""

    rules: Rules
    _known: dict[tuple[str, Capacity, bool], tuple[Pack, tuple[Change, ...]]] = field(default_factory=dict)

    def law(self, code: str, capacity: Capacity, *, own: bool) -> tuple[Pack, tuple[Change, ...]]:
        """The rules before the first change, and what each change makes of them."""
        key = (code, capacity, own)
        if key not in self._known:
            days = days_of_change(self.rules.packs, self.rules.policies if own else {}, code)
            first, *later = (self.rules.law(code, day, capacity, own=own) for day in (date.min, *days))
            assert first is not None
            self._known[key] = (first, tuple((day, pack) for day, pack in zip(days, later, strict=True) if pack))
        return self._known[key]


def run(directory: Path | None, asked: Mapping[str, Any], *, jsonl: bool) -> int:
    """Answer what stands on the command line, or every line of standard input, where what a line leaves out is what
    stands on the command line. The exit code: 2 for what is no question at all."""
    try:
        said = {**asked, "contacts": list(_typed(asked.get("contacts") or ()))}
        book = Book(load_rules(directory or CONTENT))
        if jsonl:
            return write_answers(answers(sys.stdin.buffer, answering(book, said)), sys.stdout)
        found = answer(book, said)
    except (InvalidInput, ContentError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _typed(contacts: Iterable[str]) -> Iterator[dict[str, str]]:
    for number, text in enumerate(contacts):
        words = text.split()
        if not 2 <= len(words) <= 3:
            raise InvalidInput(f"contacts[{number}]", "must be a time, a channel and, if it is another, a purpose")
        yield dict(zip(("at", "channel", "purpose"), words, strict=False))


def answer(book: Book, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one question; a field that is null is left out.

    Raises:
        InvalidInput: a field of the question is missing, unknown or not what it should be.
    """
    for name in asked:
        if name not in _FIELDS:
            raise InvalidInput(name, f"is not asked about; there are {', '.join(sorted(_FIELDS))}")
    asked = {name: value for name, value in asked.items() if value is not None}
    place = find_place(book.rules.packs, _text(asked, "jurisdiction"), _text(asked, "region", ""))
    purpose = _one_of(PURPOSES, _text(asked, "purpose"), "purpose")
    channel = _one_of(CHANNELS, _text(asked, "channel"), "channel")
    zones = _zones(asked) or place.zones or ("UTC",)
    capacity = _capacity(_text(asked, "capacity", "collector"))
    own = asked.get("own", False)
    if not isinstance(own, bool):
        raise InvalidInput("own", "must be true or false")
    question = Question(
        purpose=purpose,
        channel=channel,
        at=_moment(_text(asked, "at"), zones, "at"),
        zones=zones,
        days_overdue=_days(asked.get("days_overdue", 0)),
        contacts=tuple(_contacts(asked.get("contacts", ()), purpose, zones)),
        consents=_consents(asked.get("consents", True)),
    )
    if not place.code:
        return {"allowed": False, "rule_ids": [UNREVIEWED], "next_allowed_at": None}
    first, changes = book.law(place.code, capacity, own=own)
    _know_the_holidays((first, *(pack for _, pack in changes)), question)
    verdict = consider(first, question, changes)
    following = verdict.next_allowed_at
    said: dict[str, Any] = {
        "allowed": verdict.allowed,
        "rule_ids": list(verdict.rule_ids),
        "next_allowed_at": following.astimezone(zone_of(zones[0])).isoformat() if following is not None else None,
    }
    if place.is_draft:
        said["draft"] = True
    return said


def _know_the_holidays(packs: Iterable[Pack], ask: Question) -> None:
    """Beyond its last year a calendar is empty, and every holiday would be a working day."""
    for pack in packs:
        for rule in pack.hours:
            if rule.holidays and rule.is_about(ask.purpose, ask.channel):
                first, last = min(rule.holidays).year, max(rule.holidays).year
                if not first <= ask.at.year <= last:
                    raise InvalidInput("at", f"must be in the years {first} to {last}, of which the holidays are known")


def answering(book: Book, defaults: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Answers a question, with `defaults` for what it leaves out."""
    return lambda asked: answer(book, _with_defaults(asked, defaults))


def _with_defaults(asked: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """`zone` is another word for `zones`: who says one does not mean the other."""
    if "zone" in asked:
        defaults = {name: value for name, value in defaults.items() if name != "zones"}
    return {**defaults, **asked}


def _text(asked: Mapping[str, Any], field: str, default: str | None = None) -> str:
    value = asked.get(field)
    if value is None:
        if default is None:
            raise InvalidInput(field, "is missing")
        return default
    if not isinstance(value, str):
        raise InvalidInput(field, "must be a text")
    return value


def _one_of(known: Mapping[str, T], value: str, field: str) -> T:
    try:
        return known[value]
    except KeyError:
        raise InvalidInput(field, f"must be one of {', '.join(known)}") from None


def _capacity(value: str) -> Capacity:
    for capacity in ALL_CAPACITIES:
        if value == capacity:
            return capacity
    raise InvalidInput("capacity", f"must be one of {', '.join(sorted(ALL_CAPACITIES))}")


def _days(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -36500 <= value <= 36500:
        raise InvalidInput("days_overdue", "must be a whole number of days")
    return value


def _zones(asked: Mapping[str, Any]) -> tuple[str, ...]:
    value = asked.get("zones", asked.get("zone"))
    if value is None:
        return ()
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple):
        raise InvalidInput("zones", "must be a list of time zones, such as America/New_York")
    for number, name in enumerate(names):
        try:
            ZoneInfo(name)
        except (ValueError, TypeError, OSError, LookupError):
            raise InvalidInput(f"zones[{number}]", "must be a time zone, such as America/New_York") from None
    return tuple(dict.fromkeys(names))


def _moment(value: str, zones: tuple[str, ...], field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        if len(value) <= len("2026-11-23"):
            raise ValueError("a day is no moment")
    except ValueError:
        raise InvalidInput(field, "must be an ISO 8601 time, such as 2026-11-23T08:00:00-05:00") from None
    if moment.year not in _YEARS:
        raise InvalidInput(field, f"must be in the years {_YEARS[0]} to {_YEARS[-1]}")
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if len(zones) != 1:
        raise InvalidInput(field, "needs its offset from UTC where several zones are possible")
    return moment.replace(tzinfo=ZoneInfo(zones[0])).astimezone(UTC)


def _contacts(value: object, purpose: Purpose, zones: tuple[str, ...]) -> Iterator[Contact]:
    if not isinstance(value, list | tuple):
        raise InvalidInput("contacts", "must be a list of {at, channel, purpose}")
    for number, item in enumerate(value):
        field = f"contacts[{number}]"
        if not isinstance(item, dict):
            raise InvalidInput(field, "must be an object with at, channel and purpose")
        for name in item:
            if name not in ("at", "channel", "purpose"):
                raise InvalidInput(f"{field}.{name}", "is not known; a contact has at, channel and purpose")
        try:
            at = _moment(_text(item, "at"), zones, f"{field}.at")
            channel = _one_of(CHANNELS, _text(item, "channel"), f"{field}.channel")
            said = item.get("purpose")
            about = purpose if said is None else _one_of(PURPOSES, _text(item, "purpose"), f"{field}.purpose")
        except InvalidInput as mistake:
            if mistake.field.startswith("contacts"):
                raise
            raise InvalidInput(f"{field}.{mistake.field}", mistake.problem) from None
        yield Contact(f"asked/{number}", at, at, channel, about, (THE_LOAN,))


def _consents(value: object) -> frozenset[str]:
    """True: everything a purpose asks for. A list: these purposes, and the special consents that a pack names."""
    if isinstance(value, bool):
        return frozenset(Purpose) if value else frozenset()
    if isinstance(value, dict):
        if not all(isinstance(given, bool) for given in value.values()):
            raise InvalidInput("consents", "must say true or false of each")
        value = [name for name, given in value.items() if given]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise InvalidInput("consents", "must be a list of purposes, or true or false for all of them")
    return frozenset(str(PURPOSES.get(name, name)) for name in value)
