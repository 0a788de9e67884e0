"""Delivery reports: matched by reference, whatever their order, however often they come."""

from __future__ import annotations

from dunlin.domain.message import split_ref
from dunlin.domain.words import IN_FLIGHT, MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.line_health import count_failure
from dunlin.services.ports import Controls, DeliveryReport, Store
from dunlin.services.settle import Settle

#: A later report may still correct a message that was closed as unknown.
_OPEN_TO_REPORTS = IN_FLIGHT | {MessageState.UNKNOWN}


class ReceiveReport:
    """The service behind `receive_report`."""

    def __init__(self, store: Store, settle: Settle, lines: Controls | None = None) -> None:
        self._store = store
        self._settle = settle
        self._lines = lines

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
        if settled and failed and self._lines is not None:
            count_failure(self._lines, message.line)
        if report.point_unusable:
            # A complaint comes hours after the delivery that ended the message; it says something about the address.
            self._settle.lose_point(message)
        return settled
