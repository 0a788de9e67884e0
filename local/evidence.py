"""The folder of evidence that a run leaves behind, in the auditor's format.

Everything in it was recorded outside the application: by the providers, by the core, by the people who texted. Only
the logs are the application's own, and the packs and strategies are the law it was given.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from local.simulator.record import InboundSent, Record
from local.world import Announced, SentText

PROVIDER = "provider.jsonl"
CORE = "core.jsonl"
INBOUND = "inbound.jsonl"
ANNOUNCED = "announced.jsonl"
LOGS = "logs"
PACKS = "packs"
_OURS = (f"{LOGS}/*.log", f"{PACKS}/*.yaml", PROVIDER, CORE, INBOUND, ANNOUNCED)


class Feeder(Protocol):
    """The part of a core that writes down what it told, and when."""

    def write(self, path: Path) -> None: ...


def open_folder(folder: Path, content: Path) -> Path:
    """Make `folder` ready for a run: without an earlier run's evidence, with the rules of `content`. Gives the logs'.

    Raises:
        OSError: the folder cannot be made or written.
    """
    for pattern in _OURS:
        for path in sorted(folder.glob(pattern)):
            path.unlink()
    logs, packs = folder / LOGS, folder / PACKS
    for made in (logs, packs):
        made.mkdir(parents=True, exist_ok=True)
    for kind in ("packs", "policies", "stops", "strategies", "messages", "phrases", "plans"):
        for path in sorted((content / kind).glob("*.yaml")):
            shutil.copyfile(path, packs / f"{kind}-{path.name}")
    return logs


def write_evidence(
    folder: Path, record: Record, core: Feeder, texts: Iterable[SentText], announced: Iterable[Announced]
) -> None:
    """What the providers took, what the core told, what people texted with what they meant by it, and what others
    were told."""
    record.write_hand_overs(folder / PROVIDER)
    core.write(folder / CORE)
    meanings = {text.inbound_id: text.meaning for text in texts}
    lines = [
        {
            # When it reached the lender's side: from then on it binds, and the five minutes of its confirmation run.
            "at": sent.handed_on_at,
            "texted_at": sent.at,
            "inbound_id": sent.inbound_id,
            "provider": sent.provider,
            "from": sent.from_address,
            "to": sent.to_address,
            "text": sent.text,
            **_meant(meanings[sent.inbound_id]),
        }
        for sent in sorted(record.inbound, key=_arrival)
    ]
    told = [{"at": each.at.isoformat(), "type": each.kind, "detail": each.detail} for each in announced]
    for name, rows in ((INBOUND, lines), (ANNOUNCED, told)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")


def _meant(meaning: str) -> dict[str, str | None]:
    """A meaning as `local.behaviour` writes it: a promise with its day, and its amount where one was named."""
    name, *promised = meaning.split(" ")
    on, amount = (*promised, None, None)[:2]
    return {"meaning": name, "promised_on": on, "promised_amount": amount}


def _arrival(sent: InboundSent) -> tuple[datetime, str]:
    return datetime.fromisoformat(sent.handed_on_at), sent.inbound_id
