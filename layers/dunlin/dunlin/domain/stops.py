"""Who places and lifts which stop, for how long: the table of stops, carried out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from dunlin.domain.borrower import Borrower, Hold, Lift
from dunlin.domain.hours import local_date
from dunlin.domain.policy import HoldRule
from dunlin.domain.words import Channel, HoldKind, LoanStatus, StopSource
from dunlin.errors import InvalidInput

_MOST_LIFTED = 20
#: What the core calls an address of each channel.
_FIELDS = {
    Channel.SMS: "phone",
    Channel.EMAIL: "email",
    Channel.PUSH: "push_endpoint",
    Channel.WECHAT: "wechat_openid",
    Channel.WHATSAPP: "whatsapp",
}


def admitted(hold: Hold, rule: HoldRule, address: tuple[Channel, str] | None = None) -> Hold:
    """The hold with the end that its row gives it.

    Raises:
        InvalidInput: whoever may not place it, what it may not be about, or an end that its row does not allow.
    """
    if hold.source not in rule.placed_by:
        raise InvalidInput("hold.source", f"may not place a stop of kind {hold.kind}")
    named = (("loan", "loan_id", hold.loan_id), ("party", "party_id", hold.party_id))
    for what, field, value in named:
        if value and what not in rule.narrows:
            raise InvalidInput(f"hold.{field}", f"a stop of kind {hold.kind} is not about one {what}")
    if address is not None and "point" not in rule.narrows:
        field = _FIELDS[address[0]]
        raise InvalidInput(f"hold.{field}", f"a stop of kind {hold.kind} is not about one contact point")
    if hold.until is None:
        return replace(hold, until=hold.placed_at + rule.default_for) if rule.default_for is not None else hold
    if StopSource.EXPIRY not in rule.lifted_by:
        raise InvalidInput("hold.until", f"a stop of kind {hold.kind} is lifted, it does not end by itself")
    if hold.until <= hold.placed_at:
        raise InvalidInput("hold.until", "must be after occurred_at")
    if rule.longest_for is not None and hold.until - hold.placed_at > rule.longest_for:
        raise InvalidInput("hold.until", f"a stop of kind {hold.kind} lasts {rule.longest_for.days} days at most")
    return hold


def placed(borrower: Borrower, hold: Hold, rules: Mapping[HoldKind, HoldRule]) -> Borrower:
    """The borrower with this hold, unless a newer word about it is known: events come in any order.

    Raises:
        InvalidInput: it would take the place of one that its source may not lift, and stop less.
    """
    if any(hold_id == hold.hold_id and at >= hold.placed_at for hold_id, at in borrower.lifted):
        return borrower
    for lift in borrower.lifts:
        if lift.hold_id == hold.hold_id and lift.at >= hold.placed_at and lift.by in rules[hold.kind].lifted_by:
            return borrower
    known = next((other for other in borrower.holds if other.hold_id == hold.hold_id), None)
    if known is not None:
        if known.placed_at > hold.placed_at:
            return borrower
        if hold.source not in rules[known.kind].lifted_by and not _covers(hold, known):
            raise InvalidInput("hold.source", f"may not lift the stop of kind {known.kind} that has this hold_id")
    others = tuple(other for other in borrower.holds if other.hold_id != hold.hold_id)
    return replace(borrower, holds=(*others, hold))


def _covers(hold: Hold, other: Hold) -> bool:
    """Whether `hold` stops no less than `other`, and no shorter."""
    same = (hold.kind, hold.loan_id, hold.party_id, hold.point) == (
        other.kind,
        other.loan_id,
        other.party_id,
        other.point,
    )
    return same and (hold.until is None or (other.until is not None and hold.until >= other.until))


def lifted(borrower: Borrower, lift: Lift, rules: Mapping[HoldKind, HoldRule]) -> Borrower:
    """The borrower without this hold, and with the memory of it: its placement may still be on the way.

    Raises:
        InvalidInput: whoever may not lift it.
    """
    for hold in borrower.holds:
        if hold.hold_id == lift.hold_id and hold.placed_at <= lift.at and lift.by not in rules[hold.kind].lifted_by:
            raise InvalidInput("hold.by", f"may not lift a stop of kind {hold.kind}")
    return replace(
        borrower,
        holds=tuple(hold for hold in borrower.holds if hold.hold_id != lift.hold_id or hold.placed_at > lift.at),
        lifts=(*borrower.lifts, lift)[-_MOST_LIFTED:],
    )


def ended_by_payment(borrower: Borrower, rules: Mapping[HoldKind, HoldRule], at: datetime) -> Borrower:
    """The borrower without the stops that a payment ends, where nothing of what they are about is due any more."""
    today = local_date(at, borrower.zone)
    due = {
        loan.loan_id
        for loan in borrower.loans
        if loan.status is LoanStatus.OPEN and loan.instalments and loan.instalments[0].due_on <= today
    }
    for hold in borrower.holds:
        owed = hold.loan_id in due if hold.loan_id else bool(due)
        if hold.placed_at <= at and not owed and StopSource.PAYMENT in rules[hold.kind].lifted_by:
            borrower = lifted(borrower, Lift(hold.hold_id, at, StopSource.PAYMENT), rules)
    return borrower
