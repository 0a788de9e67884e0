"""Real accounts, replayed: six billing cycles of a credit card each, as the core would have told them.

The file is that of I-Cheng Yeh, *Default of Credit Card Clients* (UCI Machine Learning Repository, 2009, CC BY 4.0),
column names in lower case: clients of a bank in Taiwan, April to September 2005, New Taiwan dollars.

How the columns are read
    `bill_amt6` … `bill_amt1` are the statement balances of April … September, `pay_amt6` … `pay_amt1` what was paid in
    those months, `pay_6` … `pay_2`, `pay_0` the repayment status at their ends. So what was paid in September goes
    towards the statement of August. A negative balance is the client's credit.
What the file does not say, and is assumed here
    A statement closes on the last day of its month and reaches Dunlin the next morning; the minimum is due on the 20th
    of the following month. The minimum is 5 % of the balance, at least 1,000, at most the balance, in whole dollars
    (rounded up). Overdue is principal only: fees and interest are not known. A client whose status is 0 or less has
    paid on or before the due date, early or on the day in the measured proportion, and is cured, whatever the amount;
    a client who is behind and paid something paid after the due date. Status prevails over amounts.
    Months behind rise by one a month at most: the file goes from 0 straight to 2, but nobody becomes two months late
    within one, so the first of them counts as one. Those behind in April enter with that many minimums of April.
    October, known only by `default_payment_next_month`, is either missed or paid in full of the minimum.
    Never is more unpaid than the statement's balance. A payment that lifts no month, says the status, lowers the oldest
    minimum, by half at most.
    Amounts stay in TWD. No pack for Taiwan has been reviewed, so the accounts live under a parameter's.
    Dates are moved by 21 years, from 2005 to 2026; days of the month stay, days of the week do not.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from dunlin.domain.borrower import Borrower, ContactPoint, Instalment, Loan, Overdue, Party
from dunlin.domain.consent import Consent
from dunlin.domain.money import Money
from dunlin.domain.words import Channel, LoanStatus, PartyRole, Product, Purpose

from local.core.core import CHECKPOINT_EVERY
from local.core.draws import draw
from local.core.feed import CHECKPOINT_AFTER, CoreEvent, Document, Feed, FeedFaults, as_utc
from local.core.ledger import Arrears
from local.portfolio.calibration import EARLY, ON_THE_DAY
from local.portfolio.people import LOCALES, TIME_ZONES, US_NY, email_of, name_of, phone_count, phone_of

#: What the file is about.
PRODUCT = Product.CARD
CURRENCY = "TWD"
FIRST_YEAR = 2005
FIRST_MONTH = 4
CYCLES = 6
DUE_DAY = 20
MINIMUM_PERCENT = 5
MINIMUM_FLOOR = 1000
EARLIEST_PAYMENT_DAY = 5
FIRST_DUE_NUMBER = 10  # of May's due date; the ones before April's statement count down from it

STATUS_COLUMNS = ("pay_6", "pay_5", "pay_4", "pay_3", "pay_2", "pay_0")
BILL_COLUMNS = tuple(f"bill_amt{n}" for n in range(6, 0, -1))
PAID_COLUMNS = tuple(f"pay_amt{n}" for n in range(6, 0, -1))
ENDING_COLUMN = "default_payment_next_month"
COLUMNS = ("id", "limit_bal", *STATUS_COLUMNS, *BILL_COLUMNS, *PAID_COLUMNS, ENDING_COLUMN)

_HEARS = frozenset(Purpose) - {Purpose.MARKETING}
_CONSENTS = (Consent(Purpose.COLLECTION), Consent(Purpose.SERVICING))
#: Assumed: numbers and addresses were verified when the accounts were opened, before the data begins.
_VERIFIED_AT = datetime(2005, 1, 1, tzinfo=UTC)
_ZERO = Money(Decimal("0.00"), CURRENCY)
_NOTHING_OVERDUE = Overdue(_ZERO, _ZERO, _ZERO, _ZERO)


class ReplayDataError(ValueError):
    """A file that cannot be replayed. The message names row (the header is row 1) and column, never the value."""

    def __init__(self, row: int, column: str, problem: str) -> None:
        super().__init__(f"row {row}, column {column}: {problem}")
        self.row = row
        self.column = column


@dataclass(frozen=True, slots=True)
class Cycle:
    """One month: the balance its statement closed with, what was paid in it, the status at its end."""

    balance: int
    paid: int
    status: int

    @property
    def minimum(self) -> int:
        """What its statement asks for; 0 for nothing owed, or a credit."""
        return min(max(-(-self.balance * MINIMUM_PERCENT // 100), MINIMUM_FLOOR), max(self.balance, 0))


@dataclass(frozen=True, slots=True)
class ReplayTerms:
    """Under which jurisdiction the accounts live, how many years later, and the seed of what the file leaves open."""

    jurisdiction: str = US_NY
    years: int = 21
    seed: int = 1
    time_zone: str = ""
    zone: ZoneInfo = field(init=False)
    months: tuple[_Month, ...] = field(init=False)

    def __post_init__(self) -> None:
        name = self.time_zone or TIME_ZONES[self.jurisdiction]
        object.__setattr__(self, "time_zone", name)
        object.__setattr__(self, "zone", ZoneInfo(name))
        months = tuple(_Month(FIRST_YEAR + self.years, FIRST_MONTH + 1 + n, self.zone) for n in range(CYCLES))
        object.__setattr__(self, "months", months)

    @property
    def start(self) -> datetime:
        """The first statement's morning."""
        return self.months[0].statement_at

    @property
    def end(self) -> datetime:
        """After the last fact."""
        return self.months[-1].end_at + timedelta(days=1)


class _Month:
    """The moments of one month in which a due date lies, in UTC; worked out once for all accounts."""

    def __init__(self, year: int, month: int, zone: ZoneInfo) -> None:
        self.last_day = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
        self.due_on = date(year, month, DUE_DAY)
        self.before = tuple(_months_back(self.due_on, n) for n in range(1, 13))
        self.dates = tuple(date(year, month, day) for day in range(1, self.last_day + 1))
        self.midnights = tuple(datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) for day in self.dates)
        self.statement_at = self.midnights[0] + timedelta(hours=6)
        self.late_at = self.midnights[DUE_DAY] + timedelta(hours=6)
        self.end_at = self.midnights[-1] + timedelta(hours=22)


def _months_back(day: date, count: int) -> date:
    years, month = divmod(day.year * 12 + day.month - 1 - count, 12)
    return day.replace(year=years, month=month + 1)


@dataclass(frozen=True, slots=True)
class ReplaySnapshot:
    """The loan as the core tells it at `at` (UTC), and the payment that made it so, if one did."""

    at: datetime
    event_type: str
    loan: Loan
    payment: tuple[str, Money] | None = None


@dataclass(frozen=True, slots=True)
class ReplayAccount:
    """One row: April first. `position` counts the rows from 0 and decides the invented person."""

    account_id: int
    position: int
    limit: int
    cycles: tuple[Cycle, ...]
    missed_october: bool

    @property
    def borrower_id(self) -> str:
        return f"r-{self.account_id:05d}"

    @property
    def loan_id(self) -> str:
        return f"card-{self.account_id:05d}"

    def snapshots(self, terms: ReplayTerms) -> list[ReplaySnapshot]:
        """Everything the core tells about the account, in order, each with the next sequence."""
        return _Telling(self, terms).all_of_it()

    def party(self, terms: ReplayTerms, point: Callable[[Channel, str], str] | None = None) -> Party:
        """The invented person: a number and an address. `point` keys them (default: the address stands for itself)."""
        jurisdiction = terms.jurisdiction
        phone, email = self.addresses(terms)
        key = point or (lambda _channel, address: address)
        return Party(
            party_id=f"{self.borrower_id}-primary",
            role=PartyRole.PRIMARY,
            name=name_of(jurisdiction, self.position),
            locale=LOCALES[jurisdiction],
            points=(
                ContactPoint(Channel.SMS, phone, key(Channel.SMS, phone), (terms.time_zone,), verified_at=_VERIFIED_AT),
                ContactPoint(Channel.EMAIL, email, key(Channel.EMAIL, email), verified_at=_VERIFIED_AT),
            ),
            may_hear=_HEARS,
            consents=_CONSENTS,
        )

    def addresses(self, terms: ReplayTerms) -> tuple[str, str]:
        """Phone and e-mail. Numbers repeat beyond the invented ones of the jurisdiction; `ReplayCore` refuses that."""
        jurisdiction = terms.jurisdiction
        number = self.position % phone_count(jurisdiction)
        return phone_of(jurisdiction, number), email_of(jurisdiction, self.borrower_id)

    def borrower(self, terms: ReplayTerms, loan: Loan, party: Party | None = None) -> Borrower:
        """The hot item a decision reads, with this loan in it; give the `party` when asking many times."""
        return Borrower(
            borrower_id=self.borrower_id,
            version=loan.sequence,
            revision=loan.sequence,
            jurisdiction=terms.jurisdiction,
            zone=terms.time_zone,
            parties=(party or self.party(terms),),
            loans=(loan,),
            profile_sequence=1,
        )


class _Telling:
    """One account's snapshots in the making. `unpaid` are (number, due date, amount), oldest first."""

    def __init__(self, account: ReplayAccount, terms: ReplayTerms) -> None:
        self._account = account
        self._terms = terms
        self._told: list[ReplaySnapshot] = []
        self._unpaid: list[tuple[int, date, int]] = []
        self._loan_id = account.loan_id
        self._tail = f"{account.account_id % 10_000:04d}"

    def all_of_it(self) -> list[ReplaySnapshot]:
        cycles = self._account.cycles
        months_behind = max(cycles[0].status, 0)
        for n in range(months_behind, 0, -1):
            self._unpaid.append((FIRST_DUE_NUMBER - n, self._terms.months[0].before[n - 1], cycles[0].minimum))
        for n, month in enumerate(self._terms.months):
            asked = self._close(n, month)
            first = "portfolio.imported" if self._unpaid and months_behind else "loan.snapshot"
            self._tell(month.statement_at, month.dates[0], "loan.snapshot" if n else first)
            if n + 1 < CYCLES:
                paid, behind = cycles[n + 1].paid, max(cycles[n + 1].status, 0)
            elif self._account.missed_october:
                paid, behind = 0, len(self._unpaid)
            else:
                paid, behind = sum(amount for _, _, amount in self._unpaid), 0
            self._live(n, month, paid, min(behind, len(self._unpaid)), asked=asked)
        return self._told

    def _close(self, n: int, month: _Month) -> bool:
        """The statement: its minimum is asked for, and no more is unpaid than its balance. True when one is asked."""
        cycle = self._account.cycles[n]
        left = max(cycle.balance, 0)
        unpaid = []
        for number, due_on, owed in [*self._unpaid, (FIRST_DUE_NUMBER + n, month.due_on, cycle.minimum)]:
            amount = min(owed, left)
            if amount:
                unpaid.append((number, due_on, amount))
                left -= amount
        self._unpaid = unpaid
        return bool(unpaid) and unpaid[-1][1] == month.due_on

    def _live(self, n: int, month: _Month, paid: int, target: int, *, asked: bool) -> None:
        """The month's payment and due date, to the `target` unpaid due dates at its end."""
        if target == 0:
            if not self._unpaid and not paid:
                return
            self._unpaid.clear()
            self._pay(n, month, self._day_in_time(n), paid)
            return
        if asked:
            self._tell(month.late_at, month.dates[DUE_DAY], "loan.due")
        settled = self._unpaid[: len(self._unpaid) - target]
        del self._unpaid[: len(settled)]
        if paid:
            number, due_on, amount = self._unpaid[0]
            rest = min(max(paid - sum(item[2] for item in settled), 0), amount // 2)
            self._unpaid[0] = (number, due_on, amount - rest)
            day = DUE_DAY + 2 + int(self._draw("late", n) * (month.last_day - DUE_DAY - 2))
            self._pay(n, month, day, paid)
        elif settled:
            self._tell(month.end_at, month.dates[-1], "loan.snapshot")

    def _day_in_time(self, n: int) -> int:
        on_the_day = ON_THE_DAY.share / (EARLY.share + ON_THE_DAY.share)
        if self._draw("timing", n) < on_the_day:
            return DUE_DAY
        return EARLIEST_PAYMENT_DAY + int(self._draw("day", n) * (DUE_DAY - EARLIEST_PAYMENT_DAY))

    def _pay(self, n: int, month: _Month, day: int, paid: int) -> None:
        at = month.midnights[day - 1] + timedelta(minutes=8 * 60 + int(self._draw("minute", n) * 13 * 60))
        if paid:
            payment = (f"{self._loan_id}-{n + 1}", _money(paid))
            self._tell(at, month.dates[day - 1], "payment.applied", payment)
        else:
            self._tell(at, month.dates[day - 1], "loan.snapshot")

    def _draw(self, what: str, n: int) -> float:
        return draw(self._terms.seed, what, self._account.account_id, n)

    def _tell(self, at: datetime, today: date, event_type: str, payment: tuple[str, Money] | None = None) -> None:
        late = 0
        oldest: date | None = None
        instalments = []
        for number, due_on, amount in self._unpaid:
            instalments.append(Instalment(number, due_on, _money(amount)))
            if due_on < today:
                late += amount
                oldest = oldest or due_on
        if oldest is None:
            overdue, days = _NOTHING_OVERDUE, 0
        else:
            owed = _money(late)
            overdue, days = Overdue(owed, _ZERO, _ZERO, owed), (today - oldest).days
        loan = Loan(
            loan_id=self._loan_id,
            account_tail=self._tail,
            currency=CURRENCY,
            status=LoanStatus.OPEN,
            as_of=at,
            sequence=len(self._told) + 1,
            instalments=tuple(instalments),
            overdue=overdue,
            days_past_due=days,
            product=PRODUCT,
        )
        self._told.append(ReplaySnapshot(at, event_type, loan, payment))


def _money(amount: int) -> Money:
    return Money(Decimal(f"{amount}.00"), CURRENCY)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_accounts(path: Path, limit: int | None = None) -> Iterator[ReplayAccount]:
    """The accounts of a file, one at a time, at most `limit`. Columns are found by name; further ones are ignored.

    Raises:
        ReplayDataError: a column or cell is missing, a cell is no whole number or out of its range, an id comes twice.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = [name.strip().lower() for name in next(rows, [])]
        for column in COLUMNS:
            if column not in header:
                raise ReplayDataError(1, column, "the column is missing")
        places = {column: header.index(column) for column in COLUMNS}
        seen: set[int] = set()
        for cells in rows:
            if limit is not None and len(seen) >= limit:
                return
            if not cells:
                continue
            account = _account_of(cells, places, rows.line_num, len(seen))
            if account.account_id in seen:
                raise ReplayDataError(rows.line_num, "id", "this id has been there before")
            seen.add(account.account_id)
            yield account


def _account_of(cells: Sequence[str], places: dict[str, int], row: int, position: int) -> ReplayAccount:
    def number(column: str, low: int, high: int) -> int:
        try:
            value = int(cells[places[column]])
        except IndexError:
            raise ReplayDataError(row, column, "the cell is missing") from None
        except ValueError:
            raise ReplayDataError(row, column, "must be a whole number") from None
        if not low <= value <= high:
            raise ReplayDataError(row, column, f"must be from {low} to {high}")
        return value

    top = 10**9
    return ReplayAccount(
        account_id=number("id", 1, top),
        position=position,
        limit=number("limit_bal", 0, top),
        cycles=tuple(
            Cycle(number(bill, -top, top), number(paid, 0, top), number(status, -2, 9))
            for bill, paid, status in zip(BILL_COLUMNS, PAID_COLUMNS, STATUS_COLUMNS, strict=True)
        ),
        missed_october=number(ENDING_COLUMN, 0, 1) == 1,
    )


# ── Running ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def occasions(
    snapshots: Sequence[ReplaySnapshot], offsets: Sequence[int], terms: ReplayTerms, clock: time = time(10, 30)
) -> Iterator[tuple[datetime, Loan]]:
    """The moments worth a decision, with the loan as it then stands: each change, and each day that lies one of
    `offsets` days after the oldest unpaid due date, at `clock` local time."""
    days = sorted(set(offsets))
    for n, snapshot in enumerate(snapshots):
        yield snapshot.at, snapshot.loan
        if not snapshot.loan.instalments:
            continue
        until = snapshots[n + 1].at if n + 1 < len(snapshots) else terms.end
        due_on = snapshot.loan.instalments[0].due_on
        for offset in days:
            at = datetime.combine(due_on + timedelta(days=offset), clock, tzinfo=terms.zone).astimezone(UTC)
            if snapshot.at < at < until:
                yield at, snapshot.loan


def loan_document(loan: Loan, zone: ZoneInfo) -> Document:
    """The loan in an event."""
    overdue = loan.overdue or _NOTHING_OVERDUE
    return {
        "loan_id": loan.loan_id,
        "account_tail": loan.account_tail,
        "currency": loan.currency,
        "status": str(loan.status),
        "as_of": loan.as_of.astimezone(zone).isoformat(),
        "sequence": loan.sequence,
        "instalments": [
            {"number": item.number, "due_on": item.due_on.isoformat(), "outstanding": str(item.outstanding.amount)}
            for item in loan.instalments
        ],
        "overdue": {
            "principal": str(overdue.principal.amount),
            "interest": str(overdue.interest.amount),
            "fees": str(overdue.fees.amount),
            "total": str(overdue.total.amount),
        },
        "days_past_due": loan.days_past_due or 0,
        "pending": [],
        "product": str(loan.product),
    }


class ReplayCore:
    """The accounts as a core that feeds Dunlin: the same `next_due`, `due`, `history` and `write` as `Core`.

    What happened has happened: nothing can be scheduled. `next_due` is None when all has been told.
    """

    def __init__(
        self,
        accounts: Sequence[ReplayAccount],
        *,
        terms: ReplayTerms,
        feed_lag: Callable[[str], timedelta] | None = None,
        feed_faults: FeedFaults | None = None,
    ) -> None:
        phones = {account.addresses(terms)[0] for account in accounts}
        if len(phones) < len(accounts):
            most = phone_count(terms.jurisdiction)
            raise ValueError(f"{terms.jurisdiction} has {most} invented numbers: replay fewer accounts, or under CN")
        self.start = terms.start - timedelta(hours=1)
        self.end = terms.end
        self.accounts = {account.loan_id: account for account in accounts}
        self._terms = terms
        self._feed = Feed(terms.seed, feed_lag, feed_faults)
        self._now = self.start
        self._snapshots = {account.loan_id: account.snapshots(terms) for account in accounts}
        self._agenda: list[tuple[datetime, int, ReplayAccount | None, ReplaySnapshot | None]] = []
        for n, account in enumerate(accounts):
            self._agenda.append((self.start, n, account, None))
            self._agenda += [(snapshot.at, n, account, snapshot) for snapshot in self._snapshots[account.loan_id]]
        mark = self.start
        while mark <= self.end:
            self._agenda.append((mark + CHECKPOINT_AFTER, -1, None, None))
            mark += CHECKPOINT_EVERY
        self._agenda.sort(key=lambda item: (item[0], item[1]))
        self._next = 0

    @property
    def now(self) -> datetime:
        """Up to when everything has happened."""
        return self._now

    @property
    def history(self) -> list[dict[str, object]]:
        return self._feed.history

    def next_due(self) -> datetime | None:
        moments = [self._agenda[self._next][0]] if self._next < len(self._agenda) else []
        fed_at = self._feed.next_at()
        if fed_at is not None:
            moments.append(fed_at)
        return min(moments, default=None)

    def due(self, now: datetime) -> list[CoreEvent]:
        moment = as_utc(now)
        while self._next < len(self._agenda) and self._agenda[self._next][0] <= moment:
            at, _, account, snapshot = self._agenda[self._next]
            self._next += 1
            self._happen(at, account, snapshot)
        self._now = max(self._now, moment)
        return self._feed.take(moment)

    def write(self, path: Path) -> None:
        self._feed.write(path)

    def loan(self, loan_id: str, at: datetime | None = None) -> Loan | None:
        """The loan as it was last told at `at` (default: now); None before the first time."""
        snapshots = self._snapshots[loan_id]
        place = bisect_right(snapshots, as_utc(at or self._now), key=lambda snapshot: snapshot.at)
        return snapshots[place - 1].loan if place else None

    def outstanding(self, loan_id: str, at: datetime | None = None) -> Decimal:
        """The minimums that are not paid; the file's balances are beside them in `accounts`."""
        loan = self.loan(loan_id, at)
        return sum((item.outstanding.amount for item in loan.instalments), Decimal("0.00")) if loan else Decimal("0.00")

    def overdue(self, loan_id: str, at: datetime | None = None) -> Arrears:
        """The minimums whose due date has passed."""
        loan = self.loan(loan_id, at)
        today = (at or self._now).astimezone(self._terms.zone).date()
        late = [item.outstanding.amount for item in loan.instalments if item.due_on < today] if loan else []
        return Arrears(principal=sum(late, Decimal("0.00")))

    def days_past_due(self, loan_id: str, at: datetime | None = None) -> int:
        """Days since the oldest unpaid due date, on the local date."""
        loan = self.loan(loan_id, at)
        today = (at or self._now).astimezone(self._terms.zone).date()
        return max((today - loan.instalments[0].due_on).days, 0) if loan and loan.instalments else 0

    def _happen(self, at: datetime, account: ReplayAccount | None, snapshot: ReplaySnapshot | None) -> None:
        if account is None:
            self._feed.checkpoint(at - CHECKPOINT_AFTER, at)
            return
        local = at.astimezone(self._terms.zone).isoformat()
        body: Document
        if snapshot is None:
            event_type, body = "borrower.updated", {"borrower": self._profile(account)}
        else:
            event_type, body = snapshot.event_type, {"loan": loan_document(snapshot.loan, self._terms.zone)}
            if snapshot.payment is not None:
                payment_id, amount = snapshot.payment
                body = {"payment": {"payment_id": payment_id, "amount": str(amount.amount)}, **body}
            if event_type == "portfolio.imported":
                body = {**body, "contacts": []}
        self._feed.record(event_type, at, account.borrower_id, local, body)

    def _profile(self, account: ReplayAccount) -> Document:
        party = account.party(self._terms)
        phone, email = account.addresses(self._terms)
        return {
            "sequence": 1,
            "jurisdiction": self._terms.jurisdiction,
            "time_zone": self._terms.time_zone,
            "parties": [
                {
                    "party_id": party.party_id,
                    "role": str(party.role),
                    "name": party.name,
                    "locale": party.locale,
                    "phone": phone,
                    "email": email,
                    "may_hear": sorted(map(str, party.may_hear)),
                    "consents": [consent.purpose for consent in party.consents],
                    "phone_verified_at": _VERIFIED_AT.isoformat(),
                    "email_verified_at": _VERIFIED_AT.isoformat(),
                }
            ],
        }
