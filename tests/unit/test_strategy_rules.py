"""What a contact strategy asks beyond its stages: the gap between messages, who is left out, fees that are not said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from dunlin.content.model import Content, Served
from dunlin.domain.actions import Request, Skip, Wait
from dunlin.domain.apply import apply
from dunlin.domain.borrower import Contact
from dunlin.domain.decide import decide
from dunlin.domain.holdout import is_held_out
from dunlin.domain.permit import Allowed, Later, permit
from dunlin.domain.policy import Holdout, Strategy
from dunlin.domain.review import Ready, Stop, review
from dunlin.domain.words import MessageState, Product, Purpose, Reason
from dunlin.services.contacts import Denied, Reserved

from tests.builders import (
    DAY,
    NOW,
    TODAY,
    House,
    a_borrower,
    a_contact,
    a_loan,
    a_message,
    a_pack,
    a_party,
    a_policy,
    a_stage,
    a_strategy,
    an_overdue,
    loan_document,
    overdue_document,
    shipped_content,
)
from tests.unit.test_decide import mark

CONTENT = shipped_content()
#: Without caps of the place, so that nothing but the strategy's own gap can bind.
NO_CAPS = a_policy(pack=a_pack(caps=()))
GAP = a_strategy(min_gap_days=2)


def with_strategies(*changed: Strategy) -> Content:
    """The shipped content with other strategies for every product."""
    places = frozenset({"US", "CN", "GB"})
    return replace(
        CONTENT, strategies=tuple(Served(places, frozenset(Product), each) for each in changed), _strategies={}
    )


# ── The gap ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class TestTheGap:
    def permit(self, strategy: Strategy, contacts: Sequence[Contact], purpose: Purpose = Purpose.SERVICING) -> object:
        borrower = a_borrower(a_loan(), contacts=tuple(contacts))
        party = borrower.parties[0]
        return permit(borrower, party, party.points[0], borrower.loans, purpose, strategy, NO_CAPS, NOW)

    @pytest.mark.parametrize("purpose", [Purpose.SERVICING, Purpose.COLLECTION])
    @pytest.mark.parametrize("channel", ["sms", "email", "push"])
    @pytest.mark.parametrize("earlier", [Purpose.SERVICING, Purpose.COLLECTION])
    def test_between_any_two_of_our_own(self, purpose: Purpose, channel: str, earlier: Purpose) -> None:
        told = a_contact(NOW - DAY, channel=channel, purpose=earlier)
        answer = self.permit(GAP, [told], purpose)
        assert answer == Later(NOW + DAY, Reason.CAP, "strategy.test.min_gap")

    @pytest.mark.parametrize(
        "contact",
        [
            a_contact(NOW - DAY, channel="call"),
            a_contact(NOW - DAY, channel="agency"),
            a_contact(NOW - DAY, channel="letter"),
            a_contact(NOW - DAY, purpose=Purpose.REPLY),
            a_contact(NOW - DAY, purpose=Purpose.MANDATORY),
            a_contact(NOW - 2 * DAY),
            a_contact(NOW - DAY, party_id="p-2"),
        ],
        ids=["a call", "an agency's", "a letter", "an answer", "a notice", "long enough ago", "somebody else's"],
    )
    def test_what_does_not_count(self, contact: Contact) -> None:
        borrower = a_borrower(a_loan(), contacts=(contact,), parties=(a_party(), a_party(party_id="p-2", points=())))
        party = borrower.parties[0]
        answer = permit(borrower, party, party.points[0], borrower.loans, Purpose.SERVICING, GAP, NO_CAPS, NOW)
        assert isinstance(answer, Allowed)

    def test_an_answer_needs_no_gap(self) -> None:
        assert isinstance(self.permit(GAP, [a_contact(NOW - DAY)], Purpose.REPLY), Allowed)

    def test_without_one_nothing_changes(self) -> None:
        assert a_strategy().caps == ()
        assert isinstance(self.permit(a_strategy(), [a_contact(NOW - timedelta(minutes=1))]), Allowed)

    def test_it_narrows_and_never_widens(self) -> None:
        """The pack's caps go on beside it; what holds longest is the reason."""
        borrower = a_borrower(a_loan(), contacts=(a_contact(NOW - timedelta(hours=1)),))
        party = borrower.parties[0]
        answer = permit(borrower, party, party.points[0], borrower.loans, Purpose.SERVICING, GAP, a_policy(), NOW)
        assert isinstance(answer, Later)
        assert answer.rule == "strategy.test.min_gap"
        daily = replace(GAP, min_gap_days=1)
        monthly = a_policy(pack=a_pack(caps=(replace(a_pack().caps[0], basis="rolling", days=30),)))
        answer = permit(borrower, party, party.points[0], borrower.loans, Purpose.SERVICING, daily, monthly, NOW)
        assert isinstance(answer, Later)
        assert answer.rule == "cap"

    def test_a_reminder_waits_and_then_passes_with_its_reason(self) -> None:
        borrower = a_borrower(a_loan(), contacts=(a_contact(NOW - timedelta(hours=30)),))
        decision = decide(borrower, GAP, NO_CAPS, NOW)
        (wait,) = [action for action in decision.actions if isinstance(action, Wait)]
        assert (wait.stage.stage_id, wait.reason, wait.rule) == ("today", Reason.CAP, "strategy.test.min_gap")
        assert wait.until == datetime(2026, 6, 2, 13, 0, tzinfo=UTC)  # 18 hours from now, and then nine in the morning
        waiting = apply(borrower, decision.actions, NO_CAPS, NOW).borrower
        (skip,) = [a for a in decide(waiting, GAP, NO_CAPS, NOW + 2 * DAY).actions if isinstance(a, Skip)]
        assert (skip.stage.stage_id, skip.reason) == ("today", Reason.CAP)

    def test_at_the_reservation_too(self) -> None:
        """What was told since the message was asked for counts."""
        message = a_message(not_after=NOW + timedelta(hours=4))
        asked = a_borrower(a_loan())
        assert isinstance(review(asked, message, GAP, NO_CAPS, NOW), Ready)
        told = replace(asked, contacts=(a_contact(NOW - DAY),))
        assert review(told, message, GAP, NO_CAPS, NOW) == Stop(Reason.CAP, "strategy.test.min_gap")

    def test_in_the_house(self) -> None:
        """Medical: three days before the due date of one loan, and of another the day after."""
        house = House()
        house.know(
            "b-1",
            loan_document(due_on=TODAY + 3 * DAY, product="medical"),
            loan_document("l-2", TODAY + 4 * DAY, product="medical"),
        )
        house.run_days(5)
        told = [(m.stage, str(m.due_on)) for m in house.messages() if m.reserved_at]
        sent = sorted(m.reserved_at for m in house.messages() if m.reserved_at)
        assert ("reminder_3", "2026-06-04") in told
        assert all(later - earlier >= 2 * DAY for earlier, later in pairwise(sent))
        house.run_days(3)
        house.check_ends()
        assert {m.reason for m in house.messages() if m.state is MessageState.SUPPRESSED} >= {Reason.CAP}

    @pytest.mark.parametrize(("channel", "denied"), [("sms", True), ("call", False)])
    def test_what_others_want_to_send(self, channel: str, denied: bool) -> None:
        house = House(content=with_strategies(replace(GAP, stages=served("card").stages)))
        house.know("b-1", loan_document(due_on=TODAY))
        house.sent()
        house.clock.now += DAY
        house.tell("loan.snapshot", loan=house.loan_now(overdue=overdue_document("120.50")))
        answer = house.contacts.reserve("b-1", "r-1", channel, Purpose.COLLECTION, ("l-1",))
        if denied:
            assert isinstance(answer, Denied)
            assert (answer.reason, answer.rule) == (Reason.CAP, "strategy.test.min_gap")
        else:
            assert isinstance(answer, Reserved)


def served(strategy_id: str) -> Strategy:
    return next(each.strategy for each in CONTENT.strategies if each.strategy.strategy_id == strategy_id)


# ── Who is left out ──────────────────────────────────────────────────────────────────────────────────────────────────

MANY = [f"b-{number:05d}" for number in range(20_000)]


class TestTheHoldout:
    def test_by_hash_and_by_nothing_else(self) -> None:
        """Who is left out today is left out in every process and in every year: this list never changes."""
        assert [name for name in MANY[:100] if is_held_out("card", name, 0.05)] == ["b-00036", "b-00042", "b-00066"]
        share = int(hashlib.sha256(b"card/b-00001").hexdigest()[:16], 16) / 2**64
        assert is_held_out("card", "b-00001", share + 1e-9)
        assert not is_held_out("card", "b-00001", share - 1e-9)

    @pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.2])
    @pytest.mark.parametrize("strategy_id", ["card", "standard", "medical"])
    def test_as_many_as_it_says(self, strategy_id: str, share: float) -> None:
        """Within four standard deviations of a fair draw of twenty thousand."""
        count = sum(is_held_out(strategy_id, name, share) for name in MANY)
        spread = (len(MANY) * share * (1 - share)) ** 0.5
        assert abs(count - len(MANY) * share) < 4 * spread

    def test_more_are_left_out_never_others(self) -> None:
        few = {name for name in MANY if is_held_out("card", name, 0.02)}
        assert few < {name for name in MANY if is_held_out("card", name, 0.2)}
        assert few != {name for name in MANY if is_held_out("standard", name, 0.02)}

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_nobody_and_everybody(self, share: float) -> None:
        assert {is_held_out("card", name, share) for name in MANY[:500]} == {share == 1.0}

    def test_it_ends_with_a_reason(self) -> None:
        strategy = a_strategy(holdout=Holdout(1.0, frozenset({"before"})))
        decision = decide(a_borrower(a_loan(due_on=TODAY + 2 * DAY)), strategy, a_policy(), NOW)
        (skip,) = decision.actions
        assert isinstance(skip, Skip)
        assert (skip.stage.stage_id, skip.reason, skip.rule) == ("before", Reason.HOLDOUT, "strategy.test.holdout")
        assert decision.wake_at is not None

    @pytest.mark.parametrize("status", ["told", "requested", "over"])
    def test_what_was_said_was_said(self, status: str) -> None:
        strategy = a_strategy(holdout=Holdout(1.0, frozenset({"before"})))
        borrower = a_borrower(a_loan(due_on=TODAY + 2 * DAY), marks=(mark("before", status, due=2),))
        assert decide(borrower, strategy, a_policy(), NOW).actions == ()

    def test_what_was_waiting_ends(self) -> None:
        strategy = a_strategy(holdout=Holdout(1.0, frozenset({"before"})))
        waiting = mark("before", "waiting", due=2, reason=Reason.CAP)
        (skip,) = decide(
            a_borrower(a_loan(due_on=TODAY + 2 * DAY), marks=(waiting,)), strategy, a_policy(), NOW
        ).actions
        assert isinstance(skip, Skip)
        assert skip.reason is Reason.HOLDOUT

    @pytest.mark.parametrize(
        "changes",
        [
            {"with_person_to": None, "contacts": (a_contact(NOW - DAY),)},
            {"parties": (a_party(locale="zh-CN"),)},
            {"zone": "Asia/Shanghai"},
            {"version": 7},
        ],
    )
    def test_nothing_about_the_borrower_matters(self, changes: dict[str, Any]) -> None:
        strategy = a_strategy(holdout=Holdout(0.1, frozenset({"before"})))
        for name in MANY[:60]:
            borrower = a_borrower(a_loan(due_on=TODAY + 2 * DAY), borrower_id=name, **changes)
            held_out = any(
                isinstance(action, Skip) and action.reason is Reason.HOLDOUT
                for action in decide(borrower, strategy, a_policy(), NOW).actions
            )
            assert held_out == is_held_out("test", name, 0.1)

    def test_only_the_stages_it_names(self) -> None:
        strategy = a_strategy(holdout=Holdout(1.0, frozenset({"before"})))
        (request,) = decide(a_borrower(a_loan()), strategy, a_policy(), NOW).actions[-1:]
        assert isinstance(request, Request)
        assert request.stage.stage_id == "today"

    @pytest.mark.parametrize(("share", "reason"), [(0.0, None), (1.0, Reason.HOLDOUT)])
    def test_it_is_asked_for_again_at_the_reservation(self, share: float, reason: Reason | None) -> None:
        """Another release, or another mix of loans, may have put them among those left out since the request."""
        strategy = a_strategy(holdout=Holdout(share, frozenset({"today"})))
        answer = review(a_borrower(a_loan()), a_message(), strategy, a_policy(), NOW)
        assert (answer.reason if isinstance(answer, Stop) else None) is reason
        if isinstance(answer, Stop):
            assert answer.rule == "strategy.test.holdout"

    def test_in_the_house(self) -> None:
        """One of each: who is left out hears nothing on that day and everything afterwards."""
        out, sent = (next(n for n in MANY if is_held_out("card", n, 0.05) is held) for held in (True, False))
        house = House()
        for name, phone in ((out, "+12125550123"), (sent, "+12125550124")):
            party = {
                "party_id": f"p-{name}", "role": "primary", "name": "Jo Doe", "locale": "en-US", "phone": phone,
                "may_hear": ["servicing", "collection"],
            }  # fmt: skip
            house.know(name, loan_document(due_on=TODAY + 5 * DAY, product="card"), parties=[party])
        house.run_days(6)
        house.check_ends()
        stages = {
            name: [(m.stage, m.state) for m in house.messages(name) if m.stage.startswith("reminder")]
            for name in (out, sent)
        }
        assert stages[out] == [("reminder_5", MessageState.SUPPRESSED), ("reminder_1", MessageState.DELIVERED)]
        assert stages[sent] == [("reminder_5", MessageState.DELIVERED), ("reminder_1", MessageState.DELIVERED)]
        (left_out,) = [m for m in house.messages(out) if m.stage == "reminder_5"]
        assert (left_out.reason, left_out.rule) == (Reason.HOLDOUT, "strategy.card.holdout")
        assert (left_out.strategy_id, left_out.point, left_out.body) == ("card", "", "")


# ── Fees ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class TestLateFees:
    @pytest.mark.parametrize("states", [True, False])
    def test_the_statement(self, states: bool) -> None:
        loan = a_loan(due_on=TODAY - 4 * DAY, overdue=an_overdue("132.50", "12.00"))
        strategy = a_strategy(
            states_late_fees=states,
            stages=(a_stage("before", -2), a_stage("late", 4, purpose=Purpose.COLLECTION), *a_strategy().stages[3:]),
        )
        message = a_message(
            stage="late", purpose=Purpose.COLLECTION, due_on=TODAY - 4 * DAY, mark_ids=(), not_after=NOW + 4 * DAY
        )
        ready = review(a_borrower(loan), message, strategy, NO_CAPS, NOW)
        assert isinstance(ready, Ready)
        assert ready.statement is not None
        assert loan.overdue is not None
        assert ready.statement.total == loan.overdue.total
        assert ready.statement.fees == (loan.overdue.fees if states else None)

    @pytest.mark.parametrize("jurisdiction", ["US-NY", "GB", "CN"])
    @pytest.mark.parametrize(("product", "stated"), [("instalment", True), ("medical", False)])
    def test_in_words(self, jurisdiction: str, product: str, stated: bool) -> None:
        """The whole total either way, and the words carry exactly what they were given."""
        currency = {"US-NY": "USD", "GB": "GBP", "CN": "CNY"}[jurisdiction]
        house = House()
        party = {
            "party_id": "p-1", "role": "primary", "name": "Jo Doe", "may_hear": ["servicing", "collection"],
            "locale": {"US-NY": "en-US", "GB": "en-GB", "CN": "zh-CN"}[jurisdiction],
            "phone": {"US-NY": "+12125550123", "GB": "+441134960001", "CN": "+8613491234567"}[jurisdiction],
            "email": "jo@example.com",
            "phone_verified_at": NOW.isoformat(), "email_verified_at": NOW.isoformat(),
        }  # fmt: skip
        loan = loan_document(
            due_on=TODAY - 16 * DAY,
            currency=currency,
            product=product,
            overdue=overdue_document("132.50", fees="12.00"),
        )
        zone = {"US-NY": "America/New_York", "GB": "Europe/London", "CN": "Asia/Shanghai"}[jurisdiction]
        house.know("b-1", loan, jurisdiction=jurisdiction, zone=zone, parties=[party])
        house.run_until(NOW + DAY)
        (message,) = [m for m in house.messages() if m.stage == "tier_1" and m.reserved_at]
        assert "132.50" in message.body
        assert ("12.00" in message.body) is stated
        assert {figure.name for figure in message.figures} >= {"total"}
        assert ("fees" in {figure.name for figure in message.figures}) is stated
        assert message.channel == ("email" if product == "medical" else "sms")
