"""May this be said to this person, on this channel, now? One function answers for every caller.

The order of the questions is the order of their weight: what can never be allowed comes before what may be allowed
later, and a fact about the borrower comes before one about us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dunlin.domain.borrower import Borrower, ContactPoint, Loan, Party
from dunlin.domain.caps import binding_cap
from dunlin.domain.hours import next_window, weeks_for
from dunlin.domain.policy import Line, Policy, Strategy
from dunlin.domain.words import Channel, HoldKind, PartyRole, Purpose, Reason

#: From the reservation to the call: long enough for a cold start and a retry, short enough to mean "now".
HAND_OVER_WITHIN = timedelta(minutes=2)
#: A provider may deliver until then; never longer, and always inside the window.
LONGEST_DELIVERY = timedelta(hours=1)
SHORTEST_DELIVERY = timedelta(minutes=10)
#: A window with less left than this is as good as closed.
WINDOW_MARGIN = HAND_OVER_WITHIN + SHORTEST_DELIVERY
#: When nothing says when a condition of ours ends, look again after this.
LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Now, until the window closes."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Later:
    """Not now. `at` is when to ask again; `rule` says what binds."""

    at: datetime
    reason: Reason
    rule: str


@dataclass(frozen=True, slots=True)
class Never:
    """Not on this channel, not by waiting."""

    reason: Reason
    rule: str


Permit = Allowed | Later | Never


def addressee(borrower: Borrower, purpose: Purpose) -> Party | None:
    """Who is told: a representative who may hear it, else the primary borrower. Nobody else is ever addressed."""
    primary = None
    for party in borrower.parties:
        if purpose not in party.may_hear:
            continue
        if party.role is PartyRole.REPRESENTATIVE:
            return party
        if party.role is PartyRole.PRIMARY and primary is None:
            primary = party
    if primary is not None and any(p.role is PartyRole.REPRESENTATIVE for p in borrower.parties):
        # Somebody speaks for the borrower but may not hear this: then nobody is told, the borrower least of all.
        return None
    return primary


def zones_of(borrower: Borrower, point: ContactPoint) -> tuple[str, ...]:
    """Every zone the person may be in: of residence, and the ones the number indicates."""
    if not point.zones or point.zones == (borrower.zone,):
        return (borrower.zone,)
    return (borrower.zone, *(zone for zone in point.zones if zone != borrower.zone))


def line_for(policy: Policy, channel: Channel, purpose: Purpose) -> Line | None:
    """The first line of the lender's profile that carries this purpose on this channel, and is not stopped.

    Where all of them are stopped it is the first: then there is something to wait for.
    """
    first: Line | None = None
    for line in policy.lines:
        if line.channel is channel and purpose in line.purposes:
            if line.line_id not in policy.conditions.stopped_lines:
                return line
            first = first or line
    return first


def permit(
    borrower: Borrower,
    party: Party,
    point: ContactPoint,
    loans: tuple[Loan, ...],
    purpose: Purpose,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
) -> Permit:
    """Whether `party` may be told something of `purpose` about `loans` at `point` now."""
    channel = point.channel
    if not point.usable:
        return Never(Reason.NO_CONTACT_POINT, "contact_point.usable")
    if point.blocked and (purpose in point.blocked or "*" in point.blocked):
        return Never(Reason.OPTED_OUT, "opt_out")
    if purpose in policy.pack.consent_needed and purpose not in party.consents:
        return Never(Reason.NO_CONSENT, "consent_needed")
    line = line_for(policy, channel, purpose)
    if line is None:
        return Never(Reason.NO_ROUTE, "lines")

    held = holding(borrower, purpose, policy, now)
    if held is not None:
        return held
    if not policy.live:
        return Later(now + LOOK_AGAIN, Reason.CONTENT_NOT_LIVE, "release")
    conditions = policy.conditions
    if line.line_id in conditions.stopped_lines:
        return Later(now + LOOK_AGAIN, Reason.LINE_STOPPED, line.line_id)
    if purpose is not Purpose.REPLY:
        deaf_after = timedelta(minutes=policy.pack.deaf_after_minutes)
        if conditions.unheard_since is not None and now - conditions.unheard_since > deaf_after:
            return Later(now + deaf_after, Reason.DEAF, "deaf_after_minutes")
        for loan in loans:
            if is_stale(borrower, loan, policy, now):
                return Later(now + LOOK_AGAIN, Reason.STALE_BALANCE, "balance_max_age_hours")
    return _when(borrower, point, loans, purpose, strategy, policy, now)


def is_stale(borrower: Borrower, loan: Loan, policy: Policy, now: datetime) -> bool:
    """Whether the figures are older than the policy allows, counting what the feed says is complete.

    After a fact about this borrower was refused, the feed is not complete for them until a newer snapshot comes.
    """
    known_to = loan.as_of
    if borrower.doubted_at is not None and known_to <= borrower.doubted_at:
        return True
    complete_to = policy.conditions.feed_complete_to
    if complete_to is not None and complete_to > known_to:
        known_to = complete_to
    return now - known_to > timedelta(hours=policy.pack.balance_max_age_hours)


def holding(borrower: Borrower, purpose: Purpose, policy: Policy, now: datetime) -> Later | None:
    """The hold that stops this purpose the longest."""
    worst: Later | None = None
    for hold in borrower.holds:
        if hold.until is not None and hold.until <= now:
            continue
        if not _stops(hold.kind, purpose, policy):
            continue
        until = hold.until if hold.until is not None else now + timedelta(days=30)
        if worst is None or until > worst.at:
            worst = Later(until, Reason.HOLD, f"hold.{hold.kind}")
    return worst


def _stops(kind: HoldKind, purpose: Purpose, policy: Policy) -> bool:
    return any(rule.kind is kind and purpose in rule.stops for rule in policy.pack.holds)


def _when(
    borrower: Borrower,
    point: ContactPoint,
    loans: tuple[Loan, ...],
    purpose: Purpose,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
) -> Permit:
    zones = zones_of(borrower, point)
    cap = binding_cap(
        policy.pack.caps,
        borrower.contacts,
        channel=point.channel,
        purpose=purpose,
        loan_ids=tuple(loan.loan_id for loan in loans),
        zones=zones,
        now=now,
    )
    weeks = weeks_for((*policy.pack.hours, strategy.hours), purpose)
    window = next_window(weeks, zones, now if cap is None else cap[0], WINDOW_MARGIN)
    if window is None:
        return Never(Reason.QUIET_HOURS, "hours")
    if cap is not None:
        return Later(window[0], Reason.CAP, cap[1].rule_id)
    if window[0] > now:
        return Later(window[0], Reason.QUIET_HOURS, "hours")
    return Allowed(window[1])
