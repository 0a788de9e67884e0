"""Releases: which bytes may be sent under and where, and who put their name to them.

`release.json` is a list of acts that only grows. Each holds the digest of the one before, so an act that was edited,
removed or put between others is noticed when the file is read. What it cannot show is acts cut off at the end, or a
file written anew from the beginning: who may commit is the repository's business.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dunlin.content.acts import NOTHING, Book, OutOfOrder, Reader, Release, digest_of
from dunlin.content.document import dotted, parse_document
from dunlin.content.schema import ActModel, ActsModel
from dunlin.domain.environments import REAL
from dunlin.errors import ContentError

__all__ = [
    "RELEASE_FILE",
    "as_written",
    "located",
    "next_act",
    "read_book",
    "read_json",
    "standing",
    "write_book",
    "write_rows",
]

RELEASE_FILE = "release.json"
_OLD = (
    "is what an earlier version wrote: it has neither days of drafts and reviews nor environments. Move the file away "
    "and sign anew: `dunlin release draft`, or `dunlin content sign` for the embedded environment"
)


def read_book(root: Path, errors: list[ContentError]) -> Book:
    """The acts; none when there is no file yet. Mistakes go to `errors`, and then the book is empty."""
    path = root / RELEASE_FILE
    if not path.exists():
        return NOTHING
    before = len(errors)
    text, data = read_json(path, errors)
    if len(errors) > before:
        return NOTHING
    if isinstance(data, dict) and "releases" in data:
        errors.append(ContentError(f"{RELEASE_FILE}:1", "releases", _OLD))
        return NOTHING
    try:
        acts = ActsModel.model_validate(data).acts
    except ValidationError as mistakes:
        errors.extend(located(RELEASE_FILE, text, ActsModel, mistakes))
        return NOTHING
    reader = Reader()
    for position, (act, said) in enumerate(zip(acts, data["acts"], strict=True)):
        try:
            if digest_of(said) != act.digest:
                raise OutOfOrder("digest", "was changed after it was written")
            reader.take(act)
        except OutOfOrder as mistake:
            problem = f"act {position + 1} ({act.act}): {mistake.problem}"
            errors.append(parse_document(RELEASE_FILE, text).error(("acts", position, mistake.field), problem))
            return NOTHING
    return reader.book()


def read_json(path: Path, errors: list[ContentError]) -> tuple[str, Any]:
    """A file of this folder as text and as data; None, and why in `errors`, when it is not JSON."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, json.loads(text, object_pairs_hook=_once)
    except UnicodeDecodeError:
        errors.append(ContentError(f"{path.name}:1", ".", "is not UTF-8"))
    except json.JSONDecodeError as mistake:
        errors.append(ContentError(f"{path.name}:{mistake.lineno}", ".", f"not JSON: {mistake.msg}"))
    except RecursionError:
        errors.append(ContentError(f"{path.name}:1", ".", "not JSON: too deep"))
    except _Twice as mistake:
        errors.append(ContentError(f"{path.name}:1", str(mistake), "is there twice"))
    return "", None


def located(name: str, text: str, model: type[BaseModel], mistakes: ValidationError) -> list[ContentError]:
    """The mistakes with the lines they stand on: read a second time, by a reader that is slower and knows them."""
    document = parse_document(name, text)
    document.read_as(model)
    if document.errors:
        return document.errors
    said = [(dotted(mistake["loc"]), mistake["msg"]) for mistake in mistakes.errors(include_url=False)]
    return [ContentError(f"{name}:1", field, problem) for field, problem in said]  # YAML would have taken it


class _Twice(Exception):
    """A key that is there twice: one reader would see the first, another the last."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def next_act(book: Book, **said: Any) -> ActModel:
    """The act that follows those of the book. Whether it may is for `Book.after` to say."""
    named = {"number": len(book.acts) + 1, **{name: value for name, value in said.items() if value}}
    draft = ActModel.model_validate({**named, "previous": book.head, "digest": "0" * 64})
    return ActModel.model_validate({**as_written(draft), "digest": digest_of(as_written(draft))})


def as_written(act: ActModel) -> dict[str, Any]:
    """The act as it stands in its file: what says nothing is left out, so a later version may say more."""
    document: dict[str, Any] = act.model_dump(mode="json", exclude_defaults=True)
    return document


def write_rows(path: Path, key: str, rows: list[Mapping[str, Any]]) -> None:
    """A list in JSON, a line for each row: a change shows what was added. The file is the old one or the new one."""
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    text = f'{{"{key}": [\n  {lines}\n]}}\n'
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def write_book(root: Path, book: Book) -> None:
    write_rows(root / RELEASE_FILE, "acts", [as_written(act) for act in book.acts])


def standing(book: Book, version: str, environment: str) -> tuple[int, bool, str]:
    """(release number, live, why not) of these bytes in this environment."""
    mine = book.releases.get(version)
    if mine is not None:
        live = environment in mine.live
        return mine.number, live, "" if live else f"release {mine.number} {_why_not(book, mine, environment)}"
    if book.live_in(environment) is not None:
        return 0, False, "the files were changed after the live release was approved"
    if not any(release.live for release in book.releases.values()):
        return 0, False, "no release is live"
    return 0, False, f"no release is live in {environment}"


def _why_not(book: Book, release: Release, environment: str) -> str:
    if release.withdrawn is not None:
        return f"was withdrawn (act {release.withdrawn.act})"
    if environment in release.ended:
        successor = book.live_in(environment)
        since = f"act {release.ended[environment].act}"
        now = f": release {successor.number} is live there" if successor is not None else ""
        return f"is retired in {environment} ({since}){now}"
    if release.approved is None:
        return f"is {release.state}, and not approved"
    where = f"live in {', '.join(sorted(release.live))} only" if release.live else release.state
    if environment in REAL and environment not in release.filed_for:
        return f"is {where}, and not filed for {environment}"
    return f"is {where}, and not released for {environment}"
