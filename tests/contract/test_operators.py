"""The operators' commands against a stack: the template's tables, queues and state machine, found by name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from dunlin.adapters.dynamo.controls import DynamoControls
from dunlin.adapters.dynamo.models import bind
from dunlin.adapters.dynamo.store import DynamoStore
from dunlin.domain.words import MessageState, PauseScope, Reason
from dunlin.services.ports import Change, FeedState, Hearing, LineState
from moto import mock_aws
from moto.sqs.responses import SQSResponse
from typer.testing import CliRunner, Result

from local import cli
from local.commands import deployment
from local.embedded.provision import Provisioner
from local.embedded.template import Template
from tests.builders import NOW, PHONE, TODAY, a_borrower, a_loan, a_message
from tests.contract.conftest import ENVIRONMENT, REGION
from tests.infra.stack import TEMPLATE

STACK = "lender"
CORE_DLQ, CORE = "CoreEventsDeadLetterQueue", "CoreEventsQueue"


def provisioned() -> dict[str, str]:
    """The template's tables, queues and state machine; their physical ids by logical id, as CloudFormation has them."""
    read = Template.read(TEMPLATE, parameters={"Environment": "dev"}, region=REGION, stack=STACK)
    provisioner = Provisioner(read, seed=1, identities=())
    provisioner._tables()
    provisioner._queues()
    provisioner._state_machines()
    physical = {
        "AWS::DynamoDB::Table": read.physical_name,
        "AWS::SQS::Queue": read.ref,
        "AWS::Serverless::StateMachine": read.arn,
    }
    return {
        resource.logical_id: str(physical[resource.type](resource.logical_id))
        for resource in read.resources()
        if resource.type in physical
    }


def cloudformation(names: dict[str, str]) -> Any:
    """ListStackResources, in pages, of the one stack there is: moto's own needs more than is installed here."""
    original = BaseClient._make_api_call  # type: ignore[attr-defined]
    entries = [
        {"LogicalResourceId": logical, "PhysicalResourceId": physical, "ResourceType": "x", "ResourceStatus": "x"}
        for logical, physical in names.items()
    ]

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation != "ListStackResources":
            return original(client, operation, parameters)
        if parameters["StackName"] != STACK:
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "does not exist"}}, operation)
        begin = int(parameters.get("NextToken", "0"))
        page: dict[str, Any] = {"StackResourceSummaries": entries[begin : begin + 5]}
        return page | ({"NextToken": str(begin + 5)} if begin + 5 < len(entries) else {})

    return mock.patch.object(BaseClient, "_make_api_call", call)


@dataclass
class Deployed:
    """A stack, and hands to put something into it."""

    names: dict[str, str]
    sqs: Any
    store: DynamoStore
    controls: DynamoControls

    def send(self, queue: str, body: object, **more: Any) -> str:
        sent = self.sqs.send_message(QueueUrl=self.names[queue], MessageBody=json.dumps(body), **more)
        return str(sent["MessageId"])

    def bodies(self, queue: str) -> list[Any]:
        found: list[Any] = []
        while True:
            answer = self.sqs.receive_message(QueueUrl=self.names[queue], MaxNumberOfMessages=10, VisibilityTimeout=60)
            if "Messages" not in answer:
                return found
            found += [json.loads(message["Body"]) for message in answer["Messages"]]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    with mock.patch.dict(os.environ, {**ENVIRONMENT, "COLUMNS": "220"}), mock_aws():
        monkeypatch.setattr(deployment, "clock", lambda: NOW)
        names = provisioned()
        bind(
            region=REGION,
            borrowers=names["BorrowersTable"],
            messages=names["MessagesTable"],
            suppressions=names["SuppressionsTable"],
            controls=names["ControlsTable"],
        )
        controls = DynamoControls()
        for ear in ("reports", "inbound"):
            controls.put_hearing(Hearing(ear, 0, "p", NOW, NOW))
        with cloudformation(names):
            yield Deployed(names, boto3.client("sqs", region_name=REGION), DynamoStore(REGION), controls)


def dunlin(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, [*arguments, "--stack", STACK])


def findings(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(cli.app, ["stuck", "--json", "-", "--stack", STACK, *arguments])
    document = json.loads(result.stdout)
    assert result.exit_code == (1 if document["stuck"] else 0), result.output
    assert PHONE not in result.output
    found: list[dict[str, Any]] = document["findings"]
    return found


EVENT = {
    "detail": {
        "event_id": "e-7",
        "type": "payment.applied",
        "borrower_id": "b-1",
        "loan": {"loan_id": "l-1", "sequence": 1},
        "payment": {"amount": "7391.57"},
    }
}


class TestStuck:
    def test_nothing(self, deployed: Deployed) -> None:
        assert findings() == []
        result = dunlin("stuck")
        assert (result.exit_code, "Nothing is stuck." in result.output) == (0, True)

    def test_everything_at_once(self, deployed: Deployed) -> None:
        hour = timedelta(hours=1)
        deployed.store.commit(Change(new_messages=(a_message(attend_at=NOW - hour, state=MessageState.DUE),)))
        deployed.store.commit(Change(borrower=a_borrower(a_loan(), revision=0, wake_at=NOW - hour)))
        deployed.controls.put_hearing(replace(deployed.controls.hearing("reports"), sent_at=NOW - hour))
        deployed.controls.put_feed(FeedState(complete_to=NOW, gap_since=NOW - hour))
        deployed.controls.put_line(LineState("us-10dlc", stopped_until=NOW + hour, stop_reason=Reason.SPEND_LIMIT))
        deployed.send(CORE_DLQ, EVENT)
        dunlin("pause", "template", "reminder", "--reason", "a comma is missing", "--by", "staff-7")
        found = {finding["kind"]: finding for finding in findings()}
        assert set(found) == {"message", "borrower", "ear", "feed", "line", "dead letters", "pause"}
        assert found["message"]["ids"] == [a_message().ref]
        assert found["borrower"]["ids"] == ["b-1"]
        assert found["pause"]["deliberate"] is True
        assert (found["dead letters"]["count"], found["dead letters"]["ids"] != []) == (1, True)
        shown = dunlin("stuck").output
        assert all(finding["advice"][:40] in shown for finding in found.values())
        assert "7391" not in shown
        # Looked at twice, and still there for whoever redrives it.
        assert dunlin("redrive").exit_code == 1

    def test_how_long_is_too_long(self, deployed: Deployed) -> None:
        deployed.store.commit(Change(borrower=a_borrower(a_loan(), revision=0, wake_at=NOW - timedelta(hours=1))))
        assert findings("--older-than", "2h") == []
        assert len(findings("--older-than", "59m")) == 1
        assert "duration" in dunlin("stuck", "--older-than", "soon").stderr

    def test_more_than_were_read(self, deployed: Deployed) -> None:
        deployed.store.commit(Change(borrower=a_borrower(a_loan(), revision=0, wake_at=NOW)))
        assert "There are more borrowers of shard" in dunlin("stuck", "--most", "1").output


class TestFinding:
    def test_no_such_stack(self, deployed: Deployed) -> None:
        result = CliRunner().invoke(cli.app, ["stuck", "--stack", "none"])
        assert result.exit_code == 2
        assert "--resource" in result.stderr
        assert "Traceback" not in result.output

    def test_named_by_hand(self, deployed: Deployed) -> None:
        wanted = ["BorrowersTable", "MessagesTable", "SuppressionsTable", "ControlsTable"]
        named = [option for name in wanted for option in ("--resource", f"{name}={deployed.names[name]}")]
        result = CliRunner().invoke(cli.app, ["pauses", *named])
        assert (result.exit_code, result.output) == (0, "Nothing is paused.\n")
        result = CliRunner().invoke(cli.app, ["redrive", *named])
        assert result.exit_code == 2
        assert "no --resource names it" in result.stderr

    def test_named_in_the_environment(self, deployed: Deployed) -> None:
        named = " ".join(f"{name}={physical}" for name, physical in deployed.names.items())
        result = CliRunner().invoke(cli.app, ["stuck"], env={"DUNLIN_RESOURCES": named})
        assert (result.exit_code, "Nothing is stuck." in result.output) == (0, True)

    def test_half_a_name(self, deployed: Deployed) -> None:
        result = CliRunner().invoke(cli.app, ["pauses", "--resource", "ControlsTable"])
        assert result.exit_code == 2


class TestRedrive:
    @pytest.fixture(autouse=True)
    def moving(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
        """moto does not know the operation, so what SQS does, and a refusal, are put in its place."""
        allowed = {"is": False}

        def start(response: Any) -> str:
            if not allowed["is"]:
                from moto.core.exceptions import JsonRESTError

                raise JsonRESTError("UnsupportedOperation", "not here")
            source, target = (response._get_param(name).rsplit(":", 1)[-1] for name in ("SourceArn", "DestinationArn"))
            backend = response.sqs_backend
            from_queue, to_queue = backend.get_queue(source), backend.get_queue(target)
            for message in list(from_queue._messages):
                from_queue._messages.remove(message)
                to_queue.add_message(message)
            return json.dumps({"TaskHandle": "task"})

        monkeypatch.setattr(SQSResponse, "start_message_move_task", start, raising=False)
        return allowed

    def test_it_only_shows(self, deployed: Deployed) -> None:
        letter = deployed.send(CORE_DLQ, EVENT)
        for _ in range(2):
            result = dunlin("redrive")
            assert result.exit_code == 1
            assert all(word in result.output for word in (letter, "e-7", "b-1", "payment.applied", "fails again"))
            assert "7391" not in result.output
        assert deployed.bodies(CORE) == []
        assert deployed.bodies(CORE_DLQ) == [EVENT]

    @pytest.mark.parametrize("moves", [True, False])
    def test_it_goes_back(self, deployed: Deployed, moving: dict[str, bool], moves: bool) -> None:
        moving["is"] = moves
        for number in range(23):
            deployed.send(CORE_DLQ, EVENT | {"id": number})
        deployed.send("InboundDeadLetterQueue", {"probe": "p"})
        result = dunlin("redrive", "--go", "--yes")
        assert result.exit_code == 0, result.output
        assert sorted(body["id"] for body in deployed.bodies(CORE)) == list(range(23))
        assert deployed.bodies(CORE_DLQ) == []
        assert deployed.bodies("InboundQueue") == [{"probe": "p"}]
        again = dunlin("redrive", "--go", "--yes")
        assert (again.exit_code, "no dead letters" in again.output) == (0, True)

    def test_a_selected_one(self, deployed: Deployed) -> None:
        letters = [deployed.send(CORE_DLQ, EVENT | {"id": number}) for number in range(3)]
        assert dunlin("redrive", "--go", "--yes", "--id", letters[1]).exit_code == 0
        assert [body["id"] for body in deployed.bodies(CORE)] == [1]
        assert sorted(body["id"] for body in deployed.bodies(CORE_DLQ)) == [0, 2]
        assert "no such letter" in dunlin("redrive", "--id", "forged").stderr

    def test_only_one_queue(self, deployed: Deployed) -> None:
        deployed.send(CORE_DLQ, EVENT)
        deployed.send("ReportsDeadLetterQueue", {"probe": "p"})
        assert dunlin("redrive", "--go", "--yes", "--queue", "ReportsDeadLetterQueue").exit_code == 0
        assert deployed.bodies(CORE_DLQ) == [EVENT]
        refused = dunlin("redrive", "--queue", "CoreEventsQueue")
        assert (refused.exit_code, "is not one of" in refused.stderr) == (2, True)

    def test_nobody_says_yes(self, deployed: Deployed) -> None:
        deployed.send(CORE_DLQ, EVENT)
        result = dunlin("redrive", "--go")
        assert (result.exit_code, "--yes" in result.stderr) == (2, True)
        assert deployed.bodies(CORE_DLQ) == [EVENT]

    def test_hints(self, deployed: Deployed) -> None:
        message = a_message(state=MessageState.DUE)
        deployed.store.commit(Change(new_messages=(message,)))
        deployed.send("WakeDeadLetterQueue", {"shard": "05"}, MessageGroupId="05", MessageDeduplicationId="1")
        deployed.send(
            "StreamFailuresQueue", {"requestContext": {"functionArn": "x-RenderMessageFunction-1"}, "version": "1.0"}
        )
        result = dunlin("redrive", "--go", "--yes")
        assert (result.exit_code, "1 messages stand since then" in result.output) == (1, True)
        assert deployed.bodies("WakeDeadLetterQueue") == []
        ended = replace(message, revision=1, state=MessageState.SUPPRESSED, reason=Reason.PAID, attend_at=None)
        deployed.store.commit(Change(moved_messages=(ended,)))
        assert dunlin("redrive", "--go", "--yes").exit_code == 0
        assert deployed.bodies("StreamFailuresQueue") == []


class TestPauses:
    def test_pressed_seen_and_lifted(self, deployed: Deployed) -> None:
        assert "Nothing is paused" in dunlin("pauses").output
        assert dunlin("pause", "everything", "--reason", "wrong figures", "--by", "staff-7").exit_code == 0
        assert dunlin("pause", "brand", "marram", "--reason", "audit", "--by", "staff-7", "--for", "2h").exit_code == 0
        assert [(each.scope, each.name, each.until) for each in deployed.controls.pauses().pauses] == [
            (PauseScope.EVERYTHING, "", None),
            (PauseScope.BRAND, "marram", NOW + timedelta(hours=2)),
        ]
        assert all(word in dunlin("pauses").output for word in ("wrong figures", "marram", "staff-7", "audit"))
        assert "Everything is still paused" in dunlin("resume", "brand", "marram", "--by", "staff-7").output
        assert dunlin("resume", "everything", "--by", "staff-7").exit_code == 0
        assert dunlin("resume", "everything", "--by", "staff-7").exit_code == 1
        assert [act.act for act in deployed.controls.pauses().acts] == ["paused", "paused", "resumed", "resumed"]

    def test_until(self, deployed: Deployed) -> None:
        until = (NOW + timedelta(hours=5)).isoformat()
        assert dunlin("pause", "line", "us-10dlc", "--reason", "r", "--until", until).exit_code == 0
        (pause,) = deployed.controls.pauses().pauses
        assert pause.until == NOW + timedelta(hours=5)

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (("brand", "marrram"), "is not one of binhe, marram"),
            (("line", "none"), "us-10dlc"),
            (("template", "none"), "reminder"),
            (("line",), "(no name)"),
            (("everything", "marram"), "has no name"),
            (("everything", "--until", TODAY.replace(year=2000).isoformat()), "is over already"),
            (("everything", "--until", "tomorrow"), "must be a moment"),
            (("everything", "--for", "2 hours"), "duration"),
            (("everything", "--for", "2h", "--until", "2100-01-01"), "together"),
        ],
    )
    def test_what_is_refused(self, deployed: Deployed, arguments: tuple[str, ...], complaint: str) -> None:
        result = dunlin("pause", *arguments, "--reason", "r")
        assert result.exit_code == 2
        assert complaint in result.stderr.replace("\n", " ")
        assert deployed.controls.pauses().pauses == ()

    def test_a_reason_is_needed(self, deployed: Deployed) -> None:
        assert dunlin("pause", "everything").exit_code == 2
        assert dunlin("pause", "everything", "--reason", " ").exit_code == 2


def test_the_commands_are_listed(tmp_path: Path) -> None:
    listed = CliRunner().invoke(cli.app, ["--help"]).output
    for command in ("stuck", "redrive", "pause", "resume", "pauses"):
        assert command in listed
        assert CliRunner().invoke(cli.app, [command, "--help"]).exit_code == 0
