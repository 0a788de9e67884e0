"""Facts from the core: once for ever, in whatever order; and the cut-over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.domain.words import Purpose, Reason
from dunlin.errors import InvalidInput, NotFound, VersionConflict
from dunlin.services.ingest import MOST_LOANS, Ingested

from tests.builders import NOW, TODAY, House, loan_document, overdue_document, party_document

SOON = TODAY + timedelta(days=7)


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


def conflicts() -> None:
    raise VersionConflict("b-1")


class TestOnce:
    def test_a_repeated_event(self, known: House) -> None:
        loan = known.loan_now(instalments=[])
        assert known.tell("loan.snapshot", event_id="e-x", loan=loan) is Ingested.APPLIED
        before = known.borrower()
        assert known.tell("loan.snapshot", event_id="e-x", loan=loan) is Ingested.REPEATED
        assert known.borrower() == before

    def test_a_payment_under_another_event(self, known: House) -> None:
        known.pay("p-1")
        assert known.pay("p-1", amount="999.00") is Ingested.APPLIED  # its snapshot is newer, its money is not
        payments = [document for (_, item), document in known.store.records.items() if item.startswith("PAY#")]
        assert [payment["amount"] for payment in payments] == ["120.50 USD"]

    def test_the_same_payment_pending_applied_and_returned(self, known: House) -> None:
        payment = {"payment_id": "p-1", "amount": "120.50"}
        for kind in ("pending", "applied", "returned"):
            known.tell(f"payment.{kind}", payment=payment, loan=known.loan_now())
        items = sorted(item for _, item in known.store.records if item.startswith("PAY#"))
        assert items == ["PAY#p-1#applied", "PAY#p-1#pending", "PAY#p-1#returned"]

    def test_an_older_snapshot_is_recorded_and_changes_nothing(self, known: House) -> None:
        known.tell("loan.snapshot", loan=known.loan_now(sequence=9))
        before = known.borrower()
        assert known.tell("loan.snapshot", event_id="old", loan=loan_document(sequence=5)) is Ingested.OLDER
        assert known.borrower() == before
        assert ("b-1", "FACT#old") in known.store.records

    def test_an_older_profile_changes_nothing(self, known: House) -> None:
        before = known.borrower()
        known.know("b-1", sequence=1, parties=[party_document(phone="+12125550177")])
        assert known.borrower() == before

    def test_every_fact_bumps_the_version_and_wakes(self, known: House) -> None:
        known.wake()
        before = known.borrower()
        known.tell("hold.placed", hold={"hold_id": "h-1", "kind": "dispute", "source": "agent"})
        after = known.borrower()
        assert (after.version, after.revision) == (before.version + 1, before.revision + 1)
        assert after.wake_at == NOW

    def test_a_hold_is_replaced_by_its_id(self, known: House) -> None:
        for kind in ("dispute", "hardship"):
            known.tell("hold.placed", hold={"hold_id": "h-1", "kind": kind, "source": "agent"})
        assert [str(hold.kind) for hold in known.borrower().holds] == ["hardship"]

    def test_others_write_at_the_same_time(self, known: House) -> None:
        known.store.before_commit.extend([conflicts] * 3)
        assert known.pay() is Ingested.APPLIED
        known.store.before_commit.extend([conflicts] * 4)
        with pytest.raises(VersionConflict):
            known.pay("p-2")

    def test_a_lift_that_overtakes_its_placement(self, known: House) -> None:
        placed_at = NOW - timedelta(minutes=2)
        known.tell("hold.lifted", hold={"hold_id": "h-1"}, occurred_at=NOW)
        hold = {"hold_id": "h-1", "kind": "dispute", "source": "agent"}
        known.tell("hold.placed", hold=hold, occurred_at=placed_at)
        assert known.borrower().holds == ()


class TestRefused:
    @pytest.mark.parametrize(
        ("type_", "carried"),
        [
            ("loan.snapshot", {"loan": loan_document()}),
            ("hold.placed", {"hold": {"hold_id": "h-1", "kind": "dispute", "source": "agent"}}),
            ("hold.lifted", {"hold": {"hold_id": "h-1"}}),
        ],
    )
    def test_an_unknown_borrower_may_come_yet(self, house: House, type_: str, carried: dict[str, object]) -> None:
        with pytest.raises(NotFound):
            house.tell(type_, "nobody", **carried)
        assert house.store.records == {}

    def test_the_future(self, known: House) -> None:
        with pytest.raises(InvalidInput, match="occurred_at"):
            known.tell("hold.lifted", hold={"hold_id": "h"}, occurred_at=NOW + timedelta(minutes=6))
        with pytest.raises(InvalidInput, match=r"loan\.as_of"):
            known.tell("loan.snapshot", loan=known.loan_now(as_of=(NOW + timedelta(minutes=6)).isoformat()))
        with pytest.raises(InvalidInput, match="complete_to"):
            known.checkpoint(NOW + timedelta(minutes=6))

    def test_clocks_differ_a_little(self, known: House) -> None:
        known.checkpoint(NOW + timedelta(minutes=5))
        known.checkpoint(NOW)
        assert known.controls.feed().announced_to == NOW + timedelta(minutes=5)

    def test_nobody_reviewed_the_place(self, house: House) -> None:
        with pytest.raises(InvalidInput, match=r"borrower\.jurisdiction"):
            house.know("b-1", jurisdiction="FR")

    def test_too_many_loans(self, house: House) -> None:
        house.know("b-1", *[loan_document(f"l-{number}") for number in range(MOST_LOANS)])
        with pytest.raises(InvalidInput, match=r"loan\.loan_id"):
            house.tell("loan.snapshot", loan=loan_document("one-more"))


class TestCutOver:
    def imported(self, house: House, days: int, **changes: Any) -> None:
        house.know("b-1")
        loan = loan_document(due_on=TODAY - timedelta(days=days), overdue=overdue_document("120.50"))
        house._loans["b-1", "l-1"] = loan
        house.tell("portfolio.imported", loan=loan, **changes)

    def test_day_forty_five_does_not_start_with_a_burst(self, house: House) -> None:
        self.imported(house, 40)
        house.run_days(13)
        assert house.orders == []
        house.run_days(30)
        # Every tier was told by the incumbent; a person is next, after the gap, and only that is said.
        assert [m.said for m in house.messages()] == ["referral"]
        assert list(house.executions.ended.values()) == ["referred"]

    def test_the_tiers_go_on_where_they_were(self, house: House) -> None:
        self.imported(house, 16)
        house.run_days(40)
        assert [m.said for m in house.messages() if m.reserved_at is not None] == ["tier_3", "referral"]

    def test_contacts_of_the_incumbent_count(self, house: House) -> None:
        house.know("b-1")
        contacts = [{"at": NOW.isoformat(), "channel": "call", "purpose": "servicing"}]
        loan = loan_document(due_on=TODAY + timedelta(days=3))
        house._loans["b-1", "l-1"] = loan
        house.tell("portfolio.imported", loan=loan_document(due_on=TODAY - timedelta(days=1)), contacts=contacts)
        assert house.borrower().contacts[0].ref.startswith("import/")
        house.tell("loan.snapshot", loan=loan_document("l-2", due_on=TODAY + timedelta(days=7)))
        house.minute()
        assert house.orders == []
        assert {m.reason for m in house.borrower().marks if m.stage == "reminder_7" and m.status == "waiting"} == {
            Reason.CAP
        }

    def test_into_an_open_case(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=TODAY - timedelta(days=5), overdue=overdue_document("120.50")))
        house.wake()
        assert house.borrower().episodes == 1
        house.tell("portfolio.imported", loan=loan_document("l-2", due_on=TODAY - timedelta(days=5)))
        assert {mark.episode for mark in house.borrower().marks if mark.stage.startswith("tier")} == {1}

    def test_a_loan_that_is_paid_or_gone_has_no_past_stages(self, house: House) -> None:
        house.know("b-1")
        house.tell("portfolio.imported", loan=loan_document(instalments=[]))
        house.tell("portfolio.imported", loan=loan_document("l-2", status="closed"))
        assert house.borrower().marks == ()

    def test_without_a_strategy(self, house: House) -> None:
        house.know("b-1")
        house.store.borrowers["b-1"] = replace(house.borrower(), jurisdiction="XX")
        house.tell("portfolio.imported", loan=loan_document())
        assert house.borrower().marks == ()


def test_what_is_kept_of_a_snapshot(known: House) -> None:
    known.tell("loan.snapshot", event_id="e-k", loan=known.loan_now(overdue=overdue_document("5.00")))
    fact = known.store.records["b-1", "FACT#e-k"]
    assert fact["loan_id"] == "l-1"
    assert fact["snapshot"] == {
        "status": "open",
        "product": "instalment",
        "instalments": [[3, "2026-06-08", "120.50 USD"]],
        "overdue": "5.00 USD",
    }
    assert Purpose.COLLECTION in known.borrower().parties[0].may_hear
