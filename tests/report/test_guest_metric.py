"""A guest's metrics run through the numbers of a report: columns, comparisons, tables, and which side is better."""

from __future__ import annotations

import math
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from imil_sim import registry
from imil_sim.report.analysis import Analysis, analyse
from imil_sim.report.compare import compare_studies
from imil_sim.report.results import COLUMNS, differences_table, results_table, run_row
from imil_sim.report.tables.text import metric_label
from imil_sim.stats import Metric, jackknifed
from imil_sim.stats.metric import Floats, Labels
from imil_sim.stats.metrics import brier


def _rmse(labels: Labels, probabilities: Floats) -> float:
    return math.sqrt(brier(labels, probabilities))


LOWER = Metric(name="rmse", label="RMSE", higher_is_better=False, value=_rmse, pseudovalues=jackknifed(_rmse))
HIGHER = Metric(name="skill", label="skill", higher_is_better=True, value=lambda labels, p: 1 - _rmse(labels, p))


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch, synthetic: Any) -> list[Analysis]:
    """A study, and the same with lesions made better, judged in the primary metric and the guests'."""
    found = {"LOWER": LOWER, "HIGHER": HIGHER}
    entries = [EntryPoint(of.name, f"{__name__}:{at}", "imil_sim.metrics") for at, of in found.items()]
    ours = registry._entries
    monkeypatch.setattr(registry, "_entries", lambda kind: (*ours(kind), *(entries if kind == "metrics" else [])))
    effects = ({"baseline": 0.0, "lesions": 0.0}, {"baseline": 0.0, "lesions": 0.15})
    studies = [synthetic(arms, seeds=5, images=60) for arms in effects]
    return [analyse(*study, metrics=("auroc", "rmse", "skill")) for study in studies]


def test_the_results_have_a_further_column_and_the_differences_rows_of_their_own(analyses: list[Analysis]) -> None:
    of = analyses[1]
    runs = [run for run in of.runs.values() if run.record and run.predictions]
    frame = results_table([run_row(run.arm, run.record, run.predictions["main"]) for run in runs])  # type: ignore[arg-type,index]
    assert list(frame.columns) == [*COLUMNS, "rmse", "skill"]
    assert (frame["rmse"] ** 2).to_numpy() == pytest.approx(frame["brier"].to_numpy())
    rows = differences_table(of).set_index("metric")
    assert list(dict.fromkeys(rows.index)) == ["auroc", "rmse", "skill"]
    assert rows.loc["rmse", "difference"] == pytest.approx(-rows.loc["skill", "difference"])
    assert rows.loc["rmse", "p_holm"] == rows.loc["rmse", "p"]  # one comparison: adjusted within its own metric
    assert not math.isnan(rows.loc["rmse", "low_a"])
    assert math.isnan(rows.loc["skill", "low_a"])
    assert rows.loc["skill", "p"] == rows.loc["skill", "p_holm"]  # of inference B, the only one there is
    assert rows.loc["skill", "low_b"] > 0


def test_the_better_side_follows_the_metric(analyses: list[Analysis]) -> None:
    assert (metric_label("rmse"), metric_label("skill")) == ("RMSE ↓", "Skill ↑")
    rows = compare_studies(*analyses).rows.set_index(["metric", "arm"])
    assert rows.loc[("rmse", "lesions"), "difference"] < 0
    assert rows.loc[("rmse", "lesions"), "p_superior"] == rows.loc[("skill", "lesions"), "p_superior"] == 1.0
