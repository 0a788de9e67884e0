"""Releases: which bytes may be sent under, and who put their name to them.

`release.json` lists every release. One of them can be live, and it is live for one version only: a byte changed
afterwards is content that nobody approved, and content that nobody approved plans but does not send.
"""

from __future__ import annotations

from pathlib import Path

from dunlin.content.document import parse_document
from dunlin.content.schema import ReleasesModel
from dunlin.errors import ContentError

RELEASE_FILE = "release.json"


def read_releases(root: Path, errors: list[ContentError]) -> ReleasesModel:
    """The releases; none when there is no file yet. Mistakes go to `errors`."""
    path = root / RELEASE_FILE
    if not path.exists():
        return ReleasesModel(releases=())
    document = parse_document(RELEASE_FILE, path.read_text(encoding="utf-8"))
    releases = document.read_as(ReleasesModel)
    errors.extend(document.errors)
    return ReleasesModel(releases=()) if releases is None else releases


def standing(releases: ReleasesModel, version: str) -> tuple[int, bool, str]:
    """(release number, live, why not) of these bytes."""
    mine = [release for release in releases.releases if release.version == version]
    live = [release for release in mine if release.state == "live"]
    if live:
        return live[0].number, True, ""
    if mine:
        return mine[-1].number, False, f"release {mine[-1].number} is {mine[-1].state}"
    if any(release.state == "live" for release in releases.releases):
        return 0, False, "the files were changed after the live release was approved"
    return 0, False, "no release is live"
