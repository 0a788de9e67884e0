"""The figures of a text, found by a reader that knows its locale and nothing of who wrote it, or with what template.

It finds an amount by its currency mark or its form (1,234.50), a date by its month, a number of days by its unit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache

from babel import Locale
from babel.dates import format_date
from babel.numbers import NumberFormatError, get_currency_symbol, parse_decimal

from dunlin.domain.money import MINOR_UNITS
from dunlin.domain.segments import GSM_ALPHABET
from dunlin.errors import ContentError

__all__ = [
    "IN_GSM",
    "PATTERNS",
    "ReadBack",
    "SeenDate",
    "babel_locale",
    "can_read_back",
    "language_of",
    "leaves_gsm",
    "read_back",
    "without_dates",
]

#: Where a text message stays in GSM-7, so nothing that is filled in may leave it.
IN_GSM = frozenset({"en", "id"})


@dataclass(frozen=True, slots=True)
class MoneyForm:
    """How a currency is written where CLDR's way is not people's. `whole`: an even amount has no decimals."""

    prefix: str = ""
    suffix: str = ""
    sms_prefix: str = ""  # where the sign would turn a text message into UCS-2
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Language:
    """What a writer and a reader of figures have to know of a language."""

    short_date: str
    day_counts: re.Pattern[str]
    money: Mapping[str, MoneyForm] = field(default_factory=dict)


PATTERNS = {0: "#,##0", 2: "#,##0.00", 3: "#,##0.000"}
_EN_DAYS = re.compile(r"(\d+)\s+(?:calendar\s+)?days?\b", re.IGNORECASE)
_ZH_DAYS = re.compile(r"(\d+)\s*[天日](?!期)")
_LANGUAGES: Mapping[str, Language] = {
    "en-US": Language("MMM d", _EN_DAYS),
    "en-GB": Language("d MMM", _EN_DAYS),
    "en-AU": Language("d MMM", _EN_DAYS),
    "en-IN": Language("d MMM", _EN_DAYS, {"INR": MoneyForm(prefix="₹", sms_prefix="Rs ")}),
    "es-US": Language("d MMM", re.compile(r"(\d+)\s+d[ií]as?\b", re.IGNORECASE)),
    "zh-CN": Language("M月d日", _ZH_DAYS, {"CNY": MoneyForm(prefix="¥")}),
    "zh-TW": Language("M月d日", _ZH_DAYS, {"CNY": MoneyForm(prefix="¥")}),
    "ko-KR": Language("M월 d일", re.compile(r"(\d+)\s*일(?!부)"), {"KRW": MoneyForm(suffix="원", whole=True)}),
    "id-ID": Language(
        "d MMM", re.compile(r"(\d+)\s+hari\b", re.IGNORECASE), {"IDR": MoneyForm(prefix="Rp", whole=True)}
    ),
}


def language_of(locale: str) -> Language:
    try:
        return _LANGUAGES[locale]
    except KeyError:
        raise ContentError("templates:1", "locale", f"{locale} has no reader for its figures yet") from None


@lru_cache(maxsize=16)
def babel_locale(name: str) -> Locale:
    language_of(name)
    return Locale.parse(name.replace("-", "_"))


@dataclass(frozen=True, slots=True)
class SeenDate:
    """A date in a text; a short one has no year."""

    month: int
    day: int
    year: int | None = None

    def is_day(self, day: date) -> bool:
        return (self.month, self.day) == (day.month, day.day) and self.year in (None, day.year)


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What figures a text carries. `unreadable`: money in a form, or of a currency, that the statement is not in."""

    amounts: frozenset[Decimal] = frozenset()
    dates: frozenset[SeenDate] = frozenset()
    day_counts: frozenset[int] = frozenset()
    percents: frozenset[Decimal] = frozenset()
    unreadable: bool = False


_NUMBER = r"\d+(?:[,.]\d+)*"
_GROUPED = re.compile(r"[,.]\d{3}(?!\d)")
#: Words that make a number money, whatever its form.
_MONEY_WORDS = (
    r"(?:dollars?|cents?|bucks|yuan|rmb|pounds?|pence|rupees?|lakhs?|rupiah|ribu|juta|dólares|centavos|pesos"
    r"|元|圆|圓|块|塊|角|万|萬|人民币|人民幣|美元|美金|원|만원)"
)


def can_read_back(locale: str) -> bool:
    """Whether there is a reader for the figures of this locale."""
    return locale in _LANGUAGES


def read_back(text: str, locale: str, currency: str) -> ReadBack:
    """The figures in `text`, found by their form alone. `currency` is the statement's; empty where there is none."""
    parsed = babel_locale(locale)
    percents, without = _percents(text, parsed)
    amounts, unreadable = _amounts(without, locale, currency)
    dates, rest = _dates(text, parsed)
    day_counts = frozenset(int(match[1]) for match in language_of(locale).day_counts.finditer(rest))
    return ReadBack(amounts, dates, day_counts, percents, unreadable)


_PERCENT = re.compile(r"(\d+(?:[.,]\d+)?)\s?[%％]")


def _percents(text: str, locale: Locale) -> tuple[frozenset[Decimal], str]:
    """The percentages in `text`, and the text without them: 11.75 is no amount there."""
    found = set()
    for match in _PERCENT.finditer(text):
        try:
            found.add(parse_decimal(match[1], locale=locale, strict=True))
        except NumberFormatError:
            found.add(Decimal(-1))  # a percentage, but not as this locale writes one
    return frozenset(found), _PERCENT.sub(" ", text)


def _amounts(text: str, locale: str, currency: str) -> tuple[frozenset[Decimal], bool]:
    parsed = babel_locale(locale)
    befores, afters = _marks(currency, locale) if currency else (frozenset({""}), frozenset({""}))
    separators = parsed.number_symbols["latn"]
    decimal, group = separators["decimal"], separators["group"]
    amounts: set[Decimal] = set()
    unreadable = False
    for match in _money_pattern().finditer(text):
        before, number, after = (match["before"] or "").strip(), match["number"], (match["after"] or "").strip()
        digits = number.rpartition(decimal)[2] if decimal in number else ""
        # Where dots group, one also stands in hours (08.00), and a comma in rates; where commas group, one says money.
        grouped = _GROUPED.search(number) is not None or ("," in number and ("." in number or group == ","))
        if not (before or after or len(digits) == 2 or grouped):
            continue
        try:
            amount = parse_decimal(number, locale=parsed, strict="," not in number or locale != "en-IN")
        except NumberFormatError:
            unreadable = True
            continue
        if before not in befores or after not in afters:
            unreadable = True  # money, but not written as this locale writes this currency
        amounts.add(amount)
    return frozenset(amounts), unreadable


@lru_cache(maxsize=64)
def _marks(currency: str, locale: str) -> tuple[frozenset[str], frozenset[str]]:
    """What stands before and behind an amount of this currency in this locale."""
    form = language_of(locale).money.get(currency)
    if form is None:
        parsed = babel_locale(locale)
        code = {currency} if leaves_gsm(currency, parsed) else set()
        return frozenset({_symbol(currency, parsed), *code}), frozenset({""})
    prefixes = {form.prefix.strip(), form.sms_prefix.strip()} if form.sms_prefix else {form.prefix.strip()}
    return frozenset(prefixes), frozenset({form.suffix})


def leaves_gsm(currency: str, locale: Locale) -> bool:
    """Whether the sign would turn a text message that stays in GSM-7 into UCS-2; the currency's code stands for it."""
    return locale.language in IN_GSM and not GSM_ALPHABET.issuperset(_symbol(currency, locale))


@lru_cache(maxsize=64)
def _symbol(currency: str, locale: Locale) -> str:
    return get_currency_symbol(currency, locale=locale)


@lru_cache(maxsize=1)
def _money_pattern() -> re.Pattern[str]:
    symbols = "".join(chr(point) for point in range(0x20, 0x10000) if unicodedata.category(chr(point)) == "Sc")
    codes = "|".join(sorted(MINOR_UNITS))
    mark = rf"(?:[A-Z]{{1,3}})?[{re.escape(symbols)}]|(?<![A-Za-z0-9])(?:{codes}|RMB|Rs\.?|Rp\.?)|人民币|人民幣"
    return re.compile(
        rf"(?P<before>(?:{mark})\s?[-+]?)?(?<![\d.,])(?P<number>{_NUMBER})"
        rf"(?P<after>\s?(?:[{re.escape(symbols)}]|{_MONEY_WORDS}|(?:{codes})\b))?",
        re.IGNORECASE,
    )


def _dates(text: str, locale: Locale) -> tuple[frozenset[SeenDate], str]:
    """The dates in `text`, and the text without them: a day of a month can look like a number of days.

    One that no calendar has, such as `0 mar`, is found too: it is no date that a text may carry.
    """
    found: set[SeenDate] = set()
    patterns = list(_WRITTEN_DATES)
    names: Mapping[str, int] = {}
    months = _months(locale)
    if months is not None:
        names, by_name = months
        patterns.append(by_name)
    for pattern in (*patterns, *_NUMERIC_DATES):
        for match in pattern.finditer(text):
            month = names.get(match["month"].rstrip(".").casefold()) or int(match["month"])
            day = int(match["day"])
            if pattern not in _NUMERIC_DATES or (1 <= month <= 12 and 1 <= day <= 31):  # 24/7 is no date
                found.add(SeenDate(month, day, int(match["year"]) if match["year"] else None))
        text = pattern.sub(" ", text)
    return frozenset(found), text


def without_dates(text: str, locale: str) -> str:
    """The text without the days that it names by number or month."""
    return _dates(text, babel_locale(locale))[1]


_WRITTEN_DATES = (
    re.compile(r"(?:(?P<year>\d{4})\s?年\s?)?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号號]"),
    re.compile(r"(?:(?P<year>\d{4})\s?년\s?)?(?P<month>\d{1,2})\s?월\s?(?P<day>\d{1,2})\s?일"),
)
_NUMERIC_DATES = (
    re.compile(r"(?<![\d-])(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?![\d-])"),
    re.compile(r"(?<![\d/])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?:/(?P<year>\d{4}))?(?![\d/])"),
)


@lru_cache(maxsize=16)
def _months(locale: Locale) -> tuple[dict[str, int], re.Pattern[str]] | None:
    """Month names as letters, where the locale has them; the order of day and month is the locale's.

    They are taken from written dates: Babel's names that stand alone can be those of a language that was asked before.
    """
    names = {
        format_date(date(2026, number, 1), width, locale=locale).rstrip(".").casefold(): number
        for width in ("MMMM", "MMM")
        for number in range(1, 13)
    }
    if locale.language == "en":
        names["sept"] = 9
    if any(not name.isalpha() or any(c.isdigit() for c in name) or name[-1] in "月월" for name in names):
        return None
    month = rf"(?P<month>{'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})\b\.?"
    if (locale.language, locale.territory) == ("en", "US"):
        shape = rf"\b{month}\s(?P<day>\d{{1,2}})\b(?!:\d)(?:,\s(?P<year>\d{{4}})\b)?"
    else:
        of = r"\s(?:de\s)?" if locale.language == "es" else r"\s"
        shape = rf"(?<![\d.,])(?P<day>\d{{1,2}}){of}{month}(?:{of}(?P<year>\d{{4}})\b)?"
    return names, re.compile(shape, re.IGNORECASE)
