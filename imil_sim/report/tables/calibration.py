"""Calibration: whether a confidence of 0.9 is right nine times in ten, in both conventions of the ECE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.tables.arms import of_images
from imil_sim.report.tables.text import anchor, grouped, mean_sd, on_set
from imil_sim.stats import null_ece, subsets
from imil_sim.stats.calibration import BINS
from imil_sim.study.record import Predictions

MOST_NULLS = 10
"""Runs an arm of which the null ECE is worked out: it hardly differs between seeds, and it is exact, so not free."""


@dataclass(frozen=True, slots=True)
class _Run:
    gap: float
    """Mean confidence in the predicted class minus accuracy."""
    null_top: float
    null_positive: float
    """NaN where there are more than two classes."""


def calibration_table(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """Every arm's two ECEs beside those of chance alone, signed gap, negative log likelihood and Brier score.

    Args:
        analysis: the study.
        of: one of its test sets.
        frame: the `results_table` of that set.
    """
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, str]] = []
    for arm in analysis.arms:
        own = frame[frame["arm"] == arm]
        runs = _runs(finite_predictions(analysis, of.name, arm))
        rows.append(
            (
                arm,
                mean_sd(own["ece_top_label"]), _mean([run.null_top for run in runs]),
                mean_sd(own["ece_positive"]), _mean([run.null_positive for run in runs]),
                mean_sd([run.gap for run in runs], signed=True), mean_sd(own["nll"]), mean_sd(own["brier"]),
            )
        )  # fmt: skip
        if not runs:
            told.append((arm, "No numbers: no run of it is done with predictions that are numbers"))
        if len(runs) > MOST_NULLS:
            told.append((arm, f"Null ECE: of the first {MOST_NULLS} seeds, between which it hardly differs"))
    columns = (
        Column("Arm"),
        Column("ECE, top label", explained=f"of the confidence in the predicted class, {BINS} bins"),
        Column("null, top label", 3, explained="what a perfectly calibrated model with these confidences would show"),
        Column("ECE, positive class", explained=f"of the probability of the positive class, {BINS} bins"),
        Column("null, positive class", 3, explained="the same with these probabilities"),
        Column("Gap", signed=True, explained="mean confidence minus accuracy; above 0 is overconfident"),
        Column("NLL", explained="mean negative log probability of the true class, nats"),
        Column("Brier score"),
    )
    notes = (
        f"Mean over seeds, in brackets the standard deviation over seeds; {of_images(of)}. An ECE is never 0 in a test "
        "set of finite size: judge it against its null.",
        *([_no_positive(len(of.class_names))] if len(of.class_names) != 2 else []),
        *grouped(told, len(rows)),
    )
    return Table(
        anchor("calibration", of.name), f"Calibration of the arms{on_set(of.name)}", columns, tuple(rows), notes
    )


def finite_predictions(analysis: Analysis, test_set: str, arm: str) -> list[Predictions]:
    """The predictions of the arm's runs that are done, in the order of the seeds; those that are not numbers left out.

    Of these the runs table says so.
    """
    found = [analysis.runs[arm, seed].predictions for seed in analysis.seeds]
    present = [of[test_set] for of in found if of is not None and test_set in of]
    return [predictions for predictions in present if np.isfinite(predictions.probabilities).all()]


def _runs(found: Sequence[Predictions]) -> list[_Run]:
    runs = []
    for number, of in enumerate(found):
        shown: NDArray[np.float64] = of.probabilities
        confidence, hit = shown.max(axis=1), shown.argmax(axis=1) == of.labels
        known = number < MOST_NULLS
        runs.append(
            _Run(
                gap=float(confidence.mean() - hit.mean()) if len(hit) else math.nan,
                null_top=null_ece(np.clip(confidence, 0, 1)) if known else math.nan,
                null_positive=null_ece(np.clip(shown[:, 1], 0, 1)) if known and shown.shape[1] == 2 else math.nan,
            )
        )
    return runs


def _mean(values: Sequence[float]) -> Cell:
    known = subsets.mean_known(values)
    return known.value if known.n else None


def _no_positive(classes: int) -> str:
    return f"No ECE of the positive class: of {classes} classes none is the positive one."
