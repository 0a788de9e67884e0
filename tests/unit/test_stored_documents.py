"""What is stored and cannot be read any more: an error that says so, and nothing of what is in it (promise 7)."""

from __future__ import annotations

import traceback

import pytest
from dunlin.adapters.dynamo.store import _borrowers, _messages, _parsed
from dunlin.errors import UnreadableItem

PLANTED = "Wilhelmina Planted +12125550199"


@pytest.mark.parametrize("adapter", [_borrowers(), _messages()], ids=["borrower", "message"])
@pytest.mark.parametrize("document", ["not json", f'{{"name": "{PLANTED}"}}', f'["{PLANTED}"]'])
def test_an_unreadable_document_says_nothing_of_itself(adapter: object, document: str) -> None:
    with pytest.raises(UnreadableItem) as failure:
        _parsed(adapter, document)  # type: ignore[arg-type]
    printed = "".join(traceback.format_exception(failure.value))
    assert "Wilhelmina" not in printed
    assert "input_value" not in printed
