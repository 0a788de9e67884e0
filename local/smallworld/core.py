"""A small core banking system: who owes what, and the documents in which it says so.

It keeps the truth of each loan and numbers what it says about it; how late, how often and in which order that arrives
is the world's affair.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Document = dict[str, Any]


@dataclass
class SmallLoan:
    """The truth about one loan. `due` is what is left of each instalment, oldest first."""

    loan_id: str
    borrower_id: str
    currency: str
    due: list[tuple[int, date, Decimal]]
    status: str = "open"
    fees: Decimal = Decimal("0.00")
    sequence: int = 0
    pending: list[tuple[str, Decimal, datetime]] = field(default_factory=list)
    paid: list[tuple[str, Decimal, list[tuple[int, date, Decimal]]]] = field(default_factory=list)
    counts_days: bool = True

    @property
    def is_owed(self) -> bool:
        return self.status == "open" and bool(self.due)


class SmallCore:
    """The loans, and the events about them."""

    def __init__(self) -> None:
        self.loans: dict[str, SmallLoan] = {}
        self.profiles: dict[str, Document] = {}
        self._events = 0
        self._payments = 0
        self._holds = 0

    # ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────────

    def event(self, type_: str, borrower_id: str, now: datetime, **carried: Any) -> Document:
        self._events += 1
        return {
            "event_id": f"e-{self._events}",
            "type": type_,
            "occurred_at": now.isoformat(),
            "borrower_id": borrower_id,
        } | carried

    def snapshot(self, loan: SmallLoan, now: datetime) -> Document:
        """What the core says of a loan now; each time it says something it counts on."""
        loan.sequence += 1
        zone = ZoneInfo(str(self.profiles[loan.borrower_id]["time_zone"]))
        today = now.astimezone(zone).date()
        late = [left for _, due_on, left in loan.due if due_on < today]
        document: Document = {
            "loan_id": loan.loan_id,
            "account_tail": f"{4000 + len(loan.loan_id) * 7 % 1000 + ord(loan.loan_id[-1]) % 10:04d}",
            "currency": loan.currency,
            "status": loan.status,
            "as_of": now.isoformat(),
            "sequence": loan.sequence,
            "instalments": [
                {"number": number, "due_on": str(due_on), "outstanding": f"{left:.2f}"}
                for number, due_on, left in loan.due
            ],
        }
        if late:
            principal = sum(late, Decimal("0.00"))
            document["overdue"] = {
                "principal": f"{principal:.2f}",
                "interest": "0.00",
                "fees": f"{loan.fees:.2f}",
                "total": f"{principal + loan.fees:.2f}",
            }
            if loan.counts_days:
                document["days_past_due"] = (today - loan.due[0][1]).days
        if loan.pending:
            document["pending"] = [
                {"payment_id": payment_id, "amount": f"{amount:.2f}", "received_at": at.isoformat()}
                for payment_id, amount, at in loan.pending
            ]
        return document

    def ask(
        self, borrower_id: str, now: datetime, message: str, loan: SmallLoan | None = None, **facts: str
    ) -> Document:
        """Something the borrower is to be told, in the words of `message`."""
        notice: Document = {"message": message, "facts": facts}
        if loan is not None:
            notice["loan_id"] = loan.loan_id
        return self.event("notice.requested", borrower_id, now, notice=notice)

    def told(self, type_: str, loan: SmallLoan, now: datetime, **carried: Any) -> Document:
        return self.event(type_, loan.borrower_id, now, loan=self.snapshot(loan, now), **carried)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def profile(self, borrower_id: str, now: datetime, **changes: Any) -> Document:
        """A borrower's profile, new or changed."""
        known = self.profiles.get(borrower_id, {"sequence": 0})
        self.profiles[borrower_id] = known | changes | {"sequence": known["sequence"] + 1}
        return self.event("borrower.updated", borrower_id, now, borrower=dict(self.profiles[borrower_id]))

    def lend(
        self, borrower_id: str, now: datetime, first_due_on: date, *, instalments: int, amount: str, counts_days: bool
    ) -> Document:
        """A loan in monthly instalments."""
        loan_id = f"l-{len(self.loans) + 1}"
        currency = "CNY" if self.profiles[borrower_id]["jurisdiction"] == "CN" else "USD"
        others = [loan.currency for loan in self.loans.values() if loan.borrower_id == borrower_id and loan.is_owed]
        due = [
            (number + 1, first_due_on + timedelta(days=30 * number), Decimal(amount)) for number in range(instalments)
        ]
        loan = SmallLoan(loan_id, borrower_id, others[0] if others else currency, due, counts_days=counts_days)
        self.loans[loan_id] = loan
        return self.told("loan.disbursed", loan, now)

    def pay(self, loan: SmallLoan, now: datetime, *, instalments: int, share: Decimal = Decimal(1)) -> Document | None:
        """Pay the oldest instalments, the last of them in part where `share` is below 1."""
        if not loan.due:
            return None
        before = list(loan.due)
        self._payments += 1
        payment_id = f"p-{self._payments}"
        taken = Decimal("0.00")
        for place in range(min(instalments, len(loan.due))):
            number, due_on, left = loan.due[0]
            part = left if share == 1 or place + 1 < instalments else (left * share).quantize(Decimal("0.01"))
            taken += part
            loan.due.pop(0)
            if part < left:
                loan.due.insert(0, (number, due_on, left - part))
        loan.pending = []
        loan.fees = Decimal("0.00") if share == 1 else loan.fees
        loan.paid.append((payment_id, taken, before))
        payment = {"payment_id": payment_id, "amount": f"{taken:.2f}"}
        return self.told("payment.applied", loan, now, payment=payment)

    def take_back(self, loan: SmallLoan, now: datetime, type_: str) -> Document | None:
        """The last payment is returned or reversed: what was owed is owed again, and costs a fee."""
        if not loan.paid or loan.status != "open":
            return None
        payment_id, amount, before = loan.paid.pop()
        loan.due = before
        loan.fees += Decimal("5.00")
        return self.told(type_, loan, now, payment={"payment_id": payment_id, "amount": f"{amount:.2f}"})

    def announce(self, loan: SmallLoan, now: datetime) -> Document | None:
        """Money is on its way."""
        if not loan.is_owed:
            return None
        self._payments += 1
        payment_id, amount = f"p-{self._payments}", loan.due[0][2]
        loan.pending.append((payment_id, amount, now))
        payment = {"payment_id": payment_id, "amount": f"{amount:.2f}"}
        return self.told("payment.pending", loan, now, payment=payment)

    def waive(self, loan: SmallLoan, now: datetime) -> Document | None:
        """Half of the oldest instalment, and all fees, are let go."""
        if not loan.is_owed:
            return None
        number, due_on, left = loan.due[0]
        loan.due[0] = (number, due_on, (left / 2).quantize(Decimal("0.01")) or Decimal("0.01"))
        loan.fees = Decimal("0.00")
        return self.told("loan.waived", loan, now)

    def restructure(self, loan: SmallLoan, now: datetime, days: int) -> Document | None:
        """Every due date moves."""
        if not loan.is_owed:
            return None
        loan.due = [(number, due_on + timedelta(days=days), left) for number, due_on, left in loan.due]
        return self.told("loan.restructured", loan, now)

    def leave(self, loan: SmallLoan, now: datetime, status: str) -> Document:
        """The loan is sold, placed, charged off or closed."""
        loan.status = status
        return self.told(f"loan.{status}", loan, now)

    def hold(self, borrower_id: str, now: datetime, kind: str, until: datetime | None) -> tuple[str, Document]:
        self._holds += 1
        hold_id = f"h-{self._holds}"
        hold: Document = {"hold_id": hold_id, "kind": kind, "source": "core"}
        if until is not None:
            hold["until"] = until.isoformat()
        return hold_id, self.event("hold.placed", borrower_id, now, hold=hold)

    def lift(self, borrower_id: str, now: datetime, hold_id: str) -> Document:
        return self.event("hold.lifted", borrower_id, now, hold={"hold_id": hold_id})
