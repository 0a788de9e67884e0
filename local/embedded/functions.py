"""Running a Lambda function in this process: its environment, its context, its logs."""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from dunlin.domain.environments import EMBEDDED

from local.embedded.errors import FunctionError, ProcessKilledError, TemplateError
from local.embedded.template import FunctionSpec


@dataclass(frozen=True)
class LambdaContext:
    """The context object a handler receives. The time that remains does not run down: virtual time stands still."""

    function_name: str
    function_version: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    timeout_seconds: int
    identity: None = None
    client_context: None = None

    def get_remaining_time_in_millis(self) -> int:
        return self.timeout_seconds * 1000


class LogRouter(io.TextIOBase):
    """Stands in for stdout and stderr. What is written while a function runs goes to that function's file.

    Loggers keep the stream they were created with, and the layer's logger is shared by all functions of the process,
    so the decision is made at each write and not at each redirection. A logger made in an earlier run of the process
    still writes to that run's router, which hands on to the one in place.
    """

    def __init__(self, outside: TextIO, directory: Path | None) -> None:
        self.outside = outside
        self._directory = directory
        self._files: dict[str, TextIO] = {}
        self.function: str | None = None

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.function is None:
            in_place = sys.stdout
            if isinstance(in_place, LogRouter) and in_place.function is not None:
                return in_place.write(text)
            return len(text) if self.outside.closed else self.outside.write(text)
        if self._directory is None:
            return len(text)
        if self.function not in self._files:
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / f"{self.function}.log"
            self._files[self.function] = path.open("a", encoding="utf-8", newline="\n")
        return self._files[self.function].write(text)

    def flush(self) -> None:
        # A logger keeps this object for ever, and it may outlive the stream that was stdout when it was made.
        if self.function is None and not self.outside.closed:
            self.outside.flush()

    def sync(self) -> None:
        """Write what is buffered to the files."""
        for file in self._files.values():
            file.flush()

    def shut(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()


class Functions:
    """The functions of one template.

    `on_start` is called once, inside the first invocation, when the environment is set and before any handler module
    is imported: the place to give the application its clock. `on_exit` is called with a function's name when its
    process was killed: the place to forget what it had put together.
    """

    def __init__(
        self,
        specs: Mapping[str, FunctionSpec],
        *,
        root: Path,
        region: str,
        environment: Mapping[str, str],
        stdout: LogRouter,
        stderr: LogRouter,
        on_start: Callable[[], None] | None,
        on_exit: Callable[[str], None] | None = None,
    ) -> None:
        self._specs = specs
        self._root = root
        self._region = region
        self._environment = dict(environment)
        self._stdout = stdout
        self._stderr = stderr
        self._on_start = on_start
        self._on_exit = on_exit
        self._killed: set[str] = set()
        self._handlers: dict[str, Callable[[Any, Any], Any]] = {}
        self._counts: dict[str, int] = {}
        self.current: str | None = None
        #: Whether another function may run while one waits for an answer: in Lambda each has a process of its own.
        self.nested = False

    def kill(self) -> ProcessKilledError:
        """End the process that runs now. Raise what this returns; whatever it calls from now on is to raise it too."""
        if self.current is not None:
            self._killed.add(self.current)
        return ProcessKilledError()

    @property
    def killed(self) -> bool:
        """Whether the process that runs now is gone, and only its `finally` blocks do not know."""
        return self.current in self._killed

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """Run the handler on a copy of `event`, and return a copy of its answer: both cross as JSON, as in AWS.

        Raises:
            FunctionError: the handler raised, or its answer is not JSON. The cause is the handler's own exception.
            TemplateError: no such function, or its module cannot be found.
        """
        spec = self._specs.get(logical_id)
        if spec is None:
            raise TemplateError(f"no function {logical_id}")
        count = self._counts[logical_id] = self._counts.get(logical_id, 0) + 1
        context = LambdaContext(
            function_name=spec.name,
            function_version="$LATEST",
            invoked_function_arn=spec.arn,
            memory_limit_in_mb=spec.memory_mb,
            aws_request_id=f"{logical_id}-{count:08d}",
            log_group_name=f"/aws/lambda/{spec.name}",
            log_stream_name="embedded",
            timeout_seconds=spec.timeout_seconds,
        )
        payload = json.loads(json.dumps(event))
        with self._running(spec):
            handler = self.handler_of(spec)
            try:
                answer = json.loads(json.dumps(handler(payload, context)))
                if self.killed:
                    raise ProcessKilledError
                return answer
            except Exception as error:  # as Lambda's runtime: whatever a handler raises becomes the answer's error
                if self.killed:  # a `finally` block made an error of its own of it
                    raise FunctionError(logical_id, self._ended(spec)) from error
                raise FunctionError(logical_id, type(error).__name__) from error
            except ProcessKilledError as error:
                raise FunctionError(logical_id, self._ended(spec)) from error

    def _ended(self, spec: FunctionSpec) -> str:
        """Forget the process; the error by which Lambda tells of it."""
        self._killed.discard(spec.logical_id)
        if self._on_exit is not None:
            self._on_exit(spec.name)
        return "Runtime.ExitError"

    @contextmanager
    def _running(self, spec: FunctionSpec) -> Iterator[None]:
        waiting = self.current
        if waiting is not None and not self.nested:
            raise RuntimeError(f"{spec.logical_id} was invoked from within {self.current}: one handler at a time")
        variables = {
            **spec.environment,
            "DUNLIN_ENVIRONMENT": EMBEDDED,  # whatever the template calls its stack
            "AWS_LAMBDA_FUNCTION_NAME": spec.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{spec.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "embedded",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_REGION": self._region,
            "AWS_DEFAULT_REGION": self._region,
            "_HANDLER": spec.handler,
            "LAMBDA_TASK_ROOT": str(self._root / spec.code_uri),
            **self._environment,
        }
        before = {name: os.environ.get(name) for name in variables}
        self.current = self._stdout.function = self._stderr.function = spec.logical_id
        os.environ.update(variables)
        outside = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self._stdout, self._stderr
        try:
            if self._on_start is not None:
                start, self._on_start = self._on_start, None
                start()
            yield
        finally:
            sys.stdout, sys.stderr = outside
            self.current = self._stdout.function = self._stderr.function = waiting
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def handler_of(self, spec: FunctionSpec) -> Callable[[Any, Any], Any]:
        """The function's handler, imported when it is first asked for."""
        if spec.logical_id not in self._handlers:
            module_name, _, attribute = spec.handler.rpartition(".")
            module = self._module(spec, module_name)
            try:
                self._handlers[spec.logical_id] = getattr(module, attribute)
            except AttributeError:
                raise TemplateError(f"{spec.logical_id}: {module.__name__} has no {attribute}") from None
        return self._handlers[spec.logical_id]

    def _module(self, spec: FunctionSpec, module_name: str) -> ModuleType:
        folder = (self._root / spec.code_uri).resolve()
        if not (folder / f"{module_name.replace('.', '/')}.py").is_file():
            raise TemplateError(f"{spec.logical_id}: no {module_name}.py under {spec.code_uri}")
        try:
            # Several functions have an `app.py`: only their path from the root tells them apart.
            parts = folder.relative_to(self._root.resolve()).parts
        except ValueError:
            raise TemplateError(f"{spec.logical_id}: {spec.code_uri} is outside of the project") from None
        return importlib.import_module(".".join([*parts, module_name]))
