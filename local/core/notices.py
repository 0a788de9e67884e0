"""What a core asks to be said: which of the lender's messages, and its facts, out of the books.

The names of the messages and of their facts are those of `docs/core-events.md`. What the books do not have, a yearly
rate or a limit, is the product's: here one for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from local.core.accounts import ZERO, Account, LoanTerms, ScheduledInstalment
from local.core.draws import choose, draw, whole
from local.core.ledger import CENT, Arrears, Standing, UnpaidInstalment, monthly, split

DAY = timedelta(days=1)
#: How long the lender gives itself for an answer, and the borrower for theirs.
ANSWER_WITHIN, RESPOND_WITHIN = 10 * DAY, 14 * DAY
#: What a promise without a day of its own means; a hold of that kind lasts as long by itself.
PROMISE_LASTS = 7 * DAY
#: A new loan's first payment: beyond what a snapshot shows, so that its beginning changes nothing else.
FIRST_DUE_AFTER, NEW_INSTALMENTS = 60 * DAY, 6

_RATES = ("14.4", "15.9")
_LIMITS = {"CNY": "20000.00", "USD": "3000.00", "GBP": "2500.00"}
_LARGEST_DRAWING = {"CNY": 9_000, "USD": 1_200, "GBP": 1_000}
_DECLINED = ("reason.income", "reason.existing_debt", "reason.policy")
_OUTCOMES = ("outcome.not_changed", "outcome.letter_follows")

#: The share of tasks that nobody answers in time.
LATE = 1 / 6
#: Matters of the portfolio that no payment brings about: for whom, as a share of the borrowers.
APPLIES, RATE_CHANGES, LIMIT_RISES, UNUSUAL, OFFERED = 0.15, 0.1, 0.1, 0.15, 0.3


@dataclass(frozen=True, slots=True)
class Notice:
    """A message by its name, with its facts in machine form."""

    message: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Promise:
    """What somebody said they would pay, and by when."""

    amount: Decimal
    agreed_on: date


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that happens to one borrower: on which day after the start, at which local time."""

    name: str
    day: int
    at: time


@dataclass(frozen=True, slots=True)
class Application:
    """Somebody asks for another loan. `declined`: for this reason, whatever else there is."""

    reference: str
    amount: Decimal
    currency: str
    declined: str = ""


def money(amount: Decimal, currency: str) -> str:
    return f"{amount} {currency}"


# ── Payments and due dates ───────────────────────────────────────────────────────────────────────────────────────────


def receipt(
    before: Standing,
    after: Standing,
    paid: Decimal,
    currency: str,
    paid_on: date,
    today: date,
    *,
    resting: str = "",
) -> Notice:
    """The thanks for a payment: what it came to decides the words. `resting`: the plan under which arrears rest, so
    that nothing is said of what is left of them."""
    facts = {"amount": money(paid, currency), "event_on": str(paid_on)}
    if after.status == "closed":
        return Notice("loan_closed", {"event_on": str(paid_on)})
    if resting:
        return Notice("payment_received", facts)
    # What falls due today is due, and not yet late.
    if (open_now := after.arrears(today + DAY).total) > 0:
        return Notice("payment_part_received", {**facts, "remaining": money(open_now, currency)})
    left = {item.number: item for item in after.instalments}
    ahead = [item for item in before.instalments if item.number not in left and item.due_on > today]
    begun = [left[item.number] for item in before.instalments if _is_less(left.get(item.number), item)]
    if before.arrears(today + DAY) != Arrears():
        return Notice("payment_received", facts)
    if ahead:
        return Notice("payment_early_received", {**facts, "due_on": str(ahead[-1].due_on)})
    if begun:
        return Notice("payment_part_received", {**facts, "remaining": money(begun[0].outstanding, currency)})
    return Notice("payment_received", facts)


def _is_less(now: UnpaidInstalment | None, before: UnpaidInstalment) -> bool:
    return now is not None and now.outstanding < before.outstanding


def statement_ready(standing: Standing, due_on: date, today: date, currency: str) -> Notice | None:
    """The coming instalment; nothing for somebody in arrears, who hears of all of it elsewhere."""
    found = next((item for item in standing.instalments if item.due_on == due_on), None)
    if found is None or standing.status != "open" or standing.arrears(today).total > 0:
        return None
    return Notice("statement_ready", {"amount": money(found.outstanding, currency), "due_on": str(due_on)})


def debit_failed(amount: Decimal, currency: str, debit_on: date) -> Notice:
    return Notice("debit_failed", {"amount": money(amount, currency), "debit_on": str(debit_on)})


def term_changed(standing: Standing, currency: str) -> Notice:
    """The new instalments; the later ones may be a cent less."""
    first = standing.instalments[0]
    facts = {
        "instalments": str(len(standing.instalments)),
        "amount": money(first.outstanding, currency),
        "effective_on": str(first.due_on),
    }
    return Notice("term_changed", facts)


# ── Promises, difficulties, disputes ─────────────────────────────────────────────────────────────────────────────────


def promised(message: str, promise: Promise, currency: str) -> Notice:
    """`promise_confirmed`, `promise_day`, `promise_broken`; `promise_kept` says no day."""
    facts = {"amount": money(promise.amount, currency), "agreed_on": str(promise.agreed_on)}
    return Notice(message, facts if message != "promise_kept" else {"amount": facts["amount"]})


def hold_placed(kind: str, reference: str, today: date) -> Notice | None:
    """That we heard it, and by when a person answers; only where somebody asked for something."""
    answered_by = {"expected_by": str(today + ANSWER_WITHIN)}
    match kind:
        case "hardship":
            return Notice("hardship_received", answered_by)
        case "dispute" | "complaint":
            return Notice(f"{kind}_received", {"reference": reference, **answered_by})
        case _:
            return None


def hold_lifted(kind: str, reference: str, seed: int) -> Notice | None:
    match kind:
        case "dispute":
            outcome = choose(seed, _OUTCOMES, "outcome", reference)
            return Notice("dispute_resolved", {"reference": reference, "outcome": outcome})
        case "complaint":
            return Notice("complaint_answered", {"reference": reference})
        case _:
            return None


# ── What a person was asked to do ────────────────────────────────────────────────────────────────────────────────────


def outcome_of(kind: str, seed: int, borrower_id: str) -> Mapping[str, str]:
    """How a task ends, where it ends in words."""
    return {"outcome": choose(seed, _OUTCOMES, "outcome", borrower_id)} if kind == "dispute" else {}


def answered(
    seed: int, opened_at: datetime, acknowledge_by: datetime, answer_by: datetime, *matter: object
) -> tuple[datetime, datetime]:
    """When a person takes it on, and when it is answered; one of six is late with both."""
    late = timedelta(hours=whole(seed, 1, 30, "late by", *matter)) if draw(seed, "late", *matter) < LATE else None
    share = draw(seed, "takes", *matter)
    taken_at = acknowledge_by + late if late else opened_at + (acknowledge_by - opened_at) * share
    answered_at = answer_by + late if late else opened_at + (answer_by - opened_at) * (0.2 + 0.7 * share)
    return taken_at, max(taken_at, answered_at) + timedelta(minutes=1)


# ── What happens to a few ────────────────────────────────────────────────────────────────────────────────────────────


def matters_of(seed: int, borrower_id: str) -> Iterator[Matter]:
    """What the weeks bring to this borrower besides payments."""
    shares = (
        ("application", APPLIES, time(14, 20)),
        ("rate_changed", RATE_CHANGES, time(9, 40)),
        ("limit_raised", LIMIT_RISES, time(11, 10)),
        ("unusual_transaction", UNUSUAL, time(2, 35)),
        ("offer", OFFERED, time(12, 50)),
    )
    for name, share, at in shares:
        if draw(seed, name, borrower_id) < share:
            yield Matter(name, whole(seed, 1, 24, "day", name, borrower_id), at)


def matter_said(matter: Matter, borrower_id: str, currency: str, today: date, seed: int) -> Notice:
    """The words of a matter that is one message; an application is several."""
    match matter.name:
        case "rate_changed":
            old, new = _RATES
            return Notice(matter.name, {"old_rate": old, "rate": new, "effective_on": str(today + 45 * DAY)})
        case "limit_raised":
            return Notice(matter.name, {"limit": f"{_LIMITS[currency]} {currency}", "effective_on": str(today + DAY)})
        case "unusual_transaction":
            units = whole(seed, 50, _LARGEST_DRAWING[currency], "drawing", borrower_id)
            return Notice(matter.name, {"amount": money(Decimal(units) + CENT, currency), "event_on": str(today)})
        case "offer":
            facts = {"amount": f"{_LIMITS[currency]} {currency}", "rate": _RATES[0], "months": "24"}
            return Notice(matter.name, {**facts, "respond_by": str(today + RESPOND_WITHIN)})
        case _:
            raise ValueError(f"{matter.name} is not one message")


def application_of(seed: int, borrower_id: str, number: int, currency: str) -> Application:
    units = whole(seed, 300, 900, "asked for", borrower_id) * NEW_INSTALMENTS
    declined = choose(seed, _DECLINED, "declined", borrower_id) if draw(seed, "declines", borrower_id) < 0.4 else ""
    return Application(f"A-{1000 + number}", Decimal(units) + ZERO, currency, declined)


#: Days after the application at which each is said; what comes after the decision only if it was approved.
APPLICATION_STEPS = (
    (0, "application_received"),
    (1, "application_progress"),
    (3, "application_decided"),
    (4, "contract_ready"),
    (5, "contract_signed"),
    (6, "disbursed"),
)


def application_said(step: str, asked: Application, today: date, reason: str) -> Notice:
    """One step of an application. `reason`: why it is declined; empty for an approval. `disbursed` is the loan's."""
    facts = {"reference": asked.reference}
    amount = money(asked.amount, asked.currency)
    respond_by = {"respond_by": str(today + RESPOND_WITHIN)}
    match step:
        case "application_received":
            return Notice(step, {**facts, "expected_by": str(today + 5 * DAY)})
        case "application_progress":
            return Notice(step, {**facts, "step": "step.income_check", "expected_by": str(today + 4 * DAY)})
        case "application_decided" if reason:
            return Notice("application_declined", {**facts, "reason": reason})
        case "application_decided":
            terms = {"amount": amount, "rate": _RATES[0], "months": str(NEW_INSTALMENTS)}
            return Notice("application_approved", {**facts, **terms, **respond_by})
        case "contract_ready":
            return Notice(step, {**facts, **respond_by})
        case "contract_signed":
            return Notice(step, {**facts, "amount": amount, "event_on": str(today)})
        case _:
            raise ValueError(f"{step} is no step of an application")


def new_loan(account: Account, asked: Application, today: date, seed: int) -> LoanTerms:
    """The contract of an application that was approved."""
    like = account.loans[0]
    loan_id = f"{account.borrower_id}-{asked.reference}"
    interest = (asked.amount * Decimal("0.012")).quantize(CENT, ROUND_HALF_UP) * NEW_INSTALMENTS
    dates = monthly(today + FIRST_DUE_AFTER, NEW_INSTALMENTS)
    shares = zip(dates, split(asked.amount, NEW_INSTALMENTS), split(interest, NEW_INSTALMENTS), strict=True)
    return LoanTerms(
        loan_id=loan_id,
        account_tail=f"{whole(seed, 0, 9999, 'tail', loan_id):04d}",
        currency=asked.currency,
        instalments=tuple(
            ScheduledInstalment(number, due_on, principal, share)
            for number, (due_on, principal, share) in enumerate(shares, start=1)
        ),
        late_fee=like.late_fee,
        late_fee_after_days=like.late_fee_after_days,
        late_interest_daily=like.late_interest_daily,
    )


def disbursed(standing: Standing, asked: Application, today: date) -> Notice:
    first = standing.instalments[0]
    facts = {
        "amount": money(asked.amount, asked.currency),
        "event_on": str(today),
        "first_amount": money(first.outstanding, asked.currency),
        "first_due_on": str(first.due_on),
    }
    return Notice("disbursed", facts)
