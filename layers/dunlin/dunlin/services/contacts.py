"""Contacts made elsewhere (diallers, agents, agencies, letters) reserve here first and report what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dunlin.domain.apply import pruned, with_contact, without_contact, woken
from dunlin.domain.borrower import ALL_PURPOSES, Borrower, Contact, Loan
from dunlin.domain.caps import binding_cap
from dunlin.domain.hours import next_window, weeks_for
from dunlin.domain.permit import LOOK_AGAIN, WINDOW_MARGIN, addressee, holding, is_stale, zones_of
from dunlin.domain.words import Channel, LoanStatus, Purpose, Reason
from dunlin.errors import Conflict, InvalidInput, NotFound, Suppressed, VersionConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.policies import Policies, Rules
from dunlin.services.ports import Change, Clock, Store

#: How long an outside contact may take from its reservation: it counts until then.
OUTSIDE_TAKES = timedelta(minutes=30)


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


class Contacts:
    """The service behind `POST /contacts:reserve` and `POST /contacts:report`."""

    def __init__(self, store: Store, policies: Policies, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._clock = clock

    def reserve(
        self, borrower_id: str, request_id: str, channel: str, purpose: Purpose, loan_ids: tuple[str, ...]
    ) -> Reserved | Denied:
        """Reserve a contact on a channel that is not ours. The same `request_id` twice is one contact.

        Raises:
            NotFound: no such borrower. VersionConflict: other writers were first each time.
        """
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                raise NotFound("borrower_id")
            now = self._clock()
            ref = f"outside/{request_id}"
            known = next((contact for contact in borrower.contacts if contact.ref == ref), None)
            if known is not None:
                return Reserved(ref, known.felt_until)
            rules = self._policies.rules_for(borrower, now)
            owed = {
                loan.loan_id: loan for loan in borrower.loans if loan.status is LoanStatus.OPEN and loan.instalments
            }
            # A contact that names no loan is about all of them.
            about = tuple(owed[loan_id] for loan_id in (loan_ids or owed) if loan_id in owed)
            denied = _loans_permit(about, loan_ids, now)
            answer = denied if denied is not None else _permitted(borrower, rules, channel, purpose, about, now)
            if isinstance(answer, Denied):
                return answer
            until = min(answer, now + OUTSIDE_TAKES)
            contact = Contact(ref, now, until, channel, purpose, tuple(loan.loan_id for loan in about))
            try:
                self._store.commit(
                    Change(
                        borrower=woken(pruned(with_contact(borrower, contact), now), now),
                        unless_blocked=_point_of(borrower, channel, purpose),
                    )
                )
            except Suppressed:
                return Denied(Reason.OPTED_OUT, "suppression", None)
            except Conflict:
                continue
            return Reserved(ref, until)
        raise VersionConflict(borrower_id)

    def report(self, borrower_id: str, ref: str, *, made: bool) -> bool:
        """What became of it. Not made: the cap is free again. False when nothing was reserved under `ref`."""
        if not ref.startswith("outside/"):
            raise InvalidInput("ref", "is not a reservation of an outside contact")
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                raise NotFound("borrower_id")
            if not any(contact.ref == ref for contact in borrower.contacts):
                return False
            if made:
                return True
            try:
                self._store.commit(Change(borrower=woken(without_contact(borrower, ref), self._clock())))
            except Conflict:
                continue
            return True
        raise VersionConflict(borrower_id)


def _loans_permit(about: tuple[Loan, ...], loan_ids: tuple[str, ...], now: datetime) -> Denied | None:
    """What the loans themselves forbid: nobody is contacted about what is paid, on its way, or not ours."""
    if len(about) < len(loan_ids):
        return Denied(Reason.LOAN_NOT_OPEN, "loan_ids", None)
    if not about:
        return Denied(Reason.PAID, "loan.instalments", None)
    if any(loan.pending for loan in about):
        return Denied(Reason.PAYMENT_PENDING, "loan.pending", now + LOOK_AGAIN)
    return None


def _point_of(borrower: Borrower, channel: str, purpose: Purpose) -> tuple[str, Channel, Purpose] | None:
    """The contact point a message of an outside system would go to, where the channel is one people opt out of."""
    if channel not in set(Channel):
        return None
    party = addressee(borrower, purpose)
    points = party.points if party is not None else ()
    point = next((point for point in points if point.channel == channel), None)
    return (point.point, point.channel, purpose) if point is not None else None


def _permitted(
    borrower: Borrower, rules: Rules | None, channel: str, purpose: Purpose, about: tuple[Loan, ...], now: datetime
) -> datetime | Denied:
    if rules is None:
        return Denied(Reason.CONTENT_NOT_LIVE, "pack", None)
    if not rules.policy.live:
        return Denied(Reason.CONTENT_NOT_LIVE, "release", None)
    for loan in about:
        if is_stale(borrower, loan, rules.policy, now):
            return Denied(Reason.STALE_BALANCE, "balance_max_age_hours", now + LOOK_AGAIN)
    party = addressee(borrower, purpose)
    if party is None:
        return Denied(Reason.NOT_A_PARTY, "party.may_hear", None)
    if channel in set(Channel):
        points = [point for point in party.points if point.channel == channel]
        if not points:
            return Denied(Reason.NO_CONTACT_POINT, "party.points", None)
        if any({str(purpose), ALL_PURPOSES} & point.blocked for point in points):
            return Denied(Reason.OPTED_OUT, "opt_out", None)
    held = holding(borrower, purpose, rules.policy, now)
    if held is not None:
        return Denied(held.reason, held.rule, held.at)
    if purpose in rules.policy.pack.consent_needed and purpose not in party.consents:
        return Denied(Reason.NO_CONSENT, "consent_needed", None)
    zones = tuple(dict.fromkeys(zone for point in party.points for zone in zones_of(borrower, point)))
    zones = zones or (borrower.zone,)
    cap = binding_cap(
        rules.policy.pack.caps,
        borrower.contacts,
        channel=channel,
        purpose=purpose,
        loan_ids=tuple(loan.loan_id for loan in about),
        zones=zones,
        now=now,
    )
    if cap is not None:
        return Denied(Reason.CAP, cap[1].rule_id, cap[0])
    weeks = weeks_for((*rules.policy.pack.hours, rules.strategy.hours), purpose)
    window = next_window(weeks, zones, now, WINDOW_MARGIN)
    if window is None:
        return Denied(Reason.QUIET_HOURS, "hours", None)
    if window[0] > now:
        return Denied(Reason.QUIET_HOURS, "hours", window[0])
    return window[1]
