"""Plans agreed by text, judged: each kind of violation, planted, is found; what is right is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from local.auditor import audit
from tests.local.test_auditor import NY, NY_PHONE, Run, at, iso, loan
from tests.local.test_auditor_dialogues import LATE, STOPS, a_run

CHOSE = "t-2"
PLANS = """
jurisdictions: [US]
plans:
  caps: {extra_percent: "6.5"}
  upkeep: {remind_days: [3], grace_days: 2, cure_days: 7, take_up_hours: 24}
"""
DUES = (("2026-03-30", "410.00"), ("2026-04-30", "410.00"))
FIRST = {"due_on": "2026-03-30", "amount": "410.00 USD", "principal": "410.00 USD"}
OFFERED = "Larkspur Credit: we can offer: 1) 2 payments, the first $410.00 on March 30, $820.00 in all. Reply 1 or NO."
AGREED = "Larkspur Credit: your plan: 2 payments, the first $410.00 on March 30, $820.00 in all."
NEXT = "Larkspur Credit: the next payment in your plan is $410.00, due March 30. Reply STOP to opt out."
MISSED = "Larkspur Credit: your payment of $410.00 due March 30 has not come. Pay by April 9. Reply STOP to opt out."

Made = Callable[[], Run]


def offered(body: str = OFFERED) -> Run:
    run = a_run()
    run.packs |= {"stops.yaml": STOPS, "plans.yaml": PLANS}
    run.heard("t-1", NY_PHONE, "…", "plan", at("2026-03-16 15:00"))
    run.sent(f"{NY}/reply#plan_choices#sms#t-1", NY_PHONE, body, at("2026-03-16 15:01"))
    for day in range(1, 30):
        run.checkpoint(at(f"2026-04-{day:02d} 11:00"))
    return run


def in_plan(body: str = AGREED, offer: str = OFFERED, **changes: object) -> Run:
    run = offered(offer)
    run.heard(CHOSE, NY_PHONE, "1", "choice", at("2026-03-16 15:30"))
    dues = [{"due_on": day, "amount": f"{amount} USD", "principal": f"{amount} USD"} for day, amount in DUES]
    detail = {
        "plan_id": CHOSE,
        "borrower_id": NY,
        "loan_ids": ["l-1"],
        "agreed_at": iso(at("2026-03-16 15:30")),
        "debt": "820.00 USD",
        "total": "820.00 USD",
        "instalments": dues,
    }
    run.announced.append({"at": iso(at("2026-03-16 15:31")), "type": "plan.agreed", "detail": detail | changes})
    run.sent(f"{NY}/reply#plan_agreed#sms#{CHOSE}", NY_PHONE, body, at("2026-03-16 15:32"))
    return run


def told(run: Run, message: str, moment: str, body: str, which: str = "1") -> Run:
    ref = f"{NY}/2026-03-27#{message}~{message}-{CHOSE}.{which}#0#sms#0"
    run.sent(ref, NY_PHONE, body, at(moment))
    return run


def paid(run: Run, moment: str, amount: str) -> Run:
    snapshot = loan(2, at(moment), instalments=[("2026-03-10", "820.00")], total="820.00", days_past_due=20)
    run.fact(NY, "payment.applied", at(moment), payment={"payment_id": "p-1", "amount": amount}, loan=snapshot)
    return run


def reminded(run: Run, body: str) -> Run:
    return told(run, "plan_in_force", "2026-03-27 15:00", body)


def missed(run: Run) -> Run:
    return told(run, "plan_missed", "2026-04-02 15:00", MISSED)


def dunned(run: Run, moment: str) -> Run:
    run.sent(f"{NY}/2026-03-10#tier_1#1#sms#0", NY_PHONE, LATE, at(moment))
    return run


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        # What is offered and agreed.
        (offered, None),
        (lambda: offered(OFFERED.replace("$820.00", "$850.00")), None),
        (lambda: offered(OFFERED.replace("$820.00", "$900.00")), "plan"),
        (lambda: offered(OFFERED.replace("$820.00", "$800.00")), "plan"),
        (in_plan, None),
        (lambda: in_plan(AGREED.replace("$820.00", "$840.00")), "plan"),
        (lambda: in_plan(AGREED.replace("March 30", "March 31")), "plan"),
        (lambda: in_plan(offer=OFFERED.replace("$410.00", "$400.00")), "plan"),
        (lambda: in_plan(debt="819.99 USD"), "plan"),
        (lambda: in_plan(instalments=[FIRST]), "plan"),
        # What is said of it.
        (lambda: told(in_plan(), "plan_in_force", "2026-03-27 15:00", NEXT), None),
        (lambda: told(in_plan(), "plan_in_force", "2026-03-27 15:00", NEXT.replace("410", "420")), "plan"),
        (lambda: told(in_plan(), "plan_in_force", "2026-03-31 15:00", NEXT), "plan"),
        (lambda: reminded(paid(in_plan(), "2026-03-20 15:00", "410.00"), NEXT), "plan"),
        (lambda: reminded(paid(in_plan(), "2026-03-20 15:00", "10.00"), NEXT.replace("410", "400")), None),
        # What was missed.
        (lambda: told(in_plan(), "plan_missed", "2026-04-02 15:00", MISSED), None),
        (lambda: told(in_plan(), "plan_missed", "2026-04-01 15:00", MISSED), "plan"),
        (lambda: told(in_plan(), "plan_missed", "2026-04-02 15:00", MISSED.replace(" Pay by April 9.", "")), "plan"),
        (lambda: missed(paid(in_plan(), "2026-03-30 15:00", "410.00")), "plan"),
        (lambda: told(missed(in_plan()), "plan_missed", "2026-04-03 15:00", MISSED, "2"), "plan"),
        # Dunning.
        (lambda: dunned(in_plan(), "2026-03-20 15:00"), "plan_dunned"),
        (lambda: dunned(paid(in_plan(), "2026-03-30 15:00", "410.00"), "2026-04-20 15:00"), "plan_dunned"),
        (lambda: dunned(in_plan(), "2026-04-10 15:00"), None),
        (lambda: dunned(offered(), "2026-03-20 15:00"), None),
        (lambda: dunned(paid(in_plan(), "2026-03-30 15:00", "820.00"), "2026-04-10 15:00"), None),
    ],
)  # fmt: skip
def test_what_is_planted_is_found(made: Made, kind: str | None, tmp_path: Path) -> None:
    report = audit(made().write(tmp_path))
    found = {name: report.counters[name] for name in ("plan", "plan_dunned")}
    assert found == {"plan": 0, "plan_dunned": 0} | ({kind: 1} if kind else {}), report.findings


def test_what_was_looked_at_is_counted(tmp_path: Path) -> None:
    run = told(told(in_plan(), "plan_in_force", "2026-03-27 15:00", NEXT), "plan_missed", "2026-04-02 15:00", MISSED)
    checked = audit(dunned(run, "2026-04-10 15:00").write(tmp_path)).checked
    names = ("plans_offered", "plans_agreed", "plans_followed", "plans_missed", "plan_freezes")
    assert [checked[name] for name in names] == [1, 1, 2, 1, 2]


def test_a_word_about_a_plan_that_nobody_agreed_was_not_asked_for(tmp_path: Path) -> None:
    report = audit(told(offered(), "plan_in_force", "2026-03-27 15:00", NEXT).write(tmp_path))
    assert report.counters["not_asked"] == 1
