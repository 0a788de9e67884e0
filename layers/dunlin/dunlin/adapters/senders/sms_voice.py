"""SMS through AWS End User Messaging (`pinpoint-sms-voice-v2`, SendTextMessage)."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from dunlin.adapters.senders.aws import (
    AnyRefusal,
    AwsError,
    call_once,
    india_numbers,
    one_attempt,
    settle_aws_error,
)
from dunlin.domain.words import Purpose, Reason
from dunlin.services.ports import HandOver, HandOverResult, NotAccepted, Refused, Unsettled

if TYPE_CHECKING:
    from mypy_boto3_pinpoint_sms_voice_v2 import PinpointSMSVoiceV2Client

__all__ = ["REASONS", "SmsVoiceSender", "sms_voice_client"]

#: SendTextMessage takes a time-to-live of 5 to 259,200 seconds.
MIN_TTL_SECONDS = 5
MAX_TTL_SECONDS = 259_200
E164 = re.compile(r"\+[1-9][0-9]{6,14}")

_NOT_OURS = Refused(Reason.REFUSED_BY_PROVIDER)
"""Reasons of calls that manage resources; SendTextMessage has no cause to give them."""
_LINE_BROKEN = Refused(Reason.REFUSED_BY_PROVIDER, stops_line=True)
"""The line itself cannot send: every message on it would be refused the same way."""
_COUNTRY = Refused(Reason.COUNTRY_BLOCKED)
_SPEND = Refused(Reason.SPEND_LIMIT, stops_line=True)
_DENIED = Refused(Reason.ACCESS_DENIED, stops_line=True)
_NUMBER = Refused(Reason.INVALID_NUMBER, point_unusable=True)

#: Every reason of the service's model (a test compares), per exception. A reason that is newer than this table is
#: a plain refusal: a 4xx answer is proof that nothing was accepted.
REASONS: dict[str, dict[str, Refused]] = {
    "AccessDeniedException": {
        "ACCOUNT_DISABLED": _DENIED,
        "INSUFFICIENT_ACCOUNT_REPUTATION": _DENIED,
    },
    "ConflictException": {
        "DESTINATION_PHONE_NUMBER_OPTED_OUT": Refused(Reason.PROVIDER_OPTED_OUT),
        "DESTINATION_PHONE_NUMBER_NOT_VERIFIED": Refused(Reason.NUMBER_NOT_VERIFIED),
        "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION": _COUNTRY,
        "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": Refused(Reason.BLOCKED),
        "MESSAGE_TYPE_MISMATCH": Refused(Reason.REFUSED_BY_PROVIDER),  # of this message's type, not of the line
        "EVENT_DESTINATION_MISMATCH": _LINE_BROKEN,
        "KEYWORD_MISMATCH": _LINE_BROKEN,
        "NO_ORIGINATION_IDENTITIES_FOUND": _LINE_BROKEN,
        "NOTIFY_CONFIGURATION_NOT_ACTIVE": _LINE_BROKEN,
        "NUMBER_CAPABILITIES_MISMATCH": _LINE_BROKEN,
        "OPT_OUT_LIST_MISMATCH": _LINE_BROKEN,
        "PHONE_NUMBER_NOT_IN_REGISTRATION_REGION": _LINE_BROKEN,
        "PROTECT_CONFIGURATION_NOT_ASSOCIATED_WITH_CONFIGURATION_SET": _LINE_BROKEN,
        "REGISTRATION_NOT_COMPLETE": _LINE_BROKEN,
        "RESOURCE_NOT_ACTIVE": _LINE_BROKEN,
        "SELF_MANAGED_OPT_OUTS_MISMATCH": _LINE_BROKEN,
        "TWO_WAY_CONFIG_MISMATCH": _LINE_BROKEN,
        "CREATE_REGISTRATION_VERSION_NOT_ALLOWED": _NOT_OURS,
        "DELETION_PROTECTION_ENABLED": _NOT_OURS,
        "DISASSOCIATE_REGISTRATION_NOT_ALLOWED": _NOT_OURS,
        "DISCARD_REGISTRATION_VERSION_NOT_ALLOWED": _NOT_OURS,
        "EDIT_REGISTRATION_FIELD_VALUES_NOT_ALLOWED": _NOT_OURS,
        "LAST_PHONE_NUMBER": _NOT_OURS,
        "PHONE_NUMBER_ASSOCIATED_TO_POOL": _NOT_OURS,
        "PHONE_NUMBER_ASSOCIATED_TO_REGISTRATION": _NOT_OURS,
        "PHONE_NUMBER_NOT_ASSOCIATED_TO_POOL": _NOT_OURS,
        "POOL_ASSOCIATED_TO_NOTIFY_CONFIGURATION": _NOT_OURS,
        "PROTECT_CONFIGURATION_ASSOCIATED_WITH_CONFIGURATION_SET": _NOT_OURS,
        "PROTECT_CONFIGURATION_IS_ACCOUNT_DEFAULT": _NOT_OURS,
        "RCS_AGENT_ALREADY_ASSOCIATED_TO_REGISTRATION_TYPE": _NOT_OURS,
        "RCS_AGENT_ASSOCIATED_TO_POOL": _NOT_OURS,
        "REGISTRATION_ALREADY_SUBMITTED": _NOT_OURS,
        "RESOURCE_ALREADY_ASSOCIATED": _NOT_OURS,
        "RESOURCE_ALREADY_EXISTS": _NOT_OURS,
        "RESOURCE_DELETION_NOT_ALLOWED": _NOT_OURS,
        "RESOURCE_MODIFICATION_NOT_ALLOWED": _NOT_OURS,
        "RESOURCE_NOT_EMPTY": _NOT_OURS,
        "SENDER_ID_ASSOCIATED_TO_POOL": _NOT_OURS,
        "SUBMIT_REGISTRATION_VERSION_NOT_ALLOWED": _NOT_OURS,
        "VERIFICATION_ALREADY_COMPLETE": _NOT_OURS,
        "VERIFICATION_CODE_EXPIRED": _NOT_OURS,
    },
    "ServiceQuotaExceededException": {
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT": _SPEND,
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_MEDIA": _SPEND,
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_NOTIFY": _SPEND,
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_RCS": _SPEND,
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_VOICE": _SPEND,
        "DAILY_DESTINATION_CALL_LIMIT": _NOT_OURS,
        "DAILY_NOTIFY_TIER_MESSAGE_LIMIT": _SPEND,
        "ASSOCIATIONS_PER_REGISTRATION": _NOT_OURS,
        "CONFIGURATION_SETS_PER_ACCOUNT": _NOT_OURS,
        "EVENT_DESTINATIONS_PER_CONFIGURATION_SET": _NOT_OURS,
        "KEYWORDS_PER_PHONE_NUMBER": _NOT_OURS,
        "KEYWORDS_PER_POOL": _NOT_OURS,
        "NOTIFY_CONFIGURATIONS_PER_ACCOUNT": _NOT_OURS,
        "OPT_OUT_LISTS_PER_ACCOUNT": _NOT_OURS,
        "ORIGINATION_IDENTITIES_PER_POOL": _NOT_OURS,
        "PHONE_NUMBERS_PER_ACCOUNT": _NOT_OURS,
        "PHONE_NUMBERS_PER_REGISTRATION": _NOT_OURS,
        "POOLS_PER_ACCOUNT": _NOT_OURS,
        "PROTECT_CONFIGURATIONS_PER_ACCOUNT": _NOT_OURS,
        "RCS_AGENTS_PER_ACCOUNT": _NOT_OURS,
        "REGISTRATION_ATTACHMENTS_CREATED_PER_DAY": _NOT_OURS,
        "REGISTRATION_ATTACHMENTS_PER_ACCOUNT": _NOT_OURS,
        "REGISTRATION_VERSIONS_CREATED_PER_DAY": _NOT_OURS,
        "REGISTRATIONS_PER_ACCOUNT": _NOT_OURS,
        "SENDER_IDS_PER_ACCOUNT": _NOT_OURS,
        "TAGS_PER_RESOURCE": _NOT_OURS,
        "VERIFICATION_ATTEMPTS_PER_DAY": _NOT_OURS,
        "VERIFIED_DESTINATION_NUMBERS_PER_ACCOUNT": _NOT_OURS,
    },
    "ValidationException": {
        "PRICE_OVER_THRESHOLD": Refused(Reason.PRICE_OVER_THRESHOLD),
        "COUNTRY_CODE_MISMATCH": _COUNTRY,
        "COUNTRY_NOT_ENABLED": _COUNTRY,
        "DESTINATION_COUNTRY_BLOCKED": _COUNTRY,
        "INTERNATIONAL_SENDING_NOT_SUPPORTED": _COUNTRY,
        "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": _COUNTRY,
        "MAXIMUM_SIZE_EXCEEDED": Refused(Reason.TOO_LONG),
        # Refused for a field: the field says which (see `_refused_field`); without one it is a plain refusal.
        "CANNOT_PARSE": _NOT_OURS,
        "FIELD_VALIDATION_FAILED": _NOT_OURS,
        "INVALID_PARAMETER": _NOT_OURS,
        "INVALID_REQUEST": _NOT_OURS,
        "MISSING_PARAMETER": _NOT_OURS,
        "OTHER": _NOT_OURS,
        "PARAMETERS_CANNOT_BE_USED_TOGETHER": _NOT_OURS,
        "UNSPECIFIED_PARAMETER_NOT_SUPPORTED": _NOT_OURS,
        "CHANNEL_NOT_ENABLED": _LINE_BROKEN,
        "INVALID_ARN": _LINE_BROKEN,
        "RESOURCE_NOT_ACCESSIBLE": _LINE_BROKEN,
        "SENDER_ID_NOT_REGISTERED": _LINE_BROKEN,
        "SENDER_ID_NOT_SUPPORTED": _LINE_BROKEN,
        "SENDER_ID_REQUIRES_REGISTRATION": _LINE_BROKEN,
        "UNKNOWN_OPERATION": _LINE_BROKEN,
        "ATTACHMENT_TYPE_NOT_SUPPORTED": _NOT_OURS,
        "CANNOT_ADD_OPTED_OUT_NUMBER": _NOT_OURS,
        "INVALID_FILTER_VALUES": _NOT_OURS,
        "INVALID_NEXT_TOKEN": _NOT_OURS,
        "INVALID_REGISTRATION_ASSOCIATION": _NOT_OURS,
        "MEDIA_TYPE_NOT_SUPPORTED": _NOT_OURS,
        "PHONE_NUMBER_CANNOT_BE_OPTED_IN": _NOT_OURS,
        "PHONE_NUMBER_CANNOT_BE_RELEASED": _NOT_OURS,
        "REGISTRATION_FIELD_CANNOT_BE_DELETED": _NOT_OURS,
        "REQUESTED_SPEND_LIMIT_HIGHER_THAN_SERVICE_LIMIT": _NOT_OURS,
        "TWO_WAY_CHANNEL_NOT_PRESENT": _NOT_OURS,
        "TWO_WAY_NOT_ENABLED": _NOT_OURS,
        "TWO_WAY_NOT_SUPPORTED_IN_COUNTRY": _NOT_OURS,
        "TWO_WAY_NOT_SUPPORTED_IN_REGION": _NOT_OURS,
        "TWO_WAY_TOPIC_NOT_PRESENT": _NOT_OURS,
        "UNKNOWN_REGISTRATION_FIELD": _NOT_OURS,
        "UNKNOWN_REGISTRATION_SECTION": _NOT_OURS,
        "UNKNOWN_REGISTRATION_TYPE": _NOT_OURS,
        "UNKNOWN_REGISTRATION_VERSION": _NOT_OURS,
        "VERIFICATION_CODE_MISMATCH": _NOT_OURS,
        "VOICE_CAPABILITY_NOT_AVAILABLE": _NOT_OURS,
    },
}

#: The same by exception alone, for those without a reason and for reasons that are not in the table.
CODES: dict[str, AnyRefusal] = {
    "AccessDeniedException": _DENIED,
    "ConflictException": _NOT_OURS,
    "InternalServerException": Unsettled(Reason.PROVIDER_ERROR),
    "ResourceNotFoundException": _LINE_BROKEN,
    "ServiceQuotaExceededException": _NOT_OURS,
    "ThrottlingException": NotAccepted(Reason.THROTTLED),
    "ValidationException": _NOT_OURS,
}


class SmsVoiceSender:
    """`Sender` over SendTextMessage. The client must make one attempt a call: see `sms_voice_client`."""

    def __init__(self, client: PinpointSMSVoiceV2Client) -> None:
        self._client = client

    def hand_over(self, order: HandOver) -> HandOverResult:
        if not E164.fullmatch(order.address):
            return _NUMBER
        if order.ttl_seconds < MIN_TTL_SECONDS:
            # The shortest time-to-live there is would end outside the window.
            return Refused(Reason.WINDOW_CLOSED)
        request: dict[str, Any] = {
            "DestinationPhoneNumber": order.address,
            "OriginationIdentity": order.line.origination,
            "MessageBody": order.body,
            "MessageType": "PROMOTIONAL" if order.purpose is Purpose.MARKETING else "TRANSACTIONAL",
            "TimeToLive": min(order.ttl_seconds, MAX_TTL_SECONDS),
            "Context": {
                "dunlin-message": order.ref,
                "dunlin-reserved-at": order.reserved_at.astimezone(UTC).isoformat(),
            },
        }
        if order.line.configuration_set:
            request["ConfigurationSetName"] = order.line.configuration_set
        if order.line.max_price:
            request["MaxPrice"] = order.line.max_price
        filed = india_numbers(order)
        if filed:
            request["DestinationCountryParameters"] = filed
        return call_once(
            lambda: self._client.send_text_message(**request),
            settle_sms_voice_error,
        )


def settle_sms_voice_error(error: AwsError) -> AnyRefusal:
    """What the service's answer means: by status, then field, then reason, then exception."""
    general = settle_aws_error(error, CODES)
    if isinstance(general, Unsettled):
        return general
    if error.code == "ValidationException":
        field = _refused_field(error)
        if field is not None:
            return field
    return REASONS.get(error.code, {}).get(error.reason, general)


def _refused_field(error: AwsError) -> Refused | None:
    if error.reason not in ("FIELD_VALIDATION_FAILED", "INVALID_PARAMETER", "CANNOT_PARSE"):
        return None
    if "DestinationPhoneNumber" in error.fields:
        return _NUMBER
    if "MessageBody" in error.fields:
        return Refused(Reason.INVALID_MESSAGE)
    return None


def sms_voice_client(
    read_timeout: float,
    connect_timeout: float,
    *,
    region: str | None = None,
    endpoint_url: str | None = None,
) -> PinpointSMSVoiceV2Client:
    """A client that makes exactly one request a call. Time-outs in seconds."""
    import boto3  # noqa: PLC0415 - only a function that sends pays for it

    return boto3.client(
        "pinpoint-sms-voice-v2",
        region_name=region,
        endpoint_url=endpoint_url,
        config=one_attempt(read_timeout, connect_timeout),
    )
