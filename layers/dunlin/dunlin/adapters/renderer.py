"""Texts from facts, at the last moment, read back before anybody else reads them.

A template gets only what its header declares, already written the way its locale writes it. What comes out is read
again by a reader that knows the text and the locale but not the template: every amount and date in it must be one of
the statement's, and the figures the template declares must be there. A text that fails is never sent.

The reader finds an amount by its currency mark or its form (1,234.50), a date by its month, a number of days by its
unit. Telephone numbers and account tails have none of these, and names have no digits, because `short_name` takes
them away.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from babel import Locale
from babel.dates import format_date, get_month_names
from babel.numbers import NumberFormatError, format_currency, get_currency_symbol, parse_decimal
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dunlin.domain.message import Figure
from dunlin.domain.money import MINOR_UNITS, Money
from dunlin.domain.segments import GSM_ALPHABET, segment
from dunlin.domain.words import Channel
from dunlin.errors import ContentError, FiguresMismatch
from dunlin.services import ports

if TYPE_CHECKING:
    import jinja2

    from dunlin.content.model import Content, Template
    from dunlin.domain.statement import Statement

__all__ = ["ReadBack", "Renderer", "figures_of", "read_back", "short_name"]

#: More loans than this are named by their number and total only: a list nobody can read helps nobody.
MOST_ITEMS = 4
_LONGEST_NAME = {"en": 20, "zh": 12}


@dataclass(frozen=True, slots=True)
class Item:
    """One loan of several, as a template writes it."""

    tail: str
    amount: str
    due_on: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    body: jinja2.Template
    subject: jinja2.Template | None
    #: Numbers of days that the template itself says ("within 7 days"), which are not the borrower's.
    own_day_counts: frozenset[int]


class Renderer:
    """Templates compiled once, on first use."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._compiled: dict[tuple[str, str, Channel], _Compiled] = {}

    def render(self, request: ports.RenderRequest) -> ports.Rendered:
        """The text of one message.

        Raises:
            ContentError: there is no such text, or it cannot be rendered.
            FiguresMismatch: the text does not carry exactly the statement's figures. Its values are not in the error.
        """
        template = self._content.template(request.template, request.locale, request.channel)
        compiled = self._compile(template)
        variables = self._variables(template, request)
        try:
            body = compiled.body.render(variables)
            subject = compiled.subject.render(variables) if compiled.subject is not None else ""
        except (TemplateError, TypeError, ValueError, ArithmeticError) as mistake:
            # The mistake's own text can carry values.
            raise ContentError(
                f"{template.name}:{template.body_line}", "body", f"cannot be rendered: {type(mistake).__name__}"
            ) from None
        body = _tidy(body, template.channel)
        subject = " ".join(_plain_spaces(subject).split())
        figures = self._check_figures(template, request, compiled, subject, body)
        if request.channel is not Channel.SMS:
            return ports.Rendered(subject, body, 0, "UTF-8", figures)
        segments = segment(body)
        too_long = segments.is_too_long or segments.parts > template.max_parts
        return ports.Rendered(subject, body, segments.parts, segments.encoding.value, figures, too_long)

    def expected_parts(self, template_id: str, locale: str) -> int:
        """Parts of an ordinary text of this template, for the pacer; the header says it and `check` measures it.

        Raises:
            ContentError: there is no such text message.
        """
        return self._content.template(template_id, locale, Channel.SMS).expected_parts

    def _compile(self, template: Template) -> _Compiled:
        key = (template.template_id, template.locale, template.channel)
        compiled = self._compiled.get(key)
        if compiled is None:
            try:
                compiled = _Compiled(
                    body=_compiled(template.source),
                    subject=_compiled(template.subject) if template.subject else None,
                    own_day_counts=frozenset(_day_counts(template.source, template.locale)),
                )
            except TemplateError as mistake:
                line = template.body_line + (getattr(mistake, "lineno", None) or 1) - 1
                raise ContentError(f"{template.name}:{line}", "body", f"cannot be read: {mistake}") from None
            self._compiled[key] = compiled
        return compiled

    def _variables(self, template: Template, request: ports.RenderRequest) -> dict[str, object]:
        texts = self._content.texts(template.locale)
        line = request.line
        offer = texts["opt_out_sms" if template.channel is Channel.SMS else "opt_out_email"]
        everything: dict[str, object] = {
            "name": short_name(request.party_name, template.locale, template.channel),
            "signature": line.signature,
            "opt_out": offer if line.opt_out_line == "required" else "",
            "lender": texts["name"],
            "brand": texts["brand"],
            "hotline": texts["hotline"],
            "hotline_hours": texts["hotline_hours"],
            "pay": texts["pay_short"],
            "pay_transfer": texts["pay_transfer"],
            "pay_wallet": texts["pay_wallet"],
            "pay_debit": texts["pay_debit"],
            "early_help": texts["early_help"],
        }
        write = _Writer(template.locale, template.channel)
        if template.reply_within_days is not None:
            everything["reply_by"] = write.day(_reply_by(template, request.today))
        statement = request.statement
        if statement is not None:
            several = statement.lines if 1 < len(statement.lines) <= MOST_ITEMS else ()
            everything |= {
                "tail": _tail(statement.lines[0].account_tail),
                "total": write.money(statement.total),
                "fees": write.money(statement.fees) if statement.fees is not None else "",
                "due_on": write.day(statement.due_on),
                "days": statement.days_past_due,
                "accounts": len(statement.lines),
                "items": tuple(
                    Item(_tail(loan.account_tail), write.money(loan.amount), write.day(loan.due_on)) for loan in several
                ),
            }
        missing = template.variables.keys() - everything.keys()
        if missing:
            # Only figures can be missing: the caller had no statement for a text that states one.
            raise FiguresMismatch(min(missing))
        return {name: everything[name] for name in template.variables}

    def _check_figures(
        self, template: Template, request: ports.RenderRequest, compiled: _Compiled, subject: str, body: str
    ) -> tuple[Figure, ...]:
        """Read the text back and hold it against the statement; returns the figures it carries."""
        declared = template.variables.keys()
        statement = request.statement if "total" in declared else None
        currency = statement.total.currency if statement is not None else ""
        found = read_back(body, template.locale, currency)
        if read_back(subject, template.locale, currency) != ReadBack():
            raise FiguresMismatch("subject")  # others can read a subject
        amounts: dict[str, Decimal] = {}
        allowed_amounts: set[Decimal] = set()
        dates: dict[str, date] = {}
        allowed_dates: set[date] = set()
        if statement is not None:
            amounts["total"] = statement.total.amount
            if "fees" in declared and statement.fees is not None:
                amounts["fees"] = statement.fees.amount
            if "items" in declared and 1 < len(statement.lines) <= MOST_ITEMS:
                amounts |= {f"amount.{loan.loan_id}": loan.amount.amount for loan in statement.lines}
                allowed_dates.update(loan.due_on for loan in statement.lines)
            if "due_on" in declared:
                dates["due_on"] = statement.due_on
        if template.reply_within_days is not None:
            dates["reply_by"] = _reply_by(template, request.today)
        allowed_amounts.update(amounts.values())
        allowed_dates.update(dates.values())

        if found.unreadable or not found.amounts <= allowed_amounts:
            raise FiguresMismatch("amounts")
        _require(amounts, found.amounts)
        if not all(any(seen.is_day(day) for day in allowed_dates) for seen in found.dates):
            raise FiguresMismatch("dates")
        for name, day in dates.items():
            if not any(seen.is_day(day) for seen in found.dates):
                raise FiguresMismatch(name)
        days = statement.days_past_due if statement is not None and "days" in declared else None
        if days is not None and days not in found.day_counts:
            raise FiguresMismatch("days_past_due")
        if not found.day_counts <= compiled.own_day_counts | ({days} if days is not None else set()):
            raise FiguresMismatch("days_past_due")
        figures = () if statement is None else figures_of(statement)
        if "reply_by" in dates:
            figures = (*figures, Figure("reply_by", dates["reply_by"].isoformat()))
        return figures


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    """Texts and subjects are plain text, so nothing is escaped; a variable nobody declared is an error."""
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, cache_size=0)


@lru_cache(maxsize=512)
def _compiled(source: str) -> jinja2.Template:
    return _environment().from_string(source)


def figures_of(statement: Statement) -> tuple[Figure, ...]:
    """The statement's figures in machine form, always in the same order."""
    figures = [Figure("total", str(statement.total))]
    if statement.fees is not None:
        figures.append(Figure("fees", str(statement.fees)))
    figures.append(Figure("due_on", statement.due_on.isoformat()))
    figures.append(Figure("days_past_due", str(statement.days_past_due)))
    figures.extend(Figure(f"amount.{loan.loan_id}", str(loan.amount)) for loan in statement.lines)
    return tuple(figures)


def _require(expected: Mapping[str, Decimal], found: frozenset[Decimal]) -> None:
    for name, amount in expected.items():
        if amount not in found:
            raise FiguresMismatch(name)


def _reply_by(template: Template, today: date) -> date:
    return today + timedelta(days=template.reply_within_days or 0)


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Writer:
    """Money and dates as the locale writes them (CLDR), in plain spaces."""

    def __init__(self, locale: str, channel: Channel) -> None:
        self._locale = _locale(locale)
        self._short = channel is Channel.SMS

    def money(self, value: Money) -> str:
        written = format_currency(value.amount, value.currency, locale=self._locale)
        return _plain_spaces(written)

    def day(self, value: date) -> str:
        """`Mar 9` / `3月9日` where every character counts; with the year elsewhere."""
        pattern = _SHORT_DATES[self._locale.language] if self._short else "long"
        return _plain_spaces(format_date(value, pattern, locale=self._locale))


_SHORT_DATES = {"en": "MMM d", "zh": "M月d日"}


@lru_cache(maxsize=16)
def _locale(name: str) -> Locale:
    locale = Locale.parse(name.replace("-", "_"))
    if locale.language not in _SHORT_DATES:
        raise ContentError("templates:1", "locale", f"{locale.language} has no reader for its figures yet")
    return locale


#: Spaces that CLDR puts into numbers and times; one of them alone would triple the price of a GSM-7 text.
_SPACES = str.maketrans(dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F], " "))
#: A template's line break between characters of a language that is written without spaces.
_UNSPACED_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s*\n\s*(?=[\u3000-\u9fff\uff00-\uffef])")
_INVISIBLE = re.compile("[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def _plain_spaces(text: str) -> str:
    return text.translate(_SPACES)


def _tidy(text: str, channel: Channel) -> str:
    """No space twice or at an edge, no invisible characters; a text message is one line."""
    text = _INVISIBLE.sub("", _plain_spaces(text))
    if channel is Channel.SMS:
        return " ".join(_UNSPACED_BREAK.sub("", text).split())
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def short_name(name: str, locale: str, channel: Channel) -> str:
    """A name that can stand in a text: letters, and what joins them. Empty when nothing is left of it.

    Digits, brackets, line breaks, controls and everything that could pass for a figure, a link or another sender's
    signature is dropped. English texts take the first name, which says enough to whom it is meant for. In an SMS it
    must fit GSM-7: accents are dropped where they do not, and a name that still does not is left out, because one
    character would turn one part into three.
    """
    language = locale.partition("-")[0]
    folded = unicodedata.normalize("NFKC", name)
    kept = "".join(_name_character(character) for character in folded)
    words = [word.strip("-'’·.") for word in kept.split()]
    words = [word for word in words if word]
    if not words:
        return ""
    if language == "en":
        words = words[:1] if len(words[0]) > 1 or len(words) == 1 else words[:2]
    short = _shortened(" ".join(words), _LONGEST_NAME.get(language, 20))
    if language == "en" and channel is Channel.SMS:
        short = _fit_gsm(short)
    return short


def _shortened(name: str, longest: int) -> str:
    """At most `longest` characters, whole names where that is possible."""
    if len(name) <= longest:
        return name
    joint = max(name.rfind(mark, 0, longest + 1) for mark in " -·")
    return name[: joint if joint > 0 else longest].strip(" -'’·")


def _name_character(character: str) -> str:
    if character in "-'’·":
        return character
    category = unicodedata.category(character)
    return character if category[0] in "LM" else " "


def _fit_gsm(text: str) -> str:
    fitted = ""
    for character in text.replace("’", "'"):
        if character in GSM_ALPHABET:
            fitted += character
            continue
        bare = "".join(c for c in unicodedata.normalize("NFKD", character) if not unicodedata.combining(c))
        if not bare or not GSM_ALPHABET.issuperset(bare):
            return ""
        fitted += bare
    return fitted


def _tail(account_tail: str) -> str:
    """At most the last four letters or digits: never more of an account than that."""
    return "".join(c for c in account_tail if c.isascii() and c.isalnum())[-4:]


# ── Reading back ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
    unreadable: bool = False


_NUMBER = r"\d+(?:[,.]\d+)*"
#: Words that make a number money, whatever its form.
_MONEY_WORDS = r"(?:dollars?|cents?|bucks|yuan|rmb|元|圆|块|角|人民币|美元|美金)"


def read_back(text: str, locale: str, currency: str) -> ReadBack:
    """The figures in `text`, found by their form alone. `currency` is the statement's; empty where there is none."""
    parsed = _locale(locale)
    amounts, unreadable = _amounts(text, parsed, currency)
    return ReadBack(amounts, _dates(text, parsed), frozenset(_day_counts(text, locale)), unreadable)


def _amounts(text: str, locale: Locale, currency: str) -> tuple[frozenset[Decimal], bool]:
    symbol = _symbol(currency, locale) if currency else ""
    amounts: set[Decimal] = set()
    unreadable = False
    for match in _money_pattern().finditer(text):
        before, number, after = match["before"] or "", match["number"], match["after"] or ""
        digits = number.rpartition(".")[2] if "." in number else ""
        looks_like_money = bool(before or after) or len(digits) == 2 or "," in number
        if not looks_like_money:
            continue
        try:
            amount = parse_decimal(number, locale=locale, strict=True)
        except NumberFormatError:
            unreadable = True
            continue
        if before.strip() != symbol or after:
            unreadable = True  # money, but not written as this locale writes this currency
        amounts.add(amount)
    return frozenset(amounts), unreadable


@lru_cache(maxsize=64)
def _symbol(currency: str, locale: Locale) -> str:
    return get_currency_symbol(currency, locale=locale)


@lru_cache(maxsize=1)
def _money_pattern() -> re.Pattern[str]:
    symbols = "".join(chr(point) for point in range(0x20, 0x10000) if unicodedata.category(chr(point)) == "Sc")
    codes = "|".join(sorted(MINOR_UNITS))
    mark = rf"(?:[A-Z]{{1,3}})?[{re.escape(symbols)}]|\b(?:{codes})|RMB|人民币"
    return re.compile(
        rf"(?P<before>(?:{mark})\s?[-+]?)?(?<![\d.,])(?P<number>{_NUMBER})"
        rf"(?P<after>\s?(?:[{re.escape(symbols)}]|{_MONEY_WORDS}|(?:{codes})\b))?",
        re.IGNORECASE,
    )


def _dates(text: str, locale: Locale) -> frozenset[SeenDate]:
    found = {
        SeenDate(int(match["month"]), int(match["day"]), int(match["year"]) if match["year"] else None)
        for pattern in _NUMERIC_DATES
        for match in pattern.finditer(text)
        if 1 <= int(match["month"]) <= 12 and 1 <= int(match["day"]) <= 31
    }
    months = _months(locale)
    if months is not None:
        names, pattern = months
        for match in pattern.finditer(text):
            year = int(match["year"]) if match["year"] else None
            found.add(SeenDate(names[match["month"].casefold()], int(match["day"]), year))
    return frozenset(found)


_NUMERIC_DATES = (
    re.compile(r"(?:(?P<year>\d{4})\s?年\s?)?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?[日号]"),
    re.compile(r"(?<![\d-])(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?![\d-])"),
    re.compile(r"(?<![\d/])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?:/(?P<year>\d{4}))?(?![\d/])"),
)


@lru_cache(maxsize=16)
def _months(locale: Locale) -> tuple[dict[str, int], re.Pattern[str]] | None:
    """Month names as letters, where the locale has them."""
    names = {
        str(name).rstrip(".").casefold(): number
        for width in ("wide", "abbreviated")
        for number, name in get_month_names(width, locale=locale).items()
    }
    if locale.language == "en":
        names["sept"] = 9
    if any(not name.isalpha() or any(c.isdigit() for c in name) or "月" in name for name in names):
        return None
    alternatives = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    return names, re.compile(
        rf"\b(?P<month>{alternatives})\.?\s(?P<day>\d{{1,2}})\b(?!:)(?:,\s(?P<year>\d{{4}})\b)?", re.IGNORECASE
    )


_DAY_COUNTS = {
    "en": re.compile(r"(\d+)\s+(?:calendar\s+)?days?\b", re.IGNORECASE),
    "zh": re.compile(r"(\d+)\s*[天日](?!期)"),
}


def _day_counts(text: str, locale: str) -> Iterable[int]:
    language = locale.partition("-")[0]
    # In Chinese a day of a month ends in the same character as a number of days.
    plain = _NUMERIC_DATES[0].sub(" ", text) if language == "zh" else text
    return (int(match[1]) for match in _DAY_COUNTS[language].finditer(plain))
