"""What follows from texts, judged: each kind of violation, planted, is found; what is right is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from local.auditor import AuditReport, EvidenceError, audit
from tests.local.test_auditor import NY, NY_PHONE, Run, at, iso, loan, party

TEXT = "t-1"
WROTE = at("2026-03-16 15:00")
OTHER = "b-other"
KINDS = ("text_stop", "promise", "unanswered", "stranger", "balance")
LATE = "Larkspur Credit: $820.00 on your loan ending 4821 is overdue. Reply STOP to opt out."
BALANCE = "Larkspur Credit: your balance: $820.00 for the loan ending 4821."
STOPS = (
    "stops:\n"
    + "".join(
        f"  - {{kind: {kind}, stops: [servicing, collection], placed_by: [borrower], lifted_by: [core, staff]}}\n"
        for kind in ("promise", "paid_claimed", "hardship", "dispute", "crisis")
    )
    + "".join(
        f"  - {{kind: {kind}, stops: [servicing, collection], placed_by: [borrower], lifted_by: [compliance]}}\n"
        for kind in ("deceased", "bankruptcy", "attorney", "identity_theft", "cease_request")
    )
    + "  - {kind: complaint, stops: [collection], placed_by: [borrower], lifted_by: [core, staff]}\n"
)
#: What somebody writes, the kind of person it calls, and whether that person's answer ends the silence.
MATTERS = (
    ("crisis", "crisis", True),
    ("deceased", "deceased", False),
    ("bankruptcy", "bankruptcy", False),
    ("attorney", "attorney", False),
    ("identity_theft", "identity_theft", False),
)
EMAIL = "maria.delacroix@example.com"


def a_run(**reached: str) -> Run:
    """Somebody who is six days late, and a fresh feed."""
    run = Run()
    run.packs["stops.yaml"] = STOPS
    run.borrower(NY, "US-NY", "America/New_York", party("Maria Delacroix", NY_PHONE, **reached))
    told_at = at("2026-03-16 12:00")
    snapshot = loan(1, told_at, instalments=[("2026-03-10", "820.00")], total="820.00", days_past_due=6)
    run.fact(NY, "loan.due", told_at, loan=snapshot)
    for day in range(1, 31):
        run.checkpoint(at(f"2026-03-{day:02d} 11:00"))
    return run


def wrote(run: Run, meaning: str, *, on: str | None = "2026-03-19", amount: str | None = "820.00") -> Run:
    promised = {"promised_on": on, "promised_amount": amount} if meaning == "promise" else {}
    said = {name: value for name, value in promised.items() if value is not None}
    run.heard(TEXT, NY_PHONE, "…", meaning, WROTE, **said)
    return run


def replied(run: Run, stage: str = "help", body: str = "Larkspur Credit: call 1-800-555-0100.") -> Run:
    run.sent(f"{NY}/reply#{stage}#sms#{TEXT}", NY_PHONE, body, WROTE + timedelta(minutes=1))
    return run


def needed(run: Run, kind: str) -> Run:
    run.needed(NY, TEXT, kind, WROTE + timedelta(minutes=1))
    return run


def dunned(run: Run, moment: str) -> Run:
    run.sent(f"{NY}/2026-03-10#tier_1#1#sms#0", NY_PHONE, LATE, at(moment))
    return run


def closed(run: Run, moment: str) -> Run:
    run.fact(NY, "task.closed", at(moment), task={"task_id": TEXT, "by": "staff-1"})
    return run


def paid(run: Run, moment: str, amount: str, left: str) -> Run:
    unpaid = [("2026-03-10", left)] if left != "0.00" else []
    snapshot = loan(2, at(moment), instalments=unpaid, total=left, days_past_due=6 if unpaid else 0)
    run.fact(NY, "payment.applied", at(moment), payment={"payment_id": "p-1", "amount": amount}, loan=snapshot)
    return run


def confirmed(run: Run, amount: str = "$820.00", day: str = "March 19") -> Run:
    return replied(run, "promise_confirmed", f"Larkspur Credit: noted, {amount} by {day} for the loan ending 4821.")


def of_promise(run: Run, message: str, moment: str, amount: str = "$820.00") -> Run:
    text = f"Larkspur Credit: about the {amount} you promised. Reply STOP to opt out."
    run.sent(f"{NY}/2026-03-19#{message}~{message}-{TEXT}#0#sms#0", NY_PHONE, text, at(moment))
    return run


def promised() -> Run:
    return confirmed(wrote(a_run(), "promise"))


def shared(body: str) -> Run:
    run = a_run()
    run.borrower(OTHER, "US-NY", "America/New_York", party("Ada Alder", NY_PHONE))
    run = replied(wrote(run, "balance"), "help", body)
    run.needed(OTHER, TEXT, "shared_number", WROTE + timedelta(minutes=1))
    return run


def judged(run: Run, folder: Path) -> AuditReport:
    return audit(run.write(folder))


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        # Silence.
        (lambda: dunned(needed(replied(wrote(a_run(), "dispute")), "dispute"), "2026-03-18 15:00"), "text_stop"),
        (lambda: dunned(needed(replied(wrote(a_run(), "hardship")), "hardship"), "2026-03-18 15:00"), "text_stop"),
        (lambda: dunned(needed(replied(wrote(a_run(), "complaint")), "complaint"), "2026-03-18 15:00"), "text_stop"),
        (lambda: dunned(needed(replied(wrote(a_run(), "says_paid")), "paid"), "2026-03-18 15:00"), "text_stop"),
        (lambda: dunned(needed(replied(wrote(a_run(), "says_paid")), "paid"), "2026-03-24 15:00"), None),
        (lambda: dunned(needed(replied(wrote(a_run(), "question")), "question"), "2026-03-18 15:00"), None),
        (lambda: dunned(needed(replied(wrote(a_run(), "dispute")), "dispute"), "2026-03-16 15:03"), None),
        (
            lambda: closed(
                dunned(needed(replied(wrote(a_run(), "dispute")), "dispute"), "2026-03-18 15:00"), "2026-03-17 15:00"
            ),
            None,
        ),
        (
            lambda: closed(
                dunned(needed(replied(wrote(a_run(), "dispute")), "dispute"), "2026-03-18 15:00"), "2026-03-19 15:00"
            ),
            "text_stop",
        ),
        (lambda: dunned(promised(), "2026-03-19 15:00"), "text_stop"),
        (lambda: dunned(promised(), "2026-03-22 15:00"), None),
        (lambda: dunned(needed(replied(wrote(a_run(), "promise")), "promise"), "2026-03-18 15:00"), None),
        # Promises.
        (promised, None),
        (lambda: confirmed(wrote(a_run(), "promise"), amount="$820.01"), "promise"),
        (lambda: confirmed(wrote(a_run(), "promise"), day="March 20"), "promise"),
        (lambda: confirmed(wrote(a_run(), "question")), "promise"),
        (lambda: of_promise(promised(), "promise_kept", "2026-03-19 15:00"), "promise"),
        (
            lambda: of_promise(
                paid(promised(), "2026-03-18 15:00", "820.00", "0.00"), "promise_kept", "2026-03-19 15:00"
            ),
            None,
        ),
        (
            lambda: of_promise(
                paid(promised(), "2026-03-18 15:00", "400.00", "420.00"), "promise_kept", "2026-03-19 15:00"
            ),
            "promise",
        ),
        (lambda: of_promise(promised(), "promise_broken", "2026-03-22 15:00"), None),
        (lambda: of_promise(promised(), "promise_broken", "2026-03-19 15:00"), "promise"),
        (lambda: of_promise(promised(), "promise_broken", "2026-03-22 15:00", amount="$82.00"), "promise"),
        (
            lambda: of_promise(
                paid(promised(), "2026-03-18 15:00", "820.00", "0.00"), "promise_broken", "2026-03-22 15:00"
            ),
            "promise",
        ),
        (lambda: of_promise(promised(), "promise_day", "2026-03-19 15:00"), None),
        (lambda: of_promise(promised(), "promise_day", "2026-03-18 15:00"), "promise"),
        # Answers.
        (lambda: wrote(a_run(), "balance"), "unanswered"),
        (lambda: replied(wrote(a_run(), "balance")), None),
        (lambda: needed(wrote(a_run(), "unclear"), "not_understood"), None),
        (lambda: replied(wrote(a_run(), "hardship")), "unanswered"),
        (lambda: needed(wrote(a_run(), "hardship"), "hardship"), None),
        # To whom.
        (
            lambda: dunned(needed(wrote(a_run(), "wrong_number"), "wrong_number"), "2026-03-18 15:00"),
            "stranger",
        ),
        (lambda: needed(wrote(a_run(), "wrong_number"), "wrong_number"), None),
        (lambda: shared("Larkspur Credit: call 1-800-555-0100."), None),
        (lambda: shared(BALANCE), "stranger"),
        # Balances.
        (lambda: replied(wrote(a_run(), "balance"), "balance", BALANCE), None),
        (lambda: replied(wrote(a_run(), "balance"), "balance", BALANCE.replace("820", "82")), "balance"),
    ],
)
def test_what_is_planted_is_found(made: Callable[[], Run], kind: str | None, tmp_path: Path) -> None:
    found = judged(made(), tmp_path).counters
    assert {name: found[name] for name in KINDS} == dict.fromkeys(KINDS, 0) | ({kind: 1} if kind else {})


def test_an_answer_of_a_person_needs_the_person(tmp_path: Path) -> None:
    for name, is_closed in (("closed", True), ("open", False)):
        run = needed(replied(wrote(a_run(), "dispute")), "dispute")
        if is_closed:
            closed(run, "2026-03-18 12:00")
        text = "Larkspur Credit: your dispute was answered. Reply STOP to opt out."
        key = f"{NY}/2026-03-18#dispute_resolved~dispute_resolved-{TEXT}#0#sms#0"
        run.sent(key, NY_PHONE, text, at("2026-03-18 15:00"))
        folder = tmp_path / name
        folder.mkdir()
        assert judged(run, folder).counters["not_asked"] == (0 if is_closed else 1)


def test_what_was_looked_at_is_counted(tmp_path: Path) -> None:
    checked = judged(of_promise(promised(), "promise_day", "2026-03-19 15:00"), tmp_path).checked
    assert (checked["promises_confirmed"], checked["promises_followed"], checked["promises"]) == (1, 1, 2)
    assert checked["texts_to_answer"] == 1
    assert checked["balances"] == checked["to_strangers"] == 0


@pytest.mark.parametrize(("meaning", "kind", "staff_ends_it"), MATTERS)
class TestMatters:
    """What stops everything: silence from then on, and a person of that kind."""

    def test_silence(self, meaning: str, kind: str, staff_ends_it: bool, tmp_path: Path) -> None:
        run = dunned(needed(wrote(a_run(), meaning), kind), "2026-03-18 15:00")
        assert judged(run, folder_of(tmp_path, "open")).counters["text_stop"] == 1
        closed(run, "2026-03-17 15:00")
        counters = judged(run, folder_of(tmp_path, "closed")).counters
        assert counters["text_stop"] == (0 if staff_ends_it else 1)

    def test_an_answer_in_the_thread_ends_it_too(
        self, meaning: str, kind: str, staff_ends_it: bool, tmp_path: Path
    ) -> None:
        run = dunned(needed(wrote(a_run(), meaning), kind), "2026-03-18 15:00")
        answer = {"answer_id": "a-1", "author": "staff-1", "task_id": TEXT, "words": "…", "closes_task": True}
        run.fact(NY, "answer.requested", at("2026-03-17 15:00"), answer=answer)
        counters = judged(run, folder_of(tmp_path, "answered")).counters
        assert counters["text_stop"] == (0 if staff_ends_it else 1)
        detail = {"borrower_id": NY, "answer_id": "a-1", "reason": "refused"}
        run.announced.append({"at": iso(at("2026-03-17 15:01")), "type": "answer.refused", "detail": detail})
        assert judged(run, folder_of(tmp_path, "refused")).counters["text_stop"] == 1

    def test_a_person_of_that_kind(self, meaning: str, kind: str, staff_ends_it: bool, tmp_path: Path) -> None:
        for name, run in (
            ("nobody", wrote(a_run(), meaning)),
            ("only words", replied(wrote(a_run(), meaning))),
            ("somebody else", needed(wrote(a_run(), meaning), "question")),
        ):
            assert judged(run, folder_of(tmp_path, name)).counters["unanswered"] == 1, name
        assert staff_ends_it in (True, False)
        assert judged(needed(wrote(a_run(), meaning), kind), folder_of(tmp_path, "called")).total == 0


class TestCease:
    """Contact by no means: every number and address of whoever asked, until they come back themselves."""

    def asked(self) -> Run:
        return needed(wrote(a_run(email=EMAIL), "cease"), "cease_request")

    def mailed(self, run: Run) -> Run:
        key = f"{NY}/2026-03-10#tier_1#1#email#0"
        run.sent(key, EMAIL, f"{LATE}", at("2026-03-18 15:00"), channel="email")
        return run

    def test_by_no_other_channel_either(self, tmp_path: Path) -> None:
        counters = judged(self.mailed(self.asked()), tmp_path).counters
        assert counters["text_stop"] == 1
        assert counters["opt_out"] >= 1

    def test_until_they_come_back(self, tmp_path: Path) -> None:
        run = self.asked()
        run.heard("t-2", NY_PHONE, "START", "opt_in", at("2026-03-17 15:00"))
        run.sent(
            f"{NY}/reply#opt_in_confirmation#sms#t-2", NY_PHONE, "Larkspur Credit: welcome.", at("2026-03-17 15:01")
        )
        assert judged(self.mailed(run), tmp_path).counters["text_stop"] == 0

    def test_it_needs_a_person_though_nothing_may_be_written(self, tmp_path: Path) -> None:
        assert judged(wrote(a_run(), "cease"), tmp_path).counters["unanswered"] == 1


class TestInTime:
    def test_whoever_speaks_of_dying_waits_for_nobody(self, tmp_path: Path) -> None:
        for minutes, found in ((9, 0), (11, 1)):
            run = wrote(a_run(), "crisis")
            run.needed(NY, TEXT, "crisis", WROTE + timedelta(minutes=minutes))
            assert judged(run, folder_of(tmp_path, str(minutes))).counters["unanswered"] == found

    def test_an_answer_that_comes_too_late_is_none(self, tmp_path: Path) -> None:
        run = wrote(a_run(), "balance")
        run.sent(f"{NY}/reply#help#sms#{TEXT}", NY_PHONE, "Larkspur Credit: call us.", WROTE + timedelta(minutes=66))
        assert judged(run, tmp_path).counters["unanswered"] == 1

    @pytest.mark.parametrize(("after_hours", "found"), [(4, 0), (5, 1)])
    def test_what_is_broken_is_mended_first(self, after_hours: int, found: int, tmp_path: Path) -> None:
        """Three hours in which nothing worked: the person is there an hour after them, and no later."""
        run = wrote(a_run(), "balance")
        run.needed(NY, TEXT, "not_answered", WROTE + timedelta(hours=after_hours))
        folder = run.write(tmp_path)
        outage = {"begins": WROTE.isoformat(), "ends": (WROTE + timedelta(hours=3)).isoformat()}
        (folder / "outages.jsonl").write_text(json.dumps(outage) + "\n", encoding="utf-8")
        assert audit(folder).counters["unanswered"] == found

    def test_a_person_who_came_between_is_there(self, tmp_path: Path) -> None:
        run = wrote(a_run(), "balance")
        run.needed(NY, "t-0", "not_answered", WROTE + timedelta(minutes=40))
        assert judged(run, tmp_path).counters["unanswered"] == 0

    @pytest.mark.parametrize(("taken_in", "found"), [("2026-03-16 15:01", 1), ("2026-03-17 15:00", 0)])
    def test_a_text_binds_from_when_it_was_taken_in(self, taken_in: str, found: int, tmp_path: Path) -> None:
        run = dunned(needed(a_run(), "dispute"), "2026-03-16 20:00")
        run.heard(TEXT, NY_PHONE, "…", "dispute", WROTE, taken_in_at=at(taken_in).isoformat())
        assert judged(run, tmp_path).counters["text_stop"] == found


def folder_of(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    return folder


def test_a_repeated_answer_is_none(tmp_path: Path) -> None:
    """The provider replays a text; it is answered once."""
    run = replied(wrote(a_run(), "balance"))
    run.sent(f"{NY}/reply#help#sms#{TEXT}", NY_PHONE, "Larkspur Credit: call us.", WROTE + timedelta(minutes=9))
    assert judged(run, tmp_path).counters["duplicates"] == 1


@pytest.mark.parametrize(("name", "value"), [("promised_on", "soon"), ("promised_amount", "all of it")])
def test_a_promise_that_cannot_be_read_is_no_evidence(name: str, value: str, tmp_path: Path) -> None:
    run = a_run()
    run.heard(TEXT, NY_PHONE, "…", "promise", WROTE, **{name: value})
    with pytest.raises(EvidenceError, match=name):
        judged(run, tmp_path)
