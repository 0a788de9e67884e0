"""The one door through which a function writes: logs, errors, warnings, traces and metrics.

Logs carry ids, stages, decisions, reasons and versions; never a phone, a name, an amount or a text. Three things see to
that, each for itself:

* `door` stands around every handler. Dunlin's own errors pass, because their messages name fields and never values.
  Whatever else is raised (the SDK's, the parser's, a KeyError with its key) is replaced by `Unexpected`, which tells
  the type's name and nothing more: Lambda prints an error's message, Step Functions and on-failure queues keep it.
* `Redacting`, the formatter of our logger and of everybody else's: a library's message is not ours to vouch for, so it
  is shown where it is a constant of the library's code, without arguments; of an exception, types and places.
* The same formatter masks whatever looks like a number, an address, an amount or a body, in every string of a record.
"""

from __future__ import annotations

import functools
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from functools import lru_cache
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from dunlin.domain.words import MessageState
from dunlin.errors import DunlinError, Unexpected

if TYPE_CHECKING:
    import re

__all__ = ["Redacting", "count_reached", "door", "guarded", "logger", "masked", "metrics", "traced", "tracer"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
#: An error's ancestors and an error's frames beyond these tell nobody more. A text beyond that is no message of ours.
_MOST_CAUSES, _MOST_FRAMES, _LONGEST, _DEEPEST = 5, 25, 1_000, 6
#: Ten digits in a row reach somebody somewhere; with separators seven do.
_REACHABLE, _REACHABLE_WRITTEN_OUT = 10, 7


# ── masking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1)
def _personal() -> re.Pattern[str]:
    """What has to be masked, and before it what only looks as if. Compiled at the first line that is written."""
    import re

    # Cases are spelt out: compiled without regard to case, it takes five times as long.
    currency = r"(?:[$¥£€₩₹₱￥元]|(?:CNY|USD|RMB|AUD|TWD|GBP|EUR|KRW|INR|usd|cny)\b|(?:[Dd]ollars|[Yy]uan)\b)"
    group = r"(?:,|%2[Cc]|[\u00a0\u202f '’])"
    figure = rf"\d{{1,3}}(?:{group}\d{{3}})+(?:\.\d+)?|\d+(?:\.\d+)?"
    day = r"(?<!\d)(?:19|20)\d\d-(?:0\d|1[0-2])-[0-3]\d(?!\d)"
    apart = r"(?:[\s().\-–/·+]|%20|%28|%29|%2[Dd]){0,3}"
    return re.compile(
        # A moment, a day, an identifier, a digest, an account in an ARN: those are what logs are for.
        rf"(?P<plain>{day}"
        r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d(?!\d))?)?"
        r"|(?<![0-9A-Za-z])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|1-[0-9a-f]{8}-[0-9a-f]{24})"
        r"(?![0-9A-Za-z])|(?<![0-9A-Za-z])(?=[0-9]*[a-f])[0-9a-f]{24,128}(?![0-9A-Za-z])"
        r"|\barn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:\d{12}(?=:))"
        r"|(?P<body>[\[{]\s*\\*[\"'][\s\S]*|%7[Bb]%22[\s\S]*|\beyJ[A-Za-z0-9+/_\-]{8,}=*)"
        r"|(?P<address>\S{0,80}(?:@|＠|%40)\S{0,320})"
        rf"|(?P<amount>{currency}\s?-?(?:{figure})|(?<![\w.])(?:{figure})\s?{currency}"
        rf"|(?<![\w.])\d{{1,3}}(?:{group}\d{{3}})+(?:\.\d+)?(?!\d)"
        r"|(?<![\w.,])\d+[.,]\d\d(?![\w.,]*\d)(?!\s?(?:(?:ms|s|[KMG]B)\b|%)))"
        rf"|(?P<number>(?:\+|%2[Bb]|\()?\d(?:{apart}(?!{day})\d){{6,}})"
        r"|(?P<encoded>\S{0,80}%[0-9A-Fa-f]{2}\S{0,320})"
    )


def masked(text: str) -> str:
    """The text with what looks personal taken out: `[number]`, `[address]`, `[amount]`, `[body]`, `[encoded]`."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return _personal().sub(_mask, cut)


def _mask(found: re.Match[str]) -> str:
    kind, whole = str(found.lastgroup), found.group()
    if kind == "plain":
        return whole
    if kind == "number":
        bare = whole
        for escape in ("%2B", "%20", "%28", "%29", "%2D", "%2b", "%2d"):
            bare = bare.replace(escape, " ")
        digits = sum(letter.isdigit() for letter in bare)
        if digits < (_REACHABLE if bare.isdigit() else _REACHABLE_WRITTEN_OUT):
            return whole
    return f"[{kind}]"


def _shown(value: object, depth: int = 0) -> object:
    """A value of a record as it may be written: strings masked, numbers that could be somebody's too, objects as their
    type."""
    match value:
        case None | bool():
            return value
        case str():
            return masked(value)
        case int():
            return value if abs(value) < 10 ** (_REACHABLE - 1) else "[number]"
        case float():
            return value
        case date():
            return value.isoformat()
    if depth == _DEEPEST:
        return "[deeper]"
    match value:
        case Mapping():
            return {masked(str(key)): _shown(inner, depth + 1) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_shown(inner, depth + 1) for inner in value]
        case _:
            return f"[{type(value).__name__}]"


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def traced(error: BaseException) -> list[dict[str, object]]:
    """An error and what led to it: types and places, never a message, a note or a local."""
    chain: list[dict[str, object]] = []
    following: BaseException | None = error
    while following is not None and len(chain) < _MOST_CAUSES:
        chain.append({"type": type(following).__name__, "frames": _frames(following.__traceback__)})
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)
    return chain


def _frames(trace: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{_place(code.co_filename)}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return frames[-_MOST_FRAMES:]


def _place(filename: str) -> str:
    return "/".join(filename.replace("\\", "/").split("/")[-3:])


def _bare(error: DunlinError) -> DunlinError:
    """The error without what hangs on it. Its message is safe by construction, and is masked like everything else."""
    error.args = tuple(masked(each) if isinstance(each, str) else each for each in error.args)
    error.__cause__ = error.__context__ = None
    error.__notes__ = []
    return error


def guarded(function: _Function) -> _Function:
    """`function`, from which only Dunlin's errors come: anything else is told as `Unexpected`, without its message."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Unexpected as error:
            failure: DunlinError = error  # told where it was met
        except DunlinError as error:
            logger.warning("failed", extra={"error": type(error).__name__, "problem": str(error)})
            failure = _bare(error)
        except Exception as error:  # the door itself: whoever hears of it next prints the message
            logger.error("failed unexpectedly", extra={"error": type(error).__name__, "trace": traced(error)})
            failure = Unexpected(type(error).__name__)
        raise failure

    return called  # type: ignore[return-value]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _stands_in_the_code(record: logging.LogRecord) -> bool:
    """Whether the message is a constant of the function that is just logging it."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        code = frame.f_code
        if code.co_name == record.funcName and code.co_filename == record.pathname:
            return isinstance(record.msg, str) and record.msg in code.co_consts
        frame = frame.f_back
    return False


class Redacting(LambdaPowertoolsFormatter):
    """Powertools' JSON, of which every string was masked. Never raises: a logger that does prints its arguments."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            if record.name != logger.name:
                return self._of_others(record)
            return super().format(record)
        except Exception:  # whatever it was, `logging` would print the record as it is
            return self.json_serializer({"level": record.levelname, "message": "a record that cannot be shown"})

    def _of_others(self, record: logging.LogRecord) -> str:
        """A library's record: who, where, and its message without arguments where that stands in the library's code.
        Words made at run time may be anybody's, extras anything."""
        shown: dict[str, object] = {
            "level": record.levelname,
            "location": f"{_place(record.pathname)}:{record.lineno}",
            "message": record.msg if _stands_in_the_code(record) else "(not shown)",
            "timestamp": self.formatTime(record),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1] is not None:
            shown["trace"] = traced(record.exc_info[1])
        return self.serialize(shown)

    def serialize(self, log: Any) -> str:
        return self.json_serializer(_shown(log))  # type: ignore[arg-type]

    def _extract_log_message(self, log_record: logging.LogRecord) -> str:
        """As text, always: a message that is JSON would be a body."""
        return log_record.getMessage() if isinstance(log_record.msg, str) else f"[{type(log_record.msg).__name__}]"

    def _extract_log_exception(self, log_record: logging.LogRecord) -> Any:
        if not log_record.exc_info or log_record.exc_info[1] is None:
            return None, None, None
        return traced(log_record.exc_info[1]), type(log_record.exc_info[1]).__name__, None

    def _serialize_stacktrace(self, log_record: logging.LogRecord) -> None:
        """Statements and values of the frames: not for a log."""


#: Named here too: without a namespace every invocation would fail at its end.
logger = Logger(service="dunlin", logger_formatter=Redacting())
metrics = Metrics(namespace="Dunlin", service="dunlin")
tracer = Tracer(auto_patch=False)
#: What is counted of a message's life: the states that somebody outside, or the alarms, would ask about.
REACHED = {
    MessageState.SENT: "MessagesSent",
    MessageState.DELIVERED: "MessagesDelivered",
    MessageState.FAILED: "MessagesFailed",
    MessageState.UNKNOWN: "MessagesUnknown",
    MessageState.SUPPRESSED: "MessagesSuppressed",
    MessageState.EXPIRED: "MessagesExpired",
}
_others = Redacting()


def _warned(
    message: Warning | str,  # noqa: ARG001  (the interpreter passes it by name)
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,  # noqa: ARG001
    line: Any = None,  # noqa: ARG001
) -> None:
    """A warning's kind and place; the parser's warnings quote what they were given."""
    logger.warning("warning", extra={"category": category.__name__, "place": f"{_place(filename)}:{lineno}"})


def _ignored(unraisable: Any) -> None:
    """An error in a finalizer, which Python would print."""
    logger.error("ignored", extra={"error": getattr(unraisable.exc_type, "__name__", "")})


@contextmanager
def _only_writer() -> Iterator[None]:
    """While a handler runs, whatever reaches the root logger, a warning or a finalizer's error is written by us.

    For its time only: the process may have other work, as the tests and the laptop have.
    """
    root = logging.getLogger()
    own: list[logging.Handler] = []
    if not root.handlers:  # without one, Python's last resort writes to stderr
        own.append(logging.StreamHandler(sys.stdout))
        own[0].addFilter(lambda record: record.name != logger.name)
        root.addHandler(own[0])
    formatters = [(handler, handler.formatter) for handler in root.handlers]
    warn, ignore = warnings.showwarning, sys.unraisablehook
    for handler in root.handlers:
        handler.setFormatter(_others)
    warnings.showwarning, sys.unraisablehook = _warned, _ignored
    try:
        yield
    finally:
        warnings.showwarning, sys.unraisablehook = warn, ignore
        for handler, formatter in formatters:
            handler.setFormatter(formatter)
        for handler in own:
            root.removeHandler(handler)


def count_reached(state: MessageState) -> None:
    """Count a message that was handed over, or ended, in this state."""
    if state in REACHED:
        metrics.add_metric(name=REACHED[state], unit=MetricUnit.Count, value=1)


def door(handler: _Function) -> _Function:
    """What stands around every Lambda handler: trace, metrics, the context's ids in the log, and nothing personal out.

    The guard is there twice: inside, so that a trace sees no error that speaks; outside, for what fails in between.
    """
    counted = metrics.log_metrics(logger.inject_lambda_context(guarded(handler), clear_state=True))
    observed = guarded(tracer.capture_lambda_handler(counted, capture_response=False, capture_error=False))

    @functools.wraps(handler)
    def entered(event: Any, context: Any) -> Any:
        with _only_writer():
            return observed(event, context)

    return entered  # type: ignore[return-value]
