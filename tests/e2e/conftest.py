"""The stack: built before (`make build`), deployed once for all tests, in an emulator of its own.

Collected only where `DUNLIN_E2E` is set, as `make e2e` does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest

from local.simulator import Delivered, Faults, FinanceKeys, Simulator
from local.simulator.wechat import WechatAccount
from tests.e2e.certificate import make_certificate
from tests.e2e.moved_clock import MovedClock
from tests.e2e.server import PYTHON, Ministack
from tests.e2e.stack import REGION, Stack
from tests.e2e.staging import deploy, stage

collect_ignore_glob = [] if os.environ.get("DUNLIN_E2E") else ["test_*.py"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "e2e"
STACK = "dunlin-e2e"
#: A Wednesday: five past nine in Shanghai, five past eight of the evening before in Boston.
START = datetime(2026, 12, 2, 1, 5, tzinfo=UTC)
#: Seven digits that no telephone has, in numbering plans that the content knows.
RECIPIENTS = ("+1617555*", "+861380000*", "*@borrower.example")
PARAMETERS = {
    "SendingMode": "live",
    "EndUserMessaging": "true",
    "SnsText": "true",
    "EmailIdentity": "marram.example",
    "WebAcl": "true",
    # ministack unpacks a function's layers beside its code, the second one here. It has no X-Ray.
    "ContentDir": "../layer_1",
    "Traces": "false",
    "LogLevel": "DEBUG",
}


def _library() -> Path:
    """libfaketime, as its wheel brings it."""
    found = subprocess.run(
        [
            str(PYTHON),
            "-c",
            "import importlib.util as u; print(u.find_spec('libfaketime').submodule_search_locations[0])",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.strip()
    return Path(found) / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """`template.yaml`, deployed; whom it may write to is listed, its provider's keys are filled in."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    clock = MovedClock(FOLDER / "clock", START)
    delivered: list[Delivered] = []
    keys = FinanceKeys()
    simulator = Simulator(
        clock.now, 1, Faults.none(), on_delivered=delivered.append, finance_keys=keys, wechat=WechatAccount()
    )
    # A signature is good for five minutes of the emulator's time.
    with patch("botocore.auth.get_current_datetime", lambda *_, **__: clock.now()), simulator:
        environment = {
            **clock.environment(_library()),
            "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": simulator.url,
            "AWS_ENDPOINT_URL_SESV2": simulator.url,
        }
        template = stage(FOLDER / "stage", START)
        certificate = make_certificate(FOLDER)
        with Ministack(FOLDER / "ministack.log", FOLDER / "scratch", certificate, environment) as server:
            said = deploy(template, STACK, PARAMETERS, _operator(server.url, certificate.file))
            (FOLDER / "deploy.log").write_text(said, encoding="utf-8")
            deployed = Stack(server.url, STACK, clock, simulator, keys, certificate.file)
            deployed.delivered = delivered
            _fill_secrets(deployed, keys)
            _listen(deployed)
            deployed.warm_up(["dispatch_wakes", "pace_lines", "sweep_messages"])
            try:
                yield deployed
            finally:
                _keep_logs(deployed)


def _keep_logs(stack: Stack) -> None:
    folder = FOLDER / "logs"
    folder.mkdir()
    for group, lines in stack.logs().items():
        (folder / f"{group.rpartition('/')[2]}.log").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _operator(url: str, certificate: Path) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_CA_BUNDLE": str(certificate),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


def _fill_secrets(stack: Stack, keys: FinanceKeys) -> None:
    """What the runbook has a person do after the first deployment."""
    finance = {
        "base_url": stack.simulator.url,
        "key_id": keys.key_id,
        "secret": keys.secret,
        "webhook_token": keys.webhook_token,
        "webhook_secret": keys.webhook_secret,
    }
    account = stack.simulator.wechat
    wechat = {
        "base_url": stack.simulator.url,
        "app_id": account.app_id,
        "app_secret": account.secret,
        "webhook_token": account.webhook_token,
        "signing_token": account.signing_token,
    }
    filled = {
        "ProvidersSecret": {"finance_sms": finance, "wechat": wechat},
        "RecipientsSecret": {"recipients": list(RECIPIENTS)},
    }
    for secret, document in filled.items():
        stack.client("secretsmanager").put_secret_value(
            SecretId=stack.resources[secret], SecretString=json.dumps(document)
        )


def _listen(stack: Stack) -> None:
    """A rule of somebody else's on the announcement bus, and their queue."""
    sqs, events = stack.client("sqs"), stack.client("events")
    url = sqs.create_queue(QueueName="hearers")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = stack.outputs["AnnouncementBusName"]
    rule = events.put_rule(Name="hearers", EventBusName=bus, EventPattern=json.dumps({"source": ["dunlin"]}))["RuleArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule="hearers", EventBusName=bus, Targets=[{"Id": "hearers", "Arn": arn}])
    stack.resources["hearers"] = url
