"""Everything that is held about one person, as one document, and what of the ledger proves it.

A borrower's records are about several people where there are several parties, and each of them sees only their own. So
what is written for one party is taken by rule (their messages, loans, agreements, texts), and whatever names another
party, one of their numbers or an id of theirs is withheld and counted. Of the others' entries in the hash chain there
are the hashes alone: the chain can be followed from end to end, and says nothing of what was said to whom.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from dunlin.domain.borrower import Borrower, Party
from dunlin.domain.ledger import body_digest, entry_hash, verify
from dunlin.domain.message import Message
from dunlin.domain.parties import stands_for
from dunlin.domain.retention import points_of
from dunlin.domain.words import PartyRole
from dunlin.errors import InvalidInput
from dunlin.services.ports import Holdings, Shelf, Store, StoredItem

#: The format of an export. What is added keeps it; what changes meaning is another one.
FORMAT: Final = "dunlin.export/1"
_PAGE: Final = 50
#: Under a contact point: texts, words about it and what was found out; neither who else has it nor what others felt.
_THEIRS: Final = ("IN#", "WORD#", "FOUND#")
#: What is said of the whole borrower may be another party's matter, so only the primary borrower is told.
_OF_THE_BORROWER: Final = ("holds", "lifts", "legal_holds", "case", "marks")
_SHORTEST_NAME: Final = 3
_OTHER_WORDS: Final = "its words are not the ones that were reserved"


def export(store: Store, holdings: Holdings, borrower_id: str, party_id: str, now: datetime) -> dict[str, Any]:
    """What is held about one party (empty: the primary borrower), in JSON's types.

    Raises:
        InvalidInput: nobody of that id is known, or was forgotten. TransientError.
    """
    borrower = store.borrower(borrower_id)
    if borrower is None:
        raise InvalidInput("borrower", "is not known")
    if borrower.keeping.forgotten_at is not None:
        raise InvalidInput("borrower", "was forgotten: dunlin verify shows what is left")
    return _Export(store, holdings, borrower, _party(borrower, party_id)).document(now)


def _party(borrower: Borrower, party_id: str) -> Party:
    for party in borrower.parties:
        if party.party_id == party_id or (not party_id and party.role is PartyRole.PRIMARY):
            return party
    raise InvalidInput("party", f"is not one of {', '.join(party.party_id for party in borrower.parties)}")


class _Export:
    def __init__(self, store: Store, holdings: Holdings, borrower: Borrower, party: Party) -> None:
        self._store, self._holdings, self._borrower, self._party = store, holdings, borrower, party
        self._is_alone = len(borrower.parties) == 1
        self._is_primary = party.role is PartyRole.PRIMARY
        self._own = stands_for(borrower, party)
        self._names_others = _mentions(borrower, party, self._own)
        self._withheld: Counter[str] = Counter()

    def document(self, now: datetime) -> dict[str, Any]:
        borrower, party = self._borrower, self._party
        messages = list(_all(self._holdings, Shelf.MESSAGES, borrower.borrower_id))
        entries = self._store.conversation(borrower.borrower_id)
        told = {message.key for message in entries if message.party_id == party.party_id}
        shown = self._kept("messages", (_opened(item) for item in messages if item.item in told))
        refs = {f"{borrower.borrower_id}/{message['key']}" for message in shown}
        document: dict[str, Any] = {
            "format": FORMAT,
            "exported_at": now.isoformat(),
            "borrower_id": borrower.borrower_id,
            "person": _plain(party),
            "jurisdiction": borrower.jurisdiction,
            "loans": self._kept("loans", (loan for loan in borrower.loans if party.is_on(loan.loan_id))),
            **self._agreements(),
            **self._decisions(),
            "messages": shown,
            "texts": self._texts(),
            "opt_outs": [self._opt_outs(point) for point in self._points()],
            "records": self._records(),
            "ledger": {"head": borrower.chain_head, "links": _links(entries, refs)},
            "withheld": dict(sorted(self._withheld.items())),
        }
        return document | {"digest": digest_of(document)}

    def _agreements(self) -> dict[str, Any]:
        """What was promised, agreed, asked and answered: each of these names whose it is."""
        borrower = self._borrower
        found: dict[str, Any] = {}
        for name in ("promises", "plans", "dialogues", "tasks", "care", "notices", "letters", "contacts"):
            every = getattr(borrower, name)
            found[name] = self._kept(name, (each for each in every if self._is_theirs(each.party_id)))
        return found

    def _is_theirs(self, party_id: str) -> bool:
        return party_id in self._own or (not party_id and (self._is_primary or self._is_alone))

    def _decisions(self) -> dict[str, Any]:
        """Stops, cases and what became of each stage."""
        borrower = self._borrower
        every: dict[str, Iterable[Any]] = {
            "holds": borrower.holds,
            "lifts": borrower.lifts,
            "legal_holds": borrower.keeping.legal_holds,
            "case": () if borrower.case is None else (dataclasses.replace(borrower.case, token=None),),
            "marks": borrower.marks,
        }
        found: dict[str, Any] = {}
        for name in _OF_THE_BORROWER:
            whose = (getattr(each, "party_id", "") or getattr(each, "principal_id", "") for each in every[name])
            found[name] = self._kept(
                name, (each for each, owner in zip(every[name], whose, strict=True) if self._is_theirs(owner))
            )
        return found

    def _points(self) -> Sequence[str]:
        """Their contact points; with the former ones where nobody else can have had them."""
        if self._is_alone:
            return points_of(self._borrower)
        return sorted({point.point for point in self._party.points})

    def _texts(self) -> list[Any]:
        found: list[Any] = []
        for point in self._points():
            items = [item for item in _all(self._holdings, Shelf.POINT, point) if item.item.startswith(_THEIRS)]
            if self._is_shared(point):
                self._withheld["texts of a shared number"] += len(items)
            else:
                found += self._kept("texts", (_opened(item) for item in items))
        return found

    def _is_shared(self, point: str) -> bool:
        others = (party for party in self._borrower.parties if party.party_id != self._party.party_id)
        return any(each.point == point for party in others for each in party.points) or any(
            borrower_id != self._borrower.borrower_id for borrower_id in self._store.borrowers_of(point)
        )

    def _opt_outs(self, point: str) -> dict[str, Any]:
        state = self._store.suppression(point)
        return {"point": point, "blocked": sorted(state.blocked), "words": _plain(state.words)}

    def _records(self) -> list[Any]:
        """Facts, payments, texts, ended cases. What names no party is the primary borrower's."""
        records = map(_opened, _all(self._holdings, Shelf.RECORDS, self._borrower.borrower_id))
        return self._kept("records", (each for each in records if self._is_theirs(str(each.get("party_id") or ""))))

    def _kept(self, name: str, values: Iterable[Any]) -> list[Any]:
        found: list[Any] = []
        for value in map(_plain, values):
            if self._names_others is not None and any(map(self._names_others.search, _strings(value))):
                self._withheld[name] += 1
            else:
                found.append(value)
        return found


def _mentions(borrower: Borrower, party: Party, own: frozenset[str]) -> re.Pattern[str] | None:
    """What names another party: an id, a name, an address, a point. None: there is nobody else."""
    others = [other for other in borrower.parties if other.party_id != party.party_id]
    said = {other.party_id for other in others if other.party_id not in own}
    said |= {text for other in others for point in other.points for text in (point.address, point.point)}
    said |= {other.name for other in others if len(other.name) >= _SHORTEST_NAME and other.name not in party.name}
    said -= {text for point in party.points for text in (point.address, point.point)} | {""}
    if not said:
        return None
    return re.compile("|".join(rf"(?<![A-Za-z0-9_]){re.escape(text)}(?![A-Za-z0-9_])" for text in sorted(said)))


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for key, inner in value.items():
                yield str(key)
                yield from _strings(inner)
        case list():
            for inner in value:
                yield from _strings(inner)


def _all(holdings: Holdings, shelf: Shelf, owner: str) -> Iterator[StoredItem]:
    after = ""
    while True:
        page = holdings.items(shelf, owner, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].item


def _opened(item: StoredItem) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(item.document or "{}")
    return document if item.shelf is Shelf.MESSAGES else {"item": item.item, **document}


def _plain(value: Any) -> Any:
    """A value of the domain in JSON's types: instants in ISO 8601, sets in order, money as text."""
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case frozenset() | set():
            return sorted(map(_plain, value))
        case list() | tuple():
            return [_plain(inner) for inner in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 over the document without its `digest`: canonical JSON, keys in order, no spaces, UTF-8."""
    bare = {key: value for key, value in document.items() if key != "digest"}
    text = json.dumps(bare, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# ── Proof ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _links(messages: Iterable[Message], refs: set[str]) -> list[dict[str, str]]:
    """The chain, first entry first: of each its hash, what it stands on and, if it is theirs, which message it is."""
    by_previous = {message.previous_hash: message for message in messages if message.entry_hash}
    found: list[dict[str, str]] = []
    current = ""
    while current in by_previous:
        message = by_previous.pop(current)
        ref = message.ref if message.ref in refs else ""
        found.append({"ref": ref, "previous_hash": current, "entry_hash": message.entry_hash})
        current = message.entry_hash
    return found


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of a check: the head that was reached, how many entries there are, of how many of them the words and
    circumstances were held against their hash, and what is wrong (empty: nothing)."""

    head: str
    entries: int
    checked: int
    problems: tuple[str, ...] = ()


def proof_of(messages: Sequence[Message], head: str) -> Proof:
    """A borrower's whole chain, and of each entry that still has its words that they are the ones it was made of."""
    entries = [message for message in messages if message.entry_hash]
    broken = verify(messages, head)
    problems = [f"{broken}: the chain breaks here"] if broken is not None else []
    problems += [f"{message.ref}: {_OTHER_WORDS}" for message in entries if _altered(message)]
    return Proof(head, len(entries), len(entries), tuple(problems))


def proof_of_export(document: Mapping[str, Any], read: Callable[[str], Message]) -> Proof:
    """The same of an exported document: nothing but the document is asked. `read` parses a stored message.

    Raises:
        InvalidInput: it is no export, naming what is missing.
    """
    if document.get("format") != FORMAT:
        raise InvalidInput("format", f"must be {FORMAT}")
    try:
        ledger, links = document["ledger"], document["ledger"]["links"]
        head = str(ledger["head"])
        messages = [read(json.dumps(each)) for each in document["messages"]]
        chain = [(str(link["ref"]), str(link["previous_hash"]), str(link["entry_hash"])) for link in links]
    except (KeyError, TypeError, AttributeError):
        raise InvalidInput("ledger", "must be as dunlin export writes it") from None
    problems: list[str] = []
    if document.get("digest") != digest_of(document):
        problems.append("digest: something in the file is not as it was exported")
    if len({message.ref for message in messages}) != len(messages):
        problems.append("messages: one of them is there twice")
    own = {message.ref: message for message in messages if message.entry_hash}
    current, checked = "", 0
    for ref, previous, digest in chain:
        if previous != current:
            problems.append(f"{ref or digest}: the chain breaks here")
        current = digest
        if not ref:
            continue
        message = own.pop(ref, None)
        if message is None:
            problems.append(f"{ref}: the entry is there, its message is not")
        elif message.reserved_at is None or digest != message.entry_hash or entry_hash(previous, message) != digest:
            problems.append(f"{ref}: it is not what was reserved")
        elif _altered(message):
            problems.append(f"{ref}: {_OTHER_WORDS}")
        checked += 1
    if current != head:
        problems.append("head: the chain does not end there")
    problems += [f"{ref}: the message is there, its entry is not" for ref in sorted(own)]
    return Proof(head, len(chain), checked, tuple(problems))


def _altered(message: Message) -> bool:
    has_words = bool(message.body or message.subject)
    return has_words and body_digest(message.subject, message.body) != message.body_digest
