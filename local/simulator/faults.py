"""What goes wrong, how often, and a way to draw it that knows no order of calls."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

__all__ = ["SPELL_DAYS", "Draw", "Faults"]

#: A provider falls silent at most once in this many days.
SPELL_DAYS = 8


@dataclass(frozen=True, slots=True)
class Faults:
    """A profile of faults. Probabilities are 0 to 1 and per hand-over, if nothing else is said; times are virtual."""

    # how long a text takes: log-normal, and a tail of slow ones
    latency_median_seconds: float = 4.0
    latency_sigma: float = 0.4
    slow: float = 0.0
    slow_seconds: float = 1200.0
    # answers
    throttled: float = 0.0
    error_before: float = 0.0  # 500, nothing accepted
    error_after: float = 0.0  # 500, and accepted all the same
    time_out: float = 0.0  # accepted, the answer held back longer than the client waits
    reset: float = 0.0  # accepted, the connection closed without an answer
    # fates
    dead_number: float = 0.0  # per number: nobody has it
    unreachable: float = 0.0
    carrier_blocked: float = 0.0
    # reports
    progress: float = 0.1  # a report on the way as well
    duplicate_report: float = 0.0
    late_report: float = 0.0
    late_hours: float = 30.0
    out_of_order: float = 0.0  # the report on the way comes after the final one
    early_report: float = 0.0  # the final report is there before the answer to the request
    lost_report: float = 0.0
    carrier_silent: float = 0.0  # TEXT_UNKNOWN after 72 hours
    silence: float = 0.0  # per provider and `SPELL_DAYS`: no report for two to four days, then all at once
    complaint: float = 0.0  # per e-mail that arrived: called spam some hours later
    # people's texts
    duplicate_inbound: float = 0.0
    late_inbound: float = 0.0
    stop_in_the_air: float = 0.0  # per text: its recipient asks for no more before it has arrived
    # people's numbers
    recycled: float = 0.0  # per number: after some texts it belongs to somebody else
    unfollows: float = 0.0  # per message by WeChat: whoever reads it stops following the account
    carrier_opt_out: float = 0.0  # per number: after some texts its owner opts out at the provider, not with us
    # the account
    spend_limit: float = 0.0  # per provider and day: reached at some hour
    spend_limit_hours: float = 3.0
    broken: float = 0.0  # per provider and day: for some hours every request is answered with a 5xx
    broken_hours: float = 4.0

    @staticmethod
    def none() -> Faults:
        """A good day: everything arrives within seconds."""
        return Faults()

    @staticmethod
    def light() -> Faults:
        """An ordinary day of a large sender."""
        return Faults(
            latency_sigma=0.8,
            slow=0.01,
            throttled=0.02,
            error_before=0.002,
            error_after=0.002,
            time_out=0.002,
            reset=0.002,
            dead_number=0.01,
            unreachable=0.01,
            carrier_blocked=0.003,
            progress=0.25,
            duplicate_report=0.02,
            late_report=0.02,
            out_of_order=0.02,
            lost_report=0.005,
            carrier_silent=0.005,
            duplicate_inbound=0.05,
            late_inbound=0.02,
            spend_limit=0.01,
        )

    @staticmethod
    def heavy() -> Faults:
        """A day to be afraid of: every fault many times."""
        return Faults(
            latency_sigma=1.2,
            slow=0.08,
            slow_seconds=5400.0,
            throttled=0.15,
            error_before=0.03,
            error_after=0.03,
            time_out=0.03,
            reset=0.03,
            dead_number=0.04,
            unreachable=0.05,
            carrier_blocked=0.03,
            progress=0.5,
            duplicate_report=0.2,
            late_report=0.15,
            out_of_order=0.15,
            lost_report=0.05,
            carrier_silent=0.03,
            early_report=0.05,
            silence=0.3,
            complaint=0.05,
            duplicate_inbound=0.3,
            late_inbound=0.15,
            stop_in_the_air=0.01,
            recycled=0.1,
            unfollows=0.1,
            carrier_opt_out=0.1,
            spend_limit=0.1,
            broken=0.1,
        )

    def but(self, **changes: float) -> Faults:
        """The same profile with some of it different."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Draw:
    """Randomness by name: the same seed and the same words give the same number, whatever was drawn before."""

    seed: int

    def uniform(self, *words: object) -> float:
        """A number in [0, 1)."""
        return int.from_bytes(self._digest(words)[:7], "big") / 2**56

    def happens(self, probability: float, *words: object) -> bool:
        return self.uniform(*words) < probability

    def between(self, low: float, high: float, *words: object) -> float:
        return low + (high - low) * self.uniform(*words)

    def normal(self, *words: object) -> float:
        """Standard normal (Box and Muller)."""
        first = 1.0 - self.uniform(*words, "radius")
        return math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * self.uniform(*words, "angle"))

    def identifier(self, *words: object) -> str:
        """32 hexadecimal digits."""
        return self._digest(words)[:16].hex()

    def _digest(self, words: tuple[object, ...]) -> bytes:
        text = "\x1f".join((str(self.seed), *(str(word) for word in words)))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
