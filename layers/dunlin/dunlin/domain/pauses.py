"""What a person stopped until somebody starts it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from dunlin.domain.words import PauseScope

if TYPE_CHECKING:
    from dunlin.domain.policy import Line


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody pressed stop: `by` (a staff id), why, since when, until when (None: until lifted).

    `name` is the brand's, the line's or the template's; empty for everything.
    """

    scope: PauseScope
    name: str
    by: str
    why: str
    since: datetime
    until: datetime | None = None

    def covers(self, line: Line, template: str) -> bool:
        match self.scope:
            case PauseScope.EVERYTHING:
                return True
            case PauseScope.BRAND:
                return self.name == line.brand
            case PauseScope.LINE:
                return self.name == line.line_id
            case PauseScope.TEMPLATE:
                return self.name == template
            case _:
                assert_never(self.scope)
