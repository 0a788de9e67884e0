"""The conventions of the template, one test each: names, logs, failure paths, encryption, time-outs."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest

from tests.infra.stack import ARCHITECTURE, ROOT, Function, names, stack, table_rows

FUNCTIONS = {function.name: function for function in stack().functions}
QUEUES = stack().of("AWS::SQS::Queue")
TABLES = stack().of("AWS::DynamoDB::Table")
#: Where a message ends: nothing reads these but a person, so they have no dead-letter queue of their own.
LAST_STOPS = {name for name in QUEUES if name.endswith("DeadLetterQueue")} | {
    "StreamFailuresQueue",
    "ScheduleFailuresQueue",
    "RefusedInputQueue",
}

each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
each_queue = pytest.mark.parametrize("queue", QUEUES)
each_table = pytest.mark.parametrize("table", TABLES)


def events() -> list[tuple[Function, str, str, dict[str, Any]]]:
    return [
        (function, name, event["Type"], event["Properties"])
        for function in FUNCTIONS.values()
        for name, event in function.events.items()
    ]


# ── The map and the territory ────────────────────────────────────────────────────────────────────────────────────────


def test_the_template_has_the_functions_of_the_architecture_page() -> None:
    assert set(FUNCTIONS) == {row[0] for row in table_rows("Functions")}


@each_function
def test_a_function_has_a_folder_with_one_app(function: Function) -> None:
    assert function.properties["CodeUri"] == f"functions/{function.name}/"
    assert function.properties["Handler"] == "app.lambda_handler"
    folder = ROOT / "functions" / function.name
    assert (folder / "app.py").is_file()
    assert [path.name for path in folder.glob("*.py")] == ["app.py"]


def test_every_folder_is_a_function() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert folders <= set(FUNCTIONS)


def test_triggers_are_those_of_the_architecture_page() -> None:
    for name, trigger, batch in table_rows("Functions"):
        kinds = {event["Type"]: event["Properties"] for event in FUNCTIONS[name].events.values()}
        size = re.match(r"\d+", batch)
        if trigger.startswith("SQS"):
            queue = re.findall(r"`(\w+)`", trigger)[0]
            assert names(kinds["SQS"]["Queue"]) == {queue}
        elif "stream" in trigger:
            state = re.findall(r"= (\w+)`", trigger)[0]
            present = re.findall(r"`dynamodb.NewImage.(\w+)` present", trigger)
            assert names(kinds["DynamoDB"]["Stream"]) == {"MessagesTable"}
            filters = kinds["DynamoDB"]["FilterCriteria"]["Filters"]
            assert [json.loads(item["Pattern"]) for item in filters] == [
                {"dynamodb": {"NewImage": {"state": {"S": [state]}}}},
                *({"dynamodb": {"NewImage": {each: {"S": [{"exists": True}]}}}} for each in present),
            ]
        elif trigger.startswith("schedule"):
            assert kinds["Schedule"]["Schedule"] == "rate(1 minute)"
        elif trigger.startswith("REST API"):
            routes = {
                f"{event['Properties']['Method']} {event['Properties']['Path']}"
                for event in FUNCTIONS[name].events.values()
            }
            assert routes == set(re.findall(r"`((?:GET|POST) [^`]+)`", trigger))
        else:
            assert trigger.startswith("Step Functions task")
            assert not kinds
        if size is not None:
            (properties,) = (each for kind, each in kinds.items() if kind != "Schedule")
            assert properties["BatchSize"] == int(size.group())


def test_tables_and_indexes_are_those_of_the_architecture_page() -> None:
    rows = table_rows("Tables")
    assert set(TABLES) == {row[0].strip("`") for row in rows}
    for name, key, indexes, streams in rows:
        properties = TABLES[name.strip("`")]["Properties"]
        assert [item["AttributeName"] for item in properties["KeySchema"]] == re.findall(r"`(\w+)`", key)
        written = {
            index: [first, second] for index, first, second in re.findall(r"`(\w+)`: `(\w+)` S, `(\w+)` S", indexes)
        }
        assert written == {
            item["IndexName"]: [part["AttributeName"] for part in item["KeySchema"]]
            for item in properties.get("GlobalSecondaryIndexes", [])
        }
        assert ("StreamSpecification" in properties) == (streams != "no")
        assert {item["AttributeType"] for item in properties["AttributeDefinitions"]} == {"S"}


def test_environment_names_are_those_of_the_architecture_page() -> None:
    page = ARCHITECTURE.read_text(encoding="utf-8").split("## Environment of the functions")[1]
    documented = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", page))
    given = {name for function in FUNCTIONS.values() for name in function.environment}
    assert {name for name in given if not name.startswith("POWERTOOLS_")} == documented


# ── Functions ────────────────────────────────────────────────────────────────────────────────────────────────────────


@each_function
def test_a_function_logs_to_a_group_of_its_own_that_forgets(function: Function) -> None:
    (group,) = names(function.properties["LoggingConfig"]["LogGroup"])
    assert group == function.logical_id.removesuffix("Function") + "LogGroup"
    assert function.properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert stack().properties(group)["LogGroupName"] == {"Fn::Sub": f"/${{AWS::StackName}}/{function.name}"}


@pytest.mark.parametrize("group", stack().of("AWS::Logs::LogGroup"))
def test_a_log_group_is_encrypted_and_has_a_retention(group: str) -> None:
    properties = stack().properties(group)
    assert properties["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert names(properties["KmsKeyId"]) == {"DataKey"}


@each_function
def test_a_function_has_an_alarm_on_errors(function: Function) -> None:
    alarm = stack().properties(function.logical_id.removesuffix("Function") + "ErrorsAlarm")
    assert alarm["MetricName"] == "Errors"
    assert names(alarm["Dimensions"]) == {function.logical_id}
    assert names(alarm["AlarmActions"]) == {"AlarmTopic"}


@each_function
def test_traces_and_logs_take_no_payload(function: Function) -> None:
    assert function.properties["Tracing"] == {"Fn::If": ["HasTraces", "Active", "PassThrough"]}
    for name in (
        "POWERTOOLS_TRACER_CAPTURE_RESPONSE",
        "POWERTOOLS_TRACER_CAPTURE_ERROR",
        "POWERTOOLS_LOGGER_LOG_EVENT",
    ):
        assert function.environment[name] == "false"


def wanted(function: Function) -> tuple[set[str], set[str]]:
    """The variables that must and that may be set: what the function asks its runtime for, followed to the end."""
    entry = ROOT / "layers" / "dunlin" / "dunlin" / "entry"
    app = (ROOT / "functions" / function.name / "app.py").read_text(encoding="utf-8")
    shared = re.findall(r"from dunlin\.entry\.(\w+) import", app)
    texts = [app, *((entry / f"{module}.py").read_text(encoding="utf-8") for module in shared if module != "bootstrap")]
    tree = ast.parse((entry / "bootstrap.py").read_text(encoding="utf-8"))
    (runtime,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Runtime")
    members = {node.name: node for node in runtime.body if isinstance(node, ast.FunctionDef)}
    waiting = {name for text in texts for name in re.findall(r"\bruntime\(\)\.(\w+)", text)}
    seen: set[str] = set()
    found: dict[str, set[str]] = {"required": {"DUNLIN_ENVIRONMENT"}, "optional": set()}
    while waiting:
        member = waiting.pop()
        seen.add(member)
        for node in ast.walk(members[member]) if member in members else ():
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
                waiting |= {node.attr} - seen
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in found:
                assert isinstance(node.args[0], ast.Constant)
                found[node.func.id].add(str(node.args[0].value))
    return found["required"], found["optional"]


@each_function
def test_a_function_gets_the_variables_it_reads_and_no_others(function: Function) -> None:
    required, optional = wanted(function)
    own = {name for name in function.environment if not name.startswith("POWERTOOLS_")}
    assert required - own == set(), "it would fail at its first invocation"
    assert own - required - optional == set(), "it has no use for them"


@each_function
def test_content_comes_with_its_layer(function: Function) -> None:
    assert ("CONTENT_DIR" in function.environment) == ("ContentLayer" in names(function.properties["Layers"]))
    assert "DunlinLayer" in names(function.properties["Layers"])


# ── Failure paths ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("function", "name", "kind", "properties"), events())
def test_every_event_source_has_somewhere_for_what_fails(
    function: Function, name: str, kind: str, properties: dict[str, Any]
) -> None:
    match kind:
        case "SQS":
            (queue,) = names(properties["Queue"])
            assert "RedrivePolicy" in QUEUES[queue]["Properties"]
            assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            assert properties["ScalingConfig"]["MaximumConcurrency"] >= 2
        case "DynamoDB":
            destination = properties["DestinationConfig"]["OnFailure"]["Destination"]
            assert names(destination) == {"StreamFailuresQueue"}
            assert function.may("sqs:SendMessage", "StreamFailuresQueue")
            assert properties["StartingPosition"] == "TRIM_HORIZON"
            assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            assert properties["BisectBatchOnFunctionError"] is True
            assert properties["MaximumRetryAttempts"] == 5
            assert properties["MaximumRecordAgeInSeconds"] <= 24 * 3600
        case "Schedule":
            assert names(properties["DeadLetterConfig"]) == {"ScheduleFailuresQueue"}
            invoke = function.properties["EventInvokeConfig"]
            assert names(invoke["DestinationConfig"]["OnFailure"]["Destination"]) == {"ScheduleFailuresQueue"}
            assert function.may("sqs:SendMessage", "ScheduleFailuresQueue")
        case "Api":
            assert function.properties["Timeout"] < 29, "API Gateway hangs up"
        case _:
            pytest.fail(f"{name}: no convention for {kind}")


def test_a_stream_has_at_most_two_readers() -> None:
    readers = [properties for _, _, kind, properties in events() if kind == "DynamoDB"]
    assert len(readers) == 2


@pytest.mark.parametrize("subscription", stack().of("AWS::SNS::Subscription"))
def test_a_queue_is_subscribed_raw_with_a_dead_letter_queue(subscription: str) -> None:
    properties = stack().properties(subscription)
    if properties["Protocol"] == "sqs":
        assert properties["RawMessageDelivery"] is True
        (queue,) = names(properties["RedrivePolicy"])
        assert queue in LAST_STOPS
        assert f"{queue}Policy" in stack().resources[subscription]["DependsOn"]


def test_targets_of_a_rule_have_a_dead_letter_queue() -> None:
    for rule in stack().of("AWS::Events::Rule").values():
        for target in rule["Properties"]["Targets"]:
            assert names(target["DeadLetterConfig"]) <= LAST_STOPS


# ── Queues and topics ────────────────────────────────────────────────────────────────────────────────────────────────


@each_queue
def test_a_queue_is_encrypted_and_takes_only_tls(queue: str) -> None:
    assert names(QUEUES[queue]["Properties"]["KmsMasterKeyId"]) == {"DataKey"}
    assert QUEUES[queue]["UpdateReplacePolicy"] == "Retain", "an update would lose what is in it"
    policy = stack().properties(f"{queue}Policy")
    assert names(policy["Queues"]) == {queue}
    denied = policy["PolicyDocument"]["Statement"][0]
    assert (denied["Effect"], denied["Action"]) == ("Deny", "sqs:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    for statement in policy["PolicyDocument"]["Statement"]:
        assert names(statement["Resource"]) == {queue}
        assert statement["Condition"], "whoever may send is named by source"


@each_queue
def test_a_queue_has_a_dead_letter_queue_or_is_one(queue: str) -> None:
    properties = QUEUES[queue]["Properties"]
    if queue in LAST_STOPS:
        assert "RedrivePolicy" not in properties
        alarm = stack().properties(f"{queue}Alarm")
        assert names(alarm["Dimensions"]) == {queue}
    else:
        (target,) = names(properties["RedrivePolicy"]["deadLetterTargetArn"])
        assert target == queue.removesuffix("Queue") + "DeadLetterQueue"
        assert properties["RedrivePolicy"]["maxReceiveCount"] >= 5
        assert QUEUES[target]["Properties"].get("FifoQueue") == properties.get("FifoQueue")


@pytest.mark.parametrize(("function", "name", "kind", "properties"), events())
def test_a_queue_hides_a_batch_six_times_as_long_as_its_reader_may_take(
    function: Function, name: str, kind: str, properties: dict[str, Any]
) -> None:
    if kind == "SQS":
        (queue,) = names(properties["Queue"])
        assert QUEUES[queue]["Properties"]["VisibilityTimeout"] >= 6 * function.properties["Timeout"], name


@pytest.mark.parametrize("topic", stack().of("AWS::SNS::Topic"))
def test_a_topic_is_encrypted_and_takes_only_tls_from_this_account(topic: str) -> None:
    assert names(stack().properties(topic)["KmsMasterKeyId"]) == {"DataKey"}
    denied, *publishers = stack().properties(f"{topic}Policy")["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert publishers
    for publisher in publishers:
        allowed = publisher["Fn::If"][1] if "Fn::If" in publisher else publisher
        assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


# ── What is kept ─────────────────────────────────────────────────────────────────────────────────────────────────────


@each_table
def test_a_table_is_encrypted_recoverable_and_kept(table: str) -> None:
    resource = TABLES[table]
    properties = resource["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["SSESpecification"]["SSEType"] == "KMS"
    assert names(properties["SSESpecification"]["KMSMasterKeyId"]) == {"DataKey"}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    expires = table in {"SuppressionsTable", "ControlsTable"}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": expires}, (
        "what is a borrower's goes by a rule, which a legal hold stops, and never by itself"
    )
    assert properties["DeletionProtectionEnabled"] == {"Fn::If": ["IsProd", True, False]}
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
    assert "TableName" not in properties, "a retained table would stand in the way of the next stack"


def test_the_pacer_plans_from_the_index_alone() -> None:
    indexes = {item["IndexName"]: item for item in TABLES["MessagesTable"]["Properties"]["GlobalSecondaryIndexes"]}
    projection = indexes["queue"]["Projection"]
    assert projection["ProjectionType"] == "INCLUDE"
    assert set(projection["NonKeyAttributes"]) == {"not_before", "not_after", "expected_parts", "state", "priority"}


@pytest.mark.parametrize("logical_id", ["DataKey", "PointKeySecret", "ProvidersSecret"])
def test_what_the_tables_cannot_be_read_without_is_kept(logical_id: str) -> None:
    resource = stack().resources[logical_id]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


# ── API ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_route_but_webhooks_unsubscribing_and_pages_is_signed_and_metered() -> None:
    api = stack().properties("DunlinApi")
    assert api["Auth"]["DefaultAuthorizer"] == "AWS_IAM"
    assert api["Auth"]["InvokeRole"] == "NONE", "otherwise the caller needs rights on the function itself"
    assert api["Auth"]["ApiKeyRequired"] is True
    for function, name, kind, properties in events():
        if kind == "Api":
            opened = properties.get("Auth") == {"Authorizer": "NONE", "ApiKeyRequired": False}
            assert opened == (function.name in {"receive_webhook", "receive_unsubscribe", "serve_page"}), name


def test_the_api_keeps_no_address_and_no_token() -> None:
    api = stack().properties("DunlinApi")
    variables = set(re.findall(r"\$context\.[\w.]+", api["AccessLogSetting"]["Format"]))
    personal = {
        "$context.identity.sourceIp",
        "$context.identity.userAgent",
        "$context.path",
        "$context.identity.caller",
    }
    assert not variables & personal
    json.loads(re.sub(r"\$context\.[\w.]+", "x", api["AccessLogSetting"]["Format"]))
    assert api["TracingEnabled"] is False
    for setting in api["MethodSettings"]:
        assert (setting["LoggingLevel"], setting["DataTraceEnabled"]) == ("OFF", False)
        assert setting["ThrottlingRateLimit"]
