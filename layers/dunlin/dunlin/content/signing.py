"""Putting names to a release of exactly these bytes."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from dunlin.content.errors import raise_all
from dunlin.content.lint import check
from dunlin.content.loader import content_version
from dunlin.content.release import RELEASE_FILE, read_releases
from dunlin.content.schema import ReleaseModel, ReleasesModel
from dunlin.errors import ContentError


def sign(
    root: Path, author: str, reviewer: str, approver: str, on: date, filed: tuple[tuple[str, str], ...] = ()
) -> ReleaseModel:
    """Release the files under `root` as they are; the release that was live until now is retired.

    `filed` are the numbers under which signature and templates are filed with the providers. Signing what is live
    already changes nothing.

    Raises:
        ContentErrors: (a ContentError) the files are wrong, or `check` finds problems in them.
        ContentError: author, reviewer and approver are not who they must be.
    """
    for role, person in (("author", author), ("reviewer", reviewer), ("approver", approver)):
        if not person.strip():
            raise ContentError(f"{RELEASE_FILE}:1", role, "has no name")
    if author.strip().casefold() in (reviewer.strip().casefold(), approver.strip().casefold()):
        raise ContentError(f"{RELEASE_FILE}:1", "approver", "nobody reviews or approves their own release")
    raise_all([ContentError(problem.where, problem.field, problem.text) for problem in check(root)])
    errors: list[ContentError] = []
    known = read_releases(root, errors)
    raise_all(errors)
    version = content_version(root)
    for release in known.releases:
        if release.version == version and release.state == "live":
            return release
    new = ReleaseModel(
        number=max((release.number for release in known.releases), default=0) + 1,
        version=version,
        state="live",
        author=author,
        reviewed_by=reviewer,
        approved_by=approver,
        approved_on=on,
        filed=dict(filed),
    )
    retired = tuple(
        release.model_copy(update={"state": "retired"}) if release.state == "live" else release
        for release in known.releases
    )
    document = ReleasesModel(releases=(*retired, new)).model_dump(mode="json", exclude_defaults=True)
    (root / RELEASE_FILE).write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return new
