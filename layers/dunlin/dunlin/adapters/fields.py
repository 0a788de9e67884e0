"""Fields of what providers send: each is taken out of parsed JSON, or refused by its name and never by its value."""

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
from dunlin.errors import InvalidInput

__all__ = [
    "ACCESS_NUMBER",
    "CHINA",
    "MAX_AHEAD",
    "MISSING",
    "SHORT_CODE",
    "TAG_VALUE",
    "a_phone",
    "a_ref",
    "a_text",
    "an_identifier",
    "an_instant",
    "an_object",
    "bounded",
    "china_time",
    "decode_tag",
    "encode_tag",
    "mainland_mobile",
    "milliseconds",
    "named",
    "parts_of",
    "plausible",
    "tag_ref",
    "why",
    "words_of",
]

MAX_BODY_BYTES: Final = 16 * 1024
MAX_TEXT_CHARACTERS: Final = 1600
#: A provider's clock may be ahead of ours by this much; a later report would be believed for ever.
MAX_AHEAD: Final = timedelta(hours=1)
#: Chinese providers write local time without a zone.
CHINA: Final = timezone(timedelta(hours=8))
MISSING: Final = object()
SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")
ACCESS_NUMBER: Final = re.compile(r"\+?[0-9]{3,21}")

#: The value of an e-mail's tag: ASCII letters, digits, `_` and `-`, at most 256. Nothing has to be escaped in a URL.
TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")

_ID = re.compile(r"[\x21-\x7e]{1,256}")
_REF = re.compile(r"[\x21-\x7e]{3,800}")
_CHINA_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_MAINLAND = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_E164 = re.compile(r"\+?([1-9][0-9]{6,14})")
_EARLIEST_MS: Final = 1_420_070_400_000  # 2015-01-01: no provider here is older
_LATEST_MS: Final = 4_102_444_800_000  # 2100-01-01


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


def mainland_mobile(payload: Mapping[str, object], name: str) -> str:
    match = _MAINLAND.fullmatch(a_text(payload, name, 32, "payload."))
    if match is None:
        raise InvalidInput(f"payload.{name}", "is not a mainland mobile number")
    return f"+86{match.group(1)}"


def china_time(payload: Mapping[str, object], name: str) -> datetime:
    text = a_text(payload, name, 32, "payload.")
    if not _CHINA_TIME.fullmatch(text):
        raise InvalidInput(f"payload.{name}", "is not YYYY-MM-DD hh:mm:ss")
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"payload.{name}", "is not an instant") from None
    return plausible(at, f"payload.{name}")


def bounded(body: object) -> None:
    an_object(body, "body")
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


def why(value: object, wanted: str) -> str:
    return "is missing" if value is MISSING or value is None else f"is not {wanted}"


def an_object(value: object, field: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidInput(field, why(value, "an object"))
    return value


def a_text(source: Mapping[str, object], name: str, longest: int, path: str = "") -> str:
    value = source.get(name, MISSING)
    if not isinstance(value, str):
        raise InvalidInput(path + name, why(value, "a text"))
    if not value:
        raise InvalidInput(path + name, "is empty")
    if len(value) > longest:
        raise InvalidInput(path + name, f"is longer than {longest} characters")
    return value


def an_identifier(source: Mapping[str, object], name: str, path: str = "") -> str:
    value = a_text(source, name, 256, path)
    if not _ID.fullmatch(value):
        raise InvalidInput(path + name, "is not an identifier")
    return value


def a_ref(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(field, why(value, "a text"))
    if not _REF.fullmatch(value):
        raise InvalidInput(field, "is not a message reference")
    try:
        split_ref(value)
    except ValueError:
        raise InvalidInput(field, "is not a message reference") from None
    return value


def words_of(source: Mapping[str, object], name: str, path: str = "", longest: int = MAX_TEXT_CHARACTERS) -> str:
    value = source.get(name, MISSING)
    if not isinstance(value, str):
        raise InvalidInput(path + name, why(value, "a text"))
    if len(value) > longest:
        raise InvalidInput(path + name, f"is longer than {longest} characters")
    # Half a character (a lone surrogate) cannot be stored; the rest of what the person wrote counts.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def a_phone(value: str, field: str) -> str:
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


def milliseconds(source: Mapping[str, object], name: str) -> datetime:
    value = source.get(name, MISSING)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise InvalidInput(name, why(value, "a number of milliseconds"))
    if not _EARLIEST_MS <= value <= _LATEST_MS:
        raise InvalidInput(name, "is not an instant of our time")
    seconds, millis = divmod(int(value), 1000)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(milliseconds=millis)


def an_instant(source: Mapping[str, object], name: str, path: str) -> datetime:
    text = a_text(source, name, 40, path)
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
    return plausible(at, path + name)


def plausible(at: datetime, field: str) -> datetime:
    if not _EARLIEST_MS <= at.timestamp() * 1000 <= _LATEST_MS:
        raise InvalidInput(field, "is not an instant of our time")
    return at


def parts_of(value: object, field: str) -> int:
    """Message parts; some providers write the number as a text. Nothing said counts as 0."""
    if value is None:
        return 0
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise InvalidInput(field, "is not a number of parts")
    return value


def named(provider_id: str) -> str:
    """An id as it is kept. Ids are logged and are part of keys: a bare number could not be told from a phone."""
    return f"n{int(provider_id):x}" if provider_id.isdecimal() else provider_id


def tag_ref(source: Mapping[str, object], name: str, path: str = "payload.") -> str:
    """A message's reference that was sent along as a tag."""
    try:
        return a_ref(decode_tag(a_text(source, name, 256, path)), path + name)
    except ValueError:
        raise InvalidInput(path + name, "is not a message reference") from None
