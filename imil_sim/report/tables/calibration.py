"""Calibration in both conventions of the ECE, and the operating point: sensitivity and specificity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imil_sim.report.analysis import Analysis, ReportedRun, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import anchor, frame_of, of_images, on_set, over_seeds, table_of
from imil_sim.stats import null_ece
from imil_sim.stats.calibration import BINS
from imil_sim.stats.metrics.sensitivity import sensitivity
from imil_sim.stats.metrics.specificity import specificity
from imil_sim.study.record import Predictions
from imil_sim.text import DIGITS

MOST_NULLS = 10
"""Runs an arm of which the null ECE is worked out: it hardly differs between seeds, and it is exact, so not free."""

HALF = 0.5


def build(data: ReportData) -> Iterator[Table]:
    """Of every test set its calibration, and its operating points where there are two classes."""
    for name, of in data.analysis.sets.items():
        yield _calibration(data.analysis, of, data.frames[name])
        if len(of.class_names) == 2:
            yield _operating(data.analysis, of, data.frames[name])


def _calibration(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """Every arm's two ECEs beside those of chance alone, signed gap, negative log likelihood and Brier score."""
    columns = (
        Column("Arm"),
        Column("ECE, top label", explained=f"of the confidence in the predicted class, {BINS} bins"),
        Column("null, top label", DIGITS, explained="ECE of a perfectly calibrated model with these confidences"),
        Column("ECE, positive class", explained=f"of the probability of the positive class, {BINS} bins"),
        Column("null, positive class", DIGITS, explained="the same with these probabilities"),
        Column("Gap", explained="mean confidence minus accuracy; above 0 is overconfident"),
        Column("NLL", explained="mean negative log probability of the true class, nats"),
        Column("Brier score"),
    )
    of_runs = frame_of(
        [(arm, *numbers) for arm in analysis.arms for numbers in _of_runs(finite_predictions(analysis, of.name, arm))],
        [Column("arm"), Column("gap"), Column("top"), Column("positive")],
    ).astype({"gap": float, "top": float, "positive": float})
    shown = over_seeds(
        frame, analysis.arms, {"ece_top_label": DIGITS, "ece_positive": DIGITS, "nll": DIGITS, "brier": DIGITS}
    )
    gaps = over_seeds(of_runs, analysis.arms, {"gap": DIGITS}, signed=("gap",))
    nulls = of_runs.groupby("arm")[["top", "positive"]].mean().reindex(analysis.arms)
    shown.insert(2, "top", nulls["top"].to_numpy())
    shown.insert(4, "positive", nulls["positive"].to_numpy())
    shown.insert(5, "gap", gaps["gap"])
    notes = [f"Mean over seeds (standard deviation); {of_images(of)}. Judge an ECE against its null, not against 0."]
    if len(analysis.seeds) > MOST_NULLS:
        notes.append(f"Nulls are means over the first {MOST_NULLS} seeds that are done.")
    return table_of(
        anchor("calibration", of.name), f"Calibration of the arms{on_set(of.name)}", columns, shown, notes,
        dash="no run of the arm is done with usable predictions; of several classes none is the positive one",
    )  # fmt: skip


def finite_predictions(analysis: Analysis, test_set: str, arm: str) -> list[Predictions]:
    """The predictions of the arm's runs that are done and hold numbers, in the order of the seeds."""
    found = [(analysis.runs[arm, seed].predictions or {}).get(test_set) for seed in analysis.seeds]
    return [of for of in found if of is not None and np.isfinite(of.probabilities).all()]


def _of_runs(found: list[Predictions]) -> Iterator[tuple[float, float, float]]:
    """Of every run mean confidence minus accuracy, and the ECE of chance in both conventions."""
    for number, of in enumerate(found):
        shown = of.probabilities
        confidence, hit = shown.max(axis=1), shown.argmax(axis=1) == of.labels
        known = number < MOST_NULLS
        yield (
            float(confidence.mean() - hit.mean()) if len(hit) else math.nan,
            null_ece(np.clip(confidence, 0, 1)) if known else math.nan,
            null_ece(np.clip(shown[:, 1], 0, 1)) if known and shown.shape[1] == 2 else math.nan,
        )


def _operating(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """Sensitivity and specificity of every arm at 0.5 and at `chosen_threshold` of each run's training images."""
    columns = (
        Column("Arm"),
        Column("Sensitivity at 0.5", explained=f"share of {of.class_names[1]} images called so"),
        Column("Specificity at 0.5", explained="share of the other images called so"),
        Column("Threshold", explained="with the largest sensitivity + specificity on the training images (Youden)"),
        Column("Sensitivity there"),
        Column("Specificity there"),
    )
    points = frame_of(
        [(arm, *_chosen_point(run, of.name)) for (arm, _), run in analysis.runs.items()],
        [Column("arm"), Column("threshold"), Column("sensitivity"), Column("specificity")],
    )
    at_half = over_seeds(frame, analysis.arms, {"sensitivity": DIGITS, "specificity": DIGITS})
    chosen = over_seeds(points, analysis.arms, {"threshold": DIGITS, "sensitivity": DIGITS, "specificity": DIGITS})
    return table_of(
        anchor("operating", of.name),
        f"Sensitivity and specificity of the arms{on_set(of.name)}",
        columns,
        pd.concat([at_half, chosen.drop(columns="arm")], axis=1),
        ("Mean over seeds (standard deviation). A model is surer of its training images: their threshold need not "
         "suit new ones.",),
        dash="no run is done, a class has no test image, or no predictions of training images were kept",
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
    values = np.unique(shown)
    # Counted in whole numbers, lest rounding choose between gaps that are equally good.
    hits, alarms = (
        len(of) - np.searchsorted(np.sort(of), values[:-1], side="right") for of in (shown[truth], shown[~truth])
    )
    worth = hits * (len(truth) - n_positive) - alarms * n_positive
    if not len(worth) or worth.max() <= 0:
        return HALF
    middles = (values[:-1] + values[1:])[worth == worth.max()] / 2
    return float(middles[np.abs(middles - HALF).argmin()])


def _chosen_point(run: ReportedRun, test_set: str) -> tuple[float, float, float]:
    """Threshold of the run's training images, with sensitivity and specificity there; NaN where it has none."""
    of = (run.predictions or {}).get(test_set)
    threshold = math.nan
    if run.training and of and np.isfinite(run.training.probabilities).all() and np.isfinite(of.probabilities).all():
        threshold = chosen_threshold(run.training.labels == 1, run.training.probabilities[:, 1])
    if of is None or math.isnan(threshold):
        return math.nan, math.nan, math.nan
    positive, scores = of.labels == 1, of.probabilities[:, 1]
    return (
        threshold,
        sensitivity(positive, scores, threshold),
        specificity(positive, scores, threshold),
    )


PART = TablePart("calibration", build)
