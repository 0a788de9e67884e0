"""The dead-letter queues on SQS. Of a body only ids are read; the body itself goes from queue to queue unseen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from dunlin.adapters.reports import parse_reports, parse_texts, read_body
from dunlin.errors import InvalidInput, TransientError
from dunlin.services.redrive import Letter, LetterKind, Pile

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueUnionTypeDef, MessageTypeDef

__all__ = ["QUEUES", "DeadLetterQueue", "SqsDeadLetters"]

#: Long enough for a careful run, short enough that an interrupted one is forgotten soon.
_HELD_SECONDS: Final = 300
_RECEIVE: Final = 10
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-.:]{0,127}")
_NUMBER: Final = re.compile(r"[\d\-.]{7,}")
_TYPE: Final = re.compile(r"[a-z]+\.[a-z_]+")
_FUNCTION: Final = re.compile(r"(RenderMessage|SendMessage|DispatchWakes|PaceLines|FollowOptOuts|SweepMessages)")
_CODE: Final = re.compile(r"[A-Za-z_.]{1,64}")


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue of the stack, by logical id: what is in it, and the queue that it came from, if any."""

    logical_id: str
    kind: LetterKind
    source: str = ""


QUEUES: Final = (
    DeadLetterQueue("CoreEventsDeadLetterQueue", LetterKind.CORE_EVENT, "CoreEventsQueue"),
    DeadLetterQueue("ReportsDeadLetterQueue", LetterKind.REPORT, "ReportsQueue"),
    DeadLetterQueue("InboundDeadLetterQueue", LetterKind.INBOUND, "InboundQueue"),
    DeadLetterQueue("OptOutsDeadLetterQueue", LetterKind.OPT_OUT, "OptOutsQueue"),
    DeadLetterQueue("WakeDeadLetterQueue", LetterKind.WAKE),
    DeadLetterQueue("PaceDeadLetterQueue", LetterKind.SCHEDULE_FAILURE),
    DeadLetterQueue("StreamFailuresQueue", LetterKind.STREAM_FAILURE),
    DeadLetterQueue("ScheduleFailuresQueue", LetterKind.SCHEDULE_FAILURE),
    DeadLetterQueue("RefusedInputQueue", LetterKind.REFUSED),
)


@dataclass(frozen=True, slots=True)
class _Held:
    """What the adapter needs of a letter in hand."""

    handle: str
    body: str
    attributes: Mapping[str, Any]


class SqsDeadLetters:
    """`dunlin.services.redrive.DeadLetters` on SQS. `urls`: queues by logical id."""

    def __init__(self, client: SQSClient, urls: Mapping[str, str]) -> None:
        self._client = client
        self._urls = urls

    def piles(self) -> Sequence[Pile]:
        found = []
        for queue in QUEUES:
            attributes = self._attributes(queue.logical_id)
            count = sum(
                int(attributes[name])
                for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
            )
            found.append(Pile(queue.logical_id, queue.kind, count))
        return found

    def hold(self, queue: str, most: int) -> Sequence[Letter]:
        try:
            answer = self._client.receive_message(
                QueueUrl=self._urls[queue],
                MaxNumberOfMessages=min(most, _RECEIVE),
                VisibilityTimeout=_HELD_SECONDS,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
        except (ClientError, BotoCoreError) as error:
            raise _transient(queue, error) from None
        kind = next(each.kind for each in QUEUES if each.logical_id == queue)
        return [_letter(queue, kind, message) for message in answer.get("Messages", [])]

    def let_go(self, letters: Sequence[Letter]) -> None:
        for letter in letters:
            try:
                self._client.change_message_visibility(
                    QueueUrl=self._urls[letter.queue], ReceiptHandle=_held(letter).handle, VisibilityTimeout=0
                )
            except (ClientError, BotoCoreError):
                continue  # it falls back by itself in a few minutes

    def give_back(self, letter: Letter) -> None:
        source = next(each.source for each in QUEUES if each.logical_id == letter.queue)
        held = _held(letter)
        try:
            self._client.send_message(
                QueueUrl=self._urls[source], MessageBody=held.body, MessageAttributes=_copied(held.attributes)
            )
        except (ClientError, BotoCoreError) as error:
            raise _transient(source, error) from None

    def remove(self, letter: Letter) -> None:
        try:
            self._client.delete_message(QueueUrl=self._urls[letter.queue], ReceiptHandle=_held(letter).handle)
        except (ClientError, BotoCoreError) as error:
            raise _transient(letter.queue, error) from None

    def give_all_back(self, queue: str) -> bool:
        source = next(each.source for each in QUEUES if each.logical_id == queue)
        from_arn, to_arn = (self._attributes(name)["QueueArn"] for name in (queue, source))
        try:
            # Named, because what a rule or a topic gave up came from no queue that SQS knows of.
            self._client.start_message_move_task(SourceArn=from_arn, DestinationArn=to_arn)
        except (ClientError, BotoCoreError):
            return False  # not allowed, not known here, or one is under way: letter by letter is as safe
        return True

    def _attributes(self, queue: str) -> Mapping[str, str]:
        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=self._urls[queue],
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "QueueArn"],
            )
        except (ClientError, BotoCoreError) as error:
            raise _transient(queue, error) from None
        return {str(name): value for name, value in answer["Attributes"].items()}


def _transient(queue: str, error: ClientError | BotoCoreError) -> TransientError:
    code = str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
    return TransientError(f"{queue}: {code or type(error).__name__}")


def _held(letter: Letter) -> _Held:
    assert isinstance(letter.receipt, _Held)
    return letter.receipt


def _copied(attributes: Mapping[str, Any]) -> dict[str, MessageAttributeValueUnionTypeDef]:
    """A letter's own attributes; the ones that say why it was given up stay behind."""
    kept: dict[str, MessageAttributeValueUnionTypeDef] = {}
    for name, value in attributes.items():
        if name in ("ERROR_CODE", "ERROR_MESSAGE", "RULE_ARN", "TARGET_ARN", "EXHAUSTED_RETRY_CONDITION"):
            continue
        kept[name] = {"DataType": value["DataType"]}
        for part in ("StringValue", "BinaryValue"):
            if part in value:
                kept[name][part] = value[part]
    return kept


# ── what a letter says about itself ──────────────────────────────────────────────────────────────────────────────────


def _letter(queue: str, kind: LetterKind, message: MessageTypeDef) -> Letter:
    attributes = message.get("Attributes", {})
    sent_at = datetime.fromtimestamp(int(attributes.get("SentTimestamp", "0")) / 1000, UTC)
    extra: Mapping[str, Any] = message.get("MessageAttributes", {})
    body = message.get("Body", "")
    ids, sequence = _ids(kind, _document(body), sent_at)
    return Letter(
        queue,
        message.get("MessageId", ""),
        kind,
        sent_at,
        int(attributes.get("ApproximateReceiveCount", "0")),
        tuple((name, value) for name, value in ids.items() if value),
        sequence,
        _error(extra, _document(body)),
        _Held(message.get("ReceiptHandle", ""), body, extra),
    )


def _document(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _ids(kind: LetterKind, body: Mapping[str, Any], sent_at: datetime) -> tuple[dict[str, str], int]:
    match kind:
        case LetterKind.CORE_EVENT:
            return _core_event(body)
        case LetterKind.REPORT | LetterKind.INBOUND if "probe" in body:
            return {"probe": _plain(body["probe"])}, 0
        case LetterKind.REPORT:
            try:
                return {"ref": next((each.ref for each in parse_reports(read_body(json.dumps(body)))), "")}, 0
            except InvalidInput as error:
                return {"unreadable": error.field}, 0
        case LetterKind.INBOUND:
            try:
                texts = parse_texts(read_body(json.dumps(body)), sent_at)
                return {"inbound_id": next((each.inbound_id for each in texts), "")}, 0
            except InvalidInput as error:
                return {"unreadable": error.field}, 0
        case LetterKind.OPT_OUT:
            return {"point": _plain(body.get("point"))}, 0
        case LetterKind.WAKE:
            return {"shard": _plain(body.get("shard"))}, 0
        case LetterKind.STREAM_FAILURE:
            return {"function": _function(body), "records": str(_inner(body, "DDBStreamBatchInfo").get("batchSize"))}, 0
        case LetterKind.SCHEDULE_FAILURE:
            return {"line": _plain(body["line"])} if "line" in body else {"function": _function(body)}, 0
        case LetterKind.REFUSED:
            return {name: _plain(body.get(name)) for name in ("source", "field")}, 0


def _core_event(body: Mapping[str, Any]) -> tuple[dict[str, str], int]:
    event = _inner(body, "detail") or body
    loan, borrower = _inner(event, "loan"), _inner(event, "borrower")
    kind = event.get("type")
    ids = {name: _plain(event.get(name)) for name in ("event_id", "borrower_id")}
    ids["type"] = kind if isinstance(kind, str) and _TYPE.fullmatch(kind) else ""
    ids["loan_id"] = _plain(loan.get("loan_id"))
    sequence = (loan or borrower).get("sequence")
    return ids, sequence if isinstance(sequence, int) else 0


def _inner(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _plain(value: object) -> str:
    """An id; nothing else, since whoever is refused may have put anything there, a telephone number for one."""
    known = isinstance(value, str) and _ID.fullmatch(value) and not _NUMBER.fullmatch(value)
    return str(value) if known else ""


def _function(body: Mapping[str, Any]) -> str:
    """`render_message` out of the ARN of whatever CloudFormation called RenderMessageFunction."""
    arn = _inner(body, "requestContext").get("functionArn")
    resources = body.get("resources")
    named = f"{arn} {resources}" if isinstance(resources, list) else str(arn)
    found = _FUNCTION.search(named)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", found.group()).lower() if found is not None else ""


def _error(attributes: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """The code under which EventBridge or Lambda gave it up; their messages can carry values."""
    code = attributes.get("ERROR_CODE", {}).get("StringValue") or _inner(body, "requestContext").get("condition")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else ""
