"""How often a person may be contacted, counted where it is felt.

A contact occupies its cap from its reservation to the latest moment at which it can still be delivered: as long as
nobody knows when it was felt, every moment of that interval counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dunlin.domain.borrower import Contact
from dunlin.domain.hours import at_local, local_date
from dunlin.domain.policy import CapRule, concerns
from dunlin.domain.words import Purpose

#: No rule looks further back; older contacts leave the hot item (the ledger keeps them).
LONGEST_WINDOW = timedelta(days=40)


@dataclass(frozen=True, slots=True)
class Asked:
    """The contact that caps are asked about. `zones` are all the person may be in."""

    channel: str
    purpose: Purpose
    loan_ids: tuple[str, ...]
    zones: tuple[str, ...]
    at: datetime


def binding_cap(
    rules: Iterable[CapRule], asked: Asked, contacts: Sequence[Contact], about_loans: Sequence[Contact] | None = None
) -> tuple[datetime, CapRule] | None:
    """The cap that forbids a contact now and stays full the longest, with the moment it has room again."""
    return max(full_caps(rules, asked, contacts, about_loans), key=lambda found: found[0], default=None)


def full_caps(
    rules: Iterable[CapRule], asked: Asked, contacts: Sequence[Contact], about_loans: Sequence[Contact] | None = None
) -> Iterator[tuple[datetime, CapRule]]:
    """Every cap that is full, with the moment it has room again.

    `contacts` are those that the person felt, for the caps per debtor; `about_loans` those to anybody about the
    borrower's loans, for the caps per loan (None: the same).
    """
    of_loans = contacts if about_loans is None else about_loans
    if not contacts and not of_loans:
        return
    for rule in rules:
        if concerns(rule, asked.purpose, asked.channel):
            counted = contacts if rule.per == "debtor" else of_loans
            room_at = _room_at(rule, counted, asked.loan_ids, asked.zones, asked.at)
            if room_at > asked.at:
                yield room_at, rule


def _room_at(
    rule: CapRule, contacts: Sequence[Contact], loan_ids: tuple[str, ...], zones: tuple[str, ...], now: datetime
) -> datetime:
    counted = [contact for contact in contacts if concerns(rule, contact.purpose, contact.channel)]
    if rule.per == "debtor":
        return _room_among(rule, counted, zones, now)
    return max(
        (_room_among(rule, [c for c in counted if loan_id in c.loan_ids], zones, now) for loan_id in loan_ids),
        default=now,
    )


def _room_among(rule: CapRule, counted: Sequence[Contact], zones: tuple[str, ...], now: datetime) -> datetime:
    if len(counted) < rule.count:
        return now
    if rule.basis == "rolling":
        window = timedelta(days=rule.days)
        latest_first = sorted((contact.felt_until for contact in counted), reverse=True)
        return max(now, latest_first[rule.count - 1] + window)
    # One local calendar day, in each zone the borrower may be in: room again after the last of their midnights.
    room_at = now
    for zone_name in zones:
        today = local_date(now, zone_name)
        felt_today = sum(
            1
            for contact in counted
            if local_date(contact.reserved_at, zone_name) <= today <= local_date(contact.felt_until, zone_name)
        )
        if felt_today >= rule.count:
            room_at = max(room_at, at_local(today, 1440, zone_name))
    return room_at
