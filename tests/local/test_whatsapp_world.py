"""The simulated WhatsApp: what it takes by the service's model, what a person reads, when free words are too late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from dunlin.adapters.reports import parse_reports, parse_texts
from dunlin.adapters.senders import one_attempt
from dunlin.adapters.senders.whatsapp import WhatsAppSender
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.services.ports import Accepted, HandOver, NotAccepted, Refused, Unsettled

from local.simulator.faults import Faults
from local.simulator.simulator import Delivered, Simulator
from local.simulator.whatsapp import WHATSAPP, WhatsAppAccount, account_in
from local.world import CONTENT
from tests.local.test_simulator import START, Clock, order

PERSON = "+447700900211"
ACCOUNT = WhatsAppAccount("+447700900143", "phone-number-id-0a1b", {"due/en_GB": "Marram: {{1}} is due on {{2}}."})
BODY = "Marram: £12 is due on 3 Dec."


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def written(body: str = BODY, purpose: Purpose = Purpose.SERVICING) -> HandOver:
    text = order(provider="aws_sms")
    line = replace(
        text.line,
        channel=Channel.WHATSAPP,
        provider=WHATSAPP,
        origination=ACCOUNT.number,
        registrations=(("phone_number_id", ACCOUNT.number_id),),
        templates=tuple(ACCOUNT.templates.items()),
    )
    return replace(text, line=line, address=PERSON, body=body, purpose=purpose)


@contextmanager
def sender_to(simulator: Simulator) -> Iterator[WhatsAppSender]:
    client = boto3.client("socialmessaging", endpoint_url=simulator.url, config=one_attempt(2.0, 1.0))
    try:
        yield WhatsAppSender(client)
    finally:
        client.close()


def reports(simulator: Simulator, until: Any) -> list[Any]:
    return [report for each in simulator.due(until) for report in parse_reports(json.loads(json.dumps(each.payload)))]


def test_a_person_reads_what_meta_composes_and_the_status_names_our_message(clock: Clock) -> None:
    seen: list[Delivered] = []
    with (
        Simulator(clock, 1, Faults(), whatsapp=ACCOUNT, on_delivered=seen.append) as simulator,
        sender_to(simulator) as sender,
    ):
        assert isinstance(sender.hand_over(written()), Accepted)
        (report,) = reports(simulator, START + timedelta(days=1))
    assert [each.body for each in seen] == [BODY]
    assert (report.ref, report.state) == (written().ref, MessageState.DELIVERED)
    (row,) = simulator.record.rows()
    assert (row["channel"], row["context"]) == ("whatsapp", {"type": "template"})


def test_free_words_are_taken_for_a_day_and_fail_after_it(clock: Clock) -> None:
    answer = written("Marram: you are opted out.", Purpose.REPLY)
    with Simulator(clock, 1, Faults(), whatsapp=ACCOUNT) as simulator, sender_to(simulator) as sender:
        assert isinstance(sender.hand_over(answer), Accepted)
        (report,) = reports(simulator, START + timedelta(minutes=5))
        assert (report.state, report.reason) == (MessageState.FAILED, Reason.INVALID_MESSAGE)
        simulator.send_inbound(PERSON, ACCOUNT.number, "STOP", START + timedelta(minutes=6))
        (inbound,) = simulator.due(START + timedelta(minutes=10))
        (text,) = parse_texts(inbound.payload, START + timedelta(minutes=10))
        assert (text.text, text.from_address, text.channel) == ("STOP", PERSON, Channel.WHATSAPP)
        assert text.inbound_id == simulator.record.inbound[0].inbound_id
        clock.now = START + timedelta(minutes=10)
        assert isinstance(sender.hand_over(replace(answer, ref=f"{answer.ref}1")), Accepted)
        (report,) = reports(simulator, START + timedelta(minutes=20))
        assert report.state is MessageState.DELIVERED
        clock.now = START + timedelta(hours=25)
        assert isinstance(sender.hand_over(replace(answer, ref=f"{answer.ref}2")), Accepted)
        (report,) = reports(simulator, START + timedelta(hours=26))
        assert report.state is MessageState.FAILED


@pytest.mark.parametrize(
    ("faults", "result"),
    [
        (Faults(throttled=1.0), NotAccepted(Reason.THROTTLED)),
        (Faults(error_before=1.0), Unsettled(Reason.PROVIDER_ERROR)),
        (Faults(time_out=1.0), Unsettled(Reason.TIMED_OUT)),
    ],
)
def test_what_goes_wrong_has_the_shape_of_the_service_s_errors(clock: Clock, faults: Faults, result: object) -> None:
    with (
        Simulator(clock, 1, faults, whatsapp=ACCOUNT, hold_seconds=3.0) as simulator,
        sender_to(simulator) as sender,
    ):
        assert sender.hand_over(written()) == result


def test_a_template_that_is_not_on_file_and_another_s_number_are_turned_away(clock: Clock) -> None:
    unfiled = replace(ACCOUNT, templates={})
    others = replace(ACCOUNT, number_id="phone-number-id-9z")
    for account in (unfiled, others):
        with Simulator(clock, 1, Faults(), whatsapp=account) as simulator, sender_to(simulator) as sender:
            assert sender.hand_over(written()) == Refused(Reason.INVALID_MESSAGE)
            assert [entry.accepted for entry in simulator.record.hand_overs] == [False]


def test_the_account_of_the_demo_is_the_lender_s_line() -> None:
    account = account_in(CONTENT)
    assert account.number == "+447700900143"
    assert account.number_id.startswith("phone-number-id-")
    assert "reminder_7/en_GB" in account.templates
