"""Numbers written in words, in English and in Chinese, exactly."""

from __future__ import annotations

import re
from decimal import Decimal

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10000, "亿": 100000000}
CHINESE = "[零〇一二两俩三四五六七八九十百千万亿]"

_ONES = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    word: value * 10
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 1000, "grand": 1000, "lakh": 100000, "lakhs": 100000, "lac": 100000}
_WORD = "|".join(sorted((*_ONES, *_TENS, *_SCALES), key=len, reverse=True))
ENGLISH = rf"\b(?:an? (?=hundred|thousand|grand|lakh|couple))?(?:{_WORD})(?:(?: and |[ -])(?:{_WORD}))*\b"


def chinese(text: str) -> int | None:
    """两千 is 2000, 一千五 1500, 三百五十 350, 二〇 20; None where the characters are no number."""
    if not text or any(character not in _DIGITS and character not in _UNITS for character in text):
        return None
    if not any(character in _UNITS for character in text):
        return int("".join(str(_DIGITS[character]) for character in text))
    total = section = 0
    pending: int | None = None
    last_unit = 1
    for character in text:
        if character in _DIGITS:
            pending = _DIGITS[character]
            if pending == 0:
                last_unit = 10  # 一千零五 is 1005: the shorthand is only for what follows at once
            continue
        unit = _UNITS[character]
        if unit >= 10000:
            total = (total + section + (pending or 0)) * unit
            section = 0
        else:
            section += (1 if pending is None else pending) * unit
        pending, last_unit = None, unit
    if pending is not None:
        section += pending * (last_unit // 10 if last_unit > 10 else 1)
    return total + section


def english(text: str) -> Decimal | None:
    """`three hundred and fifty` is 350, `three fifty` too, `a hundred` 100; None where the words are no number."""
    total = current = 0
    seen = False
    for word in re.split(r"[ -]", text):
        if word in ("and", "a", "an"):
            current = 1 if word != "and" and not current else current
        elif word in _TENS and 0 < current < 10:
            current = current * 100 + _TENS[word]
        elif word in _ONES or word in _TENS:
            current += _ONES.get(word, 0) + _TENS.get(word, 0)
            seen = True
        elif word == "hundred":
            current = (current or 1) * 100
            seen = True
        elif word in _SCALES:
            total += (current or 1) * _SCALES[word]
            current = 0
            seen = True
        else:
            return None
    return Decimal(total + current) if seen else None
