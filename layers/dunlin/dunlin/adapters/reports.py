"""What providers say, read into our own words: delivery reports and texts from people.

Pure functions from the parsed JSON of a queue's body. Three shapes of report and two of inbound text are known:

    {"eventType": "TEXT_…", …}                                        End User Messaging, through SNS
    {"eventType": "Delivery" | "Bounce" | …, "mail": {…}}             SES event publishing, through SNS
    {"provider": "finance_sms", "kind": "report", "payload": {…}}     what our webhook put into the queue
    {"originationNumber": …, "destinationNumber": …, …}               two-way SMS, through SNS
    {"provider": "finance_sms", "kind": "inbound", "payload": {…}}    what our webhook put into the queue

Whatever does not have one of these shapes raises `InvalidInput`, which names the field and never repeats its value.

A report settles a message (`state`) only if nothing more will follow, or if the handset has it. An event type that is
newer than this table settles nothing while more may follow; as the last word it leaves the fate UNKNOWN, which a
later report may still correct. Refusing it would lose the provider's last word about a message.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from dunlin.domain.message import split_ref
from dunlin.domain.words import MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

__all__ = [
    "AWS_PROVIDER",
    "FINANCE_PROVIDER",
    "TAG_VALUE",
    "decode_tag",
    "encode_tag",
    "parse_inbound",
    "parse_report",
    "read_body",
]

AWS_PROVIDER: Final = "aws_sms"
FINANCE_PROVIDER: Final = "finance_sms"
MAX_BODY_BYTES: Final = 16 * 1024
MAX_TEXT_CHARACTERS: Final = 1600
#: A provider's clock may be ahead of ours by this much; a later report would be believed for ever.
MAX_AHEAD: Final = timedelta(hours=1)
#: Chinese providers write local time without a zone.
CHINA: Final = timezone(timedelta(hours=8))

#: The value of an e-mail's tag: ASCII letters, digits, `_` and `-`, at most 256.
TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")

_MISSING: Final = object()
_ID = re.compile(r"[\x21-\x7e]{1,256}")
_REF = re.compile(r"[\x21-\x7e]{3,800}")
_CHINA_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_SHORT_CODE = re.compile(r"[0-9]{3,8}")
_ACCESS_NUMBER = re.compile(r"\+?[0-9]{3,21}")
_MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_E164 = re.compile(r"\+?([1-9][0-9]{6,14})")
_EARLIEST_MS: Final = 1_420_070_400_000  # 2015-01-01: no provider here is older
_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01

_FAILED = MessageState.FAILED

#: Final TEXT_ events: state, reason, whether the number can never be reached.
_TEXT_EVENTS: Mapping[str, tuple[MessageState, Reason, bool]] = {
    "TEXT_SUCCESSFUL": (MessageState.DELIVERED, Reason.DELIVERED, False),
    "TEXT_DELIVERED": (MessageState.DELIVERED, Reason.DELIVERED, False),
    "TEXT_INVALID": (_FAILED, Reason.INVALID_NUMBER, True),
    "TEXT_INVALID_MESSAGE": (_FAILED, Reason.INVALID_MESSAGE, False),
    "TEXT_UNREACHABLE": (_FAILED, Reason.UNREACHABLE, False),
    "TEXT_CARRIER_UNREACHABLE": (_FAILED, Reason.CARRIER_UNREACHABLE, False),
    "TEXT_BLOCKED": (_FAILED, Reason.BLOCKED, False),
    "TEXT_CARRIER_BLOCKED": (_FAILED, Reason.CARRIER_BLOCKED, False),
    "TEXT_SPAM": (_FAILED, Reason.SPAM, False),
    "TEXT_TTL_EXPIRED": (_FAILED, Reason.TTL_EXPIRED, False),
    "TEXT_PROTECT_BLOCKED": (_FAILED, Reason.COUNTRY_BLOCKED, False),
    "TEXT_UNKNOWN": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
    # Final and still under way contradict each other: nothing more will follow, so nobody knows.
    "TEXT_QUEUED": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
    "TEXT_PENDING": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
}

#: err_code of a finance report with success = false. SMPP's words and the carriers' own (中国移动 MK, 联通, 电信).
_FINANCE_FAILURES: Mapping[str, tuple[MessageState, Reason, bool]] = {
    "EXPIRED": (_FAILED, Reason.TTL_EXPIRED, False),
    "UNDELIV": (_FAILED, Reason.UNREACHABLE, False),
    "MK:0001": (_FAILED, Reason.INVALID_NUMBER, True),  # 空号: nobody has this number
    "MOBILE_NOT_EXIST": (_FAILED, Reason.INVALID_NUMBER, True),
    "MK:0005": (_FAILED, Reason.UNREACHABLE, False),  # 停机或关机: suspended or switched off
    "MOBILE_NOT_ON_SERVICE": (_FAILED, Reason.UNREACHABLE, False),
    "BLACK": (_FAILED, Reason.CARRIER_BLOCKED, False),
    "REJECTD": (_FAILED, Reason.CARRIER_BLOCKED, False),
    "SPAM": (_FAILED, Reason.SPAM, False),
    "CONTENT_KEYWORD": (_FAILED, Reason.INVALID_MESSAGE, False),
    "UNKNOWN": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
    "ACCEPTD": (MessageState.UNKNOWN, Reason.NO_REPORT, False),
}

#: SES events that say nothing about the end.
_EMAIL_UNDER_WAY = frozenset({"Send", "DeliveryDelay", "Open", "Click", "Subscription"})


def read_body(raw: str | bytes) -> Mapping[str, object]:
    """A queue body's JSON object.

    Raises:
        InvalidInput: too long, not JSON, or not an object.
    """
    size = len(raw) if isinstance(raw, bytes) else len(raw.encode("utf-8", "surrogatepass"))
    if size > MAX_BODY_BYTES:
        raise InvalidInput("body", f"is longer than {MAX_BODY_BYTES} bytes")
    try:
        body: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidInput("body", "is not JSON") from None
    return _object(body, "body")


def parse_report(body: Mapping[str, object], received_at: datetime | None = None) -> DeliveryReport:
    """A provider's report about one message.

    `received_at` is when it reached us: a report from more than an hour after that is refused. Without it that
    check is not made.

    Raises:
        InvalidInput: not a report, or a field is missing, malformed or too long.
    """
    _bounded(body)
    if "provider" in body:
        payload = _normalised(body, "report")
        report = _finance_report(payload)
        field = "payload.report_time"
    else:
        event = _text(body, "eventType", 64)
        if event.startswith("TEXT_"):
            report = _text_report(event, body)
            field = "eventTimestamp"
        elif "mail" in body:
            report = _email_report(event, body)
            field = "timestamp"
        else:
            raise InvalidInput("eventType", "is not an event of a text or an e-mail")
    if received_at is not None and report.at > received_at + MAX_AHEAD:
        raise InvalidInput(field, "is in the future")
    return report


def parse_inbound(body: Mapping[str, object], received_at: datetime) -> InboundText:
    """A text from a person. `received_at` is when it reached us; opt-outs and answers count from there.

    A number only has to be possible, not assigned: refusing somebody's STOP because our table of number ranges is
    old would be worse than answering a number that cannot be. An empty text (a picture, a sticker) is still a text.

    Raises:
        InvalidInput: not an inbound text, or a field is missing, malformed or too long.
    """
    _bounded(body)
    if "provider" in body:
        return _finance_inbound(_normalised(body, "inbound"), received_at)
    inbound_id = _identifier(body, "inboundMessageId")
    from_address = _phone(_text(body, "originationNumber", 32), "originationNumber")
    to_raw = _text(body, "destinationNumber", 32)
    to_address = to_raw if _SHORT_CODE.fullmatch(to_raw) else _phone(to_raw, "destinationNumber")
    for optional in ("messageKeyword", "previousPublishedMessageId"):
        if body.get(optional) is not None:
            _text(body, optional, 256)
    return InboundText(
        inbound_id=inbound_id,
        provider=AWS_PROVIDER,
        from_address=from_address,
        to_address=to_address,
        text=_message_text(body, "messageBody"),
        received_at=received_at,
    )


# ── End User Messaging ───────────────────────────────────────────────────────────────────────────────────────────────


def _text_report(event: str, body: Mapping[str, object]) -> DeliveryReport:
    context = _object(body.get("context", _MISSING), "context")
    final = body.get("isFinal", _MISSING)
    if not isinstance(final, bool):
        raise InvalidInput("isFinal", _why(final, "a boolean"))
    ref = _ref(context.get("dunlin-message", _MISSING), "context.dunlin-message")
    state, reason, unusable = _TEXT_EVENTS.get(event, (MessageState.UNKNOWN, Reason.NO_REPORT, False))
    settled: MessageState | None = state
    if not final and event != "TEXT_DELIVERED":
        # The carrier is still trying. Only "on the handset" cannot be taken back.
        settled, unusable = None, False
        if state is not _FAILED:
            reason = Reason.ACCEPTED
    return DeliveryReport(
        ref=ref,
        state=settled,
        reason=reason,
        at=_milliseconds(body, "eventTimestamp"),
        provider_message_id=_identifier(body, "messageId"),
        parts=_parts(body.get("totalMessageParts"), "totalMessageParts"),
        price=_price(body),
        point_unusable=unusable,
    )


def _price(body: Mapping[str, object]) -> str:
    """What the text cost, carrier's fee included, in Money's machine form; AWS bills in US dollars."""
    total = Decimal(0)
    for name in ("totalMessagePrice", "totalCarrierFee"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            raise InvalidInput(name, "is not a number")
        if not 0 <= value <= 1000:  # NaN and the infinities are not between these either
            raise InvalidInput(name, "is not a price")
        total += Decimal(str(value))
    return f"{total:f} USD" if total else ""


# ── SES ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _email_report(event: str, body: Mapping[str, object]) -> DeliveryReport:
    mail = _object(body.get("mail"), "mail")
    tags = _object(mail.get("tags", _MISSING), "mail.tags")
    values = tags.get("dunlin-message", _MISSING)
    if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], str):
        raise InvalidInput("mail.tags.dunlin-message", _why(values, "a list of one text"))
    try:
        ref = decode_tag(values[0])
    except ValueError:
        raise InvalidInput("mail.tags.dunlin-message", "is not a message reference") from None
    state, reason, unusable = _email_outcome(event, body)
    return DeliveryReport(
        ref=_ref(ref, "mail.tags.dunlin-message"),
        state=state,
        reason=reason,
        at=_email_time(event, body, mail),
        provider_message_id=_identifier(mail, "messageId", "mail."),
        point_unusable=unusable,
        complained=event == "Complaint",
    )


def _email_outcome(event: str, body: Mapping[str, object]) -> tuple[MessageState | None, Reason, bool]:
    match event:
        case "Delivery":
            return MessageState.DELIVERED, Reason.DELIVERED, False
        case "Bounce":
            kind = _text(_object(body.get("bounce", _MISSING), "bounce"), "bounceType", 64, "bounce.")
            return _FAILED, Reason.BOUNCED, kind == "Permanent"
        case "Complaint":
            # It reached a person, who called it spam: nothing more may go to that address.
            return MessageState.DELIVERED, Reason.SPAM, True
        case "Reject" | "Rendering Failure":
            return _FAILED, Reason.INVALID_MESSAGE, False
        case _ if event in _EMAIL_UNDER_WAY:
            return None, Reason.ACCEPTED, False
        case _:
            raise InvalidInput("eventType", "is not an event of a text or an e-mail")


def _email_time(event: str, body: Mapping[str, object], mail: Mapping[str, object]) -> datetime:
    name = {"Delivery": "delivery", "Bounce": "bounce", "Complaint": "complaint", "DeliveryDelay": "deliveryDelay"}.get(
        event
    )
    if name is None:
        return _iso(mail, "timestamp", "mail.")
    return _iso(_object(body.get(name, _MISSING), name), "timestamp", f"{name}.")


def encode_tag(text: str) -> str:
    """A reference as a tag's value: unpadded base64url, because `/` and `#` are not allowed there."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_tag(tag: str) -> str:
    """The reference back from its tag.

    Raises:
        ValueError: not a tag that `encode_tag` makes.
    """
    if not TAG_VALUE.fullmatch(tag):
        raise ValueError("not a tag")
    try:
        text = base64.urlsafe_b64decode(tag + "=" * (-len(tag) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("not a tag") from None
    if encode_tag(text) != tag:
        raise ValueError("not a tag")
    return text


# ── The finance provider ─────────────────────────────────────────────────────────────────────────────────────────────


def _normalised(body: Mapping[str, object], kind: str) -> Mapping[str, object]:
    if body.get("provider") != FINANCE_PROVIDER:
        raise InvalidInput("provider", "is not a provider we know")
    if body.get("kind") != kind:
        raise InvalidInput("kind", f"is not {kind}")
    return _object(body.get("payload", _MISSING), "payload")


def _finance_report(payload: Mapping[str, object]) -> DeliveryReport:
    success = payload.get("success", _MISSING)
    if not isinstance(success, bool):
        raise InvalidInput("payload.success", _why(success, "a boolean"))
    code = payload.get("err_code", "")
    if not isinstance(code, str) or len(code) > 64:
        raise InvalidInput("payload.err_code", "is not a short text")
    _mainland(payload, "phone_number")
    if success:
        state, reason, unusable = MessageState.DELIVERED, Reason.DELIVERED, False
    else:
        state, reason, unusable = _FINANCE_FAILURES.get(code, (_FAILED, Reason.CARRIER_UNREACHABLE, False))
    return DeliveryReport(
        ref=_ref(payload.get("out_id", _MISSING), "payload.out_id"),
        state=state,
        reason=reason,
        at=_china_time(payload, "report_time"),
        provider_message_id=_identifier(payload, "biz_id", "payload."),
        parts=_parts(payload.get("sms_size"), "payload.sms_size"),
        point_unusable=unusable,
    )


def _finance_inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    sequence = payload.get("sequence_id", _MISSING)
    if isinstance(sequence, int) and not isinstance(sequence, bool) and 0 <= sequence < 10**30:
        inbound_id = str(sequence)
    else:
        inbound_id = _identifier(payload, "sequence_id", "payload.")
    if inbound_id.isdecimal():
        # Ids are logged and are part of keys: as a bare number it could not be told from somebody's phone.
        inbound_id = f"n{int(inbound_id):x}"
    sent_at = _china_time(payload, "send_time")
    if sent_at > received_at + MAX_AHEAD:
        raise InvalidInput("payload.send_time", "is in the future")
    to_address = _text(payload, "dest_code", 32, "payload.")
    if not _ACCESS_NUMBER.fullmatch(to_address):
        raise InvalidInput("payload.dest_code", "is not an access number")
    return InboundText(
        inbound_id=inbound_id,
        provider=FINANCE_PROVIDER,
        from_address=_mainland(payload, "phone_number"),
        to_address=to_address,
        text=_message_text(payload, "content", "payload."),
        received_at=received_at,
    )


def _mainland(payload: Mapping[str, object], name: str) -> str:
    match = _MAINLAND.fullmatch(_text(payload, name, 32, "payload."))
    if match is None:
        raise InvalidInput(f"payload.{name}", "is not a mainland mobile number")
    return f"+86{match.group(1)}"


def _china_time(payload: Mapping[str, object], name: str) -> datetime:
    text = _text(payload, name, 32, "payload.")
    if not _CHINA_TIME.fullmatch(text):
        raise InvalidInput(f"payload.{name}", "is not YYYY-MM-DD hh:mm:ss")
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"payload.{name}", "is not an instant") from None
    return _plausible(at, f"payload.{name}")


# ── Fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _bounded(body: object) -> None:
    _object(body, "body")
    try:
        size = len(json.dumps(body, ensure_ascii=False, default=_number).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        raise InvalidInput("body", "is not JSON") from None
    if size > MAX_BODY_BYTES:
        raise InvalidInput("body", f"is longer than {MAX_BODY_BYTES} bytes")


def _number(value: object) -> float:
    """Decimals are what some readers of JSON make of its numbers; nothing else is JSON."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError


def _why(value: object, wanted: str) -> str:
    return "is missing" if value is _MISSING or value is None else f"is not {wanted}"


def _object(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInput(field, _why(value, "an object"))
    return value


def _text(source: Mapping[str, object], name: str, longest: int, path: str = "") -> str:
    value = source.get(name, _MISSING)
    if not isinstance(value, str):
        raise InvalidInput(path + name, _why(value, "a text"))
    if not value:
        raise InvalidInput(path + name, "is empty")
    if len(value) > longest:
        raise InvalidInput(path + name, f"is longer than {longest} characters")
    return value


def _identifier(source: Mapping[str, object], name: str, path: str = "") -> str:
    value = _text(source, name, 256, path)
    if not _ID.fullmatch(value):
        raise InvalidInput(path + name, "is not an identifier")
    return value


def _ref(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, _why(value, "a text"))
    if not _REF.fullmatch(value):
        raise InvalidInput(field, "is not a message reference")
    try:
        split_ref(value)
    except ValueError:
        raise InvalidInput(field, "is not a message reference") from None
    return value


def _message_text(source: Mapping[str, object], name: str, path: str = "") -> str:
    value = source.get(name, _MISSING)
    if not isinstance(value, str):
        raise InvalidInput(path + name, _why(value, "a text"))
    if len(value) > MAX_TEXT_CHARACTERS:
        raise InvalidInput(path + name, f"is longer than {MAX_TEXT_CHARACTERS} characters")
    # Half a character (a lone surrogate) cannot be stored; the rest of what the person wrote counts.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _phone(value: str, field: str) -> str:
    import phonenumbers  # noqa: PLC0415 - its tables are not for the functions that read reports

    match = _E164.fullmatch(value)
    if match is None:
        raise InvalidInput(field, "is not a phone number in E.164 form")
    number = f"+{match.group(1)}"
    try:
        possible = phonenumbers.is_possible_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        raise InvalidInput(field, "is not a phone number in E.164 form") from None
    if not possible:
        raise InvalidInput(field, "is not a possible phone number")
    return number


def _milliseconds(source: Mapping[str, object], name: str) -> datetime:
    value = source.get(name, _MISSING)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise InvalidInput(name, _why(value, "a number of milliseconds"))
    if not _EARLIEST_MS <= value <= _LATEST_MS:
        raise InvalidInput(name, "is not an instant of our time")
    seconds, millis = divmod(int(value), 1000)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=millis)


def _iso(source: Mapping[str, object], name: str, path: str) -> datetime:
    text = _text(source, name, 40, path)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(path + name, "is not an instant") from None
    if at.tzinfo is None:
        raise InvalidInput(path + name, "has no zone")
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(path + name, "is not an instant") from None
    return _plausible(at, path + name)


def _plausible(at: datetime, field: str) -> datetime:
    if not _EARLIEST_MS <= at.timestamp() * 1000 <= _LATEST_MS:
        raise InvalidInput(field, "is not an instant of our time")
    return at


def _parts(value: object, field: str) -> int:
    """Message parts; some providers write the number as a text. Nothing said counts as 0."""
    if value is None:
        return 0
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise InvalidInput(field, "is not a number of parts")
    return value
