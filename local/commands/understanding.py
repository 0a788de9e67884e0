"""`dunlin understand`: what a text asks for, a text a line; and `dunlin train-intents`, which makes the weights."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from dunlin.content import load_lexicon
from dunlin.domain.intents import Topic, Understood
from dunlin.domain.understanding import understand
from dunlin.errors import ContentError, InvalidInput

from local.commands.asking import CONTENT
from local.understanding.corpus import asked_of, read_corpus
from local.understanding.training import train, write

WEIGHTS = Path("models") / "intents.json"


def run(source: BinaryIO, sink: TextIO, *, locale: str | None, at: str | None, dialogue: str | None) -> int:
    """Read each line; an empty line is a text too, so that answers stand beside their lines.

    Bytes that are no UTF-8 are read as characters that say nothing. The exit code is 2 for an option that says nothing.
    """
    try:
        asked, today = asked_of(dialogue), _day_of(at)
        lexicon = load_lexicon(CONTENT)
    except InvalidInput as mistake:
        sys.stderr.write(f"--{mistake.field}: {mistake}\n")
        return 2
    except ContentError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 2
    for line in source:
        # What is broken of a text is no reason not to hear the rest of it.
        text = line.decode(errors="replace").rstrip("\r\n")
        found = understand(text, lexicon, locale=locale, today=today, asked=asked)
        sink.write(json.dumps(answer(found)) + "\n")
    sink.flush()
    return 0


def answer(found: Understood) -> dict[str, Any]:
    """What was understood, as JSON says it; what is not there is left out."""
    said: dict[str, Any] = {"intent": str(found.intent), "confidence": round(found.confidence, 3)}
    if found.amount is not None:
        said["amount"] = str(found.amount)
    if found.on is not None:
        said["on"] = found.on.isoformat()
    said["language"] = found.language
    if found.topic is not Topic.NONE:
        said["topic"] = str(found.topic)
    if found.choice is not None:
        said["choice"] = found.choice
    if found.rating is not None:
        said["rating"] = found.rating
    return said


def retrain(corpus: Path, directory: Path) -> tuple[int, float]:
    """Write the weights anew from the labelled texts of a folder; how many there are, and how many are read right.

    Raises:
        ContentError: the content cannot be read. OSError: a file cannot.
    """
    texts = tuple(read_corpus(corpus))
    lexicon = load_lexicon(directory)
    write(train(texts, lexicon), lexicon.traditional, directory / WEIGHTS)
    after = load_lexicon(directory)
    right = sum(
        understand(each.text, after, locale=each.locale, today=each.today, asked=each.asked).intent is each.intent
        for each in texts
    )
    return len(texts), right / max(len(texts), 1)


def _day_of(at: str | None) -> date:
    """The borrower's local date: of a day, or of a moment as its own clock shows it.

    Raises:
        InvalidInput: it is neither.
    """
    if at is None:
        return datetime.now().astimezone().date()
    try:
        return datetime.fromisoformat(at).date()
    except ValueError:
        raise InvalidInput("at", "must be a day or a moment, as 2026-03-15 or 2026-03-15T09:30+08:00") from None
