"""What is stored and cannot be read any more: an error that says so, and nothing of what is in it (promise 7)."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace

import pytest
from dunlin.adapters.dynamo.store import _borrower_document, _borrowers, _messages, _parsed, _read_borrower
from dunlin.domain.agreements import (
    Awaited,
    Credit,
    Dialogue,
    Plan,
    PlanDue,
    PlanStatus,
    Promise,
    PromiseStatus,
    Task,
    TaskKind,
)
from dunlin.domain.borrower import Case, LastWord, Lift
from dunlin.domain.consent import Basis, Consent, consented
from dunlin.domain.keeping import Erasure, Keeping, LegalHold, LegalLift, Walk
from dunlin.domain.plans import Approval, Offer, PlanKind, Upkeep
from dunlin.domain.schedules import Payment
from dunlin.domain.wishes import NO_WISHES, Preferences, Quiet
from dunlin.domain.words import CaseStatus, Channel
from dunlin.errors import UnreadableItem

from tests.builders import NOW, TODAY, a_borrower, a_hold, a_loan, a_message, a_party, a_point, usd

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
PLANTED = "Wilhelmina Planted +12125550199"


@pytest.mark.parametrize("adapter", [_borrowers(), _messages()], ids=["borrower", "message"])
@pytest.mark.parametrize("document", ["not json", f'{{"name": "{PLANTED}"}}', f'["{PLANTED}"]'])
def test_an_unreadable_document_says_nothing_of_itself(adapter: object, document: str) -> None:
    with pytest.raises(UnreadableItem) as failure:
        _parsed(adapter, document)  # type: ignore[arg-type]
    printed = "".join(traceback.format_exception(failure.value))
    assert "Wilhelmina" not in printed
    assert "input_value" not in printed


def test_a_borrower_stored_before_stops_had_rows_is_read() -> None:
    """Earlier versions knew no narrower holds, no lifts with a name, no word about everything and no rule of an end."""
    party = a_party(last_word=LastWord(True, NOW, "o-1"))
    case = Case(1, 1, CaseStatus.OPEN, TODAY, NOW)
    borrower = a_borrower(a_loan(), parties=(party,), holds=(a_hold(),), case=case, lifts=(Lift("h-0", NOW, "core"),))
    document = json.loads(_borrowers().dump_json(borrower))
    del document["lifts"], document["case"]["outcome_rule"], document["parties"][0]["last_word"]
    for name in ("loan_id", "party_id", "point"):
        del document["holds"][0][name]
    read = _parsed(_borrowers(), json.dumps(document))
    assert read == replace(borrower, parties=(replace(party, last_word=None),), lifts=())


def test_a_borrower_stored_before_keeping_was_remembered_is_read() -> None:
    """What earlier versions did not know of is nothing yet; what is known now is read back whole."""
    keeping = Keeping(
        ended_at=NOW,
        former_points=("hmac",),
        legal_holds=(LegalHold("lh-1", "M-1", NOW, "court"),),
        legal_lifts=(LegalLift("lh-0", NOW, "core"),),
        erasure=Erasure("r-1", NOW, "borrower"),
        walk=Walk(NOW, 1, "IN#1", NOW),
    )
    borrower = a_borrower(a_loan(), keeping=keeping)
    document = json.loads(_borrowers().dump_json(borrower))
    assert _parsed(_borrowers(), json.dumps(document)) == borrower
    del document["keeping"]
    assert _parsed(_borrowers(), json.dumps(document)) == replace(borrower, keeping=Keeping())
    document["keeping"] = {"ended_at": NOW.isoformat()}
    assert _parsed(_borrowers(), json.dumps(document)).keeping == Keeping(ended_at=NOW)


def test_a_borrower_stored_before_texts_had_consequences_is_read() -> None:
    """What earlier versions did not know of is nothing; what was agreed and asked is read back whole."""
    promise = Promise(
        promise_id="in-1",
        party_id="p-1",
        loan_ids=("l-1",),
        amount=usd("50.00"),
        on=TODAY,
        covers_to=TODAY,
        made_at=NOW,
        until=NOW,
        status=PromiseStatus.BROKEN,
        credits=(Credit("pay-1", usd("20.00"), NOW, returned=True),),
        day_told=True,
        ended_at=NOW,
    )
    dialogue = Dialogue("p-1", "hmac", Awaited.OFFER, NOW, NOW, missed=1, text_id="in-1", offers=(_OFFER,))
    task = Task(
        "in-2", TaskKind.DISPUTE, "p-1", NOW, NOW, NOW, "R1", ("h-1",), NOW, NOW, "s-1", "x", ("opened",), _OFFER
    )
    borrower = a_borrower(a_loan(), promises=(promise,), dialogues=(dialogue,), tasks=(task,))
    assert _read_borrower(_borrower_document(borrower)) == borrower
    document = json.loads(_borrower_document(borrower))
    for earlier, name in (("dialogues", "text_id"), ("dialogues", "offers"), ("tasks", "chosen")):
        del document[earlier][0][name]
    without = replace(
        borrower, dialogues=(replace(dialogue, text_id="", offers=()),), tasks=(replace(task, chosen=None),)
    )
    assert _read_borrower(json.dumps(document)) == without
    for name in ("promises", "dialogues", "tasks"):
        del document[name]
    assert _read_borrower(json.dumps(document)) == replace(borrower, promises=(), dialogues=(), tasks=())


def test_a_borrower_stored_before_plans_were_remembered_is_read() -> None:
    plan = Plan(
        plan_id="in-1",
        party_id="p-1",
        loan_ids=("l-1",),
        instalments=(PlanDue(TODAY, usd("51.00")),),
        debt=usd("50.00"),
        chosen_at=NOW,
        upkeep=Upkeep((5, 1), 1, 4, 12, person_when_broken=True),
        status=PlanStatus.IN_FORCE,
        offer=_OFFER,
        task_id="in-1",
        agreed_at=NOW,
        agreed_by="staff-7",
        take_up_by=NOW,
        core_at=NOW,
        in_snapshots=True,
        credits=(Credit("pay-1", usd("20.00"), NOW, returned=True),),
        reminded=("1_5",),
        missed=1,
        missed_at=NOW,
        misses=1,
        called=True,
        news=("missed.1",),
        ended_at=NOW,
    )
    borrower = a_borrower(a_loan(), plans=(plan,))
    assert _read_borrower(_borrower_document(borrower)) == borrower
    document = json.loads(_borrower_document(borrower))
    del document["plans"]
    assert _read_borrower(json.dumps(document)) == replace(borrower, plans=())


def test_a_borrower_stored_before_consents_were_records_is_read() -> None:
    """Consents were a list of purposes, a contact point was usable or not, and nobody had wishes."""
    point = a_point(verified_at=NOW, checked_at=NOW, lost_at=NOW, lost_because="bounced", usable=False)
    wishes = Preferences(channels=(Channel.SMS,), quiet=(Quiet(1260, 540, (0, 6)),), quiet_at=NOW)
    consents = (Consent("marketing", "sms", NOW, "web", "w-1"), Consent("servicing", withdrawn_at=NOW))
    party = a_party(points=(point,), consents=consents, preferences=wishes)
    borrower = a_borrower(a_loan(), parties=(party,))
    assert _read_borrower(_borrower_document(borrower)) == borrower
    document = json.loads(_borrower_document(borrower))
    (stored,) = document["parties"]
    del stored["preferences"]
    stored["consents"] = ["collection", "marketing"]
    for name in ("verified_at", "checked_at", "lost_at", "lost_because"):
        del stored["points"][0][name]
    read = _read_borrower(json.dumps(document)).parties[0]
    assert (read.points, read.preferences) == ((a_point(usable=False),), NO_WISHES)
    assert read.consents == (Consent("collection"), Consent("marketing"))
    assert consented(read.consents, "email") == {"collection", "marketing"}


def test_a_message_stored_before_it_named_its_consents_is_read() -> None:
    message = a_message(basis=(Basis("asks", Consent("marketing", "sms", NOW, "web", "w-1")),))
    document = json.loads(_messages().dump_json(message))
    assert _parsed(_messages(), json.dumps(document)) == message
    del document["basis"]
    assert _parsed(_messages(), json.dumps(document)) == replace(message, basis=())


@pytest.mark.parametrize(
    "document", ["not json", "[]", "{}", '{"parties": 1}', f'{{"parties": [{{"consents": ["{PLANTED}"]}}]}}']
)
def test_an_unreadable_borrower_says_nothing_of_itself(document: str) -> None:
    with pytest.raises(UnreadableItem) as failure:
        _read_borrower(document)
    assert "Wilhelmina" not in "".join(traceback.format_exception(failure.value))
