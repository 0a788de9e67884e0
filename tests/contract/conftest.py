"""The two implementations of each port: in memory, and on DynamoDB with the tables of `template.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from dunlin.adapters.dynamo.controls import DynamoControls
from dunlin.adapters.dynamo.models import bind
from dunlin.adapters.dynamo.store import DynamoStore
from dunlin.services.ports import Controls, Store
from dunlin.testing import MemoryControls, MemoryStore
from moto import mock_aws

from tests.infra.stack import TEMPLATE, load

REGION = "us-east-1"
TABLES = ("BorrowersTable", "MessagesTable", "SuppressionsTable", "ControlsTable")
_WANTED = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


def create_tables() -> None:
    """The tables as the template has them: keys and indexes, so that a wrong name there fails here."""
    resources: dict[str, Any] = load(TEMPLATE)["Resources"]
    client = boto3.client("dynamodb", region_name=REGION)
    for table in TABLES:
        properties = resources[table]["Properties"]
        client.create_table(TableName=table, **{name: properties[name] for name in _WANTED if name in properties})


@pytest.fixture
def dynamo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
    with mock_aws():
        create_tables()
        bind(
            region=REGION,
            borrowers="BorrowersTable",
            messages="MessagesTable",
            suppressions="SuppressionsTable",
            controls="ControlsTable",
        )
        yield


@pytest.fixture(params=["memory", "dynamo"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    if kind == "memory":
        return MemoryStore()
    request.getfixturevalue("dynamo")
    return DynamoStore(REGION)


@pytest.fixture
def controls(kind: str, request: pytest.FixtureRequest) -> Controls:
    if kind == "memory":
        return MemoryControls()
    request.getfixturevalue("dynamo")
    return DynamoControls()
