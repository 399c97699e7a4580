from __future__ import annotations

import math
from typing import Any

import pytest
from scipy.stats import t as student

from imil_sim.report.analysis import analyse
from imil_sim.report.tables import (
    arms_by_metric,
    arms_overview,
    exploratory_differences,
    planned_differences,
    seeds_table,
    trends_table,
)

LABELS = [0, 0, 1, 1]
THREE_OF_FOUR = [0.1, 0.4, 0.35, 0.8]
"""One of four pairs of a normal image and a TB image is in the wrong order: AUROC 0.75."""
ALL_RIGHT = [0.1, 0.2, 0.7, 0.9]


def test_an_arm_in_numbers_worked_out_by_hand(hand_made: Any) -> None:
    analysis = hand_made({"baseline": [THREE_OF_FOUR, ALL_RIGHT]}, LABELS)
    table, *others = arms_by_metric(analysis, analysis.sets["main"])
    assert [t.name for t in others] == ["arms-accuracy", "arms-brier", "arms-ece-top-label", "arms-ece-positive"]
    (row,) = table.rows
    assert row[:2] == ("baseline", 2)
    assert row[2:7] == pytest.approx((0.875, 0.125 * math.sqrt(2), 0.875, 0.75, 1.0))
    assert row[7] is None
    assert row[8] == "0.000 to 1.000"  # 0.875 -+ 12.7 x 0.125, cut where an AUROC can lie
    assert any(note.startswith("No interval A: ") and "5 seeds" in note for note in table.notes)
    assert any("exactly 0 or 1" in note for note in table.notes)
    (overview,) = arms_overview(analysis, analysis.sets["main"]).rows
    assert overview[:3] == ("baseline", "2 of 2", "0.875 (0.177)")


def test_differences_worked_out_by_hand(hand_made: Any) -> None:
    scores = {"baseline": [THREE_OF_FOUR, ALL_RIGHT], "other": [ALL_RIGHT, THREE_OF_FOUR]}
    analysis = hand_made(scores, LABELS)
    table, *_ = planned_differences(analysis, analysis.sets["main"])
    assert table.columns[0].heading == "Arm − baseline"
    (row,) = table.rows
    name, seeds, difference, a, b, _, p, holm, better, mde = row
    assert (name, seeds, difference, better) == ("other", 2, 0.0, 0.5)
    assert a is None
    assert b == "−1.000 to +1.000"
    assert all(math.isnan(float(value)) for value in (p, holm, mde))
    assert any(note == "No MDE: there is no inference A (other)." for note in table.notes)
    assert any(note.startswith("No p: ") for note in table.notes)


def test_comparisons_with_several_arms_name_both(synthetic: Any) -> None:
    pairs = [["lesions", "baseline"], ["lesions", "random-cells"]]
    arms = {"baseline": 0.0, "lesions": 0.1, "random-cells": 0.0, "placebo": 0.0}
    analysis = analyse(*synthetic(arms, seeds=5, images=60, study={"comparisons": pairs}))
    table, *_, ece = planned_differences(analysis, analysis.sets["main"])
    assert table.columns[0].heading == "Comparison"
    assert [row[0] for row in table.rows] == ["lesions − baseline", "lesions − random-cells"]
    assert float(table.rows[0][2]) == pytest.approx(analysis.sets["main"].planned["auroc"][0].a.value)
    assert not any("2.75" in note for note in table.notes)
    assert any("2.75" in note and "interval C" in note for note in ece.notes)
    explored, *_ = exploratory_differences(analysis, analysis.sets["main"])
    assert [row[0] for row in explored.rows] == ["random-cells", "placebo"]
    assert explored.caption.startswith("Exploratory")
    assert any("Benjamini and Hochberg" in note for note in explored.notes)
    assert any(note.startswith("placebo replaces nothing") for note in explored.notes)


def test_a_run_that_is_not_done_keeps_its_place_among_the_seeds(synthetic: Any) -> None:
    arms = {"baseline": 0.0, "mixup": 0.0, "cutout": 0.0}
    unfinished = {"failed": {("mixup", 1): "no memory"}, "waiting": {("mixup", 2): "Dr. A"}, "missing": [("cutout", 0)]}
    analysis = analyse(*synthetic(arms, seeds=3, images=40, **unfinished))
    table = seeds_table(analysis, analysis.sets["main"])
    assert [column.heading for column in table.columns] == ["Arm", "seed 0", "seed 1", "seed 2"]
    assert table.rows[0][1] == analysis.sets["main"].components["auroc"].values[0, 0]
    assert table.rows[1][2:] == ("failed", "waiting")
    assert table.rows[2][1] == "missing"
    assert "further down" in table.notes[0]
    overview = arms_overview(analysis, analysis.sets["main"])
    assert [row[1] for row in overview.rows] == ["3 of 3", "1 of 3", "2 of 3"]


def test_an_arm_without_any_run_is_there_and_says_why(hand_made: Any) -> None:
    analysis = hand_made({"baseline": [ALL_RIGHT], "other": [None]}, LABELS)
    table = arms_overview(analysis, analysis.sets["main"])
    assert table.rows[1] == ("other", "0 of 1", None, None, None, None, None)
    assert "No metrics: no run is done (other)." in table.notes


def test_a_split_per_seed_has_b_for_its_primary_interval(synthetic: Any) -> None:
    of = synthetic({"baseline": 0.0, "mixup": 0.1}, seeds=5, images=60, study={"split": {"method": "per-seed"}})
    analysis = analyse(*of)
    (table, *_), main = planned_differences(analysis, analysis.sets["main"]), analysis.sets["main"]
    ((_, _, _, a, b, c, p, *_),) = table.rows
    assert (a, c) == (None, None)
    assert isinstance(b, str)
    assert p == main.planned["auroc"][0].b.p
    assert any(note.startswith("No interval A or C: every seed has a split") for note in table.notes)
    assert "primary" in table.columns[4].explained
    assert "primary" not in table.columns[3].explained
    assert "images of its own, 60 of them" in arms_overview(analysis, main).notes[0]


def test_the_slope_of_a_sweep(synthetic: Any) -> None:
    sweeps = {"outliers": {"base": "lesions", "vary": {"feedback": {"num_outliers": [5, 10, 20, 40]}}}}
    analysis = analyse(*synthetic({"baseline": 0.0, "lesions": 0.1}, seeds=5, images=40, sweeps=sweeps))
    table = trends_table(analysis, analysis.sets["main"])
    assert table is not None
    assert table.rows[0][:5] == (
        "lesions by feedback.num_outliers", "outliers", "5, 10, 20, 40", "AUROC", "a doubling"
    )  # fmt: skip
    assert table.rows[0][5] == analysis.sets["main"].trends[0].slopes["auroc"].a.value
    assert math.isnan(float(table.rows[0][9])) == math.isnan(float(table.rows[0][10]))
    none = analyse(*synthetic({"baseline": 0.0, "lesions": 0.1}, seeds=2, images=40))
    assert trends_table(none, none.sets["main"]) is None


LOOPS = {
    "one-of-20": {"feedback": {"imil_epoch": 3, "num_outliers": 20}},
    "two-of-10": {"feedback": {"imil_epoch": [2, 4], "num_outliers": 10}},
    "four-of-5": {"feedback": {"imil_epoch": [1, 2, 3, 4], "num_outliers": 5}},
}


def test_the_slope_over_named_points_is_per_consultation(synthetic: Any) -> None:
    sweeps = {"loops": {"base": "lesions", "points": LOOPS}}
    analysis = analyse(*synthetic({"baseline": 0.0, "lesions": 0.1}, seeds=5, images=40, sweeps=sweeps))
    table = trends_table(analysis, analysis.sets["main"])
    assert table is not None
    row = table.rows[0]
    assert row[:5] == (
        "lesions by consultations", "loops", "one-of-20 (1), two-of-10 (2), four-of-5 (4)", "AUROC", "a unit"
    )  # fmt: skip
    arms = ("lesions", "lesions@two-of-10", "lesions@four-of-5")
    one, two, four = (analysis.sets["main"].components["auroc"].values[analysis.place(arm)].mean() for arm in arms)
    # 1, 2 and 4 less their mean are -4/3, -1/3 and 5/3, whose squares add up to 42/9
    assert row[5] == pytest.approx((-4 * one - two + 5 * four) / 3 / (42 / 9))
    assert any("consultations" in note for note in table.notes)


def test_p_values_of_slopes_are_adjusted_metric_by_metric_over_all_lines(synthetic: Any) -> None:
    sweeps = {
        "outliers": {"base": ["lesions", "random-cells"], "vary": {"feedback": {"num_outliers": [5, 10, 20, 40]}}},
        "loops": {"base": "lesions", "points": LOOPS},
    }
    arms = {"baseline": 0.0, "lesions": 0.0, "random-cells": 0.0, "lesions@num_outliers=40": 0.15}
    analysis = analyse(*synthetic(arms, seeds=5, images=40, sweeps=sweeps))
    table = trends_table(analysis, analysis.sets["main"])
    assert table is not None
    assert [column.heading for column in table.columns][-2:] == ["p", "BH p"]
    for metric in ("AUROC", "Brier score"):
        pairs = [(float(row[-2]), float(row[-1])) for row in table.rows if row[3] == metric]  # type: ignore[arg-type]
        assert len(pairs) == 3
        (least, adjusted), (middle, of_middle), (most, of_most) = sorted(pairs)
        assert of_most == pytest.approx(most)
        assert of_middle == pytest.approx(min(most, 1.5 * middle))
        assert adjusted == pytest.approx(min(most, 1.5 * middle, 3 * least))
        assert adjusted > least


def test_a_margin_of_equivalence_is_tested_where_the_study_file_has_one(synthetic: Any) -> None:
    arms = {"baseline": 0.0, "lesions": 0.0, "mixup": 0.0}
    margin = {"check": {"equivalence": {"auroc": 0.2}}, "comparisons": [["lesions", "baseline"]]}
    analysis = analyse(*synthetic(arms, seeds=6, images=60, study=margin))
    main = analysis.sets["main"]
    auroc, accuracy, *_ = planned_differences(analysis, main)
    assert [column.heading for column in auroc.columns][-1] == "TOST p"
    (row,) = auroc.rows
    difference = main.planned["auroc"][0].primary
    t = (0.2 - abs(difference.value)) / difference.se  # the nearer of the two ends
    assert row[-1] == pytest.approx(student(difference.df).sf(t))
    assert any(note.startswith("TOST p:") and "within ±0.2" in note for note in auroc.notes)
    others = [accuracy, *exploratory_differences(analysis, main)]
    assert not any("TOST" in column.heading for table in others for column in table.columns)
    assert not any("TOST" in note for table in others for note in table.notes)
