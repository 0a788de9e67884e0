"""The door of the borrower's page: links given out and taken back, and who came in. Nothing here knows any words.

Everything that counts is one conditional write on the party's door, so of guesses made at once one is weighed and the
others learn nothing. To look at a link writes nothing: programs that only look at links change nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from dunlin.domain.borrower import Borrower, Party
from dunlin.domain.page import Door, Link, PageRules, Proof, Session, folded
from dunlin.errors import InvalidInput, NotFound, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.ports import Clock, PointKeys, Store

__all__ = ["DoorStore", "Doors", "Entry", "Opened", "Refusal"]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: 62**14 is 2**83: see ADR 0045.
TOKEN_LENGTH = 14
_TOKEN = re.compile(rf"[0-9A-Za-z]{{{TOKEN_LENGTH}}}")
_COOKIE = re.compile(r"[A-Za-z0-9_-]{43}")
_TICKET_LASTS = timedelta(minutes=30)


class DoorStore(Protocol):
    """Doors, and whose a link is. `put` is conditional on `revision` and raises StateConflict; all may raise
    TransientError. What is past `ends_at` goes by itself."""

    def door(self, borrower_id: str, party_id: str) -> Door: ...

    def put_door(self, door: Door, ends_at: datetime) -> None: ...

    def whose(self, digest: str) -> tuple[str, str] | None: ...

    def put_link(self, digest: str, borrower_id: str, party_id: str, ends_at: datetime) -> None: ...


class Refusal(StrEnum):
    """Why somebody did not come in. What is shown for the first two is the same."""

    UNKNOWN = "unknown"  # no such link, over, or taken back
    LOCKED = "locked"
    STALE = "stale"  # the form was used before, or is too old
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that leads somewhere: what to ask, and the ticket that one answer is good with."""

    proof: Proof
    ticket: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody inside. `secret` is the cookie's value."""

    borrower: Borrower
    party: Party
    point: str
    secret: str


class Doors:
    """Gives out links and lets people in. `key`: the secret from which this door's own keys are derived."""

    def __init__(
        self,
        store: Store,
        doors: DoorStore,
        keys: PointKeys,
        key: str,
        rules: PageRules | None,
        clock: Clock,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._doors = doors
        self._keys = keys
        self._rules = rules
        self._clock = clock
        self._random = random
        self._key = hmac.digest(key.encode(), b"dunlin page, links and tickets", hashlib.sha256)

    # ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def issue(self, borrower_id: str, party_id: str, point: str) -> str:
        """A new link's token for this party at this contact point of theirs. Said once; only its digest is kept.

        Raises:
            InvalidInput: the lender has no page, no such party or point, or nothing they could prove who they are by.
            NotFound: no such borrower. StateConflict: other writers were first each time, or the door is shut.
        """
        if self._rules is None:
            raise InvalidInput("lender.page", "is not set: there is no page")
        borrower = self._store.borrower(borrower_id)
        if borrower is None:
            raise NotFound("borrower_id")
        party = _party(borrower, party_id)
        if party is None:
            raise InvalidInput("party_id", "is no party to the borrower's loans")
        if not any(each.point == point for each in party.points):
            raise InvalidInput("point", "is not this party's")
        if self._proof_of(party) is None:
            raise InvalidInput("party_id", "has nothing to prove who they are by: send birth_on, id_tail or postcode")
        now = self._clock()
        token = _spelled(self._random(16))
        digest, ends_at = self._digest("link", token), now + timedelta(days=self._rules.link_days)
        for _ in range(ATTEMPTS):
            door = self._doors.door(borrower_id, party_id)
            if door.is_locked(now):
                raise StateConflict("the door is shut after wrong answers")
            try:
                self._doors.put_door(door.with_link(Link(digest, point, ends_at), now), ends_at)
            except StateConflict:
                continue
            # The door first: a link that leads to a door which does not know it opens nothing.
            self._doors.put_link(digest, borrower_id, party_id, ends_at)
            return token
        raise StateConflict("door")

    def revoke(self, borrower_id: str, party_id: str) -> None:
        """Every link and session of this party ends.

        Raises:
            InvalidInput: no such party. NotFound: no such borrower. StateConflict: other writers were first each time.
        """
        for _ in range(ATTEMPTS):
            door = self._doors.door(borrower_id, party_id)
            if not door.links and not door.sessions:
                self._must_be_known(borrower_id, party_id)
                return
            try:
                self._put(door.revoked(), self._clock())
            except StateConflict:
                continue
            return
        raise StateConflict("door")

    def _must_be_known(self, borrower_id: str, party_id: str) -> None:
        """Whoever asks hears of a slip of the pen, and no log has an id that is none of ours."""
        borrower = self._store.borrower(borrower_id)
        if borrower is None:
            raise NotFound("borrower_id")
        if _party(borrower, party_id) is None:
            raise InvalidInput("party_id", "is no party to the borrower's loans")

    # ── coming in ────────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self, token: str) -> Opened | Refusal:
        """What a link asks of whoever opens it. Writes nothing, and tells nothing about whose it is."""
        found = self._found(token)
        if isinstance(found, Refusal):
            return found
        door, _, _, party = found
        if door.is_locked(self._clock()):
            return Refusal.LOCKED
        proof = self._proof_of(party)
        if proof is None:
            return Refusal.UNKNOWN
        return Opened(proof[0], self._ticket(self._digest("link", token), door, self._clock()))

    def come_in(self, token: str, ticket: str, said: str) -> Entry | Refusal:
        """Somebody answers. A ticket is good for one answer, whatever it is: what is sent twice is refused."""
        found = self._found(token)
        if isinstance(found, Refusal) or self._rules is None:
            return Refusal.UNKNOWN
        door, link, borrower, party = found
        now = self._clock()
        if door.is_locked(now):
            return Refusal.LOCKED
        proof = self._proof_of(party)
        if proof is None:
            return Refusal.UNKNOWN
        if not self._is_good(ticket, link.digest, door, now):
            return Refusal.STALE
        kind, known = proof
        clear = folded(kind, said[:40])
        hashed = self._keys.proof(kind, borrower.borrower_id, party.party_id, clear or "")
        right = clear is not None and hmac.compare_digest(hashed, known)
        secret = _cookie(self._random(32))
        if right:
            ends_at = now + timedelta(minutes=self._rules.session_minutes)
            after = door.opened(Session(self._digest("session", secret), link.digest, ends_at), now)
        else:
            after = door.refused(self._rules, now)
        try:
            self._put(after, now)
        except StateConflict:
            return Refusal.STALE  # another answer was weighed meanwhile, and this one was not
        if not right:
            return Refusal.LOCKED if after.is_locked(now) else Refusal.WRONG
        return Entry(borrower, party, link.point, secret)

    def inside(self, token: str, cookie: str) -> Entry | None:
        """Who has this cookie and came by this link; None for everybody else. Writes nothing."""
        if not _COOKIE.fullmatch(cookie):
            return None
        found = self._found(token)
        if isinstance(found, Refusal):
            return None
        door, link, borrower, party = found
        session = door.session(self._digest("session", cookie), link.digest, self._clock())
        return Entry(borrower, party, link.point, cookie) if session is not None else None

    def leave(self, token: str, cookie: str) -> None:
        """The session ends."""
        for _ in range(ATTEMPTS):
            found = self._found(token)
            if isinstance(found, Refusal):
                return
            try:
                self._put(found[0].left(self._digest("session", cookie)), self._clock())
            except StateConflict:
                continue
            return
        raise StateConflict("door")

    # ── forms ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def form(self, secret: str, what: str, once: str) -> str:
        """What a form of this session for this act carries, so that no other site's form does."""
        return hmac.digest(self._key, f"form|{secret}|{what}|{once}".encode(), hashlib.sha256).hex()[:32]

    def is_form(self, secret: str, what: str, once: str, check: str) -> bool:
        good = re.fullmatch(r"[0-9a-f]{32}", once) and re.fullmatch(r"[0-9a-f]{32}", check)
        return bool(good) and hmac.compare_digest(self.form(secret, what, once), check)

    def request_id(self, secret: str, what: str, once: str) -> str:
        """The name under which an act of this form is done once."""
        return "page-" + hmac.digest(self._key, f"act|{secret}|{what}|{once}".encode(), hashlib.sha256).hex()[:32]

    def nonce(self) -> str:
        return self._random(16).hex()

    # ── within ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _put(self, door: Door, now: datetime) -> None:
        # Kept as long as anything it says matters: wrong answers and shut doors outlive the links.
        days = self._rules.link_days if self._rules is not None else 0
        self._doors.put_door(door, now + timedelta(days=max(days, 30)))

    def _found(self, token: str) -> tuple[Door, Link, Borrower, Party] | Refusal:
        if self._rules is None or not _TOKEN.fullmatch(token):
            return Refusal.UNKNOWN
        digest = self._digest("link", token)
        whose = self._doors.whose(digest)
        if whose is None:
            return Refusal.UNKNOWN
        door = self._doors.door(*whose)
        link = door.link(digest, self._clock())
        borrower = self._store.borrower(whose[0]) if link is not None else None
        party = _party(borrower, whose[1]) if borrower is not None else None
        if link is None or borrower is None or party is None:
            return Refusal.LOCKED if door.is_locked(self._clock()) else Refusal.UNKNOWN
        if not any(each.point == link.point and each.lost_at is None for each in party.points):
            return Refusal.UNKNOWN  # the number it was sent to is not theirs any more
        return door, link, borrower, party

    def _proof_of(self, party: Party) -> tuple[Proof, str] | None:
        known = dict(party.proofs)
        rules = self._rules
        return next(((kind, known[kind]) for kind in (rules.proofs if rules else ()) if kind in known), None)

    def _digest(self, what: str, secret: str) -> str:
        return hmac.digest(self._key, f"{what}|{secret}".encode(), hashlib.sha256).hex()

    def _ticket(self, link: str, door: Door, now: datetime) -> str:
        until = int((now + _TICKET_LASTS).timestamp())
        return f"{until}-{self._signed(link, door, until)}"

    def _is_good(self, ticket: str, link: str, door: Door, now: datetime) -> bool:
        match = re.fullmatch(r"(\d{10,12})-([0-9a-f]{32})", ticket)
        if match is None or int(match[1]) <= now.timestamp():
            return False
        return hmac.compare_digest(match[2], self._signed(link, door, int(match[1])))

    def _signed(self, link: str, door: Door, until: int) -> str:
        said = f"ticket|{link}|{door.tries}|{until}"
        return hmac.digest(self._key, said.encode(), hashlib.sha256).hex()[:32]


def _party(borrower: Borrower, party_id: str) -> Party | None:
    return next((party for party in borrower.parties if party.party_id == party_id), None)


def _spelled(raw: bytes) -> str:
    """128 random bits as fourteen characters; what is left over of them is thrown away."""
    number, spelled = int.from_bytes(raw), ""
    for _ in range(TOKEN_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        spelled += _ALPHABET[digit]
    return spelled


def _cookie(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
