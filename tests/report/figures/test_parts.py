"""The figures of a study, found as parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim import registry
from imil_sim.report.analysis import Analysis, analyse
from imil_sim.report.document import Picture
from imil_sim.report.figures.style import MOST_ARMS, arms_shown
from imil_sim.report.parts import FigurePart, ReportData
from imil_sim.report.results import results_table, run_row

ARMS = {"baseline": 0.0, "lesions": 0.05, "placebo": 0.0}
SWEEPS = {
    "crossed": {
        "base": "lesions", "how": "crossed",
        "vary": {"feedback.num_outliers": [5, 20, 40], "feedback.fill": ["black", "mean", "noise"]},
    },
    "points": {"base": "lesions", "points": {"a": {"feedback": {"grid_size": 2}}, "b": {"training": {"epochs": 5}}}},
}  # fmt: skip


def drawn(analysis: Analysis) -> dict[str, Picture]:
    """Every picture of the study, by name."""
    rows = [run_row(r.arm, r.record, (r.predictions or {}).get("main")) for r in analysis.runs.values() if r.record]
    data = ReportData(analysis, {"main": results_table(rows)})
    parts: list[FigurePart] = list(registry.load_all("figures").values())
    return {picture.name: picture for part in parts for picture in part.draw(data) if picture is not None}


@pytest.fixture
def analysis(synthetic: Any) -> Analysis:
    of = {"check": {"equivalence": {"auroc": 0.07}}}
    found: Analysis = analyse(*synthetic(ARMS, seeds=5, images=40, sweeps=SWEEPS, study=of))
    return found


def test_every_figure_the_numbers_allow_is_there(analysis: Analysis, seen: Any) -> None:
    assert set(drawn(analysis)) == {
        "forest-auroc", "forest-accuracy", "seeds-auroc", "factors-crossed-lesions", "strongest-crossed-lesions",
        "factors-points-lesions", "reliability-top-label", "reliability-positive", "roc", "disagreement", "attention",
        "overlap",
    }  # fmt: skip


def test_a_study_without_a_run_has_no_figure(synthetic: Any, seen: Any) -> None:
    missing = [(arm, seed) for arm in ARMS for seed in (0, 1)]
    assert drawn(analyse(*synthetic(ARMS, seeds=2, images=40, missing=missing))) == {}


def test_factors_are_drawn_with_their_effects(analysis: Analysis, seen: Any) -> None:
    drawn(analysis)
    main = analysis.sets["main"]
    (result,) = [r for r in main.sweeps if r.metric == "auroc" and r.sweep == "crossed"]
    (figure,) = [f for f in seen.figures if len(f.axes) == 2 and "feedback.fill" in [a.get_title() for a in f.axes]]
    for axes, factor in zip(figure.axes, result.factors, strict=True):
        line = axes.lines[0]
        if factor.per:
            assert axes.get_xscale() == "log"
            assert line.get_xdata().tolist() == [level.number for level in factor.levels] == [5, 20, 40]
            assert line.get_ydata().tolist() == [level.mean.a.value for level in factor.levels]
        else:
            assert line.get_xdata().tolist() == [effect.primary.value for effect in factor.effects]
            assert len(axes.get_yticks()) == len(factor.effects) == 3
    assert result.strongest is not None
    (heat,) = [f.axes[0] for f in seen.figures if f.axes[0].get_ylabel() == result.factors[0].field]
    assert np.asarray(heat.collections[0].get_array()).ravel() == pytest.approx(result.strongest.means.ravel())


@pytest.mark.parametrize(
    ("status", "decided"),
    [
        ({"waiting": {("lesions", 5): "a reader"}}, [False, True]),
        ({"missing": [("lesions", 5)]}, [False, True]),
        ({"failed": {("lesions", 5): "no"}}, [True, True]),  # that one will not come
    ],
)
def test_a_forest_decides_nothing_of_arms_with_runs_to_come(
    synthetic: Any, status: Any, decided: list[bool], seen: Any
) -> None:
    of = analyse(*synthetic({"baseline": 0.0, "lesions": 0.15, "inverted": 0.15}, seeds=6, images=100, **status))
    assert max(one.p_adjusted for one in of.sets["main"].planned["auroc"]) < 0.05
    rows = [run_row(r.arm, r.record, (r.predictions or {}).get("main")) for r in of.runs.values() if r.record]
    list(registry.load("figures", "forest").draw(ReportData(of, {"main": results_table(rows)})))
    for figure in seen.figures:
        diamonds = [line for line in figure.axes[0].lines if line.get_marker() == "D"]
        assert [line.get_markerfacecolor() != "white" for line in diamonds] == decided


def test_of_many_arms_those_of_sweeps_are_left_out(synthetic: Any) -> None:
    sweeps = {"n": {"base": "lesions", "vary": {"feedback": {"num_outliers": list(range(1, 13))}}}}
    of = analyse(*synthetic(ARMS, seeds=2, images=20, sweeps=sweeps))
    assert len(of.arms) > MOST_ARMS
    assert arms_shown(of) == tuple(ARMS)
