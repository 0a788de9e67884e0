"""The escalation's definition: it lints, and on an interpreter it goes where the verdicts say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from dunlin.domain.words import CaseOutcome
from statelint.cli import main as statelint

from tests.infra.stack import ROOT, stack

DEFINITION = ROOT / "functions" / "escalation" / "escalation.asl.yaml"
REGION = "eu-west-1"
ACCOUNT = "123456789012"
SUBSTITUTES = {
    "Partition": "aws",
    "AssessCaseFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:assess",
    "ParkCaseFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:park",
}
CASE = {"borrower_id": "b-1", "episode": 1, "generation": 1}
ENDS = {
    CaseOutcome.CURED: "Cured",
    CaseOutcome.REFERRED: "Referred",
    CaseOutcome.OPTED_OUT: "OptedOut",
    CaseOutcome.CLOSED: "Closed",
    CaseOutcome.AGREED: "Agreed",
}


def definition() -> dict[str, Any]:
    text = DEFINITION.read_text(encoding="utf-8")
    for name, value in SUBSTITUTES.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text, "a substitution that the template does not make"
    read = yaml.safe_load(text)
    assert isinstance(read, dict)
    return read


# ── Read ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_statelint_finds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "escalation.asl.json"
    path.write_text(json.dumps(definition()), encoding="utf-8")
    assert statelint([str(path)]) == 0, capsys.readouterr().out


def test_the_template_makes_exactly_the_substitutions() -> None:
    machine = stack().properties("EscalationStateMachine")
    assert set(machine["DefinitionSubstitutions"]) == set(SUBSTITUTES)
    assert machine["DefinitionUri"] == str(DEFINITION.relative_to(ROOT))
    assert machine["Logging"]["IncludeExecutionData"] is False


def test_it_never_waits_for_the_clock() -> None:
    # Time has one source, the wake index; a Wait state would sleep by another.
    assert "Wait" not in {state["Type"] for state in definition()["States"].values()}


def test_only_ids_are_handed_to_the_functions() -> None:
    states = definition()["States"]
    ids = {"borrower_id.$", "episode.$", "generation.$"}
    assert set(states["Assess"]["Parameters"]["Payload"]) == ids
    assert set(states["Park"]["Parameters"]["Payload"]) == ids | {"token.$", "version.$"}


@pytest.mark.parametrize("name", ["Assess", "Park"])
def test_a_task_is_bounded_and_tried_again_with_jitter(name: str) -> None:
    task = definition()["States"][name]
    assert task["TimeoutSeconds"] <= 35 * 86400
    for retrier in task["Retry"]:
        assert retrier["MaxAttempts"] <= 20
        assert retrier["MaxDelaySeconds"] <= 900, "what heals is noticed within a quarter of an hour"
        assert retrier["JitterStrategy"] == "FULL"
        assert retrier["BackoffRate"] > 1
    assert "Lambda.TooManyRequestsException" in task["Retry"][0]["ErrorEquals"]


def test_an_outage_of_parking_does_not_fill_the_history() -> None:
    """A case that cannot be parked is assessed and parked again and again: at most 25,000 events an execution."""
    states = definition()["States"]
    retrier = states["Park"]["Retry"][1]
    delays = [
        min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempt, retrier["MaxDelaySeconds"])
        for attempt in range(retrier["MaxAttempts"])
    ]
    # An attempt is scheduled, started and failed; the state is entered and left, and so are Assess and Decide.
    events_a_round = 3 * (len(delays) + 1) + 2 + 5 + 2
    seconds_a_round = sum(delays) / 2  # full jitter
    assert 25_000 / events_a_round * seconds_a_round > 21 * 86400


def test_a_wait_that_ends_badly_leads_back_to_an_assessment() -> None:
    (catcher,) = definition()["States"]["Park"]["Catch"]
    assert set(catcher["ErrorEquals"]) == {"States.Timeout", "States.TaskFailed"}
    assert catcher["Next"] == "Assess"
    assert catcher["ResultPath"] is None, "the next round reads the ids"


def test_every_outcome_has_an_end_and_only_the_unexpected_fails() -> None:
    states = definition()["States"]
    assert set(ENDS) == set(CaseOutcome)
    assert {name for name, state in states.items() if state["Type"] == "Succeed"} == set(ENDS.values())
    assert [name for name, state in states.items() if state["Type"] == "Fail"] == ["UnknownVerdict"]


# ── Run, on moto's interpreter ───────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Machine:
    """Runs executions; its two functions answer what a test lays down."""

    verdicts: list[Mapping[str, Any]] = field(default_factory=list)
    assessed: list[Mapping[str, Any]] = field(default_factory=list)
    parked: list[Mapping[str, Any]] = field(default_factory=list)
    client: Any = None
    arn: str = ""

    def invoke(self, function_name: str, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if function_name.endswith("assess"):
            self.assessed.append(payload)
            return self.verdicts.pop(0)
        self.parked.append(payload)
        return None

    def start(self) -> str:
        started = self.client.start_execution(stateMachineArn=self.arn, name="b-1.1", input=json.dumps(CASE))
        return str(started["executionArn"])

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not met():
            assert time.monotonic() < deadline, "the execution stands still"
            time.sleep(0.01)

    def until_parked(self, times: int) -> None:
        self.until(lambda: len(self.parked) == times)

    def status(self, execution: str) -> str:
        return str(self.client.describe_execution(executionArn=execution)["status"])

    def ended(self, execution: str) -> str:
        self.until(lambda: self.status(execution) != "RUNNING")
        return self.status(execution)

    def last_state(self, execution: str) -> str:
        events = self.client.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return str(
            [item["stateEnteredEventDetails"]["name"] for item in events if "stateEnteredEventDetails" in item][-1]
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    import boto3
    from moto import mock_aws
    from moto.awslambda_simple.models import LambdaSimpleBackend

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", REGION),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    made = Machine()

    def invoke(
        self: object, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> bytes:
        return json.dumps(made.invoke(function_name, json.loads(body))).encode()

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)
    with mock_aws(config={"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}):
        made.client = boto3.client("stepfunctions")
        created = made.client.create_state_machine(
            name="escalation", definition=json.dumps(definition()), roleArn=f"arn:aws:iam::{ACCOUNT}:role/escalation"
        )
        made.arn = created["stateMachineArn"]
        yield made


def park(version: int) -> dict[str, Any]:
    return {"next": "park", "outcome": None, "version": version, "rounds": version}


def end(outcome: str) -> dict[str, Any]:
    return {"next": "end", "outcome": outcome, "version": 9, "rounds": 9}


@pytest.mark.parametrize("outcome", CaseOutcome)
def test_a_verdict_ends_the_execution_as_a_success(machine: Machine, outcome: CaseOutcome) -> None:
    machine.verdicts = [end(outcome)]
    execution = machine.start()
    assert machine.ended(execution) == "SUCCEEDED"
    assert machine.last_state(execution) == ENDS[outcome]
    assert machine.assessed == [CASE]


def test_a_ring_leads_to_another_assessment_of_the_same_ids(machine: Machine) -> None:
    machine.verdicts = [park(4), park(5), end("cured")]
    execution = machine.start()
    for round_ in (1, 2):
        machine.until_parked(round_)
        assert machine.status(execution) == "RUNNING"
        machine.client.send_task_success(taskToken=machine.parked[-1]["token"], output="{}")
    assert machine.ended(execution) == "SUCCEEDED"
    assert machine.assessed == [CASE] * 3
    assert [{**parked, "token": ""} for parked in machine.parked] == [
        {**CASE, "version": 4, "token": ""},
        {**CASE, "version": 5, "token": ""},
    ]
    assert machine.parked[0]["token"] != machine.parked[1]["token"]


@pytest.mark.parametrize("verdict", [{"next": "end", "outcome": "lost"}, {"next": "wait", "outcome": None}])
def test_a_verdict_that_nobody_knows_fails_loudly(machine: Machine, verdict: Mapping[str, Any]) -> None:
    machine.verdicts = [{**verdict, "version": 1, "rounds": 1}]
    execution = machine.start()
    assert machine.ended(execution) == "FAILED"
    assert machine.last_state(execution) == "UnknownVerdict"
