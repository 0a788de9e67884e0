"""What a line carries, as arithmetic: how much may go now, in which seconds there is work, what cannot fit any more.

A bucket holds what one slot carries, so that nothing saved up while the line was idle goes at once. A text goes when at
least one whole part is in the bucket, and takes what it is long: a text of several parts leaves a debt, which is paid
before the next one. So no second carries more than the rate and the rest of one text, and no part of the rate is lost
to texts that do not divide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from dunlin.domain.hours import at_local, local_date
from dunlin.domain.policy import Line
from dunlin.services.ports import LineState, QueuedMessage

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
#: Sums of fractions of a part are not exact.
_ALMOST = 1e-6
#: Of what stands before a message this share may still end by itself (paid, opted out): what is ended for want of room
#: could not go even then.
FALLS_AWAY = 0.1


def most(line: Line, slot: timedelta) -> float:
    """Parts that a bucket holds. Where a slot carries no whole number, the fraction is kept for the next one."""
    carried = line.parts_per_second * slot.total_seconds()
    if carried < 1:
        return 1.0 + carried if slot < MINUTE else 1.0
    return carried if abs(carried - round(carried)) < _ALMOST else carried + 1.0


def filled(state: LineState, line: Line, now: datetime, slot: timedelta) -> float:
    """Parts that may go at `now`: what was left, and what the line has carried away since."""
    if state.filled_at is None:
        return max(1.0, line.parts_per_second * slot.total_seconds())
    since = max(0.0, (now - state.filled_at).total_seconds())
    return min(most(line, slot), state.tokens + line.parts_per_second * since)


def day_of(state: LineState, line: Line, now: datetime) -> tuple[date, int]:
    """The provider's date, and the parts that have been released on it."""
    today = local_date(now, line.day_zone)
    return today, state.day_parts if state.day == today else 0


class Room:
    """What one slot has left while it is being filled."""

    def __init__(self, line: Line, tokens: float, day_parts: int) -> None:
        self._tokens = tokens
        self._today = None if line.parts_per_day is None else line.parts_per_day - day_parts
        self.taken = 0

    @property
    def is_full(self) -> bool:
        return self._tokens < 1 - _ALMOST

    def has(self, queued: QueuedMessage, now: datetime) -> bool:
        """Whether this message may go now; of the day's parts there is no debt."""
        if not queued.not_before <= now < queued.not_after:
            return False
        return self._today is None or self.taken + queued.expected_parts <= self._today

    def take(self, parts: int) -> None:
        self._tokens -= parts
        self.taken += parts

    @property
    def tokens(self) -> float:
        return self._tokens


def seconds_wanted(waiting: Sequence[QueuedMessage], tokens: float, line: Line, now: datetime) -> list[int]:
    """The coming minute's seconds, from 1, in which the line has work, given what is in the bucket and who waits now.

    `waiting` goes on after what this very second releases. An over-estimate costs a look, an under-estimate a second.
    """
    left = sum(each.expected_parts for each in waiting if each.not_before < now + MINUTE and now < each.not_after)
    wanted = []
    for second in range(1, 60):
        if left <= 0:
            break
        tokens = min(most(line, SECOND), tokens + line.parts_per_second)
        if tokens >= 1 - _ALMOST:
            wanted.append(second)
            whole = int(tokens + _ALMOST)
            left -= whole
            tokens -= whole
    return wanted


def hopeless(
    waiting: Sequence[QueuedMessage], line: Line, tokens: float, day_parts: int, now: datetime
) -> Iterator[tuple[QueuedMessage, str]]:
    """What cannot go before its window closes, and which limit of the line is the reason.

    Certain, as long as what waits before it waits rightly: only what may go now counts as being before it, and a tenth
    of that is taken to fall away. What is hopeless itself holds up nobody.
    """
    ahead = 0.0
    for queued in waiting:
        if queued.not_after <= now:
            yield queued, "parts_per_second"  # it waited for its line until there was no more use
            continue
        before = ahead * (1 - FALLS_AWAY)
        limit = ""
        if _day_has_room(line, before, queued.expected_parts, day_parts, now) >= queued.not_after:
            limit = "parts_per_day"
        elif now + timedelta(seconds=max(0.0, before - max(0.0, tokens)) / line.parts_per_second) >= queued.not_after:
            limit = "parts_per_second"
        if limit:
            yield queued, limit
        elif queued.not_before <= now:
            ahead += queued.expected_parts


def _day_has_room(line: Line, before: float, parts: int, day_parts: int, now: datetime) -> datetime:
    """When the first of the provider's days begins on which so many parts more can go; `now` if today."""
    if line.parts_per_day is None:
        return now
    # A text longer than a whole day's parts never goes.
    if parts > line.parts_per_day:
        return datetime.max.replace(tzinfo=now.tzinfo)
    over = day_parts + before + parts - line.parts_per_day
    if over <= 0:
        return now
    days = 1 + int((before - max(0, line.parts_per_day - day_parts)) // line.parts_per_day) if before else 1
    return at_local(local_date(now, line.day_zone) + timedelta(days=max(1, days)), 0, line.day_zone)
