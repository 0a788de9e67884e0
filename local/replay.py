"""`dunlin replay`: real accounts through the decision that production makes, and some of them through everything.

The first part is pure: each account's months are told as a core would have told them, and `decide` is asked whenever
something changed, and whenever it said itself that it wants to be asked again. What it requests counts as told at once.
The second part runs accounts through the embedded world.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

from dunlin.content import Content, load_content
from dunlin.domain.actions import Action, EndCase, OpenCase, Skip, Wait
from dunlin.domain.apply import Applied, apply, marked, with_contact
from dunlin.domain.borrower import Borrower, Contact, Loan
from dunlin.domain.decide import decide
from dunlin.domain.facts import LoanChanged
from dunlin.domain.hours import local_date
from dunlin.domain.message import HAND_OVER_WITHIN, Message
from dunlin.domain.permit import LONGEST_DELIVERY
from dunlin.domain.policy import Conditions, Policy, Strategy
from dunlin.domain.words import CaseOutcome, CaseStatus, MessageState
from dunlin.services.ingest import imported

from local.commands.run import Judged, Plan, Progress, run_and_judge
from local.conversations import Interest
from local.portfolio.people import US_NY, phone_count
from local.portfolio.replay import (
    PRODUCT,
    ReplayAccount,
    ReplayCore,
    ReplaySnapshot,
    ReplayTerms,
    occasions,
    read_accounts,
)
from local.simulator.faults import Faults
from local.summary import Summary, ordered
from local.world import CONTENT

#: Accounts that one process decides at a time; and from how many on a second process is worth its start.
CHUNK = 500
WORTH_PROCESSES = 3000
#: A borrower who wants to be asked more often than this between two facts would never come to an end.
MOST_WAKES = 400
MOST_CONVERSATIONS = 12
#: How often one moment may lead to another decision: a case opened, its tier requested, and what follows from that.
MOST_ROUNDS = 6


@dataclass
class Tally:
    """What was decided, counted. Adding is all that is done with it, so the order of accounts does not matter."""

    accounts: int = 0
    decisions: int = 0
    cases_opened: int = 0
    cases_open: int = 0
    occasions_twice: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    skips: Counter[str] = field(default_factory=Counter)
    cases: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.accounts += other.accounts
        self.decisions += other.decisions
        self.cases_opened += other.cases_opened
        self.cases_open += other.cases_open
        self.occasions_twice += other.occasions_twice
        self.messages.update(other.messages)
        self.channels.update(other.channels)
        self.reasons.update(other.reasons)
        self.waits.update(other.waits)
        self.skips.update(other.skips)
        self.cases.update(other.cases)


@dataclass(frozen=True)
class Decided:
    """The pure part: what was decided, in how many seconds, by how many processes."""

    tally: Tally
    seconds: float
    processes: int

    @property
    def per_second(self) -> float:
        return round(self.tally.decisions / self.seconds, 1)


class NothingToReplay(ValueError):
    """The file holds no account, or the content has no rules for the jurisdiction."""


# ── One account ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Decider:
    """Decides accounts, one after another, each from its first fact to its last moment.

    `offsets`: days after a due date at which to ask besides. Where `decide` knows when it has to be asked, they change
    nothing.
    """

    def __init__(self, terms: ReplayTerms, content: Content, offsets: Sequence[int] = ()) -> None:
        self._terms = terms
        self._content = content
        self._policies: dict[date, Policy] = {}
        strategy = content.strategy(terms.jurisdiction, frozenset({PRODUCT}))
        if strategy is None or self._policy(terms.start) is None:
            raise NothingToReplay(f"the content has no rules for {terms.jurisdiction}")
        self._strategy: Strategy = strategy
        self._offsets = offsets

    def account(self, account: ReplayAccount, tally: Tally) -> None:
        """Let an account's months pass, and count what was decided."""
        life = _Life(account, self._terms, tally)
        snapshots = account.snapshots(self._terms)
        facts = {snapshot.at: snapshot for snapshot in snapshots}
        for at, loan in occasions(snapshots, self._offsets, self._terms):
            self._woken_before(life, at)
            life.learn(at, loan, facts.get(at), self._strategy)
            self._decide(life, at)
        self._woken_before(life, self._terms.end)
        life.close()

    def _woken_before(self, life: _Life, until: datetime) -> None:
        for _ in range(MOST_WAKES):
            if life.wake_at is None or life.wake_at >= until:
                return
            self._decide(life, life.wake_at)

    def _decide(self, life: _Life, now: datetime) -> None:
        policy = self._at(now)
        life.wake_at = None
        for _ in range(MOST_ROUNDS):
            decision = decide(life.borrower, self._strategy, policy, now)
            life.tally.decisions += 1
            # As in production: what is due first, the escalation's own step after it, each on a fresh read.
            changed = life.carry_out(decision.actions, policy, now)
            if not changed:
                changed = life.carry_out(decision.case_actions, policy, now)
            if not changed:
                if decision.wake_at is not None:
                    life.wake_at = max(decision.wake_at, now + timedelta(minutes=1))
                return
        life.wake_at = now + timedelta(minutes=1)

    def _at(self, now: datetime) -> Policy:
        today = local_date(now, self._terms.time_zone)
        if today not in self._policies:
            policy = self._policy(now)
            assert policy is not None
            self._policies[today] = policy
        return self._policies[today]

    def _policy(self, now: datetime) -> Policy | None:
        """The rules of the day. A replay plans, so wording that is not released yet counts as if it were."""
        conditions = Conditions(feed_complete_to=self._terms.end)
        policy = self._content.policy(self._terms.jurisdiction, local_date(now, self._terms.time_zone), conditions)
        return None if policy is None else replace(policy, live=True)


class _Life:
    """One borrower as the replay goes on."""

    def __init__(self, account: ReplayAccount, terms: ReplayTerms, tally: Tally) -> None:
        self._account = account
        self._terms = terms
        self._seen: set[str] = set()
        self._waiting: set[tuple[str, str]] = set()
        self._party = account.party(terms)
        self._borrower: Borrower | None = None
        self.tally = tally
        self.wake_at: datetime | None = None
        tally.accounts += 1

    @property
    def borrower(self) -> Borrower:
        assert self._borrower is not None
        return self._borrower

    def learn(self, at: datetime, loan: Loan, snapshot: ReplaySnapshot | None, strategy: Strategy) -> None:
        """What the core tells at `at`, if it tells anything."""
        if self._borrower is None:
            self._borrower = self._account.borrower(self._terms, loan, self._party)
        elif snapshot is None:
            return
        else:
            self._borrower = replace(
                self._borrower, loans=(loan,), version=self._borrower.version + 1, revision=self._borrower.revision + 1
            )
        if snapshot is not None and snapshot.event_type == "portfolio.imported":
            event = LoanChanged(
                event_id=f"{loan.loan_id}-{loan.sequence}",
                type=snapshot.event_type,
                occurred_at=at,
                borrower_id=self._account.borrower_id,
                loan=loan,
                imported=True,
            )
            self._borrower = imported(self._borrower, event, strategy, at)

    def carry_out(self, actions: Sequence[Action], policy: Policy, now: datetime) -> bool:
        """Apply actions, tell at once what they request, count them. False when nothing changed."""
        if not actions:
            return False
        applied = apply(self.borrower, actions, policy, now)
        self._count(actions, applied)
        if not applied.changed:
            return False
        after = applied.borrower
        for message in applied.messages:
            if message.state is MessageState.REQUESTED:
                after = told(after, message, now)
        case = after.case
        if case is not None and case.status is CaseStatus.OPEN:
            case = replace(case, rounds=case.rounds + 1, assessed_at=now)
        self._borrower = replace(after, case=case, version=after.version + 1, revision=after.revision + 1)
        return True

    def _count(self, actions: Sequence[Action], applied: Applied) -> None:
        tally = self.tally
        for message in applied.messages:
            tally.occasions_twice += message.key in self._seen
            self._seen.add(message.key)
            tally.reasons[str(message.reason)] += 1
            if message.state is MessageState.REQUESTED:
                tally.messages[message.said] += 1
                tally.channels[str(message.channel)] += 1
        for action in actions:
            match action:
                case Wait():
                    # A stage that waits is asked about again and again: it waits once for each reason.
                    key = (f"{action.due_on}#{action.stage.stage_id}#{action.episode}", str(action.reason))
                    if key not in self._waiting:
                        self._waiting.add(key)
                        tally.waits[str(action.reason)] += 1
                case Skip():
                    tally.skips[str(action.reason)] += 1
                case OpenCase():
                    tally.cases_opened += 1
                case EndCase():
                    tally.cases[str(action.outcome)] += 1
                case _:
                    pass

    def close(self) -> None:
        case = None if self._borrower is None else self._borrower.case
        self.tally.cases_open += case is not None and case.status is CaseStatus.OPEN


def told(borrower: Borrower, message: Message, now: datetime) -> Borrower:
    """The borrower after a message that reached its provider at once: the contact counts, the stage is told."""
    felt_until = min(message.not_after, now + HAND_OVER_WITHIN + LONGEST_DELIVERY)
    contact = Contact(
        message.ref,
        now,
        felt_until,
        str(message.channel),
        message.purpose,
        message.loan_ids,
        message.party_id,
        message.point,
    )
    return marked(with_contact(borrower, contact), message, now, status="told")


# ── All of them ──────────────────────────────────────────────────────────────────────────────────────────────────────


def decide_all(
    accounts: Sequence[ReplayAccount], terms: ReplayTerms, done: Progress | None = None, *, processes: int | None = None
) -> Decided:
    """Decide every account, on all cores where it is worth it or on as many `processes`.

    Raises:
        NothingToReplay: there is no account, or there are no rules for the jurisdiction.
        ContentError: the content cannot be read.
    """
    if not accounts:
        raise NothingToReplay("there is no account in it")
    Decider(terms, load_content(CONTENT))
    if processes is None:
        processes = min(os.cpu_count() or 1, 8) if len(accounts) >= WORTH_PROCESSES else 1
    began = perf_counter()
    tally = Tally()
    for part in _parts(accounts, terms, processes):
        tally.add(part)
        if done is not None:
            done(terms.end, tally.accounts / len(accounts))
    return Decided(tally, perf_counter() - began, processes)


def _parts(accounts: Sequence[ReplayAccount], terms: ReplayTerms, processes: int) -> Iterator[Tally]:
    chunks = _chunked(accounts)
    if processes == 1:
        decider = Decider(terms, load_content(CONTENT))
        for chunk in chunks:
            yield _decided(decider, chunk)
        return
    # Spawned, so that no thread or lock of this process is copied half-way through its work.
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_start, initargs=(terms.jurisdiction, terms.seed)
    ) as pool:
        yield from pool.map(_work, chunks)


def _chunked(accounts: Iterable[ReplayAccount]) -> Iterator[list[ReplayAccount]]:
    following = iter(accounts)
    while chunk := list(islice(following, CHUNK)):
        yield chunk


def _decided(decider: Decider, chunk: Iterable[ReplayAccount]) -> Tally:
    tally = Tally()
    for account in chunk:
        decider.account(account, tally)
    return tally


_decider: Decider | None = None


def _start(jurisdiction: str, seed: int) -> None:
    global _decider  # noqa: PLW0603  (a worker has one)
    _decider = Decider(ReplayTerms(jurisdiction, seed=seed), load_content(CONTENT))


def _work(chunk: list[ReplayAccount]) -> Tally:
    assert _decider is not None
    return _decided(_decider, chunk)


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Replay:
    """What to replay. `accounts`: how many of them go through the whole pipeline as well."""

    file: Path
    accounts: int = 0
    jurisdiction: str = US_NY
    seed: int = 1
    evidence: Path | None = None

    @property
    def terms(self) -> ReplayTerms:
        return ReplayTerms(self.jurisdiction, seed=self.seed)


def run_decisions(replay: Replay, progress: Progress | None = None) -> tuple[list[ReplayAccount], Decided]:
    """Read all accounts of the file and decide them.

    Raises:
        ReplayDataError, OSError, UnicodeDecodeError, csv.Error: the file cannot be read.
        NothingToReplay: it holds none, or more are wanted in the pipeline than there are invented numbers.
        ContentError: the content cannot be read.
    """
    most = phone_count(replay.jurisdiction)
    if replay.accounts > most:
        raise NothingToReplay(
            f"{replay.jurisdiction} has {most:,} invented numbers: at most as many accounts go through the pipeline"
        )
    accounts = list(read_accounts(replay.file))
    return accounts, decide_all(accounts, replay.terms, progress)


def run_pipeline(replay: Replay, accounts: Sequence[ReplayAccount], progress: Progress | None = None) -> Judged:
    """The first accounts through everything: no faults, and nobody answers.

    Raises:
        OSError: the evidence cannot be written.
        ContentError: the content cannot be read.
    """
    chosen = accounts[: replay.accounts]
    core = ReplayCore(chosen, terms=replay.terms)
    plan = Plan(
        core=core,
        start=core.start,
        end=core.end,
        seed=replay.seed,
        faults=Faults.none(),
        on_delivered=lambda _delivered: (),
        unreachable={},
        interests=[
            Interest(account.borrower_id, f"Account {account.account_id}") for account in chosen[:MOST_CONVERSATIONS]
        ],
        evidence=replay.evidence,
    )
    return run_and_judge(plan, progress)


def replay_summary(replay: Replay, decided: Decided, judged: Judged | None) -> Summary:
    """The figures of the decisions and, where some accounts went through the pipeline, all those of a run."""
    figures = decided_figures(decided)
    head = {
        "accounts": decided.tally.accounts,
        "pipeline_accounts": judged.audit.checked["borrowers"] if judged is not None else 0,
        "jurisdiction": replay.jurisdiction,
        "days": (replay.terms.end - replay.terms.start).days,
        "seed": replay.seed,
        "decisions": decided.tally.decisions,
        "decided": figures,
    }
    if judged is not None:
        seconds = round(judged.summary["wall_seconds"] + decided.seconds, 2)
        return {**head, **judged.summary, "wall_seconds": seconds, "decisions_per_second": decided.per_second}
    return {
        **head,
        "messages": figures["messages"],
        "escalations": figures["escalations"],
        "duplicates": decided.tally.occasions_twice,
        "wall_seconds": round(decided.seconds, 2),
        "decisions_per_second": decided.per_second,
    }


def decided_figures(decided: Decided) -> Summary:
    """What was decided about all accounts."""
    tally = decided.tally
    requested = sum(tally.messages.values())
    return {
        "messages": {
            "total": requested + sum(tally.skips.values()),
            "requested": requested,
            "by_state": {"REQUESTED": requested, "SUPPRESSED": sum(tally.skips.values())},
            "by_stage": ordered(tally.messages),
            "by_reason": ordered(tally.reasons),
            "by_channel": ordered(tally.channels),
        },
        "waits": {"by_reason": ordered(tally.waits)},
        "skips": {"by_reason": ordered(tally.skips)},
        "escalations": {
            "started": tally.cases_opened,
            **{str(outcome): tally.cases[outcome] for outcome in CaseOutcome},
            "open": tally.cases_open,
        },
    }
