"""The store on DynamoDB: strongly consistent reads, and one conditional transaction for everything that changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from botocore.exceptions import BotoCoreError
from pydantic import TypeAdapter, ValidationError
from pynamodb.connection import Connection
from pynamodb.exceptions import DoesNotExist, PutError, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from dunlin.adapters.dynamo.models import BorrowerItem, MessageItem, SuppressionItem
from dunlin.domain.borrower import ALL_PURPOSES, Borrower, Contact, LastWord
from dunlin.domain.caps import LONGEST_WINDOW
from dunlin.domain.message import Message
from dunlin.domain.preferences import Word
from dunlin.domain.reach import Finding
from dunlin.domain.shards import attention_shard_of, shard_of
from dunlin.domain.words import Channel
from dunlin.errors import (
    AlreadyRecorded,
    DunlinError,
    InvalidInput,
    StateConflict,
    Suppressed,
    TransientError,
    UnreadableItem,
    VersionConflict,
)
from dunlin.services.ports import Change, Felt, PointRecord, QueuedMessage, Record, Suppression

HOT = "HOT"
STATE = "STATE"
FELT = "FELT"
#: How long what came from or about a number that is no borrower's is kept. A borrower's records have no such end: how
#: long they are kept is a rule of their place (`domain.retention`), and a legal hold can need them for longer.
STRANGERS_KEPT = timedelta(days=5 * 366)

#: A margin over the longest window of a cap, so that no item leaves while a rule still counts what is in it.
FELT_KEPT = LONGEST_WINDOW + timedelta(days=2)

#: Of the 409,600 bytes of an item, the keys and the attributes of the indexes take some hundreds.
MOST_DOCUMENT_BYTES = 400_000

ItemT = TypeVar("ItemT")

_CONFLICT_CODES = frozenset({"TransactionConflict", "TransactionInProgressException"})


def instant(moment: datetime) -> str:
    """A UTC instant whose text sorts as time does."""
    # Not strftime, which writes a year before 1000 in fewer than four digits.
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


@lru_cache(maxsize=1)
def _borrowers() -> TypeAdapter[Borrower]:
    return TypeAdapter(Borrower)


@lru_cache(maxsize=1)
def _messages() -> TypeAdapter[Message]:
    return TypeAdapter(Message)


@lru_cache(maxsize=1)
def _contacts() -> TypeAdapter[tuple[Contact, ...]]:
    return TypeAdapter(tuple[Contact, ...])


@lru_cache(maxsize=1)
def _documents() -> TypeAdapter[dict[str, Any]]:
    return TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class _Found:
    """What a suppression item holds besides words."""

    findings: tuple[Finding, ...] = ()
    of_all: LastWord | None = None


@lru_cache(maxsize=1)
def _founds() -> TypeAdapter[_Found]:
    return TypeAdapter(_Found)


@lru_cache(maxsize=1)
def _words() -> TypeAdapter[tuple[Word, ...]]:
    return TypeAdapter(tuple[Word, ...])


def _words_before_scopes(blocked: frozenset[str], heard_at: datetime | None, changed_by: str) -> tuple[Word, ...]:
    """The words of an item that an earlier version wrote: what it blocks, and the latest text about the number."""
    if heard_at is None:
        return ()
    words = [(Channel(channel), purpose) for channel, _, purpose in (entry.partition("#") for entry in sorted(blocked))]
    said = tuple(Word(channel, purpose, True, heard_at, changed_by) for channel, purpose in words)
    return said or (Word(Channel.SMS, ALL_PURPOSES, False, heard_at, changed_by),)


def _parsed(adapter: TypeAdapter[ItemT], document: str) -> ItemT:
    """A stored document as ours. A validation error would print what is in it, so it is not let out."""
    try:
        return adapter.validate_json(document)
    except ValidationError:
        raise UnreadableItem("a stored document does not parse") from None


def _read_borrower(document: str) -> Borrower:
    """A hot item's document, also one of an earlier version, whose consents were a list of purposes."""
    with suppress(ValidationError):  # not let out: it would print what is in it
        return _borrowers().validate_json(document)
    try:
        stored = json.loads(document)
        for party in stored["parties"]:
            party["consents"] = [{"purpose": each} if isinstance(each, str) else each for each in party["consents"]]
    except (ValueError, LookupError, TypeError):
        raise UnreadableItem("a stored document does not parse") from None
    return _parsed(_borrowers(), json.dumps(stored))


def _borrower_document(borrower: Borrower) -> str:
    """The borrower as JSON, sets in order: what is the same is stored in the same bytes."""
    document: dict[str, Any] = _borrowers().dump_python(borrower, mode="json")
    for party in document["parties"]:
        for unordered in (party["may_hear"], *(point["blocked"] for point in party["points"])):
            unordered.sort()
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _kept_until(record: PointRecord) -> datetime | timedelta | None:
    """Counted from the moment the record is about; from the writing only where it names none."""
    if record.is_kept:
        return None
    told = record.document.get("received_at")
    return datetime.fromisoformat(told) + STRANGERS_KEPT if isinstance(told, str) else STRANGERS_KEPT


def borrower_item(borrower: Borrower) -> BorrowerItem:
    """The hot item as it is stored.

    Raises:
        InvalidInput: it is more than an item can hold. Trying again would never help.
    """
    document = _borrower_document(borrower)
    if len(document.encode()) > MOST_DOCUMENT_BYTES:
        raise InvalidInput("borrower", f"is more than the {MOST_DOCUMENT_BYTES} bytes that can be kept of one")
    return BorrowerItem(
        borrower.borrower_id,
        HOT,
        revision=borrower.revision,
        version=borrower.version,
        wake_shard=shard_of(borrower.borrower_id) if borrower.wake_at is not None else None,
        wake_at=instant(borrower.wake_at) if borrower.wake_at is not None else None,
        document=document,
    )


def message_item(message: Message) -> MessageItem:
    """A message as it is stored: queued while it waits for its line, attended while it is not terminal."""
    queued = message.waits_for_line
    attended = not message.is_terminal and message.attend_at is not None
    return MessageItem(
        message.borrower_id,
        message.key,
        revision=message.revision,
        state=message.state.value,
        queue_line=message.line if queued else None,
        queue_order=f"{message.priority:02d}#{instant(message.not_after)}#{message.key}" if queued else None,
        not_before=instant(message.may_go_from),
        not_after=instant(message.may_go_until),
        expected_parts=message.expected_parts,
        priority=message.priority,
        attend_shard=attention_shard_of(message.borrower_id) if attended else None,
        attend_at=instant(message.attend_at) if attended and message.attend_at is not None else None,
        again_at=instant(message.again_at) if message.is_let_go_again and message.again_at is not None else None,
        document=_messages().dump_json(message).decode(),
    )


def quietly_next(borrower: Borrower) -> BorrowerItem:
    """The hot item as a write stores it that no decision depends on."""
    return borrower_item(_next(borrower, quiet=True))


def next_message(message: Message) -> MessageItem:
    return message_item(_revised(message))


def read_message(document: str) -> Message:
    return _parsed(_messages(), document)


def record_document(record: Record) -> str:
    return _documents().dump_json(dict(record.document)).decode()


def felt_item(felt: Felt) -> SuppressionItem:
    """The contacts of a point as they are stored. Nothing asks for them any more once the last one is out of every
    rule's sight."""
    latest = max((contact.felt_until for contact in felt.contacts), default=felt.released_at)
    return SuppressionItem(
        felt.point,
        FELT,
        revision=felt.revision + 1,
        document=_contacts().dump_json(felt.contacts).decode(),
        expires_at=latest + FELT_KEPT if latest is not None else None,
    )


def _felt_stands(felt: Felt) -> Condition:
    return SuppressionItem.revision == felt.revision if felt.revision else SuppressionItem.item.does_not_exist()


#: Entries of the queue that are looked at in one call where some of them may not go.
_PAGE = 500


class DynamoStore:
    """`dunlin.services.ports.Store` on DynamoDB."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._connection: Connection | None = None

    # ── reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def borrower(self, borrower_id: str) -> Borrower | None:
        item = _read(lambda: BorrowerItem.get(borrower_id, HOT, consistent_read=True))
        return _read_borrower(item.document) if item is not None else None

    def record(self, borrower_id: str, item: str) -> Mapping[str, object] | None:
        found = _read(lambda: BorrowerItem.get(borrower_id, item, consistent_read=True))
        return _parsed(_documents(), found.document) if found is not None else None

    def message(self, borrower_id: str, key: str) -> Message | None:
        item = _read(lambda: MessageItem.get(borrower_id, key, consistent_read=True))
        return _parsed(_messages(), item.document) if item is not None else None

    def conversation(self, borrower_id: str) -> Sequence[Message]:
        with translated():
            items = list(MessageItem.query(borrower_id, consistent_read=True))
        messages = [_parsed(_messages(), item.document) for item in items]
        return sorted(messages, key=lambda message: (message.requested_at, message.key))

    def awake(self, shard: str, now: datetime, limit: int) -> Sequence[str]:
        with translated():
            found = BorrowerItem.wakes.query(shard, BorrowerItem.wake_at <= instant(now), limit=limit)
            return [item.borrower_id for item in found]

    def queued(self, line: str, limit: int, now: datetime | None = None) -> Sequence[QueuedMessage]:
        may_go = None
        if now is not None:
            may_go = (MessageItem.not_before <= instant(now)) & (MessageItem.not_after > instant(now))
        with translated():
            found = MessageItem.queue.query(line, filter_condition=may_go, limit=limit, page_size=max(limit, _PAGE))
            return [
                QueuedMessage(
                    item.borrower_id,
                    item.key,
                    parse_instant(item.not_before),
                    parse_instant(item.not_after),
                    int(item.expected_parts),
                    # Of the key: the priority itself is not in every index that was ever made.
                    int(str(item.queue_order).partition("#")[0]),
                )
                for item in found
            ]

    def standing(self, shard: str, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
        with translated():
            found = MessageItem.attention.query(shard, MessageItem.attend_at <= instant(now), limit=limit)
            return [(item.borrower_id, item.key) for item in found]

    def suppression(self, point: str) -> Suppression:
        item = _read(lambda: SuppressionItem.get(point, STATE, consistent_read=True))
        if item is None:
            return Suppression(point)
        heard_at = parse_instant(item.heard_at) if item.heard_at else None
        blocked, changed_by = frozenset(item.blocked or ()), item.changed_by or ""
        if item.document:
            words = _parsed(_words(), item.document)
        else:
            words = _words_before_scopes(blocked, heard_at, changed_by)
        found = _parsed(_founds(), item.found) if item.found else _Found()
        revision = int(item.revision or 0)
        return Suppression(point, blocked, heard_at, changed_by, words, revision, found.findings, found.of_all)

    def felt(self, point: str) -> Felt:
        item = _read(lambda: SuppressionItem.get(point, FELT, consistent_read=True))
        if item is None or not item.document:
            return Felt(point)
        return Felt(point, _parsed(_contacts(), item.document), int(item.revision or 0))

    def link_point(self, point: str, borrower_id: str) -> None:
        with translated():
            SuppressionItem(point, f"BORROWER#{borrower_id}").save()

    def borrowers_of(self, point: str) -> Sequence[str]:
        with translated():
            found = SuppressionItem.query(
                point, SuppressionItem.item.startswith("BORROWER#"), consistent_read=True, attributes_to_get=["item"]
            )
            return sorted(item.item.removeprefix("BORROWER#") for item in found)

    # ── the one way to change anything ───────────────────────────────────────────────────────────────────────────────

    def commit(self, change: Change) -> None:
        writes: list[tuple[Model, Condition, DunlinError]] = []
        if change.borrower is not None:
            after = _next(change.borrower, quiet=change.quiet)
            condition = (
                BorrowerItem.revision == change.borrower.revision
                if change.borrower.revision
                else BorrowerItem.borrower_id.does_not_exist()
            )
            writes.append((borrower_item(after), condition, VersionConflict(after.borrower_id)))
        for message in change.new_messages:
            put = message_item(_revised(message))
            writes.append((put, MessageItem.key.does_not_exist(), AlreadyRecorded(message.ref)))
        for message in change.moved_messages:
            moved = message_item(_revised(message))
            writes.append((moved, MessageItem.revision == message.revision, StateConflict(message.ref)))
        for record in change.records:
            written = BorrowerItem(record.borrower_id, record.item, document=record_document(record))
            writes.append((written, BorrowerItem.item.does_not_exist(), AlreadyRecorded(record.item)))
        for kept in change.point_records:
            document = _documents().dump_json(dict(kept.document)).decode()
            text = SuppressionItem(kept.point, kept.item, document=document, expires_at=_kept_until(kept))
            writes.append((text, SuppressionItem.item.does_not_exist(), AlreadyRecorded(kept.item)))
        if change.suppression is not None:
            state = change.suppression
            heard_at = instant(state.heard_at) if state.heard_at is not None else None
            found = _Found(state.findings, state.of_all)
            number = SuppressionItem(
                state.point,
                STATE,
                blocked=set(state.blocked) or None,
                heard_at=heard_at,
                changed_by=state.changed_by or None,
                revision=state.revision + 1,
                document=_words().dump_json(state.words).decode(),
                found=_founds().dump_json(found).decode() if found != _Found() else None,
            )
            unchanged = (
                SuppressionItem.revision == state.revision
                if state.revision
                else SuppressionItem.revision.does_not_exist()
            )
            writes.append((number, unchanged, StateConflict("suppression")))
        for felt in change.felt:
            writes.append((felt_item(felt), _felt_stands(felt), StateConflict("felt")))
        if len(writes) == 1 and change.unless_blocked is None and not change.felt_as_read:
            self._save(*writes[0])
        elif writes:
            self._transact(change, writes)

    def _save(self, item: Model, condition: Condition, error: DunlinError) -> None:
        with translated():
            try:
                item.save(condition=condition)
            except PutError as failure:
                code = cause_code(failure)
                if code == "ConditionalCheckFailedException":
                    raise error from None
                if code == "TransactionConflictException":
                    raise VersionConflict("another transaction holds the item") from None
                raise

    def _transact(self, change: Change, writes: list[tuple[Model, Condition, DunlinError]]) -> None:
        if self._connection is None:
            self._connection = Connection(region=self._region)
        errors = [error for _, _, error in writes]
        with translated():
            try:
                with TransactWrite(connection=self._connection) as transaction:
                    for item, condition, _ in writes:
                        transaction.save(item, condition=condition)
                    if change.unless_blocked is not None:
                        point, channel, purpose = change.unless_blocked
                        blocked = SuppressionItem.blocked
                        transaction.condition_check(
                            SuppressionItem,
                            point,
                            STATE,
                            condition=~(blocked.contains(f"{channel}#*") | blocked.contains(f"{channel}#{purpose}")),
                        )
                    for felt in change.felt_as_read:
                        transaction.condition_check(SuppressionItem, felt.point, FELT, condition=_felt_stands(felt))
            except TransactWriteError as failure:
                # PynamoDB keeps the order of the calls within a kind only: puts come after condition checks.
                checks: list[DunlinError] = [Suppressed("suppression")] if change.unless_blocked is not None else []
                checks += [StateConflict("felt") for _ in change.felt_as_read]
                raise_cancelled(failure, [*checks, *errors])


def raise_cancelled(failure: TransactWriteError, ordered: list[DunlinError]) -> NoReturn:
    reasons = failure.cancellation_reasons
    for reason, error in zip(reasons, ordered, strict=False):
        if reason is not None and reason.code == "ConditionalCheckFailed":
            raise error from None
    if cause_code(failure) in _CONFLICT_CODES or any(
        reason is not None and reason.code in _CONFLICT_CODES for reason in reasons
    ):
        raise VersionConflict("another transaction holds one of the items") from None
    raise failure


def _next(borrower: Borrower, *, quiet: bool) -> Borrower:
    return replace(
        borrower, revision=borrower.revision + 1, version=borrower.version if quiet else borrower.version + 1
    )


def _revised(message: Message) -> Message:
    return replace(message, revision=message.revision + 1)


_CODE = re.compile(r"[A-Za-z.]{1,80}")


def cause_code(failure: PynamoDBException) -> str:
    """The error code behind a failure; empty where there was no answer (PynamoDB asks a time-out for its response)."""
    response = getattr(failure.cause, "response", None)
    code = str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
    # It goes into our own error's message, so nothing but a code may pass for one.
    return code if _CODE.fullmatch(code) else ""


class translated:  # noqa: N801  (a context manager, used like a function)
    """Storage errors become ours: their messages can carry keys, so the cause is not chained."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, PynamoDBException):
            raise TransientError(f"storage: {cause_code(error) or type(error).__name__}") from None
        if isinstance(error, BotoCoreError):
            raise TransientError(f"storage: {type(error).__name__}") from None


def _read(get: Callable[[], ItemT]) -> ItemT | None:
    with translated():
        try:
            return get()
        except DoesNotExist:
            return None
