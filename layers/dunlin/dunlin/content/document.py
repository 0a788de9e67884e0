"""YAML with a memory of lines: plain data, and for each key and item the line it stands on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from dunlin.errors import ContentError

#: Resolves nothing itself (in C where that is built): what a plain word means is decided here, in `_scalar`.
Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)

_ALIASES_ARE_REFUSED = "anchors and aliases are not used here: say it where it is read"


@dataclass
class Document:
    """One YAML document. `name` is the file's path inside the content, `data` what it says."""

    name: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    errors: list[ContentError] = field(default_factory=list)

    def where(self, path: Path) -> str:
        """`file:line` of the closest thing to `path` that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines.get(path, 1)}"

    def error(self, path: Path, problem: str) -> ContentError:
        return ContentError(self.where(path), dotted(path), problem)

    def read_as(self, model: type[M], context: Mapping[str, bool] | None = None) -> M | None:
        """The data as `model`; None when it is not, with each reason added to `errors`."""
        if self.errors:
            return None
        try:
            return model.model_validate(self.data, context=context)
        except ValidationError as mistakes:
            for mistake in mistakes.errors(include_url=False, include_input=False):
                path = self._known(mistake["loc"])
                self.errors.append(self.error(path, mistake["msg"].removeprefix("Value error, ")))
            return None

    def _known(self, loc: tuple[int | str, ...]) -> Path:
        """Pydantic's location without its own annotations; the last part may be a key that is missing."""
        path: Path = ()
        for part in loc:
            of_ours = isinstance(part, int) or not part.startswith(("[", "datetime."))  # not a key's own check
            if of_ours and ((*path, part) in self.lines or part == loc[-1]):
                path = (*path, part)
        return path


def dotted(path: Path) -> str:
    """`stages[2].offset_days`; the whole document is `.`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "."


def parse_document(name: str, text: str, first_line: int = 1) -> Document:
    """Read one document; `first_line` is where it begins in its file. Mistakes are in `errors`, never raised."""
    document = Document(name)
    try:
        root = yaml.compose(text, Loader=Loader)
    except yaml.YAMLError as mistake:
        mark = getattr(mistake, "problem_mark", None)
        line = first_line + (mark.line if mark is not None else 0)
        problem = getattr(mistake, "problem", None) or "cannot be read"
        document.errors.append(ContentError(f"{name}:{line}", ".", f"not YAML: {problem}"))
        return document
    if root is None:
        document.errors.append(ContentError(f"{name}:{first_line}", ".", "is empty"))
        return document
    _Builder(document, first_line).build_root(root)
    return document


class _Builder:
    """Nodes into data. Stricter than YAML 1.1: a key once, no tags, no aliases, `yes` and `20:00` stay text."""

    def __init__(self, document: Document, first_line: int) -> None:
        self._document = document
        self._first_line = first_line
        self._seen: set[int] = set()

    def build_root(self, root: yaml.Node) -> None:
        self._document.data = self._build(root, (), root)

    def _build(self, node: yaml.Node, path: Path, line_of: yaml.Node) -> Any:
        self._document.lines[path] = self._first_line + line_of.start_mark.line
        if not isinstance(node, yaml.ScalarNode):
            if id(node) in self._seen:
                self._document.errors.append(self._document.error(path, _ALIASES_ARE_REFUSED))
                return None
            self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._build(item, (*path, number), item) for number, item in enumerate(node.value)]
        return _scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            where = (*path, key)
            if not isinstance(key_node, yaml.ScalarNode) or key in data:
                line = self._first_line + key_node.start_mark.line
                problem = "is there twice" if key in data else "a key is a word"
                self._document.errors.append(ContentError(f"{self._document.name}:{line}", dotted(where), problem))
                continue
            data[key] = self._build(value_node, where, key_node)
        return data


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style in ("'", '"', "|", ">"):
        return text
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return float(text) if number[2] else int(text)
