"""What we install is what was locked: each lock is whole, each package has its hashes, each environment uses them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from local.sbom import CannotTellError, licence_of, main, with_licences
from tests.infra.stack import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SOURCES = sorted([*(ROOT / "requirements").glob("*.in"), ROOT / "layers" / "dunlin" / "requirements.in"])
each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: f"{source.parent.name}/{source.name}")


def pins(lock: Path) -> dict[str, str]:
    """Each locked package, and everything that its entry says."""
    entries = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    found = {}
    for entry in entries:
        if entry and not entry.lstrip().startswith("#"):
            match = re.match(r"([a-z0-9-]+)(\[[\w,-]+\])?==\S+", entry)
            assert match is not None, entry[:60]
            found[match.group(1)] = entry
    return found


@each_source
def test_a_lock_is_written_by_make_lock(source: Path) -> None:
    relative = source.relative_to(ROOT)
    assert f"{relative} --output-file {relative.with_suffix('.txt')}" in MAKEFILE


@each_source
def test_every_package_has_hashes_and_no_other_place_to_come_from(source: Path) -> None:
    locked = pins(source.with_suffix(".txt"))
    assert locked
    for name, entry in locked.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name
        assert "://" not in entry.partition("#")[0], name


@each_source
def test_what_is_asked_for_is_in_the_lock(source: Path) -> None:
    asked = {
        re.split(r"[\[=<>; #]", line)[0].lower().replace("_", "-")
        for line in source.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "-"))
    }
    assert asked
    assert asked <= set(pins(source.with_suffix(".txt")))


def test_every_environment_is_installed_from_hashes_and_builds_nothing() -> None:
    flags = re.search(r"^PIP_LOCKED = (.+)$", MAKEFILE, re.MULTILINE)
    assert flags is not None
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(flags.group(1).split())
    installs = re.findall(r"pip install (.+)$", MAKEFILE, re.MULTILINE)
    assert len(installs) == 5
    # The one exception is this checkout itself.
    unlocked = [line for line in installs if "$(PIP_LOCKED)" not in line]
    assert unlocked == ["$(PIP_FLAGS) --no-deps --no-build-isolation --editable ."]


def test_every_lock_is_audited_and_none_that_was_skipped_passes() -> None:
    audited = re.search(r"^LOCKS = (.+)$", MAKEFILE, re.MULTILINE)
    assert audited is not None
    locks = {str(source.with_suffix(".txt").relative_to(ROOT)) for source in SOURCES}
    # `local` is within `dev`.
    assert set(audited.group(1).split()) == locks - {"requirements/local.txt"}
    assert set(pins(ROOT / "requirements" / "local.txt")) <= set(pins(ROOT / "requirements" / "dev.txt"))
    assert "pip-audit --strict" in MAKEFILE


def layer() -> dict[str, str]:
    """The versions of what is in the layer, by name."""
    found = {}
    for name, entry in pins(ROOT / "layers" / "dunlin" / "requirements.txt").items():
        match = re.match(r"[^=]+==([^ ;]+)", entry)
        assert match is not None
        found[name] = match.group(1)
    return found


def test_everything_in_the_layer_may_be_shipped_and_says_so() -> None:
    for name, version in layer().items():
        licence = licence_of(name, version)
        assert not re.search(r"(?i)\b(A?GPL|LGPL|SSPL|BUSL|proprietary)", licence), f"{name}: {licence}"


def test_the_bill_of_materials_has_a_licence_for_each_or_is_none(tmp_path: Path) -> None:
    parts = [{"name": name, "version": version} for name, version in layer().items()]
    made = with_licences({"components": parts})
    assert [part["licenses"][0]["license"]["name"] for part in made["components"]]
    assert "local.sbom build/sbom.json" in MAKEFILE
    for wrong, said in (
        ({"name": "boto3", "version": "0.0.1"}, "is locked"),
        ({"name": "no-such", "version": "1"}, "not"),
    ):
        with pytest.raises(CannotTellError, match=said):
            with_licences({"components": [dict(wrong)]})
    file = tmp_path / "sbom.json"
    file.write_text('{"components": [{"name": "no-such", "version": "1"}]}', encoding="utf-8")
    assert main(file) == 1
    assert "licenses" not in file.read_text(encoding="utf-8")
