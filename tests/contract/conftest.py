"""The implementations of each port: in memory, and on DynamoDB with the tables of `template.yaml`.

DynamoDB is here twice: moto's, which the whole test suite and the laptop run on, and AWS's own engine (`make engine`),
so that both say yes and no to the same things. Tests on the engine are marked `engine`; without it they are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
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


#: Each test on the engine is a caller of its own, who finds no tables and is seen by nobody.
_callers = count(1)

#: What a test is run on, as `kind` or for those that are about DynamoDB alone.
MOTO, ENGINE = "dynamo", "dynamodb_local"
_ENGINE = pytest.param(ENGINE, marks=pytest.mark.engine)


@dataclass(frozen=True)
class Dynamo:
    """A storage that a test finds empty. `engine`: AWS's own."""

    client: Any
    store: DynamoStore
    controls: DynamoControls
    engine: bool = False

    def create_tables(self) -> None:
        """The tables as the template has them: keys and indexes, so that a wrong name there fails here."""
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
def dynamo_of_moto(dynamo_of_module: Dynamo) -> Dynamo:
    dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables.clear()
    dynamo_of_module.create_tables()
    return dynamo_of_module


@pytest.fixture
def dynamo_of_engine(engine_url: str) -> Iterator[Dynamo]:
    caller = {"AWS_ACCESS_KEY_ID": f"caller{next(_callers)}", "AWS_ENDPOINT_URL_DYNAMODB": engine_url}
    with mock.patch.dict(os.environ, ENVIRONMENT | caller):
        bind_tables()
        client = boto3.session.Session().client("dynamodb", region_name=REGION)
        dynamo = Dynamo(client, DynamoStore(REGION), DynamoControls(), engine=True)
        dynamo.create_tables()
        yield dynamo
    bind_tables()


def dynamo_of(kind: str, request: pytest.FixtureRequest) -> Dynamo:
    dynamo: Dynamo = request.getfixturevalue("dynamo_of_moto" if kind == MOTO else "dynamo_of_engine")
    return dynamo


@pytest.fixture(params=[MOTO, _ENGINE])
def dynamo(request: pytest.FixtureRequest) -> Dynamo:
    return dynamo_of(str(request.param), request)


@pytest.fixture(params=["memory", MOTO, _ENGINE])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Store:
    return MemoryStore() if kind == "memory" else dynamo_of(kind, request).store


@pytest.fixture
def controls(kind: str, request: pytest.FixtureRequest) -> Controls:
    return MemoryControls() if kind == "memory" else dynamo_of(kind, request).controls
