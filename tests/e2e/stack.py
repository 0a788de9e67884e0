"""The deployed stack as its neighbours meet it: a lender's core, the providers, people's telephones, an operator.

Nothing here imports the application. What it does is seen where others see it: in what the providers were handed, in
what the API answers, in what is announced on the bus, in the tables, and in the logs.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from local.simulator import Delivered, FinanceKeys, HandOverReceived, Outgoing, Simulator
from local.simulator.simulator import FINANCE
from tests.e2e.moved_clock import MovedClock

__all__ = ["ACCOUNT", "REGION", "Answer", "Stack"]

REGION = "us-east-1"
ACCOUNT = "000000000000"
ROOT_KEYS = Credentials("test", "test")  # what ministack takes for the account's root, and does not check
MINUTE = timedelta(minutes=1)
#: Schedules are looked at every second.
TICK_SECONDS = 1.2
SETTLE_SECONDS = 60.0
WARM_WITHIN_SECONDS = 240.0
QUIET_SECONDS = 0.8
REQUEST_SECONDS = 180.0
QUEUES = ("CoreEventsQueue", "WakeQueue", "ReportsQueue", "InboundQueue")
ON_THE_WAY = ("DUE", "RENDERED", "RESERVED")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said."""

    status: int
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


class Stack:
    """One deployed stack, the providers beside it, and the minutes that pass."""

    def __init__(
        self, url: str, name: str, clock: MovedClock, simulator: Simulator, keys: FinanceKeys, certificate: Path
    ) -> None:
        self.name = name
        self.clock = clock
        self.simulator = simulator
        self.delivered: list[Delivered] = []
        self.announced: list[Mapping[str, Any]] = []
        self.webhook_token = keys.webhook_token
        self._url = url
        self._certificate = certificate
        self._clients: dict[tuple[str, str], Any] = {}
        self._config = Config(retries={"total_max_attempts": 1}, read_timeout=120)
        cloudformation = self.client("cloudformation")
        (described,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        self.resources = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for page in pages
            for each in page["StackResourceSummaries"]
        }

    def client(self, service: str, keys: Credentials = ROOT_KEYS) -> Any:
        known = (service, keys.access_key)
        if known not in self._clients:
            self._clients[known] = self._client(service, keys)
        return self._clients[known]

    def _client(self, service: str, keys: Credentials) -> Any:
        make: Any = boto3.client  # its overloads want the service's name as a literal
        return make(
            service,
            region_name=REGION,
            endpoint_url=self._url,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            config=self._config,
            verify=str(self._certificate),
        )

    # ── What comes in ────────────────────────────────────────────────────────────────────────────────────────────────

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        keys: Credentials | None = None,
    ) -> Answer:
        """A request to the API, at its own name and stage; signed with `keys`, if there are some."""
        port = urlsplit(self._url).port
        api = str(urlsplit(self.outputs["ApiUrl"]).hostname).partition(".")[0]
        host = f"{api}.execute-api.127.0.0.1:{port}"
        target = f"/v1{quote(path, safe='/:%~-._?=&')}"
        sent = {"Host": host, "Content-Type": "application/json", **(headers or {})}
        if keys is not None:
            signed = AWSRequest(method=method, url=f"https://{host}{target}", data=body, headers=sent)
            SigV4Auth(keys, "execute-api", REGION).add_auth(signed)
            sent = dict(signed.headers.items())
        trusted = ssl.create_default_context(cafile=str(self._certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=REQUEST_SECONDS, context=trusted)
        try:
            connection.request(method, target, body=body, headers=sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read().decode())
        finally:
            connection.close()

    def text(self, from_address: str, to_address: str, text: str) -> None:
        """A person's text, to whichever provider has the line."""
        self.simulator.send_inbound(from_address, to_address, text, self.clock.now())

    def hand_on(self) -> int:
        """What the providers have to say by now, each as it says it; how much that was."""
        outgoing = self.simulator.due(self.clock.now())
        for each in outgoing:
            self._hand_on(each)
        return len(outgoing)

    def _hand_on(self, outgoing: Outgoing) -> None:
        if outgoing.provider == FINANCE:
            kind, headers, raw = self.simulator.webhook_request(outgoing)
            path = f"/providers/finance_sms/{self.webhook_token}/{kind}"
            answer = self.request("POST", path, raw, headers)
            if answer.status != 200:
                raise RuntimeError(f"the webhook answered {answer.status}")
        else:
            topic = "ReportsTopicArn" if outgoing.kind == "report" else "InboundTopicArn"
            message = json.dumps(outgoing.payload, ensure_ascii=False)
            self.client("sns").publish(TopicArn=self.outputs[topic], Message=message)

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def warm_up(self, functions: Sequence[str]) -> None:
        """Wait for functions to have worked once: an emulated cold start unpacks ninety megabytes."""
        end = time.monotonic() + WARM_WITHIN_SECONDS
        self.clock.advance(MINUTE)
        while not all(self.logs().get(f"/{self.name}/{function}") for function in functions):
            if time.monotonic() > end:
                raise RuntimeError(f"the schedules do not fire: {self.account()}")
            time.sleep(1)

    def minute(self) -> None:
        """Let one pass: the schedules fire, and what follows from that happens."""
        self.clock.advance(MINUTE)
        time.sleep(TICK_SECONDS)
        self.settle()

    def until(self, happened: Callable[[], object], what: str, minutes: int = 15) -> None:
        """Let minutes pass until it has happened.

        Raises:
            AssertionError: it did not, within `minutes`.
        """
        for _ in range(minutes):
            if happened():
                return
            self.minute()
        assert happened(), f"in {minutes} minutes: {what}\n{self.account()}"

    def settle(self) -> None:
        """Until nothing is in a queue, nothing on its way between two functions, and no provider has a word to say."""
        end = time.monotonic() + SETTLE_SECONDS
        quiet_since: float | None = None
        while time.monotonic() < end:
            if self.hand_on() or self._at_work():
                quiet_since = None
            else:
                quiet_since = quiet_since or time.monotonic()
                if time.monotonic() - quiet_since >= QUIET_SECONDS:
                    return
            time.sleep(0.4)

    def _at_work(self) -> bool:
        return any(self.waiting(queue) for queue in QUEUES) or any(
            message["state"] in ON_THE_WAY for message in self.messages()
        )

    def waiting(self, queue: str) -> int:
        """How many messages a queue holds, hidden ones too."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        asked = self.client("sqs").get_queue_attributes(QueueUrl=self.resources[queue], AttributeNames=list(names))
        return sum(int(asked["Attributes"][name]) for name in names)

    # ── What can be seen ─────────────────────────────────────────────────────────────────────────────────────────────

    def hand_overs(self, to_address: str) -> list[HandOverReceived]:
        return [each for each in self.simulator.record.hand_overs if each.to_address == to_address and each.accepted]

    def items(self, table: str) -> list[dict[str, Any]]:
        """A table's items: attributes as plain values, with the JSON document opened."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.resources[table])
        found = []
        for page in pages:
            for item in page["Items"]:
                plain = {name: next(iter(value.values())) for name, value in item.items()}
                if isinstance(plain.get("document"), str):
                    plain["document"] = json.loads(plain["document"])
                found.append(plain)
        return found

    def executions(self, borrower_id: str) -> list[str]:
        """How each of a borrower's escalations stands, and in which state it ended."""
        client, machine = self.client("stepfunctions"), self.resources["EscalationStateMachine"]
        stand = []
        for each in client.list_executions(stateMachineArn=machine)["executions"]:
            if each["name"].startswith(f"{borrower_id}-"):
                history = client.get_execution_history(executionArn=each["executionArn"], maxResults=1000)["events"]
                entered = [
                    event["stateEnteredEventDetails"]["name"]
                    for event in history
                    if "stateEnteredEventDetails" in event
                ]
                stand.append(f"{each['status']} {entered[-1] if entered else ''}")
        return stand

    def messages(self, borrower_id: str | None = None) -> list[dict[str, Any]]:
        rows = self.items("MessagesTable")
        return [row for row in rows if "state" in row and borrower_id in (None, row["borrower_id"])]

    def hear(self) -> None:
        """What the application has announced by now, for whoever acts on it."""
        sqs = self.client("sqs")
        while True:
            received = sqs.receive_message(QueueUrl=self.resources["hearers"], MaxNumberOfMessages=10)
            for message in received.get("Messages", []):
                self.announced.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.resources["hearers"], ReceiptHandle=message["ReceiptHandle"])
            if not received.get("Messages"):
                return

    def logs(self) -> dict[str, list[str]]:
        """Every line of every log group of the stack."""
        client = self.client("logs")
        lines: dict[str, list[str]] = {}
        for group in client.describe_log_groups(logGroupNamePrefix=f"/{self.name}/")["logGroups"]:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            lines[group["logGroupName"]] = [event["message"] for page in pages for event in page["events"]]
        return lines

    def account(self) -> str:
        """For whoever reads a failure: states and reasons, and the logs' last complaints. No texts, no numbers."""
        rows = [f"{row['borrower_id']} {row['key']} {row['state']}" for row in self.messages()]
        errors = [
            f"{group}: {line[:600]}"
            for group, lines in self.logs().items()
            for line in lines
            if any(word in line for word in ('"ERROR"', "Traceback", "AccessDenied", "not authorized"))
        ]
        return "\n".join([f"now {self.clock.now().isoformat()}", *rows, *errors[-12:]])
