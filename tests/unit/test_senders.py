"""Senders: what each answer of a provider proves, and that one hand-over is one request."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import boto3
import pytest
from botocore import exceptions as sdk
from botocore.loaders import Loader
from dunlin.adapters.providers.finance_sms import sign
from dunlin.adapters.reports import decode_tag, encode_tag
from dunlin.adapters.senders import (
    FinanceSmsKey,
    FinanceSmsSender,
    SesSender,
    SmsVoiceSender,
    SnsSender,
    email,
    finance_sms,
    one_attempt,
    sms_voice,
    sms_voice_client,
    sns,
)
from dunlin.adapters.senders.aws import AwsError
from dunlin.adapters.senders.sms_voice import settle_sms_voice_error
from dunlin.adapters.unsubscribe import UnsubscribeLinks
from dunlin.domain.policy import Line
from dunlin.domain.words import Channel, Purpose, Reason
from dunlin.errors import ConfigurationError
from dunlin.services.ports import Accepted, HandOver, NotAccepted, Refused, Sender, Unsettled

NOW = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)
REF = "b-0001/2026-03-10#tier_1#1#sms#0"
PHONE = "+12065550152"
POINT = "5e" * 32
LINKS = UnsubscribeLinks("a secret", "https://stop.example")
WORDS = "Test Lender: 120.50 USD is due on 12 March."


def line(**changes: Any) -> Line:
    return replace(
        Line(
            line_id="us-sms",
            jurisdiction="US",
            channel=Channel.SMS,
            provider="aws_sms",
            origination="+12065550100",
            purposes=frozenset(Purpose),
            parts_per_second=1.0,
            links="none",
            opt_out_line="required",
        ),
        **changes,
    )


def ses_sender(client: Any) -> SesSender:
    return SesSender(client, unsubscribe=LINKS)


def order(**changes: Any) -> HandOver:
    return replace(
        HandOver(
            ref=REF,
            reserved_at=NOW,
            line=line(),
            purpose=Purpose.SERVICING,
            address=PHONE,
            subject="Your payment",
            body=WORDS,
            ttl_seconds=3600,
            locale="en-US",
            point=POINT,
        ),
        **changes,
    )


class Client:
    """A stand-in for a boto3 client: keeps the request, gives the answer or raises the error."""

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome
        self.requests: list[dict[str, Any]] = []

    def _call(self, **request: Any) -> object:
        self.requests.append(request)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    send_text_message = publish = send_email = _call


def sms(outcome: object) -> tuple[SmsVoiceSender, Client]:
    client = Client(outcome)
    return SmsVoiceSender(cast("Any", client)), client


def client_error(code: str, status: int = 400, **members: Any) -> sdk.ClientError:
    response = {
        "Error": {"Code": code, "Message": f"about {PHONE}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **members,
    }
    return sdk.ClientError(cast("Any", response), "Send")


# ── End User Messaging: the request ──────────────────────────────────────────────────────────────────────────────────


def test_a_text_is_asked_for_with_everything_that_identifies_it() -> None:
    sender, client = sms({"MessageId": "m-1"})
    filed = (("IN_ENTITY_ID", "e"), ("IN_TEMPLATE_ID", "t"), ("10dlc_campaign", "c"))

    result = sender.hand_over(
        order(line=line(configuration_set="dunlin-dev", max_price="0.05", registrations=filed), ttl_seconds=300)
    )

    assert result == Accepted("m-1")
    assert client.requests == [
        {
            "DestinationPhoneNumber": PHONE,
            "OriginationIdentity": "+12065550100",
            "MessageBody": WORDS,
            "MessageType": "TRANSACTIONAL",
            "TimeToLive": 300,
            "Context": {"dunlin-message": REF, "dunlin-reserved-at": "2026-03-10T18:00:00+00:00"},
            "ConfigurationSetName": "dunlin-dev",
            "MaxPrice": "0.05",
            "DestinationCountryParameters": {"IN_ENTITY_ID": "e", "IN_TEMPLATE_ID": "t"},
        }
    ]


@pytest.mark.parametrize(
    ("registrations", "filing", "numbers"),
    [
        ((), "", None),
        ((), "t-2", None),  # on file, and not in India
        ((("IN_ENTITY_ID", "e"),), "", {"IN_ENTITY_ID": "e"}),
        ((("IN_ENTITY_ID", "e"),), "t-2", {"IN_ENTITY_ID": "e", "IN_TEMPLATE_ID": "t-2"}),
        ((("IN_ENTITY_ID", "e"), ("IN_TEMPLATE_ID", "t")), "t-2", {"IN_ENTITY_ID": "e", "IN_TEMPLATE_ID": "t-2"}),
    ],
)
def test_a_text_to_india_carries_the_number_it_is_filed_under(
    registrations: tuple[tuple[str, str], ...], filing: str, numbers: dict[str, str] | None
) -> None:
    sender, client = sms({"MessageId": "m-1"})
    text = order(line=line(registrations=registrations), filing=filing)
    sender.hand_over(text)
    assert client.requests[0].get("DestinationCountryParameters") == numbers
    published = Client({"MessageId": "m-1"})
    SnsSender(cast("Any", published)).hand_over(text)
    attributes = published.requests[0]["MessageAttributes"]
    found = attributes.get("AWS.MM.SMS.TemplateId", {}).get("StringValue")
    assert found == (numbers or {}).get("IN_TEMPLATE_ID")


@pytest.mark.parametrize("purpose", list(Purpose))
def test_only_marketing_is_promotional(purpose: Purpose) -> None:
    sender, client = sms({"MessageId": "m-1"})
    sender.hand_over(order(purpose=purpose))
    assert (client.requests[0]["MessageType"] == "PROMOTIONAL") is (purpose is Purpose.MARKETING)


def test_time_to_live_never_ends_later_than_asked() -> None:
    sender, client = sms({"MessageId": "m-1"})
    assert sender.hand_over(order(ttl_seconds=4)) == Refused(Reason.WINDOW_CLOSED)
    assert client.requests == []
    sender.hand_over(order(ttl_seconds=5))
    sender.hand_over(order(ttl_seconds=1_000_000))
    assert [request["TimeToLive"] for request in client.requests] == [5, 259_200]


@pytest.mark.parametrize(
    "address", ["", "12065550152", "+0123456789", "+1206555015x", "+1206\n", "borrower@example.com"]
)
def test_what_is_no_number_is_not_handed_over(address: str) -> None:
    sender, client = sms({"MessageId": "m-1"})
    assert sender.hand_over(order(address=address)) == Refused(Reason.INVALID_NUMBER, point_unusable=True)
    assert client.requests == []


def test_an_answer_without_an_id_is_unsettled() -> None:
    assert sms({})[0].hand_over(order()) == Unsettled(Reason.PROVIDER_ERROR)


# ── End User Messaging: the answers ──────────────────────────────────────────────────────────────────────────────────


def sms_voice_model() -> dict[str, Any]:
    shapes: dict[str, Any] = Loader().load_service_model("pinpoint-sms-voice-v2", "service-2")["shapes"]
    return shapes


def test_every_reason_of_the_service_model_is_in_the_table() -> None:
    shapes = sms_voice_model()
    modelled = {
        name: set(shapes[shape["members"]["Reason"]["shape"]]["enum"])
        for name, shape in shapes.items()
        if shape.get("exception") and "Reason" in shape["members"]
    }
    assert {name: set(reasons) for name, reasons in sms_voice.REASONS.items()} == modelled


def test_every_error_of_the_operation_is_in_the_table() -> None:
    model = Loader().load_service_model("pinpoint-sms-voice-v2", "service-2")
    errors = {error["shape"] for error in model["operations"]["SendTextMessage"]["errors"]}
    assert set(sms_voice.CODES) == errors


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (client_error("ThrottlingException"), NotAccepted(Reason.THROTTLED)),
        (client_error("Throttling"), NotAccepted(Reason.THROTTLED)),
        (client_error("429", 429), NotAccepted(Reason.THROTTLED)),
        (client_error("InternalServerException", 500), Unsettled(Reason.PROVIDER_ERROR)),
        (client_error("503", 503), Unsettled(Reason.PROVIDER_ERROR)),
        (client_error("ThrottlingException", 503), Unsettled(Reason.PROVIDER_ERROR)),
        (client_error("RequestTimeout", 408), Unsettled(Reason.PROVIDER_ERROR)),
        (client_error("Odd", 200), Unsettled(Reason.PROVIDER_ERROR)),
        (client_error("Odd", 418), Refused(Reason.REFUSED_BY_PROVIDER)),
        (client_error("ExpiredTokenException"), Refused(Reason.ACCESS_DENIED, stops_line=True)),
        (client_error("Forbidden", 403), Refused(Reason.ACCESS_DENIED, stops_line=True)),
        (client_error("AccessDeniedException"), Refused(Reason.ACCESS_DENIED, stops_line=True)),
        (
            client_error("AccessDeniedException", Reason="ACCOUNT_DISABLED"),
            Refused(Reason.ACCESS_DENIED, stops_line=True),
        ),
        (client_error("ResourceNotFoundException"), Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)),
        (
            client_error("ConflictException", Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT"),
            Refused(Reason.PROVIDER_OPTED_OUT),
        ),
        (
            client_error("ConflictException", Reason="DESTINATION_PHONE_NUMBER_NOT_VERIFIED"),
            Refused(Reason.NUMBER_NOT_VERIFIED),
        ),
        (
            client_error("ConflictException", Reason="DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION"),
            Refused(Reason.COUNTRY_BLOCKED),
        ),
        (client_error("ConflictException", Reason="NEWER_THAN_THE_TABLE"), Refused(Reason.REFUSED_BY_PROVIDER)),
        (client_error("ConflictException"), Refused(Reason.REFUSED_BY_PROVIDER)),
        (client_error("ValidationException", Reason="PRICE_OVER_THRESHOLD"), Refused(Reason.PRICE_OVER_THRESHOLD)),
        (
            client_error(
                "ValidationException",
                Reason="FIELD_VALIDATION_FAILED",
                Fields=[{"Name": "DestinationPhoneNumber", "Message": "bad"}],
            ),
            Refused(Reason.INVALID_NUMBER, point_unusable=True),
        ),
        (
            client_error(
                "ValidationException", Reason="INVALID_PARAMETER", Fields=[{"Name": "MessageBody", "Message": "bad"}]
            ),
            Refused(Reason.INVALID_MESSAGE),
        ),
        (
            client_error("ValidationException", Reason="FIELD_VALIDATION_FAILED", Fields="odd"),
            Refused(Reason.REFUSED_BY_PROVIDER),
        ),
        (
            client_error("ServiceQuotaExceededException", Reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"),
            Refused(Reason.SPEND_LIMIT, stops_line=True),
        ),
        (sdk.EndpointConnectionError(endpoint_url="http://x"), NotAccepted(Reason.NOT_CONNECTED)),
        (sdk.ConnectTimeoutError(endpoint_url="http://x"), NotAccepted(Reason.NOT_CONNECTED)),
        (sdk.CredentialRetrievalError(provider="x", error_msg="x"), NotAccepted(Reason.NOT_CONNECTED)),
        (sdk.ReadTimeoutError(endpoint_url="http://x"), Unsettled(Reason.TIMED_OUT)),
        (sdk.ConnectionClosedError(endpoint_url="http://x"), Unsettled(Reason.PROVIDER_ERROR)),
        (sdk.HTTPClientError(error="x"), Unsettled(Reason.PROVIDER_ERROR)),
        (sdk.SSLError(endpoint_url="http://x", error=OSError()), Unsettled(Reason.PROVIDER_ERROR)),
        (sdk.NoCredentialsError(), Refused(Reason.ACCESS_DENIED, stops_line=True)),
        (sdk.ParamValidationError(report=PHONE), Refused(Reason.INVALID_MESSAGE)),
    ],
    ids=lambda value: (
        type(value).__name__ if not isinstance(value, sdk.ClientError) else str(value.response["Error"]["Code"])
    ),
)
def test_what_an_error_proves(error: Exception, expected: object) -> None:
    assert sms(error)[0].hand_over(order()) == expected


@pytest.mark.parametrize("code", sorted(sms_voice.REASONS))
def test_no_reason_outweighs_a_server_error(code: str) -> None:
    for reason in sms_voice.REASONS[code]:
        assert settle_sms_voice_error(AwsError(code, reason, (), 500)) == Unsettled(Reason.PROVIDER_ERROR)
        assert settle_sms_voice_error(AwsError(code, reason, (), 400)) == sms_voice.REASONS[code][reason]


# ── One hand-over, one request ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that counts its requests."""
    requests: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.append(body)
            answer(self, body)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    http = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}", requests
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def say(status: int, document: object) -> Callable[[BaseHTTPRequestHandler, bytes], None]:
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def too_late(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    time.sleep(0.3)
    say(200, {"MessageId": "late", "code": "OK", "biz_id": "late"})(handler, body)


def hang_up(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


ANSWERS = [
    (too_late, Unsettled(Reason.TIMED_OUT)),
    (hang_up, Unsettled(Reason.PROVIDER_ERROR)),
    (say(500, {"__type": "InternalServerException", "Message": "x"}), Unsettled(Reason.PROVIDER_ERROR)),
    (say(503, b"<html>"), Unsettled(Reason.PROVIDER_ERROR)),
    (say(200, b"not json"), Unsettled(Reason.PROVIDER_ERROR)),
]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)


@contextmanager
def sender_for(kind: str, url: str, read_timeout: float = 3.0) -> Iterator[Sender]:
    if kind == "finance_sms":
        key = FinanceSmsKey("id", "secret")
        sender = FinanceSmsSender(url, key, lambda: NOW, read_timeout=read_timeout, connect_timeout=0.5)
        yield sender
        sender.close()
        return
    if kind == "sms_voice":
        client: Any = sms_voice_client(read_timeout, 0.5, endpoint_url=url)
    else:
        client = boto3.client(cast("Any", kind), endpoint_url=url, config=one_attempt(read_timeout, 0.5))
    senders: dict[str, Callable[[Any], Sender]] = {"sms_voice": SmsVoiceSender, "sns": SnsSender, "sesv2": ses_sender}
    yield senders[kind](client)
    client.close()


def order_for(kind: str) -> HandOver:
    if kind == "sesv2":
        return order(address="borrower@example.com", line=line(origination="loans@example.com"))
    return order(address="+8613800138000" if kind == "finance_sms" else PHONE)


@pytest.mark.enable_socket
@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", ["sms_voice", "sns", "sesv2", "finance_sms"])
@pytest.mark.parametrize(("answer", "expected"), ANSWERS, ids=["too late", "hang up", "500", "503", "no JSON"])
def test_one_hand_over_is_one_request(kind: str, answer: Any, expected: Unsettled) -> None:
    patience = 0.15 if answer is too_late else 3.0
    with server(answer) as (url, requests), sender_for(kind, url, patience) as sender:
        result = sender.hand_over(order_for(kind))
        time.sleep(0.05)
        assert result == expected
        assert len(requests) == 1


@pytest.mark.enable_socket
@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("kind", ["sms_voice", "sns", "sesv2", "finance_sms"])
def test_no_connection_is_proof_that_nothing_was_accepted(kind: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with sender_for(kind, url) as sender:
            assert sender.hand_over(order_for(kind)) == NotAccepted(Reason.NOT_CONNECTED)


@pytest.mark.enable_socket
@pytest.mark.usefixtures("keys")
def test_throttling_is_not_tried_again_behind_our_back() -> None:
    with (
        server(say(400, {"__type": "ThrottlingException", "Message": "x"})) as (url, requests),
        sender_for("sms_voice", url) as sender,
    ):
        assert sender.hand_over(order()) == NotAccepted(Reason.THROTTLED)
        assert len(requests) == 1


@pytest.mark.enable_socket
@pytest.mark.usefixtures("keys")
def test_parameters_that_the_sdk_refuses_stay_inside() -> None:
    with server(say(200, {})) as (url, requests), sender_for("sms_voice", url) as sender:
        assert sender.hand_over(order(body=cast("str", None))) == Refused(Reason.INVALID_MESSAGE)
        assert requests == []


# ── SNS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def model_codes(service: str, operation: str) -> set[str]:
    model = Loader().load_service_model(service, "service-2")
    names = [error["shape"] for error in model["operations"][operation]["errors"]]
    return {model["shapes"][name].get("error", {}).get("code", name) for name in names}


def test_every_error_of_publish_is_in_the_table() -> None:
    assert model_codes("sns", "Publish") <= set(sns.CODES)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_sns_carries_service_messages_only(purpose: Purpose) -> None:
    client = Client({"MessageId": "m-1"})
    result = SnsSender(cast("Any", client)).hand_over(order(purpose=purpose))
    if purpose in (Purpose.REPLY, Purpose.SERVICING):
        assert result == Accepted("m-1")
    else:
        assert result == Refused(Reason.NO_ROUTE)
        assert client.requests == []


def test_sns_attributes() -> None:
    client = Client({"MessageId": "m-1"})
    sender = SnsSender(cast("Any", client))
    sender.hand_over(order(line=line(max_price="0.05", registrations=(("IN_ENTITY_ID", "e"), ("IN_TEMPLATE_ID", "t")))))
    sender.hand_over(order(line=line(origination="LENDER")))
    assert client.requests[0] == {
        "PhoneNumber": PHONE,
        "Message": WORDS,
        "MessageAttributes": {
            "AWS.SNS.SMS.SMSType": {"DataType": "String", "StringValue": "Transactional"},
            "dunlin-message": {"DataType": "String", "StringValue": REF},
            "dunlin-reserved-at": {"DataType": "String", "StringValue": NOW.isoformat()},
            "AWS.SNS.SMS.MaxPrice": {"DataType": "Number", "StringValue": "0.05"},
            "AWS.MM.SMS.OriginationNumber": {"DataType": "String", "StringValue": "+12065550100"},
            "AWS.MM.SMS.EntityId": {"DataType": "String", "StringValue": "e"},
            "AWS.MM.SMS.TemplateId": {"DataType": "String", "StringValue": "t"},
        },
    }
    assert client.requests[1]["MessageAttributes"]["AWS.SNS.SMS.SenderID"]["StringValue"] == "LENDER"


@pytest.mark.parametrize("code", sorted(sns.CODES))
def test_what_an_sns_error_proves(code: str) -> None:
    status = 500 if code == "InternalError" else 400
    assert SnsSender(cast("Any", Client(client_error(code, status)))).hand_over(order()) == sns.CODES[code]


# ── SES ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def mail(**changes: Any) -> HandOver:
    email_line = line(
        channel=Channel.EMAIL, provider="aws_ses", origination="loans@example.com", configuration_set="dunlin"
    )
    return order(address="borrower@example.com", line=email_line, **changes)


def test_every_error_of_send_email_is_in_the_table() -> None:
    assert model_codes("sesv2", "SendEmail") == set(email.CODES)


def test_an_email_carries_its_reference_as_a_tag() -> None:
    client = Client({"MessageId": "m-1"})
    sender = SesSender(cast("Any", client), unsubscribe=LINKS)

    assert sender.hand_over(mail()) == Accepted("m-1")

    request = client.requests[0]
    tags = {tag["Name"]: tag["Value"] for tag in request["EmailTags"]}
    assert decode_tag(tags["dunlin-message"]) == REF
    assert decode_tag(tags["dunlin-reserved-at"]) == NOW.isoformat()
    assert request["FromEmailAddress"] == "loans@example.com"
    assert request["ConfigurationSetName"] == "dunlin"
    headers = {header["Name"]: header["Value"] for header in request["Content"]["Simple"]["Headers"]}
    assert headers == {
        "Auto-Submitted": "auto-generated",
        "List-Unsubscribe": f"<https://stop.example/{LINKS.token(POINT, Purpose.SERVICING)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


@pytest.mark.parametrize("purpose", [Purpose.REPLY, Purpose.MANDATORY])
def test_what_cannot_be_declined_has_no_unsubscribe(purpose: Purpose) -> None:
    client = Client({"MessageId": "m-1"})
    SesSender(cast("Any", client), unsubscribe=LINKS).hand_over(mail(purpose=purpose))
    headers = [header["Name"] for header in client.requests[0]["Content"]["Simple"]["Headers"]]
    assert headers == ["Auto-Submitted"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"subject": "Hello\r\nBcc: other@example.com"}, Refused(Reason.INVALID_MESSAGE)),
        ({"ref": "b/" + "x" * 300}, Refused(Reason.INVALID_MESSAGE)),
        ({"address": "a@example.com, b@example.com"}, Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        ({"address": "Name <a@example.com>"}, Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        ({"address": "a@example.com\n"}, Refused(Reason.INVALID_NUMBER, point_unusable=True)),
    ],
)
def test_an_email_that_could_not_be_matched_or_could_carry_a_header_is_not_sent(
    changes: dict[str, str], expected: Refused
) -> None:
    client = Client({"MessageId": "m-1"})
    assert (
        SesSender(cast("Any", client), unsubscribe=LINKS).hand_over(replace(mail(), **cast("Any", changes))) == expected
    )
    assert client.requests == []


@pytest.mark.parametrize("code", sorted(email.CODES))
def test_what_an_ses_error_proves(code: str) -> None:
    status = {"TooManyRequestsException": 429, "NotFoundException": 404}.get(code, 400)
    assert (
        SesSender(cast("Any", Client(client_error(code, status))), unsubscribe=LINKS).hand_over(mail())
        == email.CODES[code]
    )


@pytest.mark.parametrize("text", [REF, "a/b", "参考/1", "b-0001/2026-03-10#tier_1#1#sms#10"])
def test_tags_are_reversible_and_allowed(text: str) -> None:
    tag = encode_tag(text)
    assert set(tag) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    assert decode_tag(tag) == text


@pytest.mark.parametrize("tag", ["", "a", "a=", "YQ==", "YR", "____", "not a tag", "é", "A" * 257])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="not a tag"):
        decode_tag(tag)


# ── The finance provider ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.enable_socket
def test_a_finance_text_is_signed_over_its_bytes() -> None:
    headers: dict[str, str] = {}

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        headers.update({name.lower(): value for name, value in handler.headers.items()})
        headers["path"] = handler.path
        say(200, {"code": "OK", "biz_id": "biz-1"})(handler, body)

    with server(answer) as (url, requests), sender_for("finance_sms", url + "/") as sender:
        cn_line = line(origination="10690001", signature="测试金融", registrations=(("template_code", "T1"),))
        result = sender.hand_over(order(address="+8613800138000", line=cn_line, body="尊敬的客户"))

    assert result == Accepted("biz-1")
    assert headers["path"] == "/v1/messages"
    assert headers["x-key-id"] == "id"
    assert headers["x-timestamp"] == str(int(NOW.timestamp()))
    assert headers["x-signature"] == sign("secret", headers["x-timestamp"], requests[0])
    assert json.loads(requests[0]) == {
        "out_id": REF,
        "reserved_at": NOW.isoformat(),
        "phone": "13800138000",
        "sender": "10690001",
        "signature": "测试金融",
        "content": "尊敬的客户",
        "ttl_seconds": 3600,
        "filings": {"template_code": "T1"},
    }


@pytest.mark.parametrize(
    ("status", "raw", "expected"),
    [
        (200, b'{"code":"OK","biz_id":"b"}', Accepted("b")),
        (200, b'{"code":"OK"}', Unsettled(Reason.PROVIDER_ERROR)),
        (200, b'{"code":"OK","biz_id":7}', Unsettled(Reason.PROVIDER_ERROR)),
        (500, b'{"code":"OK","biz_id":"b"}', Unsettled(Reason.PROVIDER_ERROR)),
        (200, b'{"code":"isv.BUSINESS_LIMIT_CONTROL"}', NotAccepted(Reason.THROTTLED)),
        (429, b"", NotAccepted(Reason.THROTTLED)),
        (500, b'{"code":"isv.BUSINESS_LIMIT_CONTROL"}', Unsettled(Reason.PROVIDER_ERROR)),
        (408, b"", Unsettled(Reason.PROVIDER_ERROR)),
        (200, b'{"code":"isv.MOBILE_NUMBER_ILLEGAL"}', Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        (200, b'{"code":"isv.AMOUNT_NOT_ENOUGH"}', Refused(Reason.SPEND_LIMIT, stops_line=True)),
        (200, b'{"code":"isv.BLACK_KEY_CONTROL"}', Refused(Reason.INVALID_MESSAGE)),
        (200, b'{"code":"isv.MOBILE_IN_BLACKLIST"}', Refused(Reason.PROVIDER_OPTED_OUT)),
        (200, b'{"code":"isv.NEWER_THAN_THE_TABLE"}', Refused(Reason.REFUSED_BY_PROVIDER)),
        (200, b'{"code":"isp.SYSTEM_ERROR"}', Unsettled(Reason.PROVIDER_ERROR)),
        (200, b'{"code":"isp.NEWER_THAN_THE_TABLE"}', Unsettled(Reason.PROVIDER_ERROR)),
        (400, b'{"code":"odd"}', Refused(Reason.REFUSED_BY_PROVIDER)),
        (401, b"", Refused(Reason.ACCESS_DENIED, stops_line=True)),
        (302, b"", Unsettled(Reason.PROVIDER_ERROR)),
        (200, b"[]", Unsettled(Reason.PROVIDER_ERROR)),
        (200, b"[" * 10_000, Unsettled(Reason.PROVIDER_ERROR)),
        (200, b'{"code":"OK","biz_id":"b"}' + b" " * 20_000, Unsettled(Reason.PROVIDER_ERROR)),
    ],
)
def test_what_a_finance_answer_proves(status: int, raw: bytes, expected: object) -> None:
    assert finance_sms.settle_answer(status, raw) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("+12065550152", Refused(Reason.COUNTRY_BLOCKED)),
        ("+861065550152", Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        ("13800138000", Refused(Reason.COUNTRY_BLOCKED)),
    ],
)
def test_the_finance_line_speaks_to_mainland_mobiles_only(address: str, expected: Refused) -> None:
    key = FinanceSmsKey("id", "secret")
    sender = FinanceSmsSender("https://sms.invalid", key, lambda: NOW, read_timeout=1, connect_timeout=1)
    assert sender.hand_over(order(address=address)) == expected


def test_the_finance_provider_is_spoken_to_over_https() -> None:
    key = FinanceSmsKey("id", "secret")
    for url in ("http://sms.example.com", "http://127.0.0.1.example.com", "ftp://127.0.0.1"):
        with pytest.raises(ConfigurationError):
            FinanceSmsSender(url, key, lambda: NOW, read_timeout=1, connect_timeout=1)
    assert "secret" not in repr(key)


def test_a_reservation_instant_is_utc() -> None:
    from datetime import timezone

    sender, client = sms({"MessageId": "m-1"})
    elsewhere = NOW.astimezone(timezone(timedelta(hours=8)))
    sender.hand_over(order(reserved_at=elsewhere))
    assert client.requests[0]["Context"]["dunlin-reserved-at"] == NOW.isoformat()
