"""Dependencies point inwards, importing has no effects, and what a module offers is written down."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "dunlin" / "dunlin"
MODULES = sorted(LAYER.rglob("*.py"))
APPS = sorted((ROOT / "functions").glob("*/app.py"))

#: What each ring may import of ours. Everything else points outwards.
INWARDS = {
    "errors": set(),
    "domain": {"domain", "errors"},
    "services": {"services", "domain", "errors"},
    "content": {"content", "domain", "errors"},
    "adapters": {"adapters", "services", "content", "domain", "errors"},
    "testing": {"testing", "services", "domain", "errors"},
    "entry": {"entry", "adapters", "services", "content", "domain", "errors"},
}
#: The check of the content renders every text, so it alone looks outwards; no function imports it.
OUTWARDS = {
    ("content/lint.py", "dunlin.adapters.read_back"),
    ("content/lint.py", "dunlin.adapters.renderer"),
    ("content/lint.py", "dunlin.adapters.senders.filed"),
    ("content/lint.py", "dunlin.services.ports"),
}
#: The clock, the environment, the network and the vendors: not for the inner rings.
OUTSIDE = {
    "domain": {"boto3", "botocore", "aws_lambda_powertools", "pynamodb", "pydantic", "os", "time", "random", "logging"},
    "services": {
        "boto3",
        "botocore",
        "aws_lambda_powertools",
        "pynamodb",
        "pydantic",
        "os",
        "time",
        "random",
        "logging",
    },
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides where it points"
            yield node.lineno, node.module or ""


def ring_of(path: Path) -> str:
    first = path.relative_to(LAYER).parts[0]
    return first.removesuffix(".py")


def name_of(path: Path) -> str:
    parts = path.relative_to(LAYER.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_points_inwards(path: Path) -> None:
    ring = ring_of(path)
    if ring == "__init__":
        return
    for line, module in imports(path):
        where = f"{path.relative_to(ROOT)}:{line}: {module}"
        top, *rest = module.split(".")
        assert top not in {"local", "tests", "functions", "moto", "pytest"}, where
        assert top not in OUTSIDE.get(ring, set()), where
        if top == "dunlin" and rest and (path.relative_to(LAYER).as_posix(), module) not in OUTWARDS:
            assert rest[0] in INWARDS[ring], where


def test_what_looks_outwards_is_not_deployed_with_a_function() -> None:
    """From the functions' own imports, followed all the way, nobody comes to the check of the content."""
    seen: set[Path] = set()
    waiting = [*APPS]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for _, module in imports(path):
            if module.startswith("dunlin"):
                inside = LAYER.parent.joinpath(*module.split("."))
                waiting += [each for each in (inside.with_suffix(".py"), inside / "__init__.py") if each.is_file()]
    assert LAYER / "domain" / "decide.py" in seen
    assert LAYER / "content" / "lint.py" not in seen


@pytest.mark.parametrize("path", APPS, ids=lambda path: path.parent.name)
def test_a_function_is_thin(path: Path) -> None:
    own = {"local", "tests", "functions", "boto3", "botocore", "os", "time", "datetime"}
    for line, module in imports(path):
        assert module.split(".")[0] not in own, f"{path.relative_to(ROOT)}:{line}: {module}"
        assert not module.startswith("dunlin.adapters.dynamo"), f"{path.relative_to(ROOT)}:{line}: {module}"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60
    assert [each.name for each in path.parent.glob("*.py")] == ["app.py"]


@pytest.mark.parametrize("path", [path for path in MODULES if "domain" in path.parts], ids=name_of)
def test_the_domain_asks_no_clock(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"now", "utcnow", "today", "environ", "getenv"}, f"{path.name}:{node.lineno}"


def test_what_a_module_offers_exists() -> None:
    """In a process of its own, because the functions' logger and metrics keep the settings they were made with."""
    wrong = probed([name_of(path) for path in MODULES])["wrong"]
    assert wrong == []


def test_every_error_is_offered_and_drawn() -> None:
    from dunlin import errors

    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert ours == set(errors.__all__)
    assert not [name for name in ours if name not in (errors.__doc__ or "")]
    assert all(issubclass(getattr(errors, name), errors.DunlinError) for name in ours)


def test_the_stand_ins_are_offered() -> None:
    from dunlin import testing
    from dunlin.testing import memory

    public = {name for name, value in vars(memory).items() if getattr(value, "__module__", "") == memory.__name__}
    assert public == set(testing.__all__)


_PROBE = """
import importlib, json, socket, sys, threading
before = set(threading.enumerate())
def refuse(*args, **kwargs):
    raise AssertionError("a socket at import")
socket.socket.connect = refuse
for name in sys.argv[1:]:
    importlib.import_module(name)
wrong = []
for name in sys.argv[1:]:
    module = sys.modules[name]
    offered = getattr(module, "__all__", ())
    wrong += [f"{name}.{each}" for each in offered if not hasattr(module, each) or list(offered).count(each) > 1]
threads = len(set(threading.enumerate()) - before)
print(json.dumps({"threads": threads, "boto3": "boto3" in sys.modules, "wrong": wrong}))
"""


@pytest.mark.parametrize("ring", ["domain", "services", "testing"])
def test_importing_the_inner_rings_has_no_effects(ring: str) -> None:
    """In a fresh process without any of the variables a function has: nothing connects, starts, or loads the SDK."""
    names = [name_of(path) for path in MODULES if ring_of(path) == ring]
    assert probed(names) == {"threads": 0, "boto3": False, "wrong": []}


def test_importing_the_functions_needs_no_settings() -> None:
    """A setting that is missing is told at the first invocation, by name, and not as a failed import."""
    assert probed([f"functions.{path.parent.name}.app" for path in APPS])["threads"] == 0


def probed(names: list[str]) -> dict[str, object]:
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TZDIR")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(LAYER.parent)])
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *names], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found
