"""The core's checkpoint counts once everything sent before it is applied, whatever the queue does meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from dunlin.domain.permit import is_stale
from dunlin.errors import StateConflict
from dunlin.services.feed import ATTEMPT_HIDES, MOST_ATTEMPTS, NOT_READ, SETTLES, STANDS_STILL, Feed, announced, watched
from dunlin.services.ports import Backlog, FeedClaim, FeedState
from dunlin.testing import FakeClock, FakeIntake, MemoryControls
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import MINUTE, NOW, TODAY, House, loan_document

EMPTY = Backlog(0, 0, 0)
BUSY = Backlog(0, 3, 0)
DEAD = Backlog(0, 0, 1)
PILED = Backlog(9, 3, 0)


def after(*looks: Backlog, state: FeedState | None = None, begins: datetime = NOW) -> FeedState:
    """What is concluded from a look a minute."""
    state = state or announced(FeedState(), NOW, NOW)
    for minute, backlog in enumerate(looks):
        state = watched(state, backlog, begins + minute * MINUTE)
    return state


class TestClaims:
    def test_one_look_at_an_empty_queue_proves_nothing(self) -> None:
        assert after(EMPTY).counts_to is None

    def test_two_in_a_row_do(self) -> None:
        assert after(EMPTY, EMPTY).counts_to == NOW
        assert after(EMPTY, BUSY, EMPTY).counts_to is None
        assert after(EMPTY, BUSY, EMPTY, EMPTY).counts_to == NOW

    def test_two_at_once_are_one(self) -> None:
        state = watched(after(EMPTY), EMPTY, NOW + timedelta(seconds=5))
        assert state.counts_to is None
        assert watched(state, EMPTY, NOW + MINUTE).counts_to == NOW

    def test_what_is_given_up_is_seen_at_any_time(self) -> None:
        state = watched(after(EMPTY), DEAD, NOW + timedelta(seconds=5))
        assert state.gap_since == NOW + timedelta(seconds=5)
        assert watched(state, EMPTY, NOW + MINUTE).gap_since is not None

    def test_a_claim_heard_after_the_first_look_waits_for_the_next(self) -> None:
        state = announced(after(EMPTY), NOW + MINUTE, NOW + timedelta(seconds=30))
        state = watched(state, EMPTY, NOW + MINUTE)
        assert (state.counts_to, state.announced_to) == (NOW, NOW + MINUTE)
        assert watched(state, EMPTY, NOW + 2 * MINUTE).counts_to == NOW + MINUTE

    def test_an_older_claim_adds_nothing(self) -> None:
        state = announced(FeedState(), NOW, NOW)
        assert announced(state, NOW, NOW + MINUTE) == state
        assert announced(state, NOW - MINUTE, NOW + MINUTE) == state

    def test_claims_are_limited_and_the_oldest_are_not_starved(self) -> None:
        state = FeedState()
        for minute in range(1000):
            state = announced(state, NOW + minute * MINUTE, NOW + minute * MINUTE)
        assert len(state.claims) == 8
        assert state.claims[0] == FeedClaim(NOW, NOW)
        assert state.announced_to == NOW + 999 * MINUTE

    def test_a_queue_that_is_never_empty_proves_it_in_time(self) -> None:
        minutes = int(SETTLES / MINUTE)
        assert after(*[BUSY] * minutes).counts_to is None
        assert after(*[BUSY] * (minutes + 1)).counts_to == NOW

    def test_not_while_facts_stand_still_or_nobody_looks(self) -> None:
        minutes = int(SETTLES / MINUTE)
        still = int(STANDS_STILL / MINUTE) + 2
        assert after(*[BUSY] * 40, *[PILED] * still, *[BUSY] * (minutes - 1)).counts_to is None
        assert after(*[BUSY] * 40, *[PILED] * still, *[BUSY] * (minutes + 1)).counts_to == NOW
        state = after(*[BUSY] * 40)
        later = NOW + 40 * MINUTE + STANDS_STILL + MINUTE
        assert after(*[BUSY] * (minutes - 1), state=state, begins=later).counts_to is None

    def test_a_quiet_minute_writes_nothing(self) -> None:
        state = after(EMPTY, EMPTY)
        assert after(*[EMPTY] * 5, *[BUSY] * 5, state=state, begins=NOW + timedelta(hours=1)) == state


class TestGap:
    def test_what_counted_counts_no_more(self) -> None:
        state = after(EMPTY, EMPTY)
        state = after(DEAD, state=state, begins=NOW + 5 * MINUTE)
        assert (state.counts_to, state.complete_to, state.gap_since) == (None, NOW, NOW + 5 * MINUTE)

    def test_it_closes_when_what_was_given_up_is_applied(self) -> None:
        state = after(EMPTY, EMPTY, DEAD, DEAD, BUSY, EMPTY)
        assert state.counts_to is None
        state = announced(state, NOW + 5 * MINUTE, NOW + 5 * MINUTE)
        state = after(EMPTY, state=state, begins=NOW + 6 * MINUTE)
        assert state.counts_to == NOW + 5 * MINUTE
        assert state == FeedState(complete_to=NOW + 5 * MINUTE)

    def test_it_closes_on_a_busy_queue_too(self) -> None:
        minutes = int(SETTLES / MINUTE)
        assert after(DEAD, *[BUSY] * minutes).counts_to is None
        assert after(DEAD, *[BUSY] * (minutes + 1)).counts_to == NOW

    def test_nobody_reads(self) -> None:
        minutes = int(NOT_READ / MINUTE)
        state = after(EMPTY, EMPTY)
        assert after(*[PILED] * (minutes + 1), state=state, begins=NOW + 2 * MINUTE).counts_to == NOW
        assert after(*[PILED] * (minutes + 2), state=state, begins=NOW + 2 * MINUTE).counts_to is None


@dataclass
class Queue:
    """A standard queue and its reader, a minute at a time: facts fail up to five times and are given up."""

    hidden_until: dict[int, int] = field(default_factory=dict)  # fact: minute
    attempts: dict[int, int] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    applied: set[int] = field(default_factory=set)
    lag: list[Backlog] = field(default_factory=lambda: [EMPTY])

    def arrives(self, fact: int, minute: int) -> None:
        self.hidden_until[fact] = minute

    def read(self, minute: int, fails: set[int]) -> None:
        for fact, until in list(self.hidden_until.items()):
            if until > minute:
                continue
            if self.attempts.get(fact, 0) >= MOST_ATTEMPTS:
                del self.hidden_until[fact]
                self.dead.add(fact)
                continue
            self.attempts[fact] = self.attempts.get(fact, 0) + 1
            if fact in fails:
                self.hidden_until[fact] = minute + int(ATTEMPT_HIDES / MINUTE)
            else:
                del self.hidden_until[fact]
                self.applied.add(fact)

    def redrive(self, minute: int) -> None:
        for fact in sorted(self.dead):
            self.attempts[fact] = 0
            self.arrives(fact, minute)
        self.dead.clear()

    def counts(self, minute: int) -> Backlog:
        """Up to a minute behind the truth."""
        waiting = sum(until <= minute for until in self.hidden_until.values())
        self.lag.append(Backlog(waiting, len(self.hidden_until) - waiting, len(self.dead)))
        return self.lag[-1]


Minutes = st.lists(
    st.tuples(
        st.sampled_from(["fact", "fact", "claim", "claim", "nothing", "redrive"]),
        st.booleans(),  # the fact's next attempts fail
        st.booleans(),  # the reader reads
        st.booleans(),  # the counts are a minute old
        st.sampled_from([True, True, True, False]),  # the watch runs
    ),
    min_size=20,
    max_size=400,
)


@given(minutes=Minutes, stubborn=st.integers(0, 40))
@settings(max_examples=150)
def test_nothing_counts_that_is_not_applied(minutes: list[tuple[str, bool, bool, bool, bool]], stubborn: int) -> None:
    """Whatever fails, waits, is given up or redriven: up to what counts, every fact that was sent is applied."""
    queue, state = Queue(), FeedState()
    sent: set[int] = set()
    fails: set[int] = set()
    for minute, (what, failing, reads, old, watches) in enumerate(minutes):
        now = NOW + minute * MINUTE
        match what:
            case "fact":
                sent.add(minute)
                queue.arrives(minute, minute)
                if failing:
                    fails.add(minute)
            case "claim":
                state = announced(state, now, now)
            case "redrive":
                fails = set()
                queue.redrive(minute)
        if minute % 41 == stubborn:
            fails.clear()
        if reads:
            queue.read(minute, fails)
        truth, before = queue.counts(minute), queue.lag[-2]
        if watches:
            seen = before if old else truth
            state = watched(state, seen, now + timedelta(seconds=30))
        if state.counts_to is not None:
            complete_to = (state.counts_to - NOW) / MINUTE
            assert not {fact for fact in sent if fact <= complete_to and fact not in queue.applied}


class TestService:
    def test_it_is_written_down(self) -> None:
        controls, clock, intake = MemoryControls(), FakeClock(NOW), FakeIntake()
        feed = Feed(controls, clock)
        feed.announce(NOW)
        feed.watch(intake)
        clock.advance(MINUTE)
        assert feed.watch(intake).state.counts_to == NOW
        assert controls.survey([], TODAY).feed_complete_to == NOW
        revision = controls.feed().revision
        clock.advance(MINUTE)
        feed.watch(intake)
        assert controls.feed().revision == revision

    def test_another_writer_comes_first(self) -> None:
        controls, clock = MemoryControls(), FakeClock(NOW)
        put = controls.put_feed

        def other_first(state: FeedState) -> None:
            controls.put_feed = put  # type: ignore[method-assign]
            put(replace(controls.feed(), claims=(FeedClaim(NOW - MINUTE, NOW),)))
            put(state)

        controls.put_feed = other_first  # type: ignore[method-assign]
        Feed(controls, clock).announce(NOW)
        assert [claim.complete_to for claim in controls.feed().claims] == [NOW - MINUTE, NOW]

    def test_others_keep_writing(self) -> None:
        controls = MemoryControls()

        def busy(_: FeedState) -> None:
            raise StateConflict("feed#core")

        controls.put_feed = busy  # type: ignore[method-assign, assignment]
        with pytest.raises(StateConflict):
            Feed(controls, FakeClock(NOW)).announce(NOW)

    def test_a_claim_that_is_not_proven_leaves_the_figures_as_old_as_they_are(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7), as_of=NOW - timedelta(hours=30)))
        borrower = house.store.borrower("b-1")
        assert borrower is not None

        def stale() -> bool:
            rules = house.policies.rules_for(borrower, NOW)
            assert rules is not None
            return is_stale(borrower, borrower.loans[0], rules.policy, NOW)

        house.feed.announce(NOW)
        assert stale()
        for minute, backlog in enumerate([BUSY, EMPTY, EMPTY]):
            assert stale()
            house.clock.now = NOW + minute * MINUTE
            house.feed.watch(FakeIntake(backlog))
        assert not stale()
        house.clock.advance(MINUTE)
        house.feed.watch(FakeIntake(DEAD))
        assert stale()
