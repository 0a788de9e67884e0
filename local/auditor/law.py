"""The auditor's own table of legal limits, and how it reads the lender's.

Written down here a second time on purpose: a limit that was mistyped in a policy pack must not be its own judge. From
the packs come only what the lender set for itself (confidence `own`) and how old a balance may be.

Marks: P read in a primary text, S secondary source. Hours bind every message that is not the answer to a borrower's
text, before the due date too: whether a reminder is collection is not a question to settle at ten in the evening.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

EVERYTHING = frozenset({"servicing", "collection", "mandatory", "marketing"})
ANY_CHANNEL = frozenset({"any"})
Week = tuple[tuple[int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """Local hours by weekday (0 = Monday), in minutes after midnight. At the closing minute they are over.

    Several of the texts read "after 9 p.m.", so that 21:00:00 itself would still do. The lender does not use that
    second, which nobody could defend on a telephone's clock, and is held to it here.
    """

    rule: str
    week: Week
    source: str
    purposes: frozenset[str] = EVERYTHING
    legal: bool = True


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` accepted contacts in `days` rolling days, or on one local calendar day."""

    rule: str
    count: int
    days: int
    per: str  # debtor | loan
    source: str
    channels: frozenset[str] = ANY_CHANNEL
    purposes: frozenset[str] = EVERYTHING
    calendar: bool = False
    legal: bool = True
    effective_on: date | None = None

    def counts(self, channel: str, purpose: str) -> bool:
        return ("any" in self.channels or channel in self.channels) and purpose in self.purposes


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that binds in one jurisdiction."""

    hours: tuple[Hours, ...]
    caps: tuple[Cap, ...]
    balance_max_age: timedelta
    reviewed: bool


def _daily(begin: int, end: int) -> Week:
    return ((begin * 60, end * 60),) * 7


_HOURS: Mapping[str, tuple[Hours, ...]] = {
    # The ban is 22:00-08:00: at 22:00:00 it has begun.
    "CN": (Hours("cn.quiet_hours", _daily(8, 22), "China Banking Association guidance 2026-01-30 (S)"),),
    # Inconvenient are times before 8 a.m. and after 9 p.m.
    "US": (Hours("us.quiet_hours", _daily(8, 21), "12 CFR 1006.6(b)(1)(i) (P)"),),
    # No hours in the rules, only "not at unreasonable times": a narrow reading of it.
    "GB": (Hours("gb.quiet_hours", _daily(8, 21), "FCA CONC 7.9 (P, no figures)"),),
    "AU": (Hours("au.quiet_hours", ((450, 1260),) * 5 + ((540, 1260),) * 2, "ASIC and ACCC RG 96 (P)"),),
    "KR": (Hours("kr.quiet_hours", _daily(8, 21), "Personal Debtors Act 2024-10-17 (unconfirmed)"),),
    "IN": (Hours("in.quiet_hours", _daily(8, 19), "RBI 2022-08-12 (S)"),),
    "ID": (Hours("id.quiet_hours", ((480, 1200),) * 6 + (None,), "POJK 22/2023 art. 62 (S)"),),
    "PH": (Hours("ph.quiet_hours", _daily(6, 22), "SEC MC 18/2019 (S)"),),
}
_TEXTS_AND_CALLS = frozenset({"sms", "mms", "call", "voice", "voicemail", "dialler", "agent", "agency"})
_CAPS: Mapping[str, tuple[Cap, ...]] = {
    "US-MA": (
        Cap(
            "us_ma.two_in_seven_days",
            count=2,
            days=7,
            per="loan",
            source="209 CMR 18.16(1), 940 CMR 7.04(1)(f) (P)",
            channels=_TEXTS_AND_CALLS,
            purposes=frozenset({"collection"}),
        ),
    ),
    "US-NY": (
        Cap(
            "us_ny_nyc.three_in_seven_days",
            count=3,
            days=7,
            per="loan",
            source="NYC DCWP rules, final 2026-02 (S)",
            purposes=frozenset({"collection"}),
            effective_on=date(2026, 9, 1),
        ),
    ),
    "AU": (
        Cap("au.three_a_week", count=3, days=7, per="loan", source="ASIC and ACCC RG 96 (P)"),
        Cap("au.ten_a_month", count=10, days=30, per="loan", source="ASIC and ACCC RG 96 (P)"),
    ),
    "KR": (
        Cap(
            "kr.seven_in_seven_days",
            count=7,
            days=7,
            per="loan",
            source="Personal Debtors Act 2024-10-17 (S)",
            purposes=EVERYTHING - {"mandatory"},
        ),
    ),
}

_EASTERN, _CENTRAL, _MOUNTAIN, _PACIFIC = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
)


def _codes(codes: str, zone: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(codes.split(), (zone,))


#: Zones that an area code indicates: the codes simulated borrowers may have, all with fictional 555-01xx numbers.
AREA_CODES: Mapping[str, tuple[str, ...]] = {
    **_codes(
        "201 202 203 207 212 215 216 301 302 305 315 317 330 347 401 404 407 410 412 413 434 470 475 508 513 516 518 "
        "561 585 603 607 609 610 614 617 631 646 678 703 704 716 717 718 732 757 770 774 781 786 802 803 804 813 845 "
        "848 857 862 908 910 914 917 919 929 937 941 954 973 978 984 332 339 351 680 838 934",
        _EASTERN,
    ),
    **_codes("313 586 734 248", "America/Detroit"),
    **_codes(
        "205 210 214 217 224 251 254 262 281 309 312 314 316 318 319 331 334 402 405 409 414 417 430 469 479 501 504 "
        "507 512 515 601 608 612 615 618 630 651 662 682 708 712 713 715 737 763 773 815 816 817 832 847 901 903 913 "
        "918 920 952 972 979",
        _CENTRAL,
    ),
    **_codes("303 307 385 406 435 505 575 719 720 801 970", _MOUNTAIN),
    **_codes("480 520 602 623 928", "America/Phoenix"),
    **_codes(
        "206 209 213 253 310 323 360 408 415 424 425 503 509 510 530 559 562 619 626 650 657 661 669 702 707 714 "
        "725 747 760 775 805 818 831 858 909 916 925 949 951 971 279 341 442 628 820",
        _PACIFIC,
    ),
    # Codes that lie in two zones: both must allow.
    "219": (_CENTRAL, _EASTERN),
    "574": (_EASTERN, _CENTRAL),
    "606": (_EASTERN, _CENTRAL),
    "812": (_EASTERN, _CENTRAL),
    "208": ("America/Boise", _PACIFIC),
    "270": (_CENTRAL, _EASTERN),
    "423": (_EASTERN, _CENTRAL),
    "541": (_PACIFIC, "America/Boise"),
    "605": (_CENTRAL, _MOUNTAIN),
    "701": (_CENTRAL, _MOUNTAIN),
    "850": (_CENTRAL, _EASTERN),
    "906": ("America/Detroit", "America/Menominee"),
    "907": ("America/Anchorage", "America/Adak"),
    "915": (_MOUNTAIN,),
    "808": ("Pacific/Honolulu",),
    "787": ("America/Puerto_Rico",),
    "939": ("America/Puerto_Rico",),
}


def number_zones(address: str) -> tuple[tuple[str, ...], bool]:
    """The zones a number indicates, and whether its prefix is known. Whatever has letters indicates none."""
    if re.search(r"[A-Za-z@_]", address):
        return (), True
    digits = re.sub(r"\D", "", address)
    if digits.startswith("1") and len(digits) == 11:
        zones = AREA_CODES.get(digits[1:4])
        return (zones, True) if zones else ((), False)
    for prefix, zone in (
        ("86", "Asia/Shanghai"),
        ("44", "Europe/London"),
        ("82", "Asia/Seoul"),
        ("91", "Asia/Kolkata"),
        ("63", "Asia/Manila"),
    ):
        if digits.startswith(prefix):
            return (zone,), True
    return (), False


def limits_for(jurisdiction: str, packs: Mapping[str, Any], default_max_age: timedelta) -> Limits:
    """The legal limits of a jurisdiction and of the country it lies in, and the lender's own out of the packs."""
    names = _with_country(jurisdiction)
    hours = [rule for name in names for rule in _HOURS.get(name, ())]
    caps = [rule for name in names for rule in _CAPS.get(name, ())]
    max_age: timedelta | None = None
    for document in packs.values():
        for pack in _packs_in(document):
            if "jurisdictions" in pack or not names_in(pack.get("jurisdiction")) & {*names, "*"}:
                continue  # a strategy binds whoever follows it, and nobody else: see `plans`
            hours.extend(own_hours(pack))
            caps.extend(_own_caps(pack))
            age = _find(pack, "balance_max_age_hours")
            if isinstance(age, int | float | str) and float(age) > 0:
                own_age = timedelta(hours=float(age))
                max_age = own_age if max_age is None else min(max_age, own_age)
    return Limits(tuple(hours), tuple(caps), max_age or default_max_age, reviewed=names[0] in _HOURS)


def referral_day(packs: Mapping[str, Any]) -> int | None:
    """From which day overdue a case goes to a person by itself, at the earliest; None where no strategy says so."""
    days = []
    for document in packs.values():
        stages = document.get("stages") if isinstance(document, dict) else None
        for stage in stages if isinstance(stages, list) else ():
            if isinstance(stage, dict) and stage.get("kind") == "referral":
                days.append(int(stage.get("offset_days", 0)))
    return min(days, default=None)


@dataclass(frozen=True, slots=True)
class Stop:
    """One row of the lender's table of stops: what it stops, for how long by itself, and whose word it is."""

    stops: frozenset[str]
    lasts: timedelta | None
    placed_by: frozenset[str]
    lifted_by: frozenset[str]


#: Names that cores have for the same people.
SAME_PEOPLE: Mapping[str, str] = {"agent": "staff", "counsel": "representative"}


def stops_in(packs: Mapping[str, Any]) -> dict[str, Stop]:
    """The table of stops among the files; empty where there is none. Nothing that a pack adds makes a stop weaker."""
    table: dict[str, Stop] = {}
    for document in packs.values():
        rows = document.get("stops") if isinstance(document, dict) else None
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("kind") and row.get("follows") != "loan_status":
                days = row.get("default_days")
                table[str(row["kind"])] = Stop(
                    _names(row.get("stops"), frozenset()),
                    timedelta(days=int(days)) if isinstance(days, int) else None,
                    _names(row.get("placed_by"), frozenset()),
                    _names(row.get("lifted_by"), frozenset()),
                )
    return table


def inside(rule: Hours, zone: ZoneInfo, begin: datetime, end: datetime) -> bool:
    """Whether all of [begin, end] is inside the hours of one local day. `end` is a limit that is not itself reached."""
    first, last = begin.astimezone(zone), end.astimezone(zone)
    if not instant_inside(rule, zone, begin):
        return False
    if first.date() != last.date():
        return False
    allowed = rule.week[first.weekday()]
    return allowed is not None and _seconds(last) <= allowed[1] * 60


def instant_inside(rule: Hours, zone: ZoneInfo, at: datetime) -> bool:
    """Whether something that happens at `at` happens inside the hours."""
    local = at.astimezone(zone)
    allowed = rule.week[local.weekday()]
    if allowed is None:
        return False
    seconds = _seconds(local)
    return allowed[0] * 60 <= seconds < allowed[1] * 60


def _seconds(local: datetime) -> float:
    return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6


def _with_country(jurisdiction: str) -> tuple[str, ...]:
    """`US-MA` is under `US` and `US-MA`."""
    parts = jurisdiction.split("-")
    return tuple("-".join(parts[: count + 1]) for count in range(len(parts)))


# ── The lender's own limits ──────────────────────────────────────────────────────────────────────────────────────────


def packs_of(jurisdiction: str, packs: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The files that have rules for a place, or for the country it lies in."""
    names = {*_with_country(jurisdiction), "*"}
    for document in packs.values():
        yield from (
            pack
            for pack in _packs_in(document)
            if "jurisdictions" not in pack and names_in(pack.get("jurisdiction")) & names
        )


def _packs_in(document: object) -> Iterable[Mapping[str, Any]]:
    if isinstance(document, dict):
        if "jurisdiction" in document or "jurisdictions" in document:
            yield document
        else:
            for value in document.values():
                yield from _packs_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from _packs_in(value)


def _find(document: object, name: str) -> object:
    if isinstance(document, dict):
        if name in document:
            value = document[name]
            return value.get("value") if isinstance(value, dict) else value
        for value in document.values():
            found = _find(value, name)
            if found is not None:
                return found
    return None


def _rules(pack: Mapping[str, Any], name: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    rules = pack.get(name, ())
    if isinstance(rules, dict) and ("source" in rules or "confidence" in rules):
        rules = [rules]  # a strategy has one rule of hours
    elif isinstance(rules, dict):
        rules = [{"rule_id": key, **value} for key, value in rules.items() if isinstance(value, dict)]
    for number, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and _confidence(rule) == "own":
            yield str(rule.get("rule_id") or rule.get("rule") or rule.get("id") or f"{name}[{number}]"), rule


def _confidence(rule: Mapping[str, Any]) -> str:
    source = rule.get("source")
    if isinstance(source, dict):
        return str(source.get("confidence", ""))
    return str(rule.get("confidence", ""))


def _names(value: object, default: frozenset[str]) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(str(item) for item in value) if isinstance(value, list) and value else default


def names_in(value: object) -> frozenset[str]:
    """A name, or several; none where nothing is said."""
    return _names(value, frozenset())


def _own_caps(pack: Mapping[str, Any]) -> Iterable[Cap]:
    for rule_id, rule in _rules(pack, "caps"):
        yield Cap(
            rule_id,
            count=int(rule["count"]),
            days=int(rule.get("days", 1)),
            per=str(rule.get("per", "debtor")),
            source="the lender's own policy",
            channels=_names(rule.get("channels"), ANY_CHANNEL),
            purposes=_names(rule.get("purposes"), EVERYTHING),
            calendar=str(rule.get("basis", "rolling")) == "calendar",
            legal=False,
            effective_on=_day(rule.get("effective_on")),
        )


def _day(value: object) -> date | None:
    if isinstance(value, date):
        return value
    return date.fromisoformat(value) if isinstance(value, str) else None


_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def own_hours(pack: Mapping[str, Any]) -> Iterable[Hours]:
    """The hours that the lender set for itself in a pack, a policy or a strategy."""
    for rule_id, rule in _rules(pack, "hours"):
        week = rule.get("allowed", rule.get("week"))
        if isinstance(week, dict):
            days = _named_days(week)
        elif isinstance(week, list) and len(week) == 7:
            days = list(week)
        else:
            days = [week if week is not None else [rule.get("open"), rule.get("close")]] * 7
        yield Hours(
            rule_id,
            tuple(_span(day) for day in days),
            "the lender's own policy",
            purposes=_names(rule.get("purposes"), EVERYTHING),
            legal=False,
        )


def _named_days(week: Mapping[Any, Any]) -> list[object]:
    """`daily` or `all`, `weekdays` and `weekends`, and single days, the closer name first."""
    named = {str(name).lower(): hours for name, hours in week.items()}
    days: list[object] = []
    for number, short in enumerate(_WEEKDAYS):
        names = (short, *(name for name in named if name.startswith(short)))
        group = "weekdays" if number < 5 else "weekends"
        found = next((name for name in (*names, group, "daily", "all") if name in named), None)
        days.append(named[found] if found is not None else None)
    return days


def _span(value: object) -> tuple[int, int] | None:
    if isinstance(value, str):
        value = re.split(r"\s*(?:-|–|to)\s*", value)
    if isinstance(value, dict):
        value = [value.get("open"), value.get("close")]
    if not isinstance(value, list | tuple) or len(value) != 2 or value[0] is None or value[1] is None:
        return None
    return _minutes(value[0]), _minutes(value[1])


def _minutes(value: object) -> int:
    if isinstance(value, int):
        return value  # YAML reads 21:00 without quotes as a sexagesimal number, which is the minutes after midnight
    hours, _, minutes = str(value).partition(":")
    return int(hours) * 60 + int(minutes or 0)
