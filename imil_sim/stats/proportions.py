"""Shares of images: one share, and two shares of the same images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test
from statsmodels.stats.proportion import proportion_confint

from imil_sim.stats.estimate import LEVEL, Estimate, check_level


def wilson(hits: ArrayLike, *, level: float = LEVEL) -> Estimate:
    """The share of hits (images,) of one run, with Wilson's interval (1927); new patients, this model.

    Raises:
        ValueError: the hits are not booleans (images,), or there is none.
    """
    happened = _hits(hits)
    check_level(level)
    n, count = len(happened), int(happened.sum())
    low, high = proportion_confint(count, n, alpha=1 - level, method="wilson")
    return Estimate(
        value=count / n, low=float(low), high=float(high), df=math.inf, random_factors="patients", method="Wilson",
        n_seeds=1, n_images=n, level=level,
    )  # fmt: skip


def mcnemar(hits: ArrayLike, reference: ArrayLike, *, level: float = LEVEL) -> Estimate:
    """Share of hits minus the reference's, of two runs on the same images; p is exact (McNemar 1947).

    The interval is that of Bonett and Price (2012, J. Educ. Behav. Stat. 37, 479-488), which adds half an image to
    each cell: it keeps its coverage with few images in dispute, has a width when there is none, and nearly always
    agrees with the exact p; the plain one calls five against none in 132 certain (p = .0625).

    Args:
        hits: (images,), whether the arm's run was right.
        reference: (images,), whether the reference's run was.
        level: coverage of the interval.

    Raises:
        ValueError: they are not booleans of one length, or there is none.
    """
    ours, theirs = _hits(hits), _hits(reference)
    if len(ours) != len(theirs):
        raise ValueError(f"hits on {len(ours)} images cannot be paired with hits on {len(theirs)}")
    check_level(level)
    n, gained, lost = len(ours), int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    p = float(mcnemar_test([[0, gained], [lost, 0]], exact=True).pvalue) if gained + lost else 1.0
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    se = math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    reach = float(ndtri((1 + level) / 2)) * se
    return Estimate(
        value=(gained - lost) / n, low=max(up - down - reach, -1.0), high=min(up - down + reach, 1.0), p=p, se=se,
        df=math.inf, random_factors="patients", method="McNemar, exact; interval of Bonett and Price", n_seeds=1,
        n_images=n, level=level,
    )  # fmt: skip


def _hits(values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    hits = np.asarray(values)
    if hits.ndim != 1 or not len(hits) or not np.isin(hits, (0, 1)).all():
        raise ValueError(f"hits are 0 or 1 for every image, (images,); got {hits.dtype} of shape {hits.shape}")
    return hits.astype(np.bool_)
