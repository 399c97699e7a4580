"""Area under the ROC curve, with DeLong's covariance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from imil_sim.stats.metric import Floats, Labels, Metric, UndefinedError, classified, positives


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve, in [0, 1]: the chance that a positive image outscores a negative, ties counting half.

    Args:
        labels: (n,), class numbers, or bool for two classes.
        scores: (n,) of any finite range for labels 0 and 1, or probabilities (n, classes). Two columns are read as the
            score of class 1; with more, the mean of one-against-the-rest over the classes, each counting the same.

    Returns:
        NaN where a class has no image, or all of them.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim == 1:
        return _binary(positives(labels, len(values)), values)
    truth, shown = classified(labels, values)
    if shown.shape[1] == 2:
        return _binary(truth == 1, shown[:, 1])
    return float(np.mean([_binary(truth == c, shown[:, c]) for c in range(shown.shape[1])]))


def _binary(positive: NDArray[np.bool_], scores: Floats) -> float:
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite; {(~np.isfinite(scores)).sum()} of {len(scores)} are not")
    n_positive = int(positive.sum())
    if not 0 < n_positive < len(positive):
        return math.nan
    # By mid-ranks (Mann and Whitney 1947): scikit-learn's checks take thirty times as long as the counting. Wins are
    # counted in halves, without rounding: runs with equally many have the same AUROC to the bit, a tie.
    wins = rankdata(scores)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(wins / (n_positive * (len(positive) - n_positive)))


def _placements(labels: Labels, probabilities: Floats) -> Floats:
    """Placements of DeLong, DeLong and Clarke-Pearson (1988); of several classes the mean of one against the rest."""
    classes = probabilities.shape[2]
    sizes = np.bincount(labels, minlength=classes)
    if not sizes.all():
        raise UndefinedError("the AUROC is undefined: a class has no test image")
    if min(sizes.min(), *(len(labels) - sizes)) < 2:
        raise UndefinedError("DeLong's variance needs two images of every class")
    chosen = (1,) if classes == 2 else range(classes)
    placements: Floats = np.mean([_delong(labels == c, probabilities[:, :, c]) for c in chosen], axis=0)
    return placements


def _delong(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Placements (runs, images) by mid-ranks (Sun and Xu 2014), O(n log n) a run.

    A placement is the share of the other class that an image beats, ties counting half. DeLong's covariance is that of
    the positives' placements over their number plus that of the negatives'; with deviations scaled by the size of the
    class it is one covariance over all images, as `Metric.pseudovalues` promises.
    """
    n, n_positive = len(positive), int(positive.sum())
    n_negative = n - n_positive
    ranks = rankdata(scores, axis=1)
    beats = ranks[:, positive] - rankdata(scores[:, positive], axis=1)
    beaten_by = ranks[:, ~positive] - rankdata(scores[:, ~positive], axis=1)
    values = beats.sum(axis=1, keepdims=True) / (n_positive * n_negative)
    parts = np.empty(scores.shape)
    parts[:, positive] = values + _scale(n, n_positive) * _centred(beats / n_negative)
    parts[:, ~positive] = values - _scale(n, n_negative) * _centred(beaten_by / n_positive)
    return parts


def _centred(placements: Floats) -> Floats:
    deviations: Floats = placements - placements.mean(axis=1, keepdims=True)
    return deviations


def _scale(images: int, group: int) -> float:
    return math.sqrt(images * (images - 1) / (group * (group - 1)))


AUROC = Metric(
    name="auroc", label="AUROC", higher_is_better=True, value=auroc, pseudovalues=_placements, spread="DeLong", order=10
)
