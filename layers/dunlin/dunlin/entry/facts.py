"""One fact of the core, from whichever door it came: applied, or refused and remembered as a doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dunlin.domain.facts import CoreEvent
from dunlin.entry.core_events import parse_core_event
from dunlin.errors import InvalidInput
from dunlin.services.ingest import Ingest, Ingested

#: A wish may be refused for what it asks, and says nothing about money: no reason to doubt the figures.
_WITHOUT_DOUBT = frozenset(
    {
        "preferences.chosen",
        "notice.requested",
        "task.acknowledged",
        "task.closed",
        "answer.requested",
        "legal_hold.placed",
        "legal_hold.lifted",
        "erasure.requested",
    }
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}")


def apply_fact(ingest: Ingest, document: object, *, nobody_waits: bool = False) -> tuple[CoreEvent, Ingested]:
    """Parse and apply one event. `nobody_waits` for what we say to it (a bus): who asked for an answer that is refused
    is told by an announcement.

    A fact that is refused about a borrower we can name (a payment, perhaps) leaves a doubt: what we believe of that
    borrower is stale until the core's next snapshot.

    Raises:
        InvalidInput: naming the field. NotFound, VersionConflict, TransientError: not now.
    """
    try:
        event = parse_core_event(document)
        return event, ingest.receive(event)
    except InvalidInput as refusal:
        if not isinstance(document, Mapping):
            raise
        borrower_id, type_ = document.get("borrower_id"), document.get("type")
        if nobody_waits and type_ == "answer.requested":
            _refuse_answer(ingest, document, refusal)
        if isinstance(type_, str) and type_ in _WITHOUT_DOUBT:
            raise
        if isinstance(borrower_id, str) and _ID.fullmatch(borrower_id):
            ingest.doubt(borrower_id)
        raise


def _refuse_answer(ingest: Ingest, document: Mapping[str, object], refusal: InvalidInput) -> None:
    answer = document.get("answer")
    asked = answer if isinstance(answer, Mapping) else {}
    ids = [document.get("borrower_id"), asked.get("answer_id"), asked.get("author", "unknown")]
    if all(isinstance(each, str) and _ID.fullmatch(each) for each in ids):
        borrower_id, answer_id, author = map(str, ids)
        ingest.refuse_answer(borrower_id, answer_id, author, refusal)
