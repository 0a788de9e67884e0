"""The embedded AWS wired by a toy template: what arrives, in which order, and what happens when it fails."""

from __future__ import annotations

import http.server
import json
import os
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.embedded import CallInfo, EmbeddedAws, Fault, FunctionError, TemplateError, VirtualClock
from tests.local.fixtures.toy.shared import client, diary

TOY = Path(__file__).parent / "fixtures" / "toy"
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _empty_diary() -> None:
    diary.clear()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def aws(clock: VirtualClock) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(TOY / "template.yaml", clock=clock, seed=7, stack="toy") as embedded:
        yield embedded


def put(pk: str, **attributes: str) -> None:
    item = {"pk": {"S": pk}, "sk": {"S": "x"}, **{name: {"S": value} for name, value in attributes.items()}}
    client("dynamodb").put_item(TableName="toy-ItemsTable", Item=item)


def send(queue: str, body: str, **more: Any) -> str:
    url = f"https://sqs.us-east-1.amazonaws.com/123456789012/toy-{queue}"
    return str(client("sqs").send_message(QueueUrl=url, MessageBody=body, **more)["MessageId"])


def start(name: str, *words: str) -> None:
    item: dict[str, Any] = {"pk": {"S": name}, "sk": {"S": "plan"}, "words": {"L": [{"S": word} for word in words]}}
    client("dynamodb").put_item(TableName="toy-ItemsTable", Item=item)
    client("stepfunctions").start_execution(
        stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:toy-Loop",
        name=name,
        input=json.dumps({"id": name}),
    )


def token(aws: EmbeddedAws, name: str) -> str:
    return next(str(item["token"]) for item in aws.items("ItemsTable") if item["pk"] == name and "token" in item)


def run_for(aws: EmbeddedAws, clock: VirtualClock, span: timedelta) -> None:
    """Jump from one due moment to the next until `span` is over."""
    end = clock.now() + span
    aws.drain()
    while (due := aws.next_due()) is not None and due <= end:
        clock.advance_to(due)
        aws.drain()
    clock.advance_to(end)


class TestStreams:
    def test_filtered_changes_arrive_once_in_the_shape_of_lambda(self, aws: EmbeddedAws) -> None:
        put("a", state="NEW")
        put("b", state="OLD")
        put("a", state="NEW")  # changes nothing: no record, as in AWS
        put("a", state="NEW", extra="1")
        assert aws.drain() == 1  # one batch: same key, same shard
        assert sorted(diary) == [("change", "a", "INSERT"), ("change", "a", "MODIFY")]
        assert aws.next_due() is None

    def test_update_that_creates_makes_one_record(self, aws: EmbeddedAws) -> None:
        client("dynamodb").update_item(
            TableName="toy-ItemsTable",
            Key={"pk": {"S": "a"}, "sk": {"S": "x"}},
            UpdateExpression="SET #s = :s",
            ExpressionAttributeNames={"#s": "state"},
            ExpressionAttributeValues={":s": {"S": "NEW"}},
        )
        aws.drain()
        assert diary == [("change", "a", "INSERT")]

    @pytest.mark.parametrize("kind", ["raise", "fail"])
    def test_poison_goes_to_the_destination_and_blocks_nobody(
        self, aws: EmbeddedAws, clock: VirtualClock, kind: str
    ) -> None:
        names = [f"p{number}" for number in range(40)]
        for name in names:
            put(name, state="NEW", kind=kind if name == "p7" else "fine")
        run_for(aws, clock, timedelta(minutes=10))
        assert {entry[1] for entry in diary} == set(names) - {"p7"}
        (metadata,) = [json.loads(body) for body in aws.queue_bodies("StreamFailures")]
        assert metadata["DDBStreamBatchInfo"]["batchSize"] == 1
        assert metadata["requestContext"]["condition"] == "RetryAttemptsExhausted"
        assert metadata["requestContext"]["approximateInvokeCount"] == 4
        assert aws.counters.dead_letters["RecordChangeFunction"] == 1
        assert aws.next_due() is None


class TestQueues:
    def test_failed_message_comes_back_after_its_time_out_then_goes_to_the_dead_letters(
        self, aws: EmbeddedAws, clock: VirtualClock
    ) -> None:
        for body in ("one", "fail", "three", "four"):
            send("WorkQueue", body)
        aws.drain()
        assert [entry[1] for entry in diary] == ["one", "fail", "three", "four"]
        assert aws.next_due() == START + timedelta(seconds=60)
        assert aws.drain() == 0
        run_for(aws, clock, timedelta(minutes=10))
        assert [entry[2] for entry in diary if entry[1] == "fail"] == ["1", "2", "3"]
        assert aws.queue_bodies("WorkDeadLetters") == ["fail"]
        assert aws.counters.dead_letters == {"toy-WorkQueue": 1}
        assert aws.counters.batch_failures == {"WorkQueueFunction": 3}

    def test_delay_is_virtual(self, aws: EmbeddedAws, clock: VirtualClock) -> None:
        send("WorkQueue", "later", DelaySeconds=300)
        assert aws.drain() == 0
        assert aws.next_due() == START + timedelta(seconds=300)
        clock.advance_to(START + timedelta(seconds=300))
        assert aws.drain() == 1

    def test_fifo_group_keeps_its_order_while_others_go_on(self, aws: EmbeddedAws, clock: VirtualClock) -> None:
        for number, (group, body) in enumerate([("a", "fail"), ("a", "after"), ("b", "free")]):
            send("FifoQueue.fifo", body, MessageGroupId=group, MessageDeduplicationId=str(number))
        aws.drain()
        assert diary == [("fifo", "a", "fail"), ("fifo", "b", "free")]
        run_for(aws, clock, timedelta(minutes=5))
        assert diary[2:] == [("fifo", "a", "fail"), ("fifo", "a", "after")]
        assert aws.queue_bodies("FifoDeadLetters") == ["fail"]

    def test_fifo_deduplicates_for_five_minutes_even_what_was_deleted(
        self, aws: EmbeddedAws, clock: VirtualClock
    ) -> None:
        same = {"MessageGroupId": "g", "MessageDeduplicationId": "same"}
        first = send("FifoQueue.fifo", "x", **same)
        aws.drain()
        clock.advance_to(START + timedelta(minutes=4))
        assert send("FifoQueue.fifo", "x", **same) == first
        assert aws.drain() == 0
        clock.advance_to(START + timedelta(minutes=5))
        assert send("FifoQueue.fifo", "x", **same) != first
        assert aws.drain() == 1

    def test_topic_and_bus_reach_the_queue(self, aws: EmbeddedAws) -> None:
        aws.publish("Topic", "from the topic")
        entry = {"Source": "toy.core", "DetailType": "paid", "Detail": '{"n": 1}', "EventBusName": "toy-bus"}
        aws.put_events([entry, {**entry, "Source": "other"}])
        aws.drain()
        bodies = [entry[1] for entry in diary]
        assert bodies[0] == "from the topic"
        event = json.loads(bodies[1])
        assert (event["detail"], event["time"]) == ({"n": 1}, "2026-03-01T09:00:00Z")
        assert len(bodies) == 2


class TestSchedules:
    def test_slots_are_aligned_and_a_jump_fires_once(self, aws: EmbeddedAws, clock: VirtualClock) -> None:
        aws.tick()
        aws.tick()
        clock.advance_to(START + timedelta(minutes=1, seconds=30))
        aws.tick()
        clock.advance_to(START + timedelta(hours=20))
        aws.tick()
        times = [entry[1] for entry in diary]
        assert times == ["2026-03-01T09:00:00Z", "2026-03-01T09:01:00Z", "2026-03-02T05:00:00Z", "nightly"]
        assert aws.next_schedule() == START + timedelta(hours=20, minutes=1)


class TestHttp:
    def test_event_and_answer(self, aws: EmbeddedAws, tmp_path: Path) -> None:
        answer = aws.request("POST", "/things:echo", headers={"A": "b"}, body=b"hi", query={"q": ["1", "2"]})
        assert (answer.status, answer.headers["X-Toy"]) == (201, "yes")
        assert json.loads(answer.body) == {
            "body": "hi",
            "pathParameters": None,
            "queryStringParameters": {"q": "2"},
            "resource": "/things:echo",
            "secret": 40,
            "name": "toy-AnswerHttpFunction",
            "greeting": "hello from toy",
        }

    def test_path_parameters_unknown_routes_and_failures(self, aws: EmbeddedAws) -> None:
        answer = json.loads(aws.request("PUT", "/things/big/a%20b").body)
        assert answer["pathParameters"] == {"kind": "big", "id": "a b"}
        assert aws.request("GET", "/nowhere").status == 403
        assert aws.request("GET", "/things/x/boom").status == 502
        assert aws.counters.errors == {"AnswerHttpFunction": 1}

    def test_logs_and_environment_belong_to_the_function(
        self, clock: VirtualClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        started: list[str | None] = []
        with EmbeddedAws(
            TOY / "template.yaml",
            clock=clock,
            seed=7,
            stack="toy",
            logs_dir=tmp_path / "logs",
            environment={"EXTRA": "1"},
            on_start=lambda: started.append(os.environ.get("EXTRA")),
        ) as aws:
            aws.request("GET", "/things/x/y")
            aws.request("GET", "/things/x/boom")
            aws.drain()
            assert "GREETING" not in os.environ
        assert started == ["1"]
        log = (tmp_path / "logs" / "AnswerHttpFunction.log").read_text()
        assert "asked for /things/x/y" in log
        assert "RuntimeError: boom" in log
        assert capsys.readouterr().out == ""


class TestWorkflows:
    def test_loop_parks_and_goes_on_when_its_token_is_answered(self, aws: EmbeddedAws) -> None:
        start("case", "park", "park")
        aws.drain()
        states = client("stepfunctions")
        for _ in range(2):
            assert aws.executions("Loop") == {"case": "RUNNING"}
            states.send_task_success(taskToken=token(aws, "case"), output="{}")
            aws.drain()
        assert aws.executions("Loop") == {"case": "SUCCEEDED"}
        assert [entry[0] for entry in diary] == ["assess", "park", "assess", "park", "assess"]
        assert aws.interpreter_failures == ()

    def test_token_answered_twice_is_refused(self, aws: EmbeddedAws) -> None:
        start("case", "park", "park")
        aws.drain()
        first = token(aws, "case")
        states = client("stepfunctions")
        states.send_task_success(taskToken=first, output="{}")
        with pytest.raises(states.exceptions.TaskTimedOut):
            states.send_task_success(taskToken=first, output="{}")
        aws.drain()
        with pytest.raises(states.exceptions.TaskTimedOut):
            states.send_task_success(taskToken=first, output="{}")
        states.send_task_success(taskToken=token(aws, "case"), output="{}")
        aws.drain()
        with pytest.raises(states.exceptions.InvalidToken):
            states.send_task_success(taskToken=first, output="{}")

    def test_wait_retry_and_time_out_take_virtual_time(self, aws: EmbeddedAws, clock: VirtualClock) -> None:
        start("case", "wait", "hiccup", "park", "done")
        aws.drain()
        assert aws.next_due() == START + timedelta(hours=1)
        run_for(aws, clock, timedelta(hours=2))
        entered = [datetime.fromisoformat(entry[3]) for entry in diary if entry[0] == "assess"]
        assert entered[:2] == [START, START + timedelta(hours=1)]
        assert aws.executions("Loop") == {"case": "RUNNING"}
        run_for(aws, clock, timedelta(days=2))  # the token is never answered: TimeoutSeconds ends the wait
        assert aws.executions("Loop") == {"case": "SUCCEEDED"}
        assert [entry[2] for entry in diary if entry[0] == "assess"] == ["wait", "hiccup", "park", "done"]

    def test_same_name_is_refused_and_stop_aborts(self, aws: EmbeddedAws) -> None:
        start("case", "park")
        aws.drain()
        states = client("stepfunctions")
        machine = "arn:aws:states:us-east-1:123456789012:stateMachine:toy-Loop"
        with pytest.raises(states.exceptions.ExecutionAlreadyExists):
            states.start_execution(stateMachineArn=machine, name="case", input='{"id": "other"}')
        states.stop_execution(executionArn=machine.replace("stateMachine", "execution") + ":case")
        assert aws.executions("Loop") == {"case": "ABORTED"}
        assert aws.drain() == 0

    def test_hundreds_alive_run_in_the_order_of_their_names(self, aws: EmbeddedAws) -> None:
        names = [f"case-{number:03d}" for number in range(200)]
        for name in reversed(names):
            start(name, "park", "park")
        aws.drain()
        assert [entry[1] for entry in diary if entry[0] == "assess"] == names
        assert set(aws.executions("Loop").values()) == {"RUNNING"}


class TestCalls:
    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        return {"calls": [[service, operation, parameters]]}

    def test_emails_and_texts_are_kept(self, clock: VirtualClock) -> None:
        content = {"Simple": {"Subject": {"Data": "Hi"}, "Body": {"Text": {"Data": "You owe nothing"}}}}
        email = {"FromEmailAddress": "a@lender.example", "Destination": {"ToAddresses": ["b@x.example"]}}
        with EmbeddedAws(TOY / "template.yaml", clock=clock, seed=7, stack="toy", identities=["lender.example"]) as aws:
            aws.invoke("SendOutFunction", self.call("sesv2", "send_email", **email, Content=content))
            aws.invoke("SendOutFunction", self.call("sns", "publish", PhoneNumber="+12065550100", Message="hello"))
            (sent,) = aws.emails()
            assert (sent.source, sent.subject, sent.body) == ("a@lender.example", "Hi", "You owe nothing")
            assert sent.destinations["ToAddresses"] == ("b@x.example",)
            (text,) = aws.sns_texts()
            assert (text.phone_number, text.message) == ("+12065550100", "hello")
            assert aws.counters.calls == {"sesv2.SendEmail": 1, "sns.Publish": 1}

    def test_real_loopback_endpoint_is_reached(self, clock: VirtualClock) -> None:
        seen: list[tuple[str, Any]] = []

        class Simulator(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((self.headers["X-Amz-Target"], json.loads(body)))
                answer = json.dumps({"MessageId": "m-1"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Simulator) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            endpoint = {"AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": f"http://127.0.0.1:{server.server_address[1]}"}
            with EmbeddedAws(TOY / "template.yaml", clock=clock, seed=7, stack="toy", environment=endpoint) as aws:
                text = {"DestinationPhoneNumber": "+12065550100", "MessageBody": "hello"}
                call = self.call("pinpoint-sms-voice-v2", "send_text_message", **text)
                assert aws.invoke("SendOutFunction", call) == [{"MessageId": "m-1"}]
                assert aws.counters.calls == {"pinpoint-sms-voice-v2.SendTextMessage": 1}
            server.shutdown()
            thread.join()
        assert seen == [("PinpointSMSVoiceV2.SendTextMessage", text)]

    @pytest.mark.parametrize("after_effect", [False, True])
    def test_faults_before_and_after_the_effect(self, clock: VirtualClock, after_effect: bool) -> None:
        calls: list[CallInfo] = []

        def fault(call: CallInfo) -> Fault | None:
            calls.append(call)
            return Fault(ConnectionResetError(), after_effect=after_effect)

        with EmbeddedAws(TOY / "template.yaml", clock=clock, seed=7, stack="toy", before_call=fault) as aws:
            item = {"TableName": "toy-ItemsTable", "Item": {"pk": {"S": "a"}, "sk": {"S": "x"}}}
            with pytest.raises(FunctionError, match="ConnectionResetError"):
                aws.invoke("SendOutFunction", self.call("dynamodb", "put_item", **item))
            assert len(aws.items("ItemsTable")) == int(after_effect)
        assert [(call.function, call.service, call.operation, call.number) for call in calls] == [
            ("SendOutFunction", "dynamodb", "PutItem", 1)
        ]

    def test_handlers_error_reaches_the_caller(self, aws: EmbeddedAws) -> None:
        with pytest.raises(FunctionError) as caught:
            aws.invoke("SendOutFunction", self.call("dynamodb", "describe_table", TableName="nowhere"))
        assert isinstance(caught.value.__cause__, ClientError)


def test_same_seed_same_run(clock: VirtualClock, tmp_path: Path) -> None:
    def run(seed: int) -> list[Any]:
        diary.clear()
        clock = VirtualClock(START)
        with EmbeddedAws(TOY / "template.yaml", clock=clock, seed=seed, stack="toy", interleave=True) as aws:
            for number in range(12):
                start(f"case-{number}", "hiccup", "park", "wait")
                put(f"item-{number}", state="NEW", kind="raise" if number == 5 else "fine")
                send("WorkQueue", "fail" if number == 3 else "fine")
            for _ in range(90):
                clock.advance_to(clock.now() + timedelta(minutes=1))
                aws.tick()
            made = str(uuid.uuid4())
            return [list(diary), list(aws.history), dict(aws.counters.calls), made, aws.items("ItemsTable")]

    first, second, other = run(1), run(1), run(2)
    assert first == second
    assert first != other


def test_nothing_is_left_behind(clock: VirtualClock) -> None:
    before = threading.active_count(), dict(os.environ), uuid.uuid4
    with EmbeddedAws(TOY / "template.yaml", clock=clock, seed=7, stack="toy") as aws:
        for number in range(50):
            start(f"case-{number}", "park")
        aws.drain()
        assert threading.active_count() > 50
    assert (threading.active_count(), dict(os.environ), uuid.uuid4) == before


def test_only_the_opening_thread_may_drive(aws: EmbeddedAws) -> None:
    caught: list[BaseException] = []

    def drive() -> None:
        try:
            aws.drain()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=drive)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_template_that_asks_for_more_is_refused(clock: VirtualClock, tmp_path: Path) -> None:
    for text in (
        "Resources: {Thing: {Type: 'AWS::Neptune::DBCluster'}}",
        "Resources: {F: {Type: 'AWS::Serverless::Function', Properties: {Handler: a.b, Events: {E: {Type: Kinesis}}}}}",
        "Resources: {Q: {Type: 'AWS::SQS::Queue', Properties: {VisibilityTimeout: {'Fn::ImportValue': x}}}}",
        "Parameters: {P: {Type: String}}\nResources: {}",
    ):
        path = tmp_path / "template.yaml"
        path.write_text(text)
        with pytest.raises(TemplateError), EmbeddedAws(path, clock=clock, seed=1):
            pass


def test_projects_own_template_opens(clock: VirtualClock) -> None:
    path = Path(__file__).parents[2] / "template.yaml"
    with EmbeddedAws(path, clock=clock, seed=1) as aws:
        assert aws.drain() == 0
        assert aws.next_due() is None
        assert aws.next_schedule() == START + timedelta(minutes=1)


def test_clock_never_goes_back() -> None:
    clock = VirtualClock(START)
    with pytest.raises(ValueError, match="back"):
        clock.advance_to(START - timedelta(seconds=1))
    with pytest.raises(ValueError, match="naive"):
        clock.advance_to(datetime(2027, 1, 1))  # noqa: DTZ001 - the very thing that is refused
