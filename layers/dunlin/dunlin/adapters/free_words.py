"""What a person wrote to a borrower, read before it goes: its characters, its links, its words and its figures.

An approved text is read by people and signed; words that somebody types are read by this. It refuses what no text of
ours may say, by class and never by repeating it: what nobody sees, what another alphabet fakes, where else one could be
led, threats and their kin, and every amount that is not one of the core's present figures of this borrower. Amounts are
looked for by two readers that know nothing of each other, the one that reads our own texts back and the one that reads
what borrowers write; and a number of three digits or more has to be a figure, or the name of something we know.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from babel.numbers import NumberFormatError, parse_decimal

from dunlin.adapters.read_back import read_back, without_dates
from dunlin.domain.understanding.amounts import amounts_in
from dunlin.domain.understanding.dates import days_in
from dunlin.domain.understanding.normal import normal, spaced
from dunlin.domain.understanding.reading import is_month_first
from dunlin.domain.words import Channel
from dunlin.errors import ContentError, FiguresMismatch
from dunlin.services.ports import RenderRequest

if TYPE_CHECKING:
    from dunlin.adapters.renderer import Renderer
    from dunlin.content.model import Content
    from dunlin.domain.message import MayState
    from dunlin.domain.policy import Line

__all__ = ["FreeWords", "figures_problem", "plain_words"]

MOST_CHARACTERS = 1000
#: What people and word processors write, as it stands on a telephone.
_TYPED = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": ",", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2013": "-",
        "\u2014": "-", "\u2212": "-", "\u00b4": "'", "\u0060": "'", "\u2022": "-", "\u2026": "...",
        "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u3000": " ",
    }
)  # fmt: skip
#: Languages in which the Chinese marks (“ ” … ——) are their own.
_KEEPS_ITS_MARKS = frozenset({"zh"})
_SPACES = str.maketrans(dict.fromkeys("\t\n\r\u00a0\u2009\u202f\u3000", " "))
#: Whose letters a language is written in, as Unicode names them.
_ALPHABETS = {
    "en": ("LATIN",),
    "es": ("LATIN",),
    "id": ("LATIN",),
    "zh": ("CJK UNIFIED", "CJK COMPATIBILITY", "IDEOGRAPHIC", "LATIN"),
    "ko": ("HANGUL", "LATIN"),
}
_LETTERS_ADDED = frozenset({"Lm", "Mn", "Mc", "Me"})
_SEEN = frozenset({"Lu", "Ll", "Lo", "Nd", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sc", "Sm", "Zs"})
_LINK = re.compile(
    r"(?i)\bhttps?\b|://|\bwww\b|\bxn--|@|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"
    r"|(?P<host>(?<![\w-])[a-z0-9](?:[a-z0-9-]*\.)+[a-z]{2,}(?![\w-]))|\bdot ?(?:com|net|org|cn|link|app|me|info)\b"
)
#: How a name of a host can be hidden from a reader and found by a telephone.
_DOTS = re.compile(
    r"(?<=[A-Za-z0-9])\s*(?:。|．|｡|\[\.\]|\(\.\)|\(dot\)|\[dot\])\s*(?=[A-Za-z])|(?<=[a-z0-9]) \.(?=[a-z]{2,}\b)"
)
#: Of traditional characters those that are numbers or money.
_SIMPLIFIED = dict(zip("兩萬億圓塊陸貳參", "两万亿圆块六二三", strict=True))
_SIGNED = re.compile(r"[【】〖〗［］]")
_LEET = str.maketrans("013457@$", "oleastas")
_RUN = re.compile(r"(?<!\w)\w(?:[\W_]{1,3}\w(?!\w)){2,}")
_PERCENT = re.compile(
    r"\w[%％‰]|\d\s?[%％‰]|\bper ?cent\b|\bpct\b|\bpor ciento\b|\bpersen\b|百分之|퍼센트|(?<=\d)\s?프로", re.IGNORECASE
)
#: Money in words, in the languages whose numbers nobody reads here.
_SPELLED = re.compile(
    r"(?<!\d)(?<!\d\s)\b(?:d[oó]lares|centavos|pesos|rupiah|juta|ribu)\b|[일이삼사오육칠팔구십백천만억]\s?원",
    re.IGNORECASE,
)
#: A letter that passes for a digit beside one.
_FAKED_DIGIT = re.compile(r"(?<=\d)[OoIl|](?![a-z])|(?<![A-Za-z])[OoIl|](?=\d)")
_YEAR = re.compile(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|ene|abr|ago|dic|mei|agu|okt|des)[a-z]*\.?(?: de)? 20[23]\d\b"
    r"|(?<!\d)20[23]\d\s?[年년]",
    re.IGNORECASE,
)
_SPREAD = re.compile(r"\d(?:[\s.()-]{1,2}\d){4,}")
_TIME = re.compile(
    r"(?<!\d)\d{1,2}[:.：]\d{2}(?:\s?[ap]m)?(?!\d)|(?<!\d)\d{1,2}\s?(?:am|pm|a\.m\.|p\.m\.)", re.IGNORECASE
)
_LONG_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_TAILED = r"(?i:\b(?:ending(?: in)?|account|terminada en|cuenta|berakhir(?: dengan)?)|尾号|尾號|末四位|끝자리)\s?"
_AROUND_DIGITS = r"(?<![\w-]){}(?![\w-])"


def plain_words(words: str, locale: str) -> str:
    """The words as they are kept and said: composed, one space at a time, with the marks of a telephone."""
    table = _SPACES if locale.partition("-")[0] in _KEEPS_ITS_MARKS else _TYPED
    return " ".join(unicodedata.normalize("NFC", words).translate(table).split())


class FreeWords:
    """Reads what a person wrote. `never_said`: of a locale, the words of each class that no answer has."""

    def __init__(self, content: Content, renderer: Renderer) -> None:
        self._content = content
        self._renderer = renderer

    def plain(self, words: str, locale: str) -> str:
        """The words as they are kept and said."""
        return plain_words(words, locale)

    def problem(self, request: RenderRequest) -> str:
        """What is wrong with the words; empty: they may go over this line as they are. It repeats none of them."""
        words, locale = request.words, request.locale
        texts = self._content.texts(locale)
        for found in (
            _characters(words, locale),
            _links(words, request.line, texts),
            _said(words, locale, self._content),
            figures_problem(words, locale, request.may_state, self._renderer.numbers(locale)),
        ):
            if found:
                return found
        try:
            rendered = self._renderer.render(request)
        except FiguresMismatch:
            return "has a figure that is none of this borrower's"
        except ContentError:
            return "cannot be said in this language: it has no frame for a person's words"
        if rendered.is_too_long:
            most = self._content.template(request.template, locale, Channel.SMS).max_parts
            return f"takes {rendered.parts} parts of a text message; at most {most}"
        return ""


def _characters(words: str, locale: str) -> str:
    """What nobody sees, what is faked, and what would pass for another sender's name."""
    if not words.strip():
        return "says nothing"
    if len(words) > MOST_CHARACTERS:
        return f"must be at most {MOST_CHARACTERS} characters"
    alphabets = _ALPHABETS.get(locale.partition("-")[0], ("LATIN",))
    for character in words:
        category = unicodedata.category(character)
        if category in _LETTERS_ADDED or (category[0] == "L" and not _is_of(character, alphabets)):
            return "has a letter that this language is not written in: it can pass for another"
        if category not in _SEEN:
            return "has a character that nobody sees, or no words: take it out"
        if category == "Nd" and not character.isascii():
            return "has a digit that this language is not written in"
    if _SIGNED.search(words):
        return "has brackets that stand around a sender's name"
    return ""


@lru_cache(maxsize=4096)
def _is_of(character: str, alphabets: tuple[str, ...]) -> bool:
    name = unicodedata.name(character, "")
    plain = unicodedata.normalize("NFKC", character) == character
    return plain and name.startswith(alphabets)


def _links(words: str, line: Line, texts: Mapping[str, str]) -> str:
    """Where else one could be led. A line that carries links carries the lender's own hosts: those its texts name."""
    joined = _DOTS.sub(".", unicodedata.normalize("NFKC", words))
    own = {match["host"].casefold() for text in texts.values() for match in _LINK.finditer(text) if match["host"]}
    for match in _LINK.finditer(joined):
        host = (match["host"] or "").casefold()
        if line.links == "none":
            return "has a link or an address, which this line may not carry"
        if host not in own and match[0].casefold() not in ("http", "https", "://", "www"):
            return "leads to somebody else: only the lender's own pages may be named"
    return ""


def _said(words: str, locale: str, content: Content) -> str:
    """The class of what no text of ours says, by the lists of this language."""
    forms = tuple(_forms(words))
    language = locale.partition("-")[0]
    for code in sorted(content.never_said, key=lambda each: each != locale):
        # Who writes Chinese can threaten in English; who writes English is not read by the lists of Spanish.
        if code != locale and code.partition("-")[0] not in {language, *(("en",) if language in ("zh", "ko") else ())}:
            continue
        for kind, pattern in _patterns(content, code):
            if any(pattern.search(form) for form in forms):
                return f"says something that no text may say ({kind})"
    return ""


def _forms(words: str) -> Iterator[str]:
    """The words as they stand, and as they are meant where somebody spaced them out or swapped letters."""
    folded = unicodedata.normalize("NFKC", words).casefold()
    bare = _bare(folded)
    yield folded
    yield bare
    yield re.sub(r"(?<=\w)[^\w\s](?=\w)", "", bare)
    yield _RUN.sub(lambda run: re.sub(r"[\W_]", "", run[0]), bare)
    yield re.sub(r"\S*\d\S*|\S*[@$]\S*", lambda token: token[0].translate(_LEET), bare)
    yield re.sub(r"[^\u3400-\u9fff\uac00-\ud7a3]", "", bare)


def _bare(folded: str) -> str:
    """Without accents; what Korean composes stays composed."""
    bare = "".join(c for c in unicodedata.normalize("NFD", folded) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare)


def _patterns(content: Content, locale: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    said: dict[str, frozenset[str]] = {kind: frozenset(words) for kind, words in content.never_said[locale].items()}
    said["forbidden"] = content.forbidden[locale][0] if locale in content.forbidden else frozenset()
    return tuple((kind, _pattern(words)) for kind, words in sorted(said.items()) if words)


@lru_cache(maxsize=256)
def _pattern(words: frozenset[str]) -> re.Pattern[str]:
    """Any of the words: a whole one in Latin letters, also where its spaces were widened; characters anywhere."""
    folded = {unicodedata.normalize("NFKC", word).casefold() for word in words}
    forms = folded | {_bare(word) for word in folded}
    return re.compile("|".join(map(_whole, sorted(forms, key=lambda word: (-len(word), word)))))


def _whole(word: str) -> str:
    if any(unicodedata.category(character) == "Lo" for character in word):
        return re.escape(word)
    return r"\b" + r"[\s_-]*".join(map(re.escape, word.split())) + r"\b"


_NO_FIGURE = "has an amount that is none of this borrower's present figures, or not written as our texts write them"


def figures_problem(words: str, locale: str, states: MayState, numbers: str) -> str:
    """What is wrong with the figures in a person's own words; empty: each amount is one that may be stated.

    `numbers`: the lender's approved words, whose telephone numbers and hours may be named.
    """
    if _PERCENT.search(words):
        return "has a percentage: no rate is among the core's figures that are held here"
    if _SPELLED.search(words):
        return "names money in words: write the figure"
    amounts = {money.amount for money in states.amounts}
    currency = states.amounts[0].currency if states.amounts else ""
    rest = _YEAR.sub(" ", _without_names(words, states, numbers))
    if _FAKED_DIGIT.search(rest):
        return "has a letter among digits"
    # Twice: each reader as it reads elsewhere, and neither through the other.
    back = read_back(rest, locale, currency)
    if back.unreadable or not back.amounts <= amounts:
        return _NO_FIGURE
    if any(not (1 <= seen.month <= 12 and 1 <= seen.day <= 31) for seen in back.dates):
        return "has a date that no calendar has"
    folded = spaced(normal(rest, _SIMPLIFIED))
    named = days_in(folded, date(2024, 1, 1), month_first=is_month_first(locale))
    if not set(amounts_in(folded, named)) <= amounts:
        return _NO_FIGURE
    for number in _long_numbers(rest, locale):
        if number not in amounts:
            return "has a number that is none of this borrower's figures, references or accounts"
    return ""


def _without_names(words: str, states: MayState, numbers: str) -> str:
    """The words without what names something: our telephone numbers, references, ends of accounts."""
    rest = words
    for telephone in sorted(re.findall(r"\+?\d[\d\s()-]{5,}\d", numbers), key=len, reverse=True):
        rest = rest.replace(telephone, " ")
    for short in sorted(set(re.findall(r"(?<!\d)\d{3,}(?!\d)", numbers)), key=len, reverse=True):
        rest = re.sub(_AROUND_DIGITS.format(short), " ", rest)
    for name in sorted(states.names, key=len, reverse=True):
        # The end of an account is said as one: "ending 4821". Else it is a number like any other.
        before = _TAILED if name.isdigit() else r"(?<![A-Za-z0-9-])"
        rest = re.sub(rf"{before}{re.escape(name)}(?![A-Za-z0-9]|-[A-Za-z0-9]|[.,]\d)", " ", rest)
    return rest


def _long_numbers(text: str, locale: str) -> Iterator[Decimal]:
    """The numbers of three digits or more that are left when times and days are taken away."""
    left = _TIME.sub(" ", without_dates(text, locale))
    if _SPREAD.search(left):
        yield Decimal(-1)  # a telephone number of nobody's
    for match in _LONG_NUMBER.finditer(left):
        digits = re.sub(r"\D", "", match[0])
        if len(digits) >= 3:
            yield _number(match[0], locale)


def _number(text: str, locale: str) -> Decimal:
    """As the locale writes it; -1, which is no amount, where it does not."""
    try:
        return parse_decimal(
            text.rstrip(".,"), locale=locale.replace("-", "_"), strict="," not in text or locale != "en-IN"
        )
    except NumberFormatError:
        return Decimal(-1)
