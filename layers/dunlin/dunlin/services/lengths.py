"""What a text weighs, before it is released: counted in the words it would be sent in at this moment."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from dunlin.domain.message import Message
from dunlin.domain.review import Stop
from dunlin.domain.words import Reason
from dunlin.services.ports import Store
from dunlin.services.render import Compose

#: What stops every message and not just this one. A backlog is not emptied for it in a moment: it goes at its pace,
#: and who ends the pause in time saves the rest.
_EVERYBODYS: Final = frozenset({Reason.PAUSED, Reason.CONTENT_NOT_LIVE, Reason.STALE_BALANCE, Reason.DEAF})


class TextLengths:
    """`dunlin.services.ports.Lengths`: judges and words a message as `render_message` will a moment later.

    The words are thrown away, for what is sent is worded anew from the read that it is reserved on. Between the two a
    fact may change, and with it a length: then the line has carried that part more or less.
    """

    def __init__(self, store: Store, compose: Compose) -> None:
        self._store = store
        self._compose = compose

    def parts(self, message: Message, now: datetime) -> int:
        borrower = self._store.borrower(message.borrower_id)
        if borrower is None:
            return 0
        judged = self._compose.judge(borrower, message, now)
        if isinstance(judged, Stop):
            return message.expected_parts if judged.reason in _EVERYBODYS else 0
        return max(1, judged.message.parts)
