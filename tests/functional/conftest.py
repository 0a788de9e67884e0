"""The whole template in one process, prepared so that every file in `events/` finds what it speaks of."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from dunlin.content.signing import sign
from dunlin.domain.shards import WAKE_SHARDS
from dunlin.entry import bootstrap

from local.embedded import EmbeddedAws, VirtualClock
from local.simulator import Simulator
from local.simulator.faults import Faults
from local.simulator.finance import FinanceKeys
from tests.builders import CONTENT_DIR, NOW, ROOT, TODAY, loan_document, overdue_document, party_document

EVENTS = ROOT / "events"
REGION = "us-east-1"
#: At the level that writes most: what is said nowhere then is said nowhere.
PARAMETERS = {
    "Environment": "dev",
    "LogLevel": "DEBUG",
    "Traces": "false",
    "SendingMode": "live",
    "EndUserMessaging": "true",
}
KEY = "2026-06-08#reminder_7#0#sms#0"
#: What the other providers' webhooks are checked with; `tests.webhook_requests` signs with the same.
_TOKEN = {"webhook_token": "simulated-path-token-of-a-provider-that-signs-nothing"}
PROVIDERS = {
    "alibaba": _TOKEN,
    "tencent": _TOKEN,
    "twilio": {**_TOKEN, "auth_token": "secret-t", "public_url": "https://messages.lender.example/v1"},
    "vonage_sms": {**_TOKEN, "signature_secret": "secret-v", "signature_method": "sha256"},
    "vonage_messages": {**_TOKEN, "signature_secret": "secret-m"},
    "sinch": {**_TOKEN, "webhook_secret": "secret-s"},
    "wechat": {**_TOKEN, "signing_token": "secret-w", "app_id": "wx0", "app_secret": "secret-a"},
}
#: Nobody's real data, and nothing that may stand in a log: phone, name, e-mail and amount as the events carry them.
PLANTED = (
    "2125550123",
    "21255501",
    "2125550144",
    "2125550122",
    "2125550188",
    "2125550199",
    "13800138000",
    "Wilhelmina",
    "Plantagenet",
    "plantagenet.example",
    "7391.57",
    "7,391.57",
)
AMOUNT = "7391.57"


@dataclass
class Stack:
    """The functions, and what can be seen of the world around them."""

    aws: EmbeddedAws
    logs: Path

    def call(self, function: str, event: Mapping[str, Any]) -> Any:
        return self.aws.invoke(logical_id(function), event)

    def queued(self, queue: str) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.aws.queue_bodies(queue)]

    def waiting(self) -> str:
        """What lies in any queue, dead letters and refused input too."""
        found = (each for each in self.aws.template.resources() if each.type == "AWS::SQS::Queue")
        return "\n".join(body for queue in found for body in self.aws.queue_bodies(queue.logical_id))

    def message(self, borrower_id: str, key: str = KEY) -> dict[str, Any]:
        for item in self.aws.items("MessagesTable"):
            if (item["borrower_id"], item["key"]) == (borrower_id, key):
                document: dict[str, Any] = json.loads(item["document"])
                return document
        raise AssertionError(f"no message {borrower_id}/{key}")

    def borrower(self, borrower_id: str) -> dict[str, Any]:
        for item in self.aws.items("BorrowersTable"):
            if (item["borrower_id"], item["item"]) == (borrower_id, "HOT"):
                document: dict[str, Any] = json.loads(item["document"])
                return document
        raise AssertionError(f"no borrower {borrower_id}")

    def written(self) -> str:
        """Everything that any function has logged."""
        self.aws._stdout.sync()
        self.aws._stderr.sync()
        return "".join(path.read_text(encoding="utf-8") for path in sorted(self.logs.glob("*.log")))

    # ── preparing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def know(
        self, borrower_id: str, phone: str = "+12125550123", *, days: int = 7, amount: str = AMOUNT, **loan: Any
    ) -> None:
        """A borrower with one loan that is due in `days` days."""
        due_on = TODAY.fromordinal(TODAY.toordinal() + days)
        hears = {"may_hear": loan.pop("may_hear")} if "may_hear" in loan else {}
        party = party_document(name="Wilhelmina Plantagenet", phone=phone, **hears)
        profile = {"sequence": 1, "jurisdiction": "US-NY", "time_zone": "America/New_York", "parties": [party]}
        document = loan_document(due_on=due_on, outstanding=amount, **loan)
        common = {"occurred_at": NOW.isoformat(), "borrower_id": borrower_id}
        events = [
            {"event_id": f"{borrower_id}-1", "type": "borrower.updated", "borrower": profile} | common,
            {"event_id": f"{borrower_id}-2", "type": "loan.snapshot", "loan": document} | common,
        ]
        answer = self.call("ingest_events", queue_event(*(json.dumps({"detail": event}) for event in events)))
        assert answer == {"batchItemFailures": []}

    def evaluate(self) -> None:
        for shard in WAKE_SHARDS:
            self.call("evaluate_stages", queue_event(json.dumps({"shard": shard})))

    def render(self, *borrowers: str) -> None:
        self.call("render_message", stream_event(*borrowers))

    def send(self, *borrowers: str) -> None:
        self.call("send_message", stream_event(*borrowers))


def logical_id(function: str) -> str:
    return "".join(word.capitalize() for word in function.split("_")) + "Function"


def queue_event(*bodies: str, at: datetime = NOW) -> dict[str, Any]:
    records = [
        {
            "messageId": f"m-{number}",
            "receiptHandle": "handle",
            "body": body,
            "attributes": dict.fromkeys(
                ("SentTimestamp", "ApproximateFirstReceiveTimestamp"), str(int(at.timestamp() * 1000))
            ),
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue",
            "awsRegion": REGION,
        }
        for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def stream_event(*borrowers: str) -> dict[str, Any]:
    records = [
        {
            "eventID": f"e-{number}",
            "eventName": "MODIFY",
            "eventSource": "aws:dynamodb",
            "dynamodb": {
                "Keys": {"borrower_id": {"S": borrower_id}, "key": {"S": KEY}},
                "SequenceNumber": str(number),
            },
        }
        for number, borrower_id in enumerate(borrowers)
    ]
    return {"Records": records}


def events_of(function: str) -> list[str]:
    return sorted(path.stem for path in (EVENTS / function).glob("*.json"))


def read_event(function: str, case: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / function / f"{case}.json").read_text(encoding="utf-8"))
    return event


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped content, released: an edit that nobody signed yet is another test's business."""
    import shutil

    root = tmp_path_factory.mktemp("content")
    shutil.copytree(CONTENT_DIR, root, dirs_exist_ok=True)
    sign(root, "author@marram.example", "reviewer@marram.example", "approver@marram.example", TODAY)
    return root


@pytest.fixture(scope="module")
def stack(content: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with prepared(content, tmp_path_factory.mktemp("logs")) as (stack, _):
        yield stack


@contextmanager
def prepared(content: Path, logs: Path) -> Iterator[tuple[Stack, str]]:
    """The stack, with somebody at every step of the way, and the providers' address."""
    clock = VirtualClock(NOW)
    keys = FinanceKeys()
    simulator = Simulator(
        clock.now, 7, Faults(), on_delivered=lambda _: None, finance_keys=keys, finance_numbers=("106900000142",)
    )
    url = simulator.start()
    aws = EmbeddedAws(
        ROOT / "template.yaml",
        clock=clock,
        seed=7,
        parameters=PARAMETERS,
        environment={
            "CONTENT_DIR": str(content),
            "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": url,
            "AWS_ENDPOINT_URL_SESV2": url,
        },
        logs_dir=logs,
        on_start=lambda: _begin(clock),
        region=REGION,
    )
    try:
        with aws:
            secret = {
                "finance_sms": {
                    "base_url": url,
                    "key_id": keys.key_id,
                    "secret": keys.secret,
                    "webhook_token": keys.webhook_token,
                    "webhook_secret": keys.webhook_secret,
                },
                **PROVIDERS,
            }
            boto3.client("secretsmanager", region_name=REGION).put_secret_value(
                SecretId=aws.template.physical_name("ProvidersSecret"), SecretString=json.dumps(secret)
            )
            boto3.client("secretsmanager", region_name=REGION).put_secret_value(
                SecretId=aws.template.physical_name("RecipientsSecret"),
                SecretString=json.dumps({"recipients": ["+1212555*"]}),
            )
            stack = Stack(aws, logs)
            _prepare(stack)
            yield stack, url
    finally:
        bootstrap.reset()
        simulator.close()


def _begin(clock: VirtualClock) -> None:
    """Virtual time for the functions; and their logger, should an earlier test have made it, writes to this run."""
    from dunlin.entry.observability import logger

    bootstrap.use_clock(clock.now)
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stdout)


def _prepare(stack: Stack) -> None:
    """Somebody at every step of the way, and a sweep that has just proved that we hear."""
    stack.call("sweep_messages", {})
    for ear in ("reports", "inbound"):
        probe = queue_event(json.dumps({"probe": f"{ear}-{NOW.isoformat()}"}))
        stack.call({"reports": "receive_report", "inbound": "receive_inbound"}[ear], probe)
    for borrower_id in ("b-known", "b-outside", "b-held"):
        stack.know(borrower_id, "+12125550155", days=90)
    stack.know("b-outside-2", "+12125550133", days=90)
    hold = {
        "event_id": "held",
        "type": "hold.placed",
        "occurred_at": NOW.isoformat(),
        "borrower_id": "b-held",
        "hold": {"hold_id": "h", "kind": "dispute", "source": "agent"},
    }
    stack.call("ingest_events", queue_event(json.dumps(hold)))
    rendered = ["b-render", "b-render-2", "b-render-3", "b-render-4", "b-render-5"]
    sending = ["b-send", "b-send-2", "b-send-4"]
    sent = ["b-sent", "b-sent-2"]
    for number, borrower_id in enumerate((*rendered, *sending, *sent)):
        # A telephone of their own: one that several share rings once a day for all of them together.
        stack.know(borrower_id, f"+121255501{number:02d}")
    for borrower_id in ("b-opted-out", "b-send-3"):
        stack.know(borrower_id, "+12125550188")
    stack.know("b-replies", "+12125550144")
    stack.know("b-thread", "+12125550122", days=60, may_hear=["service", "servicing", "collection", "reply"])
    stack.know("b-erased", "+12125550177", status="closed", instalments=[])
    stack.know("b-case", "+12125550166", days=-4, overdue=overdue_document(AMOUNT))
    stack.know("b-plan", "+12125550199", days=-4, overdue=overdue_document(AMOUNT))
    small = "812.40"  # within what may be agreed without the lender
    stack.know("b-plan-2", "+12125550197", days=-4, amount=small, overdue=overdue_document(small))
    stack.evaluate()
    stack.call("pace_lines", {})
    for _ in range(20):
        stack.aws.clock.advance_to(stack.aws.clock.now() + timedelta(seconds=2))
        stack.call("pace_lines", queue_event(json.dumps({"line": "us-10dlc"}), at=stack.aws.clock.now()))
    stack.render(*sending, *sent, "b-send-3")
    stack.send(*sent)
    # So that the schedules find something to do.
    stack.know("b-later", "+12125550177")
