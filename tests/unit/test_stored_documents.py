"""What is stored and cannot be read any more: an error that says so, and nothing of what is in it (promise 7)."""

from __future__ import annotations

import json
import traceback
from dataclasses import replace

import pytest
from dunlin.adapters.dynamo.store import _borrowers, _messages, _parsed
from dunlin.domain.borrower import Case, LastWord, Lift
from dunlin.domain.keeping import Erasure, Keeping, LegalHold, LegalLift, Walk
from dunlin.domain.words import CaseStatus
from dunlin.errors import UnreadableItem

from tests.builders import NOW, TODAY, a_borrower, a_hold, a_loan, a_party

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
