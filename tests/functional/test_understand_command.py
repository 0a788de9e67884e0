"""`dunlin understand`: lines in, lines out."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dunlin.content import load_lexicon
from dunlin.domain.intents import Intent
from dunlin.domain.understanding import understand
from typer.testing import CliRunner, Result

from local import cli

CONTENT = Path(__file__).parents[2] / "layers" / "content"


def said(lines: str | bytes, *options: str) -> Result:
    return CliRunner().invoke(cli.app, ["understand", *options], input=lines)


def answers(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_line_has_its_answer() -> None:
    found = answers(said("STOP\n\nI'll pay $200 on Friday\n", "--locale", "en-US", "--at", "2026-03-02T23:00-05:00"))
    assert [each["intent"] for each in found] == ["opt_out", "other", "promise"]
    assert found[2]["on"] == "2026-03-06"
    assert found[2]["amount"] == "200"
    assert {"intent", "confidence", "language"} <= found[0].keys()


def test_a_dialogue_makes_a_number_an_answer() -> None:
    assert answers(said("2\n", "--dialogue", "offers=3"))[0]["choice"] == 2
    assert answers(said("yes\n", "--dialogue", "confirm"))[0]["choice"] == 1
    assert answers(said("5\n", "--dialogue", "rating"))[0]["intent"] == "feedback"
    assert answers(said("2\n"))[0]["intent"] == "other"


@pytest.mark.parametrize("options", [("--at", "soon"), ("--dialogue", "offers=0"), ("--dialogue", "chat")])
def test_an_option_that_says_nothing_is_refused(options: tuple[str, str]) -> None:
    result = said("STOP\n", *options)
    assert result.exit_code == 2
    assert not result.stdout


def test_a_broken_line_is_read_as_far_as_it_can_be() -> None:
    found = answers(said(b"\xff\nSTOP \xff\xfe\n\x00\x07\n" + b"x" * 10_000 + b". STOP\n", "--locale", "en-US"))
    assert [each["intent"] for each in found] == ["other", "opt_out", "other", "opt_out"]


SAID = ("now", "today", "pls")
TEXTS = [
    *(
        {"text": f"what is my balance {word}", "locale": "en-US", "intent": "balance"}
        for word in ("now", "today", "pls")
    ),
    *(
        {"text": f"the dragon sleeps {word}", "locale": "en-US", "intent": "feedback"}
        for word in ("now", "today", "pls")
    ),
]


def test_weights_are_made_of_labelled_texts_and_are_the_same_every_time(tmp_path: Path) -> None:
    corpus, content = tmp_path / "corpus", tmp_path / "content"
    corpus.mkdir()
    (corpus / "few.jsonl").write_text("\n".join(map(json.dumps, TEXTS)), encoding="utf-8")
    for kind in ("words", "understanding", "models"):
        shutil.copytree(CONTENT / kind, content / kind)
    weights = content / "models" / "intents.json"
    shipped = weights.read_bytes()

    def trained() -> bytes:
        result = CliRunner().invoke(cli.app, ["train-intents", str(corpus), "--dir", str(content)])
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith("6 texts, 100.0% of them read right.")
        return weights.read_bytes()

    first = trained()
    assert first != shipped
    assert trained() == first
    learnt = load_lexicon(content)
    day = date(2026, 3, 2)
    assert understand("the dragon sleeps here", learnt, locale="en-US", today=day).intent is Intent.FEEDBACK
    assert understand("STOP", learnt, locale="en-US", today=day).intent is Intent.OPT_OUT


def test_weights_are_not_made_where_there_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(cli.app, ["train-intents", str(tmp_path), "--dir", str(tmp_path / "empty")])
    assert result.exit_code == 2
