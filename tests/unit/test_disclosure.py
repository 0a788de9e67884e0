"""An export is about one person: nothing of another party is in it, and the chain can be followed all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from dunlin.adapters.dynamo.store import read_message
from dunlin.domain.agreements import Task, TaskKind
from dunlin.domain.borrower import Borrower, ContactPoint, Party
from dunlin.domain.ledger import body_digest, entry_hash
from dunlin.domain.message import Message
from dunlin.domain.words import Channel, HoldKind, MessageState, PartyRole, Purpose
from dunlin.errors import InvalidInput
from dunlin.services.disclosure import digest_of, export, proof_of, proof_of_export
from dunlin.services.ports import Change, PointRecord, Record
from dunlin.testing import MemoryHoldings, MemoryStore
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import MINUTE, NOW, a_borrower, a_hold, a_loan, a_message, a_party, a_point

OWN, THEIRS = "p-1", "co-77"
THEIR_POINT = ContactPoint(Channel.SMS, "+12065550187", "point-theirs")
#: Whatever names the other party, or is theirs alone.
SECRET = (THEIRS, "Alex Partner", "+12065550187", "point-theirs", "l-theirs", "I lost my job", "for Alex only")


def chained(*messages: Message) -> tuple[list[Message], str]:
    found: list[Message] = []
    head = ""
    for number, message in enumerate(messages):
        at = NOW + number * MINUTE
        reserved = replace(
            message,
            key=f"{message.key}{number}",
            state=MessageState.DELIVERED,
            reserved_at=at,
            requested_at=at,
            body_digest=body_digest(message.subject, message.body),
            previous_hash=head,
        )
        head = entry_hash(head, reserved)
        found.append(replace(reserved, entry_hash=head))
    return found, head


def two(shared: bool = False) -> tuple[MemoryStore, MemoryHoldings]:
    """Two parties to one case: a loan together, one alone, and each with something that is nobody else's business."""
    point = replace(THEIR_POINT, address=a_point().address, point="point-sms") if shared else THEIR_POINT
    other = Party(
        THEIRS, PartyRole.CO_BORROWER, "Alex Partner", "en-US", (point,), frozenset(Purpose), (), ("l-1", "l-theirs")
    )
    primary = a_party(loan_ids=("l-1",))
    messages, head = chained(
        a_message(body="for Jo"),
        a_message(body="for Alex only", party_id=THEIRS, principal_id=THEIRS, point="point-theirs", key="x#co-77#"),
        a_message(body="for Jo again"),
    )
    borrower = a_borrower(
        a_loan(),
        a_loan("l-theirs"),
        parties=(primary, other),
        holds=(a_hold(HoldKind.HARDSHIP, hold_id="h-theirs", party_id=THEIRS), a_hold(hold_id="h-own", party_id=OWN)),
        tasks=(
            Task(
                task_id="t-own",
                kind=next(iter(TaskKind)),
                party_id=OWN,
                opened_at=NOW,
                acknowledge_by=NOW,
                answer_by=NOW,
                reference="A1",
            ),
            Task(
                task_id="t-theirs",
                kind=next(iter(TaskKind)),
                party_id=THEIRS,
                opened_at=NOW,
                acknowledge_by=NOW,
                answer_by=NOW,
                reference="A2",
            ),
        ),
        chain_head=head,
        revision=0,
    )
    store = MemoryStore()
    store.commit(Change(borrower=borrower, new_messages=tuple(messages)))
    for message in messages:
        store.messages[message.borrower_id, message.key] = message
    store.link_point("point-sms", "b-1")
    store.link_point("point-theirs", "b-1")
    records = (
        Record("b-1", "TEXT#own", {"party_id": OWN, "meaning": "question"}),
        Record("b-1", "TEXT#theirs", {"party_id": THEIRS, "meaning": "hardship"}),
        Record("b-1", "FACT#profile", {"type": "borrower.updated", "consents": {OWN: [], THEIRS: []}}),
        Record("b-1", "PAY#1", {"type": "payment.applied", "loan_id": "l-1", "amount": "1.00 USD"}),
    )
    texts = (
        PointRecord("point-sms", "IN#1", {"inbound_id": "1", "text": "hello from Jo"}),
        PointRecord("point-theirs", "IN#2", {"inbound_id": "2", "text": "I lost my job"}),
    )
    store.commit(Change(records=records, point_records=texts))
    return store, MemoryHoldings(store)


def test_the_primary_borrower_sees_nothing_of_the_other_party() -> None:
    document = export(*two(), "b-1", "", NOW)
    told = json.dumps(document, ensure_ascii=False)
    for secret in SECRET:
        assert secret not in told, secret
    for own in ("for Jo", "for Jo again", "hello from Jo", "h-own", "t-own", "TEXT#own", "PAY#1"):
        assert own in told, own
    assert document["withheld"] == {"records": 1}, "a profile names both, and goes to neither"
    json.loads(told)


def test_the_other_party_sees_nothing_of_the_primary_borrower() -> None:
    document = export(*two(), "b-1", THEIRS, NOW)
    told = json.dumps(document, ensure_ascii=False)
    for secret in (OWN, "Jo Doe", a_point().address, "point-sms", "for Jo", "hello from Jo", "h-own", "t-own", "PAY#1"):
        assert f'"{secret}"' not in told, secret
    for own in ("for Alex only", "I lost my job", "h-theirs", "l-theirs", "TEXT#theirs"):
        assert own in told, own


@pytest.mark.parametrize("party_id", ["", THEIRS])
def test_each_can_follow_the_chain_and_knows_only_their_own_entries(party_id: str) -> None:
    store, holdings = two()
    document = export(store, holdings, "b-1", party_id, NOW)
    proof = proof_of_export(document, read_message)
    assert proof.problems == ()
    assert (proof.entries, proof.checked) == (3, 1 if party_id else 2)
    borrower = store.borrower("b-1")
    assert borrower is not None
    assert proof.head == borrower.chain_head
    assert proof_of(store.conversation("b-1"), borrower.chain_head).problems == ()


def test_a_number_that_two_have_gives_nobody_s_texts() -> None:
    store, holdings = two(shared=True)
    document = export(store, holdings, "b-1", "", NOW)
    assert document["texts"] == []
    assert document["withheld"]["texts of a shared number"] >= 1
    store, holdings = two()
    store.link_point("point-sms", "b-2")
    assert export(store, holdings, "b-1", "", NOW)["texts"] == []
    assert "b-2" not in json.dumps(export(store, holdings, "b-1", "", NOW))


def test_a_doorbell_s_token_is_nobody_s_data() -> None:
    from dunlin.domain.borrower import Case
    from dunlin.domain.words import CaseStatus

    store, holdings = two()
    known = store.borrower("b-1")
    assert known is not None
    case = Case(1, 1, CaseStatus.OPEN, NOW.date(), NOW, token="secret-token")
    store.borrowers["b-1"] = replace(known, case=case)
    assert "secret-token" not in json.dumps(export(store, holdings, "b-1", "", NOW))


def test_who_was_forgotten_has_no_export() -> None:
    store, holdings = two()
    known = store.borrower("b-1")
    assert known is not None
    store.borrowers["b-1"] = replace(known, keeping=replace(known.keeping, forgotten_at=NOW))
    with pytest.raises(InvalidInput, match="was forgotten"):
        export(store, holdings, "b-1", "", NOW)


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _places(inner, (*here, key))]
    if isinstance(value, list):
        return [found for index, inner in enumerate(value) for found in _places(inner, (*here, index))]
    return [here]


@given(st.data())
def test_whatever_is_changed_in_a_file_is_found(data: st.DataObject) -> None:
    document = export(*two(), "b-1", "", NOW)
    whole = json.loads(json.dumps(document))
    place = data.draw(st.sampled_from([path for path in _places(whole) if path not in {("format",)}]))
    value: Any = whole
    for step in place[:-1]:
        value = value[step]
    before = value[place[-1]]
    value[place[-1]] = data.draw(st.sampled_from([None, "", "x", 7, "0" * 64]).filter(lambda each: each != before))
    try:
        proof = proof_of_export(whole, _read)
    except (InvalidInput, ValueError):
        return
    assert proof.problems != ()
    # Whoever changes an entry or a link makes a digest of it again, and is found by the chain.
    if place[0] == "ledger":
        whole["digest"] = digest_of(whole)
        assert proof_of_export(whole, _read).problems != ()


def _read(text: str) -> Message:
    from dunlin.errors import UnreadableItem

    try:
        return read_message(text)
    except UnreadableItem:
        raise ValueError("messages") from None


def test_a_single_borrower_s_former_numbers_are_theirs() -> None:
    store = MemoryStore()
    alone: Borrower = a_borrower(a_loan(), revision=0)
    alone = replace(alone, keeping=replace(alone.keeping, former_points=("point-former",)))
    store.commit(Change(borrower=alone, point_records=(PointRecord("point-former", "IN#1", {"text": "an old text"}),)))
    document = export(store, MemoryHoldings(store), "b-1", "", NOW)
    assert [each["text"] for each in document["texts"]] == ["an old text"]
