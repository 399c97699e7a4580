"""The expected calibration error: of one run, of many with what each image adds, and what chance alone makes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from imil_sim.stats.metric import checked_probabilities, scored

BINS = 15
"""Calibration bins, as in the paper (Rao et al. 2024) and Guo et al. (2017)."""

CAVEAT = (
    "The ECE has corners: where a bin is calibrated, the jackknife's variance is up to 2.75 times the true one, so "
    "interval C (new patients) is then too wide; A is hardly touched, since it takes most of its variance from the "
    "seeds."
)
"""What to know of intervals made of `CalibrationErrors`: 2.75 is 1 / (1 - 2 / pi); simulated, A has 4% false positives
at nominal 5."""


def calibration_bins(confidence: ArrayLike, bins: int = BINS) -> NDArray[np.int64]:
    """The bin (n,) of every confidence, from 0 to ``bins`` - 1.

    Bins of equal width are open below and closed above (Guo et al. 2017), except that the first is closed on both
    sides: the usual loop drops p = 0.
    """
    shown = checked_probabilities(confidence, "confidence")
    if bins < 1:
        raise ValueError(f"calibration needs at least one bin, not {bins}")
    upper = np.arange(1, bins) / bins
    return np.searchsorted(upper, shown, side="left").astype(np.int64)


def calibration_error(hit: ArrayLike, confidence: ArrayLike, bins: int = BINS) -> float:
    """Expected calibration error: the mean over images of their bin's |hit rate - mean confidence|, in [0, 1].

    Args:
        hit: (n,) bool, whether the event came true.
        confidence: (n,) in [0, 1], the probability given to it.
        bins: how many, of equal width.
    """
    happened, shown = scored(hit, confidence)
    if len(shown) == 0:
        return math.nan
    gaps = np.bincount(calibration_bins(shown, bins), weights=happened - shown, minlength=bins)
    return float(np.abs(gaps).sum() / len(shown))


class CalibrationErrors(NamedTuple):
    """The ECE of every run, and its jackknife."""

    values: NDArray[np.float64]
    """(runs,), in [0, 1]."""
    pseudovalues: NDArray[np.float64]
    """(runs, images): n ECE - (n - 1) ECE without the image; NaN for a single image."""


def calibration_errors(hit: NDArray[np.bool_], confidence: NDArray[np.float64], bins: int = BINS) -> CalibrationErrors:
    """Expected calibration errors in bins of equal width, the first one closed (p = 0 counts), with their jackknife.

    With D_b the sum of hit - confidence over the bin of image i, and d_i the image's own term, the ECE without i is
    (sum |D| - |D_b| + |D_b - d_i|) / (n - 1): no run is binned twice.

    Args:
        hit: (runs, images), whether the event came true.
        confidence: (runs, images) in [0, 1], the probability given to it.
        bins: how many.
    """
    runs, n = hit.shape
    own = hit - confidence
    # Every run has its own stretch of bins, so that one count serves them all.
    place = np.arange(runs)[:, None] * bins + calibration_bins(confidence, bins)
    gaps = np.bincount(place.ravel(), weights=own.ravel(), minlength=runs * bins)
    total = np.abs(gaps).reshape(runs, bins).sum(axis=1)
    if n < 2:
        return CalibrationErrors(total / n, np.full((runs, n), math.nan))
    here = gaps[place]
    without = total[:, None] - np.abs(here) + np.abs(here - own)
    return CalibrationErrors(total / n, total[:, None] - without)


def null_ece(confidence: ArrayLike, bins: int = BINS) -> float:
    """The ECE to expect of a perfectly calibrated model that gives these confidences, in [0, 1]; exact, not simulated.

    Each hit is then a coin that falls with the image's own confidence, so the hits of a bin are Poisson-binomial; the
    ECE is the sum over bins of their mean absolute deviation, over n. It is not 0: with 132 images about 0.07.

    Args:
        confidence: (images,) in [0, 1].
        bins: how many, of equal width.

    Raises:
        ValueError: a confidence is not in [0, 1], or the array is not one of images.
    """
    shown = np.asarray(confidence, np.float64)
    if shown.ndim != 1:
        raise ValueError(f"confidences of one run are (images,), not {shown.shape}")
    if not shown.size:
        return math.nan
    place = calibration_bins(shown, bins)
    return sum(_mean_absolute_deviation(shown[place == b]) for b in np.unique(place)) / len(shown)


def _mean_absolute_deviation(chances: NDArray[np.float64]) -> float:
    """E|X - E X| of the number X of coins that fall."""
    mass = np.zeros(len(chances) + 1)
    mass[0] = 1.0
    for count, chance in enumerate(chances, start=1):
        mass[1 : count + 1] = mass[1 : count + 1] * (1 - chance) + mass[:count] * chance
        mass[0] *= 1 - chance
    return float(mass @ np.abs(np.arange(len(mass)) - chances.sum()))
