"""The small world: every service on the in-memory ports, and a small engine for what AWS does between the functions.

| what | as in AWS |
|---|---|
| streams | each write of a message that is DUE, RENDERED or let go again: retried five times; late, doubled or lost |
| queues | delivered again after the visibility time-out; after `maxReceiveCount` put aside, until a person redrives |
| wakes | a queue; one wake a shard and minute |
| schedules | every minute at which something is due; minutes at which nothing could happen are left out |
| executions | assess, park on a token, assess; retries and time-outs of `escalation.asl.yaml` |
| functions | each runs its own release of the content; an invocation that is killed does nothing more |

Time stands still inside an invocation, and everything is drawn from the seed: the same steps on the same seed are the
same history.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from dunlin.adapters.renderer import Renderer
from dunlin.content.loader import load_content
from dunlin.content.model import Content
from dunlin.domain.message import Message
from dunlin.domain.recipients import EVERYONE
from dunlin.domain.words import MessageState, PauseScope, Purpose, SendingMode
from dunlin.entry.facts import apply_fact
from dunlin.errors import ConfigurationError, DunlinError, InvalidInput
from dunlin.services.contacts import Contacts, Denied, Reserved
from dunlin.services.dispatch import Dispatch
from dunlin.services.escalate import Escalate
from dunlin.services.evaluate import Evaluate
from dunlin.services.feed import Feed
from dunlin.services.inbound import ReceiveInbound, read_with
from dunlin.services.ingest import Ingest
from dunlin.services.opt_outs import OptOuts
from dunlin.services.pace import Pace
from dunlin.services.pauses import Pauses
from dunlin.services.policies import Policies
from dunlin.services.ports import Backlog, Change, DeliveryReport, InboundText, Refusal
from dunlin.services.render import Compose, Render
from dunlin.services.reports import ReceiveReport
from dunlin.services.send import Send
from dunlin.services.settle import Settle
from dunlin.services.sweep import Sweep, heard
from dunlin.testing import FakeAnnouncements, FakeClock, FakePointKeys, FakeRefusedInput, MemoryControls, MemoryStore

from local.smallworld.checker import Checker, PromiseBroken
from local.smallworld.core import Document, SmallCore, SmallLoan
from local.smallworld.gate import Gate, Guarded, Killed
from local.smallworld.provider import SmallProvider

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CONTENT_DIR = Path(__file__).absolute().parents[2] / "layers" / "content"
FUNCTIONS = (
    "assess_case",
    "dispatch_wakes",
    "evaluate_stages",
    "ingest_events",
    "pace_lines",
    "park_case",
    "receive_inbound",
    "receive_report",
    "render_message",
    "send_message",
    "serve_api",
    "sweep_messages",
)
RELEASES = ("first", "second", "third")

#: As the template has them: visibility time-out, and how often a record is received before it is put aside.
_QUEUES = {
    "core": ("ingest_events", timedelta(seconds=360), 5),
    "wakes": ("evaluate_stages", timedelta(seconds=720), 5),
    "reports": ("receive_report", timedelta(seconds=180), 10),
    "inbound": ("receive_inbound", timedelta(seconds=180), 20),
}
_STREAMS = {MessageState.DUE: "render_message", MessageState.RENDERED: "send_message"}
_STREAM_RETRIES = 5
_STREAM_AGE = HOUR
_TASK_RETRIES = 3
_PARKED_AT_MOST = timedelta(seconds=3_024_000)
_EXECUTION_AT_MOST = timedelta(seconds=26_784_000)
#: A schedule that changes nothing is looked at more rarely, up to this; nothing rests on a minute that did nothing.
_LONGEST_GAP = timedelta(minutes=15)


class Broken(Exception):
    """Something that is no error of ours came out of a service: a defect."""


@lru_cache(maxsize=len(RELEASES))
def released(name: str) -> Content:
    """The shipped content as the release `name`: live, signed beyond every history, and told by its name.

    Each release knows itself and the ones before it.
    """
    content = load_content(CONTENT_DIR)
    place = RELEASES.index(name)
    packs = {
        code: pack.model_copy(
            update={"signed": pack.signed.model_copy(update={"until": date(2035, 12, 31)}) if pack.signed else None}
        )
        for code, pack in content.packs.items()
    }
    brand = "Marram" + ("" if place == 0 else str(place + 1))
    texts = {
        locale: {key: text.replace("Marram", brand) for key, text in own.items()}
        for locale, own in content.lender.texts.items()
    }
    return replace(
        content,
        version=name,
        live=True,
        not_live_because="",
        lender=replace(content.lender, texts=texts),
        packs=packs,
        released={older: number + 1 for number, older in enumerate(RELEASES[: place + 1])},
        _policies={},
        _strategies={},
        _words={},
    )


@lru_cache(maxsize=len(RELEASES))
def _renderer(name: str) -> Renderer:
    return Renderer(released(name))


@dataclass
class Ports:
    """Every port of the services, behind the gate."""

    store: Any
    controls: Any
    sender: Any
    escalations: Any
    announcements: Any
    wakes: Any
    ears: Any
    intake: Any
    keys: Any


@dataclass(frozen=True, slots=True)
class Services:
    """What the functions call, under one release."""

    policies: Policies
    ingest: Ingest
    contacts: Contacts
    dispatch: Dispatch
    evaluate: Evaluate
    escalate: Escalate
    pace: Pace
    render: Render
    send: Send
    reports: ReceiveReport
    inbound: ReceiveInbound
    sweep: Sweep
    feed: Feed
    pauses: Pauses


def services_of(ports: Ports, release: str, clock: FakeClock) -> Services:
    """Every service on these ports, under one release of the content."""
    content = released(release)
    store, controls = ports.store, ports.controls
    policies = Policies(content=content, controls=controls)
    settle = Settle(store=store, clock=clock)
    opt_outs = OptOuts(store=store, clock=clock)
    compose = Compose(policies=policies, renderer=_renderer(release), content=content, recipients=EVERYONE)
    render = Render(store=store, compose=compose, settle=settle, clock=clock)
    senders = dict.fromkeys((line.provider for line in content.lender.lines), ports.sender)
    send = Send(
        store=store,
        controls=controls,
        compose=compose,
        settle=settle,
        opt_outs=opt_outs,
        senders=senders,
        clock=clock,
        recipients=EVERYONE,
        mode=SendingMode.LIVE,
    )

    understand = read_with(content.lexicon)

    return Services(
        policies=policies,
        ingest=Ingest(store=store, controls=controls, content=content, keys=ports.keys, clock=clock),
        contacts=Contacts(store=store, policies=policies, clock=clock),
        dispatch=Dispatch(store=store, wakes=ports.wakes, clock=clock),
        evaluate=Evaluate(
            store=store,
            policies=policies,
            escalations=ports.escalations,
            announcements=ports.announcements,
            clock=clock,
        ),
        escalate=Escalate(store=store, policies=policies, escalations=ports.escalations, clock=clock),
        pace=Pace(store=store, controls=controls, content=content, settle=settle, clock=clock),
        render=render,
        send=send,
        reports=ReceiveReport(
            store=store,
            settle=settle,
            opt_outs=opt_outs,
            point_of=ports.keys.point,
        ),
        inbound=ReceiveInbound(
            store=store, policies=policies, opt_outs=opt_outs, keys=ports.keys, understand=understand, clock=clock
        ),
        sweep=Sweep(
            store=store, controls=controls, render=render, send=send, settle=settle, ears=ports.ears, clock=clock
        ),
        feed=Feed(controls=controls, clock=clock),
        pauses=Pauses(
            controls=controls,
            lender=content.lender,
            templates=frozenset(template for template, _, _ in content.templates),
            clock=clock,
        ),
    )


@dataclass
class Execution:
    """One execution of the state machine. `token` is the doorbell it is parked on."""

    name: tuple[str, int, int]
    started_at: datetime
    status: str = "RUNNING"
    token: str | None = None
    tokens: int = 0
    tries: int = 0
    outcome: str = ""


@dataclass
class Queued:
    """A record in a queue."""

    queue: str
    body: Any
    label: str
    received: int = 0


class World:
    """The small world. `storm(True)` lets the provider and the streams misbehave by themselves."""

    def __init__(self, seed: int, now: datetime, *, keep_calls: bool = False) -> None:
        self.seed = seed
        self.clock = FakeClock(now)
        self.started_at = now
        self.memory = MemoryStore()
        self.controls = MemoryControls()
        self.keys = FakePointKeys()
        self.refused = FakeRefusedInput()
        self.core = SmallCore()
        self.counted: Counter[str] = Counter()
        self.checker = Checker(self.memory, self.clock, self.counted)
        self.provider = SmallProvider(
            self.clock,
            self._draw,
            report=self._report_later,
            report_now=self.receive_report,
            seen=self.checker.handed_over,
        )
        self.gate = Gate(self._took_effect, keep_calls=keep_calls)
        self.executions: dict[tuple[str, int, int], Execution] = {}
        self.deployed = dict.fromkeys(FUNCTIONS, RELEASES[0])
        self.streams_storm = False
        self.deaf = False
        self.feed_quiet = False
        self.outages: dict[str, datetime] = {}
        self.dead_letters: list[Queued] = []
        self.holds: list[tuple[str, str]] = []
        self._held_back: list[Queued] = []
        self._unsaid: list[Document] = []
        self._heap: list[tuple[datetime, int, Callable[[], None]]] = []
        self._tasks = 0
        self._draws: Counter[tuple[object, ...]] = Counter()
        self._wakes: set[tuple[str, int]] = set()
        self._last_sweep: datetime | None = None
        self._checkpoint_at: datetime | None = None
        self.in_queue: Counter[str] = Counter()
        self._gap = MINUTE
        self._next_tick = now
        self._effects = 0
        self._texts = 0
        self._dialling = 0
        self._services: dict[str, Services] = {}
        self.announced = FakeAnnouncements()
        self.ports = Ports(
            store=Guarded(self.gate, "store", self.memory),
            controls=Guarded(self.gate, "controls", self.controls),
            sender=Guarded(self.gate, "sender", self.provider),
            escalations=Guarded(self.gate, "executions", _Executions(self)),
            announcements=Guarded(self.gate, "announcements", self.announced),
            wakes=Guarded(self.gate, "wakes", _Wakes(self)),
            ears=Guarded(self.gate, "ears", _Ears(self)),
            intake=Guarded(self.gate, "intake", _Intake(self)),
            keys=self.keys,
        )

    @property
    def now(self) -> datetime:
        return self.clock.now

    def services(self, function: str) -> Services:
        release = self.deployed[function]
        if release not in self._services:
            self._services[release] = services_of(self.ports, release, self.clock)
        return self._services[release]

    def _draw(self, weighted: Sequence[tuple[str, int]], *about: object) -> str:
        """One of the weighted names, the same for the same question on the same seed."""
        if len(weighted) == 1:
            return weighted[0][0]
        self._draws[about] += 1
        text = repr((self.seed, about, self._draws[about]))
        point = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        point %= sum(weight for _, weight in weighted)
        for name, weight in weighted:
            if point < weight:
                return name
            point -= weight
        raise AssertionError("weights do not add up")

    # ── invocations ──────────────────────────────────────────────────────────────────────────────────────────────────

    def invoke(self, function: str, do: Callable[[], Any]) -> bool:
        """One invocation; False when it failed, for whichever reason Lambda would see.

        Raises:
            PromiseBroken: by this invocation. Broken: a defect.
        """
        self.counted[f"invoked {function}"] += 1
        done = self._run(function, do)
        self.checker.check()
        return done

    def _run(self, function: str, do: Callable[[], Any]) -> bool:
        with self.gate.within(function):
            try:
                do()
            except Killed:
                self.counted["killed"] += 1
                return False
            except DunlinError as error:
                self.counted[f"failed: {type(error).__name__}"] += 1
                return False
            except (Broken, ConfigurationError, PromiseBroken):
                raise
            except Exception as error:  # what is none of our errors is a defect, whatever it is
                raise Broken(f"{function}: {type(error).__name__}: {error}") from error
        return True

    @staticmethod
    def told_of(what: str, error: Exception) -> None:
        """`on_failure` of a batch: errors of ours are the storm's; anything else is a defect."""
        if isinstance(error, Broken | ConfigurationError | PromiseBroken):
            raise error
        if not isinstance(error, DunlinError):
            raise Broken(f"{what}: {type(error).__name__}: {error}") from error

    def after(self, delay: timedelta, do: Callable[[], None]) -> None:
        self._tasks += 1
        heapq.heappush(self._heap, (self.now + delay, self._tasks, do))

    # ── queues ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, queue: str, body: Any, label: str, delay: timedelta = timedelta(0)) -> None:
        record = Queued(queue, body, label)
        self.after(delay, lambda: self._deliver(record))

    def _deliver(self, record: Queued) -> None:
        function, visibility, most = _QUEUES[record.queue]
        if self.deaf and record.queue in ("inbound", "reports"):
            self._held_back.append(record)
            return
        record.received += 1
        if record.received == 1:
            self.in_queue[record.queue] += 1
        if self.invoke(function, lambda: self._receive(record)):
            self.in_queue[record.queue] -= 1
            return
        if record.received >= most:
            self.in_queue[record.queue] -= 1
            self.dead_letters.append(record)
            self.counted["dead letters"] += 1
        else:
            self.after(visibility, lambda: self._deliver(record))

    def _receive(self, record: Queued) -> None:
        body = record.body
        match record.queue:
            case "core":
                self._refusing("core", lambda: self._ingest(body))
            case "wakes":
                self.services("evaluate_stages").evaluate.shard(body, 500, self.told_of)
            case "reports" if isinstance(body, str):
                heard(self.ports.controls, "reports", body, self.now)
                self.checker.probe_heard("reports", body)
            case "inbound" if isinstance(body, str):
                heard(self.ports.controls, "inbound", body, self.now)
                self.checker.probe_heard("inbound", body)
            case "reports":
                self._refusing("reports", lambda: self.services("receive_report").reports.receive(body))
            case "inbound":
                self._refusing("inbound", lambda: self.services("receive_inbound").inbound.receive(body))

    def _ingest(self, document: Document) -> None:
        if "complete_to" in document:
            self.checker.feed_advanced(datetime.fromisoformat(document["complete_to"]))
        try:
            _, result = apply_fact(self.services("ingest_events").ingest, document)
        except InvalidInput:
            self.checker.fact_refused(document)
            raise
        self.counted[f"fact {result}"] += 1

    def _refusing(self, source: str, receive: Callable[[], Any]) -> None:
        try:
            receive()
        except InvalidInput as error:
            self.refused.keep(Refusal(source, error.field, error.problem, ""))
            self.counted["refused input"] += 1

    def redrive(self) -> None:
        """A person sends what was put aside once more."""
        records, self.dead_letters = self.dead_letters, []
        for record in records:
            self.put(record.queue, record.body, record.label)

    # ── what an effect sets in motion ────────────────────────────────────────────────────────────────────────────────

    def _took_effect(self, function: str, port: str, method: str, args: tuple[Any, ...]) -> None:
        if port == "announcements":
            self.checker.announced(*args[:2])
        if port == "store" and method == "commit":
            change: Change = args[0]
            self._effects += 1
            self.checker.committed(function, change)
            for message in (*change.new_messages, *change.moved_messages):
                if message.state in _STREAMS or message.is_let_go_again:
                    self._streamed(message)

    def _streamed(self, message: Message) -> None:
        function = _STREAMS.get(message.state, "send_message")
        fate = "once"
        if self.streams_storm:
            weights = (("once", 6), ("lost", 2), ("doubled", 2), ("late", 2))
            fate = self._draw(weights, "stream", message.ref, str(message.state))
        self.counted[f"stream {fate}"] += 1
        delay = timedelta(minutes=25) if fate == "late" else timedelta(0)
        for copy in range({"lost": 0, "doubled": 2}.get(fate, 1)):
            at = delay + timedelta(seconds=2 * copy)
            self.after(at, lambda: self._record(function, message, self.now, 0))

    def _record(self, function: str, message: Message, since: datetime, tries: int) -> None:
        services, borrower_id, key = self.services(function), message.borrower_id, message.key
        step = services.render.render if function == "render_message" else services.send.send
        if message.is_let_go_again:
            step = services.send.retry
        if self.invoke(function, lambda: step(borrower_id, key)):
            return
        if tries < _STREAM_RETRIES and self.now - since < _STREAM_AGE:
            again = timedelta(seconds=10 * 2**tries)
            self.after(again, lambda: self._record(function, message, since, tries + 1))
        else:
            self.counted["stream record given up"] += 1

    def _report_later(self, report: DeliveryReport, delay: timedelta) -> None:
        self.checker.report_on_its_way(report)
        self.put("reports", report, report.ref, delay)

    def receive_report(self, report: DeliveryReport) -> None:
        """The report is there before the answer."""
        self.checker.report_on_its_way(report)
        if self.deaf:
            self.put("reports", report, report.ref)
        else:
            self._deliver(Queued("reports", report, report.ref))

    # ── executions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def assess(self, execution: Execution) -> None:
        if execution.status != "RUNNING":
            return
        if self.now - execution.started_at > _EXECUTION_AT_MOST:
            execution.status = "TIMED_OUT"
            return
        answer: list[Any] = []
        if not self.invoke(
            "assess_case", lambda: answer.append(self.services("assess_case").escalate.assess(*execution.name))
        ):
            self._retry(execution, self.assess, self._fail)
            return
        execution.tries = 0
        if answer[0].next == "end":
            execution.status, execution.outcome = "SUCCEEDED", answer[0].outcome
            self.counted[f"execution ended: {answer[0].outcome}"] += 1
        else:
            self.park(execution, answer[0].version)

    def park(self, execution: Execution, version: int) -> None:
        if execution.status != "RUNNING":
            return
        execution.tokens += 1
        token = f"{'/'.join(map(str, execution.name))}/{execution.tokens}"
        execution.token = token
        if self.invoke("park_case", lambda: self.services("park_case").escalate.park(*execution.name, version, token)):
            execution.tries = 0
            self.after(_PARKED_AT_MOST, lambda: self._woken_by_time(execution, token))
            return
        if execution.token == token:
            execution.token = None
            self._retry(execution, lambda same: self.park(same, version), self._look_again)

    def _woken_by_time(self, execution: Execution, token: str) -> None:
        if execution.token == token:
            execution.token = None
            self.assess(execution)

    def _look_again(self, execution: Execution) -> None:
        self.after(timedelta(seconds=1), lambda: self.assess(execution))

    @staticmethod
    def _fail(execution: Execution) -> None:
        execution.status = "FAILED"

    def _retry(
        self, execution: Execution, again: Callable[[Execution], None], otherwise: Callable[[Execution], None]
    ) -> None:
        if execution.tries >= _TASK_RETRIES:
            execution.tries = 0
            otherwise(execution)
            return
        execution.tries += 1
        self.after(timedelta(seconds=5 * 2 ** (execution.tries - 1)), lambda: again(execution))

    def lose_executions(self) -> None:
        """Every execution is stopped without a word."""
        for execution in self.executions.values():
            if execution.status == "RUNNING":
                execution.status, execution.token = "ABORTED", None
                self.counted["execution lost"] += 1

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, by: timedelta) -> None:
        """Let time pass, from one moment at which something happens to the next."""
        end = self.now + by
        for _ in range(200_000):
            tick = self._tick_due()
            task = self._heap[0][0] if self._heap else None
            outage = min(self.outages.values(), default=None)
            following = min(moment for moment in (tick, task, outage, end) if moment is not None)
            self.clock.now = max(self.now, following)
            if outage is not None and outage <= self.now:
                self._recover()
            elif task is not None and task <= self.now:
                heapq.heappop(self._heap)[2]()
            elif tick is not None and tick <= self.now:
                self._tick()
            elif self.now >= end:
                return
        raise Broken("time does not pass: something happens again and again")

    def _tick_due(self) -> datetime | None:
        """When the schedules' next minute with something to do is."""
        moments = [b.wake_at for b in self.memory.borrowers.values() if b.wake_at is not None]
        for message in self.checker.unsettled():
            if message.attend_at is not None:
                moments.append(message.attend_at)
            if message.state is MessageState.REQUESTED:
                moments.append(max(message.not_before, self._next_tick))
        if not moments:
            return None
        return max(min(moments), self._next_tick)

    def _tick(self) -> None:
        # The minutes that were left out heard their probes and proved the feed; so does the last of them.
        idle = self._last_sweep is None or self.now - self._last_sweep > _LONGEST_GAP
        before = self._effects
        self._heartbeat()
        self.invoke("sweep_messages", lambda: self.services("sweep_messages").feed.watch(self.ports.intake))
        if not idle:
            self.invoke("dispatch_wakes", self.services("dispatch_wakes").dispatch.dispatch)
            self._flush()
            self.invoke("pace_lines", lambda: self.services("pace_lines").pace.lines(self.told_of))
            self._flush()
        self._sweep()
        self._flush()
        self._gap = MINUTE if idle or self._effects > before else min(self._gap * 2, _LONGEST_GAP)
        self._next_tick = self.now + self._gap

    def _flush(self) -> None:
        """What is due at this very moment, and what that sets in motion."""
        while self._heap and self._heap[0][0] <= self.now:
            heapq.heappop(self._heap)[2]()

    def _sweep(self) -> None:
        self._last_sweep = self.now
        self.invoke("sweep_messages", lambda: self.services("sweep_messages").sweep.run(self.told_of))

    def run_minute(self) -> None:
        """One minute's schedules, whether or not anything is due."""
        self._flush()
        self._tick()

    # ── the core and its feed ────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, document: Document | None, *, delay: timedelta = timedelta(0), times: int = 1) -> None:
        """An event of the core on its way to us."""
        if document is None:
            return
        self.checker.said(document)
        if self.feed_quiet:
            self._unsaid.append(document)
            return
        for again in range(times):
            self.put("core", document, str(document["type"]), delay + again * timedelta(minutes=11))

    def _heartbeat(self) -> None:
        if self.feed_quiet or self.outages:
            return
        at = self.now.replace(minute=self.now.minute // 15 * 15, second=0, microsecond=0)
        if self._checkpoint_at is None or at > self._checkpoint_at:
            self._checkpoint_at = at
            document = {
                "event_id": f"checkpoint-{at.timestamp():.0f}",
                "type": "feed.checkpoint",
                "occurred_at": self.now.isoformat(),
                "complete_to": at.isoformat(),
            }
            self._deliver(Queued("core", document, "checkpoint"))

    def snapshots(self) -> None:
        """The core's daily file: every loan again."""
        for loan in self.core.loans.values():
            self.tell(self.core.told("loan.snapshot", loan, self.now))

    def quiet_feed(self, quiet: bool) -> None:
        self.feed_quiet = quiet
        if not quiet:
            unsaid, self._unsaid = self._unsaid, []
            for document in unsaid:
                self.put("core", document, str(document["type"]))

    def loans(self, *, owed: bool = False) -> list[SmallLoan]:
        return [loan for loan in self.core.loans.values() if loan.is_owed or not owed]

    # ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def text(self, address: str, words: str, *, delay: timedelta = timedelta(0), times: int = 1) -> InboundText:
        """A person writes to us."""
        self._texts += 1
        text = InboundText(f"in-{self._texts}", "aws_sms", address, "+12065550100", words, self.now)
        self.checker.text_written(text)
        for again in range(times):
            self.put("inbound", text, text.inbound_id, delay + again * timedelta(minutes=3))
        return text

    def text_now(self, address: str, words: str) -> None:
        """A person writes, and it is processed at this very moment, whatever else is under way."""
        self._texts += 1
        text = InboundText(f"in-{self._texts}", "aws_sms", address, "+12065550100", words, self.now)
        self.checker.text_written(text)
        self._deliver(Queued("inbound", text, text.inbound_id))

    def tell_now(self, document: Document | None) -> None:
        if document is None:
            return
        self.checker.said(document)
        if self.feed_quiet:
            self._unsaid.append(document)
        else:
            self._deliver(Queued("core", document, str(document["type"])))

    def pause(self, scope: PauseScope, name: str, lasts: timedelta | None) -> None:
        """Somebody presses stop."""
        until = self.now + lasts if lasts is not None else None
        pauses = self.services("serve_api").pauses
        if self.invoke("serve_api", lambda: pauses.pause(scope, name, by="s-1", why="a test", until=until)):
            self.checker.pressed(str(scope), name, until)

    def resume(self) -> None:
        """Whatever is paused goes on."""
        for pressed in list(self.checker.paused):
            scope, name = PauseScope(pressed.scope), pressed.name
            self.checker.lifted(pressed.scope, name)
            self.invoke("serve_api", lambda: self.services("serve_api").pauses.resume(scope, name, by="s-1"))  # noqa: B023

    def dial(self, borrower_id: str, channel: str, purpose: Purpose, *, made: bool = True) -> Reserved | Denied | None:
        """An agent asks whether a call may be made, and makes it if so, or says that nobody was called after all."""
        self._dialling += 1
        request_id = f"dial-{self._dialling}"
        answers: list[Reserved | Denied] = []
        for _ in range(2):  # whoever asks asks again when there was no answer
            if self.invoke(
                "serve_api",
                lambda: answers.append(
                    self.services("serve_api").contacts.reserve(borrower_id, request_id, channel, purpose, ())
                ),
            ):
                break
        if not answers:
            return None
        answer = answers[-1]
        if isinstance(answer, Reserved):
            if made:
                self.counted["dialled"] += 1
                self.checker.contacted(borrower_id, channel, purpose, self.now)
                self.checker.check()
            else:
                self.counted["not dialled"] += 1
                contacts, ref = self.services("serve_api").contacts, answer.ref
                self.invoke("serve_api", lambda: contacts.report(borrower_id, ref, made=False))
        else:
            self.counted[f"denied: {answer.reason}"] += 1
        return answer

    # ── outages ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def outage(self, port: str, lasts: timedelta) -> None:
        """A port cannot be reached for a while."""
        self.gate.down.add(port)
        self.outages[port] = max(self.outages.get(port, self.now), self.now + lasts)
        self.counted[f"outage of {port}"] += 1

    def _recover(self) -> None:
        for port in [port for port, until in self.outages.items() if until <= self.now]:
            del self.outages[port]
            self.gate.down.discard(port)

    def hear(self, hears: bool) -> None:
        self.deaf = not hears
        if hears:
            held_back, self._held_back = self._held_back, []
            for record in held_back:
                self.after(timedelta(0), lambda record=record: self._deliver(record))  # type: ignore[misc]
        else:
            self.counted["deaf"] += 1
            self.run_minute()

    def storm(self, on: bool) -> None:
        self.provider.stormy = on
        self.streams_storm = on

    def deploy(self, release: str, functions: Sequence[str] = FUNCTIONS) -> None:
        """Functions are updated one after the other: for a while, some run an older release than others."""
        for function in functions:
            if RELEASES.index(release) > RELEASES.index(self.deployed[function]):
                self.deployed[function] = release

    def calm(self) -> None:
        """The storm is over: everything works, everybody has the newest release, nothing is held back."""
        self.gate.faults.clear()
        self.gate.races.clear()
        self.outages.clear()
        self.gate.down.clear()
        self.storm(False)
        self.provider.next_answers.clear()
        self.provider.next_fates.clear()
        newest = max(self.deployed.values(), key=RELEASES.index)
        self.deploy(newest)
        self.quiet_feed(False)
        self.hear(True)
        self.redrive()
        self.resume()


class _Executions:
    """`Escalations` on the world's executions."""

    def __init__(self, world: World) -> None:
        self._world = world

    def start(self, borrower_id: str, episode: int, generation: int) -> None:
        name = (borrower_id, episode, generation)
        if name not in self._world.executions:
            execution = Execution(name, self._world.now)
            self._world.executions[name] = execution
            self._world.counted["execution started"] += 1
            self._world.after(timedelta(0), lambda: self._world.assess(execution))

    def ring(self, token: str) -> None:
        running = (each for each in self._world.executions.values() if each.status == "RUNNING")
        execution = next((each for each in running if each.token == token), None)
        if execution is None:
            self._world.counted["dead doorbell rung"] += 1
            return
        execution.token = None
        self._world.counted["doorbell rung"] += 1
        self._world.after(timedelta(0), lambda: self._world.assess(execution))

    def is_running(self, borrower_id: str, episode: int, generation: int) -> bool:
        found = self._world.executions.get((borrower_id, episode, generation))
        return found is not None and found.status == "RUNNING"


class _Wakes:
    """`WakeQueue`: the same shard in the same minute is one wake."""

    def __init__(self, world: World) -> None:
        self._world = world

    def wake(self, shard: str, now: datetime) -> None:
        minute = (shard, int(now.astimezone(UTC).timestamp() // 60))
        if minute not in self._world._wakes:
            self._world._wakes.add(minute)
            self._world.put("wakes", shard, f"wake {shard}")


class _Ears:
    """`Ears`: a probe comes back through the queue it was sent down."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send_probe(self, ear: str, probe: str) -> None:
        self._world.checker.probe_sent(ear, probe)
        self._world.put(ear, probe, f"probe {ear}")


class _Intake:
    """`Intake`: the core's queue as it stands. What is being retried is hidden, and counted as in flight."""

    def __init__(self, world: World) -> None:
        self._world = world

    def backlog(self) -> Backlog:
        dead = sum(record.queue == "core" for record in self._world.dead_letters)
        return Backlog(waiting=0, in_flight=self._world.in_queue["core"], dead=dead)
