"""The payloads providers hand on: events of texts and e-mails, reports, texts from people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from local.simulator.finance import CHINA
from local.simulator.texts import encoding_and_parts

__all__ = [
    "Order",
    "Payload",
    "aws_event",
    "aws_inbound",
    "email_event",
    "finance_inbound",
    "finance_report",
    "national",
]

Payload = Mapping[str, object]

PRICE_PER_PART_USD = 0.00581


@dataclass(frozen=True, slots=True)
class Order:
    """One request to send, whatever protocol it came by. `unsubscribe`: where its one click leads, of an e-mail."""

    provider: str
    from_address: str
    to_address: str
    body: str
    subject: str
    ref: str
    context: tuple[tuple[str, str], ...]
    reserved_at: str
    ttl_seconds: int | None
    unsubscribe: str = ""


def aws_event(order: Order, message_id: str, requested_at: datetime, event: str, at: datetime, final: bool) -> Payload:
    """An End User Messaging event."""
    encoding, parts = encoding_and_parts(order.body)
    return {
        "eventType": event,
        "eventVersion": "1.0",
        "eventTimestamp": _milliseconds(at),
        "isFinal": final,
        "originationPhoneNumber": order.from_address,
        "destinationPhoneNumber": order.to_address,
        "isoCountryCode": "US",
        "isInternationalSend": False,
        "mcc": "310",
        "mnc": "800",
        "messageId": message_id,
        "messageRequestTimestamp": _milliseconds(requested_at),
        "messageEncoding": encoding,
        "messageType": "TRANSACTIONAL",
        "messageStatus": event.removeprefix("TEXT_"),
        "messageStatusDescription": "Simulated",
        "context": dict(order.context),
        "totalMessageParts": parts,
        "totalMessagePrice": round(PRICE_PER_PART_USD * parts, 5),
        "totalCarrierFee": 0.0,
    }


def email_event(order: Order, message_id: str, requested_at: datetime, event: str, at: datetime) -> Payload:
    """An SES event: `Delivery`, `Complaint`, or `Bounce/Permanent` and `Bounce/Transient`."""
    name, _, kind = event.partition("/")
    when = _iso(at)
    document: dict[str, object] = {
        "eventType": name,
        "mail": {
            "timestamp": _iso(requested_at),
            "messageId": message_id,
            "source": order.from_address,
            "destination": [order.to_address],
            "tags": {key: [value] for key, value in order.context},
        },
    }
    if name == "Delivery":
        document["delivery"] = {"timestamp": when, "recipients": [order.to_address], "smtpResponse": "250 ok"}
    elif name == "Complaint":
        document["complaint"] = {
            "timestamp": when,
            "complainedRecipients": [{"emailAddress": order.to_address}],
            "complaintFeedbackType": "abuse",
            "feedbackId": message_id,
        }
    else:
        document["bounce"] = {
            "timestamp": when,
            "bounceType": kind,
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": order.to_address}],
            "feedbackId": message_id,
        }
    return document


def finance_report(order: Order, message_id: str, requested_at: datetime, code: str, at: datetime) -> Payload:
    """An element of the finance provider's array of reports."""
    return {
        "out_id": order.ref,
        "biz_id": message_id,
        "phone_number": national(order.to_address),
        "success": code == "DELIVERED",
        "err_code": code,
        "err_msg": "",
        "send_time": _china(requested_at),
        "report_time": _china(at),
        "sms_size": str(encoding_and_parts(order.body)[1]),
    }


def aws_inbound(inbound_id: str, from_address: str, to_address: str, text: str, previous: str) -> Payload:
    """A two-way text, as End User Messaging publishes it."""
    document = {
        "originationNumber": from_address,
        "destinationNumber": to_address,
        "messageKeyword": "KEYWORD_SIMULATED",
        "messageBody": text,
        "inboundMessageId": inbound_id,
    }
    if previous:
        document["previousPublishedMessageId"] = previous
    return document


def finance_inbound(inbound_id: str, from_address: str, to_address: str, text: str, sent_at: datetime) -> Payload:
    """An element of the finance provider's array of texts."""
    return {
        "phone_number": national(from_address),
        "content": text,
        "send_time": _china(sent_at),
        "dest_code": to_address,
        "sequence_id": int(inbound_id),
    }


def national(address: str) -> str:
    return address.removeprefix("+86")


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _china(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
