"""Who is left out so that what a message does can be measured: a share of borrowers, the same ones every time."""

from __future__ import annotations

import hashlib

_ALL = 2**64


def is_held_out(strategy_id: str, borrower_id: str, share: float) -> bool:
    """Whether the borrower is in the held-out share (0 to 1) of this strategy.

    It depends on the two ids and on nothing else, so that it is nobody's choice, and the same in every process and on
    every day. Another strategy leaves out others.
    """
    digest = hashlib.sha256(f"{strategy_id}/{borrower_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * _ALL
