"""What comes on the topic of AWS End User Messaging Social, read into our own words. Pure functions.

AWS wraps what Meta told it, and puts everything of a WhatsApp account on one topic, statuses and people's messages
alike:

    {"context": {…}, "whatsAppWebhookEntry": "…", …}        the text: {"id": …, "changes": [{"field": …, "value": {…}}]}

The entry is text, into which a topic's filter does not see. So both queues get everything, and each reader takes what
is its own: `statuses` or `texts`, which may be none.

Sources: AWS End User Messaging Social User Guide, "Message and event format"; WhatsApp Business Platform, Cloud API,
webhooks of messages and statuses, and error codes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from dunlin.adapters.fields import (
    MAX_AHEAD,
    MISSING,
    a_phone,
    a_ref,
    a_text,
    an_identifier,
    an_object,
    plausible,
    why,
    words_of,
)
from dunlin.domain.words import Channel, MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

__all__ = ["ENTRY", "PROVIDER", "SERVICE_WINDOW", "statuses", "texts"]

PROVIDER: Final = "aws_whatsapp"
ENTRY: Final = "whatsAppWebhookEntry"
#: How long after a person's own message words may be said that are no filed template.
SERVICE_WINDOW: Final = timedelta(hours=24)

#: Characters of one message.
MOST_IN_TEXT: Final = 4096
_MOST_IN_ENTRY: Final = 64
_SECONDS = re.compile(r"[0-9]{9,11}")
_NO_DIGIT = re.compile(r"[^0-9]")

#: What a status settles. Read is delivered, said again; "sent", and whatever is newer than this table, settle nothing.
_ARRIVED: Final = frozenset({"delivered", "read"})

#: Meta's codes behind a "failed". What is not here says that Meta did not deliver it.
_FAILURES: Final[Mapping[int, Reason]] = {
    131026: Reason.UNREACHABLE,  # not on WhatsApp, blocked us, old app: Meta does not say which
    131021: Reason.UNREACHABLE,
    130472: Reason.BLOCKED,
    131049: Reason.BLOCKED,  # Meta's own idea of how much one person gets
    131050: Reason.BLOCKED,
    130403: Reason.COUNTRY_BLOCKED,
    130497: Reason.COUNTRY_BLOCKED,
    100: Reason.INVALID_MESSAGE,
    131008: Reason.INVALID_MESSAGE,
    131009: Reason.INVALID_MESSAGE,
    131047: Reason.INVALID_MESSAGE,  # free words, and the window is over
    131051: Reason.INVALID_MESSAGE,
    132000: Reason.INVALID_MESSAGE,
    132001: Reason.INVALID_MESSAGE,
    132005: Reason.INVALID_MESSAGE,
    132007: Reason.INVALID_MESSAGE,
    132012: Reason.INVALID_MESSAGE,
    132015: Reason.INVALID_MESSAGE,
    132016: Reason.INVALID_MESSAGE,
    4: Reason.THROTTLED,
    80007: Reason.THROTTLED,
    130429: Reason.THROTTLED,
    131048: Reason.SPAM,
    131056: Reason.THROTTLED,
}

#: What is no message to us, whoever wrote it.
_NO_TEXT: Final = frozenset({"reaction", "system", "request_welcome"})


def statuses(body: Mapping[str, object], received_at: datetime | None = None) -> tuple[DeliveryReport, ...]:
    """What became of our messages. Others' that came from the same number carry no reference of ours: left out.

    Raises:
        InvalidInput: not an event of the service, or a status without a field that it has to have.
    """
    reports = tuple(_status(each) for each in _each(body, "statuses") if "biz_opaque_callback_data" in each)
    if received_at is not None and any(report.at > received_at + MAX_AHEAD for report in reports):
        raise InvalidInput("statuses.timestamp", "is in the future")
    return reports


def texts(body: Mapping[str, object], received_at: datetime) -> tuple[InboundText, ...]:
    """What people wrote to us. A picture is a text without words; a reaction is none.

    Raises:
        InvalidInput: not an event of the service, or a message without a field that it has to have.
    """
    found = []
    for value in _values(body):
        for message in _listed(value, "messages"):
            if a_text(message, "type", 64, "messages.") not in _NO_TEXT:
                found.append(_text(message, value, received_at))
    return tuple(found)


def _status(status: Mapping[str, object]) -> DeliveryReport:
    said = a_text(status, "status", 64, "statuses.")
    state: MessageState | None = None
    reason = Reason.ACCEPTED
    if said in _ARRIVED:
        state, reason = MessageState.DELIVERED, Reason.DELIVERED
    elif said == "failed":
        state, reason = MessageState.FAILED, _why_failed(status)
    return DeliveryReport(
        ref=a_ref(status["biz_opaque_callback_data"], "statuses.biz_opaque_callback_data"),
        state=state,
        reason=reason,
        at=_instant(status, "statuses."),
        # Meta's own; the id under which AWS took it was told when it did.
        provider_message_id=_unreadable(an_identifier(status, "id", "statuses.")),
    )


def _why_failed(status: Mapping[str, object]) -> Reason:
    for error in _listed(status, "errors"):
        code = error.get("code")
        if isinstance(code, int) and code in _FAILURES:
            return _FAILURES[code]
    return Reason.REFUSED_BY_PROVIDER


def _text(message: Mapping[str, object], value: Mapping[str, object], received_at: datetime) -> InboundText:
    metadata = an_object(value.get("metadata", MISSING), "metadata")
    to_digits = _NO_DIGIT.sub("", a_text(metadata, "display_phone_number", 32, "metadata."))
    written_at = _instant(message, "messages.")
    return InboundText(
        inbound_id=_unreadable(an_identifier(message, "id", "messages.")),
        provider=PROVIDER,
        from_address=a_phone(a_text(message, "from", 32, "messages."), "messages.from"),
        to_address=a_phone(to_digits, "metadata.display_phone_number"),
        text=_words(message),
        received_at=received_at,
        channel=Channel.WHATSAPP,
        # A clock ahead of ours opens no window that Meta has not opened.
        answer_by=min(written_at, received_at) + SERVICE_WINDOW,
    )


def _unreadable(message_id: str) -> str:
    """Meta's id, of which the person's number can be read; ids are logged and are part of keys."""
    return f"w{hashlib.sha256(message_id.encode()).hexdigest()[:40]}"


def _words(message: Mapping[str, object]) -> str:
    """What the person wrote, or the words of the button that they pressed; empty where there are none."""
    match message.get("type"):
        case "text":
            return words_of(
                an_object(message.get("text", MISSING), "messages.text"), "body", "messages.text.", MOST_IN_TEXT
            )
        case "button":
            return words_of(an_object(message.get("button", MISSING), "messages.button"), "text", "messages.button.")
        case "interactive":
            chosen = an_object(message.get("interactive", MISSING), "messages.interactive")
            for name in ("button_reply", "list_reply"):
                if name in chosen:
                    return words_of(an_object(chosen[name], f"messages.{name}"), "title", f"messages.{name}.")
    return ""


# ── The entry ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _each(body: Mapping[str, object], name: str) -> Iterator[Mapping[str, object]]:
    for value in _values(body):
        yield from _listed(value, name)


def _values(body: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    raw = body.get(ENTRY, MISSING)
    if not isinstance(raw, str):
        raise InvalidInput(ENTRY, why(raw, "a text"))
    try:
        entry: object = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidInput(ENTRY, "is not JSON") from None
    for change in _listed(an_object(entry, ENTRY), "changes"):
        if change.get("field") == "messages":
            yield an_object(change.get("value", MISSING), "changes.value")


def _listed(source: Mapping[str, object], name: str) -> Iterator[Mapping[str, object]]:
    value = source.get(name)
    if value is None:
        return
    if not isinstance(value, list):
        raise InvalidInput(name, "is not a list")
    if len(value) > _MOST_IN_ENTRY:
        raise InvalidInput(name, f"has more than {_MOST_IN_ENTRY} entries")
    for each in value:
        yield an_object(each, name)


def _instant(source: Mapping[str, object], path: str) -> datetime:
    seconds = a_text(source, "timestamp", 16, path)
    if not _SECONDS.fullmatch(seconds):
        raise InvalidInput(f"{path}timestamp", "is not a number of seconds")
    return plausible(datetime.fromtimestamp(int(seconds), UTC), f"{path}timestamp")
