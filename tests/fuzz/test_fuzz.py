"""Bad input at every entry: no error that nobody foresaw, no 5xx, nothing personal in an answer or in what is written.

The deployed handlers on the embedded AWS. A few thousand inputs belong to `make test`; fifty thousand to `make fuzz`
and `make prove`. An input that fails is named by its seed and number, which make it again.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dunlin.errors import DunlinError, InvalidInput, Unexpected

from local.embedded import FunctionError
from tests.functional.conftest import Stack, prepared
from tests.functional.test_redaction import PERSONAL, SENTENCE, Ears
from tests.fuzz.entries import ENTRIES, Input, inputs

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")

FEW, MANY = 1_500, int(os.environ.get("FUZZ_INPUTS", "50000"))
SHARDS = 10
HTTP = frozenset({"serve_api", "receive_webhook", "receive_unsubscribe"})


@pytest.fixture(scope="module")
def stack(content: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with prepared(content, tmp_path_factory.mktemp("logs")) as (stack, _):
        yield stack


def problems(stack: Stack, ears: Ears, given: Input) -> Iterator[str]:
    """What is wrong with how the input was met."""
    personal = raised = False
    try:
        answer = stack.call(given.function, given.event)
    except FunctionError as failed:
        cause, raised = failed.__cause__, True
        if not isinstance(cause, DunlinError) or isinstance(cause, Unexpected):
            yield f"raised {cause!r}"
        if given.function in HTTP:
            yield "a door that raises is a 502"
        personal = PERSONAL.search(str(cause)) is not None
    else:
        if given.function in HTTP:
            yield from _of_http(answer)
            # Who is answered well is given back their own reference.
            if isinstance(answer, dict) and answer.get("statusCode", 500) >= 300:
                personal = PERSONAL.search(json.dumps(answer, ensure_ascii=False)) is not None
    if personal:
        yield "personal data in the answer"
    written = ears.listen()
    if "failed unexpectedly" in written:
        yield "an error that nobody foresaw: " + written[:1_500]
    if PERSONAL.search(written):
        found = PERSONAL.search(written)
        assert found is not None
        yield f"personal data was written: {written[max(0, found.start() - 200) : found.end() + 50]}"
    # Of what a function raises, the runtime prints a traceback, here as in Lambda.
    if not raised and "Traceback (most recent" in written:
        yield f"a traceback: {written[:1_500]}"


def _of_http(answer: Any) -> Iterator[str]:
    if not isinstance(answer, dict) or not isinstance(answer.get("statusCode"), int):
        yield "no answer that a gateway understands"
    elif answer["statusCode"] >= 500:
        yield f"answered {answer['statusCode']}: {answer.get('body')}"
    elif not isinstance(answer.get("body", ""), str | None):
        yield "a body that is no text"


def run(stack: Stack, seed: int, many: int) -> Counter[str]:
    """Meet so many inputs, and say how many came by which way. Fails on the first that was met badly."""
    ears = Ears(stack)
    ears.listen()
    came: Counter[str] = Counter()
    for number, make in enumerate(inputs(seed, many, stack.aws.clock.now())):
        given = make()
        came[given.entry] += 1
        found = list(problems(stack, ears, given))
        if found:
            told = json.dumps(given.event, ensure_ascii=True)[:3_000]
            pytest.fail(f"seed {seed}, number {number}, {given.entry}, {given.function}: {found}\n{told}")
        if number % 200 == 199:
            _empty(stack)
    return came


def _empty(stack: Stack) -> None:
    """What was kept as refused, or put into a queue that nobody reads here, is not looked at again."""
    for name in ("RefusedInputQueue", "ReportsQueue", "InboundQueue"):
        for kept in stack.queued(name):
            if name == "RefusedInputQueue":
                assert not PERSONAL.search(f"{kept['source']} {kept['field']} {kept['problem']}")
        # Past the API, which lets a queue be purged once a minute, and no time passes here.
        stack.aws._queue(stack.aws.template.physical_name(name))._messages.clear()


@pytest.mark.parametrize(
    ("met", "said", "found"),
    [
        (lambda: {"statusCode": 500, "body": "{}"}, "", "answered 500"),
        (lambda: {"body": "{}"}, "", "no answer that a gateway understands"),
        (lambda: {"statusCode": 400, "body": SENTENCE}, "", "personal data in the answer"),
        (lambda: {"statusCode": 200, "body": 7}, "", "a body that is no text"),
        (lambda: {"statusCode": 200, "body": "{}"}, SENTENCE, "personal data was written"),
        (lambda: {"statusCode": 200, "body": "{}"}, '{"message":"failed unexpectedly"}', "nobody foresaw"),
        (lambda: {"statusCode": 200, "body": "{}"}, "Traceback (most recent call last):", "a traceback"),
        (lambda: failing(KeyError("x")), "", "raised KeyError"),
        (lambda: failing(Unexpected("KeyError")), "", "raised Unexpected"),
        (lambda: failing(InvalidInput("field", "problem")), "", "a door that raises is a 502"),
    ],
)
def test_what_is_met_badly_is_found(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, met: Callable[[], Any], said: str, found: str
) -> None:
    ears = Ears(stack)
    ears.listen()
    monkeypatch.setattr(stack, "call", lambda *_: met())
    ears.said.append(said)
    assert any(found in problem for problem in problems(stack, ears, Input("the API", "serve_api", {})))


def failing(cause: Exception) -> Any:
    raise FunctionError("ServeApiFunction", "error") from cause


def test_a_few_thousand_inputs(stack: Stack) -> None:
    came = run(stack, 1, FEW)
    assert len(came) == len(ENTRIES)


@pytest.mark.proof
@pytest.mark.parametrize("shard", range(SHARDS))
def test_fifty_thousand_inputs(stack: Stack, shard: int) -> None:
    came = run(stack, 1_000 + shard, MANY // SHARDS)
    assert sum(came.values()) == MANY // SHARDS
