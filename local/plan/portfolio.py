"""Portfolios to plan for, as CSV: a lender's own, or the public credit-card accounts that `dunlin replay` reads.

A lender's file has a row for each unpaid instalment, columns by name in any case and order:

    borrower_id, loan_id    texts; rows of one borrower belong together, wherever they stand
    jurisdiction            US-NY, CN, GB, …: where the borrower lives
    time_zone               optional; the place's own otherwise
    locale                  the language the borrower reads: en-US, zh-CN, …
    product                 optional: card, instalment (the default), education, medical, mortgage
    due_on, amount, currency   the instalment's day (ISO 8601) and what of it is unpaid
    channels                optional: how the borrower can be reached, such as `sms email`; `sms` otherwise

No name, number or address is needed, and none is read. That they are verified and consented to is assumed.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from dunlin.content import Content
from dunlin.content.places import find_place
from dunlin.domain.borrower import Borrower, ContactPoint, Instalment, Loan, Overdue, Party
from dunlin.domain.consent import Consent
from dunlin.domain.money import Money, parse_money
from dunlin.domain.words import Channel, LoanStatus, PartyRole, Product, Purpose
from dunlin.errors import InvalidInput

from local.portfolio.replay import CYCLES, ReplayAccount, ReplayTerms, read_accounts

NEEDED = ("borrower_id", "loan_id", "jurisdiction", "locale", "due_on", "amount", "currency")
OPTIONAL = ("time_zone", "product", "channels")
_HEARS = frozenset(Purpose) - {Purpose.MARKETING}
_CONSENTS = (Consent(Purpose.COLLECTION), Consent(Purpose.SERVICING))
_VERIFIED_BEFORE = timedelta(days=200)


class PortfolioError(ValueError):
    """A file that cannot be planned for. The message names row (the header is row 1) and column, never the value."""

    def __init__(self, row: int, column: str, problem: str) -> None:
        super().__init__(f"row {row}, column {column}: {problem}")
        self.row = row
        self.column = column


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Who is planned for, in the file's order, from `start` (aware UTC) on. The public accounts are still rows: what is
    known of them at `start` is worked out where they are planned (`borrower_of`)."""

    members: tuple[Borrower | ReplayAccount, ...]
    start: datetime
    jurisdiction: str = ""

    def chunks(self, size: int) -> Iterator[Sequence[Borrower | ReplayAccount]]:
        following = iter(self.members)
        while chunk := tuple(islice(following, size)):
            yield chunk


def read_portfolio(path: Path, content: Content, start: date | None, jurisdiction: str) -> Portfolio:
    """The borrowers of a file of either kind. `jurisdiction`: where the public accounts are to live.

    Raises:
        PortfolioError, ReplayDataError: row and column of what is wrong. OSError: it cannot be read.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            header = [name.strip().lower() for name in next(csv.reader(file), [])]
        except (csv.Error, UnicodeDecodeError):
            raise PortfolioError(1, "-", "is no CSV in UTF-8") from None
    if "limit_bal" in header:
        return _public(path, jurisdiction)
    return _lenders(path, content, start)


def _public(path: Path, jurisdiction: str) -> Portfolio:
    """The public accounts on the morning of their last statement: what October brought is not known then."""
    start = ReplayTerms(jurisdiction).months[CYCLES - 1].statement_at
    return Portfolio(tuple(read_accounts(path)), start, jurisdiction)


def borrower_of(member: Borrower | ReplayAccount, terms: ReplayTerms | None, start: datetime) -> Borrower | None:
    """The borrower as the core knows them at `start`; None: it knows nothing yet. `terms` are the public accounts'."""
    if isinstance(member, Borrower):
        return member
    assert terms is not None
    told = [snapshot.loan for snapshot in member.snapshots(terms) if snapshot.at <= start]
    return member.borrower(terms, told[-1]) if told else None


def _lenders(path: Path, content: Content, start: date | None) -> Portfolio:
    start_at = datetime.combine(start or datetime.now(UTC).date(), time(), tzinfo=UTC)
    found: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
    for row, cells in _rows(path):
        found.setdefault(cells["borrower_id"], []).append((row, cells))
    if not found:
        raise PortfolioError(1, "-", "there is no borrower in it")
    return Portfolio(tuple(_borrower(key, rows, content, start_at) for key, rows in found.items()), start_at)


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        try:
            header = [name.strip().lower() for name in next(rows, [])]
            for column in NEEDED:
                if header.count(column) != 1:
                    raise PortfolioError(1, column, "the column is missing or there twice")
            places = {column: header.index(column) for column in (*NEEDED, *OPTIONAL) if column in header}
            for cells in rows:
                if not any(cell.strip() for cell in cells):
                    continue
                row = rows.line_num
                if len(cells) != len(header):
                    raise PortfolioError(row, "-", "has more or fewer cells than the first row")
                found = {column: cells[place].strip() for column, place in places.items()}
                for column in NEEDED:
                    if not found[column]:
                        raise PortfolioError(row, column, "must not be empty")
                yield row, found
        except csv.Error:
            raise PortfolioError(rows.line_num, "-", "is no CSV") from None
        except UnicodeDecodeError:
            raise PortfolioError(rows.line_num + 1, "-", "is no UTF-8 text") from None


def _borrower(
    borrower_id: str, rows: Sequence[tuple[int, Mapping[str, str]]], content: Content, start: datetime
) -> Borrower:
    row, first = rows[0]
    for other, cells in rows:
        for column in ("jurisdiction", "locale", "time_zone", "channels"):
            if cells.get(column, "") != first.get(column, ""):
                raise PortfolioError(other, column, f"differs from row {row} of the same borrower")
    try:
        place = find_place(content.packs, first["jurisdiction"])
    except InvalidInput as mistake:
        raise PortfolioError(row, "jurisdiction", mistake.problem) from None
    # A place that nobody reviewed stays as it is: nobody there is written to, and the plan says so.
    jurisdiction = place.code or first["jurisdiction"].upper()
    zone = first.get("time_zone", "") or next(iter(place.zones), "UTC")
    try:
        today = start.astimezone(ZoneInfo(zone)).date()
    except (ValueError, KeyError, OSError):
        raise PortfolioError(row, "time_zone", "must be a time zone such as America/New_York") from None
    verified_at = start - _VERIFIED_BEFORE
    points = []
    for name in (first.get("channels", "") or "sms").replace(";", " ").split():
        if name not in set(Channel):
            raise PortfolioError(row, "channels", f"must be of {', '.join(Channel)}")
        address = f"{borrower_id}/{name}"
        zones = (zone,) if name == Channel.SMS else ()
        points.append(ContactPoint(Channel(name), address, address, zones, verified_at=verified_at))
    by_loan: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
    for each in rows:
        by_loan.setdefault(each[1]["loan_id"], []).append(each)
    loans = tuple(_loan(loan_id, own, today, start) for loan_id, own in by_loan.items())
    party_id = f"{borrower_id}-primary"
    party = Party(party_id, PartyRole.PRIMARY, "-", first["locale"], tuple(points), _HEARS, _CONSENTS)
    return Borrower(borrower_id, 1, 1, jurisdiction, zone, (party,), loans, profile_sequence=1)


def _loan(loan_id: str, rows: Sequence[tuple[int, Mapping[str, str]]], today: date, start: datetime) -> Loan:
    instalments: list[Instalment] = []
    row, first = rows[0]
    for place, cells in rows:
        for column in ("currency", "product"):
            if cells.get(column, "") != first.get(column, ""):
                raise PortfolioError(place, column, f"differs from row {row} of the same loan")
        try:
            due_on = date.fromisoformat(cells["due_on"])
        except ValueError:
            raise PortfolioError(place, "due_on", "must be a day, such as 2026-11-29") from None
        try:
            amount = parse_money(cells["amount"], cells["currency"].upper())
        except ValueError:
            raise PortfolioError(place, "amount", "must be an amount of its currency, such as 1250.00") from None
        if not amount.is_positive:
            raise PortfolioError(place, "amount", "must be above 0")
        if any(due_on == other.due_on for other in instalments):
            raise PortfolioError(place, "due_on", "this instalment has been there before")
        instalments.append(Instalment(len(instalments) + 1, due_on, amount))
    instalments.sort(key=lambda each: each.due_on)
    name = first.get("product", "") or Product.INSTALMENT
    if name not in set(Product):
        raise PortfolioError(row, "product", f"must be one of {', '.join(Product)}")
    currency = instalments[0].outstanding.currency
    late = [each for each in instalments if each.due_on < today]
    nothing = parse_money("0", currency)
    owed = Money(sum((each.outstanding.amount for each in late), nothing.amount), currency)
    return Loan(
        loan_id=loan_id,
        account_tail="0000",
        currency=currency,
        status=LoanStatus.OPEN,
        as_of=start,
        sequence=1,
        instalments=tuple(instalments),
        overdue=Overdue(owed, nothing, nothing, owed),
        days_past_due=(today - late[0].due_on).days if late else 0,
        product=Product(name),
    )
