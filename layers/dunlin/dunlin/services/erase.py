"""What a request to be forgotten would come to, before anybody makes it: nothing is written here.

The request itself is the core event `erasure.requested`, whoever makes it: one door, one answer, one record of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dunlin.domain.keeping import Erasure, LegalHold
from dunlin.domain.retention import (
    ErasureAnswer,
    RetentionRules,
    asked_to_forget,
    has_words,
    holding_records,
    is_erased,
    points_of,
)
from dunlin.errors import InvalidInput
from dunlin.services.ports import Content, Holdings, Shelf, Store
from dunlin.services.retention import rules_of

_PAGE = 50
_TEXT = "IN#"


@dataclass(frozen=True, slots=True)
class Prospect:
    """The answer that a request would get now, the rules and legal holds behind it, and how much there is.

    `is_erased`: a request was granted before. `opted_out`: contact points whose opt-outs stay, whatever goes.
    """

    answer: ErasureAnswer
    rules: RetentionRules | None
    legal_holds: tuple[LegalHold, ...]
    is_erased: bool
    messages: int
    with_words: int
    records: int
    texts: int
    opted_out: int


def prospect(
    store: Store, holdings: Holdings, content: Content, borrower_id: str, erasure: Erasure, now: datetime
) -> Prospect:
    """What `erasure` would come to.

    Raises:
        InvalidInput: nobody of that id is known, or was forgotten. TransientError.
    """
    borrower = store.borrower(borrower_id)
    if borrower is None:
        raise InvalidInput("borrower", "is not known")
    if borrower.keeping.forgotten_at is not None:
        raise InvalidInput("borrower", f"was forgotten on {borrower.keeping.forgotten_at.date()}")
    rules = rules_of(borrower, content, now)
    _, answer = asked_to_forget(borrower, erasure, rules, now)
    messages = store.conversation(borrower_id)
    points = points_of(borrower)
    return Prospect(
        answer,
        rules,
        holding_records(borrower.keeping, now),
        is_erased(borrower),
        len(messages),
        sum(map(has_words, messages)),
        len(_items(holdings, Shelf.RECORDS, borrower_id)),
        sum(item.startswith(_TEXT) for point in points for item in _items(holdings, Shelf.POINT, point)),
        sum(bool(store.suppression(point).blocked) for point in points),
    )


def _items(holdings: Holdings, shelf: Shelf, owner: str) -> list[str]:
    found: list[str] = []
    while True:
        page = holdings.items(shelf, owner, found[-1] if found else "", _PAGE)
        found += [item.item for item in page]
        if len(page) < _PAGE:
            return found
