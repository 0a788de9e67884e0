"""How borrowers behave, against a core and a plain stand-in for messages: everybody's story comes out."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from dunlin.entry.core_events import parse_core_event

from local.behaviour import DAY, Action, Behaviour, NewPhone, Pay, Text, enact
from local.core import Account, Core, CoreEvent
from local.dialogues import Meaning
from local.portfolio import Cohort, Portfolio, generate
from local.portfolio.cohorts import SCRIPTED

STAGES = {
    -7: "reminder_7",
    -3: "reminder_3",
    -1: "reminder_1",
    0: "due_today",
    2: "grace",
    4: "tier_1",
    15: "tier_2",
    30: "tier_3",
}


class World:
    """A core, its borrowers, and one text a stage at 13:00 local time to whoever can be reached and has not opted out.

    It only asks the core how late a loan is: enough to bring every story forward, and nothing else.
    """

    def __init__(self, portfolio: Portfolio, *, say_stage: bool) -> None:
        self.portfolio = portfolio
        self.core = Core(portfolio.accounts, seed=portfolio.seed, start=portfolio.start)
        self.behaviour = Behaviour(portfolio, self.core)
        self.texts: list[Text] = []
        self.events: list[CoreEvent] = []
        self.told: dict[str, list[str]] = defaultdict(list)
        self._say_stage = say_stage
        self._addresses = {account.borrower_id: self._reach(account) for account in portfolio.accounts}

    def run(self) -> World:
        self._do(self.behaviour.at_start())
        day = self.portfolio.start
        while day < self.portfolio.end:
            moments = [
                (datetime.combine(day.date(), datetime.min.time(), ZoneInfo(account.time_zone)), account)
                for account in self.portfolio.accounts
            ]
            for midnight, account in sorted(moments, key=lambda item: item[0]):
                at = midnight + timedelta(hours=13)
                if at >= self.core.now:
                    self._advance(at)
                    self._deliver(account, at)
            day += timedelta(days=1)
        self._advance(self.portfolio.end)
        return self

    def _advance(self, at: datetime) -> None:
        self.events += self.core.due(at)

    def _deliver(self, account: Account, at: datetime) -> None:
        opted_out = {text.from_address for text in self.texts if text.meaning is Meaning.OPT_OUT and text.at < at}
        address = next((a for a in self._addresses[account.borrower_id] if a not in opted_out), None)
        for terms in account.loans:
            stage = self._stage(terms.loan_id, at, account)
            if stage is None or address is None:
                continue
            self.told[account.borrower_id].append(stage)
            self._do(
                self.behaviour.on_delivered(
                    address,
                    "please pay",
                    at,
                    stage=stage if self._say_stage else None,
                    borrower_id=account.borrower_id if self._say_stage else None,
                )
            )

    def _stage(self, loan_id: str, at: datetime, account: Account) -> str | None:
        standing = self.core.standing(loan_id)
        if standing.status != "open" or not standing.instalments:
            return None
        today: date = at.astimezone(ZoneInfo(account.time_zone)).date()
        return STAGES.get((today - standing.instalments[0].due_on).days)

    def _do(self, actions: list[Action]) -> None:
        self.texts += enact(actions, self.core)

    def _reach(self, account: Account) -> list[str]:
        representative = [party for party in account.parties if party.role == "representative"]
        party = (representative or list(account.parties))[0]
        phones = [party.phone] if party.phone and party.phone not in self.portfolio.numbers else []
        return phones + ([party.email] if party.email else [])

    def account(self, cohort: Cohort) -> Account:
        (borrower_id,) = self.portfolio.members(cohort)
        return next(account for account in self.portfolio.accounts if account.borrower_id == borrower_id)

    def types(self, cohort: Cohort) -> Counter[str]:
        borrower_id = self.account(cohort).borrower_id
        return Counter(event.type for event in self.events if event.borrower_id == borrower_id)

    def says(self, cohort: Cohort) -> list[tuple[str, Meaning]]:
        borrower_id = self.account(cohort).borrower_id
        return [(text.text, text.meaning) for text in self.texts if text.borrower_id == borrower_id]


@pytest.fixture(scope="module", params=[True, False], ids=["stage given", "stage inferred"])
def world(request: pytest.FixtureRequest) -> World:
    return World(generate(44), say_stage=request.param).run()


NEVER_CURED = {
    Cohort.NEVER_PAYS,
    Cohort.NEVER_PAYS_CN,
    Cohort.OPTS_OUT_NO_EMAIL,
    Cohort.HARDSHIP_HOLD,
    Cohort.LANDLINE,
    Cohort.IMPORTED_NEVER_PAYS,
    Cohort.MORTGAGE_LEAVES,
    # Nobody offers them a plan here, and without one they do not pay.
    Cohort.PLAN_KEPT,
    Cohort.PLAN_BROKEN,
    Cohort.PLAN_CURED,
    Cohort.PLAN_BY_LENDER,
}


@pytest.mark.parametrize("cohort", [cohort for cohort in Cohort if cohort is not Cohort.DRAWN])
def test_everybody_ends_as_meant(world: World, cohort: Cohort) -> None:
    days = max(world.core.days_past_due(terms.loan_id) for terms in world.account(cohort).loans)
    assert (days > 0) == (cohort in NEVER_CURED)


@pytest.mark.parametrize(
    ("cohort", "highest"),
    [
        (Cohort.PAYS_EARLY, "reminder_7"),
        (Cohort.PAYS_ON_THE_DAY, "due_today"),
        (Cohort.PAYS_IN_GRACE, "grace"),
        (Cohort.PAYS_AFTER_TIER_1, "tier_1"),
        (Cohort.PAYS_IN_PART_AFTER_TIER_2, "tier_2"),
        (Cohort.CURED_AFTER_TIER_3, "tier_3"),
        (Cohort.OPTS_OUT_HAS_EMAIL, "tier_2"),
        (Cohort.OPTS_OUT_NO_EMAIL, "tier_1"),
        (Cohort.INVALID_NUMBER, "tier_1"),
        (Cohort.REPRESENTATIVE, "tier_1"),
        (Cohort.LANDLINE, None),
        (Cohort.SHARED_NUMBER_OTHER, "tier_2"),
        (Cohort.IMPORTED_IN_ARREARS, "tier_3"),
    ],
)
def test_how_far_it_went(world: World, cohort: Cohort, highest: str | None) -> None:
    order = list(STAGES.values())
    told = world.told[world.account(cohort).borrower_id]
    assert max(told, key=order.index, default=None) == highest


@pytest.mark.parametrize(
    ("cohort", "texts"),
    [
        (Cohort.OPTS_OUT_HAS_EMAIL, [("STOP", Meaning.OPT_OUT)]),
        (Cohort.OPTS_OUT_NO_EMAIL, [("退订", Meaning.OPT_OUT)]),
        (Cohort.SHARED_NUMBER_OPTS_OUT, [("STOP", Meaning.OPT_OUT)]),
        (Cohort.SHARED_NUMBER_OTHER, [("What's my balance please", Meaning.BALANCE)]),
        (Cohort.POLITE_STOP, [("Stop. Thank you", Meaning.OPT_OUT)]),
        (Cohort.STOP_THIS_BILL, [("we have got to STOP this terrible bill", Meaning.OTHER)]),
        (Cohort.WILL_PAY_FRIDAY, [("I'll send it Friday", Meaning.PROMISE)]),
        (Cohort.SAYS_PAID, [("已经还了", Meaning.SAYS_PAID)]),
        (Cohort.STOP_THEN_START, [("STOP", Meaning.OPT_OUT), ("START", Meaning.OPT_IN)]),
        (Cohort.ASKS_FOR_HELP, [("HELP", Meaning.HELP)]),
    ],
)
def test_what_they_say(world: World, cohort: Cohort, texts: list[tuple[str, Meaning]]) -> None:
    assert world.says(cohort) == texts


@pytest.mark.parametrize(
    ("cohort", "event_types"),
    [
        (Cohort.DISPUTE_HOLD, {"hold.placed": 1, "hold.lifted": 1}),
        (Cohort.HARDSHIP_HOLD, {"hold.placed": 1, "hold.lifted": 0, "payment.applied": 0}),
        (Cohort.LOAN_SOLD, {"loan.sold": 1}),
        (Cohort.RESTRUCTURED, {"loan.restructured": 1}),
        (Cohort.PAYMENT_PENDING, {"payment.pending": 1}),
        (Cohort.PAYMENT_RETURNED, {"payment.returned": 1}),
        (Cohort.PAYS_OFF, {"loan.closed": 1}),
        (Cohort.IMPORTED_IN_ARREARS, {"portfolio.imported": 1}),
    ],
)
def test_what_the_core_tells(world: World, cohort: Cohort, event_types: dict[str, int]) -> None:
    types = world.types(cohort)
    assert {name: types[name] for name in event_types} == event_types


def test_every_event_is_sound(world: World) -> None:
    sequences: dict[str, int] = defaultdict(int)
    for event in world.events:
        detail = event.detail
        loan = detail.get("loan")
        if not isinstance(loan, dict):
            continue
        assert loan["sequence"] == sequences[loan["loan_id"]] + 1
        sequences[loan["loan_id"]] += 1
        overdue = {part: Decimal(amount) for part, amount in loan["overdue"].items()}
        assert overdue["total"] == overdue["principal"] + overdue["interest"] + overdue["fees"]
        assert (overdue["total"] > 0) == (loan["days_past_due"] > 0)
        assert all(Decimal(item["outstanding"]) > 0 for item in loan["instalments"])
        due_days = [item["due_on"] for item in loan["instalments"]]
        assert due_days == sorted(due_days)
        assert str(detail["borrower_id"]).startswith("b-")


def test_dunlin_accepts_every_event(world: World) -> None:
    for event in world.events:
        parse_core_event(json.loads(json.dumps(event.detail)))


def test_figures_conserve(world: World) -> None:
    for account in world.portfolio.accounts:
        for terms in account.loans:
            books = world.core.ledger(terms.loan_id)
            applied = sum(
                (
                    Decimal(event.detail["payment"]["amount"])  # type: ignore[index]
                    * (1 if event.type == "payment.applied" else -1)
                    for event in world.events
                    if event.type in ("payment.applied", "payment.returned", "payment.reversed")
                    and event.detail["loan"]["loan_id"] == terms.loan_id  # type: ignore[index]
                ),
                Decimal(0),
            )
            assert applied == books.paid
            assert books.paid + books.waived + books.outstanding == books.billed + books.credit


def test_same_seed_same_story() -> None:
    first, second = (World(generate(48, days=40, seed=3), say_stage=True).run() for _ in range(2))
    assert first.events == second.events
    assert first.texts == second.texts


def test_the_answer_to_a_text_is_not_another_step() -> None:
    portfolio = generate(44)
    core = Core(portfolio.accounts, seed=1, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)
    (borrower_id,) = portfolio.members(Cohort.POLITE_STOP)
    phone = next(account for account in portfolio.accounts if account.borrower_id == borrower_id).parties[0].phone
    assert phone is not None
    at = portfolio.start + timedelta(days=22)  # 16 days past due
    core.due(at)
    (stop,) = behaviour.on_delivered(phone, "please pay", at)
    assert isinstance(stop, Text)
    assert behaviour.on_delivered(phone, "you will get no more texts", stop.at + timedelta(minutes=1)) == []
    later = stop.at + timedelta(days=8)
    core.due(later)
    assert any(isinstance(action, Pay) for action in behaviour.on_delivered(phone, "please pay", later))


def test_an_unknown_address_does_nothing() -> None:
    portfolio = generate(3)
    behaviour = Behaviour(portfolio, Core(portfolio.accounts, seed=1, start=portfolio.start))
    assert behaviour.on_delivered("+12125550199", "hello", portfolio.start) == []


def test_drawn_borrowers_pay_as_measured() -> None:
    """Among instalments paid in full by one payment, most are early and a quarter on the day."""
    portfolio = generate(1200)
    core = Core(portfolio.accounts, seed=1, start=portfolio.start)
    by_loan = {terms.loan_id: terms for account in portfolio.accounts for terms in account.loans}
    zones = {t.loan_id: ZoneInfo(account.time_zone) for account in portfolio.accounts for t in account.loans}
    cohorts = {t.loan_id: portfolio.cohorts[a.borrower_id] for a in portfolio.accounts for t in a.loans}
    timings: Counter[str] = Counter()
    parts = 0
    seen: set[str] = set()
    for action in Behaviour(portfolio, core).at_start():
        if not isinstance(action, Pay) or cohorts[action.loan_id] is not Cohort.DRAWN:
            continue
        parts += action.amount == "part"
        if action.loan_id in seen:
            continue
        seen.add(action.loan_id)
        days = (action.at.astimezone(zones[action.loan_id]).date() - by_loan[action.loan_id].instalments[0].due_on).days
        timings["early" if days < 0 else "on the day" if days == 0 else "late"] += 1
    total = timings.total()
    assert timings["early"] / total == pytest.approx(0.68, abs=0.05)
    assert timings["on the day"] / total == pytest.approx(0.24, abs=0.05)
    assert timings["late"] / total == pytest.approx(0.083, abs=0.03)
    assert parts > 0


# ── A number with a new owner ────────────────────────────────────────────────────────────────────────────────────────


def recycled(seed: int) -> tuple[Behaviour, str, list[NewPhone]]:
    portfolio = generate(len(SCRIPTED), 60, seed)
    core = Core(portfolio.accounts, seed=seed, start=portfolio.start)
    behaviour = Behaviour(portfolio, core)
    (shared,) = {
        party.phone
        for account in portfolio.accounts
        for party in account.parties
        if portfolio.cohorts[account.borrower_id] is Cohort.SHARED_NUMBER_OTHER and party.phone
    }
    actions = behaviour.on_recycled(shared, portfolio.start + DAY)
    assert all(isinstance(action, NewPhone) for action in actions)
    return behaviour, shared, [action for action in actions if isinstance(action, NewPhone)]


def test_everybody_who_had_the_number_loses_it_and_the_core_learns_days_later() -> None:
    behaviour, number, changes = recycled(3)
    assert len({change.borrower_id for change in changes}) == 2
    start = generate(1, 1, 3).start
    assert all(start + DAY + timedelta(hours=8) <= change.at <= start + 7 * DAY for change in changes)
    assert number not in {change.phone for change in changes}
    assert behaviour.on_recycled(number, start + 2 * DAY) == []


def test_a_stranger_says_so_or_says_stop_and_never_pays() -> None:
    said: set[tuple[str, ...]] = set()
    for seed in range(40):
        behaviour, number, _ = recycled(seed)
        at = generate(1, 1, seed).start + 2 * DAY
        texts: list[str] = []
        for turn in range(4):
            actions = behaviour.on_delivered(number, "Marram: 120.50 USD is overdue.", at + turn * DAY)
            assert all(isinstance(action, Text) and action.from_address == number for action in actions)
            texts += [action.text for action in actions if isinstance(action, Text)]
        said.add(tuple(texts))
    wrong = "Who is this? Wrong number"
    assert said == {(), (wrong,), ("STOP",), (wrong, "STOP")}


def test_the_core_tells_the_new_profile_once() -> None:
    portfolio = generate(len(SCRIPTED), 60, 3)
    core = Core(portfolio.accounts, seed=3, start=portfolio.start)
    account = portfolio.accounts[0]
    old = account.parties[0].phone
    assert old is not None
    enact([NewPhone(account.borrower_id, old, "+12125550177", portfolio.start + DAY)], core)
    enact([NewPhone(account.borrower_id, old, "+12125550178", portfolio.start + 2 * DAY)], core)
    told = [
        event.detail["borrower"]
        for event in core.due(portfolio.start + 4 * DAY)
        if event.type == "borrower.updated" and event.borrower_id == account.borrower_id
    ]
    assert [(one["sequence"], one["parties"][0].get("phone")) for one in told] == [(1, old), (2, "+12125550177")]  # type: ignore[index]
