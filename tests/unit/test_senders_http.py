"""Twilio, Alibaba Cloud and Tencent Cloud: what each is asked, what each answer proves, and that it is asked once."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from dunlin.adapters.fields import decode_tag
from dunlin.adapters.providers import WebhookSecrets
from dunlin.adapters.senders import alibaba, finance_sms, tencent, twilio
from dunlin.adapters.senders.filed import ALIBABA_GAP, TENCENT_GAP, filed_text
from dunlin.content.schema import LineModel
from dunlin.domain.words import Purpose, Reason
from dunlin.errors import ConfigurationError
from dunlin.services.ports import Accepted, HandOver, NotAccepted, Refused, Sender, Unsettled
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_senders import NOW, REF, hang_up, say, server, too_late
from tests.unit.test_senders import line as a_line

KINDS = ("twilio", "alibaba", "tencent")
PHONE, MAINLAND = "+12125550123", "+8613800138000"
WEBHOOK = WebhookSecrets("t" * 40, "auth", "https://messages.lender.example/v1")
SID = "SM" + "0a" * 16
LINE = a_line(provider="twilio", max_price="0.05", registrations=(("messaging_service", "MG1"),))
FILED = {
    "alibaba": (("SMS_1", "${name}，您好。"), ("SMS_2", "${name}：账单${amount}元，${day}到期。")),
    "tencent": (("1110", "{1}，您好。"), ("2220", "{2}：账单{1}元，{3}到期。")),
}
WORDS = "李明：账单120.50元，3月12日到期。"


def order(kind: str, **changes: Any) -> HandOver:
    plain = HandOver(REF, NOW, LINE, Purpose.SERVICING, PHONE, "", "Marram: 120.50 USD is due.", 3600, "en-US", "p-1")
    if kind != "twilio":
        line = replace(LINE, provider=kind, signature="【滨禾】", templates=FILED[kind])
        plain = replace(plain, line=line, address=MAINLAND, body=WORDS, locale="zh-CN")
    return replace(plain, **changes)


def make(kind: str, url: str, patience: float = 3.0) -> Any:
    times: Any = {"read_timeout": patience, "connect_timeout": 0.5}
    match kind:
        case "twilio":
            return twilio.TwilioSender(url, twilio.TwilioKey("AC1", "SK1", "secret"), WEBHOOK, **times)
        case "alibaba":
            return alibaba.AlibabaSender(url, alibaba.AlibabaKey("key", "secret"), lambda: NOW, **times)
        case _:
            key = tencent.TencentKey("id", "secret", "1400000000")
            return tencent.TencentSender(url, key, lambda: NOW, region="ap-guangzhou", **times)


@contextmanager
def sender_for(kind: str, url: str, patience: float = 3.0) -> Iterator[Sender]:
    sender = make(kind, url, patience)
    yield sender
    sender.close()


ANSWERS = [
    (too_late, Unsettled(Reason.TIMED_OUT)),
    (hang_up, Unsettled(Reason.PROVIDER_ERROR)),
    (say(500, {"code": 20003}), Unsettled(Reason.PROVIDER_ERROR)),
    (say(503, b"<html>"), Unsettled(Reason.PROVIDER_ERROR)),
    (say(200, b"not json"), Unsettled(Reason.PROVIDER_ERROR)),
    (say(200, b"x" * 20_000), Unsettled(Reason.PROVIDER_ERROR)),
    (say(429, {}), NotAccepted(Reason.THROTTLED)),
]


@pytest.mark.enable_socket
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("answer", "expected"), ANSWERS, ids=["late", "hang up", "500", "503", "no JSON", "long", "429"]
)
def test_one_hand_over_is_one_request(kind: str, answer: Any, expected: Any) -> None:
    patience = 0.15 if answer is too_late else 3.0
    with server(answer) as (url, requests), sender_for(kind, url, patience) as sender:
        result = sender.hand_over(order(kind))
        time.sleep(0.05)
        assert result == expected
        assert len(requests) == 1


@pytest.mark.enable_socket
@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_is_not_followed(kind: str) -> None:
    def elsewhere(handler: Any, _: bytes) -> None:
        handler.send_response(307)
        handler.send_header("Location", "/elsewhere")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with server(elsewhere) as (url, requests), sender_for(kind, url) as sender:
        assert isinstance(sender.hand_over(order(kind)), Unsettled)
        assert len(requests) == 1


@pytest.mark.enable_socket
@pytest.mark.parametrize("kind", KINDS)
def test_no_connection_is_proof_that_nothing_was_accepted(kind: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with sender_for(kind, f"http://127.0.0.1:{free.getsockname()[1]}") as sender:
            assert sender.hand_over(order(kind)) == NotAccepted(Reason.NOT_CONNECTED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("url", ["http://api.example", "ftp://api.example", "api.example"])
def test_only_over_tls(kind: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{kind}\.base_url: must be https"):
        make(kind, url)
    assert "hidden" not in repr(tencent.TencentKey("id", "hidden"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": "not a number"}, None),
        ({"ttl_seconds": 0}, Reason.WINDOW_CLOSED),
        ({"ref": "b/" + "k" * 700}, None),
    ],
)
def test_what_cannot_be_sent_asks_nobody(kind: str, changes: dict[str, Any], reason: Reason | None) -> None:
    result = make(kind, "http://127.0.0.1:1").hand_over(order(kind, **changes))
    assert isinstance(result, Refused)
    assert reason is None or result.reason is reason


@pytest.mark.parametrize("kind", ["alibaba", "tencent"])
def test_a_mainland_cloud_carries_what_may_be_felt_late_in_filed_words(kind: str) -> None:
    sender = make(kind, "http://127.0.0.1:1")
    for purpose in set(Purpose) - {Purpose.SERVICING, Purpose.REPLY}:
        assert sender.hand_over(order(kind, purpose=purpose)) == Refused(Reason.NO_ROUTE)
    assert sender.hand_over(order(kind, address=PHONE)) == Refused(Reason.COUNTRY_BLOCKED)
    landline = Refused(Reason.INVALID_NUMBER, point_unusable=True)
    assert sender.hand_over(order(kind, address="+861012345678")) == landline
    assert sender.hand_over(order(kind, body="别的话")) == Refused(Reason.INVALID_MESSAGE)


def heard(kind: str, document: object, **changes: Any) -> tuple[Any, str, dict[str, str], bytes]:
    """The result, and path, headers and body of what was asked."""
    seen: list[tuple[str, dict[str, str], bytes]] = []

    def answer(handler: Any, body: bytes) -> None:
        seen.append((handler.path, {name.lower(): value for name, value in handler.headers.items()}, body))
        say(200, document)(handler, body)

    with server(answer) as (url, _), sender_for(kind, url) as sender:
        result = sender.hand_over(order(kind, **changes))
    [(path, headers, body)] = seen
    return result, path, headers, body


@pytest.mark.enable_socket
def test_twilio_is_told_where_to_report_and_nothing_personal_with_it() -> None:
    result, path, headers, body = heard("twilio", {"sid": SID}, ttl_seconds=90_000)
    assert result == Accepted(SID)
    assert path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert base64.b64decode(headers["authorization"].removeprefix("Basic ")) == b"SK1:secret"
    form = dict(parse_qsl(body.decode()))
    callback = urlsplit(form.pop("StatusCallback"))
    assert form == {
        "To": PHONE,
        "Body": "Marram: 120.50 USD is due.",
        "From": "+12065550100",
        "ValidityPeriod": "36000",
        "MessagingServiceSid": "MG1",
        "MaxPrice": "0.05",
    }
    assert (callback.netloc, callback.path) == (
        "messages.lender.example",
        f"/v1/providers/twilio/{'t' * 40}/reports",
    )
    assert decode_tag(parse_qs(callback.query)["ref"][0]) == REF


@pytest.mark.enable_socket
def test_alibaba_gets_a_code_and_what_stands_in_its_gaps() -> None:
    result, path, headers, body = heard("alibaba", {"Code": "OK", "BizId": "biz-9", "RequestId": "r"})
    assert result == Accepted("biz-9")
    asked = dict(parse_qsl(urlsplit(path).query))
    assert json.loads(asked.pop("TemplateParam")) == {"name": "李明", "amount": "120.50", "day": "3月12日"}
    assert asked == {"PhoneNumbers": "13800138000", "SignName": "滨禾", "TemplateCode": "SMS_2", "OutId": REF}
    assert (headers["x-acs-action"], headers["x-acs-version"], body) == ("SendSms", "2017-05-25", b"")
    assert headers["x-acs-date"] == "2026-03-10T18:00:00Z"
    assert headers["authorization"].startswith("ACS3-HMAC-SHA256 Credential=key,SignedHeaders=host;x-acs-action;")


@pytest.mark.enable_socket
def test_tencent_gets_a_number_and_its_gaps_in_their_order() -> None:
    done = {"Response": {"SendStatusSet": [{"SerialNo": "s-9", "Code": "Ok"}], "RequestId": "r"}}
    result, path, headers, body = heard("tencent", done)
    assert (result, path) == (Accepted("s-9"), "/")
    assert json.loads(body) == {
        "PhoneNumberSet": [MAINLAND],
        "SmsSdkAppId": "1400000000",
        "SignName": "滨禾",
        "TemplateId": "2220",
        "TemplateParamSet": ["120.50", "李明", "3月12日"],
        "SessionContext": REF,
    }
    assert headers["x-tc-timestamp"] == str(int(NOW.timestamp()))
    assert (headers["x-tc-action"], headers["x-tc-version"]) == ("SendSms", "2021-01-11")


DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (201, {"sid": SID}, Accepted(SID)),
        (201, {"sid": 7}, Unsettled(Reason.PROVIDER_ERROR)),
        (201, {}, Unsettled(Reason.PROVIDER_ERROR)),
        (400, {"code": 21610}, Refused(Reason.PROVIDER_OPTED_OUT)),
        (400, {"code": 21211}, Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        (400, {"code": 21617}, Refused(Reason.TOO_LONG)),
        (400, {"code": 21606}, Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)),
        (400, {"code": 99999}, Refused(Reason.REFUSED_BY_PROVIDER)),
        (400, {"code": "21610"}, Refused(Reason.REFUSED_BY_PROVIDER)),
        (400, {}, Refused(Reason.REFUSED_BY_PROVIDER)),
        (401, {"code": 20003}, DENIED),
        (403, {}, DENIED),
        (408, {"code": 21610}, Unsettled(Reason.PROVIDER_ERROR)),
        (429, {"code": 21610}, NotAccepted(Reason.THROTTLED)),
        (500, {"code": 21610}, Unsettled(Reason.PROVIDER_ERROR)),
        (302, {}, Unsettled(Reason.PROVIDER_ERROR)),
    ],
)
def test_what_an_answer_of_twilio_s_proves(status: int, document: object, expected: object) -> None:
    assert twilio.settle_answer(status, json.dumps(document).encode()) == expected


def sent(code: str, serial: object = "s-1") -> dict[str, object]:
    return {"Response": {"SendStatusSet": [{"SerialNo": serial, "Code": code}]}}


def error(code: object) -> dict[str, object]:
    return {"Response": {"Error": {"Code": code, "Message": "…"}}}


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (200, sent("Ok"), Accepted("s-1")),
        (200, sent("Ok", ""), Unsettled(Reason.PROVIDER_ERROR)),
        (200, sent("Ok", 7), Unsettled(Reason.PROVIDER_ERROR)),
        (200, sent("FailedOperation.PhoneNumberInBlacklist"), Refused(Reason.PROVIDER_OPTED_OUT)),
        (200, sent("FailedOperation.ContainSensitiveWord"), Refused(Reason.INVALID_MESSAGE)),
        (200, sent("FailedOperation.Newer"), Refused(Reason.REFUSED_BY_PROVIDER)),
        (200, sent("LimitExceeded.PhoneNumberDailyLimit"), NotAccepted(Reason.THROTTLED)),
        (200, sent("LimitExceeded.AppDailyLimit"), Refused(Reason.SPEND_LIMIT, stops_line=True)),
        (
            200,
            sent("InvalidParameterValue.IncorrectPhoneNumber"),
            Refused(Reason.INVALID_NUMBER, point_unusable=True),
        ),
        (200, sent("Newer"), Unsettled(Reason.PROVIDER_ERROR)),
        (200, error("AuthFailure.SignatureExpire"), DENIED),
        (200, error("UnauthorizedOperation.SmsSdkAppIdVerifyFail"), DENIED),
        (200, error("RequestLimitExceeded"), NotAccepted(Reason.THROTTLED)),
        (200, error("InternalError.Timeout"), Unsettled(Reason.PROVIDER_ERROR)),
        (200, error(7), Unsettled(Reason.PROVIDER_ERROR)),
        (200, {"Response": {}}, Unsettled(Reason.PROVIDER_ERROR)),
        (200, {"Response": {"SendStatusSet": [{}, {}]}}, Unsettled(Reason.PROVIDER_ERROR)),
        (200, {}, Unsettled(Reason.PROVIDER_ERROR)),
        (400, {}, Refused(Reason.REFUSED_BY_PROVIDER)),
        (408, sent("Ok"), Unsettled(Reason.PROVIDER_ERROR)),
        (429, sent("Ok"), NotAccepted(Reason.THROTTLED)),
        (502, sent("Ok"), Unsettled(Reason.PROVIDER_ERROR)),
    ],
)
def test_what_an_answer_of_tencent_s_proves(status: int, document: object, expected: object) -> None:
    assert tencent.settle_answer(status, json.dumps(document).encode()) == expected


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (200, {"Code": "OK", "BizId": "b-1"}, Accepted("b-1")),
        (200, {"code": "OK", "biz_id": "b-1"}, Unsettled(Reason.PROVIDER_ERROR)),
        (200, {"Code": "isv.BUSINESS_LIMIT_CONTROL"}, NotAccepted(Reason.THROTTLED)),
        (200, {"Code": "isv.MOBILE_IN_BLACKLIST"}, Refused(Reason.PROVIDER_OPTED_OUT)),
        (200, {"Code": "isp.SYSTEM_ERROR"}, Unsettled(Reason.PROVIDER_ERROR)),
        (404, {"Code": "InvalidAccessKeyId.NotFound"}, DENIED),
        (503, {"Code": "OK", "BizId": "b-1"}, Unsettled(Reason.PROVIDER_ERROR)),
    ],
)
def test_alibaba_answers_with_the_codes_that_others_took_from_it(
    status: int, document: object, expected: object
) -> None:
    assert finance_sms.settle_answer(status, json.dumps(document).encode(), "Code", "BizId") == expected


def test_a_line_has_its_filed_texts_from_the_profile() -> None:
    templates = [{"code": "SMS_1", "text": "${name}，您好。"}]
    model = LineModel.model_validate(
        {
            "id": "cn-cloud",
            "jurisdiction": "CN",
            "channel": "sms",
            "provider": "alibaba",
            "origination": "106900000142",
            "purposes": ["servicing"],
            "parts_per_second": 1,
            "links": "none",
            "opt_out_line": "required",
            "templates": templates,
        }
    )
    assert [(each.code, each.text) for each in model.templates] == [("SMS_1", "${name}，您好。")]
    with pytest.raises(ValueError, match="code"):
        LineModel.model_validate({**model.model_dump(), "templates": [{"text": "x"}]})


# ── Filed texts ──────────────────────────────────────────────────────────────────────────────────────────────────────

WORD = st.text(alphabet="ab。，元1", min_size=1, max_size=6)


@settings(database=None, deadline=None)
@given(values=st.lists(WORD, min_size=1, max_size=4), pieces=st.lists(WORD, min_size=5, max_size=5))
def test_what_the_provider_composes_is_the_very_text(values: list[str], pieces: list[str]) -> None:
    text = pieces[0] + "".join(f"${{v{index}}}{pieces[index + 1]}" for index in range(len(values)))
    body = pieces[0] + "".join(value + pieces[index + 1] for index, value in enumerate(values))
    found = filed_text((("code", text),), body, ALIBABA_GAP)
    if found is not None:
        composed = text
        for name, value in found[1]:
            composed = composed.replace(f"${{{name}}}", value)
        assert composed == body
    else:
        # A piece that also stands inside a value, or right before the next one, can only be refused.
        joined = "".join(values) + "".join(pieces)
        assert any(joined.count(piece) > 1 or len(piece) < 3 for piece in pieces)


@pytest.mark.parametrize(
    ("text", "body", "values"),
    [
        ("您好。", "您好。", ()),
        ("您好。", "您好", None),
        ("{1}元", "120元", (("1", "120"),)),
        ("{1}元", "元", None),
        ("共{1}", "共120", (("1", "120"),)),
        ("共{1}", "计120", None),
        ("{1}和{1}", "a和a", None),
        ("{1}{2}", "ab", None),
        ("{1}和{2}。", "a或b。", None),
        ("{1}和{2}。", "a和b", None),
    ],
)
def test_a_filed_text(text: str, body: str, values: tuple[tuple[str, str], ...] | None) -> None:
    assert filed_text((("9", text),), body, TENCENT_GAP) == (None if values is None else ("9", values))
