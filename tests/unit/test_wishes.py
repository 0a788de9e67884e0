"""Wishes narrow: hours in which nothing comes, channels, a language. What leaves nothing is refused at the door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dunlin.domain.actions import Request, Skip
from dunlin.domain.decide import decide
from dunlin.domain.permit import Allowed, Later, Never, permit
from dunlin.domain.wishes import NO_WISHES, Preferences, Quiet, Wish, in_wished_order, open_spans, with_wish
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import InvalidInput
from dunlin.services.choices import Choices
from dunlin.services.contacts import Denied
from dunlin.services.ingest import Ingested

from tests.builders import (
    DAY,
    EMAIL_POINT,
    NOW,
    House,
    a_borrower,
    a_loan,
    a_party,
    a_point,
    a_policy,
    a_strategy,
    loan_document,
    party_document,
)

HOUR = timedelta(hours=1)
SMS, EMAIL = Channel.SMS, Channel.EMAIL


def asked(wishes: Preferences, *, now: datetime = NOW, purpose: Purpose = Purpose.SERVICING) -> object:
    party = a_party(preferences=wishes, may_hear=frozenset(Purpose))
    borrower = a_borrower(a_loan(as_of=now), parties=(party,))
    return permit(borrower, party, party.points[0], borrower.loans, purpose, a_strategy(), a_policy(), now)


@pytest.mark.parametrize(
    ("quiet", "monday", "sunday"),
    [
        ((), ((0, 1440),), ((0, 1440),)),
        ((Quiet(1260, 540),), ((540, 1260),), ((540, 1260),)),
        ((Quiet(720, 840),), ((0, 720), (840, 1440)), ((0, 720), (840, 1440))),
        ((Quiet(1260, 540, (6,)),), ((540, 1440),), ((0, 1260),)),  # from Sunday evening to Monday morning
        ((Quiet(600, 0, (0,)),), ((0, 600),), ((0, 1440),)),
        ((Quiet(540, 700), Quiet(600, 800)), ((0, 540), (800, 1440)), ((0, 540), (800, 1440))),
        ((Quiet(0, 720), Quiet(720, 0)), (), ()),
    ],
)
def test_what_is_left_of_the_days(quiet: tuple[Quiet, ...], monday: object, sunday: object) -> None:
    spans = open_spans(quiet)
    assert (spans[0], spans[6]) == (monday, sunday)


def test_quiet_hours_close_as_the_law_s_do() -> None:
    noon = Preferences(quiet=(Quiet(11 * 60, 14 * 60),))  # it is eleven
    assert asked(noon) == Later(NOW + 3 * HOUR, Reason.QUIET_HOURS, "preference.quiet_hours")
    until_lunch = Preferences(quiet=(Quiet(13 * 60, 15 * 60),))
    assert asked(until_lunch) == Allowed(NOW + 2 * HOUR)
    assert asked(noon, purpose=Purpose.REPLY) == asked(NO_WISHES, purpose=Purpose.REPLY)
    assert asked(noon, purpose=Purpose.MANDATORY) == asked(NO_WISHES, purpose=Purpose.MANDATORY)
    everything = Preferences(quiet=(Quiet(0, 720), Quiet(720, 0)))
    assert asked(everything) == Never(Reason.QUIET_HOURS, "preference.quiet_hours")


def test_quiet_hours_when_clocks_change() -> None:
    """09:30 is 09:30 on the person's clock, before and after."""
    wishes = Preferences(quiet=(Quiet(22 * 60, 570),))
    for day, opens in (("2026-03-07T13:00", "2026-03-07T14:30"), ("2026-03-08T12:00", "2026-03-08T13:30")):
        now = datetime.fromisoformat(day).replace(tzinfo=UTC)
        answer = asked(wishes, now=now)
        assert isinstance(answer, Later)
        assert answer.at == datetime.fromisoformat(opens).replace(tzinfo=UTC)


def test_a_channel_that_is_not_wanted_is_passed_over() -> None:
    mail = Preferences(channels=(EMAIL,))
    assert asked(mail) == Never(Reason.NOT_WANTED, "preference.channels")
    assert isinstance(asked(mail, purpose=Purpose.MANDATORY), Allowed)
    assert isinstance(asked(mail, purpose=Purpose.REPLY), Allowed)
    assert in_wished_order((SMS, EMAIL), mail) == (EMAIL, SMS)
    assert in_wished_order((SMS, EMAIL), NO_WISHES) == (SMS, EMAIL)
    assert in_wished_order((SMS,), mail) == (SMS,)


@pytest.mark.parametrize(
    ("wishes", "points", "expected"),
    [
        (NO_WISHES, (a_point(), EMAIL_POINT), SMS),
        (Preferences(channels=(EMAIL,)), (a_point(), EMAIL_POINT), EMAIL),
        (Preferences(channels=(EMAIL, SMS)), (a_point(), EMAIL_POINT), EMAIL),
        (Preferences(channels=(EMAIL, SMS)), (a_point(),), SMS),
        (Preferences(channels=(EMAIL,)), (a_point(),), None),
    ],
)
def test_the_stage_goes_by_what_is_wanted(wishes: Preferences, points: Any, expected: Channel | None) -> None:
    party = a_party(preferences=wishes, points=points)
    loan = a_loan(as_of=NOW, due_on=(NOW + 2 * DAY).date())
    (action,) = decide(a_borrower(loan, parties=(party,)), a_strategy(), a_policy(), NOW).actions
    if expected is None:
        assert isinstance(action, Skip)
        assert action.reason is Reason.NOT_WANTED
    else:
        assert isinstance(action, Request)
        assert action.point.channel is expected


def test_the_language_that_is_wished_for_where_there_is_one() -> None:
    policy = a_policy(languages=("en-US", "es-US"))
    assert policy.language_for("en-GB", "es-US") == "es-US"
    assert policy.language_for("en-GB", "es-MX") == "es-US"
    assert policy.language_for("es-US", "fr-FR") == "es-US"
    assert policy.language_for("en-GB") == "en-US"


def test_of_each_wish_the_last_one_said_holds() -> None:
    first, second = Wish(channels=(SMS,), language="es-US"), Wish(channels=())
    for order in ((0, 1), (1, 0)):
        known = NO_WISHES
        for number in order:
            known = with_wish(known, (first, second)[number], NOW + number * HOUR)
        assert (known.channels, known.language) == ((), "es-US")


# ── Through the doors ────────────────────────────────────────────────────────────────────────────────────────────────


def a_house(**party: object) -> House:
    house = House()
    house.know("b-1", loan_document(), parties=[party_document(**party)])
    return house


def choose(house: House, choice: dict[str, Any], **event: Any) -> Ingested:
    return house.tell("preferences.chosen", choice=choice, **event)


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ({}, "choice"),
        ({"quiet_hours": [{"from": "08:00", "to": "08:00"}]}, "choice.quiet_hours.0"),
        ({"quiet_hours": [{"from": "8", "to": "09:00"}]}, "choice.quiet_hours.0.from"),
        ({"quiet_hours": [{"from": "08:00", "to": "07:59"}]}, "choice.quiet_hours"),
        ({"quiet_hours": [{"from": "19:00", "to": "18:00"}]}, "choice.quiet_hours"),
        ({"quiet_hours": [{"from": "00:00", "to": "00:01"}, {"from": "00:01", "to": "00:00"}]}, "choice.quiet_hours"),
        ({"quiet_hours": [{"from": "08:00", "to": "22:00", "days": ["wed"]}]}, "choice.quiet_hours"),
        ({"channels": ["email"]}, "choice.channels"),
        ({"channels": ["pigeon"]}, "choice.channels.0"),
        ({"language": "Klingon"}, "choice.language"),
        ({"channels": ["sms"], "party_id": "p-9"}, "choice.party_id"),
    ],
)
def test_a_wish_that_leaves_nothing_is_refused_by_name(choice: dict[str, Any], field: str) -> None:
    house = a_house()
    before = house.borrower()
    with pytest.raises(InvalidInput) as refused:
        choose(house, choice)
    assert refused.value.field.startswith(field)
    assert house.borrower() == before


def test_a_wish_that_leaves_two_hours_is_taken() -> None:
    house = a_house()
    assert choose(house, {"quiet_hours": [{"from": "19:00", "to": "17:00"}]}) is Ingested.APPLIED
    assert house.borrower().parties[0].preferences.quiet == (Quiet(19 * 60, 17 * 60),)


def test_wishes_outlive_snapshots_and_go_with_the_person() -> None:
    house = a_house(email="jo@marram.example")
    choose(house, {"channels": ["email"], "quiet_hours": [{"from": "12:00", "to": "13:00"}]})
    wished = house.borrower().parties[0].preferences
    house.know("b-1", sequence=2, parties=[party_document(email="jo@marram.example", name="Jo Roe")])
    assert house.borrower().parties[0].preferences == wished
    assert choose(house, {"channels": []}, occurred_at=NOW - DAY) is Ingested.OLDER
    house.clock.advance(HOUR)
    assert choose(house, {"channels": [], "quiet_hours": []}) is Ingested.APPLIED
    assert house.borrower().parties[0].preferences.channels == ()


def test_a_message_that_is_under_way_stops_for_a_wish() -> None:
    house = a_house(email="jo@marram.example")
    message = house.rendered()
    choose(house, {"channels": ["email"]})
    house.send.send("b-1", message.key)
    stopped = house.message(message)
    assert (stopped.state, stopped.reason, stopped.rule) == (
        MessageState.SUPPRESSED,
        Reason.NOT_WANTED,
        "preference.channels",
    )
    assert house.sender.orders == []


def test_others_who_contact_the_borrower_keep_to_the_hours_too() -> None:
    house = a_house()
    choose(house, {"quiet_hours": [{"from": "10:30", "to": "12:00"}]})
    denied = Denied(Reason.QUIET_HOURS, "preference.quiet_hours", NOW + HOUR)
    for channel in ("call", "whatsapp", "voicemail", "sms"):
        assert house.contacts.reserve("b-1", f"r-{channel}", channel, Purpose.SERVICING, ()) == denied
    assert not isinstance(house.contacts.reserve("b-1", "r-letter", "letter", Purpose.SERVICING, ()), Denied)


def test_the_same_request_twice_is_nothing() -> None:
    house = a_house()
    choices = Choices(house.store, house.content, house.clock)
    wish = Wish(quiet=(Quiet(720, 780),))
    assert choices.choose("b-1", "", wish, at=NOW, by="r-1")
    before = house.borrower()
    assert not choices.choose("b-1", "", wish, at=NOW, by="r-1")
    assert house.borrower() == before


def test_a_refused_wish_leaves_no_doubt_about_the_figures() -> None:
    from dunlin.entry.facts import apply_fact

    house = a_house()
    event = {
        "event_id": "w-1",
        "type": "preferences.chosen",
        "occurred_at": NOW.isoformat(),
        "borrower_id": "b-1",
        "choice": {"channels": ["email"]},
    }
    with pytest.raises(InvalidInput):
        apply_fact(house.ingest, event)
    assert house.borrower().doubted_at is None
