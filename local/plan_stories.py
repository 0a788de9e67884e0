"""Borrowers who ask for a plan, choose one, and keep to it or do not: by what the texts tell them, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from local.auditor.reading import read
from local.core.draws import choose
from local.portfolio.cohorts import Cohort

DAY = timedelta(days=1)


class PlanStory(StrEnum):
    """How somebody keeps to what they chose."""

    KEPT = "plan_kept"
    CURED = "plan_cured"  # the first payment comes after we say that it was missed
    BROKEN = "plan_broken"
    LENDER = "plan_by_lender"  # they choose what the lender has to look at first, and keep to it


STORIES: Mapping[Cohort, PlanStory] = {
    Cohort.PLAN_KEPT: PlanStory.KEPT,
    Cohort.PLAN_CURED: PlanStory.CURED,
    Cohort.PLAN_BROKEN: PlanStory.BROKEN,
    Cohort.PLAN_BY_LENDER: PlanStory.LENDER,
}
#: In English, in Chinese.
ASKED: tuple[Sequence[str], Sequence[str]] = (
    ("Can I pay this in instalments?", "can I get a payment plan please", "I need a payment plan"),
    ("可以分期还吗", "我想申请分期还款", "能不能分几期还"),
)
_OFFERED = re.compile(r"(?<!\d)(?P<number>[1-3])\s?[)）]\s?\D{0,3}(?P<payments>\d+)")


@dataclass(slots=True)
class Planner:
    """One borrower on the way to a plan, and along it."""

    story: PlanStory
    has_asked: bool = False
    has_chosen: bool = False
    has_missed: bool = False

    @property
    def asks_from_day(self) -> int:
        """How late they are when they ask: some only once an escalation has begun."""
        return 4 if self.story is PlanStory.CURED else 1

    def asks(self, locale: str, seed: int, borrower_id: str) -> str:
        self.has_asked = True
        return choose(seed, ASKED[locale.startswith("zh")], "asks for a plan", borrower_id)

    def chooses(self, body: str) -> str | None:
        """The number they take: of the most payments, or of what begins the latest; None: nothing is offered."""
        offered = {found["number"]: int(found["payments"]) for found in _OFFERED.finditer(body)}
        if self.has_chosen or not offered:
            return None
        self.has_chosen = True
        if self.story is PlanStory.LENDER:
            dates = read(body).dates
            begins = dict(zip(sorted(offered), ((stated.month, stated.day) for stated in dates), strict=False))
            return max(begins, key=lambda number: begins[number], default="1")
        return max(offered, key=lambda number: (offered[number], number))

    def pays(self, message: str, body: str, today: date) -> tuple[Decimal, date] | None:
        """How much of what a text asks for they pay, and on which day."""
        told = read(body)
        if not told.amounts or not told.dates or self.story is PlanStory.BROKEN:
            return None
        due_on = next((stated.near(today) for stated in told.dates), None) or today
        amount = told.amounts[0].value
        if message == "plan_missed":
            return amount, today + 2 * DAY
        if self.story is PlanStory.CURED and not self.has_missed:
            self.has_missed = True
            return None
        return amount, max(due_on, today)


def planner_of(cohort: Cohort) -> Planner | None:
    story = STORIES.get(cohort)
    return Planner(story) if story is not None else None


def message_of(ref: str) -> str:
    """What a text of ours is, by the key in its reference: a reply, or a notice; empty for a stage of the strategy."""
    found = re.search(r"reply#(?P<reply>[a-z_]+)#|#(?P<notice>[a-z_]+)~", ref)
    return (found["reply"] or found["notice"]) if found is not None else ""
