"""A plan as a document: what goes out, what binds, what does not fit, what is not filed or approved, what differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

from dunlin.content import Content, check
from dunlin.content.filing import filings_of, read_filings
from dunlin.domain.policy import concerns
from dunlin.domain.words import Purpose

from local.plan.lines import left_over
from local.plan.portfolio import Portfolio
from local.plan.result import Tally

_SAID = ("on", "strategy", "stage", "jurisdiction", "channel", "locale", "line")
_DIFFERS = ("kind", "strategy", "stage", "jurisdiction", "channel", "locale", "how", "because")
_BINDS = ("what", "reason", "rule")
_RULES = ("hours", "caps", "consents", "verifications", "bans")


def document(
    tally: Tally, portfolio: Portfolio, content: Content, root: Path, days: int, *, compared: bool
) -> dict[str, Any]:
    """Everything of a plan, ordered, the same for the same input. `broken` is what makes it fail."""
    lines = {line.line_id: line for line in content.lender.lines}
    said = []
    total_cost: Decimal = Decimal(0)
    unpriced = 0
    for key, count in sorted(tally.said.items()):
        row: dict[str, Any] = dict(zip(_SAID, key, strict=True))
        line = lines[row["line"]]
        row |= {"messages": count, "parts": tally.parts[key]}
        if line.max_price:
            cost = Decimal(line.max_price) * tally.parts[key]
            row["cost_at_most_usd"] = str(cost)
            total_cost += cost
        else:
            unpriced += count
        said.append(row)
    found: dict[str, Any] = {
        "content_version": content.version,
        "from": portfolio.start.isoformat(),
        "days": days,
        "borrowers": tally.borrowers,
        "decisions": tally.decisions,
        "without_rules": tally.without_rules,
        "assumes": "nobody pays, answers or opts out; points are verified; the core's figures are fresh",
        "messages": sum(tally.said.values()),
        "parts": sum(tally.parts.values()),
        "cost_at_most_usd": str(total_cost),
        "messages_without_price": unpriced,
        "referred_to_a_person": tally.referred,
        "said": said,
        "binds": _counted(tally.binds, _BINDS, "occasions"),
        "does_not_fit": list(_unfitting(tally, content)),
        "not_filed": list(_not_filed(tally, content, root, portfolio.start)),
        "low_confidence": list(_low_confidence(tally, content, portfolio.start)),
        "broken": list(_broken(tally, content, root, portfolio.start + timedelta(days=days))),
    }
    if compared:
        totals: Counter[str] = Counter()
        for key, count in tally.differs.items():
            totals[key[0]] += count
        found["against"] = {
            "totals": dict(sorted(totals.items())),
            "differs": _counted(tally.differs, _DIFFERS, "messages"),
        }
    return found


def _counted(counts: Mapping[tuple[str, ...], int], names: tuple[str, ...], what: str) -> list[dict[str, Any]]:
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{**dict(zip(names, key, strict=True)), what: count} for key, count in rows]


def _unfitting(tally: Tally, content: Content) -> Iterator[dict[str, Any]]:
    for line in content.lender.lines:
        load = {(begin, end): parts for (name, begin, end), parts in tally.load.items() if name == line.line_id}
        for end, parts in left_over(load, line.parts_per_second).items():
            yield {"line": line.line_id, "limit": "parts_per_second", "by": end.isoformat(), "parts": parts}
        if line.parts_per_day is not None:
            per_day: Counter[str] = Counter()
            for (begin, _), parts in load.items():
                per_day[begin.date().isoformat()] += parts
            for day, parts in sorted(per_day.items()):
                if parts > line.parts_per_day:
                    over = parts - line.parts_per_day
                    yield {"line": line.line_id, "limit": "parts_per_day", "by": day, "parts": over}
    for (template, day), count in sorted(tally.per_day.items()):
        ceiling = content.lender.ceiling_of(template)
        if count > ceiling:
            yield {"template": template, "limit": "ceiling", "by": day, "messages": count - ceiling}


def _not_filed(tally: Tally, content: Content, root: Path, start: datetime) -> Iterator[dict[str, str]]:
    filings = filings_of(content, read_filings(root), start.date())
    said = {key[:3] for key in ((line, template, locale) for template, line, locale, *_ in tally.words)}
    missing = {wording.key for wording in filings.missing_texts}
    for line, template, locale in sorted(said & missing):
        yield {"line": line, "message": template, "locale": locale}
    used = {line for line, *_ in said}
    for each in filings.missing_registrations:
        if each.line in used:
            yield {"line": each.line, "registration": each.name}


def _low_confidence(tally: Tally, content: Content, start: datetime) -> Iterator[dict[str, str]]:
    """Rules from memory (M) that the plan rests on."""
    found = {}
    for _, _, _, jurisdiction, purpose, channel in tally.words:
        policy = content.policy(jurisdiction, start.date())
        for kind in _RULES if policy is not None else ():
            for rule in getattr(policy.pack, kind):  # type: ignore[union-attr]
                if rule.source.confidence == "M" and concerns(rule, Purpose(purpose), channel):
                    found[jurisdiction, rule.rule_id] = rule.source.reference
    for (jurisdiction, rule_id), reference in sorted(found.items()):
        yield {"jurisdiction": jurisdiction, "rule": rule_id, "source": reference}


def _broken(tally: Tally, content: Content, root: Path, until: datetime) -> Iterator[str]:
    """What may not go out like this: mistakes in the content, no release, a signature that ends, an occasion twice."""
    for problem in check(root):
        yield str(problem)
    if not content.live:
        yield f"the content is not released: {content.not_live_because}"
    for jurisdiction in sorted({key[3] for key in tally.words}):
        pack = content.pack(jurisdiction, until.date(), content.capacity)
        if pack is None or not pack.signed_by:
            yield f"the rules of {jurisdiction} are signed by nobody"
        elif until.date() > pack.signed_until:
            yield f"the signature under the rules of {jurisdiction} ends on {pack.signed_until}, before the plan does"
    if tally.twice:
        yield f"{tally.twice} occasions would be said twice"


# ── For people ───────────────────────────────────────────────────────────────────────────────────────────────────────


def tables(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows of each table that has any; of what goes out, the days are put together."""
    by_stage: dict[tuple[str, ...], list[Any]] = {}
    for row in found["said"]:
        key = tuple(row[name] for name in _SAID[1:])
        sums = by_stage.setdefault(key, [0, 0, Decimal(0), row["on"], row["on"]])
        sums[0] += row["messages"]
        sums[1] += row["parts"]
        sums[2] += Decimal(row.get("cost_at_most_usd", 0))
        sums[4] = row["on"]
    rows = [
        [*key, first, last, str(n), str(parts), str(cost)] for key, (n, parts, cost, first, last) in by_stage.items()
    ]
    columns = [*_SAID[1:], "first day", "last day", "messages", "parts", "at most USD"]
    yield "What would go out", columns, sorted(rows, key=lambda row: (row[6], row))
    named = [
        ("What binds", found["binds"]),
        ("What does not fit", found["does_not_fit"]),
        ("Not filed", found["not_filed"]),
        ("Rules from memory", found["low_confidence"]),
        ("Against the other version", found.get("against", {}).get("differs", [])),
    ]
    for title, items in named:
        if items:
            names = list(dict.fromkeys(name for item in items for name in item))
            yield title, names, [[str(item.get(name, "")) for name in names] for item in items]
    if found["broken"]:
        yield "Broken", ["rule"], [[line] for line in found["broken"]]


def summary(found: Mapping[str, Any]) -> str:
    text = (
        f"{found['borrowers']:,} borrowers, {found['days']} days from {found['from'][:10]}: "
        f"{found['messages']:,} messages, {found['parts']:,} parts, "
        f"at most {found['cost_at_most_usd']} USD. Assumed: {found['assumes']}."
    )
    if "against" in found:
        totals = ", ".join(f"{count:,} {kind}" for kind, count in found["against"]["totals"].items())
        text += f" Against the other version: {totals or 'no difference'}."
    return text


def page(found: Mapping[str, Any]) -> str:
    """One HTML page that needs nothing else."""
    parts = [f"<p>{escape(summary(found))}</p>"]
    for title, columns, rows in tables(found):
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
        parts.append(f"<h2>{escape(title)}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Dunlin plan</title>\n<style>'
        "body{font:15px/1.4 system-ui,sans-serif;margin:2rem}table{border-collapse:collapse}"
        "td,th{padding:.2rem .6rem;border-bottom:1px solid #ccc;text-align:left}</style></head><body>\n"
        "<h1>Dunlin plan</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
