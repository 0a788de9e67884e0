"""Who lives in the small world, and how it begins."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from local.smallworld.engine import DAY, World

HEARS_ALL = ["servicing", "collection", "mandatory", "reply", "service"]
NEW_YORK_PHONE = "+12125550123"
SHARED_PHONE = "+12125550144"
SEATTLE_PHONE = "+12065550117"
SHANGHAI_PHONE = "+8613800138000"
GUARANTOR_PHONE = "+13125550188"
#: Numbers that a changed profile can bring.
NEW_PHONES = ("+16175550161", "+13125550162", "+12065550163", SHARED_PHONE)


def party(party_id: str, name: str, phone: str | None, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "party_id": party_id,
        "role": "primary",
        "name": name,
        "locale": "en-US",
        "may_hear": HEARS_ALL,
    }
    if phone is not None:
        document["phone"] = phone
    return document | changes


#: Borrower → where they live and who belongs to their loans. `b-two` may be in two zones; `b-ann` and `b-bob` share a
#: phone; `b-rep` is spoken for by somebody else.
PROFILES: dict[str, dict[str, Any]] = {
    "b-ny": {
        "jurisdiction": "US-NY",
        "time_zone": "America/New_York",
        "parties": [
            party("p-1", "Jo Doe", NEW_YORK_PHONE, email="jo@marram.example"),
            party("p-2", "Guy Rantor", GUARANTOR_PHONE, role="guarantor"),
        ],
    },
    "b-sh": {
        "jurisdiction": "CN",
        "time_zone": "Asia/Shanghai",
        "parties": [party("p-1", "王小明", SHANGHAI_PHONE, locale="zh-CN", email="wang@binhe.example")],
    },
    "b-two": {
        "jurisdiction": "US-NY",
        "time_zone": "America/New_York",
        "parties": [party("p-1", "Sam Two", SEATTLE_PHONE)],
    },
    "b-ann": {
        "jurisdiction": "US-MA",
        "time_zone": "America/New_York",
        "parties": [party("p-1", "Ann Shared", SHARED_PHONE, email="ann@marram.example")],
    },
    "b-bob": {
        "jurisdiction": "US-NY",
        "time_zone": "America/New_York",
        "parties": [
            party("p-1", "Bob Shared", SHARED_PHONE),
            party("p-2", "Cora Borrower", "+13125550199", role="co_borrower", may_hear=["servicing"]),
        ],
    },
}


def settle(world: World, *, borrowers: tuple[str, ...] = tuple(PROFILES)) -> None:
    """Everybody is known to us."""
    for borrower_id in borrowers:
        world.tell_now(world.core.profile(borrower_id, world.now, **PROFILES[borrower_id]))


def lend(
    world: World,
    borrower_id: str,
    due_in_days: int,
    *,
    instalments: int = 2,
    amount: str = "120.50",
    counts: bool = True,
) -> None:
    """A loan whose first instalment is due in so many days (negative: it is overdue)."""
    zone = ZoneInfo(str(world.core.profiles[borrower_id]["time_zone"]))
    due_on = (world.now.astimezone(zone) + timedelta(days=due_in_days)).date()
    world.tell(
        world.core.lend(borrower_id, world.now, due_on, instalments=instalments, amount=amount, counts_days=counts)
    )


#: What the small core asks to be said: thanks, a word about a promise, and one that a letter goes with.
NOTICES = ("payment_received", "promise_broken", "application_declined")


def ask(world: World, borrower_id: str, message: str, **how: Any) -> None:
    """The core asks for a notice; what asks for money is about the borrower's first loan that is still owed."""
    zone = ZoneInfo(str(world.core.profiles[borrower_id]["time_zone"]))
    today = world.now.astimezone(zone).date()
    loans = [loan for loan in world.loans() if loan.borrower_id == borrower_id]
    owed = [loan for loan in loans if loan.is_owed]
    loan = next(iter(owed or loans), None)
    match message:
        case "application_declined":
            told = world.core.ask(borrower_id, world.now, message, reference="A-17", reason="reason.income")
        case _ if loan is None:
            return
        case "promise_broken":
            facts = {"amount": f"77.70 {loan.currency}", "agreed_on": str(today - DAY)}
            told = world.core.ask(borrower_id, world.now, message, loan, **facts)
        case _:
            facts = {"amount": f"88.80 {loan.currency}", "event_on": str(today)}
            told = world.core.ask(borrower_id, world.now, message, loan, **facts)
    world.tell(told, **how)


def daily(world: World, days: int) -> None:
    """`days` days, each with the core's daily file at four in the morning in New York."""
    end = world.now + days * DAY
    while world.now < end:
        file_at = _next_file(world.now)
        world.advance(min(file_at, end) - world.now)
        if world.now == file_at:
            world.snapshots()


def _next_file(now: datetime) -> datetime:
    at = now.replace(hour=9, minute=0, second=0, microsecond=0)
    return at if at > now else at + DAY


def pay_everything(world: World) -> None:
    """Everybody pays what is left, and the core says so."""
    for loan in world.loans(owed=True):
        world.tell(world.core.pay(loan, world.now, instalments=len(loan.due)))


def come_to_an_end(world: World, *, unpaid_days: int) -> None:
    """After the storm: nobody pays for a while, then everybody does, then time passes. Raises what was broken."""
    world.calm()
    daily(world, max(unpaid_days, 8))
    world.checker.at_rest(world.executions)
    pay_everything(world)
    daily(world, 7)
    world.checker.at_end(world.executions)
