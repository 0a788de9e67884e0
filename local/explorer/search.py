"""Every order of a scenario's steps, breadth first: what is found is found on a shortest way.

A state is the world, where each actor stands, how often each may still begin, and how many crashes and steps of time
are left. What an actor does next depends on its answers only, and what a call does depends on the world only, so both
are worked out once and remembered.

Every order is covered, but not every order is walked. Steps that change nothing (reads, and writes that are refused)
cannot be seen by the others, so each is made as late as possible: just before a write that touches what it read, or
just before the actor's own next write. Any order of steps can be turned into one of these by moving such steps behind
their neighbours, one at a time, without any answer or any write becoming another one; so what the laws judge, the
writes and the worlds between them, is all there. What a call touches is known from the call (`touched`); a call nobody
knows touches everything, and is then tried before every write. A transition is therefore one write of one actor with
each thing that may come of it, or a step of time, together with every choice of reads that had to come before it.

Three more things are left out without loss:

* An actor crashes only just after a write. A crash later, before its next write, leaves the same world behind, and
  one before its first write is an actor that did not begin.
* Reads of what nobody in the scenario ever writes (`FIXED`) are made together with the step before. That nobody
  writes it is checked at every step.
* Time does not pass between the last look at the clock and the provider's call that follows it: a process that is
  frozen just there is what no check can see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from dunlin.domain.message import Message
from dunlin.domain.words import MessageState
from dunlin.errors import DunlinError
from dunlin.services.ports import Change

from local.explorer import laws
from local.explorer.ports import Interner, World
from local.explorer.services import CLASSES, Services, SmallContent, wired
from local.explorer.stepping import Answer, Call, Node, Stage

#: Reads, and the part of the world they read. Where a scenario fixes the part, the read is no point to come between.
FIXED = {("controls", "survey"): "controls", ("store", "borrowers_of"): "links"}
#: Calls that change nothing, so that no copy of the world is made for them. Any other is taken for one that may.
_READS = frozenset(
    {
        *(("store", name) for name in ("borrower", "message", "suppression", "felt", "borrowers_of")),
        *(("store", name) for name in ("queued", "standing", "awake", "conversation")),
        *(("controls", name) for name in ("survey", "line", "hearing")),
        ("machine", "execution"),
    }
)
#: What a rest may take: moments, and runs of one schedule in one of them.
_MOST_MOMENTS = 2000
_MOST_RUNS = 20
UNLIMITED = 99


@dataclass(frozen=True, slots=True)
class Actor:
    """A call of a real service.

    `ready`: whether it can begin at all; once it can, it always can. `starts`: how often it may begin; a crash gives
    one back, as the stream, the queue or the schedule would. `died`: what the world notices when it crashes. `due`:
    whether, as a schedule, it has something to do; one that is `paced` runs once a minute.
    """

    name: str
    run: Callable[[Services], object]
    ready: Callable[[World], bool] = lambda _: True
    starts: int = 1
    died: Callable[[World], None] | None = None
    due: Callable[[World], bool] = lambda _: True
    paced: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A small world: how it begins, who acts, which time may pass meanwhile, and who tidies up in the end.

    `hands` are the schedules, run again and again when the actors are done; `prepare` gets the services on the world
    itself. `wakes`: an evaluation is among the hands. `soon`: the cases are also judged five minutes (after a crash:
    three hours) after the last actor.
    """

    name: str
    about: str
    prepare: Callable[[World, Services], None]
    actors: tuple[Actor, ...]
    hands: tuple[Actor, ...]
    world: Callable[[], World]
    times: tuple[timedelta, ...] = ()
    crashes: int = 1
    cap: int = 1
    parts_per_second: float = 1.0
    per_minute: int | None = None
    fixed: frozenset[str] = frozenset({"controls", "links"})
    wakes: bool = False
    soon: bool = False
    check: Callable[[World], str | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Found:
    """A law that was broken, and the steps that led there."""

    law: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exploration came to. `depth` is the length of the longest of the shortest ways."""

    scenario: str
    states: int
    transitions: int
    depth: int
    worlds: int
    ends: int
    seconds: float
    found: Found | None


@dataclass(slots=True)
class _Effect:
    """What may come of a call: the world and where the actor stands then, whether it looked at the clock afterwards,
    and the law it breaks."""

    label: str
    world: int
    node: int  # 0: the actor is done
    timed: bool
    broken: str | None


@dataclass(slots=True)
class _Read:
    """A step that changes nothing: where the actor stands afterwards, and what the answer depended on."""

    slot: tuple[int, int]
    reads: frozenset[object]
    label: str
    broken: str | None


@dataclass(slots=True)
class _Chain:
    """What an actor does in one world by itself: it reads, and then (perhaps) writes, with each thing that may come of
    it. `starts` are left by then."""

    reads: list[_Read]
    writes: list[_Effect]
    starts: int


@dataclass(slots=True)
class _Link:
    """How a state was reached: who wrote, what came of it, and how far each had read."""

    parent: int
    actor: int
    outcome: int
    crashed: bool
    reads: tuple[int, ...]


_UNJUDGED = Found("not judged yet", ())
_NOBODY = -2
_TIME = -1
_CLOCK: frozenset[object] = frozenset({"clock"})
#: What a call touches that nobody knows.
_ALL_THINGS: frozenset[object] = frozenset({"*"})

_Slots = tuple[tuple[int, int], ...]
_State = tuple[int, _Slots, int, int]


class Explorer:
    """Walks one scenario. `classes` puts other services in the place of the real ones."""

    def __init__(
        self, scenario: Scenario, classes: Mapping[str, type[Any]] | None = None, *, crashes: int | None = None
    ) -> None:
        self._scenario = scenario
        self._crashes = scenario.crashes if crashes is None else crashes
        self._classes = {**CLASSES, **(classes or {})}
        self._stage = Stage()
        content = SmallContent(scenario.cap, scenario.parts_per_second)
        self._services = wired(self._stage, content, self._classes)
        self._actors = (*scenario.actors, *scenario.hands)
        self._paced = any(hand.paced for hand in scenario.hands)
        self._interner = Interner()
        self._worlds: list[World] = []
        self._numbers: dict[Any, int] = {}
        self._nodes: list[Node] = [Node(0, -1, (), None)]
        self._roots: dict[tuple[int, datetime], Node] = {}
        self._effects: dict[tuple[int, int], list[_Effect]] = {}
        self._chains: dict[tuple[int, tuple[int, int], int], _Chain] = {}
        self._changes: dict[tuple[int, int], frozenset[object]] = {}
        self._states: list[_State] = []
        self._links: list[_Link] = []
        self._rests: dict[tuple[int, bool], Found | None] = {}

    # ── worlds ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _register(self, world: World) -> int:
        key = tuple(self._interner.port(port) for port in vars(world).values())
        number = self._numbers.setdefault(key, len(self._worlds))
        if number == len(self._worlds):
            self._worlds.append(world)
        return number

    def _first_world(self) -> int:
        world = self._scenario.world()
        world.store, world.controls = self._classes["store"](), self._classes["controls"]()
        self._stage.world = world
        self._scenario.prepare(world, self._services)
        self._stage.world = None
        return self._register(world)

    def _later(self, number: int, now: datetime) -> int:
        world = self._worlds[number].copy("clock")
        world.clock.now = now
        return self._register(world)

    # ── actors ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _root(self, actor: int, world: int) -> Node:
        now = self._worlds[world].clock.now
        if (actor, now) not in self._roots:
            node = self._node(actor, (), now)
            while node.asks is not None and self._is_fixed(node.asks):
                _, answer = self._call(node.asks, self._worlds[world], "")
                node = self._next(node, answer, now)
            self._roots[actor, now] = node
        return self._roots[actor, now]

    def _node(self, actor: int, told: tuple[Any, ...], now: datetime) -> Node:
        run = self._actors[actor].run
        all_told, asks, error = self._stage.run(lambda: run(self._services), told, now)
        node = Node(len(self._nodes), actor, all_told, asks, error)
        self._nodes.append(node)
        return node

    def _next(self, node: Node, answer: Answer, now: datetime) -> Node:
        key = (self._interner.key(answer.value), answer.error and self._interner.key(answer.error))
        known = node.following.get(key) or node.following.get((key, now))
        if known is None:
            known = self._node(node.actor, (*node.told, answer), now)
            timeless = len(known.told) == len(node.told) + 1
            node.following[key if timeless else (key, now)] = known
        return known

    def _steps(self, node_number: int, world_number: int) -> list[_Effect]:
        """Everything that may come of what the actor asks next."""
        known = self._effects.get((node_number, world_number))
        if known is None:
            known = self._effects[node_number, world_number] = list(self._performed(node_number, world_number))
        return known

    def _performed(self, node_number: int, world_number: int) -> list[_Effect]:
        node, before = self._nodes[node_number], self._worlds[world_number]
        call = node.asks
        assert call is not None
        effects = []
        for choice in before.alternatives(call.port, call.method):
            after, answer = self._call(call, before, choice)
            broken = laws.broken_by_step(
                before, call, after, cap=self._scenario.cap, per_minute=self._scenario.per_minute
            )
            following = self._next(node, answer, after.clock.now)
            timed = len(following.told) > len(node.told) + 1
            label = f"{describe(call)}{f' [{choice}]' if choice else ''}{_said(answer)}"
            # The witness is no part of the system, and what is fixed can be read at any time.
            while following.asks is not None and (following.asks.port == "witness" or self._is_fixed(following.asks)):
                after, answer = self._call(following.asks, after, "")
                earlier, following = following, self._next(following, answer, after.clock.now)
                timed |= len(following.told) > len(earlier.told) + 1
            number = self._register(after)
            if number != world_number:
                self._check_fixed(before, after)
            if following.asks is None and following.error is not None:
                broken = broken or _failed(following.error)
            effects.append(_Effect(label, number, following.number if following.asks is not None else 0, timed, broken))
        return effects

    def _call(self, call: Call, before: World, choice: str) -> tuple[World, Answer]:
        after = before if (call.port, call.method) in _READS else before.copy(call.port, "witness")
        if choice:
            getattr(after, call.port).choice = choice
        try:
            answer = Answer(call.on(after))
        except DunlinError as error:
            answer = Answer(error=error)
        return after, answer

    def _is_fixed(self, call: Call) -> bool:
        return FIXED.get((call.port, call.method)) in self._scenario.fixed

    def _check_fixed(self, before: World, after: World) -> None:
        if "controls" in self._scenario.fixed:
            assert self._interner.port(before.controls) == self._interner.port(after.controls), (
                "the scenario says that nobody writes the controls"
            )
        if "links" in self._scenario.fixed:
            assert before.store.links == after.store.links, "the scenario says that nobody links a number"

    # ── the walk ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _chain(self, actor: int, slot: tuple[int, int], world: int) -> _Chain:
        """What the actor does in this world by itself: the steps that change nothing, and then the write."""
        key = (actor, slot, world)
        known = self._chains.get(key)
        if known is not None:
            return known
        steps: list[_Read] = []
        seen = {slot}
        node, starts = slot
        writes: list[_Effect] = []
        while True:
            reads: frozenset[object] = frozenset()
            if not node:
                if not starts or not self._actors[actor].ready(self._worlds[world]):
                    break
                root = self._root(actor, world)
                node, starts = root.number, starts if starts == UNLIMITED else starts - 1
                reads = _CLOCK if root.told else reads
            effects = self._steps(node, world)
            if len(effects) > 1 or effects[0].world != world:
                writes = effects
                break
            call = self._nodes[node].asks
            assert call is not None
            reads |= touched(call) | (_CLOCK if effects[0].timed else frozenset())
            node = effects[0].node
            steps.append(_Read((node, starts), reads, effects[0].label, effects[0].broken))
            if (node, starts) in seen:
                break
            seen.add((node, starts))
        self._chains[key] = known = _Chain(steps, writes, starts)
        return known

    def _changed(self, before: int, after: int) -> frozenset[object]:
        key = (before, after)
        if key not in self._changes:
            self._changes[key] = changed(self._worlds[before], self._worlds[after])
        return self._changes[key]

    def explore(self, most_states: int = 2_000_000) -> Explored:
        """Every order, or as far as the first law that is broken.

        Raises:
            RuntimeError: there are more states than `most_states`.
        """
        began = time.process_time()
        first: _State = (
            self._first_world(),
            tuple((0, actor.starts) for actor in self._scenario.actors),
            self._crashes,
            len(self._scenario.times),
        )
        seen = {first}
        self._states = [first]
        self._links = [_Link(-1, -1, 0, crashed=False, reads=())]
        depths = [0]
        here, transitions, ends = 0, 0, 0
        found: Found | None = None
        while here < len(self._states) and found is None:
            state = self._states[here]
            if self._is_over(state):
                ends += 1
                rest = self._rest(state[0])
                if rest is not None:
                    found = Found(rest.law, (*self._way(here), *rest.steps))
                    break
            for following, link, broken in self._transitions(here, state):
                transitions += 1
                if broken is not None:
                    found = Found(broken, (*self._way(here), *self._told(link)))
                    break
                if following not in seen:
                    seen.add(following)
                    self._states.append(following)
                    self._links.append(link)
                    depths.append(depths[here] + 1)
            if len(seen) > most_states:
                raise RuntimeError(f"{self._scenario.name}: more than {most_states} states")
            here += 1
        return Explored(
            scenario=self._scenario.name,
            states=len(seen),
            transitions=transitions,
            depth=max(depths),
            worlds=len(self._worlds),
            ends=ends,
            seconds=round(time.process_time() - began, 2),
            found=found,
        )

    def _is_over(self, state: _State) -> bool:
        """Whether everybody who began can come to the end without changing anything any more."""
        world, slots, _, _ = state
        for actor, (node, starts) in enumerate(slots):
            if node and not any(not read.slot[0] for read in self._chain(actor, (node, starts), world).reads):
                return False
        return True

    def _transitions(self, here: int, state: _State) -> Iterator[tuple[_State, _Link, str | None]]:
        world, slots, crashes, times = state
        chains = [self._chain(actor, slot, world) for actor, slot in enumerate(slots)]
        for actor, chain in enumerate(chains):
            for place, read in enumerate(chain.reads):
                if read.broken is not None:
                    chosen = tuple(place + 1 if other == actor else 0 for other in range(len(chains)))
                    yield state, _Link(here, _NOBODY, 0, crashed=False, reads=chosen), read.broken
            for outcome, effect in enumerate(chain.writes):
                touches = self._changed(world, effect.world)
                for there, chosen in self._before(chains, slots, actor, touches):
                    own = (*there[:actor], (effect.node, chain.starts), *there[actor + 1 :])
                    link = _Link(here, actor, outcome, crashed=False, reads=chosen)
                    yield (effect.world, own, crashes, times), link, effect.broken
                    if crashes:
                        again = chain.starts if chain.starts == UNLIMITED else chain.starts + 1
                        gone = (*there[:actor], (0, again), *there[actor + 1 :])
                        link = _Link(here, actor, outcome, crashed=True, reads=chosen)
                        yield (self._crashed(actor, effect.world), gone, crashes - 1, times), link, None
        if times:
            later = self._later(world, self._worlds[world].clock.now + self._scenario.times[-times])
            for there, chosen in self._before(chains, slots, -1, _CLOCK):
                if not any(self._hands_over(node) for node, _ in there):
                    link = _Link(here, _TIME, 0, crashed=False, reads=chosen)
                    yield (later, there, crashes, times - 1), link, None

    def _before(
        self, chains: list[_Chain], slots: _Slots, writer: int, touches: frozenset[object]
    ) -> Iterator[tuple[_Slots, tuple[int, ...]]]:
        """How far each of the others may have read by the time of a write that touches `touches`."""
        options: list[list[int]] = []
        for actor, chain in enumerate(chains):
            if actor == writer:
                options.append([0])
            else:
                late = [n for n, read in enumerate(chain.reads, 1) if read.reads & touches or read.reads >= _ALL_THINGS]
                options.append([0, *late])
        for chosen in product(*options):
            there = tuple(
                chains[actor].reads[place - 1].slot if place else slots[actor] for actor, place in enumerate(chosen)
            )
            yield there, chosen

    def _hands_over(self, node: int) -> bool:
        asks = self._nodes[node].asks
        return asks is not None and asks.method == "hand_over"

    def _crashed(self, actor: int, world: int) -> int:
        after = self._worlds[world].copy("witness", "machine")
        after.witness.crashed = True
        died = self._actors[actor].died
        if died is not None:
            died(after)
        return self._register(after)

    # ── the way ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _named(self, actor: int, label: str) -> str:
        return f"{self._actors[actor].name}: {label}"

    def _told(self, link: _Link) -> list[str]:
        """A transition, step by step."""
        world, slots, _, times = self._states[link.parent]
        steps = []
        for actor, place in enumerate(link.reads):
            chain = self._chain(actor, slots[actor], world)
            steps += [self._named(actor, read.label) for read in chain.reads[:place]]
        if link.actor == _TIME:
            steps.append(f"time: {self._scenario.times[-times]} pass")
        elif link.actor != _NOBODY:
            chain = self._chain(link.actor, slots[link.actor], world)
            steps += [self._named(link.actor, read.label) for read in chain.reads]
            steps.append(self._named(link.actor, chain.writes[link.outcome].label))
            if link.crashed:
                steps.append(self._named(link.actor, "crashes"))
        return steps

    def _way(self, here: int) -> list[str]:
        transitions = []
        while here > 0:
            transitions.append(self._told(self._links[here]))
            here = self._links[here].parent
        return [step for steps in reversed(transitions) for step in steps]

    # ── afterwards ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _rest(self, world: int) -> Found | None:
        """Nobody acts any more: the schedules go on until nothing is left to do. What of the laws is broken then?"""
        start = world
        judged_soon = not self._scenario.soon
        known = self._rests.get((world, judged_soon), _UNJUDGED)
        if known is not _UNJUDGED:
            return known
        came_by: list[tuple[int, bool]] = []
        steps: list[str] = []
        began_at = self._worlds[world].clock.now
        within = timedelta(hours=3) if self._worlds[world].witness.crashed else timedelta(minutes=5)
        found: Found | None = None
        for _ in range(_MOST_MOMENTS):
            world, found = self._moment(world, steps)
            if found is not None:
                break
            moment = _next_moment(self._worlds[world], wakes=self._scenario.wakes, paced=self._paced)
            if not judged_soon and (moment is None or moment > began_at + within):
                judged_soon = True
                law = laws.broken_soon(self._worlds[world])
                if law is not None:
                    found = Found(law, (*steps, f"{within} later nothing else has happened"))
                    break
            if judged_soon:
                known = self._rests.get((world, True), _UNJUDGED)
                if known is not _UNJUDGED:
                    found = known and Found(known.law, (*steps, *known.steps))
                    break
            came_by.append((world, judged_soon))
            if moment is None:
                law = laws.broken_at_rest(self._worlds[world]) or self._scenario.check(self._worlds[world])
                found = Found(law, (*steps, "nothing is left to do")) if law is not None else None
                break
            steps.append(f"time: it is {moment:%m-%d %H:%M}")
            world = self._later(world, moment)
        else:
            found = Found(laws.broken_at_rest(self._worlds[world]) or "it does not come to rest", tuple(steps[-40:]))
        if found is None:
            self._rests.update(dict.fromkeys([(start, not self._scenario.soon), *(p for p in came_by if p[1])]))
        return found

    def _moment(self, world: int, steps: list[str]) -> tuple[int, Found | None]:
        """Every schedule runs as long as it has something to do at this moment; one that is paced, once."""
        hands = range(len(self._scenario.actors), len(self._actors))
        runs = dict.fromkeys(hands, 0)
        moved = True
        while moved:
            moved = False
            for actor in hands:
                hand = self._actors[actor]
                if runs[actor] < (1 if hand.paced else _MOST_RUNS) and hand.due(self._worlds[world]):
                    runs[actor] += 1
                    following, found = self._alone(actor, world, steps)
                    if found is not None:
                        return following, found
                    if following != world:
                        world, moved = following, True
                        break
        return world, None

    def _alone(self, actor: int, world: int, steps: list[str]) -> tuple[int, Found | None]:
        node = self._root(actor, world).number
        while node:
            effect = self._steps(node, world)[0]
            if effect.world != world:
                steps.append(self._named(actor, effect.label))
            if effect.broken is not None:
                return world, Found(effect.broken, tuple(steps))
            world, node = effect.world, effect.node
        return world, None


# ── what depends on what ─────────────────────────────────────────────────────────────────────────────────────────────


#: The parts of a change whose touch is known.
_PARTS = frozenset(
    {
        "borrower",
        "quiet",
        "new_messages",
        "moved_messages",
        "records",
        "point_records",
        "suppression",
        "unless_blocked",
        "felt",
        "felt_as_read",
    }
)


def touched(call: Call) -> frozenset[object]:
    """What a call's answer depends on, and what it may change. What is not known here depends on everything."""
    if call.port != "store":
        return frozenset({call.port})
    match call.method:
        case "borrower" | "suppression" | "felt":
            return frozenset({(call.method, *call.args)})
        case "message":
            return frozenset({("message", *call.args)})
        case "queued" | "standing":
            return frozenset({"messages"})
        case "awake":
            return frozenset({"borrowers"})
        case "borrowers_of":
            return frozenset({"links"})
        case "commit":
            change: Change = call.args[0]
            if any(getattr(change, part.name) for part in fields(change) if part.name not in _PARTS):
                return _ALL_THINGS
            things: set[object] = {("message", m.borrower_id, m.key) for m in change.new_messages}
            things |= {("message", m.borrower_id, m.key) for m in change.moved_messages}
            things |= {("record", r.borrower_id, r.item) for r in change.records}
            things |= {("record", r.point, r.item) for r in change.point_records}
            things |= {("felt", felt.point) for felt in (*change.felt, *change.felt_as_read)}
            if change.borrower is not None:
                things.add(("borrower", change.borrower.borrower_id))
            if change.suppression is not None:
                things.add(("suppression", change.suppression.point))
            if change.unless_blocked is not None:
                things.add(("suppression", change.unless_blocked[0]))
            return frozenset(things)
    return _ALL_THINGS


def changed(before: World, after: World) -> frozenset[object]:
    """What is another in `after`."""
    things: set[object] = {
        name for name, port in vars(before).items() if name != "store" and vars(port) != vars(getattr(after, name))
    }
    tables = {
        "borrowers": "borrower",
        "messages": "message",
        "suppressions": "suppression",
        "records": "record",
        "point_records": "record",
        "links": "links",
        "felts": "felt",
    }
    for table, old in vars(before.store).items():
        new = vars(after.store)[table]
        if old == new:
            continue
        things.add(table)
        for key in old.keys() | new.keys():
            if old.get(key) != new.get(key):
                things.add((tables.get(table, table), *(key if isinstance(key, tuple) else (key,))))
    return frozenset(things)


def _next_moment(world: World, *, wakes: bool, paced: bool) -> datetime | None:
    """When anything that waits on the indexes comes due next."""
    now = world.clock.now
    moments = [b.wake_at for b in world.store.borrowers.values() if wakes and b.wake_at is not None]
    waiting = any(m.state is MessageState.REQUESTED for m in world.store.messages.values())
    moments += [now + timedelta(minutes=1)] if paced and waiting else []
    moments += [m.attend_at for m in world.store.messages.values() if m.attend_at is not None and not m.is_terminal]
    # What is due and yet did nothing is looked at again a minute later, as a schedule would.
    return min((max(moment, now + timedelta(minutes=1)) for moment in moments), default=None)


def _failed(error: Exception) -> str | None:
    """A service may end in one of our errors (its batch tries again); anything else is a defect."""
    return None if isinstance(error, DunlinError) else f"the service failed: {type(error).__name__}: {error}"


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def describe(call: Call) -> str:
    """A call in a line. The people in a small world are invented; all the same no text is printed."""
    if call.method == "commit" and isinstance(call.args[0], Change):
        return f"commits {_change(call.args[0])}"
    given = ", ".join(_short(value) for value in (*call.args, *call.kwargs.values()))
    return f"{call.port}.{call.method}({given})"


def _change(change: Change) -> str:
    parts = []
    if change.borrower is not None:
        borrower = change.borrower
        version = "" if change.quiet else f", version {borrower.version + 1}"
        parts.append(f"{borrower.borrower_id} over revision {borrower.revision}{version}")
    parts += [f"new {message.ref} {message.state}" for message in change.new_messages]
    parts += [f"{_message(message)} over revision {message.revision}" for message in change.moved_messages]
    parts += [f"record {record.item}" for record in change.records]
    parts += [f"record {kept.item}" for kept in change.point_records]
    if change.suppression is not None:
        blocked = ",".join(sorted(change.suppression.blocked)) or "nothing"
        parts.append(f"number blocks {blocked}")
    if change.unless_blocked is not None:
        parts.append("unless the number is blocked")
    return "; ".join(parts)


def _message(message: Message) -> str:
    again = " (may be tried again)" if message.may_retry else ""
    return f"{message.ref} {message.state}{again}"


def _short(value: object) -> str:
    ref = getattr(value, "ref", None)
    if isinstance(ref, str):
        return ref
    text = str(value) if isinstance(value, str | int | datetime) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def _said(answer: Answer) -> str:
    if answer.error is not None:
        return f" -> {type(answer.error).__name__}"
    match answer.value:
        case None:
            return ""
        case Message():
            return f" -> {answer.value.state}, revision {answer.value.revision}"
        case bool() | int():
            return f" -> {answer.value}"
    revision = getattr(answer.value, "revision", None)
    if revision is not None:
        return f" -> revision {revision}"
    return f" -> {type(answer.value).__name__}" if not isinstance(answer.value, list | tuple) else ""
