"""WeChat's template messages: what is asked, what each answer proves, and that a token is asked for once and shown to
nobody."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from dunlin.adapters.senders.push import PURPOSES
from dunlin.adapters.senders.wechat import (
    CODES,
    WechatKey,
    WechatSender,
    client_msg_id,
    provider_message_id,
    settle_answer,
)
from dunlin.domain.words import Channel, Purpose, Reason
from dunlin.errors import ConfigurationError
from dunlin.services.ports import Accepted, HandOver, NotAccepted, Refused, Unsettled

from tests.unit.test_senders import NOW, REF, hang_up, say, server, too_late
from tests.unit.test_senders import line as a_line
from tests.webhook_requests import OPENID

TOKEN, SECRET = "a-token-nobody-sees", "a-secret-nobody-sees"
FILED = "还款账户：{{thing1.DATA}}\n应还金额：{{amount2.DATA}}\n到期日期：{{time3.DATA}}"
WORDS = "还款账户：尾号4471\n应还金额：120.50元\n到期日期：2026年3月17日\n"
LINE = a_line(provider="wechat", channel=Channel.WECHAT, origination="wx0", templates=(("TM-1", FILED),))
SENT = {"errcode": 0, "errmsg": "ok", "msgid": 200163836}


def order(**changes: Any) -> HandOver:
    plain = HandOver(REF, NOW, LINE, Purpose.SERVICING, OPENID, "还款提醒", WORDS, 3600, "zh-CN", "p-1")
    return replace(plain, **changes)


class Account:
    """The other side: hands out tokens that end, and answers what it is told to."""

    def __init__(self, *answers: Callable[..., None], tokens: Sequence[object] = (), lasts: int = 7200) -> None:
        self.answers = list(answers)
        self.tokens = list(tokens)
        self.lasts = lasts
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []

    def __call__(self, handler: Any, body: bytes) -> None:
        if handler.path == "/cgi-bin/stable_token":
            request = json.loads(body)
            assert request == {"grant_type": "client_credential", "appid": "wx0", "secret": SECRET}
            self.asked.append("token")
            given = self.tokens.pop(0) if self.tokens else TOKEN
            document = {"access_token": given, "expires_in": self.lasts} if isinstance(given, str) else given
            say(200, document)(handler, body)
            return
        assert handler.path.startswith("/cgi-bin/message/template/send?access_token=")
        self.asked.append(handler.path.partition("=")[2])
        self.sent.append(json.loads(body))
        self.answers.pop(0)(handler, body)


@contextmanager
def sender_to(
    account: Account, clock: Callable[[], datetime] = lambda: NOW, patience: float = 3.0
) -> Iterator[WechatSender]:
    with server(account) as (url, _):
        sender = WechatSender(url, WechatKey("wx0", SECRET), clock, read_timeout=patience, connect_timeout=0.5)
        yield sender
        sender.close()


@pytest.mark.enable_socket
def test_wechat_gets_a_filed_template_and_what_stands_in_its_gaps() -> None:
    account = Account(say(200, SENT))
    with sender_to(account) as sender:
        assert sender.hand_over(order()) == Accepted(provider_message_id(200163836))
    assert account.sent == [
        {
            "touser": OPENID,
            "template_id": "TM-1",
            "data": {
                "thing1": {"value": "尾号4471"},
                "amount2": {"value": "120.50元"},
                "time3": {"value": "2026年3月17日"},
            },
            "client_msg_id": client_msg_id(REF),
        }
    ]


@pytest.mark.enable_socket
def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    now = [NOW]
    account = Account(*[say(200, SENT)] * 4, tokens=["one", "two"])
    with sender_to(account, lambda: now[0]) as sender:
        for minutes in (0, 60, 114, 116):
            now[0] = NOW + timedelta(minutes=minutes)
            assert isinstance(sender.hand_over(order()), Accepted)
    assert account.asked == ["token", "one", "one", "one", "token", "two"]


@pytest.mark.enable_socket
@pytest.mark.parametrize("code", [40001, 40014, 42001])
def test_a_token_that_is_not_taken_is_asked_for_anew_once(code: int) -> None:
    stale = say(200, {"errcode": code, "errmsg": "x"})
    account = Account(stale, say(200, SENT), tokens=["old", "new"])
    with sender_to(account) as sender:
        assert isinstance(sender.hand_over(order()), Accepted)
    assert account.asked == ["token", "old", "token", "new"]
    account = Account(stale, stale, tokens=["old", "new"])
    with sender_to(account) as sender:
        assert sender.hand_over(order()) == Refused(Reason.ACCESS_DENIED, stops_line=True)
    assert len(account.sent) == 2
    account = Account(stale, tokens=["old", "old"])
    with sender_to(account) as sender:
        assert sender.hand_over(order()) == Refused(Reason.ACCESS_DENIED, stops_line=True)
    assert len(account.sent) == 1


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (too_late, Unsettled(Reason.TIMED_OUT)),
        (hang_up, Unsettled(Reason.PROVIDER_ERROR)),
        (say(500, {"errcode": 0}), Unsettled(Reason.PROVIDER_ERROR)),
        (say(200, b"not json"), Unsettled(Reason.PROVIDER_ERROR)),
        (say(200, {"errcode": -1}), NotAccepted(Reason.THROTTLED)),
    ],
)
def test_one_hand_over_is_one_message(answer: Any, expected: object) -> None:
    account = Account(answer)
    with sender_to(account, patience=0.15 if answer is too_late else 3.0) as sender:
        assert sender.hand_over(order()) == expected
    assert len(account.sent) == 1


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"errcode": 40013, "errmsg": "x"}, Refused(Reason.ACCESS_DENIED, stops_line=True)),
        ({"errcode": 40164, "errmsg": "x"}, Refused(Reason.ACCESS_DENIED, stops_line=True)),
        ({"errcode": -1, "errmsg": "x"}, NotAccepted(Reason.THROTTLED)),
        ({"access_token": "t", "expires_in": "7200"}, NotAccepted(Reason.PROVIDER_ERROR)),
        ([], NotAccepted(Reason.PROVIDER_ERROR)),
    ],
)
def test_without_a_token_nothing_was_sent(document: object, expected: object) -> None:
    account = Account(tokens=[document])
    with sender_to(account) as sender:
        assert sender.hand_over(order()) == expected
    assert account.sent == []


@pytest.mark.enable_socket
def test_no_connection_is_proof_that_nothing_was_accepted() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        sender = WechatSender(url, WechatKey("wx0", SECRET), lambda: NOW, read_timeout=1.0, connect_timeout=0.5)
        assert sender.hand_over(order()) == NotAccepted(Reason.NOT_CONNECTED)
    with pytest.raises(ConfigurationError, match=r"wechat\.base_url: must be https"):
        WechatSender("http://api.example", WechatKey("wx0", SECRET), lambda: NOW, read_timeout=1.0, connect_timeout=0.5)


@pytest.mark.enable_socket
def test_nobody_sees_the_token(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """At the most talkative level of whatever logs, for what goes well and what goes wrong."""
    caplog.set_level(logging.DEBUG)
    account = Account(say(200, SENT), say(500, {}), hang_up, say(200, {"errcode": 40037}))
    with sender_to(account) as sender:
        results = [sender.hand_over(order()) for _ in range(4)]
        said = f"{results} {sender._token!r} {sender._key!r} {caplog.text} {capfd.readouterr()}"
    assert TOKEN not in said
    assert SECRET not in said
    assert OPENID not in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        *(({"purpose": purpose}, Refused(Reason.NO_ROUTE)) for purpose in set(Purpose) - PURPOSES),
        ({"address": "+8613800138000"}, Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        ({"ttl_seconds": 0}, Refused(Reason.WINDOW_CLOSED)),
        ({"body": "别的话"}, Refused(Reason.INVALID_MESSAGE)),
        ({"line": replace(LINE, origination="wx1")}, Refused(Reason.NO_ROUTE)),
    ],
)
def test_what_cannot_be_sent_asks_nobody(changes: dict[str, Any], expected: object) -> None:
    key = WechatKey("wx0", SECRET)
    sender = WechatSender("http://127.0.0.1:1", key, lambda: NOW, read_timeout=1.0, connect_timeout=0.5)
    assert sender.hand_over(order(**changes)) == expected


@pytest.mark.parametrize(
    ("status", "document", "expected"),
    [
        (200, {"errcode": 43004}, Refused(Reason.NOT_FOLLOWING, point_unusable=True)),
        (200, {"errcode": 43019}, Refused(Reason.NOT_FOLLOWING, point_unusable=True)),
        (200, {"errcode": 43101}, Refused(Reason.PROVIDER_OPTED_OUT)),
        (200, {"errcode": 40003}, Refused(Reason.INVALID_NUMBER, point_unusable=True)),
        (200, {"errcode": 40037}, Refused(Reason.INVALID_MESSAGE)),
        (200, {"errcode": 47003}, Refused(Reason.INVALID_MESSAGE)),
        (200, {"errcode": 45009}, Refused(Reason.SPEND_LIMIT, stops_line=True)),
        (200, {"errcode": 48001}, Refused(Reason.ACCESS_DENIED, stops_line=True)),
        (200, {"errcode": 99999}, Refused(Reason.REFUSED_BY_PROVIDER)),
        (200, {"errcode": True}, Unsettled(Reason.PROVIDER_ERROR)),
        (200, {"errcode": 0}, Unsettled(Reason.PROVIDER_ERROR)),
        (200, {"errcode": 0, "msgid": "7"}, Unsettled(Reason.PROVIDER_ERROR)),
        (200, {"errcode": 0, "msgid": 7}, Accepted("n7")),
        (404, {}, Refused(Reason.REFUSED_BY_PROVIDER)),
        (429, {}, NotAccepted(Reason.THROTTLED)),
        (503, {"errcode": 40003}, Unsettled(Reason.PROVIDER_ERROR)),
    ],
)
def test_what_an_answer_proves(status: int, document: object, expected: object) -> None:
    assert settle_answer(status, json.dumps(document).encode()) == expected


def test_what_wechat_may_be_asked_again_is_only_what_it_did_not_take() -> None:
    assert {code for code, result in CODES.items() if isinstance(result, NotAccepted)} == {-1, 45011}


def test_a_message_has_one_name_at_wechat() -> None:
    assert client_msg_id("b/1") == "b/1"
    assert len(client_msg_id("b/" + "k" * 700)) == 64
    assert client_msg_id("b/" + "k" * 700) != client_msg_id("b/" + "k" * 701)
