"""Counts what a run really asks of AWS, and times what is ours in it and what is the SDK's."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import botocore.client

from local.bench.units import Units, Watched
from local.embedded.functions import Functions
from local.embedded.patching import Patches
from local.embedded.template import FunctionSpec
from local.simulator.transport import InProcess

if TYPE_CHECKING:
    from local.embedded.aws import EmbeddedAws

__all__ = ["Meter", "Sample"]

#: So many calls of each operation are kept, evenly over the first thousands, to be made again by the SDK alone.
_SAMPLES = 24


@dataclass(frozen=True)
class Sample:
    """A call as it was made, and its answer."""

    service: str
    operation: str
    parameters: Mapping[str, Any] = field(repr=False)
    answer: Mapping[str, Any] = field(repr=False)


class Meter:
    """While open, everything that handlers of `aws` do is counted. Only one can be open.

    Attributes:
        calls: by function, and by service and operation as boto3 names them (`dynamodb.PutItem`).
        units: DynamoDB's capacity units, by the same.
        own: processor seconds in our code (and the libraries we chose), by function, the SDK's calls and first
            invocations left out: a first one imports, puts together and reads the content.
        thread_seconds, wall_seconds: of everything that happened while the meter was open.
    """

    def __init__(self, aws: EmbeddedAws, region: str) -> None:
        self._aws = aws
        self._region = region
        self._patches = Patches()
        self._inside: list[float] = []
        self._calling = 0
        self._seen: set[str] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.units: defaultdict[tuple[str, str], Units] = defaultdict(Units)
        self._named: Counter[str] = Counter()
        self.own: defaultdict[str, float] = defaultdict(float)
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)
        self.thread_seconds = self.wall_seconds = 0.0
        self._cold: tuple[dict[str, float], Counter[tuple[str, str]]] = ({}, Counter())

    def __enter__(self) -> Self:
        call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
        meter = self

        def make_api_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            if meter._aws.running is None:
                return call(client, operation, parameters)
            return meter._call(lambda: call(client, operation, parameters), client, operation, parameters)

        handler_of, answer = Functions.handler_of, InProcess._answer

        def timed(functions: Functions, spec: FunctionSpec) -> Callable[[Any, Any], Any]:
            handler = handler_of(functions, spec)
            return lambda event, context: meter._invoke(lambda: handler(event, context), spec.logical_id)

        def timed_answer(provider: InProcess, request: bytes) -> bytes:
            return meter._outside(lambda: answer(provider, request))

        self._patches.set(botocore.client.BaseClient, "_make_api_call", make_api_call)
        self._patches.set(Functions, "handler_of", timed)
        self._patches.set(InProcess, "_answer", timed_answer)
        self._began, self._began_at = time.thread_time(), time.perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.thread_seconds = time.thread_time() - self._began
        self.wall_seconds = time.perf_counter() - self._began_at
        self._patches.close()

    def warm(self) -> None:
        """From here on everything is warm: texts compiled, rules read, clients made."""
        self._cold = dict(self.own), self.calls.copy()

    @property
    def warm_own(self) -> dict[str, float]:
        return {name: spent - self._cold[0].get(name, 0.0) for name, spent in self.own.items()}

    @property
    def warm_calls(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (_, name), made in (self.calls - self._cold[1]).items():
            found[name] += made
        return found

    def _invoke(self, invoke: Callable[[], Any], logical_id: str) -> Any:
        began = time.thread_time()
        self._inside.append(0.0)
        try:
            return invoke()
        finally:
            spent = time.thread_time() - began - self._inside.pop()
            if logical_id in self._seen:
                self.own[logical_id] += spent
            self._seen.add(logical_id)

    def _outside(self, work: Callable[[], bytes]) -> bytes:
        """Something that is not the handler's own: within a call it is in the call's time already."""
        if self._calling or not self._inside:
            return work()
        began = time.thread_time()
        self._calling += 1
        try:
            return work()
        finally:
            self._calling -= 1
            self._inside[-1] += time.thread_time() - began

    def _call(self, call: Callable[[], Any], client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        began = time.thread_time()
        service = str(client.meta.service_model.service_name)
        name = f"{service}.{operation}"
        function = str(self._aws.running)
        self.calls[function, name] += 1
        self._named[name] += 1
        wanted = len(self.samples[name]) < _SAMPLES and self._named[name] % 7 == 1
        kept = deepcopy(parameters) if wanted else None
        watched = Watched(self._region, operation, parameters) if service == "dynamodb" else None
        answer: Any = None
        calling, self._calling = self._calling, 1
        try:
            answer = call()
            return answer
        finally:
            self._calling = calling
            if watched is not None:
                self.units[function, name] += watched.units(answer)
            if kept is not None and answer is not None:
                self.samples[name].append(Sample(service, operation, kept, deepcopy(answer)))
            self._inside[-1] += time.thread_time() - began
