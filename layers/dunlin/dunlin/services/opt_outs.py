"""Opt-outs: recorded per contact point, in force at the next reservation, mirrored to every borrower who has it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from dunlin.domain.apply import woken
from dunlin.domain.borrower import ALL_PURPOSES, Borrower, ContactPoint, LastWord, Party
from dunlin.domain.message import Message
from dunlin.domain.preferences import Word, blocked_by, with_word
from dunlin.domain.reach import mirrored_findings
from dunlin.domain.words import Channel, PartyRole, Purpose
from dunlin.errors import AlreadyRecorded, Conflict, InvalidInput, NotFound, StateConflict, VersionConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.ports import (
    Change,
    Clock,
    Listing,
    Listings,
    ListingState,
    OptOutQueue,
    PointRecord,
    Store,
    Suppression,
)

#: The one confirmation of an opt-out goes within five minutes of the text (`confirm_opt_out_within_minutes`, of which
#: no pack allows more); a number that is on the provider's list gets no text at all, so it is listed after that.
CONFIRMED_WITHIN = timedelta(minutes=6)
#: What the name of a word begins with that is not the person's but the provider's, learnt from its list or a refusal.
PROVIDERS_WORD = "provider:"


def blocked_purposes(state: Suppression, channel: Channel) -> frozenset[str]:
    """The purposes a suppression item blocks on a channel, as a borrower's contact point mirrors them."""
    prefix = f"{channel}#"
    return frozenset(entry.removeprefix(prefix) for entry in state.blocked if entry.startswith(prefix))


class OptOuts:
    """Writes the suppression item first: from then on nothing it covers can be reserved, whatever comes after."""

    def __init__(
        self, store: Store, clock: Clock, queue: OptOutQueue | None = None, listings: Listings | None = None
    ) -> None:
        """`queue` takes what has to be written through to the provider's list; None: this function hears of nothing
        that would be. `listings`: what is known of that list; None: nothing."""
        self._store = store
        self._clock = clock
        self._queue = queue
        self._listings = listings

    def record(
        self,
        point: str,
        channel: Channel,
        *,
        opted_out: bool,
        at: datetime,
        by: str,
        purpose: Purpose | None = None,
        record: PointRecord | None = None,
    ) -> bool:
        """Opt a point out of (or in to) one purpose, or all of them, on a channel, by the word `by` received `at`.

        For each purpose the last word that was received prevails, whatever the order in which words are processed; of
        two in one instant, the opt-out. Returns whether what may be sent changed by this word. `record` is written
        with it; where it was written before, nothing happens. What it means for the provider's list is asked for each
        time, so that a caller who died in between and comes again still has it done.
        """
        changed = self._recorded(point, channel, opted_out=opted_out, at=at, by=by, purpose=purpose, record=record)
        if self._queue is not None and channel is Channel.SMS:
            self._queue.follow(point, CONFIRMED_WITHIN if opted_out else timedelta(0))
        return changed

    def joined(self, point: ContactPoint) -> None:
        """A borrower is about to have this number: what it had opted out of before goes to the provider's list too."""
        if self._queue is not None and point.channel is Channel.SMS and ALL_PURPOSES in point.blocked:
            self._queue.follow(point.point, CONFIRMED_WITHIN)

    def _recorded(
        self,
        point: str,
        channel: Channel,
        *,
        opted_out: bool,
        at: datetime,
        by: str,
        purpose: Purpose | None,
        record: PointRecord | None,
    ) -> bool:
        word = Word(channel, str(purpose) if purpose is not None else ALL_PURPOSES, opted_out, at, by)
        for _ in range(ATTEMPTS):
            state = self._store.suppression(point)
            words = with_word(state.words, word)
            blocked = blocked_by(words)
            changes = blocked != state.blocked
            suppression = None
            if words != state.words:
                changed_by = by if changes else state.changed_by
                heard_at = at if state.heard_at is None else max(at, state.heard_at)
                suppression = replace(state, blocked=blocked, heard_at=heard_at, changed_by=changed_by, words=words)
            if suppression is None and record is None:
                return False
            try:
                self._store.commit(
                    Change(suppression=suppression, point_records=(record,) if record is not None else ())
                )
            except AlreadyRecorded:
                return False
            except Conflict:
                continue
            return changes
        raise StateConflict("suppression")

    def at_point(
        self, point: str, channel: Channel, *, opted_out: bool, at: datetime, by: str, purpose: Purpose | None = None
    ) -> bool:
        """The same, asked elsewhere than by a text from the number itself, and mirrored to whoever has the number."""
        record = _told(point, opted_out, at, by)
        changed = self.record(point, channel, opted_out=opted_out, at=at, by=by, purpose=purpose, record=record)
        for borrower_id in self._store.borrowers_of(point):
            self.mirror(borrower_id, point)
        return changed

    def by_link(self, point: str, channel: Channel, purpose: Purpose, at: datetime) -> bool:
        """The same by the link in a message. However often it is called, one word is kept, the latest."""
        changed = self.record(point, channel, opted_out=True, at=at, by="unsubscribe_link", purpose=purpose)
        for borrower_id in self._store.borrowers_of(point):
            self.mirror(borrower_id, point)
        return changed

    def of_everything(
        self, borrower_id: str, *, opted_out: bool, at: datetime, by: str, party_id: str = "", point: str = ""
    ) -> bool:
        """Every purpose, on every channel, at every point of one party: the one named, whoever has `point`, or else
        the primary borrower. It is remembered, so that it covers the numbers the party gets later.

        Every point's own item is written before the borrower, and again should a number have joined meanwhile: when
        this returns, nothing it covers can be reserved any more.

        Raises:
            NotFound: no such borrower. InvalidInput: no such party. Conflict: other writers were first each time.
        """
        changed = False
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                raise NotFound("borrower_id")
            parties = _meant(borrower, party_id, point)
            if not parties and not point:
                raise InvalidInput("party_id", "is no party to the borrower's loans")
            after = replace(
                borrower,
                parties=tuple(
                    with_last_word(party, LastWord(opted_out, at, by)) if party in parties else party
                    for party in borrower.parties
                ),
            )
            for party in parties:
                for each in party.points:
                    changed |= self.carry(each, LastWord(opted_out, at, by))
                    after = mirrored(after, self._store.suppression(each.point))
            if after == borrower:
                return changed
            try:
                self._store.commit(Change(borrower=woken(after, self._clock())))
            except Conflict:
                continue
            self._mirror_to_others(borrower_id, parties)
            return changed
        raise VersionConflict(borrower_id)

    def carry(self, point: ContactPoint, word: LastWord) -> bool:
        """A party's word about everything, at one of its points. Said before, it is nothing."""
        record = _told(point.point, word.opted_out, word.at, word.by)
        return self.record(point.point, point.channel, opted_out=word.opted_out, at=word.at, by=word.by, record=record)

    def _mirror_to_others(self, borrower_id: str, parties: Sequence[Party]) -> None:
        for party in parties:
            for point in party.points:
                for other in self._store.borrowers_of(point.point):
                    if other != borrower_id:
                        self.mirror(other, point.point)

    def at_provider(
        self, point: str, *, opted_out: bool, at: datetime, by: str, purpose: Purpose | None = None
    ) -> bool:
        """The same as the provider's list of numbers has it: there is nothing to write through."""
        record = _told(point, opted_out, at, by)
        changed = self._recorded(point, Channel.SMS, opted_out=opted_out, at=at, by=by, purpose=purpose, record=record)
        for borrower_id in self._store.borrowers_of(point):
            self.mirror(borrower_id, point)
        return changed

    def record_from_provider(self, message: Message) -> None:
        """The provider's own list has this number: it is an opt-out like any other.

        Unless we know why it is there, and were told since that it should not be: then the provider only has not taken
        it off yet, and the last word stays the person's.
        """
        blocked = blocked_purposes(self._store.suppression(message.point), message.channel)
        if self._is_being_taken_off(message):
            return
        if ALL_PURPOSES not in blocked:  # said before, and by whom is not to be forgotten
            now = self._clock()
            self.record(message.point, message.channel, opted_out=True, at=now, by=f"{PROVIDERS_WORD}{message.ref}")
            self._listed_there(message, now, tuple(sorted(blocked)))
        for borrower_id in self._store.borrowers_of(message.point):
            self.mirror(borrower_id, message.point)

    def _listed_there(self, message: Message, now: datetime, spared: tuple[str, ...]) -> None:
        if self._listings is None or message.channel is not Channel.SMS:
            return
        known = self._listings.listing(message.point)
        revision = known.revision if known is not None else 0
        with suppress(StateConflict):  # the list was read meanwhile
            self._listings.put(Listing(message.point, ListingState.THEIRS, now, revision, spared))

    def _is_being_taken_off(self, message: Message) -> bool:
        if self._listings is None or message.channel is not Channel.SMS:
            return False
        listing = self._listings.listing(message.point)
        if listing is None or listing.state is ListingState.GONE:
            return False
        return not self._store.suppression(message.point).forbids(message.channel, message.purpose)

    def mirror(self, borrower_id: str, point: str) -> Borrower | None:
        """Copy the point's state to the borrower, so that decisions know it. Returns the borrower as it is now."""
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                return None
            after = mirrored(borrower, self._store.suppression(point))
            if after == borrower:
                return borrower
            after = woken(after, self._clock())
            try:
                self._store.commit(Change(borrower=after))
            except Conflict:
                continue
            return replace(after, version=after.version + 1, revision=after.revision + 1)
        raise StateConflict(borrower_id)

    def forbids(self, message: Message) -> bool:
        """Whether the point has opted out of this message since it was reserved."""
        return self._store.suppression(message.point).forbids(message.channel, message.purpose)


def with_last_word(party: Party, word: LastWord) -> Party:
    """The party that remembers what it last said about everything; of two in one instant, the opt-out."""
    known = party.last_word
    if known is not None and (known.at, known.opted_out) >= (word.at, word.opted_out):
        return party
    return replace(party, last_word=word)


def _meant(borrower: Borrower, party_id: str, point: str) -> tuple[Party, ...]:
    if point:
        return tuple(party for party in borrower.parties if any(each.point == point for each in party.points))
    if party_id:
        return tuple(party for party in borrower.parties if party.party_id == party_id)
    return tuple(party for party in borrower.parties if party.role is PartyRole.PRIMARY)


def _told(point: str, opted_out: bool, at: datetime, by: str) -> PointRecord:
    document = {"opted_out": opted_out, "received_at": at.isoformat(), "by": by}
    return PointRecord(point, f"WORD#{by}", document)


def mirrored(borrower: Borrower, state: Suppression) -> Borrower:
    """The borrower whose contact points carry what `state` blocks, and what was found out about them."""
    if state.findings:
        borrower = mirrored_findings(borrower, state.point, state.findings)
    return replace(
        borrower,
        parties=tuple(
            replace(
                party,
                points=tuple(
                    replace(point, blocked=blocked_purposes(state, point.channel))
                    if point.point == state.point
                    else point
                    for point in party.points
                ),
            )
            for party in borrower.parties
        ),
    )
