"""Planted people in every field of every event of every function, and in the errors of everything a function calls.

Whatever is written afterwards is searched: logs as they were formatted, stdout, stderr and metrics, errors as Lambda
would print them, answers to batches, refusals of the API, the fields named beside refused input. Nothing may be found.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import logging
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from botocore.exceptions import ClientError
from dunlin.errors import DunlinError

from local.embedded import FunctionError
from local.embedded.aws import CallInfo, Fault
from local.simulator.finance import FinanceKeys, signature
from tests.builders import ROOT
from tests.functional.conftest import EVENTS, Stack, events_of, read_event

#: Powertools says so whenever a function had nothing to count; the rest is what the tests themselves warn of.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.proof]

PHONES = ("+12065550187", "+8613491237654")
NAMES = ("Wilhelmina Plantagenet", "欧阳晓萍")
MAILS = ("wilhelmina.plantagenet@mail.example",)
AMOUNTS = ("7391.57", "64208.35")
TAIL = "9831"
PLANTS = (*PHONES, *NAMES, *MAILS, *AMOUNTS)
#: What opens a door: an access key, a token, a password. As the whole of an id it would be an id, and nowhere else.
SECRETS = ("AKIAQX7TPLANTED3ZWQL", "sk_live_planted_Zq9vB7w2", "correct-horse-planted")
SENTENCE = f"{' '.join((*PLANTS, *SECRETS))} ending in {TAIL}: {json.dumps({'to': PHONES[0], 'body': NAMES[1]})}"
#: A number or a tail on its own passes for an id where an id is wanted, and an id is what logs are for.
ID = re.compile(r"(?:_id|ref|key|shard|token|id|Id)$")
#: AWS's own names of a record, which the answer to a batch has to repeat.
RECORD = re.compile(r"(?:messageId|SequenceNumber)$")


def spoken(text: str) -> Iterator[str]:
    """A planted text as it may turn up: as it is, encoded, escaped, in parts."""
    yield from (text, quote(text), quote_plus(text), json.dumps(text)[1:-1], base64.b64encode(text.encode()).decode())


def patterns() -> re.Pattern[str]:
    found: set[str] = set()
    for text in (*NAMES, *MAILS, *SECRETS, *NAMES[0].split(), "mail.example"):
        found |= {re.escape(variant) for variant in spoken(text)}
    for phone in PHONES:
        # In any punctuation, with or without its country: the last ten digits.
        found.add(r"[^0-9A-Za-z]{0,3}".join(phone[-10:]))
        found |= {re.escape(base64.b64encode(variant.encode()).decode()) for variant in (phone, phone[1:])}
    for amount in AMOUNTS:
        whole, cents = amount.split(".")
        grouped = f"{int(whole):,}"
        found.add(re.escape(base64.b64encode(amount.encode()).decode()))
        found |= {rf"(?<!\d){re.escape(each)}(?!\d)" for each in (amount, whole + cents, f"{whole},{cents}")}
        found |= {re.escape(f"{each}.{cents}") for each in (grouped, grouped.replace(",", " "), quote(grouped))}
    found.add(rf"(?<![\d.:,]){TAIL}(?![\d])")
    found.add(re.escape(base64.b64encode(TAIL.encode()).decode()))
    return re.compile("|".join(sorted(found)), re.IGNORECASE)


PERSONAL = patterns()


def test_the_search_finds_what_is_planted() -> None:
    for text in (*PLANTS, *SECRETS, TAIL):
        for variant in spoken(text):
            assert PERSONAL.search(variant), variant
    for said in ("206 555 0187", "1-206-555-0187", "134 9123 7654", "7,391.57", "7391,57", "64,208.35", "WILHELMINA"):
        assert PERSONAL.search(f"<{said}>"), said
    assert not PERSONAL.search("2026-06-01T15:00:00.983100+00:00 b-00017/2026-06-08#reminder_7#0#sms#0 123456789012")


@dataclass
class Ears:
    """Everything that has been written since the last look."""

    stack: Stack
    read: dict[str, int] = field(default_factory=dict)
    kept: int = 0
    said: list[str] = field(default_factory=list)

    def listen(self) -> str:
        self.stack.aws._stdout.sync()
        self.stack.aws._stderr.sync()
        fresh: list[str] = []
        for log in sorted(self.stack.logs.glob("*.log")):
            with log.open("rb") as file:
                file.seek(self.read.get(log.name, 0))
                fresh.append(file.read().decode())
                self.read[log.name] = file.tell()
        fresh += self.said
        self.said.clear()
        return "\n".join(fresh)

    def refusals(self) -> str:
        """What is written beside refused input. The input itself is kept for a person, encrypted."""
        queued = self.stack.queued("RefusedInputQueue")
        fresh, self.kept = queued[self.kept :], len(queued)
        return "\n".join(f"{refusal['source']} {refusal['field']} {refusal['problem']}" for refusal in fresh)


@pytest.fixture
def ears(stack: Stack, capfd: pytest.CaptureFixture[str]) -> Iterator[Ears]:
    ears = Ears(stack)
    ears.listen()
    ears.refusals()
    yield ears
    assert not PERSONAL.search(ears.refusals())
    out, err = capfd.readouterr()
    assert not PERSONAL.search(out + err)


@pytest.fixture
def faults(stack: Stack) -> Iterator[list[BaseException]]:
    """What AWS answers to the next calls, in turn; every call also has a chatty library around it."""
    waiting: list[BaseException] = []
    chatty = logging.getLogger("botocore.chatty")

    def before(call: CallInfo) -> Fault | None:
        chatty.warning("no luck with %s", SENTENCE)
        chatty.error(SENTENCE, extra={"planted": SENTENCE})
        warnings.warn(SENTENCE, UserWarning, stacklevel=1)
        if not waiting:
            return None
        error = waiting.pop(0)
        assert isinstance(error, Exception)
        return Fault(error)

    kept, stack.aws._before_call = stack.aws._before_call, before
    yield waiting
    stack.aws._before_call = kept


# ── calling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def call(stack: Stack, ears: Ears, function: str, event: Any) -> None:
    """Call, and put whatever comes back to what was written: but for what the caller is owed."""
    try:
        answer = stack.call(function, event)
    except FunctionError as failed:
        cause = failed.__cause__
        assert isinstance(cause, DunlinError), type(cause)
        ears.said += [str(cause), repr(cause), *map(str, cause.args), *traceback.format_exception(cause)]
        ears.said += [repr(getattr(cause, name)) for name in ("field", "problem", "__notes__") if hasattr(cause, name)]
        assert cause.__cause__ is None
        assert cause.__context__ is None
    else:
        if isinstance(answer, dict) and answer.get("statusCode", 500) < 300:
            answer = {}  # the caller's own reference comes back to them
        if isinstance(answer, dict):
            # AWS's own names of the records, which it wants to hear again.
            answer = {**answer, "batchItemFailures": len(answer.get("batchItemFailures", ()))}
        ears.said.append(json.dumps(answer, ensure_ascii=False))


def check(ears: Ears, what: str) -> None:
    found = PERSONAL.search(text := ears.listen())
    assert found is None, f"{what}: {text[max(0, found.start() - 200) : found.end() + 100]}"


# ── planting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Path = tuple[str | int, ...]


def opened(value: Any) -> Any:
    """The event with the JSON inside its texts opened, so that it can be planted in; `closed` puts it back."""
    match value:
        case dict():
            return {key: opened(inner) for key, inner in value.items()}
        case list():
            return [opened(inner) for inner in value]
        case str() if value[:1] in ("{", "["):
            with contextlib.suppress(ValueError, RecursionError):
                return _Body(opened(json.loads(value)))
    return value


@dataclass
class _Body:
    """JSON that was a text."""

    document: Any


def closed(value: Any) -> Any:
    match value:
        case dict():
            return {key: closed(inner) for key, inner in value.items()}
        case list():
            return [closed(inner) for inner in value]
        case _Body():
            return json.dumps(closed(value.document), ensure_ascii=False)
    return value


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    match value:
        case _Body():
            yield from paths(value.document, (*here, "()"))
            yield here
        case dict():
            for key, inner in value.items():
                yield from paths(inner, (*here, key))
        case list():
            for index, inner in enumerate(value):
                yield from paths(inner, (*here, index))
        case _:
            yield here


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value.document if step == "()" else value[step]
    return value


def planted(event: Any, path: Path, plant: Any) -> Any:
    """The event with `plant` at `path`."""
    changed = copy.deepcopy(event)
    parent = at(changed, path[:-1])
    if path[-1] == "()":
        parent.document = plant
    else:
        parent[path[-1]] = plant
    return changed


def called(path: Path) -> str:
    return next((step for step in reversed(path) if isinstance(step, str) and step != "()"), "")


def signed(function: str, event: Any) -> Any:
    """A webhook's body as its provider would have signed it: what is planted in it is not stopped at the door."""
    if not isinstance(event, dict) or function != "receive_webhook" or not isinstance(event.get("body"), str):
        return event
    headers = event.get("headers")
    if isinstance(headers, dict) and len(str(headers.get("X-Signature", ""))) == 64:
        headers["X-Signature"] = signature(
            FinanceKeys().webhook_secret, str(headers.get("X-Timestamp", "")), event["body"].encode()
        )
        if isinstance(event.get("multiValueHeaders"), dict):
            event["multiValueHeaders"].pop("X-Signature", None)
    return event


def mutations(event: Any) -> Iterator[Any]:
    """The event with something planted in each place in turn, then everywhere, in keys, malformed, of wrong types, and
    huge."""
    whole = opened(event)
    every = [path for path in paths(whole) if path]
    for number, path in enumerate(every):
        named = any(isinstance(step, str) and ID.search(step) for step in path)
        plants = (*PLANTS, SENTENCE) if named else (*PLANTS, *SECRETS, SENTENCE, TAIL)
        plant = plants[number % len(plants)]
        if RECORD.search(called(path)):
            continue
        if number % 2:
            yield planted(whole, path, plant)
            continue
        before = at(whole, path)
        wrong: tuple[Any, ...] = (
            [plant],
            {plant: plant},
            f"{before}{plant}",
            12065550187,
            7391.57,
            None,
            f'{{"{plant}": ',
        )
        yield planted(whole, path, wrong[number // 2 % len(wrong)])
    keys = (*PLANTS, *SECRETS)
    for number, path in enumerate(sorted({path[:-1] for path in every}, key=repr)):
        parent = at(whole, path)
        if isinstance(parent, dict) and path:
            yield planted(whole, path, {**parent, keys[number % len(keys)]: SENTENCE})
            yield planted(whole, path, {keys[number % len(keys)]: inner for inner in parent.values()})
            yield planted(whole, path, {**parent, SECRETS[number % len(SECRETS)]: SECRETS[0]})
    everywhere = whole
    for number, path in enumerate(every):
        if not RECORD.search(called(path)) and not isinstance(at(everywhere, path), _Body):
            everywhere = planted(everywhere, path, PLANTS[number % len(PLANTS)])
    yield everywhere
    if every:
        yield planted(whole, every[len(every) // 2], SENTENCE * 4_000)
    yield {**whole, SENTENCE: SENTENCE}
    yield SENTENCE
    yield [SENTENCE]
    yield {"Records": [SENTENCE]}
    yield {"Records": SENTENCE}


EVERY = [
    (function, case) for function in sorted(path.name for path in EVENTS.iterdir()) for case in events_of(function)
]


def test_every_function_has_events() -> None:
    assert {function for function, _ in EVERY} == {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}


@pytest.mark.parametrize(("function", "case"), EVERY, ids=[f"{function}-{case}" for function, case in EVERY])
def test_planted_input_is_nowhere_in_what_is_written(stack: Stack, ears: Ears, function: str, case: str) -> None:
    for number, event in enumerate(mutations(read_event(function, case))):
        call(stack, ears, function, signed(function, closed(event)))
        check(ears, f"{function}/{case}, mutation {number}")


def refusals() -> list[BaseException]:
    """What may come out of a library, telling all it knows."""
    error: Mapping[str, Any] = {"Error": {"Code": NAMES[0], "Message": SENTENCE}, "ResponseMetadata": {}}
    chained = RuntimeError(SENTENCE)
    chained.__cause__ = ValueError(SENTENCE)
    chained.add_note(SENTENCE)
    return [
        KeyError(PHONES[0]),
        chained,
        ClientError(error, "PutItem"),  # type: ignore[arg-type]
        UnicodeDecodeError("utf-8", SENTENCE.encode(), 0, 1, SENTENCE),
        ExceptionGroup(SENTENCE, [ValueError(SENTENCE)]),
        OSError(5, SENTENCE, SENTENCE),
    ]


@pytest.mark.parametrize(("function", "case"), EVERY, ids=[f"{function}-{case}" for function, case in EVERY])
def test_planted_errors_are_nowhere_in_what_is_written(
    stack: Stack, ears: Ears, faults: list[BaseException], function: str, case: str
) -> None:
    event = read_event(function, case)
    for depth in range(3):
        for error in refusals():
            # The calls before the one that fails go through: with the clients kept, they are few.
            faults[:] = [error] * (depth + 1)
            call(stack, ears, function, event)
            faults.clear()
            check(ears, f"{function}/{case}, {type(error).__name__}")
