"""A line with far more to send than it carries, measured where it counts: at the provider."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from dunlin.domain.words import MessageState, Reason

from local.simulator.faults import Faults
from local.world import World
from tests.local.pace_worlds import BEGIN, MINUTE, NUMBER, SECOND, SOMEBODY, Failures, Paced, check, paced

#: Wherever the provider's day ends half an hour after the backlog is there.
DAY_ENDS = ("Asia/Tehran", BEGIN + 30 * MINUTE)


@pytest.mark.parametrize(("rate", "ends"), [(1, (1, 1, 2)), (3, (1, 1, 2))])
def test_five_times_too_much(
    rate: int, ends: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = paced(monkeypatch, tmp_path, rate=rate, ends=ends)
    check(world)
    # Of what is ended most is known as soon as anybody looks.
    early = sorted(before for _, _, before in world.ended().values())
    at_once = sum(world.documents[ref]["settled_at"].startswith(f"{BEGIN:%Y-%m-%dT%H:%M}") for ref in world.ended())
    assert at_once >= 0.8 * len(early)


@pytest.mark.proof
@pytest.mark.parametrize(("rate", "ends"), [(1, (3, 4, 6)), (3, (2, 3, 4))])
def test_five_times_too_much_for_longer(
    rate: int, ends: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = paced(monkeypatch, tmp_path, rate=rate, ends=ends)
    check(world)


@pytest.mark.proof
def test_five_times_too_much_of_a_hundred_a_second(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ten seconds: a thousand are ended in a minute's run, so not all of what cannot go is known within them."""
    world = paced(monkeypatch, tmp_path, rate=100, closes=(6, 8, 10))
    check(world, early=False)
    assert world.busiest() <= 100


def parts_between(world: Paced, begin: datetime, end: datetime) -> int:
    return sum(parts for at, parts, _, _ in world.handed if begin <= at < end)


def test_a_days_parts_and_the_next_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    zone, midnight = DAY_ENDS

    def somebody_opts_out(world: World) -> None:
        at = BEGIN + 10 * MINUTE
        world.at(at, lambda: world.text(SOMEBODY, "STOP", at, "opt_out"))

    world = paced(
        monkeypatch,
        tmp_path,
        rate=1,
        ends=(45, 45, 45),
        least_parts=150,
        line={"parts_per_day": 100, "day_zone": zone},
        prepare=somebody_opts_out,
        lasts=50 * MINUTE,
    )
    (answer,) = (each for each in world.record if each.ref not in world.waiting and each.provider == "aws_sms")
    told_at = datetime.fromisoformat(answer.at)
    assert "reply#opt_out_confirmation" in answer.ref
    assert answer.accepted
    assert timedelta(0) <= told_at - (BEGIN + 10 * MINUTE) <= 5 * MINUTE
    # The day is used up to what is kept for the most urgent, and then the line rests until midnight.
    asked = parts_between(world, BEGIN, BEGIN + 10 * MINUTE)
    assert 95 <= asked <= 98
    assert 95 < parts_between(world, BEGIN, midnight) <= 100
    assert {each.ref for each in world.record if BEGIN + 3 * MINUTE < datetime.fromisoformat(each.at) < midnight} == {
        answer.ref
    }
    # Nothing is lost, and midnight brings no burst.
    assert len({ref for _, _, ref in world.taken}) == len(world.waiting) + 1
    assert world.busiest() <= world.longest()
    assert world.carried_late() <= timedelta(seconds=world.longest())
    assert world.throttled == 0


def test_a_provider_that_takes_less_than_it_is_said_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three a second in the profile, one a second at the provider: it is asked three times a second, and no more."""
    world = paced(monkeypatch, tmp_path, rate=3, provider_rate=1, ends=(4, 4, 4), least_parts=300, lasts=10 * MINUTE)
    assert world.throttled > 20
    assert world.busiest() <= 3 + world.longest() - 1
    assert world.busiest(60 * SECOND) <= 3 * 60 + world.longest() - 1
    tries = Counter(ref for _, _, ref, _ in world.handed)
    assert max(tries.values()) <= 6  # every twenty seconds, for two minutes
    assert max(Counter(ref for _, _, ref in world.taken).values()) == 1
    within = BEGIN + 3 * MINUTE
    assert sum(parts for at, parts, _ in world.taken if at < within) >= 0.95 * 180


@pytest.mark.proof
def test_a_spend_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reached after a minute, raised fifteen minutes later; one text in ten minutes asks."""
    raised_at = BEGIN + 16 * MINUTE

    def limited(world: World) -> None:
        def reached(provider: str, now: datetime) -> bool:
            return provider == "aws_sms" and BEGIN + MINUTE <= now < raised_at

        world.simulator.spend_limit_reached = reached  # type: ignore[method-assign]

    world = paced(
        monkeypatch,
        tmp_path,
        rate=1,
        ends=(120, 120, 120),
        least_parts=240,
        line={"failures": Failures(spend_rest=10 * MINUTE, window=5 * MINUTE)},
        prepare=limited,
        lasts=60 * MINUTE,
    )
    refused = sorted(at for at, _, _, accepted in world.handed if not accepted)
    assert [at - refused[0] >= 10 * MINUTE for at in refused[1:]] == [True]
    back = sorted(at for at, _, _ in world.taken if at > refused[0])
    assert back[0] >= raised_at
    # One text, a tenth of the rate, and then the whole of it.
    assert sum(at < back[0] + 5 * MINUTE for at in back) == 1
    assert sum(at < back[0] + 10 * MINUTE for at in back) <= 1 + 30 + 1
    assert world.busiest() <= world.longest()
    assert world.metrics["LinesStopped"] > 0
    states = Counter(world.documents[ref]["state"] for ref in world.waiting)
    assert states == {MessageState.DELIVERED: len(world.waiting) - 2, MessageState.FAILED: 2}


@pytest.mark.proof
def test_a_line_whose_texts_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Some fail, then all; the line rests, tries a few, rests for longer, tries again, and comes back."""

    def worse_and_worse(world: World) -> None:
        def turns(share: float) -> None:
            world.simulator._profile = Faults(carrier_blocked=share)

        for minutes, share in ((2, 0.2), (4, 1.0), (19, 0.0)):
            world.at(BEGIN + minutes * MINUTE, partial(turns, share))

    limits = Failures(window=5 * MINUTE, rest=5 * MINUTE)
    world = paced(
        monkeypatch,
        tmp_path,
        rate=1,
        ends=(150, 150, 150),
        least_parts=500,
        line={"failures": limits},
        prepare=worse_and_worse,
        lasts=60 * MINUTE,
    )
    times = sorted(at for at, _, _, _ in world.handed)
    rests = [(earlier, later) for earlier, later in pairwise(times) if later - earlier > 4 * MINUTE]
    # Bad from the fourth minute on; it went on as long as that could have been chance, and no longer.
    assert BEGIN + 4 * MINUTE < rests[0][0] < BEGIN + 8 * MINUTE
    assert [rest[1] - rest[0] >= wanted * MINUTE for rest, wanted in zip(rests, (5, 10), strict=False)] == [True, True]
    between = [at for at in times if rests[0][1] <= at <= rests[1][0]]
    assert len(between) <= limits.trickle
    back = [at for at in times if at >= rests[1][1]]
    assert len([at for at in back if at < back[0] + 5 * MINUTE]) <= limits.trickle
    assert sum(world.documents[ref]["state"] == MessageState.DELIVERED for ref in world.waiting) > 100
    assert world.metrics["LinesStopped"] > 0
    assert world.busiest() <= world.longest()


def test_numbers_that_nobody_has_stop_no_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = paced(
        monkeypatch,
        tmp_path,
        rate=1,
        ends=(60, 60, 60),
        least_parts=100,
        faults=Faults(dead_number=0.8),
        line={"failures": Failures(window=5 * MINUTE, rest=5 * MINUTE)},
        lasts=8 * MINUTE,
    )
    failed = Counter(world.documents[ref]["reason"] for ref in world.waiting)
    assert failed[Reason.INVALID_NUMBER] > 30
    assert world.metrics["LinesStopped"] == 0
    times = sorted(at for at, _, _, _ in world.handed)
    assert max(later - earlier for earlier, later in pairwise(times)) <= 10 * SECOND
    assert {each.from_address for each in world.record if each.provider == "aws_sms"} == {NUMBER}


def test_what_is_handed_over_again_is_within_the_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A provider that throttles a third at random: the sweep's minute brings nothing beside the seconds."""
    world = paced(
        monkeypatch, tmp_path, rate=1, ends=(3, 3, 3), least_parts=300, faults=Faults(throttled=0.33), lasts=4 * MINUTE
    )
    assert world.throttled > 20
    assert world.busiest() <= world.longest()
    assert world.busiest(60 * SECOND) <= 60 + world.longest() - 1
    end = BEGIN + 150 * SECOND
    assert parts_between(world, BEGIN, end) >= 0.95 * 150
