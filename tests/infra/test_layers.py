"""What the layers' build leaves in and takes out."""

from __future__ import annotations

import re

from tests.infra.stack import ROOT, stack

LAYER = ROOT / "layers" / "dunlin"
MAKEFILE = (LAYER / "Makefile").read_text(encoding="utf-8")


def test_the_layer_is_built_by_the_makefile_and_compiled() -> None:
    metadata = stack().resources["DunlinLayer"]["Metadata"]
    assert metadata["BuildMethod"] == "makefile"
    assert "build-DunlinLayer:" in MAKEFILE
    assert "compileall" in MAKEFILE
    assert "--require-hashes" in MAKEFILE


def test_requirements_are_locked_with_hashes() -> None:
    lines = (LAYER / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    pins = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert pins
    assert all(re.match(r"[a-z0-9-]+(\[[\w,]+\])?==\S+ .*--hash=sha256:", pin) for pin in pins)


def test_the_build_keeps_every_service_that_the_code_calls() -> None:
    line = re.search(r"^BOTOCORE_SERVICES = (.+)$", MAKEFILE, re.MULTILINE)
    assert line is not None
    kept = set(line.group(1).split())
    called = {
        service
        for path in (LAYER / "dunlin").rglob("*.py")
        for service in re.findall(
            r"""(?:\b|_)(?:client|resource)\(\s*["']([a-z0-9-]+)["']""", path.read_text(encoding="utf-8")
        )
    }
    # PynamoDB makes its client itself.
    assert called | {"dynamodb"} == kept


def test_the_build_keeps_every_language_that_texts_are_written_in() -> None:
    line = re.search(r"^BABEL_LANGUAGES = (.+)$", MAKEFILE, re.MULTILINE)
    assert line is not None
    texts = (ROOT / "layers" / "content" / "templates").glob("*/*.txt")
    assert {path.stem.partition("-")[0] for path in texts} == set(line.group(1).split())


def test_content_lands_where_the_functions_look() -> None:
    layer = stack().resources["ContentLayer"]
    assert layer["Properties"]["ContentUri"] == "layers/content/"
    assert "BuildMethod" not in layer.get("Metadata", {})
    assert stack().parameters["ContentDir"]["Default"] == "/opt"
    for function in stack().functions:
        assert function.environment.get("CONTENT_DIR", {"Ref": "ContentDir"}) == {"Ref": "ContentDir"}
