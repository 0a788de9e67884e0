"""Where an emulation could be kinder than DynamoDB: sizes, limits, order of refusals, many writers at once.

The first part holds for moto's DynamoDB and for AWS's own engine alike; the rest is what only the engine can show.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError
from dunlin.adapters.dynamo.holdings import DynamoHoldings
from dunlin.adapters.dynamo.models import BorrowerItem
from dunlin.adapters.dynamo.store import MOST_DOCUMENT_BYTES, DynamoStore, borrower_item
from dunlin.domain.borrower import Borrower
from dunlin.domain.shards import WAKE_SHARDS
from dunlin.domain.words import Channel, Purpose
from dunlin.errors import (
    AlreadyRecorded,
    Conflict,
    DunlinError,
    InvalidInput,
    StateConflict,
    Suppressed,
    VersionConflict,
)
from dunlin.services.ports import Change, LineState, PointRecord, Record, Removal, Shelf, Suppression

from tests.builders import NOW, TODAY, a_borrower, a_loan, a_message, a_party
from tests.contract.conftest import REGION, Dynamo

#: Idle borrowers, and how often a tick is timed.
FEW, TICKS = 100, 60


def new(borrower_id: str = "b-1", **changes: object) -> Borrower:
    return replace(a_borrower(a_loan(), borrower_id=borrower_id, version=0, revision=0), **changes)  # type: ignore[arg-type]


def named(borrower: Borrower, letters: int) -> Borrower:
    """Somebody with a name that long."""
    return replace(borrower, parties=(a_party(name="n" * letters),))


# ── both ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_largest_borrower_fits_and_a_larger_one_is_refused_for_good(dynamo: Dynamo) -> None:
    """Not as an outage: a fact that can never be stored would come back for ever."""
    letters = MOST_DOCUMENT_BYTES - 2_000
    dynamo.store.commit(Change(borrower=named(new(), letters), records=(Record("b-1", "FACT#1", {}),)))
    found = dynamo.store.borrower("b-1")
    assert found is not None
    assert len(found.parties[0].name) == letters
    for change in (Change(borrower=named(found, letters + 2_000)), Change(borrower=named(new("b-2"), 500_000))):
        with pytest.raises(InvalidInput, match=r"^borrower: "):
            dynamo.store.commit(change)


def test_names_of_the_greatest_length_are_keys(dynamo: Dynamo) -> None:
    """The engine takes 1,024 bytes of a sort key, also of an index, and no empty one."""
    reference = "r" * 256
    message = a_message(key=f"reply#{'s' * 64}#whatsapp#{reference}")
    records = (Record("b-1", f"FACT#{'e' * 128}", {}), Record("b-1", f"TEXT#{reference}", {}))
    dynamo.store.commit(Change(borrower=new(), new_messages=(message,), records=records))
    dynamo.store.commit(Change(point_records=(PointRecord("p" * 64, f"IN#{reference}", {}),)))
    assert dynamo.store.message("b-1", message.key) is not None
    assert [queued.key for queued in dynamo.store.queued(message.line, 9)] == [message.key]


def test_as_many_writes_as_a_transaction_takes(dynamo: Dynamo) -> None:
    records = tuple(Record("b-1", f"FACT#{number:03d}", {}) for number in range(99))
    dynamo.store.commit(Change(borrower=new(), records=records))
    holdings = DynamoHoldings(REGION)
    kept = holdings.items(Shelf.RECORDS, "b-1", "", 200)
    assert len(kept) == 99
    hot = dynamo.store.borrower("b-1")
    assert hot is not None
    holdings.commit(Removal(hot, removed=tuple(kept)))
    assert holdings.items(Shelf.RECORDS, "b-1", "", 200) == []


def test_a_conversation_of_many_pages(dynamo: Dynamo) -> None:
    """An answer ends at a megabyte; the rest is asked for."""
    for number in range(12):
        message = a_message(key=f"{TODAY}#today#{number}#sms#0")
        dynamo.store.commit(Change(new_messages=(replace(message, body="x" * 150_000),)))
    assert len(dynamo.store.conversation("b-1")) == 12


def test_more_lines_than_one_question_takes(dynamo: Dynamo) -> None:
    lines = [f"line-{number}" for number in range(130)]
    for line in lines[::10]:
        dynamo.controls.put_line(LineState(line))
    survey = dynamo.controls.survey(lines, TODAY)
    assert [line.line for line in survey.lines] == lines
    assert [line.revision for line in survey.lines] == [int(number % 10 == 0) for number in range(130)]


def test_the_first_of_several_refusals_is_the_one_that_is_told(dynamo: Dynamo) -> None:
    """Whatever order PynamoDB puts the parts of a transaction in: an opt-out above all, then the version."""
    dynamo.store.commit(Change(borrower=new(), new_messages=(a_message(),), records=(Record("b-1", "FACT#1", {}),)))
    dynamo.store.commit(Change(suppression=Suppression("point", frozenset({"sms#*"}), NOW)))
    blocked = ("point", Channel.SMS, Purpose.COLLECTION)
    old, again = new(revision=7), (a_message(),)
    fact, moved = (Record("b-1", "FACT#1", {}),), (replace(a_message(), revision=9),)
    wrong: list[tuple[Change, type[DunlinError]]] = [
        (Change(borrower=old, new_messages=again, records=fact, unless_blocked=blocked), Suppressed),
        (Change(borrower=old, new_messages=again, records=fact), VersionConflict),
        (Change(new_messages=again, records=fact), AlreadyRecorded),
        (Change(moved_messages=moved, records=fact), StateConflict),
        (Change(records=fact, suppression=Suppression("point")), AlreadyRecorded),
    ]
    for change, error in wrong:
        with pytest.raises(error):
            dynamo.store.commit(change)
    assert dynamo.store.suppression("point").revision == 1


def test_a_repeated_answer_writes_nothing_twice(dynamo: Dynamo) -> None:
    """The SDK asks again when an answer is lost. Every transaction carries a token, so that it is heard as one."""
    said: list[bytes] = []
    original = boto3.client("dynamodb", region_name=REGION).__class__._make_api_call  # type: ignore[attr-defined]

    def told(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        client.meta.events.register(
            "before-call.dynamodb.TransactWriteItems", lambda params, **_: said.append(params["body"])
        )
        return original(client, operation, parameters)

    with mock.patch("botocore.client.BaseClient._make_api_call", told):
        dynamo.store.commit(Change(borrower=new(), new_messages=(a_message(),)))
    assert said
    assert all(b"ClientRequestToken" in body for body in said)


# ── the engine ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.engine
def test_the_engine_is_aws_s_own(dynamo_of_engine: Dynamo, engine_url: str) -> None:
    """What moto lets pass, so that this suite did not run on moto twice."""
    assert dynamo_of_engine.client.meta.endpoint_url == engine_url
    with pytest.raises(ClientError, match="duplicates"):
        dynamo_of_engine.client.put_item(
            TableName="ControlsTable", Item={"control": {"S": "c"}, "set": {"SS": ["a", "a"]}}
        )


@pytest.mark.engine
def test_many_writers_at_once_lose_nothing(dynamo_of_engine: Dynamo) -> None:
    """Each writes a record and the hot item in one transaction, and tries again when another was first."""
    store = dynamo_of_engine.store
    store.commit(Change(borrower=new()))
    recorded: list[str] = []
    failed: list[BaseException] = []

    def write(writer: int) -> None:
        for number in range(10):
            item = f"FACT#{writer}-{number}"
            while True:
                hot = store.borrower("b-1")
                assert hot is not None
                try:
                    store.commit(Change(borrower=hot, records=(Record("b-1", item, {}),)))
                except Conflict:
                    continue
                except BaseException as error:
                    failed.append(error)
                    return
                recorded.append(item)
                break

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed
    hot = store.borrower("b-1")
    assert hot is not None
    assert (hot.revision, hot.version) == (61, 61)
    kept = [item.item for item in DynamoHoldings(REGION).items(Shelf.RECORDS, "b-1", "", 100)]
    assert kept == sorted(recorded)
    assert len(kept) == 60


@pytest.mark.engine
def test_an_opt_out_and_a_reservation_at_once(dynamo_of_engine: Dynamo) -> None:
    """Whichever is first: nothing is reserved at a version of the number's item after the opt-out."""
    store = dynamo_of_engine.store
    for number in range(15):
        borrower_id, point = f"b-{number}", f"point-{number}"
        store.commit(Change(borrower=new(borrower_id)))
        hot = store.borrower(borrower_id)
        order: list[str] = []
        both = threading.Barrier(2)

        def stop(point: str = point, order: list[str] = order, both: threading.Barrier = both) -> None:
            both.wait()
            store.commit(Change(suppression=Suppression(point, frozenset({"sms#*"}), NOW)))
            order.append("stopped")

        def reserve(
            hot: Any = hot, point: str = point, order: list[str] = order, both: threading.Barrier = both
        ) -> None:
            both.wait()
            try:
                store.commit(Change(borrower=hot, unless_blocked=(point, Channel.SMS, Purpose.COLLECTION)))
                order.append("reserved")
            except Conflict:
                order.append("refused")

        threads = [threading.Thread(target=each) for each in (stop, reserve)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert "stopped" in order
        assert len(order) == 2
        again = store.borrower(borrower_id)
        with pytest.raises(Suppressed):
            store.commit(Change(borrower=again, unless_blocked=(point, Channel.SMS, Purpose.COLLECTION)))


def test_the_engine_s_policy_lets_nobody_else_in() -> None:
    policy = (Path(__file__).parents[2] / "local" / "dynamodb_local.policy").read_text(encoding="utf-8")
    hosts = [line.split('"')[1] for line in policy.splitlines() if "SocketPermission" in line]
    assert hosts
    assert all(host.rpartition(":")[0] in ("localhost", "127.0.0.1") for host in hosts)


def _tick_ms(store: DynamoStore) -> float:
    """The least that a tick's questions took, one a shard, in milliseconds: others on the machine only add to it."""
    times = []
    for _ in range(TICKS):
        began = time.perf_counter()
        for shard in WAKE_SHARDS:
            store.awake(shard, NOW, 1)
        times.append((time.perf_counter() - began) * 1_000)
    return min(times)


@pytest.mark.engine
def test_a_hundred_times_more_idle_borrowers_make_no_tick_slower(dynamo_of_engine: Dynamo) -> None:
    """Counted, a tick asks once a shard whatever sleeps there (`dunlin bench`); here it is timed, on the engine.

    Were the index read by a filter instead of its key, the ratio would be near a hundred."""
    asleep = replace(new(), wake_at=NOW + timedelta(days=365))
    put_asleep(dynamo_of_engine, asleep, range(FEW))
    _tick_ms(dynamo_of_engine.store)  # the first calls find connections
    few = _tick_ms(dynamo_of_engine.store)
    put_asleep(dynamo_of_engine, asleep, range(FEW, FEW * 100))
    many = _tick_ms(dynamo_of_engine.store)
    print(f"{FEW} idle: {few:.1f} ms a tick; {FEW * 100} idle: {many:.1f} ms; {many / few:.2f} times")  # noqa: T201
    assert many < few * 1.5


def put_asleep(dynamo: Dynamo, asleep: Borrower, numbers: range) -> None:
    with BorrowerItem.batch_write() as batch:
        for number in numbers:
            batch.save(borrower_item(replace(asleep, borrower_id=f"b-{number}")))
    assert dynamo.client.describe_table(TableName="BorrowersTable")["Table"]["ItemCount"] >= numbers.stop
