"""When a line rests because too much of what it is given fails, and how it comes back: a few texts, a tenth, all.

Whoever hears of a failure counts it at the line; the pacer, which knows how much it released, judges. A count that is
lost to other writers is lost: it is a share that is judged, not a sum.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil

from dunlin.domain.policy import Line
from dunlin.domain.words import Reason
from dunlin.errors import StateConflict
from dunlin.services.ports import Controls, LineState

#: However often it failed, it is tried again within this.
LONGEST_REST = timedelta(hours=4)
_ATTEMPTS = 3
_FULL, _TRICKLE, _TENTH = 0, 1, 2
#: The steps, in words.
COMING_BACK = {_TRICKLE: "a few texts", _TENTH: "a tenth of its rate"}


def count_failure(controls: Controls, line: str) -> None:
    """One more that a provider refused or could not deliver."""
    for _ in range(_ATTEMPTS):
        state = controls.line(line)
        try:
            controls.put_line(replace(state, failed=state.failed + 1))
        except StateConflict:
            continue
        return


#: What says something of the person who should have been reached, and nothing of the line.
_OF_THE_RECIPIENT = frozenset(
    {Reason.INVALID_NUMBER, Reason.UNREACHABLE, Reason.PROVIDER_OPTED_OUT, Reason.NUMBER_NOT_VERIFIED}
)


def speaks_of_line(reason: Reason, *, point_unusable: bool) -> bool:
    """Whether a failure for this reason counts against its line: a number that nobody has does not."""
    return not point_unusable and reason not in _OF_THE_RECIPIENT


def month_turns(now: datetime) -> datetime:
    """When a provider's monthly spend is counted anew: the first of the next month, UTC."""
    day = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=32)).replace(day=1)


def stopped(state: LineState, until: datetime, reason: Reason) -> LineState:
    """The line at rest; what fails meanwhile was released before, and it comes back as a trickle."""
    return replace(
        state,
        stopped_until=until,
        stop_reason=reason,
        window_from=None,
        step=_TRICKLE,
        released=0,
        released_before=0,
        failed=0,
        failed_before=0,
    )


def judged(state: LineState, line: Line, now: datetime) -> LineState:
    """The line as it stands at `now`: stopped if too much failed, a step further if a window went well.

    Reports come late, so the failures of this window and the one before it are held against what both released.
    """
    limits = line.failures
    if state.stopped_until is not None and state.stopped_until > now:
        return state
    if state.window_from is None:
        return replace(state, window_from=now, released=0, released_before=0, failed=0, failed_before=0)
    least = limits.minimum if state.step == _FULL else min(limits.minimum, max(1, ceil(limits.share * limits.trickle)))
    failed = state.failed + state.failed_before
    if failed >= least and failed >= limits.share * (state.released + state.released_before):
        rest = min(limits.rest * 2 ** min(state.rests, 8), LONGEST_REST)
        return replace(stopped(state, now + rest, Reason.FAILURES), rests=state.rests + 1)
    if now - state.window_from < limits.window:
        return state
    step = state.step
    if state.released:
        step = _TENTH if step == _TRICKLE else _FULL
    return replace(
        state,
        window_from=now,
        released=0,
        released_before=state.released,
        failed=0,
        failed_before=state.failed,
        step=step,
        rests=0 if step == _FULL else state.rests,
    )


def slowed(line: Line, state: LineState) -> Line:
    """The line at the rate that it has come back to."""
    return line if state.step == _FULL else replace(line, parts_per_second=line.parts_per_second / 10)


def texts_left(line: Line, state: LineState) -> int | None:
    """How many texts a line that comes back may still be given in this window; None: as many as it carries.

    After a spend limit one text finds out whether it still holds.
    """
    if state.step != _TRICKLE:
        return None
    most = 1 if state.stop_reason is Reason.SPEND_LIMIT else line.failures.trickle
    return max(0, most - state.released)
