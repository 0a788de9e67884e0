"""What has to be on file with providers and carriers before a line may send, what is, and what is not (any more).

A line's own numbers (a campaign, an entity, a signature) are in the lender's profile. Texts are filed one by one: as
the wordings that a borrower can really get, with the line's constants in them and the variables named. A template with
conditions has several wordings, and each is filed. What a provider has on file is in `filings.json`, by the digest of
exactly the words: a text that is changed afterwards is not filed, whoever changed it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from dunlin.content.errors import ContentErrors, raise_all
from dunlin.content.model import Content, Template
from dunlin.content.release import located, read_json, write_rows
from dunlin.content.resolve import covers, lineage
from dunlin.content.routes import is_about, number_kind
from dunlin.content.schema import (
    COMMON_VARIABLES,
    FiledLineModel,
    FiledTextModel,
    FiledTextsModel,
    FilingModel,
)
from dunlin.domain.plans import MOST_OFFERS
from dunlin.domain.policy import Line
from dunlin.domain.words import Channel
from dunlin.errors import ContentError

__all__ = [
    "FILINGS_FILE",
    "Filings",
    "Registration",
    "Wording",
    "constants",
    "filings_of",
    "number_kind",
    "numbered_wordings",
    "read_filings",
    "wordings",
    "write_filings",
]

FILINGS_FILE = "filings.json"


@dataclass(frozen=True, slots=True)
class Registration:
    """A number of its own that a line must have. `required`: a reviewed pack asks for it; a draft's can wait."""

    line: str
    rule_id: str
    name: str
    number: str
    required: bool


@dataclass(frozen=True, slots=True)
class Wording:
    """One way in which a text can read, as it is filed. `place` of `places`, counted from one."""

    line: str
    rule_id: str
    message: str
    locale: str
    place: int
    places: int
    text: str
    digest: str
    parts: int
    most_parts: int
    required: bool
    filed: FiledTextModel | None = None
    #: Other words of this text are on file: it was changed since.
    changed: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.line, self.message, self.locale)


@dataclass(frozen=True, slots=True)
class Filings:
    """Everything that has to be filed for the lines of a content, with what is."""

    registrations: tuple[Registration, ...]
    wordings: tuple[Wording, ...]

    @property
    def missing_registrations(self) -> tuple[Registration, ...]:
        return tuple(each for each in self.registrations if each.required and not each.number)

    @property
    def missing_texts(self) -> tuple[Wording, ...]:
        return tuple(each for each in self.wordings if each.required and each.filed is None)

    @property
    def is_complete(self) -> bool:
        return not self.missing_registrations and not self.missing_texts

    def lines(self) -> tuple[FiledLineModel, ...]:
        """What each line has on file, as an act records it."""
        names = sorted(
            {each.line for each in self.registrations if each.required}
            | {each.line for each in self.wordings if each.required}
        )
        return tuple(filter(None, (self._line(name) for name in names)))

    def _line(self, name: str) -> FiledLineModel | None:
        numbers = {each.name: each.number for each in self.registrations if each.line == name and each.number}
        texts = sorted((w.digest, w.filed.id) for w in self.wordings if w.line == name and w.filed is not None)
        if not numbers and not texts:
            return None
        digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest() if texts else None
        return FiledLineModel(line=name, registrations=numbers, texts=len(texts), digest=digest)


def filings_of(content: Content, filed: tuple[FiledTextModel, ...], today: date) -> Filings:
    """What has to be filed, held against what is. Of a wording that was filed twice the later number counts."""
    on_file = {(each.line, each.message, each.locale, each.digest): each for each in filed}
    known = {key[:3] for key in on_file}
    registrations: dict[tuple[str, str], Registration] = {}
    texts: list[Wording] = []
    for line in content.lender.lines:
        for rule, locales in _rules(content, line, today):
            required = any(locales.values())
            for name in rule.registrations:
                number = dict(line.registrations).get(name, "")
                asked = registrations.get((line.line_id, name))
                required = required or (asked is not None and asked.required)
                registrations[line.line_id, name] = Registration(line.line_id, rule.id, name, number, required)
            if rule.each_text is None:
                continue
            for template in _carried(content, line, locales):
                said = wordings(template, constants(content, template, line), rule.each_text)
                for place, text in enumerate(said, 1):
                    digest = hashlib.sha256(text.encode()).hexdigest()
                    key = (line.line_id, template.template_id, template.locale)
                    mine = on_file.get((*key, digest))
                    texts.append(
                        Wording(
                            line=line.line_id,
                            rule_id=rule.id,
                            message=template.template_id,
                            locale=template.locale,
                            place=place,
                            places=len(said),
                            text=text,
                            digest=digest,
                            parts=template.expected_parts,
                            most_parts=template.max_parts,
                            required=locales[template.locale],
                            filed=mine,
                            changed=mine is None and key in known,
                        )
                    )
    return Filings(tuple(registrations.values()), tuple(texts))


def _rules(content: Content, line: Line, today: date) -> Iterator[tuple[FilingModel, Mapping[str, bool]]]:
    """The rules about a line, each with the languages it is about: True where a pack that may send asks for it."""
    rules: dict[str, FilingModel] = {}
    locales: dict[str, dict[str, bool]] = {}
    for code, pack in sorted(content.packs.items()):
        if not pack.sendable or not covers(line.jurisdiction, code):
            continue
        family = tuple(lineage(content.packs, code))
        reviewed = all(layer.status == "reviewed" for layer in family)
        for rule in (rule for layer in family for rule in layer.filings):
            if rule.binds(content.capacity, today) and is_about(rule, line):
                rules[rule.id] = rule
                for locale in pack.locales:
                    spoken = locales.setdefault(rule.id, {})
                    spoken[locale] = spoken.get(locale, False) or reviewed
    yield from ((rule, locales[rule_id]) for rule_id, rule in rules.items())


def _carried(content: Content, line: Line, locales: Mapping[str, bool]) -> Iterator[Template]:
    for (_, locale, channel), template in sorted(content.templates.items()):
        # Nobody's own words are on file, nor are they said where everything has to be.
        is_carried = channel is line.channel and template.purpose in line.purposes
        if locale in locales and is_carried and "words" not in template.variables.values():
            yield template


# ── Wordings ─────────────────────────────────────────────────────────────────────────────────────────────────────────

#: How many loans a text may list; of more it names the number only.
LISTED = (2, 3, 4)
#: Stands for "more than that", where a text counts.
_MANY = 99
#: A break between characters of a language that is written without spaces, as the renderer takes it away.
_UNSPACED_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s*\n\s*(?=[\u3000-\u9fff\uff00-\uffef])")


def constants(content: Content, template: Template, line: Line) -> Mapping[str, str]:
    """What this line says in every text of a language, as the renderer fills it in."""
    texts = content.texts(template.locale)
    offer = texts["opt_out_sms" if template.channel is Channel.SMS else "opt_out_email"]
    return {
        **{name: words for name, words in texts.items() if name in COMMON_VARIABLES and name != "name"},
        "lender": texts["name"],
        "pay": texts["pay_short"],
        "signature": line.signature,
        "opt_out": offer if line.opt_out_line == "required" else "",
        "sender": line.origination,
    }


@lru_cache(maxsize=4096)
def _parsed(source: str) -> tuple[jinja2.Template, Mapping[str, frozenset[int]]]:
    """The template, and the numbers that each of its variables is compared with.

    Raises:
        TemplateError: it cannot be read.
    """
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, cache_size=0)
    compared: dict[str, set[int]] = {}
    for comparison in environment.parse(source).find_all(nodes.Compare):
        sides = [comparison.expr, *(operand.expr for operand in comparison.ops)]
        numbers = {side.value for side in sides if isinstance(side, nodes.Const) and isinstance(side.value, int)}
        for name in (side.name for side in sides if isinstance(side, nodes.Name)):
            compared.setdefault(name, set()).update(numbers)
    return environment.from_string(source), {name: frozenset(numbers) for name, numbers in compared.items()}


class _Count(int):
    """A number that is compared as one and written as its name."""

    name: str

    def __new__(cls, value: int, name: str) -> _Count:
        count = super().__new__(cls, value)
        count.name = name
        return count

    def __str__(self) -> str:
        return self.name


def wordings(template: Template, said: Mapping[str, str], written: str) -> tuple[str, ...]:
    """Every way in which the text can read, the fullest first; its variables written as `written` says.

    A condition of a text is about a name or an amount that may be missing, or about a number: each is tried on both
    sides of what it is compared with. Loans are listed up to four.

    Raises:
        ContentError: the text cannot be read, or its conditions are about something else.
    """
    try:
        body, compared = _parsed(template.source)
        found = {_on_one_line(body.render({**said, **values})): None for values in _cases(template, compared, written)}
    except (TemplateError, TypeError, ValueError) as mistake:
        where = f"{template.name}:{template.body_line}"
        raise ContentError(where, "body", f"has no wording to file: {type(mistake).__name__}") from None
    return tuple(sorted(found, key=lambda text: (-len(text), text)))


#: Where a value stands, until it is known how many stand before it.
_PLACE = re.compile(r"\{\{[a-z0-9_]+\}\}")


def numbered_wordings(content: Content, template: Template, line: Line) -> tuple[str, ...]:
    """Every way in which the text can read on this line, as Meta files it: `{{1}}` stands for what changes.

    Raises:
        ContentError: as `wordings`.
    """
    said = wordings(template, constants(content, template, line), "{{*}}")
    return tuple(_numbered(text) for text in said)


def _numbered(text: str) -> str:
    first, *others = _PLACE.split(text)
    return first + "".join(f"{{{{{number}}}}}{fixed}" for number, fixed in enumerate(others, 1))


def _on_one_line(text: str) -> str:
    return " ".join(_UNSPACED_BREAK.sub("", text).split())


def _cases(template: Template, compared: Mapping[str, frozenset[int]], written: str) -> Iterator[dict[str, Any]]:
    def named(name: str) -> str:
        return written.replace("*", name)

    choices: dict[str, tuple[Any, ...]] = {"name": (named("name"), "")}
    for name, kind in template.variables.items():
        if kind == "count" and name != "accounts":
            tried = {number + step for number in compared.get(name, ()) for step in (-1, 0, 1)} | {_MANY}
            choices[name] = tuple(_Count(number, named(name)) for number in sorted(tried) if number >= 0)
        elif kind == "optional_money":
            choices[name] = (named(name), "")
        elif kind == "offers":
            choices[name] = tuple(
                tuple(_offer(place + 1, named) for place in range(count)) for count in range(MOST_OFFERS, 0, -1)
            )
        elif kind != "items" and name != "accounts":
            choices[name] = (named(name),)
    several = [{"accounts": _Count(1, named("accounts")), "items": ()}] if "accounts" in template.variables else [{}]
    if "accounts" in template.variables:
        several += [
            {
                "accounts": _Count(count, named("accounts")),
                "items": tuple(_item(place + 1, named) for place in range(count)),
            }
            for count in LISTED
        ]
        several.append({"accounts": _Count(_MANY, named("accounts")), "items": ()})
    for values in product(*choices.values()):
        for listed in several:
            yield {**dict(zip(choices, values, strict=True)), **listed}


def _item(place: int, named: Callable[[str], str]) -> Mapping[str, str]:
    return {part: named(f"{part}_{place}") for part in ("tail", "amount", "due_on")}


def _offer(place: int, named: Callable[[str], str]) -> Mapping[str, Any]:
    written = {part: named(f"{part}_{place}") for part in ("first_amount", "first_due_on", "total")}
    return {"number": place, "instalments": _Count(_MANY, named(f"instalments_{place}")), **written}


# ── Which one a text is ──────────────────────────────────────────────────────────────────────────────────────────────


def filing_number(content: Content, line: Line, template: Template, body: str, today: date) -> str:
    """The number under which this line has the words of `body` on file; empty where it has none, or needs none.

    A text that reads as several wordings do is the one that fixes most of it.

    Raises:
        ContentError: the template cannot be read.
    """
    mine = content.filed.get((line.line_id, template.template_id, template.locale))
    if not mine:
        return ""
    for rule, locales in _rules(content, line, today):
        if rule.each_text is None or template.locale not in locales:
            continue
        gap = re.compile(re.escape(rule.each_text).replace(re.escape("*"), "[A-Za-z0-9_]+"))
        told = wordings(template, constants(content, template, line), rule.each_text)
        for text in sorted(told, key=lambda text: -len(gap.sub("", text))):
            shape = "(?:.+)".join(re.escape(fixed) for fixed in gap.split(text))
            if re.fullmatch(shape, body, re.DOTALL):
                return mine.get(hashlib.sha256(text.encode()).hexdigest(), "")
    return ""


# ── The file ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_filings(root: Path) -> tuple[FiledTextModel, ...]:
    """What providers have on file; nothing when there is no file yet.

    Raises:
        ContentErrors: (a ContentError) all mistakes, each with line and field.
    """
    path = root / FILINGS_FILE
    if not path.exists():
        return ()
    errors: list[ContentError] = []
    text, data = read_json(path, errors)
    raise_all(errors)
    try:
        return FiledTextsModel.model_validate(data).filings
    except ValidationError as mistakes:
        errors = located(FILINGS_FILE, text, FiledTextsModel, mistakes)
    raise ContentErrors(errors)


def numbers_filed(root: Path) -> Mapping[tuple[str, str, str], Mapping[str, str]]:
    """Of each line, message and locale the number of each wording, by its digest. Raises: as `read_filings`."""
    numbers: dict[tuple[str, str, str], dict[str, str]] = {}
    for each in read_filings(root):
        numbers.setdefault((each.line, each.message, each.locale), {})[each.digest] = each.id
    return numbers


def write_filings(root: Path, filed: tuple[FiledTextModel, ...]) -> None:
    """In one order, and of each wording the last number: a change shows what was filed."""
    last = {(each.line, each.message, each.locale, each.digest): each for each in filed}
    write_rows(root / FILINGS_FILE, "filings", [last[key].model_dump(mode="json") for key in sorted(last)])
