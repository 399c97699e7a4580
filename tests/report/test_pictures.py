from __future__ import annotations

from typing import Any

import pytest

from imil_sim.report.analysis import Analysis, analyse
from imil_sim.report.document import Picture
from imil_sim.report.pictures import pictures_of
from imil_sim.report.results import results_table, run_row

ARMS = {"baseline": 0.0, "lesions": 0.05, "placebo": 0.0}
LOOPS = {
    "one-of-20": {"feedback": {"imil_epoch": 3, "num_outliers": 20}},
    "two-of-10": {"feedback": {"imil_epoch": [2, 4], "num_outliers": 10}},
    "four-of-5": {"feedback": {"imil_epoch": [1, 2, 3, 4], "num_outliers": 5}},
}


MIXED = {"coarse": {"feedback": {"grid_size": 2, "num_outliers": 5}}, "fine": {"feedback": {"grid_size": 8}}}


@pytest.fixture(scope="module")
def analysis(synthetic: Any) -> Analysis:
    sweeps = {"loops": {"base": "lesions", "points": LOOPS}, "mixed": {"base": "lesions", "points": MIXED}}
    of = {"check": {"equivalence": {"auroc": 0.07}}}
    return analyse(*synthetic(ARMS, seeds=5, images=40, sweeps=sweeps, study=of))


@pytest.fixture(scope="module")
def drawn(analysis: Analysis) -> dict[str, Picture]:
    """Every picture of the study, by name."""
    rows = [
        run_row(run.arm, run.record, (run.predictions or {}).get("main"))
        for run in analysis.runs.values()
        if run.record
    ]
    return {p.name: p for found in pictures_of(analysis, {"main": results_table(rows)}).values() for p in found}


def test_named_points_of_a_sweep_have_a_figure_with_their_trend(analysis: Analysis, drawn: dict[str, Picture]) -> None:
    main = analysis.sets["main"]
    picture = drawn["dose-loops-consultations"]
    assert "over the points of loops" in picture.caption
    assert "Slope per consultation: lesions" in picture.caption
    assert picture.table is not None
    shown = [row[:3] for row in picture.table.rows]
    values = {arm: main.components["auroc"].values[analysis.place(arm)].mean() for arm in analysis.arms}
    arms = ("lesions", "lesions@two-of-10", "lesions@four-of-5")
    assert shown[:3] == [
        ("lesions", point, pytest.approx(values[arm] - values["baseline"]))
        for point, arm in zip(LOOPS, arms, strict=True)
    ]
    assert shown[3] == ("lesions", "slope", main.trends[0].slopes["auroc"].a.value)


def test_points_that_differ_in_several_things_have_a_figure_and_no_slope(
    analysis: Analysis, drawn: dict[str, Picture]
) -> None:
    _, trend = analysis.sets["main"].trends
    assert (trend.slopes, trend.labels) == ({}, ("coarse", "fine"))
    assert "Slope" not in drawn["dose-mixed-point"].caption
    assert "at coarse" in drawn["dose-mixed-point"].alt


def test_the_margin_of_the_study_file_is_in_the_forest_of_its_metric_only(drawn: dict[str, Picture]) -> None:
    assert "±0.07" in drawn["forest-auroc"].caption
    assert "±" not in drawn["forest-accuracy"].caption


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ({"waiting": {("lesions", 5): "a reader"}}, True),
        ({"missing": [("lesions", 5)]}, True),
        ({"failed": {("lesions", 5): "no"}}, False),  # that one will not come
    ],
)
def test_a_forest_decides_nothing_of_arms_with_runs_to_come(synthetic: Any, status: Any, is_open: bool) -> None:
    of = analyse(*synthetic({"baseline": 0.0, "lesions": 0.15, "inverted": 0.15}, seeds=6, images=100, **status))
    assert max(one.p_adjusted for one in of.sets["main"].planned["auroc"]) < 0.05
    rows = [run_row(run.arm, run.record, (run.predictions or {}).get("main")) for run in of.runs.values() if run.record]
    forests = pictures_of(of, {"main": results_table(rows)})["differences"]
    assert [picture.name for picture in forests] == ["forest-auroc", "forest-accuracy"]
    for picture in forests:
        assert ("runs are still to come: lesions." in picture.caption) == is_open
        assert ("1 of them differs" in picture.alt) == is_open
