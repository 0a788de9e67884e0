"""How far the core's feed is complete: what the core says counts once everything it sent before is applied.

A checkpoint says that every fact up to a moment was *sent*. It overtakes a fact that is still being retried, and one
that was given up never comes at all; so a checkpoint is a claim, and the queue is the proof. Two watches in a row that
find nothing waiting, nothing in flight and nothing given up prove every claim heard before the first of them: counts
of a queue are approximate for up to a minute. A queue that is never empty proves a claim when nothing was given up and
nothing stood still for as long as the slowest fact takes to be applied or given up.

While facts lie in the dead-letter queue, or wait and are not read, there is a gap: no claim counts, old or new, and the
`as_of` of each borrower's own figures decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dunlin.errors import StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.ports import Backlog, Clock, Controls, FeedClaim, FeedState, Intake

#: Facts that wait this long without a moment at which none did stand still.
STANDS_STILL = timedelta(minutes=10)
#: And this long: nobody reads them, or there are far too many.
NOT_READ = timedelta(hours=1)
#: The queue's `VisibilityTimeout` and `maxReceiveCount`: how long one attempt hides a fact, and how many it has.
ATTEMPT_HIDES = timedelta(minutes=6)
MOST_ATTEMPTS = 5
#: By then a fact is applied or given up, if facts never stand still: each attempt waits, then hides; then it is moved.
SETTLES = MOST_ATTEMPTS * (STANDS_STILL + ATTEMPT_HIDES) + STANDS_STILL
#: Two watches closer than this are one: the counts of a queue may not have changed in between.
APART = timedelta(seconds=45)
#: Claims kept until they are proven; beyond that the newest takes the place of the one before.
_MOST_CLAIMS = 8


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watch saw, and what counts after it."""

    backlog: Backlog
    state: FeedState


class Feed:
    """The core's checkpoints: `announce` takes one in, `watch` proves it."""

    def __init__(self, controls: Controls, clock: Clock) -> None:
        self._controls = controls
        self._clock = clock

    def announce(self, complete_to: datetime) -> None:
        """Take in a checkpoint. One that claims no more than is claimed already changes nothing.

        Raises:
            StateConflict: other writers were first each time. TransientError.
        """
        now = self._clock()
        self._change(lambda state: announced(state, complete_to, now))

    def watch(self, intake: Intake) -> Watched:
        """Look at the queue of facts and draw the conclusions.

        Raises:
            StateConflict: other writers were first each time. TransientError.
        """
        # The moment before the look: what is claimed in between is not proven by it.
        now = self._clock()
        backlog = intake.backlog()
        return Watched(backlog, self._change(lambda state: watched(state, backlog, now)))

    def _change(self, change: Callable[[FeedState], FeedState]) -> FeedState:
        for _ in range(ATTEMPTS):
            before = self._controls.feed()
            after = change(before)
            if after == before:
                return before
            try:
                self._controls.put_feed(after)
            except StateConflict:
                continue
            return after
        raise StateConflict("feed#core")


def announced(state: FeedState, complete_to: datetime, now: datetime) -> FeedState:
    """The state after the core claimed `complete_to`."""
    if state.announced_to is not None and complete_to <= state.announced_to:
        return state
    kept = state.claims[: _MOST_CLAIMS - 1]
    return replace(state, claims=(*kept, FeedClaim(complete_to, now)))


def watched(state: FeedState, backlog: Backlog, now: datetime) -> FeedState:
    """The state after `backlog` was seen at `now`."""
    if state.watched_at is not None and now - state.watched_at < APART:
        # A second look at the same counts proves nothing, but what was given up is given up.
        return replace(state, gap_since=state.gap_since or now, emptied_at=None) if backlog.dead else state
    waiting_since = (state.waiting_since or now) if backlog.waiting else None
    waited = now - waiting_since if waiting_since is not None else timedelta(0)
    broken = backlog.dead > 0 or waited > STANDS_STILL
    gap_since = (state.gap_since or now) if backlog.dead > 0 or waited > NOT_READ else state.gap_since
    pending = bool(state.claims) or gap_since is not None
    # Nobody looked for a while: whatever stood still in between was not seen.
    unseen = state.watched_at is None or now - state.watched_at > STANDS_STILL
    flowing_since = None if broken or not pending else now if unseen else state.flowing_since or now
    empty = not (backlog.waiting or backlog.in_flight or backlog.dead)
    proven_to = _latest(
        state.emptied_at if empty else None,
        now - SETTLES if flowing_since is not None and now - flowing_since >= SETTLES else None,
    )
    if proven_to is not None and gap_since is not None and proven_to >= gap_since:
        gap_since = None
    complete_to, claims = state.complete_to, state.claims
    if proven_to is not None and gap_since is None:
        proven = [claim.complete_to for claim in claims if claim.heard_at <= proven_to]
        complete_to = _latest(complete_to, *proven)
        claims = tuple(claim for claim in claims if claim.heard_at > proven_to)
    if not (claims or gap_since is not None or waiting_since is not None):
        # Nothing to prove, so nothing to remember: a quiet minute writes nothing.
        return replace(
            state,
            complete_to=complete_to,
            claims=(),
            gap_since=None,
            waiting_since=None,
            flowing_since=None,
            emptied_at=None,
            watched_at=None,
        )
    return replace(
        state,
        complete_to=complete_to,
        claims=claims,
        gap_since=gap_since,
        waiting_since=waiting_since,
        flowing_since=flowing_since,
        emptied_at=now if empty else None,
        watched_at=now,
    )


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
