"""The provider's own opt-out list, held against what people said: nothing too early, and in the end everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from local.auditor.evidence import ListChange

#: A listed number gets no text at all: before this its opt-out could not be confirmed.
CONFIRMED_WITHIN = timedelta(minutes=5)
#: How long a word may take to the list: its delay, and an outage of the provider's.
LISTED_WITHIN = timedelta(hours=3)
#: How long an opt-out that was made at the provider may take until it binds: the list is read every quarter of an hour.
READ_WITHIN = timedelta(minutes=20)

#: Whether a number (by point) was opted out of all texts at a moment, and since when.
OutSince = Callable[[str, datetime], datetime | None]


def wrong_on_the_list(
    changes: Sequence[ListChange],
    numbers: Sequence[str],
    point: Callable[[str], str],
    out_since: OutSince,
    ends: datetime,
    checked: Counter[str],
) -> Iterator[tuple[datetime, str]]:
    """What is wrong with the list, and when. `numbers` are those that a borrower has, and this provider's lines write
    to."""
    there: dict[str, ListChange] = {}
    for change in changes:
        if not change.is_there:
            there.pop(point(change.number), None)
            continue
        there[point(change.number)] = change
        if change.by_person:
            checked["opted_out_at_provider"] += 1
            continue
        checked["written_through"] += 1
        since = out_since(point(change.number), change.at)
        if since is None:
            yield change.at, "a number was put on the provider's list that nobody had opted out"
        elif change.at < since + CONFIRMED_WITHIN:
            yield change.at, "a number was put on the provider's list before its opt-out could be confirmed"
    for number in dict.fromkeys(numbers):
        since = out_since(point(number), ends)
        if since is not None and since + LISTED_WITHIN < ends:
            checked["opt_outs_to_list"] += 1
            if point(number) not in there:
                yield ends, "an opt-out was never written through to the provider's list"
    for listed_point, change in there.items():
        if out_since(listed_point, ends) is None and out_since(listed_point, ends - LISTED_WITHIN) is None:
            yield change.at, "a number is still on the provider's list that was opted in again"
