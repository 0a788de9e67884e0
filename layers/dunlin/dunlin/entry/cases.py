"""The input of the state machine's tasks: ids only, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dunlin.errors import InvalidInput

#: It is written to the log, so nothing but an id may pass for one.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}")


def case_of(event: Mapping[str, object]) -> tuple[str, int, int]:
    """(borrower, episode, generation) of a task's input.

    Raises:
        InvalidInput: naming the field.
    """
    borrower_id = _text(event, "borrower_id")
    if not _ID.fullmatch(borrower_id):
        raise InvalidInput("borrower_id", "must be an id")
    return borrower_id, _number(event, "episode"), _number(event, "generation")


def version_of(event: Mapping[str, object]) -> int:
    return _number(event, "version")


def token_of(event: Mapping[str, object]) -> str:
    return _text(event, "token")


def _text(event: Mapping[str, object], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(name, "must be a non-empty string")
    return value


def _number(event: Mapping[str, object], name: str) -> int:
    value = event.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(name, "must be a whole number")
    return value
