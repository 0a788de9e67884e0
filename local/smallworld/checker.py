"""The promises, checked from outside: on what the core said, what people wrote, and what the provider took.

Nothing here asks the code that decides. The packs' numbers are read from the files a second time; what may be said is
worked out again from the core's own documents; the order of things is the order in which they were written down.

A broken promise is kept in `broken` and raised at the end of the invocation that broke it, so that no service can
swallow it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from dunlin.domain.ledger import verify
from dunlin.domain.message import Message
from dunlin.domain.words import MessageState
from dunlin.services.ports import Change, DeliveryReport, InboundText
from dunlin.testing import FakeClock, MemoryStore

from local.smallworld.provider import Answer, HandedOver

Document = dict[str, Any]
CONTENT_DIR = Path(__file__).absolute().parents[2] / "layers" / "content"

#: Hours that the law sets, local time, for everything that is not an answer; and the lender's own.
_LEGAL_HOURS = {"CN": (8, 22), "US": (8, 21)}
_OWN_HOURS = (9, 20)
#: Where a number may be, by its prefix: the ones people of the small world can have.
NUMBER_ZONES = {
    "+1212": "America/New_York",
    "+1617": "America/New_York",
    "+1312": "America/Chicago",
    "+1206": "America/Los_Angeles",
    "+86": "Asia/Shanghai",
}
_CONFIRMATION = "opt_out_confirmation"
_CONFIRM_WITHIN = timedelta(minutes=5)
_HAND_OVER_WITHIN = timedelta(minutes=2)
_DEAF_AFTER = timedelta(minutes=15)
_RANKS = {
    MessageState.REQUESTED: 0,
    MessageState.DUE: 1,
    MessageState.RENDERED: 2,
    MessageState.RESERVED: 3,
    MessageState.SENT: 4,
    MessageState.UNSETTLED: 4,
}
_LAST = 5
_AFTER_HAND_OVER = {MessageState.DELIVERED, MessageState.FAILED, MessageState.UNKNOWN}
_BEFORE = {MessageState.SUPPRESSED, MessageState.EXPIRED, MessageState.CANCELLED}
#: Nobody reports after this; a message that is older and still open was forgotten.
OPEN_AT_MOST = timedelta(days=5)
_RELEASES = ("first", "second", "third")


class PromiseBroken(AssertionError):
    """A promise of the design did not hold."""


# ── the packs' numbers, read a second time ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Cap:
    rule: str
    purposes: frozenset[str]
    channels: frozenset[str]
    count: int
    days: int
    calendar: bool
    per_loan: bool
    effective_on: date | None


@dataclass(frozen=True, slots=True)
class Law:
    """What binds in one jurisdiction for a creditor."""

    caps: tuple[Cap, ...]
    held: Mapping[str, frozenset[str]]
    lasts: Mapping[str, timedelta]
    ends_with_payment: frozenset[str]
    max_age: timedelta


@lru_cache(maxsize=32)
def law_of(jurisdiction: str) -> Law | None:
    """The numbers of the packs of a jurisdiction; None where there is no pack."""
    packs: list[Document] = []
    code: str | None = jurisdiction
    while code is not None:
        path = CONTENT_DIR / "packs" / f"{code.lower()}.yaml"
        if not path.exists():
            return None
        pack = yaml.safe_load(path.read_text(encoding="utf-8"))
        packs.append(pack)
        own = CONTENT_DIR / "policies" / path.name
        if own.exists():
            packs.append(yaml.safe_load(own.read_text(encoding="utf-8")))
        code = pack.get("extends")
    caps: list[Cap] = []
    table = yaml.safe_load((CONTENT_DIR / "stops" / "base.yaml").read_text(encoding="utf-8"))["stops"]
    held = {row["kind"]: frozenset(row["stops"]) for row in table}
    ages: list[float] = []
    for pack in packs:
        for rule in pack.get("caps", ()):
            if "creditor" in rule.get("capacity", ["creditor"]):
                counts = rule["count"]
                for since, count in (
                    counts if isinstance(counts, dict) else {rule.get("effective_on"): counts}
                ).items():
                    caps.append(
                        Cap(
                            rule["id"],
                            frozenset(rule["purposes"]),
                            frozenset(rule["channels"]),
                            count,
                            rule["days"],
                            rule["basis"] == "calendar",
                            rule["per"] == "loan",
                            since,
                        )
                    )
        for rule in pack.get("holds", ()):
            for kind in rule["kinds"]:
                held[kind] = held.get(kind, frozenset()) | frozenset(rule["stops"])
        age = pack.get("settings", {}).get("balance_max_age_hours")
        if age is not None:
            ages.append(float(age["value"]))
    return Law(
        tuple(caps),
        held,
        {row["kind"]: timedelta(days=row["default_days"]) for row in table if "default_days" in row},
        frozenset(row["kind"] for row in table if "payment" in row["lifted_by"]),
        timedelta(hours=min(ages)),
    )


@dataclass(frozen=True, slots=True)
class Declared:
    """What the lender declared of a message that is said because something happened."""

    purpose: str
    within: timedelta
    asks_for_money: bool
    statement: bool
    letter: str


@lru_cache(maxsize=1)
def declared() -> Mapping[str, Declared]:
    """The messages of the core's, and of a case that goes to a person, by name."""
    found: dict[str, Declared] = {}
    for path in sorted((CONTENT_DIR / "messages").glob("*.yaml")):
        for name, row in yaml.safe_load(path.read_text(encoding="utf-8"))["messages"].items():
            if row["trigger"] in ("event", "case"):
                purpose = "service" if row["purpose"] == "reply" else row["purpose"]
                statement = bool(row.get("statement"))
                asks = statement or purpose in ("servicing", "collection")
                within = timedelta(hours=row.get("within_hours", 24))
                found[name] = Declared(purpose, within, asks, statement, row.get("letter", ""))
    return found


# ── what was felt ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Felt:
    """A contact a person may have felt."""

    what: str
    borrower_id: str
    at: datetime
    channel: str
    purpose: str
    loan_ids: frozenset[str]
    party_id: str
    address: str


@dataclass(frozen=True, slots=True)
class Text:
    """A person's text: what it asks, when it was received, and when we had it in writing."""

    inbound_id: str
    address: str
    asks: str  # stop | start | other
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Pressed:
    """Somebody paused something."""

    scope: str
    name: str
    until: datetime | None


_STOPS = ("stop", "unsubscribe", "退订")
#: A single letter is an answer only where people are told so.
_LETTER = ("t", "+86")
_STARTS = ("start",)


class Checker:
    """Watches the small world from outside and remembers what was promised."""

    def __init__(self, memory: MemoryStore, clock: FakeClock, counted: Counter[str]) -> None:
        self._memory = memory
        self._clock = clock
        self._counted = counted
        self.broken: list[str] = []
        self.journal: list[str] = []
        self._said: dict[str, Document] = {}
        self.loans: dict[str, dict[str, Document]] = defaultdict(dict)
        self.profiles: dict[str, Document] = {}
        self._held: dict[str, dict[str, Document]] = defaultdict(dict)
        self._lifted: dict[str, dict[str, datetime]] = defaultdict(dict)
        self._paid_up: set[str] = set()
        self._doubted: dict[str, datetime] = {}
        self._complete_to: datetime | None = None
        self._texts: dict[str, Text] = {}
        self._in_writing: dict[str, list[tuple[Text, datetime]]] = defaultdict(list)
        self._on_providers_list: dict[str, datetime] = {}
        self._refused_as_opted_out: list[tuple[str, datetime]] = []
        self._confirmed: set[str] = set()
        self._probes: dict[tuple[str, str], datetime] = {}
        self.paused: list[Pressed] = []
        self.messages: dict[str, Message] = {}
        self._open: dict[str, Message] = {}
        self._asked_under: dict[str, str] = {}
        self._calls: dict[str, list[HandedOver]] = defaultdict(list)
        self._occasions: dict[tuple[object, ...], list[str]] = defaultdict(list)
        self.felt: list[Felt] = []
        self._asked: dict[str, Document] = {}
        self._paid_at: dict[tuple[str, str], datetime] = {}
        self._announced: Counter[str] = Counter()

    @property
    def _now(self) -> datetime:
        return self._clock.now

    def note(self, line: str) -> None:
        self.journal.append(f"{self._now:%Y-%m-%d %H:%M:%S} {line}")

    def _wrong(self, promise: str, about: str) -> None:
        self.note(f"BROKEN {promise}: {about}")
        self.broken.append(f"{promise}: {about} at {self._now.isoformat()}")

    def check(self) -> None:
        """Raise what was broken since."""
        if self.broken:
            raise PromiseBroken("\n".join(self.broken))

    def unsettled(self) -> list[Message]:
        return list(self._open.values())

    # ── what was said to us, and when we had it in writing ───────────────────────────────────────────────────────────

    def said(self, document: Document) -> None:
        self._said[str(document["event_id"])] = document

    def text_written(self, text: InboundText) -> None:
        words = text.text.strip().casefold()
        letter = words == _LETTER[0] and text.from_address.startswith(_LETTER[1])
        asks = "stop" if words in _STOPS or letter else "start" if words in _STARTS else "other"
        self._texts[text.inbound_id] = Text(text.inbound_id, text.from_address, asks, text.received_at)
        self.note(f"text {text.inbound_id} {asks}")

    def fact_refused(self, document: Document) -> None:
        borrower_id = str(document.get("borrower_id"))
        if borrower_id in self.profiles:
            self._doubted[borrower_id] = self._now
            self._counted["fact refused"] += 1

    def announced(self, kind: str, event_id: str) -> None:
        """A letter was asked for on the bus: once at least, and only one that somebody has to get. Or a person: only
        because of a text that somebody wrote."""
        self.note(f"announced {kind} {event_id}")
        self._counted[f"announced {kind}"] += 1
        if kind == "person.needed":
            borrower_id, text_id, _ = event_id.split("/")
            if borrower_id not in self.profiles or text_id not in self._texts:
                self._wrong("only what was asked for", f"{kind} {event_id} about no text")
            return
        self._announced[event_id] += 1
        asked = self._asked.get(event_id)
        if asked is None or not declared()[asked["notice"]["message"]].letter:
            self._wrong("only what was asked for", f"{kind} {event_id} that nobody needs")

    def feed_advanced(self, complete_to: datetime) -> None:
        if self._complete_to is None or complete_to > self._complete_to:
            self._complete_to = complete_to

    def pressed(self, scope: str, name: str, until: datetime | None) -> None:
        self.lifted(scope, name)
        self.paused.append(Pressed(scope, name, until))
        self._counted[f"paused {scope}"] += 1

    def lifted(self, scope: str, name: str) -> None:
        self.paused = [pressed for pressed in self.paused if (pressed.scope, pressed.name) != (scope, name)]

    def probe_sent(self, ear: str, probe: str) -> None:
        self._probes.setdefault((ear, probe), self._now)

    def probe_heard(self, ear: str, probe: str) -> None:
        self._probes.pop((ear, probe), None)

    def report_on_its_way(self, report: DeliveryReport) -> None:
        self._counted[f"report {report.state}"] += 1

    def contacted(self, borrower_id: str, channel: str, purpose: str, at: datetime) -> None:
        loans = frozenset(loan_id for loan_id, loan in self.loans[borrower_id].items() if _is_owed(loan))
        primary = next(p for p in self.profiles[borrower_id]["parties"] if p["role"] == "primary")
        if str(purpose) not in primary["may_hear"]:
            self._wrong("only a party", f"{borrower_id} is called about {purpose}")
        address = str(primary.get("phone", ""))
        felt = Felt("dialled", borrower_id, at, channel, str(purpose), loans, primary["party_id"], address)
        self._held_hours(felt, timedelta(0), "")
        self._felt(felt)

    # ── writes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def committed(self, function: str, change: Change) -> None:
        """A transaction happened. Messages first: they were judged on what was in writing before it."""
        for message in (*change.new_messages, *change.moved_messages):
            self._moved(function, message)
        for record in change.records:
            if record.item.startswith("FACT#"):
                self._recorded(self._said[record.item.removeprefix("FACT#")])
        for kept in change.point_records:
            if kept.item.startswith("IN#"):
                text = self._texts[kept.item.removeprefix("IN#")]
                self._in_writing[text.address].append((text, self._now))
                self._counted[f"text {text.asks}"] += 1
                self.note(f"{text.inbound_id} in writing")
        if change.suppression is not None and function in ("send_message", "sweep_messages"):
            # The provider told us: from here on it is an opt-out like any other.
            for address, at in self._refused_as_opted_out:
                self._on_providers_list[address] = at
            self._refused_as_opted_out.clear()

    def _recorded(self, document: Document) -> None:
        borrower_id = str(document["borrower_id"])
        self.note(f"{document['event_id']} {document['type']} {borrower_id} in writing")
        self._counted[f"fact {document['type']}"] += 1
        if "borrower" in document:
            known = self.profiles.get(borrower_id)
            if known is None or document["borrower"]["sequence"] > known["sequence"]:
                self.profiles[borrower_id] = document["borrower"]
        elif document["type"] == "notice.requested":
            self._asked[str(document["event_id"])] = document
        elif "loan" in document:
            loan = document["loan"]
            if "payment" in document and document["type"] not in ("payment.returned", "payment.reversed"):
                at, key = datetime.fromisoformat(document["occurred_at"]), (borrower_id, str(loan["loan_id"]))
                self._paid_at[key] = max(at, self._paid_at.get(key, at))
            known = self.loans[borrower_id].get(loan["loan_id"])
            if known is None or loan["sequence"] > known["sequence"]:
                self.loans[borrower_id][loan["loan_id"]] = loan
                self._nothing_due(borrower_id)
        elif document["type"] == "hold.placed":
            hold = document["hold"] | {"at": datetime.fromisoformat(document["occurred_at"])}
            known = self._held[borrower_id].get(hold["hold_id"])
            if known is None or hold["at"] >= known["at"]:
                self._held[borrower_id][hold["hold_id"]] = hold
                self._nothing_due(borrower_id)
        else:
            at = datetime.fromisoformat(document["occurred_at"])
            lifted = self._lifted[borrower_id]
            lifted[document["hold"]["hold_id"]] = max(at, lifted.get(document["hold"]["hold_id"], at))

    def _nothing_due(self, borrower_id: str) -> None:
        """A promise that was kept has ended: remember that nothing was due any more after it was made."""
        today = self._now.astimezone(ZoneInfo(self.profiles[borrower_id]["time_zone"])).date()
        first = [loan["instalments"][0]["due_on"] for loan in self.loans[borrower_id].values() if _is_owed(loan)]
        if all(date.fromisoformat(due_on) > today for due_on in first):
            self._paid_up.update(self._held[borrower_id])

    def _moved(self, function: str, message: Message) -> None:
        before = self.messages.get(message.ref)
        self.messages[message.ref] = message
        if message.is_terminal:
            self._open.pop(message.ref, None)
        else:
            self._open[message.ref] = message
        if before is None:
            self._asked_under[message.ref] = message.content_version
            self._counted[f"asked for {message.said}"] += 1
        if before is None or before.state is not message.state:
            self.note(f"{message.ref} {message.state} {message.reason} ({function})")
            self._counted[f"{message.state}"] += 1
            self._counted[f"{message.state} {message.reason}"] += 1
        if not message.reason or not message.moves or message.moves[-1].state is not message.state:
            self._wrong("nothing is silent", f"{message.ref} is {message.state} without a reason or a move")
        if before is not None:
            self._forward(before, message)
        if message.state is MessageState.RESERVED and (before is None or before.state is not MessageState.RESERVED):
            self._reserved(message)

    def _forward(self, before: Message, message: Message) -> None:
        if before.is_terminal:
            corrected = before.state is MessageState.UNKNOWN and message.state in _AFTER_HAND_OVER
            if message.state is not before.state and not corrected:
                self._wrong("forward only", f"{message.ref} {before.state} → {message.state}")
            return
        was, now = _RANKS[before.state], _RANKS.get(message.state, _LAST)
        allowed = now > was or message.state is before.state
        if message.state in _BEFORE and was >= _RANKS[MessageState.RESERVED]:
            allowed = False
        if message.state in _AFTER_HAND_OVER and was < _RANKS[MessageState.RESERVED]:
            allowed = False
        if not allowed:
            self._wrong("forward only", f"{message.ref} {before.state} → {message.state}")

    # ── the right to reserve ─────────────────────────────────────────────────────────────────────────────────────────

    def opted_out(self, address: str) -> Text | None:
        """The text by which this address has opted out, as far as it is in writing."""
        texts = [text for text, _ in self._in_writing[address] if text.asks in ("stop", "start")]
        last = max(texts, key=lambda text: (text.received_at, text.asks == "stop"), default=None)
        listed_at = self._on_providers_list.get(address)
        if listed_at is not None and (last is None or last.received_at < listed_at):
            return Text("provider", address, "stop", listed_at)
        return last if last is not None and last.asks == "stop" else None

    def _reserved(self, message: Message) -> None:
        self._counted[f"reserved {message.said}"] += 1
        if _RELEASES.index(message.content_version) < _RELEASES.index(self._asked_under[message.ref]):
            self._wrong("never under another release", f"{message.ref} in the words of an older one")
        if message.locale == "en-US":
            found = max((name for name in ("Marram", "Marram2", "Marram3") if name in message.body), default="")
            if found != ("Marram", "Marram2", "Marram3")[_RELEASES.index(message.content_version)]:
                self._wrong("never under another release", f"{message.ref} is worded by {found}")
        self._not_paused(message)
        party = self._party(message)
        address = None if party is None else party.get("phone" if message.channel == "sms" else "email")
        if party is None or address is None:
            self._wrong("only a party", f"{message.ref} goes to nobody the core told us of")
            return
        stopped = self.opted_out(address) if message.channel == "sms" else None
        if message.purpose == "reply":
            self._reply(message, stopped, address)
            return
        if stopped is not None:
            self._wrong("opt-out is absolute", f"{message.ref} reserved after {stopped.inbound_id}")
        if str(message.purpose) not in party["may_hear"]:
            self._wrong("only a party", f"{message.ref} says {message.purpose} to a {party['role']}")
        self._not_held(message)
        self._not_deaf(message)
        if message.notice_id:
            self._notice(message)
        else:
            self._owed(message)

    # ── notices ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _notice(self, message: Message) -> None:
        """What the core asked for, of this borrower, lately, with its facts; and not after the money came."""
        rule = declared().get(message.said)
        asked = self._asked.get(message.notice_id)
        if self._law(message.borrower_id) is None:
            self._wrong("reviewed", f"{message.ref} where nobody reviewed a pack")
        if rule is None:
            self._wrong("only what was asked for", f"{message.ref} is no declared message")
            return
        if str(message.purpose) != rule.purpose:
            self._wrong("only what was asked for", f"{message.ref} is said as {message.purpose}")
        if message.said == "referral":
            self._taken_over(message)
        elif message.notice_id.removeprefix(f"{message.said}-") in self._texts and message.said.startswith("promise_"):
            self._counted[f"said {message.said}"] += 1  # what somebody promised by text; `tests/unit` judge its words
        elif asked is None or asked["borrower_id"] != message.borrower_id:
            self._wrong("only what was asked for", f"{message.ref}: nobody asked for it")
        elif asked["notice"]["message"] != message.said:
            self._wrong("only what was asked for", f"{message.ref}: another message was asked for")
        else:
            self._as_asked(message, asked, rule)

    def _as_asked(self, message: Message, asked: Document, rule: Declared) -> None:
        notice = asked["notice"]
        if self._now >= datetime.fromisoformat(asked["occurred_at"]) + rule.within:
            self._wrong("in time", f"{message.ref}: asked for at {asked['occurred_at']}")
        wanted = {
            Decimal(value.split()[0]) for value in notice["facts"].values() if re.fullmatch(r"[\d.]+ [A-Z]{3}", value)
        }
        written = {Decimal(found.replace(",", "")) for found in re.findall(r"\d[\d,]*\.\d{2}(?!\d)", message.body)}
        if written != wanted:
            self._wrong("accurate", f"{message.ref} carries other figures than the core's")
        if not rule.asks_for_money:
            return
        loan = self.loans[message.borrower_id].get(notice.get("loan_id", ""))
        if loan is None or not self._is_late(message, loan):
            self._wrong("already paid", f"{message.ref}: nothing of it is overdue")
            return
        paid_at = self._paid_at.get((message.borrower_id, loan["loan_id"]))
        if paid_at is not None and paid_at >= datetime.fromisoformat(asked["occurred_at"]):
            self._wrong("already paid", f"{message.ref}: a payment came at {paid_at}")

    def _taken_over(self, message: Message) -> None:
        """A case has ended with a person, and what is overdue is said in full."""
        case = self._memory.borrowers[message.borrower_id].case
        number = int(message.notice_id.removeprefix("case-"))
        if case is None or case.episode < number or (case.episode == number and case.ended_at is None):
            self._wrong("only what was asked for", f"{message.ref}: the case is still ours")
        known = self.loans[message.borrower_id]
        loans = [known[loan_id] for loan_id in message.loan_ids if loan_id in known]
        if not loans or not all(self._is_late(message, loan) for loan in loans):
            self._wrong("already paid", f"{message.ref}: not all of it is overdue")
            return
        today = self._now.astimezone(ZoneInfo(self.profiles[message.borrower_id]["time_zone"])).date()
        firsts = [date.fromisoformat(loan["instalments"][0]["due_on"]) for loan in loans]
        days = [self._days(message.borrower_id, loan, first, today) for loan, first in zip(loans, firsts, strict=True)]
        self._figures(message, loans, max(days))

    def _is_late(self, message: Message, loan: Document) -> bool:
        """Still ours, still owed, overdue, no money on its way, and figures that are young enough."""
        law = self._law(message.borrower_id)
        if law is None or not _is_owed(loan) or loan.get("pending"):
            return False
        self._fresh(message, loan, law)
        today = self._now.astimezone(ZoneInfo(self.profiles[message.borrower_id]["time_zone"])).date()
        first = date.fromisoformat(loan["instalments"][0]["due_on"])
        return self._days(message.borrower_id, loan, first, today) >= 1

    def _party(self, message: Message) -> Document | None:
        profile = self.profiles.get(message.borrower_id)
        if profile is None:
            return None
        found: Document | None = next((p for p in profile["parties"] if p["party_id"] == message.party_id), None)
        return found

    def _reply(self, message: Message, stopped: Text | None, address: str) -> None:
        if message.stage != _CONFIRMATION:
            if stopped is not None:
                self._wrong("opt-out is absolute", f"{message.ref} answers after {stopped.inbound_id}")
            return
        asked = self._texts.get(message.in_reply_to)
        if asked is None or asked.asks != "stop" or asked.address != address:
            self._wrong("opt-out is absolute", f"{message.ref} confirms what nobody asked")
            return
        if self._now - asked.received_at > _CONFIRM_WITHIN:
            self._wrong("opt-out is absolute", f"{message.ref} confirms after five minutes")
        if asked.inbound_id in self._confirmed:
            self._wrong("opt-out is absolute", f"{message.ref} confirms a second time")
        self._confirmed.add(asked.inbound_id)

    def _not_held(self, message: Message) -> None:
        law = self._law(message.borrower_id)
        for hold_id, hold in self._held[message.borrower_id].items():
            lifted_at = self._lifted[message.borrower_id].get(hold_id)
            if lifted_at is not None and lifted_at >= hold["at"]:
                continue
            until = datetime.fromisoformat(hold["until"]) if "until" in hold else None
            if until is None and law is not None and hold["kind"] in law.lasts:
                until = hold["at"] + law.lasts[hold["kind"]]
            if until is not None and until <= self._now:
                continue
            if law is not None and hold["kind"] in law.ends_with_payment and hold_id in self._paid_up:
                continue
            if law is not None and str(message.purpose) in law.held.get(hold["kind"], frozenset()):
                self._wrong("held", f"{message.ref} reserved under {hold['kind']}")

    def _not_deaf(self, message: Message) -> None:
        for (ear, _), sent_at in self._probes.items():
            if self._now - sent_at > _DEAF_AFTER:
                self._wrong("deaf", f"{message.ref} reserved while {ear} has heard nothing since {sent_at}")

    def _not_paused(self, message: Message) -> None:
        for pressed in self.paused:
            if pressed.until is not None and pressed.until <= self._now:
                continue
            named = {"everything": "", "line": message.line, "template": message.template}
            if pressed.scope in named and named[pressed.scope] == pressed.name:
                self._wrong("paused", f"{message.ref} reserved while {pressed.scope} {pressed.name} is paused")

    def _law(self, borrower_id: str) -> Law | None:
        return law_of(self.profiles[borrower_id]["jurisdiction"])

    def _owed(self, message: Message) -> None:
        """Money that is still owed, in figures that are still the core's, to people who are still ours."""
        law = self._law(message.borrower_id)
        if law is None:
            self._wrong("reviewed", f"{message.ref} where nobody reviewed a pack")
            return
        known = self.loans[message.borrower_id]
        loans = [known[loan_id] for loan_id in message.loan_ids if loan_id in known]
        if not loans or len(loans) < len(message.loan_ids):
            self._wrong("already paid", f"{message.ref} is about no loan of theirs")
            return
        today = self._now.astimezone(ZoneInfo(self.profiles[message.borrower_id]["time_zone"])).date()
        days = 0
        for loan in loans:
            if loan["status"] != "open" or not loan["instalments"]:
                self._wrong("already paid", f"{message.ref}: {loan['loan_id']} is {loan['status']} or paid")
                return
            if loan.get("pending"):
                self._wrong("already paid", f"{message.ref}: money for {loan['loan_id']} is on its way")
            self._fresh(message, loan, law)
            first = date.fromisoformat(loan["instalments"][0]["due_on"])
            if message.due_on is not None and not message.episode and first != message.due_on:
                self._wrong("already paid", f"{message.ref}: {loan['loan_id']} is due on {first} now")
            days = max(days, self._days(message.borrower_id, loan, first, today))
        if message.episode and days < 1:
            self._wrong("already paid", f"{message.ref}: nothing is overdue")
        self._figures(message, loans, days)

    def _fresh(self, message: Message, loan: Document, law: Law) -> None:
        as_of = datetime.fromisoformat(loan["as_of"])
        doubted_at = self._doubted.get(message.borrower_id)
        if doubted_at is not None and as_of <= doubted_at:
            self._wrong("stale figures", f"{message.ref}: a fact was refused since")
        known_to = max(as_of, self._complete_to or as_of)
        if self._now - known_to > law.max_age:
            self._wrong("stale figures", f"{message.ref}: {loan['loan_id']} is {self._now - known_to} old")

    def _days(self, borrower_id: str, loan: Document, first: date, today: date) -> int:
        if "days_past_due" not in loan:
            return (today - first).days
        zone = ZoneInfo(self.profiles[borrower_id]["time_zone"])
        counted_on = datetime.fromisoformat(loan["as_of"]).astimezone(zone).date()
        return int(loan["days_past_due"]) + (today - counted_on).days

    def _figures(self, message: Message, loans: list[Document], days: int) -> None:
        """Every amount in the text is the core's, and the total is there."""
        lines: list[Decimal] = []
        fees = Decimal(0)
        for loan in loans:
            amount = Decimal(loan["instalments"][0]["outstanding"])
            overdue = loan.get("overdue")
            if days > 0 and overdue is not None and Decimal(overdue["total"]) > 0:
                amount = Decimal(overdue["total"])
                fees += Decimal(overdue["fees"])
            lines.append(amount)
        written = {Decimal(found.replace(",", "")) for found in re.findall(r"\d[\d,]*\.\d{2}(?!\d)", message.body)}
        due = sum(lines, Decimal(0))
        if due not in written or not written <= {due, fees, *lines}:
            self._wrong("accurate", f"{message.ref} carries other figures than the core's")
        for found in re.findall(r"(\d+) days? (?:overdue|past)|逾期(\d+)天", message.body):
            if int(found[0] or found[1]) != days:
                self._wrong("accurate", f"{message.ref} says another number of days than {days}")

    # ── what reached the provider ────────────────────────────────────────────────────────────────────────────────────

    def handed_over(self, call: HandedOver) -> None:
        message = self.messages.get(call.ref)
        self.note(f"{call.ref} handed over: {call.answer}, {call.fate}")
        self._counted["handed over"] += 1
        self._counted[f"answer: {call.answer}"] += 1
        if call.fate is not None:
            self._counted[f"fate: {call.fate}"] += 1
        if message is None or message.state is not MessageState.RESERVED or message.reserved_at is None:
            self._wrong("never without a reservation", call.ref)
            return
        if not timedelta(0) <= self._now - message.reserved_at <= _HAND_OVER_WITHIN:
            self._wrong("handed over in time", f"{call.ref}: {self._now - message.reserved_at} after its reservation")
        earlier = self._calls[call.ref]
        if any(other.answer is not Answer.THROTTLED for other in earlier):
            self._wrong("never twice", f"{call.ref} handed over again after: {earlier[-1].answer}")
        earlier.append(call)
        if call.answer is Answer.OPTED_OUT:
            self._refused_as_opted_out.append((call.order.address, self._now))
        party = self._party(message)
        addresses = set() if party is None else {party.get("phone"), party.get("email")}
        if len(earlier) == 1 and call.order.address not in addresses:
            self._wrong("only a party", f"{call.ref} went to another address")
        if not call.taken:
            return
        self._never_twice(message)
        if message.purpose != "reply":
            felt = Felt(
                call.ref,
                message.borrower_id,
                self._now,
                str(message.channel),
                str(message.purpose),
                frozenset(message.loan_ids),
                message.party_id,
                call.order.address,
            )
            self._held_hours(felt, timedelta(seconds=call.order.ttl_seconds), call.order.address)
            self._felt(felt)

    def _never_twice(self, message: Message) -> None:
        said = (message.due_on, message.stage, message.episode)
        occasion: tuple[object, ...] = (message.borrower_id, message.party_id, *said)
        if message.in_reply_to:
            occasion = (message.in_reply_to, message.stage)
        if message.notice_id:
            occasion = (message.borrower_id, message.notice_id)  # whoever is told, and whatever day it is there
        for ref in self._occasions[occasion]:
            other = self.messages[ref]
            failed = other.state is MessageState.FAILED
            unknown = other.state is MessageState.UNKNOWN and other.channel is not message.channel and other.episode
            if not failed and not unknown:
                self._wrong("never twice", f"{message.ref} although {ref} is {other.state}")
        self._occasions[occasion].append(message.ref)

    def zones(self, borrower_id: str, address: str) -> tuple[str, ...]:
        """Every zone a person may be in: where they live, and where their number is from."""
        own = str(self.profiles[borrower_id]["time_zone"])
        indicated = [zone for prefix, zone in NUMBER_ZONES.items() if address.startswith(prefix)]
        return tuple(dict.fromkeys((own, *indicated)))

    def _held_hours(self, felt: Felt, lasts: timedelta, address: str) -> None:
        country = str(self.profiles[felt.borrower_id]["jurisdiction"]).partition("-")[0]
        # What only tells is bound by no law of hours.
        limits = [_LEGAL_HOURS.get(country, _OWN_HOURS)] if felt.purpose != "service" else []
        if felt.purpose in ("servicing", "collection"):
            limits.append(_OWN_HOURS)
        for zone in self.zones(felt.borrower_id, address):
            begin, end = (at.astimezone(ZoneInfo(zone)) for at in (felt.at, felt.at + lasts))
            for opens, closes in limits:
                first, last = (at.hour + at.minute / 60 + at.second / 3600 for at in (begin, end))
                if first < opens or last > closes or begin.date() != end.date():
                    self._wrong("local hours", f"{felt.what}: {begin:%H:%M:%S} to {end:%H:%M:%S} in {zone}")

    def _felt(self, felt: Felt) -> None:
        """Count again, from what the provider took and what was dialled."""
        self.felt.append(felt)
        self._counted[f"felt {felt.channel}"] += 1
        law = self._law(felt.borrower_id)
        if law is None:
            return
        today = felt.at.astimezone(ZoneInfo(self.profiles[felt.borrower_id]["time_zone"])).date()
        for cap in law.caps:
            if felt.purpose not in cap.purposes or not ({"any", felt.channel} & cap.channels):
                continue
            if cap.effective_on is not None and today < cap.effective_on:
                continue
            counted = [c for c in self.felt if c.purpose in cap.purposes and {"any", c.channel} & cap.channels]
            for group in self._groups(cap, counted, felt):
                self._count(cap, group, felt)

    @staticmethod
    def _groups(cap: Cap, counted: list[Felt], felt: Felt) -> Iterator[list[Felt]]:
        """Per debtor: whatever this person felt, as this party or on this telephone. Per loan: whoever was told."""
        if not cap.per_loan:
            person = (felt.borrower_id, felt.party_id)
            yield [c for c in counted if (c.borrower_id, c.party_id) == person or c.address == felt.address]
            return
        for loan_id in felt.loan_ids:
            yield [other for other in counted if loan_id in other.loan_ids]

    def _count(self, cap: Cap, group: list[Felt], felt: Felt) -> None:
        if not cap.calendar:
            recent = [other for other in group if other.at > felt.at - timedelta(days=cap.days)]
            if len(recent) > cap.count:
                self._wrong("caps", f"{felt.what} is number {len(recent)} of {cap.rule}")
            return
        for zone in self.zones(felt.borrower_id, felt.address):
            day = felt.at.astimezone(ZoneInfo(zone)).date()
            same = [other for other in group if other.at.astimezone(ZoneInfo(zone)).date() == day]
            if len(same) > cap.count:
                self._wrong("caps", f"{felt.what} is number {len(same)} of {cap.rule} on {day} in {zone}")

    # ── rest ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def at_rest(self, executions: Mapping[tuple[str, int, int], Any]) -> None:
        """After days of calm: nothing stands forgotten, nobody with something to say is asleep."""
        for message in self._memory.messages.values():
            if not message.is_terminal and self._now - message.requested_at > OPEN_AT_MOST:
                self._wrong("nothing is lost", f"{message.ref} is still {message.state}")
        for borrower in self._memory.borrowers.values():
            if verify(self._memory.conversation(borrower.borrower_id), borrower.chain_head) is not None:
                self._wrong("the ledger is whole", borrower.borrower_id)
            owed = [loan for loan in self.loans[borrower.borrower_id].values() if _is_owed(loan)]
            with_person = borrower.with_person_to
            open_to_us = [
                loan
                for loan in owed
                if with_person is None or date.fromisoformat(loan["instalments"][0]["due_on"]) > with_person
            ]
            case = borrower.case
            is_open = case is not None and case.ended_at is None
            if (open_to_us or is_open) and borrower.wake_at is None:
                self._wrong("nobody is forgotten", f"{borrower.borrower_id} has something open and no wake")
            if borrower.wake_at is not None and self._now - borrower.wake_at > timedelta(hours=1):
                self._wrong("nobody is forgotten", f"{borrower.borrower_id} was to be woken {borrower.wake_at}")
            if case is None or not is_open:
                continue
            execution = executions.get((borrower.borrower_id, case.episode, case.generation))
            running = execution is not None and execution.status == "RUNNING"
            fresh = case.assessed_at is not None and self._now - case.assessed_at < timedelta(hours=2)
            rings = case.token is not None and execution is not None and execution.token == case.token
            if not running or not (rings or (case.token is None and fresh)):
                self._wrong("no case sleeps for ever", f"{borrower.borrower_id} generation {case.generation}")
        self.check()

    def at_end(self, executions: Mapping[tuple[str, int, int], Any]) -> None:
        """Everybody has paid, and time has passed: everything has ended, with a reason."""
        self.at_rest(executions)
        self._every_notice_ended()
        for message in self._memory.messages.values():
            if not message.is_terminal or message.settled_at is None:
                self._wrong("everything ends", f"{message.ref} is {message.state}")
            self._counted[f"ended {message.state}"] += 1
        for borrower in self._memory.borrowers.values():
            case = borrower.case
            if case is None:
                continue
            if case.ended_at is None or case.outcome is None:
                self._wrong("everything ends", f"the case of {borrower.borrower_id} is open although all is paid")
                continue
            self._counted[f"case {case.outcome}"] += 1
            execution = executions.get((borrower.borrower_id, case.episode, case.generation))
            if execution is not None and execution.status == "RUNNING":
                self._wrong("everything ends", f"the execution of {borrower.borrower_id} is still running")
        self.check()

    def _every_notice_ended(self) -> None:
        """Each has a message, said or not said with a reason; each letter was asked for. Where nobody reviewed a pack
        nothing is decided, and what was asked for waits for the borrower to move on."""
        said = {(message.borrower_id, message.notice_id) for message in self._memory.messages.values()}
        for event_id, asked in self._asked.items():
            borrower_id, name = str(asked["borrower_id"]), asked["notice"]["message"]
            self._counted[f"notice {name}"] += 1
            if (borrower_id, event_id) not in said and self._law(borrower_id) is not None:
                self._wrong("everything ends", f"{name} {event_id} of {borrower_id} is neither said nor given up")
            if declared()[name].letter and not self._announced[event_id]:
                self._wrong("everything ends", f"the letter of {event_id} was never asked for")


def _is_owed(loan: Document) -> bool:
    return loan["status"] == "open" and bool(loan["instalments"])
