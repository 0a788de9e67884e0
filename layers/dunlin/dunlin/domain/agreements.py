"""What was agreed with a borrower, what they were asked, and what a person has to do: parts of the hot item.

Records only; what follows from them is in `domain.promising`, `domain.tasks` and `domain.answers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from dunlin.domain.care import CareRule
from dunlin.domain.money import Money
from dunlin.domain.plans import Offer, Upkeep


class PromiseStatus(StrEnum):
    """A promise is open until its day and the grace after it are over, or the money has come."""

    OPEN = "open"
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"  # another promise took its place, or something else has to be answered first


@dataclass(frozen=True, slots=True)
class Credit:
    """A payment that counts towards a promise or a plan.

    `returned`: it was taken back, whichever of the two was told first.
    """

    payment_id: str
    amount: Money
    paid_at: datetime
    returned: bool = False


@dataclass(frozen=True, slots=True)
class Promise:
    """Somebody said that they pay `amount` on `on` (their own calendar). `promise_id` is the text's.

    `loan_ids` are the loans it is about, the one the words name first. Nothing of them that fell due by `covers_to`
    being unpaid keeps it as well as the amount does. `until` is the end of the grace: the stop `promise` ends there.
    """

    promise_id: str
    party_id: str
    loan_ids: tuple[str, ...]
    amount: Money
    on: date
    covers_to: date
    made_at: datetime
    until: datetime
    status: PromiseStatus = PromiseStatus.OPEN
    credits: tuple[Credit, ...] = ()
    day_told: bool = False
    ended_at: datetime | None = None


class PlanStatus(StrEnum):
    """What has become of a plan that was chosen."""

    PROPOSED = "proposed"  # the lender decides
    AGREED = "agreed"  # it binds; the core has not said that it carries it
    IN_FORCE = "in_force"  # the core carries it
    KEPT = "kept"
    BROKEN = "broken"
    WITHDRAWN = "withdrawn"  # refused, or ended by the core


@dataclass(frozen=True, slots=True)
class PlanDue:
    """What a plan asks for on a day."""

    due_on: date
    amount: Money


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan that somebody chose, and what has come of it. `plan_id` is the text's, or the core's own.

    `loan_ids`: the loans whose arrears it is about, the one that is late the longest first. `offer`: what was chosen
    (None: the core told of a plan that was agreed elsewhere); `task_id`: the task under which the lender decides.
    `agreed_by` is a rule of the policy or a staff id. `in_snapshots`: the core's snapshots carry the plan's
    instalments, so they say what is left of it; else the payments do (`credits`). `reminded`: which reminders were
    made. `missed` is the number of the instalment that was missed and has not come, since `missed_at`; `misses` counts
    them. `news` is what others have to be told of it; `called`: a person was called because the core did not take it
    up. `core_at` is when the core last spoke of it.
    """

    plan_id: str
    party_id: str
    loan_ids: tuple[str, ...]
    instalments: tuple[PlanDue, ...]
    debt: Money
    chosen_at: datetime
    upkeep: Upkeep
    status: PlanStatus = PlanStatus.PROPOSED
    offer: Offer | None = None
    task_id: str = ""
    agreed_at: datetime | None = None
    agreed_by: str = ""
    take_up_by: datetime | None = None
    core_at: datetime | None = None
    in_snapshots: bool = False
    credits: tuple[Credit, ...] = ()
    reminded: tuple[str, ...] = ()
    missed: int | None = None
    missed_at: datetime | None = None
    misses: int = 0
    called: bool = False
    news: tuple[str, ...] = ()
    ended_at: datetime | None = None


class Awaited(StrEnum):
    """What we asked last, so that a bare "Friday" means something."""

    NOTHING = ""
    DAY = "day"  # which day somebody means to pay on
    OFFER = "offer"  # which of the plans that were offered


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation with one party at one contact point, forgotten at `ends_at`.

    `missed`: texts in a row that nobody understood. `offers` are the plans to choose from, as they were told in
    the reply to the text `text_id`.
    """

    party_id: str
    point: str
    awaits: Awaited
    asked_at: datetime
    ends_at: datetime
    missed: int = 0
    text_id: str = ""
    offers: tuple[Offer, ...] = ()


class TaskKind(StrEnum):
    """Why a person has to look. The identifiers are stored and announced, so they are never renamed."""

    PAID = "paid"
    PROMISE = "promise"  # beyond what may be promised here
    PLAN = "plan"
    HARDSHIP = "hardship"
    DISPUTE = "dispute"
    COMPLAINT = "complaint"
    BANKRUPTCY = "bankruptcy"
    ATTORNEY = "attorney"
    IDENTITY_THEFT = "identity_theft"
    CEASE_REQUEST = "cease_request"
    WRONG_NUMBER = "wrong_number"
    DECEASED = "deceased"
    CRISIS = "crisis"
    QUESTION = "question"
    SERVICE = "service"
    NOT_UNDERSTOOD = "not_understood"
    SHARED_NUMBER = "shared_number"  # it is not known which of several borrowers wrote
    FEEDBACK = "feedback"  # it went badly, they said
    NOT_ANSWERED = "not_answered"  # our own answer did not go out, or nobody has words for one


@dataclass(frozen=True, slots=True)
class Task:
    """Something for a person: acknowledged and answered by when. `task_id` is a text's; ids only, no words.

    `hold_ids` are the stops it placed, lifted with its answer where the table lets staff lift them. `reference` is what
    the borrower was told to name. `told` are the announcements made of it. `chosen` is the plan that the borrower took
    from those we offered: the lender decides about it.
    """

    task_id: str
    kind: TaskKind
    party_id: str
    opened_at: datetime
    acknowledge_by: datetime
    answer_by: datetime
    reference: str
    hold_ids: tuple[str, ...] = ()
    acknowledged_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = ""
    outcome: str = ""
    told: tuple[str, ...] = ()
    chosen: Offer | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """How fast a person acknowledges and answers, in hours."""

    acknowledge_hours: int
    answer_hours: int


_DAY = 24
_USUAL = Clock(_DAY, 7 * _DAY)


@dataclass(frozen=True, slots=True)
class AnswerPolicy:
    """The lender's own policy about what may be agreed by text, and how fast a person answers.

    `promise_grace_days` after the day of a promise for the money to arrive; at most `promises` in `promises_in_days`,
    those included that another took the place of. `dialogue_hours`: how long a question of ours
    stands. `misses`: texts in a row that are not understood before a person takes over.
    """

    promise_grace_days: int = 2
    promises: int = 4
    promises_in_days: int = 90
    dialogue_hours: int = 48
    misses: int = 2
    #: Who says that they paid is believed once in so long; then a person looks first.
    claims_once_in_days: int = 30
    #: What follows a matter that is over, how long its question stands, and the mark up to which a person calls.
    care: tuple[CareRule, ...] = ()
    rating_hours: int = 72
    low_rating: int = 2
    usual: Clock = _USUAL
    clocks: tuple[tuple[TaskKind, Clock], ...] = (
        (TaskKind.CRISIS, Clock(0, 0)),
        (TaskKind.PAID, Clock(_DAY, 3 * _DAY)),
        (TaskKind.HARDSHIP, Clock(_DAY, 5 * _DAY)),
        (TaskKind.DISPUTE, Clock(5 * _DAY, 30 * _DAY)),
        (TaskKind.COMPLAINT, Clock(3 * _DAY, 14 * _DAY)),
        (TaskKind.IDENTITY_THEFT, Clock(_DAY, 14 * _DAY)),
        (TaskKind.NOT_UNDERSTOOD, Clock(8, 2 * _DAY)),
        (TaskKind.NOT_ANSWERED, Clock(8, 2 * _DAY)),
        (TaskKind.QUESTION, Clock(8, 2 * _DAY)),
        (TaskKind.SERVICE, Clock(8, 3 * _DAY)),
    )

    def clock(self, kind: TaskKind) -> Clock:
        return dict(self.clocks).get(kind, self.usual)


#: What holds where the content says nothing else.
USUAL_ANSWERS = AnswerPolicy()
