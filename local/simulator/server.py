"""The HTTP server: five protocols on one port of the loopback interface."""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from local.simulator.finance import read_request
from local.simulator.payloads import Order
from local.simulator.shapes import check_output, error_shape, input_problems
from local.simulator.wechat import order_of as wechat_order
from local.simulator.whatsapp import order_of as whatsapp_order

if TYPE_CHECKING:
    from local.simulator.simulator import Simulator, Taken

__all__ = ["ProviderHandler", "ProviderServer"]

MAX_BODY_BYTES = 256 * 1024
SMS_VOICE = "pinpoint-sms-voice-v2"
SOCIAL = "socialmessaging"
TARGET = "PinpointSMSVoiceV2."
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
ENDPOINT = re.compile(r"arn:aws:sns:[a-z0-9-]+:[0-9]{12}:endpoint/(GCM|APNS|APNS_SANDBOX)/[^/]+/[0-9a-f-]{36}")
ATTRIBUTE = re.compile(r"MessageAttributes\.entry\.([0-9]{1,2})\.Name")
OPERATIONS = ("SendTextMessage", "DescribeOptedOutNumbers", "PutOptedOutNumber", "DeleteOptedOutNumber")

#: (exception, members) for each refusal of a text.
SMS_ERRORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "THROTTLED": ("ThrottlingException", {"Message": "Rate exceeded"}),
    "ERROR": ("InternalServerException", {"Message": "Internal error", "RequestId": "simulated"}),
    "OPTED_OUT": (
        "ConflictException",
        {"Message": "Destination phone number is opted out", "Reason": "DESTINATION_PHONE_NUMBER_OPTED_OUT"},
    ),
    "SPEND_LIMIT": (
        "ServiceQuotaExceededException",
        {"Message": "Monthly spend limit reached", "Reason": "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"},
    ),
}
SNS_ERRORS: Mapping[str, tuple[int, str]] = {
    "DISABLED": (400, "EndpointDisabled"),
    "THROTTLED": (429, "Throttled"),
    "ERROR": (500, "InternalError"),
    "OPTED_OUT": (400, "InvalidParameter"),
}
EMAIL_ERRORS: Mapping[str, str] = {"THROTTLED": "TooManyRequestsException", "SPEND_LIMIT": "LimitExceededException"}
SOCIAL_ERRORS: Mapping[str, str] = {"THROTTLED": "ThrottledRequestException", "ERROR": "InternalServiceException"}
FINANCE_CODES: Mapping[str, str] = {
    "THROTTLED": "isv.BUSINESS_LIMIT_CONTROL",
    "ERROR": "isp.SYSTEM_ERROR",
    "OPTED_OUT": "isv.MOBILE_IN_BLACKLIST",
    "SPEND_LIMIT": "isv.AMOUNT_NOT_ENOUGH",
}


WECHAT_CODES: Mapping[str, int] = {
    "THROTTLED": 45011,
    "NOT_FOLLOWING": 43004,
    "SPEND_LIMIT": 45009,
}
WECHAT_SEND = "/cgi-bin/message/template/send?access_token="


class ProviderServer:
    """Owns the socket, the accepting thread and the bound on the others."""

    def __init__(self, simulator: Simulator, *, hold_seconds: float, max_threads: int) -> None:
        self._simulator = simulator
        self._hold_seconds = hold_seconds
        self._max_threads = max_threads
        self._server: _Server | None = None
        self._thread: Thread | None = None

    @property
    def url(self) -> str:
        if self._server is None:
            raise RuntimeError("the simulator is not started")
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> str:
        if self._server is not None:
            raise RuntimeError("the simulator is started already")
        self._server = _Server(self._simulator, self._hold_seconds, self._max_threads)
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="providers", daemon=True
        )
        self._thread.start()
        return self.url

    def close(self) -> None:
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server, self._thread = None, None
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
        if server.failures:
            raise RuntimeError("the simulator itself failed") from server.failures[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(self, simulator: Simulator, hold_seconds: float, max_threads: int) -> None:
        self.simulator = simulator
        self.hold_seconds = hold_seconds
        self.closing = Event()
        self.failures: list[BaseException] = []
        self._free = BoundedSemaphore(max_threads)
        super().__init__(("127.0.0.1", 0), _ServedHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._free.acquire()
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class names them
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, (ConnectionError, TimeoutError)):
            self.failures.append(error)


class ProviderHandler(BaseHTTPRequestHandler, ABC):
    """The five protocols, whatever carries them: the subclass says whose simulator it is, and how nobody answers."""

    protocol_version = "HTTP/1.1"
    timeout = 5.0

    @property
    @abstractmethod
    def simulator(self) -> Simulator:
        """Whose simulator it is."""

    @abstractmethod
    def no_answer(self, taken: Taken) -> None:
        """Accepted, and nobody is told: the answer comes too late, or the connection breaks."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The `Date` header is virtual too: botocore looks at it."""
        return super().date_time_string(self.simulator.now().timestamp() if timestamp is None else timestamp)

    def do_POST(self) -> None:
        # One request a connection: an idle client holds no thread.
        self.close_connection = True
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._answer(413, {})
            return
        raw = self.rfile.read(int(length))
        if self.path == "/v2/email/outbound-emails":
            self._email(raw)
        elif self.path == "/v1/whatsapp/send":
            self._whatsapp(raw)
        elif self.path == "/v1/messages":
            self._finance(raw)
        elif self.path == "/cgi-bin/stable_token":
            self._wechat_token(raw)
        elif self.path.startswith(WECHAT_SEND):
            self._wechat(raw, self.path.removeprefix(WECHAT_SEND))
        elif self.path == "/" and "X-Amz-Target" in self.headers:
            self._sms_voice(raw)
        elif self.path == "/":
            self._sns(raw)
        else:
            self._answer(404, {})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Nothing: requests hold numbers and texts."""

    # ── pinpoint-sms-voice-v2: AWS JSON 1.0 ──────────────────────────────────────────────────────────────────────────

    def _sms_voice(self, raw: bytes) -> None:
        operation = self.headers.get("X-Amz-Target", "").removeprefix(TARGET)
        if operation not in OPERATIONS:
            self._answer(400, {"__type": "UnknownOperationException"}, version="1.0")
            return
        request = _json_object(raw)
        problems = input_problems(SMS_VOICE, operation, request)
        if operation == "SendTextMessage":
            self._send_text(request, problems)
        elif problems:
            self._sms_error(operation, "ValidationException", _validation(problems))
        else:
            self._opt_out_list(operation, request)

    def _send_text(self, request: Mapping[str, Any], problems: list[tuple[str, str]]) -> None:
        order = _text_order(request)
        simulator = self.simulator
        if problems:
            simulator.refuse(order, "ValidationException/FIELD_VALIDATION_FAILED")
            self._sms_error("SendTextMessage", "ValidationException", _validation(problems))
        elif request.get("DryRun"):
            simulator.refuse(order, "DRY_RUN")
            self._sms_answer("SendTextMessage", {"MessageId": "dry-run"})
        else:
            taken = simulator.take(order)
            if taken.how != "answer":
                self.no_answer(taken)
            elif taken.answer == "OK":
                self._sms_answer("SendTextMessage", {"MessageId": taken.message_id})
            else:
                self._sms_error("SendTextMessage", *SMS_ERRORS[taken.answer])

    def _opt_out_list(self, operation: str, request: Mapping[str, Any]) -> None:
        simulator = self.simulator
        name = request["OptOutListName"].rpartition("/")[2]
        listed = {
            "OptOutListArn": f"arn:aws:sms-voice:us-east-1:123456789012:opt-out-list/{name}",
            "OptOutListName": name,
        }
        if operation == "DescribeOptedOutNumbers":
            wanted = request.get("OptedOutNumbers")
            numbers = [
                {
                    "OptedOutNumber": number,
                    "OptedOutTimestamp": since,
                    "EndUserOptedOut": simulator.opted_out_by_person(name, number),
                }
                for number, since in sorted(simulator.opted_out_numbers(name).items())
                if (not wanted or number in wanted) and number > request.get("NextToken", "")
            ]
            page = numbers[: request.get("MaxResults", 100)]
            more = {"NextToken": page[-1]["OptedOutNumber"]} if len(page) < len(numbers) else {}
            self._sms_answer(operation, {**listed, "OptedOutNumbers": page, **more})
            return
        number = request["OptedOutNumber"]
        if operation == "PutOptedOutNumber":
            since: datetime | None = simulator.put_opted_out(name, number)
        else:
            since = simulator.delete_opted_out(name, number)
        if since is None:
            members = {"Message": "Resource not found", "ResourceType": "opted-out-number", "ResourceId": "hidden"}
            self._sms_error(operation, "ResourceNotFoundException", members)
            return
        answer = {**listed, "OptedOutNumber": number, "OptedOutTimestamp": since, "EndUserOptedOut": False}
        self._sms_answer(operation, answer)

    def _sms_answer(self, operation: str, members: Mapping[str, Any]) -> None:
        check_output(SMS_VOICE, operation, members)
        self._answer(200, members, version="1.0")

    def _sms_error(self, operation: str, code: str, members: Mapping[str, Any]) -> None:
        status = error_shape(SMS_VOICE, operation, code, members)
        document = {"__type": f"com.amazonaws.smsvoice.v2#{code}", **members}
        self._answer(status, document, version="1.0")

    # ── SNS: AWS query ───────────────────────────────────────────────────────────────────────────────────────────────

    def _sns(self, raw: bytes) -> None:
        """Publish to a phone number or to a device, and nothing else: topics are not a provider's."""
        form = dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
        request = _publish_request(form)
        if form.get("Action") != "Publish" or not {"PhoneNumber", "TargetArn"} & request.keys():
            self._xml(400, "ErrorResponse", "<Error><Type>Sender</Type><Code>InvalidAction</Code></Error>")
            return
        simulator = self.simulator
        order = _push_order(request) if "TargetArn" in request else _publish_order(request)
        well_addressed = PHONE.fullmatch(order.to_address) or ENDPOINT.fullmatch(order.to_address)
        if input_problems("sns", "Publish", request) or not well_addressed or not order.body:
            simulator.refuse(order, "InvalidParameter")
            self._xml(400, "ErrorResponse", "<Error><Type>Sender</Type><Code>InvalidParameter</Code></Error>")
            return
        taken = simulator.take(order)
        if taken.how != "answer":
            self.no_answer(taken)
        elif taken.answer == "OK":
            check_output("sns", "Publish", {"MessageId": taken.message_id})
            result = f"<PublishResult><MessageId>{taken.message_id}</MessageId></PublishResult>"
            self._xml(200, "PublishResponse", result)
        else:
            status, code = SNS_ERRORS[taken.answer]
            self._xml(status, "ErrorResponse", f"<Error><Type>Sender</Type><Code>{code}</Code></Error>")

    def _xml(self, status: int, root: str, inner: str) -> None:
        request_id = "<ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata>"
        body = f'<{root} xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{inner}{request_id}</{root}>'
        self._send(status, "text/xml", body.encode())

    # ── SES v2: REST JSON ────────────────────────────────────────────────────────────────────────────────────────────

    def _email(self, raw: bytes) -> None:
        request = _json_object(raw)
        problems = input_problems("sesv2", "SendEmail", request)
        simulator = self.simulator
        order = _email_order(request)
        if problems or not order.to_address or not order.body:
            simulator.refuse(order, "BadRequestException")
            self._email_error("BadRequestException")
            return
        taken = simulator.take(order)
        if taken.how != "answer":
            self.no_answer(taken)
        elif taken.answer == "OK":
            answer = {"MessageId": taken.message_id}
            check_output("sesv2", "SendEmail", answer)
            self._answer(200, answer)
        elif taken.answer in EMAIL_ERRORS:
            self._email_error(EMAIL_ERRORS[taken.answer])
        else:
            self._answer(500, {"message": "Internal error"}, error_type="InternalFailure")

    def _email_error(self, code: str) -> None:
        status = error_shape("sesv2", "SendEmail", code, {})
        self._answer(status, {"message": "Refused"}, error_type=code)

    # ── End User Messaging Social: REST JSON ─────────────────────────────────────────────────────────────────────────

    def _whatsapp(self, raw: bytes) -> None:
        simulator = self.simulator
        request = _json_object(raw)
        problems = input_problems(SOCIAL, "SendWhatsAppMessage", {**request, "message": _text(request.get("message"))})
        order = whatsapp_order(simulator.whatsapp, request)
        if problems or not order.from_address or not order.body or not PHONE.fullmatch(order.to_address):
            simulator.refuse(order, "ValidationException")
            self._social_error("ValidationException")
            return
        taken = simulator.take(order)
        if taken.how != "answer":
            self.no_answer(taken)
        elif taken.answer == "OK":
            answer = {"messageId": taken.message_id}
            check_output(SOCIAL, "SendWhatsAppMessage", answer)
            self._answer(200, answer)
        else:
            self._social_error(SOCIAL_ERRORS[taken.answer])

    def _social_error(self, code: str) -> None:
        status = error_shape(SOCIAL, "SendWhatsAppMessage", code, {"message": "Refused"})
        self._answer(status, {"message": "Refused"}, error_type=code)

    # ── The finance provider ─────────────────────────────────────────────────────────────────────────────────────────

    def _finance(self, raw: bytes) -> None:
        simulator = self.simulator
        headers = {name.lower(): value for name, value in self.headers.items()}
        fields, fault = read_request(simulator.finance_keys, headers, raw, simulator.now())
        order = _finance_order(fields)
        if fault:
            simulator.refuse(order, fault)
            self._answer(200, {"code": fault, "message": "refused"})
            return
        taken = simulator.take(order)
        if taken.how != "answer":
            self.no_answer(taken)
        elif taken.answer == "OK":
            self._answer(200, {"code": "OK", "message": "OK", "biz_id": taken.message_id})
        else:
            self._answer(200, {"code": FINANCE_CODES[taken.answer], "message": "refused"})

    # ── WeChat ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _wechat_token(self, raw: bytes) -> None:
        account, request = self.simulator.wechat, _json_object(raw)
        wanted = {"grant_type": "client_credential", "appid": account.app_id, "secret": account.secret}
        if {name: request.get(name) for name in wanted} != wanted:
            self._answer(200, {"errcode": 40125, "errmsg": "invalid appsecret"})
            return
        token, lasts = account.token_at(self.simulator.now())
        self._answer(200, {"access_token": token, "expires_in": lasts})

    def _wechat(self, raw: bytes, token: str) -> None:
        simulator = self.simulator
        if not simulator.wechat.takes(token, simulator.now()):
            self._answer(200, {"errcode": 42001, "errmsg": "access_token expired"})
            return
        order, error = wechat_order(simulator.wechat, raw)
        if error:
            simulator.refuse(order, str(error))
            self._answer(200, {"errcode": error, "errmsg": "refused"})
            return
        taken = simulator.take(order)
        if taken.how != "answer":
            self.no_answer(taken)
        elif taken.answer == "OK":
            self._answer(200, {"errcode": 0, "errmsg": "ok", "msgid": int(taken.message_id)})
        elif taken.answer == "ERROR":
            self._answer(500, {})
        else:
            self._answer(200, {"errcode": WECHAT_CODES[taken.answer], "errmsg": "refused"})

    # ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, status: int, document: Mapping[str, Any], *, version: str = "", error_type: str = "") -> None:
        body = json.dumps(document, default=_timestamp).encode()
        kind = f"application/x-amz-json-{version}" if version else "application/json"
        self._send(status, kind, body, error_type)

    def _send(self, status: int, content_type: str, body: bytes, error_type: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", "simulated")
        if error_type:
            self.send_header("x-amzn-ErrorType", error_type)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class _ServedHandler(ProviderHandler):
    """Behind a real socket, a time-out takes real time."""

    server: _Server

    @property
    def simulator(self) -> Simulator:
        return self.server.simulator

    def no_answer(self, taken: Taken) -> None:
        if taken.how == "hold":
            self.server.closing.wait(self.server.hold_seconds)
            return
        # No lingering: the client gets a reset, not an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _validation(problems: list[tuple[str, str]]) -> dict[str, Any]:
    fields = [{"Name": name, "Message": problem} for name, problem in problems if name]
    return {"Message": "1 validation error", "Reason": "FIELD_VALIDATION_FAILED", "Fields": fields}


def _text_order(request: Mapping[str, Any]) -> Order:
    context = _pairs(request.get("Context"))
    known = dict(context)
    ttl = request.get("TimeToLive")
    return Order(
        provider="aws_sms",
        from_address=_text(request.get("OriginationIdentity")),
        to_address=_text(request.get("DestinationPhoneNumber")),
        body=_text(request.get("MessageBody")),
        subject="",
        ref=known.get("dunlin-message", ""),
        context=context,
        reserved_at=known.get("dunlin-reserved-at", ""),
        ttl_seconds=ttl if isinstance(ttl, int) and not isinstance(ttl, bool) else None,
    )


def _publish_request(form: Mapping[str, str]) -> dict[str, Any]:
    """A query-protocol form as the parameters of Publish."""
    request: dict[str, Any] = {
        name: form[name]
        for name in ("PhoneNumber", "Message", "MessageStructure", "TopicArn", "TargetArn", "Subject")
        if name in form
    }
    attributes: dict[str, dict[str, str]] = {}
    for key, name in form.items():
        match = ATTRIBUTE.fullmatch(key)
        if match is not None:
            prefix = f"MessageAttributes.entry.{match.group(1)}.Value."
            given = {part: form.get(prefix + part) for part in ("DataType", "StringValue")}
            attributes[name] = {part: value for part, value in given.items() if value is not None}
    if attributes:
        request["MessageAttributes"] = attributes
    return request


def _publish_order(request: Mapping[str, Any]) -> Order:
    attributes = {name: value.get("StringValue", "") for name, value in request.get("MessageAttributes", {}).items()}
    origination = attributes.get("AWS.MM.SMS.OriginationNumber") or attributes.get("AWS.SNS.SMS.SenderID", "")
    return Order(
        provider="aws_sns",
        from_address=origination,
        to_address=_text(request.get("PhoneNumber")),
        body=_text(request.get("Message")),
        subject="",
        ref=attributes.get("dunlin-message", ""),
        context=tuple(sorted(attributes.items())),
        reserved_at=attributes.get("dunlin-reserved-at", ""),
        ttl_seconds=None,
    )


def _push_order(request: Mapping[str, Any]) -> Order:
    """What the device shows, read out of what its service is given; nothing where the request does not fit it."""
    attributes = {name: value.get("StringValue", "") for name, value in request.get("MessageAttributes", {}).items()}
    target = _text(request.get("TargetArn"))
    platform, _, app = target.partition(":endpoint/")[2].rpartition("/")[0].partition("/")
    messages = _json_object(_text(request.get("Message")).encode())
    payload = _json_object(_text(messages.get(platform)).encode())
    for step in ("fcmV1Message", "message", "notification") if platform == "GCM" else ("aps", "alert"):
        inner = payload.get(step)
        payload = inner if isinstance(inner, dict) else {}
    ttl = attributes.get("AWS.SNS.MOBILE.FCM.TTL" if platform == "GCM" else f"AWS.SNS.MOBILE.{platform}.TTL", "")
    told = request.get("MessageStructure") == "json"
    return Order(
        provider="aws_push",
        from_address=app,
        to_address=target,
        body=_text(payload.get("body")) if told else "",
        subject=_text(payload.get("title")),
        ref=attributes.get("dunlin-message", ""),
        context=tuple(sorted(attributes.items())),
        reserved_at=attributes.get("dunlin-reserved-at", ""),
        ttl_seconds=int(ttl) if ttl.isdecimal() else None,
    )


def _email_order(request: Mapping[str, Any]) -> Order:
    destination = request.get("Destination")
    addresses = destination.get("ToAddresses") if isinstance(destination, dict) else None
    content = request.get("Content")
    simple = content.get("Simple") if isinstance(content, dict) else None
    parts = simple if isinstance(simple, dict) else {}
    tags = request.get("EmailTags")
    pairs = tuple(
        (_text(tag.get("Name")), _text(tag.get("Value")))
        for tag in (tags if isinstance(tags, list) else [])
        if isinstance(tag, dict)
    )
    known = dict(pairs)
    headers = parts.get("Headers")
    said = {
        _text(header.get("Name")): _text(header.get("Value"))
        for header in (headers if isinstance(headers, list) else [])
        if isinstance(header, dict)
    }
    one_click = "List-Unsubscribe-Post" in said
    return Order(
        provider="aws_ses",
        from_address=_text(request.get("FromEmailAddress")),
        to_address=_text(addresses[0]) if isinstance(addresses, list) and addresses else "",
        body=_data(parts.get("Body"), "Text"),
        subject=_data(parts, "Subject"),
        ref=_untagged(known.get("dunlin-message", "")),
        context=pairs,
        reserved_at=_untagged(known.get("dunlin-reserved-at", "")),
        ttl_seconds=None,
        unsubscribe=said.get("List-Unsubscribe", "").strip("<>") if one_click else "",
    )


def _finance_order(fields: Mapping[str, object]) -> Order:
    ttl = fields.get("ttl_seconds")
    phone = _text(fields.get("phone"))
    filings = fields.get("filings")
    return Order(
        provider="finance_sms",
        from_address=_text(fields.get("sender")),
        to_address=f"+86{phone}" if phone else "",
        body=_text(fields.get("content")),
        subject=_text(fields.get("signature")),
        ref=_text(fields.get("out_id")),
        context=_pairs(filings),
        reserved_at=_text(fields.get("reserved_at")),
        ttl_seconds=ttl if isinstance(ttl, int) and not isinstance(ttl, bool) else None,
    )


def _untagged(tag: str) -> str:
    """A tag's value is unpadded base64url; what is not stays as it is."""
    try:
        return base64.urlsafe_b64decode(tag + "=" * (-len(tag) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return tag


def _data(holder: object, name: str) -> str:
    part = holder.get(name) if isinstance(holder, dict) else None
    return _text(part.get("Data")) if isinstance(part, dict) else ""


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    return tuple((_text(key), _text(inner)) for key, inner in value.items()) if isinstance(value, dict) else ()


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _timestamp(value: object) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    raise TypeError
