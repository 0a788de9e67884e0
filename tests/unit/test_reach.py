"""A number that was lost stays lost until somebody makes sure; debt detail goes where the person is proved to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.borrower import ContactPoint
from dunlin.domain.permit import Allowed, Never, permit
from dunlin.domain.policy import Proofs, VerificationRule
from dunlin.domain.reach import Finding, PointState, carried_over, lost, reached, verified, with_finding
from dunlin.domain.words import Channel, Purpose, Reason
from dunlin.errors import InvalidInput
from dunlin.services.contacts import Denied, Reserved
from dunlin.services.ingest import Ingested

from tests.builders import (
    DAY,
    NOW,
    OWN,
    PHONE,
    House,
    a_borrower,
    a_loan,
    a_pack,
    a_party,
    a_point,
    a_policy,
    a_strategy,
    loan_document,
    party_document,
)

HOUR = timedelta(hours=1)
S = PointState
UK_PHONE = "+442079460123"


def asked(rule: VerificationRule, *, purpose: Purpose = Purpose.SERVICING, **point: Any) -> object:
    party = a_party(points=(a_point(**point),))
    borrower = a_borrower(a_loan(), parties=(party,))
    policy = a_policy(pack=a_pack(verifications=(rule,)))
    return permit(borrower, party, party.points[0], borrower.loans, purpose, a_strategy(), policy, NOW)


CONFIRMED = VerificationRule("sure", frozenset({Purpose.SERVICING}), OWN, frozenset({"sms"}), frozenset({"confirmed"}))


@pytest.mark.parametrize(
    ("rule", "point", "met"),
    [
        (CONFIRMED, {}, False),  # unknown is not verified
        (CONFIRMED, {"checked_at": NOW}, False),
        (CONFIRMED, {"verified_at": NOW - 900 * DAY}, True),
        (replace(CONFIRMED, within=60 * DAY), {"verified_at": NOW - 60 * DAY}, True),
        (replace(CONFIRMED, within=60 * DAY), {"verified_at": NOW - 60 * DAY - HOUR}, False),
        (replace(CONFIRMED, proofs=frozenset({"checked"})), {"checked_at": NOW - DAY}, True),
        (replace(CONFIRMED, channels=frozenset({"email"})), {}, True),
        (replace(CONFIRMED, purposes=frozenset({Purpose.COLLECTION})), {}, True),
    ],
)
def test_debt_detail_goes_where_the_person_is_proved_to_be(
    rule: VerificationRule, point: dict[str, Any], *, met: bool
) -> None:
    expected = Allowed(NOW + 9 * HOUR) if met else Never(Reason.NOT_VERIFIED, "sure")
    assert asked(rule, **point) == expected


def test_a_renewed_consent_is_a_proof_where_the_rule_takes_it() -> None:
    rule = replace(CONFIRMED, proofs=frozenset({"checked", "consent"}), within=60 * DAY)
    assert rule.is_met(Proofs(consented_at=NOW - DAY), NOW)
    assert not rule.is_met(Proofs(confirmed_at=NOW, consented_at=NOW - 61 * DAY), NOW)


@pytest.mark.parametrize("because", sorted(PointState))
def test_what_is_found_out(because: PointState) -> None:
    found = reached(a_point(), (Finding(because, NOW, "", ""),), "b-1", "p-1")
    assert found.usable is (because in (S.CONFIRMED, S.CHECKED))
    assert (found.verified_at, found.checked_at, found.lost_at) == (
        NOW if because is S.CONFIRMED else None,
        NOW if because is S.CHECKED else None,
        None if because in (S.CONFIRMED, S.CHECKED) else NOW,
    )
    of_somebody = (Finding(because, NOW, "b-2", ""), Finding(because, NOW, "b-1", "p-2"))
    assert reached(a_point(), of_somebody, "b-1", "p-1") == a_point()


def test_only_a_later_confirmation_mends_a_loss() -> None:
    gone = lost(a_point(), S.REASSIGNED, NOW)
    assert not verified(gone, NOW - DAY).usable
    assert not verified(gone, NOW).usable
    assert verified(gone, NOW + HOUR).usable
    assert not reached(gone, (Finding(S.CHECKED, NOW + DAY),), "b-1", "p-1").usable
    assert not lost(verified(gone, NOW + HOUR), S.BOUNCED, NOW + DAY).usable


def test_of_each_kind_the_latest_is_kept() -> None:
    first, second = Finding(S.CHECKED, NOW), Finding(S.CHECKED, NOW + HOUR)
    other = Finding(S.CONFIRMED, NOW, "b-1", "p-1")
    for order in ((first, second, other), (other, second, first), (second, first, other)):
        kept: tuple[Finding, ...] = ()
        for finding in order:
            kept = with_finding(kept, finding)
        assert set(kept) == {second, other}


def test_a_point_that_an_earlier_version_called_unusable_stays_so() -> None:
    old = a_point(usable=False)
    fresh = verified(a_point(), NOW)
    assert not carried_over(fresh, old, same_party=True).usable
    assert reached(old, (Finding(S.CONFIRMED, NOW, "b-1", ""),), "b-1", "p-1").usable


# ── Through the door ─────────────────────────────────────────────────────────────────────────────────────────────────


def a_house(*borrowers: str, **party: object) -> House:
    house = House()
    for number, borrower_id in enumerate(borrowers or ("b-1",)):
        house.know(borrower_id, loan_document(f"l-{number}"), parties=[party_document(**party)])
    return house


def found(house: House, state: str, borrower_id: str = "", **event: Any) -> Ingested:
    body = {"state": state, "phone": PHONE, "source": "carrier", **event.pop("point", {})}
    if borrower_id:
        return house.tell("contact_point.changed", borrower_id, contact_point=body, **event)
    return house.tell("contact_point.changed", None, contact_point=body, **event)


def phone_of(house: House, borrower_id: str = "b-1") -> ContactPoint:
    return house.borrower(borrower_id).parties[0].points[0]


@pytest.mark.parametrize("state", ["reassigned", "bounced", "invalid"])
def test_a_lost_number_is_lost_to_everybody_who_has_it_until_it_is_confirmed_for_them(state: str) -> None:
    house = a_house("b-1", "b-2")
    assert found(house, state) is Ingested.APPLIED
    assert [phone_of(house, each).usable for each in ("b-1", "b-2")] == [False, False]
    house.clock.advance(HOUR)
    house.know("b-1", sequence=2)  # told again, it is the same number
    house.know("b-3", loan_document("l-9"))  # and nobody knows whose it is now
    found(house, "checked")
    assert [phone_of(house, each).usable for each in ("b-1", "b-3")] == [False, False]
    house.clock.advance(HOUR)
    assert found(house, "confirmed", "b-1") is Ingested.APPLIED
    assert [phone_of(house, each).usable for each in ("b-1", "b-2", "b-3")] == [True, False, False]
    house.know("b-2", sequence=2, parties=[party_document(phone_verified_at=house.now.isoformat())])
    assert phone_of(house, "b-2").usable


def test_a_confirmation_may_come_before_the_number() -> None:
    house = a_house(phone="+12125550199")
    found(house, "confirmed", "b-1")
    house.know("b-1", sequence=2)
    assert phone_of(house).verified_at == NOW


def test_a_wrong_number_is_wrong_for_one_person() -> None:
    house = a_house("b-1", "b-2")
    found(house, "wrong", "b-1")
    assert [phone_of(house, each).usable for each in ("b-1", "b-2")] == [False, True]


def test_the_same_event_twice_is_nothing() -> None:
    house = a_house()
    found(house, "bounced", event_id="p-1")
    before = house.borrower()
    assert found(house, "bounced", event_id="p-1") is Ingested.REPEATED
    assert house.borrower() == before
    assert any(item == "FOUND#p-1" for _, item in house.store.point_records)


@pytest.mark.parametrize(
    ("point", "borrower_id", "field"),
    [
        ({"state": "confirmed"}, "", "borrower_id"),
        ({"state": "reassigned", "party_id": "p-1"}, "b-1", "contact_point"),
        ({"email": "jo@marram.example"}, "b-1", "contact_point"),
        ({"state": "haunted"}, "b-1", "contact_point.state"),
        ({"phone": "12"}, "b-1", "contact_point.phone"),
    ],
)
def test_what_is_refused_is_named(point: dict[str, Any], borrower_id: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        found(a_house(), "bounced", borrower_id, point=point)
    assert refused.value.field == field


@pytest.mark.parametrize("name", ["phone_verified_at", "email_verified_at"])
def test_a_verification_is_of_something_and_not_of_the_future(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        a_house(email="jo@marram.example", **{name: (NOW + DAY).isoformat()})
    assert refused.value.field == f"borrower.parties.0.{name}"
    without = {"phone": None, "email": "jo@marram.example"} if name.startswith("phone") else {}
    with pytest.raises(InvalidInput) as refused:
        a_house(**without, **{name: NOW.isoformat()})
    assert refused.value.field == "borrower.parties.0"


def british(house: House, **party: object) -> None:
    told = party_document(locale="en-GB", phone=UK_PHONE, email="jo@marram.example", **party)
    loan = loan_document(due_on=(NOW + DAY).date(), currency="GBP")
    house.know("b-1", loan, jurisdiction="GB", zone="Europe/London", parties=[told])


@pytest.mark.parametrize(
    ("proved", "channel"),
    [
        ({"phone_verified_at": NOW.isoformat(), "email_verified_at": NOW.isoformat()}, Channel.SMS),
        ({"email_verified_at": NOW.isoformat()}, Channel.EMAIL),
        ({}, None),
    ],
)
def test_in_britain_identity_comes_before_any_debt_detail(proved: dict[str, str], channel: Channel | None) -> None:
    """CONC 7.9.10R: the next channel that is verified is used; where there is none, nobody is written to."""
    house = House()
    british(house, **proved)
    house.minute()
    (message,) = (each for each in house.messages() if each.reason is not Reason.OVERTAKEN)
    if channel is None:
        assert (message.reason, message.rule) == (Reason.NOT_VERIFIED, "gb-conc-7-9-10-verified")
        assert house.sender.orders == []
    else:
        assert message.channel is channel
        assert len(house.sender.orders) == 1


def test_others_who_write_need_it_verified_and_who_calls_asks_first() -> None:
    house = House()
    british(house)
    written = house.contacts.reserve("b-1", "r-1", "whatsapp", Purpose.SERVICING, ())
    assert written == Denied(Reason.NOT_VERIFIED, "gb-conc-7-9-10-verified", None)
    assert isinstance(house.contacts.reserve("b-1", "r-2", "call", Purpose.SERVICING, ()), Reserved)


@pytest.mark.parametrize(
    ("state", "denied"),
    [("reassigned", {"call", "voicemail", "whatsapp", "sms"}), ("invalid", {"whatsapp", "sms"})],
)
def test_others_do_not_reach_somebody_else_either(state: str, denied: set[str]) -> None:
    """A number that takes no texts may still be a telephone."""
    for channel in ("call", "voicemail", "whatsapp", "sms"):
        house = a_house()
        found(house, state)
        answer = house.contacts.reserve("b-1", "r-1", channel, Purpose.SERVICING, ())
        assert isinstance(answer, Denied) is (channel in denied)


def test_whatsapp_goes_to_the_number_that_opted_out_of_texts() -> None:
    house = a_house()
    preference = {"scope": "number", "opted_out": True, "phone": PHONE}
    house.tell("preferences.changed", preference=preference)
    answer = house.contacts.reserve("b-1", "r-1", "whatsapp", Purpose.SERVICING, ())
    assert answer == Denied(Reason.OPTED_OUT, "opt_out", None)


# ── Lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def imported(house: House, scope: str, event_id: str = "s-1", **other: Any) -> Ingested:
    body = {"scope": scope, "phone": PHONE, "source": "import", **other}
    return house.tell("suppression.imported", None, suppression=body, event_id=event_id)


def blocked(house: House, borrower_id: str = "b-1") -> list[frozenset[str]]:
    return [point.blocked for party in house.borrower(borrower_id).parties for point in party.points]


@pytest.mark.parametrize("first", ["the list", "the borrower"])
@pytest.mark.parametrize(
    ("scope", "other", "expected"),
    [
        ("number", {}, [{"*"}, set()]),
        ("purpose", {"purpose": "marketing"}, [{"marketing"}, set()]),
        ("everything", {}, [{"*"}, {"*"}]),
    ],
)
def test_a_list_binds_whoever_has_the_number_known_or_not(
    first: str, scope: str, other: dict[str, Any], expected: list[set[str]]
) -> None:
    house = House()
    if first == "the list":
        assert imported(house, scope, **other) is Ingested.APPLIED
    house.know("b-1", loan_document(), parties=[party_document(email="jo@marram.example")])
    if first == "the borrower":
        assert imported(house, scope, **other) is Ingested.APPLIED
    assert blocked(house) == expected
    before = (house.borrower(), dict(house.store.suppressions))
    for event_id in ("s-1", "s-2"):  # the same file again, and the same row in another one
        assert imported(house, scope, event_id, **other) is Ingested.REPEATED
    assert (house.borrower(), house.store.suppressions) == before


def test_a_list_that_comes_while_the_borrower_is_written_is_heard_all_the_same() -> None:
    """After the profile read the number, before it was written: neither finds the other."""
    house = House()
    house.store.before_commit.append(lambda: imported(house, "everything"))
    house.know("b-1", loan_document(), parties=[party_document(email="jo@marram.example")])
    assert blocked(house) == [{"*"}, {"*"}]
    word = house.borrower().parties[0].last_word
    assert word is not None
    assert word.opted_out
