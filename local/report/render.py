"""From the driver's summary to the page. Nothing in a summary is required; what is missing is shown as not known."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.report import words

_TEMPLATES = Path(__file__).parent / "templates"
_PALETTE = 9


def write_report(summary: Mapping[str, Any], conversations: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the page to `path`; it needs no other file and no network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(summary, conversations), encoding="utf-8")


def render_report(summary: Mapping[str, Any], conversations: Sequence[Mapping[str, Any]]) -> str:
    """The page as text. Everything that comes from data is escaped."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            head=_head(summary),
            promises=_promises(summary),
            funnel=_funnel(summary),
            days=_per_day(summary),
            flow=_flow(_counts(summary, "escalations")),
            hours=_hours(summary),
            bars=_operations(summary),
            faults=_faults(summary),
            opt_outs=_counts(summary, "opt_outs"),
            summary=summary,
            conversations=[_conversation(item, number) for number, item in enumerate(conversations, start=1)],
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=_number, stage=words.stage_words, plain=words.plain, language=_language)
    return environment


# ── Reading what may be missing ──────────────────────────────────────────────────────────────────────────────────────


def _number(value: object, digits: int = 0) -> str:
    """`12345` as `12,345`; anything that is no number as a dash."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}" if digits or isinstance(value, float) else f"{value:,}"


def _counts(data: object, *path: str) -> dict[str, float]:
    """The numbers under a path of keys; empty if there are none."""
    for key in path:
        data = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(data, Mapping):
        return {}
    return {
        str(key): value for key, value in data.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _language(text: str) -> str:
    return "zh-CN" if re.search(r"[\u4e00-\u9fff]", text) else "en"


# ── Sections ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _head(summary: Mapping[str, Any]) -> dict[str, Any]:
    violations = _counts(summary, "violations")
    states = _counts(summary, "messages", "by_state")
    days = _counts(summary).get("days")
    return {
        "broken": sum(violations.values()) if violations else None,
        "delivered": states.get("DELIVERED", 0) if states else None,
        "intended": sum(states.values()) if states else None,
        "days": days,
        "borrowers": _counts(summary).get("borrowers"),
        "months": days / 30 if days else None,
    }


def _promises(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    violations = _counts(summary, "violations")
    checked = _counts(summary, "checked")
    known = {promise.kind for promise in words.PROMISES}
    others = [words.Promise(kind, words.plain(kind), "findings", "", "") for kind in violations if kind not in known]
    return [
        {
            "promise": promise,
            "count": violations.get(promise.kind),
            "checked": checked.get(promise.checked),
        }
        for promise in (*words.PROMISES, *others)
    ]


def _funnel(summary: Mapping[str, Any]) -> dict[str, Any]:
    states = _counts(summary, "messages", "by_state")
    reasons = _counts(summary, "messages", "by_reason")
    intended = sum(states.values())
    handed = sum(states.get(state, 0) for state in words.HANDED_OVER)
    waiting = sum(states.get(state, 0) for state in words.WAITING)
    stopped = sum(states.get(state, 0) for state in words.STOPPED)
    requested = _counts(summary, "messages").get("requested")
    steps = [("Intended", intended, "every message a rule or an answer called for")]
    if requested is not None:
        steps.append(("Requested", requested, "put in the queue of a line"))
    steps += [
        ("Sent", handed, "handed to a provider"),
        ("Delivered", states.get("DELIVERED", 0), "on the handset, or in the mailbox"),
    ]
    groups: dict[str, list[tuple[str, float]]] = {}
    for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        if reason in words.GOOD or reason in words.AFTER_SENDING or not count:
            continue
        owner = words.NOT_SENT.get(reason, ("", "other"))[1]
        groups.setdefault(owner, []).append((words.reason_words(reason), count))
    not_sent = [
        {"owner": owner, "title": words.OWNERS[owner], "total": sum(n for _, n in groups[owner]), "rows": groups[owner]}
        for owner in words.OWNERS
        if owner in groups
    ]
    undelivered = [
        (words.reason_words(reason), count)
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        if reason in words.AFTER_SENDING and count
    ]
    return {
        "steps": [
            {"name": name, "count": count, "said": said, "share": count / intended if intended else 0}
            for name, count, said in steps
        ],
        "stopped": stopped,
        "waiting": waiting,
        "not_sent": not_sent,
        "most": max((count for group in groups.values() for _, count in group), default=1),
        "undelivered": undelivered,
        "states": [(words.STATES.get(state, words.plain(state)), count) for state, count in states.items() if count],
    }


@dataclass(frozen=True, slots=True)
class _Segment:
    y: float
    height: float
    colour: int


def _per_day(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The stacked bars in the chart's own units: 960 wide, 240 high, without the axes."""
    rows: list[tuple[str, dict[str, float]]] = []
    for item in summary.get("per_day") or ():
        if isinstance(item, Mapping):
            rows.append((str(item.get("on", "")), _counts(item, "stages")))
    totals: dict[str, float] = {}
    for _, counts in rows:
        for stage, count in counts.items():
            totals[stage] = totals.get(stage, 0) + count
    stages = sorted((stage for stage, count in totals.items() if count), key=words.stage_order)
    colours = _colours(stages)
    highest = max((sum(counts.values()) for _, counts in rows), default=0)
    top, step = _scale(highest)
    width, height = 960.0, 240.0
    slot = width / max(len(rows), 1)
    bars = []
    for index, (on, counts) in enumerate(rows):
        y = height
        segments = []
        for stage in stages:
            if counts.get(stage):
                size = counts[stage] / top * height
                y -= size
                segments.append(_Segment(round(y, 2), round(size, 2), colours[stage]))
        parts = ", ".join(
            f"{words.stage_words(stage)} {_number(counts[stage])}" for stage in stages if counts.get(stage)
        )
        bars.append(
            {
                "x": round(index * slot + slot * 0.12, 2),
                "width": round(slot * 0.76, 2),
                "segments": segments,
                "title": f"{_day(on)}: {_number(sum(counts.values()))} messages. {parts}",
            }
        )
    return {
        "bars": bars,
        "ticks": [
            {"y": round(height - value / top * height, 2), "value": value}
            for value in (step * n for n in range(int(top / step) + 1))
        ],
        "labels": _date_labels([on for on, _ in rows], slot),
        "legend": [(stage, colours[stage], totals[stage]) for stage in stages],
        "total": sum(totals.values()),
        "busiest": max(rows, key=lambda row: sum(row[1].values()), default=None),
    }


def _colours(stages: Sequence[str]) -> dict[str, int]:
    """Cool colours before the due date, warm ones after it; answers and events in grey."""
    cool, warm = iter(range(4)), iter(range(4, 8))
    colours: dict[str, int] = {}
    last_cool, last_warm = 3, 7
    for stage in stages:
        place = words.stage_order(stage)[0]
        if place == 99 or place < 3:  # an application, the account: events
            colours[stage] = _PALETTE - 1
        elif place >= 6:
            colours[stage] = next(warm, last_warm)
        else:
            colours[stage] = next(cool, last_cool)
    return colours


def _scale(highest: float) -> tuple[float, float]:
    """A round top of the axis and its step, with about four lines."""
    if highest <= 0:
        return 1.0, 1.0
    raw = highest / 4
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw)
    step = max(step, 1.0)
    return math.ceil(highest / step) * step, step


def _date_labels(days: Sequence[str], slot: float) -> list[dict[str, Any]]:
    labels: list[dict[str, Any]] = []
    every = max(1, round(len(days) / 9 / 7) * 7) if len(days) > 14 else 1 if len(days) <= 7 else 2
    for index, on in enumerate(days):
        if index % every == 0 and (index + 0.5) * slot < 935:
            labels.append({"x": round((index + 0.5) * slot, 1), "text": _day(on, short=True)})
    return labels


def _day(on: str, *, short: bool = False) -> str:
    try:
        day = date.fromisoformat(on)
    except ValueError:
        return on
    return f"{day.day} {day:%b}" if short else f"{day:%A} {day.day} {day:%B}"


def _flow(escalations: Mapping[str, float]) -> dict[str, Any]:
    """Ribbons from the cases that began to what became of them, as thick at one end as at the other; 300 wide."""
    outcomes = [(name, escalations[name]) for name in words.OUTCOMES if escalations.get(name)]
    total = sum(count for _, count in outcomes)
    scale = 210.0 / total if total else 0.0
    slots = [max(58.0, count * scale + 14) for _, count in outcomes]
    height, width = sum(slots), 300.0
    y_left, y_slot = (height - total * scale) / 2, 0.0
    ribbons = []
    for (name, count), slot in zip(outcomes, slots, strict=True):
        thick = max(count * scale, 1.0)
        left, right, middle = y_left, y_slot + (slot - thick) / 2, width / 2
        path = (
            f"M0 {left:.1f} C{middle:.0f} {left:.1f} {middle:.0f} {right:.1f} {width:.0f} {right:.1f} "
            f"V{right + thick:.1f} "
            f"C{middle:.0f} {right + thick:.1f} {middle:.0f} {left + thick:.1f} 0 {left + thick:.1f} Z"
        )
        ribbons.append(
            {
                "name": name,
                "said": words.OUTCOMES[name],
                "count": count,
                "share": count / total,
                "path": path,
                "slot": round(slot, 1),
            }
        )
        y_left += count * scale
        y_slot += slot
    return {"started": escalations.get("started", total), "ribbons": ribbons, "height": round(height, 1)}


def _hours(summary: Mapping[str, Any]) -> dict[str, Any]:
    counts = {
        int(hour): count for hour, count in _counts(summary, "by_local_hour").items() if hour.lstrip("-").isdigit()
    }
    most = max(counts.values(), default=0)
    return {
        "cells": [
            {
                "hour": hour,
                "count": counts.get(hour, 0),
                "level": 0 if not counts.get(hour) else 1 + min(8, int(counts[hour] / most * 8.999)),
                "quiet": hour < 8 or hour >= 21,
            }
            for hour in range(24)
        ],
        "known": bool(counts),
        "at_night": sum(count for hour, count in counts.items() if hour < 8 or hour >= 22),
    }


def _operations(summary: Mapping[str, Any]) -> dict[str, Any]:
    data = summary.get("aws_calls")
    nested = data.get("by_operation") if isinstance(data, Mapping) else None
    counts = _counts(nested) if isinstance(nested, Mapping) else _counts(data)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown, rest = ordered[:14], ordered[14:]
    rows: list[tuple[str, float]] = list(shown)
    if rest:
        rows.append((f"{len(rest)} others", sum(count for _, count in rest)))
    return {
        "rows": rows,
        "most": max((count for _, count in rows), default=1),
        "total": sum(counts.values()),
    }


def _faults(summary: Mapping[str, Any]) -> list[tuple[str, float]]:
    faults = summary.get("provider_faults")
    if isinstance(faults, int | float) and not isinstance(faults, bool):
        return [("Faults in all", faults)]
    return [(words.plain(name), count) for name, count in _counts(faults).items()]


# ── A conversation ───────────────────────────────────────────────────────────────────────────────────────────────────

_KINDS = ("sent", "not_sent", "payment", "inbound", "case", "fact")


def _conversation(item: Mapping[str, Any], number: int) -> dict[str, Any]:
    entries = [_entry(entry) for entry in item.get("entries") or () if isinstance(entry, Mapping)]
    day = ""
    for entry in entries:
        entry["new_day"] = entry["day"] if entry["day"] != day else ""
        day = entry["day"]
    tally = {kind: sum(entry["kind"] == kind for entry in entries) for kind in _KINDS}
    return {
        "anchor": f"conversation-{number}",
        "borrower_id": _text(item.get("borrower_id")),
        "title": _text(item.get("title")) or _text(item.get("borrower_id")) or "A conversation",
        "place": " · ".join(part for part in (_text(item.get("jurisdiction")), _text(item.get("zone"))) if part),
        "ending": _text(item.get("ending")),
        "entries": entries,
        "tally": tally,
    }


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = _text(entry.get("kind"))
    local = _text(entry.get("local")) or _text(entry.get("at"))
    found = re.fullmatch(r"(.*?)[ T]?(\d{1,2}:\d{2})(?::\d{2}.*)?", local)
    day, clock = (found.group(1), found.group(2)) if found else (local, "")
    figures = [
        (words.plain(_text(figure[0])), _text(figure[1]))
        for figure in entry.get("figures") or ()
        if isinstance(figure, Sequence) and not isinstance(figure, str) and len(figure) == 2
    ]
    moves = [
        {
            "state": _text(move.get("state")),
            "clock": _clock(_text(move.get("at"))),
            "reason": words.reason_words(_text(move.get("reason"))) if move.get("reason") else "",
        }
        for move in entry.get("moves") or ()
        if isinstance(move, Mapping)
    ]
    state = _text(entry.get("state"))
    reason = _text(entry.get("reason"))
    return {
        "kind": kind if kind in _KINDS else "fact",
        "at": _text(entry.get("at")),
        "day": day,
        "clock": clock,
        "channel": {"sms": "text", "email": "e-mail"}.get(_text(entry.get("channel")), _text(entry.get("channel"))),
        "stage": words.stage_words(_text(entry.get("stage"))) if entry.get("stage") else "",
        "state": state,
        "state_words": words.STATES.get(state, words.plain(state)),
        "went_well": state in ("DELIVERED", "SENT"),
        "reason": words.reason_words(reason) if reason else "",
        "reason_id": reason,
        "rule": _text(entry.get("rule")),
        "source": _text(entry.get("source")),
        "text": _text(entry.get("text")),
        "figures": figures,
        "version": _text(entry.get("content_version")),
        "moves": moves,
    }


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(str(part) for part in _flat(value.values()))
    return "" if value is None else str(value)


def _flat(values: Iterable[object]) -> Iterable[object]:
    return (value for value in values if value not in (None, ""))


def _clock(instant: str) -> str:
    found = re.search(r"T(\d{2}:\d{2}:\d{2})", instant)
    return found.group(1) if found else instant
