"""How often: rolling and calendar, per debtor and per loan, counted until the last moment it can be felt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dunlin.domain.borrower import Contact
from dunlin.domain.caps import Asked, binding_cap
from dunlin.domain.policy import CapRule
from dunlin.domain.words import Purpose

from tests.builders import NEW_YORK, NOW, a_cap, a_contact

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEKLY = a_cap(rule_id="weekly", count=2, days=7, basis="rolling")
CALLS = a_cap(rule_id="calls", channels=frozenset({"call", "agent"}), count=1)
PER_LOAN = a_cap(rule_id="loan", count=1, days=7, basis="rolling", per="loan")


def bound(rules: tuple[CapRule, ...], contacts: list[Contact], **changes: Any) -> tuple[str, datetime] | None:
    about_loans = changes.pop("about_loans", None)
    asked = replace(Asked("sms", Purpose.SERVICING, ("l-1",), (NEW_YORK,), NOW), **changes)
    found = binding_cap(rules, asked, contacts, about_loans)
    return (found[1].rule_id, found[0]) if found is not None else None


def ago(span: timedelta, **changes: Any) -> Contact:
    return a_contact(NOW - span, **changes)


MIDNIGHT = datetime(2026, 6, 2, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "contacts", "expected"),
    [
        ((a_cap(),), [], None),
        ((a_cap(),), [ago(HOUR)], ("cap", MIDNIGHT)),
        ((a_cap(),), [ago(12 * HOUR)], None),  # yesterday, at eleven in the evening
        ((a_cap(count=2),), [ago(HOUR)], None),
        ((a_cap(count=2),), [ago(HOUR), ago(2 * HOUR)], ("cap", MIDNIGHT)),
        ((WEEKLY,), [ago(DAY)], None),
        ((WEEKLY,), [ago(DAY), ago(3 * DAY)], ("weekly", NOW + 4 * DAY)),
        ((WEEKLY,), [ago(DAY), ago(7 * DAY)], None),  # seven days to the second
        ((WEEKLY,), [ago(DAY), ago(7 * DAY - HOUR)], ("weekly", NOW + HOUR)),
        ((WEEKLY,), [ago(DAY), ago(2 * DAY), ago(3 * DAY)], ("weekly", NOW + 5 * DAY)),
        ((a_cap(), WEEKLY), [ago(HOUR), ago(DAY)], ("weekly", NOW + 6 * DAY)),  # the one that stays full the longest
        ((CALLS,), [ago(HOUR, channel="call")], None),  # a text is no call
        ((a_cap(),), [ago(HOUR, channel="letter")], ("cap", MIDNIGHT)),
        ((a_cap(purposes=frozenset({Purpose.COLLECTION})),), [ago(HOUR)], None),
        ((PER_LOAN,), [ago(DAY)], ("loan", NOW + 6 * DAY)),
        ((PER_LOAN,), [ago(DAY, loan_ids=("l-2",))], None),
    ],
)
def test_what_binds(rules: tuple[CapRule, ...], contacts: list[Contact], expected: object) -> None:
    assert bound(rules, contacts) == expected


def test_a_call_counts_for_a_call() -> None:
    assert bound((CALLS,), [ago(HOUR, channel="agent")], channel="call") == ("calls", MIDNIGHT)
    assert bound((CALLS,), [ago(HOUR, channel="sms")], channel="call") is None


def test_a_replies_purpose_is_bound_by_none() -> None:
    assert bound((a_cap(),), [ago(HOUR)], purpose=Purpose.REPLY) is None


def test_no_loan_no_cap_for_each() -> None:
    assert bound((PER_LOAN,), [ago(HOUR)], loan_ids=()) is None


def test_it_counts_until_it_can_no_longer_be_felt() -> None:
    contact = ago(8 * DAY, felt_until=NOW - DAY)
    assert bound((a_cap(count=1, days=7, basis="rolling"),), [contact]) == ("cap", NOW + 6 * DAY)
    overnight = ago(13 * HOUR, felt_until=NOW - 10 * HOUR)  # from ten in the evening to one in the morning
    assert bound((a_cap(),), [overnight]) == ("cap", MIDNIGHT)


def test_a_day_in_every_zone() -> None:
    """Ten in the evening in Honolulu is four in the morning in New York: there it was today."""
    late = ago(7 * HOUR)
    assert bound((a_cap(),), [late], zones=("Pacific/Honolulu",)) is None
    found = bound((a_cap(),), [late], zones=("Pacific/Honolulu", NEW_YORK))
    assert found == ("cap", MIDNIGHT)
