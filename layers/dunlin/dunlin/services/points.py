"""What was found out about numbers and addresses, kept at the point and known to every borrower who has it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dunlin.domain.reach import OF_ONE, Finding, with_finding
from dunlin.errors import AlreadyRecorded, Conflict, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.opt_outs import OptOuts
from dunlin.services.ports import Change, Clock, PointKeys, PointRecord, Record, Store

if TYPE_CHECKING:
    from dunlin.domain.facts import ContactPointChanged


class Points:
    """The service behind the core's `contact_point.changed`."""

    def __init__(self, store: Store, opt_outs: OptOuts, keys: PointKeys, clock: Clock) -> None:
        self._store = store
        self._opt_outs = opt_outs
        self._keys = keys
        self._clock = clock

    def changed(self, event: ContactPointChanged) -> bool:
        """Know it from now on. It binds before it is recorded, so the same event again mends what was left undone.

        Nobody needs to have the point yet: whoever gets it later is known to have it then. False: recorded before.

        Raises:
            Conflict: other writers were first each time.
        """
        point = self._keys.point(*event.address)
        borrower_id, party_id = (event.borrower_id, event.party_id) if event.state in OF_ONE else ("", "")
        self.keep(point, Finding(event.state, event.occurred_at, borrower_id, party_id, event.source))
        for holder in self._store.borrowers_of(point):
            self._opt_outs.mirror(holder, point)
        document = {
            "type": event.type,
            "state": str(event.state),
            "borrower_id": event.borrower_id,
            "party_id": event.party_id,
            "source": event.source,
            "received_at": event.occurred_at.isoformat(),
            "recorded_at": self._clock().isoformat(),
        }
        fact = Record(event.borrower_id, f"FACT#{event.event_id}", {**document, "point": point})
        try:
            self._store.commit(
                Change(
                    records=(fact,) if event.borrower_id else (),
                    point_records=(PointRecord(point, f"FOUND#{event.event_id}", document),),
                )
            )
        except AlreadyRecorded:
            return False
        return True

    def keep(self, point: str, finding: Finding) -> None:
        """Know it at the point itself. Raises StateConflict: other writers were first each time."""
        for _ in range(ATTEMPTS):
            state = self._store.suppression(point)
            findings = with_finding(state.findings, finding)
            if findings == state.findings:
                return
            try:
                self._store.commit(Change(suppression=replace(state, findings=findings)))
            except Conflict:
                continue
            return
        raise StateConflict("suppression")
