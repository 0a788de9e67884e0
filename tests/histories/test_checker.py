"""The checker can fail: with one guard of the product taken out, it names the promise that broke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dunlin.domain import decide, notices, permit, review
from dunlin.domain.borrower import Borrower
from dunlin.domain.message import Figure
from dunlin.domain.policy import Conditions
from dunlin.services import policies, send
from dunlin.services.evaluate import Evaluate
from dunlin.services.ports import Change, NotAccepted, Unsettled
from dunlin.testing import MemoryStore

from local.smallworld.checker import PromiseBroken
from local.smallworld.engine import DAY, HOUR, MINUTE, World
from local.smallworld.people import NEW_YORK_PHONE, PROFILES, ask, come_to_an_end, daily, lend
from local.smallworld.provider import Answer, Fate

MORNING = datetime(2026, 6, 1, 13, 30, tzinfo=UTC)
Patch = pytest.MonkeyPatch


def a_world(begins: datetime = MORNING) -> World:
    world = World(1, begins)
    world.tell(world.core.profile("b-ny", world.now, **PROFILES["b-ny"]))
    return world


# ── histories ────────────────────────────────────────────────────────────────────────────────────────────────────────


def stop_in_between(world: World) -> None:
    lend(world, "b-ny", -5)
    world.gate.races.append(("send_message", "store", "commit", lambda: world.text_now(NEW_YORK_PHONE, "STOP")))
    daily(world, 1)


def payment_in_between(world: World) -> None:
    lend(world, "b-ny", -5)
    loan = world.loans()[0]
    world.gate.races.append(
        (
            "send_message",
            "store",
            "commit",
            lambda: world.tell_now(world.core.pay(loan, world.now, instalments=2)),
        )
    )
    daily(world, 1)


def a_night(world: World) -> None:
    lend(world, "b-ny", -5)
    daily(world, 1)


def two_due_dates(world: World) -> None:
    lend(world, "b-ny", 0)
    lend(world, "b-ny", 3)
    daily(world, 2)


def a_lost_answer(world: World) -> None:
    lend(world, "b-ny", -5)
    world.provider.next_answers = [Answer.ANSWER_LOST]
    world.provider.next_fates = [Fate.NEVER]
    daily(world, 1)


def a_dispute(world: World) -> None:
    lend(world, "b-ny", -2)
    world.tell(world.core.hold("b-ny", world.now, "dispute", None)[1])
    daily(world, 1)


def a_quiet_feed(world: World) -> None:
    lend(world, "b-ny", -2)
    world.advance(HOUR / 60)
    world.quiet_feed(True)
    world.advance(3 * DAY)


def deafness(world: World) -> None:
    lend(world, "b-ny", -3)
    world.advance(HOUR / 60)
    world.hear(False)
    daily(world, 3)


def a_promise_and_a_payment(world: World) -> None:
    lend(world, "b-ny", -5)
    world.advance(5 * MINUTE)
    ask(world, "b-ny", "promise_broken")
    loan = world.loans()[0]
    world.gate.races.append(
        (
            "render_message",
            "store",
            "commit",
            lambda: world.tell_now(world.core.pay(loan, world.now + MINUTE, instalments=1, share=Decimal("0.5"))),
        )
    )
    daily(world, 1)


def thanks(world: World) -> None:
    lend(world, "b-ny", 9)
    world.advance(5 * MINUTE)
    ask(world, "b-ny", "payment_received")
    world.advance(HOUR)


def thanks_too_late(world: World) -> None:
    lend(world, "b-ny", 9)
    world.advance(5 * MINUTE)
    ask(world, "b-ny", "payment_received", delay=30 * HOUR)
    daily(world, 2)


def thanks_to_somebody_who_moves(world: World) -> None:
    """At twenty past seven in the evening in New York, when it is tomorrow in London."""
    lend(world, "b-ny", 9)
    world.advance(5 * MINUTE)
    ask(world, "b-ny", "payment_received")
    world.advance(HOUR)
    moved = PROFILES["b-ny"] | {"jurisdiction": "GB", "time_zone": "Europe/London"}
    world.tell(world.core.profile("b-ny", world.now, **moved))
    world.advance(12 * HOUR)


def a_letter(world: World) -> None:
    ask(world, "b-ny", "application_declined")
    world.outage("announcements", 3 * HOUR)
    come_to_an_end(world, unpaid_days=8)


# ── guards ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def without_conditions_on_writes(patch: Patch) -> None:
    def nothing(self: MemoryStore, change: Change) -> None:
        return

    patch.setattr(MemoryStore, "_check", nothing)


def without_hours(patch: Patch) -> None:
    def always(weeks: object, zones: object, now: datetime, margin: timedelta) -> tuple[datetime, datetime]:
        return now, now + DAY

    patch.setattr(permit, "next_window", always)


def without_caps(patch: Patch) -> None:
    def never(*_: object, **__: object) -> None:
        return None

    patch.setattr(permit, "binding_cap", never)


def without_holds(patch: Patch) -> None:
    def never(*_: object, **__: object) -> None:
        return None

    patch.setattr(permit, "holding", never)


def with_resending(patch: Patch) -> None:
    recorded = send.Send._record

    def record(self: send.Send, message: Any, result: Any) -> Any:
        return recorded(self, message, NotAccepted(result.reason) if isinstance(result, Unsettled) else result)

    patch.setattr(send.Send, "_record", record)


def without_freshness(patch: Patch) -> None:
    patch.setattr(permit, "is_stale", lambda *_, **__: False)
    _conditions(patch, lambda conditions: replace(conditions, feed_quiet_from=None))


def without_ears(patch: Patch) -> None:
    _conditions(patch, lambda conditions: replace(conditions, unheard_since=None))


def _conditions(patch: Patch, change: Callable[[Conditions], Conditions]) -> None:
    conditions_of = policies.conditions_of
    patch.setattr(policies, "conditions_of", lambda *args, **kwargs: change(conditions_of(*args, **kwargs)))


def without_a_look_at_the_money(patch: Patch) -> None:
    patch.setattr(review, "overtaken", lambda *_: None)


def without_a_limit_of_time(patch: Patch) -> None:
    rules_for = policies.Policies.rules_for

    def patient(self: policies.Policies, borrower: Borrower, now: datetime) -> policies.Rules | None:
        rules = rules_for(self, borrower, now)
        if rules is None:
            return None
        notices = {name: replace(rule, within=20 * DAY) for name, rule in rules.policy.notices.items()}
        return replace(rules, policy=replace(rules.policy, notices=notices))

    patch.setattr(policies.Policies, "rules_for", patient)


def with_figures_of_another(patch: Patch) -> None:
    patch.setattr(
        review,
        "facts_for",
        lambda *_: (Figure("amount", "99.99 USD"), Figure("event_on", "2026-06-01"), Figure("tail", "4021")),
    )


def with_days_of_the_place(patch: Patch) -> None:
    """As it once was: who moved had another day, another key, and heard it again."""
    here: list[str] = ["America/New_York"]
    noticed = notices.tell_notices

    def told(borrower: Borrower, *rest: Any) -> None:
        here[0] = borrower.zone
        noticed(borrower, *rest)

    patch.setattr(decide, "tell_notices", told)
    patch.setattr(notices, "happened_on", lambda notice: notice.occurred_at.astimezone(ZoneInfo(here[0])).date())


def without_letters(patch: Patch) -> None:
    def forgets(self: Evaluate, borrower: Borrower, now: datetime) -> None:
        self._store.commit(Change(borrower=replace(borrower, letters=()), quiet=True))

    patch.setattr(Evaluate, "_ask_for_letters", forgets)


def with_notices_forgotten(patch: Patch) -> None:
    patch.setattr(decide, "tell_notices", lambda *_: None)


@dataclass(frozen=True, slots=True)
class Removed:
    """A guard that is gone, a history in which it would have been needed, and the promise that breaks."""

    guard: Callable[[Patch], None]
    history: Callable[[World], None]
    promise: str
    begins: datetime = MORNING


REMOVED = [
    Removed(without_conditions_on_writes, stop_in_between, "opt-out is absolute"),
    Removed(without_conditions_on_writes, payment_in_between, "already paid"),
    Removed(without_hours, a_night, "local hours", datetime(2026, 6, 1, 3, 0, tzinfo=UTC)),
    Removed(without_caps, two_due_dates, "caps"),
    Removed(without_holds, a_dispute, "held"),
    Removed(with_resending, a_lost_answer, "never twice"),
    Removed(without_freshness, a_quiet_feed, "stale figures"),
    Removed(without_ears, deafness, "deaf"),
    Removed(without_a_look_at_the_money, a_promise_and_a_payment, "already paid"),
    Removed(without_a_limit_of_time, thanks_too_late, "in time"),
    Removed(with_figures_of_another, thanks, "accurate"),
    Removed(
        with_days_of_the_place, thanks_to_somebody_who_moves, "never twice", datetime(2026, 6, 1, 23, 20, tzinfo=UTC)
    ),
    Removed(without_letters, a_letter, "everything ends"),
    Removed(with_notices_forgotten, a_letter, "everything ends"),
]


@pytest.mark.parametrize("removed", REMOVED, ids=lambda removed: f"{removed.guard.__name__}-{removed.history.__name__}")
def test_a_guard_that_is_gone_is_missed(removed: Removed, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = a_world(removed.begins)
    removed.history(guarded)
    guarded.checker.check()
    removed.guard(monkeypatch)
    with pytest.raises(PromiseBroken, match=removed.promise):
        removed.history(a_world(removed.begins))
