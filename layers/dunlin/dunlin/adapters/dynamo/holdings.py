"""Everything that is held about a borrower, and how it is taken away: the one place of the adapters that deletes.

A table of its own for what is left is not needed: the hot item and the tombstone stay in the borrower's partition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from pynamodb.connection import Connection
from pynamodb.exceptions import TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from dunlin.adapters.dynamo import store as stored
from dunlin.adapters.dynamo.models import BorrowerItem, MessageItem, SuppressionItem
from dunlin.domain.message import Message
from dunlin.domain.words import TERMINAL
from dunlin.errors import AlreadyRecorded, DunlinError, StateConflict, VersionConflict
from dunlin.services.ports import Removal, Shelf, StoredItem

TOMBSTONE = "TOMBSTONE#"
_SETTLED = frozenset(str(state) for state in TERMINAL)


class DynamoHoldings:
    """`dunlin.services.ports.Holdings` on DynamoDB. The tables are bound by whoever made the store."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._connection: Connection | None = None

    def messages(self, borrower_id: str, after: str, limit: int) -> Sequence[Message]:
        with stored.translated():
            found = [item.document for item in _messages(borrower_id, after, limit)]
        return [stored.read_message(document) for document in found]

    def items(self, shelf: Shelf, owner: str, after: str, limit: int) -> Sequence[StoredItem]:
        with stored.translated():
            match shelf:
                case Shelf.MESSAGES:
                    return [_of_message(item) for item in _messages(owner, after, limit)]
                case Shelf.RECORDS:
                    return list(islice(_records(owner, after), limit))
                case Shelf.POINT:
                    return list(islice(_under(owner, after), limit))

    def tombstones(self, borrower_id: str) -> Sequence[str]:
        """The documents of what is left of somebody who was forgotten, oldest first."""
        with stored.translated():
            found = BorrowerItem.query(borrower_id, BorrowerItem.item.startswith(TOMBSTONE), consistent_read=True)
            return [item.document for item in found]

    def commit(self, removal: Removal) -> None:
        if self._connection is None:
            self._connection = Connection(region=self._region)
        hot = removal.borrower
        # PynamoDB keeps the order of the calls within a kind only: checks, then deletions, then puts.
        errors: list[DunlinError] = [VersionConflict(other.borrower_id) for other in removal.unchanged]
        errors += [StateConflict(item.item) for item in removal.removed]
        with stored.translated():
            try:
                with TransactWrite(connection=self._connection) as transaction:
                    for other in removal.unchanged:
                        same = BorrowerItem.revision == other.revision
                        transaction.condition_check(BorrowerItem, other.borrower_id, stored.HOT, condition=same)
                    for item in removal.removed:
                        condition = MessageItem.revision == item.revision if item.shelf is Shelf.MESSAGES else None
                        transaction.delete(_key_of(item), condition=condition)
                    transaction.save(stored.quietly_next(hot), condition=BorrowerItem.revision == hot.revision)
                    errors.append(VersionConflict(hot.borrower_id))
                    for item in removal.rewritten:
                        again = SuppressionItem(item.owner, item.item, document=item.document)
                        transaction.save(again, condition=SuppressionItem.item.exists())
                        errors.append(StateConflict(item.item))
                    for message in removal.messages:
                        moved, unchanged = stored.next_message(message), MessageItem.revision == message.revision
                        transaction.save(moved, condition=unchanged)
                        errors.append(StateConflict(message.ref))
                    for record in removal.records:
                        document = stored.record_document(record)
                        written = BorrowerItem(record.borrower_id, record.item, document=document)
                        transaction.save(written, condition=BorrowerItem.item.does_not_exist())
                        errors.append(AlreadyRecorded(record.item))
            except TransactWriteError as failure:
                stored.raise_cancelled(failure, errors)


def _messages(borrower_id: str, after: str, limit: int) -> Iterator[MessageItem]:
    behind = MessageItem.key > after if after else None
    return iter(MessageItem.query(borrower_id, behind, consistent_read=True, limit=limit))


def _of_message(item: MessageItem) -> StoredItem:
    settled = item.state in _SETTLED
    return StoredItem(Shelf.MESSAGES, item.borrower_id, item.key, item.document, int(item.revision), settled)


def _records(borrower_id: str, after: str) -> Iterator[StoredItem]:
    behind = BorrowerItem.item > after if after else None
    for item in BorrowerItem.query(borrower_id, behind, consistent_read=True):
        if item.item != stored.HOT and not item.item.startswith(TOMBSTONE):
            yield StoredItem(Shelf.RECORDS, borrower_id, item.item, item.document)


def _under(point: str, after: str) -> Iterator[StoredItem]:
    behind = SuppressionItem.item > after if after else None
    for item in SuppressionItem.query(point, behind, consistent_read=True):
        if item.item != stored.STATE:
            expires = item.expires_at is not None
            yield StoredItem(Shelf.POINT, point, item.item, item.document or "", expires=expires)


def _key_of(item: StoredItem) -> Model:
    match item.shelf:
        case Shelf.MESSAGES:
            return MessageItem(item.owner, item.item)
        case Shelf.RECORDS:
            return BorrowerItem(item.owner, item.item)
        case Shelf.POINT:
            return SuppressionItem(item.owner, item.item)
