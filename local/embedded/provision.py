"""Creating in moto what a template declares."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import boto3

from local.embedded.errors import TemplateError
from local.embedded.template import Template, load_yaml
from local.embedded.workflows import refuse_branches

#: Declared, understood, and without an effect in one process.
_WITHOUT_EFFECT: Final = (
    "AWS::CloudWatch::",
    "AWS::Logs::",
    "AWS::IAM::",
    "AWS::KMS::",
    "AWS::SQS::QueuePolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::Budgets::",
    "AWS::SMSVOICE::",
    "AWS::WAFv2::",
    "AWS::Lambda::Permission",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Serverless::LayerVersion",
    "AWS::Serverless::Api",
    "AWS::ApiGateway::",
    "AWS::S3::",
    "AWS::ApplicationAutoScaling::",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::CloudTrail::",
    "AWS::Backup::",
    "AWS::XRay::",
    "AWS::Events::EventBusPolicy",
    "AWS::SES::EmailIdentity",
    "AWS::CodeDeploy::",
    "AWS::ResourceGroups::",
    "AWS::Cognito::",
)
_CREATED: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::SQS::Queue",
        "AWS::SNS::Topic",
        "AWS::SNS::Subscription",
        "AWS::Events::EventBus",
        "AWS::Events::Rule",
        "AWS::SecretsManager::Secret",
        "AWS::SSM::Parameter",
        "AWS::SES::ConfigurationSet",
        "AWS::SES::ConfigurationSetEventDestination",
        "AWS::Serverless::Function",
        "AWS::Serverless::StateMachine",
    }
)


class Provisioner:
    """Creates resources once, in an order in which each finds what it refers to."""

    def __init__(self, template: Template, *, seed: int, identities: tuple[str, ...]) -> None:
        self._template = template
        self._seed = seed
        self._identities = identities

    def create(self) -> None:
        """
        Raises:
            TemplateError: a resource type that would be silently missing.
        """
        self._refuse_unknown()
        self._tables()
        self._queues()
        self._topics()
        self._secrets()
        self._buses()
        self._email()
        self._state_machines()

    def _refuse_unknown(self) -> None:
        unknown = sorted(
            f"{resource.logical_id} ({resource.type})"
            for resource in self._template.resources()
            if resource.type not in _CREATED and not resource.type.startswith(_WITHOUT_EFFECT)
        )
        if unknown:
            raise TemplateError(f"the embedded AWS does not know {', '.join(unknown)}")

    def _client(self, service: str) -> Any:
        return _session().client(service, region_name=self._template.region)  # type: ignore[call-overload]

    def _tables(self) -> None:
        client = self._client("dynamodb")
        names = (
            "KeySchema",
            "AttributeDefinitions",
            "GlobalSecondaryIndexes",
            "LocalSecondaryIndexes",
            "StreamSpecification",
            "TimeToLiveSpecification",
        )
        for resource in self._template.resources("AWS::DynamoDB::Table"):
            properties = self._template.properties(resource, *names)
            ttl = properties.pop("TimeToLiveSpecification", None)
            if "StreamSpecification" in properties:
                view = properties["StreamSpecification"]["StreamViewType"]
                properties["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
            for index in properties.get("GlobalSecondaryIndexes", []):
                index.pop("ProvisionedThroughput", None)
                index.pop("OnDemandThroughput", None)
                index.pop("ContributorInsightsSpecification", None)
            name = self._template.physical_name(resource.logical_id)
            client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **properties)
            if ttl and ttl.get("Enabled"):
                client.update_time_to_live(TableName=name, TimeToLiveSpecification=ttl)

    def _queues(self) -> None:
        client = self._client("sqs")
        redrive: dict[str, Any] = {}
        attributes = (
            "DelaySeconds",
            "FifoQueue",
            "ContentBasedDeduplication",
            "MessageRetentionPeriod",
            "VisibilityTimeout",
            "ReceiveMessageWaitTimeSeconds",
        )
        for resource in self._template.resources("AWS::SQS::Queue"):
            properties = self._template.properties(resource, *attributes, "RedrivePolicy")
            policy = properties.pop("RedrivePolicy", None)
            name = self._template.physical_name(resource.logical_id)
            values = {key: _attribute(value) for key, value in properties.items()}
            if values.get("FifoQueue") == "false":
                del values["FifoQueue"]
            url = client.create_queue(QueueName=name, Attributes=values)["QueueUrl"]
            if policy:
                redrive[url] = policy
        for url, policy in redrive.items():
            client.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})

    def _topics(self) -> None:
        client = self._client("sns")
        for resource in self._template.resources("AWS::SNS::Topic"):
            properties = self._template.properties(resource, "Subscription", "FifoTopic", "ContentBasedDeduplication")
            subscriptions = properties.pop("Subscription", [])
            client.create_topic(
                Name=self._template.physical_name(resource.logical_id),
                Attributes={key: _attribute(value) for key, value in properties.items()},
            )
            for subscription in subscriptions:
                self._subscribe(client, {**subscription, "TopicArn": self._template.arn(resource.logical_id)})
        for resource in self._template.resources("AWS::SNS::Subscription"):
            self._subscribe(client, self._template.properties(resource))

    @staticmethod
    def _subscribe(client: Any, properties: Mapping[str, Any]) -> None:
        if properties["Protocol"] in ("email", "email-json", "sms"):
            return  # an alarm's reader, who is not here
        if properties["Protocol"] != "sqs":
            raise TemplateError(f"a subscription by {properties['Protocol']} is not wired here")
        attributes = {}
        if _attribute(properties.get("RawMessageDelivery", False)) == "true":
            attributes["RawMessageDelivery"] = "true"
        if "FilterPolicy" in properties:
            attributes["FilterPolicy"] = json.dumps(properties["FilterPolicy"])
            attributes["FilterPolicyScope"] = str(properties.get("FilterPolicyScope", "MessageAttributes"))
        client.subscribe(
            TopicArn=properties["TopicArn"],
            Protocol="sqs",
            Endpoint=properties["Endpoint"],
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )

    def _secrets(self) -> None:
        client = None
        for resource in self._template.resources("AWS::SecretsManager::Secret"):
            client = client or self._client("secretsmanager")
            properties = self._template.properties(resource, "SecretString", "GenerateSecretString")
            created = client.create_secret(
                Name=self._template.physical_name(resource.logical_id),
                SecretString=self._secret_text(resource.logical_id, properties),
            )
            self._template.arns[resource.logical_id] = created["ARN"]
        for resource in self._template.resources("AWS::SSM::Parameter"):
            properties = self._template.properties(resource)
            self._client("ssm").put_parameter(
                Name=self._template.physical_name(resource.logical_id),
                Value=str(properties["Value"]),
                Type=str(properties.get("Type", "String")),
            )

    def _secret_text(self, logical_id: str, properties: Mapping[str, Any]) -> str:
        if "SecretString" in properties:
            return str(properties["SecretString"])
        rule = properties.get("GenerateSecretString") or {}
        # From the seed, so that two runs hash the same number to the same key.
        digest = hashlib.sha512(f"{self._seed}:{logical_id}".encode()).hexdigest()
        password = digest[: int(rule.get("PasswordLength", 32))]
        if "GenerateStringKey" not in rule:
            return password
        document = json.loads(rule.get("SecretStringTemplate", "{}"))
        return json.dumps({**document, rule["GenerateStringKey"]: password})

    def _buses(self) -> None:
        client = None
        for resource in self._template.resources("AWS::Events::EventBus"):
            client = client or self._client("events")
            client.create_event_bus(Name=self._template.physical_name(resource.logical_id))
        for resource in self._template.resources("AWS::Events::Rule"):
            properties = self._template.properties(resource)
            if "EventPattern" not in properties:
                continue  # a schedule, which the schedules fire
            client = client or self._client("events")
            bus = {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}
            name = self._template.physical_name(resource.logical_id)
            client.put_rule(
                Name=name,
                EventPattern=json.dumps(properties["EventPattern"]),
                State=properties.get("State", "ENABLED"),
                **bus,
            )
            targets = []
            for target in properties.get("Targets", []):
                if ":sqs:" not in target["Arn"]:
                    raise TemplateError(f"{resource.logical_id}: a rule can only have queues as targets here")
                known = ("Id", "Arn", "Input", "InputPath", "InputTransformer", "SqsParameters")
                targets.append({key: value for key, value in target.items() if key in known})
            client.put_targets(Rule=name, Targets=targets, **bus)

    def _email(self) -> None:
        declared = [
            str(self._template.properties(resource, "EmailIdentity")["EmailIdentity"])
            for resource in self._template.resources("AWS::SES::EmailIdentity")
        ]
        sets = list(self._template.resources("AWS::SES::ConfigurationSet"))
        if not (self._identities or declared or sets):
            return
        client = self._client("ses")
        for identity in dict.fromkeys([*self._identities, *declared]):
            if "@" in identity:
                client.verify_email_identity(EmailAddress=identity)
            else:
                client.verify_domain_identity(Domain=identity)
        for resource in sets:
            client.create_configuration_set(
                ConfigurationSet={"Name": self._template.physical_name(resource.logical_id)}
            )

    def _state_machines(self) -> None:
        client = None
        for resource in self._template.resources("AWS::Serverless::StateMachine"):
            client = client or self._client("stepfunctions")
            properties = self._template.properties(
                resource, "DefinitionUri", "Definition", "DefinitionSubstitutions", "Type"
            )
            if properties.get("Type", "STANDARD") != "STANDARD":
                raise TemplateError(f"{resource.logical_id}: only STANDARD state machines are wired here")
            text = self._definition(properties)
            definition = load_yaml(text)
            refuse_branches(definition)
            client.create_state_machine(
                name=self._template.physical_name(resource.logical_id),
                definition=json.dumps(definition),
                roleArn=f"arn:aws:iam::123456789012:role/{resource.logical_id}",
            )

    def _definition(self, properties: Mapping[str, Any]) -> str:
        if "Definition" in properties:
            text = json.dumps(properties["Definition"])
        else:
            text = (self._template.directory / properties["DefinitionUri"]).read_text(encoding="utf-8")
        for name, value in (properties.get("DefinitionSubstitutions") or {}).items():
            text = text.replace(f"${{{name}}}", str(value))
        return text


@cache
def _session() -> boto3.session.Session:
    # Kept for the life of the process: a session reads the services' models from disk, and mock_aws drops boto3's own.
    return boto3.session.Session(aws_access_key_id="EMBEDDED", aws_secret_access_key="embedded")  # noqa: S106


def _attribute(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
