"""What a study could have detected, and how many seeds it would take to detect more.

Claims rest on p values after Holm's correction: so effects are those seen at the level 1 - 0.05 / m of Holm's first
step, m being the number of planned comparisons (Bonferroni's bound).
"""

from __future__ import annotations

import math

from scipy.special import ndtri

from imil_sim.stats import Comparison, Spread, minimum_detectable_effect
from imil_sim.stats.contrast import FEWEST_SEEDS
from imil_sim.stats.estimate import LEVEL
from imil_sim.stats.mrmc import POWER

OF_INTEREST = 0.02
"""A difference worth seeing, in accuracy or AUROC; a study that would miss it is called underpowered for it."""

MOST_SEEDS = 1000
"""More seeds than this are not counted out."""


def level_of(comparisons: int) -> float:
    """The level at which the first of so many comparisons must leave out 0 to be claimed.

    >>> round(level_of(5), 6)
    0.99
    """
    return 1 - (1 - LEVEL) / max(comparisons, 1)


def detectable(of: Comparison, comparisons: int = 1) -> float:
    """The true difference that a comparison, one of so many planned ones, detects with 80% power; NaN where unknown."""
    if math.isnan(of.mde):
        return math.nan
    return minimum_detectable_effect(of.spread, of.a.n_seeds, level=level_of(comparisons))


def seeds_needed(of: Spread, effect: float, level: float = LEVEL) -> float:
    """The number of seeds with which inference A would tell a true ``effect`` from 0 with 80% power.

    NaN where the spread is unknown; infinite where no number of seeds is enough, because images on which the arms
    differ whatever the seed set a floor, or more than `MOST_SEEDS` would be needed.
    """
    if not of.seeds + max(of.shared, 0.0) > 0:
        return math.nan
    if floor(of, level) >= effect or minimum_detectable_effect(of, MOST_SEEDS, level=level) > effect:
        return math.inf
    few, enough = FEWEST_SEEDS - 1, MOST_SEEDS
    while enough - few > 1:
        middle = (few + enough) // 2
        seen = minimum_detectable_effect(of, middle, level=level) <= effect
        few, enough = (few, middle) if seen else (middle, enough)
    return enough


def floor(of: Spread, level: float = LEVEL) -> float:
    """What inference A would detect with 80% power if there were no end of seeds, on so many test images."""
    return float(ndtri((1 + level) / 2) + ndtri(POWER)) * math.sqrt(max(of.shared, 0.0))
