"""Files of accounts: every style of header that the source comes in, and clear words for what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.risk.accounts import ATTRIBUTES, BILLED, COLUMNS, LIMIT, PAID, STATUSES, TARGET, AccountError, Accounts
from tests.local.risk.accounts import HEADER, invented, written


def read(path: Path) -> list[tuple[str, float, list[float], bool | None]]:
    return [(each.account_id, each.history.limit, list(each.history.statuses), each.missed) for each in Accounts(path)]


def test_numbered_and_named_headers_say_the_same(tmp_path: Path) -> None:
    rows = invented(5)
    plain = read(written(tmp_path / "plain.csv", rows))
    numbered = ["", *[f"X{n}" for n in range(1, 24)], "Y"]
    named = ["ID", "LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE", "PAY_0", *[f"PAY_{n}" for n in range(2, 7)]]
    named += [f"BILL_AMT{n}" for n in range(1, 7)] + [f"PAY_AMT{n}" for n in range(1, 7)]
    named += ["default payment next month"]
    cells = [
        [row["id"], row[LIMIT], "1", "2", "3", "40", *[row[name] for name in (*STATUSES, *BILLED, *PAID, TARGET)]]
        for row in rows
    ]
    for name, lines in {
        "numbered": [numbered, *cells],
        "both": [numbered, named, *cells],
        "named": [named, [], *cells[:2], [" ", ""], *cells[2:], []],
    }.items():
        path = tmp_path / f"{name}.csv"
        path.write_text("\ufeff" + "\r\n".join(map(",".join, lines)) + "\r\n", encoding="utf-8")
        assert read(path) == plain, name
        assert Accounts(path).attributes == ATTRIBUTES


def test_the_ending_and_the_id_may_be_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "new.csv", invented(3), list(COLUMNS))
    assert [(account_id, missed) for account_id, _, _, missed in read(path)] == [("1", None), ("2", None), ("3", None)]
    with pytest.raises(AccountError, match=f"row 1, column {TARGET}"):
        Accounts(path, target=True)


@pytest.mark.parametrize("column", [*COLUMNS, TARGET])
@pytest.mark.parametrize("value", ["secret-value", "nan", "inf", "1e300"])
def test_a_cell_that_says_nothing_is_named_and_not_repeated(tmp_path: Path, column: str, value: str) -> None:
    rows = invented(3)
    rows[1][column] = value
    with pytest.raises(AccountError) as caught:
        read(written(tmp_path / "broken.csv", rows))
    assert str(caught.value).startswith(f"row 3, column {column}: ")
    assert value not in str(caught.value)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_is_missing_is_named(tmp_path: Path, column: str) -> None:
    with pytest.raises(AccountError, match=f"row 1, column {column}: the column is missing"):
        Accounts(written(tmp_path / "less.csv", invented(2), [name for name in HEADER if name != column]))


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"id\n\x00", b"PK\x03\x04\x00\x00"])
def test_what_is_no_table_is_refused(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "none.csv"
    path.write_bytes(body)
    with pytest.raises(AccountError, match="row 1"):
        Accounts(path)


def test_a_short_row_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "short.csv", invented(2))
    path.write_text(path.read_text(encoding="utf-8") + "3,20000,1\n", encoding="utf-8")
    with pytest.raises(AccountError, match="row 4, column pay_2: the cell is missing"):
        read(path)
