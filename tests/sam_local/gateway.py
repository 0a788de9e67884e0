"""The embedded AWS over HTTP, for functions that run in containers: same tables, same queues, same secrets.

Listens on one address, which has to be one that only this machine and its containers can reach. Who is meant is told by
the signature's scope, since every service has the same address here; what the provider simulator speaks goes to it.
"""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import BotocoreStubber

__all__ = ["gateway"]

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")


@contextmanager
def gateway(host: str, elsewhere: Mapping[str, str]) -> Iterator[str]:
    """The address that is served. `elsewhere`: where the services are that moto does not have, by signing name."""
    one_at_a_time = threading.Lock()
    stubber = BotocoreStubber()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            scope = _SCOPE.search(self.headers.get("Authorization", ""))
            if scope is None:
                self._answer(403, {}, b"unsigned")
                return
            region, service = scope.groups()
            if service in elsewhere:
                self._answer(*_forwarded(elsewhere[service], self.command, self.path, dict(self.headers), body))
                return
            headers = HTTPHeaders()
            for name, value in self.headers.items():
                headers[name] = value
            url = f"https://{service}.{region}.amazonaws.com{self.path}"
            request = AWSPreparedRequest(self.command, url, headers, body, False)
            with one_at_a_time:
                answer = stubber.process_request(request)
            if answer is None:
                self._answer(501, {}, b"no such service")
            else:
                self._answer(*answer)

        def _answer(self, status: int, headers: Mapping[str, Any], body: str | bytes) -> None:
            raw = body.encode() if isinstance(body, str) else body
            self.send_response(int(status))
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, str(value))
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            """Requests carry what no log may have."""

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _forwarded(
    base: str, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, Mapping[str, str], bytes]:
    kept = {name: value for name, value in headers.items() if name.lower() not in ("host", "content-length")}
    request = urllib.request.Request(base + path, data=body or None, headers=kept, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, dict(refused.headers), refused.read()
