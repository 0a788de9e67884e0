"""What follows from what somebody wrote to us: one pure function.

    answer(borrower, heard, understood, stops, policy, strategy, promises, now) -> Effects

The borrower afterwards (stops, promises, what a person has to do, what we asked), and the reply, if there is one. What
stops dunning stops it at once, whatever else is true; what is said about a debt is said only to somebody of whom it is
known that it is they. A text from a number that several borrowers have stops what it has to stop for each of them, says
nothing about anybody's debt, and brings a person.

Opt-outs have bound before this is asked (`dunlin.services.opt_outs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from dunlin.domain.aftercare import asked_at, open_survey, with_rating
from dunlin.domain.agreements import USUAL_ANSWERS, AnswerPolicy, Awaited, Dialogue, Plan, TaskKind
from dunlin.domain.borrower import Borrower, ContactPoint, Hold, Lift, Party
from dunlin.domain.hours import at_local, local_date
from dunlin.domain.intents import Asked, Intent, Topic, Understood
from dunlin.domain.parties import further_parties
from dunlin.domain.permit import holding
from dunlin.domain.planned import AGREED, NEXT, agreed, lasts, live_plans, next_due, planned_loans, proposed, with_plan
from dunlin.domain.planning import OFFERED, TAKEN, offers_for, overdue_debt, overdue_loans
from dunlin.domain.plans import Approval, Debt, NoOffers, Offer, PlanPolicy, Standing, Upkeep, standing
from dunlin.domain.policy import HoldRule, Policy, Strategy
from dunlin.domain.promises import PromisePolicy
from dunlin.domain.promising import CONFIRMED, STOP_OUTLIVES, NotTaken, promised, stop_of, with_promise, withdrawn
from dunlin.domain.reach import Finding, PointState, mirrored_findings
from dunlin.domain.replies import (
    BALANCE,
    COMPLAINT,
    DISPUTE,
    HARDSHIP,
    OPT_OUT_CONFIRMATION,
    TERMS,
    TOLD_DETAIL,
    balance_of,
    may_hear_detail,
    terms_of,
    without_answer,
)
from dunlin.domain.stops import admitted, lifted, placed
from dunlin.domain.tasks import open_task, with_task
from dunlin.domain.words import HoldKind, PartyRole, Purpose, StopSource

OPT_IN_CONFIRMATION, HELP, NOT_UNDERSTOOD = "opt_in_confirmation", "help", "not_understood"
REALLY_OURS, CRISIS_HELP, WHICH_DAY = "really_ours", "crisis_help", "promise_which_day"
GUIDANCE = "money_guidance"


@dataclass(frozen=True, slots=True)
class Heard:
    """A text as it came: from whom, from which of their contact points, and whether others have that one too."""

    text_id: str
    party: Party
    point: ContactPoint
    received_at: datetime
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Effects:
    """What follows. `reply` is the message to answer with (empty: none, and `did` says why)."""

    borrower: Borrower
    reply: str
    did: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Matter:
    """An intent that stops dunning and brings a person: the stop, the task, the reply."""

    stop: HoldKind | None
    task: TaskKind
    reply: str = ""
    source: StopSource = StopSource.BORROWER


_BANKRUPTCY = _Matter(HoldKind.BANKRUPTCY, TaskKind.BANKRUPTCY)
_ATTORNEY = _Matter(HoldKind.ATTORNEY, TaskKind.ATTORNEY)
_IDENTITY_THEFT = _Matter(HoldKind.IDENTITY_THEFT, TaskKind.IDENTITY_THEFT, DISPUTE)
_CEASE = _Matter(HoldKind.CEASE_REQUEST, TaskKind.CEASE_REQUEST, OPT_OUT_CONFIRMATION)
_TOPICS = {Topic.BANKRUPTCY: _BANKRUPTCY, Topic.ATTORNEY: _ATTORNEY, Topic.IDENTITY_THEFT: _IDENTITY_THEFT}
_MATTERS = {
    Intent.HARDSHIP: _Matter(HoldKind.HARDSHIP, TaskKind.HARDSHIP, HARDSHIP),
    Intent.DISPUTE: _Matter(HoldKind.DISPUTE, TaskKind.DISPUTE, DISPUTE),
    Intent.COMPLAINT: _Matter(HoldKind.COMPLAINT, TaskKind.COMPLAINT, COMPLAINT),
    Intent.CRISIS: _Matter(HoldKind.CRISIS, TaskKind.CRISIS, CRISIS_HELP),
    # Whoever writes is not the person who died: their word places it, compliance lifts it.
    Intent.DECEASED: _Matter(HoldKind.DECEASED, TaskKind.DECEASED, source=StopSource.REPRESENTATIVE),
}
#: Replies that say nothing about anybody's debt.
_SAFE = frozenset({OPT_OUT_CONFIRMATION, OPT_IN_CONFIRMATION, HELP, CRISIS_HELP, REALLY_OURS, NOT_UNDERSTOOD})


def asked_of(borrower: Borrower, party_id: str, point: str, now: datetime) -> Asked:
    """What we asked last there that a number, a mark or a yes answers."""
    party = next((party for party in borrower.parties if party.party_id == party_id), None)
    survey = open_survey(borrower, party, now) if party is not None else None
    for dialogue in borrower.dialogues:
        is_theirs = (dialogue.party_id, dialogue.point) == (party_id, point)
        is_latest = survey is None or dialogue.asked_at >= asked_at(borrower, survey)
        stands = dialogue.asked_at <= now < dialogue.ends_at
        if is_theirs and is_latest and stands and dialogue.awaits is Awaited.OFFER:
            return Asked(offers=len(dialogue.offers))
    return Asked(rating=survey is not None)


def answer(
    borrower: Borrower,
    heard: Heard,
    understood: Understood,
    stops: Mapping[HoldKind, HoldRule],
    policy: Policy | None,
    strategy: Strategy | None,
    promises: PromisePolicy | None,
    plans: PlanPolicy | None,
    now: datetime,
) -> Effects:
    """What follows from this text for this borrower. `policy` None: nobody reviewed the place, so nothing is said;
    `promises` None: none is taken there without a person, and `plans` None: none is offered."""
    effects = _Answer(borrower, heard, understood, stops, policy, strategy, promises, plans, now).effects()
    reply = effects.reply
    if policy is None:
        left = without_answer(effects.borrower, heard.party.party_id, heard.text_id, reply, now, now)
        effects, reply = replace(effects, borrower=left), ""
    elif heard.is_shared and reply and reply not in _SAFE:
        reply = HELP
    elif reply in TOLD_DETAIL and not may_hear_detail(effects.borrower, heard.party, heard.point, policy, now):
        reply = HELP  # limited content first: who they are is found out there
    did = effects.did if reply or effects.did else ("nothing",)
    return Effects(effects.borrower, reply, did)


@dataclass(frozen=True, slots=True)
class _Answer:
    _before: Borrower
    _heard: Heard
    _understood: Understood
    _stops: Mapping[HoldKind, HoldRule]
    _policy: Policy | None
    _strategy: Strategy | None
    _promises: PromisePolicy | None
    _plans: PlanPolicy | None
    _now: datetime

    @property
    def _rules(self) -> AnswerPolicy | None:
        return self._policy.answers if self._policy is not None else None

    def effects(self) -> Effects:
        intent, topic = self._understood.intent, self._understood.topic
        dialogue = self._dialogue()
        borrower = self._without_dialogue()
        survey = open_survey(borrower, self._heard.party, self._heard.received_at)
        rating = self._understood.rating
        if survey is not None and not self._heard.is_shared and (rating is not None or intent is Intent.FEEDBACK):
            borrower = with_rating(borrower, survey, rating, self._heard.text_id, self._heard.received_at)
            if intent in (Intent.FEEDBACK, Intent.CHOICE, Intent.OTHER):
                return self._rated(borrower, rating)
        if dialogue is not None and dialogue.awaits is Awaited.DAY and self._names_the_day():
            return self._promise(borrower)
        if dialogue is not None and dialogue.awaits is Awaited.OFFER and self._chooses(dialogue):
            return self._chosen(borrower, dialogue)
        match intent:
            case Intent.OPT_OUT:
                if topic is Topic.EVERYTHING:
                    return self._matter(
                        borrower, _Matter(HoldKind.CEASE_REQUEST, TaskKind.CEASE_REQUEST, OPT_OUT_CONFIRMATION)
                    )
                return Effects(borrower, OPT_OUT_CONFIRMATION, ("opt_out",))
            case Intent.OPT_IN:
                return Effects(self._taken_back(borrower), OPT_IN_CONFIRMATION, ("opt_in",))
            case Intent.HELP:
                return Effects(borrower, HELP, ())
            case Intent.BALANCE:
                return self._balance(borrower)
            case Intent.PAID:
                return self._paid(borrower)
            case Intent.PROMISE:
                return self._promise(borrower)
            case Intent.PLAN:
                return self._offered(borrower)
            case Intent.HARDSHIP | Intent.DISPUTE | Intent.COMPLAINT | Intent.DECEASED | Intent.CRISIS:
                matter = _MATTERS[intent]
                return self._matter(borrower, _TOPICS.get(topic, matter) if intent is not Intent.CRISIS else matter)
            case Intent.WRONG_NUMBER:
                return self._wrong_number(borrower)
            case Intent.QUESTION:
                if topic is Topic.REALLY_OURS:
                    return Effects(borrower, REALLY_OURS, ())
                if topic is Topic.HOW_TO_PAY:
                    return Effects(borrower, HELP, ())
                if topic is Topic.GUIDANCE:
                    return Effects(borrower, GUIDANCE, ("guidance",))
                if topic is Topic.TERMS:
                    return self._terms(borrower)
                return self._person(borrower, TaskKind.QUESTION)
            case Intent.SERVICE:
                return self._person(borrower, TaskKind.SERVICE)
            case Intent.FEEDBACK:
                return Effects(borrower, "", ("feedback",))
            case Intent.CHOICE | Intent.OTHER:
                return self._not_understood(borrower, dialogue)
            case _:
                assert_never(intent)

    # ── dialogues ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _dialogue(self) -> Dialogue | None:
        for dialogue in self._before.dialogues:
            if self._is_theirs(dialogue) and dialogue.ends_at > self._heard.received_at:
                return dialogue
        return None

    def _is_theirs(self, dialogue: Dialogue) -> bool:
        return (dialogue.party_id, dialogue.point) == (self._heard.party.party_id, self._heard.point.point)

    def _without_dialogue(self) -> Borrower:
        kept = tuple(dialogue for dialogue in self._before.dialogues if not self._is_theirs(dialogue))
        return replace(self._before, dialogues=kept)

    def _asking(self, borrower: Borrower, awaits: Awaited, missed: int = 0) -> Borrower:
        hours = self._rules.dialogue_hours if self._rules is not None else 0
        at = self._heard.received_at
        dialogue = Dialogue(
            self._heard.party.party_id, self._heard.point.point, awaits, at, at + timedelta(hours=hours), missed
        )
        return replace(borrower, dialogues=(*borrower.dialogues, dialogue))

    def _names_the_day(self) -> bool:
        may_be = (Intent.PROMISE, Intent.OTHER, Intent.CHOICE)
        return self._understood.on is not None and self._understood.intent in may_be

    def _not_understood(self, borrower: Borrower, dialogue: Dialogue | None) -> Effects:
        if self._rules is None:
            return Effects(borrower, "", ("not_understood",))
        missed = 1 + (dialogue.missed if dialogue is not None else 0)
        if missed < self._rules.misses and not self._heard.is_shared:
            if dialogue is not None:  # what was asked still stands, and no longer than it did
                asked = replace(borrower, dialogues=(*borrower.dialogues, replace(dialogue, missed=missed)))
            else:
                asked = self._asking(borrower, Awaited.NOTHING, missed)
            return Effects(asked, NOT_UNDERSTOOD, ("not_understood",))
        return self._person(borrower, TaskKind.NOT_UNDERSTOOD)

    def _rated(self, borrower: Borrower, rating: int | None) -> Effects:
        """How it went. Where it went badly a person calls, and they are told who is there."""
        rules = self._rules if self._rules is not None else USUAL_ANSWERS
        if rating is None or rating > rules.low_rating:
            return Effects(borrower, "", ("feedback",))
        effects = self._person(borrower, TaskKind.FEEDBACK)
        return Effects(effects.borrower, effects.reply, ("feedback", *effects.did))

    # ── what brings a person ─────────────────────────────────────────────────────────────────────────────────────────

    def _task(self, borrower: Borrower, kind: TaskKind, hold_ids: tuple[str, ...] = ()) -> Borrower:
        rules = self._rules if self._rules is not None else USUAL_ANSWERS
        return with_task(borrower, kind, self._heard.party.party_id, self._heard.text_id, rules, self._now, hold_ids)

    def _person(self, borrower: Borrower, kind: TaskKind, reply: str = HELP) -> Effects:
        if self._heard.is_shared:
            kind = TaskKind.SHARED_NUMBER
        return Effects(self._task(borrower, kind), reply, (f"task.{kind}",))

    def _matter(self, borrower: Borrower, matter: _Matter) -> Effects:
        """Dunning stops at once and stays stopped until a person has answered."""
        did = []
        hold_ids: tuple[str, ...] = ()
        if matter.stop is not None:
            borrower, hold_ids = self._stopped(borrower, matter.stop, matter.source)
            borrower = withdrawn(borrower, self._heard.received_at)
            did.append(f"hold.{matter.stop}")
        return Effects(self._task(borrower, matter.task, hold_ids), matter.reply, (*did, f"task.{matter.task}"))

    def _stopped(
        self, borrower: Borrower, kind: HoldKind, source: StopSource = StopSource.BORROWER, point: str = ""
    ) -> tuple[Borrower, tuple[str, ...]]:
        """The borrower under a stop of this kind about all that is theirs (or one contact point), and its id if it is
        a new one."""
        for hold in borrower.holds:
            theirs = hold.point in ("", point) and not hold.loan_id
            about = hold.party_id in ("", self._heard.party.party_id)
            if hold.kind is kind and theirs and about and (hold.until is None or hold.until > self._now):
                return borrower, ()
        hold_id = f"{kind}-{self._heard.text_id}"
        # Placed when it was said; not before: what ends it must have been said later.
        party_id = self._heard.party.party_id if kind is HoldKind.CEASE_REQUEST else ""  # others may still be told
        hold = Hold(hold_id, kind, self._heard.received_at, str(source), party_id=party_id, point=point)
        return placed(borrower, admitted(hold, self._stops[kind]), self._stops), (hold_id,)

    def _paid(self, borrower: Borrower) -> Effects:
        rules = self._rules if self._rules is not None else USUAL_ANSWERS
        since = self._now - timedelta(days=rules.claims_once_in_days)
        claimed = any(task.kind is TaskKind.PAID and task.opened_at > since for task in borrower.tasks)
        if claimed or self._heard.is_shared:
            return self._person(borrower, TaskKind.PAID)
        return self._matter(borrower, _Matter(HoldKind.PAID_CLAIMED, TaskKind.PAID, HELP))

    def _wrong_number(self, borrower: Borrower) -> Effects:
        """The number is nobody's of ours for this borrower; whoever has it is told nothing, not even that."""
        point = self._heard.point.point
        after, hold_ids = self._stopped(borrower, HoldKind.WRONG_NUMBER, point=point)
        finding = Finding(PointState.WRONG, self._heard.received_at, borrower.borrower_id, source=self._heard.text_id)
        after = mirrored_findings(after, point, (finding,))
        did = (f"hold.{HoldKind.WRONG_NUMBER}", f"task.{TaskKind.WRONG_NUMBER}")
        return Effects(self._task(after, TaskKind.WRONG_NUMBER, hold_ids), "", did)

    def _taken_back(self, borrower: Borrower) -> Borrower:
        """An opt-in takes a request to cease back, if it was made by text."""
        for hold in borrower.holds:
            asked = hold.kind is HoldKind.CEASE_REQUEST and hold.source == StopSource.BORROWER
            if asked and hold.placed_at <= self._heard.received_at:
                lift = Lift(hold.hold_id, self._heard.received_at, StopSource.BORROWER)
                borrower = lifted(borrower, lift, self._stops)
        return borrower

    # ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _balance(self, borrower: Borrower) -> Effects:
        if self._policy is None or self._strategy is None or self._heard.is_shared:
            return Effects(borrower, HELP, ())
        if any(plan.party_id == self._heard.party.party_id for plan in live_plans(borrower)):
            # What they owe now is what the plan says; the arrears are frozen in it.
            said = next_due(borrower, self._heard.party.party_id, self._policy, self._now)
            return Effects(borrower, NEXT if said is not None else HELP, ())
        known = balance_of(borrower, self._heard.party, self._policy, self._strategy, self._now)
        return Effects(borrower, BALANCE if known is not None else HELP, ())

    def _terms(self, borrower: Borrower) -> Effects:
        """The terms, where the core gave them and they may be told; a person, where they cannot be."""
        heard, policy = self._heard, self._policy
        if policy is None or heard.is_shared or terms_of(borrower, heard.party) is None:
            return self._person(borrower, TaskKind.QUESTION)
        if not may_hear_detail(borrower, heard.party, heard.point, policy, self._now):
            return self._person(borrower, TaskKind.QUESTION)
        return Effects(borrower, TERMS, ("terms",))

    def _promise(self, borrower: Borrower) -> Effects:
        heard, understood, rules = self._heard, self._understood, self._rules
        if rules is None or self._promises is None or heard.is_shared or planned_loans(borrower):
            return self._person(borrower, TaskKind.PROMISE)  # also what is promised beside a plan
        made = promised(
            borrower,
            heard.party,
            heard.text_id,
            understood.amount,
            understood.on,
            heard.received_at,
            self._promises,
            rules,
        )
        match made:
            case NotTaken.NO_DAY | NotTaken.PAST:
                return Effects(self._asking(borrower, Awaited.DAY), WHICH_DAY, ("asked.day",))
            case NotTaken.NOTHING_DUE:
                return Effects(borrower, HELP, ("promise.nothing_due",))
            case NotTaken.TOO_FAR | NotTaken.TOO_MANY | NotTaken.AMOUNT:
                return self._person(borrower, TaskKind.PROMISE)
            case _:
                row, stop = self._stops[HoldKind.PROMISE], stop_of(made)
                if row.longest_for is not None and made.until + STOP_OUTLIVES - made.made_at > row.longest_for:
                    return self._person(borrower, TaskKind.PROMISE)  # no stop may last until then
                hold = admitted(stop, row)
                after = placed(with_promise(borrower, made), hold, self._stops)
                return Effects(after, CONFIRMED, ("promise", f"hold.{HoldKind.PROMISE}"))

    def _debt(self, borrower: Borrower) -> Debt | None:
        """What a plan would be about; None where none can be agreed with them here and now."""
        heard, policy = self._heard, self._policy
        if policy is None or self._plans is None or heard.is_shared:
            return None
        if not may_hear_detail(borrower, heard.party, heard.point, policy, self._now):
            return None
        not_by = frozenset({HoldKind.PROMISE})
        if holding(borrower, Purpose.COLLECTION, policy, self._now, party=heard.party, despite=not_by) is not None:
            return None  # a person looks at something already, or a plan is there
        return overdue_debt(borrower, heard.party, policy, self._now)

    def _offered(self, borrower: Borrower) -> Effects:
        """Up to three plans to choose from; where the policy has none for them, a person."""
        debt, rules = self._debt(borrower), self._rules
        if debt is None or self._plans is None or rules is None:
            return self._person(borrower, TaskKind.PLAN)
        today = local_date(self._heard.received_at, borrower.zone)
        found = offers_for(debt, self._plans, today, self._understood.amount, self._understood.on)
        if isinstance(found, NoOffers):
            return self._person(borrower, TaskKind.PLAN)
        heard = self._heard
        hours = heard.received_at + timedelta(hours=rules.dialogue_hours)
        dialogue = Dialogue(
            heard.party.party_id,
            heard.point.point,
            Awaited.OFFER,
            heard.received_at,
            min(hours, at_local(found[0].stands_until + timedelta(days=1), 0, borrower.zone)),
            text_id=heard.text_id,
            offers=found,
        )
        return Effects(replace(borrower, dialogues=(*borrower.dialogues, dialogue)), OFFERED, ("plan.offered",))

    def _chooses(self, dialogue: Dialogue) -> bool:
        """Whether it answers what was offered: said since, and a number that was offered, or none of them."""
        choice = self._understood.choice
        if self._understood.intent is not Intent.CHOICE or choice is None:
            return False
        return dialogue.asked_at <= self._heard.received_at and choice <= len(dialogue.offers)

    def _chosen(self, borrower: Borrower, dialogue: Dialogue) -> Effects:
        """The plan they chose is agreed, or goes to the lender; for another debt there are others."""
        if not self._understood.choice:
            return self._person(borrower, TaskKind.PLAN)
        offer = dialogue.offers[self._understood.choice - 1]
        debt = self._debt(borrower)
        today = local_date(self._heard.received_at, borrower.zone)
        if debt is None or standing(offer, debt.amount, today) is not Standing.STANDS:
            return self._offered(borrower)
        heard = self._heard
        loan_ids = tuple(loan.loan_id for loan in overdue_loans(borrower, heard.party, today))
        upkeep = self._plans.upkeep if self._plans is not None else Upkeep()
        plan = proposed(offer, heard.party.party_id, loan_ids, heard.text_id, heard.received_at, upkeep)
        if self._is_automatic(borrower, offer, plan):
            rule = f"plan.{self._plans.policy_id}.automatic" if self._plans is not None else ""
            after = withdrawn(borrower, heard.received_at)
            after = agreed(after, plan, rule, heard.received_at, StopSource.BORROWER, self._stops)
            return Effects(after, AGREED, (f"hold.{HoldKind.PLAN}", "plan.agreed"))
        return self._lender_decides(borrower, offer, plan)

    def _is_automatic(self, borrower: Borrower, offer: Offer, plan: Plan) -> bool:
        """Whether the lender has agreed beforehand: within its limits, with whoever can bind themselves alone, and
        nobody is talking to them about it."""
        party, policy = self._heard.party, self._plans
        if offer.approval is not Approval.AUTOMATIC or policy is None or policy.automatic is None:
            return False
        others = (other for other in further_parties(borrower) if any(other.is_on(each) for each in plan.loan_ids))
        return (
            party.role is PartyRole.PRIMARY
            and (policy.automatic.with_others or not any(others))
            and open_task(borrower, TaskKind.PLAN, party.party_id) is None
            and lasts(plan, self._stops[HoldKind.PLAN], self._heard.received_at, borrower.zone)
        )

    def _lender_decides(self, borrower: Borrower, offer: Offer, plan: Plan) -> Effects:
        """The choice goes to the lender, and nobody collects until a day after the answer is due."""
        heard = self._heard
        rules = self._rules if self._rules is not None else USUAL_ANSWERS
        until = self._now + timedelta(hours=rules.clock(TaskKind.PLAN).answer_hours) + STOP_OUTLIVES
        row = self._stops[HoldKind.PLAN]
        if row.longest_for is not None:
            until = min(until, heard.received_at + row.longest_for)
        hold_id = f"{HoldKind.PLAN}-{heard.text_id}"
        stop = Hold(hold_id, HoldKind.PLAN, heard.received_at, str(StopSource.BORROWER), until)
        after = placed(borrower, admitted(stop, row), self._stops)
        after = withdrawn(after, heard.received_at)
        party_id = heard.party.party_id
        after = with_task(after, TaskKind.PLAN, party_id, heard.text_id, rules, self._now, (hold_id,), offer)
        task = open_task(after, TaskKind.PLAN, party_id)
        if task is not None:
            after = with_plan(after, replace(plan, task_id=task.task_id))
        return Effects(after, TAKEN, (f"hold.{HoldKind.PLAN}", f"task.{TaskKind.PLAN}", "plan.chosen"))
