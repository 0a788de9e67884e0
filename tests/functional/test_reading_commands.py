"""The commands that read the content: what they print, what they refuse, and what they exit with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dunlin.content import lint as linting
from dunlin.content import load_rules
from dunlin.content.lint import Problem
from dunlin.content.schema import PackModel, PolicyModel
from typer.testing import CliRunner, Result

from local import cli
from local.commands.asking import CONTENT

ROOT = CONTENT.parents[1]
COLLECTION = ("--purpose", "collection", "--channel", "sms")
MONDAY = "2026-11-23T08:00:00-05:00"


def dunlin(*arguments: object, said: str | bytes = "") -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], input=said)


def answered(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def refused(result: Result) -> str:
    """The complaint of a command that could not do what was asked: words, no traceback, nothing on standard output."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert not result.stdout
    return re.sub(r"[\s│]+", " ", result.stderr)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONTENT, tmp_path / "content"))


def edited(path: Path, old: str, new: str) -> int:
    """Put `new` in the place of the first `old`; the line it stands on."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("command", ["allowed", "segments", "rules", "lint", "preview", "schema"])
def test_every_command_says_what_it_is_for(command: str) -> None:
    result = dunlin(command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 5


def test_a_question_needs_neither_the_world_nor_the_texts() -> None:
    """It is asked from scripts, one process a question: what it imports is most of the time it takes."""
    heavy = "{'moto', 'boto3', 'babel', 'jinja2', 'dunlin.content.lint', 'local.world'}"
    for module in ("asking", "counting"):
        code = f"import sys, local.commands.{module}; assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


# ── allowed ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_question_on_the_command_line() -> None:
    result = dunlin("allowed", "--jurisdiction", "US-MA", *COLLECTION, "--at", MONDAY, "--zone", "America/New_York")
    assert (result.exit_code, result.stderr) == (0, "")
    [said] = answered(result)
    assert list(said) == ["allowed", "rule_ids", "next_allowed_at"]
    assert said["allowed"] is True
    assert "us-ma-collector-two-in-seven" in said["rule_ids"]
    assert said["next_allowed_at"] == MONDAY


def test_two_zones_and_earlier_contacts_on_the_command_line() -> None:
    zones = ("--zone", "America/New_York", "--zone", "America/Los_Angeles")
    [said] = answered(dunlin("allowed", "--jurisdiction", "US", *COLLECTION, "--at", MONDAY, *zones))
    assert (said["allowed"], said["next_allowed_at"]) == (False, "2026-11-23T11:00:00-05:00")
    contacts = ("--contact", "2026-11-17T10:00-05:00 sms", "--contact", "2026-11-20T10:00-05:00 voice collection")
    [said] = answered(
        dunlin("allowed", "--jurisdiction", "US", "--region", "MA", *COLLECTION, "--at", MONDAY, *zones[:2], *contacts)
    )
    assert said == {
        "allowed": False,
        "rule_ids": ["us-ma-collector-two-in-seven"],
        "next_allowed_at": "2026-11-24T10:00:00-05:00",
    }


def test_a_refusal_is_an_answer_and_not_a_failure() -> None:
    asked = ("allowed", "--jurisdiction", "KR", *COLLECTION, "--at", "2026-11-23T21:00", "--zone", "Asia/Seoul")
    result = dunlin(*asked)
    assert result.exit_code == 0
    assert answered(result) == [
        {
            "allowed": False,
            "rule_ids": ["kr-pda-hours"],
            "next_allowed_at": "2026-11-24T08:00:00+09:00",
            "draft": True,
        }
    ]
    assert answered(dunlin("allowed", "--jurisdiction", "US-TX", *COLLECTION, "--at", MONDAY))[0]["allowed"] is False


def test_consent_on_the_command_line() -> None:
    offer = (
        "allowed",
        "--jurisdiction",
        "GB",
        "--purpose",
        "promotion",
        "--channel",
        "sms",
        "--at",
        "2026-11-23T12:00Z",
    )
    for consent, is_allowed in (
        ((), True),
        (("--no-consent",), False),
        (("--consent", "collection"), False),
        (("--consent", "collection", "--consent", "promotion"), True),
    ):
        assert answered(dunlin(*offer, *consent))[0]["allowed"] is is_allowed, consent


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"--at": "yesterday"}, "at: "),
        ({"--zone": "Mars/Phobos"}, "zones[0]: "),
        ({"--jurisdiction": "USA"}, "jurisdiction: "),
        ({"--purpose": "pleasure"}, "purpose: "),
        ({"--channel": "fax"}, "channel: "),
        ({"--region": "ZZ"}, "region: "),
        ({"--capacity": "lender"}, "capacity: "),
        ({"--contact": "sms"}, "contacts[0]: "),
        ({"--contact": "then sms"}, "contacts[0].at: "),
        ({"--contact": "2026-11-20T10:00Z fax"}, "contacts[0].channel: "),
        ({"--at": None}, "at: is missing"),
        ({"--jurisdiction": None}, "jurisdiction: is missing"),
    ],
    ids=str,
)
def test_a_bad_question_names_its_field(changed: dict[str, str | None], named: str) -> None:
    asked = {"--jurisdiction": "US", "--purpose": "collection", "--channel": "sms", "--at": MONDAY} | changed
    said = refused(dunlin("allowed", *(word for pair in asked.items() if pair[1] is not None for word in pair)))
    assert said.startswith(named)


def test_lines_are_answered_in_order_and_each_of_them() -> None:
    """In a process of its own, as a script would ask."""
    asked = [
        {"jurisdiction": "CN", "purpose": "collection", "channel": "sms", "at": f"2026-11-23T{hour:02}:00:00+08:00"}
        for hour in range(24)
    ]
    lines = [json.dumps(question).encode() for question in asked]
    lines[3:3] = [b"", b"{", b'{"jurisdiction": "CN"}']
    done = subprocess.run(
        [sys.executable, "-m", "local.cli", "allowed", "--jsonl"],
        input=b"\n".join(lines),
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (2, b"")
    assert [(said["field"], said["line"]) for said in found if "error" in said] == [("line", 5), ("purpose", 6)]
    assert [said["allowed"] for said in found if "error" not in said] == [8 <= hour < 22 for hour in range(24)]


def test_what_a_line_leaves_out_is_as_the_options_say() -> None:
    lines = [{}, {"at": "2026-11-23T07:00:00-05:00"}, {"at": "2026-11-23T07:00:00-05:00", "capacity": "creditor"}]
    said = "\n".join(map(json.dumps, lines))
    options = ("--jurisdiction", "US", *COLLECTION, "--at", MONDAY, "--zone", "America/New_York")
    result = dunlin("allowed", "--jsonl", *options, said=said)
    assert [answer["allowed"] for answer in answered(result)] == [True, False, True]
    assert result.exit_code == 0


def test_rules_that_cannot_be_read_are_named(content: Path) -> None:
    line = edited(content / "packs" / "cn.yaml", "basis: calendar", "basis: lunar")
    said = refused(dunlin("allowed", "--dir", content, "--jurisdiction", "CN", *COLLECTION, "--at", MONDAY))
    assert said.startswith(f"packs/cn.yaml:{line}: caps[0].basis: ")


# ── segments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "characters"), [("a\r\nb\n", 4), (("催" * 70 + "\n").encode(), 70), (b"a\rb\f", 5), ("no break", 8)]
)
def test_a_text_is_counted_as_it_is(said: str | bytes, characters: int) -> None:
    result = dunlin("segments", said=said)
    assert result.exit_code == 0
    assert [answer["characters"] for answer in answered(result)] == [characters]


def test_texts_a_line() -> None:
    said = '{"text": "a\\r\\nb\\n"}\n{"text": "' + "催" * 71 + '"}\n{"words": "a"}\n'
    result = dunlin("segments", "--jsonl", said=said)
    assert result.exit_code == 2
    assert answered(result) == [
        {"encoding": "GSM-7", "characters": 5, "parts": 1, "per_part": 160},
        {"encoding": "UCS-2", "characters": 71, "parts": 2, "per_part": 67},
        {"error": "text: must be a text", "field": "text", "line": 3},
    ]


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def as_text(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return re.sub(r"\s+", " ", result.stdout)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """So wide that no cell of a table is broken."""
    monkeypatch.setattr("local.commands.reading._WIDTH", 400)


@pytest.mark.usefixtures("wide")
def test_the_rules_of_a_place_in_words() -> None:
    said = as_text(dunlin("rules", "AU"))
    assert "au-rg96-hours collection: Mon–Fri 07:30–21:00; Sat–Sun 09:00–21:00; holidays none everybody" in said
    assert "au-rg96-three-a-week collection: at most 3 in 7 days per loan, any channel everybody" in said
    assert (
        said.index("The law")
        < said.index("au-rg96-hours")
        < said.index("The lender's own")
        < said.index("au-own-daily")
    )
    assert "at most 1 a calendar day per person" in said
    assert "DRAFT" not in said


def test_law_and_own_policy_are_told_apart() -> None:
    """What a pack itself marks as the lender's own stands with the lender's own."""
    said = as_text(dunlin("rules", "gb"))
    assert said.index("The lender's own") < said.index("gb-conc-7-9-hours") < said.index("gb-own-daily")


@pytest.mark.usefixtures("wide")
def test_the_strategies_of_a_place() -> None:
    """The one that leads the others first; each with its hours, what it asks of itself, and its stages."""
    said = as_text(dunlin("rules", "GB"))
    places = [said.index(f"{name}: for") for name in ("Medical", "Mortgage", "Education", "Card", "Standard")]
    assert places == sorted(places)
    assert places[0] > said.index("The lender's own")
    everything = "service, reminder, collection, mandatory notice or promotion"
    for words in (
        f"own-medical-hours {everything}: 10:00–18:00 every day everybody",
        f"own-contact-hours {everything}: 09:00–20:00 every day everybody",
        "strategy.medical.precedence 50: of the strategies of somebody's loans the highest leads everybody",
        "strategy.medical.min_gap reminder or collection: at least 2 days between any two of our own messages",
        "strategy.medical.late_fees states the whole total, and not what of it is late fees everybody",
        "strategy.card.holdout 5 % of the borrowers are not sent reminder_5 everybody",
        "early_help 7 days before the due date, or up to 2 days later: early_help by e-mail, then text message;",
        "due_today on the due date: due_today by text message, then e-mail; friendly everybody",
        "reminder_1 1 day before the due date: reminder by text message, then e-mail; friendly everybody",
        "tier_3 30 days after the due date, and at least 7 days after the tier before it: tier_3 by text message,",
        "then e-mail; factual; also to a co-borrower and guarantor everybody",
        "referral 45 days after the due date, and at least 14 days after the tier before it: a person takes over",
    ):
        assert words in said, words
    assert "for card loans" not in as_text(dunlin("rules"))


def test_every_rule_of_every_place_is_there() -> None:
    said, rules = as_text(dunlin("rules")).replace(" ", ""), load_rules(CONTENT)
    layers: list[PackModel | PolicyModel] = [*rules.packs.values(), *rules.policies.values()]
    for layer in layers:
        for rule in (*layer.hours, *layer.caps, *layer.consents, *layer.verifications, *layer.bans, *layer.texts):
            assert rule.id in said
    for code in rules.packs:
        assert f"{code}{rules.packs[code].name}".replace(" ", "") in said


def test_drafts_are_marked_and_the_unreviewed_are_listed() -> None:
    assert "DRAFT: nobody reviewed it" in as_text(dunlin("rules", "PH"))
    assert "listed as unreviewed" in as_text(dunlin("rules", "US-CA"))
    assert re.search(r"Unreviewed, and nobody there is contacted: AK, AL, .*WY", as_text(dunlin("rules", "US")))


@pytest.mark.usefixtures("wide")
def test_a_value_from_a_day_on_has_its_day() -> None:
    said = as_text(dunlin("rules", "US-NYC"))
    assert "us-ny-nyc-three-in-seven collection: at most 3 in 7 days per loan, any channel everybody 2026-09-01" in said
    said = as_text(dunlin("rules", "PH"))
    assert "collection: 06:00–22:00 every day; unless more than 15 days overdue or with the consent any_hour" in said


def test_only_what_binds_a_capacity() -> None:
    said = as_text(dunlin("rules", "US-MA", "--capacity", "creditor"))
    assert "us-ma-creditor-hours" in said
    assert "us-ma-collector-hours" not in said


def test_a_narrow_terminal_gets_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.commands.reading._WIDTH", 80)
    lines = dunlin("rules", "CN").stdout.splitlines()
    at = lines.index("cn-gbt-45251-calls")
    assert lines[at + 1 : at + 4] == [
        "  collection: at most 3 a calendar day per person, by agency, agent or call",
        "  binds everybody, from 2025-02-28",
        "  S: GB/T 45251-2025 §5.3: connected calls, at most three a day to a debtor",
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("FR",), "FR: there are no rules for this place; there are AU, CN, "),
        (("US-TX",), "US-TX: nobody reviewed the law there"),
        (("US-ZZ",), "US-ZZ: ZZ is not a region of US"),
        (("Utopia",), "Utopia: must be the code of a place"),
        (("US", "--capacity", "king"), "capacity: must be one of collector, creditor, servicer"),
    ],
)
def test_an_unknown_place_is_said(asked: tuple[str, ...], said: str) -> None:
    assert refused(dunlin("rules", *asked)).startswith(said)


# ── lint ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mistake_has_its_place(content: Path) -> None:
    caps = edited(content / "packs" / "cn.yaml", "basis: calendar", "basis: lunar")
    stage = edited(content / "strategies" / "standard.yaml", "max_attempts:", "max_attempt:")
    result = dunlin("lint", content)
    assert result.exit_code == 1
    *problems, count = result.stdout.splitlines()
    assert problems[0].startswith(f"{content}/packs/cn.yaml:{caps}: caps[0].basis: ")
    assert any(problem.startswith(f"{content}/strategies/standard.yaml:{stage}: ") for problem in problems)
    assert count == f"{len(problems)} problems."


def test_of_a_file_or_a_folder_only_its_own_are_shown(content: Path) -> None:
    edited(content / "packs" / "cn.yaml", "basis: calendar", "basis: lunar")
    edited(content / "packs" / "us.yaml", "daily:", "dayly:")
    for path, shown in (("packs/cn.yaml", {"cn"}), ("packs", {"cn", "us"}), ("templates", set()), ("lenders", set())):
        result = dunlin("lint", content / path)
        *problems, count = result.stdout.splitlines()
        assert {Path(problem.split(":")[0]).stem for problem in problems} == shown
        assert result.exit_code == (1 if shown else 0)
        if shown != {"cn", "us"}:
            assert count.endswith(f" elsewhere in {content}.")


@pytest.mark.parametrize(
    ("folder", "given", "shown"),
    [
        ("", "content", "content/packs/cn.yaml"),
        ("", "./content/packs/../packs/cn.yaml", "content/packs/cn.yaml"),
        ("content", ".", "packs/cn.yaml"),
        ("content", "packs", "packs/cn.yaml"),
        ("content/packs", "cn.yaml", "../packs/cn.yaml"),
        ("content/templates", "../packs", "../packs/cn.yaml"),
    ],
)
def test_paths_are_written_as_they_were_asked_for(
    content: Path, monkeypatch: pytest.MonkeyPatch, folder: str, given: str, shown: str
) -> None:
    line = edited(content / "packs" / "cn.yaml", "basis: calendar", "basis: lunar")
    monkeypatch.chdir(content.parent / folder)
    said = dunlin("lint", given).stdout
    assert said.startswith(f"{shown}:{line}: caps[0].basis: ")
    assert (content.parent / folder / shown).resolve() == content / "packs" / "cn.yaml"


def test_annotations_cannot_be_broken_out_of(content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = content.parent / "50%, a:b"
    content.rename(odd)
    said = Problem("packs/cn.yaml:7", "caps", "is 100% wrong\n::error::no, it is not\r")
    monkeypatch.setattr(linting, "check", lambda root: [said])
    result = dunlin("lint", odd, "--format", "github")
    file = f"{odd.parent}/50%25%2C a%3Ab/packs/cn.yaml"
    first, count = result.stdout.splitlines()
    assert first == f"::error file={file},line=7::caps: is 100%25 wrong%0A::error::no, it is not%0D"
    assert (count, result.exit_code) == ("1 problem.", 1)


def test_what_has_no_problem_says_so(content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped content is checked in tests/unit/test_content.py; here it only matters what is said of it."""
    monkeypatch.setattr(linting, "check", lambda root: [])
    result = dunlin("lint", content)
    assert (result.exit_code, result.stdout) == (0, "No problem.\n")


def test_what_is_no_content_is_refused(tmp_path: Path) -> None:
    assert "lies in no content" in refused(dunlin("lint", tmp_path))
    assert "does not exist" in refused(dunlin("lint", tmp_path / "nothing"))


# ── preview ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_text_as_it_is_read() -> None:
    result = dunlin("preview", "tier_1", "--locale", "en-US", "--jurisdiction", "US-MA")
    said = as_text(result)
    assert "by us-10dlc (aws_sms" in said
    assert re.search(r"ordinary: 2 parts of GSM-7, \d+ characters; at most 0.10 USD \(0.05 a part", said)
    assert "Reply STOP to opt out." in said
    assert "us-reg-f-opt-out: says how to opt out" in said
    assert "us-own-truthful-figures: says the amount, the days overdue, since when" in said
    assert "by us-email (aws_ses" in said


def test_one_borrower_or_all_of_them_on_one_channel() -> None:
    asked = ("preview", "tier_2", "--locale", "zh-CN", "--jurisdiction", "CN", "--channel", "sms", "--borrower")
    longest, every = as_text(dunlin(*asked, "longest")), as_text(dunlin(*asked, "all"))
    assert "longest: " in longest
    assert "ordinary: " not in longest
    assert [label for label in ("ordinary", "fees", "several", "longest") if f"{label}: " in every] == [
        "ordinary", "fees", "several", "longest",
    ]  # fmt: skip
    assert "UCS-2" in every
    assert "cn-email" not in every
    assert "USD" not in every  # the line has no price


def test_a_push_and_a_draft() -> None:
    assert "no line: none of the lender's carries it there" in as_text(
        dunlin("preview", "reminder", "--locale", "zh-CN", "--jurisdiction", "CN", "--channel", "push")
    )
    pushed = as_text(
        dunlin("preview", "unusual_transaction", "--locale", "en-GB", "--jurisdiction", "GB", "--channel", "push")
    )
    assert "by gb-push (aws_push, from marram)" in pushed
    assert "KR is a draft: nothing is sent there" in as_text(
        dunlin("preview", "tier_1", "--locale", "ko-KR", "--jurisdiction", "KR")
    )


def test_what_a_text_misses_is_said(content: Path) -> None:
    path = content / "templates" / "tier_1" / "en-US.txt"
    edited(path, " {{ opt_out }}", "")
    asked = ("preview", "tier_1", "--locale", "en-US", "--jurisdiction", "US-MA", "--dir", content)
    result = dunlin(*asked, "--channel", "sms")
    assert result.exit_code == 1
    assert "us-reg-f-opt-out: does not say how to opt out" in result.stdout
    edited(path, "{{ total }}", "$12.00")
    result = dunlin(*asked, "--channel", "sms")
    assert result.exit_code == 1
    assert re.search("ordinary: .*amounts", result.stdout)


def test_a_text_that_is_too_long_is_not_sound(content: Path) -> None:
    edited(content / "templates" / "tier_1" / "en-US.txt", "=== sms 2/3", "=== sms 1/1")
    result = dunlin(
        "preview", "tier_1", "--locale", "en-US", "--jurisdiction", "US-MA", "--dir", content, "--channel", "sms"
    )
    assert result.exit_code == 1
    assert "TOO LONG, at most 1 part" in result.stdout


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"template": "tier_9"}, "template: there is no tier_9; there are adverse_reporting, "),
        ({"--locale": "ko-KR"}, "locale: US-MA is written to in en-US, es-US, not in ko-KR"),
        ({"--jurisdiction": "US-TX"}, "jurisdiction: nobody reviewed US-TX; there are AU, "),
        ({"--jurisdiction": "FR"}, "jurisdiction: nobody reviewed FR; there are AU, "),
        ({"--jurisdiction": "Mars"}, "jurisdiction: must be the code of a place"),
        ({"--channel": "fax"}, "channel: tier_1 has no words for fax; it has for sms, email"),
        ({"--borrower": "rich"}, "borrower: there is no rich; there are ordinary, fees, several, longest"),
    ],
    ids=str,
)
def test_what_does_not_exist_is_answered_with_what_does(changed: dict[str, str], said: str) -> None:
    asked = {"template": "tier_1", "--locale": "en-US", "--jurisdiction": "US-MA"} | changed
    words = [asked.pop("template"), *(word for pair in asked.items() for word in pair)]
    assert refused(dunlin("preview", *words)).startswith(said)


# ── schema ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_schemas_are_json() -> None:
    result = dunlin("schema")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert {"pack", "policy", "calendar", "strategy", "lender", "messages", "phrases", "words"} <= found.keys()
    assert found["pack"]["additionalProperties"] is False
    assert {"jurisdiction", "hours", "caps", "regions"} <= found["pack"]["properties"].keys()
