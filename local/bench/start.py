"""Start-up of every function as it was built: `sam build`'s output, with the functions' own Python.

A child process does what Lambda's does before the first event: it imports the handler's module and puts together what
that handler asks of `runtime()`. The bare process beside it makes the same clients of the same SDK and nothing else.
What is compared is processor time, the least of several starts: start-up is bound by it, and whatever else the machine
does only adds to it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.embedded.template import load_yaml
from local.world import CONTENT, REGION, ROOT, TEMPLATE

__all__ = ["BUILD", "NotBuiltError", "imported", "python313", "sizes", "starts"]

BUILD = ROOT / ".aws-sam" / "build"
_STARTS = 5
#: What a child answers: the SDK's clients that it made, and the modules that it imported.
_CHILD = """
import json, os, sys
kind, names, asked = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3] == "report"
made = []
if kind == "bare":
    import boto3
    for name in names:
        boto3.client(name, region_name="us-east-1")
else:
    import app
    import botocore.client, botocore.httpsession
    from botocore.awsrequest import AWSResponse
    class Raw:
        def __init__(self, request):
            document = {"recipients": []} if b"recipients" in request.body else json.loads(os.environ["BENCH_SECRET"])
            self.body = json.dumps({"SecretString": json.dumps(document)}).encode()
        def stream(self, **_):
            yield self.body
    botocore.httpsession.URLLib3Session.send = lambda self, request: AWSResponse(request.url, 200, {}, Raw(request))
    create = botocore.client.ClientCreator.create_client
    def noted(self, service_name, *args, **kwargs):
        made.append(service_name)
        return create(self, service_name, *args, **kwargs)
    botocore.client.ClientCreator.create_client = noted
    from dunlin.entry.bootstrap import runtime
    for name in names:
        getattr(runtime(), name)
if asked:
    print(json.dumps({"clients": made, "modules": sorted(sys.modules)}))
"""
_SECRET = {
    "finance_sms": {
        "base_url": "https://provider.example",
        "key_id": "key",
        "secret": "secret",
        "webhook_token": "t" * 32,
        "webhook_secret": "secret",
    },
    "wechat": {"app_id": "app", "app_secret": "secret"},
}


_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    # Where the content in the repository is live, as a deployed function's is: what is no live release is read whole.
    "DUNLIN_ENVIRONMENT": "embedded",
    "SENDING_MODE": "live",
    "CONTENT_DIR": str(CONTENT),
    "POWERTOOLS_SERVICE_NAME": "dunlin",
    "POWERTOOLS_METRICS_NAMESPACE": "Dunlin",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "BENCH",
    "AWS_SECRET_ACCESS_KEY": "bench",
}


class NotBuiltError(RuntimeError):
    """There is no build to measure, or no Python of the functions' version to start it with."""


@dataclass(frozen=True)
class _Start:
    """One way to start a process, and the least processor time that it took."""

    kind: str
    names: Sequence[str]
    environment: Mapping[str, str]


def python313() -> str:
    """The functions' Python: `PYTHON313`, the path's, or a version manager's.

    Raises:
        NotBuiltError: there is none.
    """
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        os.environ.get("PYTHON313", ""),
        "python3.13",
        *map(str, sorted(managed.glob("3.13*/bin/python3.13"))),
    ]
    for candidate in filter(None, candidates):
        try:
            subprocess.run([candidate, "-c", "import ssl"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    raise NotBuiltError("no python3.13: put it on the path, or name it in PYTHON313")


def starts(rounds: int = _STARTS) -> dict[str, object]:
    """By function: milliseconds, the bare process's, and their ratio; and what it imported in vain.

    Raises:
        NotBuiltError: see the class.
    """
    if not (BUILD / "template.yaml").is_file():
        raise NotBuiltError("nothing is built: make build")
    python = python313()
    found: dict[str, object] = {}
    for logical_id, variables in sorted(_functions().items()):
        whole = _whole(logical_id, variables, BUILD / logical_id, BUILD / "DunlinLayer" / "python")
        report = _report(python, whole)
        bare = _Start("bare", report["clients"], whole.environment)
        ours, least = _least(python, whole, rounds), _least(python, bare, rounds)
        found[logical_id] = {
            "milliseconds": round(ours * 1000),
            "bare_milliseconds": round(least * 1000),
            "ratio": round(ours / least, 2),
            "clients": sorted(report["clients"]),
            "modules": len(report["modules"]),
        }
    return found


def imported(logical_id: str) -> frozenset[str]:
    """The modules that a function has imported before its first event, from the sources and with this Python."""
    resource = load_yaml(TEMPLATE.read_text(encoding="utf-8"))["Resources"][logical_id]
    folder = ROOT / resource["Properties"]["CodeUri"]
    whole = _whole(logical_id, _functions()[logical_id], folder, ROOT / "layers" / "dunlin")
    return frozenset(_report(sys.executable, whole)["modules"])


def _whole(logical_id: str, variables: Mapping[str, str], folder: Path, layer: Path) -> _Start:
    """A function with everything that it asks of `runtime()`, from where its code and its layer are."""
    source = (folder / "app.py").read_text(encoding="utf-8")
    names = sorted(set(re.findall(r"runtime\(\)\.(\w+)", source)) - {"settings", "clock"})
    environment = {
        **_ENVIRONMENT,
        **variables,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join([str(folder), str(layer)]),
        "AWS_LAMBDA_FUNCTION_NAME": logical_id,
        "LAMBDA_TASK_ROOT": str(folder),
        "BENCH_SECRET": json.dumps(_SECRET),
    }
    return _Start("function", names, environment)


def _functions() -> dict[str, dict[str, str]]:
    """The variables of each function: as the template has them where it says so, made up where a stack would know."""
    resources = load_yaml(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
    found = {}
    for logical_id, resource in resources.items():
        if resource["Type"] == "AWS::Serverless::Function":
            variables = resource["Properties"].get("Environment", {}).get("Variables", {})
            found[logical_id] = {
                name: value if isinstance(value, str) else f"https://{name.lower()}.example"
                for name, value in variables.items()
                if name not in _ENVIRONMENT
            }
    return found


def _run(python: str, start: _Start, *, report: bool) -> tuple[str, float]:
    command = [python, "-c", _CHILD, start.kind, json.dumps(list(start.names)), "report" if report else "start"]
    read, write = os.pipe()
    process = subprocess.Popen(command, env=dict(start.environment), stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    with os.fdopen(read) as answers:
        answer = answers.read()
    complaint = process.stderr.read().decode(errors="replace") if process.stderr is not None else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stderr is not None:
        process.stderr.close()
    if process.returncode:
        raise NotBuiltError(f"the built function does not start: {complaint.strip().splitlines()[-1:]}")
    return answer, usage.ru_utime + usage.ru_stime


def _report(python: str, start: _Start) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run(python, start, report=True)[0].strip().splitlines()[-1])
    return found


def _least(python: str, start: _Start, rounds: int) -> float:
    return min(_run(python, start, report=False)[1] for _ in range(rounds))


def sizes() -> dict[str, object]:
    """Megabytes of the layers and kilobytes of the functions, unpacked, and the layer's heaviest parts.

    Raises:
        NotBuiltError: nothing is built.
    """
    layer = BUILD / "DunlinLayer" / "python"
    if not layer.is_dir():
        raise NotBuiltError("nothing is built: make build")
    parts = {path.name: _bytes(path) for path in layer.iterdir()}
    heaviest = sorted(parts.items(), key=lambda one: -one[1])[:8]
    functions = [_bytes(path) for path in BUILD.iterdir() if path.name.endswith("Function")]
    return {
        "layer_megabytes": round(sum(parts.values()) / 1e6, 1),
        "layer_heaviest_megabytes": {name: round(size / 1e6, 1) for name, size in heaviest},
        "content_megabytes": round(_bytes(CONTENT) / 1e6, 1),
        "largest_function_kilobytes": round(max(functions) / 1e3, 1),
        "limit_megabytes": 262.1,
    }


def _bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
