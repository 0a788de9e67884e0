"""Labelled texts: JSON lines `{"text", "locale", "intent", "amount"?, "on"?, "asked"?, "at"?}`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from dunlin.domain.intents import Asked, Intent
from dunlin.errors import InvalidInput

#: For texts whose day does not matter.
ANY_DAY = date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and how it should be read."""

    text: str
    locale: str
    intent: Intent
    amount: Decimal | None
    on: date | None
    asked: Asked
    today: date


def asked_of(dialogue: str | None) -> Asked:
    """`offers=3`, `confirm` or `rating`; nothing: no dialogue is open.

    Raises:
        InvalidInput: it is none of these.
    """
    if not dialogue:
        return Asked()
    name, _, number = dialogue.partition("=")
    if name == "offers" and number.isascii() and number.isdigit() and 1 <= int(number) <= 9:
        return Asked(offers=int(number))
    if dialogue == "confirm":
        return Asked(confirms=True)
    if dialogue == "rating":
        return Asked(rating=True)
    raise InvalidInput("dialogue", "must be offers=1 to offers=9, confirm or rating")


def read_corpus(folder: Path) -> Iterator[Labelled]:
    """Every labelled text of the folder's files, in the order of their names."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            yield Labelled(
                found["text"],
                found["locale"],
                Intent(found["intent"]),
                Decimal(found["amount"]) if "amount" in found else None,
                date.fromisoformat(found["on"]) if "on" in found else None,
                asked_of(found.get("asked")),
                date.fromisoformat(found["at"][:10]) if "at" in found else ANY_DAY,
            )
