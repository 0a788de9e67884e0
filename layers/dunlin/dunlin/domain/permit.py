"""May this be said to this person, on this channel, now? One function answers for every caller.

The order of the questions is the order of their weight: what can never be allowed comes before what may be allowed
later, and a fact about the borrower comes before one about us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dunlin.domain.borrower import Borrower, ContactPoint, Hold, Loan, Party
from dunlin.domain.caps import Asked, binding_cap
from dunlin.domain.consent import Basis, consented, standing
from dunlin.domain.hours import Around, Opening, closing_rules, local_date, next_window, openings_for
from dunlin.domain.message import WINDOW_MARGIN
from dunlin.domain.parties import addressee, felt_by, stands_for
from dunlin.domain.pauses import Pause
from dunlin.domain.policy import HoursRule, Line, Pack, Policy, Proofs, Strategy
from dunlin.domain.statement import days_past_due
from dunlin.domain.wishes import CHANNEL_RULE, QUIET_RULE, WISHED_ABOUT, open_spans
from dunlin.domain.words import Channel, HoldKind, LoanStatus, PauseScope, Purpose, Reason, UnderStop

#: A provider may deliver until then; never longer, and always inside the window.
LONGEST_DELIVERY = timedelta(hours=1)
#: When nothing says when a condition of ours ends, look again after this.
LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Now, until the window closes. `basis`: the consents without which a rule would have stopped it."""

    until: datetime
    basis: tuple[Basis, ...] = ()


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


def zones_of(borrower: Borrower, point: ContactPoint, party: Party | None = None) -> tuple[str, ...]:
    """Every zone the person may be in: of residence (the borrower's, unless theirs is known), and the ones the number
    indicates."""
    home = borrower.zone if party is None else party.zone or borrower.zone
    if not point.zones or point.zones == (home,):
        return (home,)
    return (home, *(zone for zone in point.zones if zone != home))


def line_for(policy: Policy, channel: Channel, purpose: Purpose) -> Line | None:
    """The first line of the lender's profile that carries this purpose on this channel, neither stopped nor paused.

    Where all of them rest it is the first: then there is something to wait for.
    """
    first: Line | None = None
    for line in policy.lines:
        if line.channel is channel and purpose in line.purposes:
            if not _rests(line, policy):
                return line
            first = first or line
    return first


def _rests(line: Line, policy: Policy) -> bool:
    conditions = policy.conditions
    return line.line_id in conditions.stopped_lines or any(
        pause.covers(line, "") for pause in conditions.pauses if pause.scope is not PauseScope.TEMPLATE
    )


def permit(
    borrower: Borrower,
    party: Party,
    point: ContactPoint,
    loans: tuple[Loan, ...],
    purpose: Purpose,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    *,
    template: str = "",
    despite: frozenset[HoldKind] = frozenset(),
    urgent: bool = False,
) -> Permit:
    """Whether `party` may be told something of `purpose` about `loans` at `point` now, in the words of `template`.

    `despite`: kinds of stops that it is about. `urgent`: the lender's own hours do not hold it up, the law's do.
    """
    channel = point.channel
    if not point.usable:
        return Never(Reason.NO_CONTACT_POINT, "contact_point.usable")
    if point.blocked and (purpose in point.blocked or "*" in point.blocked):
        return Never(Reason.OPTED_OUT, "opt_out")
    if any(purpose in ban.purposes for ban in policy.pack.bans):
        banned = policy.pack.ban(purpose, channel, most_overdue(borrower, now))
        if banned is not None:
            return Never(Reason.FORBIDDEN, banned)
    given = consented(party.consents, channel)
    missing = policy.pack.missing_consent(purpose, channel, given)
    if missing is not None:
        return Never(Reason.NO_CONSENT, missing)
    unverified = unverified_at(policy.pack, party, point, purpose, channel, now)
    if unverified is not None:
        return Never(Reason.NOT_VERIFIED, unverified)
    if not party.preferences.wants(channel, purpose):
        return Never(Reason.NOT_WANTED, CHANNEL_RULE)
    line = line_for(policy, channel, purpose)
    if line is None:
        return Never(Reason.NO_ROUTE, "lines")

    held = holding(borrower, purpose, policy, now, loans=loans, party=party, points=(point,), despite=despite)
    if held is not None:
        # A stop on this point alone that nothing ends: waiting for it would keep the others from being used.
        if any(
            hold.point == point.point
            and hold.until is None
            and hold.kind not in despite
            and _stops(hold.kind, purpose, policy)
            for hold in borrower.holds
        ):
            return Never(held.reason, held.rule)
        return held
    if not policy.live:
        return Later(now + LOOK_AGAIN, Reason.CONTENT_NOT_LIVE, "release")
    conditions = policy.conditions
    if line.line_id in conditions.stopped_lines:
        return Later(now + LOOK_AGAIN, Reason.LINE_STOPPED, line.line_id)
    paused = pausing(conditions.pauses, line, template, now)
    if paused is not None:
        return paused
    if template in conditions.full_templates:
        return Later(conditions.ceilings_until or now + LOOK_AGAIN, Reason.CEILING, template)
    if purpose is not Purpose.REPLY:
        deaf_after = timedelta(minutes=policy.pack.deaf_after_minutes)
        if conditions.unheard_since is not None and now - conditions.unheard_since > deaf_after:
            return Later(now + deaf_after, Reason.DEAF, "deaf_after_minutes")
        if loans and conditions.feed_quiet_from is not None and now > conditions.feed_quiet_from:
            return Later(now + LOOK_AGAIN, Reason.STALE_BALANCE, "core_heartbeat_max_minutes")
        for loan in loans:
            if is_stale(borrower, loan, policy, now):
                return Later(now + LOOK_AGAIN, Reason.STALE_BALANCE, "balance_max_age_hours")
    return _when(borrower, party, point, loans, purpose, strategy, policy, now, given, urgent=urgent)


def unverified_at(
    pack: Pack, party: Party, point: ContactPoint, purpose: Purpose, channel: str, now: datetime
) -> str | None:
    """The rule that wants to be surer that `party` is reached at `point`; None: there is none."""
    if not pack.verifications:
        return None
    consent = standing(party.consents, purpose, channel)
    given_at = consent.given_at if consent is not None else None
    return pack.unverified(purpose, channel, Proofs(point.verified_at, point.checked_at, given_at), now)


def quiet_around(party: Party, purpose: Purpose) -> tuple[Around, ...]:
    """The hours that the person's own quiet hours leave; nothing where there are none, or none that bind this."""
    quiet = party.preferences.quiet
    return (Around(open_spans(quiet)),) if quiet and purpose in WISHED_ABOUT else ()


def basis_of(
    pack: Pack, rules: tuple[HoursRule, ...], party: Party, purpose: Purpose, channel: str, days_overdue: int
) -> tuple[Basis, ...]:
    """The rules that would have stopped it, and do not because of a consent; each with the record of it."""
    if not party.consents:
        return ()
    asked = [(rule_id, str(purpose)) for rule_id in pack.asking_consent(purpose, channel)]
    asked += [
        (rule.rule_id, rule.unless_consent)
        for rule in rules
        if rule.unless_consent and rule.binds(purpose, channel, days_overdue, ())
    ]
    records = ((rule_id, standing(party.consents, name, channel)) for rule_id, name in asked)
    return tuple(Basis(rule_id, consent) for rule_id, consent in records if consent is not None)


def pausing(pauses: tuple[Pause, ...], line: Line, template: str, now: datetime) -> Later | None:
    """The pause that stops this line or template now, the longest one of several."""
    worst: Later | None = None
    for pause in pauses:
        if (pause.until is not None and pause.until <= now) or not pause.covers(line, template):
            continue
        # A pause without an end is lifted by a person, who does not want to wait a day for the effect.
        at = now + LOOK_AGAIN if pause.until is None else min(pause.until, now + LOOK_AGAIN * 24)
        if worst is None or at > worst.at:
            worst = Later(at, Reason.PAUSED, f"pause.{pause.scope}")
    return worst


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


def holding(
    borrower: Borrower,
    purpose: Purpose,
    policy: Policy,
    now: datetime,
    *,
    loans: tuple[Loan, ...] = (),
    party: Party | None = None,
    points: tuple[ContactPoint, ...] = (),
    despite: frozenset[HoldKind] = frozenset(),
) -> Later | None:
    """The hold that stops this purpose the longest, of those about the whole borrower or about what is named here."""
    worst: Later | None = None
    for hold in borrower.holds:
        if not _is_in_force(hold, now) or not _is_about(borrower, hold, loans, party, points):
            continue
        if hold.kind in despite or not _stops(hold.kind, purpose, policy):
            continue
        until = hold.until if hold.until is not None else now + timedelta(days=30)
        if worst is None or until > worst.at:
            worst = Later(until, Reason.HOLD, f"hold.{hold.kind}")
    return worst


def escalation_stop(
    borrower: Borrower, loans: tuple[Loan, ...], policy: Policy, now: datetime
) -> tuple[UnderStop, Later] | None:
    """What the stops in force do to an escalation about `loans`: one that ends it before one that it waits for.

    A stop on one contact point leaves the escalation the others; one about a party counts where that party is told.
    """
    waits: Later | None = None
    for hold in borrower.holds:
        if hold.point or not _is_in_force(hold, now):
            continue
        rule = next((rule for rule in policy.pack.holds if rule.kind is hold.kind), None)
        if rule is None or rule.escalation is UnderStop.GOES_ON:
            continue
        if not _is_about(borrower, hold, loans, addressee(borrower, Purpose.COLLECTION), ()):
            continue
        until = hold.until if hold.until is not None else now + timedelta(days=30)
        if rule.escalation is UnderStop.ENDS:
            return UnderStop.ENDS, Later(until, Reason.HOLD, f"hold.{hold.kind}")
        if waits is None or until > waits.at:
            waits = Later(until, Reason.HOLD, f"hold.{hold.kind}")
    return (UnderStop.WAITS, waits) if waits is not None else None


def _is_in_force(hold: Hold, now: datetime) -> bool:
    return hold.until is None or hold.until > now


def _is_about(
    borrower: Borrower,
    hold: Hold,
    loans: tuple[Loan, ...],
    party: Party | None,
    points: tuple[ContactPoint, ...],
) -> bool:
    if hold.loan_id and not any(loan.loan_id == hold.loan_id for loan in loans):
        return False
    if hold.party_id and (party is None or hold.party_id not in stands_for(borrower, party)):
        return False
    return not hold.point or any(point.point == hold.point for point in points)


def _stops(kind: HoldKind, purpose: Purpose, policy: Policy) -> bool:
    return any(rule.kind is kind and purpose in rule.stops for rule in policy.pack.holds)


def _when(
    borrower: Borrower,
    party: Party,
    point: ContactPoint,
    loans: tuple[Loan, ...],
    purpose: Purpose,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    given: frozenset[str],
    *,
    urgent: bool,
) -> Permit:
    zones = zones_of(borrower, point, party)
    asked = Asked(point.channel, purpose, tuple(loan.loan_id for loan in loans), zones, now)
    cap = binding_cap(policy.pack.caps + strategy.caps, asked, felt_by(borrower, party), borrower.contacts)
    rules = policy.pack.hours if urgent else (*policy.pack.hours, strategy.hours)
    overdue = least_overdue(borrower, loans, now) if policy.pack.hours_change_with_age else 0
    quiet = quiet_around(party, purpose)
    openings: tuple[Opening | Around, ...] = (
        *openings_for(rules, purpose, point.channel, days_overdue=overdue, consents=given),
        *quiet,
    )
    window = next_window(openings, zones, now if cap is None else cap[0], WINDOW_MARGIN)
    if cap is not None and window is not None:
        return Later(window[0], Reason.CAP, cap[1].rule_id)
    if window is None or window[0] > now:
        closed = closing_rules(
            rules, purpose, point.channel, zones, now, WINDOW_MARGIN, days_overdue=overdue, consents=given
        )
        rule = closed[0] if closed else QUIET_RULE if quiet else "hours"
        if window is None:
            return Never(Reason.QUIET_HOURS, rule)
        return Later(window[0], Reason.QUIET_HOURS, rule)
    return Allowed(window[1], basis_of(policy.pack, rules, party, purpose, point.channel, overdue))


def least_overdue(borrower: Borrower, loans: tuple[Loan, ...], now: datetime) -> int:
    """The days overdue of the loan that is least so: what a rule allows of old debts, every one of them must be."""
    return min(_days_overdue(borrower, loans, now), default=0)


def most_overdue(borrower: Borrower, now: datetime) -> int:
    """The days overdue of the borrower's oldest debt to us."""
    still_open = tuple(loan for loan in borrower.loans if loan.status is LoanStatus.OPEN)
    return max(_days_overdue(borrower, still_open, now), default=0)


def _days_overdue(borrower: Borrower, loans: tuple[Loan, ...], now: datetime) -> list[int]:
    today = local_date(now, borrower.zone)
    # A loan of which nothing is owed is not overdue: it has no instalment to be late with.
    return [
        days_past_due(loan, today, local_date(loan.as_of, borrower.zone)) if loan.instalments else 0 for loan in loans
    ]
