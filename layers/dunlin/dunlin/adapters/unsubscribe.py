"""The address of a one-click unsubscribe (RFC 8058): it names a contact point and a purpose to us and to nobody else.

A token is the payload under a synthetic nonce: its own HMAC, which is also what the key stream is made from. So it
looks random, cannot be guessed or changed, and is the same for the same point and purpose. It never expires: mail is
tidied years later, and an opt-out is not to fail for that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from dunlin.domain.words import Purpose

__all__ = ["DECLINABLE", "UnsubscribeLinks"]

#: Purposes a person can ask not to get by e-mail. An answer was asked for; a mandatory notice cannot be declined.
DECLINABLE = frozenset({Purpose.SERVICE, Purpose.SERVICING, Purpose.COLLECTION, Purpose.MARKETING})

#: As tokens carry them. They are in mails that were sent, so they are never changed.
_CODES = {Purpose.SERVICE: 1, Purpose.SERVICING: 2, Purpose.COLLECTION: 3, Purpose.MARKETING: 4}
_PURPOSES = {code: purpose for purpose, code in _CODES.items()}
_POINT = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{66}")
_TAG_BYTES = 16


class UnsubscribeLinks:
    """Makes and reads the tokens. `key` is the secret of the contact points, from which two others are derived."""

    def __init__(self, key: str, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._mac_key = hmac.digest(key.encode(), b"dunlin unsubscribe, authentication", hashlib.sha256)
        self._stream_key = hmac.digest(key.encode(), b"dunlin unsubscribe, encryption", hashlib.sha256)

    def link(self, point: str, purpose: Purpose) -> str:
        """Where one POST opts `point` out of `purpose`; nothing for what cannot be declined."""
        if purpose not in DECLINABLE or not _POINT.fullmatch(point):
            return ""
        return f"{self._base_url}/{self.token(point, purpose)}"

    def token(self, point: str, purpose: Purpose) -> str:
        payload = bytes.fromhex(point) + bytes([_CODES[purpose]])
        tag = self._tag(payload)
        return base64.urlsafe_b64encode(tag + self._mixed(payload, tag)).decode().rstrip("=")

    def read(self, token: str) -> tuple[str, Purpose] | None:
        """The point and the purpose of a token that we made; None for every other text."""
        if not _TOKEN.fullmatch(token):
            return None
        raw = base64.urlsafe_b64decode(token + "==")
        tag, sealed = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        payload = self._mixed(sealed, tag)
        if not hmac.compare_digest(tag, self._tag(payload)):
            return None
        point, purpose = payload[:-1].hex(), _PURPOSES[payload[-1]]
        # Base64 has several spellings of its last character, and only one is the token.
        return (point, purpose) if self.token(point, purpose) == token else None

    def _tag(self, payload: bytes) -> bytes:
        return hmac.digest(self._mac_key, payload, hashlib.sha256)[:_TAG_BYTES]

    def _mixed(self, data: bytes, tag: bytes) -> bytes:
        blocks = range(-(-len(data) // hashlib.sha256().digest_size))
        stream = b"".join(hmac.digest(self._stream_key, tag + bytes([block]), hashlib.sha256) for block in blocks)
        return bytes(left ^ right for left, right in zip(data, stream, strict=False))
