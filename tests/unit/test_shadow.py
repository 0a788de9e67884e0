"""Shadow mode: everything is decided, worded, judged and recorded as if it were sent, and nothing is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.hours import local_date
from dunlin.domain.ledger import verify
from dunlin.domain.message import Message
from dunlin.domain.words import CaseOutcome, MessageState, Reason, SendingMode
from dunlin.entry.bootstrap import Runtime
from dunlin.entry.settings import Settings
from dunlin.errors import ConfigurationError
from dunlin.services.ports import NotAccepted
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import MINUTE, NEW_YORK, NOW, TODAY, House, loan_document, overdue_document, party_document

MODES = (SendingMode.LIVE, SendingMode.SHADOW)
BOTH = (party_document(email="jo@mail.example"),)


def shadow() -> House:
    return House(mode=SendingMode.SHADOW)


def told(house: House, message: Message) -> bool:
    return message.reason is Reason.SHADOW or message.state in (MessageState.DELIVERED, MessageState.SENT)


def said(house: House, *borrowers: str) -> list[tuple[object, ...]]:
    """Every decision: what was said to whom, on which channel, in which words, on which local day; and what was not."""
    decisions: list[tuple[object, ...]] = []
    for borrower_id in borrowers:
        for message in house.messages(borrower_id):
            went = told(house, message)
            at = (message.reserved_at or message.settled_at) if went else message.settled_at
            assert at is not None
            decisions.append(
                (
                    *(message.ref, message.stage, message.channel, message.template, local_date(at, NEW_YORK)),
                    *(message.body, message.subject, message.figures, message.parts, message.occupies_until),
                    went or message.reason,
                )
            )
    return decisions


class TestOneMessage:
    def test_ends_with_its_words_and_its_time_and_goes_nowhere(self) -> None:
        house = shadow()
        house.know("b-1", loan_document())
        message = house.sent()
        assert house.orders == []
        assert (message.state, message.reason, message.rule) == (
            MessageState.SUPPRESSED,
            Reason.SHADOW,
            "sending_mode",
        )
        assert message.body
        assert message.figures
        assert message.parts
        assert (message.settled_at, message.reserved_at, message.sent_at) == (NOW, None, None)
        assert (message.entry_hash, message.previous_hash, message.attend_at) == ("", "", None)
        assert message.moves[-1].state is MessageState.SUPPRESSED
        house.check_ends()

    def test_leaves_the_borrower_as_a_reservation_does(self) -> None:
        after = []
        for mode in MODES:
            house = House(mode=mode)
            house.know("b-1", loan_document())
            before = house.borrower()
            house.sent()
            borrower = house.borrower()
            assert borrower.version == before.version + 2, "asked for, and told"
            assert len(borrower.contacts) == 1
            assert {mark.status for mark in borrower.marks if mark.message_key} >= {"told"}
            after.append(replace(borrower, chain_head="", revision=0))
        assert after[0] == after[1]

    def test_is_no_entry_of_the_chain(self) -> None:
        """A chain that began live goes on live: what was only thought of in between has no place in it."""
        house = House()
        house.know("b-1", loan_document())
        house.sent()
        head = house.borrower().chain_head
        assert head
        house.send._mode = SendingMode.SHADOW
        house.text("HELP", inbound_id="in-1")
        house.clock.advance(MINUTE)
        house.minute()
        assert [m.reason for m in house.messages() if m.stage == "help"] == [Reason.SHADOW]
        assert house.borrower().chain_head == head
        house.check_ledger()
        house.send._mode = SendingMode.LIVE
        house.text("HELP", inbound_id="in-2")
        house.minute()
        assert house.borrower().chain_head != head
        assert verify(house.messages(), house.borrower().chain_head) is None
        assert sum(bool(m.entry_hash) for m in house.messages()) == 2

    def test_twice_is_once(self) -> None:
        house = shadow()
        house.know("b-1", loan_document())
        message = house.sent()
        assert house.send.send("b-1", message.key) is None
        assert house.message(message) == message
        assert len(house.borrower().contacts) == 1

    def test_an_opt_out_is_stronger(self) -> None:
        house = shadow()
        house.know("b-1", loan_document())
        message = house.rendered()
        house.text("STOP")
        assert house.send.send("b-1", message.key) is MessageState.SUPPRESSED
        assert house.message(message).reason is Reason.OPTED_OUT

    def test_the_confirmation_of_an_opt_out_is_not_sent_either(self) -> None:
        house = shadow()
        house.know("b-1", loan_document())
        house.text("STOP")
        house.minute()
        (confirmation,) = (m for m in house.messages() if m.stage == "opt_out_confirmation")
        assert (confirmation.state, confirmation.reason) == (MessageState.SUPPRESSED, Reason.SHADOW)
        assert confirmation.body
        assert house.orders == []
        assert house.borrower().contacts == ()

    def test_what_was_reserved_before_the_mode_changed_is_not_tried_again(self) -> None:
        house = House()
        house.know("b-1", loan_document())
        house.answer(NotAccepted(Reason.THROTTLED))
        message = house.sent()
        assert message.may_retry
        house.send._mode = SendingMode.SHADOW
        house.clock.advance(timedelta(minutes=1))
        house.pace_lines()
        assert house.send.retry("b-1", message.key) is MessageState.FAILED
        assert len(house.orders) == 1
        message = house.message(message)
        assert (message.state, message.reason) == (MessageState.FAILED, Reason.SHADOW)
        assert house.borrower().contacts == ()

    def test_an_occasion_it_has_told_is_not_asked_for_again(self) -> None:
        """The borrower forgot (a restored table): the message is adopted, as one that was sent would be."""
        house = shadow()
        house.know("b-1", loan_document())
        house.sent()
        borrower = house.borrower()
        house.store.borrowers["b-1"] = replace(borrower, marks=(), contacts=(), wake_at=house.now)
        before = house.messages()
        house.wake()
        assert [m for m in house.messages() if m.is_stoppable] == []
        assert len([m for m in house.messages() if m.reason is Reason.SHADOW]) == len(
            [m for m in before if m.reason is Reason.SHADOW]
        )


class TestBesideALiveRun:
    def test_reminders_tiers_and_the_person(self) -> None:
        houses = []
        for mode in MODES:
            house = House(mode=mode)
            house.know("b-1", loan_document(due_on=TODAY + timedelta(days=9)))
            late = loan_document(due_on=TODAY - timedelta(days=4), overdue=overdue_document("120.50"))
            house.know("b-2", late, parties=[party_document(phone="+12125550144")])
            house.run_days(60)
            houses.append(house)
        live, beside = houses
        assert beside.orders == []
        assert len(live.orders) > 5
        assert said(live, "b-1", "b-2") == said(beside, "b-1", "b-2")
        assert live.executions.ended == beside.executions.ended
        assert CaseOutcome.REFERRED in beside.executions.ended.values()
        for house in houses:
            house.check_ledger()
            house.check_ends()

    @given(st.data())
    @settings(max_examples=10)
    def test_any_life(self, data: st.DataObject) -> None:
        """The same facts, texts and days: the same decisions, to the word; and not one call to a provider."""
        due = data.draw(st.integers(-40, 10), label="due in")
        steps = data.draw(
            st.lists(
                st.tuples(st.integers(1, 9), st.sampled_from(("nothing", "HELP", "STOP", "START", "pay", "hold"))),
                max_size=4,
            ),
            label="days and what then",
        )
        houses = []
        for mode in MODES:
            house = House(mode=mode)
            overdue = {"overdue": overdue_document("120.50")} if due < 0 else {}
            loan = loan_document(due_on=TODAY + timedelta(days=due), **overdue)  # type: ignore[arg-type]
            house.know("b-1", loan, parties=BOTH)
            for number, (days, what) in enumerate(steps):
                house.run_days(days)
                match what:
                    case "pay":
                        house.pay(f"p-{number}")
                    case "hold":
                        house.tell("hold.placed", hold={"hold_id": "h", "kind": "dispute", "source": "agent"})
                        house.run_days(5)
                        house.tell("hold.lifted", hold={"hold_id": "h"})
                    case "nothing":
                        pass
                    case text:
                        house.text(text, inbound_id=f"in-{number}", received_at=house.now)
                house.run_until(house.now + timedelta(hours=30))
            houses.append(house)
        live, beside = houses
        assert beside.orders == []
        assert said(live, "b-1") == said(beside, "b-1")
        assert live.executions.ended == beside.executions.ended
        beside.check_ledger()


class TestTheSetting:
    @pytest.mark.parametrize("value", ["", "Live", "LIVE", "on", "true", "shadow ", "dry-run"])
    def test_anything_else_fails_at_cold_start(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("DUNLIN_ENVIRONMENT", "prod")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("SENDING_MODE", value)
        with pytest.raises(ConfigurationError, match="SENDING_MODE: must be one of live, shadow"):
            Settings.from_environment()

    @pytest.mark.parametrize("mode", MODES)
    def test_is_one_of_two(self, monkeypatch: pytest.MonkeyPatch, mode: SendingMode) -> None:
        monkeypatch.setenv("DUNLIN_ENVIRONMENT", "prod")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("SENDING_MODE", str(mode))
        assert Runtime(Settings.from_environment(), lambda: NOW).sending_mode is mode

    def test_has_no_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SENDING_MODE", raising=False)
        runtime = Runtime(Settings("f", "us-east-1", "prod", None), lambda: NOW)
        with pytest.raises(ConfigurationError, match="SENDING_MODE: must be set"):
            _ = runtime.sending_mode

    def test_in_shadow_no_client_is_built(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither the content, nor a secret, nor the SDK is asked: there is nothing to build a client from."""
        runtime = Runtime(Settings("f", "us-east-1", "prod", SendingMode.SHADOW), lambda: NOW)
        monkeypatch.setattr("boto3.client", None)
        assert runtime.senders == {}
