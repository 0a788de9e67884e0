"""What a reply states, taken from the very read it is reserved on: a balance, a promise, by when a person answers."""

from __future__ import annotations

from datetime import datetime

from dunlin.domain.agreements import USUAL_ANSWERS, Awaited, PromiseStatus, TaskKind
from dunlin.domain.borrower import Borrower, ContactPoint, Party
from dunlin.domain.hours import local_date
from dunlin.domain.message import Figure, Message
from dunlin.domain.parties import addressee, loans_told
from dunlin.domain.permit import holding, is_stale, unverified_at
from dunlin.domain.planned import AGREED, NEXT, agreed_facts, next_due
from dunlin.domain.planning import OFFERED, TAKEN, offer_facts, overdue_debt
from dunlin.domain.policy import Policy, Strategy
from dunlin.domain.promising import CONFIRMED, promise_facts
from dunlin.domain.statement import Statement, days_past_due, statement_of
from dunlin.domain.tasks import open_task, with_task
from dunlin.domain.words import LoanStatus, Purpose

BALANCE, TERMS = "balance", "terms_explained"
OPT_OUT_CONFIRMATION = "opt_out_confirmation"
HARDSHIP, DISPUTE, COMPLAINT = "hardship_received", "dispute_received", "complaint_received"
_TASKS_BEHIND = {
    HARDSHIP: (TaskKind.HARDSHIP,),
    DISPUTE: (TaskKind.DISPUTE, TaskKind.IDENTITY_THEFT),
    COMPLAINT: (TaskKind.COMPLAINT,),
}
#: Replies that state facts of ours.
STATES_FACTS = frozenset({CONFIRMED, OFFERED, TAKEN, AGREED, NEXT, TERMS, *_TASKS_BEHIND})
#: Replies with details of a debt: only to whom they may be told, at a number that is known to be theirs.
TOLD_DETAIL = frozenset({BALANCE, TERMS, CONFIRMED, OFFERED, TAKEN, AGREED, NEXT})


def without_answer(
    borrower: Borrower, party_id: str, text_id: str, reply: str, asked_at: datetime, now: datetime
) -> Borrower:
    """The borrower whose text of `asked_at` has no answer, as `reply` did not go: a person is called, unless one was
    called about this party since, or looks at that matter already. An opt-out has bound, confirmed or not."""
    called = any(task.party_id == party_id and task.opened_at >= asked_at for task in borrower.tasks)
    looked_at = any(open_task(borrower, kind, party_id) is not None for kind in _TASKS_BEHIND.get(reply, ()))
    if reply in ("", OPT_OUT_CONFIRMATION) or called or looked_at:
        return borrower
    return with_task(borrower, TaskKind.NOT_ANSWERED, party_id, text_id, USUAL_ANSWERS, now)


def may_hear_detail(borrower: Borrower, party: Party, point: ContactPoint, policy: Policy, now: datetime) -> bool:
    """Whether a reply may go into the debt: to the one who is told about it, whose number is verified as the place
    wants it, and while no stop keeps us from telling even what only informs."""
    for purpose in (Purpose.SERVICING, Purpose.COLLECTION):
        if addressee(borrower, purpose) != party:
            return False
        if unverified_at(policy.pack, party, point, purpose, point.channel, now) is not None:
            return False
    return holding(borrower, Purpose.SERVICE, policy, now, party=party, points=(point,)) is None


def balance_of(borrower: Borrower, party: Party, policy: Policy, strategy: Strategy, now: datetime) -> Statement | None:
    """What they owe: all that is overdue, or what falls due next. None where there is nothing to state, or nothing
    that is certain: figures too old, or money on its way."""
    today = local_date(now, borrower.zone)
    opened = tuple(loan for loan in borrower.loans if loan.status is LoanStatus.OPEN and loan.instalments)
    loans = loans_told(borrower, party, None, opened)
    days = {loan.loan_id: days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) for loan in loans}
    late = tuple(loan for loan in loans if days[loan.loan_id] >= 1)
    if not late:
        next_on = min((loan.instalments[0].due_on for loan in loans), default=None)
        loans = tuple(loan for loan in loans if loan.instalments[0].due_on == next_on)
    stated = late or loans
    if not stated or len({loan.currency for loan in stated}) > 1:
        return None
    if any(loan.pending or is_stale(borrower, loan, policy, now) for loan in stated):
        return None
    most = max(days[loan.loan_id] for loan in stated)
    return statement_of(stated, overdue=bool(late), days=most, itemise_fees=strategy.states_late_fees)


def terms_of(borrower: Borrower, party: Party) -> tuple[Figure, ...] | None:
    """Rate and end of the one loan that `party` can mean, where the core gave both; None: a person explains."""
    opened = tuple(loan for loan in borrower.loans if loan.status is LoanStatus.OPEN)
    loans = loans_told(borrower, party, None, opened)
    if len(loans) != 1 or not loans[0].rate or loans[0].ends_on is None:
        return None
    tail, ends_on = loans[0].account_tail, loans[0].ends_on.isoformat()
    return Figure("tail", tail), Figure("rate", loans[0].rate), Figure("ends_on", ends_on)


def facts_of(borrower: Borrower, message: Message, policy: Policy, now: datetime) -> tuple[Figure, ...] | None:
    """The facts a reply states; None where they are not so any more."""
    if message.template == TERMS:
        party = next((party for party in borrower.parties if party.party_id == message.party_id), None)
        return terms_of(borrower, party) if party is not None else None
    if message.template == OFFERED:
        return _offers_told(borrower, message, policy, now)
    if message.template == AGREED:
        return agreed_facts(borrower, message.in_reply_to)
    if message.template == NEXT:
        return next_due(borrower, message.party_id, policy, now)
    if message.template == TAKEN:
        task = open_task(borrower, TaskKind.PLAN, message.party_id)
        if task is None or task.chosen is None:
            return None
        answered_by = local_date(task.answer_by, borrower.zone).isoformat()
        return (Figure("choice", str(task.chosen.number)), Figure("expected_by", answered_by))
    if message.template == CONFIRMED:
        promise = next((each for each in borrower.promises if each.promise_id == message.in_reply_to), None)
        if promise is None or promise.status is not PromiseStatus.OPEN:
            return None
        return promise_facts(borrower, promise)
    tasks = (open_task(borrower, kind, message.party_id) for kind in _TASKS_BEHIND[message.template])
    task = next((task for task in tasks if task is not None), None)
    if task is None:
        return None
    expected_by = Figure("expected_by", local_date(task.answer_by, borrower.zone).isoformat())
    if message.template == HARDSHIP:
        return (expected_by,)
    return (Figure("reference", task.reference), expected_by)


def _offers_told(borrower: Borrower, message: Message, policy: Policy, now: datetime) -> tuple[Figure, ...] | None:
    """The offers, as long as they can be chosen and are for what is owed now."""
    party = next((party for party in borrower.parties if party.party_id == message.party_id), None)
    asked = next(
        (each for each in borrower.dialogues if each.text_id == message.in_reply_to and each.awaits is Awaited.OFFER),
        None,
    )
    if party is None or asked is None or asked.ends_at <= now:
        return None
    debt = overdue_debt(borrower, party, policy, now)
    if debt is None or debt.amount != asked.offers[0].debt:
        return None
    return offer_facts(asked.offers)
