"""A deployed stack, from an operator's machine: names from CloudFormation or given by hand, credentials from boto3."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from dunlin.adapters.aws import StepFunctionsEscalations
from dunlin.adapters.dead_letters import QUEUES, SqsDeadLetters
from dunlin.adapters.dynamo.controls import DynamoControls
from dunlin.adapters.dynamo.holdings import DynamoHoldings
from dunlin.adapters.dynamo.models import bind
from dunlin.adapters.dynamo.store import DynamoStore
from dunlin.content import Content, load_content
from dunlin.errors import ConfigurationError, TransientError
from dunlin.services.ports import Clock

CONTENT: Final = Path(__file__).resolve().parents[2] / "layers" / "content"
_TABLES: Final = {
    "borrowers": "BorrowersTable",
    "messages": "MessagesTable",
    "suppressions": "SuppressionsTable",
    "controls": "ControlsTable",
}
_MACHINE: Final = "EscalationStateMachine"

StackOption = Annotated[
    str,
    typer.Option("--stack", metavar="NAME", envvar="DUNLIN_STACK", help="The CloudFormation stack. [default: dunlin]"),
]
ResourceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--resource",
        metavar="ID=NAME",
        envvar="DUNLIN_RESOURCES",
        help="Instead of asking CloudFormation: a logical id of template.yaml and the table's name, the queue's URL or "
        "the state machine's ARN. Repeat it; in the variable, separate them by spaces.",
    ),
]
RegionOption = Annotated[str | None, typer.Option("--region", help="The AWS Region. [default: as boto3 finds it]")]
ContentOption = Annotated[
    Path,
    typer.Option(
        "--content",
        metavar="DIR",
        file_okay=False,
        help="The content that is deployed. [default: this checkout's]",
        show_default=False,
    ),
]


def system_clock() -> datetime:
    return datetime.now(UTC)


#: Where an operator's commands take the time from.
clock: Clock = system_clock


@dataclass(frozen=True)
class Deployment:
    """One deployed stack. Nothing is asked of AWS before something is needed."""

    region: str
    resources: Mapping[str, str]
    content_dir: Path

    def now(self) -> datetime:
        return clock()

    def _name(self, logical_id: str) -> str:
        if logical_id not in self.resources:
            raise ConfigurationError(f"{logical_id}: the stack has none, and no --resource names it")
        return self.resources[logical_id]

    def client(self, service: str) -> Any:
        return _client(service, self.region)

    @cached_property
    def store(self) -> DynamoStore:
        self._bind(_TABLES)
        return DynamoStore(self.region)

    @cached_property
    def holdings(self) -> DynamoHoldings:
        self._bind(_TABLES)
        return DynamoHoldings(self.region)

    def tell(self, event: Mapping[str, object]) -> None:
        """Give the core-event door an event, on the queue that the bus delivers to.

        Raises:
            TransientError: the queue did not take it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client("sqs").send_message(
                QueueUrl=self._name("CoreEventsQueue"), MessageBody=json.dumps({"detail": dict(event)})
            )
        except ClientError as error:
            raise TransientError(f"CoreEventsQueue: {error.response.get('Error', {}).get('Code', '')}") from None
        except BotoCoreError as error:
            raise TransientError(f"CoreEventsQueue: {type(error).__name__}") from None

    @cached_property
    def controls(self) -> DynamoControls:
        self._bind({"controls": _TABLES["controls"]})
        return DynamoControls()

    def _bind(self, wanted: Mapping[str, str]) -> None:
        bind(region=self.region, **{**dict.fromkeys(_TABLES, ""), **{key: self._name(i) for key, i in wanted.items()}})

    @cached_property
    def letters(self) -> SqsDeadLetters:
        wanted = {name for queue in QUEUES for name in (queue.logical_id, queue.source) if name}
        return SqsDeadLetters(self.client("sqs"), {name: self._name(name) for name in sorted(wanted)})

    @cached_property
    def escalations(self) -> StepFunctionsEscalations:
        return StepFunctionsEscalations(self.client("stepfunctions"), self._name(_MACHINE))

    @cached_property
    def content(self) -> Content:
        return load_content(self.content_dir)


def find_deployment(stack: str, resources: Sequence[str], region: str | None, content_dir: Path) -> Deployment:
    """The stack's resources: the ones given by hand, else what CloudFormation says.

    Raises:
        ConfigurationError: no Region, no such stack, CloudFormation cannot be asked, or an option that says nothing.
    """
    import boto3

    region = region or os.environ.get("AWS_REGION") or boto3.session.Session().region_name
    if not region:
        raise ConfigurationError("region: set AWS_REGION or give --region")
    named = dict(_pair(each) for each in resources)
    return Deployment(region, named or _of_stack(stack or "dunlin", region), content_dir)


def _pair(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not (name and equals and value):
        raise ConfigurationError(f"--resource {option}: must be ID=NAME")
    return name, value


def _of_stack(stack: str, region: str) -> dict[str, str]:
    from botocore.exceptions import BotoCoreError, ClientError

    found: dict[str, str] = {}
    try:
        pages = _client("cloudformation", region).get_paginator("list_stack_resources").paginate(StackName=stack)
        for page in pages:
            for resource in page["StackResourceSummaries"]:
                found[resource["LogicalResourceId"]] = resource.get("PhysicalResourceId", "")
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise ConfigurationError(f"stack {stack}: {code}; name it with --stack, or its parts with --resource") from None
    except BotoCoreError as error:
        kind = type(error).__name__
        raise ConfigurationError(f"CloudFormation: {kind}; name the stack's parts with --resource") from None
    return found


def _client(service: str, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=15, retries={"total_max_attempts": 3, "mode": "standard"})
    return boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload]
