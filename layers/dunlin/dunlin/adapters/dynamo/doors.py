"""Doors of the borrower's page and whose a link is, in the controls table: ids and digests, and an end of their own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime

from pydantic import TypeAdapter
from pynamodb.exceptions import PutError

from dunlin.adapters.dynamo.models import ControlItem
from dunlin.adapters.dynamo.store import cause_code, translated
from dunlin.domain.page import Door
from dunlin.errors import StateConflict

_doors: TypeAdapter[Door] = TypeAdapter(Door)


class DynamoDoors:
    """`dunlin.services.doors.DoorStore` on DynamoDB."""

    def door(self, borrower_id: str, party_id: str) -> Door:
        document = _document(_door(borrower_id, party_id))
        return _doors.validate_json(document) if document is not None else Door(borrower_id, party_id)

    def put_door(self, door: Door, ends_at: datetime) -> None:
        after = replace(door, revision=door.revision + 1)
        control = _door(door.borrower_id, door.party_id)
        item = ControlItem(
            control, revision=after.revision, document=_doors.dump_json(after).decode(), expires_at=ends_at
        )
        stands = ControlItem.revision == door.revision if door.revision else ControlItem.control.does_not_exist()
        with translated():
            try:
                item.save(condition=stands)
            except PutError as failure:
                if cause_code(failure) == "ConditionalCheckFailedException":
                    raise StateConflict("door") from None
                raise

    def whose(self, digest: str) -> tuple[str, str] | None:
        document = _document(f"link#{digest}")
        if document is None:
            return None
        said = json.loads(document)
        return str(said["borrower_id"]), str(said["party_id"])

    def put_link(self, digest: str, borrower_id: str, party_id: str, ends_at: datetime) -> None:
        document = json.dumps({"borrower_id": borrower_id, "party_id": party_id})
        with translated():
            ControlItem(f"link#{digest}", revision=1, document=document, expires_at=ends_at).save()


def _door(borrower_id: str, party_id: str) -> str:
    return "door#" + hashlib.sha256(f"{borrower_id}|{party_id}".encode()).hexdigest()


def _document(control: str) -> str | None:
    with translated():
        try:
            return str(ControlItem.get(control, consistent_read=True).document)
        except ControlItem.DoesNotExist:
            return None
