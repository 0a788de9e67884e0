"""What providers say, through the real services: twice, out of order, unproven, or in place of the person."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from dunlin.adapters.providers import WebhookSecrets
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.adapters.webhooks import receive
from dunlin.domain.agreements import TaskKind
from dunlin.domain.intents import Intent, Topic, Understood
from dunlin.domain.message import Message
from dunlin.domain.words import Channel, HoldKind, MessageState, Reason
from dunlin.errors import InvalidInput, TransientError
from dunlin.services.ports import Accepted, DeliveryReport, Unsettled

from tests.builders import NOW, PHONE, TODAY, House, loan_document
from tests.webhook_requests import GOOD, SECRETS, TOKEN, request

DELIVERED, FAILED, UNKNOWN = MessageState.DELIVERED, MessageState.FAILED, MessageState.UNKNOWN
SOON = TODAY + timedelta(days=7)


@pytest.fixture
def known(house: House) -> House:
    house.know("b-1", loan_document(due_on=SOON))
    return house


def unproven(message: Message, state: MessageState | None = DELIVERED, **changes: Any) -> DeliveryReport:
    """As Alibaba Cloud's: with our reference, and signed by nothing."""
    reason = Reason.DELIVERED if state is DELIVERED else Reason.INVALID_NUMBER
    report = DeliveryReport(message.ref, state, reason, NOW, message.provider_message_id, is_signed=False)
    return replace(report, **changes)


def nameless(message: Message, **changes: Any) -> DeliveryReport:
    """As Tencent Cloud's: with the number and the provider's id only."""
    return unproven(message, ref="", address=PHONE, **changes)


def test_an_unproven_report_confirms_what_was_handed_over(known: House) -> None:
    message = known.sent()
    assert known.reports.receive(unproven(message))
    assert not known.reports.receive(unproven(message))
    assert known.message(message).state is DELIVERED


def test_an_unproven_report_has_to_know_the_provider_s_id(known: House) -> None:
    message = known.sent()
    before = known.message(message)
    for state in (DELIVERED, FAILED, UNKNOWN, None):
        with pytest.raises(InvalidInput, match="provider_message_id"):
            known.reports.receive(unproven(message, state, provider_message_id="guessed", point_unusable=True))
    assert known.message(message) == before


def test_an_unproven_report_never_reopens_a_send(known: House) -> None:
    message = known.rendered()
    with pytest.raises(InvalidInput, match="handed over"):
        known.reports.receive(unproven(message, provider_message_id="provider-1"))
    known.send.send("b-1", message.key)
    sent = known.message(message)
    assert known.reports.receive(unproven(sent, FAILED))
    handed_over = len(known.orders)
    for state in (DELIVERED, FAILED, UNKNOWN, None):
        assert not known.reports.receive(unproven(sent, state))
    known.run_until(known.now + timedelta(hours=1))
    assert [order.ref for order in known.orders[:handed_over]].count(message.ref) == 1
    assert sum(order.ref == message.ref for order in known.orders) == 1


def test_where_the_answer_was_lost_only_an_arrival_is_taken(known: House) -> None:
    message = known.rendered()
    known.answer(Unsettled(Reason.TIMED_OUT))
    known.send.send("b-1", message.key)
    with pytest.raises(InvalidInput, match="provider_message_id"):
        known.reports.receive(unproven(message, FAILED, provider_message_id="x"))
    assert known.reports.receive(unproven(message, provider_message_id="biz-1"))
    assert known.message(message).state is DELIVERED
    assert len(known.orders) == 1


def test_a_report_in_the_middle_of_the_hand_over_waits(known: House) -> None:
    message = known.rendered()

    def fast(_: object) -> Accepted:
        with pytest.raises(TransientError):
            known.reports.receive(unproven(message, provider_message_id="provider-1"))
        with pytest.raises(TransientError):
            known.reports.receive(nameless(message, provider_message_id="provider-1"))
        return Accepted("provider-1")

    known.sender.hand_over = fast  # type: ignore[method-assign, assignment]
    known.send.send("b-1", message.key)
    sent = known.message(message)
    assert sent.provider_message_id == "provider-1"
    assert known.reports.receive(nameless(sent))


def test_a_report_without_a_reference_is_found_by_number_and_id(known: House) -> None:
    message = known.sent()
    for changes in ({"provider_message_id": "guessed"}, {"address": "+12125550199"}):
        with pytest.raises(InvalidInput, match="ref"):
            known.reports.receive(replace(nameless(message), **changes))  # type: ignore[arg-type]
    assert known.reports.receive(nameless(message))
    assert not known.reports.receive(nameless(message))
    assert known.message(message).state is DELIVERED


def test_a_number_that_the_provider_s_list_has_is_opted_out_once(known: House) -> None:
    message = known.sent()
    report = DeliveryReport(message.ref, FAILED, Reason.PROVIDER_OPTED_OUT, NOW, message.provider_message_id)
    assert known.reports.receive(report)
    point = known.keys.point(Channel.SMS, PHONE)
    assert known.store.suppression(point).blocked
    known.clock.now += timedelta(hours=1)
    known.text("START")
    assert not known.store.suppression(point).blocked
    assert not known.reports.receive(report)
    assert not known.store.suppression(point).blocked, "a repeated report speaks of the past"


# ── Texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unproven_text_can_opt_out_and_nobody_is_written_to(known: House) -> None:
    assert known.text("STOP", is_signed=False).changed
    assert known.store.suppression(known.keys.point(Channel.SMS, PHONE)).blocked
    assert known.messages() == []


@pytest.mark.parametrize("words", ["START", "HELP", "YES", "I will pay on Friday"])
def test_an_unproven_text_opens_nothing_and_a_person_reads_it(known: House, words: str) -> None:
    known.meant["I will pay on Friday"] = Understood(Intent.PROMISE, 0.9, "en", on=NOW.date() + timedelta(days=3))
    known.text("STOP")
    written = len(known.messages())
    known.clock.now += timedelta(minutes=5)
    received = known.text(words, inbound_id="in-2", is_signed=False)
    assert (received.intent, received.topic) == (Intent.SERVICE, Topic.PERSON)
    assert known.store.suppression(known.keys.point(Channel.SMS, PHONE)).blocked
    assert len(known.messages()) == written
    assert not known.borrower().promises
    assert [task.kind for task in known.borrower().tasks] == [TaskKind.SERVICE]


@pytest.mark.parametrize(
    ("intent", "hold"),
    [
        (Intent.CRISIS, HoldKind.CRISIS),
        (Intent.HARDSHIP, HoldKind.HARDSHIP),
        (Intent.DISPUTE, HoldKind.DISPUTE),
        (Intent.PAID, HoldKind.PAID_CLAIMED),
    ],
)
def test_an_unproven_text_stops_what_a_proven_one_stops(known: House, intent: Intent, hold: HoldKind) -> None:
    """Who writes through a provider that signs nothing is not dunned on because of it."""
    known.meant["words"] = Understood(intent, 0.9, "zh-Hans")
    known.text("words", is_signed=False)
    assert hold in {each.kind for each in known.borrower().holds}
    assert known.borrower().tasks
    assert known.messages() == []


def test_the_provider_s_stop_counts_whatever_the_words_and_is_not_confirmed_twice(known: House) -> None:
    received = known.text("please stop texting me", provider_opted_out=True)
    assert received.intent is Intent.OPT_OUT
    assert known.store.suppression(known.keys.point(Channel.SMS, PHONE)).blocked
    assert known.messages() == []
    assert not known.text("please stop texting me", provider_opted_out=True).changed


# ── From the bytes to the ledger ─────────────────────────────────────────────────────────────────────────────────────

STATUSES = ("queued", "sent", "delivered", "undelivered")


@pytest.mark.parametrize("order", list(itertools.permutations(STATUSES)))
def test_twilio_s_callbacks_in_any_order_and_twice_end_a_message_once(known: House, order: tuple[str, ...]) -> None:
    message = known.sent()
    settled = 0
    for status in (*order, *order):
        payload = {**GOOD["twilio"]["reports"], "MessageStatus": status, "ErrorCode": ""}
        [body] = receive(request("twilio", "reports", payload), SECRETS["twilio"], NOW).accepted
        report = replace(parse_report(body, NOW), ref=message.ref)
        settled += known.reports.receive(report)
    final = next(status for status in order if status in {"delivered", "undelivered"})
    ended = known.message(message)
    assert settled == 1
    assert ended.state is (DELIVERED if final == "delivered" else FAILED)
    assert sum(move.state in {DELIVERED, FAILED} for move in ended.moves) == 1


@pytest.mark.parametrize("provider", ["twilio", "vonage_sms", "vonage_messages", "sinch"])
def test_the_same_text_twice_is_one_text(known: House, provider: str) -> None:
    secrets: WebhookSecrets = SECRETS[provider]
    assert secrets.path_token == TOKEN
    at = known.now
    bodies = [receive(request(provider, "inbound", at=at), secrets, at).accepted for _ in range(2)]
    texts = [parse_inbound(body, at) for [body] in bodies]
    assert texts[0] == texts[1]
    assert [known.inbound.receive(text).changed for text in texts] == [True, False]
    assert known.store.suppression(known.keys.point(Channel.SMS, PHONE)).blocked
