"""Opt-outs: recorded per contact point, in force at the next reservation, mirrored to every borrower who has it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from dunlin.domain.apply import woken
from dunlin.domain.borrower import ALL_PURPOSES, Borrower
from dunlin.domain.message import Message
from dunlin.domain.words import Channel
from dunlin.errors import AlreadyRecorded, Conflict, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.ports import Change, Clock, PointRecord, Store, Suppression


def blocked_purposes(state: Suppression, channel: Channel) -> frozenset[str]:
    """The purposes a suppression item blocks on a channel, as a borrower's contact point mirrors them."""
    prefix = f"{channel}#"
    return frozenset(entry.removeprefix(prefix) for entry in state.blocked if entry.startswith(prefix))


class OptOuts:
    """Writes the suppression item first: from then on nothing it covers can be reserved, whatever comes after."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def record(
        self,
        point: str,
        channel: Channel,
        *,
        opted_out: bool,
        at: datetime,
        by: str,
        record: PointRecord | None = None,
    ) -> bool:
        """Opt a point out of (or in to) a whole channel, by the text `by` received `at`.

        The last text that was received prevails, whatever the order in which texts are processed; of two in one
        instant, the opt-out. Returns whether the state changed by this text.
        """
        entry = f"{channel}#{ALL_PURPOSES}"
        for _ in range(ATTEMPTS):
            state = self._store.suppression(point)
            blocked = (
                state.blocked | {entry}
                if opted_out
                else frozenset(known for known in state.blocked if not known.startswith(f"{channel}#"))
            )
            older = state.heard_at is not None and (at < state.heard_at or (at == state.heard_at and not opted_out))
            changes = blocked != state.blocked and not older
            suppression = None
            if not older:
                changed_by = by if changes else state.changed_by
                suppression = replace(state, blocked=blocked, heard_at=at, changed_by=changed_by)
            try:
                self._store.commit(
                    Change(suppression=suppression, point_records=(record,) if record is not None else ())
                )
            except AlreadyRecorded:
                return False
            except StateConflict:
                continue
            return changes
        raise StateConflict("suppression")

    def record_from_provider(self, message: Message) -> None:
        """The provider's own list has this number: it is an opt-out like any other."""
        self.record(message.point, message.channel, opted_out=True, at=self._clock(), by=message.ref)
        for borrower_id in self._store.borrowers_of(message.point):
            self.mirror(borrower_id, message.point)

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


def mirrored(borrower: Borrower, state: Suppression) -> Borrower:
    """The borrower whose contact points carry what `state` blocks."""
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
