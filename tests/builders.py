"""Builders of borrowers, loans and policies, and `House`: every service on the in-memory ports.

The content is the shipped one, taken as live whatever `release.json` says, so that an edit under review fails the
tests it is about and not all the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from dunlin.adapters.free_words import FreeWords
from dunlin.adapters.renderer import Renderer
from dunlin.content.loader import load_content
from dunlin.content.model import Content
from dunlin.domain.borrower import (
    Borrower,
    Contact,
    ContactPoint,
    Hold,
    Instalment,
    Loan,
    Overdue,
    Party,
    PendingPayment,
)
from dunlin.domain.intents import Asked, Understood
from dunlin.domain.ledger import verify
from dunlin.domain.message import Message, Move
from dunlin.domain.money import Money
from dunlin.domain.policy import (
    CapRule,
    Conditions,
    ConsentRule,
    HoldRule,
    HoursRule,
    Line,
    Pack,
    Policy,
    Source,
    Stage,
    Strategy,
)
from dunlin.domain.recipients import EVERYONE, Recipients
from dunlin.domain.words import (
    Channel,
    HoldKind,
    LoanStatus,
    MessageState,
    PartyRole,
    Purpose,
    Reason,
    SendingMode,
)
from dunlin.entry.core_events import parse_core_event
from dunlin.services.contacts import Contacts
from dunlin.services.dispatch import Dispatch
from dunlin.services.escalate import Assessed, Escalate
from dunlin.services.evaluate import Evaluate
from dunlin.services.feed import Feed
from dunlin.services.inbound import Received, ReceiveInbound, read_with
from dunlin.services.ingest import Ingest, Ingested
from dunlin.services.opt_out_list import OptOutList
from dunlin.services.opt_outs import OptOuts
from dunlin.services.pace import Pace, Paced
from dunlin.services.policies import Policies
from dunlin.services.ports import (
    DeliveryReport,
    HandOver,
    HandOverResult,
    InboundText,
    QueuedMessage,
    Sender,
    Survey,
)
from dunlin.services.render import Compose, Render
from dunlin.services.reports import ReceiveReport
from dunlin.services.retention import Retain
from dunlin.services.send import Send
from dunlin.services.settle import Settle
from dunlin.services.sweep import Sweep, Swept, heard
from dunlin.services.thread import Thread
from dunlin.testing import (
    FakeAnnouncements,
    FakeClock,
    FakeEars,
    FakeNumberList,
    FakeOptOutQueue,
    FakePointKeys,
    FakeSender,
    FakeWakeQueue,
    MemoryControls,
    MemoryHoldings,
    MemoryListings,
    MemoryStore,
)

ROOT = Path(__file__).resolve().parents[1]
CONTENT_DIR = ROOT / "layers" / "content"

#: A Monday, eleven in the morning in New York, without a change of clocks in sight.
NOW = datetime(2026, 6, 1, 15, 0, tzinfo=UTC)
TODAY = date(2026, 6, 1)
NEW_YORK = "America/New_York"
SHANGHAI = "Asia/Shanghai"
PHONE = "+12125550123"
SHANGHAI_PHONE = "+8613800138000"
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@lru_cache(maxsize=1)
def shipped_content() -> Content:
    """The content under `layers/content`, read once."""
    return replace(load_content(CONTENT_DIR), live=True, not_live_because="", _policies={}, _strategies={}, _words={})


def usd(amount: str) -> Money:
    return Money(Decimal(amount), "USD")


# ── Domain objects ───────────────────────────────────────────────────────────────────────────────────────────────────

OWN = Source("test", "own")
ALL_DAY = tuple((0, 1440) for _ in range(7))
OFFICE_HOURS: tuple[tuple[int, int] | None, ...] = tuple((540, 1200) for _ in range(7))
DUNNING = frozenset({Purpose.SERVICING, Purpose.COLLECTION})


def a_line(**changes: Any) -> Line:
    line = Line(
        line_id="line",
        jurisdiction="US",
        channel=Channel.SMS,
        provider="fake",
        origination="+12065550100",
        purposes=frozenset(Purpose),
        parts_per_second=1.0,
        links="none",
        opt_out_line="required",
    )
    return replace(line, **changes)


EMAIL_LINE = a_line(line_id="mail", channel=Channel.EMAIL, origination="service@marram.example")


def a_cap(**changes: Any) -> CapRule:
    cap = CapRule("cap", DUNNING, frozenset({"any"}), 1, 1, "calendar", "debtor", OWN)
    return replace(cap, **changes)


def a_pack(**changes: Any) -> Pack:
    pack = Pack(
        jurisdiction="US-NY",
        capacity="creditor",
        hours=(HoursRule("hours", DUNNING, OFFICE_HOURS, OWN),),
        caps=(a_cap(),),
        holds=(HoldRule(HoldKind.DISPUTE, frozenset({Purpose.COLLECTION})),),
        consents=(ConsentRule("asked", frozenset({Purpose.MARKETING}), OWN),),
        balance_max_age_hours=26,
        deaf_after_minutes=15,
        confirm_opt_out_within_minutes=5,
        signed_by="compliance@marram.example",
        signed_until=date(2027, 12, 31),
    )
    return replace(pack, **changes)


def a_policy(**changes: Any) -> Policy:
    templates = ("reminder", "due_today", "grace", "tier_1", "tier_2", "tier_3", "help")
    policy = Policy(
        pack=a_pack(),
        lines=(a_line(), EMAIL_LINE),
        content_version="v1",
        live=True,
        conditions=Conditions(),
        locales=frozenset((name, "en-US") for name in templates),
        expected_parts={},
    )
    return replace(policy, **changes)


def a_stage(stage_id: str, offset_days: int, **changes: Any) -> Stage:
    stage = Stage(
        stage_id=stage_id,
        kind="reminder",
        offset_days=offset_days,
        lasts_days=2,
        gap_days=0,
        purpose=Purpose.SERVICING,
        template="reminder",
        channels=(Channel.SMS, Channel.EMAIL),
        priority=5,
    )
    return replace(stage, **changes)


def a_strategy(**changes: Any) -> Strategy:
    """A reminder two days before and one on the day, two tiers, a person."""
    tier = {"kind": "tier", "purpose": Purpose.COLLECTION, "lasts_days": 0}
    strategy = Strategy(
        strategy_id="test",
        stages=(
            a_stage("before", -2),
            a_stage("today", 0, template="due_today"),
            a_stage("first", 4, template="tier_1", **tier),
            a_stage("second", 15, template="tier_2", gap_days=7, **tier),
            a_stage("person", 30, kind="referral", purpose=Purpose.COLLECTION, gap_days=7, template=""),
        ),
        hours=HoursRule("own", DUNNING, OFFICE_HOURS, OWN),
        max_attempts=3,
        max_rounds=300,
        max_case_days=300,
    )
    return replace(strategy, **changes)


def a_point(**changes: Any) -> ContactPoint:
    return replace(ContactPoint(Channel.SMS, PHONE, "point-sms", (NEW_YORK,)), **changes)


EMAIL_POINT = ContactPoint(Channel.EMAIL, "jo@marram.example", "point-email")


def a_party(**changes: Any) -> Party:
    party = Party("p-1", PartyRole.PRIMARY, "Jo Doe", "en-US", (a_point(),), frozenset(Purpose) - {Purpose.MARKETING})
    return replace(party, **changes)


def a_loan(loan_id: str = "l-1", due_on: date = TODAY, **changes: Any) -> Loan:
    loan = Loan(
        loan_id=loan_id,
        account_tail="4821",
        currency="USD",
        status=LoanStatus.OPEN,
        as_of=NOW,
        sequence=1,
        instalments=(Instalment(1, due_on, usd("120.50")),),
    )
    return replace(loan, **changes)


def an_overdue(total: str = "120.50", fees: str = "0.00") -> Overdue:
    return Overdue(usd(total) - usd(fees), usd("0.00"), usd(fees), usd(total))


def a_pending(amount: str = "120.50") -> PendingPayment:
    return PendingPayment("p-9", usd(amount), NOW)


def a_hold(kind: HoldKind = HoldKind.DISPUTE, **changes: Any) -> Hold:
    return replace(Hold("h-1", kind, NOW, "agent"), **changes)


def a_contact(at: datetime = NOW, **changes: Any) -> Contact:
    return replace(Contact("c-1", at, at, "sms", Purpose.SERVICING, ("l-1",)), **changes)


def a_borrower(*loans: Loan, **changes: Any) -> Borrower:
    borrower = Borrower("b-1", 1, 1, "US-NY", NEW_YORK, (a_party(),), loans)
    return replace(borrower, **changes)


def a_message(**changes: Any) -> Message:
    message = Message(
        borrower_id="b-1",
        key="2026-06-01#today#0#sms#0",
        revision=0,
        state=MessageState.REQUESTED,
        stage="today",
        purpose=Purpose.SERVICING,
        channel=Channel.SMS,
        party_id="p-1",
        point="point-sms",
        line="line",
        locale="en-US",
        template="due_today",
        loan_ids=("l-1",),
        due_on=TODAY,
        episode=0,
        mark_ids=("2026-06-01#today#0",),
        priority=5,
        requested_at=NOW,
        not_before=NOW,
        not_after=NOW + timedelta(hours=8),
        expected_parts=1,
        decided_version=1,
        content_version="v1",
        reason=Reason.STAGE_DUE,
        rule="strategy.today",
        moves=(Move(MessageState.REQUESTED, NOW, Reason.STAGE_DUE),),
        attend_at=NOW + timedelta(hours=8),
    )
    return replace(message, **changes)


# ── Core events ──────────────────────────────────────────────────────────────────────────────────────────────────────


def party_document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "party_id": "p-1",
        "role": "primary",
        "name": "Jo Doe",
        "locale": "en-US",
        "phone": PHONE,
        "may_hear": ["servicing", "collection", "mandatory", "reply"],
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def chinese_party(**changes: Any) -> dict[str, Any]:
    return party_document(**({"name": "王小明", "locale": "zh-CN", "phone": SHANGHAI_PHONE} | changes))


def loan_document(
    loan_id: str = "l-1",
    due_on: date | str = TODAY,
    *,
    sequence: int = 1,
    as_of: datetime = NOW,
    outstanding: str = "120.50",
    **changes: Any,
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "loan_id": loan_id,
        "account_tail": "4821",
        "currency": "USD",
        "status": "open",
        "as_of": as_of.isoformat(),
        "sequence": sequence,
        "instalments": [{"number": 3, "due_on": str(due_on), "outstanding": outstanding}],
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def overdue_document(total: str, *, fees: str = "0.00") -> dict[str, str]:
    principal = Decimal(total) - Decimal(fees)
    return {"principal": str(principal), "interest": "0.00", "fees": fees, "total": total}


# ── The house ────────────────────────────────────────────────────────────────────────────────────────────────────────


class HouseStore(MemoryStore):
    """The in-memory store, with a hook before each commit: where another writer comes first."""

    def __init__(self) -> None:
        super().__init__()
        self.before_commit: list[Any] = []
        self.after_commit: list[Any] = []

    def commit(self, change: Any) -> None:
        if self.before_commit:
            self.before_commit.pop(0)()
        super().commit(change)
        if self.after_commit:
            self.after_commit.pop(0)()

    def queued(self, line: str, limit: int, now: datetime | None = None) -> Sequence[QueuedMessage]:
        waiting = sorted(
            (m for m in self.messages.values() if m.waits_for_line and m.line == line),
            key=lambda m: (m.priority, m.not_after, m.key, m.borrower_id),
        )
        found = (
            QueuedMessage(m.borrower_id, m.key, m.may_go_from, m.may_go_until, m.expected_parts, m.priority)
            for m in waiting
        )
        return list(islice((each for each in found if now is None or each.may_go(now)), limit))


@dataclass
class Executions:
    """The state machine of `escalation.asl.yaml`, a round at a time: Assess, then Park until the doorbell rings."""

    escalate: Escalate | None = None
    running: dict[tuple[str, int, int], str] = field(default_factory=dict)  # the token it is parked on, "" when due
    ended: dict[tuple[str, int, int], str] = field(default_factory=dict)
    rung: list[str] = field(default_factory=list)
    tokens: int = 0

    def start(self, borrower_id: str, episode: int, generation: int) -> None:
        name = (borrower_id, episode, generation)
        if name not in self.ended:
            self.running.setdefault(name, "")

    def ring(self, token: str) -> None:
        self.rung.append(token)
        for name, parked_on in self.running.items():
            if parked_on == token:
                self.running[name] = ""

    def is_running(self, borrower_id: str, episode: int, generation: int) -> bool:
        return (borrower_id, episode, generation) in self.running

    def step(self) -> bool:
        """One round of one execution that is not parked; False when all are."""
        assert self.escalate is not None
        for name, token in list(self.running.items()):
            if token:
                continue
            assessed: Assessed = self.escalate.assess(*name)
            if assessed.next == "end":
                del self.running[name]
                self.ended[name] = assessed.outcome
            else:
                self.tokens += 1
                doorbell = f"token-{self.tokens}"
                self.running[name] = doorbell
                self.escalate.park(*name, assessed.version, doorbell)
            return True
        return False

    def lose(self) -> None:
        """Every execution dies without a word."""
        self.running.clear()


class HouseControls(MemoryControls):
    """The in-memory controls of a house whose sweep runs every minute: it hears as long as it is said to."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house

    def survey(self, lines: Sequence[str], today: date) -> Survey:
        survey = super().survey(lines, today)
        if not self._house.hears:
            return survey
        return replace(survey, hearings=tuple(replace(each, heard_to=self._house.now) for each in survey.hearings))


class House:
    """All services on the in-memory ports, and hands to move them: what the schedules, streams and queues do."""

    def __init__(
        self,
        now: datetime = NOW,
        content: Content | None = None,
        *,
        hears: bool = True,
        delivers: bool = True,
        recipients: Recipients = EVERYONE,
        mode: SendingMode = SendingMode.LIVE,
    ) -> None:
        self.clock = FakeClock(now)
        self.hears = hears
        self.delivers = delivers
        self.content = content if content is not None else shipped_content()
        self.store = HouseStore()
        self.controls = HouseControls(self)
        self.sender = FakeSender()
        self.ears = FakeEars()
        self.wakes = FakeWakeQueue()
        self.keys = FakePointKeys()
        self.executions = Executions()
        self.announced = FakeAnnouncements()
        #: What somebody who writes this means; whatever is not here is read by keyword.
        self.meant: dict[str, Understood] = {}
        self._events = 0
        self._loans: dict[tuple[str, str], dict[str, Any]] = {}
        senders: dict[str, Sender] = dict.fromkeys((line.provider for line in self.content.lender.lines), self.sender)
        clock, store = self.clock, self.store
        self.policies = Policies(self.content, self.controls)
        self.settle = Settle(store, clock)
        self.listings = MemoryListings()
        self.provider_list = FakeNumberList(clock)
        self.opt_outs_queue = FakeOptOutQueue()
        self.opt_outs = OptOuts(store, clock, self.opt_outs_queue, self.listings)
        self.opt_out_list = OptOutList(
            store,
            self.listings,
            self.provider_list,
            self.opt_outs_queue,
            self.opt_outs,
            self.keys,
            lambda place: any(line.provider == "aws_sms" for line in self.content.lines(place)),
            clock,
        )
        self.thread = Thread(store, self.policies, self.content, self._free_words)
        self.ingest = Ingest(store, self.controls, self.content, self.keys, clock, self.opt_outs, self.thread)
        self.contacts = Contacts(store, self.policies, clock)
        self.dispatch = Dispatch(store, self.wakes, clock)
        self.retain = Retain(store, MemoryHoldings(store), self.content)
        self.evaluate = Evaluate(store, self.policies, self.executions, self.announced, clock, self.retain)
        self.escalate = Escalate(store, self.policies, self.executions, clock)
        self.executions.escalate = self.escalate
        self.pace = Pace(store, self.controls, self.content, self.settle, clock)
        self.compose = Compose(self.policies, Renderer(self.content), self.content, recipients)
        self.render = Render(store, self.compose, self.settle, clock)
        self.send = Send(
            store,
            self.controls,
            self.compose,
            self.settle,
            self.opt_outs,
            senders,
            clock,
            recipients=recipients,
            mode=mode,
        )
        self.reports = ReceiveReport(store, self.settle, self.opt_outs, self.keys.point)
        self.inbound = ReceiveInbound(store, self.policies, self.opt_outs, self.keys, self._understand, clock)
        self.feed = Feed(self.controls, clock)
        self.sweep = Sweep(store, self.controls, self.render, self.send, self.settle, self.ears, clock)

    def _free_words(self) -> FreeWords:
        return FreeWords(self.content, Renderer(self.content))

    def _understand(self, text: str, *, locale: str | None, today: date, asked: Asked) -> Understood:
        if text in self.meant:
            return self.meant[text]
        return read_with(self.content.lexicon)(text, locale=locale, today=today, asked=asked)

    @property
    def now(self) -> datetime:
        return self.clock.now

    # ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, type_: str, borrower_id: str | None = "b-1", **carried: Any) -> Ingested:
        """An event of the core, through the same door as the real ones."""
        self._events += 1
        document: dict[str, Any] = {
            "event_id": carried.pop("event_id", f"e-{self._events}"),
            "type": type_,
            "occurred_at": carried.pop("occurred_at", self.now).isoformat(),
            "borrower_id": borrower_id,
        }
        if borrower_id is None:  # about a number, whoever has it
            del document["borrower_id"]
        return self.ingest.receive(parse_core_event(document | carried))

    def checkpoint(self, complete_to: datetime | None = None) -> None:
        """A checkpoint that counts: nothing that was sent before it is still on its way."""
        document = {
            "event_id": f"checkpoint-{self.now.timestamp()}",
            "type": "feed.checkpoint",
            "occurred_at": self.now.isoformat(),
            "complete_to": (complete_to or self.now).isoformat(),
        }
        self.ingest.receive(parse_core_event(document))
        feed = self.controls.feed()
        self.controls.put_feed(replace(feed, complete_to=feed.announced_to, claims=()))

    def know(
        self,
        borrower_id: str = "b-1",
        *loans: Mapping[str, Any],
        jurisdiction: str = "US-NY",
        zone: str = NEW_YORK,
        parties: Iterable[Mapping[str, Any]] | None = None,
        sequence: int = 1,
    ) -> None:
        """A borrower and the loans, as the core would tell them."""
        if parties is None:
            parties = [chinese_party() if jurisdiction == "CN" else party_document()]
        profile = {
            "sequence": sequence,
            "jurisdiction": jurisdiction,
            "time_zone": zone,
            "parties": list(parties),
        }
        self.tell("borrower.updated", borrower_id, borrower=profile)
        for loan in loans:
            self._loans[borrower_id, loan["loan_id"]] = dict(loan)
            self.tell("loan.snapshot", borrower_id, loan=loan)

    def loan_now(self, loan_id: str = "l-1", borrower_id: str = "b-1", **changes: Any) -> dict[str, Any]:
        """The core's next snapshot of a loan, as of now."""
        before = self._loans[borrower_id, loan_id]
        after = before | {"sequence": before["sequence"] + 1, "as_of": self.now.isoformat()} | changes
        after = {name: value for name, value in after.items() if value is not None}
        self._loans[borrower_id, loan_id] = after
        return after

    def pay(self, payment_id: str = "p-1", *, loan_id: str = "l-1", amount: str = "120.50", **changes: Any) -> Ingested:
        """The loan is paid, in full unless `changes` say what is left."""
        loan = self.loan_now(loan_id, **({"instalments": [], "overdue": None, "days_past_due": None} | changes))
        return self.tell("payment.applied", payment={"payment_id": payment_id, "amount": amount}, loan=loan)

    def snapshots(self) -> None:
        """The core's daily file: every loan again."""
        for borrower_id, loan_id in list(self._loans):
            self.tell("loan.snapshot", borrower_id, loan=self.loan_now(loan_id, borrower_id))

    def borrower(self, borrower_id: str = "b-1") -> Borrower:
        found = self.store.borrower(borrower_id)
        assert found is not None
        return found

    # ── what moves things ────────────────────────────────────────────────────────────────────────────────────────────

    def wake(self) -> None:
        """dispatch_wakes and evaluate_stages."""
        self.dispatch.dispatch()
        while self.wakes.wakes:
            shard, _ = self.wakes.wakes.pop(0)
            self.evaluate.shard(shard, 500, raised)

    def run_cases(self) -> None:
        for _ in range(1000):
            if not self.executions.step():
                return
        raise AssertionError("an execution does not come to rest")

    def pace_lines(self) -> list[Paced]:
        return self.pace.lines(raised)

    def render_due(self) -> None:
        for message in self.in_state(MessageState.DUE):
            self.render.render(message.borrower_id, message.key)

    def send_rendered(self) -> None:
        for message in self.in_state(MessageState.RENDERED):
            self.send.send(message.borrower_id, message.key)
        for message in self.in_state(MessageState.RESERVED):
            if message.is_let_go_again:
                self.send.retry(message.borrower_id, message.key)

    def a_minute_later(self) -> None:
        """What the pacer, the stream and the sweep do for messages that are on their way already."""
        self.clock.advance(timedelta(minutes=1))
        self.pace_lines()
        self.send_rendered()
        self.sweep_up()

    def sweep_up(self) -> Swept:
        swept = self.sweep.run(raised)
        if self.hears:
            for ear, probe in self.ears.probes:
                heard(self.controls, ear, probe, self.now)
        self.ears.probes.clear()
        return swept

    def request(self, borrower_id: str = "b-1") -> Message:
        """Until a message is asked for; exactly one."""
        self.wake()
        self.run_cases()
        (message,) = self.in_state(MessageState.REQUESTED, borrower_id)
        return message

    def due(self, borrower_id: str = "b-1") -> Message:
        self.wake()
        self.run_cases()
        self.pace_lines()
        (message,) = self.in_state(MessageState.DUE, borrower_id)
        return message

    def rendered(self, borrower_id: str = "b-1") -> Message:
        message = self.due(borrower_id)
        self.render.render(borrower_id, message.key)
        return self.message(message)

    def sent(self, borrower_id: str = "b-1") -> Message:
        message = self.rendered(borrower_id)
        self.send.send(borrower_id, message.key)
        return self.message(message)

    def minute(self) -> None:
        """All that one minute's schedules set in motion, with the streams behind them."""
        if self.delivers:
            for message in self.in_state(MessageState.SENT):
                if message.sent_at is not None and message.sent_at < self.now:
                    self.report(message)
        self.wake()
        self.run_cases()
        self.pace_lines()
        self.render_due()
        self.send_rendered()
        self.sweep_up()
        self.wake()
        self.run_cases()

    def run_until(self, end: datetime, *, checkpoints: bool = True, most: int = 5000) -> None:
        """Jump from one moment at which something is due to the next, until `end`."""
        for _ in range(most):
            if checkpoints:
                self.checkpoint()
            self.minute()
            following = self._following()
            if following > end:
                break
            self.clock.now = following
        else:
            raise AssertionError("more moments than there can be")
        self.clock.now = end

    def run_days(self, days: int) -> None:
        """`days` days, each begun with the core's daily file."""
        for _ in range(days):
            self.snapshots()
            self.run_until(self.now + DAY)

    def _following(self) -> datetime:
        far = self.now + timedelta(days=3650)
        moments = [b.wake_at for b in self.store.borrowers.values() if b.wake_at is not None]
        moments += [m.attend_at for m in self.store.messages.values() if m.attend_at is not None and not m.is_terminal]
        if self.in_state(MessageState.REQUESTED) or (self.delivers and self.in_state(MessageState.SENT)):
            moments.append(self.now)
        return max(min(moments, default=far), self.now + MINUTE)

    # ── providers and people ─────────────────────────────────────────────────────────────────────────────────────────

    def report(self, message: Message, state: MessageState | None = MessageState.DELIVERED, **changes: Any) -> bool:
        reasons = {
            MessageState.DELIVERED: Reason.DELIVERED,
            MessageState.FAILED: Reason.UNREACHABLE,
            MessageState.UNKNOWN: Reason.NO_REPORT,
            None: Reason.ACCEPTED,
        }
        report = DeliveryReport(message.ref, state, reasons[state], self.now, "provider-1")
        return self.reports.receive(replace(report, **changes))

    def text(self, text: str, from_address: str = PHONE, inbound_id: str = "in-1", **changes: Any) -> Received:
        inbound = InboundText(inbound_id, "aws_sms", from_address, "+12065550100", text, self.now)
        return self.inbound.receive(replace(inbound, **changes))

    def answer(self, *answers: HandOverResult) -> None:
        """What the provider answers to the next hand-overs."""
        self.sender.answers.extend(answers)

    # ── what can be seen ─────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def orders(self) -> list[HandOver]:
        return self.sender.orders

    def messages(self, borrower_id: str = "b-1") -> list[Message]:
        return list(self.store.conversation(borrower_id))

    def message(self, message: Message) -> Message:
        """The message as it is now."""
        found = self.store.message(message.borrower_id, message.key)
        assert found is not None
        return found

    def in_state(self, state: MessageState, borrower_id: str | None = None) -> list[Message]:
        return [
            message
            for message in self.store.messages.values()
            if message.state is state and borrower_id in (None, message.borrower_id)
        ]

    def check_ledger(self) -> None:
        """Whoever was written to has a whole chain; whoever was not, none."""
        for borrower in self.store.borrowers.values():
            assert verify(self.messages(borrower.borrower_id), borrower.chain_head) is None

    def check_ends(self) -> None:
        """Every message is at its end, with a reason and the moves that led there."""
        for message in self.store.messages.values():
            assert message.is_terminal, (message.ref, message.state)
            assert message.reason
            assert message.moves[-1].state is message.state
            assert message.settled_at is not None


def raised(ref: str, error: Exception) -> None:
    """An `on_failure` that hides nothing."""
    raise AssertionError(ref) from error
