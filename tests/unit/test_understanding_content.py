"""Rules and weights that cannot be read with are refused, and the file and line are said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dunlin.content import load_lexicon
from dunlin.errors import ContentError

ROOT = Path(__file__).parents[2] / "layers" / "content"
RULES, WEIGHTS = "understanding/rules.yaml", "models/intents.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for kind in ("words", "understanding", "models"):
        shutil.copytree(ROOT / kind, tmp_path / kind)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        (RULES, "  how_much: ", '  how_much: "(open"\n  not_used: ', "is no regular expression"),
        (RULES, "  - intent: deceased", "  - intent: sleepy", "intent"),
        (RULES, "    topic: debit", "    topic: weather", "topic"),
        (RULES, "\nyes: [", "\nyess: [", "yess"),
        (WEIGHTS, '"scale": 50', '"scale": 0', "scale"),
        (WEIGHTS, '"traditional": "', '"traditional": "獨', "one has more characters"),
        (WEIGHTS, '"weights": {\n', '"weights": {\n"broken": {"0": "much"},\n', "weights.broken.0"),
        (WEIGHTS, '"weights": {\n', '"weights": {\n"broken": {"99": 5},\n', "has no intent of that number: 99"),
        (WEIGHTS, '"weights": {\n', '"weights": [\n', "JSON"),
    ],
)
def test_what_cannot_be_read_with_is_refused(root: Path, name: str, old: str, new: str, said: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text, "the file no longer has what this test changes"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ContentError) as refused:
        load_lexicon(root)
    assert f"{name}:" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "at"),
    [
        (RULES, "  how_much: ", '  how_much: "(open"\n  not_used: ', "  how_much: "),
        (WEIGHTS, '"weights": {\n', '"weights": {\n"broken": {"0": "much"},\n', '"broken"'),
    ],
)
def test_the_line_is_that_of_the_mistake(root: Path, name: str, old: str, new: str, at: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8").replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    line = next(number for number, each in enumerate(text.splitlines(), 1) if each.startswith(at))
    with pytest.raises(ContentError, match=rf"{name}:{line}\b"):
        load_lexicon(root)
