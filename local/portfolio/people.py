"""Invented people: names from short lists, numbers and addresses that reach nobody.

US numbers are 555-0100 to 555-0199 of an area code, which the numbering plan keeps for fiction, and British ones are of
the ranges that Ofcom keeps for drama. China keeps no range
for that; 1349 is numbered for satellite telephones, not for the public, so it is used here. E-mail goes to
`example.com` and `example.cn`. Nothing in the simulation leaves the machine either way.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CN = "CN"
US_NY = "US-NY"
US_MA = "US-MA"
GB = "GB"
JURISDICTIONS = (CN, US_NY, GB, US_MA)
#: Where a number may be from and nobody lives: people keep theirs when they move east.
PACIFIC = "pacific"

TIME_ZONES = {
    CN: "Asia/Shanghai",
    US_NY: "America/New_York",
    GB: "Europe/London",
    US_MA: "America/New_York",
}
CURRENCIES = {CN: "CNY", US_NY: "USD", GB: "GBP", US_MA: "USD"}
LOCALES = {CN: "zh-CN", US_NY: "en-US", GB: "en-GB", US_MA: "en-US"}

#: Area codes of the state, all of them in one time zone.
AREA_CODES = {
    US_NY: _words("212 315 332 347 516 518 585 607 631 646 680 716 718 838 845 914 917 929 934"),
    PACIFIC: _words(
        "209 213 279 310 323 341 408 415 424 442 510 530 559 562 619 626 628 650 657 661 669 707 714 747 760 805 818 "
        "820 831 858 909 916 925 949 951"
    ),
    US_MA: _words("339 351 413 508 617 774 781 857 978"),
}
CN_PREFIX = "+861349"
#: Ranges of a thousand numbers each.
GB_PREFIXES = tuple(
    f"+44{prefix}"
    for prefix in _words(
        "1134960 1144960 1164960 1174960 1184960 1214960 1314960 1414960 1514960 1614960 2079460 1914980 2896496 "
        "2920180"
    )
)
#: What numbers of a place begin with, and how many digits follow.
NUMBERS: dict[str, tuple[tuple[str, ...], int]] = {
    **{place: (tuple(f"+1{code}55501" for code in codes), 2) for place, codes in AREA_CODES.items()},
    GB: (GB_PREFIXES, 3),
    CN: ((CN_PREFIX,), 7),
}

#: How the openids of the invented service account begin.
OPENIDS = "oEx4mP"
#: Mobile numbers that Ofcom keeps for drama: whoever is on WhatsApp has one, and is texted elsewhere.
WHATSAPP_PREFIX = "+447700900"

#: Everybody who can be invented, as the allow-list of a deployment outside production puts it.
RECIPIENTS = (
    *(f"{prefix}*" for prefixes, _ in NUMBERS.values() for prefix in prefixes),
    f"{WHATSAPP_PREFIX}*",
    "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/marram/*",
    "arn:aws:sns:us-east-1:123456789012:endpoint/APNS/marram/*",
    f"{OPENIDS}*",
    "*@example.com",
    "*@example.cn",
)

FAMILY_NAMES_CN = _words("王 李 张 刘 陈 杨 赵 黄 周 吴 徐 孙 胡 朱 高 林 何 郭 马 罗")
GIVEN_NAMES_CN = _words(
    "伟 芳 娜 敏 静 磊 洋 艳 勇 杰 娟 涛 明 超 霞 平 刚 桂英 建华 文博 雨桐 思远 佳怡 子涵 志强 晓燕 海燕 国庆"
)
FAMILY_NAMES_EN = _words(
    "Alder Barlow Castell Dunmore Ellery Farrow Garrick Hollis Ingram Jessop Kendrick Larkin Marlow Norwood Osborne "
    "Penrose Quimby Radley Selwyn Thorne Underhill Verity Wexford Yardley"
)
GIVEN_NAMES_EN = _words(
    "Ada Ben Carla Dion Elena Felix Grace Hugo Iris Jonah Kira Liam Maya Noel Opal Priya Quinn Rosa Saul Tara Uma Vic "
    "Wendy Xavier Yara Zane"
)


def name_of(jurisdiction: str, number: int) -> str:
    """The name of the `number`-th invented person; names repeat, as names do."""
    if jurisdiction == CN:
        family, given = FAMILY_NAMES_CN, GIVEN_NAMES_CN
        return family[number % len(family)] + given[number // len(family) % len(given)]
    family, given = FAMILY_NAMES_EN, GIVEN_NAMES_EN
    return f"{given[number % len(given)]} {family[number // len(given) % len(family)]}"


def email_of(jurisdiction: str, party_id: str) -> str:
    """An address under a domain that is kept for examples."""
    return f"{party_id}@example.{'cn' if jurisdiction == CN else 'com'}"


def openid_of(party_id: str) -> str:
    """What WeChat would call somebody who follows the service account: ids of one account begin alike."""
    digest = hashlib.sha256(f"follower {party_id}".encode()).digest()
    return OPENIDS + base64.urlsafe_b64encode(digest).decode()[: 28 - len(OPENIDS)]


def device_of(party_id: str) -> str:
    """What SNS would call the device of somebody who has the app; the account is the one that documentation uses."""
    digits = hashlib.sha256(f"device of {party_id}".encode()).hexdigest()
    device = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))
    service = "APNS" if int(digits[32], 16) % 2 else "GCM"
    return f"arn:aws:sns:us-east-1:123456789012:endpoint/{service}/marram/{device}"


def phone_count(place: str) -> int:
    """How many different numbers there are to give away."""
    prefixes, digits = NUMBERS[place]
    return len(prefixes) * int(10**digits)


def phone_of(place: str, number: int) -> str:
    """The `number`-th invented phone number (E.164); neighbours differ in their area code where there are several.

    Raises:
        ValueError: there are fewer than that.
    """
    if not 0 <= number < phone_count(place):
        raise ValueError(f"{place} has {phone_count(place)} invented numbers, not {number + 1}")
    prefixes, digits = NUMBERS[place]
    return f"{prefixes[number % len(prefixes)]}{number // len(prefixes):0{digits}d}"


class PhoneBook:
    """Gives every party a number of its own."""

    def __init__(self) -> None:
        self._numbers: dict[str, Iterator[int]] = {name: iter(range(phone_count(name))) for name in NUMBERS}

    def next(self, place: str) -> str | None:
        """The next free number; None when the place has no more."""
        number = next(self._numbers[place], None)
        return None if number is None else phone_of(place, number)
