"""One run under faults, held against the run without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from tests.faults.matrix import Injection, Injector, Plan, Recorded, Recorder
from tests.faults.small_world import Drama, Outcome

#: What schedules start is not tried again by Lambda: the next minute is the retry, and the destination only counts.
SCHEDULED = frozenset({"DispatchWakesFunction", "PaceLinesFunction", "SweepMessagesFunction"})


@dataclass(frozen=True)
class Calm:
    """The run without faults: what was called, and what it came to."""

    recorded: Recorded
    outcome: Outcome


@dataclass(frozen=True)
class Trial:
    """What a plan came to. `missed`: injections whose call was never made, because another fault led elsewhere."""

    plan: Plan
    wrong: tuple[str, ...]
    missed: tuple[Injection, ...]
    seen: Mapping[tuple[str, str], int]


@lru_cache(maxsize=1)
def calm() -> Calm:
    """The run without faults, once a process."""
    recorder = Recorder()
    outcome = Drama(recorder.before_call).play()
    return Calm(recorder.recorded(), outcome)


def tried(plan: Plan) -> Trial:
    """Run the small world under `plan` until the storm is over and everything has come to its end."""
    injector = Injector(plan.injections)
    stormy = any(injection.lasting for injection in plan.injections)
    drama = Drama(injector.before_call, redrives=stormy, outages=injector.outages)
    injector.now = drama.now
    outcome = drama.play()
    return Trial(
        plan,
        (*outcome.wrong, *_differs(outcome, calm().outcome, stormy=stormy)),
        tuple(injection for injection in plan.injections if not injector.fired[injection]),
        dict(injector.calls),
    )


def _differs(outcome: Outcome, without: Outcome, *, stormy: bool) -> Iterator[str]:
    """What the faults have lost: facts, intentions, input that was refused."""
    for borrower_id, balances in without.balances.items():
        if outcome.balances.get(borrower_id) != balances:
            yield f"the loans of {borrower_id} are not what the core told"
    if outcome.refused != without.refused:
        yield f"{outcome.refused} inputs were refused and kept, not {without.refused}"
    if stormy:
        return  # what an outage of hours delays is overtaken, and says so; letters are sent back by hand
    for borrower_id, stage in sorted(without.said - outcome.said):
        yield f"{stage} for {borrower_id} has left no trace"
    for name, count in outcome.dead_letters.items():
        if name not in SCHEDULED:
            yield f"{count} dead letters of {name}"
