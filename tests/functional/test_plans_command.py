"""`dunlin plans`: what it prints, what it refuses, and what it exits with."""

from __future__ import annotations

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from local import cli
from local.commands.asking import CONTENT


def dunlin(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["plans", *arguments])


def asked(debt: str = "1250.00 USD", place: str = "US-MA", days: str = "20", *more: str) -> Result:
    return dunlin("--debt", debt, "--days-overdue", days, "--jurisdiction", place, "--on", "2026-11-29", *more)


def answered(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_offers_are_a_table_to_read() -> None:
    result = asked()
    assert result.exit_code == 0
    text = re.sub(r"[\s│]+", " ", result.stdout)
    assert "1250.00 USD on 2026-11-29, policy standard" in text
    assert "1 part payment 625.00 on 2026-12-06 1250.00 USD 0.00 USD 0.0 % 2026-12-04 automatic" in text
    assert "2 × 416.67 from 2026-12-29" in text
    assert "416.66 on 2027-02-28" in text


def test_as_json_every_payment_is_there_and_sums() -> None:
    found = answered(asked("8000 CNY", "CN", "20", "--json"))
    assert (found["policy"], found["debt"], found["on"]) == ("china", "8000.00 CNY", "2026-11-29")
    assert [offer["number"] for offer in found["offers"]] == [1, 2, 3]
    for offer in found["offers"]:
        figures = {
            name: sum(Decimal(payment[name].split()[0]) for payment in offer["instalments"])
            for name in ("amount", "principal", "interest", "fee")
        }
        assert figures["principal"] == 8000
        assert figures["amount"] == Decimal(offer["total_to_pay"].split()[0])
        assert figures["interest"] + figures["fee"] == Decimal(offer["extra_cost"].split()[0]) > 0
        assert Decimal(5) < Decimal(offer["annual_percentage_rate"]) < Decimal(7)


def test_wishes_narrow_the_offers() -> None:
    found = answered(asked("1250 USD", "US", "20", "--affordable", "160 USD", "--not-before", "2026-12-20", "--json"))
    assert [len(offer["instalments"]) for offer in found["offers"]] == [8, 12]
    assert {offer["instalments"][0]["due_on"] for offer in found["offers"]} == {"2026-12-20"}


@pytest.mark.parametrize(
    ("debt", "place", "days", "more", "why"),
    [
        ("1250.00 USD", "US-MA", "0", (), "too_early"),
        ("10.00 USD", "US-MA", "20", (), "too_small"),
        ("1250.00 EUR", "US-MA", "20", (), "other_currency"),
        ("1250.00 USD", "US-MA", "20", ("--plans-last-year", "2"), "too_many_plans"),
        ("1250.00 USD", "US-MA", "20", ("--affordable", "5.00 USD"), "not_as_wished"),
        ("1250.00 USD", "US-MA", "20", ("--product", "mortgage"), "no_policy"),
        ("1250.00 USD", "US-MA", "20", ("--product", "card", "--product", "medical"), "no_policy"),
        ("1250.00 USD", "FR", "20", (), "no_policy"),
    ],
)
def test_why_there_are_none_is_said(debt: str, place: str, days: str, more: tuple[str, ...], why: str) -> None:
    found = answered(asked(debt, place, days, *more, "--json"))
    assert (found["why"], found["offers"]) == (why, [])
    told = asked(debt, place, days, *more)
    assert told.exit_code == 0
    assert told.stdout.startswith("No offers: ")
    assert "A person helps." in told.stdout


@pytest.mark.parametrize(
    ("debt", "place", "more", "problem"),
    [
        ("1250.00", "US", (), "debt: must be an amount and its currency"),
        ("1250.001 USD", "US", (), "debt: must be an amount"),
        ("nothing USD", "US", (), "debt: must be an amount"),
        ("0.00 USD", "US", (), "debt: must be above 0"),
        ("1250.00 USD", "Boston", (), "jurisdiction: must be the code of a place"),
        ("1250.00 USD", "US", ("--product", "payday"), "product: must be one of card"),
        ("1250.00 USD", "US", ("--on", "tomorrow"), "on: must be a day"),
        ("1250.00 USD", "US", ("--not-before", "soon"), "not-before: must be a day"),
        ("1250.00 USD", "US", ("--affordable", "10.00 EUR"), "affordable: must be in the debt's currency"),
        ("1250.00 USD", "US", ("--rate", "much"), "rate: must be a percentage"),
    ],
)
def test_what_cannot_be_asked_is_refused(debt: str, place: str, more: tuple[str, ...], problem: str) -> None:
    result = asked(debt, place, "20", *more)
    assert result.exit_code == 2
    assert not result.stdout
    assert problem in re.sub(r"\s+", " ", result.stderr)


def test_the_contracts_rate_is_used_where_the_policy_says_so(tmp_path: Path) -> None:
    content = Path(shutil.copytree(CONTENT, tmp_path / "content"))
    file = content / "plans/standard.yaml"
    text = file.read_text(encoding="utf-8").replace("{kind: interest_free}", "{kind: same}")
    file.write_text(text.replace("extra_percent: 0", "extra_percent: 10"), encoding="utf-8")
    unknown = answered(asked("1250 USD", "US", "20", "--dir", str(content), "--json"))
    assert unknown["why"] == "rate_unknown"
    known = answered(asked("1250 USD", "US", "20", "--dir", str(content), "--rate", "18", "--json"))
    assert all(Decimal(offer["extra_cost"].split()[0]) > 0 for offer in known["offers"])


def test_without_a_day_it_is_today() -> None:
    result = dunlin("--debt", "1250 USD", "--days-overdue", "20", "--jurisdiction", "US", "--json")
    assert answered(result)["offers"]
