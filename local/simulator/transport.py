"""The providers without a network: a client's connection ends in the simulator itself, on the client's own thread.

Only the socket is replaced. botocore and urllib3 serialise, parse and map errors as ever, and the server's own handler
answers; but no byte leaves the process, no thread is involved, and a time-out costs no time: the socket raises what a
real one would have raised in the end.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

import urllib3.util.connection

from local.simulator.server import ProviderHandler

if TYPE_CHECKING:
    from types import TracebackType

    from local.simulator.simulator import Simulator, Taken

__all__ = ["URL", "InProcess"]

#: Nobody listens there (it is the port of nothing), and nobody is asked whether somebody does.
_HOST, _PORT = "127.0.0.1", 1
#: The endpoint of every provider.
URL = f"http://{_HOST}:{_PORT}"


class InProcess:
    """While open, connections to `URL` end in `simulator`; all others are made as ever.

    Closing raises RuntimeError when a request met a fault of the simulator itself, as the real server does.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._failures: list[BaseException] = []
        self._patch: Any = None

    @property
    def url(self) -> str:
        return URL

    def __enter__(self) -> Self:
        original = urllib3.util.connection.create_connection

        def create_connection(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
            if address != (_HOST, _PORT):
                return original(address, *args, **kwargs)
            return _Socket(self._answer)

        self._patch = mock.patch.object(urllib3.util.connection, "create_connection", create_connection)
        self._patch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._patch is not None:
            self._patch.stop()
            self._patch = None
        if self._failures:
            raise RuntimeError("the simulator itself failed") from self._failures[0]

    def _answer(self, request: bytes) -> bytes:
        try:
            return _Handler(self._simulator, request).answer
        except _SilenceError as silence:
            if silence.how == "hold":
                raise TimeoutError("timed out") from None
            raise ConnectionResetError("Connection reset by peer") from None
        except Exception as failure:  # a defect of ours: the application would take it for the provider's, so it waits
            self._failures.append(failure)
            raise ConnectionAbortedError("the simulator failed") from None


class _SilenceError(Exception):
    """Nobody answers. Not an OSError: the base class of handlers would take it for its own socket's."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class _Handler(ProviderHandler):
    """One request read from memory and answered into it."""

    def __init__(self, simulator: Simulator, request: bytes) -> None:
        self._simulator = simulator
        self.rfile = io.BufferedReader(io.BytesIO(request))
        self.wfile = io.BytesIO()
        self.client_address = (_HOST, 0)
        self.close_connection = True
        self.handle_one_request()
        self.answer = self.wfile.getvalue()

    @property
    def simulator(self) -> Simulator:
        return self._simulator

    def no_answer(self, taken: Taken) -> None:
        raise _SilenceError(taken.how)


class _Socket:
    """The client's end of a connection: takes the request, and has the answer when it is read."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._sent = bytearray()

    def sendall(self, data: Any) -> None:
        self._sent += bytes(data)

    def makefile(self, mode: str = "rb", *_: Any, **__: Any) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(f"only the answer is read from here, not {mode}")
        request, self._sent = bytes(self._sent), bytearray()
        return io.BufferedReader(io.BytesIO(self._answer(request)))

    def settimeout(self, seconds: float | None) -> None:
        """Nothing takes time here."""

    def gettimeout(self) -> float | None:
        return None

    def setsockopt(self, *_: Any) -> None:
        """There is nothing to set."""

    def shutdown(self, _: int = socket.SHUT_RDWR) -> None:
        """There is no other end."""

    def close(self) -> None:
        """Nothing is held."""

    def fileno(self) -> int:
        return -1
