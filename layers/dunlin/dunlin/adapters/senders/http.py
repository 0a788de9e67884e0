"""What every sender over HTTP shares: one request a call, and what the lack of an answer proves."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar
from urllib.parse import urlsplit

from dunlin.domain.words import Reason
from dunlin.errors import ConfigurationError
from dunlin.services.ports import Clock, NotAccepted, Unsettled

if TYPE_CHECKING:
    import urllib3

__all__ = ["MAX_ANSWER_BYTES", "HttpSender", "OneRequest", "read_object"]

MAX_ANSWER_BYTES: Final = 16_384
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Key = TypeVar("Key")


class OneRequest:
    """POSTs to one provider: no retries, no redirects, TLS only, time-outs, and an answer that has an end.

    Raises (constructor):
        ConfigurationError: the address is not HTTPS (the loopback interface may do without).
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        *,
        read_timeout: float,
        connect_timeout: float,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        import urllib3  # noqa: PLC0415 - only a function that sends pays for it

        # At DEBUG it writes whole URLs, and providers want numbers and tokens in theirs.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        parts = urlsplit(base_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise ConfigurationError(f"{provider}.base_url: must be https")
        self.base_url: Final = base_url.rstrip("/")
        self.host: Final = parts.netloc
        self._timeout = urllib3.Timeout(connect=connect_timeout, read=read_timeout)
        self._pool = pool if pool is not None else urllib3.PoolManager(num_pools=1, maxsize=4)

    def close(self) -> None:
        """Let the provider's connections go."""
        self._pool.clear()

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes] | NotAccepted | Unsettled:
        """Status and body of the answer, or what is proved by there being none."""
        from urllib3 import exceptions as http  # noqa: PLC0415

        try:
            response = self._pool.request(
                "POST",
                self.base_url + path,
                body=body,
                headers=dict(headers),
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            raw = response.read(MAX_ANSWER_BYTES + 1)
            if len(raw) > MAX_ANSWER_BYTES:
                response.close()
            response.release_conn()
        except (http.NewConnectionError, http.ConnectTimeoutError):
            return NotAccepted(Reason.NOT_CONNECTED)
        except http.TimeoutError:
            return Unsettled(Reason.TIMED_OUT)
        except (http.HTTPError, OSError):
            return Unsettled(Reason.PROVIDER_ERROR)
        return response.status, raw


class HttpSender(Generic[Key]):
    """A sender to one provider under one key. `provider` is its name in a configuration's errors.

    Raises (constructor):
        ConfigurationError: the address is not HTTPS (the loopback interface may do without).
    """

    provider: ClassVar[str]

    def __init__(
        self,
        base_url: str,
        key: Key,
        clock: Clock,
        *,
        read_timeout: float,
        connect_timeout: float,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        self._http = OneRequest(
            self.provider, base_url, read_timeout=read_timeout, connect_timeout=connect_timeout, pool=pool
        )
        self._key = key
        self._clock = clock

    def close(self) -> None:
        """Let the provider's connections go."""
        self._http.close()


def read_object(raw: bytes) -> Mapping[str, object]:
    """The answer's JSON object; an empty one for everything else."""
    if len(raw) > MAX_ANSWER_BYTES:
        return {}
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
