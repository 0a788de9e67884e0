"""Opt-outs that somebody else kept a list of: they bind at the number, whoever has it, known or not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dunlin.domain.borrower import LastWord
from dunlin.errors import Conflict, NotFound, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.opt_outs import OptOuts
from dunlin.services.ports import Change, PointKeys, PointRecord, Store

if TYPE_CHECKING:
    from dunlin.domain.facts import SuppressionImported


class SuppressionList:
    """The service behind the core's `suppression.imported`."""

    def __init__(self, store: Store, opt_outs: OptOuts, keys: PointKeys) -> None:
        self._store = store
        self._opt_outs = opt_outs
        self._keys = keys

    def imported(self, event: SuppressionImported) -> bool:
        """Write it at the point, then let everybody who has it know. Imported twice it is nothing: False.

        Raises:
            Conflict: other writers were first each time.
        """
        channel, address = event.address
        point = self._keys.point(channel, address)
        document = {
            "opted_out": True,
            "received_at": event.occurred_at.isoformat(),
            "by": event.event_id,
            "source": event.source,
        }
        changed = self._opt_outs.record(
            point,
            channel,
            opted_out=True,
            at=event.occurred_at,
            by=event.event_id,
            purpose=event.purpose,
            record=PointRecord(point, f"WORD#{event.event_id}", document),
        )
        if event.everything:
            changed |= self._of_all(point, LastWord(True, event.occurred_at, event.event_id))
        for borrower_id in self._store.borrowers_of(point):
            self._opt_outs.mirror(borrower_id, point)
            if event.everything:
                changed |= self._everything_of(borrower_id, point, event)
        return changed

    def _of_all(self, point: str, word: LastWord) -> bool:
        """Remember it at the point: whoever turns out to have it wants nothing at their other points either."""
        for _ in range(ATTEMPTS):
            state = self._store.suppression(point)
            if state.of_all is not None and (state.of_all.at, state.of_all.opted_out) >= (word.at, word.opted_out):
                return False
            try:
                self._store.commit(Change(suppression=replace(state, of_all=word)))
            except Conflict:
                continue
            return True
        raise StateConflict("suppression")

    def _everything_of(self, borrower_id: str, point: str, event: SuppressionImported) -> bool:
        try:
            return self._opt_outs.of_everything(
                borrower_id, opted_out=True, at=event.occurred_at, by=event.event_id, point=point
            )
        except NotFound:
            return False  # linked a moment ago and not written yet: it looks again once it is
