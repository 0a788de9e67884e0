"""SMS through SNS Publish: service messages only.

SNS has neither a time-to-live nor a context: a text can be felt outside its window and its fate is only in
CloudWatch Logs. So it may carry an answer to a text or a servicing reminder, and never anything about an overdue
amount or a notice that has to be proven.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from dunlin.adapters.senders.aws import ENTITY_ID, TEMPLATE_ID, AnyRefusal, call_once, india_numbers, settle_aws_error
from dunlin.domain.words import Purpose, Reason
from dunlin.services.ports import HandOver, HandOverResult, NotAccepted, Refused, Unsettled

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

__all__ = ["CODES", "PURPOSES", "SnsSender"]

PURPOSES = frozenset({Purpose.REPLY, Purpose.SERVICING})
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SENDER_ID = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9-]{1,11}")

_REFUSED = Refused(Reason.REFUSED_BY_PROVIDER)
_LINE_BROKEN = Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)
_DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)

#: Every error of Publish in the service's model (a test compares), and the three that only texts meet.
CODES: dict[str, AnyRefusal] = {
    "AuthorizationError": _DENIED,
    "EndpointDisabled": _LINE_BROKEN,
    "InternalError": Unsettled(Reason.PROVIDER_ERROR),
    "InvalidParameter": _REFUSED,
    "InvalidSecurity": _DENIED,
    "KMSAccessDenied": _LINE_BROKEN,
    "KMSDisabled": _LINE_BROKEN,
    "KMSInvalidState": _LINE_BROKEN,
    "KMSNotFound": _LINE_BROKEN,
    "KMSOptInRequired": _LINE_BROKEN,
    "KMSThrottling": NotAccepted(Reason.THROTTLED),
    "NotFound": _LINE_BROKEN,
    "OptedOut": Refused(Reason.PROVIDER_OPTED_OUT),
    "ParameterValueInvalid": _REFUSED,
    "PlatformApplicationDisabled": _LINE_BROKEN,
    "Throttled": NotAccepted(Reason.THROTTLED),
    "UserError": Refused(Reason.NUMBER_NOT_VERIFIED),
    "ValidationException": _REFUSED,
}


_AS_ATTRIBUTE = {ENTITY_ID: "AWS.MM.SMS.EntityId", TEMPLATE_ID: "AWS.MM.SMS.TemplateId"}


class SnsSender:
    """`Sender` over SNS Publish to a phone number. The client must make one attempt a call (`aws.one_attempt`)."""

    def __init__(self, client: SNSClient) -> None:
        self._client = client

    def hand_over(self, order: HandOver) -> HandOverResult:
        if order.purpose not in PURPOSES:
            return Refused(Reason.NO_ROUTE)
        if not E164.fullmatch(order.address):
            return Refused(Reason.INVALID_NUMBER, point_unusable=True)
        attributes: dict[str, MessageAttributeValueTypeDef] = {
            "AWS.SNS.SMS.SMSType": _string("Transactional"),
            # SNS hands these to nobody; whoever records the call sees which message it was.
            "dunlin-message": _string(order.ref),
            "dunlin-reserved-at": _string(order.reserved_at.astimezone(UTC).isoformat()),
        }
        if order.line.max_price:
            attributes["AWS.SNS.SMS.MaxPrice"] = {"DataType": "Number", "StringValue": order.line.max_price}
        origination = order.line.origination
        if SENDER_ID.fullmatch(origination):
            attributes["AWS.SNS.SMS.SenderID"] = _string(origination)
        elif origination:
            attributes["AWS.MM.SMS.OriginationNumber"] = _string(origination)
        for name, value in india_numbers(order).items():
            attributes[_AS_ATTRIBUTE[name]] = _string(value)
        return call_once(
            lambda: self._client.publish(PhoneNumber=order.address, Message=order.body, MessageAttributes=attributes),
            lambda error: settle_aws_error(error, CODES),
        )


def _string(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": value}
