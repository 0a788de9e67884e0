"""Facts from the core, applied once for ever, in whatever order and however often they come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from dunlin.domain import planned
from dunlin.domain.agreements import Credit
from dunlin.domain.apply import woken
from dunlin.domain.borrower import Borrower, Contact, ContactPoint, Hold, LastWord, Lift, Loan, Party, StageMark
from dunlin.domain.consent import Consent, with_given, with_list, with_withdrawn
from dunlin.domain.facts import (
    AnswerRequested,
    BorrowerFact,
    BorrowerUpdated,
    ConsentChanged,
    ContactPointChanged,
    CoreEvent,
    ErasureRequested,
    FeedCheckpoint,
    HoldLifted,
    HoldPlaced,
    LegalHoldLifted,
    LegalHoldPlaced,
    LoanChanged,
    NoticeRequested,
    PartyFacts,
    PlanDecided,
    PlanEnded,
    PlanInForce,
    PreferencesChanged,
    PreferencesChosen,
    SuppressionImported,
    TaskMoved,
)
from dunlin.domain.following import products_of
from dunlin.domain.hours import local_date
from dunlin.domain.keeping import Keeping
from dunlin.domain.policy import Conditions, HoldRule, Strategy
from dunlin.domain.promising import credited
from dunlin.domain.reach import carried_over, reached, verified
from dunlin.domain.retention import followed, is_erased, remembered
from dunlin.domain.statement import days_past_due
from dunlin.domain.stops import admitted, ended_by_payment, lifted, placed
from dunlin.domain.wishes import NO_WISHES
from dunlin.domain.words import WRITTEN_TO_NUMBERS, Channel, HoldKind, LoanStatus
from dunlin.errors import AlreadyRecorded, Conflict, InvalidInput, NotFound, VersionConflict
from dunlin.services.choices import party_meant, wish_fact, with_choice
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.feed import Feed
from dunlin.services.notices import noticed
from dunlin.services.opt_outs import OptOuts, blocked_purposes
from dunlin.services.plans import plan_decided, plan_ended, plan_in_force
from dunlin.services.points import Points
from dunlin.services.policies import strategy_of
from dunlin.services.ports import Change, Clock, Content, Controls, PointKeys, Record, Store
from dunlin.services.preferences import Preferences
from dunlin.services.retention import applied_to_records, not_forgotten
from dunlin.services.suppressions import SuppressionList
from dunlin.services.tasks import task_moved
from dunlin.services.thread import Thread, refused

#: Clocks differ a little; a fact from further ahead is a mistake.
FUTURE_ALLOWED = timedelta(minutes=5)
#: A balance this old is no balance; dates at the beginning of time overflow in a zone.
PAST_ALLOWED = timedelta(days=20 * 366)
MOST_LOANS = 50
MOST_INSTALMENTS = 24
_MONEY_WENT_AWAY = frozenset({"payment.returned", "payment.reversed"})


class Ingested(StrEnum):
    """What an event did."""

    APPLIED = "applied"
    REPEATED = "repeated"  # recorded before: nothing changes
    OLDER = "older"  # recorded now, but a newer snapshot is known already


class Ingest:
    """The service behind `ingest_events` and `POST /events`. Without a `thread` nobody's answers are taken."""

    def __init__(
        self,
        store: Store,
        controls: Controls,
        content: Content,
        keys: PointKeys,
        clock: Clock,
        opt_outs: OptOuts | None = None,
        thread: Thread | None = None,
    ) -> None:
        self._store = store
        self._thread = thread
        self._feed = Feed(controls, clock)
        self._content = content
        self._keys = keys
        self._clock = clock
        self._opt_outs = opt_outs if opt_outs is not None else OptOuts(store, clock)
        self._preferences = Preferences(self._opt_outs, keys, clock)
        self._points = Points(store, self._opt_outs, keys, clock)
        self._suppressions = SuppressionList(store, self._opt_outs, keys)

    def receive(self, event: CoreEvent) -> Ingested:
        """Apply one event.

        Raises:
            InvalidInput: from the future, or for a jurisdiction without a reviewed pack.
            NotFound: the borrower is not known (yet): the batch's retry waits for it.
            VersionConflict: other writers were first each time.
        """
        now = self._clock()
        if event.occurred_at > now + FUTURE_ALLOWED:
            raise InvalidInput("occurred_at", "is in the future")
        if isinstance(event, FeedCheckpoint):
            if event.complete_to > now + FUTURE_ALLOWED:
                raise InvalidInput("complete_to", "is in the future")
            self._feed.announce(event.complete_to)
            return Ingested.APPLIED
        if isinstance(event, PreferencesChanged):
            return self._preference(event)
        if isinstance(event, ContactPointChanged):
            return Ingested.APPLIED if self._points.changed(event) else Ingested.REPEATED
        if isinstance(event, SuppressionImported):
            return Ingested.APPLIED if self._suppressions.imported(event) else Ingested.REPEATED
        for _ in range(ATTEMPTS):
            try:
                done = self._once(event, self._clock())
            except Conflict:
                continue
            if isinstance(event, BorrowerUpdated):
                self._hear_of_all(event.borrower_id)
            return done
        raise VersionConflict(event.borrower_id)

    def doubt(self, borrower_id: str) -> None:
        """A fact about this borrower was refused: until a newer snapshot comes, its figures are not to be trusted."""
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                return
            try:
                now = self._clock()
                self._store.commit(Change(borrower=woken(replace(borrower, doubted_at=now), now)))
            except Conflict:
                continue
            return
        raise VersionConflict(borrower_id)

    def refuse_answer(self, borrower_id: str, answer_id: str, author: str, refusal: InvalidInput) -> None:
        """An answer was refused, and whoever asked for it does not hear us: they are told by an announcement."""
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                return
            now = self._clock()
            after = refused(borrower, answer_id, author, refusal.field, refusal.problem, now)
            if after is borrower:
                return
            try:
                self._store.commit(Change(borrower=replace(after, wake_at=now), quiet=True))
            except Conflict:
                continue
            return
        raise VersionConflict(borrower_id)

    def _preference(self, event: PreferencesChanged) -> Ingested:
        """The opt-out binds first: a fact that cannot be written does not keep it waiting."""
        self._preferences.change(event.borrower_id, event.preference, at=event.occurred_at, by=event.event_id)
        fact = Record(event.borrower_id, f"FACT#{event.event_id}", _fact(event, self._clock()))
        try:
            self._store.commit(Change(records=(fact,)))
        except AlreadyRecorded:
            return Ingested.REPEATED
        return Ingested.APPLIED

    def _once(self, event: BorrowerFact, now: datetime) -> Ingested:
        before = self._store.borrower(event.borrower_id)
        if not isinstance(event, BorrowerUpdated):
            not_forgotten(before)
        records = [Record(event.borrower_id, f"FACT#{event.event_id}", _fact(event, now))]
        match event:
            case BorrowerUpdated():
                _refuse_what_is_to_come(event, now)
                after = remembered(before, self._profile(before, event))
            case LoanChanged():
                if before is None:
                    raise NotFound("borrower_id")
                if event.loan.as_of > now + FUTURE_ALLOWED:
                    raise InvalidInput("loan.as_of", "is in the future")
                if event.loan.as_of < now - PAST_ALLOWED:
                    raise InvalidInput("loan.as_of", "is too long ago")
                after = followed(before, self._loan(before, event, now))
                if event.payment is not None:
                    records.append(_payment(event, now))
                    after = with_credit(after, event)
                    if event.type == "payment.applied" and after is not before:
                        after = ended_by_payment(after, self._hold_rules(before, now), event.occurred_at)
            case HoldPlaced():
                if before is None:
                    raise NotFound("borrower_id")
                hold = self._admitted(before, event, now)
                after = placed(before, hold, self._hold_rules(before, now))
                if hold.kind is HoldKind.PLAN:
                    after = planned.held_by_core(after, hold)
            case HoldLifted():
                if before is None:
                    raise NotFound("borrower_id")
                lift = Lift(event.hold_id, event.occurred_at, event.by)
                after = lifted(before, lift, self._hold_rules(before, now))
                after = planned.let_go(after, event.hold_id, event.occurred_at)
            case NoticeRequested():
                if before is None:
                    raise NotFound("borrower_id")
                after = noticed(before, event, self._content)
            case TaskMoved():
                if before is None:
                    raise NotFound("borrower_id")
                after = task_moved(before, event, self._hold_rules(before, now), self._content)
            case PlanDecided():
                if before is None:
                    raise NotFound("borrower_id")
                after = plan_decided(before, event, self._hold_rules(before, now), self._content)
            case AnswerRequested():
                if before is None:
                    raise NotFound("borrower_id")
                if self._thread is None:
                    raise InvalidInput("type", "is not taken here")
                taken = self._thread.answered(before, event, self._hold_rules(before, now), now)
                if taken.again:
                    return Ingested.REPEATED
                after = taken.borrower
                records += taken.records
            case PlanInForce():
                if before is None:
                    raise NotFound("borrower_id")
                plans = self._content.plan_policy(
                    before.jurisdiction, products_of(before), local_date(now, before.zone)
                )
                after = plan_in_force(before, event, self._hold_rules(before, now), plans)
            case PlanEnded():
                if before is None:
                    raise NotFound("borrower_id")
                after = plan_ended(before, event)
            case LegalHoldPlaced() | LegalHoldLifted() | ErasureRequested():
                if before is None:
                    raise NotFound("borrower_id")
                after, answered = applied_to_records(before, event, self._content, now)
                records += answered
            case ConsentChanged():
                if before is None:
                    raise NotFound("borrower_id")
                after = with_consent(before, event)
            case PreferencesChosen():
                if before is None:
                    raise NotFound("borrower_id")
                after = with_choice(before, event.party_id, event.wish, event.occurred_at, self._content, now)
        changed = after != before
        # An older snapshot changes nothing, and is recorded all the same.
        target = woken(after, now) if changed else None
        try:
            # What is said does not depend on a legal hold: nothing that waits to be sent is stopped by one.
            quiet = isinstance(event, LegalHoldPlaced | LegalHoldLifted)
            self._store.commit(Change(borrower=target, quiet=quiet, records=tuple(records)))
        except AlreadyRecorded as known:
            if str(known).startswith(("FACT#", "ANSWER#")):
                return Ingested.REPEATED
            # The payment was applied before, under another event: its snapshot may still be news, the money is not.
            self._store.commit(Change(borrower=target, records=tuple(records[:1])))
        return Ingested.APPLIED if changed else Ingested.OLDER

    def _hold_rules(self, borrower: Borrower, now: datetime) -> Mapping[HoldKind, HoldRule]:
        return self._content.hold_rules(borrower.jurisdiction, local_date(now, borrower.zone))

    def _admitted(self, borrower: Borrower, event: HoldPlaced, now: datetime) -> Hold:
        """The hold as the table has it: whoever may place it, about what it may be about, with an end if it has one."""
        hold = event.hold
        if event.address is not None:
            channel, address = event.address
            hold = replace(hold, point=self._keys.point(channel, address))
        return admitted(hold, self._hold_rules(borrower, now)[hold.kind], event.address)

    def _profile(self, before: Borrower | None, event: BorrowerUpdated) -> Borrower:
        # A known borrower who moves to where nothing is reviewed must not stay under the old law: nothing is sent then.
        unreviewed = self._content.policy(event.jurisdiction, event.occurred_at.date(), Conditions()) is None
        if before is None and unreviewed:
            raise InvalidInput("borrower.jurisdiction", "has no reviewed pack: nothing may be sent there")
        if before is not None and (event.sequence <= before.profile_sequence or is_erased(before)):
            return before  # what is older, and what is told of somebody who asked to be forgotten
        if before is not None and before.keeping.forgotten_at is not None:
            before = replace(before, keeping=Keeping())  # a new relationship, with nothing of the old one
        parties = []
        known_parties = {} if before is None else {party.party_id: party for party in before.parties}
        for facts in event.parties:
            points = []
            known = known_parties.get(facts.party_id)
            word = self._last_word(known, facts, event.borrower_id)
            for channel, address in facts.addresses:
                key = self._keys.point(channel, address)
                if word is not None and word.opted_out:
                    # Who opted out of everything meant the number they did not have yet as well.
                    self._opt_outs.carry(ContactPoint(channel, address, key), word)
                state = self._store.suppression(key)
                point = ContactPoint(
                    channel=channel,
                    address=address,
                    point=key,
                    zones=self._content.zones_of(address) if channel in WRITTEN_TO_NUMBERS else (),
                    blocked=blocked_purposes(state, channel),
                )
                if not any(each.point == key for party in known_parties.values() for each in party.points):
                    self._opt_outs.joined(point)
                point = verified(point, dict(facts.verified_at).get(channel))
                point = reached(point, state.findings, event.borrower_id, facts.party_id)
                for party_id, other in known_parties.items():
                    for each in other.points:
                        if each.point == key:
                            point = carried_over(point, each, same_party=party_id == facts.party_id)
                points.append(point)
            parties.append(
                Party(
                    facts.party_id,
                    facts.role,
                    facts.name,
                    facts.locale,
                    tuple(points),
                    facts.may_hear,
                    with_list(known.consents if known is not None else (), facts.consents, event.occurred_at),
                    facts.loan_ids,
                    facts.represents,
                    facts.zone,
                    word,
                    known.preferences if known is not None else NO_WISHES,
                    tuple(
                        (kind, self._keys.proof(kind, event.borrower_id, facts.party_id, value))
                        for kind, value in facts.proofs
                    ),
                )
            )
        if before is None:
            return Borrower(
                event.borrower_id,
                version=0,
                revision=0,
                jurisdiction=event.jurisdiction,
                zone=event.zone,
                parties=tuple(parties),
                profile_sequence=event.sequence,
            )
        return replace(
            before,
            jurisdiction=event.jurisdiction,
            zone=event.zone,
            parties=tuple(parties),
            profile_sequence=event.sequence,
        )

    def _last_word(self, known: Party | None, facts: PartyFacts, borrower_id: str) -> LastWord | None:
        """What the party last said about everything: known of them, or of whoever has one of their points.

        The points are linked first: a word that is written after they were read finds the borrower by them.
        """
        word = known.last_word if known is not None else None
        for channel, address in facts.addresses:
            key = self._keys.point(channel, address)
            self._store.link_point(key, borrower_id)
            of_all = self._store.suppression(key).of_all
            if of_all is not None and (word is None or (of_all.at, of_all.opted_out) > (word.at, word.opted_out)):
                word = of_all
        return word

    def _hear_of_all(self, borrower_id: str) -> None:
        """A word about everything that was written while the profile was: it found no borrower, or no point."""
        borrower = self._store.borrower(borrower_id)
        for party in borrower.parties if borrower is not None else ():
            for point in party.points:
                word = self._store.suppression(point.point).of_all
                if word is not None and (party.last_word is None or word.at > party.last_word.at):
                    self._opt_outs.of_everything(
                        borrower_id, opted_out=word.opted_out, at=word.at, by=word.by, point=point.point
                    )

    def _loan(self, before: Borrower, event: LoanChanged, now: datetime) -> Borrower:
        known = next((loan for loan in before.loans if loan.loan_id == event.loan.loan_id), None)
        moved = [known.paid_at] if known is not None and known.paid_at is not None else []
        if event.payment is not None and event.type not in _MONEY_WENT_AWAY:
            moved.append(event.occurred_at)
        paid_at = max(moved, default=None)
        if known is not None and event.loan.sequence <= known.sequence:
            # Its figures are older than ours; that money moved is news all the same.
            still = replace(known, paid_at=paid_at)
            return replace(before, loans=tuple(still if loan is known else loan for loan in before.loans))
        if any(contact.at > now + FUTURE_ALLOWED for contact in event.contacts):
            raise InvalidInput("contacts.at", "is in the future")
        if any(
            loan.currency != event.loan.currency and loan.status is LoanStatus.OPEN
            for loan in before.loans
            if loan.loan_id != event.loan.loan_id
        ):
            # Amounts of two currencies make no total, and one message speaks for all loans of a due date.
            raise InvalidInput("loan.currency", "differs from the borrower's other open loans")
        if known is None and len(before.loans) >= MOST_LOANS:
            raise InvalidInput("loan.loan_id", f"one borrower has at most {MOST_LOANS} loans")
        # The hot item keeps the instalments that can come up before the core tells us again, not thirty years of them.
        told = replace(event.loan, instalments=event.loan.instalments[:MOST_INSTALMENTS], paid_at=paid_at)
        if known is not None and not event.names_product:
            told = replace(told, product=known.product)
        loans = tuple(told if loan.loan_id == told.loan_id else loan for loan in before.loans)
        after = replace(before, loans=loans if known is not None else (*before.loans, told))
        if event.imported:
            strategy = strategy_of(self._content, after)
            if strategy is not None:
                after = imported(after, event, strategy, now)
        return after


def imported(borrower: Borrower, event: LoanChanged, strategy: Strategy, now: datetime) -> Borrower:
    """Cut-over: what should have been said before today counts as said, and prior contacts occupy their caps.

    Day 45 of an arrear does not start with a burst: every reminder that is due or past is marked told, and so is
    every tier but the one of today; a tier that was told today by the incumbent is among the contacts.
    """
    contacts = tuple(
        Contact(
            f"import/{event.event_id}/{number}",
            contact.at,
            contact.at,
            contact.channel,
            contact.purpose,
            (event.loan.loan_id,),
        )
        for number, contact in enumerate(event.contacts)
    )
    marks = {mark.mark_id: mark for mark in borrower.marks}
    if event.loan.status is LoanStatus.OPEN and event.loan.instalments:
        due_on = event.loan.instalments[0].due_on
        today = local_date(now, borrower.zone)
        days = days_past_due(event.loan, today, local_date(event.loan.as_of, borrower.zone))
        # The next case of this borrower is the one these arrears belong to.
        open_case = borrower.case is not None and borrower.case.ended_at is None
        episode = borrower.episodes if open_case else borrower.episodes + 1
        for stage in strategy.stages:
            # Of the tiers, the one whose day is today is still to be said; the reminders of today were the incumbent's.
            past = stage.offset_days <= days if stage.kind == "reminder" else stage.offset_days < days
            if stage.kind == "referral" or not past:
                continue
            mark = StageMark(
                due_on, stage.stage_id, 0 if stage.kind == "reminder" else episode, "told", now, channel="import"
            )
            marks.setdefault(mark.mark_id, mark)
    return replace(borrower, contacts=(*borrower.contacts, *contacts), marks=tuple(marks.values()))


def with_credit(borrower: Borrower, event: LoanChanged) -> Borrower:
    """The borrower whose promises and plans know of this payment. One on its way counts once it has been applied."""
    if event.payment is None or event.type not in (_MONEY_WENT_AWAY | {"payment.applied", "payment.backdated"}):
        return borrower
    returned = event.type in _MONEY_WENT_AWAY
    credit = Credit(event.payment.payment_id, event.payment.amount, event.occurred_at, returned)
    after = planned.credited(borrower, event.loan.loan_id, credit)
    return credited(after, event.loan.loan_id, credit) if event.type != "payment.backdated" else after


def with_consent(borrower: Borrower, event: ConsentChanged) -> Borrower:
    """The borrower one of whose parties gave, or withdrew, a consent.

    Raises:
        InvalidInput: there is no such party.
    """
    party = party_meant(borrower, event.party_id)
    if party is None:
        raise InvalidInput("consent.party_id", "is no party to the borrower's loans")
    asked, at = event.consent, event.occurred_at
    if event.given:
        consents = with_given(party.consents, replace(asked, given_at=at))
    else:
        consents = with_withdrawn(party.consents, asked.purpose, asked.channel, at)
    changed = replace(party, consents=consents)
    return replace(borrower, parties=tuple(changed if each is party else each for each in borrower.parties))


def _refuse_what_is_to_come(event: BorrowerUpdated, now: datetime) -> None:
    """A time from further ahead would prevail over whatever is said until then."""
    for number, party in enumerate(event.parties):
        for channel, at in party.verified_at:
            if at > now + FUTURE_ALLOWED:
                name = "phone" if channel is Channel.SMS else str(channel)
                raise InvalidInput(f"borrower.parties.{number}.{name}_verified_at", "is in the future")
        for position, consent in enumerate(party.consents):
            if consent.given_at is not None and consent.given_at > now + FUTURE_ALLOWED:
                raise InvalidInput(f"borrower.parties.{number}.consents.{position}.given_at", "is in the future")


def _consent_fact(consent: Consent) -> dict[str, object]:
    given_at = consent.given_at.isoformat() if consent.given_at is not None else None
    said = {"purpose": consent.purpose, "channel": consent.channel, "given_at": given_at}
    return {**said, "source": consent.source, "wording": consent.wording}


def _fact(event: BorrowerFact | PreferencesChanged, now: datetime) -> dict[str, object]:
    fact: dict[str, object] = {"type": event.type, "occurred_at": event.occurred_at, "recorded_at": now}
    if isinstance(event, LegalHoldPlaced):
        hold = event.hold
        fact |= {"hold_id": hold.hold_id, "matter": hold.matter, "by": hold.source, "until": hold.until}
    if isinstance(event, LegalHoldLifted):
        fact |= {"hold_id": event.hold_id, "by": event.by}
    if isinstance(event, TaskMoved):
        fact |= {"task_id": event.task_id, "by": event.by, "outcome": event.outcome}
    if isinstance(event, AnswerRequested):
        fact |= {"answer_id": event.answer_id, "author": event.author, "text_id": event.text_id}
    if isinstance(event, PlanDecided):
        fact |= {"task_id": event.task_id, "by": event.by, "approved": event.approved, "reason": event.reason}
    if isinstance(event, LoanChanged):
        fact |= {"loan_id": event.loan.loan_id, "sequence": event.loan.sequence, "as_of": event.loan.as_of}
        fact["snapshot"] = _snapshot(event.loan)
    if isinstance(event, NoticeRequested):
        fact |= {"message": event.message, "party_id": event.party_id, "loan_id": event.loan_id}
        fact["facts"] = {figure.name: figure.value for figure in event.facts}
    elif isinstance(event, BorrowerUpdated):
        fact["consents"] = {party.party_id: list(map(_consent_fact, party.consents)) for party in event.parties}
    elif isinstance(event, ConsentChanged):
        fact |= {**_consent_fact(event.consent), "party_id": event.party_id, "given": event.given}
        del fact["given_at"]
    elif isinstance(event, PreferencesChosen):
        fact |= wish_fact(event.party_id, event.wish, event.occurred_at, now)
    return fact


def _snapshot(loan: Loan) -> dict[str, object]:
    return {
        "status": str(loan.status),
        "product": str(loan.product),
        "instalments": [[i.number, i.due_on.isoformat(), str(i.outstanding)] for i in loan.instalments],
        "overdue": str(loan.overdue.total) if loan.overdue is not None else None,
    }


def _payment(event: LoanChanged, now: datetime) -> Record:
    assert event.payment is not None
    document: dict[str, object] = {
        "type": event.type,
        "loan_id": event.loan.loan_id,
        "amount": str(event.payment.amount),
        "occurred_at": event.occurred_at,
        "recorded_at": now,
    }
    # A payment is pending, then applied, and can be returned: each of these happens once.
    return Record(event.borrower_id, f"PAY#{event.payment.payment_id}#{event.type.removeprefix('payment.')}", document)
