"""Exact money: a `Decimal` with its currency. Dunlin adds and compares the core's figures; it never computes debt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

#: ISO 4217 minor units of the currencies a shipped pack uses; a currency that is not listed is refused at the door.
MINOR_UNITS = {"CNY": 2, "USD": 2, "TWD": 2, "AUD": 2, "GBP": 2, "EUR": 2, "INR": 2, "PHP": 2, "IDR": 2, "KRW": 0}


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in major units of `currency` (ISO 4217)."""

    amount: Decimal
    currency: str

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be mixed")

    @property
    def is_positive(self) -> bool:
        return self.amount > 0

    def __str__(self) -> str:
        """The machine form, `1234.50 USD`; people get the locale's form from the renderer."""
        return f"{self.amount} {self.currency}"


def parse_money(text: object, currency: str) -> Money:
    """The core's decimal string as money.

    Only strings and whole numbers are exact, so a float is refused; so is an amount finer than the currency's minor
    unit, because Dunlin does not round what a borrower owes.

    Raises:
        ValueError: not exact, not finite, too fine, or a currency nobody reviewed. The value is not in the message.
    """
    digits = MINOR_UNITS.get(currency)
    if digits is None:
        raise ValueError("currency is not one of the reviewed currencies")
    if isinstance(text, bool) or not isinstance(text, str | int | Decimal):
        raise ValueError("must be a decimal string, never a float")
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError("must be a decimal string") from None
    if not amount.is_finite() or abs(amount) >= 10**12:
        raise ValueError("must be finite and below 10^12")
    quantum = Decimal(1).scaleb(-digits)
    exact = amount.quantize(quantum)
    if exact != amount:
        raise ValueError(f"must not be finer than {quantum} {currency}")
    return Money(exact, currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum, zero of `currency` when there is nothing to add."""
    result = Money(Decimal(0).quantize(Decimal(1).scaleb(-MINOR_UNITS[currency])), currency)
    for amount in amounts:
        result = result + amount
    return result
