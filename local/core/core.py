"""A small simulated loan core: it owns the debt, and tells Dunlin of it in the format of docs/core-events.md.

Time is virtual: nothing happens until `due(now)` is called, and then everything up to `now` has happened, each thing
at its own moment. The same accounts, seed and calls give the same events.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import Literal, assert_never
from zoneinfo import ZoneInfo

from local.core import notices, plans, staff
from local.core.accounts import ZERO, Account, LoanTerms
from local.core.draws import whole
from local.core.feed import CHECKPOINT_AFTER, CoreEvent, Document, Feed, FeedFaults, as_utc
from local.core.ledger import CENT, Arrears, LoanLedger, Standing
from local.core.notices import Notice, Promise

LOOK_AHEAD = timedelta(days=45)
STATEMENT_BEFORE = timedelta(days=25)
CHECKPOINT_EVERY = timedelta(hours=4)
#: American numbers are looked up this often, so that none goes sixty days unchecked (12 CFR 1006.6(d)(5)).
CHECK_NUMBERS_EVERY = timedelta(days=50)
CHECK_NUMBERS_AFTER = timedelta(hours=1)
PART = Decimal("0.40")

NEAR = timedelta(days=15)
#: When people at the lender, and their printers, are at work: after the night's run.
OFFICE = time(10, 0)

#: due: all that is overdue, or else the oldest unpaid instalment if its day is near; part: two fifths of that;
#: current: all that is overdue and every instalment whose day is near; all: everything.
AmountWord = Literal["due", "part", "current", "all"]
#: applied: at once. pending: seen first, applied later. pending_returned: seen, then the bank returns it.
#: returned, reversed: applied at once, taken back later by the bank or by the lender. backdated: recorded now, with
#: the date of `later` ago.
PaymentKind = Literal["applied", "pending", "pending_returned", "returned", "reversed", "backdated"]
LoanEnd = Literal["sold", "placed", "charged_off"]


@dataclass(frozen=True, slots=True)
class _Pending:
    payment_id: str
    amount: Decimal
    received_at: str

    def document(self) -> Document:
        return {"payment_id": self.payment_id, "amount": str(self.amount), "received_at": self.received_at}


@dataclass(slots=True)
class _Loan:
    account: Account
    terms: LoanTerms
    zone: ZoneInfo
    ledger: LoanLedger
    morning: time
    sequence: int = 0
    pending: list[_Pending] = field(default_factory=list)
    mornings: set[date] = field(default_factory=set)
    statement_days: set[date] = field(default_factory=set)
    changed_at: list[datetime] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
    promise: Promise | None = None
    #: The plan under which the arrears rest.
    resting: str = ""

    def local_date(self, at: datetime) -> date:
        return at.astimezone(self.zone).date()


class Core:
    """The core of a lender. All times are aware; every `at` must not lie before the last `due(now)`."""

    def __init__(
        self,
        accounts: Sequence[Account],
        *,
        seed: int,
        start: datetime,
        feed_lag: Callable[[str], timedelta] | None = None,
        feed_faults: FeedFaults | None = None,
    ) -> None:
        self._now = as_utc(start)
        self._seed = seed
        self._feed = Feed(seed, feed_lag, feed_faults)
        self._agenda: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._planned = 0
        self._payments = 0
        self._holds: dict[str, tuple[str, str]] = {}
        self._loans: dict[str, _Loan] = {}
        self._zones: dict[str, ZoneInfo] = {}
        self._profiles: dict[str, tuple[int, Account]] = {}
        self._declined: set[str] = set()
        self._taken_on: dict[str, set[str]] = {}
        self._answered: dict[tuple[str, str], str] = {}
        self._carried: set[str] = set()
        for account in accounts:
            self._open(account)
        self._plan(self._now, self._start)

    @property
    def now(self) -> datetime:
        """Up to when everything has happened."""
        return self._now

    # ── The feed ─────────────────────────────────────────────────────────────────────────────────────────────────

    def next_due(self) -> datetime | None:
        """The next moment at which the core has to be asked; at some of them it then has nothing to feed."""
        moments = [self._agenda[0][0]] if self._agenda else []
        fed_at = self._feed.next_at()
        if fed_at is not None:
            moments.append(fed_at)
        return min(moments, default=None)

    def due(self, now: datetime) -> list[CoreEvent]:
        """Let everything up to `now` happen; the events to hand to Dunlin now, earliest first."""
        moment = as_utc(now)
        while self._agenda and self._agenda[0][0] <= moment:
            at, _, happen = heapq.heappop(self._agenda)
            self._now = max(self._now, at)
            happen(at)
        self._now = max(self._now, moment)
        return self._feed.take(moment)

    @property
    def history(self) -> list[dict[str, object]]:
        """What was fed: `recorded_at`, `fed_at`, `event`, in the order in which it was fed."""
        return self._feed.history

    def write(self, path: Path) -> None:
        """The history as JSON lines."""
        self._feed.write(path)

    # ── What happens to loans ────────────────────────────────────────────────────────────────────────────────────

    def schedule_payment(
        self,
        loan_id: str,
        amount: Decimal | AmountWord,
        at: datetime,
        kind: PaymentKind = "applied",
        *,
        later: timedelta = timedelta(days=2),
    ) -> str:
        """A payment of `amount` at `at`; `later` is when it is applied, returned or reversed. Gives the payment's id.

        A word is worked out at `at`, less what is already on its way; nothing left to pay means no payment.
        """
        self._payments += 1
        payment_id = f"p-{self._payments:05d}"
        loan = self._loan(loan_id)
        self._plan(at, lambda moment: self._pay(loan, payment_id, amount, moment, kind, later))
        return payment_id

    def schedule_hold(
        self,
        borrower_id: str,
        kind: str,
        at: datetime,
        *,
        until: datetime | None = None,
        lift_at: datetime | None = None,
        source: str = "core",
        lifted_by: str = "core",
    ) -> str:
        """A hold placed at `at`, lifted at `lift_at` when given. Gives the hold's id."""
        hold_id = f"h-{len(self._holds) + 1:04d}"
        self._holds[hold_id] = borrower_id, kind
        hold: Document = {"hold_id": hold_id, "kind": kind, "source": source}
        if until is not None:
            hold["until"] = until.isoformat()
        self._plan(at, lambda moment: self._place(borrower_id, hold, moment, until or lift_at))
        if lift_at is not None:
            self.schedule_lift(hold_id, lift_at, by=lifted_by)
        return hold_id

    def schedule_lift(self, hold_id: str, at: datetime, *, by: str = "core") -> None:
        """Lift a hold that was placed before; not everybody may lift every kind."""
        self._plan(at, lambda moment: self._lift(hold_id, by, moment))

    def schedule_end(self, loan_id: str, status: LoanEnd, at: datetime) -> None:
        """The loan leaves us: sold, placed with an agency, or charged off."""
        loan = self._loan(loan_id)
        self._plan(at, lambda moment: self._end(loan, status, moment))

    def schedule_restructure(self, loan_id: str, at: datetime, first_due_on: date, count: int) -> None:
        """Longer term, smaller instalments: what is left in `count` months from `first_due_on`, charges forgiven."""
        loan = self._loan(loan_id)
        self._plan(at, lambda moment: self._restructure(loan, first_due_on, count, moment))

    def schedule_waiver(self, loan_id: str, at: datetime) -> None:
        """Forgive fees and late interest."""
        loan = self._loan(loan_id)
        self._plan(at, lambda moment: self._waive(loan, moment))

    def schedule_new_phone(self, borrower_id: str, old: str, new: str | None, at: datetime) -> None:
        """The core learns that a number is no longer the borrower's; `new` is theirs now, None where nobody knows."""
        self._plan(at, lambda moment: self._change_phone(borrower_id, old, new, moment))

    def schedule_choice(self, borrower_id: str, choice: Document, at: datetime) -> None:
        """The borrower wishes for quiet hours, channels or a language."""
        self._plan(at, lambda moment: self._record("preferences.chosen", moment, borrower_id, {"choice": choice}))

    def schedule_consent(self, borrower_id: str, consent: Document, at: datetime) -> None:
        """The borrower gives a consent, or withdraws one."""
        self._plan(at, lambda moment: self._record("consent.changed", moment, borrower_id, {"consent": consent}))

    def hear(self, kind: str, detail: Mapping[str, object]) -> None:
        """Something that the application announced: people and books do what it asks of them."""
        match kind:
            case "person.needed":
                self.take_on(detail)
            case "answer.refused":
                self.answer_refused(detail)
            case "plan.requested":
                self.decide_on(detail)
            case "plan.agreed":
                self.carry(detail)
            case "plan.kept" | "plan.broken" | "plan.withdrawn":
                self.plan_over(detail)
            case _:
                pass

    def take_on(self, needed: Mapping[str, object]) -> None:
        """A person at the lender takes on what `person.needed` asks for, and answers it: mostly within its clocks.

        `needed`: the announcement's detail. Only the first one of a task brings anybody.
        """
        task_id, borrower_id = str(needed["task_id"]), str(needed["borrower_id"])
        if needed["because"] != "opened" or task_id in self._taken_on.setdefault(borrower_id, set()):
            return
        self._taken_on[borrower_id].add(task_id)
        by = f"staff-{whole(self._seed, 1, 9, 'staff', borrower_id)}"
        kind = str(needed["kind"])
        outcome = notices.outcome_of(kind, self._seed, borrower_id)
        opened_at, matter = datetime.fromisoformat(str(needed["opened_at"])), (kind, borrower_id)
        taken_at, answered_at = notices.answered(
            self._seed,
            opened_at,
            datetime.fromisoformat(str(needed["acknowledge_by"])),
            datetime.fromisoformat(str(needed["answer_by"])),
            *matter,
        )
        body: Document = {"task": {"task_id": task_id, "by": by}}
        self._plan(max(taken_at, self._now), self._telling("task.acknowledged", borrower_id, body))
        account = self._profiles[borrower_id][1] if borrower_id in self._profiles else None
        if account is not None and staff.answers_in_thread(kind, account, self._seed, task_id):
            self._plan(max(answered_at, self._now), lambda moment: self._answer(account, kind, task_id, by, moment))
            return
        closing: Document = {"task": {"task_id": task_id, "by": by, **outcome}}
        self._plan(max(answered_at, self._now), self._telling("task.closed", borrower_id, closing))

    def answer_refused(self, refused: Mapping[str, object]) -> None:
        """An answer was not taken (`answer.refused`): whoever gave it calls instead, and closes the task."""
        borrower_id, by = str(refused["borrower_id"]), str(refused["author"])
        task_id = self._answered.pop((borrower_id, str(refused["answer_id"])), "")
        if task_id and refused["reason"] == "refused":
            body: Document = {"task": {"task_id": task_id, "by": by}}
            at = self._now + timedelta(hours=whole(self._seed, 1, 20, "calls instead", borrower_id))
            self._plan(at, self._telling("task.closed", borrower_id, body))

    def _answer(self, account: Account, kind: str, task_id: str, by: str, moment: datetime) -> None:
        """A person answers in the thread, with what the core says is overdue at this moment."""
        terms = account.loans[0]
        owed = self.overdue(terms.loan_id).total if terms.loan_id in self._loans else ZERO
        answer = staff.answer_of(kind, account, self._seed, task_id, by, owed, terms.currency)
        self._answered[account.borrower_id, str(answer["answer_id"])] = task_id
        self._record("answer.requested", moment, account.borrower_id, {"answer": answer})

    def decide_on(self, requested: Mapping[str, object]) -> None:
        """Somebody at the lender looks at a plan that was chosen. `requested`: the announcement's detail."""
        task_id, borrower_id = str(requested["task_id"]), str(requested["borrower_id"])
        if f"plan/{task_id}" not in self._taken_on.setdefault(borrower_id, set()):
            self._taken_on[borrower_id].add(f"plan/{task_id}")
            after, body = plans.decision_about(requested, self._seed)
            self._plan(self._now + after, self._telling("plan.decided", borrower_id, body))

    def carry(self, told: Mapping[str, object]) -> None:
        """The books take up a plan that binds. `told`: the detail of `plan.agreed`."""
        agreed = plans.agreed_in(told)
        if agreed.plan_id not in self._carried:
            self._carried.add(agreed.plan_id)
            self._plan(self._now + plans.carried_after(agreed, self._seed), partial(self._carry, agreed))

    def plan_over(self, told: Mapping[str, object]) -> None:
        """A plan was kept, or is broken: what rested under it rests no more."""
        for loan in self._loans.values():
            if loan.resting == told["plan_id"]:
                loan.resting = ""

    def _carry(self, agreed: plans.Agreed, at: datetime) -> None:
        loans = [self._loan(loan_id) for loan_id in agreed.loan_ids]
        if any(loan.ledger.status != "open" for loan in loans):
            return
        books = plans.is_carried(agreed, self._seed)
        said: Document = {"plan": {"plan_id": agreed.plan_id, "in_snapshots": books}}
        for loan in loans:
            loan.resting = agreed.plan_id
        self._record("plan.in_force", at, agreed.borrower_id, said)
        for loan in loans:
            today = loan.local_date(at)
            if books:
                loan.ledger.agree(agreed.dues, agreed.debt, today)
            else:
                loan.ledger.put_off(agreed.dues[-1][0], today)
            self._tell(loan, "loan.restructured", at)
            for item in loan.ledger.standing().instalments:
                self._plan_morning(loan, max(item.due_on, today) + timedelta(days=1))

    def _telling(self, event_type: str, borrower_id: str, body: Document) -> Callable[[datetime], None]:
        return lambda moment: self._record(event_type, moment, borrower_id, body)

    # ── What anybody may ask (behaviours, the auditor) ───────────────────────────────────────────────────────────

    def standing(self, loan_id: str, at: datetime | None = None) -> Standing:
        """The debt recorded at `at` (default: now)."""
        loan = self._loan(loan_id)
        if at is None:
            return loan.ledger.standing()
        return loan.standings[max(bisect_right(loan.changed_at, as_utc(at)) - 1, 0)]

    def outstanding(self, loan_id: str, at: datetime | None = None) -> Decimal:
        """Everything that is left to pay, due or not."""
        return self.standing(loan_id, at).outstanding

    def overdue(self, loan_id: str, at: datetime | None = None) -> Arrears:
        """What is overdue, itemised, on the borrower's local date."""
        loan = self._loan(loan_id)
        return self.standing(loan_id, at).arrears(loan.local_date(at or self._now))

    def days_past_due(self, loan_id: str, at: datetime | None = None) -> int:
        """Days since the oldest unpaid due date on the borrower's local date; 0 for a loan that is not open."""
        loan = self._loan(loan_id)
        standing = self.standing(loan_id, at)
        return standing.days_past_due(loan.local_date(at or self._now)) if standing.status == "open" else 0

    def ledger(self, loan_id: str) -> LoanLedger:
        """The books of a loan, to read."""
        return self._loan(loan_id).ledger

    # ── How it happens ───────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, account: Account) -> None:
        self._zones[account.borrower_id] = ZoneInfo(account.time_zone)
        for terms in account.loans:
            self._open_loan(account, terms)

    def _open_loan(self, account: Account, terms: LoanTerms) -> _Loan:
        if terms.loan_id in self._loans:
            raise ValueError(f"{terms.loan_id} is there twice")
        minute = whole(self._seed, 0, 59, "morning", account.borrower_id)
        zone = self._zones[account.borrower_id]
        loan = _Loan(account, terms, zone, LoanLedger(terms), time(5 + minute // 30, minute % 30 * 2))
        self._loans[terms.loan_id] = loan
        loan.ledger.charge_through(loan.local_date(self._now))
        self._remember(loan, self._now)
        self._plan_mornings(loan)
        return loan

    def _plan_mornings(self, loan: _Loan) -> None:
        today = loan.local_date(self._now)
        for item in loan.ledger.standing().instalments:
            loan.statement_days.add(item.due_on - STATEMENT_BEFORE)
            self._plan_morning(loan, item.due_on - STATEMENT_BEFORE)
            self._plan_morning(loan, max(item.due_on, today) + timedelta(days=1))

    def _plan_morning(self, loan: _Loan, day: date) -> None:
        at = as_utc(datetime.combine(day, loan.morning, tzinfo=loan.zone))
        if at >= self._now and day not in loan.mornings:
            loan.mornings.add(day)
            self._plan(at, lambda moment: self._morning(loan, day, moment))

    def _plan(self, at: datetime, happen: Callable[[datetime], None]) -> None:
        moment = as_utc(at)
        if moment < self._now:
            raise ValueError(f"the core is at {self._now.isoformat()}: nothing can be planned for an earlier moment")
        self._planned += 1
        heapq.heappush(self._agenda, (moment, self._planned, happen))

    def _start(self, at: datetime) -> None:
        told: set[str] = set()
        for loan in self._loans.values():
            account = loan.account
            if account.borrower_id not in told:
                told.add(account.borrower_id)
                self._tell_profile(account, 1, at)
                if account.jurisdiction.startswith("US"):
                    self._plan(at + CHECK_NUMBERS_AFTER, self._checking_numbers(account.borrower_id))
                self._plan_matters(account, at, len(told))
            if account.imported is None:
                self._tell(loan, "loan.snapshot", at)
            else:
                contacts: list[Document] = [
                    {"at": contact.at.isoformat(), "channel": contact.channel, "purpose": contact.purpose}
                    for contact in account.imported
                ]
                self._tell(loan, "portfolio.imported", at, {"contacts": contacts})
        self._plan(at + CHECKPOINT_AFTER, lambda moment: self._feed.checkpoint(at, moment))
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        mark = midnight + CHECKPOINT_EVERY * ((at - midnight) // CHECKPOINT_EVERY + 1)
        self._plan(mark + CHECKPOINT_AFTER, lambda moment: self._checkpoint(mark, moment))

    def _tell_profile(self, account: Account, sequence: int, at: datetime) -> None:
        self._profiles[account.borrower_id] = sequence, account
        borrower: Document = {
            "sequence": sequence,
            "jurisdiction": account.jurisdiction,
            "time_zone": account.time_zone,
            "parties": [party.document() for party in account.parties],
        }
        self._record("borrower.updated", at, account.borrower_id, {"borrower": borrower})

    def _change_phone(self, borrower_id: str, old: str, new: str | None, at: datetime) -> None:
        sequence, account = self._profiles[borrower_id]
        found: Document = {"contact_point": {"state": "reassigned", "phone": old, "source": "call"}}
        self._record("contact_point.changed", at, borrower_id, found)
        parties = tuple(
            replace(party, phone=new, phone_verified_at=at) if party.phone == old else party
            for party in account.parties
        )
        if parties != account.parties:
            self._tell_profile(replace(account, parties=parties), sequence + 1, at)

    def _checking_numbers(self, borrower_id: str) -> Callable[[datetime], None]:
        return lambda moment: self._check_numbers(borrower_id, moment)

    def _check_numbers(self, borrower_id: str, at: datetime) -> None:
        """For as long as somebody owes something: then there may be something to write."""
        account = self._profiles[borrower_id][1]
        if all(self._loans[terms.loan_id].ledger.status != "open" for terms in account.loans):
            return
        for party in account.parties:
            if party.phone is not None:
                found: Document = {"contact_point": {"state": "checked", "phone": party.phone, "source": "lookup"}}
                self._record("contact_point.changed", at, borrower_id, found)
        self._plan(at + CHECK_NUMBERS_EVERY, self._checking_numbers(borrower_id))

    def _checkpoint(self, mark: datetime, at: datetime) -> None:
        self._feed.checkpoint(mark, at)
        following = mark + CHECKPOINT_EVERY
        self._plan(following + CHECKPOINT_AFTER, lambda moment: self._checkpoint(following, moment))

    def _morning(self, loan: _Loan, day: date, at: datetime) -> None:
        loan.mornings.discard(day)
        ledger = loan.ledger
        if ledger.status != "open":
            return
        standing = ledger.standing()
        covered = sum((item.amount for item in loan.pending), ZERO) >= standing.arrears(day).total
        if not covered and not loan.resting:
            ledger.charge_day(day)  # money on its way that covers the arrears counts from the day it came
            standing = ledger.standing()
        if standing.arrears(day).total > 0:
            fell_due = any(item.due_on == day - timedelta(days=1) for item in standing.instalments)
            self._tell(loan, "loan.due" if fell_due else "loan.snapshot", at)
            self._plan_morning(loan, day + timedelta(days=1))
        elif day in loan.statement_days:
            self._tell(loan, "loan.snapshot", at)
            self._plan(self._office(loan, day), lambda moment: self._state(loan, day, moment))

    def _pay(
        self,
        loan: _Loan,
        payment_id: str,
        amount: Decimal | AmountWord,
        at: datetime,
        kind: PaymentKind,
        later: timedelta,
    ) -> None:
        sum_paid = amount if isinstance(amount, Decimal) else self._sum_of(loan, amount, at)
        if sum_paid <= 0 or loan.ledger.status != "open":
            return
        if kind in ("pending", "pending_returned"):
            loan.pending.append(_Pending(payment_id, sum_paid, self._local(at, loan.account.borrower_id)))
            self._tell_payment(loan, "payment.pending", payment_id, sum_paid, at)
            applied = kind == "pending"
            self._plan(at + later, lambda moment: self._settle(loan, payment_id, sum_paid, moment, applied=applied))
            return
        if kind == "backdated":
            self._apply(loan, payment_id, sum_paid, at, paid_at=at - later)
            return
        self._apply(loan, payment_id, sum_paid, at)
        if kind in ("returned", "reversed"):
            event_type, paid_on = f"payment.{kind}", loan.local_date(at)
            self._plan(
                at + later, lambda moment: self._take_back(loan, payment_id, sum_paid, moment, event_type, paid_on)
            )

    def _sum_of(self, loan: _Loan, word: AmountWord, at: datetime) -> Decimal:
        standing = loan.ledger.standing()
        today = loan.local_date(at)
        owed = standing.arrears(today).total
        near = [item.outstanding for item in standing.instalments if today <= item.due_on <= today + NEAR]
        match word:
            case "all":
                owed = standing.outstanding
            case "current":
                owed += sum(near, ZERO)
            case "due" | "part":
                if owed == 0 and near:
                    owed = near[0]
            case _:
                assert_never(word)
        owed = max(owed - sum((item.amount for item in loan.pending), ZERO), ZERO)
        return (owed * PART).quantize(CENT, ROUND_HALF_UP) if word == "part" else owed

    def _settle(self, loan: _Loan, payment_id: str, amount: Decimal, at: datetime, *, applied: bool) -> None:
        seen_at = next(item.received_at for item in loan.pending if item.payment_id == payment_id)
        loan.pending = [item for item in loan.pending if item.payment_id != payment_id]
        if applied and loan.ledger.status == "open":
            self._apply(loan, payment_id, amount, at)
        else:
            self._tell_payment(loan, "payment.returned", payment_id, amount, at)
            seen_on = loan.local_date(datetime.fromisoformat(seen_at))
            self._ask_about(loan, notices.debit_failed(amount, loan.terms.currency, seen_on), at)

    def _apply(
        self, loan: _Loan, payment_id: str, amount: Decimal, at: datetime, *, paid_at: datetime | None = None
    ) -> None:
        """Apply a payment; one that counts from earlier is told as that."""
        before = loan.ledger.standing()
        loan.ledger.apply(payment_id, amount)
        event_type = "payment.applied" if paid_at is None else "payment.backdated"
        self._tell_payment(loan, event_type, payment_id, amount, at, occurred_at=paid_at)
        if loan.ledger.status == "closed":
            self._tell(loan, "loan.closed", at)
        self._thank(loan, before, amount, paid_at or at, at)

    def _take_back(
        self, loan: _Loan, payment_id: str, amount: Decimal, at: datetime, event_type: str, paid_on: date
    ) -> None:
        if loan.ledger.status not in ("open", "closed"):
            return
        loan.ledger.undo(payment_id)
        loan.ledger.charge_day(loan.local_date(at))
        self._tell_payment(loan, event_type, payment_id, amount, at)
        self._plan_morning(loan, loan.local_date(at) + timedelta(days=1))
        if event_type == "payment.returned":  # what the lender took back itself was no debit
            self._ask_about(loan, notices.debit_failed(amount, loan.terms.currency, paid_on), at)

    def _end(self, loan: _Loan, status: LoanEnd, at: datetime) -> None:
        if loan.ledger.status == "open":
            loan.ledger.status = status
            self._tell(loan, f"loan.{status}", at)

    def _restructure(self, loan: _Loan, first_due_on: date, count: int, at: datetime) -> None:
        if loan.ledger.status == "open":
            loan.ledger.restructure(first_due_on, count)
            self._tell(loan, "loan.restructured", at)
            self._plan_mornings(loan)
            if loan.ledger.status == "open":
                self._ask_about(loan, notices.term_changed(loan.ledger.standing(), loan.terms.currency), at)

    def _waive(self, loan: _Loan, at: datetime) -> None:
        if loan.ledger.status == "open":
            loan.ledger.waive_charges()
            self._tell(loan, "loan.waived", at)

    # ── What it asks to be said ──────────────────────────────────────────────────────────────────────────────────

    def _ask(self, borrower_id: str, notice: Notice, at: datetime) -> None:
        """Ask for a notice; of somebody whose loans have all left there is nothing more to say."""
        theirs = (loan for loan in self._loans.values() if loan.account.borrower_id == borrower_id)
        if any(loan.ledger.status == "open" for loan in theirs):
            self._request(borrower_id, notice, at)

    def _ask_about(self, loan: _Loan, notice: Notice, at: datetime) -> None:
        """Ask for a notice about a loan that is still ours."""
        if loan.ledger.status == "open":
            self._request(loan.account.borrower_id, notice, at, loan.terms.loan_id)

    def _request(self, borrower_id: str, notice: Notice, at: datetime, loan_id: str = "") -> None:
        asked: Document = {"message": notice.message, "facts": dict(notice.facts)}
        if loan_id:
            asked["loan_id"] = loan_id
        self._record("notice.requested", at, borrower_id, {"notice": asked})

    def _thank(self, loan: _Loan, before: Standing, amount: Decimal, paid_at: datetime, at: datetime) -> None:
        today, currency, after = loan.local_date(at), loan.terms.currency, loan.ledger.standing()
        notice = notices.receipt(before, after, amount, currency, loan.local_date(paid_at), today, resting=loan.resting)
        if loan.promise is not None and after.arrears(today + timedelta(days=1)).total == 0:
            kept, loan.promise = loan.promise, None
            if after.status == "open" and amount >= kept.amount:
                notice = notices.promised("promise_kept", replace(kept, amount=amount), currency)
        self._request(loan.account.borrower_id, notice, at, loan.terms.loan_id)

    def _state(self, loan: _Loan, day: date, at: datetime) -> None:
        due_on = day + STATEMENT_BEFORE
        notice = notices.statement_ready(loan.ledger.standing(), due_on, day, loan.terms.currency)
        if notice is not None:
            self._ask_about(loan, notice, at)

    def _place(self, borrower_id: str, hold: Document, at: datetime, over_at: datetime | None) -> None:
        self._record("hold.placed", at, borrower_id, {"hold": hold})
        kind, today = str(hold["kind"]), at.astimezone(self._zones[borrower_id]).date()
        if kind == "promise":
            self._promise(borrower_id, at, over_at or at + notices.PROMISE_LASTS)
            return
        notice = notices.hold_placed(kind, _reference(hold["hold_id"]), today)
        if notice is not None:
            self._ask(borrower_id, notice, at)

    def _lift(self, hold_id: str, by: str, at: datetime) -> None:
        borrower_id, kind = self._holds[hold_id]
        self._record("hold.lifted", at, borrower_id, {"hold": {"hold_id": hold_id, "by": by}})
        notice = notices.hold_lifted(kind, _reference(hold_id), self._seed)
        if notice is not None:
            self._ask(borrower_id, notice, at)

    def _promise(self, borrower_id: str, at: datetime, over_at: datetime) -> None:
        """The first loan with something to pay is what the promise is about."""
        for loan in self._loans.values():
            amount = self._sum_of(loan, "due", at) if loan.account.borrower_id == borrower_id else ZERO
            if amount > 0 and loan.ledger.status == "open":
                promise = loan.promise = Promise(amount, loan.local_date(over_at))
                self._ask_about(loan, notices.promised("promise_confirmed", promise, loan.terms.currency), at)
                for days, message in ((0, "promise_day"), (1, "promise_broken")):
                    moment = self._office(loan, promise.agreed_on + timedelta(days=days))
                    if moment > at:
                        self._plan(moment, partial(self._recall, loan, promise, message))
                return

    def _recall(self, loan: _Loan, promise: Promise, message: str, at: datetime) -> None:
        """The day has come, or is over, and the money has not."""
        if loan.promise is not promise:
            return
        if message == "promise_broken":
            loan.promise = None
            if loan.ledger.standing().arrears(loan.local_date(at)).total == 0:
                return
        if not loan.pending:
            self._ask_about(loan, notices.promised(message, promise, loan.terms.currency), at)

    def _plan_matters(self, account: Account, at: datetime, number: int) -> None:
        zone = self._zones[account.borrower_id]
        for matter in notices.matters_of(self._seed, account.borrower_id):
            day = at.astimezone(zone).date() + timedelta(days=matter.day)
            moment = datetime.combine(day, matter.at, tzinfo=zone)
            if matter.name != "application":
                self._plan(moment, partial(self._happens, account, matter))
                continue
            asked = notices.application_of(self._seed, account.borrower_id, number, account.loans[0].currency)
            for days, step in notices.APPLICATION_STEPS:
                self._plan(moment + timedelta(days=days), partial(self._proceed, account, asked, step))

    def _happens(self, account: Account, matter: notices.Matter, at: datetime) -> None:
        loan = self._loans[account.loans[0].loan_id]
        today = loan.local_date(at)
        notice = notices.matter_said(matter, account.borrower_id, loan.terms.currency, today, self._seed)
        if matter.name == "offer":
            self._ask(account.borrower_id, notice, at)
        elif matter.name != "limit_raised" or loan.ledger.standing().arrears(today).total == 0:
            self._ask_about(loan, notice, at)

    def _proceed(self, account: Account, asked: notices.Application, step: str, at: datetime) -> None:
        """The next step of an application; who is in arrears by then is declined, and a decline is the end of it."""
        today = at.astimezone(self._zones[account.borrower_id]).date()
        if asked.reference in self._declined:
            return
        if step == "disbursed":
            self._disburse(account, asked, today, at)
            return
        late = any(self.days_past_due(terms.loan_id) for terms in account.loans)
        reason = asked.declined or ("reason.payment_history" if late else "")
        if step == "application_decided" and reason:
            self._declined.add(asked.reference)
        self._ask(account.borrower_id, notices.application_said(step, asked, today, reason), at)

    def _disburse(self, account: Account, asked: notices.Application, today: date, at: datetime) -> None:
        """The new loan, with a standing order for its instalments."""
        if not any(self._loans[terms.loan_id].ledger.status == "open" for terms in account.loans):
            return
        loan = self._open_loan(account, notices.new_loan(account, asked, today, self._seed))
        self._tell(loan, "loan.disbursed", at)
        self._ask_about(loan, notices.disbursed(loan.ledger.standing(), asked, today), at)
        for item in loan.terms.instalments:
            self.schedule_payment(loan.terms.loan_id, "current", self._office(loan, item.due_on - timedelta(days=2)))

    def _office(self, loan: _Loan, day: date) -> datetime:
        return as_utc(datetime.combine(day, OFFICE, tzinfo=loan.zone)) + timedelta(minutes=loan.morning.minute)

    # ── How it says it ───────────────────────────────────────────────────────────────────────────────────────────

    def _tell_payment(
        self,
        loan: _Loan,
        event_type: str,
        payment_id: str,
        amount: Decimal,
        at: datetime,
        *,
        occurred_at: datetime | None = None,
    ) -> None:
        payment: Document = {"payment": {"payment_id": payment_id, "amount": str(amount)}}
        self._tell(loan, event_type, at, payment, occurred_at=occurred_at)

    def _tell(
        self,
        loan: _Loan,
        event_type: str,
        at: datetime,
        body: Document | None = None,
        *,
        occurred_at: datetime | None = None,
    ) -> None:
        loan.sequence += 1
        self._remember(loan, at)
        whole: Document = {**(body or {}), "loan": self._snapshot(loan, at)}
        self._record(event_type, at, loan.account.borrower_id, whole, occurred_at=occurred_at)

    def _record(
        self, event_type: str, at: datetime, borrower_id: str, body: Document, *, occurred_at: datetime | None = None
    ) -> None:
        self._feed.record(event_type, at, borrower_id, self._local(occurred_at or at, borrower_id), body)

    def _snapshot(self, loan: _Loan, at: datetime) -> Document:
        today = loan.local_date(at)
        standing = loan.ledger.standing()
        overdue = standing.arrears(today)
        return {
            "loan_id": loan.terms.loan_id,
            "account_tail": loan.terms.account_tail,
            "currency": loan.terms.currency,
            "status": standing.status,
            "as_of": self._local(at, loan.account.borrower_id),
            "sequence": loan.sequence,
            "instalments": [
                {"number": item.number, "due_on": item.due_on.isoformat(), "outstanding": str(item.outstanding)}
                for item in standing.instalments
                if item.due_on <= today + LOOK_AHEAD
            ],
            "overdue": overdue.document(),
            "days_past_due": standing.days_past_due(today),
            "pending": [item.document() for item in loan.pending],
            "product": loan.terms.product,
        }

    def _remember(self, loan: _Loan, at: datetime) -> None:
        loan.changed_at.append(at)
        loan.standings.append(loan.ledger.standing())

    def _local(self, at: datetime, borrower_id: str) -> str:
        return at.astimezone(self._zones[borrower_id]).isoformat()

    def _loan(self, loan_id: str) -> _Loan:
        return self._loans[loan_id]


def _reference(hold_id: object) -> str:
    """What a borrower is told to ask for."""
    return f"C-{str(hold_id).removeprefix('h-')}"
