"""What a fault does to a function in the embedded AWS, and what the providers' silence does to a client in it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from local.embedded import EmbeddedAws, Fault, FunctionError, ProcessKilledError, VirtualClock
from local.simulator import Faults, Simulator
from local.simulator.transport import URL, InProcess
from tests.local.fixtures.toy.shared import client, diary

TOY = Path(__file__).parent / "fixtures" / "toy"
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PUT = {
    "TableName": "toy-ItemsTable",
    "Item": {"pk": {"S": "a"}, "sk": {"S": "x"}},
    "ConditionExpression": "attribute_not_exists(pk)",
}


@pytest.fixture(autouse=True)
def _empty_diary() -> None:
    diary.clear()


def calls(*each: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    return {"calls": [list(one) for one in each]}


def once(fault: Fault) -> Any:
    """A hook that does `fault` to the first call, and nothing to the others."""
    left = [fault]
    return lambda _: left.pop() if left else None


class TestKilled:
    @pytest.mark.parametrize("after_effect", [False, True])
    def test_the_process_ends_and_the_next_one_is_new(self, after_effect: bool) -> None:
        ended: list[str] = []
        hook = once(Fault(ProcessKilledError(), after_effect=after_effect))
        with EmbeddedAws(
            TOY / "template.yaml",
            clock=VirtualClock(START),
            seed=7,
            stack="toy",
            before_call=hook,
            on_exit=ended.append,
        ) as aws:
            with pytest.raises(FunctionError) as failed:
                aws.invoke("SendOutFunction", calls(("dynamodb", "put_item", PUT), ("dynamodb", "put_item", PUT)))
            assert failed.value.error_type == "Runtime.ExitError"
            assert len(aws.items("ItemsTable")) == int(after_effect)
            assert ended == ["toy-SendOutFunction"]
            assert aws.counters.calls == {"dynamodb.PutItem": 1}
            # Alive again.
            unconditional = {"TableName": PUT["TableName"], "Item": PUT["Item"]}
            aws.invoke("SendOutFunction", calls(("dynamodb", "put_item", unconditional)))

    def test_what_finally_blocks_still_try_has_no_effect(self) -> None:
        def handler(event: dict[str, Any], context: Any) -> None:
            try:
                client("dynamodb").put_item(**PUT)
            finally:
                client("dynamodb").put_item(**PUT)

        hook = once(Fault(ProcessKilledError()))
        with EmbeddedAws(
            TOY / "template.yaml", clock=VirtualClock(START), seed=7, stack="toy", before_call=hook
        ) as aws:
            aws._functions._handlers["SendOutFunction"] = handler
            with pytest.raises(FunctionError) as failed:
                aws.invoke("SendOutFunction", {})
            assert failed.value.error_type == "Runtime.ExitError"
            assert aws.items("ItemsTable") == []


class TestAskedTwice:
    LOST = Fault(ConnectionClosedError(endpoint_url="https://aws.invalid"), after_effect=True, repeated=True)

    def test_the_second_time_hears_the_echo_of_the_first(self) -> None:
        with EmbeddedAws(
            TOY / "template.yaml", clock=VirtualClock(START), seed=7, stack="toy", before_call=once(self.LOST)
        ) as aws:
            with pytest.raises(FunctionError) as failed:
                aws.invoke("SendOutFunction", calls(("dynamodb", "put_item", PUT)))
            assert isinstance(failed.value.__cause__, ClientError)
            assert len(aws.items("ItemsTable")) == 1

    def test_a_client_made_to_try_once_does_not_ask_again(self) -> None:
        def handler(event: dict[str, Any], context: Any) -> None:
            config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
            boto3.client("dynamodb", region_name="us-east-1", config=config).put_item(**PUT)  # type: ignore[arg-type]

        with EmbeddedAws(
            TOY / "template.yaml", clock=VirtualClock(START), seed=7, stack="toy", before_call=once(self.LOST)
        ) as aws:
            aws._functions._handlers["SendOutFunction"] = handler
            with pytest.raises(FunctionError) as failed:
                aws.invoke("SendOutFunction", {})
            assert isinstance(failed.value.__cause__, ConnectionClosedError)
            assert len(aws.items("ItemsTable")) == 1


class TestInProcess:
    @pytest.fixture
    def fault(self) -> str:
        return "time_out"

    @pytest.fixture
    def simulator(self, fault: str) -> Iterator[Simulator]:
        simulator = Simulator(lambda: START, 1, Faults().but(**({fault: 1.0} if fault else {})))
        with InProcess(simulator):
            yield simulator

    @staticmethod
    def send() -> Any:
        config = Config(read_timeout=60, retries={"total_max_attempts": 1, "mode": "standard"})
        client = boto3.client(
            "pinpoint-sms-voice-v2",
            region_name="us-east-1",
            endpoint_url=URL,
            config=config,
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        return client.send_text_message(
            DestinationPhoneNumber="+12125550123", OriginationIdentity="+12065550100", MessageBody="Hello"
        )

    @pytest.mark.parametrize("fault", [""])
    def test_botocore_reads_the_answer(self, simulator: Simulator) -> None:
        assert self.send()["MessageId"] == simulator.record.hand_overs[0].provider_message_id

    @pytest.mark.parametrize(("fault", "error"), [("time_out", ReadTimeoutError), ("reset", ConnectionClosedError)])
    def test_silence_is_what_botocore_would_meet_and_takes_no_time(
        self, simulator: Simulator, error: type[Exception]
    ) -> None:
        began = time.perf_counter()
        with pytest.raises(error):
            self.send()
        assert time.perf_counter() - began < 30
        (given,) = simulator.record.hand_overs
        assert given.accepted

    @pytest.mark.parametrize(
        ("fault", "code"), [("error_after", "InternalServerException"), ("throttled", "ThrottlingException")]
    )
    def test_refusals_are_mapped_by_botocore_itself(self, simulator: Simulator, code: str) -> None:
        with pytest.raises(ClientError) as refused:
            self.send()
        assert refused.value.response["Error"]["Code"] == code

    @pytest.mark.parametrize(
        ("fault", "error"),
        [("time_out", urllib3.exceptions.ReadTimeoutError), ("reset", urllib3.exceptions.ProtocolError)],
    )
    def test_urllib3_meets_the_same(self, simulator: Simulator, error: type[Exception]) -> None:
        from local.simulator.finance import signature

        body = json.dumps(
            {
                "out_id": "b/1",
                "reserved_at": START.isoformat(),
                "phone": "13491234567",
                "sender": "106900000142",
                "signature": "x",
                "content": "y",
                "ttl_seconds": 60,
            }
        ).encode()
        stamp = str(int(START.timestamp()))
        keys = simulator.finance_keys
        headers = {
            "X-Key-Id": keys.key_id,
            "X-Timestamp": stamp,
            "X-Signature": signature(keys.secret, stamp, body),
        }
        with urllib3.PoolManager() as pool, pytest.raises(error):
            pool.request("POST", f"{URL}/v1/messages", body=body, headers=headers, retries=False)
        assert simulator.record.hand_overs[0].accepted

    def test_closed_it_is_nobody(self) -> None:
        with InProcess(Simulator(lambda: START, 1, Faults())):
            pass
        with urllib3.PoolManager() as pool, pytest.raises(urllib3.exceptions.NewConnectionError):
            pool.request("POST", URL, retries=False, timeout=1)
