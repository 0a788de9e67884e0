"""Keeping and forgetting carried out: in steps, at the wake, whatever is interrupted, whoever else has the number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

import pytest
from dunlin.content.model import Content
from dunlin.content.schema import SignatureModel
from dunlin.domain.borrower import Borrower
from dunlin.domain.keeping import Keeping
from dunlin.domain.ledger import verify
from dunlin.domain.message import Message
from dunlin.domain.retention import deletion_digest
from dunlin.domain.shards import shard_of
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import InvalidInput, NotFound, TransientError
from dunlin.services.ingest import Ingested
from dunlin.services.ports import Removal, Shelf, StoredItem
from dunlin.services.retention import PAGE, STEPS
from dunlin.testing import MemoryHoldings

from tests.builders import (
    DAY,
    MINUTE,
    NEW_YORK,
    NOW,
    PHONE,
    TODAY,
    House,
    a_message,
    loan_document,
    party_document,
    shipped_content,
)

NAME, BODY = "Wilhelmina Plantagenet", "my husband has died, please wait"
PERSONAL = ("Wilhelmina", "Plantagenet", "2125550123", "husband", "7391.57", "7,391.57", "4821")


@lru_cache(maxsize=1)
def long_signed() -> Content:
    """The shipped content, as it will be when somebody has signed it year after year."""
    content = shipped_content()
    until = SignatureModel(by="compliance@marram.example", until=date(2060, 1, 1))
    packs = {
        code: pack.model_copy(update={"signed": until}) if pack.signed is not None else pack
        for code, pack in content.packs.items()
    }
    return replace(content, packs=packs, live=True, _policies={}, _retention={}, _hold_rules={})


class LongHouse(House):
    """A house that stands for decades, with somebody who was written to, wrote back and paid."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(content=long_signed(), **changes)
        self.points: set[str] = set()

    def live(self, borrower_id: str = "b-1", phone: str = PHONE, **where: Any) -> None:
        """Nine days of a relationship, and its end."""
        party = party_document(name=NAME, phone=phone, consents=["marketing"], phone_verified_at=self.now.isoformat())
        loan = loan_document(
            due_on=TODAY + timedelta(days=7), outstanding="7391.57", as_of=self.now, loan_id=f"l-{borrower_id}"
        )
        self.know(borrower_id, loan, parties=[party], **where)
        for _ in range(3):
            self.snapshots()
            self.run_until(self.now + DAY)
        self.text(BODY, phone, f"in-{borrower_id}")
        self.text("HELP", phone, f"help-{borrower_id}")
        self.run_until(self.now + DAY)
        self.pay(f"p-{borrower_id}", loan_id=f"l-{borrower_id}", amount="7391.57") if borrower_id == "b-1" else None
        self.closed(borrower_id)

    def closed(self, borrower_id: str) -> None:
        loan = self.loan_now(
            f"l-{borrower_id}", borrower_id, status="closed", instalments=[], overdue=None, days_past_due=None
        )
        self.tell("loan.closed", borrower_id, loan=loan)
        self.run_until(self.now + DAY, checkpoints=False)

    def later(self, years: float) -> None:
        self.run_until(self.now + timedelta(days=365.25 * years), checkpoints=False)

    def dump(self) -> str:
        """Everything that is stored, as text."""
        store = self.store
        return repr((store.borrowers, store.messages, store.records, store.suppressions, store.point_records)) + repr(
            (store.links, store.felts)
        )

    def found(self) -> set[str]:
        dump = self.dump()
        return {planted for planted in PERSONAL if planted in dump}

    def tombstones(self, borrower_id: str = "b-1") -> list[dict[str, object]]:
        return [
            document
            for (owner, item), document in self.store.records.items()
            if owner == borrower_id and item.startswith("TOMBSTONE#")
        ]

    def answers(self, borrower_id: str = "b-1") -> list[dict[str, Any]]:
        return [
            document
            for (owner, item), document in sorted(self.store.records.items())
            if owner == borrower_id and item.startswith("ERASURE#")
        ]

    def erase(self, borrower_id: str = "b-1", request_id: str = "r-1") -> Ingested:
        return self.tell("erasure.requested", borrower_id, erasure={"request_id": request_id, "by": "borrower"})

    def hold_for_law(self, borrower_id: str = "b-1", hold_id: str = "lh-1", **more: Any) -> None:
        hold = {"hold_id": hold_id, "matter": "M-2026/17", "by": "compliance"} | more
        self.tell("legal_hold.placed", borrower_id, legal_hold=hold)

    def release(self, borrower_id: str = "b-1", hold_id: str = "lh-1", by: str = "compliance") -> None:
        self.tell("legal_hold.lifted", borrower_id, legal_hold={"hold_id": hold_id, "by": by})


@pytest.fixture
def long_house() -> LongHouse:
    return LongHouse()


class TestByRule:
    def test_everything_personal_goes_and_the_proof_stays(self, long_house: LongHouse) -> None:
        long_house.live()
        assert long_house.found() == set(PERSONAL)
        text = long_house.text("STOP", inbound_id="stop")
        assert text.changed
        long_house.run_until(long_house.now + DAY, checkpoints=False)
        before, head = long_house.messages(), long_house.borrower().chain_head
        point = before[0].point
        assert verify(before, head) is None
        long_house.later(4.9)
        assert long_house.found() == set(PERSONAL), "not a day early"
        kept = [
            (item.item, item.document)
            for shelf in (Shelf.MESSAGES, Shelf.RECORDS)
            for item in MemoryHoldings(long_house.store).items(shelf, "b-1", "", 1000)
        ]
        texts = MemoryHoldings(long_house.store).items(Shelf.POINT, point, "", 1000)
        kept += [(item.item, item.document) for item in texts]
        long_house.later(0.2)
        assert long_house.found() == set()
        (stone,) = long_house.tombstones()
        assert stone["chain_head"] == head
        assert stone["entries"] == sum(1 for message in before if message.entry_hash) > 0
        assert stone["chain_was_whole"] is True
        assert stone["messages"] == len(before)
        assert stone["texts"] == 3
        assert stone["deleted_digest"] == deletion_digest("", kept), "whoever has a copy can prove that it was this"
        assert (stone["rule"], stone["content_version"]) == ("own.US.forget_after_years", long_house.content.version)
        assert long_house.messages() == []
        left = long_house.borrower()
        assert (left.parties, left.loans, left.contacts, left.wake_at) == ((), (), (), None)
        assert left.keeping == Keeping(forgotten_at=left.keeping.forgotten_at)
        assert long_house.store.suppression(point).forbids(Channel.SMS, Purpose.COLLECTION), "an opt-out outlives it"
        assert list(long_house.store.borrowers_of(point)) == []

    def test_an_idle_borrower_is_asked_about_once_a_year(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.run_until(long_house.now + 40 * DAY, checkpoints=False)
        asked: list[datetime] = []
        tend = long_house.retain.tend

        def watched(borrower: Borrower, now: datetime) -> Borrower | None:
            asked.append(now)
            return tend(borrower, now)

        long_house.retain.tend = watched  # type: ignore[method-assign]
        long_house.later(4)
        assert 3 <= len(asked) <= 5

    def test_who_comes_back_keeps_everything(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.later(4)
        again = loan_document("l-2", due_on=date(2031, 1, 1), as_of=long_house.now)
        long_house.tell("loan.snapshot", loan=again)
        long_house.later(4)
        assert long_house.found() == set(PERSONAL)
        assert long_house.tombstones() == []

    def test_whoever_was_forgotten_comes_back_as_somebody_new(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.text("STOP", inbound_id="stop")
        long_house.later(5.2)
        loan = loan_document("l-2", due_on=TODAY, as_of=long_house.now)
        with pytest.raises(InvalidInput, match="was forgotten"):
            long_house.tell("loan.snapshot", loan=loan)
        with pytest.raises(InvalidInput, match="was forgotten"):
            long_house.hold_for_law()
        profile = {"jurisdiction": "US-NY", "time_zone": NEW_YORK, "parties": [party_document()]}
        assert long_house.tell("borrower.updated", borrower=profile | {"sequence": 1}) is Ingested.OLDER
        assert long_house.borrower().parties == (), "an event from before brings nobody back"
        assert long_house.tell("borrower.updated", borrower=profile | {"sequence": 2}) is Ingested.APPLIED
        assert long_house.tell("loan.snapshot", loan=loan) is Ingested.APPLIED
        back = long_house.borrower()
        assert (back.chain_head, back.keeping.forgotten_at, back.keeping.ended_at) == ("", None, None)
        assert "*" in back.parties[0].points[0].blocked, "who opted out has opted out"
        assert len(long_house.tombstones()) == 1, "the tombstone is not overwritten"

    def test_a_message_on_its_way_has_to_end_first(self, long_house: LongHouse) -> None:
        long_house.live()
        way = a_message(key="late", state=MessageState.UNSETTLED, requested_at=long_house.now)
        long_house.store.messages["b-1", "late"] = replace(way, attend_at=None)
        long_house.later(5)
        assert long_house.borrower().parties
        done = replace(long_house.store.messages["b-1", "late"], state=MessageState.UNKNOWN, reason=Reason.NO_REPORT)
        long_house.store.messages["b-1", "late"] = done
        long_house.run_until(long_house.now + DAY, checkpoints=False)
        assert long_house.found() == set()

    def test_thousands_of_items_take_several_wakes(self, long_house: LongHouse) -> None:
        long_house.live()
        for number in range(PAGE * STEPS * 2):
            key = f"x-{number:05}"
            old = a_message(key=key, state=MessageState.DELIVERED, settled_at=NOW, attend_at=None)
            long_house.store.messages["b-1", key] = old
        long_house.clock.now += timedelta(days=int(365.25 * 5.1))
        wakes = 0
        while long_house.borrower().keeping.forgotten_at is None:
            before = len(long_house.store.messages)
            long_house.wake()
            assert before - len(long_house.store.messages) <= PAGE * STEPS
            long_house.clock.now += MINUTE
            wakes += 1
        assert wakes == 3
        (stone,) = long_house.tombstones()
        assert stone["messages"] > PAGE * STEPS * 2  # type: ignore[operator]
        assert stone["chain_was_whole"] is True

    def test_many_on_one_day_do_not_keep_the_others_waiting(
        self, long_house: LongHouse, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("dunlin.services.retention.STEPS_OF_A_SHARD", STEPS + 1)
        same = [name for name in (f"b-{number}" for number in range(2, 90)) if shard_of(name) == shard_of("b-1")][:3]
        long_house.live()
        for borrower_id in same:
            long_house.store.borrowers[borrower_id] = replace(long_house.borrower(), borrower_id=borrower_id)
        long_house.clock.now += timedelta(days=int(365.25 * 5.1))
        long_house.wake()
        gone = [name for name in ("b-1", *same) if long_house.borrower(name).keeping.forgotten_at is not None]
        assert len(gone) == 1
        long_house.run_until(long_house.now + DAY, checkpoints=False)
        assert all(long_house.borrower(name).keeping.forgotten_at is not None for name in same)

    def test_a_fact_that_was_recorded_at_the_last_moment_goes_too(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.clock.now += timedelta(days=int(365.25 * 5.1))
        while long_house.borrower().keeping.forgotten_at is None:
            long_house.wake()
            long_house.clock.now += MINUTE
        long_house.store.records["b-1", "FACT#late"] = {"snapshot": "7391.57"}
        long_house.run_until(long_house.now + 2 * DAY, checkpoints=False)
        assert long_house.found() == set()
        assert [item for _, item in long_house.store.records if not item.startswith("TOMBSTONE#")] == []

    def test_where_nobody_answers_for_the_rules_nothing_goes(self) -> None:
        house = LongHouse()
        house.live()
        unsigned = replace(house.content, live=False, _retention={}, _policies={})
        house.retain._content = unsigned
        house.run_until(house.now + timedelta(days=1824), checkpoints=False)
        house.run_until(house.now + 10 * DAY, checkpoints=False)
        assert house.found() == set(PERSONAL)
        house.retain._content = house.content
        house.run_until(house.now + 2 * DAY, checkpoints=False)
        assert house.found() == set()

    def test_numbers_from_before_and_numbers_that_others_have(self, long_house: LongHouse) -> None:
        long_house.live()
        party = party_document(name=NAME, phone="+12125550199")
        profile = {"sequence": 2, "jurisdiction": "US-NY", "time_zone": NEW_YORK, "parties": [party]}
        long_house.tell("borrower.updated", borrower=profile)
        old, new = (long_house.keys.point(Channel.SMS, phone) for phone in (PHONE, "+12125550199"))
        long_house.know("b-2", parties=[party_document(name="Else", phone="+12125550199")])
        long_house.text("hello from the shared number", "+12125550199", "shared")
        long_house.tell("loan.snapshot", "b-2", loan=loan_document("l-9", due_on=date(2040, 1, 1)))
        long_house.later(5.2)
        assert long_house.borrower().keeping.forgotten_at is not None
        assert {item for point, item in long_house.store.point_records if point == old} == set()
        assert {item for point, item in long_house.store.point_records if point == new} == {"IN#shared"}
        assert list(long_house.store.borrowers_of(old)) == []
        assert list(long_house.store.borrowers_of(new)) == ["b-2"]


class TestUnderALegalHold:
    def test_nothing_goes_until_it_is_lifted(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.hold_for_law()
        version = long_house.borrower().version
        long_house.later(12)
        assert long_house.found() == set(PERSONAL)
        assert long_house.borrower().version == version, "nothing that is said depends on it"
        long_house.release()
        long_house.run_until(long_house.now + DAY, checkpoints=False)
        assert long_house.found() == set()
        (stone,) = long_house.tombstones()
        assert stone["chain_was_whole"] is True

    def test_it_ends_at_its_end(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.hold_for_law(until=(long_house.now + timedelta(days=3000)).isoformat())
        long_house.run_until(long_house.now + timedelta(days=2999), checkpoints=False)
        assert long_house.found() == set(PERSONAL)
        long_house.run_until(long_house.now + 2 * DAY, checkpoints=False)
        assert long_house.found() == set()

    def test_placed_in_the_midst_it_stops_the_next_step(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.clock.now += timedelta(days=int(365.25 * 5.1))
        holdings = long_house.retain._holdings
        commit, done = holdings.commit, 0

        def watched(removal: Removal) -> None:
            nonlocal done
            commit(removal)
            done += 1
            if done == 2:
                long_house.hold_for_law()

        holdings.commit = watched  # type: ignore[method-assign]
        long_house.run_until(long_house.now + timedelta(days=700), checkpoints=False)
        left = long_house.borrower()
        assert left.keeping.forgotten_at is None
        assert left.parties[0].name == NAME
        assert left.keeping.forgetting is not None
        records = [item for owner, item in long_house.store.records if owner == "b-1"]
        assert [item for item in records if item.startswith("PAY#")], "what had not gone by then is still there"
        long_house.release()
        long_house.run_until(long_house.now + 2 * DAY, checkpoints=False)
        assert long_house.found() == set()

    def test_what_would_expire_by_itself_does_not(self, long_house: LongHouse) -> None:
        long_house.text(BODY, inbound_id="stranger")
        long_house.live()
        holdings = long_house.retain._holdings
        assert isinstance(holdings, MemoryHoldings)
        point = long_house.keys.point(Channel.SMS, PHONE)
        holdings.expiring |= {(point, "IN#stranger")}
        long_house.hold_for_law()
        long_house.run_until(long_house.now + MINUTE, checkpoints=False)
        assert holdings.expiring == set()
        holdings.expiring |= {(point, "IN#help-b-1")}  # written with an end while the hold was in force
        long_house.later(1)
        assert holdings.expiring == set()

    def test_many_that_would_expire_take_several_wakes(self, long_house: LongHouse) -> None:
        long_house.live()
        holdings = long_house.retain._holdings
        assert isinstance(holdings, MemoryHoldings)
        point = long_house.keys.point(Channel.SMS, PHONE)
        for number in range(PAGE * STEPS + 1):
            long_house.store.point_records[point, f"IN#x-{number:04}"] = {"text": "x", "received_at": NOW.isoformat()}
            holdings.expiring.add((point, f"IN#x-{number:04}"))
        long_house.hold_for_law()
        long_house.wake()
        assert holdings.expiring
        long_house.run_until(long_house.now + 3 * MINUTE, checkpoints=False)
        assert holdings.expiring == set()


class TestOnRequest:
    def test_what_may_go_goes_at_once_and_the_rest_at_its_time(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.erase()
        assert long_house.found() == {"husband", "7391.57", "7,391.57", "4821"} | (
            {"Wilhelmina"} if any("Wilhelmina" in message.body for message in long_house.messages()) else set()
        )
        (answer,) = long_house.answers()
        assert (answer["outcome"], answer["rules"]) == ("granted", ["US.keep_records_years"])
        assert answer["sources"] == ["12 CFR 1006.100(a): three years after the last collection activity"]
        until = answer["kept_until"]
        long_house.run_until(until - DAY, checkpoints=False)
        assert "7391.57" in long_house.found()
        long_house.run_until(until + DAY, checkpoints=False)
        assert long_house.found() == set()
        (stone,) = long_house.tombstones()
        assert (stone["rule"], stone["request_id"]) == ("erasure", "r-1")

    def test_nothing_more_is_sent_whatever_the_core_tells(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.erase()
        sent = len(long_house.orders)
        long_house.know("b-1", parties=[party_document(name=NAME)], sequence=7)
        assert long_house.borrower().parties[0].points == ()
        loan = loan_document("l-2", due_on=long_house.now.date() + timedelta(days=3), as_of=long_house.now)
        long_house.know("b-1", loan, parties=[party_document(name=NAME)], sequence=8)
        for _ in range(20):
            long_house.snapshots()
            long_house.run_until(long_house.now + DAY)
        long_house.text("HELP", inbound_id="after")
        long_house.run_until(long_house.now + DAY)
        assert len(long_house.orders) == sent
        assert "Wilhelmina" not in repr(long_house.store.borrowers)
        for by in ("core", "compliance", "borrower"):
            with pytest.raises(InvalidInput, match="may not lift"):
                long_house.tell("hold.lifted", hold={"hold_id": "erasure-r-1", "by": by})

    def test_refused_while_a_loan_is_open(self, long_house: LongHouse) -> None:
        long_house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7)))
        assert long_house.erase() is Ingested.APPLIED or long_house.answers()
        (answer,) = long_house.answers()
        assert (answer["outcome"], answer["rules"]) == ("refused", ["loan.status"])
        assert long_house.borrower().holds == ()
        long_house.run_until(long_house.now + DAY)
        assert long_house.orders, "what is owed is still spoken of"

    def test_put_off_under_a_legal_hold_and_carried_out_when_it_ends(self, long_house: LongHouse) -> None:
        long_house.live()
        long_house.hold_for_law()
        long_house.erase()
        assert [answer["outcome"] for answer in long_house.answers()] == ["put_off"]
        assert long_house.found() == set(PERSONAL)
        long_house.later(1)
        assert long_house.found() == set(PERSONAL)
        long_house.release()
        long_house.run_until(long_house.now + DAY, checkpoints=False)
        assert [answer["outcome"] for answer in long_house.answers()] == ["granted", "put_off"]
        assert "Plantagenet" not in long_house.found()

    def test_told_twice(self, long_house: LongHouse) -> None:
        long_house.live()
        assert long_house.erase() is Ingested.APPLIED
        long_house.tell("erasure.requested", event_id="again", erasure={"request_id": "r-1", "by": "borrower"})
        assert len(long_house.answers()) == 1
        long_house.erase(request_id="r-2")
        assert [answer["outcome"] for answer in long_house.answers()] == ["granted", "granted"]

    def test_of_nobody(self, long_house: LongHouse) -> None:
        for tell in (long_house.erase, long_house.hold_for_law, long_house.release):
            with pytest.raises(NotFound):
                tell("b-nobody")


class TestWords:
    """GB: the lender lets words go after three years, its records after six."""

    WHERE: ClassVar[dict[str, Any]] = {"jurisdiction": "GB", "zone": "Europe/London"}
    PHONE = "+447700900123"

    def lived(self) -> LongHouse:
        house = LongHouse(now=NOW - timedelta(hours=3))
        house.live("b-1", self.PHONE, **self.WHERE)
        return house

    def spoken(self, house: LongHouse) -> list[Message]:
        return [message for message in house.messages() if message.body]

    def test_words_go_first_and_the_chain_still_verifies(self) -> None:
        house = self.lived()
        assert self.spoken(house)
        house.later(2.9)
        assert self.spoken(house)
        assert "husband" in house.dump()
        house.later(0.3)
        assert self.spoken(house) == []
        assert "husband" not in house.dump()
        assert verify(house.messages(), house.borrower().chain_head) is None
        assert any(message.figures for message in house.messages()), "figures are proof, and stay"
        (text,) = (kept for (_, item), kept in house.store.point_records.items() if item == "IN#in-b-1")
        assert (text["meaning"], len(str(text["text_digest"]))) == ("deceased", 64)
        house.later(3.2)
        assert house.found() - {"2125550123"} == set()
        assert house.tombstones()[0]["chain_was_whole"] is True

    def test_of_somebody_who_still_borrows_too(self) -> None:
        house = LongHouse(now=NOW - timedelta(hours=3))
        loan = loan_document(due_on=date(2040, 1, 1), as_of=house.now)
        house.know("b-1", loan, parties=[party_document(phone=self.PHONE)], **self.WHERE)
        house.text(BODY, self.PHONE)
        house.later(3.3)
        assert "husband" not in house.dump()
        assert house.borrower().loans

    def test_on_request_they_go_when_nothing_wants_them(self) -> None:
        house = self.lived()
        house.later(1)
        house.erase()
        (answer,) = house.answers()
        assert "words" in answer["gone"]
        assert answer["rules"] == ["GB.keep_records_years", "own.GB.keep_texts_days"]
        house.later(2.3)
        assert self.spoken(house) == []

    def test_not_while_somebody_else_with_the_number_is_held(self) -> None:
        house = LongHouse(now=NOW - timedelta(hours=3))
        for borrower_id in ("b-1", "b-2"):
            house.know(borrower_id, parties=[party_document(phone=self.PHONE)], **self.WHERE)
        house.hold_for_law("b-2")
        house.text(BODY, self.PHONE)
        house.later(5)
        assert "husband" in house.dump()
        house.release("b-2")
        house.later(1)
        assert "husband" not in house.dump()


class _Faulty:
    """Holdings, and the store behind them, whose n-th call fails: before it has its effect, or after."""

    def __init__(self, house: LongHouse, fails_at: int, *, after_effect: bool) -> None:
        self.calls, self._fails_at, self._after = 0, fails_at, after_effect
        holdings, store = house.retain._holdings, house.store
        for owner, name in (
            (holdings, "messages"),
            (holdings, "items"),
            (holdings, "commit"),
            (store, "borrower"),
            (store, "conversation"),
            (store, "borrowers_of"),
            (store, "awake"),
            (store, "commit"),
        ):
            setattr(owner, name, self._wrapped(getattr(owner, name)))

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any) -> Any:
            self.calls += 1
            number = self.calls
            if number == self._fails_at and not self._after:
                raise TransientError("storage")
            answer = call(*args)
            if number == self._fails_at:
                raise TransientError("storage")
            return answer

        return made


def _end(fails_at: int, *, after_effect: bool) -> tuple[LongHouse, int]:
    house = LongHouse()
    house.live()
    house.text("STOP", inbound_id="stop")
    house.run_until(house.now + DAY, checkpoints=False)
    house.clock.now = datetime(2031, 12, 1, tzinfo=UTC)
    faulty = _Faulty(house, fails_at, after_effect=after_effect)
    for _ in range(10):
        try:
            house.dispatch.dispatch()
            for shard, _ in house.wakes.wakes:
                house.evaluate.shard(shard, 500, lambda *_: None)
        except TransientError:
            pass
        house.wakes.wakes.clear()
        house.clock.now += timedelta(hours=6)
    return house, faulty.calls


def _what_counts(house: LongHouse) -> object:
    (stone,) = house.tombstones()
    moments = {"begun_at", "forgotten_at"}
    rest = [item for _, item in house.store.records if not item.startswith("TOMBSTONE#")]
    return (
        {name: value for name, value in stone.items() if name not in moments},
        rest,
        house.store.messages,
        house.store.point_records,
        house.found(),
        house.borrower().keeping.forgotten_at is not None,
        house.store.suppressions.keys(),
        {point for point, borrowers in house.store.links.items() if borrowers},
    )


@pytest.mark.parametrize("after_effect", [False, True])
def test_interrupted_anywhere_and_repeated_it_comes_to_the_same_end(after_effect: bool) -> None:
    calm, calls = _end(0, after_effect=False)
    assert _what_counts(calm)[4] == set()  # type: ignore[index]
    assert calls > 20
    tried = 0
    for fails_at in range(1, calls + 1):
        house, _ = _end(fails_at, after_effect=after_effect)
        assert _what_counts(house) == _what_counts(calm), fails_at
        tried += 1
    assert tried == calls


def test_a_stored_item_does_not_print_what_is_in_it() -> None:
    assert "secret" not in repr(StoredItem(Shelf.RECORDS, "b-1", "FACT#1", "secret"))
