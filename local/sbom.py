"""Licences for the bill of materials: what each locked package says of itself, from the packages that are installed.

The lock says what the layer is made of, with hashes, and no licence; what is installed says under which licence. Both
are of the same version, or nothing is written.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

_CLASSIFIER = "License :: "


class CannotTellError(Exception):
    """A package that is not installed as it is locked, or that names no licence."""


def licence_of(name: str, version: str) -> str:
    """The licence of an installed package, as it names it itself: an SPDX expression where it gives one.

    Raises:
        CannotTellError: it is not installed in this version, or names none.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise CannotTellError(f"{name}: is not installed; make setup") from None
    if found.version != version:
        raise CannotTellError(f"{name}: {found.version} is installed, {version} is locked; make setup")
    told = found.metadata
    listed = [each.removeprefix(_CLASSIFIER) for each in told.get_all("Classifier", []) if each.startswith(_CLASSIFIER)]
    short = next(iter(_first(told, "License").splitlines()), "")
    licence = _first(told, "License-Expression") or short or ", ".join(each.split(" :: ")[-1] for each in listed)
    if not licence:
        raise CannotTellError(f"{name}: names no licence")
    return licence


def _first(told: PackageMetadata, field: str) -> str:
    return next(iter(told.get_all(field, [])), "").strip()


def with_licences(document: dict[str, Any]) -> dict[str, Any]:
    """The bill of materials with a licence for every component.

    Raises:
        CannotTellError: one of them cannot be told.
    """
    for component in document["components"]:
        name = licence_of(component["name"], component["version"])
        component["licenses"] = [{"license": {"name": name, "acknowledgement": "declared"}}]
    return document


def main(path: Path) -> int:
    """Add the licences to the file. Exit code 1: one cannot be told, and the file is left as it is."""
    try:
        document = with_licences(json.loads(path.read_text(encoding="utf-8")))
    except CannotTellError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(document['components'])} packages, each with its licence\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
