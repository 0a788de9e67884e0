"""The provider's own opt-out list: what people tell us is written through to it, and what it says comes back.

The list is a second fence and never the first: what binds is our own item, from the moment it is written. A number goes
onto the list only after the time in which its opt-out may be confirmed, because a listed number gets no text at all.

Everything here follows from what is stored, so it may be done twice, late, or after somebody died half-way. Before a
number is put on the list it is written down that we are about to: without that, our own entry would come back as
somebody else's word, later than the START that took it back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from dunlin.domain.borrower import ALL_PURPOSES
from dunlin.domain.preferences import Word
from dunlin.domain.words import Channel, Purpose
from dunlin.errors import StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.opt_outs import CONFIRMED_WITHIN, PROVIDERS_WORD, OptOuts, blocked_purposes
from dunlin.services.ports import (
    Clock,
    Listed,
    Listing,
    Listings,
    ListingState,
    NumberList,
    OptOutQueue,
    PointKeys,
    Store,
    Suppression,
)

#: A list is read page by page: what was put there a moment before the first page may not be in it yet.
SETTLES = timedelta(minutes=5)
#: Between a word and one that takes back just that one.
_INSTANT = timedelta(microseconds=1)


class Followed(StrEnum):
    """What was done about a number's place on the list."""

    NOTHING = "nothing"
    LISTED = "listed"
    REMOVED = "removed"
    KEPT = "kept"  # it should be taken off, and the provider keeps it for now
    NOT_TAKEN = "not_taken"  # the provider does not take this number
    LATER = "later"  # its confirmation may still be on its way
    NOBODYS = "nobodys"  # no borrower has it whom this provider's lines could write to


@dataclass(frozen=True, slots=True)
class Read:
    """What a reading of the list found. `opted_out`, `opted_in`: what the list told us that we did not know."""

    numbers: int
    opted_out: int
    opted_in: int
    kept: int


class OptOutList:
    """The service behind `follow_opt_outs`.

    `numbers` None: this stack uses no such provider. `serves` says of a jurisdiction whether its lines write there.
    """

    def __init__(
        self,
        store: Store,
        listings: Listings,
        numbers: NumberList | None,
        queue: OptOutQueue,
        opt_outs: OptOuts,
        keys: PointKeys,
        serves: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._store = store
        self._listings = listings
        self._numbers = numbers
        self._queue = queue
        self._opt_outs = opt_outs
        self._keys = keys
        self._serves = serves
        self._clock = clock

    def follow(self, point: str, number: str = "") -> Followed:
        """Bring the number's place on the list into line with what it opted out of, as of now.

        Raises:
            TransientError: the provider or the storage is not reachable. Conflict: other writers were first each time.
        """
        numbers = self._numbers
        number = number or self._number(point)
        if numbers is None or not number:
            return Followed.NOBODYS
        for _ in range(ATTEMPTS):
            wanted, confirmed_at = self._wanted(point)
            now = self._clock()
            if wanted and confirmed_at is not None and now < confirmed_at:
                self._queue.follow(point, confirmed_at - now)
                return Followed.LATER
            followed = self._listed(point, number, numbers) if wanted else self._removed(point, number, numbers)
            # Whoever said something meanwhile has asked for another look, which may have come before this one ended.
            if self._wanted(point)[0] == wanted:
                return followed
        raise StateConflict("opt-out list")

    def read(self) -> Read:
        """Read all of the list: numbers that came onto it opt out here, those that left it opt in again.

        An opt-in of the provider's takes back the opt-out that the provider told us of, and nothing that was said to
        us; a number that left the list although its opt-out was said to us is put back.
        """
        numbers, found = self._numbers, Read(0, 0, 0, 0)
        if numbers is None:
            return found
        began = self._clock()
        known = {listing.point: listing for listing in self._listings.listings()}
        seen: set[str] = set()
        opted_out = opted_in = kept = 0
        for listed in numbers.numbers():
            point = self._keys.point(Channel.SMS, listed.number)
            seen.add(point)
            changed, followed = self._found(numbers.name, point, listed, known.get(point))
            opted_out += changed
            kept += followed is Followed.KEPT
        for point, listing in known.items():
            if point not in seen and listing.state is not ListingState.GONE and listing.at < began - SETTLES:
                opted_in += self._missing(numbers.name, listing)
        return Read(len(seen), opted_out, opted_in, kept)

    # ── writing through ──────────────────────────────────────────────────────────────────────────────────────────────

    def _wanted(self, point: str) -> tuple[bool, datetime | None]:
        """Whether the number is to be on the list, and from when on: all of its texts were opted out of."""
        state = self._store.suppression(point)
        since = state.heard_at + CONFIRMED_WITHIN if state.heard_at is not None else None
        return f"{Channel.SMS}#{ALL_PURPOSES}" in state.blocked, since

    def _listed(self, point: str, number: str, numbers: NumberList) -> Followed:
        listing = self._listings.listing(point)
        if listing is not None and listing.state in (ListingState.OURS, ListingState.THEIRS):
            return Followed.NOTHING
        wanted = self._put(listing, Listing(point, ListingState.WANTED, self._clock()))
        if not numbers.put(number):
            self._put(wanted, replace(wanted, state=ListingState.GONE))
            return Followed.NOT_TAKEN
        self._put(wanted, replace(wanted, state=ListingState.OURS, at=self._clock()))
        return Followed.LISTED

    def _removed(self, point: str, number: str, numbers: NumberList) -> Followed:
        listing = self._listings.listing(point)
        if listing is None or listing.state is ListingState.GONE:
            return Followed.NOTHING
        if not numbers.remove(number):
            return Followed.KEPT
        self._put(listing, replace(listing, state=ListingState.GONE, at=self._clock()))
        return Followed.REMOVED

    def _put(self, before: Listing | None, after: Listing) -> Listing:
        revision = before.revision if before is not None else 0
        self._listings.put(replace(after, revision=revision))
        return replace(after, revision=revision + 1)

    def _number(self, point: str) -> str:
        """The number, from a borrower who has it: the item itself knows none."""
        for borrower_id in self._store.borrowers_of(point):
            borrower = self._store.borrower(borrower_id)
            if borrower is None or not self._serves(borrower.jurisdiction):
                continue
            for party in borrower.parties:
                for each in party.points:
                    if each.point == point and each.channel is Channel.SMS:
                        return each.address
        return ""

    # ── reading back ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _found(self, name: str, point: str, listed: Listed, listing: Listing | None) -> tuple[bool, Followed]:
        """A number that is on the list. Whether that was news, and what was done about it."""
        changed = False
        state = self._store.suppression(point)
        blocked = blocked_purposes(state, Channel.SMS)
        said_to_us = ALL_PURPOSES in blocked and _providers_word(state) is None
        known = listing.state if listing is not None else ListingState.GONE
        if known in (ListingState.WANTED, ListingState.OURS) and (said_to_us or not listed.by_person):
            if listing is not None and known is ListingState.WANTED:
                self._put(listing, replace(listing, state=ListingState.OURS))
        elif known is not ListingState.THEIRS or listing is None or listing.at != listed.at:
            if said_to_us:
                # Told to us as well: what is said there takes nothing away from it.
                self._put(listing, Listing(point, ListingState.OURS, listed.at))
            else:
                # After a refusal it is known already, and what had been opted out of before that is kept with it.
                spared = () if listing is None else listing.spared
                if ALL_PURPOSES not in blocked:
                    spared = tuple(sorted(blocked))
                changed = self._opt_outs.at_provider(point, opted_out=True, at=listed.at, by=_by(name, listed.at))
                self._put(listing, Listing(point, ListingState.THEIRS, listed.at, spared=spared))
        if ALL_PURPOSES in blocked_purposes(self._store.suppression(point), Channel.SMS):
            return changed, Followed.NOTHING
        return changed, self.follow(point, listed.number)

    def _missing(self, name: str, listing: Listing) -> bool:
        """A number that was on the list. Whether an opt-in came back with it."""
        changed = False
        if listing.state is ListingState.THEIRS:
            # Just after the word that it takes back, so that none that was said since is touched.
            word = _providers_word(self._store.suppression(listing.point))
            at = max(listing.at, word.at if word is not None else listing.at) + _INSTANT
            changed = self._opt_outs.at_provider(listing.point, opted_out=False, at=at, by=_by(name, at))
            for purpose in listing.spared:
                by = f"{_by(name, at)}#{purpose}"
                self._opt_outs.at_provider(listing.point, opted_out=True, at=at, by=by, purpose=Purpose(purpose))
        self._put(listing, replace(listing, state=ListingState.GONE, at=self._clock()))
        if self._wanted(listing.point)[0]:
            self._queue.follow(listing.point, timedelta(0))
        return changed


def _by(name: str, at: datetime) -> str:
    return f"{PROVIDERS_WORD}{name}:{at.isoformat()}"


def _providers_word(state: Suppression) -> Word | None:
    """The word about all texts of this number, if it is the provider's."""
    said = (word for word in state.words if word.channel is Channel.SMS and word.purpose == ALL_PURPOSES)
    return next((word for word in said if word.by.startswith(PROVIDERS_WORD)), None)
