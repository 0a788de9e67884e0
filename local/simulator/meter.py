"""What a number carries: parts a second, counted as a carrier passes them on, one after another."""

from __future__ import annotations

from datetime import datetime

__all__ = ["Meter"]


class Meter:
    """Takes a text whose first part can still pass within a second of the number's rate.

    Parts pass one after another, each in its share of a second. So a text of two parts from a number of one a second
    is taken, and keeps the number busy for two; what comes meanwhile is throttled. Of a busier number no second
    begins with more than a second's parts before it.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._waiting = 0.0
        self._at: datetime | None = None

    def takes(self, parts: int, now: datetime) -> bool:
        """Whether a text of so many parts is taken at `now`; if so, it is counted."""
        passed = self._rate * (now - self._at).total_seconds() if self._at is not None else 0.0
        self._waiting, self._at = max(0.0, self._waiting - passed), now
        if self._waiting > max(1.0, self._rate) - 1 + 1e-6:
            return False
        self._waiting += parts
        return True
