"""Calibration in both conventions of the ECE, and the operating point: sensitivity and specificity."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import anchor, of_images, on_set, over_seeds, table_of
from imil_sim.stats import null_ece
from imil_sim.stats.calibration import BINS
from imil_sim.stats.metrics.sensitivity import sensitivity
from imil_sim.stats.metrics.specificity import specificity
from imil_sim.study.record import Predictions, TrainingPredictions

MOST_NULLS = 10
"""Runs an arm of which the null ECE is worked out: it hardly differs between seeds, and it is exact, so not free."""

HALF = 0.5


CALIBRATION = {
    "ece_top_label": Column("ECE, top label", explained=f"of the confidence in the predicted class, {BINS} bins"),
    "null_top": Column("null, top label", explained="ECE of a perfectly calibrated model with these confidences"),
    "ece_positive": Column("ECE, positive class", explained=f"of the probability of the positive class, {BINS} bins"),
    "null_positive": Column("null, positive class", explained="the same with these probabilities"),
    "gap": Column("Gap", signed=True, explained="mean confidence minus accuracy; above 0 is overconfident"),
    "nll": Column("NLL", explained="mean negative log probability of the true class, nats"),
    "brier": Column("Brier score"),
}
"""Columns of results.csv and of `_of_runs`, as the table shows them."""


def build(data: ReportData) -> Iterator[Table]:
    """Of every test set its calibration, and its operating points where there are two classes."""
    analysis = data.analysis
    for name, of in analysis.sets.items():
        frame = data.frames[name].merge(_of_runs(analysis, name), on=["arm", "seed"], how="left")
        yield _calibration(analysis, of, frame)
        if len(of.class_names) == 2:
            yield _operating(analysis, of, frame)


def _calibration(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """Every arm's two ECEs beside those of chance alone, signed gap, negative log likelihood and Brier score."""
    notes = [f"Mean over seeds (standard deviation); {of_images(of)}. Judge an ECE against its null, not against 0."]
    if len(analysis.seeds) > MOST_NULLS:
        notes.append(f"Nulls are of the first {MOST_NULLS} seeds that are done.")
    return table_of(
        anchor("calibration", of.name), f"Calibration of the arms{on_set(of.name)}",
        over_seeds(frame, analysis.arms, CALIBRATION), notes,
        "no run of the arm is done with usable predictions; of several classes none is the positive one",
    )  # fmt: skip


def _operating(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """Sensitivity and specificity of every arm at 0.5 and at `chosen_threshold` of each run's training images."""
    columns = {
        "sensitivity": Column("Sensitivity at 0.5", explained=f"share of {of.class_names[1]} images called so"),
        "specificity": Column("Specificity at 0.5", explained="share of the other images called so"),
        "threshold": Column(
            "Threshold", explained="with the largest sensitivity + specificity on the training images (Youden)"
        ),
        "sensitivity_there": Column("Sensitivity there"),
        "specificity_there": Column("Specificity there"),
    }
    return table_of(
        anchor("operating", of.name), f"Sensitivity and specificity of the arms{on_set(of.name)}",
        over_seeds(frame, analysis.arms, columns),
        ("Mean over seeds (standard deviation). A model is surer of its training images: their threshold need not "
         "suit new ones.",),
        "no run is done, a class has no test image, or no predictions of training images were kept",
    )  # fmt: skip


def _of_runs(analysis: Analysis, test_set: str) -> pd.DataFrame:
    """What results.csv does not have of a run: mean confidence minus accuracy, the ECEs of chance, operating points."""
    columns = ["gap", "null_top", "null_positive", "threshold", "sensitivity_there", "specificity_there"]
    rows, known = [], dict.fromkeys(analysis.arms, 0)
    for (arm, seed), run in analysis.runs.items():
        of = run.predictions.get(test_set)
        if of is not None and len(of.labels) and np.isfinite(of.probabilities).all():
            confidence, hit = of.probabilities.max(axis=1), of.probabilities.argmax(axis=1) == of.labels
            known[arm] += 1
            binary = of.probabilities.shape[1] == 2
            nulls = [
                null_ece(np.clip(shown, 0, 1)) if known[arm] <= MOST_NULLS and has_null else math.nan
                for shown, has_null in ((confidence, True), (of.probabilities[:, 1], binary))
            ]
            rows.append((arm, seed, confidence.mean() - hit.mean(), *nulls, *_chosen_point(run.training, of)))
    found = pd.DataFrame(rows, columns=["arm", "seed", *columns]).astype({"seed": "Int64"})
    return found.astype(dict.fromkeys(columns, float))


def _chosen_point(learned: TrainingPredictions | None, of: Predictions) -> tuple[float, float, float]:
    """Threshold of the run's training images, with sensitivity and specificity there; NaN where it has none."""
    threshold = math.nan
    if learned is not None and np.isfinite(learned.probabilities).all():
        threshold = chosen_threshold(learned.labels == 1, learned.probabilities[:, 1])
    if math.isnan(threshold):
        return math.nan, math.nan, math.nan
    positive, scores = of.labels == 1, of.probabilities[:, 1]
    return threshold, sensitivity(positive, scores, threshold), specificity(positive, scores, threshold)


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


PART = TablePart("calibration", build)
