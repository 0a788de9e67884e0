"""Pushes through SNS: one request to a device's endpoint, which shows no figure and ends inside its window."""

from __future__ import annotations

import json
from typing import Any, cast

import boto3
import pytest
from botocore.loaders import Loader
from botocore.stub import ANY, Stubber
from dunlin.adapters.senders import push
from dunlin.adapters.senders.push import PushSender
from dunlin.domain.words import Channel, Purpose, Reason
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted, Refused, Unsettled

from tests.unit.test_senders import NOW, REF, Client, client_error, line, order

DEVICE = "arn:aws:sns:us-east-1:123456789012:endpoint/{}/marram/5e3e9847-3183-3f18-a7e8-671c3a57d4b3"
ANDROID, APPLE = DEVICE.format("GCM"), DEVICE.format("APNS")
TITLE, BODY = "A message about your account", "Open the Marram app to read it."


def pushed(**changes: Any) -> HandOver:
    own = line(channel=Channel.PUSH, provider="aws_push", origination="marram")
    return order(**({"line": own, "address": ANDROID, "subject": TITLE, "body": BODY, "ttl_seconds": 900} | changes))


def sent(outcome: object, **changes: Any) -> tuple[HandOverResult, list[dict[str, Any]]]:
    client = Client(outcome)
    return PushSender(cast("Any", client)).hand_over(pushed(**changes)), client.requests


@pytest.mark.parametrize(
    ("address", "ttl", "payload"),
    [
        (
            ANDROID,
            "AWS.SNS.MOBILE.FCM.TTL",
            {"fcmV1Message": {"message": {"notification": {"title": TITLE, "body": BODY}}}},
        ),
        (APPLE, "AWS.SNS.MOBILE.APNS.TTL", {"aps": {"alert": {"title": TITLE, "body": BODY}, "sound": "default"}}),
        (
            DEVICE.format("APNS_SANDBOX"),
            "AWS.SNS.MOBILE.APNS_SANDBOX.TTL",
            {"aps": {"alert": {"title": TITLE, "body": BODY}, "sound": "default"}},
        ),
    ],
)
def test_each_service_is_given_its_own_form(address: str, ttl: str, payload: dict[str, Any]) -> None:
    result, (request,) = sent({"MessageId": "m-1"}, address=address)
    assert result == Accepted("m-1")
    assert request["TargetArn"] == address
    assert request["MessageStructure"] == "json"
    message = json.loads(request["Message"])
    service = address.split("/")[1]
    assert message.keys() == {"default", service}
    assert json.loads(message[service]) == payload
    attributes = {name: value["StringValue"] for name, value in request["MessageAttributes"].items()}
    assert attributes.pop("AWS.SNS.MOBILE.APNS.PUSH_TYPE", None) == (None if service == "GCM" else "alert")
    assert attributes == {ttl: "900", "dunlin-message": REF, "dunlin-reserved-at": NOW.isoformat()}


def test_the_request_has_the_shape_of_the_service_s_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("sns", region_name="us-east-1")
    stub = Stubber(client)
    expected = {"TargetArn": APPLE, "Message": ANY, "MessageStructure": "json", "MessageAttributes": ANY}
    stub.add_response("publish", {"MessageId": "m-1"}, expected)
    with stub:
        assert PushSender(client).hand_over(pushed(address=APPLE)) == Accepted("m-1")


def test_a_chinese_push_is_no_longer_than_it_is_in_bytes() -> None:
    _, (request,) = sent({"MessageId": "m-1"}, subject="关于您的账户", body="请打开客户端查看。")
    assert (
        "请打开客户端查看。"
        in json.loads(json.loads(request["Message"])["GCM"])["fcmV1Message"]["message"]["notification"].values()
    )
    assert sent({"MessageId": "m-1"}, body="请" * 1400)[0] == Refused(Reason.TOO_LONG)


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - push.PURPOSES))
def test_nothing_that_has_to_be_proved_or_hidden_is_pushed(purpose: Purpose) -> None:
    assert sent({"MessageId": "m-1"}, purpose=purpose) == (Refused(Reason.NO_ROUTE), [])


@pytest.mark.parametrize(
    "address",
    [
        "+12065550152",
        "arn:aws:sns:us-east-1:123456789012:topic",
        "arn:aws:sns:us-east-1:123456789012:app/GCM/marram",
        DEVICE.format("BAIDU"),
        f"{ANDROID}/more",
        f"{ANDROID}\n",
        "",
    ],
)
def test_what_is_no_device_is_not_published_to(address: str) -> None:
    """Above all no topic: whoever subscribes there would read it."""
    assert sent({"MessageId": "m-1"}, address=address) == (Refused(Reason.INVALID_NUMBER, point_unusable=True), [])


def test_another_app_s_device_is_not_this_line_s() -> None:
    other = ANDROID.replace("/marram/", "/binhe/")
    assert sent({"MessageId": "m-1"}, address=other) == (Refused(Reason.NO_ROUTE), [])


def test_a_window_that_is_over() -> None:
    assert sent({"MessageId": "m-1"}, ttl_seconds=0) == (Refused(Reason.WINDOW_CLOSED), [])


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("EndpointDisabled", 400, Refused(Reason.ENDPOINT_DISABLED, point_unusable=True)),
        ("NotFound", 404, Refused(Reason.ENDPOINT_DISABLED, point_unusable=True)),
        ("PlatformApplicationDisabled", 400, Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)),
        ("AuthorizationError", 403, Refused(Reason.ACCESS_DENIED, stops_line=True)),
        ("InvalidParameter", 400, Refused(Reason.REFUSED_BY_PROVIDER)),
        ("Throttled", 429, NotAccepted(Reason.THROTTLED)),
        ("InternalError", 500, Unsettled(Reason.PROVIDER_ERROR)),
        ("SomethingNew", 400, Refused(Reason.REFUSED_BY_PROVIDER)),
    ],
)
def test_what_an_error_proves(code: str, status: int, expected: HandOverResult) -> None:
    assert sent(client_error(code, status))[0] == expected


def test_every_error_of_publish_is_in_the_table() -> None:
    model = Loader().load_service_model("sns", "service-2")
    shapes = model["operations"]["Publish"]["errors"]
    codes = {model["shapes"][each["shape"]].get("error", {}).get("code", each["shape"]) for each in shapes}
    assert {code.removesuffix("Exception") for code in codes} <= {code.removesuffix("Exception") for code in push.CODES}
