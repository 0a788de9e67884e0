"""A plan, counted; and two of them compared. Adding is all that is done, so the order of borrowers does not matter."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dunlin.content import load_content
from dunlin.domain.borrower import Borrower

from local.plan.changes import Wordings, because, changes
from local.plan.planner import Course, Occasion, Planned, Planner
from local.plan.portfolio import Portfolio, borrower_of
from local.portfolio.replay import ReplayAccount, ReplayTerms

#: Borrowers that one process plans at a time; and from how many on a second process is worth its start.
CHUNK = 250
WORTH_PROCESSES = 1500


@dataclass
class Tally:
    """`said`: messages by (day, strategy, stage, jurisdiction, channel, locale, line), `parts` the same; `load`: parts
    by (line, from, until); `per_day`: by (template, UTC day); `binds`: by (what becomes of it, reason, rule);
    `differs`: by (kind, strategy, stage, jurisdiction, channel, locale, how, because)."""

    borrowers: int = 0
    decisions: int = 0
    without_rules: int = 0
    referred: int = 0
    twice: int = 0
    said: Counter[tuple[str, ...]] = field(default_factory=Counter)
    parts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    load: Counter[tuple[str, datetime, datetime]] = field(default_factory=Counter)
    per_day: Counter[tuple[str, str]] = field(default_factory=Counter)
    binds: Counter[tuple[str, ...]] = field(default_factory=Counter)
    words: Counter[tuple[str, ...]] = field(default_factory=Counter)
    differs: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(theirs)
            else:
                setattr(self, each.name, mine + theirs)

    def count(self, course: Course) -> None:
        """One borrower's course."""
        self.borrowers += 1
        self.decisions += course.decisions
        self.without_rules += course.without_rules
        self.referred += course.referred
        self.twice += course.twice
        for one in course.messages.values():
            key = (one.on.isoformat(), one.strategy_id, one.stage, one.jurisdiction, one.channel, one.locale, one.line)
            self.said[key] += 1
            self.parts[key] += one.parts
            self.load[one.line, one.from_at, one.until_at] += max(one.parts, 1)
            self.per_day[one.template, one.from_at.date().isoformat()] += 1
            self.words[one.template, one.line, one.locale, one.jurisdiction, one.purpose, one.channel] += 1
        for occasion, bound in course.waits.items():
            self.binds["moved" if occasion in course.messages else "waits", *bound] += 1
        for bound in course.ends.values():
            self.binds["ends", *bound] += 1


class Maker:
    """Plans borrowers under the content of one folder, and compares with that of another."""

    def __init__(self, content: Path, against: Path | None, start: datetime, days: int, jurisdiction: str) -> None:
        new = load_content(content)
        self._start = start
        self._terms = ReplayTerms(jurisdiction) if jurisdiction else None
        self._planner = Planner(new, start, days)
        self._before: Planner | None = None
        if against is not None:
            old = load_content(against)
            self._before = Planner(old, start, days)
            self._wordings = Wordings(old, new)
            places = sorted(set(old.packs) | set(new.packs))
            self._changes = changes(old, new, places, start.date())
            # Where nothing but words differs, nothing else can come of it: a course is worked out once.
            self._only_words = not self._changes and old.parts == new.parts

    def tally(self, members: Sequence[Borrower | ReplayAccount]) -> Tally:
        tally = Tally()
        for member in members:
            borrower = borrower_of(member, self._terms, self._start)
            if borrower is None:
                tally.borrowers += 1
                continue
            course = self._planner.course(borrower)
            tally.count(course)
            if self._before is not None:
                before = course if self._only_words else self._before.course(borrower)
                tally.differs.update(self._differences(before, course))
        return tally

    def _differences(self, old: Course, new: Course) -> Iterator[tuple[str, ...]]:
        for occasion in sorted(old.messages.keys() | new.messages.keys()):
            was, now = old.messages.get(occasion), new.messages.get(occasion)
            if was is None and now is not None:
                yield self._one("added", now, _why(old, occasion))
            elif now is None and was is not None:
                yield self._one("dropped", was, _why(new, occasion))
            elif was is not None and now is not None:
                yield from self._both(was, now)

    def _both(self, was: Planned, now: Planned) -> Iterator[tuple[str, ...]]:
        if (was.on, was.clock) != (now.on, now.clock):
            days = (now.on - was.on).days
            how = f"{was.clock} became {now.clock}" if not days else f"{days:+d} days"
            yield self._one("moved", now, how)
        if (was.channel, was.line) != (now.channel, now.line):
            yield self._one("rerouted", now, f"{was.channel} by {was.line} became {now.channel} by {now.line}")
        elif was.locale != now.locale:
            yield self._one("reworded", now, f"{was.locale} became {now.locale}")
        else:
            sides = (was.template, was.line), (now.template, now.line)
            words = self._wordings.reworded(*sides, now.locale, now.channel)
            if words:
                key = ("reworded", now.strategy_id, now.stage, now.jurisdiction, now.channel, now.locale)
                yield (*key, "", words)

    def _one(self, kind: str, one: Planned, how: str) -> tuple[str, ...]:
        reason = because(self._changes, one.strategy_id, one.stage, one.jurisdiction, one.line)
        return (kind, one.strategy_id, one.stage, one.jurisdiction, one.channel, one.locale, how, reason)


def _why(course: Course, occasion: Occasion) -> str:
    """Why a course does not say something."""
    for found, word in ((course.ends, "ends"), (course.waits, "waits")):
        if occasion in found:
            reason, rule = found[occasion]
            return f"{word}: {reason} ({rule})"
    return ""


# ── All of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


def make(
    portfolio: Portfolio,
    content: Path,
    against: Path | None,
    days: int,
    done: Callable[[float], None] = lambda _share: None,
    processes: int | None = None,
) -> Tally:
    """The whole portfolio's plan, on all cores where that is worth it or on as many `processes`.

    Raises:
        ContentError: a content cannot be read.
    """
    count = len(portfolio.members)
    if processes is None:
        processes = min(os.cpu_count() or 1, 8) if count >= WORTH_PROCESSES else 1
    setting = (content, against, portfolio.start, days, portfolio.jurisdiction)
    tally = Tally()
    for part in _parts(portfolio, setting, processes):
        tally.add(part)
        done(tally.borrowers / max(count, 1))
    return tally


def _parts(portfolio: Portfolio, setting: tuple[Any, ...], processes: int) -> Iterator[Tally]:
    maker = Maker(*setting)  # also to find out here, and not in a worker, that a content cannot be read
    if processes == 1:
        for chunk in portfolio.chunks(CHUNK):
            yield maker.tally(chunk)
        return
    # Spawned, so that no thread or lock of this process is copied half-way through its work.
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, setting) as pool:
        yield from pool.map(_work, portfolio.chunks(CHUNK))


_maker: Maker | None = None


def _start(content: Path, against: Path | None, start: datetime, days: int, jurisdiction: str) -> None:
    global _maker  # noqa: PLW0603  (a worker has one)
    _maker = Maker(content, against, start, days, jurisdiction)


def _work(chunk: Sequence[Borrower | ReplayAccount]) -> Tally:
    assert _maker is not None
    return _maker.tally(chunk)
