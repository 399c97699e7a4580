"""What the statistics work on: a metric of every run, and what each test image adds to it.

A run's metric is a mean over images (accuracy, Brier score) or behaves like one. ``parts`` are scaled so that, for any
metric and any two runs, the covariance of the two metrics across images is the sample covariance of their parts over
the number of images: one formula, whatever the metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from imil_sim.stats.calibration import calibration_errors

Metric = Literal["auroc", "accuracy", "brier", "ece_top_label", "ece_positive"]
"""The metrics with components, the primary one first."""

LOWER_IS_BETTER = frozenset({"brier", "ece_top_label", "ece_positive"})

Floats = NDArray[np.float64]


class Resplit(NamedTuple):
    """Sizes of the sets when every seed has a split of its own."""

    n_train: int
    n_test: int


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """A metric of every run of a study, with its components."""

    metric: Metric
    values: Floats
    """(arms, seeds); NaN where the run is missing or the metric undefined."""
    parts: Floats | None
    """(arms, seeds, images), see the module; NaN with a missing run. None where the metrics share no images."""
    why_no_parts: str = ""
    """Why no spread across images is known, for all runs; empty where it is known."""
    resplit: Resplit | None = None
    """Set where every seed has its own split: images are then not shared, and B is Nadeau and Bengio's."""

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise ValueError(f"values are (arms, seeds), not of shape {self.values.shape}")
        if self.parts is not None and self.parts.shape[:2] != self.values.shape:
            raise ValueError(f"parts of shape {self.parts.shape} do not go with values of {self.values.shape}")
        if self.parts is None and not self.why_no_parts:
            raise ValueError("values without parts need the reason: why_no_parts")

    @property
    def n_images(self) -> int:
        """Test images all runs share; of a split per seed, the size of one test set; 0 where it is not known."""
        if self.parts is not None:
            return int(self.parts.shape[2])
        return self.resplit.n_test if self.resplit else 0

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is the better one."""
        return self.metric not in LOWER_IS_BETTER

    @classmethod
    def of_splits(cls, metric: Metric, values: ArrayLike, resplit: Resplit) -> Components:
        """Components of a study with a split per seed: ``values`` (arms, seeds), no spread across images.

        Raises:
            ValueError: the values are not (arms, seeds), or a set is empty.
        """
        if min(resplit) < 1:
            raise ValueError(f"a split needs images on both sides, not {resplit.n_train} and {resplit.n_test}")
        why = "every seed has a split of its own, so no two runs of different seeds share their test images"
        return cls(metric, np.asarray(values, np.float64), None, why, resplit)


class _Runs(NamedTuple):
    values: Floats
    """(runs,)."""
    parts: Floats
    """(runs, images)."""
    why_no_parts: str = ""


def components_of(metric: Metric, labels: ArrayLike, probabilities: ArrayLike) -> Components:
    """The metric of every run and what each image adds to it.

    Accuracy and Brier score: the images' own values. AUROC: the placements of DeLong, DeLong and Clarke-Pearson
    (1988), of more than two classes the mean of one-against-the-rest. ECE, 15 bins of equal width: jackknife
    pseudovalues. Each value equals that of the function of that name in `imil_sim.stats.metrics`.

    The ECE has corners: where a bin is calibrated, the jackknife's variance is up to 1 / (1 - 2 / pi) = 2.75 times the
    true one. Intervals over patients are too wide there for inference C, and hardly for A, which takes most of its
    variance from the seeds (simulated: 4% false positives at nominal 5).

    Args:
        metric: which.
        labels: (images,), class numbers from 0.
        probabilities: (arms, seeds, images, classes) in [0, 1]; a run that is missing is NaN throughout.

    Raises:
        ValueError: the arrays do not go together; a run is NaN in part or leaves [0, 1]; ``ece_positive`` of more than
            two classes.
    """
    truth, shown = _checked(metric, labels, probabilities)
    arms, seeds, images, classes = shown.shape
    runs = shown.reshape(arms * seeds, images, classes)
    present = ~np.isnan(runs).any(axis=(1, 2))
    of = _OF_METRIC[metric](truth, runs[present])
    values, parts = np.full(arms * seeds, math.nan), np.full((arms * seeds, images), math.nan)
    values[present], parts[present] = of.values, of.parts
    return Components(metric, values.reshape(arms, seeds), parts.reshape(arms, seeds, images), of.why_no_parts)


# ------------------------------------------------------------------------------------------------------ the metrics


def _accuracy(labels: NDArray[np.int64], shown: Floats) -> _Runs:
    return _means((shown.argmax(axis=2) == labels).astype(np.float64))


def _brier(labels: NDArray[np.int64], shown: Floats) -> _Runs:
    return _means(((shown - np.eye(shown.shape[2])[labels]) ** 2).sum(axis=2) / 2)


def _ece_top_label(labels: NDArray[np.int64], shown: Floats) -> _Runs:
    return _jackknifed(shown.argmax(axis=2) == labels, shown.max(axis=2))


def _ece_positive(labels: NDArray[np.int64], shown: Floats) -> _Runs:
    return _jackknifed(np.broadcast_to(labels == 1, shown.shape[:2]), shown[:, :, 1])


def _auroc(labels: NDArray[np.int64], shown: Floats) -> _Runs:
    classes = shown.shape[2]
    sizes = np.bincount(labels, minlength=classes)
    if not sizes.all():
        nothing = np.full(shown.shape[:2], math.nan)
        return _Runs(nothing.mean(axis=1), nothing, "the AUROC is undefined: a class has no test image")
    chosen = (1,) if classes == 2 else range(classes)
    each = [_delong(labels == c, shown[:, :, c]) for c in chosen]
    few = min(sizes.min(), *(len(labels) - sizes)) < 2
    return _Runs(
        np.mean([area.values for area in each], axis=0),
        np.mean([area.parts for area in each], axis=0),
        "DeLong's variance needs two images of every class" if few else "",
    )


def _delong(positive: NDArray[np.bool_], scores: Floats) -> _Runs:
    """AUROC and placements of every run by mid-ranks (Sun and Xu 2014), O(n log n) a run.

    A placement is the share of the other class that an image beats, ties counting half. DeLong's covariance is that of
    the positives' placements over their number plus that of the negatives'; with deviations scaled by the size of the
    class it is one covariance over all images, as `Components.parts` promises.
    """
    n, n_positive = len(positive), int(positive.sum())
    n_negative = n - n_positive
    ranks = rankdata(scores, axis=1)
    beats = ranks[:, positive] - rankdata(scores[:, positive], axis=1)
    beaten_by = ranks[:, ~positive] - rankdata(scores[:, ~positive], axis=1)
    # Wins are counted in halves, without rounding: runs with equally many have the same AUROC to the bit, a tie.
    values = beats.sum(axis=1, keepdims=True) / (n_positive * n_negative)
    parts = np.empty(scores.shape)
    parts[:, positive] = values + _scale(n, n_positive) * _centred(beats / n_negative)
    parts[:, ~positive] = values - _scale(n, n_negative) * _centred(beaten_by / n_positive)
    return _Runs(values[:, 0], parts)


def _centred(placements: Floats) -> Floats:
    deviations: Floats = placements - placements.mean(axis=1, keepdims=True)
    return deviations


def _scale(images: int, group: int) -> float:
    return math.sqrt(images * (images - 1) / (group * (group - 1))) if group > 1 else math.nan


def _means(each: Floats) -> _Runs:
    return _Runs(each.mean(axis=1), each, _why_one(each.shape[1]))


def _jackknifed(hit: NDArray[np.bool_], confidence: Floats) -> _Runs:
    errors = calibration_errors(hit, confidence)
    return _Runs(errors.values, errors.pseudovalues, _why_one(hit.shape[1]))


def _why_one(images: int) -> str:
    return "one test image says nothing about others" if images < 2 else ""


_OF_METRIC: dict[str, Callable[[NDArray[np.int64], Floats], _Runs]] = {
    "auroc": _auroc,
    "accuracy": _accuracy,
    "brier": _brier,
    "ece_top_label": _ece_top_label,
    "ece_positive": _ece_positive,
}


def _checked(metric: str, labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    truth, shown = np.asarray(labels), np.asarray(probabilities, np.float64)
    if metric not in get_args(Metric):
        raise ValueError(f"no components for the metric {metric!r}; known: {', '.join(get_args(Metric))}")
    if shown.ndim != 4 or shown.shape[3] < 2 or truth.shape != shown.shape[2:3] or not truth.size:
        raise ValueError(
            f"probabilities must be (arms, seeds, images, classes) with labels (images,), not {shown.shape} and "
            f"{truth.shape}"
        )
    if truth.dtype.kind not in "iub" or not np.isin(truth, np.arange(shown.shape[3])).all():
        raise ValueError(
            f"labels must be whole numbers from 0 to {shown.shape[3] - 1}, not {np.unique(truth).tolist()}"
        )
    if metric == "ece_positive" and shown.shape[3] != 2:
        raise ValueError(f"ece_positive needs two classes; of {shown.shape[3]} none is the positive one")
    known = np.isnan(shown).sum(axis=(2, 3))
    partly = (known > 0) & (known < shown.shape[2] * shown.shape[3])
    outside = ((shown < 0) | (shown > 1)).any(axis=(2, 3))
    if partly.any() or outside.any():
        where = [f"arm {arm}, seed {seed}" for arm, seed in np.argwhere(partly | outside)[:5]]
        raise ValueError(f"probabilities must lie in [0, 1], or a run be NaN throughout; not so: {'; '.join(where)}")
    return truth.astype(np.int64), shown
