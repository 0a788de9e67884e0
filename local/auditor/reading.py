"""What a text says: amounts, dates, days, accounts, who speaks, how to stop. Read from the words alone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

_WIDE = str.maketrans("０１２３４５６７８９￥．＄", "0123456789¥.$")

#: What a currency mark can stand for. A mark that several currencies share proves only that it is one of them.
_CURRENCIES: dict[str, frozenset[str]] = {
    "US$": frozenset({"USD"}),
    "A$": frozenset({"AUD"}),
    "NT$": frozenset({"TWD"}),
    "$": frozenset({"USD", "AUD", "TWD"}),
    "¥": frozenset({"CNY"}),
    "人民币": frozenset({"CNY"}),
    "RMB": frozenset({"CNY"}),
    "元": frozenset({"CNY", "TWD"}),
    "圆": frozenset({"CNY", "TWD"}),
    "美元": frozenset({"USD"}),
    "dollars": frozenset({"USD", "AUD", "TWD"}),
    "yuan": frozenset({"CNY"}),
    "£": frozenset({"GBP"}),
    "€": frozenset({"EUR"}),
    "₩": frozenset({"KRW"}),
    "₹": frozenset({"INR"}),
    "₱": frozenset({"PHP"}),
    "Rp": frozenset({"IDR"}),
} | {code: frozenset({code}) for code in ("CNY", "USD", "TWD", "AUD", "GBP", "EUR", "INR", "PHP", "IDR", "KRW")}

_CODES = r"CNY|USD|TWD|AUD|GBP|EUR|INR|PHP|IDR|KRW|RMB"
_AMOUNT = re.compile(
    rf"(?:(?P<before>US\$|NT\$|A\$|[$¥£€₩₹₱]|人民币|Rp|{_CODES})\s?[¥$]?\s?|(?<![0-9A-Za-z.,/-]))"
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![0-9]|,\d|\.\d)"
    rf"(?P<wan>\s?万)?(?:\s?(?P<after>元|圆|美元|dollars|yuan|{_CODES})(?![A-Za-z]))?(?P<percent>\s?[%％])?"
)

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",), ("june", "jun"),
            ("july", "jul"), ("august", "aug"), ("september", "sept", "sep"), ("october", "oct"),
            ("november", "nov"), ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"(?P<year>\d{4})\s?年\s?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号]"),
    re.compile(r"(?<![\d年])(?P<year>)(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号]"),
    re.compile(r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?!\d)"),
    re.compile(
        rf"\b(?P<name>{_MONTH})\b\.?\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\d.,]\d|\d)(?:,?\s(?P<year>\d{{4}})\b)?",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s(?P<name>{_MONTH})\b\.?(?:,?\s(?P<year>\d{{4}})\b)?", re.IGNORECASE
    ),
    re.compile(r"(?<![\d/])(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d{2})(?![\d/])"),
)
_DAYS_LATE = (
    re.compile(r"逾期\s?(?:天数|日数)?\s?(?:已|已经|了|达|为|共|[:：])*\s?(\d+)\s?[天日]"),
    re.compile(r"已(?:经)?过(?:了|期)?\s?(\d+)\s?[天日]"),
    re.compile(
        r"(?<![\d.])(\d+)\s(?:calendar\s)?days?\s(?:past\sdue|overdue|late|behind|past\sits\sdue)", re.IGNORECASE
    ),
    re.compile(r"(?:past\sdue|overdue|late)\s(?:by|for)\s(\d+)\sdays?", re.IGNORECASE),
)
_DAYS_LEFT = (
    re.compile(r"(?:还有|还剩|剩余)\s?(\d+)\s?[天日]"),
    re.compile(r"(?<![\d.])(\d+)\s?[天日]后\s?(?:到期|应还|是您|为您)"),
    re.compile(r"\bdue\s(?:on\s\w+\s)?in\s(\d+)\sdays?\b", re.IGNORECASE),
)
_DUE_TODAY = re.compile(
    r"\b(?:is|falls)\sdue\stoday\b|\bdue\stoday\b|(?:今天|今日)(?:到期|应还|是(?:您的?)?还款日|为(?:您的?)?还款日)",
    re.IGNORECASE,
)
_DUE_TOMORROW = re.compile(
    r"\bdue\stomorrow\b|(?:明天|明日)(?:到期|应还|是(?:您的?)?还款日|为(?:您的?)?还款日)", re.IGNORECASE
)
_NAMED_TAIL = re.compile(
    r"(?:尾号|末四位|末4位|ending(?:\sin|\swith)?|account|acct\.?|loan|[*•…x]{2,}|\.\.\.)\s?(?:为|是|[:：#])?\s?[*•…]*"
    r"\s?(\d{3,6})(?![\d.,/-]?\d)",
    re.IGNORECASE,
)

_LISTED_TAIL = re.compile(r"(?<![\d.,/-])(\d{3,6})\s?[:：]\s?(?:[$¥£€]|[A-Z]{3}\s?\d)")

_FORBIDDEN = tuple(
    (label, re.compile(pattern, re.IGNORECASE))
    for label, pattern in (
        ("the word 警告", r"警告"),
        ("a warning instead of a notice", r"\bwarning\b"),
        ("a threat of arrest or prison", r"\barrest|\bjail|\bprison|逮捕|坐牢|拘留|牢狱|判刑"),
        ("an authority is invoked", r"\bpolice\b|\bcriminal|\bwarrant\b|\bsheriff|公安|派出所|报警|刑事|检察院|经侦"),
        ("a threat of seizure", r"\bgarnish|\bseize\b|\bseizure|查封|冻结您|强制执行"),
        (
            "a threat to tell others",
            (
                r"tell your (?:family|friends|employer|boss)|contact your (?:family|friends|employer|boss)|"
                r"通知您的?(?:家人|亲友|单位|同事|紧急联系人)|联系您的?(?:家人|亲友|单位|同事)|通讯录|曝光|爆通讯"
            ),
        ),
        ("shaming", r"\bdeadbeat|\bshame|老赖|赖账|失信人|丢人"),
        ("a threat in general", r"后果自负|上门催收|上门核实|不客气|\bor else\b|\bface the consequences"),
        ("pressure to borrow again", r"借新还旧|再借一笔|\bnew loan to (?:pay|repay)|\bborrow more to (?:pay|repay)"),
    )
)
_OPT_OUT_LINE = re.compile(
    r"\b(?:reply|text|send)\b[^.。]{0,24}\b(?:STOP|END|QUIT|CANCEL|UNSUBSCRIBE)\b|\bSTOP to\b|\bopt[ -]?out\b|"
    r"\bunsubscribe\b|退订|拒收|(?:回复?|发送)\s?[\"“「]?(?:TD|T|N|R)(?![A-Za-z])",
    re.IGNORECASE,
)
#: By e-mail a call will do: a number, and that it ends the messages, in one sentence.
_OPT_OUT_CALL = re.compile(r"\bcall\b[^.。\n]*\d[^.。\n]*\bstop\b|致电[^.。\n]*\d[^.。\n]*停止", re.IGNORECASE)
_IDENTITY_ZH = re.compile(r"^\s*【[^】\s][^】]{0,29}】")
_IDENTITY_EN = re.compile(
    r"^\s*(?:【[^】\s][^】]{0,29}】|\[[^\]\s][^\]]{0,29}\]|[A-Z][\w&'’.\- ]{1,39}:\s)|"
    r"\b(?:this is|from|by|with|to|at|your|for|of|is|on behalf of)\s(?!Reply|STOP|Text)[A-Z][\w&'’]+"
    r"(?:\s[A-Z][\w&'’]+)*\s(?:Bank|Credit|Finance|Financial|Lending|Loans?|Capital|Money|Union)\b"
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money in a text. `currencies` is empty where the text does not say."""

    value: Decimal
    currencies: frozenset[str]


@dataclass(frozen=True, slots=True)
class StatedDate:
    """A date as written; texts often leave the year out."""

    year: int | None
    month: int
    day: int

    def is_day(self, day: date) -> bool:
        return (self.month, self.day) == (day.month, day.day) and self.year in (None, day.year)

    def near(self, today: date) -> date | None:
        """The day that is meant, read on `today`: without a year the closest one. None for 30 February."""
        years = (self.year,) if self.year is not None else (today.year - 1, today.year, today.year + 1)
        days = []
        for year in years:
            with suppress(ValueError):
                days.append(date(year, self.month, self.day))
        return min(days, key=lambda day: abs(day - today), default=None)


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a text states."""

    amounts: tuple[Amount, ...]
    dates: tuple[StatedDate, ...]
    days_late: tuple[int, ...]
    days_left: tuple[int, ...]
    tails: tuple[str, ...]


@lru_cache(maxsize=65536)
def read(text: str) -> Reading:
    """Everything a text states that can be compared with the core's figures."""
    plain = text.translate(_WIDE)
    dates, without_dates = _dates(plain)
    days_left = tuple(int(m.group(1)) for pattern in _DAYS_LEFT for m in pattern.finditer(plain))
    if _DUE_TODAY.search(plain):
        days_left += (0,)
    if _DUE_TOMORROW.search(plain):
        days_left += (1,)
    return Reading(
        amounts=tuple(_amounts(without_dates)),
        dates=dates,
        days_late=tuple(int(m.group(1)) for pattern in _DAYS_LATE for m in pattern.finditer(plain)),
        days_left=days_left,
        tails=tuple(m.group(1) for pattern in (_NAMED_TAIL, _LISTED_TAIL) for m in pattern.finditer(without_dates)),
    )


def _amounts(text: str) -> Iterable[Amount]:
    for found in _AMOUNT.finditer(text):
        if found["percent"]:
            continue
        number = found["number"]
        marks = [mark for mark in (found["before"], found["after"]) if mark]
        # A bare number is an amount only where it is written like one, with cents.
        if not marks and not found["wan"] and not re.search(r"\.\d{2}$", number):
            continue
        value = Decimal(number.replace(",", ""))
        if found["wan"]:
            value *= 10000
        currencies: frozenset[str] = frozenset()
        for mark in marks:
            meant = _CURRENCIES.get(mark) or _CURRENCIES.get(mark.upper()) or _CURRENCIES.get(mark.lower())
            if meant:
                currencies = (currencies & meant) or meant
        yield Amount(value, currencies)


@lru_cache(maxsize=256)
def _dates(text: str) -> tuple[tuple[StatedDate, ...], str]:
    found: list[tuple[int, StatedDate]] = []
    for pattern in _DATES:
        kept = []
        for match in pattern.finditer(text):
            groups = match.groupdict()
            name = groups.get("name")
            month = _MONTHS[name.lower()] if name else int(groups["month"])
            year = int(groups["year"]) if groups.get("year") else None
            if year is not None and year < 100:
                year += 2000
            if 1 <= month <= 12 and 1 <= int(groups["day"]) <= 31:
                found.append((match.start(), StatedDate(year, month, int(groups["day"]))))
                kept.append(match.span())
        for begin, end in kept:  # blanked, so that no other pattern reads the same figures again
            text = text[:begin] + "□" * (end - begin) + text[end:]
    return tuple(stated for _, stated in sorted(found, key=lambda item: item[0])), text


def mentions_tail(text: str, tail: str) -> bool:
    """Whether the text names this account by its last digits, as a number of its own."""
    if not tail:
        return False
    _, plain = _dates(text.translate(_WIDE))
    return re.search(rf"(?<![\d.,/-]){re.escape(tail)}(?![\d/-]|[.,]\d|\s?[天日元])", plain) is not None


def forbidden_words(text: str) -> tuple[str, ...]:
    """What a text must never say, by the name of its class."""
    return tuple(label for label, pattern in _FORBIDDEN if pattern.search(text))


def has_opt_out_line(text: str, *, by_call: bool = False) -> bool:
    """Whether the text says how to stop such texts: by an answer or, where `by_call` may do, on the telephone."""
    return _OPT_OUT_LINE.search(text) is not None or (by_call and _OPT_OUT_CALL.search(text) is not None)


def has_identity(text: str, names: Iterable[str] = ()) -> bool:
    """Whether the text says who speaks: 【signature】 in Chinese; in English a name in front, or a lender's name."""
    folded = text.casefold()
    if any(name.casefold() in folded for name in names if name):
        return True
    pattern = _IDENTITY_ZH if re.search(r"[\u4e00-\u9fff]", text) else _IDENTITY_EN
    return pattern.search(text) is not None
