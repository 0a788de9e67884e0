"""No stop's purposes are sent while it is in force, whatever comes when: random stops against the whole house.

What is in force is worked out here from the events and the rows of the file, not from the product's own holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml
from dunlin.domain.words import Purpose
from dunlin.errors import InvalidInput
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.builders import CONTENT_DIR, DAY, TODAY, House, loan_document, party_document

ROWS: dict[str, dict[str, Any]] = {
    row["kind"]: row
    for row in yaml.safe_load((CONTENT_DIR / "stops" / "base.yaml").read_text(encoding="utf-8"))["stops"]
    if row.get("follows") != "loan_status"
}
SAYERS = ("core", "borrower", "representative", "staff", "compliance", "carrier", "court")
PHONE, EMAIL = "+12125550123", "jo@marram.example"
ABOUT: tuple[dict[str, str], ...] = (
    {},
    {},
    {"loan_id": "l-1"},
    {"loan_id": "l-2"},
    {"party_id": "p-1"},
    {"phone": PHONE},
    {"email": EMAIL},
)


@dataclass(frozen=True)
class Act:
    """On a day: a stop is placed (`lasts` days, None: it does not say), or lifted."""

    day: int
    hold_id: str
    kind: str
    source: str
    lasts: int | None
    about: dict[str, str]
    lifts: bool


acts = st.lists(
    st.builds(
        Act,
        st.integers(0, 18),
        st.sampled_from(["h-1", "h-2"]),
        st.sampled_from(sorted(ROWS)),
        st.sampled_from(SAYERS),
        st.sampled_from([None, None, 2, 40]),
        st.sampled_from(ABOUT),
        st.booleans(),
    ),
    max_size=6,
)


@dataclass(frozen=True)
class Stopped:
    kind: str
    about: dict[str, str]
    since: datetime
    until: datetime | None


def is_about(stop: Stopped, address: str, loan_ids: tuple[str, ...]) -> bool:
    match stop.about:
        case {"loan_id": loan_id}:
            return loan_id in loan_ids
        case {"phone": named} | {"email": named}:
            return named == address
        case _:
            return True


@settings(max_examples=25, deadline=None)
@given(acts)
def test_nothing_that_is_stopped_is_sent(given_acts: list[Act]) -> None:
    house = House()
    house.know(
        "b-1",
        loan_document("l-1", due_on=TODAY + 3 * DAY),
        loan_document("l-2", due_on=TODAY - 5 * DAY),
        parties=[party_document(email=EMAIL)],
    )
    stops: dict[str, Stopped] = {}
    by_day: dict[int, list[Act]] = {}
    for act in given_acts:
        by_day.setdefault(act.day, []).append(act)
    for day in range(22):
        house.snapshots()
        for act in by_day.get(day, ()):
            carried = {"hold_id": act.hold_id, "by": act.source}
            if not act.lifts:
                carried = {"hold_id": act.hold_id, "kind": act.kind, "source": act.source, **act.about}
                if act.lasts is not None:
                    carried["until"] = (house.now + timedelta(days=act.lasts)).isoformat()
            try:
                house.tell("hold.lifted" if act.lifts else "hold.placed", hold=carried)
            except InvalidInput:
                event("refused")
                assert_refusable(act, stops.get(act.hold_id))
                continue
            event("lifted" if act.lifts else "placed")
            known = stops.pop(act.hold_id, None)
            if act.lifts:
                assert known is None or is_over(known, house.now) or act.source in ROWS[known.kind]["lifted_by"]
                continue
            assert act.source in ROWS[act.kind]["placed_by"]
            days = act.lasts if act.lasts is not None else ROWS[act.kind].get("default_days")
            until = house.now + timedelta(days=days) if days is not None else None
            stops[act.hold_id] = Stopped(act.kind, act.about, house.now, until)
        before = len(house.orders)
        midnight = house.now + DAY
        house.run_until(midnight)
        for order in house.orders[before:]:
            (message,) = [m for m in house.messages() if m.ref == order.ref]
            for stop in stops.values():
                if is_over(stop, order.reserved_at) or not is_about(stop, order.address, message.loan_ids):
                    continue
                assert str(order.purpose) not in ROWS[stop.kind]["stops"], (stop, message.key)
    event("sent" if house.orders else "silent")
    assert all(order.purpose in (Purpose.SERVICING, Purpose.COLLECTION) for order in house.orders)


def is_over(stop: Stopped, at: datetime) -> bool:
    return stop.until is not None and stop.until <= at


def assert_refusable(act: Act, known: Stopped | None) -> None:
    """A refusal has a reason in the table, or in the stop whose id was used again."""
    if act.lifts:
        assert known is not None
        assert act.source not in ROWS[known.kind]["lifted_by"]
        return
    row = ROWS[act.kind]
    narrower = {"loan_id": "loan", "party_id": "party", "phone": "point", "email": "point"}
    reasons = (
        act.source not in row["placed_by"],
        any(narrower[name] not in row.get("narrows", ()) for name in act.about),
        act.lasts is not None and "expiry" not in row["lifted_by"],
        act.lasts is not None and act.lasts > row.get("longest_days", act.lasts),
        known is not None and act.source not in ROWS[known.kind]["lifted_by"],
    )
    assert any(reasons)
