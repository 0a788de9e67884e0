"""The debt of one loan, exact to the minor unit: the only place in the simulation that computes what is owed.

Whatever happens, `paid + waived + outstanding == billed + credit`: billed is the contract plus what was charged for
being late, credit is what was paid beyond all that was owed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from local.core.accounts import ZERO, LoanTerms

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Arrears:
    """Overdue, itemised. `total` is the sum of the parts."""

    principal: Decimal = ZERO
    interest: Decimal = ZERO
    fees: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.principal + self.interest + self.fees

    def document(self) -> dict[str, str]:
        return {
            "principal": str(self.principal),
            "interest": str(self.interest),
            "fees": str(self.fees),
            "total": str(self.total),
        }


@dataclass(frozen=True, slots=True)
class UnpaidInstalment:
    """What is left of one instalment."""

    number: int
    due_on: date
    principal: Decimal
    interest: Decimal

    @property
    def outstanding(self) -> Decimal:
        return self.principal + self.interest


@dataclass(frozen=True, slots=True)
class Standing:
    """A loan's debt at one moment; only time may be added to it."""

    status: str
    instalments: tuple[UnpaidInstalment, ...]
    fees: Decimal
    late_interest: Decimal

    @property
    def outstanding(self) -> Decimal:
        return sum((item.outstanding for item in self.instalments), ZERO) + self.fees + self.late_interest

    def arrears(self, today: date) -> Arrears:
        """What is overdue on the borrower's local date `today`; the due date itself is not yet late."""
        late = [item for item in self.instalments if item.due_on < today]
        if not late:
            return Arrears()
        return Arrears(
            principal=sum((item.principal for item in late), ZERO),
            interest=sum((item.interest for item in late), ZERO) + self.late_interest,
            fees=self.fees,
        )

    def days_past_due(self, today: date) -> int:
        """Calendar days since the oldest unpaid due date, 0 when none has passed."""
        return max((today - self.instalments[0].due_on).days, 0) if self.instalments else 0


@dataclass(slots=True)
class _Instalment:
    number: int
    due_on: date
    principal: Decimal
    interest: Decimal
    fee_charged: bool = False
    of_plan: bool = False  # what a plan asks for bears no charges


@dataclass(slots=True)
class _Payment:
    payment_id: str
    amount: Decimal
    effective: bool = True
    settled: bool = False  # used up by instalments that a restructuring has replaced


@dataclass(frozen=True, slots=True)
class _Allocation:
    payment_id: str
    target: str  # fees, late_interest, credit, or the instalment's part
    number: int
    amount: Decimal


@dataclass(slots=True)
class LoanLedger:
    """One loan's books. A payment goes to fees, then late interest, then the oldest instalment: interest, principal.

    Fees first, so that a fee never stays behind alone when the last late instalment has been paid.
    """

    terms: LoanTerms
    status: str = "open"
    fees: Decimal = ZERO
    late_interest: Decimal = ZERO
    billed: Decimal = ZERO
    waived: Decimal = ZERO
    credit: Decimal = ZERO
    _instalments: list[_Instalment] = field(default_factory=list)
    _payments: list[_Payment] = field(default_factory=list)
    _allocations: list[_Allocation] = field(default_factory=list)
    _charged_to: date | None = None

    def __post_init__(self) -> None:
        self._instalments = [
            _Instalment(item.number, item.due_on, item.principal, item.interest) for item in self.terms.instalments
        ]
        self.billed = sum((item.principal + item.interest for item in self.terms.instalments), ZERO)

    @property
    def paid(self) -> Decimal:
        """All payments that stand."""
        return sum((payment.amount for payment in self._payments if payment.effective), ZERO)

    @property
    def outstanding(self) -> Decimal:
        return self.standing().outstanding

    def standing(self) -> Standing:
        """The debt as it stands, immutable."""
        unpaid = (
            UnpaidInstalment(item.number, item.due_on, item.principal, item.interest)
            for item in self._instalments
            if item.principal + item.interest > 0
        )
        return Standing(self.status, tuple(unpaid), self.fees, self.late_interest)

    def charge_day(self, today: date) -> None:
        """What being late costs on this morning; a morning is charged once."""
        if self.status != "open" or (self._charged_to is not None and today <= self._charged_to):
            return
        self._charged_to = today
        for item in self._instalments:
            late_days = (today - item.due_on).days
            if item.principal + item.interest == 0 or late_days <= 0 or item.of_plan:
                continue
            interest = (item.principal * self.terms.late_interest_daily).quantize(CENT, ROUND_HALF_UP)
            self.late_interest += interest
            self.billed += interest
            if late_days > self.terms.late_fee_after_days and not item.fee_charged:
                item.fee_charged = True
                self.fees += self.terms.late_fee
                self.billed += self.terms.late_fee

    def charge_through(self, today: date) -> None:
        """Every morning from the first late one to `today`: the arrears of a loan that was late before the start."""
        if not self._instalments:
            return
        day = self._instalments[0].due_on + timedelta(days=1)
        while day <= today:
            self.charge_day(day)
            day += timedelta(days=1)

    def apply(self, payment_id: str, amount: Decimal) -> None:
        """Apply a payment. A loan with nothing left to pay is closed.

        Raises:
            ValueError: not positive, finer than the minor unit, or a payment that is already there.
        """
        if amount <= 0 or amount != amount.quantize(CENT):
            raise ValueError(f"{payment_id}: a payment is a positive amount in whole minor units")
        if any(payment.payment_id == payment_id for payment in self._payments):
            raise ValueError(f"{payment_id} has been applied before")
        self._payments.append(_Payment(payment_id, amount))
        self._allocate(payment_id, amount)
        self._settle_status()

    def undo(self, payment_id: str) -> None:
        """Take a payment back. Later ones are lifted off and applied again, so that the order of use still holds.

        Raises:
            ValueError: no such payment stands.
        """
        positions = [n for n, item in enumerate(self._payments) if item.payment_id == payment_id and item.effective]
        if not positions:
            raise ValueError(f"{payment_id} does not stand")
        taken_back = self._payments[positions[0]]
        if taken_back.settled:
            taken_back.effective = False
            self._instalments[0].principal += taken_back.amount
            self._settle_status()
            return
        later = [item for item in self._payments[positions[0] :] if item.effective]
        lifted = {item.payment_id for item in later}
        for allocation in self._allocations:
            if allocation.payment_id in lifted:
                self._move(allocation, allocation.amount)
        self._allocations = [item for item in self._allocations if item.payment_id not in lifted]
        later[0].effective = False
        for item in later[1:]:
            self._allocate(item.payment_id, item.amount)
        self._settle_status()

    def waive_charges(self) -> None:
        """Forgive fees and late interest."""
        self.waived += self.fees + self.late_interest
        self.fees = self.late_interest = ZERO
        self._settle_status()

    def restructure(self, first_due_on: date, count: int) -> None:
        """Spread what is left over `count` monthly instalments from `first_due_on`; late charges are forgiven.

        What has been paid into the old instalments stays used; a payment from before that is taken back later is owed
        with the oldest new instalment.
        """
        self.waive_charges()
        principal = sum((item.principal for item in self._instalments), ZERO)
        interest = sum((item.interest for item in self._instalments), ZERO)
        number = max(item.number for item in self._instalments) + 1
        dates = monthly(first_due_on, count)
        self._instalments = [
            _Instalment(number + n, due_on, share, share_of_interest)
            for n, (due_on, share, share_of_interest) in enumerate(
                zip(dates, split(principal, count), split(interest, count), strict=True)
            )
        ]
        self._allocations = []
        for payment in self._payments:
            payment.settled = True

    def agree(self, dues: Sequence[tuple[date, Decimal]], debt: Decimal, today: date) -> None:
        """Carry a plan for the arrears: they become its instalments, and the contract's own that are left begin again a
        month after its last. What the arrears have grown by since it was offered is forgiven; what was paid since is
        paid towards its first instalments. What it costs beyond the debt is billed."""
        standing = self.standing()
        arrears = standing.arrears(today).total
        if arrears > debt:
            self.waived += arrears - debt
        whole = sum((amount for _, amount in dues), ZERO)
        self.billed += whole - debt
        self.fees = self.late_interest = ZERO
        paid, number = max(debt - arrears, ZERO), max(item.number for item in self._instalments) + 1
        planned = []
        for count, (due_on, amount) in enumerate(dues):
            used = min(paid, amount)
            paid -= used
            planned.append(_Instalment(number + count, due_on, amount - used, ZERO, of_plan=True))
        later = self.put_off(dues[-1][0], today)
        for count, item in enumerate(later):
            item.number = number + len(dues) + count
        self._instalments = [*planned, *later]
        self._allocations = []
        for payment in self._payments:
            payment.settled = True

    def put_off(self, last: date, today: date) -> list[_Instalment]:
        """Let the contract's own instalments that are not late begin again a month after `last`; these are they."""
        later = [item for item in self._instalments if item.due_on >= today and item.principal + item.interest > 0]
        for item, due_on in zip(later, monthly(last, len(later) + 1)[1:], strict=True):
            item.due_on = due_on
        return later

    def _allocate(self, payment_id: str, amount: Decimal) -> None:
        left = amount
        targets = [("fees", 0, self.fees), ("late_interest", 0, self.late_interest)]
        for item in self._instalments:
            targets += [("interest", item.number, item.interest), ("principal", item.number, item.principal)]
        for target, number, owed in targets:
            used = min(left, owed)
            if used > 0:
                self._use(_Allocation(payment_id, target, number, used))
                left -= used
        if left > 0:
            self._use(_Allocation(payment_id, "credit", 0, left))

    def _use(self, allocation: _Allocation) -> None:
        self._allocations.append(allocation)
        self._move(allocation, -allocation.amount)

    def _move(self, allocation: _Allocation, amount: Decimal) -> None:
        match allocation.target:
            case "fees":
                self.fees += amount
            case "late_interest":
                self.late_interest += amount
            case "credit":
                self.credit -= amount
            case part:
                item = next(item for item in self._instalments if item.number == allocation.number)
                if part == "interest":
                    item.interest += amount
                else:
                    item.principal += amount

    def _settle_status(self) -> None:
        if self.status in ("open", "closed"):
            self.status = "closed" if self.outstanding == 0 else "open"


def split(amount: Decimal, count: int) -> list[Decimal]:
    """`amount` in `count` parts that differ by at most a cent and add up to it exactly."""
    cents = int(amount.scaleb(2))
    base, rest = divmod(cents, count)
    return [Decimal(base + (1 if n < rest else 0)).scaleb(-2) for n in range(count)]


def monthly(first: date, count: int) -> list[date]:
    """`first` and the same day of the following months; a day a month does not have is its last."""
    dates = []
    for n in range(count):
        years, month = divmod(first.month - 1 + n, 12)
        day = first.day
        while True:
            try:
                dates.append(date(first.year + years, month + 1, day))
                break
            except ValueError:
                day -= 1
    return dates
