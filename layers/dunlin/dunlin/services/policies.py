"""The policy a decision follows: the borrower's pack, the lender's lines, and the conditions of this moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from dunlin.domain.borrower import Borrower
from dunlin.domain.following import pinned_strategy, products_of
from dunlin.domain.hours import local_date
from dunlin.domain.plans import PlanPolicy
from dunlin.domain.policy import Conditions, HoldRule, Lender, Policy, Strategy
from dunlin.domain.promises import PromisePolicy
from dunlin.domain.words import HoldKind
from dunlin.services.ports import Content, Controls, Survey

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rules:
    """What `decide` and `review` need besides the borrower."""

    policy: Policy
    strategy: Strategy


def conditions_of(survey: Survey, lender: Lender, now: datetime) -> Conditions:
    """The conditions that a survey of the controls amounts to at `now`.

    What reached our ears is known up to the moment at which the last probe that was heard had been sent. A probe that
    is not heard, one that is heard late, and a sweep that sends none are one and the same deafness.
    """
    announced_to = survey.feed_announced_to
    heartbeat = timedelta(minutes=lender.core_heartbeat_max_minutes)
    stopped = frozenset(
        line.line for line in survey.lines if line.stopped_until is not None and line.stopped_until > now
    )
    return Conditions(
        feed_complete_to=survey.feed_complete_to,
        feed_quiet_from=announced_to + heartbeat if announced_to is not None else None,
        unheard_since=min((hearing.heard_to or _NEVER for hearing in survey.hearings), default=None),
        stopped_lines=stopped,
        pauses=tuple(pause for pause in survey.pauses if pause.until is None or pause.until > now),
        full_templates=frozenset(
            template for template, count in survey.released.items() if count >= lender.ceiling_of(template)
        ),
        ceilings_until=end_of_day(now),
    )


def strategy_of(content: Content, borrower: Borrower) -> Strategy | None:
    """The one strategy that this borrower follows now; None where one of their loans has none."""
    return content.strategy(borrower.jurisdiction, products_of(borrower), pinned_strategy(borrower))


def end_of_day(now: datetime) -> datetime:
    """The midnight, UTC, at which the ceilings open again."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(0), UTC)


class Policies:
    """Reads the controls strongly each time it is asked: a guard is worth nothing from a cache."""

    def __init__(self, content: Content, controls: Controls) -> None:
        self._content = content
        self._controls = controls
        self._lines = tuple(line.line_id for line in content.lender.lines)

    @property
    def content_version(self) -> str:
        return self._content.version

    def stops_for(self, borrower: Borrower, now: datetime) -> Mapping[HoldKind, HoldRule]:
        """The table of stops where they live; the bare table where nobody reviewed a pack."""
        return self._content.hold_rules(borrower.jurisdiction, local_date(now, borrower.zone))

    def promises_for(self, borrower: Borrower, now: datetime) -> PromisePolicy | None:
        """Which promises are taken of this borrower; None: none without a person."""
        today = local_date(now, borrower.zone)
        return self._content.promise_policy(borrower.jurisdiction, products_of(borrower), today)

    def plans_for(self, borrower: Borrower, now: datetime) -> PlanPolicy | None:
        """Which plans are offered to this borrower; None: a person helps."""
        today = local_date(now, borrower.zone)
        return self._content.plan_policy(borrower.jurisdiction, products_of(borrower), today)

    def rules_for(self, borrower: Borrower, now: datetime) -> Rules | None:
        """The rules for this borrower now; None where no pack is reviewed, and so nothing may be sent."""
        conditions = self._conditions(now)
        policy = self._content.policy(borrower.jurisdiction, local_date(now, borrower.zone), conditions)
        strategy = strategy_of(self._content, borrower)
        if policy is None or strategy is None:
            return None
        return Rules(policy, strategy)

    def _conditions(self, now: datetime) -> Conditions:
        survey = self._controls.survey(self._lines, now.astimezone(UTC).date())
        return conditions_of(survey, self._content.lender, now)


class PoliciesOfAMoment(Policies):
    """Reads the controls once for everything that is asked about one moment: an estimate, and never a guard."""

    def __init__(self, content: Content, controls: Controls) -> None:
        super().__init__(content, controls)
        self._read: tuple[datetime, Conditions] | None = None

    def _conditions(self, now: datetime) -> Conditions:
        if self._read is None or self._read[0] != now:
            self._read = now, super()._conditions(now)
        return self._read[1]
