"""The lender's contact strategies as the auditor reads them, and which of them a borrower follows.

Read from the files among the evidence, and chosen here a second time: that a text keeps to a strategy is worth nothing
if it is the wrong one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.auditor.law import Cap, Hours, names_in, own_hours

#: What a loan is of which the core never said what it is.
ORDINARY = "instalment"
_DUNNING = frozenset({"servicing", "collection"})
_OURS = frozenset({"sms", "email", "push", "wechat", "whatsapp"})


@dataclass(frozen=True, slots=True)
class Step:
    """One stage. `lasts`: days on which a reminder is current; 0 for a tier, which has no last day."""

    offset: int
    lasts: int
    channels: frozenset[str]


@dataclass(frozen=True, slots=True)
class ContactPlan:
    """One strategy. `products` empty: for every product."""

    name: str
    jurisdictions: frozenset[str]
    products: frozenset[str]
    precedence: int
    hours: tuple[Hours, ...]
    gap: Cap | None
    held_out_share: float
    held_out_stages: frozenset[str]
    fees_left_out: bool
    steps: Mapping[str, Step]

    def closeness(self, jurisdiction: str) -> int:
        return max((len(code) for code in self.jurisdictions if f"{jurisdiction}-".startswith(f"{code}-")), default=0)

    def leaves_out(self, stage: str, borrower_id: str) -> bool:
        """Whether this borrower is of the share that is not sent the stage."""
        if stage not in self.held_out_stages:
            return False
        first = hashlib.sha256(f"{self.name}/{borrower_id}".encode()).hexdigest()[:16]
        return int(first, 16) / 16**16 < self.held_out_share


def plans_in(packs: Mapping[str, Any]) -> tuple[ContactPlan, ...]:
    """The strategies among the files."""
    return tuple(_plan(document) for document in packs.values() if is_plan(document))


def is_plan(document: object) -> bool:
    """A strategy is for several places, as what may be agreed is; a pack or a policy is for one."""
    return isinstance(document, dict) and "jurisdictions" in document and "promises" not in document


def leading(plans: Iterable[ContactPlan], jurisdiction: str, products: Iterable[str]) -> ContactPlan | None:
    """The plan that somebody with loans of these products follows; None where one of the products has none."""
    found: list[ContactPlan] = []
    for product in products:
        serves = [plan for plan in plans if plan.closeness(jurisdiction) and product in (plan.products or {product})]
        if not serves:
            return None
        found.append(max(serves, key=lambda plan: plan.closeness(jurisdiction)))
    return max(found, key=lambda plan: plan.precedence, default=None)


def _plan(document: Mapping[str, Any]) -> ContactPlan:
    name = str(document.get("id", ""))
    days = int(document.get("min_gap_days") or 0)
    holdout = document.get("holdout") or {}
    stages = document.get("stages")
    return ContactPlan(
        name=name,
        jurisdictions=names_in(document.get("jurisdictions")),
        products=names_in(document.get("products")),
        precedence=int(document.get("precedence") or 0),
        hours=tuple(own_hours(document)),
        gap=Cap(
            f"strategy.{name}.min_gap",
            count=1,
            days=days,
            per="debtor",
            source="the lender's own policy",
            channels=_OURS,
            purposes=_DUNNING,
            legal=False,
        )
        if days
        else None,
        held_out_share=float(holdout.get("share") or 0),
        held_out_stages=names_in(holdout.get("stages")),
        fees_left_out=document.get("late_fees") == "left_out",
        steps={
            str(stage["id"]): Step(
                int(stage["offset_days"]), int(stage.get("lasts_days") or 0), names_in(stage.get("channels"))
            )
            for stage in (stages if isinstance(stages, list) else ())
            if "offset_days" in stage
        },
    )
