"""The door through which functions write: what passes it, what is masked, what stays readable."""

from __future__ import annotations

import ast
import gc
import io
import json
import logging
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, SqsFifoPartialProcessor
from dunlin.domain.words import Reason
from dunlin.entry.observability import Redacting, door, guarded, logger, masked, tracer
from dunlin.entry.records import each_record
from dunlin.errors import BatchFailed, DunlinError, InvalidInput, TransientError, Unexpected
from hypothesis import example, given
from hypothesis import strategies as st

from tests.builders import ROOT

APPS = sorted((ROOT / "functions").glob("*/app.py"))
DEPLOYED = [*sorted((ROOT / "layers" / "dunlin" / "dunlin").rglob("*.py")), *APPS]
PHONE, NAME, NAME_CN, MAIL, AMOUNT = "+12065550187", "Wilhelmina Plantagenet", "欧阳晓萍", "w@mail.example", "7,391.57"
SECRET = f"{NAME} {NAME_CN} {PHONE} {MAIL} {AMOUNT}"
PARTS = (PHONE[1:], PHONE[2:], "Wilhelmina", "Plantagenet", NAME_CN, MAIL, AMOUNT, "391.57")

pytestmark = pytest.mark.filterwarnings("ignore:No application metrics")


@dataclass(frozen=True)
class Context:
    function_name: str = "send_message"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:send_message"
    aws_request_id: str = "052af081-85e8-4000-b5b0-000000000000"
    tenant_id: str | None = None


class Written:
    """What our logger, everybody else's and the standard streams have written."""

    def __init__(self, own: io.StringIO, capture: pytest.CaptureFixture[str]) -> None:
        self._own = own
        self._capture = capture

    def text(self) -> str:
        out, err = self._capture.readouterr()
        return self._own.getvalue() + out + err

    def lines(self) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]
        return [line for line in found if "level" in line]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Written]:
    """Everything written, with a root logger as bare as a new process has it."""
    root, own = logging.getLogger(), io.StringIO()
    handlers, root.handlers = root.handlers, []
    streams = [(handler, handler.setStream(own)) for handler in logger.handlers]  # type: ignore[attr-defined]
    yield Written(own, capsys)
    for handler, stream in streams:
        handler.setStream(stream or sys.stdout)  # type: ignore[attr-defined]
    root.handlers = handlers


def clean(text: str) -> bool:
    return not any(part.casefold() in text.casefold() for part in PARTS)


def printed(error: BaseException) -> str:
    """All that anybody could print of an error."""
    return "".join([str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)])


# ── masking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        *("2026-06-08#reminder_7#0#sms#0", "b-00017/2026-06-08#tier_1#1#email#2", "l-1", "snapshot-2026-06-01-0017"),
        *("2026-06-01T15:00:00.123456+00:00", "2026-11-21 22:05:47,123+0000", "2026-06-01T15:00:00Z", "2026-02-29"),
        *("052af081-85e8-4000-b5b0-123456789012", "1-57590988-123456789012345678901234"),
        "reply#help#sms#052af081-85e8-4000-b5b0-000000000000",
        "arn:aws:lambda:us-east-1:123456789012:function:dunlin-SendMessage",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        *("3.13.2", "1.26.165", "v12", "12.34 ms", "0.25s", "99.95%", "300 rounds", "receive:43", "512"),
        *("loan.instalments.0.outstanding", "must be at most 200000 bytes", "dunlin/entry/api.py:123:reserve_contact"),
        *("opt-out recorded", "strategy.reminder_7", "balance_max_age_hours", "reports-2026-06-01T15:00:00+00:00", ""),
    ],
)  # fmt: skip
def test_what_logs_are_for_stays_readable(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "said",
    [
        *("+12065550187", "12065550187", "2065550187", "(206) 555-0187", "206.555.0187", "+1 206 555 0187", "555-0187"),
        *("+86 138 0013 8000", "13800138000", "%2B12065550187", "+1%20206%20555%200187", "tel:+1-206-555-0187"),
        *("w@mail.example", "w%40mail.example", "<w@mail.example>", "mailto:w@mail.example", "欧阳@例子.中国"),
        *("7391.57", "7,391.57", "7391,57", "7 391.57", "7%2C391.57", "$7391", "USD 500", "500 USD"),
        *("¥3,574.83", "500元", "￥500"),
        *('{"to": "x"}', "{'to': 'x'}", '["x"]', "%7B%22to%22%3A1%7D", "eyJ0byI6ICJ4In0=", '\\"{\\"to\\": 1}'),
        *("Wilhelmina%20Plantagenet", "%E6%AC%A7%E9%98%B3"),
    ],
)  # fmt: skip
def test_what_could_be_somebodys_does_not(said: str) -> None:
    for text in (said, f"before {said} after", f"key={said}", f"({said})", f"2026-06-01 {said}"):
        core = said.strip("(){}[]<>'\"\\")
        assert core not in masked(text), text
        assert "[" in masked(text)


@given(st.from_regex(r"\+?[1-9][0-9]{9,14}", fullmatch=True), st.text(max_size=20), st.text(max_size=20))
@example("12065550187", "b-", "#x")
def test_no_number_survives_whatever_is_around_it(number: str, before: str, after: str) -> None:
    if before[-1:].isdigit() or after[:1].isdigit():
        before, after = f"{before} ", f" {after}"
    assert number.lstrip("+") not in masked(f"{before}{number}{after}")


@given(st.text(max_size=3_000))
def test_masking_ends_and_never_raises(text: str) -> None:
    assert len(masked(text)) <= 4_100
    assert masked(masked(text)) is not None


json_like = st.recursive(
    st.sampled_from((PHONE, MAIL, AMOUNT, 12065550187, b"bytes", date(2026, 6, 1), None, 1.5, True, Reason.CAP)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.sampled_from((PHONE, MAIL, "plain")), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(json_like)
def test_every_string_of_a_record_is_masked_keys_too(value: Any) -> None:
    record = logger._logger.makeRecord(
        logger.name, logging.INFO, "f.py", 1, "message %s", (value,), None, extra={"deep": value, "key": [value]}
    )
    line = Redacting().format(record)
    assert all(part not in line for part in (PHONE[1:], MAIL, AMOUNT)), line
    assert isinstance(json.loads(line), dict)


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def unexpected() -> list[BaseException]:
    cause = ValueError(SECRET)
    cause.add_note(SECRET)
    chained = RuntimeError(SECRET, {"to": PHONE})
    chained.__cause__ = cause
    return [
        KeyError(SECRET),
        chained,
        UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET),
        OSError(2, SECRET, SECRET),
        ExceptionGroup(SECRET, [ValueError(SECRET)]),
        AssertionError(SECRET),
    ]


def raising(error: BaseException) -> Callable[..., Any]:
    def handler(event: Any, context: Any) -> Any:
        name = SECRET  # a local, as handlers have them
        assert name
        try:
            raise ValueError(SECRET)
        except ValueError:
            raise error  # noqa: B904  (with a context that tells everything)

    return handler


@pytest.mark.parametrize("error", unexpected(), ids=lambda error: type(error).__name__)
def test_an_unexpected_error_tells_its_type_and_place_and_nothing_more(written: Written, error: BaseException) -> None:
    with pytest.raises(Unexpected) as raised:
        door(raising(error))({"body": SECRET}, Context())
    assert str(raised.value) == type(error).__name__
    assert clean(printed(raised.value))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    text = written.text()
    assert clean(text)
    told = [json.loads(line) for line in text.splitlines() if '"failed unexpectedly"' in line]
    assert len(told) == 1, "once, however many guards it passes"
    assert told[0]["error"] == type(error).__name__
    assert told[0]["function_request_id"] == Context().aws_request_id
    assert any(
        frame.endswith(":handler") and "test_observability.py:" in frame for frame in told[0]["trace"][0]["frames"]
    )


def test_our_own_errors_pass_with_what_they_say(written: Written) -> None:
    error = InvalidInput("loan.currency", "must be a currency")
    error.add_note(SECRET)
    with pytest.raises(InvalidInput, match=r"loan\.currency: must be a currency") as raised:
        door(raising(error))({}, Context())
    assert clean(printed(raised.value))
    assert raised.value.__context__ is None
    assert clean(written.text())


def test_what_an_error_of_ours_should_not_say_is_masked(written: Written) -> None:
    with pytest.raises(TransientError) as raised:
        door(raising(TransientError(f"queue {PHONE} {MAIL} {AMOUNT}")))({}, Context())
    assert str(raised.value) == "queue [number] [address] [amount]"
    assert clean(written.text())


def test_a_process_that_is_killed_is_not_held_up() -> None:
    class Killed(BaseException):
        pass

    with pytest.raises(Killed):
        door(raising(Killed()))({}, Context())


def test_what_fails_around_the_handler_is_told_no_better(written: Written) -> None:
    with pytest.raises(Unexpected, match=r"^AttributeError$"):
        door(lambda event, context: event)({}, SECRET)
    assert clean(written.text())


def test_a_trace_hears_nothing(monkeypatch: pytest.MonkeyPatch, written: Written) -> None:
    """The tracer's own segments keep what an error says, whether or not they were asked to capture it."""
    kept: list[object] = []

    class Segment:
        def put_annotation(self, **values: object) -> None:
            kept.append(values)

        def put_metadata(self, **values: object) -> None:
            kept.append(values)

        def __enter__(self) -> Segment:
            return self

        def __exit__(self, *error: object) -> None:
            kept.append([str(each) for each in error[:2]])

    class Provider:
        def in_subsegment(self, name: str) -> Segment:
            kept.append(name)
            return Segment()

    monkeypatch.setattr(tracer, "provider", Provider())
    with pytest.raises(Unexpected):
        door(raising(KeyError(SECRET)))({}, Context())
    door(lambda event, context: {"body": SECRET})({}, Context())
    assert kept
    assert clean(repr(kept))
    assert clean(written.text())


# ── batches ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def records(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"m-{number}", "body": body} for number, body in enumerate(bodies)]}


def picky(record: Any) -> None:
    if record.body == "ours":
        raise InvalidInput("shard", "is not one")
    if record.body != "good":
        raise KeyError(SECRET)


def test_a_record_that_fails_is_named_and_told(written: Written) -> None:
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer = door(lambda event, context: each_record(event, picky, processor, context))(
        records("good", SECRET, "ours"), Context()
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}]}
    told = [(line["message"], line["error"]) for line in written.lines() if "error" in line]
    assert told == [("failed unexpectedly", "KeyError"), ("failed", "InvalidInput")]


def test_a_batch_that_fails_names_its_errors(written: Written) -> None:
    processor = SqsFifoPartialProcessor()
    handler: Any = door(lambda event, context: each_record(event, picky, processor, context))
    with pytest.raises(BatchFailed, match="InvalidInput: shard: is not one") as ours:
        handler(records("ours"), Context())
    with pytest.raises(BatchFailed, match=r"^Unexpected: KeyError$") as theirs:
        handler(records(SECRET), Context())
    assert clean(printed(ours.value) + printed(theirs.value) + written.text())


# ── everybody else ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_libraries_warnings_and_finalizers_go_through_the_same_hands(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own are there by now

    class Leaving:
        def __del__(self) -> None:
            raise ValueError(SECRET)

    def handler(event: Any, context: Any) -> None:
        for name in ("botocore.endpoint", "pynamodb.connection", "urllib3.connectionpool", "asyncio", ""):
            other = logging.getLogger(name or None)
            other.warning("%s could not be reached", SECRET)
            other.warning("a constant tells nothing", extra={"body": SECRET})
            other.error(SECRET, extra={"body": SECRET})
            other.error(f"{SECRET} %s", 1)
            try:
                raise KeyError(SECRET)
            except KeyError:
                other.exception(SECRET)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn(SECRET, UserWarning, stacklevel=1)
        leaving = Leaving()
        del leaving
        gc.collect()
        logger.info("%s", {"body": SECRET})
        logger.warning("broken %d", SECRET)

    door(handler)({}, Context())
    text = written.text()
    assert clean(text)
    assert '"message":"a constant tells nothing"' in text
    assert '"message":"(not shown)"' in text
    assert '"message":"%s could not be reached"' in text
    assert '"category":"UserWarning"' in text
    assert '"message":"ignored"' in text
    assert '"message":"a record that cannot be shown"' in text


def test_afterwards_everything_is_as_before() -> None:
    root = logging.getLogger()
    before = [(handler, handler.formatter) for handler in root.handlers]
    hooks = warnings.showwarning, sys.unraisablehook
    with pytest.raises(Unexpected):
        door(raising(KeyError(1)))({}, Context())
    assert [(handler, handler.formatter) for handler in root.handlers] == before
    assert (warnings.showwarning, sys.unraisablehook) == hooks


def test_our_lines_are_written_once(written: Written) -> None:
    door(lambda event, context: logger.info("once", extra={"borrower_id": "b-1"}))({}, Context())
    (line,) = written.lines()
    assert (line["message"], line["borrower_id"], line["function_name"]) == ("once", "b-1", "send_message")


def test_times_and_objects_of_a_record(written: Written) -> None:
    extra = {"at": datetime(2026, 6, 1, tzinfo=UTC), "what": object(), "reason": Reason.CAP, "some": {"b"}}
    door(lambda event, context: logger.info("once", extra=extra))({}, Context())
    (line,) = written.lines()
    assert (line["at"], line["what"]) == ("2026-06-01T00:00:00+00:00", "[object]")
    assert (line["reason"], line["some"]) == ("cap", ["b"])


def test_guarding_keeps_what_works() -> None:
    @guarded
    def works(one: int, *, two: int = 2) -> int:
        """Adds."""
        return one + two

    assert works(1) == 3
    assert works.__doc__ == "Adds."


# ── the code ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", APPS, ids=lambda path: path.parent.name)
def test_every_handler_goes_through_the_door_and_no_other(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (handler,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "lambda_handler")
    assert [ast.unparse(decorator) for decorator in handler.decorator_list] == ["door"]
    assert "process_partial_response" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_nothing_is_printed_and_messages_are_fixed(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Name):
            assert node.id not in {"print", "breakpoint", "input"}, where
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sys":
            allowed = path.name == "observability.py" and node.attr in {"stdout", "unraisablehook"}
            assert allowed or node.attr not in {"stdout", "stderr", "__stdout__", "__stderr__"}, where
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = ast.unparse(node.func.value)
            assert of not in {"traceback", "logging"} or node.func.attr in {"getLogger", "StreamHandler"}, where
            if of == "logger" and node.func.attr in {"debug", "info", "warning", "error", "critical", "exception"}:
                message = node.args[0]
                fixed = isinstance(message, ast.Constant) or ast.unparse(message).startswith("FIXED.get(")
                assert fixed, f"{where}: values go into extra"
                assert len(node.args) == 1, where


def test_every_error_of_ours_keeps_its_name_behind_the_door() -> None:
    """Whoever retries by name, as a state machine may, finds the name."""
    from dunlin import errors

    for name in errors.__all__:
        kind = getattr(errors, name)
        arguments = {"ContentError": ("where", "field", "problem"), "InvalidInput": ("field", "problem")}
        error: DunlinError = kind(*arguments.get(name, ("field",)))
        with pytest.raises(DunlinError) as raised:
            guarded(raising(error))({}, None)
        assert type(raised.value) is kind
