"""The amount that a text names, exact as written."""

from __future__ import annotations

import re
from decimal import Decimal

from dunlin.domain.understanding.dates import Named
from dunlin.domain.understanding.numerals import CHINESE, ENGLISH, chinese, english

_PLAIN = r"\d{1,3}(?:,\d{2,3})+(?:\.\d{1,2})?|\d+(?:\.\d{1,2})?"
_SCALE = r"(k|grand|thousand|lakhs?|lacs?|万|千|百)?"
_BEFORE = r"(?:nt\$|hk\$|us\$|a\$|s\$|[$£€¥₹￥]|\brs\.?|\binr|\brmb|\busd|\bgbp|\baud|\bsgd)"
_AFTER = r"(?:\$|£|€|¥|₹|bucks?|dollars?|dlls?|quid|pounds?|squid|rs\b|rupees?|usd|gbp|块|元|蚊|圆|刀|rmb)"
_SCALES = {
    "k": 1000,
    "grand": 1000,
    "thousand": 1000,
    "lakh": 100000,
    "lac": 100000,
    "万": 10000,
    "千": 1000,
    "百": 100,
}

#: 1千2 is 1200, 1万五 15000; in 1万5月底 the five is shorthand too, in 1万5千 it is not.
_TAIL = re.compile(rf"(?:{CHINESE}|\d(?!\d|[.,]\d))(?![十百千万号日])")
_MARKED = re.compile(
    rf"{_BEFORE} ?({_PLAIN}) ?{_SCALE}(?![\d])|(?<![\d.,a-z])({_PLAIN}) ?{_SCALE} ?{_AFTER}"
    rf"|(?<![\d.,a-z])({_PLAIN}) ?(?:(k|grand|lakhs?|lacs?)(?![a-z\d])|([万千])(?!\d\d))"
)
_CHINESE = re.compile(rf"(?<![第一-九])({CHINESE}+)(?=(块|元|蚊|圆|多)?)")
_ENGLISH = re.compile(rf"({ENGLISH})( bucks?| dollars?| quid| pounds?| rupees?)?")
_NOTE = {"tenner": 10, "fiver": 5}
_NOTES = re.compile(r"\b(?:a|(two|three|four|five|six) )?[ ]?(tenner|fiver)s?\b")
_RECURS = re.compile(r" (?:a|per|every|each) (?:week|month|fortnight|pay)")
_IS_TIME = re.compile(r"\b(?:at|by|around|about|before|after|till?|until)\s+$")
_BARE = re.compile(
    rf"(?<![\d.,a-z#:/\-第])({_PLAIN})(?![\d:%/]|-\d|[ ]?(?:am|pm|days?|weeks?|wks?|months?|mins?|hours?|hrs?|times?"
    r"|x\b|st\b|nd\b|rd\b|th\b|o ?clock|percent|years?|yrs?|kids?|star)|[点时天日号月年周期个次分%码倍岁星])"
)
_OWED_BEFORE = re.compile(r"(?:\bowe(?: you)?(?: all)?|\bnot|欠了?|不是)\s*$")


#: What names a thing by its figures: a reference, an account, a telephone, a year.
_FIGURES_OF = re.compile(
    r"(?:\b(?:ref(?:erence)?|confirmation|conf|transaction|txn|utr|receipt|trace|order|invoice|case|ticket|account|acct|a/c"
    r"|card|loan|phone|cell|tel|mobile|check|cheque|chq|code|pin|zip|postcode|policy|id|number|no|nr|ending|ends)"
    r"(?:\.? ?(?:number|no|num|nr|id|code|is|was|in|with|of|ending|#|:|\.))*[\s#:.]*"
    r"|(?:尾号|末[三四五六]码|末[三四五六]位|后[三四五六]位|后[三四五六]码|流水号|单号|编号|卡号|账号|帐号|户口号?码?|电话|手机|号码|参考号|交易号|合同号|身份证)"
    r"(?:号码?|是|为|:|\s)*)$"
)
_YEAR_BEFORE = re.compile(r"\b(?:in|since|from|year|of|until|back in|during|before|after)\s+$")
_YEAR = re.compile(r"(?:19|20)\d\d")


def amount_in(plain: str, days: list[Named]) -> Decimal | None:
    """The amount that is paid or to be paid: one with its currency before one without, the first of each.

    `days` are where the text names days, whose figures are no amounts. None: no amount, or only a share ("half").
    """
    blanked = list(plain)
    for named in days:
        blanked[named.start : named.end] = " " * (named.end - named.start)
    text = "".join(blanked)
    for found in (_marked(text), _in_words(text), _bare(text)):
        kept = [(start, value) for start, value in found if value > 0 and not _OWED_BEFORE.search(text[:start][-24:])]
        if kept:
            return min(kept, key=lambda each: each[0])[1]
    return None


def amounts_in(plain: str, days: list[Named]) -> tuple[Decimal, ...]:
    """Every amount that a text could be taken to name, in whatever form, its days left out."""
    blanked = list(plain)
    for named in days:
        blanked[named.start : named.end] = " " * (named.end - named.start)
    text = "".join(blanked)
    found = (*_marked(text), *_in_words(text), *_bare(text))
    return tuple(dict.fromkeys(value for _, value in sorted(found) if value > 0))


def _marked(text: str) -> list[tuple[int, Decimal]]:
    found = []
    for match in _MARKED.finditer(text):
        number, scale = next((match[i], match[i + 1]) for i in (1, 3, 5) if match[i])
        scale = scale or match[7]
        tail = re.match(_TAIL, text[match.end() :]) if scale in ("万", "千") else None
        value = Decimal(number.replace(",", "")) * _SCALES.get((scale or "").rstrip("s"), 1)
        if tail and scale:
            value += (int(tail[0]) if tail[0].isdecimal() else chinese(tail[0]) or 0) * _SCALES[scale] // 10
        found.append((match.start(), value))
    return found


def _in_words(text: str) -> list[tuple[int, Decimal]]:
    found: list[tuple[int, Decimal]] = []
    for match in _CHINESE.finditer(text):
        value = chinese(match[1])
        is_money = match[2] in ("块", "元", "蚊", "圆") or (len(match[1]) > 1 and re.search("[百千万]", match[1]))
        if value and is_money and not re.match("多|一半|分之", text[match.end(1) :]):
            found.append((match.start(), Decimal(value)))
    for match in _NOTES.finditer(text):
        count = english(match[1]) if match[1] else None
        found.append((match.start(), (count or Decimal(1)) * _NOTE[match[2]]))
    for match in _ENGLISH.finditer(text):
        number = english(match[1])
        if (
            number is not None
            and (match[2] or number >= 100 or _RECURS.match(text, match.end()))
            and not _IS_TIME.search(text[: match.start()])
        ):
            found.append((match.start(), number))
    return found


def _bare(text: str) -> list[tuple[int, Decimal]]:
    return [
        (match.start(), Decimal(match[1].replace(",", "")))
        for match in _BARE.finditer(text)
        if _is_of_an_amounts_length(match[1]) and not _is_no_amount(text, match)
    ]


def _is_of_an_amounts_length(figures: str) -> bool:
    return 2 <= len(figures.partition(".")[0].replace(",", "")) <= 6 or "." in figures


def _is_no_amount(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 40) : match.start()]
    if _FIGURES_OF.search(before):
        return True
    return _YEAR.fullmatch(match[1]) is not None and (
        _YEAR_BEFORE.search(before) is not None or text[match.end() : match.end() + 1] == "年"
    )
