"""What we install is what was locked: each lock is whole, each package has its hashes, each environment uses them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
