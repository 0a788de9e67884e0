"""The opt-out list of AWS End User Messaging, and the queue of what has to be brought into line with it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dunlin.adapters.aws import error_code
from dunlin.errors import TransientError
from dunlin.services.ports import Listed

if TYPE_CHECKING:
    from mypy_boto3_pinpoint_sms_voice_v2 import PinpointSMSVoiceV2Client
    from mypy_boto3_sqs import SQSClient

__all__ = ["SmsVoiceOptOutList", "SqsOptOuts"]

#: As many numbers as an answer may hold.
_PAGE: Final = 100
_MOST_DELAY_SECONDS: Final = 900


class SmsVoiceOptOutList:
    """`NumberList` over `PutOptedOutNumber`, `DeleteOptedOutNumber` and `DescribeOptedOutNumbers`.

    AWS takes a number off a list once in thirty days. No error of its leaves here with its words, which repeat numbers.
    """

    def __init__(self, client: PinpointSMSVoiceV2Client, name: str) -> None:
        self._client = client
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def put(self, number: str) -> bool:
        answer = self._call(
            lambda: self._client.put_opted_out_number(OptOutListName=self._name, OptedOutNumber=number),
            no={"ValidationException"},
        )
        return answer is not None

    def remove(self, number: str) -> bool:
        answer = self._call(
            lambda: self._client.delete_opted_out_number(OptOutListName=self._name, OptedOutNumber=number),
            no={"ConflictException", "ValidationException"},
        )
        return answer is not None

    def numbers(self) -> Iterator[Listed]:
        token = ""
        while True:
            asked: dict[str, Any] = {"OptOutListName": self._name, "MaxResults": _PAGE}
            if token:
                asked["NextToken"] = token
            answer = self._call(lambda asked=asked: self._client.describe_opted_out_numbers(**asked))  # type: ignore[misc]
            assert answer is not None
            for each in answer.get("OptedOutNumbers", []):
                at = each["OptedOutTimestamp"].astimezone(UTC)
                # The model lets the sign be left out.
                yield Listed(f"+{each['OptedOutNumber'].removeprefix('+')}", at, bool(each["EndUserOptedOut"]))
            token = answer.get("NextToken", "")
            if not token:
                return

    def _call(self, call: Callable[[], Any], no: frozenset[str] | set[str] = frozenset()) -> Mapping[str, Any] | None:
        """The answer; None: the provider says no, and will say so again. Nothing there to remove is an answer too."""
        try:
            answer: Mapping[str, Any] = call()
        except ClientError as error:
            code = error_code(error)
            response: Mapping[str, Any] = error.response
            if code == "ResourceNotFoundException" and response.get("ResourceType") == "opted-out-number":
                return {}
            if code in no:
                return None
            raise TransientError(f"opt-out list: {code}") from None
        except BotoCoreError as error:
            raise TransientError(f"opt-out list: {type(error).__name__}") from None
        return answer


class SqsOptOuts:
    """`OptOutQueue`: a delayed message a point. It carries no number."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def follow(self, point: str, after: timedelta) -> None:
        seconds = min(math.ceil(after.total_seconds()), _MOST_DELAY_SECONDS)
        body = json.dumps({"point": point})
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=seconds)
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"opt-outs queue: {type(error).__name__}") from None
