"""Texts from people: read, recorded, and followed by what they ask for. An opt-out binds before anything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from dunlin.domain.answers import HELP, Effects, Heard, answer, asked_of
from dunlin.domain.apply import pruned, woken
from dunlin.domain.borrower import Borrower, ContactPoint, Party
from dunlin.domain.hours import local_date
from dunlin.domain.intents import Asked, Intent, Topic, Understood
from dunlin.domain.message import Message, Move
from dunlin.domain.occasion import reply_key
from dunlin.domain.permit import line_for
from dunlin.domain.policy import Policy
from dunlin.domain.reach import Finding, PointState
from dunlin.domain.replies import OPT_OUT_CONFIRMATION, without_answer
from dunlin.domain.understanding import understand
from dunlin.domain.understanding.lexicon import Lexicon
from dunlin.domain.words import MessageState, Purpose, Reason
from dunlin.errors import AlreadyRecorded, Conflict, NotFound, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.opt_outs import OptOuts
from dunlin.services.points import Points
from dunlin.services.policies import Policies
from dunlin.services.ports import Change, Clock, InboundText, PointKeys, PointRecord, Record, Store, Understand

_REPLY_PRIORITY = 0
#: A reply later than this answers nobody.
_REPLY_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Received:
    """What was done with a text. `recorded_at` is when its effect began to bind."""

    intent: Intent
    topic: Topic
    changed: bool
    borrowers: int
    recorded_at: datetime


class ReceiveInbound:
    """The service behind `receive_inbound`."""

    def __init__(
        self,
        store: Store,
        policies: Policies,
        opt_outs: OptOuts,
        keys: PointKeys,
        understand: Understand,
        clock: Clock,
    ) -> None:
        self._store = store
        self._policies = policies
        self._opt_outs = opt_outs
        self._keys = keys
        self._understand = understand
        self._clock = clock
        self._points = Points(store, opt_outs, keys, clock)

    def receive(self, text: InboundText) -> Received:
        """Record a text and do what it asks. Repeated, it changes nothing; from an unknown sender, an opt-out holds.

        The suppression is written before anything else, so an opt-out binds even if every later step has to be
        repeated. What follows for a borrower is one transaction, in which the text is recorded as followed: a delivery
        that is repeated goes on where the last one stopped.
        """
        point = self._keys.point(text.channel, text.from_address)
        linked = self._store.borrowers_of(point)
        theirs = self._theirs(linked, point)
        understood = _believed(self._read(text, point, theirs), text)
        intent, everything = understood.intent, understood.topic is Topic.EVERYTHING
        opts_out = intent is Intent.OPT_OUT
        record = PointRecord(
            point,
            f"IN#{text.inbound_id}",
            {
                "inbound_id": text.inbound_id,
                "provider": text.provider,
                "meaning": str(intent),
                "topic": str(understood.topic),
                "text": text.text,
                "received_at": text.received_at.isoformat(),
            },
            is_kept=bool(linked),
        )
        if opts_out or intent is Intent.OPT_IN:
            changed = self._opt_outs.record(
                point, text.channel, opted_out=opts_out, at=text.received_at, by=text.inbound_id, record=record
            )
        else:
            try:
                self._store.commit(Change(point_records=(record,)))
                changed = True
            except AlreadyRecorded:
                changed = False
        bound_at = self._clock()
        for borrower_id in linked:
            if opts_out and everything:
                # Whoever has this number may be the one who wrote: it is about all of their other points too.
                changed |= self._opt_outs.of_everything(
                    borrower_id, opted_out=True, at=text.received_at, by=text.inbound_id, point=point
                )
            if intent is Intent.WRONG_NUMBER:
                wrong = Finding(PointState.WRONG, text.received_at, borrower_id, source=text.inbound_id)
                self._points.keep(point, wrong)
            self._opt_outs.mirror(borrower_id, point)
        recorded_at = self._clock() if opts_out and everything else bound_at
        # One number, one answer, however many borrowers share it.
        # A provider that answered sends no more; and where nobody proved that a person wrote, nobody is written to.
        answers = text.is_signed and not text.provider_opted_out and (not opts_out or self._confirms(point, text))
        for borrower in theirs:
            replied = self._followed(borrower.borrower_id, point, understood, text, len(theirs) > 1, answers=answers)
            answers = answers and not replied
        return Received(intent, understood.topic, changed, len(linked), recorded_at)

    def _confirms(self, point: str, text: InboundText) -> bool:
        """Whether it was this text that opted the number out: the one confirmation is that text's."""
        return self._store.suppression(point).changed_by == text.inbound_id

    def _theirs(self, linked: Sequence[str], point: str) -> tuple[Borrower, ...]:
        """The borrowers who have this number now."""
        known = (self._store.borrower(borrower_id) for borrower_id in linked)
        return tuple(borrower for borrower in known if borrower is not None and _person(borrower, point) is not None)

    def _read(self, text: InboundText, point: str, theirs: Sequence[Borrower]) -> Understood:
        """The text in the words, on the date and in the dialogue of whoever has this number."""
        for borrower in theirs:
            found = _person(borrower, point)
            if found is not None:
                party = found[0]
                return self._understand(
                    text.text,
                    locale=party.locale,
                    today=local_date(text.received_at, party.zone or borrower.zone),
                    asked=asked_of(borrower, party.party_id, point, text.received_at),
                )
        return self._understand(text.text, locale=None, today=local_date(text.received_at, "UTC"), asked=Asked())

    def asked_on_page(
        self, borrower_id: str, party_id: str, point: str, understood: Understood, request_id: str
    ) -> Effects | None:
        """The same as a text that is understood like this, from somebody who proved on their page who they are, and who
        came by the link for this contact point. The page answers, so no text does. None: `request_id` was done before.

        Raises:
            NotFound: there is no such borrower, party or contact point any more. StateConflict: other writers were
            first each time.
        """
        at = self._clock()
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            party = next((each for each in borrower.parties if each.party_id == party_id), None) if borrower else None
            reached = next((each for each in party.points if each.point == point), None) if party else None
            if borrower is None or party is None or reached is None:
                raise NotFound("party_id")
            if understood.intent in (Intent.OPT_OUT, Intent.OPT_IN):
                opted_out, channel = understood.intent is Intent.OPT_OUT, reached.channel
                if understood.topic is Topic.EVERYTHING:
                    self._opt_outs.of_everything(
                        borrower_id, opted_out=opted_out, at=at, by=request_id, party_id=party_id
                    )
                else:
                    self._opt_outs.at_point(point, channel, opted_out=opted_out, at=at, by=request_id)
                borrower = self._store.borrower(borrower_id) or borrower
                party = next((each for each in borrower.parties if each.party_id == party_id), party)
            now = self._clock()
            heard = Heard(request_id, party, replace(reached, verified_at=at), at)
            effects, _ = self._effects(borrower, heard, understood, now)
            try:
                self._store.commit(_change(borrower, heard, understood, effects, None, now))
            except AlreadyRecorded:
                return None
            except Conflict:
                continue
            return effects
        raise StateConflict(borrower_id)

    def _effects(
        self, borrower: Borrower, heard: Heard, understood: Understood, now: datetime
    ) -> tuple[Effects, Policy | None]:
        rules = self._policies.rules_for(borrower, now)
        policy, strategy = (rules.policy, rules.strategy) if rules is not None else (None, None)
        stops = self._policies.stops_for(borrower, now)
        promises = self._policies.promises_for(borrower, now)
        plans = self._policies.plans_for(borrower, now)
        return answer(borrower, heard, understood, stops, policy, strategy, promises, plans, now), policy

    def _followed(
        self, borrower_id: str, point: str, understood: Understood, text: InboundText, is_shared: bool, *, answers: bool
    ) -> bool:
        """Do what follows for this borrower, once. True when there is a reply, new or not."""
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            found = _person(borrower, point) if borrower is not None else None
            if borrower is None or found is None:
                return False
            now = self._clock()
            heard = Heard(text.inbound_id, found[0], found[1], text.received_at, is_shared)
            effects, policy = self._effects(borrower, heard, understood, now)
            reply = None
            if answers and effects.reply and policy is not None:
                reply = _reply(borrower, found, effects.reply, text, policy, now)
                if reply is None or reply.is_terminal:
                    # Nobody wrote the words, or it took too long to come here.
                    left = without_answer(effects.borrower, found[0].party_id, text.inbound_id, effects.reply, now, now)
                    effects = replace(effects, borrower=left)
            try:
                self._store.commit(_change(borrower, heard, understood, effects, reply, now))
            except AlreadyRecorded:
                return True
            except Conflict:
                continue
            return reply is not None
        raise StateConflict(borrower_id)


#: What may be believed of whoever knows a provider's address: it stops something, or brings a person.
_STOPS = frozenset(
    {
        Intent.OPT_OUT,
        Intent.PAID,
        Intent.HARDSHIP,
        Intent.DISPUTE,
        Intent.COMPLAINT,
        Intent.WRONG_NUMBER,
        Intent.DECEASED,
        Intent.CRISIS,
    }
)


def _believed(understood: Understood, text: InboundText) -> Understood:
    """What is taken of a text. A provider that says it opted somebody out did; one that signs nothing can stop
    something, and a person reads the rest."""
    if text.provider_opted_out and understood.intent is not Intent.OPT_OUT:
        return Understood(Intent.OPT_OUT, 1.0, understood.language)
    if not text.is_signed and understood.intent not in _STOPS:
        return Understood(Intent.SERVICE, understood.confidence, understood.language, Topic.PERSON)
    return understood


def _change(
    borrower: Borrower, heard: Heard, understood: Understood, effects: Effects, reply: Message | None, now: datetime
) -> Change:
    """What follows, in one transaction, with the record that it was done."""
    document: dict[str, object] = {
        "intent": str(understood.intent),
        "topic": str(understood.topic),
        "party_id": heard.party.party_id,
        "point": heard.point.point,
        "did": list(effects.did),
        "reply": reply.template if reply is not None else "",
        "received_at": heard.received_at,
        "recorded_at": now,
    }
    changed = effects.borrower != borrower
    after = pruned(effects.borrower, now) if changed else borrower
    return Change(
        borrower=woken(after, now),
        quiet=not changed,
        new_messages=(reply,) if reply is not None else (),
        records=(Record(borrower.borrower_id, f"TEXT#{heard.text_id}", document),),
    )


def read_with(lexicon: Lexicon) -> Understand:
    """The reading of texts by the rules and weights of one release of the content."""

    def read(text: str, *, locale: str | None, today: date, asked: Asked) -> Understood:
        return understand(text, lexicon, locale=locale, today=today, asked=asked)

    return read


def _person(borrower: Borrower, point: str) -> tuple[Party, ContactPoint] | None:
    for party in borrower.parties:
        for contact_point in party.points:
            if contact_point.point == point:
                return party, contact_point
    return None


def _reply(
    borrower: Borrower,
    person: tuple[Party, ContactPoint],
    stage: str,
    text: InboundText,
    policy: Policy,
    now: datetime,
) -> Message | None:
    party, point = person
    line = line_for(policy, text.channel, Purpose.REPLY)
    locale = policy.language_for(party.locale, party.preferences.language)
    if line is not None and (stage, locale) not in policy.locales:
        stage = HELP  # a person, where there are no words
    if line is None or (stage, locale) not in policy.locales:
        return None
    within = _REPLY_WITHIN
    if stage == OPT_OUT_CONFIRMATION:
        within = timedelta(minutes=policy.pack.confirm_opt_out_within_minutes)
    not_after = text.received_at + within
    if text.answer_by is not None:
        not_after = min(not_after, text.answer_by)
    message = Message(
        borrower_id=borrower.borrower_id,
        key=reply_key(stage, text.channel, text.inbound_id),
        revision=0,
        state=MessageState.REQUESTED,
        stage=stage,
        purpose=Purpose.REPLY,
        channel=text.channel,
        party_id=party.party_id,
        point=point.point,
        line=line.line_id,
        locale=locale,
        template=stage,
        loan_ids=(),
        due_on=None,
        episode=0,
        mark_ids=(),
        priority=_REPLY_PRIORITY,
        requested_at=now,
        not_before=now,
        not_after=not_after,
        expected_parts=policy.expected_parts.get((stage, locale), 1),
        decided_version=borrower.version,
        content_version=policy.content_version,
        reason=Reason.REPLY_DUE,
        rule=f"reply.{stage}",
        moves=(Move(MessageState.REQUESTED, now, Reason.REPLY_DUE, f"reply.{stage}"),),
        attend_at=not_after,
        in_reply_to=text.inbound_id,
    )
    if not_after > now:
        return message
    expired = Move(MessageState.EXPIRED, now, Reason.WINDOW_CLOSED, "not_after")
    return replace(
        message,
        state=MessageState.EXPIRED,
        reason=Reason.WINDOW_CLOSED,
        rule="not_after",
        moves=(*message.moves, expired),
        attend_at=None,
        settled_at=now,
    )
