"""The rules of keeping and forgetting, as pure functions: at their edges, and against each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dunlin.domain.borrower import Borrower, Case, Notice
from dunlin.domain.keeping import Erasure, Keeping, LegalHold, LegalLift
from dunlin.domain.ledger import verify
from dunlin.domain.message import Figure
from dunlin.domain.policy import Source
from dunlin.domain.retention import (
    ASKED_AGAIN,
    ErasureOutcome,
    Forget,
    Keep,
    RetentionRules,
    Term,
    asked_to_forget,
    deletion_digest,
    followed,
    held_for_law,
    is_erased,
    is_over,
    kept_until,
    may_be_granted,
    points_of,
    released_by_law,
    remembered,
    retention,
    tended,
    without_words,
    years_after,
)
from dunlin.domain.words import CaseStatus, HoldKind, LoanStatus, Purpose
from dunlin.errors import InvalidInput
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import DAY, NOW, TODAY, House, a_borrower, a_contact, a_loan, a_party, a_point, loan_document

LAW = Source("a law", "P")
SECOND = timedelta(seconds=1)


def rules(keep: int = 3, forget: int | None = 5, texts: int | None = None, *, live: bool = True) -> RetentionRules:
    return RetentionRules(
        "v1",
        live,
        Term("X.keep_records_years", keep, LAW),
        Term("own.X.forget_after_years", forget, LAW) if forget is not None else None,
        Term("own.X.keep_texts_days", texts, LAW) if texts is not None else None,
    )


def gone(ended_at: datetime = NOW, **keeping: Any) -> Borrower:
    """Somebody whose one loan was closed."""
    loan = a_loan(status=LoanStatus.CLOSED, instalments=(), as_of=ended_at)
    return a_borrower(loan, keeping=Keeping(ended_at=ended_at, **keeping))


def a_legal_hold(**changes: Any) -> LegalHold:
    return replace(LegalHold("lh-1", "M-1", NOW, "compliance"), **changes)


class TestWhenTheRelationshipEnds:
    @pytest.mark.parametrize(
        ("status", "over"),
        [
            (LoanStatus.OPEN, False),
            (LoanStatus.PLACED, False),
            (LoanStatus.CHARGED_OFF, False),
            (LoanStatus.CLOSED, True),
            (LoanStatus.SOLD, True),
        ],
    )
    def test_what_is_still_owed_to_us_is_open(self, status: LoanStatus, over: bool) -> None:
        assert is_over(a_borrower(a_loan("l-0", status=LoanStatus.CLOSED), a_loan(status=status))) is over

    def test_an_open_case_keeps_it_open(self) -> None:
        case = Case(1, 1, CaseStatus.OPEN, TODAY, NOW)
        borrower = replace(gone(), case=case)
        assert not is_over(borrower)
        assert tended(borrower, NOW).keeping.ended_at is None
        ended = replace(case, status=CaseStatus.ENDED, ended_at=NOW + DAY)
        assert tended(replace(borrower, case=ended), NOW + 2 * DAY).keeping.ended_at == NOW + DAY

    def test_the_core_says_when(self) -> None:
        before = a_borrower(a_loan())
        closed = replace(before, loans=(a_loan(status=LoanStatus.CLOSED, as_of=NOW + DAY),))
        after = followed(before, closed)
        assert after.keeping.ended_at == NOW + DAY
        told_again = replace(after, loans=(a_loan(status=LoanStatus.CLOSED, as_of=NOW + 90 * DAY),))
        assert followed(after, told_again).keeping.ended_at == NOW + DAY, "it ends once"

    def test_a_loan_that_came_and_went_ends_it_later(self) -> None:
        new = a_loan("l-2", status=LoanStatus.CLOSED, as_of=NOW + 40 * DAY)
        before = gone()
        assert followed(before, replace(before, loans=(*before.loans, new))).keeping.ended_at == NOW + 40 * DAY
        reopened = followed(before, replace(before, loans=(a_loan(),)))
        assert reopened.keeping.ended_at is None

    def test_who_never_had_a_loan_and_who_was_closed_before_this_was_remembered(self) -> None:
        assert tended(a_borrower(), NOW).keeping.ended_at == NOW
        assert tended(tended(a_borrower(), NOW), NOW + DAY).keeping.ended_at == NOW
        stored = replace(gone(NOW - 700 * DAY), keeping=Keeping())
        assert tended(stored, NOW).keeping.ended_at == NOW - 700 * DAY


class TestKeepOrForget:
    def test_at_the_edge(self) -> None:
        ends = years_after(NOW, 5)
        assert retention(gone(), rules(), ends - SECOND) == Keep("own.X.forget_after_years", ends, ends)
        assert retention(gone(), rules(), ends) == Forget("own.X.forget_after_years")

    def test_what_must_be_kept_counts_from_the_last_contact(self) -> None:
        borrower = gone(last_contact_at=NOW + 800 * DAY)
        until = years_after(NOW + 800 * DAY, 3)
        assert until > years_after(NOW, 5)
        assert retention(borrower, rules(), until - SECOND) == Keep("X.keep_records_years", until, until)
        assert isinstance(retention(borrower, rules(), until), Forget)
        shown = replace(gone(), contacts=(a_contact(NOW + 800 * DAY),))
        assert kept_until(shown, rules()) == (until, "X.keep_records_years"), "one that caps still count is one too"

    def test_a_rule_that_became_shorter_is_heard_of(self) -> None:
        answer = retention(gone(), rules(), NOW)
        assert answer == Keep("own.X.forget_after_years", years_after(NOW, 5), NOW + ASKED_AGAIN)

    def test_nothing_goes_by_rule_where_no_rule_says_so(self) -> None:
        answer = retention(gone(), rules(forget=None), years_after(NOW, 90))
        assert isinstance(answer, Keep)
        assert (answer.rule, answer.until) == ("X.keep_records_years", None)

    @pytest.mark.parametrize(
        ("borrower", "bound", "rule"),
        [
            (a_borrower(a_loan()), rules(), "loan.status"),
            (gone(legal_holds=(a_legal_hold(),)), rules(), "legal_hold"),
            (gone(), None, "pack"),
            (gone(), rules(live=False), "release"),
            (replace(gone(), keeping=Keeping(forgotten_at=NOW)), rules(), "forgotten"),
        ],
    )
    def test_what_keeps_everything(self, borrower: Borrower, bound: RetentionRules | None, rule: str) -> None:
        answer = retention(borrower, bound, years_after(NOW, 50))
        assert isinstance(answer, Keep)
        assert answer.rule == rule

    def test_words_that_are_kept_longer_keep_the_rest(self) -> None:
        assert kept_until(gone(), rules(texts=4000)) == (NOW + timedelta(days=4000), "own.X.keep_texts_days")

    def test_a_leap_day(self) -> None:
        assert years_after(datetime(2028, 2, 29, 12, tzinfo=UTC), 5) == datetime(2033, 3, 1, 12, tzinfo=UTC)
        with pytest.raises(ValueError, match="not ended"):
            kept_until(a_borrower(a_loan()), rules())

    @given(
        keep=st.integers(1, 12),
        longer=st.integers(0, 9),
        contact=st.one_of(st.none(), st.integers(-2000, 4000)),
        texts=st.one_of(st.none(), st.integers(1, 6000)),
        asked=st.booleans(),
        at=st.integers(0, 12_000),
    )
    def test_nothing_goes_before_the_law_lets_it_go(
        self, keep: int, longer: int, contact: int | None, texts: int | None, asked: bool, at: int
    ) -> None:
        last = NOW + contact * DAY if contact is not None else None
        erasure = Erasure("r", NOW, "borrower", NOW) if asked else None
        borrower = gone(last_contact_at=last, erasure=erasure)
        bound, moment = rules(keep, keep + longer, texts), NOW + at * DAY
        answer = retention(borrower, bound, moment)
        law = years_after(max(NOW, last or NOW), keep)
        if isinstance(answer, Forget):
            assert moment >= law
        else:
            assert answer.until is not None
            assert answer.ask_at is not None
            assert moment < answer.until
            assert moment < answer.ask_at <= answer.until
            if asked and texts is None:
                assert answer.until == law, "the lender's own longer wait does not bind whoever asks"
        held = replace(borrower, keeping=replace(borrower.keeping, legal_holds=(a_legal_hold(),)))
        assert isinstance(retention(held, bound, moment), Keep)


class TestLegalHold:
    def test_several_of_them(self) -> None:
        one = held_for_law(gone(), a_legal_hold(until=NOW + 9 * DAY))
        two = held_for_law(one, a_legal_hold(hold_id="lh-2", until=NOW + 5 * DAY))
        assert retention(two, rules(), NOW) == Keep("legal_hold", NOW + 9 * DAY, NOW + 5 * DAY)
        without_end = held_for_law(two, a_legal_hold(hold_id="lh-3"))
        assert retention(without_end, rules(), NOW) == Keep("legal_hold", None, NOW + 5 * DAY)
        assert isinstance(retention(two, rules(), years_after(NOW, 9)), Forget), "each ends at its end"

    def test_in_any_order(self) -> None:
        lift = LegalLift("lh-1", NOW + DAY, "compliance")
        forwards = released_by_law(held_for_law(gone(), a_legal_hold()), lift)
        backwards = held_for_law(released_by_law(gone(), lift), a_legal_hold())
        assert forwards.keeping.legal_holds == backwards.keeping.legal_holds == ()
        again = held_for_law(forwards, a_legal_hold(placed_at=NOW + 2 * DAY))
        assert [hold.placed_at for hold in again.keeping.legal_holds] == [NOW + 2 * DAY]
        assert held_for_law(again, a_legal_hold(placed_at=NOW + 1.5 * DAY)) == again, "a newer word is known"
        late = released_by_law(again, lift)
        assert late.keeping.legal_holds == again.keeping.legal_holds, "a lift from before lifts nothing newer"

    def test_what_a_court_said_a_court_takes_back(self) -> None:
        held = held_for_law(gone(), a_legal_hold(source="court"))
        for by in ("core", "compliance", "borrower"):
            with pytest.raises(InvalidInput, match=r"legal_hold\.by"):
                released_by_law(held, LegalLift("lh-1", NOW + DAY, by))
            with pytest.raises(InvalidInput, match=r"legal_hold\.by"):
                held_for_law(held, a_legal_hold(placed_at=NOW + DAY, source=by, until=NOW + 2 * DAY))
        assert released_by_law(held, LegalLift("lh-1", NOW + DAY, "court")).keeping.legal_holds == ()

    @pytest.mark.parametrize(
        ("hold", "field"),
        [
            (a_legal_hold(source="borrower"), "legal_hold.by"),
            (a_legal_hold(until=NOW), "legal_hold.until"),
        ],
    )
    def test_refused_by_name(self, hold: LegalHold, field: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            held_for_law(gone(), hold)
        assert refused.value.field == field

    def test_there_are_not_endlessly_many(self) -> None:
        borrower = gone()
        for number in range(50):
            borrower = held_for_law(borrower, a_legal_hold(hold_id=f"lh-{number}"))
        with pytest.raises(InvalidInput, match="at most 50"):
            held_for_law(borrower, a_legal_hold(hold_id="lh-50"))
        assert held_for_law(borrower, a_legal_hold(hold_id="lh-3", placed_at=NOW + DAY)) != borrower


class TestAskedToForget:
    ASKED = Erasure("r-1", NOW, "borrower")

    def test_refused_while_an_application_is_on_its_way(self) -> None:
        asked = Notice("n-1", "application_received", NOW)
        _, answer = asked_to_forget(replace(gone(), notices=(asked,)), self.ASKED, rules(), NOW + DAY)
        assert (answer.outcome, answer.rules) == (ErasureOutcome.REFUSED, ("application",))
        declined = Notice("n-2", "application_declined", NOW + DAY, facts=(Figure("reason", "reason.income"),))
        after, answer = asked_to_forget(replace(gone(), notices=(asked, declined)), self.ASKED, rules(), NOW + DAY)
        assert answer.outcome is ErasureOutcome.GRANTED
        assert not any(notice.facts for notice in after.notices)

    def test_refused_while_anything_is_open(self) -> None:
        borrower = a_borrower(a_loan())
        after, answer = asked_to_forget(borrower, self.ASKED, rules(), NOW)
        assert (answer.outcome, answer.rules) == (ErasureOutcome.REFUSED, ("loan.status",))
        assert after == borrower, "not even a stop: what is owed may be spoken of"

    def test_granted(self) -> None:
        party = a_party(consents=frozenset({Purpose.MARKETING}), points=(a_point(point="hmac"),))
        borrower = replace(gone(), parties=(party,))
        after, answer = asked_to_forget(borrower, self.ASKED, rules(texts=90), NOW + DAY)
        assert (answer.outcome, answer.kept_until) == (ErasureOutcome.GRANTED, years_after(NOW, 3))
        assert answer.rules == ("X.keep_records_years", "own.X.keep_texts_days")
        assert "words" in answer.gone
        (bare,) = after.parties
        assert (bare.name, bare.points, bare.consents, bare.may_hear) == ("", (), (), frozenset())
        assert points_of(after) == ("hmac",)
        assert [hold.kind for hold in after.holds] == [HoldKind.ERASED]
        assert is_erased(after)
        assert retention(after, rules(), years_after(NOW, 3)) == Forget("erasure"), "at the law's end, not at ours"

    @pytest.mark.parametrize(
        ("borrower", "bound", "rule"),
        [
            (gone(legal_holds=(a_legal_hold(),)), rules(), "legal_hold"),
            (gone(), None, "pack"),
            (gone(), rules(live=False), "release"),
        ],
    )
    def test_put_off_takes_nothing_away_and_says_nothing_more(
        self, borrower: Borrower, bound: RetentionRules | None, rule: str
    ) -> None:
        after, answer = asked_to_forget(borrower, self.ASKED, bound, NOW)
        assert (answer.outcome, answer.rules) == (ErasureOutcome.PUT_OFF, (rule,))
        assert after.parties == borrower.parties
        assert [hold.kind for hold in after.holds] == [HoldKind.ERASED]
        assert not may_be_granted(after, bound, NOW)
        free = replace(after, keeping=replace(after.keeping, legal_holds=()))
        assert may_be_granted(free, rules(), NOW)

    def test_asked_twice(self) -> None:
        once, _ = asked_to_forget(gone(), self.ASKED, rules(), NOW)
        twice, answer = asked_to_forget(once, Erasure("r-2", NOW, "borrower"), rules(), NOW + DAY)
        assert (twice, answer.outcome) == (once, ErasureOutcome.GRANTED)
        held = held_for_law(once, a_legal_hold())
        again, answer = asked_to_forget(held, Erasure("r-3", NOW, "borrower"), rules(), NOW + DAY)
        assert (again, answer.outcome) == (held, ErasureOutcome.PUT_OFF), "nobody is taken in again for asking"


def test_points_that_a_profile_lost_are_remembered() -> None:
    before = a_borrower(parties=(a_party(points=(a_point(point="a"), a_point(point="b"))),))
    after = replace(before, parties=(a_party(points=(a_point(point="b"), a_point(point="c"))),))
    assert points_of(remembered(before, after)) == ("a", "b", "c")
    assert remembered(before, before) is before
    assert remembered(None, after) is after


def test_the_digest_is_of_every_name_and_every_byte() -> None:
    items = [("a", "1"), ("b", "2")]
    whole = deletion_digest("", items)
    assert whole == deletion_digest(deletion_digest("", items[:1]), items[1:]), "page by page is the same"
    for other in ([("a", "1")], [("b", "2"), ("a", "1")], [("a", "1"), ("b", "3")], [("a", "1"), ("c", "2")]):
        assert deletion_digest("", other) != whole


def test_without_words_the_ledger_verifies_as_before(house: House) -> None:
    house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7)))
    for _ in range(8):
        house.snapshots()
        house.run_until(house.now + DAY)
    messages = house.messages()
    assert len([message for message in messages if message.entry_hash]) >= 2
    wordless = [without_words(message) for message in messages]
    assert not any(message.body or message.subject for message in wordless)
    assert verify(wordless, house.borrower().chain_head) is None
    assert verify(wordless[1:], house.borrower().chain_head) is not None
