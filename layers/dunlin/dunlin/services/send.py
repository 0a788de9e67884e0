"""Reserve, then hand over: the only place where a message leaves the house.

The reservation is one transaction over one read: the borrower unchanged since, the contact counted there and at the
number, which has heard nothing else meanwhile and is not suppressed, the message in the words of that read. The
hand-over happens once. What a provider may have accepted is never sent again; what it certainly did not accept may be,
until `hand_over_by`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from dunlin.domain.apply import marked, pruned, with_contact, woken
from dunlin.domain.borrower import Borrower, Contact
from dunlin.domain.ledger import body_digest, entry_hash
from dunlin.domain.message import HAND_OVER_WITHIN, Message, Move
from dunlin.domain.parties import felt_too, with_felt_elsewhere
from dunlin.domain.permit import LONGEST_DELIVERY
from dunlin.domain.recipients import Recipients
from dunlin.domain.replies import OPT_OUT_CONFIRMATION
from dunlin.domain.review import Stop
from dunlin.domain.words import IN_FLIGHT, STOPPABLE, MessageState, Purpose, Reason, SendingMode
from dunlin.errors import Conflict, StateConflict, Suppressed
from dunlin.services.evaluate import ATTEMPTS
from dunlin.services.line_health import count_failure, month_turns, speaks_of_line, stopped
from dunlin.services.opt_outs import OptOuts
from dunlin.services.ports import (
    Accepted,
    Change,
    Clock,
    Controls,
    Felt,
    HandOver,
    HandOverResult,
    NotAccepted,
    Refused,
    Sender,
    Store,
    Unsettled,
)
from dunlin.services.render import Compose, Texted
from dunlin.services.settle import Settle

#: Providers report within this, or say that they do not know.
REPORT_WITHIN = timedelta(hours=72)
REPORT_GRACE = timedelta(hours=24)
#: The sweep looks this long after a hand-over should have come to something.
RETRY_AFTER = timedelta(minutes=1)
#: After a hand-over that was certainly not accepted, the message may be let go again by its line.
AGAIN_AFTER = timedelta(seconds=20)
#: How long a line rests after its provider said that it will take nothing, and did not say until when.
LINE_RESTS = timedelta(hours=1)


class Send:
    """The service behind `send_message`. `senders` is by provider; in shadow there are none."""

    def __init__(
        self,
        store: Store,
        controls: Controls,
        compose: Compose,
        settle: Settle,
        opt_outs: OptOuts,
        senders: dict[str, Sender],
        clock: Clock,
        *,
        recipients: Recipients,
        mode: SendingMode,
    ) -> None:
        self._store = store
        self._controls = controls
        self._compose = compose
        self._settle = settle
        self._opt_outs = opt_outs
        self._senders = senders
        self._clock = clock
        self._recipients = recipients
        self._mode = mode

    def send(self, borrower_id: str, key: str) -> MessageState | None:
        """Move a RENDERED message on its way. None when there was nothing to do.

        Called twice for one message it hands over once: the second finds it RESERVED or later.
        """
        reserved = self._reserve(borrower_id, key)
        if not isinstance(reserved, Texted):
            return reserved
        return self._hand_over(reserved)

    def retry(self, borrower_id: str, key: str) -> MessageState | None:
        """Hand over once more what a provider certainly did not accept, once its line has let it go again.

        If its time is over it is given up, whatever its line says. None when there was nothing to do.
        """
        message = self._store.message(borrower_id, key)
        if message is None or message.state is not MessageState.RESERVED or not message.may_retry:
            return None
        now, hand_over_by = self._clock(), message.hand_over_by
        if hand_over_by is None or (now <= hand_over_by and message.again_at is None):
            return None
        try:
            # Whoever takes the permission to retry is the only one to use it, be it to give up.
            taken = replace(message, may_retry=False, again_at=None, attend_at=max(now, hand_over_by) + RETRY_AFTER)
            self._store.commit(Change(moved_messages=(taken,)))
        except Conflict:
            return None
        message = replace(taken, revision=taken.revision + 1)
        if now > hand_over_by:
            self._give_up(message, message.reason)
            return MessageState.FAILED
        # Read after the permission is taken: what was recorded up to then stops it.
        borrower = self._store.borrower(borrower_id)
        paused = self._compose.paused(borrower, message, now) if borrower is not None else None
        if paused is not None:
            self._give_up(message, paused.reason)
            return MessageState.FAILED
        if borrower is None or borrower.version != message.rendered_version or self._forbidden(message):
            # Something was recorded since: what was reserved is no longer certainly right.
            self._give_up(message, Reason.FACTS_CHANGED)
            return MessageState.FAILED
        address = _address(borrower, message)
        line = self._compose.line(message.line)
        if address is None or line is None:
            self._give_up(message, Reason.NO_CONTACT_POINT)
            return MessageState.FAILED
        return self._call(message, address)

    def _forbidden(self, message: Message) -> bool:
        return message.stage != OPT_OUT_CONFIRMATION and self._opt_outs.forbids(message)

    # ── reserve ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _reserve(self, borrower_id: str, key: str) -> Texted | MessageState | None:
        for _ in range(ATTEMPTS):
            message = self._store.message(borrower_id, key)
            borrower = self._store.borrower(borrower_id)
            if message is None or borrower is None or message.state is not MessageState.RENDERED:
                return None
            now = self._clock()
            felt, others = self._felt(borrower, message)
            knowing = borrower
            for each in (*felt, *others):
                knowing = with_felt_elsewhere(knowing, each.point, each.contacts)
            judged = self._compose.judge(knowing, message, now)
            if isinstance(judged, Stop):
                if judged.reason is Reason.CAP and knowing is not borrower:
                    self._mirror(borrower_id, (*felt, *others))
                self._settle.settle(
                    borrower_id, key, MessageState.SUPPRESSED, judged.reason, judged.rule, expected=STOPPABLE
                )
                return MessageState.SUPPRESSED
            shadow = self._mode is SendingMode.SHADOW
            reserved, after = (shadowed if shadow else reservation)(borrower, judged, now)
            confirmation = message.stage == OPT_OUT_CONFIRMATION
            try:
                self._store.commit(
                    Change(
                        borrower=after,
                        moved_messages=(reserved,),
                        unless_blocked=None if confirmation else (message.point, message.channel, message.purpose),
                        felt=tuple(
                            replace(each, contacts=felt_too(each.contacts, after.contacts[-1], now)) for each in felt
                        ),
                        felt_as_read=others,
                    )
                )
            except Suppressed:
                self._opt_outs.mirror(borrower_id, message.point)
                self._settle.settle(
                    borrower_id, key, MessageState.SUPPRESSED, Reason.OPTED_OUT, "suppression", expected=STOPPABLE
                )
                return MessageState.SUPPRESSED
            except Conflict:
                continue
            if shadow:
                self._settle.reached(MessageState.SUPPRESSED)
                return MessageState.SUPPRESSED
            return Texted(replace(reserved, revision=reserved.revision + 1), judged.ready, judged.line)
        return None  # left to the sweep: somebody else keeps writing to this borrower

    def _felt(self, borrower: Borrower, message: Message) -> tuple[tuple[Felt, ...], tuple[Felt, ...]]:
        """What was felt at the message's point, which the reservation adds to, and at the addressee's other points."""
        if message.purpose is Purpose.REPLY:
            return (), ()  # an answer counts nowhere
        party = next((party for party in borrower.parties if party.party_id == message.party_id), None)
        others = {point.point for point in party.points} - {message.point} if party is not None else set()
        return (self._store.felt(message.point),), tuple(self._store.felt(point) for point in sorted(others))

    def _mirror(self, borrower_id: str, felt: tuple[Felt, ...]) -> None:
        """Let the borrower know of what was felt about other loans, so that decisions wait for it.

        Not learning it costs another message that ends here, so it is not worth a failure.
        """
        for _ in range(ATTEMPTS):
            borrower = self._store.borrower(borrower_id)
            if borrower is None:
                return
            after = borrower
            for each in felt:
                after = with_felt_elsewhere(after, each.point, each.contacts)
            if after is borrower:
                return
            now = self._clock()
            try:
                self._store.commit(Change(borrower=woken(pruned(after, now), now)))
            except Conflict:
                continue
            return

    # ── hand over ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _hand_over(self, texted: Texted) -> MessageState | None:
        return self._call(texted.message, texted.ready.point.address)

    def _call(self, message: Message, address: str) -> MessageState | None:
        # The last door, whoever came this far: what was reserved before the mode or the list changed stops here too.
        if self._mode is SendingMode.SHADOW or not self._recipients.include(address):
            shadow = self._mode is SendingMode.SHADOW
            self._give_up(message, Reason.SHADOW if shadow else Reason.NOT_ON_ALLOW_LIST)
            return MessageState.FAILED
        line = self._compose.line(message.line)
        now = self._clock()
        if line is None or message.hand_over_by is None or message.reserved_at is None or now > message.hand_over_by:
            self._give_up(message, Reason.NOT_RELEASED)
            return MessageState.FAILED
        sender = self._senders.get(line.provider)
        if sender is None:
            self._give_up(message, Reason.NO_ROUTE)
            return MessageState.FAILED
        result = sender.hand_over(
            HandOver(
                ref=message.ref,
                reserved_at=message.reserved_at,
                line=line,
                purpose=message.purpose,
                address=address,
                subject=message.subject,
                body=message.body,
                ttl_seconds=message.ttl_seconds,
                locale=message.locale,
                point=message.point,
                filing=message.filing,
            )
        )
        return self._record(message, result)

    def _record(self, message: Message, result: HandOverResult) -> MessageState:
        now = self._clock()
        match result:
            case Accepted(provider_message_id):
                return self._move(
                    message, MessageState.SENT, Reason.ACCEPTED, now, provider_message_id=provider_message_id
                )
            case Unsettled(reason):
                return self._move(message, MessageState.UNSETTLED, reason, now)
            case NotAccepted(reason):
                return self._may_retry(message, reason, now)
            case Refused():
                self._refused(message, result, now)
                return MessageState.FAILED

    def _move(
        self, message: Message, state: MessageState, reason: Reason, now: datetime, *, provider_message_id: str = ""
    ) -> MessageState:
        """RESERVED → SENT or UNSETTLED. A report may have been faster: then only the provider's id is added."""
        for _ in range(ATTEMPTS):
            if message.state is MessageState.RESERVED:
                after = replace(
                    message,
                    state=state,
                    reason=reason,
                    rule="provider",
                    sent_at=now if state is MessageState.SENT else None,
                    attend_at=closes_at(message),
                    may_retry=False,
                    again_at=None,
                    provider_message_id=provider_message_id or message.provider_message_id,
                    moves=(*message.moves, Move(state, now, reason, "provider")),
                )
            elif provider_message_id and not message.provider_message_id:
                after = replace(message, provider_message_id=provider_message_id, sent_at=now)
            else:
                return message.state
            try:
                self._store.commit(Change(moved_messages=(after,)))
            except Conflict:
                current = self._store.message(message.borrower_id, message.key)
                if current is None:
                    return state
                message = current
                continue
            if after.state is MessageState.SENT:
                self._settle.reached(MessageState.SENT)
            return after.state
        raise StateConflict(message.ref)

    def _may_retry(self, message: Message, reason: Reason, now: datetime) -> MessageState:
        again = replace(
            message,
            may_retry=True,
            again_at=None,
            reason=reason,
            attend_at=now + AGAIN_AFTER,
            moves=(*message.moves, Move(MessageState.RESERVED, now, reason, "provider")),
        )
        try:
            self._store.commit(Change(moved_messages=(again,)))
        except Conflict:
            return MessageState.RESERVED  # the sweep was faster and will close it as unsettled
        return MessageState.RESERVED

    def _refused(self, message: Message, refused: Refused, now: datetime) -> None:
        if refused.reason is Reason.PROVIDER_OPTED_OUT:
            self._opt_outs.record_from_provider(message)
        if refused.stops_line:
            self._stop_line(message.line, refused.reason, now)
        elif speaks_of_line(refused.reason, point_unusable=refused.point_unusable):
            count_failure(self._controls, message.line)
        self._settle.settle(
            message.borrower_id,
            message.key,
            MessageState.FAILED,
            refused.reason,
            "provider",
            release=True,
            lose_channel=not refused.stops_line,
            point_unusable=refused.point_unusable,
            expected=IN_FLIGHT,
        )

    def _give_up(self, message: Message, reason: Reason) -> None:
        """Nothing was accepted, and now it is too late or no longer right: the cap is free again."""
        self._settle.settle(
            message.borrower_id,
            message.key,
            MessageState.FAILED,
            reason,
            "hand_over_by",
            release=True,
            expected=frozenset({MessageState.RESERVED}),
        )

    def _stop_line(self, line: str, reason: Reason, now: datetime) -> None:
        for _ in range(ATTEMPTS):
            state = self._controls.line(line)
            try:
                until = now + LINE_RESTS
                known = self._compose.line(line) if reason is Reason.SPEND_LIMIT else None
                if known is not None:
                    until = min(month_turns(now), now + known.failures.spend_rest)
                self._controls.put_line(stopped(state, until, reason))
            except StateConflict:
                continue
            return


def reservation(borrower: Borrower, texted: Texted, now: datetime) -> tuple[Message, Borrower]:
    """The message RESERVED and the borrower with the contact counted, the stages told and the chain moved on."""
    message = texted.message
    hand_over_by = min(now + HAND_OVER_WITHIN, message.not_after)
    delivered_by = min(texted.ready.until, hand_over_by + LONGEST_DELIVERY)
    ttl_seconds = int((delivered_by - hand_over_by).total_seconds())
    felt_until = hand_over_by + timedelta(seconds=ttl_seconds)
    reserved = replace(
        message,
        state=MessageState.RESERVED,
        reserved_at=now,
        hand_over_by=hand_over_by,
        occupies_until=felt_until,
        ttl_seconds=ttl_seconds,
        attend_at=hand_over_by + RETRY_AFTER,
        # The reservation is itself a fact: it makes the version on which these words stand.
        rendered_version=borrower.version + 1,
        body_digest=body_digest(message.subject, message.body),
        basis=texted.ready.basis,
        previous_hash=borrower.chain_head,
        moves=(*message.moves, Move(MessageState.RESERVED, now, message.reason, message.rule)),
    )
    reserved = replace(reserved, entry_hash=entry_hash(borrower.chain_head, reserved))
    after = replace(borrower, chain_head=reserved.entry_hash)
    if message.purpose is not Purpose.REPLY:
        contact = Contact(
            ref=message.ref,
            reserved_at=now,
            felt_until=felt_until,
            channel=str(message.channel),
            purpose=message.purpose,
            loan_ids=message.loan_ids,
            party_id=message.party_id,
            point=message.point,
        )
        after = with_contact(after, contact)
    after = marked(after, message, now, status="told")
    return reserved, woken(pruned(after, now), now)


def shadowed(borrower: Borrower, texted: Texted, now: datetime) -> tuple[Message, Borrower]:
    """What a reservation would have done, without a contact being made: the message SUPPRESSED, the borrower counted.

    The message keeps its words, figures and parts, the moment at which it would have gone (`settled_at`) and until when
    it would have been felt. The borrower is what a reservation leaves: the contact counted, the stages told, woken. So
    caps, gaps and tiers go on exactly as they would, with every message taken for delivered. It is no entry of the hash
    chain, which proves contacts that were made: the head stays, and the message has no hash.
    """
    reserved, after = reservation(borrower, texted, now)
    message = replace(
        reserved,
        state=MessageState.SUPPRESSED,
        reason=Reason.SHADOW,
        rule="sending_mode",
        reserved_at=None,
        hand_over_by=None,
        previous_hash="",
        entry_hash="",
        settled_at=now,
        attend_at=None,
        moves=(*texted.message.moves, Move(MessageState.SUPPRESSED, now, Reason.SHADOW, "sending_mode")),
    )
    return message, replace(after, chain_head=borrower.chain_head)


def closes_at(message: Message) -> datetime:
    """When a message nobody reported on is closed as unknown: after the provider's own last word is due."""
    reserved_at = message.reserved_at or message.requested_at
    return reserved_at + max(timedelta(seconds=message.ttl_seconds), REPORT_WITHIN) + REPORT_GRACE


def _address(borrower: Borrower, message: Message) -> str | None:
    for party in borrower.parties:
        if party.party_id == message.party_id:
            for point in party.points:
                if point.channel is message.channel and point.point == message.point:
                    return point.address
    return None
