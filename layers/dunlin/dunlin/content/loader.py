"""The content files, read and held against their shapes and against each other."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from dunlin.content.answers import AnswersModel, answers_problems
from dunlin.content.document import Document, parse_document
from dunlin.content.errors import raise_all
from dunlin.content.loosened import loosened
from dunlin.content.model import Content, Served, Template, Zones, serving, template_of
from dunlin.content.plan_problems import plan_problems
from dunlin.content.plans import AgreementsModel, agreements_of
from dunlin.content.reading import words_for
from dunlin.content.release import read_book, standing
from dunlin.content.resolve import Calendars, law, layers_of, lender_of, lineage, missing_settings, strategy_of
from dunlin.content.retained import contradictions
from dunlin.content.schema import (
    SIGNED,
    ActsModel,
    CalendarModel,
    Capacity,
    FiledTextsModel,
    HoursModel,
    LenderModel,
    MessageModel,
    MessagesModel,
    NamedRule,
    PackModel,
    PageWordsModel,
    PhrasesModel,
    PolicyModel,
    StopsModel,
    StrategyModel,
    UnderstandingModel,
    WeightsModel,
    WordListModel,
    WordsModel,
    ZonesModel,
)
from dunlin.content.strategies import strategy_problems
from dunlin.content.texts import TextFile, parse_text_file
from dunlin.domain.environments import EMBEDDED
from dunlin.domain.keywords import KeywordWords, WordList
from dunlin.domain.policy import Pack
from dunlin.domain.words import Channel, Product
from dunlin.errors import ContentError

if TYPE_CHECKING:
    from dunlin.domain.understanding.lexicon import Lexicon

#: The folders that are content, and what a file in each is called. Whatever lies beside them is not ours: in Lambda
#: the content lands in /opt among other layers.
CONTENT_KINDS: Mapping[str, str] = {
    "packs": "*.yaml",
    "policies": "*.yaml",
    "calendars": "*.yaml",
    "stops": "base.yaml",
    "strategies": "*.yaml",
    "plans": "*.yaml",
    "answers": "*.yaml",
    "lenders": "*.yaml",
    "messages": "*.yaml",
    "templates": "*/*.txt",
    "phrases": "*.yaml",
    "pages": "*.yaml",
    "words": "*.yaml",
    "understanding": "rules.yaml",
    "zones": "*.yaml",
    "models": "*.json",
}
VERSION_DIGITS = 16

M = TypeVar("M", bound=BaseModel)
K = TypeVar("K")
V = TypeVar("V")


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of each kind of file, for editors and reviews."""
    models: dict[str, type[BaseModel]] = {
        "pack": PackModel,
        "policy": PolicyModel,
        "calendar": CalendarModel,
        "stops": StopsModel,
        "strategy": StrategyModel,
        "plans": AgreementsModel,
        "answers": AnswersModel,
        "lender": LenderModel,
        "messages": MessagesModel,
        "phrases": PhrasesModel,
        "pages": PageWordsModel,
        "words": WordsModel,
        "understanding": UnderstandingModel,
        "weights": WeightsModel,
        "zones": ZonesModel,
        "release": ActsModel,
        "filings": FiledTextsModel,
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
                # Of its own parts: `relative_to` costs more than reading the file does, and there are hundreds.
                yield "/".join((kind, *path.parts[-1 - pattern.count("/") :])), path


def _stray_files(root: Path, known: Iterable[str]) -> Iterator[str]:
    """Files in our folders that nothing would read: a rule its author believes in and that does not exist."""
    expected = set(known)
    for kind in CONTENT_KINDS:
        for path in (root / kind).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.is_file() and not path.name.startswith(".") and name not in expected:
                yield name


#: What a function may leave unread until it says, hears or agrees something.
_SAID = ("messages", "templates", "phrases")
_HEARD = ("words", "understanding", "models")
_AGREED = ("plans",)
_SHOWN = ("pages",)
#: The one model that is read here; any other is part of the version, and read by whoever scores with it.
WEIGHTS_FILE = "models/intents.json"


def load_content(root: Path, *, lazily: bool = False, environment: str = EMBEDDED) -> Content:
    """Everything under `root`, validated, and live if it was released for this environment.

    Whoever reaches real people says where they run; everybody else is the embedded environment, where nobody is real.

    With `lazily` texts, words and plans are parsed when they are first asked for, if these very bytes are the live
    release: then they were validated before they were signed. Most functions never ask.

    Raises:
        ContentErrors: (a ContentError) all mistakes, each with file, line and field.
    """
    files = {name: path.read_bytes() for name, path in sorted(_content_files(root))}
    version = _version_of(files)
    mistakes: list[ContentError] = []
    book = read_book(root, mistakes)
    number, live, why_not = standing(book, version, environment)
    waits = frozenset((*_SAID, *_HEARD, *_AGREED, *_SHOWN)) if lazily and live and not mistakes else frozenset()
    reading = Reading()
    if not waits:
        for stray in _stray_files(root, files):
            reading.errors.append(ContentError(f"{stray}:1", ".", "nothing reads a file of this name here"))
    reading.read_all(files, [kind for kind in CONTENT_KINDS if kind not in waits])
    reading.check(whole=not waits)
    reading.errors.extend(mistakes)
    raise_all(reading.errors)

    @cache
    def said() -> Reading:
        return _later(files, _SAID, SIGNED) if waits else reading

    @cache
    def heard() -> Reading:
        return _later(files, _HEARD, SIGNED) if waits else reading

    @cache
    def agreed() -> Reading:
        return _later(files, _AGREED, SIGNED) if waits else reading

    return Content(
        version=version,
        number=number,
        live=live,
        not_live_because=why_not,
        lender=lender_of(reading.lenders[0][1]),
        packs=dict(reading.packs),
        stops=reading.stops.stops,
        strategies=reading.strategies(),
        messages=Awaited(lambda: said().messages),
        places=Awaited(lambda: said().places),
        parts=_parts(files),
        templates=Awaited(lambda: said().templates()),
        phrases=Awaited(lambda: said().phrases),
        keyword_words=Awaited(lambda: {name: _keyword_words(words) for name, words in heard().words.items()}),
        understanding=Awaited(lambda: heard().understanding),
        weights=Awaited(lambda: heard().weights),
        forbidden=Awaited(
            lambda: {
                locale: (frozenset(words.forbidden), frozenset(words.forbidden_in_subjects))
                for locale, words in heard().words.items()
            }
        ),
        never_said=Awaited(lambda: {name: words.never_in_answers for name, words in heard().words.items()}),
        zones=tuple(
            Zones(
                zones.calling_code,
                zones.area_code_digits,
                zones.otherwise,
                {code: area.zones for area in zones.areas for code in area.code_list},
            )
            for zones in reading.zones.values()
        ),
        policies=dict(reading.policies),
        answers=tuple(model for _, model in reading.answers),
        calendars=reading.holidays(),
        agreements=Awaited(
            lambda: {name: agreements_of(model) for name, (_, model) in agreed().agreements.items()},
        ),
        released=book.before(version, environment),
        filed=Awaited(lambda: _filed(root)),
        pages=Awaited(lambda: (_later(files, _SHOWN) if waits else reading).pages),
    )


def _filed(root: Path) -> Mapping[tuple[str, str, str], Mapping[str, str]]:
    from dunlin.content.filing import numbers_filed  # noqa: PLC0415 - wordings are made with jinja, which few need

    return numbers_filed(root)


def _later(files: Mapping[str, bytes], kinds: Sequence[str], context: Mapping[str, bool] | None = None) -> Reading:
    reading = Reading(context=context)
    reading.read_all(files, kinds)
    raise_all(reading.errors)
    return reading


_SMS_PARTS = re.compile(rb"^=== sms (\d+)/", re.MULTILINE)


def _parts(files: Mapping[str, bytes]) -> dict[tuple[str, str], int]:
    """Of each message in each language the parts of an ordinary text; 0 where it has no words for a text message."""
    found: dict[tuple[str, str], int] = {}
    for name, data in files.items():
        if name.startswith("templates/"):
            _, message_id, file_name = name.split("/")
            match = _SMS_PARTS.search(data)
            found[message_id, file_name.removesuffix(".txt")] = int(match[1]) if match is not None else 0
    return found


class Awaited(Mapping[K, V]):
    """What is read when somebody first asks."""

    def __init__(self, read: Callable[[], Mapping[K, V]]) -> None:
        self._read = read
        self._found: Mapping[K, V] | None = None

    def _all(self) -> Mapping[K, V]:
        if self._found is None:
            self._found = self._read()
        return self._found

    def __getitem__(self, key: K) -> V:
        return self._all()[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


@dataclass(frozen=True, slots=True)
class Rules:
    """The packs, the lender's own policies and the calendars, without anything that is said."""

    packs: Mapping[str, PackModel]
    policies: Mapping[str, PolicyModel]
    calendars: Calendars
    strategies: tuple[StrategyModel, ...] = ()
    answers: tuple[AnswersModel, ...] = ()

    def strategies_in(self, jurisdiction: str) -> tuple[StrategyModel, ...]:
        """The contact strategies that people there follow, the one that leads the others first."""
        served = [Served(model.jurisdictions, model.products, strategy_of(model)) for model in self.strategies]
        found = {each.strategy_id for product in Product if (each := serving(served, jurisdiction, product))}
        there = (model for model in self.strategies if model.id in found)
        return tuple(sorted(there, key=lambda model: model.precedence, reverse=True))

    def law(
        self, jurisdiction: str, today: date, capacity: Capacity | None = None, *, own: bool = False
    ) -> Pack | None:
        """The rules of a place, to be asked; with `own` also what the lender asks of itself there. None: no pack."""
        policies = self.policies if own else {}
        return law(self.packs, (), jurisdiction, today, capacity, policies=policies, calendars=self.calendars)


_RULE_KINDS = ("packs", "policies", "calendars", "answers")


def load_rules(root: Path, *, strategies: bool = False) -> Rules:
    """The rules under `root`, validated, and nothing else of the content read; with `strategies` also those.

    Raises:
        ContentErrors: (a ContentError) all mistakes, each with file, line and field.
    """
    reading = Reading()
    kinds = (*_RULE_KINDS, "strategies") if strategies else _RULE_KINDS
    reading.read_all({name: path.read_bytes() for name, path in sorted(_content_files(root))}, kinds)
    reading.check_rules()
    reading.check_strategies(whole=False)
    reading.check_answers(whole=False)
    raise_all(reading.errors)
    found = tuple(model for _, model in reading.strategy_files)
    answers = tuple(model for _, model in reading.answers)
    return Rules(dict(reading.packs), dict(reading.policies), reading.holidays(), found, answers)


def load_lexicon(root: Path) -> Lexicon:
    """What texts are read with, and nothing else of the content read.

    Raises:
        ContentErrors: (a ContentError) all mistakes, each with file, line and field.
    """
    from dunlin.content.lexicons import lexicon_of  # noqa: PLC0415 - only who reads texts needs what reads them

    heard = _later({name: path.read_bytes() for name, path in sorted(_content_files(root))}, _HEARD)
    words = {name: _keyword_words(model) for name, model in heard.words.items()}
    rules = next(iter(heard.understanding.values()), None)
    weights = next(iter(heard.weights.values()), None)
    return lexicon_of(rules, weights, cache(lambda locale: words_for(locale, words)))


@dataclass
class Reading:
    """Files as they are read. Mistakes collect in `errors`, so that all of them can be reported."""

    errors: list[ContentError] = field(default_factory=list)
    context: Mapping[str, bool] | None = None
    packs: dict[str, PackModel] = field(default_factory=dict)
    policies: dict[str, PolicyModel] = field(default_factory=dict)
    policy_documents: dict[str, Document] = field(default_factory=dict)
    calendars: dict[str, CalendarModel] = field(default_factory=dict)
    pack_documents: dict[str, Document] = field(default_factory=dict)
    stops: StopsModel = field(default_factory=lambda: StopsModel(stops=()))
    strategy_files: list[tuple[Document, StrategyModel]] = field(default_factory=list)
    agreements: dict[str, tuple[Document, AgreementsModel]] = field(default_factory=dict)
    answers: list[tuple[Document, AnswersModel]] = field(default_factory=list)
    lenders: list[tuple[Document, LenderModel]] = field(default_factory=list)
    messages: dict[str, MessageModel] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    texts: dict[tuple[str, str], tuple[str, TextFile]] = field(default_factory=dict)
    phrases: dict[str, dict[str, str]] = field(default_factory=dict)
    pages: dict[str, PageWordsModel] = field(default_factory=dict)
    words: dict[str, WordsModel] = field(default_factory=dict)
    understanding: dict[str, UnderstandingModel] = field(default_factory=dict)
    weights: dict[str, WeightsModel] = field(default_factory=dict)
    zones: dict[str, ZonesModel] = field(default_factory=dict)

    def read_all(self, files: Mapping[str, bytes], kinds: Iterable[str]) -> None:
        wanted = frozenset(kinds)
        for name, data in files.items():
            if name.partition("/")[0] in wanted:
                try:
                    self.read(name, data.decode())
                except UnicodeDecodeError:
                    self.errors.append(ContentError(f"{name}:1", ".", "is not UTF-8"))

    def read(self, name: str, text: str) -> None:
        kind, _, rest = name.partition("/")
        stem = rest.rpartition(".")[0]
        match kind:
            case "packs":
                document, pack = self._parse(name, text, PackModel)
                if pack is not None and self._is_named(document, "jurisdiction", pack.jurisdiction.lower(), stem):
                    self.packs[pack.jurisdiction] = pack
                    self.pack_documents[pack.jurisdiction] = document
            case "policies":
                document, policy = self._parse(name, text, PolicyModel)
                if policy is not None and self._is_named(document, "jurisdiction", policy.jurisdiction.lower(), stem):
                    self.policies[policy.jurisdiction] = policy
                    self.policy_documents[policy.jurisdiction] = document
            case "calendars":
                document, calendar = self._parse(name, text, CalendarModel)
                if calendar is not None and self._is_named(document, "calendar", calendar.calendar, stem):
                    self.calendars[calendar.calendar] = calendar
            case "stops":
                self.stops = self._parse(name, text, StopsModel)[1] or self.stops
            case "strategies":
                document, strategy = self._parse(name, text, StrategyModel)
                if strategy is not None and self._is_named(document, "id", strategy.id, stem):
                    self.strategy_files.append((document, strategy))
            case "plans":
                document, agreed = self._parse(name, text, AgreementsModel)
                if agreed is not None and self._is_named(document, "id", agreed.id, stem):
                    self.agreements[agreed.id] = (document, agreed)
            case "answers":
                document, answers = self._parse(name, text, AnswersModel)
                if answers is not None and self._is_named(document, "id", answers.id, stem):
                    self.answers.append((document, answers))
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
            case "messages":
                document, group = self._parse(name, text, MessagesModel)
                if group is not None and self._is_named(document, "group", group.group, stem):
                    for message_id, message in group.messages.items():
                        if message_id in self.messages:
                            self.errors.append(document.error(("messages", message_id), "is in another group too"))
                        self.messages[message_id] = message
                        self.places[message_id] = document.where(("messages", message_id))
            case "phrases":
                document, words_of = self._parse(name, text, PhrasesModel)
                if words_of is not None and self._is_named(document, "locale", words_of.locale, stem):
                    self.phrases[words_of.locale] = {
                        f"{kind}.{code}": phrase
                        for kind, phrases in words_of.phrases.items()
                        for code, phrase in phrases.items()
                    }
            case "pages":
                document, page = self._parse(name, text, PageWordsModel)
                if page is not None and self._is_named(document, "locale", page.locale, stem):
                    for position, locale in enumerate(page.serves):
                        if any(locale in other.serves for other in self.pages.values()):
                            self.errors.append(document.error(("serves", position), "is served by another file too"))
                    if page.locale not in page.serves:
                        self.errors.append(document.error(("serves",), "must have the file's own locale"))
                    self.pages[page.locale] = page
            case "templates":
                self._read_text(name, text)
            case "understanding":
                _, rules = self._parse(name, text, UnderstandingModel)
                if rules is not None:
                    self.understanding[stem] = rules
            case _:
                if name == WEIGHTS_FILE:
                    self._read_weights(name, text)

    def _parse(self, name: str, text: str, model: type[M], first_line: int = 1) -> tuple[Document, M | None]:
        document = parse_document(name, text, first_line)
        value = document.read_as(model, self.context)
        self.errors.extend(document.errors)
        document.errors = []
        return document, value

    def _read_weights(self, name: str, text: str) -> None:
        try:
            self.weights[name] = WeightsModel.model_validate_json(text)
        except ValidationError as mistakes:
            for mistake in mistakes.errors(include_url=False, include_input=False):
                path = ".".join(map(str, mistake["loc"])) or "."
                line = _line_of_feature(text, mistake["loc"])
                self.errors.append(ContentError(f"{name}:{line}", path, mistake["msg"].removeprefix("Value error, ")))

    def _is_named(self, document: Document, key: str, expected: str, stem: str) -> bool:
        if expected == stem:
            return True
        self.errors.append(document.error((key,), f"belongs in a file named {expected}"))
        return False

    def _read_text(self, name: str, text: str) -> None:
        _, message_id, file_name = name.split("/")
        locale = file_name.removesuffix(".txt")
        if re.fullmatch(r"[a-z]{2}-[A-Z]{2}", locale) is None:
            self.errors.append(ContentError(f"{name}:1", ".", f"{locale} is not a locale, such as en-US"))
            return
        found = parse_text_file(name, text)
        self.errors.extend(found.errors)
        self.texts[message_id, locale] = (name, found)

    def templates(self) -> dict[tuple[str, str, Channel], Template]:
        return {
            (message_id, locale, channel): template_of(
                message_id, self.messages[message_id], locale, found.author, name, section
            )
            for (message_id, locale), (name, found) in self.texts.items()
            for channel, section in found.sections.items()
        }

    def strategies(self) -> tuple[Served, ...]:
        return tuple(
            Served(model.jurisdictions, model.products, strategy_of(model)) for _, model in self.strategy_files
        )

    # ── what no file can know by itself ──────────────────────────────────────────────────────────────────────────────

    def check(self, *, whole: bool = True) -> None:
        """What no file can know by itself. Not `whole`: the texts and words were not read."""
        if self.errors:
            return  # half of the content would only give echoes of the same mistakes
        if len(self.lenders) != 1:
            self.errors.append(ContentError("lenders:1", ".", f"there are {len(self.lenders)} profiles; there is one"))
        if not self.stops.stops:
            self.errors.append(ContentError("stops/base.yaml:1", "stops", "there is no table of stops"))
        for (message_id, _), (name, _) in self.texts.items():
            if message_id not in self.messages:
                self.errors.append(ContentError(f"{name}:1", ".", f"no message {message_id} is in messages/"))
        if whole and not self.words:
            self.errors.append(ContentError("words:1", ".", "there are no words"))
        self.check_rules()
        self.check_strategies(whole=whole)
        self._check_plans()
        self.check_answers(whole=whole)

    def check_answers(self, *, whole: bool) -> None:
        """What follows from texts, against the law's clocks and, if the content is there as a `whole`, the messages."""
        if self.errors:
            return
        said = frozenset(name for name, each in self.messages.items() if each.trigger == "event" and not each.variables)
        for number, path, problem in answers_problems(
            [model for _, model in self.answers], self.packs, said if whole else None
        ):
            self.errors.append(self.answers[number][0].error(path, problem))

    def _check_plans(self) -> None:
        if self.errors:
            return
        files = list(self.agreements.values())
        for number, path, problem in plan_problems([model for _, model in files], self.packs):
            self.errors.append(files[number][0].error(path, problem))

    def check_strategies(self, *, whole: bool) -> None:
        """The strategies against each other, the packs and, if the content is there as a `whole`, the messages."""
        if self.errors:
            return
        messages = self.messages if whole else None
        for number, path, problem in strategy_problems(
            [model for _, model in self.strategy_files], self.packs, self.policies, messages
        ):
            self.errors.append(self.strategy_files[number][0].error(path, problem))

    def check_rules(self) -> None:
        """The packs against each other, and the lender's own policies against the packs."""
        if self.errors:
            return
        if not self.packs:
            self.errors.append(ContentError("packs:1", ".", "there is no pack"))
        for code in self.packs:
            self._check_pack(code)
        if self.errors:
            return
        for code in self.packs:
            self._check_settings(code)
        self._check_policies()
        if not self.errors:
            self._check_retention()

    def holidays(self) -> dict[str, frozenset[date]]:
        return {name: frozenset(calendar.days) for name, calendar in self.calendars.items()}

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
        self._check_calendars(document, self.packs[code].hours)

    def _check_settings(self, code: str) -> None:
        if not self.packs[code].sendable:
            return
        layers = layers_of(self.packs, self.policies, code)
        for capacity in ("creditor", "servicer", "collector"):
            for name in missing_settings(layers, capacity, date.max):
                problem = f"is not set for a {capacity}, neither here nor in policies/{code.lower()}.yaml"
                self.errors.append(self.pack_documents[code].error(("settings", name), problem))

    def _check_calendars(self, document: Document, hours: Sequence[HoursModel]) -> None:
        for number, rule in enumerate(hours):
            if rule.holidays is not None and rule.holidays not in self.calendars:
                problem = f"there is no calendar {rule.holidays} in calendars/"
                self.errors.append(document.error(("hours", number, "holidays"), problem))

    def _check_policies(self) -> None:
        for code, policy in self.policies.items():
            document = self.policy_documents[code]
            if code not in self.packs:
                self.errors.append(document.error(("jurisdiction",), f"there is no pack {code} to be stricter than"))
                continue
            self._check_calendars(document, policy.hours)
            self._check_own_ids(code, document)
            for path, problem in loosened(self.packs, policy):
                self.errors.append(document.error(path, problem))

    def _check_retention(self) -> None:
        told: set[tuple[str, tuple[str | int, ...]]] = set()
        for code in self.packs:
            for layer, path, problem in contradictions(self.packs, self.policies, code):
                documents = self.pack_documents if isinstance(layer, PackModel) else self.policy_documents
                document = documents[layer.jurisdiction]
                if (document.name, path) not in told:
                    told.add((document.name, path))
                    self.errors.append(document.error(path, problem))

    def _check_own_ids(self, code: str, document: Document) -> None:
        others = [policy for name, policy in self.policies.items() if name != code]
        layers: list[PackModel | PolicyModel] = [*self.packs.values(), *others]
        taken = {rule.id for layer in layers for rule in named_rules(layer)}
        for section, rules in sections_of(self.policies[code]):
            for number, rule in enumerate(rules):
                if rule.id in taken:
                    self.errors.append(document.error((section, number, "id"), f"{rule.id} is another rule's id"))
                taken.add(rule.id)

    def _check_rule_ids(self, code: str, document: Document) -> None:
        inherited: set[str] = set()
        for pack in list(lineage(self.packs, code))[1:]:
            inherited.update(rule.id for rule in named_rules(pack))
        for section, rules in sections_of(self.packs[code]):
            for number, rule in enumerate(rules):
                if rule.id in inherited:
                    problem = f"{rule.id} is the id of another rule; a pack adds rules and replaces none"
                    self.errors.append(document.error((section, number, "id"), problem))
                inherited.add(rule.id)


def sections_of(layer: PackModel | PolicyModel) -> tuple[tuple[str, Sequence[NamedRule]], ...]:
    return (
        ("hours", layer.hours),
        ("caps", layer.caps),
        ("consents", layer.consents),
        ("verifications", layer.verifications),
        ("bans", layer.bans),
        ("texts", layer.texts),
        ("filings", layer.filings if isinstance(layer, PackModel) else ()),
        ("clocks", layer.clocks if isinstance(layer, PackModel) else ()),
    )


def named_rules(layer: PackModel | PolicyModel) -> Iterator[NamedRule]:
    for _, rules in sections_of(layer):
        yield from rules


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


def _line_of_feature(text: str, path: tuple[int | str, ...]) -> int:
    """Where a weight stands, each feature on a line of its own; all else is in the first."""
    if len(path) < 2 or path[0] != "weights":
        return 1
    start = json.dumps(path[1], ensure_ascii=False) + ":"
    return next((number for number, line in enumerate(text.splitlines(), 1) if line.startswith(start)), 1)
