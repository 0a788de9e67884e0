"""Contacts made elsewhere reserve here first, under the same rules, and count for us."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from dunlin.domain.words import Purpose, Reason
from dunlin.errors import InvalidInput, NotFound, VersionConflict
from dunlin.services.contacts import Denied, Reserved

from tests.builders import DAY, NOW, TODAY, House, loan_document, party_document

COLLECTION = Purpose.COLLECTION


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7)))
    return house


def reserve(house: House, request_id: str = "r-1", channel: str = "call", **changes: object) -> Reserved | Denied:
    purpose = changes.get("purpose", COLLECTION)
    loan_ids = changes.get("loan_ids", ("l-1",))
    assert isinstance(purpose, Purpose)
    assert isinstance(loan_ids, tuple)
    return house.contacts.reserve("b-1", request_id, channel, purpose, loan_ids)


def conflicts() -> None:
    raise VersionConflict("b-1")


def test_allowed_and_counted(known: House) -> None:
    assert reserve(known) == Reserved("outside/r-1", NOW + timedelta(minutes=30))
    known.minute()
    assert known.orders == []
    assert reserve(known, "r-2") == Denied(Reason.CAP, "us-own-daily", datetime(2026, 6, 2, 4, 0, tzinfo=UTC))


def test_the_same_request_is_one_contact(known: House) -> None:
    first = reserve(known)
    known.clock.advance(timedelta(minutes=1))
    assert reserve(known) == first
    assert len(known.borrower().contacts) == 1


def test_our_text_counts_for_the_dialler(known: House) -> None:
    known.sent()
    answer = reserve(known)
    assert isinstance(answer, Denied)
    assert (answer.reason, answer.rule) == (Reason.CAP, "us-own-daily")


def test_not_made_frees_the_cap(known: House) -> None:
    reserve(known)
    assert known.contacts.report("b-1", "outside/r-1", made=False)
    assert known.borrower().contacts == ()
    assert not known.contacts.report("b-1", "outside/r-1", made=False)
    assert isinstance(reserve(known, "r-2"), Reserved)


def test_made_stays(known: House) -> None:
    reserve(known)
    assert known.contacts.report("b-1", "outside/r-1", made=True)
    assert len(known.borrower().contacts) == 1


def test_our_own_contact_cannot_be_reported_away(known: House) -> None:
    message = known.sent()
    with pytest.raises(InvalidInput, match="ref"):
        known.contacts.report("b-1", message.ref, made=False)


def test_a_hold(known: House) -> None:
    known.tell("hold.placed", hold={"hold_id": "h", "kind": "dispute", "source": "agent"})
    answer = reserve(known)
    assert isinstance(answer, Denied)
    assert (answer.reason, answer.rule) == (Reason.HOLD, "hold.dispute")
    assert isinstance(reserve(known, purpose=Purpose.MANDATORY), Reserved)


def test_at_night(known: House) -> None:
    known.clock.now = NOW + timedelta(hours=12)
    answer = reserve(known)
    assert isinstance(answer, Denied)
    assert (answer.reason, answer.at) == (Reason.QUIET_HOURS, datetime(2026, 6, 2, 13, 0, tzinfo=UTC))


def test_until_the_window_closes_at_the_latest(known: House) -> None:
    known.clock.now = NOW + timedelta(hours=8, minutes=45)
    assert reserve(known) == Reserved("outside/r-1", NOW + timedelta(hours=9))


def test_only_a_party_who_may_hear_it(house: House) -> None:
    house.know("b-1", loan_document(), parties=[party_document(may_hear=["reply"])])
    answer = reserve(house)
    assert isinstance(answer, Denied)
    assert answer == Denied(Reason.NOT_A_PARTY, "party.may_hear", None)


def test_without_consent(house: House) -> None:
    house.know("b-1", loan_document(), parties=[party_document(may_hear=["marketing"])])
    answer = reserve(house, purpose=Purpose.MARKETING)
    assert answer == Denied(Reason.NO_CONSENT, "us-marketing-consent", None)


def test_what_is_never_said(house: House) -> None:
    late = loan_document(due_on=TODAY - timedelta(days=4))
    house.know("b-1", late, parties=[party_document(may_hear=["marketing"], consents=["marketing"])])
    assert reserve(house, purpose=Purpose.MARKETING) == Denied(Reason.FORBIDDEN, "us-no-offer-in-arrears", None)


def test_somebody_without_a_contact_point(house: House) -> None:
    house.know("b-1", loan_document(), parties=[party_document(phone=None)])
    assert isinstance(reserve(house, channel="letter"), Reserved)


def test_where_nobody_reviewed_a_pack(known: House) -> None:
    known.store.borrowers["b-1"] = replace(known.borrower(), jurisdiction="XX")
    assert reserve(known) == Denied(Reason.CONTENT_NOT_LIVE, "pack", None)


def test_an_unknown_borrower(house: House) -> None:
    with pytest.raises(NotFound):
        reserve(house)
    with pytest.raises(NotFound):
        house.contacts.report("b-1", "outside/r-1", made=True)


def test_others_keep_writing(known: House) -> None:
    known.store.before_commit.append(conflicts)
    assert isinstance(reserve(known), Reserved)
    known.store.before_commit.extend([conflicts] * 4)
    with pytest.raises(VersionConflict):
        known.contacts.report("b-1", "outside/r-1", made=False)
    known.clock.advance(2 * DAY)
    known.checkpoint()
    known.store.before_commit.clear()
    known.store.before_commit.extend([conflicts] * 4)
    with pytest.raises(VersionConflict):
        reserve(known, "r-2")


def test_two_at_once(known: House) -> None:
    """Both read a free day; the second's write conflicts, it reads again, and the day is taken."""
    answers: list[object] = []
    known.store.before_commit.append(lambda: answers.append(reserve(known, "r-2")))
    answers.append(reserve(known, "r-1"))
    assert isinstance(answers[0], Reserved)
    assert isinstance(answers[1], Denied)


def test_a_contact_about_no_loan_in_particular_counts_for_each() -> None:
    """New York, three contacts in seven days for each loan: leaving the loans out must not be a way around it."""
    house = House(datetime(2026, 10, 5, 15, 0, tzinfo=UTC))
    house.know("b-1", loan_document(due_on=house.now.date() - timedelta(days=4), as_of=house.now))
    for day in range(3):
        house.checkpoint()
        assert isinstance(reserve(house, f"r-{day}", "letter", loan_ids=()), Reserved)
        house.clock.advance(DAY)
    assert isinstance(reserve(house, "r-9", "letter", loan_ids=("l-1",)), Denied)


def test_a_pack_that_expired_allows_nobody(known: House) -> None:
    known.clock.now = datetime(2028, 6, 1, 15, 0, tzinfo=UTC)
    known.checkpoint()
    assert reserve(known) == Denied(Reason.CONTENT_NOT_LIVE, "release", None)


def test_about_what_is_paid_or_not_ours(known: House) -> None:
    assert reserve(known, loan_ids=("l-1", "l-9")) == Denied(Reason.LOAN_NOT_OPEN, "loan_ids", None)
    known.pay()
    assert reserve(known, loan_ids=()) == Denied(Reason.PAID, "loan.instalments", None)


def test_about_money_on_its_way(known: House) -> None:
    pending = [{"payment_id": "p-1", "amount": "1.00", "received_at": NOW.isoformat()}]
    known.tell("loan.snapshot", loan=known.loan_now(pending=pending))
    answer = reserve(known)
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.PAYMENT_PENDING


def test_on_stale_figures(known: House) -> None:
    known.clock.advance(timedelta(hours=27))
    answer = reserve(known)
    assert isinstance(answer, Denied)
    assert answer.reason is Reason.STALE_BALANCE


def test_by_text_to_somebody_without_a_number(house: House) -> None:
    house.know("b-1", loan_document(), parties=[party_document(phone=None)])
    assert reserve(house, channel="sms") == Denied(Reason.NO_CONTACT_POINT, "party.points", None)


def test_an_opt_out_inside_the_reservation(known: House) -> None:
    known.store.before_commit.append(lambda: known.text("STOP"))
    assert reserve(known, channel="sms") == Denied(Reason.OPTED_OUT, "suppression", None)
    assert isinstance(reserve(known, "r-2", channel="sms"), Denied)
    assert isinstance(reserve(known, "r-3", channel="call"), Reserved)  # of texts, not of calls
