"""Opt-outs of one purpose, of one number and of everything, on each store."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dunlin.adapters.dynamo.models import SuppressionItem
from dunlin.adapters.dynamo.store import DynamoStore, instant
from dunlin.domain.borrower import LastWord
from dunlin.domain.words import Channel, PartyRole, Purpose
from dunlin.errors import Conflict, InvalidInput, NotFound, Suppressed
from dunlin.services.opt_outs import OptOuts
from dunlin.services.ports import Change, Store
from dunlin.testing import FakeClock

from tests.builders import EMAIL_POINT, NOW, a_borrower, a_loan, a_party, a_point

SMS, EMAIL = Channel.SMS, Channel.EMAIL
OTHERS = a_party(party_id="p-2", role=PartyRole.CO_BORROWER, points=(a_point(point="point-other", address="+1"),))
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def opt_outs(store: Store) -> OptOuts:
    party = a_party(points=(a_point(), EMAIL_POINT))
    store.commit(Change(borrower=a_borrower(a_loan(), parties=(party, OTHERS), version=0, revision=0)))
    for point in ("point-sms", "point-email", "point-other"):
        store.link_point(point, "b-1")
    return OptOuts(store, FakeClock(NOW))


def blocked(store: Store, point: str) -> frozenset[str]:
    return store.suppression(point).blocked


def test_one_purpose_at_one_number(store: Store, opt_outs: OptOuts) -> None:
    assert opt_outs.at_point("point-sms", SMS, opted_out=True, at=NOW, by="o-1", purpose=Purpose.SERVICING)
    assert blocked(store, "point-sms") == {"sms#servicing"}
    borrower = store.borrower("b-1")
    assert borrower is not None
    assert borrower.parties[0].points[0].blocked == {"servicing"}
    for purpose, refused in ((Purpose.SERVICING, True), (Purpose.COLLECTION, False)):
        change = Change(borrower=store.borrower("b-1"), unless_blocked=("point-sms", SMS, purpose))
        if refused:
            with pytest.raises(Suppressed):
                store.commit(change)
        else:
            store.commit(change)
    assert blocked(store, "point-email") == blocked(store, "point-other") == frozenset()


def test_one_number_and_back_for_one_purpose_only(store: Store, opt_outs: OptOuts) -> None:
    opt_outs.at_point("point-sms", SMS, opted_out=True, at=NOW, by="o-1")
    assert blocked(store, "point-sms") == {"sms#*"}
    opt_outs.at_point("point-sms", SMS, opted_out=False, at=LATER, by="o-2", purpose=Purpose.SERVICING)
    assert blocked(store, "point-sms") == {f"sms#{purpose}" for purpose in Purpose if purpose is not Purpose.SERVICING}
    assert not opt_outs.at_point("point-sms", SMS, opted_out=True, at=NOW, by="o-3")  # processed late


def test_everything_of_one_party(store: Store, opt_outs: OptOuts) -> None:
    assert opt_outs.of_everything("b-1", opted_out=True, at=NOW, by="o-1")
    assert blocked(store, "point-sms") == {"sms#*"}
    assert blocked(store, "point-email") == {"email#*"}
    assert blocked(store, "point-other") == frozenset()
    borrower = store.borrower("b-1")
    assert borrower is not None
    assert [party.last_word for party in borrower.parties] == [LastWord(True, NOW, "o-1"), None]
    assert [point.blocked for point in borrower.parties[0].points] == [{"*"}, {"*"}]
    assert not opt_outs.of_everything("b-1", opted_out=True, at=NOW, by="o-1")
    assert store.borrower("b-1") == borrower, "said twice, it is nothing"


def test_everything_of_nobody(opt_outs: OptOuts) -> None:
    with pytest.raises(NotFound):
        opt_outs.of_everything("b-9", opted_out=True, at=NOW, by="o-1")
    with pytest.raises(InvalidInput, match="party_id"):
        opt_outs.of_everything("b-1", opted_out=True, at=NOW, by="o-1", party_id="p-9")


def test_a_number_nobody_knows(store: Store) -> None:
    OptOuts(store, FakeClock(NOW)).at_point("stranger", SMS, opted_out=True, at=NOW, by="o-1")
    assert blocked(store, "stranger") == {"sms#*"}


@pytest.mark.parametrize("scope", ["purpose", "number", "everything"])
def test_of_a_reservation_and_an_opt_out_the_later_one_finds_the_other(
    store: Store, opt_outs: OptOuts, scope: str
) -> None:
    """Read before, written after: the reservation is refused by the number's own item."""
    as_read = store.borrower("b-1")
    assert as_read is not None
    match scope:
        case "purpose":
            opt_outs.record("point-sms", SMS, opted_out=True, at=NOW, by="o", purpose=Purpose.COLLECTION)
        case "number":
            opt_outs.record("point-sms", SMS, opted_out=True, at=NOW, by="o")
        case _:
            opt_outs.of_everything("b-1", opted_out=True, at=NOW, by="o")
    with pytest.raises(Conflict):
        store.commit(Change(borrower=as_read, unless_blocked=("point-sms", SMS, Purpose.COLLECTION)))


def test_what_an_earlier_version_recorded_still_forbids(store: Store, opt_outs: OptOuts) -> None:
    """It wrote no words and no count of writes, only what is blocked and when the number was last heard."""
    if not isinstance(store, DynamoStore):
        return
    SuppressionItem("old", "STATE", blocked={"sms#*"}, heard_at=instant(NOW), changed_by="in-1").save()
    state = store.suppression("old")
    assert state.blocked == {"sms#*"}
    assert (state.heard_at, state.changed_by, state.revision) == (NOW, "in-1", 0)
    assert not opt_outs.at_point("old", SMS, opted_out=False, at=NOW, by="o-1")  # not later: the opt-out stays
    assert opt_outs.at_point("old", SMS, opted_out=False, at=LATER, by="o-2", purpose=Purpose.SERVICING)
    state = store.suppression("old")
    assert not state.forbids(SMS, Purpose.SERVICING)
    assert state.forbids(SMS, Purpose.COLLECTION)
    SuppressionItem("back", "STATE", heard_at=instant(LATER), changed_by="in-2").save()  # it had opted in again
    assert not opt_outs.at_point("back", SMS, opted_out=True, at=NOW, by="o-3")
    assert blocked(store, "back") == frozenset()
