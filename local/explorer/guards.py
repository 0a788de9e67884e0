"""The design's guards, each of which can be taken away: without any one of them the explorer finds a broken law.

A guard is taken away by a class that stands in the place of the real store or service and differs from it in that one
thing. Nothing else is touched, so what is found is what the guard keeps from happening.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from dunlin.domain.borrower import Borrower
from dunlin.domain.message import Message
from dunlin.domain.words import MessageState
from dunlin.errors import Conflict
from dunlin.services.escalate import Escalate
from dunlin.services.evaluate import Evaluate
from dunlin.services.inbound import ReceiveInbound
from dunlin.services.ingest import Ingest
from dunlin.services.opt_outs import OptOuts
from dunlin.services.pace import Pace
from dunlin.services.ports import Change, DeliveryReport, NotAccepted, Unsettled
from dunlin.services.render import Compose
from dunlin.services.reports import ReceiveReport
from dunlin.services.send import Send
from dunlin.services.settle import Settle
from dunlin.services.sweep import Sweep
from dunlin.testing import MemoryControls, MemoryStore

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Guard:
    """`protects` says what for, `world` names the scenario that shows it."""

    name: str
    protects: str
    world: str
    classes: Mapping[str, type[Any]]


class _Through:
    """A port with some of its methods put otherwise."""

    def __init__(self, port: Any, **methods: Any) -> None:
        self._port = port
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._port, name)


# ── conditions of the store's transaction ────────────────────────────────────────────────────────────────────────────


def _reserves(change: Change) -> bool:
    return any(message.state is MessageState.RESERVED and not message.may_retry for message in change.moved_messages)


class _NoReservationVersion(MemoryStore):
    def commit(self, change: Change) -> None:
        if change.borrower is not None and _reserves(change):
            stored = self.borrowers[change.borrower.borrower_id]
            borrower = replace(change.borrower, revision=stored.revision, version=stored.version)
            change = replace(change, borrower=borrower)
        super().commit(change)


class _NoBorrowerRevision(MemoryStore):
    def commit(self, change: Change) -> None:
        if change.borrower is not None and not _reserves(change) and change.borrower.revision:
            stored = self.borrowers[change.borrower.borrower_id]
            change = replace(change, borrower=replace(change.borrower, revision=stored.revision))
        super().commit(change)


class _NoMessageRevision(MemoryStore):
    def commit(self, change: Change) -> None:
        moved = tuple(
            replace(message, revision=self.messages[message.borrower_id, message.key].revision)
            for message in change.moved_messages
        )
        super().commit(replace(change, moved_messages=moved))


class _NoSuppressionCheck(MemoryStore):
    def commit(self, change: Change) -> None:
        super().commit(replace(change, unless_blocked=None))


class _OccasionsAgain(MemoryStore):
    def commit(self, change: Change) -> None:
        for message in change.new_messages:
            self.messages.pop((message.borrower_id, message.key), None)
        super().commit(change)


class _RecordsAgain(MemoryStore):
    def commit(self, change: Change) -> None:
        for record in change.records:
            self.records.pop((record.borrower_id, record.item), None)
        super().commit(change)


class _TextsAgain(MemoryStore):
    def commit(self, change: Change) -> None:
        for record in change.point_records:
            self.point_records.pop((record.point, record.item), None)
        super().commit(change)


class _NoSuppressionCondition(MemoryStore):
    def commit(self, change: Change) -> None:
        if change.suppression is not None:
            read = self.suppression(change.suppression.point).revision
            change = replace(change, suppression=replace(change.suppression, revision=read))
        super().commit(change)


class _NoContact(MemoryStore):
    def commit(self, change: Change) -> None:
        if change.borrower is not None and _reserves(change):
            stored = self.borrowers[change.borrower.borrower_id]
            change = replace(change, borrower=replace(change.borrower, contacts=stored.contacts), felt=())
        super().commit(change)


class _NoFelt(MemoryStore):
    def commit(self, change: Change) -> None:
        current = tuple(replace(each, revision=self.felt(each.point).revision) for each in change.felt)
        super().commit(replace(change, felt=current, felt_as_read=()))


class _PermissionStays(MemoryStore):
    def commit(self, change: Change) -> None:
        for message in change.moved_messages:
            known = self.messages.get((message.borrower_id, message.key))
            taken = known is not None and known.may_retry and not message.may_retry
            if taken and message.state is MessageState.RESERVED:
                return
        super().commit(change)


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _TrustingCompose(Compose):
    """Judges only what was not worded yet."""

    def judge(self, borrower: Borrower, message: Message, now: datetime) -> Any:
        if message.state is MessageState.RENDERED:
            as_decided = replace(borrower, loans=tuple(_before(loan) for loan in borrower.loans), holds=())
            return super().judge(as_decided, message, now)
        return super().judge(borrower, message, now)


def _before(loan: Any) -> Any:
    from local.explorer.worlds import snapshot

    return loan if loan.instalments else snapshot(loan.sequence).loan


class _CarelessAboutOptOut(Send):
    def _forbidden(self, message: Message) -> bool:  # noqa: ARG002  (the method's shape)
        return False


class _CarelessAboutFacts(Send):
    def retry(self, borrower_id: str, key: str) -> MessageState | None:
        store = self._store

        def borrower(owner: str) -> Borrower | None:
            found, message = store.borrower(owner), store.message(owner, key)
            if found is None or message is None or message.rendered_version is None:
                return found
            return replace(found, version=message.rendered_version)

        self._store = _Through(store, borrower=borrower)
        try:
            return super().retry(borrower_id, key)
        finally:
            self._store = store


class _NeverTooLate(Send):
    def _call(self, message: Message, address: str) -> MessageState | None:
        return super()._call(replace(message, hand_over_by=_LAST), address)


class _UnsettledIsProof(Send):
    def _record(self, message: Message, result: Any) -> MessageState:
        return super()._record(message, NotAccepted(result.reason) if isinstance(result, Unsettled) else result)


class _SentWhateverWasReported(Send):
    def _move(self, message: Message, *args: Any, **kwargs: Any) -> MessageState:
        store = self._store

        def as_reserved(owner: str, key: str) -> Message | None:
            found = store.message(owner, key)
            return replace(found, state=MessageState.RESERVED) if found is not None else None

        self._store = _Through(store, message=as_reserved)
        try:
            return super()._move(message, *args, **kwargs)
        finally:
            self._store = store


class _Resends(Sweep):
    def _lost(self, message: Message, now: datetime) -> None:
        if message.hand_over_by is None or message.state is not MessageState.RESERVED:
            super()._lost(message, now)
            return
        borrower = self._store.borrower(message.borrower_id)
        assert borrower is not None
        self._send._call(replace(message, hand_over_by=_LAST), borrower.parties[0].points[0].address)


# ── settling and reports ─────────────────────────────────────────────────────────────────────────────────────────────


class _SettlesAgain(Settle):
    def settle(self, borrower_id: str, key: str, *args: Any, **kwargs: Any) -> bool:
        store = self._store

        def as_sent(owner: str, of: str) -> Message | None:
            found = store.message(owner, of)
            return replace(found, state=MessageState.SENT) if found is not None and found.is_terminal else found

        self._store = _Through(store, message=as_sent)
        try:
            return super().settle(borrower_id, key, *args, **{**kwargs, "expected": None})
        finally:
            self._store = store


class _ReleasesUnknown(Settle):
    def settle(self, borrower_id: str, key: str, state: MessageState, *args: Any, **kwargs: Any) -> bool:
        kwargs["release"] = kwargs.get("release", False) or state is MessageState.UNKNOWN
        return super().settle(borrower_id, key, state, *args, **kwargs)


class _NarrowReports(ReceiveReport):
    """Takes reports in for these states only."""

    but = MessageState.RESERVED

    def receive(self, report: DeliveryReport) -> bool:
        settle = self._settle

        def narrow(*args: Any, **kwargs: Any) -> bool:
            return settle.settle(*args, **{**kwargs, "expected": kwargs["expected"] - {self.but}})

        through: Any = _Through(settle, settle=narrow)
        self._settle = through
        try:
            return super().receive(report)
        finally:
            self._settle = settle


class _NoCorrections(_NarrowReports):
    but = MessageState.UNKNOWN


# ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _MirrorsFirst(OptOuts):
    """Tells the borrowers, and the number last."""

    def record(self, point: str, channel: Any, *, opted_out: bool, **kwargs: Any) -> bool:
        for borrower_id in self._store.borrowers_of(point) if opted_out else ():
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                continue
            parties = tuple(
                replace(
                    party,
                    points=tuple(
                        replace(each, blocked=frozenset({"*"})) if each.point == point else each
                        for each in party.points
                    ),
                )
                for party in borrower.parties
            )
            try:
                self._store.commit(Change(borrower=replace(borrower, parties=parties)))
            except Conflict:
                continue
        return super().record(point, channel, opted_out=opted_out, **kwargs)


class _LastWriterWins(OptOuts):
    def record(self, point: str, channel: Any, **kwargs: Any) -> bool:
        store = self._store

        def unheard(of: str) -> Any:
            found = store.suppression(of)
            return replace(found, words=tuple(replace(word, at=_FIRST) for word in found.words))

        self._store = _Through(store, suppression=unheard)
        try:
            return super().record(point, channel, **kwargs)
        finally:
            self._store = store


class _EveryTextConfirmed(ReceiveInbound):
    def _confirms(self, point: str, text: Any) -> bool:  # noqa: ARG002  (the service's shape)
        return True


# ── the core ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class _AnyOrder(Ingest):
    def _loan(self, before: Borrower, event: Any, now: datetime) -> Borrower:
        forgetful = replace(before, loans=tuple(replace(loan, sequence=-1) for loan in before.loans))
        return super()._loan(forgetful, event, now)


class _ForgetsLifts(Ingest):
    def _once(self, event: Any, now: datetime) -> Any:
        store = self._store

        def forgetful(owner: str) -> Borrower | None:
            found = store.borrower(owner)
            return replace(found, lifted=(), lifts=()) if found is not None else None

        self._store = _Through(store, borrower=forgetful)
        try:
            return super()._once(event, now)
        finally:
            self._store = store


# ── escalation ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _ParksBlindly(Escalate):
    def park(self, borrower_id: str, episode: int, generation: int, version: int, token: str) -> bool:  # noqa: ARG002
        borrower = self._store.borrower(borrower_id)
        assert borrower is not None
        return super().park(borrower_id, episode, generation, borrower.version, token)


class _ClearsFirst(Evaluate):
    """Writes that the doorbell was rung, and rings afterwards."""

    def borrower(self, borrower_id: str) -> None:
        rung: list[str] = []
        real = self._escalations
        self._escalations = _Through(real, ring=rung.append)
        try:
            super().borrower(borrower_id)
        finally:
            self._escalations = real
        for token in rung:
            real.ring(token)


class _NoParkedVersion(Evaluate):
    """Rings when it is time, whatever was recorded meanwhile."""

    def _tended(self, borrower: Borrower, now: datetime, *, moved: bool) -> Any:
        case = borrower.case
        if case is None or case.token is None:
            return super()._tended(borrower, now, moved=moved)
        after, again_at = super()._tended(replace(borrower, version=case.parked_version or 0), now, moved=False)
        return replace(after, version=borrower.version), again_at


class _AnyGeneration(Escalate):
    def assess(self, borrower_id: str, episode: int, generation: int) -> Any:
        borrower = self._store.borrower(borrower_id)
        current = borrower.case.generation if borrower is not None and borrower.case is not None else generation
        return super().assess(borrower_id, episode, current)

    def park(self, borrower_id: str, episode: int, generation: int, version: int, token: str) -> bool:
        borrower = self._store.borrower(borrower_id)
        current = borrower.case.generation if borrower is not None and borrower.case is not None else generation
        return super().park(borrower_id, episode, current, version, token)


class _NobodyLooks(Evaluate):
    """An execution that is gone is taken for one that only is slow."""

    def _looked_for(self, borrower: Borrower, case: Any, now: datetime) -> Any:
        real = self._escalations
        self._escalations = _Through(real, is_running=lambda *_: True)
        try:
            return super()._looked_for(borrower, case, now)
        finally:
            self._escalations = real


# ── pace ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class _NoLineRevision(MemoryControls):
    def put_line(self, state: Any) -> None:
        super().put_line(replace(state, revision=self.line(state.line).revision))


class _NoLease(Pace):
    def _line(self, line: Any, on_failure: Any) -> Any:
        real = self._controls
        self._controls = _Through(real, line=lambda name: replace(real.line(name), leased_until=None, filled_at=None))
        try:
            return super()._line(line, on_failure)
        finally:
            self._controls = real


_ALL = (
    Guard(
        "reservation-version",
        "the reservation is refused when anything was recorded since it was decided",
        "facts",
        {"store": _NoReservationVersion},
    ),
    Guard(
        "borrower-revision",
        "no write of a borrower undoes another one's",
        "evaluations",
        {"store": _NoBorrowerRevision},
    ),
    Guard(
        "message-revision", "of two moves of a message one is refused", "contradiction", {"store": _NoMessageRevision}
    ),
    Guard(
        "unless-blocked",
        "the number's own item stops the reservation before any borrower knows of the opt-out",
        "stop",
        {"store": _NoSuppressionCheck},
    ),
    Guard("occasion-once", "an occasion that was put is not put again", "confirmation", {"store": _OccasionsAgain}),
    Guard("fact-once", "a fact or payment that was recorded is not recorded again", "core", {"store": _RecordsAgain}),
    Guard(
        "suppression-unchanged",
        "of two texts taken in at once none overwrites the other unread",
        "texts",
        {"store": _NoSuppressionCondition},
    ),
    Guard("contact-counted", "the contact is counted in the reservation itself", "cap", {"store": _NoContact}),
    Guard(
        "felt-unchanged", "what one telephone has felt is counted across its borrowers", "shared", {"store": _NoFelt}
    ),
    Guard(
        "permission-taken",
        "whoever tries again first takes the permission to",
        "retry",
        {"store": _PermissionStays},
    ),
    Guard(
        "judged-again",
        "a message that was worded is judged again from the read that it is reserved on",
        "facts",
        {"compose": _TrustingCompose},
    ),
    Guard("retry-asks-opt-out", "an opt-out stops a second attempt", "retry-stop", {"send": _CarelessAboutOptOut}),
    Guard("retry-asks-facts", "a fact stops a second attempt", "retry", {"send": _CarelessAboutFacts}),
    Guard("hand-over-by", "nothing is handed over after its time", "provider", {"send": _NeverTooLate}),
    Guard(
        "unsettled-stays",
        "what may have been accepted is never handed over again",
        "provider",
        {"send": _UnsettledIsProof},
    ),
    Guard(
        "sweep-never-resends",
        "a reservation that nobody moved on is not handed over again",
        "provider",
        {"sweep": _Resends},
    ),
    Guard(
        "report-before-sent",
        "a report that was faster than our own write is not undone by it",
        "contradiction",
        {"send": _SentWhateverWasReported},
    ),
    Guard(
        "report-overtakes", "a report that comes before our own write counts", "provider", {"reports": _NarrowReports}
    ),
    Guard("late-report", "a late report corrects what was closed as unknown", "reports", {"reports": _NoCorrections}),
    Guard("forward-only", "what has ended stays as it ended", "contradiction", {"settle": _SettlesAgain}),
    Guard(
        "cap-until-proof",
        "a cap is released on proof that nothing was accepted, not because nobody knows",
        "reports",
        {"settle": _ReleasesUnknown},
    ),
    Guard(
        "number-before-borrowers",
        "the number's own item is written before any borrower's copy, so it binds for all at once",
        "shared",
        {"opt_outs": _MirrorsFirst},
    ),
    Guard("last-text-prevails", "of two texts the later one counts", "texts", {"opt_outs": _LastWriterWins}),
    Guard("one-confirmation", "an opt-out is confirmed once", "confirmation", {"inbound": _EveryTextConfirmed}),
    Guard("sequence", "an older snapshot undoes nothing", "core", {"ingest": _AnyOrder}),
    Guard("lift-remembered", "a hold that was lifted does not come back late", "holds", {"ingest": _ForgetsLifts}),
    Guard(
        "park-compares",
        "an execution parks only on the facts it has assessed",
        "doorbell",
        {"escalate": _ParksBlindly},
    ),
    Guard("ring-first", "the doorbell is rung before the token is forgotten", "doorbell", {"evaluate": _ClearsFirst}),
    Guard(
        "parked-version",
        "whatever is recorded while an execution is parked rings it",
        "doorbell",
        {"evaluate": _NoParkedVersion},
    ),
    Guard("generation", "an execution whose case went on without it ends", "generations", {"escalate": _AnyGeneration}),
    Guard("looked-for", "an execution that is gone gets a successor", "generations", {"evaluate": _NobodyLooks}),
    Guard("line-revision", "of two pacers one has the line", "pace", {"controls": _NoLineRevision}),
    Guard("lease", "a pacer leaves a line that another one has filled", "pace", {"pace": _NoLease}),
)

GUARDS: Mapping[str, Guard] = {guard.name: guard for guard in _ALL}

#: Guards behind other guards: without them nothing is broken in their world. A text that is taken in twice is as old as
#: itself and answers under the same key; that its record is written once only saves the work.
BEHIND_OTHERS: Mapping[str, Guard] = {
    guard.name: guard
    for guard in (
        Guard("text-once", "a text that was taken in is not taken in again", "texts", {"store": _TextsAgain}),
    )
}
