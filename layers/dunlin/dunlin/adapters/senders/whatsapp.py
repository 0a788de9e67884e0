"""WhatsApp through AWS End User Messaging Social: SendWhatsAppMessage, whose blob is Meta's Cloud API.

Meta lets a business speak first only in templates that it approved; words of one's own go within a day of the person's
own message. So an answer goes as it was rendered, and everything else as the line's filed template that it reads as.
There is no time-to-live: what a telephone that is off has not got can be felt outside its window. So nothing about an
overdue amount goes this way.

Source: AWS End User Messaging Social User Guide, "Sending messages"; WhatsApp Business Platform, Cloud API, Messages.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from dunlin.adapters.senders.aws import AnyRefusal, call_once, settle_aws_error
from dunlin.adapters.senders.filed import WHATSAPP_GAP, filed_text
from dunlin.adapters.senders.sns import E164
from dunlin.domain.words import Purpose, Reason
from dunlin.services.ports import HandOver, HandOverResult, NotAccepted, Refused, Unsettled

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CODES", "META_API_VERSION", "PHONE_NUMBER_ID", "PURPOSES", "WhatsAppSender"]

META_API_VERSION: Final = "v20.0"
PURPOSES: Final = frozenset({Purpose.SERVICE, Purpose.SERVICING, Purpose.REPLY})
#: The line's registration that names the number to AWS; `origination` is the number itself, as people know it.
PHONE_NUMBER_ID: Final = "phone_number_id"
#: What the service takes; in an ARN the resource is behind the slash.
_NUMBER_ID: Final = re.compile(r"phone-number-id-[0-9a-zA-Z]{1,64}")
#: A filed template: its name and its language at Meta.
_TEMPLATE: Final = re.compile(r"([a-z0-9_]{1,512})/([a-z]{2,3}(?:_[A-Z]{2})?)")
#: Characters that Meta takes in a template's text and in a text of one's own.
MOST_IN_TEMPLATE: Final = 1024
MOST_IN_TEXT: Final = 4096
#: Characters of what Meta repeats in every status.
MOST_IN_REF: Final = 512

_DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)

#: Every error of SendWhatsAppMessage in the service's model (a test compares).
CODES: Final[dict[str, AnyRefusal]] = {
    "AccessDeniedException": _DENIED,
    "DependencyException": Unsettled(Reason.PROVIDER_ERROR),
    "InternalServiceException": Unsettled(Reason.PROVIDER_ERROR),
    "InvalidParametersException": Refused(Reason.INVALID_MESSAGE),
    "ResourceNotFoundException": Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True),
    "ThrottledRequestException": NotAccepted(Reason.THROTTLED),
    "ValidationException": Refused(Reason.INVALID_MESSAGE),
}


class WhatsAppSender:
    """`Sender` over SendWhatsAppMessage. The client must make one attempt a call (`aws.one_attempt`)."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def hand_over(self, order: HandOver) -> HandOverResult:
        if order.purpose not in PURPOSES or len(order.ref) > MOST_IN_REF:
            return Refused(Reason.NO_ROUTE)
        if not E164.fullmatch(order.address):
            return Refused(Reason.INVALID_NUMBER, point_unusable=True)
        number_id = dict(order.line.registrations).get(PHONE_NUMBER_ID, "")
        if not _NUMBER_ID.fullmatch(number_id):
            return Refused(Reason.NO_ROUTE)
        said = _free(order.body) if order.purpose is Purpose.REPLY else _filed(order)
        if isinstance(said, Refused):
            return said
        message = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": order.address,
            **said,
            # Shown to nobody; every status repeats it.
            "biz_opaque_callback_data": order.ref,
        }

        def call() -> Mapping[str, object]:
            answer = self._client.send_whatsapp_message(
                originationPhoneNumberId=number_id,
                message=json.dumps(message, ensure_ascii=False).encode("utf-8", "replace"),
                metaApiVersion=META_API_VERSION,
            )
            return {"MessageId": answer.get("messageId")}

        return call_once(call, lambda error: settle_aws_error(error, CODES))


def _free(body: str) -> Mapping[str, object] | Refused:
    if len(body) > MOST_IN_TEXT:
        return Refused(Reason.TOO_LONG)
    return {"type": "text", "text": {"body": body, "preview_url": False}}


def _filed(order: HandOver) -> Mapping[str, object] | Refused:
    if len(order.body) > MOST_IN_TEMPLATE:
        return Refused(Reason.TOO_LONG)
    # The fullest wording first: a text reads as several where a gap can hold what another one fixes.
    filed = filed_text(order.line.templates, order.body, WHATSAPP_GAP)
    code = _TEMPLATE.fullmatch(filed[0]) if filed is not None else None
    if filed is None or code is None:
        return Refused(Reason.INVALID_MESSAGE)
    in_order = [value for _, value in sorted(filed[1], key=lambda gap: int(gap[0]))]
    body = {"type": "body", "parameters": [{"type": "text", "text": value} for value in in_order]}
    template = {"name": code[1], "language": {"code": code[2]}, "components": [body] if in_order else []}
    return {"type": "template", "template": template}
