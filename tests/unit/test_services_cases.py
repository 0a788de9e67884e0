"""Escalation: assess, park, ring; the tiers in order and with gaps; and how a case ends."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.words import CaseOutcome, CaseStatus, MessageState, Reason
from dunlin.errors import VersionConflict
from dunlin.services.evaluate import EXECUTION_SILENT

from tests.builders import DAY, NOW, TODAY, House, loan_document, overdue_document, party_document

LATE = TODAY - timedelta(days=4)
NAME = ("b-1", 1, 1)


def late_loan(days: int = 4, **changes: object) -> dict[str, object]:
    return loan_document(due_on=TODAY - timedelta(days=days), overdue=overdue_document("120.50"), **changes)  # type: ignore[arg-type]


@pytest.fixture
def late(house: House) -> House:
    house.know("b-1", late_loan())
    return house


def stages(house: House) -> list[tuple[str, int]]:
    """Each stage that was handed over, with the days since the start."""
    told = [m for m in house.messages() if m.reserved_at is not None]
    return [(m.stage, (m.reserved_at - NOW).days) for m in told if m.reserved_at is not None]


def conflicts() -> None:
    raise VersionConflict("b-1")


class TestTheTiers:
    def test_in_order_with_gaps_and_then_a_person(self, late: House) -> None:
        late.run_days(60)
        assert [(m.said, str(m.reserved_at)[:10]) for m in late.messages()] == [
            ("tier_1", "2026-06-01"),
            ("tier_2", "2026-06-12"),
            ("tier_3", "2026-06-27"),
            ("referral", "2026-07-12"),
        ]
        assert late.executions.ended == {NAME: CaseOutcome.REFERRED}
        case = late.borrower().case
        assert case is not None
        assert (case.outcome_reason, case.status) == (Reason.STAGE_DUE, CaseStatus.ENDED)
        assert ("b-1", "CASE#0001") in late.store.records
        late.check_ledger()
        late.check_ends()

    def test_without_a_new_fact_from_the_core(self, house: House) -> None:
        """A core that sends only changes and checkpoints: time alone has to bring the tiers."""
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=1)))
        house.run_until(NOW + timedelta(days=20))
        assert ("b-1", 1, 1) in house.executions.running

    @pytest.mark.parametrize("days", [10, 40])
    def test_an_outage_never_ends_in_a_burst(self, late: House, days: int) -> None:
        late.minute()
        late.clock.advance(timedelta(days=days))
        late.run_days(90)
        at = [m.reserved_at for m in late.messages() if m.reserved_at is not None]
        said = [m.said for m in late.messages() if m.reserved_at is not None]
        assert said == ["tier_1", "tier_2", "tier_3", "referral"]
        assert all(b - a >= timedelta(days=6, hours=20) for a, b in itertools.pairwise(at))
        assert late.executions.ended == {NAME: CaseOutcome.REFERRED}

    @pytest.mark.parametrize("days", [10, 40])
    def test_an_outage_before_the_due_date(self, house: House, days: int) -> None:
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7)))
        house.minute()
        house.clock.advance(timedelta(days=days))
        house.run_days(1)
        house.run_days(80)
        on_days = [str(m.reserved_at)[:10] for m in house.messages() if m.reserved_at is not None]
        assert len(set(on_days)) == len(on_days)
        missed = [m for m in house.messages() if m.state is MessageState.SUPPRESSED]
        assert {m.reason for m in missed} <= {Reason.OVERTAKEN}
        house.check_ends()

    def test_first_seen_at_day_ninety(self, house: House) -> None:
        house.know("b-1", late_loan(90))
        house.run_days(3)
        assert [stage for stage, _ in stages(house)] == ["tier_1"]

    def test_two_loans_one_case(self, house: House) -> None:
        house.know(
            "b-1",
            late_loan(6, loan_id="l-1"),
            loan_document("l-2", due_on=LATE, outstanding="10.00", overdue=overdue_document("10.00")),
        )
        house.run_days(2)
        (order,) = house.orders
        assert "$130.50" in order.body
        assert house.borrower().episodes == 1

    def test_another_channel_after_an_opt_out(self, house: House) -> None:
        house.know("b-1", late_loan(), parties=[party_document(email="jo@marram.example")])
        house.minute()
        house.text("STOP")
        house.run_days(60)
        channels = [str(m.channel) for m in house.messages() if m.reserved_at is not None and m.episode]
        assert channels == ["sms", "email", "email"]


class TestHowItEnds:
    def test_cured(self, late: House) -> None:
        late.minute()
        assert late.executions.running[NAME]  # parked
        late.pay()
        late.minute()
        assert late.executions.ended == {NAME: CaseOutcome.CURED}
        late.run_days(30)
        assert len(late.orders) == 1

    def test_cured_and_late_again_is_another_episode(self, late: House) -> None:
        late.minute()
        late.pay()
        late.minute()
        late.tell(
            "payment.returned",
            payment={"payment_id": "p-1", "amount": "120.50"},
            loan=late.loan_now(
                instalments=[{"number": 3, "due_on": str(LATE), "outstanding": "120.50"}],
                overdue=overdue_document("120.50"),
            ),
        )
        late.run_until(NOW + timedelta(days=2))
        assert late.borrower().episodes == 2
        assert [m.key for m in late.messages() if m.reserved_at is not None][-1] == "2026-05-28#tier_1#2#sms#0"

    def test_opted_out(self, late: House) -> None:
        late.minute()
        late.text("STOP")
        late.run_days(12)
        assert late.executions.ended == {NAME: CaseOutcome.OPTED_OUT}
        late.run_days(60)
        assert len([m for m in late.messages() if m.reserved_at is not None and m.episode]) == 1
        assert late.borrower().episodes == 1  # a person has it: no second case begins
        late.check_ends()

    @pytest.mark.parametrize("status", ["sold", "placed", "charged_off"])
    def test_closed(self, late: House, status: str) -> None:
        late.minute()
        late.tell(f"loan.{status}", loan=late.loan_now(status=status))
        late.minute()
        assert late.executions.ended == {NAME: CaseOutcome.CLOSED}

    def test_referred_when_every_attempt_ended_unsent(self, late: House) -> None:
        late.minute()
        (message,) = late.messages()
        late.report(message, MessageState.FAILED)
        late.run_until(NOW + timedelta(days=2))
        assert late.executions.ended == {NAME: CaseOutcome.REFERRED}

    def test_referred_after_too_many_rounds(self, late: House) -> None:
        late.minute()
        case = late.borrower().case
        assert case is not None
        late.store.borrowers["b-1"] = replace(late.borrower(), case=replace(case, rounds=300))
        assert late.escalate.assess(*NAME).outcome == CaseOutcome.REFERRED

    def test_referred_after_too_many_days(self, late: House) -> None:
        late.minute()
        late.clock.advance(timedelta(days=301))
        assert late.escalate.assess(*NAME).outcome == CaseOutcome.REFERRED
        assert late.escalate.assess(*NAME).outcome == CaseOutcome.REFERRED  # asked again, the same answer

    def test_a_hold_freezes_it(self, late: House) -> None:
        late.tell("hold.placed", hold={"hold_id": "h-1", "kind": "hardship", "source": "agent"})
        late.run_days(50)
        assert late.orders == []
        assert NAME in late.executions.running
        late.tell("hold.lifted", hold={"hold_id": "h-1"})
        late.run_days(1)
        assert [stage for stage, _ in stages(late)] == ["tier_1"]

    def test_a_hold_keeps_even_the_person_away(self, late: House) -> None:
        late.run_days(35)
        late.tell("hold.placed", hold={"hold_id": "h-1", "kind": "dispute", "source": "agent"})
        late.run_days(60)
        assert NAME in late.executions.running


class TestParking:
    def test_it_parks_on_the_version_that_was_assessed(self, late: House) -> None:
        late.wake()
        assessed = late.escalate.assess(*NAME)
        assert assessed.next == "park"
        assert late.escalate.park(*NAME, assessed.version, "t-1")
        case = late.borrower().case
        assert case is not None
        assert (case.token, case.parked_version) == ("t-1", assessed.version)

    def test_a_version_that_moved_rings_at_once(self, late: House) -> None:
        late.wake()
        assessed = late.escalate.assess(*NAME)
        late.tell("hold.placed", hold={"hold_id": "h-1", "kind": "dispute", "source": "agent"})
        assert not late.escalate.park(*NAME, assessed.version, "t-1")
        assert late.executions.rung == ["t-1"]

    def test_a_version_that_moves_inside_the_write(self, late: House) -> None:
        late.wake()
        assessed = late.escalate.assess(*NAME)
        late.store.before_commit.append(
            lambda: late.tell("hold.placed", hold={"hold_id": "h-1", "kind": "dispute", "source": "agent"})
        )
        assert not late.escalate.park(*NAME, assessed.version, "t-1")
        assert late.executions.rung == ["t-1"]

    def test_others_keep_writing(self, late: House) -> None:
        late.wake()
        assessed = late.escalate.assess(*NAME)
        late.store.before_commit.extend([conflicts] * 4)
        assert not late.escalate.park(*NAME, assessed.version, "t-1")
        late.store.before_commit.extend([conflicts] * 4)
        with pytest.raises(VersionConflict):
            late.escalate.assess(*NAME)

    @pytest.mark.parametrize("name", [("b-1", 2, 1), ("b-1", 1, 2), ("nobody", 1, 1)])
    def test_somebody_else_s_token_is_rung(self, late: House, name: tuple[str, int, int]) -> None:
        late.wake()
        late.escalate.assess(*NAME)
        assert not late.escalate.park(*name, late.borrower().version, "t-9")
        assert late.executions.rung == ["t-9"]

    @pytest.mark.parametrize("name", [("b-1", 2, 1), ("b-1", 1, 2), ("nobody", 1, 1)])
    def test_somebody_else_s_execution_ends(self, late: House, name: tuple[str, int, int]) -> None:
        late.wake()
        assert late.escalate.assess(*name).next == "end"

    def test_where_no_pack_is_reviewed_it_waits(self, late: House) -> None:
        late.wake()
        late.store.borrowers["b-1"] = replace(late.borrower(), jurisdiction="XX")
        assessed = late.escalate.assess(*NAME)
        assert assessed.next == "park"
        case = late.borrower().case
        assert case is not None
        assert case.ring_at == NOW + DAY

    def test_a_dead_token_is_harmless(self, late: House) -> None:
        late.minute()
        late.executions.ring("long gone")
        assert late.executions.running[NAME]


class TestLostExecutions:
    def test_the_next_generation(self, late: House) -> None:
        late.minute()
        late.executions.lose()
        case = late.borrower().case
        assert case is not None
        late.clock.advance(timedelta(hours=2))
        late.store.borrowers["b-1"] = replace(late.borrower(), wake_at=late.now, case=replace(case, token=None))
        late.wake()
        assert list(late.executions.running) == [("b-1", 1, 2)]
        assert late.escalate.assess("b-1", 1, 1).next == "end"  # the old one, should it come back

    def test_the_next_generation_after_a_doorbell_that_nobody_answered(self, late: House) -> None:
        """Lost while parked: the ring goes nowhere, and an hour later somebody looks."""
        late.minute()
        late.executions.lose()
        late.pay()
        late.run_until(NOW + timedelta(hours=4))
        assert late.executions.ended == {("b-1", 1, 2): CaseOutcome.CURED}

    def test_one_that_runs_is_left_alone(self, late: House) -> None:
        late.wake()
        late.clock.advance(EXECUTION_SILENT)
        late.store.borrowers["b-1"] = replace(late.borrower(), wake_at=late.now)
        late.wake()
        assert list(late.executions.running) == [NAME]

    def test_one_that_never_started(self, late: House) -> None:
        late.wake()
        late.executions.lose()
        late.run_until(NOW + timedelta(hours=3))
        assert ("b-1", 1, 2) in late.executions.running

    def test_rung_by_time(self, late: House) -> None:
        late.minute()
        case = late.borrower().case
        assert case is not None
        assert case.ring_at is not None
        late.clock.now = case.ring_at
        late.checkpoint()
        before = len(late.executions.rung)
        late.minute()
        assert len(late.executions.rung) > before


class TestAPlaceWithoutRules:
    """The borrower of an open case moves to where nobody reviewed anything: nothing is said, nobody is forgotten."""

    @pytest.fixture
    def moved(self, late: House) -> House:
        late.run_until(NOW + timedelta(hours=1))
        case = late.borrower().case
        assert case is not None
        assert case.status is CaseStatus.OPEN
        profile = {
            "sequence": 2,
            "jurisdiction": "US-TX",
            "time_zone": "America/Chicago",
            "parties": [party_document()],
        }
        late.tell("borrower.updated", borrower=profile)
        return late

    def test_the_money_ends_it_all_the_same(self, moved: House) -> None:
        told = len(stages(moved))
        moved.run_days(3)
        moved.pay()
        moved.run_until(moved.now + timedelta(minutes=5))
        case = moved.borrower().case
        assert case is not None
        assert (case.status, case.outcome) == (CaseStatus.ENDED, CaseOutcome.CURED)
        assert moved.executions.running == {}
        assert len(stages(moved)) == told

    def test_after_the_longest_time_a_person_has_it(self, moved: House) -> None:
        for _ in range(43):
            moved.run_days(7)
        case = moved.borrower().case
        assert case is not None
        assert (case.outcome, case.outcome_reason, case.outcome_rule) == (
            CaseOutcome.REFERRED,
            Reason.CONTENT_NOT_LIVE,
            "pack",
        )
        assert moved.borrower().with_person_to is not None
        assert case.rounds < 10

    def test_back_where_rules_are_it_goes_on(self, moved: House) -> None:
        told = len(stages(moved))
        moved.run_days(20)
        profile = {
            "sequence": 3,
            "jurisdiction": "US-NY",
            "time_zone": "America/New_York",
            "parties": [party_document()],
        }
        moved.tell("borrower.updated", borrower=profile)
        moved.run_days(2)
        assert len(stages(moved)) == told + 1
