"""Least privilege: no wildcard without a reason, no right without its variable, no variable without its right."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from dunlin.services import feed

from tests.infra.stack import ROOT, Function, Statement, names, stack, statements

FUNCTIONS = {function.name: function for function in stack().functions}
each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)

#: Statements that may name more than one thing at a time, each with the reason.
WIDE = {
    "Trace": "X-Ray's write actions know no resources",
    "DeliverLogs": "CloudWatch's log delivery knows no resources",
    "SendPush": "devices of one app, for each service and each telephone",
    "SendTexts": "lines are bought and registered by people, so the template does not know them",
    "ListStreams": "a table's streams change name when one is replaced",
    "LookAtExecutions": "executions of our one state machine",
}
TABLE_VARIABLES = {
    "BORROWERS_TABLE": "BorrowersTable",
    "MESSAGES_TABLE": "MessagesTable",
    "SUPPRESSIONS_TABLE": "SuppressionsTable",
    "CONTROLS_TABLE": "ControlsTable",
}
QUEUE_VARIABLES = {
    "WAKE_QUEUE_URL": "WakeQueue",
    "REPORTS_QUEUE_URL": "ReportsQueue",
    "INBOUND_QUEUE_URL": "InboundQueue",
    "REFUSED_INPUT_QUEUE_URL": "RefusedInputQueue",
    "OPT_OUTS_QUEUE_URL": "OptOutsQueue",
}
SECRET_VARIABLES = {
    "POINT_KEY_SECRET": "PointKeySecret",
    "PROVIDERS_SECRET": "ProvidersSecret",
    "RECIPIENTS_SECRET": "RecipientsSecret",
}
#: Who words a message or hands it over asks whether its recipient may be reached.
JUDGES = {"render_message", "send_message", "sweep_messages"}
SENDERS = {"send_message", "sweep_messages"}
#: Who may change AWS's own opt-out list.
KEEPS_THE_LIST = "follow_opt_outs"
#: Who forgets people whose time has come.
FORGETS = "evaluate_stages"


def text(resource: Any) -> str:
    if isinstance(resource, dict) and "Fn::Sub" in resource:
        return str(resource["Fn::Sub"])
    return resource if isinstance(resource, str) else ""


def wide(statement: Statement) -> bool:
    return statement.effect == "Allow" and any("*" in text(resource) for resource in statement.resources)


@pytest.mark.parametrize("role", stack().of("AWS::IAM::Role"))
def test_a_role_names_its_actions_and_its_resources(role: str) -> None:
    if "Policies" not in stack().properties(role):
        assert role == "ApiGatewayAccountLogRole", "AWS's own policy, for AWS's own service"
        return
    for statement in stack().role_statements(role):
        assert not any("*" in action for action in statement.actions), statement.sid
        assert not wide(statement) or statement.sid in WIDE, f"{statement.sid}: name the resource, or give the reason"


def test_every_reason_is_still_needed() -> None:
    used = {
        statement.sid
        for role, resource in stack().of("AWS::IAM::Role").items()
        if "Policies" in resource["Properties"]
        for statement in stack().role_statements(role)
        if wide(statement)
    }
    assert used == set(WIDE)


@each_function
def test_a_function_has_a_role_of_its_own(function: Function) -> None:
    (role,) = names(function.properties["Role"])
    assert role == function.logical_id.removesuffix("Function") + "Role"
    assert "Policies" not in function.properties, "SAM would add its managed policies"
    assert stack().properties(role)["ManagedPolicyArns"] == [{"Ref": "FunctionPolicy"}]
    assert function.may("logs:PutLogEvents", function.logical_id.removesuffix("Function") + "LogGroup")


@each_function
def test_statements_are_named_once(function: Function) -> None:
    sids = [statement.sid for statement in function.statements]
    assert all(sids)
    assert len(sids) == len(set(sids))


@each_function
def test_a_table_is_allowed_exactly_where_it_is_named(function: Function) -> None:
    allowed = {
        target
        for statement in function.statements
        for action in statement.actions
        for resource in statement.resources
        for target in names(resource)
        if action.startswith("dynamodb:") and "stream" not in statement.sid.lower()
    }
    assert allowed == {table for name, table in TABLE_VARIABLES.items() if name in function.environment}


@each_function
def test_a_queue_may_be_sent_to_exactly_where_it_is_named(function: Function) -> None:
    for name, queue in QUEUE_VARIABLES.items():
        assert function.may("sqs:SendMessage", queue) == (name in function.environment), name


@each_function
def test_a_queue_may_be_read_only_by_its_reader(function: Function) -> None:
    read = {
        target
        for statement in function.statements
        if "sqs:ReceiveMessage" in statement.actions
        for resource in statement.resources
        for target in names(resource)
    }
    sources = [event["Properties"]["Queue"] for event in function.events.values() if event["Type"] == "SQS"]
    assert read == names(sources)


def test_the_sweep_counts_the_core_s_facts_and_does_not_read_them() -> None:
    for function in FUNCTIONS.values():
        named = "CORE_EVENTS_DEAD_LETTER_QUEUE_URL" in function.environment
        assert named == (function.name == "sweep_messages")
        assert function.may("sqs:GetQueueAttributes", "CoreEventsDeadLetterQueue") == named
        assert not function.may("sqs:ReceiveMessage", "CoreEventsDeadLetterQueue")
    assert FUNCTIONS["sweep_messages"].may("sqs:GetQueueAttributes", "CoreEventsQueue")
    assert not FUNCTIONS["sweep_messages"].may("sqs:ReceiveMessage", "CoreEventsQueue")


def test_the_watch_knows_how_long_a_fact_is_tried() -> None:
    queue = stack().properties("CoreEventsQueue")
    assert feed.ATTEMPT_HIDES.total_seconds() == queue["VisibilityTimeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == feed.MOST_ATTEMPTS


@each_function
def test_a_secret_may_be_read_exactly_where_it_is_named(function: Function) -> None:
    for name, secret in SECRET_VARIABLES.items():
        assert function.may("secretsmanager:GetSecretValue", secret) == (name in function.environment), name


@each_function
def test_who_may_send_an_email_can_say_how_to_get_no_more(function: Function) -> None:
    assert ("UNSUBSCRIBE_URL" in function.environment) == (function.name in SENDERS)
    if function.name in SENDERS:
        api = stack().properties("DunlinApi")
        assert text(function.environment["UNSUBSCRIBE_URL"]).endswith(f"/{api['StageName']}/unsubscribe")
        assert "POINT_KEY_SECRET" in function.environment


@each_function
def test_only_who_judges_a_message_knows_the_list_of_recipients(function: Function) -> None:
    assert ("RECIPIENTS_SECRET" in function.environment) == (function.name in JUDGES)
    assert ("SENDING_MODE" in function.environment) == (function.name in SENDERS)


def test_production_has_no_list_of_recipients() -> None:
    secret = stack().resources["RecipientsSecret"]
    assert secret["Condition"] == "OutsideProduction"
    assert names(secret["Properties"]["KmsKeyId"]) == {"DataKey"}
    assert json.loads(secret["Properties"]["SecretString"]) == {"recipients": []}, "until it is filled in: nobody"
    listed = {"Fn::If": ["OutsideProduction", {"Ref": "RecipientsSecret"}, {"Ref": "AWS::NoValue"}]}
    for name in JUDGES:
        assert FUNCTIONS[name].environment["RECIPIENTS_SECRET"] == listed
    assert raw_conditions("ReadRecipients") == ["OutsideProduction"] * len(JUDGES)


def test_in_shadow_nobody_has_the_right_to_send() -> None:
    conditions = stack().document["Conditions"]
    for sid, condition in (
        ("SendTexts", "SendsTexts"),
        ("SendServiceTexts", "SendsServiceTexts"),
        ("SendPush", "SendsPush"),
        ("SendWhatsApp", "SendsWhatsApp"),
        ("SendEmail", "SendsEmail"),
    ):
        assert raw_conditions(sid) == [condition] * len(SENDERS)
        assert {"Condition": "IsLive"} in conditions[condition]["Fn::And"]
    assert conditions["IsLive"] == {"Fn::Equals": [{"Ref": "SendingMode"}, "live"]}
    assert stack().parameters["SendingMode"]["Default"] == "shadow", "nobody is written to by default"


def raw_conditions(sid: str) -> list[str]:
    """The conditions under which a statement of that name exists, in every role that has it."""
    return [
        statement["Fn::If"][0]
        for role in stack().of("AWS::IAM::Role").values()
        for policy in role["Properties"].get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement and statement["Fn::If"][1].get("Sid") == sid
    ]


@each_function
def test_only_two_functions_can_hand_a_message_over(function: Function) -> None:
    actions = {action for statement in function.statements for action in statement.actions}
    sending = {"sms-voice:SendTextMessage", "sns:Publish", "ses:SendEmail", "social-messaging:SendWhatsAppMessage"}
    assert bool(actions & sending) == (function.name in SENDERS)
    if function.name in SENDERS:
        assert actions >= sending
        denied = [statement for statement in function.statements if statement.effect == "Deny"]
        assert [statement.actions for statement in denied] == [("sns:Publish",)]
        assert {topic for each in denied for topic in names(list(each.resources))} == set(stack().of("AWS::SNS::Topic"))


def test_sns_carries_to_people_and_to_no_topic() -> None:
    """What has no ARN of SNS's (a phone number), and devices of the one app: nothing else may be published to."""
    raw = {
        statement["Fn::If"][1]["Sid"]: statement["Fn::If"][1]
        for policy in stack().properties("SendMessageRole")["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement
    }
    texts, push = raw["SendServiceTexts"], raw["SendPush"]
    assert "Resource" not in texts
    assert texts["NotResource"] == {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"}
    assert text(push["Resource"]).endswith(":${AWS::AccountId}:endpoint/*/${PushApplication}/*")
    assert stack().parameters["PushApplication"]["Default"] == ""


def test_whatsapp_goes_from_one_number_and_from_none_by_default() -> None:
    sent = [
        statement["Fn::If"][1]
        for name in ("SendMessageRole", "SweepMessagesRole")
        for policy in stack().properties(name)["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "Fn::If" in statement and statement["Fn::If"][1]["Sid"] == "SendWhatsApp"
    ]
    assert len(sent) == 2
    for statement in sent:
        assert text(statement["Resource"]).endswith(":${AWS::AccountId}:phone-number-id/${WhatsAppPhoneNumberId}")
    assert stack().parameters["WhatsAppPhoneNumberId"]["Default"] == ""
    assert {"Fn::Not": [{"Condition": "IsChina"}]} in stack().document["Conditions"]["HasWhatsApp"]["Fn::And"]


@each_function
def test_items_are_put_on_condition_and_never_updated_or_scanned(function: Function) -> None:
    actions = {action for statement in function.statements for action in statement.actions}
    items = {"GetItem", "BatchGetItem", "PutItem", "Query", "ConditionCheckItem"}
    if function.name == FORGETS:
        items |= {"DeleteItem"}
    stream = {"DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"}
    assert {action for action in actions if action.startswith("dynamodb:")} <= {
        f"dynamodb:{name}" for name in items | stream
    }


def test_only_one_function_may_delete_and_only_what_is_about_people() -> None:
    for function in FUNCTIONS.values():
        allowed = {table for table in TABLE_VARIABLES.values() if function.may("dynamodb:DeleteItem", table)}
        about_people = {"BorrowersTable", "MessagesTable", "SuppressionsTable"}
        assert allowed == (about_people if function.name == FORGETS else set()), function.name


def test_the_adapters_ask_for_no_more() -> None:
    adapters = ROOT / "layers" / "dunlin" / "dunlin" / "adapters" / "dynamo"
    code = {path.name: path.read_text(encoding="utf-8") for path in adapters.glob("*.py")}
    asked = {name: re.findall(r"\.(update|delete|batch_write|scan|refresh)\(", text) for name, text in code.items()}
    assert {name: found for name, found in asked.items() if found} == {"holdings.py": ["delete"]}


@each_function
def test_nobody_administers_anything(function: Function) -> None:
    actions = {action for statement in function.statements for action in statement.actions}
    administering = {action for action in actions if action.split(":")[1].startswith(("Create", "Delete", "Update"))}
    allowed = {"logs:CreateLogStream", "sqs:DeleteMessage", "dynamodb:DeleteItem"}
    if function.name == KEEPS_THE_LIST:
        allowed |= {"sms-voice:DeleteOptedOutNumber"}
    assert administering <= allowed


def test_only_one_function_keeps_the_provider_s_list_and_only_ours() -> None:
    assert raw_conditions("KeepTheList") == ["HasEndUserMessaging"]
    for function in FUNCTIONS.values():
        actions = {action for statement in function.statements for action in statement.actions}
        assert ("sms-voice:PutOptedOutNumber" in actions) == (function.name == KEEPS_THE_LIST)
    assert FUNCTIONS[KEEPS_THE_LIST].may("sms-voice:DeleteOptedOutNumber", "MessagingOptOutList")


@each_function
def test_whoever_hears_of_opt_outs_has_them_written_through(function: Function) -> None:
    hears = function.name in {"ingest_events", "serve_api", "serve_page", "receive_inbound", KEEPS_THE_LIST}
    assert ("OPT_OUTS_QUEUE_URL" in function.environment) == hears
    asks = function.name in {*SENDERS, "receive_report", KEEPS_THE_LIST}
    assert ("OPT_OUT_LIST" in function.environment) == asks


def test_services_may_use_the_key_only_as_far_as_they_must() -> None:
    policy = list(statements(stack().properties("DataKey")["KeyPolicy"]))
    assert [statement.sid for statement in policy if "kms:*" in statement.actions] == ["LeaveItToIam"]
    raw = stack().properties("DataKey")["KeyPolicy"]["Statement"]
    for item in raw:
        statement = item["Fn::If"][1] if "Fn::If" in item else item
        if statement["Sid"] not in {"LeaveItToIam", "DeliverToEncryptedQueues"}:
            assert statement["Condition"], statement["Sid"]
