"""Evaluate the borrowers whose time has come: request what is due, record what is not, keep escalations alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dunlin.domain.aftercare import made_known, to_tell, with_care
from dunlin.domain.apply import apply, given_up, marked
from dunlin.domain.borrower import Borrower, Case
from dunlin.domain.decide import decide
from dunlin.domain.message import Message
from dunlin.domain.planned import told as plans_told
from dunlin.domain.planned import untold
from dunlin.domain.tasks import CHOSEN, announced, next_clock, to_announce
from dunlin.domain.words import CaseStatus, MessageState, Reason
from dunlin.errors import AlreadyRecorded, Conflict
from dunlin.services.plans import news, requested
from dunlin.services.policies import Policies
from dunlin.services.ports import Announcements, Change, Clock, Escalations, Record, Store
from dunlin.services.retention import Retain

#: Conflicts are rare and short: after this many the next wake finds a calmer moment.
ATTEMPTS = 4
#: An execution that neither parked nor ended for this long is looked for.
EXECUTION_SILENT = timedelta(hours=1)
#: A borrower whose evaluation fails is left alone for a while, so that the others are reached.
FAILED_WAITS = timedelta(minutes=15)
#: No reviewed pack: look again when content may have changed.
NO_PACK_WAITS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of one wake of a shard. `called`: how often a person was called for."""

    evaluated: int
    failed: tuple[str, ...]
    called: int = 0


class Evaluate:
    """The service behind `evaluate_stages`. Without `retain` (in planning) nothing is ever forgotten."""

    def __init__(
        self,
        store: Store,
        policies: Policies,
        escalations: Escalations,
        announcements: Announcements,
        clock: Clock,
        retain: Retain | None = None,
    ) -> None:
        self._store = store
        self._announcements = announcements
        self._policies = policies
        self._escalations = escalations
        self._clock = clock
        self._retain = retain
        self._called = 0

    def shard(self, shard: str, limit: int, on_failure: Callable[[str, Exception], None]) -> Evaluated:
        """Evaluate everyone on `shard` whose wake has come, at most `limit`.

        One borrower's failure never blocks another: it is told to `on_failure`, put off, and returned.
        """
        failed: list[str] = []
        self._called = 0
        if self._retain is not None:
            self._retain.begin()
        borrowers = self._store.awake(shard, self._clock(), limit)
        for borrower_id in borrowers:
            try:
                self.borrower(borrower_id)
            except Conflict:
                continue  # somebody else is writing; the wake stands, and so does the next minute
            except Exception as error:  # the batch's edge: whatever it was, the others go on
                failed.append(borrower_id)
                on_failure(borrower_id, error)
                self._put_off(borrower_id)
        return Evaluated(len(borrowers), tuple(failed), self._called)

    def _put_off(self, borrower_id: str) -> None:
        try:
            borrower = self._store.borrower(borrower_id)
            if borrower is not None:
                later = replace(borrower, wake_at=self._clock() + FAILED_WAITS)
                self._store.commit(Change(borrower=later, quiet=True))
        except Exception:  # even what cannot be read or written must not keep the others waiting
            return

    def borrower(self, borrower_id: str) -> None:
        """Evaluate one borrower: nothing, if its wake has not come (an index can be behind)."""
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            now = self._clock()
            if borrower is None or borrower.wake_at is None or borrower.wake_at > now:
                return
            try:
                if self._once(borrower, now):
                    return
            except Conflict:
                continue
        raise Conflict(borrower_id)

    def _once(self, borrower: Borrower, now: datetime) -> bool:
        """One pass; False when it has to be looked at again at once (a case was just opened)."""
        if borrower.letters:
            self._ask_for_letters(borrower, now)
            return False
        if to_announce(borrower, now):
            self._call_for_people(borrower, now)
            return False
        if borrower.unsaid:
            self._tell_of_unsaid(borrower)
            return False
        if to_tell(borrower):
            self._tell_of_feedback(borrower, now)
            return False
        if untold(borrower):
            self._tell_of_plans(borrower)
            return False
        look_again: list[datetime] = []
        clock = next_clock(borrower, now)
        if clock is not None:
            look_again.append(clock)
        before = borrower
        if self._retain is not None:
            kept = self._retain.tend(borrower, now)
            if kept is None:
                return True  # there is nothing, or soon nothing, left to say anything about
            before, borrower = kept, self._retain.noted(kept, now)
            look_again += self._retain.moments(borrower, now)
        rules = self._policies.rules_for(borrower, now)
        if rules is None:
            # Nothing may be said there; but a case is over when the money comes, wherever the borrower moved to.
            over = given_up(borrower, self._policies.content_version, now)
            tended, again_at = self._tended(over.borrower, now, moved=over.changed)
            look_at = min(again_at or now + NO_PACK_WAITS, clock or now + NO_PACK_WAITS, now + NO_PACK_WAITS)
            later = replace(tended, wake_at=max(look_at, now + timedelta(minutes=1)))
            put(self._store, Change(borrower=later, quiet=not over.changed, new_messages=over.messages), now)
            return True
        decision = decide(borrower, rules.strategy, rules.policy, now)
        cared, later_on = with_care(borrower, rules.strategy, rules.policy, now, decision.actions)
        look_again += later_on
        if cared is not borrower:
            borrower, decision = cared, decide(cared, rules.strategy, rules.policy, now)
        applied = apply(borrower, decision.actions, rules.policy, now)
        after, again_at = self._tended(applied.borrower, now, moved=applied.changed)
        opened = after.case is not None and after.case is not borrower.case and not after.case.execution_started
        moments = [moment for moment in (decision.wake_at, again_at, *look_again) if moment is not None]
        # A moment that is already over would wake us every minute for nothing new.
        wake_at = min((max(moment, now + timedelta(minutes=1)) for moment in moments), default=None)
        after = replace(after, wake_at=now if opened else wake_at)
        if after != before or applied.messages:
            put(self._store, Change(borrower=after, quiet=not applied.changed, new_messages=applied.messages), now)
        return not opened

    def _ask_for_letters(self, borrower: Borrower, now: datetime) -> None:
        """Ask whoever writes letters for those that are due. Asked again, should we not learn that it was done."""
        records = []
        for letter in borrower.letters:
            detail: dict[str, object] = {
                "letter_id": letter.letter_id,
                "borrower_id": borrower.borrower_id,
                "party_id": letter.party_id,
                "loan_ids": list(letter.loan_ids),
                "jurisdiction": borrower.jurisdiction,
                "letter": letter.kind,
                "message": letter.about,
                "notice_id": letter.notice_id,
                "asked_at": letter.asked_at.isoformat(),
            }
            self._announcements.announce("letter.requested", letter.letter_id, detail)
            records.append(Record(borrower.borrower_id, f"LETTER#{letter.letter_id}", detail | {"recorded_at": now}))
        done = Change(borrower=replace(borrower, letters=()), quiet=True, records=tuple(records))
        try:
            self._store.commit(done)
        except AlreadyRecorded:
            self._store.commit(replace(done, records=()))

    def _call_for_people(self, borrower: Borrower, now: datetime) -> None:
        """Tell whoever works at it of what a person has to do, and of what nobody did in time. Told again, should we
        not learn that it was told."""
        told = to_announce(borrower, now)
        for task, what in told:
            if what == CHOSEN and task.chosen is not None:
                chosen = requested(borrower, task, task.chosen)
                self._announcements.announce("plan.requested", f"{borrower.borrower_id}/{task.task_id}/{what}", chosen)
                continue
            detail: dict[str, object] = {
                "task_id": task.task_id,
                "borrower_id": borrower.borrower_id,
                "party_id": task.party_id,
                "jurisdiction": borrower.jurisdiction,
                "kind": str(task.kind),
                "because": what,
                "reference": task.reference,
                "opened_at": task.opened_at.isoformat(),
                "acknowledge_by": task.acknowledge_by.isoformat(),
                "answer_by": task.answer_by.isoformat(),
            }
            self._called += 1
            self._announcements.announce("person.needed", f"{borrower.borrower_id}/{task.task_id}/{what}", detail)
        self._store.commit(Change(borrower=announced(borrower, told), quiet=True))

    def _tell_of_unsaid(self, borrower: Borrower) -> None:
        """Tell whoever asked for an answer that it was not said, and why. Again, should we not learn that they know."""
        for each in borrower.unsaid:
            detail: dict[str, object] = {
                "answer_id": each.answer_id,
                "borrower_id": borrower.borrower_id,
                "author": each.author,
                "reason": each.reason,
                "rule": each.rule,
                "refused_at": each.at.isoformat(),
            }
            self._announcements.announce("answer.refused", f"{borrower.borrower_id}/{each.answer_id}/refused", detail)
        self._store.commit(Change(borrower=replace(borrower, unsaid=()), quiet=True))

    def _tell_of_feedback(self, borrower: Borrower, now: datetime) -> None:
        """Tell how it went, by whoever was asked: a mark and what it was about, and no words."""
        cares, records = to_tell(borrower), []
        for care in cares:
            detail: dict[str, object] = {
                "care_id": care.care_id,
                "borrower_id": borrower.borrower_id,
                "party_id": care.party_id,
                "rating": care.rating,
                "over": str(care.over),
                "about": care.about,
                "strategy": care.strategy_id,
                "arm": care.arm,
                "template": care.message,
                "message": f"{borrower.borrower_id}/{care.message_key}",
                "asked_at": care.asked_at.isoformat(),
                "answered_at": care.answered_at.isoformat() if care.answered_at is not None else "",
                "text_id": care.text_id,
            }
            self._announcements.announce("feedback.received", f"{borrower.borrower_id}/{care.care_id}/feedback", detail)
            records.append(Record(borrower.borrower_id, f"FEEDBACK#{care.care_id}", detail | {"recorded_at": now}))
        done = Change(borrower=made_known(borrower, cares), quiet=True, records=tuple(records))
        try:
            self._store.commit(done)
        except AlreadyRecorded:
            self._store.commit(replace(done, records=()))

    def _tell_of_plans(self, borrower: Borrower) -> None:
        """Tell the core of what was agreed and what came of it. Told again, should we not learn that it was told."""
        for plan, what in untold(borrower):
            kind, detail = news(borrower, plan, what)
            self._announcements.announce(kind, f"{borrower.borrower_id}/{plan.plan_id}/{what}", detail)
        self._store.commit(Change(borrower=plans_told(borrower), quiet=True))

    def _tended(self, borrower: Borrower, now: datetime, *, moved: bool) -> tuple[Borrower, datetime | None]:
        """Keep the borrower's execution alive: start it, ring it, or look for it; and when to look again."""
        case = borrower.case
        if case is None or case.status is not CaseStatus.OPEN:
            return borrower, None
        # A case that is parked was started, even if whoever started it could not write that down.
        if case.execution_started is False and case.token is None:
            if case.opened_at == now and moved:
                return borrower, now  # not written yet: it is started on the next pass
            self._escalations.start(borrower.borrower_id, case.episode, case.generation)
            return replace(borrower, case=replace(case, execution_started=True)), now + EXECUTION_SILENT
        if case.token is not None:
            if moved or borrower.version != case.parked_version or (case.ring_at is not None and case.ring_at <= now):
                # Ring first, clear after: a token that is rung twice is harmless, one that is lost is not.
                self._escalations.ring(case.token)
                rung = replace(case, token=None, parked_version=None, execution_started=True)
                return replace(borrower, case=rung), now + EXECUTION_SILENT
            return borrower, case.ring_at
        return self._looked_for(borrower, case, now)

    def _looked_for(self, borrower: Borrower, case: Case, now: datetime) -> tuple[Borrower, datetime]:
        silent_since = case.assessed_at or case.opened_at
        if now - silent_since < EXECUTION_SILENT:
            return borrower, silent_since + EXECUTION_SILENT
        if self._escalations.is_running(borrower.borrower_id, case.episode, case.generation):
            return borrower, now + EXECUTION_SILENT
        following = replace(case, generation=case.generation + 1)
        self._escalations.start(borrower.borrower_id, following.episode, following.generation)
        return replace(borrower, case=following), now + EXECUTION_SILENT


def put(store: Store, change: Change, now: datetime) -> None:
    """Write a change that puts messages; an occasion that was put before is adopted as it stands.

    That an occasion exists although the borrower does not know of it should not happen; if it does, the borrower
    learns of it instead of failing for ever.

    Raises:
        VersionConflict, TransientError.
    """
    try:
        store.commit(change)
    except AlreadyRecorded:
        if change.borrower is None:
            raise
        borrower = change.borrower
        fresh: list[Message] = []
        for message in change.new_messages:
            known = store.message(message.borrower_id, message.key)
            if known is None:
                fresh.append(message)
            else:
                borrower = marked(borrower, known, now, status=_status_of(known), reason=known.reason)
        if len(fresh) == len(change.new_messages):
            raise
        store.commit(replace(change, borrower=borrower, new_messages=tuple(fresh)))


def _status_of(message: Message) -> str:
    if message.is_stoppable:
        return "requested"
    if message.is_in_flight or message.state in (MessageState.DELIVERED, MessageState.UNKNOWN):
        return "told"
    if message.reason is Reason.SHADOW:
        return "told"
    return "unsent"
