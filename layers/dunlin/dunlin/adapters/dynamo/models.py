"""The PynamoDB models of the four tables.

An item carries as attributes what keys, indexes, conditions and stream filters need; the rest is one JSON document.
Table names are bound once, at cold start (`bind`).
"""

from __future__ import annotations

from typing import ClassVar

from pynamodb.attributes import NumberAttribute, TTLAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.indexes import GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model

#: Below every function's time-out, so that a slow answer is an error of ours and not a killed process.
_CONNECT_SECONDS = 2
_READ_SECONDS = 5


class _Meta:
    region: ClassVar[str | None] = None
    connect_timeout_seconds: ClassVar[int] = _CONNECT_SECONDS
    read_timeout_seconds: ClassVar[int] = _READ_SECONDS
    max_retry_attempts: ClassVar[int] = 3


class WakesIndex(GlobalSecondaryIndex["BorrowerItem"]):  # type: ignore[no-untyped-call]
    """Who is to be looked at, by shard and moment. Sparse: an idle borrower is not in it."""

    class Meta(_Meta):
        index_name = "wakes"
        projection = KeysOnlyProjection()

    wake_shard = UnicodeAttribute(hash_key=True)
    wake_at = UnicodeAttribute(range_key=True)


class BorrowerItem(Model):
    """A borrower's partition: the hot item (`item` HOT) and, beside it, payments, facts and ended cases."""

    class Meta(_Meta):
        table_name = ""

    borrower_id = UnicodeAttribute(hash_key=True)
    item = UnicodeAttribute(range_key=True)
    revision = NumberAttribute(null=True)
    version = NumberAttribute(null=True)
    wake_shard = UnicodeAttribute(null=True)
    wake_at = UnicodeAttribute(null=True)
    document = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)
    wakes = WakesIndex()


class QueueIndex(GlobalSecondaryIndex["MessageItem"]):  # type: ignore[no-untyped-call]
    """Messages that wait for their line, most urgent first. Sparse: a released message leaves it."""

    class Meta(_Meta):
        index_name = "queue"
        projection = IncludeProjection(["not_before", "not_after", "expected_parts"])

    queue_line = UnicodeAttribute(hash_key=True)
    queue_order = UnicodeAttribute(range_key=True)
    borrower_id = UnicodeAttribute()
    key = UnicodeAttribute()
    not_before = UnicodeAttribute()
    not_after = UnicodeAttribute()
    expected_parts = NumberAttribute()


class AttentionIndex(GlobalSecondaryIndex["MessageItem"]):  # type: ignore[no-untyped-call]
    """Every message that is not terminal, by the moment at which somebody has to look at it."""

    class Meta(_Meta):
        index_name = "attention"
        projection = KeysOnlyProjection()

    attend_shard = UnicodeAttribute(hash_key=True)
    attend_at = UnicodeAttribute(range_key=True)
    borrower_id = UnicodeAttribute()
    key = UnicodeAttribute()


class MessageItem(Model):
    """The contact ledger: one item a message."""

    class Meta(_Meta):
        table_name = ""

    borrower_id = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()
    state = UnicodeAttribute()
    queue_line = UnicodeAttribute(null=True)
    queue_order = UnicodeAttribute(null=True)
    not_before = UnicodeAttribute()
    not_after = UnicodeAttribute()
    expected_parts = NumberAttribute()
    priority = NumberAttribute()
    attend_shard = UnicodeAttribute(null=True)
    attend_at = UnicodeAttribute(null=True)
    again_at = UnicodeAttribute(null=True)
    document = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)
    queue = QueueIndex()
    attention = AttentionIndex()


class SuppressionItem(Model):
    """A contact point, by HMAC: what it opted out of (STATE), who has it (BORROWER#…), which contacts were made to it
    (FELT), what it texted (IN#…), what else was said about it (WORD#…) and found out (FOUND#…). And one partition of
    which numbers are on the provider's own list (LIST#…), by their points."""

    class Meta(_Meta):
        table_name = ""

    point = UnicodeAttribute(hash_key=True)
    item = UnicodeAttribute(range_key=True)
    blocked = UnicodeSetAttribute(null=True)
    heard_at = UnicodeAttribute(null=True)
    changed_by = UnicodeAttribute(null=True)
    revision = NumberAttribute(null=True)
    document = UnicodeAttribute(null=True)
    found = UnicodeAttribute(null=True)
    expires_at = TTLAttribute(null=True)


class ControlItem(Model):
    """Shared state that stays out of the reservation: lines, the feed's checkpoint, our ears, doors of the page."""

    class Meta(_Meta):
        table_name = ""

    control = UnicodeAttribute(hash_key=True)
    revision = NumberAttribute()
    document = UnicodeAttribute()
    expires_at = TTLAttribute(null=True)


def bind(*, region: str, borrowers: str, messages: str, suppressions: str, controls: str) -> None:
    """Give the models their tables' names and Region. A table that a function lacks (an empty name) stays unbound."""
    tables: tuple[tuple[type[Model], str], ...] = (
        (BorrowerItem, borrowers),
        (MessageItem, messages),
        (SuppressionItem, suppressions),
        (ControlItem, controls),
    )
    for model, name in tables:
        if not name:
            continue
        model.Meta.table_name = name
        model.Meta.region = region
        model._connection = None
