"""What people agreed to, wished for, and where they are proved to be reached: folded from the core's events again.

A fact that narrows what may be sent binds once no queue can hold it any more; one that widens it counts from the moment
it was handed over. So whatever is found wrong here was wrong on either reading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from local.auditor.evidence import CoreEvent, instant
from local.auditor.history import ADDRESSES
from local.auditor.law import packs_of

#: A fact that narrows binds from here on at the latest.
TAKEN_IN_WITHIN = timedelta(minutes=5)
#: Before any detail of a debt, the number has to be confirmed as the person's (FCA CONC 7.9.10R, P).
VERIFIED_FIRST: Mapping[str, frozenset[str]] = {"GB": frozenset({"servicing", "collection"})}
_LOST_FOR_ALL = ("reassigned", "bounced", "invalid")
_EVERYBODY = frozenset({"creditor", "servicer", "collector"})
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class _Said:
    """One thing that was said: when it was true, from when it is held against the application."""

    at: datetime
    binds_from: datetime
    what: Any


@dataclass(frozen=True, slots=True)
class Person:
    """Who was reached. What names no party was said by the primary borrower."""

    borrower_id: str
    party_id: str
    is_primary: bool


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """A consent that whoever sends has to have, in whatever capacity they do."""

    rule: str
    purposes: frozenset[str]
    channels: frozenset[str]
    effective_on: str

    def asks(self, purpose: str, channel: str, today: str) -> bool:
        on_channel = "any" in self.channels or channel in self.channels
        return purpose in self.purposes and on_channel and today >= self.effective_on


def consent_rules(jurisdiction: str, packs: Mapping[str, Any]) -> tuple[ConsentRule, ...]:
    """The consents that the rules of a place ask of everybody; a rule for one capacity only is not judged."""
    return tuple(
        ConsentRule(
            str(rule.get("id")),
            frozenset(map(str, rule.get("purposes", ()))),
            frozenset(map(str, rule.get("channels") or ("any",))),
            str(rule.get("effective_on") or ""),
        )
        for pack in packs_of(jurisdiction, packs)
        for rule in pack.get("consents") or ()
        if frozenset(rule.get("capacity") or _EVERYBODY) >= _EVERYBODY
    )


@dataclass(slots=True)
class Wishes:
    """The facts of one history, by whom and what they are about."""

    wishes: dict[tuple[str, str], list[_Said]] = field(default_factory=dict)
    consents: dict[tuple[str, str], list[_Said]] = field(default_factory=dict)
    lists: dict[tuple[str, str], list[_Said]] = field(default_factory=dict)
    confirmed: dict[tuple[str, str, str], list[_Said]] = field(default_factory=dict)
    lost: dict[str, list[_Said]] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[CoreEvent]) -> Wishes:
        known = cls()
        for event in events:
            known._take(event)
        return known

    # ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def unwanted_channel(self, person: Person, channel: str, at: datetime) -> bool:
        return all(wished and channel not in wished for wished in self._in_force(person, "channels", at))

    def is_quiet(self, person: Person, at: datetime, felt: tuple[datetime, datetime], zone: ZoneInfo) -> bool:
        """Whether what can be felt at any moment of `felt` can be felt in hours that were to be quiet."""
        wishes = self._in_force(person, "quiet_hours", at)
        return all(any(_falls(quiet, felt, zone) for quiet in wished) for wished in wishes)

    def not_consented(self, person: Person, purpose: str, channel: str, at: datetime) -> bool:
        """Whether nothing stands: never told when it was given, nor listed, or withdrawn since."""
        given: list[datetime] = []
        withdrawn: list[datetime] = []
        for said in self._by(self.consents, person):
            is_it = said.what.get("purpose") == purpose and said.what.get("channel") in (None, channel)
            if is_it and said.binds_from <= at:
                (given if said.what.get("given") else withdrawn).append(said.at)
        lists = [said for said in self._by(self.lists, person) if said.binds_from <= at]
        for entry in lists[-1].what if lists else ():
            listed = entry if isinstance(entry, dict) else {"purpose": entry}
            if listed.get("purpose") == purpose and listed.get("channel") in (None, channel):
                since = listed.get("given_at")
                given.append(lists[-1].at if since is None else instant(since, "given_at"))
        return not given or (bool(withdrawn) and max(withdrawn) >= max(given))

    def is_unverified(self, person: Person, address: str, at: datetime) -> bool:
        return not self._confirmed(person, address, at)

    def is_lost(self, person: Person, address: str, at: datetime) -> bool:
        """Whether the point was somebody else's, or nobody's, and nobody made sure of this person since."""
        lost = [said.at for said in self.lost.get(point_of(address), ()) if said.binds_from < at]
        confirmed = self._confirmed(person, address, at)
        return bool(lost) and (not confirmed or max(confirmed) <= max(lost))

    def _confirmed(self, person: Person, address: str, at: datetime) -> list[datetime]:
        names = {person.party_id, ""}  # what names nobody is about each of the borrower's who has it
        said = (one for name in names for one in self.confirmed.get((person.borrower_id, name, point_of(address)), ()))
        return [one.at for one in said if one.binds_from <= at]

    def _in_force(self, person: Person, name: str, at: datetime) -> list[Any]:
        """What may have been in force: the latest wish that was surely known, and any later one that may have been."""
        handed = [one for one in self._by(self.wishes, person) if one.what[0] == name and one.binds_from <= at]
        sure = [one for one in handed if one.binds_from + TAKEN_IN_WITHIN < at]
        latest = max(sure, key=lambda one: one.at, default=None)
        newer = [one for one in handed if one not in sure and (latest is None or one.at >= latest.at)]
        return [latest.what[1] if latest is not None else [], *(one.what[1] for one in newer)]

    def _by(self, said: Mapping[tuple[str, str], list[_Said]], person: Person) -> list[_Said]:
        """What was said by the person, in the order in which it was handed over."""
        names = {person.party_id, ""} if person.is_primary else {person.party_id}
        found = [one for name in names for one in said.get((person.borrower_id, name), ())]
        return sorted(found, key=lambda one: one.binds_from)

    # ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, told: CoreEvent) -> None:
        event, fed_at = told.event, told.fed_at
        borrower_id = str(event.get("borrower_id") or "")
        match event["type"]:
            case "borrower.updated":
                self._profile(borrower_id, event, fed_at)
            case "preferences.chosen":
                choice = event.get("choice") or {}
                who = (borrower_id, str(choice.get("party_id") or ""))
                for name in ("channels", "quiet_hours"):
                    if choice.get(name) is not None:
                        said = _Said(_occurred(event), fed_at, (name, choice[name]))
                        self.wishes.setdefault(who, []).append(said)
            case "consent.changed":
                consent = event.get("consent") or {}
                binds_from = fed_at if consent.get("given") else fed_at + TAKEN_IN_WITHIN
                said = _Said(_occurred(event), binds_from, consent)
                self.consents.setdefault((borrower_id, str(consent.get("party_id") or "")), []).append(said)
            case "contact_point.changed":
                self._point(borrower_id, event, fed_at)

    def _profile(self, borrower_id: str, event: Mapping[str, Any], fed_at: datetime) -> None:
        for party in (event.get("borrower") or {}).get("parties", ()):
            party_id = str(party.get("party_id"))
            listed = _Said(_occurred(event), fed_at, tuple(party.get("consents") or ()))
            self.lists.setdefault((borrower_id, party_id), []).append(listed)
            for name, kept in zip(("phone", "email", "push", "wechat", "whatsapp"), ADDRESSES, strict=True):
                verified_at = party.get(f"{name}_verified_at")
                if party.get(kept) and verified_at:
                    self._confirm(borrower_id, party_id, party[kept], instant(verified_at, "verified_at"), fed_at)

    def _point(self, borrower_id: str, event: Mapping[str, Any], fed_at: datetime) -> None:
        found = event.get("contact_point") or {}
        address = next((str(found[name]) for name in ADDRESSES if found.get(name)), "")
        if found.get("state") == "confirmed":
            self._confirm(borrower_id, str(found.get("party_id") or ""), address, _occurred(event), fed_at)
        elif found.get("state") in _LOST_FOR_ALL:
            said = _Said(_occurred(event), fed_at + TAKEN_IN_WITHIN, None)
            self.lost.setdefault(point_of(address), []).append(said)

    def _confirm(self, borrower_id: str, party_id: str, address: str, at: datetime, fed_at: datetime) -> None:
        who = (borrower_id, party_id, point_of(address))
        self.confirmed.setdefault(who, []).append(_Said(at, fed_at, None))


def is_number(address: str) -> bool:
    """A telephone number in however many spellings; anything with letters is an address of another kind."""
    return not re.search(r"[A-Za-z@_]", address)


def point_of(address: str) -> str:
    """One address in however many spellings."""
    if not is_number(address):
        return address.strip().casefold()
    return re.sub(r"\D", "", address) or "-"


def _occurred(event: Mapping[str, Any]) -> datetime:
    return instant(event.get("occurred_at"), "occurred_at")


def _falls(quiet: Mapping[str, Any], felt: tuple[datetime, datetime], zone: ZoneInfo) -> bool:
    moment, end = felt
    while moment < end:
        if _inside(quiet, moment.astimezone(zone)):
            return True
        moment += timedelta(minutes=1)
    return _inside(quiet, (end - timedelta(microseconds=1)).astimezone(zone))


def _inside(quiet: Mapping[str, Any], local: datetime) -> bool:
    begins, ends, now = str(quiet["from"]), str(quiet["to"]), local.strftime("%H:%M")
    days = quiet.get("days") or _DAYS
    today, yesterday = _DAYS[local.weekday()], _DAYS[local.weekday() - 1]
    if begins < ends:
        return today in days and begins <= now < ends
    return (today in days and now >= begins) or (yesterday in days and now < ends)
