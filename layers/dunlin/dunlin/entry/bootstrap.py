"""The one place where things are put together: lazily, once a function, and only what its path needs."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dunlin.entry.settings import Settings, optional, required
from dunlin.errors import ConfigurationError

if TYPE_CHECKING:
    from dunlin.adapters.aws import (
        EventBridgeAnnouncements,
        HmacPointKeys,
        Secrets,
        SqsEars,
        SqsIntake,
        SqsOutbox,
        SqsRefusedInput,
        SqsWakeQueue,
        StepFunctionsEscalations,
    )
    from dunlin.adapters.dynamo.controls import DynamoControls
    from dunlin.adapters.dynamo.doors import DynamoDoors
    from dunlin.adapters.dynamo.holdings import DynamoHoldings
    from dunlin.adapters.dynamo.listings import DynamoListings
    from dunlin.adapters.dynamo.store import DynamoStore
    from dunlin.adapters.free_words import FreeWords
    from dunlin.adapters.opt_out_list import SmsVoiceOptOutList, SqsOptOuts
    from dunlin.adapters.page import PageHtml
    from dunlin.adapters.providers import WebhookSecrets
    from dunlin.adapters.unsubscribe import UnsubscribeLinks
    from dunlin.content.model import Content
    from dunlin.domain.page import PageRules
    from dunlin.domain.recipients import Recipients
    from dunlin.domain.words import Channel, SendingMode
    from dunlin.entry.provider_fields import ProviderFields
    from dunlin.services.choices import Choices
    from dunlin.services.contacts import Contacts
    from dunlin.services.dispatch import Dispatch
    from dunlin.services.doors import Doors
    from dunlin.services.escalate import Escalate
    from dunlin.services.evaluate import Evaluate
    from dunlin.services.feed import Feed
    from dunlin.services.inbound import ReceiveInbound
    from dunlin.services.ingest import Ingest
    from dunlin.services.opt_out_list import OptOutList
    from dunlin.services.opt_outs import OptOuts
    from dunlin.services.pace import Pace
    from dunlin.services.page import Page
    from dunlin.services.pauses import Pauses
    from dunlin.services.policies import Policies
    from dunlin.services.ports import Clock, Lengths, Sender
    from dunlin.services.preferences import Preferences
    from dunlin.services.render import Compose, Render
    from dunlin.services.reports import ReceiveReport
    from dunlin.services.retention import Retain
    from dunlin.services.send import Send
    from dunlin.services.settle import Settle
    from dunlin.services.sweep import Sweep
    from dunlin.services.thread import Thread

__all__ = ["Runtime", "forget", "reset", "runtime", "use_clock"]


def system_clock() -> datetime:
    return datetime.now(UTC)


_clock: Clock = system_clock
_runtimes: dict[str, Runtime] = {}


def use_clock(clock: Clock) -> None:
    """Let time come from `clock`: time has one source, and on a laptop it is a virtual one."""
    global _clock  # noqa: PLW0603  (the process has one clock)
    _clock = clock
    _runtimes.clear()


def reset() -> None:
    """Forget everything that was put together, and the clock."""
    use_clock(system_clock)


def forget(function_name: str) -> None:
    """Forget what one function put together: its next invocation is a cold start."""
    _runtimes.pop(function_name, None)


def runtime() -> Runtime:
    """What this function needs, made at its first invocation and kept for the next ones."""
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    if name not in _runtimes:
        _runtimes[name] = Runtime(Settings.from_environment(), _clock)
    return _runtimes[name]


class Runtime:
    """Settings, clients and services of one function."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self._webhook_secrets: dict[str, WebhookSecrets | None] = {}

    # ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _client(self, service: str) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
        return boto3.client(service, region_name=self.settings.region, config=config)  # type: ignore[call-overload]

    @cached_property
    def _sqs(self) -> Any:
        return self._client("sqs")

    @cached_property
    def secrets(self) -> Secrets:
        from dunlin.adapters.aws import Secrets

        return Secrets(self._client("secretsmanager"))

    # ── adapters ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def store(self) -> DynamoStore:
        from dunlin.adapters.dynamo.models import bind
        from dunlin.adapters.dynamo.store import DynamoStore

        bind(
            region=self.settings.region,
            borrowers=optional("BORROWERS_TABLE"),
            messages=optional("MESSAGES_TABLE"),
            suppressions=optional("SUPPRESSIONS_TABLE"),
            controls=optional("CONTROLS_TABLE"),
        )
        return DynamoStore(self.settings.region)

    @cached_property
    def controls(self) -> DynamoControls:
        from dunlin.adapters.dynamo.controls import DynamoControls

        _ = self.store  # binds the tables
        return DynamoControls()

    @cached_property
    def holdings(self) -> DynamoHoldings:
        from dunlin.adapters.dynamo.holdings import DynamoHoldings

        _ = self.store  # binds the tables
        return DynamoHoldings(self.settings.region)

    @cached_property
    def content(self) -> Content:
        from dunlin.content.loader import load_content

        return load_content(Path(required("CONTENT_DIR")), lazily=True, environment=self.settings.environment)

    @cached_property
    def keys(self) -> HmacPointKeys:
        from dunlin.adapters.aws import HmacPointKeys

        return HmacPointKeys(self.secrets.text(required("POINT_KEY_SECRET")))

    @cached_property
    def refused_input(self) -> SqsRefusedInput:
        from dunlin.adapters.aws import SqsRefusedInput

        return SqsRefusedInput(self._sqs, required("REFUSED_INPUT_QUEUE_URL"))

    @cached_property
    def outbox(self) -> SqsOutbox:
        from dunlin.adapters.aws import SqsOutbox

        return SqsOutbox(self._sqs, self._ear_urls())

    @cached_property
    def announcements(self) -> EventBridgeAnnouncements:
        from dunlin.adapters.aws import EventBridgeAnnouncements

        return EventBridgeAnnouncements(self._client("events"), required("ANNOUNCEMENTS_BUS"))

    @cached_property
    def intake(self) -> SqsIntake:
        from dunlin.adapters.aws import SqsIntake

        return SqsIntake(self._sqs, required("CORE_EVENTS_QUEUE_URL"), required("CORE_EVENTS_DEAD_LETTER_QUEUE_URL"))

    def _ear_urls(self) -> dict[str, str]:
        return {"reports": required("REPORTS_QUEUE_URL"), "inbound": required("INBOUND_QUEUE_URL")}

    @cached_property
    def escalations(self) -> StepFunctionsEscalations:
        from dunlin.adapters.aws import StepFunctionsEscalations

        # A function that only rings needs no state machine's name.
        return StepFunctionsEscalations(self._client("stepfunctions"), optional("ESCALATION_STATE_MACHINE_ARN"))

    @cached_property
    def recipients(self) -> Recipients:
        """Whom this deployment may reach. The list is personal data, so it is a secret; production has none."""
        from dunlin.domain.recipients import EVERYONE, parse_recipients

        if self.settings.environment == "prod":
            return EVERYONE
        name = required("RECIPIENTS_SECRET")
        return parse_recipients(self.secrets.document(name))

    @cached_property
    def sending_mode(self) -> SendingMode:
        from dunlin.domain.words import SendingMode

        return self.settings.sending_mode or SendingMode(required("SENDING_MODE"))

    def _provider(self, name: str) -> ProviderFields:
        from dunlin.entry.provider_fields import provider_fields

        return provider_fields(self.secrets.document(required("PROVIDERS_SECRET")), name)

    @cached_property
    def senders(self) -> dict[str, Sender]:
        """The senders of the providers that the lender's lines use. In shadow there are none: not even a client."""
        from dunlin.domain.words import SendingMode

        if self.sending_mode is SendingMode.SHADOW:
            return {}
        import boto3

        from dunlin.adapters.senders import SesSender, SmsVoiceSender, SnsSender, one_attempt, sms_voice_client

        read, connect = float(os.environ.get("PROVIDER_READ_TIMEOUT", "10")), 2.0
        region = self.settings.region
        senders: dict[str, Sender] = {}
        for provider in sorted({line.provider for line in self.content.lender.lines}):
            match provider:
                case "aws_sms":
                    senders[provider] = SmsVoiceSender(sms_voice_client(read, connect, region=region))
                case "aws_sns":
                    once = one_attempt(read, connect)
                    senders[provider] = SnsSender(boto3.client("sns", region_name=region, config=once))
                case "aws_push":
                    from dunlin.adapters.senders.push import PushSender

                    once = one_attempt(read, connect)
                    senders[provider] = PushSender(boto3.client("sns", region_name=region, config=once))
                case "aws_whatsapp":
                    from dunlin.adapters.senders.whatsapp import WhatsAppSender

                    once = one_attempt(read, connect)
                    social = boto3.client("socialmessaging", region_name=region, config=once)
                    senders[provider] = WhatsAppSender(social)
                case "aws_ses":
                    once = one_attempt(read, connect)
                    client = boto3.client("sesv2", region_name=region, config=once)
                    senders[provider] = SesSender(
                        client, unsubscribe=self._unsubscribe_links(required("UNSUBSCRIBE_URL"))
                    )
                case _:
                    from dunlin.entry.provider_fields import http_sender

                    senders[provider] = http_sender(self._provider(provider), self.clock, read, connect)
        return senders

    def _unsubscribe_links(self, base_url: str) -> UnsubscribeLinks:
        from dunlin.adapters.unsubscribe import UnsubscribeLinks

        return UnsubscribeLinks(self.secrets.text(required("POINT_KEY_SECRET")), base_url)

    @cached_property
    def unsubscribe_links(self) -> UnsubscribeLinks:
        """To read them: who only reads needs no address."""
        return self._unsubscribe_links("")

    def webhook_secrets(self, name: str) -> WebhookSecrets | None:
        """What is shared with this provider's webhook; None if there is no such provider, or nothing is shared."""
        if name not in self._webhook_secrets:
            from dunlin.adapters.providers import PROVIDERS
            from dunlin.entry.provider_fields import webhook_secrets

            if name not in PROVIDERS:
                return None  # not kept: anybody can name any number of them
            document = self.secrets.document(required("PROVIDERS_SECRET"))
            self._webhook_secrets[name] = webhook_secrets(self._provider(name)) if name in document else None
        return self._webhook_secrets[name]

    # ── services ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def policies(self) -> Policies:
        from dunlin.services.policies import Policies

        return Policies(self.content, self.controls)

    @cached_property
    def settle(self) -> Settle:
        from dunlin.entry.observability import count_reached
        from dunlin.services.settle import Settle

        return Settle(self.store, self.clock, count_reached)

    @cached_property
    def opt_outs(self) -> OptOuts:
        from dunlin.services.opt_outs import OptOuts

        # Who hears of opt-outs has the queue; who hands over, or is told what became of it, knows the list.
        queue = self.opt_outs_queue if optional("OPT_OUTS_QUEUE_URL") else None
        return OptOuts(self.store, self.clock, queue, self.listings if optional("OPT_OUT_LIST") else None)

    @cached_property
    def opt_outs_queue(self) -> SqsOptOuts:
        from dunlin.adapters.opt_out_list import SqsOptOuts

        return SqsOptOuts(self._sqs, optional("OPT_OUTS_QUEUE_URL"))

    @cached_property
    def listings(self) -> DynamoListings:
        from dunlin.adapters.dynamo.listings import DynamoListings

        _ = self.store  # binds the tables
        return DynamoListings(optional("OPT_OUT_LIST"))

    @cached_property
    def opt_out_list(self) -> OptOutList:
        from dunlin.services.opt_out_list import OptOutList

        return OptOutList(
            self.store,
            self.listings,
            self._provider_list() if optional("OPT_OUT_LIST") else None,
            self.opt_outs_queue,
            self.opt_outs,
            self.keys,
            lambda place: any(line.provider == "aws_sms" for line in self.content.lines(place)),
            self.clock,
        )

    def _provider_list(self) -> SmsVoiceOptOutList:
        import boto3
        from botocore.config import Config

        from dunlin.adapters.opt_out_list import SmsVoiceOptOutList

        # Each call may be made twice, and a list is read in many: patience instead of failures.
        config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 8, "mode": "standard"})
        client = boto3.client("pinpoint-sms-voice-v2", region_name=self.settings.region, config=config)
        return SmsVoiceOptOutList(client, optional("OPT_OUT_LIST"))

    @cached_property
    def ingest(self) -> Ingest:
        from dunlin.services.ingest import Ingest

        return Ingest(self.store, self.controls, self.content, self.keys, self.clock, self.opt_outs, self.thread)

    @cached_property
    def thread(self) -> Thread:
        from dunlin.services.thread import Thread

        return Thread(self.store, self.policies, self.content, self._free_words)

    def _free_words(self) -> FreeWords:
        from dunlin.adapters.free_words import FreeWords
        from dunlin.adapters.renderer import Renderer

        return FreeWords(self.content, Renderer(self.content))

    @cached_property
    def feed(self) -> Feed:
        from dunlin.services.feed import Feed

        return Feed(self.controls, self.clock)

    @cached_property
    def preferences(self) -> Preferences:
        from dunlin.services.preferences import Preferences

        return Preferences(self.opt_outs, self.keys, self.clock)

    @cached_property
    def choices(self) -> Choices:
        from dunlin.services.choices import Choices

        return Choices(self.store, self.content, self.clock)

    @property
    def page_rules(self) -> PageRules:
        """The rules of the page.

        Raises:
            ConfigurationError: the lender's profile has none.
        """
        if self.content.lender.page is None:
            raise ConfigurationError("lender.page: must be set")
        return self.content.lender.page

    @cached_property
    def _door_store(self) -> DynamoDoors:
        from dunlin.adapters.dynamo.doors import DynamoDoors

        _ = self.store  # binds the tables
        return DynamoDoors()

    @cached_property
    def doors(self) -> Doors:
        from dunlin.services.doors import Doors

        key = self.secrets.text(required("POINT_KEY_SECRET"))
        return Doors(self.store, self._door_store, self.keys, key, self.content.lender.page, self.clock)

    @cached_property
    def page(self) -> Page:
        from dunlin.services.page import Page

        return Page(self.store, self.policies, self.inbound, self.preferences, self.choices, self.clock)

    @cached_property
    def page_html(self) -> PageHtml:
        from dunlin.adapters.page import PageHtml

        return PageHtml(self.content)

    @cached_property
    def contacts(self) -> Contacts:
        from dunlin.services.contacts import Contacts

        return Contacts(self.store, self.policies, self.clock)

    @cached_property
    def pauses(self) -> Pauses:
        from dunlin.services.pauses import Pauses

        templates = frozenset(template for template, _ in self.content.parts)
        return Pauses(self.controls, self.content.lender, templates, self.clock)

    @cached_property
    def dispatch(self) -> Dispatch:
        from dunlin.adapters.aws import SqsWakeQueue
        from dunlin.services.dispatch import Dispatch

        wakes: SqsWakeQueue = SqsWakeQueue(self._sqs, required("WAKE_QUEUE_URL"))
        return Dispatch(self.store, wakes, self.clock)

    @cached_property
    def evaluate(self) -> Evaluate:
        from dunlin.services.evaluate import Evaluate

        return Evaluate(self.store, self.policies, self.escalations, self.announcements, self.clock, self.retain)

    @cached_property
    def retain(self) -> Retain:
        from dunlin.services.retention import Retain

        return Retain(self.store, self.holdings, self.content)

    @cached_property
    def escalate(self) -> Escalate:
        from dunlin.services.escalate import Escalate

        return Escalate(self.store, self.policies, self.escalations, self.clock)

    @cached_property
    def pace(self) -> Pace:
        from dunlin.adapters.aws import SqsSlots
        from dunlin.services.pace import Pace

        slots = SqsSlots(self._sqs, required("PACE_QUEUE_URL"))
        return Pace(self.store, self.controls, self.content, self.settle, self.clock, slots, self._lengths)

    @property
    def _lengths(self) -> Lengths:
        """For the pacer, which sends nothing: it needs to know the words, and nobody's list of recipients."""
        from dunlin.adapters.renderer import Renderer
        from dunlin.domain.recipients import EVERYONE
        from dunlin.services.lengths import TextLengths
        from dunlin.services.policies import PoliciesOfAMoment
        from dunlin.services.render import Compose

        policies = PoliciesOfAMoment(self.content, self.controls)
        return TextLengths(self.store, Compose(policies, Renderer(self.content), self.content, EVERYONE))

    @cached_property
    def compose(self) -> Compose:
        from dunlin.adapters.renderer import Renderer
        from dunlin.services.render import Compose

        return Compose(self.policies, Renderer(self.content), self.content, self.recipients)

    @cached_property
    def render(self) -> Render:
        from dunlin.services.render import Render

        return Render(self.store, self.compose, self.settle, self.clock)

    @cached_property
    def send(self) -> Send:
        from dunlin.services.send import Send

        return Send(
            self.store,
            self.controls,
            self.compose,
            self.settle,
            self.opt_outs,
            self.senders,
            self.clock,
            recipients=self.recipients,
            mode=self.sending_mode,
        )

    @cached_property
    def reports(self) -> ReceiveReport:
        from dunlin.services.reports import ReceiveReport

        return ReceiveReport(self.store, self.settle, self.opt_outs, self._point_of, self.controls)

    def _point_of(self, channel: Channel, address: str) -> str:
        return self.keys.point(channel, address)

    @cached_property
    def inbound(self) -> ReceiveInbound:
        from dunlin.services.inbound import ReceiveInbound, read_with

        understand = read_with(self.content.lexicon)
        return ReceiveInbound(self.store, self.policies, self.opt_outs, self.keys, understand, self.clock)

    @cached_property
    def sweep(self) -> Sweep:
        from dunlin.adapters.aws import SqsEars
        from dunlin.services.sweep import Sweep

        ears: SqsEars = SqsEars(self._sqs, self._ear_urls())
        return Sweep(self.store, self.controls, self.render, self.send, self.settle, ears, self.clock)
