"""Every function with every file in `events/`, as built, through the SAM CLI in containers; its answer asserted.

The expectations are those of `tests/functional`, where the same files meet the same handlers in this process: what
differs in a container (a module that is not in a layer, a variable that is not in the template, an answer that is not
JSON) fails here.
"""

from __future__ import annotations

import pytest

from local.embedded import FunctionError
from tests.builders import ROOT
from tests.functional.conftest import EVENTS, PLANTED, Stack
from tests.functional.test_events import check_event, parameters
from tests.sam_local.conftest import Local, SamStack, answered, sam_invoke

pytestmark = pytest.mark.sam_local

#: One file of each function for the command as it is typed: it takes a cold start each.
TYPED = {
    "assess_case": "unknown_borrower",
    "dispatch_wakes": "empty",
    "evaluate_stages": "wake",
    "follow_opt_outs": "nobodys",
    "ingest_events": "no_number",
    "pace_lines": "second",
    "park_case": "unknown_borrower",
    "receive_inbound": "stranger",
    "receive_report": "under_way",
    "receive_unsubscribe": "looked_at",
    "receive_webhook": "wrong_token",
    "render_message": "unknown_message",
    "send_message": "unknown_message",
    "serve_api": "events_none",
    "serve_page": "guessed",
    "sweep_messages": "empty",
}


@pytest.mark.parametrize(("function", "case"), parameters())
def test_event_in_a_container(sam_stack: SamStack, function: str, case: str) -> None:
    check_event(sam_stack, function, case)


def test_every_function_is_typed_once() -> None:
    assert set(TYPED) == {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}


@pytest.mark.parametrize(("function", "case"), TYPED.items())
def test_sam_local_invoke(local_stack: tuple[Stack, Local], function: str, case: str) -> None:
    """The payload is a handler's own: the SAM CLI exits with 0 also where a handler raised."""
    raw, said = sam_invoke(local_stack[1], function, EVENTS / function / f"{case}.json")
    try:
        answer = answered(function, raw)
    except FunctionError as failed:
        pytest.fail(f"{failed.__cause__!r}\n{said[-3_000:]}")
    assert isinstance(answer, dict)
    assert set(answer) & {"statusCode", "batchItemFailures", "next", "parked", "woken", "released", "attended"}
    assert not any(planted in said for planted in PLANTED)
