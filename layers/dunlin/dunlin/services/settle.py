"""Settling a message: the one place where a message ends, and where the borrower learns what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from dunlin.domain.apply import marked, pruned, without_contact, woken
from dunlin.domain.borrower import Borrower
from dunlin.domain.message import Message, Move
from dunlin.domain.reach import PointState, lost
from dunlin.domain.replies import without_answer
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import Conflict, StateConflict
from dunlin.services.ports import Change, Clock, Store

_ATTEMPTS = 6
_UNSENT = frozenset({MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED, MessageState.FAILED})
#: Why a reply is missed by nobody: they want no more texts, or somebody else's answer reaches them.
_NOBODY_WAITS = frozenset({Reason.OPTED_OUT, Reason.PROVIDER_OPTED_OUT, Reason.SHADOW})


class Settle:
    """Moves a message to a terminal state, with the borrower's marks, caps and contact points in one transaction."""

    def __init__(self, store: Store, clock: Clock, reached: Callable[[MessageState], None] | None = None) -> None:
        self._store = store
        self._clock = clock
        self._reached = reached

    def reached(self, state: MessageState) -> None:
        """Somebody recorded that a message is in this state, handed over or ended: for whoever counts."""
        if self._reached is not None:
            self._reached(state)

    def settle(
        self,
        borrower_id: str,
        key: str,
        state: MessageState,
        reason: Reason,
        rule: str = "",
        *,
        release: bool = False,
        lose_channel: bool = False,
        point_unusable: bool = False,
        expected: frozenset[MessageState] | None = None,
        provider_message_id: str = "",
        parts: int = 0,
        price: str = "",
    ) -> bool:
        """End the message. False when it had ended already, or is not in one of the `expected` states any more.

        `release` frees the cap: only on proof that nothing was accepted. A late report may correct UNKNOWN.

        Raises:
            StateConflict: other writers were first each time; the caller's retry, or the sweep, comes again.
        """
        for _ in range(_ATTEMPTS):
            message = self._store.message(borrower_id, key)
            if message is None or (expected is not None and message.state not in expected):
                return False
            if message.is_terminal and not (message.state is MessageState.UNKNOWN and state is not message.state):
                return False
            now = self._clock()
            after = replace(
                message,
                state=state,
                reason=reason,
                rule=rule,
                settled_at=now,
                attend_at=None,
                may_retry=False,
                again_at=None,
                moves=(*message.moves, Move(state, now, reason, rule)),
                provider_message_id=provider_message_id or message.provider_message_id,
                parts=parts or message.parts,
                price=price or message.price,
            )
            borrower = self._store.borrower(borrower_id)
            if borrower is not None:
                borrower = self._learnt(
                    borrower, after, now, release=release, lose_channel=lose_channel, point_unusable=point_unusable
                )
            felt = self._store.felt(message.point) if release and message.point else None
            released = felt.without(message.ref, now) if felt is not None else None
            changes = released is not felt
            try:
                self._store.commit(
                    Change(
                        borrower=borrower,
                        moved_messages=(after,),
                        felt=(released,) if released is not None and changes else (),
                    )
                )
            except Conflict:
                continue
            self.reached(state)
            if changes:
                self._forgotten(message)
            return True
        raise StateConflict(f"{borrower_id}/{key}")

    def lose_point(self, message: Message) -> None:
        """The contact point reaches nobody, or somebody who wants nothing of it any more.

        Raises:
            StateConflict: other writers were first each time; the caller's retry comes again.
        """
        for _ in range(_ATTEMPTS):
            borrower = self._store.borrower(message.borrower_id)
            if borrower is None:
                return
            after = with_unusable(borrower, message.channel, message.point, PointState.BOUNCED, self._clock())
            if after == borrower:
                return
            try:
                self._store.commit(Change(borrower=woken(after, self._clock())))
            except Conflict:
                continue
            return
        raise StateConflict(message.borrower_id)

    def _forgotten(self, message: Message) -> None:
        """Let whoever else has the number forget a contact that was never made.

        Remembering it makes them wait for nothing, until it is too old to count: not worth a failure.
        """
        for borrower_id in self._store.borrowers_of(message.point):
            for _ in range(_ATTEMPTS):
                borrower = self._store.borrower(borrower_id)
                if borrower is None or all(contact.ref != message.ref for contact in borrower.contacts):
                    break
                after = woken(without_contact(borrower, message.ref), self._clock())
                try:
                    self._store.commit(Change(borrower=after))
                except Conflict:
                    continue
                break

    @staticmethod
    def _learnt(
        borrower: Borrower, message: Message, now: datetime, *, release: bool, lose_channel: bool, point_unusable: bool
    ) -> Borrower | None:
        """The borrower with what this ending teaches; None when it teaches nothing (a delivered text changes no plan).

        A reminder whose fate is unknown was probably read; a tier that nobody can prove was said is said again on
        another channel. A reply that did not go leaves somebody waiting: a person takes over.
        """
        after = borrower
        if release:
            after = without_contact(after, message.ref)
        if message.state in _UNSENT or (message.state is MessageState.UNKNOWN and message.episode and lose_channel):
            after = marked(after, message, now, status="unsent", reason=message.reason, lose_channel=lose_channel)
        if message.purpose is Purpose.REPLY and message.state in _UNSENT and message.reason not in _NOBODY_WAITS:
            after = without_answer(
                after, message.party_id, message.in_reply_to, message.template, message.requested_at, now
            )
        if message.state is MessageState.DELIVERED:
            # A report that corrects UNKNOWN: it was said after all, unless it has been said again already.
            after = retold(after, message, now)
        if point_unusable:
            invalid = message.reason is Reason.INVALID_NUMBER
            because = PointState.INVALID if invalid else PointState.BOUNCED
            after = with_unusable(after, message.channel, message.point, because, now)
        if after == borrower:
            return None
        return woken(pruned(after, now), now)


def retold(borrower: Borrower, message: Message, now: datetime) -> Borrower:
    """The borrower with the stages that `message` was the last word on told after all."""
    lost = any(
        mark.mark_id in message.mark_ids and mark.message_key == message.key and mark.status in ("unsent", "waiting")
        for mark in borrower.marks
    )
    return marked(borrower, message, now, status="told") if lost else borrower


def with_unusable(borrower: Borrower, channel: Channel, point: str, because: PointState, at: datetime) -> Borrower:
    """The borrower with this contact point marked as one that reaches nobody; marked before, it stays as it is."""
    return replace(
        borrower,
        parties=tuple(
            replace(
                party,
                points=tuple(
                    lost(p, because, at) if p.channel is channel and p.point == point and p.usable else p
                    for p in party.points
                ),
            )
            for party in borrower.parties
        ),
    )
