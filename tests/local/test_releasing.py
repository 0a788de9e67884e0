"""`dunlin release`: a version goes all the way, step by step, and whatever is wrong is refused with a reason."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from dunlin.content import load_content, signing
from dunlin.content.filing import read_filings
from dunlin.content.lint import Problem
from typer.testing import CliRunner, Result

from local import cli
from local.commands import releasing
from local.commands.filing_table import COLUMNS

ROOT = Path(__file__).parents[2] / "layers" / "content"
NOW = datetime(2026, 11, 21, 9, 30, 12, 345, tzinfo=UTC)
ANA, BEN, CAL, DEE = "ana@x.example", "ben@x.example", "cal@x.example", "dee@x.example"
TEXT = "templates/tier_1/zh-CN.txt"
KEPT = ("tier_1", "help")


@pytest.fixture(autouse=True)
def _at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releasing, "clock", lambda: NOW)
    monkeypatch.setattr(signing, "check", lambda _: [])  # takes long, and has tests of its own


@pytest.fixture
def root(tmp_path: Path) -> Path:
    def left_out(of: str, names: list[str]) -> list[str]:
        return [name for name in names if Path(of) == ROOT / "templates" and name not in KEPT]

    return Path(shutil.copytree(ROOT, tmp_path / "content", ignore=left_out))


@pytest.fixture
def fresh(root: Path) -> Path:
    (root / "release.json").unlink()
    return root


def run(root: Path, *arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["release", *map(str, arguments), "--dir", str(root)])


def done(root: Path, *arguments: object) -> str:
    result = run(root, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(root: Path, *arguments: object) -> str:
    """What is said where something may not be; and then nothing was written."""
    before = {path.name: path.read_bytes() for path in root.glob("*.json")}
    result = run(root, *arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert {path.name: path.read_bytes() for path in root.glob("*.json")} == before
    return result.stderr


def data(root: Path, *arguments: object) -> Any:
    return json.loads(done(root, *arguments, "--json"))


def approve(root: Path) -> None:
    done(root, "draft", "--by", ANA)
    done(root, "review", "--by", BEN)
    done(root, "approve", "--by", CAL)


def to_file(root: Path, *arguments: object) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(done(root, "--to-file", *arguments))))


def table(tmp_path: Path, rows: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS, *, mark: str = "") -> Path:
    path = tmp_path / "numbers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(mark)
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def numbered(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "id": f"T-{number}", "on": "2026-11-20"} for number, row in enumerate(rows)]


def file_everything(root: Path, tmp_path: Path) -> str:
    return done(root, "--filed", table(tmp_path, numbered(to_file(root))))


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    (root / name).write_text(text.replace(old, new, 1), encoding="utf-8")


# ── All the way ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_version_goes_all_the_way(fresh: Path, tmp_path: Path) -> None:
    root = fresh
    assert data(root)["state"] == "never released"
    assert "is drafted" in done(root, "draft", "--by", ANA, "--note", "warmer words")
    assert "is reviewed" in done(root, "review", "--by", BEN)
    assert "is approved" in done(root, "approve", "--by", CAL)
    assert "is live in embedded" in done(root, "live", "--by", DEE, "--environment", "embedded")
    assert not load_content(root, environment="prod").live
    assert "filings.json: cn-finance.tier_1.zh-CN: 20 wordings have to be filed" in refused(root, "file", "--by", DEE)
    assert "is not filed for prod" in refused(root, "live", "--by", DEE, "-e", "prod")

    assert "still to be filed: 0" in file_everything(root, tmp_path)
    done(root, "file", "--by", DEE)
    assert "is live in embedded, prod" in done(root, "live", "--by", DEE, "-e", "prod", "--note", "after the freeze")
    assert load_content(root, environment="prod").live

    seen = data(root)
    assert (seen["release"], seen["state"]) == (1, "live")
    assert set(seen["not_live"]) == {"dev", "staging"}
    assert seen["live"]["prod"] == {
        "release": 1, "version": seen["version"], "by": DEE, "at": "2026-11-21T09:30:12+00:00", "act": 6,
    }  # fmt: skip
    (release,) = seen["releases"]
    assert [release[step]["by"] for step in ("drafted", "reviewed", "approved", "filed")] == [ANA, BEN, CAL, DEE]
    assert release["withdrawn"] is None
    assert [row for row in seen["to_file"]["texts"] if row["required"]] == []
    notes = [act.get("note") for act in json.loads((root / "release.json").read_text())["acts"]]
    assert notes == ["warmer words", None, None, None, None, "after the freeze"]


def test_a_changed_text_is_filed_again_and_the_old_one_can_be_taken_back_to(fresh: Path, tmp_path: Path) -> None:
    root = fresh
    file_everything(root, tmp_path)
    approve(root)
    done(root, "file", "--by", DEE)
    done(root, "live", "--by", DEE, "-e", "prod")
    edit(root, TEXT, "与我们商量。", "与我们联系。")
    assert data(root)["state"] == "changed"
    required = [row for row in data(root)["to_file"]["texts"] if row["required"]]
    assert required == [
        {
            "line": "cn-finance",
            "message": "tier_1",
            "locale": "zh-CN",
            "wordings": 20,
            "changed": True,
            "required": True,
        }
    ]
    assert "changed after it was filed" in done(root)
    approve(root)
    assert "it was changed after it was filed" in refused(root, "file", "--by", DEE)
    file_everything(root, tmp_path)
    done(root, "file", "--by", DEE)
    assert data(root, "live", "--by", DEE, "-e", "prod")["number"] == 2
    assert [release["state"] for release in data(root)["releases"]] == ["retired", "live"]

    edit(root, TEXT, "与我们联系。", "与我们商量。")
    assert "release 2 is live there" in done(root)
    assert "is retired already" in refused(root, "draft", "--by", ANA)
    done(root, "live", "--by", DEE, "-e", "prod")
    assert [release["state"] for release in data(root)["releases"]] == ["live", "retired"]
    assert load_content(root, environment="prod").live


def test_withdrawing(fresh: Path) -> None:
    approve(fresh)
    done(fresh, "live", "--by", DEE, "-e", "embedded")
    version = data(fresh)["version"]
    edit(fresh, TEXT, "与我们商量。", "与我们联系。")
    assert "is not drafted" in refused(fresh, "withdraw", "--by", DEE)
    assert "is not live in prod" in refused(fresh, "withdraw", "--by", DEE, "--version", version, "-e", "prod")
    assert "is withdrawn" in done(fresh, "withdraw", "--by", DEE, "--version", version, "--note", "a wrong number")
    assert data(fresh)["live"]["embedded"] is None


def test_the_old_command_puts_all_the_names_to_it(fresh: Path) -> None:
    names = ["--author", ANA, "--reviewer", BEN, "--approver", CAL, "--dir", str(fresh)]
    result = CliRunner().invoke(cli.app, ["content", "sign", *names])
    assert result.exit_code == 0, result.output
    assert "Release 1 is live in embedded: version" in result.output
    names[3] = ANA
    edit(fresh, TEXT, "与我们商量。", "与我们联系。")
    result = CliRunner().invoke(cli.app, ["content", "sign", *names])
    assert result.exit_code == 1
    assert "nobody reviews their own release" in result.output


# ── Refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["review", "--by", BEN], "act: "),
        (["approve", "--by", CAL], "is not drafted"),
        (["file", "--by", DEE], "is not drafted"),
        (["live", "--by", DEE, "-e", "embedded"], "is not drafted"),
        (["withdraw", "--by", DEE], "is not drafted"),
        (["draft", "--by", " "], "by: has no name"),
    ],
)
def test_what_may_not_be_is_refused(fresh: Path, arguments: list[str], problem: str) -> None:
    assert problem in refused(fresh, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["draft"],
        ["live", "--by", DEE],
        ["live", "--by", DEE, "-e", "production"],
        ["--to-file", "--json", "--csv"],
        ["--line", "cn-finance"],
        ["--csv"],
        ["--filed", "nowhere.csv"],
        ["undo"],
    ],
)
def test_what_does_not_exist_cannot_be_asked_for(fresh: Path, arguments: list[str]) -> None:
    result = run(fresh, *arguments)
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)


def test_one_person_is_not_three(fresh: Path) -> None:
    done(fresh, "draft", "--by", ANA)
    assert "nobody reviews their own release" in refused(fresh, "review", "--by", " Ana@X.example")
    done(fresh, "review", "--by", BEN)
    assert "nobody approves their own release" in refused(fresh, "approve", "--by", ANA)
    assert "does not approve it too" in refused(fresh, "approve", "--by", BEN)


def test_what_the_lint_finds_is_not_drafted(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "check", lambda _: [Problem("words/en-US.yaml:3", "help", "is empty")])
    assert refused(fresh, "draft", "--by", ANA) == "words/en-US.yaml:3: help: is empty\n"


def test_a_tampered_chain_is_told_by_every_command(root: Path) -> None:
    edit(root, "release.json", "compliance@marram.example", "mallory@x.example")
    for arguments in ([], ["--json"], ["--to-file"], ["review", "--by", BEN], ["withdraw", "--by", BEN]):
        assert "release.json:4: acts[2].digest: act 3 (approved): was changed" in refused(root, *arguments)


def test_an_old_file_says_how_to_sign_anew(root: Path) -> None:
    (root / "release.json").write_text('{"releases": []}')
    assert "sign anew: `dunlin release draft`" in refused(root)


def test_a_folder_that_cannot_be_written_is_no_traceback(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(fresh / "release.json"))

    monkeypatch.setattr("dunlin.content.release.os.replace", full)
    result = run(fresh, "draft", "--by", ANA)
    assert result.exit_code == 1
    assert "release.json: No space left on device" in result.stderr


# ── What people see ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_overview_says_it_all(root: Path) -> None:
    seen = " ".join(done(root).split())
    assert "These files: version" in seen
    assert "no release is live in prod" in seen or "prod: plans and does not send" in seen
    assert "strategy@marram.example 2026-11-14" in seen
    assert "zh-CN (20), zh-TW (20)" in seen
    assert "a draft's, which can wait" in seen
    assert "Pack IN: draft: plans and does not send" in seen
    assert "Pack US-MA" not in seen


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (datetime(2027, 10, 31, 23, tzinfo=UTC), "signed"),
        (datetime(2027, 11, 1, tzinfo=UTC), "expires soon"),
        (datetime(2027, 12, 31, 23, tzinfo=UTC), "expires soon"),
        (datetime(2028, 1, 1, tzinfo=UTC), "expired"),
    ],
)
def test_packs_that_end_are_told(root: Path, monkeypatch: pytest.MonkeyPatch, now: datetime, state: str) -> None:
    monkeypatch.setattr(releasing, "clock", lambda: now)
    edit(root, "packs/gb.yaml", "signed: {by: compliance@marram.example, until: 2027-12-31}\n", "")
    packs = {pack["jurisdiction"]: pack for pack in data(root)["packs"]}
    assert packs["US-MA"] == {
        "jurisdiction": "US-MA", "state": state, "by": "compliance@marram.example", "until": "2027-12-31",
    }  # fmt: skip
    assert packs["GB"] == {"jurisdiction": "GB", "state": "unsigned", "by": None, "until": None}
    assert packs["KR"]["state"] == "draft"
    assert "US" not in packs, "nobody lives in a base"
    assert ("Pack US-MA" in done(root)) == (state != "signed")


def test_a_number_that_a_line_lacks_is_told(root: Path) -> None:
    edit(root, "lenders/sample.yaml", "    registrations: {sender_id: AU-EXAMPLE}\n", "")
    assert "Not registered: sender_id of line au-sms, au-sender-id" in done(root)
    assert data(root)["to_file"]["registrations"] == [
        {"line": "au-sms", "name": "sender_id", "rule": "au-sender-id", "required": True}
    ]


# ── The provider's numbers ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_has_to_be_filed_is_a_table(root: Path) -> None:
    rows = to_file(root)
    assert tuple(rows[0]) == COLUMNS
    assert {row["line"] for row in rows} == {"cn-finance", "in-sms"}
    (help_text,) = (row for row in rows if (row["message"], row["locale"]) == ("help", "zh-CN"))
    assert help_text["text"].startswith("【滨禾消费金融】")
    assert (help_text["wording"], help_text["parts"], help_text["id"], help_text["on"]) == ("1", "1", "", "")
    (plain,) = (row for row in rows if row["locale"] == "zh-TW" and row["message"] == "help")
    assert plain["required"] == "yes"
    assert {row["line"] for row in to_file(root, "--line", "in-sms", "--csv")} == {"in-sms"}
    assert all("{#var#}" in row["text"] for row in to_file(root, "--line", "in-sms") if row["message"] == "tier_1")
    assert "there are au-sms, cn-finance" in refused(root, "--to-file", "--line", "gb-sms")


def test_and_as_json(root: Path) -> None:
    found = data(root, "--to-file", "--line", "cn-finance")
    assert found["registrations"] == []
    assert len(found["texts"]) == 42
    assert found["texts"][0]["required"] is True


def test_one_number_can_stand_for_a_text_in_all_its_wordings(root: Path, tmp_path: Path) -> None:
    rows = [{"line": "cn-finance", "message": "tier_1", "locale": "zh-CN", "id": "SMS_1", "on": "2026-11-20"}]
    file = table(tmp_path, rows, ("line", "message", "locale", "id", "on"), mark="\ufeff")
    assert "Taken: 20" in done(root, "--filed", file)
    assert {each.id for each in read_filings(root)} == {"SMS_1"}
    assert data(root, "--filed", file) == {"taken": 20, "without_a_number": 0, "to_file": 22}
    assert len(read_filings(root)) == 20


def test_rows_without_a_number_are_left_for_later(root: Path, tmp_path: Path) -> None:
    rows = to_file(root, "--line", "cn-finance")
    some = [*numbered(rows[:3]), *rows[3:]]
    assert "Taken: 3; rows without a number: 39; still to be filed: 39." in done(root, "--filed", table(tmp_path, some))
    assert len(to_file(root, "--line", "cn-finance")) == 39


@pytest.mark.parametrize(
    ("change", "column", "problem"),
    [
        ({"line": "gb-sms"}, "line", "is no line whose texts are filed; there are cn-finance, in-sms"),
        ({"message": "tier_9"}, "message", "is no message that goes by this line"),
        ({"locale": "en-US"}, "locale", "is no language"),
        ({"wording": "3"}, "wording", "must be 1 to 1"),
        ({"wording": "0"}, "wording", "must be 1 to 1"),
        ({"wording": "²"}, "wording", "must be 1 to 1"),
        ({"digest": "0" * 16}, "digest", "was changed since this table was written"),
        ({"id": ""}, "id", "must be the provider's number"),
        ({"id": "two words"}, "id", "must be the provider's number"),
        ({"id": "模板1"}, "id", "must be the provider's number"),
        ({"id": "x" * 101}, "id", "must be the provider's number"),
        ({"id": "1.10716E+18"}, "id", "was shortened by a spreadsheet"),
        ({"on": ""}, "on", "must be a day"),
        ({"on": "20.11.2026"}, "on", "must be a day"),
        ({"on": "2026-11-23"}, "on", "is in the future"),
    ],
)
def test_a_wrong_row_is_refused_by_line_and_column_and_nothing_is_taken(
    root: Path, tmp_path: Path, change: dict[str, str], column: str, problem: str
) -> None:
    rows = [row for row in to_file(root, "--line", "cn-finance") if row["message"] == "help"]
    good, bad = numbered(rows)
    file = table(tmp_path, [good, {**bad, **change}])
    said = refused(root, "--filed", file)
    assert said.startswith(f"{file}:3: {column}: ")
    assert problem in said
    assert said.count("\n") == 1
    value = next(iter(change.values()))
    assert len(value) < 6 or value not in said, "an error names the field and not the value"


def test_every_wrong_row_is_told(root: Path, tmp_path: Path) -> None:
    rows = numbered(to_file(root, "--line", "cn-finance")[:4])
    rows[1]["id"], rows[3]["on"], rows[3]["id"] = "a b", "soon", "c d"
    file = table(tmp_path, [*rows, rows[0]])
    said = [line.removeprefix(f"{file}:").split(":")[:2] for line in refused(root, "--filed", file).splitlines()]
    assert said == [["3", " id"], ["5", " id"], ["5", " on"], ["6", " message"]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "1: line: there is no such column"),
        (b"line,message,locale,on\n", "1: id: there is no such column"),
        (b"line,message,locale,id,on,on\n", "1: .: a column is there twice"),
        (b"line,message,locale,id,on\n\xff\n", "1: .: is not UTF-8"),
        (b'line,message,locale,id,on\n"a\n', "1: .: is not CSV"),
        (b"line,message,locale,id,on\ncn-finance,help\n", "2: .: has more or fewer cells"),
        (b"line,message,locale,id,on\na,b,c,d,2026-11-20,f\n", "2: .: has more or fewer cells"),
    ],
)
def test_a_file_that_is_no_table(root: Path, tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text)
    assert f"x.csv:{problem}" in refused(root, "--filed", path)


def test_a_text_changed_between_table_and_number_is_not_credited(root: Path, tmp_path: Path) -> None:
    rows = numbered([row for row in to_file(root, "--line", "cn-finance") if row["message"] == "tier_1"])
    edit(root, TEXT, "与我们商量。", "与我们联系。")
    said = refused(root, "--filed", table(tmp_path, rows))
    assert said.count("was changed since this table was written") == 20, "those in zh-CN; those in zh-TW are right"
