"""Reports: before SENT, twice, late, out of order, about nothing; and what a borrower's plan learns from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput, StateConflict, VersionConflict
from dunlin.services.ports import Accepted, HandOver, HandOverResult

from tests.builders import DAY, NOW, TODAY, House, loan_document, overdue_document, party_document

SOON = TODAY + timedelta(days=7)
LATE = TODAY - timedelta(days=4)
DELIVERED, FAILED, UNKNOWN = MessageState.DELIVERED, MessageState.FAILED, MessageState.UNKNOWN


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


@pytest.fixture
def tier() -> House:
    """A first tier is due to a borrower who also has an e-mail address."""
    house = House(delivers=False)
    house.know(
        "b-1",
        loan_document(due_on=LATE, overdue=overdue_document("120.50"), days_past_due=4),
        parties=[party_document(email="jo@marram.example")],
    )
    return house


def test_delivered(known: House) -> None:
    message = known.sent()
    version = known.borrower().version
    assert known.report(message, price="0.00581 USD", parts=1)
    settled = known.message(message)
    assert (settled.state, settled.reason, settled.price) == (DELIVERED, Reason.DELIVERED, "0.00581 USD")
    assert settled.settled_at == NOW
    assert known.borrower().version == version  # it changes no plan
    known.check_ends()


def test_before_our_own_write(known: House) -> None:
    message = known.rendered()

    def fast(_: HandOver) -> HandOverResult:
        assert known.report(message, provider_message_id="")
        return Accepted("provider-9")

    known.sender.hand_over = fast  # type: ignore[method-assign, assignment]
    assert known.send.send("b-1", message.key) is DELIVERED
    settled = known.message(message)
    assert (settled.state, settled.provider_message_id, settled.sent_at) == (DELIVERED, "provider-9", NOW)


def test_before_our_own_write_with_the_provider_s_id(known: House) -> None:
    message = known.rendered()

    def fast(_: HandOver) -> HandOverResult:
        assert known.report(message)
        return Accepted("provider-1")

    known.sender.hand_over = fast  # type: ignore[method-assign, assignment]
    assert known.send.send("b-1", message.key) is DELIVERED


def test_under_way_settles_nothing(known: House) -> None:
    message = known.sent()
    assert not known.report(message, None)
    assert known.message(message).state is MessageState.SENT


@pytest.mark.parametrize("again", [DELIVERED, FAILED, UNKNOWN])
def test_the_first_last_word_stands(known: House, again: MessageState) -> None:
    message = known.sent()
    assert known.report(message, DELIVERED)
    assert not known.report(message, again)
    assert known.message(message).state is DELIVERED


def test_unknown_is_corrected_and_only_once(known: House) -> None:
    message = known.sent()
    assert known.report(message, UNKNOWN)
    assert not known.report(message, UNKNOWN)
    assert known.report(message, DELIVERED)
    assert not known.report(message, FAILED)
    settled = known.message(message)
    assert [move.state for move in settled.moves][-2:] == [UNKNOWN, DELIVERED]


def test_unknown_after_four_days_and_corrected_later(known: House) -> None:
    known.delivers = False
    message = known.sent()
    known.run_days(5)
    closed = known.message(message)
    assert (closed.state, closed.reason, closed.settled_at) == (UNKNOWN, Reason.NO_REPORT, NOW + timedelta(hours=96))
    assert known.report(message, DELIVERED)
    assert known.message(message).state is DELIVERED


def test_a_failure_is_tried_again_on_the_other_channel(house: House) -> None:
    house.know("b-1", loan_document(due_on=SOON), parties=[party_document(email="jo@marram.example")])
    message = house.sent()
    assert house.report(message, FAILED)
    house.run_until(NOW + DAY)  # the day's cap holds for the attempt as well
    assert [order.address for order in house.orders] == ["+12125550123", "jo@marram.example"]
    assert house.orders[1].ref == "b-1/2026-06-08#reminder_7#0#email#1"


def test_a_complaint_after_the_delivery_ends_what_goes_to_the_address(known: House) -> None:
    message = known.sent()
    assert known.report(message)
    version = known.borrower().version
    for _ in range(2):
        assert not known.report(message, DELIVERED, reason=Reason.SPAM, point_unusable=True)
    settled = known.message(message)
    assert (settled.state, settled.reason) == (DELIVERED, Reason.DELIVERED)
    borrower = known.borrower()
    points = [point for party in borrower.parties for point in party.points]
    assert [point.usable for point in points] == [point.point != message.point for point in points]
    assert borrower.version == version + 1  # decisions made before it do not stand, and once is enough


def test_a_complaint_is_an_opt_out_of_everything_for_everybody_who_has_the_address(known: House) -> None:
    known.know("b-2", loan_document(due_on=SOON))
    message = known.sent()
    assert known.report(message)
    complaint = {"reason": Reason.SPAM, "point_unusable": True, "complained": True}
    for _ in range(2):
        assert not known.report(message, DELIVERED, **complaint)
    assert known.store.suppression(message.point).blocked == {f"{message.channel}#*"}
    for borrower_id in ("b-1", "b-2"):
        borrower = known.store.borrower(borrower_id)
        assert borrower is not None
        (blocked,) = [p.blocked for party in borrower.parties for p in party.points if p.point == message.point]
        assert blocked == {"*"}


def test_a_complaint_that_comes_again_does_not_undo_an_opt_in(known: House) -> None:
    message = known.sent()
    complained_at = known.now
    known.report(message, DELIVERED, reason=Reason.SPAM, complained=True)
    known.opt_outs.at_point(message.point, message.channel, opted_out=False, at=complained_at + DAY, by="in")
    known.report(message, DELIVERED, reason=Reason.SPAM, complained=True)
    assert known.store.suppression(message.point).blocked == frozenset()


def test_a_text_that_came_too_late_says_nothing_against_the_channel(known: House) -> None:
    message = known.sent()
    assert known.report(message, FAILED, reason=Reason.TTL_EXPIRED)
    (mark,) = known.borrower().marks
    assert (mark.status, mark.lost_channels) == ("unsent", ())


def test_an_unreachable_number_is_not_tried_again(known: House) -> None:
    message = known.sent()
    assert known.report(message, FAILED, reason=Reason.INVALID_NUMBER, point_unusable=True)
    assert not known.borrower().parties[0].points[0].usable
    known.run_days(20)
    assert len(known.orders) == 1


@pytest.mark.parametrize("ref", ["b-1/nothing", "nobody/2026-06-08#reminder_7#0#sms#0", "no-slash", "/", ""])
def test_about_nothing_we_sent(known: House, ref: str) -> None:
    message = known.sent()
    with pytest.raises(InvalidInput):
        known.report(message, DELIVERED, ref=ref)


def test_a_report_never_reopens_what_was_not_handed_over(known: House) -> None:
    message = known.rendered()
    with pytest.raises(InvalidInput):
        known.report(message, DELIVERED)
    assert known.message(message).state is MessageState.RENDERED


def test_about_what_was_suppressed(known: House) -> None:
    message = known.rendered()
    known.text("STOP")
    known.send_rendered()
    assert not known.report(message, DELIVERED)
    assert known.message(message).state is MessageState.SUPPRESSED


def test_others_keep_writing(known: House) -> None:
    message = known.sent()

    def conflicts() -> None:
        raise VersionConflict("b-1")

    known.store.before_commit.extend([conflicts] * 6)
    with pytest.raises(StateConflict):
        known.report(message, FAILED)
    known.store.before_commit.extend([conflicts] * 5)
    assert known.report(message, FAILED)


def test_the_borrower_is_gone(known: House) -> None:
    message = known.sent()
    del known.store.borrowers["b-1"]
    assert known.report(message, FAILED)
    assert known.message(message).state is FAILED


class TestTiers:
    def test_a_tier_that_nobody_can_prove_is_said_again_elsewhere(self, tier: House) -> None:
        message = tier.sent()
        assert tier.report(message, UNKNOWN)
        tier.run_until(NOW + DAY)
        assert [order.address for order in tier.orders] == ["+12125550123", "jo@marram.example"]

    def test_a_correction_comes_before_it_is_said_again(self, tier: House) -> None:
        """Unknown in the evening, delivered in the night: in the morning the tier must not be said a second time."""
        message = tier.sent()
        tier.clock.now = NOW + timedelta(hours=10)
        tier.report(message, UNKNOWN)
        tier.minute()
        tier.clock.advance(timedelta(hours=2))
        tier.report(message, DELIVERED)
        tier.run_until(NOW + timedelta(days=2))
        assert len(tier.orders) == 1

    def test_a_reminder_of_unknown_fate_was_probably_read(self, known: House) -> None:
        known.delivers = False
        message = known.sent()
        known.report(message, UNKNOWN)
        assert known.borrower().marks[0].status == "told"

    def test_a_failure_after_unknown(self, known: House) -> None:
        message = known.sent()
        known.report(message, UNKNOWN)
        known.report(message, FAILED)
        assert known.borrower().marks[0].status == "unsent"

    def test_a_message_that_is_about_no_stage(self, known: House) -> None:
        known.text("HELP")
        known.minute()
        (reply,) = [m for m in known.messages() if m.stage == "help"]
        assert known.report(replace(reply), FAILED)
        assert known.message(reply).state is FAILED
