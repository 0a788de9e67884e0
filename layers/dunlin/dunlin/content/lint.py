"""What is wrong with the content beyond its shape: read by people before they sign it.

Each text is rendered for made-up borrowers on each line it can be sent over, and held against what the packs want
said, what the words forbid, what the line allows and what the strategy really does next.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from itertools import product as pairs
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dunlin.adapters.read_back import can_read_back, read_back
from dunlin.adapters.renderer import Renderer
from dunlin.adapters.senders.filed import WECHAT_GAP, filed_text
from dunlin.content.errors import ContentErrors
from dunlin.content.filing import numbered_wordings, read_filings
from dunlin.content.loader import load_content
from dunlin.content.model import Content, Template
from dunlin.content.resolve import layers_of, lineage
from dunlin.content.samples import TODAY, samples
from dunlin.content.schema import (
    ALL_CAPACITIES,
    COMMON_VARIABLES,
    STATEMENT_VARIABLES,
    CaseModel,
    ContentRuleModel,
    NamedRule,
    PackModel,
    PolicyModel,
)
from dunlin.domain.allowed import THE_LOAN, Question, consider
from dunlin.domain.borrower import Contact
from dunlin.domain.message import Figure
from dunlin.domain.policy import Line, Proofs, Stage, Strategy
from dunlin.domain.segments import GSM_ALPHABET, Encoding
from dunlin.domain.words import Channel, HoldKind, LoanStatus, Product, Purpose, said_as
from dunlin.errors import ContentError, FiguresMismatch
from dunlin.services.ports import Rendered, RenderRequest

#: The answers to a borrower's own words; a service asks for them by these names.
REPLY_TEMPLATES = ("opt_out_confirmation", "opt_in_confirmation", "help")

_LINK = re.compile(r"(?i)\bhttps?:|\bwww\.|\b[a-z0-9-]+\.(?:com|cn|net|org|io|co|ly|me|link|app|xyz|gov|info)\b")
_SAYS = {
    "signature": {"signature"},
    "lender": {"lender", "brand", "signature"},
    "hotline": {"hotline"},
    "total": {"total"},
    "fees": {"fees"},
    "days": {"days"},
    "due_on": {"due_on"},
    "opt_out": {"opt_out"},
    "pay": {"pay", "pay_transfer"},
}


#: Languages whose text messages stay in the GSM-7 alphabet.
GSM_LANGUAGES = frozenset({"en", "id"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that must be put right before the content is signed."""

    where: str
    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field}: {self.text}"


def check(root: Path) -> list[Problem]:
    """Every problem of the content under `root`; nothing in it may be signed while there is one."""
    try:
        content = load_content(root)
        read_filings(root)
    except ContentErrors as mistakes:
        return [Problem(error.where, error.field, error.problem) for error in mistakes.errors]
    found = chain(
        _check_zones(content),
        _check_stops(content),
        _check_packs(content),
        _check_cases(content),
        _check_messages(content),
        _check_strategies(content),
        _check_texts(content),
        _check_renderings(content),
    )
    return list(dict.fromkeys(found))  # what is wrong for several places is said once


def _pack_file(jurisdiction: str) -> str:
    return f"packs/{jurisdiction.lower()}.yaml:1"


def _sendable(content: Content) -> list[str]:
    return sorted(code for code, pack in content.packs.items() if pack.sendable)


def _check_zones(content: Content) -> Iterator[Problem]:
    names = {zone for zones in content.zones for zone in zones.otherwise}
    names |= {zone for zones in content.zones for area in zones.by_area.values() for zone in area}
    for name in sorted(names):
        if not _is_zone(name):
            yield Problem("zones:1", "zones", f"{name} is not a time zone")
    for code, pack in sorted(content.packs.items()):
        for name in pack.zones:
            if not _is_zone(name):
                yield Problem(_pack_file(code), "zones", f"{name} is not a time zone")
    for line in content.lender.lines:
        if not _is_zone(line.day_zone):
            yield Problem(
                f"lenders/{content.lender.lender_id}.yaml:1",
                f"lines.{line.line_id}.day_zone",
                f"{line.day_zone} is not a time zone",
            )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True


_STOPS_FILE = "stops/base.yaml:1"


def _check_stops(content: Content) -> Iterator[Problem]:
    """Every kind of hold has its row, for every capacity, and something ends it unless there is a reason."""
    for capacity in sorted(ALL_CAPACITIES):
        known = {row.kind for row in content.stops if row.binds(capacity, date.max)}
        for kind in sorted({*HoldKind, LoanStatus.SOLD} - known):
            yield Problem(_STOPS_FILE, "stops", f"says nothing of {kind} for a {capacity}")
        for code in _sendable(content):
            for rule in content.hold_rules_for(code, date.max, capacity):
                row = next(row for row in content.stops if row.kind is rule.kind)
                if not rule.lifted_by and row.for_ever_because is None:
                    yield Problem(_STOPS_FILE, "stops", f"nothing ends {rule.kind} in {code}, and it does not say why")
                if rule.longest_for is not None and (rule.default_for is None or rule.default_for > rule.longest_for):
                    yield Problem(_pack_file(code), "holds", f"{rule.kind} lasts longer by itself than it may")


def _check_packs(content: Content) -> Iterator[Problem]:
    for code in _sendable(content):
        where = _pack_file(code)
        own = content.packs[code]
        if own.signed is None and own.status != "draft":
            yield Problem(where, "signed", "nobody answers for this pack; sign it, or say status: draft")
        strategies = content.strategies_in(code)
        for product in Product:
            if content.strategy(code, frozenset({product})) is None:
                yield Problem(where, "jurisdiction", f"no strategy in strategies/ serves {product} loans there")
        for capacity in sorted(ALL_CAPACITIES):
            pack = content.pack(code, date.max, capacity)
            if pack is None:
                continue  # the loader has said which setting is missing
            for purpose in (Purpose.SERVICING, Purpose.COLLECTION):
                bound = any(purpose in rule.purposes for rule in pack.hours)
                if not bound and not (strategies and all(purpose in each.hours.purposes for each in strategies)):
                    yield Problem(where, "hours", f"leaves {purpose} open at every hour for a {capacity}")
                if not any(purpose in rule.purposes for rule in pack.caps):
                    yield Problem(where, "caps", f"leaves {purpose} without any cap for a {capacity}")
        for locale in sorted(own.locales):
            if locale not in content.lender.texts:
                yield Problem(where, "locales", f"the lender has no words in {locale}")
            if locale not in content.keyword_words:
                yield Problem(where, "locales", f"there are no words to read replies in {locale}")


def _check_cases(content: Content) -> Iterator[Problem]:
    """Each rule of a law has examples of what it lets pass and what it stops, and does so; so do those of a policy."""
    layers: list[tuple[str, PackModel | PolicyModel]] = [
        *((_pack_file(code), pack) for code, pack in sorted(content.packs.items())),
        *((f"policies/{code.lower()}.yaml:1", policy) for code, policy in sorted(content.policies.items())),
    ]
    for where, layer in layers:
        zones = next((pack.zones for pack in lineage(content.packs, layer.jurisdiction) if pack.zones), ())
        if not zones:
            yield Problem(where, "zones", "says in which time zones people there live")
        if not zones or not all(map(_is_zone, zones)):
            continue
        for section, rules in (
            ("hours", layer.hours),
            ("caps", layer.caps),
            ("consents", layer.consents),
            ("verifications", layer.verifications),
            ("bans", layer.bans),
        ):
            for number, rule in enumerate(rules):
                field = f"{section}[{number}]"
                if rule.source.confidence != "own" and {case.allowed for case in rule.cases} != {True, False}:
                    problem = f"{rule.id} needs cases that show what it lets pass and what it stops"
                    yield Problem(where, f"{field}.cases", problem)
                for position, case in enumerate(rule.cases):
                    try:
                        said = _case_fails(content, layer.jurisdiction, rule, case, zones)
                    except (ValueError, ZoneInfoNotFoundError) as mistake:
                        said = f"{rule.id}: {case.at} cannot be tried: {mistake}"
                    if said:
                        yield Problem(where, f"{field}.cases[{position}]", said)


def _case_fails(content: Content, code: str, rule: NamedRule, case: CaseModel, zones: tuple[str, ...]) -> str:
    """Why the case is not what the rule says; empty: it is.

    Raises:
        ValueError: a day, a zone or a purpose in it does not exist. ZoneInfoNotFoundError: likewise.
    """
    local = case.zones or zones[:1]
    at = _local(case.at, local[0])
    capacity = sorted(rule.capacity)[0]
    whole = content.law(code, at.date(), capacity, own=True)
    assert whole is not None
    alone = replace(
        whole,
        hours=tuple(other for other in whole.hours if other.rule_id == rule.id),
        caps=tuple(other for other in whole.caps if other.rule_id == rule.id),
        consents=tuple(other for other in whole.consents if other.rule_id == rule.id),
        bans=tuple(other for other in whole.bans if other.rule_id == rule.id),
        verifications=tuple(other for other in whole.verifications if other.rule_id == rule.id),
    )
    purposes = sorted(getattr(rule, "purposes", ()))
    purpose = case.purpose or purposes[0]
    contacts = []
    for number, text in enumerate(case.contacts):
        day, clock, channel, *about = text.split()
        moment = _local(f"{day} {clock}", local[0])
        said = Purpose(about[0]) if about else purpose
        contacts.append(Contact(f"case/{number}", moment, moment, channel, said, (THE_LOAN,)))
    proved = {name: at - timedelta(days=days) for name, days in case.proved_days_ago.items()}
    proofs = Proofs(proved.get("confirmed"), proved.get("checked"), proved.get("consent"))
    verdict = consider(
        alone, Question(purpose, case.channel, at, local, case.days_overdue, tuple(contacts), case.consents, proofs)
    )
    if verdict.allowed == case.allowed:
        return ""
    return f"{rule.id} {'allows' if verdict.allowed else 'stops'} {case.at}, which the case says it does not"


def _local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _check_messages(content: Content) -> Iterator[Problem]:
    """Every message has its words in every language of every place, on each of its channels, and what it asks for."""
    locales = sorted({locale for pack in content.packs.values() for locale in pack.locales})
    for locale in locales:
        if locale not in content.phrases:
            yield Problem(f"phrases/{locale}.yaml:1", ".", "does not exist")
    expected = {code for phrases in content.phrases.values() for code in phrases}
    for locale, phrases in sorted(content.phrases.items()):
        for code in sorted(expected - phrases.keys()):
            yield Problem(f"phrases/{locale}.yaml:1", code, "has no words here, and has some in another language")
        forbidden = content.forbidden.get(locale, (frozenset(), frozenset()))[0]
        in_gsm = locale.partition("-")[0] in GSM_LANGUAGES
        for code, words in phrases.items():
            yield from _check_words(f"phrases/{locale}.yaml:1", code, words, forbidden)
            yield from _characters(f"phrases/{locale}.yaml:1", code, words, in_gsm=in_gsm)
    yield from _check_pages(content)
    for reply in REPLY_TEMPLATES:
        if reply not in content.messages:
            yield Problem("messages/service.yaml:1", reply, "does not exist, and a borrower's text is answered with it")
    for message_id, message in content.messages.items():
        for locale in locales:
            name = f"templates/{message_id}/{locale}.txt:1"
            there = {channel for channel in Channel if (message_id, locale, channel) in content.templates}
            if not there:
                yield Problem(name, ".", "does not exist")
                continue
            for channel in sorted(set(message.channels) - there):
                yield Problem(name, channel, f"has no words for it, and {message_id} goes this way")


def _check_strategies(content: Content) -> Iterator[Problem]:
    for code in _sendable(content):
        locales = sorted(content.packs[code].locales)
        for strategy in content.strategies_in(code):
            yield from _check_stages(content, code, locales, strategy)
        if not _lines(content, code, Channel.SMS, Purpose.REPLY):
            yield Problem(_pack_file(code), "lines", "no line can answer a text message")


def _check_stages(content: Content, code: str, locales: list[str], strategy: Strategy) -> Iterator[Problem]:
    where = f"strategies/{strategy.strategy_id}.yaml:1"
    for number, stage in enumerate(strategy.stages):
        field = f"stages[{number}]"
        following = strategy.stages[number + 1] if number + 1 < len(strategy.stages) else None
        for channel in stage.channels:
            if channel in _NOT_EVERYBODY_S:
                # A place without it is reached the other ways; it can never be the only one.
                if _NOT_EVERYBODY_S.keys() >= set(stage.channels) or stage.kind == "tier":
                    problem = f"{_NOT_EVERYBODY_S[channel]}: it says no tier, and nothing alone"
                    yield Problem(where, f"{field}.channels", problem)
                if not any(line.channel is channel for line in content.lines(code)):
                    continue
            if channel is Channel.WHATSAPP:
                # A place without such a line is reached the other ways, as whoever is not on WhatsApp is.
                if not _lines(content, code, channel, stage.purpose):
                    continue
                yield from _check_on_file(content, code, channel, stage, locales)
            if not _lines(content, code, channel, stage.purpose):
                yield Problem(where, f"{field}.channels", f"no line in {code} carries {stage.purpose} by {channel}")
            for locale, template_id in pairs(locales, _templates_of(stage)):
                template = content.templates.get((template_id, locale, said_as(channel)))
                if template is None:
                    name = f"templates/{template_id}/{locale}.txt"
                    yield Problem(where, f"{field}.template", f"{name} does not exist, or has no words for {channel}")
                    continue
                if template.purpose is not stage.purpose:
                    place = content.places[template.template_id]
                    yield Problem(place, "purpose", f"{stage.stage_id} is {stage.purpose}")
                yield from _check_promise(content, template, stage, following, strategy)


#: Channels that do not reach everybody everywhere, and why nothing may depend on them.
_NOT_EVERYBODY_S: Final[Mapping[Channel, str]] = {
    Channel.PUSH: "nobody knows whether a push arrives",
    Channel.WECHAT: "only who follows the service account gets its messages",
}


def _check_on_file(
    content: Content, code: str, channel: Channel, stage: Stage, locales: list[str]
) -> Iterator[Problem]:
    """Where only filed texts are taken, every way in which the stage can read is on file."""
    lender = f"lenders/{content.lender.lender_id}.yaml"
    for line in _lines(content, code, channel, stage.purpose):
        on_file = {text for _, text in line.templates}
        for locale, template_id in pairs(locales, _templates_of(stage)):
            template = content.templates.get((template_id, locale, said_as(channel)))
            for text in numbered_wordings(content, template, line) if template is not None else ():
                if text not in on_file:
                    yield Problem(lender, f"{line.line_id}.templates", f"{template_id} also reads: {text}")


def _templates_of(stage: Stage) -> tuple[str, ...]:
    """What the stage says, to whoever it says it."""
    return (stage.template, *(template for _, template in stage.words_for))


def _check_promise(
    content: Content, template: Template, stage: Stage, following: Stage | None, strategy: Strategy
) -> Iterator[Problem]:
    """A text may only announce what really follows, and only leave time that is really left."""
    where = content.places[template.template_id]
    here = f"in strategies/{strategy.strategy_id}.yaml"
    truth = "nothing"
    if following is not None and following.kind == "referral":
        truth = "person"
    elif following is not None and following.kind == "tier":
        last = [other for other in strategy.stages if other.kind == "tier"][-1]
        truth = "last_reminder" if following is last else "reminder"
    if stage.kind == "tier" and template.says_next != truth:
        yield Problem(where, "says_next", f"what follows {stage.stage_id} is {truth}, {here}")
    if stage.kind == "reminder" and template.says_next not in ("nothing", truth):
        yield Problem(where, "says_next", f"what follows {stage.stage_id} is {truth}, {here}")
    if template.reply_within_days is not None and (
        following is None or following.gap_days < template.reply_within_days
    ):
        problem = f"the stage after {stage.stage_id} may come sooner than that, {here}"
        yield Problem(where, "reply_within_days", problem)


def _lines(content: Content, code: str, channel: Channel, purpose: Purpose) -> list[Line]:
    return [line for line in content.lines(code) if line.channel is channel and purpose in line.purposes]


# ── Texts as they are written ────────────────────────────────────────────────────────────────────────────────────────


def _check_texts(content: Content) -> Iterator[Problem]:
    for template in content.templates.values():
        yield from _check_variables(template)
        yield from _check_characters(template)
        if not can_read_back(template.locale):
            yield Problem(_head(template), template.locale, "has no reader for its figures yet")
            continue
        forbidden, in_subjects = content.forbidden.get(template.locale, (frozenset(), frozenset()))
        for number, line in enumerate(template.source.split("\n")):
            yield from _check_words(f"{template.name}:{template.body_line + number}", "body", line, forbidden)
        subject_words = forbidden | in_subjects
        yield from _check_words(_head(template), "subject", template.subject, subject_words)
        plain = re.sub(r"\{[{%#].*?[}%#]\}", " ", template.source, flags=re.DOTALL)
        found = read_back(plain, template.locale, "")
        if found.amounts or found.dates or found.percents or found.unreadable:
            yield Problem(f"{template.name}:{template.body_line}", "body", "has a figure of its own")
        for rule in _text_rules(content, template):
            for said in sorted(rule.must_say):
                if not _says(template, said):
                    yield Problem(_head(template), template.channel, f"{rule.id} wants {said} in the text")
    where = f"lenders/{content.lender.lender_id}.yaml:1"
    for locale, texts in content.lender.texts.items():
        if not can_read_back(locale):
            yield Problem(where, f"texts.{locale}", "has no reader for its figures yet")
            continue
        forbidden = content.forbidden.get(locale, (frozenset(), frozenset()))[0]
        for name, text in texts.items():
            field = f"texts.{locale}.{name}"
            yield from _check_words(where, field, text, forbidden)
            yield from _characters(where, field, text, in_gsm=False)  # the texts that say it are measured
            found = read_back(text, locale, "")
            if found.amounts or found.dates or found.percents or found.unreadable:
                yield Problem(where, field, "has an amount or a date in it")


def _check_variables(template: Template) -> Iterator[Problem]:
    try:
        used = _variables_in(template.source).keys() | _variables_in(template.subject).keys()
    except TemplateError as mistake:
        line = template.body_line + (getattr(mistake, "lineno", None) or 1) - 1
        yield Problem(f"{template.name}:{line}", "body", f"cannot be read: {mistake}")
        return
    known = COMMON_VARIABLES | template.variables.keys()
    for name in sorted(used - known):
        problem = f"is used, but {template.template_id} declares no such fact in messages/"
        yield Problem(_line_of(template, name), name, problem)
    if template.channel is Channel.PUSH:
        for name in sorted(used & template.variables.keys()):
            yield Problem(_line_of(template, name), name, "stands on a lock screen, which others read")
        return
    for name in sorted(template.variables.keys() - used):
        if template.variables[name] not in ("items", "optional_money") and name != "accounts":
            yield Problem(_head(template), name, f"is a fact of {template.template_id} and is not said")


def _head(template: Template) -> str:
    """Where the section of this text begins."""
    return f"{template.name}:{max(template.body_line - 1, 1)}"


def _line_of(template: Template, name: str) -> str:
    """The line of the text in which a variable stands first."""
    line = _variables_in(template.source).get(name)
    return f"{template.name}:{template.body_line + line - 1}" if line is not None else _head(template)


#: What people and word processors write instead of a character of the GSM-7 alphabet.
_LOOKS_LIKE = {
    "\u2018": "'", "\u2019": "'", "\u201a": ",", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2013": "-",
    "\u2014": "-", "\u2212": "-", "\u2026": "...", "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u00b4": "'",
    "\u0060": "'", "\u2022": "-", "\u0430": "a", "\u0435": "e", "\u043e": "o", "\u0440": "p", "\u0441": "c",
    "\u0445": "x", "\u0456": "i", "\u0391": "A", "\u0392": "B", "\u0395": "E", "\u039f": "O", "\u03bf": "o",
    "\u00e7": "\u00c7",
}  # fmt: skip
#: Controls, formatting (of direction, of joining) and separators of lines: what nobody sees and nobody typed.
_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp"})


def _check_characters(template: Template) -> Iterator[Problem]:
    in_gsm = template.channel is Channel.SMS and template.locale.partition("-")[0] in GSM_LANGUAGES
    for number, line in enumerate(template.source.split("\n")):
        written = re.sub(r"\{[{%#].*?[}%#]\}", "", line)
        yield from _characters(f"{template.name}:{template.body_line + number}", "body", written, in_gsm=in_gsm)
    yield from _characters(_head(template), "subject", template.subject, in_gsm=False)


def _check_pages(content: Content) -> Iterator[Problem]:
    """The page says the same things in every language, with the same gaps, and nothing that no text may say."""
    expected = {
        key: frozenset(_GAP.findall(words)) for page in content.pages.values() for key, words in page.words.items()
    }
    for locale, page in content.pages.items():
        where = f"pages/{locale}.yaml:1"
        forbidden = content.forbidden.get(locale, (frozenset(), frozenset()))[0]
        for key, gaps in expected.items():
            if key not in page.words:
                yield Problem(where, key, "has no words here, and has some in another language")
            elif frozenset(_GAP.findall(page.words[key])) != gaps:
                yield Problem(where, key, "has other gaps in another language")
        for key, words in page.words.items():
            yield from _check_words(where, key, words, forbidden)
            yield from _characters(where, key, words, in_gsm=False)


_GAP = re.compile(r"\{(\w+)\}")


def _characters(where: str, field: str, text: str, *, in_gsm: bool) -> Iterator[Problem]:
    """A character that nobody sees, and one that turns a text message of GSM-7 into UCS-2 and one part into three."""
    for character in dict.fromkeys(text):
        code = f"U+{ord(character):04X}"
        if unicodedata.category(character) in _HIDDEN and character != "\t":
            yield Problem(where, field, f"has the invisible character {code}; take it out")
        elif in_gsm and character not in GSM_ALPHABET:
            instead = _LOOKS_LIKE.get(character)
            hint = f"write {instead!r}" if instead is not None else "write it another way"
            yield Problem(where, field, f"has {character!r} ({code}), outside GSM-7: the text would be UCS-2; {hint}")


@lru_cache(maxsize=4096)
def _variables_in(source: str) -> Mapping[str, int]:
    """The variables that a text uses and does not set itself, each with the line it stands on first.

    Raises:
        TemplateError: it cannot be read.
    """
    parsed = ImmutableSandboxedEnvironment().parse(source)
    undeclared = meta.find_undeclared_variables(parsed)
    lines: dict[str, int] = {}
    for found in parsed.find_all(nodes.Name):
        if found.name in undeclared:
            lines[found.name] = min(found.lineno, lines.get(found.name, found.lineno))
    return lines


def _check_words(where: str, field: str, text: str, forbidden: frozenset[str]) -> Iterator[Problem]:
    if not forbidden or not _any_of(forbidden).search(text):
        return
    for word in sorted(forbidden):
        if re.search(_whole(word), text, re.IGNORECASE):
            yield Problem(where, field, f"says {word!r}, which no text may say")


@lru_cache(maxsize=64)
def _any_of(words: frozenset[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(_whole, sorted(words))), re.IGNORECASE)


def _whole(word: str) -> str:
    boundary = r"\b" if word.isascii() else ""
    return f"{boundary}{re.escape(word)}{boundary}"


def _text_rules(content: Content, template: Template) -> list[ContentRuleModel]:
    """What the rules of every place where this text is read want said in it. A push only points at what is said."""
    if template.channel is Channel.PUSH:
        return []
    rules: dict[str, ContentRuleModel] = {}
    for code in _sendable(content):
        if template.locale not in content.packs[code].locales:
            continue
        for layer in layers_of(content.packs, content.policies, code):
            for rule in layer.texts:
                if template.purpose in rule.purposes and template.channel in rule.channels:
                    rules[rule.id] = rule
    return list(rules.values())


def _says(template: Template, said: str) -> bool:
    if said == "consequence":
        return template.says_next != "nothing"
    if said == "opt_out" and template.opt_out != "offers":
        return True
    if said in STATEMENT_VARIABLES and not template.statement:
        return True  # it is not about what is due, but about what was agreed
    try:
        return not _SAYS[said].isdisjoint(_variables_in(template.source))
    except TemplateError:
        return True  # that it cannot be read is said already


# ── Texts as they are read ───────────────────────────────────────────────────────────────────────────────────────────


def _check_renderings(content: Content) -> Iterator[Problem]:
    renderer = Renderer(content)
    for template in content.templates.values():
        if not can_read_back(template.locale):
            continue
        seen: set[tuple[str, str]] = set()
        lines = {
            line.line_id: line
            for code in _sendable(content)
            if template.locale in content.packs[code].locales
            for line in _lines(content, code, _carrier(template.channel), template.purpose)
        }
        if not lines:
            yield Problem(
                _head(template), template.channel, f"no line carries {template.purpose} by {template.channel}"
            )
        for line in lines.values():
            for label, text in _try_out(renderer, content, template, line):
                if (label, text) not in seen:
                    seen.add((label, text))
                    yield Problem(f"{template.name}:{template.body_line}", label, text)


#: Who wants no more switches it off on the device, or stops following: nothing is said of it.
_UNDERSTOOD_WAY_OUT: Final = frozenset({Channel.PUSH, Channel.WECHAT})


def _carrier(channel: Channel) -> Channel:
    """The channel whose lines a text is tried on. Nobody's line carries a push, and it says nothing of its line."""
    return Channel.EMAIL if channel is Channel.PUSH else channel


def _try_out(renderer: Renderer, content: Content, template: Template, line: Line) -> Iterator[tuple[str, str]]:
    for label, rendered in renderings(renderer, content, template, line):
        if isinstance(rendered, str):
            yield label, rendered
            continue
        text = f"{rendered.subject} {rendered.body}"
        if template.channel is Channel.SMS:
            yield from _check_size(template, label, rendered)
        if line.signature and not rendered.body.startswith(line.signature):
            yield label, "does not begin with the line's signature"
        if line.links == "none" and _LINK.search(text):
            yield label, f"has a link, which line {line.line_id} may not carry"
        if template.channel is Channel.WECHAT and filed_text(line.templates, rendered.body.strip(), WECHAT_GAP) is None:
            yield label, f"is none of the texts that line {line.line_id} has on file, so nothing would be sent"
        if template.channel in _UNDERSTOOD_WAY_OUT:
            continue
        texts = content.texts(template.locale)
        offer = texts["opt_out_sms" if template.channel is Channel.SMS else "opt_out_email"]
        if template.opt_out == "offers" and offer not in rendered.body:
            if line.opt_out_line == "required":
                yield label, f"does not say how to opt out, which line {line.line_id} requires"
            elif any("opt_out" in rule.must_say for rule in _text_rules(content, template)):
                yield label, f"does not say how to opt out: a pack wants it and line {line.line_id} forbids it"
        if line.opt_out_line == "forbidden" and offer in rendered.body:
            yield label, f"says how to opt out, which line {line.line_id} forbids"


def _check_size(template: Template, label: str, rendered: Rendered) -> Iterator[tuple[str, str]]:
    if template.locale.partition("-")[0] in GSM_LANGUAGES and rendered.encoding != Encoding.GSM_7:
        yield label, "leaves the GSM-7 alphabet"
    if rendered.is_too_long:
        yield label, f"takes {rendered.parts} parts; at most {template.max_parts}, it says behind sms"
    if label == "ordinary" and rendered.parts > template.expected_parts:
        yield label, f"takes {rendered.parts} parts; it says {template.expected_parts} behind sms"


def renderings(
    renderer: Renderer, content: Content, template: Template, line: Line
) -> Iterator[tuple[str, Rendered | str]]:
    """The text for each made-up borrower, or why there is none: what a reviewer reads before signing."""
    days = _days_of(content, template)
    words = (tuple(content.texts(template.locale).items()), tuple(content.phrases.get(template.locale, {}).items()))
    shape = (template.variables, template.statement, template.reply_within_days, template.max_parts)
    key = repr((template.name, template.channel, template.source, template.subject, shape, words, line, days))
    if key not in _TRIED:
        if len(_TRIED) >= _MOST_TRIED:
            _TRIED.clear()
        _TRIED[key] = tuple(_rendered(renderer, template, line, days, _codes_of(content, template)))
    yield from _TRIED[key]


#: What was rendered in this process: checking again after one text was changed renders that text.
_TRIED: dict[str, tuple[tuple[str, Rendered | str], ...]] = {}
_MOST_TRIED = 20_000


def _codes_of(content: Content, template: Template) -> tuple[tuple[str, str], ...]:
    """Each code that the core may say in this text, with its fact's name: the longest words decide how long it gets."""
    return tuple(
        (name, code)
        for name, kind in template.variables.items()
        if kind in ("phrase", "phrases")
        for code in content.phrases.get(template.locale, {})
        if code.startswith(f"{name}.")
    )


def _rendered(
    renderer: Renderer, template: Template, line: Line, days: int, codes: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, Rendered | str]]:
    for sample in samples(template.locale, days):
        request = RenderRequest(
            template=template.template_id,
            locale=template.locale,
            channel=template.channel,
            party_name=sample.party_name,
            statement=sample.statement if template.statement else None,
            line=line,
            today=TODAY,
            words=sample.words if "words" in template.variables.values() else "",
            facts=tuple(
                Figure(name, sample.facts[name])
                for name in template.variables
                if name in sample.facts and not (template.statement and name in STATEMENT_VARIABLES)
            ),
        )
        yield sample.label, _text_or_why_not(renderer, request)
        if sample.label == "ordinary":
            for fact, code in codes:
                figures = tuple(Figure(fact, code) if known.name == fact else known for known in request.facts)
                yield code, _text_or_why_not(renderer, replace(request, facts=figures))


def _text_or_why_not(renderer: Renderer, request: RenderRequest) -> Rendered | str:
    try:
        return renderer.render(request)
    except (ContentError, FiguresMismatch) as mistake:
        return str(mistake)


def _days_of(content: Content, template: Template) -> int:
    """The day on which a strategy sends this text."""
    for each in content.strategies:
        for stage in each.strategy.stages:
            if template.template_id in _templates_of(stage):
                return stage.offset_days
    return 0
