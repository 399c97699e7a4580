"""Tests against a margin: no worse than, and as good as equal. They take an estimate, so they hold for A, B and C."""

from __future__ import annotations

import math

from scipy.special import stdtr

from imil_sim.stats.estimate import Estimate


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
