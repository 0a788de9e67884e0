"""What SQS is asked about dead letters, and what of a letter is let out: ids, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from dunlin.adapters.aws import SqsIntake
from dunlin.adapters.dead_letters import QUEUES, SqsDeadLetters
from dunlin.errors import TransientError
from dunlin.services.ports import Backlog
from dunlin.services.redrive import Letter

from tests.builders import NOW, PHONE

URLS = {name: f"https://sqs/{name}" for queue in QUEUES for name in (queue.logical_id, queue.source) if name}
ARN = "arn:aws:sqs:us-east-1:123456789012:"
#: Nobody's data; it must not come out however a letter was made.
PLANTED = (PHONE, PHONE.removeprefix("+"), "Wilhelmina", "7391.57", "call me")
SLOW = ReadTimeoutError(endpoint_url=f"https://{PHONE}")


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{PHONE} is not right"}}, "Call")


class Client:
    """One queue's letters, and what was asked; `fails` names operations that raise."""

    def __init__(self, *bodies: object, fails: dict[str, Exception] | None = None, **attributes: Any) -> None:
        self.waiting = [
            {
                "MessageId": f"m-{number}",
                "ReceiptHandle": f"handle-{number}",
                "Body": body if isinstance(body, str) else json.dumps(body),
                "Attributes": {"SentTimestamp": str(int(NOW.timestamp() * 1000)), "ApproximateReceiveCount": "6"},
                "MessageAttributes": attributes,
            }
            for number, body in enumerate(bodies)
        ]
        self.fails = fails or {}
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append((operation, parameters))
            if operation in self.fails:
                raise self.fails[operation]
            if operation == "receive_message":
                taken = self.waiting[: parameters["MaxNumberOfMessages"]]
                del self.waiting[: len(taken)]
                return {"Messages": taken} if taken else {}
            name = parameters["QueueUrl"].rsplit("/", 1)[-1] if "QueueUrl" in parameters else ""
            counts = {
                "ApproximateNumberOfMessages": "2",
                "ApproximateNumberOfMessagesDelayed": "1",
                "ApproximateNumberOfMessagesNotVisible": "3",
                "QueueArn": ARN + name,
            }
            return {"Attributes": counts}

        return call


def adapter(client: Any) -> SqsDeadLetters:
    return SqsDeadLetters(client, URLS)


def only(queue: str, body: object, **attributes: Any) -> Letter:
    (letter,) = adapter(Client(body, **attributes)).hold(queue, 10)
    return letter


CORE = {
    "version": "0",
    "detail-type": "payment.applied",
    "detail": {
        "event_id": "e-1",
        "type": "payment.applied",
        "borrower_id": "b-1",
        "payment": {"payment_id": "p-1", "amount": "7391.57"},
        "loan": {"loan_id": "l-1", "sequence": 9, "note": "Wilhelmina"},
    },
}
STREAM = {
    "requestContext": {
        "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:prod-RenderMessageFunction-AbC1",
        "condition": "RetryAttemptsExhausted",
    },
    "DDBStreamBatchInfo": {"batchSize": 3, "startSequenceNumber": "1"},
}


class TestWhatIsLetOut:
    @pytest.mark.parametrize(
        ("queue", "body", "ids"),
        [
            (
                "CoreEventsDeadLetterQueue",
                CORE,
                {"event_id": "e-1", "borrower_id": "b-1", "type": "payment.applied", "loan_id": "l-1"},
            ),
            (
                "CoreEventsDeadLetterQueue",
                {"event_id": "e-2", "type": "feed.checkpoint"},
                {"event_id": "e-2", "type": "feed.checkpoint"},
            ),
            ("WakeDeadLetterQueue", {"shard": "05"}, {"shard": "05"}),
            ("ReportsDeadLetterQueue", {"probe": "reports-2026-06-01"}, {"probe": "reports-2026-06-01"}),
            ("ReportsDeadLetterQueue", {"eventType": "TEXT_X", "to": PHONE}, {"unreadable": "context"}),
            (
                "InboundDeadLetterQueue",
                {
                    "inboundMessageId": "i-1",
                    "originationNumber": PHONE,
                    "destinationNumber": "+12065550100",
                    "messageBody": "call me",
                },
                {"inbound_id": "i-1"},
            ),
            ("InboundDeadLetterQueue", {"messageBody": "call me"}, {"unreadable": "inboundMessageId"}),
            ("StreamFailuresQueue", STREAM, {"function": "render_message", "records": "3"}),
            (
                "ScheduleFailuresQueue",
                {"resources": ["arn:aws:events:us-east-1:1:rule/prod-SweepMessagesFunctionEveryMinute-X"]},
                {"function": "sweep_messages"},
            ),
            ("RefusedInputQueue", {"source": "core", "field": "loan.as_of", "raw": PHONE}, {"source": "core"}),
        ],
    )
    def test_ids(self, queue: str, body: object, ids: dict[str, str]) -> None:
        letter = only(queue, body)
        assert ids.items() <= dict(letter.ids).items()
        assert (letter.sent_at, letter.receive_count, letter.letter_id) == (NOW, 6, "m-0")
        assert not [planted for planted in PLANTED if planted in repr(letter)]

    @pytest.mark.parametrize("queue", [queue.logical_id for queue in QUEUES])
    @pytest.mark.parametrize(
        "body",
        [
            "not JSON Wilhelmina",
            "[]",
            "{}",
            {"detail": dict.fromkeys(("event_id", "type", "borrower_id"), PHONE), "shard": PHONE},
            {"detail": {"event_id": PHONE.removeprefix("+"), "loan": [], "borrower": "Wilhelmina"}, "probe": PHONE},
            {"event_id": "call me", "source": "call me", "field": PHONE, "requestContext": {"condition": PHONE}},
            {"requestContext": "Wilhelmina", "DDBStreamBatchInfo": 5, "resources": [PHONE], "provider": "Wilhelmina"},
        ],
    )
    def test_whatever_was_put_into_it(self, queue: str, body: object) -> None:
        letter = only(queue, body, ERROR_CODE={"DataType": "String", "StringValue": PHONE})
        assert not [planted for planted in PLANTED if planted in repr(letter)]

    def test_why_it_was_given_up(self) -> None:
        assert only("StreamFailuresQueue", STREAM).error == "RetryAttemptsExhausted"
        code = {"DataType": "String", "StringValue": "NO_PERMISSIONS"}
        assert only("CoreEventsDeadLetterQueue", CORE, ERROR_CODE=code).error == "NO_PERMISSIONS"
        assert only("CoreEventsDeadLetterQueue", CORE).error == ""


class TestCalls:
    def test_it_goes_back_as_it_came_and_then_away(self) -> None:
        own = {"DataType": "String", "StringValue": "x"}
        client = Client(CORE, trace=own, ERROR_CODE=own, ERROR_MESSAGE=own)
        letters = adapter(client)
        (letter,) = letters.hold("CoreEventsDeadLetterQueue", 5)
        letters.give_back(letter)
        letters.remove(letter)
        (_, received), (_, sent), (_, removed) = client.calls
        assert (received["MaxNumberOfMessages"], received["VisibilityTimeout"]) == (5, 300)
        assert sent == {
            "QueueUrl": URLS["CoreEventsQueue"],
            "MessageBody": json.dumps(CORE),
            "MessageAttributes": {"trace": own},
        }
        assert removed == {"QueueUrl": URLS["CoreEventsDeadLetterQueue"], "ReceiptHandle": "handle-0"}

    def test_a_whole_queue_is_moved_to_where_it_came_from(self) -> None:
        client = Client()
        assert adapter(client).give_all_back("ReportsDeadLetterQueue")
        assert client.calls[-1] == (
            "start_message_move_task",
            {"SourceArn": ARN + "ReportsDeadLetterQueue", "DestinationArn": ARN + "ReportsQueue"},
        )

    @pytest.mark.parametrize("error", [refusal("UnsupportedOperation"), refusal("AccessDenied"), SLOW])
    def test_where_it_may_not_be_moved_it_goes_letter_by_letter(self, error: Exception) -> None:
        client = Client(fails={"start_message_move_task": error})
        assert adapter(client).give_all_back("ReportsDeadLetterQueue") is False

    def test_piles_count_what_somebody_has_in_hand(self) -> None:
        assert [(pile.queue, pile.count) for pile in adapter(Client()).piles()] == [
            (queue.logical_id, 5) for queue in QUEUES
        ]

    def test_letting_go_is_best_effort(self) -> None:
        client = Client(CORE, CORE, fails={"change_message_visibility": SLOW})
        letters = adapter(client)
        letters.let_go(letters.hold("CoreEventsDeadLetterQueue", 10))
        assert [name for name, _ in client.calls].count("change_message_visibility") == 2

    @pytest.mark.parametrize("error", [refusal("AccessDenied"), SLOW])
    def test_whatever_fails_is_transient_and_says_nothing(self, error: Exception) -> None:
        letter = only("CoreEventsDeadLetterQueue", CORE)
        names = ("receive_message", "send_message", "delete_message", "get_queue_attributes")
        failing = adapter(Client(fails=dict.fromkeys(names, error)))
        calls: list[Any] = [
            failing.piles,
            lambda: failing.hold("CoreEventsDeadLetterQueue", 1),
            lambda: failing.give_back(letter),
            lambda: failing.remove(letter),
        ]
        for call in calls:
            with pytest.raises(TransientError) as raised:
                call()
            assert PHONE not in str(raised.value)
            assert raised.value.__cause__ is None


class TestIntake:
    def test_everything_that_is_not_applied_is_counted(self) -> None:
        client: Any = Client()
        assert SqsIntake(client, "https://sqs/q", "https://sqs/d").backlog() == Backlog(3, 3, 6)
        assert [parameters["QueueUrl"] for _, parameters in client.calls] == ["https://sqs/q", "https://sqs/d"]

    def test_it_cannot_be_reached(self) -> None:
        client: Any = Client(fails={"get_queue_attributes": refusal("AccessDenied")})
        with pytest.raises(TransientError, match="core events"):
            SqsIntake(client, "https://sqs/q", "https://sqs/d").backlog()
