"""What borrowers answer to "how did it go": a digit mostly, sometimes a word more, often nothing."""

from __future__ import annotations

from local.core.draws import choose, draw, minutes
from local.portfolio.generate import Portfolio
from local.simulator.simulator import Delivered
from local.world import Reply

#: Assumed: so many of those who are asked answer.
ANSWERED = 0.6
#: Assumed: of ten answers so many give 1 to 5.
_MARKS = (1, 2, 3, 4, 4, 4, 5, 5, 5, 5)
_IN_ENGLISH = ("{}", "{}", "{} out of 5", "{}/5", "I would say {}")
_IN_CHINESE = ("{}", "{}分", "打{}分")
_RATES = "rating"


def rated(delivered: Delivered, portfolio: Portfolio) -> list[Reply]:
    """The answer to a question how it went that has reached a telephone: from, text, when, meaning."""
    if "feedback_request~" not in delivered.ref or "@" in delivered.to_address:
        return []
    seed, matter = portfolio.seed, delivered.ref
    if draw(seed, "rates", matter) >= ANSWERED:
        return []
    chinese = delivered.to_address.startswith("+86")
    words = choose(seed, _IN_CHINESE if chinese else _IN_ENGLISH, "rating in words", matter)
    mark = choose(seed, _MARKS, "mark", matter)
    at = delivered.at + minutes(seed, 3, 300, "rates after", matter)
    return [(delivered.to_address, words.format(mark), at, _RATES)]
