"""Delivery reports: matched by reference, whatever their order, however often they come."""

from __future__ import annotations

from collections.abc import Callable

from dunlin.domain.message import Message, split_ref
from dunlin.domain.words import IN_FLIGHT, Channel, MessageState, Reason
from dunlin.errors import InvalidInput, TransientError
from dunlin.services.line_health import count_failure, speaks_of_line
from dunlin.services.opt_outs import OptOuts
from dunlin.services.ports import Controls, DeliveryReport, Store
from dunlin.services.settle import Settle

#: A later report may still correct a message that was closed as unknown.
_OPEN_TO_REPORTS = IN_FLIGHT | {MessageState.UNKNOWN}


class ReceiveReport:
    """The service behind `receive_report`. `point_of` is asked only by providers that do not repeat our reference."""

    def __init__(
        self,
        store: Store,
        settle: Settle,
        opt_outs: OptOuts,
        point_of: Callable[[Channel, str], str],
        lines: Controls | None = None,
    ) -> None:
        self._store = store
        self._settle = settle
        self._opt_outs = opt_outs
        self._point_of = point_of
        self._lines = lines

    def receive(self, report: DeliveryReport) -> bool:
        """Settle the message the report is about. False: it settles nothing (under way, repeated, or too late).

        Raises:
            InvalidInput: it names a message that we never handed over. Such a report never re-opens a send.
            TransientError: it may be about a message whose hand-over is just being recorded.
        """
        message = self._named(report) if report.ref else self._found(report)
        if message is None or message.is_stoppable:
            raise InvalidInput("ref", "names no message that was handed over")
        if not report.is_signed and message.provider_message_id != report.provider_message_id:
            if message.state is MessageState.RESERVED and not message.provider_message_id:
                raise TransientError("a hand-over is not recorded yet")
            # Anybody can know a reference; only the provider and we know its own id. Where its answer was lost, the
            # word that a text arrived is still taken: it ends what would otherwise be closed as unknown.
            if message.provider_message_id or report.state is not MessageState.DELIVERED:
                raise InvalidInput("provider_message_id", "is not the one that the message was handed over under")
        if report.state is None:
            return False
        if report.reason is Reason.PROVIDER_OPTED_OUT and message.state in _OPEN_TO_REPORTS:
            # Before the message ends, so that a repeated report does it again; not after, when the person may be back.
            self._opt_outs.record_from_provider(message)
        if report.complained:
            # First of all, and for everybody who has the address: a complaint is an opt-out of everything there.
            self._opt_outs.at_point(message.point, message.channel, opted_out=True, at=report.at, by=report.ref)
        failed = report.state is MessageState.FAILED
        settled = self._settle.settle(
            message.borrower_id,
            message.key,
            report.state,
            report.reason,
            "report",
            # A text that only came too late says nothing against the channel.
            lose_channel=(failed and report.reason is not Reason.TTL_EXPIRED) or report.state is MessageState.UNKNOWN,
            point_unusable=report.point_unusable,
            expected=_OPEN_TO_REPORTS,
            provider_message_id=report.provider_message_id,
            parts=report.parts,
            price=report.price,
        )
        counts = failed and speaks_of_line(report.reason, point_unusable=report.point_unusable)
        if settled and counts and self._lines is not None:
            count_failure(self._lines, message.line)
        if report.point_unusable:
            # A complaint comes hours after the delivery that ended the message; it says something about the address.
            self._settle.lose_point(message)
        return settled

    def _named(self, report: DeliveryReport) -> Message | None:
        try:
            borrower_id, key = split_ref(report.ref)
        except ValueError:
            raise InvalidInput("ref", "is not a message reference") from None
        return self._store.message(borrower_id, key)

    def _found(self, report: DeliveryReport) -> Message | None:
        """The message that went to this address under the provider's id."""
        point = self._point_of(report.channel, report.address)
        being_handed_over = False
        for borrower_id in self._store.borrowers_of(point):
            for message in self._store.conversation(borrower_id):
                if message.point != point:
                    continue
                if message.provider_message_id == report.provider_message_id:
                    return message
                being_handed_over |= message.state is MessageState.RESERVED
        if being_handed_over:
            raise TransientError("a hand-over is not recorded yet")
        return None
