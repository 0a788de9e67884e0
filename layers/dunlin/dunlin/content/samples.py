"""Made-up borrowers to try texts on: an ordinary one, and the ones that make a text long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from babel.numbers import get_territory_currencies

from dunlin.domain.money import Money
from dunlin.domain.statement import Statement, StatementLine

TODAY = date(2026, 3, 25)
_NAMES = {"zh": ("王伟", "欧阳阿不都热依木江"), "en": ("Dana Whitfield", "Maximiliane-Alexandra Featherstonehaugh")}


@dataclass(frozen=True, slots=True)
class Sample:
    """`label`: ordinary, fees, several, or longest."""

    label: str
    party_name: str
    statement: Statement


def samples(locale: str, days: int) -> tuple[Sample, ...]:
    """Borrowers `days` after the due date (negative: before it)."""
    language, _, territory = locale.partition("-")
    currency = get_territory_currencies(territory)[0]
    name, long_name = _NAMES.get(language, _NAMES["en"])
    due_on = TODAY - timedelta(days=days)

    def statement(amounts: list[str], fees: str | None) -> Statement:
        lines = tuple(
            StatementLine(f"l-{number}", f"{4821 + 1111 * number}", Money(Decimal(amount), currency), due_on)
            for number, amount in enumerate(amounts)
        )
        overdue = days > 0
        return Statement(
            lines=lines,
            total=Money(sum((line.amount.amount for line in lines), Decimal("0.00")), currency),
            fees=Money(Decimal(fees), currency) if fees and overdue else None,
            due_on=due_on,
            days_past_due=max(days, 0),
        )

    long_due = date(2026, 12, 28)
    longest = statement(["98765.43", "87654.32", "76543.21", "65432.10"], "1234.56")
    return (
        Sample("ordinary", name, statement(["820.00"], None)),
        Sample("fees", name, statement(["820.00"], "12.50")),
        Sample("several", name, statement(["820.00", "310.75"], "12.50")),
        Sample(
            "longest",
            long_name,
            Statement(longest.lines, longest.total, longest.fees, long_due, 0 if days <= 0 else max(days, 100)),
        ),
    )
