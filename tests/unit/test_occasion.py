"""Keys and references."""

from __future__ import annotations

from datetime import date

import pytest
from dunlin.domain.message import split_ref
from dunlin.domain.occasion import mark_id, occasion_key, reply_key
from dunlin.domain.shards import ATTENTION_SHARDS, WAKE_SHARDS, attention_shard_of, shard_of
from dunlin.domain.words import Channel, MessageState

from tests.builders import a_message

#: Written down once: whoever changes the function loses every borrower's place in the index.
SHARDS = ["07", "01", "03", "05", "06"]


def test_keys() -> None:
    due_on = date(2026, 6, 8)
    assert occasion_key(due_on, "tier_1", 2, Channel.EMAIL, 3) == "2026-06-08#tier_1#2#email#3"
    assert reply_key("help", Channel.SMS, "in-1") == "reply#help#sms#in-1"
    assert mark_id(due_on, "tier_1", 2) == "2026-06-08#tier_1#2"


def test_references() -> None:
    message = a_message()
    assert split_ref(message.ref) == (message.borrower_id, message.key)
    assert split_ref("b-1/a/b") == ("b-1", "a/b")
    for wrong in ("", "b-1", "/key", "b-1/"):
        with pytest.raises(ValueError, match="reference"):
            split_ref(wrong)


@pytest.mark.parametrize("state", list(MessageState))
def test_a_state_is_one_thing(state: MessageState) -> None:
    message = a_message(state=state)
    assert [message.is_stoppable, message.is_in_flight, message.is_terminal].count(True) == 1


def test_shards_are_stored_and_so_never_move() -> None:
    assert [shard_of(f"b-{number}") for number in range(5)] == SHARDS
    assert {shard_of(f"b-{number}") for number in range(500)} == set(WAKE_SHARDS)
    assert {attention_shard_of(f"b-{number}") for number in range(500)} == set(ATTENTION_SHARDS)
