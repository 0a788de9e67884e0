"""The doors, the key, the stores: what the threat model says of the template, held against the template.

Each rule is a function that names what is wrong, so that it can be shown to find a planted defect.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.infra.stack import ROOT, Stack, as_list, names, stack

Finding = str

#: Where each kind of store keeps the name of its key.
KEY_OF = {
    "AWS::DynamoDB::Table": ("SSESpecification", "KMSMasterKeyId"),
    "AWS::SQS::Queue": ("KmsMasterKeyId",),
    "AWS::SNS::Topic": ("KmsMasterKeyId",),
    "AWS::SecretsManager::Secret": ("KmsKeyId",),
    "AWS::Logs::LogGroup": ("KmsKeyId",),
}
#: Kinds of resources that keep something; a new one has to be thought about here.
STORES = (
    *KEY_OF,
    "AWS::S3::Bucket",
    "AWS::SSM::Parameter",
    "AWS::Kinesis::Stream",
    "AWS::KinesisFirehose::DeliveryStream",
)
#: What somebody texts or is told may look like an attack; a request that is counted and not blocked loses no opt-out.
COUNTED = {
    "SizeRestrictions_BODY",
    "SizeRestrictions_QUERYSTRING",
    "NoUserAgent_HEADER",
    "CrossSiteScripting_BODY",
    "CrossSiteScripting_QUERYARGUMENTS",
    "GenericLFI_BODY",
    "GenericLFI_QUERYARGUMENTS",
    "GenericRFI_BODY",
    "GenericRFI_QUERYARGUMENTS",
    "EC2MetaDataSSRF_BODY",
    "EC2MetaDataSSRF_QUERYARGUMENTS",
}
_SECRET = re.compile(r"(?i)(secret|token|password|api_?key|credential|auth)")


def unencrypted(read: Stack) -> Iterator[Finding]:
    """Stores without our own key."""
    for name, resource in read.resources.items():
        if resource["Type"] not in STORES:
            continue
        value: Any = resource["Properties"]
        for step in KEY_OF.get(resource["Type"], ("none",)):
            value = value.get(step, {})
        if names(value) != {"DataKey"}:
            yield name


def unrotated(read: Stack) -> Iterator[Finding]:
    for name, key in read.of("AWS::KMS::Key").items():
        if key["Properties"].get("EnableKeyRotation") is not True:
            yield name


def without_tls(read: Stack) -> Iterator[Finding]:
    """Queues and topics whose policy does not begin by denying everything without TLS."""
    for kind, policy, service in (
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
    ):
        denied = {
            target
            for resource in read.of(policy).values()
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]
            if statement.get("Effect") == "Deny"
            and statement.get("Principal") == "*"
            and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            for target in names(resource["Properties"][service])
        }
        yield from sorted(set(read.of(kind)) - denied)


def open_to_anybody(read: Stack) -> Iterator[Finding]:
    """Resource policies that let anybody in without a condition."""
    for name, resource in read.resources.items():
        document = resource["Properties"].get("PolicyDocument") or resource["Properties"].get("KeyPolicy")
        for raw in as_list((document or {}).get("Statement", [])):
            statement = raw["Fn::If"][1] if "Fn::If" in raw else raw
            anybody = statement.get("Principal") in ("*", {"AWS": "*"})
            if statement["Effect"] == "Allow" and anybody and not statement.get("Condition"):
                yield f"{name} {statement.get('Sid', '')}"


def secrets_written_out(read: Stack) -> Iterator[Finding]:
    """Variables and parameters that hold a secret, not the name of one."""
    for function in read.functions:
        for name, value in function.environment.items():
            if _SECRET.search(name) and not isinstance(value, dict):
                yield f"{function.name} {name}"
            if "resolve:secretsmanager" in str(value) or "resolve:ssm-secure" in str(value):
                yield f"{function.name} {name}"
    for name in read.parameters:
        if _SECRET.search(name):
            yield name
    for name, secret in read.of("AWS::SecretsManager::Secret").items():
        written = str(secret["Properties"].get("SecretString", ""))
        if not ("GenerateSecretString" in secret["Properties"] or written in ("{}", '{"recipients": []}')):
            yield name


def unthrottled(read: Stack) -> Iterator[Finding]:
    for name, api in read.of("AWS::Serverless::Api").items():
        settings = [each for each in api["Properties"].get("MethodSettings", []) if each["ResourcePath"] == "/*"]
        if not any(each.get("ThrottlingRateLimit") and each.get("ThrottlingBurstLimit") for each in settings):
            yield name
        if not api["Properties"]["Auth"].get("UsagePlan", {}).get("Throttle"):
            yield f"{name} usage plan"


def _rule(read: Stack, name: str) -> dict[str, Any]:
    rules = read.properties("DunlinWebAcl")["Rules"]
    return next((rule for rule in rules if rule["Name"] == name), {})


def web_acl_gaps(read: Stack) -> Iterator[Finding]:
    size = _rule(read, "body-size").get("Statement", {}).get("SizeConstraintStatement", {})
    if (size.get("Size"), size.get("ComparisonOperator")) != (65536, "GT"):
        yield "size"
    if size.get("FieldToMatch") != {"Body": {"OversizeHandling": "MATCH"}}:
        yield "size of what is larger than is looked at"
    rate = _rule(read, "rate").get("Statement", {}).get("RateBasedStatement", {})
    if rate.get("AggregateKeyType") != "IP" or names(rate.get("Limit")) != {"WebAclRateLimit"}:
        yield "rate"
    if _rule(read, "rate").get("Action", {}).get("Block", {}).get("CustomResponse") != {"ResponseCode": 429}:
        yield "rate: a provider that is told 403 gives up"
    for name, group in (("known-bad-inputs", "KnownBadInputs"), ("common", "Common")):
        rule = _rule(read, name)
        managed = rule.get("Statement", {}).get("ManagedRuleGroupStatement", {})
        if managed.get("Name") != f"AWSManagedRules{group}RuleSet" or rule.get("OverrideAction") != {"None": {}}:
            yield name
    common = _rule(read, "common").get("Statement", {}).get("ManagedRuleGroupStatement", {})
    counted = {each["Name"] for each in common.get("RuleActionOverrides", []) if each["ActionToUse"] == {"Count": {}}}
    if counted != COUNTED:
        yield f"common: {sorted(counted ^ COUNTED)}"
    rules = read.properties("DunlinWebAcl")["Rules"]
    for each in (read.properties("DunlinWebAcl"), *rules):
        if each["VisibilityConfig"]["SampledRequestsEnabled"] is not False:
            yield "samples hold tokens"
    if len({rule["Priority"] for rule in rules}) != len(rules):
        yield "priorities"


Change = Callable[[dict[str, Any]], object]


def _properties(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["Resources"][name]["Properties"]
    return found


def _acl_rule(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in _properties(document, "DunlinWebAcl")["Rules"] if each["Name"] == name
    )
    return found


def _variables(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["Globals"]["Function"]["Environment"]["Variables"]
    return found


BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {}}
DEFECTS: list[tuple[Callable[[Stack], Iterator[Finding]], str, Change]] = [
    (unencrypted, "a table", lambda d: _properties(d, "MessagesTable").pop("SSESpecification")),
    (unencrypted, "a queue", lambda d: _properties(d, "CoreEventsQueue").update(KmsMasterKeyId="alias/aws/sqs")),
    (unencrypted, "a secret", lambda d: _properties(d, "ProvidersSecret").pop("KmsKeyId")),
    (unencrypted, "a log group", lambda d: _properties(d, "DunlinApiLogGroup").pop("KmsKeyId")),
    (unencrypted, "another store", lambda d: d["Resources"].update(Bucket=BUCKET)),
    (unrotated, "rotation", lambda d: _properties(d, "DataKey").update(EnableKeyRotation=False)),
    (without_tls, "a queue", lambda d: d["Resources"].pop("CoreEventsQueuePolicy")),
    (
        open_to_anybody,
        "a queue",
        lambda d: _properties(d, "CoreEventsQueuePolicy")["PolicyDocument"]["Statement"].append(
            {"Sid": "x", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
        ),
    ),
    (secrets_written_out, "a variable", lambda d: _variables(d).update(PROVIDER_TOKEN="abc")),
    (secrets_written_out, "resolved", lambda d: _variables(d).update(X="{{resolve:secretsmanager:a}}")),
    (secrets_written_out, "a parameter", lambda d: d["Parameters"].update(TwilioAuthToken={"Type": "String"})),
    (secrets_written_out, "a value", lambda d: _properties(d, "ProvidersSecret").update(SecretString='{"a":"b"}')),
    (unthrottled, "methods", lambda d: _properties(d, "DunlinApi")["MethodSettings"][0].pop("ThrottlingRateLimit")),
    (unthrottled, "the plan", lambda d: _properties(d, "DunlinApi")["Auth"]["UsagePlan"].pop("Throttle")),
    (web_acl_gaps, "no size", lambda d: _properties(d, "DunlinWebAcl")["Rules"].pop(0)),
    (web_acl_gaps, "counted only", lambda d: _acl_rule(d, "common").update(OverrideAction={"Count": {}})),
    (
        web_acl_gaps,
        "texts blocked",
        lambda d: _acl_rule(d, "common")["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"].pop(),
    ),
    (web_acl_gaps, "no rate", lambda d: _acl_rule(d, "rate").update(Statement={})),
    (
        web_acl_gaps,
        "samples",
        lambda d: _acl_rule(d, "rate")["VisibilityConfig"].update(SampledRequestsEnabled=True),
    ),
]
RULES = (unencrypted, unrotated, without_tls, open_to_anybody, secrets_written_out, unthrottled, web_acl_gaps)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_keeps_the_rule(rule: Callable[[Stack], Iterator[Finding]]) -> None:
    assert list(rule(stack())) == []


@pytest.mark.parametrize(("rule", "what", "plant"), DEFECTS, ids=[f"{r.__name__}-{w}" for r, w, _ in DEFECTS])
def test_a_planted_defect_is_found(rule: Callable[[Stack], Iterator[Finding]], what: str, plant: Change) -> None:
    document = copy.deepcopy(stack().document)
    plant(document)
    assert list(rule(Stack(document))), what


def test_every_rule_was_tried_with_a_defect() -> None:
    assert {rule for rule, _, _ in DEFECTS} == set(RULES)


def test_nothing_deployed_turns_tls_off_or_reads_a_secret_from_the_environment() -> None:
    for path in [*(ROOT / "layers" / "dunlin" / "dunlin").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]:
        if "testing" in path.parts:
            continue
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"verify\s*=\s*False|use_ssl\s*=\s*False|CERT_NONE|_create_unverified", code), path.name
