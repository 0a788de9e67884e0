"""The sweep: state is the queue. Whatever stands too long is moved on, and one bad message never blocks the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import StateConflict, TransientError
from dunlin.services.ports import EARS, Hearing
from dunlin.services.sweep import heard

from tests.builders import MINUTE, NOW, TODAY, House, a_message, loan_document

SOON = TODAY + timedelta(days=7)


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


def at_its_moment(house: House) -> None:
    (message,) = [m for m in house.messages() if not m.is_terminal]
    assert message.attend_at is not None
    house.clock.now = message.attend_at
    house.sweep_up()


class TestMovingOn:
    def test_a_lost_stream_record_of_due(self, known: House) -> None:
        message = known.due()
        at_its_moment(known)
        assert known.message(message).state is MessageState.RENDERED

    def test_a_lost_stream_record_of_rendered(self, known: House) -> None:
        message = known.rendered()
        at_its_moment(known)
        assert known.message(message).state is MessageState.SENT

    @pytest.mark.parametrize(
        ("step", "reason"),
        [("request", Reason.NOT_RELEASED), ("due", Reason.WINDOW_CLOSED), ("rendered", Reason.WINDOW_CLOSED)],
    )
    def test_its_window_is_over(self, known: House, step: str, reason: Reason) -> None:
        message = getattr(known, step)()
        known.clock.now = message.not_after
        known.sweep_up()
        ended = known.message(message)
        assert (ended.state, ended.reason) == (MessageState.EXPIRED, reason)
        assert known.borrower().marks[0].status == "unsent"
        assert known.orders == []

    def test_what_expired_is_asked_for_again_while_its_stage_lasts(self, known: House) -> None:
        message = known.request()
        known.clock.now = message.not_after
        known.sweep_up()
        known.run_until(NOW + timedelta(days=1))
        assert [order.ref for order in known.orders] == ["b-1/2026-06-08#reminder_7#0#sms#1"]

    def test_not_before_its_moment(self, known: House) -> None:
        message = known.rendered()
        known.sweep.attend("b-1", message.key)
        known.sweep.attend("b-1", "nothing")
        assert known.message(message).state is MessageState.RENDERED

    def test_not_after_its_end(self, known: House) -> None:
        message = known.sent()
        known.report(message)
        known.sweep.attend("b-1", message.key)
        assert known.message(message).state is MessageState.DELIVERED


class TestOneBadMessage:
    def test_it_never_blocks_the_others(self, known: House) -> None:
        poison = a_message(borrower_id="b-0", state=MessageState.DUE, revision=1, attend_at=NOW)
        known.store.messages["b-0", poison.key] = poison
        message = known.due()
        read, failures = known.store.borrower, []

        def borrower(borrower_id: str) -> object:
            if borrower_id == "b-0":
                raise TransientError("storage")
            return read(borrower_id)

        known.store.borrower = borrower  # type: ignore[method-assign, assignment]
        known.clock.advance(timedelta(minutes=10))
        swept = known.sweep.run(lambda ref, error: failures.append((ref, type(error))))
        assert failures == [(poison.ref, TransientError)]
        assert swept.failed == (poison.ref,)
        assert known.message(message).state is MessageState.RENDERED
        assert known.store.messages["b-0", poison.key].attend_at == known.now + timedelta(minutes=15)

    def test_somebody_else_is_at_it(self, known: House) -> None:
        def conflicts() -> None:
            raise StateConflict("m")

        message = known.rendered()
        reserved = replace(known.message(message), state=MessageState.RESERVED, attend_at=NOW)
        known.store.messages["b-1", message.key] = reserved
        known.store.before_commit.append(conflicts)
        assert known.sweep_up().failed == ()
        assert known.message(message).state is MessageState.RESERVED

    def test_putting_off_fails_too(self, known: House) -> None:
        message = known.due()
        known.clock.advance(timedelta(minutes=10))

        def breaks(*_: object) -> None:
            raise RuntimeError

        def conflicts() -> None:
            raise StateConflict("m")

        known.render.render = breaks  # type: ignore[method-assign, assignment]
        known.store.before_commit.append(conflicts)
        assert known.sweep.run(lambda *_: None).failed == (message.ref,)

    def test_what_ended_meanwhile_is_not_put_off(self, known: House) -> None:
        message = known.due()
        known.clock.advance(timedelta(minutes=10))

        def ends_and_breaks(*_: object) -> None:
            known.settle.settle("b-1", message.key, MessageState.CANCELLED, Reason.PAUSED)
            raise RuntimeError

        known.render.render = ends_and_breaks  # type: ignore[method-assign, assignment]
        assert known.sweep.run(lambda *_: None).failed == (message.ref,)
        assert known.message(message).attend_at is None


class TestEars:
    def test_a_probe_is_sent_down_each_and_heard(self, house: House) -> None:
        house.sweep.probe()
        assert [ear for ear, _ in house.ears.probes] == list(EARS)
        for ear, probe in house.ears.probes:
            heard(house.controls, ear, probe, house.clock.advance(MINUTE))
        assert all(house.controls.hearing(ear).heard_at is not None for ear in EARS)

    def test_an_unheard_probe_is_repeated_and_keeps_its_time(self, house: House) -> None:
        house.sweep.probe()
        house.clock.advance(timedelta(minutes=5))
        house.sweep.probe()
        first, again = house.ears.probes[0], house.ears.probes[2]
        assert first == again
        assert house.controls.hearing("reports").sent_at == NOW

    def test_a_new_one_after_it_was_heard(self, house: House) -> None:
        house.sweep_up()
        house.clock.advance(MINUTE)
        house.sweep.probe()
        assert house.controls.hearing("inbound").sent_at == NOW + MINUTE

    def test_an_old_or_forged_probe_says_nothing(self, house: House) -> None:
        house.sweep.probe()
        heard(house.controls, "reports", "forged", NOW)
        assert house.controls.hearing("reports").heard_at is None

    def test_two_sweeps_at_once(self, house: House) -> None:
        put = house.controls.put_hearing

        def other_first(hearing: Hearing) -> None:
            house.controls.put_hearing = put  # type: ignore[method-assign]
            put(replace(hearing, probe="other"))
            put(hearing)

        house.controls.put_hearing = other_first  # type: ignore[method-assign]
        house.sweep.probe()
        assert [ear for ear, _ in house.ears.probes] == ["inbound"]

    def test_a_newer_probe_is_on_its_way(self, house: House) -> None:
        house.sweep.probe()
        put = house.controls.put_hearing

        def busy(_: Hearing) -> None:
            raise StateConflict("ear")

        house.controls.put_hearing = busy  # type: ignore[method-assign, assignment]
        heard(house.controls, "reports", house.ears.probes[0][1], NOW)
        house.controls.put_hearing = put  # type: ignore[method-assign]
        assert house.controls.hearing("reports").heard_at is None


def test_the_age_of_what_was_heard_grows_until_a_probe_comes_through() -> None:
    house = House()
    assert house.sweep.probe() is None, "nothing was sent yet"
    house.clock.advance(timedelta(minutes=20))
    assert house.sweep.probe() == timedelta(minutes=20), "an ear that never heard counts from its first probe"
