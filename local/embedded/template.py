"""A SAM template, read and resolved as far as running it in one process needs.

The template stays the only description of the wiring: what is not in it does not run, and what is in it but is not
understood here is refused, because a trigger that is silently dropped looks exactly like a quiet system.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from local.embedded.errors import TemplateError

ACCOUNT_ID: Final = "123456789012"
_NO_VALUE: Final = object()
_SUB: Final = re.compile(r"\$\{([^!}][^}]*)\}")
_SUB_ESCAPE: Final = re.compile(r"\$\{!([^}]*)\}")
_SHORT: Final = {"Ref": "Ref", "Condition": "Condition"}


class _CfnLoader(yaml.SafeLoader):
    """SafeLoader with CloudFormation's short tags, and without YAML's own idea of dates."""


def _construct_tag(loader: _CfnLoader, suffix: str, node: yaml.Node) -> Any:
    name = _SHORT.get(suffix, f"Fn::{suffix}")
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode), "a node is a scalar, a sequence or a mapping"
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_CfnLoader.add_multi_constructor("!", _construct_tag)
# "2012-10-17" has to stay text, as it does in CloudFormation.
_CfnLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load_yaml(text: str) -> Any:
    """YAML (or JSON) with CloudFormation's short tags, as plain data."""
    return copy.deepcopy(_parsed(text))


@lru_cache(maxsize=32)
def _parsed(text: str) -> Any:
    # A large template takes a second to parse, and a process may open it for many worlds.
    return yaml.load(text, Loader=_CfnLoader)  # noqa: S506 - a SafeLoader


@dataclass(frozen=True)
class Resource:
    """One resource whose condition holds. `properties` are resolved only when they are read."""

    logical_id: str
    type: str
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class EventSource:
    """One event of one function, properties resolved."""

    function: str
    name: str
    type: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class FunctionSpec:
    """What is needed to run one function."""

    logical_id: str
    name: str
    arn: str
    code_uri: str
    handler: str
    timeout_seconds: int
    memory_mb: int
    environment: Mapping[str, str]
    retry_attempts: int
    on_failure_arn: str | None


_PSEUDO_PREFIX: Final = "AWS::"
#: Resources that `Ref` gives as an ARN; all others give their name or id.
_REF_IS_ARN: Final = frozenset(
    {
        "AWS::SNS::Topic",
        "AWS::Serverless::StateMachine",
        "AWS::StepFunctions::StateMachine",
        "AWS::SecretsManager::Secret",
        "AWS::Serverless::LayerVersion",
        "AWS::Lambda::LayerVersion",
    }
)
_NAME_PROPERTY: Final = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::SSM::Parameter": "Name",
    "AWS::Serverless::Function": "FunctionName",
    "AWS::Serverless::StateMachine": "Name",
    "AWS::SES::ConfigurationSet": "Name",
    "AWS::SES::EmailIdentity": "EmailIdentity",
    "AWS::Logs::LogGroup": "LogGroupName",
}
_ARN: Final = {
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{name}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{name}",
    "AWS::Serverless::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Serverless::StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "AWS::Serverless::LayerVersion": "lambda:{region}:{account}:layer:{name}:1",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::SSM::Parameter": "ssm:{region}:{account}:parameter/{name}",
}


@dataclass
class Template:
    """A template bound to parameters, an account and a region.

    Raises:
        TemplateError: on construction, when a parameter has neither a value nor a default.
    """

    document: Mapping[str, Any]
    directory: Path
    region: str
    stack: str
    parameters: dict[str, Any] = field(default_factory=dict)
    #: ARNs that are only known once a resource exists, such as a secret's with its random tail.
    arns: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, *, parameters: Mapping[str, str], region: str, stack: str) -> Template:
        document = load_yaml(path.read_text(encoding="utf-8"))
        template = cls(document=document, directory=path.parent, region=region, stack=stack)
        declared: Mapping[str, Any] = document.get("Parameters") or {}
        unknown = sorted(set(parameters) - set(declared))
        if unknown:
            raise TemplateError(f"the template has no parameters {unknown}")
        for name, declaration in declared.items():
            value = parameters.get(name, declaration.get("Default", _NO_VALUE))
            if value is _NO_VALUE:
                raise TemplateError(f"parameter {name} has neither a value nor a default")
            if declaration["Type"] == "CommaDelimitedList" or str(declaration["Type"]).startswith("List<"):
                value = [part.strip() for part in str(value).split(",")] if value != "" else []
            template.parameters[name] = value
        return template

    # ------------------------------------------------------------------ resources

    def resources(self, *types: str) -> Iterator[Resource]:
        """Resources of these types (all without any) whose condition holds, in the template's order."""
        for logical_id, raw in self.document["Resources"].items():
            if types and raw["Type"] not in types:
                continue
            if "Condition" in raw and not self.condition(raw["Condition"]):
                continue
            yield Resource(logical_id=logical_id, type=raw["Type"], raw=raw)

    def properties(self, resource: Resource, *names: str) -> dict[str, Any]:
        """The resource's properties, resolved; only `names` when given, so that the rest may be unresolvable."""
        raw = resource.raw.get("Properties") or {}
        wanted = {key: value for key, value in raw.items() if not names or key in names}
        try:
            resolved = self.resolve(wanted)
        except TemplateError as error:
            raise TemplateError(f"{resource.logical_id}: {error}") from None
        assert isinstance(resolved, dict)
        return resolved

    def find(self, logical_id: str) -> Resource:
        for resource in self.resources():
            if resource.logical_id == logical_id:
                return resource
        raise TemplateError(f"no resource {logical_id} (or its condition does not hold)")

    def physical_name(self, logical_id: str) -> str:
        """The name AWS would know it by: the template's own, else `stack-LogicalId`."""
        resource = self.find(logical_id)
        raw = resource.raw.get("Properties") or {}
        declared = raw.get(_NAME_PROPERTY.get(resource.type, ""))
        if declared is not None:
            name = self.resolve(declared)
            if name is not _NO_VALUE:
                return str(name)
        suffix = ".fifo" if str(raw.get("FifoQueue", raw.get("FifoTopic", ""))).lower() == "true" else ""
        return f"{self.stack}-{logical_id}{suffix}"

    def arn(self, logical_id: str) -> str:
        if logical_id in self.arns:
            return self.arns[logical_id]
        resource = self.find(logical_id)
        shape = _ARN.get(resource.type)
        if shape is None:
            raise TemplateError(f"the ARN of a {resource.type} ({logical_id}) is not known here")
        name = self.physical_name(logical_id)
        return "arn:aws:" + shape.format(region=self.region, account=ACCOUNT_ID, name=name.lstrip("/"))

    def logical_id_of(self, arn: str, *types: str) -> str:
        """The resource with this ARN (a stream's ARN counts as its table's)."""
        wanted = arn.split("/stream/", maxsplit=1)[0]
        for resource in self.resources(*types):
            if self.arn(resource.logical_id) == wanted:
                return resource.logical_id
        raise TemplateError(f"no resource of {types} has the ARN {arn}")

    def ref(self, name: str) -> Any:
        if name.startswith(_PSEUDO_PREFIX):
            return self._pseudo(name)
        if name in self.parameters:
            return self.parameters[name]
        if name not in self.document["Resources"]:
            if name == "ServerlessRestApi":
                return "embedded"
            raise TemplateError(f"Ref to {name}, which is neither a parameter nor a resource")
        resource = self.find(name)
        if resource.type in _REF_IS_ARN:
            return self.arn(name)
        if resource.type == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT_ID}/{self.physical_name(name)}"
        if resource.type in ("AWS::Serverless::Api", "AWS::ApiGateway::RestApi"):
            return "embedded"
        return self.physical_name(name)

    def get_att(self, name: str, attribute: str) -> Any:
        match attribute:
            case "Arn" | "QueueArn" | "TopicArn" | "Id" | "LayerVersionArn" | "RuleArn":
                return self.arn(name)
            case "StreamArn":
                return f"{self.arn(name)}/stream/embedded"
            case "Name" | "QueueName" | "TopicName":
                return self.physical_name(name)
            case "QueueUrl" | "RoleId" | "Ref":
                return self.ref(name)
            case _:
                raise TemplateError(f"GetAtt {name}.{attribute} is not known here")

    # ------------------------------------------------------------------ functions

    def functions(self) -> Iterator[FunctionSpec]:
        for resource in self.resources("AWS::Serverless::Function"):
            properties = self._with_globals(resource)
            environment = self.resolve((properties.get("Environment") or {}).get("Variables") or {})
            config = self.resolve(properties.get("EventInvokeConfig") or {})
            on_failure = (config.get("DestinationConfig") or {}).get("OnFailure") or {}
            yield FunctionSpec(
                logical_id=resource.logical_id,
                name=self.physical_name(resource.logical_id),
                arn=self.arn(resource.logical_id),
                code_uri=str(self.resolve(properties.get("CodeUri", "."))),
                handler=str(self.resolve(properties["Handler"])),
                timeout_seconds=int(self.resolve(properties.get("Timeout", 3))),
                memory_mb=int(self.resolve(properties.get("MemorySize", 128))),
                environment={name: _as_text(value) for name, value in environment.items()},
                retry_attempts=int(config.get("MaximumRetryAttempts", 2)),
                on_failure_arn=on_failure.get("Destination"),
            )

    def events(self) -> Iterator[EventSource]:
        """Every event of every function, in the template's order."""
        for resource in self.resources("AWS::Serverless::Function"):
            raw = (resource.raw.get("Properties") or {}).get("Events") or {}
            for name, event in raw.items():
                properties = self.resolve(event.get("Properties") or {})
                yield EventSource(function=resource.logical_id, name=name, type=event["Type"], properties=properties)

    def _with_globals(self, resource: Resource) -> dict[str, Any]:
        shared: dict[str, Any] = (self.document.get("Globals") or {}).get("Function") or {}
        merged: dict[str, Any] = _merge(shared, resource.raw.get("Properties") or {})
        return merged

    # ------------------------------------------------------------------ intrinsics

    def condition(self, name: str) -> bool:
        conditions = self.document.get("Conditions") or {}
        if name not in conditions:
            raise TemplateError(f"no condition {name}")
        return bool(self._condition_value(conditions[name]))

    def _condition_value(self, value: Any) -> Any:
        if isinstance(value, Mapping) and set(value) == {"Condition"}:
            return self.condition(value["Condition"])
        return self.resolve(value)

    def resolve(self, value: Any) -> Any:
        """`value` with every intrinsic function carried out, and AWS::NoValue left out.

        Raises:
            TemplateError: an intrinsic or a name that is not known.
        """
        if isinstance(value, Mapping):
            if len(value) == 1:
                name, argument = next(iter(value.items()))
                if name == "Ref" or name.startswith("Fn::"):
                    return self._intrinsic(name, argument)
            pairs = ((key, self.resolve(inner)) for key, inner in value.items())
            return {key: inner for key, inner in pairs if inner is not _NO_VALUE}
        if isinstance(value, list):
            return [inner for inner in map(self.resolve, value) if inner is not _NO_VALUE]
        return value

    def _intrinsic(self, name: str, argument: Any) -> Any:
        intrinsics: dict[str, Callable[[Any], Any]] = {
            "Ref": self.ref,
            "Fn::GetAtt": self._fn_get_att,
            "Fn::Sub": self._fn_sub,
            "Fn::If": self._fn_if,
            "Fn::Equals": lambda pair: self.resolve(pair[0]) == self.resolve(pair[1]),
            "Fn::Not": lambda one: not self._condition_value(one[0]),
            "Fn::And": lambda many: all(self._condition_value(one) for one in many),
            "Fn::Or": lambda many: any(self._condition_value(one) for one in many),
            "Fn::Join": lambda pair: str(pair[0]).join(map(_as_text, self.resolve(pair[1]))),
            "Fn::Split": lambda pair: str(self.resolve(pair[1])).split(pair[0]),
            "Fn::Select": lambda pair: self.resolve(pair[1])[int(self.resolve(pair[0]))],
            "Fn::FindInMap": self._fn_find_in_map,
            "Fn::Base64": lambda text: base64.b64encode(str(self.resolve(text)).encode()).decode(),
            "Fn::ToJsonString": lambda inner: json.dumps(self.resolve(inner)),
            "Fn::Length": lambda inner: len(self.resolve(inner)),
            "Fn::GetAZs": lambda _: [f"{self.region}{zone}" for zone in "abc"],
        }
        if name not in intrinsics:
            raise TemplateError(f"{name} is not known here")
        return intrinsics[name](argument)

    def _fn_get_att(self, argument: Any) -> Any:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        return self.get_att(name, attribute)

    def _fn_if(self, argument: list[Any]) -> Any:
        name, when_true, when_false = argument
        return self.resolve(when_true if self.condition(name) else when_false)

    def _fn_find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = (self.resolve(part) for part in argument[:3])
        try:
            return self.resolve(self.document["Mappings"][name][first][second])
        except KeyError:
            if len(argument) > 3 and "DefaultValue" in argument[3]:
                return self.resolve(argument[3]["DefaultValue"])
            raise TemplateError(f"no mapping {name}.{first}.{second}") from None

    def _fn_sub(self, argument: Any) -> str:
        text, extra = (argument, {}) if isinstance(argument, str) else argument

        def replace(match: re.Match[str]) -> str:
            name = match.group(1).strip()
            if name in extra:
                return _as_text(self.resolve(extra[name]))
            if "." in name and not name.startswith(_PSEUDO_PREFIX):
                return _as_text(self.get_att(*name.split(".", 1)))
            return _as_text(self.ref(name))

        return _SUB_ESCAPE.sub(r"${\1}", _SUB.sub(replace, text))

    def _pseudo(self, name: str) -> Any:
        values: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT_ID,
            "AWS::Region": self.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": self.stack,
            "AWS::StackId": f"arn:aws:cloudformation:{self.region}:{ACCOUNT_ID}:stack/{self.stack}/embedded",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": _NO_VALUE,
        }
        if name not in values:
            raise TemplateError(f"no pseudo parameter {name}")
        return values[name]


def _merge(shared: Any, own: Any) -> Any:
    """SAM's merge of Globals: maps are merged, lists are added up, anything else is overridden."""
    if isinstance(shared, Mapping) and isinstance(own, Mapping):
        if _is_intrinsic(shared) or _is_intrinsic(own):
            return own
        merged = dict(shared)
        for key, value in own.items():
            merged[key] = _merge(shared[key], value) if key in shared else value
        return merged
    if isinstance(shared, list) and isinstance(own, list):
        return [*shared, *own]
    return own


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and (next(iter(value)) == "Ref" or str(next(iter(value))).startswith("Fn::"))


def _as_text(value: Any) -> str:
    # CloudFormation writes booleans in lower case and numbers as they stand.
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
