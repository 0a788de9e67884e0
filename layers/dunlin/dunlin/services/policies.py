"""The policy a decision follows: the borrower's pack, the lender's lines, and the conditions of this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dunlin.domain.borrower import Borrower
from dunlin.domain.hours import local_date
from dunlin.domain.policy import Conditions, Policy, Strategy
from dunlin.services.ports import Content, Controls, Survey


@dataclass(frozen=True, slots=True)
class Rules:
    """What `decide` and `review` need besides the borrower."""

    policy: Policy
    strategy: Strategy


def conditions_of(survey: Survey, now: datetime) -> Conditions:
    """The conditions that a survey of the controls amounts to at `now`."""
    unheard = [
        hearing.sent_at
        for hearing in survey.hearings
        if hearing.sent_at is not None and (hearing.heard_at is None or hearing.heard_at < hearing.sent_at)
    ]
    stopped = frozenset(
        line.line for line in survey.lines if line.stopped_until is not None and line.stopped_until > now
    )
    return Conditions(survey.feed_complete_to, min(unheard, default=None), stopped)


class Policies:
    """Reads the controls strongly each time it is asked: a guard is worth nothing from a cache."""

    def __init__(self, content: Content, controls: Controls) -> None:
        self._content = content
        self._controls = controls
        self._lines = tuple(line.line_id for line in content.lender.lines)

    def rules_for(self, borrower: Borrower, now: datetime) -> Rules | None:
        """The rules for this borrower now; None where no pack is reviewed, and so nothing may be sent."""
        conditions = conditions_of(self._controls.survey(self._lines), now)
        policy = self._content.policy(borrower.jurisdiction, local_date(now, borrower.zone), conditions)
        strategy = self._content.strategy(borrower.jurisdiction)
        if policy is None or strategy is None:
            return None
        return Rules(policy, strategy)
