"""From estimates to claims: p values adjusted for their number, and tests against a margin.

Holm is written out: statsmodels' `multipletests` collects garbage at every call, which takes longer than a report.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr
from scipy.stats import false_discovery_control

from imil_sim.stats.estimate import Estimate


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """Holm's adjusted p values (1979) for planned comparisons: the chance of any false claim stays below alpha.

    >>> holm([0.01, 0.04, 0.03, 0.005]).tolist()
    [0.03, 0.06, 0.06, 0.02]

    A comparison that was planned and has no p (NaN) still counts among them, and stays NaN: a study does not gain by a
    run that failed.

    Args:
        p: (comparisons,), each in [0, 1] or NaN.

    Raises:
        ValueError: a p is not one.
    """
    raw, known = _checked(p)
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(stepped, 1.0)
    return np.where(known, adjusted, np.nan)


def benjamini_hochberg(p: ArrayLike) -> NDArray[np.float64]:
    """Benjamini and Hochberg's adjusted p values (1995), for exploring: the expected share of false claims.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.005]).round(4).tolist()
    [0.02, 0.04, 0.04, 0.02]

    NaN is treated as by `holm`.

    Args:
        p: (comparisons,), each in [0, 1] or NaN.

    Raises:
        ValueError: a p is not one.
    """
    raw, known = _checked(p)
    return np.where(known, false_discovery_control(raw), np.nan) if len(raw) else raw


def _checked(p: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The p values, 1 where there is none, and which of them there are."""
    raw = np.asarray(p, np.float64)
    known = ~np.isnan(raw)
    if raw.ndim != 1 or ((raw[known] < 0) | (raw[known] > 1)).any():
        raise ValueError(f"p values lie in [0, 1], in an array of one dimension; got {raw.tolist()}")
    return np.where(known, raw, 1.0), known


# ------------------------------------------------------------------------------------------------------------- margins


def non_inferiority(difference: Estimate, margin: float, *, higher_is_better: bool) -> float:
    """The p of the hypothesis that the arm is worse than its reference by ``margin`` or more; small: it is not.

    Args:
        difference: arm minus reference.
        margin: how much worse is still acceptable, in units of the metric; 0 tests for superiority, one-sided.
        higher_is_better: whether a larger value of the metric is the better one.

    Returns:
        NaN where the estimate has no standard error to go by.

    Raises:
        ValueError: the margin is negative or not a number.
    """
    if not margin >= 0:
        raise ValueError(f"a margin is 0 or more: how much worse would be acceptable; not {margin}")
    better = difference.value if higher_is_better else -difference.value
    return _above(difference, better + margin)


def equivalence(difference: Estimate, margin: float) -> float:
    """The p of the hypothesis that arm and reference differ by ``margin`` or more; small: they lie closer.

    The larger p of two one-sided tests (TOST, Schuirmann 1987).

    Args:
        difference: arm minus reference.
        margin: in units of the metric.

    Returns:
        NaN where the estimate has no standard error to go by.

    Raises:
        ValueError: the margin is not above 0.
    """
    if not margin > 0:
        raise ValueError(
            f"a margin of equivalence is above 0: no finite study shows two arms to be equal; not {margin}"
        )
    return max(_above(difference, margin - difference.value), _above(difference, margin + difference.value))


def _above(estimate: Estimate, distance: float) -> float:
    """One-sided p that the distance is above 0."""
    return float(stdtr(estimate.df, -distance / estimate.se)) if estimate.se > 0 else math.nan
