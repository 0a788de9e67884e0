"""What must hold, judged on what is stored and on what the provider has, never by asking the services.

`broken_by_step` looks at one step, `broken_at_rest` at a world in which nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from dunlin.domain.borrower import Borrower
from dunlin.domain.ledger import verify
from dunlin.domain.message import Message
from dunlin.domain.words import CaseStatus, MessageState, Purpose
from dunlin.services.ports import HandOver

from local.explorer.ports import NEVER_CAME, REFUSED, THROTTLED, World
from local.explorer.services import DUNNING
from local.explorer.stepping import Call

_S = MessageState
_RANK = {
    _S.REQUESTED: 0,
    _S.DUE: 1,
    _S.RENDERED: 2,
    _S.RESERVED: 3,
    _S.SENT: 4,
    _S.UNSETTLED: 4,
    **dict.fromkeys((_S.DELIVERED, _S.FAILED, _S.UNKNOWN, _S.SUPPRESSED, _S.EXPIRED, _S.CANCELLED), 5),
}
_ENDS = frozenset(state for state, rank in _RANK.items() if rank == 5)
_CORRECTIONS = {(_S.UNKNOWN, _S.DELIVERED), (_S.UNKNOWN, _S.FAILED)}
_CONFIRMATION = "opt_out_confirmation"


def broken_by_step(before: World, call: Call, after: World, *, cap: int, per_minute: int | None) -> str | None:
    """The first law that this step breaks. Also lets the witness of `after` remember what later steps are judged by."""
    return next(_step(before, call, after, cap, per_minute), None)


def _step(before: World, call: Call, after: World, cap: int, per_minute: int | None) -> Iterator[str]:
    if call.port == "provider":
        yield from _handed_over(before, call.args[0], after)
    if call.port != "store":
        return
    for key, old in before.store.messages.items():
        new = after.store.messages.get(key)
        if new is None:
            yield f"{old.ref} vanished"
        elif new is not old:
            yield from _moved(before, old, new, after)
    for key, record in (*before.store.records.items(), *before.store.point_records.items()):
        if {**after.store.records, **after.store.point_records}.get(key) != record:
            yield f"the record {key[1]}, written once for ever, was written again"
    if call.method == "commit" and vars(before.store) != vars(after.store):
        change = call.args[0]
        written = {(each.borrower_id, each.item) for each in change.records}
        written |= {(each.point, each.item) for each in change.point_records}
        for key in written & (before.store.records.keys() | before.store.point_records.keys()):
            yield f"the record {key[1]}, written once for ever, was written again"
    for borrower_id, borrower in before.store.borrowers.items():
        yield from _borrower_moved(borrower, after.store.borrowers[borrower_id], before, after)
    yield from _contacted(after, cap)
    if per_minute is not None:
        yield from _paced(after, per_minute)


# ── one step ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _handed_over(before: World, order: HandOver, after: World) -> Iterator[str]:
    earlier = before.provider.done.get(order.ref, ())
    if after.provider.has(order.ref) > 1:
        yield f"the provider has {order.ref} twice"
    if any(done != THROTTLED for done in earlier):
        yield f"{order.ref} was handed over again without proof that it was not accepted"
    if order.ref in before.witness.doomed:
        yield f"{order.ref} was tried again although something forbade it before the permission was taken"
    if order.ref in before.witness.released:
        yield f"{order.ref} was handed over after its cap was released"
    borrower_id, _, key = order.ref.partition("/")
    message = before.store.messages[borrower_id, key]
    if message.occupies_until is None:
        yield f"{order.ref} was handed over without a reservation"
    elif before.clock.now.timestamp() + order.ttl_seconds > message.occupies_until.timestamp():
        yield f"{order.ref} may be felt after {message.occupies_until:%H:%M:%S}, the end of what was reserved"
    if message.stage == _CONFIRMATION:
        same = [
            other
            for other in after.store.messages.values()
            if other.stage == _CONFIRMATION and other.point == message.point and after.provider.has(other.ref)
        ]
        if len(same) > 1:
            yield "one number was sent two confirmations of its opt-out"
    if message.mark_ids:
        said = [
            other.ref
            for other in after.store.messages.values()
            if other.borrower_id == borrower_id
            and set(other.mark_ids) & set(message.mark_ids)
            and after.provider.has(other.ref)
            and other.state not in (_S.FAILED, _S.UNKNOWN)
        ]
        if len(said) > 1:
            yield f"one stage was said twice: {' and '.join(said)}"


def _moved(before: World, old: Message, new: Message, after: World) -> Iterator[str]:
    if old.state in _ENDS and new.state is not old.state and (old.state, new.state) not in _CORRECTIONS:
        yield f"{old.ref} had ended {old.state} and became {new.state}"
    if _RANK[new.state] < _RANK[old.state] or (_RANK[new.state] == 4 == _RANK[old.state] and new.state != old.state):
        yield f"{old.ref} went back from {old.state} to {new.state}"
    if new.state is _S.RESERVED and old.state is not _S.RESERVED:
        why = forbidden(before, new)
        if why:
            yield f"{new.ref} was reserved although {why}"
    if old.state is new.state is _S.RESERVED and old.may_retry and not new.may_retry and forbidden(before, new):
        after.witness.doomed |= {new.ref}
    if old.point != new.point or old.mark_ids != new.mark_ids or old.loan_ids != new.loan_ids:
        yield f"{old.ref} became another message"


def forbidden(world: World, message: Message) -> str | None:
    """What was recorded, anywhere, that forbids this message."""
    if message.stage != _CONFIRMATION and is_opted_out(world, message.point, message.purpose):
        return "an opt-out was recorded"
    if message.purpose is Purpose.REPLY:
        return None
    paid = {
        str(record["loan_id"])
        for (owner, item), record in world.store.records.items()
        if owner == message.borrower_id and item.startswith("PAY#") and record["type"] == "payment.applied"
    }
    if paid & set(message.loan_ids):
        return "the payment was recorded"
    if message.purpose in DUNNING and world.store.borrowers[message.borrower_id].holds:
        return "a hold was recorded"
    return None


def is_opted_out(world: World, point: str, purpose: Purpose) -> bool:
    """Whether any item says so: the number's own, or anybody's copy of it."""
    state = world.store.suppressions.get(point)
    if state is not None and {f"sms#{purpose}", "sms#*"} & state.blocked:
        return True
    return any(
        {str(purpose), "*"} & mirror.blocked
        for borrower in world.store.borrowers.values()
        for party in borrower.parties
        for mirror in party.points
        if mirror.point == point
    )


def _borrower_moved(old: Borrower, new: Borrower, before: World, after: World) -> Iterator[str]:
    if new is old:
        return
    known = {loan.loan_id: loan.sequence for loan in new.loans}
    for loan in old.loans:
        if known.get(loan.loan_id, -1) < loan.sequence:
            yield f"the snapshot {loan.sequence} of {loan.loan_id} was undone"
    lost = {hold.hold_id for hold in old.holds} - {hold.hold_id for hold in new.holds}
    lifted = {hold_id for hold_id, _ in new.lifted} | {lift.hold_id for lift in new.lifts}
    if lost - lifted:
        yield "a hold was undone that nobody lifted"
    was, now = old.case, new.case
    ended = was is not None and was.status is CaseStatus.ENDED
    if was is not None and now is not None and ended and (now.episode, now.status) == (was.episode, CaseStatus.OPEN):
        yield "an ended case was opened again"
    for ref in {contact.ref for contact in old.contacts} - {contact.ref for contact in new.contacts}:
        after.witness.released |= {ref}
        if before.provider.has(ref):
            yield f"the cap of {ref} was released, and the provider has it"
        if before.provider.done.get(ref, ())[-1:] == (NEVER_CAME,):
            yield f"the cap of {ref} was released without proof that nothing was accepted"


def _contacted(world: World, cap: int) -> Iterator[str]:
    """How many contacts of one day a person may feel, and one telephone: what a provider has or may have, and what
    others were allowed."""
    felt: dict[tuple[str, str], set[str]] = {}
    for message in world.store.messages.values():
        if message.purpose not in DUNNING or message.reserved_at is None:
            continue
        proof = world.provider.done.get(message.ref, ())[-1:] in ((THROTTLED,), (REFUSED,), ())
        if message.state is _S.FAILED and proof:
            continue
        for whoever in (message.borrower_id, message.point):
            felt.setdefault((whoever, _day(message.reserved_at)), set()).add(message.ref)
    for ref in world.witness.outside:
        felt.setdefault((ref.partition(" ")[0], _day(world.clock.now)), set()).add(ref)
    for contacts in felt.values():
        if len(contacts) > cap:
            yield f"{len(contacts)} contacts in one day, the cap is {cap}: {', '.join(sorted(contacts))}"


def _day(moment: datetime) -> str:
    return str(moment.astimezone(ZoneInfo("America/New_York")).date())


def _paced(world: World, per_minute: int) -> Iterator[str]:
    released = [move.at for message in world.store.messages.values() for move in message.moves if move.state is _S.DUE]
    for at in released:
        if sum(0 <= (other - at).total_seconds() < 60 for other in released) > per_minute:
            yield f"a line that carries {per_minute} part a minute was given more"


# ── at rest ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def broken_soon(world: World) -> str | None:
    """What must hold once the next minutes are over: a case whose reason is gone ended, nothing sleeps on old facts."""
    for borrower in world.store.borrowers.values():
        case = borrower.case
        if case is None or case.status is CaseStatus.ENDED:
            continue
        if all(not loan.instalments for loan in borrower.loans):
            return f"everything is paid, and the case of {borrower.borrower_id} is still open"
        if case.token is None or case.parked_version != borrower.version:
            return f"the case of {borrower.borrower_id} sleeps on facts that have changed"
    return None


def broken_at_rest(world: World) -> str | None:
    """What must hold in the end."""
    return next(_rest(world), None)


def all_at_rest(world: World) -> list[str]:
    """Everything that is broken in the end."""
    return list(_rest(world))


def _rest(world: World) -> Iterator[str]:
    for message in world.store.messages.values():
        if message.state not in _ENDS:
            yield f"{message.ref} is left {message.state}"
        elif not message.reason or not message.moves or message.moves[-1].state is not message.state:
            yield f"{message.ref} ended {message.state} without its reason"
        if message.state in (_S.SUPPRESSED, _S.EXPIRED, _S.CANCELLED) and world.provider.has(message.ref):
            yield f"{message.ref} ended {message.state}, and the provider has it"
    for ref, state in world.witness.reported.items():
        borrower_id, _, key = ref.partition("/")
        if world.store.messages[borrower_id, key].state is not state:
            yield f"{ref} was reported {state} and is {world.store.messages[borrower_id, key].state}"
    for borrower in world.store.borrowers.values():
        own = [message for message in world.store.messages.values() if message.borrower_id == borrower.borrower_id]
        broken = verify(own, borrower.chain_head)
        if broken is not None:
            yield f"the ledger's chain is broken at {broken}"
        yield from _case_rest(borrower, world)
    applied = world.witness.applied
    for event in applied:
        if event == "opt-out" and "opt-in" not in applied:
            for point, number in world.store.suppressions.items():
                if not number.blocked:
                    yield f"the opt-out of {point} is gone"


def _case_rest(borrower: Borrower, world: World) -> Iterator[str]:
    if borrower.case is not None and borrower.case.status is not CaseStatus.ENDED:
        yield f"the case of {borrower.borrower_id} never ends"
    for execution in world.machine.executions.values():
        if execution.borrower_id == borrower.borrower_id and execution.phase not in ("ended", "dead"):
            yield f"the execution {execution.generation} of {borrower.borrower_id} sleeps for ever"
