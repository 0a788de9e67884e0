"""What an experiment has shown, against published figures, figures by hand, and what holds for any."""

from __future__ import annotations

import builtins
import json
import math
import random
import statistics
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from local.cli import app
from local.experiment.analysis import Analysis, Comparison, LibraryMissing, Procedure, analysed, cost_of_success
from local.experiment.outcomes import Arm, Costs, Outcomes
from local.experiment.planning import OptionError

CAMPBELL = "arm,n,successes\ncontrol,34500,21356\nmessage,34500,22184\n"
Z95 = statistics.NormalDist().inv_cdf(0.975)


@pytest.fixture(scope="module")
def library() -> None:
    """For what cannot be worked out without it."""
    pytest.importorskip("statsmodels", reason="statsmodels is not installed: requirements/train.txt")


def counted(*arms: tuple[str, int, int], outcome: str = "outcome") -> Outcomes:
    return Outcomes(tuple(Arm(name, {outcome: size}, {outcome: had}, None) for name, had, size in arms), (outcome,))


def compared(had: int, size: int, control_had: int, control_size: int, alpha: float = 0.05) -> Comparison:
    data = counted(("control", control_had, control_size), ("arm", had, size))
    return analysed(data, alpha=alpha).results[0].comparisons[0]


def listed(costs: list[tuple[str, bool]]) -> Arm:
    """An arm whose borrowers cost so much and did or did not come round."""
    amounts = [(Decimal(cost), cured) for cost, cured in costs]
    return Arm(
        "arm",
        {"cured": len(amounts)},
        {"cured": sum(cured for _, cured in amounts)},
        Costs(
            sum((cost for cost, _ in amounts), Decimal(0)),
            sum((cost * cost for cost, _ in amounts), Decimal(0)),
            {"cured": sum((cost for cost, cured in amounts if cured), Decimal(0))},
        ),
    )


@pytest.mark.usefixtures("library")
def test_the_published_figures_come_out(tmp_path: Path) -> None:
    """Campbell, Grant and Thorp 2022: 64.3 % against 61.9 %, 2.4 points, 95 % interval 1.68 to 3.12, 34,500 an arm."""
    path = tmp_path / "campbell.csv"
    path.write_text(CAMPBELL, encoding="utf-8")
    result = CliRunner().invoke(app, ["experiment", "analyse", str(path), "--json", "-"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)["results"][0]
    message = found["comparisons"][0]
    assert (round(100 * message["share"], 1), round(100 * found["control_share"], 1)) == (64.3, 61.9)
    assert round(100 * message["difference"], 1) == 2.4
    assert [round(100 * message["interval"][end], 2) for end in ("low", "high")] == [1.68, 3.12]
    text = CliRunner().invoke(app, ["experiment", "analyse", str(path)]).stdout
    assert "message 64.30% of 34,500: +2.40 points (+1.68 to +3.12)" in text


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("one", "other", "known"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_intervals_are_those_of_newcombes_table(
    one: tuple[int, int], other: tuple[int, int], known: tuple[float, float]
) -> None:
    """Newcombe 1998, Table II, method 10, all eight cases."""
    interval = compared(*one, *other).interval
    assert (interval.low, interval.high) == pytest.approx(known, abs=6e-5)


@pytest.mark.usefixtures("library")
def test_p_values_by_hand() -> None:
    """56/70 against 48/80: pooled 104/150, z² = 7.0234 (chi-square without correction). 3/4 against 1/4: R's tea."""
    ordinary = compared(56, 70, 48, 80)
    assert ordinary.test is Procedure.Z
    assert ordinary.z == pytest.approx(0.2 / math.sqrt(104 / 150 * 46 / 150 * (1 / 70 + 1 / 80)))
    assert ordinary.p == pytest.approx(0.008045, abs=1e-6)
    few = compared(3, 4, 1, 4)
    assert few.test is Procedure.FISHER
    assert few.p == pytest.approx(34 / 70)


@pytest.mark.usefixtures("library")
def test_holm_over_the_arms_of_an_outcome() -> None:
    data = counted(("control", 500, 1000), ("a", 540, 1000), ("b", 560, 1000), ("c", 535, 1000))
    found = analysed(data).results[0].comparisons
    low, middle, high = sorted(comparison.p for comparison in found)
    by_hand = {low: 3 * low, middle: max(3 * low, 2 * middle), high: max(3 * low, 2 * middle, high)}
    for comparison in found:
        assert comparison.adjusted_p == pytest.approx(by_hand[comparison.p])


COUNTS = st.integers(1, 400).flatmap(lambda size: st.tuples(st.integers(0, size), st.just(size)))


@pytest.mark.slow
@pytest.mark.usefixtures("library")
@settings(max_examples=40, deadline=None)
@given(one=COUNTS, other=COUNTS)
def test_swapped_arms_mirror_and_less_alpha_is_wider(one: tuple[int, int], other: tuple[int, int]) -> None:
    found, swapped, surer = compared(*one, *other), compared(*other, *one), compared(*one, *other, alpha=0.01)
    assert found.difference == pytest.approx(-swapped.difference)
    assert (found.interval.low, found.interval.high) == pytest.approx((-swapped.interval.high, -swapped.interval.low))
    assert found.p == pytest.approx(swapped.p)
    assert found.z == pytest.approx(-swapped.z)
    assert -1 <= found.interval.low <= found.difference + 1e-12
    assert found.difference - 1e-12 <= found.interval.high <= 1
    assert surer.interval.low <= found.interval.low + 1e-12
    assert surer.interval.high >= found.interval.high - 1e-12
    assert 0 <= found.p <= 1


@pytest.mark.usefixtures("library")
def test_guard_rails_stop_an_arm(tmp_path: Path) -> None:
    def run(opted_out: int, *options: str) -> tuple[int, str]:
        text = "arm,outcome,n,successes\n" + "".join(
            f"{arm},{outcome},1000,{had}\n"
            for arm, outcome, had in (
                ("control", "opted_out", 20),
                ("message", "opted_out", opted_out),
                ("control", "cured_7", 300),
                ("message", "cured_7", 500),
            )
        )
        path = tmp_path / "guard.csv"
        path.write_text(text, encoding="utf-8")
        result = CliRunner().invoke(app, ["experiment", "analyse", str(path), *options])
        return result.exit_code, result.stdout

    code, text = run(60)
    assert code == 1
    assert "STOP message: opted_out is higher by +4.00 points" in text
    code, text = run(22)
    assert (code, "No guard rail is broken: opted_out." in text) == (0, True)
    assert run(0)[0] == 0  # fewer is no harm
    assert run(22, "--guard", "cured_7")[0] == 1
    assert run(22, "--guard", "angry")[0] == 2


@pytest.mark.usefixtures("library")
def test_a_rare_complaint_is_tested_exactly() -> None:
    """4 of 50 against none of 50: one-sided, C(50, 4) / C(100, 4) = 0.0587; 5: 0.0281."""
    for had, stopped in ((4, False), (5, True)):
        found = analysed(counted(("control", 0, 50), ("arm", had, 50), outcome="complained"))
        assert bool(found.stopped) is stopped
    assert found.stopped[0].p == pytest.approx(math.comb(50, 5) / math.comb(100, 5))


def test_a_file_without_guard_rails_is_told_so(library: None, tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text(CAMPBELL, encoding="utf-8")
    assert "harm was not looked for" in CliRunner().invoke(app, ["experiment", "analyse", str(path)]).stdout


@pytest.mark.usefixtures("library")
def test_numbers_at_the_ends() -> None:
    nobody = compared(0, 10, 0, 10)
    assert (nobody.z, nobody.p) == (0, 1)
    huge = compared(6, 10**9, 1, 10**9)
    assert 0 < huge.p < 1
    assert isinstance(analysed(counted(("control", 1, 1), ("arm", 0, 1))), Analysis)


@pytest.mark.parametrize("seed", range(5))
def test_a_cost_of_success_lies_where_its_residual_is_significant(seed: int) -> None:
    """Fieller's bounds r are those at which the mean of cost − r · success is z standard errors from nought."""
    draw = random.Random(seed)
    costs = [(f"{draw.uniform(0, 2):.4f}", draw.random() < 0.3) for _ in range(400)]
    found = cost_of_success(listed(costs), "cured", 0.05)
    assert found is not None
    assert found.interval is not None
    assert found.interval.low < found.cost < found.interval.high
    for bound in (found.interval.low, found.interval.high):
        residuals = [float(cost) - bound * cured for cost, cured in costs]
        error = statistics.stdev(residuals) / math.sqrt(len(residuals))
        assert abs(statistics.fmean(residuals)) == pytest.approx(Z95 * error)


def test_the_interval_of_a_cost_holds_as_often_as_it_says() -> None:
    draw = random.Random(11)
    held = 0
    for _ in range(600):
        sample = [(str(draw.choice((1, 2, 3))), draw.random() < 0.4) for _ in range(150)]
        found = cost_of_success(listed(sample), "cured", 0.05)
        assert found is not None
        assert found.interval is not None
        held += found.interval.low <= 2 / 0.4 <= found.interval.high
    assert 0.925 < held / 600 < 0.975


def test_a_cost_without_enough_successes_has_no_interval() -> None:
    few = cost_of_success(listed([("1", True), *[("1", False)] * 50]), "cured", 0.05)
    assert few is not None
    assert (few.cost, few.interval) == (51, None)
    assert cost_of_success(listed([("1", False)] * 5), "cured", 0.05) is None
    alone = cost_of_success(listed([("1", True)]), "cured", 0.05)
    assert alone is not None
    assert alone.interval is None
    sure = cost_of_success(listed([("1", True)] * 9), "cured", 0.05)
    assert sure is not None
    assert sure.interval is not None
    assert (sure.interval.low, sure.interval.high) == (1, 1)


def test_costs_are_printed_for_outcomes_that_are_wished_for(library: None, tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    rows = [f"{arm},{n % 2},{n % 3 == 0:d},0.05" for arm in ("control", "message") for n in range(60)]
    path.write_text("arm,cured_7,opted_out,cost\n" + "\n".join(rows) + "\n", encoding="utf-8")
    text = CliRunner().invoke(app, ["experiment", "analyse", str(path)]).stdout
    assert "message: 0.1 for each cured_7 (0.07" in text
    assert "for each opted_out" not in text


@pytest.mark.parametrize(
    ("arms", "control", "alpha", "option"),
    [
        ((("a", 1, 2), ("b", 1, 2)), "control", 0.05, "--control"),
        ((("control", 1, 2),), "control", 0.05, "--control"),
        ((("control", 1, 2), ("b", 1, 2)), "control", 0.0, "--alpha"),
    ],
)
def test_what_cannot_be_compared_names_the_option(
    arms: tuple[tuple[str, int, int], ...], control: str, alpha: float, option: str
) -> None:
    with pytest.raises(OptionError, match=rf"^{option}: "):
        analysed(counted(*arms), control, alpha)


def test_a_broken_file_is_refused_by_the_command(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("arm,outcome\ncontrol,1\nmessage,2\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["experiment", "analyse", str(path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("row 3, outcome: must be 0 or 1\n")


def test_without_the_library_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    really = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] in ("scipy", "statsmodels"):
            raise ImportError(name)
        return really(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(LibraryMissing, match=r"requirements/train\.txt"):
        analysed(counted(("control", 1, 2), ("arm", 1, 2)))
