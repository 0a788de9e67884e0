"""The providers, all in one: what they accept, what they answer, what they report and when.

What the provider knows (`taken`, `delivered_at`) is the truth against which everything is counted; what it answers and
reports may be something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from dunlin.domain.words import MessageState, Reason
from dunlin.services.ports import (
    Accepted,
    DeliveryReport,
    HandOver,
    HandOverResult,
    NotAccepted,
    Refused,
    Unsettled,
)


class Answer(StrEnum):
    """What the provider does with a hand-over."""

    ACCEPTED = "accepted"
    ANSWER_LOST = "accepted, and the answer is lost"
    NOTHING_LOST = "not accepted, and nobody knows"
    THROTTLED = "throttled"
    REFUSED = "refused"
    REFUSED_NUMBER = "refused: no such number"
    SPEND_LIMIT = "refused: spend limit"
    OPTED_OUT = "refused: on the provider's own list"


class Fate(StrEnum):
    """What becomes of what was accepted, and what is said of it."""

    DELIVERED = "delivered"
    FAILED = "failed"
    DOUBLED = "delivered, reported twice"
    EARLY = "reported before the answer"
    BOTH = "reported failed, then delivered"
    LATE = "reported after days"
    NEVER = "never reported"
    UNDER_WAY = "reported under way, then delivered"
    TOO_LATE = "not delivered in its time"


#: Weights of answers and fates on a good day and on a bad one.
ANSWERS = {
    False: ((Answer.ACCEPTED, 1),),
    True: (
        (Answer.ACCEPTED, 10),
        (Answer.ANSWER_LOST, 3),
        (Answer.NOTHING_LOST, 2),
        (Answer.THROTTLED, 3),
        (Answer.REFUSED, 2),
        (Answer.REFUSED_NUMBER, 1),
        (Answer.SPEND_LIMIT, 1),
        (Answer.OPTED_OUT, 1),
    ),
}
FATES = {
    False: ((Fate.DELIVERED, 1),),
    True: (
        (Fate.DELIVERED, 6),
        (Fate.FAILED, 3),
        (Fate.DOUBLED, 2),
        (Fate.EARLY, 2),
        (Fate.BOTH, 1),
        (Fate.LATE, 2),
        (Fate.NEVER, 3),
        (Fate.UNDER_WAY, 1),
        (Fate.TOO_LATE, 1),
    ),
}


@dataclass(frozen=True, slots=True)
class HandedOver:
    """One call of ours, as the provider saw it."""

    ref: str
    at: datetime
    order: HandOver
    answer: Answer
    fate: Fate | None

    @property
    def taken(self) -> bool:
        """Whether a person may feel it."""
        return self.answer in (Answer.ACCEPTED, Answer.ANSWER_LOST)


Report = Callable[[DeliveryReport, timedelta], None]


@dataclass
class SmallProvider:
    """`Sender` for every provider. `draw` answers with one of the weighted names; `report` sends after a while."""

    clock: Callable[[], datetime]
    draw: Callable[..., str]
    report: Report
    report_now: Callable[[DeliveryReport], None]
    seen: Callable[[HandedOver], None]
    stormy: bool = False
    next_answers: list[Answer] = field(default_factory=list)
    next_fates: list[Fate] = field(default_factory=list)
    handed_over: list[HandedOver] = field(default_factory=list)

    def hand_over(self, order: HandOver) -> HandOverResult:
        number = len(self.handed_over)
        answer = (
            self.next_answers.pop(0)
            if self.next_answers
            else Answer(self.draw(ANSWERS[self.stormy], "answer", order.ref, number))
        )
        fate = None
        if answer in (Answer.ACCEPTED, Answer.ANSWER_LOST):
            fate = (
                self.next_fates.pop(0)
                if self.next_fates
                else Fate(self.draw(FATES[self.stormy], "fate", order.ref, number))
            )
        call = HandedOver(order.ref, self.clock(), order, answer, fate)
        self.handed_over.append(call)
        self.seen(call)
        provider_id = f"provider-{number}"
        if fate is not None:
            self._report(order, fate, provider_id)
        match answer:
            case Answer.ACCEPTED:
                return Accepted(provider_id)
            case Answer.ANSWER_LOST | Answer.NOTHING_LOST:
                return Unsettled(Reason.TIMED_OUT)
            case Answer.THROTTLED:
                return NotAccepted(Reason.THROTTLED)
            case Answer.REFUSED:
                return Refused(Reason.REFUSED_BY_PROVIDER)
            case Answer.REFUSED_NUMBER:
                return Refused(Reason.INVALID_NUMBER, point_unusable=True)
            case Answer.SPEND_LIMIT:
                return Refused(Reason.SPEND_LIMIT, stops_line=True)
            case Answer.OPTED_OUT:
                return Refused(Reason.PROVIDER_OPTED_OUT)

    def _report(self, order: HandOver, fate: Fate, provider_id: str) -> None:
        def report(state: MessageState | None, reason: Reason) -> DeliveryReport:
            return DeliveryReport(order.ref, state, reason, self.clock(), provider_id, parts=1)

        delivered = report(MessageState.DELIVERED, Reason.DELIVERED)
        failed = report(MessageState.FAILED, Reason.UNREACHABLE)
        soon = timedelta(seconds=20)
        match fate:
            case Fate.DELIVERED:
                self.report(delivered, soon)
            case Fate.FAILED:
                self.report(failed, soon)
            case Fate.DOUBLED:
                self.report(delivered, soon)
                self.report(delivered, soon + timedelta(minutes=7))
            case Fate.EARLY:
                self.report_now(delivered)
            case Fate.BOTH:
                self.report(failed, soon)
                self.report(delivered, soon + timedelta(hours=2))
            case Fate.LATE:
                self.report(delivered, timedelta(days=5))
            case Fate.NEVER:
                return
            case Fate.UNDER_WAY:
                self.report(report(None, Reason.ACCEPTED), soon)
                self.report(delivered, soon + timedelta(minutes=30))
            case Fate.TOO_LATE:
                self.report(report(MessageState.FAILED, Reason.TTL_EXPIRED), timedelta(hours=2))
