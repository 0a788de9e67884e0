"""Every mistake in the content at once, so that an author does not meet them one by one."""

from __future__ import annotations

from collections.abc import Sequence

from dunlin.errors import ContentError


class ContentErrors(ContentError):
    """The first mistake as a `ContentError`, and all of them in `errors`, in the order of files and lines."""

    def __init__(self, errors: Sequence[ContentError]) -> None:
        first = errors[0]
        super().__init__(first.where, first.field, first.problem)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(f"{error.where}: {error.field}: {error.problem}" for error in self.errors)


def raise_all(errors: Sequence[ContentError]) -> None:
    """Raise what there is to raise.

    Raises:
        ContentErrors: there is at least one.
    """
    if errors:
        raise ContentErrors(sorted(errors, key=lambda error: _place(error.where)))


def _place(where: str) -> tuple[str, int]:
    name, _, line = where.rpartition(":")
    return (name, int(line)) if line.isdigit() else (where, 0)
