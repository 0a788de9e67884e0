"""Operations and list-price cost of a message and of a million loans a day, from the calls that were really made.

What the stack does every minute whether or not anybody is in it is measured apart (`standing`), and taken out of the
run: it is paid once, for one loan as for a million. Beside ours stand two floors and three other designs, on the same
portfolio:

* the **bare floor** of a message: one conditional write, one send, one confirming write, of the smallest item;
* the **floor with every promise kept**: the facts read strongly; the message asked for in the transaction that advances
  the borrower; one transaction over the borrower, the message and the number's suppression item; the two writes that
  settle it; all at their real sizes;
* a **nightly scan**, which reads every borrower every night and then pays the bare floor for a message;
* an **execution for each loan**, of three transitions and the bare floor a message; and the same, **woken daily**.

None of the three designs keeps a promise of ours; they are there for the price.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from dunlin.domain.borrower import Borrower
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from local.bench import prices
from local.bench.meter import Meter, Sample
from local.bench.portfolio import REGION, Setting, opened
from local.bench.units import Units, item_bytes
from local.summary import borrowers_of
from local.world import World

__all__ = ["Counted", "Work", "costs", "count"]

#: Assumed, because nothing here has a network: how long a handler waits for one call of AWS.
WAITED_SECONDS = 0.005
STANDING_MINUTES = 5
MINUTES_A_DAY = 1440
_MINUTE = timedelta(minutes=1)
_HOT, _MESSAGE, _STATE = "HOT", "message", "STATE"

Dollars = dict[str, Decimal]


@dataclass(frozen=True)
class Work:
    """What was done: calls and units by function and operation, invocations by function, transitions, log bytes."""

    calls: Mapping[tuple[str, str], float]
    units: Mapping[tuple[str, str], Units]
    invocations: Mapping[str, float]
    own_seconds: Mapping[str, float]
    transitions: int
    log_bytes: int
    memory_megabytes: Mapping[str, int]

    def operations(self) -> float:
        return sum(self.calls.values())

    def times(self, factors: Mapping[str, float]) -> Work:
        """As often, by function; what is of no function is left out."""
        return Work(
            calls={key: made * factors.get(key[0], 0) for key, made in self.calls.items()},
            units={key: units.times(factors.get(key[0], 0)) for key, units in self.units.items()},
            invocations={name: made * factors.get(name, 0) for name, made in self.invocations.items()},
            own_seconds={name: spent * factors.get(name, 0) for name, spent in self.own_seconds.items()},
            transitions=0,
            log_bytes=round(self.log_bytes * sum(factors.values()) / len(factors)),
            memory_megabytes=self.memory_megabytes,
        )

    def dollars(self) -> Dollars:
        """By what they are paid for. Sending itself is not in it: that is the carrier's price."""
        units = sum(self.units.values(), Units())
        requests: defaultdict[str, float] = defaultdict(float)
        waited: defaultdict[str, float] = defaultdict(float)
        for (function, name), made in self.calls.items():
            requests[name.partition(".")[0]] += made
            waited[function] += made
        seconds = {
            function: self.own_seconds.get(function, 0.0) + waited[function] * WAITED_SECONDS
            for function in {*self.own_seconds, *waited}
        }
        gigabyte_seconds = sum(taken * self.memory_megabytes[function] / 1024 for function, taken in seconds.items())
        buses = sum((Decimal(requests[service]) * price for service, price in prices.REQUEST.items()), Decimal(0))
        return {
            "dynamodb writes": Decimal(units.write) * prices.WRITE_UNIT,
            "dynamodb reads": Decimal(units.read) * prices.READ_UNIT,
            "lambda": Decimal(sum(self.invocations.values())) * prices.INVOCATION
            + Decimal(gigabyte_seconds) * prices.GIGABYTE_SECOND,
            "step functions": self.transitions * prices.TRANSITION,
            "queues, topics, buses": buses,
            "logs": Decimal(self.log_bytes) / 10**9 * prices.LOG_GIGABYTE,
        }


@dataclass(frozen=True)
class Warm:
    """The last third of a run, when every text is compiled and all rules are read."""

    sent: int
    own_seconds: Mapping[str, float]
    calls: Mapping[str, int]


@dataclass(frozen=True)
class Counted:
    """One run. `sent`: hand-overs that a provider accepted. `sizes`: bytes, means over what is stored."""

    setting: Setting
    loans: int
    sent: int
    ticks: Mapping[str, int]
    work: Work
    standing: Work
    sizes: Mapping[str, float]
    thread_seconds: float
    wall_seconds: float
    warm: Warm
    borrowers: Sequence[Borrower] = field(repr=False)
    ended_at: datetime
    samples: Mapping[str, list[Sample]] = field(repr=False)

    @property
    def loan_days(self) -> int:
        return self.loans * self.setting.days


def count(setting: Setting) -> Counted:
    """Run the world of `setting` to its end, and count.

    Raises:
        RuntimeError: a handler failed. What such a run counts means nothing.
    """
    standing = _standing()
    with TemporaryDirectory(prefix="dunlin-bench-") as folder, opened(setting, Path(folder)) as world:
        warm_at = world.start + (world.end - world.start) * 2 / 3
        with Meter(world.aws, REGION) as meter:
            world.at(warm_at, meter.warm)
            world.run()
        accepted = [given for given in world.simulator.record.hand_overs if given.accepted]
        fired = Counter(line.function for line in world.aws.history if line.source == "schedule")
        return Counted(
            setting=setting,
            loans=sum(len(account.loans) for account in setting.portfolio().accounts),
            sent=len(accepted),
            ticks=dict(fired),
            work=_work(world, meter, Path(folder)),
            standing=standing,
            sizes=_sizes(world),
            thread_seconds=meter.thread_seconds,
            wall_seconds=meter.wall_seconds,
            borrowers=borrowers_of(world),
            ended_at=world.end,
            warm=Warm(
                sum(datetime.fromisoformat(given.at) >= warm_at for given in accepted), meter.warm_own, meter.warm_calls
            ),
            samples=dict(meter.samples),
        )


def _standing() -> Work:
    """What a few minutes of a stack come to in which nobody is."""
    with TemporaryDirectory(prefix="dunlin-bench-") as folder, opened(Setting(0, 1), Path(folder)) as world:
        for minute in range(STANDING_MINUTES + 1):
            if minute == 1:  # the first imports, reads its secrets and puts things together
                warm = world.aws.counters.invocations.copy()
                meter = Meter(world.aws, REGION).__enter__()
                logged = _log_bytes(Path(folder))
            world.clock.advance_to(world.start + minute * _MINUTE)
            world.aws.tick()
        meter.__exit__(None, None, None)
        found = _work(world, meter, Path(folder))
        invocations = {name: made - warm[name] for name, made in found.invocations.items()}
        return replace(found, invocations=invocations, transitions=0, log_bytes=found.log_bytes - logged)


def _work(world: World, meter: Meter, logs: Path) -> Work:
    counters = world.aws.counters
    if counters.errors or counters.batch_failures or counters.dead_letters:
        raise RuntimeError(f"handlers failed: {dict(counters.errors)} {dict(counters.batch_failures)}")
    executions = world.aws.executions("EscalationStateMachine")
    ended = sum(status != "RUNNING" for status in executions.values())
    return Work(
        calls=dict(meter.calls),
        units=dict(meter.units),
        invocations=dict(counters.invocations),
        own_seconds=dict(meter.own),
        # Each assessment is followed by the choice of what comes next; each end is a state too.
        transitions=2 * counters.invocations["AssessCaseFunction"] + counters.invocations["ParkCaseFunction"] + ended,
        log_bytes=_log_bytes(logs),
        memory_megabytes={spec.logical_id: spec.memory_mb for spec in world.aws.template.functions()},
    )


def _log_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.log"))


def _sizes(world: World) -> dict[str, float]:
    """Mean sizes of what a message has to read and write."""
    found: dict[str, list[int]] = {_HOT: [], _MESSAGE: [], _STATE: []}
    for logical_id, kind in (("BorrowersTable", _HOT), ("MessagesTable", _MESSAGE), ("SuppressionsTable", _STATE)):
        table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[world.aws.template.physical_name(logical_id)]
        for item in table.all_items():
            named = item.attrs["item"].value if "item" in item.attrs else None
            if kind in (_MESSAGE, named):
                found[kind].append(item_bytes(item.attrs))
    return {kind: sum(sizes) / len(sizes) if sizes else 0.0 for kind, sizes in found.items()}


def costs(counted: Counted) -> dict[str, object]:
    """Ours, the floors and the other designs: operations and dollars."""
    sent, loan_days = counted.sent, counted.loan_days
    standing_day = _scaled(counted.standing.dollars(), Decimal(MINUTES_A_DAY) / STANDING_MINUTES)
    standing_day["queues, topics, buses"] += _idle_receives()
    # A run jumps over the minutes in which a schedule would find nothing, so each has minutes of its own.
    swept = counted.ticks.get("SweepMessagesFunction", 0)
    minutes = {name: counted.ticks.get(name, swept) / STANDING_MINUTES for name in counted.standing.invocations}
    stood = counted.standing.times(minutes)
    fired = stood.dollars()
    by_what = {what: max(paid - fired[what], Decimal(0)) for what, paid in counted.work.dollars().items()}
    ours = sum(by_what.values(), Decimal(0))
    operations = counted.work.operations() - stood.operations()
    designs = _designs(counted)
    dollars = {"ours": ours, **designs}
    return {
        "sent": sent,
        "loan_days": loan_days,
        "operations_a_message": {
            "ours": round(operations / sent, 1),
            "floor, promises kept": FLOOR_OPERATIONS,
            "bare floor": 3,
        },
        "standing_operations_a_minute": round(counted.standing.operations() / STANDING_MINUTES, 1),
        "standing_dollars_a_day": round(float(sum(standing_day.values())), 3),
        "dollars_a_million_messages": {name: _millions(value, sent) for name, value in dollars.items()},
        "dollars_a_million_loans_a_day": {name: _millions(value, loan_days) for name, value in dollars.items()},
        "ours_by_what": {what: _millions(paid, sent) for what, paid in by_what.items()},
        "against": {name: round(float(ours / value), 2) for name, value in designs.items()},
    }


#: Read the borrower; advance it with the message; reserve; send; SENT; the report.
FLOOR_OPERATIONS = 6


def _designs(counted: Counted) -> Dollars:
    sent = counted.sent
    hot, message, state = (_units(counted.sizes[kind]) for kind in (_HOT, _MESSAGE, _STATE))
    bare = 2 * prices.WRITE_UNIT
    reserved = 2 * (hot.write + message.write + state.write)
    kept = Decimal(2 * (hot.write + message.write) + reserved + 2 * message.write) * prices.WRITE_UNIT
    kept += Decimal(2 * hot.read + state.read) * prices.READ_UNIT
    read = Decimal(counted.sizes[_HOT] * counted.setting.borrowers / 4096 / 2 * counted.setting.days)
    return {
        "floor, promises kept": sent * kept,
        "bare floor": sent * bare,
        "nightly scan": read * prices.READ_UNIT + sent * bare,
        "execution a loan": sent * (bare + 3 * prices.TRANSITION),
        "execution a loan, woken daily": counted.loan_days * 3 * prices.TRANSITION + sent * bare,
    }


def _units(size: float) -> Units:
    return Units(write=max(1, ceil(size / 1024)), read=max(1, ceil(size / 4096)))


def _idle_receives() -> Decimal:
    """What Lambda's pollers ask of the queues all day."""
    return QUEUES * prices.IDLE_RECEIVES_A_DAY * prices.REQUEST["sqs"]


#: Queues that a function reads: the core's events, wakes, pace, reports, inbound.
QUEUES = 5


def _scaled(dollars: Dollars, factor: Decimal) -> Dollars:
    return {what: paid * factor for what, paid in dollars.items()}


def _millions(value: Decimal, over: int) -> float:
    return round(float(value / over) * 1e6, 2)
