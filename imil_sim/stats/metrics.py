"""Metrics of one run: arrays in, a number out; no file, no record, no figure.

Throughout, ``labels`` is (n,), class numbers from 0, and ``probabilities`` is (n, classes), rows that sum to 1. With
two classes, class 1 is the positive one; ``positive`` is then (n,) bool and ``scores`` (n,) the probability of class 1.
What is undefined (no images, one class only) is NaN, never 0. Arrays that cannot be what they claim to be (other
lengths, a label without a column, a probability that is NaN or outside [0, 1]) raise ``ValueError``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Binning = Literal["width", "adaptive"]
"""Calibration bins of equal width on [0, 1], or of equally many images."""

BINS = 15
"""Calibration bins, as in the paper (Rao et al. 2024) and Guo et al. (2017)."""

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Floor of a probability inside a logarithm, 2.2e-16 as in scikit-learn: one image adds at most 36.04 nats."""

MINIMUM_GROUP = 10
"""Images a group needs to be called the worst: one image in a smaller one moves its accuracy by over ten points."""

UNKNOWN = "unknown"
"""The group of the images whose attribute the source does not know."""


class Known(NamedTuple):
    """A number over those images for which the ingredients are known, and how many they are."""

    value: float
    """NaN where ``n`` is 0, or the number is undefined on these images."""
    n: int


@dataclass(frozen=True, slots=True)
class Group:
    """The images of one attribute value."""

    value: str
    n: int
    accuracy: float
    auroc: float
    """NaN where the group has one class only; ``reason`` then says so."""
    reason: str = ""


# -------------------------------------------------------------------------------------------------- discrimination


def accuracy(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Share of images whose most probable class is the true one, in [0, 1]; of equal classes the first counts."""
    truth, shown = _classified(labels, probabilities)
    return _mean(shown.argmax(axis=1) == truth)


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
        return _binary_auroc(_positive(labels, len(values)), values)
    truth, shown = _classified(labels, values)
    if shown.shape[1] == 2:
        return _binary_auroc(truth == 1, shown[:, 1])
    return float(np.mean([_binary_auroc(truth == c, shown[:, c]) for c in range(shown.shape[1])]))


def sensitivity(positive: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> float:
    """Share of the positive images with a score above the threshold, in [0, 1].

    Strictly above, so that at 0.5 it counts what `accuracy` counts, which gives a tie to class 0.
    """
    truth, shown = _scored(positive, scores)
    return _mean(shown[truth] > threshold)


def specificity(positive: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> float:
    """Share of the negative images with a score at or below the threshold, in [0, 1]; see `sensitivity`."""
    truth, shown = _scored(positive, scores)
    return _mean(shown[~truth] <= threshold)


# ----------------------------------------------------------------------------------------------------- calibration


def calibration_bins(confidence: ArrayLike, bins: int = BINS, binning: Binning = "width") -> NDArray[np.int64]:
    """The bin (n,) of every confidence, from 0 to ``bins`` - 1.

    Bins of equal width are open below and closed above (Guo et al. 2017), except that the first is closed on both
    sides: the usual loop drops p = 0. Adaptive bins hold equally many images (Nguyen & O'Connor 2015); equal
    confidences share a bin, so the order of the images does not matter.
    """
    shown = _probabilities(confidence, "confidence")
    if bins < 1:
        raise ValueError(f"calibration needs at least one bin, not {bins}")
    if binning == "width":
        upper = np.arange(1, bins) / bins
        return np.searchsorted(upper, shown, side="left").astype(np.int64)
    rank = np.searchsorted(np.sort(shown), shown, side="left")
    return (rank * bins // max(len(shown), 1)).astype(np.int64)


def calibration_error(hit: ArrayLike, confidence: ArrayLike, bins: int = BINS, binning: Binning = "width") -> float:
    """Expected calibration error: the mean over images of their bin's |hit rate - mean confidence|, in [0, 1].

    Args:
        hit: (n,) bool, whether the event came true.
        confidence: (n,) in [0, 1], the probability given to it.
        bins: how many.
        binning: see `calibration_bins`.
    """
    happened, shown = _scored(hit, confidence)
    if len(shown) == 0:
        return math.nan
    gaps = np.bincount(calibration_bins(shown, bins, binning), weights=happened - shown, minlength=bins)
    return float(np.abs(gaps).sum() / len(shown))


def ece_top_label(labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS, binning: Binning = "width") -> float:
    """Calibration error of the confidence in the predicted class, in [0, 1] (Guo et al. 2017)."""
    truth, shown = _classified(labels, probabilities)
    return calibration_error(shown.argmax(axis=1) == truth, shown.max(axis=1), bins, binning)


def ece_positive(positive: ArrayLike, scores: ArrayLike, bins: int = BINS, binning: Binning = "width") -> float:
    """Calibration error of the probability of the positive class, in [0, 1] (the other convention of the ECE)."""
    return calibration_error(positive, scores, bins, binning)


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean over images of half the squared distance between probabilities and truth, in [0, 1].

    The half makes it mean (p - y)^2 for two classes, as everybody computes it, by one formula for any number of
    classes; with three or more it is half of what Brier (1950) sums.
    """
    truth, shown = _classified(labels, probabilities)
    return _mean(((shown - np.eye(shown.shape[1])[truth]) ** 2).sum(axis=1) / 2)


def nll(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log probability of the true class, nats.

    A probability below `SMALLEST_PROBABILITY` counts as that: a true class given 0 costs 36.04 nats, not infinity.
    """
    truth, shown = _classified(labels, probabilities)
    given = shown[np.arange(len(truth)), truth]
    return _mean(-np.log(np.clip(given, SMALLEST_PROBABILITY, 1)))


# ------------------------------------------------------------------------------------------------------- attention


def mean_known(values: ArrayLike) -> Known:
    """Mean of what is not NaN, and how many that is: the pointing game (Zhang et al. 2016) of hits (n,) 1, 0 or NaN."""
    numbers = np.asarray(values, np.float64)
    known = numbers[~np.isnan(numbers)]
    return Known(_mean(known), len(known))


def attention_ratio(cam_in_lung: ArrayLike, lung_share: ArrayLike) -> Known:
    """Mean over images of the CAM's share in the lung over the lung's share of the image; 1 for a map without aim.

    Both (n,) in [0, 1], NaN where unknown; an image with either unknown, or with an empty lung mask, does not count.
    """
    inside, share = np.asarray(cam_in_lung, np.float64), np.asarray(lung_share, np.float64)
    if inside.shape != share.shape:
        raise ValueError(f"{inside.shape} shares of the map but {share.shape} shares of the image")
    usable = share > 0
    return mean_known(inside[usable] / share[usable])


def auroc_known(labels: ArrayLike, probabilities: ArrayLike) -> Known:
    """`auroc` of the images whose probabilities (n, classes) are not NaN: of masked images, where masks are known."""
    truth, shown = np.asarray(labels), np.asarray(probabilities, np.float64)
    if shown.ndim != 2 or len(truth) != len(shown):
        raise ValueError(f"{len(truth)} labels do not go with probabilities of shape {shown.shape}")
    known = ~np.isnan(shown).any(axis=1)
    return Known(auroc(truth[known], shown[known]), int(known.sum()))


# ---------------------------------------------------------------------------------------------------------- groups


def groups(labels: ArrayLike, probabilities: ArrayLike, values: Sequence[str]) -> tuple[Group, ...]:
    """One `Group` for every attribute value, sorted by value; an empty value is `UNKNOWN`.

    No group is left out: one without an AUROC says why.
    """
    truth, shown = _classified(labels, probabilities)
    if len(values) != len(truth):
        raise ValueError(f"{len(values)} attribute values do not go with {len(truth)} images")
    named = np.array([value or UNKNOWN for value in values], dtype=object)
    return tuple(_group(value, truth[named == value], shown[named == value]) for value in sorted(set(named)))


def worst(of: Iterable[Group], metric: Literal["accuracy", "auroc"], minimum: int = MINIMUM_GROUP) -> Group | None:
    """The group with the lowest value of the metric; None where no group qualifies.

    A group qualifies with ``minimum`` images or more, a known value and a defined metric; of equal groups the first.
    """
    fit = [g for g in of if g.n >= minimum and g.value != UNKNOWN and not math.isnan(getattr(g, metric))]
    return min(fit, key=lambda group: float(getattr(group, metric)), default=None)


def _group(value: str, truth: NDArray[np.int64], shown: NDArray[np.float64]) -> Group:
    area = auroc(truth, shown)
    absent = sorted(set(range(shown.shape[1])) - set(truth.tolist()))
    reason = f"no AUROC: none of its {len(truth)} images is of class {', '.join(map(str, absent))}" if absent else ""
    return Group(value, len(truth), accuracy(truth, shown), area, reason)


# ---------------------------------------------------------------------------------------------------------- checks


def _binary_auroc(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite; {(~np.isfinite(scores)).sum()} of {len(scores)} are not")
    n_positive = int(positive.sum())
    if not 0 < n_positive < len(positive):
        return math.nan
    # By mid-ranks (Mann and Whitney 1947): scikit-learn's checks take thirty times as long as the counting.
    wins = rankdata(scores)[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(wins / (n_positive * (len(positive) - n_positive)))


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.astype(np.float64).mean()) if len(values) else math.nan


def _probabilities(values: ArrayLike, name: str) -> NDArray[np.float64]:
    shown = np.asarray(values, np.float64)
    wrong = ~((shown >= 0) & (shown <= 1))
    if wrong.any():
        raise ValueError(f"{name} must lie in [0, 1]; {wrong.sum()} of {wrong.size} do not, such as {shown[wrong][0]}")
    return shown


def _positive(positive: ArrayLike, n: int) -> NDArray[np.bool_]:
    truth = np.asarray(positive)
    if truth.shape != (n,):
        raise ValueError(f"labels of shape {truth.shape} do not go with {n} scores")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels of one score an image must be 0 or 1, not {np.setdiff1d(truth, (0, 1)).tolist()}")
    return truth.astype(np.bool_)


def _scored(positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    shown = _probabilities(scores, "scores")
    if shown.ndim != 1:
        raise ValueError(f"scores must be (n,), not {shown.shape}")
    return _positive(positive, len(shown)), shown


def _classified(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    truth, shown = np.asarray(labels), _probabilities(probabilities, "probabilities")
    if shown.ndim != 2 or shown.shape[1] < 2 or truth.shape != shown.shape[:1]:
        raise ValueError(f"labels of shape {truth.shape} do not go with probabilities of shape {shown.shape}")
    classes = np.arange(shown.shape[1])
    if len(truth) and not (truth.dtype.kind in "iub" and np.isin(truth, classes).all()):
        raise ValueError(f"labels must be whole numbers from 0 to {classes[-1]}, not {np.unique(truth).tolist()}")
    return truth.astype(np.int64), shown
