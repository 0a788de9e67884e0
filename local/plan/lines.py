"""What a line's rate cannot fit: parts that would pass their window if everything planned were released as early as it
may be, the most urgent deadline first (no order does better)."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

#: Of a line's messages: from when, until when, how many parts.
Load = Counter[tuple[datetime, datetime]]
_ALMOST = 1e-6


def left_over(load: Mapping[tuple[datetime, datetime], int], parts_per_second: float) -> dict[datetime, int]:
    """Parts that do not fit, by the end of the window that they miss; rounded up."""
    groups = sorted((begin, end, float(parts)) for (begin, end), parts in load.items() if parts)
    waiting: list[tuple[datetime, float]] = []
    missed: dict[datetime, float] = {}
    place = 0
    now = groups[0][0] if groups else None
    while now is not None and (waiting or place < len(groups)):
        if not waiting:
            now = max(now, groups[place][0])
        while place < len(groups) and groups[place][0] <= now:
            heapq.heappush(waiting, (groups[place][1], groups[place][2]))
            place += 1
        end, parts = heapq.heappop(waiting)
        if end <= now:
            missed[end] = missed.get(end, 0.0) + parts
            continue
        until = min(end, groups[place][0]) if place < len(groups) else end
        carried = (until - now).total_seconds() * parts_per_second
        if parts > carried + _ALMOST:
            heapq.heappush(waiting, (end, parts - carried))
            now = until
        else:
            now = now + (until - now) * (parts / carried) if carried else until
    return {end: -int(-parts // 1) for end, parts in sorted(missed.items()) if parts > _ALMOST}
