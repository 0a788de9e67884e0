"""What the mainland's providers have in common: array in, codes of the carriers, instants without a zone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from dunlin.adapters.fields import (
    ACCESS_NUMBER,
    MAX_AHEAD,
    MISSING,
    a_ref,
    a_text,
    an_identifier,
    china_time,
    mainland_mobile,
    named,
    parts_of,
    why,
    words_of,
)
from dunlin.adapters.providers import Call, Provider
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

__all__ = ["FAILURES", "array_of", "element_inbound", "element_provider", "element_report", "failure"]

#: Codes of a text that did not arrive. SMPP's words and the carriers' own (中国移动 MK, 联通, 电信).
FAILURES: Mapping[str, tuple[MessageState, Reason, bool]] = {
    "EXPIRED": (MessageState.FAILED, Reason.TTL_EXPIRED, False),
    "UNDELIV": (MessageState.FAILED, Reason.UNREACHABLE, False),
    "MK:0001": (MessageState.FAILED, Reason.INVALID_NUMBER, True),  # 空号: nobody has this number
    "MOBILE_NOT_EXIST": (MessageState.FAILED, Reason.INVALID_NUMBER, True),
    "MK:0005": (MessageState.FAILED, Reason.UNREACHABLE, False),  # 停机或关机: suspended or switched off
    "MOBILE_NOT_ON_SERVICE": (MessageState.FAILED, Reason.UNREACHABLE, False),
    "BLACK": (MessageState.FAILED, Reason.CARRIER_BLOCKED, False),
    "REJECTD": (MessageState.FAILED, Reason.CARRIER_BLOCKED, False),
    "SPAM": (MessageState.FAILED, Reason.SPAM, False),
    "CONTENT_KEYWORD": (MessageState.FAILED, Reason.INVALID_MESSAGE, False),
    "ERRBUSY": (MessageState.FAILED, Reason.UNREACHABLE, False),
    "NOROUTE": (MessageState.FAILED, Reason.CARRIER_UNREACHABLE, False),
    "DELETED": (MessageState.FAILED, Reason.TTL_EXPIRED, False),
    "UNKNOWN": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
    "ACCEPTD": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
}


def array_of(raw: bytes) -> list[object]:
    """The elements of a JSON array.

    Raises:
        InvalidInput: it is none.
    """
    try:
        elements: object = json.loads(raw)
    except (ValueError, RecursionError):
        elements = None
    if not isinstance(elements, list):
        raise InvalidInput("body", "is not a JSON array")
    return elements


def failure(code: str) -> tuple[MessageState, Reason, bool]:
    """State, reason, and whether the number can never be reached. A code that is newer than the table is a failure."""
    return FAILURES.get(code, (MessageState.FAILED, Reason.CARRIER_UNREACHABLE, False))


def element_report(payload: Mapping[str, object], *, is_signed: bool) -> DeliveryReport:
    """A report in Alibaba Cloud's form, which others speak too: `out_id` is our reference."""
    success = payload.get("success", MISSING)
    if not isinstance(success, bool):
        raise InvalidInput("payload.success", why(success, "a boolean"))
    code = payload.get("err_code", "")
    if not isinstance(code, str) or len(code) > 64:
        raise InvalidInput("payload.err_code", "is not a short text")
    mainland_mobile(payload, "phone_number")
    state, reason, unusable = (MessageState.DELIVERED, Reason.DELIVERED, False) if success else failure(code)
    return DeliveryReport(
        ref=a_ref(payload.get("out_id", MISSING), "payload.out_id"),
        state=state,
        reason=reason,
        at=china_time(payload, "report_time"),
        provider_message_id=an_identifier(payload, "biz_id", "payload."),
        parts=parts_of(payload.get("sms_size"), "payload.sms_size"),
        point_unusable=unusable,
        is_signed=is_signed,
    )


def element_inbound(
    payload: Mapping[str, object], received_at: datetime, *, provider: str, is_signed: bool
) -> InboundText:
    """A text from a person in Alibaba Cloud's form."""
    sequence = payload.get("sequence_id", MISSING)
    if isinstance(sequence, int) and not isinstance(sequence, bool) and 0 <= sequence < 10**30:
        inbound_id = named(str(sequence))
    else:
        inbound_id = named(an_identifier(payload, "sequence_id", "payload."))
    if china_time(payload, "send_time") > received_at + MAX_AHEAD:
        raise InvalidInput("payload.send_time", "is in the future")
    to_address = a_text(payload, "dest_code", 32, "payload.")
    if not ACCESS_NUMBER.fullmatch(to_address):
        raise InvalidInput("payload.dest_code", "is not an access number")
    return InboundText(
        inbound_id=inbound_id,
        provider=provider,
        from_address=mainland_mobile(payload, "phone_number"),
        to_address=to_address,
        text=words_of(payload, "content", "payload."),
        received_at=received_at,
        is_signed=is_signed,
    )


def element_provider(name: str, *, signing_field: str, verify: Callable[[Call], str]) -> Provider:
    """The webhook of a provider that speaks in Alibaba Cloud's form, signed or not."""
    is_signed = bool(signing_field)

    def report(payload: Mapping[str, object]) -> DeliveryReport:
        return element_report(payload, is_signed=is_signed)

    def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
        return element_inbound(payload, received_at, provider=name, is_signed=is_signed)

    return Provider(
        name=name,
        signing_field=signing_field,
        settings=(),
        methods=frozenset({"POST"}),
        answer=(200, "application/json", '{"code":0,"msg":"received"}'),
        report_time="report_time",
        verify=verify,
        elements=lambda call: array_of(call.request.raw),
        report=report,
        inbound=inbound,
    )
