"""The table of stops, row by row: what each stops, for how long to the instant, who may say so, and who may not.

The rows are read here from the file itself, not through the product's loader, and every test walks all of them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml
from dunlin.domain.borrower import Borrower, Hold
from dunlin.domain.consent import Consent
from dunlin.domain.permit import Allowed, Later, Never, holding, permit
from dunlin.domain.policy import Conditions, Policy
from dunlin.domain.words import (
    CaseOutcome,
    CaseStatus,
    Channel,
    HoldKind,
    MessageState,
    Purpose,
    Reason,
    StopSource,
)
from dunlin.errors import InvalidInput

from tests.builders import (
    CONTENT_DIR,
    DAY,
    EMAIL_POINT,
    NOW,
    TODAY,
    House,
    a_borrower,
    a_loan,
    a_party,
    a_point,
    a_strategy,
    loan_document,
    party_document,
    shipped_content,
)

INSTANT = timedelta(microseconds=1)
SAYERS = sorted(set(StopSource) - {StopSource.EXPIRY, StopSource.PAYMENT})
TABLE: dict[str, dict[str, Any]] = {
    row["kind"]: row
    for row in yaml.safe_load((CONTENT_DIR / "stops" / "base.yaml").read_text(encoding="utf-8"))["stops"]
}
PLACED = {kind: row for kind, row in TABLE.items() if row.get("follows") != "loan_status"}
NAMED = {"loan": {"loan_id": "l-1"}, "party": {"party_id": "p-1"}, "point": {"phone": "+12125550123"}}
EMAIL = "jo@marram.example"

each_row = pytest.mark.parametrize("kind", PLACED)


def a_stop(kind: str, **said: Any) -> dict[str, Any]:
    return {"hold_id": "h-1", "kind": kind, "source": PLACED[kind]["placed_by"][0], **said}


def late_house(*parties: dict[str, Any]) -> House:
    house = House()
    house.know("b-1", loan_document(due_on=TODAY - 6 * DAY, days_past_due=6), parties=parties or None)
    return house


def policy() -> Policy:
    found = shipped_content().policy("US-NY", TODAY, Conditions())
    assert found is not None
    return found


def held_by(kind: str, until: datetime | None = None, **named: str) -> Borrower:
    points = (a_point(), EMAIL_POINT)
    party = a_party(points=points, consents=tuple(map(Consent, Purpose)), may_hear=frozenset(Purpose))
    return a_borrower(a_loan(), parties=(party,), holds=(Hold("h-1", HoldKind(kind), NOW, "core", until, **named),))


def asked(borrower: Borrower, purpose: Purpose, now: datetime = NOW, point: int = 0) -> Allowed | Later | Never:
    (party,) = borrower.parties
    everything = replace(policy(), lines=tuple(replace(line, purposes=frozenset(Purpose)) for line in policy().lines))
    return permit(borrower, party, party.points[point], borrower.loans, purpose, a_strategy(), everything, now)


def test_every_stop_the_design_names_has_a_row() -> None:
    design = (
        "promise, plan, dispute, hardship, bankruptcy, attorney, cease request, deceased, bereavement, identity theft, "
        "military, disaster, litigation, sold, time barred, vulnerable, minor, wrong number, complaint"
    )
    others = {"erased", "paid_claimed", "crisis"}  # ADR 0022 and 0029
    assert {name.replace(" ", "_") for name in design.split(", ")} | others == set(TABLE)
    assert {kind.value for kind in HoldKind} == set(PLACED)


class TestEffect:
    @each_row
    @pytest.mark.parametrize("purpose", Purpose)
    def test_on_each_purpose(self, kind: str, purpose: Purpose) -> None:
        answer = asked(held_by(kind), purpose)
        stopped = purpose in PLACED[kind]["stops"]
        assert (not isinstance(answer, Allowed) and answer.reason is Reason.HOLD) == stopped
        if not isinstance(answer, Allowed) and stopped:
            assert answer.rule == f"hold.{kind}"
        if purpose in (Purpose.REPLY, Purpose.MANDATORY):
            assert not stopped

    @each_row
    def test_on_a_reminder(self, kind: str) -> None:
        house = House()
        house.know("b-1", loan_document(due_on=TODAY + 3 * DAY))
        house.tell("hold.placed", hold=a_stop(kind))
        house.minute()
        assert bool(house.orders) == ("servicing" not in PLACED[kind]["stops"])

    @each_row
    def test_between_rendering_and_the_reservation(self, kind: str) -> None:
        house = late_house()
        message = house.rendered()
        house.store.before_commit.append(lambda: house.tell("hold.placed", hold=a_stop(kind)))
        house.send.send("b-1", message.key)
        assert house.orders == []
        assert house.message(message).state is MessageState.SUPPRESSED

    @each_row
    def test_on_an_open_escalation(self, kind: str) -> None:
        house = late_house()
        house.wake()
        house.tell("hold.placed", hold=a_stop(kind))
        before = house.borrower().case
        house.minute()
        house.clock.advance(timedelta(days=3))
        house.snapshots()
        house.minute()
        case = house.borrower().case
        assert before is not None
        assert case is not None
        assert house.orders == []
        if PLACED[kind]["escalation"] == "ends":
            assert (case.status, case.outcome) == (CaseStatus.ENDED, CaseOutcome.REFERRED)
            assert (case.outcome_reason, case.outcome_rule) == (Reason.HOLD, f"hold.{kind}")
            assert house.borrower().with_person_to is not None
        else:
            assert case.status is CaseStatus.OPEN
            assert case.rounds == before.rounds
            assert all(mark.status == "waiting" for mark in house.borrower().marks if mark.episode)

    @each_row
    def test_when_it_is_lifted_the_escalation_goes_on_where_it_was(self, kind: str) -> None:
        sayers = [source for source in PLACED[kind]["lifted_by"] if source in SAYERS]
        if PLACED[kind]["escalation"] == "ends":
            return  # a person has it
        house = late_house()
        house.wake()
        house.tell("hold.placed", hold=a_stop(kind))
        house.minute()
        house.clock.advance(timedelta(minutes=7))
        house.tell("hold.lifted", hold={"hold_id": "h-1", "by": sayers[0]})
        house.minute()
        assert [m.stage for m in house.messages() if m.reserved_at is not None] == ["tier_1"]

    def test_a_frozen_case_is_not_ended_by_what_else_becomes_true(self) -> None:
        """Without the freeze, an opt-out on the only channel would hand the case on while a dispute is answered."""
        house = late_house()
        house.wake()
        house.tell("hold.placed", hold=a_stop("dispute"))
        house.text("STOP")
        house.minute()
        case = house.borrower().case
        assert case is not None
        assert case.status is CaseStatus.OPEN
        house.tell("hold.lifted", hold={"hold_id": "h-1", "by": "staff"})
        house.minute()
        case = house.borrower().case
        assert case is not None
        assert case.outcome is CaseOutcome.OPTED_OUT

    def test_sold_is_the_loan_s_own_status(self) -> None:
        row = TABLE["sold"]
        assert (row["placed_by"], row["follows"]) == (["core"], "loan_status")
        house = late_house()
        message = house.rendered()
        house.tell("loan.sold", loan=house.loan_now(status="sold"))
        house.send.send("b-1", message.key)
        assert house.message(message).reason is Reason.LOAN_NOT_OPEN
        house.minute()
        case = house.borrower().case
        assert case is not None
        assert (case.status, case.outcome) == (CaseStatus.ENDED, CaseOutcome.CLOSED)
        house.tell("loan.snapshot", loan=house.loan_now(status="open"))
        house.minute()
        assert len(house.orders) == 1  # it came back


class TestHowLong:
    @each_row
    def test_without_an_end_it_has_its_row_s(self, kind: str) -> None:
        house = late_house()
        house.tell("hold.placed", hold=a_stop(kind))
        (hold,) = house.borrower().holds
        days = PLACED[kind].get("default_days")
        assert hold.until == (NOW + timedelta(days=days) if days is not None else None)

    @each_row
    def test_it_is_over_to_the_instant(self, kind: str) -> None:
        until = NOW + timedelta(hours=1)
        for at, stopped in ((until - INSTANT, True), (until, False), (until + INSTANT, False)):
            held = holding(held_by(kind, until), Purpose.COLLECTION, policy(), at)
            assert (held is not None) == stopped, at
        case = House()
        case.know("b-1", loan_document(due_on=TODAY + 3 * DAY))
        if "expiry" in PLACED[kind]["lifted_by"] and "servicing" in PLACED[kind]["stops"]:
            case.tell("hold.placed", hold=a_stop(kind, until=until.isoformat()))
            case.minute()
            assert case.borrower().wake_at == until
            case.clock.now = until
            case.minute()
            assert len(case.orders) == 1

    @each_row
    def test_a_frozen_escalation_rings_when_it_ends(self, kind: str) -> None:
        if "expiry" not in PLACED[kind]["lifted_by"] or PLACED[kind]["escalation"] != "waits":
            return
        until = NOW + timedelta(hours=2, seconds=17)
        house = late_house()
        house.wake()
        house.tell("hold.placed", hold=a_stop(kind, until=until.isoformat()))
        house.minute()
        case = house.borrower().case
        assert case is not None
        assert case.ring_at == until
        house.clock.now = until
        house.minute()
        house.minute()
        assert [m.stage for m in house.messages() if m.reserved_at is not None] == ["tier_1"]

    @each_row
    def test_no_longer_than_its_row_allows(self, kind: str) -> None:
        house = late_house()
        longest = PLACED[kind].get("longest_days")
        if "expiry" not in PLACED[kind]["lifted_by"]:
            refused(house, "hold.until", a_stop(kind, until=(NOW + DAY).isoformat()))
            return
        limit = NOW + timedelta(days=longest if longest is not None else 3650)
        house.tell("hold.placed", hold=a_stop(kind, until=limit.isoformat()))
        if longest is not None:
            refused(house, "hold.until", a_stop(kind, until=(limit + INSTANT).isoformat()))
        refused(house, "hold.until", a_stop(kind, until=NOW.isoformat()))

    def test_a_payment_keeps_a_promise(self) -> None:
        for kind in PLACED:
            house = late_house()
            house.tell("hold.placed", hold=a_stop(kind))
            house.clock.advance(timedelta(minutes=1))
            house.pay(amount="20.50", instalments=[{"number": 3, "due_on": str(TODAY), "outstanding": "100.00"}])
            assert len(house.borrower().holds) == 1, "something is due still"
            house.pay("p-2", amount="100.00")
            ended = "payment" in PLACED[kind]["lifted_by"]
            assert (house.borrower().holds == ()) == ended, kind
            # Its placement told once more does not bring it back.
            house.tell("hold.placed", hold=a_stop(kind), occurred_at=NOW)
            assert (house.borrower().holds == ()) == ended, kind


def refused(house: House, field: str, hold: dict[str, Any], type_: str = "hold.placed") -> None:
    before = house.borrower()
    with pytest.raises(InvalidInput) as error:
        house.tell(type_, hold=hold)
    assert error.value.field == field
    assert house.borrower() == before


class TestWho:
    @each_row
    @pytest.mark.parametrize("source", SAYERS)
    def test_places(self, kind: str, source: str) -> None:
        house = late_house()
        if source in PLACED[kind]["placed_by"]:
            house.tell("hold.placed", hold=a_stop(kind, source=str(source)))
            assert [str(hold.kind) for hold in house.borrower().holds] == [kind]
        else:
            refused(house, "hold.source", a_stop(kind, source=str(source)))

    @each_row
    @pytest.mark.parametrize("by", SAYERS)
    def test_lifts(self, kind: str, by: str) -> None:
        house = late_house()
        house.tell("hold.placed", hold=a_stop(kind))
        lift = {"hold_id": "h-1", "by": str(by)}
        if by in PLACED[kind]["lifted_by"]:
            house.tell("hold.lifted", hold=lift)
            assert house.borrower().holds == ()
        else:
            refused(house, "hold.by", lift, "hold.lifted")

    @each_row
    @pytest.mark.parametrize("by", SAYERS)
    def test_a_lift_that_overtakes_its_placement(self, kind: str, by: str) -> None:
        """Nobody knew of what kind it was; now it is known, and the lift counts if it was theirs to give."""
        house = late_house()
        house.tell("hold.lifted", hold={"hold_id": "h-1", "by": str(by)}, occurred_at=NOW)
        house.tell("hold.placed", hold=a_stop(kind), occurred_at=NOW - timedelta(minutes=2))
        assert (house.borrower().holds == ()) == (by in PLACED[kind]["lifted_by"])

    @each_row
    def test_nobody_lifts_it_by_putting_another_in_its_place(self, kind: str) -> None:
        house = late_house()
        house.tell("hold.placed", hold=a_stop(kind))
        for other in PLACED:
            source = next((s for s in PLACED[other]["placed_by"] if s not in PLACED[kind]["lifted_by"]), None)
            if source is not None and other != kind:
                refused(house, "hold.source", a_stop(other, source=source))

    def test_it_may_be_repeated_and_prolonged_by_whoever_may_place_it(self) -> None:
        house = late_house()
        for until in (NOW + 2 * DAY, NOW + 5 * DAY):
            house.tell("hold.placed", hold=a_stop("promise", source="representative", until=until.isoformat()))
        refused(house, "hold.source", a_stop("promise", source="representative", until=(NOW + DAY).isoformat()))
        assert [hold.until for hold in house.borrower().holds] == [NOW + 5 * DAY]

    def test_what_was_stored_before_there_were_rows_is_lifted_all_the_same(self) -> None:
        house = late_house()
        house.store.borrowers["b-1"] = replace(
            house.borrower(), holds=(Hold("h-0", HoldKind.DISPUTE, NOW, "somebody"),), lifted=(("h-9", NOW),)
        )
        house.tell("hold.lifted", hold={"hold_id": "h-0"})
        house.tell("hold.placed", hold=a_stop("dispute", hold_id="h-9"))
        assert house.borrower().holds == ()


class TestAboutWhat:
    @each_row
    @pytest.mark.parametrize("what", NAMED)
    def test_it_names_no_less_than_its_row_allows(self, kind: str, what: str) -> None:
        house = late_house()
        ((field, value),) = NAMED[what].items()
        if what in PLACED[kind].get("narrows", ()):
            house.tell("hold.placed", hold=a_stop(kind, **{field: value}))
            (hold,) = house.borrower().holds
            named = (hold.loan_id, hold.party_id, hold.point)
            assert named == tuple(
                value if what == part else ""
                for part, value in (("loan", "l-1"), ("party", "p-1"), ("point", house.keys.point(Channel.SMS, value)))
            )
        else:
            refused(house, f"hold.{field}", a_stop(kind, **{field: value}))

    def test_one_loan_is_stopped_and_a_message_that_contains_it(self) -> None:
        house = House()
        house.know(
            "b-1",
            loan_document("l-1", due_on=TODAY + 3 * DAY),
            loan_document("l-2", due_on=TODAY + 3 * DAY),
            loan_document("l-3", due_on=TODAY + 7 * DAY),
        )
        house.tell("hold.placed", hold=a_stop("identity_theft", loan_id="l-2"))
        house.minute()
        assert [message.loan_ids for message in house.messages() if message.reserved_at is not None] == [("l-3",)]
        house.tell("hold.lifted", hold={"hold_id": "h-1", "by": "compliance"})
        house.clock.advance(DAY)
        house.snapshots()
        house.minute()
        house.run_until(house.now + 2 * DAY)
        assert ("l-1", "l-2") in [message.loan_ids for message in house.messages() if message.reserved_at is not None]

    def test_another_loan_s_stop_leaves_the_escalation_alone(self) -> None:
        house = House()
        house.know(
            "b-1",
            loan_document("l-1", due_on=TODAY - 6 * DAY, days_past_due=6),
            loan_document("l-2", due_on=TODAY + 20 * DAY),
        )
        house.tell("hold.placed", hold=a_stop("dispute", loan_id="l-2"))
        house.minute()
        assert [m.loan_ids for m in house.messages() if m.reserved_at is not None] == [("l-1",)]

    def test_a_wrong_number_leaves_the_other_ways_open(self) -> None:
        house = late_house(party_document(email=EMAIL))
        house.tell("hold.placed", hold=a_stop("wrong_number", source="carrier", phone="+12125550123"))
        house.minute()
        assert [order.address for order in house.orders] == [EMAIL]

    def test_a_wrong_number_that_was_the_only_one_is_for_a_person(self) -> None:
        house = late_house()
        house.tell("hold.placed", hold=a_stop("wrong_number", source="carrier", phone="+12125550123"))
        house.minute()
        case = house.borrower().case
        assert house.orders == []
        assert case is not None
        assert (case.outcome, case.outcome_reason) == (CaseOutcome.REFERRED, Reason.HOLD)

    def test_a_wrong_number_stays_wrong_when_the_profile_is_told_again(self) -> None:
        house = House()
        house.know("b-1", loan_document(due_on=TODAY + 3 * DAY))
        house.tell("hold.placed", hold=a_stop("wrong_number", phone="+12125550123"))
        house.know("b-1", sequence=2)
        house.minute()
        assert house.orders == []
        house.know("b-1", sequence=3, parties=[party_document(phone="+12125550177")])
        house.clock.advance(DAY)
        house.snapshots()
        house.run_until(house.now + 4 * DAY)
        assert {order.address for order in house.orders} <= {"+12125550177"}
