"""From what somebody calls a place to the pack that holds there, and the days on which its rules change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from dunlin.content.resolve import layers_of, lineage
from dunlin.content.schema import CapModel, HoursModel, NamedRule, PackModel, PolicyModel
from dunlin.errors import InvalidInput

_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """`code`: the pack that holds; empty where nobody reviewed the law. `zones`: all that somebody there may be in."""

    code: str
    zones: tuple[str, ...]
    is_draft: bool


NOBODY_REVIEWED = Place("", (), is_draft=False)


def find_place(packs: Mapping[str, PackModel], jurisdiction: str, region: str = "") -> Place:
    """The place called `US-MA`, or `US` and the region `MA`; a region's full code is understood too.

    A country that has no pack, and a region that its country lists as unreviewed, is a place that nobody reviewed, also
    while somebody drafts a pack for it.

    Raises:
        InvalidInput: the jurisdiction is no code of one, or the region is not one of the country's.
    """
    code, part = jurisdiction.strip().upper(), region.strip().upper()
    if not _CODE.fullmatch(code):
        raise InvalidInput("jurisdiction", "must be the code of a place, such as CN or US-MA")
    country, _, own_part = code.partition("-")
    part = part.removeprefix(f"{code}-").removeprefix(f"{country}-")
    if country not in packs:
        return NOBODY_REVIEWED
    if not own_part:
        return _region(packs, country, part, "region") if part else _place(packs, country)
    place = _region(packs, country, own_part, "jurisdiction")
    if part in ("", own_part) or not place.code:
        return place
    # A part of a part: New York City in New York, where the city's rules hold in the whole state.
    if f"{country}-{part}" in {pack.jurisdiction for pack in lineage(packs, place.code)}:
        return place
    raise InvalidInput("region", f"{part} is not a region of {code}")


def regions(packs: Mapping[str, PackModel], country: str) -> list[str]:
    """The regions of a country that are known by name, reviewed or not."""
    with_packs = {code.partition("-")[2] for code in packs if code.startswith(f"{country}-")}
    return sorted({*packs[country].regions, *with_packs})


def days_of_change(packs: Mapping[str, PackModel], policies: Mapping[str, PolicyModel], code: str) -> tuple[date, ...]:
    """The days on which a rule that stops messages begins, ends or takes another value there, in order."""
    days: set[date] = set()
    for layer in layers_of(packs, policies, code):
        rules: tuple[NamedRule, ...] = (*layer.hours, *layer.caps, *layer.consents, *layer.verifications, *layer.bans)
        for rule in rules:
            days.update(_days(rule))
    return tuple(sorted(days))


def _days(rule: NamedRule) -> Iterator[date]:
    if rule.effective_on is not None:
        yield rule.effective_on
    if rule.effective_until is not None and rule.effective_until < date.max:
        yield rule.effective_until + _DAY
    match rule:
        case HoursModel():
            values: Iterator[date] = iter(rule.allowed)
        case CapModel():
            values = iter(rule.count)
        case _:
            return
    yield from (day for day in values if day > date.min)


def _region(packs: Mapping[str, PackModel], country: str, part: str, field: str) -> Place:
    listed = packs[country].regions.get(part)
    if listed == "unreviewed":
        return NOBODY_REVIEWED
    if f"{country}-{part}" in packs:
        return _place(packs, f"{country}-{part}")
    if listed == "same":
        return _place(packs, country)
    known = regions(packs, country)
    raise InvalidInput(
        field, f"{part} is not a region of {country}" + (f": {', '.join(known)}" if known else ", which has none")
    )


def _place(packs: Mapping[str, PackModel], code: str) -> Place:
    family = list(lineage(packs, code))
    zones = next((pack.zones for pack in family if pack.zones), ())
    return Place(code, zones, is_draft=any(pack.status == "draft" for pack in family))
