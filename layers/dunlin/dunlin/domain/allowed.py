"""Whether a place's rules let somebody be contacted at a moment: the question without a borrower.

Built from the very functions by which a message is permitted, so that what `dunlin allowed` answers is what happens.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dunlin.domain.borrower import Contact
from dunlin.domain.caps import Asked, binding_cap, full_caps
from dunlin.domain.hours import Opening, at_local, closing_rules, local_date, next_window, openings_for
from dunlin.domain.policy import Ban, CapRule, ConsentRule, Pack, Proofs, concerns
from dunlin.domain.words import Purpose

#: Stands for the one debt that is asked about.
THE_LOAN = "loan"
_AT_ONCE = timedelta(microseconds=1)  # a window's last moment is not in it
#: Hours and caps can push each other onwards; a moment that they agree on comes within a few steps or not at all.
_MOST_STEPS = 200
#: Zones far apart may have no hour in common until a clock is changed; what a year does not bring never comes.
_STRETCH = timedelta(days=14)  # a next window is looked for that far
_MOST_STRETCHES = 27

#: A law that begins or ends: the rules from this local day on.
Change = tuple[date, Pack]


@dataclass(frozen=True, slots=True)
class Question:
    """May a message of `purpose` be felt on `channel` at `at`? `at` and the contacts' times are aware.

    `zones` are all the person may be in. `contacts` are earlier ones about the same debt; `consents` are what the
    person agreed to: purposes, and the special consents that a pack names. `proofs` is what is proved of the contact
    point; None: nobody asks about a person, so whatever a rule wants proved is taken as proved.
    """

    purpose: Purpose
    channel: str
    at: datetime
    zones: tuple[str, ...]
    days_overdue: int = 0
    contacts: Sequence[Contact] = ()
    consents: Collection[str] = frozenset()
    proofs: Proofs | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule_ids` are the rules that stopped it, or, where it is allowed, those that were asked. `next_allowed_at` is
    the first moment from then on at which it is allowed; None: as things stand there is none."""

    allowed: bool
    rule_ids: tuple[str, ...]
    next_allowed_at: datetime | None


def consider(pack: Pack, question: Question, changes: Sequence[Change] = ()) -> Verdict:
    """What the rules say: those of `pack`, and from the day of each of `changes` (in order) those of that one.

    Where it is already that day in one zone and not yet in another, both have to allow. The debt grows no older on the
    way to `next_allowed_at`: what holds then is for whoever asks then.
    """
    packs, _ = _in_force(pack, changes, question.zones, question.at)
    stopping = dict.fromkeys(rule for one in packs for rule in _stopping(one, question))
    if stopping:
        return Verdict(False, tuple(stopping), _next(pack, changes, question))
    return Verdict(True, tuple(dict.fromkeys(rule for one in packs for rule in _asked(one, question))), question.at)


def _in_force(
    pack: Pack, changes: Sequence[Change], zones: tuple[str, ...], moment: datetime
) -> tuple[list[Pack], datetime | None]:
    """The rules that bind then, and the moment at which others begin somewhere; None: they never do."""
    packs: list[Pack] = []
    until: datetime | None = None
    for zone_name in zones:
        today = local_date(moment, zone_name)
        current = pack
        for day, changed in changes:
            if day > today:
                begins = at_local(day, 0, zone_name)
                until = begins if until is None else min(until, begins)
                break
            current = changed
        if current not in packs:
            packs.append(current)
    return packs, until


def _stopping(pack: Pack, ask: Question) -> tuple[str, ...]:
    for_ever = _for_ever(pack, ask)
    closed = closing_rules(
        pack.hours,
        ask.purpose,
        ask.channel,
        ask.zones,
        ask.at,
        _AT_ONCE,
        days_overdue=ask.days_overdue,
        consents=ask.consents,
    )
    full = full_caps(pack.caps, _asked_of_caps(ask, ask.at), ask.contacts)
    return (*for_ever, *closed, *(rule.rule_id for _, rule in full))


def _for_ever(pack: Pack, ask: Question) -> tuple[str, ...]:
    """The rules that no waiting satisfies."""
    banned = pack.ban(ask.purpose, ask.channel, ask.days_overdue)
    missing = pack.missing_consent(ask.purpose, ask.channel, ask.consents)
    unverified = None
    if ask.proofs is not None:
        unverified = pack.unverified(ask.purpose, ask.channel, ask.proofs, ask.at)
    return tuple(rule for rule in (banned, missing, unverified) if rule is not None)


def _next(pack: Pack, changes: Sequence[Change], ask: Question) -> datetime | None:
    moment = ask.at
    for _ in range(_MOST_STEPS):
        packs, until = _in_force(pack, changes, ask.zones, moment)
        waits = [_room(one, ask, moment) for one in packs]
        known = [at for at in waits if at is not None]
        latest = max(known) if len(known) == len(waits) else None
        if latest == moment:
            return moment
        if latest is None or (until is not None and latest > until):
            latest = until  # what begins then may say otherwise
        if latest is None:
            return None
        moment = latest
    return None


def _room(pack: Pack, ask: Question, moment: datetime) -> datetime | None:
    """A moment before which these rules do not let it pass: `moment` itself if they do; None: never."""
    if _for_ever(pack, ask):
        return None
    openings = openings_for(pack.hours, ask.purpose, ask.channel, days_overdue=ask.days_overdue, consents=ask.consents)
    begins = _opens(openings, ask.zones, moment)
    if begins != moment:
        return begins
    full = binding_cap(pack.caps, _asked_of_caps(ask, moment), ask.contacts)
    return moment if full is None else full[0]


def _opens(openings: tuple[Opening, ...], zones: tuple[str, ...], moment: datetime) -> datetime | None:
    for stretch in range(_MOST_STRETCHES):
        window = next_window(openings, zones, moment + stretch * _STRETCH, _AT_ONCE)
        if window is not None:
            return window[0]
    return None


def _asked(pack: Pack, ask: Question) -> tuple[str, ...]:
    hours = [rule.rule_id for rule in pack.hours if rule.is_about(ask.purpose, ask.channel)]
    others: tuple[CapRule | ConsentRule | Ban, ...] = (*pack.caps, *pack.consents, *pack.bans)
    return (*hours, *(rule.rule_id for rule in others if concerns(rule, ask.purpose, ask.channel)))


def _asked_of_caps(ask: Question, moment: datetime) -> Asked:
    return Asked(ask.channel, ask.purpose, (THE_LOAN,), ask.zones, moment)
