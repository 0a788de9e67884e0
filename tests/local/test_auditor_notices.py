"""What the core asks to be said, judged from outside: each way to say it wrongly, planted, is found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.auditor import AuditReport, audit
from tests.local.test_auditor import CN, CN_PHONE, MA, MA_PHONE, NY, NY_PHONE, Run, at, iso, kinds, loan, party

MESSAGES = """
group: some
messages:
  payment_received: {trigger: event, purpose: service, variables: {tail: tail, amount: money, event_on: date}}
  promise_day: {trigger: event, purpose: servicing, variables: {tail: tail, amount: money, agreed_on: date}}
  promise_broken: {trigger: event, purpose: collection, variables: {tail: tail, amount: money, agreed_on: date}}
  hardship_received: {trigger: event, purpose: reply, variables: {expected_by: date}}
  rate_changed:
    trigger: event
    purpose: service
    variables: {tail: tail, old_rate: percent, rate: percent, effective_on: date}
  term_changed:
    trigger: event
    purpose: service
    variables: {tail: tail, instalments: count, amount: money, effective_on: date}
  application_declined: {trigger: event, purpose: service, variables: {reference: reference, reason: phrase}}
  offer:
    trigger: event
    purpose: marketing
    variables: {amount: money, rate: percent, months: count, respond_by: date}
  adverse_reporting:
    trigger: event
    purpose: mandatory
    statement: true
    variables: {tail: tail, total: money, days: count, due_on: date, report_on: date}
  referral:
    trigger: case
    purpose: collection
    within_hours: 72
    statement: true
    variables: {tail: tail, total: money, days: count, due_on: date}
  tier_1: {trigger: stage, purpose: collection, statement: true, variables: {tail: tail, total: money}}
"""
PHRASES = """
locale: en-US
phrases:
  reason: {income: your income compared with the amount, policy: it does not fit our lending rules}
"""
STRATEGY = "id: standard\nstages:\n  - {id: referral, kind: referral, offset_days: 45, purpose: collection}\n"
HEARS = ["servicing", "collection", "reply", "service", "mandatory", "marketing"]
STOP = "Reply STOP to opt out."
OTHER_PHONE = "+12125550144"

ARRIVED_AT = at("2026-03-08 16:00")
ARRIVED = {"amount": "820.00 USD", "event_on": "2026-03-08"}
THANKS = f"Larkspur Credit: thank you. $820.00 for your loan ending 4821 arrived on March 8. {STOP}"
BROKEN_AT = at("2026-03-16 14:00")
BROKEN = {"amount": "318.00 USD", "agreed_on": "2026-03-15"}
NO_BLAME = (
    f"Larkspur Credit: the $318.00 for your loan ending 4821 agreed for March 15 has not arrived. Call us. {STOP}"
)
OFFER = {"amount": "500.00 USD", "rate": "9.9", "months": "12", "respond_by": "2026-03-30"}
OFFERED = f"Larkspur Credit: $500.00 over 12 months at 9.9% a year, until March 30. No hurry. {STOP}"


@pytest.fixture
def run() -> Run:
    """Three borrowers: one has paid and is thanked, one is late and broke a promise, one owes nothing."""
    run = Run()
    run.packs = {"messages-some.yaml": MESSAGES, "phrases-en-US.yaml": PHRASES, "strategies-standard.yaml": STRATEGY}
    run.borrower(
        NY,
        "US-NY",
        "America/New_York",
        party("Maria Delacroix", NY_PHONE, may_hear=HEARS, consents=["marketing"]),
        party("Tomas Delacroix", OTHER_PHONE, party_id="p-2", role="co_borrower", may_hear=HEARS),
    )
    run.borrower(MA, "US-MA", "America/New_York", party("Owen Whitlock", MA_PHONE, may_hear=HEARS))
    run.borrower(CN, "CN", "Asia/Shanghai", party("欧阳晓岚", CN_PHONE, locale="zh-CN", may_hear=HEARS))
    start = at("2026-03-01 12:00")
    run.fact(NY, "loan.snapshot", start, loan=loan(1, start, instalments=[("2026-03-10", "820.00")]))
    run.fact(MA, "loan.snapshot", start, loan=loan(1, start, instalments=[("2026-03-10", "310.50")]))
    for day in range(1, 30):
        run.checkpoint(at(f"2026-03-{day:02d} 11:00"))
    paid = loan(2, ARRIVED_AT, instalments=[("2026-04-10", "820.00")])
    payment = {"payment_id": "pay-1", "amount": "820.00"}
    run.fact(NY, "payment.applied", ARRIVED_AT, payment=payment, loan=paid)
    late = loan(
        2, at("2026-03-14 10:00"), instalments=[("2026-03-10", "310.50")], total="318.00", fees="7.50", days_past_due=4
    )
    run.fact(MA, "loan.snapshot", at("2026-03-14 10:00"), loan=late)
    thanked(run)
    recalled(run)
    return run


def ask(run: Run, borrower_id: str, message: str, moment: datetime, facts: dict[str, str], **how: Any) -> str:
    """The core asks for a message; the event's id."""
    about = {name: how.pop(name) for name in ("loan_id", "party_id") if name in how}
    notice: dict[str, Any] = {"message": message, "facts": facts} | about
    run.fact(borrower_id, "notice.requested", moment, notice=notice, **how)
    return str(run.core[-1]["event"]["event_id"])


def say(
    run: Run, borrower_id: str, message: str, notice_id: str, to: str, body: str, moment: datetime, **how: Any
) -> dict[str, Any]:
    """It is handed over; gives the provider's row."""
    attempt, principal = how.pop("attempt", 0), how.pop("principal", "")
    key = f"{moment:%Y-%m-%d}#{message}~{notice_id}#0#{how.get('channel', 'sms')}#{attempt}"
    return run.sent(f"{borrower_id}/{key}{'@' + principal if principal else ''}", to, body, moment, **how)


def thanked(run: Run, body: str = THANKS, **facts: str) -> dict[str, Any]:
    notice_id = ask(run, NY, "payment_received", ARRIVED_AT, ARRIVED | facts, loan_id="l-1")
    return say(run, NY, "payment_received", notice_id, NY_PHONE, body, ARRIVED_AT + timedelta(minutes=5))


def recalled(run: Run, **how: Any) -> dict[str, Any]:
    notice_id = ask(run, MA, "promise_broken", BROKEN_AT, BROKEN, loan_id="l-1")
    return say(run, MA, "promise_broken", notice_id, MA_PHONE, NO_BLAME, BROKEN_AT + timedelta(hours=1), **how)


Check = Callable[[Run], AuditReport]


@pytest.fixture
def judged(tmp_path: Path) -> Check:
    return lambda run: audit(run.write(tmp_path))


def test_what_was_asked_for_and_said_is_clean(run: Run, judged: Check) -> None:
    report = judged(run)
    assert report.findings == ()
    assert (report.checked["notices"], report.checked["facts_stated"]) == (2, 4)


def test_a_notice_that_nobody_declared_is_judged_by_its_event_where_no_file_declares_any(
    run: Run, judged: Check
) -> None:
    run.packs = {}
    assert judged(run).findings == ()
    run.provider[0]["body"] = THANKS.replace("$820.00", "$802.00")
    assert kinds(judged(run)) == {"wrong_amount": 1}


# ── Planted ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def nobody_asked(run: Run) -> None:
    run.provider[0]["ref"] = run.provider[0]["ref"].replace("~e-", "~e-9")


def asked_of_another_borrower(run: Run) -> None:
    notice_id = ask(run, MA, "payment_received", ARRIVED_AT, ARRIVED, loan_id="l-1")
    say(run, NY, "payment_received", notice_id, NY_PHONE, THANKS, ARRIVED_AT + timedelta(hours=1))


def asked_for_in_other_words(run: Run) -> None:
    run.provider[0]["ref"] = run.provider[0]["ref"].replace("payment_received", "hardship_received")


def fed_only_afterwards(run: Run) -> None:
    notice_id = ask(run, NY, "payment_received", ARRIVED_AT, ARRIVED, loan_id="l-1", lag=7200)
    say(run, NY, "payment_received", notice_id, NY_PHONE, THANKS, ARRIVED_AT + timedelta(hours=1))


def no_declared_message(run: Run) -> None:
    notice_id = ask(run, NY, "season_greetings", ARRIVED_AT, {})
    body = f"Larkspur Credit: all the best from us. {STOP}"
    say(run, NY, "season_greetings", notice_id, NY_PHONE, body, ARRIVED_AT + timedelta(hours=1))


def a_stage_as_a_notice(run: Run) -> None:
    notice_id = ask(run, NY, "tier_1", ARRIVED_AT, {})
    say(run, NY, "tier_1", notice_id, NY_PHONE, f"Larkspur Credit: hello. {STOP}", ARRIVED_AT + timedelta(hours=1))


def for_a_co_borrower_and_said_to_the_primary(run: Run) -> None:
    notice_id = ask(run, NY, "payment_received", ARRIVED_AT, ARRIVED, loan_id="l-1", party_id="p-2")
    say(run, NY, "payment_received", notice_id, NY_PHONE, THANKS, ARRIVED_AT + timedelta(hours=1))


def for_the_primary_and_said_to_a_co_borrower(run: Run) -> None:
    run.provider[0]["to"] = OTHER_PHONE


def to_somebody_who_may_not_hear_of_it(run: Run) -> None:
    parties = [party("Maria Delacroix", NY_PHONE, may_hear=["servicing", "collection", "reply"])]
    profile = {"sequence": 2, "jurisdiction": "US-NY", "time_zone": "America/New_York", "parties": parties}
    run.fact(NY, "borrower.updated", at("2026-03-02 12:00"), borrower=profile)


def reserved_a_day_later(run: Run) -> None:
    moment = ARRIVED_AT + timedelta(hours=24, seconds=1)
    run.provider[0] |= {"at": iso(moment), "reserved_at": iso(moment), "delivered_at": iso(moment)}


def felt_after_its_time(run: Run) -> None:
    moment = ARRIVED_AT + timedelta(hours=23, minutes=30)
    run.provider[0] |= {"at": iso(moment), "reserved_at": iso(moment), "delivered_at": iso(moment)}


def another_amount(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("$820.00", "$802.00")


def another_currency(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("$820.00", "£820.00")


def no_amount(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("$820.00", "The payment")


def an_amount_more(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("March 8.", "March 8. Next: $820.50.")


def another_day(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("March 8", "March 9")


def a_day_more(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("March 8.", "March 8. Next: April 10.")


def days_overdue(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("arrived", "was 3 days late and arrived")


def another_account(run: Run) -> None:
    run.provider[0]["body"] = THANKS.replace("4821", "9911")


def rates(run: Run, body: str) -> None:
    facts = {"old_rate": "14.4", "rate": "15.9", "effective_on": "2026-04-30"}
    notice_id = ask(run, NY, "rate_changed", ARRIVED_AT, facts, loan_id="l-1")
    said = f"Larkspur Credit: the yearly rate of account ending 4821 {body} on April 30. {STOP}"
    say(run, NY, "rate_changed", notice_id, NY_PHONE, said, ARRIVED_AT + timedelta(hours=1))


def another_percentage(run: Run) -> None:
    rates(run, "changes from 14.4% to 19.5%")


def no_percentage(run: Run) -> None:
    rates(run, "changes to 15.9%")


def a_percentage_more(run: Run) -> None:
    rates(run, "changes from 14.4% to 15.9%, not to 17%,")


def another_count(run: Run) -> None:
    facts = {"instalments": "12", "amount": "70.00 USD", "effective_on": "2026-04-30"}
    notice_id = ask(run, NY, "term_changed", ARRIVED_AT, facts, loan_id="l-1")
    body = f"Larkspur Credit: account ending 4821 has 11 payments of $70.00 from April 30. {STOP}"
    say(run, NY, "term_changed", notice_id, NY_PHONE, body, ARRIVED_AT + timedelta(hours=1))


def declined(run: Run, body: str) -> None:
    facts = {"reference": "A-17", "reason": "reason.income"}
    notice_id = ask(run, NY, "application_declined", ARRIVED_AT, facts)
    say(run, NY, "application_declined", notice_id, NY_PHONE, f"{body} {STOP}", ARRIVED_AT + timedelta(hours=1))


def another_reason(run: Run) -> None:
    declined(run, "Larkspur Credit: not this time (A-17). The reason: it does not fit our lending rules.")


def another_reference(run: Run) -> None:
    declined(run, "Larkspur Credit: not this time (A-171). The reason: your income compared with the amount.")


def a_fact_the_core_never_gave(run: Run) -> None:
    for row in run.core:
        if row["event"].get("notice", {}).get("message") == "payment_received":
            del row["event"]["notice"]["facts"]["event_on"]
    run.provider[0]["body"] = THANKS.replace(" on March 8", "")


def said_twice(run: Run) -> None:
    run.provider.append(run.provider[0] | {"ref": run.provider[0]["ref"].replace("#sms#0", "#sms#1")})


def said_twice_on_two_channels_although_nobody_knows(run: Run) -> None:
    run.provider[0] |= {"delivered_at": None, "final": "UNKNOWN"}
    run.provider.append(run.provider[0] | {"ref": run.provider[0]["ref"].replace("#sms#0", "#email#1")})


def said_twice_under_another_date(run: Run) -> None:
    run.provider.append(run.provider[0] | {"ref": run.provider[0]["ref"].replace("2026-03-08", "2026-03-09")})


def a_payment_came(run: Run, occurred_at: datetime, fed_at: datetime, **how: Any) -> None:
    after = loan(
        3, occurred_at, instalments=[("2026-03-10", "300.00")], total="300.00", fees="7.50", days_past_due=6, **how
    )
    payment = {"payment_id": "pay-7", "amount": "18.00"}
    lag = (fed_at - occurred_at).total_seconds()
    run.fact(MA, "payment.applied", occurred_at, lag=lag, payment=payment, loan=after)


def money_asked_for_after_it_came(run: Run) -> None:
    a_payment_came(run, BROKEN_AT, BROKEN_AT + timedelta(minutes=30))


def money_asked_for_that_is_on_its_way(run: Run) -> None:
    a_payment_came(run, BROKEN_AT - timedelta(days=1), BROKEN_AT, pending=[("pay-8", "9.00")])


def money_asked_for_although_all_is_paid(run: Run) -> None:
    moment = BROKEN_AT - timedelta(hours=1)
    run.fact(MA, "loan.waived", moment, loan=loan(3, moment, instalments=[]))


def money_asked_for_that_is_not_overdue(run: Run) -> None:
    moment = BROKEN_AT - timedelta(hours=1)
    run.fact(MA, "loan.waived", moment, loan=loan(3, moment, instalments=[("2026-04-10", "318.00")]))


def money_asked_for_and_no_loan_named(run: Run) -> None:
    for row in run.core:
        if row["event"].get("notice", {}).get("message") == "promise_broken":
            del row["event"]["notice"]["loan_id"]


def money_asked_for_a_loan_that_was_sold(run: Run) -> None:
    moment = BROKEN_AT - timedelta(hours=1)
    sold = loan(3, moment, instalments=[("2026-03-10", "310.50")], status="sold")
    run.fact(MA, "loan.sold", moment, loan=sold)


def money_asked_for_on_stale_figures(run: Run) -> None:
    run.core = [row for row in run.core if row["event"]["type"] != "feed.checkpoint" or row["fed_at"] < "2026-03-14"]


def offered(run: Run, borrower_id: str, phone: str) -> None:
    notice_id = ask(run, borrower_id, "offer", at("2026-03-17 14:00"), OFFER)
    say(run, borrower_id, "offer", notice_id, phone, OFFERED, at("2026-03-17 15:00"))


def an_offer_without_consent(run: Run) -> None:
    profile = {
        "sequence": 2,
        "jurisdiction": "US-NY",
        "time_zone": "America/New_York",
        "parties": [party("Maria Delacroix", NY_PHONE, may_hear=HEARS, consents=["servicing"])],
    }
    run.fact(NY, "borrower.updated", at("2026-03-09 12:00"), borrower=profile)
    offered(run, NY, NY_PHONE)


def an_offer_in_arrears(run: Run) -> None:
    profile = {
        "sequence": 2,
        "jurisdiction": "US-MA",
        "time_zone": "America/New_York",
        "parties": [party("Owen Whitlock", MA_PHONE, may_hear=HEARS, consents=["marketing"])],
    }
    run.fact(MA, "borrower.updated", at("2026-03-09 12:00"), borrower=profile)
    offered(run, MA, MA_PHONE)


def an_offer_that_calls_itself_something_else(run: Run) -> None:
    run.packs["messages-some.yaml"] = MESSAGES.replace("purpose: marketing", "purpose: service")
    an_offer_without_consent(run)


def an_offer_under_a_hold(run: Run) -> None:
    hold = {"hold_id": "h-1", "kind": "dispute", "source": "staff"}
    run.fact(NY, "hold.placed", at("2026-03-15 09:00"), hold=hold)
    offered(run, NY, NY_PHONE)


def collection_under_a_hold(run: Run) -> None:
    run.fact(MA, "hold.placed", at("2026-03-15 09:00"), hold={"hold_id": "h-1", "kind": "hardship", "source": "staff"})


def service_after_a_death(run: Run) -> None:
    run.fact(NY, "hold.placed", ARRIVED_AT, hold={"hold_id": "h-1", "kind": "deceased", "source": "staff"})


def collection_at_night(run: Run) -> None:
    moment = at("2026-03-17 03:00")
    run.provider[1] |= {"at": iso(moment), "reserved_at": iso(moment), "delivered_at": iso(moment)}


def collection_a_third_time_in_a_week(run: Run) -> None:
    for days in (1, 2):
        moment = BROKEN_AT + timedelta(days=days)
        notice_id = ask(run, MA, "promise_broken", moment, BROKEN, loan_id="l-1")
        say(run, MA, "promise_broken", notice_id, MA_PHONE, NO_BLAME, moment + timedelta(hours=1))


def after_an_opt_out(run: Run) -> None:
    run.heard("in-1", NY_PHONE, "STOP", "opt_out", at("2026-03-05 15:00"))
    run.opted_out("in-1", at("2026-03-05 15:00") + timedelta(seconds=2))


def reported(run: Run, total: str = "$318.00", days: int = 7, report_on: str = "April 16") -> None:
    notice_id = ask(run, MA, "adverse_reporting", at("2026-03-17 14:00"), {"report_on": "2026-04-16"}, loan_id="l-1")
    body = (
        f"Larkspur Credit: {total} on account ending 4821, due on March 10, is {days} days past due. We report it on "
        f"{report_on}. {STOP}"
    )
    say(run, MA, "adverse_reporting", notice_id, MA_PHONE, body, at("2026-03-17 15:00"))


def a_statement_with_another_total(run: Run) -> None:
    reported(run, total="$310.00")


def a_statement_with_other_days(run: Run) -> None:
    reported(run, days=8)


def a_statement_without_its_fact(run: Run) -> None:
    reported(run, report_on="the last day")


def with_a_person(run: Run, *, days: int = 46, total: str = "$318.00", message: str = "referral") -> dict[str, Any]:
    moment = at("2026-03-24 14:00")
    late = loan(5, moment, instalments=[("2026-02-06", "310.50")], total="318.00", fees="7.50", days_past_due=days)
    run.fact(MA, "loan.snapshot", moment, loan=late)
    body = (
        f"Larkspur Credit: a colleague now looks after your account ending 4821: {total}, due since February 6, "
        f"{days} days past due. They will call. {STOP}"
    )
    return say(run, MA, message, "case-1", MA_PHONE, body, at("2026-03-24 15:00"))


def a_person_takes_over_too_early(run: Run) -> None:
    with_a_person(run, days=44)


def a_person_takes_over_another_total(run: Run) -> None:
    with_a_person(run, total="$333.00")


def a_person_takes_over_what_was_paid(run: Run) -> None:
    with_a_person(run)
    moment = at("2026-03-24 14:30")
    run.fact(MA, "loan.waived", moment, loan=loan(6, moment, instalments=[]))


def a_case_that_is_no_referral(run: Run) -> None:
    with_a_person(run, message="promise_broken")


def a_case_that_goes_on(run: Run) -> None:
    with_a_person(run)
    body = f"Larkspur Credit: $318.00 on your loan ending 4821 is 47 days past due. {STOP}"
    run.sent(f"{MA}/2026-02-06#tier_3#1#sms#0", MA_PHONE, body, at("2026-03-25 15:00"))


def the_same_person_takes_over_twice(run: Run) -> None:
    row = with_a_person(run)
    run.provider.append(row | {"ref": row["ref"].replace("#sms#0", "#sms#1")})


PLANTS: list[tuple[Callable[[Run], None], str]] = [
    (nobody_asked, "not_asked"),
    (asked_of_another_borrower, "not_asked"),
    (asked_for_in_other_words, "not_asked"),
    (fed_only_afterwards, "not_asked"),
    (no_declared_message, "not_asked"),
    (a_stage_as_a_notice, "not_asked"),
    (for_a_co_borrower_and_said_to_the_primary, "third_party"),
    (for_the_primary_and_said_to_a_co_borrower, "third_party"),
    (to_somebody_who_may_not_hear_of_it, "third_party"),
    (reserved_a_day_later, "too_late"),
    (felt_after_its_time, "too_late"),
    (another_amount, "wrong_amount"),
    (another_currency, "wrong_amount"),
    (no_amount, "wrong_amount"),
    (an_amount_more, "wrong_amount"),
    (another_day, "wrong_amount"),
    (a_day_more, "wrong_amount"),
    (days_overdue, "wrong_amount"),
    (another_account, "wrong_amount"),
    (another_percentage, "wrong_amount"),
    (no_percentage, "wrong_amount"),
    (a_percentage_more, "wrong_amount"),
    (another_count, "wrong_amount"),
    (another_reason, "wrong_amount"),
    (another_reference, "wrong_amount"),
    (a_fact_the_core_never_gave, "wrong_amount"),
    (said_twice, "duplicates"),
    (said_twice_on_two_channels_although_nobody_knows, "duplicates"),
    (said_twice_under_another_date, "duplicates"),
    (money_asked_for_after_it_came, "paid_already"),
    (money_asked_for_that_is_on_its_way, "paid_already"),
    (money_asked_for_although_all_is_paid, "paid_already"),
    (money_asked_for_that_is_not_overdue, "paid_already"),
    (money_asked_for_and_no_loan_named, "paid_already"),
    (money_asked_for_a_loan_that_was_sold, "not_open"),
    (money_asked_for_on_stale_figures, "stale_balance"),
    (an_offer_without_consent, "promotion"),
    (an_offer_in_arrears, "promotion"),
    (an_offer_that_calls_itself_something_else, "promotion"),
    (an_offer_under_a_hold, "hold"),
    (collection_under_a_hold, "hold"),
    (service_after_a_death, "hold"),
    (collection_at_night, "quiet_hours"),
    (collection_a_third_time_in_a_week, "cap"),
    (after_an_opt_out, "opt_out"),
    (a_statement_with_another_total, "wrong_amount"),
    (a_statement_with_other_days, "wrong_amount"),
    (a_statement_without_its_fact, "wrong_amount"),
    (a_person_takes_over_too_early, "not_asked"),
    (a_person_takes_over_another_total, "wrong_amount"),
    (a_person_takes_over_what_was_paid, "paid_already"),
    (a_case_that_is_no_referral, "not_asked"),
    (a_case_that_goes_on, "not_asked"),
    (the_same_person_takes_over_twice, "duplicates"),
]


@pytest.mark.parametrize(("plant", "kind"), PLANTS, ids=[plant.__name__ for plant, _ in PLANTS])
def test_a_planted_violation_is_found_and_nothing_else(
    run: Run, judged: Check, plant: Callable[[Run], None], kind: str
) -> None:
    plant(run)

    report = judged(run)

    assert kinds(report) == {kind: 1}, report.findings
    assert report.findings[0].why


def test_every_kind_of_a_notice_is_planted() -> None:
    assert {kind for _, kind in PLANTS} >= {"not_asked", "too_late", "promotion"}


# ── Right ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def an_offer_to_whom_wants_one(run: Run) -> None:
    offered(run, NY, NY_PHONE)


def a_co_borrowers_own(run: Run) -> None:
    notice_id = ask(run, NY, "payment_received", ARRIVED_AT, ARRIVED, loan_id="l-1", party_id="p-2")
    moment = ARRIVED_AT + timedelta(hours=1)
    say(run, NY, "payment_received", notice_id, OTHER_PHONE, THANKS, moment, principal="p-2")


def the_primary_named_by_id(run: Run) -> None:
    notice_id = ask(run, NY, "payment_received", ARRIVED_AT, ARRIVED, loan_id="l-1", party_id="p-1")
    say(run, NY, "payment_received", notice_id, NY_PHONE, THANKS, ARRIVED_AT + timedelta(hours=1))


def another_attempt_after_a_failure(run: Run) -> None:
    run.provider[0] |= {"delivered_at": None, "final": "TEXT_UNREACHABLE"}
    run.provider.append(
        run.provider[0]
        | {"ref": run.provider[0]["ref"].replace("#sms#0", "#sms#1"), "final": "TEXT_DELIVERED"}
        | {"delivered_at": run.provider[0]["at"]}
    )


def one_that_the_provider_did_not_take(run: Run) -> None:
    run.provider.append(
        run.provider[0] | {"ref": run.provider[0]["ref"].replace("#sms#0", "#sms#1"), "accepted": False}
    )


def service_at_night(run: Run) -> None:
    moment = at("2026-03-09 05:00")
    run.provider[0] |= {"at": iso(moment), "reserved_at": iso(moment), "delivered_at": iso(moment)}


def service_beside_a_hardship(run: Run) -> None:
    hold = {"hold_id": "h-1", "kind": "hardship", "source": "staff"}
    run.fact(NY, "hold.placed", at("2026-03-05 09:00"), hold=hold)
    notice_id = ask(run, NY, "hardship_received", at("2026-03-05 09:00"), {"expected_by": "2026-03-15"})
    body = f"Larkspur Credit: thank you for telling us. A person answers by March 15. {STOP}"
    say(run, NY, "hardship_received", notice_id, NY_PHONE, body, at("2026-03-05 15:00"))


def money_that_came_before(run: Run) -> None:
    a_payment_came(run, BROKEN_AT - timedelta(seconds=1), BROKEN_AT + timedelta(minutes=30))


def money_that_came_and_was_told_at_the_same_instant(run: Run) -> None:
    reserved_at = BROKEN_AT + timedelta(hours=1) - timedelta(seconds=1)
    a_payment_came(run, BROKEN_AT + timedelta(minutes=5), reserved_at)


def the_day_of_a_promise_before_anything_is_overdue(run: Run) -> None:
    facts = {"amount": "820.00 USD", "agreed_on": "2026-03-20"}
    notice_id = ask(run, NY, "promise_day", at("2026-03-20 13:00"), facts, loan_id="l-1")
    body = f"Larkspur Credit: today, March 20, is the day we agreed: $820.00 for your loan ending 4821. {STOP}"
    say(run, NY, "promise_day", notice_id, NY_PHONE, body, at("2026-03-20 14:00"))


def a_person_takes_over(run: Run) -> None:
    with_a_person(run)


RIGHT: list[Callable[[Run], None]] = [
    an_offer_to_whom_wants_one,
    a_co_borrowers_own,
    the_primary_named_by_id,
    another_attempt_after_a_failure,
    one_that_the_provider_did_not_take,
    service_at_night,
    service_beside_a_hardship,
    money_that_came_before,
    money_that_came_and_was_told_at_the_same_instant,
    the_day_of_a_promise_before_anything_is_overdue,
    reported,
    lambda run: rates(run, "changes from 14.4% to 15.9%"),
    lambda run: declined(run, "Larkspur Credit: no (A-17). The reason: your income compared with the amount."),
    a_person_takes_over,
]


@pytest.mark.parametrize("rightly", RIGHT, ids=lambda done: str(done.__name__))
def test_what_is_right_is_not_found(run: Run, judged: Check, rightly: Callable[[Run], None]) -> None:
    rightly(run)
    assert judged(run).findings == ()
