"""What comes in: exact money, and core events that are either facts or refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from dunlin.domain.facts import CoreEvent
from dunlin.domain.money import MINOR_UNITS, parse_money
from dunlin.entry.core_events import parse_core_event
from dunlin.errors import InvalidInput
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import loan_document, party_document

PLANTED = "Wilhelmina+12125550123"
currencies = st.sampled_from(sorted(MINOR_UNITS))


@given(st.integers(-(10**13), 10**13), currencies)
def test_money_is_exact(minor: int, currency: str) -> None:
    digits = MINOR_UNITS[currency]
    amount = Decimal(minor).scaleb(-digits)
    if abs(amount) >= 10**12:
        with pytest.raises(ValueError, match="below"):
            parse_money(str(amount), currency)
        return
    money = parse_money(str(amount), currency)
    assert money.amount == amount
    assert parse_money(money.amount, currency) == money
    assert str(money).endswith(f" {currency}")


@given(st.text(max_size=30) | st.floats() | st.booleans() | st.none() | st.lists(st.integers()), currencies)
def test_whatever_is_not_money_is_refused_without_its_value(text: object, currency: str) -> None:
    try:
        money = parse_money(text, currency)
    except ValueError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "must" in refused
        assert not isinstance(text, str) or len(text) < 6 or text not in refused
    else:
        assert isinstance(text, str)
        assert money.amount.is_finite()
        assert -money.amount.as_tuple().exponent == MINOR_UNITS[currency]  # type: ignore[operator]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.just(PLANTED),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just(PLANTED), inner, max_size=4)
    ),
    max_leaves=12,
)


def parsed(document: object) -> CoreEvent | None:
    """The event, or None where it was refused as it should be."""
    try:
        return parse_core_event(document)
    except InvalidInput as error:
        refused = error
    assert refused.field
    assert refused.problem
    assert PLANTED not in str(refused)
    assert refused.__cause__ is None
    assert refused.__suppress_context__
    return None


@settings(max_examples=200)
@given(json_values)
def test_anything_is_a_fact_or_refused(document: object) -> None:
    assert parsed(document) is None


def documents() -> list[dict[str, Any]]:
    common = {"event_id": "e-1", "occurred_at": "2026-06-01T15:00:00+00:00"}
    profile = {
        "sequence": 1,
        "jurisdiction": "US-NY",
        "time_zone": "America/New_York",
        "parties": [party_document(email="jo@marram.example", consents=["marketing"])],
    }
    loan = loan_document(
        overdue={"principal": "1.00", "interest": "0.50", "fees": "0.25", "total": "1.75"},
        days_past_due=3,
        pending=[{"payment_id": "p", "amount": "1.00", "received_at": "2026-06-01T15:00:00Z"}],
    )
    own = common | {"borrower_id": "b-1"}
    preference = {"scope": "purpose", "opted_out": True, "phone": "+12125550123", "purpose": "collection"}
    contact = {"at": "2026-06-01T15:00:00Z", "channel": "call", "purpose": "collection"}
    return [
        own | {"type": "borrower.updated", "borrower": profile},
        own | {"type": "loan.snapshot", "loan": loan},
        own | {"type": "payment.applied", "loan": loan, "payment": {"payment_id": "p", "amount": "1.00"}},
        own | {"type": "hold.placed", "hold": {"hold_id": "h", "kind": "dispute", "source": "staff", "loan_id": "l-1"}},
        own | {"type": "hold.lifted", "hold": {"hold_id": "h", "by": "staff"}},
        own | {"type": "preferences.changed", "preference": preference},
        own | {"type": "portfolio.imported", "loan": loan, "contacts": [contact]},
        common | {"type": "feed.checkpoint", "complete_to": "2026-06-01T15:00:00Z"},
    ]


def paths(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [at] if at else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += paths(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths(inner, (*at, index))
    return found


def with_value(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    head, *rest = path
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[head] = with_value(copy[head], tuple(rest), value) if rest else value  # type: ignore[index]
    return copy


@pytest.mark.parametrize("document", documents(), ids=lambda document: document["type"])
def test_the_documents_themselves_are_facts(document: dict[str, Any]) -> None:
    assert parsed(document) is not None


@settings(max_examples=300)
@given(st.sampled_from(documents()).flatmap(lambda d: st.tuples(st.just(d), st.sampled_from(paths(d)))), json_values)
def test_one_wrong_value_anywhere(found: tuple[dict[str, Any], tuple[str | int, ...]], value: object) -> None:
    document, path = found
    parsed(with_value(document, path, value))


@settings(max_examples=60)
@given(st.sampled_from(documents()).flatmap(lambda d: st.tuples(st.just(d), st.sampled_from(paths(d)))))
def test_a_planted_value_anywhere_is_never_repeated(found: tuple[dict[str, Any], tuple[str | int, ...]]) -> None:
    document, path = found
    parsed(with_value(document, path, PLANTED))
    parent = document
    for part in path[:-1]:
        parent = parent[part]  # type: ignore[index]
    if isinstance(parent, dict):
        extra = {**parent, PLANTED: PLANTED}
        assert parsed(with_value(document, path[:-1], extra) if path[:-1] else extra) is None
