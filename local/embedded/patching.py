"""Setting attributes for as long as an embedded AWS is open, and nothing longer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest import mock


class Patches:
    """A stack of attribute replacements, undone in the opposite order by `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def set(self, target: Any, name: str, value: Any) -> None:
        self._stack.enter_context(mock.patch.object(target, name, value))

    def environment(self, values: dict[str, str], *, without: tuple[str, ...] = ()) -> None:
        """Set these variables, and hide those."""
        import os

        self._stack.enter_context(mock.patch.dict(os.environ, values))
        for name in without:
            # patch.dict restores the whole mapping, so a plain pop inside it is undone too.
            os.environ.pop(name, None)

    def enter(self, context: Any) -> Any:
        return self._stack.enter_context(context)

    def close(self) -> None:
        self._stack.close()
