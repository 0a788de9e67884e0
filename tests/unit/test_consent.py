"""A consent holds by the latest word about it, on the channel it was given for; a message keeps what it rests on."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dunlin.domain.consent import Basis, Consent, consented, standing, with_given, with_list, with_withdrawn
from dunlin.domain.ledger import entry_hash, verify
from dunlin.domain.message import Message
from dunlin.domain.permit import Allowed, Never, permit
from dunlin.domain.policy import ConsentRule, HoursRule
from dunlin.domain.words import Channel, Purpose, Reason
from dunlin.errors import InvalidInput, NotFound
from dunlin.services.ingest import Ingested

from tests.builders import (
    DAY,
    DUNNING,
    EMAIL_POINT,
    NOW,
    OFFICE_HOURS,
    OWN,
    House,
    a_borrower,
    a_loan,
    a_message,
    a_pack,
    a_party,
    a_point,
    a_policy,
    a_strategy,
    loan_document,
    party_document,
)

HOUR = timedelta(hours=1)
ASKS = ConsentRule("asks", frozenset({Purpose.SERVICING}), OWN, frozenset({"sms"}))
GIVEN = Consent("servicing", "sms", NOW - DAY, "web", "w-1")


def asked(*consents: Consent, channel: Channel = Channel.SMS) -> object:
    point = a_point() if channel is Channel.SMS else EMAIL_POINT
    party = a_party(points=(point,), consents=consents)
    borrower = a_borrower(a_loan(), parties=(party,))
    policy = a_policy(pack=a_pack(consents=(ASKS,)))
    return permit(borrower, party, point, borrower.loans, Purpose.SERVICING, a_strategy(), policy, NOW)


def test_a_rule_asks_for_the_purpose_on_the_channel() -> None:
    never = Never(Reason.NO_CONSENT, "asks")
    for_mail = Consent("servicing", "email", NOW - DAY, "web", "w-1")
    of_another = Consent("collection", "sms", NOW - DAY, "web", "w-1")
    withdrawn = with_withdrawn((GIVEN,), "servicing", "", NOW - HOUR)
    assert [asked(), asked(for_mail), asked(of_another), asked(*withdrawn)] == [never] * 4
    assert asked(channel=Channel.EMAIL) == Allowed(NOW + 9 * HOUR)
    everywhere = Consent("servicing", "", NOW - DAY, "paper", "w-2")
    for given in (GIVEN, everywhere):
        assert asked(given) == Allowed(NOW + 9 * HOUR, (Basis("asks", given),))


def test_a_consent_that_opens_hours_is_kept_too() -> None:
    hours = HoursRule("shut", DUNNING, ((0, 1),) * 7, OWN, unless_consent="any_hour")
    given = Consent("any_hour", "sms", NOW - DAY, "app", "w-9")
    policy = a_policy(pack=a_pack(hours=(hours, HoursRule("hours", DUNNING, OFFICE_HOURS, OWN))))
    found = []
    for consents in ((), (given,), (Consent("any_hour", "email", NOW - DAY, "app", "w-9"),)):
        party = a_party(consents=consents)
        borrower = a_borrower(a_loan(), parties=(party,))
        answer = permit(borrower, party, party.points[0], borrower.loans, Purpose.SERVICING, a_strategy(), policy, NOW)
        found.append(answer.basis if isinstance(answer, Allowed) else None)
    assert found == [None, (Basis("shut", given),), None]


@pytest.mark.parametrize(
    ("consents", "given"),
    [
        ((), False),
        ((Consent("marketing"),), True),  # stored by an earlier version: of unknown words, on every channel
        ((Consent("marketing", given_at=NOW),), True),
        ((Consent("marketing", given_at=NOW), Consent("marketing", "sms", withdrawn_at=NOW)), False),
        ((Consent("marketing", given_at=NOW), Consent("marketing", "email", withdrawn_at=NOW)), True),
        ((Consent("marketing", given_at=NOW + HOUR), Consent("marketing", "sms", withdrawn_at=NOW)), True),
        ((Consent("marketing", "sms", NOW), Consent("marketing", withdrawn_at=NOW + HOUR)), False),
        ((Consent("marketing", withdrawn_at=NOW), Consent("marketing", listed_at=NOW - HOUR)), False),
        ((Consent("marketing", withdrawn_at=NOW), Consent("marketing", listed_at=NOW + HOUR)), True),
        ((Consent("marketing", withdrawn_at=NOW), Consent("marketing", "", NOW - DAY, listed_at=NOW + HOUR)), False),
    ],
)
def test_the_latest_word_holds(consents: tuple[Consent, ...], *, given: bool) -> None:
    assert (standing(consents, "marketing", "sms") is not None) is given
    assert consented(consents, "sms") == ({"marketing"} if given else frozenset())


def test_a_list_takes_the_place_of_the_list_before_and_of_nothing_else() -> None:
    told = with_given((), Consent("marketing", "sms", NOW, "web", "w-1"))
    both = with_list(told, (Consent("servicing"), Consent("collection")), NOW)
    assert consented(both, "sms") == {"marketing", "servicing", "collection"}
    fewer = with_list(both, (Consent("servicing"),), NOW + DAY)
    assert consented(fewer, "sms") == {"marketing", "servicing"}
    assert with_list(fewer, (), NOW + DAY) == told


def test_an_entry_of_the_ledger_binds_what_it_rests_on() -> None:
    def entry(message: Message) -> str:
        return entry_hash("", message)

    plain = a_message(reserved_at=NOW, body_digest="d", rendered_version=1)
    proved = a_message(reserved_at=NOW, body_digest="d", rendered_version=1, basis=(Basis("asks", GIVEN),))
    other = a_message(
        reserved_at=NOW,
        body_digest="d",
        rendered_version=1,
        basis=(Basis("asks", Consent("servicing", "sms", NOW - DAY, "web", "w-2")),),
    )
    assert len({entry(plain), entry(proved), entry(other)}) == 3


# ── Through the door ─────────────────────────────────────────────────────────────────────────────────────────────────


def a_house(**party: object) -> House:
    house = House()
    house.know("b-1", loan_document(), parties=[party_document(**party)])
    return house


def said(house: House, *, given: bool, at: int, channel: str | None = None, **other: object) -> Ingested:
    consent = {"purpose": "marketing", "source": "web", "given": given, "wording": "w-1", "channel": channel, **other}
    consent = {name: value for name, value in consent.items() if value is not None}
    return house.tell("consent.changed", consent=consent, occurred_at=NOW - timedelta(minutes=at))


def agrees_to(house: House, channel: str = "sms") -> frozenset[str]:
    return consented(house.borrower().parties[0].consents, channel)


def test_a_withdrawal_that_is_later_wins_in_whatever_order_they_come() -> None:
    for order in ((30, 10), (10, 30)):
        house = a_house()
        for minutes in order:
            assert said(house, given=minutes == 30, at=minutes) is Ingested.APPLIED
        assert agrees_to(house) == frozenset()
        assert said(house, given=True, at=5, channel="sms") is Ingested.APPLIED
        assert (agrees_to(house), agrees_to(house, "email")) == (frozenset({"marketing"}), frozenset())


def test_an_older_snapshot_brings_nothing_back_and_a_newer_one_says_what_it_knows() -> None:
    house = a_house(consents=["marketing"])
    said(house, given=False, at=0)
    profile = {"jurisdiction": "US-NY", "time_zone": "America/New_York"}
    listed = party_document(consents=["marketing", {"purpose": "any_hour", "channel": "sms", "wording": "w-3"}])
    house.tell("borrower.updated", occurred_at=NOW - HOUR, borrower=profile | {"sequence": 2, "parties": [listed]})
    assert (agrees_to(house), agrees_to(house, "email")) == (frozenset({"any_hour"}), frozenset())
    house.clock.advance(HOUR)
    house.tell("borrower.updated", borrower=profile | {"sequence": 3, "parties": [listed]})
    assert agrees_to(house) == {"any_hour", "marketing"}


def test_it_is_kept_so_that_it_can_be_proved() -> None:
    house = a_house()
    house.tell(
        "consent.changed",
        event_id="given",
        consent={"purpose": "marketing", "source": "branch", "given": True, "wording": "offers/2", "channel": "sms"},
    )
    fact = house.store.records["b-1", "FACT#given"]
    assert {name: fact[name] for name in ("purpose", "channel", "given", "source", "wording", "occurred_at")} == {
        "purpose": "marketing",
        "channel": "sms",
        "given": True,
        "source": "branch",
        "wording": "offers/2",
        "occurred_at": NOW,
    }
    again = {"purpose": "marketing", "source": "branch", "given": True, "wording": "offers/2", "channel": "sms"}
    before = house.borrower()
    assert house.tell("consent.changed", event_id="given", consent=again) is Ingested.REPEATED
    assert house.borrower() == before


@pytest.mark.parametrize(
    ("consent", "field"),
    [
        ({"purpose": "marketing", "given": True, "source": "web"}, "consent"),
        ({"purpose": "marketing", "given": True, "wording": "w"}, "consent.source"),
        ({"purpose": "+12125550123", "given": False, "source": "web"}, "consent.purpose"),
        ({"purpose": "marketing", "given": False, "source": "web", "channel": "pigeon"}, "consent.channel"),
        ({"purpose": "marketing", "given": False, "source": "web", "party_id": "p-9"}, "consent.party_id"),
    ],
)
def test_what_is_refused_is_named(consent: dict[str, object], field: str) -> None:
    house = a_house()
    with pytest.raises(InvalidInput) as refused:
        house.tell("consent.changed", consent=consent)
    assert refused.value.field == field
    assert "+1212" not in str(refused.value)


def test_a_consent_of_nobody_waits_for_them() -> None:
    with pytest.raises(NotFound):
        said(House(), given=False, at=0)


def test_a_consent_from_the_future_is_refused() -> None:
    listed = {"purpose": "marketing", "given_at": (NOW + DAY).isoformat()}
    with pytest.raises(InvalidInput) as refused:
        a_house(consents=["servicing", listed])
    assert refused.value.field == "borrower.parties.0.consents.1.given_at"
    with pytest.raises(InvalidInput) as refused:
        a_house(consents=["any_hour"])  # no purpose: it has to say what was consented to
    assert refused.value.field == "borrower.parties.0.consents.0"


def test_a_reserved_message_names_the_consent_it_rests_on() -> None:
    """Through render, review and reservation: New York asks collectors, so the house's lender is made one."""
    from dataclasses import replace

    from tests.builders import shipped_content

    content = shipped_content()
    collector = replace(
        content, lender=replace(content.lender, capacity="collector"), _policies={}, _strategies={}, _words={}
    )
    house = House(NOW, collector)
    listed = {"purpose": "collection", "given_at": (NOW - DAY).isoformat(), "source": "web", "wording": "esign/4"}
    late = loan_document(
        due_on=(NOW - 5 * DAY).date(),
        days_past_due=5,
        overdue={"principal": "120.50", "interest": "0.00", "fees": "0.00", "total": "120.50"},
    )
    house.know("b-1", late, parties=[party_document(consents=[listed])])
    house.tell("contact_point.changed", contact_point={"state": "checked", "phone": "+12125550123", "source": "lookup"})
    house.wake()
    house.run_cases()
    house.pace_lines()
    house.render_due()
    house.send_rendered()
    (message,) = house.messages()
    assert message.reserved_at is not None
    by_rule = {basis.rule: basis.consent for basis in message.basis}
    assert set(by_rule) == {"us-reg-f-text-consent"}
    assert {(c.given_at, c.source, c.wording) for c in by_rule.values()} == {(NOW - DAY, "web", "esign/4")}
    assert verify(house.messages(), house.borrower().chain_head) is None
