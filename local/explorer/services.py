"""Every real service, wired by the names of what it needs to the ports of a stage."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from dunlin.content import load_content
from dunlin.domain.policy import CapRule, Conditions, HoldRule, HoursRule, Lender, Policy, Source, Stage, Strategy
from dunlin.domain.recipients import EVERYONE
from dunlin.domain.words import Channel, HoldKind, Product, Purpose, SendingMode
from dunlin.services.contacts import Contacts
from dunlin.services.escalate import Escalate
from dunlin.services.evaluate import Evaluate
from dunlin.services.inbound import ReceiveInbound, read_with
from dunlin.services.ingest import Ingest
from dunlin.services.opt_outs import OptOuts
from dunlin.services.pace import Pace
from dunlin.services.policies import Policies
from dunlin.services.ports import Rendered, RenderRequest, Understand
from dunlin.services.render import Compose, Render
from dunlin.services.reports import ReceiveReport
from dunlin.services.send import Send
from dunlin.services.settle import Settle
from dunlin.services.sweep import Sweep
from dunlin.testing import FakeAnnouncements, FakePointKeys, MemoryControls, MemoryStore

from local.explorer import stepping

CONTENT = Path(__file__).resolve().parents[2] / "layers" / "content"
#: A Monday, eleven in the morning in New York.
START = datetime(2026, 6, 1, 15, 0, tzinfo=UTC)
TODAY = date(2026, 6, 1)
ZONE = "America/New_York"
DUNNING = frozenset({Purpose.SERVICING, Purpose.COLLECTION})
LINE = "line"
_OWN = Source("a small world", "own")
_ALL_DAY = tuple((0, 1440) for _ in range(7))
#: Longer than any run: the small worlds are about orders, not about stale figures and deaf ears.
_AGES = 10**6


@lru_cache(maxsize=1)
def _shipped() -> Any:
    return load_content(CONTENT)


def _stage(stage_id: str, offset_days: int, kind: str, template: str, purpose: Purpose) -> Stage:
    gap_days = 0 if kind == "reminder" else 2
    return Stage(stage_id, kind, offset_days, 1, gap_days, purpose, template, (Channel.SMS,), 5)


#: A reminder on the day, one tier, a person.
STRATEGY = Strategy(
    strategy_id="small",
    stages=(
        _stage("today", 0, "reminder", "due_today", Purpose.SERVICING),
        _stage("first", 2, "tier", "tier_1", Purpose.COLLECTION),
        _stage("person", 6, "referral", "", Purpose.COLLECTION),
    ),
    hours=HoursRule("always", DUNNING, _ALL_DAY, _OWN),
    max_attempts=2,
    max_rounds=50,
    max_case_days=60,
)


class SmallContent:
    """The shipped release with one line, one cap, every hold a stop, and a strategy of three stages."""

    def __init__(self, cap: int, parts_per_second: float) -> None:
        shipped = _shipped()
        line = next(line for line in shipped.lender.lines if line.channel is Channel.SMS)
        self._line = replace(
            line, line_id=LINE, provider="provider", purposes=frozenset(Purpose), parts_per_second=parts_per_second
        )
        self.lender: Lender = replace(shipped.lender, lines=(self._line,))
        self._cap = CapRule("daily", DUNNING, frozenset({"any"}), cap, 1, "calendar", "debtor", _OWN)
        self._policies: dict[tuple[str, date], Policy] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(_shipped(), name)

    def policy(self, jurisdiction: str, today: date, conditions: Conditions) -> Policy:
        key = (jurisdiction, today)
        if key not in self._policies:
            policy: Policy = _shipped().policy(jurisdiction, today)
            pack = replace(
                policy.pack,
                hours=(),
                caps=(self._cap,),
                holds=tuple(HoldRule(kind, DUNNING) for kind in HoldKind),
                balance_max_age_hours=_AGES,
                deaf_after_minutes=_AGES * 60,
            )
            self._policies[key] = replace(policy, pack=pack, lines=(self._line,), live=True)
        return replace(self._policies[key], conditions=conditions)

    def strategy(
        self,
        jurisdiction: str,  # noqa: ARG002  (the port's shape)
        products: frozenset[Product],  # noqa: ARG002
        strategy_id: str = "",  # noqa: ARG002
    ) -> Strategy:
        return STRATEGY

    @cached_property
    def understand(self) -> Understand:
        return read_with(_shipped().lexicon)


class PlainRenderer:
    """Words that depend on what they are made of, and on nothing else: the stand-in for Jinja2, which is as pure."""

    def render(self, request: RenderRequest) -> Rendered:
        total = request.statement.total if request.statement is not None else ""
        return Rendered("", f"{request.template} {request.locale} {request.today} {total}", 1, "gsm", ())


#: Which class stands for which service. A guard is taken away by putting another one in its place.
CLASSES: Mapping[str, type[Any]] = {
    "store": MemoryStore,
    "controls": MemoryControls,
    "policies": Policies,
    "settle": Settle,
    "opt_outs": OptOuts,
    "compose": Compose,
    "ingest": Ingest,
    "contacts": Contacts,
    "evaluate": Evaluate,
    "escalate": Escalate,
    "pace": Pace,
    "render": Render,
    "send": Send,
    "reports": ReceiveReport,
    "inbound": ReceiveInbound,
    "sweep": Sweep,
}


@dataclass
class Services:
    """The services, and the ports that the actors themselves use (the state machine, the witness, the clock)."""

    store: Any
    machine: Any
    witness: Any
    clock: Any
    keys: FakePointKeys
    ingest: Ingest
    contacts: Contacts
    evaluate: Evaluate
    escalate: Escalate
    pace: Pace
    render: Render
    send: Send
    reports: ReceiveReport
    inbound: ReceiveInbound
    sweep: Sweep


def wired(stage: stepping.Stage, content: SmallContent, classes: Mapping[str, type[Any]]) -> Services:
    """The services on the ports of `stage`. A parameter of a service is found by its name."""
    machine, keys = stage.port("machine"), FakePointKeys()
    known: dict[str, Any] = {
        "store": stage.port("store"),
        "controls": stage.port("controls"),
        "ears": stage.port("ears"),
        "wakes": stage.port("wakes"),
        "escalations": machine,
        "announcements": FakeAnnouncements(),
        "machine": machine,
        "witness": stage.port("witness"),
        "senders": {"provider": stage.port("provider")},
        "clock": stage.clock,
        "content": content,
        "renderer": PlainRenderer(),
        "keys": keys,
        "point_of": keys.point,
        "understand": content.understand,
        "recipients": EVERYONE,
        "mode": SendingMode.LIVE,
    }
    for name, cls in classes.items():
        if name not in ("store", "controls"):
            wanted = dict(inspect.signature(cls.__init__).parameters)
            del wanted["self"]
            # What a service can do without (`retain`) is not there: nothing is forgotten in these worlds.
            given = {each: known[each] for each, p in wanted.items() if each in known or p.default is p.empty}
            known[name] = cls(**given)
    return Services(**{name: known[name] for name in Services.__dataclass_fields__})


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
