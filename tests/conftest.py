"""What every test may rely on: no network, the same examples each time, one content for all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket
from hypothesis import HealthCheck, settings

from local.dynamodb_local import EngineUnavailable, running
from tests.builders import House

TESTS = Path(__file__).parent
#: No socket at all, so that a unit cannot depend on anything outside of it.
NO_SOCKETS = ("unit", "properties")
#: Units whose subject is a client's behaviour towards a server: they serve themselves, on the loopback interface.
ON_LOOPBACK = frozenset({"test_senders.py", "test_senders_http.py", "test_senders_wechat.py"})

settings.register_profile(
    "dunlin",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("dunlin")


@pytest.fixture(autouse=True)
def _sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """Nobody reaches the network; units and properties not even this machine."""
    path = Path(request.node.path)
    folder = path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""
    if folder in NO_SOCKETS and path.name not in ON_LOOPBACK:
        pytest_socket.disable_socket(allow_unix_socket=True)
    else:
        pytest_socket.socket_allow_hosts(["127.0.0.1", "localhost", "::1"], allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
    pytest_socket._remove_restrictions()


@pytest.fixture(scope="session")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """AWS's own DynamoDB engine, for the session. Each access key sees its own tables."""
    try:
        with running(tmp_path_factory.mktemp("engine") / "engine.log") as url:
            yield url
    except EngineUnavailable as missing:
        pytest.skip(str(missing))


@pytest.fixture
def house() -> House:
    """Every service on the in-memory ports, at eleven in the morning in New York."""
    return House()
