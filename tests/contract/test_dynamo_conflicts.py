"""A single put that meets somebody else's transaction: a conflict to decide again on, never an outage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from dunlin.errors import AlreadyRecorded, Conflict, StateConflict, TransientError, VersionConflict
from dunlin.services.ports import Change, PointRecord, Record, Suppression

from tests.builders import a_borrower, a_loan, a_message
from tests.contract.conftest import Dynamo
from tests.contract.test_dynamo import PLANTED, answering

pytestmark = pytest.mark.usefixtures("dynamo")

#: Each change that is written by one put, without a transaction.
SINGLE = {
    "borrower": Change(borrower=a_borrower(a_loan())),
    "wake": Change(borrower=a_borrower(a_loan()), quiet=True),
    "new message": Change(new_messages=(a_message(),)),
    "moved message": Change(moved_messages=(replace(a_message(), revision=1),)),
    "record": Change(records=(Record("b-1", "FACT#e-1", {}),)),
    "text": Change(point_records=(PointRecord("point", "IN#in-1", {}),)),
    "suppression": Change(suppression=Suppression("point", frozenset({"sms#*"}))),
}


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{PLANTED} is busy"}}, "PutItem")


@pytest.mark.parametrize("change", SINGLE.values(), ids=SINGLE)
def test_another_transaction_holds_the_item(dynamo: Dynamo, change: Change) -> None:
    with answering(refused("TransactionConflictException")), pytest.raises(Conflict) as raised:
        dynamo.store.commit(change)
    assert not isinstance(raised.value, TransientError)
    assert PLANTED not in str(raised.value)
    assert raised.value.__cause__ is None


def test_it_is_not_taken_for_having_been_recorded(dynamo: Dynamo) -> None:
    """An occasion that only could not be written now must be asked for again, not be believed to exist."""
    for name in ("new message", "record", "text"):
        with answering(refused("TransactionConflictException")), pytest.raises(VersionConflict):
            dynamo.store.commit(SINGLE[name])
        with answering(refused("ConditionalCheckFailedException")), pytest.raises(AlreadyRecorded):
            dynamo.store.commit(SINGLE[name])


def test_after_the_conflict_the_same_write_goes_through(dynamo: Dynamo) -> None:
    change = Change(borrower=a_borrower(a_loan(), revision=0, version=0))
    with answering(refused("TransactionConflictException")), pytest.raises(VersionConflict):
        dynamo.store.commit(change)
    assert dynamo.store.borrower("b-1") is None
    dynamo.store.commit(change)
    assert dynamo.store.borrower("b-1") is not None


def test_a_condition_that_does_not_hold_keeps_its_name(dynamo: Dynamo) -> None:
    with answering(refused("ConditionalCheckFailedException")), pytest.raises(StateConflict):
        dynamo.store.commit(SINGLE["moved message"])
    with answering(refused("ProvisionedThroughputExceededException")), pytest.raises(TransientError):
        dynamo.store.commit(SINGLE["moved message"])
