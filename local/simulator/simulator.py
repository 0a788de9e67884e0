"""The simulator: what it accepts, what becomes of it, and when whoever waits hears of it."""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import RLock
from types import TracebackType
from typing import Final, Self

from local.simulator.faults import Draw, Faults
from local.simulator.finance import FinanceKeys, signed_webhook
from local.simulator.payloads import (
    Order,
    Payload,
    aws_event,
    aws_inbound,
    email_event,
    finance_inbound,
    finance_report,
)
from local.simulator.record import HandOverReceived, InboundSent, Record

__all__ = ["AWS", "EMAIL", "FINANCE", "INVALID", "LANDLINE", "SNS", "Delivered", "Outgoing", "Simulator", "Taken"]

AWS: Final = "aws_sms"
EMAIL: Final = "aws_ses"
FINANCE: Final = "finance_sms"
SNS: Final = "aws_sns"

#: Why texts never reach a number: nobody has it, or it takes none.
INVALID: Final = "invalid"
LANDLINE: Final = "landline"

#: Without word from the carrier for this long the provider closes the message.
CARRIER_SILENCE = timedelta(hours=72)
DEFAULT_TTL_SECONDS = 259_200


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something a provider hands on at `at`: `kind` is report or inbound.

    Payloads of `aws_sms` and `aws_ses` are published to a topic; those of `finance_sms` are posted to the webhook, see
    `Simulator.webhook_request`.
    """

    at: datetime
    kind: str
    provider: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Delivered:
    """A text or an e-mail that has reached a person at `at`."""

    at: datetime
    provider: str
    from_address: str
    to_address: str
    body: str
    ref: str
    provider_message_id: str


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
    `LANDLINE`: whatever is sent there is accepted, and never arrives.

    `start` (or `with`) opens the HTTP server on the loopback interface; `due` and `next_due` belong to the driver's
    thread, and so does `on_delivered`, which is called from inside `due`.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        seed: int,
        faults: Faults,
        *,
        on_delivered: Callable[[Delivered], None] | None = None,
        finance_keys: FinanceKeys | None = None,
        finance_numbers: Sequence[str] = (),
        unreachable: Mapping[str, str] | None = None,
        hold_seconds: float = 0.5,
        max_threads: int = 16,
    ) -> None:
        from local.simulator.server import ProviderServer

        self._clock = clock
        self._draw = Draw(seed)
        self._faults = faults
        self._on_delivered = on_delivered
        self.finance_keys = finance_keys if finance_keys is not None else FinanceKeys()
        self.record = Record()
        self._lock = RLock()
        self._heap: list[tuple[datetime, str, int, Outgoing | Delivered]] = []
        self._pushed = 0
        self._attempts: dict[tuple[str, str], int] = {}
        self._inbound_seen: dict[tuple[str, str, str, datetime], int] = {}
        self._last_message: dict[tuple[str, str], str] = {}
        self._finance_numbers = set(finance_numbers)
        self._unreachable = dict(unreachable or {})
        self._opted_out: dict[str, dict[str, datetime]] = {}
        self._finance_black: set[str] = set()
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
            fate = self._schedule(order, words, message_id, now) if accepted else None
            report_at = self._report_at(words, fate) if fate is not None and fate.event is not None else None
            self._enter(order, now, attempt, accepted, answer if how == "answer" else how, message_id, fate, report_at)
            return Taken(answer, how, message_id)

    def refuse(self, order: Order, answer: str) -> None:
        """Record a request that the protocol itself turned away."""
        with self._lock:
            self._enter(order, self.now(), self._attempt(order), False, answer, "", None, None)

    def _decide(self, order: Order, words: tuple[object, ...], now: datetime) -> tuple[str, str, bool]:
        faults, draw = self._faults, self._draw
        if draw.happens(faults.throttled, *words, "throttled"):
            return "THROTTLED", "answer", False
        if draw.happens(faults.error_before, *words, "error before"):
            return "ERROR", "answer", False
        if self.is_opted_out(order.provider, order.to_address):
            return "OPTED_OUT", "answer", False
        if order.provider != SNS and self.spend_limit_reached(order.provider, now):
            return "SPEND_LIMIT", "answer", False
        if draw.happens(faults.time_out, *words, "time-out"):
            return "OK", "hold", True
        if draw.happens(faults.reset, *words, "reset"):
            return "OK", "reset", True
        if draw.happens(faults.error_after, *words, "error after"):
            return "ERROR", "answer", True
        return "OK", "answer", True

    def spend_limit_reached(self, provider: str, now: datetime) -> bool:
        """Whether the provider's account is out of money just now."""
        for days in (0, 1):
            day = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
            words = ("spend limit", provider, day.date().isoformat())
            if self._draw.happens(self._faults.spend_limit, *words):
                start = day + timedelta(hours=self._draw.between(0, 24, *words, "from"))
                if start <= now < start + timedelta(hours=self._faults.spend_limit_hours):
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
        if draw.happens(faults.slow, *words, "slow"):
            latency += faults.slow_seconds * draw.between(0.2, 1.0, *words, "how slow")
        ttl = DEFAULT_TTL_SECONDS if order.ttl_seconds is None else order.ttl_seconds
        ends_at = now + timedelta(seconds=ttl)
        arrives_at = now + _seconds(latency)
        if order.to_address in self._unreachable:
            event = "dead" if self._unreachable[order.to_address] == INVALID else "unreachable"
            return _Fate(None, min(arrives_at, ends_at), events.get(event))
        if draw.happens(faults.dead_number, "number", order.to_address):
            return _Fate(None, min(arrives_at, ends_at), events.get("dead"))
        if draw.happens(faults.carrier_blocked, *words, "blocked"):
            return _Fate(None, min(arrives_at, ends_at), events.get("blocked"))
        if draw.happens(faults.unreachable, *words, "unreachable"):
            tried_until = now + _seconds(draw.between(60, 3600, *words, "tried for"))
            return _Fate(None, min(tried_until, ends_at), events.get("unreachable"))
        if arrives_at > ends_at:
            return _Fate(None, ends_at, events.get("expired"))
        if "unknown" in events and draw.happens(faults.carrier_silent, *words, "silent"):
            return _Fate(arrives_at, now + CARRIER_SILENCE, events["unknown"])
        name = "successful" if draw.happens(0.2, *words, "no receipt from the handset") else "delivered"
        return _Fate(arrives_at, arrives_at, events.get(name))

    def _report_at(self, words: tuple[object, ...], fate: _Fate) -> datetime:
        faults, draw = self._faults, self._draw
        lag = draw.between(0.5, 3.0, *words, "report lag")
        if draw.happens(faults.late_report, *words, "late"):
            lag += 3600 * draw.between(0.5, max(0.5, faults.late_hours), *words, "how late")
        return fate.settled_at + _seconds(lag)

    def _schedule(self, order: Order, words: tuple[object, ...], message_id: str, now: datetime) -> _Fate:
        faults, draw = self._faults, self._draw
        fate = self._fate(order, words, now)
        tie = "\x1f".join(str(word) for word in words)
        if order.provider == FINANCE:
            self._finance_numbers.add(order.from_address)
        if order.provider != EMAIL:
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
            )
            self._push(fate.delivered_at, f"0{tie}", delivered)
        if draw.happens(faults.lost_report, *words, "lost"):
            fate = _Fate(fate.delivered_at, fate.settled_at, None)
        report_at = self._report_at(words, fate)
        if fate.event is not None:
            final = self._payload(order, message_id, now, fate.event, fate.settled_at)
            self._push(report_at, f"1{tie}", Outgoing(report_at, "report", order.provider, final))
            if draw.happens(faults.duplicate_report, *words, "duplicate"):
                again_at = report_at + _seconds(draw.between(1, 3600, *words, "duplicate after"))
                self._push(again_at, f"2{tie}", Outgoing(again_at, "report", order.provider, final))
        self._schedule_progress(order, words, message_id, now, report_at, tie)
        return fate

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
        faults, draw = self._faults, self._draw
        late = draw.happens(faults.out_of_order, *words, "out of order")
        if order.provider != AWS or not (late or draw.happens(faults.progress, *words, "progress")):
            return
        event = "TEXT_QUEUED" if draw.happens(0.5, *words, "queued") else "TEXT_PENDING"
        happened_at = now + _seconds(draw.between(0.1, 0.4, *words, "progress after"))
        heard_at = report_at + _seconds(draw.between(1, 600, *words, "behind")) if late else happened_at
        payload = aws_event(order, message_id, now, event, happened_at, final=False)
        self._push(heard_at, f"3{tie}", Outgoing(heard_at, "report", AWS, payload))

    @staticmethod
    def _payload(order: Order, message_id: str, now: datetime, event: str, at: datetime) -> Payload:
        if order.provider == AWS:
            return aws_event(order, message_id, now, event, at, final=True)
        if order.provider == EMAIL:
            return email_event(order, message_id, now, event, at)
        return finance_report(order, message_id, now, event, at)

    # ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def send_inbound(
        self, from_address: str, to_address: str, text: str, at: datetime, *, provider: str | None = None
    ) -> str:
        """Schedule a person's text to one of our lines; the id the provider gives it.

        The provider is the line's: `finance_sms` where that provider has been asked to send from it (or was told of
        it), `aws_sms` otherwise.
        """
        with self._lock:
            at = at.astimezone(UTC)
            line_provider = provider or (FINANCE if to_address in self._finance_numbers else AWS)
            seen = (from_address, to_address, text, at)
            self._inbound_seen[seen] = self._inbound_seen.get(seen, 0) + 1
            words = ("inbound", from_address, to_address, text, at.isoformat(), self._inbound_seen[seen])
            digits = self._draw.identifier(*words, "id")
            faults, draw = self._faults, self._draw
            handed_on_at = at + _seconds(draw.between(0.5, 2.0, *words, "lag"))
            if draw.happens(faults.late_inbound, *words, "late"):
                handed_on_at += _seconds(draw.between(60, 7200, *words, "how late"))
            if line_provider == FINANCE:
                inbound_id = str(int(digits[:12], 16))
                payload = finance_inbound(inbound_id, from_address, to_address, text, at)
            else:
                inbound_id = digits
                previous = self._last_message.get((from_address, to_address), "")
                payload = aws_inbound(inbound_id, from_address, to_address, text, previous)
            copies = 2 if draw.happens(faults.duplicate_inbound, *words, "duplicate") else 1
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

    # ── What is due ──────────────────────────────────────────────────────────────────────────────────────────────────

    def next_due(self) -> datetime | None:
        """When something happens next: a report, a text, or a text reaching a handset."""
        with self._lock:
            return self._heap[0][0] if self._heap else None

    def due(self, now: datetime) -> list[Outgoing]:
        """Everything up to and including `now`, earliest first. Texts reach their handsets on the way."""
        handed_on: list[Outgoing] = []
        while True:
            with self._lock:
                if not self._heap or self._heap[0][0] > now:
                    return handed_on
                entry = heapq.heappop(self._heap)[3]
            if isinstance(entry, Outgoing):
                handed_on.append(entry)
            elif self._on_delivered is not None:
                self._on_delivered(entry)

    def webhook_request(self, *outgoing: Outgoing) -> tuple[str, dict[str, str], bytes]:
        """The finance provider's call for things of one kind: the path's kind, the signed headers, the raw bytes."""
        kinds = {each.kind for each in outgoing}
        if len(kinds) != 1 or any(each.provider != FINANCE for each in outgoing):
            raise ValueError("a webhook call carries the finance provider's reports, or its texts")
        headers, raw = signed_webhook(self.finance_keys, [each.payload for each in outgoing], self.now())
        return ("reports" if kinds == {"report"} else "inbound"), headers, raw

    def _push(self, at: datetime, tie: str, entry: Outgoing | Delivered) -> None:
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

    def put_opted_out(self, list_name: str, number: str) -> datetime:
        with self._lock:
            return self._opted_out.setdefault(list_name, {}).setdefault(number, self.now())

    def delete_opted_out(self, list_name: str, number: str) -> datetime | None:
        """Since when it was on the list; None if it was not."""
        with self._lock:
            return self._opted_out.get(list_name, {}).pop(number, None)


def _seconds(value: float) -> timedelta:
    """Whole milliseconds: what the payloads can carry."""
    return timedelta(milliseconds=round(value * 1000))
