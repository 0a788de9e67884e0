"""One JSON object a line in, one answer a line out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from dunlin.errors import InvalidInput


def answers(
    lines: Iterable[bytes], answer: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[tuple[dict[str, Any], bool]]:
    """For each line that says something what `answer` makes of it, and whether it was a question at all."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield answer(_object(line)), True
        except InvalidInput as mistake:
            yield {"error": str(mistake), "field": mistake.field, "line": number}, False


def write_answers(found: Iterable[tuple[dict[str, Any], bool]], sink: TextIO) -> int:
    """Each answer on a line as soon as it is there; the exit code is 2 if there was anything but questions."""
    understood = True
    for said, is_answer in found:
        sink.write(json.dumps(said) + "\n")
        sink.flush()
        understood = understood and is_answer
    return 0 if understood else 2


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode())
    except json.JSONDecodeError as mistake:
        raise InvalidInput("line", f"is not JSON: {mistake.msg}") from None
    except (ValueError, RecursionError):
        raise InvalidInput("line", "is not JSON in UTF-8 that can be read") from None
    if not isinstance(found, dict):
        raise InvalidInput("line", "must be a JSON object")
    return found
