"""Local hours as instants: both zones, closed days, days of 23 and 25 hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from dunlin.domain.hours import Opening, at_local, closing_rules, is_open, local_date, next_window, openings_for
from dunlin.domain.policy import HoursRule
from dunlin.domain.words import Purpose

from tests.builders import ALL_DAY as EVERY_HOUR
from tests.builders import NEW_YORK, NOW, OFFICE_HOURS, OWN, SHANGHAI

OFFICE = Opening(OFFICE_HOURS)  # nine to eight
WEEKDAYS = Opening((*OFFICE_HOURS[:5], None, None))
CLOSED = Opening((None,) * 7)
ALL_DAY = Opening(EVERY_HOUR)
NONE = timedelta(0)
COLLECTION = Purpose.COLLECTION


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
def test_the_next_window(now: str, weeks: tuple[Opening, ...], zones: tuple[str, ...], begin: str, end: str) -> None:
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


def a_rule(rule_id: str = "r", **changes: object) -> HoursRule:
    return replace(HoursRule(rule_id, frozenset({COLLECTION}), OFFICE_HOURS, OWN), **changes)  # type: ignore[arg-type]


def test_only_rules_about_the_purpose_bind() -> None:
    assert openings_for((a_rule(),), COLLECTION, "sms") == (OFFICE,)
    assert openings_for((a_rule(),), Purpose.SERVICING, "sms") == ()


def test_a_rule_is_about_its_channels_and_any_of_them_but_a_letter() -> None:
    for channel in ("sms", "email", "push", "call", "visit"):
        assert openings_for((a_rule(),), COLLECTION, channel) == (OFFICE,)
    assert openings_for((a_rule(),), COLLECTION, "letter") == ()  # nobody hears it fall through the door
    calls = a_rule(channels=frozenset({"call", "letter"}))
    assert openings_for((calls,), COLLECTION, "sms") == ()
    assert openings_for((calls,), COLLECTION, "letter") == (OFFICE,)


def test_a_rule_that_steps_back() -> None:
    old = a_rule(unless_days_over=15)
    assert openings_for((old,), COLLECTION, "sms", days_overdue=15) == (OFFICE,)
    assert openings_for((old,), COLLECTION, "sms", days_overdue=16) == ()
    agreed = a_rule(unless_consent="any_hour")
    assert openings_for((agreed,), COLLECTION, "sms", consents={"marketing"}) == (OFFICE,)
    assert openings_for((agreed,), COLLECTION, "sms", consents={"any_hour"}) == ()
    either = a_rule(unless_days_over=15, unless_consent="any_hour")
    assert openings_for((either,), COLLECTION, "sms", days_overdue=16) == ()
    assert openings_for((either,), COLLECTION, "sms", consents={"any_hour"}) == ()
    assert openings_for((either,), COLLECTION, "sms") == (OFFICE,)


def test_holidays_have_hours_of_their_own_or_none() -> None:
    monday = date(2026, 6, 1)
    closed, short = (
        Opening(OFFICE_HOURS, None, frozenset({monday})),
        Opening(OFFICE_HOURS, (600, 720), frozenset({monday})),
    )
    early = utc("2026-06-01T10:00")
    tuesday = (utc("2026-06-02T13:00"), utc("2026-06-03T00:00"))
    assert next_window((closed,), (NEW_YORK,), early, NONE) == tuesday
    assert next_window((short,), (NEW_YORK,), early, NONE) == (utc("2026-06-01T14:00"), utc("2026-06-01T16:00"))
    assert next_window((short,), (NEW_YORK,), utc("2026-06-01T16:01"), NONE) == tuesday
    # A day off is the borrower's: on Monday evening in New York it is Tuesday in Shanghai.
    assert next_window((closed,), (SHANGHAI,), utc("2026-06-01T22:00"), NONE) == (
        utc("2026-06-02T01:00"),
        utc("2026-06-02T12:00"),
    )


def test_the_rules_that_close_the_one_that_opens_last_first() -> None:
    rules = (
        a_rule("office"),
        a_rule("all_day", week=EVERY_HOUR),
        a_rule("never", week=(None,) * 7),
        a_rule("noon", week=((720, 1080),) * 7),
        a_rule("other", purposes=frozenset({Purpose.SERVICING}), week=(None,) * 7),
        a_rule("old", week=(None,) * 7, unless_days_over=3),
    )
    early = utc("2026-06-01T12:00")  # eight in New York

    def closing(at: datetime, days_overdue: int = 0) -> tuple[str, ...]:
        return closing_rules(rules, COLLECTION, "sms", (NEW_YORK,), at, NONE, days_overdue=days_overdue)

    assert closing(early, days_overdue=4) == ("never", "noon", "office")
    assert set(closing(early)) == {"never", "old", "noon", "office"}
    assert closing(utc("2026-06-01T17:00"), days_overdue=4) == ("never",)
