"""What follows a matter that is over: the question how it went, and, a while later, whether all is well.

Records and the rules about them; what is due is in `domain.aftercare`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SURVEY, FOLLOW_UP = "feedback_request", "follow_up"
LOWEST, HIGHEST = 1, 5


class Over(StrEnum):
    """What is over. The identifiers are stored and announced, so they are never renamed."""

    COMPLAINT = "complaint"
    DISPUTE = "dispute"
    HARDSHIP = "hardship"
    PLAN = "plan"
    QUESTION = "question"
    SERVICE = "service"
    PROMISE_KEPT = "promise_kept"
    CASE_CURED = "case_cured"  # and they had written to us in it


@dataclass(frozen=True, slots=True)
class CareRule:
    """When `message` follows: after which matters, how long after, for how long it is still worth saying, and at most
    once in so many days for one person, whatever it follows.

    `not_in_case`: never while a case is open. `quiet_days`: nor so soon after any message about money. `not_under`:
    nor while one of these stops is in force.
    """

    message: str
    after: frozenset[Over]
    wait_hours: int
    within_days: int
    once_in_days: int
    not_in_case: bool = True
    quiet_days: int = 0
    not_under: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Care:
    """One of these was asked for: `care_id` is its notice's. `over` is the matter, `about` its id.

    `strategy_id` and `arm` are what the person was under when it was asked for; it can be answered for `answer_hours`.
    A `rating` is from 1 (badly) to 5 (very well), `text_id` the answer it came in; the words stay where texts are kept.
    """

    care_id: str
    message: str
    party_id: str
    over: Over
    about: str
    asked_at: datetime
    strategy_id: str = ""
    arm: str = ""
    answer_hours: int = 72
    message_key: str = ""
    answered_at: datetime | None = None
    rating: int | None = None
    text_id: str = ""
    told: bool = False
