from __future__ import annotations

import math
from typing import Any

import pytest
from scipy.stats import t as student

from imil_sim.report.analysis import analyse
from imil_sim.report.tables import arms, comparisons

LABELS = [0, 0, 1, 1]
THREE_OF_FOUR = [0.1, 0.4, 0.35, 0.8]
"""One of four pairs of a normal image and a TB image is in the wrong order: AUROC 0.75."""
ALL_RIGHT = [0.1, 0.2, 0.7, 0.9]


def test_an_arm_in_numbers_worked_out_by_hand(hand_made: Any, made: Any) -> None:
    tables = made(arms.PART, hand_made({"baseline": [THREE_OF_FOUR, ALL_RIGHT]}, LABELS))
    row, *others = tables["arm-intervals"].rows
    assert row[:3] == ("baseline", "AUROC ↑", 2)
    assert row[3:8] == pytest.approx((0.875, 0.125 * math.sqrt(2), 0.875, 0.75, 1.0))
    assert row[8] is None
    assert row[9] == "0.000 to 1.000"  # 0.875 -+ 12.7 x 0.125, cut where an AUROC can lie
    assert [other[1] for other in others] == [
        "Accuracy ↑", "Brier score ↓", "ECE, top label ↓", "ECE, positive class ↓"
    ]  # fmt: skip
    assert tables["arms"].rows[0][:3] == ("baseline", "2 of 2", "0.875 (0.177)")


def test_differences_worked_out_by_hand(hand_made: Any, made: Any) -> None:
    scores = {"baseline": [THREE_OF_FOUR, ALL_RIGHT], "other": [ALL_RIGHT, THREE_OF_FOUR]}
    table = made(comparisons.PLANNED, hand_made(scores, LABELS))["differences"]
    assert table.columns[0].heading == "Arm − baseline"
    name, metric, seeds, difference, a, b, _, p, holm, better, mde = table.rows[0]
    assert (name, metric, seeds, difference, better) == ("other", "AUROC ↑", 2, 0.0, 0.5)
    assert (a, b) == (None, "−1.000 to +1.000")
    assert (p, holm, mde) == (None, None, None)
    assert len(table.rows) == 5


def test_comparisons_with_several_arms_name_both(synthetic: Any, made: Any) -> None:
    pairs = [["lesions", "baseline"], ["lesions", "random-cells"]]
    means = {"baseline": 0.0, "lesions": 0.1, "random-cells": 0.0, "placebo": 0.0}
    analysis = analyse(*synthetic(means, seeds=5, images=60, study={"comparisons": pairs}))
    table = made(comparisons.PLANNED, analysis)["differences"]
    assert [row[0] for row in table.rows[:2]] == ["lesions − baseline", "lesions − random-cells"]
    main = analysis.sets["main"]
    assert [row[3] for row in table.rows] == [one.a.value for of in main.planned.values() for one in of]
    explored = made(comparisons.EXPLORATORY, analysis)["exploratory"]
    assert [row[0] for row in explored.rows[:2]] == ["random-cells", "placebo"]
    assert [row[8] for row in explored.rows] == [one.p_adjusted for of in main.exploratory.values() for one in of]


def test_a_run_that_is_not_done_keeps_its_place_among_the_seeds(synthetic: Any, made: Any) -> None:
    means = {"baseline": 0.0, "mixup": 0.0, "cutout": 0.0}
    unfinished = {"failed": {("mixup", 1): "no memory"}, "waiting": {("mixup", 2): "Dr. A"}, "missing": [("cutout", 0)]}
    analysis = analyse(*synthetic(means, seeds=3, images=40, **unfinished))
    tables = made(arms.PART, analysis)
    table = tables["seeds"]
    assert [column.heading for column in table.columns] == ["Arm", "seed 0", "seed 1", "seed 2"]
    assert table.rows[0][1] == analysis.sets["main"].components["auroc"].values[0, 0]
    assert table.rows[1][2:] == ("failed", "waiting")
    assert table.rows[2][1] == "missing"
    assert [row[1] for row in tables["arms"].rows] == ["3 of 3", "1 of 3", "2 of 3"]


def test_an_arm_without_any_run_is_there(hand_made: Any, made: Any) -> None:
    table = made(arms.PART, hand_made({"baseline": [ALL_RIGHT], "other": [None]}, LABELS))["arms"]
    assert table.rows[1] == ("other", "0 of 1", None, None, None, None, None)


def test_a_split_per_seed_has_b_for_its_primary_interval(synthetic: Any, made: Any) -> None:
    of = synthetic({"baseline": 0.0, "mixup": 0.1}, seeds=5, images=60, study={"split": {"method": "per-seed"}})
    analysis = analyse(*of)
    table = made(comparisons.PLANNED, analysis)["differences"]
    _, _, _, _, a, b, c, p, *_ = table.rows[0]
    assert (a, c) == (None, None)
    assert isinstance(b, str)
    assert p == analysis.sets["main"].planned["auroc"][0].b.p
    assert [column.heading for column in table.columns if "the primary one" in column.explained] == ["B: 95% CI"]


FILLS = {"fills": {"base": "lesions", "vary": {"feedback": {"num_outliers": [5, 10, 20], "fill": ["black", "mean"]}}}}


def test_every_factor_of_a_sweep_has_its_effect(synthetic: Any, made: Any) -> None:
    analysis = analyse(*synthetic({"baseline": 0.0, "lesions": 0.1}, seeds=5, images=40, sweeps=FILLS))
    tables = made(comparisons.EXPLORATORY, analysis)
    results = analysis.sets["main"].sweeps
    effects = [(f.field, e.primary.value, e.p_adjusted) for r in results for f in r.factors for e in f.effects]
    shown = [(str(row[0]).rsplit(" ", 1)[-1], row[7], row[12]) for row in tables["effects"].rows]
    assert shown == effects
    assert [row[1] for row in tables["effects"].rows[:2]] == ["AUROC ↑", "AUROC ↑"]
    none = analyse(*synthetic({"baseline": 0.0, "lesions": 0.1}, seeds=2, images=40))
    assert made(comparisons.EXPLORATORY, none) == {}


def test_a_margin_of_equivalence_is_tested_where_the_study_file_has_one(synthetic: Any, made: Any) -> None:
    means = {"baseline": 0.0, "lesions": 0.0, "mixup": 0.0}
    margin = {"check": {"equivalence": {"auroc": 0.2}}, "comparisons": [["lesions", "baseline"]]}
    analysis = analyse(*synthetic(means, seeds=6, images=60, study=margin))
    table = made(comparisons.PLANNED, analysis)["differences"]
    assert [column.heading for column in table.columns][-1] == "TOST p"
    difference = analysis.sets["main"].planned["auroc"][0].primary
    t = (0.2 - abs(difference.value)) / difference.se  # the nearer of the two ends
    assert [row[-1] for row in table.rows] == [pytest.approx(student(difference.df).sf(t)), None, None, None, None]
    assert "TOST p" not in [column.heading for column in made(comparisons.EXPLORATORY, analysis)["exploratory"].columns]
