"""A function imports what its path uses and nothing else: a cold start pays for every module."""

from __future__ import annotations

import pytest

from local.bench.start import imported
from tests.infra.stack import stack

#: What costs milliseconds to import, each by a module that is there if it is. `understanding` compiles some sixty
#: patterns, `facts` makes thirty classes; `check` and `sign` are for people at a desk.
COSTLY = {
    "pydantic": "pydantic",
    "pynamodb": "pynamodb",
    "yaml": "yaml",
    "jinja2": "jinja2",
    "babel": "babel",
    "phonenumbers": "phonenumbers",
    "batch": "aws_lambda_powertools.utilities.batch",
    "borrower": "dunlin.domain.borrower",
    "facts": "dunlin.domain.facts",
    "understanding": "dunlin.domain.understanding",
    "check": "dunlin.content.lint",
    "sign": "dunlin.content.signing",
    "stand-ins": "dunlin.testing",
    "laptop": "local",
    "moto": "moto",
}
STORED = {"borrower", "pydantic", "pynamodb"}
DECIDES = STORED | {"yaml"}
SAYS = DECIDES | {"babel", "jinja2"}
#: What each function has a use for. Of the rest nothing may be there before its first event.
USES = {
    "AssessCaseFunction": DECIDES,
    "DispatchWakesFunction": STORED,
    "EvaluateStagesFunction": DECIDES | {"batch"},
    "FollowOptOutsFunction": STORED | {"batch"},
    "IngestEventsFunction": DECIDES | {"batch", "facts", "phonenumbers"},
    "PaceLinesFunction": SAYS | {"batch"},
    "ParkCaseFunction": DECIDES,
    "ReceiveInboundFunction": DECIDES | {"batch", "understanding"},
    "ReceiveReportFunction": STORED | {"batch"},
    "ReceiveUnsubscribeFunction": STORED,
    "ReceiveWebhookFunction": set[str](),
    "RenderMessageFunction": SAYS | {"batch"},
    "SendMessageFunction": SAYS | {"batch"},
    "ServeApiFunction": {"borrower", "facts", "phonenumbers", "pydantic"},
    "ServePageFunction": {"borrower", "facts", "understanding"},
    "SweepMessagesFunction": SAYS,
}


def test_every_function_has_a_budget() -> None:
    assert {function.logical_id for function in stack().functions} == set(USES)


@pytest.mark.parametrize("logical_id", sorted(USES))
def test_a_function_imports_what_its_path_uses(logical_id: str) -> None:
    """Also no less: a budget that nobody needs any more would let it come back unseen."""
    modules = imported(logical_id)
    assert {name for name, module in COSTLY.items() if module in modules} == USES[logical_id]
