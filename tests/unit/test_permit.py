"""One function says who may be told what, where and when; the order of its questions is the order of their weight."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.borrower import Borrower, Party
from dunlin.domain.parties import addressee
from dunlin.domain.permit import Allowed, Later, Never, holding, is_stale, line_for, permit, zones_of
from dunlin.domain.policy import Conditions, HoldRule, HoursRule
from dunlin.domain.words import Channel, HoldKind, PartyRole, Purpose, Reason

from tests.builders import (
    DUNNING,
    EMAIL_LINE,
    NEW_YORK,
    NOW,
    OWN,
    a_borrower,
    a_contact,
    a_hold,
    a_line,
    a_loan,
    a_pack,
    a_party,
    a_point,
    a_policy,
    a_strategy,
)

HOUR = timedelta(hours=1)
SERVICING, COLLECTION = Purpose.SERVICING, Purpose.COLLECTION
ALL_HEAR = frozenset(Purpose)
LAWYER = a_party(party_id="p-2", role=PartyRole.REPRESENTATIVE)


def ask(*, purpose: Purpose = SERVICING, point: dict[str, Any] | None = None, **changes: Any) -> object:
    policy = a_policy(**changes.pop("policy", {}))
    now = changes.pop("now", NOW)
    party = a_party(points=(a_point(**(point or {})),), **changes.pop("party", {}))
    borrower = a_borrower(a_loan(), parties=(party,), **changes)
    return permit(borrower, party, party.points[0], borrower.loans, purpose, a_strategy(), policy, now)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, Allowed(NOW + 9 * HOUR)),
        ({"point": {"usable": False}}, Never(Reason.NO_CONTACT_POINT, "contact_point.usable")),
        ({"point": {"blocked": frozenset({"*"})}}, Never(Reason.OPTED_OUT, "opt_out")),
        ({"point": {"blocked": frozenset({"servicing"})}}, Never(Reason.OPTED_OUT, "opt_out")),
        ({"point": {"blocked": frozenset({"marketing"})}}, Allowed(NOW + 9 * HOUR)),
        ({"purpose": Purpose.MARKETING}, Never(Reason.NO_CONSENT, "asked")),
        ({"policy": {"lines": (EMAIL_LINE,)}}, Never(Reason.NO_ROUTE, "lines")),
        (
            {"policy": {"lines": (a_line(purposes=frozenset({COLLECTION})),)}},
            Never(Reason.NO_ROUTE, "lines"),
        ),
        ({"policy": {"live": False}}, Later(NOW + HOUR, Reason.CONTENT_NOT_LIVE, "release")),
        (
            {"policy": {"conditions": Conditions(stopped_lines=frozenset({"line"}))}},
            Later(NOW + HOUR, Reason.LINE_STOPPED, "line"),
        ),
        (
            {"policy": {"conditions": Conditions(unheard_since=NOW - timedelta(minutes=16))}},
            Later(NOW + timedelta(minutes=15), Reason.DEAF, "deaf_after_minutes"),
        ),
        ({"policy": {"conditions": Conditions(unheard_since=NOW - timedelta(minutes=15))}}, Allowed(NOW + 9 * HOUR)),
        ({"now": NOW + 27 * HOUR}, Later(NOW + 28 * HOUR, Reason.STALE_BALANCE, "balance_max_age_hours")),
        ({"doubted_at": NOW}, Later(NOW + HOUR, Reason.STALE_BALANCE, "balance_max_age_hours")),
        ({"doubted_at": NOW - HOUR}, Allowed(NOW + 9 * HOUR)),
        ({"contacts": (a_contact(),)}, Later(NOW + 22 * HOUR, Reason.CAP, "cap")),
        ({"now": NOW + 10 * HOUR}, Later(NOW + 22 * HOUR, Reason.QUIET_HOURS, "hours")),
        (
            {"policy": {"pack": a_pack(hours=(HoursRule("none", DUNNING, (None,) * 7, OWN),))}},
            Never(Reason.QUIET_HOURS, "none"),
        ),
        ({"holds": (a_hold(),)}, Allowed(NOW + 9 * HOUR)),  # a dispute stops collection only
        (
            {"holds": (a_hold(),), "purpose": COLLECTION},
            Later(NOW + timedelta(days=30), Reason.HOLD, "hold.dispute"),
        ),
        # what can never be comes before what may be later, and the borrower before ourselves
        (
            {"point": {"blocked": frozenset({"*"})}, "holds": (a_hold(),), "purpose": COLLECTION},
            Never(Reason.OPTED_OUT, "opt_out"),
        ),
        (
            {"holds": (a_hold(),), "purpose": COLLECTION, "policy": {"live": False}},
            Later(NOW + timedelta(days=30), Reason.HOLD, "hold.dispute"),
        ),
    ],
)
def test_may_this_be_said(asked: dict[str, Any], expected: object) -> None:
    assert ask(**asked) == expected


def test_a_reply_needs_no_fresh_figures_and_no_ears() -> None:
    deaf = Conditions(unheard_since=NOW - HOUR)
    answer = ask(purpose=Purpose.REPLY, now=NOW + 40 * HOUR, policy={"conditions": deaf})
    assert isinstance(answer, Allowed)


@pytest.mark.parametrize(
    ("parties", "expected"),
    [
        ((a_party(),), "p-1"),
        ((a_party(may_hear=frozenset({COLLECTION})),), None),
        ((a_party(role=PartyRole.CO_BORROWER),), None),
        ((a_party(role=PartyRole.GUARANTOR),), None),
        ((a_party(), LAWYER), "p-2"),
        ((LAWYER, a_party()), "p-2"),
        ((a_party(), replace(LAWYER, may_hear=frozenset({COLLECTION}))), None),
        ((a_party(), a_party(party_id="p-3")), "p-1"),
        ((), None),
    ],
)
def test_who_is_told(parties: tuple[Party, ...], expected: str | None) -> None:
    told = addressee(a_borrower(parties=parties), SERVICING)
    assert (told.party_id if told is not None else None) == expected


def test_every_zone_the_person_may_be_in() -> None:
    borrower = a_borrower()
    assert zones_of(borrower, a_point(zones=())) == (NEW_YORK,)
    assert zones_of(borrower, a_point(zones=(NEW_YORK,))) == (NEW_YORK,)
    assert zones_of(borrower, a_point(zones=("Europe/London", NEW_YORK))) == (NEW_YORK, "Europe/London")


def test_the_first_line_that_is_not_stopped() -> None:
    one, other = a_line(), a_line(line_id="other")
    policy = a_policy(lines=(EMAIL_LINE, one, other))
    assert line_for(policy, Channel.SMS, SERVICING) == one
    assert line_for(policy, Channel.EMAIL, SERVICING) == EMAIL_LINE
    stopped = replace(policy, conditions=Conditions(stopped_lines=frozenset({"line"})))
    assert line_for(stopped, Channel.SMS, SERVICING) == other
    both = replace(policy, conditions=Conditions(stopped_lines=frozenset({"line", "other"})))
    assert line_for(both, Channel.SMS, SERVICING) == one


def test_the_hold_that_stops_the_longest() -> None:
    rules = tuple(HoldRule(kind, frozenset({COLLECTION})) for kind in (HoldKind.DISPUTE, HoldKind.PLAN))
    policy = a_policy(pack=a_pack(holds=rules))

    def held(*holds: object) -> Later | None:
        borrower: Borrower = a_borrower(holds=holds)
        return holding(borrower, COLLECTION, policy, NOW)

    plan = a_hold(HoldKind.PLAN, hold_id="h-2", until=NOW + HOUR)
    assert held() is None
    assert held(plan) == Later(NOW + HOUR, Reason.HOLD, "hold.plan")
    assert held(plan, a_hold()) == held(a_hold(), plan) == Later(NOW + timedelta(days=30), Reason.HOLD, "hold.dispute")
    assert held(a_hold(until=NOW)) is None
    assert held(a_hold(HoldKind.MINOR)) is None


def test_how_old_figures_may_be() -> None:
    policy, loan, borrower = a_policy(), a_loan(), a_borrower()
    assert not is_stale(borrower, loan, policy, NOW + 26 * HOUR)
    assert is_stale(borrower, loan, policy, NOW + 26 * HOUR + timedelta(seconds=1))
    told = replace(policy, conditions=Conditions(feed_complete_to=NOW + HOUR))
    assert not is_stale(borrower, loan, told, NOW + 27 * HOUR)
    older = replace(policy, conditions=Conditions(feed_complete_to=NOW - HOUR))
    assert not is_stale(borrower, loan, older, NOW + 26 * HOUR)
    assert ALL_HEAR > DUNNING
