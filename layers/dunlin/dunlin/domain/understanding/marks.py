"""A mark from 1 to 5 in the answer to "how did it go"."""

from __future__ import annotations

import re

_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "uno": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5,
    "satu": 1, "dua": 2, "tiga": 3, "empat": 4, "lima": 5,
    "하나": 1, "둘": 2, "셋": 3, "넷": 4, "다섯": 5,
    "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5,
}  # fmt: skip
_OUT_OF = re.compile(
    rf"(?<![\d.])(\d{{1,2}}|{'|'.join(word for word in _WORDS if word.isascii())}) ?"
    r"(?:/|out of|de|dari) ?(5|10|five|ten|cinco|lima)\b"
)
_LATIN = re.compile(rf"\b({'|'.join(word for word in _WORDS if word.isascii())})\b")
_CHINESE = re.compile(r"(?<![第一二两三四五六七八九十百])([一二两三四五])(?=[颗个]?[星分]|$|[\s，。,.!！])")
_KOREAN = re.compile(r"하나|둘|셋|넷|다섯")
_DIGIT = re.compile(r"(?<![\d.,:/$£€¥#-])([1-5])(?![\d:%/]|[.,]\d)")
#: "after 3 days", "2 calls": a number of something is no mark; of stars and points it is.
_COUNTED = re.compile(
    r" ?(?:days?|weeks?|months?|times?|calls?|texts?|hours?|minutes?|years?|天|次|周|个月|年|小时|días?|veces|hari|kali"
    r"|일|번)"
)
_STARS = re.compile("[⭐★🌟]")


def mark_in(plain: str) -> int | None:
    """The mark that a text (in normal form) gives; None where it gives none, or several."""
    stars = len(_STARS.findall(plain))
    if 1 <= stars <= 5:
        return stars
    whole = _OUT_OF.search(plain)
    if whole is not None:
        of_ten = whole[2] in ("10", "ten")
        given = _WORDS.get(whole[1]) or int(whole[1])
        mark = -(-given // 2) if of_ten else given
        return mark if 1 <= mark <= 5 else None
    found = {int(match[1]) for match in _DIGIT.finditer(plain) if not _COUNTED.match(plain, match.end())}
    if not found:
        words = (*_LATIN.finditer(plain), *_CHINESE.finditer(plain))
        found = {_WORDS[match[1]] for match in words if not _COUNTED.match(plain, match.end())}
        found |= {_WORDS[match[0]] for match in _KOREAN.finditer(plain)}
    return found.pop() if len(found) == 1 else None
