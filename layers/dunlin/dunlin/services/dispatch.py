"""Wake the shards on which somebody is due. Work is proportional to what is due: an idle shard costs one query."""

from __future__ import annotations

from dunlin.domain.shards import WAKE_SHARDS
from dunlin.services.ports import Clock, Store, WakeQueue


class Dispatch:
    """The service behind `dispatch_wakes`."""

    def __init__(self, store: Store, wakes: WakeQueue, clock: Clock) -> None:
        self._store = store
        self._wakes = wakes
        self._clock = clock

    def dispatch(self) -> int:
        """Send one wake for each shard with a borrower whose moment has come; returns how many."""
        now = self._clock()
        woken = 0
        for shard in WAKE_SHARDS:
            if self._store.awake(shard, now, 1):
                self._wakes.wake(shard, now)
                woken += 1
        return woken
