"""Evaluation and dispatch: whose moment has come, once each, and nobody blocks anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.shards import shard_of
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import Conflict, TransientError, VersionConflict
from dunlin.services.evaluate import FAILED_WAITS, NO_PACK_WAITS

from tests.builders import NOW, TODAY, House, loan_document, overdue_document, raised

SOON = TODAY + timedelta(days=7)


def conflicts() -> None:
    raise VersionConflict("b-1")


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


def test_one_wake_a_shard(house: House) -> None:
    for number in range(40):
        house.know(f"b-{number}", loan_document(due_on=SOON))
    woken = house.dispatch.dispatch()
    assert woken == len({shard_of(f"b-{number}") for number in range(40)}) == len(house.wakes.wakes)


def test_an_idle_house_costs_nothing(known: House) -> None:
    known.run_until(NOW + timedelta(hours=2))
    assert known.dispatch.dispatch() == 0


def test_not_before_the_wake(known: House) -> None:
    known.wake()
    before = known.borrower()
    known.evaluate.borrower("b-1")
    known.evaluate.borrower("nobody")
    assert known.borrower() == before


def test_one_failure_never_blocks_another(house: House) -> None:
    same = [name for name in (f"b-{number}" for number in range(60)) if shard_of(name) == shard_of("b-1")]
    for name in same:
        house.know(name, loan_document(due_on=SOON))
    broken = same[0]
    # A loan nobody could have told of: no instalment can be picked from it.
    loans = (replace(house.borrower(broken).loans[0], instalments=(None,)),)  # type: ignore[arg-type]
    house.store.borrowers[broken] = replace(house.borrower(broken), loans=loans)
    failures: list[str] = []
    done = house.evaluate.shard(shard_of(broken), 500, lambda name, _: failures.append(name))
    assert failures == [broken] == list(done.failed)
    assert done.evaluated == len(same)
    assert len(house.in_state(MessageState.REQUESTED)) == len(same) - 1
    assert house.borrower(broken).wake_at == NOW + FAILED_WAITS


def test_putting_off_fails_too(known: House) -> None:
    def breaks(_: object) -> None:
        raise TransientError("storage")

    known.store.borrower = breaks  # type: ignore[method-assign, assignment]
    done = known.evaluate.shard(shard_of("b-1"), 500, lambda *_: None)
    assert done.failed == ("b-1",)


def test_a_borrower_who_is_gone_is_not_put_off(known: House) -> None:
    read = known.store.borrower

    def breaks_once(borrower_id: str) -> object:
        known.store.borrower = read  # type: ignore[method-assign]
        del known.store.borrowers[borrower_id]
        raise RuntimeError

    known.store.borrower = breaks_once  # type: ignore[method-assign, assignment]
    assert known.evaluate.shard(shard_of("b-1"), 500, lambda *_: None).failed == ("b-1",)


def test_others_keep_writing(known: House) -> None:
    known.store.before_commit.extend([conflicts] * 4)
    with pytest.raises(Conflict):
        known.evaluate.borrower("b-1")
    known.store.before_commit.extend([conflicts] * 4)
    assert known.evaluate.shard(shard_of("b-1"), 500, raised).failed == ()  # the wake stands
    known.wake()
    assert len(known.messages()) == 1


def test_where_nobody_reviewed_a_pack(known: House) -> None:
    known.store.borrowers["b-1"] = replace(known.borrower(), jurisdiction="XX")
    known.wake()
    assert known.borrower().wake_at == NOW + NO_PACK_WAITS
    assert known.messages() == []


def test_a_moment_that_is_over_wakes_nobody_every_minute(known: House) -> None:
    known.wake()
    wake_at = known.borrower().wake_at
    assert wake_at is None or wake_at >= NOW + timedelta(minutes=1)


def test_waiting_is_remembered_with_what_binds(house: House) -> None:
    house.know("b-1", loan_document(due_on=SOON))
    house.tell("hold.placed", hold={"hold_id": "h", "kind": "bankruptcy", "source": "court"})
    house.wake()
    assert [(mark.status, mark.reason) for mark in house.borrower().marks] == [("waiting", Reason.HOLD)]
    house.run_days(9)
    reasons = {(m.stage, m.state, m.reason) for m in house.messages()}
    assert reasons == {
        (stage, MessageState.SUPPRESSED, Reason.HOLD)
        for stage in ("reminder_7", "reminder_3", "reminder_1", "due_today")
    }


def test_waiting_and_then_paid(house: House) -> None:
    house.clock.now = NOW - timedelta(hours=8)
    house.know("b-1", loan_document(due_on=SOON, as_of=house.now))
    house.wake()
    assert [mark.status for mark in house.borrower().marks] == ["waiting"]
    house.pay()
    house.run_until(NOW)
    assert [(m.state, m.reason) for m in house.messages()] == [(MessageState.SUPPRESSED, Reason.PAID)]


def test_everything_a_day_brings_ends_with_a_reason(house: House) -> None:
    """Promise 5, over a whole life: reminders, tiers, a person."""
    house.know("b-1", loan_document(due_on=SOON))
    house.run_days(8)
    house._loans["b-1", "l-1"] |= {"overdue": overdue_document("120.50")}
    house.run_days(70)
    assert [m.said for m in house.messages() if m.reserved_at is not None] == [
        "reminder_7",
        "reminder_3",
        "reminder_1",
        "due_today",
        "grace",
        "tier_1",
        "tier_2",
        "tier_3",
        "referral",
    ]
    house.check_ends()
    house.check_ledger()
    assert len({m.key for m in house.messages()}) == len(house.messages())
