"""Texts from people: STOP, START, HELP. Everything else is kept for a person to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from dunlin.domain.apply import woken
from dunlin.domain.borrower import Borrower, ContactPoint, Party
from dunlin.domain.message import Message, Move
from dunlin.domain.occasion import reply_key
from dunlin.domain.permit import line_for
from dunlin.domain.review import OPT_OUT_CONFIRMATION
from dunlin.domain.words import Channel, MessageState, Purpose, Reason
from dunlin.errors import AlreadyRecorded, Conflict, StateConflict
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.opt_outs import OptOuts
from dunlin.services.policies import Policies, Rules
from dunlin.services.ports import Change, Clock, InboundText, PointKeys, PointRecord, Store


class Meaning(StrEnum):
    """What a text asks for. `OTHER` is for a person."""

    OPT_OUT = "opt_out"
    OPT_OUT_ALL = "opt_out_all"
    OPT_IN = "opt_in"
    HELP = "help"
    OTHER = "other"


#: The reply to each meaning: stage and template have one name.
_REPLIES = {
    Meaning.OPT_OUT: OPT_OUT_CONFIRMATION,
    Meaning.OPT_OUT_ALL: OPT_OUT_CONFIRMATION,
    Meaning.OPT_IN: "opt_in_confirmation",
    Meaning.HELP: "help",
}
_OPTS_OUT = frozenset({Meaning.OPT_OUT, Meaning.OPT_OUT_ALL})
_REPLY_PRIORITY = 0
#: A reply later than this answers nobody.
_REPLY_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Received:
    """What was done with a text. `recorded_at` is when its effect began to bind."""

    meaning: Meaning
    changed: bool
    borrowers: int
    recorded_at: datetime


class ReceiveInbound:
    """The service behind `receive_inbound`. `understand` reads a text in the words of a locale."""

    def __init__(
        self,
        store: Store,
        policies: Policies,
        opt_outs: OptOuts,
        keys: PointKeys,
        understand: Callable[[str, str | None], Meaning],
        clock: Clock,
    ) -> None:
        self._store = store
        self._policies = policies
        self._opt_outs = opt_outs
        self._keys = keys
        self._understand = understand
        self._clock = clock

    def receive(self, text: InboundText) -> Received:
        """Record a text and do what it asks. Repeated, it changes nothing; from an unknown sender, an opt-out holds.

        The suppression is written before anything else, so an opt-out binds even if every later step has to be
        repeated.
        """
        point = self._keys.point(Channel.SMS, text.from_address)
        borrowers = self._store.borrowers_of(point)
        meaning = self._understand(text.text, self._locale(borrowers, point))
        if meaning not in _OPTS_OUT:
            if text.provider_opted_out:
                meaning = Meaning.OPT_OUT
            elif not text.is_signed:
                meaning = Meaning.OTHER  # whoever knows the address may have written it: a person reads it
        record = PointRecord(
            point,
            f"IN#{text.inbound_id}",
            {
                "inbound_id": text.inbound_id,
                "provider": text.provider,
                "meaning": str(meaning),
                "text": text.text,
                "received_at": text.received_at.isoformat(),
            },
            is_kept=bool(borrowers),
        )
        changed = False
        if meaning in _OPTS_OUT or meaning is Meaning.OPT_IN:
            changed = self._opt_outs.record(
                point,
                Channel.SMS,
                opted_out=meaning in _OPTS_OUT,
                at=text.received_at,
                by=text.inbound_id,
                record=record,
            )
        else:
            try:
                self._store.commit(Change(point_records=(record,)))
                changed = True
            except AlreadyRecorded:
                changed = False
        bound_at = self._clock()
        for borrower_id in borrowers:
            if meaning is Meaning.OPT_OUT_ALL:
                # Whoever has this number may be the one who wrote: it is about all of their other points too.
                changed |= self._opt_outs.of_everything(
                    borrower_id, opted_out=True, at=text.received_at, by=text.inbound_id, point=point
                )
            self._opt_outs.mirror(borrower_id, point)
        recorded_at = bound_at if meaning is not Meaning.OPT_OUT_ALL else self._clock()
        if text.provider_opted_out or not text.is_signed:
            # The provider answered and sends no more; or nobody proved that a person wrote, so nobody is written to.
            return Received(meaning, changed, len(borrowers), recorded_at)
        # One number, one answer, however many borrowers share it.
        for borrower_id in borrowers:
            if self._replied(borrower_id, point, meaning, text):
                break
        return Received(meaning, changed, len(borrowers), recorded_at)

    def _locale(self, borrowers: Sequence[str], point: str) -> str | None:
        """The locale of whoever has this number; None for a stranger."""
        for borrower_id in borrowers:
            borrower = self._store.borrower(borrower_id)
            found = _person(borrower, point) if borrower is not None else None
            if found is not None:
                return found[0].locale
        return None

    def _replied(self, borrower_id: str, point: str, meaning: Meaning, text: InboundText) -> bool:
        """Put the reply under the occasion of the text it answers. True when there is one, new or not."""
        stage = _REPLIES.get(meaning)
        if stage is None:
            return True
        state = self._store.suppression(point)
        if meaning in _OPTS_OUT and state.changed_by != text.inbound_id:
            return True  # another text opted it out: the one confirmation is that text's
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                return False
            now = self._clock()
            rules = self._policies.rules_for(borrower, now)
            found = _person(borrower, point)
            if rules is None or found is None:
                return False
            reply = _reply(borrower, found, stage, text, rules, now)
            if reply is None:
                return False
            try:
                self._store.commit(Change(borrower=woken(borrower, now), quiet=True, new_messages=(reply,)))
            except AlreadyRecorded:
                return True
            except Conflict:
                continue
            return True
        raise StateConflict(borrower_id)


def _person(borrower: Borrower, point: str) -> tuple[Party, ContactPoint] | None:
    for party in borrower.parties:
        for contact_point in party.points:
            if contact_point.point == point and contact_point.channel is Channel.SMS:
                return party, contact_point
    return None


def _reply(
    borrower: Borrower,
    person: tuple[Party, ContactPoint],
    stage: str,
    text: InboundText,
    rules: Rules,
    now: datetime,
) -> Message | None:
    party, point = person
    line = line_for(rules.policy, Channel.SMS, Purpose.REPLY)
    locale = rules.policy.language_for(party.locale, party.preferences.language)
    if line is None or (stage, locale) not in rules.policy.locales:
        return None
    within = _REPLY_WITHIN
    if stage == OPT_OUT_CONFIRMATION:
        within = timedelta(minutes=rules.policy.pack.confirm_opt_out_within_minutes)
    not_after = text.received_at + within
    message = Message(
        borrower_id=borrower.borrower_id,
        key=reply_key(stage, Channel.SMS, text.inbound_id),
        revision=0,
        state=MessageState.REQUESTED,
        stage=stage,
        purpose=Purpose.REPLY,
        channel=Channel.SMS,
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
        expected_parts=rules.policy.expected_parts.get((stage, locale), 1),
        decided_version=borrower.version,
        content_version=rules.policy.content_version,
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
