"""`dunlin experiment plan` and `analyse`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from local.experiment.analysis import Analysis, Interval, LibraryMissing, OutcomeResult, Procedure, analysed
from local.experiment.outcomes import OutcomeError, read_outcomes
from local.experiment.planning import OptionError, Plan, planned

_SIZE_METHOD = "two-sided z-test of two proportions, no continuity correction"
_LOOKS_METHOD = "Lan and DeMets 1983, spending of O'Brien and Fleming's type, both sides, equal steps"
_INTERVAL_METHOD = "Newcombe 1998, method 10"
_STDOUT = Path("-")


def run_plan(base: float, effect: float, power: float, alpha: float, looks: int, file: Path | None) -> int:
    """Print the arm's size and the looks. The exit code: 2 for an option that cannot be."""

    def work() -> int:
        plan = planned(base, effect, power, alpha, looks)
        return _put(plan_document(plan), plan_text(plan), file, 0)

    return _said(work)


def run_analyse(file: Path, control: str, alpha: float, guards: Collection[str] | None, json_file: Path | None) -> int:
    """Print what the file shows. The exit code: 1 for a guard rail, 2 for what cannot be analysed."""

    def work() -> int:
        analysis = analysed(read_outcomes(file), control, alpha, guards)
        return _put(analysis_document(analysis), analysis_text(analysis), json_file, int(bool(analysis.stopped)))

    return _said(work)


def plan_document(plan: Plan) -> dict[str, Any]:
    return {
        **{name: getattr(plan, name) for name in ("base", "effect", "power", "alpha", "arm", "inflation")},
        "arm_without_looks": plan.single,
        "method": _SIZE_METHOD,
        "looks_method": _LOOKS_METHOD,
        "looks": [{**asdict(look), "arm": plan.seen_at(look)} for look in plan.looks],
    }


def plan_text(plan: Plan) -> str:
    changed = f"{plan.base:.2%} become {plan.base + plan.effect:.2%}"
    chances = f"a power of {plan.power:g} at alpha {plan.alpha:g}"
    lines = [f"{plan.arm:,} borrowers an arm, to see {changed} with {chances} ({_SIZE_METHOD})."]
    if len(plan.looks) > 1:
        lines += [
            f"Looks: {_LOOKS_METHOD}; they take {plan.inflation - 1:.2%} more borrowers.",
            "Stop at a look when |z| is at the boundary or beyond; z is in the output of `experiment analyse`.",
            "",
            f"{'look':>4} {'an arm':>14} {'|z|':>8} {'p':>10} {'alpha spent':>12}",
            *(
                f"{look.number:>4} {plan.seen_at(look):>14,} {look.boundary:>8.4f} {look.nominal_p:>10.3g} "
                f"{look.spent:>12.3g}"
                for look in plan.looks
            ),
        ]
    return "\n".join(lines) + "\n"


def analysis_document(analysis: Analysis) -> dict[str, Any]:
    return {**asdict(analysis), "interval_method": _INTERVAL_METHOD, "adjustment": "Holm, over the arms of an outcome"}


def analysis_text(analysis: Analysis) -> str:
    level = f"{1 - analysis.alpha:.4%}".rstrip("%").rstrip("0").rstrip(".") + " %"
    lines = [f"Against {analysis.control}; intervals of {level} ({_INTERVAL_METHOD}); p adjusted over arms by Holm."]
    for result in analysis.results:
        lines += ["", *_result_lines(result, analysis)]
    lines.append("")
    lines += [
        f"STOP {stop.arm}: {stop.outcome} is higher by {_points(stop.difference)} points (one-sided p {stop.p:.3g})."
        for stop in analysis.stopped
    ]
    if not analysis.guarded:
        lines.append("The file has no guard rail (opted_out, complained, or --guard): harm was not looked for.")
    elif not analysis.stopped:
        lines.append(f"No guard rail is broken: {', '.join(analysis.guarded)}.")
    return "\n".join(lines) + "\n"


def _result_lines(result: OutcomeResult, analysis: Analysis) -> list[str]:
    def size(arm: str) -> str:
        return f"{analysis.sizes[arm][result.outcome]:,}"

    lines = [f"{result.outcome}: {analysis.control} {result.control_share:.2%} of {size(analysis.control)}"]
    lines += [
        f"  {found.arm} {found.share:.2%} of {size(found.arm)}: {_points(found.difference)} points "
        f"({_points(found.interval.low)} to {_points(found.interval.high)}), z {found.z:.3f}, p {found.p:.3g}"
        f"{' (Fisher)' if found.test is Procedure.FISHER else ''}, adjusted {found.adjusted_p:.3g}"
        for found in result.comparisons
    ]
    lines += [f"  {its.arm}: {its.cost:.4g} for each {result.outcome} {_bounds(its.interval)}" for its in result.costs]
    return lines


def _points(share: float) -> str:
    return f"{100 * share:+.2f}"


def _bounds(interval: Interval | None) -> str:
    return f"({interval.low:.4g} to {interval.high:.4g})" if interval else "(too few for an interval)"


def _put(document: dict[str, Any], text: str, file: Path | None, code: int) -> int:
    figures = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if file == _STDOUT:
        sys.stdout.write(figures)
        return code
    if file is not None:
        file.write_text(figures, encoding="utf-8")
    sys.stdout.write(text)
    return code


def _said(work: Callable[[], int]) -> int:
    """The work's exit code, or 2 and what is wrong."""
    try:
        return work()
    except (LibraryMissing, OptionError, OutcomeError) as mistake:
        sys.stderr.write(f"{mistake}\n")
    except OSError as error:
        if error.filename is None:
            raise
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
    return 2
