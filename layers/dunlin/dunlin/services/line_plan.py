"""What a line carries, as arithmetic: how much may go now, in which seconds there is work, what cannot fit any more.

A bucket holds what one slot carries, so that nothing saved up while the line was idle goes at once. On a fast line a
text goes when all of it is in the bucket. On a slow one that would leave much of the rate unused (three a second, and
texts of two parts): there a text goes when one whole part is left for it, in whatever order the slot's texts reach the
provider, and leaves a debt that is paid before the next one. Its parts pass one after another at the rate.
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
#: Of a slot no more than this share is left unused for want of a text that fits into it whole.
_LEFT_UNUSED = 0.03
#: Of a day's parts this share is kept for what is most urgent: whoever opts out in the evening has it confirmed.
DAY_KEPT = 0.02
MOST_URGENT = 0


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


def parts_today(line: Line, priority: int) -> int | None:
    """Parts of a day that a message of this priority may be among; None: no limit."""
    if line.parts_per_day is None or priority == MOST_URGENT:
        return line.parts_per_day
    return line.parts_per_day - int(line.parts_per_day * DAY_KEPT)


class Room:
    """What one slot has left while it is being filled."""

    def __init__(self, line: Line, tokens: float, day_parts: int, slot: timedelta) -> None:
        self._line = line
        self._tokens = tokens
        self._day_parts = day_parts
        self._no_debt = 1 + _LEFT_UNUSED * line.parts_per_second * slot.total_seconds()
        self._taken = 0
        self._shortest = 0

    @property
    def is_full(self) -> bool:
        return self._tokens - self._taken < 1 - _ALMOST

    def today_has(self, priority: int, parts: int) -> bool:
        """Whether the provider's day has so many parts left for this priority; of these there is no debt."""
        most_today = parts_today(self._line, priority)
        return most_today is None or self._day_parts + parts <= most_today

    def fits(self, parts: int) -> bool:
        """Whether a text of so many parts may go with those that were taken.

        A streams' batch is handed over in no order that we know: whichever text is the last, one part has to be left
        for it.
        """
        taken = self._taken + parts
        if taken <= self._tokens + _ALMOST:
            return True
        shortest = min(parts, self._shortest or parts)
        return parts > self._no_debt and taken - shortest <= self._tokens - 1 + _ALMOST

    def take(self, parts: int) -> None:
        if parts:
            self._shortest = min(parts, self._shortest or parts)
        self._taken += parts
        self._day_parts += parts

    @property
    def tokens(self) -> float:
        return self._tokens - self._taken

    @property
    def day_parts(self) -> int:
        return self._day_parts


def seconds_wanted(waiting: Sequence[QueuedMessage], tokens: float, line: Line, now: datetime, first: int) -> list[int]:
    """The coming minute's seconds, `first` to 60, in which the line has work, given who waits now.

    `tokens` are in the bucket in the first of them. Texts may turn out twice as long as expected. An over-estimate
    costs a look, an under-estimate a second.
    """
    left = 2.0 * sum(each.expected_parts for each in waiting if each.not_before < now + MINUTE and now < each.not_after)
    if left and sum(each.expected_parts for each in waiting) <= tokens:
        left = 1.0  # all of it goes at once
    wanted = []
    for second in range(first, 61):
        if left <= 0:
            break
        if second > first:
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
        if _day_has_room(line, before, queued, day_parts, now) >= queued.not_after:
            limit = "parts_per_day"
        elif now + timedelta(seconds=max(0.0, before - max(0.0, tokens)) / line.parts_per_second) >= queued.not_after:
            limit = "parts_per_second"
        if limit:
            yield queued, limit
        elif queued.not_before <= now:
            ahead += queued.expected_parts


def _day_has_room(line: Line, before: float, queued: QueuedMessage, day_parts: int, now: datetime) -> datetime:
    """When the first of the provider's days begins on which so many parts more can go; `now` if today."""
    most_today, parts = parts_today(line, queued.priority), queued.expected_parts
    if most_today is None:
        return now
    # A text longer than a whole day's parts never goes.
    if parts > most_today:
        return datetime.max.replace(tzinfo=now.tzinfo)
    over = day_parts + before + parts - most_today
    if over <= 0:
        return now
    days = 1 + int((before - max(0, most_today - day_parts)) // most_today) if before else 1
    return at_local(local_date(now, line.day_zone) + timedelta(days=max(1, days)), 0, line.day_zone)
