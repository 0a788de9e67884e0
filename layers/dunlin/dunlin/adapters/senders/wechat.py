"""Template messages of a WeChat service account (微信服务号模板消息), to whoever follows it.

WeChat takes the id of a filed template and what stands in its gaps, no words of ours, and no time-to-live: it carries
what happened on an account and reminders up to the due date, and never anything about an overdue amount. The template
that the words are is recognised (`senders.filed`), so what arrives is the text that was checked.

Every call carries an access token in its URL, which is where WeChat wants it: it is in no repr, log or error. It comes
from `stable_token`, which hands the same one to whoever asks until it ends, so that functions beside each other do not
take theirs away from each other; and it is never forced, since that would.

`client_msg_id` is the message's own: what is tried again within ten minutes arrives once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from dunlin.adapters.senders.filed import WECHAT_GAP, filed_text
from dunlin.adapters.senders.http import HttpSender, OneRequest, read_object
from dunlin.adapters.senders.push import PURPOSES
from dunlin.domain.words import Reason
from dunlin.services.ports import Accepted, Clock, HandOver, HandOverResult, NotAccepted, Refused, Unsettled

if TYPE_CHECKING:
    import urllib3

__all__ = ["BASE_URL", "CODES", "OPENID", "WechatKey", "WechatSender", "client_msg_id", "settle_answer"]

BASE_URL: Final = "https://api.weixin.qq.com"
OPENID: Final = re.compile(r"[A-Za-z0-9_-]{28}")
#: The last minutes of a token are not used: WeChat takes the old one beside the new one for about as long.
BEFORE_ITS_END: Final = timedelta(minutes=5)
#: A token is asked for before the message: nothing waits for it as long as for the message's own answer.
TOKEN_READ_TIMEOUT: Final = 3.0
MAX_CLIENT_ID: Final = 64

_DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)
_CONTENT = Refused(Reason.INVALID_MESSAGE)
_GONE = Refused(Reason.NOT_FOLLOWING, point_unusable=True)
_QUOTA = Refused(Reason.SPEND_LIMIT, stops_line=True)
_THROTTLED = NotAccepted(Reason.THROTTLED)
_UNSETTLED = Unsettled(Reason.PROVIDER_ERROR)

#: The token was not taken: nothing was sent under it, so a fresh one may be tried, once.
STALE_TOKEN: Final = frozenset({40001, 40014, 42001})

CODES: Final[Mapping[int, Refused | NotAccepted | Unsettled]] = {
    # too many, or too busy: told before anything is done, and a repetition has the same client_msg_id
    -1: _THROTTLED,
    45011: _THROTTLED,  # a minute's calls
    45009: _QUOTA,  # a day's calls
    # the person
    40003: Refused(Reason.INVALID_NUMBER, point_unusable=True),
    43004: _GONE,
    43019: _GONE,  # on the account's own list of the blocked
    43101: Refused(Reason.PROVIDER_OPTED_OUT),  # refuses the account's messages
    # the words
    40037: _CONTENT,
    41028: _CONTENT,
    47001: _CONTENT,
    47003: _CONTENT,
    40036: _CONTENT,
    44004: _CONTENT,
    45002: Refused(Reason.TOO_LONG),
    43116: _CONTENT,  # the template was taken away
    # the account
    40001: _DENIED,
    40013: _DENIED,
    40014: _DENIED,
    40125: _DENIED,
    40164: _DENIED,  # our address is not on its list
    41001: _DENIED,
    41004: _DENIED,
    42001: _DENIED,
    48001: _DENIED,
    48004: _DENIED,
    50002: _DENIED,
    61024: _DENIED,
    89503: _DENIED,
    # said before
    43104: Refused(Reason.REFUSED_BY_PROVIDER),
}


@dataclass(frozen=True, slots=True)
class WechatKey:
    """Who the service account is to WeChat. The secret is in no repr."""

    app_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    good_until: datetime


class WechatSender(HttpSender[WechatKey]):
    """`Sender` over the template API. The line's `origination` is the account's app id."""

    provider = "wechat"

    def __init__(
        self,
        base_url: str,
        key: WechatKey,
        clock: Clock,
        *,
        read_timeout: float,
        connect_timeout: float,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        super().__init__(base_url, key, clock, read_timeout=read_timeout, connect_timeout=connect_timeout, pool=pool)
        self._tokens = OneRequest(
            self.provider,
            base_url,
            read_timeout=min(read_timeout, TOKEN_READ_TIMEOUT),
            connect_timeout=connect_timeout,
            pool=pool,
        )
        self._token: _Token | None = None

    def close(self) -> None:
        """Let the provider's connections go, and the token with them."""
        super().close()
        self._tokens.close()
        self._token = None

    def hand_over(self, order: HandOver) -> HandOverResult:
        if order.purpose not in PURPOSES or order.line.origination != self._key.app_id:
            return Refused(Reason.NO_ROUTE)
        if not OPENID.fullmatch(order.address):
            return Refused(Reason.INVALID_NUMBER, point_unusable=True)
        if order.ttl_seconds < 1:
            return Refused(Reason.WINDOW_CLOSED)
        filed = filed_text(order.line.templates, order.body.strip(), WECHAT_GAP)
        if filed is None:
            return Refused(Reason.INVALID_MESSAGE)
        template_id, values = filed
        body = json.dumps(
            {
                "touser": order.address,
                "template_id": template_id,
                "data": {name: {"value": value} for name, value in values},
                "client_msg_id": client_msg_id(order.ref),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode("utf-8", "replace")
        token = self._access_token()
        if not isinstance(token, str):
            return token
        answer = self._send(token, body)
        if not isinstance(answer, tuple) or _code(answer) not in STALE_TOKEN:
            return settle_answer(*answer) if isinstance(answer, tuple) else answer
        self._token = None
        fresh = self._access_token()
        if not isinstance(fresh, str):
            return fresh
        if fresh == token:
            return _DENIED  # WeChat's own token, which WeChat does not take
        again = self._send(fresh, body)
        return settle_answer(*again) if isinstance(again, tuple) else again

    def _send(self, token: str, body: bytes) -> tuple[int, bytes] | NotAccepted | Unsettled:
        query = urlencode({"access_token": token})
        return self._http.post(f"/cgi-bin/message/template/send?{query}", body, _JSON)

    def _access_token(self) -> str | Refused | NotAccepted:
        """The token that is kept, or a new one. Without one, nothing was sent."""
        now = self._clock()
        if self._token is not None and now < self._token.good_until:
            return self._token.value
        request = {"grant_type": "client_credential", "appid": self._key.app_id, "secret": self._key.secret}
        answer = self._tokens.post("/cgi-bin/stable_token", json.dumps(request).encode(), _JSON)
        if not isinstance(answer, tuple):
            return NotAccepted(answer.reason)
        said = read_object(answer[1])
        value, lasts = said.get("access_token"), said.get("expires_in")
        if isinstance(value, str) and 0 < len(value) <= 1024 and isinstance(lasts, int) and lasts > 0:
            self._token = _Token(value, now + timedelta(seconds=min(lasts, 86_400)) - BEFORE_ITS_END)
            return value
        refusal = CODES.get(_code(answer) or 0)
        return refusal if isinstance(refusal, (Refused, NotAccepted)) else NotAccepted(Reason.PROVIDER_ERROR)


_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


def client_msg_id(ref: str) -> str:
    """The message's name at WeChat: our reference, or its digest where that is too long."""
    return ref if len(ref) <= MAX_CLIENT_ID and ref.isascii() else hashlib.sha256(ref.encode()).hexdigest()


def settle_answer(status: int, raw: bytes) -> HandOverResult:
    """What the answer proves. A 5xx, a 408 or an answer that cannot be read proves nothing."""
    if status >= 500 or status == 408:
        return _UNSETTLED
    if status == 429:
        return _THROTTLED
    code = _code((status, raw))
    if code is None:
        return Refused(Reason.REFUSED_BY_PROVIDER) if 400 <= status < 500 else _UNSETTLED
    if code:
        return CODES.get(code, Refused(Reason.REFUSED_BY_PROVIDER))
    message_id = read_object(raw).get("msgid")
    if isinstance(message_id, bool) or not isinstance(message_id, int) or not 0 < message_id < 10**30:
        return _UNSETTLED
    return Accepted(provider_message_id(message_id))


def provider_message_id(msgid: int) -> str:
    """WeChat's number of a message as it is kept, here and where the report is read."""
    return f"n{msgid:x}"


def _code(answer: tuple[int, bytes]) -> int | None:
    code = read_object(answer[1]).get("errcode")
    return code if isinstance(code, int) and not isinstance(code, bool) else None
