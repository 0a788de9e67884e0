"""`dunlin demo`: an invented portfolio lives through its months in the embedded world, and is judged afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from local.behaviour import Behaviour, Text, enact, read_by
from local.commands.run import Judged, Plan, Progress, run_and_judge
from local.conversations import Interest
from local.core.core import Core
from local.portfolio.cohorts import Cohort
from local.portfolio.generate import Portfolio, generate
from local.ratings import rated
from local.simulator.faults import Faults
from local.simulator.simulator import Delivered
from local.world import Announced, Reply

FAULTS: Mapping[str, Callable[[], Faults]] = {"none": Faults.none, "light": Faults.light, "heavy": Faults.heavy}

#: One borrower of each, for whoever wants to read what was said.
TITLES: Mapping[Cohort, str] = {
    Cohort.PAYS_EARLY: "Pays early, hears little",
    Cohort.PAYS_AFTER_TIER_1: "Cured after the first tier",
    Cohort.PAYS_IN_PART_AFTER_TIER_2: "Cured after tier 2, in two payments",
    Cohort.CURED_AFTER_TIER_3: "Cured after the last reminder",
    Cohort.NEVER_PAYS: "Every tier, then a person",
    Cohort.OPTS_OUT_HAS_EMAIL: "Said stop: e-mail from then on",
    Cohort.OPTS_OUT_NO_EMAIL: "Said stop, has no e-mail: a person",
    Cohort.DISPUTE_HOLD: "A dispute: nothing until it was answered",
    Cohort.TWO_LOANS_SAME_DAY: "Two loans due on one day, one message",
    Cohort.PLAN_KEPT: "A plan by text: chosen, in force, kept to",
    Cohort.STOP_THEN_START: "STOP, then START",
    Cohort.ASKS_FOR_HELP: "Asked for help",
    Cohort.HARDSHIP_HOLD: "Hardship: a person took over",
    Cohort.INVALID_NUMBER: "A number that nobody has: e-mail instead",
    Cohort.PAYMENT_PENDING: "Money on its way: silence",
    Cohort.PAYMENT_RETURNED: "A payment came back",
    Cohort.LOAN_SOLD: "The loan was sold",
    Cohort.REPRESENTATIVE: "Somebody speaks for the borrower",
    Cohort.TWO_ZONES: "Lives in one zone, the number is of another",
    Cohort.SHARED_NUMBER_OPTS_OUT: "Two borrowers, one number: one said stop",
    Cohort.RESTRUCTURED: "A longer term was agreed",
    Cohort.PLAN_BROKEN: "A plan that was missed, and broken",
    Cohort.PLAN_CURED: "A plan that was missed, and cured",
    Cohort.PLAN_BY_LENDER: "A plan that the lender looked at first",
    Cohort.IMPORTED_IN_ARREARS: "Came with arrears, and without a burst",
    Cohort.SAYS_PAID: "Said it was paid",
    Cohort.POLITE_STOP: "Stop. Thank you",
    Cohort.CO_BORROWER: "A co-borrower hears of the one loan that is hers too",
    Cohort.GUARANTOR: "A guarantor hears the last reminder, and no other",
    Cohort.PERSON_ON_SEVERAL: "One person, one telephone, a loan of her own and a share in another",
    Cohort.MORTGAGE_LEAVES: "A mortgage and a card, one case: the mortgage was sold, the case kept its pace",
}


@dataclass(frozen=True)
class Demo:
    """What to run; `evidence`: where to keep it."""

    borrowers: int = 44
    days: int = 90
    seed: int = 1
    faults: str = "light"
    evidence: Path | None = None


def run_demo(demo: Demo, progress: Progress | None = None) -> Judged:
    """Generate, run, judge.

    Raises:
        OSError: the evidence cannot be written.
        ContentError: the content cannot be read.
    """
    portfolio = generate(demo.borrowers, demo.days, demo.seed)
    core = Core(portfolio.accounts, seed=demo.seed, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)

    def reached(delivered: Delivered) -> list[Reply]:
        texts = [reply_of(text) for text in enact(read_by(behaviour, delivered), core)]
        return [*texts, *rated(delivered, portfolio)]

    def answered(announced: Announced) -> None:
        core.hear(announced.kind, announced.detail)

    plan = Plan(
        core=core,
        start=portfolio.start,
        end=portfolio.end,
        seed=demo.seed,
        faults=FAULTS[demo.faults](),
        on_delivered=reached,
        first_texts=[reply_of(text) for text in enact(behaviour.at_start(), core)],
        on_announced=answered,
        on_recycled=lambda stirred: [
            reply_of(text) for text in enact(behaviour.on_recycled(stirred.number, stirred.at), core)
        ],
        unreachable=portfolio.numbers,
        interests=interests(portfolio),
        evidence=demo.evidence,
    )
    judged = run_and_judge(plan, progress)
    head = {"borrowers": demo.borrowers, "days": demo.days, "seed": demo.seed, "faults": demo.faults}
    return replace(judged, summary={**head, **judged.summary})


def interests(portfolio: Portfolio) -> list[Interest]:
    """One borrower of each cohort that has a title."""
    return [
        Interest(portfolio.members(cohort)[0], title) for cohort, title in TITLES.items() if portfolio.members(cohort)
    ]


def reply_of(text: Text) -> Reply:
    return (text.from_address, text.text, text.at, text.meant)
