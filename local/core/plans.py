"""How the simulated lender deals with plans: decides about those that it wanted to see, and carries those that bind.

Of a plan about one loan most books carry the instalments: the arrears become them. Else, and where a plan is about
several loans, the arrears stay what they are, and rest. The contract's own instalments begin again after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from local.core.draws import draw, minutes, whole

#: Assumed: of the plans that it looks at, the lender approves so many; in its books it carries so many.
APPROVED_SHARE, CARRIED_SHARE = 0.8, 0.6
REASON = "reason.policy"


@dataclass(frozen=True, slots=True)
class Agreed:
    """A plan that binds, as it was announced."""

    plan_id: str
    borrower_id: str
    loan_ids: tuple[str, ...]
    debt: Decimal
    dues: tuple[tuple[date, Decimal], ...]


def agreed_in(detail: Mapping[str, Any]) -> Agreed:
    return Agreed(
        plan_id=str(detail["plan_id"]),
        borrower_id=str(detail["borrower_id"]),
        loan_ids=tuple(map(str, detail["loan_ids"])),
        debt=_amount(detail["debt"]),
        dues=tuple((date.fromisoformat(each["due_on"]), _amount(each["amount"])) for each in detail["instalments"]),
    )


def _amount(said: object) -> Decimal:
    return Decimal(str(said).partition(" ")[0])


def decision_about(detail: Mapping[str, Any], seed: int) -> tuple[timedelta, dict[str, object]]:
    """After how long somebody decides about a plan that was asked for, and how."""
    borrower_id = str(detail["borrower_id"])
    by = f"staff-{whole(seed, 1, 9, 'staff', borrower_id)}"
    plan: dict[str, object] = {"task_id": detail["task_id"], "by": by, "decision": "approved"}
    if draw(seed, "approves", borrower_id) >= APPROVED_SHARE:
        plan |= {"decision": "refused", "reason": REASON}
    return minutes(seed, 90, 1200, "decides", borrower_id), {"plan": plan}


def carried_after(agreed: Agreed, seed: int) -> timedelta:
    """How long the books take."""
    return minutes(seed, 5, 300, "carries", agreed.borrower_id, agreed.plan_id)


def is_carried(agreed: Agreed, seed: int) -> bool:
    """Whether the books carry the instalments themselves."""
    return len(agreed.loan_ids) == 1 and draw(seed, "in the books", agreed.borrower_id) < CARRIED_SHARE
