"""What may be sent to a point for a purpose, against a model that keeps every word and asks the latest."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta

from dunlin.domain.preferences import Word, blocked_by, with_word
from dunlin.domain.words import Channel, Purpose
from dunlin.services.ports import Suppression
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import NOW, House, party_document

PHONES = ("+12125550123", "+12125550124", "+12125550125")
EMAILS = ("jo@marram.example", "al@marram.example")
moments = st.integers(0, 6).map(lambda minutes: NOW + timedelta(minutes=minutes))
words = st.lists(
    st.builds(
        Word,
        st.sampled_from(Channel),
        st.sampled_from([*map(str, Purpose), "*"]),
        st.booleans(),
        moments,
        st.just("word"),
    ),
    max_size=12,
)


def may(said: list[Word], channel: Channel, purpose: Purpose) -> bool:
    """The latest word that covers it; of two in one instant, the opt-out."""
    covering = [(w.at, w.opted_out) for w in said if w.channel is channel and w.purpose in (purpose, "*")]
    return not max(covering)[1] if covering else True


@given(words, st.randoms(use_true_random=False))
def test_the_latest_word_prevails_in_whatever_order_they_are_processed(said: list[Word], order: random.Random) -> None:
    shuffled = list(said)
    order.shuffle(shuffled)
    kept: tuple[Word, ...] = ()
    for word in shuffled:
        kept = with_word(kept, word)
        assert with_word(kept, word) == kept, "said twice, it is nothing"
    state = Suppression("point", blocked_by(kept))
    for channel in Channel:
        for purpose in Purpose:
            assert state.forbids(channel, purpose) != may(said, channel, purpose)
    assert len(kept) <= len(Channel) * (len(Purpose) + 1)


# ── The whole house: two borrowers, two parties, a telephone that is shared, a number that joins later ────────────────


@dataclass(frozen=True)
class Said:
    """One word as it reaches us. `scope`: purpose, number, everything; or STOP, STOP ALL, START by text."""

    scope: str
    who: int
    opted_out: bool
    purpose: Purpose
    minute: int


#: borrower, party, phone, e-mail (None: none). The second borrower's party shares the first one's telephone.
PEOPLE = (
    ("b-1", "p-1", PHONES[0], EMAILS[0]),
    ("b-1", "p-2", PHONES[1], None),
    ("b-2", "p-1", PHONES[0], EMAILS[1]),
)
says = st.lists(
    st.builds(
        Said,
        st.sampled_from(["purpose", "number", "everything", "STOP", "STOP ALL", "START", "new phone"]),
        st.integers(0, len(PEOPLE) - 1),
        st.booleans(),
        st.sampled_from([Purpose.SERVICING, Purpose.COLLECTION]),
        st.integers(0, 5),
    ),
    max_size=8,
)


class Model:
    """Every word ever said, by address; and what each party said of everything, for the numbers they get later."""

    def __init__(self) -> None:
        self.words: dict[str, list[Word]] = {}
        self.addresses = {
            number: [phone, *([mail] if mail else [])] for number, (_, _, phone, mail) in enumerate(PEOPLE)
        }
        self.everything: dict[int, Word] = {}

    def say(self, address: str, word: Word) -> None:
        channel = Channel.EMAIL if "@" in address else Channel.SMS
        self.words.setdefault(address, []).append(Word(channel, word.purpose, word.opted_out, word.at, ""))

    def say_everything(self, who: int, word: Word) -> None:
        for address in self.addresses[who]:
            self.say(address, word)
        known = self.everything.get(who)
        if known is None or (word.at, word.opted_out) > (known.at, known.opted_out):
            self.everything[who] = word

    def joins(self, who: int, phone: str) -> None:
        self.addresses[who] = [phone, *(a for a in self.addresses[who] if "@" in a)]
        word = self.everything.get(who)
        if word is not None and word.opted_out:
            self.say(phone, word)

    def may(self, address: str, purpose: Purpose) -> bool:
        channel = Channel.EMAIL if "@" in address else Channel.SMS
        return may(self.words.get(address, []), channel, purpose)


def profile(house: House, borrower_id: str, model: Model, sequence: int) -> None:
    parties = []
    for number, (owner, party_id, _, _) in enumerate(PEOPLE):
        if owner != borrower_id:
            continue
        phone, *mail = model.addresses[number]
        role = "primary" if party_id == "p-1" else "co_borrower"
        parties.append(party_document(party_id=party_id, role=role, phone=phone, email=mail[0] if mail else None))
    house.know(borrower_id, parties=parties, sequence=sequence)


@settings(max_examples=60, deadline=None)
@given(says)
def test_the_house_agrees_with_the_model(said: list[Said]) -> None:
    house, model = House(now=NOW + timedelta(minutes=6)), Model()
    for borrower_id in ("b-1", "b-2"):
        profile(house, borrower_id, model, 1)
    for number, each in enumerate(said):
        borrower_id, party_id, _, _ = PEOPLE[each.who]
        address = model.addresses[each.who][0]
        at = NOW + timedelta(minutes=each.minute)
        word = Word(Channel.SMS, "*", each.opted_out, at, "")
        preference: dict[str, object] = {"scope": each.scope, "opted_out": each.opted_out}
        match each.scope:
            case "purpose":
                word = Word(Channel.SMS, str(each.purpose), each.opted_out, at, "")
                preference |= {"phone": address, "purpose": str(each.purpose)}
                model.say(address, word)
            case "number":
                preference |= {"phone": address}
                model.say(address, word)
            case "everything":
                preference |= {"party_id": party_id}
                model.say_everything(each.who, word)
            case "new phone":
                model.joins(each.who, PHONES[2])
                profile(house, borrower_id, model, number + 2)
                continue
            case text:
                word = Word(Channel.SMS, "*", text != "START", at, "")
                model.say(address, word)
                if text == "STOP ALL":
                    for other in model.addresses:
                        if address in model.addresses[other]:
                            model.say_everything(other, word)
                for _ in range(2):
                    house.text(text, from_address=address, inbound_id=f"in-{number}", received_at=at)
                continue
        for _ in range(2):  # repeated is nothing
            house.tell(
                "preferences.changed", borrower_id, preference=preference, event_id=f"e-said-{number}", occurred_at=at
            )
    for borrower_id in ("b-1", "b-2"):
        for party in house.borrower(borrower_id).parties:
            for point in party.points:
                state = house.store.suppression(point.point)
                for purpose in Purpose:
                    allowed = model.may(point.address, purpose)
                    assert state.forbids(point.channel, purpose) != allowed
                    assert bool({str(purpose), "*"} & point.blocked) != allowed, "the borrower's mirror"
