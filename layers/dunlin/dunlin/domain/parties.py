"""Who is who to a loan: whom a stage addresses, who speaks for whom, who is on which loan, and who felt a contact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from dunlin.domain.borrower import Borrower, Contact, Loan, Party
from dunlin.domain.caps import LONGEST_WINDOW
from dunlin.domain.words import PartyRole, Purpose

#: Who may be addressed beside the primary borrower, each with an occasion of their own.
FURTHER = frozenset({PartyRole.CO_BORROWER, PartyRole.GUARANTOR})
#: Twice what any cap may allow.
MOST_AT_A_POINT = 200


def further_parties(borrower: Borrower) -> tuple[Party, ...]:
    """The co-borrowers and guarantors."""
    if len(borrower.parties) == 1:
        return ()
    return tuple(party for party in borrower.parties if party.role in FURTHER)


def principal_of(borrower: Borrower, principal_id: str) -> Party | None:
    """The co-borrower or guarantor of this id; None for the primary borrower's (empty) and for somebody who left."""
    if not principal_id:
        return None
    return next((party for party in further_parties(borrower) if party.party_id == principal_id), None)


def occasion_of(borrower: Borrower, party_id: str) -> str:
    """Whose occasion it is when something is said because of what this party did: the further party's own, or that of
    the one they represent; empty for the primary borrower."""
    party = next((party for party in borrower.parties if party.party_id == party_id), None)
    if party is None:
        return party_id
    if party.role is PartyRole.PRIMARY:
        return ""
    if party.role is not PartyRole.REPRESENTATIVE:
        return party_id
    primary = _primary(borrower)
    return "" if primary is not None and party.represents == primary.party_id else party.represents


def addressee(borrower: Borrower, purpose: Purpose, principal: Party | None = None) -> Party | None:
    """Who is told what `principal` (None: the primary borrower) is to hear: a representative of theirs who may hear
    it, else they themselves. Nobody else is ever addressed."""
    own = principal
    represented = False
    for party in borrower.parties:
        if party.role is PartyRole.REPRESENTATIVE:
            if _speaks_for(borrower, party, principal):
                if purpose in party.may_hear:
                    return party
                represented = True
        elif own is None and party.role is PartyRole.PRIMARY:
            own = party
    # Somebody speaks for this person but may not hear this: then nobody is told, the person least of all.
    return None if own is None or represented or purpose not in own.may_hear else own


def loans_told(borrower: Borrower, party: Party, principal: Party | None, loans: tuple[Loan, ...]) -> tuple[Loan, ...]:
    """Of these loans, the ones that `party` may be told about: a representative hears what their principal is on."""
    behind = principal
    if principal is None and party.role is PartyRole.REPRESENTATIVE:
        behind = _primary(borrower)
    if not party.loan_ids and (behind is None or not behind.loan_ids):
        return loans
    return tuple(loan for loan in loans if party.is_on(loan.loan_id) and (behind is None or behind.is_on(loan.loan_id)))


def stands_for(borrower: Borrower, party: Party) -> frozenset[str]:
    """The ids of the party and, for a representative, of the one in whose place they are told."""
    if party.role is not PartyRole.REPRESENTATIVE:
        return frozenset({party.party_id})
    primary = _primary(borrower)
    behind = party.represents or (primary.party_id if primary is not None else "")
    return frozenset({party.party_id, behind})


def felt_by(borrower: Borrower, party: Party) -> Sequence[Contact]:
    """The contacts that `party` felt: made to them, at a number or address of theirs, or to nobody knows whom."""
    contacts = borrower.contacts
    if not contacts:
        return contacts
    points = {point.point for point in party.points}
    if len(borrower.parties) == 1:
        return [contact for contact in contacts if contact.party_id or not contact.point or contact.point in points]
    others = {other.party_id for other in borrower.parties if other.party_id != party.party_id}
    return [
        contact
        for contact in contacts
        if contact.point in points or (contact.party_id not in others if contact.party_id else not contact.point)
    ]


def felt_too(contacts: tuple[Contact, ...], contact: Contact, now: datetime) -> tuple[Contact, ...]:
    """The contacts of a point with one more, without those that no rule counts any more. Not more than a rule could
    ask for, whatever somebody does to a number. Whose loans it was about is nobody else's business, so it is left out.
    """
    kept = [known for known in contacts if known.felt_until > now - LONGEST_WINDOW and known.ref != contact.ref]
    return (*kept, replace(contact, loan_ids=(), party_id="", point=""))[-MOST_AT_A_POINT:]


def with_felt_elsewhere(borrower: Borrower, point: str, contacts: Sequence[Contact]) -> Borrower:
    """The borrower who also knows of the contacts made at `point` about other people's loans."""
    known = {contact.ref for contact in borrower.contacts if contact.party_id or not contact.point}
    known |= {f"{borrower.borrower_id}/{ref}" for ref in known}
    mirrored = {(contact.ref, contact.point) for contact in borrower.contacts}
    fresh = tuple(
        replace(contact, loan_ids=(), party_id="", point=point)
        for contact in contacts
        if contact.ref not in known and (contact.ref, point) not in mirrored
    )
    if not fresh:
        return borrower
    return replace(borrower, contacts=(*borrower.contacts, *fresh))


def _primary(borrower: Borrower) -> Party | None:
    return next((party for party in borrower.parties if party.role is PartyRole.PRIMARY), None)


def _speaks_for(borrower: Borrower, representative: Party, principal: Party | None) -> bool:
    if principal is not None:
        return representative.represents == principal.party_id
    if not representative.represents:
        return True
    primary = _primary(borrower)
    return primary is not None and primary.party_id == representative.represents


def told_as(borrower: Borrower, party: Party, principal_id: str) -> PartyRole:
    """As what somebody is told: a representative as the one in whose place they stand."""
    if not principal_id:
        return PartyRole.PRIMARY if party.role is PartyRole.REPRESENTATIVE else party.role
    return next((other.role for other in borrower.parties if other.party_id == principal_id), party.role)
