"""EventBridge schedules on virtual time: `rate(...)` and `cron(...)`, fired at aligned minutes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from local.embedded.errors import TemplateError

_MINUTE: Final = timedelta(minutes=1)
_RATE: Final = re.compile(r"rate\((\d+)\s+(minute|hour|day)s?\)")
_UNIT_MINUTES: Final = {"minute": 1, "hour": 60, "day": 1440}
_DAYS: Final = {name: str(number) for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_MONTHS: Final = {
    name: str(number)
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1
    )
}
#: How far a search for a cron slot goes: leap days and year lists aside, every expression has one within a year.
_HORIZON_MINUTES: Final = 366 * 1440


@dataclass(frozen=True)
class Schedule:
    """One schedule of one function; `payload` replaces the event where the template gives an Input."""

    function: str
    name: str
    arn: str
    is_slot: Callable[[datetime], bool]
    payload: Any = None

    def latest_slot(self, after: datetime, until: datetime) -> datetime | None:
        """The last slot in (after, until]; a jump over many slots fires once."""
        moment = _floor(until)
        for _ in range(_HORIZON_MINUTES):
            if moment <= after:
                return None
            if self.is_slot(moment):
                return moment
            moment -= _MINUTE
        return None

    def next_slot(self, after: datetime) -> datetime | None:
        moment = _floor(after) + _MINUTE
        for _ in range(_HORIZON_MINUTES):
            if self.is_slot(moment):
                return moment
            moment += _MINUTE
        return None


def parse_expression(expression: str) -> Callable[[datetime], bool]:
    """A test for whole UTC minutes.

    Raises:
        TemplateError: an expression that is not understood.
    """
    rate = _RATE.fullmatch(expression.strip())
    if rate:
        every = int(rate.group(1)) * _UNIT_MINUTES[rate.group(2)]
        return lambda moment: int(moment.timestamp() // 60) % every == 0
    if expression.startswith("cron(") and expression.endswith(")"):
        return _parse_cron(expression[5:-1])
    raise TemplateError(f"schedule {expression!r} is not understood")


def _parse_cron(text: str) -> Callable[[datetime], bool]:
    fields = text.upper().split()
    if len(fields) != 6:
        raise TemplateError(f"cron({text}) does not have six fields")
    for names, position in ((_MONTHS, 3), (_DAYS, 4)):
        for name, number in names.items():
            fields[position] = fields[position].replace(name, number)
    bounds = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
    minutes, hours, days, months, weekdays, years = (
        _parse_field(value, low, high) for value, (low, high) in zip(fields, bounds, strict=True)
    )

    def is_slot(moment: datetime) -> bool:
        return (
            moment.minute in minutes
            and moment.hour in hours
            and moment.day in days
            and moment.month in months
            and moment.isoweekday() % 7 + 1 in weekdays
            and moment.year in years
        )

    return is_slot


def _parse_field(value: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in value.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        elif "-" in span:
            first, last = (int(number) for number in span.split("-"))
        elif span.isdigit():
            first, last = int(span), high if step else int(span)
        else:
            raise TemplateError(f"cron field {value!r} is not understood")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def scheduled_event(schedule: Schedule, slot: datetime, *, number: int, region: str, account: str) -> Any:
    """What EventBridge sends, or the schedule's own input."""
    if schedule.payload is not None:
        return schedule.payload
    return {
        "version": "0",
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account,
        "time": slot.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [schedule.arn],
        "detail": {},
    }


def _floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
