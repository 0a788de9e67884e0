"""Everything that does not move, and what to do about it. Reads only; ids only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dunlin.domain.borrower import Case
from dunlin.domain.message import Message
from dunlin.domain.policy import Lender
from dunlin.domain.shards import ATTENTION_SHARDS, WAKE_SHARDS
from dunlin.domain.words import CaseStatus, MessageState
from dunlin.services.line_health import COMING_BACK
from dunlin.services.line_plan import day_of
from dunlin.services.pace import STANDS
from dunlin.services.ports import EARS, Clock, Controls, Escalations, Store
from dunlin.services.redrive import DeadLetters, LetterKind

#: The sweep and the evaluation put off what fails by a quarter of an hour, so less than that is their own rhythm.
OLDER_THAN = timedelta(minutes=15)
#: Of each shard, most overdue first.
MOST_READ = 500
_MOST_IDS = 5
_LETTERS_LOOKED_AT = 50
_FAR = timedelta(days=3660)
#: Seconds of work: what is in one of these for longer was left behind, whenever the sweep means to look again.
_BRIEF = frozenset({MessageState.DUE, MessageState.RENDERED, MessageState.RESERVED})


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not move: what, how many, since when, which (at most a few), and what to do about it.

    `deliberate`: somebody wants it so; it is told, and nothing is wrong.
    """

    kind: str
    what: str
    count: int
    since: datetime | None
    ids: tuple[str, ...]
    advice: str
    deliberate: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """One look. `partial` names what there was more of than was read."""

    at: datetime
    findings: tuple[Finding, ...]
    partial: tuple[str, ...]

    @property
    def is_stuck(self) -> bool:
        return any(not finding.deliberate for finding in self.findings)


class Stuck:
    """The service behind `dunlin stuck`."""

    def __init__(
        self,
        store: Store,
        controls: Controls,
        escalations: Escalations,
        letters: DeadLetters,
        lender: Lender,
        clock: Clock,
    ) -> None:
        self._store = store
        self._controls = controls
        self._escalations = escalations
        self._letters = letters
        self._lender = lender
        self._clock = clock

    def look(self, older_than: timedelta = OLDER_THAN, most: int = MOST_READ) -> Looked:
        """Look at everything once.

        Raises:
            TransientError: storage, a queue or the state machine cannot be reached.
        """
        now = self._clock()
        partial: list[str] = []
        findings = [
            *self._messages(now, older_than, most, partial),
            *self._borrowers(now, older_than, most, partial),
            *self._ears(now, older_than),
            *self._feed(now, older_than),
            *self._lines(now),
            *self._ceilings(now),
            *self._dead_letters(),
            *self._pauses(now),
        ]
        return Looked(now, tuple(findings), tuple(partial))

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _messages(self, now: datetime, older_than: timedelta, most: int, partial: list[str]) -> Iterator[Finding]:
        groups: dict[tuple[str, str], list[tuple[datetime, str]]] = defaultdict(list)
        for shard in ATTENTION_SHARDS:
            standing = self._store.standing(shard, now + _FAR, most)
            if len(standing) == most:
                partial.append(f"messages of shard {shard}")
            for borrower_id, key in standing:
                message = self._store.message(borrower_id, key)
                since = _left_behind(message, now, older_than) if message is not None else None
                if message is not None and since is not None:
                    groups[message.state, message.reason].append((since, message.ref))
        for (state, reason), members in sorted(groups.items()):
            members.sort()
            ids = tuple(ref for _, ref in members[:_MOST_IDS])
            what = f"{state} ({reason})"
            yield Finding("message", what, len(members), members[0][0], ids, _ADVICE_BY_STATE[MessageState(state)])

    # ── borrowers and their cases ────────────────────────────────────────────────────────────────────────────────────

    def _borrowers(self, now: datetime, older_than: timedelta, most: int, partial: list[str]) -> Iterator[Finding]:
        asleep: list[tuple[datetime, str]] = []
        cases: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for shard in WAKE_SHARDS:
            # An open case always has a wake, so whoever has a case is among these.
            borrowers = self._store.awake(shard, now + _FAR, most)
            if len(borrowers) == most:
                partial.append(f"borrowers of shard {shard}")
            for borrower_id in borrowers:
                borrower = self._store.borrower(borrower_id)
                if borrower is None:
                    continue
                if borrower.wake_at is not None and now - borrower.wake_at > older_than:
                    asleep.append((borrower.wake_at, borrower_id))
                if borrower.case is not None and borrower.case.status is CaseStatus.OPEN:
                    found = self._case(borrower_id, borrower.case, now, older_than)
                    if found is not None:
                        cases[found[0]].append((found[1], f"{borrower_id}#{borrower.case.episode}"))
        if asleep:
            yield _of_many("borrower", "not evaluated", asleep, "see the errors of dispatch_wakes and evaluate_stages")
        for what, members in sorted(cases.items()):
            yield _of_many("case", what, members, _ADVICE_BY_CASE[what])

    def _case(self, borrower_id: str, case: Case, now: datetime, older_than: timedelta) -> tuple[str, datetime] | None:
        if not case.execution_started:
            return ("not started", case.opened_at) if now - case.opened_at > older_than else None
        if case.token is not None and case.ring_at is not None and now - case.ring_at > older_than:
            return "not rung", case.ring_at
        since = case.assessed_at or case.opened_at
        if now - since > older_than and not self._escalations.is_running(borrower_id, case.episode, case.generation):
            return "not running", since
        return None

    # ── controls ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _ears(self, now: datetime, older_than: timedelta) -> Iterator[Finding]:
        for ear in EARS:
            hearing = self._controls.hearing(ear)
            if hearing.sent_at is None:
                yield Finding("ear", f"{ear}: never proved", 1, None, (ear,), "is the sweep's schedule enabled?")
            elif now - hearing.sent_at > older_than:
                heard = hearing.heard_at is not None and hearing.heard_at >= hearing.sent_at
                what = f"{ear}: no probe since" if heard else f"{ear}: probe not heard"
                advice = f"see the errors of sweep_messages and receive_{'report' if ear == 'reports' else ear}"
                yield Finding("ear", what, 1, hearing.sent_at, (ear,), f"{advice}; until then nobody is dunned")

    def _feed(self, now: datetime, older_than: timedelta) -> Iterator[Finding]:
        feed = self._controls.feed()
        if feed.gap_since is not None:
            advice = "redrive the core events; until they are applied each borrower's own figures decide"
            yield Finding("feed", "facts are missing", 1, feed.gap_since, ("core",), advice)
        heartbeat = timedelta(minutes=self._lender.core_heartbeat_max_minutes)
        if feed.announced_to is not None and now - feed.announced_to > heartbeat:
            advice = "ask the core: it owes a checkpoint"
            yield Finding("feed", "no checkpoint since", 1, feed.announced_to, ("core",), advice)
        unproven = [claim.heard_at for claim in feed.claims if now - claim.heard_at > older_than]
        if unproven and feed.gap_since is None:
            advice = "facts are still being retried: see the errors of ingest_events"
            yield Finding("feed", "checkpoints do not count yet", len(unproven), min(unproven), ("core",), advice)

    def _lines(self, now: datetime) -> Iterator[Finding]:
        for line in self._lender.lines:
            state = self._controls.line(line.line_id)
            if state.stopped_until is not None and state.stopped_until > now:
                what = f"stopped until {state.stopped_until:%Y-%m-%d %H:%M}Z ({state.stop_reason or 'unknown'})"
                advice = f"it resumes by itself, carefully; mended at the provider: dunlin resume line {line.line_id}"
                yield Finding("line", what, 1, None, (line.line_id,), advice)
            elif state.step:
                what = f"comes back after {state.stop_reason or 'a stop'}: {COMING_BACK[state.step]}"
                yield Finding(
                    "line", what, 1, None, (line.line_id,), "a window that goes well is a step", deliberate=True
                )
            _, parts = day_of(state, line, now)
            if line.parts_per_day is not None and parts:
                what = f"{parts} of {line.parts_per_day} parts of the provider's day"
                full = parts >= line.parts_per_day
                advice = f"the rest waits for the next day in {line.day_zone}" if full else "nothing to do"
                yield Finding("line", what, 1, None, (line.line_id,), advice, deliberate=True)

    def _ceilings(self, now: datetime) -> Iterator[Finding]:
        counts = self._controls.released(now.astimezone(UTC).date()).counts
        for template, count in sorted(counts.items()):
            if count >= self._lender.ceiling_of(template):
                advice = "opens at midnight UTC; look for a loop before raising it in the lender's profile"
                yield Finding("ceiling", "reached", count, None, (template,), advice)

    def _pauses(self, now: datetime) -> Iterator[Finding]:
        for pause in self._controls.pauses().pauses:
            if pause.until is None or pause.until > now:
                end = f"until {pause.until:%Y-%m-%d %H:%M}Z" if pause.until is not None else "until lifted"
                what = f"{pause.scope} {pause.name} {end}, by {pause.by}: {pause.why}".replace("  ", " ")
                advice = f"dunlin resume {pause.scope} {pause.name}".rstrip()
                yield Finding("pause", what, 1, pause.since, (pause.name or str(pause.scope),), advice, deliberate=True)

    # ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _dead_letters(self) -> Iterator[Finding]:
        for pile in self._letters.piles():
            held = self._letters.hold(pile.queue, _LETTERS_LOOKED_AT) if pile.count else ()
            self._letters.let_go(held)
            if not (held or pile.count):
                continue
            oldest = min((letter.sent_at for letter in held), default=None)
            ids = tuple(letter.letter_id for letter in held[:_MOST_IDS])
            advice = (
                "correct it at the source, then delete the letter"
                if pile.kind is LetterKind.REFUSED
                else f"dunlin redrive --queue {pile.queue}"
            )
            count = max(pile.count, len(held))
            yield Finding("dead letters", f"{pile.queue} ({pile.kind})", count, oldest, ids, advice)


def _left_behind(message: Message, now: datetime, older_than: timedelta) -> datetime | None:
    """Since when a message stands; None when it is where it should be."""
    if message.is_terminal:
        return None
    moved_at = message.moves[-1].at if message.moves else message.requested_at
    if message.state in _BRIEF and now - moved_at > STANDS + older_than:
        return moved_at
    if message.attend_at is not None and now - message.attend_at > older_than:
        return message.attend_at
    return None


def _of_many(kind: str, what: str, members: Sequence[tuple[datetime, str]], advice: str) -> Finding:
    ordered = sorted(members)
    ids = tuple(each for _, each in ordered[:_MOST_IDS])
    return Finding(kind, what, len(ordered), ordered[0][0], ids, advice)


_ADVICE_BY_STATE = {
    MessageState.REQUESTED: "see the errors of pace_lines and sweep_messages",
    MessageState.DUE: "see the errors of render_message and sweep_messages",
    MessageState.RENDERED: "see the errors of send_message and sweep_messages",
    MessageState.RESERVED: "see the errors of send_message and sweep_messages; it is never sent again",
    MessageState.SENT: "see the errors of sweep_messages: it closes what no report came for",
    MessageState.UNSETTLED: "see the errors of sweep_messages: it closes what no report came for",
}
_ADVICE_BY_CASE = {
    "not rung": "see the errors of evaluate_stages: it rings",
    "not running": "evaluate_stages starts the next generation within an hour; see why the execution ended",
    "not started": "see the errors of evaluate_stages: it starts executions",
}
