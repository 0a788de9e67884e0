"""The AWS services around the tables: queues, the state machine, secrets. Clients are passed in, made once."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from dunlin.domain.words import Channel
from dunlin.errors import ConfigurationError, TransientError
from dunlin.services.ports import Backlog, Refusal

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef
    from mypy_boto3_stepfunctions import SFNClient

#: What SQS takes (256 kB) less room for the fields around it, counted as it is sent: escaped.
_MOST_RAW_BYTES = 200_000


def error_code(error: ClientError) -> str:
    """AWS's code of the error, where it looks like one: it goes into our own error's message."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if re.fullmatch(r"[A-Za-z.]{1,80}", code) else "unknown"


class SqsWakeQueue:
    """One FIFO group a shard; the same shard in the same minute is one wake."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def wake(self, shard: str, now: datetime) -> None:
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=json.dumps({"shard": shard}),
                MessageGroupId=shard,
                MessageDeduplicationId=f"{shard}-{now:%Y%m%dT%H%M}",
            )
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"wake queue: {type(error).__name__}") from None


class SqsSlots:
    """One delayed message a slot, ten a call."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def ask(self, line: str, seconds: Sequence[int]) -> None:
        body = json.dumps({"line": line})
        for begin in range(0, len(seconds), 10):
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(second), "MessageBody": body, "DelaySeconds": second}
                for second in seconds[begin : begin + 10]
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (ClientError, BotoCoreError) as error:
                raise TransientError(f"pace queue: {type(error).__name__}") from None
            if answer.get("Failed"):
                raise TransientError("pace queue: slots were not taken")


class SqsEars:
    """Probes go down the very queues that reports and texts come up."""

    def __init__(self, client: SQSClient, urls: dict[str, str]) -> None:
        self._client = client
        self._urls = urls

    def send_probe(self, ear: str, probe: str) -> None:
        try:
            self._client.send_message(QueueUrl=self._urls[ear], MessageBody=json.dumps({"probe": probe}))
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"{ear} queue: {type(error).__name__}") from None


class EventBridgeAnnouncements:
    """What others have to do or want to know, on the application's own bus. No detail carries a name or an amount."""

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def announce(self, kind: str, event_id: str, detail: Mapping[str, object]) -> None:
        entry = {"id": event_id, "type": kind, **detail}
        try:
            answer = self._client.put_events(
                Entries=[
                    {"EventBusName": self._bus, "Source": "dunlin", "DetailType": kind, "Detail": json.dumps(entry)}
                ]
            )
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"announcements: {type(error).__name__}") from None
        if answer["FailedEntryCount"]:
            raise TransientError("announcements: the bus did not take it")


class SqsIntake:
    """The queue of the core's facts, and the one where those end that were given up."""

    def __init__(self, client: SQSClient, url: str, dead_letter_url: str) -> None:
        self._client = client
        self._url = url
        self._dead_letter_url = dead_letter_url

    def backlog(self) -> Backlog:
        # The source first: what is given up in between is then seen where it went.
        waiting, in_flight = self._counts(self._url)
        return Backlog(waiting, in_flight, sum(self._counts(self._dead_letter_url)))

    def _counts(self, url: str) -> tuple[int, int]:
        names: list[QueueAttributeNameType] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        try:
            found = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"core events queue: {type(error).__name__}") from None
        visible, delayed, hidden = (int(found[name]) for name in names)
        return visible + delayed, hidden


class SqsOutbox:
    """Puts what a webhook brought on the queue that the receivers read."""

    def __init__(self, client: SQSClient, urls: dict[str, str]) -> None:
        self._client = client
        self._urls = urls

    def put(self, kind: str, body: dict[str, Any]) -> None:
        try:
            self._client.send_message(QueueUrl=self._urls[kind], MessageBody=json.dumps(body, ensure_ascii=False))
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"{kind} queue: {type(error).__name__}") from None


def _fitting(raw: str) -> str:
    """As much of `raw` as fits into a message once it is escaped. The hash beside it is of all of it."""
    while (size := len(json.dumps(raw))) > _MOST_RAW_BYTES:
        raw = raw[: len(raw) * _MOST_RAW_BYTES // size]
    return raw


class SqsRefusedInput:
    """Input that can never be accepted, kept (encrypted) beside the field that was wrong."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def keep(self, refusal: Refusal) -> None:
        body = {
            "source": refusal.source,
            "field": refusal.field,
            "problem": refusal.problem,
            "raw": _fitting(refusal.raw),
            "raw_sha256": hashlib.sha256(refusal.raw.encode("utf-8", "surrogatepass")).hexdigest(),
        }
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=json.dumps(body))
        except (ClientError, BotoCoreError) as error:
            raise TransientError(f"refused input queue: {type(error).__name__}") from None


class StepFunctionsEscalations:
    """Executions by name: borrower, episode, generation. Their input is ids only."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    @staticmethod
    def _name(borrower_id: str, episode: int, generation: int) -> str:
        return f"{borrower_id[:64]}-{episode}-{generation}"

    def start(self, borrower_id: str, episode: int, generation: int) -> None:
        document = {"borrower_id": borrower_id, "episode": episode, "generation": generation}
        try:
            self._client.start_execution(
                stateMachineArn=self._arn,
                name=self._name(borrower_id, episode, generation),
                input=json.dumps(document),
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise TransientError(f"start execution: {error_code(error)}") from None
        except BotoCoreError as error:
            raise TransientError(f"start execution: {type(error).__name__}") from None

    def ring(self, token: str) -> None:
        try:
            self._client.send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            # A token that is used up, timed out or of an execution long gone: there is nobody left to wake.
            if error_code(error) not in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                raise TransientError(f"task success: {error_code(error)}") from None
        except BotoCoreError as error:
            raise TransientError(f"task success: {type(error).__name__}") from None

    def is_running(self, borrower_id: str, episode: int, generation: int) -> bool:
        arn = self._arn.replace(":stateMachine:", ":execution:")
        try:
            found = self._client.describe_execution(
                executionArn=f"{arn}:{self._name(borrower_id, episode, generation)}"
            )
        except ClientError as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return False
            raise TransientError(f"describe execution: {error_code(error)}") from None
        except BotoCoreError as error:
            raise TransientError(f"describe execution: {type(error).__name__}") from None
        return found["status"] == "RUNNING"


class Secrets:
    """Secrets by name, read once a cold start."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client

    def text(self, name: str) -> str:
        try:
            return self._client.get_secret_value(SecretId=name)["SecretString"]
        except ClientError as error:
            raise ConfigurationError(f"secret: {error_code(error)}") from None
        except BotoCoreError as error:
            raise TransientError(f"secrets: {type(error).__name__}") from None

    def document(self, name: str) -> dict[str, Any]:
        try:
            document = json.loads(self.text(name))
        except json.JSONDecodeError:
            raise ConfigurationError("secret: is not JSON") from None
        if not isinstance(document, dict):
            raise ConfigurationError("secret: is not a JSON object")
        return document


class HmacPointKeys:
    """HMAC-SHA-256 of channel and address: suppressions outlive erasure without keeping a number."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def point(self, channel: Channel, address: str) -> str:
        folded = address.casefold() if channel is Channel.EMAIL else address
        return hmac.new(self._key, f"{channel}:{folded}".encode(), hashlib.sha256).hexdigest()

    def proof(self, kind: str, borrower_id: str, party_id: str, value: str) -> str:
        own = hmac.digest(self._key, b"dunlin page, proofs", hashlib.sha256)
        return hmac.digest(own, f"{kind}|{borrower_id}|{party_id}|{value}".encode(), hashlib.sha256).hex()
