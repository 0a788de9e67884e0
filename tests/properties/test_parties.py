"""Several people on one loan, one person on several: whatever the roles, nobody hears what is not theirs, nobody hears
it twice, and nobody but the primary borrower moves a tier."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise, product

import pytest
from dunlin.domain.actions import Action, EndCase, Request
from dunlin.domain.apply import apply, pruned, with_contact
from dunlin.domain.borrower import Borrower, Contact, Loan, Party
from dunlin.domain.decide import decide
from dunlin.domain.message import Message
from dunlin.domain.policy import Conditions, Policy, Strategy
from dunlin.domain.review import Ready, Stop, review
from dunlin.domain.words import CaseStatus, LoanStatus, MessageState, PartyRole, Purpose, Reason
from dunlin.services.ports import Change, Felt, NotAccepted, Refused
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    DAY,
    DUNNING,
    NOW,
    TODAY,
    House,
    HouseStore,
    a_borrower,
    a_cap,
    a_loan,
    a_pack,
    a_party,
    a_point,
    a_policy,
    a_stage,
    a_strategy,
    loan_document,
    party_document,
)

LOANS = ("l-0", "l-1", "l-2")
ALL = (PartyRole.PRIMARY, PartyRole.CO_BORROWER, PartyRole.GUARANTOR)
FRESH = Conditions(feed_complete_to=NOW + timedelta(days=400))
_TIER = {"kind": "tier", "purpose": Purpose.COLLECTION, "lasts_days": 0}
STRATEGY = a_strategy(
    stages=(
        a_stage("before", -2, to=ALL),
        a_stage("today", 0, template="due_today", to=ALL[:2]),
        a_stage("first", 4, template="tier_1", to=ALL[:2], **_TIER),
        a_stage("second", 15, template="tier_2", gap_days=7, to=ALL, **_TIER),
        a_stage("third", 25, template="tier_3", gap_days=5, to=(ALL[0], ALL[2]), **_TIER),
        a_stage("person", 40, kind="referral", purpose=Purpose.COLLECTION, gap_days=7, template=""),
    )
)


def policy(*, per_loan: bool = False) -> Policy:
    caps = [a_cap(rule_id="daily"), a_cap(rule_id="weekly", count=4, days=7, basis="rolling")]
    if per_loan:
        caps.append(a_cap(rule_id="loan", count=3, days=7, basis="rolling", per="loan"))
    return a_policy(pack=a_pack(caps=tuple(caps)), conditions=FRESH)


@st.composite
def further(draw: st.DrawFn, number: int, *, own_points: bool) -> Party:
    role = draw(st.sampled_from([PartyRole.CO_BORROWER, PartyRole.GUARANTOR, PartyRole.REPRESENTATIVE]))
    phone = number if own_points else draw(st.integers(0, 2))
    zone = draw(st.sampled_from(["", "America/Los_Angeles", "Asia/Shanghai"]))
    return a_party(
        party_id=f"p-{number}",
        role=role,
        points=(
            a_point(
                point=f"point-{phone}",
                zones=draw(st.sampled_from([(), ("America/Chicago",)])),
                blocked=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"*"})])),
            ),
        ),
        may_hear=draw(st.sampled_from([DUNNING, DUNNING, frozenset({Purpose.SERVICING}), frozenset()])),
        loan_ids=tuple(draw(st.lists(st.sampled_from(LOANS), unique=True, max_size=2))),
        represents=draw(st.sampled_from(["", "p-0", "p-1", "p-2"])) if role is PartyRole.REPRESENTATIVE else "",
        zone=zone,
    )


@st.composite
def borrowers_with_parties(draw: st.DrawFn, *, own_points: bool = False, represented: bool = True) -> Borrower:
    others = [draw(further(number, own_points=own_points)) for number in range(1, draw(st.integers(2, 4)))]
    if not represented:
        others = [party for party in others if party.role is not PartyRole.REPRESENTATIVE]
    owed = [
        a_loan(name, TODAY + timedelta(days=draw(st.integers(-6, 4))), as_of=NOW)
        for name in LOANS[: draw(st.integers(1, 3))]
    ]
    primary = a_party(party_id="p-0", points=(a_point(point="point-0"),))
    parties = [primary, *others]
    return a_borrower(*owed, parties=tuple(draw(st.permutations(parties))))


steps = st.lists(st.integers(20, 3 * 24 * 60), min_size=10, max_size=30)


class Told:
    """A small world around `decide`: what is asked for is reviewed and told at once, or ends with its reason."""

    def __init__(self, borrower: Borrower, strategy: Strategy, policy: Policy) -> None:
        self.borrower, self.strategy, self.policy = borrower, strategy, policy
        self.requests: list[tuple[datetime, Borrower, Request]] = []
        self.messages: list[Message] = []
        self.ends: list[tuple[datetime, EndCase]] = []
        self.contacts: list[Contact] = []

    def look(self, now: datetime) -> None:
        for of_case in (False, True):
            decision = decide(self.borrower, self.strategy, self.policy, now)
            actions: tuple[Action, ...] = decision.case_actions if of_case else decision.actions
            before = self.borrower
            applied = apply(before, actions, self.policy, now)
            self.borrower = applied.borrower
            self.messages.extend(applied.messages)
            self.ends.extend((now, action) for action in actions if isinstance(action, EndCase))
            for request in (action for action in actions if isinstance(action, Request)):
                message = next(m for m in applied.messages if m.reason is Reason.STAGE_DUE and _is_of(m, request))
                answer = review(self.borrower, message, self.strategy, self.policy, now)
                if isinstance(answer, Stop):
                    assert answer.reason is Reason.CAP, answer
                    self._marked(message, "unsent", Reason.CAP)
                    continue
                self.requests.append((now, before, request))
                self._reserved(message, answer, now)

    def _reserved(self, message: Message, ready: Ready, now: datetime) -> None:
        contact = Contact(
            message.ref,
            now,
            min(ready.until, now + timedelta(minutes=62)),
            "sms",
            message.purpose,
            message.loan_ids,
            message.party_id,
            message.point,
        )
        self.contacts.append(contact)
        self.borrower = pruned(with_contact(self.borrower, contact), now)
        self._marked(message, "told", None)

    def _marked(self, message: Message, status: str, reason: Reason | None) -> None:
        self.borrower = replace(
            self.borrower,
            version=self.borrower.version + 1,
            marks=tuple(
                replace(mark, status=status, reason=reason) if mark.mark_id in message.mark_ids else mark
                for mark in self.borrower.marks
            ),
        )


def _is_of(message: Message, request: Request) -> bool:
    return message.stage == request.stage.stage_id and message.principal_id == request.principal_id


def history(borrower: Borrower, minutes: list[int], policy: Policy) -> Told:
    told, now = Told(borrower, STRATEGY, policy), NOW
    for step in minutes:
        now += timedelta(minutes=step)
        told.look(now)
        told.look(now + timedelta(minutes=2))
    return told


def party_of(borrower: Borrower, party_id: str) -> Party:
    return next(party for party in borrower.parties if party.party_id == party_id)


def on(party: Party, loan: Loan) -> bool:
    return party.loan_ids == () or loan.loan_id in party.loan_ids


@settings(max_examples=60, deadline=None)
@given(borrowers_with_parties(), steps)
def test_nobody_hears_what_is_not_theirs(borrower: Borrower, minutes: list[int]) -> None:
    for _, before, request in history(borrower, minutes, policy()).requests:
        told = party_of(before, request.party.party_id)
        behind = party_of(before, request.principal_id) if request.principal_id else party_of(before, "p-0")
        assert all(on(told, loan) and on(behind, loan) for loan in request.loans)
        assert all(loan.status is LoanStatus.OPEN and loan.instalments for loan in request.loans)
        assert behind.role in request.stage.to
        assert request.stage.purpose in told.may_hear
        assert request.point in told.points
        assert not request.point.blocked
        spoken_for = [
            party
            for party in before.parties
            if party.role is PartyRole.REPRESENTATIVE and (party.represents or "p-0") == behind.party_id
        ]
        assert told in spoken_for if spoken_for else told == behind


@settings(max_examples=60, deadline=None)
@given(borrowers_with_parties(), steps)
def test_each_addressee_once(borrower: Borrower, minutes: list[int]) -> None:
    told = history(borrower, minutes, policy(per_loan=True))
    keys = [message.key for message in told.messages]
    assert len(set(keys)) == len(keys)
    occasions = [(r.principal_id, r.stage.stage_id, r.due_on, r.episode) for _, _, r in told.requests]
    assert len(set(occasions)) == len(occasions)
    for message in told.messages:
        assert message.key.endswith(f"@{message.principal_id}") == bool(message.principal_id)
        assert message.mark_ids[0].endswith(f"@{message.principal_id}") == bool(message.principal_id)
        assert message.reason
    ladder = [stage.stage_id for stage in STRATEGY.stages]
    for principal_id in {r.principal_id for _, _, r in told.requests}:
        tiers = [(at, r) for at, _, r in told.requests if r.principal_id == principal_id and r.episode]
        for (one_at, one), (next_at, following) in pairwise(tiers):
            if one.episode == following.episode:
                assert ladder.index(following.stage.stage_id) > ladder.index(one.stage.stage_id)
                assert (next_at.date() - one_at.date()).days >= following.stage.gap_days - 1


@settings(max_examples=60, deadline=None)
@given(borrowers_with_parties(own_points=True, represented=False), steps)
def test_further_parties_move_nothing(borrower: Borrower, minutes: list[int]) -> None:
    """With them and without them the primary borrower hears the same at the same moments, and the case ends as it
    would have."""
    alone = replace(borrower, parties=tuple(p for p in borrower.parties if p.role is PartyRole.PRIMARY))
    with_them, without = history(borrower, minutes, policy()), history(alone, minutes, policy())

    def of_primary(told: Told) -> list[tuple[str, str]]:
        return [(m.key, m.requested_at.isoformat()) for m in told.messages if not m.principal_id]

    assert of_primary(with_them) == of_primary(without)
    assert with_them.ends == without.ends
    assert [m for m in with_them.borrower.marks if not m.principal_id] == list(without.borrower.marks)


@settings(max_examples=60, deadline=None)
@given(borrowers_with_parties(), steps)
def test_a_tier_is_heard_after_the_primary_borrower(borrower: Borrower, minutes: list[int]) -> None:
    told = history(borrower, minutes, policy())
    first = {(r.stage.stage_id, r.episode): at for at, _, r in reversed(told.requests) if not r.principal_id}
    for at, before, request in told.requests:
        if request.principal_id and request.episode:
            assert before.case is not None
            assert before.case.status is CaseStatus.OPEN
            ladder = [stage.stage_id for stage in STRATEGY.stages]
            later = [ladder.index(stage) for (stage, episode), when in first.items() if episode and when <= at]
            assert max(later) >= ladder.index(request.stage.stage_id)
            days = max((at.date() - loan.instalments[0].due_on).days for loan in request.loans)
            assert days >= request.stage.offset_days


@settings(max_examples=60, deadline=None)
@given(borrowers_with_parties(), steps)
def test_caps_are_a_person_s_and_a_telephone_s(borrower: Borrower, minutes: list[int]) -> None:
    told = history(borrower, minutes, policy(per_loan=True))
    people = {contact.party_id for contact in told.contacts}
    points = {contact.point for contact in told.contacts}
    felt = [[c for c in told.contacts if c.party_id == person] for person in people]
    felt += [[c for c in told.contacts if c.point == point] for point in points]
    for series in felt:
        days = [c.reserved_at.astimezone(NOW.tzinfo).date() for c in series]
        assert len(set(days)) == len(days)
        for one, fifth in zip(series, series[4:], strict=False):
            assert fifth.reserved_at - one.felt_until >= timedelta(days=7)
    for loan_id in LOANS:
        about = [contact for contact in told.contacts if loan_id in contact.loan_ids]
        for one, fourth in zip(about, about[3:], strict=False):
            assert fourth.reserved_at - one.felt_until >= timedelta(days=7)


# ── One telephone, several borrowers ─────────────────────────────────────────────────────────────────────────────────


class Interrupted(HouseStore):
    """A store at each of whose calls somebody else can come first: `at` the n-th one, once."""

    def __init__(self) -> None:
        super().__init__()
        self.interruptions: list[tuple[int, object]] = []
        self.calls = 0
        self.committing = False

    def interrupt(self, at: int, act: object) -> None:
        self.interruptions.append((self.calls + at, act))

    def _call(self) -> None:
        if self.committing:
            return  # all of it happens, or none: nobody comes between
        self.calls += 1
        if self.interruptions and self.interruptions[-1][0] <= self.calls:
            _, act = self.interruptions.pop()
            assert callable(act)
            act()

    def borrower(self, borrower_id: str) -> Borrower | None:
        self._call()
        return super().borrower(borrower_id)

    def message(self, borrower_id: str, key: str) -> Message | None:
        self._call()
        return super().message(borrower_id, key)

    def felt(self, point: str) -> Felt:
        self._call()
        return super().felt(point)

    def commit(self, change: Change) -> None:
        self._call()
        self.committing = True
        try:
            super().commit(change)
        finally:
            self.committing = False


NAMES = ("b-1", "b-2", "b-3")


def shared_phone(monkeypatch: pytest.MonkeyPatch, count: int, **party: object) -> tuple[House, Interrupted]:
    """`count` borrowers with one telephone, each with a reminder in words."""
    monkeypatch.setattr("tests.builders.HouseStore", Interrupted)
    house = House()
    for name in NAMES[:count]:
        mail = f"{name}@marram.example"
        document = party_document(party_id=f"{name}-p", **({"email": mail} | party))
        house.know(name, loan_document(f"{name}-l"), parties=[document])
    house.checkpoint()
    house.wake()
    house.pace_lines()
    house.render_due()
    store = house.store
    assert isinstance(store, Interrupted)
    assert len(house.in_state(MessageState.RENDERED)) == count
    return house, store


def send(house: House, name: str) -> None:
    for message in house.in_state(MessageState.RENDERED, name):
        house.send.send(name, message.key)


CALLS = range(1, 9)  # a reservation makes five: message, borrower, two points, the transaction


@pytest.mark.parametrize("order", [NAMES[:2], NAMES[1::-1]])
@pytest.mark.parametrize("at", CALLS)
def test_of_two_at_one_moment_one_is_told(monkeypatch: pytest.MonkeyPatch, at: int, order: tuple[str, ...]) -> None:
    house, store = shared_phone(monkeypatch, 2)
    store.interrupt(at, lambda: send(house, order[1]))
    send(house, order[0])
    send(house, order[1])
    assert len(house.orders) == 1
    capped = [m for m in house.store.messages.values() if m.reason is Reason.CAP]
    assert len(capped) == 1
    # The one that came second knows why, and waits instead of asking again.
    waiting = house.borrower(capped[0].borrower_id)
    assert [c.ref for c in waiting.contacts] == [m.ref for m in house.in_state(MessageState.SENT)]
    house.wake()
    assert not house.in_state(MessageState.REQUESTED)
    assert [m.status for m in house.borrower(waiting.borrower_id).marks if m.reason is Reason.CAP] == ["waiting"]


@pytest.mark.parametrize(("at", "then"), list(product(CALLS, CALLS)))
def test_of_three_at_one_moment_one_is_told(monkeypatch: pytest.MonkeyPatch, at: int, then: int) -> None:
    house, store = shared_phone(monkeypatch, 3)

    def second() -> None:
        store.interrupt(then, lambda: send(house, "b-3"))
        send(house, "b-2")

    store.interrupt(at, second)
    send(house, "b-1")
    for name in NAMES:
        send(house, name)
    assert len(house.orders) == 1


@pytest.mark.parametrize("at", CALLS)
def test_telephone_and_e_mail_of_one_person(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """One person, two borrowers: one is reached by text, the other, whose text was refused before, by e-mail."""
    house, store = shared_phone(monkeypatch, 2, email="jo@marram.example")
    (text,) = house.in_state(MessageState.RENDERED, "b-2")
    points = {p.channel: p.point for p in house.borrower("b-2").parties[0].points}
    line = next(line for line in house.content.lender.lines if line.line_id == "us-email")
    mail = replace(text, channel=line.channel, line=line.line_id, point=points[line.channel], revision=text.revision)
    store.messages["b-2", text.key] = mail
    store.interrupt(at, lambda: send(house, "b-2"))
    send(house, "b-1")
    send(house, "b-2")
    assert len(house.orders) == 1


@pytest.mark.parametrize("at", CALLS)
def test_what_was_refused_is_forgotten(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Whoever comes while it is not known yet may be turned away, and hears of it when it is."""
    house, store = shared_phone(monkeypatch, 2)
    house.answer(Refused(Reason.REFUSED_BY_PROVIDER))
    store.interrupt(at, lambda: send(house, "b-2"))
    send(house, "b-1")
    send(house, "b-2")
    (point,) = {m.point for m in house.store.messages.values()} - {""}
    refused = {m.ref for m in house.in_state(MessageState.FAILED)}
    assert len(refused) == 1
    known = [*store.felt(point).contacts, *house.borrower("b-1").contacts, *house.borrower("b-2").contacts]
    assert not refused & {contact.ref for contact in known}
    house.run_until(house.now + timedelta(hours=6))
    (told,) = [m for m in house.in_state(MessageState.DELIVERED) if m.point == point]
    assert told.ref not in refused


@pytest.mark.parametrize("at", CALLS)
def test_what_was_not_accepted_in_time_is_forgotten(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    house, store = shared_phone(monkeypatch, 2)
    house.answer(NotAccepted(Reason.THROTTLED))
    store.interrupt(at, lambda: send(house, "b-2"))
    send(house, "b-1")
    send(house, "b-2")
    (point,) = {m.point for m in house.store.messages.values()} - {""}
    assert len(store.felt(point).contacts) == 1  # it may still go
    house.clock.advance(timedelta(minutes=5))
    house.sweep_up()
    assert store.felt(point).contacts == ()
    assert house.borrower("b-1").contacts == house.borrower("b-2").contacts == ()


def test_one_telephone_over_weeks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three borrowers in arrears share a telephone: it rings once a day at most, and everybody's turn comes."""
    monkeypatch.setattr("tests.builders.HouseStore", HouseStore)
    house = House()
    for number, name in enumerate(NAMES):
        due_on = TODAY + timedelta(days=number)
        house.know(name, loan_document(f"{name}-l", due_on), parties=[party_document(party_id=f"{name}-p")])
    house.run_days(24)
    moments = sorted(order.reserved_at for order in house.orders)
    days = [(moment - timedelta(hours=4)).date() for moment in moments]
    assert len(set(days)) == len(days)
    for one, fifth in zip(moments, moments[4:], strict=False):
        assert fifth - one >= 7 * DAY
    assert {order.ref.partition("/")[0] for order in house.orders} == set(NAMES)
    assert all(len(felt.contacts) <= len(house.orders) for felt in house.store.felts.values())
    assert len(house.store.messages) < 4 * len(house.orders) + 40
    house.check_ledger()
