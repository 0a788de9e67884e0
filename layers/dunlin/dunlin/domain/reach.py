"""Whether a contact point reaches the person: what was found out about a number or an address, and when.

Findings are kept at the point itself, since most of them are about whoever has it, and mirrored to the borrowers. Of
each kind the latest one counts, so their order does not matter. A point that was lost is usable again once somebody
made sure, later than that, that it is this person's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from dunlin.domain.borrower import Borrower, ContactPoint


class PointState(StrEnum):
    """What somebody found out about a contact point."""

    CONFIRMED = "confirmed"  # it is this person's: somebody made sure
    CHECKED = "checked"  # it was not given to somebody else since: looked up, nobody was asked
    REASSIGNED = "reassigned"  # it is somebody else's now
    BOUNCED = "bounced"  # nothing arrives there
    INVALID = "invalid"  # there is no such number or address
    WRONG = "wrong"  # whoever answers there is not this person


LOST = frozenset({PointState.REASSIGNED, PointState.BOUNCED, PointState.INVALID, PointState.WRONG})
#: About one person and not about everybody who has the point.
OF_ONE = frozenset({PointState.CONFIRMED, PointState.WRONG})
#: A shared number has few holders, and of each the latest word is kept: more than this is a mistake.
MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """`borrower_id` and `party_id`: whom it is about, where it is about one person (no party: each of that borrower's
    who has the point)."""

    state: PointState
    at: datetime
    borrower_id: str = ""
    party_id: str = ""
    source: str = ""

    def is_about(self, borrower_id: str, party_id: str) -> bool:
        return self.borrower_id in ("", borrower_id) and self.party_id in ("", party_id)


def with_finding(findings: tuple[Finding, ...], finding: Finding) -> tuple[Finding, ...]:
    """The findings that still matter once this one was made: of each kind, about each person, the latest."""
    subject = (finding.state, finding.borrower_id, finding.party_id)
    known = next((each for each in findings if (each.state, each.borrower_id, each.party_id) == subject), None)
    if known is not None and (known.at, known.source) >= (finding.at, finding.source):
        return findings
    kept = (*(each for each in findings if each is not known), finding)
    # Were there ever too many, what forbids is not what is forgotten.
    newest = sorted(kept, key=lambda each: (each.state in LOST, each.at), reverse=True)[:MOST_FINDINGS]
    return tuple(sorted(newest, key=lambda each: (each.state, each.borrower_id, each.party_id)))


def reached(point: ContactPoint, findings: Iterable[Finding], borrower_id: str, party_id: str) -> ContactPoint:
    """The contact point of this person with what was found out about it."""
    for finding in findings:
        if finding.is_about(borrower_id, party_id):
            point = _found(point, finding.state, finding.at)
    return point


def verified(point: ContactPoint, at: datetime | None) -> ContactPoint:
    """The point that somebody made sure of `at`."""
    return point if at is None else _found(point, PointState.CONFIRMED, at)


def lost(point: ContactPoint, because: PointState, at: datetime) -> ContactPoint:
    return _found(point, because, at)


def carried_over(point: ContactPoint, known: ContactPoint, *, same_party: bool) -> ContactPoint:
    """The point of a new snapshot with what was known of the same one: lost for the borrower, it stays so; that it is
    the party's was made sure of for that party only."""
    if same_party:
        point = replace(verified(point, known.verified_at), checked_at=_latest(point.checked_at, known.checked_at))
    if known.lost_at is not None:
        return _found(point, PointState(known.lost_because), known.lost_at)
    if not known.usable:
        # Stored by an earlier version, which did not say when it was lost: only somebody's word for it mends that.
        return replace(point, usable=False)
    return point


def mirrored_findings(borrower: Borrower, point: str, findings: tuple[Finding, ...]) -> Borrower:
    """The borrower whose contact points carry what was found out about `point`."""
    return replace(
        borrower,
        parties=tuple(
            replace(
                party,
                points=tuple(
                    reached(each, findings, borrower.borrower_id, party.party_id) if each.point == point else each
                    for each in party.points
                ),
            )
            for party in borrower.parties
        ),
    )


def _found(point: ContactPoint, state: PointState, at: datetime) -> ContactPoint:
    if state is PointState.CHECKED:
        return replace(point, checked_at=_latest(point.checked_at, at))
    if state is PointState.CONFIRMED:
        if point.verified_at is not None and point.verified_at >= at:
            return point
        usable = point.usable or point.lost_at is None or at > point.lost_at
        return replace(point, verified_at=at, usable=usable)
    if point.lost_at is not None and (point.lost_at, point.lost_because) >= (at, str(state)):
        return point
    usable = point.verified_at is not None and point.verified_at > at
    return replace(point, lost_at=at, lost_because=str(state), usable=usable)


def _latest(known: datetime | None, at: datetime | None) -> datetime | None:
    if known is None or at is None:
        return known or at
    return max(known, at)
