"""The auditor's own reading of consents, wishes and numbers: each violation, planted, is found; without it, none."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.auditor import audit
from tests.local.test_auditor import Run, at, iso, loan, party

GB, PHONE = "b-gb", "+442079460123"
SENT = at("2026-03-02 15:00")
OWN_RULE = (
    "jurisdiction: GB\nconsents:\n  - {id: gb-own-asks, purposes: [servicing], channels: [sms],"
    " source: {reference: x, confidence: own}}\n"
)


def a_run(*facts: tuple[str, datetime, dict[str, Any]], pack: str = "", **of_party: Any) -> Run:
    run = Run()
    told = party("Ada Alder", PHONE, **({"phone_verified_at": iso(at("2026-01-01 12:00"))} | of_party))
    run.borrower(GB, "GB", "Europe/London", {name: value for name, value in told.items() if value is not None})
    snapshot = loan(1, at("2026-02-20 12:00"), instalments=[("2026-03-05", "120.50")], currency="GBP")
    run.fact(GB, "loan.snapshot", at("2026-02-20 12:01"), loan=snapshot)
    for type_, moment, body in facts:
        run.fact(GB, type_, moment, **body)
    run.checkpoint(at("2026-03-02 12:00"))
    if pack:
        run.packs["gb.yaml"] = pack
    text = "Marram: £120.50 is due on 5 Mar. Reply STOP to opt out."
    run.sent(f"{GB}/2026-03-05#reminder_3#0#sms#0", PHONE, text, SENT)
    return run


def chosen(**choice: Any) -> tuple[str, datetime, dict[str, Any]]:
    return ("preferences.chosen", at("2026-02-21 12:00"), {"choice": choice})


def point(state: str, day: str = "2026-02-21 12:00") -> tuple[str, datetime, dict[str, Any]]:
    return ("contact_point.changed", at(day), {"contact_point": {"state": state, "phone": PHONE, "source": "x"}})


def consent(*, given: bool, day: str) -> tuple[str, datetime, dict[str, Any]]:
    said = {"purpose": "servicing", "given": given, "source": "web", "wording": "w-1"}
    return ("consent.changed", at(day), {"consent": said})


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (a_run(), None),
        (a_run(phone_verified_at=None), "contact_point"),
        (a_run(point("confirmed"), phone_verified_at=None), None),
        (a_run(point("reassigned")), "contact_point"),
        (a_run(point("bounced"), point("confirmed", "2026-02-22 12:00")), None),
        (a_run(point("confirmed"), point("bounced", "2026-02-22 12:00")), "contact_point"),
        (a_run(point("checked")), None),
        (a_run(chosen(channels=["email"])), "preference"),
        (a_run(chosen(channels=["email", "sms"])), None),
        (a_run(chosen(channels=["email"], party_id="p-2")), None),
        (a_run(chosen(quiet_hours=[{"from": "14:00", "to": "16:00"}])), "preference"),
        (a_run(chosen(quiet_hours=[{"from": "15:30", "to": "09:00"}])), "preference"),  # it may arrive until then
        (a_run(chosen(quiet_hours=[{"from": "18:00", "to": "09:00"}])), None),
        (a_run(chosen(quiet_hours=[{"from": "14:00", "to": "16:00", "days": ["tue"]}])), None),
        (a_run(chosen(quiet_hours=[{"from": "22:00", "to": "16:00", "days": ["sun"]}])), "preference"),
        (a_run(pack=OWN_RULE), "consent"),
        (a_run(pack=OWN_RULE, consents=["servicing"]), None),
        (a_run(consent(given=True, day="2026-02-22 12:00"), pack=OWN_RULE), None),
        (
            a_run(
                consent(given=False, day="2026-02-23 12:00"),
                consent(given=True, day="2026-02-22 12:00"),
                pack=OWN_RULE,
            ),
            "consent",
        ),
        (a_run(consent(given=False, day="2026-02-22 12:00"), pack=OWN_RULE, consents=["servicing"]), "consent"),
    ],
)
def test_what_is_planted_is_found(run: Run, kind: str | None, tmp_path: Path) -> None:
    found = audit(run.write(tmp_path)).counters
    new = {name: found[name] for name in ("consent", "preference", "contact_point")}
    assert new == dict.fromkeys(new, 0) | ({kind: 1} if kind else {})


def test_a_wish_that_may_not_have_been_taken_in_yet_is_not_held_against_anybody(tmp_path: Path) -> None:
    body = {"choice": {"channels": ["email"]}}
    for minutes, expected in ((3, 0), (10, 1)):
        run = a_run(("preferences.chosen", SENT - timedelta(minutes=minutes), body))
        folder = tmp_path / str(minutes)
        folder.mkdir()
        assert audit(run.write(folder)).counters["preference"] == expected
