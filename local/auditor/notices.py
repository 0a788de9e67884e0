"""What the core asks to be said: whether it asked, when, of whom, and with which facts.

The messages' declarations are the lender's own files. What must never rest on them alone is written down here a second
time: which messages promote, and which ask for money.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from local.auditor.reading import Reading

PROMOTIONS = frozenset({"offer", "product_suggestion"})
ABOUT_ARREARS = frozenset({"promise_broken", "plan_missed", "adverse_reporting", "referral"})
ASKS_FOR_MONEY = ABOUT_ARREARS | {"promise_day", "plan_in_force"}
#: The application says it by itself, when a case goes to a person: its notice is the case.
REFERRAL = "referral"
CASE = re.compile(r"case-(?P<episode>\d+)")
#: How old a notice may be where no file says it.
DEFAULT_WITHIN = timedelta(hours=24)

#: Figures that a statement, or the calendar, says of itself.
_FROM_STATEMENT = frozenset({"tail", "total", "fees", "due_on", "days", "accounts", "items", "reply_by"})
_MONEY = re.compile(r"(?P<amount>\d+(?:\.\d+)?) (?P<currency>[A-Z]{3})")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"\d{1,4}(?:\.\d{1,4})?")
_PERCENT = re.compile(r"(?<![\d.,])(\d{1,3}(?:[.,]\d{1,4})?)\s?[%％]")


@dataclass(frozen=True, slots=True)
class MessageRule:
    """What the lender declared of one message."""

    purpose: str
    trigger: str
    within: timedelta
    statement: bool
    reply_within: timedelta | None
    variables: Mapping[str, str]
    urgent: bool = False
    despite: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """One event by which the core asked for a message. `facts` are in machine form."""

    event_id: str
    message: str
    occurred_at: datetime
    party_id: str
    loan_id: str
    facts: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Words:
    """The lender's declarations: the messages by name, and the approved words of each code in every language."""

    messages: Mapping[str, MessageRule]
    phrases: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Said:
    """A hand-over that says a notice, as far as its key and its text go. `latest`: it may be felt until then."""

    notice_id: str
    message: str
    principal: str
    reserved_at: datetime
    latest: datetime
    today: date
    text: str = field(repr=False)
    reading: Reading = field(repr=False)

    @property
    def episode(self) -> int | None:
        """The case that is its notice; None for what the core asked for."""
        case = CASE.fullmatch(self.notice_id)
        return int(case["episode"]) if case is not None and self.message == REFERRAL else None


def words_in(packs: Mapping[str, Any]) -> Words:
    """The messages and phrases among the files; empty where there are none."""
    messages: dict[str, MessageRule] = {}
    phrases: dict[str, frozenset[str]] = {}
    for document in packs.values():
        if not isinstance(document, dict):
            continue
        declared = document.get("messages")
        for name, row in declared.items() if isinstance(declared, dict) else ():
            days = row.get("reply_within_days")
            messages[str(name)] = MessageRule(
                purpose=str(row.get("purpose", "")),
                trigger=str(row.get("trigger", "")),
                within=timedelta(hours=int(row.get("within_hours", DEFAULT_WITHIN // timedelta(hours=1)))),
                statement=bool(row.get("statement")),
                reply_within=timedelta(days=int(days)) if days is not None else None,
                variables={str(key): str(kind) for key, kind in (row.get("variables") or {}).items()},
                urgent=bool(row.get("urgent")),
                despite=frozenset(str(kind) for kind in row.get("despite") or ()),
            )
        groups = document.get("phrases")
        for group, codes in groups.items() if isinstance(groups, dict) else ():
            for code, words in codes.items():
                name = f"{group}.{code}"
                phrases[name] = phrases.get(name, frozenset()) | {str(words)}
    return Words(messages, phrases)


def asked_of(event: Mapping[str, Any], occurred_at: datetime) -> Asked | None:
    """The notice that an event asks for; None for every other event."""
    notice = event.get("notice")
    if event.get("type") != "notice.requested" or not isinstance(notice, dict):
        return None
    facts = notice.get("facts")
    return Asked(
        event_id=str(event.get("event_id", "")),
        message=str(notice.get("message", "")),
        occurred_at=occurred_at,
        party_id=str(notice.get("party_id") or ""),
        loan_id=str(notice.get("loan_id") or ""),
        facts={str(name): str(value) for name, value in facts.items()} if isinstance(facts, dict) else {},
    )


def purpose_of(message: str, rule: MessageRule | None) -> str:
    """The message's purpose: what is said unasked is no reply. A promotion is one whatever its file calls it."""
    if message in PROMOTIONS:
        return "marketing"
    if rule is not None and rule.purpose:
        return "service" if rule.purpose == "reply" else rule.purpose
    if message in ABOUT_ARREARS:
        return "collection"
    return "servicing" if message in ASKS_FOR_MONEY else "service"


def asks_for_money(message: str, rule: MessageRule | None) -> bool:
    """Whether it is wrong to say once the money has come."""
    declared = rule is not None and (rule.statement or rule.purpose in ("servicing", "collection"))
    return declared or message in ASKS_FOR_MONEY


def is_about_arrears(message: str, rule: MessageRule | None) -> bool:
    return asks_for_money(message, rule) and (
        message in ABOUT_ARREARS or (rule is not None and (rule.statement or rule.purpose == "collection"))
    )


def wrong_asking(said: Said, asked: Asked | None, primary: str, words: Words) -> Iterator[tuple[str, str]]:
    """Whether the core had asked for it, of this party, in these words, and not too long ago."""
    rule = words.messages.get(said.message)
    trigger = "event" if said.episode is None else "case"
    if words.messages and (rule is None or rule.trigger != trigger):
        yield "not_asked", "no declared message of this name is said because something happened"
        return
    if said.episode is not None:
        return
    if asked is None:
        yield "not_asked", "nobody had asked for it"
        return
    if asked.message != said.message:
        yield "not_asked", "another message had been asked for"
        return
    if ("" if asked.party_id == primary else asked.party_id) != said.principal:
        yield "third_party", "it was asked for somebody else"
    ends = asked.occurred_at + (DEFAULT_WITHIN if rule is None else rule.within)
    if said.reserved_at >= ends:
        yield "too_late", f"reserved {_hours(said.reserved_at - ends)} after its time was over"
    elif said.latest > ends:
        yield "too_late", f"it could be felt until {_hours(said.latest - ends)} after its time was over"


def wrong_facts(said: Said, asked: Asked, words: Words) -> Iterator[tuple[str, str]]:
    """Whether the text states the core's facts, all of them, and nothing else."""
    rule = words.messages.get(said.message)
    for name, value in sorted(asked.facts.items()):
        if not _is_stated(value, rule.variables.get(name, "") if rule is not None else "", said, words):
            yield "wrong_amount", f"the text does not state the core's {name}"
            return
    if rule is not None and (missing := _undeclared(asked, rule)):
        yield "wrong_amount", f"the core gave no {missing}, and the text must state it"
        return
    left = without_facts(said, asked, words)
    if rule is not None and rule.statement:
        return  # what is left has to be the statement's
    if left.amounts:
        yield "wrong_amount", "an amount in the text is none of the notice's facts"
    elif left.dates:
        yield "wrong_amount", "a date in the text is none of the notice's facts"
    elif left.days_late:
        yield "wrong_amount", "the text counts days overdue, which nobody asked it to"
    elif set(_percents(said.text)) - {Decimal(value) for value in asked.facts.values() if _NUMBER.fullmatch(value)}:
        yield "wrong_amount", "a percentage in the text is none of the notice's facts"


def without_facts(said: Said, asked: Asked | None, words: Words) -> Reading:
    """What the text states besides the notice's own facts."""
    rule = words.messages.get(said.message)
    values = list(asked.facts.values()) if asked is not None else []
    amounts = {Decimal(m["amount"]): m["currency"] for value in values if (m := _MONEY.fullmatch(value)) is not None}
    days = [date.fromisoformat(value) for value in values if _DAY.fullmatch(value)]
    if rule is not None and rule.reply_within is not None:
        days.append(said.today + rule.reply_within)
    reading = said.reading
    return Reading(
        amounts=tuple(
            amount
            for amount in reading.amounts
            if amount.value not in amounts or (amount.currencies and amounts[amount.value] not in amount.currencies)
        ),
        dates=tuple(stated for stated in reading.dates if not any(stated.is_day(day) for day in days)),
        days_late=reading.days_late,
        days_left=reading.days_left,
        tails=reading.tails,
    )


def wrong_promotion(purpose: str, consents: frozenset[str], days_late: Sequence[int]) -> Iterator[tuple[str, str]]:
    """An offer goes to nobody who did not agree to it, and to nobody who owes."""
    if purpose != "marketing":
        return
    if "marketing" not in consents:
        yield "promotion", "a promotion to somebody who did not agree to any"
    elif any(days >= 1 for days in days_late):
        yield "promotion", "a promotion to somebody in arrears"


def _undeclared(asked: Asked, rule: MessageRule) -> str:
    elsewhere = _FROM_STATEMENT if rule.statement else frozenset({"reply_by", "tail"})
    return min(rule.variables.keys() - elsewhere - asked.facts.keys(), default="")


def _is_stated(value: str, kind: str, said: Said, words: Words) -> bool:
    money = _MONEY.fullmatch(value)
    if money is not None:
        return any(
            amount.value == Decimal(money["amount"])
            and (not amount.currencies or money["currency"] in amount.currencies)
            for amount in said.reading.amounts
        )
    if _DAY.fullmatch(value):
        return any(stated.is_day(date.fromisoformat(value)) for stated in said.reading.dates)
    if kind == "percent":
        return Decimal(value) in set(_percents(said.text))
    if kind == "tail":
        return True  # no message has to name the account; one it names is compared elsewhere
    if kind in ("phrase", "phrases"):
        known = [words.phrases[code] for code in value.split(",") if code in words.phrases]
        return all(any(phrase.casefold() in said.text.casefold() for phrase in phrases) for phrases in known)
    if kind or _NUMBER.fullmatch(value):
        return re.search(rf"(?<![\w.,-]){re.escape(value)}(?![\w-]|[.,]\d)", said.text, re.ASCII) is not None
    return True  # a code, and no file says of what


def _percents(text: str) -> Iterator[Decimal]:
    for found in _PERCENT.finditer(text):
        yield Decimal(found[1].replace(",", "."))


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:.1f} h"
