"""The emulator as a process of the tests: on a free port of the loopback interface, and gone when they are."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.e2e.certificate import Certificate

__all__ = ["Ministack", "free_port"]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-e2e" / "bin" / "python"
STARTS_WITHIN_SECONDS = 30
STOPS_WITHIN_SECONDS = 3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Ministack:
    """Use as a context manager. Its functions are its children, in its own process group."""

    def __init__(self, log: Path, scratch: Path, certificate: Certificate, environment: Mapping[str, str]) -> None:
        self.port = free_port()
        self.log = log
        self._scratch = scratch
        self._certificate = certificate
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> Ministack:
        self._scratch.mkdir(parents=True, exist_ok=True)
        settings = {
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "IOT_MTLS_ENABLED": "0",
            "AUTH": "true",
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self._certificate.file),
            "MINISTACK_SSL_KEY": str(self._certificate.key_file),
            "AWS_CA_BUNDLE": str(self._certificate.file),
            "TMPDIR": str(self._scratch),
            "PATH": os.environ["PATH"],
            "HOME": str(self._scratch),
            "LANG": "C.UTF-8",
        }
        # Nothing of this process's environment but the path: a credential or an endpoint in it would be a function's.
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(PYTHON), str(Path(__file__).with_name("ministack_server.py"))],
                cwd=self._scratch,
                env={**settings, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + STARTS_WITHIN_SECONDS
        trusted = ssl.create_default_context(cafile=str(self._certificate.file))
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2, context=trusted):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise RuntimeError(f"ministack did not start: {self.log.read_text(encoding='utf-8', errors='replace')[-2000:]}")

    def __exit__(self, *details: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOPS_WITHIN_SECONDS)
        # The group, not only the server: a function at work outlives it otherwise.
        self._signal(process, signal.SIGKILL)
        process.wait(STOPS_WITHIN_SECONDS)
        shutil.rmtree(self._scratch, ignore_errors=True)

    @staticmethod
    def _signal(process: subprocess.Popen[bytes], number: int) -> None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
