"""Answers of people and questions afterwards, judged: each violation, planted, is found; what is right is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.local.test_auditor import NY, NY_PHONE, Run, at
from tests.local.test_auditor_dialogues import TEXT, a_run, judged, needed, replied, wrote

WORDS = "We have looked into it, and the fee has been taken off."
FRAME = "Larkspur Credit: {} Reply STOP to opt out."
ASKED_AT = at("2026-03-17 15:00")
KINDS = ("answer", "repeated", "not_asked", "too_late", "third_party", "wrong_amount")


HEARS = ["service", "servicing", "collection", "reply"]


def complained() -> Run:
    run = a_run()
    run.core[0]["event"]["borrower"]["parties"][0]["may_hear"] = HEARS
    return needed(replied(wrote(run, "complaint")), "complaint")


def answered(words: str = WORDS, body: str = "", to: str = NY_PHONE, *, task_id: str = TEXT, after: int = 5) -> Run:
    run = complained()
    answer = {"answer_id": "a-1", "author": "staff-7", "task_id": task_id, "words": words, "closes_task": True}
    run.fact(NY, "answer.requested", ASKED_AT, answer=answer)
    return said(run, body or FRAME.format(words), to, after)


def said(run: Run, body: str, to: str = NY_PHONE, after: int = 5) -> Run:
    moment = ASKED_AT + timedelta(minutes=after)
    run.sent(f"{NY}/2026-03-17#answer~answer-a-1#0#sms#0", to, body, moment)
    return run


def surveyed(run: Run, *moments: str, message: str = "feedback_request") -> Run:
    for moment in moments:
        key = f"{NY}/{moment[:10]}#{message}~{message}-{TEXT}#0#sms#{moment[11:13]}"
        run.sent(key, NY_PHONE, FRAME.format("How did it go, from one to five?"), at(moment))
    return run


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (answered, None),
        (lambda: answered("You still owe $820.00."), None),
        (lambda: answered("You still owe $99.00."), "wrong_amount"),
        (lambda: answered(body=FRAME.format("Something else.")), "answer"),
        (lambda: answered("Pay, or we go to court."), "answer"),
        (lambda: answered("Pay at secure-pay.com please."), "answer"),
        (lambda: answered(task_id="t-9"), "not_asked"),
        (lambda: answered(after=-5), "not_asked"),
        (lambda: answered(after=4 * 24 * 60), "too_late"),
        (lambda: said(complained(), FRAME.format(WORDS)), "not_asked"),
        (lambda: surveyed(answered(), "2026-03-18 18:00"), None),
        (lambda: surveyed(answered(), "2026-03-18 15:00"), "not_asked"),
        (lambda: surveyed(answered(), "2026-03-28 18:00"), "not_asked"),
        (lambda: surveyed(complained(), "2026-03-18 18:00"), "not_asked"),
        (lambda: surveyed(answered(), "2026-03-18 18:00", "2026-03-19 18:00"), "repeated"),
        (lambda: surveyed(answered(), "2026-03-20 18:00", message="follow_up"), "not_asked"),
    ],
)
def test_what_is_wrong_is_found_and_what_is_right_is_not(
    made: Callable[[], Run], kind: str | None, tmp_path: Path
) -> None:
    report = judged(made(), tmp_path)
    found = {name: count for name, count in report.counters.items() if name in KINDS and count}
    assert found == ({} if kind is None else {kind: 1}), report.findings
