"""Paired numbers, one a seed, and paired hits, one an image: what needs no covariance across images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import trim_mean
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test
from statsmodels.stats.proportion import proportion_confint

from imil_sim.stats.components import Resplit
from imil_sim.stats.estimate import ANYWHERE, LEVEL, Bounds, Estimate, RandomFactors, estimated
from imil_sim.stats.mrmc import variance


def over_seeds(
    values: ArrayLike,
    *,
    resplit: Resplit | None = None,
    n_images: int = 0,
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
            random_factors=factors, method=method, n_seeds=len(numbers), n_images=n_images,
            why_absent=f"{what} nothing about other seeds: at least two are needed", warnings=warnings,
        )  # fmt: skip
    share = 1 / len(numbers) + (resplit.n_test / resplit.n_train if resplit else 0)
    return estimated(
        float(numbers.mean()), math.sqrt(share * variance(numbers)), len(numbers) - 1,
        random_factors=factors, method=method, n_seeds=len(numbers), n_images=n_images, bounds=bounds,
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


# ---------------------------------------------------------------------------------------------------- shares of images


def wilson(hits: ArrayLike) -> Estimate:
    """The share of hits (images,) of one run, with Wilson's interval (1927); new patients, this model.

    Raises:
        ValueError: the hits are not booleans (images,), or there is none.
    """
    happened = _hits(hits)
    n, count = len(happened), int(happened.sum())
    low, high = proportion_confint(count, n, alpha=1 - LEVEL, method="wilson")
    return Estimate(
        value=count / n, low=float(low), high=float(high), df=math.inf, random_factors="patients", method="Wilson",
        n_seeds=1, n_images=n,
    )  # fmt: skip


def mcnemar(hits: ArrayLike, reference: ArrayLike) -> Estimate:
    """Share of hits minus the reference's, of two runs on the same images; p is exact (McNemar 1947).

    The interval is that of Bonett and Price (2012, J. Educ. Behav. Stat. 37, 479-488), which adds half an image to
    each cell: it keeps its coverage with few images in dispute, has a width when there is none, and nearly always
    agrees with the exact p; the plain one calls five against none in 132 certain (p = .0625).

    Args:
        hits: (images,), whether the arm's run was right.
        reference: (images,), whether the reference's run was.

    Raises:
        ValueError: they are not booleans of one length, or there is none.
    """
    ours, theirs = _hits(hits), _hits(reference)
    if len(ours) != len(theirs):
        raise ValueError(f"hits on {len(ours)} images cannot be paired with hits on {len(theirs)}")
    n, gained, lost = len(ours), int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    p = float(mcnemar_test([[0, gained], [lost, 0]], exact=True).pvalue) if gained + lost else 1.0
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    se = math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    reach = float(ndtri((1 + LEVEL) / 2)) * se
    return Estimate(
        value=(gained - lost) / n, low=max(up - down - reach, -1.0), high=min(up - down + reach, 1.0), p=p, se=se,
        df=math.inf, random_factors="patients", method="McNemar, exact; interval of Bonett and Price", n_seeds=1,
        n_images=n,
    )  # fmt: skip


def _hits(values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    hits = np.asarray(values)
    if hits.ndim != 1 or not len(hits) or not np.isin(hits, (0, 1)).all():
        raise ValueError(f"hits are 0 or 1 for every image, (images,); got {hits.dtype} of shape {hits.shape}")
    return hits.astype(np.bool_)
