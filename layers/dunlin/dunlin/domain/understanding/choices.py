"""An answer in an open dialogue: the number of an offer, yes, no, or a mark."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dunlin.domain.intents import Asked
from dunlin.domain.understanding.lexicon import Lexicon
from dunlin.domain.understanding.normal import spaced

_NUMBERS = {
    "1": 1, "one": 1, "first": 1, "1st": 1, "a": 1, "一": 1, "头一": 1, "top": 1, "uno": 1, "甲": 1,
    "2": 2, "two": 2, "second": 2, "2nd": 2, "b": 2, "二": 2, "两": 2, "dos": 2, "乙": 2, "sec": 2,
    "3": 3, "three": 3, "third": 3, "3rd": 3, "c": 3, "三": 3, "tres": 3, "丙": 3,
    "4": 4, "four": 4, "fourth": 4, "4th": 4, "d": 4, "四": 4,
    "5": 5, "five": 5, "fifth": 5, "5th": 5, "e": 5, "五": 5,
}  # fmt: skip
_NUMBER = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_NAMED = re.compile(
    rf"(?:\b(?:option|opt|number|no|offer|plan|choice|pick|choose|#) ?#?({_NUMBER})\b"
    rf"|\b(?:the )?(first|second|third|fourth|fifth|1st|2nd|3rd|4th|5th) (?:one|option|offer|plan|choice)\b"
    rf"|第([一二三四五1-5])(?:个|种|项|款|方案|号|档|条)?|(?:选择?|揀|拣|要|方案|选项)第?([一二三四五1-5])(?![\d百千万十月号天期]))"
)
_NEGATED = re.compile(
    rf"(?:\b(?:not|dont want|no to|except)(?: the| number| option)? ?"
    rf"|(?:不选|不要|不是|唔要)第?)({_NUMBER})(?:个|种|号)?(?: one| option)?"
)
_ALL_REFUSED = re.compile(
    r"^(?:none|neither|nope)$|\bnone of (?:these|those|them|the above)\b|\bnone\b"
    r"|^都[不唔](?:想要|想|要|选|行|合适|可以|好|考虑|满意|用)?$"
    r"|^(?:三|几|两|哪)个都不|^一个都不|^都唔(?:要|啱|得)|^全都?不"
)
_WANTS_ELSE = re.compile(
    r"\b(?:call|phone|ring|agent|person|instead|can i|could i)\b|\?|可唔可以|能不能|可不可以|能否|人工|电话"
)
_LAST = re.compile(r"\blast (?:one|option)?\b|最后(?:那|一)?(?:个|种|方案)?")
_MIDDLE = re.compile(r"\bmiddle\b|中间")


def strict_choice(words: str, asked: Asked, lexicon: Lexicon) -> int | None:
    """The choice that is all of a text, but for words that add nothing. 0: no, or none of the offers."""
    if asked.rating:
        return None
    rest = _without(words, lexicon)
    if asked.confirms or asked.offers == 1:
        if words in lexicon.yes or rest in lexicon.yes or _is_all(words, lexicon.yes, lexicon.no, lexicon):
            return 1
        if words in lexicon.no or rest in lexicon.no:
            return 0
    if (asked.offers or asked.confirms) and _is_all(words, lexicon.no, lexicon.yes, lexicon):
        return 0
    if asked.offers:
        rest = _NEGATED.sub(" ", words) if _NEGATED.search(words) else words
        rest = _without(rest, lexicon)
        number = _NUMBERS.get(rest, _NUMBERS.get(words))
        if number is not None and number <= asked.offers:
            return number
        if words in lexicon.no or rest in lexicon.no or _ALL_REFUSED.search(rest):
            return 0 if len(words) < 30 and not _WANTS_ELSE.search(words) else None
    return None


def is_yes_to_several(words: str, asked: Asked, lexicon: Lexicon) -> bool:
    """Whether a text is all yes where several offers stand: which one is not said, and is asked next."""
    return asked.offers > 1 and _is_all(words, lexicon.yes, lexicon.no, lexicon)


def _is_all(words: str, wanted: frozenset[str], other: frozenset[str], lexicon: Lexicon) -> bool:
    """Whether words of `wanted` and such as add nothing are all there is, and none is one of `other`."""
    if "?" in words or _WANTS_ELSE.search(words):
        return False
    adds_nothing = [word for word in lexicon.around if word not in other and word not in _NUMBERS]
    kept = f" {spaced(words)} "
    for word in sorted(wanted, key=lambda each: (-len(each), each)):
        kept = _removed(kept, word, "\0")
    return "\0" in kept and not _words_removed(kept, adds_nothing).replace("\0", "").strip()


def loose_choice(words: str, asked: Asked, lexicon: Lexicon) -> int | None:
    """The choice that a text has in it, where something else says that it is one."""
    if asked.rating:
        return None
    if asked.offers:
        rest = _NEGATED.sub(" ", words)
        numbers = {_NUMBERS[next(filter(None, match.groups()))] for match in _NAMED.finditer(rest)}
        if not numbers:
            numbers = {int(digit) for digit in re.findall(r"(?<!\d)[1-5](?!\d)", rest)}
        if not numbers and _LAST.search(rest):
            numbers = {asked.offers}
        if not numbers and _MIDDLE.search(rest) and asked.offers == 3:
            numbers = {2}
        if not numbers:
            numbers = {_NUMBERS[word] for word in re.findall(rf"\b(?:{_NUMBER})\b", rest) if len(word) > 1}
        numbers = {number for number in numbers if number <= asked.offers}
        if len(numbers) == 1:
            return numbers.pop()
        if not numbers and (_ALL_REFUSED.search(words) or words.split(" ", maxsplit=1)[0] in lexicon.no):
            return 0
    if asked.confirms:
        first = re.split(r"\s", words)[0]
        if any(word in lexicon.no for word in (first, words[:2], words[:1])):
            return 0
        if any(word in lexicon.yes for word in (first, words[:2], words[:1])) or re.search(r"\byes\b", words):
            return 1
    return None


def _without(words: str, lexicon: Lexicon) -> str:
    return re.sub(r"[#?]", " ", _words_removed(f" {words} ", lexicon.around)).strip()


def _words_removed(kept: str, adding_nothing: Iterable[str]) -> str:
    for word in adding_nothing:
        kept = _removed(kept, word, "")
    return kept


def _removed(kept: str, word: str, instead: str) -> str:
    """Without `word`: a whole word in Latin letters, characters anywhere in Chinese."""
    if not word.isascii():
        return kept.replace(word, instead)
    while f" {word} " in kept:
        kept = kept.replace(f" {word} ", f" {instead} " if instead else " ", 1)
    return kept
