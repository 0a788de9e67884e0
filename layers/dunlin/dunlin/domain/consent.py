"""Consent as a record: to what, on which channel, when, where, and in which words it was asked for.

What is known of a consent is the latest time it was given and the latest time it was withdrawn, for each purpose and
channel. Whatever the order in which they are heard, the later one holds; of two in one instant, the withdrawal. What a
snapshot of the core lists is kept beside what was told of the moment itself: the next snapshot takes its place, and
leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

#: In a consent's channel: every channel.
EVERY_CHANNEL = ""
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent to a purpose, or to something that a pack or a message names, on one channel or on every one.

    `wording` names the words that were shown (an id and a version, never the words). `given_at` None: it was only ever
    withdrawn, or it comes from a list that does not say when. `listed_at`: the snapshot that lists it as given; a
    consent with no time at all was stored by an earlier version, which kept nothing but such lists.
    """

    purpose: str
    channel: str = EVERY_CHANNEL
    given_at: datetime | None = None
    source: str = ""
    wording: str = ""
    withdrawn_at: datetime | None = None
    listed_at: datetime | None = None

    @property
    def is_listed(self) -> bool:
        return self.listed_at is not None or (self.given_at is None and self.withdrawn_at is None)

    @property
    def since(self) -> datetime | None:
        """From when it counts as given; None: it was not given."""
        if self.given_at is not None:
            return self.given_at
        return (self.listed_at or _BEFORE_ALL) if self.is_listed else None

    def covers(self, purpose: str, channel: str) -> bool:
        return self.purpose == purpose and self.channel in (EVERY_CHANNEL, channel)


@dataclass(frozen=True, slots=True)
class Basis:
    """A rule that asked for a consent, and the record that answered it: kept with what was sent on it."""

    rule: str
    consent: Consent


def standing(consents: Iterable[Consent], purpose: str, channel: str) -> Consent | None:
    """The consent to `purpose` on `channel` that holds; None: it was not given, or was withdrawn since."""
    given: Consent | None = None
    withdrawn_at: datetime | None = None
    for consent in consents:
        if not consent.covers(purpose, channel):
            continue
        if consent.withdrawn_at is not None and (withdrawn_at is None or consent.withdrawn_at > withdrawn_at):
            withdrawn_at = consent.withdrawn_at
        if consent.since is not None and (given is None or _rank(consent) > _rank(given)):
            given = consent
    if given is None or given.since is None or (withdrawn_at is not None and withdrawn_at >= given.since):
        return None
    return given


def consented(consents: tuple[Consent, ...], channel: str) -> frozenset[str]:
    """All that the person has consented to on `channel`, and not withdrawn."""
    if not consents:
        return frozenset()
    purposes = {consent.purpose for consent in consents}
    return frozenset(purpose for purpose in purposes if standing(consents, purpose, channel) is not None)


def with_given(consents: tuple[Consent, ...], given: Consent) -> tuple[Consent, ...]:
    """The records once it was given: the latest giving of a purpose on a channel is the one that is kept."""
    known = _told(consents, given.purpose, given.channel)
    if known.given_at is not None and _rank(known) >= _rank(given):
        return consents
    after = replace(known, given_at=given.given_at, source=given.source, wording=given.wording)
    return _with(consents, after)


def with_withdrawn(consents: tuple[Consent, ...], purpose: str, channel: str, at: datetime) -> tuple[Consent, ...]:
    """The records once it was withdrawn. What was given is kept: it has to be proved for what was sent until then."""
    known = _told(consents, purpose, channel)
    if known.withdrawn_at is not None and known.withdrawn_at >= at:
        return consents
    return _with(consents, replace(known, withdrawn_at=at))


def with_list(consents: tuple[Consent, ...], listed: Iterable[Consent], at: datetime) -> tuple[Consent, ...]:
    """The records once a snapshot of `at` listed these: they take the place of what an earlier snapshot listed."""
    told = tuple(consent for consent in consents if not consent.is_listed)
    return _sorted((*told, *dict.fromkeys(replace(consent, listed_at=at) for consent in listed)))


def _told(consents: tuple[Consent, ...], purpose: str, channel: str) -> Consent:
    """What was told of the moment itself, apart from any list."""
    for consent in consents:
        if not consent.is_listed and (consent.purpose, consent.channel) == (purpose, channel):
            return consent
    # Kept only once it has a time: without one it would be an entry of a list.
    return Consent(purpose, channel)


def _with(consents: tuple[Consent, ...], consent: Consent) -> tuple[Consent, ...]:
    others = (
        known
        for known in consents
        if known.is_listed or (known.purpose, known.channel) != (consent.purpose, consent.channel)
    )
    return _sorted((*others, consent))


def _sorted(consents: tuple[Consent, ...]) -> tuple[Consent, ...]:
    """In one order, whatever order they were heard in."""
    return tuple(sorted(consents, key=lambda each: (each.purpose, each.channel, each.is_listed, _rank(each))))


def _rank(consent: Consent) -> tuple[datetime, str, str]:
    """The later giving first; of two in one instant, always the same one."""
    return (consent.since or _BEFORE_ALL, consent.source, consent.wording)
