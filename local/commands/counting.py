"""`dunlin segments`: how many parts a text takes, as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any, BinaryIO, TextIO

from dunlin.domain.segments import CAPACITY, segment
from dunlin.errors import InvalidInput

from local.commands.lines import answers, write_answers


def counted(text: str) -> dict[str, Any]:
    """`characters` and `per_part` are counted alike: septets in GSM-7, where an extension character takes two; UTF-16
    code units in UCS-2, where a character beyond the basic plane takes two."""
    found = segment(text)
    alone, joined = CAPACITY[found.encoding]
    return {
        "encoding": str(found.encoding),
        "characters": found.units,
        "parts": found.parts,
        "per_part": alone if found.parts <= 1 else joined,
    }


def run(source: BinaryIO, sink: TextIO, *, jsonl: bool) -> int:
    """Count the text in `source`, or the text of each line; the exit code is 2 for what is no text.

    Bytes are read, because a text stream would make one line break of every kind of it.
    """
    if jsonl:
        return write_answers(answers(source, _answer), sink)
    try:
        text = source.read().decode()
    except UnicodeDecodeError:
        sys.stderr.write("standard input: is not UTF-8 text\n")
        return 2
    sink.write(json.dumps(counted(_without_last_break(text))) + "\n")
    return 0


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    text = asked.get("text")
    if not isinstance(text, str):
        raise InvalidInput("text", "must be a text")
    return counted(text)


def _without_last_break(text: str) -> str:
    """A shell's echo ends a text with a line break that nobody meant to send."""
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
