"""The files that commands read: whatever is in one, what is wrong is said in a line, and nothing of what was read."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from local import cli
from local.portfolio.replay import COLUMNS
from tests.functional.test_redaction import PERSONAL
from tests.fuzz.entries import PLANTED
from tests.fuzz.generate import ODD, broken

SUPPRESSIONS = [
    ["phone", "email", "scope", "purpose", "at", "source"],
    ["+12065550187", "", "number", "", "2026-05-01T10:00:00Z", "web"],
    ["", "wilhelmina.plantagenet@mail.example", "purpose", "collection", "2026-05-01T10:00:00Z", "call"],
]
FILINGS = [
    ["line", "message", "locale", "text", "id"],
    ["cn-sms", "tier_1", "zh-CN", "欧阳晓萍", "T-1"],
]
REPLAY = [list(COLUMNS), ["1", "20000", *["0"] * (len(COLUMNS) - 2)]]


def spoilt(rows: list[list[str]], random: Random) -> bytes:
    """The file with something wrong in its cells, its lines, its text or its bytes."""
    rows = [list(row) for row in rows]
    for _ in range(random.choice((0, 1, 2, 4))):
        row = random.choice(rows)
        row[random.randrange(len(row))] = random.choice((*ODD, *PLANTED, "x" * 200_000))
    match random.randrange(6):
        case 0:
            random.choice(rows).append(random.choice(PLANTED))
        case 1:
            random.choice(rows).pop()
        case 2:
            rows *= random.choice((2, 40))
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    said = text.getvalue()
    if random.random() < 0.3:
        said = broken(said, random, PLANTED)
    raw = said.encode(random.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16")), "surrogatepass")
    return (
        raw
        if random.random() < 0.9
        else bytes(byte ^ 0x80 if number % 41 == 7 else byte for number, byte in enumerate(raw))
    )


@pytest.mark.parametrize(
    ("command", "rows", "many"),
    [
        pytest.param(("suppressions",), SUPPRESSIONS, 40, id="suppressions"),
        pytest.param(("release", "--filed"), FILINGS, 8, id="filings"),
        pytest.param(("replay",), REPLAY, 15, id="replay"),
    ],
)
def test_a_file_is_refused_in_a_line(
    command: tuple[str, ...], rows: list[list[str]], many: int, tmp_path: Path
) -> None:
    path = tmp_path / "given.csv"
    for number in range(many):
        path.write_bytes(spoilt(rows, Random(f"{command[0]}/{number}")))
        result = CliRunner().invoke(cli.app, [*command, str(path)])
        assert isinstance(result.exception, SystemExit | None), (number, result.exception)
        assert result.exit_code in (0, 1, 2), number
        assert "Traceback" not in result.output, number
        # What is written out as events on request holds numbers: that is what it is for.
        assert not PERSONAL.search(result.stderr), (number, result.stderr)
