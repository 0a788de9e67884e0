"""Webhooks of every provider: who is believed, what is read, and that nothing which was changed on the way comes in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from dunlin.adapters.fields import encode_tag
from dunlin.adapters.providers import PROVIDERS, WebhookRequest, WebhookSecrets, provider_of, twilio, vonage_sms
from dunlin.adapters.reports import parse_inbound, parse_report
from dunlin.adapters.webhooks import query_of_event, receive
from dunlin.domain.words import Channel, MessageState, Reason
from dunlin.entry.provider_fields import http_sender, provider_fields, webhook_secrets
from dunlin.errors import ConfigurationError, InvalidInput
from dunlin.services.ports import DeliveryReport
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.webhook_requests import (
    BASE,
    GOOD,
    MAINLAND,
    NOW,
    OPENID,
    PHONE,
    REF,
    SECRETS,
    SIGNED,
    TAG,
    TOKEN,
    TWILIO_REPORT,
    UNSIGNED,
    VONAGE_REPORT,
    jwt,
    request,
)

DELIVERED, FAILED, UNKNOWN = MessageState.DELIVERED, MessageState.FAILED, MessageState.UNKNOWN
#: Where a report names no reference of ours.
ADDRESSES = {"tencent": MAINLAND, "wechat": OPENID}
PERSONAL = (OPENID, "2125550123", "13800138000", "please stop texting me", "退订")
EXPECTED_ANSWER: Mapping[str, tuple[int, str, Mapping[str, Any]]] = {
    "finance_sms": (200, "application/json", {"code": 0}),
    "alibaba": (200, "application/json", {"code": 0}),
    "tencent": (200, "application/json", {"result": 0, "errmsg": "OK"}),
    "vonage_messages": (200, "application/json", {}),
    "sinch": (200, "application/json", {}),
}


def report_of(provider: str, body: Any, at: Any = NOW) -> DeliveryReport:
    answer = receive(request(provider, "reports", body), SECRETS[provider], at)
    assert answer.refusals == ()
    [accepted] = answer.accepted
    return parse_report(accepted, at)


def test_the_tests_know_every_provider() -> None:
    assert set(GOOD) == set(SECRETS) == set(PROVIDERS) == {*SIGNED, *UNSIGNED}
    known = {name: found for name in PROVIDERS if (found := provider_of(name))}
    assert {name for name, each in known.items() if each.signing_field and each.covers_body} == set(SIGNED)
    assert [each.name for each in known.values()] == list(known) == list(PROVIDERS)
    assert provider_of("aws_sms") is None
    assert provider_of(7) is None


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_a_report_is_read(provider: str) -> None:
    report = report_of(provider, None)
    assert report.ref == ("" if provider in ADDRESSES else REF)
    assert (report.state, report.reason) == (DELIVERED, Reason.DELIVERED)
    assert report.is_signed == (provider in SIGNED)
    assert report.address == ADDRESSES.get(provider, "")
    assert report.channel is (Channel.WECHAT if provider == "wechat" else Channel.SMS)
    assert timedelta(0) <= NOW - report.at <= timedelta(minutes=1)


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_a_text_is_read(provider: str) -> None:
    answer = receive(request(provider, "inbound"), SECRETS[provider], NOW)
    [accepted] = answer.accepted
    text = parse_inbound(accepted, NOW)
    assert text.provider == provider
    assert text.from_address in {PHONE, MAINLAND, OPENID}
    assert text.channel is (Channel.WECHAT if provider == "wechat" else Channel.SMS)
    assert text.is_signed == (provider in SIGNED)
    assert text.provider_opted_out == (provider == "twilio")
    assert not text.inbound_id.isdecimal()
    again = receive(request(provider, "inbound"), SECRETS[provider], NOW + timedelta(minutes=1)).accepted
    assert [parse_inbound(each, NOW).inbound_id for each in again] == [text.inbound_id]


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_each_hears_the_answer_that_it_expects(provider: str) -> None:
    answer = receive(request(provider), SECRETS[provider], NOW)
    if provider in EXPECTED_ANSWER:
        status, media_type, body = EXPECTED_ANSWER[provider]
        assert (answer.status, answer.media_type) == (status, media_type)
        assert body.items() <= json.loads(answer.body).items()
    else:
        assert (answer.status, answer.body) == (200, {"twilio": "<Response/>", "wechat": "success"}.get(provider, ""))


@pytest.mark.parametrize("provider", list(PROVIDERS))
@pytest.mark.parametrize("kind", ["reports", "inbound"])
def test_what_can_never_be_read_is_kept_and_not_asked_for_again(provider: str, kind: str) -> None:
    """Only what the provider signed comes so far; the answer is the expected one all the same."""
    body: Any = {"unknown": "1"} if provider in {"twilio", "vonage_sms"} else b"not json"
    answer = receive(request(provider, kind, body), SECRETS[provider], NOW)
    assert (answer.status, answer.accepted) == (200, ())
    assert len(answer.refusals) == 1


# ── Attacks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def changed(text: str, rng: random.Random) -> str:
    """One character more, fewer, or another."""
    at = rng.randrange(len(text) + 1)
    match rng.randrange(3):
        case 0:
            return text[:at] + rng.choice("0aZ=&+_.%") + text[at:]
        case 1 if text:
            at = min(at, len(text) - 1)
            return text[:at] + text[at + 1 :]
        case _:
            at = min(at, len(text) - 1)
            other = rng.choice([c for c in "0123456789abcXYZ=&+_.%" if c.lower() != text[at].lower()])
            return text[:at] + other + text[at + 1 :]


def mutated(good: WebhookRequest, rng: random.Random) -> WebhookRequest:
    """The request with one thing changed: body, a signed header, the token, the query, the path."""
    proofs = [index for index, (name, _) in enumerate(good.headers) if name != "Content-Type"]
    match rng.randrange(8):
        case 0 | 1 | 2 if good.raw:
            return replace(good, raw=changed(good.raw.decode("latin-1"), rng).encode("latin-1", "replace"))
        case 3 if proofs:
            index = rng.choice(proofs)
            name, value = good.headers[index]
            header = (name, changed(value, rng))
            return replace(good, headers=(*good.headers[:index], header, *good.headers[index + 1 :]))
        case 4 if proofs:
            index = rng.choice(proofs)
            doubled = (good.headers[index],) if rng.random() < 0.5 else ()
            return replace(good, headers=(*good.headers[:index], *doubled * 2, *good.headers[index + 1 :]))
        case 5 if good.query:
            name, value = good.query[0]
            return replace(good, query=((name, changed(value, rng)),))
        case 6:
            return replace(good, method=rng.choice(["PUT", "get", ""]))
        case _:
            return replace(good, token=changed(good.token, rng))


@pytest.mark.parametrize("kind", ["reports", "inbound"])
@pytest.mark.parametrize("provider", SIGNED)
def test_ten_thousand_changes_bring_nothing_else_in(provider: str, kind: str) -> None:
    """Five thousand of each kind. Where a form is written otherwise and says the same, it says only that."""
    rng = random.Random(f"{provider}/{kind}")
    good = request(provider, kind)
    said = receive(good, SECRETS[provider], NOW).accepted
    assert said
    same = 0
    for _ in range(5_000):
        mutant = mutated(good, rng)
        answer = receive(mutant, SECRETS[provider], NOW)
        if answer.accepted:
            same += 1
            assert answer.accepted == said
        assert answer.status in {200, 401, 404, 405}
    assert same <= (0 if provider not in {"twilio", "vonage_sms"} else 100)


@pytest.mark.parametrize("provider", UNSIGNED)
def test_ten_thousand_guesses_of_a_token_let_nobody_in(provider: str) -> None:
    rng = random.Random(provider)
    good = request(provider)
    for _ in range(10_000):
        guess = changed(TOKEN, rng)
        if guess == TOKEN:
            continue
        assert receive(replace(good, token=guess), SECRETS[provider], NOW).status == 404


@pytest.mark.parametrize("provider", SIGNED)
def test_another_secret_another_address_and_another_provider_prove_nothing(provider: str) -> None:
    secrets = SECRETS[provider]
    guessed = request(provider, secrets=replace(secrets, signing_secret="guessed"))
    assert receive(guessed, secrets, NOW).status == 401
    assert receive(request(provider), None, NOW).status == 404
    for other in PROVIDERS:
        if other != provider and other in SIGNED:
            moved = replace(request(provider), provider=other)
            assert receive(moved, replace(SECRETS[other], signing_secret=secrets.signing_secret), NOW).accepted == ()


@pytest.mark.parametrize("provider", ["finance_sms", "vonage_sms", "vonage_messages", "sinch"])
def test_five_minutes_and_no_longer(provider: str) -> None:
    for seconds in (-300, 0, 300):
        assert receive(request(provider, at=NOW + timedelta(seconds=seconds)), SECRETS[provider], NOW).status == 200
    for seconds in (-301, 301):
        stale = receive(request(provider, at=NOW + timedelta(seconds=seconds)), SECRETS[provider], NOW)
        assert (stale.status, stale.problem) == (401, "stale")


def test_the_public_address_is_configured_and_the_host_says_nothing() -> None:
    good = request("twilio")
    host = replace(good, headers=(*good.headers, ("Host", "attacker.example")))
    assert receive(host, SECRETS["twilio"], NOW).accepted
    for url in ("https://attacker.example/v1", BASE.replace("https", "http"), f"{BASE}/x"):
        assert receive(good, replace(SECRETS["twilio"], public_url=url), NOW).problem == "signature"


def test_twilio_s_json_is_bound_by_its_digest() -> None:
    raw = json.dumps(TWILIO_REPORT).encode()
    digest = hashlib.sha256(raw).hexdigest()
    url = f"{twilio.address(SECRETS['twilio'], 'reports', TAG)}&bodySHA256={digest}"
    signature = twilio.sign(SECRETS["twilio"].signing_secret, url, ())
    headers = (("X-Twilio-Signature", signature),)
    good = WebhookRequest("twilio", TOKEN, "reports", headers, raw, "POST", (("bodySHA256", digest), ("ref", TAG)))
    [accepted] = receive(good, SECRETS["twilio"], NOW).accepted
    assert parse_report(accepted, NOW).ref == REF
    assert receive(replace(good, raw=raw.replace(b"delivered", b"failed")), SECRETS["twilio"], NOW).problem == "digest"
    unbound = replace(good, query=(("ref", TAG),))
    assert receive(unbound, SECRETS["twilio"], NOW).problem == "form"
    twice = replace(good, query=(*good.query, ("ref", TAG)))
    assert receive(twice, SECRETS["twilio"], NOW).problem == "query"
    not_json = b"["
    digest = hashlib.sha256(not_json).hexdigest()
    url = f"{twilio.address(SECRETS['twilio'], 'reports')}?bodySHA256={digest}"
    headers = (("X-Twilio-Signature", twilio.sign(SECRETS["twilio"].signing_secret, url, ())),)
    odd = WebhookRequest("twilio", TOKEN, "reports", headers, not_json, "POST", (("bodySHA256", digest),))
    assert [refusal.field for refusal in receive(odd, SECRETS["twilio"], NOW).refusals] == ["body"]


@pytest.mark.parametrize("method", vonage_sms.DIGESTS)
@pytest.mark.parametrize("carried", ["get", "form", "json"])
def test_vonage_signs_in_five_ways_and_speaks_in_three(method: str, carried: str) -> None:
    secrets = replace(SECRETS["vonage_sms"], signature_method=method)
    parameters = {**VONAGE_REPORT, "note": "a&b=c"}
    signed = {**parameters, "sig": vonage_sms.sign(secrets.signing_secret, method, parameters)}
    plain = WebhookRequest("vonage_sms", TOKEN, "reports", (), b"")
    match carried:
        case "get":
            asked = replace(plain, method="GET", query=tuple(signed.items()))
            assert receive(replace(asked, raw=b"x"), secrets, NOW).problem == "form"
        case "form":
            asked = replace(plain, raw=urlencode(signed).encode())
            assert receive(replace(asked, query=(("a", "b"),)), secrets, NOW).problem == "form"
        case _:
            asked = replace(plain, raw=json.dumps({**signed, "timestamp": int(signed["timestamp"])}).encode())
    [accepted] = receive(asked, secrets, NOW).accepted
    assert parse_report(accepted, NOW).price == "0.03330000 EUR"
    for other in vonage_sms.DIGESTS:
        if other != method:
            assert receive(asked, replace(secrets, signature_method=other), NOW).status == 401


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'{"a": null}', b'{"a": "1", "a": "2"}', b"a=1&a=2", b"a", b"\xff", b'{"sig": "x"}', b"sig=x"],
)
def test_vonage_without_parameters_is_nobody(raw: bytes) -> None:
    asked = WebhookRequest("vonage_sms", TOKEN, "reports", (), raw)
    assert receive(asked, SECRETS["vonage_sms"], NOW).status == 401
    assert receive(asked, replace(SECRETS["vonage_sms"], signature_method="none"), NOW).problem == "method"


def bearer(token: str) -> WebhookRequest:
    good = request("vonage_messages")
    return replace(good, headers=(("Authorization", token),))


def test_a_token_is_only_what_the_secret_signed_with_hs256() -> None:
    secrets = SECRETS["vonage_messages"]
    good = request("vonage_messages")
    digest = hashlib.sha256(good.raw).hexdigest()
    now = int(NOW.timestamp())
    claims: dict[str, object] = {"iat": now, "payload_hash": digest, "exp": now + 60}

    def verdict(token: str) -> str:
        return receive(bearer(token), secrets, NOW).problem

    assert verdict("Bearer " + jwt(claims, secrets.signing_secret)) == ""
    assert verdict(jwt(claims, secrets.signing_secret)) == "headers"
    assert verdict("Bearer " + "x" * 5_000) == "headers"
    for header in ({"alg": "none"}, {"alg": "RS256"}, {"alg": "hs256"}, {}):
        assert verdict("Bearer " + jwt(claims, secrets.signing_secret, header)) == "signature"
    unsigned = jwt(claims, secrets.signing_secret, {"alg": "none"}).rpartition(".")[0] + "."
    for token in (unsigned, "", ".", "..", "a.b", "a.b.c", jwt(claims, "other")):
        assert verdict("Bearer " + token) == "signature"
    for part in ("e30", "_", "W10", "eyJ"):  # an empty object, no base64, an array, half a text
        signed = f"{part}.{part}"
        mac = hmac.new(secrets.signing_secret.encode(), signed.encode(), hashlib.sha256).digest()
        token = f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
        assert verdict("Bearer " + token) == "signature"
    for wrong in ({}, {"payload_hash": digest}, {**claims, "iat": "now"}, {**claims, "iat": True}):
        assert verdict("Bearer " + jwt(wrong, secrets.signing_secret)) in {"digest", "stale"}
    for expires in (now - 1, "soon", -1):
        assert verdict("Bearer " + jwt({**claims, "exp": expires}, secrets.signing_secret)) == "stale"
    assert verdict("Bearer " + jwt({**claims, "payload_hash": 7}, secrets.signing_secret)) == "digest"


def test_the_pairs_of_a_query() -> None:
    event = {"multiValueQueryStringParameters": {"a": ["1", "2"], "b": "3"}}
    assert query_of_event(event) == (("a", "1"), ("a", "2"), ("b", "3"))
    assert query_of_event({"multiValueQueryStringParameters": None}) == ()


# ── What is said ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("provider", "changes", "state", "reason", "unusable"),
    [
        ("twilio", {"MessageStatus": "sent"}, None, Reason.ACCEPTED, False),
        ("twilio", {"MessageStatus": "newer"}, None, Reason.ACCEPTED, False),
        ("twilio", {"MessageStatus": "read"}, DELIVERED, Reason.DELIVERED, False),
        ("twilio", {"MessageStatus": "canceled"}, FAILED, Reason.REFUSED_BY_PROVIDER, False),
        ("twilio", {"MessageStatus": "undelivered"}, FAILED, Reason.CARRIER_UNREACHABLE, False),
        ("twilio", {"MessageStatus": "failed", "ErrorCode": "21610"}, FAILED, Reason.PROVIDER_OPTED_OUT, False),
        ("twilio", {"MessageStatus": "undelivered", "ErrorCode": "30003"}, FAILED, Reason.UNREACHABLE, False),
        ("twilio", {"MessageStatus": "undelivered", "ErrorCode": "30005"}, FAILED, Reason.INVALID_NUMBER, True),
        ("twilio", {"MessageStatus": "undelivered", "ErrorCode": "30006"}, FAILED, Reason.INVALID_NUMBER, True),
        ("twilio", {"MessageStatus": "undelivered", "ErrorCode": "30007"}, FAILED, Reason.SPAM, False),
        ("twilio", {"MessageStatus": "undelivered", "ErrorCode": "30036"}, FAILED, Reason.TTL_EXPIRED, False),
        ("vonage_sms", {"status": "accepted"}, None, Reason.ACCEPTED, False),
        ("vonage_sms", {"status": "buffered"}, None, Reason.ACCEPTED, False),
        ("vonage_sms", {"status": "expired"}, FAILED, Reason.TTL_EXPIRED, False),
        ("vonage_sms", {"status": "unknown"}, UNKNOWN, Reason.NO_REPORT, False),
        ("vonage_sms", {"status": "failed", "err-code": "3"}, FAILED, Reason.INVALID_NUMBER, True),
        ("vonage_sms", {"status": "rejected", "err-code": "6"}, FAILED, Reason.SPAM, False),
        ("vonage_sms", {"status": "failed", "err-code": "99"}, FAILED, Reason.CARRIER_UNREACHABLE, False),
        ("vonage_messages", {"status": "submitted"}, None, Reason.ACCEPTED, False),
        ("vonage_messages", {"status": "read", "usage": None}, DELIVERED, Reason.DELIVERED, False),
        (
            "vonage_messages",
            {"status": "rejected", "error": {"title": "1240"}, "usage": {}},
            FAILED,
            Reason.INVALID_NUMBER,
            True,
        ),
        ("vonage_messages", {"status": "undeliverable"}, FAILED, Reason.CARRIER_UNREACHABLE, False),
        ("sinch", {"status": "Dispatched", "code": 401}, None, Reason.ACCEPTED, False),
        ("sinch", {"status": "Failed", "code": 404}, FAILED, Reason.UNREACHABLE, False),
        ("sinch", {"status": "Rejected", "code": 413}, FAILED, Reason.BLOCKED, False),
        ("sinch", {"status": "Aborted", "code": 999}, FAILED, Reason.CARRIER_UNREACHABLE, False),
        ("sinch", {"status": "Expired", "code": 406}, FAILED, Reason.TTL_EXPIRED, False),
        ("sinch", {"status": "Cancelled", "code": 407}, FAILED, Reason.REFUSED_BY_PROVIDER, False),
        ("sinch", {"status": "Unknown", "code": 0}, UNKNOWN, Reason.NO_REPORT, False),
        (
            "sinch",
            {"type": "delivery_report_sms", "at": None, "statuses": [{"code": 0, "status": "Delivered"}]},
            DELIVERED,
            Reason.DELIVERED,
            False,
        ),
        ("alibaba", {"success": False, "err_code": "MK:0001"}, FAILED, Reason.INVALID_NUMBER, True),
        ("alibaba", {"success": False, "err_code": "BLACK"}, FAILED, Reason.CARRIER_BLOCKED, False),
        ("tencent", {"report_status": "FAIL", "errmsg": "MK:0005"}, FAILED, Reason.UNREACHABLE, False),
        ("tencent", {"report_status": "FAIL", "errmsg": "NEW:1"}, FAILED, Reason.CARRIER_UNREACHABLE, False),
    ],
)
def test_what_a_status_means(
    provider: str, changes: Mapping[str, Any], state: MessageState | None, reason: Reason, unusable: bool
) -> None:
    good = GOOD[provider]["reports"]
    body = [{**good[0], **changes}] if isinstance(good, list) else {**good, **changes}
    report = report_of(provider, body)
    assert (report.state, report.reason, report.point_unusable) == (state, reason, unusable)


def test_twilio_s_codes_may_be_numbers() -> None:
    payload = {
        **TWILIO_REPORT,
        "MessageStatus": "failed",
        "ErrorCode": 30003,
        "ref": TAG,
        "received_at": NOW.isoformat(),
    }
    body = {"provider": "twilio", "kind": "report", "payload": payload}
    assert parse_report(body, NOW).reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("provider", "changes", "field"),
    [
        ("twilio", {"ErrorCode": "x" * 9}, "ErrorCode"),
        ("vonage_sms", {"scts": "2613101759"}, "scts"),
        ("vonage_sms", {"scts": "soon"}, "scts"),
        ("vonage_sms", {"scts": "2603101901"}, "scts"),
        ("vonage_sms", {"price": "free"}, "price"),
        ("vonage_sms", {"client-ref": encode_tag("x")}, "client-ref"),
        ("vonage_sms", {"err-code": "x" * 9}, "err-code"),
        ("vonage_messages", {"usage": {"price": "x", "currency": "EUR"}}, "usage.price"),
        ("vonage_messages", {"usage": {"price": "-1", "currency": "EUR"}}, "usage.price"),
        ("vonage_messages", {"usage": {"price": "1", "currency": "eur"}}, "usage.currency"),
        ("vonage_messages", {"client_ref": "%%"}, "client_ref"),
        ("sinch", {"type": "mo_text"}, "type"),
        ("sinch", {"code": "0"}, "code"),
        ("sinch", {"type": "delivery_report_sms", "statuses": []}, "statuses"),
        ("tencent", {"report_status": "MAYBE"}, "report_status"),
        ("tencent", {"errmsg": 7}, "errmsg"),
        ("tencent", {"user_receive_time": "2026-03-11 03:00:01"}, "user_receive_time"),
        ("tencent", {"mobile": "138"}, "mobile"),
    ],
)
def test_what_is_no_report_is_refused_by_its_field(provider: str, changes: Mapping[str, Any], field: str) -> None:
    good = GOOD[provider]["reports"]
    body = [{**good[0], **changes}] if isinstance(good, list) else {**good, **changes}
    answer = receive(request(provider, "reports", body), SECRETS[provider], NOW)
    assert [refusal.field for refusal in answer.refusals] == [f"[0].payload.{field}"]


@pytest.mark.parametrize(
    ("provider", "changes", "field"),
    [
        ("twilio", {"OptOutType": "X" * 20}, "OptOutType"),
        ("twilio", {"From": "Bank"}, "From"),
        ("vonage_messages", {"channel": "whatsapp"}, "channel"),
        ("sinch", {"type": "mo_binary"}, "type"),
        ("tencent", {"time": "1773165590"}, "time"),
        ("tencent", {"time": 1773165600 + 3601}, "time"),
        ("tencent", {"extend": "x"}, "extend"),
    ],
)
def test_what_is_no_text_is_refused_by_its_field(provider: str, changes: Mapping[str, Any], field: str) -> None:
    answer = receive(request(provider, "inbound", {**GOOD[provider]["inbound"], **changes}), SECRETS[provider], NOW)
    assert [refusal.field for refusal in answer.refusals] == [f"[0].payload.{field}"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("provider", list(PROVIDERS))
@settings(database=None, deadline=None, max_examples=150)
@given(data=st.data())
def test_any_signed_body_is_a_result_or_a_refusal(provider: str, data: st.DataObject) -> None:
    """The provider may say anything; nobody's number, and nothing anybody wrote, is in what we say of it."""
    kind = data.draw(st.sampled_from(["reports", "inbound"]))
    good = GOOD[provider][kind]
    whole: dict[str, Any] = dict(good[0] if isinstance(good, list) else good)
    for name in data.draw(st.lists(st.sampled_from(sorted(whole)), min_size=1, max_size=3, unique=True)):
        if provider in {"twilio", "vonage_sms", "wechat"}:
            whole[name] = data.draw(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
        else:
            whole[name] = data.draw(ANYTHING)
    body: Any = [whole] if isinstance(good, list) else whole
    answer = receive(request(provider, kind, body), SECRETS[provider], NOW)
    if provider != "wechat" or whole.get("MsgType") != "event" or answer.refusals:  # most of its events are for nobody
        assert len(answer.accepted) + len(answer.refusals) == 1 or answer.status == 401
    told = " ".join(f"{refusal.field} {refusal.problem}" for refusal in answer.refusals)
    assert not any(personal in told for personal in PERSONAL)


@pytest.mark.parametrize("provider", list(PROVIDERS))
@settings(database=None, deadline=None, max_examples=100)
@given(raw=st.binary(max_size=200), headers=st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), max_size=4))
def test_any_bytes_get_an_answer(provider: str, raw: bytes, headers: list[tuple[str, str]]) -> None:
    named = [(name, value) for (_, value), (name, _) in zip(headers, request(provider).headers[1:], strict=False)]
    asked = WebhookRequest(provider, TOKEN, "reports", tuple(headers + named), raw)
    answer = receive(asked, SECRETS[provider], NOW)
    assert answer.status in {200, 401}
    assert answer.accepted == ()


@pytest.mark.parametrize("provider", list(PROVIDERS))
@settings(database=None, deadline=None, max_examples=60)
@given(payload=st.dictionaries(st.text(max_size=12), ANYTHING, max_size=5))
def test_a_queue_s_body_is_read_or_refused(provider: str, payload: dict[str, Any]) -> None:
    for kind, parse in (("report", parse_report), ("inbound", parse_inbound)):
        with pytest.raises(InvalidInput):
            parse({"provider": provider, "kind": kind, "payload": payload}, NOW)


# ── What is configured ───────────────────────────────────────────────────────────────────────────────────────────────

COMPLETE: Mapping[str, Mapping[str, str]] = {
    "finance_sms": {"webhook_token": TOKEN, "webhook_secret": "s"},
    "alibaba": {"webhook_token": TOKEN},
    "tencent": {"webhook_token": TOKEN},
    "twilio": {"webhook_token": TOKEN, "auth_token": "s", "public_url": BASE},
    "vonage_sms": {"webhook_token": TOKEN, "signature_secret": "s", "signature_method": "sha512"},
    "vonage_messages": {"webhook_token": TOKEN, "signature_secret": "s"},
    "sinch": {"webhook_token": TOKEN, "webhook_secret": "s"},
    "wechat": {"webhook_token": TOKEN, "signing_token": "s"},
}
SENDS: Mapping[str, Mapping[str, str]] = {
    "finance_sms": {"base_url": "https://sms.example", "key_id": "k", "secret": "s"},
    "twilio": {**COMPLETE["twilio"], "account_sid": "AC1", "api_key_sid": "SK1", "api_key_secret": "s"},
    "alibaba": {"access_key_id": "k", "access_key_secret": "s"},
    "tencent": {"secret_id": "k", "secret_key": "s", "sdk_app_id": "1400000000"},
    "wechat": {"app_id": "wx0", "app_secret": "s"},
}


@pytest.mark.parametrize("provider", list(COMPLETE))
def test_a_field_that_is_missing_is_named(provider: str) -> None:
    whole = COMPLETE[provider]
    made = webhook_secrets(provider_fields({provider: dict(whole)}, provider))
    assert isinstance(made, WebhookSecrets)
    assert TOKEN not in repr(made)
    for name in whole:
        for value in (None, "", 7):
            fields = {**whole, name: value}
            with pytest.raises(ConfigurationError, match=f"{provider}.{name} must be set"):
                webhook_secrets(provider_fields({provider: fields}, provider))


@pytest.mark.parametrize("provider", list(SENDS))
def test_a_line_s_provider_fails_with_the_field_that_is_missing(provider: str) -> None:
    http_sender(provider_fields({provider: dict(SENDS[provider])}, provider), lambda: NOW, 1.0, 1.0)
    for name in SENDS[provider]:
        fields = {key: value for key, value in SENDS[provider].items() if key != name}
        with pytest.raises(ConfigurationError, match=f"{provider}.{name} must be set"):
            http_sender(provider_fields({provider: fields}, provider), lambda: NOW, 1.0, 1.0)


def test_what_is_configured_wrongly_fails() -> None:
    with pytest.raises(ConfigurationError, match="alibaba must be set"):
        provider_fields({}, "alibaba")
    with pytest.raises(ConfigurationError, match=r"alibaba\.webhook_token: at least 32"):
        webhook_secrets(provider_fields({"alibaba": {"webhook_token": "short"}}, "alibaba"))
    with pytest.raises(ConfigurationError, match=r"wechat\.webhook_token: at least 32"):
        webhook_secrets(provider_fields({"wechat": {"webhook_token": "short", "signing_token": "s"}}, "wechat"))
    plain = {**COMPLETE["twilio"], "public_url": "http://messages.lender.example"}
    with pytest.raises(ConfigurationError, match="must be https"):
        webhook_secrets(provider_fields({"twilio": plain}, "twilio"))
    with pytest.raises(ConfigurationError, match="has no webhook"):
        webhook_secrets(provider_fields({"aws_sms": {}}, "aws_sms"))
    with pytest.raises(ConfigurationError, match="nothing can be sent through sinch"):
        http_sender(provider_fields({"sinch": {}}, "sinch"), lambda: NOW, 1.0, 1.0)
