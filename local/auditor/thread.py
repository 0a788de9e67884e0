"""What people answered, and what was asked once a matter was over: judged from what was asked for, what had been
written, and what reached whom.

An answer goes to whoever wrote, there where they wrote from, in the words that were asked for, and says nothing that
threatens or sends them elsewhere; each amount in it was the core's. How it went is asked after something was answered
or kept, and not twice in a season.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from local.auditor.dialogues import Told
from local.auditor.evidence import Evidence, Inbound
from local.auditor.history import Known

#: How soon and how late after the end of a matter each of them is said, with the hours that a night takes. The end is
#: when the application was told of it: the core's own moment may be an hour before.
_AFTER: Mapping[str, tuple[timedelta, timedelta]] = {
    "feedback_request": (timedelta(hours=25), timedelta(days=9)),
    "follow_up": (timedelta(days=21) - timedelta(hours=1), timedelta(days=30)),
}
#: At most once in so many days.
_ONCE_IN: Mapping[str, timedelta] = {"feedback_request": timedelta(days=90), "follow_up": timedelta(days=180)}
#: An answer is said within this of having been asked for.
_SAID_WITHIN = timedelta(hours=73)
_NEVER = re.compile(
    r"\b(?:court|police|lawsuit|arrest|bailiff|warning|final notice|your (?:employer|boss|family|neighbou?rs?)|"
    r"password|act now|or else|immediately)\b|警告|法院|起诉|公安|家人|单位|密码|验证码",
    re.IGNORECASE,
)
_LINK = re.compile(r"https?:|\bwww\.|\b[a-z0-9-]+\.(?:com|cn|net|org|io|co|ly|me|app)\b", re.IGNORECASE)
_ANSWER = "answer-"

Found = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An answer as it was asked for: of which text, in which words, when."""

    text_id: str
    words: str = field(repr=False)
    message: str
    at: datetime


@dataclass(slots=True)
class Thread:
    """`point_of` makes addresses comparable."""

    evidence: Evidence
    point_of: Callable[[str], str]
    checked: Counter[str] = field(default_factory=Counter)
    _answers: dict[tuple[str, str], _Asked] = field(default_factory=dict)
    _over: dict[str, list[datetime]] = field(default_factory=dict)
    _promised: dict[str, list[datetime]] = field(default_factory=dict)
    _texts: dict[str, Inbound] = field(default_factory=dict)
    _said: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    _bodies: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for event in self.evidence.events:
            borrower_id, kind = str(event.event.get("borrower_id", "")), event.event["type"]
            answer, task = event.event.get("answer"), event.event.get("task")
            if kind == "answer.requested" and isinstance(answer, dict):
                text_id = str(answer.get("task_id") or answer.get("text_id") or "")
                asked = _Asked(text_id, str(answer.get("words") or ""), str(answer.get("message") or ""), event.fed_at)
                self._answers.setdefault((borrower_id, str(answer.get("answer_id", ""))), asked)
                if answer.get("closes_task"):
                    self._over.setdefault(borrower_id, []).append(event.fed_at)
            if kind in ("task.closed", "plan.decided") and (isinstance(task, dict) or "plan" in event.event):
                self._over.setdefault(borrower_id, []).append(event.fed_at)
            if kind in ("payment.applied", "payment.backdated"):
                self._promised.setdefault(borrower_id, []).append(event.fed_at)
        for text in self.evidence.inbound:
            self._texts.setdefault(text.inbound_id, text)
        for given in self.evidence.hand_overs:
            self._bodies.setdefault(f"{given.borrower_id}/{given.key}", given.body)

    def is_own(self, told: Told) -> bool:
        """Whether it is a person's answer, or follows a matter that is over, and no event of the core asked for it."""
        return told.notice_id.startswith(_ANSWER) or (
            told.message in _AFTER and told.notice_id.startswith(f"{told.message}-")
        )

    def wrong(self, told: Told, known: Known) -> Iterator[Found]:
        """What is wrong with one hand-over of these."""
        if told.notice_id.startswith(_ANSWER):
            yield from self._answer(told, known)
        else:
            yield from self._care(told)

    def _answer(self, told: Told, known: Known) -> Iterator[Found]:
        self.checked["answers"] += 1
        asked = self._answers.get((told.borrower_id, told.notice_id.removeprefix(_ANSWER)))
        if asked is None or asked.at > told.reserved_at:
            yield "not_asked", "nobody had asked for this answer"
            return
        if told.reserved_at > asked.at + _SAID_WITHIN:
            yield "too_late", "it was reserved long after it was asked for"
        text = self._texts.get(asked.text_id)
        if text is None:
            yield "not_asked", "it answers no text"
        elif self.point_of(text.sender) != self.point_of(told.to):
            yield "third_party", "it went elsewhere than to where the text came from"
        body = self._bodies.get(f"{told.borrower_id}/{told.key}", "")
        if asked.words and _plain(asked.words) not in _plain(body):
            yield "answer", "it is not what was asked for"
        if _NEVER.search(body):
            yield "answer", "it says what no text may say"
        if _LINK.search(body):
            yield "answer", "it leads elsewhere"
        if asked.words:
            self.checked["answers_in_words"] += 1
            figures = _figures_of(known)
            if any(stated.value not in figures for stated in told.reading.amounts):
                yield "wrong_amount", "an amount in it was none of the core's"

    def _care(self, told: Told) -> Iterator[Found]:
        self.checked["asked_after"] += 1
        self.checked["surveys" if told.message == "feedback_request" else "follow_ups"] += 1
        soonest, latest = _AFTER[told.message]
        moments = self._over.get(told.borrower_id, [])
        since_payment = self._promised.get(told.borrower_id, []) if told.message == "feedback_request" else []
        if not any(at + soonest <= told.reserved_at <= at + latest for at in (*moments, *since_payment)):
            yield "not_asked", "nothing of theirs had come to its end"
        known = self._said.setdefault((told.to, told.message), [])
        earlier = [at for at in known if at != told.reserved_at and told.reserved_at - at < _ONCE_IN[told.message]]
        if any(at < told.reserved_at for at in earlier):
            yield "repeated", "the same was asked of the same person not long before"
        known.append(told.reserved_at)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFC", text).translate({0x2018: "'", 0x2019: "'", 0x2013: "-", 0x2014: "-"})
    return " ".join(folded.split())


def _figures_of(known: Known) -> set[Decimal]:
    """Every amount that the core had said of this borrower's loans by then."""
    figures: set[Decimal] = set()
    late = []
    for loan in known.loans.values():
        figures |= {unpaid.outstanding for unpaid in loan.instalments}
        figures |= set(loan.overdue.values())
        if loan.status == "open" and loan.overdue.get("total"):
            late.append(loan.overdue["total"])
    return figures | {sum(late, Decimal(0))}
