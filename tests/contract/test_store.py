"""What every `Store` promises, held against each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from dunlin.domain.agreements import Awaited, Credit, Dialogue, Promise, Task, TaskKind
from dunlin.domain.borrower import Borrower, Contact, LastWord
from dunlin.domain.consent import Consent
from dunlin.domain.message import WINDOW_MARGIN, Message
from dunlin.domain.plans import Approval, Offer, PlanKind
from dunlin.domain.preferences import Word
from dunlin.domain.reach import Finding, PointState
from dunlin.domain.schedules import Payment
from dunlin.domain.shards import ATTENTION_SHARDS, attention_shard_of, shard_of
from dunlin.domain.words import Channel, MessageState, Purpose
from dunlin.errors import AlreadyRecorded, StateConflict, Suppressed, VersionConflict
from dunlin.services.ports import Change, Felt, PointRecord, Record, Store, Suppression

from tests.builders import (
    NOW,
    TODAY,
    a_borrower,
    a_contact,
    a_hold,
    a_loan,
    a_message,
    a_party,
    a_pending,
    a_point,
    an_overdue,
    usd,
)

_OFFER = Offer(
    2,
    PlanKind.LONGER_TERM,
    usd("50.00"),
    TODAY,
    TODAY,
    (Payment(TODAY, usd("50.00"), usd("0.00"), usd("1.00")),),
    Approval.LENDER,
    "o-1",
)
_CREDIT = Credit("pay-1", usd("20.00"), NOW, returned=True)
SMS_ALL = frozenset({"sms#*"})


@pytest.fixture
def stored(store: Store) -> Store:
    """One borrower with one message."""
    store.commit(Change(borrower=fresh(), new_messages=(a_message(),)))
    return store


def fresh(**changes: object) -> Borrower:
    return replace(a_borrower(a_loan(), version=0, revision=0, wake_at=NOW), **changes)  # type: ignore[arg-type]


def read(store: Store, borrower_id: str = "b-1") -> Borrower:
    found = store.borrower(borrower_id)
    assert found is not None
    return found


def message_of(store: Store, key: str = a_message().key, borrower_id: str = "b-1") -> Message:
    found = store.message(borrower_id, key)
    assert found is not None
    return found


class TestReading:
    def test_nothing_is_there(self, store: Store) -> None:
        assert store.borrower("b-1") is None
        assert store.message("b-1", "key") is None
        assert list(store.conversation("b-1")) == []
        assert store.suppression("point") == Suppression("point")
        assert list(store.borrowers_of("point")) == []
        assert list(store.awake("00", NOW, 10)) == []
        assert list(store.queued("line", 10)) == []
        assert list(store.standing("00", NOW, 10)) == []

    def test_what_was_written_is_read_back_whole(self, store: Store) -> None:
        point = a_point(blocked=frozenset({"*"}), usable=False)
        loan = a_loan(overdue=an_overdue("120.50", "10.00"), days_past_due=3, pending=(a_pending(),))
        borrower = a_borrower(
            loan,
            parties=(
                a_party(points=(point,), name="李 明", consents=(Consent("marketing", "sms", NOW, "web", "m-1"),)),
            ),
            holds=(a_hold(until=NOW),),
            contacts=(a_contact(),),
            version=0,
            revision=0,
            chain_head="abc",
            wake_at=NOW + timedelta(microseconds=1),
        )
        store.commit(Change(borrower=borrower))
        assert read(store) == replace(borrower, version=1, revision=1)

    def test_a_message_too(self, store: Store) -> None:
        message = a_message(body="Größe 12,50 €\n【签名】", price="0.01 USD")
        store.commit(Change(new_messages=(message,)))
        assert message_of(store) == replace(message, revision=1)

    def test_a_conversation_is_in_the_order_of_its_requests(self, store: Store) -> None:
        later = a_message(key="a", requested_at=NOW + timedelta(seconds=1))
        store.commit(Change(new_messages=(later, a_message(key="c"), a_message(key="b"))))
        store.commit(Change(new_messages=(a_message(key="z", borrower_id="b-2"),)))
        assert [message.key for message in store.conversation("b-1")] == ["b", "c", "a"]


class TestBorrowers:
    def test_version_counts_facts_and_revision_counts_writes(self, stored: Store) -> None:
        assert (read(stored).version, read(stored).revision) == (1, 1)
        stored.commit(Change(borrower=replace(read(stored), wake_at=None), quiet=True))
        assert (read(stored).version, read(stored).revision) == (1, 2)
        stored.commit(Change(borrower=replace(read(stored), chain_head="x")))
        assert (read(stored).version, read(stored).revision) == (2, 3)

    def test_a_new_one_must_not_exist(self, stored: Store) -> None:
        with pytest.raises(VersionConflict):
            stored.commit(Change(borrower=fresh()))

    def test_an_old_read_is_refused(self, stored: Store) -> None:
        old = read(stored)
        stored.commit(Change(borrower=old, quiet=True))
        with pytest.raises(VersionConflict):
            stored.commit(Change(borrower=old))

    def test_one_that_does_not_exist_cannot_be_changed(self, store: Store) -> None:
        with pytest.raises(VersionConflict):
            store.commit(Change(borrower=fresh(revision=3)))


class TestMessages:
    def test_an_occasion_has_one_key(self, stored: Store) -> None:
        with pytest.raises(AlreadyRecorded):
            stored.commit(Change(new_messages=(a_message(),)))
        stored.commit(Change(new_messages=(a_message(borrower_id="b-2"),)))

    def test_a_move_needs_the_revision_that_was_read(self, stored: Store) -> None:
        old = message_of(stored)
        stored.commit(Change(moved_messages=(replace(old, state=MessageState.DUE),)))
        assert (message_of(stored).state, message_of(stored).revision) == (MessageState.DUE, 2)
        with pytest.raises(StateConflict):
            stored.commit(Change(moved_messages=(replace(old, state=MessageState.CANCELLED),)))
        assert message_of(stored).state is MessageState.DUE

    def test_what_does_not_exist_cannot_move(self, store: Store) -> None:
        with pytest.raises(StateConflict):
            store.commit(Change(moved_messages=(a_message(revision=1),)))


class TestRecords:
    def test_once_for_ever(self, stored: Store) -> None:
        record = Record("b-1", "PAY#p-1#applied", {"amount": "1.00 USD", "at": NOW, "nested": {"a": [1, None]}})
        stored.commit(Change(records=(record,)))
        with pytest.raises(AlreadyRecorded, match="PAY#p-1#applied"):
            stored.commit(Change(records=(record,)))

    def test_the_first_that_exists_is_named(self, stored: Store) -> None:
        """Callers tell a repeated event from a repeated payment."""
        fact, payment = Record("b-1", "FACT#e", {}), Record("b-1", "PAY#p", {})
        stored.commit(Change(records=(payment,)))
        with pytest.raises(AlreadyRecorded, match="PAY#p"):
            stored.commit(Change(borrower=read(stored), records=(fact, payment)))
        stored.commit(Change(records=(fact,)))
        with pytest.raises(AlreadyRecorded, match="FACT#e"):
            stored.commit(Change(borrower=read(stored), records=(fact, payment)))

    def test_a_text_is_kept_once(self, store: Store) -> None:
        record = PointRecord("point", "IN#1", {"text": "停"})
        store.commit(Change(point_records=(record,)))
        with pytest.raises(AlreadyRecorded):
            store.commit(Change(point_records=(record,)))
        assert list(store.borrowers_of("point")) == []

    def test_what_follows_from_a_text_follows_once(self, stored: Store) -> None:
        """The borrower, the reply and the record are one: whoever comes second, with a fresh read, changes nothing."""
        promise = Promise("in-1", "p-1", ("l-1",), usd("50.00"), TODAY, TODAY, NOW, NOW, credits=(_CREDIT,))
        dialogue = Dialogue("p-1", "point", Awaited.OFFER, NOW, NOW, missed=1, text_id="in-1", offers=(_OFFER,))
        task = Task("in-1", TaskKind.DISPUTE, "p-1", NOW, NOW, NOW, "R1", ("h-1",), told=("opened",), chosen=_OFFER)
        after = replace(read(stored), promises=(promise,), dialogues=(dialogue,), tasks=(task,))
        reply = a_message(key="reply#promise_confirmed#sms#in-1")
        record = Record("b-1", "TEXT#in-1", {"did": ["promise"], "received_at": NOW})
        stored.commit(Change(borrower=after, new_messages=(reply,), records=(record,)))
        known = read(stored)
        assert (known.promises, known.dialogues, known.tasks) == ((promise,), (dialogue,), (task,))
        again = a_message(key="reply#help#sms#in-1")
        with pytest.raises(AlreadyRecorded):
            stored.commit(Change(borrower=replace(known, tasks=()), new_messages=(again,), records=(record,)))
        assert read(stored) == known
        assert stored.message("b-1", again.key) is None


class TestAllOrNothing:
    def test_a_conflict_of_any_part_writes_nothing(self, stored: Store) -> None:
        borrower, message = read(stored), message_of(stored)
        stored.commit(Change(records=(Record("b-1", "R", {}),), point_records=(PointRecord("point", "IN#1", {}),)))
        good = Change(borrower=replace(borrower, chain_head="moved"), new_messages=(a_message(key="new"),))
        bad: list[tuple[Change, type[Exception]]] = [
            (replace(good, moved_messages=(replace(message, revision=9),)), StateConflict),
            (replace(good, records=(Record("b-1", "R", {}),)), AlreadyRecorded),
            (replace(good, point_records=(PointRecord("point", "IN#1", {}),)), AlreadyRecorded),
            (replace(good, new_messages=(a_message(key="new"), a_message())), AlreadyRecorded),
            (replace(good, borrower=replace(borrower, revision=7)), VersionConflict),
            (replace(good, suppression=Suppression("point", SMS_ALL, NOW, "in-2", revision=3)), StateConflict),
        ]
        for change, error in bad:
            with pytest.raises(error):
                stored.commit(change)
            assert read(stored) == borrower
            assert message_of(stored) == message
            assert stored.message("b-1", "new") is None
            assert stored.suppression("point").blocked == frozenset()
        stored.commit(good)
        assert read(stored).chain_head == "moved"

    def test_the_borrower_s_conflict_is_named_before_the_message_s(self, stored: Store) -> None:
        """Both moved: whoever reads again reads both."""
        with pytest.raises(VersionConflict):
            stored.commit(Change(borrower=replace(read(stored), revision=9), moved_messages=(a_message(revision=9),)))

    def test_an_empty_change_is_nothing(self, store: Store) -> None:
        store.commit(Change())


class TestSuppressions:
    def test_written_on_what_was_read(self, store: Store) -> None:
        words = (
            Word(Channel.SMS, "*", True, NOW, "in-1"),
            Word(Channel.EMAIL, "marketing", False, NOW + timedelta(microseconds=1), "o-1"),
        )
        first = replace(store.suppression("point"), blocked=SMS_ALL, heard_at=NOW, changed_by="in-1", words=words)
        store.commit(Change(suppression=first))
        state = store.suppression("point")
        assert state == Suppression("point", SMS_ALL, NOW, "in-1", words, 1)
        with pytest.raises(StateConflict):
            store.commit(Change(suppression=first))
        later = NOW + timedelta(microseconds=1)
        store.commit(Change(suppression=replace(state, blocked=frozenset(), heard_at=later)))
        assert store.suppression("point").blocked == frozenset()
        assert store.suppression("point").heard_at == later

    def test_what_was_found_out_about_a_point_is_kept_beside_what_was_said(self, store: Store) -> None:
        findings = (
            Finding(PointState.CONFIRMED, NOW, "b-1", "p-1", "app"),
            Finding(PointState.REASSIGNED, NOW + timedelta(microseconds=1), source="carrier"),
        )
        everything = LastWord(True, NOW, "s-1")
        store.commit(Change(suppression=Suppression("point", findings=findings, of_all=everything)))
        state = store.suppression("point")
        assert (state.findings, state.of_all, state.revision) == (findings, everything, 1)
        assert not state.forbids(Channel.SMS, Purpose.COLLECTION)
        with pytest.raises(StateConflict):
            store.commit(Change(suppression=Suppression("point", findings=findings)))
        store.commit(Change(suppression=replace(state, findings=(), of_all=None, blocked=SMS_ALL)))
        assert store.suppression("point") == Suppression("point", SMS_ALL, revision=2)

    def test_two_words_of_one_instant_do_not_undo_each_other(self, store: Store) -> None:
        """They were heard at the same time, so only the count of writes tells that the other came between."""
        first = replace(store.suppression("point"), heard_at=NOW, changed_by="in-1")
        store.commit(Change(suppression=first))
        state = store.suppression("point")
        store.commit(Change(suppression=replace(state, blocked=frozenset({"sms#servicing"}))))
        with pytest.raises(StateConflict):
            store.commit(Change(suppression=replace(state, blocked=frozenset({"sms#collection"}))))
        assert store.suppression("point").blocked == {"sms#servicing"}

    @pytest.mark.parametrize(
        ("blocked", "purpose", "refused"),
        [
            (SMS_ALL, Purpose.COLLECTION, True),
            (frozenset({"sms#collection"}), Purpose.COLLECTION, True),
            (frozenset({"sms#marketing"}), Purpose.COLLECTION, False),
            (frozenset({"email#*"}), Purpose.COLLECTION, False),
            (frozenset(), Purpose.COLLECTION, False),
        ],
    )
    def test_a_reservation_unless_blocked(
        self, stored: Store, blocked: frozenset[str], purpose: Purpose, refused: bool
    ) -> None:
        if blocked:
            stored.commit(Change(suppression=Suppression("point", blocked, NOW)))
        change = Change(borrower=read(stored), unless_blocked=("point", Channel.SMS, purpose))
        if refused:
            with pytest.raises(Suppressed):
                stored.commit(change)
            assert read(stored).revision == 1
        else:
            stored.commit(change)
            assert read(stored).revision == 2

    def test_the_opt_out_is_named_before_anything_else(self, stored: Store) -> None:
        stored.commit(Change(suppression=Suppression("point", SMS_ALL, NOW)))
        with pytest.raises(Suppressed):
            stored.commit(
                Change(
                    borrower=replace(read(stored), revision=9),
                    moved_messages=(a_message(revision=9),),
                    unless_blocked=("point", Channel.SMS, Purpose.COLLECTION),
                )
            )

    def test_who_has_a_point(self, store: Store) -> None:
        for borrower_id in ("b-2", "b-1", "b-2"):
            store.link_point("point", borrower_id)
        store.link_point("other", "b-3")
        store.commit(
            Change(
                suppression=Suppression("point", SMS_ALL, NOW),
                point_records=(PointRecord("point", "IN#BORROWER#9", {}),),
            )
        )
        assert list(store.borrowers_of("point")) == ["b-1", "b-2"]


class TestFelt:
    """What was felt at a contact point: written as it was read, beside the opt-out and apart from it."""

    def there(self, *refs: str) -> tuple[Contact, ...]:
        return tuple(a_contact(ref=ref, loan_ids=(), felt_until=NOW + timedelta(hours=1)) for ref in refs)

    def test_written_on_what_was_read(self, store: Store) -> None:
        assert store.felt("point") == Felt("point")
        first = Felt("point", self.there("b-1/a"))
        store.commit(Change(felt=(first,)))
        assert store.felt("point") == replace(first, revision=1)
        for stale in (first, replace(first, revision=2)):
            with pytest.raises(StateConflict):
                store.commit(Change(felt=(stale,)))
        store.commit(Change(felt=(store.felt("point").without("b-1/a", NOW),)))
        assert store.felt("point") == Felt("point", (), 2)
        with pytest.raises(StateConflict):  # what was released does not begin again at the beginning
            store.commit(Change(felt=(first,)))
        assert store.felt("other") == Felt("other")

    def test_of_two_borrowers_at_one_moment_one_is_first(self, stored: Store) -> None:
        stored.commit(Change(borrower=fresh(borrower_id="b-2")))
        as_read = stored.felt("point")
        one, other = (
            Change(
                borrower=replace(read(stored, borrower_id), chain_head="reserved"),
                felt=(replace(as_read, contacts=self.there(f"{borrower_id}/k")),),
                unless_blocked=("point", Channel.SMS, Purpose.COLLECTION),
            )
            for borrower_id in ("b-1", "b-2")
        )
        stored.commit(one)
        with pytest.raises(StateConflict):
            stored.commit(other)
        assert read(stored, "b-2").chain_head == ""
        assert [contact.ref for contact in stored.felt("point").contacts] == ["b-1/k"]

    @pytest.mark.parametrize("moved", [True, False])
    def test_as_it_was_read(self, stored: Store, moved: bool) -> None:
        """The other points of the same person are looked at, and not written."""
        as_read = stored.felt("email"), stored.felt("second")
        if moved:
            stored.commit(Change(felt=(replace(as_read[1], contacts=self.there("b-2/k")),)))
        change = Change(borrower=read(stored), felt=(Felt("point", self.there("b-1/k")),), felt_as_read=as_read)
        if moved:
            with pytest.raises(StateConflict):
                stored.commit(change)
            assert read(stored).revision == 1
            assert stored.felt("point") == Felt("point")
        else:
            stored.commit(change)
            assert read(stored).revision == 2
            assert stored.felt("point").revision == 1
            assert (stored.felt("email"), stored.felt("second")) == as_read

    def test_an_opt_out_loses_nothing_and_takes_nothing(self, stored: Store) -> None:
        """Read before, written after, in both orders: neither has to wait for the other."""
        opt_out = replace(stored.suppression("point"), blocked=SMS_ALL, heard_at=NOW, changed_by="in-1")
        felt = replace(stored.felt("point"), contacts=self.there("b-1/k"))
        stored.commit(Change(felt=(felt,)))
        again = replace(stored.felt("point"), contacts=self.there("b-1/k", "b-1/l"))
        stored.commit(Change(suppression=opt_out))
        assert [contact.ref for contact in stored.felt("point").contacts] == ["b-1/k"]
        with pytest.raises(Suppressed):
            stored.commit(Change(felt=(again,), unless_blocked=("point", Channel.SMS, Purpose.COLLECTION)))
        stored.commit(Change(felt=(again,)))  # a release asks nobody
        assert stored.suppression("point").blocked == SMS_ALL
        assert list(stored.borrowers_of("point")) == []

    def test_the_opt_out_is_named_first(self, stored: Store) -> None:
        stored.commit(Change(suppression=Suppression("point", SMS_ALL, NOW)))
        stale = Felt("point", revision=7)
        with pytest.raises(Suppressed):
            stored.commit(
                Change(
                    borrower=replace(read(stored), revision=9),
                    unless_blocked=("point", Channel.SMS, Purpose.COLLECTION),
                    felt=(stale,),
                    felt_as_read=(replace(stale, point="email"),),
                )
            )


class TestWho:
    """`awake`: sparse, by shard, earliest first."""

    def test_whose_wake_has_come(self, store: Store) -> None:
        shard = shard_of("b-1")
        names = [name for name in (f"b-{number}" for number in range(80)) if shard_of(name) == shard][:4]
        for number, name in enumerate(reversed(names)):
            store.commit(Change(borrower=fresh(borrower_id=name, wake_at=NOW + timedelta(microseconds=number))))
        store.commit(Change(borrower=fresh(borrower_id="idle", wake_at=None)))
        assert list(store.awake(shard, NOW, 9)) == names[-1:]
        assert list(store.awake(shard, NOW + timedelta(seconds=1), 9)) == names[::-1]
        assert list(store.awake(shard, NOW + timedelta(seconds=1), 2)) == names[:1:-1]
        assert list(store.awake(shard, NOW - timedelta(seconds=1), 9)) == []
        woken = read(store, names[-1])
        store.commit(Change(borrower=replace(woken, wake_at=None), quiet=True))
        assert names[-1] not in store.awake(shard, NOW + timedelta(seconds=1), 9)

    def test_only_its_own_shard(self, store: Store) -> None:
        store.commit(Change(borrower=fresh()))
        assert list(store.awake("07" if shard_of("b-1") != "07" else "06", NOW, 9)) == []


class TestWhatIsQueued:
    """`queued`: REQUESTED only, by priority, then deadline."""

    def test_most_urgent_first(self, store: Store) -> None:
        hour = timedelta(hours=1)
        wanted = [("urgent", 0, 9), ("soon", 5, 1), ("later", 5, 2), ("last", 12, 0)]
        for key, priority, hours in reversed(wanted):
            store.commit(Change(new_messages=(a_message(key=key, priority=priority, not_after=NOW + hours * hour),)))
        store.commit(Change(new_messages=(a_message(key="elsewhere", line="other"),)))
        assert [queued.key for queued in store.queued("line", 10)] == ["urgent", "soon", "later", "last"]
        assert [queued.key for queued in store.queued("line", 2)] == ["urgent", "soon"]
        first = store.queued("line", 1)[0]
        assert (first.borrower_id, first.not_before, first.not_after, first.expected_parts) == (
            "b-1",
            NOW,
            NOW + 9 * hour - WINDOW_MARGIN,  # later than that its reservation would stop it
            1,
        )

    def test_what_may_not_go_hides_nobody(self, store: Store) -> None:
        hour = timedelta(hours=1)
        for number in range(5):
            over = a_message(borrower_id=f"b-over-{number}", priority=1, not_after=NOW + timedelta(minutes=1))
            store.commit(Change(new_messages=(over,)))
        early = a_message(borrower_id="b-early", priority=1, not_before=NOW + hour, not_after=NOW + 3 * hour)
        store.commit(Change(new_messages=(early, a_message(borrower_id="b-1", priority=7))))
        assert [(each.borrower_id, each.priority) for each in store.queued("line", 1, NOW)] == [("b-1", 7)]
        assert [each.borrower_id for each in store.queued("line", 1, NOW + hour)] == ["b-early"]
        assert len(store.queued("line", 10)) == 7

    def test_a_released_message_leaves_it(self, stored: Store) -> None:
        assert len(stored.queued("line", 10)) == 1
        stored.commit(Change(moved_messages=(replace(message_of(stored), state=MessageState.DUE),)))
        assert list(stored.queued("line", 10)) == []

    def test_one_occasion_of_two_borrowers(self, store: Store) -> None:
        for borrower_id in ("b-1", "b-2"):
            store.commit(Change(new_messages=(a_message(borrower_id=borrower_id),)))
        assert {queued.borrower_id for queued in store.queued("line", 10)} == {"b-1", "b-2"}


class TestWhatStands:
    """`standing`: everything that is not at its end, by the moment at which somebody has to look."""

    def test_by_moment(self, store: Store) -> None:
        for number in range(3):
            at = NOW - timedelta(minutes=number)
            store.commit(Change(new_messages=(a_message(key=f"k-{number}", attend_at=at),)))
        store.commit(Change(new_messages=(a_message(key="future", attend_at=NOW + timedelta(seconds=1)),)))
        shard = attention_shard_of("b-1")
        assert list(store.standing(shard, NOW, 9)) == [("b-1", "k-2"), ("b-1", "k-1"), ("b-1", "k-0")]
        assert list(store.standing(shard, NOW, 1)) == [("b-1", "k-2")]
        (other,) = set(ATTENTION_SHARDS) - {shard}
        assert list(store.standing(other, NOW, 9)) == []

    @pytest.mark.parametrize("state", list(MessageState))
    def test_what_ended_is_left_alone(self, store: Store, state: MessageState) -> None:
        store.commit(Change(new_messages=(a_message(state=state, attend_at=NOW),)))
        standing = list(store.standing(attention_shard_of("b-1"), NOW, 9))
        assert bool(standing) is not a_message(state=state).is_terminal
