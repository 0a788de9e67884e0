"""What differs between two contents, as sentences: the reasons for what a plan adds, drops, moves and rewords.

A stage's own change explains what happens to it; a change of its strategy, of the place's rules or of a line explains
what happens under them. What none of them explains follows from other messages that changed (a cap, a gap).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from dunlin.adapters.renderer import Renderer
from dunlin.content import Content
from dunlin.content.lint import renderings
from dunlin.content.model import Served
from dunlin.domain.words import Channel, said_as
from dunlin.errors import ContentError

_VIEWS = {"strategy_id", "reminders", "by_id", "tiers_from", "caps", "stages", "hours"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. Empty fields mean all: `stage` of the whole strategy, `strategy_id` of every one."""

    text: str
    strategy_id: str = ""
    stage: str = ""
    jurisdiction: str = ""
    line: str = ""


def changes(old: Content, new: Content, jurisdictions: Sequence[str], on: date) -> tuple[Change, ...]:
    """What differs in strategies, rules of these places on that day, and lines."""
    found = [*_strategies(old, new), *_lines(old, new)]
    for jurisdiction in jurisdictions:
        found += _rules(old, new, jurisdiction, on)
    return tuple(found)


def because(found: Sequence[Change], strategy_id: str, stage: str, jurisdiction: str, line: str) -> str:
    """The changes that explain a difference of this stage, the closest kind of them."""
    own = [each for each in found if each.stage == stage and each.strategy_id in ("", strategy_id)]
    around = [
        each
        for each in found
        if not each.stage
        and each.strategy_id in ("", strategy_id)
        and each.jurisdiction in ("", jurisdiction)
        and each.line in ("", line)
    ]
    return "; ".join(each.text for each in own or around) or "follows from other messages that changed"


# ── Strategies ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _strategies(old: Content, new: Content) -> Iterator[Change]:
    before = {each.strategy.strategy_id: each for each in old.strategies}
    after = {each.strategy.strategy_id: each for each in new.strategies}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Change(f"strategy {name} is gone", name)
        elif name not in before:
            yield Change(f"strategy {name} is new")
        else:
            yield from _strategy(name, before[name], after[name])


def _strategy(name: str, before: Served, after: Served) -> Iterator[Change]:
    for what in ("jurisdictions", "products"):
        was, now = getattr(before, what), getattr(after, what)
        if was != now:
            yield Change(f"strategy {name}: {what} {_said(was)} became {_said(now)}")
    old, new = before.strategy, after.strategy
    for field in fields(old):
        if field.name not in _VIEWS and (was := getattr(old, field.name)) != (now := getattr(new, field.name)):
            yield Change(f"strategy {name}: {field.name} {_said(was)} became {_said(now)}", name)
    if old.hours != new.hours:
        yield Change(f"strategy {name}: hours {_week(old.hours.week)} became {_week(new.hours.week)}", name)
    for stage in sorted(old.by_id.keys() | new.by_id.keys()):
        if stage not in new.by_id:
            yield Change(f"stage {stage} of strategy {name} is gone", name, stage)
        elif stage not in old.by_id:
            yield Change(f"stage {stage} of strategy {name} is new", name, stage)
        else:
            differing = _differing(old.by_id[stage], new.by_id[stage])
            if differing:
                yield Change(f"stage {stage} of strategy {name}: {differing}", name, stage)


def _differing(old: Any, new: Any) -> str:
    pairs = ((field.name, getattr(old, field.name), getattr(new, field.name)) for field in fields(old))
    return ", ".join(f"{name} {_said(was)} became {_said(now)}" for name, was, now in pairs if was != now)


def _week(week: Sequence[tuple[int, int] | None]) -> str:
    days = [_clock(hours) for hours in week]
    return days[0] if len(set(days)) == 1 else ", ".join(days)


def _clock(hours: tuple[int, int] | None) -> str:
    if hours is None:
        return "closed"
    return "-".join(f"{minutes // 60:02d}:{minutes % 60:02d}" for minutes in hours)


def _said(value: Any) -> str:
    if isinstance(value, (frozenset, set)):
        return f"[{', '.join(sorted(map(str, value)))}]"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


# ── Rules and lines ──────────────────────────────────────────────────────────────────────────────────────────────────


def _rules(old: Content, new: Content, jurisdiction: str, on: date) -> Iterator[Change]:
    policies = old.policy(jurisdiction, on), new.policy(jurisdiction, on)
    if policies[0] is None or policies[1] is None:
        if policies[0] is not policies[1]:
            word = "has no rules any more" if policies[1] is None else "has rules now"
            yield Change(f"{jurisdiction} {word}", jurisdiction=jurisdiction)
        return
    packs = policies[0].pack, policies[1].pack
    for kind in ("hours", "caps", "consents", "verifications", "bans"):
        before = {rule.rule_id: rule for rule in getattr(packs[0], kind)}
        after = {rule.rule_id: rule for rule in getattr(packs[1], kind)}
        for rule_id in sorted(before.keys() | after.keys()):
            if before.get(rule_id) != after.get(rule_id):
                word = "is gone" if rule_id not in after else "is new" if rule_id not in before else "changed"
                yield Change(f"rule {rule_id} {word}", jurisdiction=jurisdiction)


def _lines(old: Content, new: Content) -> Iterator[Change]:
    before = {line.line_id: line for line in old.lender.lines}
    after = {line.line_id: line for line in new.lender.lines}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Change(f"line {name} is gone")
        elif name not in before:
            yield Change(f"line {name} is new", line=name)
        elif before[name] != after[name]:
            yield Change(f"line {name}: {_differing(before[name], after[name])}", line=name)


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Wordings:
    """Whether two contents read alike: each text for the made-up borrowers that a reviewer reads."""

    def __init__(self, old: Content, new: Content) -> None:
        self._sides = (old, Renderer(old)), (new, Renderer(new))
        self._known: dict[tuple[str, str, str, str, str], str] = {}

    def reworded(self, was: tuple[str, str], now: tuple[str, str], locale: str, channel: str) -> str:
        """What changed about the words, from (template, line) to (template, line); empty: nothing."""
        key = (*was, *now, f"{locale}/{channel}")
        if key not in self._known:
            # Both are asked about the days of one content: on which days a text is said is no matter of its words.
            days_of = self._sides[1][0]
            texts = [
                _texts(days_of, content, renderer, template, line, locale, channel)
                for (content, renderer), (template, line) in zip(self._sides, (was, now), strict=True)
            ]
            if texts[0] == texts[1]:
                self._known[key] = ""
            elif was[0] != now[0]:
                self._known[key] = f"template {was[0]} became {now[0]}"
            else:
                self._known[key] = f"words of {now[0]} in {locale} for {channel}"
        return self._known[key]


def _texts(
    days_of: Content, content: Content, renderer: Renderer, template: str, line: str, locale: str, channel: str
) -> Mapping[str, object]:
    its_line = content.line(line)
    try:
        its_template = content.template(template, locale, said_as(Channel(channel)))
    except ContentError:
        return {}
    if its_line is None:
        return {"source": its_template.source, "subject": its_template.subject}
    found: dict[str, object] = {}
    read = [its_template.subject]
    for number, (label, text) in enumerate(renderings(renderer, days_of, its_template, its_line)):
        found[f"{label}/{number}"] = text if isinstance(text, str) else (text.subject, text.body)
        read.append(text if isinstance(text, str) else text.body)
    # The lint remembers renderings by the texts of the content it was asked about: the lender's own are compared too.
    whole = "\n".join(read)
    return found | {name: value for name, value in content.texts(locale).items() if value and value in whole}
