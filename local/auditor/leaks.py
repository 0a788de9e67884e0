r"""Personal data in logs: everything the evidence knows of people, looked for in every line that was written.

Names are matched whole and as words, in either order; numbers by their last ten digits in any punctuation; addresses
without regard to case; texts by any five words, or six Chinese characters, in a row (figures left out).

Amounts need care, because a log is full of numbers. A planted `500.00` counts

* as a number of its own (`\b` is not enough: `1500.00`, `500.001`, `v1.500.00`, `500.00ms` and `500.00%` are others);
* with cents, or with a currency mark beside it; a bare `500` is far too common to prove anything;
* inside text; a bare JSON number counts only under a key that speaks of money, since a duration of 12.34 ms may well
  equal somebody's late fee;
* never `0.00`, which tells nothing about anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any

from local.auditor.evidence import Evidence, LogLine
from local.auditor.history import loan_of, party_of
from local.auditor.reading import read

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_NUMBERISH = re.compile(r"\+?\d(?:[\s().\-/–]{0,3}\d){6,}")
_EMAIL = re.compile(r"[\w.+\-]+(?:@|%40)[\w\-]+(?:\.[\w\-]+)+", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_LATIN_WORD = re.compile(r"[A-Za-z]+(?:['’\-][A-Za-z]+)*")
_CJK = re.compile(r"[\u3400-\u9fff·]{2,}")
_CENTS = re.compile(
    r"(?<![A-Za-z0-9_.:,])(?P<a>\d{1,3}(?:,\d{3})+\.\d{2}|\d+\.\d{2})(?![A-Za-z0-9_.]*\d|\s?(?:%|％|ms\b|s\b|sec|MB\b|GB\b|KB\b))"
    r"|(?P<cur>[$¥£€₩₹₱￥]|\b(?:CNY|USD|RMB|AUD|TWD|GBP|EUR|KRW|INR)\s?)(?P<b>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"|(?<![A-Za-z0-9_.,])(?P<c>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)\s?(?:元|CNY\b|USD\b|RMB\b|dollars\b|yuan\b)",
)
_MONEY_KEY = re.compile(
    r"amount|total|balance|outstanding|owed|owing|principal|interest|\bfees?\b|instalment|paid", re.IGNORECASE
)
#: A whole number without a mark is money only under a key that leaves no doubt: a total may count anything.
_SURELY_MONEY_KEY = re.compile(r"amount|outstanding|owed|owing|principal", re.IGNORECASE)
_WORDS_IN_A_ROW, _LETTERS_IN_A_ROW = 5, 6
#: A short text of a borrower counts as a whole, if it is long enough to be nobody else's words.
_WHOLE_WORDS, _WHOLE_LENGTH = 4, 18


#: Times and random ids, with the name of their field.
_HARMLESS = re.compile(
    r"(?:\w+: )?(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z|[+-]\d\d:?\d\d)?|"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
)
_MOST_SEEN = 500_000


@dataclass(frozen=True, slots=True)
class Planted:
    """What must not appear, indexed so that one pass over a line is enough."""

    numbers: frozenset[str]
    emails: frozenset[str]
    devices: frozenset[str]
    latin_names: Mapping[str, tuple[tuple[str, ...], ...]]
    cjk_names: frozenset[str]
    amounts: frozenset[Decimal]
    wordings: frozenset[str] = field(repr=False)

    @property
    def size(self) -> int:
        names = sum(len(rest) for rest in self.latin_names.values()) + len(self.cjk_names)
        return len(self.numbers) + len(self.emails) + len(self.devices) + names + len(self.amounts)


def planted(evidence: Evidence) -> Planted:
    """Everything personal in the evidence."""
    numbers: set[str] = set()
    emails: set[str] = set()
    devices: set[str] = set()
    names: set[str] = set()
    amounts: set[Decimal] = set()

    def address(value: str) -> None:
        if re.fullmatch(r"[A-Za-z0-9_-]{28}", value):
            devices.add(value)
        elif value.startswith("arn:"):
            devices.add(value.rpartition("/")[2])
        elif "@" in value:
            emails.add(value.casefold())
        else:
            digits = re.sub(r"\D", "", value)
            if len(digits) >= 7:
                numbers.add(digits[-10:])

    for item in evidence.events:
        profile = item.event.get("borrower")
        if isinstance(profile, dict):
            for party in map(party_of, profile.get("parties", ())):
                names.add(party.name.strip())
                address(party.phone)
                address(party.email)
                address(party.device)
                address(party.openid)
                address(party.whatsapp)
        snapshot = item.event.get("loan")
        if isinstance(snapshot, dict):
            loan = loan_of(snapshot)
            amounts.update(instalment.outstanding for instalment in loan.instalments)
            amounts.update(loan.overdue.values())
        payment = item.event.get("payment")
        if isinstance(payment, dict) and payment.get("amount") is not None:
            amounts.add(Decimal(str(payment["amount"])))
    for hand_over in evidence.hand_overs:
        address(hand_over.to)
        amounts.update(amount.value for amount in read(hand_over.text).amounts)
    for inbound in evidence.inbound:
        address(inbound.sender)
    names.discard("")
    latin: dict[str, set[tuple[str, ...]]] = {}
    cjk: set[str] = set()
    for name in names:
        if _CJK.fullmatch(name):
            cjk.add(name)
            continue
        words = tuple(word.casefold() for word in _WORD.findall(name))
        if len(words) >= 2 or len("".join(words)) >= 6:
            latin.setdefault(words[0], set()).add(words)
            latin.setdefault(words[-1], set()).add((words[-1], *words[:-1]))
    return Planted(
        numbers=frozenset(numbers),
        emails=frozenset(emails),
        devices=frozenset(devices),
        latin_names={first: tuple(sorted(rest)) for first, rest in latin.items()},
        cjk_names=frozenset(cjk),
        amounts=frozenset(amount for amount in amounts if amount > 0),
        wordings=_wordings(evidence),
    )


def _wordings(evidence: Evidence) -> frozenset[str]:
    grams: set[str] = set()
    for text in {*(h.text for h in evidence.hand_overs), *(i.text for i in evidence.inbound)}:
        words = _words_of(text)
        grams.update(_rows_of(words, _WORDS_IN_A_ROW))
        if len(words) == _WHOLE_WORDS and len(" ".join(words)) >= _WHOLE_LENGTH:
            grams.add(" ".join(words))
        grams.update(_cjk_rows(text))
    return frozenset(grams)


def _words_of(text: str) -> list[str]:
    return [word.casefold() for word in _LATIN_WORD.findall(text)]


def _rows_of(words: Sequence[str], size: int) -> Iterator[str]:
    for begin in range(len(words) - size + 1):
        yield " ".join(words[begin : begin + size])


def _cjk_rows(text: str) -> Iterator[str]:
    for run in _CJK.finditer(text):
        letters = run.group()
        for begin in range(len(letters) - _LETTERS_IN_A_ROW + 1):
            yield letters[begin : begin + _LETTERS_IN_A_ROW]


def leaks_in(line: LogLine, known: Planted, seen: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What a log line gives away: by class, never by value. `seen` keeps what was judged before, for speed."""
    if line.document is None:
        return _leaks(_unescaped(line.text), known)
    found: dict[str, None] = {}
    for text in _texts(line.document, known):
        if _HARMLESS.fullmatch(text):
            continue
        leaks = seen.get(text)
        if leaks is None:
            leaks = _leaks(text, known)
            if len(seen) < _MOST_SEEN:
                seen[text] = leaks
        for what in leaks:
            found[what] = None
    return tuple(found)


def _texts(value: Any, known: Planted, key: str = "") -> Iterator[str]:
    match value:
        case str():
            yield _unescaped(f"{key}: {value}" if key else value)
        case bool() | None:
            pass
        case int() | float():
            speaks_of_money = _SURELY_MONEY_KEY if isinstance(value, int) else _MONEY_KEY
            if speaks_of_money.search(key) and Decimal(str(value)) in known.amounts:
                yield f"¥{Decimal(str(value)):.2f}"
            elif isinstance(value, int) and len(str(value)) in (10, 11, 12):
                yield str(value)
        case dict():
            counts = _counts(value)
            for name, inner in value.items():
                if name not in counts:
                    yield from _texts(inner, known, str(name))
        case list():
            for inner in value:
                yield from _texts(inner, known, key)


def _counts(document: dict[Any, Any]) -> frozenset[str]:
    """The names under which a line of metrics counts something (CloudWatch's embedded metric format): a whole number
    there is how often a thing happened, whatever its name sounds like."""
    declared = document.get("_aws")
    directives = declared.get("CloudWatchMetrics") if isinstance(declared, dict) else None
    return frozenset(
        str(metric.get("Name"))
        for directive in directives or ()
        for metric in directive.get("Metrics", ())
        if metric.get("Unit") == "Count" and _is_whole(document.get(metric.get("Name")))
    )


def _is_whole(counted: Any) -> bool:
    values = counted if isinstance(counted, list) else [counted]
    return all(isinstance(value, (int, float)) and value == int(value) for value in values)


def _leaks(text: str, known: Planted) -> tuple[str, ...]:
    """The cheap questions come first: most strings of a log are times, ids and fixed messages."""
    found: list[str] = []
    several_words = " " in text or "_" in text or "," in text
    foreign = not text.isascii()
    if _has_number(text, known.numbers):
        found.append("a phone number")
    if ("@" in text or "%40" in text) and any(
        match.group().replace("%40", "@").casefold() in known.emails for match in _EMAIL.finditer(text)
    ):
        found.append("an e-mail address")
    if any(device in text for device in known.devices):
        found.append("a device or an openid")
    if (several_words or foreign) and _has_name(text, known):
        found.append("a name")
    for match in _CENTS.finditer(text):
        written = match["a"] or match["b"] or match["c"]
        if Decimal(written.replace(",", "")) in known.amounts:
            found.append("an amount")
            break
    if (several_words or foreign) and _has_wording(text, known.wordings):
        found.append("the wording of a text")
    return tuple(found)


def _has_number(text: str, numbers: frozenset[str]) -> bool:
    for match in _NUMBERISH.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        for begin in range(len(digits) - 9):
            if digits[begin : begin + 10] in numbers:
                return True
        if len(digits) < 10 and digits in numbers:
            return True
    return False


def _has_wording(text: str, wordings: frozenset[str]) -> bool:
    words = _words_of(text)
    rows = chain(_rows_of(words, _WORDS_IN_A_ROW), _rows_of(words, _WHOLE_WORDS), _cjk_rows(text))
    return any(row in wordings for row in rows)


def _has_name(text: str, known: Planted) -> bool:
    if known.cjk_names:
        for run in _CJK.finditer(text):
            letters = run.group()
            for begin in range(len(letters) - 1):
                if any(letters[begin : begin + size] in known.cjk_names for size in (2, 3, 4, 5)):
                    return True
    if known.latin_names:
        words = [word.casefold() for word in _WORD.findall(text.replace("_", " "))]
        for index, word in enumerate(words):
            for name in known.latin_names.get(word, ()):
                if tuple(words[index : index + len(name)]) == name:
                    return True
    return False


def _unescaped(text: str) -> str:
    """`\\u5f20` as the letter it is, so that escaping hides nothing; `%20` and `+` as the space."""
    if "\\u" in text:
        text = _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text.replace("\\\\u", "\\u"))
    return text.replace("\\n", "\n").replace("%20", " ").replace("%2B", "+")
