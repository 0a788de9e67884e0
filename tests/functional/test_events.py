"""Every file in `events/` against its function: its answer, what it refuses by name, and what no log may tell."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.embedded import FunctionError
from tests.builders import ROOT
from tests.functional.conftest import EVENTS, PLANTED, Stack, events_of, read_event
from tests.webhook_requests import UNSIGNED

#: Powertools says so whenever a function had nothing to count.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")

Hook = Callable[[Stack], None]
LINE = "4421584500000000017450"
ITEM = "059f36b4-87a3-44ab-83d2-66197500000"


@dataclass(frozen=True)
class Batch:
    """`failed`: identifiers to be tried again. `refused`: fields named in the queue of refused input."""

    failed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    then: Hook = field(default=lambda _: None)


@dataclass(frozen=True)
class Http:
    """A status, and values of the JSON body (or of its first result), or the body itself."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    queued: int = 0
    refused: tuple[str, ...] = ()
    before: tuple[tuple[str, str], ...] = ()
    says: str = ""
    exactly: str | None = None


@dataclass(frozen=True)
class Answer:
    """Values of the answer."""

    values: Mapping[str, Any]
    before: tuple[tuple[str, str], ...] = ()
    then: Hook = field(default=lambda _: None)


@dataclass(frozen=True)
class Raises:
    """The function fails, and whoever called tries again; `says` is in the error's text."""

    error: str
    says: str
    before: tuple[tuple[str, str], ...] = ()


Expected = Batch | Http | Answer | Raises


def state_is(borrower_id: str, *states: str) -> Hook:
    def check(stack: Stack) -> None:
        assert stack.message(borrower_id)["state"] in states

    return check


def reason_is(borrower_id: str, reason: str) -> Hook:
    def check(stack: Stack) -> None:
        message = stack.message(borrower_id)
        assert (message["state"], message["reason"]) == ("SUPPRESSED", reason)

    return check


def unusable(borrower_id: str) -> Hook:
    def check(stack: Stack) -> None:
        assert stack.borrower(borrower_id)["parties"][0]["points"][0]["usable"] is False

    return check


def answered(borrower_id: str, request_id: str, outcome: str) -> Hook:
    """What became of a request to be forgotten, as it is recorded for ever."""

    def check(stack: Stack) -> None:
        (found,) = (
            json.loads(item["document"])
            for item in stack.aws.items("BorrowersTable")
            if item["borrower_id"] == borrower_id and item["item"].startswith(f"ERASURE#{request_id}#")
        )
        assert found["outcome"] == outcome
        gone = stack.borrower(borrower_id)["parties"][0]["name"] == ""
        assert gone == (outcome == "granted")

    return check


def waits_to_be_told(borrower_id: str, *messages: str) -> Hook:
    def check(stack: Stack) -> None:
        assert tuple(notice["message"] for notice in stack.borrower(borrower_id)["notices"]) == messages

    return check


def heard(text: str) -> Hook:
    def check(stack: Stack) -> None:
        assert text in stack.written()

    return check


def followed(borrower_id: str, text_id: str, reply: str) -> Hook:
    """What followed from a text, as it is recorded once for ever."""

    def check(stack: Stack) -> None:
        (found,) = (
            json.loads(item["document"])
            for item in stack.aws.items("BorrowersTable")
            if item["borrower_id"] == borrower_id and item["item"] == f"TEXT#{text_id}"
        )
        assert found["reply"] == reply

    return check


def planned(borrower_id: str, status: str) -> Hook:
    """What has become of the plan that a text chose."""

    def check(stack: Stack) -> None:
        (plan,) = stack.borrower(borrower_id)["plans"]
        assert plan["status"] == status

    return check


def refused(field_name: str) -> Http:
    return Http(400, {"error": "invalid_input", "field": field_name})


def answers_wait(borrower_id: str, answer_id: str) -> Hook:
    def check(stack: Stack) -> None:
        waiting = [notice["answer"] for notice in stack.borrower(borrower_id)["notices"]]
        assert answer_id in [answer["answer_id"] for answer in waiting if answer]

    return check


def unsaid(borrower_id: str, field_name: str) -> Hook:
    """That whoever asked for an answer is going to be told why it was refused."""

    def check(stack: Stack) -> None:
        told = stack.borrower(borrower_id)["unsaid"]
        assert any(each["rule"].startswith(f"{field_name}: ") for each in told)

    return check


STOP = (("receive_inbound", "stop"),)
WROTE = (("receive_inbound", "question"),)
PLAN_ASKED = (("receive_inbound", "plan_asked"),)
PLAN_AGREED = (("receive_inbound", "plan_asked_by_another"), ("receive_inbound", "plan_chosen_within_limits"))
STOP_IN_WORDS = (("receive_inbound", "stop_in_words"),)
ASSESSED = (("assess_case", "first_round"),)
RESERVED = (("serve_api", "reserve_allowed"),)
PAUSED = (("serve_api", "pause_everything"),)

EXPECTED: dict[tuple[str, str], Expected] = {
    # ── facts ────────────────────────────────────────────────────────────────────────────────────────────────────────
    **{
        ("ingest_events", case): Batch()
        for case in (
            "bare_detail",
            "borrower_updated",
            "consent_given",
            "consent_withdrawn",
            "contact_point_checked",
            "contact_point_confirmed",
            "contact_point_reassigned",
            "feed_checkpoint",
            "hold_about_one_loan",
            "hold_lifted",
            "hold_placed",
            "legal_hold_lifted",
            "legal_hold_placed",
            "loan_snapshot",
            "older",
            "payment_applied",
            "payment_pending",
            "portfolio_imported",
            "preferences_changed",
            "preferences_chosen",
            "repeated",
            "suppression_imported",
        )
    },
    ("ingest_events", "hold_placed_by_nobody"): Batch(refused=("hold.source",)),
    ("ingest_events", "hold_placed_by_whom_it_may_not"): Batch(refused=("hold.source",)),
    ("ingest_events", "hold_that_lasts_too_long"): Batch(refused=("hold.until",)),
    ("ingest_events", "legal_hold_placed_by_whom_it_may_not"): Batch(refused=("legal_hold.by",)),
    ("ingest_events", "legal_hold_about_a_person"): Batch(refused=("legal_hold.matter",)),
    ("ingest_events", "legal_hold_over_already"): Batch(refused=("legal_hold.until",)),
    ("ingest_events", "erasure_requested"): Batch(then=answered("b-erased", "r-1", "granted")),
    ("ingest_events", "erasure_refused"): Batch(then=answered("b-known", "r-2", "refused")),
    ("ingest_events", "erasure_without_a_request"): Batch(refused=("erasure.request_id",)),
    ("ingest_events", "notice_requested"): Batch(then=waits_to_be_told("b-known", "payment_received")),
    ("ingest_events", "notice_with_a_wrong_fact"): Batch(refused=("notice.facts.amount",)),
    ("ingest_events", "answer_requested"): Batch(before=WROTE, then=answers_wait("b-thread", "a-i-61")),
    ("ingest_events", "answer_on_file"): Batch(before=WROTE, then=answers_wait("b-thread", "a-i-62")),
    ("ingest_events", "answer_that_threatens"): Batch(
        before=WROTE, refused=("answer.words",), then=unsaid("b-thread", "answer.words")
    ),
    ("ingest_events", "answer_with_an_amount_of_nobodys"): Batch(
        before=WROTE, refused=("answer.words",), then=unsaid("b-thread", "answer.words")
    ),
    ("ingest_events", "answer_to_no_text"): Batch(
        before=WROTE, refused=("answer.text_id",), then=unsaid("b-thread", "answer.text_id")
    ),
    ("ingest_events", "preference_without_a_point"): Batch(refused=("preference",)),
    ("ingest_events", "consent_without_words"): Batch(refused=("consent",)),
    ("ingest_events", "contact_point_confirmed_of_nobody"): Batch(refused=("borrower_id",)),
    ("ingest_events", "preferences_that_leave_nothing"): Batch(refused=("choice.quiet_hours",)),
    ("ingest_events", "suppression_of_no_purpose"): Batch(refused=("suppression",)),
    ("ingest_events", "not_json"): Batch(refused=("body",)),
    ("ingest_events", "not_an_object"): Batch(refused=("body",)),
    ("ingest_events", "no_number"): Batch(refused=("body",)),
    ("ingest_events", "large"): Batch(refused=("body",)),
    ("ingest_events", "missing_amount"): Batch(refused=("payment.amount",)),
    ("ingest_events", "missing_borrower"): Batch(refused=("borrower_id",)),
    ("ingest_events", "negative_amount"): Batch(refused=("payment.amount",)),
    ("ingest_events", "float_amount"): Batch(refused=("loan.instalments.0.outstanding",)),
    ("ingest_events", "sum_does_not_add_up"): Batch(refused=("loan.overdue.total",)),
    ("ingest_events", "unknown_type"): Batch(refused=("type",)),
    ("ingest_events", "unknown_field"): Batch(refused=("loan.(unknown field)",)),
    ("ingest_events", "phone_as_id"): Batch(refused=("borrower_id",)),
    ("ingest_events", "not_a_number"): Batch(refused=("borrower.parties.0.phone",)),
    ("ingest_events", "from_the_future"): Batch(refused=("occurred_at",)),
    ("ingest_events", "no_reviewed_pack"): Batch(refused=("borrower.jurisdiction",)),
    ("ingest_events", "task_closed_of_nobody"): Batch(failed=(f"{ITEM}0",)),
    ("ingest_events", "plan_decided_of_nobody"): Batch(failed=(f"{ITEM}0",)),
    ("ingest_events", "plan_refused_without_reason"): Batch(refused=("plan",)),
    ("ingest_events", "plan_in_force"): Batch(before=PLAN_AGREED, then=planned("b-plan-2", "in_force")),
    ("ingest_events", "plan_in_force_of_nobody"): Batch(failed=(f"{ITEM}0",)),
    ("ingest_events", "plan_ended"): Batch(before=PLAN_AGREED, then=planned("b-plan-2", "withdrawn")),
    ("ingest_events", "plan_ended_in_no_way"): Batch(refused=("plan.outcome",)),
    ("ingest_events", "task_acknowledged_by_nobody"): Batch(refused=("task.by",)),
    ("ingest_events", "unknown_borrower"): Batch(failed=(f"{ITEM}0",)),
    ("ingest_events", "mixed_batch"): Batch(failed=(f"{ITEM}2",), refused=("loan.currency",)),
    # ── the lender's API ─────────────────────────────────────────────────────────────────────────────────────────────
    ("serve_api", "events_applied"): Http(202, {"refused": 0}),
    ("serve_api", "events_in_base64"): Http(202, {"refused": 0}),
    ("serve_api", "events_partly_refused"): Http(207, {"refused": 2}),
    ("serve_api", "events_all_refused"): Http(400, {"refused": 1, "field": "loan.status"}),
    ("serve_api", "answer_taken"): Http(202, {"refused": 0}, before=WROTE),
    ("serve_api", "answer_that_leads_elsewhere"): Http(400, {"refused": 1, "field": "answer.words"}, before=WROTE),
    ("serve_api", "answer_without_words"): Http(400, {"refused": 1, "field": "answer"}),
    ("serve_api", "events_none"): refused("events"),
    ("serve_api", "events_too_many"): refused("events"),
    ("serve_api", "events_not_a_list"): refused("events"),
    ("serve_api", "events_missing"): refused("events"),
    ("serve_api", "events_broken_base64"): refused("body"),
    ("serve_api", "body_missing"): refused("body"),
    ("serve_api", "body_not_json"): refused("body"),
    ("serve_api", "body_not_an_object"): refused("body"),
    ("serve_api", "body_large"): refused("body"),
    ("serve_api", "reserve_allowed"): Http(200, {"allowed": True, "ref": "outside/r-1"}),
    ("serve_api", "reserve_letter"): Http(200, {"allowed": True, "ref": "outside/r-1"}),
    ("serve_api", "reserve_repeated"): Http(200, {"allowed": True, "ref": "outside/r-1"}, before=RESERVED),
    ("serve_api", "reserve_denied"): Http(409, {"allowed": False, "reason": "hold", "rule": "hold.dispute"}),
    ("serve_api", "reserve_not_a_party"): Http(409, {"allowed": False, "reason": "not_a_party"}),
    ("serve_api", "opt_out_purpose"): Http(200, {"changed": True}),
    ("serve_api", "opt_out_number"): Http(200, {"changed": True}),
    ("serve_api", "opt_in_number"): Http(200, {"changed": False}),
    ("serve_api", "opt_out_from_the_future"): refused("received_at"),
    ("serve_api", "opt_out_not_a_number"): refused("preference.phone"),
    ("serve_api", "opt_out_everything_of_nobody"): refused("borrower_id"),
    ("serve_api", "opt_out_purpose_without_one"): refused("preference"),
    ("serve_api", "opt_out_unknown_party"): refused("party_id"),
    ("serve_api", "opt_out_unknown_borrower"): Http(404, {"error": "not_found", "field": "borrower_id"}),
    ("serve_api", "preference_chosen"): Http(200, {"changed": True}),
    ("serve_api", "preference_that_leaves_nothing"): refused("choice.quiet_hours"),
    ("serve_api", "preference_of_nothing"): refused("choice"),
    ("serve_api", "preference_from_the_future"): refused("received_at"),
    ("serve_api", "preference_unknown_borrower"): Http(404, {"error": "not_found", "field": "borrower_id"}),
    ("serve_api", "reserve_whatsapp"): Http(409, {"allowed": False, "reason": "hold"}),
    ("serve_api", "reserve_voicemail"): Http(409, {"allowed": False, "reason": "hold"}),
    ("serve_api", "reserve_unknown_borrower"): Http(404, {"error": "not_found", "field": "borrower_id"}),
    ("serve_api", "reserve_unknown_channel"): refused("channel"),
    ("serve_api", "reserve_unknown_field"): refused("(unknown field)"),
    ("serve_api", "reserve_missing_field"): refused("purpose"),
    ("serve_api", "reserve_phone_as_id"): refused("borrower_id"),
    ("serve_api", "report_made"): Http(200, {"recorded": True}, before=RESERVED),
    ("serve_api", "report_not_made"): Http(200, {"recorded": True}, before=(("serve_api", "reserve_letter"),)),
    ("serve_api", "report_unknown"): Http(404, {"error": "not_found", "field": "ref"}),
    ("serve_api", "report_unknown_borrower"): Http(404, {"error": "not_found", "field": "borrower_id"}),
    ("serve_api", "report_of_our_own"): refused("ref"),
    ("serve_api", "pause_everything"): Http(200, {"scope": "everything", "by": "s-104", "until": None}),
    ("serve_api", "pause_line_until"): Http(200, {"name": "cn-email", "until": "2099-01-01T00:00:00+00:00"}),
    ("serve_api", "pause_over_already"): refused("until"),
    ("serve_api", "pause_unknown_brand"): refused("name"),
    ("serve_api", "pause_unknown_scope"): refused("scope"),
    ("serve_api", "pause_by_nobody"): refused("by"),
    ("serve_api", "pauses_listed"): Http(200, before=PAUSED, says="A wrong figure was seen"),
    ("serve_api", "resume_everything"): Http(200, {"resumed": True}, before=PAUSED),
    ("serve_api", "resume_not_in_force"): Http(404, {"error": "not_found", "field": "name"}),
    ("serve_api", "opt_out_everything"): Http(200, {"changed": True}),  # last: b-outside-2 is contacted above
    ("serve_api", "unknown_path"): Http(404),
    # ── providers ────────────────────────────────────────────────────────────────────────────────────────────────────
    ("receive_webhook", "reports"): Http(200, {"code": 0}, queued=1),
    ("receive_webhook", "inbound"): Http(200, {"code": 0}, queued=1),
    ("receive_webhook", "base64"): Http(200, {"code": 0}, queued=1),
    ("receive_webhook", "empty"): Http(200, {"code": 0}),
    ("receive_webhook", "partly_refused"): Http(
        200, {"code": 0}, queued=1, refused=("[1].payload.success", "[2].payload.report_time", "[3].payload")
    ),
    ("receive_webhook", "not_an_array"): Http(200, {"code": 0}, refused=("body",)),
    ("receive_webhook", "not_json"): Http(200, {"code": 0}, refused=("body",)),
    **{("receive_webhook", case): Http(404, {"code": 1}) for case in ("wrong_token", "wrong_provider", "wrong_kind")},
    **{
        ("receive_webhook", case): Http(401, {"code": 1})
        for case in ("forged", "no_signature", "too_old", "from_the_future")
    },
    ("receive_webhook", "broken_base64"): Http(400, {"code": 1}),
    **{
        ("receive_webhook", f"{provider}_{kind}"): Http(200, said, queued=1)
        for kind in ("reports", "inbound")
        for provider, said in (
            ("alibaba", {"code": 0}),
            ("tencent", {"result": 0, "errmsg": "OK"}),
            ("vonage_messages", {}),
            ("sinch", {}),
        )
    },
    **{
        ("receive_webhook", f"{provider}_{kind}"): Http(200, queued=1, exactly=said)
        for kind in ("reports", "inbound")
        for provider, said in (("twilio", "<Response/>"), ("vonage_sms", ""), ("wechat", "success"))
    },
    **{
        ("receive_webhook", f"{provider}_forged"): Http(401, {"code": 1})
        for provider in ("twilio", "vonage_sms", "vonage_messages", "sinch", "wechat")
    },
    **{("receive_webhook", f"{provider}_guessed"): Http(404, {"code": 1}) for provider in UNSIGNED},
    ("receive_webhook", "wechat_echo"): Http(200, exactly="5836204617895471542"),
    ("receive_webhook", "wechat_one_address"): Http(200, queued=1, exactly="success"),
    ("receive_webhook", "wechat_unfollowed"): Http(200, queued=1, exactly="success"),
    ("receive_webhook", "wechat_followed"): Http(200, exactly="success"),
    ("receive_webhook", "wechat_encrypted"): Http(200, refused=("Encrypt",), exactly="success"),
    ("receive_webhook", "wechat_doctype"): Http(200, refused=("body",), exactly="success"),
    # ── unsubscribing: a link that is not ours is answered like one that is ──────────────────────────────────────────
    ("receive_unsubscribe", "looked_at"): Http(200, says='<form method="post">'),
    **{
        ("receive_unsubscribe", case): Http(200, says="You will not receive")
        for case in ("forged", "no_body", "not_a_token")
    },
    # ── the page: whatever is no link of ours is answered alike ──────────────────────────────────────────────────────
    ("serve_page", "looked_at"): Http(404, says="This link does not open"),
    ("serve_page", "looked_at_in_chinese"): Http(404, says="该链接无法打开"),
    ("serve_page", "not_a_token"): Http(404, says="This link does not open"),
    ("serve_page", "guessed"): Http(404, says="This link does not open"),
    ("serve_page", "act_without_session"): Http(303, exactly=""),
    ("serve_page", "from_another_site"): Http(403, says="This link does not open"),
    ("serve_page", "not_a_form"): Http(400, says="This link does not open"),
    ("serve_page", "large"): Http(400, says="This link does not open"),
    ("serve_page", "repeated_field"): Http(400, says="This link does not open"),
    ("receive_report", "under_way"): Batch(),
    ("receive_report", "delivered"): Batch(then=state_is("b-sent", "DELIVERED")),
    ("receive_report", "repeated"): Batch(then=state_is("b-sent", "DELIVERED")),
    ("receive_report", "late"): Batch(before=(("receive_report", "delivered"),), then=state_is("b-sent", "DELIVERED")),
    ("receive_report", "invalid_number"): Batch(then=unusable("b-sent-2")),
    ("receive_report", "probe"): Batch(),
    ("receive_report", "unknown_message"): Batch(refused=("ref",)),
    ("receive_report", "never_handed_over"): Batch(refused=("ref",)),
    ("receive_report", "finance"): Batch(refused=("ref",)),
    ("receive_report", "tencent"): Batch(refused=("ref",)),
    ("receive_report", "no_reference"): Batch(refused=("context.dunlin-message",)),
    ("receive_report", "from_the_future"): Batch(refused=("eventTimestamp",)),
    ("receive_report", "negative_price"): Batch(refused=("totalMessagePrice",)),
    ("receive_report", "not_json"): Batch(refused=("body",)),
    ("receive_report", "large"): Batch(refused=("body",)),
    ("receive_report", "unknown_shape"): Batch(refused=("eventType",)),
    ("receive_report", "mixed_batch"): Batch(refused=("provider",), then=state_is("b-sent", "DELIVERED")),
    ("receive_report", "whatsapp_read"): Batch(then=state_is("b-sent", "DELIVERED")),
    ("receive_report", "whatsapp_failed"): Batch(then=state_is("b-sent-2", "FAILED")),
    ("receive_report", "whatsapp_of_others"): Batch(),
    ("receive_report", "whatsapp_message"): Batch(),
    ("receive_report", "whatsapp_one_of_two_unknown"): Batch(refused=("ref",), then=state_is("b-sent", "DELIVERED")),
    ("receive_report", "whatsapp_not_json"): Batch(refused=("whatsAppWebhookEntry",)),
    ("receive_inbound", "whatsapp_stop"): Batch(then=heard("opt-out recorded")),
    ("receive_inbound", "whatsapp_status"): Batch(),
    ("receive_inbound", "whatsapp_no_sender"): Batch(refused=("messages.from",)),
    ("receive_inbound", "stop"): Batch(then=heard("opt-out recorded")),
    ("receive_inbound", "stop_in_words"): Batch(then=heard("opt-out recorded")),
    ("receive_inbound", "stop_repeated"): Batch(before=STOP),
    ("receive_inbound", "start"): Batch(before=STOP, then=heard("opt-in recorded")),
    ("receive_inbound", "help"): Batch(then=heard("text received")),
    ("receive_inbound", "other"): Batch(then=followed("b-replies", "n-4", "help")),
    ("receive_inbound", "question"): Batch(then=followed("b-thread", "n-31", "help")),
    ("receive_inbound", "plan_asked"): Batch(then=followed("b-plan", "n-21", "plan_choices")),
    ("receive_inbound", "plan_asked_by_another"): Batch(then=followed("b-plan-2", "n-24", "plan_choices")),
    ("receive_inbound", "plan_chosen"): Batch(before=PLAN_ASKED, then=followed("b-plan", "n-22", "plan_chosen")),
    ("receive_inbound", "plan_chosen_within_limits"): Batch(
        before=PLAN_AGREED[:1], then=followed("b-plan-2", "n-23", "plan_agreed")
    ),
    **{("receive_inbound", case): Batch() for case in ("stranger", "empty_text", "finance", "probe")},
    ("receive_inbound", "missing_id"): Batch(refused=("inboundMessageId",)),
    ("receive_inbound", "no_time"): Batch(refused=("attributes.SentTimestamp",)),
    ("receive_inbound", "not_a_number"): Batch(refused=("originationNumber",)),
    ("receive_inbound", "too_long"): Batch(refused=("messageBody",)),
    ("receive_inbound", "large"): Batch(refused=("body",)),
    ("receive_inbound", "not_json"): Batch(refused=("body",)),
    ("receive_inbound", "mixed_batch"): Batch(refused=("body",)),
    # ── schedules ────────────────────────────────────────────────────────────────────────────────────────────────────
    **{
        (function, case): Answer(dict.fromkeys(answers, None))
        for function, answers in (
            ("dispatch_wakes", ("woken",)),
            ("pace_lines", ("released",)),
            ("sweep_messages", ("attended", "failed")),
        )
        for case in ("scheduled", "repeated", "empty")
    },
    ("pace_lines", "second"): Batch(),
    ("pace_lines", "second_of_no_line"): Batch(),
    ("pace_lines", "second_without_a_line"): Raises("BatchFailed", "line"),
    ("pace_lines", "second_not_json"): Raises("BatchFailed", "body"),
    ("follow_opt_outs", "scheduled"): Answer({"opted_out": 0, "opted_in": 0, "kept": 0}),
    ("follow_opt_outs", "nobodys"): Batch(then=heard("opt-out followed")),
    ("follow_opt_outs", "without_a_point"): Raises("BatchFailed", "point"),
    ("follow_opt_outs", "not_json"): Raises("BatchFailed", "body"),
    ("evaluate_stages", "wake"): Batch(),
    ("evaluate_stages", "repeated"): Batch(),
    ("evaluate_stages", "unknown_shard"): Raises("BatchFailed", "shard"),
    ("evaluate_stages", "missing_shard"): Raises("BatchFailed", "shard"),
    ("evaluate_stages", "shard_is_a_list"): Raises("BatchFailed", "shard"),
    ("evaluate_stages", "not_json"): Raises("BatchFailed", "body"),
    ("evaluate_stages", "large"): Raises("BatchFailed", "body"),
    # ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────
    ("render_message", "due"): Batch(then=state_is("b-render", "RENDERED")),
    ("render_message", "repeated"): Batch(then=state_is("b-render-2", "RENDERED")),
    ("render_message", "opted_out"): Batch(before=STOP_IN_WORDS, then=reason_is("b-opted-out", "opted_out")),
    ("render_message", "unknown_message"): Batch(),
    ("render_message", "malformed_keys"): Batch(failed=(f"{LINE}000",)),
    ("render_message", "missing_keys"): Batch(failed=(f"{LINE}000",)),
    ("render_message", "mixed_batch"): Batch(failed=(f"{LINE}001",), then=state_is("b-render-4", "RENDERED")),
    ("send_message", "rendered"): Batch(then=state_is("b-send", "SENT")),
    ("send_message", "repeated"): Batch(then=state_is("b-send-2", "SENT")),
    ("send_message", "opted_out"): Batch(before=STOP_IN_WORDS, then=reason_is("b-send-3", "opted_out")),
    ("send_message", "not_rendered"): Batch(then=state_is("b-render-5", "DUE")),
    ("send_message", "let_go_again"): Batch(then=state_is("b-send-4", "RENDERED")),
    ("send_message", "unknown_message"): Batch(),
    ("send_message", "malformed_keys"): Batch(failed=(f"{LINE}000",)),
    # ── escalation ───────────────────────────────────────────────────────────────────────────────────────────────────
    ("assess_case", "first_round"): Answer({"next": "park", "version": 4}),
    ("assess_case", "unknown_borrower"): Answer({"next": "end", "outcome": "closed"}),
    ("assess_case", "old_generation"): Answer({"next": "end", "outcome": "closed"}),
    ("assess_case", "missing_borrower"): Raises("InvalidInput", "borrower_id"),
    ("assess_case", "negative_episode"): Raises("InvalidInput", "episode"),
    ("assess_case", "episode_is_text"): Raises("InvalidInput", "episode"),
    ("assess_case", "episode_is_true"): Raises("InvalidInput", "episode"),
    ("assess_case", "empty"): Raises("InvalidInput", "borrower_id"),
    ("park_case", "parked"): Answer({"parked": True}, before=ASSESSED),
    ("park_case", "version_moved"): Answer({"parked": False}, before=ASSESSED),
    ("park_case", "unknown_borrower"): Answer({"parked": False}),
    ("park_case", "missing_token"): Raises("InvalidInput", "token"),
    ("park_case", "empty_token"): Raises("InvalidInput", "token"),
    ("park_case", "negative_version"): Raises("InvalidInput", "version"),
    ("park_case", "version_is_a_float"): Raises("InvalidInput", "version"),
}


def parameters() -> list[Any]:
    return [
        pytest.param(
            function,
            case,
            id=f"{function}-{case}",
        )
        for function, case in EXPECTED
    ]


def test_every_file_is_used_and_every_function_has_one() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert {path.name for path in EVENTS.iterdir()} == functions
    files = {(function, case) for function in functions for case in events_of(function)}
    assert files == set(EXPECTED)
    assert all(path.suffix == ".json" for path in EVENTS.rglob("*") if path.is_file())


@pytest.mark.parametrize(("function", "case"), parameters())
def test_event(stack: Stack, function: str, case: str) -> None:
    check_event(stack, function, case)


def check_event(stack: Stack, function: str, case: str) -> None:
    expected = EXPECTED[function, case]
    for earlier in expected.before:
        stack.call(earlier[0], read_event(*earlier))
    kept = len(stack.queued("RefusedInputQueue"))
    heard_before = len(stack.queued("ReportsQueue")) + len(stack.queued("InboundQueue"))
    event = read_event(function, case)
    if case == "body_large":
        event["body"] += "x" * 1_000_000 + '"}'  # too large for a file that people read
    match expected:
        case Raises():
            with pytest.raises(FunctionError) as raised:
                stack.call(function, event)
            cause = raised.value.__cause__
            assert type(cause).__name__ == expected.error
            assert expected.says in str(cause)
            assert not any(planted in str(cause) for planted in PLANTED)
        case Batch():
            answer = stack.call(function, event)
            assert answer == {"batchItemFailures": [{"itemIdentifier": name} for name in expected.failed]}
            expected.then(stack)
        case Http():
            answer = stack.call(function, event)
            check_http(answer, expected)
            assert len(stack.queued("ReportsQueue")) + len(stack.queued("InboundQueue")) == (
                heard_before + expected.queued
            )
        case Answer():
            answer = stack.call(function, event)
            assert set(expected.values) <= set(answer)
            assert all(value is None or answer[name] == value for name, value in expected.values.items())
            expected.then(stack)
    refusals = stack.queued("RefusedInputQueue")[kept:]
    assert tuple(refusal["field"] for refusal in refusals) == getattr(expected, "refused", ())
    assert all(refusal["problem"] and refusal["raw"] for refusal in refusals)
    logs = stack.written()
    assert logs
    for planted in (*PLANTED, base64.b64encode(PLANTED[0].encode()).decode()):
        assert planted not in logs


def check_http(answer: dict[str, Any], expected: Http) -> None:
    assert answer["statusCode"] == expected.status
    assert not any(planted in answer["body"] for planted in PLANTED)
    if expected.exactly is not None:
        assert answer["body"] == expected.exactly
        return
    assert expected.says in answer["body"]
    if answer["body"].startswith("<!doctype html>"):
        return
    body = json.loads(answer["body"])
    first = body.get("results", [{}])[0]
    for name, value in expected.body.items():
        assert (body[name] if name in body else first[name]) == value


def test_the_logs_say_what_was_done(stack: Stack) -> None:
    """Ids, states and reasons: enough to follow a message without knowing anybody."""
    stack.call("render_message", read_event("render_message", "due"))
    lines = [json.loads(line) for line in stack.written().splitlines() if line.startswith("{")]
    assert all(line["service"] == "dunlin" for line in lines if "level" in line)
    assert any(line.get("borrower_id") == "b-render" and "key" in line for line in lines)
