"""Push through SNS: Publish to the endpoint of a device.

What SNS accepts is handed on to Apple's or Google's service, and whether the device showed it is told to nobody but
CloudWatch Logs: a push ends as UNKNOWN, and nothing that has to be proved goes this way. It points at the app and
states no figure, since others read a lock screen.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import TYPE_CHECKING, Final

from dunlin.adapters.senders.aws import AnyRefusal, call_once, settle_aws_error
from dunlin.adapters.senders.sns import CODES as SNS_CODES
from dunlin.domain.words import Purpose, Reason
from dunlin.services.ports import HandOver, HandOverResult, Refused

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

__all__ = ["CODES", "PURPOSES", "PushSender"]

PURPOSES: Final = frozenset({Purpose.SERVICE, Purpose.SERVICING})
ENDPOINT: Final = re.compile(
    r"arn:[^:]+:sns:[^:]+:[0-9]{12}:endpoint/(?P<platform>[A-Z_]+)/(?P<app>[^/]+)/[0-9a-f-]{36}"
)
#: The most that Apple and Google take.
MAX_BYTES: Final = 4096
#: SNS's names of the services, and of their time-to-live.
TTL_ATTRIBUTE: Final = {
    "APNS": "AWS.SNS.MOBILE.APNS.TTL",
    "APNS_SANDBOX": "AWS.SNS.MOBILE.APNS_SANDBOX.TTL",
    "GCM": "AWS.SNS.MOBILE.FCM.TTL",
}

_GONE = Refused(Reason.ENDPOINT_DISABLED, point_unusable=True)
#: As for texts, but that an endpoint which is disabled or gone says something about the device and not about the line.
CODES: Final[dict[str, AnyRefusal]] = {**SNS_CODES, "EndpointDisabled": _GONE, "NotFound": _GONE}


class PushSender:
    """`Sender` over SNS Publish to an endpoint. The client must make one attempt a call (`aws.one_attempt`).

    The line's `origination` is the name of the platform application, the same for each service: a device that has
    another app of the lender's is not reached by this one's.
    """

    def __init__(self, client: SNSClient) -> None:
        self._client = client

    def hand_over(self, order: HandOver) -> HandOverResult:
        if order.purpose not in PURPOSES:
            return Refused(Reason.NO_ROUTE)
        endpoint = ENDPOINT.fullmatch(order.address)
        if endpoint is None or endpoint["platform"] not in TTL_ATTRIBUTE:
            return Refused(Reason.INVALID_NUMBER, point_unusable=True)
        if endpoint["app"] != order.line.origination:
            return Refused(Reason.NO_ROUTE)
        if order.ttl_seconds < 1:
            return Refused(Reason.WINDOW_CLOSED)
        platform = endpoint["platform"]
        body = order.body.strip()
        payload = payload_for(platform, order.subject, body)
        if len(payload.encode()) > MAX_BYTES:
            return Refused(Reason.TOO_LONG)
        attributes: dict[str, MessageAttributeValueTypeDef] = {
            TTL_ATTRIBUTE[platform]: _string(str(order.ttl_seconds)),
            # Handed to no device; whoever records the call sees which message it was.
            "dunlin-message": _string(order.ref),
            "dunlin-reserved-at": _string(order.reserved_at.astimezone(UTC).isoformat()),
        }
        if platform != "GCM":
            attributes["AWS.SNS.MOBILE.APNS.PUSH_TYPE"] = _string("alert")
        message = json.dumps({"default": body, platform: payload}, ensure_ascii=False)
        return call_once(
            lambda: self._client.publish(
                TargetArn=order.address, Message=message, MessageStructure="json", MessageAttributes=attributes
            ),
            lambda error: settle_aws_error(error, CODES),
        )


def payload_for(platform: str, title: str, body: str) -> str:
    """What the service is given: a title and a line to show, and nothing that names anybody."""
    shown = {"title": title, "body": body}
    document: dict[str, object]
    if platform == "GCM":
        document = {"fcmV1Message": {"message": {"notification": shown}}}
    else:
        document = {"aps": {"alert": shown, "sound": "default"}}
    return json.dumps(document, ensure_ascii=False)


def _string(value: str) -> MessageAttributeValueTypeDef:
    return {"DataType": "String", "StringValue": value}
