"""`dunlin allowed` against a table made from the facts about each place, not from its pack.

Local times are read in the first of the zones; `then` is the next moment that is allowed, local too ("": never).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dunlin.content import load_rules
from dunlin.content.places import days_of_change, find_place
from dunlin.domain.allowed import THE_LOAN, Question, consider
from dunlin.domain.borrower import Contact
from dunlin.domain.words import Purpose
from dunlin.errors import InvalidInput

from local.commands.asking import CONTENT, UNREVIEWED, Book, answer, answering
from local.commands.lines import answers

NEW_YORK, LOS_ANGELES = "America/New_York", "America/Los_Angeles"
SYDNEY, PERTH = "Australia/Sydney", "Australia/Perth"
ZONES = {
    "CN": "Asia/Shanghai",
    "US": NEW_YORK,
    "US-MA": NEW_YORK,
    "GB": "Europe/London",
    "AU": SYDNEY,
    "KR": "Asia/Seoul",
    "IN": "Asia/Kolkata",
    "ID": "Asia/Jakarta",
    "PH": "Asia/Manila",
}
PLACES = sorted(ZONES)
DRAFTS = {"KR", "IN", "ID", "PH"}


@dataclass(frozen=True)
class Case:
    place: str
    at: str
    allowed: bool
    then: str = ""
    purpose: str = "collection"
    channel: str = "sms"
    zones: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        more = "".join(f" {name}={value}" for name, value in self.more.items() if name != "contacts")
        earlier = f" after {len(self.more['contacts'])}" if "contacts" in self.more else ""
        return f"{self.place} {self.purpose} {self.channel} {self.at}{earlier}{more}"

    @property
    def all_zones(self) -> tuple[str, ...]:
        return self.zones or (ZONES[self.place],)

    def moment(self, local: str) -> datetime:
        found = datetime.fromisoformat(local)
        return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(self.all_zones[0]))

    @property
    def question(self) -> dict[str, Any]:
        contacts = [
            {
                "at": self.moment(f"{day}T{clock}").isoformat(),
                "channel": channel,
                **({"purpose": about[0]} if about else {}),
            }
            for day, clock, channel, *about in map(str.split, self.more.get("contacts", ()))
        ]
        return {
            "jurisdiction": self.place,
            "purpose": self.purpose,
            "channel": self.channel,
            "at": self.moment(self.at).isoformat(),
            "zones": list(self.all_zones),
            **self.more,
            "contacts": contacts,
        }


def yes(place: str, at: str, **more: Any) -> Case:
    return _case(place, at, True, at, more)


def no(place: str, at: str, then: str, **more: Any) -> Case:
    return _case(place, at, False, then, more)


def _case(place: str, at: str, allowed: bool, then: str, more: dict[str, Any]) -> Case:
    known = {name: more.pop(name) for name in ("purpose", "channel", "zones") if name in more}
    return Case(place, at, allowed, then, **known, more=more)


def on_days(month: str, days: Iterable[int], rest: str) -> list[str]:
    return [f"{month}-{day:02} {rest}" for day in days]


def both_sides(place: str, at: str, then: str, **more: Any) -> list[Case]:
    """Closed at a moment, and open at the next that is said."""
    return [no(place, at, then, **more), yes(place, then, **more)]


# 2026-11-23 is a Monday.
CHINA = [
    *both_sides("CN", "2026-11-23T07:59", "2026-11-23T08:00"),
    *both_sides("CN", "2026-11-23T07:59:59", "2026-11-23T08:00"),
    *both_sides("CN", "2026-11-23T00:00", "2026-11-23T08:00"),
    yes("CN", "2026-11-23T21:59"),
    yes("CN", "2026-11-23T21:59:59"),
    *both_sides("CN", "2026-11-23T22:00", "2026-11-24T08:00"),
    *both_sides("CN", "2026-12-31T23:59", "2027-01-01T08:00"),
    no("CN", "2026-11-21T07:59", "2026-11-21T08:00"),  # Saturday
    yes("CN", "2026-11-21T08:00"),
    yes("CN", "2026-11-22T21:59"),  # Sunday
    yes("CN", "2026-10-01T10:00"),  # National Day
    yes("CN", "2026-02-17T10:00"),  # New Year's Day of the lunar calendar
    *[
        no("CN", "2026-11-23T22:30", "2026-11-24T08:00", channel=channel)
        for channel in ("voice", "email", "push", "whatsapp")
    ],
    *[yes("CN", "2026-11-23T22:30", purpose=purpose) for purpose in ("service", "mandatory_notice")],
    # China has one zone; the app of somebody abroad shows two.
    *both_sides("CN", "2026-11-23T08:30", "2026-11-23T10:00", zones=("Asia/Shanghai", "Asia/Dhaka")),
    # Connected calls: three a day of the debtor, and calls only.
    yes("CN", "2026-11-23T12:00", channel="voice", contacts=on_days("2026-11", (23, 23), "09:00 voice")),
    no(
        "CN",
        "2026-11-23T12:00",
        "2026-11-24T08:00",
        channel="voice",
        contacts=on_days("2026-11", (23,) * 3, "09:00 voice"),
    ),
    no(
        "CN",
        "2026-11-23T21:59",
        "2026-11-24T08:00",
        channel="voice",
        contacts=on_days("2026-11", (23,) * 3, "09:00 voice"),
    ),
    yes("CN", "2026-11-24T08:00", channel="voice", contacts=on_days("2026-11", (23,) * 3, "21:59 voice")),
    yes("CN", "2026-11-23T12:00", contacts=on_days("2026-11", (23,) * 3, "09:00 voice")),
    yes("CN", "2026-11-23T12:00", channel="voice", contacts=on_days("2026-11", (23,) * 3, "09:00 sms")),
    # No legal limit of texts is known: what there is, is the lender's own.
    yes("CN", "2026-11-23T12:00", contacts=on_days("2026-11", (23,) * 5, "09:00 sms")),
    *[yes("CN", "2026-11-23T12:00", capacity=capacity) for capacity in ("creditor", "servicer", "collector")],
    no("CN", "2026-11-23T23:00", "2026-11-24T08:00", capacity="creditor"),
    # Three zones that share an hour only once London has put its clock forward.
    *both_sides(
        "CN",
        "2026-03-07T06:00+00:00",
        "2026-03-29T07:00+00:00",
        zones=("Pacific/Honolulu", "Europe/London", "Asia/Shanghai"),
    ),
]

AMERICA = [
    *both_sides("US", "2026-11-23T07:59", "2026-11-23T08:00"),
    yes("US", "2026-11-23T20:59"),
    yes("US", "2026-11-23T20:59:59"),
    *both_sides("US", "2026-11-23T21:00", "2026-11-24T08:00"),
    *both_sides("US", "2026-11-22T07:59", "2026-11-22T08:00"),  # Sunday
    yes("US", "2026-11-26T10:00"),  # Thanksgiving
    yes("US", "2026-12-25T20:59"),
    *[
        no("US", "2026-11-23T21:00", "2026-11-24T08:00", channel=channel)
        for channel in ("voice", "email", "push", "whatsapp")
    ],
    *both_sides("US", "2026-11-23T06:30", "2026-11-23T08:00", zones=(LOS_ANGELES,)),
    # Two zones: eleven to nine in the east.
    *both_sides("US", "2026-11-23T10:59", "2026-11-23T11:00", zones=(NEW_YORK, LOS_ANGELES)),
    yes("US", "2026-11-23T20:59", zones=(NEW_YORK, LOS_ANGELES)),
    *both_sides("US", "2026-11-23T21:00", "2026-11-24T11:00", zones=(NEW_YORK, LOS_ANGELES)),
    *both_sides("US", "2026-11-23T18:00", "2026-11-24T08:00", zones=(LOS_ANGELES, NEW_YORK)),
    # Two zones that agree in winter and differ in summer.
    *both_sides("US", "2026-12-07T07:59", "2026-12-07T08:00", zones=("America/Denver", "America/Phoenix")),
    *both_sides("US", "2026-07-06T08:59", "2026-07-06T09:00", zones=("America/Denver", "America/Phoenix")),
    yes("US", "2026-07-06T20:59", zones=("America/Denver", "America/Phoenix")),
    *both_sides("US", "2026-07-06T21:00", "2026-07-07T09:00", zones=("America/Denver", "America/Phoenix")),
    # From New York to Honolulu three hours are left in summer, two in winter.
    *both_sides("US", "2026-07-06T13:59", "2026-07-06T14:00", zones=(NEW_YORK, "Pacific/Honolulu")),
    *both_sides("US", "2026-12-07T12:59", "2026-12-07T13:00", zones=(NEW_YORK, "Pacific/Honolulu")),
    # The clock goes back on the first of November: eight in the morning comes an hour later by UTC.
    yes("US", "2026-10-31T12:00+00:00"),
    *both_sides("US", "2026-11-01T12:59+00:00", "2026-11-01T13:00+00:00"),
    yes("US", "2026-11-02T01:59+00:00"),
    *both_sides("US", "2026-11-02T02:00+00:00", "2026-11-02T13:00+00:00"),
    *both_sides("US", "2026-10-31T21:00", "2026-11-01T08:00"),
    no("US", "2026-11-01T01:30-04:00", "2026-11-01T08:00-05:00"),  # the first half past one of two
    no("US", "2026-11-01T01:30-05:00", "2026-11-01T08:00-05:00"),
    # It goes forward on the eighth of March.
    *both_sides("US", "2026-03-07T12:59+00:00", "2026-03-07T13:00+00:00"),
    *both_sides("US", "2026-03-08T11:59+00:00", "2026-03-08T12:00+00:00"),
    yes("US", "2026-03-09T00:59+00:00"),
    *both_sides("US", "2026-03-09T01:00+00:00", "2026-03-09T12:00+00:00"),
    # From Honolulu over London to Shanghai: no hour is eight to nine in all of them.
    no("US", "2026-03-07T06:00+00:00", "", zones=("Pacific/Honolulu", "Europe/London", "Asia/Shanghai")),
    # On that night two zones change one after the other: Los Angeles three hours behind again only at ten by UTC.
    *both_sides("US", "2026-03-08T10:59-04:00", "2026-03-08T11:00-04:00", zones=(NEW_YORK, LOS_ANGELES)),
    # Seven calls in seven days, and calls only, whether or not somebody answered.
    no(
        "US",
        "2026-11-23T09:59",
        "2026-11-23T10:00",
        channel="voice",
        contacts=on_days("2026-11", range(16, 23), "10:00 voicemail"),
    ),
    yes("US", "2026-11-23T09:59", channel="voice", contacts=on_days("2026-11", range(17, 23), "10:00 voice")),
    *both_sides(
        "US",
        "2026-11-23T09:59",
        "2026-11-23T10:00",
        channel="voice",
        contacts=on_days("2026-11", range(16, 23), "10:00 voice"),
    ),
    no(
        "US",
        "2026-11-23T10:00",
        "2026-11-24T10:00",
        channel="voice",
        contacts=on_days("2026-11", range(16, 24), "10:00 voice"),
    ),
    no(
        "US",
        "2026-11-17T09:00",
        "2026-11-23T10:00",
        channel="voice",
        contacts=on_days("2026-11", (16,) * 7, "10:00 voice"),
    ),
    yes("US", "2026-11-23T09:59", contacts=on_days("2026-11", range(16, 23), "10:00 voice")),
    yes("US", "2026-11-23T09:59", channel="voice", contacts=on_days("2026-11", range(16, 23), "10:00 sms")),
    yes("US", "2026-11-23T09:59", channel="voice", contacts=on_days("2026-11", range(16, 23), "10:00 email")),
    yes("US", "2026-11-23T09:59", contacts=on_days("2026-11", range(16, 23), "10:00 sms")),
    # A place that is free when the window is closed waits for the morning.
    no(
        "US",
        "2026-11-23T20:30",
        "2026-11-24T08:00",
        channel="voice",
        contacts=on_days("2026-11", (16,) * 7, "21:00 voice"),
    ),
    # Regulation F binds collectors.
    yes("US", "2026-11-23T07:00", capacity="creditor"),
    yes("US", "2026-11-23T22:00", capacity="creditor", channel="voice"),
    yes(
        "US",
        "2026-11-23T09:59",
        capacity="creditor",
        channel="voice",
        contacts=on_days("2026-11", range(16, 23), "10:00 voice"),
    ),
    no("US", "2026-11-23T07:00", "2026-11-23T08:00", capacity="collector"),
]

MASSACHUSETTS = [
    *both_sides("US-MA", "2026-11-23T07:59", "2026-11-23T08:00"),
    yes("US-MA", "2026-11-23T20:59"),
    *both_sides("US-MA", "2026-11-23T21:00", "2026-11-24T08:00"),
    *both_sides("US-MA", "2026-11-23T07:59", "2026-11-23T08:00", capacity="creditor"),
    *both_sides("US-MA", "2026-11-23T21:00", "2026-11-24T08:00", capacity="creditor"),
    yes("US-MA", "2026-11-24T09:59", contacts=["2026-11-17 10:00 sms"]),
    *both_sides(
        "US-MA", "2026-11-24T09:59", "2026-11-24T10:00", contacts=["2026-11-17 10:00 sms", "2026-11-20 10:00 sms"]
    ),
    *both_sides(
        "US-MA",
        "2026-11-24T09:59",
        "2026-11-24T10:00",
        contacts=["2026-11-17 10:00 sms", "2026-11-20 10:00 sms"],
        capacity="creditor",
    ),
    *both_sides(
        "US-MA", "2026-11-24T09:59", "2026-11-24T10:00", contacts=["2026-11-17 10:00 voice", "2026-11-20 10:00 sms"]
    ),
    *both_sides(
        "US-MA",
        "2026-11-24T09:59",
        "2026-11-24T10:00",
        channel="voice",
        contacts=["2026-11-17 10:00 sms", "2026-11-20 10:00 sms"],
    ),
    no("US-MA", "2026-11-24T10:00", "2026-11-27T10:00", contacts=[f"2026-11-{day} 10:00 sms" for day in (17, 20, 21)]),
    *[
        no(
            "US-MA",
            "2026-11-24T09:59",
            "2026-11-24T10:00",
            contacts=["2026-11-17 10:00 sms", f"2026-11-20 10:00 {channel}"],
        )
        for channel in ("voicemail", "whatsapp")
    ],
    # The order in which they are told does not matter.
    no("US-MA", "2026-11-24T09:59", "2026-11-24T10:00", contacts=["2026-11-20 10:00 sms", "2026-11-17 10:00 sms"]),
    # Room comes at the edge of the day's hours, or not before the morning.
    *both_sides(
        "US-MA", "2026-11-24T12:00", "2026-11-24T20:59", contacts=["2026-11-17 20:59 sms", "2026-11-20 10:00 sms"]
    ),
    *both_sides(
        "US-MA", "2026-11-24T12:00", "2026-11-25T08:00", contacts=["2026-11-17 21:00 sms", "2026-11-20 10:00 sms"]
    ),
    # Calls and texts count, an e-mail does neither count nor wait.
    yes("US-MA", "2026-11-24T09:59", contacts=["2026-11-17 10:00 email", "2026-11-20 10:00 sms"]),
    yes("US-MA", "2026-11-24T09:59", channel="email", contacts=["2026-11-17 10:00 sms", "2026-11-20 10:00 sms"]),
    yes("US-MA", "2026-11-24T09:59", contacts=["2026-11-17 10:00 sms service", "2026-11-20 10:00 sms"]),
    yes("US-MA", "2026-11-24T09:59", purpose="service", contacts=["2026-11-17 10:00 sms collection"] * 2),
    # The federal rules go on: seven calls are two already.
    no(
        "US-MA",
        "2026-11-23T09:59",
        "2026-11-28T10:00",
        channel="voice",
        contacts=on_days("2026-11", range(16, 23), "10:00 voice"),
    ),
    no(
        "US",
        "2026-11-24T09:59",
        "2026-11-24T10:00",
        region="MA",
        contacts=["2026-11-17 10:00 sms", "2026-11-20 10:00 sms"],
    ),
]

_THREE = ["2026-11-17 10:00 sms", "2026-11-19 10:00 voice", "2026-11-20 10:00 sms"]
_LATE_AUGUST = ["2026-08-26 10:00 sms", "2026-08-28 10:00 sms", "2026-08-29 10:00 sms"]
NEW_YORK_CITY = [
    *both_sides("US", "2026-11-23T07:59", "2026-11-23T08:00", region="NYC"),
    *both_sides("US", "2026-11-24T09:59", "2026-11-24T10:00", region="NYC", contacts=_THREE),
    *both_sides("US", "2026-11-24T09:59", "2026-11-24T10:00", region="NYC", contacts=_THREE, capacity="creditor"),
    yes("US", "2026-11-24T09:59", region="NYC", contacts=_THREE[1:]),
    yes("US", "2026-11-24T09:59", contacts=_THREE),  # not elsewhere
    # In force from the first of September 2026.
    yes("US", "2026-08-31T20:59", region="NYC", contacts=_LATE_AUGUST),
    *both_sides("US", "2026-09-01T08:00", "2026-09-02T10:00", region="NYC", contacts=_LATE_AUGUST),
    no("US", "2026-08-31T21:00", "2026-09-02T10:00", region="NYC", contacts=_LATE_AUGUST),
    # Electronic contact asks for consent.
    *[no("US", "2026-11-23T10:00", "", region="NYC", channel=channel, consents=[]) for channel in ("sms", "email")],
    yes("US", "2026-11-23T10:00", region="NYC", channel="voice", consents=[]),
    yes("US", "2026-08-31T10:00", region="NYC", channel="email", consents=[]),
    no("US", "2026-08-31T21:00", "", region="NYC", channel="email", consents=[]),
    yes("US", "2026-11-23T10:00", channel="email", consents=[]),
    # Elsewhere it is a text that asks for it: the safe harbour rests on a consent given directly.
    no("US", "2026-11-23T10:00", "", consents=[]),
    yes("US", "2026-11-23T10:00", consents=[], capacity="creditor"),
]

BRITAIN = [
    yes("GB", "2026-11-23T10:00"),
    yes("GB", "2026-11-22T14:00"),
    yes("GB", "2026-12-25T14:00"),
    yes("GB", "2026-11-23T19:00", channel="voice"),
    # No number is in the rules.
    yes("GB", "2026-11-23T12:00", contacts=on_days("2026-11", range(17, 24), "09:00 sms")),
]

# Nine contacts of which no three lie within a week, and a tenth.
_TEN = [
    f"2026-{day} 10:00 {channel}"
    for day, channel in zip(
        ("10-26", "10-28", "11-02", "11-04", "11-09", "11-10", "11-11", "11-16", "11-17", "11-18"),
        ("sms", "email") * 5,
        strict=True,
    )
]
AUSTRALIA = [
    *both_sides("AU", "2026-11-23T07:29", "2026-11-23T07:30"),
    yes("AU", "2026-11-23T20:59"),
    *both_sides("AU", "2026-11-23T21:00", "2026-11-24T07:30"),
    *both_sides("AU", "2026-11-20T21:00", "2026-11-21T09:00"),  # Friday night
    *both_sides("AU", "2026-11-21T08:59", "2026-11-21T09:00"),
    yes("AU", "2026-11-21T20:59"),
    *both_sides("AU", "2026-11-21T21:00", "2026-11-22T09:00"),
    *both_sides("AU", "2026-11-22T08:59", "2026-11-22T09:00"),
    *both_sides("AU", "2026-11-22T21:00", "2026-11-23T07:30"),
    # National holidays.
    *both_sides("AU", "2027-01-01T10:00", "2027-01-02T09:00"),
    *both_sides("AU", "2027-01-26T10:00", "2027-01-27T07:30"),
    *both_sides("AU", "2026-12-24T21:00", "2026-12-27T09:00"),  # Christmas, and Boxing Day on a Saturday
    no("AU", "2026-12-26T10:00", "2026-12-27T09:00"),
    *both_sides("AU", "2027-03-29T12:00", "2027-03-30T07:30"),  # Easter Monday
    *[
        no("AU", f"{day}T12:00", then)
        for day, then in (("2026-01-01", "2026-01-02T07:30"), ("2026-01-26", "2026-01-27T07:30"))
    ],
    *both_sides("AU", "2026-06-08T07:29", "2026-06-08T07:30"),  # the King's birthday: not in every state on that day
    # The clock goes forward on Sunday 4 October 2026 and back on Sunday 4 April 2027.
    *both_sides("AU", "2026-10-03T22:59+11:00", "2026-10-04T09:00+11:00"),
    *both_sides("AU", "2026-10-03T21:59+00:00", "2026-10-03T22:00+00:00"),
    yes("AU", "2026-10-04T09:59+00:00"),
    *both_sides("AU", "2026-10-04T10:00+00:00", "2026-10-04T20:30+00:00"),
    *both_sides("AU", "2027-04-03T22:59+00:00", "2027-04-03T23:00+00:00"),
    yes("AU", "2027-04-04T10:59+00:00"),
    *both_sides("AU", "2027-04-04T11:00+00:00", "2027-04-04T21:30+00:00"),
    # Queensland does not change its clock.
    *both_sides("AU", "2026-11-23T07:29", "2026-11-23T07:30", zones=("Australia/Brisbane",)),
    *both_sides("AU", "2026-11-23T08:29", "2026-11-23T08:30", zones=(SYDNEY, "Australia/Brisbane")),
    *both_sides("AU", "2026-11-23T10:29", "2026-11-23T10:30", zones=(SYDNEY, PERTH)),
    *both_sides("AU", "2026-11-23T21:00", "2026-11-24T10:30", zones=(SYDNEY, PERTH)),
    *both_sides("AU", "2026-11-21T11:59", "2026-11-21T12:00", zones=(SYDNEY, PERTH)),
    *both_sides(
        "AU",
        "2026-11-23T08:59",
        "2026-11-23T09:00",
        zones=(SYDNEY, "Australia/Adelaide"),
        contacts=["2026-11-16 09:00 sms"] * 3,
    ),
    # Three in a week, whatever the channel.
    yes("AU", "2026-11-23T09:59", contacts=["2026-11-18 10:00 sms", "2026-11-20 10:00 sms"]),
    *both_sides("AU", "2026-11-23T09:59", "2026-11-23T10:00", contacts=on_days("2026-11", (16, 18, 20), "10:00 sms")),
    *both_sides(
        "AU",
        "2026-11-23T09:59",
        "2026-11-23T10:00",
        contacts=["2026-11-16 10:00 voice", "2026-11-18 10:00 email", "2026-11-20 10:00 sms"],
    ),
    no(
        "AU",
        "2026-11-23T09:59",
        "2026-11-23T10:00",
        channel="email",
        contacts=on_days("2026-11", (16, 18, 20), "10:00 sms"),
    ),
    no(
        "AU",
        "2026-11-23T09:59",
        "2026-11-23T10:00",
        channel="voice",
        contacts=on_days("2026-11", (16, 18, 20), "10:00 voicemail"),
    ),
    # Ten in a month.
    *both_sides("AU", "2026-11-25T09:59", "2026-11-25T10:00", contacts=_TEN),
    yes("AU", "2026-11-25T09:59", contacts=_TEN[1:8]),
    no("AU", "2026-11-18T11:00", "2026-11-25T10:00", contacts=_TEN),
    # A place in the week that comes on a Sunday night waits for Monday.
    no("AU", "2026-11-22T12:00", "2026-11-23T07:30", contacts=on_days("2026-11", (15,) * 3, "21:00 sms")),
    yes("AU", "2026-11-23T09:59", purpose="service", contacts=on_days("2026-11", (16, 18, 20), "10:00 sms collection")),
    *[
        no("AU", "2026-11-23T07:29", "2026-11-23T07:30", capacity=capacity)
        for capacity in ("creditor", "servicer", "collector")
    ],
]

_SEVEN = [
    f"2026-11-{day} 10:00 {channel}" for day, channel in zip(range(16, 23), ("sms", "voice", "email") * 3, strict=False)
]
KOREA = [
    *both_sides("KR", "2026-11-23T07:59", "2026-11-23T08:00"),
    yes("KR", "2026-11-23T20:59"),
    *both_sides("KR", "2026-11-23T21:00", "2026-11-24T08:00"),
    yes("KR", "2026-11-22T08:00"),
    yes("KR", "2026-10-03T12:00"),  # National Foundation Day
    *[no("KR", "2026-11-23T21:00", "2026-11-24T08:00", channel=channel) for channel in ("voice", "email")],
    *both_sides("KR", "2026-11-23T09:59", "2026-11-23T10:00", contacts=_SEVEN),
    *both_sides("KR", "2026-11-23T09:59", "2026-11-23T10:00", channel="voice", contacts=_SEVEN),
    *both_sides("KR", "2026-11-23T09:59", "2026-11-23T10:00", channel="email", contacts=_SEVEN),
    yes("KR", "2026-11-23T09:59", contacts=_SEVEN[1:]),
    # Mandatory notices and answers do not count, and are not counted out.
    yes("KR", "2026-11-23T09:59", contacts=[*_SEVEN[1:], "2026-11-16 10:00 sms mandatory_notice"]),
    yes("KR", "2026-11-23T09:59", contacts=[*_SEVEN[1:], "2026-11-16 10:00 sms reply"]),
    yes("KR", "2026-11-23T09:59", purpose="mandatory_notice", contacts=[f"{contact} collection" for contact in _SEVEN]),
    no("KR", "2026-11-23T09:59", "2026-11-23T10:00", contacts=[*_SEVEN, "2026-11-22 12:00 sms mandatory_notice"]),
    # Before the act there was no such number.
    yes("KR", "2024-10-16T09:59", contacts=["2024-10-15 10:00 sms"] * 7),
    no("KR", "2024-10-17T09:59", "2024-10-22T10:00", contacts=["2024-10-15 10:00 sms"] * 7),
    no("KR", "2026-11-23T07:59", "2026-11-23T08:00", capacity="creditor"),
]

INDIA = [
    *both_sides("IN", "2026-11-23T07:59", "2026-11-23T08:00"),
    yes("IN", "2026-11-23T18:59"),
    *both_sides("IN", "2026-11-23T19:00", "2026-11-24T08:00"),
    yes("IN", "2026-11-22T18:59"),  # Sunday
    yes("IN", "2027-01-26T10:00"),  # Republic Day
    no("IN", "2026-11-23T19:00", "2026-11-24T08:00", channel="voice"),
    no("IN", "2026-11-23T07:00", "2026-11-23T08:00", capacity="creditor"),
    # Half an hour beside the hour of UTC.
    no("IN", "2026-11-23T02:29+00:00", "2026-11-23T02:30+00:00"),
    yes("IN", "2026-11-23T02:30+00:00"),
    yes("IN", "2026-11-23T13:29+00:00"),
    no("IN", "2026-11-23T13:30+00:00", "2026-11-24T02:30+00:00"),
    yes("IN", "2026-11-23T12:00", contacts=on_days("2026-11", range(17, 24), "09:00 sms")),
]

INDONESIA = [
    *both_sides("ID", "2026-11-23T07:59", "2026-11-23T08:00"),
    yes("ID", "2026-11-23T19:59"),
    *both_sides("ID", "2026-11-23T20:00", "2026-11-24T08:00"),
    yes("ID", "2026-11-21T19:59"),  # Saturday
    *both_sides("ID", "2026-11-21T20:00", "2026-11-23T08:00"),
    *both_sides("ID", "2026-11-22T12:00", "2026-11-23T08:00"),  # Sunday
    *both_sides("ID", "2026-08-17T12:00", "2026-08-18T08:00"),  # Independence Day, a Monday
    *both_sides("ID", "2026-08-15T20:00", "2026-08-18T08:00"),
    *both_sides("ID", "2026-12-25T12:00", "2026-12-26T08:00"),
    no("ID", "2026-05-01T12:00", "2026-05-02T08:00"),
    no("ID", "2026-06-01T12:00", "2026-06-02T08:00"),
    no("ID", "2026-03-21T12:00", "2026-03-23T08:00"),  # Idul Fitri, then a Sunday
    *both_sides("ID", "2026-11-23T09:59", "2026-11-23T10:00", zones=("Asia/Jayapura", "Asia/Jakarta")),
    *both_sides("ID", "2026-11-23T20:00", "2026-11-24T10:00", zones=("Asia/Jayapura", "Asia/Jakarta")),
    no("ID", "2026-11-23T20:00", "2026-11-24T08:00", channel="voice"),
    yes("ID", "2026-11-23T12:00", contacts=on_days("2026-11", range(17, 24), "09:00 sms")),
]

PHILIPPINES = [
    *both_sides("PH", "2026-11-23T05:59", "2026-11-23T06:00"),
    yes("PH", "2026-11-23T21:59"),
    *both_sides("PH", "2026-11-23T22:00", "2026-11-24T06:00"),
    yes("PH", "2026-11-22T06:00"),
    *both_sides("PH", "2026-11-23T22:00", "2026-11-24T06:00", days_overdue=15),
    yes("PH", "2026-11-23T22:00", days_overdue=16),
    yes("PH", "2026-11-23T03:00", days_overdue=90, channel="voice"),
    *both_sides("PH", "2026-11-23T05:59", "2026-11-23T06:00", days_overdue=1),
    yes("PH", "2026-11-23T12:00", contacts=on_days("2026-11", range(17, 24), "09:00 sms")),
]

#: What holds wherever it is.
EVERYWHERE = [
    *[no(place, "2026-11-23T12:00", "", purpose="promotion", consents=[]) for place in PLACES],
    *[no(place, "2026-11-23T12:00", "", purpose="promotion", consents=False) for place in PLACES],
    *[no(place, "2026-11-23T12:00", "", purpose="promotion", consents=["collection"]) for place in PLACES],
    *[yes(place, "2026-11-23T12:00", purpose="promotion", consents=["promotion"]) for place in PLACES],
    *[
        yes(place, "2026-11-23T12:00", purpose=purpose)
        for place in PLACES
        for purpose in ("service", "reminder", "mandatory_notice")
    ],
    *[
        yes(place, "2026-11-23T12:00", channel=channel)
        for place in PLACES
        for channel in ("email", "push", "voice", "whatsapp", "letter")
    ],
]

CASES = [
    *CHINA,
    *AMERICA,
    *MASSACHUSETTS,
    *NEW_YORK_CITY,
    *BRITAIN,
    *AUSTRALIA,
    *KOREA,
    *INDIA,
    *INDONESIA,
    *PHILIPPINES,
    *EVERYWHERE,
]


@cache
def book() -> Book:
    return Book(load_rules(CONTENT))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_facts_say(case: Case) -> None:
    said = answer(book(), case.question)
    assert said["allowed"] is case.allowed, said
    following = said["next_allowed_at"]
    if case.then:
        assert datetime.fromisoformat(following) == case.moment(case.then), said
    else:
        assert following is None
    assert bool(said.get("draft")) is (case.place in DRAFTS)
    assert said["rule_ids"] or case.allowed


# ── What a question may leave out, and what it may not say ───────────────────────────────────────────────────────────

PLAIN = {"jurisdiction": "CN", "purpose": "collection", "channel": "sms", "at": "2026-11-23T12:00:00+08:00"}


def test_an_answer_is_as_small_as_it_says() -> None:
    assert answer(book(), PLAIN) == {
        "allowed": True,
        "rule_ids": ["cn-guidance-hours", "cn-gbt-45251-hours"],
        "next_allowed_at": "2026-11-23T12:00:00+08:00",
    }
    assert answer(book(), {**PLAIN, "at": "2026-11-23T15:00:00Z"}) == {
        "allowed": False,
        "rule_ids": ["cn-guidance-hours", "cn-gbt-45251-hours"],
        "next_allowed_at": "2026-11-24T08:00:00+08:00",
    }
    assert answer(book(), {**PLAIN, "jurisdiction": "KR"})["draft"] is True


def test_what_is_null_is_left_out() -> None:
    nothing = dict.fromkeys(("region", "zones", "zone", "days_overdue", "capacity", "contacts", "consents", "own"))
    assert answer(book(), {**PLAIN, **nothing}) == answer(book(), PLAIN)


def test_the_strict_way_is_taken_where_nothing_is_said() -> None:
    at_seven = {"jurisdiction": "US", "purpose": "collection", "channel": "sms", "at": "2026-11-23T07:00:00-05:00"}
    assert not answer(book(), at_seven)["allowed"]
    # Without a zone every one of the country's has to allow, as far as Honolulu.
    at_eleven = {**at_seven, "at": "2026-11-23T11:00:00-05:00"}
    assert answer(book(), {**at_eleven, "zones": [NEW_YORK, LOS_ANGELES]})["allowed"]
    assert answer(book(), at_eleven)["next_allowed_at"] == "2026-11-23T13:00:00-05:00"
    # An earlier contact was about what is asked about.
    twice = [{"at": "2026-11-20T10:00:00-05:00", "channel": "sms"}] * 2
    assert not answer(book(), {**at_eleven, "jurisdiction": "US-MA", "contacts": twice})["allowed"]


def test_a_consent_to_any_hour_is_never_taken_as_given() -> None:
    at_night = {**PLAIN, "at": "2026-11-23T23:00:00+08:00"}
    assert not answer(book(), at_night)["allowed"]
    assert not answer(book(), {**at_night, "consents": True})["allowed"]
    assert not answer(book(), {**at_night, "consents": ["collection"]})["allowed"]
    assert answer(book(), {**at_night, "consents": ["any_hour"]})["allowed"]
    assert answer(book(), {**at_night, "consents": {"any_hour": True, "promotion": False}})["allowed"]
    assert answer(book(), {**at_night, "jurisdiction": "PH", "consents": ["any_hour"]})["allowed"]


def test_an_offer_is_not_made_to_somebody_who_owes() -> None:
    offer = {**PLAIN, "purpose": "promotion", "zones": ["Asia/Shanghai"]}
    for place in PLACES:
        said = answer(book(), {**offer, "jurisdiction": place, "days_overdue": 1})
        assert (said["allowed"], said["next_allowed_at"]) == (False, None)
        assert [rule for rule in said["rule_ids"] if rule.endswith("no-offer-in-arrears")], said


def test_the_lender_s_own_rules_are_asked_only_where_that_is_said() -> None:
    yesterday = {**PLAIN, "contacts": [{"at": "2026-11-23T09:00:00+08:00", "channel": "email"}]}
    assert answer(book(), yesterday)["allowed"]
    said = answer(book(), {**yesterday, "own": True})
    assert said == {
        "allowed": False,
        "rule_ids": ["cn-own-daily"],
        "next_allowed_at": "2026-11-24T08:00:00+08:00",
    }


@pytest.mark.parametrize(
    ("jurisdiction", "region"),
    [
        *[("US-TX", ""), ("US", "TX"), ("US", "tx"), ("US", "US-TX"), ("US-TX", "TX"), ("us-tx", "")],
        *[("US-CA", ""), ("US", "CA"), ("US-FL", ""), ("US-NJ", "NYC")],  # a draft for California is no review of it
        *[("FR", ""), ("DE-BE", ""), ("JP", "13")],
    ],
)
def test_where_nobody_reviewed_the_law_nobody_is_contacted(jurisdiction: str, region: str) -> None:
    for purpose in ("service", "reminder", "collection", "mandatory_notice", "promotion", "reply"):
        said = answer(book(), {**PLAIN, "jurisdiction": jurisdiction, "region": region, "purpose": purpose})
        assert said == {"allowed": False, "rule_ids": [UNREVIEWED], "next_allowed_at": None}


@pytest.mark.parametrize(
    ("jurisdiction", "region", "code"),
    [
        *[("US-MA", "", "US-MA"), ("US", "MA", "US-MA"), ("US", "US-MA", "US-MA"), ("US-MA", "MA", "US-MA")],
        *[("US", "NYC", "US-NYC"), ("US-NYC", "", "US-NYC"), ("US-NY", "NYC", "US-NY"), ("US-NY", "US-NYC", "US-NY")],
        *[("AU", "NSW", "AU"), ("AU-WA", "", "AU"), (" cn ", "", "CN"), ("US", "", "US")],
    ],
)
def test_a_place_has_several_names(jurisdiction: str, region: str, code: str) -> None:
    assert find_place(book().rules.packs, jurisdiction, region).code == code


def test_the_city_s_rules_hold_in_the_whole_state() -> None:
    contacts = [{"at": f"2026-11-{day}T10:00:00-05:00", "channel": "sms"} for day in (17, 19, 20)]
    asked = {"purpose": "collection", "channel": "sms", "at": "2026-11-24T09:59:00-05:00", "contacts": contacts}
    said = [
        answer(book(), {**asked, **place})
        for place in ({"jurisdiction": "US-NY"}, {"jurisdiction": "US", "region": "NYC"})
    ]
    assert said[0] == said[1]
    assert said[0]["rule_ids"] == ["us-ny-nyc-three-in-seven"]


_CONTACT = {"at": "2026-11-22T09:00:00+08:00", "channel": "sms"}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    *[({name: None}, name) for name in PLAIN],
    *[({name: 7}, name) for name in PLAIN],
    *[
        ({"jurisdiction": code}, "jurisdiction")
        for code in ("", "USA", "China", "US-", "US-ABCD", "U", "US-ZZ", "CN-GD")
    ],
    *[({"region": region}, "region") for region in ("GD", 4)],
    ({"jurisdiction": "US", "region": "ZZ"}, "region"),
    ({"jurisdiction": "US-MA", "region": "NYC"}, "region"),
    ({"purpose": "marketing"}, "purpose"),
    ({"purpose": "Collection"}, "purpose"),
    ({"channel": "fax"}, "channel"),
    *[
        ({"at": at}, "at")
        for at in ("tomorrow", "2026-11-23", "20261123", "2026-11-31T12:00Z", "2026-11-23T25:00Z", "0001-01-01T00:00Z")
    ],
    ({"at": "2026-11-23T12:00", "zones": ["Asia/Shanghai", "Asia/Tokyo"]}, "at"),
    ({"at": "1980-01-01T12:00Z"}, "at"),
    *[({"zones": [zone]}, "zones[0]") for zone in ("", "Mars/Phobos", "../etc/passwd", "America", 8, None)],
    ({"zones": ["Asia/Shanghai", "CST8"]}, "zones[1]"),
    ({"zones": {"Asia/Shanghai": 1}}, "zones"),
    *[({"days_overdue": days}, "days_overdue") for days in ("3", 1.5, True, 10**6)],
    *[({"capacity": capacity}, "capacity") for capacity in ("lender", "", 1)],
    *[({"contacts": contacts}, "contacts") for contacts in ("none", 3, {"at": "now"})],
    *[({"contacts": [contact]}, "contacts[0]") for contact in ("yesterday", None, 5)],
    *[
        ({"contacts": [_CONTACT, {**_CONTACT, name: "x"}]}, f"contacts[1].{name}")
        for name in ("at", "channel", "purpose", "to")
    ],
    *[
        ({"contacts": [{name: value for name, value in _CONTACT.items() if name != left}]}, f"contacts[0].{left}")
        for left in _CONTACT
    ],
    *[({"consents": consents}, "consents") for consents in ("promotion", 1, [1], {"promotion": "yes"})],
    ({"own": "yes"}, "own"),
    ({"day_overdue": 3}, "day_overdue"),
]


@pytest.mark.parametrize(("change", "named"), MISTAKES, ids=str)
def test_a_mistake_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput) as found:
        answer(book(), {**PLAIN, **change})
    assert found.value.field == named


def test_beyond_its_last_year_a_calendar_says_nothing() -> None:
    asked = {**PLAIN, "jurisdiction": "AU", "zones": [SYDNEY]}
    last = max(book().rules.calendars["au"]).year
    assert not answer(book(), {**asked, "at": f"{last}-12-25T12:00:00+11:00"})["allowed"]
    with pytest.raises(InvalidInput, match="holidays"):
        answer(book(), {**asked, "at": f"{last + 1}-12-25T12:00:00+11:00"})
    assert answer(book(), {**asked, "at": f"{last + 1}-12-25T12:00:00+11:00", "purpose": "service"})["allowed"]


def test_every_line_has_its_answer_in_order() -> None:
    lines = [
        b'{"at": "2026-11-23T12:00:00+08:00"}\n',
        b"\n",
        b"not JSON\n",
        b"[1]\n",
        b'{"at": "2026-11-23T23:00:00+08:00"}\r\n',
        b'{"at": "\xff"}\n',
        b"[" * 100_000 + b"\n",
        b'{"at": "2026-11-23T23:00:00+08:00", "purpose": "pleasure"}\n',
        b'{"at": "2026-11-23T12:00:00+08:00", "zone": "America/New_York"}',
    ]
    found = list(answers(lines, answering(book(), {**PLAIN, "zones": ["Asia/Shanghai"]})))
    assert [said.get("allowed", said.get("field")) for said, _ in found] == [
        True, "line", "line", False, "line", "line", "purpose", False,
    ]  # fmt: skip
    assert [is_answer for _, is_answer in found] == ["allowed" in said for said, _ in found]
    assert [said["line"] for said, is_answer in found if not is_answer] == [3, 4, 6, 7, 8]


# ── A law that begins, and one that ends ─────────────────────────────────────────────────────────────────────────────

NINE = date(2026, 9, 1)


def test_the_days_on_which_rules_change_are_known() -> None:
    packs, policies = book().rules.packs, book().rules.policies
    assert NINE in days_of_change(packs, {}, "US-NYC")
    assert NINE not in days_of_change(packs, policies, "US-MA")
    assert date(2026, 1, 30) in days_of_change(packs, {}, "CN")
    cap = packs["US-NYC"].caps[0].model_copy(update={"effective_until": date(2026, 12, 31)})
    ends = {**packs, "US-NYC": packs["US-NYC"].model_copy(update={"caps": (cap,)})}
    assert date(2027, 1, 1) in days_of_change(ends, {}, "US-NYC")
    consent = packs["US-NYC"].consents[0].model_copy(update={"effective_on": date(2027, 5, 1)})
    begins = {**packs, "US-NYC": packs["US-NYC"].model_copy(update={"consents": (consent,)})}
    assert date(2027, 5, 1) in days_of_change(begins, {}, "US-NYC")


def test_a_law_that_ends_lets_go_in_the_last_zone_of_all() -> None:
    law = book().rules.law("US", NINE, "collector")
    assert law is not None
    none = replace(law, hours=(), consents=())
    banned = replace(
        none, bans=tuple(replace(ban, purposes=frozenset(Purpose), from_days_overdue=None) for ban in law.bans)
    )
    at = datetime(2026, 8, 30, 12, tzinfo=ZoneInfo(NEW_YORK))
    question = Question(Purpose.COLLECTION, "sms", at, (NEW_YORK, LOS_ANGELES))
    assert consider(banned, question).next_allowed_at is None
    ended = consider(banned, question, [(NINE, none)]).next_allowed_at
    assert ended == datetime(2026, 9, 1, tzinfo=ZoneInfo(LOS_ANGELES))
    begun = consider(none, replace(question, at=ended - timedelta(hours=1)), [(NINE, banned)])
    assert (begun.allowed, begun.next_allowed_at) == (False, None)
    assert consider(none, replace(question, at=ended - timedelta(hours=4)), [(NINE, banned)]).allowed


def test_a_cap_that_ends_is_not_waited_for() -> None:
    law = book().rules.law("US-MA", NINE, "creditor")
    assert law is not None
    at = datetime(2026, 8, 31, 12, tzinfo=ZoneInfo(NEW_YORK))
    contacts = [Contact(f"c-{n}", at, at, "sms", Purpose.COLLECTION, (THE_LOAN,)) for n in range(2)]
    question = Question(Purpose.COLLECTION, "sms", at, (NEW_YORK,), contacts=contacts)
    assert consider(law, question).next_allowed_at == at + timedelta(days=7)
    ended = consider(law, question, [(NINE, replace(law, caps=()))])
    assert ended.next_allowed_at == datetime(2026, 9, 1, 8, tzinfo=ZoneInfo(NEW_YORK))
