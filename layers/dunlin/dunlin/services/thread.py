"""A person's answer at the door: whose text it answers, whether it may be said, and what is wrong with its words.

Whatever can be known now is a refusal that names its field; it repeats nothing of the words. What comes between now and
the hand-over (an opt-out, a night, another figure) is judged again there, and whoever asked is told (`answer.refused`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from dunlin.domain.agreements import Task
from dunlin.domain.borrower import Answer, Borrower, Notice, Party, Unsaid
from dunlin.domain.hours import local_date
from dunlin.domain.message import Figure
from dunlin.domain.occasion import answer_notice
from dunlin.domain.parties import occasion_of
from dunlin.domain.permit import Later, Never, line_for
from dunlin.domain.policy import HoldRule, NoticeRule
from dunlin.domain.tasks import reference_of
from dunlin.domain.thread import FILED_ONLY, IN_WORDS, MOST_UNSAID, answer_permit, may_state
from dunlin.domain.words import Channel, HoldKind, Reason
from dunlin.errors import InvalidInput
from dunlin.services.notices import MOST_NOTICES, Words
from dunlin.services.policies import Policies, Rules
from dunlin.services.ports import FreeWords, Record, RenderRequest, Store
from dunlin.services.tasks import closed_by_answer

if TYPE_CHECKING:
    from dunlin.domain.facts import AnswerRequested

#: What a text of ours that a person chooses may state: what the task is called.
_STATED = frozenset({"reference"})
_WHY_NOT = {
    Reason.OPTED_OUT: "they opted out of texts there: answer by letter, or let a person call",
    Reason.NOT_VERIFIED: "nobody made sure that the number is theirs, and words of your own can go into a debt: "
    "choose a text in answer.message, or let a person call",
    Reason.NOT_A_PARTY: "whoever wrote may not hear this, or somebody speaks for them",
    Reason.NO_CONTACT_POINT: "the number that the text came from is theirs no more",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """The borrower who is to be answered, and what is recorded of it; `again`: it was asked for before."""

    borrower: Borrower
    records: tuple[Record, ...] = ()
    again: bool = False


class Thread:
    """Takes answers. `free_words` is made when the first one comes: few events are answers."""

    def __init__(self, store: Store, policies: Policies, words: Words, free_words: Callable[[], FreeWords]) -> None:
        self._store = store
        self._policies = policies
        self._words = words
        self._free_words = free_words

    def answered(
        self, borrower: Borrower, event: AnswerRequested, stops: Mapping[HoldKind, HoldRule], now: datetime
    ) -> Taken:
        """The borrower with this answer to be said, and with the task closed if it closes it.

        Raises:
            InvalidInput: it may not be said, or not in these words.
        """
        text, party = self._text(borrower, event)
        task = self._task(borrower, event)
        record = self._record(borrower, event, party, now)
        if self._is_known(borrower, event, record):
            return Taken(borrower, again=True)
        point = str(text["point"])
        self._refuse_shared(borrower, point)
        rule = self._rule(event)
        rules = self._policies.rules_for(borrower, now)
        if rules is None:
            raise InvalidInput("borrower_id", "lives where nobody reviewed the rules: nothing is said there")
        answer = self._answer(event, party, point, rules)
        facts = (Figure("reference", reference_of(event.text_id)),) if "reference" in rule.variables else ()
        to = occasion_of(borrower, party.party_id)
        notice = Notice(answer_notice(event.answer_id), rule.message, event.occurred_at, to, (), facts, answer)
        self._judge(borrower, notice, answer, rule, rules, now)
        if len(borrower.notices) >= MOST_NOTICES:
            raise InvalidInput("answer", f"one borrower is told at most {MOST_NOTICES} things in a month")
        after = replace(borrower, notices=(*borrower.notices, notice))
        if event.closes_task and task is not None:
            after = closed_by_answer(after, task, event.author, event.occurred_at, stops)
        return Taken(after, (record,))

    def _text(self, borrower: Borrower, event: AnswerRequested) -> tuple[Mapping[str, object], Party]:
        """The record of the text that is answered, and whoever wrote it."""
        field = "answer.task_id" if event.is_task else "answer.text_id"
        text = self._store.record(borrower.borrower_id, f"TEXT#{event.text_id}")
        if text is None:
            raise InvalidInput(field, "is no text of this borrower's, so there is nobody to answer")
        if event.party_id and event.party_id != text["party_id"]:
            raise InvalidInput("answer.party_id", "did not write this text")
        party = next((party for party in borrower.parties if party.party_id == text["party_id"]), None)
        if party is None:
            raise InvalidInput(field, "was written by somebody who is no party any more")
        return text, party

    def _task(self, borrower: Borrower, event: AnswerRequested) -> Task | None:
        task = next((task for task in borrower.tasks if task.task_id == event.text_id), None)
        if task is None and event.is_task:
            raise InvalidInput("answer.task_id", "is no task that is remembered: name the text in answer.text_id")
        if event.closes_task and (task is None or task.closed_at is not None):
            raise InvalidInput("answer.closes_task", "there is no open task to close")
        if event.closes_task and task is not None and task.chosen is not None:
            raise InvalidInput("answer.closes_task", "a plan that was chosen is decided with plan.decided")
        return task

    def _is_known(self, borrower: Borrower, event: AnswerRequested, record: Record) -> bool:
        """Whether it was asked for before. An id names one answer for ever."""
        known = self._store.record(borrower.borrower_id, record.item)
        if known is not None and known["digest"] != record.document["digest"]:
            raise InvalidInput("answer.answer_id", "names another answer already")
        if known is None and any(each.notice_id == answer_notice(event.answer_id) for each in borrower.notices):
            raise InvalidInput("answer.answer_id", "names something else already")
        return known is not None

    def _refuse_shared(self, borrower: Borrower, point: str) -> None:
        for other_id in self._store.borrowers_of(point):
            other = self._store.borrower(other_id) if other_id != borrower.borrower_id else None
            if other is not None and any(each.point == point for party in other.parties for each in party.points):
                raise InvalidInput("answer", "the number is another borrower's too: let a person call")

    def _rule(self, event: AnswerRequested) -> NoticeRule:
        rule = self._words.notices.get(event.message or IN_WORDS)
        if rule is None or not rule.by_person:
            raise InvalidInput("answer.message", "is no text that a person may choose")
        if event.message and not rule.variables.keys() <= _STATED:
            raise InvalidInput("answer.message", "is no text that a person may choose")
        return rule

    def _answer(self, event: AnswerRequested, party: Party, point: str, rules: Rules) -> Answer:
        locale = event.locale or rules.policy.language_for(party.locale, party.preferences.language)
        if locale not in rules.policy.languages:
            raise InvalidInput("answer.locale", "is no language that texts are written in there")
        words = self._free_words().plain(event.words, locale) if event.words else ""
        said_in = locale if event.words or event.locale else ""
        return Answer(event.answer_id, event.text_id, party.party_id, point, event.author, said_in, words)

    def _judge(
        self, borrower: Borrower, notice: Notice, answer: Answer, rule: NoticeRule, rules: Rules, now: datetime
    ) -> None:
        """Refuse what can be known now: who may hear it, there, over this line, in these words."""
        found = answer_permit(borrower, notice, answer, rule, rules.strategy, rules.policy, now)
        allowed = found if isinstance(found, Never) else found[2]
        if isinstance(allowed, Never) and allowed.rule == FILED_ONLY:
            raise InvalidInput(
                "answer.words", "this line carries texts that are on file, word for word: choose one in answer.message"
            )
        too_late = isinstance(allowed, Later) and allowed.at > notice.occurred_at + rule.within
        if isinstance(allowed, Never) or (isinstance(allowed, Later) and too_late):
            why = _WHY_NOT.get(allowed.reason, f"may not be said now: {allowed.reason}, {allowed.rule}")
            raise InvalidInput("answer", why)
        line = line_for(rules.policy, Channel.SMS, rule.purpose)
        if isinstance(found, Never) or line is None or not answer.words:
            return
        party = found[0]
        problem = self._free_words().problem(
            RenderRequest(
                template=rule.message,
                locale=answer.locale,
                channel=Channel.SMS,
                party_name=party.name,
                line=line,
                today=local_date(now, borrower.zone),
                words=answer.words,
                may_state=may_state(borrower, party, rules.policy, now),
            )
        )
        if problem:
            raise InvalidInput("answer.words", problem)

    @staticmethod
    def _record(borrower: Borrower, event: AnswerRequested, party: Party, now: datetime) -> Record:
        """Who answered what, for ever; the words are the message's, and go when texts go."""
        said = "\x1f".join((event.text_id, event.message, event.words, event.locale))
        document: dict[str, object] = {
            "answer_id": event.answer_id,
            "author": event.author,
            "text_id": event.text_id,
            "party_id": party.party_id,
            "message": event.message or IN_WORDS,
            "closes_task": event.closes_task,
            "digest": hashlib.sha256(said.encode()).hexdigest(),
            "occurred_at": event.occurred_at,
            "recorded_at": now,
        }
        return Record(borrower.borrower_id, f"ANSWER#{event.answer_id}", document)


def refused(borrower: Borrower, answer_id: str, author: str, field: str, problem: str, now: datetime) -> Borrower:
    """The borrower about whom an answer was refused at the door: whoever asked over the bus is told."""
    if any(each.answer_id == answer_id and each.reason == "refused" for each in borrower.unsaid):
        return borrower
    unsaid = Unsaid(answer_id, author, "refused", f"{field}: {problem}", now)
    return replace(borrower, unsaid=(*borrower.unsaid, unsaid)[-MOST_UNSAID:])
