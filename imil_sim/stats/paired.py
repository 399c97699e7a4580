"""Statistics of paired numbers: one per seed and arm, no images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import trim_mean

from imil_sim.stats.components import Resplit
from imil_sim.stats.estimate import ANYWHERE, LEVEL, Bounds, Estimate, RandomFactors, estimated
from imil_sim.stats.mrmc import variance


def over_seeds(
    values: ArrayLike,
    *,
    resplit: Resplit | None = None,
    n_images: int = 0,
    level: float = LEVEL,
    bounds: Bounds = ANYWHERE,
    resolution: float = 0.0,
    warnings: tuple[str, ...] = (),
) -> Estimate:
    """Inference B: the mean over seeds with the interval of Student's t; of differences it is the paired t test.

    Splits that share training images make runs alike, and t far too sure. With ``resplit`` the variance is therefore
    (1 / r + n_test / n_train) s^2 in place of s^2 / r (Nadeau and Bengio 2003, Mach. Learn. 52, 239-281).

    Args:
        values: (seeds,), one number a seed: a metric, or the difference of two arms.
        resplit: sizes of the sets where every seed has a split of its own.
        n_images: test images the values are made of.
        level: coverage of the interval.
        bounds: where the estimand can lie.
        resolution: what is to count as 0.
        warnings: handed through.

    Raises:
        ValueError: the values are not finite numbers (seeds,).
    """
    numbers = _finite(values)
    factors: RandomFactors = "seeds and splits" if resplit else "seeds"
    method = "Student's t over seeds" + (", corrected for overlapping splits (Nadeau-Bengio)" if resplit else "")
    if len(numbers) < 2:
        what = "one seed says" if len(numbers) else "no seed has a run of every arm concerned, which says"
        return Estimate(
            value=float(numbers[0]) if len(numbers) else math.nan,
            random_factors=factors, method=method, n_seeds=len(numbers), n_images=n_images, level=level,
            why_absent=f"{what} nothing about other seeds: at least two are needed", warnings=warnings,
        )  # fmt: skip
    share = 1 / len(numbers) + (resplit.n_test / resplit.n_train if resplit else 0)
    return estimated(
        float(numbers.mean()), math.sqrt(share * variance(numbers)), len(numbers) - 1,
        random_factors=factors, method=method, n_seeds=len(numbers), n_images=n_images, level=level, bounds=bounds,
        resolution=resolution, warnings=warnings,
    )  # fmt: skip


def superiority(a: ArrayLike, b: ArrayLike) -> float:
    """P(A > B): the share of pairs in which ``a`` is the larger, ties counting one half; both (seeds,), paired by seed.

    >>> superiority([0.9, 0.8, 0.7, 0.7], [0.8, 0.8, 0.8, 0.6])
    0.625

    Raises:
        ValueError: the arrays are not finite numbers of one length.
    """
    ours, theirs = _finite(a), _finite(b)
    if ours.shape != theirs.shape:
        raise ValueError(f"{len(ours)} values cannot be paired with {len(theirs)}")
    return float(((ours > theirs) + 0.5 * (ours == theirs)).mean()) if len(ours) else math.nan


def iqm(values: ArrayLike) -> float:
    """Interquartile mean of (seeds,): the mean of the middle half; NaN of none (Agarwal et al. 2021)."""
    numbers = _finite(values)
    return float(trim_mean(numbers, 0.25)) if len(numbers) else math.nan


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        raise ValueError(f"finite numbers (seeds,) are needed, not {numbers.tolist()}")
    return numbers
