"""What a decision can come to: say it, wait, never, or a case that begins or ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from dunlin.domain.agreements import PromiseStatus
from dunlin.domain.borrower import Answer, ContactPoint, Loan, Party
from dunlin.domain.policy import Line, Stage
from dunlin.domain.words import CaseOutcome, Reason


@dataclass(frozen=True, slots=True)
class Request:
    """Say it: one message about `loans`, for the stage's occasion, inside the window that ends at `until`."""

    stage: Stage
    due_on: date
    episode: int
    attempt: int
    party: Party
    point: ContactPoint
    line: Line
    loans: tuple[Loan, ...]
    until: datetime
    principal_id: str = ""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: remember what binds, so that the reason is known should the moment pass."""

    stage: Stage
    due_on: date
    episode: int
    attempt: int
    until: datetime
    reason: Reason
    rule: str
    principal_id: str = ""


@dataclass(frozen=True, slots=True)
class Skip:
    """Never: the intended message ends here, with its reason."""

    stage: Stage
    due_on: date
    episode: int
    attempt: int
    loan_ids: tuple[str, ...]
    reason: Reason
    rule: str
    principal_id: str = ""


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A delinquency episode begins; `due_on` is its oldest unpaid due date, `strategy_id` what it is carried through
    under."""

    due_on: date
    strategy_id: str = ""


@dataclass(frozen=True, slots=True)
class EndCase:
    """The episode is over: cured, or a person takes it from here."""

    outcome: CaseOutcome
    reason: Reason
    rule: str = ""


@dataclass(frozen=True, slots=True)
class PromiseDay:
    """The day that was promised has begun."""

    promise_id: str


@dataclass(frozen=True, slots=True)
class PromiseEnds:
    """A promise is kept, or its grace is over."""

    promise_id: str
    status: PromiseStatus


class PlanStep(StrEnum):
    """What a moment brings to a plan."""

    REMINDED = "reminded"  # the next instalment is near
    MISSED = "missed"
    CURED = "cured"  # what was missed has come
    NOT_TAKEN_UP = "not_taken_up"  # the core did not say that it carries it
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"  # its loans have left us
    REOPENED = "reopened"  # it was kept, by a payment that was taken back


@dataclass(frozen=True, slots=True)
class PlanMoves:
    """Something happens to a plan. `number` is the instalment's; `days`: how long before its day a reminder is."""

    plan_id: str
    step: PlanStep
    number: int = 0
    days: int = 0


Action = Request | Wait | Skip | OpenCase | EndCase | PromiseDay | PromiseEnds | PlanMoves
