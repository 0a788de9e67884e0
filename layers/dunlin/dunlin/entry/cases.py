"""The input of the state machine's tasks: ids only, checked."""

from __future__ import annotations

from collections.abc import Mapping

from dunlin.errors import InvalidInput


def case_of(event: Mapping[str, object]) -> tuple[str, int, int]:
    """(borrower, episode, generation) of a task's input.

    Raises:
        InvalidInput: naming the field.
    """
    return _text(event, "borrower_id"), _number(event, "episode"), _number(event, "generation")


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
