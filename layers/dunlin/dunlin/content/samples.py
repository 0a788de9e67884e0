"""Made-up borrowers to try texts on: an ordinary one, and the ones that make a text long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from babel.numbers import get_territory_currencies

from dunlin.domain.money import MINOR_UNITS, Money
from dunlin.domain.money import total as total_of
from dunlin.domain.statement import Statement, StatementLine

TODAY = date(2026, 3, 25)
_NAMES = {
    "zh": ("王伟", "欧阳阿不都热依木江"),
    "en": ("Dana Whitfield", "Maximiliane-Alexandra Featherstonehaugh"),
    "es": ("Ana Morales", "Guadalupe Concepción Etxeberria"),
    "ko": ("김민수", "남궁민수연"),
    "id": ("Sari Dewi", "Kusumawardhani Prawirodirdjo"),
}
_WORDS = {
    "zh": (
        "您反映的费用我们查过了，是系统多收的，已经退回。",
        "您反映的费用我们查过了，是系统多收的，已经退回，一般两三天到账，请您留意。" * 3,
    ),
    "en": ("We looked into it: the fee was our mistake and has been taken off.", "We looked into what you wrote. " * 8),
    "es": ("Lo revisamos: el cargo fue un error nuestro y ya se quitó.", "Revisamos con calma lo que nos contó. " * 7),
    "ko": (
        "확인해 보니 저희 착오였고 수수료를 돌려드렸습니다.",
        "말씀해 주신 내용을 담당 직원이 차근차근 확인했습니다. " * 6,
    ),
    "id": ("Sudah kami periksa: biaya itu kesalahan kami dan sudah dihapus.", "Sudah kami periksa pesan Anda. " * 8),
}
_CURRENCIES = {"zh-TW": "CNY"}  # read by borrowers of the Chinese lender
#: What a loan costs in the sample: a hundred of some currencies buys nothing.
_SCALES = {"KRW": 1000, "IDR": 10000, "INR": 50}

_DATES = (
    "expected_by",
    "respond_by",
    "event_on",
    "first_due_on",
    "due_on",
    "debit_on",
    "effective_on",
    "ends_on",
    "report_on",
    "agreed_on",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """`label`: ordinary, fees, several, or longest. `facts` are what an event of the core may carry, by name."""

    label: str
    party_name: str
    statement: Statement
    facts: Mapping[str, str]
    #: What a person could answer.
    words: str = ""


def samples(locale: str, days: int) -> tuple[Sample, ...]:
    """Borrowers `days` after the due date (negative: before it)."""
    language, _, territory = locale.partition("-")
    currency = _CURRENCIES.get(locale) or get_territory_currencies(territory)[0]
    scale = _SCALES.get(currency, 1)
    exponent = Decimal(1).scaleb(-MINOR_UNITS[currency])
    words, long_words = _WORDS.get(language, _WORDS["en"])
    name, long_name = _NAMES.get(language, _NAMES["en"])
    due_on = TODAY - timedelta(days=days)

    def money(amount: str) -> Money:
        return Money((Decimal(amount) * scale).quantize(exponent), currency)

    def facts(amount: str, reference: str, day: date) -> Mapping[str, str]:
        """Every fact a message may declare, as an event carries it."""
        return {
            "reference": reference,
            "tail": "4821",
            "amount": str(money(amount)),
            "first_amount": str(money("310.00")),
            "total": str(money(amount)),
            "remaining": str(money("295.75")),
            "limit": str(money(amount)),
            "rate": "12.5",
            "old_rate": "11.75",
            "months": "36",
            "instalments": "12",
            "choice": "2",
            "offers": ";".join(
                f"{count}|{money('310.00')}|{day.isoformat()}|{money(amount)}" for count in ("3", "6", "12")
            ),
            "step": "step.income_check",
            "documents": "documents.proof_of_income,documents.bank_statement",
            "outcome": "outcome.partly_corrected",
            "reason": "reason.information_missing",
            **{name: day.isoformat() for name in _DATES},
        }

    def statement(amounts: list[str], fees: str | None) -> Statement:
        lines = tuple(
            StatementLine(f"l-{number}", f"{4821 + 1111 * number}", money(amount), due_on)
            for number, amount in enumerate(amounts)
        )
        overdue = days > 0
        return Statement(
            lines=lines,
            total=total_of([line.amount for line in lines], currency),
            fees=money(fees) if fees and overdue else None,
            due_on=due_on,
            days_past_due=max(days, 0),
        )

    long_due = date(2026, 12, 28)
    longest = statement(["98765.43", "87654.32", "76543.21", "65432.10"], "1234.56")
    return (
        Sample("ordinary", name, statement(["820.00"], None), facts("820.00", "A7K2-9Q4M", date(2026, 4, 2)), words),
        Sample("fees", name, statement(["820.00"], "12.50"), facts("820.00", "A7K2-9Q4M", date(2026, 4, 2)), words),
        Sample(
            "several", name, statement(["820.00", "310.75"], "12.50"), facts("64.20", "B3", date(2026, 5, 9)), words
        ),
        Sample(
            "longest",
            long_name,
            Statement(longest.lines, longest.total, longest.fees, long_due, 0 if days <= 0 else max(days, 100)),
            facts("98765.43", "WWWW-WWWW-WW", date(2026, 12, 28)),
            long_words.strip(),
        ),
    )
