"""SMS through Twilio's Messages API.

`POST {base_url}/2010-04-01/Accounts/{account}/Messages.json`, one form, under an API key. The report's address carries
the message's reference as a tag and nothing personal; `ValidityPeriod` ends inside the window. A line with a
registration `messaging_service` is sent through that service, from its own number all the same.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from dunlin.adapters.fields import TAG_VALUE, encode_tag
from dunlin.adapters.providers import WebhookSecrets
from dunlin.adapters.providers.twilio import address
from dunlin.adapters.senders.http import OneRequest, read_object
from dunlin.domain.words import Reason
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted, Refused, Unsettled

if TYPE_CHECKING:
    import urllib3

__all__ = ["BASE_URL", "CODES", "TwilioKey", "TwilioSender"]

BASE_URL: Final = "https://api.twilio.com"
MAX_VALIDITY: Final = 36_000
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SID = re.compile(r"(SM|MM)[0-9a-f]{32}")

_DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)
_SENDER = Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)  # the number or the service is the line's
_NUMBER = Refused(Reason.INVALID_NUMBER, point_unusable=True)
_CONTENT = Refused(Reason.INVALID_MESSAGE)
_THROTTLED = NotAccepted(Reason.THROTTLED)

CODES: dict[int, Refused | NotAccepted] = {
    # the account
    20003: _DENIED,
    20005: _DENIED,
    20006: _DENIED,
    20404: _DENIED,
    30002: _DENIED,
    63038: Refused(Reason.SPEND_LIMIT, stops_line=True),
    # too many
    14107: _THROTTLED,
    20429: _THROTTLED,
    21611: _THROTTLED,
    30001: _THROTTLED,
    30022: _THROTTLED,
    # the number
    21211: _NUMBER,
    21214: _NUMBER,
    21217: _NUMBER,
    21614: _NUMBER,
    21610: Refused(Reason.PROVIDER_OPTED_OUT),
    21608: Refused(Reason.NUMBER_NOT_VERIFIED),
    21408: Refused(Reason.COUNTRY_BLOCKED),
    21612: Refused(Reason.COUNTRY_BLOCKED),
    60410: Refused(Reason.BLOCKED),
    # the words
    21602: _CONTENT,
    21619: _CONTENT,
    21617: Refused(Reason.TOO_LONG),
    21605: Refused(Reason.TOO_LONG),
    30010: Refused(Reason.PRICE_OVER_THRESHOLD),
    # the line
    21212: _SENDER,
    21603: _SENDER,
    21606: _SENDER,
    21607: _SENDER,
    21659: _SENDER,
    21660: _SENDER,
    21661: _SENDER,
    21701: _SENDER,
    21703: _SENDER,
    21705: _SENDER,
    30034: _SENDER,
}


@dataclass(frozen=True, slots=True)
class TwilioKey:
    """Who we are to Twilio. The secret is in no repr."""

    account_sid: str
    key_sid: str
    key_secret: str = field(repr=False)


class TwilioSender:
    """`Sender` over Twilio's API. `webhook` says where it reports.

    Raises (constructor):
        ConfigurationError: the address is not HTTPS (the loopback interface may do without).
    """

    def __init__(
        self,
        base_url: str,
        key: TwilioKey,
        webhook: WebhookSecrets,
        *,
        read_timeout: float,
        connect_timeout: float,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        self._http = OneRequest(
            "twilio", base_url, read_timeout=read_timeout, connect_timeout=connect_timeout, pool=pool
        )
        self._path = f"/2010-04-01/Accounts/{quote(key.account_sid, safe='')}/Messages.json"
        credentials = base64.b64encode(f"{key.key_sid}:{key.key_secret}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "Accept": "application/json",
        }
        self._webhook = webhook

    def close(self) -> None:
        """Let the provider's connections go."""
        self._http.close()

    def hand_over(self, order: HandOver) -> HandOverResult:
        if not E164.fullmatch(order.address):
            return _NUMBER
        if order.ttl_seconds < 1:
            return Refused(Reason.WINDOW_CLOSED)
        tag = encode_tag(order.ref)
        if not TAG_VALUE.fullmatch(tag):
            return Refused(Reason.REFUSED_BY_PROVIDER)  # its report could not be matched
        form = {
            "To": order.address,
            "Body": order.body.encode("utf-8", "replace").decode(),
            "From": order.line.origination,
            "ValidityPeriod": str(min(order.ttl_seconds, MAX_VALIDITY)),
            "StatusCallback": address(self._webhook, "reports", tag),
            "MessagingServiceSid": dict(order.line.registrations).get("messaging_service", ""),
            "MaxPrice": order.line.max_price,
        }
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        answer = self._http.post(self._path, body, self._headers)
        return settle_answer(*answer) if isinstance(answer, tuple) else answer


def settle_answer(status: int, raw: bytes) -> HandOverResult:
    """What Twilio's answer proves. A 5xx, a 408 or an answer that cannot be read proves nothing."""
    if status >= 500 or status == 408:
        return Unsettled(Reason.PROVIDER_ERROR)
    if status == 429:
        return _THROTTLED
    answer: Mapping[str, object] = read_object(raw)
    if 200 <= status < 300:
        sid = answer.get("sid")
        accepted = isinstance(sid, str) and SID.fullmatch(sid)
        return Accepted(str(sid)) if accepted else Unsettled(Reason.PROVIDER_ERROR)
    code = answer.get("code")
    if isinstance(code, int) and code in CODES:
        return CODES[code]
    if status in (401, 403):
        return _DENIED
    return Refused(Reason.REFUSED_BY_PROVIDER) if 400 <= status < 500 else Unsettled(Reason.PROVIDER_ERROR)
