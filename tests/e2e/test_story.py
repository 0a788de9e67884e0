"""Six borrowers, six weeks, one deployed stack: each test is a chapter and begins where the last one ended."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.lender import Borrower, Lender
from tests.e2e.stack import Stack

FUNCTIONS = Path(__file__).parents[2] / "functions"
BOSTON = ZoneInfo("America/New_York")
DUE = date(2026, 12, 2)
LINE, CHINA_LINE = "+12065550100", "106900000142"

#: Hears of the date and of the days after it.
REMINDED = Borrower(
    "b-reminded", "US-MA", "America/New_York", "en-US", "Wilhelmina Plantagenet", "+16175550123",
    "wilhelmina@borrower.example", "4821", "USD", "731.57", DUE,
)  # fmt: skip
#: Asks for a plan by text.
PLANNING = Borrower(
    "b-planning", "US-MA", "America/New_York", "en-US", "Bartholomew Quillfeather", "+16175550144",
    "bartholomew@borrower.example", "7733", "USD", "912.40", DUE,
)  # fmt: skip
#: In mainland China: another provider, whose reports and texts come by webhook.
CHINESE = Borrower(
    "b-chinese", "CN", "Asia/Shanghai", "zh-CN", "欧阳若兰", "+8613800001234",
    "ruolan@borrower.example", "9052", "CNY", "1820.35", DUE,
)  # fmt: skip
EVERYBODY = (REMINDED, PLANNING, CHINESE)
MISSED = date(2026, 11, 30)
#: Never answers: all three tiers, then a person.
LATE = Borrower(
    "b-late", "US-MA", "America/New_York", "en-US", "Cornelia Featherstonehaugh", "+16175550166",
    "cornelia@borrower.example", "3305", "USD", "648.91", MISSED,
)  # fmt: skip
#: Wants no more texts after the first tier, and no more e-mail after the second.
STOPPING = Borrower(
    "b-stopping", "US-MA", "America/New_York", "en-US", "Thaddeus Winterbourne", "+16175550177",
    "thaddeus@borrower.example", "6128", "USD", "427.36", MISSED,
)  # fmt: skip
#: Pays after the first tier.
PAYING = Borrower(
    "b-paying", "US-MA", "America/New_York", "en-US", "Philippa Ravensworth", "+16175550188",
    "philippa@borrower.example", "9914", "USD", "553.28", MISSED,
)  # fmt: skip
OVERDUE = (LATE, STOPPING, PAYING)


@pytest.fixture(scope="module")
def lender(stack: Stack) -> Lender:
    return Lender(stack)


def stages(stack: Stack, borrower: Borrower) -> dict[str, str]:
    """The borrower's messages: stage and channel, and the state."""
    found = {}
    for message in stack.messages(borrower.borrower_id):
        parts = message["key"].split("#")
        # Of a notice the stage is followed by the event that asked for it.
        found[f"{parts[1].partition('~')[0]} {parts[-2]}"] = message["state"]
    return found


def reached(stack: Stack, borrower: Borrower, what: str) -> Callable[[], bool]:
    return lambda: stages(stack, borrower).get(what) == "DELIVERED"


class TestDoors:
    def test_facts_come_in_over_the_bus_and_over_http(self, stack: Stack, lender: Lender) -> None:
        for each in (REMINDED, CHINESE):
            lender.put(lender.event("borrower.updated", each.borrower_id, borrower=each.profile()))
        answer = lender.post(lender.event("borrower.updated", PLANNING.borrower_id, borrower=PLANNING.profile()))
        assert answer.status == 202, answer
        known = {item["borrower_id"] for item in stack.items("BorrowersTable") if item["item"] == "HOT"}
        assert known == {each.borrower_id for each in EVERYBODY}

    def test_http_wants_the_signature_and_the_key(self, lender: Lender) -> None:
        event = lender.event("feed.checkpoint", complete_to="2026-12-01T00:00:00+00:00")
        assert lender.post(event, signed=False).status == 403
        assert lender.post(event, metered=False).status == 403
        assert lender.call("GET", "/pauses").status == 200
        # The principal's own rights end here: it may look at the stop button, not press it.
        assert lender.call("POST", "/pauses", b"{}").status == 403

    def test_a_provider_needs_its_token_and_its_signature(self, stack: Stack) -> None:
        assert stack.request("POST", "/providers/finance_sms/no-such-token/reports", b"[]").status == 404
        unsigned = stack.request("POST", f"/providers/finance_sms/{stack.webhook_token}/reports", b"[]")
        assert unsigned.status == 401

    def test_a_page_that_nobody_was_given_is_not_there(self, stack: Stack) -> None:
        assert stack.request("GET", "/my/AAAAAAAAAAAAAA").status == 404

    def test_what_can_never_be_accepted_is_kept_for_a_person(self, stack: Stack, lender: Lender) -> None:
        lender.put(lender.event("loan.snapshot", "+16175550123", loan={}))
        assert stack.waiting("RefusedInputQueue") == 1
        assert stack.waiting("CoreEventsDeadLetterQueue") == 0


class TestChina:
    def test_a_text_goes_out_through_the_finance_provider(self, stack: Stack, lender: Lender) -> None:
        lender.morning(EVERYBODY, 1)
        stack.until(reached(stack, CHINESE, "due_today sms"), "the text of the due date, delivered")
        (sent,) = stack.hand_overs(CHINESE.phone)
        assert sent.provider == "finance_sms"
        assert "1,820.35" in sent.body or "1820.35" in sent.body
        # In Boston it is the evening before: nobody there hears of anything.
        assert not stack.hand_overs(REMINDED.phone)

    def test_an_opt_out_comes_back_by_webhook_and_is_confirmed_once(self, stack: Stack) -> None:
        stack.text(CHINESE.phone, CHINA_LINE, "退订")
        stack.until(lambda: len(stack.hand_overs(CHINESE.phone)) == 2, "the one confirmation", 4)


class TestPlan:
    def test_the_due_date(self, stack: Stack, lender: Lender) -> None:
        lender.begin(date(2026, 12, 2), BOSTON, EVERYBODY, 2)
        stack.until(reached(stack, REMINDED, "due_today sms"), "the text of the due date, delivered")
        stack.until(reached(stack, PLANNING, "due_today sms"), "the same to the other")
        (sent,) = stack.hand_overs(REMINDED.phone)
        assert "731.57" in sent.body

    def test_days_of_grace(self, stack: Stack, lender: Lender) -> None:
        lender.begin(date(2026, 12, 4), BOSTON, EVERYBODY, 3)
        stack.until(reached(stack, REMINDED, "grace sms"), "a word after two days")
        stack.until(reached(stack, PLANNING, "grace sms"), "the same to the other")

    def test_a_plan_is_asked_for_by_text(self, stack: Stack) -> None:
        stack.text(PLANNING.phone, LINE, "can I get a payment plan please")
        stack.until(lambda: len(stack.hand_overs(PLANNING.phone)) == 3, "the offers")
        offers = stack.hand_overs(PLANNING.phone)[-1].body
        assert "1" in offers
        stack.text(PLANNING.phone, LINE, "1")
        stack.until(
            lambda: len(stack.hand_overs(PLANNING.phone)) == 4, "the plan, agreed within the limits of the policy"
        )

    def test_the_lender_hears_of_what_was_agreed(self, stack: Stack) -> None:
        def agreed() -> list[str]:
            stack.hear()
            return [each["detail"]["borrower_id"] for each in stack.announced if each["detail-type"] == "plan.agreed"]

        stack.until(agreed, "plan.agreed on the bus")
        assert agreed() == [PLANNING.borrower_id]
        stack.until(reached(stack, PLANNING, "plan_agreed sms"), "the plan, in words")


class TestEscalation:
    def test_the_first_tier_begins_an_execution_for_each(self, stack: Stack, lender: Lender) -> None:
        lender.put(*(lender.event("borrower.updated", each.borrower_id, borrower=each.profile()) for each in OVERDUE))
        lender.begin(date(2026, 12, 7), BOSTON, OVERDUE, 1)
        for each in OVERDUE:
            stack.until(reached(stack, each, "tier_1 sms"), "the reminder, delivered")
            (sent,) = stack.hand_overs(each.phone)
            assert each.amount in sent.body
            assert each.tail in sent.body
        running = {f"{each.borrower_id}-1-1": "RUNNING" for each in OVERDUE}
        assert running.items() <= stack.executions().items()

    def test_an_opt_out_is_confirmed_once_and_a_payment_ends_its_execution(self, stack: Stack, lender: Lender) -> None:
        stack.text(STOPPING.phone, LINE, "STOP")
        stack.until(lambda: len(stack.hand_overs(STOPPING.phone)) == 2, "the one confirmation", 4)
        stack.until(lambda: stack.simulator.is_opted_out("aws_sms", STOPPING.phone), "the provider's own list")
        now = stack.clock.now()
        paid = {"payment_id": "p-1", "amount": PAYING.amount}
        lender.put(
            lender.event("payment.applied", PAYING.borrower_id, payment=paid, loan=PAYING.loan(now, 2, paid=True))
        )
        stack.until(lambda: stack.executions()["b-paying-1-1"] == "SUCCEEDED", "the payment, heard of")

    def test_the_second_tier_goes_to_whoever_may_still_be_told(self, stack: Stack, lender: Lender) -> None:
        lender.begin(date(2026, 12, 15), BOSTON, (LATE, STOPPING), 3)
        stack.until(reached(stack, LATE, "tier_2 sms"), "the notice, by text")
        stack.until(reached(stack, STOPPING, "tier_2 email"), "the notice, by e-mail")
        assert len(stack.hand_overs(STOPPING.phone)) == 2, "a text after STOP"
        assert len(stack.hand_overs(PAYING.phone)) == 1, "a text after the payment"

    def test_one_click_ends_the_e_mail_too(self, stack: Stack) -> None:
        (mail,) = [each for each in stack.delivered if each.to_address == STOPPING.email]
        path = mail.unsubscribe.partition("/v1")[2]
        assert stack.request("GET", path).status == 200
        assert stack.executions()["b-stopping-1-1"] == "RUNNING", "looking is no click"
        answer = stack.request(
            "POST", path, b"List-Unsubscribe=One-Click", {"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status == 200, answer
        known = stack.items("SuppressionsTable")
        forged = path[:-9] + ("A" if path[-9] != "A" else "B") + path[-8:]
        assert stack.request("POST", forged, b"List-Unsubscribe=One-Click").status == 200, (
            "it tells nobody what it knows"
        )
        assert stack.items("SuppressionsTable") == known

    def test_the_third_tier_and_a_person_for_whoever_cannot_be_told(self, stack: Stack, lender: Lender) -> None:
        lender.begin(date(2026, 12, 30), BOSTON, (LATE, STOPPING), 4)
        stack.until(reached(stack, LATE, "tier_3 sms"), "the last reminder")
        stack.until(lambda: stack.executions()["b-stopping-1-1"] == "SUCCEEDED", "nobody left to be told")
        assert len(stack.hand_overs(STOPPING.phone)) == 2
        assert len([each for each in stack.delivered if each.to_address == STOPPING.email]) == 1

    def test_a_person_has_the_case_in_the_end(self, stack: Stack, lender: Lender) -> None:
        lender.begin(date(2027, 1, 14), BOSTON, (LATE,), 5)
        stack.until(lambda: stack.executions()["b-late-1-1"] == "SUCCEEDED", "the referral")
        assert [each.body.count(LATE.amount) for each in stack.hand_overs(LATE.phone)] == [1, 1, 1]


class TestLogs:
    """Of everything above, when it is over."""

    def test_every_function_had_its_turn_and_the_rights_it_needs(self, stack: Stack) -> None:
        logs = stack.logs()
        functions = {path.name for path in FUNCTIONS.iterdir() if (path / "app.py").is_file()}
        assert functions
        assert {name for name in functions if not logs.get(f"/{stack.name}/{name}")} == set()
        refused = [
            line for lines in logs.values() for line in lines if "AccessDenied" in line or "not authorized" in line
        ]
        assert refused == []

    def test_no_log_says_who_or_how_much_or_what(self, stack: Stack) -> None:
        secret = personal(stack)
        assert leaks(stack.logs(), secret) == set()
        # The check itself: each of them is found, as it is and as JSON escapes it.
        for each in secret:
            assert leaks({"planted": [f"x {each} y"]}, [each])
            assert leaks({"planted": [json.dumps({"text": f"x {each} y"})]}, [each])


def personal(stack: Stack) -> list[str]:
    """What no log may have: names, addresses, amounts, and every line of what was written, either way."""
    said = [each.body for each in stack.simulator.record.hand_overs]
    heard = [each.text for each in stack.simulator.record.inbound if len(each.text) > 10]
    lines = [line.strip() for text in (*said, *heard) for line in text.splitlines()]
    found = {line for line in lines if len(line) > 10}
    for each in (*EVERYBODY, *OVERDUE):
        found |= {each.phone, each.phone[1:], each.email, each.amount, *each.name.split()}
    return sorted(found)


def leaks(logs: Mapping[str, Iterable[str]], secret: Iterable[str]) -> set[str]:
    """Where in the logs something of that is, and what."""
    forms = [(each, form) for each in secret for form in {each, json.dumps(each)[1:-1]}]
    # Milliseconds and bytes look like amounts; a number in a longer one is none.
    patterns = [(each, re.compile(rf"(?<![0-9.]){re.escape(form)}(?![0-9]| ms| MB)")) for each, form in forms]
    return {
        f"{group}: {each}"
        for group, lines in logs.items()
        for whole in ["\n".join(lines)]
        for each, pattern in patterns
        if pattern.search(whole)
    }
