"""Hours and caps against independent measures: the local clock, and a plain count over all windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dunlin.domain.apply import pruned, with_contact
from dunlin.domain.borrower import Contact
from dunlin.domain.hours import Opening, Week, at_local, is_open, next_window
from dunlin.domain.occasion import mark_id, occasion_key
from dunlin.domain.permit import Allowed, Later, permit
from dunlin.domain.policy import Conditions
from dunlin.domain.words import Channel, Purpose
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import (
    NOW,
    a_borrower,
    a_cap,
    a_loan,
    a_pack,
    a_party,
    a_point,
    a_policy,
    a_strategy,
)
from tests.properties.strategies import instants, zones

MINUTE = timedelta(minutes=1)

# Clocks change between midnight and four in the morning: no lender's hours begin there.
day_hours = st.none() | st.tuples(st.integers(4 * 60, 14 * 60), st.integers(14 * 60 + 1, 22 * 60))
weeks = st.lists(day_hours, min_size=7, max_size=7).map(tuple)


def shows(moment: datetime, zone: str) -> tuple[int, int]:
    """Weekday and minutes after midnight on the wall clock."""
    local = moment.astimezone(ZoneInfo(zone))
    return local.weekday(), local.hour * 60 + local.minute


def inside(moment: datetime, week: Week, zone: str) -> bool:
    weekday, minutes = shows(moment, zone)
    hours = week[weekday]
    return hours is not None and hours[0] <= minutes <= hours[1]


@settings(max_examples=200)
@given(instants, st.lists(zones, min_size=1, max_size=2, unique=True), weeks, st.integers(0, 240))
def test_open_means_that_every_local_clock_says_so(moment: datetime, where: list[str], week: Week, length: int) -> None:
    end = moment + timedelta(minutes=length)
    if not is_open((Opening(week),), tuple(where), moment, end):
        return
    for zone in where:
        for step in range(0, length + 1, 20):
            assert inside(moment + timedelta(minutes=step), week, zone)
        assert inside(end - timedelta(microseconds=1) if length else end, week, zone)


@given(instants, zones, weeks)
def test_a_window_is_where_it_says_and_nothing_is_before_it(moment: datetime, zone: str, week: Week) -> None:
    window = next_window((Opening(week),), (zone,), moment, 12 * MINUTE)
    if window is None:
        assert all(hours is None for hours in week)
        return
    begin, end = window
    assert moment <= begin < end
    assert inside(begin, week, zone)
    if begin == moment:  # of a window to come only the beginning is asked for
        assert not inside(end + MINUTE, week, zone)
    probe = moment
    while probe < min(begin, moment + timedelta(days=2)):
        open_still = inside(probe, week, zone) and inside(probe + 12 * MINUTE, week, zone)
        assert not (open_still and is_open((Opening(week),), (zone,), probe, probe + 12 * MINUTE))
        probe += 37 * MINUTE


@given(instants, zones, st.integers(4 * 60, 23 * 60))
def test_a_local_time_is_that_local_time(moment: datetime, zone: str, minutes: int) -> None:
    day = moment.astimezone(ZoneInfo(zone)).date()
    assert shows(at_local(day, minutes, zone), zone) == (day.weekday(), minutes)


@settings(max_examples=40)
@given(
    st.lists(st.integers(5, 2500), min_size=10, max_size=40),
    st.integers(1, 3),
    st.integers(1, 9),
    st.sampled_from(["America/New_York", "America/Los_Angeles", "Europe/London"]),
)
def test_no_history_of_permitted_contacts_exceeds_a_cap(steps: list[int], count: int, span: int, zone: str) -> None:
    """Ask at random moments, contact whenever it is allowed, then count in every window, until the latest delivery."""
    daily = a_cap(rule_id="daily", count=1)
    rolling = a_cap(rule_id="rolling", count=count, days=span, basis="rolling")
    by_loan = a_cap(rule_id="loan", count=2, days=5, basis="rolling", per="loan")
    policy = a_policy(
        pack=a_pack(caps=(daily, rolling, by_loan)),
        conditions=Conditions(feed_complete_to=datetime(2030, 1, 1, tzinfo=UTC)),
    )
    party = a_party(points=(a_point(zones=(zone,)),))
    loan = a_loan()
    borrower = a_borrower(loan, parties=(party,))
    made: list[Contact] = []
    now = NOW
    for number, step in enumerate(steps):
        now += timedelta(minutes=step)
        answer = permit(borrower, party, party.points[0], (loan,), Purpose.SERVICING, a_strategy(), policy, now)
        if isinstance(answer, Later):
            assert answer.at > now
            continue
        assert isinstance(answer, Allowed)
        contact = Contact(f"c-{number}", now, min(answer.until, now + 62 * MINUTE), "sms", Purpose.SERVICING, ("l-1",))
        made.append(contact)
        borrower = pruned(with_contact(borrower, contact), now)
    for limit, window in ((count, span), (2, 5)):
        for first, later in zip(made, made[limit:], strict=False):
            assert later.reserved_at - first.felt_until >= timedelta(days=window)
    for where in {zone, "America/New_York"}:
        felt = [{at.astimezone(ZoneInfo(where)).date() for at in (c.reserved_at, c.felt_until)} for c in made]
        everyday = [day for days in felt for day in days]
        assert len(everyday) == len(set(everyday))


keys = st.tuples(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.sampled_from(["tier_1", "tier_2", "reminder_7"]),
    st.integers(0, 20),
    st.sampled_from(Channel),
    st.integers(0, 20),
)


@given(keys, keys)
def test_two_occasions_have_two_keys(
    one: tuple[date, str, int, Channel, int], other: tuple[date, str, int, Channel, int]
) -> None:
    assume(one != other)
    assert occasion_key(*one) != occasion_key(*other)
    assert (mark_id(*one[:3]) == mark_id(*other[:3])) == (one[:3] == other[:3])
    assert replace(a_loan(), loan_id="x") != a_loan()
