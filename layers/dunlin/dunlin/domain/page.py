"""The borrower's page: what proves who somebody is, and what is known of the door to it. Pure.

A party has one door. Through it lead links, each the secret of a message; behind it are sessions. Of both only digests
are kept, and wrong answers are counted at the door, whichever link they came by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

__all__ = ["Door", "Link", "PageRules", "Proof", "Session", "folded"]

#: A page is opened on a telephone and perhaps a computer; a message or two may carry a link of their own.
MOST_LINKS = 4
MOST_SESSIONS = 3


class Proof(StrEnum):
    """What a person proves who they are by. Stored with the borrower, so never renamed."""

    BIRTH_ON = "birth_on"
    ID_TAIL = "id_tail"  # the last four characters of the national id
    POSTCODE = "postcode"


def folded(kind: Proof, said: str) -> str | None:
    """What was said, in the one form that is hashed; None if it can be no answer. Eight digits may be a day too."""
    plain = re.sub(r"[\s\-./年月日]", "", said).upper()
    match kind:
        case Proof.BIRTH_ON:
            dashed = re.fullmatch(r"\s*(\d{4})\D{1,3}(\d{1,2})\D{1,3}(\d{1,2})\D{0,2}", said)
            parts = dashed.groups() if dashed else (plain[:4], plain[4:6], plain[6:])
            if not dashed and not re.fullmatch(r"[0-9]{8}", plain):
                return None
            try:
                return date(int(parts[0]), int(parts[1]), int(parts[2])).isoformat()
            except ValueError:
                return None
        case Proof.ID_TAIL:
            return plain if re.fullmatch(r"[0-9X]{4}", plain) else None
        case Proof.POSTCODE:
            return plain if re.fullmatch(r"[A-Z0-9]{2,12}", plain) else None


@dataclass(frozen=True, slots=True)
class PageRules:
    """The lender's own rules for the page. `host`: its own, under which links are sent. `proofs`: any one of them that
    is known of a person, the first first. `wrong_tries` shut the door for `locked_hours` and end all links."""

    host: str
    proofs: tuple[Proof, ...]
    link_days: int = 14
    wrong_tries: int = 5
    locked_hours: int = 24
    session_minutes: int = 20


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was given out, by its digest, for the contact point (by HMAC) it was made for."""

    digest: str
    point: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who proved who they are, by the digest of their cookie; good with the link they came by only."""

    digest: str
    link: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Door:
    """A party's door. `tries` counts every answer for ever: a form is good for the count it was made at. `wrong` counts
    those in a row that were false."""

    borrower_id: str
    party_id: str
    revision: int = 0
    links: tuple[Link, ...] = ()
    sessions: tuple[Session, ...] = ()
    tries: int = 0
    wrong: int = 0
    locked_until: datetime | None = None

    def is_locked(self, now: datetime) -> bool:
        return self.locked_until is not None and self.locked_until > now

    def link(self, digest: str, now: datetime) -> Link | None:
        return next((link for link in self.links if link.digest == digest and link.ends_at > now), None)

    def session(self, digest: str, link: str, now: datetime) -> Session | None:
        return next(
            (each for each in self.sessions if (each.digest, each.link) == (digest, link) and each.ends_at > now), None
        )

    def with_link(self, link: Link, now: datetime) -> Door:
        """One more link; the oldest goes where there are too many."""
        kept = tuple(each for each in self.links if each.ends_at > now)
        return replace(self, links=(*kept, link)[-MOST_LINKS:])

    def opened(self, session: Session, now: datetime) -> Door:
        """Somebody proved who they are."""
        kept = tuple(each for each in self.sessions if each.ends_at > now)
        return replace(self, sessions=(*kept, session)[-MOST_SESSIONS:], tries=self.tries + 1, wrong=0)

    def refused(self, rules: PageRules, now: datetime) -> Door:
        """A false answer. The last one that is allowed shuts the door, and nobody is left inside."""
        counted = replace(self, tries=self.tries + 1, wrong=self.wrong + 1)
        if counted.wrong < rules.wrong_tries:
            return counted
        until = now + timedelta(hours=rules.locked_hours)
        return replace(counted, wrong=0, locked_until=until, links=(), sessions=())

    def left(self, digest: str) -> Door:
        return replace(self, sessions=tuple(each for each in self.sessions if each.digest != digest))

    def revoked(self) -> Door:
        """Every link and session ends."""
        return replace(self, links=(), sessions=())
