"""What every AWS sender shares: one attempt a call, and what botocore's errors prove about a hand-over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dunlin.domain.words import Reason
from dunlin.services.ports import Accepted, HandOver, HandOverResult, NotAccepted, Refused, Unsettled

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

__all__ = [
    "ENTITY_ID",
    "TEMPLATE_ID",
    "AnyRefusal",
    "AwsError",
    "call_once",
    "india_numbers",
    "one_attempt",
    "settle_aws_error",
]

AnyRefusal = Refused | NotAccepted | Unsettled

#: India: the numbers under which the sender and each text are registered, as the service calls them.
ENTITY_ID, TEMPLATE_ID = "IN_ENTITY_ID", "IN_TEMPLATE_ID"

#: Codes that every AWS service may answer, whatever its model says: who calls is not known or not allowed.
ACCESS_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
#: Codes with which AWS turns a request away unread because there are too many.
THROTTLING_CODES = frozenset(
    {
        "RequestLimitExceeded",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "TooManyRequestsException",
    }
)


@dataclass(frozen=True, slots=True)
class AwsError:
    """A service's answer without its words, which may repeat the number: code, modelled reason, named fields."""

    code: str
    reason: str
    fields: tuple[str, ...]
    status: int


def one_attempt(read_timeout: float, connect_timeout: float) -> Config:
    """Client settings for handing over: one request a call, in seconds.

    By default boto3 sends a request up to three times after a time-out or a 500, and the borrower would get three
    texts, since no sending call has an idempotency token.
    """
    from botocore.config import Config  # noqa: PLC0415 - only a function that sends pays for it

    return Config(
        read_timeout=read_timeout,
        connect_timeout=connect_timeout,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )


def call_once(call: Callable[[], Mapping[str, object]], settle: Callable[[AwsError], AnyRefusal]) -> HandOverResult:
    """Make the one call and say what its answer, or its error, proves. `settle` reads the service's own errors.

    Nothing of an error leaves here: botocore's texts repeat the parameters, phone number and words included.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - only a function that sends pays

    try:
        answer = call()
    except ClientError as error:
        return settle(_read_client_error(error))
    except BotoCoreError as error:
        return _settle_sdk_error(error)
    except Exception:  # only the SDK runs in here, and its parsers raise what is no BotoCoreError
        return Unsettled(Reason.PROVIDER_ERROR)
    message_id = answer.get("MessageId")
    return Accepted(message_id) if isinstance(message_id, str) and message_id else Unsettled(Reason.PROVIDER_ERROR)


def _read_client_error(error: ClientError) -> AwsError:
    """The parts of a service's answer that decide something."""
    response: Mapping[str, object] = error.response
    inner = _mapping(response.get("Error"))
    meta = _mapping(response.get("ResponseMetadata"))
    listed = response.get("Fields")
    names = [_mapping(entry).get("Name") for entry in listed] if isinstance(listed, list) else []
    status = meta.get("HTTPStatusCode")
    reason = response.get("Reason")
    return AwsError(
        code=str(inner.get("Code", "")),
        reason=reason if isinstance(reason, str) else "",
        fields=tuple(name for name in names if isinstance(name, str)),
        status=status if isinstance(status, int) else 0,
    )


def settle_aws_error(error: AwsError, own: Mapping[str, AnyRefusal]) -> AnyRefusal:
    """What a service's answer proves; `own` is the service's table by code and comes after what AWS has in common.

    The status comes first: behind a 5xx (and a 408) the request may have been taken, whatever the code says. Any
    other answer of a service is proof that it did not take the request.
    """
    if error.status >= 500 or error.status == 408:
        return Unsettled(Reason.PROVIDER_ERROR)
    if error.code in own:
        return own[error.code]
    if error.code in THROTTLING_CODES or error.status == 429:
        return NotAccepted(Reason.THROTTLED)
    if error.code in ACCESS_CODES or error.status in (401, 403):
        return Refused(Reason.ACCESS_DENIED, stops_line=True)
    if 400 <= error.status < 500:
        return Refused(Reason.REFUSED_BY_PROVIDER)
    return Unsettled(Reason.PROVIDER_ERROR)


def _settle_sdk_error(error: BotoCoreError) -> AnyRefusal:
    """What an error of the SDK itself proves. What is not known to come before the request was written is unsettled."""
    from botocore import exceptions as sdk  # noqa: PLC0415

    match error:
        case sdk.EndpointConnectionError() | sdk.ConnectTimeoutError() | sdk.ProxyConnectionError():
            return NotAccepted(Reason.NOT_CONNECTED)
        case sdk.CredentialRetrievalError() | sdk.MetadataRetrievalError():
            return NotAccepted(Reason.NOT_CONNECTED)
        case sdk.NoCredentialsError() | sdk.PartialCredentialsError():
            return Refused(Reason.ACCESS_DENIED, stops_line=True)
        case sdk.ParamValidationError():
            return Refused(Reason.INVALID_MESSAGE)
        case sdk.ReadTimeoutError():
            return Unsettled(Reason.TIMED_OUT)
        case _:
            return Unsettled(Reason.PROVIDER_ERROR)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def india_numbers(order: HandOver) -> dict[str, str]:
    """What a text to India carries besides its words: the line's entity, and the number that this text is filed under
    (the line's own, where it has one for all its texts). Empty for a line that is not registered there."""
    numbers = {name: value for name, value in order.line.registrations if name in (ENTITY_ID, TEMPLATE_ID)}
    if ENTITY_ID in numbers and order.filing:
        numbers[TEMPLATE_ID] = order.filing
    return numbers
