"""Changes to moto's DynamoDB.

**TransactWriteItems.** moto copies every table of the transaction and rolls back by swapping the copy in: 68 ms at
1,000 items, and acknowledged writes are lost when two threads overlap. Here, as in AWS, all conditions are looked at,
then all writes are made or none: the cost does not grow with the table.

**Streams.** moto writes two INSERT records for an UpdateItem that creates, and a MODIFY for a write that changes
nothing. AWS, and so this, writes one and none. Tables have several shards here, chosen by the hash key as in AWS, so
that a poison record holds up its own shard only.

**Queries.** moto sorts and walks the whole table; here a query walks the items of its hash key (there is a bucket for
each key of each index), and moto's own code does the rest. Results are shared, not copied in depth: they are written
out at once and nobody changes them in between.

**Calls.** Between a client and moto's handlers lie serialising, signing, a URL match, a web request and parsing: four
fifths of the cost of a call, and none of its meaning. `call` asks the handler itself. The contract suite runs the same
storage code through all of botocore.

**Small things that cost much.** moto checks an item's size once for each attribute over all attributes, projects by
way of nested paths, and asks for six aliases of each of an attribute's ten possible types when it writes an answer.
"""

from __future__ import annotations

import base64
import copy
import json
import threading
import types
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import moto.dynamodb.models.table as table_module
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import JsonRESTError
from moto.core.serialize import BaseJSONSerializer
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.exceptions import (
    ConditionalCheckFailed,
    DynamodbException,
    ItemSizeTooLarge,
    MockValidationException,
    MultipleTransactionsException,
    TooManyTransactionsException,
    TransactionCanceledException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import StreamRecord, StreamShard, Table
from moto.dynamodb.models.utilities import bytesize, dynamo_json_dump
from moto.dynamodb.parsing.expressions import UpdateExpressionParser
from moto.dynamodb.responses import DynamoHandler

from local.embedded.patching import Patches

#: As many as a new on-demand table has.
SHARDS: Final = 4
#: The largest item and the largest transaction, as AWS's own engine has them. moto takes 405,000 bytes and any size.
_ITEM_BYTES: Final = 409_600
_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
_FIRST_SEQUENCE: Final = 1_100_000_000_017_454_423_009


@dataclass(frozen=True)
class Change:
    """One stream record as Lambda will see it, and the shard it belongs to."""

    table: str
    shard: int
    sequence: str
    record: dict[str, Any]


@dataclass
class ChangeSink:
    """Receives the stream records of all tables, in the order of the commits."""

    publish: Callable[[Change], None]
    wanted: Callable[[str], bool]
    region: str
    now: Callable[[], float]
    _sequence: int = _FIRST_SEQUENCE
    _held: list[list[tuple[str, int, dict[str, Any]]]] = field(default_factory=list)

    def add(self, table: Table, old: Item | None, new: Item | None) -> None:
        if not self.wanted(table.name) or (old is not None and new is not None and old.attrs == new.attrs):
            return
        specification: dict[str, Any] = table.stream_specification or {}
        name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
        record = StreamRecord(table, specification["StreamViewType"], name, old, new, 0).record
        record["awsRegion"] = self.region
        record["eventVersion"] = "1.1"
        record["dynamodb"]["ApproximateCreationDateTime"] = self.now()
        subject = old if old is not None else new
        assert subject is not None
        shard = zlib.crc32(str(subject.hash_key.value).encode()) % SHARDS
        # Written out now: moto goes on to change these very items.
        entry = (table.name, shard, json.loads(dynamo_json_dump(record)))
        if self._held:
            self._held[-1].append(entry)
        else:
            self._commit(entry)

    def hold(self) -> None:
        self._held.append([])

    def release(self, *, keep: bool, last_only: bool = False) -> None:
        """End the innermost `hold`: hand on what was held (only the last change, where asked), or drop it."""
        held = self._held.pop()
        if not keep:
            return
        for entry in held[-1:] if last_only else held:
            if self._held:
                self._held[-1].append(entry)
            else:
                self._commit(entry)

    def _commit(self, entry: tuple[str, int, dict[str, Any]]) -> None:
        table, shard, record = entry
        record["dynamodb"]["SequenceNumber"] = str(self._sequence)
        self._sequence += 1
        self.publish(Change(table, shard, record["dynamodb"]["SequenceNumber"], record))


class _Buckets:
    """The items of one table by the hash key of each of its indexes."""

    def __init__(self, table: Table) -> None:
        self.hash_names: dict[str, tuple[str, ...]] = {
            index.name: tuple(key["AttributeName"] for key in index.schema if key["KeyType"] == "HASH")
            for index in table.all_indexes()
        }
        self._buckets: dict[str, dict[tuple[DynamoType, ...], dict[int, Item]]] = {name: {} for name in self.hash_names}

    def add(self, item: Item) -> None:
        for name, attributes in self.hash_names.items():
            key = self._key(item, attributes)
            if key is not None:
                self._buckets[name].setdefault(key, {})[id(item)] = item

    def discard(self, item: Item) -> None:
        for name, attributes in self.hash_names.items():
            key = self._key(item, attributes)
            if key is not None and key in self._buckets[name]:
                bucket = self._buckets[name][key]
                bucket.pop(id(item), None)
                if not bucket:
                    del self._buckets[name][key]

    def items(self, index: str, key: tuple[DynamoType, ...]) -> list[Item]:
        return list(self._buckets[index].get(key, {}).values())

    @staticmethod
    def _key(item: Item, attributes: tuple[str, ...]) -> tuple[DynamoType, ...] | None:
        values = tuple(item.attrs.get(attribute) for attribute in attributes)
        # `None in values` would ask DynamoType whether it equals None, which it cannot answer.
        return None if any(value is None for value in values) else values


def install(patches: Patches, sink: ChangeSink) -> None:
    """Put all of the above in place."""
    _install_items(patches)
    _install_writes(patches, sink)
    _install_queries(patches)
    _install_transactions(patches, sink)


def _buckets(table: Table) -> _Buckets:
    found: _Buckets | None = table.__dict__.get("_embedded_buckets")
    if found is None:
        found = _Buckets(table)
        for item in table.all_items():
            found.add(item)
        table.__dict__["_embedded_buckets"] = found
    return found


def _current(table: Table, hash_key: DynamoType, range_key: DynamoType | None) -> Item | None:
    # Not Table.get_item: its defaultdict remembers every partition that was ever asked for.
    held: Any = table.items.get(hash_key)
    if held is None or not table.has_range_key:
        return held
    return held.get(range_key)


def _keys(table: Table, attributes: dict[str, Any]) -> tuple[DynamoType, DynamoType | None]:
    range_key = DynamoType(attributes[table.range_key_attr]) if table.range_key_attr else None
    return DynamoType(attributes[table.hash_key_attr]), range_key


def _install_items(patches: Patches) -> None:
    def init(self: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]) -> None:
        self.hash_key = hash_key
        self.range_key = range_key
        values = LimitedSizeDict()
        size = 0
        for name, value in attrs.items():
            typed = DynamoType(value)
            dict.__setitem__(values, name, typed)
            size += bytesize(name) + typed.size()
        if size > _ITEM_BYTES:
            raise ItemSizeTooLarge
        self.attrs = values

    original_project = Item.project

    def project(self: Item, projection_expressions: list[list[str]]) -> Item:
        if any(len(path) != 1 or "[" in path[0] for path in projection_expressions):
            return original_project(self, projection_expressions)
        picked = Item.__new__(Item)
        picked.hash_key, picked.range_key = self.hash_key, self.range_key
        attributes = LimitedSizeDict()
        for (name,) in projection_expressions:
            if name in self.attrs:
                dict.__setitem__(attributes, name, self.attrs[name])
        picked.attrs = attributes
        return picked

    def deepcopy(value: Any, memo: dict[int, Any] | None = None) -> Any:
        if isinstance(value, list) and all(isinstance(entry, Item) for entry in value):
            return list(value)
        return copy.deepcopy(value, memo)

    original_structure = BaseJSONSerializer._serialize_type_structure

    def serialize_structure(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict) and key:
            serialized[key] = _wire(value)
        else:
            original_structure(self, serialized, value, shape, key)

    patches.set(Item, "__init__", init)
    patches.set(Item, "project", project)
    patches.set(table_module, "copy", types.SimpleNamespace(copy=copy.copy, deepcopy=deepcopy))
    patches.set(BaseJSONSerializer, "_serialize_type_structure", serialize_structure)


def _wire(value: dict[str, Any]) -> dict[str, Any]:
    """An attribute value as the JSON protocol writes it: as it is, but bytes in Base64."""
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return {"M": {name: _wire(inner) for name, inner in content.items()}}
        case "L":
            return {"L": [_wire(inner) for inner in content]}
        case "B":
            return {"B": base64.b64encode(content).decode("ascii")}
        case "BS":
            return {"BS": [base64.b64encode(inner).decode("ascii") for inner in content]}
        case _:
            return {kind: content}


def _install_writes(patches: Patches, sink: ChangeSink) -> None:
    # The parsed expression is copied by whoever changes it, so one for each text is enough.
    patches.set(UpdateExpressionParser, "make", lru_cache(maxsize=512)(UpdateExpressionParser.make))
    original_put = Table.put_item
    original_delete = Table.delete_item
    original_update = DynamoDBBackend.update_item

    def add_to_stream(self: StreamShard, old: Item | None, new: Item | None) -> None:
        sink.add(self.table, old, new)

    def put_item(self: Table, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        buckets = _buckets(self)
        try:
            before = _current(self, *_keys(self, item_attrs))
        except (KeyError, TypeError, IndexError):
            before = None  # the key is missing or malformed: let moto say so
        item = original_put(self, item_attrs, *args, **kwargs)
        if before is not None:
            buckets.discard(before)
        buckets.add(item)
        return item

    def delete_item(self: Table, hash_key: DynamoType, range_key: DynamoType | None) -> Item | None:
        buckets = _buckets(self)
        item = original_delete(self, hash_key, range_key)
        if item is not None:
            buckets.discard(item)
        return item

    def update_item(self: DynamoDBBackend, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        table = self.get_table(table_name)
        buckets = _buckets(table)
        hash_key, range_key = self.get_keys_value(table, key)
        before = _current(table, hash_key, range_key)
        if before is not None:
            # moto changes the item in place, so it has to leave its buckets under its old keys.
            buckets.discard(before)
        sink.hold()
        succeeded = False
        try:
            item = original_update(self, table_name, key, *args, **kwargs)
            succeeded = True
            return item
        finally:
            after = _current(table, hash_key, range_key)
            if after is not None and before is None and not succeeded:
                original_delete(table, hash_key, range_key)  # moto leaves a bare key behind
                buckets.discard(after)
            elif after is not None:
                buckets.add(after)
            sink.release(keep=succeeded, last_only=True)

    patches.set(StreamShard, "add", add_to_stream)
    patches.set(Table, "put_item", put_item)
    patches.set(Table, "delete_item", delete_item)
    patches.set(DynamoDBBackend, "update_item", update_item)


def _install_queries(patches: Patches) -> None:
    original = Table.query

    def query(self: Table, hash_key: DynamoType | None, *args: Any, **kwargs: Any) -> Any:
        index = kwargs.get("index_name") or (args[6] if len(args) > 6 else None)
        candidates = _candidates(self, hash_key, index, kwargs)
        if candidates is None:
            return original(self, hash_key, *args, **kwargs)
        # moto's own code filters, sorts, pages and projects; it only starts from fewer items.
        self.__dict__["all_items"] = lambda: candidates
        try:
            return original(self, hash_key, *args, **kwargs)
        finally:
            del self.__dict__["all_items"]

    patches.set(Table, "query", query)


def _candidates(
    table: Table, hash_key: DynamoType | None, index: str | None, conditions: dict[str, Any]
) -> list[Item] | None:
    """A superset of what the query can return, or None when only the whole table will do."""
    if index is None:
        if hash_key is None:
            return None
        held: Any = table.items.get(hash_key)
        if held is None:
            return []
        return list(held.values()) if table.has_range_key else [held]
    buckets = _buckets(table)
    wanted = dict(conditions.get("hash_key_conditions") or [])
    names = buckets.hash_names.get(index)
    if names is None or set(names) != set(wanted):
        return None
    found = buckets.items(index, tuple(wanted[name] for name in names))
    ranges = conditions.get("range_key_conditions") or []
    if len(ranges) == 1 and conditions.get("exclusive_start_key") is None:
        name, comparison, values = ranges[0]
        found = [item for item in found if name in item.attrs and item.attrs[name].compare(comparison, values)]
    return found


def _install_transactions(patches: Patches, sink: ChangeSink) -> None:
    lock = threading.RLock()

    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        with lock:
            _transact(self, transact_items, sink)

    patches.set(DynamoDBBackend, "transact_write_items", transact_write_items)


_Reason = tuple[str, str, dict[str, Any] | None] | tuple[None, None, None]


def _transact(backend: DynamoDBBackend, transact_items: list[dict[str, Any]], sink: ChangeSink) -> None:
    if len(transact_items) > 100:
        raise TooManyTransactionsException
    size = sum(_size(next(iter(entry.values())).get("Item") or {}) for entry in transact_items)
    if size > _TRANSACTION_BYTES:
        raise MockValidationException(f"Transaction payload size cannot exceed 4MB. Payload Size: {size}")
    operations: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    reasons: list[_Reason] = []
    seen: set[tuple[str, str]] = set()
    for entry in transact_items:
        if len(entry) > 1:
            raise TransactWriteSingleOpException
        kind, operation = next(iter(entry.items()))
        table = backend.get_table(operation["TableName"])
        key = operation["Key"] if kind != "Put" else _key_of(table, operation["Item"])
        target = (table.name, str(dict(sorted(key.items()))))
        if target in seen:
            raise MultipleTransactionsException
        seen.add(target)
        operations.append((kind, operation, key))

    for kind, operation, key in operations:
        reasons.append(_check(backend, kind, operation, key))
    if any(code is not None for code, _, _ in reasons):
        raise TransactionCanceledException(reasons)

    undo: list[Callable[[], None]] = []
    sink.hold()
    committed = False
    failed_at = 0
    try:
        for position, (kind, operation, key) in enumerate(operations):
            failed_at = position
            undo.append(_restorer(backend, operation["TableName"], key))
            _apply(backend, kind, operation, key)
        committed = True
    except MockValidationException:
        raise
    except DynamodbException as error:  # what DynamoDB itself would answer; a defect of ours is not made an answer
        reasons[failed_at] = (type(error).__name__, str(error), None)
        raise TransactionCanceledException(reasons) from error
    finally:
        if not committed:
            for restore in reversed(undo):
                restore()
        sink.release(keep=committed)


def _size(item: dict[str, Any]) -> int:
    """What is put; keys and expressions of the other operations hardly weigh anything."""
    return sum(bytesize(name) + DynamoType(value).size() for name, value in item.items())


def _key_of(table: Table, item: dict[str, Any]) -> dict[str, Any]:
    for name in table.table_key_attrs:
        if name not in item:
            raise MockValidationException(
                f"One or more parameter values were invalid: Missing the key {name} in the item"
            )
    return {name: item[name] for name in table.table_key_attrs}


def _check(backend: DynamoDBBackend, kind: str, operation: dict[str, Any], key: dict[str, Any]) -> _Reason:
    if kind not in ("ConditionCheck", "Put", "Delete", "Update"):
        return ("ValueError", "Unsupported transaction operation", None)
    condition = operation.get("ConditionExpression")
    if condition is None:
        return (None, None, None)
    table = backend.get_table(operation["TableName"])
    current = _current(table, *backend.get_keys_value(table, key))
    test = get_filter_expression(
        condition, operation.get("ExpressionAttributeNames"), operation.get("ExpressionAttributeValues")
    )
    if test.expr(current):
        return (None, None, None)
    shown = None
    if current is not None and operation.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
        shown = current.to_json()["Attributes"]
    return ("ConditionalCheckFailed", str(ConditionalCheckFailed().message), shown)


def _apply(backend: DynamoDBBackend, kind: str, operation: dict[str, Any], key: dict[str, Any]) -> None:
    name = operation["TableName"]
    match kind:
        case "Put":
            backend.put_item(name, operation["Item"])
        case "Delete":
            backend.delete_item(name, key)
        case "Update":
            backend.update_item(
                name,
                key,
                update_expression=operation["UpdateExpression"],
                expression_attribute_names=operation.get("ExpressionAttributeNames") or {},
                expression_attribute_values=operation.get("ExpressionAttributeValues") or {},
            )


def _restorer(backend: DynamoDBBackend, name: str, key: dict[str, Any]) -> Callable[[], None]:
    table = backend.get_table(name)
    hash_key, range_key = backend.get_keys_value(table, key)
    before = copy.deepcopy(_current(table, hash_key, range_key))

    def restore() -> None:
        # The stream is on hold and will be dropped, so these writes leave no trace.
        if before is None:
            table.delete_item(hash_key, range_key)
        else:
            table.put_item(before.to_json()["Attributes"], overwrite=True)

    return restore


def call(client: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Make a DynamoDB call of `client` by asking moto's handler itself: same answers, same errors."""
    handler = DynamoHandler()
    handler.region = client.meta.region_name
    handler.current_account = DEFAULT_ACCOUNT_ID
    handler.body = handler.params = parameters
    try:
        result = getattr(handler, _method(operation))().result
    except JsonRESTError as error:
        raise _client_error(client, operation, error) from None
    answer: dict[str, Any] = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}}
    answer.update(result)
    return answer


@lru_cache(maxsize=64)
def _method(operation: str) -> str:
    return str(camelcase_to_underscores(operation))


def _client_error(client: Any, operation: str, error: JsonRESTError) -> Exception:
    """What botocore makes of an error body: its code, its message and the fields of its shape."""
    body = json.loads(error.description)
    code = str(body.pop("__type", error.error_type)).rpartition("#")[2]
    message = body.pop("message", None) or body.pop("Message", None) or ""
    metadata = {"HTTPStatusCode": error.code, "HTTPHeaders": {}, "RetryAttempts": 0}
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata, **body}
    made: Exception = client.exceptions.from_code(code)(response, operation)
    return made
