"""Any mix of products: one strategy at a time, one message for a due date, and nothing that waits for ever."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from dunlin.domain.actions import Action, OpenCase, Request
from dunlin.domain.apply import apply, pruned, with_contact
from dunlin.domain.borrower import Borrower, Contact, Instalment, Loan
from dunlin.domain.decide import decide
from dunlin.domain.following import pinned_strategy, products_of
from dunlin.domain.message import Message
from dunlin.domain.policy import Conditions, Strategy
from dunlin.domain.statement import days_past_due
from dunlin.domain.words import CaseStatus, LoanStatus, MessageState, Product, Reason
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    EMAIL_POINT,
    NOW,
    TODAY,
    a_borrower,
    a_loan,
    a_pack,
    a_party,
    a_point,
    a_policy,
    shipped_content,
    usd,
)

CONTENT = shipped_content()
TEMPLATES = ("reminder", "early_help", "due_today", "grace", "tier_1", "tier_2", "tier_3", "tier_3_guarantor")
POLICY = a_policy(
    pack=a_pack(jurisdiction="US-NY"),
    locales=frozenset((name, "en-US") for name in TEMPLATES),
    conditions=Conditions(feed_complete_to=NOW + timedelta(days=3650)),
)
HOUR = timedelta(hours=1)


def followed_by(borrower: Borrower) -> Strategy:
    strategy = CONTENT.strategy(borrower.jurisdiction, products_of(borrower), pinned_strategy(borrower))
    assert strategy is not None
    return strategy


@dataclass
class Life:
    """A borrower whose loans come, are paid and go, looked at from time to time; what is asked for is told at once."""

    borrower: Borrower
    now: datetime = NOW
    messages: list[Message] = field(default_factory=list)
    case_under: dict[int, str] = field(default_factory=dict)

    def look(self) -> None:
        for of_the_case in (False, True):
            strategy = followed_by(self.borrower)
            decision = decide(self.borrower, strategy, POLICY, self.now)
            actions = decision.case_actions if of_the_case else decision.actions
            self._check(actions, strategy)
            applied = apply(self.borrower, actions, POLICY, self.now)
            self.borrower = applied.borrower
            for message in applied.messages:
                self.messages.append(message)
                if message.state is MessageState.REQUESTED:
                    self._told(message)
            case = self.borrower.case
            if case is not None and case.status is CaseStatus.OPEN:
                # Whatever else came or went: a case has one strategy from its first day to its last.
                assert self.case_under.setdefault(case.episode, case.strategy_id) == case.strategy_id
                assert followed_by(self.borrower).strategy_id == case.strategy_id
        self.borrower = pruned(self.borrower, self.now)

    def _told(self, message: Message) -> None:
        told = tuple(replace(m, status="told") if m.status == "requested" else m for m in self.borrower.marks)
        contact = Contact(
            message.ref,
            self.now,
            self.now + HOUR,
            str(message.channel),
            message.purpose,
            message.loan_ids,
            message.party_id,
            message.point,
        )
        self.borrower = with_contact(replace(self.borrower, marks=told), contact)

    def _check(self, actions: tuple[Action, ...], strategy: Strategy) -> None:
        requests = [action for action in actions if isinstance(action, Request)]
        assert len(requests) <= 1
        for request in requests:
            assert request.stage in strategy.stages
            gap = timedelta(days=strategy.min_gap_days)
            assert not gap or all(told.felt_until + gap <= self.now for told in self.borrower.contacts)
            if request.episode:
                continue
            # Of whatever products they are: what falls due on one day is in one message.
            due = [
                loan.loan_id
                for loan in self.borrower.loans
                if loan.status is LoanStatus.OPEN
                and loan.instalments
                and loan.instalments[0].due_on == request.due_on
                and (self.borrower.with_person_to is None or request.due_on > self.borrower.with_person_to)
            ]
            assert sorted(loan.loan_id for loan in request.loans) == sorted(due)
        for action in actions:
            if isinstance(action, OpenCase):
                assert action.strategy_id == strategy.strategy_id


def opened(number: int, product: Product, due_in: int, now: datetime) -> Loan:
    due_on = now.date() + timedelta(days=due_in)
    months = tuple(Instalment(n, due_on + timedelta(days=30 * n), usd("10.00")) for n in range(3))
    return a_loan(f"l-{number}", due_on, product=product, instalments=months, as_of=now)


products = st.sampled_from(Product)
dues = st.integers(-20, 25)
#: A loan opens; one is paid its oldest instalment, closed, or sold; or days go by.
steps = st.one_of(
    st.tuples(st.just("opens"), products, dues),
    st.tuples(st.sampled_from(["pays", "closes", "leaves"]), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("waits"), st.integers(1, 200), st.integers(0, 59)),
    st.tuples(st.just("waits"), st.integers(1, 40), st.integers(0, 59)),
)


def live(life: Life, step: tuple[str, object, object]) -> None:
    what, which, more = step
    loans = life.borrower.loans
    match what:
        case "opens" if isinstance(which, Product) and isinstance(more, int) and len(loans) < 5:
            fresh = opened(len(loans), which, more, life.now)
            life.borrower = replace(life.borrower, loans=(*loans, fresh))
        case "waits" if isinstance(which, int) and isinstance(more, int):
            life.now += timedelta(hours=which, minutes=more)
        case "pays" | "closes" | "leaves" if isinstance(which, int) and which < len(loans):
            old = loans[which]
            status = {"closes": LoanStatus.CLOSED, "leaves": LoanStatus.SOLD}.get(what, old.status)
            after = replace(old, instalments=old.instalments[1:] if what == "pays" else old.instalments, status=status)
            life.borrower = replace(life.borrower, loans=(*loans[:which], after, *loans[which + 1 :]))
        case _:
            pass


@settings(max_examples=150)
@given(products, dues, st.lists(steps, min_size=4, max_size=25))
def test_any_mix_of_products(first: Product, due_in: int, lived: list[tuple[str, object, object]]) -> None:
    party = a_party(points=(a_point(), EMAIL_POINT))
    life = Life(a_borrower(opened(0, first, due_in, NOW), parties=(party,)))
    life.look()
    for step in lived:
        live(life, step)
        life.look()

    # One occasion, one key; one stage of one due date, told once, whichever strategies have it.
    assert len({message.key for message in life.messages}) == len(life.messages)
    told = Counter(m for message in life.messages if message.reason is Reason.STAGE_DUE for m in message.mark_ids)
    assert not told or max(told.values()) == 1

    # Everything is closed, and a case that is open ends: nothing is left waiting, whoever's stage it was.
    closed = tuple(replace(loan, status=LoanStatus.CLOSED) for loan in life.borrower.loans)
    life.borrower = replace(life.borrower, loans=closed)
    life.now += timedelta(minutes=1)
    life.look()
    life.look()
    assert {mark.status for mark in life.borrower.marks} <= {"told", "over", "unsent"}
    for message in life.messages:
        assert message.state in (MessageState.REQUESTED, MessageState.SUPPRESSED)
        assert message.reason
    assert not (life.borrower.case is not None and life.borrower.case.status is CaseStatus.OPEN)


@settings(max_examples=100)
@given(st.lists(products, min_size=1, max_size=5), st.lists(products, max_size=3))
def test_the_one_that_leads_is_the_highest_of_its_own(held: list[Product], more: list[Product]) -> None:
    """Whichever order they come in; and another loan can only hand on to one that leads it."""
    leading = CONTENT.strategy("US-NY", frozenset(held))
    assert leading is not None
    alone = [CONTENT.strategy("US-NY", frozenset({product})) for product in held]
    assert leading.precedence == max(each.precedence for each in alone if each is not None)
    wider = CONTENT.strategy("US-NY", frozenset((*held, *more)))
    assert wider is not None
    assert wider.precedence >= leading.precedence


@settings(max_examples=60)
@given(st.sets(products, min_size=1), st.integers(-20, 80))
def test_a_case_opens_under_the_latest_of_the_mix(held: set[Product], days: int) -> None:
    """Nobody with two loans is escalated sooner than with the gentler one of them alone."""
    loans = tuple(opened(n, product, -days, NOW) for n, product in enumerate(sorted(held)))
    borrower = a_borrower(*loans)
    strategy = followed_by(borrower)
    opens = any(isinstance(action, OpenCase) for action in decide(borrower, strategy, POLICY, NOW).actions)
    assert opens == (days_past_due(loans[0], TODAY, TODAY) >= strategy.tiers_from)
    alone = [CONTENT.strategy("US-NY", frozenset({product})) for product in held]
    assert strategy.tiers_from == max(each.tiers_from for each in alone if each is not None)
