"""`dunlin plans`: what somebody with this debt would be offered, as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import groupby
from pathlib import Path
from typing import Any

from dunlin.content import Content, load_content
from dunlin.content.places import find_place
from dunlin.domain.money import Money, parse_money
from dunlin.domain.plans import Debt, NoOffers, Offer, PlanPolicy, offers
from dunlin.domain.schedules import Payment
from dunlin.domain.words import Product
from dunlin.errors import ContentError, InvalidInput
from rich.console import Console
from rich.table import Table

from local.commands.asking import CONTENT

#: No policy offers plans there for these products together.
NO_POLICY = "no_policy"
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Asked:
    """The command's options as they were typed; `on` None: today."""

    debt: str
    days_overdue: int
    jurisdiction: str
    products: Sequence[str]
    on: str | None
    affordable: str | None
    not_before: str | None
    annual_percent: str | None
    plans_last_year: int


def run(directory: Path | None, asked: Asked, *, as_json: bool) -> int:
    """Print the offers, or the reason why there are none. The exit code: 2 for what cannot be asked."""
    try:
        content = load_content(directory or CONTENT)
        today = _day("on", asked.on) if asked.on is not None else date.today()  # noqa: DTZ011  (whoever asks)
        debt = _debt(asked)
        policy = _policy(content, asked, debt, today)
        found: tuple[Offer, ...] | NoOffers | None = None
        if policy is not None:
            found = offers(
                debt,
                policy,
                today,
                affordable=_money("affordable", asked.affordable) if asked.affordable is not None else None,
                not_before=_day("not-before", asked.not_before) if asked.not_before is not None else None,
            )
    except (InvalidInput, ContentError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if as_json:
        sys.stdout.write(json.dumps(_document(debt, policy, today, found), indent=2) + "\n")
    else:
        _show(debt, policy, today, found)
    return 0


def _policy(content: Content, asked: Asked, debt: Debt, today: date) -> PlanPolicy | None:
    place = find_place(content.packs, asked.jurisdiction)
    return content.plan_policy(place.code, debt.products, today) if place.code else None


def _debt(asked: Asked) -> Debt:
    for name in asked.products:
        if name not in set(Product):
            raise InvalidInput("product", f"must be one of {', '.join(Product)}")
    return Debt(
        amount=_money("debt", asked.debt),
        days_overdue=asked.days_overdue,
        products=frozenset(Product(name) for name in asked.products or (Product.INSTALMENT,)),
        plans_last_year=asked.plans_last_year,
        annual_percent=_percent(asked.annual_percent) if asked.annual_percent is not None else None,
    )


def _money(field: str, text: str) -> Money:
    amount, _, currency = text.strip().partition(" ")
    try:
        money = parse_money(amount, currency.strip().upper())
    except ValueError as mistake:
        raise InvalidInput(field, f'must be an amount and its currency, such as "1250.00 USD": {mistake}') from None
    if not money.is_positive:
        raise InvalidInput(field, "must be above 0")
    return money


def _percent(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidInput("rate", "must be a percentage a year, such as 18.5") from None


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(field, "must be a day, such as 2026-11-29") from None


# ── As JSON ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _document(
    debt: Debt, policy: PlanPolicy | None, today: date, found: tuple[Offer, ...] | NoOffers | None
) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "on": today.isoformat(),
        "debt": str(debt.amount),
        "products": sorted(debt.products),
        "policy": policy.policy_id if policy is not None else None,
        "offers": [],
    }
    match found:
        case None:
            answer["why"] = NO_POLICY
        case NoOffers():
            answer["why"], answer["rule"] = found.why, found.rule
        case _:
            answer["offers"] = [_offer(offer) for offer in found]
    return answer


def _offer(offer: Offer) -> dict[str, Any]:
    rate = offer.annual_percentage_rate
    return {
        "number": offer.number,
        "offer_id": offer.offer_id,
        "kind": offer.kind,
        "total_to_pay": str(offer.total),
        "extra_cost": str(offer.extra_cost),
        "annual_percentage_rate": str(rate) if rate is not None else None,
        "stands_until": offer.stands_until.isoformat(),
        "approval": offer.approval,
        "instalments": [
            {
                "due_on": payment.due_on.isoformat(),
                "amount": str(payment.amount),
                "principal": str(payment.principal),
                "interest": str(payment.interest),
                "fee": str(payment.fee),
            }
            for payment in offer.instalments
        ],
    }


# ── As a table ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _show(debt: Debt, policy: PlanPolicy | None, today: date, found: tuple[Offer, ...] | NoOffers | None) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH)
    if policy is None or found is None:
        console.print("No offers: no one policy offers plans there for these products. A person helps.")
        return
    if isinstance(found, NoOffers):
        console.print(f"No offers: {found.why} ({found.rule}). A person helps.", soft_wrap=True)
        return
    table = Table(title=f"{debt.amount} on {today}, policy {policy.policy_id}", title_justify="left")
    for name in ("", "kind", "payments"):
        table.add_column(name)
    for name in ("total to pay", "extra cost", "a year"):
        table.add_column(name, justify="right")
    for name in ("stands until", "approval", "offer"):
        table.add_column(name)
    for offer in found:
        rate = offer.annual_percentage_rate
        table.add_row(
            str(offer.number),
            offer.kind.replace("_", " "),
            "\n".join(_payments(offer.instalments)),
            str(offer.total),
            str(offer.extra_cost),
            f"{rate} %" if rate is not None else "–",
            offer.stands_until.isoformat(),
            offer.approval,
            offer.offer_id,
        )
    console.print(table)


def _payments(payments: Sequence[Payment]) -> Iterator[str]:
    """Neighbours of one amount together: `11 × 104.17 from 2026-12-13`."""
    for amount, same in groupby(payments, lambda payment: payment.amount):
        days = [payment.due_on for payment in same]
        yield f"{amount.amount} on {days[0]}" if len(days) == 1 else f"{len(days)} × {amount.amount} from {days[0]}"
