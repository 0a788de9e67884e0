"""What a person wishes: hours in which nothing comes, channels, a language. Wishes only ever narrow.

A wish can be refused at the door, where it would leave nothing; an opt-out cannot (see `dunlin.domain.preferences`).
What the person asked for themselves (a reply) and what a law requires (a mandatory notice) comes all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from dunlin.domain.words import Channel, Purpose

#: What wishes are about.
WISHED_ABOUT = frozenset({Purpose.SERVICE, Purpose.SERVICING, Purpose.COLLECTION, Purpose.MARKETING})
QUIET_RULE = "preference.quiet_hours"
CHANNEL_RULE = "preference.channels"
#: Of every day on which something may come, wishes leave so much in one piece.
LEAST_OPEN_MINUTES = 120
_DAY = 1440
Span = tuple[int, int]
SpansOfWeek = tuple[tuple[Span, ...], ...]


class Quiet(NamedTuple):
    """Local hours in which nothing is sent: minutes after midnight, past it where `ends` is not after `begins`.

    `days` are the weekdays on which it begins (0 = Monday); empty: every day.
    """

    begins: int
    ends: int
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Preferences:
    """A person's wishes, each with when it was said: of each the last one said holds, in whatever order they come."""

    channels: tuple[Channel, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    language: str = ""
    channels_at: datetime | None = None
    quiet_at: datetime | None = None
    language_at: datetime | None = None

    def wants(self, channel: Channel, purpose: Purpose) -> bool:
        return not self.channels or channel in self.channels or purpose not in WISHED_ABOUT


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for at one moment. None: they say nothing about it; empty: they wish for nothing any more."""

    channels: tuple[Channel, ...] | None = None
    quiet: tuple[Quiet, ...] | None = None
    language: str | None = None


#: Nobody wished for anything: what most parties have.
NO_WISHES = Preferences()


def with_wish(known: Preferences, wish: Wish, at: datetime) -> Preferences:
    """The wishes once `wish` was said `at`; of two in one instant, always the same one."""
    after = known
    if wish.channels is not None and _later(known.channels_at, known.channels, at, wish.channels):
        after = replace(after, channels=wish.channels, channels_at=at)
    if wish.quiet is not None and _later(known.quiet_at, known.quiet, at, wish.quiet):
        after = replace(after, quiet=wish.quiet, quiet_at=at)
    if wish.language is not None and _later(known.language_at, known.language, at, wish.language):
        after = replace(after, language=wish.language, language_at=at)
    return after


def _later(known_at: datetime | None, known: Sequence[object], at: datetime, said: Sequence[object]) -> bool:
    if known_at is None:
        return True
    return (at, len(said), repr(said)) > (known_at, len(known), repr(known))


def in_wished_order(channels: tuple[Channel, ...], wishes: Preferences) -> tuple[Channel, ...]:
    """The channels, those that are wished for first and in that order: what is not wished for is asked last."""
    if not wishes.channels:
        return channels
    wished = tuple(channel for channel in wishes.channels if channel in channels)
    return (*wished, *(channel for channel in channels if channel not in wished))


@lru_cache(maxsize=4096)
def open_spans(quiet: tuple[Quiet, ...]) -> SpansOfWeek:
    """For each weekday, the stretches outside all of these quiet hours, in minutes after midnight."""
    return tuple(_without([span for each in quiet for span in _closed_on(each, day)]) for day in range(7))


def _closed_on(quiet: Quiet, day: int) -> Iterable[Span]:
    """What is closed on `day`: the hours that begin on it, and the rest of what began the day before."""
    past_midnight = quiet.ends <= quiet.begins
    if not quiet.days or day in quiet.days:
        yield (quiet.begins, _DAY if past_midnight else quiet.ends)
    if past_midnight and quiet.ends and (not quiet.days or (day - 1) % 7 in quiet.days):
        yield (0, quiet.ends)


def _without(closed: list[Span]) -> tuple[Span, ...]:
    spans: list[Span] = []
    open_from = 0
    for begins, ends in sorted(closed):
        if begins > open_from:
            spans.append((open_from, begins))
        open_from = max(open_from, ends)
    if open_from < _DAY:
        spans.append((open_from, _DAY))
    return tuple(spans)
