"""One wall clock for everything that runs: the server, every function, the simulator, the tests.

libfaketime shifts the wall clock of a process and its children by what stands in a file. Elapsed time stays real, so
time-outs and pauses hold. A process looks at the file again once two seconds are over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

__all__ = ["MovedClock"]

#: After so long every process has seen that the clock was moved.
SEEN_AFTER_SECONDS = 2.5


class MovedClock:
    """The machine's clock, moved by whole seconds, forwards after the first time."""

    def __init__(self, file: Path, start: datetime) -> None:
        self._file = file
        self._offset = timedelta()
        self._set(start - self._real())

    @staticmethod
    def _real() -> datetime:
        return datetime.now(UTC)

    def now(self) -> datetime:
        return self._real() + self._offset

    def advance(self, by: timedelta) -> None:
        """Let `by` pass. Returns once everybody knows."""
        if by < timedelta():
            raise ValueError("time does not go back")
        self._set(self._offset + by)
        time.sleep(SEEN_AFTER_SECONDS)

    def advance_to(self, moment: datetime) -> None:
        self.advance(moment - self.now())

    def _set(self, offset: timedelta) -> None:
        seconds = round(offset.total_seconds())
        # Replaced, not written in place: a process that reads half a number would live in another year.
        written = self._file.with_suffix(".new")
        written.write_text(f"{seconds:+d}\n", encoding="ascii")
        os.replace(written, self._file)
        self._offset = timedelta(seconds=seconds)

    def environment(self, library: Path) -> Mapping[str, str]:
        """What a process needs to live on this clock."""
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Files keep their times: bytecode is believed by its source's.
            "NO_FAKE_STAT": "1",
        }
