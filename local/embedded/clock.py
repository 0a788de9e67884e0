"""The one source of time in the embedded AWS."""

from __future__ import annotations

from datetime import UTC, datetime


class VirtualClock:
    """Aware UTC time that moves only when it is told to.

    Calling the clock is the same as `now()`, so that it fits wherever a `Callable[[], datetime]` is wanted.
    """

    def __init__(self, start: datetime) -> None:
        self._now = _as_utc(start)

    def __call__(self) -> datetime:
        return self._now

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return self._now

    def advance_to(self, when: datetime) -> None:
        """Move to `when`.

        Raises:
            ValueError: `when` is naive, or earlier than now. Time that runs backwards would deliver twice.
        """
        moment = _as_utc(when)
        if moment < self._now:
            raise ValueError(f"the clock stands at {self._now.isoformat()} and cannot go back to {moment.isoformat()}")
        self._now = moment


def _as_utc(when: datetime) -> datetime:
    if when.tzinfo is None:
        raise ValueError("a naive datetime has no instant: give it a time zone")
    return when.astimezone(UTC)
