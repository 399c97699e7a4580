"""The operating point: how many of the ill are found and how many of the well are left in peace."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from imil_sim.report.analysis import Analysis, ReportedRun, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.tables.arms import of_images
from imil_sim.report.tables.text import anchor, grouped, mean_sd, on_set
from imil_sim.stats import metrics

HALF = 0.5


def operating_table(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """Sensitivity and specificity of every arm at two thresholds that no test image had a say in.

    One is 0.5; the other is `chosen_threshold` on the run's own training images.

    Args:
        analysis: the study.
        of: one of its test sets.
        frame: the `results_table` of that set.
    """
    positive = of.class_names[1] if len(of.class_names) == 2 else ""
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, str]] = []
    for arm in analysis.arms:
        own = frame[frame["arm"] == arm]
        runs = [analysis.runs[arm, seed] for seed in analysis.seeds]
        points = [point for run in runs if positive and (point := _chosen_point(run, of.name))]
        rows.append((arm, mean_sd(own["sensitivity"]), mean_sd(own["specificity"]), *_chosen_cells(points)))
        if positive:
            told += [(arm, why) for why in _why_absent(own, runs, points)]
    columns = (
        Column("Arm"),
        Column("Sensitivity at 0.5", explained=f"share of {positive or 'the positive'} images called so"),
        Column("Specificity at 0.5", explained="share of the other images called so"),
        Column("Threshold chosen", explained="on the training images: largest sensitivity + specificity there"),
        Column("Sensitivity there"),
        Column("Specificity there"),
    )
    notes = (
        f"Positive is a probability of {positive} above the threshold. Mean over seeds, in brackets the standard "
        f"deviation over seeds; {of_images(of)}. No threshold was chosen on them: the second is, run by run, of the "
        "training images (Youden 1950), of which the model is surer than of new ones, so it need not carry over."
        if positive
        else f"No sensitivity and no specificity: of {len(of.class_names)} classes none is the positive one.",
        *grouped(told, len(rows)),
    )
    return Table(
        anchor("operating", of.name), f"Sensitivity and specificity of the arms{on_set(of.name)}", columns, tuple(rows),
        notes,
    )  # fmt: skip


def chosen_threshold(positive: ArrayLike, scores: ArrayLike) -> float:
    """The threshold with the largest sensitivity + specificity (Youden 1950, Cancer 3, 32-35), in [0, 1].

    Between two neighbouring scores every threshold is as good as another: the one half-way is taken, and of several
    gaps equally good the one nearest 0.5. Where no threshold tells the classes apart it is 0.5; NaN of one class only.

    >>> chosen_threshold([False, False, True, True], [0.1, 0.3, 0.2, 0.9])
    0.6

    Args:
        positive: (n,) bool.
        scores: (n,) in [0, 1].
    """
    truth, shown = np.asarray(positive, np.bool_), np.asarray(scores, np.float64)
    n_positive = int(truth.sum())
    if not 0 < n_positive < len(truth):
        return math.nan
    values, where = np.unique(shown, return_inverse=True)
    # Counted in whole numbers, lest rounding choose between gaps that are equally good.
    hits, alarms = _above(where[truth], len(values)), _above(where[~truth], len(values))
    worth = hits * (len(truth) - n_positive) - alarms * n_positive
    if not len(worth) or worth.max() <= 0:
        return HALF
    middles = (values[:-1] + values[1:])[worth == worth.max()] / 2
    return float(middles[np.abs(middles - HALF).argmin()])


def _above(where: NDArray[np.int64], values: int) -> NDArray[np.int64]:
    """How many of the places (n,) lie above each gap between neighbouring values, (values - 1,)."""
    count = np.bincount(where, minlength=values)
    above: NDArray[np.int64] = count.sum() - np.cumsum(count)[:-1]
    return above


_Point = tuple[float, float, float]
"""Threshold, sensitivity, specificity."""


def _chosen_point(run: ReportedRun, test_set: str) -> _Point | None:
    """At the threshold chosen on the run's training images; None where it has none, or no predictions."""
    tested = (run.predictions or {}).get(test_set)
    if run.training is None or tested is None or not np.isfinite(tested.probabilities).all():
        return None
    if not np.isfinite(run.training.probabilities).all():
        return None
    threshold = chosen_threshold(run.training.labels == 1, run.training.probabilities[:, 1])
    positive, scores = tested.labels == 1, tested.probabilities[:, 1]
    if math.isnan(threshold):
        return None
    return (
        threshold,
        metrics.sensitivity(positive, scores, threshold),
        metrics.specificity(positive, scores, threshold),
    )


def _chosen_cells(points: Sequence[_Point]) -> tuple[Cell, Cell, Cell]:
    threshold, sensitivity, specificity = (mean_sd([point[i] for point in points]) for i in range(3))
    return threshold, sensitivity, specificity


def _why_absent(own: pd.DataFrame, runs: Sequence[ReportedRun], points: Sequence[_Point]) -> list[str]:
    done = sum(run.status == "done" for run in runs)
    if not done:
        return ["No numbers: no run is done"]
    told = [
        f"No {metric}: the test set has no image of that class, or the predictions are not numbers"
        for metric in ("sensitivity", "specificity")
        if own[metric].isna().all()
    ]
    if len(points) < done:
        told.append(f"No threshold chosen in {done - len(points)} of {done} runs: they kept no usable predictions of "
                    "their training images")  # fmt: skip
    return told
