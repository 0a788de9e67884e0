"""A run from one borrower's side: what stood on the phone, what did not, and beside each message what decided it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from dunlin.content import Content
from dunlin.content.resolve import layers_of, lineage
from dunlin.content.schema import PackModel, PolicyModel, SourceModel
from dunlin.domain.borrower import Borrower
from dunlin.domain.following import products_of
from dunlin.domain.message import Message
from dunlin.domain.policy import Source, Strategy
from dunlin.domain.words import CaseOutcome, CaseStatus, Channel, MessageState
from dunlin.services.policies import strategy_of

from local.simulator.record import HandOverReceived
from local.summary import Run

Conversation = dict[str, Any]
Entry = dict[str, Any]

_SYMBOLS = {"USD": "$", "CNY": "¥", "GBP": "£"}
_DAYS_ZH = "一二三四五六日"
_ENDINGS = {
    CaseOutcome.CURED: "Cured by payment",
    CaseOutcome.REFERRED: "Referred to a person",
    CaseOutcome.OPTED_OUT: "Opted out; a person takes it from here",
    CaseOutcome.CLOSED: "The loan left the lender",
    CaseOutcome.AGREED: "A plan was agreed",
}
_LOAN_EVENTS = {
    "loan.approved": "The loan was approved",
    "loan.disbursed": "The money was paid out",
    "loan.restructured": "A longer term was agreed",
    "loan.waived": "Fees and late interest were waived",
    "loan.sold": "The loan was sold",
    "loan.placed": "The loan went to an agency",
    "loan.charged_off": "The loan was charged off",
    "loan.closed": "The loan was closed",
}
_PAYMENT_EVENTS = {
    "payment.pending": "{} on its way",
    "payment.applied": "Paid {}",
    "payment.returned": "{} came back: the bank returned it",
    "payment.reversed": "{} was taken back",
    "payment.reallocated": "{} was put to another account",
    "payment.backdated": "{} was paid earlier than booked",
}
#: Rules that are facts and not law, and who states them.
_STATED_BY = {
    "instalments": "the core's figures",
    "loan.instalments": "the core's figures",
    "loan.overdue": "the core's figures",
    "loan.pending": "the core's figures",
    "loan.status": "the core's figures",
    "loan_ids": "the core's figures",
    "party.may_hear": "the parties as the core knows them",
    "party.points": "the parties as the core knows them",
    "parties": "the parties as the core knows them",
    "contact_point.usable": "what was found out about the number",
    "preference.quiet_hours": "the person's own wish",
    "preference.channels": "the person's own wish",
    "provider": "the provider's answer",
    "report": "the provider's report",
    "report_within": "no report in the time the provider has for one",
    "not_after": "the end of its window",
    "hand_over_by": "two minutes from the reservation",
    "case": "the case as it stands",
    "release": "the content's release",
    "notice": "the notice as it stands",
    "loan.paid_at": "a payment that came after it",
    "loan.days_past_due": "the core's figures",
    "with_person_to": "a person at the lender has the case",
    "party.loan_ids": "the parties as the core knows them",
    "message.within_hours": "the time within which the message is true",
}


@dataclass(frozen=True, slots=True)
class Interest:
    """A borrower worth reading, and why."""

    borrower_id: str
    title: str


def conversations(run: Run, content: Content, interests: Iterable[Interest]) -> list[Conversation]:
    """What was said to each of these borrowers, in the report's form."""
    teller = _Teller(run, content)
    return [teller.conversation(interest) for interest in interests if interest.borrower_id in teller.borrowers]


def money(amount: object, currency: str) -> str:
    """`$1,234.50`; a currency without a sign of its own is named."""
    symbol = _SYMBOLS.get(currency, f"{currency} ")
    return f"{symbol}{Decimal(str(amount)):,.2f}"


def local_words(at: datetime, zone: ZoneInfo, locale: str) -> str:
    """The moment as the borrower would say it."""
    local = at.astimezone(zone)
    if locale.startswith("zh"):
        return f"周{_DAYS_ZH[local.weekday()]} {local.month}月{local.day}日 {local:%H:%M}"
    return f"{local:%a} {local.day} {local:%b} {local:%H:%M}"


class Sources:
    """Where a rule comes from, by the name that decisions give it."""

    def __init__(self, content: Content) -> None:
        self._content = content

    def of(self, rule: str, message: Message, borrower: Borrower) -> str:
        """The source in words, with its confidence; the rule's plain origin where no law is behind it."""
        jurisdiction = borrower.jurisdiction
        if rule in _STATED_BY:
            return _STATED_BY[rule]
        if rule.startswith("message."):
            return self._message(rule.removeprefix("message."))
        if rule.startswith(("strategy.", "reply.", "stage.")):
            if message.stage == "opt_out_confirmation":
                return self._setting("confirm_opt_out_within_minutes", jurisdiction)
            return self._strategy(message, borrower)
        if rule.startswith("hold."):
            kind = rule.removeprefix("hold.")
            # The law of the place first, then the table that holds everywhere.
            return self._found(
                chain(
                    (
                        hold.source
                        for pack in self._packs(jurisdiction)
                        for hold in pack.holds
                        if kind in hold.kinds and message.purpose in hold.stops
                    ),
                    (row.source for row in self._content.stops if row.kind == kind),
                )
            )
        if rule in ("opt_out", "suppression"):
            return self._found(
                text.source
                for pack in self._layers(jurisdiction)
                for text in pack.texts
                if "opt_out" in text.must_say and message.purpose in text.purposes
            )
        if rule == "hours":
            return self._hours(message, borrower)
        named = self._found(
            other.source
            for layer in self._layers(jurisdiction)
            for rules in (layer.hours, layer.caps, layer.consents, layer.verifications, layer.bans)
            for other in rules
            if other.id == rule
        )
        if named:
            return named
        for strategy in self._content.strategies_in(jurisdiction):
            if strategy.hours.rule_id == rule:
                return words_of(strategy.hours.source)
        return self._setting(rule, jurisdiction)

    def _message(self, name: str) -> str:
        """Why a notice was said, in the words that its declaration has for it."""
        if name.startswith("consent."):
            return f"the consent that the message needs: {name.removeprefix('consent.').replace('_', ' ')}"
        declared = self._content.messages.get(name)
        if declared is None:
            return ""
        asked_by = {"case": "the case went to a person", "answer": "a person answered"}.get(declared.trigger, "")
        asked_by = asked_by or "something happened, or came to its end"
        return f"{asked_by}: {declared.says}"

    def _packs(self, jurisdiction: str) -> Iterator[PackModel]:
        if jurisdiction in self._content.packs:
            yield from lineage(self._content.packs, jurisdiction)

    def _layers(self, jurisdiction: str) -> Iterator[PackModel | PolicyModel]:
        if jurisdiction in self._content.packs:
            yield from layers_of(self._content.packs, self._content.policies, jurisdiction)

    def _followed(self, message: Message, borrower: Borrower) -> Strategy | None:
        """The strategy it was said under; the one the borrower follows, where it is no strategy's own words."""
        if not message.strategy_id:
            return strategy_of(self._content, borrower)
        return self._content.strategy(borrower.jurisdiction, products_of(borrower), message.strategy_id)

    def _strategy(self, message: Message, borrower: Borrower) -> str:
        strategy = self._followed(message, borrower)
        return "" if strategy is None else f"the contact strategy, {strategy.strategy_id}"

    def _hours(self, message: Message, borrower: Borrower) -> str:
        on = (message.settled_at or message.requested_at).date()
        pack, strategy = self._content.pack(borrower.jurisdiction, on), self._followed(message, borrower)
        rules = [*(pack.hours if pack is not None else ()), *([strategy.hours] if strategy is not None else [])]
        return "; ".join(words_of(rule.source) for rule in rules if message.purpose in rule.purposes)

    def _setting(self, name: str, jurisdiction: str) -> str:
        settings = (getattr(layer.settings, name, None) for layer in self._layers(jurisdiction))
        return self._found(setting.source for setting in settings if setting is not None)

    @staticmethod
    def _found(sources: Iterable[SourceModel]) -> str:
        source = next(iter(sources), None)
        return "" if source is None else words_of(source)


def words_of(source: Source | SourceModel) -> str:
    return f"{source.reference} ({source.confidence})"


class _Teller:
    def __init__(self, run: Run, content: Content) -> None:
        self._run = run
        self._sources = Sources(content)
        self.borrowers = {borrower.borrower_id: borrower for borrower in run.borrowers}
        self._handed: dict[str, HandOverReceived] = {}
        for given in run.hand_overs:
            if given.accepted or given.ref not in self._handed:
                self._handed[given.ref] = given

    def conversation(self, interest: Interest) -> Conversation:
        borrower = self.borrowers[interest.borrower_id]
        entries = [
            *self._messages(borrower),
            *self._facts(borrower),
            *self._inbound(borrower),
            *self._cases(borrower),
        ]
        entries.sort(key=lambda entry: (entry["at"], _ORDER[entry["kind"]]))
        zone = ZoneInfo(borrower.zone)
        locale = borrower.parties[0].locale if borrower.parties else ""
        for entry in entries:
            at: datetime = entry["at"]
            entry["at"] = at.isoformat()
            entry["local"] = local_words(at, zone, locale)
        return {
            "borrower_id": borrower.borrower_id,
            "title": interest.title,
            "jurisdiction": borrower.jurisdiction,
            "zone": borrower.zone,
            "ending": self._ending(borrower),
            "entries": entries,
        }

    # ── Messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _messages(self, borrower: Borrower) -> Iterator[Entry]:
        for message in self._run.messages:
            if message.borrower_id == borrower.borrower_id:
                yield self._message(message, borrower)

    def _message(self, message: Message, borrower: Borrower) -> Entry:
        first = message.moves[0]
        went_well = message.state in (MessageState.DELIVERED, MessageState.SENT)
        reserved = message.reserved_at is not None
        # A text that went is explained by what called for it; one that did not, by what stopped it.
        rule = first.rule if reserved else message.rule
        return {
            "kind": "sent" if reserved else "not_sent",
            "at": message.reserved_at or message.settled_at or message.requested_at,
            "text": self._text(message),
            "channel": str(message.channel),
            "stage": message.said,
            "state": str(message.state),
            "reason": str(first.reason if went_well else message.reason),
            "rule": rule,
            "source": self._sources.of(rule, message, borrower),
            "figures": [[figure.name, figure.value] for figure in message.figures],
            "content_version": message.content_version,
            "moves": [
                {"state": str(move.state), "at": move.at.isoformat(), "reason": str(move.reason), "rule": move.rule}
                for move in message.moves
            ],
        }

    def _text(self, message: Message) -> str:
        """The words the provider was given; else the ones that were written and never left."""
        given = self._handed.get(message.ref)
        subject, body = (message.subject, message.body) if given is None else (given.subject, given.body)
        return f"{subject}\n{body}" if subject and message.channel is not Channel.SMS else body

    # ── What happened besides ────────────────────────────────────────────────────────────────────────────────────────

    def _facts(self, borrower: Borrower) -> Iterator[Entry]:
        told: set[str] = set()
        holds: dict[str, str] = {}
        for fact in self._run.facts:
            event = fact["event"]
            if event.get("borrower_id") != borrower.borrower_id:
                continue
            kind, words = _words_of_fact(event, told, holds)
            if words:
                at = datetime.fromisoformat(str(fact["recorded_at"]))
                yield {"kind": kind, "at": at, "text": words}

    def _inbound(self, borrower: Borrower) -> Iterator[Entry]:
        addresses = {point.address for party in borrower.parties for point in party.points}
        for text in self._run.texts:
            if text.from_address in addresses and text.at <= self._run.end:
                yield {"kind": "inbound", "at": text.at, "text": text.text, "channel": "sms"}

    def _cases(self, borrower: Borrower) -> Iterator[Entry]:
        documents = [case for case in self._run.cases if case["borrower_id"] == borrower.borrower_id]
        for case in documents:
            yield _began(_instant(case["opened_at"]), date.fromisoformat(str(case["due_on"])), borrower)
            outcome = CaseOutcome(str(case["outcome"]))
            why = str(case["outcome_reason"] or "")
            yield {"kind": "case", "at": _instant(case["ended_at"]), "text": _ENDINGS[outcome], "reason": why}
        open_case = borrower.case
        if open_case is not None and open_case.status is CaseStatus.OPEN:
            yield _began(open_case.opened_at, open_case.due_on, borrower)

    def _ending(self, borrower: Borrower) -> str:
        case = borrower.case
        if case is None:
            return "Never in arrears long enough for a case"
        if case.outcome is None:
            return "Still open when the run ended"
        return _ENDINGS[case.outcome]


#: Inside one instant: what happened, then what was decided, then what was said.
_ORDER = {"fact": 0, "payment": 1, "inbound": 2, "case": 3, "not_sent": 4, "sent": 5}


def _began(at: datetime, due_on: date, borrower: Borrower) -> Entry:
    days = (at.astimezone(ZoneInfo(borrower.zone)).date() - due_on).days
    return {"kind": "case", "at": at, "text": f"An escalation began, {days} days overdue"}


def _instant(value: object) -> datetime:
    return datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _words_of_fact(event: Mapping[str, Any], told: set[str], holds: dict[str, str]) -> tuple[str, str]:
    """The kind of entry and its words; no words for a fact that only repeats what is known."""
    kind = str(event["type"])
    loan = event.get("loan") or {}
    currency = str(loan.get("currency", ""))
    account = f"the account ending {loan.get('account_tail', '')}"
    first = loan.get("loan_id") not in told
    told.add(str(loan.get("loan_id", "")))
    if kind in _PAYMENT_EVENTS:
        return "payment", _PAYMENT_EVENTS[kind].format(money(event["payment"]["amount"], currency))
    if kind in _LOAN_EVENTS:
        return "fact", f"{_LOAN_EVENTS[kind]} ({account})"
    match kind:
        case "portfolio.imported":
            contacts: Sequence[object] = event.get("contacts") or ()
            overdue = money(loan["overdue"]["total"], currency)
            days = loan.get("days_past_due", 0)
            return "fact", f"Taken over with {overdue} overdue for {days} days, after {len(contacts)} earlier messages"
        case "loan.due":
            overdue = money(loan["overdue"]["total"], currency)
            return "fact", f"The due date passed: {overdue} overdue on {account}"
        case "loan.snapshot" if first and loan.get("instalments"):
            item = loan["instalments"][0]
            return (
                "fact",
                f"The core reports {money(item['outstanding'], currency)} due on {item['due_on']} ({account})",
            )
        case "hold.placed":
            hold = event["hold"]
            holds[str(hold["hold_id"])] = str(hold["kind"])
            until = f", until {hold['until'][:10]}" if hold.get("until") else ""
            return "fact", f"A hold: {str(hold['kind']).replace('_', ' ')}{until}"
        case "hold.lifted":
            lifted = holds.get(str(event["hold"]["hold_id"]), "hold")
            return "fact", f"The hold was lifted: {lifted.replace('_', ' ')}"
        case _:
            return "fact", ""
