"""Main effects of the factors of a sweep, against values worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from imil_sim.report.analysis import random_cells
from imil_sim.report.results import results_table
from imil_sim.report.sweeps import MINUS, FactorEffect, SweepResult, number, sweep_results, swept_values
from imil_sim.stats import Components
from imil_sim.study.study import Study

ARMS = {"baseline": 0.0, "lesions": 0.0, "random-cells": 0.0}
CROSSED = {"feedback.num_outliers": [5, 10, 20], "feedback.fill": ["black", "mean"], "feedback.grid_size": [2, 4, 8]}
SEEDS, IMAGES = 5, 4
DOUBLING = np.array([0.010, 0.020, 0.030, 0.040, 0.050])  # by seed: mean 0.03, variance 0.00025
FILL = np.array([-0.04, -0.03, -0.02, -0.03, -0.03])  # mean -0.03, variance 0.00005
GRID = np.array([0.0, -0.002, -0.001, 0.001, -0.003])  # by doubling; mean -0.001, variance 0.0000025
LUCK = np.array([0.0, 0.1, -0.1, 0.05, 0.02])
ON_IMAGE = np.array([0.3, -0.3, 0.1, -0.1])
"""What the fill ``mean`` does to each image in every seed, beside what it does to all: mean 0, variance 0.2 / 3."""


def study_of(synthetic: Any, vary: dict[str, list[Any]], base: Any = "lesions", how: str = "crossed") -> Study:
    sweep = {"base": base, "how": how, "vary": vary}
    study, _ = synthetic(ARMS, seeds=SEEDS, images=4, sweeps={"s": sweep})
    return study  # type: ignore[no-any-return]


def components(study: Study, value: Callable[[int, bool, int], Any]) -> Components:
    """A metric made of what (outliers, whether the fill is mean, rows of the grid) are worth by seed."""
    parts = np.zeros((len(study.arms), SEEDS, IMAGES))
    for place, arm in enumerate(study.arms.values()):
        if arm.feedback is not None:
            mean = arm.feedback.fill == "mean"
            of_seed = 0.7 + LUCK + value(arm.feedback.num_outliers, mean, arm.feedback.grid_size[0])
            parts[place] = of_seed[:, None] + mean * ON_IMAGE
    return Components("auroc", parts.mean(axis=2), parts)


def additive(outliers: int, mean: bool, grid: int) -> Any:
    return math.log2(outliers / 5) * DOUBLING + mean * FILL + math.log2(grid / 2) * GRID


def result_of(study: Study, of: Components, among: list[str] | None = None) -> SweepResult:
    (found,) = sweep_results(study, {"auroc": of}, study.arms if among is None else among)
    return found


def factor(of: SweepResult, field: str) -> FactorEffect:
    (found,) = [one for one in of.factors if one.field == f"feedback.{field}"]
    return found


def test_a_crossed_sweep_has_the_effects_and_intervals_worked_out_by_hand(synthetic: Any) -> None:
    study = study_of(synthetic, CROSSED)
    found = result_of(study, components(study, additive))
    assert [one.field for one in found.factors] == ["feedback.num_outliers", "feedback.fill", "feedback.grid_size"]
    assert all(len(one.arms) == 18 and not one.left_out for one in found.factors)

    (slope,) = factor(found, "num_outliers").effects
    assert (slope.label, factor(found, "num_outliers").size) == ("per doubling", pytest.approx(2 * 0.03))
    se = math.sqrt(0.00025 / 5)
    for estimate in slope.estimate[:2]:  # no image cares how many outliers there are: A is the paired t, as B is
        assert (estimate.value, estimate.se, estimate.df) == pytest.approx((0.03, se, 4))
        assert estimate.high == pytest.approx(0.03 + t.ppf(0.975, 4) * se)
    assert slope.primary is slope.estimate.a

    (fill,) = factor(found, "fill").effects
    assert (fill.label, factor(found, "fill").size) == (f"mean {MINUS} black", pytest.approx(0.03))
    of_seeds, of_images = 0.00005 / 5, 0.2 / 3 / IMAGES
    a, b, c = fill.estimate
    assert (a.value, a.se) == pytest.approx((-0.03, math.sqrt(of_seeds + of_images)))
    assert a.df == pytest.approx((of_seeds + of_images) ** 2 / (of_seeds**2 / 4))
    assert (b.value, b.se, b.df) == pytest.approx((-0.03, math.sqrt(of_seeds), 4))
    assert (c.value, c.se) == pytest.approx((-0.03, math.sqrt(of_images)))

    (grid,) = factor(found, "grid_size").effects
    assert (grid.estimate.b.value, grid.estimate.b.se) == pytest.approx((-0.001, math.sqrt(0.0000025 / 5)))
    assert [level.label for level in factor(found, "grid_size").levels] == ["2", "4", "8"]
    means = [level.mean.a.value for level in factor(found, "num_outliers").levels]
    assert means == pytest.approx(0.713 - 0.015 + 0.03 * np.arange(3))


def test_p_values_are_adjusted_for_all_effects_of_the_metric(synthetic: Any) -> None:
    study = study_of(synthetic, CROSSED)
    effects = [effect for one in result_of(study, components(study, additive)).factors for effect in one.effects]
    ordered = sorted(effects, key=lambda effect: effect.p)
    assert len(effects) == 3
    assert ordered[0].p_adjusted == pytest.approx(min(3 * ordered[0].p, 1.5 * ordered[1].p, ordered[2].p))


def test_all_arms_enter_where_the_arms_around_the_base_alone_would_mislead(synthetic: Any) -> None:
    def value(outliers: int, mean: bool, grid: int) -> Any:
        return 0.06 * math.log2(outliers / 5) * mean  # nothing at all with the fill of the base arm, which is black

    study = study_of(synthetic, CROSSED)
    (slope,) = factor(result_of(study, components(study, value)), "num_outliers").effects
    assert slope.estimate.b.value == pytest.approx(0.03)


def test_a_design_with_a_hole_mixes_no_factor_with_another(synthetic: Any) -> None:
    study = study_of(synthetic, CROSSED)
    lost = [arm for arm in study.arms if arm.endswith("num_outliers=20,fill=mean,grid_size=8")]
    among = [arm for arm in study.arms if arm not in lost]
    found = result_of(study, components(study, additive), among)
    assert len(lost) == 1
    assert factor(found, "num_outliers").effects[0].estimate.b.value == pytest.approx(0.03)
    assert factor(found, "fill").effects[0].estimate.b.value == pytest.approx(-0.03)
    assert len(factor(found, "fill").arms) == 16
    assert len(factor(found, "fill").left_out) == 1


def test_one_at_a_time_each_factor_has_the_arms_that_move_it(synthetic: Any) -> None:
    vary = {"feedback.num_outliers": [5, 10], "feedback.fill": ["mean", "noise"], "training.learning_rate": [0.003]}
    study = study_of(synthetic, vary, how="one-at-a-time")
    found = result_of(study, components(study, additive))
    outliers, fill = factor(found, "num_outliers"), factor(found, "fill")
    assert outliers.arms == ("lesions@num_outliers=5", "lesions@num_outliers=10", "lesions")
    assert len(outliers.left_out) == 3
    assert outliers.effects[0].estimate.b.value == pytest.approx(0.03)
    assert [effect.label for effect in fill.effects] == [
        f"noise {MINUS} mean", f"black {MINUS} mean", f"black {MINUS} noise",
    ]  # fmt: skip
    assert [effect.estimate.b.value for effect in fill.effects] == pytest.approx([0.03, 0.03, 0.0], abs=1e-12)
    (rate,) = [one for one in found.factors if one.field == "training.learning_rate"]
    assert rate.per == "doubling"


def test_every_base_arm_has_effects_of_its_own(synthetic: Any) -> None:
    study = study_of(synthetic, {"feedback.num_outliers": [5, 20]}, base=["lesions", "random-cells"])
    found = sweep_results(study, {"auroc": components(study, additive)}, study.arms)
    assert [(one.base, len(one.arms)) for one in found] == [("lesions", 2), ("random-cells", 2)]


def test_the_best_setting_is_held_against_reference_and_random_cells(synthetic: Any) -> None:
    study = study_of(synthetic, {**CROSSED, "feedback.num_outliers": [5, 10, 20]}, base=["lesions", "random-cells"])
    controls = random_cells(study)
    found = sweep_results(study, {"auroc": components(study, additive)}, study.arms, random_cells=controls)[0].best
    assert found is not None
    assert found.arm == "lesions@num_outliers=20,fill=black,grid_size=2"
    assert found.chosen_among == 18
    assert list(found.against) == ["baseline", found.arm.replace("lesions", "random-cells")]
    assert [list(study.arms)[one.reference] for one in found.against.values()] == list(found.against)


def test_the_two_strongest_factors_have_a_table_of_means(synthetic: Any) -> None:
    study = study_of(synthetic, CROSSED)
    found = result_of(study, components(study, additive)).strongest
    assert found is not None
    assert (found.rows, found.columns) == (("5", "10", "20"), ("black", "mean"))
    expected = 0.713 + 0.03 * np.arange(3)[:, None] + np.array([0.0, -0.03])
    np.testing.assert_allclose(found.means, expected, atol=1e-12)


def test_results_have_a_column_a_swept_field_and_base_arms_their_own_values(synthetic: Any) -> None:
    vary = {"feedback.num_outliers": [5], "feedback.fill": ["mean"], "feedback.imil_epoch": [[2, 4]]}
    found = swept_values(study_of(synthetic, vary, how="one-at-a-time"))
    assert list(found) == ["feedback.fill", "feedback.imil_epoch", "feedback.num_outliers"]
    assert found["feedback.num_outliers"]["lesions"] == 20
    assert found["feedback.num_outliers"]["lesions@num_outliers=5"] == 5
    assert found["feedback.fill"]["random-cells"] == "black"
    assert found["feedback.imil_epoch"]["lesions@imil_epoch=2+4"] == "2+4"
    assert "baseline" not in found["feedback.fill"]
    frame = results_table([{"arm": arm, "seed": 0} for arm in ("baseline", "lesions@num_outliers=5")], found)
    assert list(frame.columns[-3:]) == list(found)
    assert frame["feedback.fill"].tolist() == ["", "black"]
    assert frame["feedback.num_outliers"].tolist() == [pd.NA, 5]
    assert frame["feedback.num_outliers"].dtype == "Int64"


LOOPS = {
    "one-of-20": {"feedback": {"imil_epoch": 3, "num_outliers": 20}},
    "two-of-10": {"feedback": {"imil_epoch": [2, 4], "num_outliers": 10}},
    "four-of-5": {"feedback": {"imil_epoch": [1, 2, 3, 4], "num_outliers": 5}},
}


def test_named_points_are_one_factor_over_the_number_that_tells_them_apart(synthetic: Any) -> None:
    study, _ = synthetic(ARMS, seeds=SEEDS, images=4, sweeps={"s": {"base": "lesions", "points": LOOPS}})
    of = components(study, additive)
    (found,) = result_of(study, of).factors
    assert (found.field, found.per) == ("consultations", "unit")
    assert [(level.label, level.number) for level in found.levels] == [
        ("one-of-20", 1),
        ("two-of-10", 2),
        ("four-of-5", 4),
    ]
    one, two, four = (of.values[list(study.arms).index(level.arms[0])].mean() for level in found.levels)
    # 1, 2 and 4 less their mean are -4/3, -1/3 and 5/3, whose squares add up to 42/9
    assert found.effects[0].estimate.b.value == pytest.approx((-4 * one - two + 5 * four) / 3 / (42 / 9))


def test_named_points_that_no_number_tells_apart_are_compared_in_pairs(synthetic: Any) -> None:
    points = {"few": {"feedback": {"num_outliers": 5, "fill": "mean"}}, "some": {"feedback": {"num_outliers": 10}}}
    study, _ = synthetic(ARMS, seeds=SEEDS, images=4, sweeps={"s": {"base": "lesions", "points": points}})
    (found,) = result_of(study, components(study, additive)).factors
    assert (found.field, found.per, found.effects[0].label) == ("point", "", f"some {MINUS} few")
    assert found.effects[0].estimate.b.value == pytest.approx(0.03 + 0.03 - 0.0)


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("feedback.num_outliers", 20, 20.0),
        ("feedback.grid_size", (3, 5), 3.0),
        ("feedback.imil_epoch", (70,), 70.0),
        ("feedback.imil_epoch", (70, 80), None),
        ("feedback.revisit", True, None),
        ("images.seed", 3, None),
        ("model.name", "resnet18", None),
        ("augmentation.alpha", None, None),
    ],
)
def test_what_is_a_place_on_a_line(field: str, value: Any, place: float | None) -> None:
    assert number(field, value) == place
