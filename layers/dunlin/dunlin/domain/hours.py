"""When a message may be felt: local hours, in every zone the borrower may be in.

A window is a half-open interval of UTC instants. Local times are turned into instants day by day, so a day with 23 or
25 hours needs no special case: 08:00 is 08:00 on the borrower's clock.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dunlin.domain.policy import Hours, HoursRule
from dunlin.domain.words import Purpose

Week = tuple[Hours, ...]
Window = tuple[datetime, datetime]
SpansOfDay = tuple[tuple[int, int], ...]


class Opening(NamedTuple):
    """The hours of a week, and of the holidays in it. A set of dates keeps its own hash: asking again is cheap."""

    week: Week
    on_holidays: Hours = None
    holidays: frozenset[date] = frozenset()

    def on(self, day: date) -> Hours:
        return self.on_holidays if day in self.holidays else self.week[day.weekday()]

    def spans(self, day: date) -> SpansOfDay:
        hours = self.on(day)
        return () if hours is None else (hours,)


class Around(NamedTuple):
    """The hours around what a person wants quiet: a day can have several stretches."""

    week: tuple[SpansOfDay, ...]

    def spans(self, day: date) -> SpansOfDay:
        return self.week[day.weekday()]


_DAY = timedelta(days=1)
#: A closed week still ends somewhere: no jurisdiction closes longer than this.
_HORIZON_DAYS = 15
_NEVER = datetime.max.replace(tzinfo=UTC)


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The zone, loaded once (`ZoneInfo` itself caches, but pays for the path check each time)."""
    return ZoneInfo(name)


@lru_cache(maxsize=65536)
def local_date(instant: datetime, zone_name: str) -> date:
    return instant.astimezone(zone(zone_name)).date()


def at_local(day: date, minutes: int, zone_name: str) -> datetime:
    """The UTC instant at which the local clock shows `minutes` after midnight of `day` (1440: the next midnight)."""
    if minutes >= 1440:
        day, minutes = day + _DAY, minutes - 1440
    local = datetime.combine(day, time(minutes // 60, minutes % 60), zone(zone_name))
    return local.astimezone(UTC)


def opening_of(rule: HoursRule) -> Opening:
    return Opening(rule.week, rule.on_holidays, rule.holidays)


def openings_for(
    rules: Iterable[HoursRule],
    purpose: Purpose,
    channel: str,
    *,
    days_overdue: int = 0,
    consents: Container[str] = frozenset(),
) -> tuple[Opening, ...]:
    """The hours of the rules that bind this purpose on this channel."""
    return tuple(opening_of(rule) for rule in rules if rule.binds(purpose, channel, days_overdue, consents))


def closing_rules(
    rules: Iterable[HoursRule],
    purpose: Purpose,
    channel: str,
    zones: tuple[str, ...],
    now: datetime,
    margin: timedelta,
    *,
    days_overdue: int = 0,
    consents: Container[str] = frozenset(),
) -> tuple[str, ...]:
    """The ids of the rules outside whose hours `now` is, the one that opens last first."""
    closed: list[tuple[datetime, str]] = []
    for rule in rules:
        if rule.binds(purpose, channel, days_overdue, consents):
            window = next_window((opening_of(rule),), zones, now, margin)
            if window is None or window[0] > now:
                closed.append((window[0] if window is not None else _NEVER, rule.rule_id))
    return tuple(rule_id for _, rule_id in sorted(closed, key=lambda found: found[0], reverse=True))


@lru_cache(maxsize=16384)
def _windows_around(openings: tuple[Opening | Around, ...], zones: tuple[str, ...], day: date) -> tuple[Window, ...]:
    """The open windows between the day before and two days after `day` (UTC), merged where they touch."""
    start = datetime.combine(day - _DAY, time(), UTC)
    opened: list[Window] = [(start, start + 4 * _DAY)]
    for zone_name in zones:
        for opening in openings:
            own: list[Window] = []
            for offset in range(-2, 5):
                local_day = day + offset * _DAY
                for opens, closes in opening.spans(local_day):
                    begin, end = at_local(local_day, opens, zone_name), at_local(local_day, closes, zone_name)
                    if own and own[-1][1] == begin:
                        own[-1] = (own[-1][0], end)
                    else:
                        own.append((begin, end))
            opened = [
                (max(begin, other_begin), min(end, other_end))
                for begin, end in opened
                for other_begin, other_end in own
                if max(begin, other_begin) < min(end, other_end)
            ]
    return tuple(opened)


def next_window(
    openings: tuple[Opening | Around, ...], zones: tuple[str, ...], now: datetime, margin: timedelta
) -> Window | None:
    """The window open at `now` with at least `margin` left, or else the next one; None if there is none in two weeks.

    With no rules every hour is open.
    """
    if not openings:
        return (now, now + 3 * _DAY)
    today = now.date()
    for offset in range(_HORIZON_DAYS):
        for begin, end in _windows_around(openings, zones, today + offset * _DAY):
            if end - margin >= max(now, begin):
                return (max(begin, now), end) if begin <= now else (begin, end)
    return None


def is_open(openings: tuple[Opening | Around, ...], zones: tuple[str, ...], begin: datetime, end: datetime) -> bool:
    """Whether all of [begin, end] lies in one window: from hand-over to the latest possible delivery."""
    window = next_window(openings, zones, begin, timedelta(0))
    return window is not None and window[0] <= begin and end <= window[1]
