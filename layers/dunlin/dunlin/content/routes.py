"""What a route takes: which rules of a pack are about a line, and whether only texts go over it that are on file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from dunlin.content.schema import Capacity, FilingModel, NumberKind, PackModel
from dunlin.domain.policy import Line

#: American numbers that are free to call, by their area code; 8YY is set aside for them.
_TOLL_FREE = re.compile(r"\+?1?8(?:00|22|33|44|55|66|77|88)\d{7}")


def number_kind(origination: str) -> NumberKind:
    """What a line sends from."""
    if any(character.isalpha() for character in origination):
        return "sender_id"
    if _TOLL_FREE.fullmatch(origination):
        return "toll_free"
    return "short_code" if re.fullmatch(r"\d{3,8}", origination) else "long_code"


def is_about(rule: FilingModel, line: Line) -> bool:
    return (
        line.channel in rule.channels
        and (not rule.providers or line.provider in rule.providers)
        and (not rule.numbers or number_kind(line.origination) in rule.numbers)
        and (not rule.links or line.links in rule.links)
    )


def filed_only(family: Sequence[PackModel], lines: Iterable[Line], capacity: Capacity, today: date) -> frozenset[str]:
    """Of these lines, the ones on which each text is on file before it goes: whose provider takes nothing else, or
    where a rule of the place (its pack first, then what that extends) wants it."""
    rules = [rule for pack in family for rule in pack.filings if rule.each_text and rule.binds(capacity, today)]
    return frozenset(line.line_id for line in lines if line.templates or any(is_about(rule, line) for rule in rules))
