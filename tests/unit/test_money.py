"""Exact money, or none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from dunlin.domain.money import Money, parse_money, total

from tests.builders import usd


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("0", "USD", "0.00"),
        ("120.5", "USD", "120.50"),
        ("120.500", "CNY", "120.50"),
        (7, "KRW", "7"),
        (Decimal("1.10"), "EUR", "1.10"),
        ("-3.00", "USD", "-3.00"),
        ("999999999999.99", "USD", "999999999999.99"),
    ],
)
def test_exact(text: object, currency: str, amount: str) -> None:
    money = parse_money(text, currency)
    assert (str(money.amount), money.currency) == (amount, currency)


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        (1.5, "USD"),
        (True, "USD"),
        (None, "USD"),
        ("", "USD"),
        ("twelve", "USD"),
        ("NaN", "USD"),
        ("sNaN", "USD"),
        ("Infinity", "USD"),
        ("1000000000000", "USD"),
        ("1E+999999", "USD"),
        ("1.001", "USD"),
        ("0.5", "KRW"),
        ("1", "XXX"),
        ("1", ""),
    ],
)
def test_refused(text: object, currency: str) -> None:
    with pytest.raises(ValueError, match=r"must|reviewed"):
        parse_money(text, currency)


def test_sums_and_order() -> None:
    assert usd("1.10") + usd("2.05") == usd("3.15")
    assert usd("1.10") - usd("2.05") == usd("-0.95")
    assert usd("1.00") < usd("1.01") <= usd("1.01")
    assert usd("0.01").is_positive
    assert not usd("0.00").is_positive
    assert str(usd("1234.50")) == "1234.50 USD"
    assert total([], "KRW") == Money(Decimal(0), "KRW")
    assert str(total([usd("0.10"), usd("0.20")], "USD")) == "0.30 USD"


def test_currencies_are_not_mixed() -> None:
    for mix in (Money.__add__, Money.__sub__, Money.__lt__, Money.__le__):
        with pytest.raises(ValueError, match="mixed"):
            mix(usd("1.00"), parse_money("1", "EUR"))
