"""What DynamoDB charges for a call: capacity units by the sizes of the items that it really read and wrote.

The rules are those of the developer guide (*Capacity unit consumption*): a write is rounded up to 1 KiB of the larger
of the item before and after, a read to 4 KiB, half of it if it is eventually consistent, twice in a transaction; a
failed condition is charged like a write; an index is charged for each entry that is put, changed or removed in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.models.utilities import bytesize

__all__ = ["Units", "Watched", "item_bytes"]

_WRITE_BYTES, _READ_BYTES = 1024, 4096
_TRANSACTED = 2

Attributes = Mapping[str, DynamoType]


@dataclass(frozen=True)
class Units:
    """Capacity units."""

    write: float = 0
    read: float = 0

    def __add__(self, other: Units) -> Units:
        return Units(self.write + other.write, self.read + other.read)

    def times(self, factor: float) -> Units:
        return Units(self.write * factor, self.read * factor)


def item_bytes(attributes: Attributes) -> int:
    """The size of an item: names and values."""
    return sum(bytesize(name) + value.size() for name, value in attributes.items())


class Watched:
    """One call: made with the tables as they are, then asked what it came to."""

    def __init__(self, region: str, operation: str, parameters: Mapping[str, Any]) -> None:
        self._tables = dynamodb_backends[DEFAULT_ACCOUNT_ID][region].tables
        self._operation = operation
        self._parameters = parameters
        self._before = {target: self._attributes(*target) for target in self._written()}

    def units(self, answer: Mapping[str, Any] | None) -> Units:
        """What the call is charged; `answer` is None if it was refused."""
        match self._operation:
            case "PutItem" | "UpdateItem" | "DeleteItem":
                return Units(write=self._writes(1, done=answer is not None))
            case "TransactWriteItems":
                return Units(write=self._writes(_TRANSACTED, done=answer is not None))
            case "BatchWriteItem":
                return Units(write=self._writes(1, done=answer is not None))
            case "GetItem":
                return Units(read=self._got(answer or {}))
            case "BatchGetItem":
                return Units(read=self._batch_got())
            case "Query" | "Scan":
                return Units(read=self._found(answer or {}))
            case operation:
                raise ValueError(f"nobody said what {operation} is charged")

    # ── writes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _written(self) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
        match self._operation:
            case "PutItem":
                yield self._target(self._parameters, self._parameters["Item"])
            case "UpdateItem" | "DeleteItem":
                yield self._target(self._parameters, self._parameters["Key"])
            case "TransactWriteItems":
                for entry in self._parameters["TransactItems"]:
                    ((_, one),) = entry.items()
                    yield self._target(one, one["Item"] if "Item" in one else one["Key"])
            case "BatchWriteItem":
                for table, requests in self._parameters["RequestItems"].items():
                    for request in requests:
                        ((kind, one),) = request.items()
                        attributes = one["Item"] if kind == "PutRequest" else one["Key"]
                        yield self._target({"TableName": table}, attributes)
            case _:
                return

    def _target(self, one: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
        table = self._table(one["TableName"])
        return table.name, tuple((name, str(next(iter(attributes[name].values())))) for name in table.table_key_attrs)

    def _table(self, name: str) -> Table:
        return self._tables[name.rsplit("/", maxsplit=1)[-1]]

    def _attributes(self, name: str, key: tuple[tuple[str, str], ...]) -> dict[str, DynamoType]:
        """A copy, because moto changes an item in place."""
        table = self._table(name)
        keys = [DynamoType({"S": value}) for _, value in key]
        held: Any = table.items.get(keys[0])
        item: Item | None = held if len(keys) == 1 or held is None else held.get(keys[1])
        return dict(item.attrs) if item is not None else {}

    def _writes(self, factor: int, *, done: bool) -> float:
        total = 0.0
        for target, before in self._before.items():
            after = self._attributes(*target) if done else before
            total += factor * _rounded(max(item_bytes(before), item_bytes(after)), _WRITE_BYTES)
            if done:
                total += sum(_entry_writes(index, before, after) for index in _indexes(self._table(target[0])))
        return total

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _got(self, answer: Mapping[str, Any]) -> float:
        size = _wire_bytes(answer.get("Item") or {})
        if "ProjectionExpression" in self._parameters:
            size = item_bytes(self._attributes(*self._target(self._parameters, self._parameters["Key"])))
        return _rounded(size, _READ_BYTES) * _strength(self._parameters)

    def _batch_got(self) -> float:
        return sum(
            _rounded(item_bytes(self._attributes(*self._target({"TableName": name}, key))), _READ_BYTES)
            * _strength(asked)
            for name, asked in self._parameters["RequestItems"].items()
            for key in asked["Keys"]
        )

    def _found(self, answer: Mapping[str, Any]) -> float:
        items: Sequence[Mapping[str, Any]] = answer.get("Items", ())
        if self._parameters.get("IndexName") is None and "ProjectionExpression" in self._parameters and items:
            # Whole items are read, whatever is shown of them, and the keys need not be among it.
            kind = sorted(items[0])
            table = self._table(self._parameters["TableName"])
            like = [item_bytes(item.attrs) for item in table.all_items() if set(kind) <= set(item.attrs)]
            size = len(items) * ceil(sum(like) / len(like))
        else:
            size = sum(_wire_bytes(item) for item in items)
        return _rounded(size, _READ_BYTES) * _strength(self._parameters)


def _strength(asked: Mapping[str, Any]) -> float:
    return 1.0 if asked.get("ConsistentRead") else 0.5


def _rounded(size: int, unit: int) -> int:
    return max(1, ceil(size / unit))


def _wire_bytes(attributes: Mapping[str, Any]) -> int:
    return item_bytes({name: DynamoType(value) for name, value in attributes.items()})


@dataclass(frozen=True)
class _Index:
    keys: tuple[str, ...]
    kept: frozenset[str] | None
    """None: all attributes."""


def _indexes(table: Table) -> Iterator[_Index]:
    for index in table.global_indexes:
        keys = tuple(key["AttributeName"] for key in index.schema)
        projection = index.projection or {}
        kind = projection.get("ProjectionType")
        extra = projection.get("NonKeyAttributes") or ()
        kept = None if kind == "ALL" else frozenset({*keys, *table.table_key_attrs, *extra})
        yield _Index(keys, kept)


def _entry(index: _Index, attributes: Attributes) -> dict[str, DynamoType] | None:
    if any(key not in attributes for key in index.keys):
        return None
    return {name: value for name, value in attributes.items() if index.kept is None or name in index.kept}


def _entry_writes(index: _Index, before: Attributes, after: Attributes) -> float:
    old, new = _entry(index, before), _entry(index, after)
    if old is None and new is None:
        return 0
    if old is not None and new is not None:
        if old == new:
            return 0
        if all(old[key] == new[key] for key in index.keys):
            return _rounded(max(item_bytes(old), item_bytes(new)), _WRITE_BYTES)
    return sum(_rounded(item_bytes(entry), _WRITE_BYTES) for entry in (old, new) if entry is not None)
