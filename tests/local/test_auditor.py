"""Every kind of violation, planted into clean evidence, is found; clean evidence is clean; edges are edges."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.auditor import KINDS, AuditReport, EvidenceError, audit

NY, MA, CN = "b-ny", "b-ma", "b-cn"
NY_PHONE, MA_PHONE, CN_PHONE = "+12125550101", "+16175550102", "+8613800000003"
NY_LINE, CN_LINE = "+18005550100", "106900000001"


def at(text: str) -> datetime:
    """`2026-03-03 15:00` as UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def iso(instant: datetime) -> str:
    return instant.isoformat()


def party(name: str, phone: str, **other: Any) -> dict[str, Any]:
    return {
        "party_id": "p-1",
        "role": "primary",
        "name": name,
        "locale": "en-US",
        "phone": phone,
        "may_hear": ["servicing", "collection", "reply"],
        "consents": [],
        **other,
    }


def loan(
    sequence: int,
    as_of: datetime,
    *,
    instalments: list[tuple[str, str]],
    loan_id: str = "l-1",
    tail: str = "4821",
    currency: str = "USD",
    total: str = "0.00",
    fees: str = "0.00",
    days_past_due: int = 0,
    status: str = "open",
    pending: list[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    principal = f"{float(total) - float(fees):.2f}"
    return {
        "loan_id": loan_id,
        "account_tail": tail,
        "currency": currency,
        "status": status,
        "as_of": iso(as_of),
        "sequence": sequence,
        "instalments": [
            {"number": number, "due_on": due_on, "outstanding": outstanding}
            for number, (due_on, outstanding) in enumerate(instalments, start=1)
        ],
        "overdue": {"principal": principal, "interest": "0.00", "fees": fees, "total": total},
        "days_past_due": days_past_due,
        "pending": [
            {"payment_id": payment_id, "amount": amount, "received_at": iso(as_of)}
            for payment_id, amount in pending or []
        ],
    }


class Run:
    """A folder of evidence in the making."""

    def __init__(self) -> None:
        self.provider: list[dict[str, Any]] = []
        self.core: list[dict[str, Any]] = []
        self.inbound: list[dict[str, Any]] = []
        self.announced: list[dict[str, Any]] = []
        self.logs: list[str] = []
        self.packs: dict[str, str] = {}

    def fact(self, borrower_id: str, type_: str, recorded_at: datetime, *, lag: float = 60, **carried: Any) -> None:
        event = {
            "event_id": f"e-{len(self.core)}",
            "type": type_,
            "occurred_at": iso(recorded_at),
            "borrower_id": borrower_id,
            **carried,
        }
        fed_at = recorded_at + timedelta(seconds=lag)
        self.core.append({"recorded_at": iso(recorded_at), "fed_at": iso(fed_at), "event": event})

    def borrower(self, borrower_id: str, jurisdiction: str, zone: str, *parties: dict[str, Any]) -> None:
        profile = {"sequence": 1, "jurisdiction": jurisdiction, "time_zone": zone, "parties": list(parties)}
        self.fact(borrower_id, "borrower.updated", at("2026-02-20 12:00"), borrower=profile)

    def checkpoint(self, complete_to: datetime) -> None:
        event = {
            "event_id": f"e-{len(self.core)}",
            "type": "feed.checkpoint",
            "occurred_at": iso(complete_to),
            "complete_to": iso(complete_to),
        }
        self.core.append({"recorded_at": iso(complete_to), "fed_at": iso(complete_to), "event": event})

    def sent(self, ref: str, to: str, body: str, moment: datetime, **other: Any) -> dict[str, Any]:
        row = {
            "at": iso(moment),
            "provider": "aws",
            "channel": "sms",
            "from": CN_LINE if to.startswith("+86") else NY_LINE,
            "to": to,
            "subject": None,
            "body": body,
            "ref": ref,
            "reserved_at": iso(moment - timedelta(seconds=1)),
            "ttl_seconds": 3600,
            "accepted": True,
            "answer": "accepted",
            "provider_message_id": f"m-{len(self.provider)}",
            "delivered_at": iso(moment + timedelta(seconds=8)),
            "final": "TEXT_DELIVERED",
            **other,
        }
        self.provider.append(row)
        return row

    def heard(self, inbound_id: str, sender: str, text: str, meaning: str, moment: datetime, **promised: str) -> None:
        self.inbound.append(
            {
                "at": iso(moment),
                "inbound_id": inbound_id,
                "provider": "aws",
                "from": sender,
                "to": NY_LINE,
                "text": text,
                "meaning": meaning,
                **promised,
            }
        )

    def needed(self, borrower_id: str, task_id: str, kind: str, moment: datetime, because: str = "opened") -> None:
        detail = {"task_id": task_id, "borrower_id": borrower_id, "kind": kind, "because": because}
        self.announced.append({"at": iso(moment), "type": "person.needed", "detail": detail})

    def log(self, **document: Any) -> None:
        self.logs.append(json.dumps({"level": "INFO", "service": "dunlin", **document}))

    def opted_out(self, inbound_id: str, recorded_at: datetime) -> None:
        self.log(message="opt-out recorded", inbound_id=inbound_id, recorded_at=iso(recorded_at))

    def write(self, folder: Path) -> Path:
        for name in ("provider", "core", "inbound", "announced"):
            rows = getattr(self, name)
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        (folder / "logs").mkdir(exist_ok=True)
        (folder / "logs" / "send_message.log").write_text("\n".join(self.logs) + "\n", encoding="utf-8")
        if self.packs:
            (folder / "packs").mkdir(exist_ok=True)
            for name, text in self.packs.items():
                (folder / "packs" / name).write_text(text, encoding="utf-8")
        return folder


def reminder(amount: str = "$820.00", due: str = "March 10", tail: str = "4821") -> str:
    return f"Larkspur Credit: Hi Maria, {amount} for your loan ending {tail} is due on {due}. Reply STOP to opt out."


def late_notice(amount: str, days: int, due: str = "March 10") -> str:
    return (
        f"Larkspur Credit: {amount} on your loan ending 4821 was due on {due} and is {days} days past due. "
        "Reply HARDSHIP if you need help, STOP to opt out."
    )


@pytest.fixture
def run() -> Run:
    """A month without fault: three borrowers, reminders, a tier, a payment, an opt-out and its confirmation."""
    run = Run()
    run.borrower(NY, "US-NY", "America/New_York", party("Maria Delacroix", NY_PHONE))
    run.borrower(MA, "US-MA", "America/New_York", party("Owen Whitlock", MA_PHONE, email="owen.w@mail.example"))
    run.borrower(CN, "CN", "Asia/Shanghai", party("欧阳晓岚", CN_PHONE, locale="zh-CN"))
    start = at("2026-03-01 12:00")
    for borrower_id, currency, outstanding in ((NY, "USD", "820.00"), (MA, "USD", "310.50"), (CN, "CNY", "1234.50")):
        snapshot = loan(1, start, instalments=[("2026-03-10", outstanding)], currency=currency)
        run.fact(borrower_id, "loan.snapshot", start, loan=snapshot)
    for day in range(1, 30):
        run.checkpoint(at(f"2026-03-{day:02d} 11:00"))
    run.sent(f"{NY}/2026-03-10#reminder_7#0#sms#0", NY_PHONE, reminder(), at("2026-03-03 15:00"))
    run.sent(
        f"{CN}/2026-03-10#reminder_3#0#sms#0",
        CN_PHONE,
        "【云雀消费金融】欧阳晓岚您好，您尾号4821的贷款将于3月10日到期，应还¥1,234.50元。如已还款请忽略，退订回T。",
        at("2026-03-07 02:00"),
    )
    run.fact(
        NY,
        "payment.applied",
        at("2026-03-08 16:00"),
        payment={"payment_id": "pay-1", "amount": "820.00"},
        loan=loan(2, at("2026-03-08 16:00"), instalments=[("2026-04-10", "820.00")]),
    )
    overdue = loan(
        2, at("2026-03-14 10:00"), instalments=[("2026-03-10", "310.50")], total="318.00", fees="7.50", days_past_due=4
    )
    run.fact(MA, "loan.snapshot", at("2026-03-14 10:00"), loan=overdue)
    run.sent(
        f"{MA}/2026-03-10#tier_1#1#sms#0", MA_PHONE, late_notice("$318.00 (fees $7.50)", 5), at("2026-03-15 15:00")
    )
    run.heard("in-1", MA_PHONE, "Stop. Thank you", "opt_out", at("2026-03-15 15:10"))
    run.opted_out("in-1", at("2026-03-15 15:10") + timedelta(seconds=2))
    run.sent(
        f"{MA}/reply#opt_out_confirmed#sms#in-1",
        MA_PHONE,
        "Larkspur Credit: you will get no more texts from us at this number. Reply START to undo.",
        at("2026-03-15 15:10") + timedelta(seconds=4),
        reserved_at=iso(at("2026-03-15 15:10") + timedelta(seconds=3)),
    )
    run.log(message="message sent", ref=f"{NY}/2026-03-10#reminder_7#0#sms#0", duration_ms=820.0, state="SENT")
    run.log(message="cold start", duration="318.00 ms", version="1.318.00")
    run.logs.append("REPORT RequestId: 7d0e Duration: 310.50 ms Memory Size: 512 MB")
    return run


Check = Callable[[Run], AuditReport]


@pytest.fixture
def judged(tmp_path: Path) -> Check:
    return lambda run: audit(run.write(tmp_path))


def kinds(report: AuditReport) -> dict[str, int]:
    return {kind: count for kind, count in report.counters.items() if count}


# ── Clean ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_clean_evidence_has_no_findings_and_shows_what_was_checked(run: Run, judged: Check) -> None:
    report = judged(run)

    assert report.findings == ()
    assert set(report.counters) == set(KINDS)
    assert report.opt_outs == {"received": 1, "honoured": 1, "max_seconds": 2.0}
    assert report.checked["texts"] == 4
    assert report.checked["amounts"] == 4
    assert report.checked["dates"] == 3
    assert report.checked["days_stated"] == 1
    assert report.checked["log_lines"] == 4
    for name in ("hours_checks", "cap_checks", "recipients", "balance_ages", "totals", "paid_checks", "wordings"):
        assert report.checked[name] > 0, name


def test_the_report_is_json_and_says_nothing_personal(run: Run, judged: Check) -> None:
    run.sent(f"{NY}/2026-04-10#reminder_7#0#sms#0", "+13125550199", reminder("$9.99"), at("2026-03-28 06:00"))
    run.logs.append("could not send 820.00 to Maria Delacroix at +1 (212) 555-0101")

    text = json.dumps(judged(run).to_json(), ensure_ascii=False)

    for planted in ("Maria", "Delacroix", "2125550101", "555-0101", "820.00", "9.99", "3125550199"):
        assert planted not in text


def test_an_empty_run_is_visibly_empty(judged: Check) -> None:
    report = judged(Run())

    assert report.total == 0
    assert report.checked["texts"] == 0
    assert report.checked["log_lines"] == 0


def test_missing_or_broken_evidence_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="logs"):
        audit(tmp_path)
    run.write(tmp_path)
    with (tmp_path / "provider.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"at": "2026-03-03T15:00:00"}\n')
    with pytest.raises(EvidenceError, match=r"provider\.jsonl:5: at has no offset"):
        audit(tmp_path)


def test_it_imports_nothing_of_what_it_judges() -> None:
    modules = list((Path(__file__).parents[2] / "local" / "auditor").glob("*.py"))
    assert len(modules) >= 8
    for module in modules:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name.split(".")[0] not in ("dunlin", "functions", "layers"), f"{module.name} imports {name}"
                assert not name.startswith("local.") or name.startswith("local.auditor"), f"{module.name}: {name}"


# ── Each kind, planted ───────────────────────────────────────────────────────────────────────────────────────────────


def plant_opt_out(run: Run) -> None:
    overdue = loan(
        3, at("2026-03-25 10:00"), instalments=[("2026-03-10", "310.50")], total="318.00", fees="7.50", days_past_due=15
    )
    run.fact(MA, "loan.snapshot", at("2026-03-25 10:00"), loan=overdue)
    run.sent(f"{MA}/2026-03-10#tier_2#1#sms#0", MA_PHONE, late_notice("$318.00", 15), at("2026-03-25 15:00"))


def plant_opt_out_never_recorded(run: Run) -> None:
    run.heard("in-2", NY_PHONE, "please stop texting me", "opt_out", at("2026-03-20 12:00"))


def plant_late_confirmation(run: Run) -> None:
    run.heard("in-2", CN_PHONE, "TD", "opt_out", at("2026-03-20 04:00"))
    run.opted_out("in-2", at("2026-03-20 04:01"))
    body = "【云雀消费金融】已为您退订，不再向本号码发送短信。"
    run.sent(f"{CN}/reply#opt_out_confirmed#sms#in-2", CN_PHONE, body, at("2026-03-20 04:06"))


def plant_quiet_hours(run: Run) -> None:
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 03:00"))


def plant_cap(run: Run) -> None:
    snapshot = loan(
        9,
        at("2026-03-02 10:00"),
        instalments=[("2026-02-01", "55.00")],
        loan_id="l-9",
        tail="7777",
        total="55.00",
        days_past_due=29,
    )
    run.fact(MA, "loan.snapshot", at("2026-03-02 10:00"), loan=snapshot)
    for day, stage in ((3, "tier_1"), (5, "tier_2"), (9, "tier_3")):
        body = f"Larkspur Credit: $55.00 on your loan ending 7777 is {27 + day} days past due. Reply STOP to opt out."
        run.sent(f"{MA}/2026-02-01#{stage}#1#sms#0", MA_PHONE, body, at(f"2026-03-{day:02d} 15:00"))


def plant_paid_already(run: Run) -> None:
    run.sent(f"{NY}/2026-03-10#due_today#0#sms#0", NY_PHONE, reminder(), at("2026-03-10 15:00"))


def plant_pending_covers(run: Run) -> None:
    snapshot = loan(3, at("2026-03-26 12:00"), instalments=[("2026-04-10", "820.00")], pending=[("pay-2", "820.00")])
    run.fact(
        NY,
        "payment.pending",
        at("2026-03-26 12:00"),
        payment={"payment_id": "pay-2", "amount": "820.00"},
        loan=snapshot,
    )
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 15:00"))


def plant_stale_balance(run: Run) -> None:
    run.core = [row for row in run.core if row["event"]["type"] != "feed.checkpoint" or row["fed_at"] < "2026-03-26"]
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 15:00"))


def plant_wrong_amount(run: Run) -> None:
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder("$802.00", "April 10"), at("2026-03-27 15:00"))


def plant_wrong_currency(run: Run) -> None:
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder("¥820.00", "April 10"), at("2026-03-27 15:00"))


def plant_wrong_date(run: Run) -> None:
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 11"), at("2026-03-27 15:00"))


def plant_wrong_days(run: Run) -> None:
    run.provider[2]["body"] = late_notice("$318.00", 6)


def plant_wrong_account(run: Run) -> None:
    run.provider[0]["body"] = reminder(tail="9911")


def plant_third_party(run: Run) -> None:
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", "+13125550199", reminder(due="April 10"), at("2026-03-27 15:00"))


def plant_party_who_may_not_hear(run: Run) -> None:
    parties = [
        party("Maria Delacroix", NY_PHONE),
        party("Tomas Delacroix", "+12125550144", party_id="p-2", role="guarantor", may_hear=["mandatory"]),
    ]
    profile = {"sequence": 2, "jurisdiction": "US-NY", "time_zone": "America/New_York", "parties": parties}
    run.fact(NY, "borrower.updated", at("2026-03-20 12:00"), borrower=profile)
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", "+12125550144", reminder(due="April 10"), at("2026-03-27 15:00"))


def plant_another_borrowers_name(run: Run) -> None:
    run.provider[0]["body"] = reminder().replace("Maria", "Owen Whitlock")


def plant_duplicate_ref(run: Run) -> None:
    run.provider.append({**run.provider[0], "provider_message_id": "m-again"})


def plant_duplicate_occasion(run: Run) -> None:
    run.sent(f"{NY}/2026-03-10#reminder_7#0#sms#1", NY_PHONE, reminder(), at("2026-03-04 15:00"))


def plant_forbidden_word(run: Run) -> None:
    run.provider[1]["body"] = run.provider[1]["body"].replace("如已还款请忽略", "警告")


def plant_threat(run: Run) -> None:
    run.provider[2]["body"] += " We will contact your employer."


def plant_no_identity(run: Run) -> None:
    run.provider[0]["body"] = reminder().removeprefix("Larkspur Credit: ")


def plant_no_opt_out_line(run: Run) -> None:
    run.provider[1]["body"] = run.provider[1]["body"].replace("，退订回T", "")


def plant_hold(run: Run) -> None:
    run.fact(MA, "hold.placed", at("2026-03-15 09:00"), hold={"hold_id": "h-1", "kind": "hardship", "source": "agent"})


def plant_sold(run: Run) -> None:
    snapshot = loan(3, at("2026-03-26 12:00"), instalments=[("2026-04-10", "820.00")], status="sold")
    run.fact(NY, "loan.sold", at("2026-03-26 12:00"), loan=snapshot)
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 15:00"))


def plant_stage_of_no_strategy(run: Run) -> None:
    """A strategy whose stages are those of the clean month, and no fourteen days before."""
    run.packs["standard.yaml"] = """
id: standard
jurisdictions: [CN, US]
stages:
  - {id: reminder_7, offset_days: -7, lasts_days: 3, channels: [sms]}
  - {id: reminder_3, offset_days: -3, lasts_days: 2, channels: [sms]}
  - {id: tier_1, offset_days: 4, channels: [sms]}
"""
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 15:00"))


PLANTS: list[tuple[Callable[[Run], None], str]] = [
    (plant_opt_out, "opt_out"),
    (plant_opt_out_never_recorded, "opt_out"),
    (plant_late_confirmation, "opt_out"),
    (plant_quiet_hours, "quiet_hours"),
    (plant_cap, "cap"),
    (plant_paid_already, "paid_already"),
    (plant_pending_covers, "paid_already"),
    (plant_stale_balance, "stale_balance"),
    (plant_wrong_amount, "wrong_amount"),
    (plant_wrong_currency, "wrong_amount"),
    (plant_wrong_date, "wrong_amount"),
    (plant_wrong_days, "wrong_amount"),
    (plant_wrong_account, "wrong_amount"),
    (plant_third_party, "third_party"),
    (plant_party_who_may_not_hear, "third_party"),
    (plant_another_borrowers_name, "third_party"),
    (plant_duplicate_ref, "duplicates"),
    (plant_duplicate_occasion, "duplicates"),
    (plant_forbidden_word, "content"),
    (plant_threat, "content"),
    (plant_no_identity, "content"),
    (plant_no_opt_out_line, "content"),
    (plant_hold, "hold"),
    (plant_sold, "not_open"),
    (plant_stage_of_no_strategy, "strategy"),
]


@pytest.mark.parametrize(("plant", "kind"), PLANTS, ids=[plant.__name__ for plant, _ in PLANTS])
def test_a_planted_violation_is_found_and_nothing_else(
    run: Run, judged: Check, plant: Callable[[Run], None], kind: str
) -> None:
    plant(run)

    report = judged(run)

    assert kinds(report) == {kind: 1}, report.findings
    assert report.findings[0].why


def test_every_kind_is_planted_somewhere() -> None:
    elsewhere = {"pii_in_logs"}
    elsewhere |= {"consent", "preference", "contact_point"}  # tests/local/test_auditor_wishes.py
    elsewhere |= {"not_asked", "too_late", "promotion"}  # tests/local/test_auditor_notices.py
    elsewhere |= {"text_stop", "promise", "unanswered", "stranger", "balance"}  # tests/local/test_auditor_dialogues.py
    elsewhere |= {"answer", "repeated"}  # tests/local/test_auditor_thread.py
    elsewhere |= {"plan", "plan_dunned"}  # tests/local/test_auditor_repayment.py
    assert {kind for _, kind in PLANTS} | elsewhere == set(KINDS)


# ── Opt-out ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_in_the_air_when_the_stop_came_is_fine(run: Run, judged: Check) -> None:
    moment = at("2026-03-27 15:00")
    run.heard("in-2", NY_PHONE, "STOP", "opt_out", moment)
    run.opted_out("in-2", moment + timedelta(seconds=2))
    run.sent(
        f"{NY}/2026-04-10#reminder_14#0#sms#0",
        NY_PHONE,
        reminder(due="April 10"),
        moment + timedelta(seconds=3),
        reserved_at=iso(moment + timedelta(seconds=1)),
        delivered_at=iso(moment + timedelta(minutes=9)),
    )

    assert judged(run).findings == ()


def test_reserved_at_the_very_instant_of_the_record_is_a_tie(run: Run, judged: Check) -> None:
    moment = at("2026-03-27 15:00")
    run.heard("in-2", NY_PHONE, "STOP", "opt_out", moment)
    run.opted_out("in-2", moment)
    run.sent(
        f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), moment, reserved_at=iso(moment)
    )

    report = judged(run)

    assert report.findings == ()
    assert report.observations["opt_out_ties"] == 1


def test_one_microsecond_after_the_record_is_a_violation(run: Run, judged: Check) -> None:
    moment = at("2026-03-27 15:00")
    run.heard("in-2", NY_PHONE, "STOP", "opt_out", moment)
    run.opted_out("in-2", moment)
    run.sent(
        f"{NY}/2026-04-10#reminder_14#0#sms#0",
        NY_PHONE,
        reminder(due="April 10"),
        moment + timedelta(seconds=1),
        reserved_at=iso(moment + timedelta(microseconds=1)),
    )

    assert kinds(judged(run)) == {"opt_out": 1}


def test_an_opt_in_ends_it_and_a_later_opt_out_begins_again(run: Run, judged: Check) -> None:
    run.heard("in-2", NY_PHONE, "STOP", "opt_out", at("2026-03-20 12:00"))
    run.opted_out("in-2", at("2026-03-20 12:00"))
    run.heard("in-3", NY_PHONE, "START", "opt_in", at("2026-03-21 12:00"))
    back = "Larkspur Credit: you are back. Reply STOP to opt out."
    run.sent(f"{NY}/reply#opt_in_confirmation#sms#in-3", NY_PHONE, back, at("2026-03-21 12:01"))
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 15:00"))
    assert judged(run).findings == ()

    run.heard("in-4", NY_PHONE, "quit it", "opt_out", at("2026-03-27 15:30"))
    run.opted_out("in-4", at("2026-03-27 15:31"))
    run.sent(f"{NY}/2026-04-10#reminder_13#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-28 15:00"))
    report = judged(run)
    assert kinds(report) == {"opt_out": 1}
    assert report.opt_outs == {"received": 3, "honoured": 3, "max_seconds": 60.0}


def test_a_stop_said_twice_is_honoured_by_its_first_record(run: Run, judged: Check) -> None:
    run.heard("in-9", MA_PHONE, "STOP!!", "opt_out", at("2026-03-16 15:00"))

    report = judged(run)

    assert report.findings == ()
    assert report.opt_outs == {"received": 2, "honoured": 2, "max_seconds": 2.0}


def test_an_opt_out_of_texts_leaves_email_and_silences_every_borrower_with_the_number(run: Run, judged: Check) -> None:
    overdue = loan(
        3, at("2026-03-25 10:00"), instalments=[("2026-03-10", "310.50")], total="318.00", fees="7.50", days_past_due=15
    )
    run.fact(MA, "loan.snapshot", at("2026-03-25 10:00"), loan=overdue)
    run.sent(
        f"{MA}/2026-03-10#tier_2#1#email#0",
        "owen.w@mail.example",
        late_notice("$318.00", 15),
        at("2026-03-25 15:00"),
        channel="email",
        subject="Your loan ending 4821",
    )
    assert judged(run).findings == ()

    run.borrower("b-wife", "US-MA", "America/New_York", party("June Whitlock", MA_PHONE))
    snapshot = loan(1, at("2026-03-25 10:00"), instalments=[("2026-04-01", "12.00")], tail="3333")
    run.fact("b-wife", "loan.snapshot", at("2026-03-25 10:00"), loan=snapshot)
    body = "Larkspur Credit: $12.00 for your loan ending 3333 is due on April 1. Reply STOP to opt out."
    run.sent("b-wife/2026-04-01#reminder_7#0#sms#0", MA_PHONE, body, at("2026-03-26 15:00"))
    assert kinds(judged(run)) == {"opt_out": 1}


def test_a_confirmation_must_not_dun(run: Run, judged: Check) -> None:
    run.provider[3]["body"] += " You still owe $318.00."

    assert kinds(judged(run)) == {"opt_out": 1}


def test_a_text_that_only_looks_like_an_opt_out_is_counted_when_it_was_recorded(run: Run, judged: Check) -> None:
    run.heard("in-2", NY_PHONE, "I'll send it Friday", "other", at("2026-03-20 12:00"))
    run.opted_out("in-2", at("2026-03-20 12:00"))

    assert judged(run).observations["recorded_but_not_meant"] == 1


# ── Hours ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("handed_over", "ttl", "delivered", "fine"),
    [
        ("2026-03-28 00:00", 3600, "2026-03-28 00:30", True),  # 20:00 EDT, latest at 21:00:00 exactly
        ("2026-03-28 00:00", 3601, "2026-03-28 00:30", False),
        ("2026-03-28 00:00", 3600, "2026-03-28 01:00", False),  # delivered at 21:00:00: over
        ("2026-03-28 00:00", 3600, "2026-03-28 01:01", False),
        ("2026-03-27 12:00", 600, "2026-03-27 12:00", True),  # 08:00 EDT
        ("2026-03-27 11:59", 600, "2026-03-27 12:00", False),
        # The night of the change: on 7 March 08:00 is 13:00 UTC, on 8 March it is 12:00 UTC.
        ("2026-03-07 12:30", 600, None, False),
        ("2026-03-08 12:30", 600, None, True),
        ("2026-03-08 00:30", 5400, None, True),  # 19:30 EST + 90 min = 21:00 EST
        ("2026-03-09 00:30", 5400, None, False),  # 20:30 EDT
        ("2026-03-27 23:00", 86400, None, False),  # 19:00, but it may be delivered all through the night
    ],
)
def test_american_hours(run: Run, judged: Check, handed_over: str, ttl: int, delivered: str | None, fine: bool) -> None:
    run.provider = []
    early = at(handed_over) < at("2026-03-09 12:00")
    run.sent(
        f"{NY}/2026-03-10#reminder_2#0#sms#0" if early else f"{NY}/2026-04-10#reminder_14#0#sms#0",
        NY_PHONE,
        reminder() if early else reminder(due="April 10"),
        at(handed_over),
        ttl_seconds=ttl,
        delivered_at=None if delivered is None else iso(at(delivered)),
    )
    run.core = [row for row in run.core if row["event"]["type"] != "payment.applied" or not early]

    assert kinds(judged(run)) == ({} if fine else {"quiet_hours": 1})


@pytest.mark.parametrize(
    ("handed_over", "fine"),
    [
        ("2026-03-27 14:59", False),  # 10:59 Eastern, 07:59 Pacific
        ("2026-03-27 15:00", True),
        ("2026-03-28 00:50", True),  # until 21:00 Eastern
        ("2026-03-28 00:51", False),
    ],
)
def test_an_eastern_number_with_a_pacific_address_needs_both(
    run: Run, judged: Check, handed_over: str, fine: bool
) -> None:
    run.borrower("b-two", "US-NY", "America/Los_Angeles", party("Priya Nandakumar", "+12125550155"))
    snapshot = loan(1, at("2026-03-25 10:00"), instalments=[("2026-04-10", "44.00")], tail="2468")
    run.fact("b-two", "loan.snapshot", at("2026-03-25 10:00"), loan=snapshot)
    body = "Larkspur Credit: $44.00 for your loan ending 2468 is due on April 10. Reply STOP to opt out."
    run.sent("b-two/2026-04-10#reminder_14#0#sms#0", "+12125550155", body, at(handed_over), ttl_seconds=600)

    assert kinds(judged(run)) == ({} if fine else {"quiet_hours": 1})


@pytest.mark.parametrize(
    ("utc", "fine"), [("13:49:59", True), ("13:50:01", False), ("00:00:00", True), ("23:59:59", False)]
)
def test_chinese_hours(run: Run, judged: Check, utc: str, fine: bool) -> None:
    row = run.provider[1]
    moment = at(f"2026-03-06 {utc}")
    row |= {"at": iso(moment), "reserved_at": iso(moment), "delivered_at": None, "ttl_seconds": 600}

    assert kinds(judged(run)) == ({} if fine else {"quiet_hours": 1})


def test_an_answer_to_a_late_text_is_not_held_to_the_hours(run: Run, judged: Check) -> None:
    run.heard("in-2", NY_PHONE, "HELP", "help", at("2026-03-20 03:00"))
    body = "Larkspur Credit: answer with BALANCE or PLAN, or call 800-555-0100. Reply STOP to opt out."
    run.sent(f"{NY}/reply#help#sms#in-2", NY_PHONE, body, at("2026-03-20 03:01"))
    assert judged(run).findings == ()

    run.sent(f"{NY}/reply#help2#sms#in-2", NY_PHONE, body, at("2026-03-20 03:05"))
    assert kinds(judged(run)) == {"quiet_hours": 1}, "one text is answered once"


def test_an_unknown_area_code_is_counted(run: Run, judged: Check) -> None:
    run.borrower("b-two", "US-NY", "America/New_York", party("Priya Nandakumar", "+19995550155"))
    snapshot = loan(1, at("2026-03-25 10:00"), instalments=[("2026-04-10", "44.00")], tail="2468")
    run.fact("b-two", "loan.snapshot", at("2026-03-25 10:00"), loan=snapshot)
    body = "Larkspur Credit: $44.00 for your loan ending 2468 is due on April 10. Reply STOP to opt out."
    run.sent("b-two/2026-04-10#reminder_14#0#sms#0", "+19995550155", body, at("2026-03-27 15:00"))

    report = judged(run)

    assert report.findings == ()
    assert report.observations["unknown_area_codes"] == 1


# ── Caps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

OWN_LIMITS = """
jurisdiction: US-NY
caps:
  - rule_id: own.one_a_day
    purposes: [servicing, collection]
    channels: [any]
    count: 1
    days: 1
    basis: calendar
    per: debtor
    source: {reference: own policy, confidence: own}
  - rule_id: law.none
    purposes: [servicing]
    channels: [any]
    count: 0
    days: 1
    per: debtor
    source: {reference: not ours to read here, confidence: P}
balance_max_age_hours: 12
"""


def test_the_lenders_own_limits_come_from_its_packs(run: Run, judged: Check) -> None:
    run.packs["us-ny.yaml"] = OWN_LIMITS
    assert judged(run).findings == ()

    run.sent(f"{NY}/2026-03-10#reminder_6#0#sms#0", NY_PHONE, reminder(), at("2026-03-03 17:00"))
    assert kinds(judged(run)) == {"cap": 1}

    run.provider[-1]["accepted"] = False
    assert judged(run).findings == (), "a refused hand-over reached nobody"


def test_the_lenders_own_age_of_a_balance_is_used(run: Run, judged: Check) -> None:
    run.packs["us-ny.yaml"] = OWN_LIMITS
    run.core = [row for row in run.core if row["event"]["type"] != "feed.checkpoint" or row["fed_at"] < "2026-03-03"]
    run.core += [
        {
            "recorded_at": "2026-03-05T00:00:00+00:00",
            "fed_at": "2026-03-05T00:00:00+00:00",
            "event": {"type": "feed.checkpoint", "complete_to": "2026-03-31T00:00:00+00:00"},
        }
    ]

    assert kinds(judged(run)) == {"stale_balance": 1}


def test_contacts_made_before_the_cut_over_count(run: Run, judged: Check) -> None:
    imported = loan(
        1,
        at("2026-03-13 10:00"),
        instalments=[("2026-02-01", "90.00")],
        loan_id="l-5",
        tail="5656",
        total="90.00",
        days_past_due=40,
    )
    run.fact(
        MA,
        "portfolio.imported",
        at("2026-03-13 10:00"),
        loan=imported,
        contacts=[
            {"at": "2026-03-11T15:00:00+00:00", "channel": "call", "purpose": "collection"},
            {"at": "2026-03-12T15:00:00+00:00", "channel": "sms", "purpose": "collection"},
        ],
    )
    run.provider[2]["body"] = (
        "Larkspur Credit: $90.00 on your loan ending 5656 is 42 days past due. Reply STOP to opt out."
    )

    assert kinds(judged(run)) == {"cap": 1}


def test_answers_do_not_use_up_a_cap(run: Run, judged: Check) -> None:
    run.packs["us-ny.yaml"] = OWN_LIMITS
    run.heard("in-2", NY_PHONE, "how much?", "other", at("2026-03-03 16:00"))
    body = "Larkspur Credit: $820.00 is due on March 10 for your loan ending 4821."
    run.sent(f"{NY}/reply#balance#sms#in-2", NY_PHONE, body, at("2026-03-03 16:01"))

    assert judged(run).findings == ()


# ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_paid_at_the_core_but_not_fed_yet_is_feed_lag(run: Run, judged: Check) -> None:
    for row in run.core:
        if row["event"]["type"] == "payment.applied":
            row["fed_at"] = iso(at("2026-03-09 20:00"))
    run.sent(f"{NY}/2026-03-10#reminder_1#0#sms#0", NY_PHONE, reminder(), at("2026-03-09 15:00"))

    report = judged(run)

    assert report.findings == ()
    assert report.observations["paid_in_feed_lag"] == 1


def test_a_payment_fed_at_the_instant_of_the_reservation_may_be_on_either_side(run: Run, judged: Check) -> None:
    moment = at("2026-03-08 16:01")  # one minute of lag after 16:00
    run.sent(f"{NY}/2026-03-10#reminder_2#0#sms#0", NY_PHONE, reminder(), moment, reserved_at=iso(moment))
    report = judged(run)
    assert report.findings == ()
    assert report.observations["fact_ties"] == 1

    run.provider[-1]["reserved_at"] = iso(moment + timedelta(microseconds=1))
    assert kinds(judged(run)) == {"paid_already": 1}


def test_facts_may_need_a_moment_to_be_taken_in_where_queues_are_real(run: Run, tmp_path: Path) -> None:
    moment = at("2026-03-08 16:01") + timedelta(seconds=2)
    run.sent(f"{NY}/2026-03-10#reminder_2#0#sms#0", NY_PHONE, reminder(), moment, reserved_at=iso(moment))
    folder = run.write(tmp_path)

    assert kinds(audit(folder)) == {"paid_already": 1}
    assert audit(folder, settle_seconds=5).findings == ()


def test_a_partial_payment_lowers_the_amount(run: Run, judged: Check) -> None:
    part = loan(3, at("2026-03-26 12:00"), instalments=[("2026-04-10", "320.00")])
    run.fact(
        NY, "payment.applied", at("2026-03-26 12:00"), payment={"payment_id": "pay-2", "amount": "500.00"}, loan=part
    )
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder("$320.00", "April 10"), at("2026-03-27 15:00"))
    assert judged(run).findings == ()

    run.provider[-1]["body"] = reminder("$820.00", "April 10")
    assert kinds(judged(run)) == {"wrong_amount": 1}


def test_a_pending_payment_that_does_not_cover_it_leaves_it_due(run: Run, judged: Check) -> None:
    part = loan(3, at("2026-03-26 12:00"), instalments=[("2026-04-10", "820.00")], pending=[("pay-2", "500.00")])
    run.fact(
        NY, "payment.pending", at("2026-03-26 12:00"), payment={"payment_id": "pay-2", "amount": "500.00"}, loan=part
    )
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 15:00"))

    assert judged(run).findings == ()


def test_an_older_sequence_changes_nothing(run: Run, judged: Check) -> None:
    stale = loan(1, at("2026-03-26 12:00"), instalments=[("2026-04-10", "1.00")])
    run.fact(NY, "loan.snapshot", at("2026-03-26 12:00"), loan=stale)
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at("2026-03-27 15:00"))

    assert judged(run).findings == ()


@pytest.mark.parametrize(
    ("body", "fine"),
    [
        (
            "Larkspur Credit: $870.00 is due on April 10: $820.00 (ending 4821), $50.00 (ending 1357). STOP to end.",
            True,
        ),
        ("Larkspur Credit: $870.00 is due on April 10 for your 2 loans. Reply STOP to opt out.", True),
        ("Larkspur Credit: $820.00 is due on April 10 for your 2 loans. Reply STOP to opt out.", False),
        (
            "Larkspur Credit: $920.00 is due on April 10: $820.00 (ending 4821), $50.00 (ending 1357). STOP to end.",
            False,
        ),
        ("Larkspur Credit: $820.00 is due on April 10 (loan ending 4821). Reply STOP to opt out.", True),
    ],
)
def test_a_text_about_several_loans_states_their_sum(run: Run, judged: Check, body: str, fine: bool) -> None:
    snapshot = loan(1, at("2026-03-20 12:00"), instalments=[("2026-04-10", "50.00")], loan_id="l-2", tail="1357")
    run.fact(NY, "loan.snapshot", at("2026-03-20 12:00"), loan=snapshot)
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, body, at("2026-03-27 15:00"))

    assert kinds(judged(run)) == ({} if fine else {"wrong_amount": 1})


def test_several_loans_of_which_one_was_paid(run: Run, judged: Check) -> None:
    for sequence, instalments in ((1, [("2026-04-10", "50.00")]), (2, [("2026-05-10", "50.00")])):
        moment = at(f"2026-03-2{sequence} 12:00")
        run.fact(
            NY,
            "loan.snapshot",
            moment,
            loan=loan(sequence, moment, instalments=instalments, loan_id="l-2", tail="1357"),
        )
    body = "Larkspur Credit: $870.00 is due on April 10: $820.00 (ending 4821), $50.00 (ending 1357). STOP to end."
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, body, at("2026-03-27 15:00"))

    assert kinds(judged(run)) == {"wrong_amount": 1}


def test_a_stage_may_be_tried_again_elsewhere_once_it_failed(run: Run, judged: Check) -> None:
    run.provider[0] |= {"delivered_at": None, "final": "TEXT_UNREACHABLE"}
    run.sent(f"{NY}/2026-03-10#reminder_7#0#sms#1", NY_PHONE, reminder(), at("2026-03-04 15:00"))

    report = judged(run)

    assert report.findings == ()
    assert report.observations["occasions_tried_again"] == 1


def test_a_hand_over_without_an_answer_is_not_repeated_on_the_same_channel(run: Run, judged: Check) -> None:
    run.provider[0] |= {"delivered_at": None, "final": None, "answer": "timed_out"}
    run.sent(f"{NY}/2026-03-10#reminder_7#0#sms#1", NY_PHONE, reminder(), at("2026-03-04 15:00"))

    assert kinds(judged(run)) == {"duplicates": 1}


def test_a_stage_may_be_told_again_after_a_payment_was_undone(run: Run, judged: Check) -> None:
    run.inbound, run.logs = [], []
    run.provider = run.provider[:3]
    undone = loan(
        4, at("2026-03-18 10:00"), instalments=[("2026-03-10", "310.50")], total="318.00", fees="7.50", days_past_due=8
    )
    run.sent(f"{MA}/2026-03-10#tier_1#2#sms#0", MA_PHONE, late_notice("$318.00", 8), at("2026-03-18 15:00"))
    run.fact(MA, "loan.snapshot", at("2026-03-18 10:00"), loan=undone)
    assert kinds(judged(run)) == {"duplicates": 1}

    run.core[-1]["event"]["type"] = "payment.returned"
    assert judged(run).findings == ()


def test_a_hold_that_ended_stops_nothing(run: Run, judged: Check) -> None:
    hold = {"hold_id": "h-1", "kind": "promise", "source": "agent", "until": "2026-03-15T12:00:00+00:00"}
    run.fact(MA, "hold.placed", at("2026-03-14 09:00"), hold=hold)
    run.fact(MA, "hold.placed", at("2026-03-14 09:00"), hold={"hold_id": "h-2", "kind": "dispute", "source": "agent"})
    run.fact(MA, "hold.lifted", at("2026-03-15 09:00"), hold={"hold_id": "h-2"})

    assert judged(run).findings == ()


STOPS = """
stops:
  - {kind: promise, stops: [collection], default_days: 7, placed_by: [core, staff], lifted_by: [expiry, payment, core]}
  - {kind: cease_request, stops: [servicing, collection], placed_by: [borrower], lifted_by: [compliance]}
  - {kind: plan, stops: [collection], placed_by: [core], lifted_by: [core]}
"""


@pytest.mark.parametrize(
    ("hold", "placed", "lifted_by", "found"),
    [
        ({"kind": "promise", "source": "core"}, "2026-03-14 09:00", None, True),
        ({"kind": "promise", "source": "core"}, "2026-03-01 09:00", None, False),  # its seven days are over
        ({"kind": "promise", "source": "agent"}, "2026-03-14 09:00", "core", False),
        ({"kind": "promise", "source": "carrier"}, "2026-03-14 09:00", None, False),  # refused: not its word
        ({"kind": "cease_request", "source": "borrower"}, "2026-03-14 09:00", None, True),
        ({"kind": "cease_request", "source": "borrower"}, "2026-03-14 09:00", "core", True),  # not the core's to lift
        ({"kind": "cease_request", "source": "borrower"}, "2026-03-14 09:00", "compliance", False),
        ({"kind": "plan", "source": "core", "phone": MA_PHONE}, "2026-03-14 09:00", None, True),
        ({"kind": "plan", "source": "core", "phone": "+16175550177"}, "2026-03-14 09:00", None, False),
        ({"kind": "plan", "source": "core", "loan_id": "another"}, "2026-03-14 09:00", None, False),
        ({"kind": "plan", "source": "core", "party_id": "another"}, "2026-03-14 09:00", None, False),
    ],
)
def test_a_hold_is_read_with_its_row(
    run: Run, judged: Check, hold: dict[str, str], placed: str, lifted_by: str | None, found: bool
) -> None:
    run.packs["base.yaml"] = STOPS
    run.fact(MA, "hold.placed", at(placed), hold={"hold_id": "h-1"} | hold)
    if lifted_by is not None:
        run.fact(MA, "hold.lifted", at("2026-03-14 10:00"), hold={"hold_id": "h-1", "by": lifted_by})
    assert ("hold" in kinds(judged(run))) == found


@pytest.mark.parametrize(
    ("preference", "found"),
    [
        ({"scope": "number", "opted_out": True, "phone": MA_PHONE}, True),
        ({"scope": "number", "opted_out": True, "phone": "+16175550177"}, False),
        ({"scope": "number", "opted_out": False, "phone": MA_PHONE}, False),
        ({"scope": "everything", "opted_out": True}, True),
        ({"scope": "everything", "opted_out": True, "party_id": "another"}, False),
    ],
)
def test_an_opt_out_that_the_core_told(run: Run, judged: Check, preference: dict[str, object], found: bool) -> None:
    run.fact(MA, "preferences.changed", at("2026-03-14 09:00"), preference=preference)
    assert ("opt_out" in kinds(judged(run))) == found


# ── Logs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        '{"message": "sent", "to": "+12125550101"}',
        '{"message": "sent", "to": "12125550101"}',
        "calling (212) 555-0101 now",
        "calling 212.555.0101 now",
        '{"message": "sent", "phone": 12125550101}',
        '{"to": "+86 138 0000 0003"}',
        '{"email": "OWEN.W@mail.example"}',
        "GET /page?mail=owen.w%40mail.example",
        "KeyError: 'Maria Delacroix'",
        "DELACROIX, MARIA",
        "maria_delacroix",
        '{"name": "欧阳晓岚"}',
        '{"name": "\\u6b27\\u9633\\u6653\\u5c9a"}',
        '{"payload": "{\\"name\\": \\"\\\\u6b27\\\\u9633\\\\u6653\\\\u5c9a\\"}"}',
        '{"figures": ["820.00"]}',
        '{"message": "total 1,234.50"}',
        '{"amount": 310.5}',
        '{"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "Balance", "Unit": "Count"}]}]}, "Balance": [310.5]}',
        "balance is $820",
        "应还1234.5元",
        "body='Larkspur Credit: Hi Maria, ... for your loan'",
        '{"text": "您尾号 的贷款将于 如已还款请忽略"}',
        '{"inbound": "please stop texting me"}',
        '{"body": "you will get no more texts from us at this number"}',
    ],
)
def test_personal_data_in_a_log_is_found(run: Run, judged: Check, line: str) -> None:
    run.heard("in-2", MA_PHONE, "please stop texting me", "opt_out", at("2026-03-16 15:00"))
    run.logs.append(line)

    report = judged(run)

    assert set(kinds(report)) == {"pii_in_logs"}, report.findings
    assert {finding.ref for finding in report.findings} == {"logs/send_message.log:5"}


@pytest.mark.parametrize(
    "line",
    [
        '{"duration_ms": 820.00, "billed": 318.00}',
        "took 820.00 ms",
        "v1.820.00 and 1820.00 and 820.001 and 820.00%",
        '{"count": 820, "parts": 318}',
        '{"overdue": "0.00"}',
        '{"ref": "b-ny/2026-03-10#reminder_7#0#sms#0", "at": "2026-03-10T12:12:55.501012+00:00"}',
        '{"message_id": "0101-2125-55", "epoch": 1772441234567}',
        "a borrower named Maria is fine as a word, Delacroix too: only the whole name is somebody",
        '{"account_tail": "4821"}',
        '{"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "Balance", "Unit": "Count"}]}]}, "Balance": [820.0]}',
        "support: 800-555-0199",
        '{"inbound": "STOP"}',
    ],
)
def test_what_only_looks_like_personal_data_is_left_alone(run: Run, judged: Check, line: str) -> None:
    run.logs.append(line)

    assert judged(run).findings == ()


# ── The texts that this lender's templates make ──────────────────────────────────────────────────────────────────────

OWED = "Marram: Owen, account ending 4821 is 5 days overdue: $318.00"
STOP = "Reply STOP to opt out."
PASSED = "【滨禾消费金融】您好，您尾号4821的贷款3月10日到期，"
OWN_TEXTS = [
    ("tier_1", f"{OWED}, incl. $7.50 fees, due since Mar 10. Please pay by Mar 22, or call 800-555-0142. {STOP}", True),
    ("tier_1", f"{OWED}, due since Mar 11. Please pay by Mar 22. {STOP}", False),
    ("tier_1", f"{OWED}, due since Mar 10. Please pay by Jul 22. {STOP}", False),
    ("grace", f"{PASSED}已过5天，我们尚未收到还款$318.00，其中费用$7.50。有困难请致电400-000-0142。退订回T", True),
    ("grace", f"{PASSED}已过4天，我们尚未收到还款$318.00。退订回T", False),
]


@pytest.mark.parametrize(("stage", "body", "fine"), OWN_TEXTS)
def test_deadlines_are_no_due_dates(run: Run, judged: Check, stage: str, body: str, fine: bool) -> None:
    run.provider[2] |= {"body": body, "ref": f"{MA}/2026-03-10#{stage}#0#sms#0"}

    assert kinds(judged(run)) == ({} if fine else {"wrong_amount": 1})


def test_a_reminder_before_the_due_date_has_no_deadline(run: Run, judged: Check) -> None:
    run.provider[0]["body"] = reminder() + " Pay by Mar 9."

    assert kinds(judged(run)) == {"wrong_amount": 1}


@pytest.mark.parametrize(
    ("body", "fine"),
    [
        ("Marram: $870.00 for 2 accounts (4821: $820.00, 1357: $50.00) is due Apr 10. Reply STOP to opt out.", True),
        ("Marram: $870.00 for 2 accounts (4821: $820.00, 1356: $50.00) is due Apr 10. Reply STOP to opt out.", False),
        (
            "【滨禾消费金融】您的2笔贷款本期应还$870.00（尾号4821：$820.00，尾号1357：$50.00），4月10日到期。退订回T",
            True,
        ),
    ],
)
def test_lists_of_accounts(run: Run, judged: Check, body: str, fine: bool) -> None:
    snapshot = loan(1, at("2026-03-20 12:00"), instalments=[("2026-04-10", "50.00")], loan_id="l-2", tail="1357")
    run.fact(NY, "loan.snapshot", at("2026-03-20 12:00"), loan=snapshot)
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, body, at("2026-03-27 15:00"))

    assert set(kinds(judged(run))) == (set() if fine else {"wrong_amount"})


SHIPPED_SHAPE = """
jurisdiction: US
settings:
  balance_max_age_hours: {value: 26, source: {reference: own, confidence: own}}
hours:
  - id: us-own-creditor-hours
    purposes: [collection]
    allowed: {daily: "08:00-21:00"}
    source: {reference: own, confidence: own}
caps:
  - id: us-own-daily
    purposes: [servicing, collection]
    channels: [any]
    count: 1
    days: 1
    basis: calendar
    per: debtor
    source: {reference: own, confidence: own}
  - id: us-own-from-september
    purposes: [servicing]
    channels: [any]
    count: 0
    days: 1
    per: debtor
    effective_on: 2026-09-01
    source: {reference: own, confidence: own}
"""
STRATEGY_SHAPE = """
id: standard
jurisdictions: [CN, US]
hours:
  id: own-contact-hours
  purposes: [servicing, collection, marketing]
  allowed: {weekdays: "09:00-20:00", sat: "10:00-18:00", sun: null}
  source: {reference: own, confidence: own}
"""


@pytest.mark.parametrize(
    ("moment", "fine"),
    [
        ("2026-03-27 13:30", True),  # Friday 09:30
        ("2026-03-27 12:30", False),
        ("2026-03-28 13:30", False),  # Saturday 09:30
        ("2026-03-28 14:30", True),
        ("2026-03-29 15:00", False),  # Sunday
    ],
)
def test_packs_and_strategies_are_read_as_they_are_shipped(run: Run, judged: Check, moment: str, fine: bool) -> None:
    run.packs = {"us.yaml": SHIPPED_SHAPE, "standard.yaml": STRATEGY_SHAPE}
    run.provider = []
    run.inbound, run.logs = [], []
    run.sent(f"{NY}/2026-04-10#reminder_14#0#sms#0", NY_PHONE, reminder(due="April 10"), at(moment), ttl_seconds=600)
    assert kinds(judged(run)) == ({} if fine else {"quiet_hours": 1})

    run.sent(f"{NY}/2026-04-10#reminder_13#0#sms#0", NY_PHONE, reminder(due="April 10"), at(moment), ttl_seconds=600)
    assert kinds(judged(run)).get("cap") == 1


def test_the_shipped_packs_can_be_read(run: Run, tmp_path: Path) -> None:
    content = Path(__file__).parents[2] / "layers" / "content"
    for path in [path for kind in ("packs", "policies", "strategies") for path in (content / kind).glob("*.yaml")]:
        run.packs[f"{path.parent.name}-{path.name}"] = path.read_text(encoding="utf-8")

    report = audit(run.write(tmp_path))

    assert report.findings == ()
    assert report.checked["cap_checks"] >= 3


def test_an_email_may_follow_a_text_that_nobody_knows_the_end_of(run: Run, judged: Check) -> None:
    run.inbound, run.logs, run.provider = [], [], run.provider[:3]
    run.provider[2] |= {"final": "TEXT_UNKNOWN"}
    overdue = loan(
        3, at("2026-03-20 10:00"), instalments=[("2026-03-10", "310.50")], total="318.00", fees="7.50", days_past_due=10
    )
    run.fact(MA, "loan.snapshot", at("2026-03-20 10:00"), loan=overdue)
    body = "Dear Owen,\n\nYour account ending 4821 is 10 days overdue: $318.00.\n\nMarram\nAnswer STOP or unsubscribe."
    run.sent(
        f"{MA}/2026-03-10#tier_1#1#email#1",
        "owen.w@mail.example",
        body,
        at("2026-03-20 15:00"),
        channel="email",
        subject="A message about your account",
        ttl_seconds=None,
        final="Delivery",
    )

    report = judged(run)
    assert report.findings == ()
    assert report.observations["occasions_tried_again"] == 1

    run.provider[2] |= {"final": "TEXT_DELIVERED"}
    assert kinds(judged(run)) == {"duplicates": 1}


# ── Several people, one loan; one person, several loans ──────────────────────────────────────────────────────────────

JOINT, OTHER = "b-joint", "b-other"
JO, AL, GU = "+12125550111", "+12125550112", "+12125550113"
AL_MAIL = "al.roe@mail.example"
OWN_CAP = """
jurisdiction: US
caps:
  - {id: own-daily, count: 1, days: 1, basis: calendar, per: debtor, channels: [any],
     purposes: [servicing, collection], source: {reference: own, confidence: own}}
"""
STRATEGY = """
id: standard
stages:
  - {id: tier_1, to: [primary, co_borrower]}
  - {id: tier_3, to: [primary, co_borrower, guarantor]}
"""
NOTICED = at("2026-03-15 15:00")


@pytest.fixture
def joint() -> Run:
    """A borrower with a co-borrower on the first of two loans and a guarantor; the co-borrower owes one of her own."""
    run = Run()
    run.packs = {"us.yaml": OWN_CAP, "standard.yaml": STRATEGY}
    run.borrower(
        JOINT,
        "US-MA",
        "America/New_York",
        party("Jo Doe", JO),
        party("Al Roe", AL, party_id="p-2", role="co_borrower", loan_ids=["l-1"], email=AL_MAIL),
        party("Gu Ant", GU, party_id="p-3", role="guarantor"),
    )
    run.borrower(OTHER, "US-MA", "America/New_York", party("Al Roe", AL, party_id="q-1", email=AL_MAIL))
    told_at = at("2026-03-14 10:00")
    for borrower_id, loan_id, tail, total in (
        (JOINT, "l-1", "4821", "310.50"),
        (JOINT, "l-2", "7777", "50.00"),
        (OTHER, "m-1", "9999", "80.00"),
    ):
        snapshot = loan(
            1,
            told_at,
            instalments=[("2026-03-10", total)],
            loan_id=loan_id,
            tail=tail,
            total=total,
            days_past_due=4,
        )
        run.fact(borrower_id, "loan.snapshot", told_at, loan=snapshot)
    for day in range(14, 30):
        run.checkpoint(at(f"2026-03-{day:02d} 11:00"))
    return run


def notice(amount: str, tail: str = "4821", days: int = 5) -> str:
    return late_notice(amount, days).replace("4821", tail)


BOTH = (
    "Larkspur Credit: 2 accounts are up to 5 days past due: $360.50 (4821: $310.50, 7777: $50.00), due since March 10. "
    "Reply STOP to opt out."
)


def to_all(run: Run) -> None:
    """To the primary borrower about both loans, to the co-borrower about hers, each under their own occasion."""
    run.sent(f"{JOINT}/2026-03-10#tier_1#1#sms#0", JO, BOTH, NOTICED)
    run.sent(f"{JOINT}/2026-03-10#tier_1#1#sms#0@p-2", AL, notice("$310.50"), NOTICED)


def test_each_party_may_hear_what_is_theirs(joint: Run, judged: Check) -> None:
    to_all(joint)
    later = at("2026-04-09 15:00")
    for day in range(30, 41):
        joint.checkpoint(at("2026-03-01 11:00") + timedelta(days=day - 1))
    joint.sent(f"{JOINT}/2026-03-10#tier_3#1#sms#0@p-3", GU, BOTH.replace("5 days", "30 days"), later)
    report = judged(joint)
    assert report.findings == ()
    assert report.checked["further_parties"] == 2
    assert report.checked["loans_heard"] == 3
    assert report.checked["cap_checks"] > 0


@pytest.mark.parametrize(
    ("key", "to", "body"),
    [
        ("tier_1#1#sms#0@p-2", AL, BOTH),  # of a loan she is not on
        ("tier_1#1#sms#0@p-2", AL, notice("$50.00", "7777")),
        ("tier_1#1#sms#0@p-3", GU, notice("$310.50")),  # a guarantor hears the last reminder only
        ("tier_1#1#sms#0", AL, notice("$310.50")),  # the primary borrower's occasion, somebody else's telephone
        ("tier_1#1#sms#0@p-2", GU, notice("$310.50")),
        ("tier_1#1#sms#0@p-1", JO, BOTH),
        ("tier_1#1#sms#0@p-9", AL, notice("$310.50")),
    ],
)
def test_what_is_not_theirs_is_found(joint: Run, judged: Check, key: str, to: str, body: str) -> None:
    joint.sent(f"{JOINT}/2026-03-10#{key}", to, body, NOTICED)
    assert "third_party" in kinds(judged(joint))


@pytest.mark.parametrize(("represents", "fine"), [("p-2", True), ("", False), ("p-3", False)])
def test_who_speaks_for_whom(joint: Run, judged: Check, represents: str, fine: bool) -> None:
    counsel = party("A Counsel", "+12125550119", party_id="p-4", role="representative")
    profile = joint.core[0]["event"]["borrower"]
    profile["parties"].append(counsel | ({"represents": represents} if represents else {}))
    joint.sent(f"{JOINT}/2026-03-10#tier_1#1#sms#0@p-2", "+12125550119", notice("$310.50"), NOTICED)
    assert kinds(judged(joint)) == ({} if fine else {"third_party": 1})


@pytest.mark.parametrize(
    ("to", "other"),
    [
        (AL, {"channel": "sms"}),  # one telephone
        (AL_MAIL, {"channel": "email"}),  # one person
    ],
)
def test_a_person_on_several_is_one_person(joint: Run, judged: Check, to: str, other: dict[str, Any]) -> None:
    to_all(joint)
    joint.sent(
        f"{OTHER}/2026-03-10#tier_1#1#{other['channel']}#0",
        to,
        notice("$80.00", "9999"),
        NOTICED + timedelta(hours=2),
        **other,
    )
    assert kinds(judged(joint)) == {"cap": 1}


def test_on_another_day_is_another_day(joint: Run, judged: Check) -> None:
    to_all(joint)
    joint.sent(f"{OTHER}/2026-03-10#tier_1#1#sms#0", AL, notice("$80.00", "9999", 6), NOTICED + timedelta(days=1))
    assert judged(joint).findings == ()


def test_a_loan_s_cap_counts_whoever_was_told(joint: Run, judged: Check) -> None:
    """Massachusetts: two in seven days for each debt."""
    to_all(joint)
    joint.sent(f"{JOINT}/2026-03-10#tier_3#1#sms#0@p-3", GU, notice("$310.50", days=7), NOTICED + timedelta(days=2))
    report = judged(joint)
    assert kinds(report) == {"cap": 1}
    assert "us_ma.two_in_seven_days" in report.findings[0].why


def test_one_telephone_for_two_parties(joint: Run, judged: Check) -> None:
    """Each has an occasion of their own; the telephone has its caps."""
    joint.core[0]["event"]["borrower"]["parties"][1]["phone"] = JO
    joint.sent(f"{JOINT}/2026-03-10#tier_1#1#sms#0", JO, BOTH, NOTICED)
    joint.sent(f"{JOINT}/2026-03-10#tier_1#1#sms#0@p-2", JO, notice("$310.50", days=6), NOTICED + timedelta(days=1))
    assert judged(joint).findings == ()
    joint.sent(f"{JOINT}/2026-03-10#tier_1#1#sms#1@p-2", JO, notice("$310.50", days=6), NOTICED + timedelta(days=1))
    assert set(kinds(judged(joint))) == {"cap", "duplicates"}


def test_a_party_s_own_hours(joint: Run, judged: Check) -> None:
    joint.core[0]["event"]["borrower"]["parties"][1]["time_zone"] = "Pacific/Honolulu"
    to_all(joint)
    assert kinds(judged(joint)) == {"quiet_hours": 1}
