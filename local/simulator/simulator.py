"""The simulator: what it accepts, what becomes of it, and when whoever waits hears of it."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from types import TracebackType
from typing import Final, Self

from local.simulator.faults import SPELL_DAYS, Draw, Faults
from local.simulator.finance import FinanceKeys, signed_webhook
from local.simulator.meter import Meter
from local.simulator.payloads import (
    Order,
    Payload,
    aws_event,
    aws_inbound,
    email_event,
    finance_inbound,
    finance_report,
)
from local.simulator.record import HandOverReceived, InboundSent, ListChanged, Record
from local.simulator.texts import encoding_and_parts
from local.simulator.wechat import WechatAccount, reported, unfollowed
from local.simulator.whatsapp import WHATSAPP, WhatsAppAccount, known_as, whatsapp_inbound, whatsapp_status

__all__ = [
    "AWS",
    "EMAIL",
    "FINANCE",
    "INVALID",
    "LANDLINE",
    "PUSH",
    "SNS",
    "WECHAT",
    "WHATSAPP",
    "Delivered",
    "Outgoing",
    "Simulator",
    "Stirred",
    "Taken",
]

AWS: Final = "aws_sms"
EMAIL: Final = "aws_ses"
FINANCE: Final = "finance_sms"
SNS: Final = "aws_sns"
PUSH: Final = "aws_push"
WECHAT: Final = "wechat"

#: Why texts never reach a number: nobody has it, or it takes none.
INVALID: Final = "invalid"
LANDLINE: Final = "landline"

#: Without word from the carrier for this long the provider closes the message.
CARRIER_SILENCE = timedelta(hours=72)
DEFAULT_TTL_SECONDS = 259_200
#: How long after a person's own message WhatsApp takes free words.
SERVICE_WINDOW = timedelta(hours=24)
#: After how many texts to it, at most, a number changes hands or its owner opts out at the provider.
TEXTS_BEFORE = 4
#: The list that the lines use: the stack makes one an environment.
PROVIDER_LIST: Final = "dunlin-dev"
_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something a provider hands on at `at`: `kind` is report or inbound.

    Payloads of `aws_sms` and `aws_ses` are published to a topic; those of `finance_sms` are posted to the webhook, see
    `Simulator.webhook_request`; those of `wechat` as WeChat posts them, see `WechatAccount.webhook_request`.
    """

    at: datetime
    kind: str
    provider: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Delivered:
    """A text or an e-mail that has reached a person at `at`. `unsubscribe`: where its one click leads, of an e-mail."""

    at: datetime
    provider: str
    from_address: str
    to_address: str
    body: str
    ref: str
    provider_message_id: str
    unsubscribe: str = ""


@dataclass(frozen=True, slots=True)
class Stirred:
    """Something that a person does because of us, and that is no answer to what they have read.

    `what`: `stop`, the recipient of a text on its way asks for no more; `recycled`, the number has a new owner;
    `unfollow`, a follower of the service account (whose openid `number` is) follows it no longer.
    """

    at: datetime
    what: str
    number: str
    line: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What happened to a request. `answer`: OK, or the name of a refusal; `how`: answer, hold or reset."""

    answer: str
    how: str
    message_id: str


@dataclass(frozen=True, slots=True)
class _Fate:
    """What becomes of an accepted message: when it is felt, if ever, and the last word about it, if any."""

    delivered_at: datetime | None
    settled_at: datetime
    event: str | None


#: A fate's event in each provider's words.
_EVENTS: Final[Mapping[str, Mapping[str, str]]] = {
    AWS: {
        "delivered": "TEXT_DELIVERED",
        "successful": "TEXT_SUCCESSFUL",
        "dead": "TEXT_INVALID",
        "unreachable": "TEXT_UNREACHABLE",
        "blocked": "TEXT_CARRIER_BLOCKED",
        "expired": "TEXT_TTL_EXPIRED",
        "unknown": "TEXT_UNKNOWN",
    },
    FINANCE: {
        "delivered": "DELIVERED",
        "successful": "DELIVERED",
        "dead": "MK:0001",
        "unreachable": "UNDELIV",
        "blocked": "BLACK",
        "expired": "EXPIRED",
        "unknown": "UNKNOWN",
    },
    # SNS Publish reports nothing.
    SNS: {},
    PUSH: {},
    WECHAT: {
        "delivered": "success",
        "successful": "success",
        "dead": "failed: system failed",
        "unreachable": "failed: system failed",
        "blocked": "failed:user block",
        "expired": "failed: system failed",
    },
    WHATSAPP: {
        "delivered": "delivered",
        "successful": "read",
        "dead": "failed/131026",
        "unreachable": "failed/131026",
        "blocked": "failed/131049",
        "expired": "failed/131026",
    },
    EMAIL: {
        "delivered": "Delivery",
        "successful": "Delivery",
        "dead": "Bounce/Permanent",
        "unreachable": "Bounce/Transient",
        "blocked": "Bounce/Transient",
        "expired": "Bounce/Transient",
    },
}


class Simulator:
    """The providers, in virtual time.

    Every draw is a hash of the seed, the message's reference, the attempt and what is being drawn, so that a run does
    not depend on which thread came first. `hold_seconds` is real: how long the answer to a message that "times out"
    is held back, longer than the client's read time-out. `unreachable` says of a number that it is `INVALID` or a
    `LANDLINE`: whatever is sent there is accepted, and never arrives. From `calm_from` on nothing goes wrong any more.
    `rates`: parts a second by the number that they come from, beyond which a request is throttled.

    `start` (or `with`) opens the HTTP server on the loopback interface; `due`, `next_due` and `early` belong to the
    driver's thread, and so do `on_delivered` and `on_stirred`, which are called from inside `due`. `on_early` is called
    from inside `take`, before there is an answer, with a report that overtakes it; without it `due` has the report.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        seed: int,
        faults: Faults,
        *,
        on_delivered: Callable[[Delivered], None] | None = None,
        on_stirred: Callable[[Stirred], None] | None = None,
        on_early: Callable[[Outgoing], None] | None = None,
        finance_keys: FinanceKeys | None = None,
        wechat: WechatAccount | None = None,
        finance_numbers: Sequence[str] = (),
        whatsapp: WhatsAppAccount | None = None,
        unreachable: Mapping[str, str] | None = None,
        hold_seconds: float = 0.5,
        max_threads: int = 16,
        calm_from: datetime | None = None,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        from local.simulator.server import ProviderServer

        self._clock = clock
        self._draw = Draw(seed)
        self._profile = faults
        self._calm_from = calm_from
        self._on_delivered = on_delivered
        self._on_stirred = on_stirred
        self._on_early = on_early
        #: What went wrong, by its name in `Faults`: each time that it really did.
        self.injected: Counter[str] = Counter()
        self._early: list[tuple[str, Outgoing]] = []
        self._texts_to: Counter[str] = Counter()
        self.finance_keys = finance_keys if finance_keys is not None else FinanceKeys()
        self.wechat = wechat if wechat is not None else WechatAccount()
        self.whatsapp = whatsapp if whatsapp is not None else WhatsAppAccount()
        #: When each person last wrote to the business there: free words are taken for a day.
        self._wrote_at: dict[str, datetime] = {}
        self.record = Record()
        self._lock = RLock()
        self._heap: list[tuple[datetime, str, int, Outgoing | Delivered | Stirred]] = []
        self._pushed = 0
        self._attempts: dict[tuple[str, str], int] = {}
        self._inbound_seen: dict[tuple[str, str, str, datetime], int] = {}
        self._last_message: dict[tuple[str, str], str] = {}
        self._finance_numbers = set(finance_numbers)
        self._unreachable = dict(unreachable or {})
        self._meters = {number: Meter(rate) for number, rate in (rates or {}).items()}
        self._opted_out: dict[str, dict[str, datetime]] = {}
        self._by_person: set[tuple[str, str]] = set()
        #: How often a list has changed: whoever reads them knows when there is something to read.
        self.list_changes = 0
        self._finance_black: set[str] = set()
        #: Devices that the app is gone from, as SNS has learnt from the one push that came to nothing.
        self._disabled = {
            address for address, why in self._unreachable.items() if why == INVALID and address.startswith("arn:")
        }
        #: Who has stopped following the service account.
        self._unfollowed: set[str] = set()
        self._server = ProviderServer(self, hold_seconds=hold_seconds, max_threads=max_threads)

    # ── Life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> str:
        """Open the server; its base URL, which is the endpoint of every provider."""
        return self._server.start()

    def close(self) -> None:
        """Close the server, let every held answer go, wait for its threads.

        Raises:
            RuntimeError: a request met a fault of the simulator itself, such as an answer without its model's shape.
        """
        self._server.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return self._server.url

    def now(self) -> datetime:
        return self._clock().astimezone(UTC)

    # ── Hand-overs ───────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, order: Order) -> Taken:
        """Accept or refuse a well-formed request, record it, and schedule what follows."""
        with self._lock:
            now = self.now()
            attempt = self._attempt(order)
            words = (order.provider, self._name(order), attempt)
            answer, how, accepted = self._decide(order, words, now)
            message_id = self._message_id(words) if accepted else ""
            if message_id and order.provider == WECHAT:
                message_id = str(int(message_id.replace("-", "")[:12], 16) + 1)
            fate, report_at = self._schedule(order, words, message_id, now) if accepted else (None, None)
            self._enter(order, now, attempt, accepted, answer if how == "answer" else how, message_id, fate, report_at)
        if self._on_early is not None:
            for outgoing in self.early():
                self._on_early(outgoing)
        return Taken(answer, how, message_id)

    def refuse(self, order: Order, answer: str) -> None:
        """Record a request that the protocol itself turned away."""
        with self._lock:
            self._enter(order, self.now(), self._attempt(order), False, answer, "", None, None)

    @property
    def _faults(self) -> Faults:
        """What may go wrong now."""
        if self._calm_from is not None and self.now() >= self._calm_from:
            return Faults.none()
        return self._profile

    def _happens(self, fault: str, *words: object) -> bool:
        """Whether this fault happens here; if so, it is counted."""
        happens = self._draw.happens(getattr(self._faults, fault), *words)
        self.injected[fault] += happens
        return happens

    def _decide(self, order: Order, words: tuple[object, ...], now: datetime) -> tuple[str, str, bool]:
        if self._in_spell("broken", order.provider, now):
            self.injected["broken"] += 1
            return "ERROR", "answer", self._draw.happens(0.5, *words, "broken and accepted")
        if self._happens("throttled", *words, "throttled"):
            return "THROTTLED", "answer", False
        meter = self._meters.get(order.from_address)
        if meter is not None and not meter.takes(encoding_and_parts(order.body)[1], now):
            self.injected["over_rate"] += 1
            return "THROTTLED", "answer", False
        if self._happens("error_before", *words, "error before"):
            return "ERROR", "answer", False
        if self.is_opted_out(order.provider, order.to_address):
            return "OPTED_OUT", "answer", False
        if order.to_address in self._unfollowed:
            return "NOT_FOLLOWING", "answer", False
        if order.to_address in self._disabled:
            return "DISABLED", "answer", False
        if order.provider not in (SNS, PUSH, WHATSAPP) and self.spend_limit_reached(order.provider, now):
            self.injected["spend_limit"] += 1
            return "SPEND_LIMIT", "answer", False
        if self._happens("time_out", *words, "time-out"):
            return "OK", "hold", True
        if self._happens("reset", *words, "reset"):
            return "OK", "reset", True
        if self._happens("error_after", *words, "error after"):
            return "ERROR", "answer", True
        return "OK", "answer", True

    def spend_limit_reached(self, provider: str, now: datetime) -> bool:
        """Whether the provider's account is out of money just now."""
        return self._in_spell("spend_limit", provider, now)

    def _in_spell(self, fault: str, provider: str, now: datetime) -> bool:
        """Whether `now` lies in one of the hours that this fault takes, drawn once per provider and day."""
        chance, hours = getattr(self._faults, fault), getattr(self._profile, f"{fault}_hours")
        for days in (0, 1):
            day = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
            words = (fault.replace("_", " "), provider, day.date().isoformat())
            if self._draw.happens(chance, *words):
                start = day + timedelta(hours=self._draw.between(0, 24, *words, "from"))
                if start <= now < start + timedelta(hours=hours):
                    return True
        return False

    def _attempt(self, order: Order) -> int:
        key = (order.provider, self._name(order))
        self._attempts[key] = self._attempts.get(key, 0) + 1
        return self._attempts[key]

    @staticmethod
    def _name(order: Order) -> str:
        if order.ref:
            return order.ref
        text = "\x1f".join((order.from_address, order.to_address, order.body))
        return "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _message_id(self, words: tuple[object, ...]) -> str:
        digits = self._draw.identifier(*words, "message id")
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _enter(
        self,
        order: Order,
        now: datetime,
        attempt: int,
        accepted: bool,
        answer: str,
        message_id: str,
        fate: _Fate | None,
        report_at: datetime | None,
    ) -> None:
        delivered_at = fate.delivered_at if fate is not None else None
        self.record.add_hand_over(
            HandOverReceived(
                at=now.isoformat(),
                provider=order.provider,
                from_address=order.from_address,
                to_address=order.to_address,
                body=order.body,
                subject=order.subject,
                ref=order.ref,
                context=order.context,
                reserved_at=order.reserved_at,
                ttl_seconds=order.ttl_seconds,
                attempt=attempt,
                accepted=accepted,
                answer=answer,
                provider_message_id=message_id,
                delivered_at=delivered_at.isoformat() if delivered_at is not None else None,
                final_report=fate.event if fate is not None else None,
                final_report_at=report_at.isoformat() if report_at is not None else None,
            )
        )

    # ── Fates and reports ────────────────────────────────────────────────────────────────────────────────────────────

    def _fate(self, order: Order, words: tuple[object, ...], now: datetime) -> _Fate:
        faults, draw = self._faults, self._draw
        events = _EVENTS[order.provider]
        latency = faults.latency_median_seconds * math.exp(faults.latency_sigma * draw.normal(*words, "latency"))
        if self._happens("slow", *words, "slow"):
            latency += faults.slow_seconds * draw.between(0.2, 1.0, *words, "how slow")
        ttl = DEFAULT_TTL_SECONDS if order.ttl_seconds is None else order.ttl_seconds
        ends_at = now + timedelta(seconds=ttl)
        arrives_at = now + _seconds(latency)
        if order.provider == WHATSAPP and not self._may_say(order, now):
            return _Fate(None, arrives_at, "failed/131047")
        if order.to_address in self._unreachable:
            event = "dead" if self._unreachable[order.to_address] == INVALID else "unreachable"
            return _Fate(None, min(arrives_at, ends_at), events.get(event))
        if self._happens("dead_number", "number", order.to_address):
            if order.provider == PUSH:
                self._disabled.add(order.to_address)
            return _Fate(None, min(arrives_at, ends_at), events.get("dead"))
        if self._happens("carrier_blocked", *words, "blocked"):
            return _Fate(None, min(arrives_at, ends_at), events.get("blocked"))
        if self._happens("unreachable", *words, "unreachable"):
            tried_until = now + _seconds(draw.between(60, 3600, *words, "tried for"))
            return _Fate(None, min(tried_until, ends_at), events.get("unreachable"))
        if arrives_at > ends_at:
            return _Fate(None, ends_at, events.get("expired"))
        if "unknown" in events and self._happens("carrier_silent", *words, "silent"):
            return _Fate(arrives_at, now + CARRIER_SILENCE, events["unknown"])
        name = "successful" if draw.happens(0.2, *words, "no receipt from the handset") else "delivered"
        return _Fate(arrives_at, arrives_at, events.get(name))

    def _may_say(self, order: Order, now: datetime) -> bool:
        """A template any time; free words within a day of the person's own message."""
        wrote_at = self._wrote_at.get(order.to_address)
        is_open = wrote_at is not None and now <= wrote_at + SERVICE_WINDOW
        return dict(order.context).get("type") == "template" or is_open

    def _report_at(self, order: Order, words: tuple[object, ...], fate: _Fate) -> datetime:
        faults, draw = self._faults, self._draw
        lag = draw.between(0.5, 3.0, *words, "report lag")
        if self._happens("late_report", *words, "late"):
            lag += 3600 * draw.between(0.5, max(0.5, faults.late_hours), *words, "how late")
        return self._after_silence(order.provider, words, fate.settled_at + _seconds(lag))

    def _after_silence(self, provider: str, words: tuple[object, ...], at: datetime) -> datetime:
        """When what a provider would report at `at` is really reported: it may say nothing for days."""
        block = (at - _EPOCH) // timedelta(days=SPELL_DAYS)
        spell = ("silence", provider, block)
        if not self._draw.happens(self._faults.silence, *spell):
            return at
        quarter = SPELL_DAYS / 4
        start = _EPOCH + timedelta(days=block * SPELL_DAYS + self._draw.between(0, 2 * quarter, *spell, "from"))
        end = start + timedelta(days=self._draw.between(quarter, 2 * quarter, *spell, "for"))
        if self._calm_from is not None:
            end = min(end, self._calm_from)
        if not start <= at < end:
            return at
        self.injected["silence"] += 1
        return end + _seconds(self._draw.between(0, 600, *words, "after the silence"))

    def _schedule(
        self, order: Order, words: tuple[object, ...], message_id: str, now: datetime
    ) -> tuple[_Fate, datetime | None]:
        """What becomes of an accepted message, and when that is reported first (None: never)."""
        draw = self._draw
        fate = self._fate(order, words, now)
        tie = "\x1f".join(str(word) for word in words)
        is_early = fate.event is not None and self._happens("early_report", *words, "early")
        if is_early:
            fate = _Fate(now if fate.delivered_at is not None else None, now, fate.event)
        if order.provider == FINANCE:
            self._finance_numbers.add(order.from_address)
        if order.provider not in (EMAIL, PUSH, WECHAT, WHATSAPP):
            self._last_message[(order.to_address, order.from_address)] = message_id
        if fate.delivered_at is not None:
            delivered = Delivered(
                fate.delivered_at,
                order.provider,
                order.from_address,
                order.to_address,
                order.body,
                order.ref,
                message_id,
                order.unsubscribe,
            )
            self._push(fate.delivered_at, f"0{tie}", delivered)
            self._stir(order, words, tie, now, fate.delivered_at)
        if fate.event is None:
            return fate, None
        if not is_early and self._happens("lost_report", *words, "lost"):
            self._schedule_progress(order, words, message_id, now, self._report_at(order, words, fate), tie)
            return _Fate(fate.delivered_at, fate.settled_at, None), None
        report_at = now if is_early else self._report_at(order, words, fate)
        final = self._payload(order, message_id, now, fate.event, fate.settled_at)
        reported = Outgoing(report_at, "report", order.provider, final)
        if is_early:
            self._early.append((tie, reported))
        else:
            self._push(report_at, f"1{tie}", reported)
        if self._happens("duplicate_report", *words, "duplicate"):
            again_at = report_at + _seconds(draw.between(1, 3600, *words, "duplicate after"))
            self._push(again_at, f"2{tie}", Outgoing(again_at, "report", order.provider, final))
        self._schedule_progress(order, words, message_id, now, report_at, tie)
        if order.provider == EMAIL and fate.delivered_at is not None:
            self._schedule_complaint(order, words, message_id, now, fate.delivered_at, tie)
        return fate, report_at

    def _schedule_complaint(
        self,
        order: Order,
        words: tuple[object, ...],
        message_id: str,
        now: datetime,
        delivered_at: datetime,
        tie: str,
    ) -> None:
        """Somebody presses the button that says spam, hours after they had the mail."""
        if self._happens("complaint", *words, "complaint"):
            at = delivered_at + _seconds(self._draw.between(60, 43_200, *words, "complains after"))
            payload = email_event(order, message_id, now, "Complaint", at)
            heard_at = at + _seconds(self._draw.between(1, 60, *words, "complaint lag"))
            self._push(heard_at, f"6{tie}", Outgoing(heard_at, "report", EMAIL, payload))

    def _stir(self, order: Order, words: tuple[object, ...], tie: str, now: datetime, delivered_at: datetime) -> None:
        """What a text sets off besides an answer: an opt-out while it is in the air, at the provider, a new owner."""
        draw, number = self._draw, order.to_address
        if order.provider == WECHAT:
            if self._happens("unfollows", *words, "unfollows"):
                at = delivered_at + _seconds(draw.between(60, 7200, *words, "unfollows after"))
                self._push(at, f"8{tie}", Stirred(at, "unfollow", number, order.from_address))
            return
        if order.provider not in (AWS, FINANCE):
            return
        if delivered_at > now and self._happens("stop_in_the_air", *words, "in the air"):
            at = now + (delivered_at - now) * draw.between(0.1, 0.9, *words, "when in the air")
            self._push(at, f"7{tie}", Stirred(at, "stop", number, order.from_address))
        self._texts_to[number] += 1
        if self._texts_to[number] == 1 + int(draw.between(0, TEXTS_BEFORE, "changes hands after", number)):
            if self._happens("recycled", "recycled", number):
                at = delivered_at + timedelta(days=draw.between(0.1, 3, "changes hands later", number))
                self._push(at, f"8{tie}", Stirred(at, "recycled", number, order.from_address))
            elif self._happens("carrier_opt_out", "carrier opt-out", number):
                if order.provider == FINANCE:
                    self.blacklist(number)
                else:
                    self.put_opted_out(PROVIDER_LIST, number, by_person=True)

    def _schedule_progress(
        self,
        order: Order,
        words: tuple[object, ...],
        message_id: str,
        now: datetime,
        report_at: datetime,
        tie: str,
    ) -> None:
        """A report from on the way. Only End User Messaging has them."""
        draw = self._draw
        if order.provider != AWS:
            return
        late = self._happens("out_of_order", *words, "out of order")
        if not (late or draw.happens(self._faults.progress, *words, "progress")):
            return
        event = "TEXT_QUEUED" if draw.happens(0.5, *words, "queued") else "TEXT_PENDING"
        happened_at = now + _seconds(draw.between(0.1, 0.4, *words, "progress after"))
        heard_at = report_at + _seconds(draw.between(1, 600, *words, "behind")) if late else happened_at
        payload = aws_event(order, message_id, now, event, happened_at, final=False)
        self._push(heard_at, f"3{tie}", Outgoing(heard_at, "report", AWS, payload))

    def _payload(self, order: Order, message_id: str, now: datetime, event: str, at: datetime) -> Payload:
        if order.provider == AWS:
            return aws_event(order, message_id, now, event, at, final=True)
        if order.provider == WHATSAPP:
            return whatsapp_status(self.whatsapp, order, message_id, event, at)
        if order.provider == EMAIL:
            return email_event(order, message_id, now, event, at)
        if order.provider == WECHAT:
            return reported(self.wechat, order, message_id, event, at)
        return finance_report(order, message_id, now, event, at)

    # ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def send_inbound(
        self, from_address: str, to_address: str, text: str, at: datetime, *, provider: str | None = None
    ) -> str:
        """Schedule a person's text to one of our lines; the id the provider gives it.

        The provider is the line's: `finance_sms` where that provider has been asked to send from it (or was told of
        it), `aws_whatsapp` where it is the number there, `aws_sms` otherwise.
        """
        with self._lock:
            at = at.astimezone(UTC)
            line_provider = provider or self._provider_of(to_address)
            seen = (from_address, to_address, text, at)
            self._inbound_seen[seen] = self._inbound_seen.get(seen, 0) + 1
            words = ("inbound", from_address, to_address, text, at.isoformat(), self._inbound_seen[seen])
            digits = self._draw.identifier(*words, "id")
            draw = self._draw
            handed_on_at = at + _seconds(draw.between(0.5, 2.0, *words, "lag"))
            if self._happens("late_inbound", *words, "late"):
                handed_on_at += _seconds(draw.between(60, 7200, *words, "how late"))
            if line_provider == FINANCE:
                inbound_id = str(int(digits[:12], 16))
                payload = finance_inbound(inbound_id, from_address, to_address, text, at)
            elif line_provider == WHATSAPP:
                wamid = f"wamid.{digits}"
                inbound_id = known_as(wamid)
                payload = whatsapp_inbound(self.whatsapp, wamid, from_address, text, at)
                self._wrote_at[from_address] = max(at, self._wrote_at.get(from_address, at))
            else:
                inbound_id = digits
                previous = self._last_message.get((from_address, to_address), "")
                payload = aws_inbound(inbound_id, from_address, to_address, text, previous)
            copies = 2 if self._happens("duplicate_inbound", *words, "duplicate") else 1
            self._push(handed_on_at, f"4{digits}", Outgoing(handed_on_at, "inbound", line_provider, payload))
            if copies == 2:
                again_at = handed_on_at + _seconds(draw.between(1, 1800, *words, "duplicate after"))
                self._push(again_at, f"5{digits}", Outgoing(again_at, "inbound", line_provider, payload))
            self.record.add_inbound(
                InboundSent(
                    at=at.isoformat(),
                    inbound_id=inbound_id,
                    provider=line_provider,
                    from_address=from_address,
                    to_address=to_address,
                    text=text,
                    handed_on_at=handed_on_at.isoformat(),
                    copies=copies,
                )
            )
            return inbound_id

    def unfollow(self, openid: str, at: datetime) -> str:
        """Somebody stops following the service account, which is told so at once; the event's id."""
        with self._lock:
            payload = unfollowed(self.wechat, openid, at)
            inbound_id = self.wechat.event_id(payload)
            self._unfollowed.add(openid)
            handed_on_at = at + _seconds(self._draw.between(0.5, 2.0, inbound_id, "lag"))
            copies = 2 if self._happens("duplicate_inbound", inbound_id, "duplicate") else 1
            for copy in range(copies):
                again_at = handed_on_at + _seconds(5 * copy)
                self._push(again_at, f"4{inbound_id}{copy}", Outgoing(again_at, "inbound", WECHAT, payload))
            self.record.add_inbound(
                InboundSent(
                    at=at.isoformat(),
                    inbound_id=inbound_id,
                    provider=WECHAT,
                    from_address=openid,
                    to_address=self.wechat.name,
                    text="",
                    handed_on_at=handed_on_at.isoformat(),
                    copies=copies,
                )
            )
            return inbound_id

    def _provider_of(self, line: str) -> str:
        if line in self._finance_numbers:
            return FINANCE
        return WHATSAPP if line == self.whatsapp.number else AWS

    # ── What is due ──────────────────────────────────────────────────────────────────────────────────────────────────

    def next_due(self) -> datetime | None:
        """When something happens next: a report, a text, or a text reaching a handset."""
        with self._lock:
            moments = [entry.at for _, entry in self._early]
            if self._heap:
                moments.append(self._heap[0][0])
            return min(moments, default=None)

    def early(self) -> list[Outgoing]:
        """Reports that are there before the answer to the request they are about. Whoever takes them hands them on."""
        with self._lock:
            taken, self._early = self._early, []
            return [entry for _, entry in sorted(taken, key=lambda one: one[0])]

    def due(self, now: datetime) -> list[Outgoing]:
        """Everything up to and including `now`, earliest first. Texts reach their handsets on the way."""
        handed_on = self.early()
        while True:
            with self._lock:
                if not self._heap or self._heap[0][0] > now:
                    return handed_on
                entry = heapq.heappop(self._heap)[3]
            if isinstance(entry, Outgoing):
                handed_on.append(entry)
            elif isinstance(entry, Stirred):
                if self._on_stirred is not None:
                    self._on_stirred(entry)
            elif self._on_delivered is not None:
                self._on_delivered(entry)

    def webhook_request(self, *outgoing: Outgoing) -> tuple[str, dict[str, str], bytes]:
        """The finance provider's call for things of one kind: the path's kind, the signed headers, the raw bytes."""
        kinds = {each.kind for each in outgoing}
        if len(kinds) != 1 or any(each.provider != FINANCE for each in outgoing):
            raise ValueError("a webhook call carries the finance provider's reports, or its texts")
        headers, raw = signed_webhook(self.finance_keys, [each.payload for each in outgoing], self.now())
        return ("reports" if kinds == {"report"} else "inbound"), headers, raw

    def _push(self, at: datetime, tie: str, entry: Outgoing | Delivered | Stirred) -> None:
        if isinstance(entry, Outgoing) and entry.kind == "report":
            at = self._after_silence(entry.provider, (tie,), at)
            entry = replace(entry, at=at)
        self._pushed += 1
        heapq.heappush(self._heap, (at, tie, self._pushed, entry))

    # ── The provider's opt-out lists ─────────────────────────────────────────────────────────────────────────────────

    def is_opted_out(self, provider: str, number: str) -> bool:
        with self._lock:
            if provider == FINANCE:
                return number in self._finance_black
            return provider in (AWS, SNS) and any(number in numbers for numbers in self._opted_out.values())

    def blacklist(self, number: str) -> None:
        """Put a number on the finance provider's own blacklist, for which it has no API."""
        with self._lock:
            self._finance_black.add(number)

    def opted_out_numbers(self, list_name: str) -> Mapping[str, datetime]:
        """A list's numbers and since when. A list exists as soon as it is named."""
        with self._lock:
            return dict(self._opted_out.get(list_name, {}))

    def put_opted_out(self, list_name: str, number: str, *, by_person: bool = False) -> datetime:
        """Since when it is on the list. `by_person`: whoever has it opted out at the provider."""
        with self._lock:
            numbers = self._opted_out.setdefault(list_name, {})
            if number not in numbers:
                numbers[number] = self.now()
                self._list_changed(number, "put", by_person=by_person)
                if by_person:
                    self._by_person.add((list_name, number))
            return numbers[number]

    def delete_opted_out(self, list_name: str, number: str) -> datetime | None:
        """Since when it was on the list; None if it was not."""
        with self._lock:
            since = self._opted_out.get(list_name, {}).pop(number, None)
            self._by_person.discard((list_name, number))
            if since is not None:
                self._list_changed(number, "deleted", by_person=False)
            return since

    def _list_changed(self, number: str, change: str, *, by_person: bool) -> None:
        self.list_changes += 1
        self.record.add_list_change(
            ListChanged(self.now().isoformat(), number, change, "person" if by_person else "us")
        )

    def opted_out_by_person(self, list_name: str, number: str) -> bool:
        with self._lock:
            return (list_name, number) in self._by_person


def _seconds(value: float) -> timedelta:
    """Whole milliseconds: what the payloads can carry."""
    return timedelta(milliseconds=round(value * 1000))
