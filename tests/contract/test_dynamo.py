"""What only the real storage can do: answer late, refuse, or hold an item for somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError
from dunlin.adapters.dynamo.controls import DynamoControls
from dunlin.adapters.dynamo.models import BorrowerItem, ControlItem, MessageItem, SuppressionItem, bind
from dunlin.adapters.dynamo.store import FELT_KEPT, DynamoStore, instant, parse_instant
from dunlin.domain.words import Channel, Purpose
from dunlin.errors import DunlinError, TransientError, VersionConflict
from dunlin.services.ports import Change, Felt, Record, Suppression

from tests.builders import NOW, TODAY, a_borrower, a_contact, a_loan, a_message
from tests.contract.conftest import REGION, Dynamo, bind_tables

pytestmark = pytest.mark.usefixtures("dynamo")
PLANTED = "+12125550123"


@contextmanager
def answering(error: Exception) -> Iterator[None]:
    """Every call to DynamoDB ends like this."""

    def call(self: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        raise error

    with mock.patch.object(BaseClient, "_make_api_call", call):
        yield


def client_error(code: str, operation: str = "PutItem", **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": f"{PLANTED} cannot be written"}, **more}
    return ClientError(response, operation)


@pytest.fixture
def store(dynamo: Dynamo) -> DynamoStore:
    return dynamo.store


UNREACHABLE = [
    client_error("InternalServerError"),
    client_error("AccessDeniedException"),
    ReadTimeoutError(endpoint_url=f"https://{PLANTED}"),
]


@pytest.mark.parametrize("error", UNREACHABLE, ids=lambda error: type(error).__name__)
def test_whatever_storage_answers_is_transient_and_says_nothing(
    store: DynamoStore, error: Exception, request: pytest.FixtureRequest
) -> None:
    controls = DynamoControls()
    sleep = mock.patch("time.sleep")
    sleep.start()
    request.addfinalizer(sleep.stop)
    two = Change(borrower=a_borrower(a_loan()), new_messages=(a_message(),))
    calls: list[Any] = [
        lambda: store.borrower("b-1"),
        lambda: store.message("b-1", "k"),
        lambda: store.conversation("b-1"),
        lambda: store.awake("00", NOW, 1),
        lambda: store.queued("line", 1),
        lambda: store.standing("00", NOW, 1),
        lambda: store.suppression("point"),
        lambda: store.link_point("point", "b-1"),
        lambda: store.borrowers_of("point"),
        lambda: store.commit(Change(new_messages=(a_message(),))),
        lambda: store.commit(two),
        lambda: controls.survey(["line"], TODAY),
        lambda: controls.line("line"),
        lambda: controls.put_line(controls._line("line", None)),
    ]
    for call in calls:
        with answering(error), pytest.raises(TransientError) as raised:
            call()
        assert PLANTED not in str(raised.value)
        assert raised.value.__cause__ is None


@pytest.mark.parametrize("code", ["TransactionInProgressException", "TransactionConflict"])
def test_an_item_that_another_transaction_holds(store: DynamoStore, code: str) -> None:
    reasons = [{"Code": "None"}, {"Code": code, "Message": PLANTED}]
    error = (
        client_error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        if code == "TransactionConflict"
        else client_error(code, "TransactWriteItems")
    )
    change = Change(borrower=a_borrower(a_loan()), new_messages=(a_message(),))
    with answering(error), pytest.raises(VersionConflict):
        store.commit(change)


def test_a_cancellation_for_another_reason(store: DynamoStore) -> None:
    reasons = [{"Code": "ThrottlingError", "Message": "slow down"}, {"Code": "None"}]
    error = client_error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
    with answering(error), pytest.raises(TransientError):
        store.commit(Change(borrower=a_borrower(a_loan()), new_messages=(a_message(),)))


def test_what_is_kept_besides_the_document(store: DynamoStore) -> None:
    store.commit(Change(borrower=a_borrower(a_loan(), revision=0), new_messages=(a_message(),)))
    client = boto3.client("dynamodb", region_name=REGION)
    (item,) = client.scan(TableName="MessagesTable")["Items"]
    assert item["queue_order"]["S"] == "05#2026-06-01T23:00:00.000000Z#2026-06-01#today#0#sms#0"
    assert "expires_at" not in item, "how long a message is kept is a rule, not an attribute"
    (hot,) = client.scan(TableName="BorrowersTable")["Items"]
    assert hot["item"]["S"] == "HOT"
    assert "wake_at" not in hot
    sent = replace(a_message(), revision=1, state=a_message().state.__class__.DELIVERED)
    store.commit(Change(moved_messages=(sent,)))
    (item,) = client.scan(TableName="MessagesTable")["Items"]
    assert {"queue_line", "queue_order", "attend_shard", "attend_at"}.isdisjoint(item)


def test_what_a_point_felt_goes_by_itself_also_where_nothing_is_left(store: DynamoStore) -> None:
    """By the application's clock: that of the machine would make one run differ from the next."""
    felt_until, released_at = NOW + timedelta(hours=1), NOW + timedelta(minutes=2)
    store.commit(Change(felt=(Felt("point", (a_contact(ref="b-1/k", felt_until=felt_until),)),)))
    client = boto3.client("dynamodb", region_name=REGION)
    (item,) = client.scan(TableName="SuppressionsTable")["Items"]
    assert int(item["expires_at"]["N"]) == int((felt_until + FELT_KEPT).timestamp())
    felt = store.felt("point")
    assert felt.without("b-1/other", released_at) is felt
    store.commit(Change(felt=(felt.without("b-1/k", released_at),)))
    (item,) = client.scan(TableName="SuppressionsTable")["Items"]
    assert int(item["expires_at"]["N"]) == int((released_at + FELT_KEPT).timestamp())
    assert store.felt("point") == Felt("point", (), 2)


def test_a_record_beside_the_hot_item(store: DynamoStore) -> None:
    store.commit(Change(borrower=a_borrower(a_loan(), revision=0), records=(Record("b-1", "FACT#e", {"at": NOW}),)))
    assert store.borrower("b-1") is not None
    (fact,) = BorrowerItem.query("b-1", BorrowerItem.item.startswith("FACT#"))
    assert fact.document == '{"at":"2026-06-01T15:00:00Z"}'


def test_an_item_that_only_links_does_not_forbid(store: DynamoStore) -> None:
    """The condition is checked on an item that does not exist."""
    store.link_point("point", "b-1")
    store.commit(
        Change(borrower=a_borrower(a_loan(), revision=0), unless_blocked=("point", Channel.SMS, Purpose.COLLECTION))
    )
    store.commit(Change(suppression=Suppression("point", frozenset({"sms#*"}), NOW)))
    assert SuppressionItem.get("point", "STATE").blocked == {"sms#*"}


def test_an_unbound_table_stays_unbound() -> None:
    before = [model.Meta.table_name for model in (BorrowerItem, MessageItem, SuppressionItem, ControlItem)]
    bind(region=REGION, borrowers="", messages="Other", suppressions="", controls="")
    after = [model.Meta.table_name for model in (BorrowerItem, MessageItem, SuppressionItem, ControlItem)]
    bind_tables()
    assert after == [before[0], "Other", *before[2:]]


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        NOW.replace(microsecond=1),
        datetime(2026, 6, 1, 23, 0, tzinfo=timezone(timedelta(hours=8))),
        datetime(999, 1, 1, tzinfo=UTC),
    ],
)
def test_an_instant_s_text_sorts_as_time_does(moment: datetime) -> None:
    text = instant(moment)
    assert len(text) in (27, 26)
    if moment.year >= 1000:
        assert parse_instant(text) == moment
        assert instant(moment - timedelta(microseconds=1)) < text < instant(moment + timedelta(days=300))


def test_errors_are_all_ours() -> None:
    assert issubclass(TransientError, DunlinError)
