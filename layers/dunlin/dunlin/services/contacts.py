"""Contacts made elsewhere (diallers, agents, agencies, letters) reserve here first and report what became of them.

They are under the same promises as our own messages: stops, opt-outs, consent, pauses of everything or of the brand,
fresh figures, caps and hours, and who may hear what. The deaf guard too: a STOP that we have not heard yet may have
been one of everything. A ceiling or a stopped line is about our own texts and does not bind them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dunlin.domain.apply import pruned, with_contact, without_contact, woken
from dunlin.domain.borrower import ALL_PURPOSES, Borrower, Contact, ContactPoint, Loan, Party
from dunlin.domain.caps import Asked, binding_cap
from dunlin.domain.consent import consented
from dunlin.domain.hours import Around, Opening, closing_rules, next_window, openings_for
from dunlin.domain.message import WINDOW_MARGIN
from dunlin.domain.parties import (
    addressee,
    felt_by,
    felt_too,
    further_parties,
    loans_told,
    with_felt_elsewhere,
)
from dunlin.domain.permit import (
    LOOK_AGAIN,
    holding,
    is_stale,
    least_overdue,
    most_overdue,
    quiet_around,
    unverified_at,
    zones_of,
)
from dunlin.domain.policy import LETTER, Policy
from dunlin.domain.reach import PointState
from dunlin.domain.wishes import CHANNEL_RULE, QUIET_RULE
from dunlin.domain.words import Channel, LoanStatus, PauseScope, Purpose, Reason
from dunlin.errors import AlreadyRecorded, Conflict, InvalidInput, NotFound, Suppressed, VersionConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.policies import Policies, Rules
from dunlin.services.ports import Change, Clock, Felt, Record, Store

#: How long an outside contact may take from its reservation: it counts until then.
OUTSIDE_TAKES = timedelta(minutes=30)
#: Channels on which the party's telephone rings. What an agent or an agency does not name is counted as a call.
BY_TELEPHONE = frozenset({"call", "agent", "agency", "voicemail"})
#: What is written to the party's number, as a text is. Who has told us no number of theirs there is written to at the
#: one that takes texts: who opted out of texts there opted out of it.
WRITTEN_TO_A_NUMBER = frozenset({"whatsapp"})
#: Channels on which a number or an address is kept, and opted out of by itself.
OPTED_OUT_ONE_BY_ONE = frozenset({*Channel, *WRITTEN_TO_A_NUMBER})
#: The telephone rings at somebody else's. A number that takes no texts may still be a telephone.
_SOMEBODY_ELSES = frozenset({PointState.REASSIGNED, PointState.WRONG})


@dataclass(frozen=True, slots=True)
class Reserved:
    """Allowed now: make the contact before `until` and report it under `ref`."""

    ref: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Denied:
    """Not allowed, why, and when to ask again (None: not by waiting)."""

    reason: Reason
    rule: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A contact somebody wants to make: to whom, at which of their points (none for a letter), about what."""

    channel: str
    purpose: Purpose
    party: Party
    points: tuple[ContactPoint, ...]
    loans: tuple[Loan, ...]


class Contacts:
    """The service behind `POST /contacts:reserve` and `POST /contacts:report`."""

    def __init__(self, store: Store, policies: Policies, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._clock = clock

    def reserve(
        self,
        borrower_id: str,
        request_id: str,
        channel: str,
        purpose: Purpose,
        loan_ids: tuple[str, ...],
        party_id: str = "",
    ) -> Reserved | Denied:
        """Reserve a contact on a channel that is not ours. The same `request_id` twice is one contact.

        `party_id` names who is contacted; without it, whoever would be told of the borrower's own occasions.

        Raises:
            NotFound: no such borrower. InvalidInput: the request was another one before. VersionConflict: other writers
            were first each time.
        """
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                raise NotFound("borrower_id")
            now = self._clock()
            ref = f"outside/{request_id}"
            known = next((contact for contact in borrower.contacts if contact.ref == ref), None)
            if known is not None:
                if (known.channel, known.purpose) != (channel, purpose):
                    raise InvalidInput("request_id", "is another contact's")
                return Reserved(ref, known.felt_until)
            asked = _asked(borrower, channel, purpose, loan_ids, party_id, now)
            if isinstance(asked, Denied):
                return asked
            felt = tuple(self._store.felt(point.point) for point in asked.points)
            others = tuple(self._store.felt(point.point) for point in asked.party.points if point not in asked.points)
            knowing = borrower
            for each in (*felt, *others):
                knowing = with_felt_elsewhere(knowing, each.point, each.contacts)
            rules = self._policies.rules_for(borrower, now)
            answer = _permitted(knowing, rules, asked, now)
            if isinstance(answer, Denied):
                return answer
            until = min(answer, now + OUTSIDE_TAKES)
            # Where nobody is named, nobody knows who takes up the telephone: then it counts for every party.
            to = asked.party.party_id if party_id else ""
            at_point = asked.points[0].point if to and asked.points else ""
            told = tuple(loan.loan_id for loan in asked.loans)
            contact = Contact(ref, now, until, channel, purpose, told, to, at_point)
            elsewhere = replace(contact, ref=f"{borrower_id}/{ref}")
            try:
                self._store.commit(
                    Change(
                        borrower=woken(pruned(with_contact(borrower, contact), now), now),
                        unless_blocked=_suppressible(asked),
                        felt=tuple(replace(each, contacts=felt_too(each.contacts, elsewhere, now)) for each in felt),
                        felt_as_read=others,
                    )
                )
            except Suppressed:
                return Denied(Reason.OPTED_OUT, "suppression", None)
            except Conflict:
                continue
            return Reserved(ref, until)
        raise VersionConflict(borrower_id)

    def report(self, borrower_id: str, ref: str, *, made: bool) -> bool:
        """What became of it. Not made: the cap is free again. False when nothing is reserved under `ref`.

        The first report is the one that counts: whoever said that a contact was made cannot take it back and contact
        again. One that is never reported counts as made.

        Raises:
            NotFound: no such borrower. InvalidInput: `ref`, or it was reported otherwise before. VersionConflict.
        """
        if not ref.startswith("outside/"):
            raise InvalidInput("ref", "is not a reservation of an outside contact")
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                raise NotFound("borrower_id")
            contact = next((contact for contact in borrower.contacts if contact.ref == ref), None)
            if contact is None:
                return False
            now = self._clock()
            report = Record(
                borrower_id,
                f"CONTACT#{ref}#{contact.reserved_at.isoformat()}",
                {"made": made, "channel": contact.channel, "recorded_at": now},
            )
            change = self._reported(borrower, contact, report, now, made=made)
            try:
                self._store.commit(change)
            except AlreadyRecorded:
                # It is still among the contacts, so the first report said that it was made.
                if made:
                    return True
                raise InvalidInput("made", "was reported as made before") from None
            except Conflict:
                continue
            for each in change.felt:
                self._forgotten(each.point, f"{borrower_id}/{ref}")
            return True
        raise VersionConflict(borrower_id)

    def _forgotten(self, point: str, ref: str) -> None:
        """Let whoever else has the number forget a contact that was never made.

        Remembering it makes them wait for nothing, until it is too old to count: not worth a failure.
        """
        for borrower_id in self._store.borrowers_of(point):
            for _ in range(ATTEMPTS):
                borrower = self._store.borrower(borrower_id)
                if borrower is None or all(contact.ref != ref for contact in borrower.contacts):
                    break
                try:
                    self._store.commit(Change(borrower=woken(without_contact(borrower, ref), self._clock())))
                except Conflict:
                    continue
                break

    def _reported(self, borrower: Borrower, contact: Contact, report: Record, now: datetime, *, made: bool) -> Change:
        if made:
            return Change(records=(report,))
        felt: list[Felt] = []
        elsewhere = f"{borrower.borrower_id}/{contact.ref}"
        points = {point.point for party in borrower.parties for point in _points(party, contact.channel)}
        for point in sorted(points | ({contact.point} - {""})):
            known = self._store.felt(point)
            left = known.without(elsewhere, now)
            if left is not known:
                felt.append(left)
        return Change(borrower=woken(without_contact(borrower, contact.ref), now), records=(report,), felt=tuple(felt))


def _asked(
    borrower: Borrower, channel: str, purpose: Purpose, loan_ids: tuple[str, ...], party_id: str, now: datetime
) -> _Asked | Denied:
    """Whom and what it is about; what the loans and the parties themselves forbid is denied.

    Nobody is contacted about what is paid, on its way, or not ours, and nobody but a party about what they are on.
    """
    owed = {loan.loan_id: loan for loan in borrower.loans if loan.status is LoanStatus.OPEN and loan.instalments}
    if any(loan_id not in owed for loan_id in loan_ids):
        return Denied(Reason.LOAN_NOT_OPEN, "loan_ids", None)
    # A contact that names no loan is about all of them.
    about = tuple(owed[loan_id] for loan_id in (dict.fromkeys(loan_ids) or owed))
    if not about:
        return Denied(Reason.PAID, "loan.instalments", None)
    if any(loan.pending for loan in about):
        return Denied(Reason.PAYMENT_PENDING, "loan.pending", now + LOOK_AGAIN)
    denied = Denied(Reason.NOT_A_PARTY, "party.may_hear", None)
    for principal in (None, *further_parties(borrower)):
        party = addressee(borrower, purpose, principal)
        if party is None or (party_id and party.party_id != party_id) or (not party_id and principal is not None):
            continue
        told = loans_told(borrower, party, principal, about)
        if not told or (loan_ids and len(told) != len(about)):
            denied = Denied(Reason.NOT_A_PARTY, "party.loan_ids", None)
            continue
        return _Asked(channel, purpose, party, _points(party, channel), told)
    return denied


def _points(party: Party, channel: str) -> tuple[ContactPoint, ...]:
    """Where it would be felt: the party's points on this channel, the telephone for a call, nowhere for a letter."""
    theirs = tuple(point for point in party.points if point.channel == channel)
    if theirs or channel not in BY_TELEPHONE | WRITTEN_TO_A_NUMBER:
        return theirs
    return tuple(point for point in party.points if point.channel is Channel.SMS)


def _suppressible(asked: _Asked) -> tuple[str, Channel, Purpose] | None:
    """The point whose suppression forbids the contact: on a channel that people opt out of one by one."""
    if asked.channel not in OPTED_OUT_ONE_BY_ONE or not asked.points:
        return None
    return (asked.points[0].point, asked.points[0].channel, asked.purpose)


def _permitted(borrower: Borrower, rules: Rules | None, asked: _Asked, now: datetime) -> datetime | Denied:
    """Until when it may be made, or why not."""
    if rules is None:
        return Denied(Reason.CONTENT_NOT_LIVE, "pack", None)
    policy, party = rules.policy, asked.party
    opted_out = _opted_out(asked)
    if opted_out is not None:
        return opted_out
    if any(asked.purpose in ban.purposes for ban in policy.pack.bans):
        banned = policy.pack.ban(asked.purpose, asked.channel, most_overdue(borrower, now))
        if banned is not None:
            return Denied(Reason.FORBIDDEN, banned, None)
    given = consented(party.consents, asked.channel)
    missing = policy.pack.missing_consent(asked.purpose, asked.channel, given)
    if missing is not None:
        return Denied(Reason.NO_CONSENT, missing, None)
    unreached = _unreached(asked, policy, now)
    if unreached is not None:
        return unreached
    held = holding(borrower, asked.purpose, policy, now, loans=asked.loans, party=party, points=asked.points)
    if held is not None:
        return Denied(held.reason, held.rule, held.at)
    ours = _ours(borrower, asked.loans, policy, now)
    if ours is not None:
        return ours
    zones = tuple(dict.fromkeys(zone for point in party.points for zone in zones_of(borrower, point, party)))
    zones = zones or (party.zone or borrower.zone,)
    asked_of_caps = Asked(asked.channel, asked.purpose, tuple(loan.loan_id for loan in asked.loans), zones, now)
    caps = policy.pack.caps + rules.strategy.caps
    cap = binding_cap(caps, asked_of_caps, felt_by(borrower, party), borrower.contacts)
    if cap is not None:
        return Denied(Reason.CAP, cap[1].rule_id, cap[0])
    hours = (*policy.pack.hours, rules.strategy.hours)
    overdue = least_overdue(borrower, asked.loans, now) if policy.pack.hours_change_with_age else 0
    # A letter comes at no hour.
    quiet = quiet_around(party, asked.purpose) if asked.channel != LETTER else ()
    openings: tuple[Opening | Around, ...] = (
        *openings_for(hours, asked.purpose, asked.channel, days_overdue=overdue, consents=given),
        *quiet,
    )
    window = next_window(openings, zones, now, WINDOW_MARGIN)
    if window is None or window[0] > now:
        closed = closing_rules(
            hours,
            asked.purpose,
            asked.channel,
            zones,
            now,
            WINDOW_MARGIN,
            days_overdue=overdue,
            consents=given,
        )
        rule = closed[0] if closed else QUIET_RULE if quiet else "hours"
        return Denied(Reason.QUIET_HOURS, rule, window[0] if window is not None else None)
    return window[1]


def _unreached(asked: _Asked, policy: Policy, now: datetime) -> Denied | None:
    """What would reach somebody else, nobody, or perhaps somebody else; or the person, where they do not want it."""
    party, written = asked.party, asked.channel in WRITTEN_TO_A_NUMBER | frozenset(Channel)
    lost = [each for each in asked.points if not each.usable and (written or each.lost_because in _SOMEBODY_ELSES)]
    if asked.points and len(lost) == len(asked.points):
        return Denied(Reason.NO_CONTACT_POINT, "contact_point.usable", None)
    for point in asked.points:
        rule = unverified_at(policy.pack, party, point, asked.purpose, asked.channel, now)
        if rule is not None:
            return Denied(Reason.NOT_VERIFIED, rule, None)
        if written and not party.preferences.wants(point.channel, asked.purpose):
            return Denied(Reason.NOT_WANTED, CHANNEL_RULE, None)
    return None


def _opted_out(asked: _Asked) -> Denied | None:
    """What the person does not want: everything, however it comes, or what is written to one point."""
    word = asked.party.last_word
    if asked.channel not in OPTED_OUT_ONE_BY_ONE:
        everything = word is not None and word.opted_out
        return Denied(Reason.OPTED_OUT, "opt_out.everything", None) if everything else None
    if not asked.points:
        return Denied(Reason.NO_CONTACT_POINT, "party.points", None)
    blocked = any({str(asked.purpose), ALL_PURPOSES} & point.blocked for point in asked.points)
    return Denied(Reason.OPTED_OUT, "opt_out", None) if blocked else None


def _ours(borrower: Borrower, loans: tuple[Loan, ...], policy: Policy, now: datetime) -> Denied | None:
    """What lies with us: an unsigned release, a pressed stop button, ears that do not hear, figures that are old."""
    if not policy.live:
        return Denied(Reason.CONTENT_NOT_LIVE, "release", None)
    conditions = policy.conditions
    brands = {line.brand for line in policy.lines}
    for pause in conditions.pauses:
        whole = pause.scope is PauseScope.EVERYTHING or (pause.scope is PauseScope.BRAND and brands == {pause.name})
        if whole and (pause.until is None or pause.until > now):
            return Denied(Reason.PAUSED, f"pause.{pause.scope}", pause.until or now + LOOK_AGAIN)
    deaf_after = timedelta(minutes=policy.pack.deaf_after_minutes)
    if conditions.unheard_since is not None and now - conditions.unheard_since > deaf_after:
        return Denied(Reason.DEAF, "deaf_after_minutes", now + deaf_after)
    if conditions.feed_quiet_from is not None and now > conditions.feed_quiet_from:
        return Denied(Reason.STALE_BALANCE, "core_heartbeat_max_minutes", now + LOOK_AGAIN)
    if any(is_stale(borrower, loan, policy, now) for loan in loans):
        return Denied(Reason.STALE_BALANCE, "balance_max_age_hours", now + LOOK_AGAIN)
    return None
