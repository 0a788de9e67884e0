"""What is kept, what goes and when: the rules of `domain.retention`, carried out in steps that may be interrupted.

Nothing waits here on a timer of its own: the moment at which something may go stands on the wake index beside every
other, and the evaluation asks. Each step is one transaction with the hot item in it, so a step that was interrupted was
either done or not begun, a fact or a legal hold that comes meanwhile stops the next one, and a step that is done twice
finds nothing left to do.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dunlin.domain.borrower import Borrower
from dunlin.domain.hours import local_date
from dunlin.domain.keeping import Erasure, Forgetting, Keeping, LegalLift, Walk
from dunlin.domain.ledger import verify
from dunlin.domain.retention import (
    FREED_EVERY,
    ErasureAnswer,
    Forget,
    Keep,
    RetentionRules,
    asked_to_forget,
    deletion_digest,
    first_walk,
    has_words,
    held_for_law,
    holding_records,
    may_be_granted,
    next_walk,
    points_of,
    released_by_law,
    retention,
    tended,
    tombstone,
    what_is_left,
    without_words,
)
from dunlin.errors import InvalidInput
from dunlin.services.ports import Content, Holdings, Record, Removal, Shelf, Store, StoredItem

if TYPE_CHECKING:
    from dunlin.domain.facts import AboutRecords

#: Items of one step: with the hot item well under what one transaction takes, in number and in bytes.
PAGE = 50
#: Steps of one wake, so that one borrower with thousands of texts does not keep the others of the shard waiting.
STEPS = 10
#: Steps of one wake of a shard: when many are forgotten on one day, whoever is owed a message comes first.
STEPS_OF_A_SHARD = 300
#: A message that is still on its way has to end first; and who finds no step left comes again.
COMES_AGAIN = timedelta(hours=1)
#: A fact that was recorded while the last item went is looked for once more.
LEFT_OVER_WAITS = timedelta(days=1)

_TEXT, _LINK = "IN#", "BORROWER#"
#: What lies under a contact point and would expire by itself, except the memory of contacts that caps count.
_EXPIRE = (_TEXT, "WORD#")


class Retain:
    """Asked by the evaluation of every borrower whose wake has come."""

    def __init__(self, store: Store, holdings: Holdings, content: Content) -> None:
        self._store = store
        self._holdings = holdings
        self._content = content
        self._left = STEPS_OF_A_SHARD

    def begin(self) -> None:
        """A shard's wake begins: its steps are counted from here."""
        self._left = STEPS_OF_A_SHARD

    def noted(self, borrower: Borrower, now: datetime) -> Borrower:
        """The borrower with what the facts say of the keeping: since when nothing is open, and the first walk."""
        after = tended(borrower, now)
        if after.keeping.walk is not None:
            return after
        walk = first_walk(after, self._rules(after, now), now)
        return _with(after, walk=walk) if walk is not None else after

    def moments(self, borrower: Borrower, now: datetime) -> list[datetime]:
        """When to look again at what is kept of this borrower."""
        keeping, rules = borrower.keeping, self._rules(borrower, now)
        held = holding_records(keeping, now)
        moments = [hold.until for hold in held if hold.until is not None]
        if held:
            moments.append(keeping.freed_at + FREED_EVERY if keeping.freed_at is not None else now)
            return moments
        answer = retention(borrower, rules, now)
        if isinstance(answer, Forget):
            moments.append(now)
        elif answer.ask_at is not None:
            moments.append(answer.ask_at)
        if keeping.walk is not None and rules is not None and rules.live and rules.keep_texts is not None:
            moments.append(keeping.walk.at)
        if keeping.erasure is not None and keeping.erasure.granted_at is None and rules is not None and not rules.live:
            moments.append(now + timedelta(days=1))
        return moments

    def tend(self, borrower: Borrower, now: datetime) -> Borrower | None:
        """Do what may be done now, at most so many steps. The borrower as it is stored then; None when there is nothing
        to evaluate: they are being forgotten (the wake stands until they are), or were.

        Raises:
            Conflict: a fact came meanwhile. TransientError. Either way, what is done is done and the rest comes again.
        """
        if borrower.keeping.forgotten_at is not None:
            self._look_for_what_was_left(borrower, now)
            return None
        rules = self._rules(borrower, now)
        if holding_records(borrower.keeping, now):
            return self._kept_from_expiring(borrower, now)
        if may_be_granted(borrower, rules, now):
            borrower = self._granted(borrower, rules, now)
        answer = retention(tended(borrower, now), rules, now)
        if isinstance(answer, Forget) and rules is not None:
            self._forget(tended(borrower, now), answer, rules, now)
            return None
        return self._walked(borrower, rules, now)

    def answer(self, borrower: Borrower, now: datetime) -> Keep | Forget:
        """What the rules say of this borrower now: for whoever asks, nothing is done."""
        return retention(tended(borrower, now), self._rules(borrower, now), now)

    def _rules(self, borrower: Borrower, now: datetime) -> RetentionRules | None:
        return rules_of(borrower, self._content, now)

    def _written(self, removal: Removal) -> Borrower:
        self._left -= 1
        self._holdings.commit(removal)
        return replace(removal.borrower, revision=removal.borrower.revision + 1)

    # ── legal hold ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _kept_from_expiring(self, borrower: Borrower, now: datetime) -> Borrower:
        """Under a legal hold: what lies under the borrower's points and would go by itself stays, until further notice.

        Whatever is written without a wait for this one lives for years, so it is enough to come again long before.
        """
        freed_at = borrower.keeping.freed_at
        if freed_at is not None and now < freed_at + FREED_EVERY:
            return borrower
        steps = STEPS
        for point in points_of(borrower):
            for page in self._pages(Shelf.POINT, point):
                expiring = tuple(item for item in page if item.expires and item.item.startswith(_EXPIRE))
                if not expiring:
                    continue
                if not steps:
                    return borrower  # the wake is set anew, and what is done is not found again
                borrower = self._written(Removal(borrower, rewritten=expiring))
                steps -= 1
        return self._written(Removal(_with(borrower, freed_at=now)))

    # ── a request that was put off ───────────────────────────────────────────────────────────────────────────────────

    def _granted(self, borrower: Borrower, rules: RetentionRules | None, now: datetime) -> Borrower:
        erasure = borrower.keeping.erasure
        assert erasure is not None
        after, answer = asked_to_forget(borrower, erasure, rules, now)
        return self._written(Removal(after, records=(answer_record(borrower.borrower_id, erasure, answer, now),)))

    # ── the words of texts ───────────────────────────────────────────────────────────────────────────────────────────

    def _walked(self, borrower: Borrower, rules: RetentionRules | None, now: datetime) -> Borrower:
        """Let the words go of texts that are older than anything wants them kept: messages first, then the points."""
        walk = borrower.keeping.walk
        if walk is None or now < walk.at or rules is None or not rules.live or rules.keep_texts is None:
            return borrower
        cut_at = now - timedelta(days=rules.keep_texts.length)
        points = points_of(borrower)
        for _ in range(STEPS):
            if walk.place > len(points):
                return self._written(Removal(_with(borrower, walk=next_walk(walk, rules.keep_texts, now))))
            if walk.place == 0:
                removal = self._wordless_messages(borrower, walk, cut_at)
            else:
                removal = self._wordless_texts(borrower, walk, points[walk.place - 1], cut_at, now)
            borrower = self._written(removal)
            walk = borrower.keeping.walk
            assert walk is not None
        return borrower

    def _wordless_messages(self, borrower: Borrower, walk: Walk, cut_at: datetime) -> Removal:
        page = self._holdings.messages(borrower.borrower_id, walk.after, PAGE)
        spoken = [message for message in page if has_words(message)]
        old = [message for message in spoken if message.is_terminal and message.requested_at <= cut_at]
        left = [message.requested_at for message in spoken if message not in old]
        walk = _gone_on(walk, page[-1].key if len(page) == PAGE else "", left)
        return Removal(_with(borrower, walk=walk), messages=tuple(map(without_words, old)))

    def _wordless_texts(self, borrower: Borrower, walk: Walk, point: str, cut_at: datetime, now: datetime) -> Removal:
        page = self._holdings.items(Shelf.POINT, point, walk.after, PAGE)
        others = tuple(self._others(borrower, point))
        for other in others:
            theirs = self._rules(other, now)
            if theirs is None or theirs.keep_texts is None or holding_records(other.keeping, now):
                cut_at = _EARLIEST  # somebody else who has this number needs what was texted from it
            else:
                cut_at = min(cut_at, now - timedelta(days=theirs.keep_texts.length))
        left: list[datetime] = []
        old: list[StoredItem] = []
        for item in page:
            said_at = _said_at(item)
            if said_at is not None and said_at <= cut_at:
                old.append(_without_text(item))
            elif said_at is not None:
                left.append(said_at)
        walk = _gone_on(walk, page[-1].item if len(page) == PAGE else "", left)
        return Removal(_with(borrower, walk=walk), rewritten=tuple(old), unchanged=others)

    def _others(self, borrower: Borrower, point: str) -> Iterator[Borrower]:
        """Whoever else has this number, and is not forgotten."""
        for borrower_id in self._store.borrowers_of(point):
            other = self._store.borrower(borrower_id) if borrower_id != borrower.borrower_id else None
            if other is not None and other.keeping.forgotten_at is None:
                yield other

    # ── forgetting ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _forget(self, borrower: Borrower, answer: Forget, rules: RetentionRules, now: datetime) -> None:
        """Take everything away, and leave a tombstone: messages, then records, then what lies under the points."""
        if self._left < STEPS:
            self._put_off(borrower, now)
            return
        if borrower.keeping.forgetting is None:
            begun = self._begun(borrower, answer, rules, now)
            if begun is None:
                return
            borrower = begun
        for _ in range(STEPS):
            forgetting = borrower.keeping.forgetting
            assert forgetting is not None
            page = self._next_to_go(borrower, forgetting)
            if any(not item.is_settled for item in page):
                self._put_off(borrower, now)
                return
            if not page:
                left = what_is_left(borrower, now, now + LEFT_OVER_WAITS)
                stone = Record(borrower.borrower_id, _stone(forgetting), tombstone(borrower, forgetting, now))
                self._written(Removal(left, records=(stone,)))
                return
            borrower = self._written(Removal(_with(borrower, forgetting=_counted(forgetting, page)), tuple(page)))

    def _begun(self, borrower: Borrower, answer: Forget, rules: RetentionRules, now: datetime) -> Borrower | None:
        """The chain is followed once more before its first link goes, whole or not: the tombstone says which."""
        messages = self._store.conversation(borrower.borrower_id)
        if any(not message.is_terminal for message in messages):
            self._put_off(borrower, now)
            return None
        points = {*points_of(borrower), *(message.point for message in messages if message.point)}
        forgetting = Forgetting(
            begun_at=now,
            rule=answer.rule,
            content_version=rules.content_version,
            points=tuple(sorted(points)),
            entries=sum(1 for message in messages if message.entry_hash),
            is_whole=verify(messages, borrower.chain_head) is None,
        )
        return self._written(Removal(_with(borrower, forgetting=forgetting)))

    def _put_off(self, borrower: Borrower, now: datetime) -> None:
        self._written(Removal(replace(borrower, wake_at=now + COMES_AGAIN)))

    def _next_to_go(self, borrower: Borrower, forgetting: Forgetting) -> list[StoredItem]:
        for shelf in (Shelf.MESSAGES, Shelf.RECORDS):
            page = self._holdings.items(shelf, borrower.borrower_id, "", PAGE)
            if page:
                return list(page)
        for point in forgetting.points:
            page = self._theirs(borrower, point)
            if page:
                return page
        return []

    def _theirs(self, borrower: Borrower, point: str) -> list[StoredItem]:
        """What goes with this borrower from under a point: all but the opt-outs, or, while somebody else has the number
        too, that this one had it. Whose texts they were nobody knows, so they go with the last."""
        shared = any(True for _ in self._others(borrower, point))
        link = f"{_LINK}{borrower.borrower_id}"
        page = self._holdings.items(Shelf.POINT, point, "", PAGE)
        if not shared:
            return list(page)
        found = [item for item in self._pages_of(Shelf.POINT, point) if item.item == link]
        return found[:1]

    def _look_for_what_was_left(self, borrower: Borrower, now: datetime) -> None:
        """Once more, a day later: a fact can have been recorded between the last look and the end."""
        forgetting = Forgetting(now, "", "", borrower.keeping.former_points, 0, is_whole=True)
        for _ in range(STEPS):
            page = self._next_to_go(borrower, forgetting)
            if not page:
                rest = Keeping(forgotten_at=borrower.keeping.forgotten_at)
                self._written(Removal(replace(borrower, wake_at=None, keeping=rest)))
                return
            borrower = self._written(Removal(borrower, tuple(page)))

    def _pages(self, shelf: Shelf, owner: str) -> Iterator[tuple[StoredItem, ...]]:
        after = ""
        while True:
            page = tuple(self._holdings.items(shelf, owner, after, PAGE))
            if page:
                yield page
            if len(page) < PAGE:
                return
            after = page[-1].item

    def _pages_of(self, shelf: Shelf, owner: str) -> Iterator[StoredItem]:
        for page in self._pages(shelf, owner):
            yield from page


# ── Facts about records ──────────────────────────────────────────────────────────────────────────────────────────────


def rules_of(borrower: Borrower, content: Content, now: datetime) -> RetentionRules | None:
    """What binds the place this borrower lives in, today."""
    return content.retention(borrower.jurisdiction, local_date(now, borrower.zone))


def not_forgotten(borrower: Borrower | None) -> None:
    """Raises InvalidInput for a fact about somebody who was forgotten: only a new profile begins anew."""
    if borrower is not None and borrower.keeping.forgotten_at is not None:
        raise InvalidInput("borrower_id", "was forgotten: a new borrower.updated comes first")


def applied_to_records(
    borrower: Borrower, event: AboutRecords, content: Content, now: datetime
) -> tuple[Borrower, list[Record]]:
    """The borrower after a legal hold or a request to be forgotten, and what is recorded of it.

    Raises:
        InvalidInput: whoever may not say so.
    """
    # Only where facts are applied: thirty classes that whoever evaluates would make for nothing.
    from dunlin.domain.facts import ErasureRequested, LegalHoldLifted, LegalHoldPlaced  # noqa: PLC0415

    match event:
        case LegalHoldPlaced():
            return held_for_law(borrower, event.hold), []
        case LegalHoldLifted():
            return released_by_law(borrower, LegalLift(event.hold_id, event.occurred_at, event.by)), []
        case ErasureRequested():
            after, answer = asked_to_forget(borrower, event.erasure, rules_of(borrower, content, now), now)
            return after, [answer_record(borrower.borrower_id, event.erasure, answer, now)]


def answer_record(borrower_id: str, erasure: Erasure, answer: ErasureAnswer, now: datetime) -> Record:
    """The answer to a request, for ever (until everything goes): what was decided, and under which rules."""
    document: dict[str, object] = {
        "request_id": erasure.request_id,
        "requested_at": erasure.requested_at,
        "by": erasure.by,
        "outcome": str(answer.outcome),
        "rules": list(answer.rules),
        "sources": list(answer.sources),
        "gone": list(answer.gone),
        "kept_until": answer.kept_until,
        "content_version": answer.content_version,
        "recorded_at": now,
    }
    return Record(borrower_id, f"ERASURE#{erasure.request_id}#{answer.outcome}", document)


# ── Items ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_EARLIEST = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _with(borrower: Borrower, **changes: object) -> Borrower:
    return replace(borrower, keeping=replace(borrower.keeping, **changes))  # type: ignore[arg-type]


def _gone_on(walk: Walk, after: str, left: Iterable[datetime]) -> Walk:
    """The walk one page on; at the end of a shelf, on to the next."""
    oldest = min([*left, *([walk.oldest] if walk.oldest is not None else [])], default=None)
    return replace(walk, after=after, oldest=oldest, place=walk.place if after else walk.place + 1)


def _said_at(item: StoredItem) -> datetime | None:
    """When a text was received that still has its words; None for anything else."""
    if not item.item.startswith(_TEXT):
        return None
    document = json.loads(item.document)
    return datetime.fromisoformat(document["received_at"]) if "text" in document else None


def _without_text(item: StoredItem) -> StoredItem:
    """The text without its words: what it meant, when it came, and a digest, should somebody show what was said."""
    document = json.loads(item.document)
    document["text_digest"] = hashlib.sha256(document.pop("text").encode()).hexdigest()
    return replace(item, document=json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _counted(forgetting: Forgetting, page: Iterable[StoredItem]) -> Forgetting:
    """The forgetting with these items counted and hashed."""
    items = list(page)
    digest = deletion_digest(forgetting.digest, ((item.item, item.document) for item in items))
    shelf = items[0].shelf
    texts = sum(1 for item in items if item.item.startswith(_TEXT))
    return replace(
        forgetting,
        digest=digest,
        messages=forgetting.messages + (len(items) if shelf is Shelf.MESSAGES else 0),
        records=forgetting.records + (len(items) if shelf is Shelf.RECORDS else 0),
        texts=forgetting.texts + texts,
    )


def _stone(forgetting: Forgetting) -> str:
    return f"TOMBSTONE#{forgetting.begun_at.isoformat()}"
