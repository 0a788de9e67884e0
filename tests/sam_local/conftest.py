"""What `sam build` made, run by the SAM CLI in containers, against the embedded AWS of this process.

Needs a container engine (one that is running, or `dockerd` and root to start one) and `sam build`'s output. Where
something is missing the tests are skipped, and say what.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dunlin.content.filing import filings_of, read_filings, write_filings
from dunlin.content.loader import load_content
from dunlin.content.schema import FiledTextModel
from dunlin.content.signing import sign
from dunlin.domain.environments import EMBEDDED

from local.embedded import FunctionError
from tests.builders import CONTENT_DIR, ROOT, TODAY
from tests.functional.conftest import PARAMETERS, REGION, Stack, logical_id, prepared
from tests.sam_local.gateway import gateway
from tests.sam_local.image import import_image

BUILT = ROOT / ".aws-sam" / "build"
SAM = ROOT / ".venv-sam" / "bin" / "sam"
IMAGE = "dunlin-stand-in"
_SECONDS_TO_START = 60.0
_SECONDS_TO_ANSWER = 120
#: No credentials of whoever runs this are to be found by what runs here.
_CALLER = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "SAM_CLI_TELEMETRY": "0",
    "SAM_CLI_CHECK_FOR_UPDATES": "0",
}


@pytest.fixture(scope="session")
def built() -> Path:
    if not (BUILT / "template.yaml").is_file() or not SAM.exists():
        pytest.skip("there is nothing built: make build")
    return BUILT


@pytest.fixture(scope="session")
def container_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address on which containers reach this machine. Starts an engine of its own where none is running."""
    if shutil.which("docker") is None:
        pytest.skip("no container engine: docker is not installed")
    with ExitStack() as cleaning:
        if not _answers():
            if shutil.which("dockerd") is None or os.geteuid() != 0:
                pytest.skip("no container engine is running, and none can be started (dockerd, as root)")
            cleaning.enter_context(_own_engine(tmp_path_factory.mktemp("engine") / "log"))
        yield _docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")


@contextmanager
def _own_engine(said: Path) -> Iterator[None]:
    # Not under pytest's own folder: a socket's path may be 107 bytes long.
    home = Path("/tmp", f"dunlin-engine-{os.getpid()}")
    home.mkdir()
    command = [
        *("dockerd", f"--data-root={home}/data", f"--exec-root={home}/exec", f"--pidfile={home}/pid"),
        *(f"--host=unix://{home}/socket", "--iptables=false", "--ip6tables=false"),
        *("--ip-forward=false", "--ip-masq=false"),
    ]
    with said.open("wb") as log:
        engine = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    os.environ["DOCKER_HOST"] = f"unix://{home}/socket"
    try:
        ends = time.monotonic() + _SECONDS_TO_START
        while not _answers():
            if time.monotonic() > ends or engine.poll() is not None:
                pytest.skip("the container engine did not start here")
            time.sleep(0.5)
        yield
    finally:
        engine.terminate()
        engine.wait(60)
        del os.environ["DOCKER_HOST"]
        shutil.rmtree(home, ignore_errors=True)


def _answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _docker(*arguments: str) -> str:
    return subprocess.check_output(["docker", *arguments], text=True).strip()


@pytest.fixture(scope="session")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped content, with numbers for everything that has to be filed, live in a deployed environment too."""
    root = tmp_path_factory.mktemp("content")
    shutil.copytree(CONTENT_DIR, root, dirs_exist_ok=True)
    (root / "release.json").unlink()
    missing = filings_of(load_content(root), read_filings(root), TODAY).missing_texts
    filed = []
    for wording in missing:
        line, message, locale = wording.key
        filed.append(
            FiledTextModel(line=line, message=message, locale=locale, digest=wording.digest, id="T-1", on=TODAY)
        )
    write_filings(root, (*read_filings(root), *filed))
    people = ("author@marram.example", "reviewer@marram.example", "approver@marram.example")
    sign(root, *people, TODAY, environments=(EMBEDDED, PARAMETERS["Environment"]))
    return root


@dataclass
class SamStack(Stack):
    """The stack whose functions run in the SAM CLI's containers."""

    port: int = 0
    said: Path = Path()

    def call(self, function: str, event: Mapping[str, Any]) -> Any:
        ended = self._ended()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS_TO_ANSWER)
        name = logical_id(function)
        connection.request("POST", f"/2015-03-31/functions/{name}/invocations", body=json.dumps(event))
        response = connection.getresponse()
        raw = response.read()
        connection.close()
        self._wait_for_logs(ended)
        assert response.status == 200, f"{name}: {response.status}\n{raw[:500]!r}\n{self.written()[-2_000:]}"
        return answered(name, raw)

    def written(self) -> str:
        return self.said.read_text(encoding="utf-8", errors="replace")

    def _ended(self) -> int:
        return self.written().count("REPORT RequestId")

    def _wait_for_logs(self, before: int) -> None:
        """They come by another way than the answer, and a moment later."""
        ends = time.monotonic() + 10
        while self._ended() == before and time.monotonic() < ends:
            time.sleep(0.01)


def answered(name: str, raw: bytes) -> Any:
    """A function's answer.

    Raises:
        FunctionError: it raised; the cause has the type's name and the message that Lambda told.
    """
    answer = json.loads(raw)
    if isinstance(answer, dict) and "errorType" in answer:
        cause = type(str(answer["errorType"]), (Exception,), {})(str(answer.get("errorMessage", "")))
        raise FunctionError(name, str(answer["errorType"])) from cause
    return answer


@dataclass(frozen=True)
class Local:
    """A template that can be run, and how."""

    template: Path
    variables: Path
    image: str

    @property
    def options(self) -> list[str]:
        overrides = PARAMETERS | {"Architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"}
        return [
            *("--template", str(self.template), "--env-vars", str(self.variables), "--region", REGION),
            *("--skip-pull-image", "--invoke-image", self.image),
            *("--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items())),
        ]


def as_built(built: Path, content: Path, folder: Path) -> Path:
    """The built template with the content's folder and whole paths."""
    text = (built / "template.yaml").read_text(encoding="utf-8")
    text, layers = re.subn(r"ContentUri: \S*layers/content$", f"ContentUri: {content}", text, flags=re.MULTILINE)
    assert layers == 1
    text = re.sub(r"(CodeUri|ContentUri|DefinitionUri): (?=\w)", rf"\1: {built}/", text)
    path = folder / "template.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def local_stack(
    built: Path, container_engine: str, content: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Stack, Local]]:
    folder = tmp_path_factory.mktemp("sam")
    with (
        prepared(content, tmp_path_factory.mktemp("logs")) as (stack, providers),
        gateway(container_engine, {"sms-voice": providers, "ses": providers}) as url,
    ):
        image = f"{IMAGE}-{os.getpid()}"
        python = SAM.parent / "python"
        shared = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
            "STAND_IN_MOMENT": stack.aws.clock.now().isoformat(),
        }
        import_image(f"{image}:latest", python, shared)
        variables = folder / "variables.json"
        own = {
            spec.logical_id: {name: value for name, value in spec.environment.items() if name != "CONTENT_DIR"}
            for spec in stack.aws.template.functions()
        }
        variables.write_text(json.dumps(own), encoding="utf-8")
        try:
            yield stack, Local(as_built(built, content, folder), variables, f"{image}:latest")
        finally:
            made = _docker("images", "--quiet", f"{image}*").split()
            if made:
                subprocess.run(["docker", "rmi", "--force", *dict.fromkeys(made)], capture_output=True, check=False)


@pytest.fixture(scope="session")
def sam_stack(local_stack: tuple[Stack, Local], tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamStack]:
    """Containers that stay warm, as in Lambda, behind `sam local start-lambda`."""
    stack, local = local_stack
    said = tmp_path_factory.mktemp("said") / "sam.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [str(SAM), "local", "start-lambda", "--host", "127.0.0.1", "--port", str(port)]
    with _running([*command, "--warm-containers", "LAZY", *local.options], said, port):
        yield SamStack(stack.aws, stack.logs, port, said)


@contextmanager
def _running(command: list[str], said: Path, port: int) -> Iterator[None]:
    environment = {**os.environ, **_CALLER}
    with said.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
    try:
        ends = time.monotonic() + _SECONDS_TO_START
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                text = said.read_text(encoding="utf-8")
                assert process.poll() is None, text
                assert time.monotonic() < ends, text
                time.sleep(0.2)
        yield
    finally:
        process.send_signal(2)  # as from a keyboard: it takes its containers away
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def sam_invoke(local: Local, function: str, event: Path) -> tuple[bytes, str]:
    """`sam local invoke`, the command that a developer types: the payload, and what was written."""
    command = [str(SAM), "local", "invoke", logical_id(function), "--event", str(event), *local.options]
    environment = {**os.environ, **_CALLER}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=ROOT, check=False, timeout=180)
    said = done.stderr.decode(errors="replace")
    assert done.returncode == 0, said
    return done.stdout.strip().splitlines()[-1], said
