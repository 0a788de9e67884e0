"""The embedded AWS: a SAM template's functions, tables, queues, topics and state machines in one process.

One thread runs handlers, on a virtual clock. Whoever drives it moves the clock, calls `tick` (schedules) or `drain`
(everything that is due now), and asks `next_due` when it next makes sense to look.

Determinism: the same template, seed, clock movements and inputs give the same invocations and API calls in the same
order, with the same identifiers. Handlers must do their part: take time from the clock given to them in `on_start`,
and not iterate over sets.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import botocore.client
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from local.embedded import dynamodb, moto_core, sqs
from local.embedded.api import ApiResponse, Route, find_route, proxy_event, proxy_response
from local.embedded.clock import VirtualClock
from local.embedded.dynamodb import SHARDS, Change, ChangeSink
from local.embedded.errors import FunctionError, LivelockError, ProcessKilledError, TemplateError
from local.embedded.functions import Functions, LogRouter
from local.embedded.patching import Patches
from local.embedded.provision import Provisioner
from local.embedded.schedules import Schedule, parse_expression, scheduled_event
from local.embedded.sqs import QueueMapping, QueuePoller
from local.embedded.streams import StreamMapping, StreamPoller
from local.embedded.template import ACCOUNT_ID, EventSource, Template, load_yaml
from local.embedded.workflows import Failure, Workflows

#: Handlers one drain may run before it is taken for a loop that time does not break.
DRAIN_LIMIT: Final = 250_000
#: Lambda tries an asynchronous invocation again after one minute, then after two.
_ASYNC_WAITS: Final = (timedelta(minutes=1), timedelta(minutes=2))


@dataclass(frozen=True)
class CallInfo:
    """One AWS API call of a handler, before it is made. `number` counts calls of this operation, from 1."""

    function: str
    service: str
    operation: str
    number: int
    parameters: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Fault:
    """An error to raise in place of an answer: before the call has its effect, or after it (the answer is lost).

    `repeated`: the answer is lost on its way, and the SDK asks a second time, as it does unless its client was made to
    try once; what comes of the second time is the answer. `ProcessKilledError` as error ends the function's process.
    """

    error: BaseException
    after_effect: bool = False
    repeated: bool = False


@dataclass(frozen=True)
class Counters:
    """What happened so far. Calls are those made by handlers: `dynamodb.PutItem`, as botocore names them."""

    calls: Counter[str] = field(default_factory=Counter)
    calls_by_function: Counter[tuple[str, str]] = field(default_factory=Counter)
    invocations: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    batch_failures: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Invocation:
    """One line of the run's history."""

    at: datetime
    function: str
    source: str
    outcome: str


@dataclass(frozen=True)
class Email:
    """An e-mail that SES accepted."""

    source: str
    destinations: Mapping[str, tuple[str, ...]]
    subject: str
    body: str


@dataclass(frozen=True)
class SnsText:
    """A text that SNS accepted for a phone number."""

    phone_number: str
    message: str


@dataclass(frozen=True)
class _Async:
    due: datetime
    number: int
    function: str
    event: Any
    attempt: int


class EmbeddedAws:
    """See the module. Only one can be open in a process at a time, and its methods must not be called from handlers.

    Args:
        template: the SAM template. Function code is found from `root`, by default the template's directory.
        clock: the only time there is.
        seed: of identifiers, secrets and, with `interleave`, of the order in which sources are polled.
        parameters: values of the template's parameters.
        environment: more variables for every function; they win over the template's.
        logs_dir: one `<LogicalId>.log` for each function; nothing is kept without it.
        on_start: called once, with the first function's environment in place, before any handler is imported.
        on_exit: called with a function's name when its process was killed: its next invocation is a cold start.
        before_call: sees every API call of a handler, and may answer with a `Fault`.
        identities: e-mail addresses or domains that SES takes as verified.
        interleave: poll sources in an order drawn from the seed, to look for orders that break something.
    """

    def __init__(
        self,
        template: Path,
        *,
        clock: VirtualClock,
        seed: int,
        parameters: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        root: Path | None = None,
        logs_dir: Path | None = None,
        on_start: Callable[[], None] | None = None,
        on_exit: Callable[[str], None] | None = None,
        before_call: Callable[[CallInfo], Fault | None] | None = None,
        identities: Sequence[str] = (),
        interleave: bool = False,
        region: str = "us-east-1",
        stack: str = "dunlin",
    ) -> None:
        self.template = Template.read(template, parameters=parameters or {}, region=region, stack=stack)
        self.clock = clock
        self.counters = Counters()
        self.history: list[Invocation] = []
        self._seed = seed
        self._region = region
        self._root = (root or template.parent).resolve()
        self._environment = dict(environment or {})
        self._logs_dir = logs_dir
        self._on_start = on_start
        self._on_exit = on_exit
        self._before_call = before_call
        self._identities = tuple(identities)
        self._order = random.Random(f"order:{seed}") if interleave else None
        self._patches = Patches()
        self._open = False
        self._owner = threading.get_ident()
        self._async: list[_Async] = []
        self._numbers = 0
        self._fired: dict[str, datetime] = {}
        self._events_client: Any = None

    # ------------------------------------------------------------------ opening and closing

    def __enter__(self) -> Self:
        self._owner = threading.get_ident()
        try:
            self._start()
        except BaseException:
            self._patches.close()
            raise
        self._open = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._open = False
        try:
            self._workflows.close()
        finally:
            self._patches.close()
            self._stdout.shut()
            self._stderr.shut()

    def _start(self) -> None:
        patches = self._patches
        patches.environment(
            {
                "AWS_ACCESS_KEY_ID": "EMBEDDED",
                "AWS_SECRET_ACCESS_KEY": "embedded",
                "AWS_SESSION_TOKEN": "embedded",
                "AWS_REGION": self._region,
                "AWS_DEFAULT_REGION": self._region,
                "AWS_EC2_METADATA_DISABLED": "true",
                # moto does not know the account-based endpoints that newer SDKs prefer.
                "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
                "AWS_CONFIG_FILE": "/dev/null",
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                "POWERTOOLS_TRACE_DISABLED": "true",
            },
            without=("AWS_PROFILE", "AWS_ENDPOINT_URL"),
        )
        patches.enter(mock_aws(config=_MOTO_CONFIG))
        # moto's interpreter logs every failed task with its input; the functions' own logs are the place for that.
        patches.set(logging.getLogger("moto"), "level", logging.CRITICAL)
        moto_core.install_time(patches, self.clock)
        moto_core.install_identifiers(patches, self._seed)
        moto_core.install_short_cuts(patches)
        self._streams: dict[str, list[StreamPoller]] = {}
        sink = ChangeSink(
            publish=self._publish_change,
            wanted=lambda table: table in self._streams,
            region=self._region,
            now=lambda: self.clock.now().timestamp(),
        )
        dynamodb.install(patches, sink)
        sqs.install(patches)
        self._workflows = Workflows(self.clock, seed=self._seed)
        self._workflows.install(patches)
        Provisioner(self.template, seed=self._seed, identities=self._identities).create()
        self._prepare_functions()
        self._wire()
        # Last, so that what the set-up called is not counted.
        self._count_calls()

    def _prepare_functions(self) -> None:
        self._stdout = LogRouter(sys.stdout, self._logs_dir)
        self._stderr = LogRouter(sys.stderr, self._logs_dir)
        self._specs = {spec.logical_id: spec for spec in self.template.functions()}
        self._functions = Functions(
            self._specs,
            root=self._root,
            region=self._region,
            environment=self._environment,
            stdout=self._stdout,
            stderr=self._stderr,
            on_start=self._on_start,
            on_exit=self._on_exit,
        )
        if str(self._root) not in sys.path:
            path = [str(self._root), *sys.path]
            self._patches.set(sys, "path", path)

    def _count_calls(self) -> None:
        original = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
        counters = self.counters

        def make_api_call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            function = self._functions.current
            if function is None:
                return original(client, operation, parameters)
            if self._functions.killed:
                raise ProcessKilledError
            service = client.meta.service_model.endpoint_prefix
            service = _SERVICE_NAMES.get(service, service)
            name = f"{service}.{operation}"
            counters.calls[name] += 1
            counters.calls_by_function[function, name] += 1
            fault = None
            if self._before_call is not None:
                fault = self._before_call(CallInfo(function, service, operation, counters.calls[name], parameters))
            repeated = fault is not None and fault.repeated and _attempts(client) > 1
            if fault is not None and not fault.after_effect and not fault.repeated:
                raise self._functions.kill() if isinstance(fault.error, ProcessKilledError) else fault.error
            # A boto3 resource speaks plain Python and translates on botocore's way, so it has to go that way.
            plain = client.meta.config.user_agent_extra == "Resource"
            make = dynamodb.call if service == "dynamodb" and not plain else original
            answer = make(client, operation, parameters)
            if repeated:
                return make(client, operation, parameters)
            if fault is not None:
                raise self._functions.kill() if isinstance(fault.error, ProcessKilledError) else fault.error
            return answer

        self._patches.set(botocore.client.BaseClient, "_make_api_call", make_api_call)

    # ------------------------------------------------------------------ wiring

    def _wire(self) -> None:
        self._queues: list[QueuePoller] = []
        self._schedules: list[Schedule] = []
        self._routes: list[Route] = []
        for event in self.template.events():
            match event.type:
                case "DynamoDB":
                    self._wire_stream(event)
                case "SQS":
                    self._wire_queue(event)
                case "Schedule" | "ScheduleV2":
                    self._wire_schedule(event)
                case "Api":
                    self._wire_route(event)
                case _:
                    raise TemplateError(f"{event.function}.{event.name}: a {event.type} event is not wired here")

    def _wire_stream(self, event: EventSource) -> None:
        properties = event.properties
        stream = str(properties["Stream"])
        table = self.template.physical_name(self.template.logical_id_of(stream, "AWS::DynamoDB::Table"))
        on_failure = (properties.get("DestinationConfig") or {}).get("OnFailure") or {}
        age = int(properties.get("MaximumRecordAgeInSeconds", -1))
        mapping = StreamMapping(
            function=event.function,
            table_name=table,
            stream_arn=stream,
            batch_size=int(properties.get("BatchSize", 100)),
            partial_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            bisect=_truth(properties.get("BisectBatchOnFunctionError", False)),
            maximum_retries=int(properties.get("MaximumRetryAttempts", -1)),
            maximum_age=timedelta(seconds=age) if age >= 0 else None,
            filters=_filters(properties),
            on_failure_arn=on_failure.get("Destination"),
        )
        if _truth(properties.get("Enabled", True)):
            poller = StreamPoller(
                mapping,
                now=self.clock.now,
                invoke=lambda function, payload: self._run(function, payload, "dynamodb"),
                on_batch_failure=self._batch_failed,
                on_give_up=self._give_up,
            )
            self._streams.setdefault(table, []).append(poller)

    def _wire_queue(self, event: EventSource) -> None:
        properties = event.properties
        name = str(properties["Queue"]).rsplit(":", 1)[-1]
        mapping = QueueMapping(
            function=event.function,
            queue_name=name,
            batch_size=int(properties.get("BatchSize", 10)),
            partial_failures="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
            filters=_filters(properties),
        )
        if _truth(properties.get("Enabled", True)):
            self._queues.append(
                QueuePoller(
                    mapping,
                    self._queue(name),
                    region=self._region,
                    invoke=lambda function, payload: self._run(function, payload, "sqs"),
                    on_batch_failure=self._batch_failed,
                    on_dead_letter=self._dead_lettered,
                )
            )

    def _wire_schedule(self, event: EventSource) -> None:
        properties = event.properties
        expression = str(properties.get("ScheduleExpression") or properties.get("Schedule"))
        if str(properties.get("State", "ENABLED")) == "DISABLED" or not _truth(properties.get("Enabled", True)):
            return
        name = str(properties.get("Name") or f"{self.template.stack}-{event.function}{event.name}")
        payload = properties.get("Input")
        self._schedules.append(
            Schedule(
                function=event.function,
                name=name,
                arn=f"arn:aws:events:{self._region}:{ACCOUNT_ID}:rule/{name}",
                is_slot=parse_expression(expression),
                payload=load_yaml(str(payload)) if payload is not None else None,
            )
        )
        # A slot that is exactly the start has not been fired yet.
        self._fired[name] = self.clock.now() - timedelta(microseconds=1)

    def _wire_route(self, event: EventSource) -> None:
        path, method = str(event.properties["Path"]), str(event.properties["Method"]).upper()
        self._routes.append(Route(event.function, method, path))

    # ------------------------------------------------------------------ what a driver does

    def invoke(self, logical_id: str, event: Mapping[str, Any]) -> Any:
        """Run one function now, and nothing else.

        Raises:
            FunctionError: the handler raised; the cause is its own exception.
        """
        self._assert_usable()
        return self._run(logical_id, event, "direct")

    def publish(self, topic_logical_id: str, message: str) -> None:
        """Publish to a topic; subscribed queues have the message at once, and the next drain delivers it."""
        self._assert_usable()
        sns_backends[ACCOUNT_ID][self._region].publish(message=message, arn=self.template.arn(topic_logical_id))

    def put_events(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Put events (PutEvents entries) on their bus; at most ten, as in AWS.

        Raises:
            ValueError: the bus refused an entry.
        """
        self._assert_usable()
        if self._events_client is None:
            import boto3

            self._events_client = boto3.client("events", region_name=self._region)
        answer = self._events_client.put_events(Entries=[dict(entry) for entry in entries])
        if answer["FailedEntryCount"]:
            codes = sorted({entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry})
            raise ValueError(f"{answer['FailedEntryCount']} events were refused: {', '.join(codes)}")

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        query: Mapping[str, str | Sequence[str]] | None = None,
    ) -> ApiResponse:
        """One HTTP request to the API. A failing handler is a 502 and an unknown route a 403, as in API Gateway."""
        self._assert_usable()
        found = find_route(self._routes, method, path)
        if found is None:
            text = b'{"message":"Missing Authentication Token"}'
            return ApiResponse(403, {"Content-Type": "application/json"}, text)
        route, parameters = found
        self._numbers += 1
        event = proxy_event(
            route,
            parameters,
            method=method,
            path=path,
            headers=headers or {},
            body=body,
            query=query or {},
            now=self.clock.now(),
            request_id=f"request-{self._numbers:08d}",
        )
        try:
            return proxy_response(self._run(route.function, event, "api"))
        except FunctionError:
            return proxy_response(None)

    @contextmanager
    def meanwhile(self, function: str) -> Iterator[None]:
        """What is done in here happens while a handler waits for an answer; at the end `function` reads its queues."""
        self._functions.nested = True
        try:
            yield
            for queue in self._queues:
                while queue.mapping.function == function and queue.poll():
                    pass
        finally:
            self._functions.nested = False

    def drain(self) -> int:
        """Run everything that is due now until nothing is. Returns the number of handler invocations.

        Raises:
            LivelockError: more than `DRAIN_LIMIT` invocations without time passing.
            BarrierTimeoutError: an execution of a state machine did not come to rest.
        """
        self._assert_usable()
        before = len(self.history)
        moved = True
        while moved:
            moved = False
            for source in self._sources():
                moved = source() or moved
            if len(self.history) - before > DRAIN_LIMIT:
                busiest = ", ".join(name for name, _ in self.counters.invocations.most_common(3))
                raise LivelockError(f"more than {DRAIN_LIMIT} invocations in one drain, most of {busiest}")
        self._stdout.sync()
        self._stderr.sync()
        return len(self.history) - before

    def tick(self, only: Collection[str] | None = None) -> int:
        """Fire the schedules that have a slot since they last fired, then drain. Returns handler invocations.

        `only` names functions: the schedules of the others are jumped over, for a driver that knows that they would
        find nothing.
        """
        self._assert_usable()
        before = len(self.history)
        for schedule in self._schedules:
            if only is not None and schedule.function not in only:
                continue
            slot = schedule.latest_slot(self._fired[schedule.name], self.clock.now())
            if slot is None:
                continue
            self._fired[schedule.name] = slot
            self._numbers += 1
            event = scheduled_event(schedule, slot, number=self._numbers, region=self._region, account=ACCOUNT_ID)
            self._async.append(_Async(self.clock.now(), self._numbers, schedule.function, event, 0))
        self.drain()
        return len(self.history) - before

    def next_due(self) -> datetime | None:
        """When there is next something to do besides schedules, never before now; None when all is quiet."""
        self._assert_usable()
        moments = [poller.next_due() for pollers in self._streams.values() for poller in pollers]
        moments += [queue.next_due() for queue in self._queues]
        moments += [entry.due for entry in self._async]
        moments.append(self._workflows.next_due())
        known = [moment for moment in moments if moment is not None]
        return max(min(known), self.clock.now()) if known else None

    def next_schedule(self) -> datetime | None:
        """The next slot of any schedule after now."""
        slots = [schedule.next_slot(self.clock.now()) for schedule in self._schedules]
        return min((slot for slot in slots if slot is not None), default=None)

    # ------------------------------------------------------------------ what an auditor asks

    def queue_bodies(self, queue_logical_id: str) -> list[str]:
        """The bodies that stand in a queue, in flight or not, oldest first."""
        queue = self._queue(self.template.physical_name(queue_logical_id))
        return [message.body for message in queue._messages]

    def items(self, table_logical_id: str) -> list[dict[str, Any]]:
        """All items of a table as plain Python (numbers are Decimal), by key; read past the API, so not counted."""
        table = dynamodb_backends[ACCOUNT_ID][self._region].tables[self.template.physical_name(table_logical_id)]
        return [dict(item.to_regular_json()) for item in table.all_items()]

    def executions(self, state_machine_logical_id: str) -> dict[str, str]:
        """Status by execution name."""
        from moto.stepfunctions.parser.models import stepfunctions_parser_backends

        arn = self.template.arn(state_machine_logical_id)
        for machine in stepfunctions_parser_backends[ACCOUNT_ID][self._region].state_machines:
            if machine.arn == arn:
                return {execution.name: str(execution.status) for execution in machine.executions}
        raise TemplateError(f"no state machine {state_machine_logical_id}")

    @property
    def running(self) -> str | None:
        """The function whose handler runs at this moment."""
        return self._functions.current

    @property
    def interpreter_failures(self) -> tuple[str, ...]:
        """Executions in which moto's interpreter itself failed; a run with any proves nothing."""
        return tuple(self._workflows.crashed)

    def emails(self) -> list[Email]:
        """Every e-mail SES accepted, in order."""
        found = []
        for message in ses_backends[ACCOUNT_ID][self._region].sent_messages:
            kinds: Any = getattr(message, "destinations", None) or {}
            if isinstance(kinds, list):
                kinds = {"ToAddresses": kinds}
            found.append(
                Email(
                    source=str(message.source),
                    destinations={kind: tuple(addresses) for kind, addresses in kinds.items()},
                    subject=str(getattr(message, "subject", "")),
                    body=str(getattr(message, "body", getattr(message, "raw_data", ""))),
                )
            )
        return found

    def sns_texts(self) -> list[SnsText]:
        """Every text SNS accepted for a phone number, in order."""
        backend = sns_backends[ACCOUNT_ID][self._region]
        return [SnsText(number, message) for number, message, *_ in backend.sms_messages.values()]

    # ------------------------------------------------------------------ within

    def _sources(self) -> list[Callable[[], bool]]:
        sources: list[Callable[[], bool]] = [self._settle_workflows, self._run_async]
        polled: list[Callable[[], bool]] = []
        for pollers in self._streams.values():
            for poller in pollers:
                polled += [_stream_source(poller, shard) for shard in range(SHARDS)]
        polled += [queue.poll for queue in self._queues]
        if self._order is not None:
            self._order.shuffle(polled)
        return sources + polled

    def _settle_workflows(self) -> bool:
        moved = self._workflows.settle()
        for call in self._workflows.take_calls():
            moved = True
            try:
                logical_id = self._function_of(call.function)
                self._workflows.answer(call, self._run(logical_id, call.payload, "states"))
            except FunctionError as error:
                self._workflows.answer(call, Failure(error.error_type, str(error)))
        return moved

    def _run_async(self) -> bool:
        now = self.clock.now()
        due = sorted((one for one in self._async if one.due <= now), key=lambda one: (one.due, one.number))
        if not due:
            return False
        self._async = [one for one in self._async if one.due > now]
        for one in due:
            try:
                self._run(one.function, one.event, "schedule")
            except FunctionError:
                self._retry_async(one)
        return True

    def _retry_async(self, one: _Async) -> None:
        spec = self._specs[one.function]
        if one.attempt < min(spec.retry_attempts, len(_ASYNC_WAITS)):
            due = self.clock.now() + _ASYNC_WAITS[one.attempt]
            self._async.append(_Async(due, one.number, one.function, one.event, one.attempt + 1))
            return
        self.counters.dead_letters[one.function] += 1
        if spec.on_failure_arn:
            self._send_to_destination(
                spec.on_failure_arn,
                {
                    "version": "1.0",
                    "requestContext": {"functionArn": spec.arn, "condition": "RetriesExhausted"},
                    "requestPayload": one.event,
                },
            )

    def _run(self, logical_id: str, event: Mapping[str, Any], source: str) -> Any:
        self.counters.invocations[logical_id] += 1
        outcome = "ok"
        try:
            return self._functions.invoke(logical_id, event)
        except FunctionError as error:
            outcome = error.error_type
            self.counters.errors[logical_id] += 1
            self._log_failure(logical_id, error)
            raise
        finally:
            self.history.append(Invocation(self.clock.now(), logical_id, source, outcome))

    def _log_failure(self, logical_id: str, error: FunctionError) -> None:
        import traceback

        # Lambda writes the traceback of an unhandled exception to the function's log.
        self._stderr.function = logical_id
        try:
            cause = error.__cause__ or error
            self._stderr.write("".join(traceback.format_exception(cause)))
        finally:
            self._stderr.function = None

    def _function_of(self, name: str) -> str:
        wanted = name.rsplit(":function:", maxsplit=1)[-1].split(":", maxsplit=1)[0]
        for spec in self._specs.values():
            if spec.name == wanted:
                return spec.logical_id
        raise TemplateError(f"a state machine calls {wanted}, which is not in the template")

    def _publish_change(self, change: Change) -> None:
        for poller in self._streams[change.table]:
            poller.offer(change)

    def _batch_failed(self, function: str) -> None:
        self.counters.batch_failures[function] += 1

    def _dead_lettered(self, queue_name: str) -> None:
        self.counters.dead_letters[queue_name] += 1

    def _give_up(self, mapping: StreamMapping, metadata: dict[str, Any]) -> None:
        self.counters.dead_letters[mapping.function] += 1
        if mapping.on_failure_arn:
            metadata["requestContext"]["functionArn"] = self._specs[mapping.function].arn
            self._send_to_destination(mapping.on_failure_arn, metadata)

    def _send_to_destination(self, arn: str, document: Mapping[str, Any]) -> None:
        import json

        body = json.dumps(document)
        if ":sqs:" in arn:
            sqs_backends[ACCOUNT_ID][self._region].send_message(arn.rsplit(":", 1)[-1], body)
        elif ":sns:" in arn:
            sns_backends[ACCOUNT_ID][self._region].publish(message=body, arn=arn)
        else:
            raise TemplateError(f"{arn} is neither a queue nor a topic")

    def _queue(self, name: str) -> Any:
        return sqs_backends[ACCOUNT_ID][self._region].get_queue(name)

    def _assert_usable(self) -> None:
        if not self._open:
            raise RuntimeError("the embedded AWS is not open: use it as a context manager")
        if threading.get_ident() != self._owner:
            raise RuntimeError("the embedded AWS belongs to the thread that opened it")


_MOTO_CONFIG: Any = {"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}
#: botocore's endpoint prefixes where they are not the name people know.
_SERVICE_NAMES: Final = {
    "email": "sesv2",
    "sms-voice": "pinpoint-sms-voice-v2",
    "states": "stepfunctions",
    "streams.dynamodb": "dynamodbstreams",
}


def _attempts(client: Any) -> int:
    """How many times the client tries a call in all; botocore's own default is five, in its legacy mode."""
    retries: Mapping[str, Any] = client.meta.config.retries or {}
    if "total_max_attempts" in retries:
        return int(retries["total_max_attempts"])
    return int(retries.get("max_attempts", 4)) + 1


def _stream_source(poller: StreamPoller, shard: int) -> Callable[[], bool]:
    return lambda: poller.poll(shard)


def _filters(properties: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    criteria = (properties.get("FilterCriteria") or {}).get("Filters") or []
    patterns = (load_yaml(entry["Pattern"]) for entry in criteria)
    return tuple(pattern for pattern in patterns if isinstance(pattern, dict))


def _truth(value: Any) -> bool:
    return str(value).lower() == "true"
