"""Sizes and boundaries against published figures, and what holds for any of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from local.cli import app
from local.experiment.looks import Look, boundaries, crossing, inflation, spent_by
from local.experiment.planning import OptionError, arm_size, planned

SHARES = st.floats(0.01, 0.99)


def test_a_size_is_that_of_power_prop_test() -> None:
    """R's own example, `power.prop.test(p1 = .50, p2 = .75, power = .90)`: n = 76.7."""
    assert round(arm_size(0.50, 0.75, 0.90, 0.05), 1) == 76.7


def test_a_size_worked_out_by_hand() -> None:
    """(1.959964 √(2 · 0.25 · 0.75) + 0.841621 √(0.2 · 0.8 + 0.3 · 0.7))² / 0.1²."""
    by_hand = (1.959964 * math.sqrt(0.375) + 0.841621 * math.sqrt(0.37)) ** 2 / 0.01
    assert arm_size(0.2, 0.3, 0.8, 0.05) == pytest.approx(by_hand, rel=1e-6)
    assert planned(0.2, 0.1).arm == 294


@pytest.mark.parametrize(
    ("base", "effect", "power", "alpha"), [(0.619, 0.024, 0.8, 0.05), (0.01, -0.004, 0.9, 0.01), (0.5, 0.4, 0.6, 0.2)]
)
def test_a_size_is_that_of_statsmodels(base: float, effect: float, power: float, alpha: float) -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels: requirements/train.txt")
    theirs = proportion.samplesize_proportions_2indep_onetail(
        effect, base, power, ratio=1, alpha=alpha, alternative="two-sided"
    )
    assert arm_size(base, base + effect, power, alpha) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    ("looks", "known"),
    [
        (2, (2.9626, 1.9686)),
        (3, (3.7103, 2.5114, 1.9930)),
        (4, (4.3326, 2.9631, 2.3590, 2.0141)),
        (5, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
    ],
)
def test_boundaries_are_those_of_the_programs_for_it(looks: int, known: tuple[float, ...]) -> None:
    """Lan-DeMets boundaries of O'Brien and Fleming's type, two-sided 0.05, equal steps: ld98, gsDesign, rpact."""
    assert [look.boundary for look in boundaries(looks, 0.05)] == pytest.approx(known, abs=2e-4)


def test_boundaries_are_those_of_seqdesign() -> None:
    """SAS/STAT, PROC SEQDESIGN, "Computing Sample Size for Survival Data with Uniform Accrual": ERRFUNCOBF, 4 stages.

    Its second one is 2e-4 higher than what the bivariate normal distribution gives (the test below).
    """
    theirs = (4.33263, 2.96333, 2.35902, 2.01409)
    assert [look.boundary for look in boundaries(4, 0.05)] == pytest.approx(theirs, abs=2.5e-4)


def test_second_boundaries_are_those_of_the_bivariate_normal_distribution() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy: requirements/train.txt")
    for looks in (2, 4, 7):
        first, second = boundaries(looks, 0.05)[:2]
        both = stats.multivariate_normal(cov=[[1, math.sqrt(0.5)], [math.sqrt(0.5), 1]])

        def between(low: float, high: float, above: float, both: object = both) -> float:
            chance = both.cdf  # type: ignore[attr-defined]
            return float((chance([high, 40]) - chance([low, 40])) - (chance([high, above]) - chance([low, above])))

        crossed = 2 * between(-first.boundary, first.boundary, second.boundary)
        assert crossed == pytest.approx(second.spent - first.spent, abs=1e-9)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040)])
def test_the_chance_to_cross_o_brien_and_flemings_own_boundaries(looks: int, constant: float) -> None:
    """Jennison and Turnbull, *Group Sequential Methods* (2000), Table 2.3: C_B(K, 0.05) √(K / k) spend 0.05."""
    bounds = [constant * math.sqrt(looks / number) for number in range(1, looks + 1)]
    assert 2 * crossing(bounds) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (3, 2.289), (5, 2.413)])
def test_the_chance_to_cross_pococks_boundaries(looks: int, constant: float) -> None:
    """The same, Table 2.1: C_P(K, 0.05) at every look."""
    assert 2 * crossing([constant] * looks) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("looks", "power", "known"), [(2, 0.8, 1.008), (5, 0.8, 1.028), (5, 0.9, 1.026)])
def test_what_looks_cost_is_as_tabled(looks: int, power: float, known: float) -> None:
    """The same, Table 2.4: R_B(K, 0.05, β) of O'Brien and Fleming's boundaries."""
    constant = {2: 1.977, 5: 2.040}[looks]
    its_looks = [Look(n, n / looks, constant * math.sqrt(looks / n), 0, 0) for n in range(1, looks + 1)]
    assert inflation(its_looks, 0.05, power) == pytest.approx(known, abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(looks=st.integers(2, 6), alpha=st.floats(0.001, 0.3))
def test_all_looks_together_spend_alpha(looks: int, alpha: float) -> None:
    found = boundaries(looks, alpha)
    assert found[-1].spent == pytest.approx(alpha, rel=1e-9)
    assert 2 * crossing([look.boundary for look in found]) == pytest.approx(alpha, rel=1e-6)
    bounds = [look.boundary for look in found]
    assert bounds == sorted(bounds, reverse=True)
    assert found[-1].nominal_p < alpha


@given(base=SHARES, other=SHARES, power=st.floats(0.5, 0.99), alpha=st.floats(0.001, 0.2))
def test_sizes_are_symmetric_and_grow_with_what_is_asked(base: float, other: float, power: float, alpha: float) -> None:
    if abs(base - other) < 1e-3:
        return
    size = arm_size(base, other, power, alpha)
    assert arm_size(other, base, power, alpha) == pytest.approx(size)
    assert arm_size(1 - base, 1 - other, power, alpha) == pytest.approx(size)
    assert arm_size(base, other, power, alpha / 2) > size
    assert arm_size(base, other, power + 0.005, alpha) > size


def test_looks_take_more_borrowers_and_keep_the_power() -> None:
    plan = planned(0.619, 0.024, looks=5)
    assert plan.arm > planned(0.619, 0.024).arm
    assert plan.seen_at(plan.looks[-1]) == plan.arm
    drift = math.sqrt(plan.inflation) * (1.9599639845 + 0.8416212336)
    assert crossing([look.boundary for look in plan.looks], drift) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.slow
def test_the_most_looks_spend_alpha_too() -> None:
    found = boundaries(20, 0.0001)
    assert 2 * crossing([look.boundary for look in found]) == pytest.approx(0.0001, rel=1e-6)


def test_nothing_is_spent_twice() -> None:
    assert spent_by(1.0, 0.05) == pytest.approx(0.05)
    assert spent_by(0.5, 0.05) == pytest.approx(0.00305, abs=1e-5)


@pytest.mark.parametrize(
    ("option", "given_"),
    [
        ("--base", {"base": 0.0}),
        ("--base", {"base": 61.9}),
        ("--base", {"base": math.nan}),
        ("--effect", {"effect": 0.0}),
        ("--effect", {"effect": 0.9}),
        ("--effect", {"effect": -0.7}),
        ("--effect", {"effect": math.nan}),
        ("--effect", {"effect": 1e-7}),
        ("--effect", {"effect": 1e-300}),
        ("--power", {"power": 1.0}),
        ("--power", {"power": 0.01}),
        ("--power", {"power": math.nan}),
        ("--alpha", {"alpha": 0.0}),
        ("--alpha", {"alpha": 0.9}),
        ("--alpha", {"alpha": math.nan}),
        ("--looks", {"looks": 0}),
        ("--looks", {"looks": 21}),
    ],
)
def test_an_option_that_cannot_be_is_named(option: str, given_: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=rf"^{option}: "):
        planned(**{"base": 0.5, "effect": 0.1, **given_})  # type: ignore[arg-type]


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    asked = ["experiment", "plan", "--base", "0.619", "--effect", "0.024", "--looks", "2", "--json", str(out)]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0
    assert "61.90% become 64.30%" in result.stdout
    assert '"arm"' in out.read_text(encoding="utf-8")
    wrong = CliRunner().invoke(app, ["experiment", "plan", "--base", "61.9", "--effect", "2.4"])
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("--base: ")
