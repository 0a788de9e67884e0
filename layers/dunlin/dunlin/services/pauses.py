"""The stop button: everything, a brand, a line or a template, in force at the next reservation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from dunlin.domain.pauses import Pause
from dunlin.domain.policy import Lender
from dunlin.domain.words import PauseScope
from dunlin.errors import InvalidInput, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.ports import Clock, Controls, PauseAct, PauseBoard

#: Who did what, for whoever asks later; the log has the rest.
_ACTS_KEPT = 100
_LONGEST_TEXT = 200


class Pauses:
    """Presses and lifts stops. A brand, line or template that the content does not have is refused by name."""

    def __init__(self, controls: Controls, lender: Lender, templates: frozenset[str], clock: Clock) -> None:
        self._controls = controls
        self._names = {
            PauseScope.EVERYTHING: frozenset({""}),
            PauseScope.BRAND: frozenset(line.brand for line in lender.lines),
            PauseScope.LINE: frozenset(line.line_id for line in lender.lines),
            PauseScope.TEMPLATE: templates,
        }
        self._clock = clock

    def pause(self, scope: PauseScope, name: str = "", *, by: str, why: str, until: datetime | None = None) -> Pause:
        """Stop it; pressed again, the newer word (who, why, until when) replaces the older one.

        Raises:
            InvalidInput: naming the field. StateConflict: others were first each time.
        """
        now = self._clock()
        self._check(scope, name)
        if until is not None and until <= now:
            raise InvalidInput("until", "is over already")
        pause = Pause(scope, name, _text("by", by), _text("why", why), now, until)
        self._write("paused", pause, (pause,))
        return pause

    def resume(self, scope: PauseScope, name: str = "", *, by: str, why: str = "") -> bool:
        """Lift it. False when it was not in force.

        A line that rests by itself (a spend limit, failures) goes on, too: with a few texts at first.

        Raises:
            InvalidInput: naming the field. StateConflict: others were first each time.
        """
        self._check(scope, name)
        lifted = Pause(scope, name, _text("by", by), why[:_LONGEST_TEXT], self._clock())
        rested = scope is PauseScope.LINE and self._wake(name)
        return self._write("resumed", lifted, ()) or rested

    def _wake(self, line: str) -> bool:
        """End a line's own rest; whether it rested."""
        for _ in range(ATTEMPTS):
            state = self._controls.line(line)
            if state.stopped_until is None or state.stopped_until <= self._clock():
                return False
            try:
                self._controls.put_line(replace(state, stopped_until=None))
            except StateConflict:
                continue
            return True
        raise StateConflict(line)

    def in_force(self) -> tuple[Pause, ...]:
        now = self._clock()
        return tuple(pause for pause in self._controls.pauses().pauses if pause.until is None or pause.until > now)

    def board(self) -> PauseBoard:
        return self._controls.pauses()

    def names(self, scope: PauseScope) -> tuple[str, ...]:
        """What there is to pause in this scope."""
        return tuple(sorted(self._names[scope]))

    def _check(self, scope: PauseScope, name: str) -> None:
        if name not in self._names[scope]:
            known = "must be empty" if scope is PauseScope.EVERYTHING else f"must be a known {scope}"
            raise InvalidInput("name", known)

    def _write(self, act: str, pause: Pause, instead: tuple[Pause, ...]) -> bool:
        """Put `instead` in the place of what was in force in this scope; whether anything was."""
        for _ in range(ATTEMPTS):
            board = self._controls.pauses()
            now = self._clock()
            others = tuple(
                known
                for known in board.pauses
                if (known.scope, known.name) != (pause.scope, pause.name) and (known.until is None or known.until > now)
            )
            was = any((p.scope, p.name) == (pause.scope, pause.name) for p in board.pauses)
            if not was and not instead:
                return False
            done = PauseAct(act, pause.scope, pause.name, pause.by, pause.why, now)
            after = replace(board, pauses=(*others, *instead), acts=(*board.acts, done)[-_ACTS_KEPT:])
            try:
                self._controls.put_pauses(after)
            except StateConflict:
                continue
            return was
        raise StateConflict("pauses")


def _text(field: str, value: str) -> str:
    if not value.strip() or len(value) > _LONGEST_TEXT:
        raise InvalidInput(field, f"must be 1 to {_LONGEST_TEXT} characters")
    return value.strip()
