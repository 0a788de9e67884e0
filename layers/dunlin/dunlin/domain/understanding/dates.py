"""The days that a text names, on the calendar of whoever wrote it.

A weekday alone is the next one to come, never today. "This" weekday is the next to come too; "next" and 下周 are the
weekday of the following calendar week, which begins on Monday. A day of the month, with or without its month, is the
next to come, today included. `3/4` has the month first in the United States and in Chinese, the day first elsewhere.
The days of the lunar calendar are recognised, so that they are no amounts, and not computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from dunlin.domain.understanding.numerals import CHINESE, chinese


def _words(text: str) -> list[str]:
    return text.split()


_WEEKDAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
_WEEKDAY = r"mon|tues?|wed(?:s|nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun"
_CHINESE_WEEKDAYS = {character: number for number, character in enumerate("一二三四五六")} | {"日": 6, "天": 6, "末": 5}
_CHINESE_WEEKDAYS |= {str(number): number - 1 for number in range(1, 8)}
_WEEK = "(?:周|星期|礼拜|拜)"
_MONTHS = {
    name: number for number, name in enumerate(_words("jan feb mar apr may jun jul aug sep oct nov dec"), start=1)
}
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_NUMBER_WORDS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "couple": 2, "a couple": 2, "a couple of": 2, "three": 3, "four": 4, "five": 5,
    "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "twelve": 12, "fourteen": 14,
}  # fmt: skip
_COUNT = r"(\d{1,3}|a couple(?: of)?|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen)"
_ORDINALS = {
    word: number
    for number, word in enumerate(
        _words(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh "
            "twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ),
        start=1,
    )
}
_ORDINAL = r"(" + "|".join(sorted(_ORDINALS, key=len, reverse=True)) + r"|\d{1,2} ?(?:st|nd|rd|th))"
_DAY = rf"(\d{{1,2}}|{CHINESE}{{1,3}})"


@dataclass(frozen=True, slots=True)
class Named:
    """Where in the text a day is named, and which; `on` is None for one that cannot be computed."""

    start: int
    end: int
    on: date | None


@dataclass(frozen=True, slots=True)
class _Now:
    written_on: date
    month_first: bool


def _end_of_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)


def _shift(today: date, months: int) -> tuple[int, int]:
    index = today.year * 12 + today.month - 1 + months
    return index // 12, index % 12 + 1


def _valid(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _to_come(today: date, month: int, day: int) -> date | None:
    """The next one, today included; the last one if it is only some days ago is not meant by who promises."""
    for year in range(today.year, today.year + 5):
        found = _valid(year, month, day)
        if found is not None and found >= today:
            return found
    return None


def _day_to_come(today: date, day: int) -> date | None:
    for months in range(4):
        found = _valid(*_shift(today, months), day)
        if found is not None and found >= today:
            return found
    return None


def _month_end_to_come(today: date, month: int) -> date | None:
    if not 1 <= month <= 12:
        return None
    return _end_of_month(today.year + (month < today.month), month)


def _weekday_to_come(today: date, weekday: int) -> date:
    return today + timedelta(days=(weekday - today.weekday() - 1) % 7 + 1)


def _weekday_of(today: date, weekday: int, weeks: int) -> date:
    return today + timedelta(days=weekday - today.weekday() + 7 * weeks)


def _number(text: str) -> int:
    if text.isdecimal():
        return int(text)
    return _NUMBER_WORDS.get(text, chinese(text) or 0)


def _year(text: str) -> int:
    year = int(text)
    return year + 2000 if year < 100 else year


def _day_month(match: re.Match[str], now: _Now) -> date | None:
    first, second = int(match[1]), int(match[2])
    month, day = (first, second) if now.month_first else (second, first)
    if month > 12:
        month, day = day, month
    if match[3]:
        return _valid(_year(match[3]), month, day)
    return _to_come(now.written_on, month, day)


def _weeks_from_weekday(match: re.Match[str], now: _Now) -> date:
    """ "A week from Friday", "two weeks on Monday", "a week on from today"."""
    weeks = 2 if match["fortnight"] else _number(match["count"])
    if match["from"] in ("today", "now"):
        return now.written_on + timedelta(days=7 * weeks)
    if match["from"].startswith("tom"):
        return now.written_on + timedelta(days=7 * weeks + 1)
    return _weekday_to_come(now.written_on, _WEEKDAYS[match["from"][:3]]) + timedelta(days=7 * weeks)


def _english_weekday(match: re.Match[str], now: _Now) -> date:
    weekday = _WEEKDAYS[match["day"][:3]]
    before, after = match["before"] or "", match["after"] or ""
    if before.strip() in ("next wk", "next week") or after.strip() in ("next week", "of next week", "next wk"):
        return _weekday_of(now.written_on, weekday, 1)
    if after.strip() == "week":
        return _weekday_to_come(now.written_on, weekday) + timedelta(days=7)
    if before.strip() == "next":
        return _weekday_of(now.written_on, weekday, 1)
    return _weekday_to_come(now.written_on, weekday)


def _chinese_weekday(match: re.Match[str], now: _Now) -> date | None:
    weekday = _CHINESE_WEEKDAYS[match[2]]
    before = match[1] or ""
    if "下" in before:
        return _weekday_of(now.written_on, weekday, before.count("下"))
    if before:
        found = _weekday_of(now.written_on, weekday, 0)
        return found if found >= now.written_on else found + timedelta(days=7)
    return _weekday_to_come(now.written_on, weekday)


def _chinese_month_day(match: re.Match[str], now: _Now) -> date | None:
    month, day = _number(match[2]), _number(match[3])
    if match[1]:
        year = int(match[1])
        return _valid(year + 1911 if year < 1000 and year > 99 else _year(match[1]), month, day)
    return _to_come(now.written_on, month, day) if 1 <= month <= 12 else None


def _english_month_day(match: re.Match[str], now: _Now) -> date | None:
    found = match.groupdict()
    text = found["d1"] or found["d2"]
    day = int(re.sub(r"\D", "", text)) if text[0].isdigit() else _ORDINALS[text]
    month = _MONTHS[(found["m1"] or found["m2"])[:3]]
    year = found["y1"] or found["y2"]
    return _valid(int(year), month, day) if year else _to_come(now.written_on, month, day)


def _ordinal(match: re.Match[str]) -> int:
    return _ORDINALS.get(match[1]) or int(re.sub(r"\D", "", match[1]))


def _after(days: int) -> Callable[[re.Match[str], _Now], date]:
    return lambda _match, now: now.written_on + timedelta(days=days)


def _count_of(days: int) -> Callable[[re.Match[str], _Now], date]:
    return lambda match, now: now.written_on + timedelta(days=days * _number(match[1]))


def _hours_on(match: re.Match[str], now: _Now) -> date:
    return now.written_on + timedelta(days=int(match[1] or match[2]) // 24)


def _month_begin(match: re.Match[str], now: _Now) -> date:
    """The first of the month after this one, which is also the next to come unless today is one."""
    if now.written_on.day == 1 and "next" not in match[0] and "下" not in match[0]:
        return now.written_on
    return date(*_shift(now.written_on, 1), 1)


def _months_on(match: re.Match[str], now: _Now) -> date:
    year, month = _shift(now.written_on, _number(match[1]))
    return _valid(year, month, now.written_on.day) or _end_of_month(year, month)


#: In this order: what an earlier one took, a later one does not see.
_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], _Now], date | None]], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        # What is past is no day to come, however its name would be read.
        (
            (
                rf"\blast (?:week(?:end)?|month|year|night|(?:{_WEEKDAY})(?:days?)?)\b"
                rf"|上(?:上|个)?{_WEEK}(?:[一二三四五六日天末1-7])?|上个?月(?:{CHINESE}{{1,3}}|\d{{1,2}})?(?:日|号)?"
                r"|昨[天晚日]|前天|琴日|寻日|尋日|\byesterday\b"
            ),
            lambda _m, _now: None,
        ),
        (r"\b(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})\b", lambda m, _now: _valid(int(m[1]), int(m[2]), int(m[3]))),
        (
            rf"(?:民国)?(?:(\d{{2,4}})年)?(?<!\d)(\d{{1,2}}|{CHINESE}{{1,2}})月(?:份)?{_DAY}(?:日|号)?(?!\d)",
            _chinese_month_day,
        ),
        (
            (
                rf"\b(?P<d1>\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL[1:-1]})(?: of)?[ -]?(?P<m1>{_MONTH[1:-1]})\b"
                rf"(?:[ ,]+(?P<y1>20\d\d))?"
                rf"|\b(?P<m2>{_MONTH[1:-1]})\.?[ -]?(?:the )?(?P<d2>\d{{1,2}}(?:st|nd|rd|th)?|{_ORDINAL[1:-1]})\b"
                rf"(?:[ ,]+(?P<y2>20\d\d))?"
            ),
            _english_month_day,
        ),
        (r"(?<![\d.$£€¥₹])(\d{1,2})[/-](\d{1,2})(?:[/-](\d{4}|\d{2}))?(?![\d/%])", _day_month),
        (r"(?<![\d.$£€¥₹,])(\d{1,2})\.(\d{1,2})(?:\.(\d{4}|\d{2}))?(?=号|日|还|缴|付|前|之前|转|汇)", _day_month),
        (
            rf"{_ORDINAL} (?:day )?of (?:the )?next month|next month(?: on)? (?:the )?{_ORDINAL}",
            lambda m, now: _valid(
                *_shift(now.written_on, 1), _ORDINALS.get(m[1] or m[2]) or int(re.sub(r"\D", "", m[1] or m[2]))
            ),
        ),
        (
            rf"(?:这个?月|本月|当月)的?{_DAY}(?:日|号)",
            lambda m, now: _valid(now.written_on.year, now.written_on.month, _number(m[1])),
        ),
        (
            rf"(?:下个?月)的?{_DAY}(?:日|号)?(?![\d元块])",
            lambda m, now: _valid(*_shift(now.written_on, 1), _number(m[1])),
        ),
        (
            (
                rf"\b(?:(?P<count>a|one|two|three|1|2|3) weeks?|(?P<fortnight>a fortnight)) (?:from|after|on from|on)"
                rf" (?:this |next )?(?P<from>today|now|tom\w+|(?:{_WEEKDAY}))(?:days?)?\b"
            ),
            _weeks_from_weekday,
        ),
        (
            r"\b(?:end of (?:the |this )?year|year ?end|eoy)\b|(?:今年)?年(?:底|尾|末)",
            lambda _m, now: date(now.written_on.year, 12, 31),
        ),
        (
            r"\bend of next week\b|下个?(?:周|星期|礼拜)(?:末|底)",
            lambda m, now: _weekday_of(now.written_on, 6 if "end" in m[0] else 5, 1),
        ),
        (r"\b(?:end of (?:the |this )?week|eow)\b", lambda _m, now: _weekday_of(now.written_on, 6, 0)),
        (r"\bnext weekend\b", lambda _m, now: _weekday_of(now.written_on, 5, 1)),
        (r"\bweekend\b|(?<!下)(?:这个?|本)?(?:周|星期|礼拜)末", lambda _m, now: _weekday_to_come(now.written_on, 5)),
        (
            (
                r"\b(?:beginning|start|first(?: day)?|1st) of (?:the )?next month\b"
                r"|\b(?:beginning|start) of the month\b|(?:下个?)?月初"
            ),
            _month_begin,
        ),
        (
            r"\b(?:middle of the month|mid[- ]?month)\b|(?:这个?|本)?月中(?!国)",
            lambda _m, now: _day_to_come(now.written_on, 15),
        ),
        (
            r"\b(?:with)?in (?:the next )?(\d{1,3}) ?(?:hours?|hrs?)\b|(?<!\d)(\d{1,3})个?小时(?:之?内|以内|之?后)",
            _hours_on,
        ),
        (r"下个?月(?:底|尾|末|最后一天)", lambda _m, now: _end_of_month(*_shift(now.written_on, 1))),
        (r"(?:end of|last day of) (?:the )?next month", lambda _m, now: _end_of_month(*_shift(now.written_on, 1))),
        (
            rf"(?<![\d万千])(\d{{1,2}}|{CHINESE}{{1,2}})月(?:底|末)|\bend of {_MONTH}\b",
            lambda m, now: _month_end_to_come(now.written_on, _number(m[1]) if m[1] else _MONTHS[m[2][:3]]),
        ),
        (
            (
                r"\b(?:the )?(?:end of (?:the |this )?month|month ?end|eom|last day of (?:the |this )?month)\b"
                r"|(?:这个?月|本月|月)(?:底|尾|末|的?最后一天)"
            ),
            lambda _m, now: _end_of_month(now.written_on.year, now.written_on.month),
        ),
        (r"\b(?<!this )(?:in the|the) (?:next )?morning\b|\bfirst thing\b(?! today)", _after(1)),
        (r"\bday after (?:tomorrow|tmrw|tmr|tomoro)\b|\bovermorrow\b", _after(2)),
        (r"大后[天日]", _after(3)),
        (r"后[天日]", _after(2)),
        (
            (
                r"\b(?:tomm?orr?ow|tommorr?ow|tomorro|tomoz|tmrw?w?|tmmrw|tmw|tmoro|tomoro|tmro|2moro|2morrow|2mrw|2moz|tomo|kal)\b"
                r"|明(?:天|日|早|晚|儿个?|朝)|听(?:日|朝|晚)"
            ),
            _after(1),
        ),
        (
            (
                rf"\b(?:with)?in (?:about |like |another )?{_COUNT} days?(?: time)?\b"
                rf"|\b{_COUNT} days? from (?:now|today)\b"
                rf"|\b(?:give me|need|gimme) (?:about |another )?{_COUNT}(?: more)? (?:more )?days?\b"
            ),
            lambda m, now: now.written_on + timedelta(days=_number(m[1] or m[2] or m[3])),
        ),
        (
            (
                rf"\b(?:with)?in (?:about |like |another )?{_COUNT} (?:weeks?|wks?)(?: time)?\b"
                rf"|\b{_COUNT} (?:weeks?|wks?) from (?:now|today)\b"
                rf"|\b(?:give me|need|gimme) (?:about |another )?{_COUNT}(?: more)? (?:weeks?|wks?)\b"
            ),
            lambda m, now: now.written_on + timedelta(days=7 * _number(m[1] or m[2] or m[3])),
        ),
        (r"\bin (?:a|one) fortnight\b", _after(14)),
        (rf"\bin {_COUNT} months?\b", _months_on),
        (rf"(?:给我|宽限|再给)?(?<![一-九十]){_DAY}[天日](?:之?后|以?后|之?内|以内|时间)", _count_of(1)),
        (rf"(?:再?给我|再等|宽限)(?:我)?{_DAY}[天日]", _count_of(1)),
        (r"半个?月(?:之?后|以?后|之?内)", _after(15)),
        (rf"{_DAY}个?(?:周|星期|礼拜)(?:之?后|以?后|之?内)", _count_of(7)),
        (rf"{_DAY}个月(?:之?后|以?后|之?内)", _months_on),
        (
            (
                rf"\b(?P<before>next wk |next week |next |this coming |this |coming )?(?P<day>{_WEEKDAY})(?:days?)?\b"
                r"(?P<after> next week| of next week| next wk| week)?"
            ),
            _english_weekday,
        ),
        (rf"(下{{1,2}}个?|[这本今]个?|呢个)?{_WEEK}([一二三四五六日天1-7])", _chinese_weekday),
        (
            rf"(?<![\d一二三四五六七八九十月年第过这几]){_DAY}(?:号|日)(?![\d码内])",
            lambda m, now: _day_to_come(now.written_on, _number(m[1])),
        ),
        (
            rf"\b(?:the )?{_ORDINAL}\b(?! (?:one|option|time|payment|week|of the|half|thing))",
            lambda m, now: (
                _day_to_come(now.written_on, _ORDINALS.get(m[1]) or int(re.sub(r"\D", "", m[1])))
                if m[1][0].isdigit() or m[0].startswith("the ")
                else None
            ),
        ),
        (
            (
                r"\b(?:today|tonight|tonite|2nite|2day|2night|this (?:evening|afternoon|arvo|morning)|right now|rn"
                r"|(?<!so )(?<!until )now(?! i can)|eod|end of day|straight away"
                r"|in an? (?:hour|minute|sec|bit|few minutes|few hours)|in \d+ (?:min|mins|minutes))\b"
                r"|今[天日晚早]|今儿|(?<!有钱了)马上|立刻|立即|现在|等等就|等(?:等|下|会儿?|一下|一会儿?)(?=还|缴|转|付|汇|去还|去缴|再还)|等下就|等一下就|而家|依家|即刻|待会儿?|一会儿?|这就|(?<![明昨])(?:晚上|下午)"
            ),
            _after(0),
        ),
        (r"初[一二三四五六七八九十]|正月|年三十|除夕", lambda _m, _now: None),
    )
)
_REFUSED_AFTER = re.compile(
    r"^(?!\s*(?:not|and not) )[^.,;，。；]{0,6}?(?:\bdid ?nt|\bdoes ?nt|\bdont|\baint|\bcant|\bcannot|\bwont"
    r"|\bis ?nt|\bno good|\bnot |\bwas "
    r"|(?<!行)不行|(?<!可)不可以|不方便|不得|没|(?<!得)唔得|好忙|太忙|很忙|唔啱)"
)
_REFUSED_BEFORE = re.compile(
    r"(?:\bnot|\bcant(?: do| pay)?|\bcannot|\bnot on|\binstead of|不是|(?<!能)不能|没法|除了)\s*(?:on |by )?$"
)

_NOW = re.compile(r"now|right now|rn|现在|而家|依家|即刻|马上|立刻|立即")
_AMOUNT_BEFORE = re.compile(r"(?<!have )(?<!got )(?:[$£€₹] ?)?\b\d[\d.,]*k? $")
#: "The moment I am paid" is not this moment.
_ON_CONDITION = re.compile(
    r"(?:发工资|发薪水?|领薪水?|领钱|出粮|有钱|到账|发钱|get paid|payday)(?:了|之?后|就|咗|我)*$"
)
_PAID_BEFORE = re.compile(
    r"\b(?:pay(?:ing)?|send(?:ing)?|transfer(?:ring)?|do(?:ing)?|sort(?:ing)?) (?:\S+ ){0,3}$|[还缴付转汇]$"
)
_PAID_AFTER = re.compile(r"^(?:就|马上|来|去|先|立刻){0,2}[还缴付转汇存打]")
_BROKE_BEFORE = re.compile(r"\b(?:broke|no money|no cash|skint|short|nothing) $|(?:没钱|冇钱)$")


def days_in(plain: str, today: date, *, month_first: bool) -> list[Named]:
    """Every day that `plain` (in normal form) names, in its order."""
    now = _Now(today, month_first)
    taken = [False] * len(plain)
    found: list[Named] = []
    for pattern, read in _FORMS:
        for match in pattern.finditer(plain):
            if match.end() > match.start() and not any(taken[match.start() : match.end()]):
                found.append(Named(match.start(), match.end(), _computed(match, read, now)))
                taken[match.start() : match.end()] = [True] * (match.end() - match.start())
    return sorted(found, key=lambda named: named.start)


def _computed(match: re.Match[str], read: Callable[[re.Match[str], _Now], date | None], now: _Now) -> date | None:
    try:
        return read(match, now)
    except (OverflowError, ValueError):
        return None  # a day beyond the calendar


def promised_on(plain: str, days: list[Named]) -> date | None:
    """The day that is meant: the first that is not refused ("Thursday didn't work, it'll be Sunday").

    "Now", and a today on which there is no money, are of another clause where another day is named.
    """
    meant = [named for named in _meant(plain, days) if named.on is not None]
    said = [named for named in meant if not _is_aside(plain, named)]
    return (said or meant)[0].on if meant else None


def _is_aside(plain: str, named: Named) -> bool:
    if _NOW.fullmatch(plain[named.start : named.end]):
        if _ON_CONDITION.search(plain[: named.start]):
            return True
        if _AMOUNT_BEFORE.search(plain[: named.start]):
            return False
        return not _PAID_BEFORE.search(plain[: named.start]) and not _PAID_AFTER.search(plain[named.end :])
    return _BROKE_BEFORE.search(plain[: named.start]) is not None


def _meant(plain: str, days: list[Named]) -> Iterator[Named]:
    for named in days:
        if not _REFUSED_AFTER.search(plain[named.end :]) and not _REFUSED_BEFORE.search(plain[: named.start]):
            yield named
