"""DynamoDB Local: AWS's own engine in a process on this machine, for what an emulation could get wrong.

`make engine` fetches it into `.dynamodb-local`; it is used under AWS's licence for it and is no part of the project.
Everything is in memory and gone when the process ends. Callers with different access keys do not see each other's
tables, so that a key is a namespace.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.UsageNotes.html
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["EngineUnavailable", "running"]

_HOME: Final = Path(__file__).parent.parent / ".dynamodb-local"
_POLICY: Final = Path(__file__).parent / "dynamodb_local.policy"
_SECONDS_TO_START: Final = 60.0


class EngineUnavailable(Exception):
    """There is no engine here, or it did not start; says what to do."""


@contextmanager
def running(log: Path) -> Iterator[str]:
    """The engine's address on the loopback interface, for as long as the block lasts. `log` takes what it prints.

    Raises:
        EngineUnavailable: Java or the engine is not there, or it did not answer within a minute.
    """
    java = shutil.which("java")
    if java is None:
        raise EngineUnavailable("DynamoDB Local needs java, 17 to 23")
    jar = next(iter(sorted(_HOME.rglob("DynamoDBLocal.jar"))), None)
    if jar is None:
        raise EngineUnavailable("DynamoDB Local is not here: make engine")
    port = _free_port()
    command = [
        java,
        "-Djava.security.manager",
        f"-Djava.security.policy=={_POLICY}",
        f"-Djava.library.path={jar.parent / 'DynamoDBLocal_lib'}",
        *("-Xmx512m", "-jar", str(jar)),
        *("-inMemory", "-disableTelemetry", "-port", str(port)),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_for(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + _SECONDS_TO_START
    while process.poll() is None and time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
    raise EngineUnavailable(f"DynamoDB Local did not start (port {port}):{os.linesep}{said}")
