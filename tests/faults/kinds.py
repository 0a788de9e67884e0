"""What can go wrong with one AWS call, as botocore's caller meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from local.embedded import CallInfo, Fault, ProcessKilledError
from local.world import REGION

_URL = "https://aws.invalid"
_READS = frozenset(
    {"GetItem", "Query", "BatchGetItem", "GetSecretValue", "DescribeExecution", "DescribeOptedOutNumbers"}
)
_CONDITIONAL = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})
_THROTTLED: Mapping[str, str] = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sesv2": "TooManyRequestsException",
    "sns": "Throttled",
    "sqs": "RequestThrottled",
}


class Kind(StrEnum):
    """A way for a call to go wrong. `before`: it had no effect; `after`: it had, and nobody was told."""

    FAILS_BEFORE = "fails_before"
    FAILS_AFTER = "fails_after"
    TIMES_OUT_BEFORE = "times_out_before"
    TIMES_OUT_AFTER = "times_out_after"
    #: The answer is lost, and the SDK asks a second time: what a conditional write then hears is its own echo.
    ASKED_TWICE = "asked_twice"
    THROTTLED = "throttled"
    #: Another transaction holds an item just now.
    CONTENDED = "contended"
    #: The SDK's own first attempt is still being worked on.
    IN_PROGRESS = "in_progress"
    #: Somebody else has written the item since it was read: the condition fails, and truly so.
    RIVAL = "rival"
    KILLED_BEFORE = "killed_before"
    KILLED_AFTER = "killed_after"


def fault_of(kind: Kind, call: CallInfo) -> Fault | None:
    """The fault, or None where this call cannot go wrong that way: a read has no effect that could be lost."""
    match kind:
        case Kind.FAILS_BEFORE:
            return Fault(_error(call, "InternalServerError", 500))
        case Kind.TIMES_OUT_BEFORE:
            return Fault(ReadTimeoutError(endpoint_url=_URL))
        case Kind.THROTTLED:
            return Fault(_error(call, _THROTTLED.get(call.service, "ThrottlingException"), 400))
        case Kind.KILLED_BEFORE:
            return Fault(ProcessKilledError())
        case Kind.FAILS_AFTER | Kind.TIMES_OUT_AFTER | Kind.ASKED_TWICE | Kind.KILLED_AFTER if call.operation in _READS:
            return None
        case Kind.FAILS_AFTER:
            return Fault(ConnectionClosedError(endpoint_url=_URL), after_effect=True)
        case Kind.TIMES_OUT_AFTER:
            return Fault(ReadTimeoutError(endpoint_url=_URL), after_effect=True)
        case Kind.ASKED_TWICE:
            return Fault(ConnectionClosedError(endpoint_url=_URL), after_effect=True, repeated=True)
        case Kind.KILLED_AFTER:
            return Fault(ProcessKilledError(), after_effect=True)
        case Kind.CONTENDED:
            return _contended(call)
        case Kind.IN_PROGRESS:
            if call.operation != "TransactWriteItems":
                return None
            return Fault(_error(call, "TransactionInProgressException", 400))
        case Kind.RIVAL:
            return _NOTHING if _rival_writes(call) else None


def _contended(call: CallInfo) -> Fault | None:
    if call.operation not in _CONDITIONAL:
        return None
    if call.operation != "TransactWriteItems":
        return Fault(_error(call, "TransactionConflictException", 400))
    items = call.parameters["TransactItems"]
    reasons = [{"Code": "None"} for _ in items[:-1]] + [{"Code": "TransactionConflict", "Message": "held"}]
    return Fault(_error(call, "TransactionCanceledException", 400, CancellationReasons=reasons))


def _error(call: CallInfo, code: str, status: int, **fields: Any) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "injected"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "injected", "HTTPHeaders": {}},
        **fields,
    }
    return ClientError(answer, call.operation)


#: Nothing is done to the call itself.
_NOTHING = Fault(ConnectionClosedError(endpoint_url=_URL), repeated=False, after_effect=True)


def is_nothing(fault: Fault | None) -> bool:
    return fault is _NOTHING


def _rival_writes(call: CallInfo) -> bool:
    """Let somebody else write, without changing a fact, each item that this call wants unchanged since it read it."""
    backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION]
    wrote = False
    for put in _puts(call):
        names = put.get("ExpressionAttributeNames") or {}
        condition = str(put.get("ConditionExpression") or "")
        if not any(name == "revision" and alias in condition for alias, name in names.items()):
            continue
        table = backend.get_table(put["TableName"])
        key = {name: put["Item"][name] for name in table.table_key_attrs}
        found = backend.get_item(put["TableName"], key)
        if found is None:
            continue
        attributes = found.to_json()["Attributes"]
        revision = int(attributes["revision"]["N"]) + 1
        document = json.loads(attributes["document"]["S"])
        if "revision" in document:
            document["revision"] = revision
        attributes["revision"] = {"N": str(revision)}
        attributes["document"] = {"S": json.dumps(document, ensure_ascii=False, separators=(",", ":"))}
        backend.put_item(put["TableName"], attributes)
        wrote = True
    return wrote


def _puts(call: CallInfo) -> Iterator[Mapping[str, Any]]:
    if call.service != "dynamodb":
        return
    if call.operation == "PutItem":
        yield call.parameters
    elif call.operation == "TransactWriteItems":
        for entry in call.parameters["TransactItems"]:
            if "Put" in entry:
                yield entry["Put"]
