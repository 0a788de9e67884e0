"""What a core does to whoever rests on its figures: money that comes back, stops that come and go, days of silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from local.chaos.forecast import Forecast, Span
from local.core.accounts import Account
from local.core.core import Core, PaymentKind
from local.core.feed import CoreEvent
from local.simulator.faults import Draw

__all__ = ["QuietCore", "make_mischief"]

_KINDS: tuple[PaymentKind, ...] = ("returned", "reversed", "pending_returned", "pending", "backdated")
#: What the core may not lift by itself.
_FOR_COMPLIANCE = frozenset({"cease_request", "deceased"})
_HOLDS = ("dispute", "hardship", "bankruptcy", "attorney", "promise", "cease_request", "deceased", "military")


def make_mischief(core: Core, accounts: Sequence[Account], forecast: Forecast, done: Counter[str]) -> None:
    """Put on the core's agenda what no borrower of the portfolio would do; `done` counts it."""
    draw = Draw(forecast.seed)

    def moment(*words: object) -> datetime:
        return forecast.start + timedelta(hours=draw.between(3, forecast.days * 24, *words, "when"))

    for account in accounts:
        for loan in account.loans:
            for turn in range(3):
                words = ("mischief", loan.loan_id, turn)
                if not draw.happens(forecast.mischief, *words):
                    continue
                kind = _KINDS[int(draw.between(0, len(_KINDS), *words, "kind"))]
                amount = "part" if draw.happens(0.5, *words, "in part") else "due"
                later = timedelta(hours=draw.between(2, 150, *words, "later"))
                core.schedule_payment(loan.loan_id, amount, moment(*words), kind, later=later)  # type: ignore[arg-type]
                done[f"payment_{kind}"] += 1
            if draw.happens(forecast.mischief / 4, "waiver", loan.loan_id):
                core.schedule_waiver(loan.loan_id, moment("waiver", loan.loan_id))
                done["waiver"] += 1
        who = account.borrower_id
        if draw.happens(forecast.mischief / 2, "hold", who):
            kind_of_hold = _HOLDS[int(draw.between(0, len(_HOLDS), "hold", who, "kind"))]
            at = moment("hold", who)
            lift_at = at + timedelta(hours=draw.between(1, 120, "hold", who, "for"))
            by = "compliance" if kind_of_hold in _FOR_COMPLIANCE else "core"
            core.schedule_hold(account.borrower_id, kind_of_hold, at, lift_at=lift_at, lifted_by=by)
            done["hold"] += 1


class QuietCore:
    """A core whose feed says nothing for a while, and then all of it at once; from `over_at` on it has nothing to say.

    By then all loans have left, so that nobody is written to and a fresh feed is worth nothing.
    """

    def __init__(
        self, core: Core, quiet: Sequence[Span], happened: Counter[str], over_at: datetime | None = None
    ) -> None:
        self._core = core
        self._over_at = over_at
        self._quiet = quiet
        self._happened = happened

    def next_due(self) -> datetime | None:
        due = self._core.next_due()
        if due is None or (self._over_at is not None and due > self._over_at):
            return None
        ends = [span.end for span in self._quiet if span.holds(due)]
        return max(ends, default=due)

    def due(self, now: datetime) -> list[CoreEvent]:
        if any(span.holds(now) for span in self._quiet) or (self._over_at is not None and now > self._over_at):
            return []
        events = self._core.due(now)
        late = sum(any(span.holds(event.fed_at) for span in self._quiet) for event in events)
        self._happened["feed_quiet"] += late
        return events
