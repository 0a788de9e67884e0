"""What somebody wants to hear, told by the core or at the API: one purpose, one number, or everything."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dunlin.errors import InvalidInput
from dunlin.services.opt_outs import OptOuts
from dunlin.services.ports import Clock, PointKeys

if TYPE_CHECKING:
    from dunlin.domain.facts import PreferenceFacts

#: Clocks differ a little; a word from further ahead would prevail over what is said until then.
FUTURE_ALLOWED = timedelta(minutes=5)


class Preferences:
    """The service behind `POST /opt-outs` and the core's `preferences.changed`."""

    def __init__(self, opt_outs: OptOuts, keys: PointKeys, clock: Clock) -> None:
        self._opt_outs = opt_outs
        self._keys = keys
        self._clock = clock

    def change(self, borrower_id: str, asked: PreferenceFacts, *, at: datetime, by: str) -> bool:
        """Do as was asked `at`; `by` names the request, and the same twice is nothing. Returns whether it changed what
        may be sent. About a number no borrower needs to be known.

        Raises:
            InvalidInput: from the future, or of a party that is none. NotFound: everything, of an unknown borrower.
            Conflict: other writers were first each time.
        """
        if at > self._clock() + FUTURE_ALLOWED:
            raise InvalidInput("received_at", "is in the future")
        if asked.address is None:
            return self._opt_outs.of_everything(
                borrower_id, opted_out=asked.opted_out, at=at, by=by, party_id=asked.party_id
            )
        channel, address = asked.address
        point = self._keys.point(channel, address)
        return self._opt_outs.at_point(point, channel, opted_out=asked.opted_out, at=at, by=by, purpose=asked.purpose)
