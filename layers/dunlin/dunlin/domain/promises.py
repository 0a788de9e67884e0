"""Which promises to pay are taken without a person: the lender's policy, and what it makes of one promise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from dunlin.domain.money import Money

__all__ = ["PromisePolicy", "PromiseVerdict", "weigh_promise"]


@dataclass(frozen=True, slots=True)
class PromisePolicy:
    """Which promises we take by ourselves; what is beyond goes to a person.

    `longest_days`: from today to the day promised. `most_open`: promises that stand, the new one among them.
    `most_broken` of the last `within_days`: from so many on a person helps. `least_percent` of what is due.
    """

    policy_id: str
    longest_days: int
    most_open: int
    most_broken: int
    within_days: int
    least_percent: Decimal


class PromiseVerdict(StrEnum):
    """What becomes of a promise. What is not taken is not refused either: a person answers it."""

    TAKEN = "taken"
    IN_THE_PAST = "in_the_past"
    TOO_FAR = "too_far"
    TOO_LITTLE = "too_little"
    TOO_MANY_OPEN = "too_many_open"
    TOO_MANY_BROKEN = "too_many_broken"


def weigh_promise(
    policy: PromisePolicy,
    today: date,
    *,
    on: date,
    amount: Money,
    due: Money,
    open_promises: int = 0,
    broken_on: Iterable[date] = (),
) -> PromiseVerdict:
    """Whether `amount` of what is `due`, promised for the day `on`, is taken. `broken_on`: the days on which earlier
    promises were broken, however old. A promise of more than is due is one of all of it.

    Raises:
        ValueError: the amounts are in two currencies.
    """
    since = today - timedelta(days=policy.within_days)
    if on < today:
        return PromiseVerdict.IN_THE_PAST
    if (on - today).days > policy.longest_days:
        return PromiseVerdict.TOO_FAR
    if open_promises >= policy.most_open:
        return PromiseVerdict.TOO_MANY_OPEN
    if sum(day > since for day in broken_on) >= policy.most_broken:
        return PromiseVerdict.TOO_MANY_BROKEN
    if amount < due and (not amount.is_positive or amount.amount * 100 < policy.least_percent * due.amount):
        return PromiseVerdict.TOO_LITTLE
    return PromiseVerdict.TAKEN
