"""Random histories of a small world, on the real services: no promise breaks, and everything ends.

The rules are what can happen to a lender in a year: facts in any order, texts, reports, outages, releases, calls made
elsewhere, a process that dies. The promises are checked from outside by `local.smallworld.checker`, at every write and
every hand-over; at the end the storm stops, and whatever was under way has to come to its end.

A failing history is shrunk and printed as the steps to repeat it, with its seed; `DUNLIN_HISTORIES=5000` runs as many
(with `-m proof`), `DUNLIN_SEED` chooses others.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import pytest
from dunlin.domain.words import PauseScope, Purpose
from hypothesis import HealthCheck, Phase, Verbosity, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from local.smallworld.core import SmallLoan
from local.smallworld.engine import DAY, FUNCTIONS, HOUR, MINUTE, RELEASES, World
from local.smallworld.gate import Fault
from local.smallworld.people import NEW_PHONES, NOTICES, PROFILES, ask, come_to_an_end, daily, lend, party, settle
from local.smallworld.provider import Answer, Fate

#: Days around which clocks change in New York (both ways), the leap day, the turn of the year, and one without any.
BEGINNINGS = (
    datetime(2026, 6, 1, 15, 0, tzinfo=UTC),
    datetime(2026, 10, 28, 14, 0, tzinfo=UTC),
    datetime(2027, 3, 11, 13, 0, tzinfo=UTC),
    datetime(2027, 12, 27, 16, 0, tzinfo=UTC),
    datetime(2028, 2, 26, 1, 30, tzinfo=UTC),
)
STEPS = {
    "minutes": (MINUTE, 7 * MINUTE, 20 * MINUTE),
    "hours": (HOUR, 3 * HOUR, 9 * HOUR, 14 * HOUR),
}
KINDS = ("dispute", "promise", "bankruptcy", "hardship", "cease_request", "wrong_number")
TEXTS = ("STOP", "stop", "START", "HELP", "I will pay on Friday", "退订", "T")
PORTS = ("store", "sender", "controls", "executions", "wakes", "ears", "announcements")

QUICK = 40

borrowers = st.sampled_from(sorted(PROFILES))
delays = st.sampled_from((timedelta(0), timedelta(0), 20 * MINUTE, 5 * HOUR, 2 * DAY))
times = st.sampled_from((1, 1, 2))
pick = st.integers(0, 999)


class Histories(RuleBasedStateMachine):
    """One history. `seen` counts what happened in all of them."""

    seen: ClassVar[Counter[str]] = Counter()
    worlds: ClassVar[int] = 0

    @initialize(
        number=st.integers(0, 2**32 - 1),
        begins=st.sampled_from(BEGINNINGS),
        stormy=st.booleans(),
        due_in=st.lists(st.integers(-12, 8), min_size=len(PROFILES), max_size=len(PROFILES)),
    )
    def begin(self, number: int, begins: datetime, stormy: bool, due_in: list[int]) -> None:
        self.world = World(number, begins)
        settle(self.world)
        self.world.storm(stormy)
        for borrower, days in zip(PROFILES, due_in, strict=True):
            lend(self.world, borrower, days)
        ask(self.world, "b-two", "payment_received")
        ask(self.world, "b-sh", "application_declined")

    # ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(by=st.sampled_from(STEPS["minutes"]))
    def minutes(self, by: timedelta) -> None:
        self.world.advance(by)

    @rule(by=st.sampled_from(STEPS["hours"]))
    def hours(self, by: timedelta) -> None:
        self.world.advance(by)

    @rule(days=st.integers(1, 5))
    def days(self, days: int) -> None:
        daily(self.world, days)

    @rule(days=st.integers(6, 16))
    def weeks(self, days: int) -> None:
        daily(self.world, days)

    @rule()
    def until_something_moves(self) -> None:
        """To the middle of a working morning: where messages are on their way."""
        for _ in range(40):
            self.world.advance(MINUTE * 30)
            if self.world.checker.unsettled():
                return

    # ── the core ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(
        borrower=borrowers,
        due_in=st.integers(-20, 8),
        instalments=st.integers(1, 3),
        amount=st.sampled_from(("120.50", "1234.56", "0.01", "99999.90")),
        counts=st.booleans(),
    )
    def lends(self, borrower: str, due_in: int, instalments: int, amount: str, counts: bool) -> None:
        owned = [loan for loan in self.world.loans() if loan.borrower_id == borrower]
        if len(owned) < 3:
            lend(self.world, borrower, due_in, instalments=instalments, amount=amount, counts=counts)

    def _loan(self, number: int) -> SmallLoan | None:
        owed = self.world.loans(owed=True)
        return owed[number % len(owed)] if owed else None

    @rule(which=pick, instalments=st.integers(1, 3), part=st.booleans(), delay=delays, again=times)
    def pays(self, which: int, instalments: int, part: bool, delay: timedelta, again: int) -> None:
        loan = self._loan(which)
        if loan is not None:
            share = Decimal("0.5") if part else Decimal(1)
            told = self.world.core.pay(loan, self.world.now, instalments=instalments, share=share)
            self.world.tell(told, delay=delay, times=again)

    @rule(which=pick, reverse=st.booleans(), delay=delays)
    def takes_back(self, which: int, reverse: bool, delay: timedelta) -> None:
        loans = [loan for loan in self.world.loans() if loan.paid]
        if loans:
            type_ = "payment.reversed" if reverse else "payment.returned"
            told = self.world.core.take_back(loans[which % len(loans)], self.world.now, type_)
            self.world.tell(told, delay=delay)

    @rule(which=pick)
    def backdates(self, which: int) -> None:
        """A payment that counts from days ago, and says so."""
        loan = self._loan(which)
        if loan is not None:
            told = self.world.core.pay(loan, self.world.now, instalments=1)
            assert told is not None
            earlier = (self.world.now - 3 * DAY).isoformat()
            self.world.tell(told | {"type": "payment.backdated", "occurred_at": earlier})

    @rule(which=pick, delay=delays)
    def announces(self, which: int, delay: timedelta) -> None:
        loan = self._loan(which)
        if loan is not None:
            self.world.tell(self.world.core.announce(loan, self.world.now), delay=delay)

    @rule(which=pick, kind=st.sampled_from(("waive", "restructure", "sold", "placed", "closed", "charged_off")))
    def changes(self, which: int, kind: str) -> None:
        loan = self._loan(which)
        if loan is None:
            return
        match kind:
            case "waive":
                self.world.tell(self.world.core.waive(loan, self.world.now))
            case "restructure":
                self.world.tell(self.world.core.restructure(loan, self.world.now, 10))
            case _:
                self.world.tell(self.world.core.leave(loan, self.world.now, kind))

    @rule(borrower=borrowers, message=st.sampled_from(NOTICES), delay=delays, again=times)
    def asks_for(self, borrower: str, message: str, delay: timedelta, again: int) -> None:
        ask(self.world, borrower, message, delay=delay, times=again)

    @rule(which=pick, minutes=st.sampled_from((0, 1, 30)))
    def breaks_a_promise_and_pays(self, which: int, minutes: int) -> None:
        """Somebody pays just as they are to hear that they have not."""
        loan = self._loan(which)
        if loan is not None:
            ask(self.world, loan.borrower_id, "promise_broken")
            self.world.advance(minutes * MINUTE)
            self.world.tell(self.world.core.pay(loan, self.world.now, instalments=1))

    @rule(which=pick)
    def out_of_sequence(self, which: int) -> None:
        """What was said first arrives last."""
        loan = self._loan(which)
        if loan is not None:
            first = self.world.core.told("loan.snapshot", loan, self.world.now)
            second = self.world.core.pay(loan, self.world.now, instalments=1)
            self.world.tell(second)
            self.world.tell(first, delay=10 * MINUTE)

    @rule(which=pick)
    def says_nonsense(self, which: int) -> None:
        """A fact that cannot be accepted: what we believe of this borrower is in doubt until the next one."""
        loan = self._loan(which)
        if loan is not None:
            document = self.world.core.told("loan.snapshot", loan, self.world.now)
            document["loan"] = document["loan"] | {"account_tail": "none"}
            self.world.tell(document)

    @rule(borrower=borrowers, kind=st.sampled_from(KINDS), lasts=st.sampled_from((None, 2, 9)), delay=delays)
    def holds(self, borrower: str, kind: str, lasts: int | None, delay: timedelta) -> None:
        # The other kinds do not end by themselves: there, a date is a fact that cannot be accepted.
        ends = lasts is not None and (kind == "promise" or lasts == 9)
        until = self.world.now + lasts * DAY if lasts is not None and ends else None
        hold_id, told = self.world.core.hold(borrower, self.world.now, kind, until)
        self.world.holds.append((borrower, hold_id))
        self.world.tell(told, delay=delay)

    @rule(which=pick, delay=delays)
    def lifts(self, which: int, delay: timedelta) -> None:
        if self.world.holds:
            borrower, hold_id = self.world.holds.pop(which % len(self.world.holds))
            self.world.tell(self.world.core.lift(borrower, self.world.now, hold_id), delay=delay)

    @rule(
        borrower=st.sampled_from(("b-ny", "b-two", "b-ann", "b-bob")),
        phone=st.sampled_from(NEW_PHONES),
        where=st.sampled_from(
            (
                ("US-NY", "America/New_York"),
                ("US-MA", "America/New_York"),
                ("GB", "Europe/London"),
                ("US-TX", "America/Chicago"),
            )
        ),
        spoken_for=st.booleans(),
    )
    def moves(self, borrower: str, phone: str, where: tuple[str, str], spoken_for: bool) -> None:
        parties = [party("p-1", "Mo Ved", phone, email="mo@marram.example")]
        if spoken_for:
            parties.append(party("p-9", "Rep Resentative", "+13125550177", role="representative"))
        profile = {"jurisdiction": where[0], "time_zone": where[1], "parties": parties}
        self.world.tell(self.world.core.profile(borrower, self.world.now, **profile))

    # ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _phone(self, borrower: str) -> str:
        return str(self.world.core.profiles[borrower]["parties"][0]["phone"])

    @rule(borrower=borrowers, words=st.sampled_from(TEXTS), delay=delays, again=times)
    def texts(self, borrower: str, words: str, delay: timedelta, again: int) -> None:
        self.world.text(self._phone(borrower), words, delay=delay, times=again)

    @rule(borrower=borrowers, start=st.booleans())
    def comes_back(self, borrower: str, start: bool) -> None:
        self.world.text(self._phone(borrower), "START" if start else "HELP")

    @rule(
        borrower=borrowers,
        at=st.sampled_from(
            (
                ("send_message", "store", "commit"),
                ("send_message", "sender", "hand_over"),
                ("render_message", "store", "commit"),
                ("sweep_messages", "store", "commit"),
                ("sweep_messages", "sender", "hand_over"),
                ("assess_case", "store", "commit"),
                ("park_case", "store", "commit"),
                ("evaluate_stages", "store", "commit"),
                ("pace_lines", "store", "commit"),
                ("receive_report", "store", "commit"),
            )
        ),
        what=st.sampled_from(("STOP", "payment", "hold", "snapshot")),
    )
    def somebody_is_faster(self, borrower: str, at: tuple[str, str, str], what: str) -> None:
        """Between a read and the write that rests on it, something else is written."""
        world = self.world

        def first() -> None:
            owed = [loan for loan in world.loans(owed=True) if loan.borrower_id == borrower]
            if what == "STOP":
                world.text_now(self._phone(borrower), "STOP")
            elif what == "hold":
                world.tell_now(world.core.hold(borrower, world.now, "bankruptcy", world.now + 3 * DAY)[1])
            elif owed and what == "payment":
                world.tell_now(world.core.pay(owed[0], world.now, instalments=3))
            elif owed:
                world.tell_now(world.core.told("loan.snapshot", owed[0], world.now))

        world.gate.races.append((*at, first))

    @rule(borrower=borrowers, purpose=st.sampled_from((Purpose.COLLECTION, Purpose.SERVICING)), made=st.booleans())
    def dials(self, borrower: str, purpose: Purpose, made: bool) -> None:
        self.world.dial(borrower, "call", purpose, made=made)

    # ── the provider ─────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(answers=st.lists(st.sampled_from(sorted(Answer)), min_size=1, max_size=3))
    def answers(self, answers: list[Answer]) -> None:
        self.world.provider.next_answers = answers

    @rule(fates=st.lists(st.sampled_from(sorted(Fate)), min_size=1, max_size=3))
    def fates(self, fates: list[Fate]) -> None:
        self.world.provider.next_fates = fates

    @rule(on=st.booleans())
    def storm(self, on: bool) -> None:
        self.world.storm(on)

    # ── what breaks ──────────────────────────────────────────────────────────────────────────────────────────────────

    @rule(port=st.sampled_from(PORTS), lasts=st.sampled_from((10 * MINUTE, 3 * HOUR, DAY, 4 * DAY)))
    def outage(self, port: str, lasts: timedelta) -> None:
        self.world.outage(port, lasts)

    @rule(on=st.integers(0, 40), fault=st.sampled_from(sorted(Fault)))
    def breaks(self, on: int, fault: Fault) -> None:
        """One of the next calls goes wrong, in whichever service it is made."""
        self.world.gate.faults[self.world.gate.made + on] = fault

    @rule(quiet=st.booleans())
    def feed(self, quiet: bool) -> None:
        self.world.quiet_feed(quiet)

    @rule()
    def deaf(self) -> None:
        self.world.hear(False)

    @rule()
    def hears(self) -> None:
        self.world.hear(True)

    @rule()
    def loses_executions(self) -> None:
        self.world.lose_executions()

    @rule()
    def redrives(self) -> None:
        self.world.redrive()

    @rule(
        what=st.sampled_from(
            (
                (PauseScope.EVERYTHING, ""),
                (PauseScope.LINE, "us-10dlc"),
                (PauseScope.LINE, "cn-finance"),
                (PauseScope.TEMPLATE, "tier_1"),
                (PauseScope.TEMPLATE, "reminder"),
            )
        ),
        lasts=st.sampled_from((None, 3 * HOUR, 2 * DAY)),
    )
    def pauses(self, what: tuple[PauseScope, str], lasts: timedelta | None) -> None:
        self.world.pause(*what, lasts)

    @rule()
    def resumes(self) -> None:
        self.world.resume()

    @rule(release=st.sampled_from(RELEASES), functions=st.sets(st.sampled_from(FUNCTIONS), min_size=1, max_size=6))
    def releases(self, release: str, functions: set[str]) -> None:
        self.world.deploy(release, sorted(functions))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def teardown(self) -> None:
        world = getattr(self, "world", None)
        if world is None or world.checker.broken:
            return
        try:
            come_to_an_end(world, unpaid_days=48 if world.seed % 5 == 1 else 8)
        finally:
            note("\n".join(world.checker.journal[-60:]))
            type(self).seen.update(world.counted)
            type(self).worlds += 1


def run(histories: int, steps: int) -> Counter[str]:
    """That many histories; what happened in them."""
    Histories.seen = Counter()
    Histories.worlds = 0
    chosen = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize="DUNLIN_SEED" not in os.environ,
        print_blob=True,
        verbosity=Verbosity.normal,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    if "DUNLIN_SEED" in os.environ:
        seed(int(os.environ["DUNLIN_SEED"]))(Histories)
    run_state_machine_as_test(Histories, settings=chosen)
    return Histories.seen


#: What has to have happened in any set of histories, or they prove nothing; as the world and its checker count it.
ALWAYS = (
    "handed over",
    "felt sms",
    "reserved due_today",
    "reserved tier_1",
    "DELIVERED",
    "SUPPRESSED overtaken",
    "text stop",
    "fact payment.applied",
    "reserved payment_received",
    "announced letter.requested",
)

#: What the quick histories bring nearly all of: which of them depends on the examples that happen to be drawn.
HAPPENED = (
    "felt email",
    "reserved tier_2",
    "reserved opt_out_confirmation",
    "text start",
    "FAILED",
    "UNKNOWN",
    "UNSETTLED",
    "SUPPRESSED opted_out",
    "stream lost",
    "stream doubled",
    "answer: throttled",
    "answer: accepted, and the answer is lost",
    "fact payment.returned",
    "fact older",
    "fact repeated",
    "refused input",
    "killed",
    "outage of store",
    "deaf",
    "execution lost",
    "failed: TransientError",
    "execution ended: cured",
    "execution ended: referred",
    "fact hold.placed",
    "reserved promise_broken",
    "reserved application_declined",
    "SUPPRESSED window_closed",
)


def test_no_promise_breaks_and_everything_ends() -> None:
    seen = run(QUICK, 25)
    assert [what for what in ALWAYS if not seen[what]] == []
    missing = [what for what in HAPPENED if not seen[what]]
    assert len(missing) <= len(HAPPENED) / 3, missing


@pytest.mark.proof
def test_many_histories() -> None:
    """As many as `DUNLIN_HISTORIES` says, each with more steps."""
    seen = run(int(os.environ.get("DUNLIN_HISTORIES", "150")), 40)
    assert [what for what in ALWAYS if not seen[what]] == []
    missing = [what for what in (*HAPPENED, *RARER) if not seen[what]]
    assert len(missing) <= len(HAPPENED) / 3, missing


#: What it takes many histories to bring.
RARER = (
    "reserved tier_3",
    "ended EXPIRED",
    "failed: ContentOutdated",
    "SUPPRESSED hold",
    "SUPPRESSED paid",
    "FAILED provider_opted_out",
    "UNSETTLED process_lost",
    "dead doorbell rung",
    "execution ended: opted_out",
    "dialled",
    "dead letters",
    "paused everything",
)


def test_the_same_steps_are_the_same_history() -> None:
    """One seed, one history: written down to the last line twice, it is the same."""

    def history() -> list[str]:
        world = World(7, BEGINNINGS[1])
        settle(world)
        for borrower, days in zip(PROFILES, (-3, 2, 0, -10, 1), strict=True):
            lend(world, borrower, days)
        world.storm(True)
        daily(world, 12)
        world.lose_executions()
        world.outage("store", 5 * HOUR)
        come_to_an_end(world, unpaid_days=8)
        return world.checker.journal

    first = history()
    assert len(first) > 100
    assert history() == first
