"""Consents against a model that keeps every word; wishes only narrow; an opt-out wins over any consent."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import permutations

from dunlin.domain.borrower import Borrower
from dunlin.domain.consent import Consent, consented, with_given, with_list, with_withdrawn
from dunlin.domain.permit import Allowed, Later, Never, permit
from dunlin.domain.policy import ConsentRule
from dunlin.domain.reach import LOST, Finding, PointState, reached, with_finding
from dunlin.domain.wishes import Preferences, Quiet, Wish, with_wish
from dunlin.domain.words import Channel, Purpose, Reason
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    EMAIL_POINT,
    NOW,
    OWN,
    a_borrower,
    a_loan,
    a_pack,
    a_party,
    a_point,
    a_policy,
    a_strategy,
)

moments = st.integers(0, 5).map(lambda minutes: NOW + timedelta(minutes=minutes))
Said = tuple[str, str, str, int]
said_things = st.lists(
    st.tuples(
        st.sampled_from(["given", "withdrawn"]),
        st.sampled_from(["marketing", "any_hour"]),
        st.sampled_from(["", "sms", "email"]),
        st.integers(0, 5),
    ),
    max_size=8,
)
listings = st.lists(st.tuples(st.integers(0, 5), st.frozensets(st.sampled_from(["marketing", "any_hour"]))), max_size=2)


def holds(said: list[Said], listed: list[tuple[int, frozenset[str]]], purpose: str, channel: str) -> bool:
    """The latest word that covers it, the latest list among them; of two in one instant, the withdrawal."""
    words = [
        (minute, word == "withdrawn") for word, about, on, minute in said if about == purpose and on in ("", channel)
    ]
    if listed and purpose in listed[-1][1]:
        words.append((listed[-1][0], False))
    return bool(words) and not max(words)[1]


@given(said_things, listings, st.randoms(use_true_random=False))
def test_consents_are_what_the_last_word_made_them_in_whatever_order_they_come(
    said: list[Said], listed: list[tuple[int, frozenset[str]]], order: random.Random
) -> None:
    shuffled = list(said)
    order.shuffle(shuffled)
    lists_at = sorted(order.randrange(len(shuffled) + 1) for _ in listed)  # lists come in the order of their sequence
    consents: tuple[Consent, ...] = ()
    for position in range(len(shuffled) + 1):
        for number, at in enumerate(lists_at):
            if at == position:
                minute, purposes = listed[number]
                consents = with_list(consents, map(Consent, sorted(purposes)), NOW + timedelta(minutes=minute))
        if position == len(shuffled):
            break
        word, purpose, channel, minute = shuffled[position]
        moment = NOW + timedelta(minutes=minute)
        for _ in range(2):  # said twice, it is nothing
            before = consents
            if word == "given":
                consents = with_given(consents, Consent(purpose, channel, moment, "web", "w-1"))
            else:
                consents = with_withdrawn(consents, purpose, channel, moment)
        assert consents == before
    for channel in ("sms", "email", "call"):
        expected = {purpose for purpose in ("marketing", "any_hour") if holds(said, listed, purpose, channel)}
        assert consented(consents, channel) == expected


findings = st.builds(
    Finding,
    st.sampled_from(PointState),
    moments,
    st.sampled_from(["", "b-1", "b-2"]),
    st.sampled_from(["", "p-1", "p-2"]),
    st.just("core"),
)


@given(st.lists(findings, max_size=6), st.randoms(use_true_random=False))
def test_a_point_is_what_was_found_out_in_whatever_order_it_is_heard(
    found: list[Finding], order: random.Random
) -> None:
    shuffled = list(found)
    order.shuffle(shuffled)
    kept: tuple[Finding, ...] = ()
    for finding in shuffled:
        kept = with_finding(kept, finding)
    mine = [each for each in found if each.borrower_id in ("", "b-1") and each.party_id in ("", "p-1")]
    lost_at = max((each.at for each in mine if each.state in LOST), default=None)
    sure_at = max((each.at for each in mine if each.state is PointState.CONFIRMED), default=None)
    point = reached(a_point(), kept, "b-1", "p-1")
    assert point.usable == (lost_at is None or (sure_at is not None and sure_at > lost_at))
    assert (point.lost_at, point.verified_at) == (lost_at, sure_at)
    # Heard one by one, each mirrored when it came, it is the same.
    by_and_by = a_point()
    for number in range(len(shuffled)):
        sofar: tuple[Finding, ...] = ()
        for finding in shuffled[: number + 1]:
            sofar = with_finding(sofar, finding)
        by_and_by = reached(by_and_by, sofar, "b-1", "p-1")
    assert by_and_by == point


quiets = st.lists(
    st.builds(
        Quiet,
        st.integers(0, 1439),
        st.integers(0, 1439),
        st.lists(st.integers(0, 6), max_size=3, unique=True).map(lambda days: tuple(sorted(days))),
    ),
    max_size=3,
).map(tuple)
wishes = st.builds(
    Preferences,
    channels=st.lists(st.sampled_from(Channel), max_size=2, unique=True).map(tuple),
    quiet=quiets,
)
clocks = st.integers(0, 14 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes))


def asking(
    preferences: Preferences,
    channel: Channel,
    purpose: Purpose,
    minute: int,
    consents: tuple[Consent, ...],
    blocked: str,
) -> Allowed | Later | Never:
    now = NOW + timedelta(minutes=minute)
    point = a_point() if channel is Channel.SMS else EMAIL_POINT
    point = a_point(channel=channel, point=point.point, blocked=frozenset({blocked} - {""}))
    party = a_party(points=(point,), preferences=preferences, consents=consents, may_hear=frozenset(Purpose))
    borrower: Borrower = a_borrower(a_loan(as_of=now), parties=(party,))
    policy = a_policy(
        pack=a_pack(consents=(ConsentRule("asks", frozenset({Purpose.SERVICING, Purpose.MARKETING}), OWN),))
    )
    return permit(borrower, party, point, borrower.loans, purpose, a_strategy(), policy, now)


questions = (
    st.sampled_from([Channel.SMS, Channel.EMAIL]),
    st.sampled_from(Purpose),
    st.integers(0, 14 * 24 * 60),
    st.sampled_from([(), (Consent("servicing"), Consent("marketing"))]),
)


@given(wishes, *questions)
def test_wishes_only_narrow(
    preferences: Preferences, channel: Channel, purpose: Purpose, minute: int, consents: tuple[Consent, ...]
) -> None:
    with_them = asking(preferences, channel, purpose, minute, consents, "")
    without = asking(Preferences(), channel, purpose, minute, consents, "")
    if isinstance(with_them, Allowed):
        assert isinstance(without, Allowed)
        assert with_them.until <= without.until
    if isinstance(without, Never):
        assert isinstance(with_them, Never)
    if isinstance(with_them, Later) and isinstance(without, Later):
        assert with_them.at >= without.at
    if purpose in (Purpose.REPLY, Purpose.MANDATORY):
        assert with_them == without, "what was asked for, and what a law requires, comes all the same"


@given(wishes, *questions, st.booleans())
def test_an_opt_out_wins_over_any_consent(
    preferences: Preferences,
    channel: Channel,
    purpose: Purpose,
    minute: int,
    consents: tuple[Consent, ...],
    everything: bool,
) -> None:
    answer = asking(preferences, channel, purpose, minute, consents, "*" if everything else str(purpose))
    assert answer == Never(Reason.OPTED_OUT, "opt_out")


@given(st.lists(st.tuples(moments, quiets, st.booleans()), min_size=2, max_size=4))
def test_of_wishes_the_last_one_said_holds_in_whatever_order_they_come(
    said: list[tuple[object, tuple[Quiet, ...], bool]],
) -> None:
    known = {
        _after(order)
        for order in permutations(
            [(at, Wish(quiet=quiet, channels=(Channel.SMS,) if mail else None)) for at, quiet, mail in said]
        )
    }
    assert len(known) == 1


def _after(order: object) -> Preferences:
    wished = Preferences()
    for at, wish in order:  # type: ignore[attr-defined]
        wished = with_wish(wished, wish, at)
    return wished
