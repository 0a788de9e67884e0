"""The content files, read and held against their shapes and against each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from dunlin.content.document import Document, parse_document
from dunlin.content.errors import raise_all
from dunlin.content.model import Content, Template, Zones, template_of
from dunlin.content.release import read_releases, standing
from dunlin.content.resolve import lender_of, lineage, missing_settings, strategy_of
from dunlin.content.schema import (
    LenderModel,
    NamedRule,
    PackModel,
    ReleasesModel,
    StopsModel,
    StrategyModel,
    TemplateHeader,
    WordListModel,
    WordsModel,
    ZonesModel,
)
from dunlin.domain.keywords import KeywordWords, WordList
from dunlin.domain.policy import Strategy
from dunlin.domain.words import Channel
from dunlin.errors import ContentError

#: The folders that are content, and what a file in each is called. Whatever lies beside them is not ours: in Lambda
#: the content lands in /opt among other layers.
CONTENT_KINDS: Mapping[str, str] = {
    "packs": "*.yaml",
    "stops": "base.yaml",
    "strategies": "*.yaml",
    "lenders": "*.yaml",
    "templates": "*/*.j2",
    "words": "*.yaml",
    "zones": "*.yaml",
    "models": "*.json",
}
VERSION_DIGITS = 16

M = TypeVar("M", bound=BaseModel)


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of each kind of file, for editors and reviews."""
    models: dict[str, type[BaseModel]] = {
        "pack": PackModel,
        "stops": StopsModel,
        "strategy": StrategyModel,
        "lender": LenderModel,
        "template": TemplateHeader,
        "words": WordsModel,
        "zones": ZonesModel,
        "release": ReleasesModel,
    }
    return {name: model.model_json_schema() for name, model in models.items()}


def content_version(root: Path) -> str:
    """The version of the bytes under `root`: the same on every machine, different for any change.

    The releases are not part of it, because they name it.
    """
    return _version_of({name: path.read_bytes() for name, path in _content_files(root)})


def _version_of(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()[:VERSION_DIGITS]


def _content_files(root: Path) -> Iterator[tuple[str, Path]]:
    for kind, pattern in CONTENT_KINDS.items():
        for path in (root / kind).glob(pattern):
            if not path.name.startswith("."):
                yield path.relative_to(root).as_posix(), path


def _stray_files(root: Path, known: Iterable[str]) -> Iterator[str]:
    """Files in our folders that nothing would read: a rule its author believes in and that does not exist."""
    expected = set(known)
    for kind in CONTENT_KINDS:
        for path in (root / kind).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not path.name.startswith(".") and name not in expected:
                yield name


def load_content(root: Path) -> Content:
    """Everything under `root`, validated.

    Raises:
        ContentErrors: (a ContentError) all mistakes, each with file, line and field.
    """
    files = {name: path.read_bytes() for name, path in sorted(_content_files(root))}
    reading = Reading()
    for stray in _stray_files(root, files):
        reading.errors.append(ContentError(f"{stray}:1", ".", "nothing reads a file of this name here"))
    for name, data in files.items():
        try:
            reading.read(name, data.decode())
        except UnicodeDecodeError:
            reading.errors.append(ContentError(f"{name}:1", ".", "is not UTF-8"))
    reading.check()
    releases = read_releases(root, reading.errors)
    raise_all(reading.errors)
    version = _version_of(files)
    number, live, why_not = standing(releases, version)
    return Content(
        version=version,
        number=number,
        live=live,
        not_live_because=why_not,
        lender=lender_of(reading.lenders[0][1]),
        packs=dict(reading.packs),
        stops=reading.stops.stops,
        strategies=reading.strategies(),
        templates=dict(reading.templates),
        keyword_words={locale: _keyword_words(words) for locale, words in reading.words.items()},
        forbidden={
            locale: (frozenset(words.forbidden), frozenset(words.forbidden_in_subjects))
            for locale, words in reading.words.items()
        },
        zones=tuple(
            Zones(
                zones.calling_code,
                zones.area_code_digits,
                zones.otherwise,
                {code: area.zones for area in zones.areas for code in area.code_list},
            )
            for zones in reading.zones.values()
        ),
        released={release.version: release.number for release in releases.releases},
    )


@dataclass
class Reading:
    """Files as they are read. Mistakes collect in `errors`, so that all of them can be reported."""

    errors: list[ContentError] = field(default_factory=list)
    packs: dict[str, PackModel] = field(default_factory=dict)
    pack_documents: dict[str, Document] = field(default_factory=dict)
    stops: StopsModel = field(default_factory=lambda: StopsModel(stops=()))
    strategy_files: list[tuple[Document, StrategyModel]] = field(default_factory=list)
    lenders: list[tuple[Document, LenderModel]] = field(default_factory=list)
    templates: dict[tuple[str, str, Channel], Template] = field(default_factory=dict)
    words: dict[str, WordsModel] = field(default_factory=dict)
    zones: dict[str, ZonesModel] = field(default_factory=dict)

    def read(self, name: str, text: str) -> None:
        kind, _, rest = name.partition("/")
        stem = rest.rpartition(".")[0]
        match kind:
            case "packs":
                document, pack = self._parse(name, text, PackModel)
                if pack is not None and self._is_named(document, "jurisdiction", pack.jurisdiction.lower(), stem):
                    self.packs[pack.jurisdiction] = pack
                    self.pack_documents[pack.jurisdiction] = document
            case "stops":
                self.stops = self._parse(name, text, StopsModel)[1] or self.stops
            case "strategies":
                document, strategy = self._parse(name, text, StrategyModel)
                if strategy is not None and self._is_named(document, "id", strategy.id, stem):
                    self.strategy_files.append((document, strategy))
            case "lenders":
                document, lender = self._parse(name, text, LenderModel)
                if lender is not None and self._is_named(document, "id", lender.id, stem):
                    self.lenders.append((document, lender))
            case "words":
                document, words = self._parse(name, text, WordsModel)
                if words is not None and self._is_named(document, "locale", words.locale, stem):
                    self.words[words.locale] = words
            case "zones":
                document, zones = self._parse(name, text, ZonesModel)
                if zones is not None:
                    if any(zones.calling_code == other.calling_code for other in self.zones.values()):
                        self.errors.append(document.error(("calling_code",), "is in another file too"))
                    self.zones[stem] = zones
            case "templates":
                self._read_template(name, text)
            case _:
                return  # models: part of the version, read by whoever scores with them

    def _parse(self, name: str, text: str, model: type[M], first_line: int = 1) -> tuple[Document, M | None]:
        document = parse_document(name, text, first_line)
        value = document.read_as(model)
        self.errors.extend(document.errors)
        document.errors = []
        return document, value

    def _is_named(self, document: Document, key: str, expected: str, stem: str) -> bool:
        if expected == stem:
            return True
        self.errors.append(document.error((key,), f"belongs in a file named {expected}"))
        return False

    def _read_template(self, name: str, text: str) -> None:
        opening, _, rest = text.partition("---\n")
        header_text, closing, source = rest.partition("\n---\n")
        if opening or not closing:
            self.errors.append(ContentError(f"{name}:1", ".", "a template begins with a header between two lines ---"))
            return
        document, header = self._parse(name, header_text, TemplateHeader, first_line=2)
        if header is None:
            return
        expected = f"templates/{header.id}/{header.locale}.{header.channel}.j2"
        if name != expected:
            self.errors.append(document.error(("id",), f"belongs in {expected}"))
            return
        body_line = header_text.count("\n") + 4
        template = template_of(header, source.strip("\n"), name, body_line)
        self.templates[header.id, header.locale, header.channel] = template

    def strategies(self) -> tuple[tuple[frozenset[str], Strategy], ...]:
        return tuple((model.jurisdictions, strategy_of(model)) for _, model in self.strategy_files)

    # ── what no file can know by itself ──────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        if self.errors:
            return  # half of the content would only give echoes of the same mistakes
        if len(self.lenders) != 1:
            self.errors.append(ContentError("lenders:1", ".", f"there are {len(self.lenders)} profiles; there is one"))
        if not self.packs:
            self.errors.append(ContentError("packs:1", ".", "there is no pack"))
        if not self.stops.stops:
            self.errors.append(ContentError("stops/base.yaml:1", "stops", "there is no table of stops"))
        if not self.words:
            self.errors.append(ContentError("words:1", ".", "there are no words"))
        for code in self.packs:
            self._check_pack(code)
        claimed: dict[str, str] = {}
        for document, strategy in self.strategy_files:
            for code in sorted(strategy.jurisdictions):
                if code in claimed:
                    self.errors.append(document.error(("jurisdictions",), f"{code} is in {claimed[code]} too"))
                claimed[code] = document.name

    def _check_pack(self, code: str) -> None:
        document = self.pack_documents[code]
        seen: list[str] = []
        current: str | None = code
        while current is not None:
            if current in seen:
                self.errors.append(document.error(("extends",), "goes round in a circle"))
                return
            if current not in self.packs:
                problem = f"there is no pack {current}"
                self.errors.append(self.pack_documents[seen[-1]].error(("extends",), problem))
                return
            seen.append(current)
            current = self.packs[current].extends
        self._check_rule_ids(code, document)
        if not self.packs[code].sendable:
            return
        for capacity in ("creditor", "servicer", "collector"):
            for name in missing_settings(self.packs, code, capacity, date.max):
                self.errors.append(document.error(("settings", name), f"is not set for a {capacity}"))

    def _check_rule_ids(self, code: str, document: Document) -> None:
        inherited: set[str] = set()
        for pack in list(lineage(self.packs, code))[1:]:
            family: tuple[NamedRule, ...] = (*pack.hours, *pack.caps, *pack.consents, *pack.texts)
            inherited.update(rule.id for rule in family)
        own = self.packs[code]
        sections: tuple[tuple[str, Sequence[NamedRule]], ...] = (
            ("hours", own.hours),
            ("caps", own.caps),
            ("consents", own.consents),
            ("texts", own.texts),
        )
        for section, rules in sections:
            for number, rule in enumerate(rules):
                if rule.id in inherited:
                    problem = f"{rule.id} is the id of another rule; a pack adds rules and replaces none"
                    self.errors.append(document.error((section, number, "id"), problem))
                inherited.add(rule.id)


def _keyword_words(model: WordsModel) -> KeywordWords:
    return KeywordWords(
        opt_out=_word_list(model.opt_out),
        opt_in=_word_list(model.opt_in),
        help=_word_list(model.help),
        courtesies=frozenset(model.courtesies),
        fillers=frozenset(model.fillers),
        opt_out_all=_word_list(model.opt_out_all),
    )


def _word_list(model: WordListModel) -> WordList:
    return WordList(
        alone=frozenset(model.alone),
        lenient=frozenset(model.lenient),
        phrases=frozenset(model.phrases),
        reversed_by=frozenset(model.reversed_by),
        whole=frozenset(model.whole),
    )
