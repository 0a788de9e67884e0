"""The providers' simulator: real clients against it, every fault, and the same run from the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import active_count
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from dunlin.adapters.opt_out_list import SmsVoiceOptOutList
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.adapters.senders import (
    FinanceSmsKey,
    FinanceSmsSender,
    SesSender,
    SmsVoiceSender,
    SnsSender,
    one_attempt,
    sms_voice_client,
)
from dunlin.adapters.senders.push import PushSender
from dunlin.adapters.unsubscribe import UnsubscribeLinks
from dunlin.adapters.webhooks import WebhookRequest, WebhookSecrets, receive
from dunlin.domain.policy import Line
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted, Refused, Sender, Unsettled

from local.simulator import Delivered, Faults, HandOverReceived, Outgoing, Simulator, Stirred
from local.simulator.meter import Meter
from local.simulator.payloads import Order
from local.simulator.shapes import check_output, error_shape, input_problems

pytestmark = pytest.mark.enable_socket

START = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)
PHONE = "+12065550152"
LINE = "+12065550100"
MAINLAND = "+8613800138000"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def order(number: int = 0, provider: str = "aws_sms", **changes: Any) -> HandOver:
    origination, address, channel = {
        "aws_sms": (LINE, PHONE, Channel.SMS),
        "aws_sns": (LINE, PHONE, Channel.SMS),
        "finance_sms": ("10690001", MAINLAND, Channel.SMS),
        "aws_ses": ("loans@example.com", "borrower@example.com", Channel.EMAIL),
    }[provider]
    line = Line(
        line_id=provider,
        jurisdiction="US",
        channel=channel,
        provider=provider,
        origination=origination,
        purposes=frozenset(Purpose),
        parts_per_second=1.0,
        links="none",
        opt_out_line="required",
        signature="测试金融",
    )
    given = HandOver(
        ref=f"b-{number:04}/2026-03-10#tier_1#1#{channel}#0",
        reserved_at=START,
        line=line,
        purpose=Purpose.SERVICING,
        address=address,
        subject="Your payment",
        body="Test Lender: 120.50 USD is due on 12 March.",
        ttl_seconds=3600,
        locale="en-US",
        point="5e" * 32,
    )
    return replace(given, **changes)


@contextmanager
def sender_to(simulator: Simulator, provider: str = "aws_sms", read_timeout: float = 2.0) -> Iterator[Sender]:
    if provider == "finance_sms":
        keys = simulator.finance_keys
        finance = FinanceSmsSender(
            simulator.url,
            FinanceSmsKey(keys.key_id, keys.secret),
            simulator.now,
            read_timeout=read_timeout,
            connect_timeout=1.0,
        )
        yield finance
        finance.close()
    elif provider == "aws_sns":
        publisher = boto3.client("sns", endpoint_url=simulator.url, config=one_attempt(read_timeout, 1.0))
        yield SnsSender(publisher)
        publisher.close()
    elif provider == "aws_ses":
        mail = boto3.client("sesv2", endpoint_url=simulator.url, config=one_attempt(read_timeout, 1.0))
        yield SesSender(mail, unsubscribe=UnsubscribeLinks("key", "https://stop.example"))
        mail.close()
    else:
        texts = sms_voice_client(read_timeout, 1.0, endpoint_url=simulator.url)
        yield SmsVoiceSender(texts)
        texts.close()


def run_out(simulator: Simulator, clock: Clock) -> list[Outgoing]:
    """Move the clock from event to event until nothing is left."""
    heard: list[Outgoing] = []
    while (next_due := simulator.next_due()) is not None:
        clock.now = max(clock.now, next_due)
        heard.extend(simulator.due(clock.now))
    return heard


PROVIDERS = ["aws_sms", "finance_sms", "aws_ses"]
ANSWERING = [*PROVIDERS, "aws_sns"]

# ── A good day ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_message_is_accepted_delivered_and_reported(clock: Clock, provider: str) -> None:
    felt: list[Delivered] = []
    with Simulator(clock, 1, Faults(), on_delivered=felt.append) as simulator:
        with sender_to(simulator, provider) as sender:
            given = order(provider=provider)
            result = sender.hand_over(given)
        assert isinstance(result, Accepted)
        heard = run_out(simulator, clock)

    [entry] = simulator.record.hand_overs
    assert entry == HandOverReceived(
        at=START.isoformat(),
        provider=provider,
        from_address=given.line.origination,
        to_address=given.address,
        body=given.body,
        subject={"aws_sms": "", "finance_sms": "测试金融", "aws_ses": "Your payment"}[provider],
        ref=given.ref,
        context=entry.context,
        reserved_at=START.isoformat(),
        ttl_seconds=None if provider == "aws_ses" else 3600,
        attempt=1,
        accepted=True,
        answer="OK",
        provider_message_id=result.provider_message_id,
        delivered_at=entry.delivered_at,
        final_report=entry.final_report,
        final_report_at=entry.final_report_at,
    )
    assert [each.ref for each in felt] == [given.ref]
    body = read(heard[-1])
    report = parse_report(body, clock.now)
    assert (report.ref, report.state, report.provider_message_id) == (
        given.ref,
        MessageState.DELIVERED,
        result.provider_message_id,
    )
    assert entry.delivered_at is not None
    assert abs(report.at - datetime.fromisoformat(entry.delivered_at)) < timedelta(seconds=1)
    assert entry.final_report_at == heard[-1].at.isoformat()


def read(outgoing: Outgoing) -> dict[str, object]:
    """What a queue of the application would hold."""
    if outgoing.provider == "finance_sms":
        return {"provider": "finance_sms", "kind": outgoing.kind, "payload": outgoing.payload}
    return dict(outgoing.payload)


def test_a_borrower_answers_from_inside_the_delivery(clock: Clock) -> None:
    def answer(text: Delivered) -> None:
        simulator.send_inbound(text.to_address, text.from_address, "STOP", text.at + timedelta(seconds=30))

    with Simulator(clock, 1, Faults(), on_delivered=answer) as simulator, sender_to(simulator) as sender:
        result = sender.hand_over(order())
        heard = simulator.due(clock.now + timedelta(hours=1))

    assert [each.at for each in heard] == sorted(each.at for each in heard)
    [inbound] = [each for each in heard if each.kind == "inbound"]
    assert isinstance(result, Accepted)
    assert inbound.payload["previousPublishedMessageId"] == result.provider_message_id
    text = parse_inbound(inbound.payload, inbound.at)
    assert (text.from_address, text.to_address, text.text) == (PHONE, LINE, "STOP")
    [entry] = simulator.record.inbound
    assert (entry.inbound_id, entry.copies, entry.handed_on_at) == (text.inbound_id, 1, inbound.at.isoformat())


def test_the_finance_provider_s_webhook_is_signed(clock: Clock) -> None:
    with Simulator(clock, 1, Faults(), finance_numbers=["10690001"]) as simulator:
        with sender_to(simulator, "finance_sms") as sender:
            sender.hand_over(order(provider="finance_sms"))
        simulator.send_inbound(MAINLAND, "10690001", "退订", START)
        heard = run_out(simulator, clock)
        keys = simulator.finance_keys
        secrets = WebhookSecrets(keys.webhook_token, keys.webhook_secret)
        for kind in ("report", "inbound"):
            path, headers, raw = simulator.webhook_request(*[each for each in heard if each.kind == kind])
            request = WebhookRequest("finance_sms", keys.webhook_token, path, tuple(headers.items()), raw)
            answer = receive(request, secrets, clock.now)
            assert (answer.status, len(answer.accepted), answer.refusals, answer.kind) == (200, 1, (), path)
        with pytest.raises(ValueError, match="finance provider"):
            simulator.webhook_request(*heard)
    [entry] = simulator.record.inbound
    assert parse_inbound(answer.accepted[0], clock.now).inbound_id == f"n{int(entry.inbound_id):x}"


def test_sns_delivers_and_reports_nothing(clock: Clock) -> None:
    felt: list[Delivered] = []
    with Simulator(clock, 1, Faults(progress=1.0, out_of_order=1.0), on_delivered=felt.append) as simulator:
        with sender_to(simulator, "aws_sns") as sender:
            result = sender.hand_over(order(provider="aws_sns"))
            simulator.put_opted_out("Default", "+12065550153")
            other = sender.hand_over(order(1, provider="aws_sns", address="+12065550153"))
        assert run_out(simulator, clock) == []
        client = boto3.client("sns", endpoint_url=simulator.url)
        with pytest.raises(ClientError):
            client.publish(TopicArn="arn:aws:sns:us-east-1:123456789012:reports", Message="{}")
        client.close()
    first, second = simulator.record.hand_overs
    assert result == Accepted(first.provider_message_id)
    assert other == Refused(Reason.REFUSED_BY_PROVIDER)
    assert [each.ref for each in felt] == [first.ref] == [order().ref]
    assert (first.from_address, first.reserved_at, first.final_report) == (LINE, START.isoformat(), None)
    assert (second.accepted, second.answer) == (False, "OPTED_OUT")


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("provider", ANSWERING)
@pytest.mark.parametrize(
    ("fault", "result", "accepted", "answer"),
    [
        ("throttled", NotAccepted(Reason.THROTTLED), False, "THROTTLED"),
        ("error_before", Unsettled(Reason.PROVIDER_ERROR), False, "ERROR"),
        ("error_after", Unsettled(Reason.PROVIDER_ERROR), True, "ERROR"),
        ("time_out", Unsettled(Reason.TIMED_OUT), True, "hold"),
        ("reset", Unsettled(Reason.PROVIDER_ERROR), True, "reset"),
    ],
)
def test_a_fault_of_the_answer(
    clock: Clock, provider: str, fault: str, result: HandOverResult, accepted: bool, answer: str
) -> None:
    with (
        Simulator(clock, 1, Faults().but(**{fault: 1.0}), hold_seconds=5) as simulator,
        sender_to(simulator, provider, 0.2 if fault == "time_out" else 2.0) as sender,
    ):
        assert sender.hand_over(order(provider=provider)) == result
        [entry] = simulator.record.hand_overs
        assert (entry.accepted, entry.answer) == (accepted, answer)
        reports = [parse_report(read(each), clock.now) for each in run_out(simulator, clock)]
    assert [report.state for report in reports if report.state] == (
        [MessageState.DELIVERED] if accepted and provider != "aws_sns" else []
    )


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("dead_number", {Reason.INVALID_NUMBER, Reason.BOUNCED}),
        ("unreachable", {Reason.UNREACHABLE, Reason.BOUNCED}),
        ("carrier_blocked", {Reason.CARRIER_BLOCKED, Reason.BOUNCED}),
    ],
)
def test_a_message_that_never_arrives(clock: Clock, provider: str, fault: str, reasons: set[Reason]) -> None:
    felt: list[Delivered] = []
    with Simulator(clock, 1, Faults().but(**{fault: 1.0}), on_delivered=felt.append) as simulator:
        with sender_to(simulator, provider) as sender:
            assert isinstance(sender.hand_over(order(provider=provider)), Accepted)
        last = parse_report(read(run_out(simulator, clock)[-1]), clock.now)
    assert (last.state, felt) == (MessageState.FAILED, [])
    assert last.reason in reasons
    assert last.point_unusable is (fault == "dead_number")
    assert simulator.record.hand_overs[0].delivered_at is None


@pytest.mark.parametrize("provider", ["aws_sms", "finance_sms"])
def test_time_to_live_ends_before_a_slow_text_arrives(clock: Clock, provider: str) -> None:
    faults = Faults().but(slow=1.0, slow_seconds=100_000)
    with Simulator(clock, 1, faults) as simulator, sender_to(simulator, provider) as sender:
        sender.hand_over(order(provider=provider, ttl_seconds=60))
        last = parse_report(read(run_out(simulator, clock)[-1]), clock.now)
    assert (last.reason, last.at) == (Reason.TTL_EXPIRED, START + timedelta(seconds=60))
    assert simulator.record.hand_overs[0].delivered_at is None


def finals(heard: list[Outgoing]) -> list[Outgoing]:
    return [each for each in heard if each.payload.get("isFinal", True)]


def test_reports_twice_late_out_of_order_and_never(clock: Clock) -> None:
    def heard_under(**faults: float) -> list[Outgoing]:
        clock.now = START
        with Simulator(clock, 1, Faults(progress=0.0).but(**faults)) as simulator, sender_to(simulator) as sender:
            sender.hand_over(order())
            return run_out(simulator, clock)

    first, again = heard_under(duplicate_report=1.0)
    assert first.payload == again.payload
    assert first.at < again.at

    [late] = heard_under(late_report=1.0)
    assert late.at > START + timedelta(minutes=30)
    assert parse_report(late.payload, late.at).at < START + timedelta(minutes=1)

    final, behind = heard_under(out_of_order=1.0)
    assert (final.payload["isFinal"], behind.payload["isFinal"]) == (True, False)
    assert cast("int", behind.payload["eventTimestamp"]) < cast("int", final.payload["eventTimestamp"])

    assert heard_under(lost_report=1.0) == []

    [silent] = heard_under(carrier_silent=1.0)
    assert silent.at > START + timedelta(hours=72)
    assert parse_report(silent.payload, silent.at).state is MessageState.UNKNOWN


def test_a_lost_report_is_on_record_as_none(clock: Clock) -> None:
    with Simulator(clock, 1, Faults(lost_report=1.0)) as simulator, sender_to(simulator) as sender:
        sender.hand_over(order())
    [entry] = simulator.record.hand_overs
    assert entry.delivered_at is not None
    assert (entry.final_report, entry.final_report_at) == (None, None)


def test_texts_from_people_come_twice_and_late(clock: Clock) -> None:
    with Simulator(clock, 1, Faults(duplicate_inbound=1.0, late_inbound=1.0)) as simulator:
        inbound_id = simulator.send_inbound(PHONE, LINE, "HELP", START)
        other_id = simulator.send_inbound(PHONE, LINE, "HELP", START)
        heard = run_out(simulator, clock)
    assert inbound_id != other_id
    assert sorted(str(each.payload["inboundMessageId"]) for each in heard) == sorted([inbound_id, other_id] * 2)
    assert min(each.at for each in heard) > START + timedelta(minutes=1)
    assert [entry.copies for entry in simulator.record.inbound] == [2, 2]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_spend_limit_is_reached_for_a_while(clock: Clock, provider: str) -> None:
    with Simulator(clock, 1, Faults(spend_limit=1.0, spend_limit_hours=3)) as simulator:
        minutes = [START + timedelta(minutes=10 * step) for step in range(2 * 6 * 24)]
        reached = [at for at in minutes if simulator.spend_limit_reached(provider, at)]
        assert 0 < len(reached) < len(minutes)
        clock.now = reached[0]
        with sender_to(simulator, provider) as sender:
            assert sender.hand_over(order(provider=provider)) == Refused(Reason.SPEND_LIMIT, stops_line=True)
            clock.now = next(at for at in minutes if at > reached[0] and at not in reached)
            assert isinstance(sender.hand_over(order(provider=provider)), Accepted)
    assert [entry.attempt for entry in simulator.record.hand_overs] == [1, 2]


# ── Pushes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

DEVICE = "arn:aws:sns:us-east-1:123456789012:endpoint/{}/marram/5e3e9847-3183-3f18-a7e8-671c3a57d4b3"


def pushed(platform: str = "GCM", **changes: Any) -> HandOver:
    text = order(provider="aws_sns")
    line = replace(text.line, channel=Channel.PUSH, provider="aws_push", origination="marram")
    title = "A message about your account"
    body = "Open the Marram app to read it."
    shown = replace(text, line=line, address=DEVICE.format(platform), subject=title, body=body, ttl_seconds=900)
    return replace(shown, **changes)


@contextmanager
def pusher(simulator: Simulator) -> Iterator[PushSender]:
    client = boto3.client("sns", endpoint_url=simulator.url, config=one_attempt(2.0, 1.0))
    try:
        yield PushSender(client)
    finally:
        client.close()


@pytest.mark.parametrize("platform", ["GCM", "APNS"])
def test_a_device_shows_what_its_service_was_given(clock: Clock, platform: str) -> None:
    seen: list[Delivered] = []
    with Simulator(clock, 1, Faults(), on_delivered=seen.append) as simulator, pusher(simulator) as sender:
        assert isinstance(sender.hand_over(pushed(platform)), Accepted)
        assert simulator.due(START + timedelta(days=5)) == [], "nobody reports on a push"
    (entry,) = simulator.record.hand_overs
    assert (entry.provider, entry.to_address, entry.from_address) == ("aws_push", DEVICE.format(platform), "marram")
    assert (entry.subject, entry.body, entry.ttl_seconds) == (pushed().subject, pushed().body, 900)
    assert entry.final_report is None
    assert [each.body for each in seen] == [pushed().body]
    assert simulator.record.rows()[0]["channel"] == "push"


def test_a_device_that_the_app_is_gone_from_is_known_from_the_second_push_on(clock: Clock) -> None:
    seen: list[Delivered] = []
    gone = Faults(dead_number=1.0)
    with Simulator(clock, 1, gone, on_delivered=seen.append) as simulator, pusher(simulator) as sender:
        first, second = sender.hand_over(pushed()), sender.hand_over(pushed())
        simulator.due(START + timedelta(days=5))
    assert isinstance(first, Accepted)
    assert second == Refused(Reason.ENDPOINT_DISABLED, point_unusable=True)
    assert seen == []


def test_a_push_without_its_service_s_form_or_to_a_topic_is_turned_away(clock: Clock) -> None:
    with Simulator(clock, 1, Faults()) as simulator:
        client = boto3.client("sns", endpoint_url=simulator.url, config=one_attempt(2.0, 1.0))
        for target, message in (
            (DEVICE.format("GCM"), json.dumps({"default": "words", "APNS": "{}"})),
            (DEVICE.format("APNS"), json.dumps({"default": "words", "APNS": json.dumps({"aps": {}})})),
            ("arn:aws:sns:us-east-1:123456789012:topic", json.dumps({"default": "words"})),
        ):
            with pytest.raises(ClientError) as refused:
                client.publish(TargetArn=target, Message=message, MessageStructure="json")
            assert refused.value.response["Error"]["Code"] == "InvalidParameter"
        client.close()


# ── Opt-outs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_told_page_by_page_and_says_who_opted_out(clock: Clock) -> None:
    with Simulator(clock, 1, Faults()) as simulator:
        for number in range(230):
            simulator.put_opted_out("dunlin-dev", f"+12065550{number:03}", by_person=number % 2 == 0)
        client = sms_voice_client(2.0, 1.0, endpoint_url=simulator.url)
        listed = list(SmsVoiceOptOutList(client, "dunlin-dev").numbers())
        client.close()
    assert [each.number for each in listed] == [f"+12065550{number:03}" for number in range(230)]
    assert [each.by_person for each in listed] == [number % 2 == 0 for number in range(230)]
    assert {each.at for each in listed} == {START}


def test_a_number_on_the_provider_s_list_is_not_texted(clock: Clock) -> None:
    with Simulator(clock, 1, Faults()) as simulator:
        client = sms_voice_client(2.0, 1.0, endpoint_url=simulator.url)
        put = client.put_opted_out_number(OptOutListName="Default", OptedOutNumber=PHONE)
        assert put["OptedOutTimestamp"] == START
        listed = client.describe_opted_out_numbers(OptOutListName="Default")
        assert [each["OptedOutNumber"] for each in listed["OptedOutNumbers"]] == [PHONE]
        sender = SmsVoiceSender(client)
        assert sender.hand_over(order()) == Refused(Reason.PROVIDER_OPTED_OUT)
        client.delete_opted_out_number(OptOutListName="Default", OptedOutNumber=PHONE)
        assert isinstance(sender.hand_over(order()), Accepted)
        with pytest.raises(ClientError) as unknown:
            client.delete_opted_out_number(OptOutListName="Default", OptedOutNumber=PHONE)
        client.close()
    assert unknown.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert [(each.change, each.by) for each in simulator.record.listed] == [("put", "us"), ("deleted", "us")]
    assert [entry.answer for entry in simulator.record.hand_overs] == ["OPTED_OUT", "OK"]


def test_the_finance_provider_s_blacklist(clock: Clock) -> None:
    with Simulator(clock, 1, Faults()) as simulator, sender_to(simulator, "finance_sms") as sender:
        simulator.blacklist(MAINLAND)
        assert sender.hand_over(order(provider="finance_sms")) == Refused(Reason.PROVIDER_OPTED_OUT)


# ── Shapes and signatures ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"DestinationPhoneNumber": "not a number"}, "DestinationPhoneNumber"),
        ({"MessageBody": "x" * 1601}, "MessageBody"),
        ({"MessageBody": "   "}, "MessageBody"),
        ({"TimeToLive": 259_201}, "TimeToLive"),
        ({"MessageType": "URGENT"}, "MessageType"),
        ({"MaxPrice": "a lot"}, "MaxPrice"),
        ({"Context": {"a b": "c"}}, "Context"),
        ({"Context": {str(n): "c" for n in range(6)}}, "Context"),
        ({"DestinationCountryParameters": {"US": "x"}}, "DestinationCountryParameters"),
        ({"Unknown": "x"}, "Unknown"),
        ({"TimeToLive": "60"}, "TimeToLive"),
    ],
)
def test_a_request_that_breaks_the_model_is_refused(changes: dict[str, Any], field: str) -> None:
    request = {"DestinationPhoneNumber": PHONE, "MessageBody": "Hello", **changes}
    problems = input_problems("pinpoint-sms-voice-v2", "SendTextMessage", request)
    assert field in [name for name, _ in problems]
    good = {"DestinationPhoneNumber": PHONE, "MessageBody": "Hello"}
    assert input_problems("pinpoint-sms-voice-v2", "SendTextMessage", good) == []


def test_our_own_answers_are_held_to_the_model() -> None:
    with pytest.raises(AssertionError):
        check_output("pinpoint-sms-voice-v2", "SendTextMessage", {"Id": "m"})
    with pytest.raises(AssertionError):
        error_shape("pinpoint-sms-voice-v2", "SendTextMessage", "NoSuchException", {})
    with pytest.raises(AssertionError):
        error_shape("pinpoint-sms-voice-v2", "SendTextMessage", "ConflictException", {"Reason": "NO_SUCH_REASON"})


def test_a_malformed_request_is_answered_like_the_service_and_recorded(clock: Clock) -> None:
    with Simulator(clock, 1, Faults()) as simulator:
        client = sms_voice_client(2.0, 1.0, endpoint_url=simulator.url)
        with pytest.raises(client.exceptions.ValidationException) as refused:
            client.send_text_message(DestinationPhoneNumber="x" * 30, MessageBody="Hello")
        dry = client.send_text_message(DestinationPhoneNumber=PHONE, MessageBody="Hello", DryRun=True)
        client.close()
    assert cast("Any", refused.value.response)["Fields"][0]["Name"] == "DestinationPhoneNumber"
    assert dry["MessageId"]
    answers = [(entry.accepted, entry.answer) for entry in simulator.record.hand_overs]
    assert answers == [(False, "ValidationException/FIELD_VALIDATION_FAILED"), (False, "DRY_RUN")]


def test_an_operation_that_is_not_simulated_fails_loudly(clock: Clock) -> None:
    with Simulator(clock, 1, Faults()) as simulator:
        client = sms_voice_client(2.0, 1.0, endpoint_url=simulator.url)
        with pytest.raises(ClientError):
            client.send_voice_message(DestinationPhoneNumber=PHONE, OriginationIdentity=LINE)
        client.close()


def test_a_finance_request_with_another_secret_is_refused(clock: Clock) -> None:
    with Simulator(clock, 1, Faults()) as simulator:
        for key_id, secret, answer in (("other", "x", "InvalidAccessKeyId"), ("", "x", "SignatureDoesNotMatch")):
            key = FinanceSmsKey(key_id or simulator.finance_keys.key_id, secret)
            sender = FinanceSmsSender(simulator.url, key, clock, read_timeout=2, connect_timeout=1)
            result = sender.hand_over(order(provider="finance_sms"))
            sender.close()
            assert result == Refused(Reason.ACCESS_DENIED, stops_line=True)
            assert simulator.record.hand_overs[-1].answer == answer
        stale = FinanceSmsKey(simulator.finance_keys.key_id, simulator.finance_keys.secret)
        sender = FinanceSmsSender(
            simulator.url, stale, lambda: START - timedelta(minutes=6), read_timeout=2, connect_timeout=1
        )
        sender.hand_over(order(provider="finance_sms"))
        sender.close()
    assert simulator.record.hand_overs[-1].answer == "InvalidTimeStamp.Expired"


# ── Same seed, same run ──────────────────────────────────────────────────────────────────────────────────────────────


def bad_day(seed: int, path: Path, *, shuffled: int | None = None) -> tuple[bytes, list[Outgoing]]:
    """A bad day's record and what was handed on; `shuffled` sends from several threads in another order."""
    clock = Clock()

    def answer(text: Delivered) -> None:
        simulator.send_inbound(text.to_address, text.from_address, "OK", text.at + timedelta(minutes=1))

    faults = Faults.heavy().but(time_out=0.0, slow=0.2)
    with Simulator(clock, seed, faults, on_delivered=answer) as simulator, sender_to(simulator) as sender:
        orders = [order(number, address=f"+1206555{number:04}") for number in range(60)]
        if shuffled is None:
            for each in orders:
                sender.hand_over(each)
        else:
            random.Random(shuffled).shuffle(orders)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(sender.hand_over, orders))
        heard = run_out(simulator, clock)
        simulator.record.write(path)
    return path.read_bytes(), heard


def test_the_same_seed_is_the_same_run_whatever_the_threads_do(tmp_path: Path) -> None:
    record, heard = bad_day(7, tmp_path / "first")
    for shuffled in (None, 1, 2):
        again, heard_again = bad_day(7, tmp_path / "again", shuffled=shuffled)
        assert again == record
        assert heard_again == heard
    assert bad_day(8, tmp_path / "other")[0] != record


def test_the_record_is_json_lines_in_order_of_time(tmp_path: Path) -> None:
    record, _ = bad_day(7, tmp_path / "record")
    lines = [json.loads(line) for line in record.decode().splitlines()]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert {line["record"] for line in lines} == {"hand_over", "inbound"}
    assert {line["channel"] for line in lines if line["record"] == "hand_over"} == {"sms"}
    first = next(line for line in lines if line["record"] == "hand_over")
    assert first["context"] == {"dunlin-message": first["ref"], "dunlin-reserved-at": first["reserved_at"]}


def test_the_auditor_can_read_the_hand_overs(clock: Clock, tmp_path: Path) -> None:
    with Simulator(clock, 1, Faults()) as simulator:
        for provider in ANSWERING:
            with sender_to(simulator, provider) as sender:
                sender.hand_over(order(provider=provider))
        simulator.send_inbound(PHONE, LINE, "STOP", START)
        simulator.record.write_hand_overs(tmp_path / "provider.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "provider.jsonl").read_text().splitlines()]
    assert [(row["provider"], row["channel"], row["from"], row["to"]) for row in rows] == [
        ("aws_ses", "email", "loans@example.com", "borrower@example.com"),
        ("aws_sms", "sms", LINE, PHONE),
        ("aws_sns", "sms", LINE, PHONE),
        ("finance_sms", "sms", "10690001", MAINLAND),
    ]
    assert all(row["ref"] and row["reserved_at"] and row["delivered_at"] and row["accepted"] for row in rows)
    assert [bool(row["final"]) for row in rows] == [True, True, False, True]


def test_a_second_attempt_is_drawn_anew(clock: Clock) -> None:
    with Simulator(clock, 3, Faults(throttled=0.5)) as simulator, sender_to(simulator) as sender:
        for _ in range(12):
            sender.hand_over(order())
    answers = [entry.answer for entry in simulator.record.hand_overs]
    assert [entry.attempt for entry in simulator.record.hand_overs] == list(range(1, 13))
    assert {"OK", "THROTTLED"} == set(answers)


# ── Life ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_closing_lets_held_answers_go_and_leaves_no_thread(clock: Clock) -> None:
    before = active_count()
    simulator = Simulator(clock, 1, Faults(time_out=1.0), hold_seconds=60)
    simulator.start()
    with sender_to(simulator, read_timeout=0.2) as sender:
        assert sender.hand_over(order()) == Unsettled(Reason.TIMED_OUT)
    simulator.close()
    simulator.close()
    assert active_count() == before
    with pytest.raises(RuntimeError):
        _ = simulator.url


def test_a_fault_of_the_simulator_itself_is_not_swallowed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = Simulator(clock, 1, Faults())
    simulator.start()
    monkeypatch.setattr("local.simulator.server.check_output", lambda *_: 1 / 0)
    with sender_to(simulator) as sender:
        assert sender.hand_over(order()) == Unsettled(Reason.PROVIDER_ERROR)
    with pytest.raises(RuntimeError, match="simulator itself"):
        simulator.close()


def test_nothing_here_imports_the_application() -> None:
    for path in (Path(__file__).parents[2] / "local" / "simulator").glob("*.py"):
        assert "dunlin" not in [line.split()[1].split(".")[0] for line in import_lines(path)], path.name


def import_lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines() if line.strip().startswith(("import ", "from "))]


# ── The worst of it ──────────────────────────────────────────────────────────────────────────────────────────────────


def storm(clock: Clock, **faults: float) -> Simulator:
    return Simulator(clock, 11, Faults.none().but(**faults))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_report_is_there_before_the_answer(clock: Clock, provider: str) -> None:
    heard: list[Outgoing] = []
    answered: list[HandOverResult] = []

    def early(outgoing: Outgoing) -> None:
        assert not answered
        heard.append(outgoing)

    simulator = Simulator(clock, 11, Faults.none().but(early_report=1.0), on_early=early)
    with simulator, sender_to(simulator, provider) as sender:
        answered.append(sender.hand_over(order(provider=provider)))
        assert len(heard) == 1
        assert heard[0].at == clock.now
        assert [
            entry for entry in simulator.due(clock.now + timedelta(days=1)) if entry.payload == heard[0].payload
        ] == []
    assert isinstance(answered[0], Accepted)
    assert simulator.injected["early_report"] == 1
    assert simulator.record.hand_overs[0].final_report_at == START.isoformat()


def test_without_anybody_to_hear_it_an_early_report_is_due_at_once(clock: Clock) -> None:
    simulator = storm(clock, early_report=1.0)
    with simulator, sender_to(simulator) as sender:
        sender.hand_over(order())
    assert simulator.next_due() == START
    assert [entry.kind for entry in simulator.due(START)] == ["report"]
    assert simulator.next_due() is None


def test_a_provider_says_nothing_for_days_and_then_everything(clock: Clock) -> None:
    simulator = storm(clock, silence=1.0)
    with simulator, sender_to(simulator) as sender:
        for number in range(8 * 24):
            clock.now = START + timedelta(hours=number)
            sender.hand_over(order(number, reserved_at=clock.now))
    reports = [entry.at for entry in simulator.due(START + timedelta(days=30)) if entry.kind == "report"]
    assert len(reports) >= 8 * 24  # nothing is lost
    gaps = [(later - earlier, later) for earlier, later in zip(sorted(reports), sorted(reports)[1:], strict=False)]
    longest, over_at = max(gaps)
    assert timedelta(days=2) - timedelta(hours=1) <= longest <= timedelta(days=4) + timedelta(hours=1)
    at_once = sum(over_at <= at <= over_at + timedelta(minutes=10) for at in reports)
    assert at_once >= longest / timedelta(hours=1) - 2
    assert simulator.injected["silence"] >= at_once - 1


def test_silence_ends_with_the_storm(clock: Clock) -> None:
    calm_from = START + timedelta(days=3)
    simulator = Simulator(clock, 11, Faults.heavy().but(silence=1.0), calm_from=calm_from)
    with simulator, sender_to(simulator) as sender:
        for number in range(40):
            clock.now = START + timedelta(hours=number)
            sender.hand_over(order(number, reserved_at=clock.now))
        injected = sum(simulator.injected.values())
        clock.now = calm_from
        for number in range(40, 60):
            assert isinstance(sender.hand_over(order(number, reserved_at=clock.now)), Accepted)
    assert injected == sum(simulator.injected.values()) > 0


def test_a_stop_is_sent_while_a_text_is_in_the_air(clock: Clock) -> None:
    stirred: list[Stirred] = []
    simulator = Simulator(clock, 11, Faults.none().but(stop_in_the_air=1.0, slow=1.0), on_stirred=stirred.append)
    with simulator, sender_to(simulator) as sender:
        sender.hand_over(order())
    simulator.due(START + timedelta(days=1))
    (stop,) = stirred
    delivered_at = simulator.record.hand_overs[0].delivered_at
    assert delivered_at is not None
    assert START < stop.at < datetime.fromisoformat(delivered_at)
    assert (stop.what, stop.number, stop.line) == ("stop", PHONE, LINE)
    assert simulator.injected["stop_in_the_air"] == 1


def test_a_number_changes_hands_once(clock: Clock) -> None:
    stirred: list[Stirred] = []
    simulator = Simulator(clock, 11, Faults.none().but(recycled=1.0), on_stirred=stirred.append)
    with simulator, sender_to(simulator) as sender:
        for number in range(10):
            sender.hand_over(order(number))
    simulator.due(START + timedelta(days=10))
    assert [(one.what, one.number) for one in stirred] == [("recycled", PHONE)]
    assert simulator.injected["recycled"] == 1


@pytest.mark.parametrize("provider", ["aws_sms", "finance_sms"])
def test_somebody_opts_out_at_the_provider_and_we_see_a_refusal(clock: Clock, provider: str) -> None:
    simulator = storm(clock, carrier_opt_out=1.0)
    with simulator, sender_to(simulator, provider) as sender:
        results = [sender.hand_over(order(number, provider)) for number in range(6)]
    refused = [result for result in results if isinstance(result, Refused)]
    assert refused == results[-len(refused) :]
    assert {result.reason for result in refused} == {Reason.PROVIDER_OPTED_OUT}
    assert isinstance(results[0], Accepted)
    assert simulator.injected["carrier_opt_out"] == 1


@pytest.mark.parametrize("provider", PROVIDERS)
def test_hours_of_errors_behind_which_some_are_accepted(clock: Clock, provider: str) -> None:
    simulator = storm(clock, broken=1.0, broken_hours=24.0)
    with simulator, sender_to(simulator, provider) as sender:
        results = [sender.hand_over(order(number, provider)) for number in range(12)]
    assert all(isinstance(result, Unsettled) for result in results)
    assert {given.accepted for given in simulator.record.hand_overs} == {True, False}
    assert simulator.injected["broken"] == 12


def test_a_mail_that_arrived_is_complained_about_later(clock: Clock) -> None:
    simulator = storm(clock, complaint=1.0)
    with simulator, sender_to(simulator, "aws_ses") as sender:
        sender.hand_over(order(provider="aws_ses"))
    first, second = [parse_report(read(entry), entry.at) for entry in simulator.due(START + timedelta(days=2))]
    assert (first.state, first.point_unusable) == (MessageState.DELIVERED, False)
    assert (second.state, second.reason, second.point_unusable) == (MessageState.DELIVERED, Reason.SPAM, True)
    assert second.ref == first.ref
    assert simulator.injected["complaint"] == 1


def test_every_fault_of_a_heavy_day_really_happens(clock: Clock) -> None:
    """What the heavy profile asks for is what was counted, nothing else and nothing less."""
    simulator = Simulator(clock, 5, Faults.heavy())
    for number in range(1500):
        clock.now = START + timedelta(minutes=20 * number)
        people = {
            "aws_sms": f"+120655501{number % 100:02d}",
            "aws_ses": f"b-{number}@example.com",
            "wechat": f"oEx4mP{number:022d}",
        }
        for provider, address in people.items():
            taken = Order(
                provider, LINE, address, "text", "", f"b-{number}/x#{provider}", (), clock.now.isoformat(), 7200
            )
            simulator.take(taken)
        simulator.send_inbound(f"+120655501{number % 100:02d}", LINE, "HELP", clock.now)
        simulator.due(clock.now)
    heavy, none = Faults.heavy(), Faults.none()
    chances = {
        field.name for field in fields(Faults) if getattr(none, field.name) == 0.0 and getattr(heavy, field.name) > 0.0
    }
    assert {name for name, count in simulator.injected.items() if count} == chances


def test_a_number_takes_what_it_can_pass_on_and_no_more() -> None:
    at = datetime(2026, 6, 1, 15, tzinfo=UTC)
    slow, fast = Meter(1), Meter(3)
    assert [slow.takes(2, at), slow.takes(1, at + timedelta(seconds=1)), slow.takes(1, at + timedelta(seconds=2))] == [
        True,
        False,
        True,
    ]
    # What it was not given while it was idle it does not take at once.
    later = at + timedelta(hours=1)
    assert [fast.takes(2, later), fast.takes(2, later), fast.takes(1, later)] == [True, True, False]
    assert fast.takes(2, later + timedelta(seconds=1))
