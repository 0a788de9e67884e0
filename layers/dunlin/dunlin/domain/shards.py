"""Which shard of an index a borrower is on: stable for ever, since it is stored."""

from __future__ import annotations

from zlib import crc32

#: One FIFO group each: a shard is evaluated by one worker at a time.
WAKE_SHARDS = tuple(f"{number:02d}" for number in range(8))
ATTENTION_SHARDS = tuple(f"{number:02d}" for number in range(2))


def shard_of(borrower_id: str) -> str:
    return WAKE_SHARDS[crc32(borrower_id.encode()) % len(WAKE_SHARDS)]


def attention_shard_of(borrower_id: str) -> str:
    return ATTENTION_SHARDS[crc32(borrower_id.encode()) % len(ATTENTION_SHARDS)]
