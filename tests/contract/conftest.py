"""The two implementations of each port: in memory, and on DynamoDB with the tables of `template.yaml`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest import mock

import boto3
import pytest
from dunlin.adapters.dynamo.controls import DynamoControls
from dunlin.adapters.dynamo.models import bind
from dunlin.adapters.dynamo.store import DynamoStore
from dunlin.services.ports import Controls, Store
from dunlin.testing import MemoryControls, MemoryStore
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from tests.infra.stack import TEMPLATE, load

REGION = "us-east-1"
TABLES = ("BorrowersTable", "MessagesTable", "SuppressionsTable", "ControlsTable")
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
}
_WANTED = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")


@cache
def _resources() -> dict[str, Any]:
    resources: dict[str, Any] = load(TEMPLATE)["Resources"]
    return resources


@dataclass(frozen=True)
class Dynamo:
    """One storage for a module's tests; each of them finds it empty."""

    client: Any
    store: DynamoStore
    controls: DynamoControls

    def create_tables(self) -> None:
        """The tables as the template has them: keys and indexes, so that a wrong name there fails here."""
        dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables.clear()
        for table in TABLES:
            properties = _resources()[table]["Properties"]
            self.client.create_table(
                TableName=table, **{name: properties[name] for name in _WANTED if name in properties}
            )


@pytest.fixture(scope="module")
def dynamo_of_module() -> Iterator[Dynamo]:
    with mock.patch.dict(os.environ, ENVIRONMENT), mock_aws():
        bind_tables()
        yield Dynamo(boto3.client("dynamodb", region_name=REGION), DynamoStore(REGION), DynamoControls())


def bind_tables() -> None:
    bind(
        region=REGION,
        borrowers="BorrowersTable",
        messages="MessagesTable",
        suppressions="SuppressionsTable",
        controls="ControlsTable",
    )


@pytest.fixture
def dynamo(dynamo_of_module: Dynamo) -> Dynamo:
    dynamo_of_module.create_tables()
    return dynamo_of_module


@pytest.fixture(params=["memory", "dynamo"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    if kind == "memory":
        return MemoryStore()
    dynamo: Dynamo = request.getfixturevalue("dynamo")
    return dynamo.store


@pytest.fixture
def controls(kind: str, request: pytest.FixtureRequest) -> Controls:
    if kind == "memory":
        return MemoryControls()
    dynamo: Dynamo = request.getfixturevalue("dynamo")
    return dynamo.controls
