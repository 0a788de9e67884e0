"""How long what is known of a borrower is kept, and what becomes of it: pure rules over the hot item.

    retention(borrower, rules, now) -> Keep | Forget

What the law wants kept is kept, whoever asks for what; what nothing wants kept any more goes. Both count from the end
of the relationship, the keeping also from the last contact where that was later. A legal hold stops everything: the
rule, the request, and what would expire by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from dunlin.domain.borrower import Borrower, Hold, Notice
from dunlin.domain.keeping import Erasure, Forgetting, Keeping, LegalHold, LegalLift, Walk
from dunlin.domain.message import Message
from dunlin.domain.policy import Source
from dunlin.domain.wishes import NO_WISHES
from dunlin.domain.words import CaseStatus, HoldKind, LoanStatus, StopSource
from dunlin.errors import InvalidInput

#: With these a loan is nobody's matter of ours any more. A loan that is placed or charged off is still owed to us.
ENDED_WITH = frozenset({LoanStatus.CLOSED, LoanStatus.SOLD})
#: Who may say that records are needed, and that they are not any more; what a court said, a court takes back.
HOLDS_RECORDS = frozenset({StopSource.CORE, StopSource.COMPLIANCE, StopSource.COURT})
#: So that a rule that became shorter is heard of: everybody who waits is asked about this often.
ASKED_AGAIN = timedelta(days=366)
#: Rules that nobody answers for delete nothing: look again when they may have been signed.
UNSIGNED_WAITS = timedelta(days=1)
#: The words of one text are not worth a walk of their own.
WALKS_APART = timedelta(days=30)
#: What expires by itself under a contact point lives for years: under a legal hold it is freed this often.
FREED_EVERY = timedelta(days=300)
_MOST_LEGAL_HOLDS = 50
_MOST_LIFTS = 50


@dataclass(frozen=True, slots=True)
class Term:
    """A time that a rule sets, in the rule's own unit (years or days)."""

    rule_id: str
    length: int
    source: Source


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """What binds a place today: the longest of what must be kept, the shortest of what must go.

    `forget_after` None: nothing asks that records go, only people do. `keep_texts` None: the words of texts are part of
    the records. `live` False: nobody answers for these rules, so nothing is deleted under them.
    """

    content_version: str
    live: bool
    keep_records: Term
    forget_after: Term | None = None
    keep_texts: Term | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """Not yet: what says so, until when (None: until a fact changes), and when to ask again (None: the same)."""

    rule: str
    until: datetime | None = None
    ask_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forget:
    """Now, under this rule."""

    rule: str


def retention(borrower: Borrower, rules: RetentionRules | None, now: datetime) -> Keep | Forget:
    """Whether everything about this borrower is kept or goes. `rules` None: nobody reviewed the place they live in."""
    keeping = borrower.keeping
    if keeping.forgotten_at is not None:
        return Keep("forgotten")
    held = holding_records(keeping, now)
    if held:
        ends = [hold.until for hold in held if hold.until is not None]
        return Keep("legal_hold", max(ends) if len(ends) == len(held) else None, min(ends, default=None))
    if not is_over(borrower) or keeping.ended_at is None:
        return Keep("loan.status")
    if rules is None:
        return Keep("pack", None, now + UNSIGNED_WAITS)
    until, rule = kept_until(borrower, rules)
    granted = keeping.erasure is not None and keeping.erasure.granted_at is not None
    if not granted:
        if rules.forget_after is None:
            return Keep(rules.keep_records.rule_id, None, now + ASKED_AGAIN)
        forgotten_by = years_after(keeping.ended_at, rules.forget_after.length)
        if forgotten_by > until:
            until, rule = forgotten_by, rules.forget_after.rule_id
    if now < until:
        return Keep(rule, until, min(until, now + ASKED_AGAIN))
    if not rules.live:
        return Keep("release", None, now + UNSIGNED_WAITS)
    return Forget("erasure" if granted or rules.forget_after is None else rules.forget_after.rule_id)


def kept_until(borrower: Borrower, rules: RetentionRules) -> tuple[datetime, str]:
    """Until when the law (or the lender, for longer) wants the records of an ended relationship, and which rule does.

    Raises:
        ValueError: the relationship has not ended.
    """
    ended_at = borrower.keeping.ended_at
    if ended_at is None:
        raise ValueError("the relationship has not ended")
    last = last_contact(borrower)
    begins = ended_at if last is None else max(ended_at, last)
    until, rule = years_after(begins, rules.keep_records.length), rules.keep_records.rule_id
    if rules.keep_texts is not None and begins + timedelta(days=rules.keep_texts.length) > until:
        return begins + timedelta(days=rules.keep_texts.length), rules.keep_texts.rule_id
    return until, rule


def years_after(moment: datetime, years: int) -> datetime:
    """The same moment so many years later; 29 February becomes 1 March, so that nothing goes a day early."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)


# ── The relationship ─────────────────────────────────────────────────────────────────────────────────────────────────


def is_over(borrower: Borrower) -> bool:
    """Whether nothing is open between us: every loan paid off or sold (or none was ever made), and no case."""
    if borrower.case is not None and borrower.case.status is CaseStatus.OPEN:
        return False
    return all(loan.status in ENDED_WITH for loan in borrower.loans)


def followed(before: Borrower | None, after: Borrower) -> Borrower:
    """The borrower after a loan changed: when what was open last ended, by the core's own figures.

    A closed loan that the core tells again ends nothing a second time; one that is closed when we first hear of it
    ended then.
    """
    if not is_over(after):
        return _with(after, ended_at=None) if after.keeping.ended_at is not None else after
    known = {loan.loan_id: loan.status for loan in before.loans} if before is not None else {}
    ended = [loan.as_of for loan in after.loans if known.get(loan.loan_id) not in ENDED_WITH]
    return _ended_no_earlier(after, ended)


def tended(borrower: Borrower, at: datetime) -> Borrower:
    """The borrower with the end of the relationship as it is now: a case can end it too, and a profile without a loan
    is none to begin with."""
    if not is_over(borrower):
        return _with(borrower, ended_at=None) if borrower.keeping.ended_at is not None else borrower
    moments = []
    if borrower.case is not None and borrower.case.ended_at is not None:
        moments.append(borrower.case.ended_at)
    if borrower.keeping.ended_at is None:
        moments.append(max((loan.as_of for loan in borrower.loans), default=at))
    return _ended_no_earlier(borrower, [min(moment, at) for moment in moments])


def _ended_no_earlier(borrower: Borrower, moments: Iterable[datetime]) -> Borrower:
    known = borrower.keeping.ended_at
    ended_at = max([*moments, *([known] if known is not None else [])], default=None)
    return _with(borrower, ended_at=ended_at) if ended_at != known else borrower


def last_contact(borrower: Borrower) -> datetime | None:
    """When anybody last reached them about their loans, as far as a contact is remembered."""
    moments = [contact.reserved_at for contact in borrower.contacts]
    if borrower.keeping.last_contact_at is not None:
        moments.append(borrower.keeping.last_contact_at)
    return max(moments, default=None)


def contacted(keeping: Keeping, at: datetime) -> Keeping:
    """The memory of the last contact, which the caps forget after forty days."""
    known = keeping.last_contact_at
    return keeping if known is not None and known >= at else replace(keeping, last_contact_at=at)


def points_of(borrower: Borrower) -> tuple[str, ...]:
    """Every contact point that is or was theirs, in order."""
    present = {point.point for party in borrower.parties for point in party.points}
    return tuple(sorted(present | set(borrower.keeping.former_points)))


def remembered(before: Borrower | None, after: Borrower) -> Borrower:
    """The borrower that remembers the points its profile has lost: what was texted from them is still theirs."""
    lost = set(points_of(before)) - set(points_of(after)) if before is not None else set()
    if not lost:
        return after
    return _with(after, former_points=tuple(sorted({*after.keeping.former_points, *lost})))


def _with(borrower: Borrower, **changes: object) -> Borrower:
    return replace(borrower, keeping=replace(borrower.keeping, **changes))  # type: ignore[arg-type]


# ── Legal hold ───────────────────────────────────────────────────────────────────────────────────────────────────────


def holding_records(keeping: Keeping, at: datetime) -> tuple[LegalHold, ...]:
    """The legal holds in force."""
    return tuple(hold for hold in keeping.legal_holds if hold.until is None or hold.until > at)


def held_for_law(borrower: Borrower, hold: LegalHold) -> Borrower:
    """The borrower under this legal hold, unless a newer word about it is known: events come in any order.

    Raises:
        InvalidInput: who may not place it, an end that is none, or it would end one early that its source may not lift.
    """
    if hold.source not in HOLDS_RECORDS:
        raise InvalidInput("legal_hold.by", "may not place a legal hold")
    if hold.until is not None and hold.until <= hold.placed_at:
        raise InvalidInput("legal_hold.until", "must be after occurred_at")
    keeping = borrower.keeping
    if any(lift.hold_id == hold.hold_id and lift.at >= hold.placed_at for lift in keeping.legal_lifts):
        return borrower
    known = next((other for other in keeping.legal_holds if other.hold_id == hold.hold_id), None)
    if known is not None:
        if known.placed_at > hold.placed_at:
            return borrower
        sooner = hold.until is not None and (known.until is None or hold.until < known.until)
        if sooner and not _may_lift(known, hold.source):
            raise InvalidInput("legal_hold.by", f"may not end a legal hold of the {known.source}")
    others = tuple(other for other in keeping.legal_holds if other.hold_id != hold.hold_id)
    if len(others) >= _MOST_LEGAL_HOLDS:
        raise InvalidInput("legal_hold.hold_id", f"a borrower has at most {_MOST_LEGAL_HOLDS} legal holds")
    return _with(borrower, legal_holds=(*others, hold), freed_at=None)


def released_by_law(borrower: Borrower, lift: LegalLift) -> Borrower:
    """The borrower without this legal hold, and with the memory of it.

    Raises:
        InvalidInput: whoever may not lift it.
    """
    keeping = borrower.keeping
    meant = [hold for hold in keeping.legal_holds if hold.hold_id == lift.hold_id and hold.placed_at <= lift.at]
    if lift.by not in HOLDS_RECORDS or any(not _may_lift(hold, lift.by) for hold in meant):
        raise InvalidInput("legal_hold.by", "may not lift this legal hold")
    return _with(
        borrower,
        legal_holds=tuple(hold for hold in keeping.legal_holds if hold not in meant),
        legal_lifts=(*keeping.legal_lifts, lift)[-_MOST_LIFTS:],
    )


def _may_lift(hold: LegalHold, by: str) -> bool:
    return by in HOLDS_RECORDS and (hold.source != StopSource.COURT or by == StopSource.COURT)


# ── A request to be forgotten ────────────────────────────────────────────────────────────────────────────────────────


class ErasureOutcome(StrEnum):
    """What becomes of a request. Stored, so never renamed."""

    GRANTED = "granted"  # what the law lets go is gone; the rest goes at its time
    PUT_OFF = "put_off"  # nothing may go now; it is carried out by itself once it may
    REFUSED = "refused"  # a loan is open: what is known is needed to perform it


@dataclass(frozen=True, slots=True)
class ErasureAnswer:
    """What was decided about a request, under which rules: the text of the fact that is recorded for ever.

    `gone` is what goes now; what is kept goes at `kept_until`.
    """

    outcome: ErasureOutcome
    rules: tuple[str, ...]
    gone: tuple[str, ...] = ()
    kept_until: datetime | None = None
    content_version: str = ""
    sources: tuple[str, ...] = field(default=())


#: What goes at once: nothing of it is a record of how somebody was collected from.
GOES_AT_ONCE = ("names", "contact_points", "preferences", "consents")


def asked_to_forget(
    borrower: Borrower, erasure: Erasure, rules: RetentionRules | None, now: datetime
) -> tuple[Borrower, ErasureAnswer]:
    """The borrower after a request to be forgotten, and what was answered.

    Refused while anything is open. Otherwise nothing more is sent from here on, whatever comes of the rest: that stop
    is lifted by nobody.
    """
    borrower = tended(borrower, now)
    if not is_over(borrower):
        return borrower, ErasureAnswer(ErasureOutcome.REFUSED, ("loan.status",))
    if has_applied(borrower):
        return borrower, ErasureAnswer(ErasureOutcome.REFUSED, ("application",))
    stopped = _stopped(borrower, erasure)
    # Whoever asks again is not taken in again for it.
    again = is_erased(borrower)
    pending = borrower if again else _with(stopped, erasure=replace(erasure, granted_at=None))
    if holding_records(borrower.keeping, now):
        return pending, ErasureAnswer(ErasureOutcome.PUT_OFF, ("legal_hold",))
    if rules is None:
        return pending, ErasureAnswer(ErasureOutcome.PUT_OFF, ("pack",))
    if not rules.live:
        return pending, ErasureAnswer(ErasureOutcome.PUT_OFF, ("release",), content_version=rules.content_version)
    until, rule = kept_until(borrower, rules)
    terms = (rules.keep_records, *((rules.keep_texts,) if rules.keep_texts is not None else ()))
    answer = ErasureAnswer(
        ErasureOutcome.GRANTED,
        tuple(dict.fromkeys((rule, *(term.rule_id for term in terms)))),
        (*GOES_AT_ONCE, *(("words",) if rules.keep_texts is not None else ())),
        until,
        rules.content_version,
        tuple(term.source.reference for term in terms),
    )
    return borrower if again else without_person(stopped, replace(erasure, granted_at=now), now), answer


def has_applied(borrower: Borrower) -> bool:
    """Whether the last we were asked to say lately is that an application is on its way to a contract."""
    about = [notice for notice in borrower.notices if notice.message.startswith(("application_", "contract_"))]
    latest = max(about, key=lambda notice: notice.occurred_at, default=None)
    return latest is not None and latest.message != "application_declined"


def may_be_granted(borrower: Borrower, rules: RetentionRules | None, now: datetime) -> bool:
    """Whether a request that was put off may be carried out now."""
    erasure = borrower.keeping.erasure
    return (
        erasure is not None
        and erasure.granted_at is None
        and is_over(borrower)
        and not holding_records(borrower.keeping, now)
        and rules is not None
        and rules.live
    )


def without_person(borrower: Borrower, erasure: Erasure, now: datetime) -> Borrower:
    """The borrower without names, addresses, preferences and consents; HMACs of the points stay, to find the rest."""
    bare = tuple(
        replace(
            party,
            name="",
            points=(),
            may_hear=frozenset(),
            consents=(),
            preferences=NO_WISHES,
            zone="",
            last_word=None,
        )
        for party in borrower.parties
    )
    said = tuple(_without_words(notice) for notice in borrower.notices)
    bared = replace(borrower, parties=bare, notices=said, promises=(), plans=(), dialogues=(), tasks=(), care=())
    after = remembered(borrower, bared)
    return _with(after, erasure=erasure, walk=Walk(now))


def _without_words(notice: Notice) -> Notice:
    answer = replace(notice.answer, words="") if notice.answer is not None else None
    return replace(notice, facts=(), answer=answer)


def is_erased(borrower: Borrower) -> bool:
    """Whether a request was granted: what the core tells of this person is not taken in again."""
    erasure = borrower.keeping.erasure
    return erasure is not None and erasure.granted_at is not None and borrower.keeping.forgotten_at is None


def _stopped(borrower: Borrower, erasure: Erasure) -> Borrower:
    if any(hold.kind is HoldKind.ERASED for hold in borrower.holds):
        return borrower
    hold = Hold(f"erasure-{erasure.request_id}", HoldKind.ERASED, erasure.requested_at, str(StopSource.CORE))
    return replace(borrower, holds=(*borrower.holds, hold))


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def has_words(message: Message) -> bool:
    return bool(message.body or message.subject)


def without_words(message: Message) -> Message:
    """The message without what was said: the digest stays, so the chain of the ledger verifies as before."""
    return replace(message, body="", subject="")


def first_walk(borrower: Borrower, rules: RetentionRules | None, now: datetime) -> Walk | None:
    """When the words of texts are looked at for the first time; None where words are records.

    Of somebody who was written to before this was remembered: at once.
    """
    if rules is None or rules.keep_texts is None:
        return None
    return Walk(now if borrower.chain_head else now + timedelta(days=rules.keep_texts.length))


def next_walk(walk: Walk, term: Term, now: datetime) -> Walk:
    """After a walk: when the oldest text that is left may lose its words, or one that is written from now on."""
    oldest = walk.oldest if walk.oldest is not None else now
    return Walk(max(oldest + timedelta(days=term.length), now + WALKS_APART))


# ── Forgetting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def deletion_digest(previous: str, items: Iterable[tuple[str, str]]) -> str:
    """The running hash over what is deleted, item by item: (name, document) as they were stored, on top of `previous`.

    Whoever has a copy of the items, in the order of their names within each shelf, can prove that these went.
    """
    digest = previous
    for name, document in items:
        content = hashlib.sha256(document.encode()).hexdigest()
        digest = hashlib.sha256("\x1f".join((digest, name, content)).encode()).hexdigest()
    return digest


def what_is_left(borrower: Borrower, forgotten_at: datetime, wake_at: datetime) -> Borrower:
    """The hot item of somebody who was forgotten: an id, counters that conditions depend on, and when.

    The profile's sequence stays, so that an event that is delivered again brings nobody back.
    """
    return Borrower(
        borrower.borrower_id,
        borrower.version,
        borrower.revision,
        borrower.jurisdiction,
        "UTC",
        parties=(),
        wake_at=wake_at,
        profile_sequence=borrower.profile_sequence,
        keeping=Keeping(former_points=_all_points(borrower), forgotten_at=forgotten_at),
    )


def _all_points(borrower: Borrower) -> tuple[str, ...]:
    forgetting = borrower.keeping.forgetting
    return forgetting.points if forgetting is not None else points_of(borrower)


def tombstone(borrower: Borrower, forgetting: Forgetting, now: datetime) -> dict[str, object]:
    """What stays of somebody for ever: how their ledger ended, what was deleted, when, and under which rule."""
    erasure = borrower.keeping.erasure
    return {
        "chain_head": borrower.chain_head,
        "chain_was_whole": forgetting.is_whole,
        "entries": forgetting.entries,
        "messages": forgetting.messages,
        "records": forgetting.records,
        "texts": forgetting.texts,
        "deleted_digest": forgetting.digest,
        "rule": forgetting.rule,
        "content_version": forgetting.content_version,
        "request_id": erasure.request_id if erasure is not None else "",
        "ended_at": borrower.keeping.ended_at,
        "begun_at": forgetting.begun_at,
        "forgotten_at": now.astimezone(UTC),
    }
