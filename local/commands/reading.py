"""`dunlin rules`, `lint` and `preview`: what people read before they sign the content."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from dunlin.content import Content, Rules, Template, load_content, load_rules
from dunlin.content.loader import CONTENT_KINDS
from dunlin.content.places import NOBODY_REVIEWED, find_place
from dunlin.content.resolve import layers_of, lineage
from dunlin.content.schema import ALL_CAPACITIES, Capacity, PackModel
from dunlin.domain.policy import Line
from dunlin.domain.segments import segment
from dunlin.domain.words import Channel
from dunlin.errors import ContentError, InvalidInput
from dunlin.services.ports import Rendered
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from local.commands.answer_words import answers_say
from local.commands.asking import CONTENT
from local.commands.rule_words import SAID, Said, purposes_in_words, says_of, strategy_says, title_of

if TYPE_CHECKING:
    from dunlin.adapters.renderer import Renderer
    from dunlin.content import Problem

#: Where nobody looks on, a table is not squeezed into the eighty columns of a terminal that is not there.
_WIDTH = 160
#: In less a table of six columns is a column of broken words.
_TABLE_WIDTH = 110


class CannotShow(Exception):
    """Something was asked for that does not exist; says what does."""


def _out() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _refuse(problem: Exception) -> int:
    sys.stderr.write(f"{problem}\n")
    return 2


# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def rules(directory: Path | None, jurisdiction: str | None, capacity: str | None) -> int:
    """Print the rules of a place, or of every one: the law's, then what the lender asks of itself; of one place the
    contact strategies too. With `capacity` only the rules that bind it. The exit code: 2 for a place or a capacity that
    does not exist."""
    try:
        if capacity is not None and capacity not in ALL_CAPACITIES:
            raise CannotShow(f"capacity: must be one of {', '.join(sorted(ALL_CAPACITIES))}")
        known = load_rules(directory or CONTENT, strategies=jurisdiction is not None)
        codes = sorted(known.packs) if jurisdiction is None else [_code(known, jurisdiction)]
    except (CannotShow, ContentError) as problem:
        return _refuse(problem)
    console = _out()
    for number, code in enumerate(codes):
        if number:
            console.print()
        _show_place(console, known, code, capacity)
    return 0


def _code(known: Rules, jurisdiction: str) -> str:
    """The pack to show. A place that its country lists as unreviewed has none; what is drafted for it is shown."""
    code = jurisdiction.strip().upper()
    if code in known.packs:
        return code
    names = ", ".join(sorted(known.packs))
    try:
        place = find_place(known.packs, code)
    except InvalidInput as problem:
        raise CannotShow(f"{jurisdiction}: {problem.problem}; there are {names}") from None
    if place.code:
        return place.code
    country = code.partition("-")[0]
    if country in known.packs:
        raise CannotShow(f"{code}: nobody reviewed the law there, and nobody there is contacted; there are {names}")
    raise CannotShow(f"{code}: there are no rules for this place; there are {names}")


def _show_place(console: Console, known: Rules, code: str, capacity: str | None) -> None:
    family = list(lineage(known.packs, code))
    console.print(_heading(known, family), soft_wrap=True)
    layers = layers_of(known.packs, known.policies, code)
    every = [said for layer in layers for said in says_of(layer) if capacity is None or capacity in said.capacities]
    for title, lines in (
        ("The law", [said for said in every if not said.is_own]),
        ("The lender's own", [said for said in every if said.is_own]),
    ):
        console.print(_table(title, lines) if console.width >= _TABLE_WIDTH else _list(title, lines))
    follows = list(answers_say(known, code, _capacity(capacity)))
    console.print(
        _table(_FOLLOWS, follows) if console.width >= _TABLE_WIDTH else _list(_FOLLOWS, follows),
    )
    for strategy in known.strategies_in(code):
        title, lines = title_of(strategy), list(strategy_says(strategy))
        console.print(_table(title, lines) if console.width >= _TABLE_WIDTH else _list(title, lines))
    unreviewed = sorted(name for name, status in family[0].regions.items() if status == "unreviewed")
    if unreviewed:
        words = f"Unreviewed, and nobody there is contacted: {', '.join(unreviewed)}"
        console.print(words, soft_wrap=True, markup=False)


_FOLLOWS = "What follows from a text"


def _capacity(capacity: str | None) -> Capacity | None:
    return next((each for each in ALL_CAPACITIES if each == capacity), None)


def _heading(known: Rules, family: Sequence[PackModel]) -> Text:
    pack = family[0]
    text = Text(f"{pack.jurisdiction}  {pack.name}", style="bold")
    facts: list[str] = []
    if any(layer.status == "draft" for layer in family):
        facts.append("DRAFT: nobody reviewed it, and nothing is sent under it")
    if find_place(known.packs, pack.jurisdiction) is NOBODY_REVIEWED:
        facts.append("listed as unreviewed: nobody there is contacted")
    if len(family) > 1:
        facts.append(f"with the rules of {', '.join(layer.jurisdiction for layer in family[1:])}")
    if not pack.sendable:
        facts.append("a base for its regions")
    if pack.signed is not None:
        facts.append(f"signed by {pack.signed.by} until {pack.signed.until}")
    facts.append(f"written to in {', '.join(pack.locales)}")
    zones = next((layer.zones for layer in family if layer.zones), ())
    facts.append(f"on the clock of {', '.join(zones)}")
    same = sorted(name for name, status in pack.regions.items() if status == "same")
    if same:
        facts.append(f"the same in {', '.join(same)}")
    return text.append("".join(f"\n  {fact}" for fact in facts), style="not bold")


def _table(title: str, lines: Iterable[Said]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, expand=True)
    table.add_column("rule", overflow="fold")
    table.add_column("says", ratio=7, overflow="fold")
    table.add_column("binds", ratio=2)
    table.add_column("from", min_width=10)
    table.add_column("source", ratio=6, overflow="fold")
    table.add_column("mark")
    for said in lines:
        table.add_row(*map(Text, (said.rule_id, said.text, _bound(said), said.begins, said.reference, said.confidence)))
    return table


def _list(title: str, lines: Iterable[Said]) -> Text:
    text = Text(f"\n{title}\n", style="bold")
    for said in lines:
        text.append(f"{said.rule_id}\n")
        since = f", from {said.begins}" if said.begins else ""
        facts = f"  {said.text}\n  binds {_bound(said)}{since}\n  {said.confidence}: {said.reference}\n"
        text.append(facts, style="not bold")
    return text


def _bound(said: Said) -> str:
    return "everybody" if said.capacities == ALL_CAPACITIES else ", ".join(sorted(said.capacities))


# ── Lint ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def lint(path: Path | None, output: str) -> int:
    """Print what is wrong with the content in which `path` lies, and under `path`. The exit code: 1 if anything is, 2
    if `path` lies in no content."""
    from dunlin.content import check

    asked = path or CONTENT
    root = _root_of(asked.resolve())
    if root is None:
        return _refuse(CannotShow(f"{asked}: lies in no content: a folder with {', '.join(CONTENT_KINDS)}"))
    shown = _as_given(root, asked)
    problems = sorted(check(root), key=lambda problem: (_place(problem), problem.field, problem.text))
    ours = [problem for problem in problems if (root / _place(problem)[0]).is_relative_to(asked.resolve())]
    for problem in dict.fromkeys(ours):
        sys.stdout.write(_github(shown, problem) if output == "github" else _plain(shown, problem))
    sys.stdout.write(_count(len(dict.fromkeys(ours)), len(set(problems) - set(ours)), shown))
    return 1 if ours else 0


def _root_of(path: Path) -> Path | None:
    """The nearest folder around `path`, or `path` itself, that holds folders of content."""
    for folder in (path, *path.parents):
        if any((folder / kind).is_dir() for kind in ("packs", "templates", "messages", "lenders")):
            return folder
    return None


def _as_given(root: Path, asked: Path) -> Path:
    """The root as whoever asked would write it: relative where they did, or where they stand above it."""
    relative = Path(os.path.relpath(root))
    return root if asked.is_absolute() and relative.parts[:1] == ("..",) else relative


def _place(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.where.rpartition(":")
    return (name, int(line)) if line.isdigit() else (problem.where, 1)


def _plain(root: Path, problem: Problem) -> str:
    name, line = _place(problem)
    return f"{root / name}:{line}: {problem.field}: {problem.text}\n"


def _github(root: Path, problem: Problem) -> str:
    """A workflow command: its data may hold no line break, its properties neither a colon nor a comma."""
    name, line = _place(problem)
    file = _escaped(str(root / name)).replace(":", "%3A").replace(",", "%2C")
    return f"::error file={file},line={line}::{_escaped(f'{problem.field}: {problem.text}')}\n"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _count(here: int, elsewhere: int, root: Path) -> str:
    found = "No problem" if here == 0 else "1 problem" if here == 1 else f"{here} problems"
    return f"{found}; {elsewhere} elsewhere in {root}.\n" if elsewhere else f"{found}.\n"


# ── Preview ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which text to show, and to whom: `channel` None for each, `borrower` "all" for every made-up one."""

    template: str
    locale: str
    jurisdiction: str
    channel: str | None = None
    borrower: str = "ordinary"


BORROWERS = ("ordinary", "fees", "several", "longest")


def preview(directory: Path | None, wanted: Wanted) -> int:
    """Print a text as a borrower would read it, with what it costs and which rules it meets. The exit code: 1 if it
    cannot be rendered or misses a rule, 2 for a text that does not exist."""
    from dunlin.adapters.renderer import Renderer

    try:
        content = load_content(directory or CONTENT)
        code = _sendable(content, wanted)
        templates = _templates(content, wanted)
        labels = _labels(wanted)
    except (CannotShow, ContentError) as problem:
        return _refuse(problem)
    console, renderer = _out(), Renderer(content)
    is_sound = True
    for template in templates:
        is_sound = _show_text(console, renderer, content, template, code, labels) and is_sound
    return 0 if is_sound else 1


def _sendable(content: Content, wanted: Wanted) -> str:
    code = wanted.jurisdiction.strip().upper()
    names = ", ".join(sorted(content.packs))
    try:
        place = find_place(content.packs, code)
    except InvalidInput as problem:
        raise CannotShow(f"jurisdiction: {problem.problem}; there are {names}") from None
    found = place.code or (code if code in content.packs else "")
    if not found:
        raise CannotShow(f"jurisdiction: nobody reviewed {code}; there are {names}")
    locales = content.packs[found].locales
    if wanted.locale not in locales:
        raise CannotShow(f"locale: {found} is written to in {', '.join(locales)}, not in {wanted.locale}")
    return found


def _templates(content: Content, wanted: Wanted) -> list[Template]:
    if wanted.template not in content.messages:
        raise CannotShow(f"template: there is no {wanted.template}; there are {', '.join(sorted(content.messages))}")
    found = [
        content.templates[key]
        for channel in Channel
        if (key := (wanted.template, wanted.locale, channel)) in content.templates
    ]
    if not found:
        locales = sorted({locale for name, locale, _ in content.templates if name == wanted.template})
        raise CannotShow(f"locale: {wanted.template} has no words in {wanted.locale}; it has in {', '.join(locales)}")
    if wanted.channel is None:
        return found
    ours = [template for template in found if template.channel == wanted.channel]
    if not ours:
        channels = ", ".join(template.channel for template in found)
        raise CannotShow(f"channel: {wanted.template} has no words for {wanted.channel}; it has for {channels}")
    return ours


def _labels(wanted: Wanted) -> tuple[str, ...]:
    if wanted.borrower == "all":
        return BORROWERS
    if wanted.borrower not in BORROWERS:
        raise CannotShow(f"borrower: there is no {wanted.borrower}; there are {', '.join(BORROWERS)}, or all of them")
    return (wanted.borrower,)


def _show_text(
    console: Console, renderer: Renderer, content: Content, template: Template, code: str, labels: Sequence[str]
) -> bool:
    """Whether every text of it could be rendered and says what the rules want said."""
    from dunlin.content.lint import renderings

    line = _line(content, template, code)
    console.rule(f"{template.template_id} · {template.locale} · {code} · {template.channel}", align="left")
    console.print(f"{purposes_in_words([template.purpose])}, {template.tone}; by {_by(line)}", markup=False)
    if any(pack.status == "draft" for pack in lineage(content.packs, code)):
        console.print(f"{code} is a draft: nothing is sent there", markup=False)
    is_sound = True
    for label, rendered in renderings(renderer, content, template, line):
        if label not in labels:
            continue
        console.print()
        if isinstance(rendered, str):
            console.print(Text(f"{label}: {rendered}", style="red"), soft_wrap=True)
            is_sound = False
            continue
        console.print(Text(f"{label}: {_size(template, line, rendered)}", style="bold"), soft_wrap=True)
        if rendered.subject:
            console.print(Text(rendered.subject, style="underline"), soft_wrap=True)
        console.print(Text(rendered.body), soft_wrap=True)
        is_sound = not rendered.is_too_long and is_sound
        for rule_id, missing, words in _met(content, template, code, line, rendered):
            is_sound = is_sound and not missing
            mark = Text(f"  {rule_id}: {words}", style="dim") if not missing else _misses(rule_id, missing)
            console.print(mark, soft_wrap=True)
    console.print()
    return is_sound


def _misses(rule_id: str, missing: Sequence[str]) -> Text:
    return Text(f"  {rule_id}: does not say {', '.join(missing)}", style="red")


_ITSELF = "itself"


def _line(content: Content, template: Template, code: str) -> Line:
    """The first line that carries it, as the decision takes it; for what no line carries, one that adds nothing."""
    for line in content.lines(code):
        if line.channel is template.channel and template.purpose in line.purposes:
            return line
    purposes = frozenset({template.purpose})
    return Line(_ITSELF, code, template.channel, "", "", purposes, 1.0, links="none", opt_out_line="forbidden")


def _by(line: Line) -> str:
    if line.line_id == _ITSELF:
        return "no line: none of the lender's carries it there"
    return f"{line.line_id} ({line.provider}, from {line.origination})"


def _size(template: Template, line: Line, rendered: Rendered) -> str:
    characters = f"{len(rendered.body)} characters"
    if template.channel is not Channel.SMS:
        return characters
    units = segment(rendered.body).units
    counted = "" if units == len(rendered.body) else f", {units} as they are counted"
    many = "part" if rendered.parts == 1 else "parts"
    size = f"{rendered.parts} {many} of {rendered.encoding}, {characters}{counted}"
    if rendered.is_too_long:
        size += f"; TOO LONG, at most {template.max_parts} parts"
    if line.max_price:
        price = Decimal(line.max_price)
        size += f"; at most {price * rendered.parts} USD ({price} a part, above which the provider does not send)"
    return size


def _met(
    content: Content, template: Template, code: str, line: Line, rendered: Rendered
) -> Iterator[tuple[str, list[str], str]]:
    """Each rule about the words of this text: its id, what the text misses of it, and what it wants said."""
    if template.channel is Channel.PUSH:
        return  # it only points at what is said elsewhere
    for layer in layers_of(content.packs, content.policies, code):
        for rule in layer.texts:
            if template.purpose in rule.purposes and template.channel in rule.channels:
                wanted = [said for said in SAID if said in rule.must_say and _is_due(template, said)]
                missing = [SAID[said] for said in wanted if not _says(content, template, line, rendered, said)]
                words = ", ".join(SAID[said] for said in wanted)
                yield rule.id, missing, f"says {words}" if wanted else "asks nothing of this text"


def _is_due(template: Template, said: str) -> bool:
    """A figure is wanted where a statement is; the way out is wanted where the message says that it is offered."""
    if said in ("total", "fees", "days", "due_on"):
        return template.statement
    return said != "opt_out" or template.opt_out == "offers"


def _says(content: Content, template: Template, line: Line, rendered: Rendered, said: str) -> bool:
    texts, body = content.texts(template.locale), rendered.body
    match said:
        case "signature":
            return not line.signature or body.startswith(line.signature)
        case "lender":
            return any(name and name in body for name in (texts["name"], texts["brand"], line.signature))
        case "hotline":
            return texts["hotline"] in body
        case "pay":
            return texts["pay_short"] in body or texts["pay_transfer"] in body
        case "opt_out":
            return texts["opt_out_sms" if template.channel is Channel.SMS else "opt_out_email"] in body
        case "consequence":
            return template.says_next != "nothing"
        case _:
            return said in template.variables  # the renderer read the figure back
