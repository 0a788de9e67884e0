"""Whatever is paid, taken back and told in whatever order: what a plan asks for is exact, and a miss is said once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from dunlin.domain.actions import Action, PlanMoves, PlanStep
from dunlin.domain.agreements import Credit, Plan, PlanStatus
from dunlin.domain.apply import apply
from dunlin.domain.borrower import Borrower, Instalment, Loan
from dunlin.domain.decide import decide
from dunlin.domain.money import total
from dunlin.domain.planned import LIVE, MISSED, agreed, credited, look_at_plans, open_dues, paid_towards, proposed
from dunlin.domain.plans import Debt, Offer, offers
from dunlin.domain.policy import Conditions
from dunlin.domain.words import Product, Purpose, StopSource
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import DAY, NOW, TODAY, a_borrower, a_loan, shipped_content, usd

CARD = frozenset({Product.INSTALMENT})


@st.composite
def chosen(draw: st.DrawFn) -> tuple[Offer, int]:
    policy = shipped_content().plan_policy("US-NY", CARD, TODAY)
    assert policy is not None
    cents = draw(st.integers(10_000, 250_000))
    found = offers(Debt(usd(f"{Decimal(cents) / 100:.2f}"), draw(st.integers(1, 120)), CARD), policy, TODAY)
    assert isinstance(found, tuple)
    return draw(st.sampled_from(found)), cents


@dataclass(frozen=True)
class Paid:
    """A payment, and whether it was taken back later."""

    payment_id: str
    cents: int
    day: int
    returned_after: int | None


payments = st.lists(
    st.builds(Paid, st.just(""), st.integers(1, 90_000), st.integers(0, 260), st.none() | st.integers(1, 20)),
    max_size=8,
).map(lambda found: [replace(each, payment_id=f"p-{number}") for number, each in enumerate(found)])


def of_plan(offer: Offer) -> Borrower:
    owed = Instalment(1, TODAY - 20 * DAY, offer.debt)
    loan = a_loan(instalments=(owed,))
    borrower = replace(a_borrower(loan), jurisdiction="US-NY")
    upkeep = shipped_content().plan_policy("US-NY", CARD, TODAY).upkeep  # type: ignore[union-attr]
    plan = proposed(offer, borrower.parties[0].party_id, (loan.loan_id,), "in-1", NOW, upkeep)
    stops = shipped_content().hold_rules("US-NY", TODAY)
    return agreed(borrower, plan, "plan.standard.automatic", NOW, StopSource.BORROWER, stops)


def the(borrower: Borrower) -> Plan:
    (plan,) = borrower.plans
    return plan


def facts(found: list[Paid]) -> list[tuple[datetime, Credit]]:
    told = []
    for each in found:
        at = NOW + each.day * DAY + timedelta(minutes=1)
        amount = usd(f"{Decimal(each.cents) / 100:.2f}")
        told.append((at, Credit(each.payment_id, amount, at)))
        if each.returned_after is not None:
            back = at + each.returned_after * DAY
            told.append((back, Credit(each.payment_id, amount, back, returned=True)))
    return told


@given(chosen(), payments, st.randoms(use_true_random=False))
def test_what_is_left_is_exact_in_whatever_order_and_however_often_payments_are_told(
    choice: tuple[Offer, int], found: list[Paid], order: object
) -> None:
    borrower = of_plan(choice[0])
    told = [credit for _, credit in facts(found)]
    told = [*told, *told]
    order.shuffle(told)  # type: ignore[attr-defined]
    for credit in told:
        borrower = credited(borrower, the(borrower).loan_ids[0], credit)
    plan = the(borrower)
    came = sum((each.cents for each in found if each.returned_after is None), 0)
    assert paid_towards(plan) == usd(f"{Decimal(came) / 100:.2f}")
    whole = total((due.amount for due in plan.instalments), "USD")
    left = total((due.amount for _, due in open_dues(borrower, plan)), "USD")
    assert left.amount == max(whole.amount - Decimal(came) / 100, Decimal(0))
    assert whole == choice[0].total
    assert [due.due_on for _, due in open_dues(borrower, plan)] == sorted(
        due.due_on for _, due in open_dues(borrower, plan)
    )


@settings(deadline=None)
@given(chosen(), payments)
def test_a_plan_ends_as_its_payments_have_it_each_miss_is_said_once_and_nobody_dunns_meanwhile(
    choice: tuple[Offer, int], found: list[Paid]
) -> None:
    content = shipped_content()
    policy = content.policy("US-NY", TODAY, Conditions())
    strategy = content.strategy("US-NY", CARD)
    assert policy is not None
    assert strategy is not None
    borrower = of_plan(choice[0])
    told = sorted(facts(found), key=lambda each: each[0])
    now, ends = NOW, NOW + 400 * DAY
    steps: list[tuple[datetime, PlanMoves]] = []
    while now < ends and the(borrower).status in LIVE:
        while told and told[0][0] <= now:
            borrower = credited(borrower, the(borrower).loan_ids[0], told.pop(0)[1])
        borrower = replace(borrower, loans=tuple(_as_of(loan, now) for loan in borrower.loans))
        decision = decide(borrower, strategy, policy, now)
        # While the plan is live no stage asks for what is in it, and no case begins.
        for action in (*decision.actions, *decision.case_actions):
            assert isinstance(action, PlanMoves) or _is_of_plan(action), action
        steps += [(now, action) for action in decision.actions if isinstance(action, PlanMoves)]
        borrower = apply(borrower, decision.actions, policy, now).borrower
        following = [decision.wake_at] if decision.wake_at is not None else []
        following += [at for at, _ in told[:1]]
        now = max(min(following, default=ends), now + timedelta(minutes=1))
    plan = the(borrower)
    misses = [step for _, step in steps if step.step is PlanStep.MISSED]
    said = [notice for notice in borrower.notices if notice.message == MISSED]
    assert plan.misses == len(misses)
    assert len({notice.notice_id for notice in said}) == len(said) <= len(misses)
    cures = [step for _, step in steps if step.step is PlanStep.CURED]
    # A miss is followed by its cure or by the end, and by no second word.
    assert len(misses) - len(cures) in (0, 1)
    for at, step in steps:
        if step.step is PlanStep.MISSED:
            due = plan.instalments[step.number - 1]
            assert at.date() >= due.due_on + timedelta(days=plan.upkeep.grace_days)
    if plan.status is PlanStatus.BROKEN:
        assert plan.missed_at is not None
        assert steps[-1][0] >= plan.missed_at + plan.upkeep.cure_days * DAY
    if plan.status is PlanStatus.KEPT:
        assert choice[0].total <= paid_towards(plan)
    assert plan.status not in LIVE  # every plan comes to an end


def _as_of(loan: Loan, now: datetime) -> Loan:
    return replace(loan, as_of=now, days_past_due=None)


def _is_of_plan(action: Action) -> bool:
    stage = getattr(action, "stage", None)
    return stage is not None and stage.kind == "notice" and stage.purpose in (Purpose.SERVICING, Purpose.COLLECTION)


@given(chosen(), st.integers(0, 20))
def test_looking_twice_brings_nothing_twice(choice: tuple[Offer, int], after: int) -> None:
    content = shipped_content()
    policy = content.policy("US-NY", TODAY, Conditions())
    assert policy is not None
    borrower = of_plan(choice[0])
    now = NOW + after * DAY
    borrower = replace(borrower, loans=tuple(_as_of(loan, now) for loan in borrower.loans))
    first: list[Action] = []
    look_at_plans(borrower, policy, now, first, [])
    for action in first:
        assert isinstance(action, PlanMoves)
    borrower = apply(borrower, first, policy, now).borrower
    again: list[Action] = []
    look_at_plans(borrower, policy, now, again, [])
    assert not [each for each in again if each in first]
    assert isinstance(the(borrower).instalments[0].due_on, date)
