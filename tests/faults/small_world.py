"""A few borrowers and ten days, in which every function does everything it does."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dunlin.content import Content
from dunlin.content.loader import load_content

from local.auditor import audit
from local.commands.run import CHINESE_LINE, line_of, sender_names
from local.core.accounts import Account, LoanTerms, PartyTerms, PastContact, ScheduledInstalment
from local.core.core import Core
from local.core.notices import Notice
from local.embedded import CallInfo, Fault
from local.evidence import open_folder, write_evidence
from local.portfolio.people import (
    CN,
    CURRENCIES,
    GB,
    LOCALES,
    TIME_ZONES,
    US_MA,
    US_NY,
    WHATSAPP_PREFIX,
    device_of,
    email_of,
    name_of,
    openid_of,
    phone_of,
)
from local.simulator.faults import Faults
from local.simulator.simulator import INVALID, PROVIDER_LIST, Delivered
from local.summary import Run, broken, collect, summarise
from local.world import CONTENT, Reply, World

SEED = 11
FIRST_DAY = date(2026, 2, 3)
START = datetime(2026, 2, 3, 5, 0, tzinfo=UTC)  # midnight in New York, one in the afternoon in Shanghai
END = START + timedelta(days=8, hours=12)
#: When the numbers and addresses were made sure of: in Britain nobody is told of a debt where that was never done.
VERIFIED_AT = START - timedelta(days=200)
SILENT_FROM = START + timedelta(days=3, hours=12)
#: Enough of everything that goes wrong at providers to see each answer to it; what else may go wrong is the matter.
PROVIDERS = Faults.none().but(
    throttled=0.3, time_out=0.06, error_after=0.06, lost_report=0.1, progress=0.3, complaint=1.0, unfollows=1.0
)
#: An hour apart, while nothing happens: most of what is made there is no matter of what is looked at.
PROBE_EVERY = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
ASKS_AGAIN = timedelta(minutes=1)

Hook = Callable[[CallInfo], Fault | None]


@dataclass(frozen=True)
class Who:
    """One borrower: where, days from the first day to the due date, and what was said before the cut-over."""

    borrower_id: str
    jurisdiction: str
    due_in: int
    phone: bool = True
    email: bool = True
    past: tuple[int, ...] | None = None
    app: bool = False
    whatsapp: bool = False
    follows: bool = False


PEOPLE = (
    Who("b-reminded", US_NY, 1),
    Who("b-reminded-cn", CN, 1),
    Who("b-tier", GB, -3, past=(-7, -1, 0, 2)),
    Who("b-tier-cn", CN, -14, past=(-7, -3, -1, 0, 2, 4)),
    Who("b-stops", US_NY, 1),
    Who("b-stops-cn", CN, -3, email=False, past=(-7, -3, -1, 0, 2)),
    Who("b-mail", US_MA, 1, phone=False),
    Who("b-outside", US_NY, 1),
    Who("b-nobody", GB, 1),
    # Opted out at the provider: we learn of it when it refuses, at once or after it was busy.
    Who("b-carrier", US_NY, 1),
    Who("b-carrier-too", US_NY, 1),
    # Not on the list of recipients: found out when the text is worded.
    Who("b-unlisted", US_MA, 1, email=False),
    # Early reminders go where they cost least: to the app, to one that is gone, by WhatsApp, to a follower.
    Who("b-app", US_NY, 7, app=True),
    Who("b-app-gone", US_NY, 7, app=True),
    Who("b-whatsapp", GB, 7, whatsapp=True),
    Who("b-follower", CN, 7, follows=True),
)
APP_GONE = device_of("b-app-gone-primary")
#: Nobody's range of invented numbers.
UNLISTED = "+12025550199"


def _phone(who: Who) -> str | None:
    if who.borrower_id == "b-unlisted":
        return UNLISTED
    return phone_of(who.jurisdiction, 3 + PEOPLE.index(who)) if who.phone else None


PHONES: Mapping[str, str] = {who.borrower_id: phone for who in PEOPLE if (phone := _phone(who)) is not None}

#: Who has no telephone, and wants no more e-mail either.
MAILBOX = email_of(US_MA, "b-mail-primary")


def _account(who: Who) -> Account:
    number = PEOPLE.index(who)
    party_id = f"{who.borrower_id}-primary"
    currency = CURRENCIES[who.jurisdiction]
    due_on = FIRST_DAY + timedelta(days=who.due_in)
    zone = ZoneInfo(TIME_ZONES[who.jurisdiction])
    past = None
    if who.past is not None:
        past = tuple(
            PastContact(
                datetime.combine(due_on + timedelta(days=day), datetime.min.time().replace(hour=10), tzinfo=zone),
                "sms",
                "servicing" if day <= 0 else "collection",
            )
            for day in who.past
        )
    return Account(
        borrower_id=who.borrower_id,
        jurisdiction=who.jurisdiction,
        time_zone=TIME_ZONES[who.jurisdiction],
        parties=(
            PartyTerms(
                party_id=party_id,
                role="primary",
                name=name_of(who.jurisdiction, number),
                locale=LOCALES[who.jurisdiction],
                phone=_phone(who),
                email=email_of(who.jurisdiction, party_id) if who.email else None,
                may_hear=("servicing", "collection", "mandatory", "reply", "service"),
                consents=("servicing", "collection"),
                phone_verified_at=VERIFIED_AT,
                email_verified_at=VERIFIED_AT,
                push_endpoint=device_of(party_id) if who.app else None,
                push_verified_at=VERIFIED_AT if who.app else None,
                whatsapp=f"{WHATSAPP_PREFIX}{200 + number:03d}" if who.whatsapp else None,
                whatsapp_verified_at=VERIFIED_AT if who.whatsapp else None,
                wechat_openid=openid_of(party_id) if who.follows else None,
                wechat_verified_at=VERIFIED_AT if who.follows else None,
            ),
        ),
        loans=(
            LoanTerms(
                loan_id=f"l-{number}",
                account_tail=f"{4000 + number}",
                currency=currency,
                instalments=(ScheduledInstalment(3, due_on, Decimal("310.00") + number, Decimal("4.20")),),
            ),
        ),
        imported=past,
    )


def _loan(borrower_id: str) -> str:
    return f"l-{[who.borrower_id for who in PEOPLE].index(borrower_id)}"


@lru_cache(maxsize=1)
def content() -> Content:
    """The shipped content, read once, taken as live whatever its release says."""
    return replace(load_content(CONTENT), live=True, not_live_because="")


@contextmanager
def shared_content() -> Iterator[None]:
    """Every cold start takes the content that was read before: parsing it is not what is looked at here."""
    shared = content()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dunlin.content.loader.load_content", lambda _, **__: shared)
        # Before something happens, as in any world: deaf, nothing about money is ever said.
        patch.setattr("local.world.PROBE_EVERY", PROBE_EVERY)
        yield


@dataclass(frozen=True)
class Outcome:
    """What a run came to. `wrong` is empty when every promise was kept."""

    run: Run
    wrong: tuple[str, ...]
    dead_letters: Mapping[str, int]
    said: frozenset[tuple[str, str]]
    balances: Mapping[str, str]
    refused: int


class _Core(Core):
    """A core that falls silent once there is nothing left to tell: what is left then is waiting for reports."""

    def _checkpoint(self, mark: datetime, at: datetime) -> None:
        if at < SILENT_FROM:
            super()._checkpoint(mark, at)

    def _plan_matters(self, account: Account, at: datetime, number: int) -> None:
        """One application that is declined, with its letter; nothing else than payments comes up."""
        if account.borrower_id == "b-outside":
            declined = Notice("application_declined", {"reference": f"A-{number}", "reason": "reason.policy"})
            self._plan(at + timedelta(hours=13), lambda moment: self._ask(account.borrower_id, declined, moment))


class Drama:
    """One run. `before_call` stands between the functions and AWS; `now` is its clock."""

    def __init__(
        self,
        before_call: Hook | None = None,
        *,
        redrives: bool = False,
        outages: Callable[[], Sequence[tuple[datetime, datetime]]] = tuple,
    ) -> None:
        self._hook = before_call
        self._outages = outages
        self._redrives = redrives
        self._bound: dict[str, datetime] = {}
        self._texted: set[str] = set()
        self.core = _Core([_account(who) for who in PEOPLE], seed=SEED, start=START)
        self.world: World
        self._facts()

    def now(self) -> datetime:
        return self.world.clock.now()

    # ── The script ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _facts(self) -> None:
        core, day = self.core, timedelta(days=1)
        for borrower_id, at in (
            ("b-reminded", START + day + timedelta(hours=20)),
            ("b-reminded-cn", START + day + timedelta(hours=8)),
            ("b-tier", START + 2 * day + timedelta(hours=20)),
            ("b-tier-cn", START + 3 * day),
            ("b-stops", START + 2 * day),
            ("b-mail", START + 2 * day),
            ("b-outside", START + 2 * day),
            ("b-nobody", START + 2 * day),
            ("b-carrier", START + 2 * day),
            ("b-carrier-too", START + 2 * day),
            ("b-unlisted", START + 2 * day),
            ("b-app", START + 2 * day),
            ("b-app-gone", START + 2 * day),
            ("b-whatsapp", START + 2 * day),
            ("b-follower", START + 2 * day),
        ):
            core.schedule_payment(_loan(borrower_id), "all", at)
        core.schedule_hold("b-tier-cn", "dispute", START + 2 * day, lift_at=START + 2 * day + timedelta(hours=12))
        core.schedule_end(_loan("b-stops-cn"), "sold", START + 3 * day)

    def _plan(self, world: World) -> None:
        noon = START + timedelta(hours=12)
        reserve = {"borrower_id": "b-outside", "channel": "call", "purpose": "servicing"}
        self._ask(noon, "/contacts:reserve", {**reserve, "request_id": "made"})
        self._ask(noon + MINUTE, "/contacts:report", {"borrower_id": "b-outside", "ref": "outside/made", "made": True})
        later = noon + timedelta(hours=24)
        self._ask(later, "/contacts:reserve", {**reserve, "request_id": "not-made"})
        told = {"borrower_id": "b-outside", "ref": "outside/not-made", "made": False}
        self._ask(later + MINUTE, "/contacts:report", told)
        mark = {
            "event_id": "x-mark",
            "type": "feed.checkpoint",
            "occurred_at": START.isoformat(),
            "complete_to": (START - MINUTE).isoformat(),
        }
        self._ask(noon, "/events", {"events": [mark]})
        world.at(noon, lambda: self._knock(world))
        # Input that can never be accepted: by the bus, from a topic, and about a message that never was.
        world.at(noon, lambda: self._put_bad_event(world))
        world.at(noon, lambda: world.aws.publish("ReportsTopic", json.dumps({"eventType": "NEITHER"})))
        for borrower_id in ("b-carrier", "b-carrier-too"):
            world.simulator.put_opted_out(PROVIDER_LIST, PHONES[borrower_id], by_person=True)
        stranger = phone_of(US_NY, 77)
        world.text(stranger, "STOP", noon, "opt_out")
        world.text(phone_of(CN, 78), "你好", noon, "other")
        if self._redrives:
            self._redrive(world)

    def _ask(self, at: datetime, path: str, body: Mapping[str, object]) -> None:
        """Somebody else's system asks, and asks again while it is told to."""
        world = self.world
        raw = json.dumps(body).encode()

        def ask() -> None:
            answer = world.aws.request("POST", path, headers={"Content-Type": "application/json"}, body=raw)
            if answer.status >= 500:
                world.at(world.clock.now() + ASKS_AGAIN, ask)

        world.at(at, ask)

    @staticmethod
    def _knock(world: World) -> None:
        """At a page that nobody was given."""
        world.aws.request("GET", "/my/AAAAAAAAAAAAAA")

    @staticmethod
    def _put_bad_event(world: World) -> None:
        entry = {
            "Source": "lender.core",
            "DetailType": "loan.snapshot",
            "Detail": json.dumps({"event_id": "x-bad", "type": "loan.snapshot", "borrower_id": "b-stranger"}),
            "EventBusName": world.aws.template.physical_name("CoreEventBus"),
        }
        world.aws.put_events([entry])

    def _redrive(self, world: World) -> None:
        """What an operator does every hour with what stands in the dead-letter queues."""
        for poller in world.aws._queues:
            source = poller._queue
            dead = source.dead_letter_queue
            if dead is None:
                continue
            letters, dead._messages = list(dead._messages), []
            for letter in letters:
                letter.approximate_receive_count = 0
                letter.visible_at = 0.0
                source._messages.append(letter)
        world.at(world.clock.now() + timedelta(hours=1), lambda: self._redrive(world))

    def _reached(self, delivered: Delivered) -> Sequence[Reply]:
        at, to = delivered.at + timedelta(minutes=3), delivered.to_address
        if to == PHONES["b-stops"] and "b-stops" not in self._texted:
            self._texted.add("b-stops")
            return [
                (to, "STOP", at, "opt_out"),
                (to, "START", at + timedelta(hours=1), "opt_in"),
                (to, "HELP", at + timedelta(hours=2), "help"),
            ]
        if to == MAILBOX and delivered.unsubscribe and MAILBOX not in self._texted:
            self._texted.add(MAILBOX)
            _, _, token = delivered.unsubscribe.rpartition("/")
            self._ask(at, f"/unsubscribe/{token}", {})
        if to == PHONES["b-stops-cn"] and "b-stops-cn" not in self._texted:
            self._texted.add("b-stops-cn")
            return [(to, "退订", at, "opt_out")]
        return []

    # ── The run ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _before(self, call: CallInfo) -> Fault | None:
        fault = self._hook(call) if self._hook is not None else None
        if fault is None or fault.after_effect:
            for item in _items(call):
                name = item.get("item", {}).get("S", "")
                if name.startswith("IN#"):
                    self._bound.setdefault(name.removeprefix("IN#"), self.now())
        return fault

    def play(self) -> Outcome:
        """Run it to its end, and judge it."""
        folder = Path(tempfile.mkdtemp(prefix="dunlin-faults-"))
        try:
            with shared_content():
                return self._play(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _play(self, folder: Path) -> Outcome:
        logs = open_folder(folder, CONTENT)
        with World(
            self.core,
            START,
            END,
            SEED,
            PROVIDERS,
            logs,
            self._reached,
            line_of,
            unreachable={PHONES["b-nobody"]: INVALID, APP_GONE: INVALID},
            before_call=self._before,
            finance_numbers=(CHINESE_LINE,),
        ) as world:
            self.world = world
            self._plan(world)
            world.run()
            run = collect(world, self.core.history)
            write_evidence(
                folder, world.simulator.record, self.core, world.texts, world.announced, outages=self._outages()
            )
            self._tell_when_it_bound(folder, world)
            wrong = tuple(self._left(world, run))
            dead = dict(world.aws.counters.dead_letters)
            bodies = world.aws.queue_bodies("RefusedInputQueue")
        report = audit(folder, sender_names=sender_names(content()))
        summary = summarise(run, report)
        found = broken({**summary, "dead_letters": 0})
        found += [f"{finding.kind} {finding.ref}: {finding.why}" for finding in report.findings]
        return Outcome(
            run=run,
            wrong=(*wrong, *found),
            dead_letters=dead,
            said=frozenset((message.borrower_id, message.stage) for message in run.messages),
            balances={borrower.borrower_id: str(borrower.loans) for borrower in run.borrowers},
            refused=len({body["raw_sha256"] for body in map(json.loads, bodies) if not _of_an_unknown_hand_over(body)}),
        )

    def _tell_when_it_bound(self, folder: Path, world: World) -> None:
        """A fact binds from when it is recorded: while it waits in a queue nobody here knows it."""
        recorded = {
            str(row["item"]).partition("#")[2]: str(json.loads(row["document"])["recorded_at"])
            for row in world.aws.items("BorrowersTable")
            if str(row["item"]).startswith("EVENT#") or str(row["item"]).startswith("FACT#")
        }
        _rewrite(folder / "core.jsonl", lambda line: recorded.get(line["event"]["event_id"]), "fed_at")
        _rewrite(folder / "inbound.jsonl", self._bound_in_order(folder / "inbound.jsonl"), "at")

    def _bound_in_order(self, path: Path) -> Callable[[Mapping[str, Any]], str | None]:
        """When each text was written down. An outage may have an opt-in written down before the opt-out it took back:
        the opt-out then counts from no later than the opt-in, as it was said first."""
        bound = dict(self._bound)
        taken_back: dict[str, datetime] = {}
        for line in reversed(_lines(path)):
            at = bound.get(line["inbound_id"])
            if at is None:
                continue
            if line["meaning"] == "opt_in":
                taken_back[line["from"]] = min(at, taken_back.get(line["from"], at))
            elif line["meaning"] == "opt_out":
                bound[line["inbound_id"]] = min(at, taken_back.get(line["from"], at))
        return lambda line: bound[line["inbound_id"]].isoformat() if line["inbound_id"] in bound else None

    def _left(self, world: World, run: Run) -> Iterator[str]:
        """What must not be left when all is over."""
        for message in run.messages:
            if not message.is_terminal:
                yield f"{message.ref} is left {message.state}"
        for borrower in run.borrowers:
            if borrower.case is not None and str(borrower.case.status) == "open":
                yield f"the case of {borrower.borrower_id} is still open"
        for name, status in run.executions.items():
            # An outage may outlast an execution's patience; then its case goes on in the next generation.
            followed = (
                self._redrives and f"{name.rpartition('-')[0]}-{int(name.rpartition('-')[2]) + 1}" in run.executions
            )
            if status != "SUCCEEDED" and not followed:
                yield f"execution {name} is {status}, and nobody followed"
        yield from world.aws.interpreter_failures
        accepted = Counter(given.ref for given in run.hand_overs if given.accepted)
        for ref, count in accepted.items():
            if count > 1:
                yield f"{ref} was accepted {count} times"
        known = {(message.ref) for message in run.messages}
        for ref in accepted:
            if ref not in known:
                yield f"{ref} was handed over and is in no ledger"
        for poller in world.aws._queues:
            if poller._queue._messages:
                yield f"{len(poller._queue._messages)} messages wait in {poller.mapping.queue_name}"


def _of_an_unknown_hand_over(refused: Mapping[str, Any]) -> bool:
    """WeChat reports under its own number alone: of a hand-over that nobody saw the end of, we never learnt it."""
    return refused["source"] == "reports" and refused["field"] == "ref" and '"wechat"' in refused["raw"]


def _items(call: CallInfo) -> Iterator[Mapping[str, Any]]:
    if call.operation == "PutItem":
        yield call.parameters["Item"]
    elif call.operation == "TransactWriteItems":
        yield from (entry["Put"]["Item"] for entry in call.parameters["TransactItems"] if "Put" in entry)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _rewrite(path: Path, moment: Callable[[Mapping[str, Any]], str | None], field: str) -> None:
    lines = _lines(path)
    for line in lines:
        found = moment(line)
        if found is not None:
            line[field] = found
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
