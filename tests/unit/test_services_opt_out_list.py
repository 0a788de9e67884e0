"""The provider's own opt-out list: written through after the confirmation, and read back. Our own item decides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TypeVar

import pytest
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import TransientError
from dunlin.services.opt_out_list import Followed
from dunlin.services.opt_outs import CONFIRMED_WITHIN
from dunlin.services.ports import Listed, ListingState, Refused

from tests.builders import DAY, MINUTE, NOW, PHONE, TODAY, House, loan_document, party_document

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
SOON = TODAY + timedelta(days=7)
OTHER = "+12125550188"


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


def point(house: House, number: str = PHONE) -> str:
    return house.keys.point(Channel.SMS, number)


def is_out(house: House, number: str = PHONE) -> bool:
    return house.store.suppression(point(house, number)).forbids(Channel.SMS, Purpose.SERVICING)


def follow_all(house: House) -> list[Followed]:
    """What the queue holds, each once its delay is over."""
    asked, house.opt_outs_queue.asked = house.opt_outs_queue.asked, []
    done = []
    for each, after in asked:
        house.clock.advance(after)
        done.append(house.opt_out_list.follow(each))
    return done


def opt_out_at_provider(house: House, number: str = PHONE, *, by_person: bool = True) -> None:
    house.provider_list.listed[number] = Listed(number, house.now, by_person)


class TestWrittenThrough:
    def test_only_after_the_time_of_its_confirmation(self, known: House) -> None:
        known.text("STOP")
        assert known.opt_out_list.follow(point(known)) is Followed.LATER
        assert known.provider_list.listed == {}
        known.minute()
        (confirmation,) = known.orders
        assert confirmation.purpose is Purpose.REPLY
        known.clock.advance(CONFIRMED_WITHIN)
        assert known.opt_out_list.follow(point(known)) is Followed.LISTED
        assert set(known.provider_list.listed) == {PHONE}

    def test_what_came_too_early_is_asked_for_again(self, known: House) -> None:
        known.text("STOP")
        known.opt_outs_queue.asked.clear()
        known.clock.advance(MINUTE)
        known.opt_out_list.follow(point(known))
        assert known.opt_outs_queue.asked == [(point(known), CONFIRMED_WITHIN - MINUTE)]
        assert follow_all(known) == [Followed.LISTED]

    def test_a_stop_after_a_start_is_confirmed_in_its_own_time(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(5 * MINUTE)
        known.text("START", inbound_id="in-2")
        known.text("STOP", inbound_id="in-3", received_at=known.now + timedelta(seconds=1))
        known.clock.advance(CONFIRMED_WITHIN - 5 * MINUTE)
        assert known.opt_out_list.follow(point(known)) is Followed.LATER
        assert known.provider_list.listed == {}

    def test_an_opt_in_takes_it_off(self, known: House) -> None:
        known.text("STOP")
        follow_all(known)
        known.text("START", inbound_id="in-2")
        assert known.opt_outs_queue.asked[-1] == (point(known), timedelta(0))
        assert follow_all(known) == [Followed.REMOVED]
        assert known.provider_list.listed == {}

    def test_an_opt_in_to_one_purpose_takes_it_off_since_the_list_knows_none(self, known: House) -> None:
        known.text("STOP")
        follow_all(known)
        known.opt_outs.at_point(
            point(known), Channel.SMS, opted_out=False, at=known.now, by="p-1", purpose=Purpose.SERVICING
        )
        follow_all(known)
        assert known.provider_list.listed == {}

    def test_an_opt_out_of_one_purpose_is_not_listed(self, known: House) -> None:
        known.opt_outs.at_point(
            point(known), Channel.SMS, opted_out=True, at=known.now, by="p-1", purpose=Purpose.MARKETING
        )
        assert follow_all(known) == [Followed.NOTHING]
        assert known.provider_list.listed == {}

    def test_another_number_of_the_same_borrower_is_not_listed(self, house: House) -> None:
        parties = [party_document(), party_document(party_id="p-2", role="co_borrower", phone=OTHER)]
        house.know("b-1", loan_document(due_on=SOON), parties=parties)
        house.text("STOP")
        follow_all(house)
        assert set(house.provider_list.listed) == {PHONE}
        assert not is_out(house, OTHER)

    def test_a_stranger_s_is_not_listed_and_binds_all_the_same(self, house: House) -> None:
        house.text("STOP")
        assert follow_all(house) == [Followed.NOBODYS]
        assert is_out(house)

    def test_until_a_borrower_has_the_number(self, house: House) -> None:
        house.text("STOP")
        follow_all(house)
        house.know("b-1", loan_document(due_on=SOON))
        assert follow_all(house) == [Followed.LISTED]
        house.know("b-1", sequence=2)
        assert house.opt_outs_queue.asked == [], "once is enough"

    def test_a_number_of_another_provider_s_lines_never_leaves_the_house(self, house: House) -> None:
        house.know("b-1", jurisdiction="CN", zone="Asia/Shanghai")
        phone = house.borrower().parties[0].points[0].address
        house.text("退订", from_address=phone)
        assert follow_all(house) == [Followed.NOBODYS]
        assert house.provider_list.listed == {}

    def test_done_twice_it_is_done_once(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(CONFIRMED_WITHIN)
        did = [known.opt_out_list.follow(point(known)) for _ in range(3)]
        assert did == [Followed.LISTED, Followed.NOTHING, Followed.NOTHING]

    def test_a_text_that_is_delivered_again_asks_for_it_again(self, known: House) -> None:
        """The process died after the opt-out was recorded and before anybody was asked to write it through."""
        known.text("STOP")
        known.opt_outs_queue.asked.clear()
        known.text("STOP")
        assert known.opt_outs_queue.asked == [(point(known), CONFIRMED_WITHIN)]

    def test_a_number_that_the_provider_does_not_take(self, known: House) -> None:
        known.provider_list.refuses.add(PHONE)
        known.text("STOP")
        assert follow_all(known) == [Followed.NOT_TAKEN]
        assert is_out(known)

    def test_whoever_starts_while_it_is_being_listed_is_taken_off(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(CONFIRMED_WITHIN)
        put = known.provider_list.put

        def put_meanwhile(number: str) -> bool:
            known.text("START", inbound_id="in-2")
            return put(number)

        known.provider_list.put = put_meanwhile  # type: ignore[method-assign]
        assert known.opt_out_list.follow(point(known)) is Followed.REMOVED
        assert known.provider_list.listed == {}


class TestReadBack:
    def test_an_opt_out_made_at_the_provider_binds_at_the_next_reservation(self, known: House) -> None:
        message = known.rendered()
        opt_out_at_provider(known)
        assert known.opt_out_list.read().opted_out == 1
        known.send.send("b-1", message.key)
        assert known.message(message).reason is Reason.OPTED_OUT
        assert known.orders == []
        assert known.borrower().parties[0].points[0].blocked == frozenset({"*"})

    def test_of_somebody_who_is_no_borrower_yet(self, house: House) -> None:
        opt_out_at_provider(house)
        house.opt_out_list.read()
        house.know("b-1", loan_document(due_on=SOON))
        house.minute()
        assert house.orders == []

    def test_read_again_it_is_no_news(self, known: House) -> None:
        opt_out_at_provider(known)
        reads = [known.opt_out_list.read() for _ in range(3)]
        assert [(read.numbers, read.opted_out) for read in reads] == [(1, 1), (1, 0), (1, 0)]

    def test_an_opt_in_made_at_the_provider_takes_it_back(self, known: House) -> None:
        opt_out_at_provider(known)
        known.opt_out_list.read()
        known.clock.advance(DAY)
        del known.provider_list.listed[PHONE]
        assert known.opt_out_list.read().opted_in == 1
        assert not is_out(known)
        assert known.borrower().parties[0].points[0].blocked == frozenset()

    def test_and_leaves_what_had_been_opted_out_of_before(self, known: House) -> None:
        known.opt_outs.at_point(
            point(known), Channel.SMS, opted_out=True, at=known.now, by="p-1", purpose=Purpose.MARKETING
        )
        known.clock.advance(MINUTE)
        opt_out_at_provider(known)
        known.opt_out_list.read()
        known.clock.advance(DAY)
        del known.provider_list.listed[PHONE]
        known.opt_out_list.read()
        assert known.store.suppression(point(known)).blocked == frozenset({"sms#marketing"})

    def test_it_never_takes_back_what_was_said_to_us(self, known: House) -> None:
        known.text("STOP")
        follow_all(known)
        known.clock.advance(DAY)
        del known.provider_list.listed[PHONE]  # somebody with a console
        assert known.opt_out_list.read().opted_in == 0
        assert is_out(known)
        assert follow_all(known) == [Followed.LISTED]
        assert set(known.provider_list.listed) == {PHONE}

    def test_nor_a_stop_that_came_after_it(self, known: House) -> None:
        opt_out_at_provider(known)
        known.opt_out_list.read()
        known.clock.advance(DAY)
        del known.provider_list.listed[PHONE]
        known.text("STOP")
        known.clock.advance(MINUTE)
        known.opt_out_list.read()
        assert is_out(known)

    def test_nor_a_stop_that_came_just_before_it_was_listed_there(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(timedelta(seconds=1))
        opt_out_at_provider(known)  # the carrier heard it too
        known.opt_out_list.read()
        known.clock.advance(DAY)
        del known.provider_list.listed[PHONE]
        known.opt_out_list.read()
        assert is_out(known)

    def test_an_opt_in_to_us_takes_it_off_their_list(self, known: House) -> None:
        opt_out_at_provider(known)
        known.opt_out_list.read()
        known.clock.advance(DAY)
        known.text("START")
        assert follow_all(known) == [Followed.REMOVED]
        assert not is_out(known)

    def test_our_own_entry_does_not_come_back_as_somebody_s_word(self, known: House) -> None:
        """Put on the list, and dead before that was written down; a START; and then the list is read."""
        known.text("STOP")
        known.clock.advance(CONFIRMED_WITHIN)
        listings_put = known.listings.put

        def dies(listing: object) -> None:
            if known.provider_list.listed:
                raise TransientError("gone")
            listings_put(listing)  # type: ignore[arg-type]

        known.listings.put = dies  # type: ignore[method-assign]
        with pytest.raises(TransientError):
            known.opt_out_list.follow(point(known))
        known.listings.put = listings_put  # type: ignore[method-assign]
        assert known.provider_list.listed
        known.text("START", inbound_id="in-2")
        known.clock.advance(DAY)
        known.opt_out_list.read()
        assert not is_out(known)
        assert known.provider_list.listed == {}

    def test_what_was_never_put_is_put_by_a_later_reading(self, known: House) -> None:
        known.text("STOP")
        known.clock.advance(CONFIRMED_WITHIN)
        put = known.provider_list.put

        def fails(number: str) -> bool:
            raise TransientError("opt-out list")

        known.provider_list.put = fails  # type: ignore[method-assign]
        with pytest.raises(TransientError):
            known.opt_out_list.follow(point(known))
        known.provider_list.put = put  # type: ignore[method-assign]
        known.opt_outs_queue.asked.clear()
        known.clock.advance(DAY)
        known.opt_out_list.read()
        follow_all(known)
        assert set(known.provider_list.listed) == {PHONE}

    def test_what_was_listed_while_it_was_being_read_has_not_left_it(self, known: House) -> None:
        known.text("STOP")
        follow_all(known)
        listed, known.provider_list.listed = known.provider_list.listed, {}
        known.opt_out_list.read()
        (listing,) = known.listings.listings()
        assert listing.state is ListingState.OURS
        known.provider_list.listed = listed

    def test_a_number_that_the_provider_keeps_is_told_and_tried_again(self, known: House) -> None:
        known.text("STOP")
        follow_all(known)
        known.provider_list.keeps.add(PHONE)
        known.text("START", inbound_id="in-2")
        assert follow_all(known) == [Followed.KEPT]
        assert known.opt_out_list.read().kept == 1
        known.provider_list.keeps.clear()
        known.opt_out_list.read()
        assert known.provider_list.listed == {}


class TestRefusedBecauseOfTheList:
    def test_it_is_the_provider_s_word_and_leaves_with_its_list(self, known: House) -> None:
        """Opted out at the provider; a text is refused before the list was read; opted in at the provider again."""
        known.opt_outs.at_point(
            point(known), Channel.SMS, opted_out=True, at=known.now, by="p-1", purpose=Purpose.MARKETING
        )
        opt_out_at_provider(known)
        known.clock.advance(MINUTE)
        known.answer(Refused(Reason.PROVIDER_OPTED_OUT))
        known.sent()
        assert is_out(known)
        assert known.opt_out_list.read().opted_out == 0, "it is known"
        known.clock.advance(DAY)
        del known.provider_list.listed[PHONE]
        assert known.opt_out_list.read().opted_in == 1
        assert known.store.suppression(point(known)).blocked == frozenset({"sms#marketing"})

    def test_and_leaves_a_stop_that_came_since(self, known: House) -> None:
        opt_out_at_provider(known)
        known.answer(Refused(Reason.PROVIDER_OPTED_OUT))
        known.sent()
        known.clock.advance(MINUTE)
        known.text("STOP")
        known.opt_out_list.read()
        known.clock.advance(DAY)
        del known.provider_list.listed[PHONE]
        known.opt_out_list.read()
        assert is_out(known)

    def test_it_is_an_opt_out(self, known: House) -> None:
        known.answer(Refused(Reason.PROVIDER_OPTED_OUT))
        message = known.sent()
        assert known.message(message).state is MessageState.FAILED
        assert is_out(known)

    def test_unless_it_is_just_being_taken_off(self, known: House) -> None:
        """STOP, listed, START: the text after it is refused, and the person stays opted in."""
        known.text("STOP")
        follow_all(known)
        known.text("START", inbound_id="in-2")
        known.answer(Refused(Reason.PROVIDER_OPTED_OUT))
        known.minute()
        (refused,) = (message for message in known.messages() if message.state is MessageState.FAILED)
        assert refused.reason is Reason.PROVIDER_OPTED_OUT
        assert not is_out(known)
        follow_all(known)
        assert known.provider_list.listed == {}


def brittle(call: Callable[[Asked], Answer], random: Random) -> Callable[[Asked], Answer]:
    """The call of a process that dies before or after it, now and then."""

    def called(asked: Asked) -> Answer:
        before, after = random.random() < 0.15, random.random() < 0.15
        if before:
            raise TransientError("before")
        answer = call(asked)
        if after:
            raise TransientError("after")
        return answer

    return called


def test_in_the_end_list_and_item_agree_whatever_happened_and_whoever_died() -> None:
    """Texts, console and reading in many orders, and processes that die around every call."""
    for seed in range(60):
        random, house = Random(seed), House(NOW)
        house.know("b-1", loan_document(due_on=SOON))
        calls = ((house.provider_list, "put"), (house.provider_list, "remove"), (house.listings, "put"))
        sound = [getattr(holder, name) for holder, name in calls]
        for (holder, name), call in zip(calls, sound, strict=True):
            setattr(holder, name, brittle(call, random))
        last_said_to_us = ""
        for number in range(14):
            house.clock.advance(timedelta(minutes=random.choice((1, 4, 7, 30))))
            what = random.choice(("STOP", "START", "follow", "read", "console", "HELP"))
            try:
                match what:
                    case "STOP" | "START":
                        last_said_to_us = what
                        house.text(what, inbound_id=f"in-{number}")
                    case "follow":
                        queue, house.opt_outs_queue.asked = house.opt_outs_queue.asked, []
                        for index, (each, _) in enumerate(queue):
                            try:
                                house.opt_out_list.follow(each)
                            except TransientError:
                                house.opt_outs_queue.asked += queue[index:]
                                raise
                    case "read":
                        house.opt_out_list.read()
                    case "console":
                        if house.provider_list.listed.pop(PHONE, None) is None and last_said_to_us != "START":
                            opt_out_at_provider(house, by_person=random.random() < 0.5)
            except TransientError:
                pass
            if last_said_to_us == "STOP":
                assert is_out(house), (seed, number, what)
        for (holder, name), call in zip(calls, sound, strict=True):
            setattr(holder, name, call)
        for _ in range(4):
            house.clock.advance(DAY)
            follow_all(house)
            house.opt_out_list.read()
        assert is_out(house) == (PHONE in house.provider_list.listed), seed
        assert is_out(house) or last_said_to_us != "STOP", seed
        assert house.borrower().parties[0].points[0].blocked == (frozenset({"*"}) if is_out(house) else frozenset()), (
            seed
        )
