"""The queues, the state machine and the secrets: what is asked of AWS, and what its refusals become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from dunlin.adapters.aws import (
    HmacPointKeys,
    Secrets,
    SqsEars,
    SqsOutbox,
    SqsRefusedInput,
    SqsWakeQueue,
    StepFunctionsEscalations,
)
from dunlin.domain.words import Channel
from dunlin.errors import ConfigurationError, TransientError
from dunlin.services.ports import Refusal

from tests.builders import NOW, PHONE

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:escalation"
MOST_BODY = 262_144  # bytes a queue takes


class Client:
    """Answers every call the same way, and keeps what it was asked."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            self.calls.append((operation, parameters))
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{PHONE} is not right"}}, "Call")


SLOW = ConnectTimeoutError(endpoint_url=f"https://{PHONE}")


def client(answer: Any = None) -> Any:
    return Client(answer)


@pytest.mark.parametrize("error", [refusal("AccessDenied"), SLOW])
def test_whatever_fails_is_transient_and_says_nothing(error: Exception) -> None:
    failing = client(error)
    escalations = StepFunctionsEscalations(failing, ARN)
    calls: list[Any] = [
        lambda: SqsWakeQueue(failing, "url").wake("05", NOW),
        lambda: SqsEars(failing, {"reports": "url"}).send_probe("reports", "p"),
        lambda: SqsOutbox(failing, {"reports": "url"}).put("reports", {}),
        lambda: SqsRefusedInput(failing, "url").keep(Refusal("core", "f", "p", "raw")),
        lambda: escalations.start("b-1", 1, 1),
        lambda: escalations.ring("token"),
        lambda: escalations.is_running("b-1", 1, 1),
    ]
    for call in calls:
        with pytest.raises(TransientError) as raised:
            call()
        assert PHONE not in str(raised.value)
        assert raised.value.__cause__ is None


def test_one_wake_a_shard_and_minute() -> None:
    fake = client()
    SqsWakeQueue(fake, "url").wake("05", NOW)
    ((_, sent),) = fake.calls
    assert (sent["MessageGroupId"], sent["MessageDeduplicationId"]) == ("05", "05-20260601T1500")
    assert json.loads(sent["MessageBody"]) == {"shard": "05"}


def test_an_execution_carries_ids_only() -> None:
    fake = client({"status": "RUNNING"})
    escalations = StepFunctionsEscalations(fake, ARN)
    escalations.start("b-1", 2, 3)
    assert escalations.is_running("b-1", 2, 3)
    (_, started), (_, asked) = fake.calls
    assert started["name"] == "b-1-2-3"
    assert json.loads(started["input"]) == {"borrower_id": "b-1", "episode": 2, "generation": 3}
    assert asked["executionArn"] == f"{ARN.replace('stateMachine', 'execution')}:b-1-2-3"
    assert not StepFunctionsEscalations(client({"status": "SUCCEEDED"}), ARN).is_running("b-1", 1, 1)


def test_what_is_no_failure() -> None:
    StepFunctionsEscalations(client(refusal("ExecutionAlreadyExists")), ARN).start("b-1", 1, 1)
    for code in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
        StepFunctionsEscalations(client(refusal(code)), ARN).ring("dead")
    assert not StepFunctionsEscalations(client(refusal("ExecutionDoesNotExist")), ARN).is_running("b-1", 1, 1)


def test_secrets() -> None:
    assert Secrets(client({"SecretString": "s"})).text("name") == "s"
    assert Secrets(client({"SecretString": '{"a": 1}'})).document("name") == {"a": 1}
    for wrong in ("not JSON", "[]"):
        with pytest.raises(ConfigurationError, match="JSON"):
            Secrets(client({"SecretString": wrong})).document("name")
    with pytest.raises(ConfigurationError, match="ResourceNotFoundException"):
        Secrets(client(refusal("ResourceNotFoundException"))).text("name")
    with pytest.raises(TransientError):
        Secrets(client(SLOW)).text("name")


def test_a_point_is_the_same_for_the_same_address() -> None:
    keys = HmacPointKeys("secret")
    assert keys.point(Channel.SMS, PHONE) == keys.point(Channel.SMS, PHONE)
    assert keys.point(Channel.EMAIL, "Jo@X.example") == keys.point(Channel.EMAIL, "jo@x.example")
    assert (
        len(
            {
                keys.point(Channel.SMS, PHONE),
                keys.point(Channel.EMAIL, PHONE),
                HmacPointKeys("s").point(Channel.SMS, PHONE),
            }
        )
        == 3
    )
    assert PHONE not in keys.point(Channel.SMS, PHONE)


def kept(raw: str) -> str:
    fake = client()
    SqsRefusedInput(fake, "url").keep(Refusal("core", "field", "problem", raw))
    ((_, sent),) = fake.calls
    return str(sent["MessageBody"])


def test_half_a_character_can_be_kept() -> None:
    assert json.loads(kept("\ud83d"))["raw"] == "\ud83d"


def test_refused_input_is_kept_beside_its_field() -> None:
    body = json.loads(kept("raw"))
    assert (body["field"], body["problem"], body["raw"]) == ("field", "problem", "raw")
    assert "raw" not in repr(Refusal("core", "f", "p", "secret raw")).replace("raw=", "")


@pytest.mark.parametrize(
    "raw",
    [
        "x" * 300_000,
        "贷" * 80_000,
        '"' * 200_000,
    ],
    ids=["plain", "chinese", "quotes"],
)
def test_whatever_is_refused_can_be_kept(raw: str) -> None:
    assert len(kept(raw).encode()) <= MOST_BODY
