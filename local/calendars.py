"""The public holidays of the places whose rules ask for them, as content files.

Taken from the `holidays` package, which follows the laws of each country, and written down: what is signed is a list
of days that somebody can read, and nothing of the package is deployed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path

import holidays

FIRST_YEAR, LAST_YEAR = 2019, 2035


def _australia() -> dict[date, str]:
    """National holidays, and the days that are one in every state, such as those in lieu of a Sunday."""
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    days = dict(holidays.country_holidays("AU", years=years).items())
    states = [
        holidays.country_holidays("AU", subdiv=state, years=years)
        for state in ("ACT", "NSW", "NT", "QLD", "SA", "TAS", "VIC", "WA")
    ]
    for day in set.intersection(*(set(state) for state in states)):
        days.setdefault(day, states[0][day])
    return days


def _indonesia() -> dict[date, str]:
    return dict(holidays.country_holidays("ID", years=range(FIRST_YEAR, LAST_YEAR + 1), language="en_US").items())


CALENDARS: Mapping[str, tuple[str, Callable[[], dict[date, str]]]] = {
    "au": (
        "Public Holidays Acts of the states and territories: national ones, and days that are one in all",
        _australia,
    ),
    "id": ("Keputusan bersama on public holidays; those after the moon beyond next year are estimates", _indonesia),
}


def calendar_text(name: str) -> str:
    """The file of one calendar. Raises KeyError for a name that is not in `CALENDARS`."""
    reference, days_of = CALENDARS[name]
    lines = [
        f"# Written by `dunlin content calendars` from the holidays package {version('holidays')}.",
        f"calendar: {name}",
        f'source: {{reference: "{reference}", confidence: S}}',
        f"first_year: {FIRST_YEAR}",
        f"last_year: {LAST_YEAR}",
        "days:",
        *(f'  {day}: "{what}"' for day, what in sorted(days_of().items())),
    ]
    return "\n".join(lines) + "\n"


def write_calendars(root: Path) -> list[Path]:
    """Write every calendar under `root`/calendars; the files that changed.

    Raises:
        OSError: a file cannot be written.
    """
    changed = []
    for name in sorted(CALENDARS):
        path = root / "calendars" / f"{name}.yaml"
        text = calendar_text(name)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed
