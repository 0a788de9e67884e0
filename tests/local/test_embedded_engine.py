"""The embedded DynamoDB beside AWS's own engine: same calls, same answers, same limits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import boto3
import pytest

from local.embedded import EmbeddedAws, VirtualClock
from tests.local.test_embedded_dynamodb import TABLE, TOY, Calls, answer

pytestmark = pytest.mark.engine
REGION = "us-east-1"
ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": REGION, "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled"}

_SCHEMA: dict[str, Any] = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "due_shard", "due_at")
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "due",
            "KeySchema": [
                {"AttributeName": "due_shard", "KeyType": "HASH"},
                {"AttributeName": "due_at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}


@contextmanager
def embedded() -> Iterator[Any]:
    clock = VirtualClock(datetime(2026, 3, 1, 9, 0, tzinfo=UTC))
    with EmbeddedAws(TOY / "template.yaml", clock=clock, seed=1, stack="toy"):
        yield boto3.session.Session().client("dynamodb", region_name=REGION)


@contextmanager
def engine(url: str, caller: str) -> Iterator[Any]:
    with mock.patch.dict(os.environ, ENVIRONMENT | {"AWS_ACCESS_KEY_ID": caller}):
        client = boto3.session.Session().client("dynamodb", region_name=REGION, endpoint_url=url)
        client.create_table(**_SCHEMA)
        yield client


def told(found: Any) -> Any:
    """What a caller acts on: error codes without their words, sets without an order, all pages as one: the engine has
    an empty one more when a limit was just reached."""
    if isinstance(found, tuple):
        error, reasons = found
        return error["Code"], [{**reason, "Message": ""} for reason in reasons or []]
    shown = {name: value for name, value in found.items() if name not in _ACCOUNTS}
    if "next" in shown:
        shown["Items"] = [*shown["Items"], *_following(shown.pop("next"))]
    if "Items" in shown:
        for item in shown["Items"]:
            if "tags" in item:
                item["tags"] = {"SS": sorted(item["tags"]["SS"])}
        # What is at the same place of an index has no order of its own.
        shown["places"] = [item.get("due_at") for item in shown["Items"]]
        shown["Items"] = sorted(shown["Items"], key=lambda item: (item["pk"]["S"], item["sk"]["S"]))
    return {name: value for name, value in shown.items() if name not in ("LastEvaluatedKey", "Count", "ScannedCount")}


def _following(page: Any) -> list[Any]:
    return [*page["Items"], *(_following(page["next"]) if "next" in page else [])]


#: What a call cost, unasked for; only moto says it then.
_ACCOUNTS = frozenset({"ConsumedCapacity", "ItemCollectionMetrics"})


def one_each(call: tuple[str, dict[str, Any]]) -> bool:
    """Not a transaction that names an item twice: the engine looks at its conditions before it refuses that."""
    if call[0] != "transact_write_items":
        return True
    keys = [
        (operation.get("Key") or operation["Item"])["pk"]["S"] + (operation.get("Key") or operation["Item"])["sk"]["S"]
        for entry in call[1]["TransactItems"]
        for operation in entry.values()
    ]
    return len(keys) == len(set(keys))


@pytest.mark.parametrize("seed", range(4))
def test_random_calls_are_answered_as_by_the_engine(engine_url: str, seed: int) -> None:
    calls = Calls(seed)
    made = [call for call in (calls.next() for _ in range(250)) if one_each(call)]
    with engine(engine_url, f"random{seed}") as client:
        expected = [told(answer(client, *call)) for call in made]
    with embedded() as client:
        found = [told(answer(client, *call)) for call in made]
    for call, ours, theirs in zip(made, found, expected, strict=True):
        assert ours == theirs, call


def _put(size: int, key: str = "1") -> dict[str, Any]:
    return {"TableName": TABLE, "Item": {"pk": {"S": "a"}, "sk": {"S": key}, "doc": {"S": "x" * size}}}


#: 409,600 bytes with the names and the keys.
_LARGEST = 409_600 - 9
_LIMITS: dict[str, tuple[str, dict[str, Any]]] = {
    "the largest item": ("put_item", _put(_LARGEST)),
    "a larger item": ("put_item", _put(_LARGEST + 1)),
    "the largest item in a transaction": ("transact_write_items", {"TransactItems": [{"Put": _put(_LARGEST)}]}),
    "ten large items": (
        "transact_write_items",
        {"TransactItems": [{"Put": _put(400_000, str(number))} for number in range(10)]},
    ),
    "eleven large items": (
        "transact_write_items",
        {"TransactItems": [{"Put": _put(400_000, str(number))} for number in range(11)]},
    ),
    "a hundred items": (
        "transact_write_items",
        {"TransactItems": [{"Put": _put(1, str(number))} for number in range(100)]},
    ),
    "a hundred and one": (
        "transact_write_items",
        {"TransactItems": [{"Put": _put(1, str(number))} for number in range(101)]},
    ),
    "an empty key of an index": (
        "put_item",
        {"TableName": TABLE, "Item": {**_put(1)["Item"], "due_shard": {"S": ""}, "due_at": {"S": "1"}}},
    ),
    "an empty text": ("put_item", _put(0)),
    "a key of an index that is too long": (
        "put_item",
        {"TableName": TABLE, "Item": {**_put(1)["Item"], "due_shard": {"S": "s"}, "due_at": {"S": "1" * 1025}}},
    ),
}


def test_limits_are_the_engine_s(engine_url: str) -> None:
    def outcomes(client: Any) -> dict[str, str]:
        found = {name: answer(client, *call) for name, call in _LIMITS.items()}
        return {name: each[0]["Code"] if isinstance(each, tuple) else "taken" for name, each in found.items()}

    with engine(engine_url, "limits") as client:
        expected = outcomes(client)
    with embedded() as client:
        assert outcomes(client) == expected
    assert {name for name, outcome in expected.items() if outcome == "taken"} == {
        *("the largest item", "the largest item in a transaction", "ten large items", "a hundred items"),
        "an empty text",
    }
