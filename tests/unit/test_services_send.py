"""Promises 2 to 5 where a message leaves the house: reserved once, handed over once, on these facts."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from dunlin.domain.message import Figure
from dunlin.domain.recipients import EVERYONE
from dunlin.domain.words import MessageState, Purpose, Reason
from dunlin.errors import ContentError, ContentOutdated, FiguresMismatch, InvalidInput, StateConflict, VersionConflict
from dunlin.services.contacts import Reserved
from dunlin.services.line_health import texts_left
from dunlin.services.ports import (
    Accepted,
    HandOver,
    HandOverResult,
    NotAccepted,
    Refused,
    Rendered,
    RenderRequest,
    Unsettled,
)
from dunlin.services.render import Compose, Render
from dunlin.services.send import closes_at

from tests.builders import (
    DAY,
    MINUTE,
    NOW,
    SHANGHAI,
    TODAY,
    House,
    loan_document,
    overdue_document,
    party_document,
    shipped_content,
)

SOON = TODAY + timedelta(days=7)
LATE = TODAY - timedelta(days=4)
EMAIL = "jo@marram.example"


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


@pytest.fixture
def late(house: House) -> House:
    """Four days overdue, so that the first tier is due."""
    house.know(
        "b-1", loan_document(due_on=LATE, outstanding="120.50", overdue=overdue_document("120.50"), days_past_due=4)
    )
    return house


class TestNeverTwice:
    def test_a_duplicated_stream_record_hands_over_once(self, known: House) -> None:
        message = known.rendered()
        for _ in range(3):
            known.render.render("b-1", message.key)
            known.send.send("b-1", message.key)
        assert len(known.orders) == 1
        assert known.message(message).state is MessageState.SENT

    def test_a_record_of_another_state_does_nothing(self, known: House) -> None:
        message = known.request()
        assert known.render.render("b-1", message.key) is None
        assert known.send.send("b-1", message.key) is None
        assert known.send.send("b-1", "nothing") is None
        assert known.render.render("nobody", message.key) is None
        assert known.send.retry("b-1", message.key) is None

    def test_two_workers_at_once(self, known: House) -> None:
        """Both read RENDERED; the second's transaction finds it reserved and hands nothing over."""
        message = known.rendered()
        known.store.before_commit.append(lambda: known.send.send("b-1", message.key))
        assert known.send.send("b-1", message.key) is None
        assert len(known.orders) == 1

    def test_evaluating_twice_asks_once(self, known: House) -> None:
        message = known.request()
        before = known.borrower()
        known.store.borrowers["b-1"] = replace(before, marks=(), wake_at=known.now)  # the answer was lost
        known.wake()  # the occasion's key exists, and is adopted
        assert known.messages() == [message]
        assert [(mark.stage, mark.status) for mark in known.borrower().marks] == [("reminder_7", "requested")]

    def test_lost_between_reservation_and_call(self, known: House) -> None:
        """The process dies after the reservation: nobody knows whether the provider was called."""
        message = known.rendered()

        class Died(Exception):
            pass

        def dies(_: HandOver) -> HandOverResult:
            raise Died

        known.sender.hand_over = dies  # type: ignore[method-assign, assignment]
        with pytest.raises(Died):
            known.send.send("b-1", message.key)
        del known.sender.hand_over
        assert known.message(message).state is MessageState.RESERVED
        known.clock.advance(timedelta(minutes=2, seconds=59))
        known.sweep_up()
        assert known.message(message).state is MessageState.RESERVED
        known.clock.advance(timedelta(seconds=1))
        known.sweep_up()
        lost = known.message(message)
        assert (lost.state, lost.reason) == (MessageState.UNSETTLED, Reason.PROCESS_LOST)
        known.run_days(6)
        assert known.message(message).state is MessageState.UNKNOWN
        assert message.ref not in [order.ref for order in known.orders]
        known.check_ledger()

    def test_a_time_out_is_never_sent_again(self, known: House) -> None:
        known.answer(Unsettled(Reason.TIMED_OUT))
        message = known.sent()
        assert (message.state, message.reason) == (MessageState.UNSETTLED, Reason.TIMED_OUT)
        assert known.borrower().contacts[0].ref == message.ref  # it may have been felt
        known.run_days(5)
        assert [order.ref for order in known.orders].count(message.ref) == 1
        assert known.message(message).reason is Reason.NO_REPORT

    def test_unsettled_is_settled_by_the_report(self, known: House) -> None:
        known.answer(Unsettled(Reason.TIMED_OUT))
        message = known.sent()
        assert known.report(message)
        assert known.message(message).state is MessageState.DELIVERED

    def test_accepted_and_then_the_write_is_lost(self, known: House) -> None:
        message = known.rendered()

        def conflicts() -> None:
            raise VersionConflict("b-1")

        known.store.before_commit.extend([lambda: None, conflicts, conflicts, conflicts, conflicts])
        with pytest.raises(StateConflict):
            known.send.send("b-1", message.key)
        known.store.before_commit.clear()
        known.clock.advance(timedelta(minutes=4))
        known.sweep_up()
        assert known.message(message).state is MessageState.UNSETTLED
        assert len(known.orders) == 1


class TestTryingAgain:
    def test_throttled_then_sent(self, known: House) -> None:
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        assert (message.state, message.may_retry) == (MessageState.RESERVED, True)
        known.a_minute_later()
        sent = known.message(message)
        assert sent.state is MessageState.SENT
        assert [order.ref for order in known.orders] == [message.ref] * 2
        assert len(known.borrower().contacts) == 1
        known.check_ledger()

    def test_throttled_until_it_is_too_late(self, known: House) -> None:
        known.answer(*[NotAccepted(Reason.THROTTLED)] * 9)
        message = known.sent()
        for _ in range(4):
            known.a_minute_later()
        failed = known.message(message)
        assert (failed.state, failed.reason) == (MessageState.FAILED, Reason.THROTTLED)
        assert known.borrower().contacts == ()  # proof that nothing was accepted: the cap is free
        assert len(known.orders) == 2
        known.sender.answers.clear()
        again = known.sent()
        assert again.key == "2026-06-08#reminder_7#0#sms#1"
        assert again.state is MessageState.SENT

    def test_given_up_when_a_payment_came(self, known: House) -> None:
        known.answer(NotAccepted(Reason.NOT_CONNECTED))
        message = known.sent()
        known.pay()
        known.a_minute_later()
        assert known.message(message).reason is Reason.FACTS_CHANGED
        assert len(known.orders) == 1

    def test_never_before_its_line_lets_it_go(self, known: House) -> None:
        """Neither by the sweep nor by a record that came twice: at the provider it would be one part too many."""
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        known.clock.advance(MINUTE)
        known.sweep_up()
        assert known.send.retry("b-1", message.key) is None
        assert len(known.orders) == 1
        assert known.message(message).may_retry

    def test_the_stream_loses_that_it_was_let_go(self, known: House) -> None:
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        known.clock.advance(timedelta(seconds=30))
        known.pace_lines()
        known.clock.advance(MINUTE)
        known.sweep_up()
        assert known.message(message).state is MessageState.SENT
        assert len(known.orders) == 2

    def test_a_line_that_rests_takes_no_second_try(self, known: House) -> None:
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        state = known.controls.line(message.line)
        known.controls.put_line(replace(state, stopped_until=NOW + timedelta(hours=1), stop_reason=Reason.FAILURES))
        for _ in range(3):
            known.a_minute_later()
        assert known.message(message).reason is Reason.THROTTLED
        assert len(known.orders) == 1
        assert known.borrower().contacts == ()

    def test_two_sweeps_at_once_try_once(self, known: House) -> None:
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        known.clock.advance(MINUTE)
        known.pace_lines()
        known.store.before_commit.append(lambda: known.send.retry("b-1", message.key))
        assert known.send.retry("b-1", message.key) is None
        assert len(known.orders) == 2

    def test_lost_in_the_second_try(self, known: House) -> None:
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        taken = replace(known.message(message), may_retry=False, attend_at=NOW + timedelta(minutes=3))
        known.store.messages["b-1", message.key] = taken
        known.clock.advance(timedelta(minutes=3))
        known.sweep_up()
        assert known.message(message).state is MessageState.UNSETTLED

    def test_the_address_is_gone(self, known: House) -> None:
        known.answer(NotAccepted(Reason.THROTTLED))
        message = known.sent()
        # Not by a fact (that would change the version): as if it had been erased.
        known.store.borrowers["b-1"] = replace(known.borrower(), parties=())
        known.a_minute_later()
        assert known.message(message).reason is Reason.NO_CONTACT_POINT

    def test_a_throttle_is_recorded_by_nobody_when_a_report_was_faster(self, known: House) -> None:
        message = known.rendered()

        def throttled(order: HandOver) -> HandOverResult:
            known.report(message)
            return NotAccepted(Reason.THROTTLED)

        known.sender.hand_over = throttled  # type: ignore[method-assign]
        known.send.send("b-1", message.key)
        assert known.message(message).state is MessageState.DELIVERED

    def test_not_called_when_the_time_was_over_before(self, known: House) -> None:
        """A process that slept between the reservation and the call."""
        message = known.rendered()
        known.store.after_commit.append(lambda: known.clock.advance(timedelta(minutes=3)))
        assert known.send.send("b-1", message.key) is MessageState.FAILED
        assert known.message(message).reason is Reason.NOT_RELEASED
        assert known.orders == []
        assert known.borrower().contacts == ()

    def test_a_provider_that_nobody_configured(self, known: House) -> None:
        message = known.rendered()
        known.send._senders.clear()
        assert known.send.send("b-1", message.key) is MessageState.FAILED
        assert known.message(message).reason is Reason.NO_ROUTE


class TestRefused:
    def test_a_number_nobody_has(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(email=EMAIL)])
        house.answer(Refused(Reason.INVALID_NUMBER, point_unusable=True))
        message = house.sent()
        assert message.state is MessageState.FAILED
        point = house.borrower().parties[0].points[0]
        assert not point.usable
        house.minute()
        assert house.orders[-1].address == EMAIL
        house.know("b-1", sequence=2, parties=[party_document(email=EMAIL, name="Jo Roe")])
        assert not house.borrower().parties[0].points[0].usable

    @pytest.mark.parametrize(
        ("now", "until"),
        [
            (NOW, NOW + timedelta(hours=12)),
            # The provider's month turns before that, in UTC.
            (NOW.replace(month=12, day=31, hour=19), datetime(NOW.year + 1, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_a_spend_limit_is_not_tried_every_hour(self, now: datetime, until: datetime) -> None:
        house = House(now)
        house.know("b-1", loan_document(due_on=now.date() + timedelta(days=7), as_of=now))
        house.answer(Refused(Reason.SPEND_LIMIT, stops_line=True))
        message = house.sent()
        state = house.controls.line(message.line)
        assert (state.stopped_until, state.stop_reason) == (until, Reason.SPEND_LIMIT)
        line = house.compose.line(message.line)
        assert line is not None
        # Then one text finds out.
        assert texts_left(line, state) == 1
        assert texts_left(line, replace(state, released=1)) == 0

    def test_a_line_whose_provider_denies_us_rests(self, known: House) -> None:
        known.answer(Refused(Reason.ACCESS_DENIED, stops_line=True))
        message = known.sent()
        assert message.reason is Reason.ACCESS_DENIED
        stopped = known.controls.line(message.line)
        assert (stopped.stopped_until, stopped.stop_reason) == (NOW + timedelta(hours=1), Reason.ACCESS_DENIED)
        known.run_until(NOW + timedelta(minutes=59))
        assert len(known.orders) == 1
        known.run_until(NOW + timedelta(hours=3))
        assert len(known.orders) == 2

    def test_a_line_that_others_write_to_is_stopped_all_the_same(self, known: House) -> None:
        message = known.rendered()
        put, times = known.controls.put_line, []

        def busy(state: object) -> None:
            times.append(state)
            if len(times) < 3:
                raise StateConflict("line")
            put(state)  # type: ignore[arg-type]

        known.controls.put_line = busy  # type: ignore[method-assign]
        known.answer(Refused(Reason.SPEND_LIMIT, stops_line=True))
        known.send.send("b-1", message.key)
        assert known.controls.line(message.line).stop_reason is Reason.SPEND_LIMIT


class TestFactsOfTheLastMoment:
    """Promise 4: between the text and the reservation."""

    def test_a_payment(self, known: House) -> None:
        message = known.rendered()
        known.pay()
        known.send_rendered()
        assert known.message(message).reason is Reason.PAID
        assert known.orders == []

    def test_a_payment_inside_the_reservation(self, known: House) -> None:
        message = known.rendered()
        known.store.before_commit.append(known.pay)
        known.send.send("b-1", message.key)
        assert known.message(message).reason is Reason.PAID
        assert known.orders == []

    def test_a_pending_payment(self, known: House) -> None:
        message = known.rendered()
        pending = [{"payment_id": "p-1", "amount": "1.00", "received_at": NOW.isoformat()}]
        loan = known.loan_now(pending=pending)
        known.tell("payment.pending", payment={"payment_id": "p-1", "amount": "1.00"}, loan=loan)
        known.send_rendered()
        assert known.message(message).reason is Reason.PAYMENT_PENDING
        known.run_until(NOW + timedelta(hours=12))
        assert known.orders == []

    def test_a_payment_that_came_back(self, known: House) -> None:
        pending = [{"payment_id": "p-1", "amount": "120.50", "received_at": NOW.isoformat()}]
        known.tell("loan.snapshot", loan=known.loan_now(pending=pending))
        known.minute()
        assert known.messages() == []
        payment = {"payment_id": "p-1", "amount": "120.50"}
        known.tell("payment.returned", payment=payment, loan=known.loan_now(pending=None))
        known.minute()
        assert len(known.orders) == 1

    def test_a_partial_payment_lowers_the_amount_in_the_text(self, late: House) -> None:
        message = late.rendered()
        assert "$120.50" in message.body
        instalments = [{"number": 3, "due_on": str(LATE), "outstanding": "20.50"}]
        late.pay(amount="100.00", instalments=instalments, overdue=overdue_document("20.50"), days_past_due=4)
        late.send_rendered()
        (order,) = late.orders
        assert "$20.50" in order.body
        assert "120.50" not in order.body
        sent = late.message(message)
        assert sent.body == order.body
        assert Figure("total", "20.50 USD") in sent.figures
        late.check_ledger()

    def test_a_partial_payment_inside_the_reservation(self, late: House) -> None:
        message = late.rendered()
        instalments = [{"number": 3, "due_on": str(LATE), "outstanding": "20.50"}]
        late.store.before_commit.append(
            lambda: late.pay(
                amount="100.00", instalments=instalments, overdue=overdue_document("20.50"), days_past_due=4
            )
        )
        late.send.send("b-1", message.key)
        (order,) = late.orders
        assert "$20.50" in order.body

    def test_fees_are_named_and_the_days_are_the_core_s(self, house: House) -> None:
        loan = loan_document(
            due_on=LATE, outstanding="120.50", overdue=overdue_document("135.50", fees="15.00"), days_past_due=6
        )
        house.know("b-1", loan)
        body = house.sent().body
        assert "$135.50" in body
        assert "$15.00 in fees" in body
        assert "6 days overdue" in body

    @pytest.mark.parametrize("status", ["sold", "placed", "charged_off", "closed"])
    def test_a_loan_that_left(self, known: House, status: str) -> None:
        message = known.rendered()
        known.tell(f"loan.{status}", loan=known.loan_now(status=status))
        known.send_rendered()
        assert known.message(message).reason is Reason.LOAN_NOT_OPEN

    @pytest.mark.parametrize("kind", ["bankruptcy", "deceased", "wrong_number", "cease_request", "attorney"])
    def test_a_hold(self, known: House, kind: str) -> None:
        message = known.rendered()
        known.tell("hold.placed", hold={"hold_id": "h-1", "kind": kind, "source": "agent"})
        known.send_rendered()
        assert (known.message(message).reason, known.message(message).rule) == (Reason.HOLD, f"hold.{kind}")
        known.run_days(10)
        assert known.orders == []
        known.check_ends()

    def test_a_hold_that_is_lifted(self, known: House) -> None:
        known.tell("hold.placed", hold={"hold_id": "h-1", "kind": "litigation", "source": "counsel"})
        known.minute()
        known.tell("hold.lifted", hold={"hold_id": "h-1"})
        known.minute()
        assert len(known.orders) == 1

    def test_a_stale_balance(self, known: House) -> None:
        message = known.rendered()
        known.clock.now = NOW + timedelta(hours=4)
        known.store.borrowers["b-1"] = replace(
            known.borrower(),
            loans=(replace(known.borrower().loans[0], as_of=NOW - timedelta(hours=22, seconds=1)),),
        )
        known.send_rendered()
        assert known.message(message).reason is Reason.STALE_BALANCE
        assert known.orders == []

    def test_a_feed_that_went_quiet(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=SOON))
        house.clock.advance(timedelta(hours=27))
        house.minute()
        assert house.orders == []
        house.checkpoint()
        house.run_until(house.now + timedelta(hours=2))
        assert len(house.orders) == 1

    def test_deaf(self, known: House) -> None:
        message = known.rendered()
        known.hears = False
        known.sweep.probe()
        known.clock.advance(timedelta(minutes=15))
        known.sweep.probe()
        known.clock.advance(timedelta(seconds=1))
        known.send_rendered()
        assert known.message(message).reason is Reason.DEAF
        assert known.orders == []
        known.text("HELP")
        known.minute()
        assert [order.purpose for order in known.orders] == [Purpose.REPLY]  # who answers is not deaf to that text

    def test_hearing_again(self, known: House) -> None:
        known.hears = False
        known.sweep.probe()
        known.clock.advance(timedelta(minutes=20))
        known.minute()
        assert known.orders == []
        known.hears = True
        known.sweep_up()
        known.run_until(known.now + timedelta(hours=1))
        assert len(known.orders) == 1

    def test_the_window_closed_while_it_waited(self, known: House) -> None:
        message = known.rendered()
        known.clock.now = message.not_after
        known.send_rendered()
        assert known.message(message).reason is Reason.WINDOW_CLOSED

    def test_overtaken(self, known: House) -> None:
        message = known.rendered()
        moved = replace(known.message(message), not_after=NOW + timedelta(days=9))
        known.store.messages["b-1", message.key] = moved
        known.clock.now = NOW + timedelta(days=3)
        known.checkpoint()
        known.send_rendered()
        assert known.message(message).reason is Reason.OVERTAKEN


class TestContacts:
    """Promise 2: caps under concurrency, with every kind of contact counted."""

    def test_two_sends_that_read_the_same_borrower(self, house: House) -> None:
        """Two due dates, two messages, one contact a day: both are decided on the same read, one is reserved."""
        house.know("b-1", loan_document(due_on=SOON))
        first = house.rendered()
        other = replace(
            first,
            revision=0,
            key="2026-06-08#reminder_7#0#sms#7",
        )
        house.store.messages["b-1", other.key] = replace(other, revision=1)
        house.store.before_commit.append(lambda: house.send.send("b-1", other.key))
        house.send.send("b-1", first.key)
        states = sorted(str(house.message(m).state) for m in (first, other))
        assert states == ["SENT", "SUPPRESSED"]
        (stopped,) = house.in_state(MessageState.SUPPRESSED)
        assert (stopped.reason, stopped.rule) == (Reason.CAP, "us-own-daily")
        assert len(house.orders) == 1
        house.check_ledger()

    def test_a_call_of_an_agent_inside_the_reservation(self, known: House) -> None:
        message = known.rendered()
        reserved: list[object] = []
        known.store.before_commit.append(
            lambda: reserved.append(known.contacts.reserve("b-1", "r-1", "call", Purpose.SERVICING, ("l-1",)))
        )
        known.send.send("b-1", message.key)
        assert isinstance(reserved[0], Reserved)
        assert known.message(message).reason is Reason.CAP
        assert known.orders == []

    def test_gives_up_when_others_keep_writing(self, known: House) -> None:
        message = known.rendered()

        def conflicts() -> None:
            raise VersionConflict("b-1")

        known.store.before_commit.extend([conflicts] * 4)
        assert known.send.send("b-1", message.key) is None
        known.clock.now = known.message(message).attend_at or NOW
        known.sweep_up()
        assert known.message(message).state is MessageState.SENT

    def test_render_gives_up_when_others_keep_writing(self, known: House) -> None:
        message = known.due()

        def conflicts() -> None:
            raise StateConflict("b-1")

        known.store.before_commit.extend([conflicts] * 4)
        assert known.render.render("b-1", message.key) is None
        known.clock.now = known.message(message).attend_at or NOW
        known.sweep_up()
        assert known.message(message).state is MessageState.RENDERED

    def test_the_contact_is_felt_until_the_last_possible_delivery(self, known: House) -> None:
        message = known.sent()
        (contact,) = known.borrower().contacts
        assert contact.felt_until == message.occupies_until == NOW + timedelta(minutes=62)
        assert known.orders[0].ttl_seconds == 3600
        assert closes_at(message) == NOW + timedelta(hours=96)

    def test_the_time_to_live_ends_inside_the_window(self, known: House) -> None:
        """Twenty to eight in the evening: the lender's own hours end at eight."""
        known.clock.now = NOW + timedelta(hours=8, minutes=40)
        message = known.sent()
        assert known.orders[0].ttl_seconds == 18 * 60
        assert message.occupies_until == NOW + timedelta(hours=9)

    def test_not_in_the_last_minutes(self, known: House) -> None:
        known.clock.now = NOW + timedelta(hours=8, minutes=49)
        known.minute()
        assert known.orders == []
        assert known.borrower().wake_at == datetime(2026, 6, 2, 13, 0, tzinfo=UTC)

    def test_never_more_than_one_a_day_or_four_a_week(self, house: House) -> None:
        """Four loans, four due dates, everything due at once."""
        for number in range(4):
            loan_id, due_on = f"l-{number}", TODAY + timedelta(days=number)
            house.know("b-1", loan_document(loan_id, due_on=due_on), sequence=number + 1)
        house.run_days(30)
        at = sorted(m.reserved_at for m in house.messages() if m.reserved_at is not None)
        assert len({moment.date() for moment in at}) == len(at) > 4
        assert all(later - earlier >= timedelta(days=7) for earlier, later in zip(at, at[4:], strict=False))


class TestQuietHours:
    @pytest.mark.parametrize(
        ("day", "opens"),
        [
            (date(2026, 3, 7), "2026-03-07T14:00"),  # EST
            (date(2026, 3, 8), "2026-03-08T13:00"),  # the day that has 23 hours
            (date(2026, 10, 31), "2026-10-31T13:00"),  # EDT
            (date(2026, 11, 1), "2026-11-01T14:00"),  # the day that has 25
        ],
    )
    def test_nine_is_nine_on_the_borrower_s_clock(self, day: date, opens: str) -> None:
        midnight = datetime(day.year, day.month, day.day, 5, 30, tzinfo=UTC)
        house = House(midnight)
        house.know("b-1", loan_document(due_on=day + timedelta(days=7), as_of=midnight))
        house.run_until(midnight + timedelta(hours=12))
        (message,) = [m for m in house.messages() if m.reserved_at is not None]
        assert message.reserved_at == datetime.fromisoformat(opens).replace(tzinfo=UTC)

    def test_both_zones_must_be_awake(self) -> None:
        """Who lives in New York and has a number from San Francisco is told between noon and eight, New York time."""
        house = House(NOW - timedelta(hours=3))  # eight in New York
        house.know("b-1", loan_document(due_on=SOON, as_of=house.now), parties=[party_document(phone="+14155550123")])
        house.run_until(NOW + timedelta(hours=5))
        (message,) = [m for m in house.messages() if m.reserved_at is not None]
        assert message.reserved_at == datetime(2026, 6, 1, 16, 0, tzinfo=UTC)
        assert message.not_after == datetime(2026, 6, 2, 0, 0, tzinfo=UTC)

    def test_in_china(self) -> None:
        house = House(datetime(2026, 5, 31, 20, 0, tzinfo=UTC))  # four in the morning in Shanghai
        house.know("b-1", loan_document(due_on=SOON, currency="CNY", as_of=house.now), jurisdiction="CN", zone=SHANGHAI)
        house.run_until(house.now + timedelta(hours=10))
        (message,) = [m for m in house.messages() if m.reserved_at is not None]
        assert message.reserved_at == datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
        assert message.body.startswith("【")


class TestWhoIsTold:
    """Promise 6."""

    @pytest.mark.parametrize(
        ("role", "heard"), [("co_borrower", ["tier_1", "tier_2", "tier_3"]), ("guarantor", ["tier_3"])]
    )
    def test_further_parties_hear_what_the_strategy_tells_them(self, house: House, role: str, heard: list[str]) -> None:
        other = party_document(party_id="p-2", role=role, name="Al Roe", phone="+12125550124")
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(), other])
        house.run_days(60)
        assert {order.address for order in house.orders} == {"+12125550123", "+12125550124"}
        assert [m.stage for m in house.messages() if m.party_id == "p-2"] == heard

    def test_the_representative_and_then_not_the_borrower(self, house: House) -> None:
        lawyer = party_document(party_id="p-2", role="representative", name="A Counsel", phone="+12125550124")
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(), lawyer])
        house.minute()
        assert {order.address for order in house.orders} == {"+12125550124"}

    def test_a_representative_who_may_not_hear_it_silences_all(self, house: House) -> None:
        lawyer = party_document(party_id="p-2", role="representative", may_hear=["mandatory"], phone="+12125550124")
        house.know("b-1", loan_document(due_on=SOON), parties=[party_document(), lawyer])
        house.minute()
        assert house.orders == []
        assert [m.reason for m in house.messages()] == [Reason.NOT_A_PARTY]

    def test_a_representative_who_comes_between(self, known: House) -> None:
        message = known.rendered()
        lawyer = party_document(party_id="p-2", role="representative", name="A Counsel", phone="+12125550124")
        known.know("b-1", sequence=2, parties=[party_document(), lawyer])
        known.send_rendered()
        assert known.message(message).reason is Reason.NOT_A_PARTY

    def test_a_number_that_changed_between(self, known: House) -> None:
        message = known.rendered()
        known.know("b-1", sequence=2, parties=[party_document(phone="+12125550177")])
        known.send_rendered()
        assert known.message(message).reason is Reason.NO_CONTACT_POINT
        known.minute()
        assert [order.address for order in known.orders] == ["+12125550177"]

    def test_a_party_who_left_between(self, known: House) -> None:
        message = known.rendered()
        known.know("b-1", sequence=2, parties=[party_document(party_id="p-7", phone="+12125550177")])
        known.send_rendered()
        assert known.message(message).reason is Reason.NOT_A_PARTY


class TestWords:
    """Promise 8."""

    def test_several_loans_make_one_message(self, house: House) -> None:
        house.know(
            "b-1",
            loan_document("l-1", due_on=SOON, outstanding="100.10", account_tail="1111"),
            loan_document("l-2", due_on=SOON, outstanding="20.02", account_tail="2222"),
        )
        message = house.sent()
        assert message.loan_ids == ("l-1", "l-2")
        assert "$120.12" in message.body
        assert "$100.10" in message.body
        assert "$20.02" in message.body
        assert len(house.orders) == 1

    def test_a_loan_that_fell_overdue_meanwhile(self, late: House) -> None:
        message = late.rendered()
        late.know("b-1", loan_document("l-2", due_on=TODAY - DAY, outstanding="5.00"), sequence=2)
        late.send_rendered()
        assert (late.message(message).reason, late.message(message).rule) == (Reason.FACTS_CHANGED, "loan_ids")

    def test_a_second_currency_is_refused_by_name(self, house: House) -> None:
        house.know("b-1", loan_document("l-1", due_on=SOON, outstanding="100.10"))
        with pytest.raises(InvalidInput, match=r"loan\.currency"):
            house.know("b-1", loan_document("l-2", due_on=SOON, outstanding="20.02", currency="EUR"))
        assert [loan.loan_id for loan in house.borrower().loans] == ["l-1"]

    def test_a_text_that_lies_is_not_sent(self, known: House) -> None:
        message = known.due()

        class Lies:
            def render(self, _: RenderRequest) -> Rendered:
                raise FiguresMismatch("total")

        self._with(known, Lies()).render("b-1", message.key)
        assert (known.message(message).reason, known.message(message).rule) == (Reason.FIGURES_MISMATCH, "total")

    def test_a_text_that_cannot_be_made(self, known: House) -> None:
        message = known.due()

        class Breaks:
            def render(self, _: RenderRequest) -> Rendered:
                raise ContentError("a:1", "body", "cannot be rendered")

        self._with(known, Breaks()).render("b-1", message.key)
        assert known.message(message).reason is Reason.NO_TEMPLATE

    def test_a_text_that_is_too_long(self, known: House) -> None:
        message = known.due()

        class Rambles:
            def render(self, _: RenderRequest) -> Rendered:
                return Rendered("", "x" * 2000, 14, "GSM-7", (), True)

        self._with(known, Rambles()).render("b-1", message.key)
        assert known.message(message).reason is Reason.TOO_LONG

    @staticmethod
    def _with(house: House, renderer: object) -> Render:
        compose = Compose(house.policies, renderer, house.content, EVERYONE)  # type: ignore[arg-type]
        return Render(house.store, compose, house.settle, house.clock)

    def test_a_release_this_function_does_not_know(self, known: House) -> None:
        message = known.due()
        known.store.messages["b-1", message.key] = replace(known.message(message), content_version="newer")
        with pytest.raises(ContentOutdated):
            known.render.render("b-1", message.key)
        assert known.message(message).state is MessageState.DUE

    def test_content_that_is_not_live_decides_and_sends_nothing(self) -> None:
        house = House(content=replace(shipped_content(), live=False, _policies={}, _strategies={}, _words={}))
        house.know("b-1", loan_document(due_on=SOON))
        house.run_days(12)
        assert house.orders == []
        assert {m.reason for m in house.messages()} == {Reason.CONTENT_NOT_LIVE}

    def test_content_that_stopped_being_live(self, known: House) -> None:
        message = known.rendered()
        off = replace(shipped_content(), live=False, _policies={}, _strategies={}, _words={})
        known.policies._content = off
        known.send_rendered()
        assert known.message(message).reason is Reason.CONTENT_NOT_LIVE

    def test_a_jurisdiction_whose_pack_is_gone(self, known: House) -> None:
        message = known.due()
        known.store.borrowers["b-1"] = replace(known.borrower(), jurisdiction="XX")
        known.render_due()
        assert (known.message(message).reason, known.message(message).rule) == (Reason.CONTENT_NOT_LIVE, "pack")

    def test_a_line_that_is_gone(self, known: House) -> None:
        message = known.due()
        known.store.messages["b-1", message.key] = replace(known.message(message), line="gone")
        known.render_due()
        assert known.message(message).reason is Reason.NO_ROUTE

    def test_the_answer_is_the_provider_s_id(self, known: House) -> None:
        known.answer(Accepted("provider-77"))
        message = known.sent()
        assert message.provider_message_id == "provider-77"
        assert message.sent_at == NOW
        assert dataclasses.asdict(message)["reason"] is Reason.ACCEPTED
