"""What is deployed: the output of `sam build`, with content that a lender has released for the environment `dev`.

The template and the functions are as they were built. Only the content's folder differs, by what `dunlin release` puts
there: the sample's texts are filed with an invented provider, and its release is made live. All of it is copied first.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from typer.testing import CliRunner

from local.commands import releasing

__all__ = ["Parameters", "deploy", "stage"]

ROOT = Path(__file__).resolve().parents[2]
DEPLOY_SECONDS = 240
Parameters = Mapping[str, str]


def stage(folder: Path, at: datetime) -> Path:
    """Put everything that `sam deploy` needs into `folder`; the built template in it."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in (".aws-sam/build", "layers/content", "functions/escalation"):
        shutil.copytree(ROOT / name, folder / name)
    release(folder / "layers" / "content", at)
    return folder / ".aws-sam" / "build" / "template.yaml"


def release(content: Path, at: datetime) -> None:
    """Everything filed, and live in dev."""
    with _acting(at):
        rows = list(csv.DictReader(io.StringIO(_dunlin_release("--to-file", "--csv", "--dir", str(content)))))
        numbers = content.parent / "numbers.csv"
        with numbers.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            for number, row in enumerate(row for row in rows if row["required"] == "yes"):
                writer.writerow({**row, "id": f"E2E{number:06d}", "on": at.date().isoformat()})
        _dunlin_release("--filed", str(numbers), "--dir", str(content))
        _dunlin_release("file", "--by", "ana@lender.example", "--dir", str(content))
        _dunlin_release("live", "--by", "ana@lender.example", "--environment", "dev", "--dir", str(content))


@contextmanager
def _acting(at: datetime) -> Iterator[None]:
    before, releasing.clock = releasing.clock, lambda: at
    try:
        yield
    finally:
        releasing.clock = before


def _dunlin_release(*arguments: str) -> str:
    result = CliRunner().invoke(releasing.app, list(arguments))
    if result.exit_code:
        raise RuntimeError(f"dunlin release {arguments[0]}: {result.output}")
    return result.stdout


def deploy(template: Path, stack: str, parameters: Parameters, environment: Mapping[str, str]) -> str:
    """`sam deploy`, as anybody does it; what it printed."""
    command = [
        str(ROOT / ".venv-sam" / "bin" / "sam"),
        "deploy",
        "--template-file",
        str(template),
        "--stack-name",
        stack,
        "--resolve-s3",
        "--capabilities",
        "CAPABILITY_IAM",
        "--no-confirm-changeset",
        "--no-progressbar",
        "--parameter-overrides",
        *(f"{name}={value}" for name, value in parameters.items()),
    ]
    done = subprocess.run(
        command,
        cwd=template.parent,
        env={**os.environ, **environment, "SAM_CLI_TELEMETRY": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEPLOY_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"sam deploy: {done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout
