"""Obuchowski and Rockette's model with seeds as readers: what the variance of a mean over seeds is made of.

Sources: Obuchowski and Rockette (1995), Commun. Stat. Simul. 24, 285-308; Hillis (2007), Stat. Med. 26, 596-619 (the
degrees of freedom); Hillis (2014), Stat. Med. 33, 330-360 (the same for one arm and for fixed readers).

All of it is about a *contrast*: a number per seed that is linear in the arms' metrics (one arm, the difference of two,
the slope over several). For two arms the formulas below are the textbook's, with MS(T*R) = seeds / 2, Var - Cov1 =
images / 2 and Cov2 - Cov3 = shared / 2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtrinc, stdtrit

from imil_sim.stats.estimate import LEVEL

POWER = 0.8
"""The chance with which a minimum detectable effect is detected."""


class Spread(NamedTuple):
    """Sources of variance of a contrast."""

    seeds: float
    """Variance of the contrast over seeds (n - 1); NaN with one seed."""
    images: float
    """Variance across images of one seed's contrast, the mean over seeds."""
    shared: float
    """Covariance across images of two seeds' contrasts, the mean over pairs of seeds; NaN with one seed.

    What does not average out with more seeds: images on which the arms differ whatever the seed.
    """


class Uncertainty(NamedTuple):
    """Of the mean of a contrast over seeds."""

    se: float
    df: float


class Covariances(NamedTuple):
    """Covariances across images of the metrics of two runs, the mean over all such two; for two arms."""

    var: float
    """A run with itself."""
    cov1: float
    """Same seed, different arm."""
    cov2: float
    """Different seed, same arm; NaN with one seed."""
    cov3: float
    """Different seed, different arm; NaN with one seed."""

    def of_difference(self, seeds: float) -> Spread:
        """The spread of the difference of the two arms, whose variance over seeds is ``seeds``."""
        return Spread(seeds, 2 * (self.var - self.cov1), 2 * (self.cov2 - self.cov3))


def covariance_across_images(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(runs, runs): the covariance of any two runs' metrics if the test images were drawn anew.

    Args:
        parts: (runs, images), as in `Components.parts`; at least two images.
    """
    images = parts.shape[1]
    centred = parts - parts.mean(axis=1, keepdims=True)
    matrix: NDArray[np.float64] = centred @ centred.T / (images * (images - 1))
    return matrix


def covariances(arm: NDArray[np.float64], reference: NDArray[np.float64]) -> Covariances:
    """Obuchowski and Rockette's Var, Cov1, Cov2 and Cov3 of two arms from their parts, each (seeds, images)."""
    seeds = len(arm)
    matrix = covariance_across_images(np.concatenate([arm, reference]))
    within = (matrix[:seeds, :seeds] + matrix[seeds:, seeds:]) / 2
    same_seed, other_seed = _diagonal_and_rest(within)
    cov1, cov3 = _diagonal_and_rest(matrix[:seeds, seeds:])
    return Covariances(same_seed, cov1, other_seed, cov3)


def spread(values: NDArray[np.float64], parts: NDArray[np.float64]) -> Spread:
    """The spread of any contrast from its values (seeds,) and its parts (seeds, images)."""
    return Spread(variance(values), *_diagonal_and_rest(covariance_across_images(parts)))


def variance(values: NDArray[np.float64]) -> float:
    """Sample variance with n - 1; NaN for one value."""
    return float(values.var(ddof=1)) if len(values) > 1 else math.nan


def new_seeds_and_images(of: Spread, n_seeds: int) -> Uncertainty:
    """Inference A: seeds and images are both drawn anew. At least two seeds.

    A negative estimate of the shared covariance counts as 0, which makes the inference conservative where the arms do
    not interact with the images (Hillis 2007, eq. 12 and 13).
    """
    own = of.seeds / n_seeds
    total = own + max(of.shared, 0.0)
    return Uncertainty(math.sqrt(total), math.inf if own == 0 else total**2 / (own**2 / (n_seeds - 1)))


def new_images(of: Spread, n_seeds: int) -> Uncertainty:
    """Inference C: these very seeds, images drawn anew; normal."""
    shared = 0.0 if n_seeds == 1 else (n_seeds - 1) * max(of.shared, 0.0)
    return Uncertainty(math.sqrt((of.images + shared) / n_seeds), math.inf)


def minimum_detectable_effect(of: Spread, n_seeds: int, *, level: float = LEVEL, power: float = POWER) -> float:
    """The smallest true value that inference A would tell from 0 with the chance ``power``, given this spread.

    With the study's own number of seeds it says what the study could have seen; with another, what that would take.
    From the noncentral t (the far tail, below 0.1% here, is left out). NaN where the spread is unknown or all zero.

    Raises:
        ValueError: level or power is not in (0, 1), or there are fewer than two seeds.
    """
    if not (0 < power < 1 and 0 < level < 1) or n_seeds < 2:
        raise ValueError(
            f"a detectable effect needs level and power in (0, 1) and two seeds, not {level}, {power} and {n_seeds}"
        )
    if math.isnan(of.seeds) or math.isnan(of.shared):
        return math.nan
    se, df = new_seeds_and_images(of, n_seeds)
    return float(nctdtrinc(df, 1 - power, stdtrit(df, (1 + level) / 2))) * se if se > 0 else math.nan


def _diagonal_and_rest(matrix: NDArray[np.float64]) -> tuple[float, float]:
    """Means of the diagonal and of what is off it."""
    size, trace = len(matrix), float(np.trace(matrix))
    return trace / size, (float(matrix.sum()) - trace) / (size * (size - 1)) if size > 1 else math.nan
