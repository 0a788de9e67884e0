"""Texts from facts, at the last moment, read back before anybody else reads them.

A template gets only what its header declares, already written the way its locale writes it. What comes out is read
again by a reader that knows the text and the locale but not the template: every amount and date in it must be one of
the statement's, and the figures the template declares must be there. A text that fails is never sent.

The reader (`read_back`) goes by forms alone. Telephone numbers and account tails have none of these, and names have no
digits, because `short_name` takes them away. A person's own words are read once more, as `free_words` reads them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dunlin.adapters.read_back import IN_GSM, PATTERNS, ReadBack, babel_locale, language_of, leaves_gsm, read_back
from dunlin.content.filing import filing_number
from dunlin.content.schema import COMMON_VARIABLES, STATEMENT_VARIABLES, VariableType
from dunlin.domain.message import Figure
from dunlin.domain.money import MINOR_UNITS, Money, parse_money
from dunlin.domain.planning import offers_told
from dunlin.domain.segments import GSM_ALPHABET, segment
from dunlin.domain.words import Channel
from dunlin.errors import ContentError, FiguresMismatch
from dunlin.services import ports

if TYPE_CHECKING:
    import jinja2

    from dunlin.content.model import Content, Template
    from dunlin.domain.planning import ToldOffer
    from dunlin.domain.statement import Statement

__all__ = ["Renderer", "figures_of", "short_name"]

#: More loans than this are named by their number and total only: a list nobody can read helps nobody.
MOST_ITEMS = 4
_LONGEST_NAME = {"en": 20, "es": 20, "id": 24, "ko": 12, "zh": 12}
#: Where a person is addressed by the first name.
_FIRST_NAME = frozenset({"en", "es"})


@dataclass(frozen=True, slots=True)
class Item:
    """One loan of several, as a template writes it."""

    tail: str
    amount: str
    due_on: str


@dataclass(frozen=True, slots=True)
class OfferLine:
    """One plan of those that can be chosen, as a template writes it."""

    number: int
    instalments: int
    first_amount: str
    first_due_on: str
    total: str


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
        filing = filing_number(self._content, request.line, template, body, request.today)
        return ports.Rendered(subject, body, segments.parts, segments.encoding.value, figures, too_long, filing)

    def expected_parts(self, template_id: str, locale: str) -> int:
        """Parts of an ordinary text of this template, for the pacer; the header says it and `check` measures it.

        Raises:
            ContentError: there is no such text message.
        """
        return self._content.template(template_id, locale, Channel.SMS).expected_parts

    def numbers(self, locale: str) -> str:
        """What the lender's own approved words say in numbers: telephones and hours."""
        return " ".join(self._content.texts(locale).values())

    def _compile(self, template: Template) -> _Compiled:
        key = (template.template_id, template.locale, template.channel)
        compiled = self._compiled.get(key)
        if compiled is None:
            try:
                compiled = _Compiled(
                    body=_compiled(template.source),
                    subject=_compiled(template.subject) if template.subject else None,
                    own_day_counts=read_back(template.source, template.locale, "").day_counts,
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
            "self_service": texts["self_service"],
            "local_help": texts["local_help"],
            "guidance": texts["guidance"],
            "sender": line.origination,
        }
        write = _Writer(template.locale, template.channel)
        if template.reply_within_days is not None:
            everything["reply_by"] = write.day(_reply_by(template, request.today))
        statement = request.statement if template.statement else None
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
        if "words" in template.variables.values():
            everything |= dict.fromkeys(names_of(template, "words"), request.words)
        phrases = self._content.phrases.get(template.locale, {})
        for figure in _told(template, request):
            everything[figure.name] = write.fact(figure, template.variables[figure.name], phrases)
        missing = template.variables.keys() - everything.keys()
        if missing:
            # The caller had no statement for a text that states one, or the core left a fact out.
            raise FiguresMismatch(min(missing))
        facts = () if template.channel is Channel.PUSH else template.variables  # others read a lock screen
        return {name: everything[name] for name in (*COMMON_VARIABLES, *facts)}

    def _check_figures(
        self, template: Template, request: ports.RenderRequest, compiled: _Compiled, subject: str, body: str
    ) -> tuple[Figure, ...]:
        """Read the text back and hold it against the statement; returns the figures it carries."""
        declared = template.variables.keys()
        statement = request.statement if template.statement else None
        facts = _facts_of(template, request)
        currency = statement.total.currency if statement is not None else facts.currency
        if request.words and request.may_state.amounts:
            currency = currency or request.may_state.amounts[0].currency
        found = read_back(_without_codes(template, request, body), template.locale, currency)
        if read_back(subject, template.locale, currency) != ReadBack():
            raise FiguresMismatch("subject")  # others can read a subject
        if template.channel is Channel.PUSH:
            if replace(found, day_counts=found.day_counts - compiled.own_day_counts) != ReadBack():
                raise FiguresMismatch("push")
            return ()
        amounts, dates = dict(facts.amounts), dict(facts.dates)
        may_state = {money.amount for money in request.may_state.amounts}
        allowed_dates: set[date] = set()
        if statement is not None:
            if "total" in declared:
                amounts["total"] = statement.total.amount
            if "fees" in declared and statement.fees is not None:
                amounts["fees"] = statement.fees.amount
            # A filed template of WeChat's has no gap for a list: several loans are counted, and summed by the core.
            lists = "items" in declared and template.channel is not Channel.WECHAT
            if lists and 1 < len(statement.lines) <= MOST_ITEMS:
                amounts |= {f"amount.{loan.loan_id}": loan.amount.amount for loan in statement.lines}
                allowed_dates.update(loan.due_on for loan in statement.lines)
            if "due_on" in declared:
                dates["due_on"] = statement.due_on
        if template.reply_within_days is not None:
            dates["reply_by"] = _reply_by(template, request.today)
        allowed_dates.update(dates.values())

        if found.unreadable or not found.amounts <= {*amounts.values(), *may_state}:
            raise FiguresMismatch("amounts")
        _require(amounts, found.amounts)
        if request.words:
            from dunlin.adapters.free_words import figures_problem  # noqa: PLC0415 - few texts are a person's own words

            # Days in a person's own words are theirs to name; that they exist was asked when they were taken.
            problem = figures_problem(request.words, template.locale, request.may_state, self.numbers(template.locale))
            if problem:
                raise FiguresMismatch("words")
            found = replace(found, dates=frozenset(), day_counts=frozenset())
        if not all(any(seen.is_day(day) for day in allowed_dates) for seen in found.dates):
            raise FiguresMismatch("dates")
        for name, day in dates.items():
            if not any(seen.is_day(day) for seen in found.dates):
                raise FiguresMismatch(name)
        if found.percents != frozenset(facts.percents.values()):
            raise FiguresMismatch(next(iter(facts.percents), "percents"))
        days = statement.days_past_due if statement is not None and "days" in declared else None
        if days is not None and days not in found.day_counts:
            raise FiguresMismatch("days_past_due")
        for name, count in facts.counts.items():
            if re.search(rf"(?<!\d){count}(?!\d)", body) is None:
                raise FiguresMismatch(name)
        if not found.day_counts <= compiled.own_day_counts | ({days} if days is not None else set()) | set(
            facts.counts.values()
        ):
            raise FiguresMismatch("days_past_due")
        figures = () if statement is None else figures_of(statement)
        if "reply_by" in dates:
            figures = (*figures, Figure("reply_by", dates["reply_by"].isoformat()))
        return (*figures, *_told(template, request))


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts that a text carries and that can be found in it again."""

    amounts: Mapping[str, Decimal]
    dates: Mapping[str, date]
    percents: Mapping[str, Decimal]
    counts: Mapping[str, int]
    currency: str


def _told(template: Template, request: ports.RenderRequest) -> tuple[Figure, ...]:
    """The facts that the text declares. What a statement or the calendar says of it comes from nowhere else."""
    elsewhere = STATEMENT_VARIABLES.keys() if template.statement else {"reply_by"}
    return tuple(fact for fact in request.facts if fact.name in template.variables and fact.name not in elsewhere)


def _without_codes(template: Template, request: ports.RenderRequest, body: str) -> str:
    """The text without its references and account tails that have a letter: RS1042 is no amount of rupees."""
    codes = {fact.value for fact in _told(template, request) if template.variables[fact.name] == "reference"}
    codes |= {_tail(fact.value) for fact in _told(template, request) if template.variables[fact.name] == "tail"}
    if template.statement and request.statement is not None:
        codes |= {_tail(loan.account_tail) for loan in request.statement.lines}
    for code in sorted(code for code in codes if any(character.isalpha() for character in code)):
        body = re.sub(rf"(?<![A-Za-z0-9-]){re.escape(code)}(?![A-Za-z0-9-]|[.,]\d)", " ", body)
    return body


def _facts_of(template: Template, request: ports.RenderRequest) -> _Facts:
    amounts: dict[str, Decimal] = {}
    dates: dict[str, date] = {}
    percents: dict[str, Decimal] = {}
    counts: dict[str, int] = {}
    currencies: set[str] = set()
    for figure in _told(template, request):
        match template.variables[figure.name]:
            case "money":
                money = _money_of(figure)
                amounts[figure.name] = money.amount
                currencies.add(money.currency)
            case "date":
                dates[figure.name] = _date_of(figure)
            case "percent":
                percents[figure.name] = _percent_of(figure)
            case "count":
                counts[figure.name] = _count_of(figure)
            case "offers":
                for offer in _offers_of(figure):
                    name = f"{figure.name}.{offer.number}"
                    amounts |= {f"{name}.first_amount": offer.first_amount.amount, f"{name}.total": offer.total.amount}
                    currencies |= {offer.first_amount.currency, offer.total.currency}
                    dates[f"{name}.first_due_on"] = offer.first_due_on
                    counts[f"{name}.instalments"] = offer.instalments
            case _:
                continue
    if request.statement is not None:
        currencies.add(request.statement.total.currency)
    if len(currencies) > 1:
        raise FiguresMismatch("currency")
    return _Facts(amounts, dates, percents, counts, next(iter(currencies), ""))


def _money_of(figure: Figure) -> Money:
    amount, _, currency = figure.value.partition(" ")
    try:
        return parse_money(amount, currency)
    except ValueError:
        raise FiguresMismatch(figure.name) from None


def _date_of(figure: Figure) -> date:
    try:
        return date.fromisoformat(figure.value)
    except ValueError:
        raise FiguresMismatch(figure.name) from None


def _percent_of(figure: Figure) -> Decimal:
    if re.fullmatch(r"\d{1,3}(\.\d{1,4})?", figure.value) is None:
        raise FiguresMismatch(figure.name)
    return Decimal(figure.value)


def _offers_of(figure: Figure) -> tuple[ToldOffer, ...]:
    try:
        return offers_told(figure.value)
    except ValueError:
        raise FiguresMismatch(figure.name) from None


def _count_of(figure: Figure) -> int:
    if re.fullmatch(r"\d{1,4}", figure.value) is None:
        raise FiguresMismatch(figure.name)
    return int(figure.value)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    """Texts and subjects are plain text, so nothing is escaped; a variable nobody declared is an error."""
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, cache_size=0)


@lru_cache(maxsize=512)
def _compiled(source: str) -> jinja2.Template:
    return _environment().from_string(source)


def names_of(template: Template, kind: VariableType) -> list[str]:
    return [name for name, each in template.variables.items() if each == kind]


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
    """Money, dates and percentages as the locale writes them (CLDR), in plain spaces."""

    def __init__(self, locale: str, channel: Channel) -> None:
        self._locale = babel_locale(locale)
        self._language = language_of(locale)
        self._channel = channel

    def money(self, value: Money) -> str:
        form = self._language.money.get(value.currency)
        whole = form is not None and form.whole and value.amount == value.amount.to_integral_value()
        if form is None and not (self._channel is Channel.SMS and leaves_gsm(value.currency, self._locale)):
            return _plain_spaces(format_currency(value.amount, value.currency, locale=self._locale))
        if self._channel is Channel.WECHAT and form is not None:  # its gaps for amounts take digits and one point only
            pattern = "0" if whole else PATTERNS[MINOR_UNITS[value.currency]].replace("#,##", "")
            return f"{form.prefix}{format_decimal(value.amount, pattern, self._locale)}{form.suffix}"
        number = format_decimal(value.amount, "#,##0" if whole else PATTERNS[MINOR_UNITS[value.currency]], self._locale)
        if "," in format_decimal(Decimal(10**7), locale=self._locale)[:2]:  # 1,00,00,000: grouped by two, as in India
            number = format_decimal(value.amount, "#,##,##0" if whole else "#,##,##0.00", self._locale)
        if form is None:
            return f"{value.currency} {number}"
        prefix = form.sms_prefix if self._channel is Channel.SMS and form.sms_prefix else form.prefix
        return f"{prefix}{number}{form.suffix}"

    def day(self, value: date) -> str:
        """`Mar 9` / `3月9日` where every character counts; with the year elsewhere."""
        pattern = self._language.short_date if self._channel is Channel.SMS else "long"
        return _plain_spaces(format_date(value, pattern, locale=self._locale))

    def percent(self, value: Decimal) -> str:
        return _plain_spaces(format_percent(value / 100, "#,##0.####%", locale=self._locale))

    def fact(self, figure: Figure, kind: VariableType, phrases: Mapping[str, str]) -> str | int | tuple[OfferLine, ...]:
        """One fact of the core in the locale's words.

        Raises:
            FiguresMismatch: it is not of its kind, or nobody approved words for its code.
        """
        match kind:
            case "money" | "optional_money":
                return self.money(_money_of(figure))
            case "date":
                return self.day(_date_of(figure))
            case "percent":
                return self.percent(_percent_of(figure))
            case "count":
                return _count_of(figure)
            case "tail":
                return _tail(figure.value)
            case "reference":
                if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,11}", figure.value) is None:
                    raise FiguresMismatch(figure.name)
                return figure.value
            case "offers":
                return tuple(
                    OfferLine(
                        offer.number,
                        offer.instalments,
                        self.money(offer.first_amount),
                        self.day(offer.first_due_on),
                        self.money(offer.total),
                    )
                    for offer in _offers_of(figure)
                )
            case "phrase" | "phrases":
                return self._phrases(figure, phrases)
            case "text" | "items" | "words":
                raise FiguresMismatch(figure.name)  # the core's own words are never sent
            case _:
                assert_never(kind)

    def _phrases(self, figure: Figure, phrases: Mapping[str, str]) -> str:
        try:
            words = [phrases[code] for code in figure.value.split(",")]
        except KeyError:
            raise FiguresMismatch(figure.name) from None
        return words[0] if len(words) == 1 else format_list(words, locale=self._locale)


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
    if language in _FIRST_NAME:
        words = words[:1] if len(words[0]) > 1 or len(words) == 1 else words[:2]
    short = _shortened(" ".join(words), _LONGEST_NAME.get(language, 20))
    if language in IN_GSM and channel is Channel.SMS:
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
