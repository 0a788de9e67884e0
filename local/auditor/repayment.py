"""Plans that were agreed by text: whether what is said of them is so, and nobody dunned while they were kept to.

Judged from what was offered and confirmed, from the plans as the application announced them, from the core's payments
and figures, and from the lender's own days of grace. That a plan was kept, missed or broken is worked out here anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from local.auditor.dialogues import TAKEN_IN_WITHIN, Told
from local.auditor.evidence import Evidence, HandOver, instant
from local.auditor.history import ZERO, History, Known, decimal_of
from local.auditor.reading import Reading, read

CHOICES, AGREED, NEXT, MISSED = "plan_choices", "plan_agreed", "plan_in_force", "plan_missed"

_DAY = timedelta(days=1)
_OWN = re.compile(r"(?P<message>plan_in_force|plan_missed)-(?P<plan>.+)\.(?P<which>[0-9_]+)", re.DOTALL)
_DECIDED = re.compile(r"(?P<message>plan_agreed|plan_refused)-(?P<task>.+)", re.DOTALL)
_REPLY = re.compile(r"reply#(?P<stage>plan_[a-z_]+)#[^#]+#(?P<inbound>.+)", re.DOTALL)

Found = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Days:
    """What the lender's files give a plan: the shortest of each, so that nobody is judged too early; `dearest` in
    percent of the debt."""

    grace: int = 0
    cure: int = 0
    dearest: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Repayment:
    """One plan as it was announced."""

    plan_id: str
    borrower_id: str
    loan_ids: frozenset[str]
    agreed_at: datetime
    debt: Decimal
    total: Decimal
    dues: tuple[tuple[date, Decimal], ...]
    principal: Decimal


def days_in(packs: Mapping[str, Any]) -> Days:
    plans = [document["plans"] for document in packs.values() if isinstance(document, dict) and "plans" in document]
    upkeeps = [plan["upkeep"] for plan in plans if isinstance(plan, dict) and "upkeep" in plan]
    return Days(
        min((int(each["grace_days"]) for each in upkeeps), default=0),
        min((int(each["cure_days"]) for each in upkeeps), default=0),
        max((Decimal(str(plan["caps"]["extra_percent"])) for plan in plans if "caps" in plan), default=ZERO),
    )


@dataclass(slots=True)
class Repayments:
    """The plans among the evidence, and what is wrong with what was said of them."""

    evidence: Evidence
    history: History
    checked: Counter[str]
    days: Days = field(init=False)
    plans: dict[str, list[Repayment]] = field(default_factory=dict)
    _offered: dict[str, list[tuple[datetime, Reading]]] = field(default_factory=dict)
    _missed: Counter[tuple[str, str, date]] = field(default_factory=Counter)
    _decided: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.days = days_in(self.evidence.packs)
        seen: set[tuple[str, str]] = set()
        for told in self.evidence.announced:
            if told.kind != "plan.agreed":
                continue
            plan = _plan(told.detail)
            if (plan.borrower_id, plan.plan_id) not in seen:
                seen.add((plan.borrower_id, plan.plan_id))
                self.plans.setdefault(plan.borrower_id, []).append(plan)
                self.checked["plan_freezes"] += 1  # whether or not anything else is said: silence is what is asked for
        for event in self.evidence.events:
            said = event.event.get("plan")
            if event.event["type"] == "plan.decided" and isinstance(said, dict):
                key = str(event.event.get("borrower_id", "")), str(said.get("task_id", ""))
                self._decided.setdefault(key, said.get("decision") == "approved")
        for given in self.evidence.hand_overs:
            reply = _REPLY.fullmatch(given.key)
            if reply is not None and reply["stage"] == CHOICES:
                self._offered.setdefault(given.borrower_id, []).append((given.at, read(given.text)))

    # ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────

    def is_own(self, told: Told) -> bool:
        """Whether a notice follows from a plan, and nobody else had to ask for it."""
        decided = _DECIDED.fullmatch(told.notice_id)
        if decided is not None and decided["message"] == told.message:
            approved = self._decided.get((told.borrower_id, decided["task"]))
            return approved is not None and approved == (told.message == AGREED)
        return self._followed(told) is not None

    def is_answer(self, key: str) -> bool:
        """Whether a reply speaks of a plan: its figures are the plan's, not the core's."""
        return _REPLY.fullmatch(key) is not None

    def wrong(self, told: Told, known: Known) -> Iterator[Found]:
        """What is wrong with one hand-over that speaks of a plan."""
        reply = _REPLY.fullmatch(told.key)
        stage = reply["stage"] if reply is not None else ""
        if stage == CHOICES:
            yield from self._choices(told, known)
        elif stage == NEXT:
            yield from self._next(told, known, self._live(told.borrower_id, told.reserved_at, known))
        elif AGREED in (stage, told.message) and (stage or self.is_own(told)):
            yield from self._agreed(told)
        elif (plan := self._followed(told)) is not None:
            if told.message == NEXT:
                yield from self._next(told, known, [plan])
            else:
                yield from self._of_missed(told, plan, known)

    def dunned(self, told: Told, known: Known, loan_ids: Iterable[str], about: date | None) -> Iterator[Found]:
        """No stage asks for what a plan is about while it is kept to. `about`: the due date that a reminder is of."""
        asked = frozenset(loan_ids)
        for plan in self.plans.get(told.borrower_id, ()):
            if not asked & plan.loan_ids or told.reserved_at <= plan.agreed_at + TAKEN_IN_WITHIN:
                continue
            self.checked["plan_freezes"] += 1
            zone = ZoneInfo(known.zone or "UTC")
            today = told.reserved_at.astimezone(zone).date()
            is_later = about is not None and about >= today and about not in {day for day, _ in plan.dues}
            if not is_later and self._is_live(plan, told.reserved_at, known):
                yield "plan_dunned", "its arrears were asked for while a plan about them was kept to"
                return

    def lapsed_between(self, borrower_id: str, since: datetime, until: datetime) -> bool:
        """Whether a plan was agreed in between and is not kept to any more, so that an escalation may begin again."""
        known = self.history.fed_by(borrower_id, until)
        return any(
            since <= plan.agreed_at <= until and not self._is_live(plan, until, known)
            for plan in self.plans.get(borrower_id, ())
        )

    # ── What was offered and agreed ──────────────────────────────────────────────────────────────────────────────────

    def _choices(self, told: Told, known: Known) -> Iterator[Found]:
        """Each offer's total is what was overdue, or as much more as a plan may cost."""
        self.checked["plans_offered"] += 1
        overdue = sum((loan.overdue.get("total", ZERO) for loan in known.loans.values() if loan.status == "open"), ZERO)
        totals = [stated.value for stated in told.reading.amounts][1::2]
        most = overdue * (1 + self.days.dearest / 100)
        if overdue and any(not overdue <= total <= most for total in totals):
            yield "plan", "an offer's total is not what is overdue, and what a plan may cost"

    def _agreed(self, told: Told) -> Iterator[Found]:
        """Its figures are those of a plan that was announced, which was offered, and which sums to the cent."""
        self.checked["plans_agreed"] += 1
        first = [stated.value for stated in told.reading.amounts][:1]
        whole = [stated.value for stated in told.reading.amounts][1:2]
        for plan in self.plans.get(told.borrower_id, ()):
            day, amount = plan.dues[0]
            if [amount] != first or [plan.total] != whole or not any(each.is_day(day) for each in told.reading.dates):
                continue
            if sum((due for _, due in plan.dues), ZERO) != plan.total or plan.principal != plan.debt:
                yield "plan", "the instalments are not what they are said to be in all"
            if not any(
                at <= told.reserved_at and _offers(reading, amount, plan.total, day)
                for at, reading in self._offered.get(told.borrower_id, ())
            ):
                yield "plan", "what was agreed was never offered"
            return
        yield "plan", "what was confirmed is no plan that was announced"

    # ── What is said of it ───────────────────────────────────────────────────────────────────────────────────────────

    def _followed(self, told: Told) -> Repayment | None:
        own = _OWN.fullmatch(told.notice_id)
        if own is None or own["message"] != told.message:
            return None
        return next((plan for plan in self.plans.get(told.borrower_id, ()) if plan.plan_id == own["plan"]), None)

    def _next(self, told: Told, known: Known, plans: Sequence[Repayment]) -> Iterator[Found]:
        """The oldest instalment that is not paid, with what is left of it."""
        self.checked["plans_followed"] += 1
        for plan in plans:
            left = self._left(plan, told.reserved_at)
            if left and _states(told.reading, *left[0]):
                if not _OWN.fullmatch(told.notice_id):
                    return
                today = told.reserved_at.astimezone(ZoneInfo(known.zone or "UTC")).date()
                if left[0][0] < today:
                    yield "plan", "a reminder of an instalment whose day was over"
                return
        yield "plan", "what it says is due next is not the plan's next instalment, or what is left of it"

    def _of_missed(self, told: Told, plan: Repayment, known: Known) -> Iterator[Found]:
        """Only what was missed, after its grace, once; with what is left of it and by when."""
        self.checked["plans_followed"] += 1
        self.checked["plans_missed"] += 1
        left = self._left(plan, told.reserved_at)
        if not left or not _states(told.reading, *left[0]):
            yield "plan", "what it says was missed was paid, or another amount is left of it"
            return
        day, _ = left[0]
        if told.reserved_at < self._midnight(known, day + timedelta(days=1 + self.days.grace)):
            yield "plan", "its grace was not over"
        today = told.reserved_at.astimezone(ZoneInfo(known.zone or "UTC")).date()
        if not any((meant := stated.near(today)) is not None and meant >= today for stated in told.reading.dates):
            yield "plan", "it does not say by when the plan can still be kept"

    def said_twice(self, given: HandOver) -> bool:
        """Whether a miss was said before, and no payment was taken back since. To be asked of each that was accepted,
        once and in their order."""
        own = _OWN.fullmatch(given.key.partition("~")[2].partition("#")[0])
        if own is None or own["message"] != MISSED:
            return False
        zone = ZoneInfo(self.history.fed_by(given.borrower_id, given.reserved_at).zone or "UTC")
        days = [stated.near(given.reserved_at.astimezone(zone).date()) for stated in read(given.text).dates]
        key = given.borrower_id, own["plan"], min((day for day in days if day is not None), default=date.min)
        self._missed[key] += 1
        taken_back = sum(
            event["type"] in ("payment.returned", "payment.reversed")
            for event in self.history.events_until(given.borrower_id, given.reserved_at)
        )
        return self._missed[key] > 1 + taken_back

    # ── Kept to ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _live(self, borrower_id: str, at: datetime, known: Known) -> list[Repayment]:
        return [plan for plan in self.plans.get(borrower_id, ()) if self._is_live(plan, at, known)]

    def _is_live(self, plan: Repayment, at: datetime, known: Known) -> bool:
        """Whether it was agreed by then, and is kept to: what is the oldest of it may be late by grace and cure."""
        left = self._left(plan, at)
        statuses = {known.loans[loan_id].status for loan_id in plan.loan_ids if loan_id in known.loans}
        if plan.agreed_at > at or not left or statuses - {"open"}:
            return False
        last = left[0][0] + timedelta(days=1 + self.days.grace + self.days.cure)
        return at < self._midnight(known, last)

    def _left(self, plan: Repayment, at: datetime) -> list[tuple[date, Decimal]]:
        """What is unpaid of it by the payments that were told until then, the oldest first."""
        paid = self._paid(plan, at)
        left = []
        for day, amount in plan.dues:
            used = min(paid, amount)
            paid -= used
            if amount > used:
                left.append((day, amount - used))
        return left

    def _paid(self, plan: Repayment, at: datetime) -> Decimal:
        came: dict[str, Decimal] = {}
        for event in self.history.events_until(plan.borrower_id, at):
            payment, loan = event.get("payment"), event.get("loan")
            if not isinstance(payment, dict) or not isinstance(loan, dict) or loan.get("loan_id") not in plan.loan_ids:
                continue
            payment_id = str(payment.get("payment_id", ""))
            if event["type"] in ("payment.returned", "payment.reversed"):
                came[payment_id] = ZERO
            elif (
                event["type"] in ("payment.applied", "payment.backdated")
                and instant(event.get("occurred_at"), "occurred_at") >= plan.agreed_at
            ):
                came.setdefault(payment_id, decimal_of(payment.get("amount")))
        return sum(came.values(), ZERO)

    def _midnight(self, known: Known, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=ZoneInfo(known.zone or "UTC"))


def _plan(detail: Mapping[str, Any]) -> Repayment:
    instalments = detail.get("instalments") or ()
    return Repayment(
        plan_id=str(detail.get("plan_id", "")),
        borrower_id=str(detail.get("borrower_id", "")),
        loan_ids=frozenset(map(str, detail.get("loan_ids") or ())),
        agreed_at=instant(detail.get("agreed_at"), "agreed_at"),
        debt=_amount(detail.get("debt")),
        total=_amount(detail.get("total")),
        dues=tuple((date.fromisoformat(str(each["due_on"])), _amount(each["amount"])) for each in instalments),
        principal=sum((_amount(each["principal"]) for each in instalments), ZERO),
    )


def _amount(said: object) -> Decimal:
    return Decimal(str(said).partition(" ")[0])


def _offers(reading: Reading, first: Decimal, whole: Decimal, day: date) -> bool:
    values = [stated.value for stated in reading.amounts]
    pairs = zip(values[::2], values[1::2], strict=False)
    return (first, whole) in pairs and any(stated.is_day(day) for stated in reading.dates)


def _states(reading: Reading, day: date, amount: Decimal) -> bool:
    return any(stated.value == amount for stated in reading.amounts) and any(each.is_day(day) for each in reading.dates)
