"""What is known of a provider's opt-out list: a partition of the suppressions table, an item a number, by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError
from pynamodb.exceptions import PutError

from dunlin.adapters.dynamo import store as stored
from dunlin.adapters.dynamo.models import SuppressionItem
from dunlin.errors import StateConflict, UnreadableItem
from dunlin.services.ports import Listing


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Listing]:
    return TypeAdapter(Listing)


def _read(document: str | None) -> Listing:
    try:
        return _adapter().validate_json(document or "")
    except ValidationError:
        raise UnreadableItem("a stored document does not parse") from None


class DynamoListings:
    """`dunlin.services.ports.Listings` on DynamoDB. The table is bound by whoever made the store."""

    def __init__(self, list_name: str) -> None:
        self._partition = f"LIST#{list_name}"

    def listing(self, point: str) -> Listing | None:
        with stored.translated():
            try:
                item = SuppressionItem.get(self._partition, point, consistent_read=True)
            except SuppressionItem.DoesNotExist:
                return None
        return _read(item.document)

    def put(self, listing: Listing) -> None:
        before = listing.revision
        document = _adapter().dump_json(replace(listing, revision=before + 1)).decode()
        item = SuppressionItem(self._partition, listing.point, revision=before + 1, document=document)
        condition = SuppressionItem.revision == before if before else SuppressionItem.item.does_not_exist()
        with stored.translated():
            try:
                item.save(condition=condition)
            except PutError as failure:
                if stored.cause_code(failure) == "ConditionalCheckFailedException":
                    raise StateConflict("listing") from None
                raise

    def listings(self) -> Sequence[Listing]:
        with stored.translated():
            items = list(SuppressionItem.query(self._partition, attributes_to_get=["document"]))
        return [_read(item.document) for item in items]
