"""The page stands alone, escapes what it shows, shows every counter, and survives a summary with anything missing."""

from __future__ import annotations

import os
import random
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from local.auditor import KINDS
from local.report import render_report, write_report
from local.report.words import stage_order, stage_words

STAGES = ("reminder_7", "reminder_3", "due_today", "grace_2", "tier_1", "tier_2", "tier_3")


def sample_summary() -> dict[str, Any]:
    """Ninety days of two thousand borrowers, shaped like a real run: monthly due dates, fewer and fewer late."""
    chance = random.Random(7)
    per_day = []
    for number in range(90):
        on = date(2026, 3, 1) + timedelta(days=number)
        stages: dict[str, int] = {}
        for due_day, weight in ((5, 0.8), (10, 1.0), (20, 1.3), (28, 0.6)):
            for stage, offset, base in (
                ("reminder_7", -7, 260),
                ("reminder_3", -3, 190),
                ("due_today", 0, 120),
                ("grace_2", 2, 66),
                ("tier_1", 8, 40),
                ("tier_2", 15, 22),
                ("tier_3", 24, 11),
            ):
                shifted = on - timedelta(days=offset)
                away = abs(shifted.day - due_day)
                if away <= 1:
                    count = int(base * weight * (1 if away == 0 else 0.14) * chance.uniform(0.85, 1.15))
                    stages[stage] = stages.get(stage, 0) + count
        stages["reply"] = chance.randint(2, 14)
        per_day.append({"on": on.isoformat(), "stages": {k: v for k, v in stages.items() if v}})
    by_stage: dict[str, int] = {}
    for item in per_day:
        for stage, count in item["stages"].items():  # type: ignore[attr-defined]
            by_stage[stage] = by_stage.get(stage, 0) + count
    sent = sum(by_stage.values())
    reasons = {
        "delivered": sent - 310,
        "accepted": 0,
        "paid": 1904,
        "payment_pending": 312,
        "opted_out": 418,
        "cap": 207,
        "quiet_hours": 64,
        "hold": 351,
        "overtaken": 288,
        "stale_balance": 41,
        "facts_changed": 17,
        "no_contact_point": 96,
        "line_stopped": 33,
        "deaf": 12,
        "spend_limit": 9,
        "unreachable": 171,
        "carrier_blocked": 40,
        "ttl_expired": 52,
        "no_report": 38,
        "timed_out": 9,
    }
    stopped = 1904 + 312 + 418 + 207 + 64 + 351 + 288 + 41 + 17 + 96 + 33 + 12 + 9
    return {
        "borrowers": 2000,
        "days": 90,
        "seed": 20260301,
        "messages": {
            "by_state": {
                "DELIVERED": sent - 310,
                "FAILED": 263,
                "UNKNOWN": 47,
                "SUPPRESSED": stopped - 180,
                "EXPIRED": 105,
                "CANCELLED": 75,
                "REQUESTED": 6,
            },
            "by_stage": by_stage,
            "by_reason": reasons,
        },
        "sms_parts": int(sent * 1.34),
        "duplicates": 0,
        "violations": dict.fromkeys(KINDS, 0),
        "stuck": 0,
        "escalations": {"started": 412, "cured": 263, "referred": 74, "opted_out": 31, "open": 44},
        "opt_outs": {"received": 127, "honoured": 127, "max_seconds": 2.4},
        "aws_calls": {
            "by_operation": {
                "DynamoDB.GetItem": 91234,
                "DynamoDB.TransactWriteItems": 48211,
                "DynamoDB.UpdateItem": 33120,
                "DynamoDB.Query": 26902,
                "DynamoDB.PutItem": 12001,
                "SQS.ReceiveMessage": 25920,
                "SQS.SendMessage": 14477,
                "SQS.DeleteMessageBatch": 12005,
                "StepFunctions.StartExecution": 412,
                "StepFunctions.SendTaskSuccess": 2210,
                "PinpointSMSVoiceV2.SendTextMessage": 17544,
                "SESv2.SendEmail": 804,
                "EventBridge.PutEvents": 21230,
            }
        },
        "wall_seconds": 412.7,
        "decisions_per_second": 31240.0,
        "per_day": per_day,
        "by_local_hour": {
            str(h): n
            for h, n in zip(
                range(8, 21), (412, 1780, 2911, 2390, 1204, 1010, 1422, 1630, 1501, 1288, 996, 640, 233), strict=True
            )
        },
        "checked": {
            "texts": sent,
            "hours_checks": sent * 2,
            "cap_checks": 22910,
            "occasions": sent,
            "paid_checks": sent,
            "balance_ages": 21002,
            "amounts": 25411,
            "recipients": sent,
            "wordings": sent,
            "log_lines": 388120,
        },
        "provider_faults": {"timed_out": 9, "throttled": 122, "server_error": 14, "late_reports": 61},
    }


def _moves(*steps: tuple[str, str, str]) -> list[dict[str, str]]:
    return [{"state": state, "at": f"2026-03-03T15:{clock}+00:00", "reason": reason} for state, clock, reason in steps]


_TRAVELLED = _moves(
    ("REQUESTED", "02:00", "stage_due"),
    ("DUE", "02:00", "stage_due"),
    ("RENDERED", "02:01", "stage_due"),
    ("RESERVED", "02:02", "stage_due"),
    ("SENT", "02:02", "accepted"),
    ("DELIVERED", "02:09", "delivered"),
)


def _entry(kind: str, local: str, text: str = "", **other: Any) -> dict[str, Any]:
    return {"kind": kind, "at": "2026-03-03T15:02:00+00:00", "local": local, "text": text, "channel": "sms", **other}


def sample_conversations() -> list[dict[str, Any]]:
    own, fcc = "own policy (own)", "47 CFR 64.1200(a)(12) (P)"
    sent: dict[str, Any] = {
        "state": "DELIVERED",
        "reason": "stage_due",
        "moves": _TRAVELLED,
        "content_version": "b41f09c2",
    }
    return [
        {
            "borrower_id": "b-0417",
            "title": "Paid after the second reminder",
            "jurisdiction": "US-NY",
            "zone": "America/New_York",
            "ending": "Paid, two reminders not needed",
            "entries": [
                _entry("fact", "Sun 1 Mar 07:00", "The core reports $412.50 due on 10 March"),
                _entry(
                    "sent",
                    "Tue 3 Mar 10:02",
                    "Larkspur Credit: Hi Maria, $412.50 for your loan ending 4821 is due on "
                    "March 10. Nothing to do if autopay is on. Reply HELP for help, STOP to opt out.",
                    stage="reminder_7",
                    rule="reminder_7",
                    source=own,
                    figures=[["amount_due", "412.50 USD"], ["due_on", "2026-03-10"]],
                    **sent,
                ),
                _entry("inbound", "Tue 3 Mar 10:40", "how much is it exactly"),
                _entry(
                    "sent",
                    "Tue 3 Mar 10:40",
                    "Larkspur Credit: $412.50 is due on March 10. Reply PLAN for more time.",
                    stage="reply",
                    rule="reply.balance",
                    source=own,
                    figures=[["amount_due", "412.50 USD"]],
                    **{**sent, "reason": "reply_due"},
                ),
                _entry(
                    "sent",
                    "Sat 7 Mar 11:15",
                    "Larkspur Credit: a reminder that $412.50 for your loan ending 4821 is "
                    "due on March 10. Reply STOP to opt out.",
                    stage="reminder_3",
                    rule="reminder_3",
                    source=own,
                    figures=[["amount_due", "412.50 USD"], ["due_on", "2026-03-10"]],
                    **sent,
                ),
                _entry("payment", "Sun 8 Mar 19:22", "Paid $412.50"),
                _entry(
                    "not_sent",
                    "Tue 10 Mar 08:00",
                    stage="due_today",
                    state="SUPPRESSED",
                    reason="paid",
                    rule="instalments",
                    source="core, sequence 12",
                    content_version="b41f09c2",
                    figures=[["outstanding", "0.00 USD"], ["paid_at", "Sun 8 Mar 19:22"]],
                    moves=[{"state": "SUPPRESSED", "at": "2026-03-10T12:00:00+00:00", "reason": "paid"}],
                ),
            ],
        },
        {
            "borrower_id": "b-1120",
            "title": "逾期后协商还款",
            "jurisdiction": "CN",
            "zone": "Asia/Shanghai",
            "ending": "Cured on day 19",
            "entries": [
                _entry(
                    "sent",
                    "周二 3月10日 10:05",
                    "【云雀消费金融】尊敬的欧阳女士，您尾号7302的贷款今日到期，应还¥1,234.50元。"
                    "如已还款请忽略，退订回T。",
                    stage="due_today",
                    rule="due_today",
                    source=own,
                    figures=[["应还金额", "1234.50 CNY"]],
                    **sent,
                ),
                _entry(
                    "not_sent",
                    "周四 3月12日 22:10",
                    "【云雀消费金融】您尾号7302的贷款已逾期2天……",
                    stage="grace_2",
                    state="EXPIRED",
                    reason="quiet_hours",
                    rule="cn.quiet_hours",
                    source="中国银行业协会催收工作指引 2026-01-30 (S)",
                    content_version="b41f09c2",
                ),
                _entry("case", "周三 3月18日 09:00", "An escalation began, 8 days overdue"),
                _entry(
                    "sent",
                    "周三 3月18日 09:30",
                    "【云雀消费金融】您尾号7302的贷款已逾期8天，逾期金额¥1,260.30元（含罚息¥25.80元）。"
                    "如有困难请回复“协商”。退订回T。",
                    stage="tier_1",
                    rule="tier_1",
                    source=own,
                    figures=[["逾期总额", "1260.30 CNY"], ["罚息", "25.80 CNY"], ["逾期天数", "8"]],
                    **{**sent, "state": "UNKNOWN", "reason": "no_report"},
                ),
                _entry("inbound", "周三 3月18日 12:41", "协商，下周发工资可以先还一半吗"),
                _entry("fact", "周三 3月18日 14:00", "A hold: promise to pay, until 25 March"),
                _entry(
                    "not_sent",
                    "周三 3月25日 09:00",
                    stage="tier_2",
                    state="SUPPRESSED",
                    reason="hold",
                    rule="hold.promise",
                    source=own,
                ),
                _entry("payment", "周日 3月29日 20:02", "Paid ¥1,260.30"),
            ],
        },
        {
            "borrower_id": "b-0933",
            "title": "Said stop, and was heard",
            "jurisdiction": "US-MA",
            "zone": "America/New_York",
            "ending": "No more texts; one letter, by a person",
            "entries": [
                _entry(
                    "sent",
                    "Mon 16 Mar 09:00",
                    "Larkspur Credit: $318.00 on your loan ending 6610 is 6 days past due. "
                    "Reply HARDSHIP if you need help, STOP to opt out.",
                    stage="tier_1",
                    rule="tier_1",
                    source=own,
                    figures=[["overdue", "318.00 USD"], ["fees", "7.50 USD"], ["days past due", "6"]],
                    **sent,
                ),
                _entry("inbound", "Mon 16 Mar 09:03", "Stop. Thank you"),
                _entry(
                    "sent",
                    "Mon 16 Mar 09:03",
                    "Larkspur Credit: you will get no more texts from us at this number.",
                    stage="opt_out_confirmed",
                    rule="confirm_opt_out_within_minutes",
                    source=fcc,
                    **{**sent, "reason": "reply_due"},
                ),
                _entry(
                    "not_sent",
                    "Mon 23 Mar 09:00",
                    stage="tier_2",
                    state="SUPPRESSED",
                    reason="opted_out",
                    rule="opt_out",
                    source=fcc,
                ),
                _entry("case", "Tue 24 Mar 09:00", "Referred to a person"),
            ],
        },
    ]


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "img", "input", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(sample_summary(), sample_conversations())


def test_the_page_needs_nothing_else(page: str) -> None:
    parsed = _Page(page)
    assert parsed.open == []
    for tag, attributes in parsed.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base"), tag
        for name in ("src", "href", "xlink:href", "action", "data", "poster"):
            if attributes.get(name):
                assert (attributes[name] or "").startswith("#"), attributes
    assert not re.search(r"url\(|@import|https?://", page)


def test_every_counter_is_on_the_page(page: str) -> None:
    parsed = _Page(page)
    shown = {attributes["data-kind"] for _, attributes in parsed.tags if attributes.get("data-kind")}
    assert shown == set(KINDS)
    assert page.count('<span class="count">0</span>') == len(KINDS)
    text = " ".join(parsed.words)
    for value in ("388,120", "of 127", "2.4", "91,234", "412", "263"):
        assert value in text


def test_broken_promises_and_promises_nobody_judged_look_different() -> None:
    summary = sample_summary()
    summary["violations"] = {"cap": 3, "something_new": 2}
    page = render_report(summary, [])
    assert re.search(r'class="broken" data-kind="cap">\s*<span class="count">3<', page)
    assert re.search(r'class="broken" data-kind="something_new">\s*<span class="count">2<', page)
    assert re.search(r'class="unknown" data-kind="opt_out">\s*<span class="count">–<', page)
    assert "5 broken promises" in page


def test_what_people_wrote_is_escaped() -> None:
    nasty = "<script>alert('x')</script><b onclick=1>\"&amp;"
    conversation = sample_conversations()[0]
    conversation |= {"title": nasty, "borrower_id": nasty, "ending": nasty, "zone": nasty}
    for entry in conversation["entries"]:
        entry.update(
            dict.fromkeys(("text", "rule", "source", "content_version", "stage", "local", "state", "at"), nasty)
        )
        entry["figures"] = [[nasty, nasty]]
        entry["moves"] = [{"state": nasty, "at": nasty, "reason": nasty}]
    summary = sample_summary()
    summary["violations"] = {nasty: 1}
    summary["messages"]["by_reason"] = {nasty: 1}
    summary["per_day"] = [{"on": nasty, "stages": {nasty: 3}}]
    summary["seed"] = nasty
    page = render_report(summary, [conversation])
    assert "<script>alert" not in page
    assert "onclick=1>" not in page.replace("onclick=1&gt;", "")
    assert page.count("<script") == 1
    assert _Page(page).open == []


@pytest.mark.parametrize("missing", [*sample_summary(), None])
def test_anything_may_be_missing(missing: str | None) -> None:
    summary = {} if missing is None else {key: value for key, value in sample_summary().items() if key != missing}
    assert "</html>" in render_report(summary, [{}] if missing is None else sample_conversations())


@pytest.mark.parametrize("nonsense", [None, 0, "", [], {}, {"a": None}, [None], {"by_state": None}])
def test_values_of_another_shape_do_not_break_it(nonsense: object) -> None:
    assert "</html>" in render_report(dict.fromkeys(sample_summary(), nonsense), [{"entries": [{}, {"kind": "odd"}]}])


def test_night_messages_stand_out() -> None:
    summary = sample_summary() | {"by_local_hour": {"9": 10, "23": 1}}
    assert render_report(summary, []).count('class="quiet woke"') == 1
    assert "Between ten at night and eight in the morning: 1." in render_report(summary, [])


def test_it_is_accessible_in_the_basics(page: str) -> None:
    parsed = _Page(page)
    for tag, attributes in parsed.tags:
        if tag == "svg":
            assert attributes.get("aria-hidden") or attributes.get("role") == "img"
            assert attributes.get("aria-hidden") or attributes.get("aria-label") or attributes.get("aria-labelledby")
    ids = [attributes["id"] for _, attributes in parsed.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = {(a["href"] or "")[1:] for tag, a in parsed.tags if tag == "a"}
    assert targets <= set(ids)
    assert 'lang="zh-CN"' in page
    assert [tag for tag, _ in parsed.tags].count("h1") == 1


def test_not_sent_messages_say_why(page: str) -> None:
    for said in ("Paid in the meantime, so it was not sent", "cn.quiet_hours", "A hold was in force", "hold.promise"):
        assert said in page


def test_stages_come_in_the_order_of_a_month() -> None:
    shuffled = ["reply", "tier_2", "due_today", "reminder_3", "grace_2", "tier_1", "reminder_7"]
    assert sorted(shuffled, key=stage_order) == [
        *("reminder_7", "reminder_3", "due_today", "grace_2", "tier_1", "tier_2"),
        "reply",
    ]
    assert stage_words("reminder_7") == "Reminder, 7 days before"
    assert stage_words("reminder_1") == "Reminder, 1 day before"
    assert stage_words("something_else") == "Something else"


def test_it_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    path = Path(os.environ.get("DUNLIN_SAMPLE_REPORT", "") or tmp_path / "deep" / "report.html")
    write_report(sample_summary(), sample_conversations(), path)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
