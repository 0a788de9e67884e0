"""The small worlds: one or two borrowers, one or two messages, three to five things that happen at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from dunlin.domain.borrower import Hold, Instalment, Loan, Overdue
from dunlin.domain.facts import BorrowerUpdated, HoldLifted, HoldPlaced, LoanChanged, PartyFacts, PaymentFacts
from dunlin.domain.money import Money
from dunlin.domain.shards import attention_shard_of
from dunlin.domain.words import Channel, HoldKind, LoanStatus, MessageState, PartyRole, Purpose, Reason
from dunlin.errors import Conflict
from dunlin.services.contacts import Reserved
from dunlin.services.ports import Change, DeliveryReport, InboundText
from dunlin.testing import FakeClock, MemoryControls, MemoryStore

from local.explorer.ports import ACCEPTED, ANSWER_LOST, NEVER_CAME, REFUSED, THROTTLED, Provider, World
from local.explorer.search import UNLIMITED, Actor, Scenario
from local.explorer.services import HOUR, MINUTE, START, TODAY, ZONE, Services

B = "b-1"
LOAN = "l-1"
PHONE = "+12125550123"
#: Over the sweep's first look at a reservation that nobody moved on.
AFTER_HAND_OVER = timedelta(minutes=4)
#: Over the day on which a message that nobody reported on is closed.
AFTER_REPORTS = timedelta(hours=97)


def small_world(provider: Provider | None = None) -> World:
    world = World(MemoryStore(), MemoryControls(), FakeClock(START))
    world.provider = provider or Provider()
    return world


# ── What the core tells ──────────────────────────────────────────────────────────────────────────────────────────────


def _usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


def profile(borrower_id: str = B, phone: str = PHONE) -> BorrowerUpdated:
    hears = frozenset(Purpose) - {Purpose.MARKETING}
    party = PartyFacts("p-1", PartyRole.PRIMARY, "Jo Doe", "en-US", ((Channel.SMS, phone),), hears, ())
    return BorrowerUpdated(f"profile-{borrower_id}", "borrower.updated", START, borrower_id, 1, "US-NY", ZONE, (party,))


def snapshot(
    sequence: int, *, due_on: date = TODAY, paid: bool = False, loan_id: str = LOAN, borrower_id: str = B
) -> LoanChanged:
    amount = _usd("120.50")
    late = due_on < TODAY and not paid
    loan = Loan(
        loan_id=loan_id,
        account_tail="4821",
        currency="USD",
        status=LoanStatus.OPEN,
        as_of=START,
        sequence=sequence,
        instalments=() if paid else (Instalment(1, due_on, amount),),
        overdue=Overdue(amount, _usd("0.00"), _usd("0.00"), amount) if late else None,
    )
    event = LoanChanged(f"snapshot-{loan_id}-{sequence}", "loan.snapshot", START, borrower_id, loan)
    if not paid:
        return event
    return replace(
        event,
        event_id=f"payment-{loan_id}-{sequence}",
        type="payment.applied",
        payment=PaymentFacts(f"pay-{loan_id}", amount),
    )


def hold_placed() -> HoldPlaced:
    return HoldPlaced("hold", "hold.placed", START, B, Hold("h-1", HoldKind.DISPUTE, START, "staff"))


def hold_lifted() -> HoldLifted:
    return HoldLifted("lift", "hold.lifted", START + timedelta(seconds=1), B, "h-1")


# ── Who acts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _key(stage: str = "today", episode: int = 0, due_on: date = TODAY, n: int = 0) -> str:
    return f"{due_on}#{stage}#{episode}#sms#{n}"


def sender(name: str = "send", key: str = _key(), borrower_id: str = B, starts: int = 1) -> Actor:
    """A record of the stream: the message was RENDERED. It may come late, twice, or never."""

    def ready(world: World) -> bool:
        return (borrower_id, key) in world.store.messages

    return Actor(name, lambda s: s.send.send(borrower_id, key), ready, starts)


def sender_again(name: str = "send again") -> Actor:
    """A record of the stream: the line let the message go again."""
    return Actor(name, lambda s: s.send.retry(B, _key()))


def sweep(name: str = "sweep", borrower_id: str = B, starts: int = 1) -> Actor:
    """One run of the sweep over this borrower's shard, as `Sweep.run` makes it."""

    def run(s: Services) -> None:
        for owner, key in s.store.standing(attention_shard_of(borrower_id), s.clock(), 200):
            try:
                s.sweep.attend(owner, key)
            except Conflict:
                continue

    def due(world: World) -> bool:
        return bool(world.store.standing(attention_shard_of(borrower_id), world.clock.now, 1))

    return Actor(name, run, starts=starts, due=due)


def event(name: str, told: LoanChanged | HoldPlaced | HoldLifted | BorrowerUpdated, starts: int = 1) -> Actor:
    def run(s: Services) -> None:
        s.ingest.receive(told)
        s.witness.saw(name)

    return Actor(name, run, starts=starts)


def text(
    name: str, words: str, *, inbound_id: str = "", seconds: int = 0, starts: int = 1, phone: str = PHONE
) -> Actor:
    inbound = InboundText(
        inbound_id or name, "aws_sms", phone, "+12065550100", words, START + timedelta(seconds=seconds)
    )

    def run(s: Services) -> None:
        s.inbound.receive(inbound)
        s.witness.saw(name)

    return Actor(name, run, starts=starts)


def report(
    name: str = "report", *, key: str = _key(), state: MessageState = MessageState.DELIVERED, starts: int = 1
) -> Actor:
    """A provider's report, at the earliest when it has the message: that can be before we know that it does."""
    ref = f"{B}/{key}"
    reason = Reason.DELIVERED if state is MessageState.DELIVERED else Reason.UNREACHABLE

    def run(s: Services) -> None:
        s.reports.receive(DeliveryReport(ref, state, reason, s.clock(), "provider-1-1"))
        if name == "report":
            s.witness.saw_report(ref, state)

    return Actor(name, run, lambda world: world.provider.has(ref) > 0, starts)


def evaluation(name: str = "evaluation", borrower_id: str = B, starts: int = 1) -> Actor:
    def run(s: Services) -> None:
        try:
            s.evaluate.borrower(borrower_id)
        except Conflict:
            return

    def due(world: World) -> bool:
        borrower = world.store.borrowers[borrower_id]
        return borrower.wake_at is not None and borrower.wake_at <= world.clock.now

    return Actor(name, run, starts=starts, due=due)


def pacer(name: str = "pacer", starts: int = 1) -> Actor:
    def run(s: Services) -> None:
        s.pace.lines(_raised)

    def due(world: World) -> bool:
        return any(message.state is MessageState.REQUESTED for message in world.store.messages.values())

    return Actor(name, run, starts=starts, due=due)


def renderer(name: str = "render", key: str = _key(), starts: int = 1) -> Actor:
    return Actor(name, lambda s: s.render.render(B, key), starts=starts)


def execution(generation: int = 1, starts: int = UNLIMITED) -> Actor:
    """A round of an execution, as `escalation.asl.yaml` goes: assess and its answer, or park."""
    name = (B, 1, generation)

    def run(s: Services) -> None:
        current = s.machine.execution(name)
        if current is None:
            return
        if current.phase == "assess":
            assessed = s.escalate.assess(*name)
            s.machine.assessed(name, assessed.next, assessed.version)
        elif current.phase in ("park", "failed"):
            parked = s.machine.enter_park(name)
            s.escalate.park(*name, parked.version, parked.token)

    def due(world: World) -> bool:
        current = world.machine.execution(name)
        return current is not None and current.phase in ("assess", "park", "failed")

    def died(world: World) -> None:
        world.machine.invocation_died(name)

    return Actor(f"execution {generation}", run, starts=starts, died=died, due=due)


def outside(name: str = "dialler", starts: int = 1) -> Actor:
    """Somebody else asks for a contact."""

    def run(s: Services) -> None:
        answer = s.contacts.reserve(B, "call-1", "call", Purpose.SERVICING, (LOAN,))
        if isinstance(answer, Reserved):
            s.witness.saw_outside(f"{B} {answer.ref}")

    return Actor(name, run, starts=starts)


def killer() -> Actor:
    """The execution is stopped by hand, or by the service."""
    return Actor(
        "the execution dies",
        lambda s: s.machine.kill((B, 1, 1)),
        lambda world: (B, 1, 1) in world.machine.executions,
    )


def _raised(ref: str, error: Exception) -> None:
    raise AssertionError(ref) from error


def streams() -> Actor:
    """What the streams set in motion when they are in time."""

    def run(s: Services) -> None:
        for message in s.store.conversation(B):
            if message.state is MessageState.DUE:
                s.render.render(B, message.key)
            elif message.state is MessageState.RENDERED:
                s.send.send(B, message.key)
            elif message.is_let_go_again:
                s.send.retry(B, message.key)

    def due(world: World) -> bool:
        moving = (MessageState.DUE, MessageState.RENDERED)
        return any(m.state in moving or m.is_let_go_again for m in world.store.messages.values())

    return Actor("the streams", run, starts=0, due=due)


SWEEP = sweep("the sweep", starts=0)
EVALUATION = evaluation("the evaluation", starts=0)
PACER = replace(pacer("the pacer", starts=0), paced=True)
EXECUTIONS = tuple(replace(execution(generation), name=f"the execution {generation}") for generation in (1, 2, 3))


# ── How a world begins ───────────────────────────────────────────────────────────────────────────────────────────────


def known(s: Services, *loans: LoanChanged, borrower_id: str = B) -> None:
    s.ingest.receive(profile(borrower_id))
    for loan in loans or (snapshot(1, borrower_id=borrower_id),):
        s.ingest.receive(loan)


def requested(world: World, s: Services) -> None:  # noqa: ARG001  (every beginning has this shape)
    known(s)
    s.evaluate.borrower(B)


def due(world: World, s: Services) -> None:
    requested(world, s)
    s.pace.lines(_raised)


def rendered(world: World, s: Services) -> None:
    due(world, s)
    for borrower_id, key in list(world.store.messages):
        s.render.render(borrower_id, key)


def sent(world: World, s: Services) -> None:
    rendered(world, s)
    s.send.send(B, _key())


def throttled(world: World, s: Services) -> None:
    """Reserved, not accepted, and let go again by its line."""
    rendered(world, s)
    world.provider.choice = THROTTLED
    s.send.send(B, _key())
    world.provider.odd = 1
    message = s.store.message(B, _key())
    assert message is not None
    s.store.commit(Change(moved_messages=(replace(message, again_at=world.clock.now),)))


def shared(world: World, s: Services) -> None:
    """Two borrowers with one telephone, each with a message on its way."""
    for borrower_id in (B, "b-2"):
        known(s, borrower_id=borrower_id)
        s.evaluate.borrower(borrower_id)
    s.pace.lines(_raised)
    for borrower_id, key in list(world.store.messages):
        s.render.render(borrower_id, key)


def two_messages(world: World, s: Services) -> None:
    """Two messages of one borrower, both RENDERED: the second one's occasion is another due date's."""
    rendered(world, s)
    first = world.store.messages[B, _key()]
    second = replace(first, key=_key("today", n=1), revision=0, mark_ids=())
    s.store.commit(Change(new_messages=(second,)))


def two_requested(world: World, s: Services) -> None:
    """Two messages of one part each that wait for their line."""
    requested(world, s)
    first = replace(world.store.messages[B, _key()], expected_parts=1)
    second = replace(first, key=_key("today", n=1), revision=0, mark_ids=())
    s.store.commit(Change(moved_messages=(first,), new_messages=(second,)))


def overdue(world: World, s: Services) -> None:  # noqa: ARG001  (every beginning has this shape)
    """Five days late: a case is about to be opened."""
    known(s, snapshot(1, due_on=TODAY - timedelta(days=3)))


def open_case(world: World, s: Services) -> None:
    """A case whose execution was started and has not assessed yet."""
    overdue(world, s)
    s.evaluate.borrower(B)


def asked(world: World, s: Services) -> None:
    """The case's first message is asked for; its execution is about to park."""
    open_case(world, s)
    name = (B, 1, 1)
    assessed = s.escalate.assess(*name)
    s.machine.assessed(name, assessed.next, assessed.version)


def parked(world: World, s: Services) -> None:
    asked(world, s)
    name = (B, 1, 1)
    current = s.machine.enter_park(name)
    s.escalate.park(*name, current.version, current.token)


# ── The worlds ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _last_word(world: World) -> str | None:
    """Of two texts the later one counts, in whatever order they are taken in."""
    if {"STOP", "START"} <= set(world.witness.applied):
        state = next(iter(world.store.suppressions.values()))
        mirror = world.store.borrowers[B].parties[0].points[0]
        if not state.blocked or not mirror.blocked:
            return "STOP was the last word, and the number is not blocked"
    return None


def _no_hold(world: World) -> str | None:
    if {"hold", "lift"} <= set(world.witness.applied) and world.store.borrowers[B].holds:
        return "a hold that was lifted is back"
    return None


_ALL = (
    Scenario(
        name="stop",
        about="A message is about to be sent, twice; the person texts STOP; processes die, and the sweep comes by.",
        world=lambda: small_world(Provider((ACCEPTED,))),
        prepare=rendered,
        actors=(sender(), sender("send again"), text("opt-out", "STOP")),
        hands=(SWEEP,),
    ),
    Scenario(
        name="facts",
        about="A message is about to be worded and sent; it is paid; a hold is placed; the payment is told twice.",
        world=small_world,
        prepare=due,
        actors=(
            renderer(),
            sender(),
            event("payment", snapshot(2, paid=True), starts=2),
            event("hold", hold_placed()),
        ),
        hands=(SWEEP,),
    ),
    Scenario(
        name="provider",
        about="The answer is lost, or throttled, or never given; reports overtake it and come twice; sweeps try again.",
        world=lambda: small_world(Provider((ACCEPTED, ANSWER_LOST, NEVER_CAME, THROTTLED, REFUSED), odd=2)),
        prepare=rendered,
        actors=(sender(), report(), report("report again"), sweep(), sweep("sweep beside")),
        hands=(SWEEP,),
        fixed=frozenset({"links"}),  # what is refused is counted at the line
        times=(AFTER_HAND_OVER,),
    ),
    Scenario(
        name="reports",
        about="Sent, and nothing heard for days: closed as unknown; then the report comes.",
        world=small_world,
        prepare=rendered,
        actors=(
            sender(),
            report(),
            sweep(starts=2),
        ),
        hands=(SWEEP,),
        times=(AFTER_HAND_OVER, AFTER_REPORTS),
    ),
    Scenario(
        name="contradiction",
        about="Two reports contradict each other, beside the sender and the sweep.",
        world=small_world,
        prepare=rendered,
        actors=(
            sender(),
            report("one report"),
            report("another report", state=MessageState.FAILED),
            sweep(starts=2),
        ),
        hands=(SWEEP,),
        times=(AFTER_HAND_OVER,),
    ),
    Scenario(
        name="retry",
        about="The provider took nothing, so it may be tried again: by stream and sweep, beside a payment, and time.",
        world=lambda: small_world(Provider((ACCEPTED, THROTTLED, ANSWER_LOST), odd=2)),
        prepare=throttled,
        actors=(
            sweep(),
            sender_again(),
            event("payment", snapshot(2, paid=True)),
        ),
        hands=(SWEEP,),
        times=(MINUTE,),
    ),
    Scenario(
        name="retry-stop",
        about="The provider took nothing, so it may be tried again; the person texts STOP.",
        world=lambda: small_world(Provider((ACCEPTED, THROTTLED, ANSWER_LOST), odd=2)),
        prepare=throttled,
        actors=(sender_again(), text("opt-out", "STOP")),
        hands=(SWEEP,),
        times=(MINUTE,),
    ),
    Scenario(
        name="cap",
        about="Two messages and a dialler want the one contact of the day.",
        world=lambda: small_world(Provider((ACCEPTED, ANSWER_LOST, REFUSED), odd=1)),
        prepare=two_messages,
        actors=(sender(), sender("send the other", _key("today", n=1)), outside()),
        hands=(SWEEP,),
        fixed=frozenset({"links"}),  # what is refused is counted at the line
        times=(AFTER_HAND_OVER,),
    ),
    Scenario(
        name="evaluations",
        about="Two workers evaluate one borrower while it is paid and held.",
        world=small_world,
        prepare=lambda world, s: known(s),  # noqa: ARG005
        actors=(
            evaluation(starts=2),
            evaluation("evaluation beside"),
            event("payment", snapshot(2, paid=True)),
            event("hold", hold_placed()),
        ),
        hands=(SWEEP,),
        crashes=2,
    ),
    Scenario(
        name="core",
        about="The core repeats itself and comes out of order: a snapshot behind the payment, which is told twice.",
        world=small_world,
        prepare=rendered,
        actors=(
            event("snapshot", snapshot(2)),
            event("payment", snapshot(3, paid=True), starts=2),
            event("the payment beside", snapshot(3, paid=True)),
            sender(),
        ),
        hands=(SWEEP,),
    ),
    Scenario(
        name="holds",
        about="A hold is placed and lifted, told in any order and twice, while a message is sent.",
        world=small_world,
        prepare=rendered,
        actors=(event("hold", hold_placed(), starts=2), event("lift", hold_lifted()), sender()),
        hands=(SWEEP,),
        check=_no_hold,
    ),
    Scenario(
        name="texts",
        about="STOP and an older START are taken in at once, one of them twice.",
        world=small_world,
        prepare=rendered,
        actors=(
            text("STOP", "STOP", seconds=2, starts=2),
            text("START", "START", seconds=1),
        ),
        hands=(SWEEP, PACER),
        fixed=frozenset({"links"}),
        check=_last_word,
    ),
    Scenario(
        name="confirmation",
        about="Two STOPs of one number, told twice, while their confirmations are worded and sent.",
        world=small_world,
        prepare=lambda world, s: known(s),  # noqa: ARG005
        actors=(
            text("opt-out", "STOP", inbound_id="in-1"),
            text("another opt-out", "STOP", inbound_id="in-2", seconds=1),
            pacer(),
        ),
        hands=(PACER, streams(), SWEEP),
        fixed=frozenset({"links"}),
    ),
    Scenario(
        name="shared",
        about="One telephone of two borrowers: one STOP binds for both.",
        world=small_world,
        prepare=shared,
        actors=(sender(), sender("send to the other", borrower_id="b-2"), text("opt-out", "STOP")),
        hands=(SWEEP, sweep("the other sweep", "b-2", 0)),
    ),
    Scenario(
        name="pace",
        about="Two pacers of one line that carries one part a minute, and two messages that wait.",
        world=small_world,
        prepare=two_requested,
        actors=(pacer(), pacer("pacer beside")),
        hands=(PACER, SWEEP),
        fixed=frozenset({"links"}),
        parts_per_second=1 / 60,
        per_minute=1,
        times=(timedelta(seconds=20),),
    ),
    Scenario(
        name="doorbell",
        about="A case assesses and parks while it is paid and evaluated; processes die between any two writes.",
        world=small_world,
        prepare=asked,
        actors=(execution(), event("payment", snapshot(2, paid=True)), evaluation(starts=2)),
        hands=(EVALUATION, *EXECUTIONS, PACER, SWEEP),
        fixed=frozenset({"links"}),
        wakes=True,
        soon=True,
        crashes=2,
    ),
    Scenario(
        name="case",
        about="A case is opened by two workers, assessed, parked, paid; its message is released and judged.",
        world=small_world,
        prepare=overdue,
        actors=(
            evaluation(),
            evaluation("evaluation beside"),
            execution(),
            event("payment", snapshot(2, paid=True)),
        ),
        hands=(EVALUATION, *EXECUTIONS, PACER, SWEEP),
        fixed=frozenset({"links"}),
        wakes=True,
        soon=True,
        crashes=0,
    ),
    Scenario(
        name="generations",
        about="An execution dies, or is only believed to: the next generation takes the case over.",
        world=small_world,
        prepare=asked,
        actors=(
            execution(),
            execution(2),
            killer(),
            evaluation(starts=2),
        ),
        hands=(EVALUATION, *EXECUTIONS, PACER, SWEEP),
        fixed=frozenset({"links"}),
        times=(HOUR + MINUTE,),
        wakes=True,
        crashes=1,
    ),
)

WORLDS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
