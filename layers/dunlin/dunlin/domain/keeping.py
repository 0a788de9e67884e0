"""What is remembered about how long a borrower's records are kept: a part of the hot item.

Everything here is ids, moments, counts and hashes, so that it may stand when the rest has gone. A legal hold is a stop
about records, not about messages: it is no row of the table of stops, and nothing that is said depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LegalHold:
    """Nothing of this borrower may go: for which matter (a reference, no personal data), since when, until when (None:
    until it is lifted) and who said so."""

    hold_id: str
    matter: str
    placed_at: datetime
    source: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LegalLift:
    """Somebody lifted a legal hold. Kept, because the placement may come later than the lift."""

    hold_id: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """Somebody asked to be forgotten. `granted_at` None: it was put off, and is carried out once it may be."""

    request_id: str
    requested_at: datetime
    by: str
    granted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over the texts whose words may go: when the next one begins (or this one goes on), and how far it came.

    `place` 0 are the messages, from 1 on the contact points in order; `after` is the last item that was looked at
    there; `oldest` is the oldest text that keeps its words so far.
    """

    at: datetime
    place: int = 0
    after: str = ""
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forgetting:
    """How far the forgetting has come. What goes is counted and hashed in the very transaction that deletes it.

    `entries` and `is_whole` are the hash chain as it stood before anything went; `points` are the contact points that
    were ever theirs (HMAC).
    """

    begun_at: datetime
    rule: str
    content_version: str
    points: tuple[str, ...]
    entries: int
    is_whole: bool
    messages: int = 0
    records: int = 0
    texts: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Keeping:
    """`ended_at`: since when no loan and no case is open (None: one is). `freed_at`: when what would expire by itself
    was last kept from it, under a legal hold. `forgotten_at`: this is what is left of somebody who was forgotten."""

    ended_at: datetime | None = None
    last_contact_at: datetime | None = None
    #: Contact points that are no party's any more, by HMAC: what was texted from them is found by these.
    former_points: tuple[str, ...] = ()
    legal_holds: tuple[LegalHold, ...] = ()
    legal_lifts: tuple[LegalLift, ...] = ()
    erasure: Erasure | None = None
    walk: Walk | None = None
    freed_at: datetime | None = None
    forgetting: Forgetting | None = None
    forgotten_at: datetime | None = None


#: Of somebody whom we have just heard of.
NOTHING_YET = Keeping()
