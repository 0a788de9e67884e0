"""`dunlin serve`: the borrower's page on this machine, over the embedded AWS, for as many minutes as were asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.commands.run import line_of
from local.core.feed import CoreEvent
from local.simulator.faults import Faults
from local.world import MINUTE, World

__all__ = ["HOST", "SAMPLES", "Sample", "Serving", "serving"]

#: Only this machine. A browser takes secure cookies from this name without a certificate.
HOST = "localhost"
_MOST_BODY = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """An invented borrower: what to answer at the door is their date of birth."""

    borrower_id: str
    phone: str
    name: str
    locale: str
    jurisdiction: str
    zone: str
    currency: str
    born: str = "1990-12-31"


SAMPLES = (
    Sample("sample-us", "+12125550123", "Jo Doe", "en-US", "US-NY", "America/New_York", "USD"),
    Sample("sample-cn", "+8613800138000", "王小明", "zh-CN", "CN", "Asia/Shanghai", "CNY"),
)


class _NoCore:
    """A core that tells nothing by itself: what is known was told at the start."""

    def next_due(self) -> datetime | None:
        return None

    def due(self, now: datetime) -> list[CoreEvent]:  # noqa: ARG002
        return []


@dataclass
class Serving:
    """The world, its address, and for each invented borrower the link to their page."""

    world: World
    port: int
    _server: HTTPServer

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def link(self, sample: Sample) -> str:
        """A new link, as the lender's systems ask for one."""
        asked = {"borrower_id": sample.borrower_id, "party_id": "p-1", "phone": sample.phone}
        answer = self.world.aws.request("POST", "/page-links", body=json.dumps(asked).encode())
        if answer.status != 200:
            raise RuntimeError(f"no link: {answer.status}")
        return self.address + urlsplit(str(json.loads(answer.body)["url"])).path

    def run(self, until: Callable[[], bool]) -> None:
        """Answer, one request after the other, and let time pass, until `until` says so."""
        self._server.timeout = 0.2
        ticked = time.monotonic()
        while not until():
            self._server.handle_request()
            now = datetime.now(UTC)
            if now > self.world.clock.now():
                self.world.clock.advance_to(now)
            if time.monotonic() - ticked >= MINUTE.total_seconds():
                ticked = time.monotonic()
                self.world.aws.tick()


@contextmanager
def serving(port: int = 0, start: datetime | None = None) -> Iterator[Serving]:
    """The sample portfolio behind a loopback address; `port` 0 is any that is free. It begins at `start`, or now.

    Raises:
        OSError: the port is taken.
    """
    begins = start or datetime.now(UTC)
    with TemporaryDirectory(prefix="dunlin-serve-") as logs:
        world = World(_NoCore(), begins, begins + timedelta(days=2), 1, Faults(), Path(logs), lambda _: (), line_of)
        with world:
            for sample in SAMPLES:
                _tell(world, sample, begins)
            server = HTTPServer(("127.0.0.1", port), _handler(world))
            try:
                yield Serving(world, server.server_address[1], server)
            finally:
                server.server_close()


def _tell(world: World, sample: Sample, now: datetime) -> None:
    """What a core would tell of this borrower: who they are, and a loan of which one instalment is twenty days late."""
    due_on = (now - timedelta(days=20)).date()
    party = {
        "party_id": "p-1", "role": "primary", "name": sample.name, "locale": sample.locale, "phone": sample.phone,
        "may_hear": ["service", "servicing", "collection", "mandatory", "reply"], "birth_on": sample.born,
        "phone_verified_at": now.isoformat(),
    }  # fmt: skip
    profile = {"sequence": 1, "jurisdiction": sample.jurisdiction, "time_zone": sample.zone, "parties": [party]}
    instalments = [
        {"number": number, "due_on": str(due_on + timedelta(days=30 * (number - 3))), "outstanding": "240.00"}
        for number in range(3, 9)
    ]
    loan = {
        "loan_id": "l-1", "account_tail": "4821", "currency": sample.currency, "status": "open",
        "as_of": now.isoformat(), "sequence": 1, "instalments": instalments, "days_past_due": 20,
        "overdue": {"principal": "210.00", "interest": "25.00", "fees": "5.00", "total": "240.00"},
    }  # fmt: skip
    common = {"occurred_at": now.isoformat(), "borrower_id": sample.borrower_id}
    events: list[Mapping[str, Any]] = [
        {"event_id": f"{sample.borrower_id}-1", "type": "borrower.updated", "borrower": profile, **common},
        {"event_id": f"{sample.borrower_id}-2", "type": "loan.snapshot", "loan": loan, **common},
    ]
    answer = world.aws.request("POST", "/events", body=json.dumps({"events": events}).encode())
    if answer.status != 202:
        raise RuntimeError(f"the sample was refused: {answer.body.decode()}")


def _handler(world: World) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """API Gateway's part. Only the page is reachable: the lender's own routes are signed, and this is not."""

        timeout = 5

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > _MOST_BODY:
                self.send_error(413)
                return
            self._answer(self.rfile.read(int(length)))

        def _answer(self, body: bytes) -> None:
            where = urlsplit(self.path)
            if not where.path.startswith(("/my/", "/unsubscribe/")):
                self.send_error(403)
                return
            query = dict(parse_qsl(where.query, keep_blank_values=True))
            answer = world.aws.request(
                self.command, where.path, headers=dict(self.headers.items()), body=body, query=query
            )
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: an address here holds a token."""

    return Handler
