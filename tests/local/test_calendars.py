"""The holidays that are signed are the ones that the laws of the places make."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from dunlin.content import load_rules

from local.calendars import CALENDARS, calendar_text, write_calendars
from local.world import CONTENT


def days_in(text: str) -> list[str]:
    """The lines that say a day; the first line of a file names the version of the package."""
    return [line for line in text.splitlines() if line.startswith("  2")]


@pytest.mark.parametrize("name", sorted(CALENDARS))
def test_the_file_is_what_would_be_written(name: str) -> None:
    shipped = (CONTENT / "calendars" / f"{name}.yaml").read_text(encoding="utf-8")
    assert days_in(shipped) == days_in(calendar_text(name))
    assert len(days_in(shipped)) > 100


@pytest.mark.parametrize(
    ("name", "day", "is_holiday"),
    [
        ("au", date(2026, 1, 26), True),
        ("au", date(2026, 4, 3), True),  # Good Friday
        ("au", date(2026, 4, 6), True),
        ("au", date(2026, 4, 25), True),
        ("au", date(2026, 6, 8), False),  # the King's birthday is not on one day in every state
        ("au", date(2026, 12, 25), True),
        ("au", date(2026, 12, 28), True),  # Boxing Day falls on a Saturday
        ("au", date(2026, 12, 29), False),
        ("id", date(2026, 8, 17), True),
        ("id", date(2026, 5, 1), True),
        ("id", date(2026, 11, 23), False),
    ],
)
def test_days_that_everybody_knows(name: str, day: date, is_holiday: bool) -> None:
    assert (day in load_rules(CONTENT).calendars[name]) == is_holiday


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    first = write_calendars(tmp_path)
    assert [path.name for path in first] == sorted(f"{name}.yaml" for name in CALENDARS)
    assert write_calendars(tmp_path) == []
