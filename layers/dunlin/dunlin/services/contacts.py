"""Contacts made elsewhere (diallers, agents, agencies, letters) reserve here first and report what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from dunlin.domain.apply import pruned, with_contact, without_contact, woken
from dunlin.domain.borrower import Borrower, Contact
from dunlin.domain.caps import binding_cap
from dunlin.domain.hours import next_window, weeks_for
from dunlin.domain.permit import WINDOW_MARGIN, addressee, holding, zones_of
from dunlin.domain.words import Purpose, Reason
from dunlin.errors import Conflict, InvalidInput, NotFound, VersionConflict
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
            answer = _permitted(borrower, rules, channel, purpose, loan_ids, now)
            if isinstance(answer, Denied):
                return answer
            until = min(answer, now + OUTSIDE_TAKES)
            contact = Contact(ref, now, until, channel, purpose, loan_ids)
            try:
                self._store.commit(Change(borrower=woken(pruned(with_contact(borrower, contact), now), now)))
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


def _permitted(
    borrower: Borrower, rules: Rules | None, channel: str, purpose: Purpose, loan_ids: tuple[str, ...], now: datetime
) -> datetime | Denied:
    if rules is None:
        return Denied(Reason.CONTENT_NOT_LIVE, "pack", None)
    party = addressee(borrower, purpose)
    if party is None:
        return Denied(Reason.NOT_A_PARTY, "party.may_hear", None)
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
        loan_ids=loan_ids,
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
