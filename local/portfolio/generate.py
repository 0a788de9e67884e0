"""A portfolio of invented borrowers: first one of each cohort, then as many drawn ones as are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from local.core.accounts import Account, LoanTerms, PartyTerms, PastContact, ScheduledInstalment
from local.core.draws import choose, draw, whole
from local.core.ledger import monthly, split
from local.portfolio.cohorts import FEATURES, PRODUCTS, SCRIPTED, Cohort, Features
from local.portfolio.people import (
    CN,
    CURRENCIES,
    GB,
    JURISDICTIONS,
    LOCALES,
    TIME_ZONES,
    WHATSAPP_PREFIX,
    PhoneBook,
    device_of,
    email_of,
    name_of,
    openid_of,
)

#: Ninety days from here cross the start of daylight-saving time in the United States (2026-03-08).
DEFAULT_START = date(2026, 2, 2)
#: Below this nobody can come to the end of an escalation; the portfolio is generated all the same.
FULL_ESCALATION_DAYS = 75
ALL_PURPOSES = ("servicing", "collection", "mandatory", "reply", "service", "marketing")
CONSENTS = ("servicing", "collection")
#: The share of people who agreed to hear of offers.
WANTS_OFFERS = 0.5
PRINCIPALS = {"CNY": (600, 4200), "USD": (90, 640), "GBP": (70, 520)}
MONTHLY_RATE = Decimal("0.012")
LATE_FEE = {"CNY": Decimal("0.00"), "USD": Decimal("15.00"), "GBP": Decimal("12.00")}
LATE_INTEREST_DAILY = {"CNY": Decimal("0.0005"), "USD": Decimal(0), "GBP": Decimal(0)}
DRAWN_WITH_EMAIL = 0.8
DRAWN_WITH_APP = 0.3
DRAWN_FOLLOWING = 0.4
DRAWN_ON_WHATSAPP = 0.4
#: So many numbers of the range are left for them.
MOST_ON_WHATSAPP = 800
DRAWN_WITH_TWO_LOANS = 0.1
DRAWN_VERIFIED = 0.9
#: So long before the first day numbers and addresses were verified: when the account was opened.
VERIFIED_BEFORE = timedelta(days=200)


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Accounts for the core, the cohort of each borrower, and numbers that a carrier will not deliver to.

    `numbers`: phone → invalid or landline, for the provider simulator; every other number is reachable.
    """

    accounts: tuple[Account, ...]
    cohorts: Mapping[str, Cohort]
    numbers: Mapping[str, str]
    seed: int
    start: datetime
    days: int

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=self.days)

    def members(self, cohort: Cohort) -> list[str]:
        """The borrowers of a cohort."""
        return [borrower_id for borrower_id, its_cohort in self.cohorts.items() if its_cohort is cohort]


def generate(
    borrowers: int,
    days: int = 90,
    seed: int = 1,
    start: date = DEFAULT_START,
    cohorts: Sequence[Cohort] = SCRIPTED,
) -> Portfolio:
    """The portfolio of `borrowers` people for `days` days from midnight UTC of `start`.

    The first are of `cohorts`, one each and in that order; the others are drawn.

    Raises:
        ValueError: fewer than one borrower or day; somebody shares the number of a cohort that does not come before.
    """
    if borrowers < 1 or days < 1:
        raise ValueError("a portfolio needs at least one borrower and one day")
    for n, cohort in enumerate(cohorts[:borrowers]):
        features = FEATURES.get(cohort)
        if features is not None and not {features.shares_number_with, features.same_person_as} <= {None, *cohorts[:n]}:
            raise ValueError(f"{cohort} comes before the cohort whose number it shares")
    return _Generator(seed, start, days).portfolio(borrowers, cohorts)


class _Generator:
    def __init__(self, seed: int, start: date, days: int) -> None:
        self._seed = seed
        self._start = start
        self._days = days
        self._verified_at = datetime.combine(start, time(), tzinfo=UTC) - VERIFIED_BEFORE
        self._phones = PhoneBook()
        self._phone_of_cohort: dict[Cohort, str | None] = {}
        self._second_party: dict[Cohort, PartyTerms] = {}
        self._numbers: dict[str, str] = {}

    def portfolio(self, borrowers: int, scripted: Sequence[Cohort]) -> Portfolio:
        accounts = []
        cohorts = {}
        for n in range(1, borrowers + 1):
            borrower_id = f"b-{n:04d}"
            cohort = scripted[n - 1] if n <= len(scripted) else Cohort.DRAWN
            cohorts[borrower_id] = cohort
            features = FEATURES[cohort] if cohort is not Cohort.DRAWN else self._drawn(borrower_id)
            accounts.append(self._account(n, borrower_id, cohort, features))
        start = datetime.combine(self._start, time(), tzinfo=UTC)
        return Portfolio(tuple(accounts), cohorts, self._numbers, self._seed, start, self._days)

    def _drawn(self, borrower_id: str) -> Features:
        seed = self._seed
        dues = [whole(seed, 2, 31, "due", borrower_id)]
        if draw(seed, "two loans", borrower_id) < DRAWN_WITH_TWO_LOANS:
            dues.append(whole(seed, 2, 31, "due 2", borrower_id))
        return Features(
            choose(seed, JURISDICTIONS, "jurisdiction", borrower_id),
            tuple(dues),
            email=draw(seed, "email", borrower_id) < DRAWN_WITH_EMAIL,
            phone_verified=draw(seed, "verified", borrower_id) < DRAWN_VERIFIED,
            products=tuple(choose(seed, PRODUCTS, "product", borrower_id, index) for index in range(len(dues))),
            has_app=draw(seed, "app", borrower_id) < DRAWN_WITH_APP,
            follows=draw(seed, "follows", borrower_id) < DRAWN_FOLLOWING,
            on_whatsapp=draw(seed, "whatsapp", borrower_id) < DRAWN_ON_WHATSAPP,
        )

    def _account(self, n: int, borrower_id: str, cohort: Cohort, features: Features) -> Account:
        phone = self._phone(cohort, features)
        residence = features.jurisdiction
        if phone is None and cohort is Cohort.DRAWN:
            residence = CN  # the invented numbers of that state are used up
            phone = self._phones.next(CN)
        if phone is not None and features.number != "ok":
            self._numbers[phone] = features.number
        parties = [self._party(borrower_id, "primary", residence, n, phone, email=features.email)]
        if features.has_app and residence != CN:  # SNS has no pushes there
            device = device_of(parties[0].party_id)
            parties = [replace(parties[0], push_endpoint=device, push_verified_at=self._verified_at)]
        if features.follows and residence == CN:
            openid = openid_of(parties[0].party_id)
            parties = [replace(parties[0], wechat_openid=openid, wechat_verified_at=self._verified_at)]
        if features.on_whatsapp and residence == GB and n <= MOST_ON_WHATSAPP:
            number = f"{WHATSAPP_PREFIX}{n + 199:03d}"
            parties = [replace(parties[0], whatsapp=number, whatsapp_verified_at=self._verified_at)]
        if not features.phone_verified:
            parties = [replace(parties[0], phone_verified_at=None)]
        if features.same_person_as is not None:
            person = self._second_party[features.same_person_as]
            parties = [replace(parties[0], name=person.name, phone=person.phone, email=person.email)]
        loans = tuple(
            self._loan(n, index, residence, due_in, features) for index, due_in in enumerate(features.due_in_days)
        )
        if features.other_party is not None:
            other = self._party(
                borrower_id, features.other_party, residence, n + 500, self._phones.next(residence), email=True
            )
            self._second_party[cohort] = replace(other, loan_ids=(loans[0].loan_id,) if features.other_on_first else ())
            parties.append(self._second_party[cohort])
        return Account(
            borrower_id=borrower_id,
            jurisdiction=residence,
            time_zone=TIME_ZONES[residence],
            parties=tuple(parties),
            loans=loans,
            imported=self._past_contacts(residence, features),
        )

    def _phone(self, cohort: Cohort, features: Features) -> str | None:
        if features.shares_number_with is not None:
            return self._phone_of_cohort[features.shares_number_with]
        phone = self._phones.next(features.number_from or features.jurisdiction)
        self._phone_of_cohort[cohort] = phone
        return phone

    def _party(
        self, borrower_id: str, role: str, residence: str, n: int, phone: str | None, *, email: bool
    ) -> PartyTerms:
        party_id = f"{borrower_id}-{role.replace('_', '-')}"
        return PartyTerms(
            party_id=party_id,
            role=role,
            name=name_of(residence, n),
            locale=LOCALES[residence],
            phone=phone,
            email=email_of(residence, party_id) if email else None,
            may_hear=ALL_PURPOSES,
            consents=CONSENTS + (("marketing",) if draw(self._seed, "wants offers", party_id) < WANTS_OFFERS else ()),
            phone_verified_at=self._verified_at,
            email_verified_at=self._verified_at,
        )

    def _loan(self, n: int, index: int, residence: str, due_in: int, features: Features) -> LoanTerms:
        count = features.instalments
        loan_id = f"l-{n:04d}-{index + 1}"
        currency = CURRENCIES[residence]
        low, high = PRINCIPALS[currency]
        principal = Decimal(whole(self._seed, low * 100, high * 100, "principal", loan_id) * count).scaleb(-2)
        interest = (principal * MONTHLY_RATE).quantize(Decimal("0.01")) * count
        first_number = whole(self._seed, 1, 6, "first number", loan_id)
        dates = monthly(self._start + timedelta(days=due_in), count)
        return LoanTerms(
            loan_id=loan_id,
            account_tail=f"{whole(self._seed, 0, 9999, 'tail', loan_id):04d}",
            currency=currency,
            instalments=tuple(
                ScheduledInstalment(first_number + k, due_on, share, share_of_interest)
                for k, (due_on, share, share_of_interest) in enumerate(
                    zip(dates, split(principal, count), split(interest, count), strict=True)
                )
            ),
            late_fee=LATE_FEE[currency],
            late_interest_daily=LATE_INTEREST_DAILY[currency],
            product=features.product(index),
        )

    def _past_contacts(self, residence: str, features: Features) -> tuple[PastContact, ...] | None:
        if features.past_stage_days is None:
            return None
        zone = ZoneInfo(TIME_ZONES[residence])
        due_on = self._start + timedelta(days=features.due_in_days[0])
        return tuple(
            PastContact(
                datetime.combine(due_on + timedelta(days=day), time(10, 30), tzinfo=zone),
                "sms",
                "servicing" if day <= 0 else "collection",
            )
            for day in features.past_stage_days
        )
