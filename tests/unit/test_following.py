"""One borrower, one strategy: which leads, that a case keeps its own, and that nothing waits under one that went."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.adapters.dynamo.store import _borrowers, _messages, _parsed
from dunlin.content.model import Served
from dunlin.domain.actions import EndCase, OpenCase, Skip
from dunlin.domain.apply import apply
from dunlin.domain.borrower import Borrower, Case
from dunlin.domain.decide import decide
from dunlin.domain.following import pinned_strategy, products_of
from dunlin.domain.words import CaseOutcome, CaseStatus, LoanStatus, MessageState, Product, Purpose, Reason
from dunlin.entry.core_events import parse_core_event
from dunlin.errors import InvalidInput
from dunlin.services.policies import strategy_of

from tests.builders import (
    DAY,
    NOW,
    TODAY,
    House,
    a_borrower,
    a_loan,
    a_message,
    a_policy,
    a_strategy,
    loan_document,
    overdue_document,
    shipped_content,
)
from tests.unit.test_decide import mark

CARD, INSTALMENT = Product.CARD, Product.INSTALMENT
EDUCATION, MEDICAL, MORTGAGE = Product.EDUCATION, Product.MEDICAL, Product.MORTGAGE
CONTENT = shipped_content()


def led_by(*products: Product, pinned: str = "", jurisdiction: str = "US-NY") -> str:
    strategy = CONTENT.strategy(jurisdiction, frozenset(products), pinned)
    return strategy.strategy_id if strategy is not None else ""


def a_case(**changes: object) -> Case:
    return replace(Case(1, 1, CaseStatus.OPEN, TODAY, NOW, strategy_id="card"), **changes)  # type: ignore[arg-type]


class TestTheOneThatLeads:
    @pytest.mark.parametrize(
        ("products", "leads"),
        [
            ((CARD,), "card"),
            ((INSTALMENT,), "standard"),
            ((EDUCATION,), "education"),
            ((MEDICAL,), "medical"),
            ((MORTGAGE,), "mortgage"),
            ((CARD, INSTALMENT), "card"),
            ((INSTALMENT, EDUCATION), "education"),
            ((CARD, MEDICAL, EDUCATION), "medical"),
            ((MORTGAGE, EDUCATION), "mortgage"),
            (tuple(Product), "medical"),
        ],
    )
    @pytest.mark.parametrize("jurisdiction", ["CN", "US-MA", "US-NY", "GB", "AU", "KR", "IN", "ID", "PH"])
    def test_the_highest_precedence(self, products: tuple[Product, ...], leads: str, jurisdiction: str) -> None:
        assert led_by(*products, jurisdiction=jurisdiction) == leads

    def test_a_named_one_whatever_the_products_are(self) -> None:
        assert led_by(MORTGAGE, pinned="card") == "card"

    @pytest.mark.parametrize("pinned", ["gone", "Card", ""])
    def test_one_that_is_gone_is_not_waited_for(self, pinned: str) -> None:
        assert led_by(CARD, MEDICAL, pinned=pinned) == "medical"

    def test_a_named_one_that_does_not_serve_the_place(self) -> None:
        at_home = replace(served("card"), jurisdictions=frozenset({"GB"}))
        content = replace(CONTENT, strategies=(at_home, served("medical")), _strategies={})
        moved = content.strategy("US-NY", frozenset({MEDICAL}), "card")
        assert moved is not None
        assert moved.strategy_id == "medical"

    def test_where_nobody_has_any(self) -> None:
        assert led_by(CARD, jurisdiction="XX") == ""
        assert CONTENT.strategies_in("XX") == ()

    def test_a_loan_without_a_strategy_leaves_none(self) -> None:
        """Nobody planned how such a borrower is contacted, so the other loan's strategy does not step in."""
        content = replace(CONTENT, strategies=(served("card"), served("mortgage")), _strategies={})
        assert content.strategy("US-NY", frozenset({CARD})) is not None
        assert content.strategy("US-NY", frozenset({CARD, MEDICAL})) is None

    def test_the_closest_place_before_the_precedence(self) -> None:
        own = replace(served("card"), jurisdictions=frozenset({"US-NY"}))
        near = replace(own, strategy=replace(own.strategy, strategy_id="card_ny", precedence=0))
        content = replace(CONTENT, strategies=(*CONTENT.strategies, near), _strategies={})
        for jurisdiction, expected in (("US-NY", "card_ny"), ("US-NYC", "card"), ("US-MA", "card")):
            found = content.strategy(jurisdiction, frozenset({CARD}))
            assert found is not None
            assert found.strategy_id == expected

    def test_all_of_a_place_the_leading_one_first(self) -> None:
        assert [each.strategy_id for each in CONTENT.strategies_in("CN")] == [
            "medical", "mortgage", "education", "card", "standard",
        ]  # fmt: skip


def served(strategy_id: str) -> Served:
    return next(each for each in CONTENT.strategies if each.strategy.strategy_id == strategy_id)


class TestWhatABorrowerFollows:
    @pytest.mark.parametrize(
        ("loans", "expected"),
        [
            ((), {INSTALMENT}),
            ((a_loan(product=CARD),), {CARD}),
            ((a_loan(product=CARD), a_loan("l-2", product=MORTGAGE)), {CARD, MORTGAGE}),
            ((a_loan(product=CARD), a_loan("l-2", product=MORTGAGE, status=LoanStatus.SOLD)), {CARD}),
            ((a_loan(product=MORTGAGE, status=LoanStatus.CLOSED),), {INSTALMENT}),
            # A mortgage of which nothing is owed for the moment is still a mortgage.
            ((a_loan(product=MORTGAGE, instalments=()), a_loan("l-2", product=CARD)), {CARD, MORTGAGE}),
        ],
    )
    def test_what_is_open(self, loans: tuple[object, ...], expected: set[Product]) -> None:
        assert products_of(a_borrower(*loans)) == expected  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("case", "expected"),
        [
            (None, ""),
            (a_case(), "card"),
            (a_case(strategy_id=""), ""),
            (a_case(status=CaseStatus.ENDED), ""),
        ],
    )
    def test_an_open_case_keeps_its_own(self, case: Case | None, expected: str) -> None:
        assert pinned_strategy(a_borrower(case=case)) == expected

    def test_a_case_remembers_what_it_was_opened_under(self) -> None:
        opened = apply(a_borrower(), [OpenCase(TODAY, "card")], a_policy(), NOW).borrower.case
        assert opened == Case(1, 1, CaseStatus.OPEN, TODAY, NOW, strategy_id="card")

    def test_the_decision_says_under_which(self) -> None:
        late = a_borrower(a_loan(due_on=TODAY - timedelta(days=9)))
        assert OpenCase(TODAY - timedelta(days=9), "test") in decide(late, a_strategy(), a_policy(), NOW).actions


def followed(house: House) -> str:
    strategy = strategy_of(house.content, house.borrower())
    return strategy.strategy_id if strategy is not None else ""


def overdue(days: int, loan_id: str = "l-1", **changes: object) -> dict[str, object]:
    return loan_document(
        loan_id,
        TODAY - timedelta(days=days),
        overdue=overdue_document("120.50", fees="12.00"),
        **changes,  # type: ignore[arg-type]
    )


class TestAcrossALife:
    def test_a_case_is_carried_through_under_one_strategy(self) -> None:
        house = House()
        house.know("b-1", overdue(6, product="card"))
        assert followed(house) == "card"
        house.wake()
        case = house.borrower().case
        assert case is not None
        assert case.strategy_id == "card"
        mortgage = loan_document("l-2", TODAY + timedelta(days=40), product="mortgage")
        house._loans["b-1", "l-2"] = mortgage
        house.tell("loan.snapshot", loan=mortgage)
        assert followed(house) == "card"
        (first,) = [message for message in [house.sent()] if message.stage == "tier_1"]
        assert first.strategy_id == "card"
        house.run_days(11)
        told = [message.stage for message in house.messages() if message.state is MessageState.DELIVERED]
        assert told == ["tier_1", "tier_2"]  # on day 16; the mortgage's second tier is for day 25

        house.pay()
        house.run_days(1)
        ended = house.borrower().case
        assert ended is not None
        assert (ended.status, ended.outcome) == (CaseStatus.ENDED, CaseOutcome.CURED)
        assert followed(house) == "mortgage"

    def test_a_reminder_that_waited_ends_when_another_strategy_leads(self) -> None:
        """`reminder_5` is the card's; the mortgage that comes in the evening has none."""
        midnight = NOW.replace(hour=4)  # in New York: it waits for the morning
        house = House(midnight)
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=5), product="card", as_of=midnight))
        house.wake()
        (waiting,) = house.borrower().marks
        assert (waiting.stage, waiting.status) == ("reminder_5", "waiting")
        house.tell(
            "loan.snapshot", loan=loan_document("l-2", TODAY + timedelta(days=30), product="mortgage", as_of=midnight)
        )
        house.wake()
        assert followed(house) == "mortgage"
        assert "waiting" not in {mark.status for mark in house.borrower().marks if mark.stage == "reminder_5"}
        (ended,) = [message for message in house.messages() if message.stage == "reminder_5"]
        assert (ended.state, ended.reason, ended.rule) == (
            MessageState.SUPPRESSED, Reason.QUIET_HOURS, "strategy.stages",
        )  # fmt: skip
        assert ended.purpose is Purpose.SERVICING

    def test_one_that_is_on_its_way_is_judged_by_the_new_one(self) -> None:
        house = House()
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=5), product="card"))
        message = house.rendered()
        assert message.stage == "reminder_5"
        house.tell("loan.snapshot", loan=loan_document("l-2", TODAY + timedelta(days=30), product="mortgage"))
        house.send_rendered()
        ended = house.message(message)
        assert (ended.state, ended.reason) == (MessageState.SUPPRESSED, Reason.OVERTAKEN)
        house.run_days(2)
        house.check_ends()

    def test_a_stage_that_both_have_is_said_once(self) -> None:
        house = House()
        house.know("b-1", loan_document(due_on=TODAY, product="card"))
        house.sent()
        house.tell("loan.snapshot", loan=loan_document("l-2", TODAY + timedelta(days=30), product="education"))
        house.run_days(1)
        assert [message.stage for message in house.messages() if message.reserved_at] == ["due_today"]

    def test_a_product_without_a_strategy_is_silence(self) -> None:
        content = replace(CONTENT, strategies=(served("card"),), _strategies={})
        house = House(content=content)
        house.know("b-1", loan_document(product="card"), loan_document("l-2", product="medical"))
        house.wake()
        assert house.messages() == []

    def test_the_strategy_is_gone_in_the_middle_of_a_case(self) -> None:
        """A tier that was waiting under it ends with the case, though the strategy in its place does not know it."""
        case = a_case(due_on=TODAY - 20 * DAY, opened_at=NOW - DAY, strategy_id="gone")
        waiting = mark("tier_1b", "waiting", due=-20, episode=1, reason=Reason.CAP)
        borrower = a_borrower(a_loan(instalments=()), case=case, marks=(waiting,))
        decision = decide(borrower, a_strategy(), a_policy(), NOW)
        (skip, end) = decision.case_actions
        assert isinstance(skip, Skip)
        assert isinstance(end, EndCase)
        assert (skip.stage.stage_id, skip.stage.purpose, skip.reason) == ("tier_1b", Purpose.COLLECTION, Reason.PAID)
        after = apply(borrower, decision.case_actions, a_policy(), NOW)
        assert [m.status for m in after.borrower.marks] == ["over"]

    def test_what_was_waiting_after_the_due_date_ends_as_collection(self) -> None:
        late = a_borrower(a_loan(due_on=TODAY - 2 * DAY), marks=(mark("grace_b", "waiting", due=-2),))
        (ended,) = [a for a in decide(late, a_strategy(), a_policy(), NOW).actions if isinstance(a, Skip)][:1]
        assert (ended.stage.stage_id, ended.stage.purpose) == ("grace_b", Purpose.COLLECTION)


class TestWhatTheCoreSays:
    @pytest.mark.parametrize("product", list(Product))
    def test_a_product(self, product: Product) -> None:
        house = House()
        house.know("b-1", loan_document(product=str(product)))
        assert house.borrower().loans[0].product is product
        fact = house.store.records["b-1", "FACT#e-2"]["snapshot"]
        assert isinstance(fact, dict)
        assert fact["product"] == product

    def test_of_a_new_loan_nothing_is_said(self) -> None:
        house = House()
        house.know("b-1", loan_document())
        assert house.borrower().loans[0].product is INSTALMENT

    def test_a_known_loan_stays_what_it_was(self) -> None:
        """A core that names it in its daily file and not with each payment does not change it with each payment."""
        house = House()
        house.know("b-1", loan_document(product="card"))
        later = {name: value for name, value in house.loan_now().items() if name != "product"}
        house.tell("payment.applied", payment={"payment_id": "p-1", "amount": "1.00"}, loan=later)
        assert house.borrower().loans[0].sequence == 2
        assert house.borrower().loans[0].product is CARD
        house.tell("loan.snapshot", loan=later | {"sequence": 3, "product": "medical"})
        assert house.borrower().loans[0].product is MEDICAL

    def test_an_unknown_one_is_refused_by_name(self) -> None:
        document = {"event_id": "e-1", "type": "loan.snapshot", "occurred_at": NOW.isoformat(), "borrower_id": "b-1"}
        with pytest.raises(InvalidInput) as refused:
            parse_core_event(document | {"loan": loan_document(product="payday")})
        assert refused.value.field == "loan.product"
        assert "payday" not in str(refused.value)

    def test_an_import_is_told_by_the_strategy_that_leads_then(self) -> None:
        house = House()
        house.know("b-1")
        house.tell("portfolio.imported", loan=overdue(12, product="mortgage"))
        told = {mark.stage for mark in house.borrower().marks}
        assert told == {"reminder_14", "early_help", "reminder_3", "due_today", "grace", "tier_1"}


class TestStoredBefore:
    def borrower(self) -> Borrower:
        return a_borrower(a_loan(product=CARD), case=a_case())

    def test_a_borrower(self) -> None:
        """Earlier versions knew one kind of loan and one strategy."""
        document = json.loads(_borrowers().dump_json(self.borrower()))
        del document["loans"][0]["product"], document["case"]["strategy_id"]
        read = _parsed(_borrowers(), json.dumps(document))
        assert read.loans[0].product is INSTALMENT
        assert read.case is not None
        assert read.case.strategy_id == ""
        strategy = strategy_of(CONTENT, read)
        assert strategy is not None
        assert strategy.strategy_id == "standard"

    def test_as_it_is_written_now(self) -> None:
        assert _parsed(_borrowers(), _borrowers().dump_json(self.borrower()).decode()) == self.borrower()

    def test_a_message(self) -> None:
        document = json.loads(_messages().dump_json(a_message(strategy_id="card")))
        del document["strategy_id"]
        assert _parsed(_messages(), json.dumps(document)) == a_message()
