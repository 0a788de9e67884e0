"""The chain proves what was reserved: any change, gap or fork shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.ledger import body_digest, entry_hash, verify
from dunlin.domain.message import Message

from tests.builders import NOW, a_message


def chain(length: int) -> tuple[list[Message], str]:
    head, entries = "", []
    for number in range(length):
        message = a_message(
            key=f"k-{number}",
            reserved_at=NOW + timedelta(days=number),
            body_digest=body_digest("", f"text {number}"),
            rendered_version=number,
            previous_hash=head,
        )
        message = replace(message, entry_hash=entry_hash(head, message))
        head = message.entry_hash
        entries.append(message)
    return entries, head


def test_whole() -> None:
    entries, head = chain(5)
    assert verify(reversed(entries), head) is None
    assert verify([*entries, a_message(key="never reserved")], head) is None
    assert verify([], "") is None


@pytest.mark.parametrize(
    "change",
    [
        {"body_digest": "other"},
        {"reserved_at": NOW},
        {"content_version": "v0"},
        {"rendered_version": 99},
        {"point": "other"},
        {"key": "other"},
    ],
)
def test_a_changed_entry(change: dict[str, object]) -> None:
    entries, head = chain(4)
    entries[2] = replace(entries[2], **change)  # type: ignore[arg-type]
    assert verify(entries, head) == entries[2].ref


def test_a_missing_entry() -> None:
    entries, head = chain(4)
    for gone in range(4):
        assert verify([entry for entry in entries if entry is not entries[gone]], head) == head


def test_a_head_that_moved() -> None:
    entries, head = chain(3)
    assert verify(entries, "") == "head"
    assert verify(entries[:2], head) == head


def test_an_entry_beside_the_chain() -> None:
    entries, head = chain(3)
    forged = replace(entries[1], key="forged")
    forged = replace(forged, entry_hash=entry_hash(forged.previous_hash, forged))
    assert verify([entries[0], forged, *entries[1:]], head) is not None


def test_the_text_itself_is_not_needed() -> None:
    entries, head = chain(2)
    assert verify([replace(entry, body="", subject="") for entry in entries], head) is None


def test_only_a_reserved_message_is_an_entry() -> None:
    with pytest.raises(ValueError, match="reserved"):
        entry_hash("", a_message())


def test_subject_and_body_cannot_trade_places() -> None:
    assert body_digest("a", "b") != body_digest("b", "a")
