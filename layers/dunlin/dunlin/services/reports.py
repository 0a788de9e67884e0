"""Delivery reports: matched by reference, whatever their order, however often they come."""

from __future__ import annotations

from dunlin.domain.message import split_ref
from dunlin.domain.words import IN_FLIGHT, MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.opt_outs import OptOuts
from dunlin.services.ports import DeliveryReport, Store
from dunlin.services.settle import Settle

#: A later report may still correct a message that was closed as unknown.
_OPEN_TO_REPORTS = IN_FLIGHT | {MessageState.UNKNOWN}


class ReceiveReport:
    """The service behind `receive_report`."""

    def __init__(self, store: Store, settle: Settle, opt_outs: OptOuts) -> None:
        self._store = store
        self._settle = settle
        self._opt_outs = opt_outs

    def receive(self, report: DeliveryReport) -> bool:
        """Settle the message the report is about. False: it settles nothing (under way, repeated, or too late).

        Raises:
            InvalidInput: it names a message that we never handed over. Such a report never re-opens a send.
        """
        try:
            borrower_id, key = split_ref(report.ref)
        except ValueError:
            raise InvalidInput("ref", "is not a message reference") from None
        message = self._store.message(borrower_id, key)
        if message is None or message.is_stoppable:
            raise InvalidInput("ref", "names no message that was handed over")
        if report.state is None:
            return False
        if report.complained:
            # First of all, and for everybody who has the address: a complaint is an opt-out of everything there.
            self._opt_outs.at_point(message.point, message.channel, opted_out=True, at=report.at, by=report.ref)
        failed = report.state is MessageState.FAILED
        settled = self._settle.settle(
            borrower_id,
            key,
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
        if report.point_unusable:
            # A complaint comes hours after the delivery that ended the message; it says something about the address.
            self._settle.lose_point(message)
        return settled
