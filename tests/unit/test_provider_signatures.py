"""What the providers' own libraries sign is believed, and what we sign their libraries believe."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
import pytest
from alibabacloud_openapi_util.client import Client as AlibabaSigner
from dunlin.adapters.providers import WebhookRequest, WebhookSecrets, twilio
from dunlin.adapters.senders.alibaba import AlibabaKey
from dunlin.adapters.senders.alibaba import authorization as alibaba_authorization
from dunlin.adapters.senders.tencent import TencentKey
from dunlin.adapters.senders.tencent import authorization as tencent_authorization
from dunlin.adapters.webhooks import receive
from sinch.domains.authentication.sinch_events.v1.authentication_validation import (
    validate_sinch_event_signature_with_nonce,
)
from Tea.request import TeaRequest
from tencentcloud.common.sign import Sign
from twilio.request_validator import RequestValidator
from vonage_http_client.auth import Auth

from tests.webhook_requests import MESSAGES_REPORT, NOW, SECRETS, TAG, TOKEN, TWILIO_REPORT, VONAGE_REPORT, request

TC3_BODY = b'{"PhoneNumberSet":["+8613800138000"]}'


def test_twilio_s_validator_agrees() -> None:
    secrets = SECRETS["twilio"]
    validator = RequestValidator(secrets.signing_secret)
    url = twilio.address(secrets, "reports", TAG)
    theirs = validator.compute_signature(url, TWILIO_REPORT)
    asked = WebhookRequest(
        "twilio",
        TOKEN,
        "reports",
        (("X-Twilio-Signature", theirs),),
        urlencode(TWILIO_REPORT).encode(),
        query=(("ref", TAG),),
    )
    assert receive(asked, secrets, NOW).accepted
    ours = request("twilio", "inbound")
    signature = dict(ours.headers)["X-Twilio-Signature"]
    assert validator.validate(twilio.address(secrets, "inbound"), dict(parse_qsl(ours.raw.decode())), signature)


def test_twilio_s_validator_agrees_about_json() -> None:
    secrets = SECRETS["twilio"]
    raw = json.dumps(TWILIO_REPORT)
    digest = hashlib.sha256(raw.encode()).hexdigest()
    url = f"{twilio.address(secrets, 'reports', TAG)}&bodySHA256={digest}"
    theirs = RequestValidator(secrets.signing_secret).compute_signature(url, {})
    query = (("ref", TAG), ("bodySHA256", digest))
    asked = WebhookRequest("twilio", TOKEN, "reports", (("X-Twilio-Signature", theirs),), raw.encode(), query=query)
    assert receive(asked, secrets, NOW).accepted
    assert RequestValidator(secrets.signing_secret).validate(url, raw, theirs)


@pytest.mark.parametrize("method", ["md5", "sha1", "sha256", "sha512"])
def test_vonage_s_client_agrees(method: Any) -> None:
    secrets = replace(SECRETS["vonage_sms"], signature_method=method)
    auth = Auth(api_key="key", signature_secret=secrets.signing_secret, signature_method=method)
    parameters: dict[str, Any] = {**VONAGE_REPORT, "note": "a&b=c"}
    theirs = auth.sign_params(dict(parameters))
    signed = urlencode({**parameters, "sig": theirs}).encode()
    assert receive(WebhookRequest("vonage_sms", TOKEN, "reports", (), signed), secrets, NOW).accepted
    assert auth.check_signature(json.loads(request("vonage_sms", secrets=secrets).raw))


def test_a_token_of_pyjwt_s_is_believed() -> None:
    key = "a secret that is as long as this library wants it for either of these two algorithms"
    raw = json.dumps(MESSAGES_REPORT).encode()
    claims = {"iat": int(NOW.timestamp()), "payload_hash": hashlib.sha256(raw).hexdigest(), "jti": "1"}
    for algorithm, problem in (("HS256", ""), ("HS512", "signature")):
        headers = (("Authorization", f"Bearer {jwt.encode(claims, key, algorithm=algorithm)}"),)
        asked = WebhookRequest("vonage_messages", TOKEN, "reports", headers, raw)
        assert receive(asked, WebhookSecrets(TOKEN, key), NOW).problem == problem


def test_sinch_s_library_agrees() -> None:
    made = request("sinch")
    valid = validate_sinch_event_signature_with_nonce(
        SECRETS["sinch"].signing_secret, dict(made.headers), made.raw.decode()
    )
    assert valid


def test_alibaba_s_library_makes_the_same_header() -> None:
    query = {"PhoneNumbers": "13800138000", "SignName": "滨禾", "TemplateParam": '{"name":"李 ~*+/"}', "OutId": "b/k#1"}
    headers = {
        "host": "dysmsapi.aliyuncs.com",
        "x-acs-action": "SendSms",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": "2026-03-10T18:00:00Z",
        "x-acs-signature-nonce": "0" * 32,
        "x-acs-version": "2017-05-25",
    }
    theirs = TeaRequest()
    theirs.method, theirs.pathname, theirs.query, theirs.headers = "POST", "/", query, headers
    expected = AlibabaSigner.get_authorization(
        theirs, "ACS3-HMAC-SHA256", headers["x-acs-content-sha256"], "key", "secret"
    )
    assert alibaba_authorization(AlibabaKey("key", "secret"), query, headers) == expected


def test_tencent_s_library_makes_the_same_signature() -> None:
    at = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)
    host = "sms.tencentcloudapi.com"
    canonical = (
        f"POST\n/\n\ncontent-type:application/json; charset=utf-8\nhost:{host}\n\ncontent-type;host\n"
        + hashlib.sha256(TC3_BODY).hexdigest()
    )
    to_sign = (
        f"TC3-HMAC-SHA256\n{int(at.timestamp())}\n2026-03-10/sms/tc3_request\n"
        + hashlib.sha256(canonical.encode()).hexdigest()
    )
    expected = Sign.sign_tc3("secret", "2026-03-10", "sms", to_sign)
    header = tencent_authorization(TencentKey("id", "secret", "1400000000"), host, TC3_BODY, at)
    assert header.endswith(f"Signature={expected}")
    assert "Credential=id/2026-03-10/sms/tc3_request" in header
