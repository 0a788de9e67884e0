"""What providers say, read into our own words: delivery reports and texts from people.

Pure functions from the parsed JSON of a queue's body. Four shapes of report and three of inbound text are known:

    {"eventType": "TEXT_…", …}                                        End User Messaging, through SNS
    {"eventType": "Delivery" | "Bounce" | …, "mail": {…}}             SES event publishing, through SNS
    {"provider": …, "kind": "report", "payload": {…}}                 what our webhook put into the queue
    {"originationNumber": …, "destinationNumber": …, …}               two-way SMS, through SNS
    {"provider": …, "kind": "inbound", "payload": {…}}                what our webhook put into the queue
    {"whatsAppWebhookEntry": "{…}", …}                                End User Messaging Social: either, or both

The payload is the provider's own, and its module in `providers` reads it.

Whatever does not have one of these shapes raises `InvalidInput`, which names the field and never repeats its value.

A report settles a message (`state`) only if nothing more will follow, or if the handset has it. An event type that is
newer than this table settles nothing while more may follow; as the last word it leaves the fate UNKNOWN, which a
later report may still correct. Refusing it would lose the provider's last word about a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from dunlin.adapters import whatsapp
from dunlin.adapters.fields import (
    MAX_AHEAD,
    MAX_BODY_BYTES,
    MISSING,
    SHORT_CODE,
    TAG_VALUE,
    a_phone,
    a_ref,
    a_text,
    an_identifier,
    an_instant,
    an_object,
    bounded,
    decode_tag,
    encode_tag,
    milliseconds,
    parts_of,
    why,
    words_of,
)
from dunlin.adapters.providers import Provider, provider_of
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

__all__ = [
    "AWS_PROVIDER",
    "TAG_VALUE",
    "decode_tag",
    "encode_tag",
    "parse_inbound",
    "parse_report",
    "parse_reports",
    "parse_texts",
    "read_body",
]

AWS_PROVIDER: Final = "aws_sms"

_FAILED = MessageState.FAILED

#: Final TEXT_ events: state, reason, whether the number can never be reached.
_TEXT_EVENTS: Mapping[str, tuple[MessageState, Reason, bool]] = {
    "TEXT_SUCCESSFUL": (MessageState.DELIVERED, Reason.DELIVERED, False),
    "TEXT_DELIVERED": (MessageState.DELIVERED, Reason.DELIVERED, False),
    "TEXT_INVALID": (_FAILED, Reason.INVALID_NUMBER, True),
    "TEXT_INVALID_MESSAGE": (_FAILED, Reason.INVALID_MESSAGE, False),
    "TEXT_UNREACHABLE": (_FAILED, Reason.UNREACHABLE, False),
    "TEXT_CARRIER_UNREACHABLE": (_FAILED, Reason.CARRIER_UNREACHABLE, False),
    "TEXT_BLOCKED": (_FAILED, Reason.BLOCKED, False),
    "TEXT_CARRIER_BLOCKED": (_FAILED, Reason.CARRIER_BLOCKED, False),
    "TEXT_SPAM": (_FAILED, Reason.SPAM, False),
    "TEXT_TTL_EXPIRED": (_FAILED, Reason.TTL_EXPIRED, False),
    "TEXT_PROTECT_BLOCKED": (_FAILED, Reason.COUNTRY_BLOCKED, False),
    "TEXT_UNKNOWN": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
    # Final and still under way contradict each other: nothing more will follow, so nobody knows.
    "TEXT_QUEUED": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
    "TEXT_PENDING": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
}

#: SES events that say nothing about the end.
_EMAIL_UNDER_WAY = frozenset({"Send", "DeliveryDelay", "Open", "Click", "Subscription"})


def read_body(raw: str | bytes) -> Mapping[str, object]:
    """A queue body's JSON object.

    Raises:
        InvalidInput: too long, not JSON, or not an object.
    """
    size = len(raw) if isinstance(raw, bytes) else len(raw.encode("utf-8", "surrogatepass"))
    if size > MAX_BODY_BYTES:
        raise InvalidInput("body", f"is longer than {MAX_BODY_BYTES} bytes")
    try:
        body: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidInput("body", "is not JSON") from None
    return an_object(body, "body")


def parse_report(body: Mapping[str, object], received_at: datetime | None = None) -> DeliveryReport:
    """A provider's report about one message.

    `received_at` is when it reached us: a report from more than an hour after that is refused. Without it that
    check is not made.

    Raises:
        InvalidInput: not a report, or a field is missing, malformed or too long.
    """
    bounded(body)
    if "provider" in body:
        provider, payload = _normalised(body, "report")
        report = provider.report(payload)
        field = f"payload.{provider.report_time}"
    else:
        event = a_text(body, "eventType", 64)
        if event.startswith("TEXT_"):
            report = _text_report(event, body)
            field = "eventTimestamp"
        elif "mail" in body:
            report = _email_report(event, body)
            field = "timestamp"
        else:
            raise InvalidInput("eventType", "is not an event of a text or an e-mail")
    if received_at is not None and report.at > received_at + MAX_AHEAD:
        raise InvalidInput(field, "is in the future")
    return report


def parse_reports(body: Mapping[str, object], received_at: datetime | None = None) -> tuple[DeliveryReport, ...]:
    """All reports of one body: one, but for what comes of WhatsApp. Raises: as `parse_report`."""
    if whatsapp.ENTRY not in body:
        return (parse_report(body, received_at),)
    bounded(body)
    return whatsapp.statuses(body, received_at)


def parse_texts(body: Mapping[str, object], received_at: datetime) -> tuple[InboundText, ...]:
    """All texts of one body: one, but for what comes of WhatsApp. Raises: as `parse_inbound`."""
    if whatsapp.ENTRY not in body:
        return (parse_inbound(body, received_at),)
    bounded(body)
    return whatsapp.texts(body, received_at)


def parse_inbound(body: Mapping[str, object], received_at: datetime) -> InboundText:
    """A text from a person. `received_at` is when it reached us; opt-outs and answers count from there.

    A number only has to be possible, not assigned: refusing somebody's STOP because our table of number ranges is
    old would be worse than answering a number that cannot be. An empty text (a picture, a sticker) is still a text.

    Raises:
        InvalidInput: not an inbound text, or a field is missing, malformed or too long.
    """
    bounded(body)
    if "provider" in body:
        provider, payload = _normalised(body, "inbound")
        return provider.inbound(payload, received_at)
    inbound_id = an_identifier(body, "inboundMessageId")
    from_address = a_phone(a_text(body, "originationNumber", 32), "originationNumber")
    to_raw = a_text(body, "destinationNumber", 32)
    to_address = to_raw if SHORT_CODE.fullmatch(to_raw) else a_phone(to_raw, "destinationNumber")
    for optional in ("messageKeyword", "previousPublishedMessageId"):
        if body.get(optional) is not None:
            a_text(body, optional, 256)
    return InboundText(
        inbound_id=inbound_id,
        provider=AWS_PROVIDER,
        from_address=from_address,
        to_address=to_address,
        text=words_of(body, "messageBody"),
        received_at=received_at,
    )


# ── End User Messaging ───────────────────────────────────────────────────────────────────────────────────────────────


def _text_report(event: str, body: Mapping[str, object]) -> DeliveryReport:
    context = an_object(body.get("context", MISSING), "context")
    final = body.get("isFinal", MISSING)
    if not isinstance(final, bool):
        raise InvalidInput("isFinal", why(final, "a boolean"))
    ref = a_ref(context.get("dunlin-message", MISSING), "context.dunlin-message")
    state, reason, unusable = _TEXT_EVENTS.get(event, (MessageState.UNKNOWN, Reason.NO_REPORT, False))
    settled: MessageState | None = state
    if not final and event != "TEXT_DELIVERED":
        # The carrier is still trying. Only "on the handset" cannot be taken back.
        settled, unusable = None, False
        if state is not _FAILED:
            reason = Reason.ACCEPTED
    return DeliveryReport(
        ref=ref,
        state=settled,
        reason=reason,
        at=milliseconds(body, "eventTimestamp"),
        provider_message_id=an_identifier(body, "messageId"),
        parts=parts_of(body.get("totalMessageParts"), "totalMessageParts"),
        price=_price(body),
        point_unusable=unusable,
    )


def _price(body: Mapping[str, object]) -> str:
    """What the text cost, carrier's fee included, in Money's machine form; AWS bills in US dollars."""
    total = Decimal(0)
    for name in ("totalMessagePrice", "totalCarrierFee"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise InvalidInput(name, "is not a number")
        if not 0 <= value <= 1000:  # NaN and the infinities are not between these either
            raise InvalidInput(name, "is not a price")
        total += Decimal(str(value))
    return f"{total:f} USD" if total else ""


# ── SES ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _email_report(event: str, body: Mapping[str, object]) -> DeliveryReport:
    mail = an_object(body.get("mail"), "mail")
    tags = an_object(mail.get("tags", MISSING), "mail.tags")
    values = tags.get("dunlin-message", MISSING)
    if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], str):
        raise InvalidInput("mail.tags.dunlin-message", why(values, "a list of one text"))
    try:
        ref = decode_tag(values[0])
    except ValueError:
        raise InvalidInput("mail.tags.dunlin-message", "is not a message reference") from None
    state, reason, unusable = _email_outcome(event, body)
    return DeliveryReport(
        ref=a_ref(ref, "mail.tags.dunlin-message"),
        state=state,
        reason=reason,
        at=_email_time(event, body, mail),
        provider_message_id=an_identifier(mail, "messageId", "mail."),
        point_unusable=unusable,
        complained=event == "Complaint",
    )


def _email_outcome(event: str, body: Mapping[str, object]) -> tuple[MessageState | None, Reason, bool]:
    match event:
        case "Delivery":
            return MessageState.DELIVERED, Reason.DELIVERED, False
        case "Bounce":
            kind = a_text(an_object(body.get("bounce", MISSING), "bounce"), "bounceType", 64, "bounce.")
            return _FAILED, Reason.BOUNCED, kind == "Permanent"
        case "Complaint":
            # It reached a person, who called it spam: nothing more may go to that address.
            return MessageState.DELIVERED, Reason.SPAM, True
        case "Reject" | "Rendering Failure":
            return _FAILED, Reason.INVALID_MESSAGE, False
        case _ if event in _EMAIL_UNDER_WAY:
            return None, Reason.ACCEPTED, False
        case _:
            raise InvalidInput("eventType", "is not an event of a text or an e-mail")


def _email_time(event: str, body: Mapping[str, object], mail: Mapping[str, object]) -> datetime:
    name = {"Delivery": "delivery", "Bounce": "bounce", "Complaint": "complaint", "DeliveryDelay": "deliveryDelay"}.get(
        event
    )
    if name is None:
        return an_instant(mail, "timestamp", "mail.")
    return an_instant(an_object(body.get(name, MISSING), name), "timestamp", f"{name}.")


# ── Other providers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _normalised(body: Mapping[str, object], kind: str) -> tuple[Provider, Mapping[str, object]]:
    provider = provider_of(body.get("provider"))
    if provider is None:
        raise InvalidInput("provider", "is not a provider we know")
    if body.get("kind") != kind:
        raise InvalidInput("kind", f"is not {kind}")
    return provider, an_object(body.get("payload", MISSING), "payload")
