"""The way to a person: the first of their contact points, over the channels a message allows, that may be used now."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from dunlin.domain.borrower import Borrower, ContactPoint, Loan, Party, StageMark
from dunlin.domain.consent import standing
from dunlin.domain.permit import LOOK_AGAIN, Allowed, Later, Never, Permit, line_for, permit
from dunlin.domain.policy import Line, Policy, Stage, Strategy
from dunlin.domain.wishes import in_wished_order
from dunlin.domain.words import HoldKind, Reason

#: Reasons that lie with us or with the moment. A stage is not given up for them, only for its days being over.
OURS = frozenset(
    {
        Reason.ACCESS_DENIED,
        Reason.CAP,
        Reason.CEILING,
        Reason.CONTENT_NOT_LIVE,
        Reason.DEAF,
        Reason.FACTS_CHANGED,
        Reason.HOLD,
        Reason.LINE_FULL,
        Reason.LINE_STOPPED,
        Reason.NOT_CONNECTED,
        Reason.NOT_RELEASED,
        Reason.PAUSED,
        Reason.PAYMENT_PENDING,
        Reason.QUIET_HOURS,
        Reason.SPEND_LIMIT,
        Reason.STALE_BALANCE,
        Reason.THROTTLED,
        Reason.WINDOW_CLOSED,
    }
)
OURS_REST = LOOK_AGAIN * 6


def resting(mark: StageMark | None, now: datetime) -> Later | None:
    """The rest after an attempt that its line had no room for: in a moment the line is as full as it was."""
    if mark is None or mark.status != "unsent" or mark.reason is not Reason.LINE_FULL or now >= mark.at + OURS_REST:
        return None
    return Later(mark.at + OURS_REST, Reason.LINE_FULL, "line_full.rest")


@dataclass(frozen=True, slots=True)
class Way:
    """This contact point may be used now, over this line; what is sent is felt no later than `until`."""

    point: ContactPoint
    line: Line
    until: datetime


def way_to(
    borrower: Borrower,
    party: Party,
    loans: tuple[Loan, ...],
    stage: Stage,
    strategy: Strategy,
    policy: Policy,
    now: datetime,
    *,
    template: str,
    lost: Container[str] = (),
    despite: frozenset[HoldKind] = frozenset(),
    consent: str = "",
    urgent: bool = False,
) -> Way | Later | Never | None:
    """How `party` may be told now; else what is waited for (the earliest), else why never. None: nowhere to try.

    `consent`: one that the message needs beyond its purpose's.
    """
    later: Later | None = None
    never: Never | None = None
    for channel in in_wished_order(stage.channels, party.preferences):
        if channel in lost:
            continue
        for point in party.points:
            if point.channel is not channel:
                continue
            answer: Permit = permit(
                borrower,
                party,
                point,
                loans,
                stage.purpose,
                strategy,
                policy,
                now,
                template=template,
                despite=despite,
                urgent=urgent,
            )
            if isinstance(answer, Allowed) and consent and standing(party.consents, consent, channel) is None:
                answer = Never(Reason.NO_CONSENT, f"message.consent.{consent}")
            if isinstance(answer, Allowed):
                if (template, policy.language_for(party.locale, party.preferences.language)) not in policy.locales:
                    answer = Never(Reason.NO_TEMPLATE, template)
                else:
                    line = line_for(policy, channel, stage.purpose)
                    if line is not None:
                        return Way(point, line, answer.until)
            match answer:
                case Allowed():
                    continue
                case Later():
                    later = answer if later is None or answer.at < later.at else later
                case Never():
                    # An opt-out explains more than a missing address does.
                    never = answer if never is None or answer.reason is Reason.OPTED_OUT else never
                case _:
                    assert_never(answer)
    return later if later is not None else never
