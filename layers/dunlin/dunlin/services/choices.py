"""What people wish for, taken where it leaves something: a wish that would silence for ever is refused at the door."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from dunlin.domain.apply import woken
from dunlin.domain.borrower import Borrower, Party
from dunlin.domain.consent import consented
from dunlin.domain.hours import Around, Opening, at_local, local_date, next_window, openings_for
from dunlin.domain.permit import zones_of
from dunlin.domain.policy import Conditions
from dunlin.domain.wishes import LEAST_OPEN_MINUTES, Quiet, Wish, open_spans, with_wish
from dunlin.domain.words import PartyRole, Purpose
from dunlin.errors import AlreadyRecorded, Conflict, InvalidInput, NotFound, VersionConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.policies import strategy_of
from dunlin.services.ports import Change, Clock, Content, Record, Store

FUTURE_ALLOWED = timedelta(minutes=5)
_LEAST_OPEN = timedelta(minutes=LEAST_OPEN_MINUTES)
#: Long enough that no weekday is hidden behind a holiday.
_DAYS_LOOKED_AT = 14


class Choices:
    """The service behind `POST /preferences`; the core's `preferences.chosen` comes to the same in `Ingest`."""

    def __init__(self, store: Store, content: Content, clock: Clock) -> None:
        self._store = store
        self._content = content
        self._clock = clock

    def choose(self, borrower_id: str, party_id: str, wish: Wish, *, at: datetime, by: str) -> bool:
        """Do as was wished `at`; `by` names the request, and the same twice is nothing. Returns whether it changed
        anything: a later wish is known already, or the same one.

        Raises:
            InvalidInput: from the future, of a party that is none, or a wish that leaves nothing. NotFound: no such
            borrower. Conflict: other writers were first each time.
        """
        for _ in range(ATTEMPTS):
            now = self._clock()
            if at > now + FUTURE_ALLOWED:
                raise InvalidInput("received_at", "is in the future")
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                raise NotFound("borrower_id")
            after = with_choice(borrower, party_id, wish, at, self._content, now)
            changed = after != borrower
            fact = Record(borrower_id, f"FACT#{by}", wish_fact(party_id, wish, at, now))
            try:
                self._store.commit(Change(borrower=woken(after, now) if changed else None, records=(fact,)))
            except AlreadyRecorded:
                return False
            except Conflict:
                continue
            return changed
        raise VersionConflict(borrower_id)


def wish_fact(party_id: str, wish: Wish, at: datetime, now: datetime) -> dict[str, object]:
    """What is kept of it for good."""
    return {
        "type": "preferences.chosen",
        "occurred_at": at,
        "recorded_at": now,
        "party_id": party_id,
        "channels": list(wish.channels) if wish.channels is not None else None,
        "quiet_hours": [list(each) for each in wish.quiet] if wish.quiet is not None else None,
        "language": wish.language,
    }


def with_choice(
    borrower: Borrower, party_id: str, wish: Wish, at: datetime, content: Content, now: datetime
) -> Borrower:
    """The borrower one of whose parties (`party_id` empty: the primary borrower) wishes for this.

    Raises:
        InvalidInput: there is no such party, or the wish would leave nothing.
    """
    party = party_meant(borrower, party_id)
    if party is None:
        raise InvalidInput("choice.party_id", "is no party to the borrower's loans")
    if wish.channels and party.points and not any(point.channel in wish.channels for point in party.points):
        raise InvalidInput("choice.channels", "must name one on which the party can be reached")
    if wish.quiet and not leaves_room(borrower, party, wish.quiet, content, now):
        raise InvalidInput(
            "choice.quiet_hours", "must leave two hours in a row of every day on which something may come"
        )
    changed = replace(party, preferences=with_wish(party.preferences, wish, at))
    return replace(borrower, parties=tuple(changed if each is party else each for each in borrower.parties))


def party_meant(borrower: Borrower, party_id: str) -> Party | None:
    """The party of this id; the primary borrower where none is named."""
    for party in borrower.parties:
        if party.party_id == party_id or (not party_id and party.role is PartyRole.PRIMARY):
            return party
    return None


def leaves_room(borrower: Borrower, party: Party, quiet: tuple[Quiet, ...], content: Content, now: datetime) -> bool:
    """Whether, at every point and for everything asked for there, each day keeps two of the hours that it has."""
    today = local_date(now, borrower.zone)
    policy, strategy = (
        content.policy(borrower.jurisdiction, today, Conditions()),
        strategy_of(content, borrower),
    )
    if policy is None or strategy is None:
        return True  # nobody reviewed the rules there, so nothing is sent
    around = Around(open_spans(quiet))
    for point in party.points:
        zones = zones_of(borrower, point, party)
        given = consented(party.consents, point.channel)
        for purpose in (Purpose.SERVICING, Purpose.COLLECTION):
            lawful = openings_for((*policy.pack.hours, strategy.hours), purpose, point.channel, consents=given)
            for offset in range(_DAYS_LOOKED_AT):
                day = (today + timedelta(days=offset), today + timedelta(days=offset + 1))
                begins, ends = (at_local(midnight, 0, zones[0]) for midnight in day)
                if _has_room(lawful, zones, begins, ends) and not _has_room((*lawful, around), zones, begins, ends):
                    return False
    return True


def _has_room(openings: tuple[Opening | Around, ...], zones: tuple[str, ...], begins: datetime, ends: datetime) -> bool:
    window = next_window(openings, zones, begins, _LEAST_OPEN)
    return window is not None and min(window[1], ends) - window[0] >= _LEAST_OPEN
