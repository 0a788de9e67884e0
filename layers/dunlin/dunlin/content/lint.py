"""What is wrong with the content beyond its shape: read by people before they sign it.

Each text is rendered for made-up borrowers on each line it can be sent over, and held against what the packs want
said, what the words forbid, what the line allows and what the strategy really does next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import TemplateError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dunlin.adapters.renderer import Renderer, read_back
from dunlin.content.errors import ContentErrors
from dunlin.content.loader import load_content
from dunlin.content.model import Content, Template
from dunlin.content.resolve import lineage
from dunlin.content.samples import TODAY, samples
from dunlin.content.schema import ALL_CAPACITIES, ContentRuleModel
from dunlin.domain.policy import Line, Stage, Strategy
from dunlin.domain.segments import Encoding
from dunlin.domain.words import Channel, HoldKind, LoanStatus, Purpose
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
    "days": {"days"},
    "due_on": {"due_on"},
    "opt_out": {"opt_out"},
    "pay": {"pay", "pay_transfer"},
}


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
    except ContentErrors as mistakes:
        return [Problem(error.where, error.field, error.problem) for error in mistakes.errors]
    return [
        *_check_zones(content),
        *_check_stops(content),
        *_check_packs(content),
        *_check_strategies(content),
        *_check_texts(content),
        *_check_renderings(content),
    ]


def _pack_file(jurisdiction: str) -> str:
    return f"packs/{jurisdiction.lower()}.yaml:1"


def _sendable(content: Content) -> list[str]:
    return sorted(code for code, pack in content.packs.items() if pack.sendable)


def _check_zones(content: Content) -> Iterator[Problem]:
    names = {zone for zones in content.zones for zone in zones.otherwise}
    names |= {zone for zones in content.zones for area in zones.by_area.values() for zone in area}
    for name in sorted(names):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            yield Problem("zones:1", "zones", f"{name} is not a time zone")


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
        if own.signed is None:
            yield Problem(where, "signed", "nobody answers for this pack")
        strategy = content.strategy(code)
        if strategy is None:
            yield Problem(where, "jurisdiction", "no strategy serves it")
        for capacity in sorted(ALL_CAPACITIES):
            pack = content.pack(code, date.max, capacity)
            if pack is None:
                continue  # the loader has said which setting is missing
            for purpose in (Purpose.SERVICING, Purpose.COLLECTION):
                bound = any(purpose in rule.purposes for rule in pack.hours)
                if not bound and (strategy is None or purpose not in strategy.hours.purposes):
                    yield Problem(where, "hours", f"leaves {purpose} open at every hour for a {capacity}")
                if not any(purpose in rule.purposes for rule in pack.caps):
                    yield Problem(where, "caps", f"leaves {purpose} without any cap for a {capacity}")
        for locale in sorted(own.locales):
            if locale not in content.lender.texts:
                yield Problem(where, "locales", f"the lender has no words in {locale}")
            if locale not in content.keyword_words:
                yield Problem(where, "locales", f"there are no words to read replies in {locale}")


def _check_strategies(content: Content) -> Iterator[Problem]:
    for code in _sendable(content):
        strategy = content.strategy(code)
        locales = sorted(content.packs[code].locales)
        if strategy is not None:
            yield from _check_stages(content, code, locales, strategy)
        for template_id in REPLY_TEMPLATES:
            for locale in locales:
                if (template_id, locale, Channel.SMS) not in content.templates:
                    yield Problem(f"templates/{template_id}/{locale}.sms.j2:1", "template", "does not exist")
        if not _lines(content, code, Channel.SMS, Purpose.REPLY):
            yield Problem(_pack_file(code), "lines", "no line can answer a text message")


def _check_stages(content: Content, code: str, locales: list[str], strategy: Strategy) -> Iterator[Problem]:
    where = f"strategies/{strategy.strategy_id}.yaml:1"
    for number, stage in enumerate(strategy.stages):
        field = f"stages[{number}]"
        following = strategy.stages[number + 1] if number + 1 < len(strategy.stages) else None
        for channel in stage.channels:
            if not _lines(content, code, channel, stage.purpose):
                yield Problem(where, f"{field}.channels", f"no line in {code} carries {stage.purpose} by {channel}")
            for locale in locales:
                template = content.templates.get((stage.template, locale, channel))
                if template is None:
                    name = f"templates/{stage.template}/{locale}.{channel}.j2"
                    yield Problem(where, f"{field}.template", f"{name} does not exist")
                    continue
                if template.purpose is not stage.purpose:
                    yield Problem(f"{template.name}:2", "purpose", f"{stage.stage_id} is {stage.purpose}")
                yield from _check_promise(template, stage, following, strategy)


def _check_promise(template: Template, stage: Stage, following: Stage | None, strategy: Strategy) -> Iterator[Problem]:
    """A text may only announce what really follows, and only leave time that is really left."""
    where = f"{template.name}:2"
    truth = "nothing"
    if following is not None and following.kind == "referral":
        truth = "person"
    elif following is not None and following.kind == "tier":
        last = [other for other in strategy.stages if other.kind == "tier"][-1]
        truth = "last_reminder" if following is last else "reminder"
    if stage.kind == "tier" and template.says_next != truth:
        yield Problem(where, "says_next", f"what follows {stage.stage_id} is {truth}")
    if stage.kind == "reminder" and template.says_next not in ("nothing", truth):
        yield Problem(where, "says_next", f"what follows {stage.stage_id} is {truth}")
    if template.reply_within_days is not None and (
        following is None or following.gap_days < template.reply_within_days
    ):
        yield Problem(where, "reply_within_days", f"the stage after {stage.stage_id} may come sooner than that")


def _lines(content: Content, code: str, channel: Channel, purpose: Purpose) -> list[Line]:
    return [line for line in content.lines(code) if line.channel is channel and purpose in line.purposes]


# ── Texts as they are written ────────────────────────────────────────────────────────────────────────────────────────


def _check_texts(content: Content) -> Iterator[Problem]:
    for template in content.templates.values():
        yield from _check_variables(template)
        forbidden, in_subjects = content.forbidden.get(template.locale, (frozenset(), frozenset()))
        yield from _check_words(f"{template.name}:{template.body_line}", "body", template.source, forbidden)
        subject_words = forbidden | in_subjects
        yield from _check_words(f"{template.name}:2", "subject", template.subject, subject_words)
        plain = re.sub(r"\{[{%#].*?[}%#]\}", " ", template.source, flags=re.DOTALL)
        found = read_back(plain, template.locale, "")
        if found.amounts or found.dates or found.unreadable:
            yield Problem(f"{template.name}:{template.body_line}", "body", "has a figure of its own")
        for rule in _text_rules(content, template):
            for said in sorted(rule.must_say):
                if not _says(template, said):
                    yield Problem(f"{template.name}:2", "variables", f"{rule.id} wants {said} in the text")
    where = f"lenders/{content.lender.lender_id}.yaml:1"
    for locale, texts in content.lender.texts.items():
        forbidden = content.forbidden.get(locale, (frozenset(), frozenset()))[0]
        for name, text in texts.items():
            field = f"texts.{locale}.{name}"
            yield from _check_words(where, field, text, forbidden)
            found = read_back(text, locale, "")
            if found.amounts or found.dates or found.unreadable:
                yield Problem(where, field, "has an amount or a date in it")


def _check_variables(template: Template) -> Iterator[Problem]:
    try:
        used = _variables_in(template.source) | _variables_in(template.subject)
    except TemplateError as mistake:
        line = template.body_line + (getattr(mistake, "lineno", None) or 1) - 1
        yield Problem(f"{template.name}:{line}", "body", f"cannot be read: {mistake}")
        return
    for name in sorted(used - template.variables.keys()):
        yield Problem(f"{template.name}:2", f"variables.{name}", "is used but not declared")
    for name in sorted(template.variables.keys() - used):
        yield Problem(f"{template.name}:2", f"variables.{name}", "is declared but not used")


@lru_cache(maxsize=512)
def _variables_in(source: str) -> frozenset[str]:
    return frozenset(meta.find_undeclared_variables(ImmutableSandboxedEnvironment().parse(source)))


def _check_words(where: str, field: str, text: str, forbidden: frozenset[str]) -> Iterator[Problem]:
    for word in sorted(forbidden):
        boundary = r"\b" if word.isascii() else ""
        if re.search(f"{boundary}{re.escape(word)}{boundary}", text, re.IGNORECASE):
            yield Problem(where, field, f"says {word!r}, which no text may say")


def _text_rules(content: Content, template: Template) -> list[ContentRuleModel]:
    """What the packs of every place where this text is read want said in it."""
    rules: dict[str, ContentRuleModel] = {}
    for code in _sendable(content):
        if template.locale not in content.packs[code].locales:
            continue
        for pack in lineage(content.packs, code):
            for rule in pack.texts:
                if template.purpose in rule.purposes and template.channel in rule.channels:
                    rules[rule.id] = rule
    return list(rules.values())


def _says(template: Template, said: str) -> bool:
    if said == "consequence":
        return template.says_next != "nothing"
    if said == "opt_out" and template.opt_out == "confirms":
        return True
    return any(re.search(rf"\b{name}\b", template.source) for name in _SAYS[said])


# ── Texts as they are read ───────────────────────────────────────────────────────────────────────────────────────────


def _check_renderings(content: Content) -> Iterator[Problem]:
    renderer = Renderer(content)
    for template in content.templates.values():
        seen: set[tuple[str, str]] = set()
        lines = {
            line.line_id: line
            for code in _sendable(content)
            if template.locale in content.packs[code].locales
            for line in _lines(content, code, template.channel, template.purpose)
        }
        if not lines:
            yield Problem(f"{template.name}:2", "purpose", "no line carries it")
        for line in lines.values():
            for label, text in _try_out(renderer, content, template, line):
                if (label, text) not in seen:
                    seen.add((label, text))
                    yield Problem(f"{template.name}:{template.body_line}", label, text)


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
    if template.locale.startswith("en") and rendered.encoding != Encoding.GSM_7:
        yield label, "leaves the GSM-7 alphabet"
    if rendered.is_too_long:
        yield label, f"takes {rendered.parts} parts; max_parts is {template.max_parts}"
    if label == "ordinary" and rendered.parts != template.expected_parts:
        yield label, f"takes {rendered.parts} parts; expected_parts is {template.expected_parts}"


def renderings(
    renderer: Renderer, content: Content, template: Template, line: Line
) -> Iterator[tuple[str, Rendered | str]]:
    """The text for each made-up borrower, or why there is none: what a reviewer reads before signing."""
    for sample in samples(template.locale, _days_of(content, template)):
        request = RenderRequest(
            template=template.template_id,
            locale=template.locale,
            channel=template.channel,
            party_name=sample.party_name,
            statement=sample.statement if "total" in template.variables else None,
            line=line,
            today=TODAY,
        )
        try:
            yield sample.label, renderer.render(request)
        except (ContentError, FiguresMismatch) as mistake:
            yield sample.label, str(mistake)


def _days_of(content: Content, template: Template) -> int:
    """The day on which a strategy sends this text."""
    for _, strategy in content.strategies:
        for stage in strategy.stages:
            if stage.template == template.template_id:
                return stage.offset_days
    return 0
