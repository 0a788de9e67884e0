"""When instalments are paid: figures from a public sample of 20,000 instalment payments of consumer loans.

68.2 % early, 23.6 % on the day, 6.0 % one to seven days late, 2.1 % eight to thirty, 0.2 % later (the shares are
rounded and add up to 100.1 %); 9.6 % were paid in part.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """A share of the instalments and how many days after the due date they are paid (negative: before)."""

    name: str
    share: float
    from_days: int
    to_days: int


EARLY = Timing("early", 0.682, -12, -1)
ON_THE_DAY = Timing("on the day", 0.236, 0, 0)
LATE_1_TO_7 = Timing("1-7 days late", 0.060, 1, 7)
LATE_8_TO_30 = Timing("8-30 days late", 0.021, 8, 30)
LATE_MORE = Timing("more than 30 days late", 0.002, 31, 60)
TIMINGS = (EARLY, ON_THE_DAY, LATE_1_TO_7, LATE_8_TO_30, LATE_MORE)
PART_PAYMENT_SHARE = 0.096

#: Assumed, not measured: the days within `EARLY` and `LATE_MORE`, and when the rest of a part payment follows.
REST_FOLLOWS_DAYS = (1, 5)


def timing_of(chance: float) -> Timing:
    """The timing for a draw in [0, 1)."""
    point = chance * sum(timing.share for timing in TIMINGS)
    for timing in TIMINGS:
        if point < timing.share:
            return timing
        point -= timing.share
    return TIMINGS[-1]
