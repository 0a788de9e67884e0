"""A small portfolio through its first weeks: all is counted, judged and told, and the same seed says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dunlin.content import Content
from dunlin.content.loader import load_content
from dunlin.domain.environments import EMBEDDED
from dunlin.domain.words import Purpose

from local.auditor import audit
from local.auditor.reading import has_opt_out_line
from local.commands.run import Judged, line_of
from local.conversations import local_words, money
from local.demo import TITLES, Demo, interests, run_demo
from local.portfolio.cohorts import SCRIPTED, Cohort
from local.portfolio.generate import generate
from local.report import render_report
from local.report.words import PROMISES
from local.summary import MEASURED, dumped, zones_of

BORROWERS, DAYS = 12, 18
#: Replies that state nothing of a loan.
SAY_NO_FIGURES = (
    "opt_out_confirmation",
    "opt_in_confirmation",
    "help",
    "really_ours",
    "not_understood",
    "crisis_help",
    "promise_which_day",
    # a person's own words have figures only if that person wrote some
    "answer",
    "answer_ready",
    "answer_call",
    "feedback_request",
    "follow_up",
    "money_guidance",
)


@contextmanager
def released_content() -> Iterator[None]:
    """The shipped content, taken as live whatever its release says: an edit under review is not what is tested here."""

    def live(root: Path, *, lazily: bool = False, environment: str = EMBEDDED) -> Content:
        return replace(load_content(root), live=True, not_live_because="")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dunlin.content.loader.load_content", live)
        patch.setattr("local.commands.run.load_content", live)
        yield


@pytest.fixture(scope="module", autouse=True)
def _released() -> Iterator[None]:
    with released_content():
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="module")
def judged(folder: Path) -> Judged:
    return run_demo(Demo(BORROWERS, DAYS, seed=3, evidence=folder))


def entries(judged: Judged) -> list[dict[str, Any]]:
    return [entry for talk in judged.conversations for entry in talk["entries"]]


def test_it_was_a_good_run(judged: Judged) -> None:
    assert judged.broken == []
    assert judged.audit.findings == ()
    summary = judged.summary
    assert (summary["borrowers"], summary["days"], summary["seed"]) == (BORROWERS, DAYS, 3)
    assert summary["violations"] == dict.fromkeys(judged.audit.counters, 0)
    assert summary["stuck"] == summary["duplicates"] == summary["dead_letters"] == 0


def test_every_promise_was_put_to_the_test(judged: Judged) -> None:
    """No violation among nothing proves nothing: a dozen borrowers in less than three weeks try each of them."""
    tried = {promise.kind: judged.summary["checked"].get(promise.checked, 0) for promise in PROMISES}
    assert set(tried) == set(judged.summary["violations"])
    assert [kind for kind, count in tried.items() if not count] == []


def test_its_figures_agree_with_each_other(judged: Judged) -> None:
    summary = judged.summary
    messages, checked = summary["messages"], summary["checked"]
    assert messages["total"] == len(judged.run.messages) > 50
    for by in ("by_state", "by_stage", "by_reason", "by_channel"):
        assert sum(messages[by].values()) == messages["total"]
    accepted = summary["hand_overs"]["accepted"]
    assert accepted == sum(summary["by_local_hour"].values()) == checked["accepted"]
    assert accepted == sum(sum(day["stages"].values()) for day in summary["per_day"])
    assert checked["borrowers"] == BORROWERS
    assert summary["ledger"]["entries"] >= accepted
    assert summary["aws_calls"]["total"] == sum(summary["aws_calls"]["by_operation"].values()) > 1000
    assert summary["opt_outs"]["received"] == summary["opt_outs"]["honoured"] > 0
    cases = summary["escalations"]
    assert cases["started"] == sum(count for name, count in cases.items() if name != "started") > 0
    zones = zones_of(judged.run)
    early = {
        message.purpose
        for message in judged.run.messages
        if message.reserved_at is not None
        and message.reserved_at.astimezone(zones[message.borrower_id]).hour < 8
        and message.purpose is not Purpose.REPLY
    }
    assert early <= {Purpose.SERVICE}  # what only tells is bound by no hours
    assert summary["decisions_per_second"] > 0


def test_everything_the_report_reads_is_there(judged: Judged) -> None:
    page = render_report(judged.summary, judged.conversations)
    assert "not judged" not in page
    for talk in judged.conversations:
        assert talk["title"] in page or "&#39;" in page


def test_the_evidence_can_be_judged_again(judged: Judged, folder: Path) -> None:
    assert judged.evidence == folder
    assert audit(folder, sender_names=("Marram", "滨禾消费金融")).counters == judged.audit.counters
    texts = [json.loads(line) for line in (folder / "inbound.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {text["meaning"] for text in texts} >= {"opt_out"}
    assert {path.name for path in (folder / "packs").iterdir()} >= {
        "packs-cn.yaml",
        "policies-us.yaml",
        "strategies-standard.yaml",
    }
    assert list((folder / "logs").glob("*.log"))


def test_conversations_say_who_decided_what(judged: Judged) -> None:
    assert {entry["kind"] for entry in entries(judged)} >= {"sent", "payment", "inbound", "case", "fact"}
    for talk in judged.conversations:
        moments = [datetime.fromisoformat(entry["at"]) for entry in talk["entries"]]
        assert moments == sorted(moments)
        assert talk["ending"]
        assert talk["entries"]
    for entry in entries(judged):
        assert entry["local"]
        if entry["kind"] in ("sent", "not_sent"):
            assert entry["source"], entry["rule"]
            assert entry["moves"][-1]["state"] == entry["state"]
            assert entry["content_version"] == judged.content.version
        if entry["kind"] == "sent":
            assert entry["text"]
            assert entry["figures"] or entry["stage"] in SAY_NO_FIGURES or entry["channel"] == "push"
            assert not (entry["figures"] and entry["channel"] == "push"), "others read a lock screen"


def test_the_same_seed_says_the_same(judged: Judged, tmp_path: Path) -> None:
    again = run_demo(Demo(BORROWERS, DAYS, seed=3, evidence=tmp_path))
    figures = [
        dumped({key: value for key, value in run.summary.items() if key not in MEASURED}) for run in (judged, again)
    ]
    assert figures[0] == figures[1]
    assert judged.conversations == again.conversations


@pytest.mark.slow
def test_it_keeps_its_promises_when_providers_are_at_their_worst() -> None:
    judged = run_demo(Demo(SCRIPTED.index(Cohort.STOP_THEN_START) + 1, 25, seed=5, faults="heavy"))
    assert judged.broken == []
    assert judged.evidence is None
    assert judged.summary["provider_faults"]


def test_what_was_written_down_before_is_not_evidence(tmp_path: Path) -> None:
    for name in ("logs/OldFunction.log", "packs/old.yaml"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text("+12125550123\n", encoding="utf-8")
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")
    run_demo(Demo(1, 1, evidence=tmp_path))
    assert not (tmp_path / "logs" / "OldFunction.log").exists()
    assert not (tmp_path / "packs" / "old.yaml").exists()
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize(
    ("text", "answered", "called"),
    [
        ("Reply STOP to opt out.", True, True),
        ("If you do not want e-mails like this, call 800-555-0142 and say so: they stop at once.", False, True),
        ("如不希望再收到此类邮件，请致电400-000-0142告知，我们会立即停止发送。", False, True),
        ("Call 800-555-0142 if today is difficult. We will not stop reminding you.", False, False),
        ("Please call us, and it will stop.", False, False),
    ],
)
def test_an_email_may_offer_a_call_where_a_text_must_offer_an_answer(text: str, answered: bool, called: bool) -> None:
    assert has_opt_out_line(text) is answered
    assert has_opt_out_line(text, by_call=True) is called


def test_every_title_belongs_to_somebody() -> None:
    found = interests(generate(len(SCRIPTED)))
    assert len(found) == len(TITLES) == len({interest.borrower_id for interest in found})
    assert len(interests(generate(3))) < len(TITLES)


def test_people_text_the_line_of_their_country() -> None:
    assert line_of("+8613491234567") == "106900000142"
    assert line_of("+12125550123") == "+12065550100"


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [("1234.5", "USD", "$1,234.50"), ("3574.83", "CNY", "¥3,574.83"), ("1000", "TWD", "TWD 1,000.00")],
)
def test_money_in_facts(amount: str, currency: str, said: str) -> None:
    assert money(amount, currency) == said


def test_local_time_is_said_as_the_borrower_would() -> None:
    from zoneinfo import ZoneInfo

    at = datetime.fromisoformat("2026-03-03T15:02:00+00:00")
    assert local_words(at, ZoneInfo("America/New_York"), "en-US") == "Tue 3 Mar 10:02"
    assert local_words(at, ZoneInfo("Asia/Shanghai"), "zh-CN") == "周二 3月3日 23:02"
