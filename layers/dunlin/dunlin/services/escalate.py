"""The two steps of an escalation: assess the case, park until something happens.

The state machine holds no fact: its input is ids, every round reads the borrower anew. The token that `park` stores is
a doorbell; the fact is the borrower's version.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime

from dunlin.domain.actions import Wait
from dunlin.domain.apply import Applied, apply, ended, woken
from dunlin.domain.borrower import Borrower, Case
from dunlin.domain.decide import decide, over_without_rules
from dunlin.domain.words import CaseOutcome, CaseStatus, Reason
from dunlin.errors import Conflict, VersionConflict
from dunlin.services.evaluate import ATTEMPTS, EXECUTION_SILENT, NO_PACK_WAITS, put
from dunlin.services.policies import Policies
from dunlin.services.ports import Change, Clock, Escalations, Record, Store


@dataclass(frozen=True, slots=True)
class Assessed:
    """`next` is park or end; `version` is the borrower's version that was assessed."""

    next: str
    outcome: str
    version: int
    rounds: int


class Escalate:
    """The service behind `assess_case` and `park_case`."""

    def __init__(self, store: Store, policies: Policies, escalations: Escalations, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._escalations = escalations
        self._clock = clock

    def assess(self, borrower_id: str, episode: int, generation: int) -> Assessed:
        """One round: is the case over, is a tier due, when to look again.

        Raises:
            Conflict: other writers were first each time; the state machine tries again.
        """
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            now = self._clock()
            case = borrower.case if borrower is not None else None
            if borrower is None or case is None or case.episode != episode:
                return Assessed("end", CaseOutcome.CLOSED, 0, 0)
            if case.status is CaseStatus.ENDED:
                return Assessed("end", case.outcome or CaseOutcome.CLOSED, borrower.version, case.rounds)
            if case.generation != generation:
                return Assessed("end", CaseOutcome.CLOSED, borrower.version, case.rounds)
            applied, ring_at, counts = self._decided(borrower, case, now)
            assert applied.borrower.case is not None
            rounds = case.rounds + (1 if counts else 0)
            assessed = replace(applied.borrower.case, rounds=rounds, assessed_at=now, ring_at=ring_at, token=None)
            over = assessed.status is CaseStatus.ENDED
            # An ended case leaves the borrower to be looked at once more: reminders may be due again.
            after = woken(replace(applied.borrower, case=assessed), now if over else ring_at)
            change = Change(
                borrower=woken(after, now + EXECUTION_SILENT),
                quiet=not applied.changed,
                new_messages=applied.messages,
                records=(_archived(borrower_id, episode, asdict(assessed)),) if over else (),
            )
            try:
                put(self._store, change, now)
            except Conflict:
                continue
            return Assessed(
                "end" if over else "park",
                (assessed.outcome or CaseOutcome.CLOSED) if over else "",
                borrower.version + (1 if applied.changed else 0),
                rounds,
            )
        raise VersionConflict(borrower_id)

    def _decided(self, borrower: Borrower, case: Case, now: datetime) -> tuple[Applied, datetime | None, bool]:
        """What the case comes to now, when to look again, and whether this look counts as a round.

        A look that changes nothing is no round: a chatty feed must not hand the case to a person. Nor is one that only
        finds a stop in force, or that nobody reviewed the rules where the borrower lives now.
        """
        rules = self._policies.rules_for(borrower, now)
        if rules is None:
            end = over_without_rules(borrower, case, now)
            if end is None:
                return Applied(borrower, (), changed=False), now + NO_PACK_WAITS, False
            return Applied(ended(borrower, end, now), (), changed=True), None, False
        decision = decide(borrower, rules.strategy, rules.policy, now)
        applied = apply(borrower, decision.case_actions, rules.policy, now)
        frozen = all(isinstance(a, Wait) and a.reason is Reason.HOLD for a in decision.case_actions)
        return applied, decision.ring_at, applied.changed and not frozen

    def park(self, borrower_id: str, episode: int, generation: int, version: int, token: str) -> bool:
        """Leave the doorbell with the case, if it is still the one that was assessed; else ring it at once.

        Returns whether it was parked.
        """
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            case = borrower.case if borrower is not None else None
            if (
                borrower is None
                or case is None
                or case.status is not CaseStatus.OPEN
                or (case.episode, case.generation) != (episode, generation)
                or borrower.version != version
            ):
                break
            parked = replace(case, token=token, parked_version=version)
            after = woken(replace(borrower, case=parked), case.ring_at)
            try:
                self._store.commit(Change(borrower=after, quiet=True))
            except Conflict:
                continue
            return True
        self._escalations.ring(token)
        return False


def _archived(borrower_id: str, episode: int, document: dict[str, object]) -> Record:
    return Record(borrower_id, f"CASE#{episode:04d}", document)
