"""Tencent Cloud SMS: an array of reports, one object a text, signed by nothing.

A report names neither our reference nor the session's context, only `sid` (the SerialNo of the answer to SendSms) and
the number: the message is found by both. A text has no id: it gets one from everything that it says, keyed with the
path's token, so that the same text twice is one text and the id gives no number away.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from dunlin.adapters.fields import (
    ACCESS_NUMBER,
    MAX_AHEAD,
    MISSING,
    a_phone,
    a_text,
    an_identifier,
    an_object,
    china_time,
    words_of,
)
from dunlin.adapters.providers import Call, Provider, unsigned
from dunlin.adapters.providers.mainland import array_of, failure
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "tencent"

_LATEST: Final = 4_102_444_800  # 2100-01-01


def elements(call: Call) -> Sequence[object]:
    if call.request.kind == "reports":
        return array_of(call.request.raw)
    try:
        body: object = json.loads(call.request.raw)
    except (ValueError, RecursionError):
        body = None
    text = dict(an_object(body, "body"))
    said = json.dumps([text.get(name) for name in ("nationcode", "mobile", "extend", "time", "text")]).encode()
    return [{**text, "inbound_id": hmac.new(call.secrets.path_token.encode(), said, hashlib.sha256).hexdigest()[:40]}]


def report(payload: Mapping[str, object]) -> DeliveryReport:
    status = a_text(payload, "report_status", 32, "payload.")
    if status not in {"SUCCESS", "FAIL"}:
        raise InvalidInput("payload.report_status", "is neither SUCCESS nor FAIL")
    code = payload.get("errmsg", "")
    if not isinstance(code, str) or len(code) > 64:
        raise InvalidInput("payload.errmsg", "is not a short text")
    state, reason, unusable = (
        (MessageState.DELIVERED, Reason.DELIVERED, False) if status == "SUCCESS" else failure(code)
    )
    return DeliveryReport(
        ref="",
        state=state,
        reason=reason,
        at=china_time(payload, "user_receive_time"),
        provider_message_id=an_identifier(payload, "sid", "payload."),
        point_unusable=unusable,
        is_signed=False,
        address=_number(payload),
    )


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    at = payload.get("time", MISSING)
    if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at <= _LATEST:
        raise InvalidInput("payload.time", "is not Unix time")
    if datetime.fromtimestamp(at, UTC) > received_at + MAX_AHEAD:
        raise InvalidInput("payload.time", "is in the future")
    extend = payload.get("extend", "")
    if not isinstance(extend, str) or (extend and not ACCESS_NUMBER.fullmatch(f"106{extend}")):
        raise InvalidInput("payload.extend", "is not an extension")
    return InboundText(
        inbound_id=an_identifier(payload, "inbound_id", "payload."),
        provider=NAME,
        from_address=_number(payload),
        to_address=extend,
        text=words_of(payload, "text", "payload."),
        received_at=received_at,
        is_signed=False,
    )


def _number(payload: Mapping[str, object]) -> str:
    nation = a_text(payload, "nationcode", 4, "payload.")
    return a_phone(f"+{nation.lstrip('+')}{a_text(payload, 'mobile', 20, 'payload.')}", "payload.mobile")


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="",
    settings=(),
    methods=frozenset({"POST"}),
    answer=(200, "application/json", '{"result":0,"errmsg":"OK"}'),
    report_time="user_receive_time",
    verify=unsigned,
    elements=elements,
    report=report,
    inbound=inbound,
)
