"""The contact ledger's proof: a hash chain per borrower whose head moves in the reservation.

An entry binds what was reserved, when, in which words, under which content, on which facts and consents, to the entry
before it. The words enter as a digest, so that erasing a person's texts leaves the proof intact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dunlin.domain.consent import Consent
from dunlin.domain.message import Message


def body_digest(subject: str, body: str) -> str:
    return hashlib.sha256(f"{subject}\n{body}".encode()).hexdigest()


def entry_hash(previous: str, message: Message) -> str:
    """The hash of a reserved message on top of `previous` (empty for the first).

    Raises:
        ValueError: the message has not been reserved.
    """
    if message.reserved_at is None:
        raise ValueError("only a reserved message is an entry")
    parts = (
        previous,
        message.ref,
        message.reserved_at.isoformat(),
        message.body_digest,
        message.content_version,
        str(message.rendered_version),
        str(message.purpose),
        message.point,
        # Only where there are any: entries of earlier versions keep their hash.
        *((f"by {message.author}",) if message.author else ()),
        *(f"{basis.rule} {_proof(basis.consent)}" for basis in message.basis),
    )
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _proof(consent: Consent) -> str:
    moments = (consent.given_at, consent.listed_at)
    times = (at.isoformat() if at is not None else "" for at in moments)
    return " ".join((consent.purpose, consent.channel, *times, consent.source, consent.wording))


def verify(messages: Iterable[Message], head: str) -> str | None:
    """Follow the chain from the first entry to `head`; None when whole, else the ref (or head) where it breaks."""
    entries = [message for message in messages if message.entry_hash]
    by_previous = {message.previous_hash: message for message in entries}
    seen = 0
    current = ""
    while current in by_previous:
        message = by_previous[current]
        if entry_hash(current, message) != message.entry_hash:
            return message.ref
        current = message.entry_hash
        seen += 1
    if current != head or seen != len(entries):
        return head or "head"
    return None
