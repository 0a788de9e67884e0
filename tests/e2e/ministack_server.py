"""Starts ministack for the tests; run by the Python of `.venv-e2e`, which knows nothing of this project.

Eight things differ from `ministack`. Schedules are looked at every second, not every ten, because the tests move the
clock a minute at a time. A state machine may be written in YAML, as CloudFormation takes it. `Ref` of a secret is its
ARN, as there. A batch of SQS needs the right to one message and a task's
answer the right to its state machine, as in IAM. A layer is unpacked once, not for each
function: it has five thousand files. And three resource
types that it does not know, and alarms on an expression of metrics, are accepted and make nothing, so that the template
can be deployed with what depends on them: otherwise `EndUserMessaging=true` and `WebAcl=true`, and the rights that come
with these, would stay untried.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread
from types import SimpleNamespace
from typing import Any, ClassVar

import yaml
from ministack import app
from ministack.core import iam_actions, lambda_runtime
from ministack.services import eventbridge, stepfunctions
from ministack.services.cloudformation import provisioners

Create = Callable[[str, dict[str, Any], str], tuple[str, dict[str, str]]]
#: Known to CloudFormation and not to ministack.
ACCEPTED = ("AWS::SMSVOICE::ConfigurationSet", "AWS::SMSVOICE::OptOutList", "AWS::WAFv2::WebACLAssociation")


def accept(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    """Nothing is made; the name is the template's, since what refers to the resource refers to that."""
    named = properties.get("ConfigurationSetName") or properties.get("OptOutListName") or f"{stack}-{logical_id}"
    return named, {"Arn": f"arn:aws:accepted:::{named}"}


def forget(physical_id: str, properties: dict[str, Any]) -> None:
    """Nothing was made."""


def by_arn(create: Create) -> Create:
    """`Ref` of a secret is its ARN in CloudFormation, and policies rest on that; ministack has its name there."""

    def created(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        _, attributes = create(logical_id, properties, stack)
        return attributes["Arn"], attributes

    return created


def without_mathematics(create: Create) -> Create:
    """An alarm on a quotient or a sum of metrics is not known there; of such a one nothing is made."""

    def created(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        return (accept if "Metrics" in properties else create)(logical_id, properties, stack)

    return created


class Unpacked(zipfile.ZipFile):
    """A layer's archive, unpacked to one place that every function's folder points to."""

    _known: ClassVar[dict[int, Path]] = {}
    _one_at_a_time = Lock()

    def namelist(self) -> list[str]:
        """Nothing: whoever asks, looks for names that lead out of the folder, and these archives are our own."""
        return []

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        entries = self.infolist()
        if not Path(path).name.startswith("layer_"):
            super().extractall(path, entries, pwd)
            return
        key = hash(tuple((each.filename, each.CRC) for each in entries))
        with self._one_at_a_time:
            if key not in self._known:
                self._known[key] = Path(tempfile.mkdtemp(prefix="layer-"))
                super().extractall(self._known[key], entries, pwd)
        Path(path).rmdir()
        Path(path).symlink_to(self._known[key])


def end_with(parent: int) -> None:
    """Nothing is left behind, however the tests end: with them goes the server, and its group with it."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def one_by_one(extract: Callable[..., str | None]) -> Callable[..., str | None]:
    """A batch of SQS is allowed by the action for one: IAM has none of its own for it, and ministack asks for one."""

    def extracted(*arguments: Any, **named: Any) -> str | None:
        action = extract(*arguments, **named)
        return action.removesuffix("Batch") if action is not None and action.startswith("sqs:") else action

    return extracted


def of_the_machine(extract: Callable[..., str]) -> Callable[..., str]:
    """The right to answer a task is one to its state machine; ministack finds none in a token. There is one machine."""

    def extracted(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        if service == "states" and b"taskToken" in (body or b""):
            return str(next(iter(stepfunctions._state_machines)))
        return extract(service, method, path, headers, body, *rest)

    return extracted


def in_json(run: Callable[[str], None]) -> Callable[[str], None]:
    """A definition is read as JSON there, and an execution of one in YAML fails before its first state."""

    def ran(execution: str) -> None:
        machine = stepfunctions._state_machines[stepfunctions._executions[execution]["stateMachineArn"]]
        machine["definition"] = json.dumps(yaml.safe_load(machine["definition"]))  # JSON is YAML too
        run(execution)

    return ran


def main() -> None:
    Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    known = provisioners._RESOURCE_HANDLERS
    for resource_type in ACCEPTED:
        if resource_type in known:
            raise SystemExit(f"ministack knows {resource_type} now: take it off the list")
        known[resource_type] = {"create": accept, "delete": forget}
    secret = known["AWS::SecretsManager::Secret"]
    secret["create"] = by_arn(secret["create"])
    alarm = known["AWS::CloudWatch::Alarm"]
    alarm["create"] = without_mathematics(alarm["create"])
    lambda_runtime.zipfile = SimpleNamespace(
        ZipFile=Unpacked, BadZipFile=zipfile.BadZipFile, LargeZipFile=zipfile.LargeZipFile
    )
    iam_actions.extract_iam_action = one_by_one(iam_actions.extract_iam_action)
    stepfunctions._run_execution = in_json(stepfunctions._run_execution)
    iam_actions.extract_resource_arn = of_the_machine(iam_actions.extract_resource_arn)
    eventbridge._SCHEDULER_TICK_INTERVAL = 1
    app._port_is_bindable = lambda *_: False  # with TLS it would take port 443 as well
    app.main()


if __name__ == "__main__":
    main()
