"""The calls really made, as sites; what is done to them; and runs that do it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import FrameType

from local.embedded import CallInfo, Fault
from tests.faults.kinds import Kind, fault_of, is_nothing

#: Where a message can be doubled, lost or said wrongly: these are never faulted together with anything else.
CRITICAL = ("SendMessageFunction", "EvaluateStagesFunction", "ReceiveReportFunction")
_SERVICES = "/dunlin/services/"


@dataclass(frozen=True, order=True, slots=True)
class Site:
    """One place in the code that makes one call: the function, `service.Operation`, and the services' methods that
    lead there, innermost first. Two uses of one operation in one function are two sites."""

    function: str
    operation: str
    through: str

    def __str__(self) -> str:
        return f"{self.function} {self.operation} {self.through}"


def site_of(call: CallInfo) -> Site:
    """The site of the call that is being made by this very thread."""
    names: list[str] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "lambda_handler" and "/functions/" in code.co_filename:
            break
        if _SERVICES in code.co_filename and not code.co_qualname.endswith(">"):
            names.append(code.co_qualname)
        frame = frame.f_back
    return Site(call.function, f"{call.service}.{call.operation}", "<".join(names) or "start")


@dataclass(frozen=True, slots=True)
class Injection:
    """Do `kind` to the first call of `site` that can go wrong that way; with `lasting`, to every one for so long."""

    site: Site
    kind: Kind
    lasting: timedelta | None = None

    def __str__(self) -> str:
        return f"{self.kind} at {self.site}" + (f" for {self.lasting}" if self.lasting else "")


class Injector:
    """A `before_call` that counts the sites it sees and does what it was told to. `fired` says what came of it."""

    def __init__(self, injections: Iterable[Injection] = ()) -> None:
        self.seen: Counter[Site] = Counter()
        self.fired: Counter[Injection] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.now: Callable[[], datetime] | None = None
        self._waiting: dict[Site, list[Injection]] = {}
        for injection in injections:
            self._waiting.setdefault(injection.site, []).append(injection)
        self._until: dict[Injection, datetime] = {}

    def before_call(self, call: CallInfo) -> Fault | None:
        site = site_of(call)
        self.seen[site] += 1
        self.calls[site.function, site.operation] += 1
        injection = next((one for one in self._waiting.get(site, ()) if self._still(one)), None)
        if injection is None:
            return None
        fault = fault_of(injection.kind, call)
        if fault is None:
            return None
        self.fired[injection] += 1
        return None if is_nothing(fault) else fault

    def outages(self) -> list[tuple[datetime, datetime]]:
        """From when until when each lasting injection was there."""
        return [(until - lasting, until) for one, until in self._until.items() if (lasting := one.lasting) is not None]

    def _still(self, injection: Injection) -> bool:
        if injection.lasting is None:
            return not self.fired[injection]
        assert self.now is not None
        until = self._until.setdefault(injection, self.now() + injection.lasting)
        return self.now() < until


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the fault-free run called, and which kinds each site can suffer."""

    sites: Mapping[Site, int]
    suffers: Mapping[Site, tuple[Kind, ...]]


class Recorder(Injector):
    """Sees which kinds each call could suffer, without doing any."""

    def __init__(self) -> None:
        super().__init__()
        self._suffers: dict[Site, dict[Kind, None]] = {}

    def before_call(self, call: CallInfo) -> Fault | None:
        site = site_of(call)
        known = self._suffers.setdefault(site, {})
        for kind in Kind:
            if kind in known:
                continue
            # A rival is not asked to write just to see whether he could.
            if _is_guarded(call) if kind is Kind.RIVAL else fault_of(kind, call) is not None:
                known[kind] = None
        return super().before_call(call)

    def recorded(self) -> Recorded:
        return Recorded(dict(self.seen), {site: tuple(kinds) for site, kinds in self._suffers.items()})


def _is_guarded(call: CallInfo) -> bool:
    """Whether the call writes on condition that a revision it has read still stands."""
    if call.operation == "PutItem":
        puts: list[Mapping[str, object]] = [call.parameters]
    elif call.operation == "TransactWriteItems":
        puts = [entry["Put"] for entry in call.parameters["TransactItems"] if "Put" in entry]
    else:
        return False
    return any(
        "revision" in (put.get("ExpressionAttributeNames") or {}).values()  # type: ignore[attr-defined]
        and " = " in str(put.get("ConditionExpression"))
        for put in puts
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """Faults of one run."""

    injections: tuple[Injection, ...] = field(default=())

    def __str__(self) -> str:
        return "; ".join(map(str, self.injections))


def planned(recorded: Recorded, *, each: int = 18, critical: int = 9) -> list[Plan]:
    """Every site with every kind it can suffer, once.

    Faults share runs, at most `each` for every function, far apart in its list of sites, so that what one fault breaks
    is seldom mended by another. Writes and hand-overs of the critical functions are `critical` to a run (1: alone).
    """
    alone: list[Injection] = []
    lanes: dict[str, list[Injection]] = {}
    for site in sorted(recorded.suffers):
        for kind in recorded.suffers[site]:
            injection = Injection(site, kind)
            if (
                site.function in CRITICAL
                and "heard" not in site.through
                and Kind.KILLED_AFTER in recorded.suffers[site]
            ):
                alone.append(injection)
            else:
                lanes.setdefault(site.function, []).append(injection)
    runs = -(-max(map(len, lanes.values()), default=0) // each)
    together = [Plan(tuple(_spread(lanes.values(), number, runs))) for number in range(runs)]
    apart = -(-len(alone) // critical)
    return together + [Plan(tuple(alone[number::apart])) for number in range(apart)]


def _spread(lanes: Iterable[Sequence[Injection]], number: int, runs: int) -> Iterable[Injection]:
    """The `number`-th part of each lane; a site that suffers two things in a run suffers them one after the other."""
    for lane in lanes:
        yield from lane[number::runs]


def lasting(recorded: Recorded, hours: int, *, together: int = 6) -> list[Plan]:
    """Every operation of every function, failing before its effect and after it, at every site, for hours; `together`
    of them in one run (1: alone)."""
    plans: list[tuple[Injection, ...]] = []
    pairs = sorted({(site.function, site.operation) for site in recorded.suffers})
    for function, operation in pairs:
        sites = [site for site in sorted(recorded.suffers) if (site.function, site.operation) == (function, operation)]
        for kind in (Kind.FAILS_BEFORE, Kind.TIMES_OUT_AFTER):
            hit = tuple(
                Injection(site, kind, timedelta(hours=hours)) for site in sites if kind in recorded.suffers[site]
            )
            if hit:
                plans.append(hit)
    apart = -(-len(plans) // together)
    return [Plan(tuple(each for plan in plans[number::apart] for each in plan)) for number in range(apart)]


def shares(plans: Sequence[Plan], count: int) -> list[list[Plan]]:
    """The plans dealt to `count` hands."""
    return [list(plans[number::count]) for number in range(count)]
