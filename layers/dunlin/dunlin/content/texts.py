"""A text file: one message in one language, a section for each channel.

    author: strategy@marram.example

    === sms 2/3
    {{ brand }}: ...

    === email A message about your account
    {{ brand }} ...

    === push A title
    One short line.

Behind `sms` stand the parts of an ordinary text and the most any text may take; behind `email` the subject, behind
`push` and
`wechat` the title. What a message is for, and which facts it needs, is said once for all languages in `messages/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from dunlin.domain.words import Channel
from dunlin.errors import ContentError

_OPENS = re.compile(r"^=== (?P<channel>\S+)(?: (?P<rest>.*\S))?\s*$")
_PARTS = re.compile(r"^(?P<ordinary>[1-9]|10)/(?P<longest>[1-9]|10)$")
MOST_PARTS = 10


@dataclass(frozen=True, slots=True)
class Section:
    """The words for one channel. `line` is where `source` begins; `subject` is the subject or the title."""

    channel: Channel
    source: str
    line: int
    subject: str = ""
    expected_parts: int = 0
    max_parts: int = 0


@dataclass(slots=True)
class TextFile:
    """What a file says. `errors` is empty when all of it can be used."""

    author: str = ""
    sections: dict[Channel, Section] = field(default_factory=dict)
    errors: list[ContentError] = field(default_factory=list)


def parse_text_file(name: str, text: str) -> TextFile:
    """The sections of a text file; what is wrong is collected with file and line."""
    found = TextFile()
    lines = text.split("\n")
    begins = [number for number, line in enumerate(lines) if line.startswith("===")]
    head_ends = begins[0] if begins else len(lines)
    for number, line in enumerate(lines[:head_ends]):
        key, colon, value = line.partition(":")
        if not line.strip():
            continue
        if key != "author" or not colon or not value.strip() or found.author:
            found.errors.append(ContentError(f"{name}:{number + 1}", ".", "the head has one line, author: and a name"))
            continue
        found.author = value.strip()
    if not found.author:
        found.errors.append(ContentError(f"{name}:1", "author", "is not there"))
    if not begins:
        found.errors.append(ContentError(f"{name}:1", ".", "has no section; one begins with === and a channel"))
    for begin, end in pairwise([*begins, len(lines)]):
        section = _section(name, begin, lines[begin], lines[begin + 1 : end], found.errors)
        if section is None:
            continue
        if section.channel in found.sections:
            found.errors.append(ContentError(f"{name}:{begin + 1}", section.channel, "is there twice"))
        found.sections[section.channel] = section
    return found


def _section(name: str, number: int, opening: str, body: list[str], errors: list[ContentError]) -> Section | None:
    where = f"{name}:{number + 1}"
    match = _OPENS.match(opening)
    if match is None:
        errors.append(ContentError(where, ".", "a section begins with === and a channel"))
        return None
    try:
        channel = Channel(match["channel"])
    except ValueError:
        errors.append(ContentError(where, match["channel"], f"is not one of {', '.join(Channel)}"))
        return None
    rest = match["rest"] or ""
    blank = next((count for count, line in enumerate(body) if line.strip()), len(body))
    source = "\n".join(body[blank:]).rstrip()
    if not source:
        errors.append(ContentError(where, channel, "says nothing"))
        return None
    line = number + 2 + blank
    if channel is not Channel.SMS:
        if not rest:
            errors.append(ContentError(where, channel, "needs its subject or title behind the channel"))
            return None
        return Section(channel, source, line, subject=rest)
    parts = _PARTS.match(rest)
    if parts is None or int(parts["ordinary"]) > int(parts["longest"]):
        problem = f"needs parts behind it, such as 2/3: an ordinary text's and the most any takes (1 to {MOST_PARTS})"
        errors.append(ContentError(where, channel, problem))
        return None
    return Section(channel, source, line, expected_parts=int(parts["ordinary"]), max_parts=int(parts["longest"]))


def channels_in(text: str) -> Iterator[Channel]:
    """Which channels a file has words for, without reading the words."""
    for line in text.split("\n"):
        match = _OPENS.match(line) if line.startswith("===") else None
        if match is not None and match["channel"] in set(Channel):
            yield Channel(match["channel"])
