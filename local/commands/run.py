"""A world run to its end, its evidence written down, and the judgement of somebody who was not in it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

from dunlin.content import Content, load_content

from local.auditor import AuditReport, audit
from local.conversations import Conversation, Interest, conversations
from local.core.feed import CoreEvent
from local.evidence import open_folder, write_evidence
from local.portfolio.people import WHATSAPP_PREFIX
from local.simulator.faults import Faults
from local.simulator.simulator import Delivered, Stirred
from local.summary import Run, Summary, broken, collect, summarise, timed_decisions
from local.world import CONTENT, Announced, Reply, World

#: The lender's numbers that people text; see `layers/content/lenders`.
AMERICAN_LINE = "+12065550100"
CHINESE_LINE = "106900000142"
BRITISH_LINE = "+447700900142"
WHATSAPP_LINE = "+447700900143"

#: Told the virtual time as it passes, and which share of the run is over.
Progress = Callable[[datetime, float], None]


class FullCore(Protocol):
    """What a run needs of a core; the generated one and the replayed one both have it."""

    @property
    def history(self) -> list[dict[str, object]]: ...

    def next_due(self) -> datetime | None: ...

    def due(self, now: datetime) -> list[CoreEvent]: ...

    def write(self, path: Path) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to run. `first_texts` are on their way before anything is sent; `evidence`: where to keep it (None: only
    when something is found)."""

    core: FullCore
    start: datetime
    end: datetime
    seed: int
    faults: Faults
    on_delivered: Callable[[Delivered], Sequence[Reply]]
    first_texts: Sequence[Reply] = ()
    on_recycled: Callable[[Stirred], Sequence[Reply]] | None = None
    on_announced: Callable[[Announced], None] | None = None
    unreachable: Mapping[str, str]
    interests: Sequence[Interest]
    evidence: Path | None


@dataclass(frozen=True)
class Judged:
    """A run, its audit, its figures, what was broken, and the conversations worth reading.

    `evidence` is None when there is nothing to look for in it.
    """

    run: Run
    audit: AuditReport
    summary: Summary
    broken: Sequence[str]
    conversations: Sequence[Conversation]
    content: Content
    evidence: Path | None


def line_of(phone: str) -> str:
    """The lender's number that somebody with this number texts."""
    if phone.startswith("+86"):
        return CHINESE_LINE
    if phone.startswith(WHATSAPP_PREFIX):
        return WHATSAPP_LINE
    return BRITISH_LINE if phone.startswith("+44") else AMERICAN_LINE


def run_and_judge(plan: Plan, progress: Progress | None = None) -> Judged:
    """Run the world of `plan` to its end and judge it.

    Raises:
        OSError: the evidence cannot be written.
        ContentError: the content cannot be read.
    """
    began = time.perf_counter()
    content = load_content(CONTENT)
    whole = (plan.end - plan.start).total_seconds()

    def passed(now: datetime) -> None:
        if progress is not None:
            progress(now, (now - plan.start).total_seconds() / whole)

    folder = plan.evidence or Path(mkdtemp(prefix="dunlin-evidence-"))
    keep = plan.evidence is not None
    try:
        logs = open_folder(folder, CONTENT)
        with World(
            plan.core,
            plan.start,
            plan.end,
            plan.seed,
            plan.faults,
            logs,
            plan.on_delivered,
            line_of,
            unreachable=plan.unreachable,
            on_recycled=plan.on_recycled,
            on_announced=plan.on_announced,
            progress=passed,
            finance_numbers=(CHINESE_LINE,),
        ) as world:
            for text in plan.first_texts:
                world.text(*text)
            world.run()
            run = collect(world, plan.core.history)
            write_evidence(folder, world.simulator.record, plan.core, world.texts, world.announced)
        report = audit(folder, sender_names=sender_names(content))
        summary = summarise(run, report)
        found = broken(summary)
        summary["wall_seconds"] = round(time.perf_counter() - began, 2)
        summary["decisions_per_second"] = timed_decisions(run.borrowers, content, plan.end)
        keep = keep or bool(found)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return Judged(
        run=run,
        audit=report,
        summary=summary,
        broken=found,
        conversations=conversations(run, content, plan.interests),
        content=content,
        evidence=folder if keep else None,
    )


def sender_names(content: Content) -> tuple[str, ...]:
    """The names by which the lender speaks."""
    return tuple(sorted({texts[name] for texts in content.lender.texts.values() for name in ("name", "brand")}))
