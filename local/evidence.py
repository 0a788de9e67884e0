"""The folder of evidence that a run leaves behind, in the auditor's format.

Everything in it was recorded outside the application: by the providers, by the core, by the people who texted. Only
the logs are the application's own, and the packs and strategies are the law it was given.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from local.simulator.record import InboundSent, Record
from local.world import Announced, SentText

PROVIDER = "provider.jsonl"
CORE = "core.jsonl"
INBOUND = "inbound.jsonl"
ANNOUNCED = "announced.jsonl"
LISTED = "listed.jsonl"
LOGS = "logs"
PACKS = "packs"
OUTAGES = "outages.jsonl"
_OURS = (f"{LOGS}/*.log", f"{PACKS}/*.yaml", PROVIDER, CORE, INBOUND, ANNOUNCED, LISTED, OUTAGES)


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
    folder: Path,
    record: Record,
    core: Feeder,
    texts: Iterable[SentText],
    announced: Iterable[Announced],
    *,
    outages: Iterable[tuple[datetime, datetime]] = (),
    taken_in: Mapping[str, str] | None = None,
) -> None:
    """What the providers took, what the core told, what people texted with what they meant by it, and what others
    were told, and what happened to the provider's own opt-out list; of a run in which something was broken on purpose,
    when it was, and when each text was written down."""
    record.write_hand_overs(folder / PROVIDER)
    record.write_listed(folder / LISTED)
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
            **({"taken_in_at": taken_in[sent.inbound_id]} if taken_in and sent.inbound_id in taken_in else {}),
        }
        for sent in sorted(record.inbound, key=_arrival)
    ]
    told = [{"at": each.at.isoformat(), "type": each.kind, "detail": each.detail} for each in announced]
    broken = [{"begins": begins.isoformat(), "ends": ends.isoformat()} for begins, ends in outages]
    for name, rows in ((INBOUND, lines), (ANNOUNCED, told), (OUTAGES, broken)):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text(text, encoding="utf-8")


def _meant(meaning: str) -> dict[str, str | None]:
    """A meaning as `local.behaviour` writes it: a promise with its day, and its amount where one was named."""
    name, *promised = meaning.split(" ")
    on, amount = (*promised, None, None)[:2]
    return {"meaning": name, "promised_on": on, "promised_amount": amount}


def _arrival(sent: InboundSent) -> tuple[datetime, str]:
    return datetime.fromisoformat(sent.handed_on_at), sent.inbound_id
