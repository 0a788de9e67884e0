"""An occasion has one key, so that evaluating twice, or losing the answer, cannot make a second message."""

from __future__ import annotations

from datetime import date

from dunlin.domain.words import Channel


def occasion_key(due_on: date, stage: str, episode: int, channel: Channel, attempt: int, principal_id: str = "") -> str:
    """The key of a message under its borrower. The policy version is not part of it: a new pack is no new occasion.

    `principal_id` is the further party whose occasion it is; the primary borrower's keys carry none.
    """
    return f"{due_on}#{stage}#{episode}#{channel}#{attempt}{_of(principal_id)}"


def reply_key(stage: str, channel: Channel, inbound_id: str) -> str:
    """A reply's occasion is the text it answers."""
    return f"reply#{stage}#{channel}#{inbound_id}"


def notice_stage(message: str, notice_id: str) -> str:
    """The stage of something said once because it happened. No id has a tilde in it."""
    return f"{message}~{notice_id}"


def answer_notice(answer_id: str) -> str:
    """The notice that is a person's answer."""
    return f"answer-{answer_id}"


def notice_of(stage: str) -> str:
    """The notice that a stage is about; empty for a stage of the strategy."""
    return stage.partition("~")[2]


def mark_id(due_on: date, stage: str, episode: int, principal_id: str = "") -> str:
    """One stage of one due date (in one episode) for one addressee, whatever the channel and the attempt."""
    return f"{due_on}#{stage}#{episode}{_of(principal_id)}"


def _of(principal_id: str) -> str:
    return f"@{principal_id}" if principal_id else ""
