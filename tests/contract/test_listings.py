"""What every `Listings` promises; and the two ends of the provider's list that are AWS's."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import boto3
import pytest
from botocore.stub import Stubber
from dunlin.adapters.dynamo.listings import DynamoListings
from dunlin.adapters.opt_out_list import SmsVoiceOptOutList, SqsOptOuts
from dunlin.errors import StateConflict, TransientError
from dunlin.services.ports import Listed, Listing, Listings, ListingState
from dunlin.testing import MemoryListings

from tests.builders import NOW, PHONE
from tests.contract.conftest import ENVIRONMENT, REGION, dynamo_of

OTHER = "+12125550188"


@pytest.fixture
def listings(kind: str, request: pytest.FixtureRequest) -> Listings:
    if kind == "memory":
        return MemoryListings()
    dynamo_of(kind, request)
    return DynamoListings("dunlin-dev")


def test_a_listing_is_written_on_what_was_read(listings: Listings) -> None:
    assert listings.listing("p") is None
    assert list(listings.listings()) == []
    wanted = Listing("p", ListingState.WANTED, NOW)
    listings.put(wanted)
    assert listings.listing("p") == replace(wanted, revision=1)
    with pytest.raises(StateConflict):
        listings.put(wanted)
    theirs = Listing("p", ListingState.THEIRS, NOW + timedelta(microseconds=1), 1, ("marketing", "service"))
    listings.put(theirs)
    assert listings.listing("p") == replace(theirs, revision=2)
    with pytest.raises(StateConflict):
        listings.put(theirs)
    with pytest.raises(StateConflict):
        listings.put(Listing("q", ListingState.OURS, NOW, 1))
    listings.put(Listing("a", ListingState.GONE, NOW))
    assert [each.point for each in sorted(listings.listings(), key=lambda each: each.point)] == ["a", "p"]


@pytest.fixture
def numbers(monkeypatch: pytest.MonkeyPatch) -> tuple[SmsVoiceOptOutList, Stubber]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("pinpoint-sms-voice-v2", region_name=REGION)
    return SmsVoiceOptOutList(client, "dunlin-dev"), Stubber(client)


ASKED = {"OptOutListName": "dunlin-dev", "OptedOutNumber": PHONE}


def test_a_list_is_read_to_its_end(numbers: tuple[SmsVoiceOptOutList, Stubber]) -> None:
    opt_out_list, stub = numbers
    first = {"OptedOutNumber": PHONE, "OptedOutTimestamp": NOW, "EndUserOptedOut": True}
    second = {"OptedOutNumber": OTHER, "OptedOutTimestamp": NOW, "EndUserOptedOut": False}
    asked = {"OptOutListName": "dunlin-dev", "MaxResults": 100}
    stub.add_response("describe_opted_out_numbers", {"OptedOutNumbers": [first], "NextToken": "more"}, asked)
    stub.add_response("describe_opted_out_numbers", {"OptedOutNumbers": [second]}, asked | {"NextToken": "more"})
    with stub:
        assert list(opt_out_list.numbers()) == [Listed(PHONE, NOW, by_person=True), Listed(OTHER, NOW, by_person=False)]
    stub.assert_no_pending_responses()


def test_a_list_that_breaks_off_is_not_taken_for_all_of_it(numbers: tuple[SmsVoiceOptOutList, Stubber]) -> None:
    opt_out_list, stub = numbers
    stub.add_response("describe_opted_out_numbers", {"OptedOutNumbers": [], "NextToken": "more"})
    stub.add_client_error("describe_opted_out_numbers", "ThrottlingException", http_status_code=429)
    with stub, pytest.raises(TransientError, match="ThrottlingException"):
        list(opt_out_list.numbers())


def test_putting_and_removing(numbers: tuple[SmsVoiceOptOutList, Stubber]) -> None:
    opt_out_list, stub = numbers
    stub.add_response("put_opted_out_number", {}, ASKED)
    stub.add_response("delete_opted_out_number", {}, ASKED)
    with stub:
        assert opt_out_list.put(PHONE)
        assert opt_out_list.remove(PHONE)


@pytest.mark.parametrize(
    ("method", "code", "fields", "answer"),
    [
        ("delete_opted_out_number", "ResourceNotFoundException", {"ResourceType": "opted-out-number"}, True),
        ("delete_opted_out_number", "ResourceNotFoundException", {"ResourceType": "opt-out-list"}, None),
        ("delete_opted_out_number", "ValidationException", {"Reason": "PHONE_NUMBER_CANNOT_BE_OPTED_IN"}, False),
        ("delete_opted_out_number", "ConflictException", {}, False),
        ("delete_opted_out_number", "ThrottlingException", {}, None),
        ("put_opted_out_number", "ValidationException", {"Reason": "CANNOT_ADD_OPTED_OUT_NUMBER"}, False),
        ("put_opted_out_number", "ResourceNotFoundException", {"ResourceType": "opt-out-list"}, None),
        ("put_opted_out_number", "AccessDeniedException", {}, None),
        ("put_opted_out_number", "InternalServerException", {}, None),
    ],
)
def test_what_a_refusal_means(
    numbers: tuple[SmsVoiceOptOutList, Stubber], method: str, code: str, fields: dict[str, str], answer: bool | None
) -> None:
    opt_out_list, stub = numbers
    status = 500 if code == "InternalServerException" else 400
    stub.add_client_error(method, code, PHONE, status, expected_params=ASKED, modeled_fields=fields)
    call = opt_out_list.put if method == "put_opted_out_number" else opt_out_list.remove
    with stub:
        if answer is not None:
            assert call(PHONE) is answer
            return
        with pytest.raises(TransientError) as raised:
            call(PHONE)
    assert PHONE not in str(raised.value)
    assert raised.value.__cause__ is None


def test_what_is_asked_of_the_queue_carries_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("sqs", region_name=REGION)
    stub = Stubber(client)
    for seconds in (360, 900, 0, 1):
        expected = {"QueueUrl": "https://queue", "MessageBody": json.dumps({"point": "p"}), "DelaySeconds": seconds}
        stub.add_response("send_message", {"MessageId": "m"}, expected)
    stub.add_client_error("send_message", "KmsThrottled")
    queue = SqsOptOuts(client, "https://queue")
    with stub:
        for after in (timedelta(minutes=6), timedelta(hours=2), timedelta(0), timedelta(microseconds=1)):
            queue.follow("p", after)
        with pytest.raises(TransientError):
            queue.follow("p", timedelta(0))
