"""One round: a world in the storm, a calm time, and the judgement."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest import mock

import dunlin.services.escalate
import dunlin.services.evaluate
from dunlin.content import Content, load_content
from dunlin.domain.decide import decide
from dunlin.entry import bootstrap

from local.auditor import AuditReport, audit
from local.behaviour import Behaviour, Text, enact, read_by
from local.chaos.forecast import Forecast, Pressed, Span
from local.chaos.mischief import QuietCore, make_mischief
from local.chaos.storm import KINDS, Storm
from local.commands.run import CHINESE_LINE, line_of, sender_names
from local.core.core import Core
from local.evidence import open_folder, write_evidence
from local.portfolio.generate import generate
from local.simulator.faults import Draw
from local.simulator.simulator import Delivered, Stirred
from local.summary import Run, broken, collect, summarise
from local.world import CONTENT, MINUTE, Announced, Reply, World

__all__ = ["RoundResult", "run_round"]

#: How often somebody looks at the dead-letter queues and sends back what is there.
REDRIVEN_EVERY = timedelta(hours=2)
REDRIVEN_AT_LAST_EVERY = timedelta(hours=12)
#: The latest that a core's fact is fed.
ALL_FED = timedelta(hours=36)
DEAD_LETTERS: Mapping[str, str] = {
    "CoreEventsDeadLetterQueue": "CoreEventsQueue",
    "WakeDeadLetterQueue": "WakeQueue",
    "PaceDeadLetterQueue": "PaceQueue",
    "ReportsDeadLetterQueue": "ReportsQueue",
    "InboundDeadLetterQueue": "InboundQueue",
}
_FACT, _TEXT = "FACT#", "TEXT#"
#: What the storm does besides single calls; a round in which neither happened proves nothing.
_WEATHER = frozenset({"outage", "deaf", "feed_quiet"})
_OVERSLEPT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class RoundResult:
    """What a round came to. `violations` in words, empty for a round in which every promise was kept.

    `injected` are faults by kind, of the storm and of the providers. `evidence` is kept for a round that failed.
    `wall_seconds` is the only thing that differs when it is run again.
    """

    seed: int
    number: int
    borrowers: int
    days: int
    profile: str
    start: datetime
    end: datetime
    messages: int
    accepted: int
    decisions: int
    calls: int
    injected: Mapping[str, int]
    counters: Mapping[str, int]
    violations: tuple[str, ...]
    digest: str
    evidence: Path | None
    wall_seconds: float


def run_round(seed: int, forecast: Forecast, evidence: Path | None = None) -> RoundResult:
    """Run one round and judge it; `evidence`: where to keep what it leaves if something was found.

    Raises:
        OSError: the evidence cannot be written.
        ContentError: the content cannot be read.
    """
    began = time.perf_counter()
    folder = evidence or Path(mkdtemp(prefix="dunlin-chaos-"))
    kept = False
    try:
        result = _Round(seed, forecast, folder).run()
        kept = bool(result.violations)
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
    return replace(result, evidence=folder if kept else None, wall_seconds=round(time.perf_counter() - began, 2))


class _Round:
    def __init__(self, seed: int, forecast: Forecast, folder: Path) -> None:
        self._seed = seed
        self._forecast = forecast
        self._folder = folder
        self._draw = Draw(forecast.seed)
        self._decisions = 0
        self._pressed: list[_Paused] = []
        portfolio = generate(
            forecast.borrowers,
            (forecast.end - forecast.start).days,
            forecast.seed % 1_000_000,
            forecast.start.date(),
            forecast.cohorts,
        )
        self._portfolio = portfolio
        self._core = Core(portfolio.accounts, seed=portfolio.seed, start=portfolio.start, feed_faults=forecast.feed)
        self._behaviour = Behaviour(portfolio, self._core)
        self._done: Counter[str] = Counter()
        self._content = load_content(CONTENT)

    def run(self) -> RoundResult:
        forecast = self._forecast
        first_texts = self._replies(enact(self._behaviour.at_start(), self._core))
        make_mischief(self._core, self._portfolio.accounts, forecast, self._done)
        for account in self._portfolio.accounts:
            for loan in account.loans:
                self._core.schedule_end(loan.loan_id, "sold", forecast.leave_at)
        logs = open_folder(self._folder, CONTENT)

        def now() -> datetime:
            return world.clock.now()

        storm = Storm(forecast, now)
        world = World(
            QuietCore(self._core, forecast.quiet, self._done, forecast.leave_at + ALL_FED),
            forecast.start,
            forecast.end,
            forecast.seed % 1_000_000,
            forecast.provider,
            logs,
            self._reached,
            line_of,
            unreachable=self._portfolio.numbers,
            finance_numbers=(CHINESE_LINE,),
            on_recycled=self._recycled,
            calm_from=forecast.calm_from,
            interleave=forecast.interleave,
            before_call=storm.hook,
        )
        releases = _Releases(self._content, forecast, world.clock.now, storm.injected)
        found: list[str] = []
        with self._counted(), releases.patched(), world:
            releases.name_of = world.aws.template.physical_name
            storm.board(world.aws, releases.before_invocation)
            for text in first_texts:
                world.text(*text)
            self._plan(world)
            world.on_announced = self._told
            try:
                world.run()
            except Exception as error:  # the round's edge: whatever breaks the run is a finding, and not the end of all
                found.append(f"the run broke: {type(error).__name__}: {error}")
            run = collect(world, self._core.history)
            recorded = self._recorded(world)
            write_evidence(
                self._folder,
                world.simulator.record,
                _AsRecorded(self._core.history, recorded),
                world.texts,
                world.announced,
                outages=[(span.start, span.end) for span in self._broken()],
                taken_in=self._taken_in(world),
            )
            found += self._left(world, run)
            digest = self._digest(world, run, storm)
        report = audit(self._folder, sender_names=sender_names(self._content))
        injected = self._injected(storm, run)
        found += self._found(run, report, recorded, injected)
        self._write(found, report)
        return RoundResult(
            seed=self._seed,
            number=forecast.number,
            borrowers=forecast.borrowers,
            days=forecast.days,
            profile=forecast.profile,
            start=forecast.start,
            end=forecast.end,
            messages=len(run.messages),
            accepted=sum(given.accepted for given in run.hand_overs),
            decisions=self._decisions,
            calls=sum(run.calls.values()),
            injected=injected,
            counters=dict(report.counters),
            violations=tuple(found),
            digest=digest,
            evidence=None,
            wall_seconds=0.0,
        )

    # ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _reached(self, delivered: Delivered) -> list[Reply]:
        actions = read_by(self._behaviour, delivered)
        return self._replies(enact(actions, self._core))

    def _recycled(self, stirred: Stirred) -> list[Reply]:
        return self._replies(enact(self._behaviour.on_recycled(stirred.number, stirred.at), self._core))

    def _told(self, announced: Announced) -> None:
        """A person at the lender is called, and comes; the books hear of plans."""
        self._core.hear(announced.kind, announced.detail)

    @staticmethod
    def _replies(texts: Sequence[Text]) -> list[Reply]:
        return [(text.from_address, text.text, text.at, text.meant) for text in texts]

    # ── What people at the lender do ─────────────────────────────────────────────────────────────────────────────────

    def _plan(self, world: World) -> None:
        def redrive() -> None:
            self._redrive(world)
            every = REDRIVEN_EVERY if world.clock.now() < self._forecast.leave_at else REDRIVEN_AT_LAST_EVERY
            world.at(world.clock.now() + every, redrive)

        world.at(world.start + REDRIVEN_EVERY, redrive)
        for pressed in self._forecast.pauses:
            paused = _Paused(pressed.scope, self._name(pressed))
            self._pressed.append(paused)
            world.at(pressed.span.start, lambda paused=paused: self._press(world, paused))  # type: ignore[misc]
            world.at(pressed.span.end, lambda paused=paused: self._lift(world, paused))  # type: ignore[misc]

    def _redrive(self, world: World) -> None:
        """What an operator does with dead letters: back into their queue they go."""
        for dead_id, source_id in DEAD_LETTERS.items():
            dead, source = (world.aws._queue(world.aws.template.physical_name(name)) for name in (dead_id, source_id))
            letters, dead._messages = list(dead._messages), []
            for letter in letters:
                letter.approximate_receive_count = 0
                letter.visible_at = 0.0
                source._messages.append(letter)
            self._done["redriven"] += len(letters)

    def _name(self, pressed: Pressed) -> str:
        lines = sorted(self._content.lender.lines, key=lambda line: line.line_id)
        match pressed.scope:
            case "brand":
                names = sorted({line.brand for line in lines})
            case "line":
                names = [line.line_id for line in lines]
            case "template":
                names = sorted({template_id for template_id, _, _ in self._content.templates})
            case _:
                names = [""]
        return names[int(pressed.pick * len(names))]

    def _press(self, world: World, paused: _Paused) -> None:
        if self._asked(world, "/pauses", {**paused.body, "why": "storm"}) == 200:
            paused.since = world.clock.now()
            self._done["paused"] += 1
        else:
            world.at(world.clock.now() + MINUTE, lambda: self._press(world, paused))

    def _lift(self, world: World, paused: _Paused) -> None:
        if paused.since is None:  # nobody got through to press it yet
            world.at(world.clock.now() + MINUTE, lambda: self._lift(world, paused))
            return
        if paused.until is None:
            paused.until = world.clock.now()
        if self._asked(world, "/pauses:resume", paused.body) not in (200, 404):
            world.at(world.clock.now() + MINUTE, lambda: self._lift(world, paused))

    @staticmethod
    def _asked(world: World, path: str, body: Mapping[str, str]) -> int:
        headers = {"Content-Type": "application/json"}
        return world.aws.request("POST", path, headers=headers, body=json.dumps(body).encode()).status

    # ── Judgement ────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the decisions that the functions make."""

        def counting(*args: Any, **kwargs: Any) -> Any:
            self._decisions += 1
            return decide(*args, **kwargs)

        with (
            mock.patch.object(dunlin.services.evaluate, "decide", counting),
            mock.patch.object(dunlin.services.escalate, "decide", counting),
        ):
            yield

    def _broken(self) -> Iterator[Span]:
        """When something that answers and calls for people rest on did not work."""
        yield from (outage.span for outage in self._forecast.outages)
        yield from (span for _, span in self._forecast.deaf)

    @staticmethod
    def _taken_in(world: World) -> dict[str, str]:
        """When each text of somebody we know was followed: until then it stood in a queue, unread."""
        taken_in: dict[str, str] = {}
        for row in world.aws.items("BorrowersTable"):
            if str(row["item"]).startswith(_TEXT):
                at, text = str(json.loads(row["document"])["recorded_at"]), str(row["item"]).removeprefix(_TEXT)
                taken_in[text] = max(at, taken_in.get(text, at))
        return taken_in

    @staticmethod
    def _recorded(world: World) -> dict[str, str]:
        """When each fact came into force here: what stood in a queue, unread, was not known yet."""
        recorded = {}
        for row in world.aws.items("BorrowersTable"):
            if str(row["item"]).startswith(_FACT):
                recorded[str(row["item"]).removeprefix(_FACT)] = str(json.loads(row["document"])["recorded_at"])
        return recorded

    def _left(self, world: World, run: Run) -> Iterator[str]:
        """What must not be left when all is over."""
        aws = world.aws
        yield from _some("queued inputs nobody took", sum(len(aws.queue_bodies(name)) for name in DEAD_LETTERS))
        running = sum(status == "RUNNING" for status in run.executions.values())
        yield from _some("executions still running", running)
        open_cases = sum(
            borrower.case is not None and str(borrower.case.status) == "open" for borrower in run.borrowers
        )
        yield from _some("cases still open", open_cases)
        asleep = sum(
            borrower.wake_at is not None and borrower.wake_at < run.end - _OVERSLEPT for borrower in run.borrowers
        )
        yield from _some("borrowers nobody woke", asleep)

    def _found(
        self, run: Run, report: AuditReport, recorded: Mapping[str, str], injected: Mapping[str, int]
    ) -> Iterator[str]:
        summary = summarise(run, report)
        # Dead letters were sent back; what was left of them has been looked at.
        yield from broken({**summary, "dead_letters": 0})
        unsettled = Counter(str(message.state) for message in run.messages if not message.is_terminal)
        for state, count in sorted(unsettled.items()):
            yield f"messages left {state}: {count}"
        facts = {str(fact["event_id"]) for fact in _facts(self._core.history)}
        yield from _some("facts never recorded", len(facts - set(recorded)))
        yield from _some("refused inputs", run.refused_inputs)
        yield from self._asked_again(run)
        yield from self._said_under_pause(run)
        if run.messages and not any(given.accepted for given in run.hand_overs):
            yield "nothing was ever sent"
        if not any(name in KINDS or name.startswith("provider_") or name in _WEATHER for name in injected):
            yield "faults were asked for, and there was none"

    @staticmethod
    def _asked_again(run: Run) -> Iterator[str]:
        """A number that the provider says has opted out is not asked again, until its owner texts us."""
        refused: dict[str, str] = {}
        again = 0
        texted: dict[str, list[str]] = {}
        for text in run.texts:
            texted.setdefault(text.from_address, []).append(text.at.isoformat())
        for given in run.hand_overs:
            at = refused.get(given.to_address)
            if at is not None and given.reserved_at > at:
                again += not any(at < moment <= given.reserved_at for moment in texted.get(given.to_address, ()))
            if given.answer == "OPTED_OUT":
                refused.setdefault(given.to_address, given.at)
        yield from _some("hand-overs to numbers that opted out at the provider", again)

    def _said_under_pause(self, run: Run) -> Iterator[str]:
        lines = {line.line_id: line.brand for line in self._content.lender.lines}
        said = 0
        for message in run.messages:
            if message.reserved_at is None or message.stage == "opt_out_confirmation":
                continue
            for paused in self._pressed:
                if paused.since is None or not paused.since < message.reserved_at < (paused.until or run.end):
                    continue
                brand = lines.get(message.line, "")
                said += {"everything": "", "brand": brand, "line": message.line, "template": message.template}[
                    paused.scope
                ] == paused.name
        yield from _some("messages reserved while they were paused", said)

    def _injected(self, storm: Storm, run: Run) -> dict[str, int]:
        every = Counter(storm.injected)
        every.update(self._done)
        every.update({f"provider_{name}": count for name, count in run.injected.items()})
        return {name: count for name, count in sorted(every.items()) if count}

    def _digest(self, world: World, run: Run, storm: Storm) -> str:
        """What happened, to the byte: hand-overs, texts, facts, messages, calls, faults, invocations."""
        digest = hashlib.sha256()
        parts: list[Any] = [
            world.simulator.record.rows(),
            self._core.history,
            sorted((row for row in world.aws.items("MessagesTable")), key=lambda row: (row["borrower_id"], row["key"])),
            sorted(run.calls.items()),
            sorted(self._injected(storm, run).items()),
            [[one.at.isoformat(), one.function, one.source, one.outcome] for one in world.aws.history],
        ]
        for part in parts:
            digest.update(json.dumps(part, ensure_ascii=True, sort_keys=True, default=str).encode())
        return digest.hexdigest()[:16]

    def _write(self, found: Sequence[str], report: AuditReport) -> None:
        document = {"violations": list(found), "audit": report.to_json(), "forecast": _plain(self._forecast)}
        text = json.dumps(document, indent=2, default=str, ensure_ascii=False)
        (self._folder / "found.json").write_text(text + "\n", encoding="utf-8")


@dataclass(slots=True)
class _Paused:
    """A stop as the people who pressed it see it: in force from `since`, for certain until `until`."""

    scope: str
    name: str
    since: datetime | None = None
    until: datetime | None = None

    @property
    def body(self) -> dict[str, str]:
        return {"scope": self.scope, "name": self.name, "by": "storm"}


class _AsRecorded:
    """The core's history, each fact handed over when it came into force."""

    def __init__(self, history: Sequence[Mapping[str, object]], recorded: Mapping[str, str]) -> None:
        self._history = history
        self._recorded = recorded

    def write(self, path: Path) -> None:
        with path.open("w", encoding="utf-8") as file:
            for entry in self._history:
                event = entry["event"]
                assert isinstance(event, dict)
                at = self._recorded.get(str(event["event_id"]))
                line = entry if at is None else {**entry, "fed_at": at}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


class _Releases:
    """Releases of content in mid-flight: each function has the new one when its own deployment reaches it."""

    def __init__(
        self, content: Content, forecast: Forecast, now: Callable[[], datetime], injected: Counter[str]
    ) -> None:
        self._forecast = forecast
        self._draw = Draw(forecast.seed)
        self._now = now
        self._injected = injected
        self._loaded: dict[str, int] = {}
        #: A function's name by its logical id, as soon as there is a stack.
        self.name_of: Callable[[str], str] = str
        self._contents = [content]
        for n in range(1, len(forecast.releases) + 1):
            before = self._contents[-1]
            self._contents.append(
                replace(
                    before,
                    version=hashlib.sha256(f"{content.version}{n}".encode()).hexdigest()[: len(content.version)],
                    number=before.number + 1,
                    released={**before.released, before.version: before.number},
                    _policies={},
                    _strategies={},
                    _words={},
                )
            )

    @contextmanager
    def patched(self) -> Iterator[None]:
        with mock.patch("dunlin.content.loader.load_content", self._load):
            yield

    def before_invocation(self, logical_id: str) -> None:
        """A new release is a new process."""
        release = self._release(logical_id)
        if release != self._loaded.setdefault(logical_id, 0):
            self._loaded[logical_id] = release
            self._injected["release"] += 1
            bootstrap.forget(self.name_of(logical_id))

    def _load(self, root: Path, *, lazily: bool = False, environment: str = "") -> Content:  # noqa: ARG002 - as the loader
        name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        return self._contents[next(n for logical_id, n in self._loaded.items() if self.name_of(logical_id) == name)]

    def _release(self, logical_id: str) -> int:
        now = self._now()
        return sum(at + self._lag(n, logical_id) <= now for n, at in enumerate(self._forecast.releases))

    def _lag(self, n: int, logical_id: str) -> timedelta:
        hours = 0.3
        if self._draw.happens(0.2, "left behind", n, logical_id):
            hours = 8.0
        return timedelta(hours=self._draw.between(0, hours, "release lag", n, logical_id))


def _some(what: str, count: int) -> Iterator[str]:
    if count:
        yield f"{what}: {count}"


def _facts(history: Sequence[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    for entry in history:
        event = entry["event"]
        assert isinstance(event, dict)
        if event["type"] != "feed.checkpoint":
            yield event


def _plain(forecast: Forecast) -> dict[str, str]:
    return {name: str(getattr(forecast, name)) for name in Forecast.__slots__}
