"""What every `Holdings` promises, held against each of them: page by page, and all of a removal or none of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from dunlin.adapters.dynamo.holdings import DynamoHoldings
from dunlin.domain.borrower import Borrower
from dunlin.domain.words import MessageState
from dunlin.errors import AlreadyRecorded, DunlinError, StateConflict, TransientError, VersionConflict
from dunlin.services.ports import (
    Change,
    Felt,
    Holdings,
    PointRecord,
    Record,
    Removal,
    Shelf,
    Store,
    StoredItem,
    Suppression,
)
from dunlin.testing import MemoryHoldings, MemoryStore

from tests.builders import NOW, a_borrower, a_contact, a_loan, a_message
from tests.contract.conftest import REGION, Dynamo
from tests.contract.test_dynamo import PLANTED, answering, client_error


@dataclass
class Kept:
    """A store, what is held in it, and one borrower with something on every shelf."""

    store: Store
    holdings: Holdings

    def borrower(self, borrower_id: str = "b-1") -> Borrower:
        found = self.store.borrower(borrower_id)
        assert found is not None
        return found

    def names(self, shelf: Shelf, owner: str = "b-1") -> list[str]:
        return [item.item for item in self.holdings.items(shelf, owner, "", 100)]


@pytest.fixture
def kept(kind: str, store: Store) -> Kept:
    holdings = MemoryHoldings(store) if isinstance(store, MemoryStore) else DynamoHoldings(REGION)
    for borrower_id in ("b-1", "b-2"):
        hot = a_borrower(a_loan(), borrower_id=borrower_id, version=0, revision=0)
        done = a_message(borrower_id=borrower_id, key="m-2", state=MessageState.DELIVERED, attend_at=None)
        messages = (a_message(borrower_id=borrower_id, key="m-1"), done)
        records = tuple(Record(borrower_id, item, {"amount": "7.00"}) for item in ("FACT#1", "PAY#1#applied"))
        store.commit(Change(borrower=hot, new_messages=messages, records=records))
        store.link_point("point", borrower_id)
    text = {"text": "hello", "received_at": NOW.isoformat()}
    store.commit(Change(point_records=(PointRecord("point", "IN#1", text), PointRecord("point", "IN#2", text, True))))
    store.commit(Change(suppression=Suppression("point", frozenset({"sms#*"}), NOW)))
    store.commit(Change(felt=(Felt("point", (a_contact(),)),)))
    return Kept(store, holdings)


def one(kept: Kept, shelf: Shelf, name: str, owner: str = "b-1") -> StoredItem:
    (found,) = (item for item in kept.holdings.items(shelf, owner, "", 100) if item.item == name)
    return found


class TestReading:
    def test_every_shelf_in_order_and_nothing_that_stays(self, kept: Kept) -> None:
        kept.store.commit(Change(records=(Record("b-1", "TOMBSTONE#1", {}),)))
        assert kept.names(Shelf.MESSAGES) == ["m-1", "m-2"]
        assert kept.names(Shelf.RECORDS) == ["FACT#1", "PAY#1#applied"]
        assert kept.names(Shelf.POINT, "point") == ["BORROWER#b-1", "BORROWER#b-2", "FELT", "IN#1", "IN#2"]
        assert kept.names(Shelf.MESSAGES, "b-9") == kept.names(Shelf.POINT, "other") == []

    def test_page_by_page(self, kept: Kept) -> None:
        for shelf, owner in ((Shelf.MESSAGES, "b-1"), (Shelf.RECORDS, "b-1"), (Shelf.POINT, "point")):
            whole, after, found = kept.names(shelf, owner), "", []
            while page := kept.holdings.items(shelf, owner, after, 1):
                assert len(page) == 1
                after = page[-1].item
                found.append(after)
            assert found == whole
        assert [message.key for message in kept.holdings.messages("b-1", "", 1)] == ["m-1"]
        assert [message.key for message in kept.holdings.messages("b-1", "m-1", 9)] == ["m-2"]
        assert kept.holdings.messages("b-1", "m-1", 9)[0] == kept.store.message("b-1", "m-2")

    def test_what_is_on_its_way_says_so(self, kept: Kept) -> None:
        assert [item.is_settled for item in kept.holdings.items(Shelf.MESSAGES, "b-1", "", 9)] == [False, True]


class TestTakingAway:
    def test_all_of_it(self, kept: Kept) -> None:
        before = kept.borrower()
        removed = (
            one(kept, Shelf.MESSAGES, "m-2"),
            one(kept, Shelf.RECORDS, "FACT#1"),
            one(kept, Shelf.POINT, "BORROWER#b-1", "point"),
            one(kept, Shelf.POINT, "FELT", "point"),
            one(kept, Shelf.POINT, "IN#1", "point"),
        )
        text = replace(one(kept, Shelf.POINT, "IN#2", "point"), document='{"meaning":"other"}')
        moved = kept.store.message("b-1", "m-1")
        assert moved is not None
        stone = Record("b-1", "TOMBSTONE#1", {"rule": "x"})
        kept.holdings.commit(
            Removal(
                replace(before, chain_head="x"),
                removed,
                (text,),
                (replace(moved, body=""),),
                (stone,),
                (kept.borrower("b-2"),),
            )
        )
        after = kept.borrower()
        assert after == replace(before, chain_head="x", revision=before.revision + 1)
        assert kept.names(Shelf.MESSAGES) == ["m-1"]
        assert kept.store.message("b-1", "m-1") == replace(moved, body="", revision=moved.revision + 1)
        assert kept.names(Shelf.RECORDS) == ["PAY#1#applied"]
        assert kept.names(Shelf.POINT, "point") == ["BORROWER#b-2", "IN#2"]
        assert one(kept, Shelf.POINT, "IN#2", "point").document.replace(" ", "") == '{"meaning":"other"}'
        assert kept.store.felt("point") == Felt("point")
        assert kept.store.suppression("point").blocked == {"sms#*"}
        assert kept.names(Shelf.MESSAGES, "b-2") == ["m-1", "m-2"], "nobody else's"

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ("hot", VersionConflict),
            ("other", VersionConflict),
            ("message", StateConflict),
            ("moved", StateConflict),
            ("text", StateConflict),
            ("stone", AlreadyRecorded),
        ],
    )
    def test_none_of_it_where_anything_has_changed(self, kept: Kept, change: str, error: type[DunlinError]) -> None:
        moved = kept.store.message("b-1", "m-1")
        assert moved is not None
        good = Removal(
            kept.borrower(),
            (one(kept, Shelf.MESSAGES, "m-2"), one(kept, Shelf.RECORDS, "FACT#1")),
            (one(kept, Shelf.POINT, "IN#2", "point"),),
            (moved,),
            (Record("b-1", "TOMBSTONE#1", {}),),
            (kept.borrower("b-2"),),
        )
        match change:
            case "hot":
                kept.store.commit(Change(borrower=kept.borrower(), quiet=True))
            case "other":
                kept.store.commit(Change(borrower=kept.borrower("b-2"), quiet=True))
            case "message":
                late = kept.store.message("b-1", "m-2")
                assert late is not None
                kept.store.commit(Change(moved_messages=(late,)))
            case "moved":
                kept.store.commit(Change(moved_messages=(moved,)))
            case "text":
                good = replace(good, rewritten=(replace(good.rewritten[0], item="IN#9"),))
            case "stone":
                kept.store.commit(Change(records=(Record("b-1", "TOMBSTONE#1", {}),)))
        before = [kept.names(shelf, owner) for shelf, owner in _SHELVES]
        with pytest.raises(error):
            kept.holdings.commit(good)
        assert [kept.names(shelf, owner) for shelf, owner in _SHELVES] == before


_SHELVES = ((Shelf.MESSAGES, "b-1"), (Shelf.RECORDS, "b-1"), (Shelf.POINT, "point"))


@contextmanager
def _fails(error: Exception) -> Iterator[None]:
    with answering(error), pytest.raises(TransientError) as raised:
        yield
    assert PLANTED not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.usefixtures("dynamo")
def test_whatever_storage_answers_is_transient_and_says_nothing(request: pytest.FixtureRequest) -> None:
    from unittest import mock

    sleep = mock.patch("time.sleep")
    sleep.start()
    request.addfinalizer(sleep.stop)
    holdings = DynamoHoldings(REGION)
    for error in (client_error("InternalServerError"), client_error("AccessDeniedException")):
        with _fails(error):
            holdings.messages("b-1", "", 1)
        for shelf in Shelf:
            with _fails(error):
                holdings.items(shelf, "b-1", "", 1)
        with _fails(error):
            holdings.commit(Removal(a_borrower(a_loan())))


def test_only_a_stranger_s_text_expires_by_itself(dynamo: Dynamo) -> None:
    """Whoever has the number has the text, for as long as their records are kept; and what is rewritten has no end."""
    text = {"text": "hello", "received_at": NOW.isoformat()}
    dynamo.store.commit(
        Change(point_records=(PointRecord("point", "IN#1", text), PointRecord("point", "IN#2", text, True)))
    )
    holdings = DynamoHoldings(REGION)
    page = holdings.items(Shelf.POINT, "point", "", 9)
    assert [item.expires for item in page] == [True, False]
    dynamo.store.commit(Change(borrower=a_borrower(a_loan(), version=0, revision=0)))
    hot = dynamo.store.borrower("b-1")
    assert hot is not None
    holdings.commit(Removal(hot, rewritten=(page[0],)))
    items = dynamo.client.scan(TableName="SuppressionsTable")["Items"]
    assert not any("expires_at" in item for item in items)
    assert [item.document for item in holdings.items(Shelf.POINT, "point", "", 9)] == [item.document for item in page]
