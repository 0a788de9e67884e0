"""The replaced parts of moto's DynamoDB against moto's own: same calls, same answers, same tables."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local.embedded import EmbeddedAws, VirtualClock

TOY = Path(__file__).parent / "fixtures" / "toy"
TABLE = "toy-ItemsTable"
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
}


def plain_moto() -> Iterator[Any]:
    with mock.patch.dict(os.environ, _ENVIRONMENT), mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "due_shard", "due_at")
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "due",
                    "KeySchema": [
                        {"AttributeName": "due_shard", "KeyType": "HASH"},
                        {"AttributeName": "due_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        yield client


def embedded() -> Iterator[Any]:
    with EmbeddedAws(TOY / "template.yaml", clock=VirtualClock(START), seed=1, stack="toy"):
        yield boto3.client("dynamodb")


class Calls:
    """Random calls on few keys, so that conditions, indexes and transactions meet each other.

    All updates are valid: for one that is not, moto's answer depends on how far into the transaction it stands.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def key(self) -> dict[str, Any]:
        return {"pk": {"S": self._random.choice("abc")}, "sk": {"S": self._random.choice("123")}}

    def item(self) -> dict[str, Any]:
        item: dict[str, Any] = {**self.key(), "version": {"N": str(self._random.randint(0, 3))}}
        item["nested"] = {"M": {"list": {"L": [{"N": "1"}, {"S": "x"}]}, "flag": {"BOOL": True}}}
        item["tags"] = {"SS": ["a", "b"]}
        item["raw"] = {"B": b"\x00\xff"}
        if self._random.random() < 0.6:
            item["due_shard"] = {"S": self._random.choice("xy")}
        if self._random.random() < 0.8:
            item["due_at"] = {"S": f"2026-{self._random.randint(1, 5)}"}
        return item

    def condition(self) -> dict[str, Any]:
        match self._random.randint(0, 3):
            case 0:
                return {"ConditionExpression": "attribute_not_exists(pk)"}
            case 1:
                return {"ConditionExpression": "attribute_exists(pk)"}
            case _:
                return {}

    def update(self) -> dict[str, Any]:
        expressions: list[dict[str, Any]] = [
            {
                "UpdateExpression": "ADD #v :one REMOVE due_at",
                "ExpressionAttributeNames": {"#v": "version"},
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            },
            {
                "UpdateExpression": "SET due_shard = :s, due_at = :t, nested = :n",
                "ExpressionAttributeValues": {
                    ":s": {"S": self._random.choice("xy")},
                    ":t": {"S": "2026-3"},
                    ":n": {"M": {"list": {"L": []}}},
                },
            },
            {"UpdateExpression": "REMOVE due_shard"},
        ]
        return self._random.choice(expressions)

    def write(self) -> tuple[str, dict[str, Any]]:
        kind = self._random.choice(["Put", "Update", "Delete"])
        match kind:
            case "Put":
                return kind, {"TableName": TABLE, "Item": self.item(), **self.condition()}
            case "Update":
                return kind, {"TableName": TABLE, "Key": self.key(), **self.update(), **self.condition()}
            case _:
                return kind, {"TableName": TABLE, "Key": self.key(), **self.condition()}

    def transaction(self) -> dict[str, Any]:
        entries: list[dict[str, Any]] = []
        for _ in range(self._random.randint(1, 4)):
            kind, operation = self.write()
            if self._random.random() < 0.2:
                kind = "ConditionCheck"
                condition = {"ConditionExpression": "attribute_exists(version)"}
                operation = {"TableName": TABLE, "Key": self.key(), **condition}
            if "ConditionExpression" in operation:
                operation["ReturnValuesOnConditionCheckFailure"] = self._random.choice(["ALL_OLD", "NONE"])
            entries.append({kind: operation})
        return {"TransactItems": entries}

    def query(self) -> dict[str, Any]:
        forward = {"ScanIndexForward": self._random.random() < 0.5}
        if self._random.random() < 0.3:
            values = {":p": {"S": self._random.choice("abcd")}}
            return {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values, **forward}
        values = {":p": {"S": self._random.choice("xyz")}, ":t": {"S": f"2026-{self._random.randint(1, 5)}"}}
        sign = self._random.choice(["<=", "<", "=", ">"])
        limit = {"Limit": self._random.randint(1, 3)} if self._random.random() < 0.5 else {}
        return {
            "IndexName": "due",
            "KeyConditionExpression": f"due_shard = :p AND due_at {sign} :t",
            "ExpressionAttributeValues": values,
            **forward,
            **limit,
        }

    def next(self) -> tuple[str, dict[str, Any]]:
        match self._random.randint(0, 9):
            case 0 | 1 | 2:
                return "transact_write_items", self.transaction()
            case 3 | 4 | 5:
                return "query", {"TableName": TABLE, **self.query()}
            case 6:
                return "get_item", {"TableName": TABLE, "Key": self.key(), "ProjectionExpression": "version, nested"}
            case _:
                kind, operation = self.write()
                return f"{kind.lower()}_item", operation


def answer(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
    try:
        found = getattr(client, operation)(**parameters)
    except ClientError as error:
        return error.response["Error"], error.response.get("CancellationReasons")
    found.pop("ResponseMetadata")
    if "LastEvaluatedKey" in found and operation == "query":
        found["next"] = answer(client, "query", {**parameters, "ExclusiveStartKey": found["LastEvaluatedKey"]})
    return found


@pytest.mark.parametrize("seed", range(4))
def test_random_calls_are_answered_as_by_moto(seed: int) -> None:
    def run(clients: Iterator[Any]) -> list[Any]:
        client = next(clients)
        calls = Calls(seed)
        answers = [(call, answer(client, *call)) for call in (calls.next() for _ in range(150))]
        answers.append(client.scan(TableName=TABLE)["Items"])
        assert next(clients, None) is None
        return answers

    expected, found = run(plain_moto()), run(embedded())
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == theirs


def test_transaction_that_fails_while_it_is_applied_leaves_nothing() -> None:
    clients = embedded()
    client = next(clients)
    client.put_item(TableName=TABLE, Item={"pk": {"S": "a"}, "sk": {"S": "1"}, "text": {"S": "x"}})
    before = client.scan(TableName=TABLE)["Items"]
    broken = {"UpdateExpression": "ADD #t :one", "ExpressionAttributeNames": {"#t": "text"}}
    with pytest.raises(ClientError):
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "b"}, "sk": {"S": "1"}}}},
                {
                    "Update": {
                        "TableName": TABLE,
                        "Key": {"pk": {"S": "a"}, "sk": {"S": "1"}},
                        **broken,
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                },
            ]
        )
    assert client.scan(TableName=TABLE)["Items"] == before
    assert next(clients, None) is None


def test_two_operations_on_one_item_are_refused() -> None:
    clients = embedded()
    client = next(clients)
    put = {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "b"}, "sk": {"S": "1"}}}}
    with pytest.raises(ClientError, match="multiple operations on one item"):
        client.transact_write_items(TransactItems=[put, put])
    assert next(clients, None) is None
