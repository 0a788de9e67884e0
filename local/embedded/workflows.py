"""Step Functions: moto's interpreter, one execution at a time, its tasks run by the one handler thread.

moto runs each execution on threads of its own, in real time. Here a thread runs only while `Workflows` lets it, until
it comes to rest: it **calls** a function, it is **parked** (on a task token, a Wait or a Retry), or it has **ended**.
What an API call causes (a start, a token's success) is noted and let go at the next drain, in the order it was asked
for. So at most one thread runs at any moment, nothing depends on the scheduler, and a parked thread costs no CPU.

What is replaced, and why:

| what | moto | here |
|---|---|---|
| `ExecutionWorker.start` | starts the thread at once | the drain starts it |
| Lambda tasks | a boto3 client for each call, then moto's Lambda | the call waits for the handler thread |
| token wait, Wait, Retry interval, TimeoutSeconds | real time | virtual time |
| a token that is answered twice | success | TaskTimedOut, as in AWS |
| StopExecution of a parked execution | stays RUNNING | ABORTED |
| parsing the definition | ANTLR at every start (tens of milliseconds) | parsed once, then copied |
| `EnteredTime`, `StartTime`, jitter, task tokens | machine's time, random | virtual time, from the seed |

Map and Parallel are refused: two branches of one execution would run side by side.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import threading
import types
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import moto.stepfunctions.parser.asl.component.common.retry.jitter_strategy_decl as jitter_module
import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retrier_module
import moto.stepfunctions.parser.asl.component.intrinsic.function.statesfunction.unique_id_generation.uuid as uid_module
import moto.stepfunctions.parser.asl.component.program.program as program_module
import moto.stepfunctions.parser.asl.component.state.exec.execute_state as execute_state_module
import moto.stepfunctions.parser.asl.component.state.exec.state_task.lambda_eval_utils as lambda_module
import moto.stepfunctions.parser.asl.component.state.state as state_module
import moto.stepfunctions.parser.asl.component.state.wait.wait_function.timestamp as timestamp_module
import moto.stepfunctions.parser.asl.eval.event.event_manager as event_manager_module
import moto.stepfunctions.parser.asl.eval.states as states_module
import moto.stepfunctions.parser.backend.execution as execution_module
import moto.stepfunctions.parser.models as models_module
import moto.stepfunctions.parser.utils as utils_module
from moto.stepfunctions.parser.api import ExecutionStatus, TaskTimedOut
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerTimeout,
    CallbackEndpoint,
    CallbackNotifyConsumerError,
    HeartbeatEndpoint,
)
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local.embedded.clock import VirtualClock
from local.embedded.errors import BarrierTimeoutError, TemplateError
from local.embedded.moto_core import virtual_datetime_module
from local.embedded.patching import Patches

#: Real seconds an execution may take from one rest to the next. Interpreting a state takes about a millisecond.
BARRIER_SECONDS: Final = 30.0
#: moto's stand-in for "no time-out", about three years; AWS's own default is the same figure.
_NO_TIMEOUT_SECONDS: Final = 99_999_999


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Parsed definitions, kept for the life of the process.
_PARSED: Final[dict[str, Any]] = {}


@dataclass(frozen=True)
class Failure:
    """A handler failed: `error_type` is what the definition's Retry and Catch see."""

    error_type: str
    message: str


@dataclass(eq=False)
class _Rest:
    """A thread at rest. It goes on when `resume` is set, with whatever `answer` then holds."""

    execution: str
    due: datetime | None
    resume: threading.Event = field(default_factory=threading.Event)
    answer: Any = None


@dataclass(eq=False)
class Call(_Rest):
    """A Lambda task waiting for the handler thread."""

    function: str = ""
    payload: Any = None
    called_at: datetime = _EPOCH


class Workflows:
    """All executions of one embedded AWS. Everything but the body of an execution happens on the caller's thread."""

    def __init__(self, clock: VirtualClock, *, seed: int, barrier_seconds: float = BARRIER_SECONDS) -> None:
        self._clock = clock
        self._seed = seed
        self._barrier_seconds = barrier_seconds
        self._rested = threading.Event()
        self._stepping: str = ""
        self._closed = False
        self._releases: deque[Callable[[], None]] = deque()
        self._sleeping: list[_Rest] = []
        self._calls: list[Call] = []
        self._waiting: dict[int, _Rest] = {}
        self._resting: dict[str, set[_Rest]] = {}
        self._draws: dict[str, int] = {}
        self._outer_waits: set[threading.Event] = set()
        self.crashed: list[str] = []

    # ------------------------------------------------------------------ driving

    def settle(self) -> bool:
        """Let everything that may go on come to rest again. False when nothing could.

        Raises:
            BarrierTimeoutError: an execution kept running in real time.
        """
        moved = False
        while True:
            for rest in self._due_sleepers():
                self._sleeping.remove(rest)
                self._releases.append(lambda rest=rest: self._resume(rest))  # type: ignore[misc]
            if not self._releases:
                return moved
            self._step(self._releases.popleft())
            moved = True

    def take_calls(self) -> list[Call]:
        """The Lambda tasks that wait, by virtual time and then by execution."""
        calls = sorted(self._calls, key=lambda call: (call.called_at, call.execution))
        self._calls.clear()
        return calls

    def answer(self, call: Call, result: Any | Failure) -> None:
        """Give a task its result; the execution goes on at the next `settle`."""
        call.answer = result
        self._releases.append(lambda: self._resume(call))

    def next_due(self) -> datetime | None:
        """When the earliest Wait, Retry or time-out ends; now when something can go on at once."""
        if self._releases or self._calls:
            return self._clock.now()
        return min((rest.due for rest in self._sleeping if rest.due is not None), default=None)

    @property
    def alive(self) -> int:
        """Executions that have started and not ended."""
        return len(self._resting)

    def close(self) -> None:
        """End every thread. An execution that is abandoned is not told why: the run is over."""
        self._closed = True
        self._releases.clear()
        for rests in list(self._resting.values()):
            for rest in list(rests):
                rest.resume.set()
        for event in list(self._outer_waits):
            event.set()
        for thread in list(utils_module.TMP_THREADS):
            thread.join(timeout=1.0)
        utils_module.TMP_THREADS.clear()

    def _due_sleepers(self) -> list[_Rest]:
        now = self._clock.now()
        due = [rest for rest in self._sleeping if rest.due is not None and rest.due <= now]
        return sorted(due, key=lambda rest: (rest.due, rest.execution))

    def _step(self, release: Callable[[], None]) -> None:
        self._rested.clear()
        release()
        if not self._rested.wait(self._barrier_seconds):
            name = self._stepping.rsplit(":", 1)[-1]
            raise BarrierTimeoutError(f"execution {name} did not come to rest in {self._barrier_seconds:g} s")
        if len(utils_module.TMP_THREADS) > 1_000:
            # moto keeps every thread it ever made; the ended ones are of no use to anyone.
            utils_module.TMP_THREADS[:] = [thread for thread in utils_module.TMP_THREADS if thread.is_alive()]

    def _resume(self, rest: _Rest) -> None:
        if rest not in self._resting.get(rest.execution, set()):
            self._rested.set()  # stopped or answered meanwhile
            return
        self._stepping = rest.execution
        self._resting[rest.execution].discard(rest)
        rest.resume.set()

    # ------------------------------------------------------------------ on an execution's thread

    def _rest(self, rest: _Rest) -> Any:
        """Come to rest, and return the answer once the drain lets this thread go on."""
        if self._closed:
            raise _EndedError
        self._resting.setdefault(rest.execution, set()).add(rest)
        if isinstance(rest, Call):
            self._calls.append(rest)
        elif rest.due is not None:
            self._sleeping.append(rest)
        self._rested.set()
        rest.resume.wait()
        if self._closed or rest.answer is _ABANDONED:
            raise _EndedError
        return rest.answer

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._rest(_Rest(self._stepping, self._clock.now() + timedelta(seconds=seconds)))

    def _digest(self) -> str:
        count = self._draws[self._stepping] = self._draws.get(self._stepping, 0) + 1
        return hashlib.sha256(f"{self._seed}:{self._stepping}:{count}".encode()).hexdigest()

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * int(self._digest()[:8], 16) / 0xFFFFFFFF

    def _next_token(self) -> str:
        digest = self._digest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"

    def _call_function(self, parameters: dict[str, Any]) -> dict[str, Any]:
        payload = json.loads(parameters.get("Payload") or b"{}")
        call = Call(
            self._stepping, None, function=parameters["FunctionName"], payload=payload, called_at=self._clock.now()
        )
        answer = self._rest(call)
        if isinstance(answer, Failure):
            error = {"errorMessage": answer.message, "errorType": answer.error_type, "stackTrace": []}
            raise lambda_module.LambdaFunctionErrorException("Unhandled", json.dumps(error))
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": answer}

    # ------------------------------------------------------------------ replacing moto's parts

    def install(self, patches: Patches) -> None:
        self._install_time(patches)
        self._install_lifecycle(patches)
        self._install_tokens(patches)
        self._install_parser(patches)

        def execute_lambda(env: Any, parameters: dict[str, Any], **_: Any) -> None:
            env.stack.append(self._call_function(parameters))

        patches.set(lambda_module, "execute_lambda_function_integration", execute_lambda)

    def _install_time(self, patches: Patches) -> None:
        modules: tuple[Any, ...] = (
            state_module,
            timestamp_module,
            event_manager_module,
            execution_module,
            models_module,
        )
        for module in modules:
            if hasattr(module, "datetime"):
                patches.set(module, "datetime", virtual_datetime_module(self._clock))

        def wait_interval(_: WaitFunction, env: Any, wait_seconds: int) -> None:  # noqa: ARG001 - moto's signature
            self._sleep(wait_seconds)

        patches.set(WaitFunction, "_wait_interval", wait_interval)
        patches.set(retrier_module, "time", types.SimpleNamespace(sleep=self._sleep))
        patches.set(jitter_module, "random", types.SimpleNamespace(uniform=self._uniform))

        workflows = self

        class OuterEvent(threading.Event):
            """The outer thread of a task waits for its inner one: in virtual time it cannot be late."""

            def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - in real time
                workflows._outer_waits.add(self)
                super().wait()
                workflows._outer_waits.discard(self)
                if workflows._closed:
                    raise _EndedError
                return True

        names = {name: getattr(threading, name) for name in dir(threading) if not name.startswith("_")}
        names = {**names, "Event": OuterEvent, "Thread": _QuietThread}
        for module in (execute_state_module, program_module):
            patches.set(module, "threading", types.SimpleNamespace(**names))
        patches.set(execute_state_module, "Thread", _QuietThread)

    def _install_lifecycle(self, patches: Patches) -> None:
        original_stop = Execution.stop

        def start(worker: ExecutionWorker) -> None:
            arn = worker._evaluation_details.execution_details.arn
            self._resting.setdefault(arn, set())

            def body() -> None:
                try:
                    worker._execution_logic()
                except Exception as error:  # the thread's edge: what escaped it would be seen by nobody
                    if self._closed:
                        return  # its inner thread was ended under it
                    self.crashed.append(f"{arn.rsplit(':', 1)[-1]}: {type(error).__name__}")
                    execution: Any = worker._execution_communication
                    execution.execution.exec_status = ExecutionStatus.FAILED
                finally:
                    self._forget(arn)
                    if not self._closed:
                        self._rested.set()

            def release() -> None:
                if arn not in self._resting:
                    self._rested.set()  # stopped before it began
                    return
                self._stepping = arn
                thread = _QuietThread(target=body, daemon=True, name=f"execution {arn.rsplit(':', 1)[-1]}")
                utils_module.TMP_THREADS.append(thread)
                thread.start()

            self._releases.append(release)

        def stop(execution: Execution, stop_date: Any, error: str | None, cause: str | None) -> None:
            if execution.exec_worker is not None and execution.exec_worker.env is not None:
                original_stop(execution, stop_date, error, cause)
            for rest in self._resting.pop(execution.exec_arn, set()):
                # This execution's threads end without a word; nothing else may run, so nobody is waited for.
                rest.answer = _ABANDONED
                if rest in self._sleeping:
                    self._sleeping.remove(rest)
                if isinstance(rest, Call) and rest in self._calls:
                    self._calls.remove(rest)
                rest.resume.set()
            execution.exec_status = ExecutionStatus.ABORTED
            execution.stop_date = self._clock.now()

        patches.set(ExecutionWorker, "start", start)
        patches.set(Execution, "stop", stop)

    def _forget(self, arn: str) -> None:
        self._resting.pop(arn, None)
        self._draws.pop(arn, None)

    def _install_tokens(self, patches: Patches) -> None:
        def wait(endpoint: CallbackEndpoint, timeout: float | None = None) -> Any:
            if endpoint._outcome is None:
                due = None
                if timeout is not None and timeout < _NO_TIMEOUT_SECONDS:
                    due = self._clock.now() + timedelta(seconds=timeout)
                self._park(endpoint, due)
            if endpoint._outcome is None:
                endpoint.report(CallbackConsumerTimeout())
            return endpoint._outcome

        def clear_and_wait(heartbeat: HeartbeatEndpoint) -> bool:
            if heartbeat._next_heartbeat_event.is_set():
                heartbeat._next_heartbeat_event.clear()
                return True
            self._park(heartbeat, self._clock.now() + timedelta(seconds=heartbeat._heartbeat_seconds))
            received: bool = heartbeat._next_heartbeat_event.is_set()
            heartbeat._next_heartbeat_event.clear()
            return received

        def notify(endpoint: CallbackEndpoint, outcome: Any) -> None:
            if endpoint._outcome is not None:
                raise CallbackNotifyConsumerError(CallbackConsumerTimeout())
            endpoint._outcome = outcome
            if endpoint._heartbeat_endpoint is not None:
                endpoint._heartbeat_endpoint._next_heartbeat_event.set()
                self._wake(endpoint._heartbeat_endpoint)
            self._wake(endpoint)

        def notify_heartbeat(endpoint: CallbackEndpoint) -> bool:
            if endpoint._heartbeat_endpoint is None:
                return False
            endpoint._heartbeat_endpoint._next_heartbeat_event.set()
            self._wake(endpoint._heartbeat_endpoint)
            return True

        def executions(backend: StepFunctionsParserBackend, execution_status: Any = None) -> list[Any]:
            # Only executions with an environment can be asked for a token; the rest have not begun.
            return [
                execution
                for machine in backend.state_machines
                for execution in machine.executions
                if (execution_status is None or execution_status == execution.status)
                and execution.exec_worker.env is not None
            ]

        def task_timed_out() -> TaskTimedOut:
            # moto raises it (or, never telling the two apart, TaskDoesNotExist) without its arguments: a TypeError.
            return TaskTimedOut("Task Timed Out: 'Provided task does not exist anymore'", "TaskTimedOut", 400)

        patches.set(models_module, "TaskTimedOut", task_timed_out)
        patches.set(models_module, "TaskDoesNotExist", task_timed_out)
        patches.set(CallbackEndpoint, "wait", wait)
        patches.set(CallbackEndpoint, "notify", notify)
        patches.set(CallbackEndpoint, "notify_heartbeat", notify_heartbeat)
        patches.set(HeartbeatEndpoint, "clear_and_wait", clear_and_wait)
        patches.set(StepFunctionsParserBackend, "_get_executions", executions)
        patches.set(states_module, "long_uid", self._next_token)
        patches.set(uid_module, "long_uid", self._next_token)

    def _park(self, endpoint: Any, due: datetime | None) -> None:
        rest = _Rest(self._stepping, due)
        self._waiting[id(endpoint)] = rest
        try:
            self._rest(rest)
        finally:
            self._waiting.pop(id(endpoint), None)

    def _wake(self, endpoint: Any) -> None:
        rest = self._waiting.pop(id(endpoint), None)
        if rest is None:
            return  # not parked yet: it will find the outcome when it looks
        if rest in self._sleeping:
            self._sleeping.remove(rest)
        self._releases.append(lambda: self._resume(rest))

    def _install_parser(self, patches: Patches) -> None:
        original_parse = AmazonStateLanguageParser.parse

        def parse(definition: str) -> Any:
            if definition not in _PARSED:
                refuse_branches(json.loads(definition))
                _PARSED[definition] = original_parse(definition)
            program, *rest = _PARSED[definition]
            # Components remember things while they run, so each execution has its own; the parse tree is only read.
            return (copy.deepcopy(program), *rest)

        patches.set(AmazonStateLanguageParser, "parse", staticmethod(parse))


class _EndedError(BaseException):
    """Ends a thread of a run that is over. Not an Exception, so that moto's handlers do not hold it back."""


class _QuietThread(threading.Thread):
    """A thread that may be ended by `_EndedError` without anybody being told."""

    def run(self) -> None:
        with contextlib.suppress(_EndedError):
            super().run()


class _Abandoned:
    """The answer that ends a thread."""


_ABANDONED: Final = _Abandoned()


def refuse_branches(definition: dict[str, Any]) -> None:
    """Raise TemplateError when a state would run two things side by side."""
    for name, state in definition.get("States", {}).items():
        if state.get("Type") in ("Map", "Parallel"):
            raise TemplateError(f"state {name} is a {state['Type']}: the embedded AWS runs one branch at a time")
