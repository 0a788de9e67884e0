"""Dead letters: shown without a change, redriven without a loss, wherever it is interrupted."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.message import Move
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import TransientError
from dunlin.services.redrive import Fate, Letter, LetterKind, Redrive
from dunlin.testing import FakeDeadLetters

from tests.builders import MINUTE, NOW, TODAY, House, a_message, loan_document

CORE, REPORTS, INBOUND = "CoreEventsDeadLetterQueue", "ReportsDeadLetterQueue", "InboundDeadLetterQueue"
OPT_OUTS = "OptOutsDeadLetterQueue"
WAKES, STREAMS, SCHEDULES = "WakeDeadLetterQueue", "StreamFailuresQueue", "ScheduleFailuresQueue"
QUEUES = {
    CORE: LetterKind.CORE_EVENT,
    REPORTS: LetterKind.REPORT,
    INBOUND: LetterKind.INBOUND,
    OPT_OUTS: LetterKind.OPT_OUT,
    WAKES: LetterKind.WAKE,
    STREAMS: LetterKind.STREAM_FAILURE,
    SCHEDULES: LetterKind.SCHEDULE_FAILURE,
}
BACK = {LetterKind.CORE_EVENT, LetterKind.REPORT, LetterKind.INBOUND, LetterKind.OPT_OUT}


class Killed(BaseException):
    """The process ends here."""


def a_letter(queue: str = CORE, number: int = 1, *, sequence: int = 0, **ids: str) -> Letter:
    return Letter(queue, f"{queue}-{number}", QUEUES[queue], NOW, 5, tuple(ids.items()), sequence)


def filled(count: int = 2) -> FakeDeadLetters:
    letters = FakeDeadLetters()
    for queue in QUEUES:
        for number in range(count):
            letters.add(a_letter(queue, number))
    return letters


def everything(letters: FakeDeadLetters) -> Counter[str]:
    return Counter(
        [letter.letter_id for letter in letters.returned]
        + [letter.letter_id for queue in letters.letters.values() for letter in queue]
    )


def service(letters: FakeDeadLetters, house: House) -> Redrive:
    return Redrive(letters, house.store, house.clock)


class TestGoing:
    def test_showing_changes_nothing(self, house: House) -> None:
        letters = filled()
        before = everything(letters)
        shown = service(letters, house).show()
        assert Counter(each.letter.letter_id for each in shown) == before
        assert (everything(letters), letters.returned, letters.hidden) == (before, [], set())

    def test_what_is_a_fact_goes_back_and_what_is_a_hint_goes(self, house: House) -> None:
        letters = filled(25)
        done = list(service(letters, house).go())
        assert all(each.fate is (Fate.RETURNED if each.letter.kind in BACK else Fate.REMOVED) for each in done)
        assert len(done) == 25 * len(QUEUES)
        assert Counter(letter.kind for letter in letters.returned) == dict.fromkeys(BACK, 25)
        assert not any(letters.letters.values())

    @pytest.mark.parametrize("kills", [True, False], ids=["killed", "fails"])
    @pytest.mark.parametrize("movable", [True, False])
    def test_a_fault_between_any_two_calls_loses_nothing(self, house: House, kills: bool, movable: bool) -> None:
        calls: list[str] = []
        counted = filled()
        counted.before_call = calls.append
        list(service(counted, house).go())
        if not movable:
            assert {"piles", "hold", "let_go", "give_back", "remove", "give_all_back"} <= set(calls)
        for fatal in range(len(calls)):
            letters = filled()
            letters.moves = {CORE} if movable else set()
            intended = everything(letters)
            made = 0

            def before(operation: str, fatal: int = fatal) -> None:
                nonlocal made
                made += 1
                if made - 1 == fatal or (kills and made - 1 > fatal):
                    raise Killed if kills else TransientError(operation)

            letters.before_call = before
            with suppress(Killed, TransientError):  # moving a queue whole makes fewer calls than were counted
                list(service(letters, house).go())
            # Whatever is in hand falls back by itself, and the next run finds it.
            letters.before_call = lambda _: None
            letters.hidden.clear()
            facts = {name for name in intended if QUEUES[name.rsplit("-", 1)[0]] in BACK}
            assert facts <= set(everything(letters)), f"lost at call {fatal}"
            list(service(letters, house).go())
            assert {letter.letter_id for letter in letters.returned} == facts
            assert max(Counter(letter.letter_id for letter in letters.returned).values()) <= 2
            assert not any(letters.letters.values())

    def test_whoever_stops_listening_stops_it(self, house: House) -> None:
        letters = filled()
        going = service(letters, house).go([CORE])
        next(going)
        going.close()  # type: ignore[attr-defined]
        assert len(letters.returned) == 1
        assert [letter.letter_id for letter in letters.letters[CORE]] == [f"{CORE}-1"]
        assert letters.hidden == set()

    def test_selected_ones(self, house: House) -> None:
        letters = filled(3)
        letters.moves = set(QUEUES)  # a move would take the others along
        redrive = service(letters, house)
        wanted = {f"{CORE}-1", f"{WAKES}-2"}
        assert {each.letter.letter_id for each in redrive.show(ids=wanted)} == wanted
        assert {done.letter.letter_id for done in redrive.go(ids=wanted)} == wanted
        assert [letter.letter_id for letter in letters.returned] == [f"{CORE}-1"]
        assert sum(map(len, letters.letters.values())) == 3 * len(QUEUES) - 2
        assert letters.hidden == set()

    def test_selected_queues(self, house: House) -> None:
        letters = filled()
        assert {done.letter.queue for done in service(letters, house).go([REPORTS])} == {REPORTS}
        assert {letter.queue for letter in letters.returned} == {REPORTS}

    def test_sqs_moves_a_whole_queue_where_it_may(self, house: House) -> None:
        letters = filled()
        letters.moves = {CORE}
        fates = {(done.letter.queue, done.fate) for done in service(letters, house).go([CORE, REPORTS])}
        assert fates == {(CORE, Fate.MOVING), (REPORTS, Fate.RETURNED)}

    def test_refused_input_is_for_a_person(self, house: House) -> None:
        letters = FakeDeadLetters()
        letters.add(replace(a_letter(), queue="RefusedInputQueue", kind=LetterKind.REFUSED))
        assert list(service(letters, house).go()) == []
        assert service(letters, house).show() == []


class TestProspects:
    @pytest.fixture
    def known(self, house: House) -> House:
        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7), sequence=4))
        return house

    def prospect(self, house: House, letter: Letter) -> str:
        letters = FakeDeadLetters()
        letters.add(letter)
        ((shown),) = service(letters, house).show()
        return shown.prospect

    @pytest.mark.parametrize(
        ("sequence", "words"), [(4, "changes no figure"), (3, "changes no figure"), (5, "applied once")]
    )
    def test_a_fact_older_than_what_is_known(self, known: House, sequence: int, words: str) -> None:
        letter = a_letter(borrower_id="b-1", type="payment.applied", loan_id="l-1", sequence=sequence)
        assert words in self.prospect(known, letter)

    def test_facts(self, known: House) -> None:
        def fact(**ids: str) -> str:
            return self.prospect(known, replace(a_letter(), ids=tuple(ids.items())))

        assert "makes the borrower known" in fact(borrower_id="nobody", type="borrower.updated")
        assert "fails again" in fact(borrower_id="nobody", type="loan.due", loan_id="l-1")
        assert "checkpoint" in fact(type="feed.checkpoint")
        assert "refused" in fact()
        assert "applied once" in fact(borrower_id="b-1", type="hold.placed")

    def test_reports(self, known: House) -> None:
        message = known.sent()
        assert "settles" in self.prospect(known, a_letter(REPORTS, ref=message.ref))
        known.report(message)
        assert "DELIVERED already" in self.prospect(known, a_letter(REPORTS, ref=message.ref))
        assert "fails again" in self.prospect(known, a_letter(REPORTS, ref="b-1/none"))
        assert "no message" in self.prospect(known, a_letter(REPORTS))

    def test_answers(self, known: House) -> None:
        assert "opt-out" in self.prospect(known, a_letter(INBOUND))


class TestHints:
    def fate(self, house: House, letter: Letter) -> Fate:
        letters = FakeDeadLetters()
        letters.add(letter)
        (done,) = service(letters, house).go()
        assert letters.hidden == set()
        return done.fate

    def test_a_wake_stays_while_its_shard_is_asleep(self, house: House) -> None:
        from dunlin.domain.shards import WAKE_SHARDS, shard_of

        house.know("b-1", loan_document(due_on=TODAY + timedelta(days=7)))
        other = next(shard for shard in WAKE_SHARDS if shard != shard_of("b-1"))
        house.clock.advance(timedelta(minutes=14))
        assert self.fate(house, a_letter(WAKES, shard=shard_of("b-1"))) is Fate.REMOVED
        house.clock.advance(timedelta(minutes=2))
        assert self.fate(house, a_letter(WAKES, shard=shard_of("b-1"))) is Fate.LEFT
        assert self.fate(house, a_letter(WAKES, shard="forged")) is Fate.LEFT
        assert self.fate(house, a_letter(SCHEDULES)) is Fate.LEFT
        assert self.fate(house, a_letter(WAKES, shard=other)) is Fate.REMOVED
        house.wake()
        assert self.fate(house, a_letter(WAKES, shard=shard_of("b-1"))) is Fate.REMOVED

    def test_a_tick_stays_while_messages_wait_for_the_sweep(self, house: House) -> None:
        message = a_message(state=MessageState.DUE, attend_at=NOW)
        house.store.messages["b-1", message.key] = message
        house.clock.advance(timedelta(minutes=16))
        assert self.fate(house, a_letter(SCHEDULES)) is Fate.LEFT
        house.store.messages.clear()
        assert self.fate(house, a_letter(SCHEDULES)) is Fate.REMOVED

    @pytest.mark.parametrize(
        ("function", "state", "moved", "fate"),
        [
            ("render_message", MessageState.DUE, NOW - MINUTE, Fate.LEFT),
            ("render_message", MessageState.DUE, NOW + MINUTE, Fate.REMOVED),  # it is another record's
            ("render_message", MessageState.RENDERED, NOW - MINUTE, Fate.REMOVED),
            ("send_message", MessageState.RENDERED, NOW - MINUTE, Fate.LEFT),
            ("send_message", MessageState.DUE, NOW - MINUTE, Fate.REMOVED),
            ("", MessageState.DUE, NOW - MINUTE, Fate.LEFT),
            ("", MessageState.RENDERED, NOW - MINUTE, Fate.LEFT),
            ("", MessageState.SENT, NOW - MINUTE, Fate.REMOVED),
        ],
    )
    def test_a_record_stays_while_a_message_stands_where_it_found_it(
        self, house: House, function: str, state: MessageState, moved: object, fate: Fate
    ) -> None:
        assert hasattr(moved, "tzinfo")
        # Put off by the sweep again and again: its moment always lies ahead.
        message = a_message(
            state=state,
            attend_at=NOW + timedelta(hours=9),
            moves=(Move(state, moved, Reason.STAGE_DUE),),  # type: ignore[arg-type]
        )
        house.store.messages["b-1", message.key] = message
        assert self.fate(house, a_letter(STREAMS, function=function)) is fate
