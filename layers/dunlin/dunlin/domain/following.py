"""Which contact strategy a borrower follows: people are contacted, not loans, so there is one at a time."""

from __future__ import annotations

from dunlin.domain.borrower import Borrower
from dunlin.domain.words import CaseStatus, LoanStatus, Product

_NOTHING_OPEN = frozenset({Product.INSTALMENT})


def products_of(borrower: Borrower) -> frozenset[Product]:
    """What kinds of loan are open, whether or not something is owed on them now: a strategy that changed with every
    payment would be none. Where nothing is open, the ordinary kind, for what a reply or a reservation has to know."""
    found = frozenset(loan.product for loan in borrower.loans if loan.status is LoanStatus.OPEN)
    return found or _NOTHING_OPEN


def pinned_strategy(borrower: Borrower) -> str:
    """The strategy of the open case, which is carried through under the one it was opened under; empty: none is."""
    case = borrower.case
    return case.strategy_id if case is not None and case.status is CaseStatus.OPEN else ""
