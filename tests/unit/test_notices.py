"""What is said because something happened: each once, while it is true, in the core's own figures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from dunlin.content.samples import Sample, samples
from dunlin.domain.message import Message
from dunlin.domain.notices import NOTICES_KEPT, asks_for_money
from dunlin.domain.policy import NoticeRule
from dunlin.domain.words import MessageState, Purpose, Reason
from dunlin.errors import InvalidInput, NotFound, TransientError
from dunlin.services.ingest import Ingested
from dunlin.services.notices import MOST_NOTICES, noticed
from dunlin.services.ports import Refused

from tests.builders import DAY, NOW, TODAY, House, loan_document, overdue_document, party_document, shipped_content

LATE = TODAY - timedelta(days=6)
HEARS = ["service", "servicing", "collection", "mandatory", "reply", "marketing"]
RECEIPT = {"amount": "120.50 USD", "event_on": str(TODAY)}
RULES = {name: rule for name, rule in shipped_content().notices.items() if rule.from_core}


def somebody(**changes: Any) -> dict[str, Any]:
    return party_document(**({"may_hear": HEARS, "consents": ["marketing"]} | changes))


@pytest.fixture
def known(house: House) -> House:
    """Somebody with a loan of which nothing has to be said for weeks."""
    house.know("b-1", loan_document(due_on=TODAY + timedelta(days=40)), parties=[somebody()])
    return house


@pytest.fixture
def late(house: House) -> House:
    """Somebody six days late whose first tier has been said."""
    loan = loan_document(due_on=LATE, overdue=overdue_document("120.50"))
    house.know("b-1", loan, parties=[somebody()])
    house.run_until(NOW + timedelta(hours=12))
    return house


def notice(house: House, message: str, event_id: str = "n-1", **carried: Any) -> Ingested:
    at = {"occurred_at": carried.pop("occurred_at")} if "occurred_at" in carried else {}
    return house.tell("notice.requested", event_id=event_id, notice={"message": message} | carried, **at)


def receipt(house: House, event_id: str = "n-1", **changes: Any) -> Ingested:
    return notice(house, "payment_received", event_id, **({"loan_id": "l-1", "facts": RECEIPT} | changes))


def said(house: House) -> list[tuple[str, MessageState, Reason]]:
    return [(m.said, m.state, m.reason) for m in house.messages() if m.notice_id]


def sample_facts(rule: NoticeRule, sample: Sample) -> dict[str, str]:
    elsewhere = {"tail", "total", "fees", "due_on", "days", "accounts", "items"} if rule.statement else {"tail"}
    return {name: sample.facts[name] for name in rule.variables if name not in elsewhere}


PLACES = {
    "US-NY": ("en-US", "+12125550123", "America/New_York"),
    "CN": ("zh-CN", "+8613800000000", "Asia/Shanghai"),
    "GB": ("en-GB", "+447700900123", "Europe/London"),
    "AU": ("en-AU", "+61491570156", "Australia/Sydney"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("message", sorted(RULES))
def test_every_message_that_a_core_can_ask_for_reaches_the_borrower(house: House, message: str, place: str) -> None:
    """Through the door, decided, worded, read back, handed over: in its own words and with its own figures."""
    rule, (locale, phone, zone) = RULES[message], PLACES[place]
    sample = samples(locale, 10)[0]
    currency = sample.statement.total.currency
    loan = loan_document(due_on=TODAY + timedelta(days=40), currency=currency)
    if asks_for_money(rule):
        loan = loan_document(due_on=LATE, overdue=overdue_document("120.50"), currency=currency)
    consents = ["marketing", *([{"purpose": rule.consent}] if rule.consent else [])]
    person = somebody(
        phone=phone, locale=locale, name=sample.party_name, consents=consents, phone_verified_at=NOW.isoformat()
    )
    house.know("b-1", loan, parties=[person], jurisdiction=place, zone=zone)
    if asks_for_money(rule):
        house.run_until(NOW + timedelta(hours=12))
        house.clock.advance(timedelta(days=8))  # past every cap on the tier that was said
        house.snapshots()
    notice(house, message, loan_id="l-1", facts=sample_facts(rule, sample))
    house.run_until(house.now + DAY)
    told = [m for m in house.messages() if m.said == message]
    assert [(m.state, m.reason) for m in told] == [(MessageState.DELIVERED, Reason.DELIVERED)]
    assert (told[0].purpose, told[0].locale) == (rule.purpose, locale)
    assert {figure.name for figure in told[0].figures} >= sample_facts(rule, sample).keys()
    assert told[0].body in [order.body for order in house.orders]
    house.check_ends()
    house.check_ledger()


class TestOnce:
    def test_the_same_event_twice(self, known: House) -> None:
        assert receipt(known) is Ingested.APPLIED
        assert receipt(known) is Ingested.REPEATED
        known.run_days(2)
        assert len(said(known)) == 1

    def test_two_payments_on_one_day_are_two_receipts(self, known: House) -> None:
        receipt(known, "n-1")
        receipt(known, "n-2", facts=RECEIPT | {"amount": "20.00 USD"})
        known.run_days(2)
        assert [state for _, state, _ in said(known)] == [MessageState.DELIVERED] * 2
        assert len({m.key for m in known.messages()}) == 2
        assert any("20.00" in order.body for order in known.orders)

    def test_another_channel_after_a_failure(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=40)), parties=[somebody(email="jo@example.com")])
        house.delivers = False
        receipt(house)
        house.minute()
        (sent,) = house.in_state(MessageState.SENT)
        house.report(sent, MessageState.FAILED)
        house.delivers = True
        house.run_until(house.now + timedelta(hours=20))
        ended = {str(m.channel): m.state for m in house.messages()}
        assert ended == {"sms": MessageState.FAILED, "email": MessageState.DELIVERED}

    def test_a_provider_that_refuses_it_hears_of_it_no_more_than_it_may(self, known: House) -> None:
        known.answer(*[Refused(Reason.REFUSED_BY_PROVIDER)] * 9)
        receipt(known)
        known.run_days(3)
        assert 1 <= len(known.orders) <= 3
        known.check_ends()

    def test_it_is_forgotten_when_nothing_can_be_heard_of_it_any_more(self, known: House) -> None:
        receipt(known)
        known.run_days(2)
        assert known.borrower().notices
        known.clock.advance(NOTICES_KEPT)
        receipt(known, "n-2")
        known.run_days(1)
        assert [kept.notice_id for kept in known.borrower().notices] == ["n-2"]
        assert all("n-1" not in mark.stage for mark in known.borrower().marks)

    def test_a_borrower_who_moves_is_not_told_again(self, known: House) -> None:
        """Past midnight there is another day: the occasion stays the one it was."""
        known.clock.advance(timedelta(hours=2))
        receipt(known)
        known.run_until(known.now + timedelta(hours=1))
        known.know("b-1", parties=[somebody()], jurisdiction="AU", zone="Australia/Sydney", sequence=2)
        known.run_days(2)
        assert [m.said for m in known.messages()] == ["payment_received"]


class TestInTime:
    def test_at_night_it_waits_for_the_morning(self, known: House) -> None:
        known.clock.advance(timedelta(hours=14))
        notice(known, "product_suggestion", loan_id="l-1", facts={"rate": "12.5"})
        known.minute()
        (mark,) = known.borrower().marks
        assert (mark.status, mark.reason) == ("waiting", Reason.QUIET_HOURS)
        assert known.orders == []
        known.run_until(known.now + DAY)
        assert [state for _, state, _ in said(known)] == [MessageState.DELIVERED]

    def test_what_comes_too_late_is_not_said_and_says_why(self, known: House) -> None:
        receipt(known, occurred_at=NOW - timedelta(hours=30))
        known.minute()
        assert said(known) == [("payment_received", MessageState.SUPPRESSED, Reason.WINDOW_CLOSED)]
        assert known.orders == []

    def test_what_waited_too_long_says_what_it_waited_for(self, known: House) -> None:
        known.tell("hold.placed", hold={"hold_id": "h-1", "kind": "bereavement", "source": "core"})
        receipt(known)
        known.run_days(2)
        assert said(known) == [("payment_received", MessageState.SUPPRESSED, Reason.HOLD)]

    def test_where_nobody_reviewed_the_rules_it_ends_too(self, known: House) -> None:
        receipt(known)
        known.know("b-1", parties=[somebody()], jurisdiction="US-TX", zone="America/Chicago", sequence=2)
        known.run_days(29)
        assert said(known) == []
        known.run_days(3)
        assert said(known) == [("payment_received", MessageState.SUPPRESSED, Reason.CONTENT_NOT_LIVE)]
        known.check_ends()

    def test_an_alarm_does_not_wait_for_the_morning(self, known: House) -> None:
        known.clock.advance(timedelta(hours=12))  # eleven in the evening
        facts = {"amount": "120.50 USD", "event_on": str(TODAY)}
        notice(known, "unusual_transaction", loan_id="l-1", facts=facts)
        receipt(known, "n-2")
        known.run_until(known.now + timedelta(hours=1))
        assert [m.said for m in known.messages()] == ["unusual_transaction"]
        known.run_until(known.now + timedelta(hours=12))
        assert sorted(m.said for m in known.messages()) == ["payment_received", "unusual_transaction"]

    def test_after_an_opt_out_nothing(self, known: House) -> None:
        known.text("STOP")
        receipt(known)
        known.run_days(2)
        assert said(known) == [("payment_received", MessageState.SUPPRESSED, Reason.OPTED_OUT)]


class TestTrue:
    """What asks for money is never said once the money has moved."""

    def broken(self, house: House, **carried: Any) -> None:
        facts = {"amount": "120.50 USD", "agreed_on": str(TODAY - DAY)}
        notice(house, "promise_broken", **({"loan_id": "l-1", "facts": facts} | carried))

    def test_paid_before_it_could_be_said(self, late: House) -> None:
        self.broken(late)
        late.pay(instalments=[{"number": 4, "due_on": str(LATE), "outstanding": "1.00"}])
        late.run_days(2)
        assert said(late) == [("promise_broken", MessageState.SUPPRESSED, Reason.PAID)]

    def test_paid_but_told_in_the_other_order(self, late: House) -> None:
        happened = late.now
        late.clock.advance(timedelta(minutes=5))
        late.pay(instalments=[{"number": 4, "due_on": str(LATE), "outstanding": "1.00"}])
        self.broken(late, occurred_at=happened)
        late.run_days(2)
        assert said(late) == [("promise_broken", MessageState.SUPPRESSED, Reason.PAID)]

    def test_a_payment_whose_snapshot_is_old_counts_too(self, late: House) -> None:
        self.broken(late)
        old = loan_document(due_on=LATE, overdue=overdue_document("120.50"))
        late.clock.advance(timedelta(minutes=1))
        late.tell("payment.applied", payment={"payment_id": "p-9", "amount": "5.00"}, loan=old)
        assert late.borrower().loans[0].paid_at == late.now
        late.run_days(2)
        assert said(late) == [("promise_broken", MessageState.SUPPRESSED, Reason.PAID)]

    def test_paid_between_the_wording_and_the_hand_over(self, late: House) -> None:
        late.clock.advance(timedelta(days=7, hours=12))  # the morning
        late.snapshots()
        self.broken(late)
        late.checkpoint()
        late.wake()
        late.pace_lines()
        late.render_due()
        assert [m.said for m in late.in_state(MessageState.RENDERED)] == ["promise_broken"]
        late.clock.advance(timedelta(seconds=1))
        late.pay()
        orders = len(late.orders)
        late.send_rendered()
        assert len(late.orders) == orders
        assert said(late)[0][1] is MessageState.SUPPRESSED

    def test_money_on_its_way_is_waited_for(self, late: House) -> None:
        pending = [{"payment_id": "p-1", "amount": "120.50", "received_at": late.now.isoformat()}]
        late.tell("loan.snapshot", loan=late.loan_now(pending=pending))
        self.broken(late)
        late.minute()
        assert [mark.reason for mark in late.borrower().marks if "promise" in mark.stage] == [Reason.PAYMENT_PENDING]

    def test_of_a_loan_that_is_not_late(self, known: House) -> None:
        self.broken(known)
        known.minute()
        assert said(known) == [("promise_broken", MessageState.SUPPRESSED, Reason.FACTS_CHANGED)]

    def test_of_a_loan_that_left_us(self, late: House) -> None:
        self.broken(late)
        late.tell("loan.sold", loan=late.loan_now(status="sold"))
        late.run_days(1)
        assert said(late) == [("promise_broken", MessageState.SUPPRESSED, Reason.LOAN_NOT_OPEN)]

    def test_a_receipt_is_true_whatever_comes_after_it(self, late: House) -> None:
        receipt(late)
        late.pay("p-2")
        late.run_days(1)
        assert [state for _, state, _ in said(late)] == [MessageState.DELIVERED]


class TestWhatTheTextsPromise:
    """Whoever reads "no reminders until then" gets none, and still hears of the day itself."""

    @pytest.mark.parametrize("kind", ["hardship", "dispute", "promise"])
    def test_no_reminder_before_the_due_date_either(self, house: House, kind: str) -> None:
        house.know("b-1", loan_document(due_on=TODAY + DAY * 7), parties=[somebody()])
        until = {"until": (NOW + DAY * 20).isoformat()} if kind == "promise" else {}
        house.tell("hold.placed", hold={"hold_id": "h-1", "kind": kind, "source": "core"} | until)
        house.run_days(8)
        assert house.orders == []
        assert {m.reason for m in house.messages()} == {Reason.HOLD}

    @pytest.mark.parametrize(
        ("message", "kind"),
        [("promise_day", "promise"), ("promise_broken", "promise"), ("plan_missed", "plan"), ("plan_in_force", "plan")],
    )
    def test_what_it_is_about_does_not_stop_it(self, late: House, message: str, kind: str) -> None:
        late.clock.advance(timedelta(days=8))
        late.snapshots()
        until = {"until": (late.now + DAY * 6).isoformat()} if kind == "promise" else {}
        late.tell("hold.placed", hold={"hold_id": "h-1", "kind": kind, "source": "core"} | until)
        facts = {"amount": "120.50 USD", ("due_on" if kind == "plan" else "agreed_on"): str(TODAY)}
        if message == "plan_missed":
            facts["respond_by"] = str(TODAY + 9 * DAY)
        notice(late, message, loan_id="l-1", facts=facts)
        late.run_days(2)
        assert said(late) == [(message, MessageState.DELIVERED, Reason.DELIVERED)]

    def test_another_stop_does(self, late: House) -> None:
        late.tell("hold.placed", hold={"hold_id": "h-1", "kind": "dispute", "source": "core"})
        facts = {"amount": "120.50 USD", "agreed_on": str(TODAY)}
        notice(late, "promise_broken", loan_id="l-1", facts=facts)
        late.run_days(2)
        assert said(late) == [("promise_broken", MessageState.SUPPRESSED, Reason.HOLD)]


class TestTheDoor:
    @pytest.mark.parametrize(
        ("carried", "field"),
        [
            ({"message": "nothing_of_ours"}, "notice.message"),
            ({"message": "tier_1"}, "notice.message"),
            ({"message": "referral"}, "notice.message"),
            ({"message": "balance"}, "notice.message"),
            ({"message": "promise_broken", "loan_id": None}, "notice.loan_id"),
            ({"party_id": "p-3"}, "notice.party_id"),
            ({"facts": {"amount": "120.50 USD"}}, "notice.facts.event_on"),
            ({"facts": RECEIPT | {"greeting": "hello"}}, r"notice.facts.\(unknown field\)"),
            ({"facts": RECEIPT | {"tail": "4821"}}, r"notice.facts.\(unknown field\)"),
            ({"facts": RECEIPT | {"amount": "120.505 USD"}}, "notice.facts.amount"),
            ({"facts": RECEIPT | {"amount": "-1.00 USD"}}, "notice.facts.amount|notice.facts"),
            ({"facts": RECEIPT | {"amount": "0.00 USD"}}, "notice.facts.amount"),
            ({"facts": RECEIPT | {"amount": "120.50 GBP"}}, "notice.facts.amount"),
            ({"facts": RECEIPT | {"amount": "120.50"}}, "notice.facts.amount"),
            ({"facts": RECEIPT | {"event_on": "2026-02-30"}}, "notice.facts.event_on"),
            ({"facts": RECEIPT | {"event_on": "20260506"}}, "notice.facts.event_on"),
            ({"facts": RECEIPT | {"event_on": "http://x.example"}}, "notice.facts"),
            ({"facts": RECEIPT | {"event_on": "{{ name }}"}}, "notice.facts"),
            ({"message": "application_declined", "facts": {"reference": "A-1", "reason": "no_money"}}, "reason"),
            ({"message": "application_received", "facts": {"reference": "A_1", "expected_by": "2026-06-01"}}, "ref"),
            ({"message": "interest_free_ending", "facts": {"effective_on": "2026-06-01", "rate": "1e2"}}, "rate"),
        ],
    )
    def test_what_is_wrong_is_named(self, known: House, carried: dict[str, Any], field: str) -> None:
        parties = [somebody(), somebody(party_id="p-3", role="representative", phone="+12125550199")]
        known.know("b-1", parties=parties, sequence=2)
        before = known.borrower()
        wrong = {"message": "payment_received", "loan_id": "l-1", "facts": RECEIPT} | carried
        with pytest.raises(InvalidInput, match=field):
            known.tell("notice.requested", notice={name: value for name, value in wrong.items() if value is not None})
        assert known.borrower() == before

    def test_a_loan_or_party_that_is_not_known_yet_is_waited_for(self, known: House) -> None:
        with pytest.raises(NotFound, match=r"notice\.loan_id"):
            receipt(known, loan_id="l-9")
        with pytest.raises(NotFound, match=r"notice\.party_id"):
            receipt(known, party_id="p-9")

    def test_more_than_anybody_is_ever_told(self, known: House) -> None:
        for number in range(MOST_NOTICES):
            receipt(known, f"n-{number}")
        with pytest.raises(InvalidInput, match="at most"):
            receipt(known, "one-more")

    def test_what_is_here_already_is_not_added_again(self, known: House) -> None:
        receipt(known)
        borrower = known.borrower()
        event = next(iter(borrower.notices))
        from dunlin.domain.facts import NoticeRequested

        again = NoticeRequested(
            event.notice_id, "notice.requested", event.occurred_at, "b-1", event.message, "", "l-1", event.facts
        )
        assert noticed(borrower, again, known.content) is borrower


class TestWho:
    def test_a_co_borrower_is_told_their_own(self, house: House) -> None:
        other = somebody(party_id="p-2", role="co_borrower", name="Sam Poe", phone="+12125550147")
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=40)), parties=[somebody(), other])
        receipt(house, party_id="p-2")
        house.run_days(1)
        assert [(m.party_id, m.principal_id) for m in house.messages()] == [("p-2", "p-2")]
        assert [order.address for order in house.orders] == ["+12125550147"]

    def test_of_a_loan_they_are_not_on_a_co_borrower_hears_nothing(self, house: House) -> None:
        other = somebody(party_id="p-2", role="co_borrower", phone="+12125550147", loan_ids=["l-2"])
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=40)), parties=[somebody(), other])
        receipt(house, party_id="p-2")
        house.run_days(1)
        assert said(house) == [("payment_received", MessageState.SUPPRESSED, Reason.NOT_A_PARTY)]

    def test_whoever_may_not_hear_of_it_does_not(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=TODAY + DAY * 40), parties=[somebody(may_hear=["collection"])])
        receipt(house)
        house.run_days(1)
        assert said(house) == [("payment_received", MessageState.SUPPRESSED, Reason.NOT_A_PARTY)]

    def test_a_representative_hears_it_instead(self, house: House) -> None:
        lawyer = somebody(party_id="p-3", role="representative", name="Lee Roe", phone="+12125550148")
        house.know("b-1", loan_document(due_on=TODAY + DAY * 40), parties=[somebody(), lawyer])
        receipt(house)
        house.run_days(1)
        assert [m.party_id for m in house.messages()] == ["p-3"]

    def test_a_promotion_to_somebody_in_arrears_is_never_sent(self, late: House) -> None:
        facts = {"amount": "500.00 USD", "rate": "9.9", "months": "12", "respond_by": str(TODAY + DAY * 20)}
        notice(late, "offer", facts=facts)
        late.run_days(2)
        assert said(late) == [("offer", MessageState.SUPPRESSED, Reason.FORBIDDEN)]

    def test_a_consent_of_its_own_is_asked_for(self, known: House) -> None:
        notice(known, "credit_awareness")
        known.run_days(1)
        assert said(known) == [("credit_awareness", MessageState.SUPPRESSED, Reason.NO_CONSENT)]
        given = {"purpose": "guidance", "channel": "sms", "given": True, "source": "web", "wording": "hints-1"}
        known.tell("consent.changed", consent=given)
        notice(known, "credit_awareness", "n-2")
        known.run_days(1)
        (told,) = [m for m in known.messages() if m.state is MessageState.DELIVERED]
        assert [(basis.rule, basis.consent.wording) for basis in told.basis] == [
            ("message.consent.guidance", "hints-1")
        ]

    def test_a_promotion_without_consent_is_never_sent(self, house: House) -> None:
        house.know("b-1", loan_document(due_on=TODAY + DAY * 40), parties=[somebody(consents=[])])
        notice(house, "product_suggestion", loan_id="l-1", facts={"rate": "12.5"})
        house.run_days(2)
        assert said(house) == [("product_suggestion", MessageState.SUPPRESSED, Reason.NO_CONSENT)]


class TestLetters:
    """A letter that a law requires is asked for, whatever becomes of the text beside it."""

    DECLINED: ClassVar[dict[str, Any]] = {"facts": {"reference": "A-1", "reason": "reason.income"}}

    def test_the_letter_is_asked_for_once(self, known: House) -> None:
        notice(known, "application_declined", **self.DECLINED)
        notice(known, "application_declined", **self.DECLINED)
        known.run_days(2)
        ((kind, event_id, detail),) = known.announced.said
        assert (kind, event_id, detail["letter"]) == ("letter.requested", "n-1", "adverse_action")
        assert (detail["borrower_id"], detail["message"]) == ("b-1", "application_declined")
        assert known.borrower().letters == ()
        assert ("b-1", "LETTER#n-1") in known.store.records

    def test_it_says_nothing_of_the_person(self, known: House) -> None:
        notice(known, "application_declined", **self.DECLINED)
        known.minute()
        text = repr(known.announced.said)
        assert "Doe" not in text
        assert "income" not in text

    def test_after_an_opt_out_all_the_same(self, known: House) -> None:
        known.text("STOP")
        notice(known, "application_declined", **self.DECLINED)
        known.run_days(1)
        assert said(known) == [("application_declined", MessageState.SUPPRESSED, Reason.OPTED_OUT)]
        assert len(known.announced.said) == 1

    def test_a_bus_that_does_not_answer_is_asked_again(self, known: House, monkeypatch: pytest.MonkeyPatch) -> None:
        notice(known, "application_declined", **self.DECLINED)

        def silent(*_: object) -> None:
            raise TransientError("announcements")

        with monkeypatch.context() as out:
            out.setattr(known.announced, "announce", silent)
            failed: list[str] = []
            for shard in {b.borrower_id for b in known.store.borrowers.values()}:
                with pytest.raises(TransientError):
                    known.evaluate.borrower(shard)
                failed.append(shard)
            assert failed == ["b-1"]
        assert known.borrower().letters
        known.run_days(1)
        assert [event_id for _, event_id, _ in known.announced.said] == ["n-1"]

    def test_a_required_notice_that_no_text_can_carry_becomes_a_letter(self, house: House) -> None:
        loan = loan_document(due_on=LATE, overdue=overdue_document("120.50"))
        house.know("b-1", loan, parties=[somebody(may_hear=["collection"])])
        notice(house, "adverse_reporting", loan_id="l-1", facts={"report_on": str(TODAY + DAY * 30)})
        house.run_days(1)
        assert [detail["letter"] for _, _, detail in house.announced.said] == ["adverse_reporting"]


class TestReferral:
    def test_a_borrower_learns_that_a_person_takes_over(self, late: House) -> None:
        late.run_days(60)
        told: list[Message] = [m for m in late.messages() if m.said == "referral"]
        assert [m.state for m in told] == [MessageState.DELIVERED]
        assert told[0].purpose is Purpose.COLLECTION
        assert "120.50" in told[0].body

    def test_but_not_after_they_paid(self, late: House) -> None:
        while late.borrower().with_person_to is None:
            late.clock.advance(timedelta(minutes=30))
            late.snapshots()
            late.checkpoint()
            late.wake()
            late.run_cases()
            if late.borrower().with_person_to is None:
                late.minute()
        assert [notice.message for notice in late.borrower().notices] == ["referral"]
        late.clock.advance(timedelta(seconds=1))
        late.pay()
        late.run_days(4)
        assert said(late) == [("referral", MessageState.SUPPRESSED, Reason.PAID)]

    def test_a_case_that_was_cured_says_nothing(self, late: House) -> None:
        late.pay()
        late.run_days(3)
        assert said(late) == []


def test_a_notice_keeps_its_moment_through_storage() -> None:
    from dunlin.adapters.dynamo.store import _borrowers
    from dunlin.domain.borrower import Notice
    from dunlin.domain.message import Figure

    from tests.builders import a_borrower

    at = datetime(2026, 5, 6, 7, 8, 9, tzinfo=NOW.tzinfo)
    borrower = a_borrower(notices=(Notice("n-1", "disbursed", at, "", ("l-1",), (Figure("amount", "1.00 USD"),)),))
    adapter = _borrowers()
    assert adapter.validate_json(adapter.dump_json(borrower)) == borrower
