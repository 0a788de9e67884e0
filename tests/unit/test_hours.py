"""Local hours as instants: both zones, closed days, days of 23 and 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from dunlin.domain.hours import Week, at_local, is_open, local_date, next_window, weeks_for
from dunlin.domain.policy import HoursRule
from dunlin.domain.words import Purpose

from tests.builders import ALL_DAY, NEW_YORK, NOW, OFFICE_HOURS, OWN, SHANGHAI

OFFICE: Week = OFFICE_HOURS  # nine to eight
WEEKDAYS: Week = (*OFFICE[:5], None, None)
CLOSED: Week = (None,) * 7
NONE = timedelta(0)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "minutes", "zone", "instant"),
    [
        ("2026-06-01", 540, NEW_YORK, "2026-06-01T13:00"),
        ("2026-06-01", 1440, NEW_YORK, "2026-06-02T04:00"),
        ("2026-03-08", 540, NEW_YORK, "2026-03-08T13:00"),
        ("2026-03-08", 150, NEW_YORK, "2026-03-08T07:30"),  # half past two does not exist: half past three
        ("2026-11-01", 90, NEW_YORK, "2026-11-01T05:30"),  # half past one comes twice: the first
        ("2026-06-01", 0, SHANGHAI, "2026-05-31T16:00"),
    ],
)
def test_a_local_time(day: str, minutes: int, zone: str, instant: str) -> None:
    assert at_local(date.fromisoformat(day), minutes, zone) == utc(instant)


def test_the_local_date() -> None:
    assert local_date(utc("2026-06-01T03:59"), NEW_YORK) == date(2026, 5, 31)
    assert local_date(utc("2026-06-01T04:00"), NEW_YORK) == date(2026, 6, 1)


@pytest.mark.parametrize(
    ("now", "weeks", "zones", "begin", "end"),
    [
        ("2026-06-01T15:00", (OFFICE,), (NEW_YORK,), "2026-06-01T15:00", "2026-06-02T00:00"),
        ("2026-06-01T12:00", (OFFICE,), (NEW_YORK,), "2026-06-01T13:00", "2026-06-02T00:00"),
        ("2026-06-02T00:00", (OFFICE,), (NEW_YORK,), "2026-06-02T13:00", "2026-06-03T00:00"),
        ("2026-06-05T23:55", (WEEKDAYS,), (NEW_YORK,), "2026-06-08T13:00", "2026-06-09T00:00"),
        ("2026-06-01T15:00", (OFFICE,), (NEW_YORK, "America/Los_Angeles"), "2026-06-01T16:00", "2026-06-02T00:00"),
        ("2026-06-01T15:00", (OFFICE, ALL_DAY), (NEW_YORK,), "2026-06-01T15:00", "2026-06-02T00:00"),
    ],
)
def test_the_next_window(now: str, weeks: tuple[Week, ...], zones: tuple[str, ...], begin: str, end: str) -> None:
    assert next_window(weeks, zones, utc(now), timedelta(minutes=12)) == (utc(begin), utc(end))


def test_days_that_touch_are_one_window() -> None:
    window = next_window((ALL_DAY,), (NEW_YORK,), NOW, NONE)
    assert window is not None
    assert window[0] == NOW
    assert window[1] - NOW > timedelta(days=1)


def test_a_week_without_hours() -> None:
    assert next_window((CLOSED,), (NEW_YORK,), NOW, NONE) is None
    assert not is_open((CLOSED,), (NEW_YORK,), NOW, NOW)
    assert next_window((OFFICE,), (NEW_YORK, SHANGHAI), NOW, NONE) is None  # they are never awake together


def test_without_rules_every_hour_is_open() -> None:
    assert next_window((), (NEW_YORK,), NOW, NONE) == (NOW, NOW + timedelta(days=3))
    assert is_open((), (NEW_YORK,), NOW, NOW + timedelta(hours=30))


def test_all_of_it_must_be_inside() -> None:
    eight = utc("2026-06-02T00:00")
    assert is_open((OFFICE,), (NEW_YORK,), NOW, eight)
    assert not is_open((OFFICE,), (NEW_YORK,), NOW, eight + timedelta(seconds=1))
    assert not is_open((OFFICE,), (NEW_YORK,), utc("2026-06-01T12:59"), NOW)


def test_only_rules_about_the_purpose_bind() -> None:
    rule = HoursRule("r", frozenset({Purpose.COLLECTION}), OFFICE, OWN)
    assert weeks_for((rule,), Purpose.COLLECTION) == (OFFICE,)
    assert weeks_for((rule,), Purpose.SERVICING) == ()
