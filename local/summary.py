"""What a run came to, in figures: read from what is left when it is over."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from dunlin.content import Content
from dunlin.domain.borrower import Borrower
from dunlin.domain.decide import decide
from dunlin.domain.hours import local_date
from dunlin.domain.ledger import verify
from dunlin.domain.message import Message, split_ref
from dunlin.domain.occasion import notice_of
from dunlin.domain.policy import Conditions, Policy, Strategy
from dunlin.domain.words import CaseOutcome, CaseStatus
from dunlin.services.policies import strategy_of
from pydantic import TypeAdapter

from local.auditor import AuditReport
from local.simulator.record import HandOverReceived
from local.simulator.simulator import EMAIL, PUSH, SNS, WECHAT
from local.simulator.texts import encoding_and_parts
from local.world import CONTENT, SentText, World

#: A message that nobody attended to for this long after its moment is stuck.
STUCK_AFTER = timedelta(minutes=15)
#: How long the decisions are timed.
TIMED_SECONDS = 0.5

#: Keys that are measured in real time: everything else is the same for the same seed.
MEASURED = ("wall_seconds", "decisions_per_second")

#: Answers of the providers' record in plain words; the others are plain already.
_FAULTS = {"ERROR": "server_error", "hold": "timed_out", "reset": "connection_reset", "OPTED_OUT": "opted_out_there"}

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Message)
_BORROWERS: TypeAdapter[Borrower] = TypeAdapter(Borrower)

Summary = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """What was left when a world came to its end: the tables, the providers' record, the counts."""

    start: datetime
    end: datetime
    borrowers: tuple[Borrower, ...]
    cases: tuple[Mapping[str, Any], ...]
    messages: tuple[Message, ...]
    hand_overs: tuple[HandOverReceived, ...]
    texts: tuple[SentText, ...]
    facts: Sequence[Mapping[str, Any]]
    calls: Mapping[str, int]
    invocations: Mapping[str, int]
    errors: Mapping[str, int]
    refused_inputs: int
    dead_letters: int
    interpreter_failures: int
    executions: Mapping[str, str]
    injected: Mapping[str, int] = field(default_factory=dict)
    #: The letters that were asked for, by their ids.
    letters: frozenset[str] = frozenset()


def borrowers_of(world: World) -> tuple[Borrower, ...]:
    """Everybody's hot item, by id."""
    found = (_BORROWERS.validate_python(item) for item in world.documents("BorrowersTable", "HOT"))
    return tuple(sorted(found, key=lambda borrower: borrower.borrower_id))


def collect(world: World, facts: Sequence[Mapping[str, Any]]) -> Run:
    """Read a world that has run, before it is closed. `facts`: the core's history."""
    aws = world.aws
    return Run(
        start=world.start,
        end=world.end,
        borrowers=borrowers_of(world),
        cases=tuple(
            sorted(
                world.documents("BorrowersTable", "CASE#"),
                key=lambda case: (str(case["borrower_id"]), int(case["episode"])),
            )
        ),
        messages=tuple(
            sorted(
                (_MESSAGES.validate_python(item) for item in world.documents("MessagesTable")),
                key=lambda message: (message.requested_at, message.borrower_id, message.key),
            )
        ),
        hand_overs=tuple(sorted(world.simulator.record.hand_overs, key=lambda given: (given.at, given.ref))),
        texts=tuple(world.texts),
        facts=facts,
        calls=dict(aws.counters.calls),
        invocations=dict(aws.counters.invocations),
        errors=dict(aws.counters.errors),
        refused_inputs=len(aws.queue_bodies("RefusedInputQueue")),
        dead_letters=sum(aws.counters.dead_letters.values()),
        interpreter_failures=len(aws.interpreter_failures),
        executions=aws.executions("EscalationStateMachine"),
        injected=dict(world.simulator.injected),
        letters=frozenset(str(letter["letter_id"]) for letter in world.documents("BorrowersTable", "LETTER#")),
    )


def summarise(run: Run, audit: AuditReport) -> Summary:
    """The figures of a run and of its audit, keys in a fixed order, JSON data only."""
    accepted = [given for given in run.hand_overs if given.accepted]
    messages = run.messages
    return {
        "messages": {
            "total": len(messages),
            "requested": sum(message.moves[0].state == "REQUESTED" for message in messages if message.moves),
            "by_state": counted(str(message.state) for message in messages),
            "by_stage": counted(message.said for message in messages),
            "by_reason": counted(str(message.reason) for message in messages),
            "by_channel": counted(str(message.channel) for message in messages),
        },
        "hand_overs": {
            "total": len(run.hand_overs),
            "accepted": len(accepted),
            "by_provider": counted(given.provider for given in run.hand_overs),
            "by_answer": counted(given.answer for given in run.hand_overs),
        },
        "provider_faults": provider_faults(run.hand_overs),
        "provider_faults_injected": {name: count for name, count in ordered(run.injected).items() if count},
        "sms_parts": sum(
            encoding_and_parts(given.body)[1] for given in accepted if given.provider not in (EMAIL, PUSH, WECHAT)
        ),
        "duplicates": _twice(accepted) or audit.counters["duplicates"],
        "violations": dict(audit.counters),
        "stuck": sum(is_stuck(message, run.end) for message in messages),
        "notices": notices(run),
        "letters": letters(run),
        "escalations": escalations(run),
        "opt_outs": dict(audit.opt_outs),
        "aws_calls": {"total": sum(run.calls.values()), "by_operation": ordered(run.calls)},
        "invocations": ordered(run.invocations),
        "handler_errors": ordered(run.errors),
        "checked": dict(audit.checked),
        "observations": dict(audit.observations),
        "per_day": per_day(accepted, zones_of(run)),
        "by_local_hour": by_local_hour(accepted, zones_of(run)),
        "ledger": ledger(run),
        "refused_inputs": run.refused_inputs,
        "dead_letters": run.dead_letters,
        "interpreter_failures": run.interpreter_failures,
        "executions": counted(run.executions.values()),
    }


def broken(summary: Mapping[str, Any]) -> list[str]:
    """What a run must not have, in words; empty for a run that kept every promise."""
    found = [f"{kind}: {count} violations" for kind, count in summary["violations"].items() if count]
    for key in ("duplicates", "stuck", "dead_letters", "interpreter_failures"):
        if summary[key]:
            found.append(f"{key.replace('_', ' ')}: {summary[key]}")
    for key in ("notices", "letters"):
        if summary[key]["silent"]:
            found.append(f"{key} asked for and forgotten: {summary[key]['silent']}")
    if summary["ledger"]["broken"]:
        found.append(f"ledger: {summary['ledger']['broken']} broken chains")
    return found


# ── The parts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def counted(values: Iterable[str]) -> dict[str, int]:
    """How often each value comes, most frequent first."""
    return ordered(Counter(values))


def ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def is_stuck(message: Message, end: datetime) -> bool:
    """Whether its moment passed without anybody looking at it."""
    return not message.is_terminal and (message.attend_at is None or message.attend_at < end - STUCK_AFTER)


def escalations(run: Run) -> dict[str, int]:
    """How the episodes ended. `started` counts them on their own, so that a lost one is seen."""
    outcomes = Counter(str(case["outcome"]) for case in run.cases)
    still_open = sum(
        borrower.case is not None and borrower.case.status is CaseStatus.OPEN for borrower in run.borrowers
    )
    return {
        "started": sum(borrower.episodes for borrower in run.borrowers),
        **{str(outcome): outcomes[outcome] for outcome in CaseOutcome},
        "open": still_open,
    }


def notices(run: Run) -> dict[str, int]:
    """What the core asked to be said, by what came of it; `silent` is what nobody will ever hear of."""
    messages: dict[tuple[str, str], list[Message]] = {}
    for message in run.messages:
        if message.notice_id:
            messages.setdefault((message.borrower_id, message.notice_id), []).append(message)
    waiting = {(borrower.borrower_id, notice_id) for borrower in run.borrowers for notice_id in _waiting(borrower, run)}
    asked = _asked(run)
    counts = Counter(_end_of(messages.get(key, ()), key in waiting or not old) for key, (_, old) in asked.items())
    return {"asked": len(asked), **{name: counts[name] for name in ("told", "not_told", "under_way", "silent")}}


def letters(run: Run) -> dict[str, int]:
    """Of the notices that a letter goes with: whether it was asked for. Others stand in for a notice."""
    waiting = {letter.letter_id for borrower in run.borrowers for letter in borrower.letters}
    due = {event_id: old for (_, event_id), (message, old) in _asked(run).items() if message in _with_letter()}
    silent = [event_id for event_id, old in due.items() if old and event_id not in run.letters | waiting]
    return {"due": len(due), "asked": len(run.letters), "silent": len(silent)}


def _asked(run: Run) -> dict[tuple[str, str], tuple[str, bool]]:
    """Each notice that was fed: its message, and whether that was long enough ago for something to have come of it."""
    asked: dict[tuple[str, str], tuple[str, bool]] = {}
    for fact in run.facts:
        event = fact["event"]
        if event["type"] == "notice.requested":
            old = datetime.fromisoformat(str(fact["fed_at"])) < run.end - STUCK_AFTER
            key = str(event["borrower_id"]), str(event["event_id"])
            asked[key] = event["notice"]["message"], old or asked.get(key, ("", False))[1]
    return asked


def _waiting(borrower: Borrower, run: Run) -> Iterable[str]:
    """The notices that somebody will look at again."""
    if borrower.wake_at is None or borrower.wake_at < run.end - STUCK_AFTER:
        return ()
    return [notice_of(mark.stage) for mark in borrower.marks if mark.status == "waiting" and notice_of(mark.stage)]


def _end_of(messages: Sequence[Message], is_waiting: bool) -> str:
    if any(message.reserved_at is not None for message in messages):
        return "told"
    if is_waiting or any(not message.is_terminal for message in messages):
        return "under_way"
    return "not_told" if messages else "silent"


@lru_cache(maxsize=1)
def _with_letter() -> frozenset[str]:
    """The messages that a letter goes with, as the files declare them."""
    rows = [yaml.safe_load(path.read_text(encoding="utf-8"))["messages"] for path in (CONTENT / "messages").glob("*")]
    return frozenset(name for messages in rows for name, row in messages.items() if row.get("letter"))


def zones_of(run: Run) -> dict[str, ZoneInfo]:
    return {borrower.borrower_id: ZoneInfo(borrower.zone) for borrower in run.borrowers}


def local_time(given: HandOverReceived, zones: Mapping[str, ZoneInfo]) -> datetime:
    """When it was handed over, on the borrower's clock; UTC for a hand-over that names no borrower."""
    try:
        zone: ZoneInfo | None = zones.get(split_ref(given.ref)[0])
    except ValueError:
        zone = None
    return datetime.fromisoformat(given.at).astimezone(zone or UTC)


def stage_of(ref: str) -> str:
    """What a message says, by its reference: `b-1/2026-03-10#tier_1#1#sms#0`, `b-1/reply#help#sms#…`; of a notice
    (`b-1/2026-03-10#payment_received~e-7#0#sms#0`) the message's name."""
    parts = ref.partition("/")[2].split("#")
    return parts[1].partition("~")[0] if len(parts) > 1 else "unknown"


def per_day(accepted: Iterable[HandOverReceived], zones: Mapping[str, ZoneInfo]) -> list[dict[str, Any]]:
    """Accepted hand-overs by the borrower's local day, days without any left out."""
    days: dict[str, Counter[str]] = {}
    for given in accepted:
        on = local_time(given, zones).date().isoformat()
        days.setdefault(on, Counter())[stage_of(given.ref)] += 1
    return [{"on": on, "stages": dict(sorted(days[on].items()))} for on in sorted(days)]


def by_local_hour(accepted: Iterable[HandOverReceived], zones: Mapping[str, ZoneInfo]) -> dict[str, int]:
    hours = Counter(local_time(given, zones).hour for given in accepted)
    return {str(hour): hours[hour] for hour in sorted(hours)}


def ledger(run: Run) -> dict[str, int]:
    """The contact ledger's entries, and the borrowers whose chain does not hold."""
    entries: dict[str, list[Message]] = {}
    for message in run.messages:
        if message.entry_hash:
            entries.setdefault(message.borrower_id, []).append(message)
    failed = sum(
        verify(entries.get(borrower.borrower_id, ()), borrower.chain_head) is not None for borrower in run.borrowers
    )
    strangers = set(entries) - {borrower.borrower_id for borrower in run.borrowers}
    return {"entries": sum(map(len, entries.values())), "broken": failed + len(strangers)}


def provider_faults(hand_overs: Iterable[HandOverReceived]) -> dict[str, int]:
    """What went wrong at the providers, as they know it: answers that were none, and reports that never came."""
    faults = Counter(_FAULTS.get(given.answer, given.answer.lower()) for given in hand_overs if given.answer != "OK")
    unreported = sum(
        given.accepted and not given.final_report and given.provider not in (SNS, PUSH) for given in hand_overs
    )
    return ordered({**faults, **({"lost_reports": unreported} if unreported else {})})


def _twice(accepted: Sequence[HandOverReceived]) -> int:
    """Messages that a provider accepted more than once."""
    return sum(count - 1 for count in Counter(given.ref for given in accepted).values() if count > 1)


# ── Decisions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def timed_decisions(
    borrowers: Sequence[Borrower], content: Content, now: datetime, seconds: float = TIMED_SECONDS
) -> float:
    """Decisions a second over these borrowers, on one core; 0 when nobody has rules."""
    prepared: list[tuple[Borrower, Strategy, Policy]] = []
    conditions = Conditions(feed_complete_to=now)
    for borrower in borrowers:
        strategy = strategy_of(content, borrower)
        policy = content.policy(borrower.jurisdiction, local_date(now, borrower.zone), conditions)
        if strategy is not None and policy is not None:
            prepared.append((borrower, strategy, policy))
    if not prepared:
        return 0.0
    made = 0
    began = time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        for borrower, strategy, policy in prepared:
            decide(borrower, strategy, policy, now)
        made += len(prepared)
    return round(made / took, 1)


def dumped(summary: Mapping[str, Any]) -> str:
    """The summary as JSON text."""
    return json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
