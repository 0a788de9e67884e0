"""What the core asks to be said: checked against the message it names, and kept until it is said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Protocol

from dunlin.domain.borrower import Borrower, Letter, Loan, Notice
from dunlin.domain.message import Figure
from dunlin.domain.money import parse_money
from dunlin.domain.notices import asks_for_money
from dunlin.domain.parties import principal_of
from dunlin.domain.policy import NoticeRule
from dunlin.domain.words import PartyRole
from dunlin.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from dunlin.domain.facts import NoticeRequested

#: More than a borrower could ever be told in a month: the core is telling us something else.
MOST_NOTICES = 200

#: What a statement, or the calendar, says of itself.
_FROM_STATEMENT = frozenset({"tail", "total", "fees", "due_on", "days", "accounts", "items", "reply_by"})
_FORMS = {
    "percent": re.compile(r"\d{1,3}(\.\d{1,4})?"),
    "count": re.compile(r"\d{1,4}"),
    "reference": re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,11}"),
    "tail": re.compile(r"\d{2,4}"),
}
_PROBLEMS = {
    "percent": "must be a number of per cent, such as 12.5",
    "count": "must be a whole number",
    "reference": "must be letters, digits and hyphens, at most twelve",
    "tail": "must be the last two to four digits",
}


class Words(Protocol):
    """What has to be known of the content."""

    @property
    def notices(self) -> Mapping[str, NoticeRule]: ...

    def has_phrase(self, code: str) -> bool: ...


def noticed(borrower: Borrower, event: NoticeRequested, words: Words) -> Borrower:
    """The borrower who is to be told this, and the letter that goes with it asked for.

    Raises:
        InvalidInput: no such message, or facts that are not the ones it states.
        NotFound: a party or loan that is not known (yet).
    """
    rule = words.notices.get(event.message)
    if rule is None or not rule.from_core:
        raise InvalidInput("notice.message", "is not a message that the core asks for")
    party_id = _party(borrower, event.party_id)
    loan = _loan(borrower, event.loan_id)
    if loan is None and asks_for_money(rule):
        raise InvalidInput("notice.loan_id", "must be set: what asks for money is held against a loan")
    _check(rule, event.facts, loan, words)
    if any(notice.notice_id == event.event_id for notice in borrower.notices):
        return borrower
    if len(borrower.notices) >= MOST_NOTICES:
        raise InvalidInput("notice", f"one borrower is told at most {MOST_NOTICES} things in a month")
    loan_ids = (loan.loan_id,) if loan is not None else ()
    notice = Notice(event.event_id, event.message, event.occurred_at, party_id, loan_ids, event.facts)
    after = replace(borrower, notices=(*borrower.notices, notice))
    if not rule.letter:
        return after
    letter = Letter(event.event_id, rule.letter, event.message, event.occurred_at, event.event_id, party_id, loan_ids)
    return replace(after, letters=(*after.letters, letter))


def _party(borrower: Borrower, party_id: str) -> str:
    """The further party that is meant; empty for the primary borrower."""
    if not party_id:
        return ""
    party = next((party for party in borrower.parties if party.party_id == party_id), None)
    if party is None:
        raise NotFound("notice.party_id")
    if party.role is PartyRole.PRIMARY:
        return ""
    if principal_of(borrower, party_id) is None:
        raise InvalidInput("notice.party_id", "a representative is told in the place of whom they represent: name them")
    return party_id


def _loan(borrower: Borrower, loan_id: str) -> Loan | None:
    if not loan_id:
        return None
    found = next((loan for loan in borrower.loans if loan.loan_id == loan_id), None)
    if found is None:
        raise NotFound("notice.loan_id")
    return found


def _check(rule: NoticeRule, facts: tuple[Figure, ...], loan: Loan | None, words: Words) -> None:
    """That the facts are those that the message states, each of its kind."""
    elsewhere = _FROM_STATEMENT if rule.statement else {"reply_by"} | ({"tail"} if loan is not None else set())
    wanted = {name: kind for name, kind in rule.variables.items() if name not in elsewhere}
    told = {fact.name: fact.value for fact in facts}
    for name in sorted(wanted.keys() - told.keys()):
        raise InvalidInput(f"notice.facts.{name}", "must be set")
    if told.keys() - wanted.keys():
        raise InvalidInput("notice.facts.(unknown field)", "is not a fact that this message states")
    currencies = {loan.currency} if loan is not None else set()
    for name, value in told.items():
        problem = _problem(wanted[name], value, currencies, words)
        if problem:
            raise InvalidInput(f"notice.facts.{name}", problem)


def _problem(kind: str, value: str, currencies: set[str], words: Words) -> str:
    match kind:
        case "money":
            return _money_problem(value, currencies)
        case "date":
            return "" if _is_date(value) else "must be a date, such as 2026-05-06"
        case "phrase":
            return "" if words.has_phrase(value) else "is a code nobody approved words for"
        case "phrases":
            known = all(words.has_phrase(code) for code in value.split(","))
            return "" if known else "has a code nobody approved words for"
        case _ if kind in _FORMS:
            return "" if _FORMS[kind].fullmatch(value) else _PROBLEMS[kind]
        case _:
            return "is nothing that the core says"


def _money_problem(value: str, currencies: set[str]) -> str:
    """One text speaks of one currency: the loan's, or that of the first amount."""
    amount, _, currency = value.partition(" ")
    try:
        money = parse_money(amount, currency)
    except ValueError as problem:
        return str(problem)
    if not money.is_positive:
        return "must be above zero"
    if currencies and money.currency not in currencies:
        return "is in another currency"
    currencies.add(money.currency)
    return ""


def _is_date(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
