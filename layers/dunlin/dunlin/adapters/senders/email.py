"""E-mail through SES v2 SendEmail. The message's reference travels as a tag and comes back in every event."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from dunlin.adapters.reports import TAG_VALUE, encode_tag
from dunlin.adapters.senders.aws import AnyRefusal, call_once, settle_aws_error
from dunlin.adapters.senders.html import html_of
from dunlin.domain.words import Purpose, Reason
from dunlin.services.ports import HandOver, HandOverResult, NotAccepted, Refused

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import MessageHeaderTypeDef, SendEmailRequestTypeDef

    from dunlin.adapters.unsubscribe import UnsubscribeLinks

__all__ = ["CODES", "SesSender"]

#: One address, without display name, space or a second line: what cannot be a header injection.
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_LINE_BROKEN = Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)

#: Every error of SendEmail in the service's model (a test compares).
CODES: dict[str, AnyRefusal] = {
    "AccountSuspendedException": Refused(Reason.ACCESS_DENIED, stops_line=True),
    "BadRequestException": Refused(Reason.REFUSED_BY_PROVIDER),
    "LimitExceededException": Refused(Reason.SPEND_LIMIT, stops_line=True),
    "MailFromDomainNotVerifiedException": _LINE_BROKEN,
    "MessageRejected": Refused(Reason.INVALID_MESSAGE),
    "NotFoundException": _LINE_BROKEN,
    "SendingPausedException": Refused(Reason.ACCESS_DENIED, stops_line=True),
    "TooManyRequestsException": NotAccepted(Reason.THROTTLED),
}


class SesSender:
    """`Sender` over SES v2. The client must make one attempt a call (`aws.one_attempt`).

    `unsubscribe` makes the address behind the mail program's own button, for what can be declined (RFC 8058). SES signs
    both headers, as the RFC wants.
    """

    def __init__(self, client: SESV2Client, *, unsubscribe: UnsubscribeLinks) -> None:
        self._client = client
        self._unsubscribe = unsubscribe

    def hand_over(self, order: HandOver) -> HandOverResult:
        if not ADDRESS.fullmatch(order.address):
            return Refused(Reason.INVALID_NUMBER, point_unusable=True)
        tag = encode_tag(order.ref)
        if TAG_VALUE.fullmatch(tag) is None or "\n" in order.subject or "\r" in order.subject:
            # Without its tag no report could ever be matched to the message.
            return Refused(Reason.INVALID_MESSAGE)
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": order.line.origination,
            "Destination": {"ToAddresses": [order.address]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": order.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": order.body, "Charset": "UTF-8"},
                        "Html": {"Data": html_of(order.subject, order.body, order.locale), "Charset": "UTF-8"},
                    },
                    "Headers": self._headers(order),
                }
            },
            "EmailTags": [
                {"Name": "dunlin-message", "Value": tag},
                {"Name": "dunlin-reserved-at", "Value": encode_tag(order.reserved_at.astimezone(UTC).isoformat())},
            ],
        }
        if order.line.configuration_set:
            request["ConfigurationSetName"] = order.line.configuration_set
        return call_once(
            lambda: self._client.send_email(**request),
            lambda error: settle_aws_error(error, CODES),
        )

    def _headers(self, order: HandOver) -> list[MessageHeaderTypeDef]:
        automatic = "auto-replied" if order.purpose is Purpose.REPLY else "auto-generated"
        headers: list[MessageHeaderTypeDef] = [{"Name": "Auto-Submitted", "Value": automatic}]
        link = self._unsubscribe.link(order.point, order.purpose)
        if link:
            headers.append({"Name": "List-Unsubscribe", "Value": f"<{link}>"})
            headers.append({"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"})
        return headers
