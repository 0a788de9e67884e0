"""A WeChat service account: one address for everything, XML, and a signature that does not cover what is said.

`signature` = sha1 over token, timestamp and nonce, sorted and joined: it proves that whoever made the query knows the
token, and nothing about the body. So a request is checked as a signed one and believed as an unsigned one: it can
confirm or end what we handed over under WeChat's own number of it, and stop something, and nothing else. Following the
account again is therefore no consent; the core can say that it is.

Read are the end of a template message (TEMPLATESENDJOBFINISH), 取关 (`unsubscribe`, an opt-out there), and what people
write. Every other event is answered and dropped. Plain mode only: what is encrypted is refused, since the layer has no
cipher; TLS carries it. The XML is flat and has an end: no DTD, no entities, no attributes, no name twice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.parsers import expat

from dunlin.adapters.fields import MAX_AHEAD, MAX_BODY_BYTES, MISSING, a_text, named, plausible, words_of
from dunlin.adapters.providers import Call, Provider, is_fresh, same
from dunlin.domain.words import Channel, MessageState, Reason
from dunlin.errors import InvalidInput
from dunlin.services.ports import DeliveryReport, InboundText

NAME: Final = "wechat"
FINISHED: Final = "TEMPLATESENDJOBFINISH"
MAX_FIELDS: Final = 40

_TIMESTAMP = re.compile(r"[0-9]{10,11}")
_NONCE = re.compile(r"[\x21-\x7e]{1,128}")
_SIGNATURE = re.compile(r"[0-9a-f]{40}")
_ECHO = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NUMBER = re.compile(r"[0-9]{1,30}")
_OPENID = re.compile(r"[A-Za-z0-9_-]{28}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")

#: Status of a template message that was sent: what became of it.
STATUSES: Final[Mapping[str, tuple[MessageState, Reason]]] = {
    "success": (MessageState.DELIVERED, Reason.DELIVERED),
    "failed:user block": (MessageState.FAILED, Reason.PROVIDER_OPTED_OUT),
    "failed: system failed": (MessageState.FAILED, Reason.CARRIER_UNREACHABLE),
    "failed:system failed": (MessageState.FAILED, Reason.CARRIER_UNREACHABLE),
}


def sign(token: str, timestamp: str, nonce: str) -> str:
    """What `signature` has to be."""
    return hashlib.sha1("".join(sorted((token, timestamp, nonce))).encode(), usedforsecurity=False).hexdigest()


def verify(call: Call) -> str:
    query = _query(call)
    timestamp, nonce, signature = (query.get(name, "") for name in ("timestamp", "nonce", "signature"))
    if not (_TIMESTAMP.fullmatch(timestamp) and _NONCE.fullmatch(nonce) and _SIGNATURE.fullmatch(signature)):
        return "parameters"
    if not call.secrets.signing_secret or not same(signature, sign(call.secrets.signing_secret, timestamp, nonce)):
        return "signature"
    return "" if is_fresh(int(timestamp), call.now) else "stale"


def echo(call: Call) -> str | None:
    """WeChat's question whether the address is ours: its own word back, if it is only a word."""
    said = _query(call).get("echostr", "")
    return said if _ECHO.fullmatch(said) and not call.request.raw else None


def elements(call: Call) -> Sequence[object]:
    fields = fields_of(call.request.raw)
    kind = a_text(fields, "MsgType", 32)
    if kind != "event":
        return [{**fields, "inbound_id": named(_numbered(fields, "MsgId"))}]
    event = a_text(fields, "Event", 64)
    if event == FINISHED:
        return [fields]
    if event != "unsubscribe":
        return []
    said = "\n".join(a_text(fields, name, 64) for name in ("FromUserName", "CreateTime", "Event"))
    return [
        {**fields, "inbound_id": hmac.new(call.secrets.path_token.encode(), said.encode(), "sha256").hexdigest()[:40]}
    ]


def sorts(found: Sequence[object]) -> str:
    return (
        "reports" if any(isinstance(each, Mapping) and each.get("Event") == FINISHED for each in found) else "inbound"
    )


def report(payload: Mapping[str, object]) -> DeliveryReport:
    if payload.get("Event") != FINISHED:
        raise InvalidInput("payload.Event", f"is not {FINISHED}")
    status = a_text(payload, "Status", 64, "payload.")
    if status not in STATUSES and not status.startswith("failed"):
        raise InvalidInput("payload.Status", "is neither success nor a failure")
    state, reason = STATUSES.get(status, (MessageState.FAILED, Reason.CARRIER_UNREACHABLE))
    return DeliveryReport(
        ref="",
        state=state,
        reason=reason,
        at=_created(payload),
        provider_message_id=f"n{int(_numbered(payload, 'MsgID', 'payload.')):x}",
        is_signed=False,
        address=_follower(payload),
        channel=Channel.WECHAT,
    )


def inbound(payload: Mapping[str, object], received_at: datetime) -> InboundText:
    if _created(payload) > received_at + MAX_AHEAD:
        raise InvalidInput("payload.CreateTime", "is in the future")
    kind = a_text(payload, "MsgType", 32, "payload.")
    leaves = kind == "event"
    if leaves and payload.get("Event") != "unsubscribe":
        raise InvalidInput("payload.Event", "is not unsubscribe")
    to_address = a_text(payload, "ToUserName", 64, "payload.")
    if not _ACCOUNT.fullmatch(to_address):
        raise InvalidInput("payload.ToUserName", "is not an account")
    inbound_id = a_text(payload, "inbound_id", 64, "payload.")
    if not _ACCOUNT.fullmatch(inbound_id):
        raise InvalidInput("payload.inbound_id", "is not an identifier")
    return InboundText(
        inbound_id=inbound_id,
        provider=NAME,
        from_address=_follower(payload),
        to_address=to_address,
        # A picture, a voice, a place: somebody wrote, and a person looks.
        text=words_of(payload, "Content", "payload.") if kind == "text" else "",
        received_at=received_at,
        is_signed=False,
        provider_opted_out=leaves,
        channel=Channel.WECHAT,
    )


def fields_of(raw: bytes) -> dict[str, str]:
    """The children of `<xml>` and their text.

    Raises:
        InvalidInput: it is no such document, or it is encrypted.
    """
    if len(raw) > MAX_BODY_BYTES:
        raise InvalidInput("body", f"is longer than {MAX_BODY_BYTES} bytes")
    found = _Flat().read(raw)
    if "Encrypt" in found and "MsgType" not in found:
        raise InvalidInput("Encrypt", "is encrypted: set the account's messages to plain text")
    return found


class _Flat:
    """One document, read once."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._open: list[str] = []
        self._text: list[str] = []

    def read(self, raw: bytes) -> dict[str, str]:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = _has_dtd
        try:
            parser.Parse(raw, True)
        except expat.ExpatError:
            raise InvalidInput("body", "is not XML") from None
        return self._found

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        depth = len(self._open)
        if attributes or (depth == 0 and name != "xml") or depth > 8:
            raise InvalidInput("body", "is not a message of WeChat's")
        if depth == 1 and (name in self._found or len(self._found) >= MAX_FIELDS):
            raise InvalidInput("body", "has a name twice, or too many")
        self._open.append(name)
        self._text = []

    def _end(self, name: str) -> None:
        self._open.pop()
        if len(self._open) == 1:  # what lies deeper is of events that nobody reads
            self._found[name] = "".join(self._text)
        self._text = []

    def _characters(self, text: str) -> None:
        if len(self._open) == 2:
            self._text.append(text)


def _has_dtd(*_: object) -> None:
    raise InvalidInput("body", "has a document type")


def _query(call: Call) -> dict[str, str]:
    """The query's pairs; a name that is there twice counts as not there."""
    names = [name for name, _ in call.request.query]
    return {name: value for name, value in call.request.query if names.count(name) == 1}


def _numbered(source: Mapping[str, object], name: str, path: str = "") -> str:
    value = source.get(name, MISSING)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise InvalidInput(path + name, "is not a number")
    return value


def _follower(payload: Mapping[str, object]) -> str:
    openid = a_text(payload, "FromUserName", 64, "payload.")
    if not _OPENID.fullmatch(openid):
        raise InvalidInput("payload.FromUserName", "is not an openid")
    return openid


def _created(payload: Mapping[str, object]) -> datetime:
    seconds = a_text(payload, "CreateTime", 16, "payload.")
    if not _TIMESTAMP.fullmatch(seconds):
        raise InvalidInput("payload.CreateTime", "is not Unix time")
    return plausible(datetime.fromtimestamp(int(seconds), UTC), "payload.CreateTime")


PROVIDER: Final = Provider(
    name=NAME,
    signing_field="signing_token",
    settings=(),
    methods=frozenset({"GET", "POST"}),
    answer=(200, "text/plain", "success"),
    report_time="CreateTime",
    verify=verify,
    elements=elements,
    report=report,
    inbound=inbound,
    sorts=sorts,
    echo=echo,
    covers_body=False,
)
