"""The whole system on one machine: a lender's core, its borrowers, the providers, and between them the application.

Everything runs on one virtual clock. The world jumps from moment to moment: to the next fact of the core, the next
report or text of a provider, the next retry inside AWS, and to the next minute at which the schedules would find
something to do. Minutes at which they would find nothing are jumped over.
"""

from __future__ import annotations

import heapq
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import yaml
from dunlin.entry import bootstrap
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.sqs.models import sqs_backends

from local.core.feed import CoreEvent
from local.embedded.aws import EmbeddedAws
from local.embedded.clock import VirtualClock
from local.portfolio.people import RECIPIENTS
from local.simulator.faults import Faults
from local.simulator.finance import FinanceKeys
from local.simulator.simulator import FINANCE, WECHAT, WHATSAPP, Delivered, Outgoing, Simulator, Stirred
from local.simulator.transport import InProcess
from local.simulator.wechat import WechatAccount
from local.simulator.whatsapp import account_in

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = ROOT / "template.yaml"
CONTENT = ROOT / "layers" / "content"
REGION = "us-east-1"
MINUTE = timedelta(minutes=1)
PROBE_EVERY = timedelta(hours=6)
#: Well under every pack's `deaf_after_minutes`.
LISTENS_EVERY = timedelta(minutes=12)
SWEEP = "SweepMessagesFunction"
READS_THE_LIST = "FollowOptOutsFunction"
QUARTER = timedelta(minutes=15)
EVENT_SOURCE = "lender.core"
#: Those who act on what the application announces.
HEARERS = "hearers"
_HOT = DynamoType({"S": "HOT"})


class Core(Protocol):
    """What the world asks of a core: the generated one and the replayed one both have it."""

    def next_due(self) -> datetime | None: ...

    def due(self, now: datetime) -> list[CoreEvent]: ...


#: What people do when something reaches them: texts to send, as (from, text, at, meaning).
Reply = tuple[str, str, datetime, str]


def _filed(provider: str) -> dict[str, str]:
    """What the lender's lines say that this provider has on file."""
    lender = yaml.safe_load((CONTENT / "lenders" / "sample.yaml").read_text(encoding="utf-8"))
    lines = (line for line in lender["lines"] if line["provider"] == provider)
    return {each["code"]: each["text"] for line in lines for each in line.get("templates", ())}


@dataclass(frozen=True, slots=True)
class SentText:
    """A text a person sent, with what was meant by it, for the auditor."""

    at: datetime
    inbound_id: str
    provider: str
    from_address: str
    to_address: str
    text: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Announced:
    """What the application told others, as they had it from its bus."""

    at: datetime
    kind: str
    detail: Mapping[str, Any]


@dataclass
class World:
    """See the module. Use as a context manager; `run` once.

    Args:
        core: feeds facts. on_delivered: what people answer to a text that reached them.
        line_of: the number a person's text is sent to, by the person's own number.
        unreachable: numbers that no text reaches, and why (invalid, landline).
        on_recycled: what becomes of it when a number has a new owner, and what that owner texts.
        calm_from: from here on nothing goes wrong at the providers. interleave: see `EmbeddedAws`.
        recipients: the allow-list, since this is not production; every invented person unless it says otherwise.
        sending_mode: live, or shadow: then no provider hears anything.
        on_announced: what others do about what the application tells them.
        rates: parts a second that the providers take from a number, by the number.
    """

    core: Core
    start: datetime
    end: datetime
    seed: int
    faults: Faults
    logs_dir: Path
    on_delivered: Callable[[Delivered], Sequence[Reply]]
    line_of: Callable[[str], str]
    unreachable: Mapping[str, str] = field(default_factory=dict)
    before_call: Callable[[Any], Any] | None = None
    progress: Callable[[datetime], None] | None = None
    finance_numbers: Sequence[str] = ()
    on_recycled: Callable[[Stirred], Sequence[Reply]] | None = None
    calm_from: datetime | None = None
    interleave: bool = False
    recipients: Sequence[str] = RECIPIENTS
    sending_mode: str = "live"
    on_announced: Callable[[Announced], None] | None = None
    rates: Mapping[str, float] = field(default_factory=dict)

    clock: VirtualClock = field(init=False)
    simulator: Simulator = field(init=False)
    aws: EmbeddedAws = field(init=False)
    texts: list[SentText] = field(init=False, default_factory=list)
    announced: list[Announced] = field(init=False, default_factory=list)
    ticks: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.start)
        keys = FinanceKeys()
        self._keys = keys
        self._wechat = WechatAccount(templates=_filed(WECHAT))
        self.simulator = Simulator(
            self.clock.now,
            self.seed,
            self.faults,
            on_delivered=self._reached,
            on_stirred=self._stirred,
            on_early=self._overtake,
            calm_from=self.calm_from,
            finance_keys=keys,
            wechat=self._wechat,
            finance_numbers=tuple(self.finance_numbers),
            whatsapp=account_in(CONTENT),
            unreachable=self.unreachable,
            rates=self.rates,
        )
        self._providers = InProcess(self.simulator)
        self._settled: set[tuple[str, str]] = set()
        self._fired_at: dict[str, datetime] = {}
        self._list_read = 0
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._planned = 0

    def __enter__(self) -> World:
        url = self._providers.__enter__().url
        self.aws = EmbeddedAws(
            TEMPLATE,
            clock=self.clock,
            seed=self.seed,
            parameters={
                "Environment": "dev",
                "Traces": "false",
                "SendingMode": self.sending_mode,
                "EndUserMessaging": "true",
            },
            environment={
                "CONTENT_DIR": str(CONTENT),
                "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": url,
                "AWS_ENDPOINT_URL_SESV2": url,
                "AWS_ENDPOINT_URL_SNS": url,
                "AWS_ENDPOINT_URL_SOCIALMESSAGING": url,
            },
            logs_dir=self.logs_dir,
            on_start=self._begin,
            on_exit=bootstrap.forget,
            before_call=self.before_call,
            interleave=self.interleave,
            region=REGION,
        )
        self.aws.__enter__()
        self._put_provider_secret(url)
        self._put_recipients()
        self._subscribe()
        return self

    def _subscribe(self) -> None:
        """Somebody hears what the application announces, as in the cloud: a rule of theirs, and a queue."""
        import boto3

        url = boto3.client("sqs", region_name=REGION).create_queue(QueueName=HEARERS)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{url.split('/')[-2]}:{HEARERS}"
        bus = self.aws.template.physical_name("AnnouncementBus")
        client = boto3.client("events", region_name=REGION)
        client.put_rule(Name=HEARERS, EventBusName=bus, EventPattern=json.dumps({"source": ["dunlin"]}))
        client.put_targets(Rule=HEARERS, EventBusName=bus, Targets=[{"Id": HEARERS, "Arn": arn}])

    def _begin(self) -> None:
        """Virtual time for the functions; and their logger, should the process have had it before, writes here."""
        from dunlin.entry.observability import logger

        bootstrap.use_clock(self.clock.now)
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(sys.stdout)

    def __exit__(self, *details: Any) -> None:
        try:
            self.aws.__exit__(*details)
        finally:
            bootstrap.reset()
            self._providers.close()

    def _put_provider_secret(self, url: str) -> None:
        import boto3

        document = {
            "finance_sms": {
                "base_url": url,
                "key_id": self._keys.key_id,
                "secret": self._keys.secret,
                "webhook_token": self._keys.webhook_token,
                "webhook_secret": self._keys.webhook_secret,
            },
            WECHAT: {
                "base_url": url,
                "app_id": self._wechat.app_id,
                "app_secret": self._wechat.secret,
                "webhook_token": self._wechat.webhook_token,
                "signing_token": self._wechat.signing_token,
            },
        }
        client = boto3.client("secretsmanager", region_name=REGION)
        client.put_secret_value(
            SecretId=self.aws.template.physical_name("ProvidersSecret"), SecretString=json.dumps(document)
        )

    def _put_recipients(self) -> None:
        import boto3

        boto3.client("secretsmanager", region_name=REGION).put_secret_value(
            SecretId=self.aws.template.physical_name("RecipientsSecret"),
            SecretString=json.dumps({"recipients": list(self.recipients)}),
        )

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Let it all happen, from `start` to `end`."""
        slots = self._slots()
        while True:
            now = self.clock.now()
            self._happen(now)
            due = {function for function, slot in slots.items() if slot <= now}
            retried_at = self.aws.next_due()
            if due - {SWEEP} or (retried_at is not None and retried_at <= now):
                self._listen(now)
            self._feed(self.core.due(now))
            self._hand_on(self.simulator.due(now))
            if due:
                self.ticks += 1
                self._fired_at.update(dict.fromkeys(due, now))
                failed = self.aws.counters.errors[READS_THE_LIST]
                self.aws.tick(due)
                if READS_THE_LIST in due and self.aws.counters.errors[READS_THE_LIST] == failed:
                    self._list_read = self.simulator.list_changes
            else:
                self.aws.drain()
            self._hear()
            slots = self._slots()
            moments = [self.core.next_due(), self.simulator.next_due(), self.aws.next_due(), *slots.values()]
            moments += [planned_at for planned_at, _, _ in self._agenda[:1]]
            following = min((moment for moment in moments if moment is not None), default=None)
            if following is None or following > self.end:
                self.clock.advance_to(self.end)
                return
            self.clock.advance_to(max(following, now))
            if self.progress is not None:
                self.progress(self.clock.now())

    def _listen(self, now: datetime) -> None:
        """Let the sweep prove that we hear, before anything rests on it: in the cloud it does so every minute."""
        fired_at = self._fired_at.get(SWEEP)
        if fired_at is None or now - fired_at >= LISTENS_EVERY:
            self._fired_at[SWEEP] = now
            self.aws.tick({SWEEP})

    def _slots(self) -> dict[str, datetime]:
        """When each schedule fires next, those that would find nothing left out."""
        return {function: self._slot(function, needed_at) for function, needed_at in self._needed().items()}

    def _slot(self, function: str, needed_at: datetime) -> datetime:
        """The next full minute (or quarter of an hour) from `needed_at`, and after the schedule last fired."""
        fired_at = self._fired_at.get(function, self.start - MINUTE)
        earliest = max(needed_at, fired_at + timedelta(microseconds=1))
        every = QUARTER if function == READS_THE_LIST else MINUTE
        over = (earliest - earliest.replace(minute=0, second=0, microsecond=0)) % every
        return earliest if not over else earliest - over + every

    def _needed(self) -> dict[str, datetime]:
        """From when each schedule finds something: somebody to look at, a message to release, one to attend to."""
        now = self.clock.now()
        wakes = [
            partition[_HOT].attrs["wake_at"].value
            for partition in self._table("BorrowersTable").items.values()
            if _HOT in partition and "wake_at" in partition[_HOT].attrs
        ]
        attended: list[str] = []
        queued = False
        for borrower_id, partition in self._table("MessagesTable").items.items():
            for key, item in partition.items():
                if (borrower_id.value, key.value) in self._settled:
                    continue
                queued = queued or "queue_line" in item.attrs
                if "attend_at" in item.attrs:
                    attended.append(item.attrs["attend_at"].value)
                else:
                    self._settled.add((borrower_id.value, key.value))
        # The sweep also proves that we hear: often enough to be worth something, seldom enough to jump.
        swept_at = self._fired_at.get(SWEEP, self.start)
        needed = {SWEEP: min([swept_at + PROBE_EVERY, *map(datetime.fromisoformat, attended)])}
        if wakes:
            needed["DispatchWakesFunction"] = datetime.fromisoformat(min(wakes))
        if queued:
            needed["PaceLinesFunction"] = now
        if self.simulator.list_changes != self._list_read:
            needed[READS_THE_LIST] = now
        return needed

    def _table(self, logical_id: str) -> Any:
        name = self.aws.template.physical_name(logical_id)
        return dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[name]

    # ── What comes in ────────────────────────────────────────────────────────────────────────────────────────────────

    def _feed(self, events: Sequence[CoreEvent]) -> None:
        bus = self.aws.template.physical_name("CoreEventBus")
        entries = [
            {
                "Source": EVENT_SOURCE,
                "DetailType": event.type,
                "Detail": json.dumps(event.detail, ensure_ascii=False),
                "EventBusName": bus,
            }
            for event in events
        ]
        for begin in range(0, len(entries), 10):
            self.aws.put_events(entries[begin : begin + 10])

    def _hand_on(self, outgoing: Sequence[Outgoing]) -> None:
        for each in outgoing:
            if each.provider == FINANCE:
                kind, headers, raw = self.simulator.webhook_request(each)
                path = f"/providers/finance_sms/{self._keys.webhook_token}/{kind}"
                self._post(each, path, headers, raw)
            elif each.provider == WECHAT:
                query, raw = self._wechat.webhook_request(each.payload, self.clock.now())
                path = f"/providers/wechat/{self._wechat.webhook_token}/inbound"
                self._post(each, path, {"Content-Type": "text/xml"}, raw, query)
            else:
                topic = "ReportsTopic" if each.kind == "report" else "InboundTopic"
                if each.provider == WHATSAPP:
                    topic = "WhatsAppTopic"
                self.aws.publish(topic, json.dumps(each.payload, ensure_ascii=False))

    def _post(
        self, each: Outgoing, path: str, headers: Mapping[str, str], raw: bytes, query: Mapping[str, str] | None = None
    ) -> None:
        """As any provider does: until it is taken."""
        answer = self.aws.request("POST", path, headers=headers, body=raw, query=query)
        if answer.status >= 500:
            self.at(self.clock.now() + MINUTE, partial(self._hand_on, [each]))
        elif answer.status != 200:
            raise RuntimeError(f"the webhook answered {answer.status}")

    def _hear(self) -> None:
        waiting = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[HEARERS]._messages
        bodies = [json.loads(message.body) for message in waiting]
        waiting.clear()
        for body in bodies:
            announced = Announced(self.clock.now(), body["detail-type"], body["detail"])
            self.announced.append(announced)
            if self.on_announced is not None:
                self.on_announced(announced)

    def _reached(self, delivered: Delivered) -> None:
        for reply in self.on_delivered(delivered):
            self.text(*reply)

    def _overtake(self, outgoing: Outgoing) -> None:
        """A report that the application has before the answer to its own request."""
        from dunlin.entry.observability import metrics  # reads the environment of the first function that runs

        # In Lambda the function that waits has metrics of its own; here the others would publish them.
        waiting = dict(metrics.metric_set)
        metrics.metric_set.clear()
        with self.aws.meanwhile("ReceiveReportFunction"):
            self._hand_on([outgoing])
        metrics.metric_set.update(waiting)

    def _stirred(self, stirred: Stirred) -> None:
        if stirred.what == "stop":
            text = "退订" if stirred.number.startswith("+86") else "STOP"
            self.text(stirred.number, text, stirred.at, "opt_out")
        elif stirred.what == "unfollow":
            inbound_id = self.simulator.unfollow(stirred.number, stirred.at)
            sent = SentText(stirred.at, inbound_id, WECHAT, stirred.number, self._wechat.name, "", "opt_out")
            self.texts.append(sent)
        elif self.on_recycled is not None:
            for reply in self.on_recycled(stirred):
                self.text(*reply)

    def at(self, moment: datetime, happens: Callable[[], None]) -> None:
        """Let something else happen at a moment of the run, before anything of the system does."""
        self._planned += 1
        heapq.heappush(self._agenda, (moment, self._planned, happens))

    def _happen(self, now: datetime) -> None:
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2]()

    def text(self, from_address: str, text: str, at: datetime, meaning: str) -> None:
        """A person's text to the lender's line."""
        to_address = self.line_of(from_address)
        provider = FINANCE if to_address in self.finance_numbers else None
        if to_address == self.simulator.whatsapp.number:
            provider = WHATSAPP
        at = max(at, self.clock.now())
        inbound_id = self.simulator.send_inbound(from_address, to_address, text, at, provider=provider)
        self.texts.append(SentText(at, inbound_id, provider or "sms_voice", from_address, to_address, text, meaning))

    # ── What can be seen afterwards ──────────────────────────────────────────────────────────────────────────────────

    def documents(self, table: str, item: str | None = None) -> list[Mapping[str, Any]]:
        """The JSON documents of a table's items; of one kind of item (`HOT`, or a prefix such as `CASE#`)."""
        found = []
        for row in self.aws.items(table):
            name = str(row.get("item", ""))
            if item is not None and name != item and not name.startswith(item):
                continue
            if isinstance(row.get("document"), str):
                document = json.loads(row["document"])
                document.setdefault("borrower_id", row.get("borrower_id"))
                found.append(document)
        return found
